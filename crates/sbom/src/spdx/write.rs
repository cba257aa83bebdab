//! From an [`Inventory`] to SPDX 2.3 JSON that `pyspdxtools` accepts.

use super::model::{
    Annotation, Checksum, CreationInfo, DOCUMENT, ExternalRef, Extracted, NOASSERTION, Package as Raw,
    Relationship as RawRelationship, VerificationCode, Written,
};
use super::{CONTEXT, DOCUMENT_MARK, GAP_MARK, IMAGE, OS, PACKAGE_MARK, PACKAGE_PREFIX, files, read};
use crate::fields::{self, DocumentExtra, PackageExtra, Party};
use crate::inventory::{Creator, Inventory, OsRelease, Package, RelationshipKind};
use crate::{ErrorKind, Layout, Result, WriteOptions, json, license, purl};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::sync::Arc;

const TRIED: &str = "write the SPDX document";

/// Writes an inventory as SPDX 2.3 JSON. The same inventory gives the same bytes, whatever its order.
///
/// # Errors
/// [`ErrorKind::Io`] when `out` fails.
pub fn write(inventory: &Inventory, options: &WriteOptions, out: impl Write) -> Result<()> {
    json::emit(TRIED, &complete(inventory, options.layout)?, options.layout, out)
}

/// The document with its namespace, which is made of the rest of it, to be laid out so.
pub(super) fn complete(inventory: &Inventory, layout: Layout) -> Result<Written> {
    let mut inventory = inventory.clone();
    inventory.normalize();
    let mut document = document(&inventory, layout)?;
    let files = std::mem::take(&mut document.files.0);
    document.relationships.files = Arc::default();
    let hash = hex::encode(json::content_hash(TRIED, &document, &files.files)?);
    document.document_namespace = format!("https://seaworthy.dev/spdx/{hash}");
    document.relationships.files = Arc::clone(&files);
    document.files.0 = files;
    Ok(document)
}

fn document(inventory: &Inventory, layout: Layout) -> Result<Written> {
    let created = fields::rfc3339(inventory.created.unwrap_or_default());
    let mut creators: Vec<String> = inventory.creators.iter().map(creator).collect();
    if creators.is_empty() {
        creators.push("Tool: seaworthy".to_owned());
    }
    let creation_info = CreationInfo {
        license_list_version: license_list_version(),
        creators,
        created: Some(created),
        comment: Some(CONTEXT.to_owned()),
    };

    let mut ids = HashMap::with_capacity(inventory.packages.len());
    let mut used = read::Ids::default();
    for package in &inventory.packages {
        let id = used.unique(&spdx_id(&package.id));
        ids.insert(package.id.as_str(), format!("{PACKAGE_PREFIX}{id}"));
    }

    let codes = files::codes(inventory);
    let mut packages = vec![image(inventory)];
    packages.extend(inventory.os.as_ref().map(operating_system));
    let mut relationships = vec![relation(DOCUMENT, "DESCRIBES", IMAGE)];
    if inventory.os.is_some() {
        relationships.push(relation(IMAGE, "CONTAINS", OS));
    }
    let mut extracted = BTreeMap::new();
    for package in &inventory.packages {
        let Some(id) = ids.get(package.id.as_str()) else { continue };
        relationships.push(relation(IMAGE, "CONTAINS", id));
        extract(package, &mut extracted);
        let mut raw = with_extra(package, id, inventory)?;
        raw.package_verification_code =
            codes.get(package.id.as_str()).map(|code| VerificationCode { value: code.clone() });
        raw.files_analyzed = Some(raw.package_verification_code.is_some());
        packages.push(raw);
    }
    for r in &inventory.relationships {
        let kind = match r.kind {
            RelationshipKind::DependsOn => "DEPENDS_ON",
            RelationshipKind::Contains => "CONTAINS",
        };
        if let (Some(from), Some(to)) = (ids.get(r.from.as_str()), ids.get(r.to.as_str())) {
            relationships.push(relation(from, kind, to));
        }
    }

    let mut annotations = Vec::new();
    if let Some(extra) =
        DocumentExtra::between(inventory, &native_document(inventory, &creation_info, &packages))
    {
        annotations.push(annotation(inventory, DOCUMENT_MARK, &extra)?);
    }
    for gap in &inventory.gaps {
        annotations.push(annotation(inventory, GAP_MARK, gap)?);
    }
    let comment = match inventory.gaps.len() {
        0 => None,
        n => Some(format!(
            "Known gaps: {n}. Each is an annotation of this document that begins with \"{GAP_MARK}\"."
        )),
    };
    let names = ids.iter().map(|(id, name)| ((*id).to_owned(), name.clone())).collect();
    let related = codes.keys().map(|id| (*id).to_owned()).collect();
    let writer = Arc::new(crate::files::Writer::new(inventory, names, related, layout));
    let extracted = extracted.into_iter().map(|(id, mut texts): (String, BTreeSet<String>)| {
        if texts.is_empty() {
            texts.insert(format!("The text of {id} is not known here."));
        }
        let text = texts.into_iter().collect::<Vec<_>>().join("\n");
        let name = text.lines().next().unwrap_or_default().chars().take(80).collect();
        Extracted { license_id: id, extracted_text: text, name }
    });
    Ok(Written {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: DOCUMENT,
        name: image_name(inventory),
        document_namespace: String::new(),
        comment,
        creation_info,
        packages,
        files: files::List(Arc::clone(&writer)),
        has_extracted_licensing_infos: extracted.collect(),
        relationships: files::Edges { between_packages: relationships, files: writer },
        annotations,
    })
}

/// What the document would say without our annotation.
fn native_document(inventory: &Inventory, info: &CreationInfo, packages: &[Raw]) -> Inventory {
    let mut native = Inventory {
        created: info.created.as_deref().and_then(fields::seconds),
        creators: info.creators.iter().filter_map(|c| read::creator(c)).collect(),
        os: inventory.os.as_ref().map(|os| OsRelease {
            id: os.id.clone(),
            version_id: os.version_id.clone(),
            ..OsRelease::default()
        }),
        ..Inventory::default()
    };
    native.creators.sort();
    native.creators.dedup();
    native.subject.name =
        packages.first().map(|p| p.name.clone()).filter(|name| name != NOASSERTION).unwrap_or_default();
    // The purl of the image carries the tag if it carries anything.
    let has_purl = packages.first().is_some_and(|p| p.external_refs.is_some());
    native.subject.tag = inventory.subject.tag.clone().filter(|t| has_purl && !t.is_empty());
    native
}

/// The SPDX list's version as `major.minor`, which is the form that the specification wants.
fn license_list_version() -> Option<String> {
    let mut parts = spdx::license_version().split('.');
    Some(format!("{}.{}", parts.next()?, parts.next()?))
}

fn relation(from: &str, kind: &str, to: &str) -> RawRelationship {
    RawRelationship {
        spdx_element_id: from.to_owned(),
        relationship_type: kind.to_owned(),
        related_spdx_element: to.to_owned(),
        comment: None,
    }
}

fn annotation(inventory: &Inventory, mark: &str, value: &impl serde::Serialize) -> Result<Annotation> {
    let json =
        serde_json::to_string(value).map_err(|e| crate::Error::new(TRIED, ErrorKind::Io(e.to_string())))?;
    Ok(Annotation {
        annotation_date: fields::rfc3339(inventory.created.unwrap_or_default()),
        annotation_type: "OTHER".to_owned(),
        annotator: "Tool: seaworthy".to_owned(),
        comment: format!("{mark}{json}"),
    })
}

/// An id that SPDX takes; other text, other id: a hash is added where the text had to be changed.
fn spdx_id(id: &str) -> String {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if !id.is_empty() && id.chars().all(legal) {
        return id.to_owned();
    }
    let clean: String = id.chars().take(60).map(|c| if legal(c) { c } else { '-' }).collect();
    let hash = hex::encode(Sha256::digest(id.as_bytes()));
    format!("{}-{}", clean.trim_matches('-'), hash.get(..16).unwrap_or_default())
}

fn or_noassertion(text: Option<String>) -> Option<String> {
    Some(text.unwrap_or_else(|| NOASSERTION.to_owned()))
}

fn image_name(inventory: &Inventory) -> String {
    let name = inventory.subject.name.trim();
    if name.is_empty() { NOASSERTION.to_owned() } else { inventory.subject.name.clone() }
}

fn image(inventory: &Inventory) -> Raw {
    let subject = &inventory.subject;
    let digest = subject.digest.as_deref().and_then(fields::sha256_digest);
    let arch = subject.platform.as_deref().and_then(|p| p.split('/').nth(1));
    let purl = digest
        .as_deref()
        .filter(|_| subject.is_image())
        .and_then(|d| purl::oci(&subject.name, Some(d), subject.tag.as_deref(), arch));
    let checksum = digest.as_deref().and_then(|d| d.strip_prefix("sha256:"));
    Raw {
        name: image_name(inventory),
        id: IMAGE.to_owned(),
        version_info: digest.clone(),
        primary_package_purpose: Some(if subject.is_image() { "CONTAINER" } else { "FILE" }.to_owned()),
        supplier: or_noassertion(subject.supplier.as_deref().and_then(organization)),
        download_location: Some(NOASSERTION.to_owned()),
        files_analyzed: Some(false),
        checksums: checksum
            .map(|hex| vec![Checksum { algorithm: "SHA256".to_owned(), checksum_value: hex.to_owned() }]),
        license_concluded: Some(NOASSERTION.to_owned()),
        license_declared: Some(NOASSERTION.to_owned()),
        copyright_text: Some(NOASSERTION.to_owned()),
        external_refs: purl.map(|p| vec![external("PACKAGE-MANAGER", "purl", p)]),
        ..Raw::default()
    }
}

fn operating_system(os: &OsRelease) -> Raw {
    Raw {
        name: if os.id.is_empty() { NOASSERTION.to_owned() } else { os.id.clone() },
        id: OS.to_owned(),
        version_info: os.version_id.clone(),
        primary_package_purpose: Some("OPERATING_SYSTEM".to_owned()),
        supplier: or_noassertion(os.vendor.as_deref().and_then(organization)),
        download_location: Some(NOASSERTION.to_owned()),
        files_analyzed: Some(false),
        license_concluded: Some(NOASSERTION.to_owned()),
        license_declared: Some(NOASSERTION.to_owned()),
        copyright_text: Some(NOASSERTION.to_owned()),
        summary: os.pretty_name.clone(),
        ..Raw::default()
    }
}

fn external(category: &str, kind: &str, locator: String) -> ExternalRef {
    ExternalRef {
        reference_category: category.to_owned(),
        reference_type: kind.to_owned(),
        reference_locator: locator,
    }
}

fn with_extra(package: &Package, id: &str, inventory: &Inventory) -> Result<Raw> {
    let read_back = read::native(raw(package, id)).package;
    let mut raw = raw(package, id);
    if let Some(extra) = PackageExtra::between(package, &read_back) {
        raw.annotations = Some(vec![annotation(inventory, PACKAGE_MARK, &extra)?]);
    }
    Ok(raw)
}

fn raw(package: &Package, id: &str) -> Raw {
    let mut refs: Vec<ExternalRef> = Vec::new();
    refs.extend(package.purl.clone().map(|p| external("PACKAGE-MANAGER", "purl", p)));
    let cpes = package.cpes.iter().filter(|c| fields::is_cpe23(c));
    refs.extend(cpes.map(|c| external("SECURITY", "cpe23Type", c.clone())));
    let checksums: Vec<Checksum> = package
        .checksums
        .iter()
        .filter(|c| fields::hex_length(&c.algorithm) == Some(c.hex.len()))
        .map(|c| Checksum { algorithm: c.algorithm.clone(), checksum_value: c.hex.clone() })
        .collect();
    let valid = |expression: &Option<String>| expression.clone().filter(|e| license::is_valid(e));
    Raw {
        name: package.name.clone(),
        id: id.to_owned(),
        version_info: package.version.clone(),
        primary_package_purpose: None,
        // NTIA's supplier is who "creates, defines, and identifies" a component: its author, where nobody
        // else is named.
        supplier: or_noassertion(
            package.supplier.as_deref().or(package.originator.as_deref()).and_then(party),
        ),
        originator: package.originator.as_deref().and_then(party),
        download_location: or_noassertion(package.download.clone().filter(|u| fields::is_url(u))),
        files_analyzed: Some(false),
        package_verification_code: None,
        has_files: None,
        checksums: (!checksums.is_empty()).then_some(checksums),
        homepage: package.homepage.clone().filter(|u| fields::is_url(u)),
        source_info: source_info(package),
        license_concluded: or_noassertion(valid(&package.license.concluded)),
        license_declared: or_noassertion(valid(&package.license.expression)),
        copyright_text: or_noassertion(package.copyright.clone().filter(|c| !c.is_empty())),
        summary: package.description.clone().filter(|d| !d.is_empty()),
        description: None,
        external_refs: (!refs.is_empty()).then_some(refs),
        attribution_texts: None,
        annotations: None,
    }
}

/// For people; what we read back stands in the annotation where it is more than this.
fn source_info(package: &Package) -> Option<String> {
    let paths: BTreeSet<&str> = package.evidence.iter().map(|e| e.path.as_str()).collect();
    let paths = paths.into_iter().collect::<Vec<_>>().join(", ");
    match (&package.found_by, paths.is_empty()) {
        (None, true) => None,
        (Some(found_by), true) => Some(format!("found by {found_by}")),
        (Some(found_by), false) => Some(format!("found by {found_by}: {paths}")),
        (None, false) => Some(format!("found in: {paths}")),
    }
}

/// `Organization: Name (contact)` or `Person: Name (contact)`.
fn party(text: &str) -> Option<String> {
    let kind = if Party::parse(text).is_group() { "Organization" } else { "Person" };
    named(kind, text)
}

fn organization(text: &str) -> Option<String> {
    named("Organization", text)
}

fn named(kind: &str, text: &str) -> Option<String> {
    let party = Party::parse(text);
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    // Parentheses at the end are SPDX's form of a contact: others become brackets.
    let bracket = |c| match c {
        '(' => '[',
        ')' => ']',
        c => c,
    };
    let name: String = party.name.chars().map(blank).map(bracket).collect();
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    Some(match party.email() {
        Some(email) => format!("{kind}: {name} ({email})"),
        None => format!("{kind}: {name}"),
    })
}

fn creator(creator: &Creator) -> String {
    let clean = |name: &str| -> String {
        let name: String = name.chars().filter(|c| !c.is_control() && !matches!(c, '(' | ')')).collect();
        if name.trim().is_empty() { NOASSERTION.to_owned() } else { name.trim().to_owned() }
    };
    let with = |name: &str, contact: &Option<String>| match contact.as_deref().filter(|c| fields::is_email(c))
    {
        Some(email) => format!("{} ({email})", clean(name)),
        None => clean(name),
    };
    match creator {
        Creator::Tool { name, version: Some(version) } => format!("Tool: {}-{}", clean(name), clean(version)),
        Creator::Tool { name, version: None } => format!("Tool: {}", clean(name)),
        Creator::Organization { name, contact } => format!("Organization: {}", with(name, contact)),
        Creator::Person { name, contact } => format!("Person: {}", with(name, contact)),
    }
}

/// Every `LicenseRef-` of the package's expressions, with the texts that it stands for.
fn extract(package: &Package, out: &mut BTreeMap<String, BTreeSet<String>>) {
    let mut known = None;
    for expression in [&package.license.expression, &package.license.concluded].into_iter().flatten() {
        if !expression.contains("LicenseRef-") || !license::is_valid(expression) {
            continue;
        }
        let known =
            known.get_or_insert_with(|| license::references(&package.license.declared, package.ecosystem));
        for id in license::reference_ids(expression) {
            let texts: Vec<&String> = known.iter().filter(|(k, _)| *k == id).map(|(_, text)| text).collect();
            let entry = out.entry(id).or_default();
            entry.extend(texts.into_iter().cloned());
        }
    }
}
