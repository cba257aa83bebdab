use super::schema::{KEYWORDS, UNIQUE};
use super::{PROBLEMS, Schema, formats, schemas, validate};
use crate::documents::{self, Kind};
use crate::inventory::{Creator, Ecosystem, Inventory, Package};
use crate::{ErrorKind, Layout, cyclonedx};
use serde_json::{Value, json};

/// Calls `each` for every schema within `schema`.
fn walk<'s>(schema: &'s Value, each: &mut impl FnMut(&'s str, &'s Value)) {
    let Value::Object(fields) = schema else {
        assert!(schema.is_boolean(), "{schema} is no schema");
        return;
    };
    for (key, value) in fields {
        each(key, value);
        match (key.as_str(), value) {
            ("properties" | "definitions", Value::Object(named)) => {
                named.values().for_each(|s| walk(s, each))
            }
            ("allOf" | "anyOf" | "oneOf" | "items", Value::Array(all)) => {
                all.iter().for_each(|s| walk(s, each))
            }
            ("items" | "additionalItems" | "additionalProperties" | "not" | "if" | "then" | "else", one) => {
                walk(one, each);
            }
            _ => {}
        }
    }
}

#[test]
fn every_keyword_pattern_and_format_of_the_schemas_is_understood() {
    let all = schemas().unwrap();
    let mut patterns = 0;
    for (name, schema) in all.iter().filter(|(name, _)| *name != "spdx-3.0.1" && !name.ends_with(".xsd")) {
        walk(schema, &mut |key, value| {
            assert!(KEYWORDS.contains(&key) || key == UNIQUE, "{name}: {key}");
            match (key, value.as_str()) {
                ("pattern", Some(pattern)) => {
                    patterns += 1;
                    assert!(regex_lite::Regex::new(pattern).is_ok(), "{name}: {pattern}");
                }
                ("format", Some(format)) => {
                    assert!(formats::conforms(format, "").is_some(), "{name}: {format}");
                }
                ("$ref", Some(target)) => {
                    let (file, pointer) = target.split_once('#').unwrap_or((target, ""));
                    let root = if file.is_empty() { schema } else { &all[file] };
                    assert!(root.pointer(pointer).is_some(), "{name}: {target}");
                }
                _ => {}
            }
        });
    }
    assert!(patterns > 20);
    for class in all["spdx-3.0.1"].as_object().unwrap().values() {
        for property in class["properties"].as_object().unwrap().values() {
            let kinds =
                ["object", "enum", "string", "time", "integer", "natural", "positive", "boolean", "number"];
            assert!(kinds.contains(&property[0].as_str().unwrap()), "{property}");
        }
        for parent in class["parents"].as_array().unwrap() {
            assert!(all["spdx-3.0.1"].get(parent.as_str().unwrap()).is_some(), "{parent}");
        }
    }
}

fn inventory() -> Inventory {
    let mut package = Package::new(Ecosystem::Deb, "libc6", Some("2.36".into()));
    package.supplier = Some("GNU Libc Maintainers <libc@example.org>".into());
    package.purl = Some("pkg:deb/debian/libc6@2.36".into());
    package.homepage = Some("https://example.org/libc".into());
    package.license.expression = Some("LGPL-2.1-or-later".into());
    let mut inventory = Inventory {
        created: Some(1_700_000_000),
        creators: vec![Creator::Tool { name: "seaworthy".into(), version: Some("1".into()) }],
        packages: vec![package],
        ..Inventory::default()
    };
    inventory.subject.name = "app".into();
    inventory.subject.digest = Some(format!("sha256:{}", "a".repeat(64)));
    inventory.normalize();
    inventory
}

fn text(kind: Kind) -> String {
    let mut bytes = Vec::new();
    documents::write(kind, &inventory(), Layout::Compact, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn document(kind: Kind) -> Value {
    serde_json::from_str(&text(kind)).unwrap()
}

fn kinds() -> Vec<(Kind, Schema)> {
    let mut all = vec![(Kind::SpdxJson, Schema::Spdx2), (Kind::Spdx3Json, Schema::Spdx3)];
    all.extend(cyclonedx::Version::ALL.map(|v| (Kind::CycloneDxJson(v), Schema::CycloneDx(v))));
    all.extend(cyclonedx::Version::ALL.map(|v| (Kind::CycloneDxXml(v), Schema::CycloneDxXml(v))));
    all
}

#[test]
fn what_is_written_here_is_valid() {
    for (kind, schema) in kinds() {
        let report = validate(text(kind).as_bytes()).unwrap();
        assert_eq!((report.schema, report.problems, report.more), (schema, vec![], false), "{kind}");
    }
}

/// One change, and what is said of it: where, what was expected, what came.
#[test]
fn each_problem_is_told_with_its_place() {
    let spoiled = |kind, pointer: &str, value: Value| {
        let mut document = document(kind);
        match pointer.rsplit_once('/') {
            Some((parent, key)) => match document.pointer_mut(parent).unwrap() {
                Value::Object(fields) if value.is_null() => drop(fields.remove(key)),
                Value::Object(fields) => drop(fields.insert(key.to_owned(), value)),
                Value::Array(items) => items.push(value),
                other => panic!("{other}"),
            },
            None => document = value,
        }
        let report = validate(document.to_string().as_bytes()).unwrap();
        let told = report.problems.into_iter().map(|p| format!("{} | {} | {}", p.path, p.expected, p.found));
        told.collect::<Vec<_>>().join("\n")
    };
    let cdx = Kind::CycloneDxJson(cyclonedx::Version::V1_6);
    for (kind, pointer, value, told) in [
        (
            cdx,
            "/components/0/type",
            json!("libary"),
            "/components/0/type | one of application, framework, library",
        ),
        (cdx, "/components/0/name", Value::Null, "/components/0 | the field name | an object with"),
        (cdx, "/components/0/nmae", json!("x"), "/components/0/nmae | no such field | string \"x\""),
        (
            cdx,
            "/components/0/version",
            json!(2),
            "/components/0/version | a value of the type string | number 2",
        ),
        (
            cdx,
            "/metadata/timestamp",
            json!("yesterday"),
            "/metadata/timestamp | text of the format date-time | string",
        ),
        (cdx, "/serialNumber", json!("urn:uuid:1"), "/serialNumber | text like ^urn:uuid"),
        (cdx, "/version", json!(0), "/version | at least 1 | number 0"),
        (
            cdx,
            "/components/0/hashes",
            json!([{"alg":"SHA-256","content":"xyz"}]),
            "/components/0/hashes/0/content | text like",
        ),
        (
            cdx,
            "/dependencies/-",
            json!({"ref":"a","dependsOn":["b","b"]}),
            "/dependencies/2/dependsOn | no item twice | a list of 2",
        ),
        (
            cdx,
            "/components/0/licenses",
            json!([{"license":{"id":"MIT","name":"MIT"}}]),
            "/components/0/licenses/0/license",
        ),
        (
            cdx,
            "/components/0/licenses",
            json!([{"license":{"id":"Nobodys"}}]),
            "/components/0/licenses/0/license/id | one of the ",
        ),
        (
            cdx,
            "/components/0/externalReferences/0/url",
            json!("a b"),
            "/components/0/externalReferences/0/url",
        ),
        (
            Kind::SpdxJson,
            "/packages/0/downloadLocation",
            Value::Null,
            "/packages/0 | the field downloadLocation | an object",
        ),
        (
            Kind::SpdxJson,
            "/packages/0/filesAnalyzed",
            json!("no"),
            "/packages/0/filesAnalyzed | a value of the type boolean",
        ),
        (
            Kind::SpdxJson,
            "/relationships/0/relationshipType",
            json!("LOVES"),
            "/relationships/0/relationshipType | one of the 45 values",
        ),
        (
            Kind::SpdxJson,
            "/creationInfo/creators",
            json!([]),
            "/creationInfo/creators | at least 1 items | a list of 0",
        ),
        (Kind::SpdxJson, "/a~1b", json!(1), "/a~01b | no such field | number 1"),
        (Kind::Spdx3Json, "/@graph/0/created", json!("2026"), "/@graph/0/created | a time like"),
        (Kind::Spdx3Json, "/@graph/0/createdBy", json!("urn:x"), "/@graph/0/createdBy | a list | string"),
        (
            Kind::Spdx3Json,
            "/@graph/0/createdBy",
            json!([]),
            "/@graph/0/createdBy | at least 1 items | a list of 0",
        ),
        (Kind::Spdx3Json, "/@graph/0/specVersion", json!("3"), "/@graph/0/specVersion | text like"),
        (
            Kind::Spdx3Json,
            "/@graph/1/type",
            json!("Boat"),
            "/@graph/1/type | the name of a class of SPDX 3.0.1 | string",
        ),
        (Kind::Spdx3Json, "/@graph/1/spdxId", Value::Null, "/@graph/1 | the field spdxId | an object"),
        (Kind::Spdx3Json, "/@graph/1/wheels", json!(4), "/@graph/1/wheels | no such field | number 4"),
        (
            Kind::Spdx3Json,
            "/@graph/1/creationInfo",
            json!("nowhere"),
            "/@graph/1/creationInfo | an IRI, a blank node or an object",
        ),
        (
            Kind::Spdx3Json,
            "/@graph/-",
            json!({"type":"Element","spdxId":"urn:x:y","creationInfo":"_:c"}),
            "a class of which there are objects",
        ),
        (
            Kind::Spdx3Json,
            "/@graph/1/creationInfo",
            json!({"type":"Tool","spdxId":"urn:x:y","creationInfo":"_:c"}),
            "/@graph/1/creationInfo/type | CreationInfo or a class below it",
        ),
        (Kind::Spdx3Json, "/extra", json!(1), "/extra | no such field | number 1"),
    ] {
        let found = spoiled(kind, pointer, value);
        assert!(found.contains(told), "{kind} {pointer}:\n{found}\nwanted: {told}");
    }
}

#[test]
fn a_hint_names_the_field_that_was_meant() {
    let mut document = document(Kind::SpdxJson);
    document["packages"][0]["downloadlocation"] = json!("NONE");
    let report = validate(document.to_string().as_bytes()).unwrap();
    assert_eq!(report.problems[0].hint.as_deref(), Some("did you mean downloadLocation?"));
}

#[test]
fn what_has_no_schema_here_is_refused_and_not_called_valid() {
    let kind = |text: &str| validate(text.as_bytes()).unwrap_err().kind;
    for text in [
        r#"{"spdxVersion":"SPDX-2.2"}"#,
        r#"{"bomFormat":"CycloneDX","specVersion":"1.3"}"#,
        r#"{"@context":"https://spdx.org/rdf/3.0.0/spdx-context.jsonld"}"#,
        "<bom/>",
        "<bom xmlns='http://cyclonedx.org/schema/bom/1.3'/>",
        "<tom xmlns='http://cyclonedx.org/schema/bom/1.6'/>",
    ] {
        assert!(matches!(kind(text), ErrorKind::Unsupported(_)), "{text}");
    }
    for text in ["", "[]", "{}", r#"{"spdxVersion":"SPDX-2.3","bomFormat":"CycloneDX"}"#] {
        assert!(matches!(kind(text), ErrorKind::UnknownFormat(_)), "{text}");
    }
    assert!(matches!(kind("{"), ErrorKind::Malformed(_)));
    assert!(matches!(kind("<bom"), ErrorKind::Malformed(_)));
}

#[test]
fn problems_are_told_up_to_a_limit() {
    let with = |count: usize| {
        let mut document = document(Kind::SpdxJson);
        document["packages"] = Value::Array(vec![json!({"SPDXID": "a", "name": "b"}); count]);
        validate(document.to_string().as_bytes()).unwrap()
    };
    let full = with(PROBLEMS);
    assert_eq!((full.problems.len(), full.more), (PROBLEMS, false));
    let over = with(PROBLEMS + 1);
    assert_eq!((over.problems.len(), over.more), (PROBLEMS, true));
}

#[test]
fn steps_are_bounded() {
    let mut findings = super::Findings { steps: super::STEPS - 1, ..super::Findings::default() };
    assert!(findings.step().is_ok());
    let error = findings.step().unwrap_err();
    assert_eq!(error.kind, ErrorKind::LimitExceeded { limit: "STEPS", value: super::STEPS });
}

/// Numbers are equal by value, whatever their notation; true is not one.
#[test]
fn integers_and_equality_are_those_of_json_schema() {
    let mut document = document(Kind::CycloneDxJson(cyclonedx::Version::V1_6));
    let valid = |document: &Value| validate(document.to_string().as_bytes()).unwrap().problems.is_empty();
    for (version, wanted) in
        [(json!(1.0), true), (json!(1.5), false), (json!(true), false), (json!("1"), false)]
    {
        document["version"] = version.clone();
        assert_eq!(valid(&document), wanted, "{version}");
    }
}

/// Where, what was expected and what came, of a CycloneDX 1.6 document in XML with one change.
#[test]
fn each_problem_of_xml_is_told_with_its_place() {
    let whole = text(Kind::CycloneDxXml(cyclonedx::Version::V1_6));
    for (before, after, told) in [
        ("type=\"library\"", "type=\"libary\"", "/bom/components[1]/component[1]/@type | one of application"),
        (
            " type=\"library\"",
            "",
            "/bom/components[1]/component[1] | the attribute type | an element component",
        ),
        ("<name>libc6</name>", "", "/bom/components[1]/component[1] | the element name | an element version"),
        (
            "<name>libc6</name>",
            "<version>1</version><name>libc6</name>",
            "/bom/components[1]/component[1] | the element name | an element version",
        ),
        (
            "<version>2.36</version>",
            "<version>2.36</version><name>b</name>",
            "/bom/components[1]/component[1] | no such element at this place | an element name",
        ),
        (
            "<version>2.36</version>",
            "<version>2.36</version><x xmlns=\"\"/>",
            "/bom/components[1]/component[1] | no such element at this place | an element x without namespace",
        ),
        (
            "<version>2.36</version>",
            "<version a=\"b\">2.36</version>",
            "/bom/components[1]/component[1]/version[1]/@a | no attribute",
        ),
        (
            "<version>2.36</version>",
            "<version><b/></version>",
            "/bom/components[1]/component[1]/version[1] | text, and no element in it | an element b",
        ),
        ("<metadata>", "<metadata>x", "/bom/metadata[1] | elements, and no text between them | text \"x\""),
        ("2023-11-14T22:13:20Z", "yesterday", "/bom/metadata[1]/timestamp[1] | a time like"),
        ("serialNumber=\"urn:uuid:", "serialNumber=\"urn:", "/bom/@serialNumber | text like urn:uuid"),
        ("version=\"1\">", "version=\"0\">", "/bom/@version | a whole number from 1 on | text \"0\""),
        ("<bom ", "<bom xmlns:f=\"urn:f\" f:a=\"b\" own=\"c\" ", ""),
        ("</bom>", "<f:x xmlns:f=\"urn:f\"><f:y/><bom/></f:x></bom>", ""),
        (
            "</bom>",
            "<f:x xmlns:f=\"urn:f\"><bom><tools/></bom></f:x></bom>",
            "/bom/x[1]/bom | no such element at this place | an element tools",
        ),
        ("</bom>", "<f:x xmlns:f=\"urn:f\"/><properties/></bom>", "/bom | no such element at this place"),
        (
            "<bom ",
            "<bom xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:schemaLocation=\"a b\" ",
            "",
        ),
        (
            "<bom ",
            "<bom xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"false\" ",
            "/bom/@xsi:nil | no such attribute",
        ),
        ("<licenses>", "<scope/><licenses>", ""),
        (
            "<licenses>",
            "<modified/><licenses>",
            "/bom/components[1]/component[1] | no such element at this place",
        ),
    ] {
        assert!(whole.contains(before), "{before} is not in\n{whole}");
        let changed = whole.replacen(before, after, 1);
        let report = validate(changed.as_bytes()).unwrap();
        let problems =
            report.problems.into_iter().map(|p| format!("{} | {} | {}", p.path, p.expected, p.found));
        let found = problems.collect::<Vec<_>>().join("\n");
        assert!(
            if told.is_empty() { found.is_empty() } else { found.contains(told) },
            "{after}:\n{found}\n{whole}"
        );
    }
    let own_type = "<bom xmlns='http://cyclonedx.org/schema/bom/1.6' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type='x'/>";
    assert!(matches!(validate(own_type.as_bytes()).unwrap_err().kind, ErrorKind::Unsupported(_)));
}

/// `bom-ref` is there once, in the whole document.
#[test]
fn names_are_given_once_in_xml() {
    let of = |second: &str| {
        let component =
            |name: &str| format!("<component type='library' bom-ref='{name}'><name>x</name></component>");
        let (one, two) = (component("a"), component(second));
        let text = format!(
            "<bom xmlns='http://cyclonedx.org/schema/bom/1.5'><components>{one}{two}</components></bom>"
        );
        validate(text.as_bytes()).unwrap().problems
    };
    assert_eq!(of("b"), []);
    let problems = of("a");
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].path, "/bom/components[1]/component[2]/@bom-ref");
}
