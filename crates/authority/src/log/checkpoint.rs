//! Checkpoints: what a log commits to, as a signed note (C2SP signed-note and tlog-checkpoint).
//!
//! Keys are ECDSA on P-256; the note's key id is the start of the SHA-256 of the key's SPKI, as Rekor does
//! for such keys, and as every Sigstore client looks it up.

use super::tree::Hash;
use crate::error::{Error, Result};
use crate::keys::Key;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use seaworthy_sign::{Payload, PublicKey};
use sha2::{Digest as _, Sha256};

/// A signed tree head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many entries it covers.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// The note as text, with its signature.
    pub text: String,
}

/// The id of a log: SHA-256 of the SPKI of its key.
pub(crate) fn log_id(key: &PublicKey) -> Hash {
    Sha256::digest(key.as_spki_der()).into()
}

impl Checkpoint {
    /// Signs a tree head. Whoever calls this must have the entries on disk already.
    pub(crate) fn sign(origin: &str, size: u64, root: Hash, key: &Key) -> Result<Self> {
        let body = format!("{origin}\n{size}\n{}\n", STANDARD.encode(root));
        let signature = key
            .sign(body.as_bytes())
            .map_err(|e| Error { message: format!("a checkpoint: {}", e.message), ..e })?;
        let mut named = log_id(key.public_key()).get(..4).unwrap_or_default().to_vec();
        named.extend_from_slice(&signature);
        let text = format!("{body}\n\u{2014} {origin} {}\n", STANDARD.encode(named));
        Ok(Self { size, root, text })
    }

    /// Reads a checkpoint that this log signed itself.
    pub(crate) fn read(text: &str, origin: &str, key: &PublicKey) -> Result<Self> {
        let bad = |why: &str| Error::broken(format!("the stored checkpoint {why}"));
        let (body, signatures) = text.split_once("\n\n").ok_or_else(|| bad("is no signed note"))?;
        let body = format!("{body}\n");
        let mut lines = body.lines();
        if lines.next() != Some(origin) {
            return Err(bad("is of another log").hint("the url in authority.yaml must not change"));
        }
        let size = lines.next().and_then(|line| line.parse().ok()).ok_or_else(|| bad("has no size"))?;
        let root = lines
            .next()
            .and_then(|line| STANDARD.decode(line).ok())
            .and_then(|bytes| Hash::try_from(bytes).ok())
            .ok_or_else(|| bad("has no root"))?;
        let signature = signatures
            .lines()
            .next()
            .and_then(|line| line.strip_prefix(&format!("\u{2014} {origin} ")))
            .and_then(|line| STANDARD.decode(line).ok())
            .ok_or_else(|| bad("has no signature"))?;
        key.verify(&Payload::Blob(body.as_bytes()), signature.get(4..).unwrap_or_default())
            .map_err(|_| bad("is not signed by this log's key"))?;
        Ok(Self { size, root, text: text.to_owned() })
    }
}
