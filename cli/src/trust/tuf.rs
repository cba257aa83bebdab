//! The TUF client behind `trust update` (The Update Framework, specification 1.0, section 5).
//!
//! What a good update is, is decided by the sigstore-tuf crate: chain of roots, thresholds, versions, expiry,
//! hashes and lengths, delegations (docs/decisions/0007). Here is what the crate leaves to its user: where bytes
//! come from and how many, where verified metadata is kept, and that a store which cannot be read or written is
//! a failure and not a cache miss, because without it an older state would be taken for a new one.
//!
//! Refused: more bytes than the limits below, redirects, a store with anything in it that is no metadata.

use crate::context::{self, Access};
use crate::exit::{Exit, Failure, Outcome};
use jiff::Timestamp;
use seaworthy_sign::keyless::Http;
use serde::Serialize;
use sigstore_tuf::transport::FetchFuture;
use sigstore_tuf::{Error, Metadata, MetadataStore, Repository, Root, Updater, UpdaterConfig};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use url::Url;

/// A `root.json`: the public one has 7 KB, with keys and signatures of five people.
pub(crate) const ROOT_BYTES: u64 = 512 << 10;
/// A `timestamp.json`: it names one file.
pub(crate) const TIMESTAMP_BYTES: u64 = 16 << 10;
/// A `snapshot.json`: a line for every role.
pub(crate) const SNAPSHOT_BYTES: u64 = 1 << 20;
/// The metadata of a targets role: the public one has 10 KB.
pub(crate) const TARGETS_BYTES: u64 = 1 << 20;
/// A target: as large as the trust file that it becomes a part of may be.
pub(crate) const TARGET_BYTES: u64 = 1 << 20;
/// Roots from the one that is known to the newest. The public repository had sixteen in five years.
pub(crate) const ROOT_ROTATIONS: u32 = 256;
/// Roles that are asked for one target.
pub(crate) const DELEGATIONS: u32 = 32;
/// Repositories whose metadata is kept on one machine.
const STORES: usize = 256;

/// The targets that Sigstore's repositories have.
const TRUSTED_ROOT: &str = "trusted_root.json";
const SIGNING_CONFIG: &str = "signing_config.v0.2.json";

/// What a TUF root says of itself.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RootFacts {
    pub(crate) version: u64,
    pub(crate) expires: Timestamp,
}

/// The TUF root of an embedded Sigstore.
pub(crate) fn embedded_root(name: &str) -> Option<RootFacts> {
    let (_, instance) = super::EMBEDDED.into_iter().find(|(n, _)| *n == name)?;
    let root = Metadata::<Root>::from_slice(instance.tuf_root()).ok()?.into_signed();
    Some(RootFacts { version: root.version, expires: root.expires })
}

/// Where a repository is.
pub(crate) enum Place {
    /// At a URL.
    Url(Url, Http),
    /// In a directory: a copy of it.
    Directory(PathBuf),
}

/// What was fetched and verified.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) trusted_root: String,
    /// Where the repository has one.
    pub(crate) signing_config: Option<String>,
    pub(crate) versions: Versions,
}

/// Versions of the metadata that vouches for it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Versions {
    pub(crate) root: u64,
    pub(crate) timestamp: u64,
    pub(crate) snapshot: u64,
    pub(crate) targets: u64,
    /// When it has to be fetched again at the latest.
    pub(crate) expires: Timestamp,
}

/// A failure of ours that has to pass through a crate that knows its own errors alone.
#[derive(Clone, Default)]
struct Trouble(Arc<Mutex<Option<Failure>>>);

impl Trouble {
    fn put(&self, failure: Failure) -> Error {
        let message = failure.message.clone();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        Error::transport(message)
    }

    fn take(&self) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct Mirror {
    place: Place,
    trouble: Trouble,
}

impl Mirror {
    /// `name` has at most the folders of a target in it; each part is one part of the path.
    async fn get(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let max = usize::try_from(limit).unwrap_or(usize::MAX);
        match &self.place {
            Place::Url(base, http) => {
                let mut url = base.clone();
                match url.path_segments_mut() {
                    Ok(mut path) => {
                        path.pop_if_empty().extend(name.split('/'));
                    }
                    Err(()) => return Err(self.trouble.put(Failure::usage(format!("{base} is no mirror")))),
                }
                let (status, body) = http
                    .fetch(&url, ("of this TUF file", max))
                    .await
                    .map_err(|e| self.trouble.put(e.into()))?;
                match status {
                    404 => Ok(None),
                    // Object stores say 403 for what is not there. To a chain of roots that makes no
                    // difference, since a mirror can hide its end in any case; all else must be there.
                    403 if name.ends_with(".root.json") => Ok(None),
                    403 => Err(self.trouble.put(
                        Failure::new(
                            Exit::CouldNotFindOut,
                            format!("cannot fetch {url}: it refuses (HTTP 403)"),
                        )
                        .hint("is the mirror's URL right?"),
                    )),
                    _ => Ok(Some(body)),
                }
            }
            Place::Directory(dir) => {
                let relative = Path::new(name);
                if !relative.components().all(|c| matches!(c, Component::Normal(_))) {
                    return Err(self.trouble.put(Failure::broken(format!("a TUF file named {name:?}"))));
                }
                let path = dir.join(relative);
                read(&path, limit).map_err(|why| self.trouble.put(why))
            }
        }
    }
}

impl Repository for Mirror {
    fn fetch_metadata<'a>(&'a self, name: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(self.get(name, max_length))
    }

    fn fetch_target<'a>(&'a self, path: &'a str, max_length: u64) -> FetchFuture<'a> {
        Box::pin(async move { self.get(&format!("targets/{path}"), max_length).await })
    }
}

/// The file at `path`, none where it is not there.
fn read(path: &Path, limit: u64) -> Outcome<Option<Vec<u8>>> {
    let fail = |e: std::io::Error| Failure::local(format!("cannot read {}: {e}", path.display()));
    let file = match std::fs::File::open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(fail)?,
    };
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(Failure::broken(format!(
            "{} has more than the {limit} bytes that it may have",
            path.display()
        )));
    }
    Ok(Some(bytes))
}

/// Verified metadata, kept for the next run.
///
/// The crate hands over each file when it was verified by itself. A timestamp without the snapshot that it names
/// would make the crate forget the snapshot of before, and with it which targets must not come back: whoever can
/// sign timestamps and snapshots would be refused once, and taken at the second try. So timestamp, snapshot and
/// targets are kept in one file that is written once all of them are good; only roots, which are a chain, are
/// written as they come.
struct Store {
    dir: PathBuf,
    trouble: Trouble,
    pending: Pending,
}

/// What a run verified and is not written yet.
type Pending = Arc<Mutex<BTreeMap<String, String>>>;

/// The file that [`Store`] keeps timestamp, snapshot and targets in.
const LATEST: &str = "latest.json";
/// What is in it.
const IN_LATEST: [&str; 3] = ["timestamp.json", "snapshot.json", "targets.json"];
/// Its size: each of the three, with their quotes escaped.
const LATEST_BYTES: u64 = 2 * (TIMESTAMP_BYTES + SNAPSHOT_BYTES + TARGETS_BYTES);

fn latest(dir: &Path) -> Outcome<BTreeMap<String, String>> {
    let path = dir.join(LATEST);
    let Some(bytes) = read(&path, LATEST_BYTES)? else { return Ok(BTreeMap::new()) };
    serde_json::from_slice(&bytes).map_err(|_| {
        let message = format!("{} is damaged: versions that were seen before are not known", path.display());
        Failure::local(message).hint(format!("to start anew, remove the folder {}", dir.display()))
    })
}

fn put(path: &Path, bytes: &[u8]) -> Outcome<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|e| Failure::local(format!("cannot make {}: {e}", parent.display())))?;
    }
    context::write_file(path, bytes, Access::Public)
}

/// Writes what a whole refresh verified.
fn commit(dir: &Path, pending: &Pending) -> Outcome<()> {
    let new = std::mem::take(&mut *pending.lock().unwrap_or_else(PoisonError::into_inner));
    if new.is_empty() {
        return Ok(());
    }
    let mut all = latest(dir)?;
    all.extend(new);
    put(&dir.join(LATEST), serde_json::Value::from_iter(all).to_string().as_bytes())
}

impl MetadataStore for Store {
    fn load(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let found = if IN_LATEST.contains(&name) {
            latest(&self.dir).map(|mut all| all.remove(name).map(String::into_bytes))
        } else {
            read(&self.dir.join(name), TARGET_BYTES)
        };
        found.map_err(|why| self.trouble.put(why))
    }

    fn store(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        if IN_LATEST.contains(&name) {
            // Verified metadata is JSON, and JSON is text.
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.pending.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), text);
        } else if name.starts_with("root") || name.starts_with("targets/") {
            put(&self.dir.join(name), bytes).map_err(|why| self.trouble.put(why))?;
        }
        // Everything else is fetched again: nothing is compared with it.
        Ok(())
    }
}

/// The folder below `stores` in which metadata of the repository with this root is kept: one whose history has
/// the very root, so that a mirror is known again at another place; else a new one.
fn store_of(stores: &Path, root: &[u8], version: u64) -> Outcome<PathBuf> {
    let fail = |e: std::io::Error| Failure::local(format!("cannot read {}: {e}", stores.display()));
    let name = format!("root_history/{version}.root.json");
    let entries = match std::fs::read_dir(stores) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
        other => Some(other.map_err(fail)?),
    };
    let mut dirs = Vec::new();
    for entry in entries.into_iter().flatten() {
        dirs.push(entry.map_err(fail)?.path());
        if dirs.len() > STORES {
            return Err(Failure::local(format!(
                "more than {STORES} folders in {} (STORES)",
                stores.display()
            ))
            .hint("remove those of repositories that are no longer used"));
        }
    }
    dirs.sort();
    for dir in dirs {
        if read(&dir.join(&name), ROOT_BYTES)?.is_some_and(|kept| kept == root) {
            return Ok(dir);
        }
    }
    let id = seaworthy_oci::Digest::sha256(root);
    Ok(stores.join(id.hex().chars().take(16).collect::<String>()))
}

/// Fetches and verifies what the repository at `place`, trusted by `root`, says at `now`.
pub(crate) async fn fetch(place: Place, root: &[u8], stores: &Path, now: Timestamp) -> Outcome<Fetched> {
    let trouble = Trouble::default();
    let bad_root = |e: &Error| {
        Failure::broken(format!("the TUF root cannot be used: {}", words(e)))
            .hint("--tuf-root takes a root.json of the repository, signed by its own keys")
    };
    let version = Metadata::<Root>::from_slice(root).map_err(|e| bad_root(&e))?.signed().version;
    let mut config = UpdaterConfig::default();
    config.root_max_length = ROOT_BYTES;
    config.timestamp_max_length = TIMESTAMP_BYTES;
    config.snapshot_max_length = SNAPSHOT_BYTES;
    config.targets_max_length = TARGETS_BYTES;
    config.target_max_length = TARGET_BYTES;
    config.max_root_rotations = ROOT_ROTATIONS;
    config.max_delegations = DELEGATIONS;
    let mirror = Mirror { place, trouble: trouble.clone() };
    let updater = Updater::new(mirror, root).map_err(|e| bad_root(&e))?;
    let dir = store_of(stores, root, version)?;
    let pending = Pending::default();
    let store = Store { dir: dir.clone(), trouble: trouble.clone(), pending: Arc::clone(&pending) };
    let mut updater = updater.with_config(config).with_store(store);
    // The crate takes a store that fails for an empty one; we do not.
    let settled = |result: Result<(), Error>| match (trouble.take(), result) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) => Err(refused(&error)),
        (None, Ok(())) => Ok(()),
    };
    settled(Ok(()))?;
    settled(updater.refresh(now).await)?;
    commit(&dir, &pending)?;
    let mut target = async |name: &str| -> Outcome<Option<String>> {
        let found = updater.get_target(name, now).await;
        if let Some(failure) = trouble.take() {
            return Err(failure);
        }
        match found {
            Ok(bytes) => String::from_utf8(bytes)
                .map(Some)
                .map_err(|_| Failure::broken(format!("the target {name} is no text"))),
            Err(Error::TargetNotFound(_)) => Ok(None),
            Err(error) => Err(refused(&error)),
        }
    };
    let trusted_root = target(TRUSTED_ROOT).await?.ok_or_else(|| {
        Failure::broken(format!("the repository has no {TRUSTED_ROOT}"))
            .hint("is it the TUF repository of a Sigstore?")
    })?;
    let signing_config = target(SIGNING_CONFIG).await?;
    let trusted = updater.trusted();
    let (timestamp, snapshot, targets) =
        (trusted.timestamp(), trusted.snapshot(), trusted.targets_role("targets"));
    let expires = [
        Some(trusted.root().expires),
        timestamp.map(|t| t.expires),
        snapshot.map(|s| s.expires),
        targets.map(|t| t.expires),
    ];
    let versions = Versions {
        root: trusted.root().version,
        timestamp: timestamp.map_or(0, |t| t.version),
        snapshot: snapshot.map_or(0, |s| s.version),
        targets: targets.map_or(0, |t| t.version),
        expires: expires.into_iter().flatten().min().unwrap_or(now),
    };
    Ok(Fetched { trusted_root, signing_config, versions })
}

/// An error with its causes, as one line.
fn words(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

/// What a repository may not say is a no; what cannot be read is broken; what is not there may come.
fn refused(error: &Error) -> Failure {
    let text = words(error);
    match error {
        Error::Rollback { .. } | Error::BadRootVersion { .. } => {
            Failure::new(Exit::No, format!("the repository goes back in time: {text}")).hint(
                "a mirror that serves an older state is behind, or an attack; nothing was taken from it",
            )
        }
        Error::Expired { .. } => Failure::new(
            Exit::No,
            format!("what the repository says is too old: {text}"),
        )
        .hint(
            "a mirror that was not refreshed, or one that hides updates; is the clock of this machine right?",
        ),
        Error::ThresholdNotMet { .. } | Error::DuplicateSignature { .. } => {
            Failure::new(Exit::No, format!("not signed by those who may: {text}"))
                .hint("it is not the repository that the root speaks for, or it was tampered with")
        }
        Error::IntegrityMismatch(_) | Error::UnknownRole(_) => {
            Failure::new(Exit::No, format!("the files of the repository do not belong together: {text}"))
                .hint("a mirror in the middle of an update, or an attack; nothing was taken from it")
        }
        Error::Transport { .. } if text.contains("root rotations") => {
            Failure::new(Exit::No, text).hint("give a newer --tuf-root")
        }
        Error::Transport { .. } => {
            Failure::new(Exit::CouldNotFindOut, format!("cannot fetch by TUF: {text}"))
                .hint("is the mirror's URL or directory right?")
        }
        Error::Io { .. } => Failure::local(text),
        _ => Failure::broken(format!("what the repository serves cannot be read: {text}")),
    }
}
