//! Keyless evidence of the public Sigstore, real and recorded (testdata/verify/keyless).

use crate::lab::{Lab, now, run};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_oci::{Descriptor, Digest};
use seaworthy_verifier::evidence::{Checked, Standing, check_item, collect};
use seaworthy_verifier::{Authority, Identity, Refusal, Trust};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

const GITHUB: &str = "https://token.actions.githubusercontent.com";

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/verify/keyless")).join(name)
}

fn bundle(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file(name)).unwrap()).unwrap()
}

fn subject(bundle: &Value) -> Digest {
    let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    let digests = statement["subject"][0]["digest"].as_object().unwrap();
    let (algorithm, hex) = digests.iter().next().unwrap();
    format!("{algorithm}:{}", hex.as_str().unwrap()).parse().unwrap()
}

fn authority(identity: &str, issuer: &str) -> Authority {
    let identity = Identity { issuer: issuer.into(), identity: identity.into() };
    Authority::keyless("ci", identity, Trust::load(&file("public-good-trusted-root.json")).unwrap())
}

fn check(subject: &Digest, bundle: &Value, authorities: &[Authority]) -> Checked {
    let mut lab = Lab::new();
    let mut descriptor = Descriptor::of("application/vnd.oci.image.manifest.v1+json", b"");
    descriptor.digest = subject.clone();
    lab.attach(&descriptor, bundle);
    only(&lab, subject, authorities)
}

fn only(lab: &Lab, subject: &Digest, authorities: &[Authority]) -> Checked {
    run(async {
        let items = collect(lab, subject).await.unwrap();
        assert_eq!(items.len(), 1);
        check_item(lab, &items[0], authorities, now()).await.unwrap()
    })
}

/// Identity and issuer as the certificate names them, unproven.
fn claimed(checked: &Checked) -> (String, String) {
    let text = checked.claimed_signer.clone().unwrap();
    let (identity, issuer) = text.trim_end_matches(')').rsplit_once(" (").unwrap();
    (identity.to_owned(), issuer.to_owned())
}

#[track_caller]
fn refused(checked: &Checked, codes: &[Refusal]) {
    let found = match &checked.standing {
        Standing::Invalid { reason } => reason.walk().iter().map(|e| e.code).collect(),
        Standing::UnknownSigner { reasons } => reasons.iter().map(|e| e.code).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert!(found.iter().any(|code| codes.contains(code)), "{codes:?} not in {:#?}", checked.standing);
}

#[test]
fn a_workflow_is_known_by_exact_identity_and_issuer() {
    let good = bundle("conda-attestation.sigstore.json");
    let digest = subject(&good);
    let (identity, issuer) = claimed(&check(&digest, &good, &[]));
    assert_eq!(issuer, GITHUB);
    let valid = check(&digest, &good, &[authority(&identity, &issuer)]);
    assert!(matches!(valid.standing, Standing::Valid { .. }), "{:#?}", valid.standing);
    for (who, by) in [
        (identity.as_str(), "https://accounts.google.com"),
        ("https://github.com/evil/x/.github/workflows/ci.yml@refs/heads/main", GITHUB),
        (&identity[..identity.len() - 1], GITHUB),
        (&format!("{identity}\n"), GITHUB),
    ] {
        refused(&check(&digest, &good, &[authority(who, by)]), &[Refusal::IdentityMismatch]);
    }
    // Another digest, and a root that trusts nobody.
    let other = Digest::sha256(b"other");
    refused(&check(&other, &good, &[authority(&identity, &issuer)]), &[Refusal::SubjectMismatch]);
    let nobody = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
    let id = Identity { issuer, identity };
    let nobody = Authority::keyless("ci", id, Trust::from_json(nobody, "empty").unwrap());
    let codes = [
        Refusal::TimestampMissing,
        Refusal::LogEntryInvalid,
        Refusal::CertificateInvalid,
        Refusal::EvidenceMalformed,
    ];
    refused(&check(&digest, &good, &[nobody]), &codes);
}

#[test]
fn every_part_of_a_keyless_bundle_counts() {
    let good = bundle("conda-attestation.sigstore.json");
    let digest = subject(&good);
    let (identity, issuer) = claimed(&check(&digest, &good, &[]));
    let broken = |change: &dyn Fn(&mut Value)| {
        let mut bundle = good.clone();
        change(&mut bundle);
        check(&digest, &bundle, &[authority(&identity, &issuer)])
    };
    let flip = |text: &mut Value| {
        let mut bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        *text = STANDARD.encode(bytes).into();
    };
    let signature = broken(&|b| flip(&mut b["dsseEnvelope"]["signatures"][0]["sig"]));
    refused(&signature, &[Refusal::SignatureInvalid, Refusal::LogEntryInvalid]);
    let no_log = broken(&|b| b["verificationMaterial"]["tlogEntries"] = json!([]));
    refused(&no_log, &[Refusal::LogEntryMissing, Refusal::TimestampMissing, Refusal::EvidenceMalformed]);
    let bare = broken(&|b| {
        let entry = b["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap();
        entry.remove("inclusionProof");
        entry.remove("inclusionPromise");
    });
    refused(&bare, &[Refusal::LogEntryInvalid]);
    let promise = broken(&|b| {
        flip(&mut b["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]["signedEntryTimestamp"]);
    });
    refused(&promise, &[Refusal::LogEntryInvalid, Refusal::TimestampMissing, Refusal::EvidenceMalformed]);
    let too_many = broken(&|b| {
        let entry = b["verificationMaterial"]["tlogEntries"][0].clone();
        b["verificationMaterial"]["tlogEntries"] = vec![entry; 9].into();
    });
    refused(&too_many, &[Refusal::EvidenceMalformed]);
}

/// The certificate's own key as a trusted key does not make it the key holder's signature.
#[test]
fn a_certificate_is_not_a_key() {
    let good = bundle("conda-attestation.sigstore.json");
    let key = crate::lab::Key::new(1).authority("release");
    refused(&check(&subject(&good), &good, &[key]), &[Refusal::UnknownSigner]);
}

/// cosign's older form: envelope, certificate and log entry in annotations, an inclusion promise only.
#[test]
fn legacy_keyless_attestations_verify_after_conversion() {
    let good = bundle("intoto-promise-only.sigstore.json");
    let digest = subject(&good);
    let attach = |change: &dyn Fn(&mut Value)| {
        let material = &good["verificationMaterial"];
        let der = material["x509CertificateChain"]["certificates"][0]["rawBytes"].as_str().unwrap();
        let entry = &material["tlogEntries"][0];
        let log_id = STANDARD.decode(entry["logId"]["keyId"].as_str().unwrap()).unwrap();
        let number = |v: &Value| v.as_str().unwrap().parse::<i64>().unwrap();
        let mut log = json!({
            "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "Payload": {
                "body": entry["canonicalizedBody"], "integratedTime": number(&entry["integratedTime"]),
                "logIndex": number(&entry["logIndex"]), "logID": hex::encode(log_id),
            },
        });
        change(&mut log);
        let annotations = BTreeMap::from([
            ("dev.cosignproject.cosign/signature".to_owned(), String::new()),
            (
                "dev.sigstore.cosign/certificate".to_owned(),
                format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n"),
            ),
            ("dev.sigstore.cosign/bundle".to_owned(), log.to_string()),
        ]);
        let mut lab = Lab::new();
        let envelope = good["dsseEnvelope"].to_string().into_bytes();
        lab.legacy(&digest, ".att", &[("application/vnd.dsse.envelope.v1+json", envelope, annotations)]);
        lab
    };
    let lab = attach(&|_| {});
    let (identity, issuer) = claimed(&only(&lab, &digest, &[]));
    let signer = [authority(&identity, &issuer)];
    let valid = only(&lab, &digest, &signer);
    assert!(matches!(valid.standing, Standing::Valid { .. }), "{:#?}", valid.standing);
    let later = attach(&|log| log["Payload"]["integratedTime"] = 1_700_000_000.into());
    refused(
        &only(&later, &digest, &signer),
        &[Refusal::LogEntryInvalid, Refusal::TimestampMissing, Refusal::CertificateInvalid],
    );
}
