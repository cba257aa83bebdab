//! What is read, what is refused, and where it is said to be.

#![allow(clippy::unwrap_used)]

use seaworthy_yaml::{BYTES, DOCUMENTS, NODES, Place, Spanned, document, documents, parse};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const DEPTH: usize = 8;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Doc {
    name: Spanned<String>,
    mode: Option<Mode>,
    threshold: Option<Spanned<u32>>,
    port: Option<u16>,
    strict: Option<bool>,
    #[serde(default)]
    rules: Vec<Spanned<Rule>>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Rule {
    by: Spanned<Vec<Spanned<String>>>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Enforce,
    Warn,
}

fn wrong(text: &str) -> String {
    document::<Doc>(text, DEPTH).unwrap_err().to_string()
}

#[test]
fn every_value_is_at_its_place() {
    let text = "# a comment\nname: x\nmode: warn\nthreshold: 2\nrules:\n  - by: [a, 'b']\n  - {by: [c]}\n";
    let doc: Doc = document(text, DEPTH).unwrap();
    assert_eq!((doc.name.value.as_str(), doc.name.place), ("x", Place { line: 2, column: 7 }));
    assert_eq!(doc.mode, Some(Mode::Warn));
    let threshold = doc.threshold.unwrap();
    assert_eq!((threshold.value, threshold.place), (2, Place { line: 4, column: 12 }));
    assert_eq!(doc.rules[0].place, Place { line: 6, column: 5 });
    assert_eq!(doc.rules[0].value.by.value[1].place, Place { line: 6, column: 13 });
    assert_eq!(doc.rules[1].place, Place { line: 7, column: 5 });
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    for (text, message) in [
        (
            "name: a\nnmae: b\n",
            "line 2, column 1: unknown field `nmae`, expected one of name, mode, threshold, port, strict, rules, labels",
        ),
        ("mode: warn\n", "line 1, column 1: missing field `name`"),
        ("name: a\nrules:\n  - {}\n", "line 3, column 5: missing field `by`"),
        ("name: a\nmode: wran\n", "line 2, column 7: unknown variant `wran`, expected one of enforce, warn"),
        ("name: [a]\n", "line 1, column 7: expected a text, found a list"),
        ("name:\nmode: warn\n", "line 1, column 5: expected a text, found nothing"),
        ("name: a\nrules: {by: [a]}\n", "line 2, column 8: expected a list, found a map"),
        ("name: a\nrules: [by]\n", "line 2, column 9: expected a map, found a text"),
        ("name: a\nthreshold: two\n", "line 2, column 12: expected a whole number, found a text"),
        ("name: a\nthreshold: 1.5\n", "line 2, column 12: expected a whole number, found a number"),
        ("name: a\nport: 65536\n", "line 2, column 7: invalid value: integer `65536`, expected u16"),
        ("name: a\nport: -1\n", "line 2, column 7: invalid value: integer `-1`, expected u16"),
        ("name: a\nport: 0127\n", "line 2, column 7: expected a whole number, found a text"),
        ("name: a\nstrict: maybe\n", "line 2, column 9: expected true or false, found a text"),
        ("name: a\nmode: warn\nname: b\n", "line 3, column 1: duplicate mapping key: name"),
        ("name: a\n\"name\": b\n", "line 2, column 1: duplicate mapping key: name"),
        ("name: a\nlabels: {x: 1, x: 2}\n", "line 2, column 16: duplicate mapping key: x"),
        ("[a]\n", "line 1, column 1: expected a map, found a list"),
    ] {
        assert_eq!(wrong(text), message, "{text}");
    }
}

#[test]
fn messages_repeat_nothing_that_a_terminal_obeys_and_nothing_long() {
    let long = "x".repeat(10_000);
    for text in [
        "name: a\n\"\\e[2J\": b\n".to_owned(),
        "name: a\nmode: \"\\e[2J\"\n".to_owned(),
        "{\"\\e[2J\": a, \"\\e[2J\": b}".to_owned(),
        format!("name: a\n? {long}\n: b\n"),
        format!("name: a\nmode: {long}\n"),
        format!("name: a\nlabels:\n  ? {long}\n  : b\n  ? {long}\n  : b\n"),
        format!("name: !{long} a\n"),
    ] {
        let wrong = wrong(&text);
        assert!(!wrong.contains(char::is_control) && wrong.len() < 300, "{wrong}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for (text, message) in [
        ("name: &x a\n", "an anchor (&)"),
        ("name: a\nrules: &x []\n", "an anchor (&)"),
        ("name: &x a\nlabels: {a: *x}\n", "an anchor (&)"),
        ("name: *x\n", "line 1, column 7: "),
        ("name: a\nlabels:\n  <<: {a: b}\n", "line 3, column 3: a merge key (<<)"),
        ("name: !secret a\n", "the tag !secret"),
        ("name: !!binary YQ==\n", "is not read here"),
        ("name: a\nthreshold: !!int 2\n", "is not read here"),
        ("name: a\nrules: !!map []\n", "is not read here"),
        ("? [name]\n: a\n", "a key must be a text"),
        ("? {name: a}\n: a\n", "a key must be a text"),
        ("name: a\nlabels: {~: b}\n", "a key must be a text"),
        ("name: a\n\tmode: warn\n", "found a tab"),
        ("name: 'a\n", "line "),
        ("name: a\n---\nname: b\n", "line 3, column 1: one document is wanted"),
        ("", "there is nothing in it"),
    ] {
        let wrong = wrong(text);
        assert!(wrong.contains(message), "{text}: {wrong}");
    }
}

#[test]
fn scalars_mean_what_yaml_says() {
    let text = "[no, 'no', ~, null, '', 1, -1, +2, 0x1f, 0o17, 0127, 1.5, 1e3, .5, 1.2.3, nan, .inf, 1_000, \
                18446744073709551615, 18446744073709551616, !!str 1, ! 2, 2026-01-01, v1]";
    let read: Value = document(text, DEPTH).unwrap();
    let wanted = json!([
        false,
        "no",
        null,
        null,
        "",
        1,
        -1,
        2,
        31,
        15,
        "0127",
        1.5,
        1000.0,
        0.5,
        "1.2.3",
        "nan",
        ".inf",
        "1_000",
        18446744073709551615u64,
        18446744073709551616.0,
        "1",
        "2",
        "2026-01-01",
        "v1"
    ]);
    assert_eq!(read, wanted);
    // Where a text is wanted, it is the text as it is written, whatever it could mean.
    let doc: Doc = document("{name: no, labels: {a: 1.10, b: true, c: 'x', 1: 0x1f}}", DEPTH).unwrap();
    assert_eq!(doc.name.value, "no");
    let labels: Vec<_> = doc.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(labels, [("1", "0x1f"), ("a", "1.10"), ("b", "true"), ("c", "x")]);
}

#[test]
fn blocks_of_text_and_json_are_read() {
    let doc: Doc = document("name: |\n  one\n  two\nmode: \"warn\"\n", DEPTH).unwrap();
    assert_eq!(doc.name.value, "one\ntwo\n");
    let doc: Doc = document("{\"name\": \"a\\u00e9\\/\",\n \"rules\": [{\"by\": [\"x\"]}]}", DEPTH).unwrap();
    assert_eq!(doc.name.value, "aé/");
    assert_eq!(doc.rules[0].place, Place { line: 2, column: 12 });
}

#[test]
fn empty_documents_of_a_stream_are_left_out() {
    let all: Vec<Doc> = documents("---\n# nothing\n---\nname: a\n...\n---\nname: b\n---\n", DEPTH).unwrap();
    assert_eq!(all.iter().map(|d| d.name.value.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(documents::<Doc>("", DEPTH).unwrap().is_empty());
    assert!(documents::<Doc>("# nothing\n", DEPTH).unwrap().is_empty());
    assert!(documents::<Doc>("name: a\n---\nname: [\n", DEPTH).is_err());
}

#[test]
fn limits_hold() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(parse(&deep(DEPTH), DEPTH).is_ok());
    assert!(parse(&deep(DEPTH + 1), DEPTH).unwrap_err().to_string().contains("deeper than 8"));

    let wide = |n: usize| format!("[{}]", "a,".repeat(n));
    assert!(parse(&wide(NODES - 1), DEPTH).is_ok());
    assert!(parse(&wide(NODES), DEPTH).unwrap_err().to_string().contains("NODES"));

    assert_eq!(parse(&"--- a\n".repeat(DOCUMENTS), DEPTH).unwrap().len(), DOCUMENTS);
    assert!(parse(&"--- a\n".repeat(DOCUMENTS + 1), DEPTH).unwrap_err().to_string().contains("DOCUMENTS"));

    assert!(parse(&" ".repeat(BYTES), DEPTH).is_ok());
    assert!(parse(&" ".repeat(BYTES + 1), DEPTH).unwrap_err().to_string().contains("BYTES"));
}
