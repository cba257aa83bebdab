//! The texts in a Java archive: the manifest, `pom.properties`, `pom.xml`, and a JVM's `release`.
//!
//! Values with a placeholder (`${project.version}`) say nothing and are left out. XML is read for the text of
//! known elements alone: no entities, no document types, nothing from elsewhere.

use super::super::field;
use std::collections::BTreeMap;

/// Text of one value; coordinates and licence names are short.
const VALUE_BYTES: usize = 1 << 10;
/// Licences of one archive.
const LICENCES: usize = 16;
/// Elements in elements that are kept apart; those below are skipped.
const XML_DEPTH: usize = 16;

/// A value that says something.
pub(super) fn value(text: &str) -> Option<String> {
    field(text).filter(|t| t.len() <= VALUE_BYTES && !t.contains("${") && !t.chars().any(char::is_control))
}

/// The main attributes of `META-INF/MANIFEST.MF`: names in lower case; a line that begins with a blank goes
/// on with the one before it, an empty line ends them (JAR file specification, "Name-Value pairs").
pub(super) fn manifest(text: &str) -> BTreeMap<String, String> {
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    let mut last: Option<String> = None;
    for line in text.lines() {
        if line.is_empty() {
            break;
        }
        if let Some(more) = line.strip_prefix(' ') {
            if let Some(value) = last.as_ref().and_then(|name| out.get_mut(name)) {
                value.push_str(more);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            let name = name.trim().to_ascii_lowercase();
            out.insert(name.clone(), value.trim().to_owned());
            last = Some(name);
        }
    }
    out
}

/// Keys and values of `pom.properties`. Escapes of the format do not occur in coordinates.
pub(super) fn properties(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with(['#', '!']))
        .filter_map(|line| line.split_once(['=', ':']))
        .map(|(key, value)| (key.trim(), value.trim()))
        .collect()
}

/// A JVM's `release`: keys and values in quotes.
pub(super) fn release(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim().trim_matches('"')))
        .collect()
}

/// What a `pom.xml` says of its own project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pom {
    pub(super) group: Option<String>,
    pub(super) artifact: Option<String>,
    pub(super) version: Option<String>,
    pub(super) licences: Vec<String>,
    pub(super) url: Option<String>,
    pub(super) organization: Option<String>,
}

/// Reads a `pom.xml`.
pub(super) fn pom(text: &str) -> Pom {
    let mut pom = Pom::default();
    let (mut parent_group, mut parent_version) = (None, None);
    let mut own_version = false;
    let mut path: Vec<&str> = Vec::new();
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        if depth == path.len() && !before.trim().is_empty() {
            own_version |= path.as_slice() == ["project", "version"];
            let slot = match path.as_slice() {
                ["project", "groupId"] => Some(&mut pom.group),
                ["project", "artifactId"] => Some(&mut pom.artifact),
                ["project", "version"] => Some(&mut pom.version),
                ["project", "url"] => Some(&mut pom.url),
                ["project", "organization", "name"] => Some(&mut pom.organization),
                ["project", "parent", "groupId"] => Some(&mut parent_group),
                ["project", "parent", "version"] => Some(&mut parent_version),
                ["project", "licenses", "license", "name"] => {
                    if pom.licences.len() < LICENCES {
                        pom.licences.extend(value(&unescape(before)));
                    }
                    None
                }
                _ => None,
            };
            if let Some(slot) = slot.filter(|slot| slot.is_none()) {
                *slot = value(&unescape(before));
            }
        }
        let end = |mark: &str| tag.find(mark).map_or(tag.len(), |at| at + mark.len());
        let after = if tag.starts_with("<!--") {
            end("-->")
        } else if tag.starts_with("<![CDATA[") {
            end("]]>")
        } else {
            end(">")
        };
        let (this, next) = tag.split_at(after);
        rest = next;
        if this.starts_with("<!") || this.starts_with("<?") {
            continue;
        }
        let inner = this.trim_start_matches('<').trim_end_matches('>');
        if inner.starts_with('/') {
            if depth == path.len() {
                path.pop();
            }
            depth = depth.saturating_sub(1);
        } else if !inner.ends_with('/') {
            if depth == path.len() && depth < XML_DEPTH {
                path.push(inner.split_whitespace().next().unwrap_or_default());
            }
            depth += 1;
        }
    }
    pom.group = pom.group.or(parent_group);
    // A version that is a placeholder is unknown, and not the parent's.
    if !own_version {
        pom.version = parent_version;
    }
    pom
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

/// `slf4j-api-1.7.36`: the name and the version. A version begins with a digit after a hyphen, at the last
/// place where that is not inside a version itself (`1.0-beta-9`, `2.0-20240101.120000-3`).
pub(super) fn split_file_name(stem: &str) -> (&str, Option<&str>) {
    let parts: Vec<(usize, &str)> =
        stem.match_indices('-').map(|(at, _)| (at, stem.get(at + 1..).unwrap_or_default())).collect();
    let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let mut found = None;
    for (number, (at, rest)) in parts.iter().enumerate().rev() {
        if !digit(rest) || *at == 0 {
            continue;
        }
        found = Some(*at);
        // The part before it, up to the hyphen before that.
        let before = number.checked_sub(1).and_then(|n| parts.get(n)).map_or(0, |(at, _)| at + 1);
        let part = stem.get(before..*at).unwrap_or_default().to_ascii_lowercase();
        let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
        let cycle = [
            "alpha",
            "beta",
            "b",
            "m",
            "milestone",
            "rc",
            "cr",
            "snapshot",
            "sp",
            "ga",
            "pre",
            "build",
            "jre",
            "incubating",
        ];
        let inside = before > 0 && (digit(&part) || cycle.contains(&word));
        if !inside {
            break;
        }
    }
    match found {
        Some(at) => (stem.get(..at).unwrap_or(stem), stem.get(at + 1..)),
        None => (stem, None),
    }
}

/// A version from a file name without what Maven's assembly and Gradle's shadow plugin write behind it: the
/// same project with its dependencies in it.
pub(super) fn without_classifier(version: &str) -> &str {
    let classifiers =
        ["-jar-with-dependencies", "-with-dependencies", "-all", "-shaded", "-uber", "-fat", "-standalone"];
    classifiers.iter().find_map(|end| version.strip_suffix(end)).filter(|v| !v.is_empty()).unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn file_names() {
        for (stem, name, version) in [
            ("slf4j-api-1.7.36", "slf4j-api", Some("1.7.36")),
            ("log4j-1.2-api-2.17.1", "log4j-1.2-api", Some("2.17.1")),
            ("scala_2.13-1.0-beta-9", "scala_2.13", Some("1.0-beta-9")),
            ("lib-1.0-SNAPSHOT", "lib", Some("1.0-SNAPSHOT")),
            ("lib-1.0-20240101.120000-3", "lib", Some("1.0-20240101.120000-3")),
            ("netty-all-4.1.100.Final", "netty-all", Some("4.1.100.Final")),
            ("guava-31.1-jre", "guava", Some("31.1-jre")),
            ("commons-lang3-3.12.0", "commons-lang3", Some("3.12.0")),
            ("app", "app", None),
            ("-1", "-1", None),
        ] {
            assert_eq!(split_file_name(stem), (name, version), "{stem}");
        }
    }

    #[test]
    fn classifiers_are_no_part_of_a_version() {
        for (said, version) in [
            ("1.0.5-jar-with-dependencies", "1.0.5"),
            ("2.0-all", "2.0"),
            ("31.1-jre", "31.1-jre"),
            ("1.0-all-2", "1.0-all-2"),
        ] {
            assert_eq!(without_classifier(said), version, "{said}");
        }
    }

    #[test]
    fn a_pom_speaks_for_itself_and_its_parent() {
        let text = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e \"boom\">]><project xmlns='x'>\
            <!-- <version>0</version> --><parent><groupId>org.p</groupId><version>3</version></parent>\
            <artifactId> a </artifactId><version>${revision}</version><name/>\
            <licenses><license><name>A &amp; B</name></license></licenses>\
            <dependencies><dependency><groupId>other</groupId><version>9</version></dependency></dependencies></project>";
        let pom = pom(text);
        assert_eq!(pom.group.as_deref(), Some("org.p"));
        assert_eq!(pom.artifact.as_deref(), Some("a"));
        assert_eq!(pom.version, None, "a placeholder is not the parent's version");
        assert_eq!(pom.licences, ["A & B"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(<|>|/|!--|-->|<project>|</|-|[a-z0-9 =:\n]|\\PC){0,60}") {
            pom(&text);
            manifest(&text);
            properties(&text);
            let (name, version) = split_file_name(&text);
            prop_assert!(name.len() + version.map_or(0, |v| v.len() + 1) == text.len());
        }
    }
}
