//! What comes in that would not have otherwise: by a signed token, by an old verdict while the registry is down, and
//! with the credentials of a Pod.

use crate::api::FakeApi;
use crate::keys::Key;
use crate::world::{Outcome, World, create, pod, policy, review};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use seaworthy_tests::registry::{Auth, Fault, Lab};
use seaworthy_verifier::PublicKey;
use seaworthy_verifier::admission::{RegistryDown, Reviewed, Way};
use seaworthy_verifier::break_glass::{ANNOTATION, Glass, LIFE, PAYLOAD_TYPE, Permit};
use seaworthy_verifier::cluster::secrets::PullSecrets;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn signed(lab: &Lab) -> String {
    policy("signed", "enforce", &format!("{}/**", lab.host()), "release")
}

fn denied(reviewed: &Reviewed, why: &str) {
    let message = reviewed.answer.message();
    assert_eq!(reviewed.answer.outcome, Outcome::Denied, "{message}");
    assert!(message.contains(why), "{message}");
}

// ---- tokens -------------------------------------------------------------------------------------------------------

const BREAKER: u8 = 21;

fn glass_world() -> World {
    World::with(signed, |options| {
        let key = PublicKey::from_pem(&Key::new(BREAKER).pem()).unwrap();
        options.glass = Some(Glass::new("harbour", vec![key]).unwrap());
    })
}

fn permit(digest: &str) -> Permit {
    let now = Timestamp::now();
    Permit {
        cluster: "harbour".into(),
        namespace: "team".into(),
        digest: digest.into(),
        not_before: now,
        expires: now + SignedDuration::from_hours(1),
        reason: "the signer is down, ticket 7".into(),
    }
}

fn token(key: u8, payload_type: &str, permit: &Permit) -> String {
    let payload = permit.payload();
    let message =
        [format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).as_bytes(), &payload[..]]
            .concat();
    Permit::token(&payload, &Key::new(key).sign(&message))
}

fn with_token(image: &str, token: &str) -> Value {
    let mut object = pod(&[image]);
    object["metadata"]["annotations"] = json!({ ANNOTATION: token });
    create(&object)
}

#[test]
fn a_good_token_lets_in_one_digest_and_says_so_everywhere() {
    let world = glass_world();
    let image = world.unsigned("app", "1");
    let digest = world.ask(&create(&pod(&[&image]))).answer.images[0].digest.clone().unwrap();
    let good = token(BREAKER, PAYLOAD_TYPE, &permit(&digest));
    let let_in = world.ask(&with_token(&image, &good));
    let answer = &let_in.answer.images[0];
    assert_eq!(
        (answer.outcome, answer.way, answer.would_deny),
        (Outcome::Allowed, Some(Way::BreakGlass), true)
    );
    let body: Value = serde_json::from_slice(&let_in.body).unwrap();
    assert!(body["response"]["warnings"][0].as_str().unwrap().contains("ticket 7"), "{body}");
    let told = body["response"]["auditAnnotations"]["break-glass"].as_str().unwrap();
    assert!(told.contains("signature-missing") && told.contains("sha256:"), "{told}");
    // In a template, where the controller copies it to the Pods from.
    let mut template = pod(&[&image]);
    template["kind"] = "Deployment".into();
    let spec = template["spec"].take();
    template["spec"] =
        json!({ "template": { "metadata": { "annotations": { ANNOTATION: good } }, "spec": spec } });
    assert_eq!(
        world.ask(&review("CREATE", "apps", &template, &Value::Null)).answer.outcome,
        Outcome::Allowed
    );
    // Pinned, so that what runs is what the token is for.
    let pinned: Value = serde_json::from_slice(&world.mutate(&with_token(&image, &good)).body).unwrap();
    let patch = STANDARD.decode(pinned["response"]["patch"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8(patch).unwrap().contains(&digest));
    // The next image is another digest.
    world.image("app", "1", "evil");
    denied(&world.ask(&with_token(&image, &good)), "it is for digest");
}

#[test]
fn forged_expired_and_foreign_tokens_are_refused_with_their_reason() {
    let world = glass_world();
    let image = world.unsigned("app", "1");
    let digest = world.ask(&create(&pod(&[&image]))).answer.images[0].digest.clone().unwrap();
    let now = Timestamp::now();
    let hour = SignedDuration::from_hours(1);
    let with = |change: &dyn Fn(&mut Permit)| {
        let mut permit = permit(&digest);
        change(&mut permit);
        token(BREAKER, PAYLOAD_TYPE, &permit)
    };
    let good = with(&|_| {});
    let (head, signature) = good.rsplit_once('.').unwrap();
    let other = with(&|p| p.namespace = "other".into());
    let other_head = other.rsplit_once('.').unwrap().0;
    for (token, why) in [
        ("yes please".to_owned(), "it is no break-glass token"),
        ("x".repeat(5_000), "it is no break-glass token"),
        (format!("{head}."), "signed by none of the keys"),
        (format!("{other_head}.{signature}"), "signed by none of the keys"),
        (token(7, PAYLOAD_TYPE, &permit(&digest)), "signed by none of the keys"),
        (token(BREAKER, "application/vnd.in-toto+json", &permit(&digest)), "signed by none of the keys"),
        (other, "it is for namespace other"),
        (with(&|p| p.cluster = "elsewhere".into()), "it is for cluster elsewhere"),
        (with(&|p| p.digest = format!("sha256:{}", "0".repeat(64))), "it is for digest"),
        (with(&|p| (p.not_before, p.expires) = (now - hour, now - hour / 2)), "it has expired"),
        (with(&|p| (p.not_before, p.expires) = (now + hour, now + hour * 2)), "it is valid from"),
        (with(&|p| p.expires = p.not_before + LIFE + SignedDuration::from_secs(1)), "more than 24 hours"),
        (with(&|p| p.expires = p.not_before), "it has expired"),
        ([good.as_str(); 9].join(","), "more than 8"),
    ] {
        // Of the nine, the first would do; that many are refused before any is read.
        let tokens = if why == "more than 8" {
            (0..9).map(|n| with(&|p| p.reason = n.to_string())).collect::<Vec<_>>().join(",")
        } else {
            token
        };
        let reviewed = world.ask(&with_token(&image, &tokens));
        denied(&reviewed, "signature-missing");
        denied(&reviewed, why);
    }
    // An object of the cluster itself is in no namespace, and a webhook without a key takes no token.
    let mut review = with_token(&image, &good);
    review["request"]["namespace"] = "".into();
    denied(&world.ask(&review), "it is for namespace");
    let without = World::new();
    let image = without.unsigned("app", "1");
    denied(&without.ask(&with_token(&image, &good)), "signature-missing");
}

#[test]
fn a_token_helps_where_nothing_can_be_found_out_if_the_digest_is_written() {
    let world = glass_world();
    let image = world.unsigned("app", "1");
    let digest = world.ask(&create(&pod(&[&image]))).answer.images[0].digest.clone().unwrap();
    let good = token(BREAKER, PAYLOAD_TYPE, &permit(&digest));
    world.reload();
    world.lab.fault(Fault::on("", "").status(500));
    let by_tag = world.ask(&with_token(&image, &good));
    assert_eq!(by_tag.answer.outcome, Outcome::CouldNotFindOut);
    assert!(by_tag.answer.message().contains("name the image by digest"), "{}", by_tag.answer.message());
    let by_digest = world.ask(&with_token(&format!("{image}@{digest}"), &good));
    assert_eq!(by_digest.answer.outcome, Outcome::Allowed, "{}", by_digest.answer.message());
}

// ---- a registry that is down --------------------------------------------------------------------------------------

fn down_world(mode: RegistryDown) -> (World, String, String) {
    let world = World::with(signed, |options| {
        options.registry_down = mode;
        options.open.registry.tries = 1;
        // So that every review asks anew: what is tried here is not the ordinary memory.
        options.allowed_for = Duration::ZERO;
    });
    let image = world.signed("app", "1");
    let digest = world.ask(&create(&pod(&[&image]))).answer.images[0].digest.clone().unwrap();
    (world, image, digest)
}

#[test]
fn a_digest_that_was_allowed_comes_in_while_its_registry_is_down_and_a_tag_does_not() {
    let (world, image, digest) = down_world(RegistryDown::Remembered(Duration::from_secs(3600)));
    let pinned = create(&pod(&[&format!("{image}@{digest}")]));
    let unknown = world.unsigned("evil", "1");
    let evil = world.ask(&create(&pod(&[&unknown]))).answer.images[0].digest.clone().unwrap();
    for fault in [500, 429] {
        world.lab.fault(Fault::on("", "").status(fault));
        let let_in = world.ask(&pinned);
        assert_eq!(let_in.answer.outcome, Outcome::Allowed, "{}", let_in.answer.message());
        assert_eq!(let_in.answer.images[0].way, Some(Way::RegistryDown));
        let body: Value = serde_json::from_slice(&let_in.body).unwrap();
        assert!(body["response"]["warnings"][0].as_str().unwrap().contains("does not answer"), "{body}");
        assert!(body["response"]["auditAnnotations"]["registry-down"].is_string());
        // What the tag means now is what cannot be asked; what was denied, or never seen, stays out.
        for other in
            [image.clone(), format!("{unknown}@{evil}"), format!("{image}@sha256:{}", "0".repeat(64))]
        {
            let kept_out = world.ask(&create(&pod(&[&other])));
            assert_ne!(kept_out.answer.outcome, Outcome::Allowed, "{other}");
        }
        world.lab.heal();
    }
    // A registry that refuses us is not down, and new policies remember nothing.
    world.lab.fault(Fault::on("", "").status(403));
    assert_eq!(world.ask(&pinned).answer.outcome, Outcome::CouldNotFindOut);
    world.lab.heal();
    world.reload();
    world.lab.fault(Fault::on("", "").status(500));
    assert_eq!(world.ask(&pinned).answer.outcome, Outcome::CouldNotFindOut);
}

#[test]
fn by_default_and_after_its_time_an_old_verdict_counts_for_nothing() {
    for mode in [RegistryDown::Deny, RegistryDown::Remembered(Duration::ZERO)] {
        let (world, image, digest) = down_world(mode);
        world.lab.fault(Fault::on("", "").status(500));
        let kept_out = world.ask(&create(&pod(&[&format!("{image}@{digest}")])));
        assert_eq!(kept_out.answer.outcome, Outcome::CouldNotFindOut, "{mode:?}");
    }
}

// ---- pull secrets -------------------------------------------------------------------------------------------------

fn config(host: &str, user: &str) -> Value {
    let auth = STANDARD.encode(format!("{user}:pw"));
    let text = json!({ "auths": { host: { "auth": auth } }, "credsStore": "evil" }).to_string();
    json!({ "type": "kubernetes.io/dockerconfigjson", "data": { ".dockerconfigjson": STANDARD.encode(text) } })
}

/// A registry that lets `u` alone in, and an API server.
fn private() -> (World, FakeApi) {
    let lab = Lab::builder().auth(Auth::basic("u", "pw")).start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let api = FakeApi::start(&runtime);
    let secrets = Arc::new(PullSecrets::new(api.api()));
    let world = World::on(lab, runtime, signed, |options| options.pull_secrets = Some(secrets.clone()));
    (world, api)
}

fn pulling(image: &str, namespace: &str, secrets: &[&str], account: Option<&str>) -> Value {
    let mut object = pod(&[image]);
    object["spec"]["imagePullSecrets"] = secrets.iter().map(|s| json!({ "name": s })).collect();
    if let Some(account) = account {
        object["spec"]["serviceAccountName"] = account.into();
    }
    let mut review = create(&object);
    review["request"]["namespace"] = namespace.into();
    review
}

#[test]
fn a_pull_secret_is_used_for_the_host_that_it_names_and_shared_with_nobody() {
    let (world, api) = private();
    let host = world.lab.host();
    let image = world.signed("app", "1");
    api.object("/api/v1/namespaces/team/secrets/good", config(&host, "u"));
    api.object("/api/v1/namespaces/team/secrets/wrong", config(&host, "v"));
    api.object("/api/v1/namespaces/team/secrets/elsewhere", config("registry.example", "u"));
    api.object(
        "/api/v1/namespaces/team/secrets/opaque",
        json!({ "type": "Opaque", "data": { "x": "eA==" } }),
    );
    api.object(
        "/api/v1/namespaces/team/serviceaccounts/runner",
        json!({ "imagePullSecrets": [{ "name": "good" }] }),
    );
    let ask = |namespace: &str, secrets: &[&str], account| {
        world.ask(&pulling(&image, namespace, secrets, account)).answer.outcome
    };
    let out = Outcome::CouldNotFindOut;
    assert_eq!(ask("team", &[], None), out, "no credentials at all");
    assert_eq!(ask("team", &["good"], None), Outcome::Allowed);
    // The connection that was good is another's; each of these has to stand by itself.
    assert_eq!(ask("team", &["wrong"], None), out);
    assert_eq!(ask("team", &["elsewhere"], None), out);
    assert_eq!(ask("team", &["opaque", "not-there", "../../../x"], None), out);
    assert_eq!(ask("other", &["good"], None), out, "a secret of another namespace is not there");
    assert_eq!(ask("team", &[], Some("runner")), Outcome::Allowed, "by its service account");
    assert_eq!(ask("team", &["elsewhere"], Some("runner")), out, "the Pod names its own");
    let sent: Vec<String> = world
        .lab
        .requests()
        .iter()
        .filter_map(|r| r.header("authorization").map(str::to_owned))
        .filter(|a| a.starts_with("Basic"))
        .collect();
    assert!(sent.iter().any(|a| a.ends_with(&STANDARD.encode("u:pw"))), "{sent:?}");
}

#[test]
fn a_secret_that_cannot_be_read_is_a_doubt_and_not_an_unsigned_image() {
    let (world, api) = private();
    let image = world.signed("app", "1");
    let host = world.lab.host();
    api.object("/api/v1/namespaces/team/secrets/good", config(&host, "u"));
    let mut broken = config(&host, "u");
    broken["data"][".dockerconfigjson"] = STANDARD.encode("{\"auths\": \"hunter2\"}").into();
    api.object("/api/v1/namespaces/team/secrets/broken", broken);
    let said = world.ask(&pulling(&image, "team", &["broken"], None));
    assert_eq!(said.answer.outcome, Outcome::CouldNotFindOut);
    let message = said.answer.message();
    assert!(message.contains("pull secrets") && !message.contains("hunter2"), "{message}");
    let names: Vec<String> = (0..17).map(|n| format!("s{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let many = world.ask(&pulling(&image, "team", &names, None));
    assert!(many.answer.message().contains("PULL_SECRETS = 16"), "{}", many.answer.message());
    api.broken(true);
    let unknown = world.ask(&pulling(&image, "team", &["good"], None));
    assert!(unknown.answer.message().contains("etcd has no leader"), "{}", unknown.answer.message());
    assert_eq!(unknown.answer.outcome, Outcome::CouldNotFindOut);
}
