//! The minimum elements of an SBOM, found or missing: after NTIA 2021 ("The Minimum Elements For a Software Bill of
//! Materials"), CISA 2026 (its successor, as drafted in 2025), BSI TR-03183-2 v2.1
//! and the OpenChain Telco SBOM Guide 1.1.
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
//! - **Unknown, said openly**: a package may carry a property [`UNKNOWN`] with the codes of what was looked for and is
//!   not known. [`judged`] counts that apart from what is missing; [`missing_of`], which policies use, does not, because
//!   a signer who writes "unknown" everywhere would pass every policy.
//! - **Hash of an installed package**: the property [`INSTALLED_FILES_SHA256`] counts as a strong hash. It says which files the
//!   package consists of in this image.
//! - What a document may leave out where there is none (BSI: URIs of source and of the deployable form) cannot be told
//!   from what was forgotten, and is not asked for.
//!
//! [`Subject::digest`]: crate::inventory::Subject::digest

mod elements;

pub use elements::{Element, Profile};

use crate::facts::{Completeness, DocumentFacts, Unsaid};
use crate::files::INSTALLED_FILES_SHA256;
use crate::inventory::{Checksum, Creator, Inventory, Package, Presence};
use std::collections::BTreeMap;

/// Packages named for each missing element; the count beside them is exact.
pub const SAMPLE: usize = 10;

/// The property of a package that names, by the codes of [`Element`] and with commas between, what its cataloguer looked
/// for and did not find.
pub const UNKNOWN: &str = "seaworthy:unknown";

/// The properties in which CycloneDX carries what BSI asks of each component, beside their elements.
pub(crate) const BSI_PROPERTIES: [(&str, Element); 4] = [
    ("bsi:component:filename", Element::FileName),
    ("bsi:component:executable", Element::Executable),
    ("bsi:component:archive", Element::Archive),
    ("bsi:component:structured", Element::Structured),
];

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
/// have to be found there is missing. What is said to be unknown is missing, too.
pub fn missing_of(profile: Profile, inventory: &Inventory, facts: Option<&DocumentFacts>) -> Vec<Missing> {
    absent(profile, inventory, facts, |_, _| true)
}

/// What is not there, told apart by whether the document says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// What is missing without a word.
    pub missing: Vec<Missing>,
    /// What packages say is not known.
    pub unknown: Vec<Missing>,
}

/// What is not there of `profile`: without a word, or said to be unknown.
pub fn judged(profile: Profile, inventory: &Inventory, facts: Option<&DocumentFacts>) -> Judged {
    let mut unknown = absent(profile, inventory, facts, says_unknown);
    unknown.retain(|missing| missing.packages > 0 && !is_of_facts(missing.element));
    Judged { missing: absent(profile, inventory, facts, |p, e| !says_unknown(p, e)), unknown }
}

/// Whether `package` says that `element` of it is not known.
pub(crate) fn says_unknown(package: &Package, element: Element) -> bool {
    let said = package.properties.get(UNKNOWN).map(String::as_str).unwrap_or_default();
    said.split(',').any(|code| code == element.code())
}

/// Whether what is asked of each package is found in the facts of the document, since the inventory does not hold it.
fn is_of_facts(element: Element) -> bool {
    use Element::*;
    matches!(element, DownloadLocation | LicenseConcluded | LicenseDeclared | CopyrightText)
}

/// What is not there, in packages that `counts`.
fn absent(
    profile: Profile,
    inventory: &Inventory,
    facts: Option<&DocumentFacts>,
    counts: impl Fn(&Package, Element) -> bool,
) -> Vec<Missing> {
    let mut found: BTreeMap<Element, Missing> = BTreeMap::new();
    for &element in profile.elements() {
        let missing = if is_of_facts(element) {
            match facts.and_then(|facts| facts.unsaid(element)) {
                Some(Unsaid { packages: 0, .. }) => continue,
                Some(unsaid) => Missing { element, packages: unsaid.packages, sample: unsaid.sample.clone() },
                None => Missing { element, packages: inventory.packages.len(), sample: Vec::new() },
            }
        } else if document_has(element, profile, inventory, facts) {
            continue;
        } else {
            Missing { element, packages: 0, sample: Vec::new() }
        };
        found.insert(element, missing);
    }
    for package in &inventory.packages {
        let lacking = profile.elements().iter().copied().filter(|element| !has(package, *element));
        for element in lacking.filter(|element| counts(package, *element)) {
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
        Element::Author if profile == Profile::Telco => {
            inventory.creators.iter().any(|creator| matches!(creator, Creator::Organization { .. }))
        }
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
        Element::DocumentFormat => facts.is_some_and(|f| f.is_cyclonedx_from(6) || f.is_spdx3()),
        Element::Spdx2 => facts.is_some_and(DocumentFacts::is_spdx2),
        Element::ToolVersion => inventory.creators.iter().any(
            |c| matches!(c, Creator::Tool { name, version } if !blank(Some(name)) && !blank(version.as_deref())),
        ),
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
pub(crate) fn has(package: &Package, element: Element) -> bool {
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
        Element::StrongHash => {
            let strong = |c: &Checksum| {
                let weak = ["MD2", "MD4", "MD5", "MD6", "SHA1", "ADLER32"].contains(&c.algorithm.as_str());
                !weak && !blank(Some(&c.hex))
            };
            package.checksums.iter().any(strong)
                || package.properties.get(INSTALLED_FILES_SHA256).is_some_and(|hex| hex.len() == 64)
        }
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
    use crate::inventory::Ecosystem;

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
            left_out: Vec::new(),
        }
    }

    /// What every profile but the one that wants SPDX 2 is content with.
    const ANY_FORMAT: [Profile; 3] = [Profile::Ntia, Profile::Cisa, Profile::Bsi];

    /// What the Telco guide is content with.
    fn spdx() -> DocumentFacts {
        let said = [
            Element::DownloadLocation,
            Element::LicenseConcluded,
            Element::LicenseDeclared,
            Element::CopyrightText,
        ];
        DocumentFacts {
            format: Format::SpdxJson,
            version: "SPDX-2.3".into(),
            identifier: Some("https://example.com/1".into()),
            completeness: Completeness::Unsaid,
            left_out: said.map(|element| (element, Unsaid::default())).into(),
            ..facts()
        }
    }

    fn codes(profile: Profile, inventory: &Inventory, facts: &DocumentFacts) -> Vec<&'static str> {
        missing_of(profile, inventory, Some(facts)).iter().map(|m| m.element.code()).collect()
    }

    #[test]
    fn a_complete_inventory_misses_nothing() {
        assert_eq!(missing(&complete()), vec![]);
        for profile in ANY_FORMAT {
            assert_eq!(codes(profile, &complete(), &facts()), Vec::<&str>::new(), "{profile:?}");
        }
        let mut with_version = complete();
        with_version.creators[0] = Creator::Tool { name: "seaworthy".into(), version: Some("1".into()) };
        assert_eq!(codes(Profile::Telco, &with_version, &spdx()), Vec::<&str>::new());
    }

    #[test]
    fn the_telco_guide_wants_spdx_2_an_organization_a_version_and_an_open_word() {
        let mut inventory = complete();
        assert_eq!(codes(Profile::Telco, &inventory, &spdx()), ["tool-version"]);
        inventory.creators[0] = Creator::Tool { name: "seaworthy".into(), version: Some("1".into()) };
        inventory.creators[1] = Creator::Person { name: "Jane".into(), contact: None };
        assert_eq!(codes(Profile::Telco, &inventory, &spdx()), ["author"]);
        inventory.creators[1] = Creator::Organization { name: "Harbour".into(), contact: None };
        let mut facts = spdx();
        facts.left_out[3].1 = Unsaid { packages: 2, sample: vec!["libc6".into()] };
        let missing = missing_of(Profile::Telco, &inventory, Some(&facts));
        assert_eq!(
            missing,
            [Missing { element: Element::CopyrightText, packages: 2, sample: vec!["libc6".into()] }]
        );
        facts = DocumentFacts { left_out: spdx().left_out, ..super::tests::facts() };
        assert_eq!(codes(Profile::Telco, &inventory, &facts), ["spdx-2"]);
    }

    #[test]
    fn bsi_takes_spdx_from_3_0_1_on() {
        for (version, wanted) in [
            ("SPDX-3.0.1", vec![]),
            ("SPDX-3.0.0", vec!["document-format"]),
            ("SPDX-2.3", vec!["document-format"]),
        ] {
            let facts = DocumentFacts { version: version.into(), format: Format::SpdxJson, ..facts() };
            assert_eq!(codes(Profile::Bsi, &complete(), &facts), wanted, "{version}");
        }
    }

    #[test]
    fn what_is_said_to_be_unknown_is_counted_apart_and_missing_for_policies() {
        let mut inventory = complete();
        inventory.packages[0].checksums.clear();
        inventory.packages[0].properties.insert(UNKNOWN.into(), "strong-hash,supplier".into());
        let judged = judged(Profile::Cisa, &inventory, Some(&facts()));
        assert_eq!(judged.missing, vec![]);
        assert_eq!(judged.unknown.iter().map(|m| m.element).collect::<Vec<_>>(), [Element::StrongHash]);
        assert_eq!(codes(Profile::Cisa, &inventory, &facts()), ["strong-hash"]);
        inventory.packages[0].properties.insert(INSTALLED_FILES_SHA256.into(), "ab".repeat(32));
        assert_eq!(codes(Profile::Cisa, &inventory, &facts()), Vec::<&str>::new());
        inventory.packages[0].properties.insert(INSTALLED_FILES_SHA256.into(), "ab".repeat(31));
        assert_eq!(codes(Profile::Cisa, &inventory, &facts()), ["strong-hash"]);
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
            ("timestamp", &ANY_FORMAT, |i, _| i.created = None),
            ("relationships", &ANY_FORMAT, |i, _| i.subject.name.clear()),
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
            ("unique-id", &ANY_FORMAT, |i, _| i.packages[0].purl = None),
        ];
        for (code, profiles, spoil) in each {
            let (mut inventory, mut facts) = (complete(), facts());
            spoil(&mut inventory, &mut facts);
            for profile in ANY_FORMAT {
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
