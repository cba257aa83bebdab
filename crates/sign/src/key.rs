//! Private and public keys: what we sign with, and what others verify with.
//!
//! Made and read: ECDSA on P-256, P-384 and P-521 with SHA-256, SHA-384 and SHA-512; RSA of 2048, 3072 and
//! 4096 bits (PKCS#1 v1.5 with SHA-256); Ed25519 (pure, RFC 8032). Private keys come as PKCS#8 (`PRIVATE
//! KEY`), SEC1 (`EC PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or encrypted by cosign; public keys as SPKI
//! (`PUBLIC KEY`).
//!
//! Refused by name: every other algorithm, among them P-224, secp256k1 and shorter RSA; keys encrypted in
//! other ways than cosign's; files with more than one private key, because nobody could say which of them
//! signed.

use crate::cosign_key;
use crate::error::{Error, ErrorKind, Result};
use crate::pem::{self, Block, shown};
use crate::secret::Secret;
use crate::signer::Payload;
use crate::wide;
pub use crate::wide::Hash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek as ed25519;
use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::pkcs8::der::asn1::OctetStringRef;
use p256::pkcs8::der::{self, Decode as _, Reader as _, SliceReader, TagMode, TagNumber};
use p256::pkcs8::{
    DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, ObjectIdentifier, PrivateKeyInfoRef,
    SubjectPublicKeyInfoRef,
};
use sha2::digest::{FixedOutput, HashMarker, Output, OutputSizeUser, Update};
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use std::str::FromStr;
use zeroize::{Zeroize as _, Zeroizing};

/// The size of a key file; real ones have a few hundred bytes, RSA keys a few thousand.
pub const KEY_FILE_BYTES: usize = 64 << 10;

/// How signatures are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 over SHA-256, signatures in DER.
    EcdsaP256,
    /// ECDSA on P-384 over SHA-384, signatures in DER.
    EcdsaP384,
    /// ECDSA on P-521 over SHA-512, signatures in DER.
    EcdsaP521,
    /// RSA of 2048 bits, PKCS#1 v1.5 over SHA-256.
    Rsa2048,
    /// RSA of 3072 bits, PKCS#1 v1.5 over SHA-256.
    Rsa3072,
    /// RSA of 4096 bits, PKCS#1 v1.5 over SHA-256.
    Rsa4096,
    /// Ed25519 over the message itself.
    Ed25519,
    /// Ed25519ph (RFC 8032) over SHA-512: how a key of Ed25519 signs what a log is told of.
    Ed25519ph,
}

impl Algorithm {
    /// The name on the command line and in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::EcdsaP521 => "ecdsa-p521",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::Ed25519 => "ed25519",
            Self::Ed25519ph => "ed25519ph",
        }
    }

    /// The hash below its signatures, and the one that a bundle names for a file. Ed25519 signs the bytes
    /// themselves; there it is SHA-256, which only describes the file.
    pub fn hash(self) -> Hash {
        match self {
            Self::EcdsaP384 => Hash::Sha384,
            Self::EcdsaP521 | Self::Ed25519ph => Hash::Sha512,
            Self::EcdsaP256 | Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 | Self::Ed25519 => Hash::Sha256,
        }
    }

    /// Whether a digest is enough to sign.
    pub fn signs_digests(self) -> bool {
        self != Self::Ed25519
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_lowercase().as_str() {
            "ecdsa-p256" | "p256" | "p-256" | "ecdsa" => Ok(Self::EcdsaP256),
            "ecdsa-p384" | "p384" | "p-384" => Ok(Self::EcdsaP384),
            "ecdsa-p521" | "p521" | "p-521" => Ok(Self::EcdsaP521),
            "rsa-2048" | "rsa2048" => Ok(Self::Rsa2048),
            "rsa-3072" | "rsa3072" => Ok(Self::Rsa3072),
            "rsa-4096" | "rsa4096" => Ok(Self::Rsa4096),
            "ed25519" => Ok(Self::Ed25519),
            _ => Err(Error::new(
                "read algorithm",
                format!("'{}'", shown(text)),
                ErrorKind::UnsupportedKey("this algorithm".into()),
            )
            .hint("ecdsa-p256, ecdsa-p384, ecdsa-p521, rsa-2048, rsa-3072, rsa-4096 or ed25519")),
        }
    }
}

/// Whether a key file needs a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFile {
    /// It can be read as it is.
    Plain,
    /// It needs a password, which may be empty.
    Encrypted,
}

impl KeyFile {
    /// Looks at the label of `pem` alone, so that a password is asked for only where it is needed.
    ///
    /// # Errors
    /// [`ErrorKind::BrokenKey`] where there is no private key in it.
    pub fn of(pem: &[u8]) -> Result<Self> {
        Ok(match private_block(pem)?.label.as_str() {
            cosign_key::LABEL | cosign_key::OLD_LABEL => Self::Encrypted,
            _ => Self::Plain,
        })
    }
}

enum Inner {
    P256(Box<p256::ecdsa::SigningKey>),
    Wide(Box<wide::Private>),
    Ed25519(Box<ed25519::SigningKey>),
}

/// A private key. It cannot be printed, and is wiped when it goes.
pub struct PrivateKey {
    inner: Inner,
    public: PublicKey,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, public {})", self.algorithm(), self.public.fingerprint())
    }
}

fn broken(why: impl Into<String>) -> Error {
    Error::new("read", "private key", ErrorKind::BrokenKey(why.into()))
}

fn unsupported(name: impl Into<String>) -> Error {
    Error::new("use", "key", ErrorKind::UnsupportedKey(name.into()))
        .hint("make a key with `seaworthy keygen` (P-256, P-384, P-521, RSA of 2048, 3072 or 4096 bits, or Ed25519)")
}

/// The one block of `pem` that is or could be a private key.
fn private_block(pem: &[u8]) -> Result<Block> {
    if pem.len() > KEY_FILE_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "KEY_FILE_BYTES", value: KEY_FILE_BYTES as u64 };
        return Err(Error::new("read", "private key", kind));
    }
    let blocks = pem::blocks(pem).map_err(broken)?;
    let has_public = blocks.iter().any(|b| b.label == "PUBLIC KEY");
    let mut private = blocks.into_iter().filter(|b| b.label.ends_with("PRIVATE KEY"));
    match (private.next(), private.next()) {
        (Some(block), None) => Ok(block),
        (Some(_), Some(_)) => Err(broken("there is more than one private key in it")),
        (None, _) if has_public => Err(broken("this is a public key").hint("give the private key")),
        (None, _) => Err(broken("there is no PEM block of a private key in it")
            .hint("a key file begins with -----BEGIN …PRIVATE KEY-----; `seaworthy keygen` makes one")),
    }
}

impl PrivateKey {
    /// A new key, from the operating system's randomness.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where there is no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Self> {
        if !matches!(algorithm, Algorithm::EcdsaP256 | Algorithm::Ed25519 | Algorithm::Ed25519ph) {
            return Self::wide(wide::Private::generate(algorithm)?);
        }
        let mut seed = Zeroizing::new([0u8; 32]);
        // A P-256 scalar must be below the group order; one in 2^32 seeds is not. A source of randomness
        // that fails this eight times is broken.
        for _ in 0..8 {
            getrandom::fill(seed.as_mut_slice())
                .map_err(|e| Error::new("make", "key", ErrorKind::Local(format!("no randomness: {e}"))))?;
            match algorithm {
                Algorithm::Ed25519 | Algorithm::Ed25519ph => {
                    return Self::ed25519(ed25519::SigningKey::from_bytes(&seed));
                }
                _ => {
                    if let Ok(key) = p256::ecdsa::SigningKey::from_slice(seed.as_slice()) {
                        return Self::p256(key);
                    }
                }
            }
        }
        Err(Error::new("make", "key", ErrorKind::Local("the randomness is broken".into())))
    }

    fn p256(key: p256::ecdsa::SigningKey) -> Result<Self> {
        let public = PublicKey::p256(*key.verifying_key())?;
        Ok(Self { inner: Inner::P256(Box::new(key)), public })
    }

    fn wide(key: wide::Private) -> Result<Self> {
        let public = PublicKey::from_spki_der(&key.spki()?)?;
        Ok(Self { inner: Inner::Wide(Box::new(key)), public })
    }

    fn ed25519(key: ed25519::SigningKey) -> Result<Self> {
        let public = PublicKey::ed25519(key.verifying_key())?;
        Ok(Self { inner: Inner::Ed25519(Box::new(key)), public })
    }

    /// Reads a key file: PKCS#8, SEC1, PKCS#1, or encrypted by cosign, for which `password` is needed.
    ///
    /// # Errors
    /// [`ErrorKind::PasswordNeeded`], [`ErrorKind::WrongPassword`], [`ErrorKind::BrokenKey`],
    /// [`ErrorKind::UnsupportedKey`] with the name, [`ErrorKind::KdfRefused`], or
    /// [`ErrorKind::LimitExceeded`] ([`KEY_FILE_BYTES`]).
    pub fn from_pem(pem: &[u8], password: Option<&Secret>) -> Result<Self> {
        let block = private_block(pem)?;
        if block.old_encryption {
            return Err(unsupported("a PEM file encrypted by OpenSSL's old headers")
                .hint("decrypt it with `openssl pkcs8 -topk8 -nocrypt -in KEY` and import the result"));
        }
        match block.label.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8_der(&block.der),
            "EC PRIVATE KEY" => Self::from_sec1_der(&block.der),
            cosign_key::LABEL | cosign_key::OLD_LABEL => {
                let password = password.ok_or_else(|| {
                    Error::new("read", "private key", ErrorKind::PasswordNeeded)
                        .hint("set SEAWORTHY_PASSWORD or COSIGN_PASSWORD; an empty password is legal")
                })?;
                let der = cosign_key::open(&block.der, password)?;
                Self::from_pkcs8_der(der.expose())
            }
            "ENCRYPTED PRIVATE KEY" => Err(unsupported("an encrypted PKCS#8 key")
                .hint("decrypt it with `openssl pkcs8 -in KEY` and import the result")),
            "RSA PRIVATE KEY" => Self::wide(wide::Private::rsa_pkcs1(&block.der)?),
            "DSA PRIVATE KEY" => Err(unsupported("a DSA key")),
            "OPENSSH PRIVATE KEY" => Err(unsupported("an OpenSSH key")
                .hint("convert a copy with `ssh-keygen -p -m PKCS8 -f KEY` and import it")),
            other => Err(unsupported(format!("the key format '{}'", shown(other)))),
        }
    }

    /// Reads PKCS#8 DER (RFC 5958).
    ///
    /// # Errors
    /// [`ErrorKind::BrokenKey`] or [`ErrorKind::UnsupportedKey`] with the name.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self> {
        let info = PrivateKeyInfoRef::from_der(der).map_err(|e| broken(format!("no PKCS#8 key: {e}")))?;
        let curve = info.algorithm.parameters_oid().ok();
        match algorithm_of(info.algorithm.oid, curve)? {
            Kind::Rsa => Self::wide(wide::Private::rsa_pkcs8(der)?),
            Kind::P384 => Self::wide(wide::Private::ecdsa(Algorithm::EcdsaP384, der)?),
            Kind::P521 => Self::wide(wide::Private::ecdsa(Algorithm::EcdsaP521, der)?),
            Kind::P256 => {
                let key = p256::SecretKey::try_from(info).map_err(|e| broken(e.to_string()))?;
                Self::p256(key.into())
            }
            Kind::Ed25519 => {
                let key = ed25519::SigningKey::try_from(info).map_err(|e| broken(e.to_string()))?;
                Self::ed25519(key)
            }
        }
    }

    /// Reads SEC1 DER (RFC 5915). The curve must be named in it.
    fn from_sec1_der(der: &[u8]) -> Result<Self> {
        let curve = sec1_curve(der).map_err(|e| broken(format!("no SEC1 key: {e}")))?;
        let Some(curve) = curve else {
            return Err(broken("the SEC1 key does not name its curve"));
        };
        match algorithm_of(EC_PUBLIC_KEY, Some(curve))? {
            Kind::P384 => Self::wide(wide::Private::ecdsa(Algorithm::EcdsaP384, der)?),
            Kind::P521 => Self::wide(wide::Private::ecdsa(Algorithm::EcdsaP521, der)?),
            _ => {
                let key = p256::SecretKey::from_sec1_der(der).map_err(|e| broken(e.to_string()))?;
                Self::p256(key.into())
            }
        }
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The other half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `payload`. P-256 is deterministic (RFC 6979), as Ed25519 and RSA always are; P-384 and P-521
    /// are not.
    ///
    /// # Errors
    /// [`ErrorKind::Signer`].
    pub fn sign(&self, payload: &Payload<'_>) -> Result<Vec<u8>> {
        let failed = |e: p256::ecdsa::signature::Error| {
            Error::new("sign with", "key", ErrorKind::Signer(e.to_string()))
        };
        match &self.inner {
            Inner::P256(_) | Inner::Wide(_) => self.sign_digest(&payload.digest(self.algorithm().hash())),
            Inner::Ed25519(key) => {
                use ed25519::Signer as _;
                let signature = key.try_sign(&payload.message()).map_err(failed)?;
                Ok(signature.to_bytes().to_vec())
            }
        }
    }

    /// Signs something by its digest under [`Algorithm::hash`]: files too large to be held.
    ///
    /// # Errors
    /// [`ErrorKind::Signer`], where the digest has another length. Of Ed25519 it is Ed25519ph, over SHA-512.
    pub fn sign_digest(&self, digest: &[u8]) -> Result<Vec<u8>> {
        let failed = |why: String| Error::new("sign with", "key", ErrorKind::Signer(why));
        match &self.inner {
            Inner::P256(key) => {
                if digest.len() != 32 {
                    return Err(failed(format!("a digest of {} bytes, not 32", digest.len())));
                }
                let signature: p256::ecdsa::DerSignature =
                    key.sign_prehash(digest).map_err(|e| failed(e.to_string()))?;
                Ok(signature.as_bytes().to_vec())
            }
            Inner::Wide(key) => key.sign_digest(digest),
            Inner::Ed25519(key) => {
                let hashed = Prehashed::new(digest)
                    .ok_or_else(|| failed(format!("a digest of {} bytes, not 64", digest.len())))?;
                let signature = key.sign_prehashed(hashed, None).map_err(|e| failed(e.to_string()))?;
                Ok(signature.to_bytes().to_vec())
            }
        }
    }

    /// The key as PKCS#8 DER (RFC 5958), not encrypted.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where encoding fails.
    pub fn to_pkcs8_der(&self) -> Result<Secret> {
        let failed = |e| Error::new("write", "private key", ErrorKind::Local(format!("{e}")));
        match &self.inner {
            Inner::P256(key) => {
                let document = p256::SecretKey::from(key.as_ref()).to_pkcs8_der().map_err(failed)?;
                Ok(Secret::new(document.as_bytes().to_vec()))
            }
            Inner::Wide(key) => key.pkcs8(),
            Inner::Ed25519(key) => {
                // Version 1, without the public key: what Go and OpenSSL write, and what every reader takes.
                let mut pair = ed25519::pkcs8::KeypairBytes::from(key.as_ref());
                pair.public_key = None;
                let document = pair.to_pkcs8_der().map_err(failed);
                pair.secret_key.zeroize();
                Ok(Secret::new(document?.as_bytes().to_vec()))
            }
        }
    }

    /// The key as PEM of PKCS#8, not encrypted.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where encoding fails.
    pub fn to_pkcs8_pem(&self) -> Result<Secret> {
        let text = pem::encode("PRIVATE KEY", self.to_pkcs8_der()?.expose());
        Ok(Secret::new(text.as_bytes().to_vec()))
    }

    /// The key encrypted in cosign's format, which cosign reads too.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where there is no randomness.
    pub fn to_encrypted_pem(&self, password: &Secret) -> Result<String> {
        cosign_key::seal(&self.to_pkcs8_der()?, password)
    }
}

enum PublicInner {
    P256(p256::ecdsa::VerifyingKey),
    Wide(wide::Public),
    Ed25519(ed25519::VerifyingKey),
}

/// A public key under the bytes of its SPKI form.
pub struct PublicKey {
    inner: PublicInner,
    der: Vec<u8>,
}

impl Clone for PublicKey {
    fn clone(&self) -> Self {
        let inner = match &self.inner {
            PublicInner::P256(key) => PublicInner::P256(*key),
            PublicInner::Wide(key) => PublicInner::Wide(key.clone()),
            PublicInner::Ed25519(key) => PublicInner::Ed25519(*key),
        };
        Self { inner, der: self.der.clone() }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm(), self.fingerprint())
    }
}

impl PublicKey {
    fn p256(key: p256::ecdsa::VerifyingKey) -> Result<Self> {
        let document = key.to_public_key_der().map_err(|e| broken(e.to_string()))?;
        Ok(Self { inner: PublicInner::P256(key), der: document.as_bytes().to_vec() })
    }

    fn ed25519(key: ed25519::VerifyingKey) -> Result<Self> {
        let document = key.to_public_key_der().map_err(|e| broken(e.to_string()))?;
        Ok(Self { inner: PublicInner::Ed25519(key), der: document.as_bytes().to_vec() })
    }

    /// Reads SPKI DER (RFC 5280, section 4.1.2.7).
    ///
    /// # Errors
    /// [`ErrorKind::BrokenKey`] or [`ErrorKind::UnsupportedKey`] with the name.
    pub fn from_spki_der(der: &[u8]) -> Result<Self> {
        let bad = |why: String| Error::new("read", "public key", ErrorKind::BrokenKey(why));
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|e| bad(e.to_string()))?;
        let wide = |algorithm| {
            let key = wide::Public::read(&info, algorithm)?;
            Ok(Self { inner: PublicInner::Wide(key), der: der.to_vec() })
        };
        match algorithm_of(info.algorithm.oid, info.algorithm.parameters_oid().ok())? {
            Kind::P384 => wide(Some(Algorithm::EcdsaP384)),
            Kind::P521 => wide(Some(Algorithm::EcdsaP521)),
            Kind::Rsa => wide(None),
            Kind::P256 => Self::p256(
                p256::ecdsa::VerifyingKey::from_public_key_der(der).map_err(|e| bad(e.to_string()))?,
            ),
            Kind::Ed25519 => Self::ed25519(
                ed25519::VerifyingKey::from_public_key_der(der).map_err(|e| bad(e.to_string()))?,
            ),
        }
    }

    /// Reads a `PUBLIC KEY` file; exactly one key may be in it.
    ///
    /// # Errors
    /// As [`PublicKey::from_spki_der`], and [`ErrorKind::LimitExceeded`] ([`KEY_FILE_BYTES`]).
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        let bad = |why: &str| Error::new("read", "public key", ErrorKind::BrokenKey(why.into()));
        if pem.len() > KEY_FILE_BYTES {
            let kind = ErrorKind::LimitExceeded { limit: "KEY_FILE_BYTES", value: KEY_FILE_BYTES as u64 };
            return Err(Error::new("read", "public key", kind));
        }
        let blocks = pem::blocks(pem).map_err(|e| bad(&e))?;
        match blocks.as_slice() {
            [block] if block.label == "PUBLIC KEY" => Self::from_spki_der(&block.der),
            [block] if block.label == "RSA PUBLIC KEY" => Err(unsupported("a bare RSA PUBLIC KEY")
                .hint("write it as PUBLIC KEY: `openssl rsa -RSAPublicKey_in -in KEY -pubout`")),
            [block] if block.label == "CERTIFICATE" => Err(bad("this is a certificate")),
            [block] if block.label.ends_with("PRIVATE KEY") => {
                Err(bad("this is a private key").hint("give the public key"))
            }
            [] => Err(bad("there is no PEM block in it")),
            [_] => Err(bad("its PEM block is no PUBLIC KEY")),
            _ => Err(bad("there is more than one PEM block in it")),
        }
    }

    /// How its signatures are made.
    pub fn algorithm(&self) -> Algorithm {
        match &self.inner {
            PublicInner::P256(_) => Algorithm::EcdsaP256,
            PublicInner::Wide(key) => key.algorithm,
            PublicInner::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The SPKI DER.
    pub fn as_spki_der(&self) -> &[u8] {
        &self.der
    }

    /// The `PUBLIC KEY` file.
    pub fn to_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.der).to_string()
    }

    /// What a bundle calls this key: base64 of the SHA-256 of the SPKI DER, as cosign writes it.
    pub fn hint(&self) -> String {
        STANDARD.encode(Sha256::digest(&self.der))
    }

    /// The same hash for people, as `sha256:<hex>`.
    pub fn fingerprint(&self) -> String {
        format!("sha256:{}", hex::encode(Sha256::digest(&self.der)))
    }

    /// Whether `signature` over `payload` is by this key.
    ///
    /// # Errors
    /// [`ErrorKind::SelfCheck`] where it is not.
    pub fn verify(&self, payload: &Payload<'_>, signature: &[u8]) -> Result<()> {
        match &self.inner {
            PublicInner::P256(_) | PublicInner::Wide(_) => {
                self.verify_digest(&payload.digest(self.algorithm().hash()), signature)
            }
            PublicInner::Ed25519(key) => {
                let signature = ed25519::Signature::from_slice(signature).map_err(|_| unfit())?;
                let pure = key.verify_strict(&payload.message(), &signature).is_ok();
                if pure {
                    Ok(())
                } else {
                    self.verify_digest(&payload.digest(Hash::Sha512), &signature.to_bytes())
                }
            }
        }
    }

    /// Whether `signature` over something with this digest under [`Algorithm::hash`] is by this key.
    ///
    /// # Errors
    /// [`ErrorKind::SelfCheck`] where it is not. Of Ed25519 the digest is SHA-512 (Ed25519ph).
    pub fn verify_digest(&self, digest: &[u8], signature: &[u8]) -> Result<()> {
        let good = match &self.inner {
            PublicInner::P256(key) => p256::ecdsa::DerSignature::from_bytes(signature)
                .is_ok_and(|s| digest.len() == 32 && key.verify_prehash(digest, &s).is_ok()),
            PublicInner::Wide(key) => key.verify_digest(digest, signature),
            PublicInner::Ed25519(key) => Prehashed::new(digest).is_some_and(|hashed| {
                ed25519::Signature::from_slice(signature)
                    .is_ok_and(|signature| key.verify_prehashed_strict(hashed, None, &signature).is_ok())
            }),
        };
        if good { Ok(()) } else { Err(unfit()) }
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

fn unfit() -> Error {
    let why = "the signature does not verify with the public key";
    Error::new("check", "signature", ErrorKind::SelfCheck(why.into()))
}

/// What the identifiers of a key say; for RSA, its length is not among them.
enum Kind {
    P256,
    P384,
    P521,
    Rsa,
    Ed25519,
}

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// The curve that an `ECPrivateKey` names (RFC 5915, section 3).
fn sec1_curve(der: &[u8]) -> der::Result<Option<ObjectIdentifier>> {
    SliceReader::new(der)?.sequence(|fields| {
        u8::decode(fields)?;
        <&OctetStringRef>::decode(fields)?;
        let curve = fields.context_specific(TagNumber(0), TagMode::Explicit)?;
        fields.drain(fields.remaining_len())?;
        Ok(curve)
    })
}

/// The algorithm behind the identifiers of a key, or a refusal that names it.
fn algorithm_of(oid: ObjectIdentifier, curve: Option<ObjectIdentifier>) -> Result<Kind> {
    let name = match (oid.to_string().as_str(), curve.map(|c| c.to_string()).as_deref()) {
        ("1.2.840.10045.2.1", Some("1.2.840.10045.3.1.7")) => return Ok(Kind::P256),
        ("1.3.101.112", None) => return Ok(Kind::Ed25519),
        ("1.2.840.10045.2.1", Some("1.3.132.0.33")) => "a P-224 key",
        ("1.2.840.10045.2.1", Some("1.3.132.0.34")) => return Ok(Kind::P384),
        ("1.2.840.10045.2.1", Some("1.3.132.0.35")) => return Ok(Kind::P521),
        ("1.2.840.113549.1.1.1", _) => return Ok(Kind::Rsa),
        ("1.2.840.10045.2.1", Some("1.3.132.0.10")) => "a secp256k1 key",
        ("1.2.840.10045.2.1", Some(other)) => return Err(unsupported(format!("the curve {other}"))),
        ("1.2.840.10045.2.1", None) => "an elliptic curve key without a named curve",
        ("1.2.840.113549.1.1.10", _) => "an RSA key for PSS alone",
        ("1.2.840.10040.4.1", _) => "a DSA key",
        ("1.3.101.110", _) => "an X25519 key",
        ("1.3.101.113", _) => "an Ed448 key",
        (other, _) => return Err(unsupported(format!("the key algorithm {other}"))),
    };
    Err(unsupported(name))
}
