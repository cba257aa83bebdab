//! cosign's older forms: simple signing under `.sig`, envelopes under `.att`.
//!
//! Reads the payload strictly, and turns what the annotations carry (certificate, log entry, timestamp) into
//! a v0.1 bundle in memory, so that one verifier judges both worlds. The log entry of such a signature has a
//! promise only (a signed entry timestamp), which is what that form always had.

use crate::pki::travelling;
use crate::x509;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_oci::{Digest, strict};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Annotation: base64 of the signature over the layer's bytes.
pub(crate) const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";
const BUNDLE: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";
/// Media type of a simple-signing layer.
pub(crate) const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Media type of an envelope layer.
pub(crate) const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";

/// What a simple-signing payload says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SimpleSigning {
    /// The digest it speaks about.
    pub(crate) digest: Digest,
}

impl SimpleSigning {
    /// Reads a payload strictly (containers/image, "Container signature format").
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Wire {
            critical: Critical,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Critical {
            #[serde(rename = "identity")]
            _identity: Identity,
            image: ImageDigest,
            #[serde(rename = "type")]
            kind: String,
        }
        // Unknown members of `critical` must be refused, that is what the name says.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Identity {
            #[serde(rename = "docker-reference")]
            _reference: String,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ImageDigest {
            #[serde(rename = "docker-manifest-digest")]
            digest: Digest,
        }
        let wire: Wire = strict::from_slice(payload)?;
        if wire.critical.kind != "cosign container image signature" {
            return Err("its type is not 'cosign container image signature'".into());
        }
        Ok(Self { digest: wire.critical.image.digest })
    }
}

/// What the annotations of a legacy layer carry besides the signature.
#[derive(Debug, Default)]
pub(crate) struct Material {
    /// The leaf certificate, DER.
    pub(crate) certificate: Option<Vec<u8>>,
    /// The certificates that came with it, DER. They are never trusted by themselves.
    pub(crate) chain: Vec<Vec<u8>>,
    /// The log entry, as a bundle's `tlogEntries` has it.
    log_entry: Option<Value>,
    /// The RFC 3161 token, base64.
    timestamp: Option<String>,
}

impl Material {
    /// Reads the annotations of a layer.
    pub(crate) fn read(annotations: &BTreeMap<String, String>) -> Result<Self, String> {
        let present = |key: &str| annotations.get(key).filter(|value| !value.trim().is_empty());
        Ok(Self {
            certificate: present(CERTIFICATE).map(|pem| leaf(pem)).transpose()?,
            chain: present(CHAIN).map(|pem| travelling(pem, CHAIN)).transpose()?.unwrap_or_default(),
            log_entry: present(BUNDLE).map(|text| log_entry(text)).transpose()?,
            timestamp: present(TIMESTAMP).map(|text| timestamp(text)).transpose()?,
        })
    }

    /// The signer's certificate, then those that came with it; empty where a bare key signed.
    pub(crate) fn certificates(&self) -> Vec<Vec<u8>> {
        match &self.certificate {
            Some(leaf) => std::iter::once(leaf).chain(&self.chain).cloned().collect(),
            None => Vec::new(),
        }
    }

    /// Whether anything is there that can be verified besides the signature.
    pub(crate) fn has_proof(&self) -> bool {
        self.certificate.is_some() || self.log_entry.is_some() || self.timestamp.is_some()
    }

    /// The v0.1 bundle of a signature over the bytes with SHA-256 `payload_sha256`.
    pub(crate) fn message_bundle(&self, payload_sha256: &[u8], signature: &[u8]) -> Value {
        self.bundle(
            "messageSignature",
            json!({
                "messageDigest": { "algorithm": "SHA2_256", "digest": STANDARD.encode(payload_sha256) },
                "signature": STANDARD.encode(signature),
            }),
        )
    }

    /// The v0.1 bundle of an envelope.
    pub(crate) fn envelope_bundle(&self, envelope: Value) -> Value {
        self.bundle("dsseEnvelope", envelope)
    }

    fn bundle(&self, content: &str, value: Value) -> Value {
        let mut material = match &self.certificate {
            Some(leaf) => {
                // cosign writes the root there too, and which roots count is not for the signer to say.
                let root = |der: &&Vec<u8>| x509::parts(der).is_none_or(|p| p.issuer == p.subject);
                let all = std::iter::once(leaf).chain(self.chain.iter().filter(|der| !root(der)));
                let all: Vec<Value> = all.map(|der| json!({ "rawBytes": STANDARD.encode(der) })).collect();
                json!({ "x509CertificateChain": { "certificates": all } })
            }
            None => json!({ "publicKey": { "hint": "" } }),
        };
        material["tlogEntries"] = self.log_entry.iter().cloned().collect();
        if let Some(token) = &self.timestamp {
            material["timestampVerificationData"] =
                json!({ "rfc3161Timestamps": [{ "signedTimestamp": token }] });
        }
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
            "verificationMaterial": material,
            content: value,
        })
    }
}

/// The first certificate of a PEM text.
fn leaf(pem: &str) -> Result<Vec<u8>, String> {
    let body = pem
        .split_once("-----BEGIN CERTIFICATE-----")
        .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE-----"))
        .map(|(body, _)| body.split_ascii_whitespace().collect::<String>());
    body.and_then(|body| STANDARD.decode(body).ok())
        .ok_or_else(|| format!("the annotation {CERTIFICATE} is no PEM certificate"))
}

fn timestamp(text: &str) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "SignedRFC3161Timestamp")]
        token: String,
    }
    let wire: Wire =
        strict::from_slice(text.as_bytes()).map_err(|e| format!("the annotation {TIMESTAMP}: {e}"))?;
    Ok(wire.token)
}

/// cosign's `{SignedEntryTimestamp, Payload}` as a bundle's log entry.
fn log_entry(text: &str) -> Result<Value, String> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "SignedEntryTimestamp")]
        promise: String,
        #[serde(rename = "Payload")]
        payload: Payload,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Payload {
        body: String,
        integrated_time: i64,
        log_index: u64,
        #[serde(rename = "logID")]
        log_id: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        kind: String,
        api_version: String,
    }
    let bad = |why: String| format!("the annotation {BUNDLE}: {why}");
    let wire: Wire = strict::from_slice(text.as_bytes()).map_err(bad)?;
    let body = STANDARD.decode(&wire.payload.body).map_err(|e| bad(e.to_string()))?;
    let kind: Body = strict::from_slice(&body).map_err(bad)?;
    let log_id = hex::decode(&wire.payload.log_id).map_err(|e| bad(e.to_string()))?;
    Ok(json!({
        "logIndex": wire.payload.log_index.to_string(),
        "logId": { "keyId": STANDARD.encode(log_id) },
        "kindVersion": { "kind": kind.kind, "version": kind.api_version },
        "integratedTime": wire.payload.integrated_time.to_string(),
        "inclusionPromise": { "signedEntryTimestamp": wire.promise },
        "canonicalizedBody": wire.payload.body,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_signing_is_read_strictly() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let good = format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"r.example/a"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
        );
        assert_eq!(SimpleSigning::parse(good.as_bytes()).unwrap().digest.to_string(), digest);
        for bad in [
            good.replace("cosign container", "atomic container"),
            good.replace(r#""type":"#, r#""type":"x","type":"#),
            good.replace(r#""type":"#, r#""more":"x","type":"#),
            good.replace("docker-manifest-digest", "Docker-manifest-digest"),
            good.replace("sha256:", "sha256:../"),
            "garbage".into(),
        ] {
            assert!(SimpleSigning::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
