//! Policies: which images, signed and attested by whom, with which SBOM.
//!
//! A policy that cannot mean what it says is refused when it is loaded, with line and hint ([`Problem`]). Of
//! several policies that match an image, each must be met: the strictest applies. What no policy speaks
//! about is denied.

mod authorities;
pub(crate) mod conditions;
#[cfg(feature = "admission")]
#[cfg(test)]
mod crd;
pub(crate) mod exceptions;
pub(crate) mod glob;
pub(crate) mod image;
mod lint;
mod model;
#[cfg(feature = "admission")]
pub(crate) mod object;
mod pattern;
pub(crate) mod provenance;
pub(crate) mod rules;
pub(crate) mod scope;
mod set;
pub(crate) mod supply;
pub(crate) mod vulnerabilities;

use crate::authority::Authority;
use crate::statement::PredicateType;
use crate::verdict::Signer;
use conditions::{Condition, Uses};
pub use exceptions::Exception;
use image::ImageRule;
use jiff::{SignedDuration, Timestamp};
pub(crate) use model::At;
use pattern::Pattern;
use provenance::ProvenanceRule;
pub use scope::Namespace;
use scope::{Ground, Scope};
use seaworthy_oci::{Location, Reference};
use seaworthy_sbom::inventory::Ecosystem;
use seaworthy_sbom::quality::Profile;
use seaworthy_sbom::{license, purl::Purl, version::Range};
use serde::{Deserialize, Serialize};
pub use set::PolicySet;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use supply::{Allowed, Suppliers};
use vulnerabilities::VulnerabilityRule;

/// What a policy's "no" does.
/// Ordered from the mildest to the strictest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing but a record in the verdict.
    Audit,
    /// A record and a warning.
    Warn,
    /// The image is denied.
    #[default]
    Enforce,
}

/// An image's name in its canonical form, without tag and digest: what patterns are matched against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName(String);

impl ImageName {
    /// The name of everything at `location`.
    pub fn of(location: &Location) -> Self {
        let local =
            |kind: &str, path: &Path| format!("{kind}:{}", pattern::local_path(&path.to_string_lossy()));
        Self(match location {
            Location::Registry(repository) => repository.to_string(),
            Location::Layout(path) => local("oci", path),
            Location::OciArchive(path) => local("oci-archive", path),
            Location::DockerArchive(path) => local("docker-archive", path),
            Location::Daemon { .. } | Location::Containerd { .. } => location.to_string(),
        })
    }

    /// The name behind any spelling of a reference; tag and digest are left out.
    ///
    /// # Errors
    /// Where the grammar refuses it.
    pub fn parse(text: &str) -> Result<Self, seaworthy_oci::Error> {
        text.parse::<Reference>().map(|reference| Self::of(&reference.location))
    }

    /// Whether a policy with `pattern` under `images` would speak about images of this name.
    ///
    /// # Errors
    /// Why it is no pattern.
    pub fn is_meant_by(&self, pattern: &str) -> Result<bool, String> {
        Pattern::parse(pattern).map(|pattern| pattern.matches(&self.0)).map_err(|refused| refused.why)
    }

    /// Whether `pattern` can stand under `images` in a policy.
    ///
    /// # Errors
    /// Why not.
    pub fn check_pattern(pattern: &str) -> Result<(), String> {
        Pattern::parse(pattern).map(|_| ()).map_err(|refused| refused.why)
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What flags can ask for without a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// A signature by any of the authorities.
    Signature,
    /// An attestation of this type by any of the authorities.
    Attestation(PredicateType),
    /// An SBOM, in either format, for each platform by any of the authorities.
    Sbom,
}

/// A policy that was read and means something.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    pub(crate) scope: Scope,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) authorities: Vec<Authority>,
    pub(crate) signatures: Vec<Signers>,
    pub(crate) attestations: Vec<AttestationRule>,
    pub(crate) sbom: Option<SbomRule>,
    pub(crate) provenance: Option<ProvenanceRule>,
    pub(crate) image: Option<ImageRule>,
    pub(crate) vulnerabilities: Option<VulnerabilityRule>,
    pub(crate) conditions: Vec<Condition>,
}

/// How many distinct signers among which authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signers {
    /// Indices into [`Policy::authorities`].
    pub(crate) by: Vec<usize>,
    pub(crate) threshold: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// An SBOM of either format.
    Sbom,
    Type(PredicateType),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AttestationRule {
    pub(crate) wanted: Wanted,
    pub(crate) signers: Signers,
}

#[derive(Debug, Clone)]
pub(crate) struct SbomRule {
    pub(crate) signers: Signers,
    pub(crate) max_age: Option<SignedDuration>,
    pub(crate) packages: Vec<PackageDenial>,
    pub(crate) licenses: Vec<LicenseDenial>,
    pub(crate) minimum: Option<Profile>,
    pub(crate) allowed: Allowed,
    pub(crate) suppliers: Suppliers,
}

#[derive(Debug, Clone)]
pub(crate) struct PackageDenial {
    pub(crate) ecosystem: Ecosystem,
    pub(crate) purl: Option<Purl>,
    pub(crate) name: String,
    pub(crate) range: Range,
    /// The range as written.
    pub(crate) text: String,
}

#[derive(Debug, Clone)]
pub(crate) struct LicenseDenial {
    pub(crate) text: String,
    pub(crate) pattern: license::Pattern,
}

impl Wanted {
    pub(crate) fn accepts(&self, found: &PredicateType) -> bool {
        match self {
            Self::Sbom => found.is_sbom(),
            Self::Type(wanted) => wanted == found,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sbom => f.write_str("sbom"),
            Self::Type(kind) => kind.fmt(f),
        }
    }
}

impl Signers {
    /// Those of `signers` that count here.
    pub(crate) fn count<'s>(&self, policy: &Policy, signers: &'s [Signer]) -> Vec<&'s Signer> {
        let named = |signer: &&Signer| {
            self.by.iter().filter_map(|at| policy.authorities.get(*at)).any(|a| a.name == signer.authority)
        };
        signers.iter().filter(named).collect()
    }

    /// How many distinct signers `signers` are: each id once, and each authority whose pattern leaves open who
    /// signs once, for an id that nobody else counts for.
    pub(crate) fn distinct(&self, policy: &Policy, signers: &[Signer]) -> usize {
        let named = || self.by.iter().filter_map(|at| policy.authorities.get(*at));
        let ids_of = |open: bool, name: Option<&str>| -> BTreeSet<&str> {
            let of = |s: &&Signer| {
                named().any(|a| {
                    a.name == s.authority && a.is_open() == open && name.is_none_or(|name| a.name == name)
                })
            };
            signers.iter().filter(of).map(|s| s.id.as_str()).collect()
        };
        let exact = ids_of(false, None);
        let open: Vec<BTreeSet<&str>> = named()
            .filter(|a| a.is_open())
            .map(|a| ids_of(true, Some(&a.name)).difference(&exact).copied().collect())
            .collect();
        exact.len() + representatives(&open)
    }

    /// Who and how many, for people.
    pub(crate) fn by(&self, policy: &Policy) -> String {
        let count =
            if self.threshold == 1 { String::new() } else { format!(" ({} distinct)", self.threshold) };
        format!("by {}{count}", self.names(policy))
    }

    /// The names of the authorities, for people.
    pub(crate) fn names(&self, policy: &Policy) -> String {
        let names: Vec<&str> =
            self.by.iter().filter_map(|at| policy.authorities.get(*at)).map(Authority::name).collect();
        names.join(" or ")
    }
}

/// How many of `sets` can each have a member of its own (augmenting paths; the sets are as many as authorities).
fn representatives(sets: &[BTreeSet<&str>]) -> usize {
    fn place<'s>(
        at: usize,
        sets: &[BTreeSet<&'s str>],
        tried: &mut BTreeSet<&'s str>,
        held: &mut std::collections::BTreeMap<&'s str, usize>,
    ) -> bool {
        let Some(set) = sets.get(at) else { return false };
        for id in set {
            if !tried.insert(id) {
                continue;
            }
            let free = match held.get(id).copied() {
                None => true,
                Some(other) => place(other, sets, tried, held),
            };
            if free {
                held.insert(id, at);
                return true;
            }
        }
        false
    }
    let mut held = std::collections::BTreeMap::new();
    (0..sets.len()).filter(|at| place(*at, sets, &mut BTreeSet::new(), &mut held)).count()
}

impl Policy {
    /// Reads the policy file at `path`: one document, or several with `---` between them. Paths in it are
    /// relative to its directory. `now` serves to find windows that are over. Exceptions in the file are checked and
    /// left out: [`PolicySet::load`] takes them too.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path, now: Timestamp) -> Result<Vec<Self>, PolicyError> {
        PolicySet::load(path, now).map(|set| set.policies)
    }

    /// Takes the text of a policy file. `origin` is the path that messages name and that relative paths start
    /// from.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn parse(text: &str, origin: &Path, now: Timestamp) -> Result<Vec<Self>, PolicyError> {
        PolicySet::parse(text, origin, now).map(|set| set.policies)
    }

    /// `base` is the directory that paths start from; without one, nothing may name a file.
    fn parse_from(
        text: &str,
        origin: &Path,
        base: Option<&Path>,
        now: Timestamp,
    ) -> Result<Vec<Self>, PolicyError> {
        let failed = |problems| PolicyError { origin: origin.display().to_string(), problems };
        let whole = |message: String, hint: &str| Problem {
            line: None,
            column: None,
            message,
            hint: Some(hint.to_owned()),
        };
        let read = seaworthy_yaml::documents::<model::ImagePolicy>(text, YAML_DEPTH);
        let documents = read.map_err(|error| failed(vec![Problem::unreadable(&error)]))?;
        if documents.is_empty() {
            return Err(failed(vec![whole(
                "there is no policy in it".into(),
                "write at least one ImagePolicy document",
            )]));
        }
        let (mut policies, mut problems) = (Vec::new(), Vec::new());
        for document in &documents {
            match lint::policy(document, base, now) {
                Ok(policy) => policies.push(policy),
                Err(more) => problems.extend(more),
            }
        }
        if problems.is_empty()
            && let Err(error) = unique_names(&policies)
        {
            problems = error.problems;
        }
        if problems.is_empty() { Ok(policies) } else { Err(failed(problems)) }
    }

    /// The policy behind flags: for any image, each of `requirements` by one of `authorities`; enforced.
    ///
    /// # Errors
    /// Where authorities or requirements are missing, or one authority comes twice.
    pub fn require(authorities: Vec<Authority>, requirements: &[Requirement]) -> Result<Self, PolicyError> {
        let failed = |message: &str, hint: &str| {
            Err(PolicyError {
                origin: "command line".into(),
                problems: vec![Problem {
                    line: None,
                    column: None,
                    message: message.into(),
                    hint: Some(hint.into()),
                }],
            })
        };
        if authorities.iter().all(|a| a.signer_ids().is_empty() && !a.is_open()) {
            return failed(
                "nobody is named whose signature would count",
                "give --key, or --certificate-identity with --certificate-oidc-issuer and --trusted-root",
            );
        }
        if requirements.is_empty() {
            return failed("nothing is asked for", "ask for a signature or an attestation");
        }
        let names: BTreeSet<&str> = authorities.iter().map(Authority::name).collect();
        if names.len() != authorities.len() {
            return failed("two signers have one name", "give each key once");
        }
        let anyone = || Signers { by: (0..authorities.len()).collect(), threshold: 1 };
        let mut policy = Self {
            name: "command-line".into(),
            mode: Mode::Enforce,
            scope: Scope::default(),
            patterns: vec![Pattern::everything()],
            signatures: Vec::new(),
            attestations: Vec::new(),
            sbom: None,
            provenance: None,
            image: None,
            vulnerabilities: None,
            conditions: Vec::new(),
            authorities: Vec::new(),
        };
        for requirement in requirements {
            match requirement {
                Requirement::Signature | Requirement::Attestation(PredicateType::CosignSign) => {
                    if policy.signatures.is_empty() {
                        policy.signatures.push(anyone());
                    }
                }
                Requirement::Attestation(kind) => policy
                    .attestations
                    .push(AttestationRule { wanted: Wanted::Type(kind.clone()), signers: anyone() }),
                Requirement::Sbom => {
                    policy.sbom = Some(SbomRule {
                        signers: anyone(),
                        max_age: None,
                        packages: Vec::new(),
                        licenses: Vec::new(),
                        minimum: None,
                        allowed: Allowed::default(),
                        suppliers: Suppliers::default(),
                    });
                }
            }
        }
        policy.authorities = authorities;
        Ok(policy)
    }

    /// What stands for a policy that could not be read, of `namespace` if it belongs to one: it speaks about every
    /// image, and is never met.
    pub fn unreadable(name: &str, namespace: Option<Namespace>, why: impl Into<String>) -> Self {
        let name = namespace.as_ref().map_or(name.to_owned(), |namespace| format!("{namespace}/{name}"));
        Self {
            name,
            mode: Mode::Enforce,
            scope: Scope { owner: namespace, ground: Ground::Unreadable(why.into()), ..Scope::default() },
            patterns: vec![Pattern::everything()],
            authorities: Vec::new(),
            signatures: Vec::new(),
            attestations: Vec::new(),
            sbom: None,
            provenance: None,
            image: None,
            vulnerabilities: None,
            conditions: Vec::new(),
        }
    }

    /// Its name; with that of its namespace before it, if it belongs to one.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its mode, where `modes` says nothing else.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether what is attached to the platforms of an index counts, not only what is attached to the index.
    pub(crate) fn asks_platforms(&self) -> bool {
        self.sbom.is_some()
            || !self.attestations.is_empty()
            || self.provenance.is_some()
            || self.vulnerabilities.is_some()
    }

    /// Whether image configurations must be fetched.
    pub(crate) fn asks_config(&self) -> bool {
        self.image.as_ref().is_some_and(ImageRule::asks_config) || self.condition_uses().config
    }

    /// What its conditions ask for, all together.
    pub(crate) fn condition_uses(&self) -> Uses {
        self.conditions.iter().map(|c| c.program.uses()).fold(Uses::default(), |a, b| Uses {
            sbom: a.sbom || b.sbom,
            provenance: a.provenance || b.provenance,
            config: a.config || b.config,
            place: a.place || b.place,
        })
    }

    /// Whether it speaks about images of this name, in some namespace at least.
    pub fn matches(&self, name: &ImageName) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(&name.0))
    }

    /// The patterns of the images it speaks about, in canonical form.
    pub fn patterns(&self) -> Vec<String> {
        self.patterns.iter().map(Pattern::to_string).collect()
    }

    /// All its authorities, in the order of the file.
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }

    /// Whether it can deny nothing: it says `requires: nothing`.
    pub fn requires_nothing(&self) -> bool {
        matches!(self.scope.ground, Ground::Nothing)
    }

    /// What it requires, a line each, for people.
    pub fn summary(&self) -> Vec<String> {
        let by = |s: &Signers| s.by(self);
        let mut lines: Vec<String> = self.signatures.iter().map(|s| format!("signature {}", by(s))).collect();
        lines
            .extend(self.attestations.iter().map(|a| format!("attestation {} {}", a.wanted, by(&a.signers))));
        match &self.scope.ground {
            Ground::Rules => {}
            Ground::Nothing => lines.push("nothing".into()),
            Ground::Unreadable(why) => lines.push(format!("it cannot be read, and so cannot be met: {why}")),
        }
        if let Some(sbom) = &self.sbom {
            lines.push(format!("SBOM for each platform {}", by(&sbom.signers)));
            lines.extend(sbom.max_age.map(|age| format!("SBOM no older than {age:#}")));
            lines.extend(sbom.packages.iter().map(|p| format!("no package {} {}", p.name, p.text)));
            lines.extend(sbom.licenses.iter().map(|l| format!("no licence {}", l.text)));
            lines.extend(sbom.minimum.map(|set| format!("SBOM with the minimum elements '{}'", set.name())));
            lines.extend(sbom.allowed.summary());
            lines.extend(sbom.suppliers.summary());
        }
        lines.extend(self.provenance.iter().flat_map(|p| p.summary_lines(self)));
        lines.extend(self.image.iter().flat_map(ImageRule::summary_lines));
        lines.extend(self.vulnerabilities.iter().flat_map(|v| v.summary_lines(self)));
        lines.extend(self.conditions.iter().map(|c| format!("condition: {}", c.message)));
        lines
    }
}

/// How deep maps and lists of a policy or trust file may stand in each other; the deepest field is at eight.
pub(crate) const YAML_DEPTH: usize = 32;

/// What is wrong with a policy: one or more problems, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// The file.
    pub origin: String,
    /// What is wrong. Never empty.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The line, from 1; none where it is about the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// Where a document has another shape than a policy, or is no YAML.
    fn unreadable(error: &seaworthy_yaml::Error) -> Self {
        Self {
            line: error.place().map(|at| at.line),
            column: error.place().map(|at| at.column),
            message: error.message().to_owned(),
            hint: Some("the fields are described in docs/reference/policy.md".to_owned()),
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{}", self.origin)?;
            if let (Some(line), Some(column)) = (problem.line, problem.column) {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {}", problem.message)?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        Ok(())
    }
}

/// In one line, for where it is part of a longer message.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for PolicyError {}

pub(crate) fn unique_names(policies: &[Policy]) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    match policies.iter().find(|p| !seen.insert(p.name.as_str())) {
        None => Ok(()),
        Some(twice) => Err(PolicyError {
            origin: "policies".into(),
            problems: vec![Problem {
                line: None,
                column: None,
                message: format!("two policies have the name '{}'", twice.name),
                hint: Some("give each its own metadata.name".into()),
            }],
        }),
    }
}
