//! Who said it: the only file that makes a [`Verified`].
//!
//! A `Verified<Claim>` exists only where all of this held:
//!
//! - exactly one signature, over the exact bytes that are then read, by an accepted algorithm, good under a
//!   key or certificate of an authority that the caller named;
//! - the key was trusted at the time of signing (a verified timestamp, else the time of judging);
//! - every log entry that came along belongs to this payload, signature and key, and where the authority
//!   asks for a log, the log of its trusted root proves it;
//! - the signed payload can be read in one way, and speaks about a digest that is being judged.
//!
//! Hints (key hints, annotations, media types) choose words in explanations and nothing else. A panic in a
//! parser below is caught and is a refusal. No result is remembered.

use crate::authority::{Authority, TrustedKey, Who};
use crate::certified::{self, Case};
use crate::evidence::{Format, Item, Kind};
use crate::identity::IdentityRule;
use crate::key::{Hash, PublicKey};
use crate::legacy::{self, Material, SimpleSigning};
use crate::pki::Certified;
use crate::proof::{self, Ask};
use crate::statement::{IN_TOTO, PredicateType, Statement};
use crate::verdict::{Explanation, Refusal, Signer};
use crate::wire::{BundleWire, EnvelopeWire, open_envelope};
use crate::witness::About;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use seaworthy_oci::{Algorithm, Digest, strict};
use sha2::{Digest as _, Sha256};
use sigstore_types::{ArtifactDigest, Bundle, DerCertificate, HashAlgorithm};
use sigstore_verify::{Error as SigstoreError, VerificationResult};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Something that trusted signers vouch for. Only this file can make one.
#[derive(Debug)]
pub(crate) struct Verified<T> {
    value: T,
    signers: Vec<Signer>,
    subjects: Vec<Digest>,
}

impl<T> Verified<T> {
    /// What they vouch for.
    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    /// Who: never empty, at most once for each authority.
    pub(crate) fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// Whether it is about `digest`.
    pub(crate) fn is_about(&self, digest: &Digest) -> bool {
        self.subjects.contains(digest)
    }
}

/// What can be vouched for.
#[derive(Debug)]
pub(crate) enum Claim {
    /// "I signed this image."
    Signature,
    /// A statement with a predicate.
    Attestation(Statement),
}

/// What came of a piece of evidence.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It counts.
    Verified(Verified<Claim>),
    /// It is by nobody among the authorities; why, for each.
    UnknownSigner(Vec<Explanation>),
    /// It cannot count.
    Invalid(Explanation),
    /// It carries no signature.
    Unsigned,
}

/// A piece of evidence, examined.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) outcome: Outcome,
    pub(crate) kind: Kind,
    pub(crate) predicate_type: Option<PredicateType>,
    pub(crate) claimed_signer: Option<String>,
}

/// What evidence is checked against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The digests that are judged; evidence must be about one of them.
    pub(crate) subjects: &'a [Digest],
    /// Who may sign.
    pub(crate) authorities: &'a [Authority],
    /// The time of judging.
    pub(crate) now: Timestamp,
}

/// Examines the content of `item`.
pub(crate) fn examine(item: &Item, content: Vec<u8>, question: Question<'_>) -> Examined {
    // Until it is opened, the listing's word is shown.
    let predicate_type = item.predicate_type.as_deref().map(PredicateType::from_uri);
    let mut known = Known { kind: item.kind, predicate_type, claimed_signer: None };
    let outcome = guarded(|| match item.format {
        Format::Bundle => bundle(content, question, &mut known),
        Format::SimpleSigning => simple_signing(&content, item, question, &mut known),
        Format::Envelope => envelope(&content, item, question, &mut known),
        Format::Other => Ok(Outcome::Unsigned),
    });
    let about = |e: Explanation| if e.evidence.is_none() { e.about(&item.digest) } else { e };
    let outcome = match outcome {
        Ok(Outcome::Invalid(e)) | Err(e) => Outcome::Invalid(about(e)),
        Ok(Outcome::UnknownSigner(list)) => Outcome::UnknownSigner(list.into_iter().map(about).collect()),
        Ok(other) => other,
    };
    Examined {
        outcome,
        kind: known.kind,
        predicate_type: known.predicate_type,
        claimed_signer: known.claimed_signer,
    }
}

/// What is read on the way, for showing. Unproven.
struct Known {
    kind: Kind,
    predicate_type: Option<PredicateType>,
    claimed_signer: Option<String>,
}

type Result<T, E = Explanation> = std::result::Result<T, E>;

pub(crate) fn refuse(code: Refusal, message: impl Into<String>) -> Explanation {
    Explanation::new(code, message)
}

/// Runs `f`; a panic in it is a refusal. What `f` leaves half-done is thrown away by the caller.
pub(crate) fn guarded<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| {
        Err(refuse(Refusal::VerifierPanicked, "a parser panicked on this evidence; please report it"))
    })
}

/// A sigstore bundle, v0.1 to v0.3.
fn bundle(content: Vec<u8>, question: Question<'_>, known: &mut Known) -> Result<Outcome> {
    let malformed = |why: String| refuse(Refusal::EvidenceMalformed, format!("not a sigstore bundle: {why}"));
    let text = String::from_utf8(content).map_err(|_| malformed("not UTF-8".into()))?;
    let wire: BundleWire<'_> = strict::from_slice(text.as_bytes()).map_err(malformed)?;
    if !crate::evidence::is_bundle_type(&wire.media_type) {
        let shown: String = wire.media_type.chars().take(100).collect();
        return Err(malformed(format!("its mediaType is '{}'", shown.escape_debug())));
    }
    let material = &wire.verification_material;
    let certificate = material.certificate().map_err(malformed)?;
    known.claimed_signer = match (&certificate, &material.public_key) {
        (Some(der), _) => certificate_identity(der),
        (None, key) => key.as_ref().map(|key| shown_hint(&key.hint)),
    };
    let proofs = material.log_entries() + material.timestamps();
    let chain = material.chain().map_err(malformed)?;
    let has_certificate = certificate.is_some();
    let hint = material.public_key.as_ref().map(|k| k.hint.to_string());
    let envelope = match (&wire.dsse_envelope, &wire.message_signature) {
        (Some(envelope), None) => envelope,
        (None, Some(_)) => {
            return Err(refuse(
                Refusal::NotImageEvidence,
                "a bundle over a file's bytes (messageSignature), not over a statement about an image",
            ));
        }
        _ => return Err(malformed("not exactly one of dsseEnvelope, messageSignature".into())),
    };
    let opened = open_envelope(envelope)?;
    drop(wire);
    // The text holds the payload a second time: it goes before anything else grows, unless sigstore needs it.
    let parsed = if proofs > 0 || has_certificate {
        Some(Bundle::from_json(&text).map_err(|e| malformed(e.to_string()))?)
    } else {
        None
    };
    drop(text);
    let signed = Signed {
        signature: &opened.signature,
        hint,
        has_certificate,
        chain,
        bundle: parsed.as_ref(),
        message: Message::Envelope { payload: &opened.payload },
    };
    let standing = who_signed(&signed, question);
    drop(parsed);
    statement_outcome(opened.payload, standing, question, known)
}

/// An envelope under the `.att` tag.
fn envelope(content: &[u8], item: &Item, question: Question<'_>, known: &mut Known) -> Result<Outcome> {
    let malformed = |why: String| refuse(Refusal::EvidenceMalformed, format!("not a DSSE envelope: {why}"));
    let wire: EnvelopeWire<'_> = strict::from_slice(content).map_err(malformed)?;
    let opened = open_envelope(&wire)?;
    let material = Material::read(&item.annotations).map_err(malformed)?;
    known.claimed_signer = material.certificate.as_deref().and_then(certificate_identity);
    let parsed = if material.has_proof() {
        let envelope = serde_json::from_slice(content).map_err(|e| malformed(e.to_string()))?;
        Some(to_bundle(&material.envelope_bundle(envelope))?)
    } else {
        None
    };
    let signed = Signed {
        signature: &opened.signature,
        hint: None,
        has_certificate: material.certificate.is_some(),
        chain: material.certificates(),
        bundle: parsed.as_ref(),
        message: Message::Envelope { payload: &opened.payload },
    };
    let standing = who_signed(&signed, question);
    drop(parsed);
    statement_outcome(opened.payload, standing, question, known)
}

/// A simple-signing layer under the `.sig` tag.
fn simple_signing(content: &[u8], item: &Item, question: Question<'_>, known: &mut Known) -> Result<Outcome> {
    (known.kind, known.predicate_type) = (Kind::Signature, None);
    let malformed =
        |why: String| refuse(Refusal::EvidenceMalformed, format!("not a cosign signature: {why}"));
    let signature = item
        .annotations
        .get(legacy::SIGNATURE)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| refuse(Refusal::SignatureCount, "the layer has no signature annotation"))?;
    let signature =
        STANDARD.decode(signature.trim()).map_err(|e| malformed(format!("its signature: {e}")))?;
    let material = Material::read(&item.annotations).map_err(malformed)?;
    known.claimed_signer = material.certificate.as_deref().and_then(certificate_identity);
    let parsed = if material.has_proof() {
        Some(to_bundle(&material.message_bundle(&Sha256::digest(content), &signature))?)
    } else {
        None
    };
    let signed = Signed {
        signature: &signature,
        hint: None,
        has_certificate: material.certificate.is_some(),
        chain: material.certificates(),
        bundle: parsed.as_ref(),
        message: Message::Bytes(content),
    };
    let signers = match who_signed(&signed, question) {
        Ok(signers) => signers,
        Err(why) => return Ok(why.into()),
    };
    let payload = SimpleSigning::parse(content).map_err(|why| {
        refuse(Refusal::LegacyPayloadMalformed, format!("the signed payload is no cosign signature: {why}"))
    })?;
    if !question.subjects.contains(&payload.digest) {
        return Err(wrong_subject(&payload.digest.to_string(), question));
    }
    Ok(Outcome::Verified(Verified { value: Claim::Signature, signers, subjects: vec![payload.digest] }))
}

/// Reads the payload of an envelope whose signers are known, and not before.
fn statement_outcome(
    payload: Vec<u8>,
    standing: Result<Vec<Signer>, Unsupported>,
    question: Question<'_>,
    known: &mut Known,
) -> Result<Outcome> {
    let read = Statement::parse(payload).map_err(|why| {
        refuse(Refusal::StatementMalformed, format!("the signed payload is no in-toto statement: {why}"))
    });
    if let Ok(statement) = &read {
        known.predicate_type = Some(statement.predicate_type.clone());
        known.kind = match statement.predicate_type {
            PredicateType::CosignSign => Kind::Signature,
            _ => Kind::Attestation,
        };
    }
    let signers = match standing {
        Ok(signers) => signers,
        Err(why) => return Ok(why.into()),
    };
    let statement = read?;
    let subjects: Vec<Digest> = question.subjects.iter().filter(|d| statement.is_about(d)).cloned().collect();
    if subjects.is_empty() {
        return Err(wrong_subject(&statement.first_subject(), question));
    }
    let value = match statement.predicate_type {
        PredicateType::CosignSign => Claim::Signature,
        _ => Claim::Attestation(statement),
    };
    Ok(Outcome::Verified(Verified { value, signers, subjects }))
}

fn wrong_subject(found: &str, question: Question<'_>) -> Explanation {
    let wanted = question.subjects.first().map(Digest::to_string).unwrap_or_default();
    refuse(Refusal::SubjectMismatch, format!("signed for {found}, not for {wanted}"))
}

/// What was signed, as bytes.
#[derive(Clone, Copy)]
enum Message<'a> {
    /// A DSSE envelope's payload; what is signed is its pre-authentication encoding.
    Envelope { payload: &'a [u8] },
    /// The bytes themselves.
    Bytes(&'a [u8]),
}

impl Message<'_> {
    /// The bytes before the payload (DSSE specification, "Signature Definition").
    fn prefix(self) -> String {
        match self {
            Self::Envelope { payload } => format!("DSSEv1 {} {IN_TOTO} {} ", IN_TOTO.len(), payload.len()),
            Self::Bytes(_) => String::new(),
        }
    }

    fn payload(&self) -> &[u8] {
        match self {
            Self::Envelope { payload } => payload,
            Self::Bytes(bytes) => bytes,
        }
    }

    /// The payload, where it is an envelope's.
    fn envelope(&self) -> Option<&[u8]> {
        match self {
            Self::Envelope { payload } => Some(payload),
            Self::Bytes(_) => None,
        }
    }

    /// The digest of what is signed.
    fn digest(self, hash: Hash) -> Vec<u8> {
        hash.of(self.prefix().as_bytes(), self.payload())
    }
}

/// One signature with everything that came with it.
struct Signed<'a> {
    signature: &'a [u8],
    hint: Option<String>,
    has_certificate: bool,
    /// The signer's certificate, then those that came with it.
    chain: Vec<Vec<u8>>,
    bundle: Option<&'a Bundle>,
    message: Message<'a>,
}

/// Why nobody among the authorities stands behind a signature.
enum Unsupported {
    UnknownSigner(Vec<Explanation>),
    Invalid(Explanation),
}

impl From<Unsupported> for Outcome {
    fn from(why: Unsupported) -> Self {
        match why {
            Unsupported::UnknownSigner(reasons) => Self::UnknownSigner(reasons),
            Unsupported::Invalid(reason) => Self::Invalid(reason),
        }
    }
}

/// The distinct authorities' signers for whom `signed` is good, or why there is none.
fn who_signed(signed: &Signed<'_>, question: Question<'_>) -> Result<Vec<Signer>, Unsupported> {
    let mut signers = Vec::new();
    let mut reasons: Vec<Explanation> = Vec::new();
    for authority in question.authorities {
        let found = match &authority.who {
            Who::Keys(keys) => by_keys(signed, keys, authority, question),
            Who::Keyless(rule) => by_identity(signed, rule, authority, question),
            Who::Certified(certified) => by_certificate(signed, certified, authority, question),
        };
        match found {
            Ok(signer) => signers.push(signer),
            Err(reason) => reasons.push(reason),
        }
    }
    if !signers.is_empty() {
        return Ok(signers);
    }
    // What could not be found out outweighs every "no": it might have been a "yes".
    let unknown = reasons.iter().position(|r| r.code == Refusal::RevocationUnknown);
    // One reason that goes beyond "not mine" says more than the rest: it is the answer.
    let not_mine = [Refusal::UnknownSigner, Refusal::IdentityMismatch, Refusal::ClaimMismatch];
    let beyond = || reasons.iter().position(|r| !not_mine.contains(&r.code));
    match unknown.or_else(beyond) {
        Some(at) => Err(Unsupported::Invalid(reasons.swap_remove(at))),
        None => Err(Unsupported::UnknownSigner(reasons)),
    }
}

fn by_keys(
    signed: &Signed<'_>,
    keys: &[TrustedKey],
    authority: &Authority,
    question: Question<'_>,
) -> Result<Signer> {
    let name = authority.name();
    if signed.has_certificate {
        return Err(refuse(
            Refusal::UnknownSigner,
            format!("signed with a certificate; authority '{name}' has keys"),
        ));
    }
    // The same key may stand there twice with two windows: one that fits is enough.
    let matching: Vec<&TrustedKey> = keys.iter().filter(|k| signature_fits(&k.key, signed)).collect();
    let Some(first) = matching.first() else {
        let hinted = keys.iter().any(|k| signed.hint.as_deref() == Some(k.key.hint().as_str()));
        return Err(if hinted {
            refuse(
                Refusal::SignatureInvalid,
                format!(
                    "it names a key of authority '{name}', and that key's signature does not fit the signed bytes"
                ),
            )
        } else {
            refuse(Refusal::UnknownSigner, format!("not signed by a key of authority '{name}'"))
        });
    };
    let about = About {
        key: &first.key,
        certificate: None,
        signature: signed.signature,
        digest: &|hash| Some(signed.message.digest(hash)),
        payload: signed.message.envelope(),
    };
    let proven = proof::of_key(signed.bundle, &about, question.now, authority, |ask| {
        ask_sigstore(ask, signed, question)
    });
    let times = match proven {
        Ok(proven) => proven.times,
        // Without a trusted root, all that was asked is whether the entries belong to this signature.
        Err(e) if authority.trust.is_none() => return Err(not_its_entry(e)),
        Err(e) => return Err(e),
    };
    let times = if times.is_empty() { vec![question.now] } else { times };
    if matching.iter().any(|key| times.iter().all(|time| key.trusted_at(*time))) {
        return Ok(authority.signer(first.key.id()));
    }
    Err(refuse(
        Refusal::KeyOutsideValidity,
        format!(
            "signed by a key of authority '{name}' outside the time for which the policy trusts it ({})",
            times.iter().map(Timestamp::to_string).collect::<Vec<_>>().join(", ")
        ),
    ))
}

/// Whether the signature is good under `key`: exact bytes, exact algorithm.
fn signature_fits(key: &PublicKey, signed: &Signed<'_>) -> bool {
    key.fits(signed.message.prefix().as_bytes(), signed.message.payload(), signed.signature)
}

pub(crate) fn not_its_entry(cause: Explanation) -> Explanation {
    let text = "the log entry does not belong to this payload, signature and key";
    refuse(Refusal::LogEntryMismatch, text).because(vec![cause])
}

fn by_identity(
    signed: &Signed<'_>,
    rule: &IdentityRule,
    authority: &Authority,
    question: Question<'_>,
) -> Result<Signer> {
    let (true, Some(bundle)) = (signed.has_certificate, signed.bundle) else {
        return Err(refuse(
            Refusal::UnknownSigner,
            format!("signed with a key; authority '{}' is a keyless identity", authority.name()),
        ));
    };
    let case = proof::Case {
        chain: &signed.chain,
        signature: signed.signature,
        fits: &|key| Ok(signature_fits(key, signed)),
        digest: &|hash| Some(signed.message.digest(hash)),
        payload: signed.message.envelope(),
        now: question.now,
    };
    let (id, _) =
        proof::of_certificate(bundle, rule, authority, &case, |ask| ask_sigstore(ask, signed, question))?;
    Ok(authority.signer(id))
}

/// By somebody whom a private PKI certifies.
fn by_certificate(
    signed: &Signed<'_>,
    certified: &Certified,
    authority: &Authority,
    question: Question<'_>,
) -> Result<Signer> {
    let key = certified::key(&signed.chain, authority)?;
    if !signature_fits(&key, signed) {
        return Err(refuse(
            Refusal::SignatureInvalid,
            "the signature does not fit the signed bytes and the certificate beside it",
        ));
    }
    let about = About {
        key: &key,
        certificate: signed.chain.first().map(Vec::as_slice),
        signature: signed.signature,
        digest: &|hash| Some(signed.message.digest(hash)),
        payload: signed.message.envelope(),
    };
    let case = Case { chain: &signed.chain, about, bundle: signed.bundle, now: question.now };
    let proven = certified::judge(certified, authority, &case, &|trust, bundle, policy| {
        let ask = Ask { verifier: trust.verifier(), bundle, policy, signed: None };
        ask_sigstore(ask, signed, question)
    })?;
    Ok(authority.signer(proven.id))
}

/// Asks sigstore-verify, and sorts its errors.
fn ask_sigstore(ask: Ask<'_>, signed: &Signed<'_>, question: Question<'_>) -> Result<VerificationResult> {
    let Ask { verifier, bundle, policy, .. } = ask;
    if let Some(bytes) = ask.signed {
        return verifier.verify(bytes, bundle, policy).map_err(|error| sorted(&error));
    }
    let result = match signed.message {
        Message::Bytes(bytes) => verifier.verify(bytes, bundle, policy),
        // The statement is bound to one of our digests by ourselves (`statement_outcome`); what is asked here
        // is the rest. The library wants an artifact all the same: the first subject that it can compare.
        Message::Envelope { payload } => {
            let statement = Statement::parse(payload.to_vec()).map_err(|why| {
                refuse(Refusal::StatementMalformed, format!("the payload is no in-toto statement: {why}"))
            })?;
            let Some(digest) = question.subjects.iter().find(|d| statement.is_about(d)) else {
                return Err(wrong_subject(&statement.first_subject(), question));
            };
            let (algorithm, hex) = (digest.algorithm(), digest.hex().to_owned());
            drop(statement);
            let algorithm = match algorithm {
                Algorithm::Sha256 => HashAlgorithm::Sha2256,
                Algorithm::Sha512 => HashAlgorithm::Sha2512,
            };
            let odd = |e: String| refuse(Refusal::EvidenceMalformed, e);
            let bytes = hex::decode(hex).map_err(|e| odd(e.to_string()))?;
            let artifact = ArtifactDigest::new(algorithm, bytes).map_err(|e| odd(e.to_string()))?;
            verifier.verify(artifact, bundle, policy)
        }
    };
    result.map_err(|error| sorted(&error))
}

/// A library's error as one of our refusals.
pub(crate) fn sorted(error: &SigstoreError) -> Explanation {
    let code = match &error {
        SigstoreError::IdentityMismatch { .. } | SigstoreError::IssuerMismatch { .. } => {
            Refusal::IdentityMismatch
        }
        SigstoreError::SignatureInvalid(_) => Refusal::SignatureInvalid,
        SigstoreError::ArtifactMismatch(_) => Refusal::SubjectMismatch,
        SigstoreError::Certificate(_) => Refusal::CertificateInvalid,
        SigstoreError::TransparencyLog(_) => Refusal::LogEntryInvalid,
        SigstoreError::Timestamp(_) => Refusal::TimestampMissing,
        _ => Refusal::EvidenceMalformed,
    };
    let text: String = error.to_string().chars().take(400).collect();
    refuse(code, text.replace(char::is_control, " "))
}

fn to_bundle(value: &serde_json::Value) -> Result<Bundle> {
    Bundle::from_json(&value.to_string()).map_err(|e| {
        refuse(Refusal::EvidenceMalformed, format!("its annotations do not make a sigstore bundle: {e}"))
    })
}

/// Whom a certificate names, for showing.
pub(crate) fn certificate_identity(der: &[u8]) -> Option<String> {
    let info = guarded(|| {
        sigstore_verify::crypto::parse_certificate_info(&DerCertificate::new(der.to_vec()))
            .map_err(|e| refuse(Refusal::CertificateInvalid, e.to_string()))
    })
    .ok()?;
    let identity: String = info.identity.as_ref()?.as_str().chars().take(300).collect();
    let issuer: String = info.issuer.unwrap_or_default().chars().take(300).collect();
    Some(format!("{identity} ({issuer})").escape_debug().to_string())
}

pub(crate) fn shown_hint(hint: &str) -> String {
    // The usual hint is the key's SHA-256 in base64; then it is shown in the form of signer ids.
    match STANDARD.decode(hint) {
        Ok(bytes) if bytes.len() == 32 => format!("key sha256:{}", hex::encode(bytes)),
        _ if hint.is_empty() => "a key, not said which".into(),
        _ => format!("key {}", hint.chars().take(100).collect::<String>().escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B07: whatever panics below us ends in a refusal.
    #[test]
    fn a_panic_is_a_refusal() {
        let result: Result<()> = guarded(|| panic!("as a parser might"));
        assert_eq!(result.unwrap_err().code, Refusal::VerifierPanicked);
    }

    /// The example of the DSSE specification, with our payload type.
    #[test]
    fn pre_authentication_encoding() {
        let message = Message::Envelope { payload: b"hello" };
        assert_eq!(message.prefix(), "DSSEv1 28 application/vnd.in-toto+json 5 ");
    }
}
