//! Manifests into a registry, and the tags that several writers share.
//!
//! A manifest counts as pushed when the registry named its digest or shows it under its digest; an
//! attached one when the registry said that it understood the `subject` (`OCI-Subject`), lists it, or the
//! fallback tag holds it.
//!
//! Registries have no compare-and-swap for tags. So [`edit_tag`] writes, waits, and reads back, until the edit is
//! there; the wait is longer than two rounds of read and write took, so that a writer who read before we wrote has
//! written by the time we look again.

use super::auth::Scope;
use super::http::{Answer, Call};
use super::upload::Somewhere::{No, Perhaps};
use super::{Registry, Session, accept, referrers, upload};
use crate::each::Each;
use crate::error::{Error, ErrorKind, Result};
use crate::http::jitter;
use crate::manifest::{Descriptor, Manifest, RawManifest, media_type};
use crate::source::{BlobContent, Pushed, Sink, TagEdit};
use crate::{Digest, limits, reference};
use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

#[async_trait]
impl Sink for Registry {
    async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool> {
        upload::exists(&self.session, descriptor).await
    }

    async fn push_blob(&self, descriptor: &Descriptor, content: &dyn BlobContent) -> Result<Pushed> {
        self.session.writing.once(descriptor, upload::push(&self.session, descriptor, content, Perhaps)).await
    }

    async fn push_new_blob(&self, descriptor: &Descriptor, content: &dyn BlobContent) -> Result<Pushed> {
        self.session.writing.once(descriptor, upload::push(&self.session, descriptor, content, No)).await
    }

    async fn push_manifest(&self, manifest: &RawManifest, tag: Option<&str>) -> Result<()> {
        put(&self.session, manifest, tag).await.map(drop)
    }

    async fn attach(&self, manifest: &RawManifest) -> Result<()> {
        attach(&self.session, std::slice::from_ref(manifest)).await
    }

    async fn attach_all(&self, manifests: &[RawManifest]) -> Result<()> {
        attach(&self.session, manifests).await
    }

    async fn edit_tag(&self, tag: &str, edit: TagEdit<'_>) -> Result<()> {
        edit_tag(&self.session, tag, edit).await
    }
}

/// What the writers of one session, which ends with the run, have to know of each other.
#[derive(Default)]
pub(super) struct Writing {
    /// The blobs that are there: the empty one of all signatures is pushed once, by whoever comes first.
    blobs: Each<Digest, OnceCell<()>>,
    /// One edit of a tag at a time: racing against ourselves would only cost rounds.
    tags: Each<String, tokio::sync::Mutex<()>>,
}

impl Writing {
    /// Runs `push`, unless this session pushed the blob before; waits for whoever is at it. A failure leaves it to the
    /// next.
    async fn once(&self, blob: &Descriptor, push: impl Future<Output = Result<Pushed>>) -> Result<Pushed> {
        let mut pushed = Pushed::Existed;
        let ours = &mut pushed;
        let push = || async move {
            *ours = push.await?;
            Ok::<_, Error>(())
        };
        self.blobs.of(&blob.digest).get_or_try_init(push).await?;
        Ok(pushed)
    }
}

async fn put(session: &Session, manifest: &RawManifest, tag: Option<&str>) -> Result<Answer> {
    let digest = &manifest.descriptor.digest;
    let on = tag.map_or_else(|| session.on(digest), |tag| format!("{}:{tag}", session.repository));
    let name = tag.map_or_else(|| digest.to_string(), str::to_owned);
    let mut call = Call::new(Method::PUT, session.url(&format!("manifests/{name}")), "push manifest", on);
    if let Some(tag) = tag {
        reference::check_tag(tag).map_err(|why| call.error(ErrorKind::InvalidReference(why)))?;
    }
    if manifest.bytes.len() as u64 > limits::MANIFEST_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "MANIFEST_BYTES", value: limits::MANIFEST_BYTES };
        return Err(call.error(kind));
    }
    if !digest.matches(&manifest.bytes) {
        let actual = Digest::of(digest.algorithm(), &manifest.bytes).to_string();
        return Err(call.error(ErrorKind::DigestMismatch { expected: digest.to_string(), actual }));
    }
    let kind = HeaderValue::from_str(&manifest.descriptor.media_type)
        .map_err(|_| call.error(ErrorKind::Malformed("its media type is no header".into())))?;
    call.headers.insert(CONTENT_TYPE, kind);
    call.body = Some(Bytes::from(manifest.bytes.clone()));
    let scope = Scope::push(session.repository.name());
    let answer = session.send(&call, &scope).await?;
    if !matches!(answer.status.as_u16(), 200..=202 | 204) {
        return Err(session.failure(&call, &answer));
    }
    let named = answer.header("docker-content-digest").and_then(|d| d.parse::<Digest>().ok());
    match named {
        Some(named) if named == *digest => Ok(answer),
        // A registry may name it by an algorithm of its own choice: that says nothing about ours.
        Some(named) if named.algorithm() == digest.algorithm() => {
            let (expected, actual) = (digest.to_string(), named.to_string());
            Err(call.error(ErrorKind::DigestMismatch { expected, actual }))
        }
        _ => {
            let mut head = call.clone();
            head.method = Method::HEAD;
            head.url = session.url(&format!("manifests/{digest}"));
            head.body = None;
            head.headers.remove(CONTENT_TYPE);
            head.headers.insert(ACCEPT, accept());
            let seen = session.send(&head, &scope).await?;
            if seen.status.as_u16() == 200 { Ok(answer) } else { Err(session.failure(&head, &seen)) }
        }
    }
}

/// Pushes manifests and makes them findable: those that the registry does not list go into the fallback tag of their
/// subject, all at once.
async fn attach(session: &Session, manifests: &[RawManifest]) -> Result<()> {
    let mut fallbacks: BTreeMap<Digest, Vec<Descriptor>> = BTreeMap::new();
    for manifest in manifests {
        let (subject, entry) = entry(session, manifest)?;
        if !listed(session, manifest, &subject).await? {
            fallbacks.entry(subject).or_default().push(entry);
        }
    }
    for (subject, entries) in fallbacks {
        edit_tag(session, &subject.tag(""), &|now| fallback(now, &entries)).await?;
    }
    Ok(())
}

fn cannot_attach(session: &Session, manifest: &RawManifest, kind: ErrorKind) -> Error {
    Error::new("attach", session.on(&manifest.descriptor.digest), kind)
}

/// The subject of `manifest`, and the entry for it in a list.
fn entry(session: &Session, manifest: &RawManifest) -> Result<(Digest, Descriptor)> {
    let mut entry = manifest.descriptor.bare();
    let subject = match manifest.parse()? {
        Manifest::Image(image) => {
            // The specification's order: its own artifact type, else that of its configuration.
            let of_config = Some(image.config.media_type).filter(|t| t != media_type::EMPTY);
            entry.artifact_type = image.artifact_type.or(of_config);
            entry.annotations = image.annotations;
            image.subject
        }
        Manifest::Index(index) => {
            entry.artifact_type = index.artifact_type;
            entry.annotations = index.annotations;
            index.subject
        }
    };
    let none = || cannot_attach(session, manifest, ErrorKind::Malformed("it has no subject".into()));
    Ok((subject.ok_or_else(none)?.digest, entry))
}

/// Pushes `manifest`, and whether the registry lists it by itself.
async fn listed(session: &Session, manifest: &RawManifest, subject: &Digest) -> Result<bool> {
    let fail = |kind| cannot_attach(session, manifest, kind);
    let answer = put(session, manifest, None).await?;
    if let Some(named) = answer.header("oci-subject") {
        if named.trim() == subject.to_string() {
            return Ok(true);
        }
        let why = "the registry attached it to another subject than it names".into();
        return Err(fail(ErrorKind::Malformed(why)));
    }
    // Listings may lag behind what was pushed.
    for tried in 1..=session.http.options.tries.max(1) {
        match referrers::by_api(session, subject).await? {
            None => return Ok(false),
            Some(list) if list.iter().any(|d| d.digest == manifest.descriptor.digest) => return Ok(true),
            Some(_) => tokio::time::sleep(session.http.backoff(tried)).await,
        }
    }
    let why = "the registry took it, but its Referrers API does not list it".into();
    Err(fail(ErrorKind::Unsupported(why)))
}

/// The index of a fallback tag with `entries` in it (distribution specification, "Referrers Tag Schema").
/// What others wrote stays byte for byte the same JSON values, known here or not.
fn fallback(now: Option<&RawManifest>, entries: &[Descriptor]) -> Result<Option<(String, Vec<u8>)>> {
    let Some(first) = entries.first() else { return Ok(None) };
    let fail = |kind| Error::new("add to fallback index", &first.digest, kind);
    let mut there = HashSet::new();
    let mut document = match now {
        None => json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": []}),
        Some(raw) => {
            let Manifest::Index(index) = raw.parse()? else {
                let why = "the fallback tag holds an image, not an index".into();
                return Err(fail(ErrorKind::Malformed(why)));
            };
            there.extend(index.manifests.into_iter().map(|d| d.digest));
            serde_json::from_slice(&raw.bytes).map_err(|e| fail(ErrorKind::Malformed(e.to_string())))?
        }
    };
    let missing: Vec<&Descriptor> = entries.iter().filter(|e| !there.contains(&e.digest)).collect();
    if missing.is_empty() {
        return Ok(None);
    }
    let wrong = |e: serde_json::Error| fail(ErrorKind::Malformed(e.to_string()));
    let kind = now.map_or(media_type::INDEX, |raw| raw.descriptor.media_type.as_str()).to_owned();
    let list = document.get_mut("manifests").and_then(Value::as_array_mut);
    let list = list.ok_or_else(|| fail(ErrorKind::Malformed("it has no manifests".into())))?;
    if list.len() + missing.len() > limits::REFERRER_ENTRIES {
        let value = limits::REFERRER_ENTRIES as u64;
        return Err(fail(ErrorKind::LimitExceeded { limit: "REFERRER_ENTRIES", value }));
    }
    for entry in missing {
        list.push(serde_json::to_value(entry).map_err(wrong)?);
    }
    Ok(Some((kind, serde_json::to_vec(&document).map_err(wrong)?)))
}

async fn edit_tag(session: &Session, tag: &str, edit: TagEdit<'_>) -> Result<()> {
    let turn = session.writing.tags.of(&tag.to_owned());
    let _alone = turn.lock().await;
    let mut writes = 0_u32;
    let mut stepped_back = true;
    // The longest that a read and a write took: others need about as long for theirs.
    let mut slowest = session.http.options.backoff;
    loop {
        let begin = Instant::now();
        let now = session.tagged(tag).await?;
        let wait = match edit(now.as_ref())? {
            // In place before we did anything, or still there after our wait.
            None => return Ok(()),
            Some(_) if writes >= limits::TAG_RACES => {
                let why = format!("others overwrote it {writes} times");
                let on = format!("{}:{tag}", session.repository);
                return Err(Error::new("change tag", on, ErrorKind::Unsupported(why))
                    .hint("let fewer writers change the same tag at once, and try again"));
            }
            // Somebody came between. What was read is old by the time we have stepped back: read again.
            Some(_) if !stepped_back => {
                stepped_back = true;
                collision_wait(slowest, writes)
            }
            Some((kind, bytes)) => {
                put(session, &RawManifest::new(bytes, Some(&kind), tag)?, Some(tag)).await?;
                (writes, stepped_back) = (writes + 1, false);
                slowest = slowest.max(begin.elapsed().min(limits::BACKOFF_MAX));
                // Two to three times as long as others need. One look after that is worth as much as several before.
                slowest + jitter(slowest.saturating_mul(2))
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Between nothing and `writes` times `slowest`.
fn collision_wait(slowest: Duration, writes: u32) -> Duration {
    let whole = slowest.saturating_mul(writes).min(limits::BACKOFF_MAX);
    // `jitter` gives the upper half; here the whole range is wanted.
    (jitter(whole).saturating_sub(whole / 2)).saturating_mul(2)
}
