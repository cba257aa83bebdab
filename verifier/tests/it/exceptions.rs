//! Exceptions: what they lift, for how long, and what is no exception. C08 of the adversary's list, as far as files go.

use crate::lab::*;
use crate::sboms::{allowed, denied};
use seaworthy_oci::Descriptor;
use seaworthy_verifier::{
    Context, Decision, ImageName, Platforms, PolicyError, PolicySet, Refusal, Verdict, Verifier,
};
use serde_json::{Value, json};
use std::path::Path;

const POLICY: &str = "apiVersion: seaworthy.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: production
spec:
  images: ['**']
  authorities: [{name: ci, keys: [{path: ci.pub}]}]
  vulnerabilities:
    by: [ci]
    maxSeverity: low
  image:
    runAsNonRoot: true
";

fn exception(name: &str, spec: &str) -> String {
    let spec: String = spec.lines().map(|l| format!("  {l}\n")).collect();
    format!(
        "---\napiVersion: seaworthy.dev/v1alpha1\nkind: PolicyException\nmetadata: {{name: {name}}}\nspec:\n{spec}"
    )
}

const END: &str =
    "owner: security@example.org\nreason: the fix is being tested\nuntil: 2026-06-08T00:00:00Z\n";

/// From root, of this one image.
fn from_root(name: &str, until: &str) -> String {
    let text = format!(
        "policies: [production]\nimages: [registry.example/team/app]\nrefusals: [{{code: runs-as-root}}]\nowner: security@example.org\nreason: r\nuntil: {until}\n"
    );
    exception(name, &text)
}

fn load(text: &str) -> Result<PolicySet, PolicyError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ci.pub"), Key::new(1).pem()).unwrap();
    PolicySet::parse(text, &dir.path().join("p.yaml") as &Path, now())
}

fn verifier(text: &str) -> Result<Verifier, PolicyError> {
    Verifier::new(load(text)?, Context { now: now(), platforms: Platforms::All, namespace: None })
}

/// An image that runs as root, with two findings.
fn lab() -> (Lab, Descriptor) {
    let mut lab = Lab::new();
    let image = lab.image_with(&json!({ "config": { "User": "0" } }), &json!({}));
    let purl = |name: &str| format!("pkg:deb/debian/{name}@1.0?arch=amd64");
    let finding = |id: &str, name: &str| {
        json!({ "VulnerabilityID": id, "PkgName": name, "InstalledVersion": "1.0", "Severity": "HIGH",
            "PkgIdentifier": { "PURL": purl(name) } })
    };
    let found: Vec<Value> = vec![finding("CVE-2024-1", "xz-utils"), finding("CVE-2024-2", "openssl")];
    let report =
        json!({ "scanner": { "result": { "SchemaVersion": 2, "Results": [{ "Vulnerabilities": found }] } } });
    let vuln = "https://cosign.sigstore.dev/attestation/vuln/v1";
    lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, vuln, report)));
    (lab, image)
}

#[track_caller]
fn judge(exceptions: &[String]) -> Verdict {
    let (lab, image) = lab();
    let text = format!("{POLICY}{}", exceptions.concat());
    let verifier = verifier(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    run(verifier.judge(&lab, &lab.pinned(&image), &ImageName::parse("registry.example/team/app").unwrap()))
        .unwrap()
}

fn from_findings(narrow: &str) -> String {
    let text = format!(
        "policies: [production]\nimages: [registry.example/team/*]\nrefusals: [{{code: vulnerability-too-severe, {narrow}}}]\n{END}"
    );
    exception("findings", &text)
}

const LATER: &str = "2026-06-08T00:00:00Z";

#[test]
fn an_excepted_refusal_stands_in_the_verdict_as_excepted() {
    let bare = judge(&[]);
    denied(&bare, Refusal::RunsAsRoot, "");
    denied(&bare, Refusal::VulnerabilityTooSevere, "CVE-2024-1");
    let all = judge(&[from_root("root", LATER), from_findings("vulnerabilities: [CVE-2024-1, cve-2024-2]")]);
    allowed(&all);
    assert!(!all.would_deny && !all.has(Refusal::RunsAsRoot));
    assert!(all.reason.contains("3 refusals excepted until 2026-06-08T00:00:00Z"), "{}", all.reason);
    assert_eq!(all.until(), Some(LATER.parse().unwrap()));
    let json = serde_json::to_value(&all).unwrap();
    let requirement = &json["policies"][0]["subjects"][0]["requirements"][1];
    assert_eq!(requirement["met"], true);
    let excepted = &requirement["excepted"][0];
    assert_eq!(excepted["refusal"]["code"], "runs-as-root");
    let by = json!([{ "exception": "root", "owner": "security@example.org", "reason": "r", "until": LATER }]);
    assert_eq!(excepted["by"], by);
    // What is not lifted denies, and what is lifted does not hide it.
    let one = judge(&[from_root("root", LATER), from_findings("vulnerabilities: [CVE-2024-1]")]);
    denied(&one, Refusal::VulnerabilityTooSevere, "CVE-2024-2");
    assert!(!one.explanations().iter().any(|e| e.message.contains("CVE-2024-1")), "{one:#?}");
    assert_eq!(one.requirements().flat_map(|r| &r.excepted).count(), 2);
}

#[test]
fn packages_narrow_an_exception() {
    let root = || from_root("root", LATER);
    let both = "packages: ['pkg:deb/debian/xz-utils@1.0', 'pkg:deb/debian/openssl']";
    allowed(&judge(&[root(), from_findings(both)]));
    for less in [
        "packages: ['pkg:deb/debian/xz-utils']",
        "packages: ['pkg:deb/debian/xz-utils', 'pkg:deb/debian/openssl@1.1']",
        "packages: ['pkg:deb/debian/xz-utils', 'pkg:deb/ubuntu/openssl']",
        "packages: ['pkg:deb/debian/openssl'], vulnerabilities: [CVE-2024-1, CVE-2024-2]",
    ] {
        denied(&judge(&[root(), from_findings(less)]), Refusal::VulnerabilityTooSevere, "CVE-2024-");
    }
}

/// C08: an expired one does nothing and says so; of two that overlap, both are recorded.
#[test]
fn c08_expired_and_overlapping() {
    let past = judge(&[from_root("old", "2026-06-01T11:59:59Z")]);
    denied(&past, Refusal::RunsAsRoot, "");
    assert_eq!(past.policies[0].expired_exceptions.len(), 1);
    assert_eq!(past.policies[0].expired_exceptions[0].exception, "old");
    // In its last second it holds.
    let last = judge(&[from_root("old", "2026-06-01T12:00:00Z")]);
    assert!(!last.has(Refusal::RunsAsRoot), "{last:#?}");
    let two = judge(&[
        from_root("one", LATER),
        from_root("two", "2026-06-03T00:00:00Z"),
        from_root("old", "2026-05-01T00:00:00Z"),
    ]);
    let excepted: Vec<_> = two.requirements().flat_map(|r| &r.excepted).collect();
    let names: Vec<&str> = excepted[0].by.iter().map(|n| n.exception.as_str()).collect();
    assert_eq!((excepted.len(), names), (1, vec!["one", "two"]));
    assert_eq!(two.policies[0].expired_exceptions.len(), 1);
    // The later of the two ends what the verdict rests on.
    assert_eq!(two.until(), Some(LATER.parse().unwrap()));
}

#[test]
fn only_these_images_and_these_policies() {
    let (lab, image) = lab();
    let digest = image.digest.to_string();
    let other = format!("sha256:{}", "b".repeat(64));
    let ask = |images: &str| {
        let text = format!("policies: [production]\n{images}\nrefusals: [{{code: runs-as-root}}]\n{END}");
        let verifier = verifier(&format!("{POLICY}{}", exception("x", &text))).unwrap();
        let name = ImageName::parse("registry.example/team/app").unwrap();
        !run(verifier.judge(&lab, &lab.pinned(&image), &name)).unwrap().has(Refusal::RunsAsRoot)
    };
    assert!(ask(&format!("digests: ['{digest}']")));
    assert!(ask(&format!("digests: ['{digest}']\nimages: [registry.example/team/*]")));
    assert!(!ask(&format!("digests: ['{other}']\nimages: [registry.example/team/*]")));
    assert!(!ask(&format!("digests: ['{digest}']\nimages: [registry.example/other/*]")));
    assert!(!ask("images: [registry.example/team/application]"));
    // Another policy with the same refusal still denies: C02.
    let second = POLICY.replace("name: production", "name: second");
    let text = format!("{POLICY}---\n{second}{}", from_root("root", LATER));
    let name = ImageName::parse("registry.example/team/app").unwrap();
    let verdict = run(verifier(&text).unwrap().judge(&lab, &lab.pinned(&image), &name)).unwrap();
    denied(&verdict, Refusal::RunsAsRoot, "");
    assert!(verdict.policies[1].subjects[0].requirements[1].excepted.is_empty());
}

/// A missing signature is lifted by digest alone, and what cannot be judged by nothing.
#[test]
fn signatures_by_digest() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let policy =
        POLICY.split("  vulnerabilities").next().unwrap().to_owned() + "  signatures: [{by: [ci]}]\n";
    let ask = |which: &str| {
        let text = format!("policies: [production]\n{which}\nrefusals: [{{code: signature-missing}}]\n{END}");
        verifier(&format!("{policy}{}", exception("unsigned", &text)))
    };
    let name = ImageName::parse("registry.example/team/app").unwrap();
    let good = ask(&format!("digests: ['{}']", image.digest)).unwrap();
    let verdict = run(good.judge(&lab, &lab.pinned(&image), &name)).unwrap();
    assert_eq!(verdict.decision, Decision::Allow, "{verdict:#?}");
    let error = ask("images: [registry.example/team/app]").unwrap_err();
    assert!(error.to_string().contains("anybody who can push"), "{error}");
    // A registry that does not answer is no refusal that could be lifted.
    lab.fail(Ask::Referrers, seaworthy_oci::ErrorKind::Throttled { retry_after: None });
    assert_eq!(run(good.judge(&lab, &lab.pinned(&image), &name)).unwrap_err().exit_code(), 3);
}

#[test]
fn what_is_no_exception_is_refused() {
    let good =
        "policies: [production]\nimages: [registry.example/team/app]\nrefusals: [{code: runs-as-root}]\n";
    let all = |text: &str| format!("{POLICY}{}", exception("x", text));
    assert!(load(&all(&format!("{good}{END}"))).is_ok());
    let with = |from: &str, to: &str| format!("{good}{END}").replace(from, to);
    for (text, words) in [
        (good.to_owned(), "without an end is a rule"),
        (with("until: 2026-06-08T00:00:00Z", "until: soon"), "no RFC 3339 time"),
        (with("until: 2026", "until: 2036"), "more than 400 days"),
        (with("owner: security@example.org\n", ""), "without owner"),
        (with("reason: the fix is being tested\n", "reason: ' '\n"), "without reason"),
        (with("policies: [production]\n", ""), "from no policy"),
        (with("policies: [production]", "policies: []"), "from no policy"),
        (with("[production]", "['*']"), "one by one"),
        (with("images: [registry.example/team/app]\n", ""), "every image"),
        (with("registry.example/team/app", "'**'"), "every image"),
        (with("registry.example/team/app", "registry.example/team/app:1"), "can never match"),
        (with("refusals: [{code: runs-as-root}]\n", ""), "from no refusal"),
        (with("{code: runs-as-root}", ""), "from no refusal"),
        (with("runs-as-root", "anything"), "there is no refusal"),
        (with("runs-as-root", "could-not-find-out"), "would mean nothing"),
        (with("runs-as-root", "unknown-signer"), "would mean nothing"),
        (with("runs-as-root", "vulnerability-too-severe"), "every vulnerability"),
        (with("runs-as-root}", "runs-as-root, vulnerabilities: [CVE-1-1]}"), "about no vulnerability"),
        (with("runs-as-root}", "runs-as-root, packages: ['pkg:deb/debian/x']}"), "about no package"),
        (with("runs-as-root}", "denied-package, packages: ['pkg:deb/debian/x?arch=amd64']}"), "not compared"),
        (with("runs-as-root}", "runs-as-root, namespace: x}"), "namespace"),
    ] {
        let error = load(&all(&text)).expect_err(&text);
        let found =
            error.problems.iter().any(|p| p.message.contains(words) && p.line.is_some() && p.hint.is_some());
        assert!(found, "{words}: {text}: {error}");
        // Told by the line of the file, behind the policy.
        assert!(error.problems.iter().all(|p| p.line.unwrap() > 14), "{error}");
    }
    let own = all(&format!("{good}{END}")).replace("{name: x}", "{name: x, namespace: team}");
    assert!(load(&own).unwrap_err().to_string().contains("belongs to no namespace"));
    let absent = all(&with("production", "other"));
    assert!(verifier(&absent).unwrap_err().to_string().contains("which is not there"));
    let twice = format!("{POLICY}{}{}", from_root("x", LATER), from_root("x", LATER));
    assert!(verifier(&twice).unwrap_err().to_string().contains("two exceptions have the name 'x'"));
}

/// Documents of both kinds, in any order and spelling; what is not clearly an exception is refused as a policy.
#[test]
fn documents_of_both_kinds() {
    let alone = from_root("x", LATER);
    let set = load(&alone).unwrap();
    assert_eq!((set.policies.len(), set.exceptions.len()), (0, 1));
    let set = load(&format!("# first\n{alone}---\n{POLICY}{}", from_root("y", LATER))).unwrap();
    assert_eq!((set.policies.len(), set.exceptions.len()), (1, 2));
    assert_eq!(load(&POLICY.replace('\n', "\r\n")).unwrap().policies.len(), 1);
    assert_eq!(load(&format!("{POLICY}{}", alone.replace('\n', "\r\n"))).unwrap().exceptions.len(), 1);
    assert!(load(&alone.replace("PolicyException", "policyexception")).is_err());
    assert!(
        load(&alone.replace("kind: PolicyException", "kind: PolicyException\nkind: ImagePolicy")).is_err()
    );
    assert!(load("").is_err());
    // The line of a problem in a policy behind an exception.
    let error =
        load(&format!("{alone}---\n{}", POLICY.replace("maxSeverity: low", "maxSeverity: none-at-all")))
            .unwrap_err();
    let line = alone.lines().count() + 1 + 10;
    assert_eq!(error.problems[0].line, Some(line as u64), "{error}");
}

/// What is only counted is lifted by its own code alone.
#[test]
fn what_is_counted_is_not_lifted_with_another_code() {
    let mut lab = Lab::new();
    let image = lab.image("amd64");
    let denied_ones: Vec<String> = (0..60).map(|n| format!("pkg:deb/debian/x@{n}")).collect();
    let mut packages: Vec<(&str, &str)> = denied_ones.iter().map(|p| (p.as_str(), "MIT")).collect();
    packages.push(("pkg:deb/debian/z@1", "AGPL-3.0-only"));
    let document = spdx("2026-06-01T00:00:00Z", &packages);
    lab.attach(&image, &Key::new(1).bundle(&statement(&image.digest, SPDX, document)));
    let policy = POLICY.split("  vulnerabilities").next().unwrap().to_owned()
        + "  sbom: {by: [ci], deny: {packages: [{ecosystem: deb, name: x}], licenses: [AGPL-3.0-only]}}\n";
    let name = ImageName::parse("registry.example/team/app").unwrap();
    let ask = |codes: &str| {
        let text = format!(
            "policies: [production]\nimages: [registry.example/team/app]\nrefusals: [{codes}]\n{END}"
        );
        let verifier = verifier(&format!("{policy}{}", exception("x", &text))).unwrap();
        run(verifier.judge(&lab, &lab.pinned(&image), &name)).unwrap()
    };
    denied(&ask("{code: denied-package}"), Refusal::DeniedLicense, "and 1 more");
    denied(&ask("{code: denied-license}"), Refusal::DeniedPackage, "and 10 more");
    allowed(&ask("{code: denied-package}, {code: denied-license}"));
    denied(
        &ask("{code: denied-package, packages: ['pkg:deb/debian/x']}, {code: denied-license}"),
        Refusal::DeniedPackage,
        "and 10 more",
    );
}
