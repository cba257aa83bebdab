//! Several writers on one fallback tag: nobody's entry is lost.

use super::*;
use seaworthy_oci::manifest::media_type;
use seaworthy_tests::image::{self, TinyImage};
use seaworthy_tests::registry::{Fault, ReferrersApi};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Six writers; the lab takes each write of the tag only after `pauses` milliseconds, in turn. Registries
/// have no compare-and-swap, so what is promised is: nothing is lost while a read and a write take less than
/// the waits that the backoff sets.
async fn six_writers(pauses: &'static [u64]) {
    let lab = Arc::new(Lab::builder().referrers(ReferrersApi::Absent).start());
    let turn = AtomicUsize::new(0);
    lab.fault(Fault::on("PUT", "/manifests/sha256-").instead(move |_| {
        let n = turn.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(pauses[n % pauses.len()]));
        None
    }));
    let raw = TinyImage::saying("x").push(&client(&lab, "app"), Some("v1")).await.unwrap();
    let writers: Vec<_> = (0..6)
        .map(|n| {
            let (lab, subject) = (Arc::clone(&lab), raw.descriptor.clone());
            // A client each, as processes have: what they share in memory must not be what saves them.
            tokio::spawn(async move {
                let mut options = options();
                options.backoff = Duration::from_millis(150);
                let registry = client_with(&lab, "app", &options);
                let text = format!("writer {n}");
                image::attach(&registry, &subject, "a/b", text.as_bytes()).await.unwrap().descriptor.digest
            })
        })
        .collect();
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.await.unwrap());
    }
    written.sort();
    assert_eq!(referring(&client(&lab, "app"), &raw.descriptor.digest).await, written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_lose_nothing() {
    six_writers(&[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_lose_nothing_when_writes_are_slow() {
    six_writers(&[30, 0, 10, 45, 5]).await;
}

#[tokio::test]
async fn an_overwritten_entry_is_written_again() {
    let lab = Arc::new(Lab::builder().referrers(ReferrersApi::Absent).start());
    let registry = client(&lab, "app");
    let raw = TinyImage::saying("x").push(&registry, Some("v1")).await.unwrap();
    let tag = raw.descriptor.digest.tag("");
    let theirs = image::artifact(&raw.descriptor, "a/b", b"theirs").0;
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": media_type::INDEX,
        "manifests": [theirs.descriptor]})
    .to_string();
    lab.put_manifest("app", None, media_type::MANIFEST, &theirs.bytes);
    // Right after our write, somebody who read the tag before it writes theirs.
    let done = AtomicBool::new(false);
    lab.fault(Fault::on("GET", &format!("/manifests/{tag}")).skip(1).instead({
        let (lab, tag) = (Arc::downgrade(&lab), tag.clone());
        move |_| {
            if !done.swap(true, Ordering::SeqCst)
                && let Some(lab) = lab.upgrade()
            {
                lab.put_manifest("app", Some(&tag), media_type::INDEX, index.as_bytes());
            }
            None
        }
    }));
    let ours = image::attach(&registry, &raw.descriptor, "a/b", b"ours").await.unwrap();
    let mut both = [ours.descriptor.digest, theirs.descriptor.digest];
    both.sort();
    assert_eq!(referring(&registry, &raw.descriptor.digest).await, both);
}

#[tokio::test]
async fn a_registry_that_forgets_what_was_written_is_an_error() {
    let lab = Arc::new(Lab::builder().referrers(ReferrersApi::Absent).start());
    let registry = client(&lab, "app");
    let raw = TinyImage::saying("x").push(&registry, Some("v1")).await.unwrap();
    let tag = raw.descriptor.digest.tag("");
    lab.fault(Fault::on("GET", &format!("/manifests/{tag}")).status(404));
    let error = image::attach(&registry, &raw.descriptor, "a/b", b"x").await.unwrap_err();
    assert_ne!(error.class(), seaworthy_oci::Class::NotFound, "{error}");
}

#[tokio::test]
async fn the_same_attachment_twice_is_there_once() {
    for api in [ReferrersApi::Absent, ReferrersApi::Paged(10)] {
        let lab = Lab::builder().referrers(api).start();
        let registry = client(&lab, "app");
        let raw = TinyImage::saying("x").push(&registry, Some("v1")).await.unwrap();
        for _ in 0..2 {
            image::attach(&registry, &raw.descriptor, "a/b", b"x").await.unwrap();
        }
        assert_eq!(referring(&registry, &raw.descriptor.digest).await.len(), 1);
    }
}
