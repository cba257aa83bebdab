//! From an [`Inventory`] to SPDX 3.0.1 JSON-LD.
//!
//! A package's own form is built, read back, and what came back different is put into its annotation: as in every
//! format here.

use super::read::{self, Element};
use super::{CONTEXT, files};
use crate::fields::{self, DocumentExtra, PackageExtra, Party};
use crate::inventory::{Creator, Inventory, OsRelease, Package, RelationshipKind};
use crate::spdx::{DOCUMENT_MARK, GAP_MARK, PACKAGE_MARK};
use crate::{Error, ErrorKind, Layout, Result, json, license, purl};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;

const TRIED: &str = "write the SPDX 3 document";
const CREATION: &str = "_:creationinfo";
/// The name of what has none: every element of software must have one.
pub(super) const NOASSERTION: &str = "NOASSERTION";

/// Writes an inventory as SPDX 3.0.1 JSON-LD. The same inventory gives the same bytes, whatever its order.
///
/// # Errors
/// [`ErrorKind::Io`] when `out` fails.
pub fn write(inventory: &Inventory, layout: Layout, out: impl Write) -> Result<()> {
    let mut inventory = inventory.clone();
    inventory.normalize();
    let mut draft = document(&inventory, "urn:seaworthy")?;
    let files = std::mem::take(&mut draft.files.files);
    let hash = hex::encode(json::content_hash(TRIED, &draft, &files)?);
    drop(draft);
    json::emit(TRIED, &document(&inventory, &format!("https://seaworthy.dev/spdx3/{hash}"))?, layout, out)
}

/// Collects elements; each agent and licence once.
struct Graph {
    base: String,
    elements: Vec<Value>,
    agents: BTreeMap<(&'static str, String), String>,
    licenses: BTreeMap<String, String>,
    texts: BTreeMap<String, BTreeSet<String>>,
    relations: usize,
}

impl Graph {
    fn id(&self, local: &str) -> String {
        format!("{}#{local}", self.base)
    }

    fn add(&mut self, kind: &str, id: &str, fields: Value) {
        let mut element = Map::new();
        element.insert("type".into(), kind.into());
        element.insert("spdxId".into(), id.into());
        element.insert("creationInfo".into(), CREATION.into());
        if let Value::Object(fields) = fields {
            element.extend(fields.into_iter().filter(|(_, v)| !v.is_null()));
        }
        self.elements.push(Value::Object(element));
    }

    /// `completeness` is what somebody may say of a list: `complete`, `incomplete`, `noAssertion`.
    fn relate(&mut self, from: &str, kind: &str, to: Vec<String>, completeness: Option<&str>) {
        if to.is_empty() {
            return;
        }
        self.relations += 1;
        let id = self.id(&format!("Relationship-{}", self.relations));
        self.add(
            "Relationship",
            &id,
            json!({ "from": from, "relationshipType": kind, "to": to, "completeness": completeness }),
        );
    }

    /// The agent with this name and contact (`Name <contact>`).
    fn agent(&mut self, kind: &'static str, text: &str) -> Option<String> {
        let party = Party::parse(text);
        if party.name.trim().is_empty() {
            return None;
        }
        if let Some(id) = self.agents.get(&(kind, text.to_owned())) {
            return Some(id.clone());
        }
        let id = self.id(&format!("{kind}-{}", self.agents.len() + 1));
        self.agents.insert((kind, text.to_owned()), id.clone());
        let contact = party.email().map(|email| {
            json!([{ "type": "ExternalIdentifier", "externalIdentifierType": "email", "identifier": email }])
        });
        self.add(kind, &id, json!({ "name": party.name, "externalIdentifier": contact }));
        Some(id)
    }

    fn license(&mut self, expression: &str) -> String {
        if let Some(id) = self.licenses.get(expression) {
            return id.clone();
        }
        let id = self.id(&format!("License-{}", self.licenses.len() + 1));
        self.licenses.insert(expression.to_owned(), id.clone());
        let custom: Vec<Value> = license::reference_ids(expression)
            .into_iter()
            .map(|name| {
                self.texts.entry(name.clone()).or_default();
                json!({ "type": "DictionaryEntry", "key": name, "value": self.id(&name) })
            })
            .collect();
        let fields = json!({
            "simplelicensing_licenseExpression": expression,
            "simplelicensing_licenseListVersion": spdx::license_version(),
            "simplelicensing_customIdToUri": (!custom.is_empty()).then_some(custom),
        });
        self.add("simplelicensing_LicenseExpression", &id, fields);
        id
    }

    fn annotate(&mut self, subject: &str, mark: &str, value: &impl serde::Serialize) -> Result<()> {
        let text =
            serde_json::to_string(value).map_err(|e| Error::new(TRIED, ErrorKind::Io(e.to_string())))?;
        let id = self.id(&format!("Annotation-{}", self.elements.len()));
        self.add(
            "Annotation",
            &id,
            json!({ "annotationType": "other", "subject": subject, "statement": format!("{mark}{text}") }),
        );
        Ok(())
    }
}

fn document(inventory: &Inventory, base: &str) -> Result<files::Graph> {
    let mut graph = Graph {
        base: base.to_owned(),
        elements: Vec::new(),
        agents: BTreeMap::new(),
        licenses: BTreeMap::new(),
        texts: BTreeMap::new(),
        relations: 0,
    };
    // There is no way to say that the time is not known: the annotation takes it back.
    let created = fields::rfc3339(inventory.created.unwrap_or_default());
    let mut native = Inventory { created: fields::seconds(&created), ..Inventory::default() };
    let creation = creation(inventory, &created, &mut native, &mut graph);

    let image = graph.id("Image");
    image_package(inventory, &image, &mut native, &mut graph);
    let mut contained = Vec::new();
    if let Some(os) = &inventory.os {
        let id = graph.id("OperatingSystem");
        operating_system(os, &id, &mut graph);
        native.os = Some(OsRelease {
            id: Some(os.id.clone()).filter(|id| id != NOASSERTION).unwrap_or_default(),
            version_id: os.version_id.clone(),
            ..OsRelease::default()
        });
        contained.push(id);
    }
    let mut ids: HashMap<&str, String> = HashMap::with_capacity(inventory.packages.len());
    let mut used = crate::spdx::Ids::default();
    for package in &inventory.packages {
        let id = graph.id(&format!("Package-{}", used.unique(&encoded(&package.id))));
        add_package(package, &id, &mut graph)?;
        contained.push(id.clone());
        ids.insert(package.id.as_str(), id);
    }
    let whole = if inventory.gaps.is_empty() { "complete" } else { "incomplete" };
    graph.relate(&image, "contains", contained.clone(), Some(whole));
    let mut edges: BTreeMap<(&String, &'static str), Vec<String>> = BTreeMap::new();
    for r in &inventory.relationships {
        let kind = match r.kind {
            RelationshipKind::DependsOn => "dependsOn",
            RelationshipKind::Contains => "contains",
        };
        if let (Some(from), Some(to)) = (ids.get(r.from.as_str()), ids.get(r.to.as_str())) {
            edges.entry((from, kind)).or_default().push(to.clone());
        }
    }
    for ((from, kind), to) in edges {
        graph.relate(from, kind, to, Some("noAssertion"));
    }

    let sbom = graph.id("Sbom");
    let whole = graph.id("Document");
    let mut elements = vec![image.clone()];
    elements.extend(contained);
    graph.add(
        "software_Sbom",
        &sbom,
        json!({ "rootElement": [image], "software_sbomType": ["analyzed"], "element": elements }),
    );
    let name = Some(inventory.subject.name.clone()).filter(|n| !n.trim().is_empty());
    graph.add(
        "SpdxDocument",
        &whole,
        json!({
            "name": name,
            "rootElement": [sbom],
            "profileConformance": ["core", "software", "simpleLicensing"],
        }),
    );
    if let Some(extra) = DocumentExtra::between(inventory, &native) {
        graph.annotate(&whole, DOCUMENT_MARK, &extra)?;
    }
    for gap in &inventory.gaps {
        graph.annotate(&whole, GAP_MARK, gap)?;
    }
    license_texts(&mut graph);
    graph.elements.insert(0, creation);
    let names: HashMap<String, String> = ids.into_iter().map(|(id, name)| (id.to_owned(), name)).collect();
    let related = names.keys().cloned().collect();
    Ok(files::Graph {
        context: CONTEXT,
        base: graph.base,
        creation: CREATION,
        image,
        elements: graph.elements,
        relations: graph.relations,
        files: crate::files::Writer::new(inventory, names, related, Layout::default()),
    })
}

/// An id of letters, digits, dots and dashes: what an IRI's fragment takes without escapes. Other characters are
/// written as their bytes in hex, so that two ids stay two.
fn encoded(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b if b.is_ascii_alphanumeric() || b == b'.' || b == b'-' => out.push(char::from(b)),
            b => out.push_str(&format!("_{b:02x}")),
        }
    }
    out
}

fn creation(inventory: &Inventory, created: &str, native: &mut Inventory, graph: &mut Graph) -> Value {
    let (mut by, mut using) = (Vec::new(), Vec::new());
    for creator in &inventory.creators {
        let (kind, name, contact) = match creator {
            Creator::Tool { name, version } if !name.is_empty() => {
                let id = graph.id(&format!("Tool-{}", using.len() + 1));
                // A tool has no version of its own: it is the part after the last dash.
                let text = match version {
                    Some(version) => format!("{name}-{version}"),
                    None => name.clone(),
                };
                if read::tool(&text) == *creator {
                    native.creators.push(creator.clone());
                }
                graph.add("Tool", &id, json!({ "name": text }));
                using.push(id);
                continue;
            }
            Creator::Organization { name, contact } => ("Organization", name, contact),
            Creator::Person { name, contact } => ("Person", name, contact),
            Creator::Tool { .. } => continue,
        };
        let contact = contact.clone().filter(|c| fields::is_email(c));
        let text = Party { name: name.clone(), contact }.text();
        let Some(id) = graph.agent(kind, &text) else { continue };
        let back = Party::parse(&text);
        native.creators.push(match kind {
            "Person" => Creator::Person { name: back.name, contact: back.contact },
            _ => Creator::Organization { name: back.name, contact: back.contact },
        });
        by.push(id);
    }
    // The specification wants somebody who made it: where only programs are known, the program acted by itself.
    if by.is_empty() {
        by.extend(graph.agent("SoftwareAgent", "seaworthy"));
    }
    native.creators.sort();
    native.creators.dedup();
    json!({
        "type": "CreationInfo",
        "@id": CREATION,
        "specVersion": "3.0.1",
        "created": created,
        "createdBy": by,
        "createdUsing": using,
    })
}

fn hash(algorithm: &str, hex: &str) -> Option<Value> {
    let algorithm = match algorithm {
        "SHA1" | "SHA224" | "SHA256" | "SHA384" | "SHA512" | "MD5" => algorithm.to_lowercase(),
        "SHA3-256" | "SHA3-384" | "SHA3-512" => algorithm.to_lowercase().replace('-', "_"),
        "BLAKE2b-256" | "BLAKE2b-384" | "BLAKE2b-512" => algorithm.to_lowercase().replace('-', ""),
        "BLAKE3" => "blake3".to_owned(),
        _ => return None,
    };
    Some(json!({ "type": "Hash", "algorithm": algorithm, "hashValue": hex }))
}

fn image_package(inventory: &Inventory, id: &str, native: &mut Inventory, graph: &mut Graph) {
    let subject = &inventory.subject;
    let digest = subject.digest.as_deref().and_then(fields::sha256_digest);
    let arch = subject.platform.as_deref().and_then(|p| p.split('/').nth(1));
    let purl = digest
        .as_deref()
        .filter(|_| subject.is_image())
        .and_then(|d| purl::oci(&subject.name, Some(d), subject.tag.as_deref(), arch));
    if !subject.name.trim().is_empty() {
        native.subject.name.clone_from(&subject.name);
    }
    native.subject.tag = subject.tag.clone().filter(|t| purl.is_some() && !t.is_empty());
    let supplier = subject.supplier.as_deref().and_then(|s| graph.agent("Organization", s));
    let hashes: Option<Vec<Value>> = digest
        .as_deref()
        .and_then(|d| d.strip_prefix("sha256:"))
        .and_then(|hex| hash("SHA256", hex))
        .map(|h| vec![h]);
    let name = if subject.name.trim().is_empty() { NOASSERTION } else { subject.name.as_str() };
    graph.add(
        "software_Package",
        id,
        json!({
            "name": name,
            "software_packageVersion": digest,
            "software_primaryPurpose": if subject.is_image() { "container" } else { "file" },
            "software_packageUrl": purl,
            "suppliedBy": supplier,
            "verifiedUsing": hashes,
        }),
    );
}

fn operating_system(os: &OsRelease, id: &str, graph: &mut Graph) {
    let supplier = os.vendor.as_deref().and_then(|v| graph.agent("Organization", v));
    let name = if os.id.is_empty() { NOASSERTION } else { os.id.as_str() };
    graph.add(
        "software_Package",
        id,
        json!({
            "name": name,
            "software_packageVersion": os.version_id,
            "software_primaryPurpose": "operatingSystem",
            "summary": os.pretty_name,
            "suppliedBy": supplier,
        }),
    );
}

fn add_package(package: &Package, id: &str, graph: &mut Graph) -> Result<()> {
    let kind = |text: &str| if Party::parse(text).is_group() { "Organization" } else { "Person" };
    let supplier = package.supplier.as_deref().and_then(|s| graph.agent(kind(s), s));
    let originator = package.originator.as_deref().and_then(|s| graph.agent(kind(s), s));
    let filled = |text: &Option<String>| text.clone().filter(|t| !t.is_empty());
    let url = |text: &Option<String>| text.clone().filter(|u| fields::is_url(u));
    let hashes: Vec<Value> = package
        .checksums
        .iter()
        .filter(|c| fields::hex_length(&c.algorithm) == Some(c.hex.len()))
        .filter_map(|c| hash(&c.algorithm, &c.hex))
        .collect();
    let cpes: Vec<Value> = package
        .cpes
        .iter()
        .filter(|c| fields::is_cpe23(c))
        .map(|c| json!({ "type": "ExternalIdentifier", "externalIdentifierType": "cpe23", "identifier": c }))
        .collect();
    let fields = json!({
        "name": package.name,
        "software_packageVersion": filled(&package.version),
        "software_packageUrl": package.purl,
        "software_homePage": url(&package.homepage),
        "software_downloadLocation": url(&package.download),
        "software_copyrightText": filled(&package.copyright),
        "summary": filled(&package.description),
        "suppliedBy": supplier,
        "originatedBy": originator.map(|o| vec![o]),
        "verifiedUsing": (!hashes.is_empty()).then_some(hashes),
        "externalIdentifier": (!cpes.is_empty()).then_some(cpes),
    });
    graph.add("software_Package", id, fields);

    let valid = |text: &Option<String>| text.clone().filter(|e| license::is_valid(e));
    let (declared, concluded) = (valid(&package.license.expression), valid(&package.license.concluded));
    for (kind, expression) in [("hasDeclaredLicense", &declared), ("hasConcludedLicense", &concluded)] {
        if let Some(expression) = expression {
            let to = graph.license(expression);
            graph.relate(id, kind, vec![to], None);
        }
    }
    for (name, text) in license::references(&package.license.declared, package.ecosystem) {
        if let Some(texts) = graph.texts.get_mut(&name) {
            texts.insert(text);
        }
    }

    // Read back as others read it, with the agents that it points to.
    let element = graph
        .elements
        .iter()
        .rev()
        .find(|e| e.get("spdxId").and_then(Value::as_str) == Some(id))
        .and_then(|e| Element::from_value(e.clone()));
    let Some(element) = element else { return Ok(()) };
    let mut native = read::native(element, |agent| {
        let agents = graph.agents.iter().find(|(_, known)| known.as_str() == agent);
        agents.map(|((_, text), _)| {
            let party = Party::parse(text);
            let contact = party.email().map(str::to_owned);
            Party { name: party.name, contact }.text()
        })
    });
    read::licensed(&mut native, declared.as_deref(), concluded.as_deref());
    if let Some(extra) = PackageExtra::between(package, &native) {
        graph.annotate(id, PACKAGE_MARK, &extra)?;
    }
    Ok(())
}

/// The texts behind `LicenseRef-`s, as far as they are known.
fn license_texts(graph: &mut Graph) {
    for (name, texts) in std::mem::take(&mut graph.texts) {
        let text = match texts.is_empty() {
            true => format!("The text of {name} is not known here."),
            false => texts.into_iter().collect::<Vec<_>>().join("\n"),
        };
        let id = graph.id(&name);
        graph.add("simplelicensing_SimpleLicensingText", &id, json!({ "simplelicensing_licenseText": text }));
    }
}
