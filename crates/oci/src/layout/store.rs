//! The reading half of a layout, wherever it lies: in a directory or in a tar file.
//!
//! A [`Store`] hands out `index.json` and blobs by digest; everything else (which manifest a name means,
//! what refers to a manifest) is decided here once for all of them. A list of referrers is complete or it
//! is an error: a manifest that is listed and cannot be read might be the one that matters.

use super::index::{Entry, IndexFile, ambiguous};
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Descriptor, RawManifest, media_type};
use crate::reference::Location;
use crate::source::{BlobReader, Referrers, ReferrersVia, Selector, checked, from_io};
use crate::{limits, strict};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

/// Bytes of all manifests that one question looks into. A thousand entries with the manifests of large
/// images are about 10 MB; a layout made of maximal manifests must not keep us busy for gigabytes.
pub(crate) const SCAN_BYTES: u64 = 64 << 20;

/// A place of blobs with an `index.json`.
pub(crate) trait Store: Send + Sync + 'static {
    fn location(&self) -> &Location;

    /// `index.json`, at most [`limits::MANIFEST_BYTES`].
    fn index(&self) -> Result<Vec<u8>>;

    /// A blob and its size in bytes; `None` only where it is certainly not there.
    fn open(&self, digest: &Digest) -> Result<Option<(Box<dyn Read + Send>, u64)>>;

    /// What people can do where a blob is not there.
    fn remedy(&self) -> Option<&'static str> {
        None
    }
}

/// What a manifest must be read for to find out whether it refers to something.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    artifact_type: Option<String>,
    config: Option<ConfigHead>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigHead {
    media_type: String,
}

/// Reads a whole blob of at most [`limits::MANIFEST_BYTES`] and checks its digest.
pub(crate) fn small_blob(store: &dyn Store, digest: &Digest) -> Result<Option<Vec<u8>>> {
    let on = || format!("{}@{digest}", store.location());
    let Some((reader, size)) = store.open(digest)? else { return Ok(None) };
    if size > limits::MANIFEST_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "MANIFEST_BYTES", value: limits::MANIFEST_BYTES };
        return Err(Error::new("read manifest", on(), kind));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // One byte more than announced, so that a file that grows is seen and not cut.
    reader.take(size + 1).read_to_end(&mut bytes).map_err(|e| from_io(e, "read manifest", on()))?;
    if bytes.len() as u64 != size {
        let kind = ErrorKind::SizeMismatch { expected: size, actual: bytes.len() as u64 };
        return Err(Error::new("read manifest", on(), kind));
    }
    if !digest.matches(&bytes) {
        let actual = Digest::of(digest.algorithm(), &bytes).to_string();
        let kind = ErrorKind::DigestMismatch { expected: digest.to_string(), actual };
        return Err(Error::new("read manifest", on(), kind));
    }
    Ok(Some(bytes))
}

fn index_file(store: &dyn Store) -> Result<IndexFile> {
    IndexFile::parse(&store.index()?, store.location())
}

/// The manifest of a descriptor that the layout itself lists; that it is missing is the layout's fault.
fn listed(store: &dyn Store, descriptor: &Descriptor) -> Result<Vec<u8>> {
    let on = || format!("{}@{}", store.location(), descriptor.digest);
    let bytes = small_blob(store, &descriptor.digest)?.ok_or_else(|| {
        Error::new(
            "read manifest",
            on(),
            ErrorKind::Malformed("the layout lists it and does not hold it".into()),
        )
    })?;
    if bytes.len() as u64 != descriptor.size {
        let kind = ErrorKind::SizeMismatch { expected: descriptor.size, actual: bytes.len() as u64 };
        return Err(Error::new("read manifest", on(), kind));
    }
    Ok(bytes)
}

struct Scan<'a> {
    store: &'a dyn Store,
    left: u64,
}

impl<'a> Scan<'a> {
    fn new(store: &'a dyn Store) -> Self {
        Self { store, left: SCAN_BYTES }
    }

    /// What `descriptor` is about; `None` where it is nothing that could say.
    fn head(&mut self, descriptor: &Descriptor) -> Result<Option<Head>> {
        if !media_type::ACCEPT.contains(&descriptor.media_type.as_str()) {
            return Ok(None);
        }
        self.left = self.left.checked_sub(descriptor.size).ok_or_else(|| {
            let kind = ErrorKind::LimitExceeded { limit: "SCAN_BYTES", value: SCAN_BYTES };
            Error::new("look into the manifests of", self.store.location(), kind)
        })?;
        let bytes = listed(self.store, descriptor)?;
        strict::from_slice(&bytes).map(Some).map_err(|why| {
            let on = format!("{}@{}", self.store.location(), descriptor.digest);
            Error::new("read manifest", on, ErrorKind::Malformed(why))
        })
    }
}

/// As [`crate::Source::manifest`].
pub(crate) fn manifest(store: &dyn Store, selector: Selector<'_>) -> Result<Option<RawManifest>> {
    let index;
    let entry = match selector {
        Selector::Digest(digest) => {
            let Some(bytes) = small_blob(store, digest)? else { return Ok(None) };
            let on = format!("{}@{digest}", store.location());
            return RawManifest::new(bytes, None, &on)?.expect(digest, &on).map(Some);
        }
        Selector::Tag(tag) => {
            index = index_file(store)?;
            index.find(tag, store.location())?
        }
        Selector::Only => {
            index = index_file(store)?;
            only(store, &index)?
        }
    };
    let Some(Entry { descriptor, .. }) = entry else { return Ok(None) };
    let on = format!("{}@{}", store.location(), descriptor.digest);
    let raw = RawManifest::new(listed(store, descriptor)?, Some(&descriptor.media_type), &on)?;
    raw.expect(&descriptor.digest, &on).map(Some)
}

/// The one image: not what is attached to an image, and not the children of an index that is listed too.
fn only<'i>(store: &dyn Store, index: &'i IndexFile) -> Result<Option<&'i Entry>> {
    let mut scan = Scan::new(store);
    let mut seen = BTreeSet::new();
    let mut children = BTreeSet::new();
    let mut images = Vec::new();
    for entry in index.entries.iter().filter(|e| !e.is_attachment()) {
        if !seen.insert(&entry.descriptor.digest) {
            continue;
        }
        let Some(head) = scan.head(&entry.descriptor)? else { continue };
        if head.subject.is_none() && head.artifact_type.is_none() {
            children.extend(head.manifests.into_iter().flatten().map(|d| d.digest));
            images.push(entry);
        }
    }
    images.retain(|e| !children.contains(&e.descriptor.digest));
    match images.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => Err(ambiguous(store.location(), "several images are there", several)
            .hint("add the tag of one of them, or @ and its digest")),
    }
}

/// As [`crate::Source::blob`].
pub(crate) fn blob(store: &dyn Store, descriptor: &Descriptor) -> Result<BlobReader> {
    let on = || format!("{}@{}", store.location(), descriptor.digest);
    if descriptor.size > limits::LAYER_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "LAYER_BYTES", value: limits::LAYER_BYTES };
        return Err(Error::new("read blob", on(), kind));
    }
    let (reader, size) = store.open(&descriptor.digest)?.ok_or_else(|| {
        let error = Error::new("read blob", on(), ErrorKind::NotFound);
        Error { hint: store.remedy().map(str::to_owned), ..error }
    })?;
    if size != descriptor.size {
        let kind = ErrorKind::SizeMismatch { expected: descriptor.size, actual: size };
        return Err(Error::new("read blob", on(), kind));
    }
    Ok(checked(reader, descriptor, store.location()))
}

/// As [`crate::Source::referrers`]: the entries of `index.json` and of the index under the fallback tag
/// whose manifests name `subject`, each described from the manifest itself.
pub(crate) fn referrers(store: &dyn Store, subject: &Digest) -> Result<Referrers> {
    let index = index_file(store)?;
    let mut scan = Scan::new(store);
    let mut seen = BTreeSet::new();
    let mut descriptors = Vec::new();
    let mut look = |scan: &mut Scan<'_>, descriptor: &Descriptor| -> Result<Option<Head>> {
        if !seen.insert(descriptor.digest.clone()) {
            return Ok(None);
        }
        let Some(mut head) = scan.head(descriptor)? else { return Ok(None) };
        if head.subject.as_ref().is_some_and(|s| s.digest == *subject) {
            let mut found = descriptor.bare();
            // Distribution specification, "Listing Referrers": the config's media type stands in.
            found.artifact_type = head.artifact_type.take().or(head.config.take().map(|c| c.media_type));
            found.annotations = head.annotations.take().unwrap_or_default();
            descriptors.push(found);
            if descriptors.len() > limits::REFERRER_ENTRIES {
                let value = limits::REFERRER_ENTRIES as u64;
                let kind = ErrorKind::LimitExceeded { limit: "REFERRER_ENTRIES", value };
                return Err(Error::new("list referrers of", subject, kind));
            }
        }
        Ok(Some(head))
    };
    let fallback_tag = subject.tag("");
    let (fallback, others): (Vec<&Entry>, Vec<&Entry>) =
        index.entries.iter().partition(|e| e.tag() == Some(fallback_tag.as_str()));
    // The fallback index first: were it listed a second time without its tag, it would count as seen.
    for entry in fallback {
        let head = look(&mut scan, &entry.descriptor)?;
        for child in head.and_then(|h| h.manifests).unwrap_or_default() {
            look(&mut scan, &child)?;
        }
    }
    for entry in others {
        look(&mut scan, &entry.descriptor)?;
    }
    descriptors.sort_by(|a, b| a.digest.cmp(&b.digest));
    Ok(Referrers { descriptors, via: ReferrersVia::Layout })
}

/// Runs `f`, which reads files, off the reactor.
pub(crate) async fn off_reactor<T: Send + 'static>(
    on: &Location,
    f: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(f)
        .await
        .map_err(|e| Error::new("read", on, ErrorKind::Local(e.to_string())))?
}

/// A [`Selector`] that another thread may own.
pub(crate) enum OwnedSelector {
    Only,
    Tag(String),
    Digest(Digest),
}

impl From<Selector<'_>> for OwnedSelector {
    fn from(selector: Selector<'_>) -> Self {
        match selector {
            Selector::Only => Self::Only,
            Selector::Tag(tag) => Self::Tag(tag.into()),
            Selector::Digest(digest) => Self::Digest(digest.clone()),
        }
    }
}

impl OwnedSelector {
    pub(crate) fn as_selector(&self) -> Selector<'_> {
        match self {
            Self::Only => Selector::Only,
            Self::Tag(tag) => Selector::Tag(tag),
            Self::Digest(digest) => Selector::Digest(digest),
        }
    }
}
