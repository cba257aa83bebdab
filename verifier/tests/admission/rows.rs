//! Rows of the adversarial table, against the webhook over a registry on loopback.

use crate::keys::Key;
use crate::world::{Outcome, World, create, pod, policy, review};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_tests::registry::Fault;
use seaworthy_verifier::admission::Reviewed;
use serde_json::{Value, json};
use std::time::Duration;

fn patch(reviewed: &Reviewed) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&reviewed.body).unwrap();
    let Some(text) = body["response"]["patch"].as_str() else { return Vec::new() };
    assert_eq!(body["response"]["patchType"], "JSONPatch");
    serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap()
}

fn denied(reviewed: &Reviewed, why: &str) {
    let message = reviewed.answer.message();
    assert_eq!(reviewed.answer.outcome, Outcome::Denied, "{message}");
    assert!(message.contains(why), "{message}");
}

fn allowed(reviewed: &Reviewed) {
    assert_eq!(reviewed.answer.outcome, Outcome::Allowed, "{}", reviewed.answer.message());
}

#[test]
fn a01_a_tag_that_moves_is_judged_anew() {
    let world = World::new();
    let image = world.signed("app", "1");
    let first = world.mutate(&create(&pod(&[&image])));
    allowed(&first);
    let judged = first.answer.images[0].digest.clone().unwrap();
    assert_eq!(patch(&first)[0]["value"], format!("{image}@{judged}"));
    allowed(&world.mutate(&create(&pod(&[&image]))));
    // The same tag, another image, while the verdict about the first is still remembered.
    world.image("app", "1", "evil");
    let second = world.mutate(&create(&pod(&[&image])));
    denied(&second, "signature-missing");
    assert_ne!(second.answer.images[0].digest, Some(judged.clone()));
    assert!(patch(&second).is_empty());
    // What was pinned is still what it was.
    let pinned = world.ask(&create(&pod(&[&format!("{image}@{judged}")])));
    allowed(&pinned);
    assert!(pinned.answer.images[0].remembered);
}

#[test]
fn a_remembered_verdict_costs_no_request_and_a_reload_forgets_it() {
    let world = World::new();
    let image = world.signed("app", "1");
    let digest = world.ask(&create(&pod(&[&image]))).answer.images[0].digest.clone().unwrap();
    world.lab.forget_requests();
    let by_digest = create(&pod(&[&format!("{image}@{digest}")]));
    allowed(&world.ask(&by_digest));
    assert!(world.lab.requests().is_empty());
    // The key in the file is another one now; the policy's own text is the same.
    let before = world.admission.policies().fingerprint().to_owned();
    std::fs::write(world.dir.path().join("release.pub"), Key::new(8).pem()).unwrap();
    world.reload();
    assert_ne!(world.admission.policies().fingerprint(), before);
    denied(&world.ask(&by_digest), "unknown-signer");
}

#[test]
fn c01_every_image_is_judged() {
    let world = World::with(
        |lab| {
            policy("watched", "audit", "elsewhere.example/**", "release")
                + "---\n"
                + &policy("signed", "enforce", &format!("{}/**", lab.host()), "release")
        },
        |_| {},
    );
    let (good, bad) = (world.signed("app", "1"), world.unsigned("evil", "1"));
    for images in [[good.as_str(), &bad], [bad.as_str(), &good]] {
        let reviewed = world.ask(&create(&pod(&images)));
        denied(&reviewed, "evil:1");
        assert!(!reviewed.answer.message().contains("app:1"));
    }
    // First one that no policy speaks about: that is a no, and the second is looked at all the same.
    let reviewed = world.ask(&create(&pod(&["third.example/x", &bad])));
    assert_eq!(reviewed.answer.images.iter().filter(|i| i.outcome == Outcome::Denied).count(), 2);
}

#[test]
fn c02_the_strictest_of_several_policies_applies() {
    for (first, second) in [("audit", "enforce"), ("enforce", "audit"), ("warn", "enforce")] {
        let world = World::with(
            |lab| {
                let all = format!("{}/**", lab.host());
                policy("a", first, &all, "release") + "---\n" + &policy("b", second, &all, "release")
            },
            |_| {},
        );
        denied(&world.ask(&create(&pod(&[&world.unsigned("app", "1")]))), "signature-missing");
    }
}

#[test]
fn modes_that_only_watch_break_nothing_and_say_what_they_saw() {
    for (mode, warnings) in [("audit", 0), ("warn", 1)] {
        let world = World::with(|lab| policy("p", mode, &format!("{}/**", lab.host()), "release"), |_| {});
        let image = world.unsigned("app", "1");
        let reviewed = world.ask(&create(&pod(&[&image])));
        allowed(&reviewed);
        let body: Value = serde_json::from_slice(&reviewed.body).unwrap();
        assert_eq!(body["response"]["warnings"].as_array().map_or(0, Vec::len), warnings, "{mode}");
        assert_eq!(body["response"]["auditAnnotations"]["would-deny"], image.as_str());
        // Also where the registry fails.
        world.lab.fault(Fault::on("", "").status(500));
        let down = world.ask(&create(&pod(&[&world.lab.reference("app:2")])));
        allowed(&down);
        assert!(down.answer.images[0].would_deny);
    }
}

#[test]
fn c04_c12_c13_what_a_tenant_writes_about_itself_counts_for_nothing() {
    let world = World::new();
    let mut object = pod(&[&world.unsigned("app", "1")]);
    object["metadata"] = json!({
        "name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"],
        "annotations": { "seaworthy.dev/verified": "true", "kubernetes.io/config.mirror": "x",
            "kubernetes.io/config.source": "file" },
        "labels": { "seaworthy.dev/ignore": "true", "control-plane": "seaworthy" },
        "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "u", "controller": true }],
    });
    denied(&world.ask(&create(&object)), "signature-missing");
}

#[test]
fn c05_an_image_that_stays_is_judged() {
    let world = World::new();
    let object = pod(&[&world.unsigned("app", "1")]);
    denied(&world.ask(&review("UPDATE", "", &object, &object)), "signature-missing");
}

#[test]
fn c09_an_image_swapped_on_the_way_out_is_judged() {
    let world = World::new();
    let going = |image: &str| {
        let mut object = pod(&[image]);
        object["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        object["metadata"]["finalizers"] = json!(["x/y"]);
        object
    };
    let (good, bad) = (world.signed("app", "1"), world.unsigned("evil", "1"));
    denied(&world.ask(&review("UPDATE", "", &going(&bad), &going(&good))), "signature-missing");
    allowed(&world.ask(&review("UPDATE", "", &going(&good), &going(&good))));
}

fn deployment(replicas: u32, image: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" },
        "spec": { "replicas": replicas, "template": { "spec": { "containers": [{ "name": "c", "image": image }] } } } })
}

#[test]
fn c10_replicas_to_zero_and_another_image_in_one_patch() {
    let world = World::new();
    let (good, bad) = (world.signed("app", "1"), world.unsigned("evil", "1"));
    let update = review("UPDATE", "apps", &deployment(0, &bad), &deployment(1, &good));
    denied(&world.ask(&update), "signature-missing");
}

#[test]
fn c11_every_place_and_every_kind() {
    let world = World::new();
    let (good, bad) = (world.signed("app", "1"), world.unsigned("evil", "1"));
    let specs = |image: &str| {
        let container = json!({ "name": "c", "image": image });
        vec![
            json!({ "containers": [container] }),
            json!({ "initContainers": [container], "containers": [] }),
            json!({ "initContainers": [{ "name": "c", "image": image, "restartPolicy": "Always" }] }),
            json!({ "ephemeralContainers": [{ "name": "c", "image": image, "targetContainerName": "x" }] }),
            json!({ "volumes": [{ "name": "v", "image": { "reference": image } }] }),
        ]
    };
    type Wrap = fn(Value) -> Value;
    let template: Wrap = |spec| json!({ "spec": { "template": { "spec": spec } } });
    let kinds: [(&str, &str, Wrap); 10] = [
        ("", "Pod", |spec| json!({ "spec": spec })),
        ("", "PodTemplate", |spec| json!({ "template": { "spec": spec } })),
        ("", "ReplicationController", template),
        ("apps", "Deployment", template),
        ("apps", "StatefulSet", template),
        ("apps", "DaemonSet", template),
        ("apps", "ReplicaSet", template),
        ("batch", "Job", template),
        (
            "batch",
            "CronJob",
            |spec| json!({ "spec": { "jobTemplate": { "spec": { "template": { "spec": spec } } } } }),
        ),
        ("example.test", "Rollout", template),
    ];
    for (group, kind, wrap) in kinds {
        for (good, bad) in specs(&good).into_iter().zip(specs(&bad)) {
            let object = |spec: Value| {
                let mut object = wrap(spec);
                object["kind"] = kind.into();
                object
            };
            allowed(&world.ask(&review("CREATE", group, &object(good), &Value::Null)));
            let mut dry = review("CREATE", group, &object(bad), &Value::Null);
            denied(&world.ask(&dry), "signature-missing");
            dry["request"]["dryRun"] = true.into();
            denied(&world.ask(&dry), "signature-missing");
        }
    }
    let mut debug = review("UPDATE", "", &pod(&[&good]), &pod(&[&good]));
    debug["request"]["subResource"] = "ephemeralcontainers".into();
    allowed(&world.ask(&debug));
    debug["request"]["object"]["spec"]["ephemeralContainers"] = json!([{ "name": "d", "image": bad }]);
    denied(&world.ask(&debug), "spec.ephemeralContainers[0].image");
    // As Kubernetes before 1.22 has it: an object of its own.
    let old = |image: &str| {
        json!({
            "apiVersion": "v1", "kind": "EphemeralContainers", "metadata": { "name": "x" },
            "ephemeralContainers": [{ "name": "d", "image": image }]
        })
    };
    allowed(&world.ask(&review("UPDATE", "", &old(&good), &Value::Null)));
    denied(&world.ask(&review("UPDATE", "", &old(&bad), &Value::Null)), "ephemeralContainers[0].image");
}

#[test]
fn c16_hosts_that_nobody_named_are_not_asked() {
    let everything = |_: &seaworthy_tests::registry::Lab| policy("all", "enforce", "**", "release");
    let world = World::with(everything, |_| {});
    for image in ["169.254.169.254/x", "localhost:2379/x", "[::1]/x", "elsewhere.example/x", "nginx"] {
        denied(&world.ask(&create(&pod(&[image]))), "registry-not-allowed");
    }
    let open = World::with(everything, |options| options.registries.clear());
    for image in
        ["169.254.169.254/x", "localhost:2379/x", "[::1]/x", "[fe80::1]/x", &open.lab.reference("app:1")]
    {
        denied(&open.ask(&create(&pod(&[image]))), "registry-not-allowed");
    }
    assert!(open.lab.requests().is_empty());
}

#[test]
fn c16_no_reference_opens_a_file() {
    let world = World::with(|_| policy("all", "enforce", "oci:**", "release"), |_| {});
    let dir = world.dir.path().display().to_string();
    for image in
        [format!("oci:{dir}"), "oci:1".into(), format!("oci-archive:{dir}/x"), "docker://nginx".into()]
    {
        assert_eq!(world.ask(&create(&pod(&[&image]))).answer.outcome, Outcome::Denied, "{image}");
    }
}

#[test]
fn c19_a_registry_that_hangs_ends_in_a_reason() {
    let world = World::new();
    let image = world.signed("app", "1");
    for part in ["/manifests/1", "/referrers/", "/blobs/"] {
        world.lab.heal();
        world.lab.fault(Fault::on("GET", part).delay(Duration::from_secs(60)));
        let reviewed = world.patient(&create(&pod(&[&image])), Duration::from_millis(1_200));
        assert_eq!(reviewed.answer.outcome, Outcome::CouldNotFindOut, "{part}");
        assert!(reviewed.answer.message().contains("could not find out: no answer within"), "{part}");
    }
    world.lab.heal();
    allowed(&world.ask(&create(&pod(&[&image]))));
}

#[test]
fn a_failing_registry_is_a_doubt_and_a_missing_image_is_none() {
    let world = World::new();
    let image = world.signed("app", "1");
    for status in [403, 429, 500, 503] {
        world.lab.heal();
        world.lab.fault(Fault::on("GET", "/referrers/").status(status));
        let reviewed = world.ask(&create(&pod(&[&image])));
        assert_eq!(reviewed.answer.outcome, Outcome::CouldNotFindOut, "{status}");
        assert!(reviewed.answer.message().contains(&status.to_string()), "{}", reviewed.answer.message());
    }
    world.lab.heal();
    denied(&world.ask(&create(&pod(&[&world.lab.reference("app:none")]))), "not found");
    // Nothing of the failures was remembered.
    allowed(&world.ask(&create(&pod(&[&image]))));
}

#[test]
fn pins_are_for_new_images_of_pods_alone() {
    let world = World::new();
    let image = world.signed("app", "1");
    assert!(patch(&world.mutate(&review("CREATE", "apps", &deployment(1, &image), &Value::Null))).is_empty());
    let object = pod(&[&image]);
    assert!(patch(&world.mutate(&review("UPDATE", "", &object, &object))).is_empty());
    assert!(patch(&world.ask(&create(&object))).is_empty(), "validating changes nothing");
    let both = world.signed("app", "2");
    let pins = patch(&world.mutate(&review("UPDATE", "", &pod(&[&image, &both]), &object)));
    assert_eq!(pins.len(), 1);
    assert_eq!((&pins[0]["op"], &pins[0]["path"]), (&"replace".into(), &"/spec/containers/1/image".into()));
}

#[test]
fn templates_are_pinned_on_request_and_what_stood_there_stays() {
    let world = World::with(
        |lab| policy("signed", "enforce", &format!("{}/**", lab.host()), "release"),
        |options| options.pin = seaworthy_verifier::admission::Pin::Templates,
    );
    let image = world.signed("app", "1");
    let object = deployment(1, &image);
    let pins = patch(&world.mutate(&review("CREATE", "apps", &object, &Value::Null)));
    assert_eq!(pins.len(), 1);
    assert_eq!(pins[0]["path"], "/spec/template/spec/containers/0/image");
    let pinned = pins[0]["value"].as_str().unwrap();
    assert!(pinned.starts_with(&format!("{image}@sha256:")), "{pinned}");
    assert!(patch(&world.mutate(&review("UPDATE", "apps", &object, &object))).is_empty());
    // Judged and pinned again is the same: whoever applies the file once more changes nothing.
    let again = patch(&world.mutate(&review("UPDATE", "apps", &object, &deployment(1, pinned))));
    assert_eq!(again, pins);
}

#[test]
fn many_at_once_ask_for_one_verdict_once() {
    let world = World::new();
    let image = world.signed("app", "1");
    world.lab.fault(Fault::on("GET", "/referrers/").delay(Duration::from_millis(300)));
    let body = create(&pod(&[&image])).to_string();
    world.runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (admission, body) = (world.admission.clone(), body.clone());
            all.spawn(async move {
                let webhook = seaworthy_verifier::admission::Webhook::Validate;
                admission.review(webhook, body.as_bytes(), None).await.answer.outcome
            });
        }
        while let Some(outcome) = all.join_next().await {
            assert_eq!(outcome.unwrap(), Outcome::Allowed);
        }
    });
    assert_eq!(world.lab.requests_to("GET", "/referrers/").len(), 1);
    assert_eq!(world.lab.requests_to("GET", "/manifests/1").len(), 20, "a tag is asked for every time");
}

/// The namespace decides by its name; the same image is judged for each, and one verdict is not the other's.
#[test]
fn c13_the_namespace_of_the_review_chooses_the_mode_by_name() {
    let world = World::with(
        |lab| {
            policy("p", "enforce", &format!("{}/**", lab.host()), "release")
                .replace("  authorities:", "  modes: [{namespaces: ['dev-*'], mode: warn}]\n  authorities:")
        },
        |_| {},
    );
    let image = world.unsigned("app", "1");
    let asked = |namespace: &str| {
        let mut object = pod(&[&image]);
        // What a tenant writes chooses nothing.
        object["metadata"]["namespace"] = "dev-1".into();
        object["metadata"]["labels"] =
            json!({ "namespace": "dev-1", "kubernetes.io/metadata.name": "dev-1" });
        let mut review = create(&object);
        review["request"]["namespace"] = namespace.into();
        world.ask(&review)
    };
    for _ in 0..2 {
        let warned = asked("dev-1");
        allowed(&warned);
        assert_eq!(warned.answer.images[0].warnings.len(), 1);
        denied(&asked("prod"), "signature-missing");
    }
    // An object of the cluster itself: the strictest that any namespace could get.
    denied(&asked(""), "signature-missing");
    let odd = asked("../dev-1");
    assert_eq!(odd.answer.outcome, Outcome::Malformed);
    assert!(odd.answer.message().contains("no name of a namespace"), "{}", odd.answer.message());
}

/// What no policy speaks of in a namespace is denied there; namespaces share what is remembered where the same policies
/// apply.
#[test]
fn a_policy_bound_to_namespaces_speaks_in_them_alone() {
    let world = World::with(
        |lab| {
            policy("p", "enforce", &format!("{}/**", lab.host()), "release")
                .replace("  authorities:", "  namespaces: ['team*']\n  authorities:")
        },
        |_| {},
    );
    let image = world.signed("app", "1");
    let mut review = create(&pod(&[&image]));
    let first = world.ask(&review);
    allowed(&first);
    let digest = first.answer.images[0].digest.clone().unwrap();
    world.lab.forget_requests();
    review = create(&pod(&[&format!("{image}@{digest}")]));
    review["request"]["namespace"] = "team-2".into();
    allowed(&world.ask(&review));
    assert!(world.lab.requests().is_empty());
    review["request"]["namespace"] = "other".into();
    denied(&world.ask(&review), "in namespace other");
}
