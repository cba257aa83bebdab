//! The parts of CycloneDX JSON that carry something for us, in the order in which they are written.
//!
//! One set of structs reads and writes 1.4 to 1.7; what a version lacks is left empty by the writer.

use crate::inventory::Package;
use crate::{json, limits};
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use std::cell::Cell;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    #[serde(rename = "$schema")]
    pub(super) schema: &'static str,
    pub(super) bom_format: &'static str,
    pub(super) spec_version: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) serial_number: String,
    pub(super) version: u32,
    pub(super) metadata: Metadata,
    pub(super) components: super::files::Listed,
    pub(super) dependencies: Vec<Dependency>,
    pub(super) compositions: Vec<Composition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Read {
    pub(super) bom_format: String,
    pub(super) spec_version: String,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
    #[serde(default)]
    pub(super) components: Components,
    #[serde(default)]
    pub(super) dependencies: Option<Vec<Dependency>>,
    #[serde(default)]
    pub(super) compositions: Option<Vec<Composition>>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) timestamp: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lifecycles: Option<Vec<Lifecycle>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tools: Option<Tools>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) manufacturer: Option<Organization>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authors: Option<Vec<Contact>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) component: Option<Box<Component>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) properties: Option<Vec<Property>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Lifecycle {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) phase: Option<String>,
}

/// A list until 1.4, an object since 1.5.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Tools {
    Object {
        #[serde(default)]
        components: Vec<Tool>,
    },
    List(Vec<Tool>),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Tool {
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Component {
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    #[serde(rename = "bom-ref", default, skip_serializing_if = "Option::is_none")]
    pub(super) bom_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) supplier: Option<Organization>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authors: Option<Vec<Contact>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) author: Option<String>,
    #[serde(default, skip_serializing)]
    pub(super) publisher: Option<String>,
    #[serde(default, skip_serializing)]
    pub(super) group: Option<String>,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hashes: Option<Vec<Hash>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) licenses: Option<Vec<LicenseChoice>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) copyright: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cpe: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) purl: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) external_references: Option<Vec<ExternalReference>>,
    #[serde(default, skip_serializing)]
    pub(super) components: Components,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) evidence: Option<Evidence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) properties: Option<Vec<Property>>,
}

impl Component {
    /// A file is no package unless somebody says which one.
    pub(super) fn is_file(&self) -> bool {
        self.kind == "file" && self.purl.is_none()
    }
}

#[derive(Serialize, Deserialize, Default)]
pub(super) struct Organization {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) contact: Option<Vec<Contact>>,
}

#[derive(Serialize, Deserialize, Default)]
pub(super) struct Contact {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Hash {
    pub(super) alg: String,
    pub(super) content: String,
}

#[derive(Serialize, Deserialize, Default)]
pub(super) struct LicenseChoice {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) license: Option<LicenseName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expression: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) acknowledgement: Option<String>,
}

#[derive(Serialize, Deserialize, Default)]
pub(super) struct LicenseName {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) acknowledgement: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExternalReference {
    #[serde(default)]
    pub(super) url: String,
    #[serde(rename = "type", default)]
    pub(super) kind: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Evidence {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) occurrences: Option<Vec<Occurrence>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Occurrence {
    #[serde(default)]
    pub(super) location: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) additional_context: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Property {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dependency {
    #[serde(rename = "ref")]
    pub(super) from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) depends_on: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Composition {
    #[serde(default)]
    pub(super) aggregate: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) assemblies: Option<Vec<String>>,
}

/// A component as it was read.
pub(super) struct Found {
    pub(super) bom_ref: Option<String>,
    pub(super) kind: String,
    /// The bom-refs of what it brought.
    pub(super) contains: Vec<String>,
    pub(super) package: Package,
}

/// Components with those nested in them, flat, each turned into the model as it is read.
#[derive(Default)]
pub(super) struct Components {
    pub(super) packages: Vec<Found>,
    pub(super) files: Vec<Component>,
}

thread_local! {
    /// Components of the document that this thread reads: nested lists share one limit, and serde gives
    /// their readers no other common place.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// Starts counting anew; called once for each document.
pub(super) fn start_counting() {
    COUNT.with(|c| c.set(0));
}

impl<'de> Deserialize<'de> for Components {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut out = Self::default();
        json::each_of(deserializer, |mut raw: Component| {
            let nested = std::mem::take(&mut raw.components);
            if raw.is_file() {
                out.files.push(raw);
            } else {
                let mut found = super::read::found(raw);
                found.contains.extend(nested.packages.iter().filter_map(|n| n.bom_ref.clone()));
                out.packages.push(found);
                COUNT.with(|c| c.set(c.get() + 1));
            }
            out.packages.extend(nested.packages);
            out.files.extend(nested.files);
            match (COUNT.with(Cell::get) <= limits::PACKAGES, out.files.len() <= limits::FILES) {
                (false, _) => Err("PACKAGES"),
                (_, false) => Err("FILES"),
                _ => Ok(()),
            }
        })?;
        Ok(out)
    }
}
