//! Signatures by somebody whom a private PKI certifies: when they were made, and what witnesses must say.
//!
//! With a trusted root, a log or timestamp authority of it proves when, and as many of them as the policy asks for;
//! without one, the time of judging counts, and log entries that came along must still belong to the signature. The
//! path itself is judged in `pki`.

use crate::authority::Authority;
use crate::check::refuse;
use crate::demand::{Demands, Quorum};
use crate::key::PublicKey;
use crate::pki::{self, Certified, Signed};
use crate::proof::{enough_timestamps, every_entry_proves};
use crate::trust::Trust;
use crate::verdict::{Explanation, Refusal};
use crate::witness::{self, About};
use jiff::Timestamp;
use sigstore_types::Bundle;
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
        (Some(trust), Some(bundle)) => proven(trust, bundle, case, authority.demands, ask)?,
        (Some(_), None) => Vec::new(),
        (None, Some(bundle)) if entries > 0 => {
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
    let believed = authority.demands.believes_logs();
    Ok(Proven { id, times, logged: authority.trust.is_some() && believed && entries > 0 })
}

fn proven<E: From<Explanation>>(
    trust: &Trust,
    bundle: &Bundle,
    case: &Case<'_>,
    demands: Demands,
    ask: Ask<'_, E>,
) -> Result<Vec<Timestamp>, E> {
    let entries = bundle.verification_material.tlog_entries.len();
    let tokens = &bundle.verification_material.timestamp_verification_data.rfc3161_timestamps;
    if demands.transparency != Quorum::None && entries == 0 {
        let text = "the policy asks for a transparency log entry, and there is none";
        return Err(refuse(Refusal::LogEntryMissing, text).into());
    }
    if demands.timestamp != Quorum::None && tokens.is_empty() {
        let text = "the policy asks for a timestamp, and there is none";
        return Err(refuse(Refusal::TimestampMissing, text).into());
    }
    enough_timestamps(trust, bundle, demands.timestamp)?;
    if !demands.believes_logs() {
        witness::all_belong(bundle, &case.about)?;
        return Ok(witness::timestamps(trust, bundle, case.about.signature)?);
    }
    if witness::is_read(bundle) {
        let times = witness::prove(trust, bundle, &case.about, case.now)?;
        witness::enough_logs(trust, bundle, demands.transparency, case.now)?;
        return Ok(times);
    }
    if demands.transparency.need() > 1 {
        let text =
            "several logs with entries of this kind beside a certificate of one's own cannot be told apart";
        return Err(refuse(Refusal::LogEntryInvalid, text).into());
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
