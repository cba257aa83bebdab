//! Known programs: what no package says is there, by the version string in the executable ([`crate::known`]).
//!
//! A program in a file that a distribution's package owns is that package, and is not listed again. Such a
//! finding is the word of the program about itself, so it is marked `seaworthy:confidence` = `version-string`.

use super::Cataloger;
use super::executables::{CONFIDENCE, Found, executables};
use crate::collect::Collector;
use crate::known::Program;
use crate::squash::View;
use seaworthy_sbom::inventory::{Ecosystem, Package};

pub(crate) struct Programs;

impl Cataloger for Programs {
    fn name(&self) -> &'static str {
        "known-program"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "ELF programs and shared objects with the names of `crates/catalog/data/programs.txt` (bash to zstd, nginx, node, openssl, postgres, python, redis…), by their version strings; programs that UPX packed, unpacked",
            gives: "programs and libraries that no distribution's package owns, with CPE and licence where they are sure, marked `seaworthy:confidence` = `version-string`",
            cannot_know: "programs of other names or whose strings were changed; what was patched in them; versions that stand in no text",
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        for file in executables(view) {
            let (path, _, elf) = file;
            // A package note says more about the same file.
            if out.is_owned(path) || elf.package.is_some() {
                continue;
            }
            for found in &elf.programs {
                if let Some(program) = found.program() {
                    Found::new(view, out, file).add(package(program, &found.version));
                }
            }
        }
    }
}

fn package(program: &Program, version: &str) -> Package {
    let mut package = Package::new(Ecosystem::Generic, &program.name, Some(version.to_owned()));
    package.purl = program.purl.as_ref().map(|purl| format!("{purl}@{version}"));
    package.license.declared.extend(program.license.clone());
    if let Some((vendor, product)) = &program.cpe {
        let version = quoted(version);
        package.cpes.push(format!("cpe:2.3:a:{vendor}:{product}:{version}:*:*:*:*:*:*:*"));
    }
    package.properties.insert(CONFIDENCE.into(), "version-string".into());
    package
}

/// A value of a CPE 2.3 name (NISTIR 7695, 6.2): what is no letter, digit, `.`, `-` or `_` is quoted.
fn quoted(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-' | '_') {
            out.push('\\');
        }
        out.extend(c.to_lowercase());
    }
    out
}
