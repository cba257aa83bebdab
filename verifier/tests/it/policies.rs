//! Policies load or are refused with line and hint (testdata/policies), and mean what they say.

use crate::lab::*;
use seaworthy_verifier::{
    Authority, Decision, Policy, PredicateType, PublicKey, Refusal, Requirement, TrustedKey,
};
use serde_json::json;
use std::path::PathBuf;

fn files(dir: &str) -> Vec<PathBuf> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/policies")).join(dir);
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

#[test]
fn good_policies_load() {
    for path in files("good") {
        let policies = Policy::load(&path, now()).unwrap_or_else(|e| panic!("{e}"));
        for policy in policies {
            assert!(!policy.summary().is_empty());
            assert!(!policy.authorities().is_empty() || policy.summary() == ["nothing"]);
        }
    }
}

/// Each file says in its first line what is wrong with it, and in which line of the rest.
#[test]
fn bad_policies_are_refused_with_line_and_hint() {
    let mut wrong = Vec::new();
    for path in files("bad") {
        let text = std::fs::read_to_string(&path).unwrap();
        let expect = text.lines().next().unwrap().strip_prefix("# expect: ").unwrap();
        let (line, words) = expect.split_once(':').unwrap();
        let shown = path.file_name().unwrap().to_string_lossy().into_owned();
        let Err(error) = Policy::load(&path, now()) else {
            wrong.push(format!("{shown}: loaded"));
            continue;
        };
        let good = error.problems.iter().any(|p| {
            p.message.contains(words.trim())
                && p.line.is_some_and(|l| l.to_string() == line)
                && p.hint.as_ref().is_some_and(|h| !h.is_empty())
        });
        if !good {
            wrong.push(format!("{shown}: expected {expect}\n{error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn all_problems_are_told_at_once() {
    let error = try_policy("images: []\nauthorities: []\nsignatures: [{by: [nobody]}, {}]", &[]).unwrap_err();
    assert_eq!(error.problems.len(), 3, "{error}");
    assert!(error.to_string().contains(":6:"), "{error}");
}

#[test]
fn several_documents_and_names() {
    let text = std::fs::read_to_string(&files("good")[1]).unwrap();
    let two = format!("{text}---\n{}", text.replace("name: minimal", "name: other"));
    assert_eq!(Policy::parse(&two, &files("good")[1], now()).unwrap().len(), 2);
    let twice = format!("{text}---\n{text}");
    let error = Policy::parse(&twice, &files("good")[1], now()).unwrap_err();
    assert!(error.to_string().contains("two policies have the name 'minimal'"), "{error}");
    assert!(Policy::parse("", &files("good")[1], now()).is_err());
    assert!(Policy::parse("# nothing\n", &files("good")[1], now()).is_err());
}

/// B11: weak and foreign algorithms are refused by name when a key is loaded.
#[test]
fn b11_keys_by_algorithm() {
    let refused = |spki: &[u8]| PublicKey::from_spki(spki).unwrap_err();
    let hex = |text: &str| hex::decode(text.replace([' ', '\n'], "")).unwrap();
    // RSA with 1024 bits: SEQUENCE { rsaEncryption, NULL }, BIT STRING { SEQUENCE { n, 65537 } }.
    let rsa = hex(&format!(
        "30819f300d06092a864886f70d010101050003818d0030818902818100c{}0203010001",
        "1".repeat(255)
    ));
    assert!(refused(&rsa).contains("RSA keys (1024 bits) are not accepted"), "{}", refused(&rsa));
    let curve = |oid: &str, point: usize| {
        let algorithm = format!("06072a8648ce3d0201{oid}");
        let algorithm = format!("30{:02x}{algorithm}", algorithm.len() / 2);
        let bits = format!("03{:02x}0004{}", point + 2, "11".repeat(point));
        hex(&format!("30{:02x}{algorithm}{bits}", (algorithm.len() + bits.len()) / 2))
    };
    assert!(refused(&curve("06052b81040021", 56)).contains("P-224 keys are not accepted"));
    assert!(refused(&curve("06052b8104000a", 64)).contains("secp256k1 keys are not accepted"));
    assert!(refused(&curve("06082a8648ce3d030107", 64)).contains("not a point"));
    assert!(refused(b"garbage").contains("not a DER public key"));
    // Ed25519, the identity point: of small order.
    let weak = hex(&format!("302a300506032b657003210001{}", "00".repeat(31)));
    assert!(refused(&weak).contains("weak"), "{}", refused(&weak));
    let pem = Key::new(1).pem();
    assert!(PublicKey::from_pem(&pem).is_ok());
    assert!(PublicKey::from_pem(&format!("{pem}{pem}")).unwrap_err().contains("not one PEM block"));
    assert!(PublicKey::from_pem(&pem.replace("PUBLIC", "PRIVATE")).unwrap_err().contains("private key"));
}

/// B03 for keys: the window holds at the time of judging where no trusted time of signing exists.
#[test]
fn b03_keys_have_their_time() {
    let key = Key::new(1);
    let judge = |before: Option<&str>, after: Option<&str>| {
        let trusted = TrustedKey {
            key: PublicKey::from_pem(&key.pem()).unwrap(),
            not_before: before.map(|t| t.parse().unwrap()),
            not_after: after.map(|t| t.parse().unwrap()),
        };
        let authority = Authority::keys("release", vec![trusted], None);
        let policy = Policy::require(vec![authority], &[Requirement::Signature]).unwrap();
        let mut lab = Lab::new();
        let image = lab.image("amd64");
        lab.attach(&image, &key.bundle(&statement(&image.digest, SIGN, json!({}))));
        lab.judge(&image, policy).unwrap()
    };
    assert_eq!(judge(Some("2026-06-01T12:00:00Z"), Some("2026-06-01T12:00:00Z")).decision, Decision::Allow);
    for verdict in [judge(Some("2026-06-01T12:00:01Z"), None), judge(None, Some("2026-06-01T11:59:59Z"))] {
        assert_eq!(verdict.decision, Decision::Deny);
        assert!(verdict.has(Refusal::KeyOutsideValidity), "{verdict:#?}");
    }
}

/// An authority that asks for a log is not content with a bare signature.
#[test]
fn an_asked_for_log_entry_is_needed() {
    let key = Key::new(1);
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/policies/trusted_root.json"));
    let text = format!(
        "images: ['**']\nauthorities: [{{name: release, keys: [{{path: release.pub}}], transparencyLog: {{trustedRoot: {}}}}}]\nsignatures: [{{by: [release]}}]",
        root.display()
    );
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    lab.attach(&image, &key.bundle(&statement(&image.digest, SIGN, json!({}))));
    let verdict = lab.judge(&image, policy(&text, &[("release", &key)])).unwrap();
    assert!(verdict.has(Refusal::LogEntryMissing), "{verdict:#?}");
}

#[test]
fn flags_make_a_policy() {
    let authority = || Key::new(1).authority("k");
    assert!(Policy::require(vec![], &[Requirement::Signature]).is_err());
    assert!(Policy::require(vec![authority()], &[]).is_err());
    assert!(Policy::require(vec![authority(), authority()], &[Requirement::Signature]).is_err());
    let attested = [Requirement::Attestation(PredicateType::Vuln)];
    let policy = Policy::require(vec![authority()], &attested).unwrap();
    assert_eq!(policy.summary(), ["attestation vuln by k"]);
}

/// Ed25519 signatures count like P-256 ones.
#[test]
fn ed25519_signatures() {
    use ed25519_dalek::Signer as _;
    use ed25519_dalek::pkcs8::EncodePublicKey as _;
    let key = ed25519_dalek::SigningKey::from_bytes(&[3; 32]);
    let spki = key.verifying_key().to_public_key_der().unwrap();
    let public = PublicKey::from_spki(spki.as_bytes()).unwrap();
    let hint = public.hint();
    let authority =
        Authority::keys("release", vec![TrustedKey { key: public, not_before: None, not_after: None }], None);
    let policy = Policy::require(vec![authority], &[Requirement::Signature]).unwrap();
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let payload = statement(&image.digest, SIGN, json!({}));
    let mut signature = key.sign(&pae(&payload)).to_bytes();
    lab.attach(&image, &bundle(&payload, &signature, &hint));
    assert_eq!(lab.judge(&image, policy.clone()).unwrap().decision, Decision::Allow);
    signature[40] ^= 1;
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    lab.attach(&image, &bundle(&payload, &signature, &hint));
    assert!(lab.judge(&image, policy).unwrap().has(Refusal::SignatureInvalid));
}

/// A policy with conditions means nothing to a build without the language: it is refused, and says what helps.
#[cfg(not(feature = "cel"))]
#[test]
fn without_the_feature_conditions_are_refused() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/policies/cel/conditions.yaml");
    let error = Policy::load(std::path::Path::new(path), now()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("built without conditions") && text.contains("feature cel"), "{text}");
    assert!(error.problems.iter().all(|p| p.line.is_some()), "{text}");
}
