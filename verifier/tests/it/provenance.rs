//! Provenance and verification summaries, in the forms of real builders, forged and judged.

use crate::lab::*;
use crate::sboms::{allowed, denied};
use seaworthy_verifier::{Decision, Platforms, Policy, Refusal, Verdict};
use serde_json::{Value, json};

const SLSA_02: &str = "https://slsa.dev/provenance/v0.2";
const VSA: &str = "https://slsa.dev/verification_summary/v1";
const HEAD: &str = "images: ['**']\nauthorities:\n  - {name: ci, keys: [{path: ci.pub}]}\n  - {name: second, keys: [{path: second.pub}]}\n  - {name: judge, keys: [{path: judge.pub}]}\nsignatures: [{by: [ci, second, judge]}]\n";

fn keys() -> [Key; 3] {
    [Key::new(1), Key::new(2), Key::new(3)]
}

fn load(rule: &str) -> Result<Policy, seaworthy_verifier::PolicyError> {
    let [ci, second, judge] = keys();
    try_policy(&format!("{HEAD}{rule}"), &[("ci", &ci), ("second", &second), ("judge", &judge)])
}

fn rule(text: &str) -> Policy {
    load(text).unwrap_or_else(|e| panic!("{e}"))
}

#[track_caller]
fn judge(statements: &[(u8, &str, Value)], text: &str) -> Verdict {
    let (lab, image) = Lab::attested(statements);
    lab.judge(&image, rule(text)).unwrap()
}

const RUNNER: &str = "https://github.com/acme/app/.github/workflows/release.yml@refs/heads/main";

/// As GitHub's attestation of a build says it.
fn github(repository: &str, reference: &str) -> Value {
    json!({
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": { "workflow": {
                "ref": reference, "repository": repository, "path": ".github/workflows/release.yml",
            } },
            "internalParameters": { "github": { "event_name": "push", "runner_environment": "github-hosted" } },
            "resolvedDependencies": [{
                "uri": format!("git+{repository}@{reference}"),
                "digest": { "gitCommit": "0123456789abcdef0123456789abcdef01234567" },
            }],
        },
        "runDetails": {
            "builder": { "id": RUNNER },
            "metadata": { "invocationId": format!("{repository}/actions/runs/1/attempts/1") },
        },
    })
}

const APP: &str = "https://github.com/acme/app";
const MAIN: &str = "refs/heads/main";

const FULL: &str = "provenance:
  by: [ci]
  builders: [{id: 'https://github.com/acme/app/.github/workflows/*@refs/heads/main', level: 2}]
  sources: ['https://github.com/acme/*']
  refs: [refs/heads/main, 'refs/tags/v*']
  buildTypes: ['https://actions.github.io/buildtypes/workflow/v1']
  level: 2
";

#[test]
fn provenance_of_github() {
    allowed(&judge(&[(1, SLSA, github(APP, MAIN))], FULL));
    denied(&judge(&[], FULL), Refusal::ProvenanceMissing, "no provenance on");
    denied(
        &judge(&[(2, SLSA, github(APP, MAIN))], FULL),
        Refusal::UnknownSigner,
        "by second, whom this rule does not ask for",
    );
    denied(
        &judge(&[(1, SLSA, github("https://github.com/acme-evil/app", MAIN))], FULL),
        Refusal::SourceRefused,
        "built from 'https://github.com/acme-evil/app', not from https://github.com/acme/*",
    );
    denied(
        &judge(&[(1, SLSA, github(APP, "refs/heads/feature"))], FULL),
        Refusal::SourceRefRefused,
        "ref 'refs/heads/feature', not refs/heads/main or refs/tags/v*",
    );
    let mut other = github(APP, MAIN);
    other["runDetails"]["builder"]["id"] =
        "https://github.com/acme/app/.github/workflows/x@refs/heads/evil".into();
    denied(
        &judge(&[(1, SLSA, other.clone())], FULL),
        Refusal::BuilderRefused,
        "which the policy does not name",
    );
    let mut kind = github(APP, MAIN);
    kind["buildDefinition"]["buildType"] = "https://example.com/by-hand".into();
    denied(&judge(&[(1, SLSA, kind)], FULL), Refusal::BuildTypeRefused, "https://example.com/by-hand");
    // One that is good is enough, whatever else the same signer says.
    allowed(&judge(&[(1, SLSA, other.clone()), (1, SLSA, github(APP, MAIN))], FULL));
    // The reason is one line that names the rule's question.
    let verdict = judge(&[(1, SLSA, other)], FULL);
    assert!(
        verdict.reason.contains("is as the policy wants it: built by")
            && verdict.reason.contains("[provenance-refused, builder-refused]"),
        "{}",
        verdict.reason
    );
}

/// What is not there is not fulfilled, and is said to be unknown, not wrong.
#[test]
fn what_the_provenance_does_not_say_is_not_fulfilled() {
    for (path, words) in [
        ("/runDetails/builder", "who built the image"),
        ("/buildDefinition/externalParameters/workflow/ref", "which ref it was built from"),
        ("/buildDefinition/buildType", "how it was built"),
    ] {
        let mut less = github(APP, MAIN);
        *less.pointer_mut(path).unwrap() = Value::Null;
        if path.ends_with("ref") {
            less["buildDefinition"]["resolvedDependencies"] = json!([]);
        }
        denied(&judge(&[(1, SLSA, less)], FULL), Refusal::ProvenanceCannotTell, words);
    }
    let mut less = github(APP, MAIN);
    less["buildDefinition"]["externalParameters"] = json!({});
    less["buildDefinition"]["resolvedDependencies"] = json!([]);
    denied(&judge(&[(1, SLSA, less)], FULL), Refusal::ProvenanceCannotTell, "which repository");
    denied(&judge(&[(1, SLSA, json!({}))], FULL), Refusal::ProvenanceCannotTell, "who built");
    denied(&judge(&[(1, SLSA, json!([1]))], FULL), Refusal::ProvenanceUnreadable, "no object");
    // A type of text that is no text says nothing.
    let mut odd = github(APP, MAIN);
    odd["runDetails"]["builder"]["id"] = json!([RUNNER]);
    denied(&judge(&[(1, SLSA, odd)], FULL), Refusal::ProvenanceCannotTell, "who built");
}

/// The right repository among the dependencies of a build of something else is no source.
#[test]
fn a_dependency_is_not_the_source() {
    let sources = "provenance: {by: [ci], sources: ['https://github.com/acme/app']}";
    let depends = |source: Value, dependencies: &[&str]| {
        let dependencies: Vec<Value> = dependencies
            .iter()
            .map(|uri| json!({ "uri": uri, "digest": { "gitCommit": "0123456789abcdef0123456789abcdef01234567" } }))
            .collect();
        json!({ "buildDefinition": {
            "buildType": "https://tekton.dev/chains/v2/slsa", "externalParameters": source,
            "resolvedDependencies": dependencies,
        } })
    };
    let (app, evil) = ("git+https://github.com/acme/app.git", "git+https://github.com/evil/app");
    let evil_source = json!({ "source": { "uri": evil } });
    denied(&judge(&[(1, SLSA, depends(evil_source, &[app]))], sources), Refusal::SourceRefused, "evil");
    denied(
        &judge(&[(1, SLSA, depends(json!({}), &[evil, app]))], sources),
        Refusal::ProvenanceCannotTell,
        "2 repositories among its dependencies",
    );
    // The only repository there is.
    allowed(&judge(&[(1, SLSA, depends(json!({}), &[app, app]))], sources));
    // Two parameters that disagree name nothing.
    let two = json!({ "source": { "uri": app }, "configSource": { "uri": evil } });
    denied(&judge(&[(1, SLSA, depends(two, &[]))], sources), Refusal::ProvenanceCannotTell, "two sources");
    let broken = json!({ "source": "not a uri" });
    denied(
        &judge(&[(1, SLSA, depends(broken, &[app]))], sources),
        Refusal::ProvenanceCannotTell,
        "no repository",
    );
}

/// slsa-github-generator's form of v0.2, and BuildKit's of v0.2 and v1.
#[test]
fn other_builders() {
    let wanted = "provenance: {by: [ci], sources: ['https://github.com/acme/app'], refs: ['refs/tags/v*']}";
    let generator = json!({
        "builder": { "id": "https://github.com/slsa-framework/slsa-github-generator/.github/workflows/generator_container_slsa3.yml@refs/tags/v2.0.0" },
        "buildType": "https://github.com/slsa-framework/slsa-github-generator/container@v1",
        "invocation": { "configSource": {
            "uri": "git+https://github.com/acme/app@refs/tags/v1.2.3",
            "digest": { "sha1": "0123456789abcdef0123456789abcdef01234567" },
            "entryPoint": ".github/workflows/release.yml",
        } },
        "materials": [{ "uri": "git+https://github.com/acme/app@refs/tags/v1.2.3",
            "digest": { "sha1": "0123456789abcdef0123456789abcdef01234567" } }],
    });
    allowed(&judge(&[(1, SLSA_02, generator.clone())], wanted));
    let table = "provenance: {by: [ci], builders: [{id: 'https://github.com/slsa-framework/slsa-github-generator/.github/workflows/*@refs/tags/v*', level: 3}], level: 3}";
    allowed(&judge(&[(1, SLSA_02, generator)], table));
    let remote = json!({
        "builder": { "id": "" },
        "buildType": "https://mobyproject.org/buildkit@v1",
        "invocation": {
            "configSource": { "uri": "https://github.com/acme/app.git#refs/tags/v1:dir", "entryPoint": "Dockerfile" },
            "parameters": { "frontend": "dockerfile.v0" },
        },
        "materials": [
            { "uri": "pkg:docker/alpine@3.20?platform=linux%2Famd64", "digest": { "sha256": "a".repeat(64) } },
            { "uri": "https://github.com/acme/app.git#refs/tags/v1", "digest": { "sha1": "0".repeat(40) } },
        ],
    });
    allowed(&judge(&[(1, SLSA_02, remote.clone())], wanted));
    denied(
        &judge(
            &[(1, SLSA_02, remote)],
            "provenance: {by: [ci], builders: [{id: 'https://github.com/acme/*'}]}",
        ),
        Refusal::ProvenanceCannotTell,
        "who built",
    );
    // A build of a directory on somebody's disk: the client tells which repository it was, and no ref.
    let local = json!({
        "buildDefinition": {
            "buildType": "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md",
            "externalParameters": {
                "configSource": { "path": "Dockerfile" },
                "request": { "frontend": "dockerfile.v0", "locals": [{ "name": "context" }] },
            },
        },
        "runDetails": {
            "builder": { "id": "https://github.com/acme/app/actions/runs/1/attempts/1" },
            "metadata": { "buildkit_metadata": { "vcs": {
                "source": "git@github.com:acme/app.git", "revision": "0123456789abcdef0123456789abcdef01234567",
            } } },
        },
    });
    allowed(&judge(
        &[(1, SLSA, local.clone())],
        "provenance: {by: [ci], sources: ['https://github.com/acme/app']}",
    ));
    denied(&judge(&[(1, SLSA, local)], wanted), Refusal::ProvenanceCannotTell, "which ref");
    let context = json!({ "buildDefinition": { "externalParameters": { "request": { "args": {
        "context": "https://github.com/acme/app.git#refs/tags/v3",
    } } } } });
    allowed(&judge(&[(1, SLSA, context)], wanted));
}

fn vsa(level: &str, result: &str) -> Value {
    json!({
        "verifier": { "id": "https://example.com/verifier" },
        "timeVerified": "2026-05-31T00:00:00Z",
        "resourceUri": "registry.example/team/app",
        "policy": { "uri": "https://example.com/policy" },
        "verificationResult": result,
        "verifiedLevels": [level, "SLSA_SOURCE_LEVEL_2"],
        "slsaVersion": "1.0",
    })
}

/// The level follows from the policy's table of builders or from a summary, never from the builder's own word.
#[test]
fn levels() {
    let wanted = |more: &str| format!("provenance:\n  by: [ci]\n  level: 3\n{more}");
    let table = wanted(
        "  builders: [{id: 'https://github.com/acme/**', level: 2}, {id: 'https://example.com/x', level: 3}]\n",
    );
    denied(
        &judge(&[(1, SLSA, github(APP, MAIN))], &table),
        Refusal::SlsaLevelTooLow,
        "the policy gives its builder level 2, and wants level 3",
    );
    let both = format!(
        "{table}  summary: {{by: [judge], verifiers: ['https://example.com/verifier'], resources: ['registry.example/**']}}\n"
    );
    let provenance = (1, SLSA, github(APP, MAIN));
    allowed(&judge(&[provenance.clone(), (3, VSA, vsa("SLSA_BUILD_LEVEL_3", "PASSED"))], &both));
    for (summary, code, words) in [
        (vsa("SLSA_BUILD_LEVEL_2", "PASSED"), Refusal::SlsaLevelTooLow, "states level 2"),
        (vsa("SLSA_BUILD_LEVEL_UNEVALUATED", "PASSED"), Refusal::SlsaLevelUnknown, "states no build level"),
        (vsa("SLSA_BUILD_LEVEL_3", "FAILED"), Refusal::SummaryRefused, "did not pass"),
        (vsa("SLSA_BUILD_LEVEL_3", "passed"), Refusal::SummaryRefused, "did not pass"),
        (
            json!({ "verifiedLevels": ["SLSA_BUILD_LEVEL_3"] }),
            Refusal::SummaryUnreadable,
            "verificationResult",
        ),
    ] {
        denied(&judge(&[provenance.clone(), (3, VSA, summary)], &both), code, words);
    }
    let mut other = vsa("SLSA_BUILD_LEVEL_3", "PASSED");
    other["verifier"]["id"] = "https://example.com/other".into();
    denied(&judge(&[provenance.clone(), (3, VSA, other)], &both), Refusal::SummaryRefused, "verifier 'https");
    // By somebody who may build, and may not say how well.
    let own = (1, VSA, vsa("SLSA_BUILD_LEVEL_3", "PASSED"));
    denied(
        &judge(&[provenance, own.clone()], &both),
        Refusal::SummaryMissing,
        "no valid verification summary",
    );
    // A summary alone, without any provenance at hand.
    let alone = "provenance: {level: 3, summary: {by: [judge]}}";
    allowed(&judge(&[(3, VSA, vsa("SLSA_BUILD_LEVEL_3", "PASSED"))], alone));
    denied(&judge(&[], alone), Refusal::SummaryMissing, "no verification summary on");
    denied(&judge(&[own], alone), Refusal::UnknownSigner, "by ci");
    let unstated = wanted("  builders: [{id: 'https://github.com/acme/**'}]\n  summary: {by: [judge]}\n");
    denied(&judge(&[(1, SLSA, github(APP, MAIN))], &unstated), Refusal::SlsaLevelUnknown, "nobody states");
}

#[test]
fn distinct_signers_of_provenance_that_fulfils() {
    let two = "provenance: {by: [ci, second], threshold: 2, sources: ['https://github.com/acme/app']}";
    let good = || github(APP, MAIN);
    allowed(&judge(&[(1, SLSA, good()), (2, SLSA, good())], two));
    denied(&judge(&[(1, SLSA, good()), (1, SLSA_02, json!({}))], two), Refusal::ThresholdNotMet, "1 of 2");
    let evil = github("https://github.com/evil/app", MAIN);
    denied(&judge(&[(1, SLSA, good()), (2, SLSA, evil)], two), Refusal::ThresholdNotMet, "1 of 2");
}

/// About the digest that is asked for, or about each of its platforms.
#[test]
fn an_index_or_each_of_its_platforms() {
    let wanted = "provenance: {by: [ci], sources: ['https://github.com/acme/app']}";
    let make = |on: &[usize]| {
        let mut lab = Lab::new();
        let (amd64, arm64) = (lab.image("amd64"), lab.image("arm64"));
        let index = lab.index(&[("linux/amd64", &amd64), ("linux/arm64", &arm64)]);
        let key = Key::new(1);
        lab.attach(&index, &key.bundle(&statement(&index.digest, SIGN, json!({}))));
        let all = [&index, &amd64, &arm64];
        for at in on {
            lab.attach(all[*at], &key.bundle(&statement(&all[*at].digest, SLSA, github(APP, MAIN))));
        }
        lab.judge_with(&index, vec![rule(wanted)], Platforms::All).unwrap()
    };
    allowed(&make(&[0]));
    allowed(&make(&[1, 2]));
    denied(&make(&[2]), Refusal::ProvenanceMissing, "linux/amd64");
}

/// C02: a rule of an audit policy denies nothing, the same rule of an enforcing one does, in either order.
#[test]
fn c02_the_strictest_applies() {
    let (lab, image) = Lab::attested(&[(1, SLSA, github("https://github.com/evil/app", MAIN))]);
    let audit = || rule(&format!("mode: audit\n{FULL}"));
    let verdict = lab.judge(&image, audit()).unwrap();
    assert_eq!((verdict.decision, verdict.would_deny), (Decision::Allow, true));
    let [ci, second, judge] = keys();
    let strict = named(
        "name: strict",
        &format!("{HEAD}{FULL}"),
        &[("ci", &ci), ("second", &second), ("judge", &judge)],
    );
    for policies in [vec![audit(), strict.clone()], vec![strict.clone(), audit()]] {
        let verdict = lab.judge_with(&image, policies, Platforms::All).unwrap();
        assert_eq!(verdict.decision, Decision::Deny);
        assert!(verdict.reason.starts_with("policy 'strict'"), "{}", verdict.reason);
    }
}

/// A provenance and a summary of the limit are read; one byte more, and neither counts.
#[test]
fn bounded_at_limit_plus_one() {
    const LIMIT: usize = 4 << 20;
    let padded = |mut predicate: Value, size: usize| {
        predicate["padding"] = "".into();
        let missing = size - predicate.to_string().len();
        predicate["padding"] = "x".repeat(missing).into();
        assert_eq!(predicate.to_string().len(), size);
        predicate
    };
    let wanted = "provenance: {by: [ci], sources: ['https://github.com/acme/app']}";
    let own = |size: usize| judge(&[(1, SLSA, padded(github(APP, MAIN), size))], wanted);
    allowed(&own(LIMIT));
    denied(&own(LIMIT + 1), Refusal::ProvenanceUnreadable, "PROVENANCE_BYTES = 4194304");
    let alone = "provenance: {level: 3, summary: {by: [judge]}}";
    let summary = |size: usize| judge(&[(3, VSA, padded(vsa("SLSA_BUILD_LEVEL_3", "PASSED"), size))], alone);
    allowed(&summary(LIMIT));
    denied(&summary(LIMIT + 1), Refusal::SummaryUnreadable, "PROVENANCE_BYTES");
}

#[test]
fn what_could_never_be_met_or_has_no_effect_is_refused() {
    for (text, words) in [
        ("provenance: {}", "names no signer"),
        ("provenance: {by: [nobody]}", "no authority 'nobody'"),
        ("provenance: {by: [ci], builders: []}", "empty list of builders"),
        ("provenance: {by: [ci], builders: [{id: '*'}]}", "leaves open whose it is"),
        ("provenance: {by: [ci], builders: [{id: 'https://*/x'}]}", "leaves open whose it is"),
        ("provenance: {by: [ci], builders: [{id: x}, {id: x}]}", "same builder twice"),
        ("provenance: {by: [ci], builders: [{id: x, level: 2}]}", "no level is asked for"),
        ("provenance: {by: [ci], builders: [{id: x, level: 2}], level: 3}", "nobody states such a level"),
        ("provenance: {by: [ci], level: 2}", "nobody states such a level"),
        ("provenance: {by: [ci], level: 4, builders: [{id: x, level: 3}]}", "no SLSA build level 4"),
        ("provenance: {by: [ci], level: 0}", "no SLSA build level 0"),
        ("provenance: {by: [ci], sources: [acme/app]}", "no source repository"),
        (
            "provenance: {by: [ci], sources: ['https://github.com/acme/app@refs/heads/main']}",
            "not part of a repository",
        ),
        ("provenance: {by: [ci], sources: ['https://*.com/acme/app']}", "leaves open whose it is"),
        ("provenance: {by: [ci], refs: []}", "empty list of refs"),
        ("provenance: {by: [ci], refs: [a, a]}", "same pattern twice"),
        ("provenance: {by: [ci], summary: {by: [judge]}}", "none is asked for"),
        ("provenance: {level: 2, refs: [x], summary: {by: [judge]}}", "without `by` no provenance"),
        ("provenance: {by: [ci], level: 2, summary: {}}", "names no signer"),
        ("provenance: {by: [ci], threshold: 2}", "can never be met"),
    ] {
        let error = load(text).expect_err(text);
        let found =
            error.problems.iter().any(|p| p.message.contains(words) && p.line.is_some() && p.hint.is_some());
        assert!(found, "{text}: {error}");
    }
}
