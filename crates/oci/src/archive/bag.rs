//! Bags: images with all their evidence in one tar file, to be carried where no network is.
//!
//! A bag is an OCI layout in a tar file, so `oci-archive:` reads it, and three files beside it:
//!
//! | member | |
//! |---|---|
//! | `seaworthy/bag.json` | what is in it, and what must be there: [`Contents`] |
//! | `seaworthy/digests.txt` | every digest, sorted, one a line: what the other side has afterwards |
//! | `seaworthy/policy.yaml`, `seaworthy/trusted_root.json` | carried for people, and read by nobody here |
//!
//! [`Bag::check`] decides whether a bag is whole: every member is hashed, and what is found by walking from
//! the images must be what `bag.json` lists, digest for digest. It refuses a bag from which anything was
//! taken, into which anything was put, in which a byte was changed, and every member that is no regular file
//! with a plain name. It says nothing about trust: `bag.json` is not signed, and who can write a bag can
//! write one without signatures. That is what `verify` is for.

mod pack;

pub use pack::{Extras, Packed, Written, write};

use super::tar::TarFile;
use super::{Archive, LayoutInTar};
use crate::closure::{self, Closure, Extent, Via};
use crate::digest::{CheckedReader, Digest};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::index::IndexFile;
use crate::layout::store::off_reactor;
use crate::manifest::{Descriptor, Manifest};
use crate::reference::{Location, Repository, check_tag};
use crate::source::{Selector, Source, from_io};
use crate::{limits, strict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The version of the format.
pub const API_VERSION: &str = "seaworthy.dev/bag/v1alpha1";
/// `bag.json`: a thousand entries of evidence with names are about 500 KB.
pub const CONTENTS_BYTES: u64 = 16 << 20;
/// `digests.txt`: as many digests as an archive has members are about 3 MB.
pub const DIGESTS_BYTES: u64 = 16 << 20;
/// A policy or a trusted root; the public-good root is about 7 KB.
pub const EXTRA_BYTES: u64 = 4 << 20;
/// Images of one bag, each of which is walked.
pub const IMAGES: usize = 500;

const MARKER: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const CONTENTS: &str = "seaworthy/bag.json";
const DIGESTS: &str = "seaworthy/digests.txt";
const POLICY: &str = "seaworthy/policy.yaml";
const TRUSTED_ROOT: &str = "seaworthy/trusted_root.json";

/// Under which name an image was packed. It may lack a registry: images of layouts have none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Name {
    /// The registry's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// The path within a registry.
    pub repository: String,
    /// The tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl Name {
    /// A name, if it is one that a registry could have.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidReference`].
    pub fn new(registry: Option<&str>, repository: &str, tag: Option<&str>) -> Result<Self> {
        let checked = Repository::new(registry.unwrap_or("localhost"), repository)?;
        if let Some(tag) = tag {
            check_tag(tag).map_err(|why| {
                let shown = tag.chars().take(150).collect::<String>();
                let kind = ErrorKind::InvalidReference(why);
                Error::new("read tag", format!("'{}'", shown.escape_debug()), kind)
            })?;
        }
        Ok(Self {
            registry: registry.map(|_| checked.registry().to_owned()),
            repository: checked.name().to_owned(),
            tag: tag.map(str::to_owned),
        })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.registry.iter().try_for_each(|host| write!(f, "{host}/"))?;
        f.write_str(&self.repository)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))
    }
}

/// `bag.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contents {
    /// [`API_VERSION`].
    pub api_version: String,
    /// The images, by name.
    pub images: Vec<Listed>,
    /// Layers that are not here, because the other side has them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left_out: BTreeSet<Digest>,
    /// The digest of each file that is carried along: `policy.yaml`, `trusted_root.json`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, Digest>,
}

/// One image of a bag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listed {
    /// Its name where it was packed.
    pub name: Name,
    /// Its manifest.
    pub image: Descriptor,
    /// The manifests of an index, its own included, sorted.
    pub manifests: BTreeSet<Digest>,
    /// All that is attached to any of them, in the order of [`Closure::evidence`].
    pub evidence: Vec<Evidence>,
}

/// One attached manifest, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// What it is about.
    pub subject: Digest,
    /// The tag that it is under; a referrer without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The manifest.
    pub manifest: Digest,
}

impl Evidence {
    /// The evidence of a closure, by name.
    pub fn of(closure: &Closure) -> Vec<Self> {
        let evidence = closure.evidence.iter().map(|a| Self {
            subject: a.subject.clone(),
            tag: match &a.via {
                Via::Referrer => None,
                Via::Tag(tag) => Some(tag.clone()),
            },
            manifest: a.manifest.descriptor.digest.clone(),
        });
        evidence.collect()
    }
}

impl Listed {
    fn new(name: Name, closure: &Closure) -> Option<Self> {
        Some(Self {
            name,
            image: closure.image.last()?.descriptor.bare(),
            manifests: closure.image.iter().map(|raw| raw.descriptor.digest.clone()).collect(),
            evidence: Evidence::of(closure),
        })
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

/// Reads a list of digests, one a line, such as another bag's `digests.txt`. Empty lines are passed over.
///
/// # Errors
/// [`ErrorKind::Malformed`] with the line that is no digest.
pub fn digest_list(bytes: &[u8], on: impl fmt::Display) -> Result<BTreeSet<Digest>> {
    let bad = |why: String| Error::new("read list of digests", &on, ErrorKind::Malformed(why));
    let text = std::str::from_utf8(bytes).map_err(|_| bad("it is no text".into()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| line.trim().parse().map_err(|e: Error| bad(format!("line {}: {}", at + 1, e.kind))))
        .collect()
}

/// The configurations of a closure's images: the judge reads them.
fn configs(closure: &Closure) -> Result<BTreeSet<Digest>> {
    let mut found = BTreeSet::new();
    for raw in &closure.image {
        if let Manifest::Image(image) = raw.parse()? {
            found.insert(image.config.digest);
        }
    }
    Ok(found)
}

/// An open bag.
pub struct Bag {
    archive: Archive<LayoutInTar>,
    contents: Contents,
    digests: BTreeSet<Digest>,
    members: BTreeSet<String>,
}

impl fmt::Debug for Bag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bag").field("contents", &self.contents).finish_non_exhaustive()
    }
}

impl Bag {
    /// Opens the bag at `path`. Headers and lists are read; nothing is believed before [`Bag::check`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Malformed`] where it is no bag,
    /// [`ErrorKind::Unsupported`] for another version.
    pub fn open(path: &Path) -> Result<Self> {
        let location = Location::OciArchive(path.into());
        let bad = |why: String| Error::new("open bag", &location, ErrorKind::Malformed(why));
        let file = TarFile::open(path, &location)?;
        let small = |name: &str, limit: u64| {
            let missing = || bad(format!("it has no member '{name}'"));
            file.small(name, limit, &location)?.ok_or_else(missing)
        };
        let bytes = small(CONTENTS, CONTENTS_BYTES)
            .map_err(|e| e.hint("a bag is written by `seaworthy pack`; copy reads other archives"))?;
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            api_version: String,
        }
        let version: Version =
            strict::from_slice(&bytes).map_err(|why| bad(format!("its bag.json: {why}")))?;
        if version.api_version != API_VERSION {
            let shown = version.api_version.chars().take(60).collect::<String>();
            let why = format!("version '{}' is not read here, only {API_VERSION}", shown.escape_debug());
            return Err(Error::new("open bag", &location, ErrorKind::Unsupported(why)));
        }
        let contents: Contents =
            strict::from_slice(&bytes).map_err(|why| bad(format!("its bag.json: {why}")))?;
        if contents.images.is_empty() || contents.images.len() > IMAGES {
            return Err(bad(format!("its bag.json lists {} images", contents.images.len())));
        }
        for image in &contents.images {
            let Name { registry, repository, tag } = &image.name;
            let canonical = Name::new(registry.as_deref(), repository, tag.as_deref())?;
            if canonical != image.name {
                return Err(bad(format!("its bag.json names {canonical} in another spelling")));
            }
        }
        let digests = digest_list(&small(DIGESTS, DIGESTS_BYTES)?, format!("{location} ({DIGESTS})"))?;
        crate::layout::check_marker(&small("oci-layout", limits::TOKEN_BYTES)?, &location)?;
        IndexFile::parse(&small("index.json", limits::MANIFEST_BYTES)?, &location)?;
        let members = file.plain_names(&location)?.into_iter().map(str::to_owned).collect();
        let archive = Archive { store: Arc::new(LayoutInTar { file, location }) };
        Ok(Self { archive, contents, digests, members })
    }

    /// Its `bag.json`.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The place that its images are read from.
    pub fn source(&self) -> &dyn Source {
        &self.archive
    }

    fn bad(&self, why: String) -> Error {
        Error::new("accept bag", self.archive.location(), ErrorKind::Malformed(why))
    }

    /// Decides whether the bag is whole: what belongs to each of its images, in their order.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] with what is missing, too much or changed.
    pub async fn check(&self) -> Result<Vec<Closure>> {
        self.check_members().await?;
        let mut closures = Vec::new();
        let mut found: BTreeSet<Digest> = BTreeSet::new();
        for image in &self.contents.images {
            let closure = self.check_image(image).await?;
            found.extend(closure.manifests().into_keys().cloned());
            let kept: BTreeSet<Digest> =
                closure.evidence_blobs()?.into_keys().chain(configs(&closure)?).collect();
            if let Some(digest) = self.contents.left_out.intersection(&kept).next() {
                return Err(self.bad(format!("{digest} is evidence, and was left out")));
            }
            let mut blobs = closure.image_blobs()?;
            blobs.append(&mut closure.evidence_blobs()?);
            for (digest, blob) in blobs {
                let here = self.members.contains(&blob_name(&digest));
                if here || self.contents.left_out.contains(&digest) {
                    found.insert(digest);
                } else if blob.urls.is_empty() {
                    return Err(self.bad(format!("{digest}, which {} needs, is not in it", image.name)));
                }
            }
            closures.push(closure);
        }
        if let Some(digest) = self.digests.difference(&found).next() {
            return Err(self.bad(format!("{digest} is listed, and belongs to none of its images")));
        }
        if let Some(digest) = found.difference(&self.digests).next() {
            return Err(self.bad(format!("{digest} is not in its list of digests")));
        }
        let expected = pack::index(self.contents.images.iter().map(|i| &i.name).zip(&closures))?;
        if crate::layout::store::Store::index(&*self.archive.store)? != expected {
            return Err(self.bad("its index.json says something else than its bag.json".into()));
        }
        Ok(closures)
    }

    /// Hashes every blob and compares the members with the lists.
    async fn check_members(&self) -> Result<()> {
        let mut expected: BTreeSet<String> = self
            .digests
            .difference(&self.contents.left_out)
            .map(blob_name)
            .chain(["index.json", "oci-layout", CONTENTS, DIGESTS].map(str::to_owned))
            .collect();
        expected.extend(self.contents.files.keys().cloned());
        if let Some(name) = expected.difference(&self.members).next() {
            return Err(self
                .bad(format!("'{name}' was taken out of it"))
                .hint("get the bag anew: nothing of it was used"));
        }
        if let Some(name) = self.members.difference(&expected).next() {
            let shown = name.chars().take(100).collect::<String>();
            return Err(self.bad(format!("'{}' was put into it: no list names it", shown.escape_debug())));
        }
        for (name, digest) in &self.contents.files {
            if ![POLICY, TRUSTED_ROOT].contains(&name.as_str()) {
                return Err(self.bad(format!("'{}' is no file of a bag", name.escape_debug())));
            }
            let on = self.archive.location();
            let bytes = self.archive.store.file.small(name, EXTRA_BYTES, on)?.unwrap_or_default();
            if !digest.matches(&bytes) {
                return Err(self.bad(format!("'{name}' was changed")));
            }
        }
        for digest in self.digests.difference(&self.contents.left_out) {
            let (store, digest) = (Arc::clone(&self.archive.store), digest.clone());
            let on = self.archive.location();
            off_reactor(on, move || hash_member(&store, &digest)).await?;
        }
        Ok(())
    }

    async fn check_image(&self, image: &Listed) -> Result<Closure> {
        let digest = &image.image.digest;
        let missing = || self.bad(format!("{}, {digest}, is not in it", image.name));
        let raw = self.archive.manifest(Selector::Digest(digest)).await?.ok_or_else(missing)?;
        if raw.descriptor != image.image {
            return Err(self.bad(format!("{} is not what its bag.json says", image.name)));
        }
        let closure = closure::find(&self.archive, &raw, Extent::WithEvidence).await?;
        let found = Evidence::of(&closure);
        if let Some(lost) = image.evidence.iter().find(|e| !found.contains(e)) {
            return Err(self
                .bad(format!("{} about {} cannot be found in it any more", lost.manifest, lost.subject))
                .hint("evidence was taken out of it; get the bag anew: nothing of it was used"));
        }
        let manifests = closure.image.iter().map(|raw| raw.descriptor.digest.clone()).collect();
        if found != image.evidence || image.manifests != manifests {
            return Err(self.bad(format!("{} has other parts than its bag.json lists", image.name)));
        }
        Ok(closure)
    }
}

fn hash_member(store: &LayoutInTar, digest: &Digest) -> Result<()> {
    let on = || format!("{}@{digest}", store.location);
    let name = blob_name(digest);
    let Some((offset, size)) = store.file.find(&name) else {
        return Err(Error::new("read blob", on(), ErrorKind::NotFound));
    };
    if size > limits::LAYER_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "LAYER_BYTES", value: limits::LAYER_BYTES };
        return Err(Error::new("read blob", on(), kind));
    }
    let mut reader = CheckedReader::new(store.file.read(offset, size), digest.clone(), size, on());
    io::copy(&mut reader, &mut io::sink()).map(drop).map_err(|e| from_io(e, "read blob", on()))
}

#[cfg(test)]
mod tests;
