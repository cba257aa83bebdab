//! Envelopes and Sigstore bundles: a statement, its signature, and what a verifier needs beside it.
//!
//! Bundles are written in version 0.3 in the bytes that cosign 3 writes for the same input, and read in all
//! versions. Nothing leaves [`seal`] whose signature does not verify with the signer's public key.

use crate::annotations;
use crate::error::{Error, ErrorKind, Result};
use crate::key::Hash;
use crate::signer::{Beside, Material, Payload, Signed, Signer, Witnesses};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sigstore_types::bundle::{Bundle, SignatureContent};
use sigstore_types::dsse::DsseEnvelope;
use std::collections::BTreeMap;

/// The media type of a bundle as we write it.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The media type of a bare envelope, as `.att` tags hold it.
pub const ENVELOPE_MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
/// What a bundle may have beside the statement: certificate, log entries and timestamps, as bytes. Used to
/// tell from its size alone that a bundle cannot hold a given statement.
pub const MATERIAL_BYTES: u64 = 64 << 10;

/// The media types under which bundles are found.
pub fn is_bundle(media_type: &str) -> bool {
    matches!(
        media_type,
        MEDIA_TYPE
            | "application/vnd.dev.sigstore.bundle+json;version=0.1"
            | "application/vnd.dev.sigstore.bundle+json;version=0.2"
            | "application/vnd.dev.sigstore.bundle+json;version=0.3"
    )
}

/// Signs `payload` and checks the signature.
///
/// # Errors
/// [`ErrorKind::Signer`] or [`ErrorKind::SelfCheck`].
pub async fn seal(signer: &dyn Signer, payload: &Payload<'_>) -> Result<Signed> {
    let signed = signer.sign_payload(payload).await?;
    signer.public_key().verify(payload, &signed.signature)?;
    Ok(signed)
}

/// `{"payload":…,"payloadType":…,"signatures":[{"sig":…}]}`: cosign's order, no key id.
pub fn envelope_json(payload_type: &str, payload: &[u8], signature: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(encoded_len(payload.len()) as usize + 512);
    write_envelope(&mut out, payload_type, payload, signature)?;
    Ok(out)
}

/// The bundle of a signed envelope.
///
/// # Errors
/// [`ErrorKind::SelfCheck`] where what was written does not read back as what was signed.
pub fn bundle_json(payload_type: &str, payload: &[u8], signed: &Signed) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(encoded_len(payload.len()) as usize + 1024);
    write_head(&mut out, &signed.material)?;
    out.extend_from_slice(br#","dsseEnvelope":"#);
    write_envelope(&mut out, payload_type, payload, &signed.signature)?;
    out.push(b'}');
    match Statement::of_bundle(&out) {
        Some(read) if read.payload == payload && read.signature == signed.signature => Ok(out),
        _ => Err(unlike()),
    }
}

/// The bundle of a signed file, whose `digest` under `hash` was signed.
///
/// # Errors
/// [`ErrorKind::SelfCheck`] where what was written does not read back as what was signed.
pub fn message_json(hash: Hash, digest: &[u8], signed: &Signed) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(1024);
    write_head(&mut out, &signed.material)?;
    out.extend_from_slice(
        format!(
            r#","messageSignature":{{"messageDigest":{{"algorithm":"{}","digest":"{}"}},"signature":"{}"}}}}"#,
            hash.bundle_name(),
            STANDARD.encode(digest),
            STANDARD.encode(&signed.signature)
        )
        .as_bytes(),
    );
    let read = std::str::from_utf8(&out).ok().and_then(|text| Bundle::from_json(text).ok());
    match read.map(|bundle| bundle.content) {
        Some(SignatureContent::MessageSignature(message))
            if message.signature.as_bytes() == signed.signature.as_slice() =>
        {
            Ok(out)
        }
        _ => Err(unlike()),
    }
}

fn unlike() -> Error {
    Error::new("write", "bundle", ErrorKind::SelfCheck("it does not read back as it was written".into()))
}

fn write_head(out: &mut Vec<u8>, material: &Material) -> Result<()> {
    out.extend_from_slice(format!(r#"{{"mediaType":"{MEDIA_TYPE}","verificationMaterial":"#).as_bytes());
    match material {
        Material::PublicKey { hint } => {
            out.extend_from_slice(format!(r#"{{"publicKey":{{"hint":{}}}}}"#, quoted(hint)?).as_bytes());
        }
        Material::WitnessedKey { hint, witnesses } => {
            out.extend_from_slice(format!(r#"{{"publicKey":{{"hint":{}}}"#, quoted(hint)?).as_bytes());
            write_witnesses(out, witnesses);
        }
        Material::Certificate { certificate, witnesses, .. } => {
            let certificate = STANDARD.encode(certificate);
            out.extend_from_slice(format!(r#"{{"certificate":{{"rawBytes":"{certificate}"}}"#).as_bytes());
            write_witnesses(out, witnesses);
        }
    }
    Ok(())
}

/// The rest of the material, with its closing brace.
fn write_witnesses(out: &mut Vec<u8>, witnesses: &Witnesses) {
    if !witnesses.log_entries.is_empty() {
        out.extend_from_slice(format!(r#","tlogEntries":[{}]"#, witnesses.log_entries.join(",")).as_bytes());
    }
    if !witnesses.timestamps.is_empty() {
        let stamps: Vec<String> = witnesses
            .timestamps
            .iter()
            .map(|der| format!(r#"{{"signedTimestamp":"{}"}}"#, STANDARD.encode(der)))
            .collect();
        let stamps = stamps.join(",");
        out.extend_from_slice(
            format!(r#","timestampVerificationData":{{"rfc3161Timestamps":[{stamps}]}}"#).as_bytes(),
        );
    }
    out.push(b'}');
}

fn quoted(text: &str) -> Result<String> {
    serde_json::to_string(text).map_err(|e| Error::new("write", "bundle", ErrorKind::BadInput(e.to_string())))
}

fn write_envelope(out: &mut Vec<u8>, payload_type: &str, payload: &[u8], signature: &[u8]) -> Result<()> {
    // base64 in pieces of three bytes joins without padding, so that no second copy of a large payload is
    // made.
    out.extend_from_slice(br#"{"payload":""#);
    for piece in payload.chunks(3 << 10) {
        out.extend_from_slice(STANDARD.encode(piece).as_bytes());
    }
    out.extend_from_slice(
        format!(
            r#"","payloadType":{},"signatures":[{{"sig":"{}"}}]}}"#,
            quoted(payload_type)?,
            STANDARD.encode(signature)
        )
        .as_bytes(),
    );
    Ok(())
}

/// The length of `bytes` bytes in base64.
pub(crate) fn encoded_len(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(3) * 4
}

/// A signed statement that was read back from somewhere. Not verified.
pub(crate) struct Statement {
    pub(crate) payload_type: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    certificate: Option<Vec<u8>>,
    log_entries: usize,
    timestamps: usize,
}

impl Statement {
    /// The statement in a bundle, if it is one.
    pub(crate) fn of_bundle(json: &[u8]) -> Option<Self> {
        let bundle = Bundle::from_json(std::str::from_utf8(json).ok()?).ok()?;
        let certificate = bundle.signing_certificate().map(|c| c.as_bytes().to_vec());
        let material = &bundle.verification_material;
        let log_entries = material.tlog_entries.len();
        let timestamps = material.timestamp_verification_data.rfc3161_timestamps.len();
        match bundle.content {
            SignatureContent::DsseEnvelope(envelope) => {
                Some(Self { certificate, log_entries, timestamps, ..Self::new(envelope) })
            }
            _ => None,
        }
    }

    /// The statement in a bare envelope, if it is one, with what its annotations carry.
    pub(crate) fn of_envelope(json: &[u8], annotations: &BTreeMap<String, String>) -> Option<Self> {
        let beside = annotations::Read::of(annotations);
        let envelope = serde_json::from_slice::<DsseEnvelope>(json).ok()?;
        // This form has no timestamp over the signature; the log's time stands for it.
        let timestamps = beside.log_entries;
        let (certificate, log_entries) = (beside.certificate, beside.log_entries);
        Some(Self { certificate, log_entries, timestamps, ..Self::new(envelope) })
    }

    fn new(envelope: DsseEnvelope) -> Self {
        Self {
            payload_type: envelope.payload_type,
            payload: envelope.payload.into_bytes(),
            signature: envelope.signature.sig.into_bytes(),
            certificate: None,
            log_entries: 0,
            timestamps: 0,
        }
    }

    /// Whether `signer` made this.
    pub(crate) fn made_by(&self, signer: &dyn Signer) -> bool {
        let payload = Payload::Dsse { payload_type: &self.payload_type, payload: &self.payload };
        let beside = Beside {
            certificate: self.certificate.as_deref(),
            log_entries: self.log_entries,
            timestamps: self.timestamps,
        };
        signer.made_with(&payload, &self.signature, &beside)
    }
}
