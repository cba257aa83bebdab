//! What a place of images can do, and how to open one.
//!
//! [`Source`] reads. It answers a question with content whose digest was checked, with "certainly not
//! there" (`None`), or with an error that says which kind of failure it was; there is no fourth answer.
//! `Sink` also writes, blobs before the manifests that name them.

use crate::digest::{CheckedReader, Digest};
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::{Descriptor, RawManifest};
use crate::reference::{Location, Pinned, Reference};
use crate::{layout, limits, registry};
use async_trait::async_trait;
use std::io::Read;
use std::ops::Range;

/// Content of a blob. It blocks, so read it off the reactor; it ends well only if the digest is right.
pub type BlobReader = Box<dyn Read + Send>;

/// Which manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector<'a> {
    /// The only one there is: a layout or archive that holds one image.
    Only,
    /// The one under this tag now.
    Tag(&'a str),
    /// The one with this digest.
    Digest(&'a Digest),
}

/// How a list of referrers was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferrersVia {
    /// The registry's Referrers API.
    Api,
    /// The index under the tag `sha256-<hex>`; the registry has no Referrers API.
    FallbackTag,
    /// The manifests of a layout or archive, by their `subject`.
    Layout,
}

/// What refers to a manifest. Complete: a list that is cut short is an error.
#[derive(Debug, Clone)]
pub struct Referrers {
    /// The referring manifests, as the place describes them: hints to be checked, not facts.
    pub descriptors: Vec<Descriptor>,
    /// How they were found.
    pub via: ReferrersVia,
}

/// A place to read images from.
#[async_trait]
pub trait Source: Send + Sync {
    /// Where this is, for messages.
    fn location(&self) -> &Location;

    /// The manifest that `selector` names; `None` only where it is certainly not there.
    ///
    /// # Errors
    /// Everything but "not there"; [`ErrorKind::Ambiguous`] for [`Selector::Only`] among several.
    async fn manifest(&self, selector: Selector<'_>) -> Result<Option<RawManifest>>;

    /// The content of `descriptor`, checked while it is read.
    ///
    /// # Errors
    /// Where it cannot be opened. Later failures come out of the reader.
    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader>;

    /// The bytes `range` of the content of `descriptor`, **unchecked**: its digest is that of all of it, so that whoever
    /// asks must know the digest of what stands there. The reader gives exactly as many bytes, or an error. `None` where
    /// this place does not give just these, and the content has to be read whole.
    ///
    /// # Errors
    /// As [`Source::blob`].
    async fn blob_range(&self, descriptor: &Descriptor, range: Range<u64>) -> Result<Option<BlobReader>> {
        let _ = (descriptor, range);
        Ok(None)
    }

    /// All that refers to `subject`; empty only where there is certainly nothing.
    ///
    /// # Errors
    /// Where the list could not be had whole.
    async fn referrers(&self, subject: &Digest) -> Result<Referrers>;

    /// The content of `descriptor` in memory, if it is at most `limit` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`] before anything is fetched, or as [`Source::blob`].
    async fn blob_bytes(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        if descriptor.size > limit {
            return Err(Error::new(
                "read blob",
                &descriptor.digest,
                ErrorKind::LimitExceeded { limit: "blob bytes", value: limit },
            ));
        }
        let reader = self.blob(descriptor).await?;
        let on = descriptor.digest.clone();
        let size = descriptor.size as usize;
        let read = move || {
            let mut bytes = Vec::with_capacity(size.min(1 << 20));
            let mut reader = reader;
            reader.read_to_end(&mut bytes).map(|_| bytes).map_err(|e| from_io(e, "read blob", &on))
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|e| Error::new("read blob", &descriptor.digest, ErrorKind::Local(e.to_string())))?
    }
}

/// The [`Error`] inside an [`std::io::Error`] that came out of a [`BlobReader`], or one made from it.
pub fn from_io(error: std::io::Error, tried: &str, on: impl std::fmt::Display) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(ours) => ours.clone(),
        None if error.kind() == std::io::ErrorKind::TimedOut => {
            Error::new(tried, on, ErrorKind::Timeout { after: limits::READ_IDLE })
        }
        None => Error::new(tried, on, ErrorKind::Local(error.to_string())),
    }
}

/// What happened to a blob that was to be pushed.
#[cfg(feature = "push")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// Its bytes were sent.
    Uploaded,
    /// It was there.
    Existed,
    /// It was mounted from another repository of the same registry.
    Mounted,
}

/// Content that can be opened again when a try fails.
#[cfg(feature = "push")]
#[async_trait]
pub trait BlobContent: Send + Sync {
    /// The content from its first byte.
    ///
    /// # Errors
    /// Where it cannot be opened.
    async fn open(&self) -> Result<BlobReader>;

    /// A location of the same registry from which the blob may be mounted.
    fn mountable_from(&self) -> Option<&Location> {
        None
    }
}

#[cfg(feature = "push")]
#[async_trait]
impl BlobContent for Vec<u8> {
    async fn open(&self) -> Result<BlobReader> {
        Ok(Box::new(std::io::Cursor::new(self.clone())))
    }
}

/// A blob of another place.
#[cfg(feature = "push")]
pub struct BlobOf<'a> {
    /// Where it is.
    pub source: &'a dyn Source,
    /// Which one.
    pub descriptor: &'a Descriptor,
}

#[cfg(feature = "push")]
#[async_trait]
impl BlobContent for BlobOf<'_> {
    async fn open(&self) -> Result<BlobReader> {
        self.source.blob(self.descriptor).await
    }

    fn mountable_from(&self) -> Option<&Location> {
        Some(self.source.location())
    }
}

/// The change to a tag that [`Sink::edit_tag`] makes: given the manifest there now, the media type and
/// bytes that should be there, or `None` where nothing is left to do.
#[cfg(feature = "push")]
pub type TagEdit<'a> = &'a (dyn Fn(Option<&RawManifest>) -> Result<Option<(String, Vec<u8>)>> + Send + Sync);

/// A place to write images to. Everything that is written is checked against its digest on the way.
#[cfg(feature = "push")]
#[async_trait]
pub trait Sink: Source {
    /// Whether a blob is there already, in its size. Nothing is fetched.
    ///
    /// # Errors
    /// Where it could not be found out, and where something of another size is there.
    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool> {
        match self.blob(descriptor).await {
            Ok(_) => Ok(true),
            Err(e) if e.is_not_found() => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Puts a blob there, unless it is there.
    ///
    /// # Errors
    /// Where it is not certain that the blob is there.
    async fn push_blob(&self, descriptor: &Descriptor, content: &dyn BlobContent) -> Result<Pushed>;

    /// [`Sink::push_blob`] of content that was made just now, such as a signature: nobody can have it, so nobody is
    /// asked. Where somebody does, it is there twice for a moment, and once in the end.
    ///
    /// # Errors
    /// As [`Sink::push_blob`].
    async fn push_new_blob(&self, descriptor: &Descriptor, content: &dyn BlobContent) -> Result<Pushed> {
        self.push_blob(descriptor, content).await
    }

    /// Puts a manifest there by digest, and under `tag` if there is one. Blobs and child manifests first.
    ///
    /// # Errors
    /// Where it is not certain that the manifest is there.
    async fn push_manifest(&self, manifest: &RawManifest, tag: Option<&str>) -> Result<()>;

    /// Puts a manifest with a `subject` there and makes it findable from the subject: by the Referrers API
    /// where there is one, else by the fallback tag. `descriptor` is the entry for such an index, with
    /// artifact type and annotations.
    ///
    /// # Errors
    /// Where it is not certain that the manifest is there and can be found.
    async fn attach(&self, manifest: &RawManifest) -> Result<()>;

    /// [`Sink::attach`] for several manifests: a list that has to be written is written once for each subject.
    ///
    /// # Errors
    /// Where it is not certain of each that it is there and can be found.
    async fn attach_all(&self, manifests: &[RawManifest]) -> Result<()> {
        for manifest in manifests {
            self.attach(manifest).await?;
        }
        Ok(())
    }

    /// Changes what is under `tag` in a way that survives others who change it too: read, edit, write, and
    /// read again until `edit` has nothing left to do.
    ///
    /// # Errors
    /// Where the edit was still not there after [`limits::TAG_RACES`] rounds.
    async fn edit_tag(&self, tag: &str, edit: TagEdit<'_>) -> Result<()>;
}

/// How places are opened.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// Never open a socket: registries are refused before any name is resolved.
    pub offline: bool,
    /// For registries.
    pub registry: registry::Options,
}

/// Opens `location` for reading.
///
/// # Errors
/// [`ErrorKind::Offline`] for a registry under `offline`; [`ErrorKind::NotFound`] for a missing path;
/// [`ErrorKind::Malformed`] where something else is there.
pub async fn open(location: &Location, options: &OpenOptions) -> Result<Box<dyn Source>> {
    match location {
        Location::Registry(_) if options.offline => {
            Err(Error::new("open", location, ErrorKind::Offline)
                .hint("copy the image to an OCI layout first"))
        }
        Location::Registry(repository) => {
            Ok(Box::new(registry::Registry::new(repository, &options.registry)?))
        }
        Location::Layout(path) => Ok(Box::new(layout::Layout::open(path)?)),
        #[cfg(feature = "archive")]
        Location::OciArchive(path) | Location::DockerArchive(path) => {
            let _ = path;
            crate::archive::open(location)
        }
        Location::Daemon { .. } | Location::Containerd { .. } => {
            let why = "images of daemons are not opened by name".into();
            Err(Error::new("open", location, ErrorKind::Unsupported(why)))
        }
        #[cfg(not(feature = "archive"))]
        Location::OciArchive(_) | Location::DockerArchive(_) => {
            Err(Error::new("open", location, ErrorKind::Unsupported("this build reads no archives".into())))
        }
    }
}

/// Opens `location` for writing. A layout directory is made where there is none.
///
/// # Errors
/// As [`open`]; archives are read-only ([`ErrorKind::Unsupported`]).
#[cfg(feature = "push")]
pub async fn open_sink(location: &Location, options: &OpenOptions) -> Result<Box<dyn Sink>> {
    match location {
        Location::Registry(_) if options.offline => Err(Error::new("open", location, ErrorKind::Offline)),
        Location::Registry(repository) => {
            Ok(Box::new(registry::Registry::new(repository, &options.registry)?))
        }
        Location::Layout(path) => Ok(Box::new(layout::Layout::create(path)?)),
        Location::OciArchive(_)
        | Location::DockerArchive(_)
        | Location::Daemon { .. }
        | Location::Containerd { .. } => Err(Error::new(
            "write to",
            location,
            ErrorKind::Unsupported("archives are read-only here".into()),
        )
        .hint("write to an OCI layout directory (oci:DIR) or a registry instead")),
    }
}

/// Asks once what `reference` means: the answer is pinned, and its bytes are those that were hashed.
///
/// # Errors
/// [`ErrorKind::NotFound`] where there is no such image, or as [`Source::manifest`].
pub async fn resolve(source: &dyn Source, reference: &Reference) -> Result<(Pinned, RawManifest)> {
    let selector = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => Selector::Digest(digest),
        (None, Some(tag)) => Selector::Tag(tag),
        (None, None) => Selector::Only,
    };
    let raw = source
        .manifest(selector)
        .await?
        .ok_or_else(|| Error::new("find image", reference, ErrorKind::NotFound))?;
    Ok((Pinned::new(reference, raw.descriptor.clone()), raw))
}

/// A [`CheckedReader`] over `reader` as a [`BlobReader`], for sources.
pub(crate) fn checked(reader: impl Read + Send + 'static, d: &Descriptor, on: &Location) -> BlobReader {
    Box::new(CheckedReader::new(reader, d.digest.clone(), d.size, format!("{}@{}", on, d.digest)))
}
