//! Whether a document is what its format's published schema says: where it is not, what was expected and what came.
//!
//! SPDX 2.3 and 3.0.1 as JSON, CycloneDX 1.4 to 1.7 as JSON and XML. The schemas are stored compressed and decompressed when
//! one is used; `schemas/make.py` says where they come from. What the schema does not say is not asked here: an answer is
//! that of the schema, which `tests/interop/validators/compare.py` shows on changed documents. Refused are other notations and versions, because "not looked at"
//! is not "valid", and documents for which the answer would cost more than [`STEPS`].

mod formats;
mod schema;
mod spdx3;
mod xsd;

use crate::cyclonedx::Version;
use crate::{Error, ErrorKind, Result, json, xml};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

const TRIED: &str = "validate the SBOM";
/// Bytes of all schemas together, unpacked; they have 450,000.
const SCHEMA_BYTES: usize = 1 << 20;
/// Problems that are told one by one; somebody who mends a document reads no further.
pub const PROBLEMS: usize = 100;
/// Values looked at, one for each schema that they are held against. A document of 64 MiB with 200,000 components needs
/// about a tenth of it; more is somebody who wants to keep us busy.
pub const STEPS: u64 = 200_000_000;
/// Characters of a value that are shown.
const SHOWN: usize = 80;

/// The schemas as `schemas/make.py` made them.
const SCHEMAS: &[u8] = include_bytes!("../../schemas/schemas.json.zst");

/// A schema that documents are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Schema {
    /// SPDX 2.3, JSON.
    Spdx2,
    /// SPDX 3.0.1, JSON-LD.
    Spdx3,
    /// CycloneDX, JSON.
    CycloneDx(Version),
    /// CycloneDX, XML.
    CycloneDxXml(Version),
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spdx2 => f.write_str("SPDX 2.3"),
            Self::Spdx3 => f.write_str("SPDX 3.0.1"),
            Self::CycloneDx(version) => write!(f, "CycloneDX {version}"),
            Self::CycloneDxXml(version) => write!(f, "CycloneDX {version} XML"),
        }
    }
}

/// Something that the schema does not allow.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Where: a JSON pointer (RFC 6901), empty for the document itself; in XML an XPath without prefixes.
    pub path: String,
    /// What the schema wants there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// What may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What it was held against.
    pub schema: Schema,
    /// The problems, at most [`PROBLEMS`]; none: it is valid.
    pub problems: Vec<Problem>,
    /// Whether there are more of them than are told.
    pub more: bool,
}

/// Holds a document against the schema of the format and version that it names.
///
/// # Errors
/// [`ErrorKind::Malformed`] for what is neither JSON nor XML, [`ErrorKind::UnknownFormat`] and [`ErrorKind::Unsupported`] for a
/// format, notation or version without a schema here, [`ErrorKind::LimitExceeded`].
pub fn validate(bytes: &[u8]) -> Result<Report> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'<') => of_xml(bytes),
        _ => of_json(bytes),
    }
}

fn of_json(bytes: &[u8]) -> Result<Report> {
    json::guard(TRIED, bytes)?;
    if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Error::new(TRIED, ErrorKind::UnknownFormat("the bytes are no JSON object".to_owned()))
            .hint("validated are SPDX as JSON and CycloneDX as JSON and XML; `sbom convert` reads the other notations"));
    }
    let document: Value = json::parse(TRIED, bytes)?;
    let schema = schema_of(&document)?;
    let schemas = schemas()?;
    let mut findings = Findings::default();
    match schema {
        Schema::Spdx2 => schema::check(schemas, "spdx-2.3", &document, &mut findings)?,
        Schema::CycloneDx(version) | Schema::CycloneDxXml(version) => {
            let name = format!("bom-{version}.SNAPSHOT.schema.json");
            schema::check(schemas, &name, &document, &mut findings)?;
        }
        Schema::Spdx3 => spdx3::check(schemas, &document, &mut findings)?,
    }
    Ok(Report { schema, problems: findings.problems, more: findings.more })
}

fn of_xml(bytes: &[u8]) -> Result<Report> {
    let (namespace, root) = xml::parse(TRIED, bytes)?;
    let Some(version) = Version::of_xml(&namespace, &root) else {
        let shown: String = namespace.chars().take(80).collect();
        let why =
            format!("an element '{}' of the namespace '{}'", root.name.escape_debug(), shown.escape_debug());
        return Err(Error::new(TRIED, ErrorKind::Unsupported(why))
            .hint("of documents in XML there are schemas of CycloneDX 1.4, 1.5, 1.6 and 1.7"));
    };
    let mut findings = Findings::default();
    xsd::check(schemas()?, &format!("bom-{version}.xsd"), &namespace, &root, &mut findings)?;
    Ok(Report { schema: Schema::CycloneDxXml(version), problems: findings.problems, more: findings.more })
}

/// The schema of the format and version that the document names.
fn schema_of(document: &Value) -> Result<Schema> {
    let text = |key: &str| document.get(key).and_then(Value::as_str);
    let unsupported = |what: &str, version: &str| {
        let shown: String = version.chars().take(40).collect();
        Err(Error::new(TRIED, ErrorKind::Unsupported(format!("{what} '{}'", shown.escape_debug())))
            .hint("there are schemas of SPDX 2.3 and 3.0.1 and of CycloneDX 1.4, 1.5, 1.6 and 1.7"))
    };
    match (text("spdxVersion"), text("bomFormat"), text("@context")) {
        (Some("SPDX-2.3"), None, None) => Ok(Schema::Spdx2),
        (Some(version), None, None) => unsupported("the version is", version),
        (None, Some("CycloneDX"), None) => {
            let version = text("specVersion").unwrap_or_default();
            match Version::from_name(version) {
                Some(known) => Ok(Schema::CycloneDx(known)),
                None => unsupported("the version is", version),
            }
        }
        (None, None, Some(crate::spdx3::CONTEXT)) => Ok(Schema::Spdx3),
        (None, None, Some(context)) => unsupported("the context is", context),
        _ => Err(Error::new(
            TRIED,
            ErrorKind::UnknownFormat(
                "the object names none or several of spdxVersion, bomFormat CycloneDX and @context"
                    .to_owned(),
            ),
        )
        .hint("validated are SPDX 2.3, SPDX 3.0.1 and CycloneDX 1.4 to 1.7")),
    }
}

/// The schemas by name, unpacked once.
fn schemas() -> Result<&'static BTreeMap<String, Value>> {
    static UNPACKED: OnceLock<std::result::Result<BTreeMap<String, Value>, String>> = OnceLock::new();
    let unpacked = UNPACKED.get_or_init(|| {
        let bytes = zstd::bulk::decompress(SCHEMAS, SCHEMA_BYTES).map_err(|e| e.to_string())?;
        serde_json::from_slice(&bytes).map_err(|e| e.to_string())
    });
    unpacked.as_ref().map_err(|e| Error::new("unpack the schemas of this program", ErrorKind::Io(e.clone())))
}

/// What was found, and what it cost so far.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    more: bool,
    steps: u64,
}

impl Findings {
    /// One value is held against one schema.
    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps > STEPS {
            return Err(Error::new(TRIED, ErrorKind::LimitExceeded { limit: "STEPS", value: STEPS }));
        }
        Ok(())
    }

    fn add(&mut self, path: &Path<'_>, expected: impl Into<String>, found: &Value, hint: Option<String>) {
        let (expected, found) = (expected.into(), shown(found));
        self.tell(Problem { path: path.pointer(), expected, found, hint });
    }

    fn tell(&mut self, problem: Problem) {
        if self.problems.len() >= PROBLEMS {
            self.more = true;
            return;
        }
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// Where in the document we are.
#[derive(Default)]
struct Path<'v>(Vec<Step<'v>>);

enum Step<'v> {
    Key(&'v str),
    Index(usize),
}

impl Path<'_> {
    fn pointer(&self) -> String {
        let mut out = String::new();
        for step in &self.0 {
            match step {
                Step::Key(key) => out.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
                Step::Index(index) => out.push_str(&format!("/{index}")),
            }
        }
        out
    }
}

/// A value for people: its kind, and as much of it as fits into a line.
fn shown(value: &Value) -> String {
    let kind = kind_of(value);
    let text = match value {
        Value::Null | Value::Bool(_) => return kind_and(value),
        Value::Array(items) => return format!("a list of {}", items.len()),
        Value::Object(fields) => return format!("an object with {} fields", fields.len()),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("{text:?}"),
    };
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{kind} {short}")
}

fn kind_and(value: &Value) -> String {
    value.to_string()
}

/// The kind of a value in JSON's words.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests;
