//! Public keys: which are good enough to be trusted at all, and what a signature by one is.
//!
//! Accepted: ECDSA on P-256, P-384 and P-521 with the hash of that size, RSA of 2048, 3072 and 4096 bits with
//! PKCS#1 v1.5 or PSS and SHA-256, and Ed25519, pure or prehashed (Ed25519ph, RFC 8032: what cosign writes beside
//! a log entry). Those are the ways that Sigstore's algorithm registry has for such keys; no two of them share a
//! signature, and nothing in the evidence chooses: a signature is good or it is not. Everything else is refused by name when it is loaded
//! (other lengths of RSA, other curves, weak exponents, small-order points), so that a weak key is a message to the
//! administrator and never a verification that happens to work.

use aws_lc_rs::digest::{self as aws, Digest as AwsDigest};
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use p256::pkcs8::der::asn1::{BitStringRef, ObjectIdentifier, UintRef};
use p256::pkcs8::der::{self, Decode as _, Encode as _, Reader as _};
use p256::pkcs8::spki::SubjectPublicKeyInfo;
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use std::sync::Arc;

/// The largest public key file that is read.
pub const PUBLIC_KEY_BYTES: u64 = 64 << 10;

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");

/// What a refusal offers instead.
const USE: &str = "use P-256, P-384, P-521, RSA of 2048, 3072 or 4096 bits, or Ed25519";

/// A public key of an accepted algorithm.
#[derive(Clone)]
pub struct PublicKey {
    spki: Vec<u8>,
    kind: KeyKind,
}

#[derive(Clone)]
enum KeyKind {
    P256(p256::ecdsa::VerifyingKey),
    Wide { key: Arc<ParsedPublicKey>, hash: Hash, name: &'static str },
    Rsa { pkcs1: Arc<ParsedPublicKey>, pss: Arc<ParsedPublicKey>, name: &'static str },
    Ed25519(ed25519_dalek::VerifyingKey),
}

/// The hash below a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(crate) fn aws(self) -> &'static aws::Algorithm {
        match self {
            Self::Sha256 => &aws::SHA256,
            Self::Sha384 => &aws::SHA384,
            Self::Sha512 => &aws::SHA512,
        }
    }

    /// The digest of `head` and `content`, one after the other.
    pub(crate) fn of(self, head: &[u8], content: &[u8]) -> Vec<u8> {
        let mut context = aws::Context::new(self.aws());
        context.update(head);
        context.update(content);
        context.finish().as_ref().to_vec()
    }

    /// The name in entries of Rekor v1.
    pub(crate) fn rekor_name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The name in bundles and log entries (protobuf-specs, `HashAlgorithm`).
    pub(crate) fn bundle_name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA2_256",
            Self::Sha384 => "SHA2_384",
            Self::Sha512 => "SHA2_512",
        }
    }
}

impl PublicKey {
    /// The key in the PEM file at `path`.
    ///
    /// # Errors
    /// In words, with the path: see [`PublicKey::from_pem`].
    pub fn from_file(path: &std::path::Path) -> Result<Self, String> {
        let pem = crate::files::read_text(path, PUBLIC_KEY_BYTES)?;
        Self::from_pem(&pem).map_err(|why| format!("{}: {why}", path.display()))
    }

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
            return Err("a PEM block `RSA PUBLIC KEY`; write it as `PUBLIC KEY`".into());
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
        let raw = info.subject_public_key.as_bytes().ok_or("not a DER public key")?;
        let kind = match info.algorithm.oid {
            EC_PUBLIC_KEY if curve() == Some(P256) => KeyKind::P256(
                p256::ecdsa::VerifyingKey::from_public_key_der(spki)
                    .map_err(|_| "not a point of the P-256 curve".to_owned())?,
            ),
            EC_PUBLIC_KEY if curve() == Some(P384) => {
                wide(&ECDSA_P384_SHA384_ASN1, raw, Hash::Sha384, "P-384")?
            }
            EC_PUBLIC_KEY if curve() == Some(P521) => {
                wide(&ECDSA_P521_SHA512_ASN1, raw, Hash::Sha512, "P-521")?
            }
            EC_PUBLIC_KEY => {
                return Err(format!("{} keys are not accepted; {USE}", curve_name(curve())));
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
                let name = rsa_name(raw)?;
                let pkcs1 = parsed(&RSA_PKCS1_2048_8192_SHA256, raw, name)?;
                KeyKind::Rsa { pkcs1, pss: parsed(&RSA_PSS_2048_8192_SHA256, raw, name)?, name }
            }
            other => {
                return Err(format!("keys of algorithm {other} are not accepted; {USE}"));
            }
        };
        // One key has one name: what was read is written again, so that two encodings of one key can never
        // count as two signers.
        let canonical = info.to_der().map_err(|_| "not a DER public key".to_owned())?;
        let parameters = info.algorithm.parameters.map(|p| p.is_null());
        if canonical != spki || (info.algorithm.oid == RSA && parameters != Some(true)) {
            return Err("a DER public key in an unusual encoding".into());
        }
        if info.algorithm.oid == EC_PUBLIC_KEY && raw.first() != Some(&4) {
            return Err("a compressed point; write the key uncompressed".into());
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

    /// `P-256`, `P-384`, `P-521`, `RSA-2048` and so on, or `Ed25519`.
    pub fn algorithm(&self) -> &'static str {
        match &self.kind {
            KeyKind::P256(_) => "P-256",
            KeyKind::Wide { name, .. } | KeyKind::Rsa { name, .. } => name,
            KeyKind::Ed25519(_) => "Ed25519",
        }
    }

    /// The hash of which this key signs digests; Ed25519 signs none.
    pub(crate) fn hash(&self) -> Option<Hash> {
        match &self.kind {
            KeyKind::P256(_) | KeyKind::Rsa { .. } => Some(Hash::Sha256),
            KeyKind::Wide { hash, .. } => Some(*hash),
            KeyKind::Ed25519(_) => None,
        }
    }

    /// The hash under which logs have what this key signed: Ed25519 signs it prehashed for them.
    pub(crate) fn logged_hash(&self) -> Hash {
        self.hash().unwrap_or(Hash::Sha512)
    }

    /// Whether `signature` over `prefix` and `payload`, one after the other, is good under this key: exact
    /// bytes, exact algorithm.
    pub(crate) fn fits(&self, prefix: &[u8], payload: &[u8], signature: &[u8]) -> bool {
        if let Some(hash) = self.hash() {
            return self.fits_digest(&hash.of(prefix, payload), signature);
        }
        let KeyKind::Ed25519(key) = &self.kind else { return false };
        let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
        let pure = match prefix.is_empty() {
            true => key.verify_strict(payload, &signature),
            false => key.verify_strict(&[prefix, payload].concat(), &signature),
        };
        pure.is_ok() || {
            let hashed = Sha512::new().chain_update(prefix).chain_update(payload);
            key.verify_prehashed_strict(hashed, None, &signature).is_ok()
        }
    }

    /// Whether `signature` is one of Ed25519ph for something with this SHA-512; of no other kind of key.
    pub(crate) fn fits_prehashed(&self, sha512: &[u8], signature: &[u8]) -> bool {
        let KeyKind::Ed25519(key) = &self.kind else { return false };
        let Some(hashed) = Prehashed::new(sha512) else { return false };
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify_prehashed_strict(hashed, None, &signature).is_ok())
    }

    /// The hash that a log entry has where it calls this key `details` (protobuf-specs, `PublicKeyDetails`);
    /// `None` where this is no name for it.
    pub(crate) fn logged_as(&self, details: &str) -> Option<Hash> {
        let (names, hash): (&[&str], Hash) = match self.algorithm() {
            "P-256" => (&["PKIX_ECDSA_P256_SHA_256"], Hash::Sha256),
            "P-384" => (&["PKIX_ECDSA_P384_SHA_384"], Hash::Sha384),
            "P-521" => (&["PKIX_ECDSA_P521_SHA_512"], Hash::Sha512),
            "RSA-2048" => (&["PKIX_RSA_PKCS1V15_2048_SHA256", "PKIX_RSA_PSS_2048_SHA256"], Hash::Sha256),
            "RSA-3072" => (&["PKIX_RSA_PKCS1V15_3072_SHA256", "PKIX_RSA_PSS_3072_SHA256"], Hash::Sha256),
            "RSA-4096" => (&["PKIX_RSA_PKCS1V15_4096_SHA256", "PKIX_RSA_PSS_4096_SHA256"], Hash::Sha256),
            "Ed25519" => (&["PKIX_ED25519_PH"], Hash::Sha512),
            _ => return None,
        };
        names.contains(&details).then_some(hash)
    }

    /// Whether `signature` is good under this key for something with that digest under [`PublicKey::hash`].
    pub(crate) fn fits_digest(&self, digest: &[u8], signature: &[u8]) -> bool {
        match &self.kind {
            KeyKind::P256(key) => {
                use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
                p256::ecdsa::Signature::from_der(signature)
                    .is_ok_and(|s| digest.len() == 32 && key.verify_prehash(digest, &s).is_ok())
            }
            KeyKind::Wide { key, hash, .. } => AwsDigest::import_less_safe(digest, hash.aws())
                .is_ok_and(|digest| key.verify_digest_sig(&digest, signature).is_ok()),
            KeyKind::Rsa { pkcs1, pss, .. } => [pkcs1, pss].iter().any(|key| {
                AwsDigest::import_less_safe(digest, &aws::SHA256)
                    .is_ok_and(|digest| key.verify_digest_sig(&digest, signature).is_ok())
            }),
            KeyKind::Ed25519(_) => false,
        }
    }
}

/// A SHA-512 that was computed elsewhere, where a hasher is asked for.
#[derive(Default)]
struct Prehashed(Output<Self>);

impl Prehashed {
    fn new(sha512: &[u8]) -> Option<Self> {
        Output::<Self>::try_from(sha512).ok().map(Self)
    }
}

impl OutputSizeUser for Prehashed {
    type OutputSize = <Sha512 as OutputSizeUser>::OutputSize;
}

impl HashMarker for Prehashed {}

impl Update for Prehashed {
    /// There is nothing to add to a finished hash; nobody does.
    fn update(&mut self, _: &[u8]) {}
}

impl FixedOutput for Prehashed {
    fn finalize_into(self, out: &mut Output<Self>) {
        *out = self.0;
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

fn wide(
    how: &'static dyn VerificationAlgorithm,
    raw: &[u8],
    hash: Hash,
    name: &'static str,
) -> Result<KeyKind, String> {
    Ok(KeyKind::Wide { key: parsed(how, raw, name)?, hash, name })
}

fn parsed(
    how: &'static dyn VerificationAlgorithm,
    raw: &[u8],
    name: &'static str,
) -> Result<Arc<ParsedPublicKey>, String> {
    ParsedPublicKey::new(how, raw).map(Arc::new).map_err(|e| format!("no usable {name} key: {e}"))
}

fn curve_name(curve: Option<ObjectIdentifier>) -> String {
    match curve.map(|c| c.to_string()).as_deref() {
        Some("1.3.132.0.33") => "P-224".into(),
        Some("1.2.840.10045.3.1.1") => "P-192".into(),
        Some("1.3.132.0.10") => "secp256k1".into(),
        Some(other) => format!("elliptic curve {other}"),
        None => "elliptic curve (parameters not named)".into(),
    }
}

/// Which RSA this is, by modulus and exponent (RFC 8017, appendix A.1.1); lengths as cosign takes them.
fn rsa_name(key: &[u8]) -> Result<&'static str, String> {
    let bits = |n: &[u8]| n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    let read = |r: &mut der::SliceReader<'_>| {
        let modulus = UintRef::decode(r).map(|n| bits(n.as_bytes()))?;
        let exponent = UintRef::decode(r)?.as_bytes().to_vec();
        Ok::<_, der::Error>((modulus, exponent))
    };
    let (modulus, exponent) = der::SliceReader::new(key)
        .and_then(|mut reader| {
            let read = reader.sequence(read)?;
            reader.finish()?;
            Ok(read)
        })
        .map_err(|_| "not an RSA key".to_owned())?;
    if bits(&exponent) <= 16 || exponent.last().is_none_or(|e| e % 2 == 0) {
        return Err("an RSA key with a weak exponent; 65537 is the usual one".into());
    }
    match modulus {
        2048 => Ok("RSA-2048"),
        3072 => Ok("RSA-3072"),
        4096 => Ok("RSA-4096"),
        other => Err(format!("RSA keys ({other} bits) are not accepted; {USE}")),
    }
}
