//! R: packages in a library, by their `DESCRIPTION`.
//!
//! `R CMD INSTALL` writes one for each (Writing R Extensions, 1.1.1). A library is a directory named `library` or
//! `site-library`; `base` packages that come with R are packages too. Of `Depends`, `Imports` and `LinkingTo` the
//! installed ones become edges.

use super::stated::{self, List, Reach, Record};
use super::{Cataloger, Parsed, field, paragraphs, value};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::Ecosystem;

pub(crate) struct R;

const NAME: &str = "r";

impl Cataloger for R {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`library/*/DESCRIPTION`, `site-library/*/DESCRIPTION`",
            gives: "packages with licence, maintainer, dependencies, repository",
            cannot_know: "checksums; what a package's own C code brought along",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let dir = path.strip_suffix("/DESCRIPTION")?;
        let library = path::split(path::split(dir).0).1;
        matches!(library, "library" | "site-library").then_some(limits::PACKAGE_JSON_BYTES)
    }

    fn parse(&self, _: &str, content: &[u8]) -> Result<Parsed, String> {
        let text = String::from_utf8_lossy(content);
        let paragraph = paragraphs(&text).next().ok_or("no fields in it")?;
        let get = |name| value(&paragraph, name).and_then(|text| field(&text.replace('\n', " ")));
        let (Some(name), Some(version)) = (get("Package"), get("Version")) else {
            return Err("no Package and Version in it".into());
        };
        let mut record = Record::new(Ecosystem::Cran, name, version)
            .licensed(get("License").map(|text| licence(&text)))
            .with("cran:repository", get("Repository"));
        for list in ["Depends", "Imports", "LinkingTo"] {
            let list = get(list).unwrap_or_default();
            let names = list.split(',').filter_map(|text| field(text.trim().split([' ', '(']).next()?));
            record = record.needing(names.filter(|name| name != "R"));
        }
        record.package.supplier = get("Maintainer");
        record.package.originator = get("Author");
        record.package.description = get("Title");
        record.package.homepage = get("URL").and_then(|all| field(all.split([',', ' ']).next()?));
        let mut list = List::default();
        list.add(record);
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect(NAME, view, out);
    }
}

/// R's licence specifications (Writing R Extensions, 1.1.2) in words that licences are read by everywhere: `|` is a
/// choice, `(>= 2)` a version or later, and `file LICENSE` only adds names to a template.
fn licence(text: &str) -> String {
    let one = |text: &str| {
        let name = text.split('+').map(str::trim).filter(|part| !part.starts_with("file "));
        let name = name.collect::<Vec<_>>().join(" + ");
        match name.split_once(" (>=").and_then(|(name, rest)| Some((name, rest.trim().strip_suffix(')')?))) {
            Some((name, version)) => format!("{name}-{version}+"),
            None => name,
        }
    };
    let all: Vec<String> =
        text.split('|').map(|part| one(part.trim())).filter(|part| !part.is_empty()).collect();
    if all.is_empty() { text.to_owned() } else { all.join(" or ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_of_r() {
        for (text, wanted) in [
            ("GPL (>= 2)", "GPL-2+"),
            ("MIT + file LICENSE", "MIT"),
            ("GPL-2 | GPL-3", "GPL-2 or GPL-3"),
            ("LGPL (>= 2.1) | file LICENSE", "LGPL-2.1+"),
            ("file LICENSE", "file LICENSE"),
            ("Part of R 4.2.2", "Part of R 4.2.2"),
        ] {
            assert_eq!(licence(text), wanted);
        }
    }
}
