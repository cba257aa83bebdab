//! Signed statements, read strictly.
use serde::{Serialize, Serializer};
use std::fmt;

/// What a statement is about, with families where the world writes one type in several ways.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PredicateType {
    /// cosign's image signature, `https://sigstore.dev/cosign/sign/v1`.
    CosignSign,
    /// An SPDX document: `https://spdx.dev/Document` and versions below it.
    Spdx,
    /// A CycloneDX document: `https://cyclonedx.org/bom` and versions below it.
    CycloneDx,
    /// SLSA provenance v1.
    SlsaProvenance1,
    /// SLSA provenance v0.2.
    SlsaProvenance02,
    /// cosign's vulnerability report.
    Vuln,
    /// OpenVEX: `https://openvex.dev/ns` and versions below it.
    OpenVex,
    /// in-toto link.
    Link,
    /// cosign's wrapper for anything.
    Custom,
    /// Any other URI, compared exactly.
    Uri(String),
}

impl PredicateType {
    /// From the URI in a statement.
    pub fn from_uri(uri: &str) -> Self {
        let family =
            |base: &str| uri.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match uri {
            "https://sigstore.dev/cosign/sign/v1" => Self::CosignSign,
            "https://slsa.dev/provenance/v1" => Self::SlsaProvenance1,
            "https://slsa.dev/provenance/v0.2" => Self::SlsaProvenance02,
            "https://cosign.sigstore.dev/attestation/vuln/v1" => Self::Vuln,
            "https://in-toto.io/Link/v1" => Self::Link,
            "https://cosign.sigstore.dev/attestation/v1" => Self::Custom,
            _ if family("https://spdx.dev/Document") => Self::Spdx,
            _ if family("https://cyclonedx.org/bom") => Self::CycloneDx,
            _ if family("https://openvex.dev/ns") => Self::OpenVex,
            _ => Self::Uri(uri.to_owned()),
        }
    }

    /// From a name as people write it: `spdx`, `spdxjson`, `cyclonedx`, `slsaprovenance`, `slsaprovenance1`,
    /// `slsaprovenance02`, `vuln`, `openvex`, `link`, `custom`, or a URI.
    ///
    /// # Errors
    /// In words, for anything else.
    pub fn from_name(name: &str) -> Result<Self, String> {
        Ok(match name {
            "spdx" | "spdxjson" => Self::Spdx,
            "cyclonedx" => Self::CycloneDx,
            // cosign's short name; it means 0.2 there.
            "slsaprovenance" | "slsaprovenance02" => Self::SlsaProvenance02,
            "slsaprovenance1" => Self::SlsaProvenance1,
            "vuln" => Self::Vuln,
            "openvex" => Self::OpenVex,
            "link" => Self::Link,
            "custom" => Self::Custom,
            uri if uri.split_once(':').is_some_and(|(scheme, rest)| {
                !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()) && !rest.is_empty()
            }) && !uri.contains(char::is_whitespace) =>
            {
                Self::from_uri(uri)
            }
            other => return Err(format!("'{}' is neither a known type nor a URI", other.escape_debug())),
        })
    }

    /// The URI, for families the usual one.
    pub fn uri(&self) -> &str {
        match self {
            Self::CosignSign => "https://sigstore.dev/cosign/sign/v1",
            Self::Spdx => "https://spdx.dev/Document",
            Self::CycloneDx => "https://cyclonedx.org/bom",
            Self::SlsaProvenance1 => "https://slsa.dev/provenance/v1",
            Self::SlsaProvenance02 => "https://slsa.dev/provenance/v0.2",
            Self::Vuln => "https://cosign.sigstore.dev/attestation/vuln/v1",
            Self::OpenVex => "https://openvex.dev/ns",
            Self::Link => "https://in-toto.io/Link/v1",
            Self::Custom => "https://cosign.sigstore.dev/attestation/v1",
            Self::Uri(uri) => uri,
        }
    }

    /// Whether it is an SBOM of either format.
    pub fn is_sbom(&self) -> bool {
        matches!(self, Self::Spdx | Self::CycloneDx)
    }
}

impl fmt::Display for PredicateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CosignSign => "signature",
            Self::Spdx => "spdx",
            Self::CycloneDx => "cyclonedx",
            Self::SlsaProvenance1 => "slsaprovenance1",
            Self::SlsaProvenance02 => "slsaprovenance02",
            Self::Vuln => "vuln",
            Self::OpenVex => "openvex",
            Self::Link => "link",
            Self::Custom => "custom",
            Self::Uri(uri) => uri,
        })
    }
}

impl Serialize for PredicateType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.uri())
    }
}
