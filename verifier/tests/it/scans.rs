//! Reports that a scanner itself wrote (testdata/scans), as they are and in cosign's predicate.

use crate::lab::*;
use crate::sboms::{allowed, denied};
use seaworthy_verifier::{Refusal, Verdict};
use serde_json::{Value, json};
use std::path::Path;

const VULN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
const HEAD: &str = "images: ['**']\nauthorities: [{name: scanner, keys: [{path: scanner.pub}]}]\nvulnerabilities:\n  by: [scanner]\n";

fn recorded(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/scans").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// As `cosign attest --type vuln` carries it.
fn carried(result: Value) -> Value {
    json!({
        "invocation": { "uri": "", "event_id": "", "builder.id": "" },
        "scanner": { "uri": "pkg:github/aquasecurity/trivy", "version": "1", "db": {}, "result": result },
        "metadata": { "scanStartedOn": "2026-06-01T06:00:00Z", "scanFinishedOn": "2026-06-01T06:00:00Z" },
    })
}

fn judge(predicate: &Value, lines: &str) -> Verdict {
    let (mut lab, key) = (Lab::new(), Key::new(1));
    let image = lab.image("amd64");
    lab.attach(&image, &key.bundle(&statement(&image.digest, VULN, predicate.clone())));
    lab.judge(&image, policy(&format!("{HEAD}{lines}"), &[("scanner", &key)])).unwrap()
}

#[test]
fn what_trivy_wrote_in_each_of_its_forms() {
    let forms = [
        ("json", carried(recorded("trivy.json"))),
        ("sarif", carried(recorded("trivy.sarif"))),
        ("its own predicate", recorded("trivy.cosign-vuln.json")),
    ];
    for (form, predicate) in &forms {
        let ask = |lines: &str| judge(predicate, lines);
        denied(
            &ask("  maxSeverity: high\n"),
            Refusal::VulnerabilityTooSevere,
            "CVE-2026-1002 (critical) in zlib1g 1:1.2.13.dfsg-1",
        );
        // The critical one has no fix, the low one has.
        allowed(&ask("  maxSeverity: high\n  fixAvailable: only\n"));
        denied(
            &ask("  maxSeverity: negligible\n  fixAvailable: only\n"),
            Refusal::VulnerabilityTooSevere,
            "CVE-2026-1001 (low) in openssl 3.0.19-1~deb12u2, and a fix is there",
        );
        let listed = ask("  deny: [cve-2026-1001]\n");
        let found = listed.explanations().iter().filter(|e| e.code == Refusal::VulnerabilityListed).count();
        assert_eq!(found, 2, "{form}: libssl3 and openssl: {listed:#?}");
        allowed(&ask("  deny: [CVE-2026-9]\n"));
        allowed(&ask("  maxSeverity: low\n  ignore: [CVE-2026-1002]\n"));
    }
    // Its predicate says when: after the day on which these tests judge.
    denied(&judge(&forms[2].1, "  maxAge: 7d\n"), Refusal::ScanDateUnknown, "in the future");
    allowed(&judge(&forms[0].1, "  maxAge: 7d\n"));
}
