//! The whole of a judgement, for whoever wants to see it: which policies apply and why, and each piece of evidence with
//! what it counted for, or why it did not.
//!
//! Nothing is decided here. The verdict is the one of [`super::judge`]; where that stops looking because the answer is
//! yes, this goes on and looks at all that is there.

use super::{Inspected, Matching, Piece, Standing};
use crate::evidence::{Format, Kind};
use crate::verdict::{Explanation, PolicyVerdict, Signer, Verdict};
use crate::{ImageName, Mode, Verifier};
use serde::Serialize;

/// A verdict with everything that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The verdict: the same as without an explanation.
    pub verdict: Verdict,
    /// Every policy, and whether it speaks about the image.
    pub considered: Vec<Considered>,
    /// For each policy that applies: what was looked at.
    pub evidence: Vec<PolicyEvidence>,
}

/// A policy, and whether it speaks about the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Considered {
    /// Its name.
    pub policy: String,
    /// Its mode here, where it applies; else the one it has where nothing else is said.
    pub mode: Mode,
    /// Whether it applies.
    pub applies: bool,
    /// Why, or why not.
    pub why: String,
    /// Its patterns.
    pub images: Vec<String>,
    /// What it asks, a line each.
    pub asks: Vec<String>,
}

/// What was looked at for one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyEvidence {
    /// The policy's name.
    pub policy: String,
    /// Each piece, in the order in which it was found.
    pub pieces: Vec<Looked>,
}

/// One piece of evidence as one policy sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Looked {
    /// Its digest.
    pub evidence: String,
    /// The manifest that carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// The digest it is attached to.
    pub attached_to: String,
    /// What it is.
    pub kind: Kind,
    /// How it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The predicate type, proven only if `signers` is not empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicate_type: Option<String>,
    /// Who it says it is by; proven only if `signers` is not empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_signer: Option<String>,
    /// Whom the policy knows that signed it. Empty: it counts for nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<Signer>,
    /// The digests that it is about, of those that are judged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<String>,
    /// The requirements that it counts for, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counts_for: Vec<String>,
    /// Why it does not count, or what in it speaks against the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Explanation>,
    /// In one line.
    pub summary: String,
}

/// Every policy of `verifier`, and what `verdict` says of it.
pub(super) fn considered(verifier: &Verifier, name: &ImageName, verdict: &Verdict) -> Vec<Considered> {
    let each = verifier.policies().iter().map(|policy| {
        let images = policy.patterns();
        let matching = images.iter().find(|pattern| name.is_meant_by(pattern).unwrap_or(false));
        let applied = verdict.policies.iter().find(|p| p.policy == policy.name());
        let why = match (&matching, applied) {
            (None, _) => format!("no pattern matches {name}"),
            (Some(pattern), Some(_)) => format!("the pattern {pattern} matches"),
            (Some(pattern), None) => format!("the pattern {pattern} matches, and it is for other namespaces"),
        };
        Considered {
            policy: policy.name().to_owned(),
            mode: applied.map_or(policy.mode(), |p| p.mode),
            applies: applied.is_some(),
            why,
            images,
            asks: policy.summary(),
        }
    });
    each.collect()
}

impl Inspected {
    /// What was looked at for each of `policies`, given what they say.
    pub(super) fn evidence(
        &self,
        policies: &[Matching<'_>],
        verdicts: &[PolicyVerdict],
    ) -> Vec<PolicyEvidence> {
        let each = policies.iter().zip(&self.pieces).zip(verdicts).map(|((policy, pieces), verdict)| {
            PolicyEvidence {
                policy: policy.name().to_owned(),
                pieces: pieces.iter().map(|piece| self.looked(piece, verdict)).collect(),
            }
        });
        each.collect()
    }

    fn looked(&self, piece: &Piece, verdict: &PolicyVerdict) -> Looked {
        let item = self
            .items
            .iter()
            .flatten()
            .find(|item| item.digest.to_string() == piece.evidence && item.subject == piece.attached_to);
        let requirements = || verdict.subjects.iter().flat_map(|subject| &subject.requirements);
        let counts_for: Vec<String> = requirements()
            .filter(|requirement| requirement.evidence.contains(&piece.evidence))
            .map(|requirement| requirement.requirement.clone())
            .collect();
        let of_rules = requirements().flat_map(|r| &r.refusals);
        let mut reasons: Vec<Explanation> = verdict
            .refusals
            .iter()
            .chain(of_rules)
            .flat_map(Explanation::walk)
            .filter(|reason| reason.evidence.as_deref() == Some(piece.evidence.as_str()))
            .cloned()
            .collect();
        reasons.dedup();
        let (signers, about) = match &piece.standing {
            Standing::Good { signers, about, .. } => {
                (signers.clone(), about.iter().map(ToString::to_string).collect())
            }
            Standing::Bad(why) => {
                // The evidence's own fault first, then what rules made of it.
                reasons.retain(|reason| reason != why);
                reasons.insert(0, why.clone());
                (Vec::new(), Vec::new())
            }
        };
        let summary = match (&piece.standing, counts_for.as_slice()) {
            (Standing::Bad(why), _) => format!("counts for nothing: {}", why.message),
            (Standing::Good { .. }, []) => "valid, and no rule of this policy counts it".to_owned(),
            (Standing::Good { .. }, counted) => format!("counts for {}", counted.join("; ")),
        };
        Looked {
            evidence: piece.evidence.clone(),
            manifest: item.map(|item| item.manifest.to_string()),
            attached_to: piece.attached_to.to_string(),
            kind: piece.kind,
            format: item.map(|item| item.format),
            size: item.map(|item| item.size),
            predicate_type: piece.predicate_type.as_ref().map(ToString::to_string),
            claimed_signer: piece.claimed_signer.clone(),
            signers,
            about,
            counts_for,
            reasons,
            summary,
        }
    }
}
