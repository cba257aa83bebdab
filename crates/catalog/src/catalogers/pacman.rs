//! pacman: Arch Linux, Manjaro, MSYS2 and what is built on them.
//!
//! One directory a package below `var/lib/pacman/local`: `desc` says what it is, `files` what it owns, both as
//! `%FIELD%` and a line for each value. Dependencies are looked up by name and by what packages provide; versions
//! are not compared, pacman did that. A directory without a readable `desc` is a gap.

use super::stated::{self, List, Reach, Record};
use super::{Cataloger, Fact, Parsed, field, proves_language_package};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::{Ecosystem, SourcePackage};
use std::collections::BTreeMap;

pub(crate) struct Pacman;

const NAME: &str = "pacman";

impl Cataloger for Pacman {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`var/lib/pacman/local/*/desc`, `files`",
            gives: "packages with source, packager, licence, dependencies, architecture, owned packages of other ecosystems",
            cannot_know: "checksums of the packages; the repository each came from",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let (dir, base) = path::split(path);
        let inside = || path::split(dir).0.ends_with("lib/pacman/local");
        match base {
            "desc" if inside() => Some(limits::PACKAGE_JSON_BYTES),
            "files" if inside() => Some(limits::LIST_BYTES),
            _ => None,
        }
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let text = String::from_utf8_lossy(content);
        let fields = fields(&text);
        if path.ends_with("/files") {
            let all = fields.get("FILES").into_iter().flatten();
            let wanted = all.filter(|file| proves_language_package(file)).map(|file| (*file).to_owned());
            return Ok(Fact::Beside(wanted.collect()).into());
        }
        let one = |name: &str| fields.get(name)?.first().and_then(|value| field(value));
        let all = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let (Some(name), Some(version)) = (one("NAME"), one("VERSION")) else {
            return Err("no name and version in it".into());
        };
        let mut record = Record::new(Ecosystem::Alpm, name, version)
            .licensed(all("LICENSE"))
            .needing(all("DEPENDS").into_iter().map(without_version));
        record.keys.extend(all("PROVIDES").into_iter().map(|name| without_version(name).to_owned()));
        let package = &mut record.package;
        package.architecture = one("ARCH");
        package.supplier = one("PACKAGER").filter(|packager| packager != "Unknown Packager");
        package.homepage = one("URL");
        package.description = one("DESC");
        package.source = one("BASE").map(|name| SourcePackage { name, version: None });
        let mut list = List::default();
        list.add(record);
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect_with(NAME, view, out, |view, path, mut record| {
            let files = stated::beside(view, &path::join(path::split(path).0, "files"));
            record.files.extend(files.unwrap_or_default().iter().cloned());
            Some(record)
        });
    }
}

/// `%NAME%`, then the values, then an empty line.
fn fields(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut current = "";
    for line in text.lines().map(str::trim_end) {
        if let Some(name) = line.strip_prefix('%').and_then(|line| line.strip_suffix('%')) {
            current = name;
        } else if !line.is_empty() {
            found.entry(current).or_default().push(line);
        }
    }
    found
}

/// `glibc>=2.38`, `libreadline.so=8-64`: the name alone. An optional dependency has its reason behind a colon.
fn without_version(text: &str) -> &str {
    text.split(['<', '>', '=', ':']).next().unwrap_or(text).trim()
}
