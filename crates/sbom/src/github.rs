//! GitHub's dependency snapshot, as its dependency submission API takes it (REST API, "Dependency submission").
//!
//! It knows packages by purl, and who needs whom. Everything else of an inventory has no place in it. A package
//! without a purl cannot be named and is left out, which [`losses`] counts.

use crate::inventory::{Inventory, Package, Presence, RelationshipKind};
use crate::losses::Losses;
use crate::{Layout, Result, fields, json};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;

const WRITING: &str = "write the dependency snapshot";
/// Where packages without a path of their own stand.
const NOWHERE: &str = "image";

/// What the snapshot says about the run that made it. The API asks for all of it; left out, it is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The id of the job (`GITHUB_RUN_ID`).
    pub job_id: String,
    /// What correlates this snapshot with older ones (`GITHUB_WORKFLOW` and `GITHUB_JOB`).
    pub correlator: String,
    /// The commit (`GITHUB_SHA`).
    pub sha: String,
    /// The git ref (`GITHUB_REF`).
    pub git_ref: String,
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    job: Job<'a>,
    sha: &'a str,
    #[serde(rename = "ref")]
    git_ref: &'a str,
    detector: Detector,
    scanned: String,
    manifests: BTreeMap<String, Manifest>,
}

#[derive(Serialize)]
struct Job<'a> {
    id: &'a str,
    correlator: &'a str,
}

#[derive(Serialize)]
struct Detector {
    name: &'static str,
    version: &'static str,
    url: &'static str,
}

#[derive(Serialize)]
struct Manifest {
    name: String,
    file: File,
    metadata: BTreeMap<&'static str, String>,
    resolved: BTreeMap<String, Resolved>,
}

#[derive(Serialize)]
struct File {
    source_location: String,
}

#[derive(Serialize)]
struct Resolved {
    package_url: String,
    relationship: &'static str,
    scope: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<String>,
}

/// Writes an inventory as a snapshot: one manifest for each file that names packages.
///
/// # Errors
/// [`crate::ErrorKind::Io`] when `out` fails.
pub fn write(inventory: &Inventory, run: &Snapshot, layout: Layout, out: impl Write) -> Result<()> {
    let mut inventory = inventory.clone();
    inventory.normalize();
    let purls: HashMap<&str, &str> =
        inventory.packages.iter().filter_map(|p| Some((p.id.as_str(), p.purl.as_deref()?))).collect();
    let mut needs: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    for r in inventory.relationships.iter().filter(|r| r.kind == RelationshipKind::DependsOn) {
        if let Some(to) = purls.get(r.to.as_str()) {
            needs.entry(r.from.as_str()).or_default().insert(to);
            needed.insert(r.to.as_str());
        }
    }
    let mut manifests: BTreeMap<String, Manifest> = BTreeMap::new();
    for package in &inventory.packages {
        let Some(purl) = &package.purl else { continue };
        let place = place(package);
        let manifest = manifests.entry(place.clone()).or_insert_with(|| Manifest {
            name: place.clone(),
            file: File { source_location: place },
            metadata: metadata(&inventory),
            resolved: BTreeMap::new(),
        });
        let dependencies =
            needs.get(package.id.as_str()).into_iter().flatten().map(|p| (*p).to_owned()).collect();
        manifest.resolved.insert(
            purl.clone(),
            Resolved {
                package_url: purl.clone(),
                relationship: if needed.contains(package.id.as_str()) { "indirect" } else { "direct" },
                scope: if package.presence == Presence::Declared { "development" } else { "runtime" },
                dependencies,
            },
        );
    }
    let document = Document {
        version: 0,
        job: Job { id: &run.job_id, correlator: &run.correlator },
        sha: &run.sha,
        git_ref: &run.git_ref,
        detector: Detector {
            name: "seaworthy",
            version: env!("CARGO_PKG_VERSION"),
            url: "https://seaworthy.dev",
        },
        scanned: fields::rfc3339(inventory.created.unwrap_or_default()),
        manifests,
    };
    json::emit(WRITING, &document, layout, out)
}

fn place(package: &Package) -> String {
    package.evidence.first().map_or(NOWHERE, |e| e.path.trim_start_matches('/')).to_owned()
}

fn metadata(inventory: &Inventory) -> BTreeMap<&'static str, String> {
    let mut metadata = BTreeMap::new();
    for (key, value) in [
        ("seaworthy:image", Some(inventory.subject.name.clone()).filter(|n| !n.is_empty())),
        ("seaworthy:digest", inventory.subject.digest.clone()),
        ("seaworthy:platform", inventory.subject.platform.clone()),
    ] {
        if let Some(value) = value {
            metadata.insert(key, value);
        }
    }
    metadata
}

/// Counts what a snapshot of `inventory` leaves out.
pub fn losses(inventory: &Inventory, losses: &mut Losses) {
    let count = |what: fn(&Package) -> bool| inventory.packages.iter().filter(|p| what(p)).count() as u64;
    losses.add_many("packages without a purl", count(|p| p.purl.is_none()));
    losses.add_many(
        "package.license",
        count(|p| p.license.expression.is_some() || !p.license.declared.is_empty()),
    );
    losses.add_many("package.supplier", count(|p| p.supplier.is_some() || p.originator.is_some()));
    losses.add_many("package.checksums", count(|p| !p.checksums.is_empty()));
    losses.add_many("package.cpes", count(|p| !p.cpes.is_empty()));
    losses.add_many("package.layer", count(|p| p.layer.is_some()));
    losses.add_many("package.evidence beyond the first path", count(|p| p.evidence.len() > 1));
    let contains = inventory.relationships.iter().filter(|r| r.kind == RelationshipKind::Contains).count();
    losses.add_many("relationships of the kind contains", contains as u64);
    losses.add_many("document.gap", inventory.gaps.len() as u64);
    losses.add_many("files", inventory.files.len() as u64);
    losses.add_many("document.fileFindings", u64::from(inventory.file_findings.is_some()));
    losses.add_many("document.layers", inventory.layers.len() as u64);
    losses.add_many("document.os", u64::from(inventory.os.is_some()));
}
