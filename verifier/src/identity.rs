//! Who a certificate must name: an identity, the issuer that vouches for it, and the claims of a CI run.
//!
//! Names are compared byte by byte, or by a pattern that must match the whole of them (see `regexp`), and by
//! their kind: a mail address in the policy is never met by a URI that reads the same. Claims are those of
//! Fulcio's certificate extensions (fulcio, docs/oid-info.md): the present ones, from `1.3.6.1.4.1.57264.1.9` on,
//! in DER, and where a certificate has none of those, GitHub's of old, `.2` to `.6`, as bare text. A certificate
//! that says two things about one claim is refused, and so is one that says nothing about a claim that is
//! asked for. What a certificate says counts only after it was verified; that is done in `proof`.

use crate::check::refuse;
use crate::regexp::{Kind, Regexp};
use crate::verdict::{Explanation, Refusal};
use sigstore_verify::crypto::{CertificateInfo, FulcioCiClaims, SubjectAltName};
use std::collections::BTreeMap;
use std::fmt;

/// A keyless identity: who, and by whose word. Both match exactly, byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The OpenID Connect issuer.
    pub issuer: String,
    /// The certificate's subject alternative name: a mail address or a URI.
    pub identity: String,
}

impl Identity {
    /// `<identity> (<issuer>)`.
    pub fn id(&self) -> String {
        format!("{} ({})", self.identity, self.issuer)
    }
}

/// A name that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// The certificate must not have one.
    Absent,
    Exact(String),
    Pattern(Regexp),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("no issuer"),
            Self::Exact(text) => f.write_str(text),
            Self::Pattern(pattern) => write!(f, "/{pattern}/"),
        }
    }
}

/// What a certificate must say: issuer, identity and claims, each exactly or by a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRule {
    pub(crate) issuer: Name,
    pub(crate) identity: Name,
    pub(crate) claims: BTreeMap<Claim, String>,
}

impl From<Identity> for IdentityRule {
    fn from(exact: Identity) -> Self {
        Self {
            issuer: Name::Exact(exact.issuer),
            identity: Name::Exact(exact.identity),
            claims: BTreeMap::new(),
        }
    }
}

/// A name as somebody asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// Exactly this.
    Exact(&'a str),
    /// A regular expression that must match the whole.
    Regexp(&'a str),
}

impl Asked<'_> {
    fn read(self, what: &'static str) -> Result<Name, IdentityError> {
        let error = |why: String, hint: &str| IdentityError { what, why, hint: hint.to_owned() };
        match self {
            // GitHub signs the attestations of its releases by itself: nobody vouches for anybody there.
            Self::Exact("none") if what == "issuer" => Ok(Name::Absent),
            Self::Exact(text) => {
                if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
                    return Err(error("is empty or has white space".into(), "write it exactly"));
                }
                if text.contains('*') {
                    let why = "is compared exactly; a * in it can never match".into();
                    return Err(error(why, "write the whole name, or use a pattern"));
                }
                Ok(Name::Exact(text.to_owned()))
            }
            Self::Regexp(text) => match Regexp::parse(text) {
                Ok(pattern) => Ok(Name::Pattern(pattern)),
                Err(refused) => Err(error(
                    format!("as the pattern '{}': {}", text.escape_debug(), refused.why),
                    &refused.hint,
                )),
            },
        }
    }
}

/// What is wrong with an identity that is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {what} {why}")]
pub struct IdentityError {
    /// `issuer`, `identity`, or the name of a claim.
    pub what: &'static str,
    /// What is wrong with it.
    pub why: String,
    /// What to write instead.
    pub hint: String,
}

impl IdentityRule {
    /// Whoever `issuer` vouches for as `identity`. The issuer `none` is asked for where the certificate must not name
    /// any, as in GitHub's attestations of releases.
    ///
    /// # Errors
    /// Empty names, white space, a `*` in an exact name, and patterns that are refused (`docs/reference/policy.md`).
    pub fn new(issuer: Asked<'_>, identity: Asked<'_>) -> Result<Self, IdentityError> {
        Ok(Self {
            issuer: issuer.read("issuer")?,
            identity: identity.read("identity")?,
            claims: BTreeMap::new(),
        })
    }

    /// The same, and `claim` must be `value`.
    ///
    /// # Errors
    /// Where the value is empty or has control characters, or the claim is asked for twice.
    pub fn claiming(mut self, claim: Claim, value: &str) -> Result<Self, IdentityError> {
        let error = |why: &str, hint: &str| IdentityError {
            what: claim.name(),
            why: why.to_owned(),
            hint: hint.to_owned(),
        };
        if value.is_empty() || value.chars().any(char::is_control) {
            return Err(error("is empty or has control characters", "write the value exactly"));
        }
        if value.contains('*') {
            return Err(error("is compared exactly; a * in it can never match", "write the whole value"));
        }
        if self.claims.insert(claim, value.to_owned()).is_some() {
            return Err(error("is asked for twice", "leave one of them out"));
        }
        Ok(self)
    }

    /// The one signer that it stands for; none where a pattern leaves several possible.
    pub(crate) fn exact_id(&self) -> Option<String> {
        match (&self.issuer, &self.identity) {
            (Name::Pattern(_), _) | (_, Name::Pattern(_)) => None,
            (issuer, identity) => Some(format!("{identity} ({issuer})")),
        }
    }

    /// Compares what a verified certificate says; the signer's id.
    pub(crate) fn meets(&self, certificate: &CertificateInfo) -> Result<String, Explanation> {
        let nobody = || refuse(Refusal::IdentityMismatch, "the certificate names nobody whom we can read");
        let name = certificate.identity.as_ref().ok_or_else(nobody)?;
        let issuer = certificate.issuer.as_deref();
        let shown = |text: &str| text.chars().take(300).collect::<String>().escape_debug().to_string();
        if !same_name(&self.identity, name) {
            let kind = match name {
                SubjectAltName::Email(_) => "mail address",
                _ => "URI",
            };
            let text =
                format!("the certificate names the {kind} '{}', not {}", shown(name.as_str()), self.identity);
            return Err(refuse(Refusal::IdentityMismatch, text));
        }
        let vouched = match (&self.issuer, issuer) {
            (Name::Absent, None) => true,
            (Name::Exact(exact), Some(issuer)) => exact == issuer,
            (Name::Pattern(pattern), Some(issuer)) => pattern.matches(issuer, Kind::Uri),
            (Name::Absent, Some(_)) | (_, None) => false,
        };
        if !vouched {
            let found = issuer.map_or("of nobody".to_owned(), |issuer| format!("of '{}'", shown(issuer)));
            let text = format!("the certificate is by the word {found}, not by that of {}", self.issuer);
            return Err(refuse(Refusal::IdentityMismatch, text));
        }
        for (claim, wanted) in &self.claims {
            let refused = |why: String| refuse(Refusal::ClaimMismatch, why);
            match claim.of(&certificate.ci_claims, wanted) {
                Found::None => {
                    return Err(refused(format!("the certificate says nothing about its {claim}")));
                }
                Found::Contradiction => {
                    return Err(refused(format!("the certificate says two things about its {claim}")));
                }
                Found::One(found) if found != *wanted => {
                    return Err(refused(format!(
                        "the certificate's {claim} is '{}', not '{}'",
                        shown(&found),
                        shown(wanted)
                    )));
                }
                Found::One(_) => {}
            }
        }
        Ok(format!("{} ({})", name.as_str(), issuer.unwrap_or("no issuer")))
    }
}

/// Exact kind, exact bytes.
fn same_name(wanted: &Name, found: &SubjectAltName) -> bool {
    let kind = match found {
        SubjectAltName::Email(_) => Kind::Mail,
        SubjectAltName::Uri(_) => Kind::Uri,
        _ => return false,
    };
    match wanted {
        // Some issuers put names that are neither into a URI: those have no kind of their own.
        Name::Exact(text) => {
            let own = match text {
                text if text.contains("://") => Some(Kind::Uri),
                text if text.contains('@') => Some(Kind::Mail),
                _ => None,
            };
            found.as_str() == text && own.is_none_or(|own| own == kind)
        }
        Name::Pattern(pattern) => pattern.matches(found.as_str(), kind),
        Name::Absent => false,
    }
}

impl fmt::Display for IdentityRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.identity, self.issuer)?;
        for (claim, value) in &self.claims {
            write!(f, ", {claim} {value}")?;
        }
        Ok(())
    }
}

enum Found {
    None,
    One(String),
    Contradiction,
}

macro_rules! claims {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// What a certificate says about the CI run that it was issued to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Claim { $($(#[doc = $doc])+ $variant,)+ }

        impl Claim {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in policies.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

claims! {
    /// The repository: its URL, or `owner/name` without the host.
    Repository = "repository",
    /// The workflow: the path of its file (`.github/workflows/release.yml`) or the name that it has.
    Workflow = "workflow",
    /// The branch or tag: `refs/heads/main`.
    Ref = "ref",
    /// What started the run: `push`, `release`.
    Trigger = "trigger",
    /// The commit.
    Sha = "sha",
    /// `github-hosted` or `self-hosted`.
    Runner = "runner",
    /// The deployment environment, with whatever protects it.
    Environment = "environment",
    /// The number of the repository, which survives renaming and is not given away again.
    RepositoryId = "repositoryId",
    /// The number of the repository's owner.
    OwnerId = "ownerId",
    /// `public`, `private` or `internal`, when it was signed.
    Visibility = "visibility",
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Claim {
    /// The claim of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|claim| claim.name() == name)
    }

    /// What `claims` say, in the form in which `wanted` is written.
    fn of(self, claims: &FulcioCiClaims, wanted: &str) -> Found {
        let old = &claims.deprecated_github;
        match self {
            Self::Repository => {
                let url = claims.source_repository_uri.as_deref();
                let short = old.workflow_repository.as_deref();
                if let (Some(url), Some(short)) = (url, short)
                    && path_of(url) != Some(short)
                {
                    return Found::Contradiction;
                }
                let found = match wanted.contains("://") {
                    true => url,
                    false => url.and_then(path_of).or(short),
                };
                found.map_or(Found::None, |text| Found::One(text.to_owned()))
            }
            Self::Workflow if wanted.ends_with(".yml") || wanted.ends_with(".yaml") => {
                let file = claims.build_config_uri.as_deref().zip(claims.source_repository_uri.as_deref());
                let file = file.and_then(|(config, repository)| {
                    let path = config.strip_prefix(repository)?.trim_start_matches('/');
                    Some(path.split_once('@').map_or(path, |(path, _)| path))
                });
                file.map_or(Found::None, |text| Found::One(text.to_owned()))
            }
            Self::Workflow if wanted.contains("://") => one(&claims.build_config_uri, &None),
            Self::Workflow => one(&old.workflow_name, &None),
            Self::Ref => one(&claims.source_repository_ref, &old.workflow_ref),
            Self::Trigger => one(&claims.build_trigger, &old.workflow_trigger),
            Self::Sha => one(&claims.source_repository_digest, &old.workflow_sha),
            Self::Runner => one(&claims.runner_environment, &None),
            Self::Environment => one(&claims.deployment_environment, &None),
            Self::RepositoryId => one(&claims.source_repository_identifier, &None),
            Self::OwnerId => one(&claims.source_repository_owner_identifier, &None),
            Self::Visibility => one(&claims.source_repository_visibility_at_signing, &None),
        }
    }
}

/// The one thing that the present and the old extension say.
fn one(present: &Option<String>, old: &Option<String>) -> Found {
    match (present, old) {
        (Some(a), Some(b)) if a != b => Found::Contradiction,
        (Some(text), _) | (None, Some(text)) => Found::One(text.clone()),
        (None, None) => Found::None,
    }
}

/// `owner/name` of a repository's URL.
fn path_of(url: &str) -> Option<&str> {
    url.split_once("://")?.1.split_once('/').map(|(_, path)| path)
}
