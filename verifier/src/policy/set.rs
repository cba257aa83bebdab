//! What policy files hold together: policies, and exceptions from them.
//!
//! A file may hold documents of both kinds, with `---` between them. Exceptions alone are no policy: a set without
//! policies allows nothing.

use super::exceptions::{self, Exception};
use super::{Policy, PolicyError, Problem, YAML_DEPTH, unique_names};
use jiff::Timestamp;
use seaworthy_yaml::Node;
use std::path::Path;

/// Policies and the exceptions from them.
#[derive(Debug, Clone, Default)]
pub struct PolicySet {
    /// The policies.
    pub policies: Vec<Policy>,
    /// The exceptions.
    pub exceptions: Vec<Exception>,
}

impl From<Vec<Policy>> for PolicySet {
    fn from(policies: Vec<Policy>) -> Self {
        Self { policies, exceptions: Vec::new() }
    }
}

impl PolicySet {
    /// Reads the policy file at `path`, as [`Policy::load`] does, exceptions included.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path, now: Timestamp) -> Result<Self, PolicyError> {
        match crate::files::read_text(path, crate::limits::POLICY_BYTES) {
            Ok(text) => Self::parse(&text, path, now),
            Err(message) => Err(PolicyError {
                origin: path.display().to_string(),
                problems: vec![Problem { line: None, column: None, message, hint: None }],
            }),
        }
    }

    /// Takes the text of a policy file. `origin` is the path that messages name and that relative paths start from.
    ///
    /// # Errors
    /// As [`PolicySet::load`].
    pub fn parse(text: &str, origin: &Path, now: Timestamp) -> Result<Self, PolicyError> {
        let (of_policies, of_exceptions) = split(text);
        let mut set = Self::default();
        let mut problems = Vec::new();
        if let Some(text) = &of_exceptions {
            match read_exceptions(text, now) {
                Ok(exceptions) => set.exceptions = exceptions,
                Err(more) => problems.extend(more),
            }
        }
        if let Some(text) = of_policies {
            match Policy::parse_from(&text, origin, Some(origin.parent().unwrap_or(Path::new(""))), now) {
                Ok(policies) => set.policies = policies,
                Err(error) => problems.extend(error.problems),
            }
        }
        if problems.is_empty() {
            return Ok(set);
        }
        problems.sort_by_key(|p| (p.line, p.column));
        Err(PolicyError { origin: origin.display().to_string(), problems })
    }

    /// Takes over what `other` holds.
    pub fn extend(&mut self, other: Self) {
        self.policies.extend(other.policies);
        self.exceptions.extend(other.exceptions);
    }

    /// Sorted by name, and nothing in it without effect.
    ///
    /// # Errors
    /// Where two have one name, and where an exception is from a policy that is not there.
    pub(crate) fn consistent(mut self) -> Result<Self, PolicyError> {
        self.policies.sort_by(|a, b| a.name().cmp(b.name()));
        self.exceptions.sort_by(|a, b| a.name().cmp(b.name()));
        unique_names(&self.policies)?;
        exceptions::consistent(&self.exceptions, &self.policies)?;
        Ok(self)
    }
}

fn read_exceptions(text: &str, now: Timestamp) -> Result<Vec<Exception>, Vec<Problem>> {
    let read = seaworthy_yaml::documents::<exceptions::PolicyException>(text, YAML_DEPTH);
    let documents = read.map_err(|error| vec![Problem::unreadable(&error)])?;
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for document in &documents {
        match exceptions::read(document, now) {
            Ok(exception) => all.push(exception),
            Err(more) => problems.extend(more),
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

/// The text with the exceptions left out, and with everything else left out. What is left out leaves its lines empty,
/// so that problems are told by the line of the file. A line that begins with `---` begins a document, whatever it
/// stands in (YAML 1.2, section 9.1.2). What is not clearly an exception is a policy, and is refused as one.
fn split(text: &str) -> (Option<String>, Option<String>) {
    let mut pieces: Vec<String> = vec![String::new()];
    for line in text.split_inclusive('\n') {
        let marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marker {
            pieces.push(String::new());
        }
        if let Some(last) = pieces.last_mut() {
            last.push_str(line);
        }
    }
    let is_exception = |piece: &str| {
        let found = seaworthy_yaml::parse(piece, YAML_DEPTH);
        found.is_ok_and(|found| match found.as_slice() {
            [one] => one.get("kind").and_then(Node::text) == Some(exceptions::KIND),
            _ => false,
        })
    };
    let (mut policies, mut others) = (String::new(), String::new());
    let (mut some_policy, mut some_exception) = (false, false);
    for piece in &pieces {
        let empty = "\n".repeat(piece.matches('\n').count());
        if is_exception(piece) {
            some_exception = true;
            others.push_str(piece);
            policies.push_str(&empty);
        } else {
            some_policy |= piece.lines().any(|l| {
                let l = l.trim();
                !l.is_empty() && !l.starts_with('#') && l != "---"
            });
            policies.push_str(piece);
            others.push_str(&empty);
        }
    }
    ((some_policy || !some_exception).then_some(policies), some_exception.then_some(others))
}
