//! The two ways in for an image that cannot be judged or was denied: a signed token, and an old verdict while its
//! registry is down. Both are off unless the configuration says otherwise, and both are told: in the answer, in the
//! log, and as numbers of their own.

use super::response::Outcome;
use super::{Asked, Key, Question, Said, images, limits, lock};
use crate::break_glass::{self, Case, Glass};
use jiff::Timestamp;
use seaworthy_oci::{Digest, Reference};
use std::time::Duration;

/// What is done where a registry does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RegistryDown {
    /// Nothing comes in whose verdict is not remembered anyway.
    #[default]
    Deny,
    /// A digest that the same policies allowed within this time comes in. Never a tag alone: what it means now is what
    /// cannot be asked.
    Remembered(Duration),
}

/// How an image came in that would not have otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By a token.
    BreakGlass,
    /// By a verdict from before its registry went down.
    RegistryDown,
}

/// Tokens of one review: the annotations of the object and of the Pod template in it, apart.
pub(super) fn tokens(request: &super::Request, described: &[super::ImagesAt]) -> Vec<String> {
    let mut found: Vec<String> = images::annotations(request, described, break_glass::ANNOTATION)
        .iter()
        .flat_map(|text| text.split([',', ' ', '\n']))
        .filter(|token| !token.is_empty())
        .map(|token| token.chars().take(break_glass::TOKEN_CHARS + 1).collect())
        .collect();
    found.dedup();
    // One more than counts, so that it can be said that there are too many.
    found.truncate(limits::TOKENS + 1);
    found
}

/// `said`, or what a token makes of it. `digest` is what would run, where that is certain.
pub(super) fn break_glass(
    said: Said,
    digest: Option<&Digest>,
    asked: &Asked,
    glass: &Glass,
    now: Timestamp,
) -> Said {
    if said.outcome == Outcome::Allowed || asked.tokens.is_empty() {
        return said;
    }
    let refused = |mut said: Said, why: &str| {
        said.reason = format!("{}; break-glass token: {why}", said.reason);
        said
    };
    let Some(digest) = digest else {
        return refused(said, "which digest would run is not certain; name the image by digest");
    };
    if asked.tokens.len() > limits::TOKENS {
        return refused(said, &format!("more than {} of them", limits::TOKENS));
    }
    let mut why = Vec::new();
    for token in &asked.tokens {
        match glass.check(token, Case { namespace: asked.namespace.as_ref(), digest, now }) {
            Ok((permit, signer)) => {
                let reason: String = permit.reason.chars().take(break_glass::REASON_CHARS).collect();
                let text = format!(
                    "let in by a break-glass token of {signer} until {}: {}",
                    permit.expires,
                    reason.escape_debug()
                );
                let mut by_token =
                    Said::new(Outcome::Allowed, format!("{text}; without it: {}", said.reason));
                by_token.digest = Some(digest.to_string());
                by_token.warnings = vec![text];
                by_token.would_deny = true;
                by_token.way = Some(Way::BreakGlass);
                return by_token;
            }
            Err(refused) => why.push(refused.to_string()),
        }
    }
    why.dedup();
    refused(said, &why.join("; "))
}

/// What an old verdict says about `digest`, where its registry is down and that counts.
pub(super) fn remembered(
    question: &Question<'_>,
    reference: &Reference,
    mode: RegistryDown,
    why: &str,
) -> Option<Said> {
    let RegistryDown::Remembered(_) = mode else { return None };
    let key: Key = question.key(reference.digest.as_ref()?, reference.tag.as_deref());
    let (_, at) = lock(&question.asked.policies.known).get(&key)?;
    let text = format!("its registry does not answer; let in by a verdict of {at}");
    let mut said = Said::new(Outcome::Allowed, format!("{text}: {why}"));
    said.digest = Some(key.digest.to_string());
    said.warnings = vec![text];
    said.remembered = true;
    said.way = Some(Way::RegistryDown);
    Some(said)
}
