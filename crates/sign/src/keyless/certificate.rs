//! What is read from a certificate (RFC 5280): times, key, identity. Nothing here decides trust.
//!
//! The identity is needed to tell whether evidence that is there already is our own. A certificate without
//! exactly one name has no identity.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, UnparsedPublicKey};
use std::fmt;
use x509_cert::der::asn1::{ObjectIdentifier, Utf8StringRef};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The size of a certificate; Fulcio's have 1 KB.
pub const CERTIFICATE_BYTES: usize = 64 << 10;

/// Fulcio's extension "Issuer (V2)", a DER string; and the first version, bare bytes.
const ISSUER_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");
const ISSUER_V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
/// Fulcio's "OtherName SAN", for user names.
const OTHER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");

/// A certificate that was read.
pub struct Certificate {
    der: Vec<u8>,
    inner: x509_cert::Certificate,
    spki: Vec<u8>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.identity().as_deref().unwrap_or("no identity"))
    }
}

impl Certificate {
    /// Reads DER.
    ///
    /// # Errors
    /// In words.
    pub fn from_der(der: &[u8]) -> Result<Self, String> {
        if der.len() > CERTIFICATE_BYTES {
            return Err(format!(
                "a certificate has more than the limit CERTIFICATE_BYTES = {CERTIFICATE_BYTES}"
            ));
        }
        let inner = x509_cert::Certificate::from_der(der).map_err(|e| format!("no certificate: {e}"))?;
        let spki = inner.tbs_certificate.subject_public_key_info.to_der().map_err(|e| e.to_string())?;
        Ok(Self { der: der.to_vec(), inner, spki })
    }

    /// Reads the one PEM block of `pem`.
    ///
    /// # Errors
    /// In words.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        // Base64 is a third longer, and there are line ends.
        if pem.len() > CERTIFICATE_BYTES * 2 {
            return Err(format!(
                "a certificate has more than the limit CERTIFICATE_BYTES = {CERTIFICATE_BYTES}"
            ));
        }
        let blocks = crate::pem::blocks(pem.as_bytes())?;
        match blocks.as_slice() {
            [block] if block.label == "CERTIFICATE" => Self::from_der(&block.der),
            _ => Err("no single PEM certificate".into()),
        }
    }

    /// The DER form.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The PEM form.
    pub fn pem(&self) -> String {
        crate::pem::encode("CERTIFICATE", &self.der).to_string()
    }

    /// The certified key.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// From when it is valid, in seconds since 1970.
    pub fn not_before(&self) -> i64 {
        seconds(&self.inner.tbs_certificate.validity.not_before)
    }

    /// Until when it is valid, in seconds since 1970.
    pub fn not_after(&self) -> i64 {
        seconds(&self.inner.tbs_certificate.validity.not_after)
    }

    fn extension(&self, oid: ObjectIdentifier) -> Option<&[u8]> {
        let mut found = self.inner.tbs_certificate.extensions.iter().flatten().filter(|e| e.extn_id == oid);
        match (found.next(), found.next()) {
            (Some(one), None) => Some(one.extn_value.as_bytes()),
            _ => None,
        }
    }

    /// The one name in the certificate.
    pub fn identity(&self) -> Option<String> {
        let names = SubjectAltName::from_der(self.extension(SUBJECT_ALT_NAME)?).ok()?.0;
        match names.as_slice() {
            [GeneralName::Rfc822Name(name)] => Some(name.to_string()),
            [GeneralName::UniformResourceIdentifier(name)] => Some(name.to_string()),
            [GeneralName::DnsName(name)] => Some(name.to_string()),
            [GeneralName::OtherName(other)] if other.type_id == OTHER_NAME => {
                Some(Utf8StringRef::try_from(&other.value).ok()?.as_str().to_owned())
            }
            _ => None,
        }
    }

    /// Who vouched for the identity.
    pub fn oidc_issuer(&self) -> Option<String> {
        if let Some(der) = self.extension(ISSUER_V2) {
            return Some(Utf8StringRef::from_der(der).ok()?.as_str().to_owned());
        }
        String::from_utf8(self.extension(ISSUER_V1)?.to_vec()).ok()
    }

    /// Whether `authority`'s key signed this one.
    pub fn is_issued_by(&self, authority: &Self) -> bool {
        let key = authority.inner.tbs_certificate.subject_public_key_info.subject_public_key.as_bytes();
        let signature = self.inner.signature.as_bytes();
        let (Some(key), Some(signature), Ok(signed)) = (key, signature, self.inner.tbs_certificate.to_der())
        else {
            return false;
        };
        let oid = self.inner.signature_algorithm.oid;
        // The length of an uncompressed point says which curve; a wrong one does not verify.
        match key.len() {
            65 if oid == ECDSA_SHA256 => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(&signed, signature).is_ok()
            }
            97 if oid == ECDSA_SHA384 => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_ASN1, key).verify(&signed, signature).is_ok()
            }
            _ => false,
        }
    }
}

fn seconds(time: &x509_cert::time::Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}
