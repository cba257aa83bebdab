//! Reading: each outcome its own, everything bounded, credentials where they belong.

use super::server::{Reply, Request, Server, reply};
use super::{artifact, client, impatient, me, options};
use base64::Engine as _;
use seaworthy_oci::registry::{Credentials, Options, Registry, Secret};
use seaworthy_oci::source::{ReferrersVia, from_io};
use seaworthy_oci::{
    Descriptor, Digest, Error, ErrorKind, RawManifest, Repository, Selector, Source, limits,
    manifest::media_type,
};
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

async fn by_tag(server: &Server, options: &Options) -> Result<Option<RawManifest>, Error> {
    client(server, options).manifest(Selector::Tag("v1")).await
}

async fn kind_of(server: &Server, options: &Options) -> ErrorKind {
    by_tag(server, options).await.unwrap_err().kind
}

fn manifest() -> RawManifest {
    artifact(&Digest::sha256(b"subject"), "x")
}

fn serve_manifest() -> Reply {
    reply(200, &[("Content-Type", media_type::MANIFEST)], manifest().bytes)
}

#[tokio::test]
async fn each_status_is_an_outcome_of_its_own() {
    let status = |status: u16| Server::start(move |_| reply(status, &[], ""));
    for (code, kind, requests) in [
        (401, ErrorKind::Unauthorized, 1),
        (403, ErrorKind::Forbidden, 1),
        (418, ErrorKind::UnexpectedStatus { status: 418 }, 1),
        (429, ErrorKind::Throttled { retry_after: None }, 3),
        (500, ErrorKind::Server { status: 500 }, 3),
        (503, ErrorKind::Server { status: 503 }, 3),
    ] {
        let server = status(code);
        assert_eq!(kind_of(&server, &options()).await, kind);
        assert_eq!(server.lines(), vec!["GET /v2/a/b/manifests/v1"; requests], "{code}");
    }
    let server = status(404);
    assert_eq!(by_tag(&server, &options()).await.unwrap(), None);
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_dropped_connection_a_stall_and_a_closed_port_differ() {
    let server = Server::start(|_| Reply::Drop);
    assert!(matches!(kind_of(&server, &options()).await, ErrorKind::Unreachable(_)));
    assert_eq!(server.lines().len(), 3);

    let server = Server::start(|_| Reply::Stall);
    assert!(matches!(kind_of(&server, &impatient()).await, ErrorKind::Timeout { .. }));
    assert_eq!(server.lines().len(), 3);

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = Repository::new(&format!("127.0.0.1:{port}"), "a/b").unwrap();
    let error = Registry::new(&nobody, &options()).unwrap().manifest(Selector::Tag("v1")).await.unwrap_err();
    let ErrorKind::Unreachable(why) = &error.kind else { panic!("{error}") };
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    for first in [429, 500, 502, 503, 504] {
        let count = AtomicUsize::new(0);
        let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
            0 => reply(first, &[("Retry-After", "0")], ""),
            1 => Reply::Drop,
            _ => serve_manifest(),
        });
        assert_eq!(by_tag(&server, &options()).await.unwrap().unwrap(), manifest());
    }
}

#[tokio::test]
async fn a_long_retry_after_is_said_and_not_waited_for() {
    let server = Server::start(|_| reply(429, &[("Retry-After", "61")], ""));
    let expected = ErrorKind::Throttled { retry_after: Some(Duration::from_secs(61)) };
    assert_eq!(kind_of(&server, &options()).await, expected);
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn the_registrys_words_are_in_the_hint() {
    let body = r#"{"errors":[{"code":"DENIED","message":"not\nyours"}]}"#;
    let server = Server::start(move |_| reply(403, &[], body));
    let error = by_tag(&server, &options()).await.unwrap_err();
    assert!(error.hint.unwrap().contains(r"says: DENIED: not\nyours; "));
    // A body beyond the cap loses its words, not its status.
    let long = format!(r#"{{"errors":[{{"code":"{}"}}]}}"#, "X".repeat(limits::TOKEN_BYTES as usize));
    let server = Server::start(move |_| reply(403, &[], long.clone()));
    assert_eq!(kind_of(&server, &options()).await, ErrorKind::Forbidden);
}

#[tokio::test]
async fn manifests_are_capped_and_hashed() {
    let limit = limits::MANIFEST_BYTES as usize;
    let padded = move |n: usize| {
        let mut bytes = manifest().bytes;
        bytes.resize(n, b' ');
        bytes
    };
    let kind = [("Content-Type", media_type::MANIFEST)];
    let server = Server::start(move |_| reply(200, &kind, padded(limit)));
    assert!(by_tag(&server, &options()).await.unwrap().is_some());
    let server = Server::start(move |_| reply(200, &kind, padded(limit + 1)));
    let expected = ErrorKind::LimitExceeded { limit: "MANIFEST_BYTES", value: limits::MANIFEST_BYTES };
    assert_eq!(kind_of(&server, &options()).await, expected);

    // The header vouches for other bytes than came.
    let wanted = Digest::sha256(b"wanted");
    let vouched = wanted.to_string();
    let server = Server::start(move |_| {
        let headers = [("Content-Type", media_type::MANIFEST), ("Docker-Content-Digest", &*vouched)];
        reply(200, &headers, manifest().bytes)
    });
    let error = client(&server, &options()).manifest(Selector::Digest(&wanted)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::DigestMismatch { .. }), "{error}");
    assert!(server.lines()[0].ends_with(&format!("/manifests/{wanted}")));
    let raw = client(&server, &options()).manifest(Selector::Tag("v1")).await.unwrap().unwrap();
    assert_eq!(raw.descriptor.digest, manifest().descriptor.digest);
}

#[tokio::test]
async fn a_body_shorter_than_announced_is_no_manifest() {
    let server = Server::start(|_| {
        let headers = [("Content-Type", media_type::MANIFEST), ("Content-Length", "100000")];
        reply(200, &headers, manifest().bytes)
    });
    assert!(matches!(kind_of(&server, &options()).await, ErrorKind::Unreachable(_)));
}

#[tokio::test]
async fn names_that_are_no_tags_never_become_paths() {
    let server = Server::start(|_| serve_manifest());
    for tag in ["../../x", "a/b", "a?b", "", "-a"] {
        let error = client(&server, &options()).manifest(Selector::Tag(tag)).await.unwrap_err();
        assert!(matches!(error.kind, ErrorKind::InvalidReference(_)), "{tag}");
    }
    let error = client(&server, &options()).manifest(Selector::Only).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Ambiguous(_)));
    assert!(server.lines().is_empty());
}

async fn read_blob(registry: &Registry, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
    let mut reader = registry.blob(descriptor).await?;
    tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).map(|_| bytes).map_err(|e| from_io(e, "read blob", "test"))
    })
    .await
    .unwrap()
}

fn blob(n: usize) -> (Descriptor, Vec<u8>) {
    let bytes: Vec<u8> = (0..n).map(|i| (i % 251) as u8).collect();
    (Descriptor::of("application/octet-stream", &bytes), bytes)
}

#[tokio::test]
async fn blobs_stream_on_one_thread() {
    let (descriptor, bytes) = blob(3 << 20);
    let served = bytes.clone();
    let server = Server::start(move |_| reply(200, &[], served.clone()));
    let registry = client(&server, &options());
    assert_eq!(read_blob(&registry, &descriptor).await.unwrap(), bytes);
    assert_eq!(server.lines(), [format!("GET /v2/a/b/blobs/{}", descriptor.digest)]);
    let (none, _) = blob(0);
    let server = Server::start(move |_| reply(200, &[], ""));
    assert_eq!(read_blob(&client(&server, &options()), &none).await.unwrap(), b"");
}

#[tokio::test]
async fn a_blob_that_lies_about_itself_is_refused() {
    let (descriptor, bytes) = blob(100_000);
    let outcome = async |headers: &'static [(&'static str, &'static str)], body: Vec<u8>| {
        let server = Server::start(move |_| reply(200, headers, body.clone()));
        read_blob(&client(&server, &options()), &descriptor).await.unwrap_err().kind
    };
    let mut wrong = bytes.clone();
    wrong[50_000] ^= 1;
    assert!(matches!(outcome(&[], wrong).await, ErrorKind::DigestMismatch { .. }));
    let longer = [&bytes[..], b"x"].concat();
    let expected = ErrorKind::SizeMismatch { expected: 100_000, actual: 100_001 };
    assert_eq!(outcome(&[], longer.clone()).await, expected);
    // Without a length, the end is the end of the connection.
    let chunked: &[(&str, &str)] = &[("Content-Length", "100000")];
    assert!(matches!(outcome(chunked, bytes[..50_000].to_vec()).await, ErrorKind::Unreachable(_)));

    let server = Server::start(|_| reply(404, &[], ""));
    assert!(read_blob(&client(&server, &options()), &descriptor).await.unwrap_err().is_not_found());

    let huge = Descriptor { size: limits::LAYER_BYTES + 1, ..descriptor.clone() };
    let error = read_blob(&client(&server, &options()), &huge).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::LimitExceeded { limit: "LAYER_BYTES", .. }));
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_blob_without_announced_length_is_bounded_by_its_descriptor() {
    let (descriptor, bytes) = blob(100_000);
    let chunk = |b: &[u8]| [format!("{:x}\r\n", b.len()).as_bytes(), b, b"\r\n"].concat();
    let endless = [chunk(&bytes), chunk(&vec![0; 1 << 20]), b"0\r\n\r\n".to_vec()].concat();
    let server = Server::start(move |_| reply(200, &[("Transfer-Encoding", "chunked")], endless.clone()));
    let error = read_blob(&client(&server, &options()), &descriptor).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::SizeMismatch { expected: 100_000, .. }), "{error}");
}

#[tokio::test]
async fn a_blob_that_drips_ends() {
    let (descriptor, _) = blob(1 << 20);
    let server = Server::start(|_| Reply::Drip(vec![("Content-Length".into(), (1 << 20).to_string())]));
    let error = read_blob(&client(&server, &impatient()), &descriptor).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Timeout { .. }), "{error}");
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke() {
    let (descriptor, bytes) = blob(400_000);
    let whole = bytes.clone();
    let count = AtomicUsize::new(0);
    let server = Server::start(move |request| match count.fetch_add(1, Ordering::SeqCst) {
        0 => reply(200, &[("Content-Length", "400000")], whole[..150_000].to_vec()),
        _ => {
            let from: usize =
                request.header("range").unwrap()["bytes=".len()..].trim_end_matches('-').parse().unwrap();
            let range = format!("bytes {from}-399999/400000");
            reply(206, &[("Content-Range", &range)], whole[from..].to_vec())
        }
    });
    assert_eq!(read_blob(&client(&server, &options()), &descriptor).await.unwrap(), bytes);
    assert_eq!(server.lines().len(), 2);
}

/// A registry that wants a bearer token from `realm`.
fn challenge(realm: &str) -> Reply {
    let value = format!(r#"Bearer realm="{realm}",service="lab",scope="repository:a/b:pull""#);
    reply(401, &[("WWW-Authenticate", &value)], "")
}

fn basic_of(request: &Request) -> Option<String> {
    let text = request.header("authorization")?.strip_prefix("Basic ")?;
    Some(String::from_utf8(base64::engine::general_purpose::STANDARD.decode(text).unwrap()).unwrap())
}

/// Registry and token service in one: hands out `t` to `me:hunter2`.
fn with_token_service() -> Server {
    Server::start(|request| {
        let realm = format!("http://{}/token", request.header("host").unwrap());
        match (request.target.starts_with("/token?"), request.header("authorization")) {
            (true, _) if basic_of(request).as_deref() == Some("me:hunter2") => {
                reply(200, &[], r#"{"token":"t","expires_in":300}"#)
            }
            (true, _) => reply(401, &[], r#"{"details":"who are you"}"#),
            (false, Some("Bearer t")) => serve_manifest(),
            (false, _) => challenge(&realm),
        }
    })
}

#[tokio::test]
async fn a_token_is_fetched_once_and_kept() {
    let server = with_token_service();
    let registry = client(&server, &Options { credentials: me(), ..options() });
    for _ in 0..2 {
        assert!(registry.manifest(Selector::Tag("v1")).await.unwrap().is_some());
    }
    assert_eq!(
        server.lines(),
        [
            "GET /v2/a/b/manifests/v1",
            "GET /token?service=lab&scope=repository%3Aa%2Fb%3Apull",
            "GET /v2/a/b/manifests/v1",
            "GET /v2/a/b/manifests/v1",
        ]
    );
    let wrong = Credentials::Basic { username: "me".into(), password: Secret::new("guess") };
    let error = by_tag(&server, &Options { credentials: wrong, ..options() }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert!(error.hint.unwrap().contains("who are you"));
}

#[tokio::test]
async fn a_token_that_died_is_replaced_once() {
    let issued = AtomicUsize::new(0);
    let server = Server::start(move |request| {
        let realm = format!("http://{}/token", request.header("host").unwrap());
        if request.target.starts_with("/token") {
            let n = issued.fetch_add(1, Ordering::SeqCst) + 1;
            return reply(200, &[], format!(r#"{{"access_token":"t{n}"}}"#));
        }
        // Only the newest token is good, and each for one request.
        match (request.header("authorization"), issued.load(Ordering::SeqCst), request.target.ends_with("v2"))
        {
            (Some("Bearer t1"), 1, false) | (Some("Bearer t2"), 2, true) => serve_manifest(),
            _ => challenge(&realm),
        }
    });
    let registry = client(&server, &options());
    assert!(registry.manifest(Selector::Tag("v1")).await.unwrap().is_some());
    assert!(registry.manifest(Selector::Tag("v2")).await.unwrap().is_some());
    assert_eq!(registry.manifest(Selector::Tag("v1")).await.unwrap_err().kind, ErrorKind::Unauthorized);
}

#[tokio::test]
async fn token_services_that_speak_oauth_only() {
    let server = Server::start(|request| {
        let realm = format!("http://{}/token", request.header("host").unwrap());
        match (request.method.as_str(), request.target.starts_with("/token")) {
            ("POST", true) => {
                let form = String::from_utf8(request.body.clone()).unwrap();
                let good = "client_id=seaworthy&service=lab&scope=repository%3Aa%2Fb%3Apull&grant_type=";
                let rest = form.strip_prefix(good);
                if matches!(
                    rest,
                    Some("password&username=me&password=hunter2" | "refresh_token&refresh_token=idt")
                ) {
                    reply(200, &[], r#"{"access_token":"t"}"#)
                } else {
                    reply(400, &[], form)
                }
            }
            (_, true) => reply(405, &[], ""),
            _ if request.header("authorization") == Some("Bearer t") => serve_manifest(),
            _ => challenge(&realm),
        }
    });
    assert!(by_tag(&server, &Options { credentials: me(), ..options() }).await.unwrap().is_some());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.json");
    std::fs::write(&file, format!(r#"{{"auths":{{"{}":{{"identitytoken":"idt"}}}}}}"#, server.host()))
        .unwrap();
    let files = seaworthy_oci::registry::credentials::ConfigFiles { files: Some(vec![file]), helpers: None };
    let configured = Options { credentials: Credentials::Configured(files), ..options() };
    assert!(by_tag(&server, &configured).await.unwrap().is_some());
}

#[tokio::test]
async fn basic_credentials_come_after_the_challenge_and_stay() {
    let server = Server::start(|request| match basic_of(request).as_deref() {
        Some("me:hunter2") => serve_manifest(),
        _ => reply(401, &[("WWW-Authenticate", r#"Basic realm="lab""#)], ""),
    });
    let registry = client(&server, &Options { credentials: me(), ..options() });
    for _ in 0..2 {
        assert!(registry.manifest(Selector::Tag("v1")).await.unwrap().is_some());
    }
    let sent: Vec<bool> = server.requests().iter().map(|r| r.headers.contains_key("authorization")).collect();
    assert_eq!(sent, [false, true, true]);
    assert_eq!(kind_of(&server, &options()).await, ErrorKind::Unauthorized);
}

#[tokio::test]
async fn a_refusing_token_service_sends_us_to_the_registry() {
    let service = Server::start(|_| reply(401, &[], ""));
    let realm = service.url("/token");
    let server = Server::start(move |_| challenge(&realm));
    let error = by_tag(&server, &options()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert!(error.hint.unwrap().contains(&format!("login {}`", server.host())));
}

#[tokio::test]
async fn a_token_service_elsewhere_gets_no_credentials() {
    let service = Server::start(|_| reply(200, &[], r#"{"token":"anonymous"}"#));
    let realm = service.url("/token");
    let server = Server::start(move |_| challenge(&realm));
    let error = by_tag(&server, &Options { credentials: me(), ..options() }).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert!(error.hint.unwrap().contains(&service.host()));
    assert_eq!(service.requests().len(), 1);
    assert!(!service.requests()[0].headers.contains_key("authorization"));

    let allowed = Options { credentials: me(), token_hosts: vec![service.host()], ..options() };
    assert_eq!(kind_of(&server, &allowed).await, ErrorKind::Unauthorized);
    assert_eq!(basic_of(&service.requests()[1]).as_deref(), Some("me:hunter2"));
}

#[tokio::test]
async fn a_token_service_without_tls_is_not_asked() {
    let server = Server::start(|_| challenge("http://192.0.2.1/token"));
    let error = by_tag(&server, &Options { credentials: me(), ..options() }).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Malformed(_)), "{error}");
}

#[tokio::test]
async fn token_answers_are_capped_and_never_quoted() {
    let pad = |n: usize| format!(r#"{{"token":"t"{}}}"#, " ".repeat(n - 13));
    let size = limits::TOKEN_BYTES as usize;
    for (body, good) in
        [(pad(size), true), (pad(size + 1), false), (r#"{"token":["hunter2"]}"#.into(), false)]
    {
        let server = Server::start(move |request| {
            let realm = format!("http://{}/token", request.header("host").unwrap());
            match (request.target.starts_with("/token"), request.header("authorization")) {
                (true, _) => reply(200, &[], body.clone()),
                (false, Some("Bearer t")) => serve_manifest(),
                _ => challenge(&realm),
            }
        });
        let outcome = by_tag(&server, &options()).await;
        assert_eq!(outcome.is_ok(), good);
        assert!(!format!("{outcome:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn a_registry_token_goes_to_the_registry_alone() {
    let storage = Server::start(|_| serve_manifest());
    let elsewhere = storage.url("/x");
    let server = Server::start(move |_| reply(307, &[("Location", &elsewhere)], ""));
    let token = Options { credentials: Credentials::RegistryToken(Secret::new("rt")), ..options() };
    assert!(by_tag(&server, &token).await.unwrap().is_some());
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer rt"));
    assert_eq!(storage.requests()[0].header("authorization"), None);

    let service = Server::start(|_| reply(200, &[], r#"{"token":"x"}"#));
    let realm = service.url("/token");
    let server = Server::start(move |_| challenge(&realm));
    assert_eq!(kind_of(&server, &token).await, ErrorKind::Unauthorized);
    assert!(service.requests().is_empty());
}

#[tokio::test]
async fn redirects_lose_the_credentials_for_good_and_end() {
    // There and back again: the way back was chosen by somebody else.
    let back = Server::start(|request| {
        let home = request.target.strip_prefix("/to/").unwrap();
        reply(307, &[("Location", &format!("http://{home}/v2/secret"))], "")
    });
    let there = back.url("");
    let server = Server::start(move |request| match request.target.as_str() {
        "/v2/secret" => reply(404, &[], ""),
        _ if request.header("authorization").is_none() => {
            reply(401, &[("WWW-Authenticate", "Basic realm=x")], "")
        }
        _ => {
            let location = format!("{there}/to/{}", request.header("host").unwrap());
            reply(307, &[("Location", &location)], "")
        }
    });
    assert_eq!(by_tag(&server, &Options { credentials: me(), ..options() }).await.unwrap(), None);
    let last = server.requests().pop().unwrap();
    assert_eq!((last.target.as_str(), last.header("authorization")), ("/v2/secret", None));
    assert_eq!(back.requests()[0].header("authorization"), None);

    let server = Server::start(|_| reply(307, &[("Location", "/v2/again")], ""));
    let expected = ErrorKind::LimitExceeded { limit: "REDIRECTS", value: limits::REDIRECTS as u64 };
    assert_eq!(kind_of(&server, &options()).await, expected);
    assert_eq!(server.lines().len(), limits::REDIRECTS + 1);
}

fn index(entries: &[RawManifest]) -> String {
    let list: Vec<String> = entries.iter().map(|e| serde_json::to_string(&e.descriptor).unwrap()).collect();
    format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}}"#, media_type::INDEX, list.join(","))
}

const INDEX: (&str, &str) = ("Content-Type", media_type::INDEX);

fn subject() -> Digest {
    Digest::sha256(b"subject")
}

#[tokio::test]
async fn referrers_of_all_pages() {
    let server = Server::start(|request| {
        let entry = |note: &str| index(&[artifact(&subject(), note), artifact(&subject(), "same")]);
        match request.target.split_once('?').map(|(_, q)| q) {
            None => reply(200, &[INDEX, ("Link", r#"<?page=2>; rel="next""#)], entry("1")),
            Some("page=2") => {
                let next = format!("<{}?page=3>; rel=next", request.target.split('?').next().unwrap());
                reply(200, &[INDEX, ("Link", &next)], entry("2"))
            }
            Some(_) => reply(200, &[INDEX], entry("3")),
        }
    });
    let referrers = client(&server, &options()).referrers(&subject()).await.unwrap();
    assert_eq!((referrers.descriptors.len(), referrers.via), (4, ReferrersVia::Api));
}

#[tokio::test]
async fn a_list_that_cannot_be_had_whole_is_an_error() {
    let ask = async |handler: fn(&Request) -> Reply| {
        client(&Server::start(handler), &options()).referrers(&subject()).await.unwrap_err().kind
    };
    let endless = ask(|_| reply(200, &[INDEX, ("Link", r#"<?again>; rel="next""#)], index(&[]))).await;
    assert_eq!(endless, ErrorKind::LimitExceeded { limit: "REFERRER_PAGES", value: 8 });
    let elsewhere = ask(|request| {
        let next = format!(r#"<http://127.0.0.1:1{}>; rel="next""#, request.target);
        reply(200, &[INDEX, ("Link", &next)], index(&[]))
    })
    .await;
    assert!(matches!(elsewhere, ErrorKind::Malformed(_)));
    let other_path = ask(|_| reply(200, &[INDEX, ("Link", r#"</v2/x>; rel="next""#)], index(&[]))).await;
    assert!(matches!(other_path, ErrorKind::Malformed(_)));
    let second_page_gone = ask(|request| match request.target.contains('?') {
        false => reply(200, &[INDEX, ("Link", r#"<?2>; rel="next""#)], index(&[])),
        true => reply(404, &[], ""),
    })
    .await;
    assert!(matches!(second_page_gone, ErrorKind::Malformed(_)));
    assert!(matches!(
        ask(|_| reply(200, &[("Content-Type", "text/html")], "<p>")).await,
        ErrorKind::Malformed(_)
    ));
    assert!(matches!(ask(|_| reply(200, &[INDEX], "{}")).await, ErrorKind::Malformed(_)));
    assert!(matches!(ask(|_| reply(200, &[INDEX], r#"{"manifests":{}}"#)).await, ErrorKind::Malformed(_)));

    for (status, expected) in [
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Forbidden),
        (429, ErrorKind::Throttled { retry_after: None }),
        (500, ErrorKind::Server { status: 500 }),
        (400, ErrorKind::UnexpectedStatus { status: 400 }),
    ] {
        let server = Server::start(move |request| match request.target.contains("/referrers/") {
            true => reply(status, &[], ""),
            false => reply(404, &[], ""),
        });
        let kind = client(&server, &options()).referrers(&subject()).await.unwrap_err().kind;
        assert_eq!(kind, expected);
    }
}

#[tokio::test]
async fn referrer_counts_are_bounded_at_limit_plus_one() {
    for (count, good) in [(limits::REFERRER_ENTRIES, true), (limits::REFERRER_ENTRIES + 1, false)] {
        let entries: Vec<_> = (0..count).map(|n| artifact(&subject(), &n.to_string())).collect();
        let body = index(&entries);
        for api in [true, false] {
            let body = body.clone();
            let server = Server::start(move |request| match request.target.contains("/referrers/") == api {
                true => reply(200, &[INDEX], body.clone()),
                false => reply(404, &[], ""),
            });
            let outcome = client(&server, &options()).referrers(&subject()).await;
            assert_eq!(outcome.is_ok(), good, "{count} {api}");
            if let Err(error) = outcome {
                let value = limits::REFERRER_ENTRIES as u64;
                assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "REFERRER_ENTRIES", value });
            }
        }
    }
}

#[tokio::test]
async fn without_the_api_the_fallback_tag_speaks() {
    let fallback = format!("/v2/a/b/manifests/{}", subject().tag(""));
    let no_api: [fn() -> Reply; 4] = [
        || reply(404, &[], ""),
        || reply(405, &[], r#"{"errors":[{"code":"UNSUPPORTED"}]}"#),
        || reply(400, &[], r#"{"errors":[{"code":"UNSUPPORTED"}]}"#),
        // Has the API, and learnt it after the tag was written.
        || reply(200, &[INDEX], r#"{"schemaVersion":2,"manifests":null}"#),
    ];
    for answer in no_api {
        for there in [true, false] {
            let tag = fallback.clone();
            let server = Server::start(move |request| match request.target == tag {
                true if there => reply(200, &[INDEX], index(&[artifact(&subject(), "1")])),
                true => reply(404, &[], ""),
                false => answer(),
            });
            let referrers = client(&server, &options()).referrers(&subject()).await.unwrap();
            assert_eq!(referrers.descriptors.len(), usize::from(there));
            assert!(!there || referrers.via == ReferrersVia::FallbackTag);
        }
        // And a fallback tag that cannot be read is not an empty one.
        let tag = fallback.clone();
        let server = Server::start(move |request| match request.target == tag {
            true => reply(403, &[], ""),
            false => answer(),
        });
        let error = client(&server, &options()).referrers(&subject()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Forbidden);
    }
}

#[tokio::test]
async fn a_redirect_to_a_page_for_people_is_no_api() {
    let people = Server::start(|_| reply(200, &[("Content-Type", "text/html")], "<p>"));
    let page = people.url("/docs");
    let server = Server::start(move |request| match request.target.contains("/referrers/") {
        true => reply(303, &[("Location", &page)], ""),
        false => reply(404, &[], ""),
    });
    let referrers = client(&server, &options()).referrers(&subject()).await.unwrap();
    assert_eq!((referrers.descriptors.len(), referrers.via), (0, ReferrersVia::FallbackTag));
}

#[tokio::test]
async fn plain_http_is_for_loopback() {
    use seaworthy_oci::registry::PlainHttp;
    let server = Server::start(|_| serve_manifest());
    let never = Options { plain_http: PlainHttp::Never, tries: 1, ..options() };
    assert!(matches!(kind_of(&server, &never).await, ErrorKind::Unreachable(_) | ErrorKind::Local(_)));
    assert!(!server.lines().iter().any(|l| l.contains("/v2/")));
    let broken = Options { ca_files: vec!["/nonexistent/ca.pem".into()], ..options() };
    let error = Registry::new(&Repository::new(&server.host(), "a/b").unwrap(), &broken).unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Local(_)));
}

#[test]
fn options_are_printed_without_secrets() {
    let secret = Options { credentials: me(), ..Options::default() };
    assert!(!format!("{secret:?}").contains("hunter2"));
    let token =
        Options { credentials: Credentials::RegistryToken(Secret::new("hunter2")), ..Options::default() };
    assert!(!format!("{token:?}").contains("hunter2"));
}
