//! The path from a signer's certificate to a root, checked at one moment.
//!
//! webpki builds it and checks signatures, validity, basic constraints, path lengths, name constraints and that
//! the certificate is for signing code; at most six intermediates, with a budget for signatures and branches.
//! Checked here besides, for every candidate: key usages, the root's own validity and path length (RFC 5280
//! leaves trust anchors alone; an administrator who reads "expired" expects it to count), and revocation.

use super::crl::{Revoked, name_der};
use super::{CERTIFICATE_BYTES, Inner, PkiError};
use crate::verdict::{Explanation, Refusal};
use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::cell::RefCell;
use std::time::Duration;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage as Purpose, VerifiedPath};
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};

/// id-kp-codeSigning, 1.3.6.1.5.5.7.3.3 (RFC 5280, section 4.2.1.12), without its header.
const CODE_SIGNING: [u8; 8] = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");

/// A certificate of the administrator's: an authority.
pub(super) struct Ca {
    der: CertificateDer<'static>,
    anchor: TrustAnchor<'static>,
    certificate: Certificate,
}

impl Ca {
    /// Reads DER; `label` names the file.
    pub(super) fn parse(der: Vec<u8>, label: &str) -> Result<Self, PkiError> {
        let bad = |why: String| PkiError::new(format!("{label}: {why}"));
        if der.len() > CERTIFICATE_BYTES {
            return Err(bad(format!(
                "a certificate larger than the limit CERTIFICATE_BYTES = {CERTIFICATE_BYTES}"
            )));
        }
        let certificate =
            Certificate::from_der(&der).map_err(|e| bad(format!("a certificate cannot be read: {e}")))?;
        let name = certificate.tbs_certificate.subject.to_string();
        if !constraints(&certificate).is_some_and(|c| c.ca) {
            return Err(bad(format!("the certificate of '{name}' is no certificate authority's")));
        }
        let der = CertificateDer::from(der);
        let anchor = webpki::anchor_from_trusted_cert(&der)
            .map_err(|e| bad(format!("the certificate of '{name}' cannot be used: {e}")))?
            .to_owned();
        Ok(Self { der, anchor, certificate })
    }
}

/// The one extension of this kind; two of a kind are none (RFC 5280, section 4.2).
fn extension(certificate: &Certificate, oid: ObjectIdentifier) -> Option<&[u8]> {
    let mut found = certificate.tbs_certificate.extensions.iter().flatten().filter(|e| e.extn_id == oid);
    match (found.next(), found.next()) {
        (Some(one), None) => Some(one.extn_value.as_bytes()),
        _ => None,
    }
}

fn constraints(certificate: &Certificate) -> Option<BasicConstraints> {
    BasicConstraints::from_der(extension(certificate, BASIC_CONSTRAINTS)?).ok()
}

/// Whether the key may be used for `usage`; a certificate that does not say restricts nothing.
fn may(certificate: &Certificate, usage: KeyUsages) -> bool {
    let has = certificate.tbs_certificate.extensions.iter().flatten().any(|e| e.extn_id == KEY_USAGE);
    !has || extension(certificate, KEY_USAGE)
        .and_then(|der| KeyUsage::from_der(der).ok())
        .is_some_and(|usages| usages.0.contains(usage))
}

fn subject(certificate: &Certificate) -> String {
    let text: String = certificate.tbs_certificate.subject.to_string().chars().take(200).collect();
    format!("'{}'", text.escape_debug())
}

fn no(why: String) -> Explanation {
    Explanation::new(Refusal::CertificateInvalid, why)
}

impl Inner {
    /// Whether `leaf` leads to a root at `time`. `proven` are the proven times of signing, where there are any.
    pub(super) fn verify(
        &self,
        leaf: &[u8],
        travelled: &[Vec<u8>],
        time: Timestamp,
        proven: Option<&[Timestamp]>,
        now: Timestamp,
    ) -> Result<(), Explanation> {
        let leaf_der = CertificateDer::from(leaf);
        let end = EndEntityCert::try_from(&leaf_der)
            .map_err(|e| no(format!("the signer's certificate cannot be used: {e}")))?;
        let anchors: Vec<TrustAnchor<'_>> = self.roots.iter().map(|root| root.anchor.clone()).collect();
        let mut between: Vec<CertificateDer<'_>> =
            self.intermediates.iter().map(|ca| ca.der.clone()).collect();
        between.extend(travelled.iter().map(|der| CertificateDer::from(der.as_slice())));
        let seconds = u64::try_from(time.as_second()).map_err(|_| no("signed before 1970".into()))?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let ours: RefCell<Option<Explanation>> = RefCell::new(None);
        let vet = |path: &VerifiedPath<'_>| {
            self.vet(leaf, path, time, proven, now).map_err(|why| {
                let mut first = ours.borrow_mut();
                // A path about which nothing could be found out might have been good: it outweighs the others.
                let weightier = why.code == Refusal::RevocationUnknown
                    && first.as_ref().is_some_and(|f| f.code != Refusal::RevocationUnknown);
                if first.is_none() || weightier {
                    *first = Some(why);
                }
                webpki::Error::UnknownIssuer
            })
        };
        let built = end.verify_for_usage(
            ALL_VERIFICATION_ALGS,
            &anchors,
            &between,
            at,
            Purpose::required_if_present(&CODE_SIGNING),
            None,
            Some(&vet),
        );
        let failed = match built {
            Ok(_) => return Ok(()),
            Err(failed) => failed,
        };
        Err(ours.take().unwrap_or_else(|| no(words(&failed, time))))
    }

    /// What webpki leaves to others, for one path.
    fn vet(
        &self,
        leaf: &[u8],
        path: &VerifiedPath<'_>,
        time: Timestamp,
        proven: Option<&[Timestamp]>,
        now: Timestamp,
    ) -> Result<(), Explanation> {
        let anchor = path.anchor();
        let root = self
            .roots
            .iter()
            .find(|root| {
                root.anchor.subject == anchor.subject
                    && root.anchor.subject_public_key_info == anchor.subject_public_key_info
            })
            .ok_or_else(|| no("the path ends at no root of ours".into()))?;
        let read = |der: &[u8]| {
            Certificate::from_der(der)
                .map_err(|e| no(format!("a certificate of the path cannot be read: {e}")))
        };
        let mut chain = vec![read(leaf)?];
        for intermediate in path.intermediate_certificates() {
            chain.push(read(&intermediate.der())?);
        }
        chain.push(root.certificate.clone());
        let [signer, authorities @ ..] = chain.as_slice() else { return Err(no("no path".into())) };
        // webpki would ask the same of every intermediate, and private authorities rarely say what they are for.
        let purposes =
            extension(signer, EXTENDED_KEY_USAGE).and_then(|der| ExtendedKeyUsage::from_der(der).ok());
        if !purposes.is_some_and(|purposes| purposes.0.iter().any(|p| p.as_bytes() == CODE_SIGNING)) {
            return Err(no(format!(
                "the certificate of {} is not for signing code (extendedKeyUsage)",
                subject(signer)
            )));
        }
        if !may(signer, KeyUsages::DigitalSignature) {
            return Err(no(format!("the key of {} may not sign (keyUsage)", subject(signer))));
        }
        if let Some(ca) = authorities.iter().find(|ca| !may(ca, KeyUsages::KeyCertSign)) {
            return Err(no(format!("the key of {} may not sign certificates (keyUsage)", subject(ca))));
        }
        let validity = &root.certificate.tbs_certificate.validity;
        let edge =
            |t: &x509_cert::time::Time| i64::try_from(t.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        if time.as_second() < edge(&validity.not_before) || time.as_second() > edge(&validity.not_after) {
            return Err(no(format!("the root {} is not valid at {time}", subject(&root.certificate))));
        }
        let between = authorities.len().saturating_sub(1);
        let allowed = constraints(&root.certificate).and_then(|c| c.path_len_constraint);
        if allowed.is_some_and(|allowed| between > usize::from(allowed)) {
            return Err(no(format!(
                "{between} intermediates below {}, which allows fewer (pathLenConstraint)",
                subject(&root.certificate)
            )));
        }
        if self.crls.is_empty() {
            return Ok(());
        }
        // From the root downwards: where an authority is revoked, its own lists are worth nothing.
        for pair in chain.windows(2).rev() {
            if let [certificate, issuer] = pair {
                self.not_revoked(certificate, issuer, proven, now)?;
            }
        }
        Ok(())
    }

    /// Whether `certificate` is not revoked by its `issuer`, as far as the lists on disk say.
    fn not_revoked(
        &self,
        certificate: &Certificate,
        issuer: &Certificate,
        proven: Option<&[Timestamp]>,
        now: Timestamp,
    ) -> Result<(), Explanation> {
        let name = name_der(&issuer.tbs_certificate.subject);
        let spki = issuer.tbs_certificate.subject_public_key_info.to_der().unwrap_or_default();
        let mut notes: Vec<String> = Vec::new();
        let mut covered = false;
        for list in self.crls.iter().filter(|list| list.issuer == name) {
            if !may(issuer, KeyUsages::CRLSign) {
                notes.push(format!("the key of {} may not sign revocation lists", subject(issuer)));
                break;
            }
            if !list.is_signed_by(&spki) {
                notes.push(format!("{} is not signed by the key of {}", list.label, subject(issuer)));
                continue;
            }
            // Also by a list that is out of date: revocation is not taken back.
            if let Some(entry) = list.entry(certificate) {
                if !spared(entry, proven) {
                    return Err(revoked(certificate, entry));
                }
                match list.out_of_date(now) {
                    Some(note) => notes.push(note),
                    None => covered = true,
                }
                continue;
            }
            match list.silence_means_nothing(certificate, now) {
                Some(note) => notes.push(note),
                None => covered = true,
            }
        }
        if covered {
            return Ok(());
        }
        let why = match notes.as_slice() {
            [] => format!("there is no revocation list of {}", subject(issuer)),
            notes => notes.join("; "),
        };
        let text = format!("whether the certificate of {} is revoked: {why}", subject(certificate));
        Err(Explanation::new(Refusal::RevocationUnknown, text).hint(
            "get the issuer's newest revocation list and give it with --crl, or under crls in the policy",
        ))
    }
}

/// Whether everything was signed before the revocation, for a reason that leaves the past alone.
fn spared(entry: &Revoked, proven: Option<&[Timestamp]>) -> bool {
    entry.spares_the_past()
        && proven.is_some_and(|times| !times.is_empty() && times.iter().all(|time| *time < entry.date))
}

fn revoked(certificate: &Certificate, entry: &Revoked) -> Explanation {
    let serial = hex::encode(certificate.tbs_certificate.serial_number.as_bytes());
    let text = format!(
        "the certificate of {} (serial {serial}) was revoked on {}, reason {}",
        subject(certificate),
        entry.date,
        entry.reason_name()
    );
    Explanation::new(Refusal::CertificateRevoked, text)
}

/// A library's words in ours, where they say more.
fn words(error: &webpki::Error, time: Timestamp) -> String {
    use webpki::Error as E;
    let why = match error {
        E::UnknownIssuer => "it leads to none of the roots".into(),
        E::CertExpired { .. } => format!("a certificate had expired at {time}"),
        E::CertNotValidYet { .. } => format!("a certificate was not valid yet at {time}"),
        E::RequiredEkuNotFoundContext(_) => "it is not for signing code (extendedKeyUsage)".into(),
        E::NameConstraintViolation => "a name is outside the constraints of an authority".into(),
        E::PathLenConstraintViolated => {
            "more intermediates than an authority allows (pathLenConstraint)".into()
        }
        E::CaUsedAsEndEntity => "it is a certificate authority's, not a signer's".into(),
        E::EndEntityUsedAsCa => "a certificate of the path is no authority's".into(),
        other => other.to_string(),
    };
    format!("the signer's certificate is refused: {why}")
}
