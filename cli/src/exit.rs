//! Exit codes, decided once.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | yes, or done |
//! | 1 | no: denied, differences found, a policy that does not hold |
//! | 2 | the command was asked for something impossible |
//! | 3 | could not find out; a retry may help |
//! | 4 | the input is broken; a retry will not help |
//! | 5 | no trust root, credentials refused, or this machine failed |
//! | 130 | interrupted |

use seaworthy_oci::Class;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// The outcome of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Yes, or done.
    Yes,
    /// No.
    No,
    /// Asked for something impossible.
    Usage,
    /// Could not find out.
    CouldNotFindOut,
    /// The input is broken.
    Broken,
    /// This machine, its credentials or its trust failed.
    Local,
    /// Interrupted by the user.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::CouldNotFindOut => 3,
            Self::Broken => 4,
            Self::Local => 5,
            Self::Interrupted => 130,
        }
    }

    /// The name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Usage => "usage",
            Self::CouldNotFindOut => "could-not-find-out",
            Self::Broken => "broken-input",
            Self::Local => "local-failure",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<Class> for Exit {
    fn from(class: Class) -> Self {
        match class {
            // Somebody named an image that is not there: no retry brings it, no judge can say no to it.
            Class::NotFound | Class::Broken => Self::Broken,
            Class::Usage => Self::Usage,
            Class::CouldNotFindOut => Self::CouldNotFindOut,
            Class::Local => Self::Local,
        }
    }
}

/// A command that did not come to an answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How to leave.
    pub(crate) exit: Exit,
    /// What was tried, on what, what came back.
    pub(crate) message: String,
    /// A remedy.
    pub(crate) hint: Option<String>,
}

/// The result of a command.
pub(crate) type Outcome<T = Exit> = Result<T, Failure>;

impl Failure {
    /// A failure that ends in `exit`.
    pub(crate) fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string(), hint: None }
    }

    /// This machine failed.
    pub(crate) fn local(message: impl fmt::Display) -> Self {
        Self::new(Exit::Local, message)
    }

    /// Asked for something impossible.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The input is broken.
    pub(crate) fn broken(message: impl fmt::Display) -> Self {
        Self::new(Exit::Broken, message)
    }

    /// Interrupted.
    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted")
            .hint("nothing is half done that cannot be done again: run the same command once more")
    }

    /// The same failure with a remedy.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure, said to be about the file at `path`.
    pub(crate) fn of(self, path: &Path) -> Self {
        Self { message: format!("{}: {}", path.display(), self.message), ..self }
    }
}

impl From<seaworthy_oci::Error> for Failure {
    fn from(error: seaworthy_oci::Error) -> Self {
        Self { exit: error.class().into(), message: error.to_string(), hint: error.hint }
    }
}

impl From<seaworthy_sign::Error> for Failure {
    fn from(error: seaworthy_sign::Error) -> Self {
        Self { exit: error.class().into(), message: error.to_string(), hint: error.hint }
    }
}

impl From<seaworthy_catalog::Error> for Failure {
    fn from(error: seaworthy_catalog::Error) -> Self {
        Self { exit: error.class().into(), message: error.to_string(), hint: error.hint }
    }
}

impl From<seaworthy_verifier::Error> for Failure {
    fn from(error: seaworthy_verifier::Error) -> Self {
        Self { exit: error.class().into(), message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

impl From<seaworthy_authority::Error> for Failure {
    fn from(error: seaworthy_authority::Error) -> Self {
        let exit = match error.kind {
            seaworthy_authority::ErrorKind::Usage => Exit::Usage,
            seaworthy_authority::ErrorKind::Broken => Exit::Broken,
            _ => Exit::Local,
        };
        Self { exit, message: error.message, hint: error.hint }
    }
}

impl From<seaworthy_sbom::Error> for Failure {
    fn from(error: seaworthy_sbom::Error) -> Self {
        let exit = match error.kind {
            seaworthy_sbom::ErrorKind::Io(_) => Exit::Local,
            _ => Exit::Broken,
        };
        Self { exit, message: error.to_string(), hint: error.hint }
    }
}
