//! Statements that a trusted key did sign, whatever they say: one that counts is about the image in every reader's eyes,
//! and has each key once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seaworthy_fuzz::{BUNDLE, Key, now};
use seaworthy_oci::{Digest, strict};
use seaworthy_verifier::evidence::{Standing, check_piece};
use seaworthy_verifier::{Authority, PredicateType, Refusal};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;

fuzz_target!(|data: &[u8]| {
    static WHO: OnceLock<(Key, Authority)> = OnceLock::new();
    let (key, authority) = WHO.get_or_init(|| {
        let key = Key::new();
        let authority = key.authority();
        (key, authority)
    });
    // The fuzzer writes IMAGE where it means the digest that is asked about.
    let digest = Digest::sha256(b"image");
    let payload = match std::str::from_utf8(data) {
        Ok(text) => text.replace("IMAGE", digest.hex()).into_bytes(),
        Err(_) => data.to_vec(),
    };
    let bundle = key.bundle(&payload);
    let checked =
        check_piece(BUNDLE, bundle, BTreeMap::new(), &digest, std::slice::from_ref(authority), now());
    match checked.standing {
        Standing::Valid { signers } => {
            assert_eq!(signers.len(), 1);
            assert!(strict::check(&payload).is_ok(), "two readings");
            let other: Value = serde_json::from_slice(&payload).expect("a yes to what is no JSON");
            let subjects = other["subject"].as_array().expect("a yes without subjects");
            assert!(
                subjects.iter().any(|s| s["digest"]["sha256"].as_str() == Some(digest.hex())),
                "about another image"
            );
            let kind = other["predicateType"].as_str().expect("a yes without a type");
            assert_eq!(checked.predicate_type, Some(PredicateType::from_uri(kind)));
        }
        Standing::Invalid { reason } => assert!(reason.code != Refusal::VerifierPanicked, "{reason:?}"),
        Standing::UnknownSigner { reasons } => panic!("its key is trusted: {reasons:?}"),
        Standing::Unsigned => panic!("it is signed"),
    }
});
