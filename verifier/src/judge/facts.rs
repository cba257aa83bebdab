//! What the rules need of a verified predicate, read once for each policy, with everything heavy gone.

use crate::policy::Policy;
use crate::policy::provenance::read::{Provenance, Summary};
use crate::policy::provenance::{is_provenance, is_summary};
use crate::policy::vulnerabilities::read::{Report, is_report};
use crate::policy::vulnerabilities::vex;
use crate::statement::PredicateType;
use crate::statement::Statement;
use crate::verdict::{Explanation, Refusal, Signer};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a predicate says that a rule of the policy asks about.
#[derive(Debug)]
pub(super) enum Facts {
    /// No rule asks about it.
    Nothing,
    Provenance(Box<Provenance>),
    Summary(Summary),
    Scan(Report),
    Vex(Vec<vex::Statement>),
    /// It is of a type that a rule asks about, and cannot be read.
    Unreadable(Explanation),
}

impl Facts {
    /// Reads `statement` where a rule of `policy` asks for its type and counts one of `signers`.
    pub(super) fn read(statement: &Statement, policy: &Policy, signers: &[Signer]) -> Self {
        let read = catch_unwind(AssertUnwindSafe(|| Self::reading(statement, policy, signers)));
        read.unwrap_or_else(|_| {
            let text = "the parser of the predicate panicked; please report it";
            Self::Unreadable(Explanation::new(Refusal::VerifierPanicked, text))
        })
    }

    fn reading(statement: &Statement, policy: &Policy, signers: &[Signer]) -> Self {
        let kind = &statement.predicate_type;
        let unreadable = |code, why: String| Self::Unreadable(Explanation::new(code, why));
        if let Some(rule) = &policy.provenance {
            let wanted = rule.signers.as_ref().filter(|_| is_provenance(kind));
            if wanted.is_some_and(|s| !s.count(policy, signers).is_empty()) {
                return match Provenance::read(kind, statement.predicate()) {
                    Ok(found) => Self::Provenance(Box::new(found)),
                    Err(why) => unreadable(Refusal::ProvenanceUnreadable, why),
                };
            }
            let wanted = rule.summary.as_ref().filter(|_| is_summary(kind));
            if wanted.is_some_and(|s| !s.signers.count(policy, signers).is_empty()) {
                return match Summary::read(statement.predicate()) {
                    Ok(found) => Self::Summary(found),
                    Err(why) => unreadable(Refusal::SummaryUnreadable, why),
                };
            }
        }
        if let Some(rule) = &policy.vulnerabilities {
            if is_report(kind) && !rule.signers.count(policy, signers).is_empty() {
                return match Report::read(statement.predicate()) {
                    Ok(report) => Self::Scan(report),
                    Err(why) => unreadable(Refusal::ScanUnreadable, why),
                };
            }
            let vex = matches!(kind, PredicateType::OpenVex | PredicateType::CycloneDx);
            let wanted = rule.vex.as_ref().filter(|_| vex);
            if wanted.is_some_and(|s| !s.count(policy, signers).is_empty()) {
                // VEX that cannot be read suppresses nothing, and speaks against nothing.
                return vex::Statement::read_all(statement.predicate()).map_or(Self::Nothing, Self::Vex);
            }
        }
        Self::Nothing
    }
}
