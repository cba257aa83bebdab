//! Logs and timestamps beside a signature, judged by ourselves where sigstore-verify cannot be asked.
//!
//! It takes keys of P-256 alone for what is in Rekor v2 (`hashedrekord` 0.0.2) and SHA-256 alone for Rekor v1; RSA has
//! names of its own there, a key of P-384 is logged with SHA-384, one of P-521 with SHA-512, and an Ed25519 key signs
//! the SHA-512 (Ed25519ph, RFC 8032) for a log. Nor does it read timestamps by RSA keys (`stamp`). The same as
//! there is demanded here: an entry must be about this digest, signature and key or certificate (CVE-2022-36056), its
//! inclusion must lead to a checkpoint that a log of the root signed, a promise must be that log's, and every
//! timestamp that came along must verify.
//!
//! Refused: entries of other kinds than `hashedrekord` and `dsse` 0.0.1, entries without proof (of Rekor v1: without
//! promise, too), times to come, algorithms that the key does not have.

use crate::check::refuse;
use crate::demand::Quorum;
use crate::key::{Hash, PublicKey};
use crate::stamp;
use crate::trust::Trust;
use crate::verdict::{Explanation, Refusal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use p256::pkcs8::der::Document;
use seaworthy_oci::strict;
use serde::Deserialize;
use sigstore_types::bundle::TransparencyLogEntry;
use sigstore_types::{Bundle, KindVersion, Sha256Hash, SignatureBytes};
use sigstore_verify::crypto::{Checkpoint, Keyring};

/// What an entry has to be about.
pub(crate) struct About<'a> {
    /// The key that signed.
    pub(crate) key: &'a PublicKey,
    /// Its certificate, where it came with one.
    pub(crate) certificate: Option<&'a [u8]>,
    /// The signature.
    pub(crate) signature: &'a [u8],
    /// The digest of what was signed; `None` where it is not known.
    pub(crate) digest: &'a dyn Fn(Hash) -> Option<Vec<u8>>,
    /// The payload, of an envelope.
    pub(crate) payload: Option<&'a [u8]>,
}

/// Whether this bundle is to be judged here: sigstore-verify knows the older logs for some keys, and the kinds that
/// are not read here.
pub(crate) fn is_ours(key: &PublicKey, bundle: &Bundle) -> bool {
    let entries = &bundle.verification_material.tlog_entries;
    match key.algorithm() {
        "P-521" => true,
        "P-256" => false,
        "Ed25519" => is_read(bundle),
        _ => is_read(bundle) && !entries.is_empty(),
    }
}

/// Whether every entry is of a kind that is read here.
pub(crate) fn is_read(bundle: &Bundle) -> bool {
    use KindVersion::{DsseV001, HashedRekordV001, HashedRekordV002};
    let read = [DsseV001, HashedRekordV001, HashedRekordV002];
    bundle.verification_material.tlog_entries.iter().all(|entry| read.contains(&entry.kind_version))
}

/// Proves every entry and every timestamp; the proven times.
pub(crate) fn prove(
    trust: &Trust,
    bundle: &Bundle,
    about: &About<'_>,
    now: Timestamp,
) -> Result<Vec<Timestamp>, Explanation> {
    let keys = trust
        .root()
        .rekor_keys()
        .map_err(|e| refuse(Refusal::LogEntryInvalid, format!("the trusted root's logs: {e}")))?;
    let mut times = timestamps(trust, bundle, about.signature)?;
    for entry in &bundle.verification_material.tlog_entries {
        belongs(entry, about)?;
        times.extend(held(entry, &keys, now)?);
    }
    Ok(times)
}

/// Whether as many distinct logs hold the signature as are wanted; that the entries are about it was proven.
pub(crate) fn enough_logs(
    trust: &Trust,
    bundle: &Bundle,
    wanted: Quorum,
    now: Timestamp,
) -> Result<(), Explanation> {
    let entries = &bundle.verification_material.tlog_entries;
    let holds = |keys: &&Keyring| entries.iter().any(|entry| held(entry, keys, now).is_ok());
    let found = match wanted.need() {
        0 | 1 => entries.len(),
        _ => trust.log_keys().iter().filter(holds).count(),
    };
    if found < wanted.need() {
        let text = format!("{found} of {} distinct transparency logs hold it", wanted.need());
        return Err(refuse(Refusal::LogEntryMissing, text));
    }
    Ok(())
}

/// Whether every entry is about this signature, which needs no trust.
pub(crate) fn all_belong(bundle: &Bundle, about: &About<'_>) -> Result<(), Explanation> {
    bundle.verification_material.tlog_entries.iter().try_for_each(|entry| belongs(entry, about))
}

/// The times that timestamp authorities of the root prove; every token must verify.
pub(crate) fn timestamps(
    trust: &Trust,
    bundle: &Bundle,
    signature: &[u8],
) -> Result<Vec<Timestamp>, Explanation> {
    let signature = SignatureBytes::from_bytes(signature);
    let authorities = trust.root().tsa_authorities();
    let tokens = &bundle.verification_material.timestamp_verification_data.rfc3161_timestamps;
    let proven = tokens.iter().map(|token| {
        stamp::proven(&token.signed_timestamp, &signature, &authorities).ok_or_else(|| {
            refuse(
                Refusal::TimestampMissing,
                "a timestamp is by no authority of the trusted root, or not good",
            )
        })
    });
    proven.collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body<S> {
    api_version: String,
    kind: String,
    spec: S,
}

impl<S: for<'de> Deserialize<'de>> Body<S> {
    /// The `spec` of an entry that is of this kind and says so.
    fn spec(entry: &TransparencyLogEntry) -> Result<S, Explanation> {
        let (kind, version) = (entry.kind_version.kind(), entry.kind_version.version());
        let body: Self = strict::from_slice(entry.canonicalized_body.as_bytes())
            .map_err(|e| refuse(Refusal::LogEntryInvalid, format!("the log entry is no {kind}: {e}")))?;
        if body.kind != kind || body.api_version != version {
            return Err(refuse(Refusal::LogEntryInvalid, "the log entry is of another kind than it says"));
        }
        Ok(body.spec)
    }
}

/// `hashedrekord` 0.0.2.
#[derive(Deserialize)]
struct Newer {
    #[serde(rename = "hashedRekordV002")]
    entry: Logged,
}

#[derive(Deserialize)]
struct Logged {
    data: Data,
    signature: LoggedSignature,
}

#[derive(Deserialize)]
struct Data {
    algorithm: String,
    digest: String,
}

#[derive(Deserialize)]
struct LoggedSignature {
    content: String,
    verifier: LoggedVerifier,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoggedVerifier {
    key_details: String,
    public_key: Option<Raw>,
    x509_certificate: Option<Raw>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    raw_bytes: String,
}

/// `hashedrekord` 0.0.1.
#[derive(Deserialize)]
struct Older {
    data: OlderData,
    signature: OlderSignature,
}

#[derive(Deserialize)]
struct OlderData {
    hash: OlderHash,
}

#[derive(Deserialize)]
struct OlderHash {
    algorithm: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OlderSignature {
    content: String,
    public_key: Content,
}

#[derive(Deserialize)]
struct Content {
    content: String,
}

/// `dsse` 0.0.1. The hash of the envelope's own bytes is of whatever somebody sent, and is not asked about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Enveloped {
    payload_hash: OlderHash,
    signatures: Vec<EnvelopedSignature>,
}

#[derive(Deserialize)]
struct EnvelopedSignature {
    signature: String,
    verifier: String,
}

fn other(what: &str) -> Explanation {
    refuse(Refusal::LogEntryMismatch, format!("the log entry is about another {what}"))
}

fn decoded(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap_or_default()
}

/// Whether the entry is about this digest, signature and signer.
fn belongs(entry: &TransparencyLogEntry, about: &About<'_>) -> Result<(), Explanation> {
    match entry.kind_version {
        KindVersion::HashedRekordV002 => newer(&Body::<Newer>::spec(entry)?.entry, about),
        KindVersion::HashedRekordV001 => {
            let Older { data, signature } = Body::<Older>::spec(entry)?;
            signed_by(&signature.content, &signature.public_key.content, about)?;
            let hash = about.key.logged_hash();
            let same = data.hash.algorithm == hash.rekor_name()
                && (about.digest)(hash).is_some_and(|digest| hex::encode(digest) == data.hash.value);
            if same { Ok(()) } else { Err(other("payload")) }
        }
        KindVersion::DsseV001 => {
            let Enveloped { payload_hash, signatures } = Body::<Enveloped>::spec(entry)?;
            let [one] = signatures.as_slice() else { return Err(other("number of signatures")) };
            signed_by(&one.signature, &one.verifier, about)?;
            let payload = about.payload.ok_or_else(|| other("form of signature: an envelope's"))?;
            let same = payload_hash.algorithm == Hash::Sha256.rekor_name()
                && hex::encode(Hash::Sha256.of(b"", payload)) == payload_hash.value;
            if same { Ok(()) } else { Err(other("payload")) }
        }
        other => {
            let text = format!(
                "a log entry of the kind {} {}, which cannot be judged for keys of {}, or beside a timestamp by an RSA key",
                other.kind(),
                other.version(),
                about.key.algorithm()
            );
            Err(refuse(Refusal::LogEntryInvalid, text))
        }
    }
}

/// Whether an entry of Rekor v1 has this signature and signer.
fn signed_by(signature: &str, verifier: &str, about: &About<'_>) -> Result<(), Explanation> {
    if decoded(signature) != about.signature {
        return Err(other("signature"));
    }
    let pem = String::from_utf8(decoded(verifier)).unwrap_or_default();
    let same = Document::from_pem(pem.trim()).is_ok_and(|(label, der)| match about.certificate {
        Some(certificate) => label == "CERTIFICATE" && der.as_bytes() == certificate,
        None => label == "PUBLIC KEY" && der.as_bytes() == about.key.spki(),
    });
    if same { Ok(()) } else { Err(other("key or certificate")) }
}

fn newer(entry: &Logged, about: &About<'_>) -> Result<(), Explanation> {
    let Logged { data, signature } = entry;
    if decoded(&signature.content) != about.signature {
        return Err(other("signature"));
    }
    let verifier = &signature.verifier;
    let same = match (&verifier.public_key, &verifier.x509_certificate, about.certificate) {
        (Some(key), None, None) => decoded(&key.raw_bytes) == about.key.spki(),
        (None, Some(logged), Some(certificate)) => decoded(&logged.raw_bytes) == certificate,
        _ => false,
    };
    if !same {
        return Err(other("key or certificate"));
    }
    let Some(hash) = about.key.logged_as(&verifier.key_details) else {
        let shown: String = verifier.key_details.chars().take(60).collect();
        let text = format!("the log entry says {}, which this key is not", shown.escape_debug());
        return Err(refuse(Refusal::LogEntryMismatch, text));
    };
    if data.algorithm != hash.bundle_name() || (about.digest)(hash) != Some(decoded(&data.digest)) {
        return Err(other("payload"));
    }
    Ok(())
}

/// Whether one of `logs` holds the entry, by proof or promise; the time that a promise says.
fn held(
    entry: &TransparencyLogEntry,
    logs: &Keyring,
    now: Timestamp,
) -> Result<Option<Timestamp>, Explanation> {
    let newer = entry.kind_version == KindVersion::HashedRekordV002;
    let without = |what: &str| refuse(Refusal::LogEntryInvalid, format!("a log entry without {what}"));
    match &entry.inclusion_proof {
        Some(_) => included(entry, logs, now)?,
        None if newer => return Err(without("proof of inclusion")),
        None if entry.inclusion_promise.is_none() => return Err(without("inclusion proof or promise")),
        None => {}
    }
    if entry.inclusion_promise.is_none() {
        return Ok(None);
    }
    let time = promised(entry, logs, now)?;
    // Rekor v2 makes no promises and knows no times.
    Ok(time.filter(|_| !newer))
}

/// Whether a log of `logs` promised to hold the entry, and since when it says so (rekor, "signed entry timestamp").
fn promised(
    entry: &TransparencyLogEntry,
    logs: &Keyring,
    now: Timestamp,
) -> Result<Option<Timestamp>, Explanation> {
    let invalid = |why: &str| refuse(Refusal::LogEntryInvalid, why);
    let promise = entry.inclusion_promise.as_ref().ok_or_else(|| invalid("a log entry without promise"))?;
    let name = entry.log_id.key_id.as_bytes();
    let id = Sha256Hash::try_from(name).map_err(|_| invalid("the log entry names no log"))?;
    let time = entry.integrated_time;
    let key = match time {
        Some(time) => logs.key_at(&id, time),
        None => logs.key_started_by(&id, now),
    };
    let key = key.ok_or_else(|| invalid("no log of the trusted root made the promise, at its time"))?;
    // The canonical form of JSON (RFC 8785): sorted, and nothing in it needs escaping.
    let signed = format!(
        r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
        STANDARD.encode(entry.canonicalized_body.as_bytes()),
        time.map_or(0, Timestamp::as_second),
        hex::encode(name),
        entry.log_index.as_i64(),
    );
    let signature = SignatureBytes::from_bytes(promise.signed_entry_timestamp.as_bytes());
    if key.verify(signed.as_bytes(), &signature).is_err() {
        return Err(invalid("the log's promise is not its own"));
    }
    if time.is_some_and(|time| time > now) {
        return Err(invalid("the log promises from a time to come"));
    }
    Ok(time)
}

/// Whether a log of the root proves that it holds the entry (RFC 6962, section 2.1.1; C2SP tlog-checkpoint).
fn included(entry: &TransparencyLogEntry, logs: &Keyring, now: Timestamp) -> Result<(), Explanation> {
    let invalid = |why: String| refuse(Refusal::LogEntryInvalid, why);
    let proof = entry
        .inclusion_proof
        .as_ref()
        .ok_or_else(|| invalid("a log entry without proof of inclusion".into()))?;
    let checkpoint = Checkpoint::from_text(proof.checkpoint.envelope())
        .map_err(|e| invalid(format!("the log's checkpoint cannot be read: {e}")))?;
    // Rekor v1 counts its entries through all of its trees, and a proof within one. Rekor v2 has one number, and what
    // stands there beside the checkpoint counts for nothing.
    let index = match entry.kind_version {
        KindVersion::HashedRekordV002 => entry.log_index.get(),
        _ if proof.tree_size != checkpoint.tree_size()
            || proof.root_hash.as_bytes() != checkpoint.root_hash().as_bytes() =>
        {
            return Err(invalid("the proof of inclusion is for another checkpoint".into()));
        }
        _ => proof.log_index.get(),
    };
    let leaf = sigstore_merkle::hash_leaf(entry.canonicalized_body.as_bytes());
    sigstore_merkle::verify_inclusion_proof(
        &leaf,
        index,
        checkpoint.tree_size(),
        &proof.hashes,
        checkpoint.root_hash(),
    )
    .map_err(|e| invalid(format!("the proof of inclusion does not lead to the checkpoint: {e}")))?;
    let signed = checkpoint.signatures().iter().any(|signature| {
        logs.keys_by_hint(&signature.key_id, now)
            .any(|key| key.verify(checkpoint.signed_data(), &signature.signature).is_ok())
    });
    if signed { Ok(()) } else { Err(invalid("no log of the trusted root signed the checkpoint".into())) }
}
