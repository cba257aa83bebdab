//! What goes wrong, told apart by what the operator or the client can do about it.
//!
//! [`Error`] ends a command (`init`, `token`, the start of `serve`); [`Refused`] ends one request and says
//! which status the client sees. A request that the authority could not finish (disk, queue, an identity
//! provider that does not answer) is never a refusal of the client: it is a 5xx, which may be tried again.

use std::fmt;

/// What sort of failure ended a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked for makes no sense.
    Usage,
    /// A file of the authority says what it must not say: broken, tampered with, or rolled back.
    Broken,
    /// The machine refused: disk, lock, socket, randomness.
    Local,
}

/// Why a command of the authority ended.
#[derive(Debug)]
pub struct Error {
    /// What sort.
    pub kind: ErrorKind,
    /// What was tried, on what, and what came back.
    pub message: String,
    /// A remedy, where there is one.
    pub hint: Option<String>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Broken, message)
    }

    pub(crate) fn local(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Local, message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// The result of a command.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The HTTP status.
    pub(crate) status: u16,
    /// What the client is told.
    pub(crate) message: String,
}

impl Refused {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    /// The request is wrong: sending it again changes nothing.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, message)
    }

    /// The token does not prove an identity.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, message)
    }

    /// There is nothing under that path.
    pub(crate) fn not_found() -> Self {
        Self::new(404, "there is nothing here")
    }

    /// More bytes than a limit allows.
    pub(crate) fn too_large(limit: &str, value: usize) -> Self {
        Self::new(413, format!("larger than {limit} ({value} bytes)"))
    }

    /// More requests than a limit allows.
    pub(crate) fn too_many() -> Self {
        Self::new(429, "too many requests a second")
    }

    /// The authority could not do it now.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, message)
    }
}
