//! Trusted roots: whose certificates, logs and timestamps count.
//!
//! A root is read from a file that the administrator named, or is one of the three that come with the
//! program; it is checked whole when it is loaded, and never fetched. A root that does not load is an error at
//! start, not a signature that does not verify later.
//!
//! Logs and timestamp authorities are counted as distinct by address and key: entries of the root that share
//! either are one, however often they stand there (a rotated key, the same log under two ids).

use crate::trust_file::{TrustFile, media_type};
use crate::{stamp, x509};
use jiff::Timestamp;
use sigstore_trust_root::{CertificateAuthority, TrustedRoot, TsaAuthority};
use sigstore_types::{SignatureBytes, TimeRange, TimestampToken};
use sigstore_verify::Verifier;
use sigstore_verify::crypto::Keyring;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// The largest trusted root that is read. The public one has 7 KB.
pub const TRUSTED_ROOT_BYTES: u64 = 1 << 20;

/// Trust material that was read and checked. Cheap to clone.
#[derive(Clone)]
pub struct Trust {
    inner: Arc<Inner>,
}

struct Inner {
    label: String,
    root: TrustedRoot,
    verifier: Verifier,
    /// For each distinct log, the entries of the root that are it.
    logs: Vec<Vec<usize>>,
    /// The same root with one distinct log each; made when somebody counts.
    by_log: OnceLock<Vec<Verifier>>,
    /// The keys of one distinct log each.
    log_keys: OnceLock<Vec<Keyring>>,
    /// For each distinct timestamp authority, the entries of the root that are it.
    timestampers: Vec<Vec<usize>>,
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

    /// What somebody named: one of the roots that come with the program by its name, else a file; `base` is the
    /// directory that paths are relative to. A file of such a name is written `./github`.
    ///
    /// # Errors
    /// As [`Trust::load`].
    pub fn named(name: &str, base: &Path) -> Result<Self, String> {
        Self::embedded(name).unwrap_or_else(|| Self::load(&base.join(name)))
    }

    /// Takes the text of a `trusted_root.json`; `label` names it in messages.
    ///
    /// # Errors
    /// As [`Trust::load`].
    pub fn from_json(text: &str, label: &str) -> Result<Self, String> {
        seaworthy_oci::strict::check(text.as_bytes()).map_err(|e| format!("trusted root {label}: {e}"))?;
        let made = catch_unwind(AssertUnwindSafe(|| {
            let mut root = TrustedRoot::from_json(text).map_err(|e| e.to_string())?;
            root.certificate_authorities.retain_mut(|authority| match own_time(authority) {
                Some(window) => {
                    authority.valid_for = Some(window);
                    true
                }
                None => false,
            });
            let verifier = Verifier::new(&root).map_err(|e| e.to_string())?;
            Ok::<_, String>((root, verifier))
        }));
        let (root, verifier) = made
            .unwrap_or_else(|_| Err("its parser panicked".into()))
            .map_err(|e| format!("trusted root {label}: {e}"))?;
        let logs = distinct(&root.tlogs, |log| {
            vec![address(&log.base_url), log.public_key.raw_bytes.as_bytes().to_vec()]
        });
        let timestampers = distinct(&root.timestamp_authorities, |tsa| {
            let certificates = tsa.cert_chain.certificates.iter().map(|c| c.raw_bytes.as_bytes().to_vec());
            certificates.chain([address(tsa.uri.as_deref().unwrap_or_default())]).collect()
        });
        let inner = Inner {
            label: label.to_owned(),
            root,
            verifier,
            logs,
            by_log: OnceLock::new(),
            log_keys: OnceLock::new(),
            timestampers,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// A root that is part of this program: `public-good` (the public Sigstore), `staging` (its test instance)
    /// or `github` (GitHub's own attestations), as the sigstore-trust-root crate ships them, taken there from
    /// each root's TUF repository. `None` for any other name. It is as old as the release: certificates and logs
    /// that came later are unknown to it.
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

    /// How many distinct transparency logs it has.
    pub fn logs(&self) -> usize {
        self.inner.logs.len()
    }

    /// How many distinct timestamp authorities it has.
    pub fn timestamp_authorities(&self) -> usize {
        self.inner.timestampers.len()
    }

    /// Whether certificates can prove that they were logged when they were issued (RFC 6962).
    pub(crate) fn has_certificate_logs(&self) -> bool {
        !self.inner.root.ctlogs.is_empty()
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
        &self.inner.root
    }

    pub(crate) fn verifier(&self) -> &Verifier {
        &self.inner.verifier
    }

    /// One verifier for each distinct log, which knows that one alone.
    ///
    /// What an entry says about the log that it is from is not signed in all of its forms, so the log is found
    /// by whose key proves the entry.
    pub(crate) fn by_log(&self) -> &[Verifier] {
        let only = |root: TrustedRoot| Verifier::new(&root).ok();
        self.inner.by_log.get_or_init(|| self.single_logs().filter_map(only).collect())
    }

    /// The keys of each distinct log, by themselves; see [`Trust::by_log`].
    pub(crate) fn log_keys(&self) -> &[Keyring] {
        let only = |root: TrustedRoot| root.rekor_keys().ok();
        self.inner.log_keys.get_or_init(|| self.single_logs().filter_map(only).collect())
    }

    /// The same root with one distinct log each.
    fn single_logs(&self) -> impl Iterator<Item = TrustedRoot> {
        self.inner.logs.iter().map(|which| {
            let mut root = self.inner.root.clone();
            let mut at = 0..;
            root.tlogs.retain(|_| at.next().is_some_and(|at| which.contains(&at)));
            root
        })
    }

    /// How many distinct timestamp authorities are behind `tokens` over `signature`, each in its time.
    pub(crate) fn count_timestamp_authorities(
        &self,
        tokens: &[&TimestampToken],
        signature: &SignatureBytes,
    ) -> usize {
        let signed_by = |authority: &TsaAuthority| {
            tokens.iter().any(|token| stamp::by(token, signature, authority).is_some())
        };
        let group_signed = |which: &&Vec<usize>| {
            let mut root = self.inner.root.clone();
            let mut at = 0..;
            root.timestamp_authorities.retain(|_| at.next().is_some_and(|at| which.contains(&at)));
            root.tsa_authorities().iter().any(signed_by)
        };
        self.inner.timestampers.iter().filter(group_signed).count()
    }
}

/// When certificates by `authority` can be good: while the root says so, and while every certificate of its chain
/// is valid. sigstore-verify takes each of them for an anchor, and of an anchor nobody asks how old it is. `None` where
/// there is no such time; a chain that is empty or cannot be read is left to the library, which refuses it.
fn own_time(authority: &CertificateAuthority) -> Option<TimeRange> {
    let stated = authority.valid_for;
    let mut start = stated.map_or(Timestamp::MIN, |range| range.start);
    let mut end = stated.and_then(|range| range.end).unwrap_or(Timestamp::MAX);
    // A window that is backwards in the file is an error there, and not an authority without effect.
    if end < start {
        return stated;
    }
    for certificate in &authority.cert_chain.certificates {
        if let Some(parts) = x509::parts(certificate.raw_bytes.as_bytes()) {
            start = start.max(parts.not_before);
            end = end.min(parts.not_after);
        }
    }
    (start <= end).then(|| TimeRange::new(start, Some(end)))
}

/// An address without what does not make it another one; empty ones are nobody's.
fn address(url: &str) -> Vec<u8> {
    let url = url.trim().trim_end_matches('/').to_ascii_lowercase();
    url.split_once("://").map_or(url.as_str(), |(_, rest)| rest).as_bytes().to_vec()
}

/// Groups the positions of `items` that share a mark, directly or through others.
fn distinct<T>(items: &[T], marks: impl Fn(&T) -> Vec<Vec<u8>>) -> Vec<Vec<usize>> {
    let mut groups: Vec<(Vec<Vec<u8>>, Vec<usize>)> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let mut marks: Vec<Vec<u8>> = marks(item).into_iter().filter(|m| !m.is_empty()).collect();
        let mut members = vec![at];
        groups.retain_mut(|(theirs, entries)| {
            let same = theirs.iter().any(|mark| marks.contains(mark));
            if same {
                marks.append(theirs);
                members.append(entries);
            }
            !same
        });
        groups.push((marks, members));
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("label", &self.inner.label).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_a_mark_is_one() {
        let items: [&[&str]; 5] = [&["a", "1"], &["b", "2"], &["c", "1"], &["", "3"], &["c", "2"]];
        let marks = |item: &&[&str]| item.iter().map(|m| m.as_bytes().to_vec()).collect::<Vec<_>>();
        // The last one joins what were two.
        let mut groups = distinct(&items, marks);
        groups.iter_mut().for_each(|g| g.sort_unstable());
        groups.sort();
        assert_eq!(groups, [vec![0, 1, 2, 4], vec![3]]);
        assert_eq!(address("HTTPS://Log.example/"), address("http://log.example"));
    }
}
