//! Policies that are objects of the cluster, before an API server on loopback.

use crate::api::FakeApi;
use crate::keys::Key;
use crate::world::{Outcome, World, create, pod, policy, review};
use seaworthy_verifier::admission::{Policies, Reviewed};
use seaworthy_verifier::cluster::objects::{OF_A_NAMESPACE, Objects};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const CLUSTER: &str = "/apis/seaworthy.dev/v1alpha1/clusterimagepolicies";
const NAMESPACED: &str = "/apis/seaworthy.dev/v1alpha1/imagepolicies";

struct Followed {
    world: World,
    api: FakeApi,
    objects: Arc<Objects>,
}

fn spec(images: &str, key: &Key) -> Value {
    json!({
        "images": [images], "authorities": [{ "name": "k", "keys": [{ "data": key.pem() }] }],
        "signatures": [{ "by": ["k"] }],
    })
}

fn object(name: &str, namespace: Option<&str>, spec: &Value) -> Value {
    let mut meta = json!({ "name": name, "generation": 1 });
    if let Some(namespace) = namespace {
        meta["namespace"] = namespace.into();
    }
    json!({ "metadata": meta, "spec": spec })
}

impl Followed {
    /// Before anything is known: both lists are there, and nobody asks for them yet.
    fn new() -> Self {
        let world = World::with(|_| policy("file", "enforce", "elsewhere.example/**", "release"), |_| {});
        let api = FakeApi::start(&world.runtime);
        for list in [CLUSTER, NAMESPACED] {
            api.put(list, object("x", None, &json!({})));
            api.remove(list, "/x");
        }
        let objects = Arc::new(Objects::default());
        let followed = Self { world, api, objects };
        followed.load();
        followed
    }

    fn follow(&self) {
        let (objects, api) = (Arc::clone(&self.objects), self.api.api());
        self.world.runtime.spawn(objects.follow(api, Arc::new(|_, _| {})));
    }

    fn load(&self) {
        let files = [self.world.dir.path().to_owned()];
        let policies = Policies::with_objects(&files, &self.objects, crate::keys::now()).unwrap();
        self.world.admission.replace_policies(policies);
    }

    /// Loads what is known until `reached`.
    fn until(&self, what: &str, reached: impl Fn(&Self) -> bool) {
        for _ in 0..1_000 {
            self.load();
            if reached(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("never: {what}");
    }

    fn ask(&self, image: &str, namespace: &str) -> Reviewed {
        let mut review = create(&pod(&[image]));
        review["request"]["namespace"] = namespace.into();
        self.world.ask(&review)
    }

    fn count(&self) -> usize {
        self.world.admission.policies().count()
    }
}

#[test]
fn c07_before_the_policies_are_known_nothing_comes_in_and_later_what_was_known_stays() {
    let f = Followed::new();
    let image = f.world.signed("app", "1");
    f.api.put(CLUSTER, object("signed", None, &spec(&format!("{}/**", f.world.lab.host()), &f.world.key)));
    f.api.broken(true);
    f.follow();
    f.until("a failure", |f| f.objects.standing(crate::keys::now()).failures > 1);
    let waiting = f.ask(&image, "team");
    assert_eq!(waiting.answer.outcome, Outcome::CouldNotFindOut);
    assert!(waiting.answer.message().contains("not known yet"), "{}", waiting.answer.message());
    assert_eq!(f.objects.standing(crate::keys::now()).age, None);
    f.api.broken(false);
    f.until("the policy is known", |f| f.ask(&image, "team").answer.outcome == Outcome::Allowed);
    // The API server goes away again, and takes the policy with it when it comes back.
    f.api.broken(true);
    let before = f.objects.standing(crate::keys::now()).failures;
    f.until("another failure", |f| f.objects.standing(crate::keys::now()).failures > before);
    assert_eq!(f.ask(&image, "team").answer.outcome, Outcome::Allowed);
    assert!(f.objects.standing("2099-01-01T00:00:00Z".parse().unwrap()).age.is_some_and(|age| age > 1_000));
    f.api.remove(CLUSTER, "/signed");
    f.api.broken(false);
    f.until("it is gone", |f| f.ask(&image, "team").answer.outcome == Outcome::Denied);
}

#[test]
fn a_policy_of_a_namespace_asks_for_more_there_and_nowhere_else() {
    let f = Followed::new();
    let (all, other) = (format!("{}/**", f.world.lab.host()), Key::new(9));
    let image = f.world.signed("app", "1");
    f.api.put(NAMESPACED, object("own", Some("team"), &spec("**", &other)));
    f.follow();
    f.until("it is known", |f| f.count() == 2);
    let alone = f.ask(&image, "team");
    assert!(alone.answer.message().contains("no-policy-matches"), "{}", alone.answer.message());
    f.api.put(CLUSTER, object("signed", None, &spec(&all, &f.world.key)));
    f.until("both are known", |f| f.count() == 3);
    let more = f.ask(&image, "team");
    assert_eq!(more.answer.outcome, Outcome::Denied);
    assert!(more.answer.message().contains("policy 'team/own'"), "{}", more.answer.message());
    assert_eq!(f.ask(&image, "else").answer.outcome, Outcome::Allowed);
}

#[test]
fn status_says_what_became_of_each_and_a_broken_one_is_never_met() {
    let f = Followed::new();
    let all = format!("{}/**", f.world.lab.host());
    let image = f.world.signed("app", "1");
    f.api.put(CLUSTER, object("signed", None, &spec(&all, &f.world.key)));
    let mut bad = spec("**", &f.world.key);
    bad["signatures"][0]["by"] = json!(["nobody"]);
    f.api.put(NAMESPACED, object("bad", Some("team"), &bad));
    f.follow();
    f.until("all are known", |f| f.count() == 3);
    f.until("both are told", |f| f.api.patches().len() == 2);
    let patches = f.api.patches();
    let of = |path: &str| {
        let (_, kind, body) = patches.iter().find(|(p, ..)| p == path).unwrap();
        assert_eq!(kind, "application/merge-patch+json");
        body["status"]["conditions"][0].clone()
    };
    let good = of(&format!("{CLUSTER}/signed/status"));
    assert_eq!(
        (&good["status"], &good["reason"], &good["observedGeneration"]),
        (&"True".into(), &"Accepted".into(), &1.into())
    );
    let refused = of("/apis/seaworthy.dev/v1alpha1/namespaces/team/imagepolicies/bad/status");
    assert_eq!((&refused["status"], &refused["reason"]), (&"False".into(), &"Refused".into()));
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("line ") && message.contains("there is no authority 'nobody'"), "{message}");
    let denied = f.ask(&image, "team");
    assert!(denied.answer.message().contains("policy-unreadable"), "{}", denied.answer.message());
    assert_eq!(f.ask(&image, "else").answer.outcome, Outcome::Allowed);
    assert_eq!(f.objects.standing(crate::keys::now()).refused, 1);
    // A status that says so already is not written again, and a good policy after a bad one is told.
    let mut mended = object("bad", Some("team"), &spec("**", &f.world.key));
    mended["metadata"]["generation"] = 2.into();
    mended["status"] = json!({ "conditions": [refused] });
    f.api.put(NAMESPACED, mended);
    f.until("it is mended", |f| f.ask(&image, "team").answer.outcome == Outcome::Allowed);
    f.until("it is told", |f| f.api.patches().len() >= 3);
    assert_eq!(f.api.patches()[2].2["status"]["conditions"][0]["status"], "True");
}

#[test]
fn a_namespace_full_of_policies_keeps_out_its_own_images() {
    let f = Followed::new();
    let all = format!("{}/**", f.world.lab.host());
    let image = f.world.signed("app", "1");
    f.api.put(CLUSTER, object("signed", None, &spec(&all, &f.world.key)));
    for n in 0..OF_A_NAMESPACE {
        f.api.put(NAMESPACED, object(&format!("p{n:03}"), Some("team"), &spec("**", &f.world.key)));
    }
    f.follow();
    f.until("all at the limit are known", |f| f.count() == 2 + OF_A_NAMESPACE);
    assert_eq!(f.ask(&image, "team").answer.outcome, Outcome::Allowed);
    f.api.put(NAMESPACED, object("one-more", Some("team"), &spec("**", &f.world.key)));
    f.until("one stands for all", |f| f.count() == 3);
    let denied = f.ask(&image, "team");
    assert!(denied.answer.message().contains("more than 32 policies"), "{}", denied.answer.message());
    assert_eq!(f.ask(&image, "else").answer.outcome, Outcome::Allowed);
}

#[test]
fn c06_an_object_cannot_take_the_name_of_a_policy_in_a_file() {
    let f = Followed::new();
    let image = f.world.signed("app", "1");
    f.api.put(CLUSTER, object("file", None, &spec("**", &f.world.key)));
    f.follow();
    f.until("it is told", |f| {
        f.api.patches().iter().any(|(.., body)| body.to_string().contains("another name"))
    });
    f.load();
    let denied = f.ask(&image, "team");
    assert_ne!(denied.answer.outcome, Outcome::Allowed, "{}", denied.answer.message());
}

#[test]
fn the_token_is_read_anew_for_each_request() {
    let f = Followed::new();
    f.api.token("old");
    let api = f.api.api();
    let get = || f.world.runtime.block_on(api.get("/x"));
    assert!(get().unwrap_err().text.contains("401"));
    f.api.token("the-token");
    assert!(get().unwrap_err().not_found);
}

#[test]
fn a_policy_that_cannot_be_used_is_refused_while_it_is_written() {
    let world = World::new();
    let written = |operation: &str, new: &Value, old: &Value| {
        let mut review = review(operation, "seaworthy.dev", new, old);
        review["request"]["kind"] =
            json!({ "group": "seaworthy.dev", "version": "v1alpha1", "kind": "ImagePolicy" });
        world.ask(&review)
    };
    let whole = |spec: Value| {
        let mut object = object("p", Some("team"), &spec);
        object["apiVersion"] = "seaworthy.dev/v1alpha1".into();
        object["kind"] = "ImagePolicy".into();
        object
    };
    let good = whole(spec("**", &world.key));
    let bad = whole(json!({ "images": ["**"] }));
    assert_eq!(written("CREATE", &good, &Value::Null).answer.outcome, Outcome::Allowed);
    let refused = written("UPDATE", &bad, &good);
    assert_eq!(refused.answer.outcome, Outcome::Denied);
    assert!(refused.answer.message().contains("requires nothing"), "{}", refused.answer.message());
    assert_eq!(written("UPDATE", &bad, &bad).answer.outcome, Outcome::Allowed, "its labels may change");
    assert_eq!(written("DELETE", &Value::Null, &bad).answer.outcome, Outcome::Allowed);
}
