//! apk: `lib/apk/db/installed`, and `usr/lib/apk/db/installed` where `lib` is a link or Alpine moved it.
//!
//! One paragraph a package, one letter a field (apk-tools, "APKINDEX format" and the installed database).
//! Letters have a case: `P` is the name, `p` what it provides.

use super::{Cataloger, Fact, Parsed, dependencies_left_out, field, proves_language_package};
use crate::collect::Collector;
use crate::pack::pack;
use crate::squash::{Snapshots, State, View};
use crate::{limits, path};
use seaworthy_sbom::inventory::{Ecosystem, Package, RelationshipKind, SourcePackage};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Apk;

/// One installed package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    name: String,
    version: String,
    architecture: String,
    license: Option<String>,
    origin: Option<String>,
    maintainer: Option<String>,
    homepage: Option<String>,
    summary: Option<String>,
    depends: Vec<String>,
    provides: Vec<String>,
    /// The files that another cataloger wants.
    files: Vec<String>,
}
pack!(struct Entry {
    name, version, architecture, license, origin, maintainer, homepage, summary, depends, provides,
    files
});

const PATHS: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];

impl Cataloger for Apk {
    fn name(&self) -> &'static str {
        "apk"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`lib/apk/db/installed`, `usr/lib/apk/db/installed`",
            gives: "apks with origin, maintainer, dependencies, licence, owned packages",
            cannot_know: "copyright holders",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        (path.ends_with("/apk/db/installed")).then_some(limits::DATABASE_BYTES)
    }

    fn parse(&self, _: &str, content: &[u8]) -> Result<Parsed, String> {
        Ok(database(&String::from_utf8_lossy(content)))
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        let mut places = BTreeSet::new();
        for path in PATHS {
            out.astray(view, path, self);
            places.extend(view.resolve(path));
        }
        let histories = view.histories(|path| places.contains(path));
        let snapshots = Snapshots::new(&histories, |state| entries(state).iter().map(Entry::key).collect());
        let mut seen = BTreeSet::new();
        let mut handles: Vec<(usize, &Entry)> = Vec::new();
        for place in &places {
            let Some((_, last, state)) = view.lookup(place) else { continue };
            for entry in entries(state) {
                if !seen.insert(entry.key()) {
                    continue;
                }
                let mut package = package(entry);
                package.evidence.push(view.evidence(place, last));
                let handle = out.add(package, snapshots.since(&entry.key()).unwrap_or(last));
                entry.files.iter().for_each(|file| out.owns(handle, file));
                handles.push((handle, entry));
            }
        }
        depend(&handles, out);
    }
}

fn entries(state: &State) -> &[Entry] {
    match state.fact() {
        Some(Fact::Apk(entries)) => entries,
        _ => &[],
    }
}

fn package(entry: &Entry) -> Package {
    let mut package = Package::new(Ecosystem::Apk, &entry.name, Some(entry.version.clone()));
    package.architecture = field(&entry.architecture);
    package.license.declared.extend(entry.license.clone());
    package.supplier = entry.maintainer.clone();
    package.homepage = entry.homepage.clone();
    package.description = entry.summary.clone();
    package.source =
        entry.origin.clone().map(|name| SourcePackage { name, version: Some(entry.version.clone()) });
    package
}

/// Edges to installed packages, by name or by what they provide (`so:`, `cmd:`, `pc:`, paths).
fn depend(handles: &[(usize, &Entry)], out: &mut Collector<'_>) {
    let mut real: BTreeMap<&str, usize> = BTreeMap::new();
    let mut provided: BTreeMap<&str, usize> = BTreeMap::new();
    for (handle, entry) in handles {
        real.insert(&entry.name, *handle);
        for name in &entry.provides {
            provided.entry(name).or_insert(*handle);
        }
    }
    for (handle, entry) in handles {
        for name in &entry.depends {
            if let Some(to) = real.get(name.as_str()).or_else(|| provided.get(name.as_str())) {
                out.relate(*handle, RelationshipKind::DependsOn, *to);
            }
        }
    }
}

/// Name, architecture, version: what makes an installed package the same one.
type Key<'a> = (&'a str, &'a str, &'a str);

impl Entry {
    fn key(&self) -> Key<'_> {
        (&self.name, &self.architecture, &self.version)
    }
}

fn database(text: &str) -> Parsed {
    let mut entries = Vec::new();
    let mut notes = Vec::new();
    let mut current = Entry::default();
    let mut begun = false;
    let mut directory = String::new();
    let (mut untold, mut left_out) = (0_usize, 0_usize);
    for line in text.lines().chain(std::iter::once("")) {
        if line.is_empty() {
            if !begun {
                continue;
            }
            let entry = std::mem::take(&mut current);
            begun = false;
            directory.clear();
            if entry.name.is_empty() || entry.version.is_empty() {
                if notes.len() < limits::GAPS {
                    let what = if entry.name.is_empty() { "name" } else { "version" };
                    notes.push(format!(
                        "a paragraph without {what}: '{}'",
                        path::shown(entry.name.as_bytes())
                    ));
                } else {
                    untold += 1;
                }
            } else if entries.len() >= limits::DATABASE_PACKAGES {
                notes.push(format!("more than {} packages", limits::DATABASE_PACKAGES));
                break;
            } else {
                entries.push(entry);
            }
            continue;
        }
        begun = true;
        let Some((letter, text)) = line.split_once(':') else { continue };
        let value = || field(text);
        match letter {
            "P" => current.name = value().unwrap_or_default(),
            "V" => current.version = value().unwrap_or_default(),
            "A" => current.architecture = value().unwrap_or_default(),
            "L" => current.license = value(),
            "o" => current.origin = value(),
            "m" => current.maintainer = value(),
            "U" => current.homepage = value(),
            "T" => current.summary = value(),
            "D" | "p" => {
                let named = text.split_whitespace().count();
                notes.extend(
                    dependencies_left_out(&current.name, named).filter(|_| notes.len() < limits::GAPS),
                );
                match letter {
                    "D" => current.depends = names(text),
                    _ => current.provides = names(text),
                }
            }
            "F" => directory = text.to_owned(),
            "R" => {
                let file = path::join(&directory, text);
                if proves_language_package(&file) {
                    if current.files.len() < limits::LAYER_WANTED_FILES {
                        current.files.push(file);
                    } else {
                        left_out += 1;
                    }
                }
            }
            _ => {}
        }
    }
    if untold > 0 {
        notes.push(format!("{untold} further paragraphs could not be read"));
    }
    if left_out > 0 {
        notes.push(format!(
            "{left_out} files of packages that own more than LAYER_WANTED_FILES were left out"
        ));
    }
    Parsed { fact: Fact::Apk(entries), notes }
}

/// `so:libc.musl-x86_64.so.1=1 busybox>=1.36 !conflict`: names alone, without conflicts.
fn names(text: &str) -> Vec<String> {
    let bare = |word: &str| {
        let end = word.find(['=', '<', '>', '~', '@']).unwrap_or(word.len());
        word.get(..end).and_then(field)
    };
    text.split_whitespace()
        .filter(|word| !word.starts_with('!'))
        .filter_map(bare)
        .take(limits::DEPENDENCIES)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn letters_have_a_case() {
        let parsed =
            database("P:musl\nV:1.2.5-r0\nA:x86_64\np:so:libc.musl-x86_64.so.1=1\nD:!x a>=1\nF:lib\nR:x\n");
        let Fact::Apk(entries) = parsed.fact else { panic!("another fact") };
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].name.as_str(), entries[0].version.as_str()), ("musl", "1.2.5-r0"));
        assert_eq!(entries[0].provides, ["so:libc.musl-x86_64.so.1"]);
        assert_eq!(entries[0].depends, ["a"]);
        assert!(entries[0].files.is_empty());
    }

    #[test]
    fn a_paragraph_without_name_is_said() {
        let parsed = database("V:1\n\nP:a\nV:1\n\n\nP:b\n\n");
        assert_eq!(parsed.notes.len(), 2);
        assert!(matches!(parsed.fact, Fact::Apk(e) if e.len() == 1));
    }

    proptest! {
        #[test]
        fn never_panics(text in "([PVALomUTDpFRZ]:[\\PC]{0,20}\n|\n|[\\PC]{0,5}){0,30}") {
            let _ = database(&text);
        }
    }
}
