//! Registries.
use crate::error::Result;
use crate::manifest::{Descriptor, RawManifest};
use crate::source::{BlobReader, Referrers, Selector, Source};
use crate::{Digest, Location};

/// A repository of a registry.
#[derive(Debug)]
pub struct Registry {
    location: Location,
}
impl Registry {
    /// A client for `repository`.
    pub fn new(repository: &crate::Repository, options: &Options) -> Result<Self> {
        let _ = options;
        Ok(Self { location: Location::Registry(repository.clone()) })
    }
}
/// How registries are talked to.
#[derive(Debug, Clone, Default)]
pub struct Options {}
#[async_trait::async_trait]
impl Source for Registry {
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
impl crate::Sink for Registry {
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
