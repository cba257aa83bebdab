//! From SPDX 3.0 JSON-LD, ours or anybody's, to an [`Inventory`].

use super::CONTEXT;
use super::write::NOASSERTION;
use crate::fields::{self, DocumentExtra, PackageExtra, Party};
use crate::inventory::{
    Checksum, Creator, Ecosystem, Gap, Inventory, License, OsRelease, Package, Relationship, RelationshipKind,
};
use crate::losses::Losses;
use crate::spdx::{DOCUMENT_MARK, GAP_MARK, Ids, PACKAGE_MARK};
use crate::{Error, ErrorKind, Result, json, license, limits, purl};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

pub(super) const TRIED: &str = "read the SPDX 3 document";

/// One element, with the fields that mean something here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Element {
    #[serde(rename = "type", alias = "@type", default)]
    pub(super) kind: String,
    #[serde(alias = "@id", default)]
    pub(super) spdx_id: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    spec_version: Option<String>,
    #[serde(default)]
    created: Option<String>,
    #[serde(default)]
    created_by: Vec<String>,
    #[serde(default)]
    created_using: Vec<String>,
    #[serde(default)]
    root_element: Vec<String>,
    #[serde(default)]
    supplied_by: Option<String>,
    #[serde(default)]
    originated_by: Vec<String>,
    #[serde(default)]
    pub(super) verified_using: Vec<Hash>,
    #[serde(default)]
    external_identifier: Vec<Identifier>,
    #[serde(default, rename = "software_packageVersion")]
    version: Option<String>,
    #[serde(default, rename = "software_packageUrl")]
    purl: Option<String>,
    #[serde(default, rename = "software_homePage")]
    homepage: Option<String>,
    #[serde(default, rename = "software_downloadLocation")]
    download: Option<String>,
    #[serde(default, rename = "software_copyrightText")]
    copyright: Option<String>,
    #[serde(default, rename = "software_primaryPurpose")]
    purpose: Option<String>,
    #[serde(default, rename = "simplelicensing_licenseExpression")]
    expression: Option<String>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    relationship_type: Option<String>,
    #[serde(default)]
    to: Vec<String>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    statement: Option<String>,
    #[serde(default)]
    pub(super) comment: Option<String>,
    /// Fields without a place here, of files.
    #[serde(flatten)]
    pub(super) others: HashMap<String, serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hash {
    #[serde(default)]
    pub(super) algorithm: String,
    #[serde(default)]
    pub(super) hash_value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identifier {
    #[serde(default)]
    external_identifier_type: String,
    #[serde(default)]
    identifier: String,
}

impl Element {
    pub(super) fn from_value(value: Value) -> Option<Self> {
        serde_json::from_value(value).ok()
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "@context")]
    context: String,
    #[serde(rename = "@graph")]
    graph: Elements,
}

#[derive(Default)]
struct Elements {
    list: Vec<Element>,
    files: crate::files::Reader,
    losses: Losses,
}

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut out = Self::default();
        json::each_of(deserializer, |element: Element| {
            if element.kind == "software_File" {
                // Kept small at once: there are a hundred times more of them than of the others.
                return if super::files::take(element, &mut out.files, &mut out.losses) {
                    Ok(())
                } else {
                    Err("FILES")
                };
            }
            out.list.push(element);
            if out.list.len() <= limits::ELEMENTS { Ok(()) } else { Err("ELEMENTS") }
        })?;
        Ok(out)
    }
}

fn malformed(why: impl Into<String>) -> Error {
    Error::new(TRIED, ErrorKind::Malformed(why.into()))
}

/// Reads an SPDX 3.0 JSON-LD document, and counts in `losses` what an inventory does not hold.
///
/// # Errors
/// [`ErrorKind::Malformed`], [`ErrorKind::Unsupported`] for another version or context,
/// [`ErrorKind::LimitExceeded`].
pub fn read(bytes: &[u8], losses: &mut Losses) -> Result<Inventory> {
    json::guard(TRIED, bytes)?;
    let document: Document = json::parse(TRIED, bytes)?;
    let creation = document.graph.list.iter().find(|e| e.kind == "CreationInfo");
    let version = creation.and_then(|c| c.spec_version.clone()).unwrap_or_default();
    if !document.context.starts_with("https://spdx.org/rdf/3.0")
        || !matches!(version.as_str(), "3.0.0" | "3.0.1")
    {
        let shown: String = format!("{version} in {}", document.context).chars().take(100).collect();
        return Err(Error::new(
            TRIED,
            ErrorKind::Unsupported(format!("the version is '{}'", shown.escape_debug())),
        )
        .hint(format!("SPDX 3.0.0 and 3.0.1 can be read, in the context {CONTEXT}")));
    }
    losses.extend(&document.graph.losses);
    super::losses::count(bytes, losses)?;
    Reader::new(document.graph.list, document.graph.files, losses)?.inventory()
}

struct Reader<'a> {
    elements: Vec<Element>,
    agents: HashMap<String, (String, Party)>,
    tools: HashMap<String, String>,
    expressions: HashMap<String, String>,
    files: crate::files::Reader,
    losses: &'a mut Losses,
}

impl<'a> Reader<'a> {
    fn new(elements: Vec<Element>, files: crate::files::Reader, losses: &'a mut Losses) -> Result<Self> {
        let (mut agents, mut tools, mut expressions) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut seen = std::collections::HashSet::new();
        for element in &elements {
            // Two elements under one name are two readings of everything that points there.
            if !element.spdx_id.is_empty() && !seen.insert(element.spdx_id.as_str()) {
                let shown: String = element.spdx_id.chars().take(100).collect();
                return Err(malformed(format!("two elements are called '{}'", shown.escape_debug())));
            }
            let (id, name) = (element.spdx_id.clone(), element.name.clone().unwrap_or_default());
            match element.kind.as_str() {
                "Organization" | "Person" | "SoftwareAgent" | "Agent" => {
                    let email =
                        element.external_identifier.iter().find(|i| i.external_identifier_type == "email");
                    let contact = email.map(|e| e.identifier.clone());
                    agents.insert(id, (element.kind.clone(), Party { name, contact }));
                }
                "Tool" => {
                    tools.insert(id, name);
                }
                "simplelicensing_LicenseExpression" => {
                    expressions.insert(id, element.expression.clone().unwrap_or_default());
                }
                _ => {}
            }
        }
        drop(seen);
        Ok(Self { elements, agents, tools, expressions, files, losses })
    }

    fn agent(&self, id: &str) -> Option<String> {
        self.agents.get(id).filter(|(_, p)| !p.name.trim().is_empty()).map(|(_, party)| party.text())
    }

    fn inventory(mut self) -> Result<Inventory> {
        let mut inventory = Inventory::default();
        let elements = std::mem::take(&mut self.elements);
        for info in elements.iter().filter(|e| e.kind == "CreationInfo").take(1) {
            inventory.created = info.created.as_deref().and_then(fields::seconds);
            let tools = info.created_using.iter().filter_map(|t| self.tools.get(t)).filter(|n| !n.is_empty());
            inventory.creators.extend(tools.map(|name| tool(name)));
            for (kind, party) in info.created_by.iter().filter_map(|a| self.agents.get(a)) {
                let (name, contact) = (party.name.clone(), party.contact.clone());
                match kind.as_str() {
                    "Organization" => inventory.creators.push(Creator::Organization { name, contact }),
                    "Person" => inventory.creators.push(Creator::Person { name, contact }),
                    // That is us, where nobody else is known.
                    "SoftwareAgent" if name == "seaworthy" => {}
                    other => self.losses.add(&format!("CreationInfo.createdBy of the type {other}")),
                }
            }
        }
        let roots = |kind: &str| -> Vec<String> {
            elements.iter().filter(|e| e.kind == kind).flat_map(|e| e.root_element.iter().cloned()).collect()
        };
        let mut described = roots("software_Sbom");
        if described.is_empty() {
            described = roots("SpdxDocument");
        }
        if let Some(name) = elements.iter().find(|e| e.kind == "SpdxDocument").and_then(|e| e.name.clone()) {
            inventory.subject.name = name;
        }
        let (mut ids, mut edges, mut annotations) = (HashMap::new(), Vec::new(), Vec::new());
        let (mut used, mut packages, mut subjects) = (Ids::default(), Vec::new(), 0);
        for element in elements {
            match element.kind.as_str() {
                "software_Package" => {
                    let is_root = described.contains(&element.spdx_id);
                    if is_root && matches!(element.purpose.as_deref(), Some("container" | "file")) {
                        subjects += 1;
                        self.subject(element, &mut inventory);
                        continue;
                    }
                    if element.purpose.as_deref() == Some("operatingSystem") && inventory.os.is_none() {
                        inventory.os = Some(OsRelease {
                            id: element.name.filter(|n| n != NOASSERTION).unwrap_or_default(),
                            version_id: element.version,
                            ..OsRelease::default()
                        });
                        continue;
                    }
                    if packages.len() >= limits::PACKAGES {
                        return Err(Error::new(
                            TRIED,
                            ErrorKind::LimitExceeded { limit: "PACKAGES", value: limits::PACKAGES as u64 },
                        ));
                    }
                    let id = element.spdx_id.clone();
                    let mut package = native(element, |agent| self.agent(agent));
                    package.id = used.unique(&local(&id));
                    ids.insert(id, packages.len());
                    packages.push(package);
                }
                "Relationship" | "LifecycleScopedRelationship" => edges.push(element),
                "Annotation" => annotations.push(element),
                "CreationInfo"
                | "Organization"
                | "Person"
                | "SoftwareAgent"
                | "Agent"
                | "Tool"
                | "SpdxDocument"
                | "software_Sbom"
                | "simplelicensing_LicenseExpression" => {}
                // Texts of ours come back from what the packages declare.
                "simplelicensing_SimpleLicensingText" => {}
                other => self.losses.add(other),
            }
        }
        if subjects > 1 {
            inventory.subject.digest = None;
        }
        let mut relations = Vec::new();
        let mut licensed_by: HashMap<usize, (Option<String>, Option<String>)> = HashMap::new();
        for edge in edges {
            let kind = edge.relationship_type.unwrap_or_default();
            if let (Some(from), "contains") = (&edge.from, kind.as_str()) {
                for to in &edge.to {
                    self.files.owned(from, to);
                }
            }
            let Some(&from) = edge.from.as_ref().and_then(|f| ids.get(f)) else {
                // What the document describes is its root, and which file is whose was asked above.
                if !matches!(kind.as_str(), "contains" | "describes") {
                    self.losses.add(&format!("Relationship of the type {kind} from what is no package"));
                }
                continue;
            };
            match kind.as_str() {
                "hasDeclaredLicense" | "hasConcludedLicense" => {
                    let text = edge.to.iter().find_map(|to| self.expressions.get(to)).cloned();
                    let slot = licensed_by.entry(from).or_default();
                    if kind == "hasDeclaredLicense" { slot.0 = text } else { slot.1 = text }
                }
                "contains" | "dependsOn" => {
                    let kind = match kind.as_str() {
                        "contains" => RelationshipKind::Contains,
                        _ => RelationshipKind::DependsOn,
                    };
                    relations.extend(edge.to.iter().filter_map(|to| Some((from, kind, *ids.get(to)?))));
                }
                other => self.losses.add(&format!("Relationship of the type {other}")),
            }
            if relations.len() > limits::RELATIONSHIPS {
                return Err(Error::new(
                    TRIED,
                    ErrorKind::LimitExceeded { limit: "RELATIONSHIPS", value: limits::RELATIONSHIPS as u64 },
                ));
            }
        }
        for (at, (declared, concluded)) in licensed_by {
            if let Some(package) = packages.get_mut(at) {
                licensed(package, declared.as_deref(), concluded.as_deref());
            }
        }
        self.annotated(annotations, &ids, &mut packages, &mut inventory)?;
        let id = |at: usize| packages.get(at).map(|p: &Package| p.id.clone());
        inventory.files = self.files.finish(&inventory.layers, |name| id(*ids.get(name)?));
        inventory.relationships = relations
            .into_iter()
            .filter_map(|(from, kind, to)| Some(Relationship { from: id(from)?, kind, to: id(to)? }))
            .collect();
        inventory.packages = packages;
        inventory.normalize();
        Ok(inventory)
    }

    fn annotated(
        &mut self,
        annotations: Vec<Element>,
        ids: &HashMap<String, usize>,
        packages: &mut [Package],
        inventory: &mut Inventory,
    ) -> Result<()> {
        let ours = |e: serde_json::Error| malformed(format!("a seaworthy annotation: {e}"));
        for annotation in annotations {
            let statement = annotation.statement.unwrap_or_default();
            let about =
                annotation.subject.as_ref().and_then(|s| ids.get(s)).and_then(|at| packages.get_mut(*at));
            if let (Some(text), Some(package)) = (statement.strip_prefix(PACKAGE_MARK), about) {
                match serde_json::from_str::<PackageExtra>(text) {
                    Ok(extra) => extra.apply_to(package),
                    Err(_) => {
                        package.properties.insert("spdx:annotation".to_owned(), statement);
                    }
                }
            } else if let Some(text) = statement.strip_prefix(GAP_MARK) {
                inventory.gaps.push(serde_json::from_str::<Gap>(text).map_err(ours)?);
            } else if let Some(text) = statement.strip_prefix(DOCUMENT_MARK) {
                serde_json::from_str::<DocumentExtra>(text).map_err(ours)?.apply(inventory);
            } else {
                self.losses.add("Annotation");
            }
        }
        Ok(())
    }

    fn subject(&self, element: Element, inventory: &mut Inventory) {
        let subject = &mut inventory.subject;
        if let Some(name) = element.name.filter(|n| n != NOASSERTION) {
            subject.name = name;
        }
        let of_purl = element.purl.as_deref().and_then(fields::image_purl);
        let hash = element.verified_using.iter().find(|h| h.algorithm == "sha256");
        subject.digest = hash
            .and_then(|h| fields::sha256_digest(&format!("sha256:{}", h.hash_value.to_ascii_lowercase())))
            .or_else(|| of_purl.as_ref().and_then(|p| p.version.as_deref()).and_then(fields::sha256_digest))
            .or_else(|| element.version.as_deref().and_then(fields::sha256_digest));
        subject.tag = of_purl.and_then(|p| p.qualifiers.get("tag").cloned());
        subject.supplier = element.supplied_by.and_then(|s| self.agent(&s));
    }
}

/// `name-version`, where what follows the last dash looks like a version.
pub(super) fn tool(text: &str) -> Creator {
    match text.rsplit_once('-') {
        Some((name, version))
            if !name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit() || c == 'v') =>
        {
            Creator::Tool { name: name.to_owned(), version: Some(version.to_owned()) }
        }
        _ => Creator::Tool { name: text.to_owned(), version: None },
    }
}

/// The part of an element's IRI that is its own; for ours, the id that the package had.
fn local(iri: &str) -> String {
    let fragment = iri.rsplit_once('#').map_or(iri, |(_, fragment)| fragment);
    let Some(ours) =
        fragment.strip_prefix("Package-").filter(|_| iri.starts_with("https://seaworthy.dev/spdx3/"))
    else {
        return fragment.to_owned();
    };
    let mut bytes = Vec::with_capacity(ours.len());
    let mut rest = ours.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'_' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        match (digit(rest.next()), digit(rest.next())) {
            (Some(high), Some(low)) => bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?')),
            _ => return ours.to_owned(),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| ours.to_owned())
}

/// The package as its own fields say, without licences, which are relations.
pub(super) fn native(element: Element, agent: impl Fn(&str) -> Option<String>) -> Package {
    let filled = |text: Option<String>| text.filter(|t| !matches!(t.as_str(), "" | "NOASSERTION" | "NONE"));
    let name = element.name.unwrap_or_default();
    let mut package = Package::new(Ecosystem::Generic, name, element.version.filter(|v| !v.is_empty()));
    let identifiers = |kind: &'static str| {
        element.external_identifier.iter().filter(move |i| i.external_identifier_type == kind)
    };
    let purl = element.purl.or_else(|| identifiers("packageUrl").next().map(|i| i.identifier.clone()));
    package.purl = purl.map(|p| purl::canonical(&p).unwrap_or(p));
    fields::fill_from_purl(&mut package);
    package.cpes = identifiers("cpe23").map(|i| i.identifier.clone()).collect();
    package.cpes.sort();
    package.cpes.dedup();
    package.supplier = element.supplied_by.as_deref().and_then(&agent);
    package.originator = element.originated_by.first().map(String::as_str).and_then(&agent);
    package.homepage = filled(element.homepage);
    package.download = filled(element.download);
    package.copyright = filled(element.copyright);
    package.description = filled(element.summary);
    package.checksums = element
        .verified_using
        .into_iter()
        .filter(|h| !h.algorithm.is_empty())
        .map(|h| Checksum { algorithm: algorithm(&h.algorithm), hex: h.hash_value.to_ascii_lowercase() })
        .collect();
    package.checksums.sort();
    package.checksums.dedup();
    package
}

/// SPDX 3's name of a hash algorithm, as SPDX 2 has it.
pub(super) fn algorithm(name: &str) -> String {
    match name {
        "blake2b256" | "blake2b384" | "blake2b512" => name.replacen("blake2b", "BLAKE2b-", 1),
        other => other.to_uppercase().replace('_', "-"),
    }
}

/// Puts the licences that relations say into the package.
pub(super) fn licensed(package: &mut Package, declared: Option<&str>, concluded: Option<&str>) {
    if let Some(text) = declared.filter(|t| !t.is_empty()) {
        package.license = match license::is_valid(text) {
            true => License {
                expression: Some(text.to_owned()),
                declared: vec![text.to_owned()],
                concluded: None,
            },
            false => {
                let mut said = license::normalize(&[text.to_owned()], package.ecosystem);
                said.declared = vec![text.to_owned()];
                said
            }
        };
    }
    if let Some(text) = concluded.filter(|t| !t.is_empty()) {
        if license::is_valid(text) {
            package.license.concluded = Some(text.to_owned());
        } else {
            package.properties.insert("spdx:license-concluded".to_owned(), text.to_owned());
        }
    }
}
