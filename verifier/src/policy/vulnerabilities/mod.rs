//! The rule on vulnerabilities: how bad, how recently looked for, what is ignored, and what VEX says.
//!
//! Every report by the wanted signers counts, and each finding once: what one scanner sees and another does not is a
//! finding. Reports that are too old are left out where a newer one is there. A finding speaks against the image if its
//! severity is above the limit or the policy names it; a severity that nobody knows is above every limit.
//!
//! What would deny and does not, because the policy ignores it or a named authority's VEX speaks for it, is recorded,
//! each with the reason ([`Suppressed`]). VEX takes nothing away that the policy denies by name: the policy's own word
//! can be lifted by an exception alone.

pub(crate) mod read;
pub(crate) mod vex;

use super::lint::Lint;
use super::model::At;
use super::{Policy, Signers};
use crate::limits;
use crate::verdict::{Explanation, Refusal, Suppressed};
use jiff::{SignedDuration, Timestamp};
use read::{Finding, Fix, Report, Severity};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use vex::{About, Statement};

/// What scans of each platform may find.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VulnerabilitiesDoc {
    /// Names of authorities whose scans count.
    by: Option<At<Vec<At<String>>>>,
    /// How many distinct signers among them; 1 if left out.
    threshold: Option<At<u32>>,
    /// How old the newest scan may be: `7d`.
    max_age: Option<At<String>>,
    /// The highest severity that is allowed: `negligible`, `low`, `medium`, `high`, `critical`.
    max_severity: Option<At<String>>,
    /// `allow`: findings whose severity is not known do not count. They deny if left out.
    unknown_severity: Option<At<String>>,
    /// `only`: findings that cannot be fixed yet do not count, unless `deny` names them.
    fix_available: Option<At<String>>,
    /// Ids of vulnerabilities that deny, however severe, fixed or not, and whatever VEX says.
    deny: Option<At<Vec<At<String>>>>,
    /// Ids of vulnerabilities that do not count. Each is recorded in the verdict.
    ignore: Option<At<Vec<At<String>>>>,
    /// Whose VEX statements count.
    vex: Option<At<VexDoc>>,
}

/// VEX: OpenVEX and CycloneDX attestations.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VexDoc {
    /// Names of authorities.
    by: Option<At<Vec<At<String>>>>,
}

/// What is asked of the scans.
#[derive(Debug, Clone)]
pub(crate) struct VulnerabilityRule {
    pub(crate) signers: Signers,
    max_age: Option<SignedDuration>,
    max_severity: Option<Severity>,
    unknown: Unknown,
    unfixed: Unfixed,
    /// In upper case.
    deny: BTreeSet<String>,
    ignore: BTreeSet<String>,
    pub(crate) vex: Option<Signers>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    Denies,
    Allowed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unfixed {
    Count,
    DoNotCount,
}

/// What the rule says of one image.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) denials: Vec<Explanation>,
    pub(crate) suppressed: Vec<Suppressed>,
}

/// VEX that counts: what it says, who says so, and in which piece of evidence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vex<'a> {
    pub(crate) statements: &'a [Statement],
    pub(crate) authority: &'a str,
    pub(crate) evidence: &'a str,
}

impl VulnerabilityRule {
    /// What it asks for, a line each, for people.
    pub(super) fn summary_lines(&self, policy: &Policy) -> Vec<String> {
        let mut lines = vec![format!("vulnerability scan of each platform {}", self.signers.by(policy))];
        lines.extend(self.max_age.map(|age| format!("scan no older than {age:#}")));
        let fixable = match self.unfixed {
            Unfixed::Count => "",
            Unfixed::DoNotCount => " that can be fixed",
        };
        lines.extend(self.max_severity.map(|s| format!("no vulnerability{fixable} above {s}")));
        lines.extend(self.deny.iter().map(|id| format!("no {id}")));
        lines.extend(self.vex.iter().map(|vex| format!("VEX {}", vex.by(policy))));
        lines
    }

    /// Why `report` does not count: it is too old, or does not say when it was made.
    pub(crate) fn stale(&self, report: &Report, now: Timestamp) -> Option<Explanation> {
        let max_age = self.max_age?;
        let Some(scanned) = report.scanned else {
            return Some(Explanation::new(
                Refusal::ScanDateUnknown,
                "the scan does not say when it was made",
            ));
        };
        let age = now.duration_since(scanned);
        if age < -limits::CLOCK_SKEW {
            let text = format!("the scan says that it was made at {scanned}, in the future");
            return Some(Explanation::new(Refusal::ScanDateUnknown, text));
        }
        (age > max_age).then(|| {
            let text = format!("the scan was made at {scanned}, {} days ago", age.as_hours() / 24);
            Explanation::new(Refusal::ScanTooOld, text).hint("scan again and attest the new result")
        })
    }

    /// What `reports` (each with its evidence) say, with `vex` applied.
    pub(crate) fn judge(&self, reports: &[(&Report, &str)], vex: &[Vex<'_>], about: About<'_>) -> Outcome {
        let mut by_id: HashMap<&str, Vec<(&Statement, &Vex<'_>)>> = HashMap::new();
        for one in vex {
            for statement in one.statements {
                for id in &statement.ids {
                    by_id.entry(id).or_default().push((statement, one));
                }
            }
        }
        // Of one vulnerability in one package, the worst that any report says.
        let mut findings: BTreeMap<(&str, Option<&str>, String), (&Finding, &str)> = BTreeMap::new();
        for (report, evidence) in reports {
            for finding in &report.findings {
                let Some(id) = finding.ids.first() else { continue };
                let purl = finding.purl.as_ref().map(ToString::to_string).unwrap_or_default();
                let place =
                    findings.entry((id, finding.package.as_deref(), purl)).or_insert((finding, evidence));
                if weight(finding) > weight(place.0) {
                    *place = (finding, evidence);
                }
            }
        }
        let mut outcome = Outcome::default();
        for (finding, evidence) in findings.into_values() {
            let Some(denial) = self.denies(finding) else { continue };
            let named = denial.code == Refusal::VulnerabilityListed;
            let ignored = finding.ids.iter().find(|id| self.ignore.contains(*id));
            let statements = finding.ids.iter().filter_map(|id| by_id.get(id.as_str())).flatten().copied();
            let spoken = vex::decisive(statements, finding, about);
            let lifted = if let Some(id) = ignored {
                Some(Suppressed::new(finding.ids.clone(), "ignore", format!("the policy ignores {id}")))
            } else if let (Some((statement, from)), false) = (spoken, named)
                && statement.status.suppresses()
            {
                let reason = statement.reason.clone().unwrap_or_default();
                let status = statement.status.name();
                let text = if reason.is_empty() { status.to_owned() } else { format!("{status}: {reason}") };
                Some(
                    Suppressed::new(finding.ids.clone(), "vex", text.chars().take(300).collect::<String>())
                        .told_by(from.authority, from.evidence),
                )
            } else {
                None
            };
            match lifted {
                // What is not recorded is not suppressed.
                Some(suppressed) if outcome.suppressed.len() < limits::SUPPRESSED => {
                    outcome.suppressed.push(suppressed.of(finding.package.clone(), finding.severity));
                }
                _ => outcome.denials.push(denial.about(evidence)),
            }
        }
        // The worst first: the first line is what a tired person reads.
        outcome.denials.sort_by_key(|e| std::cmp::Reverse(rank(e)));
        outcome
    }

    fn denies(&self, finding: &Finding) -> Option<Explanation> {
        let id = finding.ids.first()?;
        let place = finding.package.as_deref().map(|p| format!(" in {p}")).unwrap_or_default();
        let fix = match finding.fix {
            Fix::Yes => ", and a fix is there",
            Fix::No => ", and no fix is there",
            Fix::Unknown => "",
        };
        let shown = id.escape_debug();
        let severity = finding.severity.map_or_else(|| "of unknown severity".to_owned(), |s| s.to_string());
        let purl = finding.purl.as_ref().map(ToString::to_string);
        let made = |code, text: String| {
            Some(Explanation::new(code, text).on(finding.ids.clone(), purl.or(finding.package.clone())))
        };
        if let Some(named) = finding.ids.iter().find(|id| self.deny.contains(*id)) {
            let other = if named == id { String::new() } else { format!(" ({})", named.escape_debug()) };
            return made(
                Refusal::VulnerabilityListed,
                format!("{shown}{other} ({severity}){place} is denied by the policy{fix}"),
            );
        }
        if self.unfixed == Unfixed::DoNotCount && finding.fix == Fix::No {
            return None;
        }
        let limit = self.max_severity?;
        match finding.severity {
            Some(severity) if severity <= limit => None,
            Some(severity) => {
                made(Refusal::VulnerabilityTooSevere, format!("{shown} ({severity}){place}{fix}"))
            }
            None if self.unknown == Unknown::Allowed => None,
            None => made(
                Refusal::VulnerabilitySeverityUnknown,
                format!("{shown}{place} is of unknown severity{fix}"),
            ),
        }
    }
}

/// Which of two reports of one finding is worse; an unknown severity is the worst.
fn weight(finding: &Finding) -> (bool, Option<Severity>, bool) {
    (finding.severity.is_none(), finding.severity, finding.fix != Fix::No)
}

fn rank(why: &Explanation) -> u8 {
    match why.code {
        Refusal::VulnerabilityListed => 9,
        _ if why.message.contains("(critical)") => 5,
        _ if why.message.contains("(high)") => 4,
        Refusal::VulnerabilityTooSevere => 3,
        _ => 2,
    }
}

impl Lint<'_> {
    pub(super) fn vulnerabilities(&mut self, at: &At<VulnerabilitiesDoc>) -> VulnerabilityRule {
        let doc = at.get();
        let signers = self.signers(at, doc.by.as_ref(), doc.threshold.as_ref());
        let max_age = doc.max_age.as_ref().and_then(|age| self.duration(age));
        let max_severity = doc.max_severity.as_ref().and_then(|place| {
            let word = place.get().as_str();
            let known = Severity::from_word(word).filter(|s| s.to_string() == word);
            if known.is_none() {
                let message = format!("there is no severity '{}'", word.escape_debug());
                self.say(place, message, "write negligible, low, medium, high or critical");
            }
            known
        });
        let unknown = self.word(doc.unknown_severity.as_ref(), "allow", "unknownSeverity");
        let only = self.word(doc.fix_available.as_ref(), "only", "fixAvailable");
        if let (Some(limit), Some(Severity::Critical)) = (&doc.max_severity, max_severity)
            && unknown
        {
            self.say(
                limit,
                "nothing is above critical, and unknown severities are allowed: this has no effect",
                "leave both out, or lower maxSeverity",
            );
        }
        if max_severity.is_none() && doc.max_severity.is_none() {
            for (place, what) in
                [(&doc.unknown_severity, "unknownSeverity"), (&doc.fix_available, "fixAvailable")]
            {
                if let Some(place) = place {
                    self.say(place, format!("{what} has no effect without maxSeverity"), "add maxSeverity");
                }
            }
        }
        let deny = self.vulnerability_ids(doc.deny.as_ref(), "deny");
        let ignore = self.vulnerability_ids(doc.ignore.as_ref(), "ignore");
        for place in doc.ignore.iter().flat_map(|list| list.get()) {
            if deny.contains(&place.get().to_ascii_uppercase()) {
                self.say(place, "this vulnerability is both denied and ignored", "leave one of them out");
            }
        }
        let counts = doc.max_severity.is_some() || doc.deny.is_some();
        if !counts && doc.ignore.is_some() {
            self.say(at, "ignore has no effect where nothing is denied", "add maxSeverity or deny");
        }
        let vex = doc.vex.as_ref().map(|place| {
            if doc.max_severity.is_none() {
                self.say(place, "vex has no effect without maxSeverity", "add maxSeverity, or leave out vex");
            }
            self.signers(place, place.get().by.as_ref(), None)
        });
        VulnerabilityRule {
            signers,
            max_age,
            max_severity,
            unknown: if unknown { Unknown::Allowed } else { Unknown::Denies },
            unfixed: if only { Unfixed::DoNotCount } else { Unfixed::Count },
            deny,
            ignore,
            vex,
        }
    }

    /// Whether the one word stands there that a field knows.
    fn word(&mut self, at: Option<&At<String>>, known: &str, field: &str) -> bool {
        let Some(at) = at else { return false };
        let good = at.get() == known;
        if !good {
            let message = format!("'{}' means nothing under {field}", at.get().escape_debug());
            self.say(at, message, format!("write {known}, or leave it out"));
        }
        good
    }

    pub(super) fn vulnerability_ids(
        &mut self,
        list: Option<&At<Vec<At<String>>>>,
        what: &str,
    ) -> BTreeSet<String> {
        let Some(list) = list else { return BTreeSet::new() };
        if list.get().is_empty() {
            self.say(list, format!("an empty {what} has no effect"), "leave it out, or name a vulnerability");
        }
        let mut ids = BTreeSet::new();
        for at in list.get() {
            let id = at.get().to_ascii_uppercase();
            let good = id.len() <= 200
                && id.contains('-')
                && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_:.".contains(&b));
            if !good {
                let message = format!("'{}' is no id of a vulnerability", at.get().escape_debug());
                self.say(at, message, "write it as CVE-2024-3094 or GHSA-rxwq-x6h5-x525");
            } else if !ids.insert(id) {
                self.say(at, "the same vulnerability twice", "leave one of them out");
            }
        }
        ids
    }
}
