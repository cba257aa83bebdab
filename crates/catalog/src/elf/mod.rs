//! What an executable says about itself, found while it streams by.
//!
//! Executables are the largest files of an image (a hundred megabytes for one Go program), so none is ever
//! held. What is looked for can be recognized from its first bytes on:
//!
//! - **Go**: the build information begins with a magic of 14 bytes at a multiple of 16 and, since Go 1.18,
//!   holds its two strings inline. No section header is needed, so stripped programs are read as well. The
//!   program headers, which stand at the start of a file, tell which of several is the program's own (it is
//!   in a writable segment) and which belongs to a program embedded in it.
//!   Where there is none of that form, the modules stand between marks of 16 bytes (older programs), or the names of
//!   source files tell modules, most without version: less certain, and said so.
//! - **Rust**: `.dep-v0` of cargo-auditable is a zlib stream, and section headers stand at the end of a file.
//!   Instead of them, each possible zlib header is judged by the next few bytes: a dynamic block must begin
//!   with a complete code (one in some ten thousand random places does), and only then is it inflated, and
//!   dropped unless its first bytes are those of the JSON that is expected. Where there is none, the paths of
//!   crates in panic messages name crates and versions: less certain, and said so.
//!
//! - **Known programs** ([`crate::known`]): the version strings of programs that have such a name. Where there is
//!   something to look for, it is looked for to the end of the file, in Go programs too.
//!
//! - **UPX** ([`crate::upx`]): of a program that was packed, the program that it was is looked at.
//! - **Package notes** ([`Note`]): which package of a distribution the file was built for.
//!
//! A Go program is told by the note with its build id at its start; in it nothing of Rust is looked for,
//! and after its own build information nothing at all. Files that are not ELF programs or shared objects
//! (objects, kernel modules, core files among them) cost four bytes.
//!
//! What it costs, optimized, one core of 2.1 GHz, pieces of 128 KiB in the cache as the inflater leaves them,
//! beside inflating the same file (gzip, level 6, zlib-rs):
//!
//! | program | MB | scan, ms | inflate, ms | share |
//! |---|---|---|---|---|
//! | cosign (Go) | 87 | 5.5 | 336 | 2 % |
//! | syft (Go) | 45 | 2.7 | 154 | 2 % |
//! | terraform (Go) | 91 | 11 | 420 | 3 % |
//! | `_rust.abi3.so` of cryptography (Rust) | 14 | 2.7 | 63 | 4 % |
//! | cargo-nextest (Rust) | 23 | 12 | 119 | 10 % |
//! | node (C++) | 99 | 59 | 679 | 9 % |
//!
//! Of 99 MB, three places were worth an inflater. What Go programs are searched for besides since then (marks and names of
//! files) costs 0.04 ms a megabyte more, up to the marks, which stand behind the code.

mod auditable;
mod go;
mod go_paths;
mod header;
mod inside;
mod native;
mod note;
mod paths;

pub(crate) use auditable::{Audit, Linked, Role};
pub(crate) use go::{Build, Module, Origin};
pub(crate) use header::Header;
pub(crate) use inside::Inside;
pub(crate) use note::Note;

use crate::known::{self, Matcher};
use crate::limits;
use crate::pack::pack;
use crate::upx::{self, Unpacker, Wanted};
use crate::window::Window;
use memchr::{memchr_iter, memmem};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Bytes of the start that are looked at as a whole: the ELF header, program headers and notes.
const HEAD_BYTES: usize = 4096;
/// The most that a judgement about one place needs to see: the longest path prefix with crate and version.
const LOOK_BYTES: usize = 256;

/// What was found in one executable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Elf {
    /// Build information of Go: the program's own first, then those of programs embedded in it.
    pub(crate) go: Vec<Build>,
    /// Modules that names of source files tell, with version or an empty one; empty where modules are known.
    pub(crate) go_paths: BTreeSet<(String, String)>,
    /// What cargo-auditable left.
    pub(crate) audit: Option<Audit>,
    /// Crates that panic paths name; empty where there is an audit.
    pub(crate) paths: BTreeSet<(String, String)>,
    /// Known programs by their version strings.
    pub(crate) programs: Vec<known::Found>,
    /// The package that it says it was built for.
    pub(crate) package: Option<Note>,
    /// Whether all this is of a program that UPX had packed.
    pub(crate) packed: bool,
    /// What was seen and could not be read.
    pub(crate) notes: Vec<String>,
}
pack!(struct Elf { go, go_paths, audit, paths, programs, package, packed, notes });

impl Elf {
    /// About how many bytes this keeps in memory.
    pub(crate) fn weight(&self) -> u64 {
        /// A module or crate with its strings, as they are in real programs.
        const EACH: usize = 256;
        let go: usize = self.go.iter().map(|b| b.deps.len() + b.settings.len() + 1).sum();
        let rust = self.audit.as_ref().map_or(0, |a| a.crates.len());
        let each = self.paths.len()
            + self.go_paths.len()
            + self.programs.len()
            + usize::from(self.package.is_some());
        ((go + rust + each + self.notes.len()) * EACH) as u64
    }
}

/// Whether more of the file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum More {
    /// The next bytes, please.
    Wanted,
    /// Nothing that follows would change the result.
    Enough,
}

enum Phase<'a> {
    /// The first [`HEAD_BYTES`] are being gathered.
    Head,
    /// An executable.
    Scan,
    /// One that has said all but which known program it is, and for which package it was built.
    Known,
    /// One that UPX packed: what was in it is looked at instead.
    Packed(Box<(Unpacker, Scanner<'a>)>),
    /// Nothing more to find.
    Over,
}

/// Looks at a file in pieces of any size.
pub(crate) struct Scanner<'a> {
    path: &'a str,
    phase: Phase<'a>,
    /// How many bytes may be unpacked.
    left: u64,
    /// Where UPX left its mark in a shared object.
    mark: Option<Window>,
    known: Option<Matcher>,
    head: Vec<u8>,
    /// File offset of the next byte to come.
    offset: u64,
    /// The last bytes before `offset`, whose places are not judged yet.
    carry: Vec<u8>,
    /// Writable segments in the file.
    writable: Vec<(u64, u64)>,
    is_go: bool,
    go: Vec<go::Capture>,
    builds: Vec<(u64, Build)>,
    /// Where the first build information of an older form begins.
    old_go: Option<u64>,
    /// Where the first that is too long begins, and what is said of it.
    bad_go: Option<(u64, String)>,
    /// Modules of Go between marks.
    marked: go::Marked,
    /// Modules by names of source files, and where the first such name ends.
    go_paths: BTreeMap<(String, String), u64>,
    /// Places that were followed because they may be build information.
    followed: usize,
    package: note::Notes,
    zlib: Vec<auditable::Capture>,
    /// Inflaters that were set up.
    tries: u64,
    audit: Option<Audit>,
    paths: BTreeSet<(String, String)>,
    notes: BTreeSet<String>,
    inside: inside::Insides,
}

struct Finders {
    go: memmem::Finder<'static>,
    marked: memmem::Finder<'static>,
    source: memmem::Finder<'static>,
    registry: memmem::Finder<'static>,
}

/// Made once: every file that nobody wants by its name has a scanner.
static FINDERS: LazyLock<Finders> = LazyLock::new(|| Finders {
    go: memmem::Finder::new(go::MAGIC),
    marked: memmem::Finder::new(go::BEFORE),
    source: memmem::Finder::new(go_paths::NEEDLE),
    registry: memmem::Finder::new(paths::NEEDLE),
});

impl<'a> Scanner<'a> {
    /// For the file at `path`.
    pub(crate) fn new(path: &'a str) -> Self {
        Self {
            path,
            phase: Phase::Head,
            left: limits::UPX_LAYER_BYTES,
            mark: None,
            known: None,
            head: Vec::new(),
            offset: 0,
            carry: Vec::new(),
            writable: Vec::new(),
            is_go: false,
            go: Vec::new(),
            builds: Vec::new(),
            old_go: None,
            bad_go: None,
            marked: go::Marked::default(),
            go_paths: BTreeMap::new(),
            followed: 0,
            package: note::Notes::default(),
            zlib: Vec::new(),
            tries: 0,
            audit: None,
            paths: BTreeSet::new(),
            notes: BTreeSet::new(),
            inside: inside::Insides::default(),
        }
    }

    /// The same, of which no more than `left` bytes are unpacked.
    pub(crate) fn unpacking(self, left: u64) -> Self {
        Self { left, ..self }
    }

    /// Bytes that were unpacked.
    pub(crate) fn unpacked(&self) -> u64 {
        match &self.phase {
            Phase::Packed(packed) => packed.0.unpacked(),
            _ => 0,
        }
    }

    /// Takes the next bytes of the file.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> More {
        match &mut self.phase {
            Phase::Packed(packed) => unpack(packed, bytes),
            Phase::Over => More::Enough,
            Phase::Scan => self.scan(bytes),
            Phase::Known => self.search(bytes),
            Phase::Head => {
                let n = bytes.len().min(HEAD_BYTES - self.head.len());
                let (now, rest) = bytes.split_at(n);
                self.head.extend_from_slice(now);
                let magic = self.head.len().min(4);
                if !b"\x7fELF".starts_with(self.head.get(..magic).unwrap_or_default()) {
                    self.phase = Phase::Over;
                    return More::Enough;
                }
                if self.head.len() < HEAD_BYTES {
                    return More::Wanted;
                }
                self.begin();
                match &mut self.phase {
                    Phase::Packed(packed) => unpack(packed, rest),
                    Phase::Scan => self.scan(rest),
                    Phase::Known => self.search(rest),
                    _ => More::Enough,
                }
            }
        }
    }

    /// The file is over. `None` where nothing was found that is worth a word; besides, the list that it carries.
    pub(crate) fn finish(mut self) -> (Option<Elf>, Option<Inside>) {
        if matches!(self.phase, Phase::Head) && self.head.starts_with(b"\x7fELF") {
            self.begin();
        }
        match self.phase {
            Phase::Packed(packed) => {
                let (unpacker, inner) = *packed;
                let (elf, inside) = inner.finish();
                let mut elf = elf.unwrap_or_default();
                elf.notes.extend(unpacker.finish());
                elf.packed = elf != Elf::default();
                return (elf.packed.then_some(elf), inside);
            }
            phase => self.phase = phase,
        }
        if self.mark.as_ref().is_some_and(|mark| mark.bytes() == upx::MAGIC) {
            self.notes.insert("a shared object that UPX packed: what is inside was not read".to_owned());
        }
        if matches!(self.phase, Phase::Scan) {
            let carry = std::mem::take(&mut self.carry);
            let base = self.offset - carry.len() as u64;
            self.judge(&carry, carry.len(), base);
        }
        self.settle();
        let marked = std::mem::take(&mut self.marked);
        if let Some(from) = marked.known_from() {
            self.go_paths.retain(|_, at| *at < from);
        }
        if self.builds.is_empty() {
            // Of another program that is embedded, if anything: this one would have its own.
            let marked = marked.start().zip(marked.into_build()).filter(|_| self.is_go);
            self.builds.extend(marked.filter(|(_, build)| build.names_modules()));
            if self.old_go.is_some() {
                let why = "built by a Go before 1.18, or with build information in another form: its version, \
                           which is that of the standard library, is not known";
                self.notes.insert(why.to_owned());
            }
        }
        if self.builds.iter().any(|(_, build)| build.names_modules()) {
            self.go_paths.clear();
        }
        self.notes.extend(self.bad_go.take().map(|(_, why)| why));
        let own = self.own_build();
        // The others in the order of the file, whatever the order in which they were complete.
        self.builds.sort_by_key(|(at, _)| (Some(*at) != own, *at));
        let mut go = Vec::new();
        for (at, mut build) in self.builds {
            build.origin = if Some(at) == own { Origin::Own } else { Origin::Embedded };
            go.push(build);
        }
        for capture in &self.zlib {
            self.notes.extend(capture.cut_short());
        }
        if self.audit.is_some() {
            self.paths.clear();
        }
        let programs = self.known.map(Matcher::finish).unwrap_or_default();
        let package = self.package.finish().and_then(|read| match read {
            Ok(package) => Some(package),
            Err(why) => {
                self.notes.insert(why);
                None
            }
        });
        let notes = self.notes.into_iter().collect();
        let go_paths = self.go_paths.into_keys().collect();
        let (audit, paths, packed) = (self.audit, self.paths, false);
        let elf = Elf { go, go_paths, audit, paths, programs, package, packed, notes };
        ((elf != Elf::default()).then_some(elf), self.inside.finish())
    }

    /// The head is complete, or the file is shorter than it.
    fn begin(&mut self) {
        let head = std::mem::take(&mut self.head);
        match Header::read(&head) {
            Some(header) => {
                self.writable = header.writable;
                self.package = note::Notes::new(&header.notes, header.is_big);
                // `Go\0\0` with type 4: the build id's note (cmd/internal/buildid).
                self.is_go = memmem::find(&head, b"\x04\0\0\0Go\0\0").is_some();
                if let Some(at) = memmem::find(&head, upx::MAGIC) {
                    let unpacker = (self.left > 0).then(|| Unpacker::open(&head, at, self.left)).flatten();
                    if let Some(unpacker) = unpacker {
                        let mut packed = Box::new((unpacker, Scanner::new(self.path).unpacking(0)));
                        unpack(&mut packed, &head);
                        self.phase = Phase::Packed(packed);
                        return;
                    }
                    self.notes.insert("packed by UPX: what is inside was not read".to_owned());
                }
                self.mark = header.disabled.map(|at| Window::new(at.saturating_add(4), upx::MAGIC.len()));
                self.phase = Phase::Scan;
                self.known = Matcher::new(self.path);
                self.scan(&head);
            }
            None => self.phase = Phase::Over,
        }
    }

    /// What is left to look for is a known program and a package note.
    fn search(&mut self, bytes: &[u8]) -> More {
        self.package.feed(bytes);
        if let Some(known) = &mut self.known {
            known.feed(bytes);
        }
        let is_done = self.known.as_ref().is_none_or(Matcher::is_done) && !self.package.wants_more();
        if is_done { More::Enough } else { More::Wanted }
    }

    fn scan(&mut self, bytes: &[u8]) -> More {
        self.search(bytes);
        let start = self.offset;
        if let Some(mark) = &mut self.mark {
            mark.feed(bytes, start);
        }
        // Places of the piece before that could not be judged without this one.
        let mut seam = std::mem::take(&mut self.carry);
        let waiting = seam.len();
        if waiting > 0 || bytes.len() < LOOK_BYTES {
            let n = bytes.len().min(LOOK_BYTES);
            seam.extend_from_slice(bytes.get(..n).unwrap_or_default());
            let base = start - waiting as u64;
            if bytes.len() < LOOK_BYTES {
                let judged = seam.len().saturating_sub(LOOK_BYTES);
                self.judge(&seam, judged, base);
                self.carry = seam.split_off(judged);
                self.offset += bytes.len() as u64;
                return self.more();
            }
            self.judge(&seam, waiting, base);
        }
        let judged = bytes.len() - LOOK_BYTES;
        self.judge(bytes, judged, start);
        self.carry = bytes.get(judged..).unwrap_or_default().to_vec();
        self.offset += bytes.len() as u64;
        self.more()
    }

    fn more(&mut self) -> More {
        if self.is_settled() {
            self.phase = Phase::Known;
            // What came so far was searched already.
            return self.search(&[]);
        }
        More::Wanted
    }

    /// Whether a Go program has said what it is: nothing that begins behind its own build information counts, and
    /// nothing before it is still incomplete.
    fn is_settled(&self) -> bool {
        let own = self.own_build().filter(|at| self.is_go && self.is_writable(*at));
        own.is_some_and(|own| self.go.iter().all(|capture| capture.start() > own))
    }

    /// Forgets what a reader of smaller pieces would not have seen.
    fn settle(&mut self) {
        if let Some(own) = self.own_build().filter(|_| self.is_settled()) {
            self.builds.retain(|(at, _)| *at <= own);
            self.old_go.take_if(|at| *at > own);
            self.go_paths.retain(|_, at| *at <= own);
            self.bad_go.take_if(|(at, _)| *at > own);
        }
    }

    fn is_writable(&self, at: u64) -> bool {
        self.writable.iter().any(|(from, to)| (*from..*to).contains(&at))
    }

    /// Where the program's own build information is: the first in a writable segment, where the linker puts
    /// it, or else the first.
    fn own_build(&self) -> Option<u64> {
        let places = || self.builds.iter().map(|(at, _)| *at);
        places().filter(|at| self.is_writable(*at)).min().or_else(|| places().min())
    }

    /// Judges the places `0..places` of `bytes`, of which the first is at the file offset `base`.
    fn judge(&mut self, bytes: &[u8], places: usize, base: u64) {
        for capture in std::mem::take(&mut self.go) {
            self.follow_go(capture, bytes, base);
        }
        for capture in std::mem::take(&mut self.zlib) {
            self.follow_zlib(capture, bytes, base);
        }
        let range = bytes.get(..bytes.len().min(places + LOOK_BYTES)).unwrap_or_default();
        let found: Vec<usize> = FINDERS.go.find_iter(range).take_while(|at| *at < places).collect();
        for at in found {
            let offset = base + at as u64;
            if !offset.is_multiple_of(go::ALIGN) {
                continue;
            }
            // What is refused at first sight is not counted: that sight is the same in pieces of any size.
            let look = range.get(at..range.len().min(at + LOOK_BYTES)).unwrap_or_default();
            let glance = go::Capture::new(offset).feed(look, offset);
            let is_counted = matches!(glance, go::State::More | go::State::Found(_));
            if self.followed >= limits::ELF_CAPTURES {
                if is_counted {
                    self.notes.insert(too_many_builds());
                }
                continue;
            }
            self.followed += usize::from(is_counted);
            self.follow_go(go::Capture::new(offset), bytes, base);
        }
        if self.is_go {
            return self.judge_go(range, places, base);
        }
        self.inside.judge(bytes, places, base, LOOK_BYTES, &self.writable);
        for at in memchr_iter(auditable::FIRST, bytes.get(..places).unwrap_or_default()) {
            let rest = bytes.get(at..).unwrap_or_default();
            if self.audit.is_some() || !auditable::is_plausible(rest) {
                continue;
            }
            let offset = base + at as u64;
            self.tries += 1;
            if self.tries > limits::ELF_TRIES + offset / limits::ELF_BYTES_PER_TRY {
                self.notes.insert("too much in it looks like zlib: a list of crates may be missed".into());
            } else if self.zlib.len() < limits::ELF_CAPTURES {
                self.follow_zlib(auditable::Capture::new(offset), bytes, base);
            }
        }
        let found: Vec<usize> = FINDERS.registry.find_iter(range).take_while(|at| *at < places).collect();
        for at in found {
            if let Some(found) = paths::read(bytes.get(at..).unwrap_or_default())
                && self.paths.len() < limits::ELF_MODULES
            {
                self.paths.insert(found);
            }
        }
    }

    /// What a Go program says besides its build information. It stands before that, so that what newer programs
    /// say twice is known by then.
    fn judge_go(&mut self, range: &[u8], places: usize, base: u64) {
        self.marked.feed(range, base);
        if self.marked.start().is_none()
            && let Some(at) = FINDERS.marked.find(range).filter(|at| *at < places)
        {
            self.marked.begin(base + at as u64);
            self.marked.feed(range, base);
        }
        // What is known makes the names needless, from there on.
        let until = self.marked.known_from().map_or(places, |from| {
            places.min(usize::try_from(from.saturating_sub(base)).unwrap_or(usize::MAX))
        });
        for at in FINDERS.source.find_iter(range).take_while(|at| *at < until) {
            let look = range.get(at..range.len().min(at + LOOK_BYTES));
            if let Some(found) = look.and_then(go_paths::read)
                && self.go_paths.len() < limits::ELF_MODULES
            {
                self.go_paths.entry(found).or_insert(base + at as u64);
            }
        }
    }

    fn follow_go(&mut self, mut capture: go::Capture, bytes: &[u8], base: u64) {
        let at = capture.start();
        match capture.feed(bytes, base) {
            go::State::More => self.go.push(capture),
            go::State::Found(build) => self.builds.push((at, *build)),
            go::State::Nothing => {}
            go::State::Old => self.old_go = Some(self.old_go.map_or(at, |first| first.min(at))),
            go::State::Bad(why) => {
                if self.bad_go.as_ref().is_none_or(|(first, _)| at < *first) {
                    self.bad_go = Some((at, why));
                }
            }
        }
    }

    fn follow_zlib(&mut self, mut capture: auditable::Capture, bytes: &[u8], base: u64) {
        match capture.feed(bytes, base) {
            auditable::State::More => self.zlib.push(capture),
            auditable::State::Nothing => {}
            auditable::State::Found(audit) => self.audit = self.audit.take().or(Some(audit)),
            auditable::State::Bad(why) => {
                self.notes.insert(why);
            }
        }
    }
}

/// Shows what is in the next bytes of a packed program.
fn unpack((unpacker, inner): &mut (Unpacker, Scanner<'_>), bytes: &[u8]) -> More {
    let wanted = unpacker.feed(bytes, &mut |bytes| match inner.feed(bytes) {
        More::Wanted => Wanted::More,
        More::Enough => Wanted::Enough,
    });
    match wanted {
        Wanted::More => More::Wanted,
        Wanted::Enough => More::Enough,
    }
}

fn too_many_builds() -> String {
    format!(
        "more than ELF_CAPTURES ({}) build informations of Go: further programs in it are missed",
        limits::ELF_CAPTURES
    )
}

#[cfg(test)]
mod tests;
