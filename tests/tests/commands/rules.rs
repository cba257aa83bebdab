//! The rules of a policy beyond signatures, each through `verify --policy`: what meets them, what does not, and with which
//! code and words. The images and what is said about them are the cookbook's.

use super::cookbook::{CI, RELEASE, SECURITY, attest, image, provenance, sbom, scan, vex};
use super::world::World;
use serde_json::{Value, json};

/// A world with the keys beside its policies.
fn world() -> World {
    World::new()
}

/// `seaworthy verify --policy` of `oci:IMAGE` by a policy of these lines, behind the head that all have.
fn verify(world: &World, name: &str, lines: &str) -> super::world::Ran {
    let (spec, more) = lines.split_once("---\n").unwrap_or((lines, ""));
    let mut authorities = String::new();
    // One that no rule names is refused.
    for (authority, key) in [("release", "demo"), ("ci", "ed25519"), ("security", "other")] {
        if spec.contains(&format!("by: [{authority}]")) {
            authorities +=
                &format!("    - {{name: {authority}, keys: [{{path: testdata/keys/{key}.pub}}]}}\n");
        }
    }
    if !authorities.is_empty() {
        authorities.insert_str(0, "  authorities:\n");
    }
    let spec: String = spec.lines().map(|line| format!("  {line}\n")).collect();
    let more = if more.is_empty() { String::new() } else { format!("---\n{more}") };
    let text = format!(
        "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: rules}}\nspec:\n  images: ['oci:**']\n\
         {authorities}{spec}{more}"
    );
    std::fs::write(world.path("rules.yaml"), text).unwrap();
    world.run(&format!("verify --policy rules.yaml oci:{name} --output json"))
}

#[track_caller]
fn yes(world: &World, name: &str, lines: &str) -> Value {
    verify(world, name, lines).expect(0).json()
}

/// A certain no, with this code and these words somewhere in the verdict.
#[track_caller]
fn no(world: &World, name: &str, lines: &str, code: &str, words: &str) -> Value {
    let ran = verify(world, name, lines).expect(1);
    assert!(
        ran.stdout.contains(&format!("\"{code}\"")) && ran.stdout.contains(words),
        "{code} '{words}':\n{}",
        ran.stdout
    );
    ran.json()
}

/// What a policy cannot mean: exit code 4, with the place and the words.
#[track_caller]
fn refused(world: &World, lines: &str, words: &str) {
    verify(world, "app", lines).expect(4).says("rules.yaml:").says(words);
}

fn config() -> Value {
    json!({ "User": "65532", "Env": ["PATH=/usr/bin"], "ExposedPorts": { "8080/tcp": {} } })
}

const SOURCE: &str = "https://git.example/team/app";
const MAIN: &str = "refs/heads/main";
const RUNNER: &str = "https://ci.example/runners/7";

#[test]
fn provenance_by_builder_source_ref_and_level() {
    let world = world();
    for (name, repository, reference, builder) in [
        ("app", SOURCE, MAIN, RUNNER),
        ("fork", "https://git.example/fork/app", MAIN, RUNNER),
        ("branch", SOURCE, "refs/heads/evil", RUNNER),
        ("laptop", SOURCE, MAIN, "https://laptop.example/7"),
    ] {
        image(&world, name, &config(), &json!({ "name": name }));
        attest(&world, name, CI, "slsaprovenance1", &provenance(repository, reference, builder));
    }
    image(&world, "bare", &config(), &json!({ "name": "bare" }));
    image(&world, "other", &config(), &json!({ "name": "other" }));
    attest(&world, "other", SECURITY, "slsaprovenance1", &provenance(SOURCE, MAIN, RUNNER));
    image(&world, "odd", &config(), &json!({ "name": "odd" }));
    attest(&world, "odd", CI, "slsaprovenance1", &json!({ "buildDefinition": {}, "runDetails": {} }));
    let rule = "provenance:\n  by: [ci]\n  builders: [{id: 'https://ci.example/runners/*', level: 2}]\n  sources: ['https://git.example/team/*']\n  refs: [refs/heads/main]\n  level: 2\n";
    let met = yes(&world, "app", rule);
    assert_eq!(met["policies"][0]["subjects"][0]["requirements"][0]["signers"][0]["authority"], "ci");
    no(&world, "fork", rule, "source-refused", "git.example/fork/app");
    no(&world, "branch", rule, "source-ref-refused", "refs/heads/evil");
    no(&world, "laptop", rule, "builder-refused", "laptop.example");
    no(&world, "bare", rule, "provenance-missing", "no provenance on");
    no(&world, "other", rule, "provenance-untrusted", "signed by nobody whom the policy knows");
    no(&world, "odd", rule, "provenance-cannot-tell", "");
    no(
        &world,
        "app",
        &rule.replace("level: 2", "level: 3").replace(", level: 3}", ", level: 2}, {id: x, level: 3}"),
        "slsa-level-too-low",
        "",
    );
    refused(&world, "provenance: {by: [ci], level: 3}", "nobody states such a level");
}

#[test]
fn image_configurations() {
    let world = world();
    let base = |digest: &str| {
        json!({
            "org.opencontainers.image.base.name": "registry.example/base/debian:12",
            "org.opencontainers.image.base.digest": digest,
        })
    };
    let digest = format!("sha256:{}", "1".repeat(64));
    image(&world, "app", &config(), &base(&digest));
    image(&world, "unknown", &config(), &json!({}));
    image(&world, "root", &json!({ "User": "0:0" }), &base(&digest));
    image(&world, "silent", &json!({ "a": 1 }), &base(&digest));
    image(&world, "named", &json!({ "User": "nobody" }), &base(&digest));
    image(&world, "secret", &json!({ "User": "1", "Env": ["DB_PASSWORD=correct-horse"] }), &base(&digest));
    image(&world, "port", &json!({ "User": "1", "ExposedPorts": { "22/tcp": {} } }), &base(&digest));
    let rule = "image:\n  runAsNonRoot: true\n  noSecretsInEnv: {}\n  exposedPorts: {allow: ['8080']}\n";
    yes(&world, "app", rule);
    no(&world, "root", rule, "runs-as-root", "");
    no(&world, "silent", rule, "runs-as-root", "");
    no(&world, "named", rule, "user-not-numeric", "nobody");
    let said = no(&world, "secret", rule, "secret-in-environment", "DB_PASSWORD");
    assert!(!said.to_string().contains("correct-horse"), "a secret is not repeated");
    no(&world, "port", rule, "exposed-port-refused", "22");
    let based = "image:\n  base: {images: ['registry.example/base/**']}\n";
    yes(&world, "app", based);
    no(&world, "unknown", based, "base-image-unknown", "");
    no(
        &world,
        "app",
        &based.replace("base/**", "other/**"),
        "base-image-refused",
        "registry.example/base/debian",
    );
    // Built on 20 May 2026; a hundred years are enough, a day is not.
    yes(&world, "app", "image: {maxAge: 36500d}\n");
    no(&world, "app", "image: {maxAge: 1d}\n", "image-too-old", "2026-05-20");
}

#[test]
fn vulnerabilities_with_vex_applied() {
    let world = world();
    image(&world, "app", &config(), &json!({ "name": "app" }));
    attest(&world, "app", CI, "vuln", &scan());
    image(&world, "spoken-for", &config(), &json!({ "name": "spoken-for" }));
    attest(&world, "spoken-for", CI, "vuln", &scan());
    attest(&world, "spoken-for", SECURITY, "openvex", &vex());
    image(&world, "bare", &config(), &json!({ "name": "bare" }));
    let rule = "vulnerabilities:\n  by: [ci]\n  maxSeverity: high\n";
    let with = format!("{rule}  vex: {{by: [security]}}\n");
    no(&world, "app", rule, "vulnerability-too-severe", "CVE-2026-1000 (critical) in zlib1g 1:1.3");
    no(&world, "app", &with, "vulnerability-too-severe", "CVE-2026-1000");
    no(&world, "spoken-for", rule, "vulnerability-too-severe", "CVE-2026-1000");
    let met = yes(&world, "spoken-for", &with);
    let suppressed = &met["policies"][0]["subjects"][0]["requirements"][0]["suppressed"][0];
    assert_eq!((&suppressed["by"], &suppressed["authority"]), (&"vex".into(), &"security".into()));
    no(&world, "bare", rule, "scan-missing", "no vulnerability scan on");
    yes(&world, "app", &format!("{rule}  fixAvailable: only\n"));
    no(&world, "app", "vulnerabilities: {by: [ci], deny: [CVE-2026-1000]}\n", "vulnerability-listed", "");
    // The scan is of 30 May 2026.
    let old = no(&world, "app", "vulnerabilities: {by: [ci], maxAge: 1d}\n", "scan-too-old", "2026-05-30");
    assert!(old["reason"].as_str().unwrap().ends_with("[scan-missing, scan-too-old]"), "{old:#}");
    no(&world, "app", "vulnerabilities: {by: [security], maxSeverity: critical}\n", "scan-missing", "");
}

/// The same document as an SBOM and as VEX: it is the one only where it lists software, and the other in any case.
#[test]
fn vex_in_the_form_of_an_sbom_is_no_sbom() {
    let world = world();
    image(&world, "app", &config(), &json!({ "name": "app" }));
    let mut document = sbom(&[]);
    document["vulnerabilities"] = json!([{
        "id": "CVE-2026-1000", "analysis": { "state": "not_affected", "justification": "code_not_reachable" },
        "affects": [{ "ref": "app" }],
    }]);
    attest(&world, "app", RELEASE, "cyclonedx", &document);
    attest(&world, "app", CI, "vuln", &scan());
    let rule = "sbom: {by: [release]}\n";
    let said =
        no(&world, "app", rule, "sbom-without-inventory", "it states 1 vulnerability, and no package beside");
    assert!(said["reason"].as_str().unwrap().contains("[sbom-without-inventory"), "{said:#}");
    yes(&world, "app", "vulnerabilities: {by: [ci], maxSeverity: high, vex: {by: [release]}}\n");
    // Nor is it what is shown as the SBOM of the image.
    world.run("inspect --key testdata/keys/demo.pub oci:app").expect(1);
    // An SBOM that found nothing is one; so the image from scratch is allowed, with the VEX beside.
    attest(&world, "app", RELEASE, "cyclonedx", &sbom(&[]));
    yes(&world, "app", rule);
    image(&world, "scratch", &config(), &json!({ "name": "scratch" }));
    attest(&world, "scratch", RELEASE, "cyclonedx", &sbom(&[]));
    yes(&world, "scratch", rule);
}

#[test]
fn allow_lists_licences_and_suppliers() {
    let world = world();
    let bash = ("bash", "5.2.15-2", "GPL-3.0-or-later", "Debian Bash Team", "bash@debian.example");
    let zlib = ("zlib1g", "1:1.3", "Zlib", "Debian Zlib Team", "zlib@debian.example");
    let ghost = ("ghostly", "9.0-1", "AGPL-3.0-only", "Somebody", "x@unknown.example");
    let old = ("bash", "5.1-1", "GPL-3.0-or-later", "Debian Bash Team", "bash@debian.example");
    let nobody = ("zlib1g", "1:1.3", "Zlib", "", "");
    for (name, packages) in [
        ("app", vec![bash, zlib]),
        ("ghost", vec![bash, ghost]),
        ("old", vec![old, zlib]),
        ("nobody", vec![nobody]),
    ] {
        image(&world, name, &config(), &json!({ "name": name }));
        attest(&world, name, RELEASE, "cyclonedx", &sbom(&packages));
    }
    let packages = "sbom:\n  by: [release]\n  allow:\n    packages: [{ecosystem: deb, name: bash, versions: '>=5.2'}, {purl: pkg:deb/debian/zlib1g}]\n";
    yes(&world, "app", packages);
    no(&world, "ghost", packages, "package-not-allowed", "ghostly 9.0-1");
    no(&world, "old", packages, "package-not-allowed", "bash 5.1-1");
    let licenses = "sbom:\n  by: [release]\n  allow: {licenses: [Zlib, 'GPL-3.0-*']}\n";
    yes(&world, "app", licenses);
    no(&world, "ghost", licenses, "license-not-allowed", "AGPL-3.0-only");
    let denied = "sbom:\n  by: [release]\n  deny: {licenses: ['AGPL-*'], packages: [{purl: pkg:deb/debian/bash, versions: '<5.2'}]}\n";
    yes(&world, "app", denied);
    no(&world, "ghost", denied, "denied-license", "ghostly 9.0-1");
    no(&world, "old", denied, "denied-package", "bash 5.1-1");
    let suppliers = "sbom:\n  by: [release]\n  suppliers: {allow: ['Debian **'], deny: ['** <*@unknown.example>'], required: true}\n";
    yes(&world, "app", suppliers);
    no(&world, "ghost", suppliers, "supplier-denied", "Somebody");
    no(&world, "nobody", suppliers, "supplier-missing", "zlib1g");
    no(
        &world,
        "ghost",
        &suppliers.replace("deny: ['** <*@unknown.example>'], ", ""),
        "supplier-not-allowed",
        "Somebody",
    );
}

fn exception(until: &str) -> String {
    format!(
        "---\napiVersion: seaworthy.dev/v1alpha1\nkind: PolicyException\nmetadata: {{name: rebuild}}\nspec:\n  policies: [rules]\n  \
         images: ['oci:*']\n  refusals: [{{code: runs-as-root}}]\n  owner: security@registry.example\n  reason: it is being rebuilt\n{until}"
    )
}

/// C08, on the command line: an exception is a document among the policies, has an end, and stands in the verdict.
#[test]
fn c08_exceptions_are_files_with_an_end() {
    let world = world();
    image(&world, "root", &json!({ "User": "0" }), &json!({ "name": "root" }));
    let rule = "image: {runAsNonRoot: true}\n";
    let now = jiff::Timestamp::now();
    let end = |hours: i64| format!("  until: {}\n", now + jiff::SignedDuration::from_hours(hours));
    let lifted = yes(&world, "root", &format!("{rule}{}", exception(&end(24))));
    let excepted = &lifted["policies"][0]["subjects"][0]["requirements"][0]["excepted"][0];
    assert_eq!(excepted["refusal"]["code"], "runs-as-root");
    assert_eq!(excepted["by"][0]["owner"], "security@registry.example");
    assert!(lifted["reason"].as_str().unwrap().contains("1 refusals excepted until"), "{lifted:#}");
    let over = no(&world, "root", &format!("{rule}{}", exception(&end(-1))), "runs-as-root", "ended at");
    assert_eq!(over["policies"][0]["expiredExceptions"][0]["exception"], "rebuild");
    // Two that overlap are both recorded.
    let second = exception(&end(48)).replace("name: rebuild", "name: second");
    let both = yes(&world, "root", &format!("{rule}{}{second}", exception(&end(24))));
    let by = &both["policies"][0]["subjects"][0]["requirements"][0]["excepted"][0]["by"];
    assert_eq!(by.as_array().unwrap().len(), 2, "{by:#}");
    refused(&world, &format!("{rule}{}", exception("")), "until");
    refused(&world, &format!("{rule}{}", exception(&end(24 * 500))), "400 days");
    // What an image says of itself is none.
    let claim = json!({ "seaworthy.dev/exception": exception(&end(24)) });
    image(&world, "claims", &json!({ "User": "0", "Labels": claim }), &claim);
    no(&world, "claims", rule, "runs-as-root", "");
}

/// C14 and C15, on the command line.
#[test]
fn c14_c15_conditions_cost_little_and_reach_nothing() {
    let world = world();
    image(&world, "app", &config(), &json!({ "tier": "gold" }));
    let packages = [("bash", "5.2.15-2", "GPL-3.0-or-later", "Debian", "x@debian.example")];
    attest(&world, "app", RELEASE, "cyclonedx", &sbom(&packages));
    let rule = |expression: &str| {
        format!(
            "sbom: {{by: [release]}}\nconditions:\n  - expression: {}\n    message: a good image\n",
            json!(expression)
        )
    };
    yes(
        &world,
        "app",
        &rule("config.user == '65532' && annotations.tier == 'gold' && sbom.packages.size() == 1"),
    );
    let said = no(
        &world,
        "app",
        &rule("sbom.packages.all(p, p.name != 'bash')"),
        "condition-not-met",
        "a good image",
    );
    assert!(said["reason"].as_str().unwrap().ends_with("a good image [condition-not-met]"), "{said:#}");
    no(&world, "app", &rule("annotations.owner == 'us'"), "condition-cannot-tell", "without 'owner'");
    let list = (0..4).fold("[1, 2, 3, 4, 5, 6, 7, 8]".to_owned(), |list, _| format!("({list} + {list})"));
    let heavy = format!("{list}.all(a, {list}.all(b, {list}.all(c, a + b + c > 0)))");
    no(&world, "app", &rule(&heavy), "condition-over-budget", "more than 10000000 steps");
    refused(&world, &rule("sbom.packages.all(p, sbom.packages.all(q, p == q))"), "steps on a large image");
    for expression in
        ["http.get('http://x') == ''", "open('/etc/passwd') == ''", "env('HOME') == ''", "exec('id')"]
    {
        refused(&world, &rule(expression), "there is no ");
    }
}
