//! Signing a digest and putting the evidence beside it, so that a second run adds nothing.
//!
//! Two steps: *prepare* looks for evidence that is there already, and signs what is missing; *publish*
//! pushes it, blobs before manifests. "There already" means: the same statement bytes about the same digest,
//! under a signature that verifies with the signer's own key. What a registry merely says about an artifact
//! (its annotations) narrows the search and decides nothing.
//!
//! A failure to find out (throttled, refused, unreachable) is an error, never "not there".

use crate::error::{Error, ErrorKind, Result};
use crate::evidence::{Content, Evidence, Format, Formats, Text};
use crate::search::{self, Scope, Wanted};
use crate::signer::{Payload, Signer};
use crate::statement::{self, PAYLOAD_TYPE, Predicate, PredicateType, SIGNATURE_TYPE};
use crate::{annotations, bundle, legacy, simple_signing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_oci::manifest::{annotation, media_type};
use seaworthy_oci::{Descriptor, Digest, Image, Location, Pinned, RawManifest, Sink, Source};
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
    Signed(Evidence),
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
    let subject = request.subject.digest();
    check_created(request.created)?;
    // All that is wrong with the request comes out before anybody is asked and anything is signed.
    let statement = statement::image_signature(subject, request.annotations)?;
    let legacy = request.formats.iter().any(|f| f == Format::Legacy);
    let payload = if legacy { legacy_payload(request)? } else { Vec::new() };
    signer.ready().await?;
    let mut prepared = Vec::new();
    for format in request.formats.iter() {
        let found = match format {
            Format::Bundle => {
                let found =
                    search::find_existing(source, subject, signer, SIGNATURE_TYPE, &statement).await?;
                match found {
                    Some(manifest) => Ok(manifest),
                    None => Err(bundle_content(signer, SIGNATURE_TYPE, &statement).await?),
                }
            }
            Format::Legacy => {
                match search::among_legacy_signatures(source, subject, signer, &payload).await? {
                    Some(manifest) => Ok(manifest),
                    None => Err(legacy_signature_content(signer, payload.clone()).await?),
                }
            }
        };
        prepared.push(match found {
            Ok(manifest) => already_there(format, manifest, subject, ".sig"),
            Err(content) => signed(request.subject, content, request.created, Vec::new()),
        });
    }
    Ok(prepared)
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
    let subject = request.subject.digest();
    check_created(request.created)?;
    let predicate_type = request.predicate_type.uri();
    let statement =
        statement::attestation(subject, request.subject_name, request.predicate_type, request.predicate)?;
    signer.ready().await?;
    let scope = match request.older {
        Older::Keep => Scope::Same,
        Older::Replace => Scope::SameAndOlder,
    };
    let wanted = Wanted { subject, signer, predicate_type, statement: &statement, scope };
    let mut prepared = Vec::new();
    for format in request.formats.iter() {
        let found = match format {
            Format::Bundle => search::among_referrers(source, &wanted).await?,
            Format::Legacy => search::among_legacy_attestations(source, &wanted).await?,
        };
        // Referrers stay, so a second run has nothing to do; layers to be replaced are work that is left.
        let nothing_left = format == Format::Bundle || found.older.is_empty();
        prepared.push(match found.same {
            Some(manifest) if nothing_left => {
                let mut there = already_there(format, manifest, subject, ".att");
                if let Prepared::AlreadyThere(outcome) = &mut there {
                    outcome.superseded = found.older;
                }
                there
            }
            _ => {
                let content = match format {
                    Format::Bundle => bundle_content(signer, predicate_type, &statement).await?,
                    Format::Legacy => legacy_attestation_content(signer, predicate_type, &statement).await?,
                };
                let mut supersedes = found.older;
                // A signer that signs differently every time would leave the same claim there twice.
                supersedes.extend(found.same_item);
                signed(request.subject, content, request.created, supersedes)
            }
        });
    }
    Ok(prepared)
}

/// A time that cannot be written must not be found out after signing.
fn check_created(created: Option<i64>) -> Result<()> {
    created.map(statement::rfc3339).transpose().map(|_| ())
}

/// The payload of a legacy signature.
fn legacy_payload(request: &SignatureRequest<'_>) -> Result<Vec<u8>> {
    let own = match request.subject.location() {
        Location::Registry(repository) => Some(repository.to_string()),
        _ => None,
    };
    let reference = request.docker_reference.map(str::to_owned).or(own).ok_or_else(|| {
        let why = "the legacy format names the repository of an image, and there is none here";
        Error::new("sign", request.subject, ErrorKind::BadInput(why.into()))
            .hint("say which repository it will be pulled from (--sign-container-identity)")
    })?;
    simple_signing::payload(request.subject.digest(), &reference, request.annotations)
}

fn already_there(format: Format, manifest: Descriptor, subject: &Digest, suffix: &str) -> Prepared {
    let tag = (format == Format::Legacy).then(|| subject.tag(suffix));
    let change = Change::AlreadyThere;
    Prepared::AlreadyThere(Outcome { format, manifest, tag, change, superseded: Vec::new() })
}

fn signed(subject: &Pinned, content: Content, created: Option<i64>, supersedes: Vec<Digest>) -> Prepared {
    let subject = subject.descriptor().bare();
    Prepared::Signed(Evidence { subject, content, created, supersedes })
}

async fn bundle_content(signer: &dyn Signer, predicate_type: &str, statement: &[u8]) -> Result<Content> {
    let payload = Payload::Dsse { payload_type: PAYLOAD_TYPE, payload: statement };
    let made = bundle::seal(signer, &payload).await?;
    let bundle = Text::new(bundle::bundle_json(PAYLOAD_TYPE, statement, &made)?)?;
    Ok(Content::Bundle { predicate_type: predicate_type.into(), bundle })
}

async fn legacy_signature_content(signer: &dyn Signer, payload: Vec<u8>) -> Result<Content> {
    let made = bundle::seal(signer, &Payload::Blob(&payload)).await?;
    let beside = annotations::write(&made.material, annotations::Over::Signature)?;
    let signature = STANDARD.encode(made.signature);
    Ok(Content::LegacySignature { payload: Text::new(payload)?, signature, beside })
}

async fn legacy_attestation_content(
    signer: &dyn Signer,
    predicate_type: &str,
    statement: &[u8],
) -> Result<Content> {
    let payload = Payload::Dsse { payload_type: PAYLOAD_TYPE, payload: statement };
    let made = bundle::seal(signer, &payload).await?;
    let envelope = Text::new(bundle::envelope_json(PAYLOAD_TYPE, statement, &made.signature)?)?;
    let beside = annotations::write(&made.material, annotations::Over::Envelope)?;
    Ok(Content::LegacyAttestation { predicate_type: predicate_type.into(), envelope, beside })
}

/// Pushes what was prepared. Doing it twice is the same as doing it once. Bundles first, all of them, and then what
/// makes them findable: several about one subject change its list once.
///
/// # Errors
/// [`ErrorKind::Images`] where it is not certain that it is there, [`ErrorKind::Conflict`] where a legacy tag
/// holds something else.
pub async fn publish(sink: &dyn Sink, prepared: &[Prepared]) -> Result<Vec<Outcome>> {
    let mut manifests = Vec::new();
    let mut outcomes = Vec::with_capacity(prepared.len());
    for item in prepared {
        outcomes.push(match item {
            Prepared::AlreadyThere(outcome) => outcome.clone(),
            Prepared::Signed(evidence) => match &evidence.content {
                Content::Bundle { predicate_type, bundle } => {
                    let manifest = push_bundle(sink, evidence, predicate_type, bundle).await?;
                    let outcome = bundle_outcome(evidence, manifest.descriptor.clone());
                    manifests.push(manifest);
                    outcome
                }
                _ => publish_evidence(sink, evidence).await?,
            },
        });
    }
    sink.attach_all(&manifests).await?;
    Ok(outcomes)
}

/// Pushes one piece of evidence, blobs before manifests.
///
/// # Errors
/// As [`publish`].
pub async fn publish_evidence(sink: &dyn Sink, evidence: &Evidence) -> Result<Outcome> {
    match &evidence.content {
        Content::Bundle { predicate_type, bundle } => {
            let manifest = push_bundle(sink, evidence, predicate_type, bundle).await?;
            sink.attach(&manifest).await?;
            Ok(bundle_outcome(evidence, manifest.descriptor))
        }
        Content::LegacySignature { payload, .. } => add_legacy(sink, evidence, ".sig", payload).await,
        Content::LegacyAttestation { envelope, .. } => add_legacy(sink, evidence, ".att", envelope).await,
    }
}

fn bundle_outcome(evidence: &Evidence, manifest: Descriptor) -> Outcome {
    let superseded = evidence.supersedes.clone();
    Outcome { format: Format::Bundle, manifest, tag: None, change: Change::Added, superseded }
}

async fn add_legacy(sink: &dyn Sink, evidence: &Evidence, suffix: &str, content: &Text) -> Result<Outcome> {
    let piece = evidence.piece();
    let mut layer = Descriptor::of(piece.media_type, piece.content);
    sink.push_blob(&layer, content).await?;
    layer.annotations = piece.annotations;
    let tag = evidence.subject.digest.tag(suffix);
    let (manifest, change) = legacy::add_layer(sink, &tag, &layer, &evidence.supersedes).await?;
    let format = Format::Legacy;
    Ok(Outcome { format, manifest, tag: Some(tag), change, superseded: Vec::new() })
}

/// The manifest that makes a bundle a referrer of its subject. `config.artifactType` is not in the
/// specification; cosign's `clean` looks for it.
fn referrer(
    evidence: &Evidence,
    predicate_type: &str,
    bundle: Descriptor,
    empty: &Descriptor,
) -> Result<RawManifest> {
    let mut annotations = BTreeMap::from([
        ("dev.sigstore.bundle.content".to_owned(), "dsse-envelope".to_owned()),
        (search::PREDICATE_TYPE_ANNOTATION.to_owned(), predicate_type.to_owned()),
    ]);
    if let Some(created) = evidence.created {
        annotations.insert(annotation::CREATED.to_owned(), statement::rfc3339(created)?);
    }
    let manifest = Image {
        schema_version: 2,
        media_type: media_type::MANIFEST.into(),
        artifact_type: Some(bundle::MEDIA_TYPE.into()),
        config: Descriptor { artifact_type: Some(bundle::MEDIA_TYPE.into()), ..empty.clone() },
        layers: vec![bundle],
        subject: Some(evidence.subject.clone()),
        annotations,
    };
    let bytes = serde_json::to_vec(&manifest)
        .map_err(|e| Error::new("write", "manifest", ErrorKind::Local(e.to_string())))?;
    Ok(RawManifest::new(bytes, Some(media_type::MANIFEST), &evidence.subject.digest)?)
}

/// Pushes the blobs of a bundle; the manifest that is to be attached comes back.
async fn push_bundle(
    sink: &dyn Sink,
    evidence: &Evidence,
    predicate_type: &str,
    bundle: &Text,
) -> Result<RawManifest> {
    let empty_content = b"{}".to_vec();
    let empty = Descriptor::of(media_type::EMPTY, &empty_content);
    let layer = Descriptor::of(bundle::MEDIA_TYPE, bundle.as_bytes());
    let manifest = referrer(evidence, predicate_type, layer.clone(), &empty)?;
    sink.push_blob(&empty, &empty_content).await?;
    sink.push_new_blob(&layer, bundle).await?;
    Ok(manifest)
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
