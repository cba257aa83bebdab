//! Hostile inputs, each built from a good one: the verdict, the code and the words are asserted.

use crate::lab::*;
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::{Descriptor, Digest, ErrorKind};
use seaworthy_verifier::{Decision, Explanation, Platforms, Policy, Refusal, Requirement, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SIGNED: &str = "images: ['**']\nauthorities: [{name: release, keys: [{path: release.pub}]}]\nsignatures: [{by: [release]}]";

fn signed_policy() -> Policy {
    policy(SIGNED, &[("release", &Key::new(1))])
}

fn good() -> (Lab, Descriptor) {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, SIGN, json!({}))));
    (lab, image)
}

/// The image of a lab with one attached bundle that `make` builds for it.
fn with_bundle(make: impl FnOnce(&Descriptor) -> Value) -> Verdict {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let bundle = make(&image);
    lab.attach(&image, &bundle);
    lab.judge(&image, signed_policy()).unwrap()
}

#[track_caller]
fn denied(verdict: &Verdict, code: Refusal, words: &str) {
    assert_eq!(verdict.decision, Decision::Deny, "{verdict:#?}");
    let all = verdict.explanations();
    let found: Vec<&&Explanation> = all.iter().filter(|e| e.code == code).collect();
    assert!(!found.is_empty(), "no {code} in {verdict:#?}");
    assert!(found.iter().any(|e| e.message.contains(words)), "'{words}' not in {found:#?}");
    assert_eq!(verdict.exit_code(), 1);
}

#[test]
fn a_good_signature_is_a_yes() {
    let (lab, image) = good();
    let verdict = lab.judge(&image, signed_policy()).unwrap();
    assert_eq!(verdict.decision, Decision::Allow, "{verdict:#?}");
    assert_eq!(verdict.digest, image.digest.to_string());
    assert_eq!(verdict.policies[0].subjects[0].requirements[0].signers[0].authority, "release");
    // A second judgement asks again: nothing is remembered by tag or by digest (A01).
    let before = lab.requests.load(std::sync::atomic::Ordering::Relaxed);
    lab.judge(&image, signed_policy()).unwrap();
    assert_eq!(lab.requests.load(std::sync::atomic::Ordering::Relaxed), 2 * before);
}

#[test]
fn no_signature_at_all() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    denied(
        &lab.judge(&image, signed_policy()).unwrap(),
        Refusal::SignatureMissing,
        "no signature on sha256:",
    );
}

#[test]
fn another_key() {
    let verdict = with_bundle(|image| Key::new(2).bundle(&statement(&image.digest, SIGN, json!({}))));
    denied(&verdict, Refusal::SignatureUntrusted, "no valid signature by release");
    denied(&verdict, Refusal::UnknownSigner, "not signed by a key of authority 'release'");
}

/// A01: the tag moved to an unsigned image; the digest is judged, not the tag.
#[test]
fn a01_the_tag_moved() {
    let (mut lab, image) = good();
    assert_eq!(lab.judge(&image, signed_policy()).unwrap().decision, Decision::Allow);
    let other = lab.image("arm64");
    lab.tag("1".into(), &other);
    denied(&lab.judge(&other, signed_policy()).unwrap(), Refusal::SignatureMissing, "no signature");
}

/// A02, A03: a body whose digest is not the one asked for.
#[test]
fn a03_other_bytes_than_asked_for() {
    let (mut lab, image) = good();
    let evil = json!({ "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [] }).to_string();
    lab.lie_about(&image.digest, evil.as_bytes());
    let error = lab.judge(&image, signed_policy()).unwrap_err();
    assert_eq!(error.exit_code(), 4);
    assert!(error.to_string().contains("wrong content"), "{error}");
}

/// A03 for evidence: one byte of the stored bundle differs.
#[test]
fn a03_altered_evidence() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let bundle = Key::new(1).bundle(&statement(&image.digest, SIGN, json!({})));
    let digest = lab.attach(&image, &bundle);
    let mut bytes = bundle.to_string().into_bytes();
    let last = bytes.len() - 10;
    bytes[last] ^= 1;
    lab.lie_about(&digest, &bytes);
    denied(&lab.judge(&image, signed_policy()).unwrap(), Refusal::EvidenceAltered, "wrong content");
}

#[test]
fn evidence_that_is_listed_and_not_there() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let digest = lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, SIGN, json!({}))));
    lab.remove(&digest);
    denied(&lab.judge(&image, signed_policy()).unwrap(), Refusal::EvidenceMissing, "not found");
}

/// A04: a good bundle of another digest under our referrers.
#[test]
fn a04_bundle_for_another_digest() {
    let other = Digest::sha256(b"another image");
    let verdict = with_bundle(|_| Key::new(1).bundle(&statement(&other, SIGN, json!({}))));
    denied(&verdict, Refusal::SubjectMismatch, &format!("signed for sha256:{}", other.hex()));
}

/// A05: a manifest that could be read in two ways is broken input, not an image.
#[test]
fn a05_ambiguous_manifest() {
    let (mut lab, good) = good();
    for (body, words) in [
        (
            json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": good, "layers": [], "manifests": []}),
            "ambiguous",
        ),
        (
            json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "layers": [], "manifests": []}),
            "ambiguous",
        ),
        (json!({"schemaVersion": 1, "mediaType": media_type::INDEX, "manifests": []}), "schemaVersion"),
    ] {
        let image = lab.manifest(&body);
        let error = lab.judge(&image, signed_policy()).unwrap_err();
        assert_eq!(error.exit_code(), 4, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

fn sign_all(lab: &mut Lab, subject: &Descriptor) {
    lab.attach(subject, &Key::new(1).bundle(&statement(&subject.digest, SIGN, json!({}))));
}

/// A07: the signature of an index covers its children by digest, and a child alone needs its own.
#[test]
fn a07_children_of_a_signed_index() {
    let mut lab = Lab::new();
    let (amd, arm) = (lab.image("amd64"), lab.image("arm64"));
    let index = lab.index(&[("linux/amd64", &amd), ("linux/arm64", &arm)]);
    sign_all(&mut lab, &index);
    let verdict = lab.judge(&index, signed_policy()).unwrap();
    assert_eq!(verdict.decision, Decision::Allow, "{verdict:#?}");
    assert_eq!(verdict.policies[0].subjects.len(), 3);
    denied(&lab.judge(&amd, signed_policy()).unwrap(), Refusal::SignatureMissing, "no signature");
    // Swapped: the place answers with other bytes for the child's digest.
    lab.lie_about(
        &arm.digest,
        br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
    );
    assert!(lab.judge(&index, signed_policy()).unwrap_err().to_string().contains("wrong content"));
    lab.remove(&arm.digest);
    denied(&lab.judge(&index, signed_policy()).unwrap(), Refusal::ChildMissing, "not there");
}

#[test]
fn a07_nested_and_endless_indexes() {
    let mut lab = Lab::new();
    let mut top = lab.image("amd64");
    for _ in 0..3 {
        top = lab.index(&[("linux/amd64", &top)]);
    }
    sign_all(&mut lab, &top);
    assert_eq!(lab.judge(&top, signed_policy()).unwrap().decision, Decision::Allow);
    for _ in 0..47 {
        top = lab.index(&[("linux/amd64", &top)]);
    }
    sign_all(&mut lab, &top);
    denied(&lab.judge(&top, signed_policy()).unwrap(), Refusal::IndexTooDeep, "INDEX_DEPTH");

    let many: Vec<Descriptor> = (0..65).map(|n| lab.image(&format!("arch{n}"))).collect();
    for (count, allowed) in [(64, true), (65, false)] {
        let list: Vec<(&str, &Descriptor)> = many.iter().take(count).map(|d| ("linux/amd64", d)).collect();
        let index = lab.index(&list);
        sign_all(&mut lab, &index);
        let verdict = lab.judge(&index, signed_policy()).unwrap();
        assert_eq!(verdict.decision == Decision::Allow, allowed);
        assert_eq!(verdict.has(Refusal::TooManyPlatforms), !allowed);
    }
    let entry = serde_json::to_value(&many[0]).unwrap();
    let huge = lab.manifest(
        &json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": vec![entry; 10_000]}),
    );
    let error = lab.judge(&huge, signed_policy()).unwrap_err();
    assert!(error.to_string().contains("INDEX_ENTRIES"), "{error}");
}

#[test]
fn platforms_asked_for_must_exist() {
    let mut lab = Lab::new();
    let amd = lab.image("amd64");
    let index = lab.index(&[("linux/amd64", &amd)]);
    sign_all(&mut lab, &index);
    sign_all(&mut lab, &amd);
    let judge = |image, platform: &str| {
        let only = Platforms::Only(vec![platform.parse().unwrap()]);
        lab.judge_with(image, vec![signed_policy()], only).unwrap()
    };
    for image in [&index, &amd] {
        assert_eq!(judge(image, "linux/amd64").decision, Decision::Allow);
        denied(&judge(image, "linux/arm64"), Refusal::PlatformNotFound, "linux/arm64");
    }
    let empty = lab.index(&[]);
    sign_all(&mut lab, &empty);
    denied(&lab.judge(&empty, signed_policy()).unwrap(), Refusal::NoRunnablePlatform, "nothing");
}

/// A08: however the name is spelled, the same policy applies.
#[test]
fn a08_spelling_cannot_dodge_a_policy() {
    let text = SIGNED.replace("**", "docker.io/library/nginx");
    let policy = policy(&text, &[("release", &Key::new(1))]);
    for spelling in [
        "nginx",
        "library/nginx:1",
        "docker.io/nginx",
        "index.docker.io/library/nginx",
        "DOCKER.IO/library/nginx",
        "registry-1.docker.io/library/nginx",
        "docker.io:443/nginx",
        "docker.io./library/nginx",
    ] {
        let name = seaworthy_verifier::ImageName::parse(spelling).unwrap();
        assert!(policy.matches(&name), "{spelling}");
    }
    let other = seaworthy_verifier::ImageName::parse("docker.io/acme/nginx").unwrap();
    assert!(!policy.matches(&other));
}

#[test]
fn what_no_policy_speaks_about_is_denied() {
    let (lab, image) = good();
    let text = SIGNED.replace("**", "registry.example/other/**");
    let verdict = lab.judge(&image, policy(&text, &[("release", &Key::new(1))])).unwrap();
    denied(&verdict, Refusal::NoPolicyMatches, "registry.example/team/app");
}

/// Somebody else's log entry: kind `dsse` over another payload, with a signature of its own.
pub fn foreign_log_entry(payload: &[u8], signature: &[u8], key: &Key) -> Value {
    use base64::Engine as _;
    let b64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let body = json!({
        "apiVersion": "0.0.1", "kind": "dsse",
        "spec": {
            "envelopeHash": { "algorithm": "sha256", "value": Digest::sha256(b"x").hex() },
            "payloadHash": { "algorithm": "sha256", "value": Digest::sha256(payload).hex() },
            "signatures": [{ "signature": b64(signature), "verifier": b64(key.pem().as_bytes()) }],
        },
    });
    json!({
        "logIndex": "1", "logId": { "keyId": b64(&[7; 32]) }, "kindVersion": { "kind": "dsse", "version": "0.0.1" },
        "integratedTime": "1780000000", "inclusionPromise": { "signedEntryTimestamp": b64(b"promise") },
        "canonicalizedBody": b64(body.to_string().as_bytes()),
    })
}

/// B01: a good signature with somebody else's log entry (CVE-2022-36056).
#[test]
fn b01_foreign_log_entry() {
    let key = Key::new(1);
    let with_entry = |payload_in_log: Option<&[u8]>, signature: Option<Vec<u8>>, log_key: Key| {
        with_bundle(|image| {
            let payload = statement(&image.digest, SIGN, json!({}));
            let own = key.sign(&pae(&payload));
            let mut bundle = bundle(&payload, &own, &key.hint());
            let entry =
                foreign_log_entry(payload_in_log.unwrap_or(&payload), &signature.unwrap_or(own), &log_key);
            bundle["verificationMaterial"]["tlogEntries"] = json!([entry]);
            bundle
        })
    };
    let own = with_entry(None, None, Key::new(1));
    assert_eq!(own.decision, Decision::Allow, "an entry that belongs here does no harm: {own:#?}");
    denied(&with_entry(Some(b"other"), None, Key::new(1)), Refusal::LogEntryMismatch, "does not belong");
    denied(&with_entry(None, Some(vec![1, 2, 3]), Key::new(1)), Refusal::LogEntryMismatch, "does not belong");
    denied(&with_entry(None, None, Key::new(2)), Refusal::LogEntryMismatch, "does not belong");
    let garbage = with_bundle(|image| {
        let mut bundle = key.bundle(&statement(&image.digest, SIGN, json!({})));
        bundle["verificationMaterial"]["tlogEntries"] = json!([{}]);
        bundle
    });
    denied(&garbage, Refusal::EvidenceMalformed, "not a sigstore bundle");
}

/// B04: thresholds count distinct signers, however often and under however many names one signs.
#[test]
fn b04_one_signer_counts_once() {
    let (one, two) = (Key::new(1), Key::new(2));
    let text = "images: ['**']\nauthorities:\n- {name: release, keys: [{path: one.pub}]}\n- {name: again, keys: [{path: one.pub}]}\n- {name: security, keys: [{path: two.pub}]}\nsignatures: [{by: [release, again, security], threshold: 2}]";
    let keys = [("one", &one), ("two", &two)];
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    for n in 0..3 {
        lab.attach(&image, &one.bundle(&statement(&image.digest, SIGN, json!({ "n": n }))));
    }
    let verdict = lab.judge(&image, policy(text, &keys)).unwrap();
    denied(&verdict, Refusal::ThresholdNotMet, "1 of 2 distinct signers");
    lab.attach(&image, &two.bundle(&statement(&image.digest, SIGN, json!({}))));
    assert_eq!(lab.judge(&image, policy(text, &keys)).unwrap().decision, Decision::Allow);
}

/// B06: signed by the right key, and no statement.
#[test]
fn b06_payload_is_no_statement() {
    let key = Key::new(1);
    for payload in [
        "no json",
        "[]",
        r#"{"_type":"https://in-toto.io/Statement/v1"}"#,
        r#"{"_type":"https://evil.example/Statement/v1","subject":[],"predicateType":"x"}"#,
    ] {
        let verdict = with_bundle(|_| key.bundle(payload.as_bytes()));
        denied(&verdict, Refusal::StatementMalformed, "no in-toto statement");
    }
    let verdict = with_bundle(|image| {
        let payload = statement(&image.digest, SIGN, json!({}));
        let mut bundle = key.bundle(&payload);
        bundle["dsseEnvelope"]["payloadType"] = "text/plain".into();
        bundle
    });
    denied(&verdict, Refusal::PayloadTypeRefused, "text/plain");
}

/// B08: the exact bytes are verified, not a normal form of them.
#[test]
fn b08_signature_over_a_normal_form() {
    let key = Key::new(1);
    let verdict = with_bundle(|image| {
        let payload = statement(&image.digest, SIGN, json!({}));
        let signature = key.sign(&pae(&payload));
        let spaced = String::from_utf8(payload).unwrap().replace("\":", "\": ");
        bundle(spaced.as_bytes(), &signature, &key.hint())
    });
    denied(&verdict, Refusal::SignatureInvalid, "does not fit");
    // Nor over the bare payload instead of its pre-authentication encoding.
    let verdict = with_bundle(|image| {
        let payload = statement(&image.digest, SIGN, json!({}));
        bundle(&payload, &key.sign(&payload), &key.hint())
    });
    denied(&verdict, Refusal::SignatureInvalid, "does not fit");
}

/// B11: two signatures, of which one is good.
#[test]
fn b11_exactly_one_signature() {
    for (count, code) in [(0, Refusal::SignatureCount), (2, Refusal::SignatureCount)] {
        let verdict = with_bundle(|image| {
            let mut bundle = Key::new(1).bundle(&statement(&image.digest, SIGN, json!({})));
            let one = bundle["dsseEnvelope"]["signatures"][0].clone();
            bundle["dsseEnvelope"]["signatures"] = vec![one; count].into();
            bundle
        });
        denied(&verdict, code, &format!("{count} signatures"));
    }
}

/// B11: the algorithm is the key's; a signature in another form is no signature.
#[test]
fn b11_other_encodings_of_the_signature() {
    let key = Key::new(1);
    let verdict = with_bundle(|image| {
        let payload = statement(&image.digest, SIGN, json!({}));
        let mut der = key.sign(&pae(&payload));
        der.push(0);
        bundle(&payload, &der, &key.hint())
    });
    denied(&verdict, Refusal::SignatureInvalid, "does not fit");
}

/// B12: a signature requirement is met by a signature alone, an attestation requirement by its type alone.
#[test]
fn b12_kinds_do_not_stand_in_for_each_other() {
    let key = Key::new(1);
    let attested = "images: ['**']\nauthorities: [{name: release, keys: [{path: release.pub}]}]\nattestations: [{type: slsaprovenance1, by: [release]}]";
    let attested = policy(attested, &[("release", &key)]);
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    lab.attach(&image, &key.bundle(&statement(&image.digest, SPDX, json!({}))));
    let verdict = lab.judge(&image, signed_policy()).unwrap();
    denied(&verdict, Refusal::SignatureMissing, "no signature");
    denied(&verdict, Refusal::OtherKind, "an attestation of type spdx");
    let verdict = lab.judge(&image, attested.clone()).unwrap();
    denied(&verdict, Refusal::AttestationMissing, "no attestation slsaprovenance1");
    lab.attach(&image, &key.bundle(&statement(&image.digest, SIGN, json!({}))));
    denied(&lab.judge(&image, attested.clone()).unwrap(), Refusal::OtherKind, "a signature");
    lab.attach(&image, &key.bundle(&statement(&image.digest, SLSA, json!({}))));
    assert_eq!(lab.judge(&image, attested).unwrap().decision, Decision::Allow);
}

/// B12 by annotation: what a listing or a layer claims about itself decides nothing.
#[test]
fn b12_annotations_do_not_make_an_attestation() {
    let key = Key::new(1);
    let attested = "images: ['**']\nauthorities: [{name: release, keys: [{path: release.pub}]}]\nattestations: [{type: spdx, by: [release]}]";
    let attested = policy(attested, &[("release", &key)]);
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let bundle = key.bundle(&statement(&image.digest, SIGN, json!({})));
    lab.attach_bytes(&image, bundle.to_string().as_bytes(), Some(SPDX));
    let payload = simple_signing(&image.digest);
    let mut annotations = legacy_annotations(&key, &payload);
    annotations.insert("predicateType".into(), SPDX.into());
    lab.legacy(&image.digest, ".sig", &[(SIMPLE, payload, annotations)]);
    let verdict = lab.judge(&image, attested).unwrap();
    denied(&verdict, Refusal::AttestationMissing, "no attestation spdx");
    assert_eq!(lab.judge(&image, signed_policy()).unwrap().decision, Decision::Allow);
}

pub const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

pub fn simple_signing(digest: &Digest) -> Vec<u8> {
    format!(r#"{{"critical":{{"identity":{{"docker-reference":"r.example/a"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#).into_bytes()
}

pub fn legacy_annotations(key: &Key, payload: &[u8]) -> BTreeMap<String, String> {
    use base64::Engine as _;
    let signature = base64::engine::general_purpose::STANDARD.encode(key.sign(payload));
    BTreeMap::from([("dev.cosignproject.cosign/signature".into(), signature)])
}

type Layer = (&'static str, Vec<u8>, BTreeMap<String, String>);

#[test]
fn legacy_signatures_are_judged_like_the_others() {
    let (key, other) = (Key::new(1), Digest::sha256(b"other"));
    let judge = |layers: &dyn Fn(&Digest) -> Layer| {
        let mut lab = Lab::new();
        let image = lab.image("amd64");
        lab.legacy(&image.digest, ".sig", &[layers(&image.digest)]);
        lab.judge(&image, signed_policy()).unwrap()
    };
    let good = judge(&|d| (SIMPLE, simple_signing(d), legacy_annotations(&key, &simple_signing(d))));
    assert_eq!(good.decision, Decision::Allow, "{good:#?}");
    let wrong_digest =
        judge(&|_| (SIMPLE, simple_signing(&other), legacy_annotations(&key, &simple_signing(&other))));
    denied(&wrong_digest, Refusal::SubjectMismatch, "signed for");
    let other_key =
        judge(&|d| (SIMPLE, simple_signing(d), legacy_annotations(&Key::new(2), &simple_signing(d))));
    denied(&other_key, Refusal::UnknownSigner, "not signed by a key");
    let unsigned = judge(&|d| (SIMPLE, simple_signing(d), BTreeMap::new()));
    denied(&unsigned, Refusal::SignatureCount, "no signature annotation");
    let no_payload = judge(&|_| (SIMPLE, b"{}".to_vec(), legacy_annotations(&key, b"{}")));
    denied(&no_payload, Refusal::LegacyPayloadMalformed, "no cosign signature");
    let huge = judge(&|_| (SIMPLE, vec![b' '; (64 << 10) + 1], legacy_annotations(&key, b"")));
    denied(&huge, Refusal::EvidenceTooLarge, "SIMPLE_SIGNING_BYTES");
}

/// B01 for the legacy form: the log entry in the annotation is somebody else's.
#[test]
fn b01_foreign_log_entry_in_annotations() {
    use base64::Engine as _;
    let b64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let key = Key::new(1);
    let judge = |hash_of: Option<&[u8]>| {
        let mut lab = Lab::new();
        let image = lab.image("amd64");
        let payload = simple_signing(&image.digest);
        let mut annotations = legacy_annotations(&key, &payload);
        let body = json!({
            "apiVersion": "0.0.1", "kind": "hashedrekord",
            "spec": {
                "data": { "hash": { "algorithm": "sha256", "value": Digest::sha256(hash_of.unwrap_or(&payload)).hex() } },
                "signature": {
                    "content": annotations["dev.cosignproject.cosign/signature"],
                    "publicKey": { "content": b64(key.pem().as_bytes()) },
                },
            },
        });
        let entry = json!({
            "SignedEntryTimestamp": b64(b"promise"),
            "Payload": { "body": b64(body.to_string().as_bytes()), "integratedTime": 1_780_000_000, "logIndex": 5, "logID": "07".repeat(32) },
        });
        annotations.insert("dev.sigstore.cosign/bundle".into(), entry.to_string());
        lab.legacy(&image.digest, ".sig", &[(SIMPLE, payload, annotations)]);
        lab.judge(&image, signed_policy()).unwrap()
    };
    let own = judge(None);
    assert_eq!(own.decision, Decision::Allow, "{own:#?}");
    denied(&judge(Some(b"other")), Refusal::LogEntryMismatch, "does not belong");
}

/// B13: however evidence is found, the same check judges it.
#[test]
fn b13_forged_evidence_by_every_way() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let forger = Key::new(9);
    let payload = statement(&image.digest, SIGN, json!({}));
    // With the real key's hint, so that only the signature can tell.
    lab.attach(&image, &bundle(&payload, &forger.sign(&pae(&payload)), &Key::new(1).hint()));
    let legacy = simple_signing(&image.digest);
    lab.legacy(&image.digest, ".sig", &[(SIMPLE, legacy.clone(), legacy_annotations(&forger, &legacy))]);
    let envelope =
        bundle(&payload, &forger.sign(&pae(&payload)), "")["dsseEnvelope"].to_string().into_bytes();
    lab.legacy(
        &image.digest,
        ".att",
        &[("application/vnd.dsse.envelope.v1+json", envelope, BTreeMap::new())],
    );
    let verdict = lab.judge(&image, signed_policy()).unwrap();
    denied(&verdict, Refusal::SignatureInvalid, "does not fit");
    denied(&verdict, Refusal::UnknownSigner, "not signed by a key");
    assert_eq!(verdict.policies[0].subjects[0].requirements[0].refusals[0].causes.len(), 3, "{verdict:#?}");
}

/// B15: garbage under the right media types.
#[test]
fn b15_presence_is_no_evidence() {
    for garbage in [&b"garbage"[..], b"", b"{}", b"[1]", b"\xff\xfe", br#"{"mediaType":"x","mediaType":"y"}"#]
    {
        let mut lab = Lab::new();
        let image = lab.image("amd64");
        lab.attach_bytes(&image, garbage, Some(SIGN));
        lab.legacy(
            &image.digest,
            ".att",
            &[("application/vnd.dsse.envelope.v1+json", garbage.to_vec(), BTreeMap::new())],
        );
        denied(
            &lab.judge(&image, signed_policy()).unwrap(),
            Refusal::EvidenceMalformed,
            "not a sigstore bundle",
        );
    }
    // A bundle over a file's bytes says nothing about an image.
    let verdict = with_bundle(|image| {
        let mut bundle = Key::new(1).bundle(&statement(&image.digest, SIGN, json!({})));
        bundle.as_object_mut().unwrap().remove("dsseEnvelope");
        bundle["messageSignature"] = json!({ "signature": "AAAA" });
        bundle
    });
    denied(&verdict, Refusal::NotImageEvidence, "messageSignature");
}

/// An old SBOM tag is seen and never counts.
#[test]
fn unsigned_sboms_are_never_trusted() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    lab.legacy(&image.digest, ".sbom", &[("text/spdx+json", b"{}".to_vec(), BTreeMap::new())]);
    let key = Key::new(1);
    let required = Policy::require(vec![key.authority("release")], &[Requirement::Sbom]).unwrap();
    denied(&lab.judge(&image, required).unwrap(), Refusal::EvidenceUnsigned, "without a signature");
}

/// D01: more evidence than is looked at is an error that names the limit, not a partial judgement.
#[test]
fn d01_too_much_evidence() {
    let (mut lab, image) = good();
    for n in 0..31 {
        lab.attach(&image, &Key::new(5).bundle(&statement(&image.digest, SIGN, json!({ "n": n }))));
    }
    assert_eq!(lab.judge(&image, signed_policy()).unwrap().decision, Decision::Allow);
    lab.attach(&image, &Key::new(5).bundle(b"one more"));
    let error = lab.judge(&image, signed_policy()).unwrap_err();
    assert!(
        error.to_string().contains("33 pieces of evidence, more than the limit EVIDENCE_ITEMS = 32"),
        "{error}"
    );
    assert_eq!(error.exit_code(), 4);

    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let layers = vec![(SIMPLE, b"x".to_vec(), BTreeMap::new()); 33];
    let layers: Vec<_> = layers.into_iter().enumerate().map(|(n, l)| (l.0, vec![b'x'; n + 1], l.2)).collect();
    lab.legacy(&image.digest, ".sig", &layers);
    assert!(lab.judge(&image, signed_policy()).unwrap_err().to_string().contains("EVIDENCE_ITEMS"));
}

/// D02: a claimed size beyond all bounds.
#[test]
fn d02_claimed_sizes() {
    for (size, code) in [
        (u64::MAX, Refusal::EvidenceTooLarge),
        ((48 << 20) + 1, Refusal::EvidenceTooLarge),
        (1, Refusal::EvidenceAltered),
    ] {
        let mut lab = Lab::new();
        let image = lab.image("amd64");
        let mut layer = lab.blob(BUNDLE, b"some bytes");
        layer.size = size;
        let empty = lab.blob(media_type::EMPTY, b"{}");
        let manifest = lab.manifest(&json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "artifactType": BUNDLE, "config": empty,
            "layers": [layer], "subject": image,
        }));
        // Found although the list says nothing of its type.
        lab.list(&image.digest, Descriptor { artifact_type: Some(media_type::EMPTY.into()), ..manifest });
        denied(&lab.judge(&image, signed_policy()).unwrap(), code, "");
    }
}

/// D01, D02: pieces that are small enough each, and too much together.
#[test]
fn d01_too_many_bytes_of_evidence() {
    let judge = |last: u64| {
        let (mut lab, image) = good();
        for (n, size) in [(1, 32 << 20), (2, last)] {
            let layer = Descriptor { size, ..lab.blob(BUNDLE, format!("{n}").as_bytes()) };
            let empty = lab.blob(media_type::EMPTY, b"{}");
            let manifest = lab.manifest(&json!({
                "schemaVersion": 2, "mediaType": media_type::MANIFEST, "artifactType": BUNDLE, "config": empty,
                "layers": [layer], "subject": image,
            }));
            lab.list(&image.digest, Descriptor { artifact_type: Some(BUNDLE.into()), ..manifest });
        }
        lab.judge(&image, signed_policy())
    };
    // The good bundle's own bytes go over the limit in the one case and not in the other.
    assert_eq!(judge((32 << 20) - 4096).unwrap().decision, Decision::Allow);
    let error = judge(32 << 20).unwrap_err();
    assert!(error.to_string().contains("bytes of evidence, more than the limit EVIDENCE_BYTES"), "{error}");
}

/// D01 at the edge: an SBOM in the largest bundle that is read counts, and one in a bundle with a byte more is refused
/// by the name of the limit.
#[test]
fn d01_the_largest_sbom() {
    use seaworthy_verifier::limits::EVIDENCE_ITEM_BYTES;
    let key = Key::new(1);
    let judge = |bytes: usize| {
        let mut lab = Lab::new();
        let found = lab.image("amd64");
        let mut document = spdx("2026-05-01T00:00:00Z", &[("pkg:deb/debian/zlib1g@1.0", "Zlib")]);
        document["comment"] = "x".repeat((EVIDENCE_ITEM_BYTES as usize) / 4 * 3 - (64 << 10)).into();
        let mut bundle = key.bundle(&statement(&found.digest, SPDX, document)).to_string().into_bytes();
        assert!(bundle.len() < bytes && bundle.len() + (128 << 10) > bytes);
        bundle.resize(bytes, b' ');
        lab.attach_bytes(&found, &bundle, Some(SPDX));
        let policy = Policy::require(vec![key.authority("release")], &[Requirement::Sbom]).unwrap();
        lab.judge(&found, policy).unwrap()
    };
    assert_eq!(judge(EVIDENCE_ITEM_BYTES as usize).decision, Decision::Allow);
    denied(&judge(EVIDENCE_ITEM_BYTES as usize + 1), Refusal::EvidenceTooLarge, "EVIDENCE_ITEM_BYTES");
}

/// D03: duplicate keys in signed documents, and nesting without end.
#[test]
fn d03_duplicate_keys_and_depth() {
    let key = Key::new(1);
    let twice = with_bundle(|image| {
        let other = Digest::sha256(b"other");
        let payload = String::from_utf8(statement(&other, SIGN, json!({}))).unwrap();
        let subject = format!(r#"{{"subject":[{{"digest":{{"sha256":"{}"}}}}],"#, image.digest.hex());
        key.bundle(payload.replacen('{', &subject, 1).as_bytes())
    });
    denied(&twice, Refusal::StatementMalformed, "duplicate key");
    let deep = with_bundle(|image| {
        let payload = String::from_utf8(statement(&image.digest, SIGN, json!({}))).unwrap();
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        key.bundle(payload.replace(r#""predicate":{}"#, &format!(r#""predicate":{nested}"#)).as_bytes())
    });
    denied(&deep, Refusal::StatementMalformed, "nested deeper");
}

/// D06: every failure on the way is its own error, and none of them reads as "unsigned".
#[test]
fn d06_failures_are_not_absence() {
    for (kind, exit, words) in [
        (ErrorKind::Throttled { retry_after: None }, 3, "429"),
        (ErrorKind::Server { status: 503 }, 3, "503"),
        (ErrorKind::Forbidden, 3, "403"),
        (ErrorKind::Unreachable("connection reset".into()), 3, "connection reset"),
        (ErrorKind::Unauthorized, 5, "401"),
    ] {
        for ask in [Ask::Referrers, Ask::Tag, Ask::Blob, Ask::Manifest] {
            let (mut lab, image) = good();
            lab.fail(ask, kind.clone());
            let error = lab.judge(&image, signed_policy()).unwrap_err();
            assert_eq!(error.exit_code(), exit, "{ask:?} {kind:?}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

/// B14: every way in which a place can fail, at every question it is asked, ends in a denial or in an error,
/// never in a yes; also for an image whose evidence is good.
#[test]
fn b14_no_failure_is_a_yes() {
    let kinds = [
        ErrorKind::NotFound,
        ErrorKind::Unauthorized,
        ErrorKind::Forbidden,
        ErrorKind::Throttled { retry_after: None },
        ErrorKind::Server { status: 500 },
        ErrorKind::UnexpectedStatus { status: 418 },
        ErrorKind::Unreachable("reset".into()),
        ErrorKind::Timeout { after: std::time::Duration::from_secs(1) },
        ErrorKind::LimitExceeded { limit: "X", value: 1 },
        ErrorKind::DigestMismatch { expected: "a".into(), actual: "b".into() },
        ErrorKind::SizeMismatch { expected: 1, actual: 2 },
        ErrorKind::Malformed("odd".into()),
        ErrorKind::InvalidReference("odd".into()),
        ErrorKind::Ambiguous("odd".into()),
        ErrorKind::Unsupported("odd".into()),
        ErrorKind::Local("disk".into()),
        ErrorKind::Offline,
    ];
    for kind in kinds {
        for ask in [Ask::Referrers, Ask::Blob, Ask::Manifest] {
            let (mut lab, image) = good();
            lab.fail(ask, kind.clone());
            match lab.judge(&image, signed_policy()) {
                Ok(verdict) => assert_eq!(verdict.decision, Decision::Deny, "{ask:?} {kind:?}"),
                Err(error) => assert_ne!(error.exit_code(), 0, "{ask:?} {kind:?}"),
            }
        }
    }
}
