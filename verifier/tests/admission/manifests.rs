//! The manifests in deploy/kubernetes say what the documentation says, and the example policy loads.

use seaworthy_verifier::admission::{Policies, limits};
use serde_json::Value;
use std::path::Path;

fn manifests() -> Vec<Value> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let read = |path: &std::path::PathBuf| {
        seaworthy_yaml::documents::<Value>(&std::fs::read_to_string(path).unwrap(), 64).unwrap()
    };
    files.iter().flat_map(read).collect()
}

fn one(kind: &str) -> Value {
    manifests().into_iter().find(|m| m["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

#[test]
fn the_webhooks_fail_closed_and_cover_every_kind() {
    for (kind, path) in
        [("ValidatingWebhookConfiguration", "/validate"), ("MutatingWebhookConfiguration", "/mutate")]
    {
        let webhook = one(kind)["webhooks"][0].clone();
        assert_eq!(webhook["failurePolicy"], "Fail");
        assert_eq!(webhook["matchPolicy"], "Equivalent");
        assert_eq!(webhook["clientConfig"]["service"]["path"], path);
        assert!(webhook["timeoutSeconds"].as_u64().unwrap() > limits::BUDGET.as_secs());
        assert!(webhook["objectSelector"].is_null(), "tenants write labels of objects");
        assert_eq!(
            webhook["namespaceSelector"]["matchExpressions"][0]["key"], "kubernetes.io/metadata.name",
            "tenants may write other labels"
        );
    }
    let rules = one("ValidatingWebhookConfiguration")["webhooks"][0]["rules"].to_string();
    for resource in [
        "pods",
        "pods/ephemeralcontainers",
        "podtemplates",
        "replicationcontrollers",
        "deployments",
        "statefulsets",
        "daemonsets",
        "replicasets",
        "jobs",
        "cronjobs",
    ] {
        assert!(rules.contains(&format!("\"{resource}\"")), "{resource}");
    }
}

#[test]
fn the_example_policy_loads_with_the_key_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in one("ConfigMap")["data"].as_object().unwrap() {
        std::fs::write(dir.path().join(name), text.as_str().unwrap()).unwrap();
    }
    let policies = Policies::load(&[dir.path().to_owned()], crate::keys::now()).unwrap();
    assert_eq!(policies.count(), 1);
}

#[test]
fn the_deployment_is_locked_down_and_may_do_little() {
    let deployments: Vec<Value> = manifests().into_iter().filter(|m| m["kind"] == "Deployment").collect();
    assert_eq!(deployments.len(), 2);
    for deployment in deployments {
        let pod = deployment["spec"]["template"]["spec"].clone();
        let container = &pod["containers"][0];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    }
    assert_eq!(
        one("ServiceAccount")["automountServiceAccountToken"],
        false,
        "only Pods that ask have a token"
    );
    // All that the webhook's own role allows.
    let role = manifests()
        .into_iter()
        .find(|m| m["metadata"]["name"] == "seaworthy-verifier" && m["kind"] == "ClusterRole");
    let rules = role.unwrap()["rules"].clone();
    assert_eq!(rules.as_array().unwrap().len(), 2);
    for rule in rules.as_array().unwrap() {
        assert_eq!(rule["apiGroups"], serde_json::json!(["seaworthy.dev"]));
        let verbs = rule["verbs"].to_string();
        assert!(!verbs.contains('*') && !verbs.contains("create") && !verbs.contains("delete"), "{verbs}");
    }
}

/// Each opt-in has a role of its own, with exactly what it needs.
#[test]
fn what_is_opted_into_has_a_role_of_its_own() {
    let rules = |name: &str| {
        let role =
            manifests().into_iter().find(|m| m["metadata"]["name"] == name && m["kind"] == "ClusterRole");
        role.unwrap()["rules"].clone()
    };
    let secrets = serde_json::json!([{ "apiGroups": [""], "resources": ["secrets", "serviceaccounts"], "verbs": ["get"] }]);
    assert_eq!(rules("seaworthy-pull-secrets"), secrets);
    let verbs: Vec<String> = rules("seaworthy-revalidate")
        .as_array()
        .unwrap()
        .iter()
        .map(|r| format!("{} {}", r["resources"][0].as_str().unwrap(), r["verbs"]))
        .collect();
    assert_eq!(
        verbs,
        [r#"pods ["list"]"#, r#"imagepolicies ["list"]"#, r#"policyreports ["list","create","patch"]"#]
    );
}
