//! Images in a tar file, read in place: an OCI layout (`oci-archive:`) or the output of `docker save`
//! (`docker-archive:`), also where a daemon hands it out ([`daemon`]); and images in the store of a containerd
//! ([`containerd`]).
//!
//! Plain tar only; nothing is unpacked, and no member is held in memory. An archive with an `index.json` is
//! read exactly like a layout directory, by the same code. An older `docker save` has no manifest, so one is
//! made for it: the same bytes every time, but a digest that nobody has published; what is signed for a
//! registry is not found under it.
//!
//! Refused: writing, compressed archives, two members of one name, members whose name leaves the archive,
//! sparse members, and more members or longer names than the module `tar` allows.

#[cfg(feature = "push")]
pub mod bag;
mod bolt;
pub mod containerd;
pub mod daemon;
mod docker;
mod tar;
#[cfg(feature = "push")]
mod write;

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::index::IndexFile;
use crate::layout::store::{self, OwnedSelector, Store, off_reactor};
use crate::limits;
use crate::manifest::{Descriptor, RawManifest};
use crate::reference::Location;
use crate::source::{BlobReader, Referrers, Selector, Source};
use async_trait::async_trait;
use std::io::Read;
use std::sync::Arc;

/// Opens an `oci-archive:` or `docker-archive:` location.
///
/// # Errors
/// [`ErrorKind::NotFound`] where no such file is, [`ErrorKind::Malformed`] where it is no such archive,
/// [`ErrorKind::Unsupported`] where it is compressed.
pub fn open(location: &Location) -> Result<Box<dyn Source>> {
    let (Location::OciArchive(path) | Location::DockerArchive(path)) = location else {
        return Err(Error::new("open", location, ErrorKind::Unsupported("no archive".into())));
    };
    read(tar::TarFile::open(path, location)?, location)
}

/// What is in `file`.
fn read(file: tar::TarFile, location: &Location) -> Result<Box<dyn Source>> {
    // What a daemon hands out may have both forms, and the older one names the image that the daemon would run.
    if matches!(location, Location::Daemon { .. }) {
        return Ok(Box::new(docker::DockerArchive::new(file, location)?));
    }
    let marker = file.small("oci-layout", limits::TOKEN_BYTES, location)?;
    match (marker, location) {
        (Some(marker), _) => {
            crate::layout::check_marker(&marker, location)?;
            let layout = LayoutInTar { file, location: location.clone() };
            IndexFile::parse(&layout.index()?, location)?;
            Ok(Box::new(Archive { store: Arc::new(layout) }))
        }
        (None, Location::DockerArchive(_)) => Ok(Box::new(docker::DockerArchive::new(file, location)?)),
        (None, _) => {
            let why = "no OCI layout is in it: it has no member 'oci-layout'".into();
            Err(Error::new("open", location, ErrorKind::Malformed(why))
                .hint("the output of docker save is read as docker-archive:FILE"))
        }
    }
}

#[derive(Debug)]
struct LayoutInTar {
    file: tar::TarFile,
    location: Location,
}

impl Store for LayoutInTar {
    fn location(&self) -> &Location {
        &self.location
    }

    fn index(&self) -> Result<Vec<u8>> {
        self.file.small("index.json", limits::MANIFEST_BYTES, &self.location)?.ok_or_else(|| {
            let why = "an OCI layout without index.json".into();
            Error::new("open", &self.location, ErrorKind::Malformed(why))
        })
    }

    fn open(&self, digest: &Digest) -> Result<Option<(Box<dyn Read + Send>, u64)>> {
        let name = format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex());
        Ok(self.file.find(&name).map(|(offset, size)| {
            let reader: Box<dyn Read + Send> = Box::new(self.file.read(offset, size));
            (reader, size)
        }))
    }
}

/// A store that is read like a layout: a layout in a tar file, or one image of containerd's.
#[derive(Debug)]
struct Archive<S> {
    store: Arc<S>,
}

#[async_trait]
impl<S: Store> Source for Archive<S> {
    fn location(&self) -> &Location {
        self.store.location()
    }

    async fn manifest(&self, selector: Selector<'_>) -> Result<Option<RawManifest>> {
        let (store, selector) = (Arc::clone(&self.store), OwnedSelector::from(selector));
        off_reactor(self.store.location(), move || store::manifest(&*store, selector.as_selector())).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        store::blob(&*self.store, descriptor)
    }

    async fn referrers(&self, subject: &Digest) -> Result<Referrers> {
        let (store, subject) = (Arc::clone(&self.store), subject.clone());
        off_reactor(self.store.location(), move || store::referrers(&*store, &subject)).await
    }
}

#[cfg(test)]
mod tests;
