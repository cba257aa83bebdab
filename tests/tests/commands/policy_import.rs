//! `policy import`: what comes out is a policy that can be used, and nothing that was asked for is lost in silence.

use super::world::World;
use serde_json::Value;

/// The findings of the policy whose source contains `source`.
fn findings<'a>(document: &'a Value, source: &str) -> (&'a Value, Vec<(String, String, u64)>) {
    let one = document["imported"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["source"].as_str().unwrap().contains(source))
        .unwrap_or_else(|| panic!("nothing about {source} in {document:#}"));
    let each = one["findings"].as_array().unwrap().iter().map(|f| {
        let text = |key: &str| f[key].as_str().unwrap().to_owned();
        (text("weight"), format!("{}: {}", text("field"), text("message")), f["line"].as_u64().unwrap())
    });
    (one, each.collect())
}

#[test]
fn what_can_be_carried_over_is_and_passes_policy_check() {
    let world = World::new();
    for (file, names) in [
        ("cluster-image-policies", &["harbour-by-key", "fleet-by-workflow", "system-images"][..]),
        ("kyverno", &["harbour-two-of-three", "harbour-inventoried"]),
        ("image-validating-policy", &["fleet"]),
    ] {
        let ran = world.run(&format!("policy import testdata/import/{file}.yaml --to {file}.yaml")).expect(0);
        ran.never_says("weaker").never_says("refused");
        let mut checked = world.run(&format!("policy check {file}.yaml"));
        for name in names {
            checked = checked.expect(0).says(&format!("policy {name} "));
        }
        // Without a file, the same goes to standard output, and what is said about it beside it.
        let printed = world.run(&format!("policy import testdata/import/{file}.yaml"));
        assert_eq!(printed.stdout, std::fs::read_to_string(world.path(&format!("{file}.yaml"))).unwrap());
        world.run(&format!("policy import testdata/import/{file}.yaml --to {file}.yaml")).expect(2);
    }
}

#[test]
fn an_imported_policy_judges_as_the_original_says() {
    let world = World::new();
    world.run("policy import testdata/import/cluster-image-policies.yaml --to policy.yaml").expect(0);
    world.released("harbor", "signed");
    world
        .run("release oci:testdata/images/harbor --to oci:other --key testdata/keys/ed25519.key -q")
        .expect(0);
    let record = "policy record --policy policy.yaml --to p.test.yaml";
    for (case, image, named, decision) in [
        ("by the key", "signed", "registry.example/harbour/app:1", "allow"),
        ("by another key", "other", "registry.example/harbour/app:1", "deny"),
        ("by a pattern within a component", "signed", "registry.example/tools-a", "allow"),
        ("not below that component", "signed", "registry.example/tools-a/b", "deny (no-policy-matches)"),
        ("the namespace alone", "signed", "registry.example/harbour", "deny (no-policy-matches)"),
        ("let through", "other", "registry.k8s.example/pause", "allow"),
    ] {
        world
            .run(&format!("{record} --case '{case}' --as {named} oci:{image}"))
            .expect(0)
            .says(&format!(": {decision}"));
    }
    world.run("policy test p.test.yaml").expect(0).says("6 passed");
}

#[test]
fn what_would_be_weaker_is_refused_or_marked() {
    let world = World::new();
    let file = "testdata/import/cluster-image-policies-lost.yaml";
    let ran = world.run(&format!("policy import {file} --output json")).expect(1).json();
    assert_eq!(ran["policies"], "", "nothing of it can be written");
    for (source, weight, words) in [
        ("with-cue", "weaker", "spec.authorities[0].attestations[0].policy: the policy in CUE"),
        ("one-tag", "weaker", "it means ':v1' alone"),
        ("anybody", "refused", "nobody is left"),
        ("key-in-a-vault", "refused", "nobody is left"),
        ("deny-old", "refused", "this denies every image"),
        ("of-tomorrow", "refused", "spec.requireMoonlight: this field is not known"),
    ] {
        let (one, found) = findings(&ran, source);
        assert!(one["policy"].is_null());
        assert!(found.iter().any(|(w, text, _)| w == weight && text.contains(words)), "{source}: {found:#?}");
    }
    // The line is that of the original.
    let text = std::fs::read_to_string(world.path(file)).unwrap();
    let line = text.lines().position(|line| line.contains("requireMoonlight")).unwrap() as u64 + 1;
    assert!(findings(&ran, "of-tomorrow").1.iter().any(|(_, _, at)| *at == line));
    // Accepted is what is weaker, never what cannot be said; and it stands in the policy.
    world.run(&format!("policy import {file} --accept-weaker --to policy.yaml")).expect(1);
    let written = std::fs::read_to_string(world.path("policy.yaml")).unwrap();
    assert_eq!(written.matches("kind: ImagePolicy").count(), 2, "{written}");
    assert!(written.contains("# weaker: line ") && written.contains("is not carried over"), "{written}");
    world.run("policy check policy.yaml").expect(0).says("policy with-cue").says("policy one-tag");
}

#[test]
fn rules_of_kyverno_that_say_more_than_ours_can_are_named() {
    let world = World::new();
    let ran = world.run("policy import testdata/import/kyverno-lost.yaml --output json").expect(1).json();
    assert_eq!(ran["policies"], "");
    for (source, weight, words) in [
        ("conditions", "weaker", "conditions on the predicate are not carried over"),
        ("single-characters", "refused", "? stands for one character"),
        ("notation", "refused", "signatures of the kind 'Notary'"),
        ("no-latest", "weaker", "not about signatures"),
    ] {
        let (_, found) = findings(&ran, source);
        assert!(found.iter().any(|(w, text, _)| w == weight && text.contains(words)), "{source}: {found:#?}");
    }
}

#[test]
fn the_most_specific_scope_and_all_of_them_are_not_the_same() {
    let world = World::new();
    let ran = world.run("policy import testdata/import/policy.json --output json").expect(1).json();
    let policies = ran["policies"].as_str().unwrap();
    assert!(policies.contains("requires: nothing") && policies.contains("mirror.example/**"), "{policies}");
    assert!(!policies.contains("registry.example"), "{policies}");
    for (source, weight, words) in [
        ("harbour", "weaker", "the image's name within the signature is not compared"),
        ("harbour/attic", "weaker", "the rule around it allows"),
        ("old.example", "refused", "GPG"),
        ("every image", "note", "denied here"),
        ("as a whole", "stricter", "docker-daemon"),
    ] {
        let (_, found) = findings(&ran, source);
        assert!(found.iter().any(|(w, text, _)| w == weight && text.contains(words)), "{source}: {found:#?}");
    }
    world.run("policy import testdata/import/policy.json --accept-weaker --to p.yaml").expect(1);
    world.run("policy check p.yaml").expect(0).says("policy registry.example-harbour");
}

#[test]
fn services_of_ones_own_need_a_trusted_root() {
    let world = World::new();
    let text = std::fs::read_to_string(world.path("testdata/import/cluster-image-policies.yaml")).unwrap();
    let text = text.replace("https://rekor.sigstore.dev", "https://log.example");
    std::fs::write(world.path("own.yaml"), text).unwrap();
    let ran = world.run("policy import own.yaml --output json").expect(1).json();
    let (_, found) = findings(&ran, "fleet-by-workflow");
    assert!(
        found.iter().any(|(_, text, _)| text.contains("log.example") && text.contains("--trusted-root")),
        "{found:#?}"
    );
    let root = "--trusted-root testdata/interop/keyless-authority/trusted_root.json";
    world.run(&format!("policy import own.yaml {root} --to policy.yaml")).expect(0);
    let written = std::fs::read_to_string(world.path("policy.yaml")).unwrap();
    assert!(
        written.contains("trustedRoot: testdata/interop/keyless-authority/trusted_root.json"),
        "{written}"
    );
    world.run("policy import own.yaml --trusted-root nowhere.json").expect(2);
}

#[test]
fn what_is_no_policy_of_anybody_is_refused() {
    let world = World::new();
    for (text, words) in [
        ("apiVersion: v1\nkind: Pod\n", "none that can be imported"),
        ("", "there is no policy"),
        ("a: 1\na: 2\n", "duplicate"),
        ("- 1\n", "none that can be imported"),
    ] {
        std::fs::write(world.path("x.yaml"), text).unwrap();
        world.run("policy import x.yaml").expect(4).says(words);
    }
    world.run("policy import missing.yaml").expect(5);
}
