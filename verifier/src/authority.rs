//! Who may sign: named authorities, each a set of keys or one keyless identity.
//!
//! Which keys are accepted at all is decided in `key`. Thresholds count [`Signer`]s, who are distinct by
//! their public key or identity, never signatures.

use crate::demand::{By, DemandError, Demands, Quorum};
use crate::identity::IdentityRule;
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

/// Somebody who may sign.
#[derive(Debug, Clone)]
pub struct Authority {
    pub(crate) name: String,
    pub(crate) who: Who,
    pub(crate) trust: Option<Trust>,
    pub(crate) demands: Demands,
}

#[derive(Debug, Clone)]
pub(crate) enum Who {
    Keys(Vec<TrustedKey>),
    Keyless(IdentityRule),
    Certified(Certified),
}

impl Authority {
    /// The holders of `keys`. With `trust`, a signature counts only if a transparency log of that root
    /// holds it; without, log entries are only checked for belonging to the signature.
    pub fn keys(name: impl Into<String>, keys: Vec<TrustedKey>, trust: Option<Trust>) -> Self {
        let transparency = if trust.is_some() { Quorum::Required } else { Quorum::None };
        let demands = Demands { transparency, timestamp: Quorum::None };
        Self { name: name.into(), who: Who::Keys(keys), trust, demands }
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
        self.demands.transparency = Quorum::Required;
        self
    }

    /// The same, with `transparency` logs and `timestamp` authorities asked for as said. What is not said is as
    /// in `docs/reference/policy.md`: a log wherever there is a trusted root, and where no log is wanted, a
    /// timestamp for a certificate.
    ///
    /// # Errors
    /// Where that could never be met or has no effect.
    pub fn demanding(
        mut self,
        transparency: Option<Quorum>,
        timestamp: Option<Quorum>,
    ) -> Result<Self, DemandError> {
        let by = match self.who {
            Who::Keys(_) => By::Key,
            Who::Keyless(_) => By::Certificate,
            Who::Certified(_) => {
                self.demands = Demands::of_private_pki(self.trust.as_ref(), transparency, timestamp)?;
                return Ok(self);
            }
        };
        self.demands = Demands::complete(by, self.trust.as_ref(), transparency, timestamp)?;
        Ok(self)
    }

    /// The same, judged by `trust`; what is asked of it is said by [`Authority::demanding`].
    #[must_use]
    pub fn trusting(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Whoever `trust` certifies as `identity`: an [`Identity`](crate::Identity), or an [`IdentityRule`] with patterns and
    /// claims. A log must hold the signatures, if [`Authority::demanding`] does not say otherwise.
    pub fn keyless(name: impl Into<String>, identity: impl Into<IdentityRule>, trust: Trust) -> Self {
        let demands = Demands { transparency: Quorum::Required, timestamp: Quorum::None };
        Self { name: name.into(), who: Who::Keyless(identity.into()), trust: Some(trust), demands }
    }

    /// Whoever a private PKI certifies. With `trust`, a log or timestamp authority of that root must prove when
    /// something was signed; without, certificates count as long as they are valid.
    pub fn certified(name: impl Into<String>, certified: Certified, trust: Option<Trust>) -> Self {
        Self { name: name.into(), who: Who::Certified(certified), trust, demands: Demands::default() }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Whether a trusted root stands behind it.
    pub fn has_trust(&self) -> bool {
        self.trust.is_some()
    }

    /// Its name in the policy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ids of the distinct signers that it names; none where a pattern leaves open who they are.
    pub fn signer_ids(&self) -> Vec<String> {
        match &self.who {
            Who::Keys(keys) => keys.iter().map(|k| k.key.id()).collect(),
            Who::Keyless(rule) => rule.exact_id().into_iter().collect(),
            Who::Certified(certified) => certified.names.iter().map(CertificateName::id).collect(),
        }
    }

    /// Whether it counts as one signer, whoever of many signed: one pattern can be met by every branch of a
    /// repository, and those are not as many people.
    pub(crate) fn is_open(&self) -> bool {
        matches!(&self.who, Who::Keyless(rule) if rule.exact_id().is_none())
    }

    pub(crate) fn signer(&self, id: String) -> Signer {
        Signer { authority: self.name.clone(), id }
    }
}
