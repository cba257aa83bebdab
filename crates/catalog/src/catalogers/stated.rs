//! Packages as one file states them: what catalogers share whose files hold names, versions and little else.
//!
//! A parser fills a [`List`]; what has no proper name and version is counted and becomes a gap, and a file with too
//! many packages is refused whole. [`collect`] turns the lists into packages, with the layer since which the file
//! says so without a break, and edges between those that name each other: in the same file for lock files, in the
//! whole image for what is installed.

use super::bytes::{self, Alphabet};
use super::{Fact, Parsed, field};
use crate::collect::Collector;
use crate::limits;
use crate::pack::pack;
use crate::squash::{Snapshots, State, View};
use seaworthy_sbom::inventory::{Checksum, Ecosystem, Package, Presence, RelationshipKind};
use std::collections::BTreeMap;

/// What one file states.
#[derive(Debug, Clone)]
pub(crate) struct Stated {
    by: &'static str,
    reach: Reach,
    records: Vec<Record>,
}
pack!(struct Stated { by, reach, records });

/// Where the packages stand that a record names as its dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// In the same file.
    File,
    /// In any file of the same cataloger.
    Image,
}
pack!(
    enum Reach {
        File,
        Image,
    }
);

/// One package of a file.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(super) package: Package,
    /// What others call it in their [`Record::depends`]; the name is always one of them.
    pub(super) keys: Vec<String>,
    /// What it needs. What nobody is called is no edge.
    pub(super) depends: Vec<String>,
    /// Its files that prove packages of other ecosystems, relative to the root.
    pub(super) files: Vec<String>,
}
pack!(struct Record { package, keys, depends, files });

impl Record {
    /// An installed package.
    pub(super) fn new(ecosystem: Ecosystem, name: impl Into<String>, version: impl Into<String>) -> Self {
        let package = Package::new(ecosystem, name, Some(version.into()));
        Self { package, keys: Vec::new(), depends: Vec::new(), files: Vec::new() }
    }

    /// A declared one.
    pub(super) fn declared(
        ecosystem: Ecosystem,
        name: impl Into<String>,
        version: impl Into<String>,
    ) -> Self {
        let mut record = Self::new(ecosystem, name, version);
        record.package.presence = Presence::Declared;
        record
    }

    /// With another name for it.
    pub(super) fn called(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// With what it needs.
    pub(super) fn needing<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.depends.extend(names.into_iter().map(Into::into));
        self
    }

    /// With a property, where there is a value.
    pub(super) fn with(mut self, key: &str, value: Option<String>) -> Self {
        if let Some(value) = value {
            self.package.properties.insert(key.to_owned(), value);
        }
        self
    }

    /// With the mark of what only development needs.
    pub(super) fn for_development(self) -> Self {
        self.with(SCOPE, Some("development".to_owned()))
    }

    /// With licences as written; one more than there may be, so that [`List::add`] can say that it is too many.
    pub(super) fn licensed<T: AsRef<str>>(mut self, licences: impl IntoIterator<Item = T>) -> Self {
        let named = licences.into_iter().take(limits::LICENCES + 1).filter_map(|text| field(text.as_ref()));
        self.package.license.declared.extend(named);
        self
    }

    /// With a checksum in hex, where it has the length of its algorithm.
    pub(super) fn sum(mut self, algorithm: &str, hex: &str) -> Self {
        let length = match algorithm {
            "MD5" => 32,
            "SHA1" => 40,
            "SHA256" => 64,
            "SHA512" => 128,
            _ => return self,
        };
        if hex.len() == length && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            let hex = hex.to_ascii_lowercase();
            self.package.checksums.push(Checksum { algorithm: algorithm.to_owned(), hex });
        }
        self
    }

    /// With the strongest of a `sha512-…` integrity as npm writes it (W3C, "Subresource Integrity").
    pub(super) fn integrity(self, text: &str) -> Self {
        let hashes = || text.split_whitespace();
        let read = |text: &str| bytes::base64(text, Alphabet::Standard);
        let find = |prefix: &str| hashes().find_map(|one| read(one.strip_prefix(prefix)?));
        for (prefix, algorithm) in [("sha512-", "SHA512"), ("sha256-", "SHA256"), ("sha1-", "SHA1")] {
            if let Some(bytes) = find(prefix) {
                return self.sum(algorithm, &hex::encode(bytes));
            }
        }
        self
    }

    fn identity(&self) -> Identity {
        let version = self.package.version.clone().unwrap_or_default();
        (self.package.ecosystem, self.package.name.clone(), version)
    }
}

type Identity = (Ecosystem, String, String);

/// The property of packages that only development needs.
const SCOPE: &str = "lock:scope";

/// The packages of a file while it is read.
#[derive(Debug, Default)]
pub(super) struct List {
    records: Vec<Record>,
    left_out: usize,
    surplus: usize,
    notes: Vec<String>,
}

impl List {
    /// Takes a package, or counts it where its name or version is none.
    pub(super) fn add(&mut self, mut record: Record) {
        let version = record.package.version.as_deref().unwrap_or_default();
        if !is_name(&record.package.name) || !is_version(version) {
            self.left_out += 1;
            return;
        }
        if self.records.len() >= limits::DATABASE_PACKAGES {
            self.surplus += 1;
            return;
        }
        if record.depends.len() > limits::DEPENDENCIES {
            let (name, count) = (&record.package.name, record.depends.len());
            self.notes.push(format!("{name} has {count} dependencies, more than {}", limits::DEPENDENCIES));
            record.depends.clear();
        }
        let licences = &mut record.package.license.declared;
        if licences.len() > limits::LICENCES {
            let (name, most) = (&record.package.name, limits::LICENCES);
            self.notes.push(format!("{name} has more than LICENCES ({most}): further ones are left out"));
            licences.truncate(most);
        }
        record.depends.sort();
        record.depends.dedup();
        record.keys.push(record.package.name.clone());
        self.records.push(record);
    }

    /// Counts an entry that states no package.
    pub(super) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// Says that something else could not be read.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Whether nothing was taken or left out.
    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.left_out == 0
    }

    /// The fact.
    ///
    /// # Errors
    /// More packages than one file may have.
    pub(super) fn done(mut self, by: &'static str, reach: Reach) -> Result<Parsed, String> {
        if self.surplus > 0 {
            let all = self.records.len() + self.surplus;
            return Err(format!("{all} packages, more than the limit of {}", limits::DATABASE_PACKAGES));
        }
        if self.left_out > 0 {
            let n = self.left_out;
            self.notes.push(format!("{n} entries without a proper name and exact version were left out"));
        }
        self.notes.truncate(limits::GAPS);
        let fact = Fact::Stated(Box::new(Stated { by, reach, records: self.records }));
        Ok(Parsed { fact, notes: self.notes })
    }
}

/// The letters that names of any of the ecosystems have; parts between slashes are no steps of a path.
pub(super) fn is_name(name: &str) -> bool {
    let part = |p: &str| !p.is_empty() && p != "." && p != "..";
    name.len() <= limits::NAME_BYTES
        && name.split('/').all(part)
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"@/._-~+!:".contains(&b))
}

/// What no blank, quotation mark or bracket is in.
pub(super) fn is_version(version: &str) -> bool {
    !version.is_empty()
        && version.len() <= limits::VERSION_BYTES
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-_!~:^=@/".contains(&b))
}

/// Everything that `by` stated, as packages with edges.
pub(super) fn collect(by: &'static str, view: &View, out: &mut Collector<'_>) {
    collect_with(by, view, out, |_, _, record| Some(record));
}

/// The same, where `amend` is told the file and may add what others say of the package, or leave it out.
pub(super) fn collect_with(
    by: &'static str,
    view: &View,
    out: &mut Collector<'_>,
    amend: impl Fn(&View, &str, Record) -> Option<Record>,
) {
    let mut everywhere: BTreeMap<(Ecosystem, String), usize> = BTreeMap::new();
    let mut waiting: Vec<(usize, Ecosystem, Vec<String>)> = Vec::new();
    for (path, last, parsed) in view.parsed() {
        let Fact::Stated(stated) = &parsed.fact else { continue };
        if stated.by != by {
            continue;
        }
        let snapshots = Snapshots::new(&[view.history(path)], identities);
        let mut here: BTreeMap<&str, usize> = BTreeMap::new();
        let mut handles = Vec::with_capacity(stated.records.len());
        for record in &stated.records {
            let mut amended = record.clone();
            amended.package.evidence.push(view.evidence(path, last));
            let Some(amended) = amend(view, path, amended) else { continue };
            let since = snapshots.since(&record.identity()).unwrap_or(last);
            let handle = out.add(amended.package, since);
            amended.files.iter().for_each(|file| out.owns(handle, file));
            handles.push((handle, record));
            match stated.reach {
                Reach::File => {
                    for key in &record.keys {
                        here.entry(key).or_insert(handle);
                    }
                }
                Reach::Image => {
                    // As the file has it: what others call it does not change with what is learnt of it.
                    let ecosystem = record.package.ecosystem;
                    for key in amended.keys {
                        everywhere.entry((ecosystem, key)).or_insert(handle);
                    }
                    waiting.push((handle, ecosystem, amended.depends));
                }
            }
        }
        if stated.reach == Reach::File {
            for (from, record) in handles {
                for to in record.depends.iter().filter_map(|name| here.get(name.as_str())) {
                    out.relate(from, RelationshipKind::DependsOn, *to);
                }
            }
        }
    }
    for (from, ecosystem, names) in waiting {
        for name in names {
            if let Some(to) = everywhere.get(&(ecosystem, name)) {
                out.relate(from, RelationshipKind::DependsOn, *to);
            }
        }
    }
}

fn identities(state: &State) -> Vec<Identity> {
    match state.fact() {
        Some(Fact::Stated(stated)) => stated.records.iter().map(Record::identity).collect(),
        _ => Vec::new(),
    }
}

/// Names and versions of what `by` stated in a file.
pub(super) fn named(by: &'static str, parsed: &Parsed) -> Vec<(String, String)> {
    match &parsed.fact {
        Fact::Stated(stated) if stated.by == by => {
            let identities = stated.records.iter().map(Record::identity);
            identities.map(|(_, name, version)| (name, version)).collect()
        }
        _ => Vec::new(),
    }
}

/// What the file at `path` says, where it is one that stands beside a package ([`Fact::Beside`]).
pub(super) fn beside<'v>(view: &'v View, path: &str) -> Option<&'v [String]> {
    match view.lookup(path)?.2.fact()? {
        Fact::Beside(lines) => Some(lines),
        _ => None,
    }
}

/// The records, for the tests of parsers: `name version`, and `> name` for what it needs.
#[cfg(test)]
pub(super) fn told(parsed: &Parsed) -> Vec<String> {
    let Fact::Stated(stated) = &parsed.fact else { panic!("no packages: {parsed:?}") };
    let line = |record: &Record| {
        let version = record.package.version.as_deref().unwrap_or_default();
        let mut line = format!("{} {version}", record.package.name);
        for name in &record.depends {
            line.push_str(&format!(" > {name}"));
        }
        if record.package.properties.contains_key(SCOPE) {
            line.push_str(" (development)");
        }
        line
    };
    let mut all: Vec<String> = stated.records.iter().map(line).collect();
    all.sort();
    all
}
