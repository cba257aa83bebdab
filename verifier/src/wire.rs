//! Bundles and envelopes as they are written (sigstore bundle v0.1 to v0.3, DSSE 1.0).
//!
//! Only what is needed is read, borrowed from the text where it is large. Refused: envelopes without exactly
//! one signature, and payloads that do not claim to be in-toto statements. Nothing here is believed yet.

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
