//! The answer, as a value that can be read by people and programs.
//!
//! A [`Verdict`] is a tree: policies, below them what was judged (the image, the index, each platform),
//! below that each requirement, and below that why it was not met, down to the single piece of evidence.
//! Every "no" carries a [`Refusal`], whose code is stable and explained in `docs/reference/refusals.md`.
//! There is no third decision: what could not be found out is an [`crate::Error`], not a verdict.

use crate::policy::{Mode, Namespace};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::fmt;

/// The version of the JSON shape of [`Verdict`], changed only when a reader would break.
pub const VERDICT_VERSION: &str = "seaworthy.dev/verdict/v1alpha1";

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The image may run.
    Allow,
    /// The image may not run.
    Deny,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal,)+) => {
        /// Why something was refused. The kebab-case codes are stable: programs may match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Refusal { $($(#[doc = $doc])+ $name,)+ }

        impl Refusal {
            /// Every refusal there is, for documentation and tests.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable code.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it means, in the words of `docs/reference/refusals.md`.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }
    };
}

refusals! {
    /// No policy matches the image's name in this namespace, and what no policy speaks about is not allowed.
    NoPolicyMatches = "no-policy-matches",
    /// A policy in the cluster cannot be read, and what cannot be read cannot be met.
    PolicyUnreadable = "policy-unreadable",
    /// The image has no signature at all.
    SignatureMissing = "signature-missing",
    /// There are signatures, and none of them is a valid one by a signer the policy asks for.
    SignatureUntrusted = "signature-untrusted",
    /// Some signers the policy asks for have signed or attested, but fewer distinct ones than it wants.
    ThresholdNotMet = "threshold-not-met",
    /// The image has no attestation of the wanted type.
    AttestationMissing = "attestation-missing",
    /// There are attestations of the wanted type, and none of them is a valid one by a wanted signer.
    AttestationUntrusted = "attestation-untrusted",
    /// Signed by a key or identity that the policy does not ask for.
    UnknownSigner = "unknown-signer",
    /// The signature does not fit the signed bytes and the key.
    SignatureInvalid = "signature-invalid",
    /// The evidence speaks about another digest.
    SubjectMismatch = "subject-mismatch",
    /// The envelope carries no signature, or more than one.
    SignatureCount = "signature-count",
    /// The envelope's payload type is not that of an in-toto statement.
    PayloadTypeRefused = "payload-type-refused",
    /// The signed payload is no in-toto statement, or could be read in two ways.
    StatementMalformed = "statement-malformed",
    /// The signed payload is no cosign simple-signing document for a container image.
    LegacyPayloadMalformed = "legacy-payload-malformed",
    /// The evidence is not in the form that its media type promises.
    EvidenceMalformed = "evidence-malformed",
    /// The evidence is listed, and is not there.
    EvidenceMissing = "evidence-missing",
    /// The evidence's bytes are not those that its digest names.
    EvidenceAltered = "evidence-altered",
    /// The evidence is larger than the limit for one piece.
    EvidenceTooLarge = "evidence-too-large",
    /// The evidence carries no signature: it is shown and never trusted.
    EvidenceUnsigned = "evidence-unsigned",
    /// A bundle over a file's bytes, not over a statement about an image.
    NotImageEvidence = "not-image-evidence",
    /// The evidence is of another kind or predicate type than the one asked for.
    OtherKind = "other-kind",
    /// A log entry in the evidence belongs to another payload, signature or key.
    LogEntryMismatch = "log-entry-mismatch",
    /// The authority asks for a transparency log entry, and there is none, or fewer distinct logs hold it than
    /// are asked for.
    LogEntryMissing = "log-entry-missing",
    /// A transparency log entry does not verify against the trusted root.
    LogEntryInvalid = "log-entry-invalid",
    /// The certificate does not verify against the trusted root at the time of signing.
    CertificateInvalid = "certificate-invalid",
    /// A revocation list of its issuer names the certificate, or that of an authority above it.
    CertificateRevoked = "certificate-revoked",
    /// Revocation lists are asked for, and none that is in date and signed by the issuer says anything about the
    /// certificate: neither yes nor no.
    RevocationUnknown = "revocation-unknown",
    /// The certificate is good, and names another identity or issuer.
    IdentityMismatch = "identity-mismatch",
    /// The certificate is good, and says something else about the CI run than the authority asks for, or nothing.
    ClaimMismatch = "claim-mismatch",
    /// No trusted time of signing: neither log nor timestamp authority vouches for one, or fewer distinct
    /// authorities than are asked for.
    TimestampMissing = "timestamp-missing",
    /// Signed outside the time for which the policy trusts the key.
    KeyOutsideValidity = "key-outside-validity",
    /// A parser of ours or below us panicked on the evidence: a bug, and never a yes.
    VerifierPanicked = "verifier-panicked",
    /// The index lists a manifest that is not there.
    ChildMissing = "child-missing",
    /// Indexes are nested deeper than anybody needs.
    IndexTooDeep = "index-too-deep",
    /// The index lists more platforms than are judged at once.
    TooManyPlatforms = "too-many-platforms",
    /// The index lists nothing that a runtime could run.
    NoRunnablePlatform = "no-runnable-platform",
    /// The image does not exist for the platform asked for.
    PlatformNotFound = "platform-not-found",
    /// No SBOM by a wanted signer for this platform's digest.
    SbomMissing = "sbom-missing",
    /// The SBOM is signed and cannot be read.
    SbomUnreadable = "sbom-unreadable",
    /// What has the type of an SBOM lists something else than software: it states vulnerabilities (VEX), or lists
    /// services or cryptographic assets, and names no package beside what those are about.
    SbomWithoutInventory = "sbom-without-inventory",
    /// The SBOM itself says that it describes another digest.
    SbomWrongSubject = "sbom-wrong-subject",
    /// The SBOM itself says that it describes another platform.
    SbomWrongPlatform = "sbom-wrong-platform",
    /// The SBOM is older than the policy allows.
    SbomTooOld = "sbom-too-old",
    /// The SBOM does not say when it was made, or says a time in the future, and the policy limits its age.
    SbomDateUnknown = "sbom-date-unknown",
    /// The SBOM lists a package that the policy denies.
    DeniedPackage = "denied-package",
    /// The SBOM lists a package whose version cannot be compared with the range that the policy denies.
    CannotCompareVersion = "cannot-compare-version",
    /// The SBOM lists a package under a licence that the policy denies.
    DeniedLicense = "denied-license",
    /// The SBOM lists a package, or a version of it, that is not among those the policy allows.
    PackageNotAllowed = "package-not-allowed",
    /// The SBOM lists a package under a licence that is not among those the policy allows, or under none.
    LicenseNotAllowed = "license-not-allowed",
    /// The SBOM lists a package by a supplier that the policy denies.
    SupplierDenied = "supplier-denied",
    /// The SBOM lists a package by a supplier that is not among those the policy allows.
    SupplierNotAllowed = "supplier-not-allowed",
    /// The SBOM does not say who supplies a package, and the policy wants to know.
    SupplierMissing = "supplier-missing",
    /// The SBOM names a licence in a form that cannot be read, and the policy denies licences.
    CannotReadLicense = "cannot-read-license",
    /// The SBOM lacks elements that the policy wants in every SBOM.
    MinimumElementsMissing = "minimum-elements-missing",
    /// There is no SLSA provenance attestation of a version that is read (v1, v0.2).
    ProvenanceMissing = "provenance-missing",
    /// There is provenance, and none of it is valid and by a signer the policy asks for.
    ProvenanceUntrusted = "provenance-untrusted",
    /// There is provenance by a wanted signer, and none of it says what the policy asks for.
    ProvenanceRefused = "provenance-refused",
    /// The provenance is signed and cannot be read.
    ProvenanceUnreadable = "provenance-unreadable",
    /// The provenance does not say what the policy asks about, or says it in two ways.
    ProvenanceCannotTell = "provenance-cannot-tell",
    /// The provenance names a builder that the policy does not name.
    BuilderRefused = "builder-refused",
    /// The provenance names a source repository that the policy does not name.
    SourceRefused = "source-refused",
    /// The provenance names a ref that the policy does not name.
    SourceRefRefused = "source-ref-refused",
    /// The provenance names a build type that the policy does not name.
    BuildTypeRefused = "build-type-refused",
    /// The SLSA build level is stated, and lower than the policy wants.
    SlsaLevelTooLow = "slsa-level-too-low",
    /// Neither the policy's table of builders nor a verification summary states an SLSA build level.
    SlsaLevelUnknown = "slsa-level-unknown",
    /// There is no verification summary that is valid and by a signer the policy asks for.
    SummaryMissing = "verification-summary-missing",
    /// There is a verification summary by a wanted signer, and it does not say what the policy asks for.
    SummaryRefused = "verification-summary-refused",
    /// The verification summary is signed and cannot be read.
    SummaryUnreadable = "verification-summary-unreadable",
    /// The image configuration is missing, altered, too large, or can be read in two ways.
    ConfigUnreadable = "config-unreadable",
    /// The image runs as root, or does not say as whom.
    RunsAsRoot = "runs-as-root",
    /// The image runs as a user who is named, not numbered: whether that is root stands in the image's files.
    UserNotNumeric = "user-not-numeric",
    /// An environment variable of the image holds a secret, as far as its name or value tells.
    SecretInEnvironment = "secret-in-environment",
    /// The image announces a port that the policy denies or does not allow.
    ExposedPortRefused = "exposed-port-refused",
    /// It is not stated by digest what the image was built on.
    BaseImageUnknown = "base-image-unknown",
    /// The image was built on an image that the policy does not name.
    BaseImageRefused = "base-image-refused",
    /// The image is older than the policy allows.
    ImageTooOld = "image-too-old",
    /// The image does not say when it was built, or says a time in the future, and the policy limits its age.
    ImageDateUnknown = "image-date-unknown",
    /// The image's date is a fixed one, as reproducible builds write it, and the policy limits its age.
    ImageDateFixed = "image-date-fixed",
    /// A label that the policy wants is missing or says something else.
    LabelRefused = "label-refused",
    /// An annotation that the policy wants is missing or says something else.
    AnnotationRefused = "annotation-refused",
    /// No vulnerability scan by a wanted signer for this platform's digest that is recent enough.
    ScanMissing = "scan-missing",
    /// The vulnerability scan is signed and cannot be read: it may hide anything.
    ScanUnreadable = "scan-unreadable",
    /// The vulnerability scan is older than the policy allows.
    ScanTooOld = "scan-too-old",
    /// The vulnerability scan does not say when it was made, or says a time in the future, and the policy limits its age.
    ScanDateUnknown = "scan-date-unknown",
    /// A scan found a vulnerability that is more severe than the policy allows.
    VulnerabilityTooSevere = "vulnerability-too-severe",
    /// A scan found a vulnerability whose severity nobody knows, and the policy limits severities.
    VulnerabilitySeverityUnknown = "vulnerability-severity-unknown",
    /// A scan found a vulnerability that the policy denies by name.
    VulnerabilityListed = "vulnerability-listed",
    /// A condition of the policy comes to false.
    ConditionNotMet = "condition-not-met",
    /// A condition of the policy asks for what is not known, or for what does not go together.
    ConditionCannotTell = "condition-cannot-tell",
    /// A condition of the policy would take more steps than it may.
    ConditionOverBudget = "condition-over-budget",
    /// In audit or warn mode: it could not be found out whether the image meets the policy.
    CouldNotFindOut = "could-not-find-out",
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// One reason, with the reasons below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The stable code.
    pub code: Refusal,
    /// One line for people.
    pub message: String,
    /// The digest of the evidence it is about, if about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// The ids of the vulnerability it is about, if about one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vulnerabilities: Vec<String>,
    /// The package it is about, if about one: its purl, or its name and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// A remedy, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What led to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Explanation>,
}

impl Explanation {
    /// A reason without causes.
    pub fn new(code: Refusal, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            evidence: None,
            vulnerabilities: Vec::new(),
            package: None,
            hint: None,
            causes: Vec::new(),
        }
    }

    /// The same about a piece of evidence.
    #[must_use]
    pub fn about(mut self, evidence: impl fmt::Display) -> Self {
        self.evidence = Some(evidence.to_string());
        self
    }

    /// The same about a vulnerability (all its ids) or a package, or one in the other.
    #[must_use]
    pub fn on(mut self, vulnerabilities: Vec<String>, package: Option<String>) -> Self {
        (self.vulnerabilities, self.package) = (vulnerabilities, package);
        self
    }

    /// The same with a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with what led to it.
    #[must_use]
    pub fn because(mut self, causes: Vec<Self>) -> Self {
        self.causes = causes;
        self
    }

    /// The refusal and what led to it in one line, for somebody who is tired: digests shortened (the tree has
    /// them whole), what speaks of something else left out, the stable codes at the end.
    pub fn one_line(&self) -> String {
        let causes: Vec<&Self> = self.causes.iter().filter(|c| c.code != Refusal::OtherKind).collect();
        let cause = match causes.as_slice() {
            [] => String::new(),
            [one] => format!(": {}", one.message),
            [one, rest @ ..] => format!(": {}; and {} more", one.message, rest.len()),
        };
        let code = causes.first().map_or(self.code, |cause| cause.code);
        let codes = if code == self.code { code.to_string() } else { format!("{}, {code}", self.code) };
        format!("{}{} [{codes}]", shorten(&self.message), shorten(&cause))
    }

    /// Itself and everything below it, depth first.
    pub fn walk(&self) -> Vec<&Self> {
        let mut all = vec![self];
        self.causes.iter().for_each(|cause| all.extend(cause.walk()));
        all
    }
}

/// `text` with every SHA-256 digest cut to its first twelve digits.
fn shorten(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("sha256:") {
        let (before, digest) = rest.split_at(at);
        let hex = digest.bytes().skip(7).take_while(u8::is_ascii_hexdigit).count();
        out.push_str(before);
        let (digest, after) = digest.split_at(7 + hex);
        out.push_str(if hex == 64 { &digest[..19] } else { digest });
        rest = after;
    }
    out + rest
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

/// The answer for one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// [`VERDICT_VERSION`].
    pub api_version: &'static str,
    /// The decision: the only field that decides.
    pub decision: Decision,
    /// One line that says why.
    pub reason: String,
    /// The image's name in its canonical form, without tag and digest.
    pub name: String,
    /// The tag it was found under, if any: history, not identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The namespace that it was judged for, if for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    /// The digest that was judged, and no other.
    pub digest: String,
    /// Whether a policy in warn or audit mode would have denied it. Then `decision` may be `allow` all the
    /// same.
    pub would_deny: bool,
    /// What people should be told although it decides nothing: refusals of policies in warn mode.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Explanation>,
    /// Why not, where the reason lies outside any policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Explanation>,
    /// What each matching policy says, in the order of their names.
    pub policies: Vec<PolicyVerdict>,
}

/// What one policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyVerdict {
    /// The policy's name.
    pub policy: String,
    /// The policy's mode.
    pub mode: Mode,
    /// What its rules say; the mode decides what follows.
    pub decision: Decision,
    /// Why its rules could not be applied, where they could not (only in warn and audit mode).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Explanation>,
    /// Exceptions that would lift a refusal of it, and are over: they do nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expired_exceptions: Vec<ExceptionNote>,
    /// The image or index, then each platform.
    pub subjects: Vec<SubjectVerdict>,
}

/// What a policy says about one manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubjectVerdict {
    /// The manifest's digest.
    pub digest: String,
    /// What it is.
    pub role: Role,
    /// Where it runs, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The requirements on it.
    pub requirements: Vec<RequirementVerdict>,
}

/// What a judged manifest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one that was asked for, a single image.
    Image,
    /// The one that was asked for, an index.
    Index,
    /// A platform's image in the index that was asked for.
    Platform,
}

/// One requirement, met or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequirementVerdict {
    /// In words: `signature by release (1 of 1)`.
    pub requirement: String,
    /// Whether it is met.
    pub met: bool,
    /// The distinct signers that count towards it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<Signer>,
    /// The evidence that counts towards it, by digest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Why it is not met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Explanation>,
    /// Refusals that exceptions lift. Where nothing else stands against it, the requirement counts as met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub excepted: Vec<Excepted>,
    /// Vulnerabilities that would stand against it, and do not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<Suppressed>,
}

/// A refusal that does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Excepted {
    /// The refusal.
    pub refusal: Explanation,
    /// All exceptions that lift it. Never empty.
    pub by: Vec<ExceptionNote>,
}

/// An exception, as a verdict names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExceptionNote {
    /// Its name.
    pub exception: String,
    /// Who answers for it.
    pub owner: String,
    /// Why it was made.
    pub reason: String,
    /// When it ends, or ended.
    #[serde(serialize_with = "as_text")]
    pub until: Timestamp,
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl fmt::Display for ExceptionNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} until {}: {}", self.exception, self.owner, self.until, self.reason)
    }
}

/// A vulnerability that was found and does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suppressed {
    /// Its ids.
    pub vulnerabilities: Vec<String>,
    /// The package it was found in, as the scanner names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// How severe the scanner says it is, if it knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// By what: `ignore` (the policy) or `vex`.
    pub by: &'static str,
    /// Why: of VEX, its status and justification.
    pub reason: String,
    /// Of VEX: the authority who says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// Of VEX: the digest of the evidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl Suppressed {
    pub(crate) fn new(vulnerabilities: Vec<String>, by: &'static str, reason: impl Into<String>) -> Self {
        Self {
            vulnerabilities,
            package: None,
            severity: None,
            by,
            reason: reason.into(),
            authority: None,
            evidence: None,
        }
    }

    pub(crate) fn told_by(mut self, authority: &str, evidence: &str) -> Self {
        (self.authority, self.evidence) = (Some(authority.to_owned()), Some(evidence.to_owned()));
        self
    }

    pub(crate) fn of(mut self, package: Option<String>, severity: Option<impl fmt::Display>) -> Self {
        (self.package, self.severity) = (package, severity.map(|s| s.to_string()));
        self
    }
}

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.vulnerabilities.join(", "))?;
        if let Some(package) = &self.package {
            write!(f, " in {package}")?;
        }
        write!(f, " does not count ({}): {}", self.by, self.reason)?;
        match &self.authority {
            Some(authority) => write!(f, ", says {authority}"),
            None => Ok(()),
        }
    }
}

impl RequirementVerdict {
    /// A requirement that is not met, and nothing more is known.
    pub(crate) fn unmet(requirement: impl Into<String>) -> Self {
        Self {
            requirement: requirement.into(),
            met: false,
            signers: Vec::new(),
            evidence: Vec::new(),
            refusals: Vec::new(),
            excepted: Vec::new(),
            suppressed: Vec::new(),
        }
    }
}

/// Somebody who signed, as established by verification.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signer {
    /// The name of the authority in the policy.
    pub authority: String,
    /// Who it is, the same for the same signer under any authority: `key sha256:<SPKI>` or
    /// `<identity> (<issuer>)`. Thresholds count these.
    pub id: String,
}

impl Verdict {
    /// Every explanation in the tree that stands for a refusal, depth first.
    pub fn explanations(&self) -> Vec<&Explanation> {
        let of_policies = self.policies.iter().flat_map(|policy| {
            policy.refusals.iter().chain(
                policy.subjects.iter().flat_map(|s| s.requirements.iter()).flat_map(|r| r.refusals.iter()),
            )
        });
        self.refusals.iter().chain(of_policies).flat_map(Explanation::walk).collect()
    }

    /// Every requirement of every policy.
    pub fn requirements(&self) -> impl Iterator<Item = &RequirementVerdict> {
        self.policies.iter().flat_map(|p| &p.subjects).flat_map(|s| &s.requirements)
    }

    /// When the first of the exceptions ends that it rests on; none where it rests on none. It must not be remembered
    /// for longer.
    pub fn until(&self) -> Option<Timestamp> {
        let of = |e: &Excepted| e.by.iter().map(|note| note.until).max();
        self.requirements().flat_map(|r| &r.excepted).filter_map(of).min()
    }

    /// Whether `code` stands anywhere in the tree.
    pub fn has(&self, code: Refusal) -> bool {
        self.explanations().iter().any(|e| e.code == code)
    }

    /// The exit code of a program that reports this verdict.
    pub fn exit_code(&self) -> u8 {
        match self.decision {
            Decision::Allow => 0,
            Decision::Deny => 1,
        }
    }
}
