//! What runs, judged again: Pods from an API server on loopback, reports written back to it.

use crate::api::FakeApi;
use crate::world::{World, policy};
use seaworthy_tests::registry::Fault;
use seaworthy_verifier::cluster::revalidate::{Counts, Round, round};
use serde_json::{Value, json};

const PODS: &str = "/api/v1/pods";
const REPORTS: &str = "/apis/wgpolicyk8s.io/v1alpha2/policyreports";

fn running(name: &str, namespace: &str, image: &str, id: &str) -> Value {
    json!({
        "metadata": { "name": name, "namespace": namespace, "uid": format!("uid-{name}") },
        "spec": { "containers": [{ "name": "main", "image": image }] },
        "status": { "phase": "Running", "containerStatuses": [{ "name": "main", "imageID": id }] },
    })
}

struct Cluster {
    world: World,
    api: FakeApi,
}

impl Cluster {
    fn new() -> Self {
        let world = World::with(
            |lab| {
                policy("p", "enforce", &format!("{}/**", lab.host()), "release").replace(
                    "  authorities:",
                    "  modes: [{namespaces: [lenient], mode: audit}]\n  authorities:",
                )
            },
            |options| options.open.registry.tries = 1,
        );
        let api = FakeApi::start(&world.runtime);
        api.put(REPORTS, json!({ "metadata": { "name": "somebody-elses", "namespace": "quiet" } }));
        api.put(PODS, running("x", "x", "", ""));
        api.remove(PODS, "x/x");
        Self { world, api }
    }

    fn round(&self) -> Round {
        self.world.runtime.block_on(round(&self.api.api(), &self.world.admission)).unwrap()
    }

    fn report(&self, namespace: &str) -> Value {
        let path = format!("/apis/wgpolicyk8s.io/v1alpha2/namespaces/{namespace}/policyreports/seaworthy");
        let patches = self.api.patches();
        let (_, kind, body) = patches.iter().rfind(|(p, ..)| *p == path).unwrap();
        assert_eq!(kind, "application/apply-patch+yaml");
        body.clone()
    }
}

#[test]
fn each_namespace_gets_a_report_of_what_runs_in_it() {
    let cluster = Cluster::new();
    let world = &cluster.world;
    let (good, bad) = (world.image("app", "1", "good"), world.image("evil", "1", "bad"));
    world.sign("app", &good);
    let (app, evil) = (world.lab.reference("app:1"), world.lab.reference("evil:1"));
    let id = |of: &seaworthy_oci::Descriptor| format!("somewhere/else@{}", of.digest);
    let api = &cluster.api;
    api.put(PODS, running("a", "team", &app, &id(&good)));
    api.put(PODS, running("b", "team", &evil, &id(&bad)));
    api.put(PODS, running("c", "team", &app, ""));
    // The tag means something else by now, and what runs is judged.
    api.put(PODS, running("d", "team", &evil, &format!("x@sha256:{}", "0".repeat(64))));
    api.put(PODS, running("e", "lenient", &format!("{evil}@{}", bad.digest), ""));
    let mut over = running("f", "team", &evil, &id(&bad));
    over["status"]["phase"] = "Succeeded".into();
    api.put(PODS, over);
    let round = cluster.round();
    assert_eq!((round.pods, round.reports, round.failures.len()), (5, 2, 0), "{round:?}");
    assert_eq!(round.counts, Counts { pass: 1, fail: 2, warn: 1, error: 0, skip: 1 });
    let team = cluster.report("team");
    assert_eq!(team["summary"], json!({ "pass": 1, "fail": 2, "warn": 0, "error": 0, "skip": 1 }));
    let of = |pod: &str| {
        let all = team["results"].as_array().unwrap();
        all.iter().find(|r| r["resources"][0]["name"] == pod).unwrap().clone()
    };
    assert_eq!(
        (&of("a")["result"], &of("a")["properties"]["digest"]),
        (&"pass".into(), &good.digest.to_string().into())
    );
    assert_eq!(of("b")["result"], "fail");
    assert!(of("b")["message"].as_str().unwrap().contains("signature-missing"));
    assert_eq!((&of("b")["resources"][0]["uid"], &of("b")["rule"]), (&"uid-b".into(), &"main".into()));
    assert_eq!(of("c")["result"], "skip");
    assert!(of("d")["message"].as_str().unwrap().contains("not found"), "{}", of("d"));
    assert_eq!(team["results"][0]["result"], "fail", "what is wrong comes first");
    assert_eq!(cluster.report("lenient")["results"][0]["result"], "warn");
}

/// A volume is an image, too: by its own digest, by what the node says that it mounted, or not known.
#[test]
fn image_volumes_are_judged_as_containers_are() {
    let cluster = Cluster::new();
    let world = &cluster.world;
    let (good, bad) = (world.image("app", "1", "good"), world.image("data", "1", "bad"));
    world.sign("app", &good);
    let (app, data) = (world.lab.reference("app:1"), world.lab.reference("data:1"));
    let mut pod = running("a", "team", &app, &format!("x@{}", good.digest));
    pod["spec"]["volumes"] = json!([
        { "name": "pinned", "image": { "reference": format!("{data}@{}", bad.digest) } },
        { "name": "told", "image": { "reference": data } },
        { "name": "good", "image": { "reference": app } },
        { "name": "unknown", "image": { "reference": data } },
        { "name": "none", "emptyDir": {} },
    ]);
    let mount = |name: &str, id: &str| json!({ "name": name, "mountPath": "/v", "volumeStatus": { "image": { "imageRef": id } } });
    pod["status"]["containerStatuses"][0]["volumeMounts"] = json!([
        mount("told", &format!("node.example/data@{}", bad.digest)),
        mount("good", &format!("node.example/app@{}", good.digest)),
        { "name": "unknown", "mountPath": "/u" },
        { "name": "none", "mountPath": "/n" },
    ]);
    cluster.api.put(PODS, pod);
    assert_eq!(cluster.round().counts, Counts { pass: 2, fail: 2, skip: 1, ..Counts::default() });
    let report = cluster.report("team");
    let of = |volume: &str| {
        let all = report["results"].as_array().unwrap();
        all.iter().find(|r| r["rule"] == format!("volume {volume}")).unwrap()["result"].clone()
    };
    assert_eq!([of("pinned"), of("told"), of("good"), of("unknown")], ["fail", "fail", "pass", "skip"]);
}

#[test]
fn what_cannot_be_found_out_is_an_error_and_old_reports_are_cleared() {
    let cluster = Cluster::new();
    let image = cluster.world.unsigned("app", "1");
    let digest = format!("sha256:{}", "1".repeat(64));
    cluster.api.put(PODS, running("a", "team", &format!("{image}@{digest}"), ""));
    cluster.api.put(REPORTS, json!({ "metadata": { "name": "seaworthy", "namespace": "gone" } }));
    cluster.world.lab.fault(Fault::on("", "").status(500));
    let round = cluster.round();
    assert_eq!(round.counts, Counts { error: 1, ..Counts::default() });
    assert_eq!(cluster.report("team")["results"][0]["result"], "error");
    assert_eq!(cluster.report("gone")["results"], json!([]));
    assert_eq!(round.reports, 2, "nobody else's report is touched");
    // Where the Pods cannot be listed, nothing is written.
    let before = cluster.api.patches().len();
    cluster.api.broken(true);
    let failed = cluster.world.runtime.block_on(seaworthy_verifier::cluster::revalidate::round(
        &cluster.api.api(),
        &cluster.world.admission,
    ));
    assert!(failed.unwrap_err().text.contains("etcd has no leader"));
    assert_eq!(cluster.api.patches().len(), before);
}
