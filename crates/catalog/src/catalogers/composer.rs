//! PHP: what Composer installed, by `vendor/composer/installed.json`.
//!
//! Composer writes the file itself (version 2: an object with `packages`; version 1: a list). The names, versions
//! and licences are those of each package's own `composer.json` and of the archive it came from. A root package is
//! not in it.

use super::{Cataloger, Fact, Parsed, dependencies_left_out, field};
use crate::collect::Collector;
use crate::pack::pack;
use crate::squash::{Snapshots, State, View};
use crate::{limits, path};
use seaworthy_sbom::inventory::{Ecosystem, Package, RelationshipKind};
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) struct Composer;

/// One package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) licenses: Vec<String>,
    authors: Vec<String>,
    homepage: Option<String>,
    summary: Option<String>,
    pub(super) requires: Vec<String>,
}
pack!(struct Entry { name, version, licenses, authors, homepage, summary, requires });

impl Cataloger for Composer {
    fn name(&self) -> &'static str {
        "composer"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`vendor/composer/installed.json`",
            gives: "packages, licences, edges",
            cannot_know: "the root package",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        (path == "vendor/composer/installed.json" || path.ends_with("/vendor/composer/installed.json"))
            .then_some(limits::LIST_BYTES)
    }

    fn parse(&self, _: &str, content: &[u8]) -> Result<Parsed, String> {
        let json: Value = serde_json::from_slice(content).map_err(|e| format!("no JSON: {e}"))?;
        let (found, notes) = entries(json.get("packages").unwrap_or(&json))?;
        Ok(Parsed { fact: Fact::Composer(found), notes })
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        for (path, last, parsed) in view.parsed() {
            let Fact::Composer(entries) = &parsed.fact else { continue };
            let snapshots = Snapshots::new(&[view.history(path)], keys);
            let mut handles: BTreeMap<String, usize> = BTreeMap::new();
            for entry in entries {
                let mut package = package(entry);
                package.evidence.push(view.evidence(path, last));
                let since = snapshots.since(&(entry.name.clone(), entry.version.clone())).unwrap_or(last);
                handles.insert(entry.name.to_ascii_lowercase(), out.add(package, since));
            }
            for entry in entries {
                let Some(from) = handles.get(&entry.name.to_ascii_lowercase()) else { continue };
                for name in &entry.requires {
                    if let Some(to) = handles.get(&name.to_ascii_lowercase()) {
                        out.relate(*from, RelationshipKind::DependsOn, *to);
                    }
                }
            }
        }
    }
}

fn keys(state: &State) -> Vec<(String, String)> {
    match state.fact() {
        Some(Fact::Composer(entries)) => {
            entries.iter().map(|e| (e.name.clone(), e.version.clone())).collect()
        }
        _ => Vec::new(),
    }
}

fn package(entry: &Entry) -> Package {
    let mut package = Package::new(Ecosystem::Composer, &entry.name, Some(entry.version.clone()));
    package.license.declared = entry.licenses.clone();
    package.originator = (!entry.authors.is_empty()).then(|| entry.authors.join(", "));
    package.homepage = entry.homepage.clone();
    package.description = entry.summary.clone();
    package
}

/// The packages of a list, and what was left out of it.
pub(super) fn entries(list: &Value) -> Result<(Vec<Entry>, Vec<String>), String> {
    let list = list.as_array().ok_or("no list of packages")?;
    if list.len() > limits::DATABASE_PACKAGES {
        return Err(format!("{} packages, more than the limit of {}", list.len(), limits::DATABASE_PACKAGES));
    }
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for value in list {
        match entry(value) {
            Some(entry) => {
                let named = value.get("require").and_then(Value::as_object).map_or(0, |all| all.len());
                notes.extend(dependencies_left_out(&entry.name, named));
                found.push(entry);
            }
            None => {
                let name = value.get("name").and_then(Value::as_str).unwrap_or_default();
                notes.push(format!("'{}' has no proper name and version", path::shown(name.as_bytes())));
            }
        }
    }
    notes.truncate(limits::GAPS);
    Ok((found, notes))
}

fn entry(value: &Value) -> Option<Entry> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).and_then(field);
    let texts = |key: &str| match value.get(key) {
        Some(Value::Array(all)) => all.iter().take(100).filter_map(Value::as_str).filter_map(field).collect(),
        Some(Value::String(one)) => field(one).into_iter().collect(),
        _ => Vec::new(),
    };
    let name = text("name").filter(|name| is_name(name))?;
    let version = text("version").filter(|v| !v.contains(|c: char| c.is_whitespace() || c.is_control()))?;
    let authors = value.get("authors").and_then(Value::as_array).into_iter().flatten().take(100);
    let requires = value.get("require").and_then(Value::as_object).into_iter().flatten();
    Some(Entry {
        licenses: texts("license"),
        authors: authors.filter_map(|a| a.get("name").and_then(Value::as_str).and_then(field)).collect(),
        homepage: text("homepage"),
        summary: text("description").and_then(|d| d.lines().next().and_then(field)),
        // `php` and `ext-json` have no vendor: they are not Composer's.
        requires: requires
            .map(|(name, _)| name)
            .filter(|name| is_name(name))
            .take(limits::DEPENDENCIES)
            .cloned()
            .collect(),
        name,
        version,
    })
}

/// `vendor/name` (getcomposer.org, "The composer.json schema").
fn is_name(name: &str) -> bool {
    let plain = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    };
    name.len() <= 256 && name.split_once('/').is_some_and(|(vendor, name)| plain(vendor) && plain(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_versions_of_the_file() {
        let list = r#"[{"name":"monolog/monolog","version":"3.5.0","license":["MIT"],"require":{"php":">=8.1","psr/log":"^2"}},{"name":"x"}]"#;
        for text in [list.to_owned(), format!(r#"{{"packages":{list},"dev":true}}"#)] {
            let parsed = Composer.parse("", text.as_bytes()).unwrap();
            let Fact::Composer(found) = &parsed.fact else { panic!() };
            assert_eq!((found.len(), parsed.notes.len()), (1, 1));
            assert_eq!(found[0].requires, ["psr/log"]);
            assert_eq!(found[0].licenses, ["MIT"]);
        }
        assert!(Composer.parse("", b"{}").is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in any::<Vec<u8>>(), name in "\\PC{0,20}", version in "\\PC{0,9}") {
            let _ = Composer.parse("", &bytes);
            let json = serde_json::json!([{"name": name, "version": version, "license": [1, name]}]);
            let _ = entries(&json);
        }
    }
}
