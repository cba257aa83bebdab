//! OCI layout directories (OCI image specification, "Image Layout"), to read and to write.
//!
//! A layout is a full home of an image: what refers to it is kept as further entries of `index.json`, the
//! way other tools keep it, and found by their `subject`; so signing and verifying need no registry and no
//! socket. Decided here: which entry a tag means, which entry is "the image" where no tag is named, and
//! what refers to what ([`Layout`] and the archives share that code).
//!
//! Refused: directories that are no layout of version 1.0.0 (and, for writing, non-empty ones), an
//! `index.json` that can be read two ways, blobs whose size or digest is not what was said. No path is ever
//! made from anything but a validated [`Digest`]. Symbolic links below `blobs/` are followed, because people
//! share blobs between layouts that way and every content is hashed anyway; what is opened must be a regular
//! file, so that a pipe or a device cannot hang or feed us.

pub(crate) mod index;
pub(crate) mod store;
#[cfg(feature = "push")]
mod write;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::manifest::{Descriptor, RawManifest};
use crate::reference::Location;
use crate::source::{BlobReader, Referrers, Selector, Source};
use async_trait::async_trait;
use index::IndexFile;
use serde::Deserialize;
#[cfg(feature = "push")]
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{OwnedSelector, Store, off_reactor};

const MARKER: &str = "oci-layout";
const INDEX: &str = "index.json";
const BLOBS: &str = "blobs";

/// An OCI layout directory.
#[derive(Debug, Clone)]
pub struct Layout {
    dir: Arc<Dir>,
}

#[derive(Debug)]
struct Dir {
    path: PathBuf,
    location: Location,
    /// Blobs that manifests may name although they are not there.
    #[cfg(feature = "push")]
    left_out: BTreeSet<Digest>,
}

impl Dir {
    fn at(path: &Path) -> Self {
        Self {
            path: path.into(),
            location: Location::Layout(path.into()),
            #[cfg(feature = "push")]
            left_out: BTreeSet::new(),
        }
    }
}

impl Layout {
    /// Opens the layout in the directory `path`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] where nothing is there, [`ErrorKind::Malformed`] where something else is.
    pub fn open(path: &Path) -> Result<Self> {
        let layout = Self::at(path);
        layout.check()?;
        Ok(layout)
    }

    /// Opens the layout in the directory `path`, or makes an empty one where there is nothing or an empty
    /// directory.
    ///
    /// # Errors
    /// As [`Layout::open`]; a directory that holds something else is left alone ([`ErrorKind::Malformed`]).
    #[cfg(feature = "push")]
    pub fn create(path: &Path) -> Result<Self> {
        let layout = Self::at(path);
        layout.dir.make()?;
        layout.check()?;
        Ok(layout)
    }

    /// [`Layout::create`] for a recording: manifests are taken although these blobs of theirs will never be there.
    /// Such an image can be judged, and not be run.
    ///
    /// # Errors
    /// As [`Layout::create`].
    #[cfg(feature = "push")]
    pub fn create_without(path: &Path, left_out: BTreeSet<Digest>) -> Result<Self> {
        let layout = Self { dir: Arc::new(Dir { left_out, ..Dir::at(path) }) };
        layout.dir.make()?;
        layout.check()?;
        Ok(layout)
    }

    fn at(path: &Path) -> Self {
        Self { dir: Arc::new(Dir::at(path)) }
    }

    fn check(&self) -> Result<()> {
        let on = &self.dir.location;
        let bad = |why: &str| Error::new("open", on, ErrorKind::Malformed(why.into()));
        let meta = fs::metadata(&self.dir.path).map_err(|e| io_error("open", on, &e))?;
        if !meta.is_dir() {
            return Err(
                bad("no directory").hint("for a tar file write oci-archive:FILE or docker-archive:FILE")
            );
        }
        let Some(marker) = read_small(&self.dir.path.join(MARKER), limits::TOKEN_BYTES, on)? else {
            return Err(bad("no OCI layout: it has no file 'oci-layout'"));
        };
        check_marker(&marker, on)?;
        IndexFile::parse(&self.dir.index()?, on).map(|_| ())
    }
}

/// Checks the content of the file `oci-layout`.
pub(crate) fn check_marker(bytes: &[u8], on: &Location) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Marker {
        image_layout_version: String,
    }
    let bad =
        |why: String| Error::new("open", on, ErrorKind::Malformed(format!("its file oci-layout: {why}")));
    let marker: Marker = crate::strict::from_slice(bytes).map_err(bad)?;
    if marker.image_layout_version == "1.0.0" {
        Ok(())
    } else {
        let version = marker.image_layout_version.chars().take(40).collect::<String>();
        Err(bad(format!("version '{}' is not read here, only 1.0.0", version.escape_debug())))
    }
}

fn io_error(tried: &str, on: impl std::fmt::Display, error: &io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Local(error.to_string()),
    };
    Error::new(tried, on, kind)
}

/// Opens a regular file; `None` where nothing is there.
pub(crate) fn open_file(path: &Path, on: &Location) -> Result<Option<(File, u64)>> {
    let irregular = || {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Error::new("open", format!("{on} ({name})"), ErrorKind::Malformed("no regular file".into()))
    };
    // Asked before opening as well: opening a pipe would wait for a writer.
    match fs::metadata(path) {
        Ok(meta) if !meta.is_file() => return Err(irregular()),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io_error("open", on, &e)),
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io_error("open", on, &e)),
    };
    let meta = file.metadata().map_err(|e| io_error("open", on, &e))?;
    if meta.is_file() { Ok(Some((file, meta.len()))) } else { Err(irregular()) }
}

fn read_small(path: &Path, limit: u64, on: &Location) -> Result<Option<Vec<u8>>> {
    let Some((file, _)) = open_file(path, on)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| io_error("read", on, &e))?;
    if bytes.len() as u64 > limit {
        return Err(Error::new("read", on, ErrorKind::LimitExceeded { limit: "layout file", value: limit }));
    }
    Ok(Some(bytes))
}

impl Dir {
    /// The only path in a layout that content decides: two names that a [`Digest`] has validated.
    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path.join(BLOBS).join(digest.algorithm().as_str()).join(digest.hex())
    }
}

impl Store for Dir {
    fn location(&self) -> &Location {
        &self.location
    }

    fn index(&self) -> Result<Vec<u8>> {
        read_small(&self.path.join(INDEX), limits::MANIFEST_BYTES, &self.location)?.ok_or_else(|| {
            Error::new(
                "open",
                &self.location,
                ErrorKind::Malformed("an OCI layout without index.json".into()),
            )
        })
    }

    fn open(&self, digest: &Digest) -> Result<Option<(Box<dyn Read + Send>, u64)>> {
        let opened = open_file(&self.blob_path(digest), &self.location)?;
        Ok(opened.map(|(file, size)| (Box::new(file) as Box<dyn Read + Send>, size)))
    }
}

#[async_trait]
impl Source for Layout {
    fn location(&self) -> &Location {
        &self.dir.location
    }

    async fn manifest(&self, selector: Selector<'_>) -> Result<Option<RawManifest>> {
        let (dir, selector) = (Arc::clone(&self.dir), OwnedSelector::from(selector));
        off_reactor(&self.dir.location, move || store::manifest(&*dir, selector.as_selector())).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        store::blob(&*self.dir, descriptor)
    }

    async fn referrers(&self, subject: &Digest) -> Result<Referrers> {
        let (dir, subject) = (Arc::clone(&self.dir), subject.clone());
        off_reactor(&self.dir.location, move || store::referrers(&*dir, &subject)).await
    }
}

#[cfg(test)]
mod tests;
