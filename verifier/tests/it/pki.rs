//! A private PKI seen from outside: images and files signed with certificates (testdata/pki).

use crate::lab::{self, Lab, SIGN, now, pae, statement};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::DecodePrivateKey as _;
use seaworthy_oci::{Class, Descriptor};
use seaworthy_verifier::pki::{CertificateAuthorities, CertificateName, Certified};
use seaworthy_verifier::{
    Artifact, Authority, BlobError, Decision, Error, Policy, Refusal, Requirement, Verdict, verify_blob,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/pki")).join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap()
}

fn der(name: &str) -> String {
    text(name).lines().filter(|l| !l.starts_with("-----")).collect()
}

fn certified(roots: &[&str], intermediates: &[&str], crls: &[&str], name: &str) -> Certified {
    let mut builder = CertificateAuthorities::builder();
    roots.iter().for_each(|f| builder.roots(&file(f)).unwrap());
    intermediates.iter().for_each(|f| builder.intermediates(&file(f)).unwrap());
    crls.iter().for_each(|f| builder.crls(&file(f)).unwrap());
    assert_eq!(builder.has_crls(), !crls.is_empty());
    let names = vec![CertificateName::Any(name.into())];
    Certified { authorities: builder.build().unwrap(), names, oidc_issuer: None }
}

fn release(crls: &[&str]) -> Authority {
    Authority::certified("release", certified(&["root.pem"], &["ca.pem"], crls, "release@example.org"), None)
}

fn policy(authority: Authority) -> Policy {
    Policy::require(vec![authority], &[Requirement::Signature]).unwrap()
}

/// The same, judged by a trusted root.
pub fn release_with(trust: Option<seaworthy_verifier::Trust>) -> Authority {
    let certified = certified(&["root.pem"], &["ca.pem"], &[], "release@example.org");
    Authority::certified("release", certified, trust)
}

/// The certificate with which [`sign`] signs.
pub fn leaf_der() -> Vec<u8> {
    STANDARD.decode(der("release.pem")).unwrap()
}

pub fn sign(message: &[u8]) -> Vec<u8> {
    let key = p256::ecdsa::SigningKey::from_pkcs8_pem(&text("release.key")).unwrap();
    let signature: p256::ecdsa::Signature = key.sign(message);
    signature.to_der().as_bytes().to_vec()
}

/// The bundle of a signature with the certificate as `material`.
fn signed(image: &Descriptor, material: Value) -> Value {
    let payload = statement(&image.digest, SIGN, json!({}));
    let mut bundle = lab::bundle(&payload, &sign(&pae(&payload)), "");
    bundle["verificationMaterial"] = material;
    bundle
}

fn leaf_alone() -> Value {
    json!({ "certificate": { "rawBytes": der("release.pem") } })
}

fn with(material: Value, authority: Authority) -> Result<Verdict, Error> {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    lab.attach(&image, &signed(&image, material));
    lab.judge(&image, policy(authority))
}

#[track_caller]
fn denied(verdict: &Verdict, code: Refusal) {
    assert!(verdict.decision == Decision::Deny && verdict.has(code), "{verdict:#?}");
}

#[test]
fn a_certificate_of_the_policys_roots_signs_images() {
    let verdict = with(leaf_alone(), release(&[])).unwrap();
    assert_eq!(verdict.decision, Decision::Allow, "{verdict:#?}");
    assert_eq!(
        verdict.policies[0].subjects[0].requirements[0].signers[0].id,
        "release@example.org (by certificate)"
    );
    assert_eq!(with(leaf_alone(), release(&["root.crl", "ca.crl"])).unwrap().decision, Decision::Allow);
    assert_eq!(with(leaf_alone(), release(&["root.crl", "ca.crl.der"])).unwrap().decision, Decision::Allow);
    // Without the intermediate nobody knows it; with one that travels (bundles 0.1 and 0.2) it is known.
    let bare =
        || Authority::certified("release", certified(&["root.pem"], &[], &[], "release@example.org"), None);
    denied(&with(leaf_alone(), bare()).unwrap(), Refusal::CertificateInvalid);
    let chain = json!({ "x509CertificateChain": { "certificates":
        [{ "rawBytes": der("release.pem") }, { "rawBytes": der("ca.pem") }] } });
    assert_eq!(with(chain, bare()).unwrap().decision, Decision::Allow);
    let other = Authority::certified(
        "release",
        certified(&["root.pem"], &["ca.pem"], &[], "other@example.org"),
        None,
    );
    denied(&with(leaf_alone(), other).unwrap(), Refusal::IdentityMismatch);
}

#[test]
fn signatures_are_by_the_certificates_key() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let mut forged = signed(&image, leaf_alone());
    let payload = statement(&image.digest, SIGN, json!({}));
    let other = lab::Key::new(9).sign(&pae(&payload));
    forged["dsseEnvelope"]["signatures"][0]["sig"] = STANDARD.encode(other).into();
    lab.attach(&image, &forged);
    denied(&lab.judge(&image, policy(release(&[]))).unwrap(), Refusal::SignatureInvalid);
    // A bare key has no certificate, and a certificate is no key of the policy's.
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    lab.attach(&image, &lab::Key::new(9).bundle(&payload));
    denied(&lab.judge(&image, policy(release(&[]))).unwrap(), Refusal::UnknownSigner);
    denied(&with(leaf_alone(), lab::Key::new(9).authority("key")).unwrap(), Refusal::UnknownSigner);
}

#[test]
fn too_many_certificates_are_refused() {
    let chain = |n: usize| {
        let rest = std::iter::repeat_n(der("ca.pem"), n - 1);
        let all: Vec<Value> =
            std::iter::once(der("release.pem")).chain(rest).map(|raw| json!({ "rawBytes": raw })).collect();
        json!({ "x509CertificateChain": { "certificates": all } })
    };
    assert_eq!(with(chain(10), release(&[])).unwrap().decision, Decision::Allow);
    denied(&with(chain(11), release(&[])).unwrap(), Refusal::EvidenceMalformed);
}

#[test]
fn revoked_is_no_and_unknown_is_neither() {
    denied(&with(leaf_alone(), release(&["root.crl", "revoked.crl"])).unwrap(), Refusal::CertificateRevoked);
    denied(
        &with(leaf_alone(), release(&["root.crl", "superseded.crl"])).unwrap(),
        Refusal::CertificateRevoked,
    );
    for lists in [&["ca.crl"][..], &["root.crl"], &["root.crl", "expired.crl"]] {
        let error = with(leaf_alone(), release(lists)).unwrap_err();
        assert!(
            matches!(&error, Error::Undecided(why) if why.code == Refusal::RevocationUnknown),
            "{error:?}"
        );
        assert_eq!((error.class(), error.exit_code()), (Class::CouldNotFindOut, 3));
        assert!(error.hint().is_some());
    }
    // A good signature beside it: the requirement is met, and nothing is left to find out.
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    lab.attach(&image, &signed(&image, leaf_alone()));
    let key = lab::Key::new(9);
    lab.attach(&image, &key.bundle(&statement(&image.digest, SIGN, json!({}))));
    let both = || vec![release(&["root.crl"]), key.authority("key")];
    let either = Policy::require(both(), &[Requirement::Signature]).unwrap();
    assert_eq!(lab.judge(&image, either).unwrap().decision, Decision::Allow);
    // What is missing besides makes it a no.
    let wanted = [Requirement::Signature, Requirement::Sbom];
    let more = Policy::require(vec![release(&["root.crl"])], &wanted).unwrap();
    denied(&lab.judge(&image, more).unwrap(), Refusal::RevocationUnknown);
}

#[test]
fn the_older_form_carries_certificate_and_chain() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let payload = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"registry.example/team/app"}},"image":{{"docker-manifest-digest":"{}"}},"type":"cosign container image signature"}},"optional":null}}"#,
        image.digest
    );
    let annotations = |chain: &str| {
        BTreeMap::from([
            ("dev.cosignproject.cosign/signature".to_owned(), STANDARD.encode(sign(payload.as_bytes()))),
            ("dev.sigstore.cosign/certificate".to_owned(), text("release.pem")),
            ("dev.sigstore.cosign/chain".to_owned(), chain.to_owned()),
        ])
    };
    let kind = "application/vnd.dev.cosign.simplesigning.v1+json";
    let bare =
        || Authority::certified("release", certified(&["root.pem"], &[], &[], "release@example.org"), None);
    lab.legacy(
        &image.digest,
        ".sig",
        &[(kind, payload.clone().into_bytes(), annotations(&text("chain.pem")))],
    );
    assert_eq!(lab.judge(&image, policy(bare())).unwrap().decision, Decision::Allow);
    lab.legacy(&image.digest, ".sig", &[(kind, payload.clone().into_bytes(), annotations(""))]);
    denied(&lab.judge(&image, policy(bare())).unwrap(), Refusal::CertificateInvalid);
    let long = annotations(&text("ca.pem").repeat(10));
    lab.legacy(&image.digest, ".sig", &[(kind, payload.into_bytes(), long)]);
    denied(&lab.judge(&image, policy(bare())).unwrap(), Refusal::EvidenceMalformed);
}

#[test]
fn policies_name_a_pki() {
    let spec = |edit: &dyn Fn(String) -> String| {
        let dir = file("");
        let text = format!(
            "images: ['**']\nauthorities:\n- name: release\n  certificateAuthorities:\n    roots: ['{0}/root.pem']\n    intermediates: ['{0}/ca.pem']\n    crls: ['{0}/root.crl', '{0}/ca.crl']\n    identities:\n    - email: release@example.org\nsignatures:\n- by: [release]",
            dir.display()
        );
        lab::try_policy(&edit(text), &[])
    };
    let good = spec(&|t| t).unwrap();
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    lab.attach(&image, &signed(&image, leaf_alone()));
    assert_eq!(lab.judge(&image, good).unwrap().decision, Decision::Allow);
    for (from, to, words) in [
        ("root.pem", "missing.pem", "cannot read"),
        ("root.pem", "release.pem", "no certificate authority's"),
        ("root.pem", "root.crl", "X509 CRL"),
        ("ca.crl", "ca.pem", "CERTIFICATE"),
        (
            "    - email: release@example.org",
            "    - email: release@example.org\n    - email: release@example.org",
            "twice",
        ),
        ("email: release@example.org", "email: '*@example.org'", "exactly"),
        ("email: release@example.org", "email: a\n      uri: b", "one of email"),
        ("    identities:\n    - email: release@example.org", "    identities: []", "everybody"),
    ] {
        let error = spec(&|t| t.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    // A threshold counts names, and there is one.
    let error = spec(&|t| format!("{t}\n  threshold: 2")).unwrap_err().to_string();
    assert!(error.contains("threshold"), "{error}");
}

#[test]
fn files_that_cosign_signed() {
    let bundle = std::fs::read(file("cosign.sigstore.json")).unwrap();
    let ask = |authority: &Authority| {
        verify_blob(&bundle, &Artifact::file(&file("blob")).unwrap(), authority, now())
    };
    let verdict = ask(&release(&["root.crl", "ca.crl"])).unwrap();
    assert_eq!(verdict.decision, Decision::Allow, "{verdict:?}");
    assert_eq!(verdict.signer.unwrap().id, "release@example.org (by certificate)");
    let verdict = ask(&release(&["root.crl", "revoked.crl"])).unwrap();
    assert_eq!(verdict.refusals[0].code, Refusal::CertificateRevoked);
    assert!(verdict.refusals[0].message.contains("reason keyCompromise"), "{:?}", verdict.refusals);
    assert!(matches!(ask(&release(&["root.crl"])).unwrap_err(), BlobError::Undecided(_)));
}
