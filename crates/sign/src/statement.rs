//! in-toto statements: what exactly is claimed about which digest.
//!
//! An image signature is a statement too, with cosign's own predicate type and an empty predicate, byte for
//! byte as cosign 3 writes it. Attestations carry a [`Predicate`] that was given; its bytes stand in the
//! statement as they came, so that a document of many megabytes is neither rebuilt nor reordered.
//!
//! Refused: predicates that are no JSON object or can be read in two ways (duplicate keys), and documents
//! that are not of the type they are announced as, such as an SPDX file under `cyclonedx`; attesting with
//! the predicate type of signatures, because that would be a signature made by the way.

use crate::error::{Error, ErrorKind, Result};
use crate::pem::shown;
use seaworthy_oci::{Digest, strict};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The type of a statement (in-toto attestation framework, "Statement layer").
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The media type of a statement in an envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The predicate type of an image signature.
pub const SIGNATURE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";
/// A predicate: the largest SBOM that the verifier reads.
pub const PREDICATE_BYTES: usize = 64 << 20;
/// A predicate type; browsers and servers agree on about this much for a URI.
pub const PREDICATE_TYPE_BYTES: usize = 2_048;
/// Annotations of one signature, keys and values together: they travel in every verification.
pub const ANNOTATION_BYTES: usize = 16 << 10;

/// What kind of claim an attestation makes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PredicateType {
    /// An SPDX document.
    Spdx,
    /// A CycloneDX document.
    CycloneDx,
    /// SLSA provenance 1.x.
    SlsaProvenance1,
    /// SLSA provenance 0.2.
    SlsaProvenance02,
    /// A vulnerability scan.
    Vuln,
    /// An OpenVEX document.
    OpenVex,
    /// An in-toto link.
    Link,
    /// Anything, wrapped with a time as cosign's `custom` does.
    Custom,
    /// Any other URI, with the predicate as it is.
    Uri(String),
}

impl PredicateType {
    /// The URI in the statement.
    pub fn uri(&self) -> &str {
        match self {
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

    /// The short names that `--type` takes, each with its URI.
    pub fn short_names() -> impl Iterator<Item = (&'static str, PredicateType)> {
        [
            ("spdx", Self::Spdx),
            ("spdxjson", Self::Spdx),
            ("cyclonedx", Self::CycloneDx),
            // cosign's meaning of the name without a number.
            ("slsaprovenance", Self::SlsaProvenance02),
            ("slsaprovenance02", Self::SlsaProvenance02),
            ("slsaprovenance1", Self::SlsaProvenance1),
            ("vuln", Self::Vuln),
            ("openvex", Self::OpenVex),
            ("link", Self::Link),
            ("custom", Self::Custom),
        ]
        .into_iter()
    }

    /// Top-level keys that every document of this type has.
    fn required_keys(&self) -> &'static [&'static str] {
        match self {
            Self::Spdx => &["spdxVersion", "SPDXID"],
            Self::CycloneDx => &["bomFormat", "specVersion"],
            Self::SlsaProvenance1 => &["buildDefinition", "runDetails"],
            Self::SlsaProvenance02 => &["builder", "buildType"],
            Self::Vuln => &["scanner", "metadata"],
            Self::OpenVex => &["@context", "statements"],
            Self::Link => &["name"],
            Self::Custom => &["Data", "Timestamp"],
            Self::Uri(_) => &[],
        }
    }
}

impl fmt::Display for PredicateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri())
    }
}

impl FromStr for PredicateType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            Error::new("read predicate type", format!("'{}'", shown(text)), ErrorKind::BadInput(why.into()))
        };
        if let Some((_, known)) =
            Self::short_names().find(|(name, known)| *name == text || known.uri() == text)
        {
            return Ok(known);
        }
        if text.len() > PREDICATE_TYPE_BYTES {
            let kind = ErrorKind::LimitExceeded {
                limit: "PREDICATE_TYPE_BYTES",
                value: PREDICATE_TYPE_BYTES as u64,
            };
            return Err(Error::new("read predicate type", format!("'{}…'", shown(text)), kind));
        }
        if text == SIGNATURE_TYPE {
            return Err(bad("this is the type of image signatures").hint("use `seaworthy sign`"));
        }
        let clean = text.bytes().all(|b| b.is_ascii_graphic());
        match url::Url::parse(text) {
            Ok(_) if clean => Ok(Self::Uri(text.to_owned())),
            _ => Err(bad("neither a short name nor a URI").hint(format!(
                "short names: {}",
                Self::short_names().map(|(name, _)| name).collect::<Vec<_>>().join(", ")
            ))),
        }
    }
}

/// A JSON object that can be read in one way only, in the bytes it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicate(Vec<u8>);

impl Predicate {
    /// Takes `json` over, without the white space around it.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenInput`] where it is no JSON object or has duplicate keys,
    /// [`ErrorKind::LimitExceeded`] ([`PREDICATE_BYTES`]).
    pub fn parse(json: Vec<u8>) -> Result<Self> {
        let bad = |why: String| Error::new("use", "predicate", ErrorKind::BrokenInput(why));
        if json.len() > PREDICATE_BYTES {
            let kind = ErrorKind::LimitExceeded { limit: "PREDICATE_BYTES", value: PREDICATE_BYTES as u64 };
            return Err(Error::new("use", "predicate", kind));
        }
        let trimmed = json.trim_ascii();
        if trimmed.first() != Some(&b'{') {
            return Err(bad("it is no JSON object".into()));
        }
        strict::check(trimmed).map_err(|e| bad(format!("it is not clear JSON: {e}")))?;
        Ok(if trimmed.len() == json.len() { Self(json) } else { Self(trimmed.to_vec()) })
    }

    /// Wraps any text as cosign's `custom` does: `{"Data":"<text>","Timestamp":"<RFC 3339>"}`. `at` is in
    /// seconds since 1970.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenInput`] where it is no UTF-8, [`ErrorKind::BadInput`] where the time is out of range,
    /// and [`ErrorKind::LimitExceeded`].
    pub fn custom(data: &[u8], at: i64) -> Result<Self> {
        #[derive(Serialize)]
        struct Wrapped<'a> {
            #[serde(rename = "Data")]
            data: &'a str,
            #[serde(rename = "Timestamp")]
            timestamp: String,
        }
        let bad = |why: &str| Error::new("wrap", "custom predicate", ErrorKind::BrokenInput(why.into()));
        let data = std::str::from_utf8(data).map_err(|_| bad("it is no UTF-8 text"))?;
        let timestamp = rfc3339(at)?;
        Self::of(&Wrapped { data, timestamp })
    }

    /// Minimal SLSA provenance 1.0 (slsa.dev/spec/v1.0/provenance).
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`].
    pub fn slsa_v1(build: &Build<'_>) -> Result<Self> {
        let dependency = serde_json::json!({ "uri": build.source_uri, "digest": build.source_digest });
        Self::of(&serde_json::json!({
            "buildDefinition": {
                "buildType": build.build_type,
                "externalParameters": { "source": build.source_uri },
                "resolvedDependencies": [dependency],
            },
            "runDetails": { "builder": { "id": build.builder_id } },
        }))
    }

    /// Minimal SLSA provenance 0.2 (slsa.dev/provenance/v0.2).
    ///
    /// # Errors
    /// [`ErrorKind::LimitExceeded`].
    pub fn slsa_v02(build: &Build<'_>) -> Result<Self> {
        let source = serde_json::json!({ "uri": build.source_uri, "digest": build.source_digest });
        Self::of(&serde_json::json!({
            "builder": { "id": build.builder_id },
            "buildType": build.build_type,
            "invocation": { "configSource": source },
            "materials": [source],
        }))
    }

    fn of(value: &impl Serialize) -> Result<Self> {
        let json = serde_json::to_vec(value)
            .map_err(|e| Error::new("write", "predicate", ErrorKind::BadInput(e.to_string())))?;
        Self::parse(json)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this looks like a document of `kind`: a guard against mixed-up files, not a validation.
    fn check_kind(&self, kind: &PredicateType) -> Result<()> {
        let bad = |why: String| Error::new("use", format!("predicate as {kind}"), ErrorKind::BadInput(why));
        let required = kind.required_keys();
        if required.is_empty() {
            return Ok(());
        }
        let keys: BTreeMap<String, &RawValue> =
            serde_json::from_slice(&self.0).map_err(|e| bad(e.to_string()))?;
        match required.iter().find(|key| !keys.contains_key(**key)) {
            None => Ok(()),
            Some(key) => Err(bad(format!("it has no '{key}', so it is not that kind of document"))
                .hint("give the type of the document with --type")),
        }
    }
}

/// A build, as far as minimal provenance tells of it.
#[derive(Debug, Clone, Copy)]
pub struct Build<'a> {
    /// Who built: a URI of the builder.
    pub builder_id: &'a str,
    /// How: a URI of the build type.
    pub build_type: &'a str,
    /// From what: a URI such as `git+https://…@refs/heads/main`.
    pub source_uri: &'a str,
    /// The digests of the source by algorithm, such as `gitCommit` or `sha1`.
    pub source_digest: &'a BTreeMap<String, String>,
}

/// Seconds since 1970 in RFC 3339.
pub(crate) fn rfc3339(at: i64) -> Result<String> {
    jiff::Timestamp::from_second(at)
        .map(|t| t.to_string())
        .map_err(|_| Error::new("write time", at, ErrorKind::BadInput("it is out of range".into())))
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|e| Error::new("write", "statement", ErrorKind::BadInput(e.to_string())))
}

/// Checks annotations: bounded, and no empty keys.
pub(crate) fn check_annotations(annotations: &BTreeMap<String, String>) -> Result<()> {
    let size: usize = annotations.iter().map(|(k, v)| k.len() + v.len()).sum();
    if size > ANNOTATION_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "ANNOTATION_BYTES", value: ANNOTATION_BYTES as u64 };
        return Err(Error::new("use", "annotations", kind));
    }
    if annotations.contains_key("") {
        return Err(Error::new("use", "annotations", ErrorKind::BadInput("a key is empty".into())));
    }
    Ok(())
}

/// The statement that is an image signature: the bytes that cosign 3 writes for the same digest and
/// annotations, the empty `annotations` included.
///
/// # Errors
/// [`ErrorKind::LimitExceeded`] ([`ANNOTATION_BYTES`]) or [`ErrorKind::BadInput`].
pub fn image_signature(subject: &Digest, annotations: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    check_annotations(annotations)?;
    Ok(format!(
        r#"{{"_type":"{STATEMENT_TYPE}","subject":[{{"digest":{{"{}":"{}"}},"annotations":{}}}],"predicateType":"{SIGNATURE_TYPE}","predicate":{{}}}}"#,
        subject.algorithm().as_str(),
        subject.hex(),
        json(annotations)?,
    )
    .into_bytes())
}

/// The statement that claims `predicate` about `subject`, which may have a `name` for people to read.
///
/// # Errors
/// [`ErrorKind::BadInput`] where the predicate is not of that type or the type is that of signatures,
/// [`ErrorKind::BrokenInput`] where it is nested too deep for a statement.
pub fn attestation(
    subject: &Digest,
    name: Option<&str>,
    predicate_type: &PredicateType,
    predicate: &Predicate,
) -> Result<Vec<u8>> {
    // The type is an enum that anybody can fill; parsing it from text refuses this as well.
    if predicate_type.uri() == SIGNATURE_TYPE {
        let why = "this predicate type makes an image signature, and no attestation".into();
        return Err(Error::new("write", "attestation", ErrorKind::BadInput(why)));
    }
    predicate.check_kind(predicate_type)?;
    let name = name.map(json).transpose()?.map(|n| format!(r#""name":{n},"#)).unwrap_or_default();
    let head = format!(
        r#"{{"_type":"{STATEMENT_TYPE}","subject":[{{{name}"digest":{{"{}":"{}"}}}}],"predicateType":{},"predicate":"#,
        subject.algorithm().as_str(),
        subject.hex(),
        json(predicate_type.uri())?,
    );
    let mut statement = Vec::with_capacity(head.len() + predicate.0.len() + 1);
    statement.extend_from_slice(head.as_bytes());
    statement.extend_from_slice(&predicate.0);
    statement.push(b'}');
    // The wrapping is one level deeper than the predicate alone: what we sign, verifiers must be able to read.
    strict::check(&statement).map_err(|e| Error::new("write", "statement", ErrorKind::BrokenInput(e)))?;
    Ok(statement)
}
