//! Conditions in CEL: the values of their variables for one platform's image, and what they come to.

use super::{Facts, Inspected, Kind, Piece, Standing};
use crate::policy::Policy;
use crate::policy::conditions::value::{Record, Value};
use crate::policy::conditions::{BUDGET, Condition, Stop, Uses};
use crate::policy::provenance::Summarized;
use crate::policy::provenance::read::Provenance;
use crate::verdict::{Explanation, Refusal, RequirementVerdict};
use crate::walk::Subject;
use jiff::Timestamp;
use seaworthy_sbom::purpose::{Purpose, purpose};
use std::collections::BTreeSet;

/// The packages of an SBOM, as expressions see them; of what is no inventory, none, and not an empty list.
pub(super) fn packages(predicate: &[u8]) -> Option<Value> {
    let (format, inventory) = seaworthy_sbom::read(predicate).ok()?;
    if purpose(format, predicate, &inventory).ok()? != Purpose::Inventory {
        return None;
    }
    Some(Value::list(inventory.packages.iter().map(|p| {
        let license = p.license.expression.as_ref().or(p.license.concluded.as_ref());
        let fields = vec![
            Value::text(&p.name),
            Value::maybe(p.version.as_ref()),
            Value::maybe(p.purl.as_ref()),
            Value::text(p.ecosystem.name()),
            Value::maybe(license),
            Value::maybe(p.supplier.as_ref()),
        ];
        Value::Record(Record::Package, fields.into())
    })))
}

impl Inspected {
    /// What the conditions of `policy` come to for `subject`.
    pub(super) fn conditions(
        &self,
        policy: &Policy,
        subject: &Subject,
        pieces: &[Piece],
    ) -> Vec<RequirementVerdict> {
        if policy.conditions.is_empty() {
            return Vec::new();
        }
        let variables = self.variables(policy, subject, pieces);
        policy.conditions.iter().map(|condition| met(condition, &variables)).collect()
    }

    fn variables(&self, policy: &Policy, subject: &Subject, pieces: &[Piece]) -> Vec<Value> {
        let uses = policy.condition_uses();
        let asked_for = self.subjects.first().map_or(&subject.digest, |s| &s.digest);
        let name = self.name.to_string();
        let (registry, repository) = name.split_once('/').unwrap_or(("", &name));
        let image = vec![
            Value::text(&name),
            Value::text(registry),
            Value::text(repository),
            Value::text(asked_for.to_string()),
        ];
        let platform = subject.platform.as_ref().map_or(Value::Null, |p| {
            let variant = Value::maybe(p.variant.as_ref());
            Value::Record(
                Record::Platform,
                vec![Value::text(&p.os), Value::text(&p.architecture), variant].into(),
            )
        });
        vec![
            Value::Record(Record::Image, image.into()),
            Value::text(subject.digest.to_string()),
            Value::maybe(self.tag.as_ref()),
            Value::maybe(self.namespace.as_ref()),
            platform,
            Value::map(&subject.annotations),
            self.signers(asked_for, pieces),
            if uses.sbom { sbom(policy, subject, pieces) } else { Value::Null },
            provenance(policy, subject, asked_for, pieces, uses),
            self.config(subject),
            Value::Time(self.now),
        ]
    }

    /// Those who signed the digest that was asked for, each once.
    fn signers(&self, asked_for: &seaworthy_oci::Digest, pieces: &[Piece]) -> Value {
        let mut all = BTreeSet::new();
        for piece in pieces.iter().filter(|p| p.kind == Kind::Signature) {
            if let Standing::Good { signers, about, .. } = &piece.standing
                && about.contains(asked_for)
            {
                all.extend(signers);
            }
        }
        Value::list(all.into_iter().map(|s| {
            Value::Record(Record::Signer, vec![Value::text(&s.authority), Value::text(&s.id)].into())
        }))
    }

    fn config(&self, subject: &Subject) -> Value {
        let Some(Ok(config)) = self.configs.get(&subject.digest) else { return Value::Null };
        let created = config.created.as_ref().and_then(|t| t.parse::<Timestamp>().ok());
        let fields = vec![
            Value::text(&config.user),
            Value::list(config.env.iter().map(Value::text)),
            Value::list(config.ports.iter().map(Value::text)),
            Value::map(&config.labels),
            created.map_or(Value::Null, Value::Time),
            Value::maybe(config.os.as_ref()),
            Value::maybe(config.architecture.as_ref()),
        ];
        Value::Record(Record::Config, fields.into())
    }
}

/// The packages of every SBOM that counts under the policy's rule; null where there is none.
fn sbom(policy: &Policy, subject: &Subject, pieces: &[Piece]) -> Value {
    let Some(rule) = &policy.sbom else { return Value::Null };
    let mut all: Vec<Value> = Vec::new();
    let mut some = false;
    for piece in pieces {
        if let Standing::Good { signers, about, packages: Some(Value::List(packages)), .. } = &piece.standing
            && about.contains(&subject.digest)
            && !rule.signers.count(policy, signers).is_empty()
        {
            some = true;
            all.extend(packages.iter().cloned());
        }
    }
    if some { Value::Record(Record::Sbom, vec![Value::list(all)].into()) } else { Value::Null }
}

/// The first provenance that fulfils the policy's rule; null where there is none.
fn provenance(
    policy: &Policy,
    subject: &Subject,
    asked_for: &seaworthy_oci::Digest,
    pieces: &[Piece],
    uses: Uses,
) -> Value {
    let Some(rule) = policy.provenance.as_ref().filter(|_| uses.provenance) else { return Value::Null };
    let record = |found: &Provenance| {
        let source = found.source.as_ref().and_then(|s| s.as_ref().ok());
        let fields = [
            found.builder.as_ref(),
            found.build_type.as_ref(),
            source,
            found.reference.as_ref(),
            found.commit.as_ref(),
        ];
        Value::Record(Record::Provenance, fields.map(Value::maybe).to_vec().into())
    };
    let fulfils = |piece: &Piece| match &piece.standing {
        Standing::Good { about, facts: Facts::Provenance(found), .. }
            if (about.contains(&subject.digest) || about.contains(asked_for))
                && rule.judge(found, Summarized::Yes).is_empty() =>
        {
            Some(record(found))
        }
        _ => None,
    };
    pieces.iter().find_map(fulfils).unwrap_or(Value::Null)
}

fn met(condition: &Condition, variables: &[Value]) -> RequirementVerdict {
    let message = &condition.message;
    let refusal = match condition.program.run(variables) {
        Ok(true) => None,
        Ok(false) => Some(Explanation::new(Refusal::ConditionNotMet, message.clone())),
        Err(Stop::Error(why)) => {
            let text = format!("{message}: it cannot be told: {why}");
            Some(Explanation::new(Refusal::ConditionCannotTell, text))
        }
        Err(Stop::Budget) => {
            let text = format!("{message}: it would take more than {BUDGET} steps to tell");
            Some(Explanation::new(Refusal::ConditionOverBudget, text))
        }
    };
    let requirement = format!("condition: {message}");
    let refusals: Vec<Explanation> = refusal.into_iter().collect();
    RequirementVerdict { met: refusals.is_empty(), refusals, ..RequirementVerdict::unmet(requirement) }
}
