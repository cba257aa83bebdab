//! Lock files of JSON, but for those of JavaScript.

use crate::catalogers::stated::{List, Record};
use crate::catalogers::{composer as installed, field};
use seaworthy_sbom::inventory::Ecosystem;
use serde_json::{Map, Value};

/// What went wrong where a file is JSON and something else is expected.
type Outcome = Result<(), String>;

pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).and_then(field)
}

pub(super) fn object<'a>(value: &'a Value, key: &str) -> Option<&'a Map<String, Value>> {
    value.get(key).and_then(Value::as_object)
}

fn array<'a>(value: &'a Value, key: &str) -> Option<&'a Vec<Value>> {
    value.get(key).and_then(Value::as_array)
}

/// The keys of the map at `key`.
pub(super) fn keys(value: &Value, key: &str) -> Vec<String> {
    object(value, key).into_iter().flat_map(|map| map.keys().cloned()).collect()
}

pub(super) fn pipfile(json: &Value, list: &mut List) -> Outcome {
    for (group, development) in [("default", false), ("develop", true)] {
        for (name, package) in object(json, group).into_iter().flatten() {
            let version = text(package, "version");
            // A path or a repository has none.
            let Some(version) = version.as_deref().and_then(|v| v.strip_prefix("==")) else { continue };
            let record = Record::declared(Ecosystem::Pypi, name, version);
            list.add(if development { record.for_development() } else { record });
        }
    }
    Ok(())
}

pub(super) fn composer(json: &Value, list: &mut List) -> Outcome {
    for (key, development) in [("packages", false), ("packages-dev", true)] {
        let Some(packages) = json.get(key) else { continue };
        let (entries, notes) = installed::entries(packages)?;
        for entry in entries {
            let record = Record::declared(Ecosystem::Composer, &entry.name, &entry.version)
                .called(entry.name.to_ascii_lowercase())
                .needing(entry.requires.iter().map(|name| name.to_ascii_lowercase()))
                .licensed(&entry.licenses);
            list.add(if development { record.for_development() } else { record });
        }
        notes.into_iter().for_each(|note| list.note(note));
    }
    Ok(())
}

/// `packages.lock.json` of NuGet: what was resolved, for each framework.
pub(super) fn nuget(json: &Value, list: &mut List) -> Outcome {
    let frameworks = object(json, "dependencies").ok_or("no dependencies in it")?;
    for (name, package) in frameworks.values().filter_map(Value::as_object).flatten() {
        if text(package, "type").is_some_and(|kind| kind.eq_ignore_ascii_case("project")) {
            continue;
        }
        let depends = keys(package, "dependencies").into_iter().map(|name| name.to_ascii_lowercase());
        let version = text(package, "resolved").unwrap_or_default();
        let hash = text(package, "contentHash").map(|hash| format!("sha512-{hash}")).unwrap_or_default();
        list.add(
            Record::declared(Ecosystem::Nuget, name, version)
                .called(name.to_ascii_lowercase())
                .needing(depends)
                .integrity(&hash),
        );
    }
    Ok(())
}

/// `Package.resolved` of Swift, versions 1 (`object.pins`) to 3. A branch without a version is pinned by revision.
pub(super) fn swift(json: &Value, list: &mut List) -> Outcome {
    let pins = array(json, "pins").or_else(|| array(json.get("object")?, "pins")).ok_or("no pins in it")?;
    for pin in pins {
        let location = text(pin, "location").or_else(|| text(pin, "repositoryURL")).unwrap_or_default();
        let state = pin.get("state").unwrap_or(&Value::Null);
        let version = text(state, "version").or_else(|| text(state, "revision")).unwrap_or_default();
        match source(&location) {
            Some(name) => list.add(
                Record::declared(Ecosystem::Swift, name, version)
                    .with("swift:revision", text(state, "revision")),
            ),
            None => list.leave_out(),
        }
    }
    Ok(())
}

/// `https://github.com/apple/swift-nio.git`, `git@github.com:apple/swift-nio`: host and path.
fn source(location: &str) -> Option<String> {
    let rest = location.split_once("://").map_or(location, |(_, rest)| rest);
    let (authority, path) = rest.split_once(['/', ':'])?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.trim_matches('/').trim_end_matches(".git");
    (host.contains('.') && path.contains('/')).then(|| format!("{host}/{path}"))
}

/// `conan.lock`: lists of references (version 0.5), or a graph of nodes (0.4).
pub(super) fn conan(json: &Value, list: &mut List) -> Outcome {
    if let Some(nodes) = json.pointer("/graph_lock/nodes").and_then(Value::as_object) {
        for (id, node) in nodes {
            let Some(reference) = text(node, "ref") else { continue };
            let needs = array(node, "requires").into_iter().flatten().filter_map(Value::as_str);
            // Node 0 is the project, whose reference may have no version.
            if let Some(record) = recipe(&reference) {
                list.add(record.called(id).needing(needs));
            } else if id != "0" {
                list.leave_out();
            }
        }
        return Ok(());
    }
    for (key, development) in [("requires", false), ("build_requires", true), ("python_requires", true)] {
        for reference in array(json, key).into_iter().flatten().filter_map(Value::as_str) {
            match recipe(reference) {
                Some(record) => list.add(if development { record.for_development() } else { record }),
                None => list.leave_out(),
            }
        }
    }
    Ok(())
}

/// `name/version[@user/channel][#revision[%time]]`.
fn recipe(reference: &str) -> Option<Record> {
    let (reference, revision) = match reference.split_once('#') {
        Some((reference, revision)) => (reference, revision.split(['%', ':']).next().and_then(field)),
        None => (reference, None),
    };
    let (package, owner) = match reference.split_once('@') {
        Some((package, owner)) => (package, owner.split_once('/')),
        None => (reference, None),
    };
    let (name, version) = package.split_once('/')?;
    let part = |pick: fn((&str, &str)) -> String| owner.map(pick).as_deref().and_then(field);
    Some(
        Record::declared(Ecosystem::Conan, name, version)
            .with("conan:user", part(|(user, _)| user.to_owned()).filter(|user| user != "_"))
            .with("conan:channel", part(|(_, channel)| channel.to_owned()).filter(|channel| channel != "_"))
            .with("conan:rrev", revision),
    )
}

/// `vcpkg.json`: of a manifest, what `overrides` pins; the baseline says the rest, and is not in it.
pub(super) fn vcpkg(json: &Value, list: &mut List) -> Outcome {
    json.as_object().ok_or("no object")?;
    for pinned in array(json, "overrides").into_iter().flatten() {
        let version = ["version", "version-semver", "version-date", "version-string"]
            .iter()
            .find_map(|key| text(pinned, key))
            .unwrap_or_default();
        let (version, port) = match version.split_once('#') {
            Some((version, port)) => (version.to_owned(), field(port)),
            None => (version, None),
        };
        let port = port
            .or_else(|| pinned.get("port-version").and_then(Value::as_u64).map(|n| n.to_string()))
            .filter(|port| port != "0");
        let name = text(pinned, "name").unwrap_or_default();
        list.add(Record::declared(Ecosystem::Vcpkg, name, version).with("vcpkg:port-version", port));
    }
    Ok(())
}

/// `renv.lock` of R.
pub(super) fn renv(json: &Value, list: &mut List) -> Outcome {
    for (name, package) in object(json, "Packages").ok_or("no Packages in it")? {
        let mut needs: Vec<String> = Vec::new();
        for key in ["Requirements", "Depends", "Imports", "LinkingTo"] {
            let texts = array(package, key).into_iter().flatten().filter_map(Value::as_str);
            needs.extend(texts.filter_map(|text| field(text.split([' ', '(']).next()?)));
        }
        let version = text(package, "Version").unwrap_or_default();
        let licence = text(package, "License");
        let name = text(package, "Package").unwrap_or_else(|| name.clone());
        list.add(Record::declared(Ecosystem::Cran, name, version).needing(needs).licensed(licence));
    }
    Ok(())
}
