//! The minimum elements of an SBOM after NTIA 2021 ("The Minimum Elements For a Software Bill of
//! Materials", data fields), found or missing.
//!
//! It decides what is absent, never how bad that is: that is a policy's business. Rules that are not
//! obvious:
//!
//! - **Supplier**: NTIA asks for the supplier's name. An originator counts where no supplier is named (a
//!   Python distribution has an author and no supplier). For a distribution's packages nothing is assumed.
//! - **Version**: a package that is installed must have one. A package that is only *declared* (by a range
//!   in a manifest) may say openly that its version is not known, which NTIA allows as a known unknown; so
//!   may one whose property `seaworthy:version` is `unknown`, which a cataloguer sets where the data itself
//!   has none.
//! - **Unique identifier**: a purl or a CPE.
//! - **Relationships**: the image must be named as what the packages belong to ([`Subject::digest`] or
//!   name); the catalogued relation "the image contains this package" is implied by the model, so an
//!   inventory with a subject has relationships.
//! - **Author**: any creator. **Timestamp**: [`Inventory::created`].
//!
//! [`Subject::digest`]: crate::inventory::Subject::digest

use crate::inventory::{Inventory, Package, Presence};
use std::collections::BTreeMap;

/// Packages named for each missing element; the count beside them is exact.
pub const SAMPLE: usize = 10;

/// An element of the minimum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Element {
    /// Who made the document.
    Author,
    /// When it was made.
    Timestamp,
    /// The name of a component.
    ComponentName,
    /// The version of a component.
    Version,
    /// Who supplies a component.
    Supplier,
    /// A purl or CPE.
    UniqueId,
    /// What the components belong to.
    Relationships,
}

impl Element {
    /// A stable kebab-case name for policies and machine output.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Timestamp => "timestamp",
            Self::ComponentName => "component-name",
            Self::Version => "version",
            Self::Supplier => "supplier",
            Self::UniqueId => "unique-id",
            Self::Relationships => "relationships",
        }
    }
}

/// An element that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub element: Element,
    /// In how many packages; 0 where it is the document's.
    pub packages: usize,
    /// The first of them by id, at most [`SAMPLE`].
    pub sample: Vec<String>,
}

/// What is missing in an inventory, by element. Empty: the minimum elements are there.
pub fn missing(inventory: &Inventory) -> Vec<Missing> {
    let mut found: BTreeMap<Element, Missing> = BTreeMap::new();
    let mut document = |element| {
        found.insert(element, Missing { element, packages: 0, sample: Vec::new() });
    };
    if inventory.creators.is_empty() {
        document(Element::Author);
    }
    if inventory.created.is_none() {
        document(Element::Timestamp);
    }
    if inventory.subject.digest.is_none() && inventory.subject.name.is_empty() {
        document(Element::Relationships);
    }
    for package in &inventory.packages {
        for element in missing_in(package) {
            let entry =
                found.entry(element).or_insert_with(|| Missing { element, packages: 0, sample: Vec::new() });
            entry.packages += 1;
            if entry.sample.len() < SAMPLE {
                entry.sample.push(package.id.clone());
            }
        }
    }
    found.into_values().collect()
}

/// What is missing in one package.
pub fn missing_in(package: &Package) -> Vec<Element> {
    let blank = |text: Option<&str>| text.is_none_or(|t| t.trim().is_empty());
    let mut out = Vec::new();
    if blank(Some(&package.name)) {
        out.push(Element::ComponentName);
    }
    let unknown_said = package.presence == Presence::Declared
        || package.properties.get("seaworthy:version").is_some_and(|v| v == "unknown");
    if blank(package.version.as_deref()) && !unknown_said {
        out.push(Element::Version);
    }
    if blank(package.supplier.as_deref()) && blank(package.originator.as_deref()) {
        out.push(Element::Supplier);
    }
    if blank(package.purl.as_deref()) && package.cpes.iter().all(|c| c.trim().is_empty()) {
        out.push(Element::UniqueId);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Creator, Ecosystem};

    fn complete() -> Inventory {
        let mut package = Package::new(Ecosystem::Deb, "libc6", Some("2.36".into()));
        package.id = "deb-libc6".into();
        package.supplier = Some("GNU Libc Maintainers".into());
        package.purl = Some("pkg:deb/debian/libc6@2.36".into());
        let mut inventory = Inventory {
            created: Some(1),
            creators: vec![Creator::Tool { name: "seaworthy".into(), version: None }],
            packages: vec![package],
            ..Inventory::default()
        };
        inventory.subject.name = "app".into();
        inventory
    }

    #[test]
    fn a_complete_inventory_misses_nothing() {
        assert_eq!(missing(&complete()), vec![]);
    }

    #[test]
    fn every_element_is_missed_by_name() {
        let mut inventory =
            Inventory { packages: vec![Package::new(Ecosystem::Generic, "", None)], ..Inventory::default() };
        inventory.normalize();
        let codes: Vec<_> = missing(&inventory).iter().map(|m| m.element.code()).collect();
        assert_eq!(
            codes,
            ["author", "timestamp", "component-name", "version", "supplier", "unique-id", "relationships"]
        );
    }

    #[test]
    fn a_version_may_be_an_openly_known_unknown() {
        let mut inventory = complete();
        inventory.packages[0].version = None;
        assert_eq!(missing(&inventory)[0].element, Element::Version);
        inventory.packages[0].presence = Presence::Declared;
        assert_eq!(missing(&inventory), vec![]);
        inventory.packages[0].presence = Presence::Installed;
        inventory.packages[0].properties.insert("seaworthy:version".into(), "unknown".into());
        assert_eq!(missing(&inventory), vec![]);
    }

    #[test]
    fn the_sample_is_bounded_and_the_count_is_not() {
        let mut inventory = complete();
        inventory.packages = (0..50)
            .map(|i| {
                let mut p = inventory.packages[0].clone();
                p.id = format!("p{i}");
                p.supplier = None;
                p
            })
            .collect();
        let missing = missing(&inventory);
        assert_eq!((missing.len(), missing[0].packages, missing[0].sample.len()), (1, 50, SAMPLE));
    }
}
