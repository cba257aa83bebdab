//! The judgement: what is judged, what was said about it, and whether that is enough.
//!
//! An index is judged as itself, and so is each of its platforms:
//!
//! - *Signatures* are required on the digest that was asked for. A signature of an index covers its children,
//!   because it covers their digests; a child that is asked for directly must be signed itself.
//! - *Attestations* must be about the digest that was asked for, or about every one of its platforms.
//! - *SBOMs* are required for each platform: what is inside differs from platform to platform. They may be
//!   attached to the platform or to the index; what counts is the digest that the signed statement names.
//!
//! Evidence is fetched once, several small pieces at a time, checked for each policy, and let go. What can neither
//! fulfil nor break a requirement is looked at only where the answer is no, for the explanation.

#[cfg(feature = "cel")]
mod conditions;
mod config;
mod facts;
mod looked;
mod provenance;
mod vulnerabilities;

use crate::ahead::Contents;
use crate::check::{self, Claim, Examined, Outcome, Question};
use crate::error::Error;
use crate::evidence::{self, Item, Kind, Tagged};
use crate::policy::PolicySet;
use crate::policy::exceptions::{self, Place};
use crate::policy::image::config::Config;
use crate::policy::rules::{self, Findings, Target};
use crate::policy::scope::{self, Matching};
use crate::policy::{AttestationRule, Mode, Policy, SbomRule, Signers, Wanted};
use crate::statement::PredicateType;
use crate::verdict::{
    Decision, Explanation, PolicyVerdict, Refusal, RequirementVerdict, Role, Signer, SubjectVerdict,
    VERDICT_VERSION, Verdict,
};
use crate::walk::{Subject, Walk};
use crate::{ImageName, Verifier};
use facts::Facts;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
pub use looked::{Considered, Explained, Looked, PolicyEvidence};
use seaworthy_oci::{
    Digest, Error as OciError, ErrorKind, Manifest, Pinned, Platform, RawManifest, Selector, Source,
};
use seaworthy_sbom::purpose::{Purpose, purpose};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

pub(crate) async fn judge(
    verifier: &Verifier,
    source: &dyn Source,
    image: &Pinned,
    manifest: Option<RawManifest>,
    name: &ImageName,
    seen: Option<&mut Vec<PolicyEvidence>>,
) -> Result<Verdict, Error> {
    let namespace = verifier.context.namespace.as_ref();
    let mut verdict = Verdict {
        api_version: VERDICT_VERSION,
        decision: Decision::Deny,
        reason: String::new(),
        name: name.to_string(),
        tag: image.tag().map(str::to_owned),
        namespace: namespace.cloned(),
        digest: image.digest().to_string(),
        would_deny: false,
        warnings: Vec::new(),
        refusals: Vec::new(),
        policies: Vec::new(),
    };
    let policies = match scope::select(verifier.policies(), name, namespace) {
        Ok(policies) => policies,
        Err(why) => {
            verdict.reason = why.to_string();
            verdict.refusals.push(why);
            return Ok(verdict);
        }
    };
    verdict.policies = match inspected(verifier, source, image, manifest, name, &policies, seen).await {
        Ok(verdicts) => verdicts,
        Err(error) if policies.iter().all(|p| p.mode != Mode::Enforce) => {
            let why = Explanation::new(Refusal::CouldNotFindOut, error.to_string());
            let why = error.hint().map_or(why.clone(), |hint| why.hint(hint));
            policies.iter().map(|p| unknown(p, why.clone())).collect()
        }
        Err(error) => return Err(error),
    };
    if let Some(why) = undecided(&verdict) {
        return Err(Error::Undecided(why));
    }
    conclude(&mut verdict);
    Ok(verdict)
}

/// [`judge`], with all that there is looked at, also where the answer is certain before.
pub(crate) async fn explain(
    verifier: &Verifier,
    source: &dyn Source,
    image: &Pinned,
    manifest: RawManifest,
    name: &ImageName,
) -> Result<Explained, Error> {
    let mut evidence = Vec::new();
    let verdict = judge(verifier, source, image, Some(manifest), name, Some(&mut evidence)).await?;
    Ok(Explained { considered: looked::considered(verifier, name, &verdict), verdict, evidence })
}

/// What could not be found out, where every requirement that an enforcing policy misses might be met if it were
/// known. A requirement that is missed for another reason makes it a "no".
fn undecided(verdict: &Verdict) -> Option<Explanation> {
    let enforced =
        verdict.policies.iter().filter(|p| p.mode == Mode::Enforce && p.decision == Decision::Deny);
    let mut found = None;
    for policy in enforced {
        if !policy.refusals.is_empty() {
            return None;
        }
        for missed in policy.subjects.iter().flat_map(|s| &s.requirements).filter(|r| !r.met) {
            let mut causes = missed.refusals.iter().flat_map(|r| r.walk());
            let unknown = causes.find(|cause| cause.code == Refusal::RevocationUnknown)?;
            found.get_or_insert_with(|| unknown.clone());
        }
    }
    found
}

fn unknown(policy: &Matching<'_>, why: Explanation) -> PolicyVerdict {
    PolicyVerdict {
        policy: policy.name().to_owned(),
        mode: policy.mode,
        decision: Decision::Deny,
        refusals: vec![why],
        expired_exceptions: Vec::new(),
        subjects: Vec::new(),
    }
}

/// The decision over all policies, and its one line.
fn conclude(verdict: &mut Verdict) {
    let refusals_of = |p: &PolicyVerdict| -> Vec<Explanation> {
        let of_rules = p.subjects.iter().flat_map(|s| &s.requirements).flat_map(|r| &r.refusals);
        p.refusals.iter().chain(of_rules).cloned().collect()
    };
    let denied = |p: &&PolicyVerdict| p.decision == Decision::Deny;
    verdict.would_deny = verdict.policies.iter().any(|p| denied(&p));
    let warned = verdict.policies.iter().filter(|p| p.mode == Mode::Warn);
    verdict.warnings = warned.filter(denied).flat_map(refusals_of).collect();
    let line = |p: &PolicyVerdict| {
        let text = refusals_of(p).into_iter().next().map_or_else(String::new, |why| why.one_line());
        format!("policy '{}': {text}", p.policy)
    };
    let enforced = verdict.policies.iter().find(|p| p.mode == Mode::Enforce && denied(p));
    if let Some(policy) = enforced {
        verdict.reason = line(policy);
        return;
    }
    verdict.decision = Decision::Allow;
    verdict.reason = match verdict.policies.iter().find(denied) {
        Some(policy) => format!("allowed, though {} would deny: {}", mode_name(policy.mode), line(policy)),
        None => {
            let met = verdict.policies.iter().flat_map(|p| &p.subjects).flat_map(|s| &s.requirements).count();
            let names: Vec<String> = verdict.policies.iter().map(|p| format!("'{}'", p.policy)).collect();
            let plural = if names.len() == 1 { "policy" } else { "policies" };
            match met {
                0 => format!("{plural} {} ask for nothing", names.join(", ")),
                _ => format!("{plural} {} met ({met} requirements{})", names.join(", "), excepted(verdict)),
            }
        }
    };
}

/// What a yes owes to exceptions.
fn excepted(verdict: &Verdict) -> String {
    let count = verdict.requirements().map(|r| r.excepted.len()).sum::<usize>();
    match verdict.until() {
        Some(until) => format!(", {count} refusals excepted until {until}"),
        None => String::new(),
    }
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Audit => "audit",
        Mode::Warn => "warn",
        Mode::Enforce => "enforce",
    }
}

/// One piece of evidence as one policy sees it, with everything heavy gone.
struct Piece {
    evidence: String,
    attached_to: Digest,
    kind: Kind,
    predicate_type: Option<PredicateType>,
    claimed_signer: Option<String>,
    standing: Standing,
}

enum Standing {
    Good {
        signers: Vec<Signer>,
        about: Vec<Digest>,
        sbom: BTreeMap<Digest, Findings>,
        facts: Facts,
        #[cfg(feature = "cel")]
        packages: Option<crate::policy::conditions::value::Value>,
    },
    Bad(Explanation),
}

struct Inspected {
    subjects: Vec<Subject>,
    /// What is wrong with the image's structure itself.
    structure: Vec<Explanation>,
    /// What was looked at, for each subject.
    items: Vec<Vec<Item>>,
    /// For each policy.
    pieces: Vec<Vec<Piece>>,
    /// For each platform, where a policy asks.
    configs: BTreeMap<Digest, Result<Config, Explanation>>,
    now: Timestamp,
    name: ImageName,
    #[cfg(feature = "cel")]
    tag: Option<String>,
    #[cfg(feature = "cel")]
    namespace: Option<String>,
    set: Arc<PolicySet>,
}

/// How far is looked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    /// At what can fulfil or break a requirement.
    Needed,
    /// At what else is there, and can only explain why a requirement is not met.
    Further,
}

/// What each policy says. Where one of them denies, all that is there is looked at, so that the refusal can name what
/// somebody took for enough.
async fn inspected(
    verifier: &Verifier,
    source: &dyn Source,
    image: &Pinned,
    manifest: Option<RawManifest>,
    name: &ImageName,
    policies: &[Matching<'_>],
    seen: Option<&mut Vec<PolicyEvidence>>,
) -> Result<Vec<PolicyVerdict>, Error> {
    if let Some(foregone) = policies.iter().map(Matching::foregone).collect() {
        return Ok(foregone);
    }
    let mut inspected = walk(verifier, source, image, manifest, name).await?;
    inspected.pieces = policies.iter().map(|_| Vec::new()).collect();
    inspected.fetch_configs(source, policies).await?;
    inspected.look(verifier, source, policies, Look::Needed).await?;
    let verdicts = inspected.apply_all(policies);
    if seen.is_none() && verdicts.iter().all(|v| v.decision == Decision::Allow) {
        return Ok(verdicts);
    }
    inspected.look(verifier, source, policies, Look::Further).await?;
    let verdicts = inspected.apply_all(policies);
    if let Some(seen) = seen {
        *seen = inspected.evidence(policies, &verdicts);
    }
    Ok(verdicts)
}

/// The image and its platforms, before anything that is attached to them.
async fn walk(
    verifier: &Verifier,
    source: &dyn Source,
    image: &Pinned,
    manifest: Option<RawManifest>,
    name: &ImageName,
) -> Result<Inspected, Error> {
    let raw = match manifest {
        Some(raw) => raw,
        None => source
            .manifest(Selector::Digest(image.digest()))
            .await?
            .ok_or_else(|| OciError::new("fetch manifest", image, ErrorKind::NotFound))?,
    };
    let raw = raw.expect(image.digest(), image)?;
    let mut walk = Walk { subjects: Vec::new(), structure: Vec::new() };
    match raw.parse()? {
        Manifest::Image(_) => walk.single(&verifier.context.platforms, image, source, &raw).await?,
        Manifest::Index(index) => {
            walk.subjects.push(Subject {
                digest: image.digest().clone(),
                role: Role::Index,
                platform: None,
                config: None,
                fetched: None,
                annotations: index.annotations.clone(),
            });
            walk.children(source, index).await?;
            walk.select(&verifier.context.platforms);
        }
    }
    let Walk { subjects, structure } = walk;
    let items = subjects.iter().map(|_| Vec::new()).collect();
    Ok(Inspected {
        subjects,
        structure,
        items,
        pieces: Vec::new(),
        configs: BTreeMap::new(),
        now: verifier.context.now,
        name: name.clone(),
        #[cfg(feature = "cel")]
        tag: image.tag().map(str::to_owned),
        #[cfg(feature = "cel")]
        namespace: verifier.context.namespace.as_ref().map(ToString::to_string),
        set: Arc::clone(&verifier.set),
    })
}

/// The tags of the older forms that are asked for. Signatures count on the digest that was asked for alone, what is
/// under `.sbom` carries none, and each tag is a request.
fn tags(at: usize, deep: bool, look: Look) -> &'static [Tagged] {
    use Tagged::{Attestations, Sboms, Signatures};
    match (at, deep, look) {
        (0, true, Look::Needed) => &[Signatures, Attestations],
        (0, false, Look::Needed) => &[Signatures],
        (_, _, Look::Needed) => &[Attestations],
        (0, true, Look::Further) => &[Sboms],
        (0, false, Look::Further) => &[Attestations, Sboms],
        (_, _, Look::Further) => &[Signatures, Sboms],
    }
}

/// What is attached to one of `asked`.
fn listed<'a>(
    source: &'a dyn Source,
    asked: &'a [Digest],
    at: usize,
    deep: bool,
    look: Look,
) -> BoxFuture<'a, Result<Vec<Item>, Error>> {
    Box::pin(async move {
        let Some(digest) = asked.get(at) else { return Ok(Vec::new()) };
        let mut found = match look {
            Look::Needed => evidence::referring(source, digest).await?,
            Look::Further => Vec::new(),
        };
        found.extend(evidence::tagged(source, digest, tags(at, deep, look)).await?);
        Ok(found)
    })
}

impl Inspected {
    fn apply_all(&self, policies: &[Matching<'_>]) -> Vec<PolicyVerdict> {
        policies.iter().zip(&self.pieces).map(|(policy, pieces)| self.apply(policy, pieces)).collect()
    }

    /// Looks at what is attached to each subject.
    async fn look(
        &mut self,
        verifier: &Verifier,
        source: &dyn Source,
        policies: &[Matching<'_>],
        look: Look,
    ) -> Result<(), Error> {
        let all: Vec<Digest> = self.subjects.iter().map(|s| s.digest.clone()).collect();
        let deep = policies.iter().any(|p| p.asks_platforms());
        // Signatures count on the digest that was asked for alone: children need not be looked at for them.
        let asked = if deep { all.as_slice() } else { all.get(..1).unwrap_or_default() };
        let list = |at: usize| listed(source, asked, at, deep, look);
        // By the first one a registry is known: whether it has a Referrers API is asked once.
        let mut found = crate::ahead::in_order(vec![list(0)]).await?;
        found.extend(crate::ahead::in_order((1..asked.len()).map(list).collect()).await?);
        let mut fresh: Vec<usize> = Vec::new();
        for ((digest, seen), found) in asked.iter().zip(&mut self.items).zip(found) {
            fresh.push(seen.len());
            seen.extend(found);
            *seen = evidence::whole(digest, std::mem::take(seen))?;
        }
        let looked_at = |item: &&Item| {
            item.format != evidence::Format::Other || item.broken.is_some() || item.kind != Kind::Other
        };
        let new = self.items.iter().zip(&fresh).flat_map(|(seen, from)| seen.iter().skip(*from));
        let mut contents = Contents::of(source, new.filter(looked_at));
        for (at, ((digest, seen), before)) in asked.iter().zip(&self.items).zip(&fresh).enumerate() {
            // Attached to the index may be what is about a child, but not the other way round.
            let about = if at == 0 { all.as_slice() } else { std::slice::from_ref(digest) };
            for item in seen.iter().skip(*before).filter(looked_at) {
                let mut content = Some(contents.next().await?);
                for (which, policy) in policies.iter().enumerate() {
                    // The last one takes the bytes; usually it is the only one.
                    let bytes = if which + 1 == policies.len() { content.take() } else { content.clone() };
                    let (authorities, now) = (&policy.authorities, verifier.context.now);
                    let question = Question { subjects: about, authorities, now };
                    let examined = match bytes {
                        Some(Ok(bytes)) => check::examine(item, bytes, question),
                        Some(Err(outcome)) => evidence::unopened(item, outcome),
                        None => continue,
                    };
                    let piece = Piece::new(item, examined, policy, &self.subjects, now);
                    if let Some(list) = self.pieces.get_mut(which) {
                        list.push(piece);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Piece {
    fn new(item: &Item, examined: Examined, policy: &Policy, subjects: &[Subject], now: Timestamp) -> Self {
        let who = examined.claimed_signer.as_deref();
        let (mut kind, mut predicate_type) = (examined.kind, examined.predicate_type);
        let standing = match examined.outcome {
            Outcome::Verified(verified) => {
                // From here on the verified claim alone says what it is; what the listing said is forgotten,
                // or an annotation could pass a signature off as an attestation.
                (kind, predicate_type) = match verified.value() {
                    Claim::Signature => (Kind::Signature, Some(PredicateType::CosignSign)),
                    Claim::Attestation(s) => (Kind::Attestation, Some(s.predicate_type.clone())),
                };
                let mut sbom = BTreeMap::new();
                #[cfg(feature = "cel")]
                let packages = match verified.value() {
                    Claim::Attestation(statement)
                        if policy.condition_uses().sbom && statement.predicate_type.is_sbom() =>
                    {
                        let read = || conditions::packages(statement.predicate());
                        catch_unwind(AssertUnwindSafe(read)).ok().flatten()
                    }
                    _ => None,
                };
                let facts = match verified.value() {
                    Claim::Attestation(statement) => Facts::read(statement, policy, verified.signers()),
                    Claim::Signature => Facts::Nothing,
                };
                if let (Claim::Attestation(statement), Some(rule)) = (verified.value(), &policy.sbom)
                    && statement.predicate_type.is_sbom()
                    && !rule.signers.count(policy, verified.signers()).is_empty()
                {
                    let judged = subjects
                        .iter()
                        .filter(|s| s.role != Role::Index && verified.is_about(&s.digest))
                        .collect::<Vec<_>>();
                    sbom = judge_sbom(rule, statement.predicate(), &judged, now);
                }
                Standing::Good {
                    signers: verified.signers().to_vec(),
                    about: subjects
                        .iter()
                        .map(|s| s.digest.clone())
                        .filter(|digest| verified.is_about(digest))
                        .collect(),
                    sbom,
                    facts,
                    #[cfg(feature = "cel")]
                    packages,
                }
            }
            Outcome::UnknownSigner(reasons) => {
                let who = who.map(|w| format!(" (it names {w})")).unwrap_or_default();
                let text = format!("signed by nobody whom the policy knows{who}");
                Standing::Bad(
                    Explanation::new(Refusal::UnknownSigner, text).about(&item.digest).because(reasons),
                )
            }
            Outcome::Invalid(why) => Standing::Bad(why),
            Outcome::Unsigned => Standing::Bad(
                Explanation::new(Refusal::EvidenceUnsigned, "an SBOM without a signature")
                    .about(&item.digest),
            ),
        };
        Self {
            evidence: item.digest.to_string(),
            attached_to: item.subject.clone(),
            kind,
            predicate_type,
            claimed_signer: examined.claimed_signer,
            standing,
        }
    }
}

/// Reads a verified SBOM once and judges it for each platform that it is about.
fn judge_sbom(
    rule: &SbomRule,
    predicate: &[u8],
    subjects: &[&Subject],
    now: Timestamp,
) -> BTreeMap<Digest, Findings> {
    let read = catch_unwind(AssertUnwindSafe(|| {
        let unreadable = |e: seaworthy_sbom::Error| Explanation::new(Refusal::SbomUnreadable, e.to_string());
        let (format, inventory) = seaworthy_sbom::read(predicate).map_err(unreadable)?;
        let no_inventory = match purpose(format, predicate, &inventory).map_err(unreadable)? {
            Purpose::Inventory => None,
            Purpose::Other(what) => {
                let text = format!("the document is no inventory: {what}, and no package beside");
                Some(Explanation::new(Refusal::SbomWithoutInventory, text))
            }
        };
        // A second look at the head alone; what is not found there is missing.
        let facts = rule.minimum.and_then(|_| seaworthy_sbom::facts::document_facts(predicate).ok());
        let each = |s: &&Subject| {
            let target =
                Target { digest: &s.digest, platform: s.platform.as_ref(), now, facts: facts.as_ref() };
            let findings = match &no_inventory {
                Some(why) => Findings { no_inventory: Some(why.clone()), ..Findings::default() },
                None => rules::judge(rule, &inventory, target),
            };
            (s.digest.clone(), findings)
        };
        Ok(subjects.iter().map(each).collect::<BTreeMap<_, _>>())
    }));
    let failed = match read {
        Ok(Ok(findings)) => return findings,
        Ok(Err(why)) => why,
        Err(_) => Explanation::new(Refusal::VerifierPanicked, "the SBOM's parser panicked; please report it"),
    };
    let each =
        |s: &&Subject| (s.digest.clone(), Findings { denials: vec![failed.clone()], ..Findings::default() });
    subjects.iter().map(each).collect()
}

impl Inspected {
    /// What `policy` says, given the evidence as it sees it.
    fn apply(&self, policy: &Matching<'_>, pieces: &[Piece]) -> PolicyVerdict {
        if let Some(foregone) = policy.foregone() {
            return foregone;
        }
        let mut expired_exceptions = Vec::new();
        let subjects: Vec<SubjectVerdict> = self
            .subjects
            .iter()
            .enumerate()
            .map(|(at, subject)| {
                let mut requirements = Vec::new();
                if at == 0 {
                    requirements
                        .extend(policy.signatures.iter().map(|s| signature(policy, s, subject, pieces)));
                    requirements
                        .extend(policy.attestations.iter().map(|a| self.attestation(policy, a, pieces)));
                    requirements
                        .extend(policy.provenance.iter().map(|rule| self.provenance(policy, rule, pieces)));
                }
                if let Some(rule) = policy.sbom.as_ref().filter(|_| subject.role != Role::Index) {
                    requirements.push(sbom(policy, rule, subject, pieces));
                }
                if let Some(rule) = policy.vulnerabilities.as_ref().filter(|_| subject.role != Role::Index) {
                    requirements.push(self.vulnerabilities(policy, rule, subject, pieces));
                }
                if let Some(rule) = policy.image.as_ref().filter(|_| subject.role != Role::Index) {
                    requirements.push(self.image(policy, rule, subject, pieces, self.now));
                }
                #[cfg(feature = "cel")]
                if subject.role != Role::Index {
                    requirements.extend(self.conditions(policy, subject, pieces));
                }
                if let Some(asked_for) = self.subjects.first().map(|s| &s.digest) {
                    let digests = [asked_for, &subject.digest];
                    let place = Place { policy: policy.name(), name: &self.name, digests, now: self.now };
                    for requirement in &mut requirements {
                        expired_exceptions.extend(exceptions::lift(&self.set.exceptions, place, requirement));
                    }
                }
                SubjectVerdict {
                    digest: subject.digest.to_string(),
                    role: subject.role,
                    platform: subject.platform.as_ref().map(Platform::to_string),
                    requirements,
                }
            })
            .collect();
        expired_exceptions.sort();
        expired_exceptions.dedup();
        let mut met = subjects.iter().flat_map(|s| &s.requirements).peekable();
        // A policy always requires something of some subject; if nothing came out, something was missed.
        let good = self.structure.is_empty() && met.peek().is_some() && met.all(|r| r.met);
        PolicyVerdict {
            policy: policy.name.clone(),
            mode: policy.mode,
            decision: if good { Decision::Allow } else { Decision::Deny },
            refusals: self.structure.clone(),
            expired_exceptions,
            subjects,
        }
    }

    /// An attestation about the asked-for digest, or about each of its platforms.
    fn attestation(&self, policy: &Policy, rule: &AttestationRule, pieces: &[Piece]) -> RequirementVerdict {
        let accepts = |piece: &Piece| piece.predicate_type.as_ref().is_some_and(|t| rule.wanted.accepts(t));
        let words = format!("attestation {}", rule.wanted);
        self.own_or_each(|subject| {
            let tally = Tally::of(policy, &rule.signers, subject, pieces, accepts);
            tally.requirement(policy, &rule.signers, &words, Codes::ATTESTATION, subject)
        })
    }

    /// What `ask` says of the asked-for digest; where that is a no, of each of its platforms.
    fn own_or_each(&self, ask: impl Fn(&Subject) -> RequirementVerdict) -> RequirementVerdict {
        let Some((first, platforms)) = self.subjects.split_first() else {
            return RequirementVerdict::unmet("attestation");
        };
        let own = ask(first);
        if own.met || platforms.is_empty() {
            return own;
        }
        let each: Vec<RequirementVerdict> = platforms.iter().map(&ask).collect();
        if each.iter().all(|r| r.met) {
            let mut met = own;
            met.met = true;
            met.refusals.clear();
            met.signers = each.iter().flat_map(|r| r.signers.clone()).collect();
            met.signers.sort();
            met.signers.dedup();
            met.evidence = each.into_iter().flat_map(|r| r.evidence).collect();
            return met;
        }
        let mut unmet = own;
        let of_platforms = each.into_iter().flat_map(|r| r.refusals);
        if let Some(why) = unmet.refusals.first_mut() {
            why.causes.extend(of_platforms);
        }
        unmet
    }
}

/// The codes for "none at all" and "none that counts".
#[derive(Clone, Copy)]
struct Codes {
    missing: Refusal,
    untrusted: Refusal,
    /// By the right signers, and it does not say what the rule asks for.
    unfit: Refusal,
}

impl Codes {
    const SIGNATURE: Self = Self::two(Refusal::SignatureMissing, Refusal::SignatureUntrusted);
    const ATTESTATION: Self = Self::two(Refusal::AttestationMissing, Refusal::AttestationUntrusted);
    /// For an SBOM there is one code; the causes say which of the two it is.
    const SBOM: Self = Self {
        unfit: Refusal::SbomWithoutInventory,
        ..Self::two(Refusal::SbomMissing, Refusal::SbomMissing)
    };

    const fn two(missing: Refusal, untrusted: Refusal) -> Self {
        Self { missing, untrusted, unfit: untrusted }
    }
}

/// The pieces that count towards a requirement, and why the others do not.
struct Tally<'a> {
    good: Vec<&'a Piece>,
    signers: Vec<Signer>,
    /// Whether anything of the right kind was there.
    candidates: usize,
    /// How many were by the right signers, and did not say what the rule asks for.
    unfit: usize,
    causes: Vec<Explanation>,
}

impl<'a> Tally<'a> {
    fn of(
        policy: &Policy,
        wanted: &Signers,
        subject: &Subject,
        pieces: &'a [Piece],
        accepts: impl Fn(&Piece) -> bool,
    ) -> Self {
        let mut tally =
            Self { good: Vec::new(), signers: Vec::new(), candidates: 0, unfit: 0, causes: Vec::new() };
        for piece in pieces {
            let right_kind = accepts(piece);
            match &piece.standing {
                Standing::Good { signers, about, .. } if about.contains(&subject.digest) => {
                    if !right_kind {
                        tally.causes.push(other_kind(piece));
                        continue;
                    }
                    tally.candidates += 1;
                    let counted = wanted.count(policy, signers);
                    if counted.is_empty() {
                        let names: Vec<&str> = signers.iter().map(|s| s.authority.as_str()).collect();
                        let text = format!("by {}, whom this rule does not ask for", names.join(", "));
                        tally
                            .causes
                            .push(Explanation::new(Refusal::UnknownSigner, text).about(&piece.evidence));
                        continue;
                    }
                    tally.good.push(piece);
                    for signer in counted {
                        tally.signers.push(signer.clone());
                    }
                }
                Standing::Good { .. } => {}
                Standing::Bad(why) if piece.attached_to == subject.digest => {
                    // What could not be opened far enough to know its kind is named wherever it might count.
                    let unknown_kind = piece.predicate_type.is_none() && piece.kind == Kind::Bundle;
                    if right_kind || unknown_kind {
                        tally.candidates += 1;
                        tally.causes.push(why.clone());
                    } else {
                        tally.causes.push(other_kind(piece));
                    }
                }
                Standing::Bad(_) => {}
            }
        }
        tally.signers.sort();
        tally.signers.dedup();
        tally
    }

    /// Lets go of the pieces that have a fault.
    fn keep(&mut self, policy: &Policy, wanted: &Signers, faults: impl Fn(&Piece) -> Vec<Explanation>) {
        self.signers.clear();
        for piece in std::mem::take(&mut self.good) {
            let found = faults(piece);
            if !found.is_empty() {
                self.unfit += 1;
                self.causes.extend(found.into_iter().map(|e| e.about(&piece.evidence)));
                continue;
            }
            if let Standing::Good { signers, .. } = &piece.standing {
                self.signers.extend(wanted.count(policy, signers).into_iter().cloned());
            }
            self.good.push(piece);
        }
        self.signers.sort();
        self.signers.dedup();
    }

    fn requirement(
        self,
        policy: &Policy,
        wanted: &Signers,
        words: &str,
        codes: Codes,
        subject: &Subject,
    ) -> RequirementVerdict {
        let (have, need) = (wanted.distinct(policy, &self.signers), wanted.threshold);
        let met = have >= need && have > 0;
        let names = wanted.names(policy);
        let on = match &subject.platform {
            Some(platform) => format!("{platform} ({})", subject.digest),
            None => subject.digest.to_string(),
        };
        let refusals = if met {
            Vec::new()
        } else {
            let (code, text) = match (have, self.candidates) {
                (0, 0) => (codes.missing, format!("no {words} on {on}")),
                (0, _) if self.unfit > 0 => {
                    (codes.unfit, format!("no {words} by {names} on {on} is as the policy wants it"))
                }
                (0, _) => (codes.untrusted, format!("no valid {words} by {names} on {on}")),
                _ => (
                    Refusal::ThresholdNotMet,
                    format!("{have} of {need} distinct signers for {words} by {names} on {on}"),
                ),
            };
            vec![Explanation::new(code, text).because(self.causes)]
        };
        RequirementVerdict {
            requirement: format!("{words} by {names} ({have} of {need})"),
            met,
            signers: self.signers,
            evidence: self.good.iter().map(|p| p.evidence.clone()).collect(),
            refusals,
            excepted: Vec::new(),
            suppressed: Vec::new(),
        }
    }
}

fn other_kind(piece: &Piece) -> Explanation {
    let what = match (piece.kind, &piece.predicate_type) {
        (Kind::Signature, _) => "a signature".to_owned(),
        (Kind::UnsignedSbom, _) => {
            return Explanation::new(Refusal::EvidenceUnsigned, "an SBOM without a signature is not trusted")
                .about(&piece.evidence);
        }
        (_, Some(kind)) => format!("an attestation of type {kind}"),
        _ => "something else".to_owned(),
    };
    let who = piece.claimed_signer.as_deref().map(|w| format!(", it names {w}")).unwrap_or_default();
    Explanation::new(Refusal::OtherKind, format!("{what}, which is not what is asked for{who}"))
        .about(&piece.evidence)
}

fn signature(policy: &Policy, wanted: &Signers, subject: &Subject, pieces: &[Piece]) -> RequirementVerdict {
    Tally::of(policy, wanted, subject, pieces, |piece| piece.kind == Kind::Signature).requirement(
        policy,
        wanted,
        "signature",
        Codes::SIGNATURE,
        subject,
    )
}

fn sbom(policy: &Policy, rule: &SbomRule, subject: &Subject, pieces: &[Piece]) -> RequirementVerdict {
    let accepts = |piece: &Piece| piece.predicate_type.as_ref().is_some_and(|t| Wanted::Sbom.accepts(t));
    let mut tally = Tally::of(policy, &rule.signers, subject, pieces, accepts);
    tally.keep(policy, &rule.signers, |piece| match &piece.standing {
        Standing::Good { sbom, .. } => {
            sbom.get(&subject.digest).and_then(|found| found.no_inventory.clone()).into_iter().collect()
        }
        Standing::Bad(_) => Vec::new(),
    });
    let mut denials: Vec<Explanation> = Vec::new();
    let mut shortcomings: Vec<Explanation> = Vec::new();
    let mut flawless = false;
    for piece in &tally.good {
        let Standing::Good { sbom, .. } = &piece.standing else { continue };
        let Some(findings) = sbom.get(&subject.digest) else {
            // A counted SBOM that was not judged must not pass for one without findings.
            let why = "the SBOM was not judged; please report it";
            denials.push(Explanation::new(Refusal::SbomUnreadable, why).about(&piece.evidence));
            continue;
        };
        let about = |e: &Explanation| e.clone().about(&piece.evidence);
        denials.extend(findings.denials.iter().map(about));
        shortcomings.extend(findings.shortcomings.iter().map(about));
        flawless |= findings.shortcomings.is_empty();
    }
    let mut requirement = tally.requirement(policy, &rule.signers, "SBOM", Codes::SBOM, subject);
    if requirement.met {
        requirement.refusals = denials;
        if !flawless {
            requirement.refusals.extend(shortcomings);
        }
        requirement.met = requirement.refusals.is_empty() && flawless;
    }
    requirement
}
