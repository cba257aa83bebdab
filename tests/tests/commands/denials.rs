//! What turns a yes into a no, each with its own reason.

use super::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_oci::Digest;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const VERIFY: &str = "verify --policy testdata/policies/demo.yaml oci:harbor --output json";
const SIGNATURE: &str = "https://sigstore.dev/cosign/sign/v1";
const SPDX: &str = "https://spdx.dev/Document";

/// A layout on disk, to be tampered with.
struct Tampering {
    dir: PathBuf,
}

impl Tampering {
    fn blob(&self, digest: &str) -> PathBuf {
        self.dir.join("blobs").join(digest.replace(':', "/"))
    }

    fn read(&self, digest: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.blob(digest)).unwrap()).unwrap()
    }

    fn write(&self, bytes: &[u8]) -> Value {
        let digest = Digest::sha256(bytes).to_string();
        std::fs::write(self.blob(&digest), bytes).unwrap();
        json!({ "digest": digest, "size": bytes.len() })
    }

    fn index(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.dir.join("index.json")).unwrap()).unwrap()
    }

    fn set_index(&self, index: &Value) {
        std::fs::write(self.dir.join("index.json"), index.to_string()).unwrap();
    }

    fn predicate_type(&self, entry: &Value) -> Option<String> {
        let manifest = self.read(entry["digest"].as_str().unwrap());
        manifest["annotations"]["dev.sigstore.bundle.predicateType"].as_str().map(str::to_owned)
    }

    /// Removes everything attached with this predicate type.
    fn remove(&self, predicate_type: &str) {
        let mut index = self.index();
        let entries = index["manifests"].as_array_mut().unwrap();
        let before = entries.len();
        entries.retain(|e| self.predicate_type(e).as_deref() != Some(predicate_type));
        assert!(entries.len() < before, "nothing to remove");
        self.set_index(&index);
    }

    /// Rewrites the bundle with this predicate type as an attacker with write access would: consistently,
    /// with new digests all the way up.
    fn rewrite(&self, predicate_type: &str, change: impl Fn(&mut Value)) {
        let mut index = self.index();
        let mut changed = 0;
        for entry in index["manifests"].as_array_mut().unwrap() {
            if self.predicate_type(entry).as_deref() != Some(predicate_type) {
                continue;
            }
            let mut manifest = self.read(entry["digest"].as_str().unwrap());
            let layer = &mut manifest["layers"][0];
            let mut bundle = self.read(layer["digest"].as_str().unwrap());
            change(&mut bundle);
            let new = self.write(bundle.to_string().as_bytes());
            layer["digest"] = new["digest"].clone();
            layer["size"] = new["size"].clone();
            let new = self.write(manifest.to_string().as_bytes());
            entry["digest"] = new["digest"].clone();
            entry["size"] = new["size"].clone();
            changed += 1;
        }
        assert_eq!(changed, 1);
        self.set_index(&index);
    }
}

fn tamper(change: impl FnOnce(&Tampering)) -> (World, Value) {
    let world = World::new();
    world.released("harbor", "harbor");
    world.run(VERIFY).expect(0);
    change(&Tampering { dir: world.path("harbor") });
    let verdict = world.run(VERIFY).expect(1).json();
    assert_eq!(verdict["decision"], "deny", "{verdict}");
    (world, verdict)
}

fn codes(verdict: &Value) -> Vec<String> {
    fn walk(value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if let Some(code) = map.get("code").and_then(Value::as_str) {
                    out.push(code.to_owned());
                }
                map.values().for_each(|v| walk(v, out));
            }
            Value::Array(all) => all.iter().for_each(|v| walk(v, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(verdict, &mut out);
    out
}

#[track_caller]
fn has(verdict: &Value, code: &str) {
    assert!(codes(verdict).iter().any(|c| c == code), "no {code} in {verdict:#}");
}

#[test]
fn without_the_signature() {
    let (_world, verdict) = tamper(|t| t.remove(SIGNATURE));
    has(&verdict, "signature-missing");
    assert!(!codes(&verdict).iter().any(|c| c.starts_with("sbom")), "the SBOM is fine: {verdict:#}");
}

#[test]
fn without_the_sbom() {
    let (_world, verdict) = tamper(|t| t.remove(SPDX));
    has(&verdict, "sbom-missing");
    assert!(!codes(&verdict).iter().any(|c| c.starts_with("signature")), "{verdict:#}");
}

#[test]
fn one_byte_of_the_sbom_changed_and_everything_rewritten_around_it() {
    let (_world, verdict) = tamper(|t| {
        t.rewrite(SPDX, |bundle| {
            let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
            let text = String::from_utf8(STANDARD.decode(payload).unwrap()).unwrap();
            let changed = text.replacen("12.4+deb12u11", "12.4+deb12u12", 1);
            assert_ne!(text, changed);
            bundle["dsseEnvelope"]["payload"] = STANDARD.encode(changed).into();
        });
    });
    has(&verdict, "signature-invalid");
}

#[test]
fn one_byte_of_the_stored_sbom_flipped() {
    let world = World::new();
    world.released("harbor", "harbor");
    let t = Tampering { dir: world.path("harbor") };
    let index = t.index();
    let entry = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| t.predicate_type(e).as_deref() == Some(SPDX))
        .unwrap();
    let manifest = t.read(entry["digest"].as_str().unwrap());
    flip(&t.blob(manifest["layers"][0]["digest"].as_str().unwrap()));
    let verdict = world.run(VERIFY).expect(1).says("wrong content").json();
    assert_eq!(verdict["decision"], "deny");
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn signed_with_another_key() {
    let world = World::new();
    world
        .run("release oci:testdata/images/harbor --to oci:harbor --key testdata/keys/other.key -q")
        .expect(0);
    let verdict = world.run(VERIFY).expect(1).json();
    has(&verdict, "unknown-signer");
    has(&verdict, "signature-untrusted");
}

/// A release is not done because everything was pushed: it is done when the policy says yes.
#[test]
fn a_release_that_its_own_policy_denies_is_not_released() {
    World::new()
        .run(
            "release oci:testdata/images/harbor --to oci:harbor --key testdata/keys/other.key \
             --policy testdata/policies/demo.yaml",
        )
        .expect(1)
        .says("denied")
        .says("not released");
}

/// Row A04: good evidence of another image served as if it were this one's.
#[test]
fn evidence_of_another_image() {
    let world = World::new();
    world.released("harbor", "harbor");
    world.run("release oci:testdata/images/fleet --to oci:fleet --key testdata/keys/demo.key -q").expect(0);
    let fleet = Tampering { dir: world.path("fleet") };
    let harbor = Tampering { dir: world.path("harbor") };
    let signature = fleet.index()["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| fleet.predicate_type(e).as_deref() == Some(SIGNATURE))
        .unwrap()
        .clone();
    let manifest = fleet.read(signature["digest"].as_str().unwrap());
    let bundle = fleet.read(manifest["layers"][0]["digest"].as_str().unwrap());
    harbor.rewrite(SIGNATURE, |b| *b = bundle.clone());
    let verdict = world.run(VERIFY).expect(1).json();
    has(&verdict, "subject-mismatch");
}

/// Row B12: each requirement is met by its own kind alone.
#[test]
fn an_sbom_is_no_signature() {
    let world = World::new();
    world.image("harbor", "harbor");
    world.run("sbom oci:harbor -o spdx-json=sbom.json -q").expect(0);
    world
        .run("attest --key testdata/keys/demo.key --type spdx --predicate sbom.json oci:harbor -q")
        .expect(0);
    let verdict = world.run("verify --key testdata/keys/demo.pub oci:harbor --output json").expect(1).json();
    has(&verdict, "signature-missing");
}

/// Row A01: the verdict is about a digest, so a tag that moves takes no verdict with it.
#[test]
fn a_tag_that_moves_takes_no_verdict_with_it() {
    let lab = seaworthy_tests::registry::Lab::start();
    let world = World::new();
    let image = lab.reference("team/app:1");
    world
        .run(&format!("release oci:testdata/images/harbor --to {image} --key testdata/keys/demo.key -q"))
        .expect(0);
    let verify = format!("verify --key testdata/keys/demo.pub {image} --output json");
    let first = world.run(&verify).expect(0).json();
    // Somebody pushes another image and moves the tag to it.
    let other = lab.reference("team/app:2");
    let copy = format!("release oci:testdata/images/fleet --to {other} --key testdata/keys/other.key -q");
    world.run(&copy).expect(0);
    let moved = lab.manifest("team/app", "2").unwrap();
    lab.put_manifest("team/app", Some("1"), "application/vnd.oci.image.index.v1+json", &moved);
    let second = world.run(&verify).expect(1).json();
    assert_ne!(first["digest"], second["digest"]);
    has(&second, "signature-untrusted");
}
