//! From an [`Inventory`] to CycloneDX JSON that the schema of its version accepts.
//!
//! What an older version has no field for is left out *before* the document is read back for comparison, so
//! that it ends in our properties like everything else that a format cannot say.

use super::files::Listed;
use super::model::{
    Component, Composition, Contact, Dependency, Evidence, ExternalReference, Hash, LicenseChoice,
    LicenseName, Lifecycle, Metadata, Occurrence, Organization, Property, Tool, Tools, Written,
};
use super::{CHECKSUM, CONTAINS, DOCUMENT, EXTRA, GAP, IMAGE, LAYER, OS, Version, read};
use crate::fields::{self, DocumentExtra, PackageExtra, Party};
use crate::inventory::{Creator, Inventory, OsRelease, Package, RelationshipKind};
use crate::{ErrorKind, Result, WriteOptions, json, license, purl};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;

const TRIED: &str = "write the CycloneDX document";

/// Identifiers that every edition of the schema's list has; a licence outside it is written as an
/// expression, which the schema does not check against a list that is older than ours.
const PLAIN_IDS: [&str; 38] = [
    "0BSD",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-1.0-Perl",
    "Artistic-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-4-Clause",
    "BSL-1.0",
    "CC-BY-4.0",
    "CC0-1.0",
    "EPL-1.0",
    "EPL-2.0",
    "GPL-1.0-or-later",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "ISC",
    "LGPL-2.0-only",
    "LGPL-2.0-or-later",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MIT",
    "MPL-1.1",
    "MPL-2.0",
    "OpenSSL",
    "PSF-2.0",
    "Python-2.0",
    "Unlicense",
    "WTFPL",
    "Zlib",
    "curl",
    "OFL-1.1",
];

/// Writes an inventory as CycloneDX JSON, of the version in `options`. The same inventory gives the same bytes, whatever its order.
///
/// # Errors
/// [`ErrorKind::Io`] when `out` fails.
pub fn write(inventory: &Inventory, options: &WriteOptions, out: impl Write) -> Result<()> {
    json::emit(TRIED, &complete(inventory, options)?, options.layout, out)
}

/// The document with its serial number, which is made of the rest of it.
pub(super) fn complete(inventory: &Inventory, options: &WriteOptions) -> Result<Written> {
    let mut inventory = inventory.clone();
    inventory.normalize();
    let mut document = document(&inventory, options)?;
    let files = std::mem::take(&mut document.components.files.files);
    document.serial_number = serial(&json::content_hash(TRIED, &document, &files)?);
    document.components.files.files = files;
    Ok(document)
}

/// A UUID made of the content's SHA-256: version 8 of RFC 9562, which leaves the hash to the writer
/// (appendix B.2 does the same), since version 5 is tied to SHA-1.
fn serial(hash: &[u8; 32]) -> String {
    let mut bytes = [0_u8; 16];
    for (to, from) in bytes.iter_mut().zip(hash) {
        *to = *from;
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex = hex::encode(bytes);
    let groups: Vec<&str> =
        [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().filter_map(|r| hex.get(r)).collect();
    format!("urn:uuid:{}", groups.join("-"))
}

fn document(inventory: &Inventory, options: &WriteOptions) -> Result<Written> {
    let version = options.cyclonedx;
    let mut used = crate::spdx::Ids::without(&[IMAGE, OS]);
    let refs: HashMap<&str, String> =
        inventory.packages.iter().map(|p| (p.id.as_str(), used.unique(&p.id))).collect();
    let mut needs: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut holds: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for r in &inventory.relationships {
        if let (true, Some(to)) = (refs.contains_key(r.from.as_str()), refs.get(r.to.as_str())) {
            let map = match r.kind {
                RelationshipKind::DependsOn => &mut needs,
                RelationshipKind::Contains => &mut holds,
            };
            map.entry(r.from.as_str()).or_default().push(to.clone());
        }
    }

    let mut components: Vec<Component> = inventory.os.as_ref().map(operating_system).into_iter().collect();
    let mut top: Vec<String> = components.iter().filter_map(|c| c.bom_ref.clone()).collect();
    let mut dependencies: Vec<Dependency> =
        top.iter().map(|os| Dependency { from: os.clone(), depends_on: None }).collect();
    for package in &inventory.packages {
        let Some(bom_ref) = refs.get(package.id.as_str()) else { continue };
        top.push(bom_ref.clone());
        let mut depends_on = needs.remove(package.id.as_str()).unwrap_or_default();
        depends_on.sort();
        depends_on.dedup();
        dependencies.push(Dependency {
            from: bom_ref.clone(),
            depends_on: (!depends_on.is_empty()).then_some(depends_on),
        });
        let holds = holds.remove(package.id.as_str()).unwrap_or_default();
        components.push(with_extra(package, bom_ref, &holds, version)?);
    }
    dependencies
        .insert(0, Dependency { from: IMAGE.to_owned(), depends_on: (!top.is_empty()).then_some(top) });

    let names = refs.iter().map(|(id, name)| ((*id).to_owned(), name.clone())).collect();
    let files = crate::files::Writer::new(inventory, names, HashSet::new(), options.layout);
    let components = Listed { packages: components, files };
    let aggregate = if inventory.gaps.is_empty() { "complete" } else { "incomplete" };
    Ok(Written {
        schema: version.schema(),
        bom_format: "CycloneDX",
        spec_version: version.name(),
        serial_number: String::new(),
        version: 1,
        metadata: metadata(inventory, version)?,
        components,
        dependencies,
        compositions: vec![Composition {
            aggregate: aggregate.to_owned(),
            assemblies: Some(vec![IMAGE.to_owned()]),
        }],
    })
}

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| crate::Error::new(TRIED, ErrorKind::Io(e.to_string())))
}

fn property(name: &str, value: String) -> Property {
    Property { name: name.to_owned(), value: Some(value) }
}

fn email(contact: &Option<String>) -> Option<String> {
    contact.clone().filter(|c| fields::is_email(c))
}

fn metadata(inventory: &Inventory, version: Version) -> Result<Metadata> {
    let (mut tools, mut authors, mut manufacturer) = (Vec::new(), Vec::new(), None);
    let mut native = Inventory { created: inventory.created.filter(|c| *c >= 0), ..Inventory::default() };
    for creator in &inventory.creators {
        match creator {
            Creator::Tool { name, version: of_tool } if !name.is_empty() => {
                native.creators.push(creator.clone());
                tools.push(Tool {
                    kind: (version >= Version::V1_5).then(|| "application".to_owned()),
                    name: name.clone(),
                    version: of_tool.clone(),
                });
            }
            Creator::Person { name, contact } if !name.trim().is_empty() => {
                native.creators.push(Creator::Person { name: name.clone(), contact: email(contact) });
                authors.push(Contact { name: Some(name.clone()), email: email(contact) });
            }
            // `manufacture`, which older versions have, is who made the image, not who made the document.
            Creator::Organization { name, contact }
                if version >= Version::V1_6 && manufacturer.is_none() && !name.trim().is_empty() =>
            {
                native.creators.push(Creator::Organization { name: name.clone(), contact: email(contact) });
                manufacturer = Some(Organization {
                    name: Some(name.clone()),
                    contact: email(contact).map(|e| vec![Contact { name: None, email: Some(e) }]),
                });
            }
            _ => {}
        }
    }
    native.creators.sort();
    native.creators.dedup();

    let subject = &inventory.subject;
    let digest = subject.digest.as_deref().and_then(fields::sha256_digest);
    let arch = subject.platform.as_deref().and_then(|p| p.split('/').nth(1));
    let purl = digest
        .as_deref()
        .filter(|_| subject.is_image())
        .and_then(|d| purl::oci(&subject.name, Some(d), subject.tag.as_deref(), arch));
    native.subject.name.clone_from(&subject.name);
    native.subject.tag = subject.tag.clone().filter(|t| purl.is_some() && !t.is_empty());
    native.os = inventory.os.as_ref().map(|os| OsRelease {
        id: os.id.clone(),
        version_id: os.version_id.clone(),
        ..OsRelease::default()
    });
    let component = Component {
        kind: if subject.is_image() { "container" } else { "file" }.to_owned(),
        bom_ref: Some(IMAGE.to_owned()),
        name: subject.name.clone(),
        version: digest.clone(),
        hashes: digest
            .as_deref()
            .and_then(|d| d.strip_prefix("sha256:"))
            .map(|hex| vec![Hash { alg: "SHA-256".to_owned(), content: hex.to_owned() }]),
        purl,
        supplier: subject.supplier.as_deref().and_then(supplier),
        ..Component::default()
    };

    let mut properties = Vec::new();
    if let Some(extra) = DocumentExtra::between(inventory, &native) {
        properties.push(property(DOCUMENT, to_json(&extra)?));
    }
    for gap in &inventory.gaps {
        properties.push(property(GAP, to_json(gap)?));
    }
    Ok(Metadata {
        timestamp: native.created.map(fields::rfc3339),
        lifecycles: (version >= Version::V1_5)
            .then(|| vec![Lifecycle { phase: Some("post-build".to_owned()) }]),
        tools: match version {
            _ if tools.is_empty() => None,
            Version::V1_4 => Some(Tools::List(tools)),
            _ => Some(Tools::Object { components: tools }),
        },
        manufacturer,
        authors: (!authors.is_empty()).then_some(authors),
        component: Some(Box::new(component)),
        properties: (!properties.is_empty()).then_some(properties),
    })
}

fn operating_system(os: &OsRelease) -> Component {
    Component {
        kind: "operating-system".to_owned(),
        bom_ref: Some(OS.to_owned()),
        name: os.id.clone(),
        version: os.version_id.clone(),
        description: os.pretty_name.clone(),
        supplier: os.vendor.as_deref().and_then(supplier),
        ..Component::default()
    }
}

fn with_extra(package: &Package, bom_ref: &str, holds: &[String], version: Version) -> Result<Component> {
    let read_back = read::native(component(package, bom_ref, version)).0.package;
    let mut component = component(package, bom_ref, version);
    let mut ours: Vec<Property> = holds.iter().map(|to| property(CONTAINS, to.clone())).collect();
    if let Some(extra) = PackageExtra::between(package, &read_back) {
        ours.push(property(EXTRA, to_json(&extra)?));
    }
    if !ours.is_empty() {
        component.properties.get_or_insert_default().extend(ours);
    }
    Ok(component)
}

fn component(package: &Package, bom_ref: &str, version: Version) -> Component {
    let (mut hashes, mut properties) = (Vec::new(), Vec::new());
    for checksum in &package.checksums {
        match alg(&checksum.algorithm) {
            Some(alg) if fields::hex_length(&checksum.algorithm) == Some(checksum.hex.len()) => {
                hashes.push(Hash { alg: alg.to_owned(), content: checksum.hex.clone() });
            }
            _ => properties.push(property(CHECKSUM, format!("{}:{}", checksum.algorithm, checksum.hex))),
        }
    }
    properties.extend(package.layer.clone().map(|layer| property(LAYER, layer)));
    let taken = [EXTRA, CONTAINS, LAYER, CHECKSUM];
    let carried = package.properties.iter().filter(|(name, _)| !taken.contains(&name.as_str()));
    properties.extend(carried.map(|(name, value)| property(name, value.clone())));
    let mut references = Vec::new();
    for (kind, url) in [("website", &package.homepage), ("distribution", &package.download)] {
        if let Some(url) = url.as_ref().filter(|u| fields::is_url(u)) {
            references.push(ExternalReference { url: url.clone(), kind: kind.to_owned() });
        }
    }
    let occurrences: Vec<Occurrence> = package
        .evidence
        .iter()
        .filter(|_| version >= Version::V1_5)
        .map(|e| Occurrence {
            location: e.path.clone(),
            additional_context: e.layer.clone().filter(|_| version >= Version::V1_6),
        })
        .collect();
    // A list of authors came with 1.6; before, the author is one line of text.
    let (authors, author) = match (version >= Version::V1_6, package.originator.as_deref()) {
        (true, Some(text)) => (author(text), None),
        (false, Some(text)) => (None, Some(text.to_owned()).filter(|t| !t.trim().is_empty())),
        (_, None) => (None, None),
    };
    Component {
        kind: "library".to_owned(),
        bom_ref: Some(bom_ref.to_owned()),
        supplier: package.supplier.as_deref().and_then(supplier),
        authors,
        author,
        name: package.name.clone(),
        version: package.version.clone(),
        description: package.description.clone().filter(|d| !d.is_empty()),
        hashes: (!hashes.is_empty()).then_some(hashes),
        licenses: licenses(package, version),
        copyright: package.copyright.clone().filter(|c| !c.is_empty()),
        cpe: package.cpes.first().cloned().filter(|c| fields::is_cpe23(c)),
        purl: package.purl.clone(),
        external_references: (!references.is_empty()).then_some(references),
        evidence: (!occurrences.is_empty()).then_some(Evidence { occurrences: Some(occurrences) }),
        properties: (!properties.is_empty()).then_some(properties),
        ..Component::default()
    }
}

fn supplier(text: &str) -> Option<Organization> {
    let party = Party::parse(text);
    (!party.name.trim().is_empty()).then(|| Organization {
        contact: party.email().map(|e| vec![Contact { name: None, email: Some(e.to_owned()) }]),
        name: Some(party.name.clone()),
    })
}

fn author(text: &str) -> Option<Vec<Contact>> {
    let party = Party::parse(text);
    let email = party.email().map(str::to_owned);
    (!party.name.trim().is_empty()).then(|| vec![Contact { name: Some(party.name.clone()), email }])
}

/// One expression, or one identifier, or names: the schema takes no mixture.
fn licenses(package: &Package, version: Version) -> Option<Vec<LicenseChoice>> {
    // Who says so came with 1.6. Before, a licence that somebody concluded could not be told from a declared
    // one, and stays among our properties.
    let acknowledged = version >= Version::V1_6;
    let (license, said) = (&package.license, |who: &str| acknowledged.then(|| who.to_owned()));
    let expression = |text: &String, who: &str| {
        if PLAIN_IDS.contains(&text.as_str()) {
            let license = LicenseName { id: Some(text.clone()), name: None, acknowledgement: said(who) };
            return vec![LicenseChoice { license: Some(license), ..LicenseChoice::default() }];
        }
        vec![LicenseChoice { expression: Some(text.clone()), acknowledgement: said(who), license: None }]
    };
    let valid = |text: &&String| license::is_valid(text);
    if let Some(text) = license.expression.as_ref().filter(valid) {
        return Some(expression(text, "declared"));
    }
    if !license.declared.is_empty() {
        let named = |text: &String| LicenseChoice {
            license: Some(LicenseName {
                id: None,
                name: Some(text.clone()),
                acknowledgement: said("declared"),
            }),
            ..LicenseChoice::default()
        };
        return Some(license.declared.iter().filter(|t| !t.is_empty()).map(named).collect());
    }
    license.concluded.as_ref().filter(valid).filter(|_| acknowledged).map(|t| expression(t, "concluded"))
}

/// SPDX's name of a hash algorithm, as CycloneDX has it.
fn alg(algorithm: &str) -> Option<&str> {
    Some(match algorithm {
        "SHA1" => "SHA-1",
        "SHA256" => "SHA-256",
        "SHA384" => "SHA-384",
        "SHA512" => "SHA-512",
        "MD5" | "SHA3-256" | "SHA3-384" | "SHA3-512" | "BLAKE2b-256" | "BLAKE2b-384" | "BLAKE2b-512"
        | "BLAKE3" => algorithm,
        _ => return None,
    })
}
