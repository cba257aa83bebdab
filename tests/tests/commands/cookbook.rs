//! The cookbook: twenty-four policies that people ask for, each with images that it lets in and images that it does not.
//!
//! The evidence is made here, by the program itself, with keys of testdata and fixed times: the same bytes in every
//! run, which a test compares with what is committed. `UPDATE_COOKBOOK=1 cargo test -p seaworthy --test commands
//! cookbook` writes it, and the page of the guide.

use super::world::{World, copy_dir, root};
use seaworthy_oci::Digest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

pub const RELEASE: &str = "--key testdata/keys/demo.key";
pub const CI: &str = "--key testdata/keys/ed25519.key";
pub const SECURITY: &str = "--key testdata/keys/other.key";
const PAGE: &str = "docs/guide/policy-cookbook.md";

fn updating() -> bool {
    std::env::var_os("UPDATE_COOKBOOK").is_some()
}

/// An image of one empty layer in the layout `name`: what its configuration and annotations say is all that matters.
pub fn image(world: &World, name: &str, config: &Value, annotations: &Value) {
    let dir = world.path(name);
    std::fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    let put = |kind: &str, value: &Value| {
        let bytes = value.to_string().into_bytes();
        let digest = Digest::sha256(&bytes);
        std::fs::write(dir.join("blobs/sha256").join(digest.hex()), &bytes).unwrap();
        json!({ "mediaType": kind, "digest": digest.to_string(), "size": bytes.len() })
    };
    let layer = put("application/vnd.oci.image.layer.v1.tar", &json!("nothing"));
    let config = put(
        "application/vnd.oci.image.config.v1+json",
        &json!({
            "created": "2026-05-20T00:00:00Z", "architecture": "amd64", "os": "linux", "config": config,
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        }),
    );
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer],
    });
    if !annotations.is_null() {
        manifest["annotations"] = annotations.clone();
    }
    let entry = put("application/vnd.oci.image.manifest.v1+json", &manifest);
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    std::fs::write(dir.join("index.json"), index.to_string()).unwrap();
    std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

pub fn attest(world: &World, image: &str, key: &str, kind: &str, predicate: &Value) {
    std::fs::write(world.path("predicate.json"), predicate.to_string()).unwrap();
    world.run(&format!("attest oci:{image} {key} --type {kind} --predicate predicate.json -q")).expect(0);
}

/// A CycloneDX document with these packages: name, version, licence, supplier.
pub fn sbom(packages: &[(&str, &str, &str, &str, &str)]) -> Value {
    let components: Vec<Value> = packages
        .iter()
        .map(|(name, version, license, supplier, mail)| {
            json!({
                "type": "library", "name": name, "version": version, "purl": format!("pkg:deb/debian/{name}@{version}"),
                "supplier": { "name": supplier, "contact": [{ "email": mail }] },
                "licenses": [{ "expression": license }],
                "hashes": [{ "alg": "SHA-256", "content": Digest::sha256(name.as_bytes()).hex() }],
            })
        })
        .collect();
    json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {
            "timestamp": "2026-05-20T00:00:00Z", "lifecycles": [{ "phase": "build" }],
            "tools": { "components": [{ "type": "application", "name": "inventory", "version": "1" }] },
            "manufacturer": { "name": "Example Team", "contact": [{ "email": "team@registry.example" }] },
            "component": { "type": "container", "name": "app", "bom-ref": "app" },
        },
        "components": components,
    })
}

pub fn provenance(repository: &str, reference: &str, builder: &str) -> Value {
    json!({
        "buildDefinition": {
            "buildType": "https://ci.example/build/v1",
            "externalParameters": { "workflow": { "ref": reference, "repository": repository, "path": "release.yml" } },
            "resolvedDependencies": [],
        },
        "runDetails": { "builder": { "id": builder }, "metadata": { "invocationId": "1" } },
    })
}

pub fn scan() -> Value {
    json!({
        "invocation": { "uri": "", "event_id": "", "builder.id": "" },
        "scanner": { "uri": "https://scanner.example", "version": "1", "db": {}, "result": {
            "SchemaVersion": 2, "ArtifactName": "app", "Results": [{ "Target": "app", "Vulnerabilities": [{
                "VulnerabilityID": "CVE-2026-1000", "PkgName": "zlib1g", "InstalledVersion": "1:1.3", "FixedVersion": "",
                "Severity": "CRITICAL", "PkgIdentifier": { "PURL": "pkg:deb/debian/zlib1g@1:1.3" },
            }] }],
        } },
        "metadata": { "scanStartedOn": "2026-05-30T00:00:00Z", "scanFinishedOn": "2026-05-30T00:00:00Z" },
    })
}

pub fn vex() -> Value {
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://registry.example/vex/1", "author": "security",
        "timestamp": "2026-05-31T00:00:00Z", "version": 1,
        "statements": [{
            "vulnerability": { "name": "CVE-2026-1000" }, "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
            "products": [{ "@id": "pkg:deb/debian/zlib1g@1:1.3" }],
        }],
    })
}

/// Makes everything anew, and records it below `evidence`.
fn make(world: &World) {
    world.image("harbor", "nobody");
    world.released("harbor", "released");
    world.run(&format!("release oci:testdata/images/harbor --to oci:other {SECURITY} -q")).expect(0);
    world.released("harbor", "both");
    world.run(&format!("sign oci:both {CI} -q")).expect(0);

    let config = json!({ "User": "65532", "Env": ["PATH=/usr/bin"], "ExposedPorts": { "8080/tcp": {} } });
    let base = json!({
        "org.opencontainers.image.base.name": "registry.example/base/debian:12",
        "org.opencontainers.image.base.digest": format!("sha256:{}", "1".repeat(64)),
    });
    image(world, "app", &config, &base);
    world.run(&format!("sign oci:app {RELEASE} -q")).expect(0);
    let packages = [
        ("bash", "5.2.15-2", "GPL-3.0-or-later", "Debian Bash Team", "bash@debian.example"),
        ("zlib1g", "1:1.3", "Zlib", "Debian Zlib Team", "zlib@debian.example"),
    ];
    attest(world, "app", RELEASE, "cyclonedx", &sbom(&packages));
    let built = provenance("https://git.example/team/app", "refs/heads/main", "https://ci.example/runners/7");
    attest(world, "app", CI, "slsaprovenance1", &built);
    attest(world, "app", CI, "vuln", &scan());
    attest(world, "app", SECURITY, "openvex", &vex());
    attest(world, "app", SECURITY, "https://example.com/review/v1", &json!({ "reviewed": true }));

    let config = json!({ "Env": ["DB_PASSWORD=correct-horse"], "ExposedPorts": { "22/tcp": {} } });
    image(world, "legacy", &config, &Value::Null);
    world.run(&format!("sign oci:legacy {RELEASE} -q")).expect(0);
    let packages = [
        ("xz-utils", "5.6.1-1", "0BSD", "Debian Xz Team", "xz@debian.example"),
        ("ghostly", "9.0-1", "AGPL-3.0-only", "Somebody", "x@unknown.example"),
    ];
    attest(world, "legacy", RELEASE, "cyclonedx", &sbom(&packages));
    let built = provenance("https://git.example/fork/app", "refs/heads/main", "https://ci.example/runners/7");
    attest(world, "legacy", CI, "slsaprovenance1", &built);
    attest(world, "legacy", CI, "vuln", &scan());

    for name in ["nobody", "released", "other", "both", "app", "legacy"] {
        let record = "policy record --policy testdata/policies/demo.yaml --to made.test.yaml";
        world.run(&format!("{record} --case {name} --as oci:{name} oci:{name}")).expect(0);
    }
}

/// Every file below `dir`, by its path there.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(at) = todo.pop() {
        for entry in std::fs::read_dir(&at).unwrap_or_else(|e| panic!("{}: {e}", at.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.insert(path.strip_prefix(dir).unwrap().to_path_buf(), bytes);
            }
        }
    }
    found
}

#[test]
fn the_evidence_is_what_the_program_makes() {
    let world = World::new();
    make(&world);
    let committed = root().join("testdata/cookbook/evidence");
    if updating() {
        let _ = std::fs::remove_dir_all(&committed);
        copy_dir(&world.path("evidence"), &committed);
    }
    let (made, kept) = (files(&world.path("evidence")), files(&committed));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made), names(&kept), "UPDATE_COOKBOOK=1 writes it anew");
    assert!(made == kept, "UPDATE_COOKBOOK=1 writes it anew");
}

#[test]
fn every_policy_lets_in_what_it_should_and_nothing_else() {
    let world = World::new();
    let report = world.run("policy test testdata/cookbook --strict --output json").expect(0).json();
    assert_eq!((report["failed"].as_u64(), report["broken"].as_u64()), (Some(0), Some(0)));
    let policies: Vec<&Value> =
        report["files"].as_array().unwrap().iter().flat_map(|f| f["policies"].as_array().unwrap()).collect();
    assert!(policies.len() >= 20, "{}", policies.len());
    assert_eq!(report["warnings"], json!([]), "each was seen allowing and denying");
}

/// The recipes as sections of the page: title, words, policy, and what it was tried with.
fn recipes() -> String {
    let dir = root().join("testdata/cookbook");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|path| path.to_string_lossy().ends_with(".test.yaml"));
    paths.sort();
    let mut out = String::new();
    for (at, tests) in paths.iter().enumerate() {
        let name = tests.file_name().unwrap().to_string_lossy().replace(".test.yaml", ".yaml");
        let policy = std::fs::read_to_string(dir.join(&name)).unwrap();
        let (head, body): (Vec<&str>, Vec<&str>) = policy.lines().partition(|line| line.starts_with("# "));
        let words: Vec<&str> = head.iter().map(|line| line.trim_start_matches("# ")).collect();
        let (title, words) = words.split_first().unwrap();
        let _ = writeln!(out, "\n## {}. {}\n\n{}\n", at + 1, title.trim_end_matches('.'), words.join("\n"));
        let _ = writeln!(out, "```yaml\n{}\n```\n", body.join("\n"));
        let tests = std::fs::read_to_string(tests).unwrap();
        let field = |line: &str, key: &str| line.trim().strip_prefix(key).map(|text| text.trim().to_owned());
        let (mut case, mut decision) = (String::new(), String::new());
        let (mut lines, mut refusals) = (Vec::new(), None::<String>);
        let mut flush = |case: &mut String, decision: &mut String, refusals: &mut Option<String>| {
            if !case.is_empty() {
                let why = refusals
                    .take()
                    .map(|codes| format!(" ({})", codes.trim_matches(['[', ']'])))
                    .unwrap_or_default();
                lines.push(format!("{case}: {decision}{why}"));
            }
            case.clear();
            decision.clear();
        };
        for line in tests.lines() {
            if let Some(name) = field(line, "- name:") {
                flush(&mut case, &mut decision, &mut refusals);
                case = name;
            } else if let Some(found) = field(line, "decision:") {
                decision = found;
            } else if let Some(found) = field(line, "refusals:") {
                refusals = Some(found);
            }
        }
        flush(&mut case, &mut decision, &mut refusals);
        let _ = writeln!(out, "[{name}](../../testdata/cookbook/{name}), tried with: {}.", lines.join("; "));
    }
    out
}

#[test]
fn the_page_shows_the_policies_that_are_tested() {
    const MARK: &str = "<!-- The rest is written by tests/tests/commands/cookbook.rs. -->\n";
    let path = root().join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let (head, _) = page.split_once(MARK).expect("the mark");
    let expected = format!("{head}{MARK}{}", recipes());
    if updating() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == expected, "UPDATE_COOKBOOK=1 writes it anew");
}
