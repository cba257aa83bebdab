//! SPDX 2.3 JSON, written and read (2.2 is read too).
//!
//! What is written is valid for `pyspdxtools`: the image is a package of purpose CONTAINER that the document
//! DESCRIBES and that CONTAINS every package; licences are valid expressions whose `LicenseRef-`s are all
//! extracted; the namespace is the hash of the content. What SPDX has no field for stands in annotations
//! that begin with `seaworthy:`, so that reading our own document gives the same inventory.
//!
//! Reading is tolerant where others are loose (invalid licence expressions, purposes, missing fields) and
//! strict where tolerance would hide something: versions, limits, duplicate keys. The structs are ours and
//! not `spdx-rs`'s, for the reasons in docs/decisions/0003-spdx-rs.md; that crate is the second opinion in
//! tests.

mod files;
mod model;
mod read;
#[cfg(feature = "documents")]
pub mod tagvalue;
mod write;

#[cfg(feature = "documents")]
pub(crate) use files::comment_is_read as file_comment_is_read;
pub(crate) use read::Ids;
pub use read::read;
pub use write::write;

/// When in the life of the software the document was made, in the words that the OpenChain Telco SBOM Guide recommends
/// for it: the format has no field. A finished image was looked at.
pub(crate) const CONTEXT: &str = "SBOM Type: Analyzed";
/// Annotations of a package.
pub(crate) const PACKAGE_MARK: &str = "seaworthy:package=";
/// Annotations of the document.
pub(crate) const DOCUMENT_MARK: &str = "seaworthy:document=";
/// One gap each.
pub(crate) const GAP_MARK: &str = "seaworthy:gap=";
/// Ids of packages; without it, a package could take the image's id.
const PACKAGE_PREFIX: &str = "SPDXRef-Package-";
const IMAGE: &str = "SPDXRef-Image";
const OS: &str = "SPDXRef-OperatingSystem";

/// Whether a package's reference of that type has a place in an inventory.
#[cfg(feature = "documents")]
pub(crate) fn reference_is_read(kind: &str) -> bool {
    matches!(kind, "purl" | "cpe23Type" | "http://spdx.org/rdf/references/cpe23Type")
}

/// Whether an annotation says something that an inventory holds.
#[cfg(feature = "documents")]
pub(crate) fn annotation_is_read(comment: &str) -> bool {
    ["seaworthy:", "LayerDigest: "].iter().any(|mark| comment.starts_with(mark))
}

/// Whether a relationship, as JSON, says something that an inventory holds.
#[cfg(feature = "documents")]
pub(crate) fn relationship_is_read(relationship: &serde_json::Value) -> bool {
    use serde::Deserialize as _;
    model::Relationship::deserialize(relationship).is_ok_and(|r| read::matters(&r))
}

/// The fields of a document that an inventory has a place for, or that say nothing beyond the format.
#[cfg(feature = "documents")]
pub(crate) const READ: &[&str] = &[
    "spdxVersion",
    "dataLicense",
    "SPDXID",
    "name",
    "documentNamespace",
    "creationInfo.licenseListVersion",
    "creationInfo.creators[]",
    "creationInfo.created",
    "documentDescribes[]",
    "packages[].name",
    "packages[].SPDXID",
    "packages[].versionInfo",
    "packages[].primaryPackagePurpose",
    "packages[].supplier",
    "packages[].originator",
    "packages[].downloadLocation",
    "packages[].filesAnalyzed",
    "packages[].hasFiles[]",
    "packages[].packageVerificationCode.packageVerificationCodeValue",
    "files[].fileName",
    "files[].SPDXID",
    "files[].checksums[].algorithm",
    "files[].checksums[].checksumValue",
    "packages[].checksums[].algorithm",
    "packages[].checksums[].checksumValue",
    "packages[].homepage",
    "packages[].sourceInfo",
    "packages[].licenseConcluded",
    "packages[].licenseDeclared",
    "packages[].copyrightText",
    "packages[].summary",
    "packages[].description",
    "packages[].externalRefs[].referenceCategory",
    "packages[].externalRefs[].referenceType",
    "packages[].externalRefs[].referenceLocator",
    "packages[].attributionTexts[]",
    "packages[].annotations[].annotationDate",
    "packages[].annotations[].annotationType",
    "packages[].annotations[].annotator",
    "packages[].annotations[].comment",
    "relationships[].spdxElementId",
    "relationships[].relationshipType",
    "relationships[].relatedSpdxElement",
    "relationships[].comment",
    "annotations[].annotationDate",
    "annotations[].annotationType",
    "annotations[].annotator",
    "annotations[].comment",
];
