//! A private PKI on the command line: roots, chains and revocation lists on disk (testdata/pki).

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
