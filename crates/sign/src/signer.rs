//! Who signs, and what a signature comes with.
//!
//! A [`Signer`] is a key in memory today; a KMS or an identity (certificate, log entries, timestamps) fits
//! behind the same trait: signing may wait for the network, and every signature brings its own
//! [`Material`]. A signer sees what kind of message it signs ([`Payload`]), because logs record envelopes
//! and blobs differently.

use crate::error::Result;
use crate::key::{Algorithm, PrivateKey, PublicKey};
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

    /// The SHA-256 of [`Payload::message`], without a copy of it.
    pub fn sha256(&self) -> [u8; 32] {
        let (head, content) = self.head();
        Sha256::new().chain_update(head).chain_update(content).finalize().into()
    }
}

/// A signature and what a verifier needs beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The signature: DER for ECDSA, 64 bytes for Ed25519.
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
}

/// Somebody who can sign.
#[async_trait]
pub trait Signer: Send + Sync {
    /// How signatures are made.
    fn algorithm(&self) -> Algorithm;

    /// The key that verifies the signatures.
    fn public_key(&self) -> &PublicKey;

    /// Signs.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Signer`] where it did not.
    async fn sign_payload(&self, payload: &Payload<'_>) -> Result<Signed>;

    /// Whether `signature` over `payload` is this signer's own: what makes a second run add nothing.
    fn made(&self, payload: &Payload<'_>, signature: &[u8]) -> bool {
        self.public_key().verify(payload, signature).is_ok()
    }
}

/// A private key in memory.
pub struct KeySigner {
    key: PrivateKey,
}

impl KeySigner {
    /// Signs with `key`.
    pub fn new(key: PrivateKey) -> Self {
        Self { key }
    }
}

#[async_trait]
impl Signer for KeySigner {
    fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    async fn sign_payload(&self, payload: &Payload<'_>) -> Result<Signed> {
        let signature = self.key.sign(payload)?;
        Ok(Signed { signature, material: Material::PublicKey { hint: self.key.public_key().hint() } })
    }
}
