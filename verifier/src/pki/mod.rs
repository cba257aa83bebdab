//! A private PKI: certificates that lead to roots which the administrator named, with revocation lists on disk.
//!
//! Decides whether a certificate leads to one of the roots, was valid at every proven time of signing (at the
//! time of judging, where nothing proves one), may sign code, is not revoked, and names somebody who is asked
//! for. `path` builds and checks the path, `crl` reads revocation lists.
//!
//! Refused: roots that are no certificate authorities, paths longer than six intermediates, keys that may not
//! sign, names outside the constraints of an authority (RFC 5280, section 4.2.1.10: DNS names and IP addresses
//! are compared; constraints on other names refuse all of them), and whatever a list revokes. Nothing is ever
//! fetched: addresses of certificates, lists and OCSP responders in a certificate are not looked at.
//!
//! Where lists are given, every certificate below the root needs one that is signed by its issuer and in date.
//! Without it the answer is neither yes nor no: [`Refusal::RevocationUnknown`].

mod crl;
mod path;
mod pem;

pub use crl::{CRL_BYTES, CRL_ENTRIES};

use crate::key::PublicKey;
use crate::verdict::{Explanation, Refusal};
use crl::Crl;
use jiff::Timestamp;
use path::Ca;
use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use x509_cert::der::asn1::{ObjectIdentifier, Utf8StringRef};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Roots and intermediates of one authority. Large organisations have a dozen.
pub const CA_CERTIFICATES: usize = 64;
/// A file of certificates.
pub const CA_FILE_BYTES: u64 = 1 << 20;
/// Revocation lists of one authority: one for each of its certificate authorities, and parts of some.
pub const CRLS: usize = 128;
/// One certificate; usual ones have one or two kilobytes.
pub const CERTIFICATE_BYTES: usize = 64 << 10;
/// Certificates that travel with a signature, the signer's own among them.
pub const CHAIN_CERTIFICATES: usize = 10;

/// Fulcio's extensions "Issuer (V2)", a DER string, and "Issuer", bare bytes (fulcio, docs/oid-info.md).
const OIDC_ISSUER_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");
const OIDC_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");

/// Why certificates or lists of the administrator cannot be used, in words, with the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PkiError(String);

impl PkiError {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Roots, intermediates and revocation lists. Cheap to clone.
#[derive(Clone)]
pub struct CertificateAuthorities {
    inner: Arc<Inner>,
}

struct Inner {
    roots: Vec<Ca>,
    intermediates: Vec<Ca>,
    crls: Vec<Crl>,
}

impl fmt::Debug for CertificateAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthorities")
            .field("roots", &self.inner.roots.len())
            .field("intermediates", &self.inner.intermediates.len())
            .field("crls", &self.inner.crls.len())
            .finish()
    }
}

/// Collects the administrator's files.
#[derive(Default)]
pub struct CertificateAuthoritiesBuilder {
    roots: Vec<Ca>,
    intermediates: Vec<Ca>,
    crls: Vec<Crl>,
}

fn read(path: &Path, limit: u64, limit_name: &str) -> Result<Vec<u8>, PkiError> {
    let shown = path.display();
    let fail = |e: std::io::Error| PkiError::new(format!("cannot read {shown}: {e}"));
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(fail)?.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(PkiError::new(format!(
            "cannot read {shown}: larger than the limit {limit_name} = {limit}"
        )));
    }
    Ok(bytes)
}

fn certificates(path: &Path) -> Result<Vec<Ca>, PkiError> {
    let label = path.display().to_string();
    let values = pem::values(read(path, CA_FILE_BYTES, "CA_FILE_BYTES")?, "CERTIFICATE", &label)?;
    if values.len() > CA_CERTIFICATES {
        return Err(too_many());
    }
    values.into_iter().map(|der| Ca::parse(der, &label)).collect()
}

fn too_many() -> PkiError {
    PkiError::new(format!("more certificates than the limit CA_CERTIFICATES = {CA_CERTIFICATES}"))
}

impl CertificateAuthoritiesBuilder {
    /// Every certificate of the file is a root.
    ///
    /// # Errors
    /// In words: unreadable, no certificate, or one that is no authority.
    pub fn roots(&mut self, path: &Path) -> Result<(), PkiError> {
        self.roots.extend(certificates(path)?);
        Ok(())
    }

    /// Every certificate of the file may stand between a root and a signer. It is trusted for nothing.
    ///
    /// # Errors
    /// As [`CertificateAuthoritiesBuilder::roots`].
    pub fn intermediates(&mut self, path: &Path) -> Result<(), PkiError> {
        self.intermediates.extend(certificates(path)?);
        Ok(())
    }

    /// A chain as cosign's `--certificate-chain` takes it: the last certificate is the root, those before it
    /// are intermediates.
    ///
    /// # Errors
    /// As [`CertificateAuthoritiesBuilder::roots`].
    pub fn chain(&mut self, path: &Path) -> Result<(), PkiError> {
        let mut chain = certificates(path)?;
        self.roots.extend(chain.pop());
        self.intermediates.extend(chain);
        Ok(())
    }

    /// Every revocation list of the file, PEM or DER.
    ///
    /// # Errors
    /// In words: unreadable, too large, or of a kind that is refused.
    pub fn crls(&mut self, path: &Path) -> Result<(), PkiError> {
        let label = path.display().to_string();
        // PEM is a third larger, and the limit is about the list.
        let bytes = read(path, CRL_BYTES + CRL_BYTES / 2, "CRL_BYTES")?;
        for value in pem::values(bytes, "X509 CRL", &label)? {
            if value.len() as u64 > CRL_BYTES {
                return Err(PkiError::new(format!(
                    "the revocation list {label} is larger than the limit CRL_BYTES = {CRL_BYTES}"
                )));
            }
            self.crls.push(Crl::parse(&value, &label)?);
            if self.crls.len() > CRLS {
                return Err(PkiError::new(format!("more revocation lists than the limit CRLS = {CRLS}")));
            }
        }
        Ok(())
    }

    /// Whether any list was given: then every certificate needs one.
    pub fn has_crls(&self) -> bool {
        !self.crls.is_empty()
    }

    /// What was collected.
    ///
    /// # Errors
    /// Where there is no root, or too much of something.
    pub fn build(self) -> Result<CertificateAuthorities, PkiError> {
        if self.roots.is_empty() {
            return Err(PkiError::new("there is no root certificate: nobody is trusted"));
        }
        if self.roots.len() + self.intermediates.len() > CA_CERTIFICATES {
            return Err(too_many());
        }
        let Self { roots, intermediates, crls } = self;
        Ok(CertificateAuthorities { inner: Arc::new(Inner { roots, intermediates, crls }) })
    }
}

/// A name that a certificate must have, compared exactly.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CertificateName {
    /// A mail address among its alternative names.
    Email(String),
    /// A URI among its alternative names.
    Uri(String),
    /// A DNS name among its alternative names.
    Dns(String),
    /// Its subject, as RFC 4514 writes it: `CN=Release,O=Example`.
    Subject(String),
    /// A mail address, URI or DNS name.
    Any(String),
}

impl CertificateName {
    /// The subject of a certificate in DER.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn of_subject(certificate: &[u8]) -> Result<Self, Explanation> {
        let parsed = leaf(std::slice::from_ref(&certificate.to_vec()))?;
        Ok(Self::Subject(parsed.tbs_certificate.subject.to_string()))
    }

    fn text(&self) -> &str {
        match self {
            Self::Email(t) | Self::Uri(t) | Self::Dns(t) | Self::Subject(t) | Self::Any(t) => t,
        }
    }

    /// The id of the signer whom it names.
    pub(crate) fn id(&self) -> String {
        format!("{} (by certificate)", self.text())
    }
}

/// Who may sign: whoever a private PKI certifies under one of these names.
#[derive(Debug, Clone)]
pub struct Certified {
    /// The PKI.
    pub authorities: CertificateAuthorities,
    /// The names; one is enough.
    pub names: Vec<CertificateName>,
    /// What the certificate must say about the issuer of a token, as Fulcio writes it; most private
    /// authorities write nothing.
    pub oidc_issuer: Option<String>,
}

/// When something was signed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signed<'a> {
    /// Proven, at each of these times; never empty.
    At(&'a [Timestamp]),
    /// Not proven: the time of judging counts.
    Unproven,
}

impl CertificateAuthorities {
    /// Whether `leaf`, a signer's certificate in DER, leads to a root at `now`; names and revocation lists aside.
    ///
    /// # Errors
    /// Why not.
    pub fn accept(&self, leaf: &[u8], now: Timestamp) -> Result<(), Explanation> {
        self.inner.verify(leaf, &[], now, None, now)
    }

    /// Starts collecting.
    pub fn builder() -> CertificateAuthoritiesBuilder {
        CertificateAuthoritiesBuilder::default()
    }
}

impl Certified {
    /// The id of the one whom `chain` certifies: the signer's certificate first, then what travelled with it.
    ///
    /// # Errors
    /// Why not; [`Refusal::RevocationUnknown`] where it could not be found out.
    pub(crate) fn certifies(
        &self,
        chain: &[Vec<u8>],
        signed: Signed<'_>,
        now: Timestamp,
    ) -> Result<String, Explanation> {
        let no = |why: String| Explanation::new(Refusal::CertificateInvalid, why);
        if chain.len() > CHAIN_CERTIFICATES || chain.iter().any(|der| der.len() > CERTIFICATE_BYTES) {
            return Err(no(format!(
                "more certificates than the limit CHAIN_CERTIFICATES = {CHAIN_CERTIFICATES}, or one larger than \
                 CERTIFICATE_BYTES = {CERTIFICATE_BYTES}"
            )));
        }
        let (leaf, travelled) = chain.split_first().ok_or_else(|| no("there is no certificate".into()))?;
        let parsed = self::leaf(chain)?;
        // Names first: an authority that asks for somebody else has nothing to say about this certificate.
        let name = self.name_in(&parsed)?;
        match signed {
            Signed::At([]) => return Err(no("there is no time of signing".into())),
            Signed::At(times) => {
                for time in times {
                    self.authorities.inner.verify(leaf, travelled, *time, Some(times), now)?;
                }
            }
            Signed::Unproven => self.authorities.inner.verify(leaf, travelled, now, None, now)?,
        }
        Ok(name.id())
    }

    /// Whether the signer's certificate, the first of `chain`, names somebody who is asked for.
    ///
    /// # Errors
    /// [`Refusal::IdentityMismatch`], or that it cannot be read.
    pub(crate) fn names(&self, chain: &[Vec<u8>]) -> Result<(), Explanation> {
        self.name_in(&leaf(chain)?).map(|_| ())
    }

    /// The first of the names that the certificate has.
    fn name_in(&self, certificate: &x509_cert::Certificate) -> Result<&CertificateName, Explanation> {
        let mismatch = |why: String| Explanation::new(Refusal::IdentityMismatch, why);
        let tbs = &certificate.tbs_certificate;
        let extension = |oid| {
            let mut found = tbs.extensions.iter().flatten().filter(|e| e.extn_id == oid);
            match (found.next(), found.next()) {
                (Some(one), None) => Some(one.extn_value.as_bytes()),
                _ => None,
            }
        };
        let alternatives = match extension(SUBJECT_ALT_NAME) {
            Some(der) => {
                SubjectAltName::from_der(der).map_err(|e| mismatch(format!("unreadable names: {e}")))?.0
            }
            None => Vec::new(),
        };
        if let Some(wanted) = &self.oidc_issuer {
            let said = match (extension(OIDC_ISSUER_V2), extension(OIDC_ISSUER)) {
                (Some(der), _) => Utf8StringRef::from_der(der).ok().map(|text| text.as_str().to_owned()),
                (None, Some(bytes)) => String::from_utf8(bytes.to_vec()).ok(),
                (None, None) => None,
            };
            if said.as_ref() != Some(wanted) {
                return Err(mismatch(format!("the certificate does not name the issuer {wanted}")));
            }
        }
        let subject = tbs.subject.to_string();
        let has = |wanted: &&CertificateName| {
            let among = |matches: &dyn Fn(&GeneralName) -> bool| alternatives.iter().any(matches);
            let email = |t: &str| among(&|n| matches!(n, GeneralName::Rfc822Name(v) if v.as_str() == t));
            let uri = |t: &str| {
                among(&|n| matches!(n, GeneralName::UniformResourceIdentifier(v) if v.as_str() == t))
            };
            let dns = |t: &str| among(&|n| matches!(n, GeneralName::DnsName(v) if v.as_str() == t));
            match wanted {
                CertificateName::Email(t) => email(t),
                CertificateName::Uri(t) => uri(t),
                CertificateName::Dns(t) => dns(t),
                CertificateName::Subject(t) => subject == *t,
                CertificateName::Any(t) => email(t) || uri(t) || dns(t),
            }
        };
        self.names.iter().find(has).ok_or_else(|| {
            let shown: String = claimed_of(certificate, &alternatives).chars().take(300).collect();
            mismatch(format!("the certificate names {}", shown.escape_debug()))
        })
    }
}

fn claimed_of(certificate: &x509_cert::Certificate, alternatives: &[GeneralName]) -> String {
    let named = alternatives.iter().find_map(|name| match name {
        GeneralName::Rfc822Name(v) => Some(v.as_str().to_owned()),
        GeneralName::UniformResourceIdentifier(v) => Some(v.as_str().to_owned()),
        GeneralName::DnsName(v) => Some(v.as_str().to_owned()),
        _ => None,
    });
    named.unwrap_or_else(|| certificate.tbs_certificate.subject.to_string())
}

/// The signer's certificate.
fn leaf(chain: &[Vec<u8>]) -> Result<x509_cert::Certificate, Explanation> {
    let no = |why: String| Explanation::new(Refusal::CertificateInvalid, why);
    let der = chain.first().filter(|der| der.len() <= CERTIFICATE_BYTES);
    let der = der.ok_or_else(|| no("there is no certificate of a usual size".into()))?;
    x509_cert::Certificate::from_der(der)
        .map_err(|e| no(format!("the signer's certificate cannot be read: {e}")))
}

/// The key in the signer's certificate.
///
/// # Errors
/// Where it is none that is accepted.
pub(crate) fn signing_key(chain: &[Vec<u8>]) -> Result<PublicKey, Explanation> {
    let no = |why: String| Explanation::new(Refusal::CertificateInvalid, why);
    let spki = leaf(chain)?.tbs_certificate.subject_public_key_info.to_der();
    let spki = spki.map_err(|e| no(format!("the key in the signer's certificate: {e}")))?;
    PublicKey::from_spki(&spki).map_err(|e| no(format!("the key in the signer's certificate: {e}")))
}

/// The certificates of a PEM text, for chains that travel with a signature.
pub(crate) fn travelling(pem: &str, origin: &str) -> Result<Vec<Vec<u8>>, String> {
    let found = pem::blocks(pem, "CERTIFICATE", origin).map_err(|e| e.to_string())?;
    if found.len() >= CHAIN_CERTIFICATES {
        return Err(format!(
            "{origin}: more certificates than the limit CHAIN_CERTIFICATES = {CHAIN_CERTIFICATES}"
        ));
    }
    Ok(found)
}

#[cfg(test)]
fn pem_of(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

#[cfg(test)]
mod tests;
