//! What is beside an image already, and whether it is ours.
//!
//! This decides only whether signing again would add anything; it never decides trust. So content that is no
//! evidence of ours is passed over, whatever it is, while a place that does not answer is an error: "could
//! not find out" must not end in a second signature. The work is bounded, newest first; beyond the bounds
//! the search ends, and the worst that follows is evidence that is there twice.

use crate::annotations;
use crate::bundle::{self, Statement, encoded_len};
use crate::error::{Error, ErrorKind, Result};
use crate::signer::{Payload, Signer};
use crate::simple_signing;
use crate::statement::PREDICATE_BYTES;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::{Descriptor, Digest, Image, Manifest, RawManifest, Selector, Source};

/// Referring manifests that are looked into; each is a request of its own.
pub const EXISTING_MANIFESTS: usize = 128;
/// Bundles or envelopes that are fetched and verified: as many as the verifier takes.
pub const EXISTING_ITEMS: usize = 32;
/// Bytes of them in all: two bundles around the largest predicate.
pub const EXISTING_BYTES: u64 = 192 << 20;

/// The annotation of a referrer that says what its bundle claims.
pub(crate) const PREDICATE_TYPE_ANNOTATION: &str = "dev.sigstore.bundle.predicateType";
/// The annotation of a layer under `.att` that says the same.
pub(crate) const LEGACY_TYPE_ANNOTATION: &str = "predicateType";

/// What is looked for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) subject: &'a Digest,
    pub(crate) signer: &'a dyn Signer,
    pub(crate) predicate_type: &'a str,
    pub(crate) statement: &'a [u8],
    pub(crate) scope: Scope,
}

/// How much is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The same statement.
    Same,
    /// That, and other statements of the same type by the same signer.
    SameAndOlder,
}

/// What was found.
#[derive(Default)]
pub(crate) struct Found {
    /// The manifest that holds the same statement.
    pub(crate) same: Option<Descriptor>,
    /// The layer that holds it, or the manifest itself.
    pub(crate) same_item: Option<Digest>,
    /// Other statements of the same type by the same signer: referrers, or layers of the `.att` tag.
    pub(crate) older: Vec<Digest>,
}

/// Looks among the referrers of `subject` for a bundle with exactly `statement`, signed by `signer`; the
/// answer is the manifest that holds it.
///
/// # Errors
/// [`ErrorKind::Images`] where it could not be found out.
pub async fn find_existing(
    source: &dyn Source,
    subject: &Digest,
    signer: &dyn Signer,
    predicate_type: &str,
    statement: &[u8],
) -> Result<Option<Descriptor>> {
    let wanted = Wanted { subject, signer, predicate_type, statement, scope: Scope::Same };
    Ok(among_referrers(source, &wanted).await?.same)
}

/// How much may still be fetched.
struct Budget {
    items: usize,
    bytes: u64,
}

impl Budget {
    fn new() -> Self {
        Self { items: EXISTING_ITEMS, bytes: EXISTING_BYTES }
    }

    /// Takes one item of `size` bytes from the budget, if it is in it.
    fn take(&mut self, size: u64) -> bool {
        match (self.items.checked_sub(1), self.bytes.checked_sub(size)) {
            (Some(items), Some(bytes)) => {
                *self = Self { items, bytes };
                true
            }
            _ => false,
        }
    }
}

/// `None` for content that is not there or is broken, and so cannot be ours.
fn passed_over<T>(result: seaworthy_oci::Result<T>) -> Result<Option<T>> {
    use seaworthy_oci::ErrorKind as K;
    match result {
        Ok(value) => Ok(Some(value)),
        Err(e) => match e.kind {
            K::NotFound
            | K::Malformed(_)
            | K::LimitExceeded { .. }
            | K::SizeMismatch { .. }
            | K::Unsupported(_) => Ok(None),
            _ => Err(e.into()),
        },
    }
}

impl Wanted<'_> {
    /// Whether an item of `size` bytes, of which all but the statement has at most `extra`, is worth fetching.
    fn fits(&self, size: u64, extra: u64) -> bool {
        let least = match self.scope {
            Scope::Same => encoded_len(self.statement.len()),
            Scope::SameAndOlder => 0,
        };
        let most = match self.scope {
            Scope::Same => least,
            Scope::SameAndOlder => encoded_len(PREDICATE_BYTES),
        };
        (least..=most.saturating_add(extra)).contains(&size)
    }

    /// Sorts `read` into `found`; `item` is its name there.
    fn sort(&self, read: &Statement, item: &Digest, holder: &Descriptor, found: &mut Found) {
        if !read.made_by(self.signer) {
            return;
        }
        if read.payload == self.statement {
            found.same = Some(holder.clone());
            found.same_item = Some(item.clone());
        } else if self.scope == Scope::SameAndOlder && claims(&read.payload, self.predicate_type) {
            found.older.push(item.clone());
        }
    }
}

/// Whether the statement `payload` is of `predicate_type`.
fn claims(payload: &[u8], predicate_type: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Head {
        #[serde(rename = "predicateType")]
        predicate_type: String,
    }
    serde_json::from_slice::<Head>(payload).is_ok_and(|head| head.predicate_type == predicate_type)
}

/// Whether a referrer may hold a bundle of the type, as far as its entry in the list says. cosign 3 names
/// the empty type where it writes the list itself.
fn may_hold(entry: &Descriptor, predicate_type: &str) -> bool {
    let kind = match entry.artifact_type.as_deref() {
        None | Some(media_type::EMPTY) => true,
        Some(kind) => bundle::is_bundle(kind),
    };
    kind && entry.annotations.get(PREDICATE_TYPE_ANNOTATION).is_none_or(|p| p == predicate_type)
}

pub(crate) async fn among_referrers(source: &dyn Source, wanted: &Wanted<'_>) -> Result<Found> {
    let mut found = Found::default();
    let mut budget = Budget::new();
    let list = source.referrers(wanted.subject).await?;
    let candidates = list.descriptors.iter().rev().filter(|d| may_hold(d, wanted.predicate_type));
    for entry in candidates.take(EXISTING_MANIFESTS) {
        let Some(Some(raw)) = passed_over(source.manifest(Selector::Digest(&entry.digest)).await)? else {
            continue;
        };
        let Some(Manifest::Image(image)) = passed_over(raw.parse())? else { continue };
        let about_us = image.subject.as_ref().is_some_and(|s| s.digest == *wanted.subject);
        let kind = image.annotations.get(PREDICATE_TYPE_ANNOTATION);
        let [layer] = image.layers.as_slice() else { continue };
        if !about_us
            || kind.is_some_and(|k| k != wanted.predicate_type)
            || !bundle::is_bundle(&layer.media_type)
            || !wanted.fits(layer.size, bundle::MATERIAL_BYTES)
            || !budget.take(layer.size)
        {
            continue;
        }
        let Some(json) = passed_over(source.blob_bytes(layer, layer.size).await)? else { continue };
        if let Some(read) = Statement::of_bundle(&json) {
            wanted.sort(&read, &raw.descriptor.digest, &raw.descriptor, &mut found);
        }
        if found.same.is_some() && wanted.scope == Scope::Same {
            break;
        }
    }
    Ok(found)
}

/// The manifest under a legacy `tag`; something else there is a conflict, seen before anything is signed.
async fn legacy_manifest(source: &dyn Source, tag: &str) -> Result<Option<(RawManifest, Image)>> {
    match source.manifest(Selector::Tag(tag)).await? {
        None => Ok(None),
        Some(raw) => match raw.parse()? {
            Manifest::Image(image) => Ok(Some((raw, image))),
            Manifest::Index(_) => Err(Error::new(
                "add to",
                format!("tag '{tag}'"),
                ErrorKind::Conflict("an index is under it, where a manifest of signatures belongs".into()),
            )),
        },
    }
}

/// Looks under `.att`.
pub(crate) async fn among_legacy_attestations(source: &dyn Source, wanted: &Wanted<'_>) -> Result<Found> {
    let mut found = Found::default();
    let mut budget = Budget::new();
    let Some((raw, image)) = legacy_manifest(source, &wanted.subject.tag(".att")).await? else {
        return Ok(found);
    };
    for layer in image.layers.iter().rev() {
        let kind = layer.annotations.get(LEGACY_TYPE_ANNOTATION);
        if layer.media_type != bundle::ENVELOPE_MEDIA_TYPE
            || kind.is_some_and(|k| k != wanted.predicate_type)
            || !wanted.fits(layer.size, bundle::MATERIAL_BYTES)
            || !budget.take(layer.size)
        {
            continue;
        }
        let Some(json) = passed_over(source.blob_bytes(layer, layer.size).await)? else { continue };
        if let Some(read) = Statement::of_envelope(&json, &layer.annotations) {
            wanted.sort(&read, &layer.digest, &raw.descriptor, &mut found);
        }
        if found.same.is_some() && wanted.scope == Scope::Same {
            break;
        }
    }
    Ok(found)
}

/// Looks under `.sig` for `payload`. Nothing is fetched but the manifest: the layer's digest is that of the
/// payload, and the signature stands in its annotations.
pub(crate) async fn among_legacy_signatures(
    source: &dyn Source,
    subject: &Digest,
    signer: &dyn Signer,
    payload: &[u8],
) -> Result<Option<Descriptor>> {
    let Some((raw, image)) = legacy_manifest(source, &subject.tag(".sig")).await? else {
        return Ok(None);
    };
    let ours = |layer: &Descriptor| {
        layer.media_type == simple_signing::MEDIA_TYPE
            && layer.digest.matches(payload)
            && layer
                .annotations
                .get(simple_signing::SIGNATURE_ANNOTATION)
                .and_then(|s| STANDARD.decode(s).ok())
                .is_some_and(|signature| {
                    let beside = annotations::Read::of(&layer.annotations);
                    signer.made_with(&Payload::Blob(payload), &signature, &beside.beside())
                })
    };
    Ok(image.layers.iter().any(ours).then_some(raw.descriptor))
}
