//! The registry client against a server whose every answer is written down.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop there")]

mod reading;
mod server;
mod tls;
#[cfg(feature = "push")]
mod writing;

use seaworthy_oci::registry::{Credentials, Options, Registry, Secret, Timeouts};
use seaworthy_oci::{Digest, RawManifest, Repository, manifest::media_type};
use server::Server;
use std::time::Duration;

/// Quick to give up, and nobody.
fn options() -> Options {
    Options {
        credentials: Credentials::Anonymous,
        tries: 3,
        backoff: Duration::from_millis(5),
        timeouts: Timeouts {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(10),
            request: Duration::from_secs(10),
            helper: Duration::from_secs(10),
        },
        ..Options::default()
    }
}

fn impatient() -> Options {
    let short = Duration::from_millis(200);
    Options {
        timeouts: Timeouts { connect: Duration::from_secs(10), idle: short, request: short, helper: short },
        ..options()
    }
}

fn me() -> Credentials {
    Credentials::Basic { username: "me".into(), password: Secret::new("hunter2") }
}

fn client(server: &Server, options: &Options) -> Registry {
    Registry::new(&Repository::new(&server.host(), "a/b").unwrap(), options).unwrap()
}

/// An artifact about `subject`, told apart by `note`.
fn artifact(subject: &Digest, note: &str) -> RawManifest {
    let empty = Digest::sha256(b"{}");
    let body = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","artifactType":"application/x-note","config":{{"mediaType":"{}","digest":"{empty}","size":2}},"layers":[],"subject":{{"mediaType":"{}","digest":"{subject}","size":7}},"annotations":{{"note":"{note}"}}}}"#,
        media_type::MANIFEST,
        media_type::EMPTY,
        media_type::MANIFEST,
    );
    RawManifest::new(body.into_bytes(), None, "test").unwrap()
}
