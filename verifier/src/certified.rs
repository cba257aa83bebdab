//! Signatures by somebody whom a private PKI certifies: when they were made, and what witnesses must say.
//!
//! With a trusted root, a log or timestamp authority of it proves when; without one, the time of judging
//! counts, and log entries that came along must still belong to the signature. The path itself is judged in
//! `pki`.

use crate::authority::Authority;
use crate::check::refuse;
use crate::key::PublicKey;
use crate::pki::{self, Certified, Signed};
use crate::proof::every_entry_proves;
use crate::trust::Trust;
use crate::verdict::{Explanation, Refusal};
use crate::witness::{self, About};
use jiff::Timestamp;
use sigstore_types::{Bundle, KindVersion};
use sigstore_verify::{VerificationPolicy, VerificationResult};

/// Asks sigstore-verify about the bundle.
pub(crate) type Ask<'a, E> =
    &'a dyn Fn(&Trust, &Bundle, &VerificationPolicy) -> Result<VerificationResult, E>;

/// A certificate's signature over something.
pub(crate) struct Case<'a> {
    /// The signer's certificate, then those that came with it.
    pub(crate) chain: &'a [Vec<u8>],
    /// What witnesses have to speak about.
    pub(crate) about: About<'a>,
    /// The bundle, where there is more than the signature.
    pub(crate) bundle: Option<&'a Bundle>,
    /// The time of judging.
    pub(crate) now: Timestamp,
}

/// What was proven.
pub(crate) struct Proven {
    /// The signer's id.
    pub(crate) id: String,
    /// The proven times of signing.
    pub(crate) times: Vec<Timestamp>,
    /// Whether a log of the trusted root holds the signature.
    pub(crate) logged: bool,
}

/// Who signed, if `certified` knows them.
pub(crate) fn judge<E: From<Explanation>>(
    certified: &Certified,
    authority: &Authority,
    case: &Case<'_>,
    ask: Ask<'_, E>,
) -> Result<Proven, E> {
    certified.names(case.chain)?;
    let entries = case.bundle.map_or(0, |b| b.verification_material.tlog_entries.len());
    let times = match (&authority.trust, case.bundle) {
        (Some(trust), Some(bundle)) => proven(trust, bundle, case, ask)?,
        (Some(_), None) => Vec::new(),
        (None, Some(bundle)) if entries > 0 => {
            let older =
                |e: &sigstore_types::TransparencyLogEntry| e.kind_version != KindVersion::HashedRekordV002;
            if bundle.verification_material.tlog_entries.iter().any(older) {
                let text =
                    "a log entry of Rekor v1 beside the certificate, and no trusted root to judge it by";
                let why = refuse(Refusal::LogEntryInvalid, text);
                return Err(why.hint("name the trusted root that has the log").into());
            }
            witness::all_belong(bundle, &case.about)?;
            Vec::new()
        }
        (None, _) => Vec::new(),
    };
    if authority.trust.is_some() && times.is_empty() {
        return Err(refuse(Refusal::TimestampMissing, "no trusted time of signing").into());
    }
    let signed = if times.is_empty() { Signed::Unproven } else { Signed::At(&times) };
    let id = certified.certifies(case.chain, signed, case.now)?;
    Ok(Proven { id, times, logged: authority.trust.is_some() && entries > 0 })
}

fn proven<E: From<Explanation>>(
    trust: &Trust,
    bundle: &Bundle,
    case: &Case<'_>,
    ask: Ask<'_, E>,
) -> Result<Vec<Timestamp>, E> {
    let entries = &bundle.verification_material.tlog_entries;
    if entries.iter().all(|e| e.kind_version == KindVersion::HashedRekordV002) {
        return Ok(witness::prove(trust, bundle, &case.about, case.now)?);
    }
    every_entry_proves(bundle)?;
    // The path to the root is ours to judge: sigstore-verify would look for a root of Fulcio's.
    let policy = VerificationPolicy::any_identity().skip_certificate_chain();
    let result = ask(trust, bundle, &policy)?;
    if !result.tlog_verified() {
        return Err(refuse(Refusal::LogEntryInvalid, "the log entry was not verified").into());
    }
    Ok(result.verified_timestamps().to_vec())
}

/// The key in the signer's certificate, where there is one.
pub(crate) fn key(chain: &[Vec<u8>], authority: &Authority) -> Result<PublicKey, Explanation> {
    if chain.is_empty() {
        let name = authority.name();
        let text = format!("signed with a key; authority '{name}' asks for certificates");
        return Err(refuse(Refusal::UnknownSigner, text));
    }
    pki::signing_key(chain)
}
