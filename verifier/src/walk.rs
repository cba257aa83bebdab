//! What is judged: an image, or an index and the platforms below it.
//!
//! Every child is fetched by its digest, several at a time, so a child that is missing or swapped is seen here. Refused: children
//! that are not there, nesting and platforms beyond the limits, indexes with nothing to run in them.

use crate::error::Error;
use crate::verdict::{Explanation, Refusal, Role};
use crate::{Platforms, ahead, limits};
use futures_util::future::BoxFuture;
use seaworthy_oci::limits::INDEX_DEPTH;
use seaworthy_oci::{Descriptor, Digest, Index, Manifest, Pinned, Platform, RawManifest, Selector, Source};
use std::collections::{BTreeMap, BTreeSet};

/// One manifest that is judged.
pub(crate) struct Subject {
    pub(crate) digest: Digest,
    pub(crate) role: Role,
    pub(crate) platform: Option<Platform>,
    /// Where its configuration is; none for an index.
    pub(crate) config: Option<Descriptor>,
    /// The configuration, where it was needed to find the platform.
    pub(crate) fetched: Option<Vec<u8>>,
    /// What its manifest says about itself.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// The manifests of an image, and what is wrong with how they hang together.
pub(crate) struct Walk {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) structure: Vec<Explanation>,
}

impl Walk {
    /// A single image: its platform stands in its configuration, and is asked for only if somebody selects.
    pub(crate) async fn single(
        &mut self,
        wanted: &Platforms,
        image: &Pinned,
        source: &dyn Source,
        raw: &RawManifest,
    ) -> Result<(), Error> {
        let mut platform = image.descriptor().platform.clone();
        let Manifest::Image(manifest) = raw.parse()? else { return Ok(()) };
        let mut fetched = None;
        if let Platforms::Only(list) = wanted {
            let bytes = source.blob_bytes(&manifest.config, seaworthy_oci::limits::CONFIG_BYTES).await?;
            let config = seaworthy_oci::ImageConfig::parse(&bytes, &manifest.config.digest)?;
            platform = config.platform();
            for one in list {
                if !platform.as_ref().is_some_and(|p| p.serves(one)) {
                    self.structure.push(not_found(one));
                }
            }
            fetched = Some(bytes);
        }
        self.subjects.push(Subject {
            digest: image.digest().clone(),
            role: Role::Image,
            platform,
            config: Some(manifest.config),
            fetched,
            annotations: manifest.annotations,
        });
        Ok(())
    }

    /// Every image below `index`, fetched, so that a child that is missing or swapped is seen here.
    pub(crate) async fn children(&mut self, source: &dyn Source, index: Index) -> Result<(), Error> {
        let mut queue: Vec<(usize, Descriptor)> = index.runnable().cloned().map(|d| (1, d)).collect();
        queue.reverse();
        let mut seen: BTreeSet<Digest> = self.subjects.iter().map(|s| s.digest.clone()).collect();
        // Fetched before their turn came, and each of them once.
        let mut there: BTreeMap<Digest, Option<RawManifest>> = BTreeMap::new();
        while let Some((depth, child)) = queue.pop() {
            if !seen.insert(child.digest.clone()) {
                continue;
            }
            if seen.len() > limits::PLATFORMS + 1 {
                self.structure.push(Explanation::new(
                    Refusal::TooManyPlatforms,
                    format!("more platforms than the limit PLATFORMS = {}", limits::PLATFORMS),
                ));
                return Ok(());
            }
            if !there.contains_key(&child.digest) {
                let allowed =
                    limits::AT_ONCE.min(limits::PLATFORMS + 2 - seen.len().min(limits::PLATFORMS + 1));
                let mut next: Vec<Digest> = vec![child.digest.clone()];
                for (_, sibling) in queue.iter().rev() {
                    let known = seen.contains(&sibling.digest) || there.contains_key(&sibling.digest);
                    if next.len() < allowed && !known && !next.contains(&sibling.digest) {
                        next.push(sibling.digest.clone());
                    }
                }
                let ask = |digest| Box::pin(source.manifest(Selector::Digest(digest))) as BoxFuture<'_, _>;
                let found = ahead::in_order(next.iter().map(ask).collect()).await?;
                there.extend(next.into_iter().zip(found));
            }
            let Some(raw) = there.remove(&child.digest).flatten() else {
                let why = format!("the index lists {}, and it is not there", child.digest);
                self.structure.push(Explanation::new(Refusal::ChildMissing, why).about(&child.digest));
                continue;
            };
            match raw.expect(&child.digest, &child.digest)?.parse()? {
                Manifest::Image(image) => self.subjects.push(Subject {
                    digest: child.digest,
                    role: Role::Platform,
                    platform: child.platform,
                    config: Some(image.config),
                    fetched: None,
                    annotations: image.annotations,
                }),
                Manifest::Index(_) if depth >= INDEX_DEPTH => {
                    self.structure.push(Explanation::new(
                        Refusal::IndexTooDeep,
                        format!("indexes are nested deeper than the limit INDEX_DEPTH = {INDEX_DEPTH}"),
                    ));
                    return Ok(());
                }
                Manifest::Index(inner) => {
                    let below: Vec<_> = inner.runnable().cloned().map(|d| (depth + 1, d)).collect();
                    queue.extend(below.into_iter().rev());
                }
            }
        }
        if self.subjects.len() == 1 && self.structure.is_empty() {
            let why = "the index lists nothing that a runtime could run";
            self.structure.push(Explanation::new(Refusal::NoRunnablePlatform, why));
        }
        Ok(())
    }

    /// Keeps the platforms asked for.
    pub(crate) fn select(&mut self, wanted: &Platforms) {
        let Platforms::Only(list) = wanted else { return };
        let serves = |s: &Subject, one: &Platform| {
            s.role == Role::Platform && s.platform.as_ref().is_some_and(|p| p.serves(one))
        };
        for one in list {
            if !self.subjects.iter().any(|s| serves(s, one)) {
                self.structure.push(not_found(one));
            }
        }
        self.subjects.retain(|s| s.role != Role::Platform || list.iter().any(|one| serves(s, one)));
    }
}

fn not_found(platform: &Platform) -> Explanation {
    Explanation::new(Refusal::PlatformNotFound, format!("the image does not exist for {platform}"))
}
