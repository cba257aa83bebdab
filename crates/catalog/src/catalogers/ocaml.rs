//! OCaml: packages of an opam switch, and libraries that findlib knows.
//!
//! `.opam-switch/packages/<name>.<version>/opam` stands for every installed package. Distributions install without
//! opam; there `lib/ocaml/<name>/META` states name and version. A `META` in a switch is part of the package that
//! opam lists.

use super::stated::{self, List, Reach, Record};
use super::structured::quoted;
use super::{Cataloger, Fact, Parsed, field};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::Ecosystem;

pub(crate) struct Ocaml;

const NAME: &str = "ocaml";

impl Cataloger for Ocaml {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`.opam-switch/packages/*/opam`, `lib/ocaml/*/META`",
            gives: "packages with licence, maintainer, dependencies",
            cannot_know: "libraries whose `META` states no version; what is linked into a program",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let (dir, base) = path::split(path);
        let above = path::split(dir).0;
        let known = match base {
            "opam" => above.ends_with(".opam-switch/packages"),
            "META" => above.ends_with("lib/ocaml") && !above.contains(".opam"),
            _ => false,
        };
        known.then_some(limits::PACKAGE_JSON_BYTES)
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let text = String::from_utf8_lossy(content);
        let (dir, base) = path::split(path);
        let place = path::split(dir).1;
        let mut list = List::default();
        if base == "META" {
            // Only what stands before the first inner package is the library's own.
            let own = text.split("\npackage ").next().unwrap_or_default();
            let word = |key: &str| {
                let mut rests = own.lines().filter_map(|line| line.trim_start().strip_prefix(key));
                rests.find_map(|rest| quoted(rest.trim_start().strip_prefix('=')?).next().and_then(field))
            };
            let version = word("version").filter(|v| v.starts_with(|c: char| c.is_ascii_digit() || c == 'v'));
            let Some(version) = version else { return Ok(Fact::Nothing.into()) };
            let needs = word("requires").unwrap_or_default();
            // `yojson.core` is a part of yojson.
            let needs = needs.split([' ', ',']).filter_map(|name| field(name.split('.').next()?));
            let mut record = Record::new(Ecosystem::Opam, place, version).needing(needs);
            record.package.description = word("description");
            list.add(record);
        } else {
            let (name, version) = place.split_once('.').ok_or("its directory has no name and version")?;
            let value = |key: &str| {
                let rest = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
                quoted(rest).next().and_then(field)
            };
            let depends = text.split_once("\ndepends: [").map(|(_, rest)| rest.split("\n]").next());
            let names = depends.flatten().unwrap_or_default().lines().filter_map(|line| {
                let line = line.trim();
                line.starts_with('"').then(|| quoted(line).next().and_then(field)).flatten()
            });
            let mut record =
                Record::new(Ecosystem::Opam, name, version).licensed(value("license")).needing(names);
            record.package.supplier = value("maintainer");
            record.package.homepage = value("homepage");
            record.package.description = value("synopsis");
            list.add(record);
        }
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect(NAME, view, out);
    }
}
