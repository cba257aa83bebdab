//! An image with its referrers, from layout to registry and back, over every kind of registry.

use super::*;
use seaworthy_oci::layout::Layout;
use seaworthy_oci::{Pushed, ReferrersVia};
use seaworthy_tests::image::{self, TinyImage};
use seaworthy_tests::registry::{Auth, Fault, ReferrersApi};

async fn round_trip(lab: &Lab, options: &Options) -> ReferrersVia {
    let start = tempfile::tempdir().unwrap();
    let start = Layout::create(start.path()).unwrap();
    let raw = image::push_index(&start, &image::two_platforms("hello"), Some("v1")).await.unwrap();
    let Manifest::Index(index) = raw.parse().unwrap() else { panic!("no index") };
    let whole = image::attach(&start, &raw.descriptor, "application/test.signature", b"whole").await.unwrap();
    let child = &index.manifests[0];
    let part = image::attach(&start, child, "application/test.sbom", b"part").await.unwrap();

    let registry = client_with(lab, "team/app", options);
    copy_all(&start, &registry, &raw, Some("v1")).await;
    assert_eq!(registry.manifest(Selector::Tag("v1")).await.unwrap().unwrap().bytes, raw.bytes);
    let found = registry.referrers(&raw.descriptor.digest).await.unwrap();
    assert_eq!(found.descriptors[0].artifact_type.as_deref(), Some("application/test.signature"));

    let end = tempfile::tempdir().unwrap();
    let end = Layout::create(end.path()).unwrap();
    copy_all(&registry, &end, &raw, Some("v1")).await;
    assert_eq!(end.manifest(Selector::Only).await.unwrap().unwrap().bytes, raw.bytes);
    assert_eq!(referring(&end, &raw.descriptor.digest).await, [whole.descriptor.digest]);
    assert_eq!(referring(&end, &child.digest).await, [part.descriptor.digest]);
    found.via
}

#[tokio::test]
async fn through_a_registry_with_the_referrers_api() {
    assert_eq!(round_trip(&Lab::start(), &options()).await, ReferrersVia::Api);
}

#[tokio::test]
async fn through_a_registry_without_the_referrers_api() {
    let lab = Lab::builder().referrers(ReferrersApi::Absent).start();
    assert_eq!(round_trip(&lab, &options()).await, ReferrersVia::FallbackTag);
    assert!(lab.tags("team/app").iter().any(|tag| tag.starts_with("sha256-")), "{:?}", lab.tags("team/app"));
}

#[tokio::test]
async fn through_tls_with_a_private_authority() {
    let lab = Lab::builder().tls().start();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), lab.ca_pem().unwrap()).unwrap();
    let mut options = options();
    options.plain_http = seaworthy_oci::registry::PlainHttp::Never;
    let untrusted = client_with(&lab, "team/app", &options).manifest(Selector::Tag("v1")).await;
    assert!(matches!(kind(untrusted), ErrorKind::Unreachable(_)));
    options.ca_files = vec![ca.path().into()];
    assert_eq!(round_trip(&lab, &options).await, ReferrersVia::Api);
}

#[tokio::test]
async fn through_a_registry_with_tokens() {
    let lab = Lab::builder().auth(Auth::bearer("me", "secret")).start();
    let mut options = options();
    options.credentials = Credentials::Basic {
        username: "me".into(),
        password: seaworthy_oci::registry::Secret::new("secret"),
    };
    assert_eq!(round_trip(&lab, &options).await, ReferrersVia::Api);
}

#[tokio::test]
async fn nothing_is_sent_twice_and_much_is_mounted() {
    let lab = Lab::start();
    let one = client(&lab, "one");
    let raw = TinyImage::saying("hello").push(&one, Some("v1")).await.unwrap();
    lab.forget_requests();
    TinyImage::saying("hello").push(&one, Some("v1")).await.unwrap();
    assert_eq!(lab.requests_to("POST", "/blobs/uploads/").len(), 0);
    let Manifest::Image(image) = raw.parse().unwrap() else { panic!("no image") };
    let content = seaworthy_oci::source::BlobOf { source: &one, descriptor: &image.config };
    let two = client(&lab, "two");
    assert_eq!(two.push_blob(&image.config, &content).await.unwrap(), Pushed::Mounted);
    assert_eq!(two.push_blob(&image.config, &content).await.unwrap(), Pushed::Existed);
    assert!(lab.blob("two", &image.config.digest).is_some());
}

#[tokio::test]
async fn large_blobs_go_in_chunks() {
    let lab = Lab::builder().min_chunk(64).start();
    let mut options = options();
    options.chunk_bytes = 100;
    let bytes: Vec<u8> = (0..1000_u32).map(|n| n as u8).collect();
    let descriptor = Descriptor::of("a/b", &bytes);
    let registry = client_with(&lab, "app", &options);
    // The second chunk meets an answer that never comes: the rest must follow where it stopped.
    lab.fault(Fault::on("PATCH", "/uploads/").skip(1).times(1).status(503));
    assert_eq!(registry.push_blob(&descriptor, &bytes).await.unwrap(), Pushed::Uploaded);
    assert_eq!(lab.blob("app", &descriptor.digest), Some(bytes));
    assert!(lab.requests_to("PATCH", "/uploads/").len() >= 10);
    assert!(lab.requests().iter().all(|r| r.body.len() <= 100));
}

#[tokio::test]
async fn content_that_changed_under_us_never_becomes_a_blob() {
    let lab = Lab::start();
    let descriptor = Descriptor::of("a/b", b"what was promised");
    for chunk in [1 << 20, 4] {
        let mut options = options();
        options.chunk_bytes = chunk;
        let registry = client_with(&lab, "app", &options);
        let pushed = registry.push_blob(&descriptor, &b"something else!!!".to_vec()).await;
        assert!(matches!(kind(pushed), ErrorKind::DigestMismatch { .. }));
        assert_eq!(lab.blob("app", &descriptor.digest), None);
    }
}
