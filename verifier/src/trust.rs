//! Trusted roots: whose certificates, logs and timestamps count.
//!
//! A root is read from a file that the administrator named, or is one of the three that come with the
//! program; it is checked whole when it is loaded, and never fetched. A root that does not load is an error at start, not a signature that does not verify later.

use crate::trust_file::{TrustFile, media_type};
use sigstore_trust_root::TrustedRoot;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// The largest trusted root that is read. The public one has 7 KB.
pub const TRUSTED_ROOT_BYTES: u64 = 1 << 20;

/// Trust material that was read and checked. Cheap to clone.
#[derive(Clone)]
pub struct Trust {
    verifier: Arc<sigstore_verify::Verifier>,
    root: Arc<TrustedRoot>,
    label: Arc<str>,
}

impl Trust {
    /// Reads a `trusted_root.json`, the one in a ClientTrustConfig, or a [`TrustFile`].
    ///
    /// # Errors
    /// In words: it cannot be read, is too large, or holds keys or certificates that are not usable.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = crate::files::read_text(path, TRUSTED_ROOT_BYTES)?;
        Self::read(&text, &path.display().to_string())
    }

    /// Takes the text of any of the files of [`Trust::load`]; `label` names it in messages.
    ///
    /// # Errors
    /// As [`Trust::load`].
    pub fn read(text: &str, label: &str) -> Result<Self, String> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Both<'a> {
            media_type: &'a str,
            #[serde(borrow)]
            trusted_root: &'a serde_json::value::RawValue,
        }
        if TrustFile::looks_like(text) {
            let file = TrustFile::parse(text).map_err(|problems| {
                let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                format!("trust file {label}: {}", all.join("; "))
            })?;
            return file.trust(label);
        }
        match serde_json::from_str::<Both<'_>>(text) {
            Ok(both) if both.media_type == media_type::CLIENT_TRUST_CONFIG => {
                seaworthy_oci::strict::check(text.as_bytes())
                    .map_err(|e| format!("trust configuration {label}: {e}"))?;
                Self::from_json(both.trusted_root.get(), label)
            }
            _ => Self::from_json(text, label),
        }
    }

    /// Takes the text of a `trusted_root.json`; `label` names it in messages.
    ///
    /// # Errors
    /// As [`Trust::load`].
    pub fn from_json(text: &str, label: &str) -> Result<Self, String> {
        seaworthy_oci::strict::check(text.as_bytes()).map_err(|e| format!("trusted root {label}: {e}"))?;
        let made = catch_unwind(AssertUnwindSafe(|| {
            let root = TrustedRoot::from_json(text).map_err(|e| e.to_string())?;
            let verifier = sigstore_verify::Verifier::new(&root).map_err(|e| e.to_string())?;
            Ok::<_, String>((verifier, root))
        }));
        let (verifier, root) = made
            .unwrap_or_else(|_| Err("its parser panicked".into()))
            .map_err(|e| format!("trusted root {label}: {e}"))?;
        Ok(Self { verifier: Arc::new(verifier), root: Arc::new(root), label: label.into() })
    }

    /// A root that is part of this program: `public-good` (the public Sigstore), `staging` (its test instance) or `github` (GitHub's own attestations), as the sigstore-trust-root crate
    /// ships them, taken there from each root's TUF repository. `None` for any other name. It is as old as the
    /// release: certificates and logs that came later are unknown to it.
    pub fn embedded(name: &str) -> Option<Result<Self, String>> {
        let json = match name {
            "public-good" => sigstore_trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT,
            "staging" => sigstore_trust_root::SIGSTORE_STAGING_TRUSTED_ROOT,
            "github" => sigstore_trust_root::SIGSTORE_GITHUB_TRUSTED_ROOT,
            _ => return None,
        };
        Some(Self::from_json(json, name))
    }

    /// The root of the public Sigstore, as embedded.
    ///
    /// # Errors
    /// As [`Trust::load`]; a broken release.
    pub fn public_good() -> Result<Self, String> {
        Self::from_json(sigstore_trust_root::SIGSTORE_PRODUCTION_TRUSTED_ROOT, "public-good")
    }

    /// The `signing_config.json` that belongs to an embedded root: where its Sigstore is reached. `None` for names
    /// without one. It is as old as the release, too.
    pub fn embedded_signing_config(name: &str) -> Option<&'static str> {
        match name {
            "public-good" => Some(sigstore_trust_root::SIGSTORE_PRODUCTION_SIGNING_CONFIG),
            "staging" => Some(sigstore_trust_root::SIGSTORE_STAGING_SIGNING_CONFIG),
            _ => None,
        }
    }

    /// The root that trusts nobody. It serves to check that a log entry belongs to its envelope, which needs
    /// no trust.
    pub(crate) fn nobody() -> Result<Self, String> {
        Self::from_json(
            r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#,
            "(none)",
        )
    }

    pub(crate) fn root(&self) -> &TrustedRoot {
        &self.root
    }

    pub(crate) fn verifier(&self) -> &sigstore_verify::Verifier {
        &self.verifier
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("label", &self.label).finish_non_exhaustive()
    }
}
