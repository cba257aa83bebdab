//! Who may sign: named authorities, each a set of keys or one keyless identity.
//!
//! Decides which public keys are good enough to be trusted at all: P-256 and Ed25519. Everything else is
//! refused by name when it is loaded (RSA, other curves, Ed25519ph), so that a weak key is a message to the
//! administrator and never a verification that happens to work. Thresholds count [`Signer`]s, who are
//! distinct by their public key or identity, never signatures.

use crate::trust::Trust;
use crate::verdict::Signer;
use base64::Engine as _;
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use jiff::Timestamp;
use p256::pkcs8::der::asn1::{BitStringRef, ObjectIdentifier, UintRef};
use p256::pkcs8::der::{self, Decode as _, Encode as _, Reader as _};
use p256::pkcs8::spki::SubjectPublicKeyInfo;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::path::Path;

/// The largest public key file that is read.
pub const PUBLIC_KEY_BYTES: u64 = 64 << 10;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// A public key of an accepted algorithm.
#[derive(Clone)]
pub struct PublicKey {
    spki: Vec<u8>,
    pub(crate) kind: KeyKind,
}

#[derive(Clone)]
pub(crate) enum KeyKind {
    P256(p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl PublicKey {
    /// Reads the one `PUBLIC KEY` block of `pem`.
    ///
    /// # Errors
    /// In words: no PEM, a private key, or an algorithm that is not accepted, by its name.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        if pem.contains("PRIVATE KEY-----") {
            return Err("this is a private key; the public one is needed".into());
        }
        if pem.contains("BEGIN CERTIFICATE-----") {
            return Err("this is a certificate; the public key is needed".into());
        }
        if pem.contains("BEGIN RSA PUBLIC KEY-----") {
            return Err("RSA keys are not accepted; use P-256 or Ed25519".into());
        }
        if pem.matches("-----BEGIN ").count() != 1 {
            return Err("not one PEM block `PUBLIC KEY`, but several or none".into());
        }
        let (label, document) =
            der::Document::from_pem(pem.trim()).map_err(|_| "not a PEM block `PUBLIC KEY`".to_owned())?;
        if label != "PUBLIC KEY" {
            return Err(format!("a PEM block `{}` instead of `PUBLIC KEY`", label.escape_debug()));
        }
        Self::from_spki(document.as_bytes())
    }

    /// Reads a DER SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).
    ///
    /// # Errors
    /// As [`PublicKey::from_pem`].
    pub fn from_spki(spki: &[u8]) -> Result<Self, String> {
        let info = SubjectPublicKeyInfo::<der::AnyRef<'_>, BitStringRef<'_>>::from_der(spki)
            .map_err(|_| "not a DER public key".to_owned())?;
        let curve = || info.algorithm.parameters.and_then(|p| p.decode_as::<ObjectIdentifier>().ok());
        let kind = match info.algorithm.oid {
            EC_PUBLIC_KEY if curve() == Some(P256) => KeyKind::P256(
                p256::ecdsa::VerifyingKey::from_public_key_der(spki)
                    .map_err(|_| "not a point of the P-256 curve".to_owned())?,
            ),
            EC_PUBLIC_KEY => {
                return Err(format!("{} keys are not accepted; use P-256 or Ed25519", curve_name(curve())));
            }
            ED25519 => {
                let key = ed25519_dalek::VerifyingKey::from_public_key_der(spki)
                    .map_err(|_| "not a point of the Ed25519 curve".to_owned())?;
                // A key of small order verifies signatures over anything (RFC 8032, section 7, and
                // Chalkias and others, "Taming the many EdDSAs").
                if key.is_weak() {
                    return Err("a weak Ed25519 key (small order)".into());
                }
                KeyKind::Ed25519(key)
            }
            RSA => {
                return Err(format!(
                    "RSA keys{} are not accepted; use P-256 or Ed25519",
                    rsa_bits(info.subject_public_key).map(|b| format!(" ({b} bits)")).unwrap_or_default()
                ));
            }
            other => {
                return Err(format!("keys of algorithm {other} are not accepted; use P-256 or Ed25519"));
            }
        };
        // One key has one name: what was read is written again, so that two encodings of one key can never
        // count as two signers.
        let canonical = info.to_der().map_err(|_| "not a DER public key".to_owned())?;
        if canonical != spki {
            return Err("a DER public key in an unusual encoding".into());
        }
        if let KeyKind::P256(_) = kind
            && info.subject_public_key.raw_bytes().len() != 65
        {
            return Err("a compressed P-256 point; write the key uncompressed".into());
        }
        Ok(Self { spki: canonical, kind })
    }

    /// The DER SubjectPublicKeyInfo.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// `key sha256:<hex of the SHA-256 of the SubjectPublicKeyInfo>`.
    pub fn id(&self) -> String {
        format!("key sha256:{}", hex::encode(Sha256::digest(&self.spki)))
    }

    /// What bundles carry as `publicKey.hint`: base64 of the same SHA-256. A hint, never a proof.
    pub fn hint(&self) -> String {
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&self.spki))
    }

    /// `P-256` or `Ed25519`.
    pub fn algorithm(&self) -> &'static str {
        match self.kind {
            KeyKind::P256(_) => "P-256",
            KeyKind::Ed25519(_) => "Ed25519",
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm(), self.id())
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

fn curve_name(curve: Option<ObjectIdentifier>) -> String {
    match curve.map(|c| c.to_string()).as_deref() {
        Some("1.3.132.0.33") => "P-224".into(),
        Some("1.2.840.10045.3.1.1") => "P-192".into(),
        Some("1.3.132.0.34") => "P-384".into(),
        Some("1.3.132.0.35") => "P-521".into(),
        Some("1.3.132.0.10") => "secp256k1".into(),
        Some(other) => format!("elliptic curve {other}"),
        None => "elliptic curve (parameters not named)".into(),
    }
}

fn rsa_bits(key: BitStringRef<'_>) -> Option<usize> {
    let mut reader = der::SliceReader::new(key.as_bytes()?).ok()?;
    let modulus: Result<UintRef<'_>, der::Error> = reader.sequence(|r| {
        let modulus = UintRef::decode(r)?;
        UintRef::decode(r)?;
        Ok::<_, der::Error>(modulus)
    });
    let modulus = modulus.ok()?;
    let first = modulus.as_bytes().first()?;
    Some(modulus.as_bytes().len() * 8 - first.leading_zeros() as usize)
}

/// A key and the time for which it is trusted.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// Signatures made before are not accepted.
    pub not_before: Option<Timestamp>,
    /// Signatures made after are not accepted.
    pub not_after: Option<Timestamp>,
}

impl TrustedKey {
    /// Whether the key is trusted for something signed at `time`; both ends belong to the window.
    pub fn trusted_at(&self, time: Timestamp) -> bool {
        self.not_before.is_none_or(|start| time >= start) && self.not_after.is_none_or(|end| time <= end)
    }
}

/// A keyless identity: who, and by whose word. Both match exactly, byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The OpenID Connect issuer.
    pub issuer: String,
    /// The certificate's subject alternative name: a mail address or a URI.
    pub identity: String,
}

/// Somebody who may sign.
#[derive(Debug, Clone)]
pub struct Authority {
    pub(crate) name: String,
    pub(crate) who: Who,
    pub(crate) trust: Option<Trust>,
}

#[derive(Debug, Clone)]
pub(crate) enum Who {
    Keys(Vec<TrustedKey>),
    Keyless(Identity),
}

impl Authority {
    /// The holders of `keys`. With `trust`, a signature counts only if a transparency log of that root
    /// holds it; without, log entries are only checked for belonging to the signature.
    pub fn keys(name: impl Into<String>, keys: Vec<TrustedKey>, trust: Option<Trust>) -> Self {
        Self { name: name.into(), who: Who::Keys(keys), trust }
    }

    /// The one key of a PEM file, always trusted.
    ///
    /// # Errors
    /// In words, with the path: see [`PublicKey::from_pem`].
    pub fn key_file(name: impl Into<String>, path: &Path) -> Result<Self, String> {
        let pem = crate::files::read_text(path, PUBLIC_KEY_BYTES)?;
        let key = PublicKey::from_pem(&pem).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self::keys(name, vec![TrustedKey { key, not_before: None, not_after: None }], None))
    }

    /// Whoever `trust` certifies as `identity`.
    pub fn keyless(name: impl Into<String>, identity: Identity, trust: Trust) -> Self {
        Self { name: name.into(), who: Who::Keyless(identity), trust: Some(trust) }
    }

    /// Its name in the policy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ids of the distinct signers it stands for.
    pub fn signer_ids(&self) -> Vec<String> {
        match &self.who {
            Who::Keys(keys) => keys.iter().map(|k| k.key.id()).collect(),
            Who::Keyless(identity) => vec![identity.id()],
        }
    }

    pub(crate) fn signer(&self, id: String) -> Signer {
        Signer { authority: self.name.clone(), id }
    }
}

impl Identity {
    /// `<identity> (<issuer>)`.
    pub fn id(&self) -> String {
        format!("{} ({})", self.identity, self.issuer)
    }
}
