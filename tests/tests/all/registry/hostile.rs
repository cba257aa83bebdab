//! A02, A03, A05, D01, D02: a registry that lies about content, and one that never stops.

use super::*;
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::{CheckedReader, limits, resolve};
use seaworthy_tests::image::{self, TinyImage};
use seaworthy_tests::registry::{Delivery, Fault, Reply, endless_pages, many_referrers};

#[tokio::test]
async fn a02_the_second_answer_is_another_manifest() {
    let lab = Lab::start();
    let registry = client(&lab, "app");
    let a = TinyImage::saying("a").push(&registry, Some("v1")).await.unwrap();
    let b = TinyImage::saying("b").push(&registry, None).await.unwrap();
    lab.fault(Fault::on("GET", "/manifests/").skip(1).body(b.bytes.clone()));
    let reference = lab.reference("app:v1").parse().unwrap();
    let (pinned, raw) = resolve(&registry, &reference).await.unwrap();
    assert_eq!((pinned.digest(), &raw), (&a.descriptor.digest, &a));
    // What the pin says is what is fetched, or nothing is.
    let error = kind(registry.manifest(Selector::Digest(pinned.digest())).await);
    assert!(matches!(error, ErrorKind::DigestMismatch { .. }), "{error:?}");
}

#[tokio::test]
async fn a02_the_digest_header_is_not_believed() {
    let lab = Lab::start();
    let registry = client(&lab, "app");
    let a = TinyImage::saying("a").push(&registry, Some("v1")).await.unwrap();
    let b = TinyImage::saying("b").push(&registry, None).await.unwrap();
    let lie = b.descriptor.digest.to_string();
    lab.fault(Fault::on("", "/manifests/").header("Docker-Content-Digest", &lie));
    let (pinned, _) = resolve(&registry, &lab.reference("app:v1").parse().unwrap()).await.unwrap();
    assert_eq!(pinned.digest(), &a.descriptor.digest);
}

#[tokio::test]
async fn a03_content_that_is_not_what_was_asked_for() {
    let lab = Lab::start();
    let registry = client(&lab, "app");
    let raw = TinyImage::saying("a").push(&registry, Some("v1")).await.unwrap();
    let descriptor = blob(&lab, b"some content");
    lab.fault(Fault::on("GET", "@").corrupt());
    lab.fault(Fault::on("GET", "sha256:").corrupt());
    let manifest = kind(registry.manifest(Selector::Digest(&raw.descriptor.digest)).await);
    assert!(matches!(manifest, ErrorKind::DigestMismatch { .. }), "{manifest:?}");
    let content = kind(registry.blob_bytes(&descriptor, 100).await);
    assert!(matches!(content, ErrorKind::DigestMismatch { .. }), "{content:?}");
}

#[tokio::test]
async fn a05_a_manifest_that_can_be_read_two_ways() {
    let lab = Lab::start();
    let registry = client(&lab, "app");
    let raw = TinyImage::saying("a").push(&registry, Some("good")).await.unwrap();
    let text = String::from_utf8(raw.bytes.clone()).unwrap();
    let bodies = [
        ("both", text.replacen('{', r#"{"manifests":[],"#, 1)),
        ("untyped", text.replace(&format!(r#""mediaType":"{}""#, media_type::MANIFEST), r#""x":"y""#)),
        ("twice", text.replacen('{', r#"{"schemaVersion":2,"#, 1)),
        ("trailing", format!("{text} {{}}")),
    ];
    for (tag, body) in &bodies {
        lab.put_manifest("app", Some(tag), media_type::MANIFEST, body.as_bytes());
        let parsed = match registry.manifest(Selector::Tag(tag)).await {
            Ok(raw) => raw.unwrap().parse().map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(matches!(kind(parsed), ErrorKind::Malformed(_)), "{tag}");
    }
    // The header says something else than the body: over a tag and over a digest.
    lab.put_manifest("app", Some("header"), media_type::INDEX, &raw.bytes);
    let digest = &raw.descriptor.digest;
    for selector in [Selector::Tag("header"), Selector::Digest(digest)] {
        let error = kind(registry.manifest(selector).await);
        assert!(matches!(&error, ErrorKind::Malformed(why) if why.contains("ambiguous")), "{error:?}");
    }
}

#[tokio::test]
async fn d01_endless_pages() {
    let lab = Lab::start();
    lab.fault(endless_pages());
    let error = kind(client(&lab, "app").referrers(&Digest::sha256(b"x")).await);
    let value = limits::REFERRER_PAGES as u64;
    assert_eq!(error, ErrorKind::LimitExceeded { limit: "REFERRER_PAGES", value });
    assert_eq!(lab.requests_to("GET", "/referrers/").len(), limits::REFERRER_PAGES);
}

#[tokio::test]
async fn d01_a_page_that_links_to_itself() {
    let lab = Lab::start();
    lab.fault(
        many_referrers(1)
            .rewrite(|request, reply| reply.with("Link", format!("<{}>; rel=\"next\"", request.target))),
    );
    let error = kind(client(&lab, "app").referrers(&Digest::sha256(b"x")).await);
    assert!(matches!(error, ErrorKind::LimitExceeded { .. } | ErrorKind::Malformed(_)), "{error:?}");
}

#[tokio::test]
async fn d01_a_hundred_thousand_referrers() {
    let lab = Lab::start();
    lab.fault(many_referrers(100_000));
    let error = kind(client(&lab, "app").referrers(&Digest::sha256(b"x")).await);
    assert!(matches!(error, ErrorKind::LimitExceeded { .. }), "{error:?}");
    lab.heal();
    for (n, good) in [(limits::REFERRER_ENTRIES, true), (limits::REFERRER_ENTRIES + 1, false)] {
        lab.fault(many_referrers(n).times(1));
        let found = client(&lab, "app").referrers(&Digest::sha256(b"x")).await;
        assert_eq!(found.is_ok(), good, "{n}: {found:?}");
    }
}

#[tokio::test]
async fn d01_a_fallback_index_of_a_hundred_thousand() {
    let lab = Lab::start();
    let subject = Digest::sha256(b"x");
    lab.fault(Fault::on("GET", "/referrers/").status(404));
    for n in [limits::REFERRER_ENTRIES + 1, 10_000] {
        let entries: Vec<_> =
            (0..n).map(|i| Descriptor::of(media_type::MANIFEST, i.to_string().as_bytes())).collect();
        let index =
            serde_json::json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": entries});
        lab.put_manifest("app", Some(&subject.tag("")), media_type::INDEX, index.to_string().as_bytes());
        let error = kind(client(&lab, "app").referrers(&subject).await);
        assert!(matches!(error, ErrorKind::LimitExceeded { .. }), "{n}: {error:?}");
    }
}

#[tokio::test]
async fn d01_ten_thousand_layers() {
    let lab = Lab::start();
    let layer = Descriptor::of(media_type::LAYER_TAR, b"x");
    for (n, good) in [(limits::IMAGE_LAYERS, true), (limits::IMAGE_LAYERS + 1, false), (10_000, false)] {
        let image = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST,
            "config": layer, "layers": vec![&layer; n]});
        lab.put_manifest("app", Some("v1"), media_type::MANIFEST, image.to_string().as_bytes());
        let raw = client(&lab, "app").manifest(Selector::Tag("v1")).await;
        assert_eq!(raw.and_then(|raw| raw.unwrap().parse()).is_ok(), good, "{n}");
    }
}

#[tokio::test]
async fn d02_a_body_without_end() {
    let lab = Lab::start();
    let descriptor = blob(&lab, b"0123456789");
    lab.fault(Fault::on("GET", "/v2/").deliver(Delivery::Endless));
    let registry = client(&lab, "app");
    let manifest = Fault::on("GET", "/manifests/").instead(|_| Some(Reply::new(200)));
    let error = kind(registry.blob_bytes(&descriptor, 100).await);
    assert!(matches!(error, ErrorKind::SizeMismatch { .. }), "{error:?}");
    // A 404 is an answer whatever follows it.
    assert_eq!(registry.manifest(Selector::Tag("v1")).await.unwrap(), None);
    lab.heal();
    lab.fault(manifest.deliver(Delivery::Endless));
    let error = kind(registry.manifest(Selector::Tag("v1")).await);
    let value = limits::MANIFEST_BYTES;
    assert_eq!(error, ErrorKind::LimitExceeded { limit: "MANIFEST_BYTES", value });
    lab.heal();
    let page = Reply::new(200).with("Content-Type", media_type::INDEX).delivered(Delivery::Endless);
    lab.fault(Fault::on("GET", "/referrers/").instead(move |_| Some(page.clone())));
    let error = kind(registry.referrers(&descriptor.digest).await);
    let value = limits::REFERRER_BYTES;
    assert_eq!(error, ErrorKind::LimitExceeded { limit: "REFERRER_BYTES", value });
}

#[tokio::test]
async fn d02_lengths_that_lie() {
    let lab = Lab::start();
    let descriptor = blob(&lab, b"0123456789");
    for fault in [
        Fault::on("GET", "/blobs/").longer(1),
        Fault::on("GET", "/blobs/").longer(10_000_000),
        Fault::on("GET", "/blobs/").deliver(Delivery::Announce(9)),
        Fault::on("GET", "/blobs/").deliver(Delivery::Announce(1 << 62)),
    ] {
        lab.heal();
        lab.fault(fault);
        let error = kind(client(&lab, "app").blob_bytes(&descriptor, 100).await);
        assert!(matches!(error, ErrorKind::SizeMismatch { .. }), "{error:?}");
    }
    // Cut every time, so that three tries are not enough: "could not be had".
    lab.heal();
    lab.fault(Fault::on("GET", "/blobs/").deliver(Delivery::Truncate(2)));
    let error = client(&lab, "app").blob_bytes(&descriptor, 100).await.unwrap_err();
    assert_ne!(error.class(), seaworthy_oci::Class::NotFound, "{error}");
}

#[tokio::test]
async fn d02_a_connection_that_breaks_is_taken_up_where_it_broke() {
    let lab = Lab::start();
    let content: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    let descriptor = blob(&lab, &content);
    for delivery in [Delivery::Truncate(70_001), Delivery::ResetAfter(70_001), Delivery::StallAfter(70_001)] {
        lab.forget_requests();
        lab.fault(Fault::on("GET", "/blobs/").deliver(delivery).times(1));
        let got = client(&lab, "app").blob_bytes(&descriptor, 1 << 20).await.unwrap();
        assert!(got == content, "{delivery:?}");
    }
}

#[tokio::test]
async fn d02_descriptor_sizes_beyond_reason() {
    let lab = Lab::start();
    let registry = client(&lab, "app");
    let mut huge = blob(&lab, b"0123456789");
    huge.size = (1 << 63) - 1;
    assert!(matches!(kind(registry.blob(&huge).await.map(|_| ())), ErrorKind::LimitExceeded { .. }));
    assert!(lab.requests().is_empty());
    for size in ["-1", "1e3", "9223372036854775808", "1.5", "\"1\""] {
        let body = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"a/b","digest":"{}","size":{size}}},"layers":[]}}"#,
            media_type::MANIFEST,
            huge.digest
        );
        lab.put_manifest("app", Some("v1"), media_type::MANIFEST, body.as_bytes());
        let raw = registry.manifest(Selector::Tag("v1")).await.unwrap().unwrap();
        // 2^63 parses as a number and is refused where it is used.
        match raw.parse() {
            Ok(Manifest::Image(image)) => assert!(registry.blob(&image.config).await.is_err(), "{size}"),
            other => assert!(matches!(kind(other), ErrorKind::Malformed(_)), "{size}"),
        }
    }
}

#[tokio::test]
async fn d02_one_byte_at_a_time() {
    let lab = Lab::start();
    let descriptor = blob(&lab, &[7; 4096]);
    let raw = TinyImage::saying("a").push(&client(&lab, "app"), Some("v1")).await.unwrap();
    image::attach(&client(&lab, "app"), &raw.descriptor, "a/b", b"x").await.unwrap();
    // Never silent for long, and never done.
    lab.fault(Fault::on("GET", "/v2/").deliver(Delivery::Drip(Duration::from_millis(25))));
    let mut options = options();
    options.tries = 1;
    options.timeouts.request = Duration::from_millis(400);
    let registry = client_with(&lab, "app", &options);
    for kind in [
        kind(registry.manifest(Selector::Tag("v1")).await),
        kind(registry.referrers(&raw.descriptor.digest).await),
        kind(registry.blob_bytes(&descriptor, 1 << 20).await),
    ] {
        assert!(matches!(kind, ErrorKind::Timeout { .. }), "{kind:?}");
    }
}

#[test]
fn d02_the_checked_reader_stops_at_one_byte_too_many() {
    use std::io::Read;
    let wanted = Digest::sha256(b"12345");
    let mut reader = CheckedReader::new(std::io::repeat(b'1'), wanted, 5, "x".to_owned());
    let mut sink = Vec::new();
    assert!(reader.read_to_end(&mut sink).is_err());
    assert!(sink.len() <= 5);
}
