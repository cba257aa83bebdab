//! Policies that are objects in a cluster, instead of files.
//!
//! The object's `spec` is read exactly as that of a file is. Refused besides: everything that names a file, because
//! nothing lies beside an object, and a path in it would be one of the webhook's own file system.
//!
//! An object that cannot be read stands as a policy that is never met, for the images and namespaces and in the mode
//! that can be read off it: whoever may write policies must not be able to switch one off by a slip.

use super::pattern::Pattern;
use super::scope::{Ground, Namespace, NamespacePattern, Scope};
use super::{Mode, Policy, PolicyError};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// The API group of the objects.
pub(crate) const GROUP: &str = "seaworthy.dev";

/// What an object means.
pub(crate) struct Read {
    pub(crate) policy: Policy,
    /// What is wrong with it, one line a problem; none where it is as it was meant.
    pub(crate) problems: Option<String>,
}

/// Reads `object`, an `ImagePolicy` or `ClusterImagePolicy` as the API server gives it.
pub(crate) fn read(object: &Value, now: Timestamp) -> Read {
    let text = document(object);
    match Policy::parse_object(&text, now) {
        Ok(policy) => Read { policy, problems: None },
        Err(error) => {
            let problems = told(&error, &text);
            Read { policy: standing_in(object, &problems), problems: Some(problems) }
        }
    }
}

/// What is wrong with `object`, if anything.
pub(crate) fn problems(object: &Value, now: Timestamp) -> Option<String> {
    read(object, now).problems
}

/// The object as the text of a policy: what the API server keeps about it besides is not part of what it says.
fn document(object: &Value) -> String {
    let of = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    let mut document = json!({
        "apiVersion": of("/apiVersion"), "kind": of("/kind"), "metadata": { "name": of("/metadata/name") }, "spec": of("/spec"),
    });
    if let Some(namespace) = object.pointer("/metadata/namespace") {
        document["metadata"]["namespace"] = namespace.clone();
    }
    let mut text = String::new();
    yaml(&document, 0, &mut text);
    text
}

/// Block style, a key or element a line, keys in alphabetical order: the lines that problems are told by.
pub(super) fn yaml(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic());
                let key = if plain { key.clone() } else { Value::from(key.as_str()).to_string() };
                let _ = write!(out, "{indent}{key}:");
                nested(value, depth + 1, out);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                let _ = write!(out, "{indent}-");
                nested(value, depth + 1, out);
            }
        }
        scalar => {
            let _ = writeln!(out, "{indent}{scalar}");
        }
    }
}

fn nested(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            yaml(value, depth, out);
        }
        Value::Array(list) if !list.is_empty() => {
            out.push('\n');
            yaml(value, depth, out);
        }
        // JSON's scalars and empty collections are YAML's.
        scalar => {
            let _ = writeln!(out, " {scalar}");
        }
    }
}

/// Each problem with what stands in its line, since nobody sees the text that the line is of.
fn told(error: &PolicyError, text: &str) -> String {
    let lines: Vec<String> = error
        .problems
        .iter()
        .map(|problem| {
            let line = problem.line.and_then(|n| text.lines().nth(usize::try_from(n).ok()?.checked_sub(1)?));
            let place = line.map(|line| format!(" ({})", line.trim().chars().take(120).collect::<String>()));
            let hint = problem.hint.as_ref().map(|hint| format!("; {hint}"));
            format!("{problem}{}{}", place.unwrap_or_default(), hint.unwrap_or_default())
        })
        .collect();
    lines.join("\n")
}

/// What stands for `object`: never met, as narrow as can be read.
fn standing_in(object: &Value, problems: &str) -> Policy {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let owner = text("/metadata/namespace").and_then(|n| n.parse::<Namespace>().ok());
    let first = problems.lines().next().unwrap_or_default();
    let mut policy = Policy::unreadable(text("/metadata/name").unwrap_or("?"), owner.clone(), first);
    // A list of which one entry cannot be read may have meant anything.
    fn all<T>(value: Option<&Value>, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        value?.as_array()?.iter().map(|v| parse(v.as_str()?)).collect()
    }
    let patterns = all(object.pointer("/spec/images"), |text| Pattern::parse(text).ok());
    if let Some(patterns) = patterns.filter(|p| !p.is_empty()) {
        policy.patterns = patterns;
    }
    let namespaces = match object.pointer("/spec/namespaces") {
        Some(list) if owner.is_none() => all(Some(list), |text| NamespacePattern::parse(text).ok()),
        _ => None,
    };
    // Other modes by place need not be read: only a policy without any is as mild as it says.
    if object.pointer("/spec/modes").is_none() {
        policy.mode = match text("/spec/mode") {
            Some("audit") => Mode::Audit,
            Some("warn") => Mode::Warn,
            _ => Mode::Enforce,
        };
    }
    let ground = Ground::Unreadable(first.to_owned());
    policy.scope = Scope { namespaces: namespaces.unwrap_or_default(), owner, ground, modes: Vec::new() };
    policy
}

impl Policy {
    /// Takes the text of one object.
    fn parse_object(text: &str, now: Timestamp) -> Result<Self, PolicyError> {
        let mut all = Self::parse_from(text, Path::new("object"), None, now)?;
        match (all.pop(), all.is_empty()) {
            (Some(policy), true) => Ok(policy),
            _ => Err(PolicyError { origin: "object".into(), problems: Vec::new() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn key() -> String {
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/policies/release.pub"))
            .unwrap()
    }

    fn object(kind: &str, spec: Value) -> Value {
        json!({
            "apiVersion": "seaworthy.dev/v1alpha1", "kind": kind,
            "metadata": { "name": "p", "uid": "u", "generation": 3, "managedFields": [], "namespace": "team" },
            "spec": spec, "status": { "conditions": [] },
        })
    }

    fn good() -> Value {
        json!({
            "images": ["r.example/**", "\"odd\\: name"], "authorities": [{ "name": "k", "keys": [{ "data": key() }] }],
            "signatures": [{ "by": ["k"], "threshold": 1 }],
        })
    }

    #[test]
    fn an_object_means_what_a_file_means() {
        let mut spec = good();
        spec["images"] = json!(["r.example/**"]);
        let read = read(&object("ImagePolicy", spec), now());
        assert_eq!(read.problems, None);
        assert_eq!(read.policy.name(), "team/p");
        assert_eq!(read.policy.summary(), ["signature by k"]);
    }

    #[test]
    fn problems_say_line_and_what_stands_there() {
        let mut spec = good();
        spec["signatures"][0]["by"] = json!(["nobody"]);
        let read = read(&object("ImagePolicy", spec), now());
        let problems = read.problems.unwrap();
        assert!(problems.contains("line ") && problems.contains("(- \"nobody\")"), "{problems}");
        assert!(problems.contains("there is no authority 'nobody'"), "{problems}");
        assert!(read.policy.summary()[0].contains("cannot be met"), "{:?}", read.policy.summary());
    }

    #[test]
    fn nothing_in_an_object_names_a_file() {
        let pem = key();
        let authorities = [
            json!({ "name": "k", "keys": [{ "path": "/run/tls/tls.crt" }] }),
            json!({ "name": "k", "keys": [{ "data": pem.clone() }], "trustedRoot": "root.json" }),
            json!({ "name": "k", "keys": [{ "data": pem }], "transparencyLog": { "trustedRoot": "../root.json" } }),
            json!({ "name": "k", "keyring": { "trust": "trust.yaml", "name": "x" } }),
            json!({ "name": "k", "keyless": { "issuer": "https://i.example", "identity": "a@b.example", "trustedRoot": "/etc/passwd" } }),
            json!({ "name": "k", "certificateAuthorities": { "roots": ["/etc/passwd"], "identities": [{ "email": "a@b.example" }] } }),
        ];
        for authority in authorities {
            let mut spec = good();
            spec["images"] = json!(["r.example/**"]);
            spec["authorities"] = json!([authority]);
            let problems = problems(&object("ImagePolicy", spec), now()).unwrap_or_default();
            assert!(problems.contains("an object in a cluster names no files"), "{authority}: {problems}");
        }
    }

    #[test]
    fn what_cannot_be_read_stands_as_narrow_as_it_can() {
        let spec = json!({ "images": ["r.example/a/**"], "namespaces": ["dev-*"], "mode": "warn", "surprise": true });
        let mut bad = object("ClusterImagePolicy", spec);
        bad["metadata"].as_object_mut().unwrap().remove("namespace");
        let read = read(&bad, now());
        assert!(read.problems.unwrap().contains("surprise"));
        assert_eq!(
            (read.policy.patterns(), read.policy.mode()),
            (vec!["r.example/a/**".to_owned()], Mode::Warn)
        );
        let place = read.policy.scope.namespaces.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(place, ["dev-*"]);
        let wild = json!({ "images": ["r.example/a/**", 7], "modes": [{}], "mode": "audit" });
        let read = super::read(&object("ImagePolicy", wild), now());
        assert_eq!((read.policy.patterns(), read.policy.mode()), (vec!["**".to_owned()], Mode::Enforce));
        assert_eq!(read.policy.scope.owner.as_ref().map(Namespace::as_str), Some("team"));
        let nothing = super::read(&json!({}), now());
        assert!(nothing.problems.is_some());
    }
}
