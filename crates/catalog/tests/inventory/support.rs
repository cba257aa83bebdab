//! Images in memory: tars written by hand, so that they can be wrong in every way.

use async_trait::async_trait;
use seaworthy_catalog::{Cache, Error, NoProgress, Options, inventory};
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::{
    BlobReader, Descriptor, Digest, Image, Location, Manifest, Pinned, RawManifest, Referrers, Selector,
    Source,
};
use seaworthy_sbom::inventory::{Inventory, Package};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Mutex;

/// A tar that is being written.
#[derive(Default, Clone)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        self.header(path.as_bytes(), b'0', "", content.len() as u64).data(content)
    }

    pub fn dir(self, path: &str) -> Self {
        self.header(path.as_bytes(), b'5', "", 0)
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.header(path.as_bytes(), b'2', target, 0)
    }

    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.header(path.as_bytes(), b'1', target, 0)
    }

    /// A PAX header for the next entry.
    pub fn pax(self, records: &[(&str, &str)]) -> Self {
        let mut body = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while length != rest + length.to_string().len() {
                length = rest + length.to_string().len();
            }
            body.push_str(&format!("{length} {key}={value}\n"));
        }
        self.header(b"pax", b'x', "", body.len() as u64).data(body.as_bytes())
    }

    /// A GNU long name for the next entry.
    pub fn long_name(self, path: &str) -> Self {
        let body = format!("{path}\0");
        self.header(b"././@LongLink", b'L', "", body.len() as u64).data(body.as_bytes())
    }

    pub fn header(mut self, path: &[u8], kind: u8, link: &str, size: u64) -> Self {
        let mut h = [0_u8; 512];
        h[..path.len().min(100)].copy_from_slice(&path[..path.len().min(100)]);
        h[100..107].copy_from_slice(b"0000644");
        h[157..157 + link.len().min(100)].copy_from_slice(&link.as_bytes()[..link.len().min(100)]);
        if size < 1 << 33 {
            h[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        } else {
            h[124] = 0x80;
            h[128..136].copy_from_slice(&size.to_be_bytes());
        }
        h[156] = kind;
        h[257..265].copy_from_slice(b"ustar\x0000");
        self.0.extend_from_slice(&sealed(h));
        self
    }

    pub fn data(mut self, content: &[u8]) -> Self {
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    pub fn gzip(self) -> Layer {
        Layer {
            bytes: gzip(&self.clone().end()),
            media_type: media_type::LAYER_GZIP,
            diff_id: diff_id(&self.end()),
        }
    }

    pub fn zstd(self) -> Layer {
        let tar = self.end();
        Layer {
            bytes: zstd::encode_all(&tar[..], 3).unwrap(),
            media_type: media_type::LAYER_ZSTD,
            diff_id: diff_id(&tar),
        }
    }

    pub fn plain(self) -> Layer {
        let tar = self.end();
        Layer { diff_id: diff_id(&tar), bytes: tar, media_type: media_type::LAYER_TAR }
    }
}

/// A header with its checksum.
pub fn sealed(mut h: [u8; 512]) -> [u8; 512] {
    h[148..156].copy_from_slice(b"        ");
    let sum: u32 = h.iter().map(|b| u32::from(*b)).sum();
    h[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    h
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

pub fn diff_id(tar: &[u8]) -> Digest {
    Digest::sha256(tar)
}

#[derive(Clone)]
pub struct Layer {
    pub bytes: Vec<u8>,
    pub media_type: &'static str,
    pub diff_id: Digest,
}

/// A source that holds blobs, right or wrong ones.
pub struct Memory {
    location: Location,
    blobs: BTreeMap<Digest, Vec<u8>>,
    /// What was asked for, in order.
    fetched: Mutex<Vec<Digest>>,
}

#[async_trait]
impl Source for Memory {
    fn location(&self) -> &Location {
        &self.location
    }

    async fn manifest(&self, _: Selector<'_>) -> seaworthy_oci::Result<Option<RawManifest>> {
        Ok(None)
    }

    async fn blob(&self, descriptor: &Descriptor) -> seaworthy_oci::Result<BlobReader> {
        self.fetched.lock().unwrap().push(descriptor.digest.clone());
        let bytes = self.blobs.get(&descriptor.digest).cloned().ok_or_else(|| {
            seaworthy_oci::Error::new("read blob", &descriptor.digest, seaworthy_oci::ErrorKind::NotFound)
        })?;
        let reader = std::io::Cursor::new(bytes);
        let digest = descriptor.digest.clone();
        Ok(Box::new(seaworthy_oci::CheckedReader::new(reader, digest, descriptor.size, "memory")))
    }

    async fn referrers(&self, _: &Digest) -> seaworthy_oci::Result<Referrers> {
        unreachable!("nobody asks an inventory for referrers")
    }
}

/// An image in memory.
pub struct Built {
    pub source: Memory,
    pub image: Pinned,
    pub manifest: Image,
}

impl Built {
    pub fn new(layers: &[Layer]) -> Self {
        let mut blobs = BTreeMap::new();
        let ids: Vec<String> = layers.iter().map(|l| format!("\"{}\"", l.diff_id)).collect();
        let config = format!(
            r#"{{"created":"2024-06-01T12:00:00Z","os":"linux","architecture":"amd64","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            ids.join(",")
        );
        let mut put = |kind: &str, bytes: &[u8]| {
            let descriptor = Descriptor::of(kind, bytes);
            blobs.insert(descriptor.digest.clone(), bytes.to_vec());
            serde_json::to_string(&descriptor).unwrap()
        };
        let config = put(media_type::CONFIG, config.as_bytes());
        let layers: Vec<String> = layers.iter().map(|l| put(l.media_type, &l.bytes)).collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{config},"layers":[{}]}}"#,
            media_type::MANIFEST,
            layers.join(",")
        );
        let raw = RawManifest::new(manifest.into_bytes(), None, "test").unwrap();
        let Manifest::Image(manifest) = raw.parse().unwrap() else { panic!("no image") };
        let reference = "registry.example/app:1".parse().unwrap();
        let image = Pinned::new(&reference, raw.descriptor);
        let location = image.location().clone();
        let source = Memory { location, blobs, fetched: Mutex::default() };
        Self { source, image, manifest }
    }

    /// Other bytes under the digest of the layer.
    pub fn swap(mut self, layer: usize, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(self.source.blobs.get_mut(&self.manifest.layers[layer].digest).unwrap());
        self
    }

    pub fn read_with(&self, options: &Options) -> Result<Inventory, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(inventory(&self.source, &self.image, &self.manifest, options, &NoProgress))
    }

    pub fn read(&self) -> Result<Inventory, Error> {
        self.read_with(&Options::default())
    }

    /// The layers that were fetched since the last time, by their number, sorted.
    pub fn fetched(&self) -> Vec<usize> {
        let asked = std::mem::take(&mut *self.source.fetched.lock().unwrap());
        let number = |d: &Digest| self.manifest.layers.iter().position(|l| l.digest == *d);
        let mut layers: Vec<usize> = asked.iter().filter_map(number).collect();
        layers.sort_unstable();
        layers
    }

    /// The digest of a layer.
    pub fn layer(&self, index: usize) -> String {
        self.manifest.layers[index].digest.to_string()
    }
}

/// Reads an image anew, and then by way of the cache, which has to keep all that is known.
pub fn read(layers: &[Layer]) -> Inventory {
    let built = Built::new(layers);
    let found = built.read().unwrap();
    let dir = tempfile::tempdir().unwrap();
    for fetched in [true, false] {
        built.fetched();
        let cache = Some(Cache::open(&dir.path().join("layers")).unwrap());
        let options = Options { memory: seaworthy_catalog::Memory::of_run([], cache), ..Options::default() };
        assert_eq!(built.read_with(&options).unwrap(), found);
        assert_eq!(built.fetched().is_empty(), !fetched || layers.is_empty());
    }
    found
}

pub fn fails(layers: &[Layer]) -> Error {
    Built::new(layers).read().unwrap_err()
}

/// `name version`, sorted.
pub fn names(inventory: &Inventory) -> Vec<String> {
    let mut all: Vec<String> = inventory
        .packages
        .iter()
        .map(|p| format!("{} {}", p.name, p.version.as_deref().unwrap_or("-")))
        .collect();
    all.sort();
    all
}

pub fn package<'a>(inventory: &'a Inventory, name: &str) -> &'a Package {
    inventory
        .packages
        .iter()
        .find(|p| p.name == name)
        .unwrap_or_else(|| panic!("{name}: {:?}", names(inventory)))
}

/// `path: reason`, in order.
pub fn gaps(inventory: &Inventory) -> Vec<String> {
    inventory.gaps.iter().map(|g| format!("{}: {}", g.path, g.reason)).collect()
}

/// A paragraph of a dpkg database.
pub fn deb(name: &str, version: &str) -> String {
    format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\n")
}

pub const STATUS: &str = "var/lib/dpkg/status";

pub fn npm(name: &str, version: &str) -> String {
    format!(r#"{{"name":"{name}","version":"{version}","license":"MIT"}}"#)
}

/// A file of testdata/catalog/packed.
pub fn packed(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../testdata/catalog/packed/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}
