//! Keys in a PKCS#11 token: which one ([`Uri`]), and, with the feature `pkcs11`, signing with it.
//!
//! The feature is off by default, because a module is loaded at run time: a static program cannot do that, and
//! code of somebody else's in the process is a decision of whoever builds it.

#[cfg(feature = "pkcs11")]
mod token;
mod uri;

#[cfg(feature = "pkcs11")]
pub use token::{Pin, TokenSigner};

pub use uri::Uri;
