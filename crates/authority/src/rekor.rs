//! Log entries (Rekor v2): what is taken into the log, in which form, and the proof that comes back.
//!
//! Taken: `hashedRekordRequestV002` (a digest, its signature, key or certificate) and `dsseRequestV002` (an
//! envelope and the keys of its signatures), by keys of P-256, P-384, P-521, RSA of 2048, 3072 and 4096 bits, and
//! Ed25519 (prehashed where a digest is logged), as Rekor v2 takes them. Every signature is checked before anything is written, because
//! a log of claims that nobody made is of no use. Whether a certificate is one of ours is *not* checked: the
//! log records what was signed, verifiers decide whom they trust, and teams log with their own keys, too.
//!
//! The entry is canonical JSON (RFC 8785): keys sorted, no white space, nothing but ASCII inside, which the
//! order of fields in the structs below gives.

use crate::error::Refused;
use crate::log::Receipt;
use crate::log::tree::Hash;
use crate::x509::Certificate;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use seaworthy_sign::{Algorithm, Payload, PublicKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Signatures of one envelope.
const SIGNATURES: usize = 16;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    hashed_rekord_request_v002: Option<HashedRekord>,
    dsse_request_v002: Option<Dsse>,
}

#[derive(Debug, Deserialize)]
struct HashedRekord {
    digest: String,
    signature: Signature,
}

#[derive(Debug, Deserialize)]
struct Signature {
    content: String,
    verifier: Verifier,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verifier {
    public_key: Option<Raw>,
    x509_certificate: Option<Raw>,
    key_details: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    raw_bytes: String,
}

#[derive(Debug, Deserialize)]
struct Dsse {
    envelope: Envelope,
    verifiers: Vec<Verifier>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Debug, Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

// What is written. Fields stand in the order of their names on the wire.

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    api_version: &'static str,
    kind: &'static str,
    spec: Spec,
}

#[derive(Serialize)]
enum Spec {
    #[serde(rename = "dsseV002")]
    Dsse {
        #[serde(rename = "payloadHash")]
        payload_hash: Digest,
        signatures: Vec<LoggedSignature>,
    },
    #[serde(rename = "hashedRekordV002")]
    HashedRekord { data: Digest, signature: LoggedSignature },
}

#[derive(Serialize)]
struct Digest {
    algorithm: &'static str,
    digest: String,
}

#[derive(Serialize)]
struct LoggedSignature {
    content: String,
    verifier: LoggedVerifier,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LoggedVerifier {
    key_details: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<Raw>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x509_certificate: Option<Raw>,
}

/// An entry that may be written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) kind: &'static str,
    pub(crate) body: Vec<u8>,
}

/// What protobuf-specs call a key with its way of signing, what they call the hash, and its length. Of the
/// two ways of Ed25519, `hashedrekord` takes the one over a digest.
fn details(key: &PublicKey, of_digest: bool) -> Result<(&'static str, &'static str, usize), Refused> {
    Ok(match key.algorithm() {
        Algorithm::EcdsaP256 => ("PKIX_ECDSA_P256_SHA_256", "SHA2_256", 32),
        Algorithm::EcdsaP384 => ("PKIX_ECDSA_P384_SHA_384", "SHA2_384", 48),
        Algorithm::EcdsaP521 => ("PKIX_ECDSA_P521_SHA_512", "SHA2_512", 64),
        Algorithm::Rsa2048 => ("PKIX_RSA_PKCS1V15_2048_SHA256", "SHA2_256", 32),
        Algorithm::Rsa3072 => ("PKIX_RSA_PKCS1V15_3072_SHA256", "SHA2_256", 32),
        Algorithm::Rsa4096 => ("PKIX_RSA_PKCS1V15_4096_SHA256", "SHA2_256", 32),
        Algorithm::Ed25519 | Algorithm::Ed25519ph if of_digest => ("PKIX_ED25519_PH", "SHA2_512", 64),
        Algorithm::Ed25519 | Algorithm::Ed25519ph => ("PKIX_ED25519", "SHA2_256", 32),
        other => return Err(Refused::bad(format!("keys of the kind {other} are not taken"))),
    })
}

fn key(spki: &[u8]) -> Result<PublicKey, Refused> {
    PublicKey::from_spki_der(spki).map_err(|e| Refused::bad(format!("the key is not usable: {e}")))
}

/// Bytes in JSON of protobuf: standard or URL-safe alphabet, with or without padding.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()
}

fn bytes(text: &str, what: &str) -> Result<Vec<u8>, Refused> {
    decode(text).ok_or_else(|| Refused::bad(format!("{what} is not base64")))
}

impl Verifier {
    /// The key, and the form in which it is logged.
    fn read(&self, of_digest: bool) -> Result<(PublicKey, LoggedVerifier), Refused> {
        let (key, public_key, x509_certificate) = match (&self.public_key, &self.x509_certificate) {
            (Some(raw), None) => {
                let der = bytes(&raw.raw_bytes, "the public key")?;
                (key(&der)?, Some(STANDARD.encode(der)), None)
            }
            (None, Some(raw)) => {
                let der = bytes(&raw.raw_bytes, "the certificate")?;
                let certificate =
                    Certificate::read(&der).ok_or_else(|| Refused::bad("the certificate is no X.509"))?;
                (key(&certificate.spki)?, None, Some(STANDARD.encode(der)))
            }
            _ => return Err(Refused::bad("a verifier is either a public key or a certificate")),
        };
        let (key_details, _, _) = details(&key, of_digest)?;
        if of_digest && self.key_details.as_deref() == Some("PKIX_ED25519") {
            return Err(Refused::bad(
                "Ed25519 signs no digest: sign with Ed25519ph, or log the envelope with dsseRequestV002",
            ));
        }
        if self.key_details.as_ref().is_some_and(|given| given != key_details) {
            return Err(Refused::bad(format!("the key is {key_details}, not what keyDetails say")));
        }
        let raw = |raw_bytes| Raw { raw_bytes };
        let logged = LoggedVerifier {
            key_details,
            public_key: public_key.map(raw),
            x509_certificate: x509_certificate.map(raw),
        };
        Ok((key, logged))
    }
}

fn entry(kind: &'static str, spec: Spec) -> Result<Entry, Refused> {
    let body = serde_json::to_vec(&Body { api_version: "0.0.2", kind, spec })
        .map_err(|e| Refused::unavailable(format!("cannot write the entry: {e}")))?;
    Ok(Entry { kind, body })
}

fn hashed_rekord(request: &HashedRekord) -> Result<Entry, Refused> {
    let digest = bytes(&request.digest, "the digest")?;
    let content = bytes(&request.signature.content, "the signature")?;
    let (key, verifier) = request.signature.verifier.read(true)?;
    let (_, algorithm, length) = details(&key, true)?;
    if digest.len() != length {
        return Err(Refused::bad(format!("the digest is no {algorithm}, which this key signs")));
    }
    if key.verify_digest(&digest, &content).is_err() {
        return Err(Refused::bad("the signature is not by this key over this digest"));
    }
    let signature = LoggedSignature { content: STANDARD.encode(content), verifier };
    entry(
        "hashedrekord",
        Spec::HashedRekord { data: Digest { algorithm, digest: STANDARD.encode(digest) }, signature },
    )
}

fn dsse(request: &Dsse) -> Result<Entry, Refused> {
    let payload = bytes(&request.envelope.payload, "the payload")?;
    let count = request.envelope.signatures.len();
    if count == 0
        || count > SIGNATURES
        || request.verifiers.is_empty()
        || request.verifiers.len() > SIGNATURES
    {
        return Err(Refused::bad(format!("an envelope has 1 to {SIGNATURES} signatures and verifiers")));
    }
    let message = Payload::Dsse { payload_type: &request.envelope.payload_type, payload: &payload };
    let mut verifiers = request.verifiers.iter().map(|v| v.read(false)).collect::<Result<Vec<_>, _>>()?;
    let mut signatures = Vec::with_capacity(count);
    for given in &request.envelope.signatures {
        let content = bytes(&given.sig, "a signature")?;
        let position = verifiers.iter().position(|(key, _)| key.verify(&message, &content).is_ok());
        let (_, verifier) =
            verifiers
                .remove(position.ok_or_else(|| {
                    Refused::bad("a signature of the envelope is by none of the verifiers")
                })?);
        signatures.push(LoggedSignature { content: STANDARD.encode(content), verifier });
    }
    if !verifiers.is_empty() {
        return Err(Refused::bad("a verifier has made no signature of the envelope"));
    }
    let payload_hash = Digest { algorithm: "SHA2_256", digest: STANDARD.encode(Sha256::digest(&payload)) };
    entry("dsse", Spec::Dsse { payload_hash, signatures })
}

/// Reads a request and checks its signatures.
pub(crate) fn read(json: &[u8]) -> Result<Entry, Refused> {
    let request: Request =
        serde_json::from_slice(json).map_err(|e| Refused::bad(format!("no request for an entry: {e}")))?;
    match (&request.hashed_rekord_request_v002, &request.dsse_request_v002) {
        (Some(request), None) => hashed_rekord(request),
        (None, Some(request)) => dsse(request),
        _ => Err(Refused::bad("give either hashedRekordRequestV002 or dsseRequestV002")),
    }
}

/// The answer: a TransparencyLogEntry of protobuf-specs, as it goes into a bundle.
pub(crate) fn answer(entry: &Entry, log_id: &Hash, receipt: &Receipt) -> serde_json::Value {
    let checkpoint = &receipt.checkpoint;
    serde_json::json!({
        "logIndex": receipt.index.to_string(),
        "logId": { "keyId": STANDARD.encode(log_id) },
        "kindVersion": { "kind": entry.kind, "version": "0.0.2" },
        "inclusionProof": {
            "logIndex": receipt.index.to_string(),
            "rootHash": STANDARD.encode(checkpoint.root),
            "treeSize": checkpoint.size.to_string(),
            "hashes": receipt.proof.iter().map(|hash| STANDARD.encode(hash)).collect::<Vec<_>>(),
            "checkpoint": { "envelope": checkpoint.text },
        },
        "canonicalizedBody": STANDARD.encode(&entry.body),
    })
}
