//! OCI layout directories.
use crate::error::Result;
use crate::manifest::{Descriptor, RawManifest};
use crate::source::{BlobReader, Referrers, Selector, Source};
use crate::{Digest, Location};
use std::path::Path;

/// An OCI layout directory.
#[derive(Debug)]
pub struct Layout {
    location: Location,
}
impl Layout {
    /// Opens one.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { location: Location::Layout(path.into()) })
    }
    /// Opens or makes one.
    pub fn create(path: &Path) -> Result<Self> {
        Self::open(path)
    }
}
#[async_trait::async_trait]
impl Source for Layout {
    fn location(&self) -> &Location {
        &self.location
    }
    async fn manifest(&self, _: Selector<'_>) -> Result<Option<RawManifest>> {
        todo!()
    }
    async fn blob(&self, _: &Descriptor) -> Result<BlobReader> {
        todo!()
    }
    async fn referrers(&self, _: &Digest) -> Result<Referrers> {
        todo!()
    }
}
#[cfg(feature = "push")]
#[async_trait::async_trait]
impl crate::Sink for Layout {
    async fn push_blob(&self, _: &Descriptor, _: &dyn crate::BlobContent) -> Result<crate::Pushed> {
        todo!()
    }
    async fn push_manifest(&self, _: &RawManifest, _: Option<&str>) -> Result<()> {
        todo!()
    }
    async fn attach(&self, _: &RawManifest) -> Result<()> {
        todo!()
    }
    async fn edit_tag(&self, _: &str, _: crate::source::TagEdit<'_>) -> Result<()> {
        todo!()
    }
}
