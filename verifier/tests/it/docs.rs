//! The documentation says what the code does.

use crate::lab::now;
use seaworthy_verifier::{Policy, Refusal};
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
        if block.contains("kind: ImagePolicy") {
            Policy::parse(block, Path::new(origin), now()).unwrap_or_else(|e| panic!("{e}\n{block}"));
            count += 1;
        }
    }
    assert!(count >= 2);
}

/// Every field of the schema is described on the page, and the examples use each of them.
#[test]
fn every_field_is_on_the_page_and_in_an_example() {
    let schema: serde_json::Value = serde_json::from_str(&doc("policy.schema.json")).unwrap();
    let (page, example) = (
        doc("policy.md"),
        std::fs::read_to_string(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../testdata/policies/good/everything.yaml"
        ))
        .unwrap(),
    );
    let mut fields = BTreeSet::new();
    properties(&schema, &mut fields);
    assert!(fields.contains("maxAge") && fields.contains("trustedRoot"), "{fields:?}");
    for field in fields {
        assert!(page.contains(&format!("`{field}`")), "{field} is not described in policy.md");
        assert!(example.contains(&format!("{field}:")), "{field} is in no example");
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
