//! rpm: what is in its database, whichever of the four forms that has.
//!
//! Reads `rpmdb.sqlite`, `Packages.db` (ndb) and `Packages` (Berkeley DB hash) in the directories that rpm
//! has had, and the lists that distroless images of Mariner and Azure Linux carry instead of a database.
//! Keys that rpm keeps as packages (`gpg-pubkey`) are none. A database that was read in part is named as a
//! gap together with what was read; a write-ahead log with content is one too, because it holds the latest.

mod bdb;
mod header;
mod ndb;
mod owned;
mod sqlite;

pub(crate) use owned::{RpmPackage, files, is_database};

use super::{Cataloger, Fact, Parsed, dependencies_left_out, field, proves_language_package};
use crate::collect::Collector;
use crate::pack::pack;
use crate::squash::{Snapshots, State, View};
use crate::{limits, path};
use header::{Header, tag};
use seaworthy_sbom::inventory::{Ecosystem, Package, RelationshipKind, SourcePackage};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(crate) struct Rpm;

/// Takes one header; an error ends the walk.
type Each<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), String>;

/// One installed package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    name: String,
    /// `[epoch:]version-release`, without an epoch of 0, which rpm takes for none.
    version: String,
    architecture: String,
    /// The file name of the source rpm.
    source: Option<String>,
    vendor: Option<String>,
    packager: Option<String>,
    license: Option<String>,
    url: Option<String>,
    summary: Option<String>,
    properties: BTreeMap<&'static str, String>,
    /// Its files that another cataloger wants.
    owned: Vec<String>,
    /// Entries of the same database, by their place in it.
    depends: Vec<usize>,
}
pack!(struct Entry {
    name, version, architecture, source, vendor, packager, license, url, summary, properties, owned,
    depends
});

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Sqlite,
    Log,
    Ndb,
    Bdb,
    Manifest1,
    Manifest2,
}

/// In rpm's order of preference since 4.16.
const FORMS: [&str; 3] = ["rpmdb.sqlite", "Packages.db", "Packages"];
const DIRS: [&str; 3] = ["var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"];
const MANIFESTS: [&str; 2] =
    ["var/lib/rpmmanifest/container-manifest-2", "var/lib/rpmmanifest/container-manifest-1"];

fn role(path: &str) -> Option<Role> {
    let (dir, base) = path::split(path);
    match (path::split(dir).1, base) {
        ("rpm", "rpmdb.sqlite") => Some(Role::Sqlite),
        ("rpm", "rpmdb.sqlite-wal") => Some(Role::Log),
        ("rpm", "Packages.db") => Some(Role::Ndb),
        ("rpm", "Packages") => Some(Role::Bdb),
        ("rpmmanifest", "container-manifest-1") => Some(Role::Manifest1),
        ("rpmmanifest", "container-manifest-2") => Some(Role::Manifest2),
        _ => None,
    }
}

/// How the headers of the database at `path` are found.
fn walk(path: &str) -> fn(&[u8], Each<'_>) -> Result<(), String> {
    match role(path) {
        Some(Role::Sqlite) => sqlite::headers,
        Some(Role::Ndb) => ndb::headers,
        _ => bdb::headers,
    }
}

impl Cataloger for Rpm {
    fn name(&self) -> &'static str {
        "rpm"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`rpmdb.sqlite`, `Packages.db` (ndb), `Packages` (Berkeley DB hash) in `var/lib/rpm`, `usr/lib/sysimage/rpm`, `usr/share/rpm`; `var/lib/rpmmanifest/container-manifest-1`, `-2` (Mariner, Azure Linux)",
            gives: "rpms with epoch, source rpm, vendor, licence, dependencies by name, capability and file, digests of header and payload, owned packages",
            cannot_know: "changes in a write-ahead log (a gap); conditional dependencies; the checksum of the `.rpm`; licence and dependencies where there is only a manifest. Keys (`gpg-pubkey`) are not listed",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        role(path).map(|role| match role {
            Role::Sqlite | Role::Log | Role::Ndb | Role::Bdb => limits::RPM_DATABASE_BYTES,
            Role::Manifest1 | Role::Manifest2 => limits::LIST_BYTES,
        })
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let walk = match role(path) {
            Some(Role::Sqlite | Role::Ndb | Role::Bdb) => walk(path),
            Some(Role::Manifest1) => return Ok(manifest(content, nevra)),
            Some(Role::Manifest2) => return Ok(manifest(content, row)),
            Some(Role::Log) if !content.is_empty() => {
                let notes = vec!["a write-ahead log, whose changes to the database were not read".into()];
                return Ok(Parsed { fact: Fact::Nothing, notes });
            }
            Some(Role::Log) | None => return Ok(Fact::Nothing.into()),
        };
        let mut reader = Database::new(content.len());
        let walked = walk(content, &mut |blob| reader.header(blob));
        match walked {
            Err(why) if reader.entries.is_empty() => Err(why),
            Err(why) => {
                reader.notes.push(format!("read in part: {why}"));
                Ok(reader.finish())
            }
            Ok(()) => Ok(reader.finish()),
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        let places = places(view, self, out);
        let histories =
            view.histories(|path| places.contains(path) || role(path).is_some_and(|role| role != Role::Log));
        let snapshots = Snapshots::new(&histories, keys);
        let mut seen = BTreeSet::new();
        for place in &places {
            let Some((_, layer, State::Parsed(parsed))) = view.lookup(place) else { continue };
            let Fact::Rpm(entries) = &parsed.fact else { continue };
            let mut handles = Vec::with_capacity(entries.len());
            for entry in entries {
                // The same package in two databases is one; the handle keeps the places in step.
                if !seen.insert(entry.key()) {
                    handles.push(None);
                    continue;
                }
                let mut package = package(entry);
                package.evidence.push(view.evidence(place, layer));
                let since = snapshots.since(&entry.key()).unwrap_or(layer);
                let handle = out.add(package, since);
                entry.owned.iter().for_each(|file| out.owns(handle, file));
                handles.push(Some(handle));
            }
            for (from, entry) in handles.iter().zip(entries) {
                for to in &entry.depends {
                    if let (Some(from), Some(Some(to))) = (from, handles.get(*to)) {
                        out.relate(*from, RelationshipKind::DependsOn, *to);
                    }
                }
            }
        }
    }
}

/// The databases of the final view: in each directory the form that rpm would open.
fn places(view: &View, rpm: &Rpm, out: &mut Collector<'_>) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for dir in DIRS {
        let mut opened: Option<&str> = None;
        for form in FORMS {
            let path = format!("{dir}/{form}");
            out.astray(view, &path, rpm);
            let Some((place, ..)) = view.lookup(&path) else { continue };
            match opened {
                None => opened = Some(form),
                Some(_) if places.contains(&place) => continue,
                Some(used) => {
                    out.gap(format!("/{place}"), format!("not read: rpm uses {used} beside it"), rpm.name());
                    continue;
                }
            }
            places.insert(place);
        }
    }
    for path in MANIFESTS {
        if let Some((place, ..)) = view.lookup(path) {
            places.insert(place);
            break;
        }
    }
    places
}

/// Name, architecture, version.
type Key<'a> = (&'a str, &'a str, &'a str);

impl Entry {
    fn key(&self) -> Key<'_> {
        (&self.name, &self.architecture, &self.version)
    }
}

fn keys(state: &State) -> Vec<Key<'_>> {
    match state.fact() {
        Some(Fact::Rpm(entries)) => entries.iter().map(Entry::key).collect(),
        _ => Vec::new(),
    }
}

fn package(entry: &Entry) -> Package {
    let mut package = Package::new(Ecosystem::Rpm, &entry.name, Some(entry.version.clone()));
    package.architecture = field(&entry.architecture);
    package.supplier = entry.vendor.clone().or_else(|| entry.packager.clone());
    package.homepage = entry.url.clone();
    package.description = entry.summary.clone();
    package.license.declared.extend(entry.license.clone());
    package.source = entry.source.as_deref().and_then(source);
    for (key, value) in &entry.properties {
        package.properties.insert(format!("rpm:{key}"), value.clone());
    }
    if let (Some(_), Some(packager)) = (&entry.vendor, &entry.packager) {
        package.properties.insert("rpm:packager".into(), packager.clone());
    }
    package
}

/// `bash-5.1.8-4.el9.src.rpm`: the name, and the version with its release.
fn source(file: &str) -> Option<SourcePackage> {
    let stem = file.strip_suffix(".rpm")?;
    let stem = stem.strip_suffix(".src").or_else(|| stem.strip_suffix(".nosrc"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some(SourcePackage { name: field(name)?, version: Some(format!("{version}-{release}")) })
}

/// A database while it is read.
struct Database {
    entries: Vec<Entry>,
    notes: Vec<String>,
    /// What each entry needs.
    requires: Vec<Vec<String>>,
    /// Which entry provides a capability: the one of that name, then the first that said so.
    provides: HashMap<String, usize>,
    files: HashMap<String, usize>,
    /// Bytes of headers that an honest database of this size can still hold: parts of it that stand in the
    /// same place would be read again and again.
    left: usize,
    /// Bytes of paths that are still put together.
    paths: usize,
    broken: usize,
}

impl Database {
    fn new(size: usize) -> Self {
        Self {
            entries: Vec::new(),
            notes: Vec::new(),
            requires: Vec::new(),
            provides: HashMap::new(),
            files: HashMap::new(),
            left: size,
            paths: limits::RPM_PATH_BYTES,
            broken: 0,
        }
    }

    fn header(&mut self, blob: &[u8]) -> Result<(), String> {
        self.left = self.left.checked_sub(blob.len()).ok_or("headers that overlap")?;
        if self.entries.len() >= limits::DATABASE_PACKAGES {
            return Err(format!("more than {} packages", limits::DATABASE_PACKAGES));
        }
        let Some((header, mut entry)) =
            Header::parse(blob).and_then(|h| Some((entry(&h)?, h))).map(|(e, h)| (h, e))
        else {
            self.broken += 1;
            return Ok(());
        };
        if entry.name == "gpg-pubkey" {
            return Ok(());
        }
        for tag in [tag::PROVIDES, tag::REQUIRES] {
            self.notes.extend(
                dependencies_left_out(&entry.name, header.count(tag))
                    .filter(|_| self.notes.len() < limits::GAPS),
            );
        }
        if header.count(tag::BASENAMES).max(header.count(tag::OLD_FILENAMES)) > limits::RPM_FILES {
            self.notes.push(format!("{}: more files than RPM_FILES, further ones were not read", entry.name));
        }
        let at = self.entries.len();
        let strings = |tag| {
            header
                .strings(tag)
                .filter(|text| text.len() <= limits::PATH_BYTES)
                .filter_map(|text| std::str::from_utf8(text).ok())
                .take(limits::DEPENDENCIES)
        };
        for name in strings(tag::PROVIDES) {
            self.provides.entry(name.to_owned()).or_insert(at);
        }
        // Conditions between capabilities (`(a if b)`) and what rpm itself must know are no packages.
        let mut requires: Vec<String> = strings(tag::REQUIRES)
            .filter(|r| !r.starts_with(['(', '\0']) && !r.starts_with("rpmlib("))
            .map(str::to_owned)
            .collect();
        requires.sort_unstable();
        requires.dedup();
        for file in header.files() {
            let Some(left) = self.paths.checked_sub(file.len()) else {
                self.notes.push(format!(
                    "{}: more paths than RPM_PATH_BYTES, further ones were not read",
                    entry.name
                ));
                break;
            };
            self.paths = left;
            if proves_language_package(&file) {
                entry.owned.push(file.clone());
            }
            // Packages ask for programs and a few other files by path, and only for those of few directories.
            if ["usr/bin/", "usr/sbin/", "bin/", "sbin/", "etc/", "usr/lib/", "usr/libexec/"]
                .iter()
                .any(|dir| file.strip_prefix(dir).is_some_and(|rest| !rest.contains('/')))
            {
                self.files.entry(file).or_insert(at);
            }
        }
        self.requires.push(requires);
        self.entries.push(entry);
        Ok(())
    }

    fn finish(mut self) -> Parsed {
        let named: HashMap<&str, usize> =
            self.entries.iter().enumerate().rev().map(|(at, e)| (e.name.as_str(), at)).collect();
        let mut depends = Vec::with_capacity(self.requires.len());
        for (from, requires) in self.requires.iter().enumerate() {
            let found = requires.iter().filter_map(|name| match name.strip_prefix('/') {
                Some(path) => self.files.get(path).or_else(|| self.provides.get(name)),
                None => named.get(name.as_str()).or_else(|| self.provides.get(name)),
            });
            let found: BTreeSet<usize> = found.copied().filter(|to| *to != from).collect();
            depends.push(found);
        }
        for (entry, depends) in self.entries.iter_mut().zip(depends) {
            entry.depends = depends.into_iter().collect();
        }
        if self.broken > 0 {
            self.notes.push(format!("{} headers that make no sense", self.broken));
        }
        Parsed { fact: Fact::Rpm(self.entries), notes: self.notes }
    }
}

/// The package that a header is about; `None` where it has no name or no version.
fn entry(header: &Header<'_>) -> Option<Entry> {
    let name = header.text(tag::NAME)?;
    let (version, release) = (header.text(tag::VERSION)?, header.text(tag::RELEASE));
    let mut properties = BTreeMap::new();
    let digest = |tag: u32, length: usize| {
        header.text(tag).filter(|t| t.len() == length && t.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    properties.extend(digest(tag::SHA256_HEADER, 64).map(|hex| ("header-sha256", hex)));
    // RFC 4880, 9.4: algorithm 8 is SHA-256.
    if header.number(tag::PAYLOAD_DIGEST_ALGORITHM, 0) == Some(8) {
        properties.extend(digest(tag::PAYLOAD_DIGEST, 64).map(|hex| ("payload-sha256", hex)));
    }
    properties.extend(header.number(tag::SIZE, 0).map(|size| ("size", size.to_string())));
    properties.extend(header.text(tag::MODULARITY_LABEL).map(|label| ("modularity-label", label)));
    Some(Entry {
        version: evr(header.number(tag::EPOCH, 0), &version, release.as_deref()),
        architecture: header.text(tag::ARCH).unwrap_or_default(),
        source: header.text(tag::SOURCE_RPM),
        vendor: header.text(tag::VENDOR),
        packager: header.text(tag::PACKAGER),
        license: header.text(tag::LICENSE),
        url: header.text(tag::URL),
        summary: header.text(tag::SUMMARY),
        properties,
        owned: Vec::new(),
        depends: Vec::new(),
        name,
    })
}

fn evr(epoch: Option<u32>, version: &str, release: Option<&str>) -> String {
    let mut text = epoch.filter(|e| *e != 0).map(|e| format!("{e}:")).unwrap_or_default();
    text.push_str(version);
    if let Some(release) = release {
        text.push('-');
        text.push_str(release);
    }
    text
}

/// A list with one package on each line.
fn manifest(content: &[u8], line: fn(&str) -> Option<Entry>) -> Parsed {
    let text = String::from_utf8_lossy(content);
    let (mut entries, mut notes, mut broken) = (Vec::new(), Vec::new(), 0_usize);
    for text in text.lines().filter(|l| !l.trim().is_empty()) {
        match line(text) {
            Some(_) if entries.len() >= limits::DATABASE_PACKAGES => {
                notes.push(format!("more than {} packages", limits::DATABASE_PACKAGES));
                break;
            }
            Some(entry) if entry.name == "gpg-pubkey" => {}
            Some(entry) => entries.push(entry),
            None => broken += 1,
        }
    }
    if broken > 0 {
        notes.push(format!("{broken} lines that make no sense"));
    }
    Parsed { fact: Fact::Rpm(entries), notes }
}

/// A line of `container-manifest-2`: name, version and release, times of installation and build, vendor,
/// epoch, size, architecture, epoch as a number, source rpm, with tabs between them.
fn row(line: &str) -> Option<Entry> {
    let columns: Vec<&str> = line.split('\t').collect();
    let get = |at: usize| columns.get(at).and_then(|t| field(t)).filter(|t| t != "(none)");
    let epoch = get(8).or_else(|| get(5)).and_then(|e| e.parse().ok());
    Some(Entry {
        name: get(0)?,
        version: evr(epoch, &get(1)?, None),
        architecture: get(7)?,
        source: get(9),
        vendor: get(4),
        properties: get(6).map(|size| ("size", size)).into_iter().collect(),
        ..Entry::default()
    })
}

/// A line of `container-manifest-1`, as `rpm -qa` prints it: `name-version-release.arch`.
fn nevra(line: &str) -> Option<Entry> {
    let (rest, architecture) = line.trim().rsplit_once('.')?;
    let (rest, release) = rest.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some(Entry {
        name: field(name)?,
        version: evr(None, &field(version)?, Some(release)),
        architecture: field(architecture)?,
        ..Entry::default()
    })
}

#[cfg(test)]
mod tests;
