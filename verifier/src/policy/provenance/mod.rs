//! The rule on provenance: built by whom, from which source, how well (SLSA).
//!
//! One attestation by a wanted signer must fulfil everything that the rule asks for; what it does not say is not
//! fulfilled ([`Refusal::ProvenanceCannotTell`]). An image may have several provenances, and one that fulfils the rule is
//! enough, as one signature is: nobody whom the policy does not name can add one.
//!
//! The SLSA level stands in no provenance: a builder cannot vouch for itself. It follows from what the policy says of
//! the builder, or from a verification summary by a named authority. Refused when loaded is a level that nobody states.

pub(crate) mod read;

use super::glob::{Fixed, Glob, listed};
use super::lint::Lint;
use super::model::At;
use super::rules::shown;
use super::{Policy, Signers};
use crate::statement::PredicateType;
use crate::verdict::{Explanation, Refusal};
use read::{Provenance, SUMMARY, Summary};
use serde::Deserialize;

/// The highest level of SLSA's build track.
const HIGHEST: u32 = 3;

/// What the provenance must say: by whom built, from what, how well.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProvenanceDoc {
    /// Names of authorities whose provenance counts. May be left out where `summary` states the level and nothing else
    /// is asked for.
    by: Option<At<Vec<At<String>>>>,
    /// How many distinct signers among them; 1 if left out.
    threshold: Option<At<u32>>,
    /// Builders, of which the provenance must name one.
    builders: Option<At<Vec<At<BuilderDoc>>>>,
    /// Source repositories, as `https://host/path`, of which it must name one; `*` within a component, `**` for several.
    sources: Option<At<Vec<At<String>>>>,
    /// Refs, such as `refs/heads/main` or `refs/tags/v*`, of which it must name one.
    refs: Option<At<Vec<At<String>>>>,
    /// Build types, of which it must name one.
    build_types: Option<At<Vec<At<String>>>>,
    /// The SLSA build level that must be reached at least, 1 to 3.
    level: Option<At<u32>>,
    /// Verification summaries, which state the level as well.
    summary: Option<At<SummaryDoc>>,
}

/// A builder, and how far the policy trusts it.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BuilderDoc {
    /// The builder's id, exactly, or with `*` within a component and `**` for anything.
    id: At<String>,
    /// The SLSA build level that whoever writes the policy vouches for.
    level: Option<At<u32>>,
}

/// Verification summaries (SLSA VSA).
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SummaryDoc {
    /// Names of authorities.
    by: Option<At<Vec<At<String>>>>,
    /// How many distinct signers among them; 1 if left out.
    threshold: Option<At<u32>>,
    /// Ids of verifiers, of which the summary must name one. Any if left out: `by` says who signs.
    verifiers: Option<At<Vec<At<String>>>>,
    /// Resource URIs, of which the summary must name one. Any if left out: the digest says what it is about.
    resources: Option<At<Vec<At<String>>>>,
}

/// What is asked of the provenance.
#[derive(Debug, Clone)]
pub(crate) struct ProvenanceRule {
    /// None where the verification summary alone is asked for.
    pub(crate) signers: Option<Signers>,
    builders: Vec<Builder>,
    sources: Vec<Glob>,
    refs: Vec<Glob>,
    build_types: Vec<Glob>,
    pub(crate) level: Option<u32>,
    pub(crate) summary: Option<SummaryRule>,
}

#[derive(Debug, Clone)]
struct Builder {
    id: Glob,
    level: Option<u32>,
}

/// What is asked of a verification summary, besides the level.
#[derive(Debug, Clone)]
pub(crate) struct SummaryRule {
    pub(crate) signers: Signers,
    verifiers: Vec<Glob>,
    resources: Vec<Glob>,
}

/// Whether a level is stated besides the provenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Summarized {
    /// A verification summary states the level that is asked for.
    Yes,
    /// None does.
    No,
}

/// Whether `kind` is provenance of a version that is read.
pub(crate) fn is_provenance(kind: &PredicateType) -> bool {
    matches!(kind, PredicateType::SlsaProvenance1 | PredicateType::SlsaProvenance02)
}

/// Whether `kind` is a verification summary.
pub(crate) fn is_summary(kind: &PredicateType) -> bool {
    matches!(kind, PredicateType::Uri(uri) if uri == SUMMARY)
}

impl ProvenanceRule {
    /// What it asks for, a line each, for people.
    pub(super) fn summary_lines(&self, policy: &Policy) -> Vec<String> {
        let mut lines: Vec<String> =
            self.signers.iter().map(|s| format!("provenance {}", s.by(policy))).collect();
        if !self.builders.is_empty() {
            let ids: Vec<Glob> = self.builders.iter().map(|b| b.id.clone()).collect();
            lines.push(format!("built by {}", listed(&ids)));
        }
        for (what, patterns) in
            [("source", &self.sources), ("ref", &self.refs), ("build type", &self.build_types)]
        {
            if !patterns.is_empty() {
                lines.push(format!("{what} {}", listed(patterns)));
            }
        }
        lines.extend(self.level.map(|level| format!("SLSA build level {level}")));
        lines.extend(self.summary.iter().map(|s| format!("verification summary {}", s.signers.by(policy))));
        lines
    }

    /// Why `found` does not fulfil the rule; nothing where it does.
    pub(crate) fn judge(&self, found: &Provenance, summarized: Summarized) -> Vec<Explanation> {
        let mut why = Vec::new();
        let untold = |what: &str| {
            Explanation::new(Refusal::ProvenanceCannotTell, format!("the provenance does not say {what}"))
        };
        let mut level = None;
        if !self.builders.is_empty() {
            match &found.builder {
                None => why.push(untold("who built the image")),
                Some(id) => {
                    let of = self.builders.iter().filter(|b| b.id.matches(id));
                    let levels: Vec<Option<u32>> = of.map(|b| b.level).collect();
                    if levels.is_empty() {
                        let text = format!("built by {}, which the policy does not name", shown(id));
                        why.push(Explanation::new(Refusal::BuilderRefused, text));
                    }
                    level = levels.into_iter().flatten().max();
                }
            }
        }
        match &found.source {
            _ if self.sources.is_empty() => {}
            None => why.push(untold("which repository it was built from")),
            Some(Err(text)) => why.push(Explanation::new(Refusal::ProvenanceCannotTell, text.clone())),
            Some(Ok(source)) if !self.sources.iter().any(|s| s.matches(source)) => {
                let text = format!("built from {}, not from {}", shown(source), listed(&self.sources));
                why.push(Explanation::new(Refusal::SourceRefused, text));
            }
            Some(Ok(_)) => {}
        }
        for (patterns, value, code, unsaid, words) in [
            (&self.refs, &found.reference, Refusal::SourceRefRefused, "which ref it was built from", "ref"),
            (
                &self.build_types,
                &found.build_type,
                Refusal::BuildTypeRefused,
                "how it was built",
                "build type",
            ),
        ] {
            match value {
                _ if patterns.is_empty() => {}
                None => why.push(untold(unsaid)),
                Some(value) if !patterns.iter().any(|p| p.matches(value)) => {
                    let text = format!("{words} {}, not {}", shown(value), listed(patterns));
                    why.push(Explanation::new(code, text));
                }
                Some(_) => {}
            }
        }
        if let (Some(wanted), Summarized::No, true) = (self.level, summarized, why.is_empty()) {
            match level {
                Some(level) if level >= wanted => {}
                Some(level) => why.push(Explanation::new(
                    Refusal::SlsaLevelTooLow,
                    format!("the policy gives its builder level {level}, and wants level {wanted}"),
                )),
                None => why.push(Explanation::new(
                    Refusal::SlsaLevelUnknown,
                    format!("nobody states the SLSA build level; the policy wants level {wanted}"),
                )),
            }
        }
        why
    }

    /// Why `found` does not state the level that the rule asks for; nothing where it does.
    pub(crate) fn judge_summary(&self, rule: &SummaryRule, found: &Summary) -> Vec<Explanation> {
        let mut why = Vec::new();
        if !found.passed {
            let text = "the verification summary says that the image did not pass";
            why.push(Explanation::new(Refusal::SummaryRefused, text));
        }
        for (patterns, value, what) in
            [(&rule.verifiers, &found.verifier, "verifier"), (&rule.resources, &found.resource, "resource")]
        {
            match value {
                _ if patterns.is_empty() => {}
                None => why.push(Explanation::new(
                    Refusal::SummaryRefused,
                    format!("the verification summary names no {what}"),
                )),
                Some(value) if !patterns.iter().any(|p| p.matches(value)) => why.push(Explanation::new(
                    Refusal::SummaryRefused,
                    format!(
                        "the verification summary is of {what} {}, not {}",
                        shown(value),
                        listed(patterns)
                    ),
                )),
                Some(_) => {}
            }
        }
        if let Some(wanted) = self.level {
            match found.level {
                Some(level) if level >= wanted => {}
                Some(level) => why.push(Explanation::new(
                    Refusal::SlsaLevelTooLow,
                    format!(
                        "the verification summary states level {level}, and the policy wants level {wanted}"
                    ),
                )),
                None => why.push(Explanation::new(
                    Refusal::SlsaLevelUnknown,
                    format!(
                        "the verification summary states no build level; the policy wants level {wanted}"
                    ),
                )),
            }
        }
        why
    }
}

impl Lint<'_> {
    pub(super) fn provenance(&mut self, at: &At<ProvenanceDoc>) -> ProvenanceRule {
        let doc = at.get();
        let summary_alone = doc.by.is_none() && doc.summary.is_some();
        let signers = (!summary_alone).then(|| self.signers(at, doc.by.as_ref(), doc.threshold.as_ref()));
        if summary_alone {
            let lists = [&doc.sources, &doc.refs, &doc.build_types];
            let asked = lists.into_iter().flatten().map(|list| (list.line(), list.column()));
            let asked = asked.chain(doc.builders.iter().map(|b| (b.line(), b.column())));
            for place in asked.chain(doc.threshold.iter().map(|t| (t.line(), t.column()))) {
                self.say_there(
                    place,
                    "without `by` no provenance is looked at, and this has no effect",
                    "name under `by` whose provenance counts",
                );
            }
        }
        let level = doc.level.as_ref().and_then(|level| self.slsa_level(level));
        let builders = self.builders(doc);
        let sources = self.source_patterns(doc.sources.as_ref());
        let refs = self.globs(doc.refs.as_ref(), "refs", Fixed::Free);
        let build_types = self.globs(doc.build_types.as_ref(), "buildTypes", Fixed::Host);
        let summary = doc.summary.as_ref().map(|at| {
            let summary = at.get();
            SummaryRule {
                signers: self.signers(at, summary.by.as_ref(), summary.threshold.as_ref()),
                verifiers: self.globs(summary.verifiers.as_ref(), "verifiers", Fixed::Host),
                resources: self.globs(summary.resources.as_ref(), "resources", Fixed::Free),
            }
        });
        let stated: Vec<u32> = builders.iter().filter_map(|b| b.level).collect();
        match (&doc.level, level) {
            (None, _) => {
                if let Some(summary) = &doc.summary {
                    self.say(
                        summary,
                        "a summary states a level, and none is asked for",
                        "add level: 1, 2 or 3",
                    );
                }
                for builder in doc.builders.iter().flat_map(|list| list.get()) {
                    if let Some(level) = &builder.get().level {
                        self.say(
                            level,
                            "a builder's level has no effect where no level is asked for",
                            "add provenance.level, or leave it out",
                        );
                    }
                }
            }
            (Some(place), Some(wanted)) if summary.is_none() && stated.iter().all(|l| *l < wanted) => {
                self.say(
                    place,
                    "nobody states such a level: this could never be met",
                    "give a builder its level, or name under summary who states it",
                );
            }
            _ => {}
        }
        ProvenanceRule { signers, builders, sources, refs, build_types, level, summary }
    }

    fn builders(&mut self, doc: &ProvenanceDoc) -> Vec<Builder> {
        let Some(list) = &doc.builders else { return Vec::new() };
        if list.get().is_empty() {
            self.say(list, "an empty list of builders names nobody", "leave it out, or name a builder");
        }
        let mut builders: Vec<Builder> = Vec::new();
        for at in list.get() {
            let BuilderDoc { id, level } = at.get();
            let level = level.as_ref().and_then(|level| self.slsa_level(level));
            let Some(pattern) = self.glob(id, Fixed::Host) else { continue };
            if builders.iter().any(|b| b.id == pattern) {
                self.say(id, "the same builder twice", "leave one of them out");
            }
            builders.push(Builder { id: pattern, level });
        }
        builders
    }

    fn slsa_level(&mut self, at: &At<u32>) -> Option<u32> {
        let level = *at.get();
        if (1..=HIGHEST).contains(&level) {
            return Some(level);
        }
        self.say(
            at,
            format!("there is no SLSA build level {level} that means anything"),
            format!("write 1 to {HIGHEST}; level 0 asks for nothing"),
        );
        None
    }

    fn source_patterns(&mut self, list: Option<&At<Vec<At<String>>>>) -> Vec<Glob> {
        // Checked as patterns first, so that each is told once.
        let mut made = Vec::new();
        for at in list.iter().flat_map(|list| list.get()) {
            match read::repository(at.get()) {
                Some(repository) if repository.reference.is_some() => {
                    self.say(at, "a ref is not part of a repository", "write it under refs");
                }
                Some(repository) => match Glob::parse(&repository.url, Fixed::Host) {
                    Ok(glob) => made.push(glob),
                    Err(refused) => self.say(at, refused.why, refused.hint),
                },
                None => self.say(
                    at,
                    format!("'{}' is no source repository", at.get().escape_debug()),
                    "write it as https://github.com/acme/app, or https://github.com/acme/*",
                ),
            }
        }
        if let Some(list) = list
            && list.get().is_empty()
        {
            self.say(list, "an empty list of sources names nothing", "leave it out, or name a repository");
        }
        made
    }
}
