//! GraalVM native images: what the SBOM says that the builder left in the program ([`crate::elf`] finds it).
//!
//! The classes of these libraries are in the program, so they are listed as installed; that is the word of the builder,
//! who goes by the manifests of the libraries, and is marked `seaworthy:confidence` = `native-image-sbom`. Components
//! without a purl are Maven's packages where group and name can be those of one, and generic ones where they are
//! modules of the Java runtime.

use super::executables::CONFIDENCE;
use super::{Cataloger, Fact, Parsed, embedded};
use crate::collect::Collector;
use crate::squash::{Snapshots, State, View};
use seaworthy_sbom::inventory::{Ecosystem, Package, Presence};
use std::collections::BTreeMap;

pub(crate) struct NativeImage;

/// What the document in a program says, or why there is none.
pub(super) fn document(content: Result<Vec<u8>, String>) -> Parsed {
    let read = content.and_then(|content| {
        let read = seaworthy_sbom::read(&content);
        let (_, inventory) = read.map_err(|e| format!("the SBOM of a native image cannot be read: {e}"))?;
        embedded::claims(inventory)
    });
    match read {
        Ok(mut claims) => {
            claims.packages.iter_mut().for_each(linked);
            Fact::Native(Box::new(claims)).into()
        }
        Err(why) => Parsed { fact: Fact::Native(Box::default()), notes: vec![why] },
    }
}

/// A component that is in the program.
fn linked(package: &mut Package) {
    package.presence = Presence::Installed;
    package.properties.insert(CONFIDENCE.into(), "native-image-sbom".into());
    // `group/name`, as components without a purl are read.
    if package.purl.is_none()
        && let Some((group, name)) = package.name.rsplit_once('/')
        && is_coordinate(group)
        && is_coordinate(name)
        && !group.starts_with("java.")
        && !group.starts_with("jdk.")
    {
        (package.ecosystem, package.name) = (Ecosystem::Maven, format!("{group}:{name}"));
    }
}

/// What Maven takes as group or name.
fn is_coordinate(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

impl Cataloger for NativeImage {
    fn name(&self) -> &'static str {
        "native-image"
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "ELF programs and shared objects that GraalVM's `native-image` made: the CycloneDX document in them (symbols `sbom` and `sbom_length`)",
            gives: "the libraries that were linked in, with edges where the document has them, marked `seaworthy:confidence` = `native-image-sbom`",
            cannot_know: "libraries without a version in their manifests; images built without an SBOM (those of the Community Edition, and others before 25 unless it was asked for)",
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        for (path, last, parsed) in view.parsed() {
            let Fact::Native(claims) = &parsed.fact else { continue };
            let said = Snapshots::new(&[view.history(path)], keys);
            let mut added = BTreeMap::new();
            for (i, claim) in claims.packages.iter().enumerate() {
                let mut package = claim.clone();
                package.evidence.push(view.evidence(path, last));
                added.insert(i, out.add(package, said.since(&embedded::key(claim)).unwrap_or(last)));
            }
            claims.relate(&added, out);
        }
    }
}

fn keys(state: &State) -> Vec<(String, String)> {
    match state.fact() {
        Some(Fact::Native(claims)) => claims.packages.iter().map(embedded::key).collect(),
        _ => Vec::new(),
    }
}
