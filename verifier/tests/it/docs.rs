//! The documentation says what the code does.

use crate::lab::now;
use seaworthy_verifier::{PolicySet, Refusal};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn doc(name: &str) -> String {
    let path = format!("{}/../docs/reference/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Each refusal has its heading and its meaning, and no heading is of a refusal that does not exist.
#[test]
fn every_refusal_is_documented() {
    let text = doc("refusals.md");
    let headings: BTreeSet<&str> =
        text.lines().filter_map(|l| l.strip_prefix("### `")?.strip_suffix('`')).collect();
    let codes: BTreeSet<&str> = Refusal::ALL.iter().map(|r| r.code()).collect();
    assert_eq!(headings, codes);
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for refusal in Refusal::ALL {
        let meaning = refusal.meaning().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(&meaning), "{refusal}: '{meaning}'");
        assert!(refusal.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{refusal}");
    }
}

/// The policies on the page load, with the keys of testdata/policies beside them.
#[test]
fn the_policies_on_the_page_load() {
    let text = doc("policy.md");
    let origin = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/policies/page.yaml");
    let mut count = 0;
    for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        if cfg!(not(feature = "cel")) && block.contains("conditions:") {
            continue;
        }
        if block.contains("kind: ImagePolicy") || block.contains("kind: PolicyException") {
            PolicySet::parse(block, Path::new(origin), now()).unwrap_or_else(|e| panic!("{e}\n{block}"));
            count += 1;
        }
    }
    assert!(count >= 2);
}

/// Every field of the schema is described on the page, and the examples use each of them.
#[test]
fn every_field_is_on_the_page_and_in_an_example() {
    let page = doc("policy.md");
    for (schema, example, known) in [
        ("policy.schema.json", "everything.yaml", ["maxAge", "trustedRoot"]),
        ("exception.schema.json", "with-exceptions.yaml", ["until", "packages"]),
    ] {
        let schema: serde_json::Value = serde_json::from_str(&doc(schema)).unwrap();
        let path = format!("{}/../testdata/policies/good/{example}", env!("CARGO_MANIFEST_DIR"));
        let mut example = std::fs::read_to_string(path).unwrap();
        let cel = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/policies/cel/conditions.yaml");
        example.push_str(&std::fs::read_to_string(cel).unwrap());
        let mut fields = BTreeSet::new();
        properties(&schema, &mut fields);
        assert!(known.iter().all(|field| fields.contains(*field)), "{fields:?}");
        for field in fields {
            assert!(page.contains(&format!("`{field}`")), "{field} is not described in policy.md");
            // An exception has the `metadata` of a policy, and belongs to no namespace.
            let refused = schema["title"] == "PolicyException" && field == "namespace";
            assert!(refused || example.contains(&format!("{field}:")), "{field} is in no example");
        }
    }
}

fn properties(schema: &serde_json::Value, into: &mut BTreeSet<String>) {
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::Object(found)) = map.get("properties") {
                into.extend(found.keys().cloned());
            }
            map.values().for_each(|v| properties(v, into));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|v| properties(v, into)),
        _ => {}
    }
}

/// The tables of all fields on the page are those of the schema. `UPDATE_SCHEMA=1` writes them (after the schema: run
/// the tests twice).
#[test]
fn the_tables_of_fields_are_those_of_the_schema() {
    const BEGIN: &str = "<!-- Written from the schema by verifier/tests/it/docs.rs. -->\n";
    const END: &str = "<!-- Until here. -->\n";
    let schema: Value = serde_json::from_str(&doc("policy.schema.json")).unwrap();
    let page = doc("policy.md");
    let (head, rest) = page.split_once(BEGIN).expect("the mark");
    let (_, tail) = rest.split_once(END).expect("the end");
    let expected = format!("{head}{BEGIN}{}\n{END}{tail}", tables(&schema));
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/policy.md");
        std::fs::write(path, &expected).unwrap();
    } else {
        assert!(page == expected, "run the tests with UPDATE_SCHEMA=1 and commit docs/reference/policy.md");
    }
}

/// A table for each kind of map, under the places where it may stand, in the order in which a reader meets them.
fn tables(schema: &Value) -> String {
    let mut places: Vec<(String, Vec<String>)> = Vec::new();
    let mut todo = vec![(String::new(), String::new())];
    while let Some((name, path)) = todo.pop() {
        if let Some((_, paths)) = places.iter_mut().find(|(known, _)| *known == name) {
            paths.push(path);
            continue;
        }
        places.push((name.clone(), vec![path.clone()]));
        let fields = definition(schema, &name)["properties"].as_object().unwrap();
        for (field, property) in fields.iter().rev() {
            let below = if path.is_empty() { field.clone() } else { format!("{path}.{field}") };
            todo.extend(map_below(schema, property, below));
        }
    }
    let mut out = String::new();
    for (name, paths) in places {
        let map = definition(schema, &name);
        let title: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
        let title = if name.is_empty() { "The document".to_owned() } else { title.join(", ") };
        out += &format!("\n### {title}\n\n{}\n\n| field | is | |\n|---|---|---|\n", words(map));
        let required: Vec<&str> =
            map["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (field, property) in map["properties"].as_object().unwrap() {
            let must = if required.contains(&field.as_str()) { ", required" } else { "" };
            out += &format!("| `{field}` | {}{must} | {} |\n", kind(schema, property), words(property));
        }
    }
    out
}

/// The definition of this name; the document itself without one.
fn definition<'s>(schema: &'s Value, name: &str) -> &'s Value {
    if name.is_empty() { schema } else { &schema["$defs"][name] }
}

/// What is behind references and behind "or nothing".
fn behind<'s>(schema: &'s Value, property: &'s Value) -> (Option<String>, &'s Value) {
    if let Some(reference) = property["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap().to_owned();
        let found = definition(schema, &name);
        return (Some(name), found);
    }
    let some = property["anyOf"].as_array().into_iter().flatten().find(|option| option["type"] != "null");
    some.map_or((None, property), |option| behind(schema, option))
}

/// The map that stands under a field, or in its list: its definition, and where that is.
fn map_below(schema: &Value, property: &Value, path: String) -> Option<(String, String)> {
    let (name, found) = behind(schema, property);
    if is(found, "array") {
        return map_below(schema, &found["items"], format!("{path}[]"));
    }
    name.filter(|_| found["properties"].is_object()).map(|name| (name, path))
}

fn is(property: &Value, kind: &str) -> bool {
    let found = &property["type"];
    found == kind || found.as_array().is_some_and(|list| list.iter().any(|one| one == kind))
}

fn kind(schema: &Value, property: &Value) -> String {
    let (_, found) = behind(schema, property);
    let list = |values: &[Value]| {
        values.iter().map(|v| format!("`{}`", v.as_str().unwrap_or_default())).collect::<Vec<_>>()
    };
    if let Some(values) = found["enum"].as_array() {
        return format!("one of {}", list(values).join(", "));
    }
    if let Some(options) = found["oneOf"].as_array() {
        let values: Vec<Value> = options.iter().map(|option| option["const"].clone()).collect();
        return format!("one of {}", list(&values).join(", "));
    }
    if is(found, "array") {
        return format!("list: {}", kind(schema, &found["items"]));
    }
    let plain =
        [("string", "text"), ("integer", "number"), ("boolean", "`true` or `false`"), ("object", "map")];
    plain.iter().find(|(of, _)| is(found, of)).map_or("map", |(_, word)| word).to_owned()
}

fn words(described: &Value) -> String {
    let text = described["description"].as_str().expect("every field is described");
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
