//! The CustomResourceDefinitions of policies, made from the types that read them.
//!
//! Structural schemas (Kubernetes, "Specifying a structural schema") know neither references nor alternatives with
//! null, and drop unknown fields before anybody sees them. So each object keeps its unknown fields: a slip such as
//! `signaturs` must come to the reader, who refuses it, and not vanish.

use super::model::ImagePolicy;
use serde_json::{Map, Value, json};

/// `value` without references, with what a structural schema may say.
fn structural(value: &Value, definitions: &Value) -> Value {
    let Value::Object(map) = value else { return value.clone() };
    if let Some(name) = map.get("$ref").and_then(Value::as_str) {
        let mut target = structural(&definitions[name.trim_start_matches("#/$defs/")], definitions);
        if let Some(text) = map.get("description") {
            target["description"] = text.clone();
        }
        return target;
    }
    if let Some(Value::Array(any)) = map.get("anyOf") {
        let real: Vec<&Value> = any.iter().filter(|v| v["type"] != "null").collect();
        assert_eq!(real.len(), 1, "an alternative that a structural schema cannot say: {value}");
        let mut target = structural(real[0], definitions);
        if let Some(text) = map.get("description") {
            target["description"] = text.clone();
        }
        return target;
    }
    if let Some(Value::Array(one)) = map.get("oneOf") {
        let words: Vec<&Value> = one.iter().map(|v| &v["const"]).collect();
        assert!(words.iter().all(|w| w.is_string()), "an alternative that cannot be said: {value}");
        return json!({ "type": "string", "enum": words, "description": map.get("description") });
    }
    let mut out = Map::new();
    for (key, value) in map {
        match key.as_str() {
            "type" => {
                let word = match value {
                    Value::Array(words) => words.iter().find(|w| *w != "null").cloned().unwrap(),
                    word => word.clone(),
                };
                out.insert(key.clone(), word);
            }
            "properties" => {
                let each = |(k, v): (&String, &Value)| (k.clone(), structural(v, definitions));
                let fields: Map<String, Value> = value.as_object().unwrap().iter().map(each).collect();
                out.insert(key.clone(), fields.into());
                out.insert("x-kubernetes-preserve-unknown-fields".into(), true.into());
            }
            "items" => {
                out.insert(key.clone(), structural(value, definitions));
            }
            "additionalProperties" if *value == false => {}
            "additionalProperties" => {
                out.insert(key.clone(), structural(value, definitions));
            }
            // What is left out has its meaning from the reader alone; formats such as uint32 mean nothing there.
            "default" | "format" | "title" | "$schema" | "$defs" => {}
            "description" | "required" | "enum" | "minimum" | "maximum" | "pattern" => {
                out.insert(key.clone(), value.clone());
            }
            other => panic!("a structural schema does not know {other}: {value}"),
        }
    }
    Value::Object(out)
}

fn definition(kind: &str, plural: &str, scope: &str, short: &str) -> Value {
    let schema = serde_json::to_value(schemars::schema_for!(ImagePolicy)).unwrap();
    let definitions = schema["$defs"].clone();
    let spec = structural(&schema["properties"]["spec"], &definitions);
    let condition = json!({
        "type": "object", "required": ["type", "status"],
        "properties": {
            "type": { "type": "string" }, "status": { "type": "string" }, "reason": { "type": "string" },
            "message": { "type": "string" }, "observedGeneration": { "type": "integer" },
            "lastTransitionTime": { "type": "string" },
        },
    });
    let column = |name: &str, path: &str| json!({ "name": name, "type": "string", "jsonPath": path });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.seaworthy.dev") },
        "spec": {
            "group": "seaworthy.dev", "scope": scope,
            "names": {
                "kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase(),
                "shortNames": [short],
            },
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true, "subresources": { "status": {} },
                "additionalPrinterColumns": [
                    column("Mode", ".spec.mode"),
                    column("Ready", ".status.conditions[?(@.type==\"Ready\")].status"),
                    column("Reason", ".status.conditions[?(@.type==\"Ready\")].reason"),
                ],
                "schema": { "openAPIV3Schema": {
                    "type": "object", "required": ["spec"],
                    "description": "A Seaworthy policy for images: docs/reference/policy.md.",
                    "properties": {
                        "apiVersion": { "type": "string" }, "kind": { "type": "string" }, "metadata": { "type": "object" },
                        "spec": spec,
                        "status": {
                            "type": "object",
                            "properties": { "conditions": { "type": "array", "items": condition } },
                        },
                    },
                } },
            }],
        },
    })
}

/// The committed definitions are those of the types. `UPDATE_SCHEMA=1 cargo test` writes them.
#[test]
fn the_definitions_are_true() {
    let all = [
        definition("ClusterImagePolicy", "clusterimagepolicies", "Cluster", "cipol"),
        definition("ImagePolicy", "imagepolicies", "Namespaced", "ipol"),
    ];
    let mut text = String::from(
        "# Policies as objects of the cluster. Generated from the types that read policies (verifier/src/policy/crd.rs):\n\
         # UPDATE_SCHEMA=1 cargo test -p seaworthy-verifier --features admission\n",
    );
    for one in &all {
        text.push_str("---\n");
        super::object::yaml(one, 0, &mut text);
    }
    for place in ["deploy/kubernetes/05-crds.yaml", "deploy/helm/seaworthy/crds/crds.yaml"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(place);
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(committed, text, "run the tests with UPDATE_SCHEMA=1 and commit {place}");
    }
}
