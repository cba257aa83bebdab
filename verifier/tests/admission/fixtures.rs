//! Each recorded AdmissionReview of Kubernetes 1.36, and the images that must be found in it.

use crate::world::{Outcome, recorded};
use seaworthy_verifier::admission::{Found, images, review};

fn found(name: &str) -> Vec<(String, String)> {
    let described = ["example.test/Rollout=/spec/template/spec".parse().unwrap()];
    match images::find(&review::parse(&recorded(name)).unwrap(), &described).unwrap() {
        Found::Images(all) => all.into_iter().map(|p| (p.dotted(), p.image)).collect(),
        Found::NoImage(_) => Vec::new(),
    }
}

fn expect(name: &str, expected: &[(&str, &str)]) {
    let found = found(name);
    let found: Vec<(&str, &str)> = found.iter().map(|(at, image)| (at.as_str(), image.as_str())).collect();
    assert_eq!(found, expected);
}

fn no_image(name: &str, why: &str) {
    match images::find(&review::parse(&recorded(name)).unwrap(), &[]).unwrap() {
        Found::NoImage(said) => assert!(said.contains(why), "{said}"),
        Found::Images(all) => panic!("{all:?}"),
    }
}

#[test]
fn f001_create_pods() {
    expect(
        "001-create-pods",
        &[
            ("spec.initContainers[0].image", "init:1"),
            (
                "spec.initContainers[1].image",
                "registry.example/app:1.0@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            (
                "spec.containers[0].image",
                "registry.example/app:1.0@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            ("spec.containers[1].image", "nginx"),
            ("spec.containers[2].image", "docker.io/library/nginx:1.25"),
            ("spec.containers[3].image", "localhost:5000/x/y"),
            ("spec.volumes[0].image.reference", "quay.io/vol/data:v1"),
        ],
    );
}

#[test]
fn f002_create_deployments() {
    expect("002-create-deployments", &[("spec.template.spec.containers[0].image", "nginx:1")]);
}

#[test]
fn f003_create_statefulsets() {
    expect("003-create-statefulsets", &[("spec.template.spec.containers[0].image", "nginx:1")]);
}

#[test]
fn f004_create_daemonsets() {
    expect("004-create-daemonsets", &[("spec.template.spec.containers[0].image", "nginx:1")]);
}

#[test]
fn f005_create_replicasets() {
    expect("005-create-replicasets", &[("spec.template.spec.containers[0].image", "nginx:1")]);
}

#[test]
fn f006_create_replicationcontrollers() {
    expect("006-create-replicationcontrollers", &[("spec.template.spec.containers[0].image", "nginx:1")]);
}

#[test]
fn f007_create_jobs() {
    expect("007-create-jobs", &[("spec.template.spec.containers[0].image", "busybox:1")]);
}

#[test]
fn f008_create_cronjobs() {
    expect(
        "008-create-cronjobs",
        &[("spec.jobTemplate.spec.template.spec.containers[0].image", "busybox:1")],
    );
}

#[test]
fn f009_create_podtemplates() {
    expect("009-create-podtemplates", &[("template.spec.containers[0].image", "busybox:1")]);
}

#[test]
fn f010_create_rollouts() {
    expect("010-create-rollouts", &[("spec.template.spec.containers[0].image", "busybox:1")]);
}

#[test]
fn f011_update_deployments() {
    expect("011-update-deployments", &[("spec.template.spec.containers[0].image", "nginx:2")]);
}

#[test]
fn f012_update_deployments_scale() {
    no_image("012-update-deployments-scale", "Scale");
}

#[test]
fn f013_update_deployments() {
    expect("013-update-deployments", &[("spec.template.spec.containers[0].image", "evil:1")]);
}

#[test]
fn f014_update_pods_ephemeralcontainers() {
    expect(
        "014-update-pods-ephemeralcontainers",
        &[
            ("spec.initContainers[0].image", "init:1"),
            (
                "spec.initContainers[1].image",
                "registry.example/app:1.0@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            (
                "spec.containers[0].image",
                "registry.example/app:1.0@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            ("spec.containers[1].image", "nginx"),
            ("spec.containers[2].image", "docker.io/library/nginx:1.25"),
            ("spec.containers[3].image", "localhost:5000/x/y"),
            ("spec.ephemeralContainers[0].image", "busybox:1"),
            ("spec.volumes[0].image.reference", "quay.io/vol/data:v1"),
        ],
    );
}

#[test]
fn f015_update_pods() {
    expect(
        "015-update-pods",
        &[
            ("spec.initContainers[0].image", "init:1"),
            (
                "spec.initContainers[1].image",
                "registry.example/app:1.0@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            ("spec.containers[0].image", "evil:9"),
            ("spec.containers[1].image", "nginx"),
            ("spec.containers[2].image", "docker.io/library/nginx:1.25"),
            ("spec.containers[3].image", "localhost:5000/x/y"),
            ("spec.ephemeralContainers[0].image", "busybox:1"),
            ("spec.volumes[0].image.reference", "quay.io/vol/data:v1"),
        ],
    );
}

#[test]
fn f016_update_pods() {
    expect(
        "016-update-pods",
        &[
            ("spec.initContainers[0].image", "init:1"),
            (
                "spec.initContainers[1].image",
                "registry.example/app:1.0@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            ("spec.containers[0].image", "evil:9"),
            ("spec.containers[1].image", "nginx"),
            ("spec.containers[2].image", "docker.io/library/nginx:1.25"),
            ("spec.containers[3].image", "localhost:5000/x/y"),
            ("spec.ephemeralContainers[0].image", "busybox:1"),
            ("spec.volumes[0].image.reference", "quay.io/vol/data:v1"),
        ],
    );
}

#[test]
fn f017_delete_pods() {
    no_image("017-delete-pods", "DELETE");
}

#[test]
fn f018_update_pods() {
    expect(
        "018-update-pods",
        &[
            ("spec.initContainers[0].image", "init:1"),
            (
                "spec.initContainers[1].image",
                "registry.example/app:1.0@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            ),
            ("spec.containers[0].image", "evil:10"),
            ("spec.containers[1].image", "nginx"),
            ("spec.containers[2].image", "docker.io/library/nginx:1.25"),
            ("spec.containers[3].image", "localhost:5000/x/y"),
            ("spec.ephemeralContainers[0].image", "busybox:1"),
            ("spec.volumes[0].image.reference", "quay.io/vol/data:v1"),
        ],
    );
}

#[test]
fn f019_create_pods() {
    expect("019-create-pods", &[("spec.containers[0].image", "x:1")]);
}

#[test]
fn f020_create_pods() {
    expect("020-create-pods", &[("spec.containers[0].image", "ssa:1")]);
}

#[test]
fn f021_create_pods() {
    expect("021-create-pods", &[("spec.containers[0].image", "static:1")]);
}

#[test]
fn f022_create_pods_binding() {
    no_image("022-create-pods-binding", "Binding");
}

#[test]
fn f023_delete_jobs() {
    no_image("023-delete-jobs", "DELETE");
}

/// What comes back for each of them from a webhook without a policy that speaks about their images.
#[test]
fn every_recorded_review_gets_a_well_formed_answer() {
    let world = crate::world::World::new();
    let mut names: Vec<String> = std::fs::read_dir(crate::world::recordings())
        .unwrap()
        .map(|e| e.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names.len(), 23);
    for name in names {
        let reviewed = world.review(&recorded(&name));
        let carries = !found_or_unknown(&name);
        let expected = if carries { Outcome::Denied } else { Outcome::Allowed };
        assert_eq!(reviewed.answer.outcome, expected, "{name}");
        let uid = review::parse(&recorded(&name)).unwrap().uid;
        let body: serde_json::Value = serde_json::from_slice(&reviewed.body).unwrap();
        assert_eq!(body["response"]["uid"], uid.as_str(), "{name}");
        assert_eq!(body["response"]["allowed"], !carries, "{name}");
        assert_eq!(body["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(body["response"]["status"]["message"].is_string(), carries, "{name}");
    }
}

/// Whether there is certainly no image in it.
fn found_or_unknown(name: &str) -> bool {
    matches!(images::find(&review::parse(&recorded(name)).unwrap(), &[]), Ok(Found::NoImage(_)))
}
