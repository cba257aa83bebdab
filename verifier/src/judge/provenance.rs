//! Provenance and verification summaries: about the digest that was asked for, or about each of its platforms.

use super::{Codes, Facts, Inspected, Piece, Standing, Tally};
use crate::policy::Policy;
use crate::policy::provenance::{ProvenanceRule, Summarized, SummaryRule, is_provenance, is_summary};
use crate::verdict::{Explanation, Refusal, RequirementVerdict};
use crate::walk::Subject;

const PROVENANCE: Codes = Codes {
    missing: Refusal::ProvenanceMissing,
    untrusted: Refusal::ProvenanceUntrusted,
    unfit: Refusal::ProvenanceRefused,
};
/// For a summary there is one code; the causes say which of the two it is.
const SUMMARY: Codes = Codes {
    missing: Refusal::SummaryMissing,
    untrusted: Refusal::SummaryMissing,
    unfit: Refusal::SummaryRefused,
};

impl Inspected {
    /// Whether the provenance fulfils `rule`.
    pub(super) fn provenance(
        &self,
        policy: &Policy,
        rule: &ProvenanceRule,
        pieces: &[Piece],
    ) -> RequirementVerdict {
        self.own_or_each(|subject| {
            let summary = rule.summary.as_ref().map(|wanted| summary(policy, rule, wanted, subject, pieces));
            let Some(signers) = &rule.signers else {
                return summary.unwrap_or_else(|| RequirementVerdict::unmet("provenance"));
            };
            let summarized = match &summary {
                Some(summary) if summary.met => Summarized::Yes,
                _ => Summarized::No,
            };
            let accepts = |piece: &Piece| piece.predicate_type.as_ref().is_some_and(is_provenance);
            let mut tally = Tally::of(policy, signers, subject, pieces, accepts);
            tally.keep(policy, signers, |piece| match facts(piece) {
                Some(Facts::Provenance(found)) => rule.judge(found, summarized),
                other => unread(Refusal::ProvenanceUnreadable, other),
            });
            let mut made = tally.requirement(policy, signers, "provenance", PROVENANCE, subject);
            match (summary, made.refusals.first_mut()) {
                // A summary is missed only where the level is all that was missing.
                (Some(summary), Some(why)) if !summary.met && wants_level(why) => {
                    why.causes.extend(summary.refusals);
                }
                (Some(summary), None) if summary.met => made.evidence.extend(summary.evidence),
                _ => {}
            }
            made
        })
    }
}

fn wants_level(why: &Explanation) -> bool {
    why.walk().iter().any(|e| matches!(e.code, Refusal::SlsaLevelUnknown | Refusal::SlsaLevelTooLow))
}

fn summary(
    policy: &Policy,
    rule: &ProvenanceRule,
    wanted: &SummaryRule,
    subject: &Subject,
    pieces: &[Piece],
) -> RequirementVerdict {
    let accepts = |piece: &Piece| piece.predicate_type.as_ref().is_some_and(is_summary);
    let mut tally = Tally::of(policy, &wanted.signers, subject, pieces, accepts);
    tally.keep(policy, &wanted.signers, |piece| match facts(piece) {
        Some(Facts::Summary(found)) => rule.judge_summary(wanted, found),
        other => unread(Refusal::SummaryUnreadable, other),
    });
    tally.requirement(policy, &wanted.signers, "verification summary", SUMMARY, subject)
}

fn facts(piece: &Piece) -> Option<&Facts> {
    match &piece.standing {
        Standing::Good { facts, .. } => Some(facts),
        Standing::Bad(_) => None,
    }
}

/// What counts and was not read must not pass for something without faults.
fn unread(code: Refusal, facts: Option<&Facts>) -> Vec<Explanation> {
    vec![match facts {
        Some(Facts::Unreadable(why)) => why.clone(),
        _ => Explanation::new(code, "it was not read; please report it"),
    }]
}
