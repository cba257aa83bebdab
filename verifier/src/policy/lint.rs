//! From a policy file to a [`Policy`], or to everything that is wrong with it.
//!
//! Refused is what cannot mean what it says: a rule without a signer, a pattern that can never match, a
//! threshold that can never be reached, a key that is never valid, an authority or setting without effect,
//! two settings that contradict each other. All problems are reported at once, each with line and hint.

mod certified;
mod keyring;
mod scope;
mod supply;

use super::conditions::Uses;
use super::glob::{Fixed, Glob};
use super::model::{At, ImagePolicy, PackageDoc, SbomDoc, SignatureDoc};
use super::pattern::Pattern;
use super::{AttestationRule, PackageDenial, Policy, Problem, SbomRule, Signers, Wanted};
use crate::authority::Authority;
use crate::statement::PredicateType;
use jiff::{SignedDuration, Timestamp};
use seaworthy_oci::Digest;
use seaworthy_sbom::inventory::Ecosystem;
use seaworthy_sbom::quality::Profile;
use seaworthy_sbom::{purl::Purl, version::Range};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What `apiVersion` must say.
const API_VERSION: &str = "seaworthy.dev/v1alpha1";
/// What `kind` says, of a policy that may belong to a namespace.
const KIND: &str = "ImagePolicy";
/// What `kind` says, of one that may not.
const CLUSTER_KIND: &str = "ClusterImagePolicy";

pub(super) struct Lint<'a> {
    pub(super) problems: Vec<Problem>,
    /// None for an object in a cluster, which names no files.
    base: Option<&'a Path>,
    pub(super) now: Timestamp,
    pub(super) authorities: Vec<Authority>,
    /// Index and whether any rule names it.
    pub(super) names: BTreeMap<String, (usize, bool)>,
    /// A rule names nobody or somebody unknown: then it is not clear who is named by no rule.
    unclear: bool,
}

/// Reads `document`; `base` is the directory that paths are relative to, none where nothing may name a file.
pub(super) fn policy(
    document: &ImagePolicy,
    base: Option<&Path>,
    now: Timestamp,
) -> Result<Policy, Vec<Problem>> {
    let mut lint = Lint::new(base, now);
    let policy = lint.document(document);
    let problems = lint.finish();
    if problems.is_empty() { Ok(policy) } else { Err(problems) }
}

impl<'a> Lint<'a> {
    /// Nothing is said yet; `base` is the directory that paths are relative to.
    pub(super) fn new(base: Option<&'a Path>, now: Timestamp) -> Self {
        Self {
            problems: Vec::new(),
            base,
            now,
            authorities: Vec::new(),
            names: BTreeMap::new(),
            unclear: false,
        }
    }

    /// Everything that is wrong, in the order of the file.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|p| (p.line, p.column));
        self.problems
    }
}

impl Lint<'_> {
    pub(super) fn say<T>(&mut self, at: &At<T>, message: impl Into<String>, hint: impl Into<String>) {
        self.say_there((at.line(), at.column()), message, hint);
    }

    /// About the line and column `there`.
    pub(super) fn say_there(
        &mut self,
        there: (u64, u64),
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems.push(Problem {
            line: Some(there.0),
            column: Some(there.1),
            message: message.into(),
            hint: Some(hint.into()),
        });
    }

    /// The file that is named at `at`, where a file may be named.
    pub(super) fn file(&mut self, at: &At<String>) -> Option<PathBuf> {
        match self.base {
            Some(base) => Some(base.join(at.get())),
            None => {
                let hint =
                    "write keys as data, and roots as public-good, staging or github; or use a policy file";
                self.say(at, "an object in a cluster names no files", hint);
                None
            }
        }
    }

    fn document(&mut self, document: &ImagePolicy) -> Policy {
        self.version(&document.api_version);
        if ![KIND, CLUSTER_KIND].contains(&document.kind.get().as_str()) {
            let found = document.kind.get().escape_debug().to_string();
            self.say(&document.kind, format!("kind '{found}' is not known"), format!("write kind: {KIND}"));
        }
        self.name(&document.metadata.name);
        let spec = document.spec.get();
        let patterns = self.images(&spec.images);
        for authority in &spec.authorities {
            self.authority(authority);
        }
        let scope = self.scope(document);
        let silent = spec.signatures.is_none() && spec.attestations.is_none() && spec.sbom.is_none();
        let silent =
            silent && spec.provenance.is_none() && spec.image.is_none() && spec.vulnerabilities.is_none();
        let silent = silent && spec.conditions.is_none();
        if let Some(requires) = spec.requires.as_ref().filter(|_| !silent) {
            self.say(requires, "requires contradicts what the policy asks for", "leave it out");
        }
        if silent && spec.requires.is_none() {
            self.say(
                &document.spec,
                "the policy requires nothing: every image would be allowed",
                "add signatures, attestations, sbom or another rule; or say it: requires: nothing",
            );
        }
        let mut signatures = Vec::new();
        if let Some(list) = &spec.signatures {
            if list.get().is_empty() {
                self.say(
                    list,
                    "an empty list of signatures requires nothing",
                    "leave it out, or name a signer",
                );
            }
            for rule in list.get() {
                let SignatureDoc { by, threshold } = rule.get();
                let signers = self.signers(rule, by.as_ref(), threshold.as_ref());
                if !signers.by.is_empty() && signatures.contains(&signers) {
                    self.say(rule, "the same requirement twice", "leave one of them out");
                }
                signatures.push(signers);
            }
        }
        let mut attestations: Vec<AttestationRule> = Vec::new();
        if let Some(list) = &spec.attestations {
            if list.get().is_empty() {
                self.say(
                    list,
                    "an empty list of attestations requires nothing",
                    "leave it out, or name a type",
                );
            }
            for rule in list.get() {
                let doc = rule.get();
                let signers = self.signers(rule, doc.by.as_ref(), doc.threshold.as_ref());
                let wanted = self.wanted(&doc.kind);
                let made = AttestationRule { wanted, signers };
                if !made.signers.by.is_empty() && attestations.contains(&made) {
                    self.say(rule, "the same requirement twice", "leave one of them out");
                }
                attestations.push(made);
            }
        }
        let sbom = spec.sbom.as_ref().map(|doc| self.sbom(doc));
        let provenance = spec.provenance.as_ref().map(|doc| self.provenance(doc));
        let vulnerabilities = spec.vulnerabilities.as_ref().map(|doc| self.vulnerabilities(doc));
        let known = Uses {
            sbom: sbom.is_some(),
            provenance: provenance.as_ref().is_some_and(|p| p.signers.is_some()),
            ..Uses::default()
        };
        let conditions =
            spec.conditions.as_ref().map(|list| self.conditions(list, known)).unwrap_or_default();
        let image = spec.image.as_ref().map(|doc| self.image(doc, provenance.as_ref()));
        for authority in &spec.authorities {
            let name = &authority.get().name;
            if !self.unclear && self.names.get(name.get()).is_some_and(|(_, used)| !used) {
                self.say(
                    name,
                    format!(
                        "authority '{}' is named by no rule and has no effect",
                        name.get().escape_debug()
                    ),
                    "name it under `by`, or leave it out",
                );
            }
        }
        let name = match &scope.owner {
            // Names with a slash are nobody else's.
            Some(namespace) => format!("{namespace}/{}", document.metadata.name.get()),
            None => document.metadata.name.get().clone(),
        };
        Policy {
            name,
            mode: spec.mode,
            scope,
            patterns,
            authorities: std::mem::take(&mut self.authorities),
            signatures,
            attestations,
            sbom,
            provenance,
            image,
            vulnerabilities,
            conditions,
        }
    }

    pub(super) fn version(&mut self, at: &At<String>) {
        if at.get() != API_VERSION {
            let found = at.get().escape_debug().to_string();
            let hint = format!("write apiVersion: {API_VERSION}");
            self.say(at, format!("apiVersion '{found}' is not known"), hint);
        }
    }

    /// A list of digests; none where there is no list.
    pub(super) fn digests(&mut self, list: Option<&At<Vec<At<String>>>>) -> Vec<Digest> {
        let Some(list) = list else { return Vec::new() };
        if list.get().is_empty() {
            self.say(list, "an empty list of digests names nothing", "leave it out, or name one");
        }
        let mut digests = Vec::new();
        for place in list.get() {
            match place.get().parse::<Digest>() {
                Ok(digest) if digests.contains(&digest) => {
                    self.say(place, "the same digest twice", "leave one of them out");
                }
                Ok(digest) => digests.push(digest),
                Err(error) => self.say(place, error.to_string(), "write it as sha256: and 64 digits"),
            }
        }
        digests
    }

    /// A pattern over whole texts.
    pub(super) fn glob(&mut self, at: &At<String>, fixed: Fixed) -> Option<Glob> {
        match Glob::parse(at.get(), fixed) {
            Ok(glob) => Some(glob),
            Err(refused) => {
                let text: String = at.get().chars().take(150).collect();
                self.say(at, format!("pattern '{}': {}", text.escape_debug(), refused.why), refused.hint);
                None
            }
        }
    }

    /// A list of patterns; none where there is no list.
    pub(super) fn globs(
        &mut self,
        list: Option<&At<Vec<At<String>>>>,
        what: &str,
        fixed: Fixed,
    ) -> Vec<Glob> {
        let Some(list) = list else { return Vec::new() };
        if list.get().is_empty() {
            self.say(list, format!("an empty list of {what} names nothing"), "leave it out, or name one");
        }
        let mut globs = Vec::new();
        for at in list.get() {
            match self.glob(at, fixed) {
                Some(glob) if globs.contains(&glob) => {
                    self.say(at, "the same pattern twice", "leave one of them out");
                }
                Some(glob) => globs.push(glob),
                None => {}
            }
        }
        globs
    }

    pub(super) fn name(&mut self, name: &At<String>) {
        let text = name.get();
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let good = text.len() <= 253
            && edge(text.chars().next())
            && edge(text.chars().last())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c));
        if !good {
            self.say(
                name,
                format!("'{}' is no name for a policy", text.escape_debug()),
                "use lower-case letters, digits, - and ., with a letter or digit at both ends",
            );
        }
    }

    pub(super) fn images(&mut self, images: &At<Vec<At<String>>>) -> Vec<Pattern> {
        if images.get().is_empty() {
            self.say(images, "an empty list of images matches nothing", "write ** for every image");
        }
        let mut patterns = Vec::new();
        for text in images.get() {
            match Pattern::parse(text.get()) {
                Ok(pattern) if patterns.contains(&pattern) => {
                    self.say(
                        text,
                        format!("the pattern {pattern} stands there twice"),
                        "leave one of them out",
                    );
                }
                Ok(pattern) => patterns.push(pattern),
                Err(refused) => self.say(
                    text,
                    format!("pattern '{}': {}", text.get().escape_debug(), refused.why),
                    refused.hint,
                ),
            }
        }
        if let [_, _, ..] = patterns.as_slice()
            && patterns.contains(&Pattern::everything())
        {
            self.say(images, "beside **, other patterns have no effect", "leave them out, or leave out **");
        }
        patterns
    }

    pub(super) fn signers<T>(
        &mut self,
        rule: &At<T>,
        by: Option<&At<Vec<At<String>>>>,
        threshold: Option<&At<u32>>,
    ) -> Signers {
        let mut signers = Signers { by: Vec::new(), threshold: 1 };
        let known: Vec<String> = self.names.keys().cloned().collect();
        match by {
            None => self.say(rule, "a rule without `by` names no signer", "add by: [NAME]"),
            Some(list) if list.get().is_empty() => {
                self.say(list, "an empty `by` names no signer", "name an authority");
            }
            Some(list) => {
                for name in list.get() {
                    match self.names.get_mut(name.get()) {
                        Some((index, used)) => {
                            let index = *index;
                            *used = true;
                            if signers.by.contains(&index) {
                                self.say(
                                    name,
                                    format!("'{}' stands there twice", name.get().escape_debug()),
                                    "leave one of them out",
                                );
                            } else {
                                signers.by.push(index);
                            }
                        }
                        None => {
                            let message = format!("there is no authority '{}'", name.get().escape_debug());
                            let hint = match known.as_slice() {
                                [] => "add it under authorities".to_owned(),
                                known => format!("the authorities are: {}", known.join(", ")),
                            };
                            self.say(name, message, hint);
                        }
                    }
                }
            }
        }
        self.unclear |= by.is_none_or(|list| signers.by.len() != list.get().len());
        let named = || signers.by.iter().filter_map(|at| self.authorities.get(*at));
        let exact: BTreeSet<String> = named().flat_map(Authority::signer_ids).collect();
        let most = exact.len() + named().filter(|authority| authority.is_open()).count();
        if let Some(threshold) = threshold {
            let wanted = *threshold.get() as usize;
            if wanted == 0 {
                self.say(threshold, "a threshold of 0 requires nothing", "write 1 or more");
            } else if wanted > most && most > 0 {
                self.say(
                    threshold,
                    format!("a threshold of {wanted} can never be met by {most} distinct signers"),
                    "name more authorities or keys, or lower it; a pattern stands for one signer",
                );
            }
            signers.threshold = wanted.max(1);
        }
        signers
    }

    fn wanted(&mut self, kind: &At<String>) -> Wanted {
        if kind.get() == "sbom" {
            return Wanted::Sbom;
        }
        match PredicateType::from_name(kind.get()) {
            Ok(PredicateType::CosignSign) => {
                self.say(
                    kind,
                    "an image signature is no attestation: this could never be met",
                    "write it under signatures",
                );
                Wanted::Sbom
            }
            Ok(kind) => Wanted::Type(kind),
            Err(why) => {
                self.say(
                    kind,
                    why,
                    "known are sbom, spdx, cyclonedx, slsaprovenance1, slsaprovenance02, vuln, openvex, link, custom",
                );
                Wanted::Sbom
            }
        }
    }

    fn sbom(&mut self, at: &At<SbomDoc>) -> SbomRule {
        let doc = at.get();
        let signers = self.signers(at, doc.by.as_ref(), doc.threshold.as_ref());
        let max_age = doc.max_age.as_ref().and_then(|age| self.duration(age));
        let (mut packages, mut licenses) = (Vec::new(), Vec::new());
        if let Some(deny) = &doc.deny {
            let (p, l) = (&deny.get().packages, &deny.get().licenses);
            let nothing = p.as_ref().is_none_or(|p| p.get().is_empty())
                && l.as_ref().is_none_or(|l| l.get().is_empty());
            if nothing {
                self.say(deny, "an empty deny has no effect", "leave it out, or add packages or licenses");
            }
            for package in p.iter().flat_map(|list| list.get()) {
                if let Some(made) = self.package(package) {
                    packages.push(made);
                }
            }
            licenses.extend(l.iter().flat_map(|list| list.get()).filter_map(|text| self.license(text)));
        }
        let minimum = doc.require.as_ref().and_then(|require| match &require.get().minimum_elements {
            Some(set) => {
                let profile = Profile::from_name(set.get());
                if profile.is_none() {
                    let text = set.get().escape_debug().to_string();
                    let message = format!("there are no minimum elements '{text}'");
                    self.say(set, message, "write ntia, cisa, bsi or telco");
                }
                profile
            }
            None => {
                self.say(require, "an empty require has no effect", "leave it out, or add minimumElements");
                None
            }
        });
        let allowed = doc.allow.as_ref().map(|allow| self.allowed(allow)).unwrap_or_default();
        let suppliers = doc.suppliers.as_ref().map(|rule| self.suppliers(rule)).unwrap_or_default();
        SbomRule { signers, max_age, packages, licenses, minimum, allowed, suppliers }
    }

    pub(super) fn duration(&mut self, at: &At<String>) -> Option<SignedDuration> {
        let text = at.get();
        let seconds = text.char_indices().last().and_then(|(last, unit)| {
            let number: i64 = text.get(..last)?.parse().ok().filter(|n| *n > 0)?;
            let unit = match unit {
                'm' => 60,
                'h' => 3_600,
                'd' => 86_400,
                'w' => 7 * 86_400,
                _ => return None,
            };
            // A thousand years is no limit any more, and keeps sums of times in range.
            number.checked_mul(unit).filter(|s| *s <= 1_000 * 366 * 86_400)
        });
        if seconds.is_none() {
            let message = format!("'{}' is no age", text.escape_debug());
            self.say(at, message, "write a number above 0 with m, h, d or w: 30d");
        }
        seconds.map(SignedDuration::from_secs)
    }

    fn package(&mut self, at: &At<PackageDoc>) -> Option<PackageDenial> {
        let doc = at.get();
        let (ecosystem, purl, name, fixed) = match (&doc.purl, &doc.ecosystem, &doc.name) {
            (Some(text), None, None) => {
                let purl = match Purl::parse(text.get()) {
                    Ok(purl) => purl,
                    Err(error) => {
                        self.say(text, error.to_string(), "write it as pkg:deb/debian/openssl");
                        return None;
                    }
                };
                if !purl.qualifiers.is_empty() || purl.subpath.is_some() {
                    self.say(
                        text,
                        "qualifiers and subpaths of a purl are not compared and would have no effect",
                        "leave out everything from ? or # on",
                    );
                }
                let fixed = purl.package_version();
                if let (Some(_), Some(versions)) = (&fixed, &doc.versions) {
                    self.say(
                        versions,
                        "versions contradicts the version in the purl",
                        "leave one of them out",
                    );
                }
                (purl.ecosystem(), Some(purl.clone()), purl.package_name(), fixed)
            }
            (None, Some(ecosystem), Some(name)) => {
                let Some(known) = Ecosystem::from_name(ecosystem.get()).filter(|e| *e != Ecosystem::Generic)
                else {
                    let text = ecosystem.get().escape_debug().to_string();
                    self.say(
                        ecosystem,
                        format!("there is no ecosystem '{text}'"),
                        "known are deb, apk, rpm, pypi, npm, maven, golang, cargo, gem, nuget, composer, and the other types of purls: alpm, hex, cran, …",
                    );
                    return None;
                };
                if name.get().trim().is_empty() {
                    self.say(name, "an empty name matches nothing", "write the package's name");
                }
                (known, None, name.get().clone(), None)
            }
            _ => {
                self.say(
                    at,
                    "a package is named by purl alone, or by ecosystem and name",
                    "give one of the two forms",
                );
                return None;
            }
        };
        let (place, text) = match (&doc.versions, fixed) {
            (Some(versions), _) => (Some(versions), versions.get().clone()),
            (None, Some(version)) => (None, format!("={version}")),
            (None, None) => (None, "*".to_owned()),
        };
        let place = place.or(doc.purl.as_ref());
        let range = match text.parse::<Range>() {
            Ok(range) => range,
            Err(error) => {
                if let Some(place) = place {
                    self.say(place, error.to_string(), "write it as <1.2 or >=1.0, <2.0");
                }
                return None;
            }
        };
        if let Some(place) = place
            && !range.is_comparable_in(ecosystem)
        {
            self.say(
                place,
                "these versions cannot be compared in this ecosystem: the rule could never decide",
                "leave out versions to deny all of them",
            );
        }
        Some(PackageDenial { ecosystem, purl, name, range, text })
    }
}
