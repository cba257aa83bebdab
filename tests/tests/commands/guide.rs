//! The guides, word for word: every `sh` block of a page runs, in order, in one shell.
//!
//! A block with `exit=N` behind `sh` must end with that code; all others with 0. `$REGISTRY` is a registry on
//! loopback, `$AUTHORITY` a free port of it. In pages about identities, `$TRUST`, `$ROOT` and `$ISSUER` are those of
//! a private Sigstore there, and the CI system offers a token.

use super::services::Services;
use super::world::{World, root};
use seaworthy_tests::door::Frame;
use seaworthy_tests::registry::Lab;

fn script(page: &str) -> String {
    let text = std::fs::read_to_string(root().join("docs/guide").join(page)).unwrap();
    let mut script = String::from("set -eu\n");
    let mut lines = text.lines().enumerate();
    let mut blocks = 0;
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```sh") else { continue };
        let expected: i32 = info.trim().strip_prefix("exit=").map_or(0, |n| n.parse().unwrap());
        let body: Vec<&str> = lines.by_ref().map(|(_, l)| l).take_while(|l| *l != "```").collect();
        script.push_str(&format!("echo '[{page}:{}]' >&2\n", number + 1));
        if expected == 0 {
            script.push_str(&format!("{}\n", body.join("\n")));
        } else {
            script.push_str(&format!(
                "code=0\n{{ {}\n}} || code=$?\n[ $code = {expected} ] || {{ echo \"exit $code instead of {expected}\" >&2; exit 99; }}\n",
                body.join("\n")
            ));
        }
        blocks += 1;
    }
    assert!(blocks > 0, "{page} has no command");
    script
}

fn follow(page: &str) {
    follow_in(page, World::new());
}

/// As somebody whose CI system offers a token, with a private Sigstore at hand.
fn follow_signed_in(page: &str) {
    let mut world = World::new();
    let services = Services::start(&mut world);
    let token = services.token(&world, "ci@example.com");
    for (name, value) in [
        ("TRUST", "authority/client_trust_config.json"),
        ("ROOT", "authority/trusted_root.json"),
        ("ISSUER", services.url.as_str()),
        ("SIGSTORE_ID_TOKEN", token.as_str()),
    ] {
        world.env(name, value);
    }
    follow_in(page, world);
}

fn follow_in(page: &str, mut world: World) {
    world.drawer();
    let lab = Lab::start();
    world.env("REGISTRY", &lab.host());
    // A port that is free now: the page starts the server that takes it.
    world.env("AUTHORITY", &Frame::new().address().to_string());
    world.shell(&script(page)).expect(0);
}

#[test]
fn pipeline() {
    follow("pipeline.md");
}

#[test]
fn deployment() {
    follow("deployment.md");
}

#[test]
fn sboms() {
    follow("sboms.md");
}

#[test]
fn air_gap() {
    follow("air-gap.md");
}

#[test]
fn kms() {
    follow("kms.md");
}

#[test]
fn private_sigstore() {
    follow("private-sigstore.md");
}

#[test]
fn keyless() {
    follow_signed_in("keyless.md");
}

#[test]
fn migrate_from_cosign() {
    follow_signed_in("migrate-from-cosign.md");
}

#[test]
fn key_rotation() {
    follow("key-rotation.md");
}

#[test]
fn policy_cookbook() {
    follow("policy-cookbook.md");
}

#[test]
fn migrate_from_policy_controller() {
    follow("migrate-from-policy-controller.md");
}

#[test]
fn migrate_from_kyverno() {
    follow("migrate-from-kyverno.md");
}

#[test]
fn policy_tests() {
    follow("policy-tests.md");
}

#[test]
fn every_page_is_followed() {
    let mut pages: Vec<String> = std::fs::read_dir(root().join("docs/guide"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    let followed = [
        "air-gap.md",
        "deployment.md",
        "key-rotation.md",
        "keyless.md",
        "kms.md",
        // Before a real API server: tests/interop/live/97-cluster.sh.
        "kubernetes.md",
        "migrate-from-cosign.md",
        "migrate-from-kyverno.md",
        "migrate-from-policy-controller.md",
        "pipeline.md",
        "policy-cookbook.md",
        "policy-tests.md",
        "private-sigstore.md",
        "sboms.md",
    ];
    assert_eq!(pages, followed);
}
