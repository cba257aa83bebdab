//! The Helm chart, without Helm (tests/interop/live/98-helm.sh is with it): every value that a template names is there,
//! every block that is opened is closed, what is left is YAML, and it makes the objects that the plain manifests are.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/helm/seaworthy")
}

fn templates() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = std::fs::read_dir(chart().join("templates"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())
        })
        .collect();
    all.sort();
    all
}

/// What stands between `{{` and `}}`, in order.
fn actions(text: &str) -> Vec<String> {
    let action =
        |part: &str| part.split_once("}}").map(|(action, _)| action.trim_matches('-').trim().to_owned());
    text.split("{{").skip(1).map(|part| action(part).expect("an action that does not end")).collect()
}

#[test]
fn every_value_is_there_and_is_used() {
    let values: Value =
        seaworthy_yaml::document(&std::fs::read_to_string(chart().join("values.yaml")).unwrap(), 64).unwrap();
    let mut used = BTreeSet::new();
    for (name, text) in templates() {
        for word in
            actions(&text).iter().flat_map(|a| a.split([' ', '(', ')'])).filter(|w| w.starts_with(".Values"))
        {
            let path = word.trim_start_matches(".Values").replace('.', "/");
            assert!(values.pointer(&path).is_some(), "{name}: {word} is not in values.yaml");
            used.insert(path.split('/').nth(1).unwrap().to_owned());
        }
    }
    let given: BTreeSet<String> = values.as_object().unwrap().keys().cloned().collect();
    assert_eq!(used, given, "a value that does nothing, or one that is missing");
}

/// The template as if every condition were true and every list had one element.
fn rendered(text: &str) -> String {
    let mut out = String::new();
    let mut depth = 0i32;
    for line in text.lines() {
        let mut line = line.to_owned();
        let mut control = false;
        for action in actions(&line) {
            let word = action.split(' ').next().unwrap_or_default().to_owned();
            control |= match word.as_str() {
                "if" | "range" => {
                    depth += 1;
                    true
                }
                "end" => {
                    depth -= 1;
                    true
                }
                "else" | "define" | "template" | "include" => panic!("{word} is more than this chart needs"),
                _ => false,
            };
            assert!(depth >= 0, "an end without a beginning: {line}");
        }
        if control {
            assert_eq!(actions(&line).len(), 1, "one control action a line: {line}");
            continue;
        }
        while let Some((before, rest)) = line.clone().split_once("{{") {
            let (action, after) = rest.split_once("}}").unwrap();
            let plain = if action.contains("%q") { "\"x\"" } else { "7" };
            line = format!("{before}{plain}{after}");
        }
        out.push_str(&line);
        out.push('\n');
    }
    assert_eq!(depth, 0, "a block that does not end");
    out
}

fn names(text: &str) -> BTreeSet<(String, String)> {
    let all: Vec<Value> = seaworthy_yaml::documents(text, 64).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let of = |v: &Value, at: &str| v.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    all.iter().filter(|v| v.is_object()).map(|v| (of(v, "/kind"), of(v, "/metadata/name"))).collect()
}

#[test]
fn it_makes_what_the_plain_manifests_are() {
    let made: BTreeSet<_> = templates().iter().flat_map(|(_, text)| names(&rendered(text))).collect();
    let plain = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes");
    let mut expected = BTreeSet::new();
    for entry in std::fs::read_dir(plain).unwrap() {
        expected.extend(names(&std::fs::read_to_string(entry.unwrap().path()).unwrap()));
    }
    // Helm makes the namespace, and applies crds/ by itself.
    expected.retain(|(kind, _)| kind != "Namespace" && kind != "CustomResourceDefinition");
    assert_eq!(made, expected);
}

/// Helm refuses what the schema does not know: a value without a line there could never be set.
#[test]
fn the_schema_knows_every_value() {
    fn names(at: &str, values: &Value, schema: &Value, found: &mut Vec<(String, bool)>) {
        for (name, value) in values.as_object().unwrap() {
            let known = &schema["properties"][name];
            found.push((format!("{at}{name}"), known.is_object()));
            if known["additionalProperties"] == Value::Bool(false) {
                names(&format!("{at}{name}."), value, known, found);
            }
        }
        assert_eq!(schema["additionalProperties"], Value::Bool(false), "{at} takes anything");
    }
    let values: Value =
        seaworthy_yaml::document(&std::fs::read_to_string(chart().join("values.yaml")).unwrap(), 64).unwrap();
    let schema: Value =
        serde_json::from_str(&std::fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap();
    let mut found = Vec::new();
    names("", &values, &schema, &mut found);
    assert!(found.len() > values.as_object().unwrap().len(), "nothing below revalidate and resources");
    assert_eq!(found.iter().filter(|(_, known)| !known).collect::<Vec<_>>(), Vec::<&(String, bool)>::new());
}

#[test]
fn its_policies_load() {
    let values: Value =
        seaworthy_yaml::document(&std::fs::read_to_string(chart().join("values.yaml")).unwrap(), 64).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in values["policies"].as_object().unwrap() {
        std::fs::write(dir.path().join(name), text.as_str().unwrap()).unwrap();
    }
    let paths = [dir.path().to_owned()];
    assert_eq!(seaworthy_verifier::admission::Policies::load(&paths, crate::keys::now()).unwrap().count(), 1);
}
