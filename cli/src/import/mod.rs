//! Policies of others, as policies of ours: sigstore's `ClusterImagePolicy`, Kyverno's `verifyImages` and
//! `ImageValidatingPolicy`, containers' `policy.json`.
//!
//! Nothing is dropped in silence: every field of the original is carried over, or named with its line. What would make a
//! policy weaker than the original keeps it from being written, unless somebody says that this is accepted; then it
//! stands above the policy as a comment. What comes out passes `policy check`, or it does not come out.

mod cluster_image_policy;
mod containers;
mod draft;
mod image_validating;
mod kyverno;
mod names;
mod who;

pub(crate) use draft::{Finding, Weight};
pub(crate) use who::Given;

use crate::exit::{Failure, Outcome};
use crate::tree::Node;
use draft::{Draft, Fields, Findings, sanitized};
use jiff::Timestamp;
use seaworthy_verifier::Policy;
use std::path::Path;

/// One policy of the original, or one rule or scope of it.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) source: String,
    pub(crate) line: u64,
    draft: Option<Draft>,
    pub(crate) findings: Vec<Finding>,
    /// The policy of ours, where one was written.
    pub(crate) written: Option<Written>,
}

/// A policy that passes `policy check`.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) name: String,
    pub(crate) yaml: String,
}

/// What is done about a policy that would be weaker than the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weaker {
    Refused,
    /// It is written, and what is weaker stands above it.
    Marked,
}

impl Piece {
    fn new(source: String, line: u64, draft: Draft, findings: Findings) -> Self {
        Self { source, line, draft: Some(draft), findings: findings.into_sorted(), written: None }
    }

    /// What no policy comes of.
    fn without(source: String, line: u64, findings: Findings) -> Self {
        Self { source, line, draft: None, findings: findings.into_sorted(), written: None }
    }

    /// The heaviest thing that was said.
    pub(crate) fn weight(&self) -> Option<Weight> {
        self.findings.iter().map(|f| f.weight).max()
    }
}

/// Reads `text`, which came from `origin`; `to` is where the policies will stand, for relative paths in them.
///
/// # Errors
/// Where it cannot be read, or is of no kind that is known.
pub(crate) fn import(
    text: &str,
    origin: &Path,
    to: &Path,
    given: &Given,
    weaker: Weaker,
    now: Timestamp,
) -> Outcome<Vec<Piece>> {
    let mut pieces = Vec::new();
    for document in &crate::yaml::trees(text, origin)? {
        read(&Node::from(document), given, origin, &mut pieces)?;
    }
    if pieces.is_empty() {
        return Err(Failure::broken(format!("there is no policy in {}", origin.display())).hint(KNOWN));
    }
    let mut taken: Vec<String> = Vec::new();
    for piece in &mut pieces {
        let Some(mut draft) = piece.draft.take() else { continue };
        let names = std::iter::once(draft.name.clone()).chain((2..).map(|n| format!("{}-{n}", draft.name)));
        draft.name = names.into_iter().find(|name| !taken.contains(name)).unwrap_or_default();
        if (draft.nothing || !draft.authorities.is_empty()) && piece.weight() != Some(Weight::Refused) {
            // Asked before the question whether it is wanted, so that both answers are of use.
            let yaml = draft.to_yaml(&piece.source, &piece.findings);
            if let Err(error) = Policy::parse(&yaml, to, now) {
                for problem in error.problems {
                    let hint = problem.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
                    piece.findings.push(Finding {
                        line: piece.line,
                        field: String::new(),
                        weight: Weight::Refused,
                        message: format!(
                            "the policy would not pass `policy check`: {}{hint}",
                            problem.message
                        ),
                    });
                }
            } else if weaker == Weaker::Marked || piece.weight() < Some(Weight::Weaker) {
                taken.push(draft.name.clone());
                piece.written = Some(Written { name: draft.name, yaml });
            }
        }
    }
    Ok(pieces)
}

const KNOWN: &str = "known are ClusterImagePolicy (policy.sigstore.dev), ClusterPolicy and Policy (kyverno.io), \
                     ImageValidatingPolicy (policies.kyverno.io), and containers' policy.json";

fn read(document: &Node, given: &Given, origin: &Path, pieces: &mut Vec<Piece>) -> Outcome<()> {
    let text = |key: &str| document.get(key).and_then(Node::text).unwrap_or_default();
    let (kind, version) = (text("kind"), text("apiVersion"));
    let group = version.split('/').next().unwrap_or_default().to_owned();
    match (group.as_str(), kind.as_str()) {
        ("", "") if document.get("default").is_some() || document.get("transports").is_some() => {
            pieces.extend(containers::import(document, given));
        }
        ("policy.sigstore.dev", "ClusterImagePolicy") => {
            pieces.extend(fields(document, |root, findings| {
                cluster_image_policy::import(root, findings, given)
            }));
        }
        ("kyverno.io", "ClusterPolicy" | "Policy") => {
            pieces.extend(kyverno::cluster_policy(document, &kind, given))
        }
        ("policies.kyverno.io", "ImageValidatingPolicy" | "NamespacedImageValidatingPolicy") => {
            pieces.extend(fields(document, |root, findings| {
                image_validating::import(root, &kind, findings, given)
            }));
        }
        (_, kind) if kind.ends_with("List") => {
            for item in kyverno::items(document).unwrap_or_default() {
                read(item, given, origin, pieces)?;
            }
        }
        _ => {
            let at = format!("{}:{}", origin.display(), document.line);
            let (kind, version) = (kind.escape_debug(), version.escape_debug());
            return Err(Failure::broken(format!(
                "{at}: kind '{kind}' of '{version}' is none that can be imported"
            ))
            .hint(KNOWN));
        }
    }
    Ok(())
}

/// Hands the fields of `document` to `import`, whose findings outlive them.
fn fields(document: &Node, import: impl Fn(&Fields<'_>, Findings) -> Piece) -> Option<Piece> {
    let findings = Findings::default();
    let shared = findings.share();
    let root = Fields::of(document, "", &findings)?;
    root.skip(&["apiVersion", "kind"]);
    let mut piece = import(&root, shared);
    root.finish();
    // What was said after the piece was made: fields that nobody asked for.
    piece.findings = findings.into_sorted();
    Some(piece)
}

/// The namespace that a policy belongs to.
fn namespace(root: &Node, findings: &Findings) -> Vec<String> {
    let name = root.get("metadata").and_then(|m| m.get("namespace")).and_then(Node::text);
    if name.is_none() {
        findings.say(
            root.line,
            "metadata",
            Weight::Refused,
            "a policy of one namespace that does not say which",
        );
    }
    name.into_iter().collect()
}

/// The name of the original; ours after it.
fn metadata(root: &Fields<'_>, draft: &mut Draft) -> String {
    root.skip(&["apiVersion", "kind", "metadata"]);
    let name = root.take("metadata").and_then(|m| m.get("name")).and_then(Node::text).unwrap_or_default();
    draft.name = sanitized(&name);
    name
}
