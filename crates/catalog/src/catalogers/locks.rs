//! Lock files: what an application declares that it needs, whether or not it is installed.
//!
//! Packages are [`Presence::Declared`]; where the same package is installed as well, it is one component, and the
//! lock file is one more piece of its evidence. Lock files inside of installed trees (`node_modules`,
//! `site-packages`, gems, a `vendor` directory) belong to what is installed there and are not read.
//!
//! Only exact versions are taken: of `requirements.txt` the lines with `==`, of `go.mod` what it requires unless a
//! directory replaces it. What they cannot know: edges, and whether something was left out at installation
//! (development and optional packages, other platforms).

use super::{Cataloger, Fact, Parsed, composer, field};
use crate::collect::Collector;
use crate::pack::pack;
use crate::squash::{Snapshots, State, View};
use crate::{limits, path};
use seaworthy_sbom::inventory::{Ecosystem, Evidence, Package, Presence};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Locks;

/// What one lock file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lock {
    ecosystem: Ecosystem,
    packages: BTreeSet<(String, String)>,
}
pack!(struct Lock { ecosystem, packages });

/// The kinds, by the file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `Cargo.lock`, `poetry.lock`, `uv.lock`: `[[package]]` tables of TOML.
    Tables(Ecosystem),
    PackageLock,
    Yarn,
    Pipfile,
    Requirements,
    Gemfile,
    Composer,
    GoMod,
}

fn kind(path: &str) -> Option<Kind> {
    let (dir, base) = path::split(path);
    let kind = match base {
        "Cargo.lock" => Kind::Tables(Ecosystem::Cargo),
        "poetry.lock" | "uv.lock" => Kind::Tables(Ecosystem::Pypi),
        "package-lock.json" | "npm-shrinkwrap.json" => Kind::PackageLock,
        "yarn.lock" => Kind::Yarn,
        "Pipfile.lock" => Kind::Pipfile,
        "requirements.txt" => Kind::Requirements,
        "Gemfile.lock" => Kind::Gemfile,
        "composer.lock" => Kind::Composer,
        "go.mod" => Kind::GoMod,
        _ => return None,
    };
    /// Directories of what others installed, or of sources that a tool downloaded.
    const INSTALLED: &[&str] = &["node_modules", "site-packages", "dist-packages", "gems", "vendor", "doc"];
    let downloaded = ["pkg/mod/", "registry/src/", "git/checkouts/"].iter().any(|part| path.contains(part));
    let inside = downloaded || dir.split('/').any(|part| INSTALLED.contains(&part));
    (!inside).then_some(kind)
}

impl Cataloger for Locks {
    fn name(&self) -> &'static str {
        "lock-file"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`Cargo.lock`, `go.mod`, `package-lock.json`, `npm-shrinkwrap.json`, `yarn.lock`, `poetry.lock`, `uv.lock`, `Pipfile.lock`, `requirements.txt` (`==`), `Gemfile.lock`, `composer.lock`, outside of installed trees",
            gives: "packages marked as declared; one that is installed too is one component with both as evidence",
            cannot_know: "edges; what an installation left out",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        kind(path).map(|_| limits::LIST_BYTES)
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let Some(kind) = kind(path) else { return Ok(Fact::Nothing.into()) };
        let (lock, left_out) = read(kind, content)?;
        let notes = match left_out {
            0 => Vec::new(),
            n => vec![format!("{n} entries without a proper name and exact version were left out")],
        };
        Ok(Parsed { fact: Fact::Lock(lock), notes })
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        for (path, last, parsed) in view.parsed() {
            let Fact::Lock(lock) = &parsed.fact else { continue };
            let snapshots = Snapshots::new(&[view.history(path)], keys);
            for (name, version) in &lock.packages {
                let mut package = Package::new(lock.ecosystem, name, Some(version.clone()));
                package.presence = Presence::Declared;
                package
                    .evidence
                    .push(Evidence { path: format!("/{path}"), layer: view.digest(last).map(str::to_owned) });
                let since = snapshots.since(&(name.clone(), version.clone())).unwrap_or(last);
                out.add(package, since);
            }
        }
    }
}

fn keys(state: &State) -> Vec<(String, String)> {
    match state {
        State::Parsed(parsed) => match &parsed.fact {
            Fact::Lock(lock) => lock.packages.iter().cloned().collect(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The packages, and how many entries are none that can be named.
fn read(kind: Kind, content: &[u8]) -> Result<(Lock, usize), String> {
    let text = String::from_utf8_lossy(content);
    let json = || serde_json::from_str::<Value>(&text).map_err(|e| format!("no JSON: {e}"));
    let (ecosystem, found) = match kind {
        Kind::Tables(ecosystem) => (ecosystem, tables(&text)),
        Kind::PackageLock => (Ecosystem::Npm, package_lock(&json()?)),
        Kind::Yarn => (Ecosystem::Npm, yarn(&text)),
        Kind::Pipfile => (Ecosystem::Pypi, pipfile(&json()?)),
        Kind::Requirements => (Ecosystem::Pypi, requirements(&text)),
        Kind::Gemfile => (Ecosystem::Gem, gemfile(&text)),
        Kind::GoMod => (Ecosystem::Golang, go_mod(&text)),
        Kind::Composer => {
            let json = json()?;
            let mut found = Vec::new();
            for key in ["packages", "packages-dev"] {
                if let Some(list) = json.get(key) {
                    found.extend(composer::entries(list)?.0.into_iter().map(|e| (e.name, e.version)));
                }
            }
            (Ecosystem::Composer, found)
        }
    };
    if found.len() > limits::DATABASE_PACKAGES {
        return Err(format!(
            "{} packages, more than the limit of {}",
            found.len(),
            limits::DATABASE_PACKAGES
        ));
    }
    let all = found.len();
    let good: Vec<_> =
        found.into_iter().filter(|(name, version)| is_name(name) && is_version(version)).collect();
    let left_out = all - good.len();
    Ok((Lock { ecosystem, packages: good.into_iter().collect() }, left_out))
}

/// The letters that names of any of the ecosystems have.
fn is_name(name: &str) -> bool {
    let part = |p: &str| !p.is_empty() && p != "." && p != "..";
    name.len() <= 512
        && name.split('/').all(part)
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"@/._-~+!".contains(&b))
}

fn is_version(version: &str) -> bool {
    version.len() <= 256
        && version.bytes().any(|b| b.is_ascii_digit())
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-_!~".contains(&b))
}

/// `[[package]]`, then `name = "…"` and `version = "…"` up to the next table: the form that the tools write.
fn tables(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let (mut name, mut version, mut local) = (None, None, false);
    let mut inside = false;
    for line in text.lines().map(str::trim).chain(std::iter::once("[end]")) {
        if line.starts_with('[') && line.ends_with(']') && !line.contains('=') {
            // The project itself has no exact place it comes from; it is not its own dependency.
            if let (true, Some(name), Some(version)) = (!local, name.take(), version.take()) {
                all.push((name, version));
            }
            (name, version, local) = (None, None, false);
            inside = line == "[[package]]";
            continue;
        }
        if !inside {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        let text = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        match key.trim() {
            "name" => name = text.and_then(field),
            "version" => version = text.and_then(field),
            // uv.lock marks the project and its parts.
            "source" => local |= ["editable =", "virtual ="].iter().any(|mark| value.contains(mark)),
            _ => {}
        }
    }
    all
}

/// Versions 2 and 3 (`packages`, by place), or version 1 (`dependencies`, nested).
fn package_lock(json: &Value) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).and_then(field);
    if let Some(places) = json.get("packages").and_then(Value::as_object) {
        for (place, package) in places {
            // The project itself and its workspaces have no node_modules in their place.
            let Some((_, name)) = place.rsplit_once("node_modules/") else { continue };
            if package.get("link").and_then(Value::as_bool) == Some(true) {
                continue;
            }
            let name = text(package, "name").unwrap_or_else(|| name.to_owned());
            all.push((name, text(package, "version").unwrap_or_default()));
        }
        return all;
    }
    // serde_json refuses what is nested deeper than 128.
    let mut todo = vec![json];
    while let Some(value) = todo.pop() {
        for (name, package) in value.get("dependencies").and_then(Value::as_object).into_iter().flatten() {
            if let Some(version) = text(package, "version") {
                all.push((name.clone(), version));
                todo.push(package);
            }
        }
    }
    all
}

/// Version 1 (`name@range:` then `  version "1.0"`) and Berry (`"name@npm:range":` then `  version: 1.0`).
fn yarn(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        if !line.starts_with(' ') {
            let first =
                line.trim_end_matches(':').split(',').next().unwrap_or_default().trim().trim_matches('"');
            // The range is behind the last @ that is not a scope's.
            let name = first.get(1..).and_then(|rest| rest.find('@')).and_then(|at| first.get(..at + 1));
            let range = name.and_then(|name| first.get(name.len() + 1..)).unwrap_or_default();
            let local =
                ["workspace:", "link:", "portal:", "file:"].iter().any(|mark| range.starts_with(mark));
            // `alias@npm:name@range` installs another package under that name.
            let real = range.strip_prefix("npm:").and_then(|r| {
                let at = r.get(1..)?.find('@')? + 1;
                r.get(..at)
            });
            current = real.or(name).filter(|_| !local).map(str::to_owned);
        } else if let Some(rest) = line.strip_prefix("  version") {
            let version = rest.trim_start_matches(':').trim().trim_matches('"');
            if let Some(name) = current.take() {
                all.push((name, version.to_owned()));
            }
        }
    }
    all
}

fn pipfile(json: &Value) -> Vec<(String, String)> {
    let groups = ["default", "develop"].into_iter().filter_map(|key| json.get(key)?.as_object());
    groups
        .flatten()
        .filter_map(|(name, package)| {
            let version = package.get("version")?.as_str()?.strip_prefix("==")?;
            Some((name.clone(), version.to_owned()))
        })
        .collect()
}

/// `name[extra]==1.0 ; marker --hash=…`; everything else names no exact version.
fn requirements(text: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| {
            let line =
                line.split([';', '#']).next()?.split(" --").next()?.trim().trim_end_matches('\\').trim();
            let (name, version) = line.split_once("==")?;
            let version = version.trim_start_matches('=').trim();
            let name = name.split('[').next()?.trim();
            let exact = !version.contains(['*', ','])
                && !name.starts_with('-')
                && !name.contains([' ', '<', '>', '~', '!']);
            exact.then(|| (name.to_owned(), version.to_owned()))
        })
        .collect()
}

/// The `specs:` of a `GEM` section: four blanks, a name, the version in brackets, maybe with a platform.
fn gemfile(text: &str) -> Vec<(String, String)> {
    let (mut all, mut inside) = (Vec::new(), false);
    for line in text.lines() {
        if !line.starts_with(' ') {
            inside = line.trim_end() == "GEM";
            continue;
        }
        let Some(rest) = line.strip_prefix("    ").filter(|rest| inside && !rest.starts_with(' ')) else {
            continue;
        };
        if let Some((name, version)) =
            rest.trim_end().strip_suffix(')').and_then(|rest| rest.split_once(" ("))
        {
            let version = version.split('-').next().unwrap_or(version);
            all.push((name.to_owned(), version.to_owned()));
        }
    }
    all
}

/// go.dev/ref/mod, "go.mod files": `require`, with what `replace` puts in its place.
fn go_mod(text: &str) -> Vec<(String, String)> {
    let mut required = Vec::new();
    /// A path and a version.
    type Named = (String, String);
    // By path, and by version where only that one is replaced; nothing stands for a directory.
    let mut replaced: BTreeMap<(String, Option<String>), Option<Named>> = BTreeMap::new();
    let mut block = String::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        let words: Vec<&str> = line.split_whitespace().map(|w| w.trim_matches(['"', '`'])).collect();
        let (directive, rest) = match words.as_slice() {
            [] => continue,
            [")"] => {
                block.clear();
                continue;
            }
            [directive, "("] => {
                block = (*directive).to_owned();
                continue;
            }
            rest if !block.is_empty() => (block.as_str(), rest),
            [directive, rest @ ..] => (*directive, rest),
        };
        match (directive, rest) {
            ("require", [path, version]) => required.push(((*path).to_owned(), (*version).to_owned())),
            ("replace", rest) => {
                let Some(arrow) = rest.iter().position(|w| *w == "=>") else { continue };
                let (from, to) = rest.split_at(arrow);
                let Some(path) = from.first() else { continue };
                let to = match to {
                    [_, path, version] => Some(((*path).to_owned(), (*version).to_owned())),
                    _ => None,
                };
                replaced.insert(((*path).to_owned(), from.get(1).map(|v| (*v).to_owned())), to);
            }
            _ => {}
        }
    }
    required
        .into_iter()
        .filter_map(|(path, version)| {
            let exact = replaced.get(&(path.clone(), Some(version.clone())));
            match exact.or_else(|| replaced.get(&(path.clone(), None))) {
                Some(by) => by.clone(),
                None => Some((path, version)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn found(path: &str, text: &str) -> Vec<String> {
        let (lock, left_out) = read(kind(path).unwrap(), text.as_bytes()).unwrap();
        assert_eq!(left_out, 0);
        lock.packages.into_iter().map(|(name, version)| format!("{name} {version}")).collect()
    }

    #[test]
    fn tables_of_cargo_and_uv() {
        let cargo = "version = 4\n\n[[package]]\nname = \"serde\"\nversion = \"1.0.200\"\nsource = \"registry+https://x\"\ndependencies = [\n \"a\",\n]\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n\n[metadata]\nname = \"no\"\nversion = \"1\"\n";
        assert_eq!(found("app/Cargo.lock", cargo), ["app 0.1.0", "serde 1.0.200"]);
        let uv = "[[package]]\nname = \"app\"\nversion = \"1\"\nsource = { editable = \".\" }\n\n[[package]]\nname = \"idna\"\nversion = \"3.7\"\n";
        assert_eq!(found("uv.lock", uv), ["idna 3.7"]);
    }

    #[test]
    fn npm_and_yarn() {
        let lock = r#"{"lockfileVersion":3,"packages":{"":{"name":"app","version":"1.0.0"},
            "node_modules/@a/b":{"version":"2.0.0"},"node_modules/@a/b/node_modules/c":{"version":"3.0.0"},
            "node_modules/w":{"resolved":"w","link":true}}}"#;
        assert_eq!(found("package-lock.json", lock), ["@a/b 2.0.0", "c 3.0.0"]);
        let old = r#"{"dependencies":{"a":{"version":"1.0.0","dependencies":{"b":{"version":"2.0.0"}}}}}"#;
        assert_eq!(found("package-lock.json", old), ["a 1.0.0", "b 2.0.0"]);
        let classic = "# yarn lockfile v1\n\n\"@a/b@^1.0.0\", \"@a/b@^1.1.0\":\n  version \"1.2.0\"\n  dependencies:\n    c \"^1\"\n\nc@^1:\n  version \"1.0.0\"\n";
        assert_eq!(found("yarn.lock", classic), ["@a/b 1.2.0", "c 1.0.0"]);
        let berry = "__metadata:\n  version: 8\n\n\"c@npm:^1\":\n  version: 1.0.0\n\n\"x@npm:@r/y@^2\":\n  version: 2.0.0\n\n\"app@workspace:.\":\n  version: 0.0.0-use.local\n";
        assert_eq!(found("yarn.lock", berry), ["@r/y 2.0.0", "c 1.0.0"]);
    }

    #[test]
    fn python_ruby_go() {
        let text = "-r other.txt\nflask[async]==3.0.0 ; python_version > '3' --hash=sha256:0\nidna>=3\nsix == 1.16.0 \\\n    --hash=sha256:1\na==1.*\n";
        assert_eq!(found("app/requirements.txt", text), ["flask 3.0.0", "six 1.16.0"]);
        let text = r#"{"default":{"idna":{"version":"==3.7"},"local":{"path":"."}},"develop":{}}"#;
        assert_eq!(found("Pipfile.lock", text), ["idna 3.7"]);
        let text = "PATH\n  remote: .\n  specs:\n    app (0.1.0)\n\nGEM\n  remote: https://rubygems.org/\n  specs:\n    nokogiri (1.16.0-x86_64-linux)\n      racc (~> 1.4)\n    racc (1.7.3)\n\nPLATFORMS\n  ruby\n";
        assert_eq!(found("Gemfile.lock", text), ["nokogiri 1.16.0", "racc 1.7.3"]);
        let text = "module example.com/app\n\ngo 1.22\n\nrequire example.com/a v1.0.0 // indirect\nrequire (\n\tgithub.com/B/c v2.0.0+incompatible\n\texample.com/d v1.0.0\n\texample.com/e v1.0.0\n)\nreplace example.com/d => ../d\nreplace example.com/e v1.0.0 => example.com/f v1.1.0\n";
        assert_eq!(
            found("src/go.mod", text),
            ["example.com/a v1.0.0", "example.com/f v1.1.0", "github.com/B/c v2.0.0+incompatible"]
        );
    }

    #[test]
    fn not_inside_of_installed_trees() {
        for path in [
            "app/node_modules/a/yarn.lock",
            "usr/lib/python3/site-packages/a/requirements.txt",
            "var/lib/gems/3.1.0/gems/a/Gemfile.lock",
            "root/go/pkg/mod/a@v1/go.mod",
            "app/vendor/a/b/composer.lock",
            "app/other.lock",
        ] {
            assert_eq!(kind(path), None, "{path}");
        }
        assert!(kind("composer.lock").is_some());
    }

    #[test]
    fn what_has_no_proper_name_is_counted() {
        let text =
            "[[package]]\nname = \"../a\"\nversion = \"1\"\n\n[[package]]\nname = \"a\"\nversion = \"x y\"\n";
        assert_eq!(read(Kind::Tables(Ecosystem::Cargo), text.as_bytes()).unwrap().1, 2);
        assert!(read(Kind::PackageLock, b"{").is_err());
        assert!(read(Kind::Composer, br#"{"packages":{}}"#).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in any::<Vec<u8>>(), text in "([\\[\\]a@:=\"é() ]{0,12}(version|name|require|=>|npm:@|GEM)?.{0,6}\n){0,9}") {
            for kind in [
                Kind::Tables(Ecosystem::Cargo), Kind::PackageLock, Kind::Yarn, Kind::Pipfile,
                Kind::Requirements, Kind::Gemfile, Kind::Composer, Kind::GoMod,
            ] {
                let _ = read(kind, &bytes);
                let _ = read(kind, text.as_bytes());
            }
        }
    }
}
