//! What is attached to a digest: referrers, fallback tags, `.sig`, `.att` and `.sbom` tags.
//!
//! Finds evidence and decides nothing about it: presence is never proof. A listing is whole or an error.
//! What a registry or a pusher writes into a listing (types, annotations) only says where to look; what
//! counts is read from the evidence itself, and only `check` says whether it counts.

use crate::authority::Authority;
use crate::error::Error;
use crate::statement::PredicateType;
use crate::verdict::{Explanation, Signer};
use jiff::Timestamp;
use seaworthy_oci::{Descriptor, Digest, Source};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a piece of evidence is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A signature of the image.
    Signature,
    /// A signed statement about it.
    Attestation,
    /// A bundle that does not say which of the two it is before it is opened.
    Bundle,
    /// An SBOM under the old `.sbom` tag: carries no signature, is shown and never trusted.
    UnsignedSbom,
    /// Something else that refers to the image.
    Other,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Format {
    /// A sigstore bundle in a referring manifest.
    Bundle,
    /// cosign's simple signing under the `.sig` tag.
    SimpleSigning,
    /// A DSSE envelope under the `.att` tag.
    Envelope,
    /// Anything that is no evidence to us.
    Other,
}

/// One piece of evidence, as listed. Nothing in it is verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// What it is said to be.
    pub kind: Kind,
    /// How it is written.
    pub format: Format,
    /// The predicate type that the listing names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
    /// The artifact type of the referring manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The digest it is attached to.
    pub subject: Digest,
    /// The manifest that carries it.
    pub manifest: Digest,
    /// The digest of the bundle, payload or envelope itself.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The tag it was found under, for the forms that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// When it was made, as the manifest says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(skip)]
    pub(crate) content: Option<Descriptor>,
    #[serde(skip)]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(skip)]
    pub(crate) broken: Option<Explanation>,
}

/// What checking one piece of evidence established.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// Whether it counts.
    pub standing: Standing,
    /// What it turned out to be, where it could be read.
    pub kind: Kind,
    /// The predicate type inside, where it could be read; proven only if valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<PredicateType>,
    /// Who it says it is by: a key hint or a certificate's identity. Proven only if valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_signer: Option<String>,
}

/// Whether a piece of evidence counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum Standing {
    /// By these signers, verified.
    Valid {
        /// The distinct signers among the authorities given.
        signers: Vec<Signer>,
    },
    /// Well-formed, and by nobody among the authorities given.
    UnknownSigner {
        /// Why, for each authority.
        reasons: Vec<Explanation>,
    },
    /// It cannot count for anybody.
    Invalid {
        /// Why.
        reason: Explanation,
    },
    /// It carries no signature.
    Unsigned,
}

/// Lists everything attached to `subject` at `source`.
///
/// # Errors
/// Where the list could not be had whole, or has more than [`crate::limits::EVIDENCE_ITEMS`] pieces.
pub async fn collect(source: &dyn Source, subject: &Digest) -> Result<Vec<Item>, Error> {
    let _ = (source, subject);
    todo!()
}

/// Fetches `item` and checks it against `authorities` as of `now`.
///
/// # Errors
/// Where it could not be fetched for a reason that is not the evidence's own.
pub async fn check_item(
    source: &dyn Source,
    item: &Item,
    authorities: &[Authority],
    now: Timestamp,
) -> Result<Checked, Error> {
    let _ = (source, item, authorities, now);
    todo!()
}
