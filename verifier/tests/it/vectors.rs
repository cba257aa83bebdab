//! testdata/verify: folders that say their own verdict, for us and for other verifiers.
//!
//! Each is an OCI layout with the image under the tag `image`, and a `case.toml` with `row` (of the list of
//! attacks), `expect`, `code` and `comment`. All are judged by `testdata/verify/policy.yaml` at noon of
//! 2026-06-01. `UPDATE_VECTORS=1 cargo test` writes them anew.

use crate::attacks::{SIMPLE, foreign_log_entry, legacy_annotations, simple_signing};
use crate::lab::*;
use seaworthy_oci::{Descriptor, Digest, OpenOptions, Reference, resolve};
use seaworthy_verifier::{Context, ImageName, Platforms, Policy, Verifier};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn home() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/verify"))
}

const POLICY: &str = "\
apiVersion: seaworthy.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: vectors
spec:
  images:
    - oci:**
  authorities:
    - name: release
      keys:
        - path: release.pub
  signatures:
    - by: [release]
";

type Make = fn(&mut Lab, &Descriptor, &Key);

/// Name, row, decision, code, comment, and what is attached to the image.
const CASES: &[(&str, &str, &str, &str, &str, Make)] = &[
    ("good-bundle", "-", "allow", "", "A bundle as cosign 3 writes it.", |lab, image, key| {
        lab.attach(image, &key.bundle(&statement(&image.digest, SIGN, json!({}))));
    }),
    ("good-legacy", "-", "allow", "", "Simple signing under the .sig tag.", |lab, image, key| {
        let payload = simple_signing(&image.digest);
        let annotations = legacy_annotations(key, &payload);
        lab.legacy(&image.digest, ".sig", &[(SIMPLE, payload, annotations)]);
    }),
    ("unsigned", "-", "deny", "signature-missing", "Nothing is attached.", |_, _, _| {}),
    (
        "other-key",
        "-",
        "deny",
        "unknown-signer",
        "A good signature by a key that is not trusted.",
        |lab, image, _| {
            lab.attach(image, &Key::new(2).bundle(&statement(&image.digest, SIGN, json!({}))));
        },
    ),
    (
        "a04-other-digest",
        "A04",
        "deny",
        "subject-mismatch",
        "A good bundle of another image.",
        |lab, image, key| {
            lab.attach(image, &key.bundle(&statement(&Digest::sha256(b"another image"), SIGN, json!({}))));
        },
    ),
    (
        "b01-foreign-log-entry",
        "B01",
        "deny",
        "log-entry-mismatch",
        "A good signature with somebody else's log entry (CVE-2022-36056).",
        |lab, image, key| {
            let mut bundle = key.bundle(&statement(&image.digest, SIGN, json!({})));
            let entry = foreign_log_entry(b"other payload", b"other signature", &Key::new(2));
            bundle["verificationMaterial"]["tlogEntries"] = json!([entry]);
            lab.attach(image, &bundle);
        },
    ),
    (
        "b06-no-statement",
        "B06",
        "deny",
        "statement-malformed",
        "The signed payload is no JSON.",
        |lab, image, key| {
            lab.attach(image, &key.bundle(b"not a statement"));
        },
    ),
    (
        "b08-normal-form",
        "B08",
        "deny",
        "signature-invalid",
        "Signed without white space, delivered with it.",
        |lab, image, key| {
            let payload = statement(&image.digest, SIGN, json!({}));
            let signature = key.sign(&pae(&payload));
            let spaced = String::from_utf8(payload).unwrap().replace("\":", "\": ");
            lab.attach(image, &bundle(spaced.as_bytes(), &signature, &key.hint()));
        },
    ),
    (
        "b11-two-signatures",
        "B11",
        "deny",
        "signature-count",
        "A trusted signature and an unknown one in one envelope.",
        |lab, image, key| {
            let payload = statement(&image.digest, SIGN, json!({}));
            let mut both = key.bundle(&payload);
            let other = Key::new(2).bundle(&payload)["dsseEnvelope"]["signatures"][0].clone();
            both["dsseEnvelope"]["signatures"].as_array_mut().unwrap().push(other);
            lab.attach(image, &both);
        },
    ),
    (
        "b12-attestation-for-signature",
        "B12",
        "deny",
        "other-kind",
        "An attestation where a signature is wanted.",
        |lab, image, key| {
            lab.attach(image, &key.bundle(&statement(&image.digest, SLSA, json!({}))));
        },
    ),
    (
        "b13-forged",
        "B13",
        "deny",
        "signature-invalid",
        "The trusted key's hint on somebody else's signature.",
        |lab, image, key| {
            let payload = statement(&image.digest, SIGN, json!({}));
            lab.attach(image, &bundle(&payload, &Key::new(9).sign(&pae(&payload)), &key.hint()));
        },
    ),
    (
        "b15-garbage",
        "B15",
        "deny",
        "evidence-malformed",
        "Garbage under the media types of evidence.",
        |lab, image, _| {
            lab.attach_bytes(image, b"garbage", Some(SIGN));
            lab.legacy(&image.digest, ".sig", &[(SIMPLE, b"garbage".to_vec(), BTreeMap::new())]);
        },
    ),
    (
        "d03-duplicate-keys",
        "D03",
        "deny",
        "statement-malformed",
        "Two subjects under one name: two parsers would read two statements.",
        |lab, image, key| {
            let payload = String::from_utf8(statement(&Digest::sha256(b"x"), SIGN, json!({}))).unwrap();
            let subject = format!(r#"{{"subject":[{{"digest":{{"sha256":"{}"}}}}],"#, image.digest.hex());
            lab.attach(image, &key.bundle(payload.replacen('{', &subject, 1).as_bytes()));
        },
    ),
];

fn write(home: &Path) {
    std::fs::write(home.join("policy.yaml"), POLICY).unwrap();
    std::fs::write(home.join("release.pub"), Key::new(1).pem()).unwrap();
    for (name, row, expect, code, comment, make) in CASES {
        let mut lab = Lab::new();
        let image = lab.image("amd64");
        make(&mut lab, &image, &Key::new(1));
        let dir = home.join(name);
        // What an older version of the case left behind must not stay.
        let _ = std::fs::remove_dir_all(&dir);
        lab.save(&dir, &image);
        let text =
            format!("row = \"{row}\"\nexpect = \"{expect}\"\ncode = \"{code}\"\ncomment = \"{comment}\"\n");
        std::fs::write(dir.join("case.toml"), text).unwrap();
    }
}

/// The value of `key` in a file of `key = "value"` lines.
fn value(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|l| l.strip_prefix(key)?.trim_start().strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {key} in {text}")).trim().trim_matches('"').to_owned()
}

#[test]
fn every_folder_gets_the_verdict_that_it_says() {
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        write(&home());
    }
    let mut seen = 0;
    for entry in std::fs::read_dir(home()).unwrap() {
        let dir = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(dir.join("case.toml")) else { continue };
        seen += 1;
        let policies = Policy::load(&home().join("policy.yaml"), now()).unwrap();
        let verdict = run(async {
            let reference: Reference = format!("oci:{}:image", dir.display()).parse().unwrap();
            let options = OpenOptions { offline: true, ..OpenOptions::default() };
            let source = seaworthy_oci::open(&reference.location, &options).await.unwrap();
            let (pinned, raw) = resolve(source.as_ref(), &reference).await.unwrap();
            let verifier =
                Verifier::new(policies, Context { now: now(), platforms: Platforms::All, namespace: None })
                    .unwrap();
            let name = ImageName::of(&reference.location);
            verifier.judge_manifest(source.as_ref(), &pinned, raw, &name).await.unwrap()
        });
        assert_eq!(verdict.decision.to_string(), value(&text, "expect"), "{dir:?}: {verdict:#?}");
        let code = value(&text, "code");
        let codes: Vec<&str> = verdict.explanations().iter().map(|e| e.code.code()).collect();
        assert!(code.is_empty() && codes.is_empty() || codes.contains(&code.as_str()), "{dir:?}: {codes:?}");
    }
    assert_eq!(seen, CASES.len());
}
