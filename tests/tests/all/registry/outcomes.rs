//! D06: each answer is its own outcome, and only 404 is "not there".

use super::*;
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::{Class, ReferrersVia};
use seaworthy_tests::image;
use seaworthy_tests::registry::{Delivery, Fault, ReferrersApi};

/// What the three ways to ask say when the registry answers everything with `fault`.
async fn everything_meets(fault: Fault) -> (Vec<ErrorKind>, usize) {
    everything_meets_with(fault, &options()).await
}

async fn everything_meets_with(fault: Fault, options: &Options) -> (Vec<ErrorKind>, usize) {
    let lab = Lab::start();
    let descriptor = blob(&lab, b"content");
    let raw = image::TinyImage::saying("x").push(&client(&lab, "app"), Some("v1")).await.unwrap();
    lab.forget_requests();
    lab.fault(fault);
    let registry = client_with(&lab, "app", options);
    let kinds = vec![
        kind(registry.manifest(Selector::Tag("v1")).await),
        kind(registry.manifest(Selector::Digest(&raw.descriptor.digest)).await),
        kind(registry.referrers(&raw.descriptor.digest).await),
        kind(registry.blob_bytes(&descriptor, 100).await),
    ];
    (kinds, lab.requests().len())
}

async fn all_say(fault: Fault, expected: ErrorKind) {
    let (kinds, _) = everything_meets(fault).await;
    assert!(kinds.iter().all(|k| *k == expected), "{kinds:?}");
}

#[tokio::test]
async fn d06_unauthorized() {
    all_say(Fault::on("", "/v2/").status(401), ErrorKind::Unauthorized).await;
}

#[tokio::test]
async fn d06_forbidden_is_not_retried() {
    let (kinds, requests) = everything_meets(Fault::on("", "/v2/").status(403)).await;
    assert!(kinds.iter().all(|k| *k == ErrorKind::Forbidden), "{kinds:?}");
    assert_eq!(requests, 4);
}

#[tokio::test]
async fn d06_throttled_after_all_tries() {
    let throttled = Fault::on("", "/v2/").status(429).header("Retry-After", "0");
    let (kinds, requests) = everything_meets(throttled).await;
    let expected = ErrorKind::Throttled { retry_after: Some(Duration::ZERO) };
    assert!(kinds.iter().all(|k| *k == expected), "{kinds:?}");
    assert_eq!(requests, 4 * 3);
    all_say(Fault::on("", "/v2/").status(429), ErrorKind::Throttled { retry_after: None }).await;
}

#[tokio::test]
async fn d06_a_wait_beyond_reason_is_not_waited_for() {
    let throttled = Fault::on("", "/v2/").status(429).header("Retry-After", "86400");
    let (kinds, requests) = everything_meets(throttled).await;
    let expected = ErrorKind::Throttled { retry_after: Some(Duration::from_secs(86_400)) };
    assert!(kinds.iter().all(|k| *k == expected), "{kinds:?}");
    assert_eq!(requests, 4);
}

#[tokio::test]
async fn d06_server_errors_after_all_tries() {
    for status in [500, 502, 503, 504] {
        let (kinds, requests) = everything_meets(Fault::on("", "/v2/").status(status)).await;
        assert!(kinds.iter().all(|k| *k == ErrorKind::Server { status }), "{kinds:?}");
        assert_eq!(requests, 4 * 3);
    }
}

#[tokio::test]
async fn d06_resets_and_silence() {
    let (kinds, _) = everything_meets(Fault::on("", "/v2/").deliver(Delivery::Reset)).await;
    assert!(kinds.iter().all(|k| matches!(k, ErrorKind::Unreachable(_))), "{kinds:?}");
    let mut hasty = options();
    hasty.tries = 2;
    hasty.timeouts.idle = Duration::from_millis(100);
    hasty.timeouts.request = Duration::from_millis(200);
    for delivery in [Delivery::Stall, Delivery::StallAfter(1)] {
        let (kinds, _) = everything_meets_with(Fault::on("", "/v2/").deliver(delivery), &hasty).await;
        assert!(kinds.iter().all(|k| matches!(k, ErrorKind::Timeout { .. })), "{delivery:?}: {kinds:?}");
    }
}

#[tokio::test]
async fn d06_nobody_listens() {
    let lab = Lab::start();
    let registry = client(&lab, "app");
    drop(lab);
    assert!(matches!(kind(registry.manifest(Selector::Tag("v1")).await), ErrorKind::Unreachable(_)));
}

#[tokio::test]
async fn d06_what_passes_is_waited_out() {
    for fault in [
        Fault::on("", "/v2/").status(429).header("Retry-After", "0").times(2),
        Fault::on("", "/v2/").status(503).times(2),
        Fault::on("", "/v2/").deliver(Delivery::Reset).times(2),
        Fault::on("", "/v2/").deliver(Delivery::Stall).times(1),
    ] {
        let lab = Lab::start();
        let raw = image::TinyImage::saying("x").push(&client(&lab, "app"), Some("v1")).await.unwrap();
        lab.fault(fault);
        let got = client(&lab, "app").manifest(Selector::Tag("v1")).await.unwrap();
        assert_eq!(got, Some(raw));
    }
}

#[tokio::test]
async fn d06_a_push_survives_what_passes() {
    for method in ["HEAD", "POST", "PUT"] {
        for fault in [
            Fault::on(method, "/v2/").status(503).times(2),
            Fault::on(method, "/v2/").status(429).header("Retry-After", "0").times(2),
            // The registry did it, and the answer was lost.
            Fault::on(method, "/v2/").deliver(Delivery::Reset).times(1),
        ] {
            let lab = Lab::start();
            lab.fault(fault);
            let registry = client(&lab, "app");
            let raw = image::TinyImage::saying("x").push(&registry, Some("v1")).await.unwrap();
            assert_eq!(lab.manifest("app", "v1"), Some(raw.bytes), "{method}");
        }
    }
}

#[tokio::test]
async fn d06_only_404_is_not_there() {
    let lab = Lab::start();
    let registry = client(&lab, "app");
    let digest = Digest::sha256(b"nothing");
    assert_eq!(registry.manifest(Selector::Tag("v1")).await.unwrap(), None);
    assert_eq!(registry.manifest(Selector::Digest(&digest)).await.unwrap(), None);
    assert!(registry.referrers(&digest).await.unwrap().descriptors.is_empty());
    let absent = Descriptor::of("a/b", b"absent");
    assert_eq!(registry.blob_bytes(&absent, 10).await.unwrap_err().class(), Class::NotFound);
    for status in [204, 400, 405, 410, 418] {
        lab.heal();
        lab.fault(
            Fault::on("", "/v2/").instead(move |_| Some(seaworthy_tests::registry::Reply::new(status))),
        );
        for kind in
            [kind(registry.manifest(Selector::Tag("v1")).await), kind(registry.referrers(&digest).await)]
        {
            assert_ne!(kind, ErrorKind::NotFound, "{status}");
        }
    }
}

#[tokio::test]
async fn d06_trouble_with_the_list_is_never_an_empty_list() {
    // Also where the trouble is behind the first answer: on the second page, on the fallback tag.
    for api in [ReferrersApi::Paged(1), ReferrersApi::Absent] {
        for status in [401, 403, 429, 500, 503] {
            let lab = Lab::builder().referrers(api).start();
            let registry = client(&lab, "app");
            let raw = image::TinyImage::saying("x").push(&registry, Some("v1")).await.unwrap();
            for text in ["one", "two"] {
                image::attach(&registry, &raw.descriptor, "a/b", text.as_bytes()).await.unwrap();
            }
            let digest = &raw.descriptor.digest;
            assert_eq!(registry.referrers(digest).await.unwrap().descriptors.len(), 2);
            lab.fault(Fault::on("GET", "page=1").status(status));
            lab.fault(Fault::on("GET", &format!("/manifests/{}", digest.tag(""))).status(status));
            let error = registry.referrers(digest).await.unwrap_err();
            assert_ne!(error.class(), Class::NotFound, "{status}: {error}");
        }
    }
    // A page that is gone is a list that is not whole.
    let lab = Lab::builder().referrers(ReferrersApi::Paged(1)).start();
    let registry = client(&lab, "app");
    let raw = image::TinyImage::saying("x").push(&registry, Some("v1")).await.unwrap();
    for text in ["one", "two"] {
        image::attach(&registry, &raw.descriptor, "a/b", text.as_bytes()).await.unwrap();
    }
    lab.fault(Fault::on("GET", "page=1").status(404));
    assert_eq!(registry.referrers(&raw.descriptor.digest).await.unwrap_err().class(), Class::Broken);
}

#[tokio::test]
async fn a_registry_that_learnt_the_api_later_still_shows_the_fallback_tag() {
    let lab = Lab::start();
    let registry = client(&lab, "app");
    let raw = image::TinyImage::saying("x").push(&registry, Some("v1")).await.unwrap();
    let entry = Descriptor::of(media_type::MANIFEST, b"{}");
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [entry]});
    let tag = raw.descriptor.digest.tag("");
    lab.put_manifest("app", Some(&tag), media_type::INDEX, index.to_string().as_bytes());
    let found = registry.referrers(&raw.descriptor.digest).await.unwrap();
    assert_eq!((found.descriptors.len(), found.via), (1, ReferrersVia::FallbackTag));
}

#[tokio::test]
async fn offline_opens_nothing() {
    let lab = Lab::start();
    let options = seaworthy_oci::OpenOptions { offline: true, registry: options() };
    for error in [
        seaworthy_oci::open(&lab.location("app"), &options).await.err().unwrap(),
        seaworthy_oci::open_sink(&lab.location("app"), &options).await.err().unwrap(),
    ] {
        assert_eq!(error.kind, ErrorKind::Offline);
    }
    assert!(lab.requests().is_empty());
}
