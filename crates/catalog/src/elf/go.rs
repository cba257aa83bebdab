//! Go's build information (`debug/buildinfo`, `runtime/debug.BuildInfo`), as its bytes come.
//!
//! 32 bytes: the magic, the size of a pointer, flags. Flag 2 says that two strings follow, each after its
//! length as a varint: the version of Go, and the modules between two marks of 16 bytes. Programs of Go
//! before 1.18 hold pointers instead, which cannot be followed in a stream; their modules are found by the marks
//! around them, and the version of Go is not.

use crate::limits;
use crate::pack::pack;
use crate::window::Window;
use memchr::memmem;

/// How it begins.
pub(super) const MAGIC: &[u8] = b"\xff Go buildinf:";
/// Where it may begin.
pub(super) const ALIGN: u64 = 16;
const HEADER_BYTES: usize = 32;
const INLINE: u8 = 2;
/// The marks around the modules (`runtime/debug/mod.go`, `modinfo`).
const MARK_BYTES: usize = 16;

/// Which program it speaks of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The executable it is in.
    #[default]
    Own,
    /// Another, embedded in that one.
    Embedded,
}
pack!(
    enum Origin {
        Own,
        Embedded,
    }
);

/// Build information.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Build {
    /// `go1.22.1`, maybe with more behind a space.
    pub(crate) go: String,
    /// The import path of the main package.
    pub(crate) path: Option<String>,
    /// The module of the main package.
    pub(crate) main: Option<Module>,
    /// What else is linked in.
    pub(crate) deps: Vec<Module>,
    /// How it was built.
    pub(crate) settings: Vec<(String, String)>,
    /// Which program it speaks of.
    pub(crate) origin: Origin,
    /// Modules beyond the limit.
    pub(crate) left_out: usize,
}
pack!(struct Build { go, path, main, deps, settings, origin, left_out });

/// A module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Module {
    /// Its path, as written.
    pub(crate) path: String,
    /// `v1.2.3`; empty for `(devel)` and for directories.
    pub(crate) version: String,
    /// Its hash, `h1:…`, of the module's files (golang.org/x/mod/sumdb/dirhash).
    pub(crate) sum: String,
    /// What was asked for, where a `replace` put this in its place: path and version.
    pub(crate) replaces: Option<(String, String)>,
}
pack!(struct Module { path, version, sum, replaces });

impl Build {
    /// Whether it names a module.
    pub(crate) fn names_modules(&self) -> bool {
        self.main.is_some() || !self.deps.is_empty()
    }
}

pub(super) enum State {
    More,
    Nothing,
    Old,
    Found(Box<Build>),
    Bad(String),
}

/// Bytes from the magic on.
pub(super) struct Capture {
    start: u64,
    bytes: Vec<u8>,
}

impl Capture {
    pub(super) fn new(start: u64) -> Self {
        Self { start, bytes: Vec::new() }
    }

    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Takes what is new in `bytes`, whose first is at the file offset `base`.
    pub(super) fn feed(&mut self, bytes: &[u8], base: u64) -> State {
        let next = self.start + self.bytes.len() as u64;
        let Some(skip) = next.checked_sub(base).and_then(|n| usize::try_from(n).ok()) else {
            return State::Nothing;
        };
        let new = bytes.get(skip..).unwrap_or_default();
        let room = (limits::GO_BUILD_INFO_BYTES + HEADER_BYTES).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(new.get(..new.len().min(room)).unwrap_or_default());
        self.state()
    }

    fn state(&self) -> State {
        let Some(flags) = self.bytes.get(15) else { return State::More };
        if flags & INLINE == 0 {
            let pointer = self.bytes.get(14).copied().unwrap_or_default();
            return if *flags <= 1 && matches!(pointer, 4 | 8) { State::Old } else { State::Nothing };
        }
        let Some(rest) = self.bytes.get(HEADER_BYTES..) else { return State::More };
        /// `go1.22.1 X:…` with experiments; `devel …` with a commit and a date.
        const VERSION_BYTES: usize = 512;
        let (version, rest) = match string(rest, VERSION_BYTES) {
            Part::Whole(version, rest) => (version, rest),
            Part::More => return State::More,
            Part::Bad => return State::Nothing,
        };
        let Some(go) =
            std::str::from_utf8(version).ok().filter(|v| v.starts_with("go") || v.starts_with("devel"))
        else {
            return State::Nothing;
        };
        match string(rest, limits::GO_BUILD_INFO_BYTES - VERSION_BYTES - HEADER_BYTES) {
            Part::Whole(modules, _) => State::Found(Box::new(build(go, modules))),
            Part::More => State::More,
            Part::Bad => State::Bad("Go build information beyond GO_BUILD_INFO_BYTES".to_owned()),
        }
    }
}

/// The mark before the modules, and the one behind them (`runtime/debug/mod.go`).
pub(super) const BEFORE: &[u8] = b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
const BEHIND: &[u8] = b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";

/// The first modules between marks, wherever they stand.
#[derive(Default)]
pub(super) struct Marked {
    start: Option<u64>,
    window: Window,
    searched: usize,
    build: Option<Build>,
}

impl Marked {
    /// Where they begin.
    pub(super) fn start(&self) -> Option<u64> {
        self.start
    }

    /// Where they begin, if they are complete and name modules.
    pub(super) fn known_from(&self) -> Option<u64> {
        self.start.filter(|_| self.build.as_ref().is_some_and(Build::names_modules))
    }

    pub(super) fn into_build(self) -> Option<Build> {
        self.build
    }

    /// A mark stands at this offset.
    pub(super) fn begin(&mut self, at: u64) {
        self.start = Some(at);
        self.window = Window::new(at, limits::GO_BUILD_INFO_BYTES);
    }

    /// Takes what is new in `bytes`, whose first is at the file offset `base`.
    pub(super) fn feed(&mut self, bytes: &[u8], base: u64) {
        if self.start.is_none() || self.build.is_some() {
            return;
        }
        self.window.feed(bytes, base);
        let all = self.window.bytes();
        // The mark may have begun in what was searched.
        let from = self.searched.saturating_sub(MARK_BYTES).min(all.len());
        if let Some(at) = all.get(from..).and_then(|new| memmem::find(new, BEHIND)) {
            let modules = all.get(..from + at + MARK_BYTES).unwrap_or_default();
            self.build = Some(build("", modules));
            self.window = Window::default();
        } else {
            self.searched = all.len();
        }
    }
}

enum Part<'a> {
    Whole(&'a [u8], &'a [u8]),
    More,
    Bad,
}

/// A string after its length (`encoding/binary`, Uvarint).
fn string(bytes: &[u8], limit: usize) -> Part<'_> {
    let mut length = 0_usize;
    for i in 0..5 {
        let Some(byte) = bytes.get(i) else { return Part::More };
        length |= usize::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            if length > limit {
                return Part::Bad;
            }
            let rest = bytes.get(i + 1..).unwrap_or_default();
            return match rest.split_at_checked(length) {
                Some((text, rest)) => Part::Whole(text, rest),
                None => Part::More,
            };
        }
    }
    Part::Bad
}

fn build(go: &str, modules: &[u8]) -> Build {
    let mut build = Build { go: go.to_owned(), ..Build::default() };
    // Between the marks; a text that does not end in a line is none (`debug/buildinfo.readRawBuildInfo`).
    let text = match modules.len().checked_sub(2 * MARK_BYTES) {
        Some(_) => modules.get(MARK_BYTES..modules.len() - MARK_BYTES).unwrap_or_default(),
        None => &[],
    };
    let text = String::from_utf8_lossy(text);
    /// Lines that belong to the module before them.
    enum Last {
        Main,
        Dep,
    }
    let mut last = None;
    for line in text.lines() {
        let mut parts = line.split('\t');
        let (kind, mut next) = (parts.next().unwrap_or_default(), || parts.next().unwrap_or_default());
        match kind {
            "path" => build.path = crate::catalogers::field(next()),
            "mod" => {
                build.main = module(next(), next(), next());
                last = Some(Last::Main);
            }
            "dep" => {
                last = None;
                if build.deps.len() >= limits::ELF_MODULES {
                    build.left_out += 1;
                } else if let Some(dep) = module(next(), next(), next()) {
                    build.deps.push(dep);
                    last = Some(Last::Dep);
                }
            }
            "=>" => {
                let target = match last {
                    Some(Last::Main) => build.main.as_mut(),
                    Some(Last::Dep) => build.deps.last_mut(),
                    None => None,
                };
                if let Some((target, by)) = target.zip(module(next(), next(), next())) {
                    replace(target, by);
                }
                last = None;
            }
            "build" => {
                if let Some((key, value)) = next().split_once('=')
                    && SETTINGS.contains(&key)
                {
                    let value = value.trim_matches('"');
                    build.settings.extend(crate::catalogers::field(value).map(|v| (key.to_owned(), v)));
                }
            }
            _ => {}
        }
    }
    build
}

/// Settings that are taken over. `-ldflags` and the C flags are not: whoever builds puts secrets and paths
/// of the build machine there.
const SETTINGS: &[&str] = &[
    "-buildmode",
    "-compiler",
    "-race",
    "-tags",
    "-trimpath",
    "CGO_ENABLED",
    "GOARCH",
    "GOOS",
    "GOAMD64",
    "GOARM",
    "GOARM64",
    "GOEXPERIMENT",
    "GOFIPS140",
    "vcs",
    "vcs.revision",
    "vcs.time",
    "vcs.modified",
];

/// A module's name goes into a purl and an id: what cannot be one is left out.
fn module(path: &str, version: &str, sum: &str) -> Option<Module> {
    let plain =
        |text: &str| text.len() <= 1024 && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if path.is_empty() || !plain(path) || !plain(version) || !plain(sum) {
        return None;
    }
    let version = if version == "(devel)" { "" } else { version };
    Some(Module { path: path.to_owned(), version: version.to_owned(), sum: sum.to_owned(), replaces: None })
}

/// What is linked in is `by`. A directory has no name that anybody else knows: the module keeps its own.
fn replace(target: &mut Module, by: Module) {
    let asked = (target.path.clone(), target.version.clone());
    if by.path.starts_with(['.', '/']) {
        target.version = String::new();
        target.sum = String::new();
    } else {
        *target = by;
    }
    target.replaces = Some(asked);
}
