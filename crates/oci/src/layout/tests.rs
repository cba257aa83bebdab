use super::*;
use crate::manifest::{Image, Index, annotation, media_type};
use crate::{Manifest, Pushed, Sink};
use serde_json::json;

async fn put(layout: &Layout, media_type: &str, bytes: &[u8]) -> Descriptor {
    let descriptor = Descriptor::of(media_type, bytes);
    layout.push_blob(&descriptor, &bytes.to_vec()).await.unwrap();
    descriptor
}

fn raw(value: &serde_json::Value) -> RawManifest {
    RawManifest::new(serde_json::to_vec(value).unwrap(), None, "test").unwrap()
}

async fn image(layout: &Layout, text: &str) -> RawManifest {
    raw(&serde_json::to_value(Image {
        schema_version: 2,
        media_type: media_type::MANIFEST.into(),
        artifact_type: None,
        config: put(layout, media_type::CONFIG, b"{}").await,
        layers: vec![put(layout, media_type::LAYER_TAR, text.as_bytes()).await],
        subject: None,
        annotations: Default::default(),
    })
    .unwrap())
}

async fn signature(layout: &Layout, subject: &RawManifest, text: &str) -> RawManifest {
    raw(&serde_json::to_value(Image {
        schema_version: 2,
        media_type: media_type::MANIFEST.into(),
        artifact_type: Some("application/test.signature".into()),
        config: put(layout, media_type::EMPTY, b"{}").await,
        layers: vec![put(layout, "text/plain", text.as_bytes()).await],
        subject: Some(subject.descriptor.clone()),
        annotations: [("note", text), (annotation::REF_NAME, "stolen")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
    })
    .unwrap())
}

fn index(children: &[&RawManifest]) -> RawManifest {
    raw(&serde_json::to_value(Index {
        schema_version: 2,
        media_type: media_type::INDEX.into(),
        artifact_type: None,
        manifests: children.iter().map(|c| c.descriptor.clone()).collect(),
        subject: None,
        annotations: Default::default(),
    })
    .unwrap())
}

fn fresh() -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::create(dir.path()).unwrap();
    (dir, layout)
}

/// Writes a layout by hand: entries as given, blobs as given.
fn by_hand(index: &serde_json::Value, blobs: &[&[u8]]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(MARKER), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    fs::write(dir.path().join(INDEX), serde_json::to_vec(index).unwrap()).unwrap();
    fs::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
    for blob in blobs {
        fs::write(dir.path().join("blobs/sha256").join(Digest::sha256(blob).hex()), blob).unwrap();
    }
    dir
}

#[tokio::test]
async fn what_is_written_is_read_back() {
    let (dir, layout) = fresh();
    assert_eq!(layout.manifest(Selector::Only).await.unwrap(), None);
    let one = image(&layout, "one").await;
    layout.push_manifest(&one, Some("v1")).await.unwrap();
    let again = Layout::open(dir.path()).unwrap();
    assert_eq!(again.manifest(Selector::Only).await.unwrap(), Some(one.clone()));
    assert_eq!(again.manifest(Selector::Tag("v1")).await.unwrap(), Some(one.clone()));
    assert_eq!(again.manifest(Selector::Tag("v2")).await.unwrap(), None);
    let digest = &one.descriptor.digest;
    assert_eq!(again.manifest(Selector::Digest(digest)).await.unwrap(), Some(one.clone()));
    assert_eq!(again.manifest(Selector::Digest(&Digest::sha256(b"no"))).await.unwrap(), None);
    let layer = Descriptor::of(media_type::LAYER_TAR, b"one");
    assert_eq!(again.blob_bytes(&layer, 3).await.unwrap(), b"one");
    assert_eq!(layout.push_blob(&layer, &b"one".to_vec()).await.unwrap(), Pushed::Existed);
    // A tag names one thing: the newest.
    let two = image(&layout, "two").await;
    layout.push_manifest(&two, Some("v1")).await.unwrap();
    assert_eq!(again.manifest(Selector::Tag("v1")).await.unwrap(), Some(two.clone()));
    assert_eq!(again.manifest(Selector::Only).await.unwrap(), Some(two));
    assert_eq!(again.manifest(Selector::Digest(digest)).await.unwrap(), Some(one));
}

#[tokio::test]
async fn the_only_image_is_neither_a_signature_nor_a_child() {
    let (_dir, layout) = fresh();
    let (a, b) = (image(&layout, "a").await, image(&layout, "b").await);
    layout.push_manifest(&a, None).await.unwrap();
    layout.push_manifest(&b, None).await.unwrap();
    let both = index(&[&a, &b]);
    layout.push_manifest(&both, None).await.unwrap();
    layout.attach(&signature(&layout, &both, "s").await).await.unwrap();
    layout
        .push_manifest(&image(&layout, "sig").await, Some(&both.descriptor.digest.tag(".sig")))
        .await
        .unwrap();
    assert_eq!(layout.manifest(Selector::Only).await.unwrap(), Some(both));
    layout.push_manifest(&image(&layout, "c").await, Some("other")).await.unwrap();
    let error = layout.manifest(Selector::Only).await.unwrap_err();
    assert!(matches!(&error.kind, ErrorKind::Ambiguous(why) if why.contains("other")), "{error}");
    assert_eq!(layout.manifest(Selector::Tag("stolen")).await.unwrap(), None);
}

#[tokio::test]
async fn children_listed_by_others_are_not_images_of_their_own() {
    let (_dir, layout) = fresh();
    let child = image(&layout, "child").await;
    let whole = {
        layout.push_manifest(&child, None).await.unwrap();
        index(&[&child])
    };
    let listed = json!({"schemaVersion": 2, "manifests": [child.descriptor, whole.descriptor]});
    let dir = by_hand(&listed, &[&child.bytes, &whole.bytes]);
    let other = Layout::open(dir.path()).unwrap();
    assert_eq!(other.manifest(Selector::Only).await.unwrap(), Some(whole));
}

#[tokio::test]
async fn referrers_are_found_by_subject() {
    let (_dir, layout) = fresh();
    let (a, b) = (image(&layout, "a").await, image(&layout, "b").await);
    layout.push_manifest(&a, Some("a")).await.unwrap();
    layout.push_manifest(&b, Some("b")).await.unwrap();
    let signed = signature(&layout, &a, "one").await;
    layout.attach(&signed).await.unwrap();
    layout.attach(&signed).await.unwrap();
    let found = layout.referrers(&a.descriptor.digest).await.unwrap();
    let [one] = found.descriptors.as_slice() else { panic!("{found:?}") };
    assert_eq!(one.digest, signed.descriptor.digest);
    assert_eq!(one.artifact_type.as_deref(), Some("application/test.signature"));
    assert_eq!(one.annotations.get("note").map(String::as_str), Some("one"));
    assert!(layout.referrers(&b.descriptor.digest).await.unwrap().descriptors.is_empty());
    // Only in an index under the fallback tag, as a copy from an old registry leaves it.
    let hidden = signature(&layout, &b, "two").await;
    layout.push_blob(&hidden.descriptor, &hidden.bytes).await.unwrap();
    let listing = index(&[&hidden]);
    layout.push_manifest(&listing, Some(&b.descriptor.digest.tag(""))).await.unwrap();
    let found = layout.referrers(&b.descriptor.digest).await.unwrap();
    assert_eq!(found.descriptors.len(), 1, "{found:?}");
    assert_eq!(layout.attach(&a).await.unwrap_err().class(), crate::Class::Broken);
}

#[tokio::test]
async fn referrers_are_complete_or_an_error() {
    let (dir, layout) = fresh();
    let a = image(&layout, "a").await;
    layout.push_manifest(&a, Some("a")).await.unwrap();
    let signed = signature(&layout, &a, "one").await;
    layout.attach(&signed).await.unwrap();
    let blob = dir.path().join("blobs/sha256").join(signed.descriptor.digest.hex());
    let mut bytes = fs::read(&blob).unwrap();
    bytes[20] ^= 1;
    fs::write(&blob, &bytes).unwrap();
    let error = layout.referrers(&a.descriptor.digest).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DigestMismatch { .. }), "{error}");
    fs::remove_file(&blob).unwrap();
    let error = layout.referrers(&a.descriptor.digest).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{error}");
}

#[tokio::test]
async fn referrers_are_bounded_at_limit_plus_one() {
    let subject = Descriptor::of(media_type::MANIFEST, b"subject");
    let layout_of = |n: usize| {
        let manifests: Vec<RawManifest> = (0..n)
            .map(|i| {
                let empty = Descriptor::of(media_type::EMPTY, b"{}");
                raw(&json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": empty,
                    "layers": [], "subject": subject, "annotations": {"n": i.to_string()}}))
            })
            .collect();
        let entries: Vec<&Descriptor> = manifests.iter().map(|m| &m.descriptor).collect();
        let bytes: Vec<&[u8]> = manifests.iter().map(|m| m.bytes.as_slice()).collect();
        by_hand(&json!({"schemaVersion": 2, "manifests": entries}), &bytes)
    };
    let dir = layout_of(limits::REFERRER_ENTRIES);
    let found = Layout::open(dir.path()).unwrap().referrers(&subject.digest).await.unwrap();
    assert_eq!(found.descriptors.len(), limits::REFERRER_ENTRIES);
    let dir = layout_of(limits::REFERRER_ENTRIES + 1);
    let error = Layout::open(dir.path()).unwrap().referrers(&subject.digest).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "REFERRER_ENTRIES", value: 512 });
}

#[test]
fn index_entries_are_bounded_at_limit_plus_one() {
    let listing = |n: usize| {
        let entries = vec![Descriptor::of(media_type::MANIFEST, b"x"); n];
        by_hand(&json!({"schemaVersion": 2, "manifests": entries}), &[])
    };
    assert!(Layout::open(listing(limits::INDEX_ENTRIES).path()).is_ok());
    let error = Layout::open(listing(limits::INDEX_ENTRIES + 1).path()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "INDEX_ENTRIES", value: 1_000 });
}

#[tokio::test]
async fn tags_may_be_whole_names() {
    let (_dir, layout) = fresh();
    let a = image(&layout, "a").await;
    let mut entry = a.descriptor.clone();
    entry.annotations.insert(annotation::REF_NAME.into(), "docker.io/library/app:1.0".into());
    let mut other = Descriptor::of(media_type::MANIFEST, b"other");
    other.annotations.insert(index::CONTAINERD_NAME.into(), "example.com:5000/app:2.0".into());
    let listed = json!({"schemaVersion": 2, "manifests": [entry, other, other]});
    let dir = by_hand(&listed, &[&a.bytes]);
    let named = Layout::open(dir.path()).unwrap();
    for tag in ["1.0", "docker.io/library/app:1.0"] {
        assert_eq!(named.manifest(Selector::Tag(tag)).await.unwrap(), Some(a.clone()), "{tag}");
    }
    assert_eq!(named.manifest(Selector::Tag("5000/app")).await.unwrap(), None);
    assert!(named.manifest(Selector::Tag("2.0")).await.unwrap_err().to_string().contains("does not hold it"));
    let mut twin = entry.clone();
    twin.digest = Digest::sha256(b"twin");
    let dir = by_hand(&json!({"schemaVersion": 2, "manifests": [entry, twin]}), &[&a.bytes]);
    let error = Layout::open(dir.path()).unwrap().manifest(Selector::Tag("1.0")).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Ambiguous(_)), "{error}");
}

#[test]
fn what_is_no_layout_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Layout::open(&dir.path().join("none")).unwrap_err().is_not_found());
    fs::write(dir.path().join("thesis.txt"), "mine").unwrap();
    for error in [Layout::open(dir.path()).unwrap_err(), Layout::create(dir.path()).unwrap_err()] {
        assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{error}");
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(Layout::create(&dir.path().join("thesis.txt")).is_err());
    for (marker, index) in [
        (r#"{"imageLayoutVersion":"1.1.0"}"#, r#"{"schemaVersion":2,"manifests":[]}"#),
        (
            r#"{"imageLayoutVersion":"1.0.0","imageLayoutVersion":"1.0.0"}"#,
            r#"{"schemaVersion":2,"manifests":[]}"#,
        ),
        (r#"{"imageLayoutVersion":"1.0.0"}"#, r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#),
        (r#"{"imageLayoutVersion":"1.0.0"}"#, r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#),
        (r#"{"imageLayoutVersion":"1.0.0"}"#, r#"{"schemaVersion":1,"manifests":[]}"#),
        (r#"{"imageLayoutVersion":"1.0.0"}"#, r#"{"schemaVersion":2}"#),
        (
            r#"{"imageLayoutVersion":"1.0.0"}"#,
            r#"{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:../../etc","size":1}]}"#,
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(MARKER), marker).unwrap();
        fs::write(dir.path().join(INDEX), index).unwrap();
        let error = Layout::open(dir.path()).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{marker} {index}: {error}");
    }
}

#[tokio::test]
async fn blobs_must_be_what_was_said() {
    let (dir, layout) = fresh();
    let good = put(&layout, "a/b", b"content").await;
    let path = dir.path().join("blobs/sha256").join(good.digest.hex());
    fs::write(&path, b"c0ntent").unwrap();
    assert!(matches!(
        layout.blob_bytes(&good, 100).await.unwrap_err().kind,
        ErrorKind::DigestMismatch { .. }
    ));
    fs::write(&path, b"content and more").unwrap();
    let error = layout.blob(&good).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::SizeMismatch { expected: 7, actual: 16 });
    fs::remove_file(&path).unwrap();
    assert!(layout.blob(&good).await.err().unwrap().is_not_found());
    fs::create_dir(&path).unwrap();
    assert!(matches!(layout.blob(&good).await.err().unwrap().kind, ErrorKind::Malformed(_)));
    fs::remove_dir(&path).unwrap();
    // Wrong content is not written, and leaves nothing behind.
    let error = layout.push_blob(&good, &b"c0ntent".to_vec()).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DigestMismatch { .. }), "{error}");
    assert_eq!(fs::read_dir(dir.path().join("blobs/sha256")).unwrap().count(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn blobs_may_be_links_to_files_and_nothing_else() {
    let (dir, layout) = fresh();
    let shared = tempfile::tempdir().unwrap();
    fs::write(shared.path().join("blob"), b"content").unwrap();
    let wanted = Descriptor::of("a/b", b"content");
    let path = dir.path().join("blobs/sha256").join(wanted.digest.hex());
    std::os::unix::fs::symlink(shared.path().join("blob"), &path).unwrap();
    assert_eq!(layout.blob_bytes(&wanted, 7).await.unwrap(), b"content");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert!(matches!(layout.blob(&wanted).await.err().unwrap().kind, ErrorKind::Malformed(_)));
}

#[tokio::test]
async fn a_manifest_waits_for_its_blobs() {
    let (_dir, layout) = fresh();
    let (other_dir, other) = fresh();
    let foreign = image(&other, "elsewhere").await;
    for result in [
        layout.push_manifest(&foreign, Some("x")).await,
        layout.push_manifest(&index(&[&foreign]), Some("x")).await,
        layout.attach(&signature(&other, &foreign, "s").await).await,
    ] {
        assert!(matches!(result.unwrap_err().kind, ErrorKind::Malformed(_)));
    }
    assert_eq!(layout.manifest(Selector::Tag("x")).await.unwrap(), None);
    drop(other_dir);
}

#[tokio::test]
async fn no_writer_undoes_another() {
    let (dir, layout) = fresh();
    let subject = image(&layout, "subject").await;
    layout.push_manifest(&subject, Some("s")).await.unwrap();
    let tasks: Vec<_> = (0..24)
        .map(|n: u32| {
            // Each opens the layout for itself, as processes do.
            let (layout, subject) = (Layout::create(dir.path()).unwrap(), subject.clone());
            tokio::spawn(async move {
                let text = format!("n{n}");
                let mine = image(&layout, &text).await;
                layout.push_manifest(&mine, Some(&text)).await.unwrap();
                layout.attach(&signature(&layout, &subject, &text).await).await.unwrap();
                let append = |now: Option<&RawManifest>| {
                    let mut all = now.map_or(Vec::new(), |raw| match raw.parse().unwrap() {
                        crate::Manifest::Index(index) => index.manifests,
                        crate::Manifest::Image(_) => panic!("an image under the tag"),
                    });
                    all.push(mine.descriptor.clone());
                    let body = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": all});
                    Ok(Some((media_type::INDEX.to_owned(), serde_json::to_vec(&body).unwrap())))
                };
                layout.edit_tag("all", &append).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(layout.referrers(&subject.descriptor.digest).await.unwrap().descriptors.len(), 24);
    let all = layout.manifest(Selector::Tag("all")).await.unwrap().unwrap();
    let crate::Manifest::Index(all) = all.parse().unwrap() else { panic!("no index") };
    assert_eq!(all.manifests.len(), 24);
    for n in 0..24 {
        assert!(layout.manifest(Selector::Tag(&format!("n{n}"))).await.unwrap().is_some());
    }
    let stray = fs::read_dir(dir.path().join("blobs/sha256")).unwrap();
    assert!(stray.flatten().all(|e| !e.file_name().to_string_lossy().contains("tmp")));
}

#[tokio::test]
async fn the_same_content_gives_the_same_index_whoever_came_first() {
    let write = async |order: [&str; 3]| {
        let (dir, layout) = fresh();
        for text in order {
            let one = image(&layout, text).await;
            layout.push_manifest(&one, Some(text)).await.unwrap();
        }
        fs::read_to_string(dir.path().join(INDEX)).unwrap()
    };
    assert_eq!(write(["a", "b", "c"]).await, write(["c", "a", "b"]).await);
}

#[tokio::test]
async fn what_others_wrote_into_the_index_stays() {
    let listed = json!({"schemaVersion": 2, "annotations": {"by": "others"}, "manifests": [
        {"mediaType": media_type::MANIFEST, "digest": Digest::sha256(b"x"), "size": 1, "data": "eA=="}]});
    let dir = by_hand(&listed, &[]);
    let layout = Layout::open(dir.path()).unwrap();
    let one = image(&layout, "one").await;
    layout.push_manifest(&one, Some("v1")).await.unwrap();
    let now: serde_json::Value = serde_json::from_slice(&fs::read(dir.path().join(INDEX)).unwrap()).unwrap();
    assert_eq!(now["annotations"]["by"], "others");
    assert!(now["manifests"].as_array().unwrap().iter().any(|e| e["data"] == "eA=="), "{now}");
}

proptest::proptest! {
    #[test]
    fn what_is_written_parses_and_stays_the_same(
        tags in proptest::collection::vec("[a-c]{1,2}", 0..12),
        nameless in proptest::collection::vec(0_u8..6, 0..6),
    ) {
        let on = Location::Layout("x".into());
        let mut file = IndexFile::empty();
        for (n, tag) in tags.iter().enumerate() {
            file.put(Descriptor::of(media_type::MANIFEST, &[n as u8]), Some(tag));
        }
        for n in &nameless {
            file.put(Descriptor::of(media_type::MANIFEST, &[*n]), None);
        }
        let bytes = file.to_bytes(&on).unwrap();
        let read = IndexFile::parse(&bytes, &on).unwrap();
        proptest::prop_assert_eq!(&read.to_bytes(&on).unwrap(), &bytes);
        // Each tag means what was put there last.
        for (n, tag) in tags.iter().enumerate() {
            if !tags[n + 1..].contains(tag) {
                let found = read.find(tag, &on).unwrap().unwrap();
                proptest::prop_assert_eq!(&found.descriptor.digest, &Digest::sha256(&[n as u8]));
            }
        }
    }

    #[test]
    fn damaged_index_files_end_in_an_answer(at in 0_usize..400, byte in proptest::prelude::any::<u8>()) {
        let on = Location::Layout("x".into());
        let mut file = IndexFile::empty();
        file.put(Descriptor::of(media_type::MANIFEST, b"x"), Some("v1"));
        let mut bytes = file.to_bytes(&on).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Err(error) = IndexFile::parse(&bytes, &on) {
            proptest::prop_assert_eq!(error.class(), crate::Class::Broken);
        }
    }
}

#[tokio::test]
async fn a_recording_may_lack_what_it_leaves_out_and_nothing_else() {
    let (whole, part) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let layout = Layout::create(whole.path()).unwrap();
    let made = image(&layout, "a").await;
    let Manifest::Image(parsed) = made.parse().unwrap() else { panic!("an index") };
    let layers: BTreeSet<Digest> = parsed.layers.iter().map(|l| l.digest.clone()).collect();
    let recording = Layout::create_without(part.path(), layers).unwrap();
    let error = recording.push_manifest(&made, None).await.unwrap_err();
    assert!(error.to_string().contains(&parsed.config.digest.to_string()), "{error}");
    let config = layout.blob_bytes(&parsed.config, 1 << 20).await.unwrap();
    recording.push_blob(&parsed.config, &config).await.unwrap();
    recording.push_manifest(&made, Some("a")).await.unwrap();
    let read = recording.manifest(Selector::Tag("a")).await.unwrap().unwrap();
    assert_eq!(read.descriptor.digest, made.descriptor.digest);
    // Whoever opens it without saying so is held to what a layout is.
    assert!(Layout::open(part.path()).unwrap().push_manifest(&made, None).await.is_err());
}
