use super::*;
use crate::layout::Layout;
use crate::manifest::{RawManifest, media_type};
use crate::source::Sink;
use serde_json::json;

/// A layout with one image of one layer.
async fn place(dir: &Path) -> (Layout, Closure) {
    let layout = Layout::create(dir).unwrap();
    let (config, layer) = (b"{}".to_vec(), b"layer".to_vec());
    let names = [Descriptor::of(media_type::CONFIG, &config), Descriptor::of(media_type::LAYER_TAR, &layer)];
    layout.push_blob(&names[0], &config).await.unwrap();
    layout.push_blob(&names[1], &layer).await.unwrap();
    let document = json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST,
        "config": names[0], "layers": [names[1]]});
    let raw = RawManifest::new(document.to_string().into_bytes(), None, "test").unwrap();
    layout.push_manifest(&raw, Some("1")).await.unwrap();
    let closure = closure::find(&layout, &raw, Extent::WithEvidence).await.unwrap();
    (layout, closure)
}

async fn pack(names: &[String], extras: &Extras) -> Result<(tempfile::NamedTempFile, Written)> {
    let dir = tempfile::tempdir().unwrap();
    let (layout, closure) = place(dir.path()).await;
    let named = |name: &String| Packed {
        name: Name::new(None, name, Some("1")).unwrap(),
        source: &layout,
        closure: &closure,
    };
    let images: Vec<Packed<'_>> = names.iter().map(named).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    let written = write(file.reopen().unwrap(), &images, &BTreeSet::new(), extras).await?;
    Ok((file, written))
}

#[tokio::test]
async fn what_was_written_is_whole_and_says_its_own_digest() {
    let (file, written) = pack(&["a".into(), "b".into()], &Extras::default()).await.unwrap();
    let bag = Bag::open(file.path()).unwrap();
    assert_eq!(*bag.contents(), written.contents);
    assert_eq!(bag.check().await.unwrap().len(), 2);
    let bytes = std::fs::read(file.path()).unwrap();
    assert_eq!((written.size, written.digest), (bytes.len() as u64, Digest::sha256(&bytes)));
    assert_eq!(written.blobs, 2);
}

#[tokio::test]
async fn images_are_bounded_at_limit_plus_one() {
    // The index, whose entries are as many, is bounded higher.
    let names: Vec<String> = (0..=IMAGES).map(|n| format!("image{n}")).collect();
    let (file, _) = pack(&names[..IMAGES], &Extras::default()).await.unwrap();
    assert_eq!(Bag::open(file.path()).unwrap().contents().images.len(), IMAGES);
    let error = pack(&names, &Extras::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "IMAGES", value: IMAGES as u64 });
}

#[tokio::test]
async fn what_is_carried_along_is_bounded_at_limit_plus_one() {
    let extras = |n: u64| Extras { policy: Some(vec![b'#'; n as usize]), trusted_root: None };
    let (file, _) = pack(&["a".into()], &extras(EXTRA_BYTES)).await.unwrap();
    Bag::open(file.path()).unwrap().check().await.unwrap();
    let error = pack(&["a".into()], &extras(EXTRA_BYTES + 1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "EXTRA_BYTES", value: EXTRA_BYTES });
}

#[tokio::test]
async fn another_version_is_unsupported_and_a_bad_list_is_malformed() {
    let (file, _) = pack(&["a".into()], &Extras::default()).await.unwrap();
    let good = std::fs::read(file.path()).unwrap();
    let change = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(file.path(), bytes).unwrap();
        Bag::open(file.path()).unwrap_err()
    };
    let error = change("bag/v1alpha1", "bag/v9alpha1");
    assert!(matches!(error.kind, ErrorKind::Unsupported(_)), "{error}");
    // A name that would be a path elsewhere, a field that nobody knows, a field twice.
    for (from, to) in [
        ("\"repository\": \"a\"", "\"repository\":\"..\""),
        ("\"evidence\": [", "\"evil_nce\": ["),
        ("\"evidence\": [", "\"manifests\":["),
    ] {
        let error = change(from, to);
        let wrong = matches!(error.kind, ErrorKind::Malformed(_) | ErrorKind::InvalidReference(_));
        assert!(wrong, "{from}: {error}");
    }
}

#[test]
fn a_list_of_digests_is_read_line_by_line() {
    let digest = Digest::sha256(b"x");
    let list = digest_list(format!("\n{digest}\r\n\n{digest}").as_bytes(), "list").unwrap();
    assert_eq!(list, BTreeSet::from([digest.clone()]));
    for bad in [format!("{digest} x"), "sha256:../x".into(), "# comment".into()] {
        assert!(digest_list(bad.as_bytes(), "list").unwrap_err().to_string().contains("line 1"), "{bad}");
    }
    assert!(digest_list(&[0xff], "list").is_err());
}
