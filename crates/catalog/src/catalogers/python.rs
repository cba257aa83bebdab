//! Python: distributions that are installed, by their own metadata.
//!
//! Reads `*.dist-info/METADATA`, `*.egg-info/PKG-INFO`, `*.egg-info` files and `EGG-INFO/PKG-INFO` of eggs, also of those
//! that are still zipped (packaging.python.org, "Core metadata specifications"). `*.egg-link` names the directory of what
//! was installed to be edited, where its metadata stand. `direct_url.json` says where an editable or
//! direct install came from.
//!
//! `Requires-Dist` becomes an edge where the distribution is installed, first in the same directory, then
//! anywhere. Of markers, those with `extra` are left out, and comparisons of `sys_platform`, `os_name` and
//! `platform_system` are made for Linux; every other comparison (the Python version, say) counts as true:
//! an edge to something installed is the likelier truth.

use super::java::zip::{Archive, Budget};
use super::{Cataloger, Fact, Parsed, dependencies_left_out, field};
use crate::collect::Collector;
use crate::pack::pack;
use crate::squash::{Snapshots, State, View};
use crate::{limits, path};
use seaworthy_sbom::inventory::{Ecosystem, Package, RelationshipKind};
use std::collections::BTreeMap;

pub(crate) struct Python;

/// One distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dist {
    name: String,
    version: String,
    licenses: Vec<String>,
    author: Option<String>,
    maintainer: Option<String>,
    homepage: Option<String>,
    summary: Option<String>,
    /// Normalized names.
    requires: Vec<String>,
}
pack!(struct Dist { name, version, licenses, author, maintainer, homepage, summary, requires });

/// What `direct_url.json` says (PEP 610).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirectUrl {
    url: Option<String>,
    editable: Editable,
}
pack!(struct DirectUrl { url, editable });

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Editable {
    Yes,
    No,
}
pack!(
    enum Editable {
        Yes,
        No,
    }
);

const EGG_LINK: &str = ".egg-link";
const DIRECT_URL: &str = "direct_url.json";

impl Cataloger for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`*.dist-info/METADATA`, `*.egg-info`, `*.egg` (also zipped), `*.egg-link`, `direct_url.json`",
            gives: "distributions with licence, author, dependencies, origin",
            cannot_know: "packages that were copied without metadata",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let (dir, base) = path::split(path);
        let above = path::split(dir).1;
        match base {
            "METADATA" if above.ends_with(".dist-info") => Some(limits::METADATA_BYTES),
            DIRECT_URL if above.ends_with(".dist-info") => Some(limits::DIRECT_URL_BYTES),
            "PKG-INFO" if above.ends_with(".egg-info") || above == "EGG-INFO" => Some(limits::METADATA_BYTES),
            base if base.len() > 9 && base.ends_with(".egg-info") => Some(limits::METADATA_BYTES),
            base if base.len() > 4 && base.ends_with(".egg") => Some(limits::EGG_BYTES),
            base if base.len() > EGG_LINK.len() && base.ends_with(EGG_LINK) => Some(limits::DIRECT_URL_BYTES),
            _ => None,
        }
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        if path.ends_with(DIRECT_URL) {
            return direct_url(content).map(|found| Fact::DirectUrl(found).into());
        }
        if path.ends_with(EGG_LINK) {
            let text = String::from_utf8_lossy(content);
            let target = text.lines().next().and_then(field).ok_or("an egg-link that leads nowhere")?;
            return Ok(Fact::Beside(vec![target]).into());
        }
        let unzipped;
        let mut content = content;
        if path.ends_with(".egg") {
            let Some(metadata) = egg(content)? else { return Ok(Fact::Nothing.into()) };
            unzipped = metadata;
            content = &unzipped;
        }
        let text = String::from_utf8_lossy(content);
        let found = dist(&text)?;
        let headers = text.lines().take_while(|line| !line.is_empty());
        let named = headers.filter(|line| line.to_ascii_lowercase().starts_with("requires-dist:")).count();
        let notes = dependencies_left_out(&found.name, named).into_iter().collect();
        Ok(Parsed { fact: Fact::Python(Box::new(found)), notes })
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        // Directory and normalized name.
        let mut near: BTreeMap<(&str, String), usize> = BTreeMap::new();
        let mut anywhere: BTreeMap<String, usize> = BTreeMap::new();
        let mut found = Vec::new();
        for (path, last, parsed) in view.parsed() {
            let Fact::Python(dist) = &parsed.fact else { continue };
            let mut package = package(dist);
            let mut evidence = |path: &str, layer| {
                package.evidence.push(view.evidence(path, layer));
            };
            evidence(path, last);
            let (info, base) = path::split(path);
            let direct = view.lookup(&path::join(info, DIRECT_URL));
            if let Some((place, layer, State::Parsed(parsed))) = direct.filter(|_| base == "METADATA")
                && let Fact::DirectUrl(direct) = &parsed.fact
            {
                evidence(&place, layer);
                let mut property = |key: &str, value: &str| {
                    package.properties.insert(key.to_owned(), value.to_owned());
                };
                direct.url.iter().for_each(|url| property("python:direct-url", url));
                if direct.editable == Editable::Yes {
                    property("python:editable", "true");
                }
            }
            let handle = out.add(package, since(view, path, dist).unwrap_or(last));
            let site = if base == "METADATA" || base == "PKG-INFO" { path::split(info).0 } else { info };
            near.entry((site, normal(&dist.name))).or_insert(handle);
            anywhere.entry(normal(&dist.name)).or_insert(handle);
            found.push((handle, site, dist.as_ref()));
        }
        edited(view, &found, out);
        for (handle, site, dist) in found {
            for name in &dist.requires {
                if let Some(to) = near.get(&(site, name.clone())).or_else(|| anywhere.get(name)) {
                    out.relate(handle, RelationshipKind::DependsOn, *to);
                }
            }
        }
    }
}

/// What an `*.egg-link` leads to was installed to be edited.
fn edited(view: &View, found: &[(usize, &str, &Dist)], out: &mut Collector<'_>) {
    for (path, last, parsed) in view.parsed().filter(|(path, ..)| path.ends_with(EGG_LINK)) {
        let Fact::Beside(target) = &parsed.fact else { continue };
        let Some(target) = target.first().and_then(|t| t.strip_prefix('/')) else { continue };
        let place = view.resolve(target.trim_end_matches('/'));
        // The project that the link is called after, where a directory has several.
        let name = path::split(path).1.strip_suffix(EGG_LINK).map(normal).unwrap_or_default();
        let there = |site: &str| place.as_deref() == Some(site);
        match found.iter().find(|(_, site, dist)| there(site) && normal(&dist.name) == name) {
            Some((handle, ..)) => {
                out.prove(*handle, view.evidence(path, last));
                out.describe(*handle, "python:editable", "true");
            }
            None => {
                let why = format!(
                    "leads to /{}, where no metadata of it were found",
                    path::shown(target.as_bytes())
                );
                out.gap(format!("/{path}"), why, Python.name());
            }
        }
    }
}

/// The metadata in a zipped egg; `None` where it has none, as eggs of other tools.
fn egg(content: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let archive = Archive::open(content).ok_or("an egg that is no zip archive")?;
    let mut budget = Budget { entries: limits::JAR_ENTRIES, bytes: limits::EGG_BYTES as usize };
    let mut found = None;
    archive.entries(&mut budget, &mut |_, entry| {
        if entry.name == "EGG-INFO/PKG-INFO" {
            found.get_or_insert(entry);
        }
    })?;
    let limit = limits::METADATA_BYTES as usize;
    let read = found.map(|entry| archive.read(&entry, limit, &mut budget)).transpose();
    read.map(|bytes| bytes.map(std::borrow::Cow::into_owned))
        .map_err(|why| format!("PKG-INFO of an egg: {why}"))
}

fn since(view: &View, path: &str, dist: &Dist) -> Option<usize> {
    let key = |state: &State| match state.fact() {
        Some(Fact::Python(d)) => vec![(d.name.clone(), d.version.clone())],
        _ => Vec::new(),
    };
    Snapshots::new(&[view.history(path)], key).since(&(dist.name.clone(), dist.version.clone()))
}

fn package(dist: &Dist) -> Package {
    let mut package = Package::new(Ecosystem::Pypi, &dist.name, Some(dist.version.clone()));
    package.license.declared = dist.licenses.clone();
    package.originator = dist.author.clone();
    package.supplier = dist.maintainer.clone().or_else(|| dist.author.clone());
    package.homepage = dist.homepage.clone();
    package.description = dist.summary.clone();
    package
}

/// A name as indexes compare it (PEP 503).
pub(super) fn normal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for part in name.split(['-', '_', '.']).filter(|p| !p.is_empty()) {
        if !out.is_empty() {
            out.push('-');
        }
        out.push_str(&part.to_lowercase());
    }
    out
}

/// The headers; the description after the empty line is not read.
fn dist(text: &str) -> Result<Dist, String> {
    let mut dist = Dist::default();
    let mut headers: Vec<(&str, String)> = Vec::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name, value.trim().to_owned()));
        }
    }
    let (mut expression, mut license, mut classifiers) = (None, None, Vec::new());
    let (mut authors, mut maintainers) = ((None, None), (None, None));
    let mut project_home = None;
    for (name, text) in &headers {
        // PKG-INFO writes UNKNOWN where it has nothing.
        let Some(value) = field(text).filter(|v| v != "UNKNOWN") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "name" if dist.name.is_empty() => dist.name = value,
            "version" if dist.version.is_empty() => dist.version = value,
            "summary" => dist.summary = value.lines().next().and_then(field),
            "home-page" => dist.homepage = Some(value),
            "project-url" => {
                let home = ["homepage", "home", "home page"];
                if let Some((label, url)) = value.split_once(',')
                    && home.contains(&label.trim().to_ascii_lowercase().as_str())
                {
                    project_home = field(url);
                }
            }
            "author" => authors.0 = Some(value),
            "author-email" => authors.1 = Some(value),
            "maintainer" => maintainers.0 = Some(value),
            "maintainer-email" => maintainers.1 = Some(value),
            "license-expression" => expression = Some(value),
            "license" => license = Some(value),
            "classifier" => classifiers.extend(value.starts_with("License ::").then_some(value)),
            "requires-dist" if dist.requires.len() < limits::DEPENDENCIES => {
                dist.requires.extend(requirement(&value));
            }
            _ => {}
        }
    }
    // A name goes into a purl and an id: what is none is no distribution.
    let shown = || path::shown(dist.name.as_bytes());
    if normal(&dist.name).is_empty()
        || !dist.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_. ".contains(&b))
    {
        return Err(format!("'{}' is no name of a Python distribution", shown()));
    }
    if dist.version.is_empty() || dist.version.contains(char::is_whitespace) {
        return Err(format!("{} has no version", shown()));
    }
    dist.homepage = dist.homepage.or(project_home);
    dist.author = contact(authors);
    dist.maintainer = contact(maintainers);
    dist.licenses = licences(expression, license, classifiers);
    Ok(dist)
}

fn contact(pair: (Option<String>, Option<String>)) -> Option<String> {
    match pair {
        (Some(name), Some(mail)) if !mail.contains('<') => Some(format!("{name} <{mail}>")),
        (name, mail) => mail.or(name),
    }
}

/// `License-Expression` says it all; else a short `License`; else the classifiers.
fn licences(expression: Option<String>, license: Option<String>, classifiers: Vec<String>) -> Vec<String> {
    /// Some write the whole text where the name belongs.
    const NAME_BYTES: usize = 120;
    if let Some(expression) = expression {
        return vec![expression];
    }
    match license {
        Some(name) if name.len() <= NAME_BYTES && !name.contains('\n') => vec![name],
        _ => classifiers
            .iter()
            .filter_map(|c| c.rsplit("::").next().and_then(field))
            .filter(|c| c != "OSI Approved")
            .collect(),
    }
}

/// The normalized name of a requirement whose marker may hold on Linux without extras (PEP 508).
fn requirement(text: &str) -> Option<String> {
    let (requirement, marker) = text.split_once(';').unwrap_or((text, ""));
    if !may_hold(marker) {
        return None;
    }
    let requirement = requirement.trim();
    let end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    let name = normal(end.and_then(|end| requirement.get(..end)).unwrap_or(requirement));
    (!name.is_empty()).then_some(name)
}

fn may_hold(marker: &str) -> bool {
    if marker.contains("extra") {
        return false;
    }
    if marker.contains('(') {
        return true;
    }
    marker.split(" or ").any(|all| all.split(" and ").all(comparison_may_hold))
}

fn comparison_may_hold(comparison: &str) -> bool {
    let words: Vec<&str> = comparison.split_whitespace().collect();
    let [left, operator, right] = words.as_slice() else { return true };
    let quoted = right.trim_matches(['"', '\'']);
    let ours = match *left {
        "sys_platform" => "linux",
        "os_name" => "posix",
        "platform_system" => "Linux",
        _ => return true,
    };
    match *operator {
        "==" => quoted == ours,
        "!=" => quoted != ours,
        _ => true,
    }
}

fn direct_url(content: &[u8]) -> Result<DirectUrl, String> {
    let json: serde_json::Value = serde_json::from_slice(content).map_err(|e| format!("no JSON: {e}"))?;
    let editable = match json.pointer("/dir_info/editable").and_then(serde_json::Value::as_bool) {
        Some(true) => Editable::Yes,
        _ => Editable::No,
    };
    let url = json.get("url").and_then(serde_json::Value::as_str).and_then(field).map(without_user);
    Ok(DirectUrl { url, editable })
}

/// PEP 610 lets credentials through as environment variables only, pip was not always so careful: user
/// information never enters a document that is published.
fn without_user(url: String) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rsplit_once('@') {
        Some((user, _)) => format!("{scheme}://{}", rest.get(user.len() + 1..).unwrap_or_default()),
        None => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_only_and_licences_in_order_of_trust() {
        let read = |text: &str| dist(text).unwrap();
        let a = read(
            "Metadata-Version: 2.4\nName: A_b\nVersion: 1\nLicense-Expression: MIT\nLicense: x\n\nName: c\n",
        );
        assert_eq!((a.name.as_str(), a.licenses.as_slice()), ("A_b", &["MIT".to_owned()][..]));
        let b = read(
            "Name: b\nVersion: 1\nLicense: long\n text\nClassifier: License :: OSI Approved :: MIT License\n",
        );
        assert_eq!(b.licenses, ["MIT License"]);
        assert!(dist("Name: b\n\nVersion: 1\n").is_err());
        assert!(dist("Name: ../b\nVersion: 1\n").is_err());
    }

    #[test]
    fn markers_are_read_for_linux() {
        assert_eq!(requirement("Foo.Bar[x] (>=1) ; python_version < '3'").as_deref(), Some("foo-bar"));
        assert_eq!(requirement("colorama; sys_platform == 'win32'"), None);
        assert_eq!(requirement("a; sys_platform == 'win32' or os_name == \"posix\"").as_deref(), Some("a"));
        assert_eq!(requirement("pytest; extra == 'test'"), None);
    }

    #[test]
    fn no_credentials_in_urls() {
        let found =
            direct_url(br#"{"url":"https://u:p@h.example/x@1","dir_info":{"editable":true}}"#).unwrap();
        assert_eq!(found.url.as_deref(), Some("https://h.example/x@1"));
        assert_eq!(found.editable, Editable::Yes);
    }

    proptest! {
        #[test]
        fn never_panics(text in "((Name|Version|Requires-Dist|License)?:? ?[\\PC]{0,30}\n){0,12}", bytes in any::<Vec<u8>>()) {
            let _ = dist(&text);
            let _ = direct_url(&bytes);
        }
    }
}
