//! A digest is an answer: the name of bytes that cannot change.
//!
//! Accepts `sha256:` and `sha512:` with lower-case hex of the right length, and nothing else: a digest
//! becomes a file name and a URL path, so `sha256:../../etc` must die here (OCI image specification,
//! descriptor, "Digests").

use crate::error::{Error, ErrorKind};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

/// The registered algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The name as it stands before the colon.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn hex_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// A validated content digest, printed as `sha256:<hex>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl Digest {
    /// The SHA-256 of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self { algorithm: Algorithm::Sha256, hex: hex::encode(Sha256::digest(bytes)).into() }
    }

    /// The digest of `bytes` by `algorithm`.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm before the colon.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The lower-case hex after the colon.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The first twelve hex digits: for people, never for comparing.
    pub fn short(&self) -> &str {
        &self.hex[..12]
    }

    /// The tag under which registries without the Referrers API keep what belongs to this digest:
    /// `sha256-<hex>` and a suffix such as `.sig` (distribution specification, "Referrers Tag Schema").
    pub fn tag(&self, suffix: &str) -> String {
        format!("{}-{}{suffix}", self.algorithm.as_str(), self.hex)
    }

    /// Whether `bytes` have this digest.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        Self::of(self.algorithm, bytes) == *self
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // The text is an outsider's: it is shown shortened and escaped.
        let shown = || text.chars().take(100).collect::<String>().escape_debug().to_string();
        let bad = |why: &str| {
            Error::new("read digest", format!("'{}'", shown()), ErrorKind::InvalidReference(why.into()))
        };
        let (name, hex) = text.split_once(':').ok_or_else(|| bad("no ':' in it"))?;
        let algorithm = match name {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            _ => return Err(bad("the algorithm is neither sha256 nor sha512")),
        };
        if hex.len() != algorithm.hex_len() {
            return Err(bad(&format!("{name} has {} hex digits", algorithm.hex_len())));
        }
        if !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad("only lower-case hex may follow the colon"));
        }
        Ok(Self { algorithm, hex: hex.into() })
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|e: Error| serde::de::Error::custom(e.to_string()))
    }
}

/// A running digest.
#[derive(Clone, Debug)]
pub struct Hasher(HasherState);

#[derive(Clone, Debug)]
enum HasherState {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// An empty digest of `algorithm`.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => HasherState::Sha256(Sha256::new()),
            Algorithm::Sha512 => HasherState::Sha512(Box::new(Sha512::new())),
        })
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            HasherState::Sha256(h) => h.update(bytes),
            HasherState::Sha512(h) => h.update(bytes),
        }
    }

    /// The digest of all that was taken in.
    pub fn finish(self) -> Digest {
        match self.0 {
            HasherState::Sha256(h) => {
                Digest { algorithm: Algorithm::Sha256, hex: hex::encode(h.finalize()).into() }
            }
            HasherState::Sha512(h) => {
                Digest { algorithm: Algorithm::Sha512, hex: hex::encode(h.finalize()).into() }
            }
        }
    }
}

/// A reader that hands out at most `size` bytes and ends well only if they have `digest`.
///
/// Limit and digest sit in one reader so that nobody can take the one without the other. A body that is
/// too long, too short or wrong ends in an [`io::Error`] whose source is our [`Error`]; bytes handed out
/// before the end are unverified, so a caller acts on them only after end of file.
#[derive(Debug)]
pub struct CheckedReader<R> {
    inner: R,
    expected: Digest,
    size: u64,
    read: u64,
    hasher: Option<Hasher>,
    on: String,
}

impl<R: Read> CheckedReader<R> {
    /// Reads `size` bytes of `digest` from `inner`; `on` names the place in errors.
    pub fn new(inner: R, digest: Digest, size: u64, on: impl fmt::Display) -> Self {
        let hasher = Some(Hasher::new(digest.algorithm()));
        Self { inner, expected: digest, size, read: 0, hasher, on: on.to_string() }
    }

    fn fail(&self, kind: ErrorKind) -> io::Error {
        io::Error::other(Error::new("read blob", &self.on, kind))
    }
}

impl<R: Read> Read for CheckedReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || self.hasher.is_none() {
            return Ok(0);
        }
        let n = self.inner.read(buf)?;
        if n > 0 {
            self.read += n as u64;
            if self.read > self.size {
                return Err(self.fail(ErrorKind::SizeMismatch { expected: self.size, actual: self.read }));
            }
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buf[..n]);
            }
            return Ok(n);
        }
        if self.read != self.size {
            return Err(self.fail(ErrorKind::SizeMismatch { expected: self.size, actual: self.read }));
        }
        if let Some(hasher) = self.hasher.take() {
            let actual = hasher.finish();
            if actual != self.expected {
                return Err(self.fail(ErrorKind::DigestMismatch {
                    expected: self.expected.to_string(),
                    actual: actual.to_string(),
                }));
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_could_be_a_path_or_another_digest() {
        let hex = "a".repeat(64);
        assert!(format!("sha256:{hex}").parse::<Digest>().is_ok());
        for bad in [
            "sha256:../../etc".to_owned(),
            format!("sha256:{}", "A".repeat(64)),
            format!("sha256:{}", "a".repeat(63)),
            format!("sha256:{}", "a".repeat(65)),
            format!("md5:{}", "a".repeat(32)),
            format!("sha256 :{hex}"),
            format!(" sha256:{hex}"),
            hex.clone(),
            format!("sha256:{}g", "a".repeat(63)),
            String::new(),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn checked_reader_ends_well_only_for_the_right_bytes() {
        let digest = Digest::sha256(b"hello");
        let read = |body: &[u8], size| {
            let mut out = Vec::new();
            CheckedReader::new(body, digest.clone(), size, "x").read_to_end(&mut out).map(|_| out)
        };
        assert_eq!(read(b"hello", 5).unwrap(), b"hello");
        assert!(read(b"hell", 5).unwrap_err().to_string().contains("wrong size"));
        assert!(read(b"hello!", 5).unwrap_err().to_string().contains("wrong size"));
        assert!(read(b"jello", 5).unwrap_err().to_string().contains("wrong content"));
    }
}
