//! What can go wrong while an image is read: what was tried, on what, what came back, and a hint.

use seaworthy_oci::Class;
use std::fmt;

/// The result of everything in this package.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed inventory.
#[derive(Debug, Clone)]
pub struct Error {
    /// What was tried, as a verb phrase: `read layer`.
    pub tried: String,
    /// On what: a digest, a canonical reference.
    pub on: String,
    /// What came back.
    pub kind: ErrorKind,
    /// A remedy, printed after `hint:`; empty where there is none.
    pub hint: Option<String>,
}

/// The outcomes, each with its own meaning for a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The place of the image failed; its own error says how ([`Error::source_error`]).
    Source(Box<seaworthy_oci::ErrorKind>),
    /// Something was larger or more than [`crate::limits`] allows.
    LimitExceeded {
        /// The name of the limit.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// A stream that ends before its own end; the text says which part is missing.
    Truncated(String),
    /// Bytes that are not what they claim to be; the text says what and where.
    Malformed(String),
    /// The uncompressed layer is another than the configuration names.
    DiffIdMismatch {
        /// What the configuration names.
        expected: String,
        /// What was computed.
        actual: String,
    },
    /// Something legal that this program does not read.
    Unsupported(String),
    /// A failure of this machine.
    Local(String),
}

impl Error {
    /// A failure of `kind` while trying `tried` on `on`.
    pub fn new(tried: impl Into<String>, on: impl fmt::Display, kind: ErrorKind) -> Self {
        Self { tried: tried.into(), on: on.to_string(), kind, hint: None }
    }

    /// The same failure with a remedy.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// How a caller should act: the base of exit codes.
    pub fn class(&self) -> Class {
        match &self.kind {
            ErrorKind::Source(kind) => {
                seaworthy_oci::Error::new(self.tried.as_str(), &self.on, (**kind).clone()).class()
            }
            ErrorKind::Local(_) => Class::Local,
            ErrorKind::LimitExceeded { .. }
            | ErrorKind::Truncated(_)
            | ErrorKind::Malformed(_)
            | ErrorKind::DiffIdMismatch { .. }
            | ErrorKind::Unsupported(_) => Class::Broken,
        }
    }

    /// What the image's place said, where that was the cause.
    pub fn source_error(&self) -> Option<&seaworthy_oci::ErrorKind> {
        match &self.kind {
            ErrorKind::Source(kind) => Some(kind),
            _ => None,
        }
    }
}

impl From<seaworthy_oci::Error> for Error {
    fn from(error: seaworthy_oci::Error) -> Self {
        Self {
            tried: error.tried,
            on: error.on,
            kind: ErrorKind::Source(Box::new(error.kind)),
            hint: error.hint,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(kind) => kind.fmt(f),
            Self::LimitExceeded { limit, value } => write!(f, "more than the limit {limit} = {value}"),
            Self::DiffIdMismatch { expected, actual } => {
                write!(f, "wrong content: the configuration names {expected}, the layer holds {actual}")
            }
            Self::Truncated(why) => write!(f, "truncated: {why}"),
            Self::Malformed(why) | Self::Unsupported(why) | Self::Local(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.tried, self.on, self.kind)
    }
}

impl std::error::Error for Error {}
