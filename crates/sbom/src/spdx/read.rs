//! From SPDX 2.2 or 2.3 JSON, ours or anybody's, to an [`Inventory`].

use super::model::{
    Annotation, DOCUMENT, Found, NOASSERTION, Package as Raw, Read, Relationship as RawRelationship,
};
use super::{DOCUMENT_MARK, GAP_MARK, PACKAGE_MARK, PACKAGE_PREFIX, files};
use crate::fields::{self, DocumentExtra, PackageExtra, Party};
use crate::inventory::{
    Checksum, Creator, Ecosystem, Evidence, Gap, Inventory, OsRelease, Package, Relationship,
    RelationshipKind,
};
use crate::{Error, ErrorKind, Result, json, license, purl};
use std::collections::{HashMap, HashSet};

pub(super) const TRIED: &str = "read the SPDX document";

/// What an image's package says about the image.
#[derive(Debug, Default)]
pub(super) struct ImageFacts {
    digest: Option<String>,
    tag: Option<String>,
    name: Option<String>,
}

/// Reads an SPDX 2.2 or 2.3 JSON document.
///
/// # Errors
/// [`ErrorKind::Malformed`] for bytes that are no such document, [`ErrorKind::Unsupported`] for another
/// SPDX version, [`ErrorKind::LimitExceeded`]. A licence expression that is invalid is no error: it is kept
/// as declared text, and normalised where that is possible.
pub fn read(bytes: &[u8]) -> Result<Inventory> {
    json::guard(TRIED, bytes)?;
    let document: Read = json::parse(TRIED, bytes)?;
    supported(&document.spdx_version)?;
    inventory(document)
}

/// Refuses versions other than 2.2 and 2.3.
pub(super) fn supported(version: &str) -> Result<()> {
    if matches!(version, "SPDX-2.2" | "SPDX-2.3") {
        return Ok(());
    }
    let shown: String = version.chars().take(40).collect();
    Err(Error::new(TRIED, ErrorKind::Unsupported(format!("the version is '{}'", shown.escape_debug())))
        .hint("SPDX 2.2 and 2.3 can be read"))
}

/// The document in the model's form. Its version has been checked.
pub(super) fn inventory(document: Read) -> Result<Inventory> {
    let described: HashSet<&str> = document
        .document_describes
        .iter()
        .flatten()
        .map(String::as_str)
        .chain(document.relationships.0.iter().filter_map(|r| {
            match (r.relationship_type.as_str(), r.spdx_element_id.as_str(), r.related_spdx_element.as_str())
            {
                ("DESCRIBES", DOCUMENT, what) | ("DESCRIBED_BY", what, DOCUMENT) => Some(what),
                _ => None,
            }
        }))
        .collect();

    let mut inventory = Inventory::default();
    if let Some(info) = &document.creation_info {
        inventory.created = info.created.as_deref().and_then(fields::seconds);
        inventory.creators = info.creators.iter().filter_map(|c| creator(c)).collect();
    }
    inventory.subject.name = document.name.filter(|n| n != NOASSERTION).unwrap_or_default();

    let only_root = described.len() == 1;
    let mut ids: HashMap<String, String> = HashMap::with_capacity(document.packages.0.len());
    let mut used = Ids::default();
    let mut roots = 0;
    let mut files = document.files.0;
    let mut codes = HashMap::new();
    for mut found in document.packages.0 {
        for file in std::mem::take(&mut found.files) {
            files.owned(&found.id, &file);
        }
        if let Some(code) = found.verification_code.take() {
            codes.insert(found.id.clone(), code);
        }
        let purpose = found.purpose.as_deref().unwrap_or_default();
        let container =
            purpose == "CONTAINER" || found.image.is_some() || found.id.starts_with("SPDXRef-DocumentRoot-");
        if described.contains(found.id.as_str()) && only_root {
            if !found.package.name.is_empty() && found.package.name != NOASSERTION {
                inventory.subject.name.clone_from(&found.package.name);
            }
            if container || matches!(purpose, "FILE" | "ARCHIVE") {
                roots += 1;
                subject(&mut inventory, &found);
                continue;
            }
        } else if described.contains(found.id.as_str()) && container {
            // Two images in one document: it is not about one of them.
            roots += 1;
            continue;
        }
        if matches!(purpose, "OPERATING-SYSTEM" | "OPERATING_SYSTEM") && inventory.os.is_none() {
            inventory.os = Some(OsRelease {
                id: found.package.name,
                version_id: found.package.version,
                ..OsRelease::default()
            });
            continue;
        }
        let mut package = found.package;
        let id = found.id.strip_prefix(PACKAGE_PREFIX).or_else(|| found.id.strip_prefix("SPDXRef-"));
        package.id = used.unique(id.unwrap_or(&found.id));
        ids.entry(found.id).or_insert_with(|| package.id.clone());
        inventory.packages.push(package);
    }
    if roots > 1 {
        inventory.subject.digest = None;
    }

    inventory.relationships = document
        .relationships
        .0
        .iter()
        .filter(|r| !files::owned(r, &mut files))
        .filter_map(|r| relationship(r, &ids))
        .collect();
    for annotation in document.annotations.into_iter().flatten() {
        if let Some(text) = annotation.comment.strip_prefix(GAP_MARK) {
            inventory.gaps.push(ours::<Gap>(text)?);
        } else if let Some(text) = annotation.comment.strip_prefix(DOCUMENT_MARK) {
            ours::<DocumentExtra>(text)?.apply(&mut inventory);
        }
    }
    inventory.files = files.finish(&inventory.layers, |id| ids.get(id).cloned());
    files::keep_codes(&mut inventory, codes, &ids);
    inventory.normalize();
    Ok(inventory)
}

/// Gives out ids of which no two are the same: a document that uses one twice must not hide the second.
///
/// It remembers where it stopped counting for each id, since a hostile document uses one 200,000 times.
#[derive(Default)]
pub(crate) struct Ids(HashMap<String, usize>);

impl Ids {
    /// Ids of which these are taken.
    pub(crate) fn without(taken: &[&str]) -> Self {
        Self(taken.iter().map(|id| ((*id).to_owned(), 1)).collect())
    }

    /// `id`, or `id` with a number.
    pub(crate) fn unique(&mut self, id: &str) -> String {
        let Some(&last) = self.0.get(id) else {
            self.0.insert(id.to_owned(), 1);
            return id.to_owned();
        };
        let mut n = last + 1;
        let mut candidate = format!("{id}-{n}");
        while self.0.contains_key(&candidate) {
            n += 1;
            candidate = format!("{id}-{n}");
        }
        self.0.insert(id.to_owned(), n);
        self.0.insert(candidate.clone(), 1);
        candidate
    }
}

/// Reads an annotation of ours. One that carries our mark and is not ours to read is refused: silently
/// dropping it could drop a gap.
fn ours<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| Error::new(TRIED, ErrorKind::Malformed(format!("a seaworthy annotation: {e}"))))
}

fn subject(inventory: &mut Inventory, found: &Found) {
    let subject = &mut inventory.subject;
    let checksum = found.package.checksums.iter().find(|c| c.algorithm == "SHA256");
    let image = found.image.as_ref();
    // What the document says about this very manifest comes first. A purl or a version may name the index
    // that it was found through, as some tools do.
    subject.digest = checksum
        .and_then(|c| fields::sha256_digest(&format!("sha256:{}", c.hex)))
        .filter(|_| image.is_some() || matches!(found.purpose.as_deref(), Some("CONTAINER" | "FILE")))
        .or_else(|| image.and_then(|i| i.digest.clone()))
        .or_else(|| {
            let container = image.is_some() || found.purpose.as_deref() == Some("CONTAINER");
            found.raw_version.as_deref().filter(|_| container).and_then(fields::sha256_digest)
        });
    subject.tag = image.and_then(|i| i.tag.clone());
    subject.supplier.clone_from(&found.package.supplier);
    if subject.name.is_empty()
        && let Some(name) = image.and_then(|i| i.name.clone())
    {
        subject.name = name;
    }
}

/// A package of the document in the model's form; the parts of it that are ours alone are in annotations.
pub(super) fn found(mut raw: Raw) -> Found {
    let annotations = raw.annotations.take().unwrap_or_default();
    let mut found = native(raw);
    for Annotation { comment, .. } in annotations {
        if let Some(text) = comment.strip_prefix(PACKAGE_MARK) {
            match serde_json::from_str::<PackageExtra>(text) {
                Ok(extra) => extra.apply_to(&mut found.package),
                Err(_) => {
                    found.package.properties.insert("spdx:annotation".to_owned(), comment);
                }
            }
        } else if let Some(digest) = comment.strip_prefix("LayerDigest: ") {
            found.package.layer = fields::sha256_digest(digest.trim());
        }
    }
    found
}

fn known(text: Option<String>) -> Option<String> {
    text.filter(|t| !matches!(t.trim(), "" | NOASSERTION | "NONE"))
}

pub(super) fn native(raw: Raw) -> Found {
    let mut package =
        Package::new(Ecosystem::Generic, raw.name, raw.version_info.clone().filter(|v| !v.is_empty()));
    let mut image = None;
    let mut others = Vec::new();
    for reference in raw.external_refs.into_iter().flatten() {
        match reference.reference_type.as_str() {
            "purl" => {
                if let Some(purl) = fields::image_purl(&reference.reference_locator) {
                    image.get_or_insert_with(|| ImageFacts {
                        digest: purl.version.as_deref().and_then(fields::sha256_digest),
                        tag: purl.qualifiers.get("tag").cloned(),
                        name: purl.qualifiers.get("repository_url").cloned(),
                    });
                }
                if package.purl.is_none() {
                    package.purl = Some(
                        purl::canonical(&reference.reference_locator).unwrap_or(reference.reference_locator),
                    );
                } else {
                    others.push(reference.reference_locator);
                }
            }
            "cpe23Type" | "http://spdx.org/rdf/references/cpe23Type" => {
                package.cpes.push(reference.reference_locator)
            }
            _ => {}
        }
    }
    package.cpes.sort();
    package.cpes.dedup();
    fields::fill_from_purl(&mut package);
    if !others.is_empty() {
        package.properties.insert("spdx:other-purls".to_owned(), others.join(" "));
    }

    package.supplier = known(raw.supplier).map(|s| party(&s));
    package.originator = known(raw.originator).map(|s| party(&s));
    package.copyright = known(raw.copyright_text);
    package.homepage = known(raw.homepage);
    package.download = known(raw.download_location);
    package.description = known(raw.summary)
        .or_else(|| known(raw.description).and_then(|d| d.lines().next().map(str::to_owned)));
    package.checksums = raw
        .checksums
        .into_iter()
        .flatten()
        .map(|c| Checksum { algorithm: c.algorithm, hex: c.checksum_value.to_ascii_lowercase() })
        .collect();
    package.checksums.sort();
    package.checksums.dedup();
    if let Some(text) = known(raw.license_declared) {
        package.license = if license::is_valid(&text) {
            crate::inventory::License {
                expression: Some(text.clone()),
                declared: vec![text],
                concluded: None,
            }
        } else {
            let mut license = license::normalize(std::slice::from_ref(&text), package.ecosystem);
            license.declared = vec![text];
            license
        };
    }
    if let Some(text) = known(raw.license_concluded) {
        if license::is_valid(&text) {
            package.license.concluded = Some(text);
        } else {
            package.properties.insert("spdx:license-concluded".to_owned(), text);
        }
    }
    if let Some(info) = raw.source_info {
        let (head, paths) = info.split_once(": ").unwrap_or((&info, ""));
        package.found_by = head.strip_prefix("found by ").map(str::to_owned);
        package.evidence = paths
            .split(", ")
            .filter(|p| p.starts_with('/'))
            .map(|p| Evidence { path: p.trim().to_owned(), layer: None })
            .collect();
        package.evidence.sort();
        package.evidence.dedup();
    }
    for text in raw.attribution_texts.into_iter().flatten() {
        if let Some(digest) = text.strip_prefix("LayerDigest: ") {
            package.layer = fields::sha256_digest(digest.trim());
        } else if let Some((_, digest)) = text.strip_prefix("RepoDigest: ").and_then(|d| d.split_once('@'))
            && let Some(digest) = fields::sha256_digest(digest.trim())
        {
            let image = image.get_or_insert_with(ImageFacts::default);
            image.digest.get_or_insert(digest);
        }
    }
    Found {
        id: raw.id,
        purpose: raw.primary_package_purpose,
        raw_version: raw.version_info,
        image,
        files: raw.has_files.unwrap_or_default(),
        verification_code: raw.package_verification_code.map(|c| c.value).filter(|c| !c.is_empty()),
        package,
    }
}

/// `Organization: Name (contact)` to `Name <contact>` (SPDX 2.3, section 7.5).
fn party(text: &str) -> String {
    let (_, rest) = split_kind(text);
    let (name, contact) = split_contact(rest);
    Party { name: name.to_owned(), contact: contact.map(str::to_owned) }.text()
}

fn split_kind(text: &str) -> (&str, &str) {
    for kind in ["Organization", "Person", "Tool"] {
        if let Some(rest) = text.strip_prefix(kind).and_then(|r| r.strip_prefix(':')) {
            return (kind, rest.trim());
        }
    }
    ("", text.trim())
}

fn split_contact(text: &str) -> (&str, Option<&str>) {
    match text.strip_suffix(')').and_then(|t| t.rsplit_once('(')) {
        Some((name, contact)) if !name.trim().is_empty() => {
            (name.trim(), Some(contact.trim()).filter(|c| !c.is_empty()))
        }
        _ => (text, None),
    }
}

pub(super) fn creator(text: &str) -> Option<Creator> {
    let (kind, rest) = split_kind(text);
    if rest.is_empty() || rest == NOASSERTION {
        return None;
    }
    let (name, contact) = split_contact(rest);
    let (name, contact) = (name.to_owned(), contact.map(str::to_owned));
    match kind {
        "Tool" => Some(match rest.rsplit_once('-') {
            Some((name, version))
                if !name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit() || c == 'v') =>
            {
                Creator::Tool { name: name.to_owned(), version: Some(version.to_owned()) }
            }
            _ => Creator::Tool { name: rest.to_owned(), version: None },
        }),
        "Organization" => Some(Creator::Organization { name, contact }),
        "Person" => Some(Creator::Person { name, contact }),
        _ => None,
    }
}

/// Whether a relationship says something that the model holds.
pub(super) fn matters(relationship: &RawRelationship) -> bool {
    kind(relationship).is_some()
        || matches!(relationship.relationship_type.as_str(), "DESCRIBES" | "DESCRIBED_BY")
}

/// What it says, and whether it says it the other way round.
fn kind(relationship: &RawRelationship) -> Option<(RelationshipKind, Direction)> {
    use Direction::{Forward, Reverse};
    Some(match relationship.relationship_type.as_str() {
        "DEPENDS_ON" => (RelationshipKind::DependsOn, Forward),
        "DEPENDENCY_OF" | "RUNTIME_DEPENDENCY_OF" => (RelationshipKind::DependsOn, Reverse),
        "CONTAINS" => (RelationshipKind::Contains, Forward),
        "CONTAINED_BY" => (RelationshipKind::Contains, Reverse),
        // syft's way to say that one package's files are another's.
        "OTHER"
            if relationship
                .comment
                .as_deref()
                .is_some_and(|c| c.starts_with("ownership-by-file-overlap")) =>
        {
            (RelationshipKind::Contains, Forward)
        }
        _ => return None,
    })
}

enum Direction {
    Forward,
    Reverse,
}

fn relationship(raw: &RawRelationship, ids: &HashMap<String, String>) -> Option<Relationship> {
    let (kind, direction) = kind(raw)?;
    let (left, right) = (ids.get(&raw.spdx_element_id)?.clone(), ids.get(&raw.related_spdx_element)?.clone());
    Some(match direction {
        Direction::Forward => Relationship { from: left, kind, to: right },
        Direction::Reverse => Relationship { from: right, kind, to: left },
    })
}
