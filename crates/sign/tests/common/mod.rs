//! A small image in a layout directory, keys, and ways to look at what was written.

// Each test program uses its own part of this.
#![allow(dead_code)]

use seaworthy_oci::layout::Layout;
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::{Descriptor, Location, Manifest, Pinned, RawManifest, Reference, Selector, Sink, Source};
use seaworthy_sign::{KeySigner, PrivateKey, Secret};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The repository that legacy signatures name.
pub(crate) const REPOSITORY: &str = "registry.example/app";
/// A fixed time: 2024-01-01T00:00:00Z.
pub(crate) const NEW_YEAR: i64 = 1_704_067_200;

pub(crate) fn testdata(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata").join(path)
}

/// The signer with a key of testdata/keys.
pub(crate) fn signer(name: &str) -> KeySigner {
    key_signer(&format!("keys/{name}.key"), "")
}

pub(crate) fn key_signer(path: &str, password: &str) -> KeySigner {
    let pem = std::fs::read(testdata(path)).unwrap();
    KeySigner::new(PrivateKey::from_pem(&pem, Some(&Secret::from(password))).unwrap())
}

/// A layout with one image in it, the same bytes every time.
pub(crate) async fn image(dir: &Path) -> (Layout, Pinned) {
    let layout = Layout::create(dir).unwrap();
    let config =
        br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#.to_vec();
    let config_descriptor = Descriptor::of(media_type::CONFIG, &config);
    layout.push_blob(&config_descriptor, &config).await.unwrap();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"{}","digest":"{}","size":{}}},"layers":[]}}"#,
        media_type::MANIFEST,
        media_type::CONFIG,
        config_descriptor.digest,
        config_descriptor.size
    );
    let raw = RawManifest::new(manifest.into_bytes(), None, "test").unwrap();
    layout.push_manifest(&raw, Some("app")).await.unwrap();
    let pinned = pinned(&layout, raw.descriptor);
    (layout, pinned)
}

pub(crate) fn pinned(layout: &Layout, descriptor: Descriptor) -> Pinned {
    let Location::Layout(path) = layout.location() else { panic!("a layout") };
    let location = Location::Layout(path.clone());
    Pinned::new(&Reference { location, tag: None, digest: None }, descriptor)
}

/// Every file of the directory with its content, but for the lock.
pub(crate) fn everything(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            all.insert(path, bytes);
        }
    }
    all
}

/// A recorded layout, copied to where it may be written to.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::write(&target, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

pub(crate) async fn blob(source: &dyn Source, descriptor: &Descriptor) -> String {
    String::from_utf8(source.blob_bytes(descriptor, 1 << 20).await.unwrap()).unwrap()
}

pub(crate) async fn manifest(source: &dyn Source, selector: Selector<'_>) -> (String, seaworthy_oci::Image) {
    let raw = source.manifest(selector).await.unwrap().unwrap();
    match raw.parse().unwrap() {
        Manifest::Image(image) => (String::from_utf8(raw.bytes).unwrap(), image),
        Manifest::Index(_) => panic!("an index"),
    }
}
