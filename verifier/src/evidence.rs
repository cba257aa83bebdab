//! What is attached to a digest: referrers, fallback tags, `.sig`, `.att` and `.sbom` tags.
//!
//! Finds evidence and decides nothing about it: presence is never proof. A listing is whole or an error.
//! What a registry or a pusher writes into a listing (types, annotations) only says where to look; what
//! counts is read from the evidence itself, and only `check` says whether it counts.

use crate::authority::Authority;
use crate::check::{self, Examined, Outcome, Question};
use crate::error::Error;
use crate::statement::PredicateType;
use crate::verdict::{Explanation, Refusal, Signer};
use crate::{ahead, legacy, limits};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use seaworthy_oci::{self as oci, Class, Descriptor, Digest, Manifest, Selector, Source, manifest};
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

/// Media types of sigstore bundles, in referring manifests and in the bundles themselves.
const BUNDLE_TYPES: [&str; 4] = [
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
];
/// Annotations that cosign writes on referring manifests.
const CONTENT: &str = "dev.sigstore.bundle.content";
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

pub(crate) fn is_bundle_type(media_type: &str) -> bool {
    BUNDLE_TYPES.contains(&media_type)
}

/// Lists everything attached to `subject` at `source`: by referrers (fallback tag included), then by the tags
/// `.sig`, `.att` and `.sbom`.
///
/// A piece that is listed and is not there, or is broken by itself, is listed as such: it can count for
/// nothing, and whoever can push could put it there, so it stops nothing else.
///
/// # Errors
/// Where the list could not be had whole, or has more than [`limits::EVIDENCE_ITEMS`] pieces or
/// [`limits::EVIDENCE_BYTES`] in all.
pub async fn collect(source: &dyn Source, subject: &Digest) -> Result<Vec<Item>, Error> {
    let mut items = referring(source, subject).await?;
    items.extend(tagged(source, subject, &Tagged::ALL).await?);
    whole(subject, items)
}

/// What `collect` finds by referrers, not yet counted by [`whole`].
pub(crate) async fn referring(source: &dyn Source, subject: &Digest) -> Result<Vec<Item>, Error> {
    let mut items: Vec<Item> = Vec::new();
    let referrers = source.referrers(subject).await?;
    // Counted before anything is fetched.
    let candidates = referrers.descriptors.iter().filter(|d| may_hold_bundle(d)).count();
    within(
        subject,
        "pieces of evidence",
        candidates as u64,
        "EVIDENCE_ITEMS",
        limits::EVIDENCE_ITEMS as u64,
    )?;
    let holders = referrers.descriptors.iter().filter(|d| may_hold_bundle(d));
    let found = holders.map(|d| Box::pin(bundles(source, subject, d)) as BoxFuture<'_, _>).collect();
    let mut found = ahead::in_order(found).await?.into_iter();
    for descriptor in &referrers.descriptors {
        if may_hold_bundle(descriptor) {
            items.extend(found.next().unwrap_or_default());
        } else {
            items.push(Item {
                artifact_type: descriptor.artifact_type.clone(),
                created: descriptor.annotations.get(manifest::annotation::CREATED).cloned(),
                ..Item::new(Kind::Other, Format::Other, subject, descriptor, descriptor)
            });
        }
    }
    Ok(items)
}

/// What `collect` finds under these tags, not yet counted by [`whole`].
pub(crate) async fn tagged(
    source: &dyn Source,
    subject: &Digest,
    tags: &[Tagged],
) -> Result<Vec<Item>, Error> {
    let mut items = Vec::new();
    for tag in tags {
        items.extend(under_tag(source, subject, *tag).await?);
    }
    Ok(items)
}

/// Each of `items` once, and not more of them than the limits.
pub(crate) fn whole(subject: &Digest, mut items: Vec<Item>) -> Result<Vec<Item>, Error> {
    // A layout lists under its tags what it also lists as a referrer. Two keys that sign one image in the
    // older form sign the same bytes: there the signature, which stands beside them, is what differs.
    let mut seen = std::collections::HashSet::new();
    items.retain(|item| {
        let beside = (item.format == Format::SimpleSigning).then(|| item.annotations.clone());
        seen.insert((item.manifest.clone(), item.digest.clone(), beside))
    });
    let evidence = || items.iter().filter(|item| item.format != Format::Other);
    let (count, bytes) = (
        evidence().count(),
        evidence().filter(|i| i.broken.is_none()).fold(0, |n: u64, i| n.saturating_add(i.size)),
    );
    within(subject, "pieces of evidence", count as u64, "EVIDENCE_ITEMS", limits::EVIDENCE_ITEMS as u64)?;
    within(subject, "bytes of evidence", bytes, "EVIDENCE_BYTES", limits::EVIDENCE_BYTES)?;
    Ok(items)
}

fn within(
    subject: &Digest,
    what: &'static str,
    found: u64,
    limit: &'static str,
    value: u64,
) -> Result<(), Error> {
    if found > value {
        return Err(Error::TooMuchEvidence { subject: subject.to_string(), what, found, limit, value });
    }
    Ok(())
}

/// Whether a listed manifest may hold a bundle. Some writers put the type of an empty blob or none at all
/// into the list: then the manifest itself is asked.
fn may_hold_bundle(descriptor: &Descriptor) -> bool {
    match descriptor.artifact_type.as_deref() {
        None | Some("" | manifest::media_type::EMPTY) => true,
        Some(other) => is_bundle_type(other) || descriptor.annotations.contains_key(CONTENT),
    }
}

impl Item {
    fn new(
        kind: Kind,
        format: Format,
        subject: &Digest,
        manifest: &Descriptor,
        content: &Descriptor,
    ) -> Self {
        Self {
            kind,
            format,
            predicate_type: None,
            artifact_type: None,
            subject: subject.clone(),
            manifest: manifest.digest.clone(),
            digest: content.digest.clone(),
            size: content.size,
            tag: None,
            created: None,
            content: Some(content.bare()),
            annotations: BTreeMap::new(),
            broken: None,
        }
    }

    /// Why it cannot count, where that is clear before it is opened.
    pub fn broken(&self) -> Option<&Explanation> {
        self.broken.as_ref()
    }

    fn too_large(mut self) -> Self {
        let limit = match self.format {
            Format::SimpleSigning => ("SIMPLE_SIGNING_BYTES", limits::SIMPLE_SIGNING_BYTES),
            _ => ("EVIDENCE_ITEM_BYTES", limits::EVIDENCE_ITEM_BYTES),
        };
        if self.format != Format::Other && self.size > limit.1 {
            let message = format!("{} bytes, more than the limit {} = {}", self.size, limit.0, limit.1);
            self.broken = Some(Explanation::new(Refusal::EvidenceTooLarge, message).about(&self.digest));
        }
        self
    }
}

/// The evidence's own fault, or a failure on the way to it?
pub(crate) fn own_fault(error: &oci::Error, on: &Digest) -> Option<Explanation> {
    let code = match (&error.kind, error.class()) {
        (oci::ErrorKind::DigestMismatch { .. } | oci::ErrorKind::SizeMismatch { .. }, _) => {
            Refusal::EvidenceAltered
        }
        (_, Class::NotFound) => Refusal::EvidenceMissing,
        (_, Class::Broken) => Refusal::EvidenceMalformed,
        _ => return None,
    };
    Some(Explanation::new(code, error.to_string()).about(on))
}

/// The bundles in the referring manifest of `descriptor`.
async fn bundles(source: &dyn Source, subject: &Digest, descriptor: &Descriptor) -> Result<Vec<Item>, Error> {
    let announced = descriptor.artifact_type.as_deref().is_some_and(is_bundle_type)
        || descriptor.annotations.contains_key(CONTENT);
    let broken = |why: Explanation| {
        // What did not even claim to hold a bundle is of no interest if it is broken.
        let (kind, format) =
            if announced { (Kind::Bundle, Format::Bundle) } else { (Kind::Other, Format::Other) };
        let mut item = Item::new(kind, format, subject, descriptor, descriptor);
        item.artifact_type = descriptor.artifact_type.clone();
        item.content = None;
        item.broken = Some(why);
        vec![item]
    };
    let image = match source.manifest(Selector::Digest(&descriptor.digest)).await {
        Ok(None) => {
            let why = Explanation::new(Refusal::EvidenceMissing, "listed as a referrer, and not there");
            return Ok(broken(why.about(&descriptor.digest)));
        }
        Ok(Some(raw)) => match raw.parse() {
            Ok(Manifest::Image(image)) => image,
            Ok(Manifest::Index(_)) => {
                return Ok(vec![Item {
                    artifact_type: descriptor.artifact_type.clone(),
                    ..Item::new(Kind::Other, Format::Other, subject, descriptor, descriptor)
                }]);
            }
            Err(error) => {
                return match own_fault(&error, &descriptor.digest) {
                    Some(why) => Ok(broken(why)),
                    None => Err(error.into()),
                };
            }
        },
        Err(error) => {
            return match own_fault(&error, &descriptor.digest) {
                Some(why) => Ok(broken(why)),
                None => Err(error.into()),
            };
        }
    };
    let predicate = image.annotations.get(PREDICATE_TYPE).or(descriptor.annotations.get(PREDICATE_TYPE));
    let kind = match predicate.map(|p| PredicateType::from_uri(p)) {
        Some(PredicateType::CosignSign) => Kind::Signature,
        Some(_) => Kind::Attestation,
        None => Kind::Bundle,
    };
    let artifact_type = image.artifact_type.clone().or(descriptor.artifact_type.clone());
    let created = image.annotations.get(manifest::annotation::CREATED).cloned();
    let layers = image.layers.iter().filter(|layer| is_bundle_type(&layer.media_type));
    let mut items: Vec<Item> = layers
        .map(|layer| {
            Item {
                predicate_type: predicate.cloned(),
                artifact_type: artifact_type.clone(),
                created: created.clone(),
                ..Item::new(kind, Format::Bundle, subject, descriptor, layer)
            }
            .too_large()
        })
        .collect();
    if items.is_empty() {
        if announced {
            let why = Explanation::new(Refusal::EvidenceMalformed, "its manifest holds no bundle");
            return Ok(broken(why.about(&descriptor.digest)));
        }
        items.push(Item {
            artifact_type,
            created,
            ..Item::new(Kind::Other, Format::Other, subject, descriptor, descriptor)
        });
    }
    Ok(items)
}

/// The tags of the older forms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tagged {
    Signatures,
    Attestations,
    Sboms,
}

impl Tagged {
    const ALL: [Self; 3] = [Self::Signatures, Self::Attestations, Self::Sboms];

    fn suffix(self) -> &'static str {
        match self {
            Self::Signatures => ".sig",
            Self::Attestations => ".att",
            Self::Sboms => ".sbom",
        }
    }

    /// What a layer of this media type is under this tag.
    fn kind(self, media_type: &str) -> (Kind, Format) {
        match (self, media_type) {
            (Self::Signatures, legacy::SIMPLE_SIGNING) => (Kind::Signature, Format::SimpleSigning),
            (Self::Attestations, legacy::ENVELOPE) => (Kind::Attestation, Format::Envelope),
            (Self::Sboms, _) => (Kind::UnsignedSbom, Format::Other),
            _ => (Kind::Other, Format::Other),
        }
    }
}

async fn under_tag(source: &dyn Source, subject: &Digest, tagged: Tagged) -> Result<Vec<Item>, Error> {
    let tag = subject.tag(tagged.suffix());
    let broken = |why: Explanation| {
        let format = match tagged {
            Tagged::Signatures => Format::SimpleSigning,
            Tagged::Attestations => Format::Envelope,
            Tagged::Sboms => Format::Other,
        };
        let kind = match tagged {
            Tagged::Signatures => Kind::Signature,
            Tagged::Attestations => Kind::Attestation,
            Tagged::Sboms => Kind::UnsignedSbom,
        };
        let mut item = Item::new(kind, format, subject, &Descriptor::of("", b""), &Descriptor::of("", b""));
        (item.content, item.tag, item.broken) = (None, Some(tag.clone()), Some(why));
        Ok(vec![item])
    };
    let raw = match source.manifest(Selector::Tag(&tag)).await {
        Ok(None) => return Ok(Vec::new()),
        Ok(Some(raw)) => raw,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => {
            return match own_fault(&error, subject) {
                Some(why) => broken(why),
                None => Err(error.into()),
            };
        }
    };
    let image = match raw.parse() {
        Ok(Manifest::Image(image)) => image,
        Ok(Manifest::Index(_)) => {
            let why = format!("an index under {tag} instead of a manifest with layers");
            return broken(Explanation::new(Refusal::EvidenceMalformed, why).about(&raw.descriptor.digest));
        }
        Err(error) => {
            let why = Explanation::new(Refusal::EvidenceMalformed, error.to_string());
            return broken(why.about(&raw.descriptor.digest));
        }
    };
    let created = image.annotations.get(manifest::annotation::CREATED).cloned();
    let items = image.layers.iter().map(|layer| {
        let (kind, format) = tagged.kind(&layer.media_type);
        Item {
            predicate_type: layer.annotations.get("predicateType").cloned(),
            artifact_type: Some(layer.media_type.clone()),
            tag: Some(tag.clone()),
            created: created.clone(),
            annotations: layer.annotations.clone(),
            ..Item::new(kind, format, subject, &raw.descriptor, layer)
        }
        .too_large()
    });
    Ok(items.collect())
}

/// Fetches `item` and checks it against `authorities` as of `now`: for showing what is attached. Judging
/// needs a policy; see [`crate::Verifier::judge`].
///
/// # Errors
/// Where it could not be fetched for a reason that is not the evidence's own.
pub async fn check_item(
    source: &dyn Source,
    item: &Item,
    authorities: &[Authority],
    now: Timestamp,
) -> Result<Checked, Error> {
    let subjects = [item.subject.clone()];
    let examined =
        fetch_and_examine(source, item, Question { subjects: &subjects, authorities, now }).await?;
    Ok(checked(examined))
}

/// Checks a piece that is not attached yet, as it will be found: a blob with its media type and the
/// annotations of its layer, about `subject`. What signs asks this before it pushes.
pub fn check_piece(
    media_type: &str,
    content: Vec<u8>,
    annotations: BTreeMap<String, String>,
    subject: &Digest,
    authorities: &[Authority],
    now: Timestamp,
) -> Checked {
    let (kind, format) = match media_type {
        legacy::SIMPLE_SIGNING => (Kind::Signature, Format::SimpleSigning),
        legacy::ENVELOPE => (Kind::Attestation, Format::Envelope),
        bundle if is_bundle_type(bundle) => (Kind::Bundle, Format::Bundle),
        _ => (Kind::Other, Format::Other),
    };
    let descriptor = Descriptor::of(media_type, &content);
    let item = Item { annotations, ..Item::new(kind, format, subject, &descriptor, &descriptor) }.too_large();
    let question = Question { subjects: std::slice::from_ref(subject), authorities, now };
    checked(match item.broken.clone() {
        Some(why) => unopened(&item, Unopened::Broken(why)),
        None => check::examine(&item, content, question),
    })
}

fn checked(examined: Examined) -> Checked {
    let standing = match examined.outcome {
        Outcome::Verified(verified) => Standing::Valid { signers: verified.signers().to_vec() },
        Outcome::UnknownSigner(reasons) => Standing::UnknownSigner { reasons },
        Outcome::Invalid(reason) => Standing::Invalid { reason },
        Outcome::Unsigned => Standing::Unsigned,
    };
    Checked {
        standing,
        kind: examined.kind,
        predicate_type: examined.predicate_type,
        claimed_signer: examined.claimed_signer,
    }
}

async fn fetch_and_examine(
    source: &dyn Source,
    item: &Item,
    question: Question<'_>,
) -> Result<Examined, Error> {
    Ok(match fetch(source, item).await? {
        Ok(content) => check::examine(item, content, question),
        Err(outcome) => unopened(item, outcome),
    })
}

/// Why a piece of evidence was not opened: it cannot count.
#[derive(Debug, Clone)]
pub(crate) enum Unopened {
    Unsigned,
    Broken(Explanation),
}

/// The content of `item`, or why there is nothing to check.
pub(crate) async fn fetch(source: &dyn Source, item: &Item) -> Result<Result<Vec<u8>, Unopened>, Error> {
    if let Some(why) = &item.broken {
        return Ok(Err(Unopened::Broken(why.clone())));
    }
    let descriptor = match &item.content {
        Some(descriptor) if item.format != Format::Other => descriptor,
        _ => return Ok(Err(Unopened::Unsigned)),
    };
    match source.blob_bytes(descriptor, limits::EVIDENCE_ITEM_BYTES).await {
        Ok(content) => Ok(Ok(content)),
        Err(error) => match own_fault(&error, &item.digest) {
            Some(why) => Ok(Err(Unopened::Broken(why))),
            None => Err(error.into()),
        },
    }
}

/// What is known of a piece that was not opened: what the listing says.
pub(crate) fn unopened(item: &Item, why: Unopened) -> Examined {
    Examined {
        outcome: match why {
            Unopened::Unsigned => Outcome::Unsigned,
            Unopened::Broken(why) => Outcome::Invalid(why),
        },
        kind: item.kind,
        predicate_type: item.predicate_type.as_deref().map(PredicateType::from_uri),
        claimed_signer: None,
    }
}
