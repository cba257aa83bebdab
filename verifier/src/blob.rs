//! Files: is this bundle a good signature, or a good statement, about this file by this authority?
//!
//! The same rules as for images (see `check`), for one bundle and one file: exactly one signature by an
//! accepted algorithm; a certificate proven at a proven time, with a log entry that proves itself (Sigstore
//! client specification, section 4); log entries that belong to this signature. A message signature must be
//! over the file, a statement must have it as a subject.
//!
//! Refused besides: bundles in two readings, media types that nobody defined, a `messageDigest` of another
//! file. Where the question cannot be answered from what was given (a digest, and a key that signs no
//! SHA-256), that is an error and no "no".

use crate::authority::{Authority, TrustedKey, Who};
use crate::certified::{self, Case};
use crate::check::{certificate_identity, guarded, not_its_entry, refuse, shown_hint, sorted};
use crate::identity::IdentityRule;
use crate::key::{Hash, PublicKey};
use crate::limits;
use crate::pki::Certified;
use crate::proof::{self, Ask, Proven};
use crate::statement::{IN_TOTO, PredicateType, Statement};
use crate::verdict::{Decision, Explanation, Refusal, Signer};
use crate::wire::{EnvelopeWire, MaterialWire, open_envelope};
use crate::witness::About;
use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use seaworthy_oci::{Algorithm, Digest, strict};
use serde::{Deserialize, Serialize};
use sigstore_types::{ArtifactDigest, Bundle, HashAlgorithm};
use sigstore_verify::{Error as SigstoreError, VerificationResult};
use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The version of the JSON shape of [`BlobVerdict`].
pub const BLOB_VERDICT_VERSION: &str = "seaworthy.dev/blob-verdict/v1alpha1";
/// The largest bundle that is read: a statement with the largest SBOM, in base64.
pub const BLOB_BUNDLE_BYTES: u64 = limits::EVIDENCE_ITEM_BYTES;
/// Files up to this size are held in memory and read once; Ed25519 verifies no larger ones.
pub const HELD_BYTES: u64 = 64 << 20;

/// What a bundle is to be about.
#[derive(Debug)]
pub struct Artifact {
    sha256: Option<Vec<u8>>,
    sha384: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
    content: Option<Vec<u8>>,
    path: Option<PathBuf>,
}

impl Artifact {
    /// A file, read to its end.
    ///
    /// # Errors
    /// In words, with the path.
    pub fn file(path: &Path) -> Result<Self, String> {
        let fail = |e: std::io::Error| format!("cannot read {}: {e}", path.display());
        let mut file = File::open(path).map_err(fail)?;
        let mut contexts = [Hash::Sha256, Hash::Sha384, Hash::Sha512].map(|h| Context::new(h.aws()));
        let mut content = Some(Vec::new());
        let mut piece = vec![0u8; 128 << 10];
        loop {
            let read = match file.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => piece.get(..read).unwrap_or_default(),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(fail(e)),
            };
            for context in &mut contexts {
                context.update(read);
            }
            if let Some(held) = &mut content {
                held.extend_from_slice(read);
            }
            content = content.filter(|held| held.len() as u64 <= HELD_BYTES);
        }
        let [sha256, sha384, sha512] = contexts.map(|c| Some(c.finish().as_ref().to_vec()));
        Ok(Self { sha256, sha384, sha512, content, path: Some(path.to_owned()) })
    }

    /// A file of which the digest alone is known.
    pub fn digest(digest: &Digest) -> Self {
        let bytes = hex::decode(digest.hex()).ok();
        let (sha256, sha512) = match digest.algorithm() {
            Algorithm::Sha256 => (bytes, None),
            Algorithm::Sha512 => (None, bytes),
        };
        Self { sha256, sha384: None, sha512, content: None, path: None }
    }

    /// A file that was read elsewhere: its SHA-256, its SHA-384 or SHA-512 where that is what a key signs (told by
    /// the length), and its bytes where a key signs those.
    pub fn known(sha256: &[u8], signed: &[u8], content: Option<&[u8]>) -> Self {
        let wide = |bytes: usize| (signed.len() == bytes).then(|| signed.to_vec());
        Self {
            sha256: Some(sha256.to_vec()),
            sha384: wide(48),
            sha512: wide(64),
            content: content.map(<[u8]>::to_vec),
            path: None,
        }
    }

    fn under(&self, hash: Hash) -> Option<&[u8]> {
        match hash {
            Hash::Sha256 => self.sha256.as_deref(),
            Hash::Sha384 => self.sha384.as_deref(),
            Hash::Sha512 => self.sha512.as_deref(),
        }
    }

    /// `sha256:…`, or whichever digest is known.
    pub fn name(&self) -> String {
        match (&self.sha256, &self.sha512) {
            (Some(bytes), _) => format!("sha256:{}", hex::encode(bytes)),
            (None, Some(bytes)) => format!("sha512:{}", hex::encode(bytes)),
            (None, None) => String::new(),
        }
    }

    fn digests(&self) -> impl Iterator<Item = Digest> + '_ {
        [("sha256", &self.sha256), ("sha512", &self.sha512)]
            .into_iter()
            .filter_map(|(name, bytes)| format!("{name}:{}", hex::encode(bytes.as_ref()?)).parse().ok())
    }
}

/// The answer about a file.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlobVerdict {
    /// [`BLOB_VERDICT_VERSION`].
    pub api_version: &'static str,
    /// Yes or no.
    pub decision: Decision,
    /// The file's digest.
    pub digest: String,
    /// `message` for a signature over the file, `statement` for one about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// The URI of the statement's predicate type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<PredicateType>,
    /// Who signed; only with a yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// Whom the bundle names, unproven; only with a no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_signer: Option<String>,
    /// Whether a trusted transparency log holds the signature.
    pub logged: bool,
    /// Proven times of signing.
    pub times: Vec<Timestamp>,
    /// Why not.
    pub refusals: Vec<Explanation>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// The bytes are needed, and a digest was given (or the file is larger than [`HELD_BYTES`]).
    #[error("cannot verify by a digest: {0}")]
    BytesNeeded(String),
    /// Whether the signer's certificate was revoked could not be found out.
    #[error("cannot verify: {0}")]
    Undecided(Explanation),
    /// The file could not be read once more, or changed meanwhile.
    #[error("cannot read the file: {0}")]
    File(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlobWire<'a> {
    #[serde(borrow)]
    media_type: Cow<'a, str>,
    #[serde(borrow)]
    verification_material: MaterialWire<'a>,
    #[serde(borrow)]
    dsse_envelope: Option<EnvelopeWire<'a>>,
    message_signature: Option<MessageWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageWire {
    message_digest: Option<DigestWire>,
    signature: String,
}

#[derive(Deserialize)]
struct DigestWire {
    /// Not there in cosign's bundles by Ed25519 keys without a log.
    algorithm: Option<String>,
    digest: Option<String>,
}

/// What was signed, after base64.
enum Content {
    Message,
    Statement(Vec<u8>),
}

struct Opened {
    content: Content,
    signature: Vec<u8>,
    hint: Option<String>,
    certified: bool,
    /// The signer's certificate, then those that came with it.
    chain: Vec<Vec<u8>>,
    bundle: Bundle,
}

impl Opened {
    /// The payload, where it is an envelope's.
    fn payload(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Statement(payload) => Some(payload),
            Content::Message => None,
        }
    }
}

/// What came of the signature.
struct Proof {
    signer: Signer,
    proven: Proven,
}

enum Stop {
    No(Explanation),
    Error(BlobError),
}

impl From<Explanation> for Stop {
    fn from(why: Explanation) -> Self {
        Self::No(why)
    }
}

/// Whether `bundle` is a good signature or statement about `artifact` by `authority`, judged at `now`.
///
/// # Errors
/// Where it could not be found out; see [`BlobError`].
pub fn verify_blob(
    bundle: &[u8],
    artifact: &Artifact,
    authority: &Authority,
    now: Timestamp,
) -> Result<BlobVerdict, BlobError> {
    let mut verdict = BlobVerdict {
        api_version: BLOB_VERDICT_VERSION,
        decision: Decision::Deny,
        digest: artifact.name(),
        kind: None,
        predicate_type: None,
        signer: None,
        claimed_signer: None,
        logged: false,
        times: Vec::new(),
        refusals: Vec::new(),
    };
    // A panic below is a refusal: what the closure leaves half-done is the explanation of a no.
    let outcome = guarded(|| Ok(judge(bundle, artifact, authority, now, &mut verdict)));
    match outcome {
        Ok(Ok(proof)) => {
            verdict.decision = Decision::Allow;
            verdict.signer = Some(proof.signer);
            verdict.claimed_signer = None;
            verdict.logged = proof.proven.logged;
            verdict.times = proof.proven.times;
        }
        Ok(Err(Stop::Error(error))) => return Err(error),
        Ok(Err(Stop::No(why))) | Err(why) if why.code == Refusal::RevocationUnknown => {
            return Err(BlobError::Undecided(why));
        }
        Ok(Err(Stop::No(why))) | Err(why) => verdict.refusals.push(why),
    }
    Ok(verdict)
}

fn judge(
    bundle: &[u8],
    artifact: &Artifact,
    authority: &Authority,
    now: Timestamp,
    verdict: &mut BlobVerdict,
) -> Result<Proof, Stop> {
    let opened = open(bundle, artifact, verdict)?;
    let proof = match &authority.who {
        Who::Keys(keys) => by_keys(&opened, artifact, keys, authority, now)?,
        Who::Keyless(rule) => by_identity(&opened, artifact, rule, authority, now)?,
        Who::Certified(certified) => by_certificate(&opened, artifact, certified, authority, now)?,
    };
    // Read by ourselves, strictly, even where a library did so already.
    if let Content::Statement(payload) = opened.content {
        let statement = Statement::parse(payload).map_err(|why| {
            refuse(Refusal::StatementMalformed, format!("the signed payload is no in-toto statement: {why}"))
        })?;
        verdict.predicate_type = Some(statement.predicate_type.clone());
        if !artifact.digests().any(|digest| statement.is_about(&digest)) {
            let found = statement.first_subject();
            let wanted = artifact.name();
            return Err(
                refuse(Refusal::SubjectMismatch, format!("signed for {found}, not for {wanted}")).into()
            );
        }
    }
    Ok(proof)
}

fn open(bytes: &[u8], artifact: &Artifact, verdict: &mut BlobVerdict) -> Result<Opened, Explanation> {
    let malformed = |why: String| refuse(Refusal::EvidenceMalformed, format!("not a sigstore bundle: {why}"));
    if bytes.len() as u64 > BLOB_BUNDLE_BYTES {
        let why = format!("the bundle is larger than the limit BLOB_BUNDLE_BYTES = {BLOB_BUNDLE_BYTES}");
        return Err(refuse(Refusal::EvidenceTooLarge, why));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8".into()))?;
    let wire: BlobWire<'_> = strict::from_slice(text.as_bytes()).map_err(malformed)?;
    if !crate::evidence::is_bundle_type(&wire.media_type) {
        let shown: String = wire.media_type.chars().take(100).collect();
        return Err(malformed(format!("its mediaType is '{}'", shown.escape_debug())));
    }
    let material = &wire.verification_material;
    let certificate = material.certificate().map_err(malformed)?;
    verdict.claimed_signer = match (&certificate, &material.public_key) {
        (Some(der), _) => certificate_identity(der),
        (None, key) => key.as_ref().map(|key| shown_hint(&key.hint)),
    };
    let (content, signature) = match (&wire.dsse_envelope, &wire.message_signature) {
        (Some(envelope), None) => {
            verdict.kind = Some("statement");
            let opened = open_envelope(envelope)?;
            (Content::Statement(opened.payload), opened.signature)
        }
        (None, Some(message)) => {
            verdict.kind = Some("message");
            if let Some(declared) = &message.message_digest {
                declared_digest(declared, artifact)?;
            }
            let signature = STANDARD
                .decode(&message.signature)
                .map_err(|e| malformed(format!("its signature is no base64: {e}")))?;
            (Content::Message, signature)
        }
        _ => return Err(malformed("not exactly one of dsseEnvelope, messageSignature".into())),
    };
    let bundle = parsed(text, &wire).map_err(malformed)?;
    Ok(Opened {
        content,
        signature,
        hint: material.public_key.as_ref().map(|k| k.hint.to_string()),
        certified: certificate.is_some(),
        chain: material.chain().map_err(malformed)?,
        bundle,
    })
}

/// The bundle as the library reads it. An empty message digest, which cosign writes for Ed25519 keys without a
/// log, declares nothing; the library would not read it.
fn parsed(text: &str, wire: &BlobWire<'_>) -> Result<Bundle, String> {
    let empty = |m: &MessageWire| m.message_digest.as_ref().is_some_and(|d| d.algorithm.is_none());
    if !wire.message_signature.as_ref().is_some_and(empty) {
        return Bundle::from_json(text).map_err(|e| shown_error(&e));
    }
    let mut value: serde_json::Value = serde_json::from_str(text).map_err(|e| shown_error(&e))?;
    if let Some(message) = value.get_mut("messageSignature").and_then(serde_json::Value::as_object_mut) {
        message.remove("messageDigest");
    }
    Bundle::from_json(&value.to_string()).map_err(|e| shown_error(&e))
}

fn shown_error(error: &impl ToString) -> String {
    error.to_string().chars().take(300).collect::<String>().replace(char::is_control, " ")
}

/// The digest that a message signature names must be the file's, where it can be compared.
fn declared_digest(declared: &DigestWire, artifact: &Artifact) -> Result<(), Explanation> {
    let (Some(algorithm), Some(digest)) = (&declared.algorithm, &declared.digest) else {
        // An empty one declares nothing: the signature alone decides.
        return match (&declared.algorithm, &declared.digest) {
            (None, None) => Ok(()),
            _ => Err(refuse(Refusal::EvidenceMalformed, "half of a message digest")),
        };
    };
    let hash = match algorithm.as_str() {
        "SHA2_256" => Hash::Sha256,
        "SHA2_384" => Hash::Sha384,
        "SHA2_512" => Hash::Sha512,
        other => {
            let shown: String = other.chars().take(40).collect();
            let why = format!("its message digest is of the kind '{}'", shown.escape_debug());
            return Err(refuse(Refusal::EvidenceMalformed, why));
        }
    };
    let named = STANDARD
        .decode(digest)
        .map_err(|e| refuse(Refusal::EvidenceMalformed, format!("its message digest is no base64: {e}")))?;
    match artifact.under(hash) {
        Some(real) if real != named.as_slice() => Err(refuse(
            Refusal::SubjectMismatch,
            format!("signed for a file with the digest {}, not for {}", hex::encode(named), artifact.name()),
        )),
        _ => Ok(()),
    }
}

fn by_keys(
    opened: &Opened,
    artifact: &Artifact,
    keys: &[TrustedKey],
    authority: &Authority,
    now: Timestamp,
) -> Result<Proof, Stop> {
    let name = authority.name();
    if opened.certified {
        let why = format!("signed with a certificate; authority '{name}' has keys");
        return Err(refuse(Refusal::UnknownSigner, why).into());
    }
    let mut matching: Vec<&TrustedKey> = Vec::new();
    for key in keys {
        if fits(&key.key, opened, artifact)? {
            matching.push(key);
        }
    }
    let Some(first) = matching.first() else {
        let hinted = keys.iter().any(|k| opened.hint.as_deref() == Some(k.key.hint().as_str()));
        let (code, why) = if hinted {
            (
                Refusal::SignatureInvalid,
                "the signature does not fit the file and the key that the bundle names",
            )
        } else {
            (Refusal::UnknownSigner, "not signed by the key that was given")
        };
        return Err(refuse(code, why).into());
    };
    let digest = |hash| digest_of(opened, artifact, hash);
    let about = About {
        key: &first.key,
        certificate: None,
        signature: &opened.signature,
        digest: &digest,
        payload: opened.payload(),
    };
    let proven = proof::of_key(Some(&opened.bundle), &about, now, authority, |ask| self::ask(ask, artifact));
    let proven = match proven {
        Ok(proven) => proven,
        // Without a trusted root, all that was asked is whether the entries belong to this signature.
        Err(Stop::No(why)) if authority.trust.is_none() => return Err(not_its_entry(why).into()),
        Err(stop) => return Err(stop),
    };
    let at = if proven.times.is_empty() { vec![now] } else { proven.times.clone() };
    if !matching.iter().any(|key| at.iter().all(|time| key.trusted_at(*time))) {
        let why = "signed outside the time for which the key is trusted";
        return Err(refuse(Refusal::KeyOutsideValidity, why).into());
    }
    Ok(Proof { signer: authority.signer(first.key.id()), proven })
}

/// Whether the signature is good under `key`.
fn fits(key: &PublicKey, opened: &Opened, artifact: &Artifact) -> Result<bool, Stop> {
    let payload = match &opened.content {
        Content::Statement(payload) => {
            let prefix = format!("DSSEv1 {} {IN_TOTO} {} ", IN_TOTO.len(), payload.len());
            return Ok(key.fits(prefix.as_bytes(), payload, &opened.signature));
        }
        Content::Message => artifact.content.as_deref(),
    };
    let name = key.algorithm();
    let missing = |what: &str| {
        Stop::Error(BlobError::BytesNeeded(format!(
            "a signature by a key of {name} needs {what}; give the file"
        )))
    };
    match (key.hash(), payload) {
        (Some(hash), _) => {
            let digest =
                artifact.under(hash).ok_or_else(|| missing(&format!("the file's {hash:?} digest")))?;
            Ok(key.fits_digest(digest, &opened.signature))
        }
        (None, Some(bytes)) => Ok(key.fits(b"", bytes, &opened.signature)),
        // Ed25519ph signs a digest; a signature of Ed25519 itself needs the bytes.
        (None, None)
            if artifact.sha512.as_deref().is_some_and(|d| key.fits_prehashed(d, &opened.signature)) =>
        {
            Ok(true)
        }
        (None, None) => Err(missing(&format!("the file itself, at most {} MiB", HELD_BYTES >> 20))),
    }
}

fn by_identity(
    opened: &Opened,
    artifact: &Artifact,
    rule: &IdentityRule,
    authority: &Authority,
    now: Timestamp,
) -> Result<Proof, Stop> {
    if !opened.certified {
        return Err(refuse(Refusal::UnknownSigner, "signed with a key; an identity is asked for").into());
    }
    let case = proof::Case {
        chain: &opened.chain,
        signature: &opened.signature,
        fits: &|key| fits(key, opened, artifact),
        digest: &|hash| digest_of(opened, artifact, hash),
        payload: opened.payload(),
        now,
    };
    let (id, proven) =
        proof::of_certificate(&opened.bundle, rule, authority, &case, |ask| self::ask(ask, artifact))?;
    Ok(Proof { signer: authority.signer(id), proven })
}

/// The digest of what was signed, where it is known.
fn digest_of(opened: &Opened, artifact: &Artifact, hash: Hash) -> Option<Vec<u8>> {
    match &opened.content {
        Content::Statement(payload) => {
            let prefix = format!("DSSEv1 {} {IN_TOTO} {} ", IN_TOTO.len(), payload.len());
            Some(hash.of(prefix.as_bytes(), payload))
        }
        Content::Message => artifact.under(hash).map(<[u8]>::to_vec),
    }
}

/// By somebody whom a private PKI certifies.
fn by_certificate(
    opened: &Opened,
    artifact: &Artifact,
    certified: &Certified,
    authority: &Authority,
    now: Timestamp,
) -> Result<Proof, Stop> {
    let key = certified::key(&opened.chain, authority)?;
    if !fits(&key, opened, artifact)? {
        let why = "the signature does not fit the file and the certificate beside it";
        return Err(refuse(Refusal::SignatureInvalid, why).into());
    }
    let digest = |hash| digest_of(opened, artifact, hash);
    let certificate = opened.chain.first().map(Vec::as_slice);
    let about = About {
        key: &key,
        certificate,
        signature: &opened.signature,
        digest: &digest,
        payload: opened.payload(),
    };
    let case = Case { chain: &opened.chain, about, bundle: Some(&opened.bundle), now };
    let proven = certified::judge(certified, authority, &case, &|trust, bundle, policy| {
        ask(Ask { verifier: trust.verifier(), bundle, policy, signed: None }, artifact)
    })?;
    let (logged, times) = (proven.logged, proven.times);
    Ok(Proof { signer: authority.signer(proven.id), proven: Proven { logged, times } })
}

/// Reads on, and hashes on the way.
struct Hashing<R> {
    inner: R,
    context: Context,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.context.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}

/// Asks sigstore-verify about the file, in the form that is at hand.
fn ask(ask: Ask<'_>, artifact: &Artifact) -> Result<VerificationResult, Stop> {
    let Ask { verifier, bundle, policy, .. } = ask;
    if let Some(bytes) = ask.signed {
        return verifier.verify(bytes, bundle, policy).map_err(|error| Stop::No(sorted(&error)));
    }
    let file_error = |e: String| Stop::Error(BlobError::File(e));
    let result = match (&artifact.content, &artifact.path) {
        (Some(bytes), _) => verifier.verify(bytes, bundle, policy),
        (None, Some(path)) => {
            let file = File::open(path).map_err(|e| file_error(e.to_string()))?;
            let mut reader = Hashing { inner: file, context: Context::new(&SHA256) };
            let result = verifier.verify_reader(&mut reader, bundle, policy);
            if result.is_ok() && artifact.sha256.as_deref() != Some(reader.context.finish().as_ref()) {
                return Err(file_error("it changed while it was verified".into()));
            }
            result
        }
        (None, None) => {
            let (algorithm, bytes) = match (&artifact.sha256, &artifact.sha512) {
                (Some(bytes), _) => (HashAlgorithm::Sha2256, bytes),
                (None, Some(bytes)) => (HashAlgorithm::Sha2512, bytes),
                (None, None) => return Err(file_error("no digest".into())),
            };
            let digest = ArtifactDigest::new(algorithm, bytes.clone())
                .map_err(|e| refuse(Refusal::EvidenceMalformed, e.to_string()))?;
            verifier.verify(digest, bundle, policy)
        }
    };
    result.map_err(|error| match &error {
        SigstoreError::UnsupportedArtifact(why) if artifact.content.is_none() => {
            Stop::Error(BlobError::BytesNeeded(shown_error(why)))
        }
        SigstoreError::ArtifactRead(why) => Stop::Error(BlobError::File(shown_error(why))),
        _ => Stop::No(sorted(&error)),
    })
}
