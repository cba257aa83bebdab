//! What a policy can say about an image's configuration.

use crate::lab::*;
use crate::sboms::{allowed, denied};
use seaworthy_oci::{Descriptor, ErrorKind};
use seaworthy_verifier::{Decision, Platforms, Policy, Refusal, Verdict};
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

const HEAD: &str =
    "images: ['**']\nauthorities: [{name: ci, keys: [{path: ci.pub}]}]\nsignatures: [{by: [ci]}]\n";

fn load(rule: &str) -> Result<Policy, seaworthy_verifier::PolicyError> {
    try_policy(&format!("{HEAD}{rule}"), &[("ci", &Key::new(1))])
}

fn rule(text: &str) -> Policy {
    load(text).unwrap_or_else(|e| panic!("{e}"))
}

fn signed(config: &Value, annotations: &Value) -> (Lab, Descriptor) {
    let mut lab = Lab::new();
    let image = lab.image_with(config, annotations);
    lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, SIGN, json!({}))));
    (lab, image)
}

#[track_caller]
fn judge(config: Value, text: &str) -> Verdict {
    let (lab, image) = signed(&config, &json!({}));
    lab.judge(&image, rule(text)).unwrap()
}

fn run_as(user: Value) -> Value {
    json!({ "os": "linux", "architecture": "amd64", "config": { "User": user } })
}

#[test]
fn who_it_runs_as() {
    let text = "image: {runAsNonRoot: true}";
    for good in ["1000", "1000:0", "65532:65532", "1"] {
        allowed(&judge(run_as(good.into()), text));
    }
    for root in ["", "0", "root", "0:1000", "root:root", "00", "+0", "-0", ":1000"] {
        denied(&judge(run_as(root.into()), text), Refusal::RunsAsRoot, "root");
    }
    for named in ["nobody", "app:app", "4294967295", "99999999999999999999", "1e3", "+5", " 1000", "0x0"] {
        denied(&judge(run_as(named.into()), text), Refusal::UserNotNumeric, "no number of a user");
    }
    denied(&judge(json!({ "os": "linux" }), text), Refusal::RunsAsRoot, "no user is set");
    denied(&judge(run_as(Value::Null), text), Refusal::RunsAsRoot, "no user is set");
    // Another reader takes the last of two keys that differ in case.
    let two = json!({ "config": { "User": "1000", "user": "0" } });
    denied(&judge(two, text), Refusal::ConfigUnreadable, "'user' would be taken for User");
    denied(&judge(json!([1]), text), Refusal::ConfigUnreadable, "no object");
}

#[test]
fn secrets_in_the_environment() {
    let env = |list: &[&str]| json!({ "config": { "Env": list } });
    let text = "image: {noSecretsInEnv: {}}";
    allowed(&judge(env(&["PATH=/usr/bin", "GPG_KEY=A035C8", "DB_PASSWORD_FILE=/run/x"]), text));
    let verdict = judge(env(&["PATH=/usr/bin", "DB_PASSWORD=hunter2"]), text);
    denied(&verdict, Refusal::SecretInEnvironment, "'DB_PASSWORD' holds a secret: its name says so");
    // The value is told to nobody.
    assert!(!serde_json::to_string(&verdict).unwrap().contains("hunter2"));
    let more = "image: {noSecretsInEnv: {names: [ACME_*], values: ['**corp-**'], allow: [db_password]}}";
    allowed(&judge(env(&["DB_PASSWORD=demo"]), more));
    denied(&judge(env(&["acme_x=1"]), more), Refusal::SecretInEnvironment, "its name");
    denied(&judge(env(&["X=my corp-1"]), more), Refusal::SecretInEnvironment, "pattern of the policy");
    let long = vec!["A=b".to_owned(); 1_001];
    denied(
        &judge(json!({ "config": { "Env": long } }), text),
        Refusal::ConfigUnreadable,
        "ENVIRONMENT_ENTRIES",
    );
}

#[test]
fn exposed_ports() {
    let ports = |list: &[&str]| {
        let map: serde_json::Map<String, Value> = list.iter().map(|p| ((*p).to_owned(), json!({}))).collect();
        json!({ "config": { "ExposedPorts": map } })
    };
    let allow = "image: {exposedPorts: {allow: ['8080', '9000-9100/tcp', '53/udp']}}";
    allowed(&judge(ports(&["8080/tcp", "9000-9005/tcp", "53/udp"]), allow));
    allowed(&judge(ports(&["8080/udp", "8080"]), allow));
    allowed(&judge(ports(&[]), allow));
    for no in ["22/tcp", "53/tcp", "53", "9000-9101/tcp", "8079-8080"] {
        denied(&judge(ports(&[no]), allow), Refusal::ExposedPortRefused, "not among those");
    }
    for odd in ["http/tcp", "0/tcp", "80/sctp", "9-1/tcp", "+80/tcp", "65536"] {
        denied(&judge(ports(&[odd]), allow), Refusal::ExposedPortRefused, "cannot be read");
    }
    let deny = "image: {exposedPorts: {deny: ['22/tcp']}}";
    allowed(&judge(ports(&["8080/tcp", "22/udp"]), deny));
    denied(&judge(ports(&["20-25/tcp"]), deny), Refusal::ExposedPortRefused, "is denied");
    denied(&judge(ports(&["22"]), deny), Refusal::ExposedPortRefused, "is denied");
    denied(
        &judge(ports(&["80/tcp"]), "image: {exposedPorts: {allow: []}}"),
        Refusal::ExposedPortRefused,
        "'80/tcp'",
    );
}

#[test]
fn age_and_dates_that_are_none() {
    let at = |created: Value| json!({ "created": created });
    let text = "image: {maxAge: 30d}";
    allowed(&judge(at("2026-05-20T00:00:00Z".into()), text));
    denied(&judge(at("2026-05-01T00:00:00Z".into()), text), Refusal::ImageTooOld, "31 days ago");
    denied(&judge(at("2026-06-01T13:00:00Z".into()), text), Refusal::ImageDateUnknown, "in the future");
    for unknown in [Value::Null, "".into(), "yesterday".into()] {
        denied(&judge(at(unknown), text), Refusal::ImageDateUnknown, "the image");
    }
    for fixed in
        ["1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z", "1980-01-01T00:00:01Z", "0001-01-01T00:00:00Z"]
    {
        denied(&judge(at(fixed.into()), text), Refusal::ImageDateFixed, "made up");
    }
}

#[test]
fn labels_and_annotations() {
    let labels = "image: {labels: [{name: maintainer}, {name: source, value: 'https://github.com/acme/*'}]}";
    let config = |maintainer: &str, source: &str| json!({ "config": { "Labels": { "maintainer": maintainer, "source": source } } });
    allowed(&judge(config("us", "https://github.com/acme/app"), labels));
    denied(
        &judge(config("", "https://github.com/acme/app"), labels),
        Refusal::LabelRefused,
        "no label 'maintainer'",
    );
    denied(&judge(config("us", "https://github.com/evil/app"), labels), Refusal::LabelRefused, "says 'https");
    let text = "image: {annotations: [{name: team, value: a*}]}";
    let ask = |annotations: Value| {
        let (lab, image) = signed(&json!({}), &annotations);
        lab.judge(&image, rule(text)).unwrap()
    };
    allowed(&ask(json!({ "team": "app" })));
    denied(&ask(json!({ "team": "b" })), Refusal::AnnotationRefused, "says 'b', not a*");
    denied(&ask(json!({})), Refusal::AnnotationRefused, "no annotation 'team'");
}

const BASE: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[test]
fn base_image_by_annotations() {
    let text = format!("image: {{base: {{images: [registry.example/base/**], digests: ['{BASE}']}}}}");
    let ask = |name: &str, digest: &str| {
        let annotations = json!({ "org.opencontainers.image.base.name": name, "org.opencontainers.image.base.digest": digest });
        let (lab, image) = signed(&json!({}), &annotations);
        lab.judge(&image, rule(&text)).unwrap()
    };
    allowed(&ask("registry.example/base/debian:12", BASE));
    denied(&ask("registry.example/base/debian:12", ""), Refusal::BaseImageUnknown, "not stated by digest");
    denied(
        &ask("registry.example/base/debian:12", "sha256:x"),
        Refusal::BaseImageUnknown,
        "not stated by digest",
    );
    let other = format!("sha256:{}", "b".repeat(64));
    denied(&ask("registry.example/base/debian:12", &other), Refusal::BaseImageRefused, "does not name");
    denied(&ask("docker.io/library/debian:12", BASE), Refusal::BaseImageRefused, "docker.io/library/debian");
    denied(&ask("", BASE), Refusal::BaseImageUnknown, "without a name");
    denied(&judge(json!({}), &text), Refusal::BaseImageUnknown, "not stated by digest");
}

#[test]
fn base_image_by_provenance() {
    let text = "provenance: {by: [ci], sources: ['https://github.com/acme/app']}\nimage: {base: {from: provenance, images: [docker.io/library/*, registry.example/base/**]}}";
    let ask = |source: &str, images: &[&str]| {
        let (mut lab, image) = signed(&json!({}), &json!({}));
        let dependencies: Vec<Value> =
            images.iter().map(|uri| json!({ "uri": uri, "digest": { "sha256": "a".repeat(64) } })).collect();
        let predicate = json!({ "buildDefinition": {
            "externalParameters": { "source": source }, "resolvedDependencies": dependencies,
        } });
        lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, SLSA, predicate)));
        lab.judge(&image, rule(text)).unwrap()
    };
    let app = "https://github.com/acme/app";
    let (golang, base) =
        ("pkg:docker/golang@1.25?platform=linux%2Famd64", "pkg:docker/registry.example/base/run@1");
    allowed(&ask(app, &[golang, base]));
    denied(&ask(app, &[golang, "pkg:docker/evil/run@1"]), Refusal::BaseImageRefused, "docker.io/evil/run");
    denied(&ask(app, &[]), Refusal::BaseImageUnknown, "names no image");
    denied(&ask("https://github.com/evil/app", &[golang]), Refusal::BaseImageUnknown, "no provenance that");
    let two = format!("pkg:docker/golang@1?digest=sha256:{}", "b".repeat(64));
    denied(&ask(app, &[&two]), Refusal::BaseImageUnknown, "not stated by digest");
}

/// Each platform of an index; the configuration is fetched once, and only where a policy asks.
#[test]
fn each_platform_once_and_only_if_asked() {
    let make = || {
        let mut lab = Lab::new();
        let amd64 = lab.image_with(&run_as("1000".into()), &json!({}));
        let arm64 = lab.image_with(&run_as("0".into()), &json!({}));
        let index = lab.index(&[("linux/amd64", &amd64), ("linux/arm64", &arm64)]);
        lab.attach(&index, &Key::new(1).bundle(&statement(&index.digest, SIGN, json!({}))));
        (lab, index)
    };
    let text = "image: {runAsNonRoot: true}";
    let (lab, index) = make();
    let verdict = lab.judge(&index, rule(text)).unwrap();
    denied(&verdict, Refusal::RunsAsRoot, "user '0' is root");
    let met: Vec<bool> =
        verdict.policies[0].subjects.iter().flat_map(|s| &s.requirements).map(|r| r.met).collect();
    assert_eq!(met, [true, true, false]);
    let amd64 = Platforms::Only(vec!["linux/amd64".parse().unwrap()]);
    allowed(&lab.judge_with(&index, vec![rule(text)], amd64).unwrap());
    let asked = |text: &str, double: bool| {
        let (lab, index) = make();
        let mut policies = vec![rule(text)];
        if double {
            policies.push(named("name: second", &format!("{HEAD}{text}"), &[("ci", &Key::new(1))]));
        }
        lab.judge_with(&index, policies, Platforms::All).unwrap();
        lab.requests.load(Ordering::Relaxed)
    };
    // An annotation stands in the manifest, which is there already.
    let without = asked("image: {annotations: [{name: x}]}", false);
    assert_eq!(asked(text, false), without + 2);
    assert_eq!(asked(text, true), without + 2);
}

/// A configuration that is not there or not itself denies; one that could not be had is no answer.
#[test]
fn a_configuration_that_cannot_be_had() {
    let text = "image: {runAsNonRoot: true}";
    let config = run_as("1000".into());
    let (mut lab, image) = signed(&config, &json!({}));
    let digest = seaworthy_oci::Digest::sha256(config.to_string().as_bytes());
    lab.lie_about(&digest, run_as("1001".into()).to_string().as_bytes());
    denied(&lab.judge(&image, rule(text)).unwrap(), Refusal::ConfigUnreadable, "cannot be read");
    let (mut lab, image) = signed(&config, &json!({}));
    lab.fail(Ask::Blob, ErrorKind::Throttled { retry_after: None });
    assert_eq!(lab.judge(&image, rule(text)).unwrap_err().exit_code(), 3);
    let large = json!({ "config": { "User": "1000" }, "history": "x".repeat(2 << 20) });
    denied(&judge(large, text), Refusal::ConfigUnreadable, "more than the limit");
}

/// C02: the strictest applies.
#[test]
fn c02_the_strictest_applies() {
    let (lab, image) = signed(&run_as("0".into()), &json!({}));
    let strict =
        || named("name: strict", &format!("{HEAD}image: {{runAsNonRoot: true}}"), &[("ci", &Key::new(1))]);
    let audit = || rule("mode: audit\nimage: {runAsNonRoot: true}");
    let plain = || named("name: plain", HEAD, &[("ci", &Key::new(1))]);
    for policies in [vec![audit(), strict(), plain()], vec![plain(), strict(), audit()]] {
        let verdict = lab.judge_with(&image, policies, Platforms::All).unwrap();
        assert_eq!(verdict.decision, Decision::Deny);
        assert!(
            verdict.reason.contains("'strict'") && verdict.reason.ends_with("[runs-as-root]"),
            "{}",
            verdict.reason
        );
    }
    let verdict = lab.judge_with(&image, vec![audit(), plain()], Platforms::All).unwrap();
    assert_eq!((verdict.decision, verdict.would_deny), (Decision::Allow, true));
}

#[test]
fn what_means_nothing_is_refused() {
    for (text, words) in [
        ("image: {}", "asks for nothing"),
        ("image: {runAsNonRoot: false}", "has no effect"),
        ("image: {noSecretsInEnv: {allow: ['*']}}", "means every variable"),
        ("image: {noSecretsInEnv: {names: []}}", "empty list"),
        ("image: {exposedPorts: {}}", "has no effect"),
        ("image: {exposedPorts: {allow: [http]}}", "no port"),
        ("image: {exposedPorts: {allow: ['70000']}}", "no port"),
        ("image: {exposedPorts: {allow: ['80'], deny: ['80']}}", "both allowed and denied"),
        ("image: {base: {}}", "allows none"),
        ("image: {base: {digests: [latest]}}", "cannot read digest"),
        ("image: {base: {images: ['x:1']}}", "can never match"),
        ("image: {base: {from: provenance, images: ['**']}}", "nobody is named whose provenance"),
        ("image: {base: {from: guess, images: ['**']}}", "says nothing about base images"),
        ("image: {maxAge: forever}", "no age"),
        ("image: {labels: []}", "asks for nothing"),
        ("image: {labels: [{name: a}, {name: a}]}", "same name twice"),
    ] {
        let error = load(text).expect_err(text);
        let found =
            error.problems.iter().any(|p| p.message.contains(words) && p.line.is_some() && p.hint.is_some());
        assert!(found, "{text}: {error}");
    }
}
