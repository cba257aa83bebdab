//! Keys behind a plugin: what they sign is what files sign, and a plugin that stalls, lies or babbles ends in
//! a refusal that says so, before anything is pushed.

use super::world::World;

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
