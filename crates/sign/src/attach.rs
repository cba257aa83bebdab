//! Signing a digest and putting the evidence beside it, so that a second run adds nothing.
//!
//! Two steps: *prepare* looks for evidence that is there already, and signs what is missing; *publish*
//! pushes it, blobs before manifests. "There already" means: the same statement bytes about the same digest,
//! under a signature that verifies with the signer's own key. What a registry merely says about an artifact
//! (its annotations) narrows the search and decides nothing.
//!
//! A failure to find out (throttled, refused, unreachable) is an error, never "not there".

use crate::error::{Error, ErrorKind, Result};
use crate::evidence::{Evidence, Format, Formats};
use crate::signer::Signer;
use crate::statement::{Predicate, PredicateType};
use seaworthy_oci::{Descriptor, Digest, Pinned, Sink, Source};
use std::collections::BTreeMap;

/// An image to sign.
#[derive(Debug, Clone, Copy)]
pub struct SignatureRequest<'a> {
    /// The digest to sign, and where it lives.
    pub subject: &'a Pinned,
    /// What to sign with it, `--annotation key=value`.
    pub annotations: &'a BTreeMap<String, String>,
    /// Which wrappings to make.
    pub formats: Formats,
    /// When, in seconds since 1970; written beside the bundle and not signed. `None` leaves it out.
    pub created: Option<i64>,
    /// The repository that the legacy format names; `None` takes the subject's own, which a layout has not.
    pub docker_reference: Option<&'a str>,
}

/// A claim about an image to sign.
#[derive(Debug, Clone, Copy)]
pub struct Attested<'a> {
    /// The digest it is about, and where it lives.
    pub subject: &'a Pinned,
    /// A name of the subject in the statement, for people; `None` leaves it out.
    pub subject_name: Option<&'a str>,
    /// What kind of claim.
    pub predicate_type: &'a PredicateType,
    /// The claim.
    pub predicate: &'a Predicate,
    /// Which wrappings to make.
    pub formats: Formats,
    /// When, in seconds since 1970; written beside the bundle and not signed. `None` leaves it out.
    pub created: Option<i64>,
    /// What becomes of older claims of this type by this signer.
    pub older: Older,
}

/// What becomes of older attestations of the same type by the same signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Older {
    /// They stay.
    #[default]
    Keep,
    /// The new one takes their place: their layers leave the `.att` tag. Referrers cannot be taken back by
    /// everybody; they are listed in [`Outcome::superseded`].
    Replace,
}

/// What preparing found or made, for one wrapping.
#[derive(Debug, Clone)]
pub enum Prepared {
    /// It is there; nothing was signed.
    AlreadyThere(Outcome),
    /// It was signed now, and has to be pushed.
    Signed(Box<Evidence>),
}

/// Whether anything was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was pushed.
    Added,
    /// It was there.
    AlreadyThere,
}

/// Where evidence is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// In which wrapping.
    pub format: Format,
    /// The manifest that holds it.
    pub manifest: Descriptor,
    /// The tag of that manifest, for the legacy format.
    pub tag: Option<String>,
    /// Whether anything was written.
    pub change: Change,
    /// Older referrers that this one takes the place of, and that are still there.
    pub superseded: Vec<Digest>,
}

/// Signs what is not signed yet.
///
/// # Errors
/// [`ErrorKind::Images`] where it could not be found out what is there, and those of signing.
pub async fn prepare_signature(
    source: &dyn Source,
    signer: &dyn Signer,
    request: &SignatureRequest<'_>,
) -> Result<Vec<Prepared>> {
    todo!()
}

/// Signs a claim that is not there yet.
///
/// # Errors
/// As [`prepare_signature`], and [`ErrorKind::BadInput`] where the predicate is not of its type.
pub async fn prepare_attestation(
    source: &dyn Source,
    signer: &dyn Signer,
    request: &Attested<'_>,
) -> Result<Vec<Prepared>> {
    todo!()
}

/// Pushes what was prepared. Doing it twice is the same as doing it once.
///
/// # Errors
/// [`ErrorKind::Images`] where it is not certain that it is there, [`ErrorKind::Conflict`] where a legacy tag
/// holds something else.
pub async fn publish(sink: &dyn Sink, prepared: &[Prepared]) -> Result<Vec<Outcome>> {
    todo!()
}

/// [`prepare_signature`], then [`publish`].
///
/// # Errors
/// As those.
pub async fn sign_image(
    sink: &dyn Sink,
    signer: &dyn Signer,
    request: &SignatureRequest<'_>,
) -> Result<Vec<Outcome>> {
    publish(sink, &prepare_signature(sink, signer, request).await?).await
}

/// [`prepare_attestation`], then [`publish`].
///
/// # Errors
/// As those.
pub async fn attest_image(
    sink: &dyn Sink,
    signer: &dyn Signer,
    request: &Attested<'_>,
) -> Result<Vec<Outcome>> {
    publish(sink, &prepare_attestation(sink, signer, request).await?).await
}
