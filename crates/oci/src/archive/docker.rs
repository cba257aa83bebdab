//! The output of `docker save` without an OCI index: `manifest.json`, a configuration, and layers as files.
//!
//! Such an archive has no manifest that anybody has hashed, so an OCI manifest is made from what is there. A layer that is
//! a plain tar has the digest that the configuration names as its diff id, and is checked when it is read, as any blob;
//! the others are hashed. The result depends on the archive's content alone. Refused: configurations that are missing or
//! too large, layers that are missing, a name that two images have, a layer that is not what the configuration says.

use super::tar::TarFile;
use crate::digest::{Algorithm, Digest, Hasher};
use crate::error::{Error, ErrorKind, Result};
use crate::layout::index::tag_part;
use crate::layout::store::{OwnedSelector, off_reactor};
use crate::manifest::{Descriptor, Image, ImageConfig, RawManifest, media_type};
use crate::reference::Location;
use crate::source::{BlobReader, Referrers, ReferrersVia, Selector, Source, checked, from_io};
use crate::{limits, strict};
use async_trait::async_trait;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

/// As many bytes as tell how a layer is compressed.
const MAGIC_BYTES: usize = 4;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

#[derive(Debug)]
pub(super) struct DockerArchive {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: TarFile,
    location: Location,
    entries: Vec<Entry>,
    known: Mutex<Known>,
}

/// What was hashed so far.
#[derive(Debug, Default)]
struct Known {
    /// Layers by their offset: several images share them.
    layers: HashMap<u64, Descriptor>,
    manifests: BTreeMap<usize, RawManifest>,
    blobs: HashMap<Digest, (u64, u64)>,
}

impl DockerArchive {
    pub(super) fn new(file: TarFile, location: &Location) -> Result<Self> {
        let bad = |why: String| Error::new("open", location, ErrorKind::Malformed(why));
        let Some(bytes) = file.small("manifest.json", limits::MANIFEST_BYTES, location)? else {
            let why = "no output of docker save: it has no member 'manifest.json'".into();
            return Err(bad(why).hint("an OCI layout in a tar file is read as oci-archive:FILE"));
        };
        let entries: Vec<Entry> =
            strict::from_slice(&bytes).map_err(|why| bad(format!("its manifest.json: {why}")))?;
        let too_many = |limit, value: usize| {
            Err(Error::new("open", location, ErrorKind::LimitExceeded { limit, value: value as u64 }))
        };
        if entries.len() > limits::INDEX_ENTRIES {
            return too_many("INDEX_ENTRIES", limits::INDEX_ENTRIES);
        }
        if entries.iter().any(|e| e.layers.as_ref().is_some_and(|l| l.len() > limits::IMAGE_LAYERS)) {
            return too_many("IMAGE_LAYERS", limits::IMAGE_LAYERS);
        }
        let location = location.clone();
        Ok(Self { inner: Arc::new(Inner { file, location, entries, known: Mutex::default() }) })
    }
}

impl Inner {
    fn manifest(&self, selector: Selector<'_>) -> Result<Option<RawManifest>> {
        let chosen: Vec<usize> = match selector {
            Selector::Digest(digest) => {
                for n in 0..self.entries.len() {
                    let raw = self.synthesize(n)?;
                    if digest.matches(&raw.bytes) {
                        return raw.expect(digest, &self.location).map(Some);
                    }
                }
                return Ok(None);
            }
            Selector::Only => (0..self.entries.len()).collect(),
            Selector::Tag(tag) => {
                let named = |matches: &dyn Fn(&str) -> bool| -> Vec<usize> {
                    let has = |e: &Entry| e.repo_tags.iter().flatten().any(|name| matches(name));
                    (0..self.entries.len()).filter(|n| self.entries.get(*n).is_some_and(has)).collect()
                };
                let exact = named(&|name| name == tag);
                if exact.is_empty() { named(&|name| tag_part(name) == Some(tag)) } else { exact }
            }
        };
        match chosen.as_slice() {
            [] => Ok(None),
            [one] => self.synthesize(*one).map(Some),
            several => {
                let names: Vec<String> = several
                    .iter()
                    .filter_map(|n| self.entries.get(*n))
                    .flat_map(|e| e.repo_tags.iter().flatten())
                    .take(10)
                    .map(|name| name.chars().take(100).collect::<String>().escape_debug().to_string())
                    .collect();
                let why = format!("several images are there: {}", names.join(", "));
                Err(Error::new("find image", &self.location, ErrorKind::Ambiguous(why))
                    .hint("add the whole name of one of them: docker-archive:FILE:NAME:TAG"))
            }
        }
    }

    /// The manifest of the image number `n`.
    fn synthesize(&self, n: usize) -> Result<RawManifest> {
        let bad = |why: String| Error::new("read archive", &self.location, ErrorKind::Malformed(why));
        // Held while hashing, so that two askers do not hash everything twice.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = known.manifests.get(&n) {
            return Ok(done.clone());
        }
        let entry = self.entries.get(n).ok_or_else(|| bad("no such image".into()))?;
        let place = |name: &str| {
            self.file
                .find(name.strip_prefix("./").unwrap_or(name))
                .ok_or_else(|| bad(format!("its manifest.json names '{}', which is not there", shown(name))))
        };
        let (offset, size) = place(&entry.config)?;
        if size > limits::CONFIG_BYTES {
            let kind = ErrorKind::LimitExceeded { limit: "CONFIG_BYTES", value: limits::CONFIG_BYTES };
            return Err(Error::new("read archive", &self.location, kind));
        }
        let bytes = self.bytes(offset, size)?;
        let config = Descriptor::of(media_type::CONFIG, &bytes);
        known.blobs.insert(config.digest.clone(), (offset, size));
        let names: Vec<&String> = entry.layers.iter().flatten().collect();
        let named = diff_ids(&bytes, names.len());
        let mut layers = Vec::new();
        for (at, name) in names.into_iter().enumerate() {
            let (offset, size) = place(name)?;
            let layer = match known.layers.get(&offset) {
                Some(layer) => layer.clone(),
                None => self.layer(offset, size, named.get(at))?,
            };
            known.layers.insert(offset, layer.clone());
            known.blobs.insert(layer.digest.clone(), (offset, size));
            layers.push(layer);
        }
        let image = Image {
            schema_version: 2,
            media_type: media_type::MANIFEST.into(),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        };
        let bytes = serde_json::to_vec(&image).map_err(|e| bad(e.to_string()))?;
        let raw = RawManifest::new(bytes, None, &self.location)?;
        known.manifests.insert(n, raw.clone());
        Ok(raw)
    }

    /// What stands at that place, all of it.
    fn bytes(&self, offset: u64, size: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = self.file.read(offset, size).take(size).read_to_end(&mut bytes);
        read.map_err(|e| from_io(e, "read archive", &self.location))?;
        self.is_whole(size, bytes.len() as u64).map(|()| bytes)
    }

    fn is_whole(&self, expected: u64, actual: u64) -> Result<()> {
        let kind = ErrorKind::SizeMismatch { expected, actual };
        if expected == actual { Ok(()) } else { Err(Error::new("read archive", &self.location, kind)) }
    }

    /// The layer at that place. A plain tar's digest is its diff id: where the configuration has `named` it, the layer is
    /// hashed once, when it is read, and is another layer's then, or the archive is broken.
    fn layer(&self, offset: u64, size: u64, named: Option<&Digest>) -> Result<Descriptor> {
        let Some(named) = named else { return self.hash(offset, size) };
        let head = self.bytes(offset, size.min(MAGIC_BYTES as u64))?;
        if media_type_of(&head) != media_type::LAYER_TAR || size > limits::LAYER_BYTES {
            return self.hash(offset, size);
        }
        Ok(Descriptor { digest: named.clone(), size, ..Descriptor::of(media_type::LAYER_TAR, &[]) })
    }

    fn hash(&self, offset: u64, size: u64) -> Result<Descriptor> {
        if size > limits::LAYER_BYTES {
            let kind = ErrorKind::LimitExceeded { limit: "LAYER_BYTES", value: limits::LAYER_BYTES };
            return Err(Error::new("read archive", &self.location, kind));
        }
        let mut reader = self.file.read(offset, size);
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut buffer = vec![0; 64 << 10];
        let mut head = Vec::new();
        let mut read = 0;
        loop {
            let n = reader.read(&mut buffer).map_err(|e| from_io(e, "read archive", &self.location))?;
            let Some(part) = buffer.get(..n).filter(|p| !p.is_empty()) else { break };
            head.extend(part.iter().take(MAGIC_BYTES.saturating_sub(head.len())));
            hasher.update(part);
            read += n as u64;
        }
        self.is_whole(size, read)?;
        Ok(Descriptor { digest: hasher.finish(), size, ..Descriptor::of(media_type_of(&head), &[]) })
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let on = || format!("{}@{}", self.location, descriptor.digest);
        let find = || {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.blobs.get(&descriptor.digest).copied()
        };
        let mut found = find();
        for n in 0..self.entries.len() {
            if found.is_none() {
                self.synthesize(n)?;
                found = find();
            }
        }
        let (offset, size) = found.ok_or_else(|| Error::new("read blob", on(), ErrorKind::NotFound))?;
        if size != descriptor.size {
            let kind = ErrorKind::SizeMismatch { expected: descriptor.size, actual: size };
            return Err(Error::new("read blob", on(), kind));
        }
        Ok(checked(self.file.read(offset, size), descriptor, &self.location))
    }
}

/// What the configuration says that the tars of its `count` layers hash to; nothing where it does not say it of all. Who
/// needs more of it than this says what is wrong with it.
fn diff_ids(config: &[u8], count: usize) -> Vec<Digest> {
    let config = ImageConfig::parse(config, "configuration");
    let named = config.map(|config| config.rootfs.diff_ids).unwrap_or_default();
    let all = named.len() == count && named.iter().all(|id| id.algorithm() == Algorithm::Sha256);
    if all { named } else { Vec::new() }
}

/// Docker writes plain tar here; other tools write the layers as they were pulled.
fn media_type_of(head: &[u8]) -> &'static str {
    match head {
        [0x1f, 0x8b, ..] => media_type::LAYER_GZIP,
        [0x28, 0xb5, 0x2f, 0xfd] => media_type::LAYER_ZSTD,
        _ => media_type::LAYER_TAR,
    }
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect::<String>().escape_debug().to_string()
}

#[async_trait]
impl Source for DockerArchive {
    fn location(&self) -> &Location {
        &self.inner.location
    }

    async fn manifest(&self, selector: Selector<'_>) -> Result<Option<RawManifest>> {
        let (inner, selector) = (Arc::clone(&self.inner), OwnedSelector::from(selector));
        off_reactor(&self.inner.location, move || inner.manifest(selector.as_selector())).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let (inner, descriptor) = (Arc::clone(&self.inner), descriptor.clone());
        off_reactor(&self.inner.location, move || inner.blob(&descriptor)).await
    }

    /// Certainly nothing: such an archive holds images alone.
    async fn referrers(&self, _: &Digest) -> Result<Referrers> {
        Ok(Referrers { descriptors: Vec::new(), via: ReferrersVia::Layout })
    }
}
