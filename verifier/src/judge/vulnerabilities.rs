//! Vulnerability scans of each platform, with VEX applied.

use super::{Codes, Facts, Inspected, Piece, Standing, Tally};
use crate::policy::Policy;
use crate::policy::vulnerabilities::read::{Report, is_report};
use crate::policy::vulnerabilities::vex::About;
use crate::policy::vulnerabilities::{Vex, VulnerabilityRule};
use crate::verdict::{Explanation, Refusal, RequirementVerdict};
use crate::walk::Subject;

/// There is one code; the causes say what is wrong with each scan.
const SCAN: Codes =
    Codes { missing: Refusal::ScanMissing, untrusted: Refusal::ScanMissing, unfit: Refusal::ScanMissing };

impl Inspected {
    /// What `rule` says of the scans of `subject`.
    pub(super) fn vulnerabilities(
        &self,
        policy: &Policy,
        rule: &VulnerabilityRule,
        subject: &Subject,
        pieces: &[Piece],
    ) -> RequirementVerdict {
        let accepts = |piece: &Piece| piece.predicate_type.as_ref().is_some_and(is_report);
        let mut tally = Tally::of(policy, &rule.signers, subject, pieces, accepts);
        // What cannot be read may hide anything: it stays, and denies.
        tally.keep(policy, &rule.signers, |piece| match report(piece) {
            Some(report) => rule.stale(report, self.now).into_iter().collect(),
            None => Vec::new(),
        });
        let mut reports = Vec::new();
        let mut unread = Vec::new();
        for piece in &tally.good {
            match (report(piece), &piece.standing) {
                (Some(report), _) => reports.push((report, piece.evidence.as_str())),
                (None, Standing::Good { facts: Facts::Unreadable(why), .. }) => {
                    unread.push(why.clone().about(&piece.evidence));
                }
                (None, _) => {
                    let why = "the scan was not read; please report it";
                    unread.push(Explanation::new(Refusal::ScanUnreadable, why).about(&piece.evidence));
                }
            }
        }
        let mut digests = vec![&subject.digest];
        digests.extend(self.subjects.first().map(|s| &s.digest).filter(|d| **d != subject.digest));
        let vex = self.vex(policy, rule, subject, pieces);
        let about = About { digests: &digests, name: &self.name, now: self.now };
        let outcome = rule.judge(&reports, &vex, about);
        let mut made = tally.requirement(policy, &rule.signers, "vulnerability scan", SCAN, subject);
        if made.met {
            made.refusals = unread;
            made.refusals.extend(outcome.denials);
            made.met = made.refusals.is_empty();
            made.suppressed = outcome.suppressed;
        }
        made
    }

    /// The VEX statements that count for `subject`: about it, or about the digest that was asked for.
    fn vex<'p>(
        &self,
        policy: &Policy,
        rule: &VulnerabilityRule,
        subject: &Subject,
        pieces: &'p [Piece],
    ) -> Vec<Vex<'p>> {
        let Some(wanted) = &rule.vex else { return Vec::new() };
        let asked_for = self.subjects.first().map(|s| &s.digest);
        let mut all = Vec::new();
        for piece in pieces {
            if let Standing::Good { signers, about, facts: Facts::Vex(statements), .. } = &piece.standing
                && about.iter().any(|d| *d == subject.digest || Some(d) == asked_for)
                && let Some(who) = wanted.count(policy, signers).first()
            {
                all.push(Vex { statements, authority: &who.authority, evidence: &piece.evidence });
            }
        }
        all
    }
}

fn report(piece: &Piece) -> Option<&Report> {
    match &piece.standing {
        Standing::Good { facts: Facts::Scan(report), .. } => Some(report),
        _ => None,
    }
}
