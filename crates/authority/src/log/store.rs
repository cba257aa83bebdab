//! A log on disk, and why it neither loses an acknowledged entry nor forks.
//!
//! A log is a folder with two files that matter (`key.pub` beside them is for whoever reads it later). `entries` is append-only: a magic line, then for each entry its length
//! (32 bits), its leaf hash and its bytes; the order of the file is the order of the log, and as entry and
//! hash are one record, there are no two files that can disagree. `checkpoint` is the newest tree head that
//! was ever signed.
//!
//! One writer makes one step at a time ([`Store::append`]):
//!
//! 1. the batch is written to the end of `entries`, and `fdatasync` returns;
//! 2. the tree head over them is signed and put in place of `checkpoint`: a new file, `fsync`, rename,
//!    `fsync` of the folder;
//! 3. only then is the tree head shown to anybody, and are the entries acknowledged.
//!
//! Hence two facts that hold at every moment, also after a crash anywhere in between. **(A)** Every tree head
//! that left the process is at most as large as the stored one, because step 2 ends before step 3. **(B)** All
//! entries below the stored size are complete on disk, because step 1 ends before step 2.
//!
//! [`Store::open`] reads `entries` from the front and checks each record against its hash. A record that is
//! cut off or does not fit its hash, *above* the stored size, was never acknowledged (A): the file is cut
//! there. *Below* it, the disk lost what it had promised (against B): the log refuses to start. It also
//! refuses when the root over the stored size is not the stored root, or when the checkpoint is missing or
//! signed by another key. Complete records above the stored size are kept: nobody was told about them, and
//! appending after them is as good as appending them again.
//!
//! No fork: tree heads are signed by the holder of the folder's lock alone, over a tree that contains the
//! stored one as its first leaves, and sizes only grow (A). An old copy of the folder that is put back is the one way
//! to fork a log. What can be done about it: the newest tree head is also kept in another place
//! ([`Store::remember_in`]), a backup is no folder that can be served, and what is restored goes on in a new log
//! (the `rotate` and `backup` modules of this package).
//!
//! After a failed write or sync the state of the disk is unknown. The store then takes nothing more until it
//! was opened anew; what was acknowledged stays readable.

use super::checkpoint::Checkpoint;
use super::tree::{Hash, Tree, leaf_hash};
use crate::error::{Error, Result};
use crate::folder::LOG_KEY;
use crate::keys::Key;
use crate::limits::{ENTRY_BYTES, LOG_ENTRIES};
use seaworthy_sign::PublicKey;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

const MAGIC: &[u8] = b"seaworthy log 1\n";
/// Length and leaf hash before an entry.
const HEAD: usize = 4 + 32;

/// What readers see.
#[derive(Debug)]
struct Shown {
    tree: Tree,
    /// Where each entry's record starts.
    offsets: Vec<u64>,
    checkpoint: Arc<Checkpoint>,
}

/// The public face of a log: checkpoint, proofs, tiles. It never shows anything above the checkpoint.
#[derive(Debug, Clone)]
pub struct View {
    shown: Arc<RwLock<Shown>>,
    path: PathBuf,
}

/// The writing end of a log; there is one, and it holds the key.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    file: File,
    end: u64,
    origin: String,
    key: Key,
    view: View,
    /// Where the newest tree head is kept a second time.
    elsewhere: Option<PathBuf>,
    failed: bool,
}

fn io(what: &str, path: &Path, error: &std::io::Error) -> Error {
    Error::local(format!("cannot {what} {}: {error}", path.display()))
}

fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| io("sync", dir, &e))
}

/// Puts `bytes` in place of the file `name`, whole or not at all, and durable.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let (new, path) = (dir.join(format!("{name}.new")), dir.join(name));
    let mut file = File::create(&new).map_err(|e| io("write", &new, &e))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|e| io("write", &new, &e))?;
    std::fs::rename(&new, &path).map_err(|e| io("write", &path, &e))?;
    sync_dir(dir)
}

impl Store {
    /// Makes an empty log in `dir`, which must not be there.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn create(dir: &Path, origin: &str, key: impl Into<Key>) -> Result<()> {
        let key = key.into();
        std::fs::create_dir(dir).map_err(|e| io("make", dir, &e))?;
        replace(dir, "entries", MAGIC)?;
        replace(dir, LOG_KEY, key.public_key().to_pem().as_bytes())?;
        let root = Tree::default().root(0).unwrap_or_default();
        replace(dir, "checkpoint", Checkpoint::sign(origin, 0, root, &key)?.text.as_bytes())
    }

    /// Opens a log, checks all of it, and cuts off what a crash left unfinished. The caller holds the lock.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Broken`] where entries and checkpoint contradict each other (see the module).
    pub fn open(dir: &Path, origin: &str, key: impl Into<Key>) -> Result<Self> {
        let key = key.into();
        let path = dir.join("entries");
        let mut file =
            OpenOptions::new().read(true).write(true).open(&path).map_err(|e| io("open", &path, &e))?;
        let Loaded { tree, offsets, stored, end, length } = load(dir, origin, key.public_key(), &file)?;
        if end < length {
            file.set_len(end).map_err(|e| io("cut", &path, &e))?;
        }
        // Also without a cut: what was read may so far be in the page cache alone.
        file.sync_all().map_err(|e| io("sync", &path, &e))?;
        file.seek(SeekFrom::Start(end)).map_err(|e| io("read", &path, &e))?;

        let grown = tree.size() > stored.size;
        let shown = Shown { tree, offsets, checkpoint: Arc::new(stored) };
        let view = View { shown: Arc::new(RwLock::new(shown)), path };
        let mut store = Self {
            dir: dir.to_owned(),
            file,
            end,
            origin: origin.to_owned(),
            key,
            view,
            elsewhere: None,
            failed: false,
        };
        if grown {
            store.publish()?;
        }
        Ok(store)
    }

    /// Keeps each tree head that is signed in the file `path` too, on another disk, and refuses to go on where that
    /// file knows more than this log: then an old copy of the folder was put back. `earlier` are the keys of logs
    /// that were closed before this one began.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Broken`] where the file contradicts this log, or is of none of these keys.
    pub fn remember_in(mut self, path: PathBuf, earlier: &[PublicKey]) -> Result<Self> {
        match std::fs::read_to_string(&path) {
            Ok(text) => self.check_seen(&text, &path, earlier)?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(io("read", &path, &e)),
        }
        let now = self.view.checkpoint();
        self.elsewhere = Some(path);
        self.remember(&now)?;
        Ok(self)
    }

    fn check_seen(&self, text: &str, path: &Path, earlier: &[PublicKey]) -> Result<()> {
        let ours = Checkpoint::read(text, &self.origin, self.key.public_key());
        let Ok(seen) = ours else {
            // The log was closed since: what it had is fixed, and its successor began with nothing.
            let closed = earlier.iter().any(|key| Checkpoint::read(text, &self.origin, key).is_ok());
            return match closed {
                true => Ok(()),
                false => Err(Error::broken(format!(
                    "{} is of another log than {}",
                    path.display(),
                    self.dir.display()
                ))),
            };
        };
        let root = self.view.read(|shown| shown.tree.root(seen.size));
        if root == Some(seen.root) {
            return Ok(());
        }
        Err(Error::broken(format!(
            "{} knows of {} entries, and {} has others or fewer ({})",
            path.display(),
            seen.size,
            self.dir.display(),
            self.view.checkpoint().size
        ))
        .hint(
            "an old copy was put back, and serving it would fork the log: use `seaworthy authority restore`",
        ))
    }

    /// Without sync: a machine that lost its power forgets at most that it knew, and claims nothing wrong.
    fn remember(&self, checkpoint: &Checkpoint) -> Result<()> {
        let Some(path) = &self.elsewhere else { return Ok(()) };
        let new = path.with_extension("new");
        std::fs::write(&new, &checkpoint.text)
            .and_then(|()| std::fs::rename(&new, path))
            .map_err(|e| io("write", path, &e))
    }

    /// What readers may use while this store writes.
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// Whether a write failed, so that nothing more is taken.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// Adds entries; when it returns, they and a checkpoint over them are durable. The first one's index is
    /// the checkpoint's size before.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] for an entry beyond [`ENTRY_BYTES`] or a full log, with nothing written;
    /// otherwise the disk refused, and the store takes nothing more.
    pub fn append(&mut self, entries: &[Vec<u8>]) -> Result<Arc<Checkpoint>> {
        if self.failed {
            return Err(Error::local("an earlier write to the log failed; start the authority anew"));
        }
        if let Some(entry) = entries.iter().find(|entry| entry.len() > ENTRY_BYTES) {
            let n = entry.len();
            return Err(Error::usage(format!("an entry of {n} bytes is larger than {ENTRY_BYTES}")));
        }
        let size = self.view.read(|shown| shown.offsets.len());
        if size.saturating_add(entries.len()) > LOG_ENTRIES {
            return Err(Error::usage(format!("the log is full ({LOG_ENTRIES} entries)")));
        }
        self.write(entries).inspect_err(|_| self.failed = true)
    }

    fn write(&mut self, entries: &[Vec<u8>]) -> Result<Arc<Checkpoint>> {
        let mut bytes = Vec::with_capacity(entries.iter().map(|entry| HEAD + entry.len()).sum());
        let mut added = Vec::with_capacity(entries.len());
        for entry in entries {
            let hash = leaf_hash(entry);
            added.push((self.end + bytes.len() as u64, hash));
            // ENTRY_BYTES fits, append() has looked.
            bytes.extend_from_slice(&u32::try_from(entry.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(&hash);
            bytes.extend_from_slice(entry);
        }
        self.file
            .write_all(&bytes)
            .and_then(|()| self.file.sync_data())
            .map_err(|e| io("write", &self.view.path, &e))?;
        self.end += bytes.len() as u64;
        self.view.change(|shown| {
            for (offset, hash) in added {
                shown.offsets.push(offset);
                shown.tree.push(hash);
            }
        });
        self.publish()
    }

    /// Signs the whole tree, stores that, shows it.
    fn publish(&mut self) -> Result<Arc<Checkpoint>> {
        let (size, root) = self.view.read(|shown| (shown.tree.size(), shown.tree.root(shown.tree.size())));
        let root = root.ok_or_else(|| Error::local("a tree without a root"))?;
        let checkpoint = Arc::new(Checkpoint::sign(&self.origin, size, root, &self.key)?);
        replace(&self.dir, "checkpoint", checkpoint.text.as_bytes())?;
        self.remember(&checkpoint)?;
        self.view.change(|shown| shown.checkpoint = checkpoint.clone());
        Ok(checkpoint)
    }
}

/// A log as it is on disk, checked.
struct Loaded {
    tree: Tree,
    offsets: Vec<u64>,
    stored: Checkpoint,
    end: u64,
    length: u64,
}

/// Reads a log and holds its entries against its checkpoint.
fn load(dir: &Path, origin: &str, key: &PublicKey, file: &File) -> Result<Loaded> {
    let path = dir.join("checkpoint");
    let text = std::fs::read_to_string(&path).map_err(|e| {
        Error::broken(format!("cannot read {}: {e}", path.display()))
            .hint("a log without its checkpoint could fork; take both files from the newest backup")
    })?;
    let stored = Checkpoint::read(&text, origin, key)?;
    let path = dir.join("entries");
    let length = file.metadata().map_err(|e| io("read", &path, &e))?.len();
    let (tree, offsets, end) = scan(file, length).map_err(|e| io("read", &path, &e))?;
    if tree.size() < stored.size {
        return Err(Error::broken(format!(
            "{} holds {} whole entries, and a checkpoint over {} was signed",
            path.display(),
            tree.size(),
            stored.size
        ))
        .hint("the disk lost acknowledged entries: restore the newest backup, and never an older one"));
    }
    if tree.root(stored.size) != Some(stored.root) {
        return Err(Error::broken(format!(
            "the entries in {} are not those of the stored checkpoint",
            path.display()
        ))
        .hint("files of two different moments or logs were mixed; take both from one backup"));
    }
    Ok(Loaded { tree, offsets, stored, end, length })
}

/// Reads records until the end or the first one that is not whole; gives the tree, the records' places, and
/// where the last whole one ends.
fn scan(file: &File, length: u64) -> std::io::Result<(Tree, Vec<u64>, u64)> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let (mut tree, mut offsets) = (Tree::default(), Vec::new());
    let mut magic = [0u8; MAGIC.len()];
    let short = |e: &std::io::Error| e.kind() == std::io::ErrorKind::UnexpectedEof;
    match reader.read_exact(&mut magic) {
        Ok(()) if magic == MAGIC => {}
        Err(e) if !short(&e) => return Err(e),
        _ => return Err(std::io::Error::other("it does not begin as a log does")),
    }
    let mut end = MAGIC.len() as u64;
    let mut entry = Vec::new();
    loop {
        let mut head = [0u8; HEAD];
        match reader.read_exact(&mut head) {
            Ok(()) => {}
            Err(e) if short(&e) => break,
            Err(e) => return Err(e),
        }
        let (size, hash) = head.split_at(4);
        let size = size.iter().fold(0usize, |n, byte| n << 8 | usize::from(*byte));
        let after = end + HEAD as u64 + size as u64;
        if size > ENTRY_BYTES || after > length || offsets.len() >= LOG_ENTRIES {
            break;
        }
        entry.resize(size, 0);
        match reader.read_exact(&mut entry) {
            Ok(()) => {}
            Err(e) if short(&e) => break,
            Err(e) => return Err(e),
        }
        let found = leaf_hash(&entry);
        if found != hash {
            break;
        }
        offsets.push(end);
        tree.push(found);
        end = after;
    }
    Ok((tree, offsets, end))
}

impl View {
    /// A log that nobody writes: closed, or a copy. What is above its checkpoint is not shown.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open(dir: &Path, origin: &str, key: &PublicKey) -> Result<Self> {
        let path = dir.join("entries");
        let file = File::open(&path).map_err(|e| io("open", &path, &e))?;
        let Loaded { tree, offsets, stored, .. } = load(dir, origin, key, &file)?;
        let shown = Shown { tree, offsets, checkpoint: Arc::new(stored) };
        Ok(Self { shown: Arc::new(RwLock::new(shown)), path })
    }

    // A panic while a lock is held cannot leave half a change behind that the checkpoint covers, so a
    // poisoned lock is still good to read.
    fn read<T>(&self, f: impl FnOnce(&Shown) -> T) -> T {
        f(&self.shown.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, f: impl FnOnce(&mut Shown)) {
        f(&mut self.shown.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// The newest checkpoint.
    pub fn checkpoint(&self) -> Arc<Checkpoint> {
        self.read(|shown| shown.checkpoint.clone())
    }

    /// The hash of entry `index`, which the checkpoint must cover.
    pub(super) fn leaf(&self, index: u64) -> Option<Hash> {
        self.read(|shown| {
            (index < shown.checkpoint.size).then_some(())?;
            shown.tree.row(0, usize::try_from(index).ok()?, 1)?.first().copied()
        })
    }

    /// The proof that entry `index` is in the tree of `size`, which a checkpoint must cover.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        self.read(|shown| {
            (size <= shown.checkpoint.size).then(|| shown.tree.inclusion(index, size)).flatten()
        })
    }

    /// A hash tile (C2SP tlog-tiles): `width` hashes of `level`, from tile `index`.
    pub fn tile(&self, level: u32, index: u64, width: u64) -> Option<Vec<u8>> {
        let row = level.checked_mul(8).filter(|row| *row < 64)?;
        let from = index.checked_mul(256)?;
        self.read(|shown| {
            let there = shown.checkpoint.size >> row;
            (width > 0 && width <= 256 && from.checked_add(width)? <= there).then_some(())?;
            let hashes =
                shown.tree.row(row as usize, usize::try_from(from).ok()?, usize::try_from(width).ok()?)?;
            Some(hashes.concat())
        })
    }

    /// An entry bundle (C2SP tlog-tiles): `width` entries from tile `index`, each after its length in 16
    /// bits. `Ok(None)` where the checkpoint covers fewer.
    ///
    /// # Errors
    /// Where the disk refuses. This blocks.
    pub fn entries(&self, index: u64, width: u64) -> Result<Option<Vec<u8>>> {
        let Some(start) = self.read(|shown| {
            let from = index.checked_mul(256)?;
            (width > 0 && width <= 256 && from.checked_add(width)? <= shown.checkpoint.size).then_some(())?;
            shown.offsets.get(usize::try_from(from).ok()?).copied()
        }) else {
            return Ok(None);
        };
        let failed = |e: std::io::Error| io("read", &self.path, &e);
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut reader = BufReader::new(file);
        let mut bundle = Vec::new();
        for _ in 0..width {
            let mut head = [0u8; HEAD];
            reader.read_exact(&mut head).map_err(failed)?;
            let size = head.iter().take(4).fold(0usize, |n, byte| n << 8 | usize::from(*byte));
            if size > ENTRY_BYTES {
                return Err(Error::broken(format!("{} has changed under way", self.path.display())));
            }
            let at = bundle.len() + 2;
            bundle.extend_from_slice(&(size as u16).to_be_bytes());
            bundle.resize(at + size, 0);
            reader.read_exact(bundle.get_mut(at..).unwrap_or_default()).map_err(failed)?;
        }
        Ok(Some(bundle))
    }
}
