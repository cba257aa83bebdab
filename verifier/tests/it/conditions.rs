//! Conditions in CEL, through whole policies: what they see, and what they cannot do.

use crate::lab::*;
use crate::sboms::{allowed, denied};
use seaworthy_oci::Descriptor;
use seaworthy_verifier::{Decision, Platforms, Policy, PolicyError, Refusal, Verdict};
use serde_json::json;
use std::path::Path;

const HEAD: &str =
    "images: ['**']\nauthorities: [{name: ci, keys: [{path: ci.pub}]}]\nsignatures: [{by: [ci]}]\n";
const RULES: &str = "sbom: {by: [ci]}\nprovenance: {by: [ci], sources: ['https://github.com/acme/*']}\n";

fn load(text: &str) -> Result<Policy, PolicyError> {
    try_policy(&format!("{HEAD}{text}"), &[("ci", &Key::new(1))])
}

fn one(expression: &str) -> String {
    format!("conditions: [{{expression: {}, message: a good image}}]\n", json!(expression))
}

/// A signed image with configuration, SBOM and provenance.
fn lab() -> (Lab, Descriptor) {
    let mut lab = Lab::new();
    let config = json!({
        "os": "linux", "architecture": "amd64", "created": "2026-05-01T00:00:00Z",
        "config": { "User": "1000", "Env": ["PATH=/bin"], "ExposedPorts": { "8080/tcp": {} }, "Labels": { "team": "app" } },
    });
    let image = lab.image_with(&config, &json!({ "tier": "gold" }));
    let key = Key::new(1);
    let document = spdx(
        "2026-06-01T00:00:00Z",
        &[("pkg:deb/debian/bash@5.2", "GPL-3.0-or-later"), ("pkg:npm/left-pad@1.3.0", "MIT")],
    );
    let built = json!({ "buildDefinition": { "externalParameters": {
        "workflow": { "repository": "https://github.com/acme/app", "ref": "refs/tags/v1" },
    } }, "runDetails": { "builder": { "id": "https://example.com/b" } } });
    for (kind, predicate) in [(SIGN, json!({})), (SPDX, document), (SLSA, built)] {
        lab.attach(&image, &key.bundle(&statement(&image.digest, kind, predicate)));
    }
    (lab, image)
}

#[track_caller]
fn judge(expression: &str) -> Verdict {
    let (lab, image) = lab();
    lab.judge(&image, load(&format!("{RULES}{}", one(expression))).unwrap_or_else(|e| panic!("{e}"))).unwrap()
}

#[test]
fn what_conditions_see() {
    for yes in [
        "image.name == 'registry.example/team/app' && image.registry == 'registry.example' && image.repository == 'team/app'",
        "image.digest == digest && digest.startsWith('sha256:') && tag == '1' && namespace == null",
        "config.user == '1000' && '8080/tcp' in config.ports && config.labels.team == 'app' && config.os == 'linux'",
        "now - config.created < duration('1000h') && annotations.tier == 'gold'",
        "signers.size() == 1 && signers.exists(s, s.authority == 'ci' && s.id.startsWith('key sha256:'))",
        "sbom.packages.size() == 2 && sbom.packages.exists(p, p.ecosystem == 'npm' && p.version == '1.3.0')",
        "sbom.packages.exists(p, p.license == 'MIT' && p.purl == 'pkg:npm/left-pad@1.3.0')",
        "provenance.source == 'https://github.com/acme/app' && provenance.ref.startsWith('refs/tags/') && provenance.builder == 'https://example.com/b'",
        "provenance.commit == null && !has(provenance.commit)",
    ] {
        allowed(&judge(yes));
    }
    let verdict = judge("sbom.packages.all(p, p.name != 'left-pad')");
    denied(&verdict, Refusal::ConditionNotMet, "a good image");
    assert!(verdict.reason.ends_with("a good image [condition-not-met]"), "{}", verdict.reason);
    denied(&judge("platform.os == 'linux'"), Refusal::ConditionCannotTell, "what is not known");
    denied(
        &judge("provenance.commit.size() == 40"),
        Refusal::ConditionCannotTell,
        "a good image: it cannot be told",
    );
    denied(&judge("config.labels.owner == 'us'"), Refusal::ConditionCannotTell, "without 'owner'");
}

/// An exception may lift that there is no SBOM; a condition then sees none, and not one without packages.
#[test]
fn what_inventories_nothing_is_no_empty_sbom() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let vex = json!({ "bomFormat": "CycloneDX", "specVersion": "1.6", "vulnerabilities": [{ "id": "CVE-2026-1" }] });
    for (kind, predicate) in [(SIGN, json!({})), ("https://cyclonedx.org/bom", vex)] {
        lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, kind, predicate)));
    }
    let asked = format!("sbom: {{by: [ci]}}\n{}", one("sbom.packages.all(p, p.name != 'left-pad')"));
    let verdict = lab.judge(&image, load(&asked).unwrap()).unwrap();
    denied(&verdict, Refusal::SbomWithoutInventory, "1 vulnerability");
    denied(&verdict, Refusal::ConditionCannotTell, "what is not known");
}

/// Each platform of an index is asked for itself.
#[test]
fn each_platform() {
    let mut lab = Lab::new();
    let (amd64, arm64) = (lab.image("amd64"), lab.image("arm64"));
    let index = lab.index(&[("linux/amd64", &amd64), ("linux/arm64", &arm64)]);
    lab.attach(&index, &Key::new(1).bundle(&statement(&index.digest, SIGN, json!({}))));
    let ask = |text: &str| lab.judge_with(&index, vec![load(&one(text)).unwrap()], Platforms::All).unwrap();
    allowed(&ask(
        "platform.architecture == config.architecture && image.digest != digest && signers.size() == 1",
    ));
    denied(&ask("platform.architecture == 'amd64'"), Refusal::ConditionNotMet, "a good image");
}

/// C14: over the budget is a denial with that reason.
#[test]
fn c14_over_budget_is_a_denial() {
    let heavy = (0..5).fold("[1, 2, 3, 4, 5, 6, 7, 8]".to_owned(), |list, _| format!("({list} + {list})"));
    let text = format!("{heavy}.all(a, {heavy}.all(b, {heavy}.all(c, a + b + c > 0)))");
    denied(&judge(&text), Refusal::ConditionOverBudget, "more than 10000000 steps");
}

/// C15: there is nothing in the language that reaches a file or a network, and a policy that tries is refused.
#[test]
fn c15_nothing_reaches_out() {
    for text in [
        "http.get('http://x') == ''",
        "open('/etc/passwd') == ''",
        "env('HOME') == ''",
        "file.read('x') == ''",
        "exec('id')",
    ] {
        let error = load(&one(text)).expect_err(text);
        assert!(error.problems[0].message.contains("there is no "), "{error}");
    }
}

/// C02: the strictest applies.
#[test]
fn c02_the_strictest_applies() {
    let (lab, image) = lab();
    let text = |mode: &str| format!("mode: {mode}\n{HEAD}{}", one("config.user == '0'"));
    let named = |mode: &str| named(&format!("name: {mode}"), &text(mode), &[("ci", &Key::new(1))]);
    let verdict = lab.judge_with(&image, vec![named("audit"), named("warn")], Platforms::All).unwrap();
    assert_eq!((verdict.decision, verdict.would_deny, verdict.warnings.len()), (Decision::Allow, true, 1));
    for policies in [vec![named("audit"), named("enforce")], vec![named("enforce"), named("audit")]] {
        denied(&lab.judge_with(&image, policies, Platforms::All).unwrap(), Refusal::ConditionNotMet, "");
    }
}

#[test]
fn what_means_nothing_is_refused_with_line_and_hint() {
    let thirty_three = "  - {expression: 'true', message: x}\n".repeat(33);
    for (text, words) in [
        ("conditions: []".to_owned(), "asks for nothing"),
        (format!("conditions:\n{thirty_three}"), "CONDITIONS = 32"),
        ("conditions: [{expression: 'true', message: ' '}]".to_owned(), "no message"),
        (one("tag == "), "ends too early"),
        (one("tag == 1"), "never equal"),
        (one("sbom.packages.size() > 0"), "does not say whose counts"),
        (one("provenance.ref == 'x'"), "does not say whose counts"),
        (one(&format!("tag == '{}'", "x".repeat(5_000))), "EXPRESSION_BYTES"),
    ] {
        let error = load(&text).expect_err(&text);
        let found =
            error.problems.iter().any(|p| p.message.contains(words) && p.line.is_some() && p.hint.is_some());
        assert!(found, "{words}: {error}");
    }
}

#[test]
fn the_example_loads() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/policies/cel/conditions.yaml");
    assert_eq!(Policy::load(Path::new(path), now()).unwrap().len(), 1);
}
