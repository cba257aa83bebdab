//! The cases of the public conformance suite (tests/conformance/README.md) of which no recorded bundle is at hand, by
//! bundles that we made.

use crate::forge::{By, Forge, Form, Leaf, Log, Order, SIGNED_AT, Stamper, b64, sha256};
use crate::lab::{Key, SLSA, now, pae, statement};
use crate::sigstore::{FILE, ask, no, workflow, yes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_oci::Digest;
use seaworthy_verifier::{Artifact, Decision, Refusal, Trust, verify_blob};
use serde_json::{Value, json};

fn decoded(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// v0.1 and v0.2 have a chain, v0.3 a certificate; v0.1 a promise, the others a proof of inclusion.
#[test]
fn bundles_of_each_version() {
    let forge = Forge::new();
    let good = Order::new(&forge).message(FILE);
    let with = |media_type: &str, chain: bool, dropped: &[&str]| {
        let mut bundle = good.clone();
        bundle["mediaType"] = media_type.into();
        let material = bundle["verificationMaterial"].as_object_mut().unwrap();
        if chain {
            let leaf = material.remove("certificate").unwrap();
            material.insert("x509CertificateChain".into(), json!({ "certificates": [leaf] }));
        }
        let entry = bundle["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap();
        dropped.iter().for_each(|name| drop(entry.remove(*name)));
        bundle
    };
    let old = "application/vnd.dev.sigstore.bundle+json;version=";
    let new = "application/vnd.dev.sigstore.bundle.v0.3+json";
    for bundle in [
        with(&format!("{old}0.1"), true, &[]),
        with(&format!("{old}0.1"), true, &["inclusionProof"]),
        with(&format!("{old}0.2"), true, &[]),
        with(&format!("{old}0.2"), true, &["inclusionPromise"]),
        with(&format!("{old}0.3"), false, &[]),
        with(new, false, &[]),
        with(new, false, &["inclusionPromise"]),
    ] {
        yes(&bundle, &workflow(&forge));
    }
    for bundle in [
        with(&format!("{old}0.1"), true, &["inclusionPromise"]),
        with(&format!("{old}0.2"), true, &["inclusionProof"]),
        with(new, false, &["inclusionProof"]),
        with(new, true, &[]),
        with("application/vnd.dev.sigstore.bundle+json;version=0.4", false, &[]),
        with("application/vnd.dev.sigstore.bundle.v0.4+json", false, &[]),
        with("", false, &[]),
    ] {
        no(&bundle, &workflow(&forge), Refusal::EvidenceMalformed, "");
    }
    no(
        &with(new, false, &["inclusionProof", "inclusionPromise"]),
        &workflow(&forge),
        Refusal::LogEntryInvalid,
        "",
    );
}

#[test]
fn bundles_that_are_none() {
    let forge = Forge::new();
    let good = Order::new(&forge).message(FILE);
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut bundle = good.clone();
        change(&mut bundle);
        no(&bundle, &workflow(&forge), Refusal::EvidenceMalformed, "");
    };
    broken(&|b| b["messageSignature"]["signature"] = "not base64!".into());
    broken(&|b| b["messageSignature"]["signature"] = json!(17));
    broken(&|b| b["verificationMaterial"]["tlogEntries"][0]["logIndex"] = "-1".into());
    broken(&|b| b["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["logIndex"] = "-1".into());
    broken(&|b| b["verificationMaterial"]["tlogEntries"][0]["kindVersion"]["kind"] = "other".into());
    broken(&|b| {
        b["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1".into();
        b["verificationMaterial"].as_object_mut().unwrap().remove("certificate");
        b["verificationMaterial"]["x509CertificateChain"] = json!({ "certificates": [] });
    });
    let artifact = Artifact::digest(&Digest::sha256(FILE));
    let text = good.to_string();
    for cut in ["", "{", &text[..text.len() - 1], &format!("{text}}}"), "null", "[]", "\u{feff}{}"] {
        let verdict = verify_blob(cut.as_bytes(), &artifact, &workflow(&forge), now()).unwrap();
        assert_eq!(verdict.decision, Decision::Deny);
        assert_eq!(verdict.refusals[0].code, Refusal::EvidenceMalformed, "{cut}");
    }
}

/// Which roots count is not for a bundle to say: one that brings a root is refused, whosever it is.
#[test]
fn a_root_in_the_bundle() {
    let forge = Forge::new();
    for media_type in ["0.1", "0.2"] {
        let mut bundle = Order::new(&forge).message(FILE);
        bundle["mediaType"] = format!("application/vnd.dev.sigstore.bundle+json;version={media_type}").into();
        let material = bundle["verificationMaterial"].as_object_mut().unwrap();
        let leaf = material.remove("certificate").unwrap();
        let rest = [&forge.intermediate, &forge.root].map(|c| json!({ "rawBytes": b64(&c.der) }));
        let chain = json!({ "certificates": [leaf, rest[0], rest[1]] });
        material.insert("x509CertificateChain".into(), chain);
        no(&bundle, &workflow(&forge), Refusal::EvidenceMalformed, "a root certificate");
        let certificates = &mut bundle["verificationMaterial"]["x509CertificateChain"]["certificates"];
        certificates.as_array_mut().unwrap().pop();
        yes(&bundle, &workflow(&forge));
    }
}

#[test]
fn certificate_proofs_with_extensions() {
    let forge = Forge::new();
    let leaf = Leaf { proof_extensions: vec![0, 0, 5, 1, 2, 3, 4, 5], ..Leaf::default() };
    yes(&Order { leaf, ..Order::new(&forge) }.message(FILE), &workflow(&forge));
    let mut other = forge.clone();
    other.certificate_log = Key::new(77);
    no(&Order::new(&other).message(FILE), &workflow(&forge), Refusal::CertificateInvalid, "SCT");
}

/// Signed notes: any number of signatures in any order, one of them by the log.
#[test]
fn checkpoints() {
    let forge = Forge::new();
    let log = &forge.logs[0];
    let witness = |seed: u8| Log::new(seed, &format!("https://witness-{seed}.example"));
    let twin = Log { key: Key::new(140), ..log.clone() };
    for form in [Form::Hashed, Form::V2] {
        let good = Order { log_form: form, ..Order::new(&forge) }.message(FILE);
        let proof = good["verificationMaterial"]["tlogEntries"][0]["inclusionProof"].clone();
        let note = proof["checkpoint"]["envelope"].as_str().unwrap().to_owned();
        let (text, _) = note.split_once("\n\n").unwrap();
        let text = format!("{text}\n");
        let lines: Vec<&str> = text.lines().collect();
        let with = |note: String| {
            let mut bundle = good.clone();
            bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]["envelope"] =
                note.into();
            bundle
        };
        let signed = |text: &str, by: &[&Log]| {
            format!("{text}\n{}", by.iter().map(|log| log.note_line(text)).collect::<String>())
        };
        let (one, two) = (witness(141), witness(142));
        for by in [&[log, &one][..], &[&one, log], &[log, &one, &two], &[&twin, log], &[log, &twin, &one]] {
            yes(&with(signed(&text, by)), &workflow(&forge));
        }
        // Extension lines are signed as well.
        yes(&with(signed(&format!("{text}an extension\n"), &[log])), &workflow(&forge));
        let hint = log.note_line(&text).replacen(&b64(&log.id()[..3]), &b64(&twin.id()[..3]), 1);
        assert_ne!(hint, log.note_line(&text));
        let other_root = b64(sha256(b"another root"));
        for (what, note) in [
            ("no signature", format!("{text}\n")),
            ("signatures of others", signed(&text, &[&one, &two])),
            ("the log's name and another key", signed(&text, &[&twin])),
            ("another hint", format!("{text}\n{hint}")),
            ("a signature over something else", format!("{text}\n{}", log.note_line("something else\n"))),
            ("no origin", signed(&format!("{}\n{}\n", lines[1], lines[2]), &[log])),
            ("no size", signed(&format!("{}\n{}\n", lines[0], lines[2]), &[log])),
            ("no root", signed(&format!("{}\n{}\n", lines[0], lines[1]), &[log])),
            ("another root", signed(&format!("{}\n{}\n{other_root}\n", lines[0], lines[1]), &[log])),
            ("nothing", String::new()),
        ] {
            assert!(ask(&with(note), &workflow(&forge)).is_err(), "{what}");
        }
        let mut hashes = good.clone();
        hashes["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["hashes"] =
            json!([b64(sha256(b"another path"))]);
        no(&hashes, &workflow(&forge), Refusal::LogEntryInvalid, "inclusion proof");
        let mut none = good.clone();
        none["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap().remove("inclusionProof");
        assert!(ask(&none, &workflow(&forge)).is_err());
    }
}

#[test]
fn statements_of_no_type() {
    let forge = Forge::new();
    let good: Value = serde_json::from_slice(&statement(&Digest::sha256(FILE), SLSA, json!({}))).unwrap();
    let asked = |change: &dyn Fn(&mut Value)| {
        let mut statement = good.clone();
        change(&mut statement);
        ask(&Order::new(&forge).envelope(statement.to_string().as_bytes()), &workflow(&forge))
    };
    assert!(asked(&|_| {}).is_ok());
    for refused in [
        asked(&|s| drop(s.as_object_mut().unwrap().remove("_type"))),
        asked(&|s| s["_type"] = "https://in-toto.io/Statement/v2".into()),
        asked(&|s| s["_type"] = "".into()),
        asked(&|s| s["subject"] = json!([])),
        asked(&|s| drop(s.as_object_mut().unwrap().remove("subject"))),
        asked(&|s| drop(s.as_object_mut().unwrap().remove("predicateType"))),
    ] {
        let (code, message) = refused.unwrap_err();
        assert!(
            [Refusal::StatementMalformed, Refusal::EvidenceMalformed].contains(&code),
            "{code} {message}"
        );
    }
}

/// A log that promises from the future. (The leaf and its authority last until 2030.)
#[test]
fn times_to_come() {
    let forge = Forge::new();
    let leaf = Leaf { until: "2029-12-31T00:00:00Z".into(), ..Leaf::default() };
    let order = Order { leaf, at: "2029-12-30T00:00:00Z".into(), stampers: vec![], ..Order::new(&forge) };
    no(&order.message(FILE), &workflow(&forge), Refusal::LogEntryInvalid, "future");
    let key = Key::new(1).authority("release").logged(forge.trust());
    no(&order.by_key(&Key::new(1), FILE), &key, Refusal::LogEntryInvalid, "future");
}

/// Rekor's older kind for envelopes, whose entry has the payload's hash instead of the payload.
#[test]
fn intoto_entries() {
    let forge = Forge::new();
    let order = || Order { log_form: Form::Intoto, ..Order::new(&forge) };
    let good = order().statement(&Digest::sha256(FILE), SLSA);
    yes(&good, &workflow(&forge));
    let mut promised = good.clone();
    let entry = promised["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap();
    entry.remove("inclusionProof");
    no(&promised, &workflow(&forge), Refusal::EvidenceMalformed, "inclusion proof");
    let payload = decoded(&good["dsseEnvelope"]["payload"]);
    let signature = decoded(&good["dsseEnvelope"]["signatures"][0]["sig"]);
    let signer = forge.certify(&Leaf::default());
    let stranger = forge.certify(&Leaf { issuer: None, ..Leaf::default() });
    let eve = Key::new(79);
    for (what, body) in [
        ("payload", Log::intoto_body(b"{}", &signature, &By::Certificate(&signer.der))),
        ("signature", Log::intoto_body(&payload, &eve.sign(b"x"), &By::Certificate(&signer.der))),
        ("key", Log::intoto_body(&payload, &signature, &By::Key(&eve))),
        ("kind", Log::hashed_body(&sha256(&payload), &signature, &By::Certificate(&signer.der))),
    ] {
        let mut bundle = good.clone();
        bundle["verificationMaterial"]["tlogEntries"] = json!([forge.logs[0].entry(&body, SIGNED_AT)]);
        let (code, message) = ask(&bundle, &workflow(&forge)).expect_err(what);
        assert!(
            code == Refusal::LogEntryInvalid || code == Refusal::SubjectMismatch,
            "{what}: {code} {message}"
        );
    }
    // Another certificate with the same key says another thing about it, and is another certificate.
    assert_ne!(signer.der, stranger.der);
    // By a key.
    let key = Key::new(1);
    let signature = key.sign(&pae(&payload));
    let mut bundle = key.bundle(&payload);
    let body = Log::intoto_body(&payload, &signature, &By::Key(&key));
    bundle["verificationMaterial"]["tlogEntries"] = json!([forge.logs[0].entry(&body, SIGNED_AT)]);
    yes(&bundle, &key.authority("release").logged(forge.trust()));
    no(&bundle, &eve.authority("release").logged(forge.trust()), Refusal::UnknownSigner, "");
}

#[test]
fn rekor_v2_entries_of_envelopes() {
    let forge = Forge::new();
    let good = Order { log_form: Form::V2, ..Order::new(&forge) }.statement(&Digest::sha256(FILE), SLSA);
    let payload = decoded(&good["dsseEnvelope"]["payload"]);
    let signature = decoded(&good["dsseEnvelope"]["signatures"][0]["sig"]);
    let signer = forge.certify(&Leaf::default());
    let eve = Key::new(79);
    for (what, digest, signature, by) in [
        ("payload", sha256(&payload), signature.clone(), By::Certificate(&signer.der)),
        ("signature", sha256(&pae(&payload)), eve.sign(&pae(&payload)), By::Certificate(&signer.der)),
        ("key", sha256(&pae(&payload)), signature.clone(), By::Key(&eve)),
    ] {
        let mut bundle = good.clone();
        let body = Log::v2_body(&digest, &signature, &by);
        bundle["verificationMaterial"]["tlogEntries"] = json!([forge.logs[0].entry(&body, SIGNED_AT)]);
        assert!(ask(&bundle, &workflow(&forge)).is_err(), "{what}");
    }
    let mut wrong = good.clone();
    wrong["dsseEnvelope"]["signatures"][0]["sig"] = b64(eve.sign(&pae(&payload))).into();
    assert!(ask(&wrong, &workflow(&forge)).is_err());
}

#[test]
fn timestamps() {
    let with = |stamper: Stamper| {
        let mut forge = Forge::new();
        forge.stampers[0] = stamper;
        let bundle = Order { log_form: Form::V2, ..Order::new(&forge) }.message(FILE);
        (bundle, forge)
    };
    let url = "https://tsa-a.example";
    let (bundle, forge) = with(Stamper { embeds: true, ..Stamper::new(120, url) });
    yes(&bundle, &workflow(&forge));
    // A certificate that came along makes nobody an authority.
    let (bundle, _) = with(Stamper { embeds: true, ..Stamper::new(160, url) });
    no(&bundle, &workflow(&Forge::new()), Refusal::TimestampMissing, "");
    // The authority's certificate was valid when it stamped, and is over today.
    let (bundle, forge) = with(Stamper::short(120, url, "2026-05-15T00:00:00Z"));
    yes(&bundle, &workflow(&forge));
    let (bundle, forge) = with(Stamper::short(120, url, "2026-04-15T00:00:00Z"));
    no(&bundle, &workflow(&forge), Refusal::TimestampMissing, "");
}

#[test]
fn trusted_roots() {
    let forge = Forge::new();
    let good = forge.trusted_root();
    let load = |change: &dyn Fn(&mut Value)| {
        let mut root = good.clone();
        change(&mut root);
        Trust::from_json(&root.to_string(), "test")
    };
    load(&|_| {}).unwrap();
    for broken in [
        load(&|r| r["tlogs"][0]["publicKey"]["validFor"] = json!({})),
        load(&|r| r["tlogs"][0]["publicKey"]["validFor"] = json!({ "end": SIGNED_AT })),
        load(&|r| r["certificateAuthorities"][0]["validFor"] = json!({ "end": SIGNED_AT })),
        load(&|r| r["certificateAuthorities"][0]["validFor"]["end"] = "2020-01-01T00:00:00Z".into()),
        load(&|r| r["certificateAuthorities"][0]["certChain"]["certificates"] = json!([])),
        load(&|r| r["timestampAuthorities"][1]["certChain"]["certificates"] = json!([])),
        load(&|r| r["tlogs"][1]["logId"] = r["tlogs"][0]["logId"].clone()),
        load(&|r| r["tlogs"][0]["publicKey"]["rawBytes"] = "AAAA".into()),
    ] {
        broken.expect_err("loaded");
    }
    // Another intermediate of the same name, listed first: the issuer is the one that signed, not the namesake.
    let mut root = good.clone();
    let decoy = forge.decoy();
    let authorities = root["certificateAuthorities"].as_array_mut().unwrap();
    authorities.insert(0, decoy);
    let trust = Trust::from_json(&root.to_string(), "decoy").unwrap();
    let identity = seaworthy_verifier::Identity {
        issuer: crate::forge::ISSUER.into(),
        identity: crate::forge::WORKFLOW.into(),
    };
    let authority = seaworthy_verifier::Authority::keyless("ci", identity, trust);
    yes(&Order::new(&forge).message(FILE), &authority);
}
