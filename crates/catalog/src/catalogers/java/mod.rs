//! Java: archives (jar, war, ear and their kin), archives in them, and the release files of JVMs.
//!
//! An archive is one package, and what was shaded into it (further `pom.properties`) are packages that it
//! contains, as are archives in it. Names and versions come from `pom.properties`, then `pom.xml`, then the
//! manifest and the file name; which one is said in a property, and a version that nobody gives is said to
//! be unknown. A group that nothing names stays out: it is not guessed from class names. Archives whose
//! entries are more or larger than the limits are listed with a gap.

mod text;
pub(crate) mod zip;

use super::{Cataloger, Fact, Parsed};
use crate::collect::Collector;
use crate::pack::pack;
use crate::squash::{Snapshots, State, View};
use crate::{limits, path, texts};
use seaworthy_oci::Digest;
use seaworthy_sbom::inventory::{Checksum, Ecosystem, Evidence, License, Package, RelationshipKind};
use seaworthy_sbom::license;
use std::collections::BTreeSet;
use text::{Pom, value};
use zip::{Archive, Budget, Entry};

pub(crate) struct Java;

/// A package in an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    group: Option<String>,
    artifact: String,
    version: Option<String>,
    /// Where in the outermost archive its own archive stands; empty for that one itself.
    inner: String,
    /// The package that contains it, by its place in the list.
    parent: Option<usize>,
    licences: Vec<String>,
    /// SHA-256 of the archive, where the package is one.
    sha256: Option<String>,
    /// `pom.properties`, `pom.xml`, `manifest`, `file name`.
    known_by: &'static str,
    vendor: Option<String>,
    homepage: Option<String>,
    /// Its licence texts by their names in the archive, where nothing else says the licence.
    texts: Vec<(String, String)>,
}
pack!(struct Found {
    group, artifact, version, inner, parent, licences, sha256, known_by, vendor, homepage, texts
});

impl Found {
    fn license(&self) -> License {
        let declared: Vec<String> = self.licences.iter().map(|text| licence(text)).collect();
        license::normalize(&declared, Ecosystem::Maven)
    }
}

/// Keeps the licence texts of whose bytes `admit` says that there is room.
pub(crate) fn retain_texts(all: &mut [Found], mut admit: impl FnMut(usize) -> bool) {
    all.iter_mut().for_each(|found| found.texts.retain(|(_, text)| admit(text.len())));
}

/// The licence texts of the archive that stands at `inner` in the outermost one.
pub(crate) fn texts<'a>(all: &'a [Found], inner: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let here = all.iter().filter(move |found| found.inner == inner);
    here.flat_map(|found| found.texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))
}

/// A Java runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runtime {
    name: &'static str,
    version: String,
    implementor: Option<String>,
    architecture: Option<String>,
}
pack!(struct Runtime { name, version, implementor, architecture });

/// What `java -jar`, servlet containers, application servers, Jenkins, Karaf, NiFi and Liferay load.
const SUFFIXES: [&str; 10] =
    [".jar", ".war", ".ear", ".jpi", ".hpi", ".sar", ".par", ".nar", ".kar", ".lpkg"];

fn is_archive(name: &str) -> bool {
    let base = path::split(name).1;
    SUFFIXES.iter().any(|suffix| base.len() > suffix.len() && base.to_ascii_lowercase().ends_with(suffix))
}

impl Cataloger for Java {
    fn name(&self) -> &'static str {
        "java"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`*.jar`, `.war`, `.ear`, `.jpi`, `.hpi`, `.sar`, `.par`, `.nar`, `.kar`, `.lpkg` and those inside them; in each `META-INF/MANIFEST.MF`, `pom.properties`, `pom.xml`; `release` of JVMs",
            gives: "archives with group, artifact, version (`java:known-by` says from what), licence, SHA-256; what was shaded in or stands inside, as `Contains`; runtimes",
            cannot_know: "dependencies between archives; groups of archives without pom; classes that were copied without their pom; versions that nothing states (`seaworthy:version` = `unknown`)",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        if is_archive(path) {
            return Some(limits::JAR_BYTES);
        }
        (path.ends_with("/release")).then_some(limits::OS_RELEASE_BYTES)
    }

    fn weight(&self, size: u64) -> u64 {
        // A few lines are kept of an archive.
        size / 64
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        if !is_archive(path) {
            return Ok(runtime(content).map_or(Fact::Nothing, |r| Fact::Jvm(Box::new(r))).into());
        }
        if content.is_empty() {
            return Ok(Fact::Nothing.into());
        }
        let bytes =
            content.len().saturating_mul(limits::JAR_READ_RATIO).saturating_add(limits::JAR_READ_GRACE);
        let mut budget = Budget { entries: limits::JAR_ENTRIES, bytes };
        let mut walk = Walk { found: Vec::new(), notes: BTreeSet::new(), text_bytes: 0 };
        let base = path::split(path).1;
        if !walk.archive(content, base, "", None, 0, &mut budget) {
            return Err("no zip archive, or one that is cut off".into());
        }
        Ok(Parsed { fact: Fact::Java(walk.found), notes: walk.notes.into_iter().collect() })
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        for (path, last, parsed) in view.parsed() {
            let evidence = |inner: &str| Evidence {
                path: if inner.is_empty() { format!("/{path}") } else { format!("/{path}!/{inner}") },
                layer: view.digest(last).map(str::to_owned),
            };
            match &parsed.fact {
                Fact::Java(all) => {
                    let since = Snapshots::new(&[view.history(path)], keys);
                    let mut handles = Vec::with_capacity(all.len());
                    for found in all {
                        let mut package = package(found);
                        package.evidence.push(evidence(&found.inner));
                        let handle = out.add(package, since.since(&key(found)).unwrap_or(last));
                        if let Some(parent) = found.parent.and_then(|p| handles.get(p)) {
                            out.relate(*parent, RelationshipKind::Contains, handle);
                        }
                        handles.push(handle);
                    }
                }
                Fact::Jvm(runtime) => {
                    let version = Some(runtime.version.clone());
                    let mut package = Package::new(Ecosystem::Generic, runtime.name, version);
                    package.supplier = runtime.implementor.clone();
                    package.architecture = runtime.architecture.clone();
                    package.evidence.push(evidence(""));
                    out.add(package, last);
                }
                _ => {}
            }
        }
    }
}

type Key<'a> = (&'a str, Option<&'a str>, &'a str);

fn key(found: &Found) -> Key<'_> {
    (&found.artifact, found.version.as_deref(), &found.inner)
}

fn keys(state: &State) -> Vec<Key<'_>> {
    match state.fact() {
        Some(Fact::Java(all)) => all.iter().map(key).collect(),
        _ => Vec::new(),
    }
}

fn package(found: &Found) -> Package {
    let name = match &found.group {
        Some(group) => format!("{group}:{}", found.artifact),
        None => found.artifact.clone(),
    };
    let mut package = Package::new(Ecosystem::Maven, name, found.version.clone());
    package.license.declared = found.licences.iter().map(|text| licence(text)).collect();
    package.supplier = found.vendor.clone();
    package.homepage = found.homepage.clone();
    package
        .checksums
        .extend(found.sha256.iter().map(|hex| Checksum { algorithm: "SHA256".into(), hex: hex.clone() }));
    package.properties.insert("java:known-by".into(), found.known_by.into());
    if found.version.is_none() {
        package.properties.insert("seaworthy:version".into(), "unknown".into());
    }
    package
}

/// A `release` file is a JVM's if it names a Java version; others have that name as well.
fn runtime(content: &[u8]) -> Option<Runtime> {
    let text = String::from_utf8_lossy(content);
    let fields = text::release(&text);
    let get = |name: &str| fields.get(name).and_then(|text| value(text));
    let java = get("JAVA_VERSION")?;
    let implementor = get("IMPLEMENTOR");
    let name = if fields.contains_key("GRAALVM_VERSION") {
        "graalvm"
    } else if get("BUILD_TYPE").as_deref() == Some("commercial") {
        "oracle-jdk"
    } else {
        "openjdk"
    };
    // The runtime's version has the build: `17.0.9+9`.
    let version = get("JAVA_RUNTIME_VERSION").unwrap_or(java);
    Some(Runtime { name, version, implementor, architecture: get("OS_ARCH") })
}

struct Walk {
    found: Vec<Found>,
    notes: BTreeSet<String>,
    text_bytes: usize,
}

/// What was seen in one archive.
#[derive(Default)]
struct Seen {
    manifest: std::collections::BTreeMap<String, String>,
    /// Group, artifact, version of each `pom.properties`.
    properties: Vec<(String, String, Option<String>)>,
    poms: Vec<Pom>,
    licences: Vec<String>,
    /// Poms beyond the limit.
    dropped: usize,
}

impl Walk {
    fn note(&mut self, text: String) {
        if self.notes.len() < limits::GAPS {
            self.notes.insert(text);
        }
    }

    /// Reads an archive and those in it; `false`: it is none.
    fn archive(
        &mut self,
        bytes: &[u8],
        name: &str,
        inner: &str,
        parent: Option<usize>,
        depth: usize,
        budget: &mut Budget,
    ) -> bool {
        let Some(archive) = Archive::open(bytes) else { return false };
        let mut seen = Seen::default();
        let (mut nested, mut licences, mut surplus) = (Vec::new(), Vec::new(), false);
        let mut notes = Vec::new();
        let place = |entry: &str| {
            let entry = path::shown(entry.as_bytes());
            if inner.is_empty() { entry } else { format!("{inner}!/{entry}") }
        };
        let walked = archive.entries(budget, &mut |budget, entry| {
            let limit = match Kind::of(entry.name) {
                Kind::Manifest | Kind::Pom => limits::JAR_TEXT_BYTES,
                Kind::Properties => limits::JAR_PROPERTIES_BYTES,
                Kind::Archive => {
                    if nested.len() < limits::JAR_PACKAGES {
                        nested.push(entry);
                    } else {
                        surplus = true;
                    }
                    return;
                }
                Kind::Licence
                    if licences.len() < LICENCE_TEXTS && entry.size <= limits::LICENCE_TEXT_BYTES =>
                {
                    licences.push(entry);
                    return;
                }
                Kind::Licence | Kind::Other => return,
            };
            match archive.read(&entry, limit, budget) {
                Ok(content) => seen.take(entry.name, &String::from_utf8_lossy(&content)),
                Err(why) if notes.len() < limits::GAPS => notes.push(format!("{}: {why}", place(entry.name))),
                Err(_) => {}
            }
        });
        if let Err(why) = walked {
            notes.push(if inner.is_empty() { why } else { format!("{inner}: {why}") });
        }
        if seen.dropped > 0 {
            notes.push(format!("more than JAR_POMS ({}) poms in one archive", limits::JAR_POMS));
        }
        notes.into_iter().for_each(|note| self.note(note));
        let (mut main, shaded) = seen.resolve(name);
        let room = limits::JAR_PACKAGES.saturating_sub(self.found.len());
        if surplus || shaded.len() >= room {
            self.note(format!("more than JAR_PACKAGES ({}) packages", limits::JAR_PACKAGES));
        }
        if room == 0 {
            return true;
        }
        main.inner = inner.to_owned();
        main.parent = parent;
        main.sha256 = Some(Digest::sha256(bytes).hex().to_owned());
        let this = self.found.len();
        self.found.push(main);
        let is_whole = shaded.is_empty();
        for mut part in shaded.into_iter().take(room - 1) {
            part.inner = inner.to_owned();
            part.parent = Some(this);
            self.found.push(part);
        }
        for entry in nested {
            let inner = place(entry.name);
            if depth >= limits::JAR_DEPTH {
                self.note(format!("archives in archives more than {} deep were not read", limits::JAR_DEPTH));
                break;
            }
            // Each level is held while those below it are read: the sum stays below twice the limit.
            match archive.read(&entry, limits::JAR_NESTED_BYTES >> depth, budget) {
                // Empty ones stand in for others in tests of servers.
                Ok(content) if content.is_empty() => {}
                Ok(content) => {
                    let base = path::split(entry.name).1;
                    if !self.archive(&content, base, &inner, Some(this), depth + 1, budget) {
                        self.note(format!("{inner}: no zip archive, or one that is cut off"));
                    }
                }
                Err(why) => self.note(format!("{inner}: {why}")),
            }
        }
        // Whose text it is where several were put into one archive, nothing says.
        if is_whole && self.found.get(this).is_some_and(|found| texts::is_open(&found.license())) {
            for entry in licences {
                self.text(&archive, this, &entry, budget);
            }
        }
        true
    }

    /// Keeps a licence text of the package number `this`. What cannot be read says nothing.
    fn text(&mut self, archive: &Archive<'_>, this: usize, entry: &Entry<'_>, budget: &mut Budget) {
        let size = usize::try_from(entry.size).unwrap_or(usize::MAX);
        if self.text_bytes.saturating_add(size) > limits::JAR_TEXTS_BYTES {
            return self
                .note(format!("licence texts: more than JAR_TEXTS_BYTES ({})", limits::JAR_TEXTS_BYTES));
        }
        let limit = limits::LICENCE_TEXT_BYTES as usize;
        if let Ok(content) = archive.read(entry, limit, budget)
            && let Some(found) = self.found.get_mut(this)
        {
            self.text_bytes += content.len();
            found
                .texts
                .push((path::shown(entry.name.as_bytes()), String::from_utf8_lossy(&content).into_owned()));
        }
    }
}

/// Licence texts of one archive: four names at the top, and the same in `META-INF`.
const LICENCE_TEXTS: usize = 8;

enum Kind {
    Manifest,
    Properties,
    Pom,
    Archive,
    Licence,
    Other,
}

impl Kind {
    fn of(name: &str) -> Self {
        if name.eq_ignore_ascii_case("META-INF/MANIFEST.MF") {
            return Self::Manifest;
        }
        if name.starts_with("META-INF/maven/") {
            return match path::split(name).1 {
                "pom.properties" => Self::Properties,
                "pom.xml" => Self::Pom,
                _ => Self::Other,
            };
        }
        if is_archive(name) {
            return Self::Archive;
        }
        let base = name.strip_prefix("META-INF/").unwrap_or(name);
        if !base.contains('/') && texts::is_named(base) { Self::Licence } else { Self::Other }
    }
}

impl Seen {
    fn take(&mut self, name: &str, content: &str) {
        match Kind::of(name) {
            Kind::Manifest => self.manifest = text::manifest(content),
            Kind::Properties | Kind::Pom if self.properties.len() + self.poms.len() >= limits::JAR_POMS => {
                self.dropped += 1;
            }
            Kind::Properties => {
                let fields = text::properties(content);
                let get = |name: &str| fields.get(name).and_then(|text| value(text));
                if let (Some(group), Some(artifact)) = (get("groupId"), get("artifactId")) {
                    self.properties.push((group, artifact, get("version")));
                }
            }
            Kind::Pom => self.poms.push(text::pom(content)),
            Kind::Archive | Kind::Licence | Kind::Other => {}
        }
    }

    fn field(&self, name: &str) -> Option<String> {
        self.manifest.get(name).and_then(|text| value(text))
    }

    /// The archive's own package, and those that were shaded into it.
    fn resolve(mut self, name: &str) -> (Found, Vec<Found>) {
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let (by_name, version_by_name) = text::split_file_name(stem);
        let version_by_name = version_by_name.map(text::without_classifier);
        self.licences =
            self.manifest.get("bundle-license").map(|text| bundle_licences(text)).unwrap_or_default();
        let mut all: Vec<Found> = Vec::new();
        for (group, artifact, version) in std::mem::take(&mut self.properties) {
            if !all.iter().any(|f| f.group.as_ref() == Some(&group) && f.artifact == artifact) {
                let known_by = "pom.properties";
                all.push(Found { group: Some(group), artifact, version, known_by, ..Found::default() });
            }
        }
        for pom in std::mem::take(&mut self.poms) {
            let (Some(group), Some(artifact)) = (pom.group, pom.artifact) else { continue };
            let same = all.iter_mut().find(|f| f.group.as_ref() == Some(&group) && f.artifact == artifact);
            let found = match same {
                Some(found) => found,
                None => {
                    all.push(Found {
                        group: Some(group),
                        artifact,
                        version: pom.version,
                        known_by: "pom.xml",
                        ..Found::default()
                    });
                    let Some(last) = all.last_mut() else { continue };
                    last
                }
            };
            (found.licences, found.homepage, found.vendor) = (pom.licences, pom.url, pom.organization);
        }
        let own = self.own(&all, stem, by_name, version_by_name);
        let mut main = match own {
            Some(at) => all.remove(at),
            None => self.heuristics(stem, by_name, version_by_name),
        };
        if main.version.is_none() {
            main.version = version_by_name.and_then(value).or_else(|| self.version());
        }
        if main.licences.is_empty() {
            main.licences = std::mem::take(&mut self.licences);
        }
        main.vendor = main
            .vendor
            .or_else(|| self.field("bundle-vendor"))
            .or_else(|| self.field("implementation-vendor"));
        main.homepage = main.homepage.or_else(|| self.field("bundle-docurl"));
        (main, all)
    }

    /// Which of the poms is the archive's own.
    fn own(&self, all: &[Found], stem: &str, by_name: &str, version: Option<&str>) -> Option<usize> {
        // The longest artifact that the file name begins with: `guava` and `guava-testlib` may both be there.
        let begins = |f: &Found| {
            // Distributions write `_` and `-` as they like.
            let same = |text: &str| text.replace('_', "-");
            let (stem, artifact) = (same(stem), same(&f.artifact));
            let rest = stem.strip_prefix(artifact.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
        };
        let named = all.iter().enumerate().filter(|(_, f)| begins(f)).max_by_key(|(_, f)| f.artifact.len());
        if let Some((at, _)) = named {
            return Some(at);
        }
        let titles = ["bundle-symbolicname", "automatic-module-name", "implementation-title"];
        let titles: Vec<String> = titles.iter().filter_map(|name| self.field(name)).collect();
        // A shaded archive may carry the manifest of one of its parts: the file name's version has a say.
        let agrees = |f: &Found| version.is_none() || f.version.as_deref() == version;
        let titled = all.iter().position(|f| {
            agrees(f)
                && titles.iter().any(|title| {
                    let title = title.split(';').next().unwrap_or_default().trim();
                    title == f.artifact
                        || f.group.as_ref().is_some_and(|g| title == format!("{g}.{}", f.artifact))
                })
        });
        // One pom alone is the archive's own, unless a versioned file name says otherwise.
        titled.or_else(|| match all {
            [only] if agrees(only) || by_name.is_empty() => Some(0),
            _ => None,
        })
    }

    fn version(&self) -> Option<String> {
        self.field("implementation-version").or_else(|| self.field("bundle-version"))
    }

    fn heuristics(&self, stem: &str, by_name: &str, version_by_name: Option<&str>) -> Found {
        let symbolic = self.field("bundle-symbolicname");
        let symbolic = symbolic.as_deref().and_then(|s| s.split(';').next()).and_then(value);
        let word = |text: &String| !text.contains(char::is_whitespace);
        let (artifact, known_by) = if version_by_name.is_some() {
            (value(by_name), "file name")
        } else {
            // The name of a bundle or module is no artifact's name; where the file's name is a part of it, that
            // one is.
            let named = symbolic.clone().or_else(|| self.field("automatic-module-name"));
            let part = named.as_ref().filter(|s| s.split('.').any(|part| part == stem));
            let said = part.and_then(|_| value(stem)).or(named);
            (said.or_else(|| self.field("implementation-title").filter(word)), "manifest")
        };
        let (artifact, known_by) = match artifact {
            Some(artifact) => (artifact, known_by),
            None => (value(stem).unwrap_or_else(|| path::shown(stem.as_bytes())), "file name"),
        };
        let vendor_id = self.field("implementation-vendor-id").filter(word).filter(|id| id.contains('.'));
        let group = vendor_id.or_else(|| {
            let group = symbolic.as_ref()?.strip_suffix(artifact.as_str())?.strip_suffix('.')?;
            value(group)
        });
        Found { group, artifact, known_by, ..Found::default() }
    }
}

/// Poms and manifests name licences by URL as often as not; those that mean one licence, by their name.
fn licence(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let Some((_, url)) = lower.split_once("://") else { return text.to_owned() };
    let url = url.trim_start_matches("www.").trim_end_matches('/');
    let url = [".txt", ".html", ".htm", ".php"].iter().find_map(|end| url.strip_suffix(end)).unwrap_or(url);
    LICENCE_URLS.iter().find(|(known, _)| *known == url).map_or(text, |(_, id)| id).to_owned()
}

const LICENCE_URLS: [(&str, &str); 28] = [
    ("apache.org/licenses/license-2.0", "Apache-2.0"),
    ("apache.org/licenses/license-1.1", "Apache-1.1"),
    ("opensource.org/licenses/apache-2.0", "Apache-2.0"),
    ("opensource.org/licenses/apache2.0", "Apache-2.0"),
    ("opensource.org/licenses/mit", "MIT"),
    ("opensource.org/licenses/mit-license", "MIT"),
    ("opensource.org/license/mit", "MIT"),
    ("mit-license.org", "MIT"),
    ("opensource.org/licenses/bsd-2-clause", "BSD-2-Clause"),
    ("opensource.org/licenses/bsd-3-clause", "BSD-3-Clause"),
    ("eclipse.org/legal/epl-v10", "EPL-1.0"),
    ("eclipse.org/legal/epl-v20", "EPL-2.0"),
    ("eclipse.org/legal/epl-2.0", "EPL-2.0"),
    ("eclipse.org/org/documents/edl-v10", "BSD-3-Clause"),
    ("opensource.org/licenses/eclipse-1.0", "EPL-1.0"),
    ("projects.eclipse.org/license/epl-2.0", "EPL-2.0"),
    ("mozilla.org/mpl/2.0", "MPL-2.0"),
    ("mozilla.org/en-us/mpl/2.0", "MPL-2.0"),
    ("mozilla.org/mpl/mpl-1.1", "MPL-1.1"),
    ("gnu.org/licenses/gpl-2.0", "GPL-2.0-only"),
    ("gnu.org/licenses/gpl-3.0", "GPL-3.0-only"),
    ("gnu.org/licenses/lgpl-2.1", "LGPL-2.1-only"),
    ("gnu.org/licenses/lgpl-3.0", "LGPL-3.0-only"),
    ("gnu.org/licenses/old-licenses/lgpl-2.1", "LGPL-2.1-only"),
    ("creativecommons.org/publicdomain/zero/1.0", "CC0-1.0"),
    ("unlicense.org", "Unlicense"),
    ("bouncycastle.org/licence", "MIT"),
    ("json.org/license", "JSON"),
];

/// `Bundle-License`: names or URLs with commas between them, each with attributes after a semicolon.
fn bundle_licences(text: &str) -> Vec<String> {
    let parts = text.split(',').filter_map(|part| value(part.split(';').next()?.trim().trim_matches('"')));
    parts.filter(|part| part != "<<EXTERNAL>>").take(16).collect()
}
