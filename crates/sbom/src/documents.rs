//! Every kind of document that people exchange, read, written and converted.
//!
//! Attestations carry JSON of two formats ([`crate::format`]), and the verifier reads nothing else. Here are the
//! others: other notations (tag-value, XML), other versions, other tools' own formats, and one that a forge wants
//! (GitHub's dependency snapshot). [`read`] recognises what it is given and counts what an inventory cannot hold;
//! [`aside`] names what a target cannot say in fields that others read.

use crate::inventory::Inventory;
use crate::losses::Losses;
use crate::spdx::tagvalue::Texts;
use crate::spdx3;
use crate::{
    Error, ErrorKind, Format, Layout, Result, WriteOptions, cyclonedx, format, github, json, spdx, syft,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::str::FromStr;

/// Where SPDX gives the texts of licences that are none of its list.
const TEXTS: &str = "hasExtractedLicensingInfos";

const TRIED: &str = "read the SBOM";

/// The top-level keys by which JSON of the kinds beyond [`crate::format`] is known.
#[derive(Deserialize)]
struct Marks {
    #[serde(default)]
    artifacts: Option<IgnoredAny>,
    #[serde(default)]
    descriptor: Option<IgnoredAny>,
    #[serde(default)]
    schema: Option<IgnoredAny>,
    #[serde(default, rename = "@context")]
    context: Option<Value>,
    #[serde(default, rename = "@graph")]
    graph: Option<IgnoredAny>,
}

impl Marks {
    fn is_syft(&self) -> bool {
        self.artifacts.is_some() && self.descriptor.is_some() && self.schema.is_some()
    }

    fn is_spdx3(&self) -> bool {
        let context = self.context.as_ref().and_then(Value::as_str);
        self.graph.is_some() && context.is_some_and(crate::facts::is_spdx3)
    }
}

/// A kind of document, with its version where several are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// SPDX 2.3 as JSON.
    SpdxJson,
    /// SPDX 2.3 as tag and value.
    SpdxTagValue,
    /// SPDX 3.0.1 as JSON-LD.
    Spdx3Json,
    /// CycloneDX as JSON.
    CycloneDxJson(cyclonedx::Version),
    /// CycloneDX as XML.
    CycloneDxXml(cyclonedx::Version),
    /// GitHub's dependency snapshot; written alone.
    GitHub,
    /// syft's own JSON; read alone.
    Syft,
}

impl Kind {
    /// The names by which kinds are chosen for writing; those of CycloneDX take `@1.4` to `@1.7` after them.
    pub const WRITTEN: [&'static str; 6] =
        ["spdx-json", "spdx-tag-value", "spdx-3-json", "cyclonedx-json", "cyclonedx-xml", "github-json"];

    /// The name without a version.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SpdxJson => "spdx-json",
            Self::SpdxTagValue => "spdx-tag-value",
            Self::Spdx3Json => "spdx-3-json",
            Self::CycloneDxJson(_) => "cyclonedx-json",
            Self::CycloneDxXml(_) => "cyclonedx-xml",
            Self::GitHub => "github-json",
            Self::Syft => "syft-json",
        }
    }

    /// Whether it can be written.
    pub const fn is_written(self) -> bool {
        !matches!(self, Self::Syft)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CycloneDxJson(version) | Self::CycloneDxXml(version) => {
                write!(f, "{}@{version}", self.name())
            }
            _ => f.write_str(self.name()),
        }
    }
}

impl FromStr for Kind {
    type Err = Error;

    /// `spdx-json`, `cyclonedx-xml@1.5`, and the names that other tools use for them.
    fn from_str(text: &str) -> Result<Self> {
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let cyclonedx = match version {
            None => Some(cyclonedx::Version::default()),
            Some(version) => cyclonedx::Version::from_name(version),
        };
        let spdx = matches!(version, None | Some("2.3"));
        let kind = match (name.to_ascii_lowercase().as_str(), cyclonedx) {
            ("spdx-tag-value" | "spdx-tv" | "spdx-tagvalue", _) if spdx => Some(Self::SpdxTagValue),
            ("spdx-3-json" | "spdx3-json" | "spdx3", _)
                if matches!(version, None | Some("3.0" | "3.0.1")) =>
            {
                Some(Self::Spdx3Json)
            }
            ("spdx-json", _) if matches!(version, Some("3.0" | "3.0.1")) => Some(Self::Spdx3Json),
            ("github-json" | "github", _) if version.is_none() => Some(Self::GitHub),
            ("cyclonedx-xml" | "cdx-xml" | "cyclonedxxml", Some(version)) => {
                Some(Self::CycloneDxXml(version))
            }
            (name, cyclonedx) => match (Format::from_name(name), cyclonedx) {
                (Some(Format::SpdxJson), _) if spdx => Some(Self::SpdxJson),
                (Some(Format::CycloneDxJson), Some(version)) => Some(Self::CycloneDxJson(version)),
                _ => None,
            },
        };
        kind.ok_or_else(|| {
            let shown: String = text.chars().take(60).collect();
            Error::new(
                "choose a format",
                ErrorKind::UnknownFormat(format!(
                    "'{}' is no SBOM format that is written here",
                    shown.escape_debug()
                )),
            )
            .hint(format!(
                "the formats are {}; CycloneDX in versions 1.4 to 1.7, as cyclonedx-json@1.5",
                Self::WRITTEN.join(", ")
            ))
        })
    }
}

/// Reads a document of whichever kind.
///
/// # Errors
/// [`ErrorKind::UnknownFormat`] for anything else, and what the reader of the kind gives.
pub fn read(bytes: &[u8]) -> Result<(Kind, Inventory, Losses)> {
    let mut losses = Losses::default();
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let start = bytes.iter().copied().find(|b| !b.is_ascii_whitespace());
    if start == Some(b'<') {
        let (version, inventory) = cyclonedx::xml::read(bytes, &mut losses)?;
        return Ok((Kind::CycloneDxXml(version), inventory, losses));
    }
    if start != Some(b'{') && looks_like_tag_value(bytes) {
        let (inventory, texts) = spdx::tagvalue::read(bytes, &mut losses)?;
        losses.add_many(TEXTS, texts_lost(&texts, &inventory)?);
        return Ok((Kind::SpdxTagValue, inventory, losses));
    }
    if start == Some(b'{') {
        json::guard(TRIED, bytes)?;
        let marks: Marks = json::parse(TRIED, bytes)?;
        if marks.is_syft() {
            let inventory = syft::read(bytes, &mut losses)?;
            return Ok((Kind::Syft, inventory, losses));
        }
        if marks.is_spdx3() {
            let inventory = spdx3::read(bytes, &mut losses)?;
            return Ok((Kind::Spdx3Json, inventory, losses));
        }
    }
    let (format, inventory) = format::read(bytes)?;
    let document: Value = json::parse(TRIED, bytes)?;
    let kind = match format {
        Format::SpdxJson => Kind::SpdxJson,
        Format::CycloneDxJson => {
            let version = document.get("specVersion").and_then(Value::as_str);
            Kind::CycloneDxJson(version.and_then(cyclonedx::Version::from_name).unwrap_or_default())
        }
    };
    let known = match format {
        Format::SpdxJson => spdx::READ,
        Format::CycloneDxJson => cyclonedx::READ,
    };
    count(&document, known, &mut losses);
    if format == Format::SpdxJson {
        losses.add_many(TEXTS, texts_lost(&texts(&document), &inventory)?);
    }
    Ok((kind, inventory, losses))
}

/// The ids of licences with the texts that an SPDX document gives for them.
fn texts(document: &Value) -> Texts {
    let all = document.get(TEXTS).and_then(Value::as_array);
    let text = |info: &Value, key: &str| info.get(key).and_then(Value::as_str).map(str::to_owned);
    all.into_iter()
        .flatten()
        .filter_map(|info| Some((text(info, "licenseId")?, text(info, "extractedText")?)))
        .collect()
}

/// How many of these texts writing the inventory again does not give back.
fn texts_lost(before: &Texts, inventory: &Inventory) -> Result<u64> {
    if before.is_empty() {
        return Ok(0);
    }
    let mut bytes = Vec::new();
    write(Kind::SpdxJson, inventory, Layout::Compact, &mut bytes)?;
    let again: Value = json::parse("read the SBOM back", &bytes)?;
    Ok(before.difference(&texts(&again)).count() as u64)
}

fn looks_like_tag_value(bytes: &[u8]) -> bool {
    let head = String::from_utf8_lossy(bytes.get(..4096.min(bytes.len())).unwrap_or_default()).into_owned();
    head.lines().any(|line| line.trim_start().starts_with("SPDXVersion:"))
}

/// Writes an inventory as a document of that kind.
///
/// # Errors
/// [`ErrorKind::Unsupported`] for a kind that is only read, or a value that the notation cannot hold;
/// [`ErrorKind::Io`].
pub fn write(kind: Kind, inventory: &Inventory, layout: Layout, out: impl Write) -> Result<()> {
    match kind {
        Kind::SpdxJson => spdx::write(inventory, &WriteOptions::new(layout), out),
        Kind::CycloneDxJson(version) => {
            cyclonedx::write(inventory, &WriteOptions::new(layout).cyclonedx(version), out)
        }
        Kind::SpdxTagValue => spdx::tagvalue::write(inventory, out),
        Kind::Spdx3Json => spdx3::write(inventory, layout, out),
        Kind::CycloneDxXml(version) => cyclonedx::xml::write(inventory, version, out),
        Kind::GitHub => github::write(inventory, &github::Snapshot::default(), layout, out),
        Kind::Syft => Err(Error::new(
            "write the SBOM",
            ErrorKind::Unsupported("syft's own format is read and not written".to_owned()),
        )
        .hint("write spdx-json or cyclonedx-json, which syft reads")),
    }
}

/// What `kind` has no field for in this inventory. SPDX and CycloneDX carry it in annotations and properties that
/// Seaworthy reads back, so that it is there, and nobody else sees it; a GitHub snapshot does not carry it at all.
///
/// # Errors
/// As [`write`].
pub fn aside(kind: Kind, inventory: &Inventory) -> Result<Losses> {
    let mut losses = Losses::default();
    let document = match kind {
        Kind::GitHub => {
            github::losses(inventory, &mut losses);
            return Ok(losses);
        }
        Kind::Syft => return Ok(losses),
        Kind::SpdxTagValue | Kind::SpdxJson => Kind::SpdxJson,
        Kind::Spdx3Json => Kind::Spdx3Json,
        Kind::CycloneDxJson(version) | Kind::CycloneDxXml(version) => Kind::CycloneDxJson(version),
    };
    let mut bytes = Vec::new();
    write(document, inventory, Layout::Compact, &mut bytes)?;
    let written: Value = json::parse("read the SBOM back", &bytes)?;
    let mut extras = |text: &str, of: &str| {
        if let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(text) {
            for name in fields.keys() {
                losses.add(&format!("{of}.{name}"));
            }
        }
    };
    each_string(&written, &mut |key, name, text| match document {
        Kind::SpdxJson | Kind::Spdx3Json if key == "comment" || key == "statement" => {
            if let Some(text) = text.strip_prefix(spdx::PACKAGE_MARK) {
                extras(text, "package");
            } else if let Some(text) = text.strip_prefix(spdx::DOCUMENT_MARK) {
                extras(text, "document");
            } else if let Some(text) = text.strip_prefix(crate::files::FILE_MARK) {
                extras(text, "file");
            } else if text.starts_with(spdx::GAP_MARK) {
                extras("{\"gap\":0}", "document");
            }
        }
        Kind::CycloneDxJson(_) if key == "value" => match name {
            Some(cyclonedx::EXTRA) => extras(text, "package"),
            Some(cyclonedx::DOCUMENT) => extras(text, "document"),
            Some(cyclonedx::FILE) => extras(text, "file"),
            Some(cyclonedx::GAP) => extras("{\"gap\":0}", "document"),
            Some(cyclonedx::LAYER) => extras("{\"layer\":0}", "package"),
            Some(cyclonedx::CHECKSUM) => extras("{\"checksum\":0}", "package"),
            Some(cyclonedx::CONTAINS) => extras("{\"contains\":0}", "package"),
            _ => {}
        },
        _ => {}
    });
    Ok(losses)
}

/// Calls `each` for every string in `value`, with its key and the `name` beside it. The depth was bounded when the
/// value was parsed.
fn each_string(value: &Value, each: &mut impl FnMut(&str, Option<&str>, &str)) {
    match value {
        Value::Object(fields) => {
            let name = fields.get("name").and_then(Value::as_str);
            for (key, value) in fields {
                match value {
                    Value::String(text) => each(key, name, text),
                    other => each_string(other, each),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each_string(item, each)),
        _ => {}
    }
}

/// Counts what a document in JSON's form holds beyond the fields `known`.
pub(crate) fn count(document: &Value, known: &[&'static str], losses: &mut Losses) {
    walk(document, String::new(), &known.iter().copied().collect(), losses);
}

/// Counts every field of `value` that is not among `known`. A path is written `components[].name`; components
/// within components count as components.
fn walk(value: &Value, path: String, known: &BTreeSet<&'static str>, losses: &mut Losses) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = match (path.as_str(), key.as_str()) {
                    ("", key) => key.to_owned(),
                    ("components[]" | "files[]", "components") => "components".to_owned(),
                    (path, key) => format!("{path}.{key}"),
                };
                walk(value, path, known, losses);
            }
        }
        Value::Array(items) => {
            let path = format!("{path}[]");
            let inside = known.iter().any(|k| k.starts_with(path.as_str()));
            if !inside
                && path != "files[].properties[]"
                && path != "metadata.properties[]"
                && path != "metadata.lifecycles[]"
            {
                // Their texts are looked at by themselves.
                if path.strip_suffix("[]") == Some(TEXTS) {
                    return;
                }
                return losses.add_many(path.trim_end_matches("[]"), items.len() as u64);
            }
            for item in items {
                let path = if is_file(&path, item) { "files[]".to_owned() } else { path.clone() };
                match dropped(&path, item) {
                    Some(Some(what)) => losses.add(&what),
                    Some(None) => {}
                    None => walk(item, path, known, losses),
                }
            }
        }
        Value::String(text) if text.is_empty() || matches!(text.as_str(), "NOASSERTION" | "NONE") => {}
        Value::String(text) if path == "files[].comment" && spdx::file_comment_is_read(text) => {}
        // Ours counts the gaps, each of which stands in an annotation.
        Value::String(text) if path == "comment" && text.starts_with("Known gaps: ") => {}
        Value::String(text) if path == "creationInfo.comment" && text == spdx::CONTEXT => {}
        _ => {
            if !known.contains(path.as_str()) {
                losses.add(&path);
            }
        }
    }
}

/// Whether a component is a file, which is listed apart.
fn is_file(path: &str, item: &Value) -> bool {
    path == "components[]"
        && item.get("type").and_then(Value::as_str) == Some("file")
        && item.get("purl").is_none_or(Value::is_null)
}

/// Whether an item of a list is dropped as a whole for what it says, and under which name; one that is ours, or
/// says what is always said, has no name.
fn dropped(path: &str, item: &Value) -> Option<Option<String>> {
    let text = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or_default();
    let named = |what: &str, kind: &str| Some(Some(format!("{what} of the type {kind}")));
    match path {
        "metadata.properties[]" if text("name").starts_with("seaworthy:") => Some(None),
        "metadata.properties[]" => Some(Some("metadata.properties".to_owned())),
        "metadata.lifecycles[]" if text("phase") == "post-build" => Some(None),
        "metadata.lifecycles[]" => Some(Some("metadata.lifecycles".to_owned())),
        "components[]" if text("type") == "cryptographic-asset" && item.get("purl").is_none() => {
            named("components", text("type"))
        }
        "components[].externalReferences[]" if !cyclonedx::reference_is_read(text("type")) => {
            named("components[].externalReferences", text("type"))
        }
        "packages[].externalRefs[]" if !spdx::reference_is_read(text("referenceType")) => {
            named("packages[].externalRefs", text("referenceType"))
        }
        "files[].properties[]" if text("name") == cyclonedx::FILE => Some(None),
        "files[].properties[]" => Some(Some("files[].properties".to_owned())),
        "files[].hashes[]" if !cyclonedx::file_hash_is_read(text("alg"), text("content")) => {
            named("files[].hashes", text("alg"))
        }
        "files[].checksums[]"
            if !crate::files::checksum_is_read(text("algorithm"), text("checksumValue")) =>
        {
            named("files[].checksums", text("algorithm"))
        }
        "relationships[]" if !spdx::relationship_is_read(item) => {
            named("relationships", text("relationshipType"))
        }
        "annotations[]" | "packages[].annotations[]" => {
            (!spdx::annotation_is_read(text("comment"))).then(|| Some(path.trim_end_matches("[]").to_owned()))
        }
        _ => None,
    }
}
