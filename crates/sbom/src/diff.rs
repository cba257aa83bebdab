//! What changed between two inventories.
//!
//! Packages are the same package when their purl without version and qualifiers is the same (or, without a
//! purl, ecosystem and name), wherever they stand. Several versions of one package (npm) are compared as
//! sets: what is in both is no change, and what is left is paired in version order.

use crate::inventory::{Ecosystem, Inventory, Package};
use crate::purl::Purl;
use std::collections::{BTreeMap, BTreeSet};

/// What a package is, apart from its version and place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its ecosystem.
    pub ecosystem: Ecosystem,
    /// `pkg:deb/debian/libc6`, or its name where it has no purl.
    pub name: String,
    /// Its architecture: `libc6:amd64` and `libc6:i386` are two packages.
    pub architecture: Option<String>,
}

/// A version of a package with its licence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    /// The version.
    pub version: Option<String>,
    /// The licence expression.
    pub license: Option<String>,
}

/// A package that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub key: Key,
    /// What it was.
    pub before: State,
    /// What it is.
    pub after: State,
}

/// What changed, each list sorted by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diff {
    /// Only in the second.
    pub added: Vec<(Key, State)>,
    /// Only in the first.
    pub removed: Vec<(Key, State)>,
    /// In both, with another version or licence.
    pub changed: Vec<Change>,
}

impl Diff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }
}

/// What changed from `before` to `after`.
pub fn diff(before: &Inventory, after: &Inventory) -> Diff {
    let (before, after) = (states(before), states(after));
    let mut out = Diff::default();
    let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).collect();
    let none = BTreeSet::new();
    for key in keys {
        let (old, new) = (before.get(key).unwrap_or(&none), after.get(key).unwrap_or(&none));
        let mut gone: Vec<&State> = old.difference(new).collect();
        let mut come: Vec<&State> = new.difference(old).collect();
        let order = |a: &&State, b: &&State| match (&a.version, &b.version) {
            (Some(x), Some(y)) => crate::version::compare(key.ecosystem, x, y).unwrap_or_else(|| x.cmp(y)),
            (x, y) => x.cmp(y),
        };
        gone.sort_by(order);
        come.sort_by(order);
        let paired = gone.len().min(come.len());
        for (from, to) in gone.iter().zip(&come) {
            out.changed.push(Change { key: key.clone(), before: (*from).clone(), after: (*to).clone() });
        }
        out.removed.extend(gone.iter().skip(paired).map(|s| (key.clone(), (*s).clone())));
        out.added.extend(come.iter().skip(paired).map(|s| (key.clone(), (*s).clone())));
    }
    out
}

fn states(inventory: &Inventory) -> BTreeMap<Key, BTreeSet<State>> {
    let mut out: BTreeMap<Key, BTreeSet<State>> = BTreeMap::new();
    for package in &inventory.packages {
        let state = State { version: package.version.clone(), license: package.license.expression.clone() };
        out.entry(key(package)).or_default().insert(state);
    }
    out
}

fn key(package: &Package) -> Key {
    let bare = package.purl.as_deref().and_then(|p| Purl::parse(p).ok()).map(|mut purl| {
        purl.version = None;
        purl.qualifiers.clear();
        purl.to_string()
    });
    Key {
        ecosystem: package.ecosystem,
        name: bare.unwrap_or_else(|| package.name.clone()),
        architecture: package.architecture.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(packages: &[(&str, &str)]) -> Inventory {
        let packages = packages
            .iter()
            .map(|(name, version)| {
                let mut p = Package::new(Ecosystem::Npm, *name, Some((*version).to_owned()));
                p.purl = Some(format!("pkg:npm/{name}@{version}"));
                p.id = format!("{name}-{version}");
                p
            })
            .collect();
        Inventory { packages, ..Inventory::default() }
    }

    #[test]
    fn added_removed_and_changed_are_told_apart() {
        let d = diff(
            &inventory(&[("a", "1.0.0"), ("b", "1.0.0"), ("c", "1.0.0")]),
            &inventory(&[("b", "2.0.0"), ("c", "1.0.0"), ("d", "1.0.0")]),
        );
        assert_eq!(d.removed.iter().map(|(k, _)| k.name.as_str()).collect::<Vec<_>>(), ["pkg:npm/a"]);
        assert_eq!(d.added.iter().map(|(k, _)| k.name.as_str()).collect::<Vec<_>>(), ["pkg:npm/d"]);
        assert_eq!(d.changed.len(), 1);
        assert_eq!(d.changed[0].after.version.as_deref(), Some("2.0.0"));
    }

    #[test]
    fn versions_side_by_side_are_paired_in_their_own_order() {
        let d = diff(
            &inventory(&[("a", "9.0.0"), ("a", "10.0.0")]),
            &inventory(&[("a", "10.0.0"), ("a", "11.0.0")]),
        );
        assert_eq!(d.changed.len(), 1);
        assert_eq!(d.changed[0].before.version.as_deref(), Some("9.0.0"));
        assert_eq!(d.changed[0].after.version.as_deref(), Some("11.0.0"));
        assert!(d.added.is_empty() && d.removed.is_empty());
    }

    #[test]
    fn a_licence_that_changed_is_a_change() {
        let (a, mut b) = (inventory(&[("a", "1.0.0")]), inventory(&[("a", "1.0.0")]));
        assert!(diff(&a, &b).is_empty());
        b.packages[0].license.expression = Some("MIT".into());
        assert_eq!(diff(&a, &b).changed.len(), 1);
    }
}
