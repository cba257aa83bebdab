//! CycloneDX 1.4 to 1.7 JSON, written and read.
//!
//! What is written is valid for the version's strict schema: the image is `metadata.component`, the operating
//! system a component of its type, evidence its own `evidence.occurrences`; gaps make the composition
//! `incomplete`. The serial number is made of the content's hash. What CycloneDX has no field for stands in
//! properties that begin with `seaworthy:`, so that reading our own document gives the same inventory.
//!
//! Reading flattens nested components, and is tolerant of licences that are no valid expression; versions,
//! limits and duplicate keys it is strict about.

mod files;
#[cfg(feature = "documents")]
mod form;
mod model;
mod read;
mod write;
#[cfg(feature = "documents")]
pub mod xml;

use std::fmt;

#[cfg(feature = "documents")]
pub(crate) use files::hash_is_read as file_hash_is_read;
pub use read::read;
pub use write::write;

/// The namespace of XML, before its version.
#[cfg(feature = "documents")]
const NAMESPACE: &str = "http://cyclonedx.org/schema/bom/";

/// A version of the specification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Version {
    /// 1.4.
    V1_4,
    /// 1.5: occurrences of a component, lifecycles.
    V1_5,
    /// 1.6: who says a licence, authors as a list, the manufacturer of the document.
    #[default]
    V1_6,
    /// 1.7: for what is written here the same as 1.6.
    V1_7,
}

impl Version {
    /// Every version, the oldest first.
    pub const ALL: [Self; 4] = [Self::V1_4, Self::V1_5, Self::V1_6, Self::V1_7];

    /// As documents write it: `1.6`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1_4 => "1.4",
            Self::V1_5 => "1.5",
            Self::V1_6 => "1.6",
            Self::V1_7 => "1.7",
        }
    }

    /// The version of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|v| v.name() == name)
    }

    /// The version of the document in XML whose outermost element is `root`, of that namespace; `None`: it is none of
    /// CycloneDX's, or of a version that is not known.
    #[cfg(feature = "documents")]
    pub(crate) fn of_xml(namespace: &str, root: &crate::xml::Element) -> Option<Self> {
        namespace.strip_prefix(NAMESPACE).and_then(Self::from_name).filter(|_| root.is("bom"))
    }

    const fn schema(self) -> &'static str {
        match self {
            Self::V1_4 => "http://cyclonedx.org/schema/bom-1.4.schema.json",
            Self::V1_5 => "http://cyclonedx.org/schema/bom-1.5.schema.json",
            Self::V1_6 => "http://cyclonedx.org/schema/bom-1.6.schema.json",
            Self::V1_7 => "http://cyclonedx.org/schema/bom-1.7.schema.json",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The component that a reference names: of this document, or of another (`urn:cdx:SERIAL/VERSION#REF`, a BOM-Link, with
/// `%XX` read; what is no escape stays as it is).
pub fn component(reference: &str) -> String {
    let Some((_, inner)) = reference.strip_prefix("urn:cdx:").and_then(|link| link.split_once('#')) else {
        return reference.to_owned();
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [a, b, ..]) => {
                std::str::from_utf8(&[*a, *b]).ok().and_then(|t| u8::from_str_radix(t, 16).ok())
            }
            _ => None,
        };
        rest = if escaped.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
        out.push(escaped.unwrap_or(*first));
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether a component's reference of that type has a place in an inventory.
#[cfg(feature = "documents")]
pub(crate) fn reference_is_read(kind: &str) -> bool {
    matches!(kind, "website" | "distribution")
}

/// What the format has no field for, of a component.
pub(crate) const EXTRA: &str = "seaworthy:extra";
/// The bom-ref of a component that this one brought.
pub(crate) const CONTAINS: &str = "seaworthy:contains";
/// The digest of the layer that brought a component.
pub(crate) const LAYER: &str = "seaworthy:layer";
/// A checksum whose algorithm CycloneDX does not know, as `algorithm:hex`.
pub(crate) const CHECKSUM: &str = "seaworthy:checksum";
/// What the format has no field for, of a file.
pub(crate) const FILE: &str = "seaworthy:file";
/// What the format has no field for, of the document.
pub(crate) const DOCUMENT: &str = "seaworthy:document";
/// One gap each.
pub(crate) const GAP: &str = "seaworthy:gap";
const IMAGE: &str = "seaworthy:image";
const OS: &str = "seaworthy:os";

/// The fields of a document that an inventory has a place for, or that say nothing beyond the format.
#[cfg(feature = "documents")]
pub(crate) const READ: &[&str] = &[
    "$schema",
    "bomFormat",
    "specVersion",
    "serialNumber",
    "version",
    "metadata.timestamp",
    "metadata.tools.components[].type",
    "metadata.tools.components[].name",
    "metadata.tools.components[].version",
    "metadata.tools[].name",
    "metadata.tools[].version",
    "metadata.manufacturer.name",
    "metadata.manufacturer.contact[].email",
    "metadata.authors[].name",
    "metadata.authors[].email",
    "metadata.component.type",
    "metadata.component.bom-ref",
    "metadata.component.name",
    "metadata.component.version",
    "metadata.component.purl",
    "metadata.component.supplier.name",
    "metadata.component.supplier.contact[].email",
    "metadata.component.hashes[].alg",
    "metadata.component.hashes[].content",
    "files[].type",
    "files[].bom-ref",
    "files[].name",
    "files[].hashes[].alg",
    "files[].hashes[].content",
    "components[].type",
    "components[].bom-ref",
    "components[].supplier.name",
    "components[].supplier.contact[].email",
    "components[].authors[].name",
    "components[].authors[].email",
    "components[].author",
    "components[].publisher",
    "components[].group",
    "components[].name",
    "components[].version",
    "components[].description",
    "components[].hashes[].alg",
    "components[].hashes[].content",
    "components[].licenses[].license.id",
    "components[].licenses[].license.name",
    "components[].licenses[].license.acknowledgement",
    "components[].licenses[].expression",
    "components[].licenses[].acknowledgement",
    "components[].copyright",
    "components[].cpe",
    "components[].purl",
    "components[].externalReferences[].type",
    "components[].externalReferences[].url",
    "components[].evidence.occurrences[].location",
    "components[].evidence.occurrences[].additionalContext",
    "components[].properties[].name",
    "components[].properties[].value",
    "dependencies[].ref",
    "dependencies[].dependsOn[]",
    "compositions[].aggregate",
    "compositions[].assemblies[]",
];
