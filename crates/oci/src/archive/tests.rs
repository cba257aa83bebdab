use super::*;
use crate::manifest::{Manifest, media_type};
use ::tar::{Builder, EntryType, Header};
use serde_json::json;

enum Item<'a> {
    File(&'a str, &'a [u8]),
    Link(EntryType, &'a str, &'a str),
}

fn archive(items: &[Item<'_>]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut tar = Builder::new(&mut file);
    for item in items {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        match item {
            Item::File(name, bytes) => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, name, *bytes).unwrap();
            }
            Item::Link(kind, name, to) => {
                header.set_entry_type(*kind);
                header.set_size(0);
                tar.append_link(&mut header, name, to).unwrap();
            }
        }
    }
    tar.finish().unwrap();
    drop(tar);
    file
}

fn docker(file: &tempfile::NamedTempFile) -> Result<Box<dyn Source>> {
    open(&Location::DockerArchive(file.path().into()))
}

fn oci(file: &tempfile::NamedTempFile) -> Result<Box<dyn Source>> {
    open(&Location::OciArchive(file.path().into()))
}

fn blob_name(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", Digest::sha256(bytes).hex())
}

const MARKER: Item<'static> = Item::File("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);

#[tokio::test]
async fn an_oci_archive_is_a_layout() {
    let layer = Descriptor::of(media_type::LAYER_TAR, b"layer");
    let config = Descriptor::of(media_type::CONFIG, b"{}");
    let image = serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST,
        "config": config, "layers": [layer]}))
    .unwrap();
    let listed = Descriptor::of(media_type::MANIFEST, &image);
    let empty = Descriptor::of(media_type::EMPTY, b"{}");
    let signature = serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST,
        "artifactType": "a/sig", "config": empty, "layers": [], "subject": listed}))
    .unwrap();
    let attached = Descriptor::of(media_type::MANIFEST, &signature);
    let index = serde_json::to_vec(&json!({"schemaVersion": 2, "manifests": [listed, attached]})).unwrap();
    let blobs: Vec<(String, &[u8])> =
        [b"layer", b"{}".as_slice(), &image, &signature].map(|b| (blob_name(b), b)).into();
    let mut items = vec![MARKER, Item::File("./index.json", &index)];
    items.extend(blobs.iter().map(|(name, bytes)| Item::File(name, bytes)));
    let file = archive(&items);
    for source in [oci(&file).unwrap(), docker(&file).unwrap()] {
        let raw = source.manifest(Selector::Only).await.unwrap().unwrap();
        assert_eq!(raw.bytes, image);
        assert_eq!(source.blob_bytes(&layer, 10).await.unwrap(), b"layer");
        let found = source.referrers(&listed.digest).await.unwrap();
        assert_eq!(found.descriptors[0].digest, attached.digest);
        let absent = Descriptor::of("a/b", b"absent");
        assert!(source.blob(&absent).await.err().unwrap().is_not_found());
    }
}

#[tokio::test]
async fn an_old_docker_archive_gets_a_manifest() {
    let list = br#"[{"Config":"c.json","RepoTags":["app:1","example.com:5000/app:2"],
        "Layers":["a/layer.tar","b/layer.tar","c/layer.tar"]},
        {"Config":"c.json","RepoTags":["other:1"],"Layers":["a/layer.tar"]}]"#;
    let file = archive(&[
        Item::File("a/layer.tar", b"first layer"),
        Item::Link(EntryType::Symlink, "b/layer.tar", "../a/layer.tar"),
        Item::Link(EntryType::Link, "c/layer.tar", "a/layer.tar"),
        Item::File("c.json", br#"{"os":"linux"}"#),
        Item::File("manifest.json", list),
    ]);
    let source = docker(&file).unwrap();
    for tag in ["app:1", "2", "example.com:5000/app:2"] {
        let raw = source.manifest(Selector::Tag(tag)).await.unwrap().unwrap();
        let Manifest::Image(image) = raw.parse().unwrap() else { panic!("{tag}") };
        let layer = Descriptor::of(media_type::LAYER_TAR, b"first layer");
        assert_eq!(image.layers, vec![layer.clone(); 3]);
        assert_eq!(source.blob_bytes(&layer, 100).await.unwrap(), b"first layer");
        assert_eq!(source.blob_bytes(&image.config, 100).await.unwrap(), br#"{"os":"linux"}"#);
        let again = docker(&file).unwrap();
        assert_eq!(again.blob_bytes(&layer, 100).await.unwrap(), b"first layer");
        let same = again.manifest(Selector::Digest(&raw.descriptor.digest)).await.unwrap();
        assert_eq!(same, Some(raw.clone()));
        assert!(source.referrers(&raw.descriptor.digest).await.unwrap().descriptors.is_empty());
    }
    for ambiguous in [Selector::Only, Selector::Tag("1")] {
        let error = source.manifest(ambiguous).await.unwrap_err();
        assert!(matches!(&error.kind, ErrorKind::Ambiguous(why) if why.contains("other:1")), "{error}");
    }
    assert_eq!(source.manifest(Selector::Tag("3")).await.unwrap(), None);
}

/// A plain tar is what the configuration says, or the archive is broken; what is compressed has another digest.
#[tokio::test]
async fn a_layer_of_a_docker_archive_is_what_its_configuration_names() {
    let packed = b"\x1f\x8b and the rest";
    let read = async |config: &serde_json::Value| {
        let config = serde_json::to_vec(config).unwrap();
        let list = br#"[{"Config":"c.json","Layers":["plain.tar","packed.tar"]}]"#;
        let file = archive(&[
            Item::File("plain.tar", b"a tar"),
            Item::File("packed.tar", packed),
            Item::File("c.json", &config),
            Item::File("manifest.json", list),
        ]);
        let source = docker(&file).unwrap();
        let raw = source.manifest(Selector::Only).await.unwrap().unwrap();
        let Manifest::Image(image) = raw.parse().unwrap() else { panic!("{config:?}") };
        let plain = source.blob_bytes(&image.layers[0], 100).await;
        (plain, source.blob_bytes(&image.layers[1], 100).await.unwrap())
    };
    let diff_ids = |ids: &[Digest]| json!({"os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}});
    let (true_id, other) = (Digest::sha256(b"a tar"), Digest::sha256(b"another"));
    let long: Digest = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
    for honest in [
        diff_ids(&[true_id.clone(), other.clone()]),
        // Where it does not name all of them in SHA-256, they are hashed.
        diff_ids(std::slice::from_ref(&other)),
        diff_ids(&[long, other.clone()]),
        json!({"rootfs": "none"}),
    ] {
        let (plain, rest) = read(&honest).await;
        assert_eq!((plain.unwrap().as_slice(), rest.as_slice()), (b"a tar".as_slice(), packed.as_slice()));
    }
    let (lie, rest) = read(&diff_ids(&[other.clone(), true_id])).await;
    assert!(matches!(lie.unwrap_err().kind, ErrorKind::DigestMismatch { .. }));
    assert_eq!(rest, packed);
}

#[test]
fn broken_archives_are_refused() {
    let good = br#"{"schemaVersion":2,"manifests":[]}"#;
    let twice = archive(&[MARKER, Item::File("index.json", good), Item::File("./index.json", good)]);
    assert!(oci(&twice).err().unwrap().to_string().contains("second member"));
    let hidden = archive(&[MARKER, Item::Link(EntryType::Symlink, "index.json", "/etc/passwd")]);
    assert!(matches!(oci(&hidden).err().unwrap().kind, ErrorKind::Malformed(_)));
    let ring = archive(&[
        MARKER,
        Item::Link(EntryType::Symlink, "index.json", "other"),
        Item::Link(EntryType::Symlink, "other", "index.json"),
    ]);
    assert!(matches!(oci(&ring).err().unwrap().kind, ErrorKind::Malformed(_)));
    let neither = archive(&[Item::File("x", b"y")]);
    assert!(matches!(oci(&neither).err().unwrap().kind, ErrorKind::Malformed(_)));
    assert!(matches!(docker(&neither).err().unwrap().kind, ErrorKind::Malformed(_)));
    let whole = archive(&[MARKER, Item::File("index.json", good)]);
    assert!(oci(&whole).is_ok());
    let bytes = std::fs::read(whole.path()).unwrap();
    for (what, bytes) in [
        ("gzip", [&[0x1f, 0x8b][..], &bytes].concat()),
        ("empty", Vec::new()),
        ("zeros", vec![0; 10_240]),
        ("cut", bytes[..1100].to_vec()),
        ("text", b"no tar at all ".repeat(100)),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let error = oci(&file).err().unwrap();
        assert_eq!(error.class(), crate::Class::Broken, "{what}: {error}");
    }
    let nowhere = tempfile::tempdir().unwrap().path().join("nowhere");
    assert!(open(&Location::OciArchive(nowhere)).err().unwrap().is_not_found());
}

#[test]
fn names_that_leave_the_archive_are_never_matched() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut tar = Builder::new(&mut file);
    for name in ["/manifest.json", "x/../manifest.json"] {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(2);
        header.set_cksum();
        tar.append(&header, &b"[]"[..]).unwrap();
    }
    tar.finish().unwrap();
    drop(tar);
    assert!(docker(&file).err().unwrap().to_string().contains("no member 'manifest.json'"));
}

#[test]
fn names_and_members_are_bounded() {
    let list = br#"[]"#;
    let long = |n: usize| "d/".repeat(n / 2);
    let open_with =
        |name: &str| docker(&archive(&[Item::File("manifest.json", list), Item::File(name, b"")]));
    assert!(open_with(&format!("{}x", long(60_000))).is_ok());
    let error = open_with(&format!("{}x", long(70_000))).err().unwrap();
    assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "archive name record", value: 65_536 });
    let members = |n: usize| {
        let names: Vec<String> = (1..n).map(|i| i.to_string()).collect();
        let mut items = vec![Item::File("manifest.json", list)];
        items.extend(names.iter().map(|name| Item::File(name, b"")));
        docker(&archive(&items))
    };
    assert!(members(20_000).is_ok());
    let error = members(20_001).err().unwrap();
    assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "archive members", value: 20_000 });
}

/// A good archive whose bytes a test may damage.
fn good_bytes() -> Vec<u8> {
    let file = archive(&[
        MARKER,
        Item::File("index.json", br#"{"schemaVersion":2,"manifests":[]}"#),
        Item::File(&format!("{}/long", "d/".repeat(100)), b"long"),
        Item::Link(EntryType::Symlink, "link", "index.json"),
    ]);
    std::fs::read(file.path()).unwrap()
}

proptest::proptest! {
    #[test]
    fn damaged_archives_end_in_an_answer(
        damage in proptest::collection::vec((0_usize..6_000, proptest::prelude::any::<u8>()), 1..8),
        checksums in proptest::prelude::any::<bool>(),
    ) {
        let mut bytes = good_bytes();
        for (at, value) in damage {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        if checksums {
            // With good checksums the damage gets past the first door.
            for block in bytes.chunks_exact_mut(512) {
                let header = block.first().is_some_and(|b| *b != 0) && block[257..262] == *b"ustar";
                if header {
                    block[148..156].fill(b' ');
                    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
                    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
                }
            }
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        for result in [oci(&file), docker(&file)] {
            if let Err(error) = result {
                proptest::prop_assert_eq!(error.class(), crate::Class::Broken, "{}", error);
            }
        }
    }
}
