//! `policy explain`: the same answer as `verify`, and nothing of what led to it left out.

use super::world::World;
use seaworthy_tests::registry::Lab;

fn policies(world: &World) {
    let demo = std::fs::read_to_string(world.path("testdata/policies/demo.yaml")).unwrap();
    let demo = demo.replace("../keys", "testdata/keys");
    let other = demo.replace("name: demo\nspec", "name: other\nspec").replace("demo.pub", "other.pub");
    let other = other.replace("enforce", "audit");
    let elsewhere =
        demo.replace("name: demo\nspec", "name: elsewhere\nspec").replace("oci:**", "registry.example/**");
    std::fs::write(world.path("p.yaml"), format!("{demo}---\n{other}---\n{elsewhere}")).unwrap();
}

#[test]
fn every_policy_every_piece_and_every_question_is_there() {
    let world = World::new();
    policies(&world);
    world.released("harbor", "harbor");
    let explained = world.run("policy explain oci:harbor --policy p.yaml --output json").expect(0).json();
    let verdict = world.run("verify oci:harbor --policy p.yaml --output json").expect(0).json();
    for field in ["decision", "digest", "name", "wouldDeny", "reason"] {
        assert_eq!(explained["verdict"][field], verdict[field], "{field}");
    }
    let of = |name: &str, list: &str| {
        explained[list].as_array().unwrap().iter().find(|p| p["policy"] == name).cloned()
    };
    let considered = |name: &str| of(name, "considered").unwrap();
    assert_eq!(considered("demo")["why"], "the pattern oci:** matches");
    assert_eq!(considered("other")["mode"], "audit");
    assert_eq!(considered("elsewhere")["applies"], false);
    assert_eq!(considered("elsewhere")["why"], "no pattern matches oci:harbor");
    assert!(of("elsewhere", "evidence").is_none());
    // The same evidence counts for one policy and not for the other, each with its reason.
    let pieces = |name: &str| of(name, "evidence").unwrap()["pieces"].as_array().unwrap().clone();
    let (demo, other) = (pieces("demo"), pieces("other"));
    assert_eq!((demo.len(), other.len()), (2, 2));
    for piece in &demo {
        assert!(!piece["countsFor"].as_array().unwrap().is_empty(), "{piece:#}");
        assert!(piece["signers"][0]["id"].as_str().unwrap().starts_with("key sha256:"));
    }
    for piece in &other {
        assert!(piece["countsFor"].is_null(), "{piece:#}");
        assert_eq!(piece["reasons"][0]["code"], "unknown-signer");
    }
    // Each manifest of evidence was asked for, and what came back is said.
    let requests = explained["requests"].as_array().unwrap();
    for piece in &demo {
        let asked = |digest: &serde_json::Value| requests.iter().any(|r| r["of"] == *digest);
        assert!(asked(&piece["manifest"]) || asked(&piece["evidence"]), "{piece:#}\n{requests:#?}");
    }
    assert!(requests.iter().any(|r| r["asked"] == "referrers" && r["answer"] == "2 by the layout's index"));
}

#[test]
fn the_exit_code_is_that_of_verify() {
    let world = World::new();
    policies(&world);
    world.released("harbor", "harbor");
    let explain = |image: &str| world.run(&format!("policy explain {image} --policy p.yaml"));
    explain("oci:harbor").expect(0).says("policy elsewhere (enforce): does not apply");
    explain("oci:testdata/images/harbor")
        .expect(1)
        .says("signature-missing")
        .says("no evidence was looked at");
    explain("oci:nowhere").expect(4);
    world.run("policy explain oci:harbor").expect(2);
    world
        .run("policy explain oci:harbor --policy p.yaml --as x.example/app")
        .expect(1)
        .says("no-policy-matches");
    // What could not be found out is neither yes nor no, and what was asked until then is shown.
    let index = std::fs::read_to_string(world.path("harbor/index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let attached =
        index["manifests"].as_array().unwrap().iter().find(|e| e["artifactType"].is_string()).unwrap();
    let digest = attached["digest"].as_str().unwrap().replace(':', "/");
    std::fs::write(world.path("harbor/blobs").join(digest), "garbage").unwrap();
    let code = world.run("verify oci:harbor --policy p.yaml").code;
    assert!(code > 1);
    explain("oci:harbor").expect(code).says("requests").says("referrers").says("could not find out");
}

#[test]
fn a_registry_is_told_from_a_layout() {
    let world = World::new();
    let lab = Lab::start();
    let image = format!("{}/team/harbor:1.0", lab.host());
    world
        .run(&format!("release oci:testdata/images/harbor --to {image} --key testdata/keys/demo.key -q"))
        .expect(0);
    let demo = std::fs::read_to_string(world.path("testdata/policies/demo.yaml")).unwrap();
    let demo = demo.replace("../keys", "testdata/keys").replace("oci:**", "**");
    std::fs::write(world.path("p.yaml"), demo).unwrap();
    let ran = world.run(&format!("policy explain {image} --policy p.yaml")).expect(0);
    ran.says("tag 1.0").says("2 by ").says("counts for signature by demo");
}
