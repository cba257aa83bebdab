//! Keys in a PKCS#11 token: which one ([`Uri`]), and, with the feature `pkcs11`, signing with it.

mod uri;

pub use uri::Uri;
