//! opkg: OpenWrt, Yocto and other small systems.
//!
//! `lib/opkg/status` is in dpkg's format; licence, maintainer and source stand in `info/<name>.control`, owned files
//! in `info/<name>.list`. What is not `installed` is not listed.

use super::stated::{self, List, Reach, Record};
use super::{Cataloger, Fact, Parsed, field, paragraphs, proves_language_package, value};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::Ecosystem;

pub(crate) struct Opkg;

const NAME: &str = "opkg";

/// The fields of `.control` that are kept, as `Field: value`.
const CONTROL: [&str; 4] = ["License", "Maintainer", "Homepage", "Source"];

impl Cataloger for Opkg {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`lib/opkg/status`, `info/*.control`, `info/*.list` (below `usr`, `var`, `opt`)",
            gives: "packages with licence, maintainer, dependencies, owned packages of other ecosystems",
            cannot_know: "checksums of the packages",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let rest = path.split_once("lib/opkg/")?.1;
        match rest.split_once('/') {
            None if rest == "status" => Some(limits::DATABASE_BYTES),
            Some(("info", base)) if base.ends_with(".control") => Some(limits::DIRECT_URL_BYTES),
            Some(("info", base)) if base.ends_with(".list") => Some(limits::LIST_BYTES),
            _ => None,
        }
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let text = String::from_utf8_lossy(content);
        if path.ends_with(".list") {
            let files = text.lines().filter_map(|line| line.split('\t').next()?.strip_prefix('/'));
            let wanted = files.filter(|file| proves_language_package(file)).map(str::to_owned);
            return Ok(Fact::Beside(wanted.collect()).into());
        }
        if path.ends_with(".control") {
            let paragraph = paragraphs(&text).next().unwrap_or_default();
            let line = |name: &&str| Some(format!("{name}: {}", value(&paragraph, name).and_then(field)?));
            return Ok(Fact::Beside(CONTROL.iter().filter_map(line).collect()).into());
        }
        let mut list = List::default();
        for paragraph in paragraphs(&text) {
            let get = |name| value(&paragraph, name).and_then(field);
            if get("Status").is_none_or(|status| status.split_whitespace().nth(2) != Some("installed")) {
                continue;
            }
            let (name, version) = (get("Package").unwrap_or_default(), get("Version").unwrap_or_default());
            let names = |list: Option<String>| -> Vec<String> {
                let list = list.unwrap_or_default();
                let name = |text: &str| field(text.trim().split([' ', '(']).next()?);
                list.split([',', '|']).filter_map(name).collect()
            };
            let mut record = Record::new(Ecosystem::Opkg, name, version).needing(names(get("Depends")));
            record.keys.extend(names(get("Provides")));
            record.package.architecture = get("Architecture");
            list.add(record);
        }
        if list.is_empty() && !text.trim().is_empty() && paragraphs(&text).next().is_none() {
            list.note("no paragraph of an opkg database in it");
        }
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect_with(NAME, view, out, |view, path, mut record| {
            let info = |end: &str| {
                let place = format!("{}/info/{}.{end}", path::split(path).0, record.package.name);
                stated::beside(view, &place).unwrap_or_default().to_vec()
            };
            let (control, files) = (info("control"), info("list"));
            record.files.extend(files);
            for line in &control {
                match line.split_once(": ") {
                    Some(("License", text)) => record = record.licensed([text]),
                    Some(("Maintainer", text)) => record.package.supplier = field(text),
                    Some(("Homepage", text)) => record.package.homepage = field(text),
                    Some(("Source", text)) => record = record.with("opkg:source", field(text)),
                    _ => {}
                }
            }
            Some(record)
        });
    }
}
