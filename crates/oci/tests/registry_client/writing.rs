//! Writing: what is sent, what is not, and what happens when it breaks in the middle.

use super::server::{Reply, Request, Server, reply};
use super::{artifact, client, me, options};
use seaworthy_oci::registry::login::{self, Checked};
use seaworthy_oci::registry::{Options, Registry, Secret};
use seaworthy_oci::source::{BlobContent, BlobReader, ReferrersVia};
use seaworthy_oci::{
    Descriptor, Digest, Error, ErrorKind, Location, Manifest, Pushed, RawManifest, Repository, Selector,
    Sink, Source, limits, manifest::media_type,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a small registry remembers.
#[derive(Default)]
struct State {
    blobs: BTreeMap<String, Vec<u8>>,
    manifests: BTreeMap<String, (String, Vec<u8>)>,
    uploads: BTreeMap<String, Vec<u8>>,
}

type Shared = Arc<Mutex<State>>;

/// A registry of one repository, as the specification has it, without the Referrers API.
fn registry(state: &Mutex<State>, request: &Request) -> Reply {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut parts = path.trim_start_matches("/v2/a/b/").splitn(2, '/');
    let (kind, name) = (parts.next().unwrap(), parts.next().unwrap_or_default());
    let digest_of =
        |query: &str| query.split('&').find_map(|p| p.strip_prefix("digest=")).map(|d| d.replace("%3A", ":"));
    let mut state = state.lock().unwrap();
    match (request.method.as_str(), kind) {
        ("POST", "blobs") => {
            let id = format!("u{}", state.uploads.len());
            state.uploads.insert(id.clone(), Vec::new());
            reply(202, &[("Location", &format!("/v2/a/b/blobs/uploads/{id}?state=0"))], "")
        }
        (method, "blobs") if name.starts_with("uploads/") => {
            let id = name.trim_start_matches("uploads/").to_owned();
            let Some(upload) = state.uploads.get_mut(&id) else { return reply(404, &[], "") };
            if let Some(range) = request.header("content-range") {
                let first: usize = range.split('-').next().unwrap().parse().unwrap();
                if first != upload.len() {
                    return reply(416, &[], "");
                }
            }
            upload.extend_from_slice(&request.body);
            let range = format!("0-{}", upload.len().saturating_sub(1));
            let location = format!("/v2/a/b/blobs/uploads/{id}?state={}", upload.len());
            match method {
                "PUT" => {
                    let digest = digest_of(query).unwrap();
                    let bytes = upload.clone();
                    if Digest::sha256(&bytes).to_string() != digest {
                        return reply(400, &[], r#"{"errors":[{"code":"DIGEST_INVALID"}]}"#);
                    }
                    state.blobs.insert(digest, bytes);
                    reply(201, &[], "")
                }
                "GET" => reply(204, &[("Range", &range), ("Location", &location)], ""),
                _ => reply(202, &[("Range", &range), ("Location", &location)], ""),
            }
        }
        ("HEAD", "blobs") => match state.blobs.get(name) {
            Some(bytes) => reply(200, &[], bytes.clone()),
            None => reply(404, &[], ""),
        },
        ("PUT", "manifests") => {
            let digest = Digest::sha256(&request.body).to_string();
            let manifest = (request.header("content-type").unwrap().to_owned(), request.body.clone());
            state.manifests.insert(name.to_owned(), manifest.clone());
            state.manifests.insert(digest.clone(), manifest);
            reply(201, &[("Docker-Content-Digest", &digest)], "")
        }
        (_, "manifests") => match state.manifests.get(name) {
            Some((kind, bytes)) => reply(200, &[("Content-Type", kind)], bytes.clone()),
            None => reply(404, &[], ""),
        },
        _ => reply(404, &[], ""),
    }
}

/// [`registry`], except where `fault` has another answer.
fn lab(fault: impl Fn(&Request) -> Option<Reply> + Send + Sync + 'static) -> (Server, Shared) {
    let state = Shared::default();
    let inner = state.clone();
    let server = Server::start(move |request| fault(request).unwrap_or_else(|| registry(&inner, request)));
    (server, state)
}

fn blob(n: usize) -> (Descriptor, Vec<u8>) {
    let bytes: Vec<u8> = (0..n).map(|i| (i % 251) as u8).collect();
    (Descriptor::of("application/octet-stream", &bytes), bytes)
}

fn small_chunks() -> Options {
    Options { chunk_bytes: 1_000, ..options() }
}

/// Lines without the query, which holds the registry's state.
fn lines(server: &Server) -> Vec<String> {
    server.lines().iter().map(|l| l.split('?').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_small_blob_goes_in_one_piece_and_once() {
    let (server, state) = lab(|_| None);
    let (descriptor, bytes) = blob(1_000);
    let registry = client(&server, &small_chunks());
    assert_eq!(registry.push_blob(&descriptor, &bytes).await.unwrap(), Pushed::Uploaded);
    assert_eq!(state.lock().unwrap().blobs[&descriptor.digest.to_string()], bytes);
    // It is known; somebody else asks.
    assert_eq!(registry.push_blob(&descriptor, &bytes).await.unwrap(), Pushed::Existed);
    let other = client(&server, &small_chunks());
    assert_eq!(other.push_blob(&descriptor, &bytes).await.unwrap(), Pushed::Existed);
    let head = format!("HEAD /v2/a/b/blobs/{}", descriptor.digest);
    assert_eq!(lines(&server), [&head, "POST /v2/a/b/blobs/uploads/", "PUT /v2/a/b/blobs/uploads/u0", &head]);
    // The registry's own query survives.
    assert!(server.lines()[2].contains("?state=0&digest=sha256"));
    let (empty, nothing) = blob(0);
    assert_eq!(registry.push_blob(&empty, &nothing).await.unwrap(), Pushed::Uploaded);
}

fn ranges(server: &Server) -> Vec<String> {
    let patches = server.requests().into_iter().filter(|r| r.method == "PATCH");
    patches.map(|r| r.header("content-range").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_large_blob_goes_in_chunks() {
    for (size, expected) in [
        (1_001, vec!["0-999", "1000-1000"]),
        (2_000, vec!["0-999", "1000-1999"]),
        (2_500, vec!["0-999", "1000-1999", "2000-2499"]),
    ] {
        let (server, state) = lab(|_| None);
        let (descriptor, bytes) = blob(size);
        let pushed = client(&server, &small_chunks()).push_blob(&descriptor, &bytes).await.unwrap();
        assert_eq!(pushed, Pushed::Uploaded);
        assert_eq!(state.lock().unwrap().blobs[&descriptor.digest.to_string()], bytes);
        assert_eq!(ranges(&server), expected);
    }
}

#[tokio::test]
async fn the_smallest_chunk_of_the_registry_is_honoured_within_reason() {
    for (minimum, expected) in [("1500", vec!["0-1499", "1500-2499"]), ("99999999999", vec![])] {
        let (server, state) = lab(move |request| {
            let start = request.method == "POST";
            start.then(|| {
                let location = "/v2/a/b/blobs/uploads/u0";
                reply(202, &[("Location", location), ("OCI-Chunk-Min-Length", minimum)], "")
            })
        });
        state.lock().unwrap().uploads.insert("u0".into(), Vec::new());
        let (descriptor, bytes) = blob(2_500);
        client(&server, &small_chunks()).push_blob(&descriptor, &bytes).await.unwrap();
        assert_eq!(state.lock().unwrap().blobs[&descriptor.digest.to_string()], bytes);
        assert_eq!(ranges(&server), expected);
    }
}

#[tokio::test]
async fn a_chunk_that_breaks_goes_on_where_the_registry_stopped() {
    let broken = AtomicUsize::new(0);
    let state = Shared::default();
    let inner = state.clone();
    let server = Server::start(move |request| {
        let second = request.header("content-range").is_some_and(|r| r.starts_with("1000-"));
        if second && broken.fetch_add(1, Ordering::SeqCst) == 0 {
            // Half of it arrives, and no answer.
            inner.lock().unwrap().uploads.get_mut("u0").unwrap().extend(&request.body[..400]);
            return Reply::Drop;
        }
        registry(&inner, request)
    });
    let (descriptor, bytes) = blob(2_500);
    client(&server, &small_chunks()).push_blob(&descriptor, &bytes).await.unwrap();
    assert_eq!(state.lock().unwrap().blobs[&descriptor.digest.to_string()], bytes);
    assert_eq!(ranges(&server), ["0-999", "1000-1999", "1400-1999", "2000-2499"]);
}

#[tokio::test]
async fn an_upload_that_has_nothing_yet_goes_on_from_the_first_byte() {
    let broken = AtomicUsize::new(0);
    let (server, state) = lab(move |request| {
        let first = request.method == "PATCH" && broken.fetch_add(1, Ordering::SeqCst) == 0;
        first.then_some(Reply::Drop)
    });
    let (descriptor, bytes) = blob(1_500);
    client(&server, &small_chunks()).push_blob(&descriptor, &bytes).await.unwrap();
    assert_eq!(state.lock().unwrap().blobs[&descriptor.digest.to_string()], bytes);
    assert_eq!(ranges(&server), ["0-999", "0-999", "1000-1499"]);
    assert_eq!(lines(&server).iter().filter(|l| l.starts_with("POST")).count(), 1);
}

#[tokio::test]
async fn an_upload_that_is_lost_starts_anew_from_the_first_byte() {
    let broken = AtomicUsize::new(0);
    let (server, state) = lab(move |request| {
        let second = request.header("content-range").is_some_and(|r| r.starts_with("1000-"));
        let status = request.method == "GET";
        (status || second && broken.fetch_add(1, Ordering::SeqCst) == 0).then(|| reply(500, &[], ""))
    });
    let (descriptor, bytes) = blob(2_500);
    client(&server, &small_chunks()).push_blob(&descriptor, &bytes).await.unwrap();
    assert_eq!(state.lock().unwrap().blobs[&descriptor.digest.to_string()], bytes);
    assert_eq!(ranges(&server), ["0-999", "1000-1999", "0-999", "1000-1999", "2000-2499"]);
    assert_eq!(lines(&server).iter().filter(|l| l.starts_with("POST")).count(), 2);

    // And it ends.
    let (server, _) = lab(|request| (request.method == "PATCH").then(|| reply(500, &[], "")));
    let error = client(&server, &small_chunks()).push_blob(&descriptor, &bytes).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Server { status: 500 });
}

#[tokio::test]
async fn a_registry_that_takes_crumbs_does_not_hold_us() {
    let (server, _) = lab(|request| {
        let from = request.header("content-range")?.split('-').next()?.parse::<u64>().ok()?;
        let range = format!("0-{from}");
        Some(reply(202, &[("Range", &range), ("Location", "/v2/a/b/blobs/uploads/u0")], ""))
    });
    let (descriptor, bytes) = blob(2_500);
    let error = client(&server, &small_chunks()).push_blob(&descriptor, &bytes).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{error}");
    assert!(ranges(&server).len() <= 9, "{:?}", ranges(&server));
}

#[tokio::test]
async fn without_chunks_the_blob_is_streamed_with_its_length() {
    let (server, state) = lab(|request| (request.method == "PATCH").then(|| reply(405, &[], "")));
    let (descriptor, bytes) = blob(1 << 20);
    client(&server, &small_chunks()).push_blob(&descriptor, &bytes).await.unwrap();
    assert_eq!(state.lock().unwrap().blobs[&descriptor.digest.to_string()], bytes);
    let put = server.requests().pop().unwrap();
    assert_eq!(put.header("content-length"), Some("1048576"));
    assert_eq!(put.header("transfer-encoding"), None);
}

/// Content that is not what its descriptor says.
struct Other(Vec<u8>);

#[async_trait::async_trait]
impl BlobContent for Other {
    async fn open(&self) -> Result<BlobReader, Error> {
        Ok(Box::new(std::io::Cursor::new(self.0.clone())))
    }
}

#[tokio::test]
async fn content_that_changed_never_becomes_a_blob() {
    for fault in [0, 405] {
        for size in [500, 2_000, 2_500] {
            let (server, state) =
                lab(move |request| (request.method == "PATCH" && fault > 0).then(|| reply(fault, &[], "")));
            let (descriptor, mut bytes) = blob(size);
            bytes[400] ^= 1;
            let error = client(&server, &small_chunks())
                .push_blob(&descriptor, &Other(bytes.clone()))
                .await
                .unwrap_err();
            assert!(matches!(error.kind, ErrorKind::DigestMismatch { .. }), "{error}");
            bytes.push(0);
            let error =
                client(&server, &small_chunks()).push_blob(&descriptor, &Other(bytes)).await.unwrap_err();
            assert!(matches!(error.kind, ErrorKind::SizeMismatch { .. }), "{error}");
            assert!(state.lock().unwrap().blobs.is_empty());
        }
    }
}

struct Elsewhere(Vec<u8>, Location);

#[async_trait::async_trait]
impl BlobContent for Elsewhere {
    async fn open(&self) -> Result<BlobReader, Error> {
        self.0.open().await
    }
    fn mountable_from(&self) -> Option<&Location> {
        Some(&self.1)
    }
}

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted_if_the_registry_likes() {
    let (descriptor, bytes) = blob(100);
    let from = |server: &Server, name: &str| {
        let location = Location::Registry(Repository::new(&server.host(), name).unwrap());
        Elsewhere(bytes.clone(), location)
    };
    for (status, pushed, requests) in
        [(201, Pushed::Mounted, 2), (202, Pushed::Uploaded, 3), (403, Pushed::Uploaded, 4)]
    {
        let (server, state) = lab(move |request| {
            let location = [("Location", "/v2/a/b/blobs/uploads/m")];
            request.target.contains("mount=").then(|| reply(status, &location, ""))
        });
        state.lock().unwrap().uploads.insert("m".into(), Vec::new());
        let content = from(&server, "base/image");
        assert_eq!(client(&server, &options()).push_blob(&descriptor, &content).await.unwrap(), pushed);
        let lines = server.lines();
        assert_eq!(lines.len(), requests, "{lines:?}");
        assert!(lines[1].contains("mount=sha256%3A") && lines[1].ends_with("from=base%2Fimage"), "{lines:?}");
    }
    // Not from itself, and not from another registry.
    let (server, _) = lab(|_| None);
    let other = Location::Registry(Repository::new("r.example", "x/y").unwrap());
    for content in [from(&server, "a/b"), Elsewhere(bytes.clone(), other)] {
        client(&server, &options()).push_blob(&descriptor, &content).await.unwrap();
    }
    assert!(!server.lines().iter().any(|l| l.contains("mount=")));
}

#[tokio::test]
async fn an_upload_elsewhere_gets_the_blob_and_no_credentials() {
    let (descriptor, bytes) = blob(100);
    let storage = Server::start(|_| reply(201, &[], ""));
    let elsewhere = storage.url("/upload?key=1");
    let (server, _) = lab(move |request| match request.header("authorization") {
        None => Some(reply(401, &[("WWW-Authenticate", "Basic realm=x")], "")),
        Some(_) if request.method == "POST" => Some(reply(202, &[("Location", &elsewhere)], "")),
        Some(_) => None,
    });
    let authorised = Options { credentials: me(), ..options() };
    client(&server, &authorised).push_blob(&descriptor, &bytes).await.unwrap();
    let put = &storage.requests()[0];
    assert_eq!((put.header("authorization"), &put.body), (None, &bytes));
}

#[tokio::test]
async fn an_upload_without_location_or_to_something_weaker_is_refused() {
    let (descriptor, bytes) = blob(100);
    for headers in [&[][..], &[("Location", "http://192.0.2.1/x")], &[("Location", "ftp://127.0.0.1/")]] {
        let headers: Vec<(&'static str, &'static str)> = headers.to_vec();
        let (server, _) = lab(move |request| (request.method == "POST").then(|| reply(202, &headers, "")));
        let error = client(&server, &options()).push_blob(&descriptor, &bytes).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{error}");
    }
}

#[tokio::test]
async fn refusals_to_push_keep_their_kind() {
    let (descriptor, bytes) = blob(100);
    for method in ["HEAD", "POST", "PUT"] {
        for (status, kind) in [
            (401, ErrorKind::Unauthorized),
            (403, ErrorKind::Forbidden),
            (429, ErrorKind::Throttled { retry_after: None }),
            (503, ErrorKind::Server { status: 503 }),
        ] {
            let (server, _) = lab(move |request| (request.method == method).then(|| reply(status, &[], "")));
            let error = client(&server, &options()).push_blob(&descriptor, &bytes).await.unwrap_err();
            assert_eq!(error.kind, kind, "{method}");
        }
    }
}

fn subject() -> Digest {
    Digest::sha256(b"subject")
}

#[tokio::test]
async fn a_manifest_counts_when_the_registry_names_or_shows_it() {
    let manifest = artifact(&subject(), "x");
    let (server, state) = lab(|_| None);
    let registry = client(&server, &options());
    registry.push_manifest(&manifest, Some("v1")).await.unwrap();
    registry.push_manifest(&manifest, None).await.unwrap();
    assert_eq!(
        server.lines(),
        [
            "PUT /v2/a/b/manifests/v1".to_owned(),
            format!("PUT /v2/a/b/manifests/{}", manifest.descriptor.digest)
        ]
    );
    assert_eq!(state.lock().unwrap().manifests["v1"].1, manifest.bytes);

    let named = |digest: &'static str| {
        lab(move |request| {
            (request.method == "PUT").then(|| reply(201, &[("Docker-Content-Digest", digest)], ""))
        })
    };
    let other = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let (server, _) = named(other);
    let error = client(&server, &options()).push_manifest(&manifest, Some("v1")).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DigestMismatch { .. }));
    let (server, state) = named("");
    let error = client(&server, &options()).push_manifest(&manifest, Some("v1")).await.unwrap_err();
    assert!(error.is_not_found());
    let shown = (media_type::MANIFEST.to_owned(), manifest.bytes.clone());
    state.lock().unwrap().manifests.insert(manifest.descriptor.digest.to_string(), shown);
    client(&server, &options()).push_manifest(&manifest, Some("v1")).await.unwrap();

    let mut wrong = manifest.clone();
    wrong.bytes.push(b' ');
    let error = client(&server, &options()).push_manifest(&wrong, None).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DigestMismatch { .. }));
}

#[tokio::test]
async fn attaching_where_the_registry_understands_subjects() {
    let manifest = artifact(&subject(), "x");
    let (server, _) = lab(|request| {
        let digest = Digest::sha256(&request.body).to_string();
        let subject = subject().to_string();
        let named = [("Docker-Content-Digest", digest.as_str()), ("OCI-Subject", subject.as_str())];
        (request.method == "PUT").then(|| reply(201, &named, ""))
    });
    client(&server, &options()).attach(&manifest).await.unwrap();
    assert_eq!(server.lines().len(), 1);

    // Without the header, its listing counts; and one that never lists it is an error.
    for (late, good) in [(2, true), (99, false)] {
        let count = AtomicUsize::new(0);
        let entry = serde_json::to_string(&manifest.descriptor).unwrap();
        let (server, state) = lab(move |request| {
            request.target.contains("/referrers/").then(|| {
                let listed = count.fetch_add(1, Ordering::SeqCst) >= late;
                let body = format!(r#"{{"manifests":[{}]}}"#, if listed { entry.as_str() } else { "" });
                reply(200, &[("Content-Type", media_type::INDEX)], body)
            })
        });
        assert_eq!(client(&server, &options()).attach(&manifest).await.is_ok(), good);
        assert!(!state.lock().unwrap().manifests.contains_key(&subject().tag("")));
    }
    // A refused listing is not a missing API.
    let (server, state) = lab(|request| request.target.contains("/referrers/").then(|| reply(403, &[], "")));
    let error = client(&server, &options()).attach(&manifest).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Forbidden);
    assert!(!state.lock().unwrap().manifests.contains_key(&subject().tag("")));
}

async fn attached(server: &Server) -> Vec<Descriptor> {
    let referrers = client(server, &options()).referrers(&subject()).await.unwrap();
    assert_eq!(referrers.via, ReferrersVia::FallbackTag);
    referrers.descriptors
}

#[tokio::test]
async fn attaching_by_fallback_tag_keeps_what_is_there() {
    let (server, state) = lab(|_| None);
    let tag = subject().tag("");
    let registry = client(&server, &options());
    for note in ["1", "2", "1"] {
        registry.attach(&artifact(&subject(), note)).await.unwrap();
    }
    let entries = attached(&server).await;
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0].artifact_type.as_deref(), Some("application/x-note"));
    assert_eq!(entries[1].annotations["note"], "2");

    // Fields that are unknown here stay.
    let other = format!(
        r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{{"mediaType":"a/b","digest":"{}","size":1,"data":"e30="}}],"x":1}}"#,
        media_type::INDEX,
        subject()
    );
    state.lock().unwrap().manifests.insert(tag.clone(), (media_type::INDEX.into(), other.into_bytes()));
    registry.attach(&artifact(&subject(), "3")).await.unwrap();
    let text = String::from_utf8(state.lock().unwrap().manifests[&tag].1.clone()).unwrap();
    assert!(text.contains(r#""data":"e30=""#) && text.contains(r#""x":1"#), "{text}");
    assert_eq!(attached(&server).await.len(), 2);

    // A tag that holds something else is not overwritten.
    let image = artifact(&subject(), "not an index");
    let squatter = (media_type::MANIFEST.to_owned(), image.bytes.clone());
    state.lock().unwrap().manifests.insert(tag.clone(), squatter);
    let error = registry.attach(&artifact(&subject(), "4")).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{error}");
    assert_eq!(state.lock().unwrap().manifests[&tag].1, image.bytes);

    let loose = RawManifest::new(
        format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, media_type::INDEX).into(),
        None,
        "test",
    )
    .unwrap();
    assert!(matches!(registry.attach(&loose).await.unwrap_err().kind, ErrorKind::Malformed(_)));
}

#[tokio::test]
async fn concurrent_writers_of_a_fallback_tag_lose_nothing() {
    const WRITERS: usize = 8;
    let state = Shared::default();
    let inner = state.clone();
    // What is read is old when it arrives, and what is written arrives late.
    let server = Server::start(move |request| {
        let nap =
            || std::thread::sleep(Duration::from_millis(u64::from(request.target.len() as u32 % 7) * 4 + 10));
        if request.method == "PUT" {
            nap();
            return registry(&inner, request);
        }
        let answer = registry(&inner, request);
        nap();
        answer
    });
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            // A client each, as processes on several machines would have.
            let registry: Registry = client(&server, &options());
            tokio::spawn(async move { registry.attach(&artifact(&subject(), &n.to_string())).await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let mut notes: Vec<String> =
        attached(&server).await.into_iter().map(|mut d| d.annotations.remove("note").unwrap()).collect();
    notes.sort();
    assert_eq!(notes, (0..WRITERS).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_writer_who_comes_late_overwrites_nothing_for_good() {
    let tag = subject().tag("");
    let state = Shared::default();
    let (inner, reads) = (state.clone(), AtomicUsize::new(0));
    let server = Server::start(move |request| {
        // Between our writing and our looking again, somebody who had read before us writes.
        if request.line() == format!("GET /v2/a/b/manifests/{tag}")
            && reads.fetch_add(1, Ordering::SeqCst) == 1
        {
            let entry = serde_json::to_string(&artifact(&subject(), "late").descriptor).unwrap();
            let late =
                format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{entry}]}}"#, media_type::INDEX);
            let late = (media_type::INDEX.to_owned(), late.into_bytes());
            inner.lock().unwrap().manifests.insert(tag.clone(), late);
        }
        registry(&inner, request)
    });
    let ours = artifact(&subject(), "ours");
    client(&server, &options()).attach(&ours).await.unwrap();
    let entries = attached(&server).await;
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[1].digest, ours.descriptor.digest);
}

#[tokio::test]
async fn several_attachments_change_the_list_of_a_subject_once() {
    let (server, _) = lab(|_| None);
    let registry = client(&server, &options());
    let other = Digest::sha256(b"another subject");
    let about_other = artifact(&other, "4");
    let all = [artifact(&subject(), "1"), artifact(&subject(), "2"), about_other, artifact(&subject(), "1")];
    registry.attach_all(&all).await.unwrap();
    let entries = attached(&server).await;
    let notes: Vec<&str> = entries.iter().map(|d| d.annotations["note"].as_str()).collect();
    assert_eq!(notes, ["1", "2"]);
    let lines = server.lines();
    let count = |start: &str| lines.iter().filter(|l| l.starts_with(start)).count();
    assert_eq!(count("PUT /v2/a/b/manifests/sha256:"), 4);
    assert_eq!(count("PUT /v2/a/b/manifests/sha256-"), 2);
    // That there is no Referrers API is asked once by each client: this one, and that of `attached`.
    assert_eq!(count("GET /v2/a/b/referrers/"), 2);
}

#[tokio::test]
async fn a_missing_subject_is_not_a_missing_api() {
    let missing = Digest::sha256(b"nobody has it");
    let entry = serde_json::to_string(&artifact(&subject(), "x").descriptor).unwrap();
    let (first, list) = (format!("/referrers/{missing}"), format!(r#"{{"manifests":[{entry}]}}"#));
    let (server, _) = lab(move |request| match request.target.contains("/referrers/") {
        true if request.target.ends_with(&first) => {
            Some(reply(404, &[], r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#))
        }
        true => Some(reply(200, &[("Content-Type", media_type::INDEX)], list.clone())),
        false => None,
    });
    let registry = client(&server, &options());
    assert!(registry.referrers(&missing).await.unwrap().descriptors.is_empty());
    assert_eq!(registry.referrers(&subject()).await.unwrap().descriptors.len(), 1);
}

#[tokio::test]
async fn what_is_new_is_sent_unasked_and_once() {
    let (server, _) = lab(|_| None);
    let registry = client(&server, &options());
    let (bytes, again) = (b"made just now".to_vec(), b"made just now".to_vec());
    let descriptor = Descriptor::of("a/b", &bytes);
    let (one, two) =
        tokio::join!(registry.push_new_blob(&descriptor, &bytes), registry.push_blob(&descriptor, &again));
    assert_eq!((one.unwrap(), two.unwrap()), (Pushed::Uploaded, Pushed::Existed));
    let methods: Vec<String> = server.requests().into_iter().map(|r| r.method).collect();
    assert_eq!(methods, ["POST", "PUT"]);
}

#[tokio::test]
async fn an_edit_that_never_stays_is_an_error() {
    let (server, state) = lab(|request| {
        let digest = Digest::sha256(&request.body).to_string();
        (request.method == "PUT").then(|| reply(201, &[("Docker-Content-Digest", &digest)], ""))
    });
    let quick = Options { backoff: Duration::from_millis(1), ..options() };
    let edit = |now: Option<&RawManifest>| {
        assert!(now.is_none());
        let empty = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[]}}"#, media_type::INDEX);
        Ok(Some((media_type::INDEX.to_owned(), empty.into_bytes())))
    };
    let error = client(&server, &quick).edit_tag("t", &edit).await.unwrap_err();
    assert!(error.kind.to_string().contains("overwrote"), "{error}");
    let writes = server.lines().iter().filter(|l| l.starts_with("PUT")).count();
    assert_eq!(writes, limits::TAG_RACES as usize);
    assert!(state.lock().unwrap().manifests.is_empty());
    // Nothing to do writes nothing.
    client(&server, &quick).edit_tag("t", &|_| Ok(None)).await.unwrap();
    assert_eq!(server.lines().iter().filter(|l| l.starts_with("PUT")).count(), writes);
}

#[tokio::test]
async fn what_was_pushed_reads_back() {
    let (server, _) = lab(|_| None);
    let registry = client(&server, &options());
    let manifest = artifact(&subject(), "x");
    registry.push_manifest(&manifest, Some("v1")).await.unwrap();
    let back = registry.manifest(Selector::Tag("v1")).await.unwrap().unwrap();
    assert_eq!(back, manifest);
    assert!(matches!(back.parse().unwrap(), Manifest::Image(_)));
}

#[tokio::test]
async fn login_asks_before_it_believes() {
    let basic = Server::start(|request| match request.header("authorization") {
        // me:hunter2
        Some("Basic bWU6aHVudGVyMg==") => reply(200, &[], "{}"),
        _ => reply(401, &[("WWW-Authenticate", "Basic realm=x")], ""),
    });
    let bearer = Server::start(|request| {
        let realm = format!(r#"Bearer realm="http://{}/token",service=x"#, request.header("host").unwrap());
        match (request.target.as_str(), request.header("authorization")) {
            ("/v2/", Some("Bearer t")) => reply(200, &[], "{}"),
            ("/v2/", _) => reply(401, &[("WWW-Authenticate", &realm)], ""),
            (_, Some("Basic bWU6aHVudGVyMg==")) => reply(200, &[], r#"{"token":"t"}"#),
            _ => reply(401, &[], ""),
        }
    });
    for server in [&basic, &bearer] {
        let good = login::check(&server.host(), "me", &Secret::new("hunter2"), &options()).await;
        assert_eq!(good.unwrap(), Checked::Accepted);
        let bad = login::check(&server.host(), "me", &Secret::new("guess"), &options()).await.unwrap_err();
        assert_eq!(bad.kind, ErrorKind::Unauthorized);
    }
    let open = Server::start(|_| reply(200, &[], "{}"));
    let checked = login::check(&open.host(), "me", &Secret::new("x"), &options()).await.unwrap();
    assert_eq!(checked, Checked::NotAsked);
    assert!(open.requests().iter().all(|r| r.header("authorization").is_none()));

    // A token for anybody, from a service that may not see the password, proves nothing.
    let service = Server::start(|_| reply(200, &[], r#"{"token":"t"}"#));
    let realm = format!(r#"Bearer realm="{}""#, service.url("/token"));
    let lax = Server::start(move |request| match request.header("authorization") {
        Some("Bearer t") => reply(200, &[], "{}"),
        _ => reply(401, &[("WWW-Authenticate", &realm)], ""),
    });
    let error = login::check(&lax.host(), "me", &Secret::new("x"), &options()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert!(login::check("no host", "me", &Secret::new("x"), &options()).await.is_err());
}
