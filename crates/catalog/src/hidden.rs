//! What later layers hide: packages that an image carries and a container does not see.
//!
//! Decides it by reading the image as it would be with its lowest layers alone, once for every layer that changes
//! something, with the same catalogers. A package that is in such an image and not in the final one is hidden, by the
//! layer after which it was last seen to be gone. What is still there at another path is not hidden. Names and
//! versions of the distribution are those of the final system, so that an upgrade of the release hides nothing but
//! what it replaced. Files that could not be read below are gaps as well.

use crate::image::collect;
use crate::layer::{Facts, PathHasher};
use crate::squash::View;
use seaworthy_sbom::inventory::{Inventory, Package, Relationship};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The property of a hidden package: the digest of the layer that hid it.
pub const HIDDEN_BY: &str = "seaworthy:hiddenBy";

/// What a package is, wherever it stands.
fn identity(package: &Package) -> String {
    package.purl.clone().unwrap_or_else(|| package.stable_id())
}

/// Adds to `inventory`, which is that of all `layers`, what the upper of them hide.
pub(crate) fn add(
    inventory: &mut Inventory,
    layers: Vec<Arc<Facts>>,
    digests: Vec<String>,
    names: &PathHasher,
) {
    let present: BTreeSet<String> = inventory.packages.iter().map(identity).collect();
    let os = inventory.os.clone();
    let mut hidden: BTreeMap<String, (Package, usize)> = BTreeMap::new();
    let mut below = Inventory::default();
    let (mut gaps, mut edges, mut identities) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    let last = layers.len().saturating_sub(1);
    let mut view = View::empty(digests.clone());
    for (index, facts) in layers.into_iter().enumerate() {
        let (changes, links) = (view.changes().0, view.changes().1.clone());
        view.lay(index, Arc::unwrap_or_clone(facts), names);
        // Files are listed as the whole image has them.
        drop(view.take_laid());
        if view.changes() == (changes, &links) {
            continue;
        }
        let mut here = Inventory::default();
        let mut there = present.clone();
        if index < last {
            collect(&view, os.as_ref(), &mut here);
            here.normalize();
            there = here.packages.iter().map(identity).collect();
            gaps.extend(here.gaps.iter().cloned());
            edges.extend(here.relationships.drain(..));
            identities.extend(here.packages.iter().map(|package| (package.id.clone(), identity(package))));
        }
        for package in below.packages {
            let identity = identity(&package);
            if !there.contains(&identity) && !present.contains(&identity) {
                hidden.insert(identity, (package, index));
            }
        }
        below = here;
    }
    let gone: BTreeSet<String> = hidden.keys().cloned().collect();
    for (mut package, by) in hidden.into_values() {
        if let Some(digest) = digests.get(by) {
            package.properties.insert(HIDDEN_BY.to_owned(), digest.clone());
            inventory.packages.push(package);
        }
    }
    // A package that is in several images may stand at another path in each, and has one id in the result.
    let ids: BTreeMap<String, String> =
        inventory.packages.iter().map(|p| (identity(p), p.id.clone())).collect();
    for edge in edges {
        let ends = (identities.get(&edge.from), identities.get(&edge.to));
        if let (Some(from), Some(to)) = ends
            && (gone.contains(from) || gone.contains(to))
            && let (Some(from), Some(to)) = (ids.get(from), ids.get(to))
        {
            inventory.relationships.push(Relationship { from: from.clone(), to: to.clone(), ..edge });
        }
    }
    inventory.gaps.extend(gaps);
    inventory.normalize();
}
