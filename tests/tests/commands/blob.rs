//! Files: signed, attested, verified; every vector; what cosign wrote with each kind of key.

use crate::world::{World, root};
use std::path::PathBuf;

const KINDS: [&str; 5] = ["p384", "p521", "rsa2048", "rsa3072", "rsa4096"];

fn vectors() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root().join("testdata/verify-blob"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_dir())
        .collect();
    found.sort();
    assert!(found.len() >= 45, "the vectors are there: {}", found.len());
    found
}

/// The arguments of a case, with the files in its folder under their paths.
fn arguments(case: &std::path::Path) -> String {
    let text = std::fs::read_to_string(case.join("arguments")).unwrap();
    let shown: Vec<String> = text
        .lines()
        .map(|line| match case.join(line) {
            file if file.is_file() => file.display().to_string(),
            _ => line.to_owned(),
        })
        .collect();
    format!("--bundle {} {}", case.join("bundle.sigstore.json").display(), shown.join(" "))
}

#[test]
fn every_vector_comes_out_as_it_says() {
    let world = World::new();
    for case in vectors() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let expect = std::fs::read_to_string(case.join("expect")).unwrap().trim().to_owned();
        assert_eq!(expect == "yes", name.starts_with("good-"), "{name}");
        let ran = world.run(&format!("--output json verify-blob {}", arguments(&case)));
        let verdict = ran.json();
        if expect == "yes" {
            assert_eq!((ran.code, &verdict["decision"]), (0, &"allow".into()), "{}", ran.transcript());
            assert!(verdict["signer"]["id"].is_string() && verdict["refusals"] == serde_json::json!([]));
        } else {
            assert_eq!((ran.code, &verdict["decision"]), (1, &"deny".into()), "{}", ran.transcript());
            assert_eq!(verdict["refusals"][0]["code"], expect.as_str(), "{name}: {}", ran.transcript());
            assert!(verdict["signer"].is_null(), "{name}: nobody is named as the signer of a no");
        }
    }
}

/// The wrapper adds the root that the suite's protocol means: the same answers come out.
#[test]
fn the_conformance_wrapper_gives_the_same_answers() {
    let world = World::new();
    let wrapper = root().join("tests/conformance/seaworthy-conformance");
    let mut by_digest = 0;
    for case in vectors() {
        let ends_well = std::fs::read_to_string(case.join("expect")).unwrap().trim() == "yes";
        let words =
            arguments(&case).replace("--trusted-root staging", "").replace("--trusted-root public-good", "");
        let staging = if arguments(&case).contains("--trusted-root staging") { "--staging" } else { "" };
        let ran = world.shell(&format!("'{}' verify-bundle {staging} {words}", wrapper.display()));
        assert_eq!(ran.code == 0, ends_well, "{}", ran.transcript());
        // The suite asks each case a second time, by the file's digest.
        let (rest, file) = words.trim().rsplit_once(' ').unwrap();
        if let Ok(bytes) = std::fs::read(world.path(file)) {
            let digest = seaworthy_oci::Digest::sha256(&bytes);
            let ran =
                world.shell(&format!("'{}' verify-bundle {staging} {rest} {digest}", wrapper.display()));
            assert_eq!(ran.code == 0, ends_well, "{}", ran.transcript());
            by_digest += 1;
        }
    }
    assert!(by_digest > 0, "no vector has its file");
    world.shell(&format!("'{}' sign x", wrapper.display())).expect(2);
}

#[test]
fn every_kind_of_key_signs_and_attests_files() {
    let mut world = World::new();
    world.env("SEAWORTHY_PASSWORD", "");
    std::fs::write(world.path("file"), "ahoy\n").unwrap();
    std::fs::write(world.path("other"), "ahoj\n").unwrap();
    std::fs::write(world.path("p.json"), r#"{"a":1}"#).unwrap();
    let digest = "sha256:b57fd7b9d06ad5c2e7a4ea0a6af3c0d7d0ae6ef8c8d5e2b7d1a7a4dd8f6b3a55";
    for kind in ["p256", "p384", "p521", "rsa-2048", "ed25519"] {
        world.run(&format!("keygen --type {kind} --output-key-prefix {kind}")).expect(0);
        let made = world.run(&format!("--output json sign-blob --key {kind}.key --bundle {kind}.json file"));
        let real = made.expect(0).json()["digest"].as_str().unwrap().to_owned();
        assert_ne!(real, digest);
        world.run(&format!("attest-blob --key {kind}.key --type https://example.com/t --predicate p.json --bundle {kind}.att.json file")).expect(0);
        for bundle in [format!("{kind}.json"), format!("{kind}.att.json")] {
            let verify = format!("verify-blob --offline --key {kind}.pub --bundle {bundle}");
            world.run(&format!("{verify} file")).expect(0).says("verified");
            world.run(&format!("{verify} other")).expect(1).says("subject-mismatch");
            world.run(&format!("{verify} no-such-file")).expect(5);
            world
                .run(&format!("verify-blob --key testdata/keys/other.pub --bundle {bundle} file"))
                .expect(1)
                .says("unknown-signer");
            // No log holds it, and with a trusted root one is asked for.
            world
                .run(&format!("{verify} --trusted-root public-good file"))
                .expect(1)
                .says("log-entry-missing");
            // By the digest alone: a statement always, a signature where the key signs SHA-256.
            let by_digest = world.run(&format!("{verify} {real}"));
            match (bundle.contains("att"), kind) {
                (true, _) | (false, "p256" | "rsa-2048") => by_digest.expect(0),
                _ => by_digest.expect(2).says("give the file"),
            };
        }
    }
    // Standard output carries the bundle where no file is named.
    let out = world.run("sign-blob --key p256.key file").expect(0);
    assert_eq!(out.json()["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    world.run("verify-blob --bundle p256.json file").expect(2).says("nobody is trusted");
    world.run("verify-blob --key p256.pub --bundle p256.json --trusted-root nowhere file").expect(5);
}

#[test]
fn what_cosign_wrote_with_each_kind_of_key() {
    let world = World::new();
    let dir = "testdata/interop/cosign-3-keys";
    for kind in KINDS {
        for bundle in ["bundle", "attestation"] {
            let verify = format!("verify-blob --bundle {dir}/{kind}.{bundle}.json");
            world.run(&format!("{verify} --key {dir}/{kind}.pub {dir}/file.txt")).expect(0);
            world
                .run(&format!("{verify} --key {dir}/{kind}.pub {dir}/comment"))
                .expect(1)
                .says("subject-mismatch");
            world.run(&format!("{verify} --key testdata/keys/demo.pub {dir}/file.txt")).expect(1);
        }
        // cosign's key file signs here, and a shortened signature does not verify.
        let mut world = World::new();
        world.env("COSIGN_PASSWORD", "");
        world.run(&format!("sign-blob --key {dir}/{kind}.key --bundle ours.json {dir}/file.txt")).expect(0);
        world.run(&format!("verify-blob --key {dir}/{kind}.pub --bundle ours.json {dir}/file.txt")).expect(0);
    }
}

/// An identity is verified by the root that comes with the program where none is named.
#[test]
fn the_embedded_root_serves_images_too() {
    let world = World::new();
    let ran = world.run(
        "verify --offline --certificate-identity a@example.com --certificate-oidc-issuer https://issuer.example oci:testdata/images/harbor",
    );
    ran.expect(1).says("signature-missing");
}

/// The suite means "no log is wanted" where it verifies with a key by a root without logs. We say it, and guess nothing:
/// a root that lost its logs must not make the program lenient.
#[test]
fn the_wrapper_and_roots_without_logs() {
    let mut world = World::new();
    world.env("SEAWORTHY_PASSWORD", "");
    let wrapper = root().join("tests/conformance/seaworthy-conformance");
    std::fs::write(world.path("file"), "ahoy\n").unwrap();
    let empty = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
    std::fs::write(world.path("empty.json"), empty).unwrap();
    world.run("keygen --output-key-prefix k").expect(0);
    world.run("sign-blob --key k.key --bundle k.json file").expect(0);
    let wrapped = |words: &str| world.shell(&format!("'{}' verify-bundle {words}", wrapper.display()));
    wrapped("--bundle k.json --key k.pub --trusted-root empty.json file").expect(0);
    wrapped("--bundle k.json --key k.pub file").expect(1);
    wrapped("--bundle k.json --key testdata/keys/other.pub --trusted-root empty.json file").expect(1);
    wrapped("--bundle k.json --key k.pub --certificate-identity a --certificate-oidc-issuer b file")
        .expect(2);
    wrapped("--bundle k.json --certificate-identity a@b.example --certificate-oidc-issuer https://i file")
        .expect(1);
    // Our own words for it.
    let verify = "verify-blob --bundle k.json --key k.pub";
    world.run(&format!("{verify} --trusted-root empty.json file")).expect(2).says("nobody could meet it");
    world.run(&format!("{verify} --transparency none file")).expect(0);
    world.run(&format!("{verify} --transparency required file")).expect(2).says("without a trusted root");
    world
        .run(&format!("{verify} --trusted-root public-good --transparency none file"))
        .expect(2)
        .says("no effect");
    let stamped = format!("{verify} --trusted-root public-good --transparency none --timestamp required");
    world.run(&format!("{stamped} file")).expect(1).says("timestamp-missing");
    world.run(&format!("{verify} --transparency 3-of-2 file")).expect(2).says("3 of 2 can never be met");
}

/// What is wrong with who is asked for is said before anything is read, for files and for images.
#[test]
fn identities_that_are_nobody_or_anybody() {
    let world = World::new();
    for command in ["verify-blob --bundle nowhere file", "verify oci:nowhere"] {
        let ask = |words: &str| world.run(&format!("{command} {words}")).expect(2);
        let issuer = "--certificate-oidc-issuer https://i.example";
        ask(&format!("{issuer} --certificate-identity-regexp .*")).says("leaves open whose identity");
        ask(&format!("{issuer} --certificate-identity-regexp your.name@gmail.*")).says("leaves open");
        ask(&format!("{issuer} --certificate-identity-regexp https://a.example/("))
            .says("not a regular expression");
        ask(&format!("{issuer} --certificate-identity a*b")).says("can never match");
        ask("--certificate-identity a@b.example").says("by whose word");
        ask(issuer).says("whose certificate");
        ask("--certificate-github-workflow-ref refs/heads/main").says("whose certificate");
        ask(&format!("{issuer} --certificate-identity a --certificate-identity-regexp b"))
            .says("cannot be used with");
        ask(&format!("{issuer} --certificate-identity a --key k.pub")).says("cannot be used with");
        let none = "--certificate-identity a@b.example --transparency none --timestamp none";
        ask(&format!("{issuer} {none}")).says("nothing would prove when");
    }
    let policy = "verify --policy testdata/policies/demo.yaml oci:testdata/images/harbor";
    world.run(&format!("{policy} --transparency none")).expect(2).says("no effect beside --policy");
}
