//! Policies: which images, signed and attested by whom, with which SBOM.
//!
//! A policy that cannot mean what it says is refused when it is loaded, with line and hint ([`Problem`]).

use crate::authority::Authority;
use crate::statement::PredicateType;
use jiff::Timestamp;
use seaworthy_oci::Location;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// What a policy's "no" does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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
        Self(location.to_string())
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
}

/// A policy that was read and means something.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) name: String,
    pub(crate) mode: Mode,
}

impl Policy {
    /// Reads the policy file at `path`: one document, or several with `---` between them. Paths in it are
    /// relative to its directory. `now` serves to find windows that are over.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path, now: Timestamp) -> Result<Vec<Self>, PolicyError> {
        let _ = (path, now);
        todo!()
    }

    /// Takes the text of a policy file. `origin` is the path that messages name and that relative paths start
    /// from.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn parse(text: &str, origin: &Path, now: Timestamp) -> Result<Vec<Self>, PolicyError> {
        let _ = (text, origin, now);
        todo!()
    }

    /// The policy behind flags: for any image, each of `requirements` by one of `authorities`; enforced.
    ///
    /// # Errors
    /// Where authorities or requirements are missing, or one authority comes twice.
    pub fn require(authorities: Vec<Authority>, requirements: &[Requirement]) -> Result<Self, PolicyError> {
        let _ = (authorities, requirements);
        todo!()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether it speaks about images of this name.
    pub fn matches(&self, name: &ImageName) -> bool {
        let _ = name;
        todo!()
    }

    /// All its authorities, in the order of the file.
    pub fn authorities(&self) -> &[Authority] {
        todo!()
    }
}

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

impl std::error::Error for PolicyError {}

pub(crate) fn unique_names(policies: &[Policy]) -> Result<(), PolicyError> {
    let _ = policies;
    todo!()
}
