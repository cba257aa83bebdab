//! The rules on an SBOM, over the [`Inventory`] alone.
//!
//! Two kinds of fault: *denials* (a denied package or licence, a document for another image) speak against
//! the image whichever SBOM shows them, so every SBOM by the policy's signers must be free of them.
//! *Shortcomings* (too old, elements missing) speak against the document: one SBOM without them is enough.
//! What cannot be told (a version without order, a licence that does not parse) is a denial.

use super::{LicenseDenial, PackageDenial, SbomRule};
use crate::limits;
use crate::verdict::{Explanation, Refusal};
use jiff::{SignedDuration, Timestamp};
use seaworthy_oci::{Digest, Platform};
use seaworthy_sbom::facts::DocumentFacts;
use seaworthy_sbom::inventory::{Ecosystem, Inventory, Package};
use seaworthy_sbom::license::{self, Denial};
use seaworthy_sbom::purl::{Purl, pypi_name};
use seaworthy_sbom::quality::{self, Profile};
use std::collections::BTreeMap;

/// What the rules say about one SBOM for one platform.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Why it is no SBOM, though it has the type of one: then it counts for nothing.
    pub(crate) no_inventory: Option<Explanation>,
    pub(crate) denials: Vec<Explanation>,
    pub(crate) shortcomings: Vec<Explanation>,
}

/// What an SBOM is judged for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) digest: &'a Digest,
    pub(crate) platform: Option<&'a Platform>,
    pub(crate) now: Timestamp,
    /// What the document says about itself, where a rule asks for it.
    pub(crate) facts: Option<&'a DocumentFacts>,
}

/// Applies `rule` to `inventory`.
pub(crate) fn judge(rule: &SbomRule, inventory: &Inventory, target: Target<'_>) -> Findings {
    let mut findings = Findings::default();
    findings.denials.extend(subject(inventory, target));
    for package in &inventory.packages {
        let mut faults: Vec<Explanation> =
            rule.packages.iter().filter_map(|denial| denied_package(denial, package)).collect();
        if !rule.licenses.is_empty() {
            faults.extend(denied_license(&rule.licenses, package));
        }
        faults.extend(rule.allowed.faults(package));
        faults.extend(rule.suppliers.faults(package));
        findings.denials.extend(faults.into_iter().map(|fault| fault.on(Vec::new(), package.purl.clone())));
    }
    bound(&mut findings.denials);
    findings.shortcomings.extend(rule.max_age.and_then(|age| too_old(inventory, age, target.now)));
    if let Some(profile) = rule.minimum {
        findings.shortcomings.extend(minimum_elements(profile, inventory, target.facts));
    }
    findings
}

/// Lists the first and counts the rest, each code for itself: a list of a hundred thousand reasons helps nobody, and an
/// exception from one code must not lift what was counted with it.
fn bound(list: &mut Vec<Explanation>) {
    let mut more: BTreeMap<Refusal, usize> = BTreeMap::new();
    for left_out in list.drain(limits::EXPLANATIONS.min(list.len())..) {
        *more.entry(left_out.code).or_default() += 1;
    }
    list.extend(more.into_iter().map(|(code, count)| Explanation::new(code, format!("and {count} more"))));
}

fn subject(inventory: &Inventory, target: Target<'_>) -> Vec<Explanation> {
    let mut found = Vec::new();
    if let Some(digest) = &inventory.subject.digest
        && *digest != target.digest.to_string()
    {
        found.push(Explanation::new(
            Refusal::SbomWrongSubject,
            format!("the document says that it describes {}", shown(digest)),
        ));
    }
    if let (Some(text), Some(actual)) = (&inventory.subject.platform, target.platform) {
        let same =
            text.parse::<Platform>().is_ok_and(|stated| stated.serves(actual) || actual.serves(&stated));
        if !same {
            found.push(Explanation::new(
                Refusal::SbomWrongPlatform,
                format!("the document says that it describes {}, not {actual}", shown(text)),
            ));
        }
    }
    found
}

/// A text from outside, for a message.
pub(crate) fn shown(text: &str) -> String {
    format!("'{}'", text.chars().take(150).collect::<String>().escape_debug())
}

pub(super) fn label(package: &Package) -> String {
    let version = package.version.as_deref().map(|v| format!(" {v}")).unwrap_or_default();
    let text = format!("{}{version}", package.name);
    shown(&text).trim_matches('\'').to_owned()
}

fn same_name(ecosystem: Ecosystem, a: &str, b: &str) -> bool {
    match ecosystem {
        Ecosystem::Pypi => pypi_name(a) == pypi_name(b),
        // Names that differ in case alone are one package on these registries.
        Ecosystem::Nuget
        | Ecosystem::Composer
        | Ecosystem::Alpm
        | Ecosystem::Brew
        | Ecosystem::Hex
        | Ecosystem::Luarocks
        | Ecosystem::Otp
        | Ecosystem::Pub => a.eq_ignore_ascii_case(b),
        _ => a == b,
    }
}

/// Whether `denial` means `package`: by its purl, or by its ecosystem and name. Either is enough, so that a
/// document cannot hide a package by leaving one of them out.
pub(super) fn means(denial: &PackageDenial, package: &Package) -> bool {
    let purl = package.purl.as_deref().and_then(|text| Purl::parse(text).ok());
    match (&denial.purl, &purl) {
        (Some(wanted), Some(found)) => {
            wanted.kind == found.kind
                && (wanted.namespace.is_none() || wanted.namespace == found.namespace)
                && same_name(denial.ecosystem, &wanted.name, &found.name)
        }
        (Some(_), None) => {
            package.ecosystem == denial.ecosystem && same_name(denial.ecosystem, &denial.name, &package.name)
        }
        (None, found) => {
            let by_name = package.ecosystem == denial.ecosystem
                && same_name(denial.ecosystem, &denial.name, &package.name);
            let by_purl = found.as_ref().is_some_and(|p| {
                p.ecosystem() == denial.ecosystem
                    && same_name(denial.ecosystem, &denial.name, &p.package_name())
            });
            by_name || by_purl
        }
    }
}

fn denied_package(denial: &PackageDenial, package: &Package) -> Option<Explanation> {
    if !means(denial, package) {
        return None;
    }
    let inside = match (&package.version, denial.range.is_any()) {
        (_, true) => Some(true),
        (Some(version), false) => denial.range.contains(denial.ecosystem, version),
        (None, false) => None,
    };
    match inside {
        Some(false) => None,
        Some(true) => Some(Explanation::new(
            Refusal::DeniedPackage,
            format!("{} is denied by the rule {} {}", label(package), denial.name, denial.text),
        )),
        None => Some(Explanation::new(
            Refusal::CannotCompareVersion,
            format!("{} cannot be compared with {} {}", label(package), denial.name, denial.text),
        )),
    }
}

fn denied_license(rules: &[LicenseDenial], package: &Package) -> Option<Explanation> {
    let expressions = match stated_licenses(package) {
        Ok(expressions) => expressions,
        Err(why) => return Some(why),
    };
    license_fault(package, &expressions, Refusal::DeniedLicense, |leaf| {
        rules.iter().any(|r| r.pattern.matches(leaf))
    })
}

/// The licences of `package` as SPDX expressions, as far as any are stated; or why what is stated cannot be read.
pub(super) fn stated_licenses(package: &Package) -> Result<Vec<String>, Explanation> {
    let stated = &package.license;
    let expressions: Vec<String> = stated.expression.iter().chain(stated.concluded.iter()).cloned().collect();
    if !expressions.is_empty() || stated.declared.is_empty() {
        return Ok(expressions);
    }
    let normalized = license::normalize(&stated.declared, package.ecosystem).expression;
    normalized.map(|expression| vec![expression]).ok_or_else(|| {
        let text = format!("{}: {}", label(package), shown(&stated.declared.join(", ")));
        Explanation::new(Refusal::CannotReadLicense, text)
    })
}

/// The first of `expressions` that cannot be had without a licence that `denies`, said by `code`; or that cannot be read.
pub(super) fn license_fault(
    package: &Package,
    expressions: &[String],
    code: Refusal,
    denies: impl Fn(&license::Leaf) -> bool,
) -> Option<Explanation> {
    expressions.iter().find_map(|expression| match license::is_denied(expression, &denies) {
        Denial::NotDenied => None,
        Denial::Denied(leaves) => {
            let names: Vec<&str> = leaves.iter().map(|leaf| leaf.id.as_str()).collect();
            let text = format!("{} is under {}", label(package), shown(&names.join(", ")));
            Some(Explanation::new(code, text))
        }
        Denial::Unreadable(why) => {
            let text = format!("{}: {}: {}", label(package), shown(expression), shown(&why));
            Some(Explanation::new(Refusal::CannotReadLicense, text))
        }
    })
}

fn too_old(inventory: &Inventory, max_age: SignedDuration, now: Timestamp) -> Option<Explanation> {
    let created = inventory.created.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let Some(created) = created else {
        return Some(Explanation::new(Refusal::SbomDateUnknown, "the SBOM does not say when it was made"));
    };
    let age = now.duration_since(created);
    if age < -limits::CLOCK_SKEW {
        return Some(Explanation::new(
            Refusal::SbomDateUnknown,
            format!("the SBOM says that it was made at {created}, in the future"),
        ));
    }
    (age > max_age).then(|| {
        let text = format!("the SBOM was made at {created}, {} days ago", age.as_hours() / 24);
        Explanation::new(Refusal::SbomTooOld, text).hint("make and attest a new SBOM")
    })
}

fn minimum_elements(
    profile: Profile,
    inventory: &Inventory,
    facts: Option<&DocumentFacts>,
) -> Option<Explanation> {
    let missing = quality::missing_of(profile, inventory, facts);
    if missing.is_empty() {
        return None;
    }
    let parts: Vec<String> = missing
        .iter()
        .map(|m| match m.packages {
            0 => m.element.code().to_owned(),
            n => format!("{} in {n} packages", m.element.code()),
        })
        .collect();
    Some(Explanation::new(
        Refusal::MinimumElementsMissing,
        format!("missing of {}: {}", profile.name(), parts.join(", ")),
    ))
}
