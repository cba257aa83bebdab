//! Signed and not yet pushed: evidence as a value that can be kept on disk.
//!
//! Making a signature may cost a certificate, a log entry or a person's touch on a token; a push may fail
//! for reasons that have nothing to do with it. So the two are apart, and what lies between can be written
//! down and read back.

use crate::annotations;
use crate::bundle::{self, Statement};
use crate::error::{Error, ErrorKind, Result};
use crate::key::PublicKey;
use crate::search;
use crate::signer::{Payload, Signer};
use crate::simple_signing;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_oci::source::BlobReader;
use seaworthy_oci::{BlobContent, Descriptor, Digest, strict};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Cursor;
use std::sync::Arc;

/// A kept piece of evidence as JSON: a bundle around the largest predicate, with its own quoting.
pub const EVIDENCE_BYTES: usize = 192 << 20;

/// One wrapping of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// A Sigstore bundle, attached as a referrer.
    Bundle,
    /// cosign's tags `sha256-<hex>.sig` and `.att`.
    Legacy,
}

/// Which wrappings to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Formats {
    /// Bundles alone.
    #[default]
    Bundle,
    /// cosign's tags alone.
    Legacy,
    /// Both, for the time of a migration.
    Both,
}

impl Formats {
    /// The wrappings, one by one.
    pub fn iter(self) -> impl Iterator<Item = Format> {
        [Format::Bundle, Format::Legacy].into_iter().filter(move |f| match self {
            Self::Bundle => *f == Format::Bundle,
            Self::Legacy => *f == Format::Legacy,
            Self::Both => true,
        })
    }
}

/// One signed piece of evidence about one manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// The manifest it is about.
    pub(crate) subject: Descriptor,
    /// What it is.
    pub(crate) content: Content,
    /// When it was made, in seconds since 1970; written beside the evidence, not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<i64>,
    /// What it takes the place of: layers of the `.att` tag, or referrers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) supersedes: Vec<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Content {
    Bundle {
        predicate_type: String,
        bundle: Text,
    },
    LegacySignature {
        payload: Text,
        signature: String,
        /// Certificate, log entry and timestamp.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        beside: BTreeMap<String, String>,
    },
    LegacyAttestation {
        predicate_type: String,
        envelope: Text,
        /// Certificate and log entry.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        beside: BTreeMap<String, String>,
    },
}

/// One piece of evidence as it will lie in a registry: a blob, its type, and the annotations on it.
#[derive(Debug, Clone)]
pub struct Piece<'a> {
    /// The blob's media type.
    pub media_type: &'static str,
    /// The blob.
    pub content: &'a [u8],
    /// What stands beside it, for cosign's older form.
    pub annotations: BTreeMap<String, String>,
}

/// JSON that was signed or holds a signature. Shared and not copied: it may be as large as an SBOM.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Text(Arc<String>);

impl Text {
    pub(crate) fn new(bytes: Vec<u8>) -> Result<Self> {
        let bad = |_| Error::new("write", "evidence", ErrorKind::SelfCheck("it is no text".into()));
        String::from_utf8(bytes).map(|text| Self(Arc::new(text))).map_err(bad)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Arc::new(text)))
    }
}

#[async_trait]
impl BlobContent for Text {
    async fn open(&self) -> seaworthy_oci::Result<BlobReader> {
        Ok(Box::new(Cursor::new(self.clone())))
    }
}

impl Evidence {
    /// The manifest it is about.
    pub fn subject(&self) -> &Descriptor {
        &self.subject
    }

    /// Its wrapping.
    pub fn format(&self) -> Format {
        match self.content {
            Content::Bundle { .. } => Format::Bundle,
            Content::LegacySignature { .. } | Content::LegacyAttestation { .. } => Format::Legacy,
        }
    }

    /// The bundle's JSON, where it is one: what `--bundle FILE` writes.
    pub fn bundle_json(&self) -> Option<&str> {
        match &self.content {
            Content::Bundle { bundle, .. } => Some(bundle.as_str()),
            _ => None,
        }
    }

    /// The blob that is pushed, with its annotations.
    pub fn piece(&self) -> Piece<'_> {
        let (media_type, content, own, beside) = match &self.content {
            Content::Bundle { bundle, .. } => (bundle::MEDIA_TYPE, bundle, Vec::new(), None),
            Content::LegacySignature { payload, signature, beside } => {
                let own = vec![(simple_signing::SIGNATURE_ANNOTATION, signature.as_str())];
                (simple_signing::MEDIA_TYPE, payload, own, Some(beside))
            }
            Content::LegacyAttestation { predicate_type, envelope, beside } => {
                let own = vec![
                    (simple_signing::SIGNATURE_ANNOTATION, ""),
                    (search::LEGACY_TYPE_ANNOTATION, predicate_type.as_str()),
                ];
                (bundle::ENVELOPE_MEDIA_TYPE, envelope, own, Some(beside))
            }
        };
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let annotations = beside.cloned().unwrap_or_default().into_iter().chain(own).collect();
        Piece { media_type, content: content.as_bytes(), annotations }
    }

    /// As JSON, to be kept until it is pushed.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where it cannot be written.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::new("keep", "evidence", ErrorKind::Local(e.to_string())))
    }

    /// Reads what [`Evidence::to_json`] wrote. Call [`Evidence::verify`] before pushing it.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenInput`] or [`ErrorKind::LimitExceeded`] ([`EVIDENCE_BYTES`]).
    pub fn from_json(json: &[u8]) -> Result<Self> {
        if json.len() > EVIDENCE_BYTES {
            let kind = ErrorKind::LimitExceeded { limit: "EVIDENCE_BYTES", value: EVIDENCE_BYTES as u64 };
            return Err(Error::new("read", "kept evidence", kind));
        }
        strict::from_slice(json).map_err(|e| Error::new("read", "kept evidence", ErrorKind::BrokenInput(e)))
    }

    /// Whether it is signed by `key`: what was kept on disk may have been changed there.
    ///
    /// # Errors
    /// [`ErrorKind::SelfCheck`] where it is not.
    pub fn verify(&self, key: &PublicKey) -> Result<()> {
        let bad = |why: &str| Error::new("check", "evidence", ErrorKind::SelfCheck(why.into()));
        let statement = match &self.content {
            Content::LegacySignature { payload, signature, .. } => {
                let signature = STANDARD.decode(signature).map_err(|_| bad("bad base64"))?;
                return key.verify(&Payload::Blob(payload.as_bytes()), &signature);
            }
            _ => self.statement(),
        }
        .ok_or_else(|| bad("it holds no signed statement"))?;
        let payload = Payload::Dsse { payload_type: &statement.payload_type, payload: &statement.payload };
        key.verify(&payload, &statement.signature)
    }

    /// Whether `signer`, once it is ready, takes this for its own: the same question as for what is found
    /// beside an image.
    pub fn is_by(&self, signer: &dyn Signer) -> bool {
        match &self.content {
            Content::LegacySignature { payload, signature, beside } => {
                let beside = annotations::Read::of(beside);
                STANDARD.decode(signature).is_ok_and(|signature| {
                    signer.made_with(&Payload::Blob(payload.as_bytes()), &signature, &beside.beside())
                })
            }
            _ => self.statement().is_some_and(|statement| statement.made_by(signer)),
        }
    }

    /// The statement in it, where it is one.
    fn statement(&self) -> Option<Statement> {
        match &self.content {
            Content::LegacySignature { .. } => None,
            Content::Bundle { bundle, .. } => Statement::of_bundle(bundle.as_bytes()),
            Content::LegacyAttestation { envelope, beside, .. } => {
                Statement::of_envelope(envelope.as_bytes(), beside)
            }
        }
    }
}
