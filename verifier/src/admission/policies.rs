//! The policies that answer now, and what was found under them.
//!
//! Verdicts belong to the policies under which they were found: a new set starts with an empty memory, so
//! nothing that an old policy, an old key or an old trusted root allowed outlives it. What is remembered is
//! about a digest in a repository, never about a tag.

use super::memory::Memory;
use super::{Doubt, Judged, limits, lock};
use crate::cluster::objects::Objects;
use crate::{Mode, Policy, PolicyError, PolicySet, Problem};
use jiff::Timestamp;
use seaworthy_oci::Digest;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

/// Files of one set of policies, the keys and roots that they name included.
const FILES: usize = 1_024;

/// What a verdict is about, and which of the policies it is by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    /// The repository, in canonical form.
    pub(super) name: String,
    pub(super) digest: Digest,
    /// The policies that apply, by their place among all, and their modes.
    pub(super) applied: Box<[(usize, Mode)]>,
}
/// A verdict that is being found, or why there is none.
type Cell = Arc<OnceCell<Result<Arc<Judged>, Doubt>>>;

/// A seat in the search for one verdict. Whoever leaves last, also by being cancelled, clears the place.
pub(super) struct Flight<'p> {
    pub(super) cell: Cell,
    key: &'p Key,
    policies: &'p Policies,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut flights = lock(&self.policies.flights);
        // Ours and the map's.
        if Arc::strong_count(&self.cell) <= 2 || self.cell.initialized() {
            let same = flights.get(self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
            if same {
                flights.remove(self.key);
            }
        }
    }
}

/// A set of policies that was read and means something.
pub struct Policies {
    /// Sorted by name; of the exceptions, those whose policies are all there: objects in the cluster come and go.
    pub(super) set: Arc<PolicySet>,
    fingerprint: String,
    pub(super) verdicts: Mutex<Memory<Key, Arc<Judged>>>,
    flights: Mutex<HashMap<Key, Cell>>,
    /// What was allowed, and when, for as long as it counts where a registry is down.
    pub(super) known: Mutex<Memory<Key, (Arc<Judged>, Timestamp)>>,
    /// What is missing, where not all policies are known yet: then nothing can be allowed.
    waiting: Option<&'static str>,
}

impl Policies {
    /// Reads the policy files at `paths`; of a directory, every `.yaml`, `.yml` and `.json` in it.
    ///
    /// # Errors
    /// Everything that is wrong with them, and two policies of one name.
    pub fn load(paths: &[PathBuf], now: Timestamp) -> Result<Self, PolicyError> {
        let (set, fingerprint) = read(paths, now)?;
        Self::new(set, fingerprint, None)
    }

    /// The policies of the files at `paths` and those in the cluster, which are waited for where they are not known.
    ///
    /// # Errors
    /// As [`Policies::load`].
    pub fn with_objects(paths: &[PathBuf], objects: &Objects, now: Timestamp) -> Result<Self, PolicyError> {
        let (mut set, fingerprint) = read(paths, now)?;
        let names: BTreeSet<String> = set.policies.iter().map(|p| p.name().to_owned()).collect();
        objects.take(names.clone());
        let Some(snapshot) = objects.snapshot() else {
            return Self::new(set, fingerprint, Some("the policies in the cluster are not known yet"));
        };
        // One that was read before its name was taken by a file waits for the next list.
        set.policies.extend(snapshot.policies.into_iter().map(|p| match names.contains(p.name()) {
            false => p,
            true => Policy::unreadable(&format!("object {}", p.name()), None, "a file has its name"),
        }));
        Self::new(set, joined(&fingerprint, &snapshot.fingerprint), None)
    }

    fn new(
        mut set: PolicySet,
        fingerprint: String,
        waiting: Option<&'static str>,
    ) -> Result<Self, PolicyError> {
        let names: BTreeSet<&str> = set.policies.iter().map(Policy::name).collect();
        set.exceptions.retain(|e| e.policies().all(|name| names.contains(name)));
        Ok(Self {
            set: Arc::new(set.consistent()?),
            fingerprint,
            verdicts: Mutex::new(Memory::new(limits::VERDICTS)),
            flights: Mutex::default(),
            known: Mutex::new(Memory::new(limits::KNOWN)),
            waiting,
        })
    }

    /// What is missing, where not all policies are known yet.
    pub fn waiting(&self) -> Option<&'static str> {
        self.waiting
    }

    /// A seat in the search for what is said about `key`.
    pub(super) fn board<'p>(&'p self, key: &'p Key) -> Flight<'p> {
        let cell = Arc::clone(lock(&self.flights).entry(key.clone()).or_default());
        Flight { cell, key, policies: self }
    }

    /// What the files say, as a hash: of the policies and of every file that they name.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// How many policies there are.
    pub fn count(&self) -> usize {
        self.set.policies.len()
    }
}

/// What the files at `paths` hold together, and their fingerprint.
fn read(paths: &[PathBuf], now: Timestamp) -> Result<(PolicySet, String), PolicyError> {
    // The fingerprint is taken before and after: files that change while they are read give no set that
    // never existed as a whole.
    let before = fingerprint(paths)?;
    let mut set = PolicySet::default();
    for path in files(paths)? {
        set.extend(PolicySet::load(&path, now)?);
    }
    if fingerprint(paths)? != before {
        return Err(failed(paths.first().map(PathBuf::as_path), "it changed while it was read".into()));
    }
    Ok((set, before))
}

fn failed(path: Option<&Path>, message: String) -> PolicyError {
    let origin = path.map_or_else(|| "policies".into(), |p| p.display().to_string());
    PolicyError { origin, problems: vec![Problem { line: None, column: None, message, hint: None }] }
}

/// The policy files at `paths`, sorted.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, PolicyError> {
    let mut all = BTreeSet::new();
    for path in paths {
        let cannot = |e: std::io::Error| failed(Some(path), format!("cannot read it: {e}"));
        if !std::fs::metadata(path).map_err(cannot)?.is_dir() {
            all.insert(path.clone());
            continue;
        }
        let before = all.len();
        for entry in std::fs::read_dir(path).map_err(cannot)? {
            let file = entry.map_err(cannot)?.path();
            // A mounted ConfigMap has its versions in directories that start with two dots.
            let hidden = file.file_name().is_none_or(|n| n.to_string_lossy().starts_with('.'));
            let policy = file.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json");
            if policy && !hidden && file.is_file() && all.len() < FILES {
                all.insert(file);
            }
        }
        if all.len() == before {
            return Err(failed(Some(path), "there is no policy file (.yaml, .yml, .json) in it".into()));
        }
    }
    if all.len() >= FILES {
        return Err(failed(None, format!("more policy files than FILES = {FILES}")));
    }
    Ok(all.into_iter().collect())
}

/// What [`Policies::with_objects`] would have as its fingerprint.
///
/// # Errors
/// As [`fingerprint`].
pub fn fingerprint_with(paths: &[PathBuf], objects: &Objects) -> Result<String, PolicyError> {
    let files = fingerprint(paths)?;
    Ok(objects.snapshot().map_or_else(|| files.clone(), |s| joined(&files, &s.fingerprint)))
}

fn joined(files: &str, objects: &str) -> String {
    Digest::sha256(format!("{files} {objects}").as_bytes()).to_string()
}

/// A hash over the policy files and over every file that a string in them names, relative to them: keys and
/// trusted roots count as much as the rules do, also those of rules that are yet to be invented.
///
/// # Errors
/// Where a policy file cannot be read.
pub fn fingerprint(paths: &[PathBuf]) -> Result<String, PolicyError> {
    let mut seen: BTreeMap<PathBuf, Option<Digest>> = BTreeMap::new();
    for path in files(paths)? {
        let text = crate::files::read_text(&path, crate::limits::POLICY_BYTES)
            .map_err(|why| failed(Some(&path), why))?;
        let base = path.parent().unwrap_or(Path::new(""));
        // Names with spaces in them stand alone on their line.
        let whole = text.lines().filter_map(|l| Some(l.split_once(": ")?.1.trim().trim_matches(['"', '\''])));
        let words = text.split(|c: char| c.is_whitespace() || "\"',[]{}".contains(c));
        for word in words.chain(whole) {
            if (3..=1_000).contains(&word.len()) && !word.starts_with('#') && seen.len() < FILES {
                let named = base.join(word);
                if !seen.contains_key(&named) && named.is_file() {
                    let content = content(&named);
                    seen.insert(named, content);
                }
            }
        }
        seen.insert(path, Some(Digest::sha256(text.as_bytes())));
    }
    let list: String = seen.iter().map(|(p, d)| format!("{} {d:?}\n", p.display())).collect();
    Ok(Digest::sha256(list.as_bytes()).to_string())
}

fn content(path: &Path) -> Option<Digest> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(crate::TRUSTED_ROOT_BYTES + 1).read_to_end(&mut bytes).ok()?;
    Some(Digest::sha256(&bytes))
}
