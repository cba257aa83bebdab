//! syft's own JSON (schema 11 and later), read.
//!
//! Teams have years of these files. What an inventory has a place for is taken; configurations and the
//! metadata of each cataloger are counted as left behind. A subject's digest is the manifest's that syft names.

use crate::files::{Mode, Reader as Files, checksum_is_read};
use crate::inventory::{
    Creator, Ecosystem, Evidence, Inventory, Layer, License, OsRelease, Package, Relationship,
    RelationshipKind,
};
use crate::losses::Losses;
use crate::spdx::Ids;
use crate::{Error, ErrorKind, Result, fields, json, license, limits, purl};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

const TRIED: &str = "read the syft document";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    artifacts: Vec<Artifact>,
    #[serde(default)]
    artifact_relationships: Vec<Edge>,
    #[serde(default)]
    files: Option<Vec<FileEntry>>,
    #[serde(default)]
    source: Option<Source>,
    #[serde(default)]
    distro: Option<Distro>,
    #[serde(default)]
    descriptor: Option<Descriptor>,
}

#[derive(Deserialize)]
struct FileEntry {
    #[serde(default)]
    id: String,
    #[serde(default)]
    location: Option<Location>,
    #[serde(default)]
    metadata: Option<FileMetadata>,
    #[serde(default)]
    digests: Option<Vec<FileDigest>>,
}

/// `mode` is octal digits written as a number.
#[derive(Deserialize)]
struct FileMetadata {
    #[serde(default)]
    mode: u32,
    #[serde(default)]
    size: Option<u64>,
}

#[derive(Deserialize)]
struct FileDigest {
    #[serde(default)]
    algorithm: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    id: String,
    name: String,
    #[serde(default)]
    version: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    found_by: Option<String>,
    #[serde(default)]
    locations: Option<Vec<Location>>,
    #[serde(default)]
    licenses: Option<Vec<Said>>,
    #[serde(default)]
    cpes: Option<Vec<Cpe>>,
    #[serde(default)]
    purl: Option<String>,
    #[serde(default)]
    metadata_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    path: String,
    #[serde(default, rename = "layerID")]
    layer_id: Option<String>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    #[serde(default)]
    value: String,
    #[serde(default)]
    spdx_expression: String,
    #[serde(default, rename = "type")]
    kind: String,
}

/// An object since schema 16, a string before.
#[derive(Deserialize)]
#[serde(untagged)]
enum Cpe {
    Object { cpe: String },
    Text(String),
}

#[derive(Deserialize)]
struct Edge {
    parent: String,
    child: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    name: String,
    #[serde(default)]
    metadata: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Distro {
    #[serde(default)]
    id: String,
    #[serde(default)]
    pretty_name: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "versionID")]
    version_id: Option<String>,
    #[serde(default)]
    version_codename: Option<String>,
    #[serde(default)]
    id_like: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Descriptor {
    name: String,
    #[serde(default)]
    version: Option<String>,
}

/// Reads syft's JSON, and counts in `losses` what an inventory does not hold.
///
/// # Errors
/// [`ErrorKind::Malformed`], [`ErrorKind::LimitExceeded`].
pub fn read(bytes: &[u8], losses: &mut Losses) -> Result<Inventory> {
    json::guard(TRIED, bytes)?;
    let document: Document = json::parse(TRIED, bytes)?;
    let over =
        |limit, value: usize| Error::new(TRIED, ErrorKind::LimitExceeded { limit, value: value as u64 });
    if document.artifacts.len() > limits::PACKAGES {
        return Err(over("PACKAGES", limits::PACKAGES));
    }
    if document.artifact_relationships.len() > limits::RELATIONSHIPS {
        return Err(over("RELATIONSHIPS", limits::RELATIONSHIPS));
    }
    let mut inventory = Inventory::default();
    let creator = |d: Descriptor| Creator::Tool { name: d.name, version: d.version };
    inventory.creators.extend(document.descriptor.map(creator));
    inventory.os = document.distro.filter(|d| !d.id.is_empty()).map(|d| OsRelease {
        id: d.id,
        id_like: d.id_like.unwrap_or_default(),
        version_id: d.version_id,
        codename: d.version_codename,
        pretty_name: d.pretty_name,
        vendor: d.name,
    });
    if let Some(source) = document.source {
        subject(&source, &mut inventory);
    }
    let mut files = Files::default();
    for entry in document.files.into_iter().flatten() {
        if !file(entry, &mut files, losses) {
            return Err(over("FILES", limits::FILES));
        }
    }
    let mut ids = HashMap::with_capacity(document.artifacts.len());
    let mut used = Ids::default();
    for artifact in document.artifacts {
        if artifact.metadata_type.is_some() {
            losses.add("artifacts[].metadata");
        }
        let old = artifact.id.clone();
        let mut package = package(artifact);
        package.id = used.unique(&old);
        ids.entry(old).or_insert_with(|| package.id.clone());
        inventory.packages.push(package);
    }
    for edge in document.artifact_relationships {
        if edge.kind == "contains" && files.owned(&edge.parent, &edge.child) {
            continue;
        }
        let (Some(parent), Some(child)) = (ids.get(&edge.parent), ids.get(&edge.child)) else { continue };
        let (parent, child) = (parent.clone(), child.clone());
        inventory.relationships.push(match edge.kind.as_str() {
            "dependency-of" => Relationship { from: child, kind: RelationshipKind::DependsOn, to: parent },
            "ownership-by-file-overlap" | "contains" => {
                Relationship { from: parent, kind: RelationshipKind::Contains, to: child }
            }
            other => {
                losses.add(&format!("artifactRelationships of the type {other}"));
                continue;
            }
        });
    }
    inventory.files = files.finish(&[], |id| ids.get(id).cloned());
    inventory.normalize();
    Ok(inventory)
}

/// Takes one file; `false` where that is over the limit.
fn file(entry: FileEntry, files: &mut Files, losses: &mut Losses) -> bool {
    let Some(location) = entry.location else {
        losses.add("files[] without a location");
        return true;
    };
    let algorithm = |name: &str| name.to_ascii_uppercase().replace('-', "");
    let digests: Vec<(String, String)> =
        entry.digests.into_iter().flatten().map(|d| (algorithm(&d.algorithm), d.value)).collect();
    for (algorithm, _) in digests.iter().filter(|(a, hex)| !checksum_is_read(a, hex)) {
        losses.add(&format!("files[].digests of the type {algorithm}"));
    }
    let within = files.take(&entry.id, &location.path, digests, None);
    if let Some(layer) = location.layer_id.as_deref().and_then(fields::sha256_digest) {
        files.last_layer(&layer);
    }
    if let Some(metadata) = entry.metadata {
        let mode = u32::from_str_radix(&metadata.mode.to_string(), 8).ok().map(Mode::of);
        files.last_facts(metadata.size, mode);
    }
    within
}

fn subject(source: &Source, inventory: &mut Inventory) {
    inventory.subject.name.clone_from(&source.name);
    let Some(metadata) = &source.metadata else { return };
    let text = |key: &str| metadata.get(key).and_then(serde_json::Value::as_str);
    inventory.subject.digest = text("manifestDigest").and_then(fields::sha256_digest);
    inventory.subject.media_type = text("mediaType").map(str::to_owned);
    inventory.subject.platform = match (text("os"), text("architecture"), text("variant")) {
        (Some(os), Some(arch), Some(variant)) if !variant.is_empty() => {
            Some(format!("{os}/{arch}/{variant}"))
        }
        (Some(os), Some(arch), _) if !os.is_empty() && !arch.is_empty() => Some(format!("{os}/{arch}")),
        _ => None,
    };
    let layers = metadata.get("layers").and_then(serde_json::Value::as_array);
    for layer in layers.into_iter().flatten().take(limits::LAYERS) {
        let text = layer.get("digest").and_then(serde_json::Value::as_str);
        let size = layer.get("size").and_then(serde_json::Value::as_u64).unwrap_or_default();
        // syft names a layer by the digest of its tar.
        if let Some(digest) = text.and_then(fields::sha256_digest) {
            inventory.layers.push(Layer { diff_id: Some(digest.clone()), digest, size });
        }
    }
}

fn package(artifact: Artifact) -> Package {
    let version = Some(artifact.version).filter(|v| !v.is_empty() && v != "UNKNOWN");
    let mut package = Package::new(ecosystem(&artifact.kind), artifact.name, version);
    package.purl = artifact.purl.filter(|p| !p.is_empty()).map(|p| purl::canonical(&p).unwrap_or(p));
    fields::fill_from_purl(&mut package);
    package.found_by = artifact.found_by;
    package.cpes = artifact
        .cpes
        .into_iter()
        .flatten()
        .map(|c| match c {
            Cpe::Object { cpe } | Cpe::Text(cpe) => cpe,
        })
        .collect();
    for location in artifact.locations.into_iter().flatten() {
        let layer = location.layer_id.as_deref().and_then(fields::sha256_digest);
        let primary =
            location.annotations.as_ref().and_then(|a| a.get("evidence")).is_some_and(|e| e == "primary");
        if primary && package.layer.is_none() {
            package.layer.clone_from(&layer);
        }
        package.evidence.push(Evidence { path: location.path, layer });
    }
    let (mut declared, mut concluded) = (Vec::new(), Vec::new());
    for said in artifact.licenses.into_iter().flatten() {
        let text = if said.spdx_expression.is_empty() { said.value } else { said.spdx_expression };
        if !text.trim().is_empty() {
            if said.kind == "concluded" { concluded.push(text) } else { declared.push(text) }
        }
    }
    let expression = |list: &[String]| license::normalize(list, package.ecosystem).expression;
    package.license =
        License { expression: expression(&declared), concluded: expression(&concluded), declared };
    package
}

/// syft's word for the kind of package, where no purl says it.
fn ecosystem(kind: &str) -> Ecosystem {
    match kind {
        "python" => Ecosystem::Pypi,
        "java-archive" | "jenkins-plugin" => Ecosystem::Maven,
        "go-module" => Ecosystem::Golang,
        "rust-crate" => Ecosystem::Cargo,
        "dotnet" => Ecosystem::Nuget,
        "php-composer" => Ecosystem::Composer,
        other => Ecosystem::from_name(other).unwrap_or(Ecosystem::Generic),
    }
}
