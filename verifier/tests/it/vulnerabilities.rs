//! Vulnerability reports in the forms of real scanners, and VEX that speaks for what they find.

use crate::lab::*;
use crate::sboms::{allowed, denied};
use seaworthy_oci::Descriptor;
use seaworthy_verifier::{Decision, Platforms, Policy, Refusal, Verdict};
use serde_json::{Value, json};

const VULN: &str = "https://cosign.sigstore.dev/attestation/vuln/v1";
const VULNS: &str = "https://in-toto.io/attestation/vulns/v0.2";
const VEX: &str = "https://openvex.dev/ns/v0.2.0";
const BOM: &str = "https://cyclonedx.org/bom";
const HEAD: &str = "images: ['**']\nauthorities:\n  - {name: scanner, keys: [{path: scanner.pub}]}\n  - {name: security, keys: [{path: security.pub}]}\nsignatures: [{by: [scanner, security]}]\n";
const XZ: &str = "pkg:deb/debian/xz-utils@5.6.1-1?arch=amd64&distro=debian-12";

fn load(rule: &str) -> Result<Policy, seaworthy_verifier::PolicyError> {
    try_policy(&format!("{HEAD}{rule}"), &[("scanner", &Key::new(1)), ("security", &Key::new(2))])
}

fn rule(text: &str) -> Policy {
    load(text).unwrap_or_else(|e| panic!("{e}"))
}

#[track_caller]
fn judge(statements: &[(u8, &str, Value)], text: &str) -> Verdict {
    let (lab, image) = Lab::attested(statements);
    lab.judge(&image, rule(text)).unwrap()
}

fn scan(finished: &str, result: Value) -> Value {
    json!({
        "invocation": { "uri": "", "event_id": "", "builder.id": "" },
        "scanner": { "uri": "pkg:github/aquasecurity/trivy@0.57.0", "version": "0.57.0", "db": {}, "result": result },
        "metadata": { "scanStartedOn": finished, "scanFinishedOn": finished },
    })
}

/// (id, severity, fixed version, purl) as Trivy lists them.
fn trivy(found: &[(&str, &str, &str, &str)]) -> Value {
    let list: Vec<Value> = found
        .iter()
        .map(|(id, severity, fixed, purl)| {
            let name = purl.rsplit('/').next().unwrap().split('@').next().unwrap();
            json!({
                "VulnerabilityID": id, "PkgName": name, "InstalledVersion": "5.6.1-1", "FixedVersion": fixed,
                "Severity": severity, "PkgIdentifier": { "PURL": purl },
            })
        })
        .collect();
    json!({ "SchemaVersion": 2, "ArtifactName": "app", "Results": [{ "Target": "app", "Vulnerabilities": list }, { "Target": "go" }] })
}

const TODAY: &str = "2026-06-01T06:00:00Z";
const CVE: (&str, &str, &str, &str) = ("CVE-2024-3094", "CRITICAL", "5.6.2", XZ);
const MEDIUM: &str = "vulnerabilities:\n  by: [scanner]\n  maxSeverity: medium\n";

#[test]
fn how_severe() {
    let ask =
        |found: &[(&str, &str, &str, &str)], text: &str| judge(&[(1, VULN, scan(TODAY, trivy(found)))], text);
    allowed(&ask(&[], MEDIUM));
    allowed(&ask(&[("CVE-2024-1", "MEDIUM", "", XZ), ("CVE-2024-2", "LOW", "", XZ)], MEDIUM));
    let verdict = ask(&[("CVE-2024-1", "HIGH", "", XZ), CVE], MEDIUM);
    denied(
        &verdict,
        Refusal::VulnerabilityTooSevere,
        "CVE-2024-3094 (critical) in xz-utils 5.6.1-1, and a fix is there",
    );
    // The worst comes first.
    assert!(verdict.reason.contains("CVE-2024-3094"), "{}", verdict.reason);
    denied(
        &ask(&[("CVE-2024-1", "UNKNOWN", "", XZ)], MEDIUM),
        Refusal::VulnerabilitySeverityUnknown,
        "unknown",
    );
    allowed(&ask(&[("CVE-2024-1", "UNKNOWN", "", XZ)], &format!("{MEDIUM}  unknownSeverity: allow\n")));
    let fixable = format!("{MEDIUM}  fixAvailable: only\n");
    allowed(&ask(&[("CVE-2024-1", "CRITICAL", "", XZ)], &fixable));
    denied(&ask(&[CVE], &fixable), Refusal::VulnerabilityTooSevere, "CVE-2024-3094");
    let listed = format!("{fixable}  deny: [cve-2024-1]\n");
    denied(
        &ask(&[("CVE-2024-1", "LOW", "", XZ)], &listed),
        Refusal::VulnerabilityListed,
        "is denied by the policy",
    );
    let ignored = format!("{MEDIUM}  ignore: [CVE-2024-3094]\n");
    let verdict = ask(&[CVE], &ignored);
    allowed(&verdict);
    let suppressed = &verdict.policies[0].subjects[0].requirements[1].suppressed;
    assert_eq!(suppressed.len(), 1, "{verdict:#?}");
    assert_eq!((suppressed[0].by, suppressed[0].vulnerabilities[0].as_str()), ("ignore", "CVE-2024-3094"));
    let json = serde_json::to_value(&verdict).unwrap();
    let shown = &json["policies"][0]["subjects"][0]["requirements"][1]["suppressed"][0];
    assert_eq!((&shown["severity"], &shown["package"]), (&json!("critical"), &json!("xz-utils 5.6.1-1")));
}

/// Grype, SARIF of either scanner, in-toto's list of ids.
#[test]
fn other_scanners() {
    let grype = |severity: &str, state: &str| {
        json!({ "matches": [{
            "vulnerability": { "id": "GHSA-rxwq-x6h5-x525", "severity": severity, "fix": { "state": state, "versions": [] } },
            "relatedVulnerabilities": [{ "id": "CVE-2024-3094" }],
            "artifact": { "name": "xz-utils", "version": "5.6.1-1", "purl": XZ },
        }], "descriptor": { "name": "grype", "timestamp": TODAY } })
    };
    let ask = |result: Value, text: &str| judge(&[(1, VULN, scan(TODAY, result))], text);
    allowed(&ask(grype("Medium", "fixed"), MEDIUM));
    denied(
        &ask(grype("High", "fixed"), MEDIUM),
        Refusal::VulnerabilityTooSevere,
        "GHSA-RXWQ-X6H5-X525 (high)",
    );
    // By its other name.
    denied(
        &ask(grype("Low", "wont-fix"), "vulnerabilities: {by: [scanner], deny: [CVE-2024-3094]}"),
        Refusal::VulnerabilityListed,
        "(CVE-2024-3094)",
    );
    allowed(&ask(grype("High", "wont-fix"), &format!("{MEDIUM}  fixAvailable: only\n")));
    denied(
        &ask(grype("High", "unknown"), &format!("{MEDIUM}  fixAvailable: only\n")),
        Refusal::VulnerabilityTooSevere,
        "",
    );
    let sarif = |id: &str, score: Value, tags: Value, text: &str| {
        json!({ "version": "2.1.0", "runs": [{
            "tool": { "driver": { "name": "Trivy", "rules": [{ "id": id, "properties": { "security-severity": score, "tags": tags } }] } },
            "results": [{ "ruleId": id, "ruleIndex": 0, "level": "error", "message": { "text": text } }],
        }] })
    };
    let vulnerability = json!(["vulnerability", "security"]);
    let text = "Package: xz-utils\nInstalled Version: 5.6.1-1\nVulnerability CVE-2024-3094\nSeverity: CRITICAL\nFixed Version: 5.6.2";
    denied(
        &ask(sarif("CVE-2024-3094", "9.8".into(), vulnerability.clone(), text), MEDIUM),
        Refusal::VulnerabilityTooSevere,
        "CVE-2024-3094 (critical) in xz-utils 5.6.1-1, and a fix is there",
    );
    allowed(&ask(sarif("CVE-2024-3094", "5.0".into(), vulnerability.clone(), text), MEDIUM));
    denied(
        &ask(sarif("CVE-2024-3094", "0.0".into(), vulnerability.clone(), text), MEDIUM),
        Refusal::VulnerabilitySeverityUnknown,
        "",
    );
    let unfixed = text.replace("5.6.2", "");
    allowed(&ask(
        sarif("CVE-2024-3094", json!(9.8), vulnerability.clone(), &unfixed),
        &format!("{MEDIUM}  fixAvailable: only\n"),
    ));
    denied(
        &ask(
            sarif("CVE-2024-3094-xz-utils", json!(1.0), vulnerability, "A low"),
            "vulnerabilities: {by: [scanner], deny: [CVE-2024-3094]}",
        ),
        Refusal::VulnerabilityListed,
        "CVE-2024-3094",
    );
    allowed(&ask(sarif("AVD-DS-0002", "9.8".into(), json!(["misconfiguration"]), ""), MEDIUM));
    let ids = |severity: Value| scan(TODAY, json!([{ "id": "CVE-2024-3094", "severity": severity }]));
    let score = |method: &str, score: &str| json!([{ "method": method, "score": score }]);
    denied(
        &judge(&[(1, VULNS, ids(score("cvss_score", "9.8")))], MEDIUM),
        Refusal::VulnerabilityTooSevere,
        "critical",
    );
    denied(&judge(&[(1, VULNS, ids(score("nvd", "high")))], MEDIUM), Refusal::VulnerabilityTooSevere, "high");
    allowed(&judge(&[(1, VULNS, ids(score("nvd", "low")))], MEDIUM));
    // A probability is no severity.
    denied(
        &judge(&[(1, VULNS, ids(score("epss", "0.9")))], MEDIUM),
        Refusal::VulnerabilitySeverityUnknown,
        "",
    );
}

#[test]
fn scans_must_be_there_recent_and_readable() {
    let text = "vulnerabilities: {by: [scanner], maxAge: 7d, maxSeverity: medium}";
    let (old, new) = ("2026-05-20T00:00:00Z", TODAY);
    denied(&judge(&[], text), Refusal::ScanMissing, "no vulnerability scan on");
    denied(&judge(&[(2, VULN, scan(new, trivy(&[])))], text), Refusal::UnknownSigner, "by security");
    denied(&judge(&[(1, VULN, scan(old, trivy(&[])))], text), Refusal::ScanTooOld, "12 days ago");
    denied(&judge(&[(1, VULN, scan("", trivy(&[])))], text), Refusal::ScanDateUnknown, "does not say");
    denied(
        &judge(&[(1, VULN, scan("2026-06-02T00:00:00Z", trivy(&[])))], text),
        Refusal::ScanDateUnknown,
        "future",
    );
    // Wrapped today, made long ago.
    let mut wrapped = trivy(&[]);
    wrapped["CreatedAt"] = old.into();
    denied(&judge(&[(1, VULN, scan(new, wrapped))], text), Refusal::ScanTooOld, "12 days");
    // The old one may stay, whatever it found; what two recent ones found counts together.
    allowed(&judge(&[(1, VULN, scan(old, trivy(&[CVE]))), (1, VULN, scan(new, trivy(&[])))], text));
    denied(
        &judge(&[(1, VULN, scan(new, trivy(&[CVE]))), (1, VULN, scan(new, trivy(&[])))], text),
        Refusal::VulnerabilityTooSevere,
        "CVE-2024-3094",
    );
    for unreadable in
        [json!({}), json!({ "whatever": 1 }), json!({ "matches": 1 }), json!({ "Results": [], "runs": [] })]
    {
        denied(
            &judge(&[(1, VULN, scan(new, unreadable)), (1, VULN, scan(new, trivy(&[])))], text),
            Refusal::ScanUnreadable,
            "",
        );
    }
    denied(&judge(&[(1, VULN, json!({}))], text), Refusal::ScanUnreadable, "scanner");
}

fn vex(status: &str, more: Value) -> Value {
    let mut one = json!({
        "vulnerability": { "name": "CVE-2024-3094" }, "status": status,
        "justification": "vulnerable_code_not_in_execute_path", "timestamp": "2026-05-30T00:00:00Z",
    });
    for (key, value) in more.as_object().unwrap() {
        one[key] = value.clone();
    }
    json!({ "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/vex/1", "author": "us",
        "timestamp": "2026-05-01T00:00:00Z", "version": 1, "statements": [one] })
}

const WITH_VEX: &str = "vulnerabilities:\n  by: [scanner]\n  maxSeverity: medium\n  vex: {by: [security]}\n";

/// The product is the image (by digest, by name, by saying nothing), or the package; subcomponents narrow it.
#[test]
fn vex_speaks_for_what_it_names() {
    let ask = |vex: &dyn Fn(&Descriptor) -> Value| {
        let mut lab = Lab::new();
        let image = lab.image("amd64");
        lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, SIGN, json!({}))));
        lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, VULN, scan(TODAY, trivy(&[CVE])))));
        lab.attach(&image, &Key::new(2).bundle(&statement(&image.digest, VEX, vex(&image))));
        lab.judge(&image, rule(WITH_VEX)).unwrap()
    };
    let product =
        |product: Value| move |_: &Descriptor| vex("not_affected", json!({ "products": [product.clone()] }));
    let verdict = ask(&|_| vex("not_affected", json!({})));
    allowed(&verdict);
    let suppressed = &verdict.policies[0].subjects[0].requirements[1].suppressed[0];
    assert_eq!((suppressed.by, suppressed.authority.as_deref()), ("vex", Some("security")));
    assert_eq!(suppressed.reason, "not_affected: vulnerable_code_not_in_execute_path");
    allowed(&ask(&|_| vex("fixed", json!({ "justification": null }))));
    for named in [
        json!({ "@id": "pkg:oci/app?repository_url=registry.example/team/app" }),
        json!({ "@id": "pkg:oci/app" }),
        json!("pkg:oci/app"),
        json!({ "@id": "pkg:deb/debian/xz-utils@5.6.1-1" }),
        json!({ "@id": "x", "identifiers": { "purl": "pkg:deb/debian/xz-utils?arch=amd64" } }),
        json!({ "@id": "pkg:oci/app", "subcomponents": [{ "@id": "pkg:deb/debian/xz-utils" }] }),
        json!({ "@id": "pkg:oci/app", "subcomponents": [{ "@id": "pkg:deb/debian/bash" }, { "@id": XZ }] }),
    ] {
        allowed(&ask(&product(named)));
    }
    allowed(&ask(&|image| {
        let purl = format!("pkg:oci/other@sha256%3A{}", image.digest.hex());
        vex("not_affected", json!({ "products": [{ "@id": purl }] }))
    }));
    allowed(&ask(&|image| {
        vex(
            "not_affected",
            json!({ "products": [{ "@id": "x", "hashes": { "sha-256": image.digest.hex() } }] }),
        )
    }));
    allowed(&ask(&|image| {
        vex("not_affected", json!({ "products": [format!("registry.example/team/app@{}", image.digest)] }))
    }));
    let other = format!("pkg:oci/app@sha256%3A{}", "b".repeat(64));
    for named in [
        json!({ "@id": other }),
        json!({ "@id": "pkg:oci/other" }),
        json!({ "@id": "pkg:oci/app@1.0" }),
        json!({ "@id": "pkg:oci/app?repository_url=registry.example/evil/app" }),
        json!({ "@id": "pkg:oci/app", "hashes": { "sha-256": "b".repeat(64) } }),
        json!({ "@id": "pkg:oci/app", "subcomponents": [{ "@id": "pkg:deb/debian/bash" }] }),
        json!({ "@id": "pkg:oci/app", "subcomponents": [{ "@id": "xz-utils" }] }),
        json!({ "@id": "pkg:deb/debian/xz-utils@5.6.0-1" }),
        json!({ "@id": "pkg:deb/ubuntu/xz-utils" }),
        json!({ "@id": "pkg:deb/debian/xz-utils?arch=arm64" }),
        json!({ "@id": "anything" }),
    ] {
        denied(&ask(&product(named)), Refusal::VulnerabilityTooSevere, "CVE-2024-3094");
    }
    // No product at all is not every product.
    denied(&ask(&|_| vex("not_affected", json!({ "products": [] }))), Refusal::VulnerabilityTooSevere, "");
}

#[test]
fn vex_that_suppresses_nothing() {
    let scanned = || (1, VULN, scan(TODAY, trivy(&[CVE])));
    let ask = |key: u8, vex: Value| judge(&[scanned(), (key, VEX, vex)], WITH_VEX);
    for status in ["affected", "under_investigation"] {
        denied(&ask(2, vex(status, json!({}))), Refusal::VulnerabilityTooSevere, "CVE-2024-3094");
    }
    // Without a word of why, of another vulnerability, from the future, by somebody else, unreadable.
    denied(
        &ask(2, vex("not_affected", json!({ "justification": null }))),
        Refusal::VulnerabilityTooSevere,
        "",
    );
    denied(
        &ask(2, vex("not_affected", json!({ "vulnerability": { "name": "CVE-2024-1" } }))),
        Refusal::VulnerabilityTooSevere,
        "",
    );
    denied(
        &ask(2, vex("not_affected", json!({ "timestamp": "2026-06-02T00:00:00Z" }))),
        Refusal::VulnerabilityTooSevere,
        "",
    );
    denied(&ask(1, vex("not_affected", json!({}))), Refusal::VulnerabilityTooSevere, "");
    denied(&ask(2, json!({ "statements": [{ "status": "fine" }] })), Refusal::VulnerabilityTooSevere, "");
    // What the policy denies by name, VEX cannot lift.
    let named = format!("{WITH_VEX}  deny: [CVE-2024-3094]\n");
    denied(
        &judge(&[scanned(), (2, VEX, vex("not_affected", json!({})))], &named),
        Refusal::VulnerabilityListed,
        "",
    );
    // By another name of it.
    let aliases = json!({ "vulnerability": { "name": "GHSA-rxwq-x6h5-x525", "aliases": ["CVE-2024-3094"] } });
    allowed(&ask(2, vex("not_affected", aliases)));
    // The newest counts, and of two of one time the worst.
    let at = |status: &str, time: &str| (2, VEX, vex(status, json!({ "timestamp": time })));
    let (first, then) = ("2026-05-20T00:00:00Z", "2026-05-21T00:00:00Z");
    allowed(&judge(&[scanned(), at("not_affected", then), at("affected", first)], WITH_VEX));
    denied(
        &judge(&[scanned(), at("not_affected", first), at("affected", then)], WITH_VEX),
        Refusal::VulnerabilityTooSevere,
        "",
    );
    denied(
        &judge(&[scanned(), at("fixed", then), at("under_investigation", then)], WITH_VEX),
        Refusal::VulnerabilityTooSevere,
        "",
    );
}

#[test]
fn vex_of_cyclonedx() {
    let bom = |state: &str, reference: &str, affects: Value| {
        json!({
            "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
            "metadata": { "timestamp": "2026-05-30T00:00:00Z", "component": { "type": "container", "bom-ref": "image", "name": "app" } },
            "components": [{ "type": "library", "bom-ref": "xz", "name": "xz-utils", "purl": XZ }],
            "vulnerabilities": [{
                "id": "CVE-2024-3094",
                "analysis": { "state": state, "justification": "code_not_reachable" },
                "affects": [{ "ref": reference, "versions": affects }],
            }],
        })
    };
    let ask = |document: Value| judge(&[(1, VULN, scan(TODAY, trivy(&[CVE]))), (2, BOM, document)], WITH_VEX);
    let plain = |state: &str, reference: &str| {
        let mut made = bom(state, reference, Value::Null);
        made["vulnerabilities"][0]["affects"][0].as_object_mut().unwrap().remove("versions");
        made
    };
    let link = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg:deb/debian/xz-utils@5.6.1-1";
    for reference in ["xz", "image", "pkg:deb/debian/xz-utils@5.6.1-1", link] {
        allowed(&ask(plain("not_affected", reference)));
    }
    for state in ["resolved", "false_positive"] {
        allowed(&ask(plain(state, "xz")));
    }
    for state in ["exploitable", "in_triage", "whatever"] {
        denied(&ask(plain(state, "xz")), Refusal::VulnerabilityTooSevere, "CVE-2024-3094");
    }
    for reference in ["bash", "pkg:deb/debian/bash@5", "urn:cdx:x/1#bash"] {
        denied(&ask(plain("not_affected", reference)), Refusal::VulnerabilityTooSevere, "CVE-2024-3094");
    }
    denied(&ask(bom("not_affected", "xz", json!([{ "version": "1" }]))), Refusal::VulnerabilityTooSevere, "");
}

/// Each platform is scanned by itself; VEX may be about the index.
#[test]
fn each_platform_of_an_index() {
    let make = |scans: &[usize]| {
        let mut lab = Lab::new();
        let (amd64, arm64) = (lab.image("amd64"), lab.image("arm64"));
        let index = lab.index(&[("linux/amd64", &amd64), ("linux/arm64", &arm64)]);
        lab.attach(&index, &Key::new(1).bundle(&statement(&index.digest, SIGN, json!({}))));
        lab.attach(
            &index,
            &Key::new(2).bundle(&statement(&index.digest, VEX, vex("not_affected", json!({})))),
        );
        let all = [&index, &amd64, &arm64];
        for at in scans {
            let report = statement(&all[*at].digest, VULN, scan(TODAY, trivy(&[CVE])));
            lab.attach(all[*at], &Key::new(1).bundle(&report));
        }
        lab.judge_with(&index, vec![rule(WITH_VEX)], Platforms::All).unwrap()
    };
    allowed(&make(&[1, 2]));
    denied(&make(&[1]), Refusal::ScanMissing, "linux/arm64");
    denied(&make(&[0]), Refusal::ScanMissing, "linux/amd64");
}

/// C02: the strictest applies.
#[test]
fn c02_the_strictest_applies() {
    let (lab, image) =
        Lab::attested(&[(1, VULN, scan(TODAY, trivy(&[CVE]))), (2, VEX, vex("not_affected", json!({})))]);
    let keys = [("scanner", &Key::new(1)), ("security", &Key::new(2))];
    let strict = || named("name: strict", &format!("{HEAD}{MEDIUM}"), &keys);
    // One policy believes the VEX, the other names nobody whose VEX counts.
    for policies in [vec![rule(WITH_VEX), strict()], vec![strict(), rule(WITH_VEX)]] {
        let verdict = lab.judge_with(&image, policies, Platforms::All).unwrap();
        assert_eq!(verdict.decision, Decision::Deny);
        assert!(verdict.reason.contains("'strict'"), "{}", verdict.reason);
    }
    allowed(&lab.judge(&image, rule(WITH_VEX)).unwrap());
}

/// Bounded: one more finding than is read, and one more than is recorded as suppressed.
#[test]
fn bounded_at_limit_plus_one() {
    let many = |count: usize| {
        let list: Vec<Value> = (0..count).map(|n| json!({ "id": format!("CVE-2024-{n}"), "severity": [{ "method": "nvd", "score": "high" }] })).collect();
        (1, VULNS, scan(TODAY, list.into()))
    };
    let low = format!("{WITH_VEX}  unknownSeverity: allow\n")
        .replace("medium", "critical")
        .replace("  unknownSeverity: allow\n", "");
    allowed(&judge(&[many(50_000)], &low));
    denied(&judge(&[many(50_001)], &low), Refusal::ScanUnreadable, "VULNERABILITIES = 50000");
    let all: Vec<Value> = (0..1_001)
        .map(|n| json!({ "vulnerability": { "name": format!("CVE-2024-{n}") }, "status": "fixed" }))
        .collect();
    let fixed = |count: usize| (2, VEX, json!({ "statements": all[..count] }));
    allowed(&judge(&[many(1_000), fixed(1_000)], WITH_VEX));
    denied(&judge(&[many(1_001), fixed(1_001)], WITH_VEX), Refusal::VulnerabilityTooSevere, "CVE-2024-");
}

/// VEX beyond its limits suppresses nothing: by bytes, and by what it lists.
#[test]
fn vex_is_bounded_at_limit_plus_one() {
    const BYTES: usize = 8 << 20;
    const ENTRIES: usize = 100_000;
    let found = || (1, VULN, scan(TODAY, trivy(&[CVE])));
    let padded = |size: usize| {
        let mut document = vex("not_affected", json!({}));
        document["padding"] = "".into();
        document["padding"] = "x".repeat(size - document.to_string().len()).into();
        judge(&[found(), (2, VEX, document)], WITH_VEX)
    };
    allowed(&padded(BYTES));
    denied(&padded(BYTES + 1), Refusal::VulnerabilityTooSevere, "CVE-2024-3094");
    // A statement, its id and its product are three of them.
    let listing = |entries: usize| {
        let one = json!({ "vulnerability": { "name": "CVE-2024-3094" }, "status": "fixed" });
        let size = |products: usize| 1 + 1 + products;
        let mut statements = vec![one.clone()];
        let products: Vec<Value> =
            (0..entries - size(1) - size(0)).map(|n| json!({ "@id": format!("pkg:npm/p@{n}") })).collect();
        let mut many = one;
        many["vulnerability"]["name"] = "CVE-2024-9".into();
        many["products"] = products.into();
        statements.push(many);
        judge(&[found(), (2, VEX, json!({ "statements": statements }))], WITH_VEX)
    };
    allowed(&listing(ENTRIES));
    denied(&listing(ENTRIES + 1), Refusal::VulnerabilityTooSevere, "CVE-2024-3094");
}

#[test]
fn what_means_nothing_is_refused() {
    for (text, words) in [
        ("vulnerabilities: {}", "names no signer"),
        ("vulnerabilities: {by: [scanner], maxSeverity: bad}", "no severity 'bad'"),
        ("vulnerabilities: {by: [scanner], maxSeverity: HIGH}", "no severity 'HIGH'"),
        ("vulnerabilities: {by: [scanner], maxSeverity: critical, unknownSeverity: allow}", "no effect"),
        ("vulnerabilities: {by: [scanner], unknownSeverity: allow}", "no effect without maxSeverity"),
        ("vulnerabilities: {by: [scanner], maxSeverity: low, fixAvailable: never}", "means nothing"),
        ("vulnerabilities: {by: [scanner], fixAvailable: only}", "no effect without maxSeverity"),
        ("vulnerabilities: {by: [scanner], maxSeverity: low, deny: []}", "empty deny"),
        ("vulnerabilities: {by: [scanner], deny: ['CVE-*']}", "no id of a vulnerability"),
        ("vulnerabilities: {by: [scanner], deny: [CVE-1-1, cve-1-1]}", "twice"),
        ("vulnerabilities: {by: [scanner], deny: [CVE-1-1], ignore: [CVE-1-1]}", "both denied and ignored"),
        ("vulnerabilities: {by: [scanner], ignore: [CVE-1-1]}", "no effect where nothing is denied"),
        ("vulnerabilities: {by: [scanner], vex: {by: [security]}}", "no effect without maxSeverity"),
        ("vulnerabilities: {by: [scanner], maxSeverity: low, vex: {}}", "names no signer"),
        ("vulnerabilities: {by: [scanner], maxAge: 0d}", "no age"),
    ] {
        let error = load(text).expect_err(text);
        let found =
            error.problems.iter().any(|p| p.message.contains(words) && p.line.is_some() && p.hint.is_some());
        assert!(found, "{text}: {error}");
    }
}
