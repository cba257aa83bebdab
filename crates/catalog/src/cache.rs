//! What was read of layers, kept between runs in a directory of the user's.
//!
//! Decides which facts may stand in for reading a layer: those of a blob with the same digest and size, read as the
//! same kind of blob by a program with the same sources. The key is the blob's digest, which the manifest
//! authenticates; never a diff id, which a configuration names and nobody has computed. Only layers that were read to
//! their end, and whose digest was checked, are kept.
//!
//! The directory is as trustworthy as the account it belongs to, and no more: it must be the user's own and closed to
//! all others, or it is not used. Every file has a checksum over a secret of the directory, its key and its content.
//! A torn, changed, renamed or foreign file is as if it were not there. Files are written under another name and
//! renamed, so that runs beside each other never see half of one; what was not used for longest goes when there is
//! more than [`limits::CACHE_BYTES`]. Nothing here can fail an inventory.

use crate::layer::{Facts, PathHasher};
use crate::limits;
use crate::pack::{Pack, take};
use seaworthy_oci::digest::Hasher;
use seaworthy_oci::{Algorithm, Digest};
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// What decides whether facts of another build mean the same (build.rs).
const VERSION: &str = env!("SEAWORTHY_LAYER_VERSION");
/// How a file begins.
const MAGIC: &[u8] = b"seaworthy layer 1\n";
/// The secret of a directory.
const SECRET: &str = "secret";
const SECRET_BYTES: usize = 32;
/// SHA-256, in hex.
const SUM_BYTES: usize = 64;
/// The end of the names of cached layers.
const SUFFIX: &str = ".layer";
/// How old a file without its last name may be before it is nobody's.
const UNNAMED: Duration = Duration::from_secs(3_600);

/// Which facts are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The blob.
    pub(crate) digest: Digest,
    /// Its size as the manifest has it.
    pub(crate) size: u64,
    /// What decides how it is read: its media type, and what was asked for.
    pub(crate) how: String,
}

/// A directory of cached layers. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    secret: [u8; SECRET_BYTES],
    most: u64,
    written: AtomicBool,
    hits: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl Cache {
    /// The cache in `dir`, which is made if it is not there, with at most [`limits::CACHE_BYTES`].
    ///
    /// # Errors
    /// Why it is not used: it cannot be written to, it belongs to somebody else, or others may read or write there.
    pub fn open(dir: &Path) -> Result<Self, String> {
        Self::with_limit(dir, limits::CACHE_BYTES)
    }

    /// The same with another limit, in bytes.
    ///
    /// # Errors
    /// As [`Cache::open`].
    pub fn with_limit(dir: &Path, most: u64) -> Result<Self, String> {
        let failed = |e: io::Error| format!("{}: {e}", dir.display());
        make_private(dir).map_err(failed)?;
        is_private(dir).map_err(failed)?;
        let secret = secret(dir).map_err(failed)?;
        Ok(Self(Arc::new(Inner {
            dir: dir.to_owned(),
            secret,
            most,
            written: AtomicBool::new(false),
            hits: AtomicU64::new(0),
            trouble: Mutex::default(),
        })))
    }

    /// Layers that were not read because they were here.
    pub fn hits(&self) -> u64 {
        self.0.hits.load(Ordering::Relaxed)
    }

    /// The first thing that went wrong while layers were kept: it costs time in the next run and nothing else.
    pub fn trouble(&self) -> Option<String> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Names paths as they are named in this directory.
    pub(crate) fn names(&self) -> PathHasher {
        let half = |from: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&self.0.secret[from..from + 8]);
            u64::from_le_bytes(bytes)
        };
        PathHasher::keyed(half(0), half(8))
    }

    /// What is known of that layer.
    pub(crate) fn get(&self, key: &Key) -> Option<Facts> {
        let path = self.path(key);
        let file = File::open(&path).ok()?;
        let size = file.metadata().ok()?.len();
        if size > limits::CACHE_ENTRY_BYTES {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).ok()?);
        file.take(limits::CACHE_ENTRY_BYTES).read_to_end(&mut bytes).ok()?;
        let mut rest = bytes.as_slice();
        if take(&mut rest, MAGIC.len())? != MAGIC {
            return None;
        }
        let sum = take(&mut rest, SUM_BYTES)?;
        if sum != self.sum(key, rest).hex().as_bytes() {
            return None;
        }
        let facts = Facts::unpack(&mut rest)?;
        if !rest.is_empty() {
            return None;
        }
        // What is used stays longest. Whoever cannot say so loses it earlier.
        let _ = File::options().append(true).open(&path).and_then(|f| f.set_modified(SystemTime::now()));
        self.0.hits.fetch_add(1, Ordering::Relaxed);
        Some(facts)
    }

    /// Keeps what was read of that layer.
    pub(crate) fn put(&self, key: &Key, facts: &Facts) {
        let mut body = Vec::new();
        facts.pack(&mut body);
        let size = (MAGIC.len() + SUM_BYTES + body.len()) as u64;
        if size > limits::CACHE_ENTRY_BYTES.min(self.0.most) {
            return;
        }
        let sum = self.sum(key, &body);
        let parts = [MAGIC, sum.hex().as_bytes(), &body];
        match write(&self.0.dir, &self.path(key), &parts) {
            Ok(()) => self.0.written.store(true, Ordering::Relaxed),
            Err(e) => {
                let mut trouble = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner);
                trouble.get_or_insert_with(|| format!("{}: {e}", self.0.dir.display()));
            }
        }
    }

    /// Lets go of what was not used for longest, if something was kept since the last time.
    pub(crate) fn trim(&self) {
        if !self.0.written.swap(false, Ordering::Relaxed) {
            return;
        }
        let Ok(entries) = fs::read_dir(&self.0.dir) else { return };
        let now = SystemTime::now();
        let (mut layers, mut sum) = (Vec::new(), 0_u64);
        for entry in entries.flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(SUFFIX) {
                sum = sum.saturating_add(meta.len());
                layers.push((used, meta.len(), entry.path()));
            } else if name != SECRET && now.duration_since(used).is_ok_and(|age| age > UNNAMED) {
                // Left by a run that died; a directory or somebody else's file stays.
                if name.starts_with(".new-") {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
        layers.sort();
        for (_, size, path) in layers {
            if sum <= self.0.most {
                break;
            }
            // Another run may have taken it away; it is gone in any case.
            let _ = fs::remove_file(path);
            sum -= size;
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        let name = self.keyed(b"name", key).finish();
        self.0.dir.join(format!("{}{SUFFIX}", name.hex()))
    }

    fn sum(&self, key: &Key, body: &[u8]) -> Digest {
        let mut hasher = self.keyed(b"content", key);
        hasher.update(body);
        hasher.finish()
    }

    /// A hash that begins with the secret, what it is for, the version and the key, each with its length.
    fn keyed(&self, purpose: &[u8], key: &Key) -> Hasher {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let (digest, size) = (key.digest.to_string(), key.size.to_be_bytes());
        for part in
            [&self.0.secret[..], purpose, VERSION.as_bytes(), digest.as_bytes(), &size, key.how.as_bytes()]
        {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        hasher
    }
}

/// Writes a file that is whole or not there, for its owner alone.
fn write(dir: &Path, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.persist(path)?;
    Ok(())
}

/// The directory's secret, made by whoever comes first.
fn secret(dir: &Path) -> io::Result<[u8; SECRET_BYTES]> {
    let path = dir.join(SECRET);
    if !path.try_exists()? {
        let mut fresh = [0; SECRET_BYTES];
        getrandom::fill(&mut fresh).map_err(|e| io::Error::other(format!("no random numbers: {e}")))?;
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(dir)?;
        file.write_all(&fresh)?;
        match file.persist_noclobber(&path) {
            Ok(_) => {}
            // Another run was first: its secret is the one.
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e.error),
        }
    }
    let mut secret = [0; SECRET_BYTES];
    let mut file = File::open(&path)?;
    file.read_exact(&mut secret)?;
    if file.read(&mut [0])? != 0 {
        return Err(io::Error::other(format!(
            "'{SECRET}' in it is not of this program: remove the directory"
        )));
    }
    Ok(secret)
}

#[cfg(unix)]
fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(unix)]
fn is_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = fs::symlink_metadata(dir)?;
    if !meta.is_dir() {
        return Err(io::Error::other("no directory"));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("belongs to somebody else"));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!(
            "others may read or write there (mode {:o}): chmod 700",
            meta.mode() & 0o7777
        )));
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

/// Who may write there is the system's to say; the user's own directories are the user's.
#[cfg(not(unix))]
fn is_private(_: &Path) -> io::Result<()> {
    Ok(())
}
