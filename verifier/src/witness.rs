//! Logs and timestamps beside a signature, for keys that sigstore-verify has no word for.
//!
//! Its entries of Rekor v2 (`hashedrekord` 0.0.2) are those of P-256 alone; RSA has names of its own there, a key
//! of P-384 is logged with SHA-384, one of P-521 with SHA-512, and an Ed25519 key signs the SHA-512 (Ed25519ph, RFC 8032) for a
//! log. The same is demanded here: an entry must be about this digest, signature and key or certificate
//! (CVE-2022-36056), its inclusion must lead to a checkpoint that a log of the root signed, and every timestamp
//! that came along must verify.
//!
//! Refused: entries of other kinds, entries without a proof of inclusion, algorithms that the key does not have.

use crate::check::refuse;
use crate::key::{Hash, PublicKey};
use crate::trust::Trust;
use crate::verdict::{Explanation, Refusal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use seaworthy_oci::strict;
use serde::Deserialize;
use sigstore_types::bundle::TransparencyLogEntry;
use sigstore_types::{Bundle, KindVersion, SignatureBytes};
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
}

/// Whether this bundle is to be judged here: sigstore-verify knows the older logs, and not these keys in the
/// newer one.
pub(crate) fn is_ours(key: &PublicKey, bundle: &Bundle) -> bool {
    let entries = &bundle.verification_material.tlog_entries;
    let older = entries.iter().any(|e| e.kind_version != KindVersion::HashedRekordV002);
    match key.algorithm() {
        "P-521" => true,
        "Ed25519" => !older,
        "P-256" => false,
        _ => !older && !entries.is_empty(),
    }
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
    for entry in &bundle.verification_material.tlog_entries {
        belongs(entry, about)?;
        included(entry, &keys, now)?;
    }
    timestamps(trust, bundle, about.signature)
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
        let by = |authority| {
            sigstore_verify::tsa::verify_timestamp_for_authority(
                &token.signed_timestamp,
                &signature,
                authority,
            )
        };
        authorities.iter().find_map(|authority| by(authority).ok()).ok_or_else(|| {
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
struct Body {
    api_version: String,
    kind: String,
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
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

/// Whether the entry is about this digest, signature and signer.
fn belongs(entry: &TransparencyLogEntry, about: &About<'_>) -> Result<(), Explanation> {
    let other =
        |what: &str| refuse(Refusal::LogEntryMismatch, format!("the log entry is about another {what}"));
    if entry.kind_version != KindVersion::HashedRekordV002 {
        let text = format!(
            "a log entry of the kind {} {}, which cannot be judged for keys of {}",
            entry.kind_version.kind(),
            entry.kind_version.version(),
            about.key.algorithm()
        );
        return Err(refuse(Refusal::LogEntryInvalid, text));
    }
    let body: Body = strict::from_slice(entry.canonicalized_body.as_bytes())
        .map_err(|e| refuse(Refusal::LogEntryInvalid, format!("the log entry is no hashedrekord: {e}")))?;
    if body.kind != "hashedrekord" || body.api_version != "0.0.2" {
        return Err(refuse(Refusal::LogEntryInvalid, "the log entry is of another kind than it says"));
    }
    let Logged { data, signature } = body.spec.entry;
    let said = |text: &str| STANDARD.decode(text).unwrap_or_default();
    if said(&signature.content) != about.signature {
        return Err(other("signature"));
    }
    let verifier = signature.verifier;
    let same = match (&verifier.public_key, &verifier.x509_certificate, about.certificate) {
        (Some(key), None, None) => said(&key.raw_bytes) == about.key.spki(),
        (None, Some(logged), Some(certificate)) => said(&logged.raw_bytes) == certificate,
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
    if data.algorithm != hash.bundle_name() || (about.digest)(hash) != Some(said(&data.digest)) {
        return Err(other("payload"));
    }
    Ok(())
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
    let leaf = sigstore_merkle::hash_leaf(entry.canonicalized_body.as_bytes());
    sigstore_merkle::verify_inclusion_proof(
        &leaf,
        entry.log_index.get(),
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
