//! Nix: the paths of a store.
//!
//! Every directory `nix/store/<hash>-<name>-<version>` is a package: the hash is 32 letters of Nix's own base 32, and
//! the version begins at the first hyphen with a digit behind it (Nix manual, `builtins.parseDrvName`). What follows
//! the version is one of the outputs that a package is built in (`-dev`, `-lib`). Paths without a version (sources,
//! scripts, profiles, configuration) are no packages. Nothing in the store is read: directories have their say.

use super::stated::{self, List, Reach, Record};
use super::{Cataloger, Parsed};
use crate::collect::Collector;
use crate::squash::View;
use seaworthy_sbom::inventory::Ecosystem;

pub(crate) struct Nix;

const NAME: &str = "nix";

/// Outputs by the names that nixpkgs gives them.
const OUTPUTS: [&str; 12] =
    ["bin", "dev", "lib", "man", "doc", "info", "debug", "out", "static", "devdoc", "data", "py"];

impl Cataloger for Nix {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "the names of directories in `nix/store`",
            gives: "packages with version, output and store path",
            cannot_know: "licences, and which path needs which: the store does not say; packages without a version in their path",
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        stated::collect(NAME, view, out);
    }
}

/// The package that the directory at `path` is.
pub(super) fn directory(path: &str) -> Option<Parsed> {
    let entry = path.strip_prefix("nix/store/")?;
    let (hash, rest) = entry.split_once('-').filter(|_| !entry.contains('/'))?;
    if hash.len() != 32 || !hash.bytes().all(|b| b"0123456789abcdfghijklmnpqrsvwxyz".contains(&b)) {
        return None;
    }
    let at = rest.as_bytes().windows(2).position(|pair| matches!(pair, [b'-', b'0'..=b'9']))?;
    let (name, version) = (rest.get(..at)?, rest.get(at + 1..)?);
    let (version, output) = match version.rsplit_once('-') {
        Some((version, output)) if OUTPUTS.contains(&output) => (version, Some(output)),
        _ => (version, None),
    };
    // A file that was unpacked or patched, and the recipe of a package.
    if [".drv", ".patch", ".tar", ".zip", ".diff"].iter().any(|end| version.contains(end)) {
        return None;
    }
    let mut list = List::default();
    list.add(
        Record::new(Ecosystem::Nix, name, version)
            .with("nix:output", output.map(str::to_owned))
            .with("nix:hash", Some(hash.to_owned())),
    );
    list.done(NAME, Reach::File).ok()
}
