//! Certificates of a trusted root's authorities, judged by ourselves where sigstore-verify cannot be asked.
//!
//! It knows no time that it did not read itself, and reads no timestamp by an RSA key (see `stamp`). Decided here, by
//! the same rules (Sigstore client specification, section 4; RFC 6962, section 3): whether a certificate leads to an
//! authority of the root at a time that the root gives it, is for signing code, and was logged when it was issued.
//!
//! Refused: several proofs of having been logged or none, and whatever the library refuses there.

use crate::check::refuse;
use crate::key::Hash;
use crate::trust::Trust;
use crate::verdict::{Explanation, Refusal};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, UnixTime};
use sigstore_types::SignatureBytes;
use sigstore_verify::crypto::SigningScheme;
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;
use x509_cert::der::asn1::{ObjectIdentifier, OctetString};
use x509_cert::der::{Any, Decode as _, Encode as _, Tag};

const PROOFS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");
/// id-kp-codeSigning, 1.3.6.1.5.5.7.3.3, as it stands in a certificate.
const CODE_SIGNING: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];

fn no(why: impl Into<String>) -> Explanation {
    refuse(Refusal::CertificateInvalid, why)
}

/// Whether `chain`, the signer's certificate first, leads to an authority of `trust` at each of `times`: the key of
/// who issued it, as a SubjectPublicKeyInfo.
pub(crate) fn leads_to_root(
    trust: &Trust,
    chain: &[Vec<u8>],
    times: &[Timestamp],
) -> Result<Vec<u8>, Explanation> {
    let (leaf, travelled) = chain.split_first().ok_or_else(|| no("there is no certificate"))?;
    let leaf = CertificateDer::from(leaf.as_slice());
    let end = EndEntityCert::try_from(&leaf)
        .map_err(|e| no(format!("the signer's certificate cannot be used: {e}")))?;
    let between: Vec<CertificateDer<'_>> =
        travelled.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
    let mut issuer = None;
    for time in times {
        // Every certificate of an authority is an anchor, as for the library; the windows were narrowed to the
        // certificates' own when the root was loaded.
        let authorities = trust.root().certificate_authorities.iter();
        let ders: Vec<CertificateDer<'_>> = authorities
            .filter(|authority| authority.valid_for.is_none_or(|window| window.contains(*time)))
            .flat_map(|authority| &authority.cert_chain.certificates)
            .map(|certificate| CertificateDer::from(certificate.raw_bytes.as_bytes()))
            .collect();
        let anchors: Vec<_> = ders.iter().filter_map(|der| anchor_from_trusted_cert(der).ok()).collect();
        let seconds = u64::try_from(time.as_second()).map_err(|_| no("signed before 1970"))?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let usage = KeyUsage::required(&CODE_SIGNING);
        let path = end
            .verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &between, at, usage, None, None)
            .map_err(|e| no(format!("the certificate leads to no authority of the root at {time}: {e}")))?;
        let key = match path.intermediate_certificates().next() {
            Some(issuer) => issuer.subject_public_key_info().as_ref().to_vec(),
            // An anchor has the content of the SEQUENCE alone.
            None => Any::new(Tag::Sequence, path.anchor().subject_public_key_info.as_ref())
                .and_then(|any| any.to_der())
                .map_err(|e| no(format!("the issuer's key: {e}")))?,
        };
        issuer = Some(key);
    }
    issuer.ok_or_else(|| refuse(Refusal::TimestampMissing, "no trusted time of signing"))
}

/// One proof that a log promised to hold a certificate (RFC 6962, section 3.2).
struct Promise {
    log: [u8; 32],
    when: [u8; 8],
    extensions: Vec<u8>,
    algorithm: [u8; 2],
    signature: Vec<u8>,
}

/// Takes the bytes of TLS structures from the front (RFC 5246, section 4).
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// `opaque<0..2^16-1>`.
    fn opaque(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.array()?);
        self.take(usize::from(length))
    }

    fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

impl Promise {
    /// The only one of a list.
    fn only(list: &[u8]) -> Option<Self> {
        let mut outer = Cursor(list);
        let mut inner = Cursor(outer.opaque()?);
        let mut one = Cursor(inner.opaque()?);
        outer.end()?;
        inner.end()?;
        let ([0], log, when) = (one.array()?, one.array()?, one.array()?) else { return None };
        let extensions = one.opaque()?.to_vec();
        let (algorithm, signature) = (one.array()?, one.opaque()?.to_vec());
        one.end()?;
        Some(Self { log, when, extensions, algorithm, signature })
    }
}

/// Whether a certificate log of `trust` promised to hold `leaf`, which the holder of the key `issuer` issued.
pub(crate) fn was_logged(trust: &Trust, leaf: &[u8], issuer: &[u8]) -> Result<(), Explanation> {
    let certificate = Certificate::from_der(leaf)
        .map_err(|e| no(format!("the signer's certificate cannot be read: {e}")))?;
    let mut tbs = certificate.tbs_certificate;
    let (proofs, rest): (Vec<_>, Vec<_>) =
        tbs.extensions.take().unwrap_or_default().into_iter().partition(|e| e.extn_id == PROOFS);
    tbs.extensions = Some(rest);
    let [proof] = proofs.as_slice() else {
        return Err(no("the certificate has no proof that it was logged"));
    };
    let promise = OctetString::from_der(proof.extn_value.as_bytes())
        .ok()
        .and_then(|list| Promise::only(list.as_bytes()))
        .ok_or_else(|| no("the certificate's proof of having been logged is not exactly one"))?;
    let scheme = match promise.algorithm {
        [4, 3] => SigningScheme::EcdsaP256Sha256,
        [5, 3] => SigningScheme::EcdsaP384Sha384,
        [4, 1] => SigningScheme::RsaPkcs1Sha256,
        [5, 1] => SigningScheme::RsaPkcs1Sha384,
        [6, 1] => SigningScheme::RsaPkcs1Sha512,
        _ => return Err(no("the certificate's proof of having been logged is by an unknown kind of key")),
    };
    let tbs = tbs.to_der().map_err(|e| no(format!("the certificate cannot be written again: {e}")))?;
    let too_long = || no("a part of the certificate is too long");
    let length = u32::try_from(tbs.len()).ok().filter(|n| *n < 1 << 24).ok_or_else(too_long)?.to_be_bytes();
    let length = length.get(1..).unwrap_or_default();
    let extensions = u16::try_from(promise.extensions.len()).map_err(|_| too_long())?.to_be_bytes();
    // Version 1, a certificate's timestamp, of a precertificate.
    let signed: Vec<u8> = [
        &[0, 0][..],
        &promise.when,
        &[0, 1],
        &Hash::Sha256.of(b"", issuer),
        length,
        &tbs,
        &extensions,
        &promise.extensions,
    ]
    .concat();
    let when = i64::try_from(u64::from_be_bytes(promise.when)).ok();
    let when = when
        .and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok())
        .ok_or_else(|| no("the certificate was logged at no time"))?;
    let keys = trust.root().ctfe_keys(scheme).map_err(|e| no(format!("the root's certificate logs: {e}")))?;
    let id = sigstore_types::Sha256Hash::new(promise.log);
    keys.verify_with_key_id_at(&id, when, &signed, &SignatureBytes::from_bytes(&promise.signature))
        .map_err(|e| no(format!("no certificate log of the root holds the certificate: {e}")))
}
