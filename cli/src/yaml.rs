//! YAML (and with it JSON) from outside: bounded, without anchors, and with the line of every value.
//!
//! Refused: anchors and aliases, a key written twice in one map, more depth or bytes than anybody writes by hand.

use crate::exit::{Failure, Outcome};
use serde::de::DeserializeOwned;
use std::io::Read as _;
use std::path::Path;

/// A file of this kind is written by people: the longest known policies of others have a few hundred lines.
pub(crate) const YAML_BYTES: u64 = 4 << 20;
/// How deep maps and lists may stand in each other; a Kubernetes resource needs about fifteen.
const YAML_DEPTH: usize = 48;

/// The documents in `text`, which came from `origin`.
///
/// # Errors
/// With the place of the first thing that is wrong.
pub(crate) fn documents<T: DeserializeOwned>(text: &str, origin: &Path) -> Outcome<Vec<T>> {
    seaworthy_yaml::documents(text, YAML_DEPTH).map_err(|error| at(&error, origin))
}

/// The documents in `text`, which came from `origin`, as trees.
///
/// # Errors
/// With the place of the first thing that is wrong.
pub(crate) fn trees(text: &str, origin: &Path) -> Outcome<Vec<seaworthy_yaml::Node>> {
    let mut trees = seaworthy_yaml::parse(text, YAML_DEPTH).map_err(|error| at(&error, origin))?;
    trees.retain(|tree| !tree.is_null());
    Ok(trees)
}

fn at(error: &seaworthy_yaml::Error, origin: &Path) -> Failure {
    let at = error.place().map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default();
    Failure::broken(format!("{}{at}: {}", origin.display(), error.message()))
}

/// The text of the file at `path`; `-` is standard input.
///
/// # Errors
/// Where it cannot be read, is larger than [`YAML_BYTES`], or is no UTF-8.
pub(crate) fn read(path: &Path) -> Outcome<String> {
    let fail = |e: std::io::Error| Failure::local(format!("cannot read {}: {e}", path.display()));
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(YAML_BYTES + 1).read_to_end(&mut bytes).map_err(fail)?;
    } else {
        std::fs::File::open(path)
            .map_err(fail)?
            .take(YAML_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(fail)?;
    }
    if bytes.len() as u64 > YAML_BYTES {
        return Err(Failure::broken(format!("{} is larger than {} MiB", path.display(), YAML_BYTES >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| Failure::broken(format!("{} is no UTF-8", path.display())))
}

/// `text` as a YAML scalar: plain where that cannot be misread, else in double quotes.
pub(crate) fn scalar(text: &str) -> String {
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '/');
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._@+-: ".contains(c));
    // What is behind `: ` is the value of a map.
    let rest = rest && !text.contains(": ") && !text.ends_with([':', ' ']);
    // Words that YAML 1.1 or 1.2 read as something else than text.
    let word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n" | "nan" | "inf"
    );
    if first && rest && !word { text.to_owned() } else { quoted(text) }
}

/// `text` in double quotes, as JSON and YAML both read it.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{YAML_BYTES, documents, read, scalar};
    use serde_json::Value;
    use std::path::Path;

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for bad in ["a: 1\na: 2\n", "a: &x 1\nb: *x\n"] {
            assert!(documents::<Value>(bad, Path::new("x.yaml")).is_err(), "{bad}");
        }
        let deep = format!("{}{}", "[".repeat(super::YAML_DEPTH + 1), "]".repeat(super::YAML_DEPTH + 1));
        assert!(documents::<Value>(&deep, Path::new("x.yaml")).is_err());
    }

    #[test]
    fn a_file_at_the_limit_is_read_and_one_beyond_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, vec![b' '; YAML_BYTES as usize]).unwrap();
        assert!(read(&path).is_ok());
        std::fs::write(&path, vec![b' '; YAML_BYTES as usize + 1]).unwrap();
        assert!(read(&path).unwrap_err().message.contains("larger than"));
    }

    #[test]
    fn a_scalar_reads_as_what_it_was() {
        for text in [
            "release",
            "no",
            "1.0",
            "",
            "a: b",
            "- x",
            "#",
            "a\nb",
            "\"",
            "registry.example/a/**",
            "~",
            "a b ",
            "x:1",
            "x:",
        ] {
            let read: Vec<Value> = documents(&format!("k: {}\n", scalar(text)), Path::new("x.yaml")).unwrap();
            assert_eq!(read[0]["k"], *text, "{text:?}");
        }
    }
}
