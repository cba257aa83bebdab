//! Files: signed by themselves (a message signature) or spoken about in a statement.
//!
//! A file is read once, in pieces, and only its digests are kept; Ed25519 alone signs the bytes themselves,
//! so for it a file is held in memory, and one larger than [`HELD_BYTES`] is refused by name. What is
//! written is a Sigstore bundle whose `messageDigest` names the hash that was signed.

use crate::bundle;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{Algorithm, Hash};
use crate::signer::{Payload, Signed, Signer};
use crate::statement::{self, Predicate, PredicateType};
use seaworthy_oci::Digest;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use std::io::Read;

/// A file that is held whole because its key signs no digests.
pub const HELD_BYTES: u64 = 64 << 20;

/// A file, as far as a signature needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    sha256: [u8; 32],
    hash: Hash,
    digest: Vec<u8>,
    content: Option<Vec<u8>>,
}

impl Blob {
    /// Reads `file` to its end, for signing with `algorithm`.
    ///
    /// # Errors
    /// [`ErrorKind::Local`] where it cannot be read, [`ErrorKind::LimitExceeded`] ([`HELD_BYTES`]) for
    /// Ed25519.
    pub fn read(mut file: impl Read, algorithm: Algorithm) -> Result<Self> {
        let hash = algorithm.hash();
        let (mut sha256, mut sha384, mut sha512) = (Sha256::new(), Sha384::new(), Sha512::new());
        let mut content = (!algorithm.signs_digests()).then(Vec::new);
        let mut piece = vec![0u8; 128 << 10];
        loop {
            let read = match file.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => piece.get(..read).unwrap_or_default(),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::new("read", "file", ErrorKind::Local(e.to_string()))),
            };
            sha256.update(read);
            match hash {
                Hash::Sha256 => {}
                Hash::Sha384 => sha384.update(read),
                Hash::Sha512 => sha512.update(read),
            }
            if let Some(held) = &mut content {
                held.extend_from_slice(read);
                if held.len() as u64 > HELD_BYTES {
                    let kind = ErrorKind::LimitExceeded { limit: "HELD_BYTES", value: HELD_BYTES };
                    return Err(Error::new("hold", "file for Ed25519", kind)
                        .hint("an ECDSA or RSA key signs files of any size"));
                }
            }
        }
        let sha256: [u8; 32] = sha256.finalize().into();
        let digest = match hash {
            Hash::Sha256 => sha256.to_vec(),
            Hash::Sha384 => sha384.finalize().to_vec(),
            Hash::Sha512 => sha512.finalize().to_vec(),
        };
        Ok(Self { sha256, hash, digest, content })
    }

    /// A file of which the SHA-256 alone is known: enough for statements about it.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] for another digest.
    pub fn named(digest: &Digest) -> Result<Self> {
        let sha256: Option<[u8; 32]> = hex::decode(digest.hex()).ok().and_then(|bytes| bytes.try_into().ok());
        let sha256 = sha256
            .ok_or_else(|| Error::new("name", digest, ErrorKind::BadInput("it is no SHA-256".into())))?;
        Ok(Self { sha256, hash: Hash::Sha256, digest: sha256.to_vec(), content: None })
    }

    /// The SHA-256 of the file, whatever the key hashes with.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// The hash that the key signs.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The digest under [`Blob::hash`].
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }

    /// The bytes, where they had to be held.
    pub fn content(&self) -> Option<&[u8]> {
        self.content.as_deref()
    }

    fn check(&self, signer: &dyn Signer, signature: &[u8]) -> Result<()> {
        match &self.content {
            Some(bytes) => signer.public_key().verify(&Payload::Blob(bytes), signature),
            None => signer.public_key().verify_digest(&self.digest, signature),
        }
    }
}

/// A file's signature as a bundle.
///
/// # Errors
/// [`ErrorKind::Signer`] or [`ErrorKind::SelfCheck`].
pub async fn sign(signer: &dyn Signer, blob: &Blob) -> Result<(Signed, Vec<u8>)> {
    let signed = signer.sign_blob(blob).await?;
    blob.check(signer, &signed.signature)?;
    let json = bundle::message_json(blob.hash, &blob.digest, &signed)?;
    Ok((signed, json))
}

/// A statement about a file.
///
/// # Errors
/// As [`statement::attestation`].
pub fn statement(
    blob: &Blob,
    name: Option<&str>,
    predicate_type: &PredicateType,
    predicate: &Predicate,
) -> Result<Vec<u8>> {
    let digest: Digest = format!("sha256:{}", hex::encode(blob.sha256))
        .parse()
        .map_err(|e: seaworthy_oci::Error| Error::new("name", "file", ErrorKind::Local(e.to_string())))?;
    statement::attestation(&digest, name, predicate_type, predicate)
}

/// A statement, signed, as a bundle: one of [`statement()`], or one that somebody else wrote.
///
/// # Errors
/// Those of [`bundle::seal`].
pub async fn attest(signer: &dyn Signer, payload: &[u8]) -> Result<Vec<u8>> {
    let sealed = Payload::Dsse { payload_type: statement::PAYLOAD_TYPE, payload };
    let signed = bundle::seal(signer, &sealed).await?;
    bundle::bundle_json(statement::PAYLOAD_TYPE, payload, &signed)
}
