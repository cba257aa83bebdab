//! The documentation says what the code does.

use crate::lab::now;
use seaworthy_verifier::{PolicySet, Refusal};
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
