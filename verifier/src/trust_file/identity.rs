//! Identities in a trust file: whom certificates of the file's authorities must name. Refused is what a policy refuses
//! (patterns that are open to anybody, exact names that can never match, claims that nobody knows), and an identity
//! without an issuer.

use super::model::IdentityDoc;
use super::{Line, Reader, TrustFile};
use crate::authority::Authority;
use crate::identity::{Asked, Claim, IdentityRule};
use crate::policy::At;
use std::collections::BTreeMap;

/// A name that is asked for, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// Exactly this.
    Exact(String),
    /// A regular expression that must match the whole.
    Regexp(String),
}

impl Named {
    /// The text, and whether it is a pattern: for people.
    pub fn shown(&self) -> String {
        match self {
            Self::Exact(text) => text.clone(),
            Self::Regexp(text) => format!("/{text}/"),
        }
    }

    fn asked(&self) -> Asked<'_> {
        match self {
            Self::Exact(text) => Asked::Exact(text),
            Self::Regexp(text) => Asked::Regexp(text),
        }
    }
}

/// Somebody who signs with an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedIdentity {
    /// What the file calls them.
    pub name: String,
    /// Who they are, for people.
    pub owner: Option<String>,
    /// The issuer that vouches for them.
    pub issuer: Named,
    /// The name in the certificate.
    pub identity: Named,
    /// What the certificate must say about the CI run.
    pub claims: BTreeMap<String, String>,
    /// Where it stands.
    pub line: Line,
}

impl TrustedIdentity {
    /// What a certificate must say.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub fn rule(&self) -> Result<IdentityRule, (String, String)> {
        let said = |e: crate::identity::IdentityError| (e.to_string(), e.hint);
        let mut rule = IdentityRule::new(self.issuer.asked(), self.identity.asked()).map_err(said)?;
        for (name, value) in &self.claims {
            let claim = Claim::from_name(name).ok_or_else(|| {
                let known: Vec<&str> = Claim::ALL.iter().map(|c| c.name()).collect();
                (
                    format!("there is no claim '{}'", name.escape_debug()),
                    format!("known are {}", known.join(", ")),
                )
            })?;
            rule = rule.claiming(claim, value).map_err(said)?;
        }
        Ok(rule)
    }
}

impl TrustFile {
    /// The identity of that name, by the authorities and logs of this file, as an authority; `None` where there is none
    /// of that name.
    ///
    /// # Errors
    /// In words: the file's authorities and logs cannot be used.
    pub fn identity(&self, name: &str, label: &str) -> Option<Result<Authority, String>> {
        let found = self.identities.iter().find(|identity| identity.name == name)?;
        let rule = found.rule().map_err(|(why, _)| why);
        Some(rule.and_then(|rule| Ok(Authority::keyless(name, rule, self.trust(label)?))))
    }
}

impl Reader {
    pub(super) fn identity(&mut self, at: &At<IdentityDoc>) -> Option<TrustedIdentity> {
        let doc = at.get();
        let (name, owner) = (self.text(&doc.name), self.some_text(doc.owner.as_ref()));
        let mut one =
            |what: &str, exact: &Option<At<String>>, pattern: &Option<At<String>>| match (exact, pattern) {
                (Some(exact), None) => Some(Named::Exact(exact.get().clone())),
                (None, Some(pattern)) => Some(Named::Regexp(pattern.get().clone())),
                _ => {
                    let message = format!("not exactly one of {what} and {what}Regexp");
                    self.say(at, message, "write the name, or a pattern that must match all of it");
                    None
                }
            };
        let issuer = one("issuer", &doc.issuer, &doc.issuer_regexp);
        let identity = one("identity", &doc.identity, &doc.identity_regexp);
        let claims = doc.claims.iter().map(|(k, v)| (k.clone(), v.get().clone())).collect();
        let (issuer, identity) = (issuer?, identity?);
        let found = TrustedIdentity { name, owner, issuer, identity, claims, line: Line(at.line()) };
        if let Err((why, hint)) = found.rule() {
            self.say(at, why, &hint);
        }
        Some(found)
    }
}
