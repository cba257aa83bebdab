//! Haskell: the package databases of GHC.
//!
//! One file `<id>.conf` a library in a directory `package.conf.d`, as `ghc-pkg` registers it. Dependencies are ids.
//! An inner library of a package is not a package of its own.

use super::stated::{self, List, Reach, Record};
use super::{Cataloger, Parsed, field, paragraphs, value};
use crate::collect::Collector;
use crate::squash::View;
use crate::{limits, path};
use seaworthy_sbom::inventory::Ecosystem;

pub(crate) struct Haskell;

const NAME: &str = "haskell";

impl Cataloger for Haskell {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`package.conf.d/*.conf`",
            gives: "libraries with licence, maintainer, dependencies",
            cannot_know: "what is linked into a program",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        let dir = path.strip_suffix(".conf").map(|path| path::split(path).0)?;
        (path::split(dir).1 == "package.conf.d").then_some(limits::PACKAGE_JSON_BYTES)
    }

    fn parse(&self, _: &str, content: &[u8]) -> Result<Parsed, String> {
        let text = String::from_utf8_lossy(content);
        // Empty lines stand in the description.
        let paragraph: Vec<_> = paragraphs(&text).flatten().collect();
        let get = |name| value(&paragraph, name).and_then(field);
        // An inner library has the package's name beside its own.
        let name = get("package-name").or_else(|| get("name")).unwrap_or_default();
        let version = get("version").ok_or("no version in it")?;
        let depends = value(&paragraph, "depends").unwrap_or_default();
        let mut record = Record::new(Ecosystem::Hackage, name, version)
            .licensed(get("license"))
            .needing(depends.split_whitespace());
        record.keys.extend(get("id"));
        record.package.supplier = get("maintainer");
        record.package.originator = get("author");
        record.package.homepage = get("homepage");
        record.package.description = get("synopsis");
        let mut list = List::default();
        list.add(record);
        list.done(NAME, Reach::Image)
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect(NAME, view, out);
    }
}
