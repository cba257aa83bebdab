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
    let issuer = std::fs::read_to_string(k.world.path("authority/signing_config.json")).unwrap();
    let issuer: serde_json::Value = serde_json::from_str(&issuer).unwrap();
    let issuer = issuer["caUrls"][0]["url"].as_str().unwrap().trim_end_matches('/').to_owned();
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
    k.world.run(&release(&to)).expect(3).never_says("released");
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
    k.world.run(&format!("sign oci:img {TRUST}")).expect(2).says("identity token");
    k.world.run(&format!("sign oci:img --offline {TRUST} --identity-token token")).expect(2);
    k.world.run(&format!("sign oci:img {TRUST} --identity-token token --signature-format legacy")).expect(2);
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
