//! The parts of SPDX 2.3 JSON that carry something for us, in the order in which they are written.
//!
//! Everything is optional for reading; empty lists are left out of writing, because validators disagree
//! about them.

use super::files;
use crate::inventory::Package as Component;
use crate::{json, limits};
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

/// "Nobody says": SPDX 2.3, section 7.
pub(super) const NOASSERTION: &str = "NOASSERTION";
/// The id of the document within itself.
pub(super) const DOCUMENT: &str = "SPDXRef-DOCUMENT";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Written {
    pub(super) spdx_version: &'static str,
    pub(super) data_license: &'static str,
    #[serde(rename = "SPDXID")]
    pub(super) id: &'static str,
    pub(super) name: String,
    pub(super) document_namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
    pub(super) creation_info: CreationInfo,
    pub(super) packages: Vec<Package>,
    #[serde(skip_serializing_if = "files::List::is_empty")]
    pub(super) files: files::List,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) has_extracted_licensing_infos: Vec<Extracted>,
    pub(super) relationships: files::Edges,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) annotations: Vec<Annotation>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Read {
    pub(super) spdx_version: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) creation_info: Option<CreationInfo>,
    #[serde(default)]
    pub(super) document_describes: Option<Vec<String>>,
    #[serde(default)]
    pub(super) packages: Packages,
    #[serde(default)]
    pub(super) files: files::Found,
    #[serde(default)]
    pub(super) relationships: Relationships,
    #[serde(default)]
    pub(super) annotations: Option<Vec<Annotation>>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreationInfo {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) license_list_version: Option<String>,
    #[serde(default)]
    pub(super) creators: Vec<String>,
    #[serde(default)]
    pub(super) created: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
}

#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Package {
    #[serde(default)]
    pub(super) name: String,
    #[serde(rename = "SPDXID")]
    pub(super) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version_info: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) primary_package_purpose: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) supplier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) originator: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) download_location: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) files_analyzed: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) package_verification_code: Option<VerificationCode>,
    /// Relationships say the same since 2.3.
    #[serde(default, skip_serializing)]
    pub(super) has_files: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checksums: Option<Vec<Checksum>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) homepage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source_info: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) license_concluded: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) license_declared: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) copyright_text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) external_refs: Option<Vec<ExternalRef>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) attribution_texts: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) annotations: Option<Vec<Annotation>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VerificationCode {
    #[serde(default, rename = "packageVerificationCodeValue")]
    pub(super) value: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Checksum {
    pub(super) algorithm: String,
    pub(super) checksum_value: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExternalRef {
    pub(super) reference_category: String,
    pub(super) reference_type: String,
    pub(super) reference_locator: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Annotation {
    #[serde(default)]
    pub(super) annotation_date: String,
    #[serde(default)]
    pub(super) annotation_type: String,
    #[serde(default)]
    pub(super) annotator: String,
    #[serde(default)]
    pub(super) comment: String,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub(super) struct Extracted {
    pub(super) license_id: String,
    pub(super) extracted_text: String,
    pub(super) name: String,
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub(super) struct Relationship {
    pub(super) spdx_element_id: String,
    pub(super) relationship_type: String,
    pub(super) related_spdx_element: String,
    #[serde(default)]
    pub(super) comment: Option<String>,
}

/// A package as it was read, with what decides whether it is the subject.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) purpose: Option<String>,
    pub(super) raw_version: Option<String>,
    pub(super) image: Option<super::read::ImageFacts>,
    /// The ids of its files, and what the document says of them together.
    pub(super) files: Vec<String>,
    pub(super) verification_code: Option<String>,
    pub(super) package: Component,
}

/// Packages, each turned into the model as it is read: the document's own form of it lives for one package
/// at a time.
#[derive(Default)]
pub(super) struct Packages(pub(super) Vec<Found>);

/// Relationships that say something to us.
#[derive(Default)]
pub(super) struct Relationships(pub(super) Vec<Relationship>);

impl<'de> Deserialize<'de> for Packages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut out = Vec::new();
        json::each(deserializer, "PACKAGES", |raw: Package| {
            out.push(super::read::found(raw));
            out.len() <= limits::PACKAGES
        })?;
        Ok(Self(out))
    }
}

impl<'de> Deserialize<'de> for Relationships {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut out = Vec::new();
        let mut count = 0;
        json::each(deserializer, "RELATIONSHIPS", |raw: Relationship| {
            count += 1;
            if super::read::matters(&raw) {
                out.push(raw);
            }
            count <= limits::RELATIONSHIPS
        })?;
        Ok(Self(out))
    }
}
