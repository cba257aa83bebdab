//! From CycloneDX 1.4 to 1.7 JSON, ours or anybody's, to an [`Inventory`].

use super::model::{self, Component, Contact, Found, Metadata, Organization, Property, Read, Tools};
use super::{CHECKSUM, CONTAINS, DOCUMENT, EXTRA, GAP, LAYER, files};
use crate::fields::{self, DocumentExtra, PackageExtra, Party};
use crate::inventory::{
    Checksum, Creator, Ecosystem, Evidence, Gap, Inventory, License, OsRelease, Package, Relationship,
    RelationshipKind,
};
use crate::{Error, ErrorKind, Result, json, license, purl};
use std::collections::HashMap;

pub(super) const TRIED: &str = "read the CycloneDX document";

/// Reads a CycloneDX 1.4 to 1.7 JSON document. Nested components come out flat, with a relationship.
///
/// # Errors
/// [`ErrorKind::Malformed`] for bytes that are no such document, [`ErrorKind::Unsupported`] for another
/// version, [`ErrorKind::LimitExceeded`]. A licence expression that is invalid is no error: it is kept as
/// declared text, and normalised where that is possible.
pub fn read(bytes: &[u8]) -> Result<Inventory> {
    json::guard(TRIED, bytes)?;
    model::start_counting();
    let document: Read = json::parse(TRIED, bytes)?;
    if document.bom_format != "CycloneDX" {
        return Err(Error::new(TRIED, ErrorKind::Malformed("bomFormat is not CycloneDX".to_owned())));
    }
    if super::Version::from_name(&document.spec_version).is_none() {
        let shown: String = document.spec_version.chars().take(40).collect();
        return Err(Error::new(
            TRIED,
            ErrorKind::Unsupported(format!("the version is '{}'", shown.escape_debug())),
        )
        .hint("CycloneDX 1.4, 1.5, 1.6 and 1.7 can be read"));
    }
    inventory(document)
}

/// The document in the model's form. Its version has been checked.
pub(super) fn inventory(document: Read) -> Result<Inventory> {
    let mut inventory = Inventory::default();
    let mut ours = Vec::new();
    if let Some(metadata) = document.metadata {
        ours = read_metadata(metadata, &mut inventory);
    }

    let mut ids: HashMap<String, String> = HashMap::with_capacity(document.components.packages.len());
    let mut used = crate::spdx::Ids::default();
    let mut contains = Vec::new();
    let files = files::read(document.components.files)?;
    for found in document.components.packages {
        let Found { bom_ref, kind, contains: inner, mut package } = found;
        match kind.as_str() {
            "operating-system" if inventory.os.is_none() => {
                inventory.os =
                    Some(OsRelease { id: package.name, version_id: package.version, ..OsRelease::default() });
                continue;
            }
            // A key is no package unless somebody says which one.
            "cryptographic-asset" if package.purl.is_none() => continue,
            _ => {}
        }
        let id = match &bom_ref {
            Some(bom_ref) if !bom_ref.is_empty() => bom_ref.clone(),
            _ => package.stable_id(),
        };
        package.id = used.unique(&id);
        if let Some(bom_ref) = bom_ref {
            ids.entry(bom_ref).or_insert_with(|| package.id.clone());
        }
        contains.extend(inner.into_iter().map(|to| (package.id.clone(), to)));
        inventory.packages.push(package);
    }
    for (from, to) in contains {
        if let Some(to) = ids.get(&to) {
            let kind = RelationshipKind::Contains;
            inventory.relationships.push(Relationship { from, kind, to: to.clone() });
        }
    }
    for dependency in document.dependencies.into_iter().flatten() {
        let Some(from) = ids.get(&dependency.from) else { continue };
        for to in dependency.depends_on.into_iter().flatten().filter_map(|to| ids.get(&to).cloned()) {
            let kind = RelationshipKind::DependsOn;
            inventory.relationships.push(Relationship { from: from.clone(), kind, to });
        }
    }

    for Property { name, value } in ours {
        let value = value.unwrap_or_default();
        if name == GAP {
            inventory.gaps.push(parse_ours(&value)?);
        } else if name == DOCUMENT {
            parse_ours::<DocumentExtra>(&value)?.apply(&mut inventory);
        }
    }
    inventory.files = files.finish(&inventory.layers, |name| ids.get(name).cloned());
    let incomplete =
        document.compositions.into_iter().flatten().any(|c| c.aggregate.starts_with("incomplete"));
    if incomplete && inventory.gaps.is_empty() {
        inventory.gaps.push(Gap {
            path: "/".to_owned(),
            reason: "the document says that it is incomplete".to_owned(),
            found_by: "cyclonedx".to_owned(),
        });
    }
    inventory.normalize();
    Ok(inventory)
}

fn parse_ours<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| Error::new(TRIED, ErrorKind::Malformed(format!("a seaworthy property: {e}"))))
}

/// Reads the metadata and gives back the properties that are ours.
fn read_metadata(metadata: Metadata, inventory: &mut Inventory) -> Vec<Property> {
    inventory.created = metadata.timestamp.as_deref().and_then(fields::seconds);
    let tools = match metadata.tools {
        Some(Tools::Object { components } | Tools::List(components)) => components,
        None => Vec::new(),
    };
    for tool in tools.into_iter().filter(|t| !t.name.is_empty()) {
        inventory.creators.push(Creator::Tool { name: tool.name, version: tool.version });
    }
    if let Some(Party { name, contact }) = metadata.manufacturer.and_then(organization) {
        inventory.creators.push(Creator::Organization { name, contact });
    }
    for Party { name, contact } in metadata.authors.into_iter().flatten().filter_map(person) {
        inventory.creators.push(Creator::Person { name, contact });
    }
    if let Some(component) = metadata.component {
        subject(*component, inventory);
    }
    metadata.properties.into_iter().flatten().filter(|p| p.name == GAP || p.name == DOCUMENT).collect()
}

fn subject(component: Component, inventory: &mut Inventory) {
    let subject = &mut inventory.subject;
    subject.name.clone_from(&component.name);
    let of_purl = [component.purl.as_deref(), component.bom_ref.as_deref()]
        .into_iter()
        .flatten()
        .find_map(fields::image_purl);
    if !matches!(component.kind.as_str(), "container" | "file") && of_purl.is_none() {
        return;
    }
    let hash = component.hashes.iter().flatten().find(|h| h.alg == "SHA-256");
    // What the document says about this very manifest comes first; the others may name an index.
    subject.digest = hash
        .and_then(|h| fields::sha256_digest(&format!("sha256:{}", h.content.to_ascii_lowercase())))
        .or_else(|| of_purl.as_ref().and_then(|p| p.version.as_deref()).and_then(fields::sha256_digest))
        .or_else(|| component.version.as_deref().and_then(fields::sha256_digest))
        .or_else(|| {
            component.properties.iter().flatten().find_map(|p| {
                let value = p.value.as_deref().filter(|_| p.name == "aquasecurity:trivy:RepoDigest")?;
                fields::sha256_digest(value.rsplit_once('@')?.1)
            })
        });
    subject.tag = of_purl.and_then(|p| p.qualifiers.get("tag").cloned());
    subject.supplier = component.supplier.and_then(organization).map(|p| p.text());
}

fn organization(organization: Organization) -> Option<Party> {
    let name = organization.name.filter(|n| !n.trim().is_empty())?;
    let contact = organization.contact.into_iter().flatten().find_map(|c| c.email);
    Some(Party { name, contact })
}

fn person(contact: Contact) -> Option<Party> {
    let Contact { name, email } = contact;
    match name.filter(|n| !n.trim().is_empty()) {
        Some(name) => Some(Party { name, contact: email }),
        None => email.map(|name| Party { name, contact: None }),
    }
}

/// A component of the document in the model's form, with what we carried beside it.
pub(super) fn found(raw: Component) -> Found {
    let (mut found, extra) = native(raw);
    match extra.as_deref().map(serde_json::from_str::<PackageExtra>) {
        Some(Ok(extra)) => extra.apply_to(&mut found.package),
        Some(Err(_)) => {
            found.package.properties.insert("cyclonedx:extra".to_owned(), extra.unwrap_or_default());
        }
        None => {}
    }
    found
}

/// The component as its own fields say, and our extra beside it.
pub(super) fn native(raw: Component) -> (Found, Option<String>) {
    let name = match raw.group.filter(|g| !g.is_empty()) {
        Some(group) if raw.purl.is_none() => format!("{group}/{}", raw.name),
        _ => raw.name,
    };
    let mut package = Package::new(Ecosystem::Generic, name, raw.version.filter(|v| !v.is_empty()));
    package.purl = raw.purl.map(|p| purl::canonical(&p).unwrap_or(p));
    fields::fill_from_purl(&mut package);
    package.cpes = raw.cpe.into_iter().collect();
    package.supplier = raw.supplier.and_then(organization).map(|p| p.text());
    package.originator = raw
        .authors
        .into_iter()
        .flatten()
        .find_map(person)
        .map(|p| p.text())
        .or(raw.author.filter(|a| !a.is_empty()))
        .or(raw.publisher.filter(|p| !p.is_empty() && package.supplier.is_none()));
    package.copyright = raw.copyright.filter(|c| !c.is_empty());
    package.description = raw.description.filter(|d| !d.is_empty());
    for reference in raw.external_references.into_iter().flatten() {
        let slot = match reference.kind.as_str() {
            "website" => &mut package.homepage,
            "distribution" => &mut package.download,
            _ => continue,
        };
        slot.get_or_insert(reference.url);
    }
    package.checksums = raw
        .hashes
        .into_iter()
        .flatten()
        .map(|h| Checksum { algorithm: from_alg(&h.alg), hex: h.content.to_ascii_lowercase() })
        .collect();
    package.license = read_licenses(raw.licenses.unwrap_or_default(), package.ecosystem);
    package.evidence = raw
        .evidence
        .and_then(|e| e.occurrences)
        .into_iter()
        .flatten()
        .map(|o| Evidence {
            path: o.location,
            layer: o.additional_context.as_deref().and_then(fields::sha256_digest),
        })
        .collect();
    let (mut extra, mut contains) = (None, Vec::new());
    for Property { name, value } in raw.properties.into_iter().flatten() {
        let value = value.unwrap_or_default();
        match name.as_str() {
            EXTRA => extra = Some(value),
            CONTAINS => contains.push(value),
            LAYER => package.layer = Some(value),
            CHECKSUM => {
                if let Some((algorithm, hex)) = value.split_once(':') {
                    package.checksums.push(Checksum { algorithm: algorithm.to_owned(), hex: hex.to_owned() });
                }
            }
            _ => others(&mut package, name, value),
        }
    }
    package.evidence.sort();
    package.evidence.dedup();
    package.checksums.sort();
    package.checksums.dedup();
    (Found { bom_ref: raw.bom_ref, kind: raw.kind, contains, package }, extra)
}

/// Properties of other tools: kept, and understood where they say what the model has a field for.
fn others(package: &mut Package, name: String, value: String) {
    match name.as_str() {
        "aquasecurity:trivy:LayerDigest" => package.layer = fields::sha256_digest(&value),
        "syft:package:foundBy" => package.found_by = Some(value.clone()),
        n if n.starts_with("syft:location:") && n.ends_with(":path") => {
            package.evidence.push(Evidence { path: value.clone(), layer: None });
        }
        _ => {}
    }
    let slot = package.properties.entry(name).or_default();
    if !slot.is_empty() {
        slot.push('\n');
    }
    slot.push_str(&value);
}

fn read_licenses(choices: Vec<model::LicenseChoice>, ecosystem: Ecosystem) -> License {
    let (mut declared, mut concluded) = (Vec::new(), Vec::new());
    for choice in choices {
        let mut acknowledgement = choice.acknowledgement;
        let mut text = choice.expression;
        if let Some(named) = choice.license {
            acknowledgement = acknowledgement.or(named.acknowledgement);
            text = text.or(named.id).or(named.name);
        }
        if let Some(text) = text.filter(|t| !t.trim().is_empty()) {
            let list =
                if acknowledgement.as_deref() == Some("concluded") { &mut concluded } else { &mut declared };
            list.push(text);
        }
    }
    // One value that is valid is the expression itself, letter by letter; the rest goes through the table.
    let expression = |list: &[String]| match list {
        [one] if license::is_valid(one) => Some(one.clone()),
        list => license::normalize(list, ecosystem).expression,
    };
    License { expression: expression(&declared), concluded: expression(&concluded), declared }
}

/// CycloneDX's name of a hash algorithm, as SPDX has it.
pub(super) fn from_alg(alg: &str) -> String {
    match alg {
        "SHA-1" | "SHA-256" | "SHA-384" | "SHA-512" => alg.replacen('-', "", 1),
        other => other.to_owned(),
    }
}
