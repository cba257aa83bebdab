//! Perl: distributions that an installer from CPAN put in.
//!
//! cpanm and Carton leave `.meta/<distribution>/install.json` beside the modules: name, version, the modules in it and
//! the author's directory on CPAN, and `MYMETA.json` with licence and dependencies. `perllocal.pod` is the log that
//! `make install` writes: the last entry of a name counts, and it names no author, so that no purl of CPAN can be made
//! of it. What both know is listed once.

use super::stated::{self, List, Reach, Record};
use super::{Cataloger, Fact, Parsed, field};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::Ecosystem;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) struct Perl;

const NAME: &str = "perl";
const INSTALL: &str = "install.json";
const MYMETA: &str = "MYMETA.json";
const LOG: &str = "perllocal.pod";

impl Cataloger for Perl {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`.meta/*/install.json`, `.meta/*/MYMETA.json`, `perllocal.pod`",
            gives: "distributions with author on CPAN, licence, dependencies; from `perllocal.pod` name and version, as generic packages",
            cannot_know: "modules that were copied, and those of perl itself; distributions that were removed by hand from what `perllocal.pod` lists",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let (dir, base) = path::split(path);
        match base {
            INSTALL | MYMETA => {
                (path::split(path::split(dir).0).1 == ".meta").then_some(limits::PACKAGE_JSON_BYTES)
            }
            LOG => Some(limits::LIST_BYTES),
            _ => None,
        }
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        let base = path::split(path).1;
        if base == LOG {
            return log(&String::from_utf8_lossy(content));
        }
        let json: Value = serde_json::from_slice(content).map_err(|e| format!("no JSON: {e}"))?;
        if base == MYMETA {
            return Ok(Fact::Beside(mymeta(&json)).into());
        }
        let text = |key: &str| json.get(key).and_then(Value::as_str).and_then(field);
        let dist = text("dist").unwrap_or_default();
        let (name, version) = dist.rsplit_once('-').ok_or("no distribution in it")?;
        // `D/DR/DROLSKY/DateTime-1.55.tar.gz`
        let author = text("pathname").and_then(|place| field(place.split('/').nth(2)?));
        let ecosystem = if author.is_some() { Ecosystem::Cpan } else { Ecosystem::Generic };
        let mut record =
            Record::new(ecosystem, name, version.trim_start_matches('v')).with("cpan:author", author);
        let modules = json.get("provides").and_then(Value::as_object).into_iter().flatten();
        record.keys = modules.map(|(name, _)| name.clone()).take(limits::DEPENDENCIES).collect();
        let mut list = List::default();
        list.add(record);
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        let known: BTreeSet<(String, String)> = view
            .parsed()
            .filter(|(path, _, _)| path.ends_with(INSTALL))
            .flat_map(|(_, _, parsed)| stated::named(NAME, parsed))
            .collect();
        stated::collect_with(NAME, view, out, |view, path, mut record| {
            if path.ends_with(LOG) {
                let key = (record.package.name.clone(), record.package.version.clone()?);
                return (!known.contains(&key)).then_some(record);
            }
            for line in stated::beside(view, &path::join(path::split(path).0, MYMETA)).unwrap_or_default() {
                match line.split_once(' ') {
                    Some(("license", text)) => record = record.licensed([text]),
                    Some(("needs", module)) => record.depends.push(module.to_owned()),
                    Some(("abstract", text)) => record.package.description = field(text),
                    Some(("author", text)) => record.package.originator = field(text),
                    _ => {}
                }
            }
            Some(record)
        });
    }
}

/// The words of CPAN::Meta::Spec, "license", that name one licence; the others (`open_source`, `unknown`) name none.
fn spdx(word: &str) -> Option<&'static str> {
    Some(match word {
        "perl_5" => "Artistic-1.0-Perl OR GPL-1.0-or-later",
        "apache_2_0" => "Apache-2.0",
        "artistic_2" => "Artistic-2.0",
        "mit" => "MIT",
        "bsd" => "BSD-3-Clause",
        "freebsd" => "BSD-2-Clause",
        "gpl_1" => "GPL-1.0-only",
        "gpl_2" => "GPL-2.0-only",
        "gpl_3" => "GPL-3.0-only",
        "lgpl_2_1" => "LGPL-2.1-only",
        "lgpl_3_0" => "LGPL-3.0-only",
        "agpl_3" => "AGPL-3.0-only",
        "mozilla_1_1" => "MPL-1.1",
        "zlib" => "Zlib",
        _ => return None,
    })
}

/// `license …`, `needs …`, `abstract …`, `author …`.
fn mymeta(json: &Value) -> Vec<String> {
    let texts =
        |key: &str| json.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut lines: Vec<String> = Vec::new();
    // As many as there are words for licences at most.
    let licences: std::collections::BTreeSet<&str> = texts("license").filter_map(spdx).collect();
    lines.extend(licences.into_iter().map(|id| format!("license {id}")));
    lines.extend(texts("author").next().and_then(field).map(|author| format!("author {author}")));
    let summary = json.get("abstract").and_then(Value::as_str).and_then(field);
    lines.extend(summary.map(|text| format!("abstract {text}")));
    let needs = json.pointer("/prereqs/runtime/requires").and_then(Value::as_object).into_iter().flatten();
    let modules = needs.map(|(module, _)| module).filter(|module| *module != "perl");
    lines.extend(modules.take(limits::DEPENDENCIES).map(|module| format!("needs {module}")));
    lines
}

/// `=head2 Sat …: C<Module> L<Date::Calc|Date::Calc>`, then `C<VERSION: 6.4>`.
fn log(text: &str) -> Result<Parsed, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        if let Some((_, module)) = line.strip_prefix("=head2 ").and_then(|line| line.split_once("L<")) {
            current = field(module.split(['|', '>']).next().unwrap_or_default());
        } else if let Some((_, rest)) = line.split_once("C<VERSION: ")
            && let Some(module) = current.take()
        {
            found.insert(module.replace("::", "-"), rest.trim_end_matches('>').trim().to_owned());
        }
    }
    let mut list = List::default();
    for (name, version) in found {
        list.add(Record::new(Ecosystem::Generic, name, version.trim_start_matches('v')));
    }
    list.done(NAME, Reach::Image)
}
