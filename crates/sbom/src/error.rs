//! What can go wrong between us and a document, kept apart.

use std::fmt;

/// The result of everything in this package.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation: what was tried, on what, what came back, and what may help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What was tried, as a verb phrase: `read SPDX document`.
    pub tried: String,
    /// What came back.
    pub kind: ErrorKind,
    /// A remedy, printed after `hint:`; `None` where there is none.
    pub hint: Option<String>,
}

/// The outcomes, each with its own meaning for a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Bytes that are not what they claim to be; the text says what and where.
    Malformed(String),
    /// The bytes are no document of a format that this program knows.
    UnknownFormat(String),
    /// A format or version of one that this program does not do.
    Unsupported(String),
    /// Something was larger, longer or more than [`crate::limits`] allows.
    LimitExceeded {
        /// The name of the limit.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// Writing failed: the text of the system's error.
    Io(String),
}

impl Error {
    /// A failure of `kind` while trying `tried`.
    pub fn new(tried: impl Into<String>, kind: ErrorKind) -> Self {
        Self { tried: tried.into(), kind, hint: None }
    }

    /// The same failure with a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LimitExceeded { limit, value } => write!(f, "more than the limit {limit} = {value}"),
            Self::Malformed(why) | Self::UnknownFormat(why) | Self::Unsupported(why) | Self::Io(why) => {
                f.write_str(why)
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.tried, self.kind)
    }
}

impl std::error::Error for Error {}
