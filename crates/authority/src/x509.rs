//! Certificates: the authority's own (root, issuer, timestamps), and the short-lived ones it gives out.
//!
//! Everything is ECDSA on P-256 with SHA-256. A signing certificate carries a timestamp of the certificate
//! transparency log (RFC 6962, section 3.3), made over the certificate as it is without that timestamp;
//! there is no separate precertificate with a poison extension, as log and authority are one process, and
//! what the log signs is the same bytes (section 3.2: the TBSCertificate with the poison removed).

use crate::asn1::{self, SEQUENCE, UTF8, bits, context, oid, seq, set, time, tlv, uint};
use crate::error::{Error, Result};
use crate::keys::Key;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use seaworthy_sign::PublicKey;
use sha2::{Digest as _, Sha256};
use x509_cert::der::{Decode as _, Encode as _};

const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";
const SCT_LIST: &str = "1.3.6.1.4.1.11129.2.4.2";
pub(crate) const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
pub(crate) const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";

/// The algorithm of every signature here; no parameters (RFC 5758, section 3.2).
pub(crate) fn ecdsa_with_sha256() -> Vec<u8> {
    seq(&[&oid(ECDSA_WITH_SHA256)])
}

/// A name of an organisation and what it is.
pub(crate) fn name(organization: &str, common: &str) -> Vec<u8> {
    let part = |id: &str, value: &str| set(vec![seq(&[&oid(id), &tlv(UTF8, value.as_bytes())])]);
    seq(&[&part("2.5.4.10", organization), &part("2.5.4.3", common)])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Critical {
    Yes,
    No,
}

fn extension(id: &str, critical: Critical, value: &[u8]) -> Vec<u8> {
    let flag = if critical == Critical::Yes { tlv(asn1::BOOLEAN, &[0xff]) } else { Vec::new() };
    seq(&[&oid(id), &flag, &tlv(asn1::OCTET_STRING, value)])
}

/// The identifier of a key in certificates: the first 20 bytes of SHA-256 over the key's bits (RFC 7093,
/// section 2, method 1).
fn key_identifier(spki: &[u8]) -> Vec<u8> {
    let mut walk = asn1::Walk(spki);
    let key = walk.expect(SEQUENCE).and_then(|outer| {
        let mut fields = asn1::Walk(outer.content);
        fields.expect(SEQUENCE)?;
        fields.expect(asn1::BIT_STRING)?.content.get(1..)
    });
    Sha256::digest(key.unwrap_or(spki)).get(..20).unwrap_or_default().to_vec()
}

fn key_usage(first_byte: u8, unused: u8) -> Vec<u8> {
    extension("2.5.29.15", Critical::Yes, &tlv(asn1::BIT_STRING, &[unused, first_byte]))
}

fn extended_usage(purpose: &str, critical: Critical) -> Vec<u8> {
    extension("2.5.29.37", critical, &seq(&[&oid(purpose)]))
}

fn identifiers(subject_spki: &[u8], issuer_spki: &[u8]) -> Vec<u8> {
    let subject = tlv(asn1::OCTET_STRING, &key_identifier(subject_spki));
    let issuer = seq(&[&tlv(0x80, &key_identifier(issuer_spki))]);
    [extension("2.5.29.14", Critical::No, &subject), extension("2.5.29.35", Critical::No, &issuer)].concat()
}

/// What goes into a certificate.
struct Content<'a> {
    issuer: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
    from: Timestamp,
    until: Timestamp,
    extensions: Vec<u8>,
}

fn serial() -> Result<Vec<u8>> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| Error::local(format!("no randomness: {e}")))?;
    // Positive, never zero, always 16 bytes.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(uint(&bytes))
}

fn tbs(content: &Content<'_>, serial: &[u8]) -> Vec<u8> {
    seq(&[
        &context(0, &uint(&[2])),
        serial,
        &ecdsa_with_sha256(),
        content.issuer,
        &seq(&[&time(content.from), &time(content.until)]),
        content.subject,
        content.spki,
        &context(3, &tlv(SEQUENCE, &content.extensions)),
    ])
}

fn certify(content: &Content<'_>, key: &Key) -> Result<Vec<u8>> {
    let tbs = tbs(content, &serial()?);
    Ok(seq(&[&tbs, &ecdsa_with_sha256(), &bits(&key.sign(&tbs)?)]))
}

/// A certificate of the authority and what issuing with it needs.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    /// The Name, as DER.
    pub(crate) subject: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    /// The serial number, as an INTEGER.
    pub(crate) serial: Vec<u8>,
    pub(crate) spki: Vec<u8>,
    pub(crate) until: Timestamp,
}

impl Certificate {
    /// Reads a certificate, which may be anybody's.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let certificate = x509_cert::Certificate::from_der(der).ok()?;
        let tbs = certificate.tbs_certificate;
        let until = tbs.validity.not_after.to_unix_duration().as_secs();
        Some(Self {
            der: der.to_vec(),
            subject: tbs.subject.to_der().ok()?,
            issuer: tbs.issuer.to_der().ok()?,
            serial: tbs.serial_number.to_der().ok()?,
            spki: tbs.subject_public_key_info.to_der().ok()?,
            until: Timestamp::from_second(i64::try_from(until).ok()?).ok()?,
        })
    }
}

/// The root, which signs itself, and then the issuer and the timestamp certificate.
pub(crate) fn root(organization: &str, key: &Key, from: Timestamp, until: Timestamp) -> Result<Vec<u8>> {
    let spki = key.public_key().as_spki_der();
    let name = name(organization, &format!("{organization} root"));
    let extensions = [
        key_usage(0b0000_0110, 1),
        extension("2.5.29.19", Critical::Yes, &seq(&[&tlv(asn1::BOOLEAN, &[0xff]), &uint(&[1])])),
        identifiers(spki, spki),
    ]
    .concat();
    certify(&Content { issuer: &name, subject: &name, spki, from, until, extensions }, key)
}

/// The intermediate that gives out signing certificates, and can do nothing else.
pub(crate) fn issuing(
    organization: &str,
    public: &PublicKey,
    root: &Certificate,
    root_key: &Key,
    from: Timestamp,
) -> Result<Vec<u8>> {
    let spki = public.as_spki_der();
    let extensions = [
        key_usage(0b0000_0110, 1),
        extended_usage(CODE_SIGNING, Critical::No),
        extension("2.5.29.19", Critical::Yes, &seq(&[&tlv(asn1::BOOLEAN, &[0xff]), &uint(&[0])])),
        identifiers(spki, &root.spki),
    ]
    .concat();
    let subject = name(organization, &format!("{organization} issuer"));
    let until = root.until;
    certify(&Content { issuer: &root.subject, subject: &subject, spki, from, until, extensions }, root_key)
}

/// The certificate of the timestamp authority: one purpose, and that critical (RFC 3161, section 2.3).
pub(crate) fn timestamping(
    organization: &str,
    public: &PublicKey,
    root: &Certificate,
    root_key: &Key,
    from: Timestamp,
) -> Result<Vec<u8>> {
    let spki = public.as_spki_der();
    let extensions = [
        key_usage(0b1000_0000, 7),
        extended_usage(TIME_STAMPING, Critical::Yes),
        identifiers(spki, &root.spki),
    ]
    .concat();
    let subject = name(organization, &format!("{organization} timestamps"));
    let until = root.until;
    certify(&Content { issuer: &root.subject, subject: &subject, spki, from, until, extensions }, root_key)
}

/// Whom a signing certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A mail address.
    Email(String),
    /// A URI, such as a workflow.
    Uri(String),
}

/// What a signing certificate says besides: number under 1.3.6.1.4.1.57264.1, and value.
pub(crate) type Claims = Vec<(u8, String)>;

/// A signing certificate before the log has seen it.
#[derive(Debug)]
pub(crate) struct Draft {
    issuer: Vec<u8>,
    issuer_spki: Vec<u8>,
    spki: Vec<u8>,
    from: Timestamp,
    until: Timestamp,
    serial: Vec<u8>,
    extensions: Vec<u8>,
}

impl Draft {
    /// Drafts a certificate for the key `spki`.
    pub(crate) fn new(
        spki: &[u8],
        subject: &Subject,
        claims: &Claims,
        issuer: &Certificate,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Self> {
        let general_name = match subject {
            Subject::Email(mail) => tlv(0x81, mail.as_bytes()),
            Subject::Uri(uri) => tlv(0x86, uri.as_bytes()),
        };
        let mut extensions = [
            key_usage(0b1000_0000, 7),
            extended_usage(CODE_SIGNING, Critical::No),
            identifiers(spki, &issuer.spki),
            // The subject is empty, so that the alternative name is critical (RFC 5280, section 4.2.1.6).
            extension("2.5.29.17", Critical::Yes, &seq(&[&general_name])),
        ]
        .concat();
        for (number, value) in claims {
            let id = format!("1.3.6.1.4.1.57264.1.{number}");
            // Numbers up to 6 are of an older form: the text itself, not DER.
            let value = if *number <= 6 { value.as_bytes().to_vec() } else { tlv(UTF8, value.as_bytes()) };
            extensions.extend(extension(&id, Critical::No, &value));
        }
        Ok(Self {
            issuer: issuer.subject.clone(),
            issuer_spki: issuer.spki.clone(),
            spki: spki.to_vec(),
            from,
            until,
            serial: serial()?,
            extensions,
        })
    }

    fn tbs(&self, extensions: Vec<u8>) -> Vec<u8> {
        let subject = seq(&[]);
        let content = Content {
            issuer: &self.issuer,
            subject: &subject,
            spki: &self.spki,
            from: self.from,
            until: self.until,
            extensions,
        };
        tbs(&content, &self.serial)
    }

    /// The `timestamp`, `entry_type`, `signed_entry` and `extensions` of a precertificate entry: what the
    /// log keeps (RFC 6962, section 3.4) and what it signs (section 3.2) differ in their first two bytes.
    fn timestamped_entry(&self, millis: u64) -> Vec<u8> {
        let tbs = self.tbs(self.extensions.clone());
        let length = (tbs.len() as u32).to_be_bytes();
        let mut entry = millis.to_be_bytes().to_vec();
        entry.extend_from_slice(&[0, 1]);
        entry.extend_from_slice(&Sha256::digest(&self.issuer_spki));
        entry.extend_from_slice(length.get(1..).unwrap_or_default());
        entry.extend_from_slice(&tbs);
        entry.extend_from_slice(&[0, 0]);
        entry
    }

    /// The entry for the certificate transparency log: a MerkleTreeLeaf.
    pub(crate) fn log_entry(&self, millis: u64) -> Vec<u8> {
        [&[0, 0], self.timestamped_entry(millis).as_slice()].concat()
    }

    /// The certificate, with the log's timestamp in it.
    pub(crate) async fn finish(&self, millis: u64, log_key: &Key, key: &Key) -> Result<Vec<u8>> {
        let promise = [&[0, 0], self.timestamped_entry(millis).as_slice()].concat();
        let signature = log_key.sign_soon(&promise).await?;
        let mut sct = vec![0u8];
        sct.extend_from_slice(&Sha256::digest(log_key.public_key().as_spki_der()));
        sct.extend_from_slice(&millis.to_be_bytes());
        // No extensions; SHA-256 with ECDSA (RFC 5246, section 7.4.1.4.1).
        sct.extend_from_slice(&[0, 0, 4, 3]);
        sct.extend_from_slice(&(signature.len() as u16).to_be_bytes());
        sct.extend_from_slice(&signature);
        let mut list = ((sct.len() + 2) as u16).to_be_bytes().to_vec();
        list.extend_from_slice(&(sct.len() as u16).to_be_bytes());
        list.extend_from_slice(&sct);

        let mut extensions = self.extensions.clone();
        extensions.extend(extension(SCT_LIST, Critical::No, &tlv(asn1::OCTET_STRING, &list)));
        let tbs = self.tbs(extensions);
        Ok(seq(&[&tbs, &ecdsa_with_sha256(), &bits(&key.sign_soon(&tbs).await?)]))
    }
}

/// DER as a PEM block.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let body = STANDARD.encode(der);
    for line in body.as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// The one PEM block with this label, as DER.
pub(crate) fn from_pem(label: &str, text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, after) = rest.split_once(&format!("-----END {label}-----"))?;
    if after.contains("-----BEGIN") {
        return None;
    }
    STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
}
