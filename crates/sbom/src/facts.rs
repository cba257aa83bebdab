//! What a document says about itself, beside what it says about the software: its format and version, its own
//! identifier, and when in the life of the software it was made.
//!
//! Read apart from the [`Inventory`](crate::inventory::Inventory), because two formats say these things in ways that
//! cannot be written back into one another. Refused is what is no document of a known format.

use crate::format::Format;
use crate::quality::{Element, SAMPLE};
use crate::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use std::fmt;

/// Markers of a few words, before what is listed. Names of phases longer than this are nobody's.
const CONTEXT_CHARS: usize = 200;

/// What a package of SPDX 2 may say openly that nobody knows.
const OPEN: [Element; 4] =
    [Element::DownloadLocation, Element::LicenseConcluded, Element::LicenseDeclared, Element::CopyrightText];

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
    /// Whether it says how complete it is: CycloneDX `compositions[]`, SPDX 3 `completeness` of every relationship
    /// `contains` and `dependsOn`. SPDX 2.3 has no field for that.
    pub completeness: Completeness,
    /// How many vulnerabilities it lists: CycloneDX `vulnerabilities[]`, SPDX 3 elements of its security profile.
    pub vulnerabilities: usize,
    /// What packages of SPDX 2 leave out, where the format lets them say openly that nobody knows: in this order
    /// download location, concluded licence, declared licence, copyright text. Empty in other formats.
    pub left_out: Vec<(Element, Unsaid)>,
}

/// Packages that leave something out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unsaid {
    /// How many.
    pub packages: usize,
    /// The first of them by name, at most [`SAMPLE`].
    pub sample: Vec<String>,
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
    #[serde(default)]
    packages: LeftOut,
    #[serde(rename = "@context")]
    context: Option<String>,
    #[serde(default, rename = "@graph")]
    graph: Graph,
}

/// What a package of SPDX 2 says or leaves out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said {
    #[serde(default)]
    name: String,
    download_location: Option<IgnoredAny>,
    license_concluded: Option<IgnoredAny>,
    license_declared: Option<IgnoredAny>,
    copyright_text: Option<IgnoredAny>,
}

/// What the packages leave out, counted as they are read.
#[derive(Default)]
struct LeftOut([Unsaid; 4]);

/// An element of SPDX 3.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Node {
    #[serde(default, rename = "type", alias = "@type")]
    kind: String,
    #[serde(default, alias = "@id")]
    spdx_id: Option<String>,
    spec_version: Option<String>,
    #[serde(default, rename = "software_sbomType")]
    sbom_type: Vec<String>,
    relationship_type: Option<String>,
    completeness: Option<IgnoredAny>,
}

/// What the elements of SPDX 3 say together.
#[derive(Default)]
struct Graph {
    version: Option<String>,
    document: Option<String>,
    contexts: Vec<String>,
    /// Relationships that say how complete they are, and those that do not.
    complete: usize,
    unsaid: usize,
    vulnerabilities: usize,
}

/// Calls `take` for each item of a list, which is never held as a whole.
fn each<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    d: D,
    take: impl FnMut(T),
) -> std::result::Result<(), D::Error> {
    struct Each<T, F>(F, std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Each<T, F> {
        type Value = ();
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> std::result::Result<(), A::Error> {
            while let Some(item) = seq.next_element()? {
                (self.0)(item);
            }
            Ok(())
        }
    }
    d.deserialize_seq(Each(take, std::marker::PhantomData))
}

impl<'de> Deserialize<'de> for LeftOut {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut out = Self::default();
        each(deserializer, |said: Said| {
            let fields = [
                &said.download_location,
                &said.license_concluded,
                &said.license_declared,
                &said.copyright_text,
            ];
            for (unsaid, field) in out.0.iter_mut().zip(fields) {
                if field.is_none() {
                    unsaid.packages += 1;
                    if unsaid.sample.len() < SAMPLE {
                        unsaid.sample.push(said.name.chars().take(CONTEXT_CHARS).collect());
                    }
                }
            }
        })?;
        Ok(out)
    }
}

impl<'de> Deserialize<'de> for Graph {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut out = Self::default();
        each(deserializer, |node: Node| match node.kind.as_str() {
            "CreationInfo" => out.version = out.version.take().or(node.spec_version),
            "SpdxDocument" => out.document = out.document.take().or(node.spdx_id),
            "software_Sbom" if out.contexts.len() < SAMPLE => out.contexts.extend(node.sbom_type),
            "Relationship" | "LifecycleScopedRelationship"
                if matches!(node.relationship_type.as_deref(), Some("contains" | "dependsOn")) =>
            {
                let count = if node.completeness.is_some() { &mut out.complete } else { &mut out.unsaid };
                *count += 1;
            }
            kind if kind.starts_with("security_") => out.vulnerabilities += 1,
            _ => {}
        })?;
        Ok(out)
    }
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

/// Whether a JSON-LD context is one of SPDX 3, of any version: whether it can be read is decided by who reads it.
pub(crate) fn is_spdx3(context: &str) -> bool {
    context.starts_with("https://spdx.org/rdf/3.")
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
    let spdx3 = head.context.as_deref().is_some_and(is_spdx3);
    let (format, version, identifier) = match (head.bom_format, head.spdx_version, spdx3) {
        (Some(_), None, false) => {
            (Format::CycloneDxJson, head.spec_version.unwrap_or_default(), said(head.serial_number))
        }
        (None, Some(version), false) => (Format::SpdxJson, version, said(head.document_namespace)),
        (None, None, true) => {
            let version = format!("SPDX-{}", head.graph.version.as_deref().unwrap_or_default());
            (Format::SpdxJson, version, said(head.graph.document.clone()))
        }
        _ => {
            let why = "neither SPDX nor CycloneDX, or both".to_owned();
            return Err(Error::new(TRIED, ErrorKind::Malformed(why)));
        }
    };
    let lifecycles =
        head.metadata.into_iter().flat_map(|m| m.lifecycles).filter_map(|l| said(l.phase.or(l.name)));
    let comments = [head.comment, head.creation_info.and_then(|info| info.comment)];
    let typed = comments.into_iter().flatten().filter_map(|text| sbom_type(&text));
    let contexts = lifecycles.chain(typed).chain(head.graph.contexts);
    let contexts = contexts.filter(|text| text.len() <= CONTEXT_CHARS).collect();
    let told = !head.compositions.is_empty() || (head.graph.complete > 0 && head.graph.unsaid == 0);
    let completeness = if told { Completeness::Said } else { Completeness::Unsaid };
    let spdx2 = format == Format::SpdxJson && !spdx3;
    let left_out = if spdx2 { OPEN.into_iter().zip(head.packages.0).collect() } else { Vec::new() };
    Ok(DocumentFacts {
        format,
        version,
        identifier,
        contexts,
        completeness,
        vulnerabilities: head.vulnerabilities.len() + head.graph.vulnerabilities,
        left_out,
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

    /// Whether the format is SPDX 2.2 or 2.3.
    pub fn is_spdx2(&self) -> bool {
        matches!(self.version.as_str(), "SPDX-2.2" | "SPDX-2.3")
    }

    /// Whether the format is SPDX 3.0.1 or a later version of it.
    pub fn is_spdx3(&self) -> bool {
        self.version.strip_prefix("SPDX-3.").is_some_and(|rest| rest != "0.0" && !rest.is_empty())
    }

    /// The packages that leave `element` out; `None` where the format has no such field.
    pub fn unsaid(&self, element: Element) -> Option<&Unsaid> {
        self.left_out.iter().find(|(of, _)| *of == element).map(|(_, unsaid)| unsaid)
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
    fn the_head_of_spdx_3_is_its_elements() {
        let text = |completeness: &str| {
            format!(
                r#"{{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[
                {{"type":"CreationInfo","@id":"_:c","specVersion":"3.0.1"}},
                {{"type":"SpdxDocument","spdxId":"https://example.com/1"}},
                {{"type":"software_Sbom","spdxId":"urn:2","software_sbomType":["analyzed"]}},
                {{"type":"security_Vulnerability","spdxId":"urn:3"}},
                {{"type":"Relationship","spdxId":"urn:4","relationshipType":"hasDeclaredLicense"}},
                {{"type":"Relationship","spdxId":"urn:5","relationshipType":"contains"{completeness}}}]}}"#
            )
        };
        let facts = document_facts(text(r#","completeness":"incomplete""#).as_bytes()).unwrap();
        assert!(facts.is_spdx3() && !facts.is_spdx2());
        assert_eq!(
            (facts.version.as_str(), facts.identifier.as_deref()),
            ("SPDX-3.0.1", Some("https://example.com/1"))
        );
        assert_eq!((facts.contexts.as_slice(), facts.vulnerabilities), (&["analyzed".to_owned()][..], 1));
        assert_eq!(facts.completeness, Completeness::Said);
        assert_eq!(document_facts(text("").as_bytes()).unwrap().completeness, Completeness::Unsaid);
    }

    #[test]
    fn what_packages_of_spdx_leave_out_is_counted() {
        let text = r#"{"spdxVersion":"SPDX-2.3","packages":[
            {"name":"a","downloadLocation":"NOASSERTION","licenseConcluded":"NONE","copyrightText":""},
            {"name":"b","licenseDeclared":"MIT"}]}"#;
        let facts = document_facts(text.as_bytes()).unwrap();
        let left: Vec<_> =
            facts.left_out.iter().map(|(e, u)| (e.code(), u.packages, u.sample.join(","))).collect();
        let of = |code: &'static str, packages, sample: &str| (code, packages, sample.to_owned());
        assert_eq!(
            left,
            [
                of("download-location", 1, "b"),
                of("license-concluded", 1, "b"),
                of("license-declared", 1, "a"),
                of("copyright-text", 1, "b"),
            ]
        );
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
