//! Telling a transparency log about a signature (Rekor v1 and v2), and reading its answer.
//!
//! What is logged: with v2 always `hashedrekord` 0.0.2, of an envelope the digest of its pre-authentication
//! encoding; with v1 `hashedrekord` 0.0.1 for blobs, and `dsse` 0.0.1 for envelopes, as cosign does. An envelope that a
//! v1 log would refuse in that form, because it is large or because its key signs another hash than SHA-256, is logged
//! there by its digest, too. An answer is taken only where its entry holds our signature; proofs are checked by the
//! verifier. The digest is of the hash that the key signs: v2 has a name for each kind of key. Refused: Ed25519
//! itself, which signs no digest (Ed25519ph does).

use super::config::Endpoint;
use super::http::{Call, Http, Patience, escaped};
use crate::bundle;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{Algorithm, Hash, PublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use sigstore_rekor::LogEntry;
use sigstore_types::KindVersion;
use sigstore_types::bundle::TransparencyLogEntry;
use std::collections::BTreeMap;

/// The largest payload of an envelope that is sent to a Rekor v1 log whole; the public one refuses more. Larger ones are
/// logged by their digest.
pub(super) const V1_ENVELOPE_BYTES: usize = 100 << 10;

/// What verifies a signature, as logs are told.
#[derive(Clone, Copy)]
pub(super) enum Verifier<'a> {
    Certificate(&'a super::certificate::Certificate),
    Key(&'a PublicKey),
}

impl Verifier<'_> {
    fn pem(self) -> String {
        match self {
            Self::Certificate(certificate) => certificate.pem(),
            Self::Key(key) => key.to_pem(),
        }
    }
}

/// A signature to be logged.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    /// The envelope's type and content, where it is one and not a file.
    pub(super) envelope: Option<(&'a str, &'a [u8])>,
    /// The digest of what was signed, under the hash of `algorithm`.
    pub(super) digest: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) verifier: Verifier<'a>,
    pub(super) algorithm: Algorithm,
}

/// Logs `entry`; the answer is a bundle's log entry as JSON.
pub(super) async fn log(http: &Http, endpoint: (&Endpoint, Patience), entry: &Entry<'_>) -> Result<String> {
    let made = match endpoint.0.version {
        2 => v2(http, endpoint, entry).await?,
        _ => v1(http, endpoint, entry).await?,
    };
    serde_json::to_string(&made)
        .map_err(|e| Error::new("keep", "log entry", ErrorKind::SelfCheck(e.to_string())))
}

fn write(value: &Value) -> Result<Bytes> {
    let json = serde_json::to_vec(value)
        .map_err(|e| Error::new("write", "log entry", ErrorKind::Local(e.to_string())))?;
    Ok(json.into())
}

/// What a log of Rekor v2 calls such signatures (protobuf-specs, `PublicKeyDetails`).
fn details(algorithm: Algorithm) -> Option<&'static str> {
    Some(match algorithm {
        Algorithm::EcdsaP256 => "PKIX_ECDSA_P256_SHA_256",
        Algorithm::EcdsaP384 => "PKIX_ECDSA_P384_SHA_384",
        Algorithm::EcdsaP521 => "PKIX_ECDSA_P521_SHA_512",
        Algorithm::Rsa2048 => "PKIX_RSA_PKCS1V15_2048_SHA256",
        Algorithm::Rsa3072 => "PKIX_RSA_PKCS1V15_3072_SHA256",
        Algorithm::Rsa4096 => "PKIX_RSA_PKCS1V15_4096_SHA256",
        Algorithm::Ed25519ph => "PKIX_ED25519_PH",
        Algorithm::Ed25519 => return None,
    })
}

/// Whether a log of this version can be told of signatures of this kind; found out before anything is signed.
pub(super) fn check_algorithm(algorithm: Algorithm, version: u32) -> Result<()> {
    match algorithm {
        other if matches!(version, 1 | 2) && details(other).is_some() => Ok(()),
        other => Err(Error::new(
            "log signatures of",
            other,
            ErrorKind::UnsupportedKey("an entry in a transparency log for this kind of key".into()),
        )
        .hint("use another kind of key, or a configuration without a log")),
    }
}

async fn v2(
    http: &Http,
    (endpoint, patience): (&Endpoint, Patience),
    entry: &Entry<'_>,
) -> Result<TransparencyLogEntry> {
    check_algorithm(entry.algorithm, 2)?;
    let url = super::under(&endpoint.url, "api/v2/log/entries")?;
    let digest = STANDARD.encode(entry.digest);
    let signature = STANDARD.encode(entry.signature);
    let mut verifier = json!({ "keyDetails": details(entry.algorithm) });
    match entry.verifier {
        Verifier::Certificate(c) => {
            verifier["x509Certificate"] = json!({ "rawBytes": STANDARD.encode(c.der()) });
        }
        Verifier::Key(k) => {
            verifier["publicKey"] = json!({ "rawBytes": STANDARD.encode(k.as_spki_der()) });
        }
    }
    let request = json!({
        "hashedRekordRequestV002": {
            "digest": digest,
            "signature": { "content": signature, "verifier": verifier },
        }
    });
    let mut call = Call::post(&url, "add to log", "application/json", write(&request)?);
    call.patience = patience;
    let answer = http.call(&call).await?;
    let odd = |why: String| call.error(ErrorKind::Signer(why));
    let made: TransparencyLogEntry = serde_json::from_slice(&answer.body)
        .map_err(|e| odd(format!("its answer is no log entry: {}", escaped(&e.to_string()))))?;
    if made.kind_version != KindVersion::HashedRekordV002 || made.inclusion_proof.is_none() {
        return Err(odd("its answer is no hashedrekord 0.0.2 with a proof of inclusion".into()));
    }
    let body = body(&made).map_err(&odd)?;
    let spec = &body["spec"]["hashedRekordV002"];
    let same = spec["data"]["digest"] == *digest && spec["signature"]["content"] == *signature;
    if same { Ok(made) } else { Err(odd("the entry that it made is about another signature".into())) }
}

/// The entry as the log has it.
fn body(entry: &TransparencyLogEntry) -> Result<Value, String> {
    serde_json::from_slice(entry.canonicalized_body.as_bytes()).map_err(|_| "its entry is no JSON".into())
}

async fn v1(
    http: &Http,
    (endpoint, patience): (&Endpoint, Patience),
    entry: &Entry<'_>,
) -> Result<TransparencyLogEntry> {
    let url = super::under(&endpoint.url, "api/v1/log/entries")?;
    let signature = STANDARD.encode(entry.signature);
    let verifier = STANDARD.encode(entry.verifier.pem());
    let whole = entry
        .envelope
        .filter(|(_, payload)| payload.len() <= V1_ENVELOPE_BYTES && entry.algorithm.hash() == Hash::Sha256);
    let (kind, request) = match whole {
        Some((payload_type, payload)) => {
            let envelope = bundle::envelope_json(payload_type, payload, entry.signature)?;
            let envelope = String::from_utf8(envelope)
                .map_err(|e| Error::new("write", "log entry", ErrorKind::Local(e.to_string())))?;
            let content = json!({ "envelope": envelope, "verifiers": [verifier] });
            let request =
                json!({ "apiVersion": "0.0.1", "kind": "dsse", "spec": { "proposedContent": content } });
            (KindVersion::DsseV001, request)
        }
        None => {
            check_algorithm(entry.algorithm, 1)?;
            let algorithm = match entry.algorithm.hash() {
                Hash::Sha256 => "sha256",
                Hash::Sha384 => "sha384",
                Hash::Sha512 => "sha512",
            };
            let hash = json!({ "algorithm": algorithm, "value": hex::encode(entry.digest) });
            let signature = json!({ "content": signature, "publicKey": { "content": verifier } });
            let spec = json!({ "data": { "hash": hash }, "signature": signature });
            let request = json!({ "apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec });
            (KindVersion::HashedRekordV001, request)
        }
    };
    let mut call = Call::post(&url, "add to log", "application/json", write(&request)?);
    call.also = &[409];
    call.patience = patience;
    let mut answer = http.call(&call).await?;
    let odd = |why: String| Error::new("add to log", super::http::shown(&url), ErrorKind::Signer(why));
    if answer.status == 409 {
        // A try whose answer was lost made the entry: the log says where it is.
        let location = answer.headers.get("location").and_then(|l| l.to_str().ok());
        let found = location.and_then(|l| url.join(l).ok()).filter(|u| u.origin() == url.origin());
        let found = found.ok_or_else(|| odd("it has the entry, and does not say where".into()))?;
        answer = http.call(&Call::get(&found, "read an entry of log")).await?;
    }
    let entries: BTreeMap<String, LogEntry> = serde_json::from_slice(&answer.body)
        .map_err(|e| odd(format!("its answer is no log entry: {}", escaped(&e.to_string()))))?;
    let mut entries = entries.into_values();
    let (Some(one), None) = (entries.next(), entries.next()) else {
        return Err(odd("its answer is not one log entry".into()));
    };
    let made = one.to_bundle_entry(kind).map_err(|e| odd(format!("its entry is unusable: {e}")))?;
    let body = body(&made).map_err(&odd)?;
    let logged = match whole {
        Some(_) => &body["spec"]["signatures"][0]["signature"],
        None => &body["spec"]["signature"]["content"],
    };
    if *logged != *signature {
        return Err(odd("the entry that it made is about another signature".into()));
    }
    if made.inclusion_promise.is_none() && made.inclusion_proof.is_none() {
        return Err(odd("its entry has neither a promise nor a proof of inclusion".into()));
    }
    Ok(made)
}
