//! vcpkg: C and C++ libraries that are installed in a tree of vcpkg.
//!
//! `vcpkg/status` is in dpkg's format, with a paragraph for each feature; `vcpkg/updates/*` is what the last run has
//! not put into it yet. Only `installed` packages count.

use super::stated::{self, List, Reach, Record};
use super::{Cataloger, Parsed, field, paragraphs, value};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::Ecosystem;

pub(crate) struct Vcpkg;

const NAME: &str = "vcpkg";

impl Cataloger for Vcpkg {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`vcpkg/status`, `vcpkg/updates/*`",
            gives: "ports with port version, triplet, dependencies, licence by its text",
            cannot_know: "ports that the last, interrupted run removed",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let (dir, base) = path::split(path);
        let (above, last) = path::split(dir);
        let known =
            (base == "status" && last == "vcpkg") || (last == "updates" && path::split(above).1 == "vcpkg");
        known.then_some(limits::LIST_BYTES)
    }

    fn parse(&self, _: &str, content: &[u8]) -> Result<Parsed, String> {
        let text = String::from_utf8_lossy(content);
        let mut list = List::default();
        for paragraph in paragraphs(&text) {
            let get = |name| value(&paragraph, name).and_then(field);
            let installed =
                get("Status").is_some_and(|status| status.split_whitespace().nth(2) == Some("installed"));
            if !installed || get("Feature").is_some() {
                continue;
            }
            let depends = get("Depends").unwrap_or_default();
            // `zlib:x64-linux`, `curl[ssl]`
            let names =
                depends.split(',').filter_map(|text| field(text.trim().split([':', '[', ' ']).next()?));
            let mut record = Record::new(
                Ecosystem::Vcpkg,
                get("Package").unwrap_or_default(),
                get("Version").unwrap_or_default(),
            )
            .needing(names)
            .with("vcpkg:port-version", get("Port-Version").filter(|version| version != "0"));
            record.package.architecture = get("Architecture");
            record.package.description = get("Description").and_then(|text| field(text.lines().next()?));
            list.add(record);
        }
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect(NAME, view, out);
    }
}
