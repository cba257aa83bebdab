//! What an inventory does not hold of an SPDX 3 document, however deep it lies: counted by class and field,
//! `software_Package.verifiedUsing.comment`.
//!
//! Files and annotations are counted where they are read, of files all but what lies within a field.

use super::read::TRIED;
use crate::losses::Losses;
use crate::{Result, json};
use serde::Deserialize;
use serde_json::Value;

/// What says which element it is, and no more.
const OF_EVERY: [&str; 5] = ["type", "@type", "spdxId", "@id", "creationInfo"];
const HASH: [&str; 2] = ["verifiedUsing.algorithm", "verifiedUsing.hashValue"];
const IDENTIFIER: [&str; 2] = ["externalIdentifier.externalIdentifierType", "externalIdentifier.identifier"];

/// The fields of a class that are read, or that say nothing beyond the format; `None`: another place counts it.
fn known(kind: &str) -> Option<Vec<&'static str>> {
    let fields: &[&'static str] = match kind {
        "CreationInfo" => &["specVersion", "created", "createdBy", "createdUsing"],
        "Organization" | "Person" | "SoftwareAgent" | "Agent" | "Tool" => &["name"],
        "SpdxDocument" => &["name", "rootElement", "element", "dataLicense", "profileConformance"],
        "software_Sbom" => &["rootElement", "element", "profileConformance", "software_sbomType"],
        // The version of the list, and texts, which stand in elements of their own, are written anew.
        "simplelicensing_LicenseExpression" => &[
            "simplelicensing_licenseExpression",
            "simplelicensing_licenseListVersion",
            "simplelicensing_customIdToUri",
        ],
        "Relationship" | "LifecycleScopedRelationship" => &["from", "to", "relationshipType"],
        "software_Package" => &[
            "name",
            "summary",
            "suppliedBy",
            "originatedBy",
            "software_packageVersion",
            "software_packageUrl",
            "software_homePage",
            "software_downloadLocation",
            "software_copyrightText",
            "software_primaryPurpose",
        ],
        _ => return None,
    };
    let deeper: &[&'static str] = match kind {
        "Organization" | "Person" | "SoftwareAgent" | "Agent" => &IDENTIFIER,
        "software_Package" => &[IDENTIFIER[0], IDENTIFIER[1], HASH[0], HASH[1]],
        _ => &[],
    };
    Some(fields.iter().chain(deeper).copied().collect())
}

/// The fields of the image itself that are read.
fn known_of_subject() -> Vec<&'static str> {
    let fields =
        ["name", "suppliedBy", "software_packageVersion", "software_packageUrl", "software_primaryPurpose"];
    fields.into_iter().chain(HASH).collect()
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "@graph")]
    graph: Counted,
}

/// The graph, of which only what is lost is kept.
#[derive(Default)]
struct Counted {
    losses: Losses,
    roots: Vec<String>,
    /// What may be the image: its name, what is lost if it is, and if it is not.
    subjects: Vec<(String, Losses, Losses)>,
    creations: u64,
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut out = Self::default();
        json::each_of(deserializer, |element: Value| {
            out.element(&element);
            Ok(())
        })?;
        Ok(out)
    }
}

/// Counts what is lost of a document that [`super::read`] reads.
pub(super) fn count(bytes: &[u8], losses: &mut Losses) -> Result<()> {
    let Document { graph } = json::parse(TRIED, bytes)?;
    losses.extend(&graph.losses);
    for (name, of_subject, of_package) in &graph.subjects {
        losses.extend(if graph.roots.contains(name) { of_subject } else { of_package });
    }
    losses.add_many("CreationInfo beyond the first", graph.creations.saturating_sub(1));
    Ok(())
}

impl Counted {
    fn element(&mut self, element: &Value) {
        let text = |key: &str| element.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind = if text("type").is_empty() { text("@type") } else { text("type") };
        let list =
            |key: &str| element.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        match kind {
            "CreationInfo" => self.creations += 1,
            "software_Sbom" | "SpdxDocument" => {
                self.roots.extend(list("rootElement").iter().filter_map(Value::as_str).map(str::to_owned));
            }
            // The top level was counted when the file was read.
            "software_File" => {
                for hash in list("verifiedUsing") {
                    walk(hash, "software_File", "verifiedUsing", &HASH, &mut self.losses);
                }
            }
            _ => {}
        }
        let Some(mut fields) = known(kind) else { return };
        // Whether the image's packages are all of them is said by the gaps.
        if text("relationshipType") == "contains" {
            fields.push("completeness");
        }
        let identifiers: &[&str] =
            if kind == "software_Package" { &["packageUrl", "cpe23"] } else { &["email"] };
        let count = |fields: &[&str]| {
            let mut losses = Losses::default();
            walk(element, kind, "", fields, &mut losses);
            for identifier in list("externalIdentifier") {
                let of = identifier.get("externalIdentifierType").and_then(Value::as_str).unwrap_or_default();
                if fields.contains(&IDENTIFIER[0]) && !identifiers.contains(&of) {
                    losses.add(&format!("{kind}.externalIdentifier of the type {of}"));
                }
            }
            losses
        };
        let lost = count(&fields);
        if kind == "software_Package" && matches!(text("software_primaryPurpose"), "container" | "file") {
            self.subjects.push((text("spdxId").to_owned(), count(&known_of_subject()), lost));
        } else {
            self.losses.extend(&lost);
        }
        // One is read.
        let originators = list("originatedBy").len() as u64;
        if kind == "software_Package" {
            self.losses
                .add_many("software_Package.originatedBy beyond the first", originators.saturating_sub(1));
        }
    }
}

/// Counts every value below `path` that stands in no field of `known`. Lists add nothing to a path.
fn walk(value: &Value, kind: &str, path: &str, known: &[&str], losses: &mut Losses) {
    let last = path.rsplit('.').next().unwrap_or_default();
    if OF_EVERY.contains(&last) {
        return;
    }
    let deeper =
        path.is_empty() || known.iter().any(|k| k.strip_prefix(path).is_some_and(|k| k.starts_with('.')));
    match value {
        Value::Null => {}
        Value::String(text)
            if text.is_empty() || matches!(text.as_str(), "NOASSERTION" | "NONE" | "noAssertion") => {}
        _ if known.contains(&path) => {}
        Value::Array(items) => items.iter().for_each(|item| walk(item, kind, path, known, losses)),
        Value::Object(fields) if deeper => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(value, kind, &path, known, losses);
            }
        }
        _ => losses.add(&format!("{kind}.{path}")),
    }
}
