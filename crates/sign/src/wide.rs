//! Keys that aws-lc does for us: ECDSA on P-384 and P-521, and RSA of 2048, 3072 and 4096 bits.
//!
//! Each kind has one way to sign, the one that Sigstore's algorithm registry and cosign give it: SHA-384,
//! SHA-512, and PKCS#1 v1.5 with SHA-256. Refused: RSA of other lengths (cosign takes no others either),
//! even exponents and exponents below 65537, and points that are not on their curve.

use crate::error::{Error, ErrorKind, Result};
use crate::key::Algorithm;
use crate::secret::Secret;
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1,
    ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, VerificationAlgorithm,
};
use p256::pkcs8::SubjectPublicKeyInfoRef;
use p256::pkcs8::der::asn1::UintRef;
use p256::pkcs8::der::{Decode as _, Reader as _, SliceReader};
use sha2::{Sha256, Sha384, Sha512};
use std::sync::Arc;

/// The hash below a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The name in a bundle's `messageDigest`.
    pub fn bundle_name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA2_256",
            Self::Sha384 => "SHA2_384",
            Self::Sha512 => "SHA2_512",
        }
    }

    /// The digest of `head` and `content`, one after the other.
    pub(crate) fn of(self, head: &str, content: &[u8]) -> Vec<u8> {
        fn run<D: sha2::Digest>(head: &str, content: &[u8]) -> Vec<u8> {
            D::new().chain_update(head).chain_update(content).finalize().to_vec()
        }
        match self {
            Self::Sha256 => run::<Sha256>(head, content),
            Self::Sha384 => run::<Sha384>(head, content),
            Self::Sha512 => run::<Sha512>(head, content),
        }
    }

    fn import(self, digest: &[u8]) -> Option<Digest> {
        let algorithm = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        Digest::import_less_safe(digest, algorithm).ok()
    }
}

fn broken(what: &str, why: impl Into<String>) -> Error {
    Error::new("read", what, ErrorKind::BrokenKey(why.into()))
}

fn curve(algorithm: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match algorithm {
        Algorithm::EcdsaP384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
        Algorithm::EcdsaP521 => Some(&ECDSA_P521_SHA512_ASN1_SIGNING),
        _ => None,
    }
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// A private key in aws-lc's memory, which wipes it.
pub(crate) struct Private {
    pair: Pair,
    hash: Hash,
}

impl Private {
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self> {
        let failed = |_| Error::new("make", "key", ErrorKind::Local("the key could not be generated".into()));
        let size = match algorithm {
            Algorithm::Rsa2048 => KeySize::Rsa2048,
            Algorithm::Rsa4096 => KeySize::Rsa4096,
            _ => KeySize::Rsa3072,
        };
        let pair = match curve(algorithm) {
            Some(curve) => Pair::Ecdsa(EcdsaKeyPair::generate(curve).map_err(failed)?),
            None => Pair::Rsa(RsaKeyPair::generate(size).map_err(failed)?),
        };
        Ok(Self { pair, hash: algorithm.hash() })
    }

    /// An elliptic curve key in PKCS#8 or SEC1.
    pub(crate) fn ecdsa(algorithm: Algorithm, der: &[u8]) -> Result<Self> {
        let Some(curve) = curve(algorithm) else {
            return Err(broken("private key", "not a key of this curve"));
        };
        let pair = EcdsaKeyPair::from_private_key_der(curve, der)
            .map_err(|e| broken("private key", format!("no {algorithm} key: {e}")))?;
        Ok(Self { pair: Pair::Ecdsa(pair), hash: algorithm.hash() })
    }

    /// An RSA key in PKCS#8.
    pub(crate) fn rsa_pkcs8(der: &[u8]) -> Result<Self> {
        Self::rsa(RsaKeyPair::from_pkcs8(der), der.len())
    }

    /// An RSA key in PKCS#1.
    pub(crate) fn rsa_pkcs1(der: &[u8]) -> Result<Self> {
        Self::rsa(RsaKeyPair::from_der(der), der.len())
    }

    fn rsa<E: std::fmt::Display>(read: Result<RsaKeyPair, E>, bytes: usize) -> Result<Self> {
        let pair = read.map_err(|e| {
            // aws-lc says the same of a short key as of a broken one; 1024 bits make about 640 bytes.
            let short = if bytes < 1_000 { " (is it shorter than 2048 bits?)" } else { "" };
            broken("private key", format!("no usable RSA key of 2048 to 4096 bits: {e}{short}"))
        })?;
        Ok(Self { pair: Pair::Rsa(pair), hash: Hash::Sha256 })
    }

    /// The SPKI DER of the public half.
    pub(crate) fn spki(&self) -> Result<Vec<u8>> {
        let failed = |_| broken("private key", "its public half cannot be written");
        let der: PublicKeyX509Der<'_> = match &self.pair {
            Pair::Ecdsa(pair) => pair.public_key().as_der().map_err(failed)?,
            Pair::Rsa(pair) => pair.public_key().as_der().map_err(failed)?,
        };
        Ok(der.as_ref().to_vec())
    }

    pub(crate) fn pkcs8(&self) -> Result<Secret> {
        let failed = |_| Error::new("write", "private key", ErrorKind::Local("it cannot be encoded".into()));
        Ok(match &self.pair {
            Pair::Ecdsa(pair) => Secret::new(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                Secret::new(der.as_ref().to_vec())
            }
        })
    }

    /// Signs a digest of this key's hash.
    pub(crate) fn sign_digest(&self, digest: &[u8]) -> Result<Vec<u8>> {
        let failed =
            || Error::new("sign with", "key", ErrorKind::Signer("the signature could not be made".into()));
        let digest = self.hash.import(digest).ok_or_else(failed)?;
        match &self.pair {
            Pair::Ecdsa(pair) => Ok(pair.sign_digest(&digest).map_err(|_| failed())?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0u8; pair.public_modulus_len()];
                pair.sign_digest(&RSA_PKCS1_SHA256, &digest, &mut signature).map_err(|_| failed())?;
                Ok(signature)
            }
        }
    }
}

/// A public key that was checked when it was read.
#[derive(Clone)]
pub(crate) struct Public {
    key: Arc<ParsedPublicKey>,
    pub(crate) algorithm: Algorithm,
}

impl Public {
    /// Reads the key out of `info`; `algorithm` says which curve, or `None` for RSA of any length.
    pub(crate) fn read(info: &SubjectPublicKeyInfoRef<'_>, algorithm: Option<Algorithm>) -> Result<Self> {
        let bad = |why: &str| broken("public key", why);
        let raw = info.subject_public_key.as_bytes().ok_or_else(|| bad("its bits are no bytes"))?;
        let (algorithm, how): (Algorithm, &'static dyn VerificationAlgorithm) = match algorithm {
            Some(Algorithm::EcdsaP384) => (Algorithm::EcdsaP384, &ECDSA_P384_SHA384_ASN1),
            Some(Algorithm::EcdsaP521) => (Algorithm::EcdsaP521, &ECDSA_P521_SHA512_ASN1),
            _ => (rsa_algorithm(raw)?, &RSA_PKCS1_2048_8192_SHA256),
        };
        // One key has one encoding: a compressed point would be a second name for it.
        if curve(algorithm).is_some() && raw.first() != Some(&4) {
            return Err(bad("its point is compressed; write the key uncompressed"));
        }
        let key = ParsedPublicKey::new(how, raw).map_err(|e| bad(&format!("no {algorithm} key: {e}")))?;
        Ok(Self { key: Arc::new(key), algorithm })
    }

    /// Whether `signature` is good for a digest of this key's hash.
    pub(crate) fn verify_digest(&self, digest: &[u8], signature: &[u8]) -> bool {
        self.algorithm
            .hash()
            .import(digest)
            .is_some_and(|digest| self.key.verify_digest_sig(&digest, signature).is_ok())
    }
}

/// Which RSA this is, by the length of the modulus (RFC 8017, appendix A.1.1).
fn rsa_algorithm(key: &[u8]) -> Result<Algorithm> {
    let bad = |_| broken("public key", "no RSA key");
    let read = |r: &mut SliceReader<'_>| {
        let bits = UintRef::decode(r).map(|n| bits(n.as_bytes()))?;
        let exponent = UintRef::decode(r)?.as_bytes().to_vec();
        Ok::<_, p256::pkcs8::der::Error>((bits, exponent))
    };
    let (bits, exponent) = SliceReader::new(key).and_then(|mut reader| reader.sequence(read)).map_err(bad)?;
    let small = self::bits(&exponent) <= 16;
    if small || exponent.last().is_none_or(|e| e % 2 == 0) {
        return Err(Error::new(
            "use",
            "key",
            ErrorKind::UnsupportedKey("an RSA key with a weak exponent".into()),
        )
        .hint("65537 is the usual exponent"));
    }
    match bits {
        2048 => Ok(Algorithm::Rsa2048),
        3072 => Ok(Algorithm::Rsa3072),
        4096 => Ok(Algorithm::Rsa4096),
        other => {
            Err(Error::new("use", "key", ErrorKind::UnsupportedKey(format!("an RSA key of {other} bits")))
                .hint("2048, 3072 and 4096 bits are supported, as in cosign"))
        }
    }
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}
