//! Signing with an identity, against the authority of this project: how often who is asked, what becomes of
//! it when they do not answer, and that nothing is lost or done twice.

use super::services::{Door, FULCIO, REKOR, Services, TSA};
use super::world::World;
use seaworthy_tests::registry::{Fault, Lab, ReferrersApi};

const WHO: &str = "ci@example.com";
const TRUST: &str = "--trust-config authority/client_trust_config.json";

struct Keyless {
    world: World,
    services: Services,
}

impl Keyless {
    fn new() -> Self {
        let mut world = World::new();
        let services = Services::start(&mut world);
        let token = services.token(&world, WHO);
        std::fs::write(world.path("token"), &token).unwrap();
        world.scrub(&token, "[token]");
        Self { world, services }
    }

    fn counts(&self) -> (usize, usize, usize) {
        (self.services.count(FULCIO), self.services.count(REKOR), self.services.count(TSA))
    }

    fn kept(&self) -> usize {
        fn files(dir: &std::path::Path) -> usize {
            let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
            entries.map(|e| e.unwrap().path()).map(|p| if p.is_dir() { files(&p) } else { 1 }).sum()
        }
        files(&self.world.path("home/.local/state/seaworthy"))
    }
}

fn release(to: &str) -> String {
    format!("release oci:testdata/images/fleet --to {to} {TRUST} --identity-token token")
}

#[test]
fn a_release_of_an_index_takes_one_certificate_and_a_second_run_signs_nothing() {
    let k = Keyless::new();
    let first = k.world.run(&format!("{} --output json", release("oci:out"))).expect(0);
    let document = first.json();
    assert_eq!(document["plan"]["publicServices"], serde_json::json!([]));
    assert_eq!(document["verdict"]["decision"], "allow");
    let attached = document["attached"].as_array().unwrap().len();
    assert!(attached >= 5, "an SBOM and a signature for each platform, and one for the index");
    assert_eq!(k.counts(), (1, attached, attached));
    assert_eq!(k.kept(), 0);

    k.services.forget();
    let second = k.world.run(&format!("{} --output json", release("oci:out"))).expect(0).json();
    let changes: Vec<_> = second["attached"].as_array().unwrap().iter().map(|a| &a["change"]).collect();
    assert!(changes.iter().all(|c| *c == "already-there"), "{changes:?}");
    assert_eq!(k.counts(), (1, 0, 0));
}

#[test]
fn sign_and_attest_are_accepted_by_identity_and_by_no_other() {
    let k = Keyless::new();
    k.world.image("fleet", "img");
    k.world.run(&format!("sign oci:img --recursive {TRUST} --identity-token token")).expect(0);
    assert_eq!(k.services.count(FULCIO), 1);
    std::fs::write(k.world.path("p.json"), r#"{"built":true}"#).unwrap();
    k.world
        .run(&format!(
            "attest oci:img --type https://example.com/p --predicate p.json {TRUST} --identity-token token"
        ))
        .expect(0);
    let issuer = k.services.url.clone();
    let verify = |identity: &str| {
        k.world.run(&format!(
            "verify oci:img --trusted-root authority/trusted_root.json --certificate-identity {identity} \
             --certificate-oidc-issuer {issuer}"
        ))
    };
    verify(WHO).expect(0);
    verify("other@example.com").expect(1);
}

#[test]
fn troubles_of_a_service_that_pass_are_waited_out() {
    for path in [FULCIO, REKOR, TSA] {
        let k = Keyless::new();
        k.services.fault(path, Door::Status(429), 1);
        k.services.fault(path, Door::Status(500), 1);
        k.services.fault(path, Door::Reset, 1);
        k.services.fault(path, Door::Lost, 1);
        k.world.run(&release("oci:out")).expect(0).says("released");
        assert_eq!(k.kept(), 0, "{path}");
    }
}

#[test]
fn troubles_that_stay_end_in_3_and_the_next_run_completes_without_duplicates() {
    for path in [FULCIO, REKOR, TSA] {
        let k = Keyless::new();
        k.services.fault(path, Door::Status(503), 100_000);
        k.world.run(&release("oci:out")).expect(3).never_says("released");
        k.services.heal();
        let kept = k.kept();
        assert_eq!(kept, 0, "what was signed was pushed");
        let done = k.world.run(&format!("{} --resume --output json", release("oci:out"))).expect(0).json();
        assert_eq!(done["verdict"]["decision"], "allow", "{path}");
        let tree = k.world.run("tree oci:out --output json").expect(0).stdout;
        let again = k.world.run(&format!("{} -q", release("oci:out"))).expect(0);
        drop(again);
        assert_eq!(tree, k.world.run("tree oci:out --output json").expect(0).stdout);
    }
}

#[test]
fn what_a_registry_does_not_take_is_kept_and_pushed_by_the_next_run() {
    let k = Keyless::new();
    let lab = Lab::builder().referrers(ReferrersApi::Paged(50)).start();
    let to = format!("{}:1", lab.reference("team/harbor"));
    k.world.run(&release(&to)).expect(0);
    let whole = lab.requests_to("PUT", "/manifests/sha256:").len();

    let to = format!("{}:1", lab.reference("team/again"));
    // The images go through, and no evidence does.
    lab.fault(
        Fault::when(|r| {
            r.method == "PUT"
                && r.target.contains("/manifests/")
                && String::from_utf8_lossy(&r.body).contains("subject")
        })
        .status(503),
    );
    k.world.run(&release(&to)).expect(3).never_says("released").says("the same command with --resume");
    let kept = k.kept();
    assert!(kept > 0);
    lab.heal();
    k.services.forget();
    lab.forget_requests();
    k.world.run(&format!("{} --resume", release(&to))).expect(0).says(&format!("resume: {kept} signed"));
    assert_eq!(k.kept(), 0);
    // One certificate to know who we are, and no signature of what was kept.
    let (fulcio, rekor, tsa) = k.counts();
    assert_eq!(fulcio, 1);
    assert_eq!((rekor, tsa), (0, 0), "everything had been signed");
    assert!(whole > 0);
}

#[test]
fn kept_evidence_of_somebody_else_is_not_pushed() {
    let k = Keyless::new();
    let lab = Lab::builder().referrers(ReferrersApi::Paged(50)).start();
    let to = format!("{}:1", lab.reference("team/harbor"));
    lab.fault(
        Fault::when(|r| {
            r.method == "PUT"
                && r.target.contains("/manifests/")
                && String::from_utf8_lossy(&r.body).contains("subject")
        })
        .status(503),
    );
    k.world.run(&release(&to)).expect(3);
    lab.heal();
    let other = k.services.token(&k.world, "other@example.com");
    std::fs::write(k.world.path("token"), other).unwrap();
    let kept = k.kept();
    k.world.run(&release(&to)).expect(0).says("not by this signer");
    assert_eq!(k.kept(), kept);
}

#[test]
fn nothing_is_signed_by_default_and_nobody_is_told() {
    let k = Keyless::new();
    k.world.image("harbor", "img");
    k.world.run("sign oci:img --identity-token token").expect(2).says("--signing-config");
    k.world.run("sign oci:img").expect(2).says("--key");
    std::fs::write(k.world.path("file"), "ahoy\n").unwrap();
    k.world.run("sign-blob file --identity-token token").expect(2).says("--signing-config");
    k.world.run("sign-blob file").expect(2).says("--key");
    let config = "--signing-config authority/signing_config.json";
    k.world.run(&format!("sign oci:img {config} --identity-token token")).expect(2).says("trusted root");
    k.world.run(&format!("sign oci:img {TRUST}")).expect(2).says("identity token");
    k.world.run(&format!("sign oci:img --offline {TRUST} --identity-token token")).expect(2);
    k.world
        .run(&format!("sign oci:img {TRUST} --identity-token token --signature-format legacy"))
        .expect(2)
        .says("Rekor v1");
    k.world
        .run(&format!("sign oci:img {TRUST} --identity-token token --key testdata/keys/demo.key"))
        .expect(2);
    // Neither log nor time: nobody could verify it tomorrow.
    k.world.run("sign oci:img --fulcio-url https://127.0.0.1:1 --identity-token token").expect(2);
    // Not in plain HTTP over a wire.
    k.world
        .run("sign oci:img --fulcio-url http://fulcio.example --timestamp-server-url https://t.example --identity-token token")
        .expect(2)
        .says("plain HTTP");
    assert_eq!(k.counts(), (0, 0, 0));
}

#[test]
fn the_plan_names_public_services_and_a_dry_run_asks_nobody() {
    let k = Keyless::new();
    let plan = k
        .world
        .run(
            "release oci:testdata/images/fleet --to oci:out --dry-run --output json --identity-token token \
             --trusted-root authority/trusted_root.json --fulcio-url https://fulcio.sigstore.dev \
             --rekor-url https://rekor.sigstore.dev --timestamp-server-url https://tsa.internal.example/",
        )
        .expect(0)
        .json();
    assert_eq!(
        plan["plan"]["publicServices"],
        serde_json::json!(["fulcio.sigstore.dev", "rekor.sigstore.dev"])
    );
    assert_eq!(k.counts(), (0, 0, 0));
}

#[test]
fn a_token_that_is_over_is_refused_here_and_never_printed() {
    let k = Keyless::new();
    k.world.image("harbor", "img");
    let over = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsInN1YiI6InMiLCJleHAiOjEwMDB9.c2ln";
    k.world.run(&format!("sign oci:img {TRUST} --identity-token {over}")).expect(2).says("expired");
    assert_eq!(k.services.count(FULCIO), 0);
}

#[test]
fn a_key_with_witnesses_signs_the_same_way() {
    let k = Keyless::new();
    let run = format!("release oci:testdata/images/fleet --to oci:out --key testdata/keys/demo.key {TRUST}");
    k.world.run(&run).expect(0).says("released");
    let (fulcio, rekor, tsa) = k.counts();
    assert_eq!(fulcio, 0);
    assert!(rekor > 0 && rekor == tsa);
    k.services.forget();
    k.world.run(&run).expect(0);
    assert_eq!(k.counts(), (0, 0, 0));
}

/// A root that does not know the services: everybody would refuse what they make, so nobody gets it.
#[test]
fn what_the_trusted_root_does_not_accept_is_pushed_nowhere() {
    let k = Keyless::new();
    std::fs::write(k.world.path("p.json"), r#"{"built":true}"#).unwrap();
    std::fs::write(k.world.path("file"), "ahoy\n").unwrap();
    k.world.image("fleet", "img");
    let before = k.world.run("tree oci:img --output json").expect(0).stdout;
    let by = format!("{TRUST} --trusted-root public-good --identity-token token");
    for command in [
        format!("sign oci:img {by}"),
        format!("sign oci:img --recursive {by}"),
        format!("attest oci:img --type https://example.com/p --predicate p.json {by}"),
        format!("sign oci:img --key testdata/keys/demo.key {TRUST} --trusted-root public-good"),
        format!("sign-blob file --bundle file.json {by}"),
        format!("attest-blob file --type https://example.com/p --predicate p.json --bundle file.json {by}"),
    ] {
        k.world.run(&command).expect(1).says("goes nowhere");
        assert_eq!(k.kept(), 0);
    }
    k.world
        .run(&format!("release oci:testdata/images/fleet --to oci:img {by}"))
        .expect(1)
        .never_says("released");
    assert_eq!(before, k.world.run("tree oci:img --output json").expect(0).stdout);
    assert!(!k.world.path("file.json").exists());
}

#[test]
fn files_are_signed_and_attested_with_an_identity() {
    let k = Keyless::new();
    std::fs::write(k.world.path("file"), "ahoy\n").unwrap();
    std::fs::write(k.world.path("other"), "ahoj\n").unwrap();
    std::fs::write(k.world.path("p.json"), r#"{"a":1}"#).unwrap();
    let by = format!("{TRUST} --identity-token token");
    let signed = k.world.run(&format!("--output json sign-blob {by} --bundle file.json file")).expect(0);
    let document = signed.says("public services: none").json();
    assert!(document["signer"].as_str().unwrap().starts_with(WHO), "{document}");
    assert_eq!(document["publicServices"], serde_json::json!([]));
    k.world
        .run(&format!(
            "attest-blob {by} --type https://example.com/p --predicate p.json --bundle att.json file"
        ))
        .expect(0);
    assert_eq!(k.counts(), (2, 2, 2));
    let issuer = k.services.url.clone();
    for bundle in ["file.json", "att.json"] {
        let verify = |who: &str, file: &str| {
            k.world.run(&format!(
                "--offline verify-blob --bundle {bundle} --trusted-root authority/trusted_root.json \
                 --certificate-identity {who} --certificate-oidc-issuer {issuer} {file}"
            ))
        };
        verify(WHO, "file").expect(0);
        verify(WHO, "other").expect(1).says("subject-mismatch");
        verify("other@example.com", "file").expect(1).says("identity-mismatch");
    }
    // From standard input to standard output, and a statement that somebody else wrote.
    let piped = k.world.shell(&format!("cat file | seaworthy -q sign-blob {by} - > piped.json")).expect(0);
    drop(piped);
    let digest = document["digest"].as_str().unwrap().trim_start_matches("sha256:");
    let statement = format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"file","digest":{{"sha256":"{digest}"}}}}],"predicateType":"https://example.com/p","predicate":{{}}}}"#
    );
    std::fs::write(k.world.path("statement.json"), statement).unwrap();
    let wrapper = super::world::root().join("tests/conformance/seaworthy-conformance");
    let wrapper = wrapper.display();
    let given = "--trusted-root authority/trusted_root.json --signing-config authority/signing_config.json";
    k.world
        .shell(&format!(
            "set -e; '{wrapper}' sign-bundle --identity-token \"$(cat token)\" --bundle one.json {given} file\n\
             '{wrapper}' sign-bundle --in-toto --identity-token \"$(cat token)\" --bundle two.json {given} statement.json\n\
             for b in piped one two; do '{wrapper}' verify-bundle --bundle $b.json --certificate-identity {WHO} \
             --certificate-oidc-issuer {issuer} --trusted-root authority/trusted_root.json file; done"
        ))
        .expect(0);
    let two = std::fs::read_to_string(k.world.path("two.json")).unwrap();
    assert!(two.contains("dsseEnvelope"));
    for bad in ["[]", r#"{"subject":[{"digest":{"sha1":"aa"}}],"predicateType":"x"}"#] {
        std::fs::write(k.world.path("statement.json"), bad).unwrap();
        k.world.run(&format!("attest-blob {by} --statement statement.json")).expect(4);
    }
    k.world.run(&format!("attest-blob {by} --statement statement.json file")).expect(2);
}

/// A bundle that could not be written is not lost: the next run writes it and signs nothing.
#[test]
fn a_bundle_of_a_file_that_could_not_be_written_is_kept() {
    let k = Keyless::new();
    std::fs::write(k.world.path("file"), "ahoy\n").unwrap();
    std::fs::write(k.world.path("p.json"), r#"{"a":1}"#).unwrap();
    let by = format!("{TRUST} --identity-token token");
    for command in [
        format!("sign-blob {by} --bundle out/b.json file"),
        format!("attest-blob {by} --type https://example.com/p --predicate p.json --bundle out/b.json file"),
    ] {
        k.world.run(&command).expect(5).says("out/b.json");
        assert_eq!(k.kept(), 1);
        std::fs::create_dir(k.world.path("out")).unwrap();
        k.services.forget();
        k.world.run(&format!("{command} --resume")).expect(0).says("signed and not written");
        // One certificate to know who we are.
        assert_eq!(k.counts(), (1, 0, 0));
        assert_eq!(k.kept(), 0);
        k.world.run(&format!("{command} --resume")).expect(0).says("nothing was left over");
        std::fs::remove_dir_all(k.world.path("out")).unwrap();
    }
}
