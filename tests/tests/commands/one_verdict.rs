//! The same policy file and the same image get the same verdict everywhere: what `verify` says of images in a layout and
//! in a registry, and what `policy test` finds, is what testdata/one-verdict/expected.json has. The webhook's process is
//! compared with the same file in verifier/tests/admission/one_verdict.rs.

use super::world::{World, root};
use seaworthy_tests::registry::Lab;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const DIR: &str = "testdata/one-verdict";
const IMAGES: [&str; 4] = ["app", "legacy", "nobody", "both"];

/// The names of the policy files.
fn policies() -> Vec<String> {
    let names =
        std::fs::read_dir(root().join(DIR)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter_map(|n| n.strip_suffix(".yaml").map(str::to_owned)).collect();
    names.sort();
    names
}

/// Decision, the codes that stand first in each refusal, also of what only watches, and the reason.
fn short(verdict: &Value) -> Value {
    let list = |of: &Value, key: &str| of[key].as_array().cloned().unwrap_or_default();
    let mut codes: BTreeSet<String> = BTreeSet::new();
    let mut add = |refusals: Vec<Value>| {
        codes.extend(refusals.iter().map(|r| r["code"].as_str().unwrap().to_owned()));
    };
    add(list(verdict, "refusals"));
    for policy in &list(verdict, "policies") {
        add(list(policy, "refusals"));
        for subject in list(policy, "subjects") {
            list(&subject, "requirements").iter().for_each(|r| add(list(r, "refusals")));
        }
    }
    json!({ "decision": verdict["decision"], "codes": codes, "reason": verdict["reason"] })
}

fn asked(world: &World, policy: &str, image: &str) -> Value {
    let ran = world.run(&format!("verify --policy {DIR}/{policy}.yaml {image} --output json"));
    let said = short(&ran.json());
    assert_eq!(ran.code, i32::from(said["decision"] == "deny"), "{}", ran.transcript());
    said
}

#[test]
fn one_verdict_by_verify_in_a_layout_and_in_a_registry() {
    let world = World::new();
    let lab = Lab::start();
    let mut found: BTreeMap<String, BTreeMap<&str, Value>> = BTreeMap::new();
    for image in IMAGES {
        let layout = root().join("testdata/cookbook/evidence").join(image);
        lab.take_layout(&layout, &format!("team/{image}"), "1");
    }
    for policy in policies() {
        for image in IMAGES {
            let layout = asked(&world, &policy, &format!("oci:testdata/cookbook/evidence/{image}:image"));
            let registry = asked(&world, &policy, &lab.reference(&format!("team/{image}:1")));
            // An exception may be for images by name, and the two are named differently.
            assert_eq!((&layout["decision"], &layout["codes"]), (&registry["decision"], &registry["codes"]));
            found.entry(policy.clone()).or_default().insert(image, registry);
        }
    }
    let path = root().join(DIR).join("expected.json");
    if std::env::var_os("UPDATE_COOKBOOK").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
    let expected: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(json!(found), expected, "UPDATE_COOKBOOK=1 writes it anew");
    // Each policy lets something in and keeps something out, or it would show nothing.
    for (policy, images) in &found {
        for decision in ["allow", "deny"] {
            assert!(
                policy == "exception" || images.values().any(|v| v["decision"] == decision),
                "{policy}: never {decision}"
            );
        }
    }
}

#[test]
fn one_verdict_by_policy_test() {
    let world = World::new();
    let expected: Value =
        serde_json::from_slice(&std::fs::read(root().join(DIR).join("expected.json")).unwrap()).unwrap();
    std::fs::create_dir(world.path("tests")).unwrap();
    for policy in policies() {
        let mut text = format!(
            "apiVersion: seaworthy.dev/v1alpha1\nkind: PolicyTest\npolicies: [../{DIR}/{policy}.yaml]\ncases:\n"
        );
        for image in IMAGES {
            let said = &expected[&policy][image];
            let _ = write!(
                text,
                "  - name: {image}\n    image: ../testdata/cookbook/evidence/{image}:image\n    as: \
                 registry.example/team/{image}:1\n    expect:\n      decision: {}\n",
                said["decision"].as_str().unwrap()
            );
            if said["codes"] != json!([]) {
                let _ = writeln!(text, "      refusals: {}", said["codes"]);
            }
        }
        std::fs::write(world.path(&format!("tests/{policy}.test.yaml")), text).unwrap();
    }
    let report = world.run("policy test tests --output json").expect(0).json();
    let mut cases = 0;
    for file in report["files"].as_array().unwrap() {
        let path = file["file"].as_str().unwrap();
        let policy = path.rsplit('/').next().unwrap().trim_end_matches(".test.yaml");
        for case in file["cases"].as_array().unwrap() {
            let said = &expected[policy][case["name"].as_str().unwrap()];
            assert_eq!(case["found"]["reason"], said["reason"], "{policy}");
            cases += 1;
        }
    }
    assert_eq!(cases, policies().len() * IMAGES.len());
}
