//! What logs, timestamps and certificates prove about one signature; the same for images and for files.
//!
//! sigstore-verify does the cryptography (Sigstore client specification, section 4). This file says what it is
//! asked, and reads what was done instead of only that nothing failed:
//!
//! - where logs are asked for, each entry proves itself (the library takes an entry with neither proof nor
//!   promise for verified: there is nothing to verify), and as many distinct logs as the authority wants;
//! - where none is asked for, none is believed: entries must belong to this signature (CVE-2022-36056), and the
//!   times that they say count for nothing;
//! - a certificate is good at every proven time, and at least one time is proven;
//! - every timestamp that came along is good, and as many distinct authorities made them as are wanted.
//!
//! An envelope whose entry in the log is a `hashedrekord` 0.0.1 over what was signed, as the specification
//! allows and the library does not, is asked about as what it then is: a signature over those bytes. Where entries of
//! other kinds stand beside it, each form is asked about with its own.
//!
//! Keys, logs and timestamps for which the library has no word are judged in `witness`, `stamp` and `issued`.

use crate::authority::Authority;
use crate::check::refuse;
use crate::demand::Quorum;
use crate::identity::IdentityRule;
use crate::key::{Hash, PublicKey};
use crate::trust::Trust;
use crate::verdict::{Explanation, Refusal};
use crate::witness::{self, About};
use crate::{issued, limits, pki, stamp, x509};
use jiff::Timestamp;
use sigstore_types::bundle::{MessageSignature, VerificationMaterialContent};
use sigstore_types::{
    Bundle, DerCertificate, DerPublicKey, KindVersion, MediaType, SignatureContent, TimestampToken,
    TransparencyLogEntry,
};
use sigstore_verify::{
    Policy, PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult, Verifier,
};
use std::borrow::Cow;

/// What was proven besides the signature.
#[derive(Debug, Default)]
pub(crate) struct Proven {
    /// A log of the trusted root holds the signature.
    pub(crate) logged: bool,
    /// Proven times of signing.
    pub(crate) times: Vec<Timestamp>,
}

/// A question to sigstore-verify.
pub(crate) struct Ask<'a> {
    pub(crate) verifier: &'a Verifier,
    pub(crate) bundle: &'a Bundle,
    pub(crate) policy: &'a dyn Policy,
    /// The bytes that were signed, where they are not to be found from bundle and artifact.
    pub(crate) signed: Option<&'a [u8]>,
}

/// What sigstore-verify found, of all that it was asked.
struct Answer {
    result: VerificationResult,
    logged: bool,
    times: Vec<Timestamp>,
}

impl From<VerificationResult> for Answer {
    fn from(result: VerificationResult) -> Self {
        let (logged, times) = (result.tlog_verified(), result.verified_timestamps().to_vec());
        Self { result, logged, times }
    }
}

/// What a certificate's key signed, for the judges besides sigstore-verify.
pub(crate) struct Case<'a, E> {
    /// The signer's certificate, then those that came with it.
    pub(crate) chain: &'a [Vec<u8>],
    /// The signature.
    pub(crate) signature: &'a [u8],
    /// Whether it is this key's.
    pub(crate) fits: &'a dyn Fn(&PublicKey) -> Result<bool, E>,
    /// The digest of what was signed; `None` where it is not known.
    pub(crate) digest: &'a dyn Fn(Hash) -> Option<Vec<u8>>,
    /// The payload, of an envelope.
    pub(crate) payload: Option<&'a [u8]>,
    /// The time of judging.
    pub(crate) now: Timestamp,
}

/// What log entries and timestamps prove about a signature, whose validity the caller has checked.
///
/// # Errors
/// Why they do not prove what `authority` asks for, or whatever `ask` fails with.
pub(crate) fn of_key<E: From<Explanation>>(
    bundle: Option<&Bundle>,
    about: &About<'_>,
    now: Timestamp,
    authority: &Authority,
    ask: impl Fn(Ask<'_>) -> Result<VerificationResult, E>,
) -> Result<Proven, E> {
    let entries = bundle.map_or(0, |b| b.verification_material.tlog_entries.len());
    let der = DerPublicKey::new(about.key.spki().to_vec());
    let demands = authority.demands;
    if demands.transparency != Quorum::None && entries == 0 {
        return Err(no_entry(authority).into());
    }
    let tokens = bundle.map_or(0, |b| tokens(b).len());
    if tokens == 0 && demands.timestamp != Quorum::None {
        return Err(no_timestamp(authority).into());
    }
    let Some(bundle) = bundle else { return Ok(Proven::default()) };
    // Keys and logs that sigstore-verify does not know are judged in `witness`.
    let ours = witness::is_ours(about.key, bundle);
    let Some(trust) = &authority.trust else {
        if ours {
            witness::all_belong(bundle, about)?;
        } else {
            belongs(bundle, &der, &ask)?;
        }
        return Ok(Proven::default());
    };
    if demands.transparency == Quorum::None {
        // Nothing to be proven, and nothing that must not be somebody else's.
        if entries == 0 && tokens == 0 {
            return Ok(Proven::default());
        }
        if ours {
            witness::all_belong(bundle, about)?;
            let times = witness::timestamps(trust, bundle, about.signature)?;
            enough_timestamps(trust, bundle, demands.timestamp)?;
            return Ok(Proven { logged: false, times });
        }
        let policy = PublicKeyVerificationPolicy::new(der).skip_tlog_unsafe();
        if tokens == 0 {
            belongs(&without_log_proofs(bundle), policy.public_key(), &ask)?;
            return Ok(Proven::default());
        }
        let (known, mut times) = stamp::split(trust, bundle);
        let answer = ask_in_form(trust.verifier(), &without_log_proofs(&known), &policy, &ask)?;
        enough_timestamps(trust, bundle, demands.timestamp)?;
        times.extend(answer.times);
        return Ok(Proven { logged: false, times });
    }
    every_entry_proves(bundle)?;
    if ours {
        let times = witness::prove(trust, bundle, about, now)?;
        witness::enough_logs(trust, bundle, demands.transparency, now)?;
        enough_timestamps(trust, bundle, demands.timestamp)?;
        return Ok(Proven { logged: true, times });
    }
    let policy = PublicKeyVerificationPolicy::new(der);
    let (known, mut times) = stamp::split(trust, bundle);
    let answer = ask_in_form(trust.verifier(), &known, &policy, &ask)?;
    if !answer.logged {
        return Err(refuse(Refusal::LogEntryInvalid, "the log entry was not verified").into());
    }
    enough_logs(trust, &known, demands.transparency, &policy, &ask)?;
    enough_timestamps(trust, bundle, demands.timestamp)?;
    times.extend(answer.times);
    Ok(Proven { logged: true, times })
}

/// Whether the certificate in `bundle` is good, is for whom `rule` says, and is proven as `authority` asks: the
/// signer's id and what was proven.
///
/// # Errors
/// As [`of_key`].
pub(crate) fn of_certificate<E: From<Explanation>>(
    bundle: &Bundle,
    rule: &IdentityRule,
    authority: &Authority,
    case: &Case<'_, E>,
    ask: impl Fn(Ask<'_>) -> Result<VerificationResult, E>,
) -> Result<(String, Proven), E> {
    let Some(trust) = &authority.trust else {
        let why = format!("authority '{}' has no trusted root", authority.name());
        return Err(refuse(Refusal::CertificateInvalid, why).into());
    };
    no_root(bundle)?;
    let demands = authority.demands;
    let logged = demands.transparency != Quorum::None;
    // Who may have signed is asked by ourselves, of the certificate that was verified.
    let mut policy = VerificationPolicy::any_identity();
    let bundle = if logged {
        if bundle.verification_material.tlog_entries.is_empty() {
            return Err(no_entry(authority).into());
        }
        every_entry_proves(bundle)?;
        Cow::Borrowed(bundle)
    } else {
        policy = policy.skip_tlog_unsafe();
        if !trust.has_certificate_logs() {
            policy = policy.skip_sct();
        }
        Cow::Owned(without_log_proofs(bundle))
    };
    let bundle = bundle.as_ref();
    if tokens(bundle).is_empty() && (demands.timestamp != Quorum::None || !logged) {
        return Err(no_timestamp(authority).into());
    }
    if !stamp::split(trust, bundle).1.is_empty() {
        return without_library(trust, bundle, rule, authority, case);
    }
    let Answer { result, logged: was_logged, times } = ask_in_form(trust.verifier(), bundle, &policy, &ask)?;
    if logged && !was_logged {
        return Err(refuse(Refusal::LogEntryMissing, "no transparency log entry was verified").into());
    }
    if times.is_empty() {
        return Err(refuse(Refusal::TimestampMissing, "no trusted time of signing").into());
    }
    let proven_issued = result.sct_verified() || (!logged && !trust.has_certificate_logs());
    let (true, true, Some(certificate)) =
        (result.certificate_verified(), proven_issued, result.certificate())
    else {
        return Err(refuse(Refusal::CertificateInvalid, "certificate or its log proof unchecked").into());
    };
    let id = rule.meets(certificate)?;
    if logged {
        enough_logs(trust, bundle, demands.transparency, &policy, &ask)?;
    }
    enough_timestamps(trust, bundle, demands.timestamp)?;
    Ok((id, Proven { logged, times }))
}

/// The same, where a timestamp came along that sigstore-verify cannot read: it would know of no time.
fn without_library<E: From<Explanation>>(
    trust: &Trust,
    bundle: &Bundle,
    rule: &IdentityRule,
    authority: &Authority,
    case: &Case<'_, E>,
) -> Result<(String, Proven), E> {
    let demands = authority.demands;
    let logged = demands.transparency != Quorum::None;
    let key = pki::signing_key(case.chain)?;
    if !(case.fits)(&key)? {
        let text = "the signature does not fit the signed bytes and the certificate beside it";
        return Err(refuse(Refusal::SignatureInvalid, text).into());
    }
    let certificate = case.chain.first().map(Vec::as_slice);
    let about = About {
        key: &key,
        certificate,
        signature: case.signature,
        digest: case.digest,
        payload: case.payload,
    };
    let times = if logged {
        witness::prove(trust, bundle, &about, case.now)?
    } else {
        witness::all_belong(bundle, &about)?;
        witness::timestamps(trust, bundle, case.signature)?
    };
    let issuer = issued::leads_to_root(trust, case.chain, &times)?;
    let leaf = certificate.unwrap_or_default();
    if logged || trust.has_certificate_logs() {
        issued::was_logged(trust, leaf, &issuer)?;
    }
    let info = sigstore_verify::crypto::parse_certificate_info(&DerCertificate::new(leaf.to_vec()))
        .map_err(|e| refuse(Refusal::CertificateInvalid, e.to_string()))?;
    let id = rule.meets(&info)?;
    if logged {
        witness::enough_logs(trust, bundle, demands.transparency, case.now)?;
    }
    enough_timestamps(trust, bundle, demands.timestamp)?;
    Ok((id, Proven { logged, times }))
}

/// Which roots count is not for the signer to say (Sigstore client specification, "Verification"). npm's statements
/// of 2023, in v0.1, end in one; it makes nobody trusted.
fn no_root(bundle: &Bundle) -> Result<(), Explanation> {
    let VerificationMaterialContent::X509CertificateChain { certificates } =
        &bundle.verification_material.content
    else {
        return Ok(());
    };
    let mut above = certificates.get(1..).unwrap_or_default();
    let old_statement = bundle.media_type == MediaType::Bundle0_1
        && matches!(bundle.content, SignatureContent::DsseEnvelope(_));
    if let (true, [rest @ .., _]) = (old_statement, above) {
        above = rest;
    }
    let is_root = |der: &[u8]| x509::parts(der).is_some_and(|parts| parts.issuer == parts.subject);
    if above.iter().any(|certificate| is_root(certificate.raw_bytes.as_bytes())) {
        return Err(refuse(Refusal::EvidenceMalformed, "a root certificate in the bundle's chain"));
    }
    Ok(())
}

fn no_entry(authority: &Authority) -> Explanation {
    refuse(
        Refusal::LogEntryMissing,
        format!("authority '{}' asks for a transparency log entry, and there is none", authority.name()),
    )
}

fn no_timestamp(authority: &Authority) -> Explanation {
    refuse(
        Refusal::TimestampMissing,
        format!("authority '{}' asks for a timestamp, and there is none", authority.name()),
    )
}

fn tokens(bundle: &Bundle) -> Vec<&TimestampToken> {
    let data = &bundle.verification_material.timestamp_verification_data;
    data.rfc3161_timestamps.iter().map(|t| &t.signed_timestamp).collect()
}

/// sigstore-verify takes an entry with neither proof nor promise for verified: there is nothing to verify.
pub(crate) fn every_entry_proves(bundle: &Bundle) -> Result<(), Explanation> {
    let bare = |e: &TransparencyLogEntry| e.inclusion_proof.is_none() && e.inclusion_promise.is_none();
    if bundle.verification_material.tlog_entries.iter().any(bare) {
        return Err(refuse(Refusal::LogEntryInvalid, "a log entry without inclusion proof or promise"));
    }
    Ok(())
}

/// The bundle with its entries, and without what they prove: promises would count as times.
fn without_log_proofs(bundle: &Bundle) -> Bundle {
    let mut bundle = bundle.clone();
    // v0.1 demands a promise and v0.3 forbids chains: in v0.2 both may be missing.
    bundle.media_type = MediaType::Bundle0_2;
    for entry in &mut bundle.verification_material.tlog_entries {
        entry.inclusion_promise = None;
    }
    bundle
}

/// No trust is needed to see that an entry is somebody else's (CVE-2022-36056). Timestamps cannot be judged
/// without trust, prove nothing then, and are left out.
fn belongs<E: From<Explanation>>(
    bundle: &Bundle,
    key: &DerPublicKey,
    ask: &impl Fn(Ask<'_>) -> Result<VerificationResult, E>,
) -> Result<(), E> {
    if bundle.verification_material.tlog_entries.is_empty() {
        return Ok(());
    }
    let mut bundle = without_log_proofs(bundle);
    bundle.verification_material.timestamp_verification_data = Default::default();
    let nobody = Trust::nobody().map_err(|e| refuse(Refusal::LogEntryInvalid, e))?;
    let policy = PublicKeyVerificationPolicy::new(key.clone()).skip_tlog_unsafe();
    ask_in_form(nobody.verifier(), &bundle, &policy, ask).map(drop)
}

/// Asks about `bundle` in the form in which it was logged; in both, where it was logged in both.
fn ask_in_form<E>(
    verifier: &Verifier,
    bundle: &Bundle,
    policy: &dyn Policy,
    ask: &impl Fn(Ask<'_>) -> Result<VerificationResult, E>,
) -> Result<Answer, E> {
    let hashed = |e: &TransparencyLogEntry| e.kind_version == KindVersion::HashedRekordV001;
    let entries = &bundle.verification_material.tlog_entries;
    let SignatureContent::DsseEnvelope(envelope) = &bundle.content else {
        return ask(Ask { verifier, bundle, policy, signed: None }).map(Answer::from);
    };
    if !entries.iter().any(hashed) {
        return ask(Ask { verifier, bundle, policy, signed: None }).map(Answer::from);
    }
    let signed = envelope.pae();
    let mut as_message = bundle.clone();
    as_message.verification_material.tlog_entries.retain(hashed);
    let signature = MessageSignature::new(envelope.signature.sig.clone());
    as_message.content = SignatureContent::MessageSignature(signature);
    let mut answer = Answer::from(ask(Ask { verifier, bundle: &as_message, policy, signed: Some(&signed) })?);
    if !entries.iter().all(hashed) {
        let mut rest = bundle.clone();
        rest.verification_material.tlog_entries.retain(|entry| !hashed(entry));
        let other = Answer::from(ask(Ask { verifier, bundle: &rest, policy, signed: None })?);
        answer.logged &= other.logged;
        // The timestamps are in both answers.
        let seen = answer.times.clone();
        answer.times.extend(other.times.into_iter().filter(|time| !seen.contains(time)));
    }
    Ok(answer)
}

/// Whether as many distinct logs hold the signature as are wanted. Everything else about the bundle was verified.
fn enough_logs<E>(
    trust: &Trust,
    bundle: &Bundle,
    wanted: Quorum,
    policy: &dyn Policy,
    ask: &impl Fn(Ask<'_>) -> Result<VerificationResult, E>,
) -> Result<(), Explanation> {
    if wanted.need() <= 1 {
        return Ok(());
    }
    let holds = |verifier: &&Verifier| {
        bundle.verification_material.tlog_entries.iter().take(limits::LOG_ENTRIES).any(|entry| {
            let mut alone = bundle.clone();
            alone.verification_material.tlog_entries = vec![entry.clone()];
            ask_in_form(verifier, &alone, policy, ask).is_ok_and(|answer| answer.logged)
        })
    };
    let found = trust.by_log().iter().filter(holds).count();
    if found < wanted.need() {
        let text = format!("{found} of {} distinct transparency logs hold it", wanted.need());
        return Err(refuse(Refusal::LogEntryMissing, text));
    }
    Ok(())
}

/// Whether as many distinct authorities made timestamps as are wanted. Each timestamp was verified.
pub(crate) fn enough_timestamps(trust: &Trust, bundle: &Bundle, wanted: Quorum) -> Result<(), Explanation> {
    let tokens = tokens(bundle);
    let found = match wanted.need() {
        0 => return Ok(()),
        1 => tokens.len().min(1),
        _ => match stamp::signature(bundle) {
            Some(signature) => trust.count_timestamp_authorities(&tokens, signature),
            None => 0,
        },
    };
    if found < wanted.need() {
        let text = format!("{found} of {} distinct timestamp authorities vouch for a time", wanted.need());
        return Err(refuse(Refusal::TimestampMissing, text));
    }
    Ok(())
}
