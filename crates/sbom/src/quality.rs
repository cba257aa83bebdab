//! The minimum elements of an SBOM, found or missing: after NTIA 2021 ("The Minimum Elements For a Software Bill of
//! Materials"), CISA 2026 (its successor, as drafted in 2025) and BSI TR-03183-2 v2.1.
//!
//! It decides what is absent, never how bad that is: that is a policy's business. What each element is in SPDX and
//! CycloneDX stands in docs/reference/minimum-elements.md. Rules that are not obvious:
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
//! - **Author**: any creator for NTIA; for CISA and BSI a person or an organization, because there a tool is named
//!   beside the author and not instead of one. **Timestamp**: [`Inventory::created`].
//! - What a document may leave out where there is none (BSI: URIs of source and of the deployable form) cannot be told
//!   from what was forgotten, and is not asked for.
//!
//! [`Subject::digest`]: crate::inventory::Subject::digest

use crate::facts::{Completeness, DocumentFacts};
use crate::inventory::{Creator, Inventory, Package, Presence};
use std::collections::BTreeMap;

/// Packages named for each missing element; the count beside them is exact.
pub const SAMPLE: usize = 10;

/// The properties in which CycloneDX carries what BSI asks of each component, beside their elements.
const BSI_PROPERTIES: [(&str, Element); 4] = [
    ("bsi:component:filename", Element::FileName),
    ("bsi:component:executable", Element::Executable),
    ("bsi:component:archive", Element::Archive),
    ("bsi:component:structured", Element::Structured),
];

/// A set of minimum elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Profile {
    /// NTIA 2021.
    Ntia,
    /// CISA 2026.
    Cisa,
    /// BSI TR-03183-2 v2.1.
    Bsi,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ntia, Self::Cisa, Self::Bsi];

    /// The name in policies.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ntia => "ntia",
            Self::Cisa => "cisa",
            Self::Bsi => "bsi",
        }
    }

    /// The profile of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// The elements that it asks for, in the order of [`Element`].
    pub const fn elements(self) -> &'static [Element] {
        use Element::*;
        match self {
            Self::Ntia => &[Author, Timestamp, ComponentName, Version, Supplier, UniqueId, Relationships],
            Self::Cisa => &[
                Author,
                Timestamp,
                ComponentName,
                Version,
                Supplier,
                UniqueId,
                Relationships,
                ToolName,
                GenerationContext,
                StrongHash,
                License,
            ],
            Self::Bsi => &[
                Author,
                Timestamp,
                ComponentName,
                Version,
                UniqueId,
                Relationships,
                License,
                DocumentFormat,
                DocumentId,
                AuthorContact,
                ComponentCreator,
                Completeness,
                FileName,
                Executable,
                Archive,
                Structured,
                Sha512,
                NoVulnerabilities,
            ],
        }
    }
}

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
    /// The program that made the document.
    ToolName,
    /// When in the life of the software the document was made.
    GenerationContext,
    /// A hash of a component by SHA-2, SHA-3 or BLAKE.
    StrongHash,
    /// The licence of a component.
    License,
    /// CycloneDX 1.6 or later (SPDX 3.0.1 is not judged).
    DocumentFormat,
    /// An identifier of the document itself.
    DocumentId,
    /// A mail address or URL of who made the document.
    AuthorContact,
    /// A mail address or URL of who made a component.
    ComponentCreator,
    /// How complete the document says it is.
    Completeness,
    /// The name of a component's file.
    FileName,
    /// Whether a component is executable.
    Executable,
    /// Whether a component is an archive.
    Archive,
    /// Whether an archive's parts can be told apart.
    Structured,
    /// A SHA-512 of a component.
    Sha512,
    /// Nothing about vulnerabilities in the document.
    NoVulnerabilities,
}

impl Element {
    /// Whether it is asked of each package, and not of the document.
    pub const fn is_of_packages(self) -> bool {
        matches!(
            self,
            Self::ComponentName
                | Self::Version
                | Self::Supplier
                | Self::UniqueId
                | Self::StrongHash
                | Self::License
                | Self::ComponentCreator
                | Self::FileName
                | Self::Executable
                | Self::Archive
                | Self::Structured
                | Self::Sha512
        )
    }

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
            Self::ToolName => "tool-name",
            Self::GenerationContext => "generation-context",
            Self::StrongHash => "strong-hash",
            Self::License => "license",
            Self::DocumentFormat => "document-format",
            Self::DocumentId => "document-id",
            Self::AuthorContact => "author-contact",
            Self::ComponentCreator => "component-creator",
            Self::Completeness => "completeness",
            Self::FileName => "file-name",
            Self::Executable => "executable",
            Self::Archive => "archive",
            Self::Structured => "structured",
            Self::Sha512 => "sha-512",
            Self::NoVulnerabilities => "no-vulnerabilities",
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

/// What is missing of NTIA's elements, by element. Empty: the minimum elements are there.
pub fn missing(inventory: &Inventory) -> Vec<Missing> {
    missing_of(Profile::Ntia, inventory, None)
}

/// What is missing of `profile`, by element. `facts` is what the document says about itself; without it, what would
/// have to be found there is missing.
pub fn missing_of(profile: Profile, inventory: &Inventory, facts: Option<&DocumentFacts>) -> Vec<Missing> {
    let mut found: BTreeMap<Element, Missing> = BTreeMap::new();
    for &element in profile.elements() {
        if !document_has(element, profile, inventory, facts) {
            found.insert(element, Missing { element, packages: 0, sample: Vec::new() });
        }
    }
    for package in &inventory.packages {
        for &element in profile.elements().iter().filter(|element| !has(package, **element)) {
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

/// Whether the document has `element`; true for what is asked of each package.
fn document_has(
    element: Element,
    profile: Profile,
    inventory: &Inventory,
    facts: Option<&DocumentFacts>,
) -> bool {
    let is_tool = |creator: &Creator| matches!(creator, Creator::Tool { .. });
    match element {
        Element::Author if profile == Profile::Ntia => !inventory.creators.is_empty(),
        Element::Author => inventory.creators.iter().any(|creator| !is_tool(creator)),
        Element::Timestamp => inventory.created.is_some(),
        Element::Relationships => inventory.subject.digest.is_some() || !inventory.subject.name.is_empty(),
        Element::ToolName => {
            inventory.creators.iter().any(|c| matches!(c, Creator::Tool { name, .. } if !blank(Some(name))))
        }
        Element::AuthorContact => inventory.creators.iter().any(|creator| match creator {
            Creator::Tool { .. } => false,
            Creator::Organization { name, contact } | Creator::Person { name, contact } => {
                reachable(contact.as_deref()) || reachable(Some(name))
            }
        }),
        Element::GenerationContext => facts.is_some_and(|f| !f.contexts.is_empty()),
        Element::DocumentFormat => facts.is_some_and(|f| f.is_cyclonedx_from(6)),
        Element::DocumentId => facts.is_some_and(|f| f.identifier.is_some()),
        Element::Completeness => facts.is_some_and(|f| f.completeness == Completeness::Said),
        Element::NoVulnerabilities => facts.is_some_and(|f| f.vulnerabilities == 0),
        _ => true,
    }
}

fn blank(text: Option<&str>) -> bool {
    text.is_none_or(|t| t.trim().is_empty())
}

/// Whether a mail address or URL stands in it.
fn reachable(text: Option<&str>) -> bool {
    text.is_some_and(|text| {
        let parts: Vec<&str> = text.split(['<', '>', '(', ')', ' ']).collect();
        let mail = |part: &&str| {
            part.split_once('@').is_some_and(|(who, host)| !who.is_empty() && host.contains('.'))
        };
        text.contains("://") || parts.iter().any(mail)
    })
}

/// Whether `package` has `element`; true for what is asked of the document.
fn has(package: &Package, element: Element) -> bool {
    match element {
        Element::ComponentName => !blank(Some(&package.name)),
        Element::Version => {
            let unknown_said = package.presence == Presence::Declared
                || package.properties.get("seaworthy:version").is_some_and(|v| v == "unknown");
            unknown_said || !blank(package.version.as_deref())
        }
        Element::Supplier => !blank(package.supplier.as_deref()) || !blank(package.originator.as_deref()),
        Element::ComponentCreator => {
            reachable(package.supplier.as_deref()) || reachable(package.originator.as_deref())
        }
        Element::UniqueId => !blank(package.purl.as_deref()) || package.cpes.iter().any(|c| !blank(Some(c))),
        Element::StrongHash => package.checksums.iter().any(|c| {
            let weak = ["MD2", "MD4", "MD5", "MD6", "SHA1", "ADLER32"].contains(&c.algorithm.as_str());
            !weak && !blank(Some(&c.hex))
        }),
        Element::Sha512 => package.checksums.iter().any(|c| c.algorithm == "SHA512" && !blank(Some(&c.hex))),
        Element::License => {
            let license = &package.license;
            !blank(license.expression.as_deref())
                || !blank(license.concluded.as_deref())
                || license.declared.iter().any(|text| !blank(Some(text)))
        }
        Element::FileName | Element::Executable | Element::Archive | Element::Structured => BSI_PROPERTIES
            .iter()
            .filter(|(_, known)| *known == element)
            .all(|(property, _)| !blank(package.properties.get(*property).map(String::as_str))),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;
    use crate::inventory::{Checksum, Ecosystem};

    fn complete() -> Inventory {
        let mut package = Package::new(Ecosystem::Deb, "libc6", Some("2.36".into()));
        package.id = "deb-libc6".into();
        package.supplier = Some("GNU Libc Maintainers <libc@example.org>".into());
        package.purl = Some("pkg:deb/debian/libc6@2.36".into());
        package.license.expression = Some("LGPL-2.1-or-later".into());
        package.checksums = vec![Checksum { algorithm: "SHA512".into(), hex: "00".into() }];
        for (property, _) in BSI_PROPERTIES {
            package.properties.insert(property.into(), "said".into());
        }
        let mut inventory = Inventory {
            created: Some(1),
            creators: vec![
                Creator::Tool { name: "seaworthy".into(), version: None },
                Creator::Organization {
                    name: "Harbour".into(),
                    contact: Some("sbom@harbour.example".into()),
                },
            ],
            packages: vec![package],
            ..Inventory::default()
        };
        inventory.subject.name = "app".into();
        inventory
    }

    fn facts() -> DocumentFacts {
        DocumentFacts {
            format: Format::CycloneDxJson,
            version: "1.6".into(),
            identifier: Some("urn:uuid:1".into()),
            contexts: vec!["build".into()],
            completeness: Completeness::Said,
            vulnerabilities: 0,
        }
    }

    fn codes(profile: Profile, inventory: &Inventory, facts: &DocumentFacts) -> Vec<&'static str> {
        missing_of(profile, inventory, Some(facts)).iter().map(|m| m.element.code()).collect()
    }

    #[test]
    fn a_complete_inventory_misses_nothing() {
        assert_eq!(missing(&complete()), vec![]);
        for profile in Profile::ALL {
            assert_eq!(codes(profile, &complete(), &facts()), Vec::<&str>::new(), "{profile:?}");
        }
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
        for profile in Profile::ALL {
            let missed: Vec<Element> =
                missing_of(profile, &inventory, None).iter().map(|m| m.element).collect();
            assert_eq!(missed, profile.elements(), "{profile:?}: each element can be missed, in its order");
        }
    }

    /// Each element by itself: what takes it away, and that nothing else is missed then.
    #[test]
    fn each_element_is_told_apart() {
        type Spoil = fn(&mut Inventory, &mut DocumentFacts);
        let each: [(&str, &[Profile], Spoil); 15] = [
            ("tool-name", &[Profile::Cisa], |i, _| drop(i.creators.remove(0))),
            ("timestamp", &Profile::ALL, |i, _| i.created = None),
            ("relationships", &Profile::ALL, |i, _| i.subject.name.clear()),
            ("generation-context", &[Profile::Cisa], |_, f| f.contexts.clear()),
            ("license", &[Profile::Cisa, Profile::Bsi], |i, _| i.packages[0].license.expression = None),
            ("sha-512", &[Profile::Bsi], |i, _| i.packages[0].checksums[0].algorithm = "SHA256".into()),
            ("document-format", &[Profile::Bsi], |_, f| f.version = "1.5".into()),
            ("document-format", &[Profile::Bsi], |_, f| f.format = Format::SpdxJson),
            ("document-id", &[Profile::Bsi], |_, f| f.identifier = None),
            ("completeness", &[Profile::Bsi], |_, f| f.completeness = Completeness::Unsaid),
            ("no-vulnerabilities", &[Profile::Bsi], |_, f| f.vulnerabilities = 1),
            ("author-contact", &[Profile::Bsi], |i, _| {
                i.creators[1] = Creator::Organization { name: "Harbour".into(), contact: None };
            }),
            ("component-creator", &[Profile::Bsi], |i, _| i.packages[0].supplier = Some("somebody".into())),
            ("file-name", &[Profile::Bsi], |i, _| {
                drop(i.packages[0].properties.remove("bsi:component:filename"))
            }),
            ("unique-id", &Profile::ALL, |i, _| i.packages[0].purl = None),
        ];
        for (code, profiles, spoil) in each {
            let (mut inventory, mut facts) = (complete(), facts());
            spoil(&mut inventory, &mut facts);
            for profile in Profile::ALL {
                let expected: &[&str] = if profiles.contains(&profile) { &[code] } else { &[] };
                assert_eq!(codes(profile, &inventory, &facts), expected, "{code} in {profile:?}");
            }
        }
    }

    #[test]
    fn a_hash_counts_by_its_algorithm() {
        let mut inventory = complete();
        for (algorithm, cisa, bsi) in
            [("SHA1", vec!["strong-hash"], vec!["sha-512"]), ("SHA256", vec![], vec!["sha-512"])]
        {
            inventory.packages[0].checksums[0].algorithm = algorithm.into();
            assert_eq!(codes(Profile::Cisa, &inventory, &facts()), cisa, "{algorithm}");
            assert_eq!(codes(Profile::Bsi, &inventory, &facts()), bsi, "{algorithm}");
        }
    }

    #[test]
    fn a_tool_is_no_author_where_it_is_named_beside_one() {
        let mut inventory = complete();
        inventory.creators.truncate(1);
        assert_eq!(codes(Profile::Ntia, &inventory, &facts()), Vec::<&str>::new());
        assert_eq!(codes(Profile::Cisa, &inventory, &facts()), ["author"]);
        assert_eq!(codes(Profile::Bsi, &inventory, &facts()), ["author", "author-contact"]);
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
