//! Policies: read the same twice, refused with words, and one that was accepted demands something of somebody.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seaworthy_fuzz::{now, testdata};
use seaworthy_verifier::{ImageName, Policy};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A policy may name files beside it; a fuzzer that finds those of the machine has found nothing.
    if text.contains("..") || text.contains("/etc") || text.contains("/proc") || text.contains("/dev") {
        return;
    }
    let origin = testdata("policies/good/fuzz.yaml");
    let first = Policy::parse(text, &origin, now());
    let second = Policy::parse(text, &origin, now());
    match (first, second) {
        (Ok(first), Ok(second)) => {
            assert!(!first.is_empty(), "accepted, and nothing in it");
            for (one, other) in first.iter().zip(&second) {
                assert_eq!(one.summary(), other.summary());
                assert!(!one.name().is_empty() && !one.summary().is_empty());
                for name in ["docker.io/library/nginx", "registry.example/team/app", "oci:/srv/images"] {
                    let name = ImageName::parse(name).expect("a name");
                    assert_eq!(one.matches(&name), other.matches(&name));
                }
            }
        }
        (Err(first), Err(second)) => {
            assert_eq!(first.to_string(), second.to_string());
            assert!(first.problems.iter().all(|p| !p.message.is_empty()) && !first.problems.is_empty());
        }
        _ => panic!("accepted once and refused once"),
    }
});
