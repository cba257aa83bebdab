//! Hostile bundles about files: never a panic, never a yes.

use crate::lab::now;
use proptest::prelude::*;
use seaworthy_verifier::{
    Artifact, Authority, BLOB_BUNDLE_BYTES, Decision, Identity, Refusal, Trust, verify_blob,
};
use std::path::PathBuf;

fn testdata(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(path)
}

fn good(case: &str) -> Vec<u8> {
    std::fs::read(testdata(&format!("verify-blob/{case}/bundle.sigstore.json"))).unwrap()
}

fn staging() -> Authority {
    let identity = Identity {
        issuer: "https://github.com/login/oauth".into(),
        identity: "william@yossarian.net".into(),
    };
    Authority::keyless("identity", identity, Trust::embedded("staging").unwrap().unwrap())
}

fn artifact() -> Artifact {
    Artifact::digest(
        &"sha256:5e6ae9de58c1177bea615b4fcbfb2fd688e8c4b51c2e56b6a38e817833ec24a2".parse().unwrap(),
    )
}

fn key(name: &str) -> Authority {
    Authority::key_file("key", &testdata(&format!("interop/cosign-3-keys/{name}.pub"))).unwrap()
}

#[test]
fn the_limit_of_a_bundle() {
    let mut bytes = good("good-message-v0.3");
    bytes.resize(BLOB_BUNDLE_BYTES as usize, b' ');
    assert_eq!(verify_blob(&bytes, &artifact(), &staging(), now()).unwrap().decision, Decision::Allow);
    bytes.push(b' ');
    let verdict = verify_blob(&bytes, &artifact(), &staging(), now()).unwrap();
    assert_eq!(verdict.refusals[0].code, Refusal::EvidenceTooLarge);
}

#[test]
fn embedded_roots_load() {
    for name in ["public-good", "staging", "github"] {
        Trust::embedded(name).unwrap().unwrap();
    }
    assert!(Trust::embedded("other").is_none());
    Trust::public_good().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let verdict = verify_blob(&bytes, &artifact(), &staging(), now()).unwrap();
        prop_assert_eq!(verdict.decision, Decision::Deny);
        prop_assert!(!verdict.refusals.is_empty());
    }

    #[test]
    fn a_changed_bundle_says_nothing_else(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = good("good-message-v0.3");
        let at = at.index(bytes.len());
        bytes[at] = to;
        let verdict = verify_blob(&bytes, &artifact(), &staging(), now()).unwrap();
        // Some bytes say nothing that is signed (white space, a key's hint); then the same signer is named.
        if let Some(signer) = verdict.signer {
            prop_assert!(signer.id.starts_with("william@yossarian.net "));
        }
        prop_assert!(verdict.refusals.iter().all(|r| r.code != Refusal::VerifierPanicked));
    }

    #[test]
    fn a_signature_of_any_bytes_is_none(signature in proptest::collection::vec(any::<u8>(), 0..600), der in any::<bool>()) {
        use base64::Engine as _;
        let mut signature = signature;
        if der && signature.len() > 8 {
            // Shaped like two integers, so that the DER reader gets further.
            let rest = (signature.len() - 2).min(120) as u8;
            signature.truncate(rest as usize + 2);
            (signature[0], signature[1], signature[2], signature[3]) = (0x30, rest, 0x02, rest / 2);
        }
        for name in ["p384", "p521", "rsa2048"] {
            let text = std::fs::read_to_string(testdata(&format!("interop/cosign-3-keys/{name}.bundle.json"))).unwrap();
            let mut bundle: serde_json::Value = serde_json::from_str(&text).unwrap();
            bundle["messageSignature"]["signature"] =
                base64::engine::general_purpose::STANDARD.encode(&signature).into();
            let file = Artifact::file(&testdata("interop/cosign-3-keys/file.txt")).unwrap();
            let verdict = verify_blob(bundle.to_string().as_bytes(), &file, &key(name), now()).unwrap();
            prop_assert_eq!(verdict.decision, Decision::Deny);
        }
    }

    #[test]
    fn hostile_keys_are_refused(at in any::<prop::sample::Index>(), to in any::<u8>(), cut in 0usize..100) {
        use seaworthy_verifier::PublicKey;
        for name in ["p384", "p521", "rsa2048"] {
            let pem = std::fs::read_to_string(testdata(&format!("interop/cosign-3-keys/{name}.pub"))).unwrap();
            let key = PublicKey::from_pem(&pem).unwrap();
            let mut der = key.spki().to_vec();
            let at = at.index(der.len());
            der[at] = to;
            // Read or refused; what is read is another key, or the same where nothing was changed.
            if let Ok(read) = PublicKey::from_spki(&der) {
                prop_assert_eq!(read.spki(), der.as_slice());
            }
            prop_assert!(PublicKey::from_spki(&key.spki()[..key.spki().len() - cut.max(1)]).is_err());
        }
    }
}
