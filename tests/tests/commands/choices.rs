//! Which services are asked: by configuration, by flags, by version; who steps in for whom; what is asked at the
//! same time; and what becomes of a certificate that ends meanwhile.

use super::fake::{Fake, forward, json};
use super::rekor_v1::{ENTRIES, RekorV1};
use super::services::{FULCIO, REKOR, Services, TSA};
use super::world::World;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How long requests wait for others that never come.
const ALONE: Duration = Duration::from_secs(30);
const WHO: &str = "ci@example.com";

struct Place {
    world: World,
    services: Services,
}

impl Place {
    fn new() -> Self {
        Self::with(|yaml| yaml)
    }

    fn with(yaml: impl FnOnce(String) -> String) -> Self {
        let mut world = World::new();
        let services = Services::start_with(&mut world, yaml);
        std::fs::write(world.path("token"), services.token(&world, WHO)).unwrap();
        std::fs::write(world.path("file"), "ahoy\n").unwrap();
        std::fs::write(world.path("p.json"), r#"{"built":true}"#).unwrap();
        Self { world, services }
    }

    /// `trust.json`: the authority's ClientTrustConfig after `change` of (trusted root, signing configuration).
    fn configure(&self, change: impl FnOnce(&mut Value, &mut Value)) {
        let text = std::fs::read_to_string(self.world.path("authority/client_trust_config.json")).unwrap();
        let mut both: Value = serde_json::from_str(&text).unwrap();
        let (mut root, mut config) = (both["trustedRoot"].take(), both["signingConfig"].take());
        change(&mut root, &mut config);
        std::fs::write(self.world.path("root.json"), root.to_string()).unwrap();
        both["trustedRoot"] = root;
        both["signingConfig"] = config;
        std::fs::write(self.world.path("trust.json"), both.to_string()).unwrap();
    }

    /// The same with a Rekor v1 log in place of the authority's own.
    fn configure_v1(&self, log: &RekorV1) {
        self.configure(|root, config| {
            root["tlogs"] = json!([log.trusted()]);
            config["rekorTlogUrls"] = json!([service(&log.server.url, 1, "o")]);
        });
    }

    fn verify(&self, image: &str, more: &str) -> super::world::Ran {
        let issuer = &self.services.url;
        self.world.run(&format!(
            "verify {image} --offline --trusted-root root.json --certificate-identity {WHO} \
             --certificate-oidc-issuer {issuer} {more}"
        ))
    }

    fn verify_file(&self, bundle: &str) -> super::world::Ran {
        let issuer = &self.services.url;
        self.world.run(&format!(
            "--offline verify-blob --bundle {bundle} --trusted-root root.json --certificate-identity {WHO} \
             --certificate-oidc-issuer {issuer} file"
        ))
    }

    fn bundle(&self, name: &str) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.world.path(name)).unwrap()).unwrap()
    }
}

fn service(url: &str, version: u32, operator: &str) -> Value {
    json!({ "url": url, "majorApiVersion": version, "validFor": { "start": "2020-01-01T00:00:00Z" }, "operator": operator })
}

const BY: &str = "--trust-config trust.json --identity-token token";

#[test]
fn rekor_v1_gives_promises_that_our_verifier_takes() {
    let place = Place::new();
    let log = RekorV1::start();
    place.configure_v1(&log);
    place.world.image("fleet", "img");
    place.world.run(&format!("sign --recursive oci:img {BY}")).expect(0);
    place
        .world
        .run(&format!("attest oci:img --type https://example.com/p --predicate p.json {BY}"))
        .expect(0);
    place.verify("oci:img", "--type https://example.com/p").expect(0);
    place.world.run(&format!("sign-blob {BY} --bundle b.json file")).expect(0);
    place.verify_file("b.json").expect(0);
    let bundle = place.bundle("b.json");
    let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
    assert_eq!(entry["kindVersion"], json!({ "kind": "hashedrekord", "version": "0.0.1" }));
    assert!(entry["inclusionPromise"]["signedEntryTimestamp"].is_string());
    assert!(entry["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap().contains("127.0.0.1"));
    assert_eq!(place.services.count(REKOR), 0);
    // A promise with one byte changed, and one of a log that the root does not know.
    let promise = entry["inclusionPromise"]["signedEntryTimestamp"].as_str().unwrap();
    let body = entry["canonicalizedBody"].as_str().unwrap();
    let text = bundle.to_string();
    for (from, to) in
        [(promise, format!("{}AAAA", &promise[..promise.len() - 4])), (body, body.replacen('e', "f", 1))]
    {
        std::fs::write(place.world.path("bad.json"), text.replace(from, &to)).unwrap();
        place.verify_file("bad.json").expect(1);
    }
    let other = RekorV1::start();
    place.configure_v1(&other);
    place.verify_file("b.json").expect(1);
}

/// By flags alone: no timestamp authority, the log's promise says when.
#[test]
fn services_by_flags() {
    let place = Place::new();
    let log = RekorV1::start();
    place.configure_v1(&log);
    let by = format!(
        "--fulcio-url {} --rekor-url {} --trusted-root root.json --identity-token token",
        place.services.url, log.server.url
    );
    place.world.run(&format!("sign-blob {by} --bundle b.json file")).expect(0);
    place.verify_file("b.json").expect(0);
    assert_eq!((place.services.count(FULCIO), place.services.count(TSA), log.size()), (1, 0, 1));
    let by = by.replace(&log.server.url, &place.services.url);
    place
        .world
        .run(&format!("sign-blob {by} --rekor-version 2 --bundle b.json file"))
        .expect(1)
        .says("goes nowhere");
    let trust = by.replace("root.json", "authority/trusted_root.json");
    let tsa = format!("--timestamp-server-url {}{TSA}", place.services.url);
    place.world.run(&format!("sign-blob {trust} --rekor-version 2 {tsa} --bundle b.json file")).expect(0);
    place
        .world
        .run(&format!("sign-blob {trust} --signing-config authority/signing_config.json file"))
        .expect(2);
}

/// The entry was made, and its answer lost: the log says that it has it, and the entry is fetched.
#[test]
fn a_lost_answer_of_rekor_v1_makes_no_second_entry() {
    let place = Place::new();
    let log = RekorV1::start();
    place.configure_v1(&log);
    log.lose(1);
    place.world.run(&format!("sign-blob {BY} --bundle b.json file")).expect(0);
    place.verify_file("b.json").expect(0);
    assert_eq!(log.size(), 1);
    assert_eq!(log.server.count(ENTRIES), 2);
}

/// cosign's older form with certificate, promise and timestamp: our verifier takes it, a second run adds nothing.
#[test]
fn the_older_form_holds_an_identity_where_the_log_promises() {
    let place = Place::new();
    let log = RekorV1::start();
    place.configure_v1(&log);
    place.world.image("harbor", "img");
    for form in ["legacy", "both"] {
        let (sign, attest) = (
            format!("sign oci:img {BY} --signature-format {form} --output json"),
            format!(
                "attest oci:img {BY} --signature-format {form} --type https://example.com/p --predicate p.json --output json"
            ),
        );
        for command in [&sign, &attest] {
            let changes = |ran: super::world::Ran| -> Vec<Value> {
                ran.expect(0).json()["attached"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|a| a["change"].clone())
                    .collect()
            };
            let first = changes(place.world.run(command));
            let before = log.size();
            let second = changes(place.world.run(command));
            assert!(first.contains(&json!("added")), "{first:?}");
            assert!(second.iter().all(|c| c == "already-there"), "{command}: {second:?}");
            assert_eq!(log.size(), before);
        }
        place.verify("oci:img", "--type https://example.com/p").expect(0);
        let issuer = &place.services.url;
        place
            .world
            .run(&format!(
                "verify oci:img --trusted-root root.json --certificate-identity x{WHO} --certificate-oidc-issuer {issuer}"
            ))
            .expect(1);
    }
    // Every part of it counts.
    let tree = place.world.run("tree oci:img --output json").expect(0).json();
    let formats: Vec<_> = tree["subjects"][0]["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["format"].as_str().unwrap())
        .collect();
    assert_eq!(formats.iter().filter(|f| **f == "simple-signing").count(), 1, "{formats:?}");
    assert_eq!(formats.iter().filter(|f| **f == "envelope").count(), 1, "{formats:?}");

    // A configuration with both kinds of log: the older form goes to the one that promises.
    place.configure(|root, config| {
        root["tlogs"].as_array_mut().unwrap().push(log.trusted());
        config["rekorTlogUrls"].as_array_mut().unwrap().push(service(&log.server.url, 1, "b"));
    });
    place.world.image("harbor", "other");
    let before = (log.size(), place.services.count(REKOR));
    place.world.run(&format!("sign oci:other {BY} --signature-format legacy")).expect(0);
    place.verify("oci:other", "").expect(0);
    assert_eq!((log.size(), place.services.count(REKOR)), (before.0 + 1, before.1));
    // Two of them have no room.
    place.configure(|_, config| {
        config["tsaUrls"].as_array_mut().unwrap().push(service(&log.server.url, 1, "b"));
        config["tsaConfig"] = json!({ "selector": "ALL" });
    });
    place.world.run(&format!("sign oci:other {BY} --signature-format both")).expect(2).says("one timestamp");
}

/// Where another endpoint is named, one that is down or broken costs a moment and nothing else.
#[test]
fn the_next_endpoint_is_asked_where_the_first_does_not_answer() {
    let broken = Fake::start(|_| Some((500, Vec::new(), Vec::new())));
    let refusing = Fake::start(|_| json(400, &json!({ "message": "not for you" })));
    let silent = Fake::start(|_| None);
    for first in [broken.url.as_str(), silent.url.as_str(), refusing.url.as_str(), "http://127.0.0.1:1"] {
        let place = Place::new();
        place.configure(|_, config| {
            for (kind, path) in [("caUrls", ""), ("rekorTlogUrls", ""), ("tsaUrls", TSA)] {
                let list = config[kind].as_array_mut().unwrap();
                let version = list[0]["majorApiVersion"].as_u64().unwrap() as u32;
                // Of the same operator, and newer, which is what makes it the first.
                let operator = list[0]["operator"].as_str().unwrap().to_owned();
                let mut down = service(&format!("{first}{path}"), version, &operator);
                list[0]["validFor"]["start"] = json!("2019-01-01T00:00:00Z");
                down["validFor"]["start"] = json!("2020-01-01T00:00:00Z");
                list.push(down);
            }
        });
        place.world.run(&format!("sign-blob {BY} --bundle b.json file")).expect(0);
        place.verify_file("b.json").expect(0);
        let services = &place.services;
        assert_eq!(
            (services.count(FULCIO), services.count(REKOR), services.count(TSA)),
            (1, 1, 1),
            "{first}"
        );
    }
    // Asked twice and not six times, and a refusal is not asked again.
    for path in [FULCIO, REKOR, TSA] {
        assert_eq!((broken.count(path), silent.count(path), refusing.count(path)), (2, 2, 1), "{path}");
    }
}

/// `EXACT 2` of three operators, one of whom is down: the third steps in. `ALL` of them: nobody can.
#[test]
fn as_many_operators_answer_as_the_configuration_says() {
    let place = Place::new();
    let broken = Fake::start(|_| Some((503, vec![("Retry-After", "0".into())], Vec::new())));
    let tsa = |config: &mut Value, url: &str, select: Value| {
        let good = format!("{url}{TSA}");
        config["tsaUrls"] =
            json!([service(&broken.url, 1, "a"), service(&good, 1, "b"), service(&good, 1, "c")]);
        config["tsaConfig"] = select;
    };
    let url = place.services.url.clone();
    place.configure(|_, config| tsa(config, &url, json!({ "selector": "EXACT", "count": 2 })));
    place.world.run(&format!("sign-blob {BY} --bundle b.json file")).expect(0);
    let stamps =
        &place.bundle("b.json")["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
    assert_eq!(stamps.as_array().unwrap().len(), 2);
    place.verify_file("b.json").expect(0);
    place.configure(|_, config| tsa(config, &url, json!({ "selector": "ANY" })));
    place.world.run(&format!("sign-blob {BY} --bundle b.json file")).expect(0);
    place.configure(|_, config| tsa(config, &url, json!({ "selector": "ALL" })));
    place.world.run(&format!("sign-blob {BY} --bundle never.json file")).expect(3).says("503");
    assert!(!place.world.path("never.json").exists());
    // Nobody of that many, and nobody who is valid now.
    place.configure(|_, config| tsa(config, &url, json!({ "selector": "EXACT", "count": 4 })));
    place.world.run(&format!("sign-blob {BY} file")).expect(4).says("EXACT 4");
    place.configure(|_, config| config["caUrls"][0]["validFor"] = json!({ "end": "2020-01-01T00:00:00Z" }));
    place.world.run(&format!("sign-blob {BY} file")).expect(4).says("none of them is valid now");
}

/// Log and timestamp of a signature, and the signatures of an index, are asked for at the same time: the door lets
/// nobody in before all of them are there.
#[test]
fn what_can_be_asked_at_once_is_asked_at_once() {
    let place = Place::new();
    place.configure(|_, _| {});
    place.world.image("fleet", "img");
    let index = place.world.run("tree oci:img --output json").expect(0).json();
    let signed = index["subjects"].as_array().unwrap().len();
    assert!(signed >= 3);
    // A log entry and a timestamp for each manifest: nobody is let in before all of them are there.
    let arrived = (Mutex::new(0usize), Condvar::new());
    let was_alone = Arc::new(AtomicBool::new(false));
    let (url, alone) = (place.services.url.clone(), Arc::clone(&was_alone));
    let front = Fake::start(move |request| {
        let (count, changed) = &arrived;
        let mut count = count.lock().unwrap();
        *count += 1;
        changed.notify_all();
        let all = changed.wait_timeout_while(count, ALONE, |count| *count < 2 * signed).unwrap();
        if all.1.timed_out() {
            alone.store(true, Ordering::SeqCst);
        }
        drop(all);
        forward(&url, request)
    });
    place.configure(|_, config| {
        config["rekorTlogUrls"][0]["url"] = json!(front.url);
        config["tsaUrls"][0]["url"] = json!(format!("{}{TSA}", front.url));
    });
    place.world.run(&format!("sign --recursive oci:img {BY}")).expect(0);
    assert_eq!((front.count(REKOR), front.count(TSA)), (signed, signed));
    assert!(!was_alone.load(Ordering::SeqCst), "some were asked only after others had answered");
    assert_eq!(place.services.count(FULCIO), 1, "one certificate for all of them");
    place.verify("oci:img", "").expect(0);
}

/// A certificate that ends before its witnesses have answered is worth nothing: the signature is made anew.
#[test]
fn a_certificate_that_ends_in_mid_run_is_replaced() {
    let place = Place::with(|yaml| format!("{yaml}certificateSeconds: 10\n"));
    // The first timestamp comes when the certificate is over.
    let first = AtomicBool::new(true);
    let url = place.services.url.clone();
    let slow = Fake::start(move |request| {
        if first.swap(false, Ordering::SeqCst) {
            std::thread::sleep(Duration::from_secs(12));
        }
        forward(&url, request)
    });
    place.configure(|_, config| config["tsaUrls"][0]["url"] = json!(format!("{}{TSA}", slow.url)));
    place.world.run(&format!("sign-blob {BY} --bundle b.json file")).expect(0);
    place.verify_file("b.json").expect(0);
    assert_eq!(
        (place.services.count(FULCIO), place.services.count(REKOR), place.services.count(TSA)),
        (2, 2, 2)
    );
}

/// Whoever is not on loopback is reached through a proxy here, and the proxy writes down who was asked for.
#[test]
fn nobody_is_told_whom_the_configuration_does_not_name() {
    let mut place = Place::new();
    place.configure(|_, _| {});
    let proxy = Fake::start(|_| Some((403, Vec::new(), Vec::new())));
    let url = proxy.url.clone();
    place.world.env("HTTPS_PROXY", &url).env("HTTP_PROXY", &url);
    place.world.image("fleet", "img");
    for command in [
        "sign --recursive oci:img",
        "attest oci:img --type https://example.com/p --predicate p.json",
        "release oci:testdata/images/fleet --to oci:out",
        "sign-blob file",
        "attest-blob file --type https://example.com/p --predicate p.json",
    ] {
        place.world.run(&format!("{command} {BY}")).expect(0).says("public services");
    }
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    // A log in the trusted root is one to verify with, not one to tell.
    let by = format!(
        "--fulcio-url {0} --timestamp-server-url {0}{TSA} --identity-token token",
        place.services.url
    );
    place.world.run(&format!("sign-blob file {by} --trusted-root public-good")).expect(1);
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    // Named, it is told, and the plan says so first.
    let ran = place.world.run("sign-blob file --signing-config public-good --identity-token token");
    ran.expect(3).says("public services: fulcio.sigstore.dev, rekor.sigstore.dev, timestamp.sigstore.dev");
    let asked: std::collections::BTreeSet<String> = proxy.seen().iter().map(|r| r.target.clone()).collect();
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), ["fulcio.sigstore.dev:443"]);
}

/// Rekor v1 with keys of every kind: files by the hash that the key signs, envelopes whole where the log takes them
/// so, else by their digest. The same where an envelope is large.
#[test]
fn rekor_v1_takes_keys_of_every_kind_and_large_statements() {
    let mut place = Place::new();
    let log = RekorV1::start();
    place.configure_v1(&log);
    place.world.env("SEAWORTHY_PASSWORD", "");
    let flags = format!("--rekor-url {} --trusted-root root.json", log.server.url);
    let large = format!(r#"{{"list":"{}"}}"#, "x".repeat(150 << 10));
    std::fs::write(place.world.path("large.json"), large).unwrap();
    let kind_of = |bundle: &Value| {
        let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
        entry["kindVersion"]["kind"].as_str().unwrap().to_owned()
    };
    for (kind, whole) in [
        ("p256", "dsse"),
        ("rsa-2048", "dsse"),
        ("p384", "hashedrekord"),
        ("p521", "hashedrekord"),
        ("ed25519", "hashedrekord"),
    ] {
        place.world.image("harbor", kind);
        place.world.run(&format!("keygen --type {kind} --output-key-prefix key-{kind}")).expect(0);
        let by = format!("--key key-{kind}.key {flags}");
        let verify = |bundle: &str| {
            place.world.run(&format!(
                "--offline verify-blob --bundle {bundle} --key key-{kind}.pub --trusted-root root.json file"
            ))
        };
        place.world.run(&format!("sign-blob {by} --bundle {kind}.json file")).expect(0);
        verify(&format!("{kind}.json")).expect(0).says("held by a transparency log");
        for (predicate, expected) in [("p.json", whole), ("large.json", "hashedrekord")] {
            place
                .world
                .run(&format!("attest-blob {by} --predicate {predicate} --bundle {kind}.att file"))
                .expect(0);
            verify(&format!("{kind}.att")).expect(0).says("held by a transparency log");
            assert_eq!(kind_of(&place.bundle(&format!("{kind}.att"))), expected, "{kind} {predicate}");
        }
        let image = format!("oci:{kind}");
        for form in ["bundle", "legacy"] {
            let sign = format!("sign {image} {by} --signature-format {form}");
            place.world.run(&sign).expect(0).says("added");
            place.world.run(&sign).expect(0).says("present");
            let attest = format!(
                "attest {image} {by} --signature-format {form} --type https://example.com/{form} --predicate large.json"
            );
            place.world.run(&attest).expect(0).says("added");
            let key = format!("--key key-{kind}.pub --trusted-root root.json");
            place
                .world
                .run(&format!("verify {image} {key} --offline --type https://example.com/{form}"))
                .expect(0);
        }
    }
    // With an identity as well.
    place.world.run(&format!("attest-blob {BY} --predicate large.json --bundle who.att file")).expect(0);
    place.verify_file("who.att").expect(0);
}

/// The same signature, logged here and not there: a copy completes what is there, and takes nothing away.
#[test]
fn a_copy_completes_a_signature_of_the_older_form() {
    let place = Place::new();
    let log = RekorV1::start();
    place.configure_v1(&log);
    let form = "--key testdata/keys/demo.key --signature-format legacy --sign-container-identity registry.example/app";
    for image in ["logged", "plain", "there"] {
        place.world.image("harbor", image);
        let logged = format!("--rekor-url {} --trusted-root root.json", log.server.url);
        let how = if image == "logged" { logged.as_str() } else { "" };
        place.world.run(&format!("sign oci:{image} {form} {how}")).expect(0).says("added");
    }
    let verify = |code: i32| {
        place
            .world
            .run("verify oci:there --key testdata/keys/demo.pub --trusted-root root.json --offline")
            .expect(code);
    };
    verify(1);
    let change = |from: &str| {
        let copied = place.world.run(&format!("copy oci:{from} oci:there --output json")).expect(0).json();
        let changes = copied["evidence"].as_array().unwrap().clone();
        assert_eq!(changes.len(), 1, "{changes:?}");
        changes[0]["change"].as_str().unwrap().to_owned()
    };
    assert_eq!(change("logged"), "merged");
    verify(0);
    assert_eq!(change("logged"), "already-there");
    assert_eq!(change("plain"), "already-there");
    verify(0);
    let tree = place.world.run("tree oci:there --output json").expect(0).json();
    assert_eq!(tree["subjects"][0]["evidence"].as_array().unwrap().len(), 1);
}
