//! Lock files of npm, Yarn, pnpm, Bun and Deno.

use super::json::{keys, object, text};
use crate::catalogers::stated::{List, Record};
use crate::catalogers::structured::{inline, plain, yaml};
use crate::path;
use seaworthy_sbom::inventory::Ecosystem;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Name and version of `name@version`, where the name may have a scope.
fn at(text: &str) -> Option<(&str, &str)> {
    let split = text.get(1..)?.find('@')? + 1;
    Some((text.get(..split)?, text.get(split + 1..)?))
}

fn is_true(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool) == Some(true)
}

/// Versions 2 and 3 (`packages`, by place), or version 1 (`dependencies`, nested).
pub(super) fn package_lock(json: &Value, list: &mut List) -> Result<(), String> {
    let Some(places) = object(json, "packages") else {
        nested(json, list);
        return Ok(());
    };
    for (place, package) in places {
        // The project itself and its workspaces have no node_modules in their place.
        let Some((_, name)) = place.rsplit_once("node_modules/") else { continue };
        if is_true(package, "link") {
            continue;
        }
        let name = text(package, "name").unwrap_or_else(|| name.to_owned());
        let mut record = Record::declared(Ecosystem::Npm, name, text(package, "version").unwrap_or_default())
            .called(place)
            .integrity(&text(package, "integrity").unwrap_or_default())
            .licensed(text(package, "license"));
        for key in ["dependencies", "optionalDependencies", "peerDependencies"] {
            let found = keys(package, key).into_iter().filter_map(|name| nearest(places, place, &name));
            record = record.needing(found);
        }
        let development = is_true(package, "dev") || is_true(package, "devOptional");
        list.add(if development { record.for_development() } else { record });
    }
    Ok(())
}

/// As node finds it: in `node_modules` of the place, then of each directory above.
fn nearest(places: &serde_json::Map<String, Value>, from: &str, name: &str) -> Option<String> {
    std::iter::once(from)
        .chain(path::ancestors(from))
        .chain(std::iter::once(""))
        .filter(|dir| path::split(dir).1 != "node_modules")
        .map(|dir| path::join(dir, &format!("node_modules/{name}")))
        .find(|place| places.contains_key(place))
}

fn nested(json: &Value, list: &mut List) {
    // serde_json refuses what is nested deeper than 128.
    let mut todo = vec![json];
    while let Some(value) = todo.pop() {
        for (name, package) in object(value, "dependencies").into_iter().flatten() {
            if let Some(version) = text(package, "version") {
                let record = Record::declared(Ecosystem::Npm, name, version)
                    .needing(keys(package, "requires"))
                    .integrity(&text(package, "integrity").unwrap_or_default());
                list.add(if is_true(package, "dev") { record.for_development() } else { record });
                todo.push(package);
            }
        }
    }
}

/// Version 1 (`name@range:` then `  version "1.0"`) and Berry (`"name@npm:range":` then `  version: 1.0`).
pub(super) fn yarn(text: &str, list: &mut List) {
    let mut current: Option<Record> = None;
    let mut inside = false;
    for line in text.lines().chain(std::iter::once("end")) {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        if !line.starts_with(' ') {
            if let Some(record) = current.take().filter(|record| record.package.version.is_some()) {
                list.add(record);
            }
            current = yarn_entry(line);
            inside = false;
            continue;
        }
        let Some(record) = &mut current else { continue };
        let pair = line.trim_start();
        match line.len() - pair.len() {
            2 => {
                inside = matches!(pair.trim_end_matches(':'), "dependencies" | "optionalDependencies");
                let word = |key: &str| {
                    let rest = pair.strip_prefix(key)?.strip_prefix([' ', ':'])?;
                    Some(plain(rest.trim_start_matches(':')).to_owned())
                };
                if let Some(version) = word("version") {
                    record.package.version = Some(version);
                } else if let Some(integrity) = word("integrity") {
                    *record = std::mem::replace(record, Record::declared(Ecosystem::Npm, "", ""))
                        .integrity(&integrity);
                }
            }
            4 if inside => {
                let Some((name, range)) = pair.split_once(' ') else { continue };
                record.depends.push(format!("{}@{}", plain(name.trim_end_matches(':')), bare(plain(range))));
            }
            _ => {}
        }
    }
}

/// A range without the protocol that Berry writes in some places and not in others.
fn bare(range: &str) -> &str {
    range.strip_prefix("npm:").unwrap_or(range)
}

/// The package that the patterns of a line stand for; its version comes later.
fn yarn_entry(line: &str) -> Option<Record> {
    let patterns: Vec<&str> = line.trim_end_matches(':').split(',').map(plain).collect();
    let patterns: Vec<&str> = patterns.into_iter().map(|p| p.trim().trim_matches('"')).collect();
    let (name, range) = at(patterns.first()?)?;
    if ["workspace:", "link:", "portal:", "file:"].iter().any(|mark| range.starts_with(mark)) {
        return None;
    }
    // `alias@npm:name@range` installs another package under that name.
    let real = range.strip_prefix("npm:").and_then(at).map(|(real, _)| real);
    let mut record = Record::declared(Ecosystem::Npm, real.unwrap_or(name), "");
    record.package.version = None;
    for (name, range) in patterns.iter().filter_map(|pattern| at(pattern)) {
        record.keys.push(format!("{name}@{}", bare(range)));
    }
    Some(record)
}

/// A package of pnpm's file while it is read.
#[derive(Default)]
struct Pnpm {
    integrity: String,
    development: bool,
    depends: BTreeSet<String>,
}

/// `pnpm-lock.yaml`, versions 5 to 9: keys of `packages:` are `/a/1.0.0_peer`, `/a@1.0.0(peer)` or `a@1.0.0`;
/// version 9 has the edges in `snapshots:`.
pub(super) fn pnpm(text: &str, list: &mut List) {
    let mut found: BTreeMap<(String, String), Pnpm> = BTreeMap::new();
    let (mut section, mut current, mut field) = (String::new(), None, String::new());
    for line in yaml(text) {
        let Some(key) = line.key.as_deref() else { continue };
        match line.indent {
            0 => {
                section = key.to_owned();
                current = None;
            }
            2 if section == "packages" || section == "snapshots" => {
                current = pnpm_key(key);
                if let Some(package) = &current {
                    found.entry(package.clone()).or_default();
                } else if !local(key) {
                    list.leave_out();
                }
            }
            4 | 6 => {
                let Some(package) = current.as_ref().and_then(|package| found.get_mut(package)) else {
                    continue;
                };
                if line.indent == 4 {
                    field = key.to_owned();
                    match key {
                        "resolution" => {
                            package.integrity =
                                inline(line.value, "integrity").unwrap_or_default().to_owned();
                        }
                        "dev" => package.development = line.value == "true",
                        _ => {}
                    }
                } else if matches!(field.as_str(), "dependencies" | "optionalDependencies") {
                    package.depends.insert(pnpm_dependency(key, line.value));
                } else if field == "resolution" && key == "integrity" {
                    package.integrity = line.value.to_owned();
                }
            }
            _ => {}
        }
    }
    for ((name, version), package) in found {
        let record = Record::declared(Ecosystem::Npm, &name, &version)
            .called(format!("{name}@{version}"))
            .needing(package.depends)
            .integrity(&package.integrity);
        list.add(if package.development { record.for_development() } else { record });
    }
}

/// A directory or an archive beside the project.
fn local(key: &str) -> bool {
    ["file:", "link:", "@file:", "@link:"].iter().any(|mark| key.contains(mark))
}

fn pnpm_key(key: &str) -> Option<(String, String)> {
    if local(key) {
        return None;
    }
    let old = key.starts_with('/');
    let key = key.trim_start_matches('/').split('(').next()?;
    // Version 5 puts the version behind a slash, and peers behind a low line.
    let scoped = |name: &str| name.matches('/').count() == usize::from(name.starts_with('@'));
    if old && !at(key).is_some_and(|(name, _)| scoped(name)) {
        let (name, version) = key.rsplit_once('/')?;
        return Some((name.to_owned(), version.split('_').next()?.to_owned()));
    }
    let (name, version) = at(key)?;
    let version = version.split('_').next()?;
    // A repository or a URL has no version of its own.
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| (name.to_owned(), version.to_owned()))
}

/// The version of an entry of `dependencies`, or the whole key where it is an alias.
fn pnpm_dependency(name: &str, version: &str) -> String {
    let plain = version.split(['(', '_']).next().unwrap_or_default();
    match pnpm_key(version) {
        Some((name, version)) if !plain.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("{name}@{version}")
        }
        _ => format!("{name}@{plain}"),
    }
}

/// `bun.lock`: `"key": ["name@version", "registry", {dependencies}, "sha512-…"]`, where the key is the place.
pub(super) fn bun(json: &Value, list: &mut List) -> Result<(), String> {
    let packages = object(json, "packages").ok_or("no packages in it")?;
    for (place, package) in packages {
        let Some((name, version)) = package.get(0).and_then(Value::as_str).and_then(at) else {
            list.leave_out();
            continue;
        };
        if version.contains(':') {
            // A workspace, a link, a file, a repository.
            continue;
        }
        let parts = package.as_array().into_iter().flatten();
        let info = parts.clone().find(|part| part.is_object()).unwrap_or(&Value::Null);
        let integrity = parts.filter_map(Value::as_str).find(|text| text.starts_with("sha512-"));
        let needs = ["dependencies", "optionalDependencies", "peerDependencies"]
            .into_iter()
            .flat_map(|key| keys(info, key))
            .filter_map(|name| {
                // A place is a path of names: the longest beginning that has one of that name.
                std::iter::once(place.as_str())
                    .chain(path::ancestors(place))
                    .map(|dir| path::join(dir, &name))
                    .chain(std::iter::once(name.clone()))
                    .find(|at| packages.contains_key(at))
            });
        let record = Record::declared(Ecosystem::Npm, name, version)
            .called(place)
            .needing(needs)
            .integrity(integrity.unwrap_or_default());
        list.add(record);
    }
    Ok(())
}

/// `deno.lock`, versions 3 (below `packages`) to 5: `npm` and `jsr` packages by `name@version`.
pub(super) fn deno(json: &Value, list: &mut List) -> Result<(), String> {
    json.as_object().ok_or("no object")?;
    let inner = json.get("packages").unwrap_or(json);
    for (key, ecosystem) in [("npm", Ecosystem::Npm), ("jsr", Ecosystem::Jsr)] {
        for (id, package) in object(inner, key).into_iter().flatten() {
            let Some((name, version)) = at(id) else {
                list.leave_out();
                continue;
            };
            // Peers stand behind a low line.
            let version = version.split('_').next().unwrap_or_default();
            let integrity = text(package, "integrity").unwrap_or_default();
            let mut record = Record::declared(ecosystem, name, version).called(id);
            record = match ecosystem {
                Ecosystem::Jsr => record.sum("SHA256", &integrity),
                _ => record.integrity(&integrity),
            };
            let needs: Vec<String> = match package.get("dependencies") {
                Some(Value::Object(map)) => {
                    map.values().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                Some(Value::Array(all)) => {
                    let texts = all.iter().filter_map(Value::as_str);
                    texts
                        .map(|text| text.trim_start_matches("npm:").trim_start_matches("jsr:").to_owned())
                        .collect()
                }
                _ => Vec::new(),
            };
            list.add(record.needing(needs));
        }
    }
    Ok(())
}
