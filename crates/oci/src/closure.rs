//! Everything that belongs to an image: what it is made of, and what was attached to it.
//!
//! Decides what has to travel with an image so that it can be judged elsewhere as it is judged here: the
//! manifest, the children of an index, and for each of them all referrers (by the Referrers API or the
//! fallback tag) and the manifests under cosign's tags `.sig`, `.att` and `.sbom`; and the same again for
//! what was attached, since a signature may be signed.
//!
//! Refused: a list that names what is not there or what is about something else (a copy without it would
//! drop evidence, and say nothing), and more or deeper than the limits of this module.

use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::limits;
use crate::manifest::{Descriptor, Manifest, RawManifest};
use crate::source::{Selector, Source};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Evidence about evidence about evidence: a timestamped signature of an SBOM of an image needs two.
pub const EVIDENCE_DEPTH: usize = 4;
/// Manifests of one closure: an index of fifty platforms with forty pieces of evidence each.
pub const CLOSURE_MANIFESTS: usize = 4_096;
/// Bytes of all manifests of one closure, which are held in memory.
pub const CLOSURE_BYTES: u64 = 64 << 20;

/// The suffixes of the tags under which cosign keeps what belongs to a digest (its specifications
/// SIGNATURE_SPEC and SBOM_SPEC).
const SUFFIXES: [&str; 3] = [".sig", ".att", ".sbom"];

/// What of an image is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The image, and all that is attached to any part of it.
    WithEvidence,
    /// The image alone.
    ImageOnly,
}

/// How something is attached to its subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// It names the subject (distribution specification, "Listing Referrers").
    Referrer,
    /// It is under this tag, which is made of the subject's digest.
    Tag(String),
}

/// One attached manifest.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// The digest it is about.
    pub subject: Digest,
    /// How it is found.
    pub via: Via,
    /// The manifest.
    pub manifest: RawManifest,
    /// Where it is an index: its children, in the order in which they can be pushed.
    pub children: Vec<RawManifest>,
}

/// An image and what is attached to it.
#[derive(Debug, Clone)]
pub struct Closure {
    /// The manifests of the image, children before their parents, the image itself last.
    pub image: Vec<RawManifest>,
    /// What is attached, subjects before what is about them; sorted within that, so that the same content
    /// gives the same list wherever it lies.
    pub evidence: Vec<Attachment>,
}

impl Closure {
    /// The configurations and layers of the image itself.
    ///
    /// # Errors
    /// As [`RawManifest::parse`], which they have passed once.
    pub fn image_blobs(&self) -> Result<BTreeMap<Digest, Descriptor>> {
        blobs(self.image.iter())
    }

    /// The configurations and layers of what is attached.
    ///
    /// # Errors
    /// As [`Closure::image_blobs`].
    pub fn evidence_blobs(&self) -> Result<BTreeMap<Digest, Descriptor>> {
        blobs(self.evidence.iter().flat_map(Attachment::manifests))
    }

    /// All manifests, each once.
    pub fn manifests(&self) -> BTreeMap<&Digest, &RawManifest> {
        self.image
            .iter()
            .chain(self.evidence.iter().flat_map(Attachment::manifests))
            .map(|raw| (&raw.descriptor.digest, raw))
            .collect()
    }
}

impl Attachment {
    /// Its manifests, children before parents.
    pub fn manifests(&self) -> impl Iterator<Item = &RawManifest> {
        self.children.iter().chain(std::iter::once(&self.manifest))
    }
}

fn blobs<'a>(manifests: impl Iterator<Item = &'a RawManifest>) -> Result<BTreeMap<Digest, Descriptor>> {
    let mut all = BTreeMap::new();
    for raw in manifests {
        if let Manifest::Image(image) = raw.parse()? {
            for blob in std::iter::once(image.config).chain(image.layers) {
                // One digest named with two sizes cannot both be right, and the wrong one would only be
                // found out at the other side.
                if let Some(Descriptor { size, .. }) = all.get(&blob.digest)
                    && *size != blob.size
                {
                    let kind = ErrorKind::SizeMismatch { expected: *size, actual: blob.size };
                    return Err(Error::new("read manifest", &raw.descriptor.digest, kind));
                }
                all.entry(blob.digest.clone()).or_insert(blob);
            }
        }
    }
    Ok(all)
}

/// Finds everything that belongs to `root`, which was read from `source`.
///
/// # Errors
/// Where any of it could not be found out, is missing, or is beyond the limits of this module.
pub async fn find(source: &dyn Source, root: &RawManifest, extent: Extent) -> Result<Closure> {
    let mut walk = Walk { source, manifests: 0, bytes: 0 };
    let image = walk.family(root).await?;
    let mut evidence = Vec::new();
    if extent == Extent::WithEvidence {
        let mut todo: VecDeque<(Digest, usize)> =
            image.iter().map(|raw| (raw.descriptor.digest.clone(), 0)).collect();
        let mut asked = BTreeSet::new();
        while let Some((subject, depth)) = todo.pop_front() {
            if !asked.insert(subject.clone()) {
                continue;
            }
            let found = walk.attached(&subject).await?;
            if depth >= EVIDENCE_DEPTH && !found.is_empty() {
                return Err(walk.beyond("EVIDENCE_DEPTH", EVIDENCE_DEPTH as u64));
            }
            for attachment in found {
                for raw in attachment.manifests() {
                    todo.push_back((raw.descriptor.digest.clone(), depth + 1));
                }
                evidence.push((depth, attachment));
            }
        }
    }
    evidence.sort_by(|(depth, a), (other, b)| {
        let key = |a: &Attachment| (a.subject.clone(), a.via.clone(), a.manifest.descriptor.digest.clone());
        depth.cmp(other).then_with(|| key(a).cmp(&key(b)))
    });
    Ok(Closure { image, evidence: evidence.into_iter().map(|(_, attachment)| attachment).collect() })
}

struct Walk<'a> {
    source: &'a dyn Source,
    manifests: usize,
    bytes: u64,
}

impl Walk<'_> {
    fn beyond(&self, limit: &'static str, value: u64) -> Error {
        let kind = ErrorKind::LimitExceeded { limit, value };
        Error::new("find everything that belongs to an image in", self.source.location(), kind)
    }

    fn bad(&self, digest: &Digest, why: String) -> Error {
        let on = format!("{}@{digest}", self.source.location());
        Error::new("read manifest", on, ErrorKind::Malformed(why))
    }

    fn count(&mut self, raw: &RawManifest) -> Result<()> {
        self.manifests += 1;
        self.bytes += raw.bytes.len() as u64;
        if self.manifests > CLOSURE_MANIFESTS {
            return Err(self.beyond("CLOSURE_MANIFESTS", CLOSURE_MANIFESTS as u64));
        }
        if self.bytes > CLOSURE_BYTES {
            return Err(self.beyond("CLOSURE_BYTES", CLOSURE_BYTES));
        }
        Ok(())
    }

    async fn fetch(&self, descriptor: &Descriptor, by: &str) -> Result<RawManifest> {
        let digest = &descriptor.digest;
        let raw = self.source.manifest(Selector::Digest(digest)).await?.ok_or_else(|| {
            self.bad(digest, format!("{by} names it, and it is not there"))
                .hint("a copy without it would not be the same: restore it, or take it off the list")
        })?;
        if raw.descriptor.media_type != descriptor.media_type {
            let why = format!(
                "{by} says that it is '{}', but it is '{}'",
                descriptor.media_type.escape_debug(),
                raw.descriptor.media_type
            );
            return Err(self.bad(digest, why));
        }
        Ok(raw)
    }

    /// `root` and, where it is an index, all that it names, children before parents, each digest once.
    async fn family(&mut self, root: &RawManifest) -> Result<Vec<RawManifest>> {
        let mut found = vec![root.clone()];
        self.count(root)?;
        let mut level = vec![root.clone()];
        for depth in 0.. {
            let mut next: Vec<RawManifest> = Vec::new();
            for raw in &level {
                let Manifest::Index(index) = raw.parse()? else { continue };
                if depth >= limits::INDEX_DEPTH {
                    return Err(self.beyond("INDEX_DEPTH", limits::INDEX_DEPTH as u64));
                }
                for child in &index.manifests {
                    if next.iter().any(|r| r.descriptor.digest == child.digest) {
                        continue;
                    }
                    let raw = self.fetch(child, "the index").await?;
                    self.count(&raw)?;
                    next.push(raw);
                }
            }
            if next.is_empty() {
                break;
            }
            found.extend(next.iter().cloned());
            level = next;
        }
        // From the deepest level up. One that is named on two levels stands where the deeper one is.
        let mut seen = BTreeSet::new();
        found.reverse();
        found.retain(|raw| seen.insert(raw.descriptor.digest.clone()));
        Ok(found)
    }

    async fn attached(&mut self, subject: &Digest) -> Result<Vec<Attachment>> {
        let mut found = Vec::new();
        for descriptor in self.source.referrers(subject).await?.descriptors {
            let raw = self.fetch(&descriptor, &format!("the list of referrers of {subject}")).await?;
            let names = match raw.parse()? {
                Manifest::Image(image) => image.subject,
                Manifest::Index(index) => index.subject,
            };
            if names.is_none_or(|s| s.digest != *subject) {
                let why = format!("it is listed as being about {subject}, and it is not");
                return Err(self
                    .bad(&raw.descriptor.digest, why)
                    .hint("nobody would find it at the other side: take it off the list"));
            }
            found.push(self.attachment(subject, Via::Referrer, raw).await?);
        }
        for suffix in SUFFIXES {
            let tag = subject.tag(suffix);
            if let Some(raw) = self.source.manifest(Selector::Tag(&tag)).await? {
                found.push(self.attachment(subject, Via::Tag(tag), raw).await?);
            }
        }
        Ok(found)
    }

    async fn attachment(&mut self, subject: &Digest, via: Via, raw: RawManifest) -> Result<Attachment> {
        let mut children = self.family(&raw).await?;
        children.pop();
        Ok(Attachment { subject: subject.clone(), via, manifest: raw, children })
    }
}

#[cfg(test)]
mod tests;
