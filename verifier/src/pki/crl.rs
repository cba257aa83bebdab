//! Certificate revocation lists from disk (RFC 5280, section 5): who is on them, and for whom they speak.
//!
//! Read strictly, whole or not at all. Refused by name when they are loaded: delta lists, indirect lists and
//! lists for some reasons only, because what they leave out would pass for "not revoked"; critical extensions
//! that nobody here knows. A list says something only where it is signed by the issuer of the certificate in
//! question, is about certificates of that kind, and is in date; otherwise the answer is "could not find out".

use super::PkiError;
use jiff::Timestamp;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use std::collections::HashMap;
use webpki::{ALL_VERIFICATION_ALGS, RawPublicKeyEntity};
use x509_cert::crl::RevokedCert;
use x509_cert::der::asn1::{BitStringRef, ContextSpecific, GeneralizedTime, ObjectIdentifier};
use x509_cert::der::{self, Decode as _, Encode as _, Reader, SliceReader, Tag, TagNumber};
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{BasicConstraints, CrlDistributionPoints, CrlReason, IssuingDistributionPoint};
use x509_cert::time::Time;

/// A revocation list on disk. The largest public ones have a few megabytes.
pub const CRL_BYTES: u64 = 16 << 20;
/// Entries of one list; more than a private authority revokes in its life.
pub const CRL_ENTRIES: usize = 200_000;

const AUTHORITY_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const ISSUER_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.18");
const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const INVALIDITY_DATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.24");
const DELTA: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const SCOPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
/// `cRLDistributionPoints` of a certificate (RFC 5280, section 4.2.1.13).
const POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
/// `expiredCertsOnCRL` (ITU-T X.509, section 9.5.2.8): from when on expired certificates stay on the list.
const EXPIRED_KEPT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.60");

/// An entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revoked {
    /// From when on.
    pub(super) date: Timestamp,
    /// Why; `Unspecified` where the list does not say.
    pub(super) reason: CrlReason,
}

impl Revoked {
    /// Whether a signature that was provably made before the date is as good as ever. The key's compromise may
    /// be older than its discovery; who gives no reason, or holds, leaves compromise open.
    pub(super) fn spares_the_past(&self) -> bool {
        matches!(
            self.reason,
            CrlReason::AffiliationChanged
                | CrlReason::Superseded
                | CrlReason::CessationOfOperation
                | CrlReason::PrivilegeWithdrawn
        )
    }

    /// The reason as RFC 5280 spells it.
    pub(super) fn reason_name(&self) -> &'static str {
        match self.reason {
            CrlReason::Unspecified => "unspecified",
            CrlReason::KeyCompromise => "keyCompromise",
            CrlReason::CaCompromise => "cACompromise",
            CrlReason::AffiliationChanged => "affiliationChanged",
            CrlReason::Superseded => "superseded",
            CrlReason::CessationOfOperation => "cessationOfOperation",
            CrlReason::CertificateHold => "certificateHold",
            CrlReason::RemoveFromCRL => "removeFromCRL",
            CrlReason::PrivilegeWithdrawn => "privilegeWithdrawn",
            CrlReason::AaCompromise => "aACompromise",
        }
    }
}

/// A list that was read. Not verified.
#[derive(Debug)]
pub(super) struct Crl {
    pub(super) label: String,
    pub(super) issuer: Vec<u8>,
    signed: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    expired_kept_from: Option<Timestamp>,
    scope: Option<IssuingDistributionPoint>,
    entries: HashMap<Vec<u8>, Revoked>,
}

/// What is read in one pass.
struct Raw<'a> {
    signed: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

fn timestamp(time: &Time) -> Option<Timestamp> {
    Timestamp::from_second(i64::try_from(time.to_unix_duration().as_secs()).ok()?).ok()
}

impl Crl {
    /// Reads DER; `label` names the file.
    pub(super) fn parse(bytes: &[u8], label: &str) -> Result<Self, PkiError> {
        let bad = |why: String| PkiError::new(format!("the revocation list {label} cannot be used: {why}"));
        let broken = |e: der::Error| bad(format!("it is no DER revocation list: {e}"));
        let raw = SliceReader::new(bytes)
            .and_then(|mut reader| {
                let raw = reader.sequence(|parts| {
                    let (signed, algorithm) = (parts.tlv_bytes()?, parts.tlv_bytes()?);
                    let bits = BitStringRef::decode(parts)?;
                    let signature = bits.as_bytes().ok_or_else(|| Tag::BitString.value_error())?;
                    Ok(Raw { signed, algorithm, signature })
                })?;
                reader.finish(raw)
            })
            .map_err(broken)?;
        let mut reader = SliceReader::new(raw.signed).map_err(broken)?;
        let mut found = reader.sequence(Fields::read).map_err(broken)?;
        if found.algorithm != raw.algorithm {
            return Err(bad("it names two signature algorithms".into()));
        }
        if found.too_many {
            return Err(bad(format!("it has more entries than the limit CRL_ENTRIES = {CRL_ENTRIES}")));
        }
        if let Some(why) = found.refused {
            return Err(bad(why));
        }
        let (scope, expired_kept_from) = read_extensions(found.extensions.take()).map_err(bad)?;
        let this_update = timestamp(&found.this_update).ok_or_else(|| bad("its date is unusable".into()))?;
        Ok(Self {
            label: label.to_owned(),
            issuer: found.issuer.to_vec(),
            signed: raw.signed.to_vec(),
            algorithm: raw.algorithm.to_vec(),
            signature: raw.signature.to_vec(),
            this_update,
            next_update: found.next_update.as_ref().and_then(timestamp),
            expired_kept_from,
            scope,
            entries: found.entries,
        })
    }

    /// Whether the holder of `spki` signed it.
    pub(super) fn is_signed_by(&self, spki: &[u8]) -> bool {
        // The algorithm without the header of its SEQUENCE, as webpki names it.
        let Ok(algorithm) = der::AnyRef::from_der(&self.algorithm) else { return false };
        let spki = SubjectPublicKeyInfoDer::from(spki);
        let Ok(key) = RawPublicKeyEntity::try_from(&spki) else { return false };
        ALL_VERIFICATION_ALGS
            .iter()
            .filter(|known| known.signature_alg_id().as_ref() == algorithm.value())
            .any(|known| key.verify_signature(*known, &self.signed, &self.signature).is_ok())
    }

    /// The entry for the certificate, where there is one.
    pub(super) fn entry(&self, certificate: &x509_cert::Certificate) -> Option<&Revoked> {
        self.entries.get(certificate.tbs_certificate.serial_number.as_bytes())
    }

    /// From when until when it is in date.
    fn period(&self, now: Timestamp) -> Result<(Timestamp, Timestamp), String> {
        if self.this_update > now {
            return Err(format!("{} is from the future ({})", self.label, self.this_update));
        }
        let next = self
            .next_update
            .ok_or_else(|| format!("{} does not say until when it is in date", self.label))?;
        Ok((self.this_update, next))
    }

    /// Why it is not in date, where it is not.
    pub(super) fn out_of_date(&self, now: Timestamp) -> Option<String> {
        match self.period(now) {
            Ok((_, next)) if next >= now => None,
            Ok((_, next)) => Some(format!("{} is out of date since {next}", self.label)),
            Err(why) => Some(why),
        }
    }

    /// Why this list says nothing by its silence about `certificate`, where it does not.
    pub(super) fn silence_means_nothing(
        &self,
        certificate: &x509_cert::Certificate,
        now: Timestamp,
    ) -> Option<String> {
        let label = &self.label;
        if let Some(scope) = &self.scope
            && !concerns(scope, certificate)
        {
            return Some(format!("{label} is about other certificates"));
        }
        let (from, next) = match self.period(now) {
            Ok(period) => period,
            Err(why) => return Some(why),
        };
        let Some(end) = timestamp(&certificate.tbs_certificate.validity.not_after) else {
            return Some("the certificate's end is unusable".into());
        };
        if end >= now {
            return self.out_of_date(now);
        }
        // An expired certificate leaves the list (RFC 5280, section 3.3): a newer list says nothing about it,
        // unless it keeps them; the last list of the certificate's life does.
        let of_its_life = from <= end && end <= next;
        let keeps = self.expired_kept_from.is_some_and(|from| from <= end) && next >= now;
        (!of_its_life && !keeps).then(|| {
            format!(
                "the certificate expired on {end}, and {label} is not the list of that day and does not keep \
                 expired certificates"
            )
        })
    }
}

/// The fields of the signed part, in their order.
struct Fields<'a> {
    algorithm: &'a [u8],
    issuer: &'a [u8],
    this_update: Time,
    next_update: Option<Time>,
    entries: HashMap<Vec<u8>, Revoked>,
    too_many: bool,
    refused: Option<String>,
    extensions: Option<Extensions>,
}

impl<'a> Fields<'a> {
    fn read<R: Reader<'a>>(fields: &mut R) -> der::Result<Self> {
        if fields.peek_tag()? == Tag::Integer {
            // Version 2; a list with extensions has no other.
            if u8::decode(fields)? != 1 {
                return Err(Tag::Integer.value_error());
            }
        }
        let algorithm = fields.tlv_bytes()?;
        let issuer = fields.tlv_bytes()?;
        let this_update = Time::decode(fields)?;
        let next = |fields: &R| (!fields.is_finished()).then(|| fields.peek_tag()).transpose();
        let next_update = match next(fields)? {
            Some(Tag::UtcTime | Tag::GeneralizedTime) => Some(Time::decode(fields)?),
            _ => None,
        };
        let mut found = Self {
            algorithm,
            issuer,
            this_update,
            next_update,
            entries: HashMap::new(),
            too_many: false,
            refused: None,
            extensions: None,
        };
        if next(fields)? == Some(Tag::Sequence) {
            fields.sequence(|list| {
                let mut seen = 0usize;
                while !list.is_finished() {
                    seen += 1;
                    if seen > CRL_ENTRIES {
                        found.too_many = true;
                        // What follows is not read.
                        list.read_slice(list.remaining_len())?;
                        return Ok(());
                    }
                    found.add(&RevokedCert::decode(list)?)?;
                }
                Ok(())
            })?;
        }
        if next(fields)?.is_some() {
            found.extensions = ContextSpecific::<Extensions>::decode_explicit(fields, TagNumber::N0)?
                .map(|wrapped| wrapped.value);
        }
        Ok(found)
    }

    fn add(&mut self, entry: &RevokedCert) -> der::Result<()> {
        let date = timestamp(&entry.revocation_date).ok_or_else(|| Tag::GeneralizedTime.value_error())?;
        let mut reason = CrlReason::Unspecified;
        for extension in entry.crl_entry_extensions.iter().flatten() {
            match extension.extn_id {
                REASON => reason = CrlReason::from_der(extension.extn_value.as_bytes())?,
                INVALIDITY_DATE => {}
                other if extension.critical => {
                    self.refused = Some(format!("an entry has the critical extension {other}"));
                }
                _ => {}
            }
        }
        if reason == CrlReason::RemoveFromCRL {
            self.refused = Some("it takes entries back, which only delta lists do".into());
        }
        let serial = entry.serial_number.as_bytes().to_vec();
        let earlier = self.entries.insert(serial, Revoked { date, reason });
        if earlier.is_some() {
            self.refused = Some("a certificate stands on it twice".into());
        }
        Ok(())
    }
}

type Extras = (Option<IssuingDistributionPoint>, Option<Timestamp>);

fn read_extensions(extensions: Option<Extensions>) -> Result<Extras, String> {
    let mut extras: Extras = (None, None);
    for extension in extensions.iter().flatten() {
        let value = extension.extn_value.as_bytes();
        let unreadable = |e: der::Error| format!("its extension {} is unreadable: {e}", extension.extn_id);
        match extension.extn_id {
            DELTA => return Err("it is a delta list; give the complete one".into()),
            SCOPE => {
                let scope = IssuingDistributionPoint::from_der(value).map_err(unreadable)?;
                if scope.indirect_crl {
                    return Err("it is an indirect list; give the issuer's own".into());
                }
                if scope.only_some_reasons.is_some() {
                    return Err("it is for some reasons only; give the complete one".into());
                }
                extras.0 = Some(scope);
            }
            EXPIRED_KEPT => {
                let from = GeneralizedTime::from_der(value).map_err(unreadable)?;
                let seconds = i64::try_from(from.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
                extras.1 = Timestamp::from_second(seconds).ok();
            }
            AUTHORITY_KEY_ID | ISSUER_ALT_NAME | CRL_NUMBER => {}
            other if extension.critical => {
                return Err(format!("it has the critical extension {other}"));
            }
            _ => {}
        }
    }
    Ok(extras)
}

/// Whether a list of this scope speaks about certificates like `certificate`.
fn concerns(scope: &IssuingDistributionPoint, certificate: &x509_cert::Certificate) -> bool {
    let extension = |oid| {
        let found = certificate.tbs_certificate.extensions.iter().flatten().find(|e| e.extn_id == oid);
        found.map(|e| e.extn_value.as_bytes())
    };
    let is_ca = extension(BASIC_CONSTRAINTS)
        .and_then(|value| BasicConstraints::from_der(value).ok())
        .is_some_and(|constraints| constraints.ca);
    if scope.only_contains_attribute_certs
        || (scope.only_contains_user_certs && is_ca)
        || (scope.only_contains_ca_certs && !is_ca)
    {
        return false;
    }
    let names = |name: &Option<DistributionPointName>| -> Option<Vec<GeneralName>> {
        match name {
            Some(DistributionPointName::FullName(names)) => Some(names.clone()),
            _ => None,
        }
    };
    if scope.distribution_point.is_none() {
        return true;
    }
    // One part of several: the certificate has to say that it is in this part.
    let Some(ours) = names(&scope.distribution_point) else { return false };
    let points = extension(POINTS).and_then(|value| CrlDistributionPoints::from_der(value).ok());
    points.iter().flat_map(|points| &points.0).any(|point| {
        names(&point.distribution_point).is_some_and(|theirs| theirs.iter().any(|name| ours.contains(name)))
    })
}

/// The DER form of a name.
pub(super) fn name_der(name: &x509_cert::name::Name) -> Vec<u8> {
    name.to_der().unwrap_or_default()
}
