//! The registry client against the lab: what works, what is refused, and that no two outcomes are mixed up.

mod access;
mod copy;
mod hostile;
mod outcomes;
mod peer;
mod race;
mod redirect;

use seaworthy_oci::registry::{Credentials, Options, Registry, Timeouts};
use seaworthy_oci::{
    BlobContent, Descriptor, Digest, ErrorKind, Manifest, RawManifest, Result, Selector, Sink, Source,
};
use seaworthy_tests::registry::Lab;
use std::time::Duration;

/// A client that waits for nobody: tests are about what it says, not about how long it is patient.
fn options() -> Options {
    let timeouts = Timeouts {
        idle: Duration::from_millis(300),
        request: Duration::from_millis(1500),
        ..Timeouts::default()
    };
    Options {
        credentials: Credentials::Anonymous,
        tries: 3,
        backoff: Duration::from_millis(1),
        timeouts,
        ..Options::default()
    }
}

fn client(lab: &Lab, repository: &str) -> Registry {
    client_with(lab, repository, &options())
}

fn client_with(lab: &Lab, repository: &str, options: &Options) -> Registry {
    Registry::new(&lab.repository(repository), options).unwrap()
}

/// A small blob and a client that asks for it.
fn blob(lab: &Lab, bytes: &[u8]) -> Descriptor {
    lab.put_blob("app", bytes);
    Descriptor::of("application/octet-stream", bytes)
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind
}

/// All of an image or index from one place to another, with what refers to it.
async fn copy_all(from: &dyn Source, to: &dyn Sink, raw: &RawManifest, tag: Option<&str>) {
    match raw.parse().unwrap() {
        Manifest::Image(image) => {
            for descriptor in std::iter::once(&image.config).chain(&image.layers) {
                let content = seaworthy_oci::source::BlobOf { source: from, descriptor };
                to.push_blob(descriptor, &content as &dyn BlobContent).await.unwrap();
            }
        }
        Manifest::Index(index) => {
            for child in &index.manifests {
                let child = from.manifest(Selector::Digest(&child.digest)).await.unwrap().unwrap();
                Box::pin(copy_all(from, to, &child, None)).await;
            }
        }
    }
    if raw.bytes.windows(9).any(|w| w == b"\"subject\"") {
        to.attach(raw).await.unwrap();
    } else {
        to.push_manifest(raw, tag).await.unwrap();
    }
    for referrer in from.referrers(&raw.descriptor.digest).await.unwrap().descriptors {
        let referrer = from.manifest(Selector::Digest(&referrer.digest)).await.unwrap().unwrap();
        Box::pin(copy_all(from, to, &referrer, None)).await;
    }
}

/// The digests of what refers to `subject`, sorted.
async fn referring(source: &dyn Source, subject: &Digest) -> Vec<Digest> {
    let found = source.referrers(subject).await.unwrap();
    let mut digests: Vec<Digest> = found.descriptors.into_iter().map(|d| d.digest).collect();
    digests.sort();
    digests
}
