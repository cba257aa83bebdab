//! Bundles and envelopes as they are written (sigstore bundle v0.1 to v0.3, DSSE 1.0).
//!
//! Only what is needed is read, borrowed from the text where it is large. Refused: envelopes without exactly
//! one signature, and payloads that do not claim to be in-toto statements. Nothing here is believed yet.

use crate::limits;
use crate::pki::CHAIN_CERTIFICATES;
use crate::statement::IN_TOTO;
use crate::verdict::{Explanation, Refusal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BundleWire<'a> {
    #[serde(borrow)]
    pub(crate) media_type: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) verification_material: MaterialWire<'a>,
    #[serde(borrow)]
    pub(crate) dsse_envelope: Option<EnvelopeWire<'a>>,
    pub(crate) message_signature: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MaterialWire<'a> {
    #[serde(borrow)]
    pub(crate) public_key: Option<HintWire<'a>>,
    pub(crate) certificate: Option<CertificateWire>,
    pub(crate) x509_certificate_chain: Option<ChainWire>,
    pub(crate) tlog_entries: Option<Vec<IgnoredAny>>,
    pub(crate) timestamp_verification_data: Option<TimestampsWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimestampsWire {
    pub(crate) rfc3161_timestamps: Option<Vec<IgnoredAny>>,
}

impl MaterialWire<'_> {
    /// The signing certificate in DER, or `None` where a bare key signed.
    ///
    /// # Errors
    /// In words, where it is not exactly one of the three forms, or too many log entries, timestamps or
    /// certificates came along.
    pub(crate) fn certificate(&self) -> Result<Option<Vec<u8>>, String> {
        if self.log_entries() > limits::LOG_ENTRIES {
            return Err(format!(
                "{} log entries, more than the limit LOG_ENTRIES = {}",
                self.log_entries(),
                limits::LOG_ENTRIES
            ));
        }
        if self.timestamps() > limits::TIMESTAMPS {
            return Err(format!(
                "{} timestamps, more than the limit TIMESTAMPS = {}",
                self.timestamps(),
                limits::TIMESTAMPS
            ));
        }
        let certificate = match (&self.public_key, &self.certificate, &self.x509_certificate_chain) {
            (Some(_), None, None) => return Ok(None),
            (None, Some(certificate), None) => certificate,
            (None, None, Some(chain)) if chain.certificates.len() > limits::CHAIN => {
                return Err(format!(
                    "{} certificates, more than the limit CHAIN = {}",
                    chain.certificates.len(),
                    limits::CHAIN
                ));
            }
            (None, None, Some(chain)) => {
                chain.certificates.first().ok_or_else(|| "its certificate chain is empty".to_owned())?
            }
            _ => return Err("not exactly one of publicKey, certificate, x509CertificateChain".into()),
        };
        STANDARD.decode(&certificate.raw_bytes).map(Some).map_err(|e| e.to_string())
    }

    /// The certificates that came along, the signer's first; empty where a bare key signed.
    ///
    /// # Errors
    /// In words, where one is no base64 or there are too many.
    pub(crate) fn chain(&self) -> Result<Vec<Vec<u8>>, String> {
        let alone = self.certificate.iter();
        let chain = self.x509_certificate_chain.iter().flat_map(|chain| &chain.certificates);
        let all: Vec<&CertificateWire> = alone.chain(chain).collect();
        if all.len() > CHAIN_CERTIFICATES {
            return Err(format!(
                "{} certificates, more than the limit CHAIN_CERTIFICATES = {CHAIN_CERTIFICATES}",
                all.len()
            ));
        }
        all.into_iter().map(|c| STANDARD.decode(&c.raw_bytes).map_err(|e| e.to_string())).collect()
    }

    /// How many log entries came along.
    pub(crate) fn log_entries(&self) -> usize {
        self.tlog_entries.as_ref().map_or(0, Vec::len)
    }

    /// How many timestamps came along.
    pub(crate) fn timestamps(&self) -> usize {
        let data = self.timestamp_verification_data.as_ref();
        data.and_then(|data| data.rfc3161_timestamps.as_ref()).map_or(0, Vec::len)
    }
}

#[derive(Deserialize)]
pub(crate) struct HintWire<'a> {
    #[serde(borrow, default)]
    pub(crate) hint: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateWire {
    pub(crate) raw_bytes: String,
}

#[derive(Deserialize)]
pub(crate) struct ChainWire {
    pub(crate) certificates: Vec<CertificateWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnvelopeWire<'a> {
    #[serde(borrow)]
    pub(crate) payload_type: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) payload: Cow<'a, str>,
    pub(crate) signatures: Vec<SignatureWire>,
}

#[derive(Deserialize)]
pub(crate) struct SignatureWire {
    pub(crate) sig: String,
}

/// An envelope after base64.
pub(crate) struct Opened {
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

pub(crate) fn open_envelope(wire: &EnvelopeWire<'_>) -> Result<Opened, Explanation> {
    // A signature beside the trusted one could be taken for it by somebody else's verifier.
    let [signature] = wire.signatures.as_slice() else {
        return Err(Explanation::new(
            Refusal::SignatureCount,
            format!("the envelope has {} signatures; exactly one is accepted", wire.signatures.len()),
        ));
    };
    if wire.payload_type != IN_TOTO {
        let shown: String = wire.payload_type.chars().take(100).collect();
        return Err(Explanation::new(
            Refusal::PayloadTypeRefused,
            format!("the payload type is '{}', not '{IN_TOTO}'", shown.escape_debug()),
        ));
    }
    let bad = |what: &str, e: base64::DecodeError| {
        Explanation::new(Refusal::EvidenceMalformed, format!("the envelope's {what} is no base64: {e}"))
    };
    Ok(Opened {
        payload: STANDARD.decode(wire.payload.as_bytes()).map_err(|e| bad("payload", e))?,
        signature: STANDARD.decode(&signature.sig).map_err(|e| bad("signature", e))?,
    })
}
