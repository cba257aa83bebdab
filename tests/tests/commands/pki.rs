//! A private PKI on the command line: roots, chains and revocation lists on disk (testdata/pki).

use crate::services::{REKOR, Services, TSA};
use crate::world::{Ran, World};

const WHO: &str = "--certificate-identity release@example.org";

fn blob(world: &World, flags: &str) -> Ran {
    world.run(&format!(
        "--output json verify-blob --bundle testdata/pki/cosign.sigstore.json {flags} testdata/pki/blob"
    ))
}

#[test]
fn files_verify_by_roots_and_by_a_chain() {
    let world = World::new();
    let roots = "--ca-roots testdata/pki/root.pem --ca-intermediates testdata/pki/ca.pem";
    let ran = blob(&world, &format!("{roots} {WHO}")).expect(0);
    assert_eq!(ran.json()["signer"]["id"], "release@example.org (by certificate)");
    blob(&world, &format!("--certificate-chain testdata/pki/chain.pem {WHO}")).expect(0);
    blob(&world, &format!("--certificate-chain testdata/pki/chain.pem {WHO} --offline")).expect(0);
    let uri = "--certificate-identity https://ci.example.org/release";
    blob(&world, &format!("{roots} {uri}")).expect(0);
    let denied = |flags: &str, code: &str| {
        let ran = blob(&world, flags).expect(1);
        assert_eq!(ran.json()["refusals"][0]["code"], code, "{}", ran.transcript());
    };
    denied(&format!("--ca-roots testdata/pki/root.pem {WHO}"), "certificate-invalid");
    denied(&format!("{roots} --certificate-identity other@example.org"), "identity-mismatch");
    let issuer = "--certificate-oidc-issuer https://issuer.example";
    denied(&format!("{roots} {WHO} {issuer}"), "identity-mismatch");
}

#[test]
fn revocation_lists_say_no_or_nothing() {
    let world = World::new();
    let with =
        |lists: &str| blob(&world, &format!("--certificate-chain testdata/pki/chain.pem {WHO} {lists}"));
    with("--crl testdata/pki/root.crl --crl testdata/pki/ca.crl.der").expect(0);
    let ran = with("--crl testdata/pki/root.crl --crl testdata/pki/revoked.crl").expect(1);
    assert_eq!(ran.json()["refusals"][0]["code"], "certificate-revoked");
    let ran = ran.says("reason keyCompromise").says("2026-02-01");
    drop(ran);
    for lists in ["--crl testdata/pki/ca.crl", "--crl testdata/pki/root.crl --crl testdata/pki/expired.crl"] {
        with(lists).expect(3).says("whether the certificate");
    }
    let other = "--crl testdata/pki/root.pem";
    with(other).expect(5).says("CERTIFICATE");
}

#[test]
fn flags_that_mean_nothing_are_refused() {
    let world = World::new();
    let root = "--ca-roots testdata/pki/root.pem";
    blob(&world, root).expect(2).says("everybody whom they certify");
    blob(&world, &format!("{WHO} --crl testdata/pki/ca.crl --key testdata/keys/demo.pub")).expect(2);
    blob(&world, WHO).expect(2).says("by whose word");
    blob(&world, &format!("{root} --certificate-chain testdata/pki/chain.pem {WHO}")).expect(2);
    blob(&world, &format!("--ca-roots testdata/pki/release.pem {WHO}"))
        .expect(5)
        .says("no certificate authority");
    let image = "oci:testdata/images/harbor";
    world.run(&format!("verify {WHO} {image}")).expect(2).says("by whose word");
    world.run(&format!("verify {root} {image}")).expect(2).says("everybody whom they certify");
    world.run(&format!("verify {root} {WHO} {image}")).expect(1).says("signature-missing");
    world.run(&format!("verify {root} {WHO} --policy testdata/policies/demo.yaml {image}")).expect(2);
}

const CERTIFIED: &str = "--key testdata/pki/release.key --certificate testdata/pki/release.pem --certificate-chain testdata/pki/chain.pem";
const CHAIN: &str = "--certificate-chain testdata/pki/chain.pem";

#[test]
fn images_and_files_are_signed_with_a_certificate() {
    let world = World::new();
    world.image("harbor", "img");
    world.run(&format!("sign {CERTIFIED} oci:img")).expect(0).says("added");
    // A second run finds its own; the key alone is somebody else.
    world.run(&format!("sign {CERTIFIED} oci:img")).expect(0).says("present");
    world.run("sign --key testdata/pki/release.key oci:img").expect(0).says("added");
    std::fs::write(world.path("p.json"), r#"{"built":true}"#).unwrap();
    let attest = format!("attest {CERTIFIED} --type custom --predicate p.json oci:img");
    world.run(&attest).expect(0).says("added");
    let verify = format!("verify {CHAIN} {WHO} --type custom");
    let ran = world.run(&format!("--output json {verify} oci:img")).expect(0);
    let signer = &ran.json()["policies"][0]["subjects"][0]["requirements"][0]["signers"][0];
    assert_eq!(signer["id"], "release@example.org (by certificate)");
    let lists = "--crl testdata/pki/root.crl --crl testdata/pki";
    world.run(&format!("{verify} {lists}/ca.crl oci:img")).expect(0);
    world.run(&format!("{verify} {lists}/revoked.crl oci:img")).expect(1).says("keyCompromise");
    world.run(&format!("{verify} {lists}/expired.crl oci:img")).expect(3).says("out of date");
    std::fs::write(world.path("blob"), "shipped").unwrap();
    world.run(&format!("sign-blob {CERTIFIED} --bundle b.json blob")).expect(0);
    world.run(&format!("verify-blob --bundle b.json {CHAIN} {WHO} blob")).expect(0);
    let attest = format!("attest-blob {CERTIFIED} --predicate p.json --bundle a.json blob");
    world.run(&attest).expect(0);
    world.run(&format!("verify-blob --bundle a.json {CHAIN} {WHO} blob")).expect(0);
}

/// cosign's older form carries certificate and intermediates: the root is all that a verifier needs.
#[test]
fn the_older_form_carries_a_certificate_of_ones_own() {
    let world = World::new();
    world.image("harbor", "img");
    std::fs::write(world.path("p.json"), r#"{"built":true}"#).unwrap();
    let sign = format!("sign {CERTIFIED} --signature-format legacy oci:img");
    world.run(&sign).expect(0).says("added");
    world.run(&sign).expect(0).says("present");
    world
        .run(&format!(
            "attest {CERTIFIED} --signature-format legacy --type custom --predicate p.json oci:img"
        ))
        .expect(0);
    world.run(&format!("verify --ca-roots testdata/pki/root.pem {WHO} --type custom oci:img")).expect(0);
    world.run("verify --ca-roots testdata/pki/ca.pem --certificate-identity x@example.org oci:img").expect(1);
    let tree = format!("tree --ca-roots testdata/pki/root.pem {WHO} oci:img");
    world.run(&tree).expect(0).says("signed by release@example.org (by certificate)");
    // A list that is out of date: neither yes nor no.
    let lists = "--crl testdata/pki/root.crl --crl testdata/pki/expired.crl";
    world.run(&format!("{tree} {lists}")).expect(0).says("could not find out");
}

#[test]
fn a_release_with_a_certificate_reads_back_what_it_made() {
    let world = World::new();
    let release = "release oci:testdata/images/harbor --to oci:out";
    let ran = world.run(&format!("--output json {release} {CERTIFIED}")).expect(0);
    assert_eq!(ran.json()["verdict"]["decision"], "allow");
    world.run(&format!("verify {CHAIN} {WHO} oci:out")).expect(0);
}

#[test]
fn certificates_that_do_not_fit_are_refused_before_anything_is_signed() {
    let world = World::new();
    world.image("harbor", "img");
    let refused = |flags: &str, code: i32, words: &str| {
        world.run(&format!("sign {flags} oci:img")).expect(code).says(words);
    };
    let leaf = "--certificate testdata/pki/release.pem --certificate-chain testdata/pki";
    refused(&format!("--key testdata/keys/demo.key {leaf}/chain.pem"), 2, "not of the key");
    refused(&format!("--key testdata/pki/release.key {leaf}/root.pem"), 2, "none of the roots");
    refused("--certificate testdata/pki/release.pem", 2, "--key");
    refused(
        &format!("--key testdata/pki/release.key --certificate testdata/pki/root.crl {CHAIN}"),
        4,
        "certificate",
    );
    refused(
        "--key testdata/pki/release.key --certificate testdata/pki/release.pem",
        2,
        "--certificate-chain",
    );
    world.run(&format!("verify {CHAIN} {WHO} oci:img")).expect(1).says("signature-missing");
}

#[test]
fn what_was_signed_before_is_proven_by_log_and_timestamp() {
    let mut world = World::new();
    let services = Services::start(&mut world);
    world.image("harbor", "img");
    let trust = "--trust-config authority/client_trust_config.json";
    world.run(&format!("sign {CERTIFIED} {trust} oci:img")).expect(0);
    assert_eq!((services.count(REKOR), services.count(TSA)), (1, 1));
    let verify = |more: &str| world.run(&format!("verify {CHAIN} {WHO} {more} oci:img"));
    let root = "--trusted-root authority/trusted_root.json";
    verify(root).expect(0);
    verify("").expect(0);
    let lists = "--crl testdata/pki/root.crl --crl testdata/pki";
    // Superseded from 2049 on: who knows the time of signing knows that it was before.
    verify(&format!("{root} {lists}/superseded.crl")).expect(0);
    verify(&format!("{lists}/superseded.crl")).expect(1).says("superseded");
    verify(&format!("{root} {lists}/revoked.crl")).expect(1).says("keyCompromise");
    verify("--trusted-root public-good").expect(1);
    // Without a witness of that root, nobody knows when.
    world.image("harbor", "bare");
    world.run(&format!("sign {CERTIFIED} oci:bare")).expect(0);
    world.run(&format!("verify {CHAIN} {WHO} {root} oci:bare")).expect(1).says("timestamp-missing");
}

#[test]
fn every_kind_of_key_is_logged_and_timestamped() {
    let mut world = World::new();
    world.env("SEAWORTHY_PASSWORD", "");
    let services = Services::start(&mut world);
    let trust = "--trust-config authority/client_trust_config.json";
    for kind in ["p256", "p384", "p521", "rsa-2048", "rsa-3072", "rsa-4096", "ed25519"] {
        world.image("harbor", kind);
        world.run(&format!("keygen --type {kind} --output-key-prefix key-{kind}")).expect(0);
        services.forget();
        let sign = format!("sign --key key-{kind}.key {trust} oci:{kind}");
        world.run(&sign).expect(0).says("added");
        assert_eq!((services.count(REKOR), services.count(TSA)), (1, 1), "{kind}");
        world.run(&sign).expect(0).says("present");
        let policy = |name: &str, key: &str, log: &str| {
            let text = format!(
                "apiVersion: seaworthy.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {{name: {name}}}\nspec:\n  images: ['**']\n  authorities:\n  - name: key\n    keys:\n    - path: key-{key}.pub\n{log}  signatures:\n  - by: [key]\n"
            );
            std::fs::write(world.path(&format!("{name}.yaml")), text).unwrap();
            world.run(&format!("verify --policy {name}.yaml oci:{kind}"))
        };
        let log = |root: &str| format!("    transparencyLog: {{trustedRoot: {root}}}\n");
        policy("logged", kind, &log("authority/trusted_root.json")).expect(0);
        policy("unlogged", kind, "").expect(0);
        // Another log's root proves nothing, and a signature that nobody logged is not enough.
        let other = "testdata/policies/trusted_root.json";
        policy("other", kind, &log(other)).expect(1);
        world.image("harbor", &format!("{kind}-bare"));
        world.run(&format!("sign --key key-{kind}.key oci:{kind}-bare")).expect(0);
        world
            .run(&format!("verify --policy logged.yaml oci:{kind}-bare"))
            .expect(1)
            .says("log-entry-missing");
        world.run(&format!("verify --key key-{kind}.pub oci:{kind}-bare")).expect(0);
    }
}
