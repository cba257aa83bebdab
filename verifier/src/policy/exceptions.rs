//! Exceptions: which refusals of which policies do not count, for which images, by whom, why, and until when.
//!
//! An exception is a document of its own among the policy files, so it is given by whoever gives the policies, is
//! reviewed as they are, and is part of what the webhook's hash of the policies covers. Objects in a cluster are not read
//! as exceptions: nobody makes one for their own namespace.
//!
//! Refused when loaded: one without an end, or with an end that is none; one for every image or for every policy; one
//! that names no refusal, or one that only ever stands behind another; one that lets in what anybody could push (a
//! signature that is missing, by name instead of by digest). An exception that is over does nothing, and the verdict says
//! so. What it lifts is not gone: it stands in the verdict, with the names of all exceptions that lift it.

use super::lint::Lint;
use super::model::{At, Metadata};
use super::pattern::Pattern;
use super::{Policy, PolicyError, Problem};
use crate::ImageName;
use crate::verdict::{Excepted, ExceptionNote, Explanation, Refusal, RequirementVerdict};
use jiff::{SignedDuration, Timestamp};
use seaworthy_oci::Digest;
use seaworthy_sbom::purl::Purl;
use serde::Deserialize;
use std::collections::BTreeSet;

/// What `kind` must say.
pub(super) const KIND: &str = "PolicyException";
/// The longest time that an exception may be given for: after a year somebody should look again.
const LONGEST: SignedDuration = SignedDuration::from_hours(400 * 24);

/// An exception from Seaworthy policies.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PolicyException {
    /// Always `seaworthy.dev/v1alpha1`.
    pub(super) api_version: At<String>,
    /// Always `PolicyException`.
    #[serde(rename = "kind")]
    pub(super) _kind: At<String>,
    /// What the exception is called.
    pub(super) metadata: Metadata,
    /// What it says.
    pub(super) spec: At<ExceptionSpec>,
}

/// What an exception says.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExceptionSpec {
    /// The names of the policies.
    policies: Option<At<Vec<At<String>>>>,
    /// For which images: patterns as in a policy's `images`. Beside `digests`, both must hold.
    images: Option<At<Vec<At<String>>>>,
    /// For which images: digests, of an image, an index, or a platform of one.
    digests: Option<At<Vec<At<String>>>>,
    /// Which refusals do not count.
    refusals: Option<At<Vec<At<RefusalDoc>>>>,
    /// Who answers for it.
    owner: Option<At<String>>,
    /// Why.
    reason: Option<At<String>>,
    /// When it ends, RFC 3339.
    until: Option<At<String>>,
}

/// A refusal that does not count.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RefusalDoc {
    /// The code that stands first in the refusal.
    code: At<String>,
    /// Only for these vulnerabilities.
    vulnerabilities: Option<At<Vec<At<String>>>>,
    /// Only for these packages, by purl: with a version for that one alone, without for all.
    packages: Option<At<Vec<At<String>>>>,
}

/// An exception that was read and means something.
#[derive(Debug, Clone)]
pub struct Exception {
    note: ExceptionNote,
    policies: BTreeSet<String>,
    patterns: Vec<Pattern>,
    digests: Vec<Digest>,
    lifted: Vec<Lifted>,
}

#[derive(Debug, Clone)]
struct Lifted {
    code: Refusal,
    /// In upper case. Empty: all.
    vulnerabilities: BTreeSet<String>,
    /// Empty: all.
    packages: Vec<Purl>,
}

/// An image that refusals are about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) policy: &'a str,
    pub(crate) name: &'a ImageName,
    /// The digest that was asked for, and that of the platform.
    pub(crate) digests: [&'a Digest; 2],
    pub(crate) now: Timestamp,
}

impl Exception {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.note.exception
    }

    /// When it ends.
    pub fn until(&self) -> Timestamp {
        self.note.until
    }

    /// The names of the policies that it is from.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(String::as_str)
    }

    fn covers(&self, place: Place<'_>, why: &Explanation) -> bool {
        let there = self.patterns.is_empty() || self.patterns.iter().any(|p| p.covers(place.name));
        let this = self.digests.is_empty() || place.digests.iter().any(|d| self.digests.contains(d));
        there && this && self.policies.contains(place.policy) && self.lifted.iter().any(|l| l.covers(why))
    }
}

impl Lifted {
    fn covers(&self, why: &Explanation) -> bool {
        let id = |id: &String| self.vulnerabilities.contains(&id.to_ascii_uppercase());
        let package = || {
            let found = why.package.as_deref().and_then(|p| Purl::parse(p).ok());
            found.is_some_and(|found| self.packages.iter().any(|p| same_package(p, &found)))
        };
        self.code == why.code
            && (self.vulnerabilities.is_empty() || why.vulnerabilities.iter().any(id))
            && (self.packages.is_empty() || package())
    }
}

fn same_package(wanted: &Purl, found: &Purl) -> bool {
    wanted.kind == found.kind
        && wanted.namespace == found.namespace
        && wanted.name == found.name
        && wanted.version.as_ref().is_none_or(|v| found.version.as_ref() == Some(v))
}

/// Takes what `exceptions` lift out of the refusals of `requirement`, and returns those that would have lifted
/// something and are over.
pub(crate) fn lift(
    exceptions: &[Exception],
    place: Place<'_>,
    requirement: &mut RequirementVerdict,
) -> Vec<ExceptionNote> {
    let mut over = Vec::new();
    if requirement.met {
        return over;
    }
    let mut left = Vec::new();
    for why in std::mem::take(&mut requirement.refusals) {
        let of = exceptions.iter().filter(|e| e.covers(place, &why));
        let (now, past): (Vec<&Exception>, Vec<&Exception>) = of.partition(|e| place.now <= e.note.until);
        over.extend(past.iter().map(|e| e.note.clone()));
        if now.is_empty() {
            let mut why = why;
            if let Some(e) = past.first() {
                // In the message, and not as a hint: whoever is stopped by it reads one line.
                let ExceptionNote { exception, owner, until, .. } = &e.note;
                why.message += &format!(" (the exception '{exception}' of {owner} ended at {until})");
            }
            left.push(why);
        } else {
            let by = now.into_iter().map(|e| e.note.clone()).collect();
            requirement.excepted.push(Excepted { refusal: why, by });
        }
    }
    requirement.refusals = left;
    // A requirement without refusals and without exceptions stays what it is: not met.
    requirement.met = requirement.refusals.is_empty() && !requirement.excepted.is_empty();
    over
}

/// Whether an exception from `code` means anything: it is the first reason of a requirement, and the rules could be
/// applied at all.
fn can_be_lifted(code: Refusal) -> bool {
    use Refusal as R;
    !matches!(
        code,
        // The image is not what it seems, or could not be judged.
        R::NoPolicyMatches
            | R::PolicyUnreadable
            | R::CouldNotFindOut
            | R::VerifierPanicked
            | R::ChildMissing
            | R::IndexTooDeep
            | R::TooManyPlatforms
            | R::NoRunnablePlatform
            | R::PlatformNotFound
            | R::SbomUnreadable
            | R::SbomWrongSubject
            | R::SbomWrongPlatform
            | R::ConfigUnreadable
            | R::ScanUnreadable
            // These stand behind another.
            | R::UnknownSigner
            | R::SignatureInvalid
            | R::SubjectMismatch
            | R::SignatureCount
            | R::PayloadTypeRefused
            | R::StatementMalformed
            | R::LegacyPayloadMalformed
            | R::EvidenceMalformed
            | R::EvidenceMissing
            | R::EvidenceAltered
            | R::EvidenceTooLarge
            | R::EvidenceUnsigned
            | R::NotImageEvidence
            | R::OtherKind
            | R::LogEntryMismatch
            | R::LogEntryMissing
            | R::LogEntryInvalid
            | R::CertificateInvalid
            | R::CertificateRevoked
            | R::RevocationUnknown
            | R::IdentityMismatch
            | R::ClaimMismatch
            | R::TimestampMissing
            | R::KeyOutsideValidity
            | R::ProvenanceUnreadable
            | R::ProvenanceCannotTell
            | R::BuilderRefused
            | R::SourceRefused
            | R::SourceRefRefused
            | R::BuildTypeRefused
            | R::SlsaLevelTooLow
            | R::SlsaLevelUnknown
            | R::SummaryUnreadable
            | R::ScanTooOld
            | R::ScanDateUnknown
    )
}

/// Whether refusals of this code are about vulnerabilities.
fn of_vulnerabilities(code: Refusal) -> bool {
    matches!(
        code,
        Refusal::VulnerabilityTooSevere
            | Refusal::VulnerabilitySeverityUnknown
            | Refusal::VulnerabilityListed
    )
}

/// Whether refusals of this code may be about a package.
fn of_packages(code: Refusal) -> bool {
    of_vulnerabilities(code)
        || matches!(
            code,
            Refusal::DeniedPackage
                | Refusal::CannotCompareVersion
                | Refusal::DeniedLicense
                | Refusal::CannotReadLicense
                | Refusal::PackageNotAllowed
                | Refusal::LicenseNotAllowed
                | Refusal::SupplierDenied
                | Refusal::SupplierNotAllowed
                | Refusal::SupplierMissing
        )
}

/// Reads `document`.
pub(super) fn read(document: &PolicyException, now: Timestamp) -> Result<Exception, Vec<Problem>> {
    let mut lint = Lint::new(None, now);
    let made = lint.exception(document);
    match (made, lint.finish()) {
        (Some(exception), problems) if problems.is_empty() => Ok(exception),
        (_, problems) => Err(problems),
    }
}

/// Exceptions of one name, and those from a policy that is not there.
///
/// # Errors
/// What is wrong.
pub(crate) fn consistent(exceptions: &[Exception], policies: &[Policy]) -> Result<(), PolicyError> {
    let failed = |message: String, hint: String| {
        Err(PolicyError {
            origin: "exceptions".into(),
            problems: vec![Problem { line: None, column: None, message, hint: Some(hint) }],
        })
    };
    let mut seen = BTreeSet::new();
    for exception in exceptions {
        if !seen.insert(exception.name()) {
            let message = format!("two exceptions have the name '{}'", exception.name());
            return failed(message, "give each its own metadata.name".into());
        }
        for policy in exception.policies() {
            if !policies.iter().any(|p| p.name() == policy) {
                let names: Vec<&str> = policies.iter().map(Policy::name).collect();
                let message = format!(
                    "exception '{}' is from the policy '{}', which is not there",
                    exception.name(),
                    policy.escape_debug()
                );
                return failed(message, format!("the policies are: {}", names.join(", ")));
            }
        }
    }
    Ok(())
}

impl Lint<'_> {
    fn exception(&mut self, document: &PolicyException) -> Option<Exception> {
        self.version(&document.api_version);
        self.name(&document.metadata.name);
        if let Some(namespace) = &document.metadata.namespace {
            self.say(
                namespace,
                "an exception belongs to no namespace: nobody makes one for their own",
                "leave it out; name the images",
            );
        }
        let at = &document.spec;
        let spec = at.get();
        let mut policies = BTreeSet::new();
        match &spec.policies {
            None => self.say(at, "an exception from no policy means nothing", "add policies: [NAME]"),
            Some(list) => {
                if list.get().is_empty() {
                    self.say(list, "an exception from no policy means nothing", "name a policy");
                }
                for name in list.get() {
                    if name.get().contains('*') {
                        self.say(
                            name,
                            "an exception names its policies one by one",
                            "write the name of each",
                        );
                    } else if !policies.insert(name.get().clone()) {
                        self.say(name, "the same policy twice", "leave one of them out");
                    }
                }
            }
        }
        let patterns = spec.images.as_ref().map(|list| self.images(list)).unwrap_or_default();
        if let Some(list) = &spec.images
            && patterns.contains(&Pattern::everything())
        {
            self.say(
                list,
                "an exception for every image is no exception",
                "name the images, or change the policy",
            );
        }
        let digests = self.digests(spec.digests.as_ref());
        if spec.images.is_none() && spec.digests.is_none() {
            self.say(at, "an exception for every image is no exception", "add images or digests");
        }
        let lifted = self.lifted(at, spec, &digests);
        let owner = self.said(
            at,
            spec.owner.as_ref(),
            "owner",
            "say who answers for it: owner: security@example.org",
        );
        let reason = self.said(at, spec.reason.as_ref(), "reason", "say why: reason: …");
        let until = match &spec.until {
            None => {
                self.say(at, "an exception without an end is a rule", "add until: 2026-01-31T00:00:00Z");
                None
            }
            Some(place) => self.time(Some(place)).filter(|until| {
                let good = until.duration_since(self.now) <= LONGEST;
                if !good {
                    let days = LONGEST.as_hours() / 24;
                    self.say(
                        place,
                        format!("an exception for more than {days} days is a rule"),
                        "write an earlier end; somebody should look again by then",
                    );
                }
                good
            }),
        };
        let exception = document.metadata.name.get().clone();
        let note = ExceptionNote { exception, owner: owner?, reason: reason?, until: until? };
        Some(Exception { note, policies, patterns, digests, lifted })
    }

    /// A text that must be there and say something.
    fn said(
        &mut self,
        at: &At<ExceptionSpec>,
        text: Option<&At<String>>,
        what: &str,
        hint: &str,
    ) -> Option<String> {
        match text {
            None => self.say(at, format!("an exception without {what}"), hint),
            Some(text) if text.get().trim().is_empty() => {
                self.say(text, format!("an exception without {what}"), hint);
            }
            Some(text) => return Some(text.get().clone()),
        }
        None
    }

    fn lifted(&mut self, at: &At<ExceptionSpec>, spec: &ExceptionSpec, digests: &[Digest]) -> Vec<Lifted> {
        let Some(list) = &spec.refusals else {
            self.say(at, "an exception from no refusal means nothing", "add refusals: [{code: …}]");
            return Vec::new();
        };
        if list.get().is_empty() {
            self.say(list, "an exception from no refusal means nothing", "name a code");
        }
        let mut all = Vec::new();
        for doc in list.get() {
            let RefusalDoc { code: place, vulnerabilities, packages } = doc.get();
            let Some(code) = Refusal::ALL.iter().copied().find(|r| r.code() == place.get()) else {
                let message = format!("there is no refusal '{}'", place.get().escape_debug());
                self.say(place, message, "the codes are in docs/reference/refusals.md");
                continue;
            };
            if !can_be_lifted(code) {
                self.say(
                    place,
                    format!("an exception from {code} would mean nothing"),
                    "name the code that stands first in the refusal; what could not be judged cannot be excepted",
                );
                continue;
            }
            let signature = matches!(
                code,
                Refusal::SignatureMissing | Refusal::SignatureUntrusted | Refusal::ThresholdNotMet
            );
            if signature && digests.is_empty() {
                self.say(
                    place,
                    "without a signature, anybody who can push could give an image this name",
                    "name the digests",
                );
            }
            let ids = self.vulnerability_ids(vulnerabilities.as_ref(), "vulnerabilities");
            if let Some(list) = vulnerabilities
                && !of_vulnerabilities(code)
            {
                self.say(list, format!("{code} is about no vulnerability"), "leave it out");
            }
            let mut purls = Vec::new();
            if let Some(list) = packages {
                if list.get().is_empty() {
                    self.say(list, "an empty list of packages names nothing", "leave it out, or name one");
                }
                if !of_packages(code) {
                    self.say(list, format!("{code} is about no package"), "leave it out");
                }
                for text in list.get() {
                    match Purl::parse(text.get()) {
                        Ok(purl) if purl.qualifiers.is_empty() && purl.subpath.is_none() => purls.push(purl),
                        Ok(_) => self.say(
                            text,
                            "qualifiers and subpaths are not compared",
                            "leave out everything from ? or # on",
                        ),
                        Err(error) => {
                            self.say(text, error.to_string(), "write it as pkg:deb/debian/openssl");
                        }
                    }
                }
            }
            if of_vulnerabilities(code) && ids.is_empty() && purls.is_empty() && digests.is_empty() {
                self.say(
                    doc,
                    "an exception from every vulnerability, also those of tomorrow's image",
                    "name the vulnerabilities, the packages, or the digests",
                );
            }
            all.push(Lifted { code, vulnerabilities: ids, packages: purls });
        }
        all
    }
}
