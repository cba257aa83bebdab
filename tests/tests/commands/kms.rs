//! Keys behind a plugin: what they sign is what files sign, and a plugin that stalls, lies or babbles ends in
//! a refusal that says so, before anything is pushed.

use super::world::World;
use seaworthy_tests::door::Frame;

/// A world with the plugin, and the key `drawer://key` in it.
fn world() -> World {
    let mut world = World::new();
    world.drawer();
    world.run("keygen --kms drawer://key --output-key-prefix key -q").expect(0);
    world
}

/// Not a test: the plugin itself, which the script that [`World::drawer`] writes starts in this binary, so
/// that `cargo test` needs no second program. Its answer goes to descriptor 3, away from the test harness.
#[test]
#[ignore = "the plugin itself, started by the tests beside it"]
fn the_drawer_itself() {
    let (Ok(version), Ok(call)) = (std::env::var("DRAWER_VERSION"), std::env::var("DRAWER_CALL")) else {
        return;
    };
    let mut answer = std::fs::OpenOptions::new().write(true).open("/dev/fd/3").unwrap();
    let code = seaworthy_tests::drawer::answer(&version, &call, &mut std::io::stdin(), &mut answer);
    std::process::exit(code);
}

#[test]
fn images_are_signed_attested_and_verified_with_a_key_behind_a_plugin() {
    let world = world();
    world.image("harbor", "img");
    world.run("sign --key drawer://key oci:img").expect(0).says("added");
    world.run("sign --key drawer://key oci:img").expect(0).says("present");
    std::fs::write(world.path("p.json"), r#"{"built":true}"#).unwrap();
    world
        .run("attest --key drawer://key --type https://example.com/p --predicate p.json oci:img")
        .expect(0)
        .says("added");
    world.run("verify --key key.pub --type https://example.com/p oci:img").expect(0);
    world.run("verify --key drawer://key oci:img").expect(0);
    world.run("tree --key drawer://key oci:img").expect(0).says("drawer://key");
    world.run("verify --key testdata/keys/demo.pub oci:img").expect(1);

    let pem = std::fs::read_to_string(world.path("key.pub")).unwrap();
    assert_eq!(world.run("public-key --key drawer://key").expect(0).stdout, pem);
    let json = world.run("public-key --key drawer://key --output json").expect(0).json();
    assert_eq!((&json["pem"], &json["algorithm"]), (&pem.into(), &"ecdsa-p256".into()));
}

#[test]
fn a_release_with_a_plugin_ends_in_a_verdict_and_a_second_one_adds_nothing() {
    let world = world();
    let release = "release oci:testdata/images/fleet --to oci:out --key drawer://key --output json";
    let first = world.run(release).expect(0).json();
    assert_eq!(first["verdict"]["decision"], "allow");
    let second = world.run(release).expect(0).json();
    let changes: Vec<_> = second["attached"].as_array().unwrap().iter().map(|a| &a["change"]).collect();
    assert!(changes.len() >= 5 && changes.iter().all(|c| *c == "already-there"), "{changes:?}");
    world.run("verify --key key.pub --type spdx oci:out").expect(0);
}

#[test]
fn every_kind_of_key_signs_files_and_statements() {
    let mut world = World::new();
    world.drawer();
    std::fs::write(world.path("file"), "some file\n").unwrap();
    std::fs::write(world.path("p.json"), "{}").unwrap();
    for (algorithm, name) in [
        ("p256", "ecdsa-p256"),
        ("p384", "ecdsa-p384"),
        ("p521", "ecdsa-p521"),
        ("rsa-2048", "rsa-2048"),
        ("ed25519", "ed25519"),
    ] {
        let made = world
            .run(&format!(
                "keygen --kms drawer://{algorithm} --kms-algorithm {algorithm} --output-key-prefix {algorithm} \
                 --output json"
            ))
            .expect(0)
            .json();
        assert_eq!(made["algorithm"], name);
        assert_eq!(made["key"], format!("drawer://{algorithm}"));
        for verb in ["sign-blob", "attest-blob --predicate p.json"] {
            world.run(&format!("{verb} --key drawer://{algorithm} --bundle b.json file")).expect(0);
            for key in [format!("{algorithm}.pub"), format!("drawer://{algorithm}")] {
                world.run(&format!("verify-blob --key {key} --bundle b.json file")).expect(0);
            }
            std::fs::write(world.path("other"), "another file\n").unwrap();
            world.run(&format!("verify-blob --key {algorithm}.pub --bundle b.json other")).expect(1);
        }
    }
}

#[test]
fn what_a_bad_plugin_does_is_said_and_nothing_is_pushed() {
    for (how, code, says) in [
        ("garbage", 5, "what it says is not the protocol"),
        ("other-answer", 5, "its answer is to another question"),
        ("wrong-signature", 5, "its signature does not verify with the public key that it gave"),
        ("exit", 5, "it says nothing (exit status: 3); it says: the drawer [31m is locked"),
        ("refuse", 5, "cannot ask sigstore-kms-drawer for signMessage: the drawer is [2Jlocked for today"),
        ("padded:1048577", 5, "PLUGIN_OUTPUT_BYTES = 1048576"),
    ] {
        let mut world = world();
        world.image("harbor", "img");
        world.env("DRAWER_MISBEHAVES", how).env("DRAWER_ONLY_SIGNING", "1");
        let ran = world.run("sign --key drawer://key oci:img").expect(code).says(says);
        assert!(!ran.stderr.contains('\u{1b}'), "{how}: {}", ran.stderr.escape_debug());
        let tree = world.run("tree oci:img --output json").expect(0).json();
        assert_eq!(tree["subjects"][0]["evidence"], serde_json::json!([]), "{how}");
    }
}

#[test]
fn a_plugin_that_answers_well_is_taken_at_its_word_however_odd_it_is() {
    // The protocol says nothing of exit codes; a plugin need not read what it signs by its digest; and an
    // answer may have as many bytes as the limit says.
    for how in ["bad-exit", "deaf", "padded:1048576"] {
        let mut world = world();
        world.image("harbor", "img");
        world.env("DRAWER_MISBEHAVES", how);
        world.run("sign --key drawer://key oci:img").expect(0);
        world.run("verify --key key.pub oci:img").expect(0);
    }
}

#[test]
fn a_key_that_changes_or_that_nobody_uses_is_refused() {
    let mut world = world();
    world.image("harbor", "img");
    world.env("DRAWER_MISBEHAVES", "fickle");
    world.run("sign --key drawer://key oci:img").expect(5).says("does not verify");
    world.env("DRAWER_MISBEHAVES", "strange-key");
    world.run("sign --key drawer://key oci:img").expect(4).says("public key of drawer://key");
    world.run("verify --key drawer://key oci:img").expect(4);
}

#[test]
fn a_plugin_that_stalls_is_ended_with_its_children_and_the_answer_is_not_no() {
    let mut world = world();
    world.image("harbor", "img");
    world.env("DRAWER_MISBEHAVES", "stall").env("SEAWORTHY_KMS_TIMEOUT", "1");
    world
        .run("sign --key drawer://key oci:img")
        .expect(3)
        .says("it did not answer within 1 seconds, and was ended")
        .says("hint: SEAWORTHY_KMS_TIMEOUT");
    world.run("verify --key drawer://key oci:img").expect(3);
    let child = std::fs::read_to_string(world.path("drawer/stalled")).unwrap();
    let alive = || {
        // A process that nobody has collected yet is a zombie: it runs no more.
        let status = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        status.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['S', 'R', 'D']))
    };
    while alive() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    world.env("SEAWORTHY_KMS_TIMEOUT", "0");
    world.run("sign --key drawer://key oci:img").expect(2).says("from 1 to 3600");
}

#[test]
fn a_plugin_gets_the_environment_without_what_is_ours() {
    let mut world = world();
    world
        .env("SEAWORTHY_PASSWORD", "x")
        .env("COSIGN_PASSWORD", "x")
        .env("SEAWORTHY_REGISTRY_TOKEN", "x")
        .env("VAULT_TOKEN", "x")
        .env("DRAWER_MISBEHAVES", "tell");
    world.run("public-key --key drawer://key").expect(5).says("VAULT_TOKEN").never_says("PASSWORD");
}

#[test]
fn plugins_that_are_not_there_and_keys_that_are_nowhere() {
    let mut world = World::new();
    world.image("harbor", "img");
    world.run("sign --key vault://key oci:img").expect(5).says("no program sigstore-kms-vault in the PATH");
    world.run("sign --key awskms:///alias/key oci:img").expect(5).says("cosign has awskms built in");
    world.run("sign --key k8s://ns/key oci:img").expect(2).says("keys are not fetched from there");
    world.run("verify --key vault:// oci:img").expect(2).says("it names no key of the plugin's");
    world.drawer();
    world.run("sign --key drawer://none oci:img").expect(5).says("there is no key none in this drawer");
    world.run("keygen --kms drawer://key --kms-algorithm dsa").expect(2).says("it makes p256, p384");
    world.run("keygen --kms key.pem").expect(2).says("names no plugin");
    world.run("keygen --kms drawer://key --output-key-prefix a").expect(0);
    world.run("keygen --kms drawer://key --output-key-prefix a").expect(2).says("a.pub is there already");
    world.run("keygen --kms drawer://key --output-key-prefix b").expect(5).says("in this drawer already");
    assert!(!world.path("b.pub").exists());
    world.run("import-key-pair --key drawer://key").expect(2).says("it stays where it is");
}

#[test]
fn offline_no_plugin_is_run() {
    let world = world();
    world.image("harbor", "img");
    for command in ["sign", "verify", "tree"] {
        world
            .run(&format!("--offline {command} --key drawer://key oci:img"))
            .expect(2)
            .says("nobody can say what sigstore-kms-drawer opens");
    }
    world.run("--offline keygen --kms drawer://new").expect(2);
    assert!(!world.path("drawer/new.key").exists());
}

#[test]
fn a_key_in_a_variable_signs_and_verifies() {
    let mut world = World::new();
    world.image("harbor", "img");
    let read =
        |name: &str| std::fs::read_to_string(super::world::root().join("testdata/keys").join(name)).unwrap();
    world.env("SIGNING_KEY", &read("demo.key")).env("VERIFYING_KEY", &read("demo.pub"));
    world.run("sign --key env://SIGNING_KEY oci:img").expect(0);
    world.run("verify --key env://VERIFYING_KEY oci:img").expect(0);
    world.run("verify --key testdata/keys/demo.pub oci:img").expect(0);
    world.run("sign --key env://NOTHING oci:img").expect(5).says("it is not set");
    world.run("verify --key env://SIGNING_KEY oci:img").expect(5);
}

/// An authority whose keys are all with the plugin, in `authority`; what serves it, and its URL.
fn authority(world: &mut World) -> (super::world::Started, seaworthy_tests::door::Door, String) {
    let frame = Frame::new();
    let url = format!("http://{}", frame.address());
    world.run(&format!("authority init --dir authority --url {url} --kms drawer://sigstore")).expect(0);
    let mut served = world.start("authority serve --dir authority --listen 127.0.0.1:0");
    let line = served.wait_for(" answers on ");
    let behind = line.rsplit(' ').next().unwrap().parse().unwrap();
    (served, frame.open(behind, |_, _| None), url)
}

#[test]
fn an_authority_whose_keys_are_with_a_plugin_signs_and_what_it_signed_verifies() {
    let mut world = World::new();
    world.drawer();
    let (served, _door, url) = authority(&mut world);
    for name in ["root", "issuer", "timestamp", "log", "ct", "tokens"] {
        assert!(!world.path(&format!("authority/keys/{name}.key")).exists(), "no key is in a file of ours");
        let line = std::fs::read_to_string(world.path(&format!("authority/keys/{name}.kms"))).unwrap();
        assert_eq!(line, format!("drawer://sigstore-{name}\n"));
        assert!(world.path(&format!("drawer/sigstore-{name}.key")).exists());
    }
    // The root's key is for init: serve does without it.
    std::fs::rename(world.path("drawer/sigstore-root.key"), world.path("elsewhere")).unwrap();

    let token = world.run("authority token --dir authority --subject ci@example.com").expect(0).stdout;
    std::fs::write(world.path("token"), token.trim()).unwrap();
    let trust = "--trust-config authority/client_trust_config.json";
    world
        .run(&format!("release oci:testdata/images/harbor --to oci:out {trust} --identity-token token"))
        .expect(0)
        .says("released");
    let verify = |who: &str| {
        world.run(&format!(
            "verify oci:out --type spdx --trusted-root authority/trusted_root.json --certificate-identity {who} \
             --certificate-oidc-issuer {url}"
        ))
    };
    verify("ci@example.com").expect(0);
    verify("eve@example.com").expect(1);

    // And a key behind the plugin, witnessed by the authority behind the plugin.
    world.run("keygen --kms drawer://own --output-key-prefix own").expect(0);
    world.image("harbor", "img");
    world.run(&format!("sign --key drawer://own {trust} oci:img")).expect(0);
    world.run("verify --key own.pub oci:img").expect(0);
    drop(served);

    // New keys come from the plugin, too, under names of their own; what was signed stays good.
    let before = std::fs::read_dir(world.path("drawer")).unwrap().count();
    std::fs::rename(world.path("elsewhere"), world.path("drawer/sigstore-root.key")).unwrap();
    world.run("authority rotate --dir authority log issuer").expect(0);
    assert_eq!(std::fs::read_dir(world.path("drawer")).unwrap().count(), before + 3);
    let line = std::fs::read_to_string(world.path("authority/keys/log.kms")).unwrap();
    assert!(
        line.starts_with("drawer://sigstore-log-") && !world.path("authority/keys/log.key").exists(),
        "{line}"
    );
    verify("ci@example.com").expect(0);

    // A key that is another one is noticed before anything is signed with it.
    let log = line.trim().trim_start_matches("drawer://");
    std::fs::remove_file(world.path(&format!("drawer/{log}.key"))).unwrap();
    world.run(&format!("keygen --kms drawer://{log} --output-key-prefix other")).expect(0);
    world
        .run("authority serve --dir authority --listen 127.0.0.1:0")
        .expect(4)
        .says("the stored checkpoint is not signed by this log's key");
}

#[test]
fn an_authority_is_not_made_with_keys_that_it_cannot_use() {
    let mut world = World::new();
    world.drawer();
    let init = "authority init --dir authority --url http://127.0.0.1:8400";
    world
        .run(&format!("{init} --kms drawer://a --kms-algorithm p384"))
        .expect(2)
        .says("the authority's key root is ecdsa-p384, and it has to be ecdsa-p256");
    world
        .run(&format!("{init} --kms drawer://b --kms-existing"))
        .expect(5)
        .says("no key b-root in this drawer");
    world.run(&format!("{init} --kms vault://b")).expect(5).says("no program sigstore-kms-vault");
    world.run(&format!("{init} --kms keys")).expect(2).says("names no plugin");
    world.run(&format!("--offline {init} --kms drawer://b")).expect(2);
    world.env("DRAWER_MISBEHAVES", "wrong-signature");
    world.run(&format!("{init} --kms drawer://c")).expect(5).says("does not verify with the public key");
    assert!(!world.path("authority").exists(), "whole or not at all");
}
