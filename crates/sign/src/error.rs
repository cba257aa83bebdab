//! What can go wrong while signing, kept apart.
//!
//! A wrong password is not a broken file, a key that we do not support is not a key that is damaged, and a
//! registry that throttles ([`ErrorKind::Images`]) is neither: each asks for another reaction.

use std::fmt;

/// The result of everything in this package.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed operation: what was tried, on what, what came back, and what may help.
#[derive(Debug, Clone)]
pub struct Error {
    /// What was tried, as a verb phrase: `read key`.
    pub tried: String,
    /// On what: a reference, a digest, a kind of document; may be empty. Never a secret.
    pub on: String,
    /// What came back.
    pub kind: ErrorKind,
    /// A remedy, printed after `hint:`.
    pub hint: Option<String>,
}

/// The outcomes, each with its own meaning for a caller.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The key is encrypted, and no password was given.
    PasswordNeeded,
    /// The file is whole, but the password does not open it.
    WrongPassword,
    /// A key file that is damaged or is no key; the text says what and where.
    BrokenKey(String),
    /// A key of an algorithm or in a wrapping that this program does not use; its name.
    UnsupportedKey(String),
    /// A key file that asks for key derivation parameters outside of the allowed list.
    KdfRefused {
        /// scrypt's cost.
        n: u64,
        /// scrypt's block size.
        r: u64,
        /// scrypt's parallelism.
        p: u64,
    },
    /// Something was larger or deeper than allowed.
    LimitExceeded {
        /// The name of the limit.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// Something that was asked for and cannot be: a predicate type, an annotation, a missing name.
    BadInput(String),
    /// A document that is not what it should be: a predicate or kept evidence; the text says what and where.
    BrokenInput(String),
    /// The signer (a key, a plugin, a token, a certificate authority) did not sign.
    Signer(String),
    /// There is no program of this name to ask for a key.
    PluginMissing(String),
    /// A plugin did not answer in time.
    PluginSilent {
        /// How many seconds it was given.
        seconds: u64,
        /// The end of what it complained about.
        stderr: String,
    },
    /// What we made did not verify with the signer's public key. Nothing was pushed.
    SelfCheck(String),
    /// The place to write to holds something else than expected.
    Conflict(String),
    /// A failure of this machine, such as no source of randomness.
    Local(String),
    /// A signing service (certificate authority, log, timestamp authority, issuer) could not be asked.
    Service(seaworthy_oci::ErrorKind),
    /// A failure of the place where images live.
    Images(seaworthy_oci::ErrorKind),
}

/// How a caller should act; the same classes as [`seaworthy_oci::Class`].
pub use seaworthy_oci::Class;

impl Error {
    pub(crate) fn new(tried: impl Into<String>, on: impl fmt::Display, kind: ErrorKind) -> Self {
        Self { tried: tried.into(), on: on.to_string(), kind, hint: None }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error, about `what`: a caller knows the name of the file whose bytes it gave.
    #[must_use]
    pub fn about(mut self, what: impl fmt::Display) -> Self {
        self.on = what.to_string();
        self
    }

    /// How a caller should act.
    pub fn class(&self) -> Class {
        match &self.kind {
            ErrorKind::BadInput(_) => Class::Usage,
            ErrorKind::BrokenKey(_)
            | ErrorKind::BrokenInput(_)
            | ErrorKind::UnsupportedKey(_)
            | ErrorKind::KdfRefused { .. }
            | ErrorKind::LimitExceeded { .. }
            | ErrorKind::Conflict(_) => Class::Broken,
            ErrorKind::PasswordNeeded
            | ErrorKind::WrongPassword
            | ErrorKind::Signer(_)
            | ErrorKind::PluginMissing(_)
            | ErrorKind::SelfCheck(_)
            | ErrorKind::Local(_) => Class::Local,
            ErrorKind::PluginSilent { .. } => Class::CouldNotFindOut,
            ErrorKind::Images(kind) | ErrorKind::Service(kind) => {
                seaworthy_oci::Error::new(String::new(), "", kind.clone()).class()
            }
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PasswordNeeded => f.write_str("it is encrypted, and there is no password"),
            Self::WrongPassword => f.write_str("wrong password"),
            Self::KdfRefused { n, r, p } => write!(
                f,
                "its key derivation is scrypt N={n}, r={r}, p={p}; only N of 32768, 65536 or 131072 with r=8 \
                 and p=1 is run"
            ),
            Self::LimitExceeded { limit, value } => write!(f, "more than the limit {limit} = {value}"),
            Self::UnsupportedKey(name) => write!(f, "{name} is not supported"),
            Self::PluginMissing(program) => write!(f, "there is no program {program} in the PATH"),
            Self::PluginSilent { seconds, stderr } if stderr.is_empty() => {
                write!(f, "it did not answer within {seconds} seconds, and was ended")
            }
            Self::PluginSilent { seconds, stderr } => {
                write!(f, "it did not answer within {seconds} seconds, and was ended; it says: {stderr}")
            }
            Self::SelfCheck(why) => write!(f, "our own output did not pass the check: {why}"),
            Self::BrokenKey(why)
            | Self::BadInput(why)
            | Self::BrokenInput(why)
            | Self::Signer(why)
            | Self::Conflict(why)
            | Self::Local(why) => f.write_str(why),
            Self::Service(seaworthy_oci::ErrorKind::Server { status }) => {
                write!(f, "{status}: the service is in trouble")
            }
            Self::Images(kind) | Self::Service(kind) => kind.fmt(f),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}", self.tried)?;
        if !self.on.is_empty() {
            write!(f, " {}", self.on)?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl std::error::Error for Error {}

impl From<seaworthy_oci::Error> for Error {
    fn from(e: seaworthy_oci::Error) -> Self {
        Self { tried: e.tried, on: e.on, kind: ErrorKind::Images(e.kind), hint: e.hint }
    }
}
