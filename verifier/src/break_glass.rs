//! Break-glass tokens: an emergency in writing, signed beforehand or in the night.
//!
//! A token says: this digest may run in this namespace of this cluster until then, although no policy allows it, and
//! here is why. It is signed by a key that the webhook's configuration names for this purpose alone; the signature is
//! over a payload type that nothing else has, so that no signature of anything else can be passed off as a token, nor
//! the other way round.
//!
//! Refused, each with its own reason: what is no token, another signer, another cluster, namespace or digest, what is
//! not yet or no longer valid, and what would be valid for longer than [`LIFE`], whoever signed it.

use crate::key::PublicKey;
use crate::policy::Namespace;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use seaworthy_oci::Digest;
use serde::{Deserialize, Serialize};

/// The payload type of the DSSE encoding that is signed.
pub const PAYLOAD_TYPE: &str = "application/vnd.seaworthy.break-glass.v1+json";
/// The annotation that carries tokens, on a Pod or in a Pod template. It proves nothing by being there.
pub const ANNOTATION: &str = "seaworthy.dev/break-glass";
/// How long a token may be valid: whoever is awake then can sign another.
pub const LIFE: SignedDuration = SignedDuration::from_hours(24);
/// Characters of a token.
pub const TOKEN_CHARS: usize = 4_096;
/// Characters of the reason in it.
pub const REASON_CHARS: usize = 500;
/// What tokens begin with.
const PREFIX: &str = "seaworthy1";
/// Times in a token are of another machine's clock.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Permit {
    /// The cluster's name, as its webhook is told it.
    pub cluster: String,
    /// The namespace.
    pub namespace: String,
    /// The digest of the image or index.
    pub digest: String,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when.
    pub expires: Timestamp,
    /// Why, for whoever reads the log.
    pub reason: String,
}

/// Why a token does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has not the form of a token.
    #[error("it is no break-glass token")]
    Malformed,
    /// No key that is named for it has signed it.
    #[error("it is signed by none of the keys that may break the glass")]
    Forged,
    /// It is about something else.
    #[error("it is for {what} {found}, and this is {expected}")]
    Elsewhere {
        /// `cluster`, `namespace` or `digest`.
        what: &'static str,
        /// What it is for.
        found: String,
        /// What is asked about.
        expected: String,
    },
    /// It is not valid yet.
    #[error("it is valid from {0} on")]
    Early(Timestamp),
    /// It is no longer valid.
    #[error("it has expired at {0}")]
    Expired(Timestamp),
    /// It would be valid for longer than any may.
    #[error("it is valid for more than {} hours", LIFE.as_hours())]
    TooLong,
}

impl Permit {
    /// Whether the times in it are such that it can be valid at all.
    ///
    /// # Errors
    /// [`Refused::TooLong`], or [`Refused::Expired`] where it ends before it begins.
    pub fn check_life(&self) -> Result<(), Refused> {
        if self.expires <= self.not_before {
            return Err(Refused::Expired(self.expires));
        }
        if self.expires.duration_since(self.not_before) > LIFE {
            return Err(Refused::TooLong);
        }
        Ok(())
    }

    /// The bytes to be signed as a DSSE payload of [`PAYLOAD_TYPE`].
    pub fn payload(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The token of this permit: `payload` as it was signed, and the signature.
    pub fn token(payload: &[u8], signature: &[u8]) -> String {
        let [payload, signature] = [payload, signature].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{PREFIX}.{payload}.{signature}")
    }
}

/// Whose tokens count, and where.
#[derive(Debug, Clone)]
pub struct Glass {
    cluster: String,
    keys: Vec<PublicKey>,
}

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Case<'c> {
    /// The namespace; none for an object of the cluster itself, for which no token is good.
    pub namespace: Option<&'c Namespace>,
    /// The digest.
    pub digest: &'c Digest,
    /// The time.
    pub now: Timestamp,
}

impl Glass {
    /// In the cluster of this name, tokens signed by one of `keys` count.
    ///
    /// # Errors
    /// Without a name or a key: then nothing could be told apart.
    pub fn new(cluster: impl Into<String>, keys: Vec<PublicKey>) -> Result<Self, String> {
        let cluster = cluster.into();
        if cluster.trim().is_empty() || cluster.chars().any(char::is_control) || keys.is_empty() {
            return Err("a break-glass key needs the cluster's name, and the name a key".into());
        }
        Ok(Self { cluster, keys })
    }

    /// What `token` permits, if it permits the case: the permit, and the id of the key that signed it.
    ///
    /// # Errors
    /// Why it does not. Nothing in a token is read before its signature is found good.
    pub fn check(&self, token: &str, case: Case<'_>) -> Result<(Permit, String), Refused> {
        if token.len() > TOKEN_CHARS {
            return Err(Refused::Malformed);
        }
        let mut parts = token.trim().split('.');
        let (Some(PREFIX), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refused::Malformed);
        };
        let open = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed);
        let (payload, signature) = (open(payload)?, open(signature)?);
        let head = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len());
        let signer = self.keys.iter().find(|key| key.fits(head.as_bytes(), &payload, &signature));
        let signer = signer.ok_or(Refused::Forged)?.id();
        seaworthy_oci::strict::check(&payload).map_err(|_| Refused::Malformed)?;
        let permit: Permit = serde_json::from_slice(&payload).map_err(|_| Refused::Malformed)?;
        let namespace = case.namespace.map_or("none", Namespace::as_str);
        let digest = case.digest.to_string();
        for (what, found, expected) in [
            ("cluster", &permit.cluster, self.cluster.as_str()),
            ("namespace", &permit.namespace, namespace),
            ("digest", &permit.digest, digest.as_str()),
        ] {
            if found != expected || (what == "namespace" && case.namespace.is_none()) {
                let found: String = found.chars().take(100).collect::<String>().escape_debug().to_string();
                return Err(Refused::Elsewhere { what, found, expected: expected.to_owned() });
            }
        }
        permit.check_life()?;
        if case.now + SKEW < permit.not_before {
            return Err(Refused::Early(permit.not_before));
        }
        if case.now >= permit.expires {
            return Err(Refused::Expired(permit.expires));
        }
        Ok((permit, signer))
    }
}
