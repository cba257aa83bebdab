//! npm: packages that stand directly in a `node_modules`.
//!
//! `node_modules/x/package.json` and `node_modules/@s/x/package.json` with a name and a version, where that
//! `node_modules` belongs to an application or to an installed package. What a package ships further down
//! (bundled `dist/compiled` copies, export stubs, test fixtures with a `node_modules` of their own) is part
//! of that package and not installed. An application's own `package.json` declares; it is not listed.

use super::{Cataloger, Fact, Parsed, field};
use crate::collect::Collector;
use crate::pack::pack;
use crate::squash::{Snapshots, State, View};
use crate::{limits, path};
use seaworthy_sbom::inventory::{Ecosystem, License, Package, RelationshipKind};
use seaworthy_sbom::license;
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) struct Npm;

/// What a `package.json` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    name: String,
    version: String,
    licenses: Vec<String>,
    author: Option<String>,
    homepage: Option<String>,
    summary: Option<String>,
    dependencies: Vec<String>,
}
pack!(struct Manifest { name, version, licenses, author, homepage, summary, dependencies });

impl Manifest {
    /// The licence as it is understood.
    pub(crate) fn license(&self) -> License {
        license::normalize(&self.licenses, Ecosystem::Npm)
    }
}

impl Cataloger for Npm {
    fn name(&self) -> &'static str {
        "npm"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`package.json` of packages in `node_modules`, pnpm's store included",
            gives: "packages with licence, author, dependencies as node finds them",
            cannot_know: "code that a bundler put into one file",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let dir = path.strip_suffix("/package.json")?;
        is_installed(dir).then_some(limits::PACKAGE_JSON_BYTES)
    }

    fn parse(&self, _: &str, content: &[u8]) -> Result<Parsed, String> {
        manifest(content)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        let mut by_dir: BTreeMap<&str, usize> = BTreeMap::new();
        let mut found = Vec::new();
        for (path, last, parsed) in view.parsed() {
            let Fact::Npm(manifest) = &parsed.fact else { continue };
            let mut package = Package::new(Ecosystem::Npm, &manifest.name, Some(manifest.version.clone()));
            package.license.declared = manifest.licenses.clone();
            package.originator = manifest.author.clone();
            package.homepage = manifest.homepage.clone();
            package.description = manifest.summary.clone();
            package.evidence.push(view.evidence(path, last));
            let handle = out.add(package, since(view, path, manifest).unwrap_or(last));
            let dir = path::split(path).0;
            by_dir.insert(dir, handle);
            found.push((handle, dir, manifest));
        }
        for (handle, dir, manifest) in found {
            for name in &manifest.dependencies {
                if let Some(to) = lookup(view, &by_dir, dir, name) {
                    out.relate(handle, RelationshipKind::DependsOn, to);
                }
            }
        }
    }
}

/// As node finds it: `node_modules` beside the code, then in each directory above; links are followed.
fn lookup(view: &View, by_dir: &BTreeMap<&str, usize>, from: &str, name: &str) -> Option<usize> {
    std::iter::once(from).chain(path::ancestors(from)).chain(std::iter::once("")).find_map(|dir| {
        if path::split(dir).1 == "node_modules" {
            return None;
        }
        let at = path::join(dir, &format!("node_modules/{name}"));
        by_dir.get(at.as_str()).or_else(|| by_dir.get(view.resolve(&at)?.as_str())).copied()
    })
}

fn since(view: &View, path: &str, manifest: &Manifest) -> Option<usize> {
    let key = |state: &State| match state.fact() {
        Some(Fact::Npm(m)) => vec![(m.name.clone(), m.version.clone())],
        _ => Vec::new(),
    };
    Snapshots::new(&[view.history(path)], key).since(&(manifest.name.clone(), manifest.version.clone()))
}

/// Whether `dir` is a package's directory in a `node_modules` of an application or of a package.
fn is_installed(dir: &str) -> bool {
    let mut rest = dir;
    let mut first = true;
    // From left to right: what stands between two node_modules must be one package.
    loop {
        let at = if rest == "node_modules" || rest.starts_with("node_modules/") {
            0
        } else if let Some(at) = rest.find("/node_modules/") {
            at + 1
        } else {
            return !first && is_package(rest);
        };
        let between = rest.get(..at).unwrap_or_default().trim_end_matches('/');
        if !first && !is_package(between) && !is_store(between) {
            return false;
        }
        first = false;
        rest = rest.get(at + "node_modules".len()..).unwrap_or_default().trim_start_matches('/');
    }
}

/// `x` or `@s/x`. Names that begin with a dot are npm's own (`.bin`, `.package-lock.json`).
fn is_package(part: &str) -> bool {
    let plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    match part.strip_prefix('@').and_then(|scoped| scoped.split_once('/')) {
        Some((scope, name)) => plain(scope) && plain(name),
        None => plain(part) && !part.starts_with('@'),
    }
}

/// pnpm's store: `node_modules/.pnpm/x@1.0.0/node_modules/x`.
fn is_store(part: &str) -> bool {
    part.strip_prefix(".pnpm/").is_some_and(|entry| !entry.is_empty() && !entry.contains('/'))
}

fn manifest(content: &[u8]) -> Result<Parsed, String> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let json: Value = serde_json::from_slice(content).map_err(|e| format!("no JSON: {e}"))?;
    let text = |key: &str| json.get(key).and_then(Value::as_str).and_then(field);
    let (Some(name), Some(version)) = (text("name"), text("version")) else {
        // A stub that only redirects exports, not a package.
        return Ok(Fact::Nothing.into());
    };
    if !is_name(&name) {
        return Err(format!("'{}' is no name of an npm package", path::shown(name.as_bytes())));
    }
    if version.contains(char::is_whitespace) || version.contains(char::is_control) {
        return Err(format!("'{}' is no version", path::shown(version.as_bytes())));
    }
    let mut notes = Vec::new();
    let mut dependencies = Vec::new();
    for key in ["dependencies", "optionalDependencies", "peerDependencies"] {
        let Some(found) = json.get(key).and_then(Value::as_object) else { continue };
        if found.len() > limits::DEPENDENCIES {
            notes.push(format!("{} {key}, more than the limit of {}", found.len(), limits::DEPENDENCIES));
            continue;
        }
        dependencies.extend(found.keys().filter(|name| is_name(name)).cloned());
    }
    dependencies.sort();
    dependencies.dedup();
    let manifest = Manifest {
        licenses: licences(&json),
        author: person(json.get("author")),
        homepage: text("homepage"),
        summary: text("description").and_then(|d| d.lines().next().and_then(field)),
        dependencies,
        name,
        version,
    };
    Ok(Parsed { fact: Fact::Npm(Box::new(manifest)), notes })
}

/// A name that npm would install, old ones with capitals included.
fn is_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~!*'()".contains(&b))
    };
    name.len() <= 214
        && match name.strip_prefix('@') {
            Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| plain(scope) && plain(name)),
            None => plain(name),
        }
}

/// `"license": "MIT"`, `{"type": "MIT"}`, and the old `"licenses": [{"type": "MIT"}]`.
fn licences(json: &Value) -> Vec<String> {
    let one = |value: &Value| {
        let text = value.as_str().or_else(|| value.get("type").and_then(Value::as_str));
        text.and_then(field)
    };
    let many = |value: &Value| match value {
        Value::Array(all) => all.iter().take(100).filter_map(one).collect(),
        other => one(other).into_iter().collect::<Vec<_>>(),
    };
    ["license", "licenses"]
        .into_iter()
        .filter_map(|key| json.get(key))
        .map(many)
        .find(|l| !l.is_empty())
        .unwrap_or_default()
}

fn person(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => field(text),
        Value::Object(parts) => {
            let part = |key: &str| parts.get(key).and_then(Value::as_str).and_then(field);
            match (part("name"), part("email")) {
                (Some(name), Some(mail)) => Some(format!("{name} <{mail}>")),
                (name, mail) => name.or(mail),
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_stands_directly_in_node_modules() {
        for yes in [
            "node_modules/a",
            "app/node_modules/@s/a",
            "usr/lib/node_modules/npm/node_modules/b",
            "app/node_modules/@s/a/node_modules/@t/b",
            "app/node_modules/.pnpm/a@1.0.0/node_modules/a",
        ] {
            assert!(is_installed(yes), "{yes}");
        }
        for no in [
            "app",
            "node_modules",
            "node_modules/@s",
            "node_modules/a/dist/compiled/b",
            "node_modules/resolve/test/x/node_modules/y",
            "node_modules/.bin",
            "node_modules/a/esm",
            "my_node_modules/a",
        ] {
            assert!(!is_installed(no), "{no}");
        }
    }

    #[test]
    fn forms_of_licences() {
        let read = |text: &str| match manifest(text.as_bytes()).unwrap().fact {
            Fact::Npm(manifest) => manifest.licenses,
            _ => panic!("no package"),
        };
        assert_eq!(read(r#"{"name":"a","version":"1","license":"MIT"}"#), ["MIT"]);
        assert_eq!(read(r#"{"name":"a","version":"1","license":{"type":"MIT","url":"x"}}"#), ["MIT"]);
        assert_eq!(
            read(r#"{"name":"a","version":"1","licenses":[{"type":"MIT"},{"type":"ISC"}]}"#),
            ["MIT", "ISC"]
        );
        assert!(read(r#"{"name":"a","version":"1","license":7}"#).is_empty());
    }

    #[test]
    fn stubs_are_nothing_and_bad_names_are_said() {
        assert!(matches!(manifest(br#"{"type":"module"}"#).unwrap().fact, Fact::Nothing));
        assert!(matches!(manifest(br#"{"name":"a"}"#).unwrap().fact, Fact::Nothing));
        assert!(manifest(br#"{"name":"../a","version":"1"}"#).is_err());
        assert!(manifest(b"{").is_err());
    }

    #[test]
    fn dependencies_are_bounded_at_limit_plus_one() {
        let json = |n: usize| {
            let all: Vec<String> = (0..n).map(|i| format!("\"d{i}\":\"1\"")).collect();
            format!(r#"{{"name":"a","version":"1","dependencies":{{{}}}}}"#, all.join(","))
        };
        assert!(manifest(json(limits::DEPENDENCIES).as_bytes()).unwrap().notes.is_empty());
        assert_eq!(manifest(json(limits::DEPENDENCIES + 1).as_bytes()).unwrap().notes.len(), 1);
    }

    proptest! {
        #[test]
        fn never_panics(bytes in any::<Vec<u8>>(), dir in "(node_modules|/|@|a|\\.pnpm){0,12}") {
            let _ = manifest(&bytes);
            let _ = is_installed(&dir);
        }
    }
}
