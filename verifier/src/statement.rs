//! What was signed, read strictly: in-toto statements and what they are about.
//!
//! Refuses payloads with duplicate keys (two parsers would read two statements), other statement types than
//! in-toto's, statements without subjects, and more subjects than anybody needs. Whether to believe a
//! statement is not decided here; see `check`.

use crate::limits;
use seaworthy_oci::{Algorithm, Digest, strict};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

/// The payload type of DSSE envelopes that hold in-toto statements.
pub(crate) const IN_TOTO: &str = "application/vnd.in-toto+json";

/// A statement as it stands in a payload. It proves nothing by itself.
#[derive(Debug)]
pub(crate) struct Statement {
    payload: Vec<u8>,
    predicate: Range<usize>,
    pub(crate) predicate_type: PredicateType,
    subjects: Vec<BTreeMap<String, String>>,
}

impl Statement {
    /// Reads `payload`; the predicate stays where it is.
    pub(crate) fn parse(payload: Vec<u8>) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Wire<'a> {
            #[serde(rename = "_type", borrow)]
            kind: Cow<'a, str>,
            subject: Vec<Subject>,
            #[serde(rename = "predicateType", borrow)]
            predicate_type: Cow<'a, str>,
            #[serde(borrow)]
            predicate: Option<&'a RawValue>,
        }
        #[derive(Deserialize)]
        struct Subject {
            #[serde(default)]
            digest: BTreeMap<String, String>,
        }
        let wire: Wire<'_> = strict::from_slice(&payload)?;
        if !matches!(&*wire.kind, "https://in-toto.io/Statement/v1" | "https://in-toto.io/Statement/v0.1") {
            let kind: String = wire.kind.chars().take(100).collect();
            return Err(format!("its _type '{}' is not in-toto's", kind.escape_debug()));
        }
        if wire.subject.is_empty() {
            return Err("it has no subject".into());
        }
        if wire.subject.len() > limits::STATEMENT_SUBJECTS {
            return Err(format!(
                "it has {} subjects, more than the limit STATEMENT_SUBJECTS = {}",
                wire.subject.len(),
                limits::STATEMENT_SUBJECTS
            ));
        }
        let predicate_type = PredicateType::from_uri(&wire.predicate_type);
        // Where the predicate begins within the payload it was borrowed from.
        let predicate = wire.predicate.map_or(0..0, |raw| {
            let start = (raw.get().as_ptr() as usize).saturating_sub(payload.as_ptr() as usize);
            start..start + raw.get().len()
        });
        let subjects = wire.subject.into_iter().map(|s| s.digest).collect();
        Ok(Self { predicate, predicate_type, subjects, payload })
    }

    /// The predicate's bytes; empty where there is none.
    pub(crate) fn predicate(&self) -> &[u8] {
        self.payload.get(self.predicate.clone()).unwrap_or_default()
    }

    /// Whether it is about `digest`.
    pub(crate) fn is_about(&self, digest: &Digest) -> bool {
        let algorithm = match digest.algorithm() {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        };
        self.subjects.iter().any(|s| s.get(algorithm).is_some_and(|hex| hex == digest.hex()))
    }

    /// The first subject, for messages.
    pub(crate) fn first_subject(&self) -> String {
        let first = self.subjects.first().and_then(|s| s.iter().next());
        first.map_or_else(
            || "nothing with a digest".into(),
            |(algorithm, hex)| {
                let text: String = format!("{algorithm}:{hex}").chars().take(140).collect();
                text.escape_debug().to_string()
            },
        )
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(kind: &str, subjects: usize) -> String {
        let subject = format!(r#"{{"digest":{{"sha256":"{}"}}}}"#, "a".repeat(64));
        format!(
            r#"{{"_type":"{kind}","subject":[{}],"predicateType":"https://spdx.dev/Document/v2.3","predicate":{{"a":[1]}}}}"#,
            vec![subject; subjects].join(",")
        )
    }

    #[test]
    fn a_statement_has_one_reading() {
        let good = statement("https://in-toto.io/Statement/v1", 1);
        let read = Statement::parse(good.clone().into_bytes()).unwrap();
        assert_eq!(read.predicate(), br#"{"a":[1]}"#);
        assert_eq!(read.predicate_type, PredicateType::Spdx);
        assert!(read.is_about(&format!("sha256:{}", "a".repeat(64)).parse().unwrap()));
        assert!(!read.is_about(&format!("sha256:{}", "b".repeat(64)).parse().unwrap()));
        for bad in [
            good.replace(r#""_type""#, r#""_type":"x","_type""#),
            good.replace(r#""sha256""#, r#""sha256":"00","sha256""#),
            good.replace("in-toto.io", "evil.example"),
            statement("https://in-toto.io/Statement/v1", 0),
            format!("{good}{good}"),
            "not json".into(),
            String::new(),
        ] {
            assert!(Statement::parse(bad.clone().into_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn subjects_are_bounded_at_limit_plus_one() {
        let v1 = "https://in-toto.io/Statement/v1";
        assert!(Statement::parse(statement(v1, limits::STATEMENT_SUBJECTS).into_bytes()).is_ok());
        let error = Statement::parse(statement(v1, limits::STATEMENT_SUBJECTS + 1).into_bytes()).unwrap_err();
        assert!(error.contains("STATEMENT_SUBJECTS"), "{error}");
    }

    #[test]
    fn families_do_not_leak() {
        assert_eq!(PredicateType::from_uri("https://spdx.dev/Document/v2.3"), PredicateType::Spdx);
        let near = "https://spdx.dev/DocumentX";
        assert_eq!(PredicateType::from_uri(near), PredicateType::Uri(near.into()));
        assert!(PredicateType::from_name("spdxx").is_err());
        assert_eq!(
            PredicateType::from_name("https://example.com/t").unwrap(),
            PredicateType::Uri("https://example.com/t".into())
        );
    }
}
