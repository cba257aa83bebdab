//! "Could not find out", kept apart from "no".

use seaworthy_oci as oci;

/// Why there is no verdict. None of these ever counts as an allow; whoever must decide now, denies.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The place of the image did not answer, refused, or sent something broken.
    #[error(transparent)]
    Source(#[from] oci::Error),
    /// More evidence is attached than is looked at. Judging a part of it could miss what matters, in both
    /// directions, so nothing is judged.
    #[error("cannot judge {subject}: it has {found} {what}, more than the limit {limit} = {value}")]
    TooMuchEvidence {
        /// The digest that the evidence is attached to.
        subject: String,
        /// What was counted: `pieces of evidence`, `bytes of evidence`.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// The name of the limit.
        limit: &'static str,
        /// Its value.
        value: u64,
    },
    /// What decides could not be found out, such as whether a certificate is revoked.
    #[error("cannot judge: {0}")]
    Undecided(crate::Explanation),
    /// The machine under us failed: a task was cancelled or a thread could not be had.
    #[error("cannot judge: {0}")]
    Local(String),
}

impl Error {
    /// How a caller should act.
    pub fn class(&self) -> oci::Class {
        match self {
            // A list that names itself "not found" is no verdict either; a retry may help.
            Self::Source(error) if error.is_not_found() => oci::Class::CouldNotFindOut,
            Self::Source(error) => error.class(),
            Self::TooMuchEvidence { .. } => oci::Class::Broken,
            Self::Undecided(_) => oci::Class::CouldNotFindOut,
            Self::Local(_) => oci::Class::Local,
        }
    }

    /// The exit code of a program that ends with this error: 2 usage, 3 a retry may help, 4 the input is
    /// broken, 5 this machine or its credentials.
    pub fn exit_code(&self) -> u8 {
        match self.class() {
            oci::Class::Usage => 2,
            oci::Class::NotFound | oci::Class::CouldNotFindOut => 3,
            oci::Class::Broken => 4,
            oci::Class::Local => 5,
        }
    }

    /// A remedy, where there is one.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Source(error) => error.hint.as_deref(),
            Self::TooMuchEvidence { .. } => {
                Some("look at it with `seaworthy tree` and remove what is not yours")
            }
            Self::Undecided(why) => why.hint.as_deref(),
            Self::Local(_) => None,
        }
    }
}
