//! Where a key is, as people write it after `--key`.
//!
//! | text | key |
//! |---|---|
//! | a path | a PEM file |
//! | `env://NAME` | PEM in an environment variable, as cosign reads it |
//! | `pkcs11:…` | an object of a token (RFC 7512) |
//! | `NAME://RESOURCE` | whatever the program `sigstore-kms-NAME` makes of RESOURCE |
//!
//! Refused by name: places that cosign can fetch keys from and this program does not (`k8s://`, `gitlab://`,
//! `github://`, `https://`), because a key that is fetched over a network is as good as that network.

use crate::error::{Error, ErrorKind, Result};
use crate::kms;
use crate::pem::shown;
use crate::pkcs11;
use std::path::{Path, PathBuf};

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRef {
    /// A PEM file.
    File(PathBuf),
    /// An environment variable that holds PEM.
    Environment(String),
    /// A key behind a plugin.
    Plugin(kms::Reference),
    /// An object of a PKCS#11 token.
    Pkcs11(pkcs11::Uri),
}

impl KeyRef {
    /// Reads what stands after `--key`. Everything without a scheme is a path.
    ///
    /// # Errors
    /// [`ErrorKind::BadInput`] for a scheme that is none of these, or is not written as it must be.
    pub fn of(text: &Path) -> Result<Self> {
        let Some(word) = text.to_str() else { return Ok(Self::File(text.to_owned())) };
        if word.starts_with("pkcs11:") {
            return Ok(Self::Pkcs11(word.parse()?));
        }
        let Some((scheme, rest)) = word.split_once("://") else { return Ok(Self::File(text.to_owned())) };
        let bad = |why: &str| {
            Error::new("use", format!("key '{}'", shown(word)), ErrorKind::BadInput(why.to_owned()))
        };
        match scheme {
            "env" if rest.is_empty() => Err(bad("it names no variable")),
            "env" => Ok(Self::Environment(rest.to_owned())),
            "k8s" | "gitlab" | "github" | "http" | "https" => {
                Err(bad("keys are not fetched from there").hint("save the key as a file and name that"))
            }
            _ => Ok(Self::Plugin(kms::Reference::new(scheme, rest)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<KeyRef> {
        KeyRef::of(Path::new(text))
    }

    #[test]
    fn what_is_a_path_and_what_is_not() {
        for path in ["release.key", "/keys/a:b", "./pkcs11:x", "C:\\key.pem", "a:/b", "-"] {
            assert_eq!(of(path).unwrap(), KeyRef::File(path.into()), "{path}");
        }
        assert_eq!(of("env://COSIGN_PRIVATE_KEY").unwrap(), KeyRef::Environment("COSIGN_PRIVATE_KEY".into()));
        let KeyRef::Plugin(reference) = of("awskms:///arn:aws:kms:eu:1:key/2").unwrap() else { panic!() };
        assert_eq!((reference.name(), reference.resource()), ("awskms", "/arn:aws:kms:eu:1:key/2"));
        for bad in [
            "env://",
            "k8s://ns/key",
            "https://example.org/key",
            "://x",
            "a b://x",
            "../x://y",
            "x/y://z",
            "n://",
        ] {
            assert!(matches!(of(bad).unwrap_err().kind, ErrorKind::BadInput(_)), "{bad}");
        }
        let name = |n: usize| of(&format!("{}://x", "n".repeat(n)));
        assert!(name(64).is_ok() && name(65).is_err());
        let resource = |n: usize| of(&format!("n://{}", "r".repeat(n)));
        assert!(resource(4_096).is_ok() && resource(4_097).is_err());
    }
}
