//! Timestamps (RFC 3161): when a signature was there, by the word of a timestamp authority of the trusted root.
//!
//! sigstore-verify judges tokens by ECDSA keys. Many timestamp authorities in the world sign with RSA, and theirs are
//! judged here by the same rules: the signer is the authority's own certificate and no other that came along, the
//! imprint is of this signature, the signed attributes name the content and its digest (RFC 5652, section 5.4), the
//! certificate leads to the authority's root at that time and is for timestamps, and the root's window has that time.
//!
//! Refused: SHA-1, RSA below 2048 bits, RSA-PSS, several signers, a signature without signed attributes.

use crate::key::Hash;
use crate::trust::Trust;
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
};
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use sigstore_trust_root::TsaAuthority;
use sigstore_types::{Bundle, SignatureBytes, SignatureContent, TimestampToken};
// The reader of a newer version, as in x509.rs; cms has the older one.
use p256::pkcs8::der::asn1::{ObjectIdentifier as Oid, OctetStringRef};
use p256::pkcs8::der::{Decode as _, Error as DerError, Reader as _, SliceReader, Tag as DerTag};
use std::borrow::Cow;
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::attr::Attributes;
use x509_cert::der::asn1::{ObjectIdentifier, OctetString};
use x509_cert::der::{self, Decode as _, Encode as _, Tag, Tagged as _};
use x509_cert::ext::pkix::SubjectKeyIdentifier;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SUBJECT_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
/// id-kp-timeStamping, 1.3.6.1.5.5.7.3.8, as it stands in a certificate.
const TIME_STAMPING: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// The time that `token` proves for `signature` by one of `authorities`.
pub(crate) fn proven(
    token: &TimestampToken,
    signature: &SignatureBytes,
    authorities: &[TsaAuthority],
) -> Option<Timestamp> {
    authorities.iter().find_map(|authority| by(token, signature, authority))
}

/// The time that `token` proves for `signature` by `authority`.
pub(crate) fn by(
    token: &TimestampToken,
    signature: &SignatureBytes,
    authority: &TsaAuthority,
) -> Option<Timestamp> {
    sigstore_verify::tsa::verify_timestamp_for_authority(token, signature, authority)
        .ok()
        .or_else(|| by_rsa(token.as_bytes(), signature.as_bytes(), authority))
}

/// The bundle without the tokens that sigstore-verify cannot judge, and the times that those prove. A token that is good
/// for neither of us stays: whoever is asked refuses it.
pub(crate) fn split<'a>(trust: &Trust, bundle: &'a Bundle) -> (Cow<'a, Bundle>, Vec<Timestamp>) {
    let tokens = &bundle.verification_material.timestamp_verification_data.rfc3161_timestamps;
    let (false, Some(signature)) = (tokens.is_empty(), signature(bundle)) else {
        return (Cow::Borrowed(bundle), Vec::new());
    };
    let authorities = trust.root().tsa_authorities();
    let ours = |token: &TimestampToken| {
        let known = |authority: &TsaAuthority| {
            sigstore_verify::tsa::verify_timestamp_for_authority(token, signature, authority).is_ok()
        };
        match authorities.iter().any(known) {
            true => None,
            false => authorities.iter().find_map(|a| by_rsa(token.as_bytes(), signature.as_bytes(), a)),
        }
    };
    let found: Vec<Option<Timestamp>> = tokens.iter().map(|token| ours(&token.signed_timestamp)).collect();
    let times: Vec<Timestamp> = found.iter().flatten().copied().collect();
    if times.is_empty() {
        return (Cow::Borrowed(bundle), times);
    }
    let mut rest = bundle.clone();
    let mut found = found.into_iter();
    let data = &mut rest.verification_material.timestamp_verification_data;
    data.rfc3161_timestamps.retain(|_| found.next().flatten().is_none());
    (Cow::Owned(rest), times)
}

/// The one signature of a bundle.
pub(crate) fn signature(bundle: &Bundle) -> Option<&SignatureBytes> {
    match &bundle.content {
        SignatureContent::MessageSignature(message) => Some(&message.signature),
        SignatureContent::DsseEnvelope(envelope) => Some(&envelope.signature.sig),
        _ => None,
    }
}

fn by_rsa(token: &[u8], signature: &[u8], authority: &TsaAuthority) -> Option<Timestamp> {
    let certificate = Certificate::from_der(authority.leaf.as_bytes()).ok()?;
    if certificate.tbs_certificate.subject_public_key_info.algorithm.oid != RSA {
        return None;
    }
    let data = signed_data(token)?;
    if data.encap_content_info.econtent_type != TST_INFO {
        return None;
    }
    let content = data.encap_content_info.econtent.as_ref().filter(|c| c.tag() == Tag::OctetString)?;
    let info = Info::read(content.value())?;
    if info.imprint_hash.of(b"", signature) != info.imprint {
        return None;
    }
    let [signer] = data.signer_infos.0.as_slice() else { return None };
    signed_by(signer, content.value(), &certificate)?;
    leads_to_root(authority, info.time)?;
    let window = authority.valid_for.as_ref();
    window.is_none_or(|window| window.contains(info.time)).then_some(info.time)
}

/// The signed data of a TimeStampResp that was granted, or of a bare token (RFC 3161, section 2.4.2).
fn signed_data(token: &[u8]) -> Option<SignedData> {
    let mut reader = SliceReader::new(token).ok()?;
    let read = |outer: &mut SliceReader<'_>| {
        // A ContentInfo begins with an object identifier, a response with its status.
        if outer.peek_byte() == Some(0x06) {
            skip_rest(outer)?;
            return Ok(token.to_vec());
        }
        let status = outer.sequence(|status: &mut SliceReader<'_>| {
            let number = status.tlv_bytes()?.to_vec();
            skip_rest(status)?;
            Ok::<_, DerError>(number)
        })?;
        // granted (0) and grantedWithMods (1).
        if !matches!(status.as_slice(), [2, 1, 0 | 1]) {
            return Err(DerTag::Integer.value_error().into());
        }
        Ok::<_, DerError>(outer.tlv_bytes()?.to_vec())
    };
    let info = reader.sequence(read).ok()?;
    reader.finish().ok()?;
    let info = ContentInfo::from_der(&info).ok()?;
    if info.content_type != SIGNED_DATA {
        return None;
    }
    SignedData::from_der(&info.content.to_der().ok()?).ok()
}

fn skip_rest(reader: &mut SliceReader<'_>) -> Result<(), DerError> {
    while !reader.is_finished() {
        reader.tlv_bytes()?;
    }
    Ok(())
}

/// What of a TSTInfo counts (RFC 3161, section 2.4.2).
struct Info {
    imprint_hash: Hash,
    imprint: Vec<u8>,
    time: Timestamp,
}

impl Info {
    fn read(encoded: &[u8]) -> Option<Self> {
        let mut reader = SliceReader::new(encoded).ok()?;
        let read = reader.sequence(|info: &mut SliceReader<'_>| {
            info.tlv_bytes()?; // version
            info.tlv_bytes()?; // policy
            let (hash, imprint) = info.sequence(|imprint: &mut SliceReader<'_>| {
                let algorithm = imprint.sequence(|id: &mut SliceReader<'_>| {
                    let oid: Oid = Oid::decode(id)?;
                    skip_rest(id)?;
                    Ok::<_, DerError>(oid)
                })?;
                let digest = <&OctetStringRef>::decode(imprint)?;
                Ok::<_, DerError>((algorithm, digest.as_bytes().to_vec()))
            })?;
            info.tlv_bytes()?; // serialNumber
            let time = general_time(info.tlv_bytes()?);
            // accuracy, ordering, nonce, tsa and extensions say nothing about this signature.
            skip_rest(info)?;
            Ok::<_, DerError>((hash, imprint, time))
        });
        let (hash, imprint, time) = read.ok()?;
        reader.finish().ok()?;
        Some(Self { imprint_hash: hash_of(&hash.to_string())?, imprint, time: time? })
    }
}

/// A GeneralizedTime in UTC, with or without a fraction of a second, which is cut off.
fn general_time(encoded: &[u8]) -> Option<Timestamp> {
    let (24, _, text) = (*encoded.first()?, *encoded.get(1)?, encoded.get(2..)?) else { return None };
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() != 14 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let part = |from: usize, to: usize| whole.get(from..to);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    );
    text.parse().ok().filter(|time: &Timestamp| *time >= Timestamp::UNIX_EPOCH)
}

fn hash_of(oid: &str) -> Option<Hash> {
    match oid {
        "2.16.840.1.101.3.4.2.1" => Some(Hash::Sha256),
        "2.16.840.1.101.3.4.2.2" => Some(Hash::Sha384),
        "2.16.840.1.101.3.4.2.3" => Some(Hash::Sha512),
        _ => None,
    }
}

/// Whether `signer` is this certificate's signature over `content` (RFC 5652, sections 5.3 and 5.4).
fn signed_by(signer: &SignerInfo, content: &[u8], certificate: &Certificate) -> Option<()> {
    let tbs = &certificate.tbs_certificate;
    let named = match &signer.sid {
        SignerIdentifier::IssuerAndSerialNumber(id) => {
            id.issuer == tbs.issuer && id.serial_number == tbs.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(id) => {
            let own = tbs.extensions.iter().flatten().find(|e| e.extn_id == SUBJECT_KEY_ID)?;
            SubjectKeyIdentifier::from_der(own.extn_value.as_bytes()).ok().as_ref() == Some(id)
        }
    };
    let hash = hash_of(&signer.digest_alg.oid.to_string())?;
    let combined = match hash {
        Hash::Sha256 => "1.2.840.113549.1.1.11",
        Hash::Sha384 => "1.2.840.113549.1.1.12",
        Hash::Sha512 => "1.2.840.113549.1.1.13",
    };
    let how = signer.signature_algorithm.oid;
    if !named || (how != RSA && how.to_string() != combined) {
        return None;
    }
    let attributes = signer.signed_attrs.as_ref()?;
    let kind: ObjectIdentifier = only(attributes, CONTENT_TYPE)?.decode_as().ok()?;
    let digest: OctetString = only(attributes, MESSAGE_DIGEST)?.decode_as().ok()?;
    if kind != TST_INFO || digest.as_bytes() != hash.of(b"", content) {
        return None;
    }
    let algorithm = match hash {
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
    };
    let key =
        ParsedPublicKey::new(algorithm, tbs.subject_public_key_info.subject_public_key.as_bytes()?).ok()?;
    // Signed is the SET OF, not the [0] under which the attributes stand there.
    key.verify_sig(&attributes.to_der().ok()?, signer.signature.as_bytes()).ok()
}

/// The one value of the one attribute of this type.
fn only(attributes: &Attributes, oid: ObjectIdentifier) -> Option<&der::Any> {
    let mut found = attributes.iter().filter(|attribute| attribute.oid == oid);
    match (found.next()?.values.as_slice(), found.next()) {
        ([value], None) => Some(value),
        _ => None,
    }
}

/// Whether the authority's certificate leads to its root at `time`, by its own intermediates, for timestamps.
fn leads_to_root(authority: &TsaAuthority, time: Timestamp) -> Option<()> {
    let leaf = CertificateDer::from(authority.leaf.as_bytes());
    let root = CertificateDer::from(authority.root.as_bytes());
    let anchor = anchor_from_trusted_cert(&root).ok()?;
    let between: Vec<CertificateDer<'_>> =
        authority.intermediates.iter().map(|c| CertificateDer::from(c.as_bytes())).collect();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time.as_second()).ok()?));
    let end = EndEntityCert::try_from(&leaf).ok()?;
    let usage = KeyUsage::required(&TIME_STAMPING);
    end.verify_for_usage(ALL_VERIFICATION_ALGS, &[anchor], &between, at, usage, None, None).ok().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_fractions() {
        let read = |text: &str| general_time(&[&[24, text.len() as u8], text.as_bytes()].concat());
        let noon = "2026-05-01T12:00:00Z".parse().ok();
        assert_eq!(read("20260501120000Z"), noon);
        assert_eq!(read("20260501120000.999Z"), noon);
        for bad in [
            "20260501120000",
            "20260501120000.Z",
            "202605011200Z",
            "20261301120000Z",
            "19690501120000Z",
            "Z",
            "",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(general_time(&[]), None);
    }
}
