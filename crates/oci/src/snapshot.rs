//! A place as it was when it was first asked: for those who put one question several times at once.
//!
//! Decides that lists, tags and manifests are asked for once, and that whoever asks for the same meanwhile waits for
//! that answer. A failure is not remembered. It must not be used by anybody who wants to see what changed: reading
//! back what was pushed asks the place itself.

use crate::each::Each;
use crate::error::Result;
use crate::manifest::{Descriptor, RawManifest};
use crate::source::{BlobReader, Referrers, Selector, Source};
use crate::{Digest, Location};
use async_trait::async_trait;
use tokio::sync::OnceCell;

/// What [`Selector`] borrows, owned.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Name {
    Only,
    Tag(String),
    Digest(Digest),
}

/// A place whose answers are kept. Blobs are not: they are as large as they like.
pub struct Snapshot<'a> {
    place: &'a dyn Source,
    manifests: Each<Name, OnceCell<Option<RawManifest>>>,
    referrers: Each<Digest, OnceCell<Referrers>>,
}

impl<'a> Snapshot<'a> {
    /// A snapshot of `place`. Nothing is asked yet.
    pub fn new(place: &'a dyn Source) -> Self {
        Self { place, manifests: Each::default(), referrers: Each::default() }
    }
}

#[async_trait]
impl Source for Snapshot<'_> {
    fn location(&self) -> &Location {
        self.place.location()
    }

    async fn manifest(&self, selector: Selector<'_>) -> Result<Option<RawManifest>> {
        let name = match selector {
            Selector::Only => Name::Only,
            Selector::Tag(tag) => Name::Tag(tag.to_owned()),
            Selector::Digest(digest) => Name::Digest(digest.clone()),
        };
        let cell = self.manifests.of(&name);
        cell.get_or_try_init(|| self.place.manifest(selector)).await.cloned()
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        self.place.blob(descriptor).await
    }

    async fn referrers(&self, subject: &Digest) -> Result<Referrers> {
        let cell = self.referrers.of(subject);
        cell.get_or_try_init(|| self.place.referrers(subject)).await.cloned()
    }
}
