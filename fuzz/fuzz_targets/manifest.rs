//! Manifests: the digest is that of the bytes, a reading is written and read back as it was, nothing is both an image and
//! an index, and another reader sees the same digests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seaworthy_oci::{Digest, Manifest, RawManifest, Reference, strict};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        // References stand beside them in every request: one canonical form, which is read as itself.
        if let Ok(reference) = text.parse::<Reference>() {
            let shown = reference.to_string();
            let again: Reference = shown.parse().expect("its own form");
            assert_eq!(again, reference, "{shown}");
        }
    }
    let Ok(raw) = RawManifest::new(data.to_vec(), None, "fuzz") else { return };
    assert_eq!(raw.descriptor.digest, Digest::sha256(data));
    assert_eq!(raw.bytes, data);
    assert!(strict::check(data).is_ok(), "accepted with two meanings");
    let other: Value = serde_json::from_slice(data).expect("accepted, and no JSON");
    let digests = |list: &str| -> Vec<Option<String>> {
        let all = other[list].as_array().into_iter().flatten();
        all.map(|d| d["digest"].as_str().map(str::to_owned)).collect()
    };
    match raw.parse() {
        Ok(Manifest::Image(image)) => {
            assert!(other.get("manifests").is_none_or(Value::is_null), "an image and an index");
            let ours: Vec<Option<String>> = image.layers.iter().map(|l| Some(l.digest.to_string())).collect();
            assert_eq!(ours, digests("layers"));
            assert_eq!(other["config"]["digest"].as_str(), Some(image.config.digest.to_string().as_str()));
            again(&serde_json::to_vec(&image).expect("JSON"), &Manifest::Image(image));
        }
        Ok(Manifest::Index(index)) => {
            assert!(other.get("layers").is_none_or(Value::is_null), "an image and an index");
            let ours: Vec<Option<String>> =
                index.manifests.iter().map(|l| Some(l.digest.to_string())).collect();
            assert_eq!(ours, digests("manifests"));
            again(&serde_json::to_vec(&index).expect("JSON"), &Manifest::Index(index));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

fn again(written: &[u8], manifest: &Manifest) {
    let raw = RawManifest::new(written.to_vec(), None, "fuzz").expect("what we wrote");
    assert_eq!(&raw.parse().expect("what we wrote"), manifest);
}
