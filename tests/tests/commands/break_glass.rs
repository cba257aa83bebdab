//! `break-glass`: what it makes is what the webhook's own reader takes, and nothing else is made.

use super::world::{World, root};
use seaworthy_verifier::PublicKey;
use seaworthy_verifier::break_glass::{ANNOTATION, Case, Glass};

const MAKE: &str =
    "break-glass --key testdata/keys/demo.key --cluster prod --namespace shop --reason 'ticket 7'";

#[test]
fn a_token_is_good_for_its_case_and_for_no_other() {
    let world = World::new();
    world.image("harbor", "harbor");
    let made =
        world.shell(&format!("seaworthy {MAKE} --expires 2h --output json oci:harbor")).expect(0).json();
    assert_eq!(
        (&made["annotation"], &made["cluster"], &made["reason"]),
        (&ANNOTATION.into(), &"prod".into(), &"ticket 7".into())
    );
    let key = PublicKey::from_file(&root().join("testdata/keys/demo.pub")).unwrap();
    let glass = Glass::new("prod", vec![key]).unwrap();
    let (token, digest) =
        (made["token"].as_str().unwrap(), made["digest"].as_str().unwrap().parse().unwrap());
    let from: jiff::Timestamp = made["notBefore"].as_str().unwrap().parse().unwrap();
    let case = |namespace: &str, hours| {
        let namespace = namespace.parse().unwrap();
        let now = from + jiff::SignedDuration::from_hours(hours);
        glass
            .check(token, Case { namespace: Some(&namespace), digest: &digest, now })
            .map(|(permit, _)| permit.reason)
    };
    assert_eq!(case("shop", 1), Ok("ticket 7".to_owned()));
    assert!(case("shop", 2).is_err() && case("other", 1).is_err());
}

#[test]
fn a_digest_that_is_written_needs_no_registry_and_odd_wishes_are_refused() {
    let world = World::new();
    let digest = format!("sha256:{}", "a".repeat(64));
    let image = format!("registry.invalid/app@{digest}");
    world.shell(&format!("seaworthy {MAKE} --offline {image}")).expect(0).says("seaworthy1.");
    world.shell(&format!("seaworthy {MAKE} --expires 25h {image}")).expect(2).says("more than 24 hours");
    world.shell(&format!("seaworthy {MAKE} --expires 0h {image}")).expect(2);
    world
        .shell(&format!("seaworthy {} {image}", MAKE.replace("'ticket 7'", "''")))
        .expect(2)
        .says("a reason has");
    world
        .shell(&format!("seaworthy {} {image}", MAKE.replace("shop", "Shop")))
        .expect(2)
        .says("no name of a namespace");
}
