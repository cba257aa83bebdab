//! A directory or a mounted file system as one layer, without tar.
//!
//! The tree is walked by descriptors: each part of a path is opened relative to its directory and never through a
//! symbolic link, so that nothing in the tree, and nobody who changes it meanwhile, leads out of it. Links are data for
//! the catalogers, which follow them with the directory as their root. Devices, sockets and pipes are passed by, and
//! whatever could not be read is a gap: a directory, a file, a file that changed under the reader.
//!
//! Another file system that is mounted below the directory is entered only on request. One of the kernel's own (proc,
//! sysfs and the like) holds no packages and is passed by; of any other one a gap says so.
//!
//! Directories are the units of work of all threads. Each is read in the order of its names and judged by limits of its
//! own, so that the result does not depend on who came first; the limits of the whole are those of an image.

use crate::error::{Error, ErrorKind, Result};
use crate::image::{collect, creators, gaps};
use crate::layer::{Content, Facts, Names, PathHasher, Walk};
use crate::squash::View;
use crate::tar::{Entry, Kind};
use crate::{Options, limits, path};
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags};
use seaworthy_sbom::files::Selection;
use seaworthy_sbom::inventory::{Inventory, Subject};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The media type of a directory, as the freedesktop.org specifications name it.
pub const DIRECTORY_TYPE: &str = "inode/directory";
/// What is read from a file at once.
const BUFFER_BYTES: usize = 128 << 10;
/// What is read first, to see whether it is an executable.
const START_BYTES: usize = 4096;

/// What to do with file systems that are mounted below a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mounts {
    /// Stay on the directory's own file system.
    #[default]
    PassBy,
    /// Go into them.
    Enter,
}

/// What is in the directory `root`, which documents call `name`. It blocks.
///
/// The result is normalized, and the same for the same content. Without a time in `options`, it is as old as the
/// newest file that packages were read from.
///
/// # Errors
/// Where the directory itself cannot be read, or a limit of the structure is passed. Trouble below it is a gap.
pub fn directory(root: &Path, name: &str, mounts: Mounts, options: &Options) -> Result<Inventory> {
    let failed = |e: io::Error| Error::new("read directory", root.display(), ErrorKind::Local(e.to_string()));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = fs::openat(CWD, root, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
    let device = fs::fstat(&fd).map_err(|e| failed(e.into()))?.st_dev;
    let names = PathHasher::default();
    let walker = Walker { root: fd, device, mounts, names: &names, totals: Totals::default() };
    let queue = Queue::new(Vec::new());
    let threads = options.threads.clamp(1, limits::THREADS);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| queue.work(|dir| walker.read(dir)));
        }
    });
    let done = queue.finish().map_err(|kind| Error::new("read directory", root.display(), kind))?;
    let (facts, newest) = merged(done);
    let mut inventory = Inventory {
        subject: Subject {
            name: name.to_owned(),
            media_type: Some(DIRECTORY_TYPE.into()),
            ..Subject::default()
        },
        created: options.created.or(newest),
        creators: creators(),
        ..Inventory::default()
    };
    complete(&mut inventory, facts, "directory", &names);
    Ok(inventory)
}

/// Reads packages off what stands for the one layer; `found_by` is who saw its gaps.
pub(crate) fn complete(inventory: &mut Inventory, facts: Facts, found_by: &str, names: &PathHasher) {
    inventory.gaps.extend(gaps(&facts, "/", found_by));
    collect(&View::squash(vec![Arc::new(facts)], Vec::new(), names), None, inventory);
    inventory.normalize();
}

/// What one directory holds.
struct Read1 {
    path: Vec<u8>,
    facts: Facts,
    /// The newest modification of a file that was kept, in seconds since 1970.
    newest: Option<i64>,
}

/// All directories together, in the order of their paths.
fn merged(mut done: Vec<Read1>) -> (Facts, Option<i64>) {
    done.sort_by(|a, b| a.path.cmp(&b.path));
    let newest = done.iter().filter_map(|d| d.newest).max();
    let mut all = Facts::default();
    let mut untold = 0;
    for Read1 { facts, .. } in done {
        all.entries += facts.entries;
        all.wanted_bytes += facts.wanted_bytes;
        all.symlinks.extend(facts.symlinks);
        all.kept.extend(facts.kept);
        for note in facts.notes {
            if all.notes.len() < limits::GAPS {
                all.notes.push(note);
            } else {
                untold += 1;
            }
        }
    }
    if untold > 0 {
        let reason = format!("{untold} further entries were not read");
        all.notes.push(crate::layer::Note { path: None, reason });
    }
    (all, newest)
}

/// Directories that are to be read, and what was read of others.
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    todo: Vec<Vec<u8>>,
    /// Directories that are being read now.
    running: usize,
    done: Vec<Read1>,
    failed: Option<ErrorKind>,
}

impl Queue {
    fn new(first: Vec<u8>) -> Self {
        let state = State { todo: vec![first], running: 0, done: Vec::new(), failed: None };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is whole before the lock is given back.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads directories until none is left and none is being read.
    fn work(&self, read: impl Fn(&[u8]) -> Result<(Read1, Vec<Vec<u8>>), ErrorKind>) {
        let mut state = self.lock();
        loop {
            let Some(dir) = state.todo.pop().filter(|_| state.failed.is_none()) else {
                if state.running == 0 || state.failed.is_some() {
                    self.changed.notify_all();
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.running += 1;
            drop(state);
            let read = read(&dir);
            state = self.lock();
            state.running -= 1;
            match read {
                Ok((read, below)) => {
                    state.done.push(read);
                    state.todo.extend(below);
                }
                Err(kind) => state.failed = Some(kind),
            }
            self.changed.notify_all();
        }
    }

    fn finish(self) -> Result<Vec<Read1>, ErrorKind> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.failed {
            Some(kind) => Err(kind),
            None => Ok(state.done),
        }
    }
}

/// What all directories have cost so far.
#[derive(Default)]
struct Totals {
    entries: AtomicU64,
    links: AtomicU64,
    wanted: AtomicU64,
}

impl Totals {
    /// Adds what one directory cost. What is more than allowed is so in every run, whoever comes first.
    fn add(&self, entries: u64, links: u64, wanted: u64) -> Result<(), ErrorKind> {
        for (sum, more, limit, value) in [
            (&self.entries, entries, "LAYER_ENTRIES", limits::LAYER_ENTRIES),
            (&self.links, links, "LINK_BYTES", limits::LINK_BYTES as u64),
            (&self.wanted, wanted, "IMAGE_WANTED_BYTES", limits::IMAGE_WANTED_BYTES),
        ] {
            if sum.fetch_add(more, Ordering::Relaxed).saturating_add(more) > value {
                return Err(ErrorKind::LimitExceeded { limit, value });
            }
        }
        Ok(())
    }
}

struct Walker<'a> {
    root: OwnedFd,
    device: fs::Dev,
    mounts: Mounts,
    names: &'a PathHasher,
    totals: Totals,
}

/// One name in a directory.
struct Named {
    name: CString,
    kind: FileType,
}

impl Walker<'_> {
    /// Reads the directory at `dir` and names those in it.
    fn read(&self, dir: &[u8]) -> Result<(Read1, Vec<Vec<u8>>), ErrorKind> {
        let mut walk = Walk::new(self.names, Selection::None);
        let (mut below, mut times, mut count) = (Vec::new(), Vec::new(), 0);
        match self.list(dir) {
            Ok(None) => {}
            Ok(Some((fd, names))) => {
                count = names.len() as u64;
                for named in names {
                    let place = joined(dir, named.name.to_bytes());
                    match self.entry(&fd, &named, place, &mut walk)? {
                        Next::Directory(place) => below.push(place),
                        Next::File(place, modified) => times.push((place, modified)),
                        Next::Nothing => {}
                    }
                }
            }
            Err(why) => walk.note(Some(format!("/{}", path::shown(dir))), why),
        }
        let (links, wanted) = walk.kept_bytes();
        self.totals.add(count, links, wanted)?;
        let mut facts = walk.finish();
        // They tell what a later layer replaces, and there is none.
        facts.paths = Vec::new();
        let kept = |path: &[u8]| std::str::from_utf8(path).is_ok_and(|path| facts.kept.contains_key(path));
        let newest = times.iter().filter(|(path, _)| kept(path)).map(|(_, modified)| *modified).max();
        Ok((Read1 { path: dir.to_vec(), facts, newest }, below))
    }

    /// The names in `dir`, sorted. `None`: a file system that is passed by in silence.
    fn list(&self, dir: &[u8]) -> Result<Option<(OwnedFd, Vec<Named>)>, String> {
        if dir.split(|b| *b == b'/').count() > limits::DIRECTORY_DEPTH {
            return Err(format!("not read: deeper than {} directories", limits::DIRECTORY_DEPTH));
        }
        let failed = |e: rustix::io::Errno| format!("the directory was not read: {}", io::Error::from(e));
        let fd = self.open(dir).map_err(failed)?;
        if self.mounts == Mounts::PassBy && fs::fstat(&fd).map_err(failed)?.st_dev != self.device {
            return if is_of_the_kernel(&fd) {
                Ok(None)
            } else {
                Err("another file system is mounted here, and was not entered".into())
            };
        }
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                names.push(Named { name: entry.file_name().to_owned(), kind: entry.file_type() });
            }
            if names.len() as u64 > limits::LAYER_ENTRIES {
                break; // The sum of all directories is over the limit as well, and says so.
            }
        }
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Some((fd, names)))
    }

    /// Opens the directory at `dir`, one part after the other.
    fn open(&self, dir: &[u8]) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut fd = fs::openat(&self.root, c".", flags, Mode::empty())?;
        for part in dir.split(|b| *b == b'/').filter(|p| !p.is_empty()) {
            fd = fs::openat(&fd, part, flags, Mode::empty())?;
        }
        Ok(fd)
    }

    fn entry(
        &self,
        dir: &OwnedFd,
        named: &Named,
        place: Vec<u8>,
        walk: &mut Walk<'_>,
    ) -> Result<Next, ErrorKind> {
        let mut entry = Entry { path: place, kind: Kind::Other, link: Vec::new(), size: 0, mode: 0 };
        let mut file = OnDisk { dir, name: &named.name, size: 0, modified: 0 };
        let looked = self.look(dir, named, &mut entry, &mut file);
        let shown = || String::from_utf8_lossy(&entry.path).into_owned();
        if let Err(e) = looked {
            walk.note(
                Some(format!("/{}", path::shown(&entry.path))),
                format!("not read: {}", io::Error::from(e)),
            );
            return Ok(Next::Nothing);
        }
        match walk.take(&entry, Names::Literal, &mut file) {
            Ok(()) => {}
            Err(Error { kind: ErrorKind::Local(why), .. }) => {
                walk.unread(shown(), format!("not read: {why}"))
            }
            Err(error) => return Err(error.kind),
        }
        Ok(match entry.kind {
            Kind::Directory => Next::Directory(entry.path),
            Kind::File => Next::File(entry.path, file.modified),
            _ => Next::Nothing,
        })
    }

    /// Finds out what an entry is.
    fn look(
        &self,
        dir: &OwnedFd,
        named: &Named,
        entry: &mut Entry,
        file: &mut OnDisk<'_>,
    ) -> rustix::io::Result<()> {
        let (mut kind, mut mode) = (named.kind, 0);
        if matches!(kind, FileType::RegularFile | FileType::Unknown) {
            let stat = fs::statat(dir, &named.name, AtFlags::SYMLINK_NOFOLLOW)?;
            kind = FileType::from_raw_mode(stat.st_mode);
            mode = stat.st_mode & 0o7777;
            file.size = u64::try_from(stat.st_size).unwrap_or_default();
            file.modified = stat.st_mtime;
        }
        entry.kind = match kind {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::SymLink,
            _ => Kind::Other,
        };
        match entry.kind {
            Kind::SymLink => entry.link = fs::readlinkat(dir, &named.name, Vec::new())?.into_bytes(),
            Kind::File => (entry.size, entry.mode) = (file.size, mode),
            _ => {}
        }
        Ok(())
    }
}

/// What an entry leads to.
enum Next {
    /// A directory at this path.
    Directory(Vec<u8>),
    /// A file at this path that was changed at this time.
    File(Vec<u8>, i64),
    Nothing,
}

fn joined(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut place = dir.to_vec();
    if !place.is_empty() {
        place.push(b'/');
    }
    place.extend_from_slice(name);
    place
}

/// Whether these are tables of the kernel that look like files: proc, sysfs, devpts, cgroups and the like.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_of_the_kernel(fd: &OwnedFd) -> bool {
    // include/uapi/linux/magic.h: proc, sysfs, devpts, cgroup, cgroup2, securityfs, debugfs, tracefs, bpf, pstore,
    // configfs, mqueue, efivarfs, selinuxfs, fusectl, nsfs, binfmt_misc, autofs.
    const KERNEL: [u64; 18] = [
        0x9fa0,
        0x6265_6572,
        0x1cd1,
        0x27_e0eb,
        0x6367_7270,
        0x7363_6673,
        0x6462_6720,
        0x7472_6163,
        0xcafe_4a11,
        0x6165_676c,
        0x6265_6570,
        0x1980_0202,
        0xde5e_81e4,
        0xf97c_ff8c,
        0x6573_5543,
        0x6e73_6673,
        0x4249_4e4d,
        0x0187,
    ];
    fs::fstatfs(fd)
        .is_ok_and(|s| u64::try_from(s.f_type).is_ok_and(|kind| KERNEL.contains(&(kind & 0xffff_ffff))))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_of_the_kernel(_: &OwnedFd) -> bool {
    false
}

/// A file of a directory, opened when somebody wants to see it.
struct OnDisk<'a> {
    dir: &'a OwnedFd,
    name: &'a CStr,
    size: u64,
    modified: i64,
}

impl OnDisk<'_> {
    fn failed(&self, why: impl ToString) -> Error {
        Error::new("read file", self.name.to_string_lossy(), ErrorKind::Local(why.to_string()))
    }

    fn open(&self) -> Result<OpenFile> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = fs::openat(self.dir, self.name, flags, Mode::empty())
            .map_err(|e| self.failed(io::Error::from(e)))?;
        let stat = fs::fstat(&fd).map_err(|e| self.failed(io::Error::from(e)))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.failed("it became something else than a file"));
        }
        Ok(OpenFile { file: File::from(fd), size: self.size })
    }
}

impl Content for OnDisk<'_> {
    fn data(&mut self) -> Result<Vec<u8>> {
        self.open()?.data()
    }

    fn show(&mut self, look: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
        self.open()?.show(look)
    }
}

/// A file that is open, at its start.
pub(crate) struct OpenFile {
    /// It.
    pub(crate) file: File,
    /// Its size when it was looked at.
    pub(crate) size: u64,
}

impl OpenFile {
    fn failed(why: impl ToString) -> Error {
        Error::new("read", "file", ErrorKind::Local(why.to_string()))
    }
}

impl Content for OpenFile {
    fn data(&mut self) -> Result<Vec<u8>> {
        // The size was held against the limit of the one who wants it.
        let mut bytes = Vec::new();
        let mut file = (&self.file).take(self.size.saturating_add(1));
        file.read_to_end(&mut bytes).map_err(Self::failed)?;
        if bytes.len() as u64 != self.size {
            return Err(Self::failed("it changed while it was read"));
        }
        Ok(bytes)
    }

    fn show(&mut self, look: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
        let mut file = (&self.file).take(self.size);
        // Most files are no executables: their start is enough to know it.
        let mut buffer = vec![0; START_BYTES];
        loop {
            let n = match file.read(&mut buffer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(Self::failed)?,
            };
            let Some(bytes) = buffer.get(..n).filter(|b| !b.is_empty()) else { return Ok(()) };
            if look(bytes).is_break() {
                return Ok(());
            }
            buffer.resize(BUFFER_BYTES, 0);
        }
    }
}
