//! `policy test` and `policy record`: what passes, what fails, what is no test at all.

use super::world::World;
use std::fmt::Write as _;

/// A world with a released image, its recording, and one that nobody signed.
fn recorded() -> World {
    let world = World::new();
    world.released("harbor", "harbor");
    std::fs::create_dir(world.path("policies")).unwrap();
    let policy = std::fs::read_to_string(world.path("testdata/policies/demo.yaml")).unwrap();
    let policy = policy.replace("../keys", "../testdata/keys").replace("oci:**", "registry.example/**");
    std::fs::write(world.path("policies/demo.yaml"), policy).unwrap();
    let record = "policy record --policy policies/demo.yaml --to policies/demo.test.yaml --as registry.example/app:1.0";
    world.run(&format!("{record} --case 'a release' oci:harbor")).expect(0).says("no layers");
    world
        .run(&format!("{record} --case unsigned oci:testdata/images/harbor"))
        .expect(0)
        .says("signature-missing");
    world
}

fn file(world: &World, cases: &str) {
    let text = format!(
        "apiVersion: seaworthy.dev/v1alpha1\nkind: PolicyTest\npolicies: [policies/demo.yaml]\n\
         now: 2026-06-01T00:00:00Z\ncases:\n{cases}"
    );
    std::fs::write(world.path("own.test.yaml"), text).unwrap();
}

const SIGNED: &str = "image: 'policies/evidence/a-release:image', as: registry.example/app";
const UNSIGNED: &str = "image: 'policies/evidence/unsigned:image', as: registry.example/app";

#[test]
fn what_was_recorded_passes_and_layers_are_not_in_it() {
    let world = recorded();
    let ran = world.run("policy test policies --strict --output json").expect(0).json();
    assert_eq!(
        (ran["passed"].as_u64(), ran["failed"].as_u64(), ran["broken"].as_u64()),
        (Some(2), Some(0), Some(0))
    );
    assert_eq!(ran["files"][0]["policies"][0]["allowed"], 1);
    assert_eq!(ran["files"][0]["policies"][0]["denied"], 1);
    // The whole image and its recording differ by the image's layers and nothing else.
    let blobs = |dir: &str| -> std::collections::BTreeSet<String> {
        let dir = world.path(dir).join("blobs/sha256");
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    };
    let whole = blobs("testdata/images/harbor");
    let kept = blobs("policies/evidence/unsigned");
    assert!(kept.is_subset(&whole) && whole.len() > kept.len(), "{kept:?}\n{whole:?}");
}

#[test]
fn a_case_fails_where_the_verdict_is_another() {
    let world = recorded();
    for (case, words) in [
        (
            format!("{SIGNED}, expect: {{decision: deny, refusals: [signature-missing]}}"),
            "expected deny, found allow",
        ),
        (format!("{UNSIGNED}, expect: {{decision: allow}}"), "expected allow, found deny"),
        // Denied, and for another reason than the one that was meant.
        (
            format!("{UNSIGNED}, expect: {{decision: deny, refusals: [sbom-too-old]}}"),
            "the refusal sbom-too-old",
        ),
        (
            format!("{UNSIGNED}, expect: {{decision: deny, refusals: [signature-missing]}}"),
            "not expected: no SBOM",
        ),
        (
            format!("{SIGNED}, expect: {{decision: allow, text: [nothing of this kind]}}"),
            "'nothing of this kind'",
        ),
        (format!("{SIGNED}, expect: {{decision: could-not-find-out}}"), "found allow"),
    ] {
        file(&world, &format!("  - {{name: x, {case}}}\n"));
        world
            .run("policy test own.test.yaml")
            .expect(1)
            .says(words)
            .says("own.test.yaml:6: x")
            .says("1 failed");
    }
    let both =
        "expect: {decision: deny, refusals: [signature-missing, sbom-missing], text: [no signature on]}";
    file(&world, &format!("  - {{name: x, {UNSIGNED}, {both}}}\n"));
    world
        .run("policy test own.test.yaml")
        .expect(0)
        .says("no case shows an image that meets the policy 'demo'");
    // The same warning fails where warnings are asked to.
    world.run("policy test own.test.yaml --strict").expect(1);
}

#[test]
fn the_name_and_the_time_of_a_case_decide() {
    let world = recorded();
    let policy = std::fs::read_to_string(world.path("policies/demo.yaml")).unwrap();
    let policy = policy.replace("    deny:\n", "    maxAge: 30d\n    deny:\n");
    std::fs::write(world.path("policies/demo.yaml"), policy).unwrap();
    let at = |now: &str, expect: &str| {
        format!("  - {{name: '{now}', {SIGNED}, now: '{now}', expect: {expect}}}\n")
    };
    let mut cases = at("2023-11-20T00:00:00Z", "{decision: allow}");
    cases += &at("2024-01-20T00:00:00Z", "{decision: deny, refusals: [sbom-too-old]}");
    let elsewhere = SIGNED.replace("registry.example", "other.example");
    let _ = writeln!(
        cases,
        "  - {{name: other, {elsewhere}, expect: {{decision: deny, refusals: [no-policy-matches]}}}}"
    );
    file(&world, &cases);
    world.run("policy test own.test.yaml --strict").expect(0).says("3 passed");
}

#[test]
fn the_namespace_of_a_case_decides() {
    let world = recorded();
    let policy = std::fs::read_to_string(world.path("policies/demo.yaml")).unwrap();
    let policy = policy.replace("  images:\n", "  namespaces: [production]\n  images:\n");
    std::fs::write(world.path("policies/demo.yaml"), policy).unwrap();
    let case = |namespace: &str, expect: &str| {
        format!("  - {{name: '{namespace}', namespace: '{namespace}', {SIGNED}, expect: {expect}}}\n")
    };
    let mut cases = case("production", "{decision: allow}");
    cases += &case("lab", "{decision: deny, refusals: [no-policy-matches]}");
    file(&world, &cases);
    world.run("policy test own.test.yaml").expect(0).says("2 passed");
    file(&world, &case("Not A Name", "{decision: allow}"));
    world.run("policy test own.test.yaml").expect(4).says("own.test.yaml:6:");
    let record =
        "policy record --policy policies/demo.yaml --to new.test.yaml --as registry.example/app oci:harbor";
    world.run(&format!("{record} --case lab --namespace lab")).expect(0).says("deny (no-policy-matches)");
    assert!(std::fs::read_to_string(world.path("new.test.yaml")).unwrap().contains("    namespace: lab\n"));
    world.run("policy test new.test.yaml").expect(0);
}

#[test]
fn a_warning_is_expected_as_well() {
    let world = recorded();
    let policy = std::fs::read_to_string(world.path("policies/demo.yaml")).unwrap();
    std::fs::write(world.path("policies/demo.yaml"), policy.replace("enforce", "warn")).unwrap();
    file(&world, &format!("  - {{name: x, {UNSIGNED}, expect: {{decision: allow}}}}\n"));
    world.run("policy test own.test.yaml").expect(1).says("not expected: no signature");
    let both = "expect: {decision: allow, refusals: [signature-missing, sbom-missing]}";
    file(&world, &format!("  - {{name: x, {UNSIGNED}, {both}}}\n"));
    world.run("policy test own.test.yaml").expect(0);
}

#[test]
fn what_could_not_be_found_out_is_an_outcome_and_a_missing_image_is_none() {
    let world = recorded();
    let index = std::fs::read_to_string(world.path("policies/evidence/a-release/index.json")).unwrap();
    let case = |expect: &str| format!("  - {{name: x, {SIGNED}, expect: {expect}}}\n");
    file(&world, "  - {name: x, image: nowhere, expect: {decision: could-not-find-out}}\n");
    world.run("policy test own.test.yaml").expect(4).says("1 broken").says("nowhere");
    // What is attached can no longer be told: that is no "no".
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let attached =
        index["manifests"].as_array().unwrap().iter().find(|e| e["artifactType"].is_string()).unwrap();
    let digest = attached["digest"].as_str().unwrap().replace(':', "/");
    std::fs::write(world.path("policies/evidence/a-release/blobs").join(digest), "garbage").unwrap();
    file(&world, &case("{decision: could-not-find-out}"));
    world.run("policy test own.test.yaml").expect(0);
    file(&world, &case("{decision: deny, refusals: [signature-missing]}"));
    world.run("policy test own.test.yaml").expect(1).says("found could-not-find-out");
}

#[test]
fn what_is_no_test_is_broken_or_refused() {
    let world = recorded();
    file(&world, &format!("  - {{name: x, {SIGNED}}}\n"));
    world.run("policy test own.test.yaml").expect(4).says("own.test.yaml:6:5").says("it could not fail");
    file(&world, &format!("  - {{name: x, {SIGNED}, expect: {{decision: deny}}}}\n"));
    world.run("policy test own.test.yaml").expect(4).says("without its refusals");
    // One broken file does not hide the results of the others.
    world.run("policy test own.test.yaml policies").expect(4).says("2 passed, 0 failed, 1 broken");
    std::fs::write(world.path("policies/demo.yaml"), "nonsense").unwrap();
    world.run("policy test policies").expect(4).says("cannot use the policy");
    std::fs::create_dir(world.path("empty")).unwrap();
    world.run("policy test empty").expect(2).says("policy record");
    world.run("policy test policies --case nothing-like-it").expect(2);
}

#[test]
fn what_no_case_covers_is_said() {
    let world = recorded();
    let policy = std::fs::read_to_string(world.path("policies/demo.yaml")).unwrap();
    std::fs::write(
        world.path("policies/lonely.yaml"),
        policy.replace("name: demo\nspec", "name: lonely\nspec"),
    )
    .unwrap();
    world.run("policy test policies").expect(0).says("policies/lonely.yaml: no test file names this policy");
    let more = policy
        .replace("name: demo\nspec", "name: unmatched\nspec")
        .replace("registry.example/**", "x.example/**");
    std::fs::write(world.path("policies/demo.yaml"), format!("{policy}---\n{more}")).unwrap();
    world.run("policy test policies").expect(0).says("no case covers the policy 'unmatched'");
    world.run("policy test policies --case release").expect(0).never_says("unmatched");
}

#[test]
fn a_search_goes_as_deep_as_its_limit_and_no_deeper() {
    let world = recorded();
    let at = |depth: usize| {
        let dir = world.path(&format!("deep-{depth}")).join(vec!["d"; depth].join("/"));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("x.txt"), "").unwrap();
        std::fs::copy(world.path("policies/demo.yaml"), world.path(&format!("deep-{depth}/p.yaml"))).unwrap();
        let tests = std::fs::read_to_string(world.path("policies/demo.test.yaml")).unwrap();
        let tests = tests.replace("evidence/", "../policies/evidence/").replace("demo.yaml", "p.yaml");
        std::fs::write(world.path(&format!("deep-{depth}/p.test.yaml")), tests).unwrap();
        world.run(&format!("policy test deep-{depth}"))
    };
    at(16).expect(0).says("2 passed");
    at(17).expect(2).says("deeper than 16 directories");
}

#[test]
fn results_for_ci_are_well_formed() {
    let world = recorded();
    file(
        &world,
        &format!(
            "  - {{name: 'a <\"b\"> & c', {SIGNED}, expect: {{decision: deny, refusals: [other-kind]}}}}\n"
        ),
    );
    world.run("policy test own.test.yaml policies --junit report.xml").expect(1);
    let xml = std::fs::read_to_string(world.path("report.xml")).unwrap();
    assert!(xml.contains("name=\"a &lt;&quot;b&quot;&gt; &amp; c\""), "{xml}");
    assert!(
        xml.contains("<testsuite name=\"own.test.yaml\" tests=\"1\" failures=\"1\" errors=\"0\">"),
        "{xml}"
    );
    assert!(
        xml.contains("<testsuite name=\"policies/demo.test.yaml\" tests=\"2\" failures=\"0\" errors=\"0\">")
    );
}

#[test]
fn a_recording_is_refused_where_it_would_overwrite_or_mislead() {
    let world = recorded();
    let record =
        |rest: &str| world.run(&format!("policy record --policy policies/demo.yaml {rest} oci:harbor"));
    record("--to policies/demo.test.yaml --case unsigned").expect(2).says("has a case 'unsigned' already");
    record("--to policies/demo.yaml").expect(2).says("must end in .test.yaml");
    record("--to policies/new.test.yaml --case unsigned").expect(2).says("is there already");
    std::fs::write(world.path("policies/second.yaml"), {
        std::fs::read_to_string(world.path("policies/demo.yaml"))
            .unwrap()
            .replace("name: demo\nspec", "name: b\nspec")
    })
    .unwrap();
    let both = "--policy policies/second.yaml --to policies/demo.test.yaml --case b";
    record(both).expect(2).says("is about other policies");
    // A file that somebody wrote with something behind its cases is not guessed at.
    let path = world.path("policies/demo.test.yaml");
    let text = std::fs::read_to_string(&path).unwrap() + "now: 2026-01-01T00:00:00Z\n";
    std::fs::write(&path, &text).unwrap();
    record("--to policies/demo.test.yaml --case third").expect(2).says("by hand").says("decision: deny");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}
