//! SBOMs that an image carries: what somebody says is in it, beside what was found.
//!
//! Read are SPDX 2 and CycloneDX documents as JSON, in the places where builders put them (Wolfi and melange, Bitnami,
//! Photon, `sbom` directories) or under names that say what they are. Such a document is a claim: a package that a
//! cataloger found gets it as further evidence and nothing else; one that nobody found is listed as declared, with the
//! document as its evidence and `seaworthy:confidence` = `embedded-sbom`. Bitnami's are the exception: its components
//! leave no other trace, and are listed as installed. Nothing in a document takes away or changes what was found.

use super::executables::CONFIDENCE;
use super::{Cataloger, Fact, Parsed};
use crate::collect::Collector;
use crate::pack::pack;
use crate::squash::{Snapshots, State, View};
use crate::{limits, path};
use seaworthy_sbom::inventory::{Package, Presence, RelationshipKind};
use std::collections::BTreeMap;

pub(crate) struct Embedded;

/// Its name, by which claims are told from findings.
pub(crate) const NAME: &str = "embedded-sbom";

/// What a document says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(super) packages: Vec<Package>,
    /// Places in `packages`: the first needs the second.
    needs: Vec<(usize, usize)>,
    /// Places in `packages`: the first has the second in it.
    holds: Vec<(usize, usize)>,
}
pack!(struct Claims { packages, needs, holds });

impl Claims {
    /// Takes over the edges between packages that were added, whose handles `added` has by their places.
    pub(super) fn relate(&self, added: &BTreeMap<usize, usize>, out: &mut Collector<'_>) {
        let kinds = [(RelationshipKind::DependsOn, &self.needs), (RelationshipKind::Contains, &self.holds)];
        for (kind, edges) in kinds {
            for (from, to) in edges {
                if let (Some(from), Some(to)) = (added.get(from), added.get(to)) {
                    out.relate(*from, kind, *to);
                }
            }
        }
    }
}

/// How sure it is, by the path, that a file is an SBOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likely {
    /// Its name says so: what cannot be read is a gap.
    Named,
    /// It lies where SBOMs lie: JSON of another kind is nobody's business.
    Placed,
}

fn likely(path: &str) -> Option<Likely> {
    let (dir, base) = path::split(path);
    let ends = |end: &str| base.len() > end.len() && base.ends_with(end);
    // Packages of npm bring documents about others, as their tests' input.
    if dir.split('/').any(|part| matches!(part, "node_modules" | "testdata" | "test" | "tests" | "fixtures"))
    {
        return None;
    }
    let is_bitnami = base.starts_with(".spdx-") && ends(".spdx") && format!("/{dir}/").contains("/bitnami/");
    if is_bitnami || ends(".spdx.json") || ends(".cdx.json") {
        return Some(Likely::Named);
    }
    let is_placed = dir.split('/').any(|part| part == "sbom") && ends(".json");
    is_placed.then_some(Likely::Placed)
}

impl Cataloger for Embedded {
    fn name(&self) -> &'static str {
        NAME
    }

    #[cfg(test)]
    fn about(&self) -> super::About {
        super::About {
            reads: "`*.spdx.json`, `*.cdx.json`, `*.json` in directories called `sbom` (Wolfi, melange, Photon), Bitnami's `.spdx-*.spdx`; not in `node_modules` and tests",
            gives: "evidence for packages that were found, without a change of them; the others as declared (Bitnami's components as installed, `pkg:bitnami`), with the document's path and `seaworthy:confidence` = `embedded-sbom`, and the document's edges between those",
            cannot_know: "whether a document is true, or about this image",
        }
    }

    fn wants(&self, path: &str) -> Option<u64> {
        likely(path).map(|_| limits::EMBEDDED_SBOM_BYTES)
    }

    /// Packages take more room than the text about them.
    fn weight(&self, size: u64) -> u64 {
        size.saturating_mul(8)
    }

    fn parse(&self, path: &str, content: &[u8]) -> Result<Parsed, String> {
        match (seaworthy_sbom::read(content), likely(path)) {
            (Ok((_, inventory)), _) => Ok(Fact::Sbom(Box::new(claims(inventory)?)).into()),
            (Err(_), Some(Likely::Placed)) if seaworthy_sbom::format::sniff(content).is_err() => {
                Ok(Fact::Nothing.into())
            }
            (Err(error), _) => Err(format!("an SBOM that cannot be read: {error}")),
        }
    }

    fn collect(&self, view: &View, out: &mut Collector<'_>) {
        let known = out.by_name();
        for (path, last, parsed) in view.parsed() {
            let Fact::Sbom(claims) = &parsed.fact else { continue };
            let said = Snapshots::new(&[view.history(path)], keys);
            let evidence = view.evidence(path, last);
            let mut added: BTreeMap<usize, usize> = BTreeMap::new();
            for (i, claim) in claims.packages.iter().enumerate() {
                if let Some(handles) = known.get(&Collector::name_of(claim)) {
                    handles.iter().for_each(|handle| out.prove(*handle, evidence.clone()));
                    continue;
                }
                let mut package = claim.clone();
                package.evidence = vec![evidence.clone()];
                added.insert(i, out.add(package, said.since(&key(claim)).unwrap_or(last)));
            }
            claims.relate(&added, out);
        }
    }
}

pub(super) fn key(package: &Package) -> (String, String) {
    (package.name.clone(), package.version.clone().unwrap_or_default())
}

fn keys(state: &State) -> Vec<(String, String)> {
    match state.fact() {
        Some(Fact::Sbom(claims)) => claims.packages.iter().map(key).collect(),
        _ => Vec::new(),
    }
}

/// What is taken over of a document.
pub(super) fn claims(inventory: seaworthy_sbom::inventory::Inventory) -> Result<Claims, String> {
    let all = inventory.packages.len();
    if all > limits::EMBEDDED_SBOM_PACKAGES {
        return Err(format!("{all} packages, more than the limit of {}", limits::EMBEDDED_SBOM_PACKAGES));
    }
    let places: BTreeMap<&str, usize> =
        inventory.packages.iter().enumerate().map(|(i, p)| (p.id.as_str(), i)).collect();
    let edges = |kind: RelationshipKind| {
        let of_kind = inventory.relationships.iter().filter(move |r| r.kind == kind);
        of_kind.filter_map(|r| Some((*places.get(r.from.as_str())?, *places.get(r.to.as_str())?))).collect()
    };
    let (needs, holds) = (edges(RelationshipKind::DependsOn), edges(RelationshipKind::Contains));
    let packages = inventory.packages.iter().map(claim).collect();
    Ok(Claims { packages, needs, holds })
}

/// What is taken over of a package: who it is, its licence, its checksums.
fn claim(from: &Package) -> Package {
    let mut package = Package::new(from.ecosystem, &from.name, from.version.clone());
    package.purl.clone_from(&from.purl);
    package.cpes.clone_from(&from.cpes);
    package.license.declared.clone_from(&from.license.declared);
    if package.license.declared.is_empty() {
        package.license.declared.extend(from.license.expression.clone());
    }
    package.supplier.clone_from(&from.supplier);
    package.architecture.clone_from(&from.architecture);
    package.source.clone_from(&from.source);
    package.checksums.clone_from(&from.checksums);
    package.homepage.clone_from(&from.homepage);
    let is_bitnami = from.purl.as_deref().is_some_and(|purl| purl.starts_with("pkg:bitnami/"));
    package.presence = if is_bitnami { Presence::Installed } else { Presence::Declared };
    package.properties.insert(CONFIDENCE.into(), NAME.into());
    package
}
