//! What the fuzz targets share: a key that signs for them, and an image in memory.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::EncodePublicKey as _;
use seaworthy_oci::{
    BlobReader, CheckedReader, Descriptor, Location, Pinned, RawManifest, Reference, Referrers, ReferrersVia,
    Result, Selector, Source,
};
pub use seaworthy_sbom::files::Selection as Files;
use seaworthy_sbom::inventory::Inventory;
use seaworthy_verifier::{Authority, PublicKey, TrustedKey};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

/// The bundle that cosign 3 writes.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// testdata/ of the work tree.
pub fn testdata(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")).join(path)
}

/// The moment at which all is judged.
pub fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().expect("a time")
}

/// A key that signs whatever a fuzzer makes up.
pub struct Key(p256::ecdsa::SigningKey);

impl Key {
    pub fn new() -> Self {
        Self(p256::ecdsa::SigningKey::from_slice(&[7; 32]).expect("a key"))
    }

    pub fn authority(&self) -> Authority {
        let spki = self.0.verifying_key().to_public_key_der().expect("a public key");
        let key = PublicKey::from_spki(spki.as_bytes()).expect("a public key");
        Authority::keys("fuzz", vec![TrustedKey { key, not_before: None, not_after: None }], None)
    }

    /// A bundle over `payload` (DSSE, with its pre-authentication encoding).
    pub fn bundle(&self, payload: &[u8]) -> Vec<u8> {
        let kind = "application/vnd.in-toto+json";
        let mut signed = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        signed.extend_from_slice(payload);
        let signature: p256::ecdsa::Signature = self.0.sign(&signed);
        serde_json::json!({
            "mediaType": BUNDLE,
            "verificationMaterial": { "publicKey": { "hint": "" } },
            "dsseEnvelope": {
                "payload": STANDARD.encode(payload), "payloadType": kind,
                "signatures": [{ "sig": STANDARD.encode(signature.to_der().as_bytes()) }],
            },
        })
        .to_string()
        .into_bytes()
    }
}

impl Default for Key {
    fn default() -> Self {
        Self::new()
    }
}

/// An image with these layers, uncompressed, in memory.
struct Memory {
    location: Location,
    blobs: BTreeMap<String, Vec<u8>>,
}

#[async_trait::async_trait]
impl Source for Memory {
    fn location(&self) -> &Location {
        &self.location
    }

    async fn manifest(&self, _: Selector<'_>) -> Result<Option<RawManifest>> {
        Ok(None)
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobReader> {
        let bytes = self.blobs.get(&descriptor.digest.to_string()).cloned().unwrap_or_default();
        let size = descriptor.size;
        Ok(Box::new(CheckedReader::new(
            std::io::Cursor::new(bytes),
            descriptor.digest.clone(),
            size,
            "memory",
        )))
    }

    async fn blob_range(&self, descriptor: &Descriptor, range: Range<u64>) -> Result<Option<BlobReader>> {
        let blob = self.blobs.get(&descriptor.digest.to_string());
        let part = blob.and_then(|blob| blob.get(range.start as usize..range.end as usize));
        Ok(part.map(|part| Box::new(std::io::Cursor::new(part.to_vec())) as BlobReader))
    }

    async fn referrers(&self, _: &seaworthy_oci::Digest) -> Result<Referrers> {
        Ok(Referrers { descriptors: Vec::new(), via: ReferrersVia::Layout })
    }
}

/// The inventory of an image of these layers, each the bytes of a tar.
pub fn inventory(
    runtime: &tokio::runtime::Runtime,
    layers: &[Vec<u8>],
    files: Files,
) -> std::result::Result<Inventory, String> {
    let layer =
        |bytes: &Vec<u8>| (Descriptor::of("application/vnd.oci.image.layer.v1.tar", bytes), bytes.clone());
    let options = seaworthy_catalog::Options { files, ..Default::default() };
    of_layers(runtime, layers.iter().map(layer).collect(), &options)
}

/// A zstd frame that holds `bytes` as they are (RFC 8878, 3.1.1): one block, which has at most 128 KiB.
fn frame(bytes: &[u8]) -> Vec<u8> {
    let size = bytes.len() as u32;
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    out.extend(size.to_le_bytes());
    out.extend(&(size << 3 | 1).to_le_bytes()[..3]);
    out.extend(bytes);
    out
}

/// What stands in the layer of [`by_table`], from its second byte on; seeds.py knows it.
pub const PIECE: &[u8] = b"Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n\n";

/// The inventory of an image of one layer that is read by this table of contents.
pub fn by_table(runtime: &tokio::runtime::Runtime, toc: &[u8]) -> std::result::Result<Inventory, String> {
    let mut blob = vec![0];
    blob.extend(frame(PIECE));
    blob.resize(70_000, 0);
    let (at, packed) = (blob.len(), frame(toc));
    blob.extend(&packed);
    let mut layer = Descriptor::of("application/vnd.oci.image.layer.v1.tar+zstd", &blob);
    let name = |end: &str| format!("io.github.containers.zstd-chunked.manifest-{end}");
    let digest = seaworthy_oci::Digest::sha256(&packed).to_string();
    layer.annotations.insert(name("checksum"), digest);
    layer.annotations.insert(name("position"), format!("{at}:{}:{}:1", packed.len(), toc.len()));
    let reading = seaworthy_catalog::Reading::Lazy;
    of_layers(runtime, vec![(layer, blob)], &seaworthy_catalog::Options { reading, ..Default::default() })
}

fn of_layers(
    runtime: &tokio::runtime::Runtime,
    layers: Vec<(Descriptor, Vec<u8>)>,
    options: &seaworthy_catalog::Options,
) -> std::result::Result<Inventory, String> {
    let mut blobs = BTreeMap::new();
    let (listed, contents): (Vec<Descriptor>, Vec<Vec<u8>>) = layers.into_iter().unzip();
    for (descriptor, bytes) in listed.iter().zip(contents) {
        blobs.insert(descriptor.digest.to_string(), bytes);
    }
    let mut put = |kind: &str, bytes: Vec<u8>| {
        let descriptor = Descriptor::of(kind, &bytes);
        blobs.insert(descriptor.digest.to_string(), bytes);
        descriptor
    };
    let ids: Vec<String> = listed.iter().map(|d| d.digest.to_string()).collect();
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": ids },
    });
    let config = put("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": listed,
    });
    let raw = RawManifest::new(manifest.to_string().into_bytes(), None, "memory").expect("a manifest");
    let Ok(seaworthy_oci::Manifest::Image(image)) = raw.parse() else { panic!("no image") };
    let reference: Reference = "registry.example/fuzz:1".parse().expect("a reference");
    let source = Memory { location: reference.location.clone(), blobs };
    let pinned = Pinned::new(&reference, raw.descriptor.clone());
    let made =
        seaworthy_catalog::inventory(&source, &pinned, &image, options, &seaworthy_catalog::NoProgress);
    runtime.block_on(made).map_err(|e| e.to_string())
}

/// A tar with these files, in ustar form.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, content) in files {
        let mut header = [0u8; 512];
        header[..path.len()].copy_from_slice(path.as_bytes());
        header[100..108].copy_from_slice(b"0000755\0");
        header[108..116].copy_from_slice(b"0000000\0");
        header[116..124].copy_from_slice(b"0000000\0");
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[136..148].copy_from_slice(b"00000000000\0");
        header[148..156].copy_from_slice(b"        ");
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// A number that is another for almost every other input: what is asked of some inputs and not of others goes by it, so
/// that an input which fails once fails always.
pub fn turn(data: &[u8]) -> usize {
    data.iter().fold(data.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte))) >> 3
}

/// What is written must be read back as it was: in one of the formats by `turn`, since both would halve what a minute tries.
pub fn round_trip(inventory: &Inventory, turn: usize) {
    let formats = seaworthy_sbom::Format::ALL;
    let format = formats[turn % formats.len()];
    let write = |inventory: &Inventory| {
        let mut out = Vec::new();
        seaworthy_sbom::write(format, inventory, &seaworthy_sbom::WriteOptions::default(), &mut out)
            .expect("memory");
        out
    };
    let first = write(inventory);
    assert_eq!(first, write(inventory), "{}: two bytes for one inventory", format.name());
    // What our own reader refuses must not have been written; limits aside, which a document may pass.
    let (found, read) = seaworthy_sbom::read(&first).unwrap_or_else(|e| {
        panic!("{}: written and not read: {e}\n{}", format.name(), String::from_utf8_lossy(&first))
    });
    assert_eq!(found, format);
    assert_eq!(read.packages.len(), inventory.packages.len(), "{}: packages lost", format.name());
    assert_eq!(read.files, inventory.files, "{}: other files", format.name());
    assert_eq!(read.subject.digest, inventory.subject.digest, "{}: another subject", format.name());
}
