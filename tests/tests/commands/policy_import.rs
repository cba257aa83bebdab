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

fn key(world: &World, name: &str, indent: usize) -> String {
    let text = std::fs::read_to_string(world.path(&format!("testdata/keys/{name}.pub"))).unwrap();
    text.lines().map(|line| format!("{}{line}\n", " ".repeat(indent))).collect()
}

fn import(world: &World, text: &str) -> Value {
    std::fs::write(world.path("x.yaml"), text).unwrap();
    world.run("policy import x.yaml --output json").json()
}

fn says(document: &Value, weight: &str, words: &str) {
    let all =
        document["imported"].as_array().unwrap().iter().flat_map(|one| one["findings"].as_array().unwrap());
    let found = all.clone().any(|f| f["weight"] == weight && f["message"].as_str().unwrap().contains(words));
    assert!(found, "no {weight} '{words}' in {document:#}");
}

/// "One of these authorities, with all its attestations" is not "each attestation by one of these".
#[test]
fn alternatives_that_ours_cannot_say_are_not_said() {
    let world = World::new();
    let authority = |name: &str, file: &str, attestations: &[&str]| {
        let mut out = format!(
            "    - name: {name}\n      key:\n        data: |\n{}      ctlog: {{}}\n",
            key(&world, file, 10)
        );
        if !attestations.is_empty() {
            out += "      attestations:\n";
            attestations
                .iter()
                .for_each(|kind| out += &format!("        - {{name: x, predicateType: {kind}}}\n"));
        }
        out
    };
    let policy = |authorities: &[String]| {
        format!(
            "apiVersion: policy.sigstore.dev/v1beta1\nkind: ClusterImagePolicy\nmetadata:\n  name: x\nspec:\n  images:\n    - glob: r.example/**\n  authorities:\n{}",
            authorities.concat()
        )
    };
    let different =
        import(&world, &policy(&[authority("a", "demo", &["spdx"]), authority("b", "other", &["vuln"])]));
    says(&different, "refused", "cannot say 'or' between requirements");
    let mixed = import(&world, &policy(&[authority("a", "demo", &[]), authority("b", "other", &["vuln"])]));
    says(&mixed, "refused", "cannot say 'or' between requirements");
    let two = &["spdx", "vuln"];
    let spread = import(&world, &policy(&[authority("a", "demo", two), authority("b", "other", two)]));
    says(&spread, "weaker", "each may come from another");
    assert_eq!(spread["policies"], "");
    let one = import(&world, &policy(&[authority("a", "demo", two)]));
    assert!(one["policies"].as_str().unwrap().contains("type: vuln"), "{one:#}");
}

#[test]
fn signers_are_counted_once() {
    let world = World::new();
    let entry = |file: &str| {
        format!(
            "                - keys:\n                    rekor: {{ignoreTlog: true}}\n                    publicKeys: |-\n{}",
            key(&world, file, 22)
        )
    };
    let policy = |kind: &str, entries: &[String], count: &str| {
        format!(
            "apiVersion: kyverno.io/v1\nkind: {kind}\nmetadata:\n  name: x\n  namespace: team\nspec:\n  validationFailureAction: Enforce\n  rules:\n    - name: r\n      verifyImages:\n        - imageReferences: ['r.example/*']\n          attestors:\n            - {count}entries:\n{}",
            entries.concat()
        )
    };
    // The same key twice is one signer here; there, one signature counted for both.
    let twice = import(&world, &policy("ClusterPolicy", &[entry("demo"), entry("demo")], ""));
    says(&twice, "refused", "2 signers are asked for, and 1 distinct ones are left");
    let both = import(&world, &policy("ClusterPolicy", &[entry("demo"), entry("other")], ""));
    assert!(both["policies"].as_str().unwrap().contains("threshold: 2"), "{both:#}");
    let count = "count: 1\n              ";
    let any = import(&world, &policy("Policy", &[entry("demo"), entry("other")], count));
    let policies = any["policies"].as_str().unwrap();
    assert!(!policies.contains("threshold") && policies.contains("namespaces: [team]"), "{policies}");
    let none = import(&world, &policy("ClusterPolicy", &[entry("demo")], "count: 0\n              "));
    says(&none, "refused", "no number of entries");
    // A key that stands elsewhere is one way less, where the others are enough.
    let secret = "                - keys:\n                    publicKeys: k8s://ns/key\n".to_owned();
    let fewer = import(&world, &policy("ClusterPolicy", &[entry("demo"), secret.clone()], count));
    says(&fewer, "stricter", "one way less");
    let too_few = import(&world, &policy("ClusterPolicy", &[entry("demo"), secret], ""));
    says(&too_few, "refused", "without it the set cannot be met");
}

#[test]
fn a_list_out_of_a_cluster_is_read() {
    let world = World::new();
    let text = std::fs::read_to_string(world.path("testdata/import/cluster-image-policies.yaml")).unwrap();
    let items: String = text
        .split("\n---\n")
        .map(|document| {
            let mut lines = document.lines().filter(|line| !line.starts_with('#'));
            let first = lines.next().map(|line| format!("  - {line}\n")).unwrap_or_default();
            first + &lines.map(|line| format!("    {line}\n")).collect::<String>()
        })
        .collect();
    let list = import(&world, &format!("apiVersion: v1\nkind: List\nitems:\n{items}"));
    assert_eq!(list["imported"].as_array().unwrap().len(), 3);
    let alone = world.run("policy import testdata/import/cluster-image-policies.yaml --output json").json();
    let names = |document: &Value| {
        let each = document["imported"].as_array().unwrap().iter();
        each.map(|one| one["policy"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&list), names(&alone));
}
