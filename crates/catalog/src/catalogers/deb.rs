//! dpkg: what is installed, not what dpkg still remembers.
//!
//! Reads `var/lib/dpkg/status`, the one-paragraph files of `status.d` (distroless images) and, for
//! licences, `usr/share/doc/<package>/copyright`. A package counts where its files are there: `installed`,
//! `unpacked`, `half-configured` and the two `triggers-` states (dpkg(1), "Package states"). What was
//! removed and not purged (`config-files`) does not. `half-installed` is broken and becomes a gap.

use super::{
    Cataloger, Fact, Parsed, copyright, dependencies_left_out, field, paragraphs, proves_language_package,
    value,
};
use crate::collect::Collector;
use crate::pack::pack;
use crate::squash::{Snapshots, State, View};
use crate::{limits, path};
use seaworthy_sbom::inventory::{Ecosystem, Package, RelationshipKind, SourcePackage};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Dpkg;

/// One installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    name: String,
    version: String,
    architecture: String,
    /// The third word of `Status`, where it is not `installed`.
    state: Option<String>,
    source: Option<(String, Option<String>)>,
    maintainer: Option<String>,
    homepage: Option<String>,
    summary: Option<String>,
    /// `Pre-Depends` and `Depends`: each is a list of alternatives.
    depends: Vec<Vec<String>>,
    provides: Vec<String>,
}
pack!(struct Entry {
    name, version, architecture, state, source, maintainer, homepage, summary, depends, provides
});

const STATUS: &str = "var/lib/dpkg/status";
const STATUS_D: &str = "var/lib/dpkg/status.d";
const DOC: &str = "usr/share/doc";

enum Role {
    Status,
    StatusD,
    List,
    Copyright,
}

/// What a path is to dpkg. The database may stand elsewhere and be reached by a link, so only the last
/// directories count here; whether a link leads there is seen in the final view.
fn role(path: &str) -> Option<Role> {
    let (dir, base) = path::split(path);
    let (above, last) = path::split(dir);
    match (path::split(above).1, last, base) {
        (_, "dpkg", "status") => Some(Role::Status),
        ("dpkg", "status.d", name) if !name.ends_with(".md5sums") => Some(Role::StatusD),
        ("dpkg", "info", name) if name.ends_with(".list") => Some(Role::List),
        ("doc", _, "copyright") => Some(Role::Copyright),
        _ => None,
    }
}

impl Cataloger for Dpkg {
    fn name(&self) -> &'static str {
        "dpkg"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`var/lib/dpkg/status`, `status.d/*` (distroless), `info/*.list`, `usr/share/doc/*/copyright`",
            gives: "debs with source, maintainer, dependencies, licences, owned Python, npm and Java packages and programs",
            cannot_know: "licences of packages whose copyright file was removed; checksums of the `.deb`",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        role(path).map(|role| match role {
            Role::Status => limits::DATABASE_BYTES,
            Role::StatusD => limits::METADATA_BYTES,
            Role::List => limits::LIST_BYTES,
            Role::Copyright => limits::COPYRIGHT_BYTES,
        })
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let text = String::from_utf8_lossy(content);
        match role(path) {
            Some(Role::Status) => Ok(database(&text, Missing::NotInstalled)),
            Some(Role::StatusD) => Ok(database(&text, Missing::Installed)),
            Some(Role::List) => {
                let files = text.lines().filter_map(|line| line.strip_prefix('/'));
                let wanted = files.filter(|file| proves_language_package(file));
                Ok(Fact::DebFiles(wanted.map(str::to_owned).collect()).into())
            }
            Some(Role::Copyright) => Ok(Fact::Copyright(copyright::licences(&text)).into()),
            None => Ok(Fact::Nothing.into()),
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        out.astray(view, STATUS, self);
        let databases = databases(view);
        let mut handles: Vec<(usize, &Entry)> = Vec::new();
        let mut seen = BTreeSet::new();
        let snapshots = Snapshots::new(&histories(view), entries);
        for database in &databases {
            for entry in database.entries {
                if !seen.insert(entry.key()) {
                    continue;
                }
                let mut package = package(entry);
                package.evidence.push(view.evidence(&database.place, database.layer));
                licence(view, entry, &mut package);
                let layer = snapshots.since(&entry.key()).unwrap_or(database.layer);
                handles.push((out.add(package, layer), entry));
            }
        }
        own_files(view, &handles, out);
        depend(&handles, out);
    }
}

/// A database in the final view.
struct Database<'v> {
    place: String,
    layer: usize,
    entries: &'v [Entry],
}

fn entries_of(state: &State) -> &[Entry] {
    match state.fact() {
        Some(Fact::Deb(entries)) => entries,
        _ => &[],
    }
}

fn entries(state: &State) -> Vec<Key<'_>> {
    entries_of(state).iter().map(Entry::key).collect()
}

fn databases(view: &View) -> Vec<Database<'_>> {
    let mut found = Vec::new();
    if let Some((place, layer, state)) = view.lookup(STATUS) {
        found.push(Database { place, layer, entries: entries_of(state) });
    }
    if let Some(dir) = view.resolve(STATUS_D) {
        for (path, layer, state) in view.files() {
            if path::split(path).0 == dir {
                found.push(Database { place: path.to_owned(), layer, entries: entries_of(state) });
            }
        }
    }
    found
}

/// The histories of all that ever was a database.
fn histories(view: &View) -> Vec<&[(usize, State)]> {
    let status = view.resolve(STATUS);
    let dir = view.resolve(STATUS_D);
    view.histories(|path| Some(path) == status.as_deref() || Some(path::split(path).0) == dir.as_deref())
}

fn package(entry: &Entry) -> Package {
    let mut package = Package::new(Ecosystem::Deb, &entry.name, Some(entry.version.clone()));
    package.architecture = field(&entry.architecture);
    package.supplier = entry.maintainer.clone();
    package.homepage = entry.homepage.clone();
    package.description = entry.summary.clone();
    package.source = Some(match &entry.source {
        Some((name, version)) => SourcePackage {
            name: name.clone(),
            version: version.clone().or_else(|| Some(entry.version.clone())),
        },
        None => SourcePackage { name: entry.name.clone(), version: Some(entry.version.clone()) },
    });
    if let Some(state) = &entry.state {
        package.properties.insert("dpkg:state".into(), state.clone());
    }
    package
}

/// Licences from the copyright file, which may stand in another package's directory behind a link.
fn licence(view: &View, entry: &Entry, package: &mut Package) {
    let Some((place, layer, State::Parsed(parsed))) = view.lookup(&format!("{DOC}/{}/copyright", entry.name))
    else {
        return;
    };
    if let Fact::Copyright(licences) = &parsed.fact {
        package.license.declared = licences.clone();
        package.evidence.push(view.evidence(&place, layer));
    }
}

fn own_files(view: &View, handles: &[(usize, &Entry)], out: &mut Collector<'_>) {
    for (handle, entry) in handles {
        let names = [
            format!("var/lib/dpkg/info/{}:{}.list", entry.name, entry.architecture),
            format!("var/lib/dpkg/info/{}.list", entry.name),
        ];
        for name in names {
            if let Some((_, _, State::Parsed(parsed))) = view.lookup(&name)
                && let Fact::DebFiles(files) = &parsed.fact
            {
                files.iter().for_each(|file| out.owns(*handle, file));
                break;
            }
        }
    }
}

/// Edges to installed packages: of alternatives the first that is installed, of a virtual package the
/// provider that sorts first. Versions are not compared: dpkg did, when it installed them.
fn depend(handles: &[(usize, &Entry)], out: &mut Collector<'_>) {
    let mut real: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    let mut virtuals: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    for (handle, entry) in handles {
        real.entry(&entry.name).or_default().push((&entry.architecture, *handle));
        for name in &entry.provides {
            virtuals.entry(name).or_default().push((&entry.architecture, *handle));
        }
    }
    let pick = |name: &str, architecture: &str| {
        let choose = |found: &Vec<(&str, usize)>| {
            let same = found.iter().find(|(a, _)| *a == architecture || *a == "all");
            same.or(found.first()).map(|(_, handle)| *handle)
        };
        real.get(name).and_then(choose).or_else(|| virtuals.get(name).and_then(choose))
    };
    for (handle, entry) in handles {
        for alternatives in &entry.depends {
            if let Some(to) = alternatives.iter().find_map(|name| pick(name, &entry.architecture)) {
                out.relate(*handle, RelationshipKind::DependsOn, to);
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

/// What a paragraph without `Status` means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// dpkg's own database: dpkg takes it for not installed.
    NotInstalled,
    /// `status.d`: the builder leaves it out.
    Installed,
}

fn database(text: &str, missing: Missing) -> Parsed {
    let mut entries = Vec::new();
    let mut notes = Vec::new();
    let mut untold = 0_usize;
    for paragraph in paragraphs(text) {
        match entry(&paragraph, missing) {
            Ok(Some(_)) if entries.len() >= limits::DATABASE_PACKAGES => {
                notes.push(format!("more than {} packages", limits::DATABASE_PACKAGES));
                break;
            }
            Ok(Some(entry)) => {
                let groups = |list| value(&paragraph, list).unwrap_or_default().split(',');
                let count = |list| groups(list).filter(|group| !group.trim().is_empty()).count();
                for named in [count("Pre-Depends") + count("Depends"), count("Provides")] {
                    notes.extend(
                        dependencies_left_out(&entry.name, named).filter(|_| notes.len() < limits::GAPS),
                    );
                }
                entries.push(entry);
            }
            Ok(None) => {}
            Err(why) if notes.len() < limits::GAPS => notes.push(why),
            Err(_) => untold += 1,
        }
    }
    if untold > 0 {
        notes.push(format!("{untold} further paragraphs could not be read"));
    }
    if entries.is_empty() && notes.is_empty() && !text.trim().is_empty() && paragraphs(text).next().is_none()
    {
        notes.push("no paragraph of a dpkg database in it".into());
    }
    Parsed { fact: Fact::Deb(entries), notes }
}

fn entry(paragraph: &[(&str, String)], missing: Missing) -> Result<Option<Entry>, String> {
    let get = |name| value(paragraph, name).and_then(field);
    let Some(name) = get("Package") else { return Err("a paragraph without Package".into()) };
    let shown = || path::shown(name.as_bytes());
    // Debian policy 5.6.1: lower-case letters, digits, '+', '-', '.'; derivatives are laxer about case.
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-._".contains(&b)) {
        return Err(format!("'{}' is no name of a package", shown()));
    }
    let state = match (get("Status"), missing) {
        (None, Missing::Installed) => None,
        (None, Missing::NotInstalled) => return Err(format!("{} has no Status", shown())),
        (Some(status), _) => match status.split_whitespace().nth(2) {
            Some("installed") => None,
            Some(state @ ("unpacked" | "half-configured" | "triggers-awaited" | "triggers-pending")) => {
                Some(state.to_owned())
            }
            Some("not-installed" | "config-files") => return Ok(None),
            Some("half-installed") => return Err(format!("{} is half-installed", shown())),
            _ => return Err(format!("{} has the status '{}'", shown(), path::shown(status.as_bytes()))),
        },
    };
    let Some(version) = get("Version") else { return Err(format!("{} has no Version", shown())) };
    let source = get("Source").and_then(|source| {
        let (name, version) = match source.split_once('(') {
            Some((name, version)) => (name.trim(), version.trim().strip_suffix(')').and_then(field)),
            None => (source.as_str(), None),
        };
        Some((field(name)?, version))
    });
    let mut depends = Vec::new();
    for list in ["Pre-Depends", "Depends"] {
        for group in value(paragraph, list).unwrap_or_default().split(',') {
            let alternatives: Vec<String> = group.split('|').filter_map(dependency).collect();
            if !alternatives.is_empty() {
                depends.push(alternatives);
            }
        }
    }
    depends.truncate(limits::DEPENDENCIES);
    let provides = value(paragraph, "Provides").unwrap_or_default();
    Ok(Some(Entry {
        version,
        architecture: get("Architecture").unwrap_or_default(),
        state,
        source,
        maintainer: get("Maintainer"),
        homepage: get("Homepage"),
        summary: value(paragraph, "Description").and_then(|d| d.lines().next()).and_then(field),
        depends,
        provides: provides.split(',').filter_map(dependency).take(limits::DEPENDENCIES).collect(),
        name,
    }))
}

/// `python3:any (>= 3.11) [amd64]`: the name alone.
fn dependency(text: &str) -> Option<String> {
    let end = text.trim().find([' ', '\t', '\n', '(', ':', '[', '<']);
    let text = text.trim();
    field(end.and_then(|end| text.get(..end)).unwrap_or(text))
}
