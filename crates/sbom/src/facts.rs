//! What a document says about itself, beside what it says about the software: its format and version, its own
//! identifier, and when in the life of the software it was made.
//!
//! Read apart from the [`Inventory`](crate::inventory::Inventory), because two formats say these things in ways that
//! cannot be written back into one another. Refused is what is no document of a known format.

use crate::format::Format;
use crate::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Markers of a few words, before what is listed. Names of phases longer than this are nobody's.
const CONTEXT_CHARS: usize = 200;

/// What a document says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFacts {
    /// The format.
    pub format: Format,
    /// Its version, as the document writes it: `1.6`, `SPDX-2.3`.
    pub version: String,
    /// CycloneDX `serialNumber`, SPDX `documentNamespace`.
    pub identifier: Option<String>,
    /// When in the life of the software it was made: CycloneDX `metadata.lifecycles[]`, in SPDX 2.3 a comment
    /// `SBOM type: …` of the document or of its creation.
    pub contexts: Vec<String>,
    /// Whether it says how complete it is: CycloneDX `compositions[]`. SPDX 2.3 has no field for that.
    pub completeness: Completeness,
    /// How many vulnerabilities it lists: CycloneDX `vulnerabilities[]`.
    pub vulnerabilities: usize,
}

/// Whether a document says how complete it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completeness {
    /// It does.
    Said,
    /// It does not.
    Unsaid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    bom_format: Option<String>,
    spec_version: Option<String>,
    serial_number: Option<String>,
    metadata: Option<Metadata>,
    #[serde(default)]
    compositions: Vec<IgnoredAny>,
    #[serde(default)]
    vulnerabilities: Vec<IgnoredAny>,
    spdx_version: Option<String>,
    document_namespace: Option<String>,
    comment: Option<String>,
    creation_info: Option<CreationInfo>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    lifecycles: Vec<Lifecycle>,
}

#[derive(Deserialize)]
struct Lifecycle {
    phase: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct CreationInfo {
    comment: Option<String>,
}

/// Reads what the document in `bytes` says about itself.
///
/// # Errors
/// Where it is of no format that is known, or cannot be read.
pub fn document_facts(bytes: &[u8]) -> Result<DocumentFacts> {
    const TRIED: &str = "read the head of an SBOM";
    let head: Head =
        serde_json::from_slice(bytes).map_err(|e| Error::new(TRIED, ErrorKind::Malformed(e.to_string())))?;
    let said = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let (format, version, identifier) = match (head.bom_format, head.spdx_version) {
        (Some(_), None) => {
            (Format::CycloneDxJson, head.spec_version.unwrap_or_default(), said(head.serial_number))
        }
        (None, Some(version)) => (Format::SpdxJson, version, said(head.document_namespace)),
        _ => {
            let why = "neither SPDX nor CycloneDX, or both".to_owned();
            return Err(Error::new(TRIED, ErrorKind::Malformed(why)));
        }
    };
    let lifecycles =
        head.metadata.into_iter().flat_map(|m| m.lifecycles).filter_map(|l| said(l.phase.or(l.name)));
    let comments = [head.comment, head.creation_info.and_then(|info| info.comment)];
    let typed = comments.into_iter().flatten().filter_map(|text| sbom_type(&text));
    let contexts = lifecycles.chain(typed).filter(|text| text.len() <= CONTEXT_CHARS).collect();
    let completeness = if head.compositions.is_empty() { Completeness::Unsaid } else { Completeness::Said };
    Ok(DocumentFacts {
        format,
        version,
        identifier,
        contexts,
        completeness,
        vulnerabilities: head.vulnerabilities.len(),
    })
}

/// The word behind `SBOM type:` in a comment.
fn sbom_type(comment: &str) -> Option<String> {
    let lower = comment.to_ascii_lowercase();
    let rest = lower.split_once("sbom type:")?.1.trim_start();
    let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
    ["design", "source", "build", "analyzed", "analysed", "deployed", "runtime"]
        .contains(&word.as_str())
        .then_some(word)
}

impl DocumentFacts {
    /// Whether the format is CycloneDX 1.`minor` or a later version of it.
    pub fn is_cyclonedx_from(&self, minor: u32) -> bool {
        let of_one = self.version.strip_prefix("1.").and_then(|m| m.parse::<u32>().ok());
        self.format == Format::CycloneDxJson && of_one.is_some_and(|found| found >= minor)
    }
}

#[cfg(test)]
mod tests {
    use super::{Completeness, document_facts};
    use crate::Format;

    #[test]
    fn the_head_of_cyclonedx_is_read() {
        let text = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","serialNumber":"urn:uuid:1","components":[{"name":"x"}],
            "metadata":{"lifecycles":[{"phase":"build"},{"name":"quay"},{}]},"compositions":[{"aggregate":"complete"}],
            "vulnerabilities":[{"id":"CVE-1"}]}"#;
        let facts = document_facts(text.as_bytes()).unwrap();
        assert_eq!((facts.format, facts.version.as_str()), (Format::CycloneDxJson, "1.6"));
        assert_eq!(facts.contexts, ["build", "quay"]);
        assert_eq!((facts.completeness, facts.vulnerabilities), (Completeness::Said, 1));
        assert!(facts.is_cyclonedx_from(6) && !facts.is_cyclonedx_from(7));
    }

    #[test]
    fn the_head_of_spdx_is_read() {
        let text = r#"{"spdxVersion":"SPDX-2.3","documentNamespace":"https://example.com/1",
            "creationInfo":{"comment":"SBOM Type: Build, on the quay"},"comment":"SBOM type: moonlight"}"#;
        let facts = document_facts(text.as_bytes()).unwrap();
        assert_eq!(facts.identifier.as_deref(), Some("https://example.com/1"));
        assert_eq!(
            (facts.contexts.as_slice(), facts.completeness),
            (&["build".to_owned()][..], Completeness::Unsaid)
        );
        assert!(!facts.is_cyclonedx_from(0));
    }

    #[test]
    fn a_phase_longer_than_anybodys_is_none() {
        let of = |n: usize| {
            let phase = "x".repeat(n);
            let text = format!(
                r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{{"lifecycles":[{{"name":"{phase}"}}]}}}}"#
            );
            document_facts(text.as_bytes()).unwrap().contexts.len()
        };
        assert_eq!((of(super::CONTEXT_CHARS), of(super::CONTEXT_CHARS + 1)), (1, 0));
    }

    #[test]
    fn what_is_of_no_format_or_of_two_is_refused() {
        for text in ["{}", "[]", r#"{"bomFormat":"CycloneDX","spdxVersion":"SPDX-2.3"}"#, "x"] {
            assert!(document_facts(text.as_bytes()).is_err(), "{text}");
        }
    }
}
