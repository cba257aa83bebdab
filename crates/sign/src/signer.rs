//! Who signs, and what a signature comes with.
//!
//! A [`Signer`] is a key in memory today; a KMS or an identity (certificate, log entries, timestamps) fits
//! behind the same trait: signing may wait for the network, and every signature brings its own
//! [`Material`]. A signer sees what kind of message it signs ([`Payload`]), because logs record envelopes
//! and blobs differently.

use crate::blob::Blob;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{Algorithm, Hash, PrivateKey, PublicKey};
use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A DSSE envelope's content; its pre-authentication encoding is signed (DSSE protocol, "PAE").
    Dsse {
        /// The media type of the content.
        payload_type: &'a str,
        /// The content.
        payload: &'a [u8],
    },
    /// Bytes as they are.
    Blob(&'a [u8]),
}

impl Payload<'_> {
    /// What comes before the content in the bytes that are signed.
    fn head(&self) -> (String, &[u8]) {
        match self {
            Self::Dsse { payload_type, payload } => {
                (format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()), payload)
            }
            Self::Blob(bytes) => (String::new(), bytes),
        }
    }

    /// The exact bytes that are signed.
    pub fn message(&self) -> Cow<'_, [u8]> {
        match self.head() {
            (head, content) if head.is_empty() => Cow::Borrowed(content),
            (head, content) => Cow::Owned([head.as_bytes(), content].concat()),
        }
    }

    /// The hash of [`Payload::message`], without a copy of it.
    pub fn digest(&self, hash: Hash) -> Vec<u8> {
        let (head, content) = self.head();
        hash.of(&head, content)
    }

    /// The SHA-256 of [`Payload::message`], without a copy of it.
    pub fn sha256(&self) -> [u8; 32] {
        let (head, content) = self.head();
        Sha256::new().chain_update(head).chain_update(content).finalize().into()
    }
}

/// A signature and what a verifier needs beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signature: DER for ECDSA, 64 bytes for Ed25519, as long as the key for RSA.
    pub signature: Vec<u8>,
    /// What it comes with.
    pub material: Material,
}

/// What a signature comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Material {
    /// A key that the verifier has already; the hint helps to pick it and proves nothing.
    PublicKey {
        /// [`PublicKey::hint`].
        hint: String,
    },
    /// Such a key, and who witnessed the signature.
    WitnessedKey {
        /// [`PublicKey::hint`].
        hint: String,
        /// The witnesses.
        witnesses: Witnesses,
    },
    /// A certificate for the key that signed, and who witnessed the signature.
    Certificate {
        /// The certificate, DER.
        certificate: Vec<u8>,
        /// Who issued it, and who issued that one, as far as the authority said; DER. Bundles leave it out,
        /// because a verifier has it; cosign's older form carries it.
        chain: Vec<Vec<u8>>,
        /// The witnesses.
        witnesses: Witnesses,
    },
}

/// Who saw a signature, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Witnesses {
    /// Entries of transparency logs, as a bundle has them: JSON objects.
    pub log_entries: Vec<String>,
    /// Timestamp responses over the signature (RFC 3161), DER.
    pub timestamps: Vec<Vec<u8>>,
}

/// What stands beside a signature that was found somewhere. Not verified.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The certificate, DER.
    pub certificate: Option<&'a [u8]>,
    /// How many log entries there are.
    pub log_entries: usize,
    /// How many timestamps there are.
    pub timestamps: usize,
}

/// Somebody who can sign.
#[async_trait]
pub trait Signer: Send + Sync {
    /// How signatures are made.
    fn algorithm(&self) -> Algorithm;

    /// The key that verifies the signatures.
    fn public_key(&self) -> &PublicKey;

    /// The same signer as logs know it, where that is another: a log takes digests, which Ed25519 signs in a
    /// form of its own (Ed25519ph).
    fn logged_form(&self) -> Option<std::sync::Arc<dyn Signer>> {
        None
    }

    /// Gets what is needed to tell one's own signatures, such as a certificate. It may ask the network, and
    /// is called before anything is looked for or signed.
    ///
    /// # Errors
    /// Those of asking.
    async fn ready(&self) -> Result<()> {
        Ok(())
    }

    /// Signs.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Signer`] where it did not.
    async fn sign_payload(&self, payload: &Payload<'_>) -> Result<Signed>;

    /// Signs a file, by its digest where the algorithm can.
    ///
    /// # Errors
    /// As [`Signer::sign_payload`], and where this signer needs the bytes and they are not held.
    async fn sign_blob(&self, blob: &Blob) -> Result<Signed> {
        match blob.content() {
            Some(bytes) => self.sign_payload(&Payload::Blob(bytes)).await,
            None => {
                let why = "this signer signs no digests, and the file is not held".into();
                Err(Error::new("sign", "file", ErrorKind::Signer(why)))
            }
        }
    }

    /// Whether `signature` over `payload` is this signer's own: what makes a second run add nothing.
    fn made(&self, payload: &Payload<'_>, signature: &[u8]) -> bool {
        self.public_key().verify(payload, signature).is_ok()
    }

    /// [`Signer::made`], where it also matters what stands beside the signature.
    fn made_with(&self, payload: &Payload<'_>, signature: &[u8], beside: &Beside<'_>) -> bool {
        // With a certificate it is another signer's, though the key be the same.
        beside.certificate.is_none() && self.made(payload, signature)
    }
}

#[async_trait]
impl<T: Signer + ?Sized> Signer for std::sync::Arc<T> {
    fn algorithm(&self) -> Algorithm {
        (**self).algorithm()
    }

    fn public_key(&self) -> &PublicKey {
        (**self).public_key()
    }

    fn logged_form(&self) -> Option<std::sync::Arc<dyn Signer>> {
        (**self).logged_form()
    }

    async fn ready(&self) -> Result<()> {
        (**self).ready().await
    }

    async fn sign_payload(&self, payload: &Payload<'_>) -> Result<Signed> {
        (**self).sign_payload(payload).await
    }

    async fn sign_blob(&self, blob: &Blob) -> Result<Signed> {
        (**self).sign_blob(blob).await
    }

    fn made(&self, payload: &Payload<'_>, signature: &[u8]) -> bool {
        (**self).made(payload, signature)
    }

    fn made_with(&self, payload: &Payload<'_>, signature: &[u8], beside: &Beside<'_>) -> bool {
        (**self).made_with(payload, signature, beside)
    }
}

/// A private key in memory.
pub struct KeySigner {
    key: std::sync::Arc<PrivateKey>,
    algorithm: Algorithm,
}

impl KeySigner {
    /// Signs with `key`.
    pub fn new(key: PrivateKey) -> Self {
        Self { algorithm: key.algorithm(), key: std::sync::Arc::new(key) }
    }
}

#[async_trait]
impl Signer for KeySigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    fn logged_form(&self) -> Option<std::sync::Arc<dyn Signer>> {
        let prehashed = || Self { key: self.key.clone(), algorithm: Algorithm::Ed25519ph };
        (self.algorithm == Algorithm::Ed25519).then(|| std::sync::Arc::new(prehashed()) as _)
    }

    async fn sign_payload(&self, payload: &Payload<'_>) -> Result<Signed> {
        let signature = match self.algorithm {
            Algorithm::Ed25519ph => self.key.sign_digest(&payload.digest(self.algorithm.hash()))?,
            _ => self.key.sign(payload)?,
        };
        Ok(Signed { signature, material: Material::PublicKey { hint: self.key.public_key().hint() } })
    }

    async fn sign_blob(&self, blob: &Blob) -> Result<Signed> {
        let signature = match blob.content() {
            Some(bytes) => self.key.sign(&Payload::Blob(bytes))?,
            None => self.key.sign_digest(blob.digest())?,
        };
        Ok(Signed { signature, material: Material::PublicKey { hint: self.key.public_key().hint() } })
    }
}
