//! Bundles: good ones, changed. Whatever a fuzzer does to them, a yes is only ever given to the very payload that was
//! signed, and no judge panics.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use libfuzzer_sys::fuzz_target;
use seaworthy_fuzz::{BUNDLE, Key, now, testdata};
use seaworthy_oci::Digest;
use seaworthy_verifier::evidence::{Standing, check_piece};
use seaworthy_verifier::{Artifact, Authority, Decision, Identity, Refusal, Trust, verify_blob};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::OnceLock;

struct World {
    /// Who is trusted, with what is asked about.
    about: Vec<(Authority, Digest)>,
    /// All that is signed in testdata/: a fuzzer has no key, so that a yes can be to these alone.
    payloads: Vec<Vec<u8>>,
}

/// Keys, an identity of the public Sigstore, and the payloads that they did sign.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let beacon = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
        let identity =
            Identity { issuer: "https://token.actions.githubusercontent.com".into(), identity: beacon.into() };
        let public = Trust::public_good().expect("the public root");
        let release = Authority::key_file("release", &testdata("verify/release.pub")).expect("a key");
        let digest = |text: &str| text.parse().expect("a digest");
        let about = vec![
            (Key::new().authority(), Digest::sha256(b"image")),
            (release, digest("sha256:2488b2bf33b37bcc3454aa3a54d6785f5a88c83df10501ea9d9243eb06c6cece")),
            (
                Authority::keyless("beacon", identity, public),
                digest("sha256:a0cfc71271d6e278e57cd332ff957c3f7043fdda354c4cbb190a30d56efa01bf"),
            ),
        ];
        let mut payloads = Vec::new();
        let mut folders = vec![testdata(".")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("testdata") {
                let path = entry.expect("testdata").path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => payloads.extend(std::fs::read(path).ok().and_then(|bytes| payload(&bytes))),
                }
            }
        }
        World { about, payloads }
    })
}

fn payload(bundle: &[u8]) -> Option<Vec<u8>> {
    let value: Value = serde_json::from_slice(bundle).ok()?;
    let text = value["dsseEnvelope"]["payload"].as_str()?;
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

fuzz_target!(|data: &[u8]| {
    let world = world();
    for (authority, digest) in &world.about {
        let authorities = std::slice::from_ref(authority);
        let checked = check_piece(BUNDLE, data.to_vec(), BTreeMap::new(), digest, authorities, now());
        match &checked.standing {
            Standing::Valid { signers } => {
                assert_eq!(signers.len(), 1);
                let signed = payload(data).expect("a yes to what another reader does not find");
                assert!(world.payloads.contains(&signed), "a yes to what nobody signed");
            }
            Standing::Invalid { reason } => assert!(reason.code != Refusal::VerifierPanicked, "{reason:?}"),
            Standing::UnknownSigner { reasons } => {
                assert!(reasons.iter().all(|r| r.code != Refusal::VerifierPanicked), "{reasons:?}");
            }
            Standing::Unsigned => {}
        }
        if let Ok(verdict) = verify_blob(data, &Artifact::digest(digest), authority, now()) {
            assert!(verdict.refusals.iter().all(|r| r.code != Refusal::VerifierPanicked), "{verdict:?}");
            assert_eq!(verdict.decision == Decision::Allow, verdict.signer.is_some());
            // A signature over the file itself has no payload: the file is what was asked about.
            if verdict.decision == Decision::Allow && verdict.kind == Some("statement") {
                let signed = payload(data).expect("a yes to what another reader does not find");
                assert!(world.payloads.contains(&signed), "a yes to what nobody signed");
            }
        }
    }
});
