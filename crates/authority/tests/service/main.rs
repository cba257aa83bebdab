//! The authority as clients see it: over HTTP, judged by `sigstore-verify` with the files that `init` wrote.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use seaworthy_authority::limits::BODY_BYTES;
use seaworthy_authority::{Authority, ErrorKind, Init, Keys, init, token};
use seaworthy_sign::{Algorithm, Payload, PrivateKey, Secret};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

mod rotation;
mod running;
mod tls;
mod workloads;

use running::{Running, WHO, der, hashed, jwt, now, stamp_request};

#[tokio::test]
async fn a_bundle_is_accepted_by_an_independent_verifier_with_the_files_of_init() {
    let authority = Running::start().await;
    for (n, who) in [WHO, "https://ci.example/workflow", WHO].into_iter().enumerate() {
        let bundle = authority.sign(who, b"artifact").await;
        let result = authority.judge(&bundle, b"artifact", who).unwrap();
        assert!(result.tlog_verified() && result.sct_verified());
        assert_eq!(result.verified_timestamps().len(), 1);
        assert_eq!(bundle["verificationMaterial"]["tlogEntries"][0]["logIndex"], (n + 1).to_string());

        // The judge is one that can say no.
        authority.judge(&bundle, b"another artifact", who).unwrap_err();
        authority.judge(&bundle, b"artifact", "somebody@else.example").unwrap_err();
        let mut unlogged = bundle.clone();
        unlogged["verificationMaterial"]["tlogEntries"] = json!([]);
        authority.judge(&unlogged, b"artifact", who).unwrap_err();
    }
    // Somebody else's authority proves nothing here.
    let other = Running::start().await;
    let bundle = other.sign(WHO, b"artifact").await;
    authority.judge(&bundle, b"artifact", WHO).unwrap_err();

    let (status, metrics) = authority.get("/metrics").await;
    assert_eq!(status, 200);
    assert!(metrics.contains("seaworthy_authority_log_entries{log=\"certificates\"} 3"), "{metrics}");
    assert!(metrics.contains("{route=\"entry\",status=\"201\"} 3"), "{metrics}");
    authority.stop().await;
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart_and_two_servers_are_refused() {
    let mut authority = Running::start().await;
    let before = authority.sign(WHO, b"one").await;
    let error = Authority::open(&authority.dir, &authority.password).unwrap_err();
    assert!(error.kind == ErrorKind::Local && error.message.contains("another process serves"), "{error}");
    authority.restart().await;
    let after = authority.sign(WHO, b"two").await;
    assert_eq!(after["verificationMaterial"]["tlogEntries"][0]["logIndex"], "2");
    authority.judge(&before, b"one", WHO).unwrap();
    authority.judge(&after, b"two", WHO).unwrap();
    authority.stop().await;
}

/// A client whose answer was lost asks again: at once, at the same time as others, and after a crash.
#[tokio::test]
async fn an_entry_that_comes_again_has_the_place_it_has() {
    let mut authority = Running::start().await;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let chain = authority.certificate(&authority.token(WHO), &key, WHO).await.unwrap();
    let request = |artifact: &[u8]| {
        let signature = key.sign(&Payload::Blob(artifact)).unwrap();
        hashed(&STANDARD.encode(Sha256::digest(artifact)), &signature, &chain[0])
    };
    let (one, two, three) = (request(b"one"), request(b"two"), request(b"three"));
    let index = |(status, entry): (u16, Value)| {
        assert_eq!(status, 201, "{entry}");
        // The proof is of that place, under a checkpoint of now.
        assert_eq!(entry["inclusionProof"]["logIndex"], entry["logIndex"]);
        entry["logIndex"].as_str().unwrap().to_owned()
    };
    let first = index(authority.entry(&one).await);
    assert_eq!(index(authority.entry(&two).await), "2");
    assert_eq!(index(authority.entry(&one).await), first);
    let many = (0..16).map(|_| authority.entry(&three));
    let places: Vec<_> = futures_util::future::join_all(many).await.into_iter().map(index).collect();
    assert!(places.iter().all(|place| place == "3"), "{places:?}");
    authority.restart().await;
    assert_eq!(index(authority.entry(&one).await), first);
    assert_eq!(index(authority.entry(&request(b"four")).await), "4");
    let (_, checkpoint) = authority.get("/api/v2/checkpoint").await;
    assert_eq!(checkpoint.lines().nth(1), Some("5"));
    authority.stop().await;
}

#[tokio::test]
async fn tokens_that_prove_nothing_get_no_certificate() {
    let authority = Running::start().await;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let own = PrivateKey::from_pem(
        &std::fs::read(authority.dir.join("keys/tokens.key")).unwrap(),
        Some(&authority.password),
    )
    .unwrap();
    let header = json!({ "alg": "ES256", "typ": "JWT" });
    let claims = json!({
        "iss": authority.url, "sub": WHO, "aud": "sigstore", "email": WHO, "email_verified": true,
        "iat": now(), "exp": now() + 60,
    });
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    authority.certificate(&jwt(&own, &header, &claims), &key, WHO).await.unwrap();
    authority
        .certificate(&jwt(&own, &header, &with("aud", json!(["x", "sigstore"]))), &key, WHO)
        .await
        .unwrap();

    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let cases = [
        (jwt(&key, &header, &claims), "not signed by its issuer"),
        (unsigned, "RS256 or ES256"),
        (jwt(&own, &json!({ "alg": "HS256" }), &claims), "RS256 or ES256"),
        (jwt(&own, &json!({ "alg": "RS256" }), &claims), "RS256 or ES256"),
        (jwt(&own, &header, &with("iss", json!("https://evil.example"))), "not one of this authority's"),
        (jwt(&own, &header, &with("aud", json!("others"))), "not for the audience"),
        (jwt(&own, &header, &with("exp", json!(now() - 61))), "has expired"),
        (jwt(&own, &header, &with("nbf", json!(now() + 120))), "not valid yet"),
        (jwt(&own, &header, &with("email_verified", json!(false))), "not verified"),
        (jwt(&own, &header, &with("email", json!("no mail"))), "printable ASCII"),
        (jwt(&own, &header, &with("email", json!("a@b@c"))), "mail address is none"),
        ("not a token".into(), "neither a known token nor"),
        ("x".repeat(40 << 10), "at most"),
    ];
    for (token, why) in cases {
        let (status, message) = authority.certificate(&token, &key, WHO).await.unwrap_err();
        assert!(status == 401 && message.contains(why), "{status} {message}, wanted {why}");
    }
    // A good token, and a key that is not shown to be the client's.
    let (status, message) = authority.certificate(&authority.token(WHO), &key, "other").await.unwrap_err();
    assert!(status == 400 && message.contains("proof of possession"), "{message}");
    // None of the refused ones is in the certificate transparency log.
    let (_, checkpoint) = authority.get("/ct/checkpoint").await;
    assert_eq!(checkpoint.lines().nth(1), Some("2"));
    authority.stop().await;
}

#[tokio::test]
async fn a_static_token_stands_for_its_subject() {
    let secret = "a-long-random-string";
    let hash = Sha256::digest(secret).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let line = format!("tokens:\n  - sha256: {hash}\n    subject: https://ci.example/build\n");
    let authority = Running::with(|text| text.replace("tokens: []\n", &line)).await;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    authority.certificate(secret, &key, "https://ci.example/build").await.unwrap();
    let (status, _) = authority.certificate("a-long-random-strinG", &key, "x").await.unwrap_err();
    assert_eq!(status, 401);
    authority.stop().await;
}

/// An identity provider with one ES256 key, which counts how often its keys are fetched.
async fn provider(key: &PrivateKey) -> (String, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let point = key.public_key().as_spki_der();
    let (x, y) = (&point[point.len() - 64..point.len() - 32], &point[point.len() - 32..]);
    let jwks = json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "not-for-us" },
        { "kty": "EC", "crv": "P-256", "kid": "one", "use": "sig",
          "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) },
    ] });
    let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") });
    let fetched = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = fetched.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let n = stream.read(&mut head).await.unwrap_or(0);
            let body = if head[..n].starts_with(b"GET /jwks ") {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                jwks.to_string()
            } else {
                discovery.to_string()
            };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, fetched)
}

#[tokio::test]
async fn a_workflow_of_a_configured_provider_gets_its_claims() {
    let theirs = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let (issuer, fetched) = provider(&theirs).await;
    let line = format!(
        "issuers:\n  - url: {issuer}\n    type: github\n  - url: http://127.0.0.1:9\n    type: uri\n"
    );
    let authority = Running::with(|text| text.replace("issuers: []\n", &line)).await;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let claims = json!({
        "iss": issuer, "sub": "repo:o/r:ref:refs/heads/main", "aud": "sigstore", "exp": now() + 60,
        "job_workflow_ref": "o/r/.github/workflows/release.yml@refs/heads/main", "sha": "abc", "repository": "o/r",
        "event_name": "push", "ref": "refs/heads/main", "run_id": "7", "run_attempt": "1",
    });
    let header = json!({ "alg": "ES256", "kid": "one" });
    let challenge = "repo:o/r:ref:refs/heads/main";
    let chain = authority.certificate(&jwt(&theirs, &header, &claims), &key, challenge).await.unwrap();
    let der = STANDARD.decode(der(&chain[0])).unwrap();
    let found = sigstore_verify::crypto::parse_certificate_info(
        &sigstore_verify::types::DerCertificate::from_bytes(&der),
    );
    let text = format!("{:?}", found.unwrap());
    for wanted in [
        "https://github.com/o/r/.github/workflows/release.yml@refs/heads/main",
        "https://github.com/o/r/actions/runs/7/attempts/1",
        "refs/heads/main",
        "push",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }

    // A second token costs no second fetch; nor do tokens with invented key names.
    authority.certificate(&jwt(&theirs, &header, &claims), &key, challenge).await.unwrap();
    let invented = jwt(&theirs, &json!({ "alg": "ES256", "kid": "two" }), &claims);
    for _ in 0..3 {
        let (status, message) = authority.certificate(&invented, &key, challenge).await.unwrap_err();
        assert!(status == 401 && message.contains("does not publish"), "{message}");
    }
    assert_eq!(fetched.load(std::sync::atomic::Ordering::SeqCst), 1);

    // A provider that does not answer is "could not find out", not "no".
    let mut unreachable = claims.clone();
    unreachable["iss"] = json!("http://127.0.0.1:9");
    let (status, message) =
        authority.certificate(&jwt(&theirs, &header, &unreachable), &key, challenge).await.unwrap_err();
    assert!(status == 503 && message.contains("cannot get the keys"), "{status} {message}");
    authority.stop().await;
}

#[tokio::test]
async fn the_log_takes_no_claim_that_nobody_made() {
    let authority = Running::start().await;
    let key = PrivateKey::generate(Algorithm::EcdsaP256).unwrap();
    let public = json!({ "publicKey": { "rawBytes": STANDARD.encode(key.public_key().as_spki_der()) } });
    let envelope = |payload: &[u8], signed: &[u8]| {
        let signature = key.sign(&Payload::Dsse { payload_type: "a/b", payload: signed }).unwrap();
        json!({ "dsseRequestV002": {
            "envelope": {
                "payload": STANDARD.encode(payload),
                "payloadType": "a/b",
                "signatures": [{ "sig": STANDARD.encode(signature), "keyid": "" }],
            },
            "verifiers": [public],
        } })
    };
    let (status, answer) = authority.entry(&envelope(b"{}", b"{}")).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["kindVersion"], json!({ "kind": "dsse", "version": "0.0.2" }));
    let body = STANDARD.decode(answer["canonicalizedBody"].as_str().unwrap()).unwrap();
    let parsed: Value = serde_json::from_slice(&body).unwrap();
    // Canonical: what a sorted map writes is what was logged.
    let sorted: std::collections::BTreeMap<String, Value> = serde_json::from_value(parsed.clone()).unwrap();
    assert_eq!(serde_json::to_vec(&sorted).unwrap(), body);
    assert_eq!(parsed["spec"]["dsseV002"]["payloadHash"]["digest"], STANDARD.encode(Sha256::digest(b"{}")));

    let digest = STANDARD.encode(Sha256::digest(b"x"));
    let signature = key.sign(&Payload::Blob(b"y")).unwrap();
    let forged = json!({ "hashedRekordRequestV002": {
        "digest": digest, "signature": { "content": STANDARD.encode(&signature), "verifier": public },
    } });
    let mut two = envelope(b"{}", b"{}");
    two["dsseRequestV002"]["verifiers"] = json!([public, public]);
    for (request, why) in [
        (envelope(b"{}", b"other"), "by none of the verifiers"),
        (two, "has made no signature"),
        (forged, "not by this key over this digest"),
        (json!({}), "give either"),
        (json!([]), "no request for an entry"),
    ] {
        let (status, answer) = authority.entry(&request).await;
        assert!(status == 400 && answer["message"].as_str().unwrap().contains(why), "{answer}");
    }
    let (_, checkpoint) = authority.get("/api/v2/checkpoint").await;
    // The trusted root, and what was accepted.
    assert_eq!(checkpoint.lines().nth(1), Some("2"));
    let (status, _) = authority.get("/api/v2/tile/entries/000.p/2").await;
    assert_eq!(status, 200);
    let (status, _) = authority.get("/api/v2/tile/0/000.p/3").await;
    assert_eq!(status, 404);
    authority.stop().await;
}

#[tokio::test]
async fn what_is_too_much_is_refused() {
    let authority = Running::with(|text| format!("{text}requestsPerSecond: 3\n")).await;
    let (status, _) = authority.post("/api/v2/log/entries", vec![b' '; BODY_BYTES]).await;
    assert_eq!(status, 400);
    let (status, _) = authority.post("/api/v2/log/entries", vec![b' '; BODY_BYTES + 1]).await;
    assert_eq!(status, 413);
    let mut codes = Vec::new();
    for _ in 0..200 {
        codes.push(authority.post("/api/v1/timestamp", stamp_request(b"x")).await.0);
    }
    assert!(codes.contains(&200) && codes.contains(&429), "{codes:?}");
    // Reading goes on.
    assert_eq!(authority.get("/readyz").await.0, 200);
    assert_eq!(authority.get("/nothing").await.0, 404);
    assert_eq!(authority.get("/api/v2/signingCert").await.0, 405);
    authority.stop().await;
}

#[test]
fn init_touches_nothing_that_is_there_and_refuses_what_cannot_work() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a");
    let password = Secret::from("");
    let make = |url: &str| init(&Init { dir: &dir, url, organization: "test", keys: Keys::Files(&password) });
    assert_eq!(make("http://sigstore.example").unwrap_err().kind, ErrorKind::Usage);
    assert!(!dir.exists());
    let files = make("https://sigstore.example").unwrap();
    let before = std::fs::read(&files.trusted_root).unwrap();
    assert_eq!(make("https://sigstore.example").unwrap_err().kind, ErrorKind::Usage);
    assert_eq!(std::fs::read(&files.trusted_root).unwrap(), before);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "something was left behind");
    let wrong = Authority::open(&dir, &Secret::from("wrong")).unwrap_err();
    assert!(wrong.message.contains("log.key"), "{wrong}");
    token(&dir, &password, "neither mail nor uri", None, 60).unwrap_err();
    token(&dir, &password, WHO, None, 24 * 3600 + 1).unwrap_err();
}
