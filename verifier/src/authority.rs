//! Who may sign: named authorities, each a set of keys or one keyless identity.
//!
//! Which keys are accepted at all is decided in `key`. Thresholds count [`Signer`]s, who are distinct by
//! their public key or identity, never signatures.

use crate::key::{PUBLIC_KEY_BYTES, PublicKey};
use crate::pki::{CertificateName, Certified};
use crate::trust::Trust;
use crate::verdict::Signer;
use jiff::Timestamp;
use std::path::Path;

/// A key and the time for which it is trusted.
#[derive(Debug, Clone)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// Signatures made before are not accepted.
    pub not_before: Option<Timestamp>,
    /// Signatures made after are not accepted.
    pub not_after: Option<Timestamp>,
}

impl TrustedKey {
    /// Whether the key is trusted for something signed at `time`; both ends belong to the window.
    pub fn trusted_at(&self, time: Timestamp) -> bool {
        self.not_before.is_none_or(|start| time >= start) && self.not_after.is_none_or(|end| time <= end)
    }
}

/// A keyless identity: who, and by whose word. Both match exactly, byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The OpenID Connect issuer.
    pub issuer: String,
    /// The certificate's subject alternative name: a mail address or a URI.
    pub identity: String,
}

/// Somebody who may sign.
#[derive(Debug, Clone)]
pub struct Authority {
    pub(crate) name: String,
    pub(crate) who: Who,
    pub(crate) trust: Option<Trust>,
}

#[derive(Debug, Clone)]
pub(crate) enum Who {
    Keys(Vec<TrustedKey>),
    Keyless(Identity),
    Certified(Certified),
}

impl Authority {
    /// The holders of `keys`. With `trust`, a signature counts only if a transparency log of that root
    /// holds it; without, log entries are only checked for belonging to the signature.
    pub fn keys(name: impl Into<String>, keys: Vec<TrustedKey>, trust: Option<Trust>) -> Self {
        Self { name: name.into(), who: Who::Keys(keys), trust }
    }

    /// The one key of a PEM file, always trusted.
    ///
    /// # Errors
    /// In words, with the path: see [`PublicKey::from_pem`].
    pub fn key_file(name: impl Into<String>, path: &Path) -> Result<Self, String> {
        let pem = crate::files::read_text(path, PUBLIC_KEY_BYTES)?;
        let key = PublicKey::from_pem(&pem).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self::keys(name, vec![TrustedKey { key, not_before: None, not_after: None }], None))
    }

    /// The same, and a transparency log of `trust` must hold the signatures.
    #[must_use]
    pub fn logged(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Whoever `trust` certifies as `identity`.
    pub fn keyless(name: impl Into<String>, identity: Identity, trust: Trust) -> Self {
        Self { name: name.into(), who: Who::Keyless(identity), trust: Some(trust) }
    }

    /// Whoever a private PKI certifies. With `trust`, a log or timestamp authority of that root must prove when
    /// something was signed; without, certificates count as long as they are valid.
    pub fn certified(name: impl Into<String>, certified: Certified, trust: Option<Trust>) -> Self {
        Self { name: name.into(), who: Who::Certified(certified), trust }
    }

    /// Its name in the policy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ids of the distinct signers it stands for.
    pub fn signer_ids(&self) -> Vec<String> {
        match &self.who {
            Who::Keys(keys) => keys.iter().map(|k| k.key.id()).collect(),
            Who::Keyless(identity) => vec![identity.id()],
            Who::Certified(certified) => certified.names.iter().map(CertificateName::id).collect(),
        }
    }

    pub(crate) fn signer(&self, id: String) -> Signer {
        Signer { authority: self.name.clone(), id }
    }
}

impl Identity {
    /// `<identity> (<issuer>)`.
    pub fn id(&self) -> String {
        format!("{} ({})", self.identity, self.issuer)
    }
}
