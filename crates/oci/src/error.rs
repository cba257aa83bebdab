//! What can go wrong between us and an image, kept apart.
//!
//! The verifier's promise rests on this enum: "throttled" must never read as "unsigned". So each outcome
//! is a variant, and only [`ErrorKind::NotFound`] says that something is certainly not there.

use std::fmt;
use std::time::Duration;

/// The result of everything in this package.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation: what was tried, on what, what came back, and what may help.
#[derive(Debug, Clone)]
pub struct Error {
    /// What was tried, as a verb phrase: `fetch manifest`.
    pub tried: String,
    /// On what: a canonical reference, a digest, a path. Never carries credentials.
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
    /// The place answered, and the thing is not there (HTTP 404, no such file, no such tag).
    NotFound,
    /// The place wants credentials, or did not accept ours (HTTP 401).
    Unauthorized,
    /// The place knows us and refuses (HTTP 403).
    Forbidden,
    /// The place asks us to slow down (HTTP 429), after all retries.
    Throttled {
        /// What `Retry-After` said last, if anything.
        retry_after: Option<Duration>,
    },
    /// The place is in trouble (HTTP 5xx), after all retries.
    Server {
        /// The HTTP status.
        status: u16,
    },
    /// Another HTTP status that the specification does not provide for here.
    UnexpectedStatus {
        /// The HTTP status.
        status: u16,
    },
    /// No connection, a reset, a TLS failure: the text says which.
    Unreachable(String),
    /// A deadline passed.
    Timeout {
        /// The deadline that passed.
        after: Duration,
    },
    /// Something was larger, longer or more than [`crate::limits`] allows.
    LimitExceeded {
        /// The name of the limit.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// Bytes arrived whose digest is not the one asked for.
    DigestMismatch {
        /// The digest asked for.
        expected: String,
        /// The digest of what came.
        actual: String,
    },
    /// A body shorter or longer than its descriptor says.
    SizeMismatch {
        /// The size of the descriptor, in bytes.
        expected: u64,
        /// What came, in bytes; for a body that is too long, where reading stopped.
        actual: u64,
    },
    /// Bytes that are not what they claim to be; the text says what and where.
    Malformed(String),
    /// A reference that the grammar refuses; the text says why.
    InvalidReference(String),
    /// A reference that could mean several things; the text lists them.
    Ambiguous(String),
    /// Something legal that this program does not do.
    Unsupported(String),
    /// A failure of this machine: file system, configuration, a credential helper.
    Local(String),
    /// `--offline` was asked for and this needs a socket.
    Offline,
}

/// How a caller should act: the base of exit codes, metrics and admission answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Certainly not there.
    NotFound,
    /// The caller asked for something impossible (exit 2).
    Usage,
    /// Could not find out; a retry may help (exit 3).
    CouldNotFindOut,
    /// The input is broken; a retry will not help (exit 4).
    Broken,
    /// Credentials refused or this machine failed (exit 5).
    Local,
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

    /// How a caller should act.
    pub fn class(&self) -> Class {
        match self.kind {
            ErrorKind::NotFound => Class::NotFound,
            ErrorKind::InvalidReference(_) | ErrorKind::Ambiguous(_) | ErrorKind::Offline => Class::Usage,
            ErrorKind::Forbidden
            | ErrorKind::Throttled { .. }
            | ErrorKind::Server { .. }
            | ErrorKind::UnexpectedStatus { .. }
            | ErrorKind::Unreachable(_)
            | ErrorKind::Timeout { .. } => Class::CouldNotFindOut,
            ErrorKind::LimitExceeded { .. }
            | ErrorKind::DigestMismatch { .. }
            | ErrorKind::SizeMismatch { .. }
            | ErrorKind::Malformed(_)
            | ErrorKind::Unsupported(_) => Class::Broken,
            ErrorKind::Unauthorized | ErrorKind::Local(_) => Class::Local,
        }
    }

    /// Whether the thing is certainly not there.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("not found"),
            Self::Unauthorized => f.write_str("401 unauthorized: the registry wants other credentials"),
            Self::Forbidden => f.write_str("403 forbidden: the registry refuses"),
            Self::Throttled { retry_after: Some(after) } => {
                write!(f, "429 too many requests: the registry asks to wait {} s", after.as_secs())
            }
            Self::Throttled { retry_after: None } => f.write_str("429 too many requests"),
            Self::Server { status } => write!(f, "{status}: the registry is in trouble"),
            Self::UnexpectedStatus { status } => write!(f, "unexpected status {status}"),
            Self::Unreachable(why) => write!(f, "unreachable: {why}"),
            Self::Timeout { after } => write!(f, "no answer within {} s", after.as_secs_f32()),
            Self::LimitExceeded { limit, value } => write!(f, "more than the limit {limit} = {value}"),
            Self::DigestMismatch { expected, actual } => {
                write!(f, "wrong content: asked for {expected}, got {actual}")
            }
            Self::SizeMismatch { expected, actual } => {
                write!(f, "wrong size: expected {expected} bytes, got {actual}")
            }
            Self::Malformed(why)
            | Self::InvalidReference(why)
            | Self::Ambiguous(why)
            | Self::Unsupported(why)
            | Self::Local(why) => f.write_str(why),
            Self::Offline => f.write_str("this needs the network, and --offline forbids it"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.tried, self.on, self.kind)
    }
}

impl std::error::Error for Error {}
