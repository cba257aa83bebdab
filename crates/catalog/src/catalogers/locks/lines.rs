//! Lock files that are read line by line.

use crate::catalogers::field;
use crate::catalogers::stated::{List, Record};
use crate::catalogers::structured::{plain, quoted, yaml};
use seaworthy_sbom::inventory::Ecosystem;
use std::collections::BTreeMap;

/// `name[extra]==1.0 ; marker --hash=…`; everything else names no exact version.
pub(super) fn requirements(text: &str, list: &mut List) {
    for line in text.lines() {
        let line = line.split([';', '#']).next().unwrap_or_default();
        let line = line.split(" --").next().unwrap_or_default().trim().trim_end_matches('\\').trim();
        let Some((name, version)) = line.split_once("==") else { continue };
        let version = version.trim_start_matches('=').trim();
        let name = name.split('[').next().unwrap_or_default().trim();
        let exact = !version.contains(['*', ','])
            && !name.starts_with('-')
            && !name.contains([' ', '<', '>', '~', '!']);
        if exact {
            list.add(Record::declared(Ecosystem::Pypi, name, version));
        }
    }
}

/// The `specs:` of a `GEM` section: four blanks, a name, the version in brackets, maybe with a platform; what it
/// needs stands below with six.
pub(super) fn gemfile(text: &str, list: &mut List) {
    let mut inside = false;
    let mut current: Option<Record> = None;
    for line in text.lines() {
        if !line.starts_with(' ') {
            inside = line.trim_end() == "GEM";
            current.take().into_iter().for_each(|record| list.add(record));
            continue;
        }
        let blanks = line.len() - line.trim_start().len();
        match (inside, blanks, &mut current) {
            (true, 4, _) => {
                current.take().into_iter().for_each(|record| list.add(record));
                let entry = line.trim().strip_suffix(')').and_then(|rest| rest.split_once(" ("));
                current = entry.map(|(name, version)| {
                    Record::declared(Ecosystem::Gem, name, version.split('-').next().unwrap_or(version))
                });
            }
            (true, 6, Some(record)) => {
                record
                    .depends
                    .extend(line.split_whitespace().next().map(|n| n.trim_end_matches('!').to_owned()));
            }
            _ => {}
        }
    }
    current.into_iter().for_each(|record| list.add(record));
}

/// go.dev/ref/mod, "go.mod files": `require`, with what `replace` puts in its place.
pub(super) fn go_mod(text: &str, list: &mut List) {
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
    for (path, version) in required {
        let exact = replaced.get(&(path.clone(), Some(version.clone())));
        match exact.or_else(|| replaced.get(&(path.clone(), None))) {
            Some(None) => {}
            Some(Some((path, version))) => list.add(Record::declared(Ecosystem::Golang, path, version)),
            None => list.add(Record::declared(Ecosystem::Golang, path, version)),
        }
    }
}

/// `group:artifact:version=configurations`; of tests alone is development.
pub(super) fn gradle(text: &str, list: &mut List) {
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (coordinates, configurations) = line.split_once('=').unwrap_or((line, ""));
        if coordinates == "empty" {
            continue;
        }
        let Some((name, version)) = coordinates.rsplit_once(':').filter(|(name, _)| name.contains(':'))
        else {
            list.leave_out();
            continue;
        };
        let tests = !configurations.is_empty()
            && configurations.split(',').all(|c| c.starts_with("test") || c.contains("Test"));
        let record = Record::declared(Ecosystem::Maven, name, version);
        list.add(if tests { record.for_development() } else { record });
    }
}

/// `pubspec.lock` of Dart: packages of a host. Those of an SDK, a path or a repository have no release there.
pub(super) fn pubspec(text: &str, list: &mut List) {
    #[derive(Default)]
    struct Entry {
        name: String,
        values: BTreeMap<String, String>,
    }
    let take = |entry: Entry, list: &mut List| {
        let get = |key: &str| entry.values.get(key).map(String::as_str).unwrap_or_default();
        if get("source") != "hosted" {
            return;
        }
        let record =
            Record::declared(Ecosystem::Pub, &entry.name, get("version")).sum("SHA256", get("sha256"));
        list.add(if get("dependency") == "direct dev" { record.for_development() } else { record });
    };
    let (mut inside, mut entry) = (false, None::<Entry>);
    for line in yaml(text) {
        let Some(key) = &line.key else { continue };
        match line.indent {
            0 => {
                entry.take().into_iter().for_each(|entry| take(entry, list));
                inside = key == "packages";
            }
            2 if inside => {
                entry.take().into_iter().for_each(|entry| take(entry, list));
                entry = Some(Entry { name: key.to_string(), values: BTreeMap::new() });
            }
            _ => {
                if let Some(entry) = &mut entry {
                    entry.values.insert(key.to_string(), line.value.to_owned());
                }
            }
        }
    }
    entry.into_iter().for_each(|entry| take(entry, list));
}

/// `PODS:` of CocoaPods: `- Name/Sub (1.0):`, and below it what it needs.
pub(super) fn podfile(text: &str, list: &mut List) {
    let mut current: Option<Record> = None;
    let mut sums: BTreeMap<String, String> = BTreeMap::new();
    let mut pods = Vec::new();
    let mut section = "";
    for line in text.lines() {
        let rest = line.trim_start();
        if rest.len() == line.len() {
            section = line.trim_end_matches(':');
            pods.extend(current.take());
            continue;
        }
        match (section, line.len() - rest.len()) {
            ("PODS", 2) => {
                pods.extend(current.take());
                let entry = plain(rest.trim_start_matches("- ").trim_end_matches(':'));
                current = match entry.strip_suffix(')').and_then(|entry| entry.split_once(" (")) {
                    Some((name, version)) => Some(Record::declared(Ecosystem::Cocoapods, name, version)),
                    None => {
                        list.leave_out();
                        None
                    }
                };
            }
            ("PODS", 4) => {
                if let Some(record) = &mut current {
                    let entry = plain(rest.trim_start_matches("- "));
                    record.depends.extend(entry.split(" (").next().map(str::to_owned));
                }
            }
            ("SPEC CHECKSUMS", 2) => {
                if let Some((name, sum)) = rest.split_once(": ") {
                    sums.insert(plain(name).to_owned(), plain(sum).to_owned());
                }
            }
            _ => {}
        }
    }
    pods.extend(current);
    for pod in pods {
        // The checksum is that of the specification, not of what was downloaded: a property, no checksum.
        let root = pod.package.name.split('/').next().unwrap_or_default();
        let sum = sums.get(root).cloned();
        list.add(pod.with("cocoapods:spec-sha1", sum));
    }
}

/// `"jason": {:hex, :jason, "1.4.0", "sum", [:mix], [{:decimal, "~> 1.0", […]}], "hexpm", "sum"},` of Elixir.
pub(super) fn mix(text: &str, list: &mut List) {
    for line in text.lines().map(str::trim).filter(|line| line.starts_with('"')) {
        let Some((_, tuple)) = line.split_once("{:hex,") else {
            // `{:git, …}` has no version.
            continue;
        };
        let mut texts = quoted(tuple);
        let atom = |text: &str| field(text.trim().strip_prefix(':')?.trim_matches('"'));
        let (name, version) = (tuple.split(',').next().and_then(atom), texts.next());
        let (Some(name), Some(version)) = (name, version) else {
            list.leave_out();
            continue;
        };
        // The package as distributed is the outer checksum, the last text.
        let sum = texts.filter(|text| text.len() == 64).last().unwrap_or_default();
        let outer = tuple.matches('"').count() >= 8;
        let needs =
            tuple.split("{:").skip(1).filter_map(|rest| field(rest.split(',').next()?.trim_matches('"')));
        let record = Record::declared(Ecosystem::Hex, name, version).needing(needs);
        list.add(if outer { record.sum("SHA256", sum) } else { record });
    }
}

/// `{<<"cowboy">>,{pkg,<<"cowboy">>,<<"2.9.0">>},0},` of rebar3, and the outer checksums `pkg_hash_ext`.
pub(super) fn rebar(text: &str, list: &mut List) {
    let binary = |text: &str| {
        let (_, rest) = text.split_once("<<\"")?;
        field(rest.split('"').next()?)
    };
    let mut sums: BTreeMap<String, String> = BTreeMap::new();
    if let Some((_, table)) = text.split_once("pkg_hash_ext") {
        for pair in table.split('{').skip(1) {
            let Some((name, sum)) = pair.split_once(',') else { continue };
            if let (Some(name), Some(sum)) = (binary(name), binary(sum)) {
                sums.insert(name, sum);
            }
        }
    }
    for entry in text.split("{pkg,").skip(1) {
        let entry = entry.split('}').next().unwrap_or_default();
        let mut parts = entry.split(',').map(binary);
        let (Some(Some(name)), Some(Some(version))) = (parts.next(), parts.next()) else {
            list.leave_out();
            continue;
        };
        let sum = sums.get(&name).cloned().unwrap_or_default();
        list.add(Record::declared(Ecosystem::Hex, name, version).sum("SHA256", &sum));
    }
}

/// `hackage: aeson-2.1.0.0@sha256:…,1234` of Stack.
pub(super) fn stack(text: &str, list: &mut List) {
    for line in yaml(text).filter(|line| line.key.as_deref() == Some("hackage")) {
        // What `completed` says; `original` may say less.
        let Some((package, _)) = line.value.split_once('@') else { continue };
        match package.rsplit_once('-') {
            Some((name, version)) => list.add(Record::declared(Ecosystem::Hackage, name, version)),
            None => list.leave_out(),
        }
    }
}

/// `constraints: any.aeson ==2.1.0.0,` of Cabal.
pub(super) fn cabal(text: &str, list: &mut List) {
    for constraint in text.split([',', '\n']) {
        let constraint = constraint.trim().trim_start_matches("constraints:").trim();
        let Some((name, version)) = constraint.split_once("==") else { continue };
        let name = name.trim().trim_start_matches("any.");
        list.add(Record::declared(Ecosystem::Hackage, name, version.trim()));
    }
}

/// Carton's `cpanfile.snapshot`: distributions, where each came from, the modules in it and those it needs.
pub(super) fn cpanfile(text: &str, list: &mut List) {
    let (mut current, mut part) = (None::<Record>, "");
    for line in text.lines() {
        let rest = line.trim_start();
        match line.len() - rest.len() {
            2 => {
                current.take().into_iter().for_each(|record| list.add(record));
                current = match rest.rsplit_once('-') {
                    Some((name, version)) => {
                        Some(Record::declared(Ecosystem::Cpan, name, version.trim_start_matches('v')))
                    }
                    None => {
                        list.leave_out();
                        None
                    }
                };
            }
            4 => {
                part = rest.trim_end_matches(':');
                if let (Some(record), Some(place)) = (&mut current, rest.strip_prefix("pathname: ")) {
                    // `D/DR/DROLSKY/DateTime-1.55.tar.gz`
                    let author = place.split('/').nth(2).and_then(field);
                    *record = record.clone().with("cpan:author", author);
                }
            }
            6 => {
                let (Some(record), Some(module)) = (&mut current, rest.split(' ').next()) else { continue };
                match part {
                    "provides" => record.keys.push(module.to_owned()),
                    "requirements" => record.depends.push(module.to_owned()),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    current.into_iter().for_each(|record| list.add(record));
}

/// `depends: [ "dune" {= "3.7.0"} … ]` of opam, in a file that `opam lock` made.
pub(super) fn opam(text: &str, list: &mut List) {
    let Some((_, depends)) = text.split_once("depends: [") else { return };
    let depends = depends.split("\n]").next().unwrap_or(depends);
    for line in depends.lines().map(str::trim) {
        let Some((name, formula)) = line.split_once('{') else { continue };
        let exact = formula.trim_start().strip_prefix("= ").and_then(|rest| quoted(rest).next());
        match exact {
            Some(version) => {
                let record = Record::declared(Ecosystem::Opam, plain(name), version);
                let development =
                    ["with-test", "with-doc", "with-dev-setup"].iter().any(|m| formula.contains(m));
                list.add(if development { record.for_development() } else { record });
            }
            None => list.leave_out(),
        }
    }
}

/// `["name"] = "1.0-1"` or `name = "1.0-1"` in a table `dependencies` of LuaRocks.
pub(super) fn luarocks(text: &str, list: &mut List) {
    let mut inside = "";
    for line in text.lines().map(str::trim) {
        if line.starts_with('}') {
            inside = "";
        }
        match line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some((name, "{")) => inside = name,
            Some((name, value)) if inside.contains("dependencies") => {
                let name = plain(name.trim_matches(['[', ']']));
                let version = plain(value.trim_end_matches(','));
                let record = Record::declared(Ecosystem::Luarocks, name, version);
                let development = inside != "dependencies";
                list.add(if development { record.for_development() } else { record });
            }
            _ => {}
        }
    }
}
