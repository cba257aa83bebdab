//! Images that a containerd on this machine keeps, read from its files: no daemon is asked, and none has to run.
//!
//! containerd keeps names in a database (`io.containerd.metadata.v1.bolt/meta.db`: `v1/NAMESPACE/images/NAME/target`), and what
//! they stand for by digest in plain files (`io.containerd.content.v1.content/blobs`). Decided here: which descriptor a name
//! means. The name as containerd has it counts first, then its long form (`nginx` is `docker.io/library/nginx:latest`).
//! Everything behind it is checked against its digest, as in a layout. Only root may read these files.
//!
//! The database is read without a lock while containerd may write to it (`bolt`): if a transaction was finished in
//! between, it is read again, and after [`TRIES`] of them nobody knows ([`ErrorKind::Unreachable`]).
//!
//! Refused: other schemas than `v1`, and writing. An image of which containerd pulled one platform alone names others that
//! are not there: [`is_there`] tells which are.

use super::Archive;
use super::bolt::{Bolt, Bucket, Fault, Found};
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::open_file;
use crate::layout::store::{Store, off_reactor};
use crate::manifest::Descriptor;
use crate::reference::{Location, Reference};
use crate::source::{Selector, Source};
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where containerd keeps its things unless its configuration says otherwise.
pub const ROOT: &str = "/var/lib/containerd";
const DATABASE: &str = "io.containerd.metadata.v1.bolt/meta.db";
const CONTENT: &str = "io.containerd.content.v1.content/blobs";
/// Times that the database is read while somebody writes to it.
pub const TRIES: u32 = 10;
/// Between two of them: a transaction of containerd takes some milliseconds.
const BETWEEN: Duration = Duration::from_millis(20);
/// Namespaces that are looked at for a hint; people have two or three.
const NAMESPACES: usize = 16;
/// Names that a hint lists.
const NAMES: usize = 8;

/// Opens the image at `location` ([`Location::Containerd`]) in the store below `root`.
///
/// # Errors
/// [`ErrorKind::NotFound`] where containerd has no image of that name, [`ErrorKind::Unreachable`] where its database was
/// written to all the time, [`ErrorKind::Malformed`] where it is none, [`ErrorKind::Local`] where it cannot be opened.
pub async fn open(location: &Location, root: &Path) -> Result<Box<dyn Source>> {
    let (on, root) = (location.clone(), root.to_owned());
    off_reactor(location, move || {
        let Location::Containerd { namespace, name } = &on else {
            return Err(Error::new("open", &on, ErrorKind::Unsupported("no image of containerd".into())));
        };
        let database = root.join(DATABASE);
        let file = match open_file(&database, &on) {
            Ok(Some((file, _))) => file,
            Ok(None) => {
                let why = format!("there is no {}", database.display());
                return Err(Error::new("open", &on, ErrorKind::Local(why))
                    .hint("--containerd-root says where containerd keeps its things"));
            }
            Err(error) => return Err(error.hint("only root may read what containerd keeps")),
        };
        let target = find(&file, namespace, name, &on)?;
        let store = Images { root, target, location: on };
        Ok(Box::new(Archive { store: Arc::new(store) }) as Box<dyn Source>)
    })
    .await
}

/// Whether the manifest of `child` is in the place: of an index, containerd may have pulled one platform alone.
///
/// # Errors
/// Where it is there and cannot be read.
pub async fn is_there(place: &dyn Source, child: &Descriptor) -> Result<bool> {
    Ok(place.manifest(Selector::Digest(&child.digest)).await?.is_some())
}

/// What `name` means in `namespace`, by a database that nobody wrote to while it was read.
fn find(file: &File, namespace: &str, name: &str, on: &Location) -> Result<Descriptor> {
    let mut last = None;
    for round in 0..TRIES {
        if round > 0 {
            std::thread::sleep(BETWEEN);
        }
        let mut bolt = match Bolt::open(file) {
            Ok(bolt) => bolt,
            // Both meta pages are never written at once; but a file that is being copied may lack its end.
            Err(fault) => {
                last = Some(fault);
                continue;
            }
        };
        let found = look(&mut bolt, namespace, name);
        // What was read of a transaction that is no longer the newest may be half of another one, errors included.
        if bolt.is_still().unwrap_or(false) {
            return found
                .map_err(|fault| failed(fault, on))?
                .map_err(|there| not_there(&there, namespace, on));
        }
        last = None;
    }
    Err(match last {
        Some(fault) => failed(fault, on),
        None => {
            let why = format!(
                "containerd finished a transaction during each of {TRIES} tries to read its database"
            );
            Error::new("read", on, ErrorKind::Unreachable(why)).hint("try again when it is less busy")
        }
    })
}

fn failed(fault: Fault, on: &Location) -> Error {
    let kind = match fault {
        Fault::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            ErrorKind::Malformed("its database ends too early".into())
        }
        Fault::Io(e) => ErrorKind::Local(e.to_string()),
        Fault::Broken(why) => ErrorKind::Malformed(format!("its database: {why}")),
        Fault::Limit(limit, value) => ErrorKind::LimitExceeded { limit, value },
    };
    Error::new("read", on, kind)
}

/// Where a name is not there: what is.
struct There {
    /// The namespaces that have images under this name.
    elsewhere: Vec<String>,
    /// Some names of this one.
    names: Vec<String>,
    /// All namespaces.
    namespaces: Vec<String>,
}

fn not_there(there: &There, namespace: &str, on: &Location) -> Error {
    let error = Error::new("find image", on, ErrorKind::NotFound);
    if let Some(other) = there.elsewhere.first() {
        return error.hint(format!("the namespace {other} has it: add @{other}"));
    }
    if !there.names.is_empty() {
        return error.hint(format!("images there: {}", there.names.join(", ")));
    }
    if there.namespaces.is_empty() {
        return error.hint("this containerd has no namespace yet");
    }
    error.hint(format!("{namespace} has no images; the namespaces are {}", there.namespaces.join(", ")))
}

/// `path` of nested buckets from the root; `None` where one of them is not there.
fn bucket(bolt: &mut Bolt<'_>, path: &[&[u8]]) -> std::result::Result<Option<Bucket>, Fault> {
    let mut bucket = bolt.root();
    for key in path {
        match bolt.get(&bucket, key)?.and_then(Found::bucket) {
            Some(next) => bucket = next,
            None => return Ok(None),
        }
    }
    Ok(Some(bucket))
}

fn look(
    bolt: &mut Bolt<'_>,
    namespace: &str,
    name: &str,
) -> std::result::Result<std::result::Result<Descriptor, There>, Fault> {
    if bucket(bolt, &[b"v1"])?.is_none() {
        let keys = bolt.keys(&bolt.root(), NAMESPACES)?;
        if !keys.is_empty() {
            return Err(Fault::Broken("no bucket v1: this schema is not read here".into()));
        }
    }
    let spellings = spellings(name);
    for spelling in &spellings {
        if let Some(target) = target_of(bolt, namespace, spelling)? {
            return descriptor(bolt, &target).map(Ok);
        }
    }
    let mut there = There { elsewhere: Vec::new(), names: Vec::new(), namespaces: Vec::new() };
    if let Some(v1) = bucket(bolt, &[b"v1"])? {
        for key in bolt.keys(&v1, NAMESPACES)? {
            if bolt.get(&v1, &key)?.and_then(Found::bucket).is_none() {
                continue;
            }
            let other = String::from_utf8_lossy(&key).into_owned();
            for spelling in &spellings {
                if target_of(bolt, &other, spelling)?.is_some() && !there.elsewhere.contains(&other) {
                    there.elsewhere.push(other.clone());
                }
            }
            there.namespaces.push(shown(&key));
        }
    }
    if let Some(images) = bucket(bolt, &[b"v1", namespace.as_bytes(), b"images"])? {
        there.names = bolt.keys(&images, NAMES)?.iter().map(|name| shown(name)).collect();
    }
    Ok(Err(there))
}

/// A name of a database for people: it is whatever somebody called an image.
fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).chars().take(100).collect::<String>().escape_debug().to_string()
}

/// The name, and what it is called in full.
fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![name.to_owned()];
    if let Ok(reference @ Reference { location: Location::Registry(_), .. }) = name.parse::<Reference>() {
        all.push(reference.to_string());
    }
    all.dedup();
    all
}

fn target_of(bolt: &mut Bolt<'_>, namespace: &str, name: &str) -> std::result::Result<Option<Bucket>, Fault> {
    bucket(bolt, &[b"v1", namespace.as_bytes(), b"images", name.as_bytes(), b"target"])
}

fn descriptor(bolt: &mut Bolt<'_>, target: &Bucket) -> std::result::Result<Descriptor, Fault> {
    let mut value = |key: &str| {
        let found = bolt.get(target, key.as_bytes())?.and_then(Found::value);
        found.ok_or_else(|| Fault::Broken(format!("an image without {key}")))
    };
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|_| Fault::Broken("an image's target is no text".into()))
    };
    let digest: Digest = text(value("digest")?)?
        .parse()
        .map_err(|e: Error| Fault::Broken(format!("an image's digest: {}", e.kind)))?;
    let media_type = text(value("mediatype")?)?;
    let size = varint(&value("size")?).ok_or_else(|| Fault::Broken("an image's size is no number".into()))?;
    // Decoration stands in the index, not here.
    let (platform, artifact_type, annotations, urls) = Default::default();
    Ok(Descriptor { media_type, digest, size, platform, artifact_type, annotations, urls })
}

/// A signed number as Go's `encoding/binary` writes it: seven bits a byte, the sign in the lowest bit.
fn varint(bytes: &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f).checked_shl(u32::try_from(index).ok()? * 7)?;
        if byte & 0x80 == 0 {
            let last = index + 1 == bytes.len();
            return (last && number & 1 == 0).then_some(number >> 1);
        }
    }
    None
}

/// One image of a store, which is read like a layout that has it alone.
#[derive(Debug)]
struct Images {
    root: PathBuf,
    target: Descriptor,
    location: Location,
}

impl Store for Images {
    fn location(&self) -> &Location {
        &self.location
    }

    fn index(&self) -> Result<Vec<u8>> {
        let Descriptor { media_type, digest, size, .. } = &self.target;
        let entry = json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size });
        Ok(json!({ "schemaVersion": 2, "manifests": [entry] }).to_string().into_bytes())
    }

    fn open(&self, digest: &Digest) -> Result<Option<(Box<dyn Read + Send>, u64)>> {
        let path = self.root.join(CONTENT).join(digest.algorithm().as_str()).join(digest.hex());
        let opened = open_file(&path, &self.location)?;
        Ok(opened.map(|(file, size)| (Box::new(file) as Box<dyn Read + Send>, size)))
    }

    fn remedy(&self) -> Option<&'static str> {
        Some(
            "containerd fetched a part of the image alone, or discards layers that it unpacked (discard_unpacked_layers): `ctr images pull --all-platforms` or `ctr content fetch` brings all of it",
        )
    }
}

#[cfg(test)]
mod tests;
