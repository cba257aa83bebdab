//! Attested SBOMs to look into: read, not judged.
//!
//! For whoever wants to see what a trusted signer said is in an image. Only an SBOM whose signature verified
//! and whose statement is about the digest is handed out; whether it satisfies a policy is
//! [`crate::Verifier::judge`]'s question.

use crate::authority::Authority;
use crate::check::{self, Claim, Outcome, Question};
use crate::error::Error;
use crate::evidence::{self, Kind};
use crate::statement::PredicateType;
use crate::verdict::{Refusal, Signer};
use jiff::Timestamp;
use seaworthy_oci::{Digest, Source};
use seaworthy_sbom::inventory::Inventory;
use seaworthy_sbom::purpose::{Purpose, purpose};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An SBOM that trusted signers attested.
#[derive(Debug, Clone)]
pub struct AttestedSbom {
    /// Who: never empty.
    pub signers: Vec<Signer>,
    /// The digest of the evidence.
    pub evidence: Digest,
    /// What it says.
    pub inventory: Inventory,
}

/// The SBOMs about `subject` by any of `authorities`, the newest first. What cannot be read or counts for
/// nobody is left out; `seaworthy tree` shows it.
///
/// # Errors
/// Where it could not be found out what is attached, or whether the only one was revoked.
pub async fn attested(
    source: &dyn Source,
    subject: &Digest,
    authorities: &[Authority],
    now: Timestamp,
) -> Result<Vec<AttestedSbom>, Error> {
    let subjects = [subject.clone()];
    let question = Question { subjects: &subjects, authorities, now };
    let (mut found, mut unknown) = (Vec::new(), None);
    for item in evidence::collect(source, subject).await? {
        let maybe = match item.predicate_type.as_deref().map(PredicateType::from_uri) {
            Some(kind) => kind.is_sbom(),
            None => matches!(item.kind, Kind::Attestation | Kind::Bundle),
        };
        if !maybe {
            continue;
        }
        let Ok(content) = evidence::fetch(source, &item).await? else { continue };
        let verified = match check::examine(&item, content, question).outcome {
            Outcome::Verified(verified) => verified,
            Outcome::Invalid(why) => {
                unknown = unknown.or_else(|| {
                    why.walk().into_iter().find(|w| w.code == Refusal::RevocationUnknown).cloned()
                });
                continue;
            }
            _ => continue,
        };
        let Claim::Attestation(statement) = verified.value() else { continue };
        if !statement.predicate_type.is_sbom() || !verified.is_about(subject) {
            continue;
        }
        // A parser that panics has read nothing.
        let read = catch_unwind(AssertUnwindSafe(|| inventory(statement.predicate())));
        if let Ok(Some(inventory)) = read {
            found.push(AttestedSbom {
                signers: verified.signers().to_vec(),
                evidence: item.digest.clone(),
                inventory,
            });
        }
    }
    // What might have been one is not "none".
    if let (true, Some(why)) = (found.is_empty(), unknown) {
        return Err(Error::Undecided(why));
    }
    found.sort_by_key(|sbom| std::cmp::Reverse(sbom.inventory.created));
    Ok(found)
}

/// What an SBOM says; nothing, where the document is for something else.
fn inventory(predicate: &[u8]) -> Option<Inventory> {
    let (format, inventory) = seaworthy_sbom::read(predicate).ok()?;
    (purpose(format, predicate, &inventory).ok()? == Purpose::Inventory).then_some(inventory)
}
