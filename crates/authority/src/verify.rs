//! Signatures that outsiders send: over a challenge, a request, a token, an artifact.
//!
//! Taken: ECDSA on P-256 and P-384, RSA of 2048 to 8192 bits with PKCS #1 v1.5, Ed25519. Everything else is
//! refused by name, so that nothing enters a log that its verifiers could not check.

use crate::error::Refused;
use sigstore_crypto::{KeyAlgorithm, SigningScheme, verify_signature};
use sigstore_types::{DerPublicKey, SignatureBytes};

/// An outsider's public key.
#[derive(Debug)]
pub(crate) struct Key {
    spki: DerPublicKey,
    scheme: SigningScheme,
}

impl Key {
    /// Reads SPKI DER.
    pub(crate) fn read(spki: &[u8]) -> Result<Self, Refused> {
        let spki = DerPublicKey::new(spki.to_vec());
        let algorithm = KeyAlgorithm::from_spki(&spki)
            .map_err(|e| Refused::bad(format!("the key is not usable: {e}")))?;
        let scheme = match algorithm {
            KeyAlgorithm::EcdsaP256 => SigningScheme::EcdsaP256Sha256,
            KeyAlgorithm::EcdsaP384 => SigningScheme::EcdsaP384Sha384,
            KeyAlgorithm::Ed25519 => SigningScheme::Ed25519,
            KeyAlgorithm::Rsa => SigningScheme::RsaPkcs1Sha256,
            other => return Err(Refused::bad(format!("keys of the kind {other:?} are not taken"))),
        };
        Ok(Self { spki, scheme })
    }

    pub(crate) fn spki(&self) -> &[u8] {
        self.spki.as_bytes()
    }

    pub(crate) fn scheme(&self) -> SigningScheme {
        self.scheme
    }

    /// Whether `signature` over `message` is by this key.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        verify_signature(&self.spki, message, &SignatureBytes::from_bytes(signature), self.scheme).is_ok()
    }

    /// What protobuf-specs call this key with this way of signing, and what they call the hash.
    pub(crate) fn details(&self) -> Result<(&'static str, &'static str, usize), Refused> {
        Ok(match self.scheme {
            SigningScheme::EcdsaP256Sha256 => ("PKIX_ECDSA_P256_SHA_256", "SHA2_256", 32),
            SigningScheme::EcdsaP384Sha384 => ("PKIX_ECDSA_P384_SHA_384", "SHA2_384", 48),
            SigningScheme::Ed25519 => ("PKIX_ED25519", "SHA2_256", 32),
            _ => match self.spki.as_bytes().len() {
                0..=300 => ("PKIX_RSA_PKCS1V15_2048_SHA256", "SHA2_256", 32),
                301..=430 => ("PKIX_RSA_PKCS1V15_3072_SHA256", "SHA2_256", 32),
                431..=560 => ("PKIX_RSA_PKCS1V15_4096_SHA256", "SHA2_256", 32),
                _ => return Err(Refused::bad("RSA keys of this size have no name in a log")),
            },
        })
    }
}
