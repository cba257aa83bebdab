//! `verify --namespace`: what the webhook would say there.

use super::world::World;

fn policy(places: &str) -> String {
    format!(
        "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata:\n  name: signed\nspec:\n  images: ['**']\n\
         {places}  authorities:\n    - name: release\n      keys:\n        - path: demo.pub\n  signatures:\n    - by: \
         [release]\n"
    )
}

#[test]
fn the_namespace_gives_the_mode_and_without_one_the_strictest_applies() {
    let world = World::new();
    world.image("harbor", "harbor");
    std::fs::copy(super::world::root().join("testdata/keys/demo.pub"), world.path("demo.pub")).unwrap();
    let modes = policy("  modes: [{namespaces: ['dev-*'], mode: warn}]\n");
    std::fs::write(world.path("policy.yaml"), modes).unwrap();
    let verify = "verify --policy policy.yaml oci:harbor --output json";
    let dev = world.run(&format!("{verify} --namespace dev-1")).expect(0).json();
    assert_eq!((&dev["namespace"], &dev["wouldDeny"]), (&"dev-1".into(), &true.into()));
    assert_eq!(dev["policies"][0]["mode"], "warn");
    let strict = world.run(&format!("{verify} -n prod")).expect(1).json();
    assert_eq!(strict["policies"][0]["mode"], "enforce");
    let anywhere = world.run(verify).expect(1).json();
    assert!(anywhere["namespace"].is_null());
    std::fs::write(world.path("policy.yaml"), policy("  namespaces: [prod]\n  mode: audit\n")).unwrap();
    world.run(&format!("{verify} -n prod")).expect(0);
    world.run(&format!("{verify} -n dev")).expect(1).says("no-policy-matches");
    world.run(verify).expect(1).says("say in which it is to run");
}

#[test]
fn a_namespace_without_a_policy_or_with_an_odd_name_is_a_question_that_makes_no_sense() {
    let world = World::new();
    world.run("verify --key demo.pub --namespace prod oci:harbor").expect(2);
    world
        .run("verify --policy policy.yaml --namespace Prod oci:harbor")
        .expect(2)
        .says("no name of a namespace");
}
