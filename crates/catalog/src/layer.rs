//! One pass over one layer: digest, decompress, tar walk, and facts about what somebody wants to know.
//!
//! What is held of a layer is what the squash and the catalogers need: the parsed form of wanted files,
//! symbolic links, whiteouts, and eight bytes for every path, so that a later layer's entry is known to
//! replace an earlier one's. Everything else streams by.

use crate::catalogers::heads::Head;
use crate::catalogers::{self, Parsed};
use crate::decompress::{Compression, Tar, Unpacked, read_some};
use crate::elf::{Elf, Inside, More, Scanner};
use crate::error::{Error, ErrorKind, Result};
use crate::files::{Hasher as FileHasher, Listing, Table};
use crate::pack::{Pack, pack, take};
use crate::path::{self, Above, Name};
use crate::pe;
use crate::stage;
use crate::tar::{Entry, Kind, Reader, Tail};
use crate::{DiffIds, limits, texts};
use seaworthy_oci::digest::Hasher;
use seaworthy_oci::{BlobReader, Digest};
use seaworthy_sbom::files::Selection;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

/// What to do with a layer.
pub(crate) struct Pass {
    /// The digest of the blob.
    pub(crate) digest: Digest,
    /// Its media type.
    pub(crate) media_type: String,
    /// Whether the diff id is computed.
    pub(crate) diff_ids: DiffIds,
    /// The diff id that the configuration names.
    pub(crate) named: Option<Digest>,
    /// Set when the inventory is given up.
    pub(crate) cancel: Arc<AtomicBool>,
    /// Names paths by eight bytes; one for all layers of an image.
    pub(crate) names: PathHasher,
    /// Which files are asked for: whether any, as far as a layer is concerned.
    pub(crate) files: Selection,
}

/// Eight bytes for a path (SipHash-2-4). Its key is random, or a secret of the cache's, so that nobody can build an
/// image in which two paths collide.
#[derive(Clone)]
pub(crate) struct PathHasher {
    key: (u64, u64),
}

impl Default for PathHasher {
    fn default() -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        // Two keys that nobody knows, each made of random ones of the standard library's.
        let part = |n: u8| RandomState::new().hash_one(n);
        Self::keyed(part(0), part(1))
    }
}

impl PathHasher {
    /// With a key that is kept somewhere.
    pub(crate) fn keyed(first: u64, second: u64) -> Self {
        Self { key: (first, second) }
    }

    #[expect(
        deprecated,
        reason = "the one hasher of the standard library that has a key and is the same tomorrow"
    )]
    fn hash(&self, path: &[u8]) -> u64 {
        use std::hash::{Hasher as _, SipHasher};
        let mut hasher = SipHasher::new_with_keys(self.key.0, self.key.1);
        hasher.write(path);
        hasher.finish()
    }

    /// Something other than a directory stands at `path`.
    pub(crate) fn other(&self, path: &[u8]) -> u64 {
        self.hash(path) | 1
    }

    /// A directory stands at `path`.
    pub(crate) fn directory(&self, path: &[u8]) -> u64 {
        self.hash(path) & !1
    }

    /// The path, whatever stands at it.
    pub(crate) fn name(&self, path: &str) -> u64 {
        Self::name_of(self.hash(path.as_bytes()))
    }

    /// The path that one of the two above is for.
    pub(crate) fn name_of(entry: u64) -> u64 {
        entry >> 1
    }

    /// Whether one of the two above says that something other than a directory stands there.
    pub(crate) fn is_other(entry: u64) -> bool {
        entry & 1 == 1
    }
}

/// A wanted file.
#[derive(Debug, Clone)]
pub(crate) enum Kept {
    /// It was read and parsed.
    Parsed(Arc<Parsed>),
    /// It is another name for the file at this path.
    HardLink(String),
    /// It is there and was not read; the text says why.
    Unread(String),
}
pack!(
    enum Kept {
        Parsed(parsed),
        HardLink(target),
        Unread(why),
    }
);

/// Something about a layer that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// The path in the image; none for the layer as a whole.
    pub(crate) path: Option<String>,
    /// Why.
    pub(crate) reason: String,
}
pack!(struct Note { path, reason });

/// What is held of a layer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The digest of the tar, if it was to be computed.
    pub(crate) diff_id: Option<Digest>,
    /// Headers in the tar.
    pub(crate) entries: u64,
    /// Bytes of wanted files that were read.
    pub(crate) wanted_bytes: u64,
    /// Every path, by [`PathHasher`], sorted.
    pub(crate) paths: Vec<u64>,
    /// Symbolic links and their targets.
    pub(crate) symlinks: BTreeMap<String, String>,
    /// Paths that a whiteout takes away from lower layers.
    pub(crate) whiteouts: Vec<String>,
    /// Directories whose lower content an opaque whiteout takes away.
    pub(crate) opaque: Vec<String>,
    /// Wanted files by path.
    pub(crate) kept: BTreeMap<String, Kept>,
    /// What was left out.
    pub(crate) notes: Vec<Note>,
    /// Regular files, where they are asked for.
    pub(crate) files: Option<Table>,
}

impl Pack for Facts {
    fn pack(&self, out: &mut Vec<u8>) {
        let Self { diff_id, entries, wanted_bytes, paths, symlinks, whiteouts, opaque, kept, notes, files } =
            self;
        diff_id.pack(out);
        entries.pack(out);
        wanted_bytes.pack(out);
        // Hashes are as long as they are.
        paths.len().pack(out);
        paths.iter().for_each(|hash| out.extend_from_slice(&hash.to_le_bytes()));
        symlinks.pack(out);
        whiteouts.pack(out);
        opaque.pack(out);
        kept.pack(out);
        notes.pack(out);
        files.pack(out);
    }

    fn unpack(from: &mut &[u8]) -> Option<Self> {
        Some(Self {
            diff_id: Pack::unpack(from)?,
            entries: Pack::unpack(from)?,
            wanted_bytes: Pack::unpack(from)?,
            paths: {
                let n = usize::unpack(from)?;
                let hashes = take(from, n.checked_mul(8)?)?.as_chunks::<8>().0;
                hashes.iter().map(|hash| u64::from_le_bytes(*hash)).collect()
            },
            symlinks: Pack::unpack(from)?,
            whiteouts: Pack::unpack(from)?,
            opaque: Pack::unpack(from)?,
            kept: Pack::unpack(from)?,
            notes: Pack::unpack(from)?,
            files: Pack::unpack(from)?,
        })
    }
}

/// Reads the layer behind `reader`; `report` hears how many stored bytes were read. Reading and hashing what is stored,
/// unpacking, and walking each have a thread ([`crate::stage`]); this one walks.
pub(crate) fn read(
    mut reader: BlobReader,
    pass: &Pass,
    report: &mut (dyn FnMut(u64) + Send),
) -> Result<Facts> {
    let announced = Compression::announced(&pass.media_type, &pass.digest)?;
    let algorithm = pass.named.as_ref().map_or(seaworthy_oci::Algorithm::Sha256, Digest::algorithm);
    let hasher = (pass.diff_ids == DiffIds::Compute).then(|| Hasher::new(algorithm));
    thread::scope(|scope| {
        let stored = stage::ahead(scope, move |buf| read_some(&mut reader, buf));
        let mut unpacked = Unpacked::open(stored, &pass.digest, hasher, Arc::clone(&pass.cancel), report)?;
        let compression = unpacked.compression();
        let Walked { result, ignored_global, ahead_of_it } = walk(&mut unpacked, pass);
        let (mut facts, tail) = match result {
            Ok(walked) => walked,
            Err(error) => {
                // Where the bytes are not those of the digest, that is the news, not what a decoder made of them.
                if matches!(error.kind, ErrorKind::Malformed(_) | ErrorKind::Truncated(_)) {
                    match ahead_of_it {
                        Some(news @ Error { kind: ErrorKind::Source(_), .. }) => return Err(news),
                        _ => unpacked.drain_stored()?,
                    }
                }
                return Err(error);
            }
        };
        let mut note = |reason: String| facts.notes.push(Note { path: None, reason });
        if compression != announced {
            note(format!(
                "the media type says {}, the bytes say {}; read as the bytes say",
                announced.as_str(),
                compression.as_str()
            ));
        }
        if ignored_global {
            note("a global PAX header names paths or sizes; ignored, as runtimes do".into());
        }
        if tail == Tail::Data {
            note("data after the end of the tar was not looked at, as in runtimes".into());
        }
        unpacked.drain_stored()?;
        facts.diff_id = unpacked.diff_id();
        check_diff_id(&facts, pass.named.as_ref(), &pass.digest)?;
        Ok(facts)
    })
}

/// How a walk ended.
struct Walked {
    result: Result<(Facts, Tail)>,
    ignored_global: bool,
    /// What the unpacking thread ran into, which may be further than the walk came.
    ahead_of_it: Option<Error>,
}

/// Walks the tar to its end while another thread unpacks it.
fn walk(unpacked: &mut Unpacked<'_>, pass: &Pass) -> Walked {
    let mut ahead_of_it = None;
    let (result, ignored_global) = thread::scope(|scope| {
        let ahead =
            stage::ahead(scope, |buf| unpacked.fill(buf).inspect_err(|e| ahead_of_it = Some(e.clone())));
        let hashing = (pass.files != Selection::None).then(|| FileHasher::start(scope, ahead.empty()));
        let (hasher, hashed) = hashing.unzip();
        let mut tar = Reader::new(Tar { ahead, hasher, digest: pass.digest.clone() }, &pass.digest);
        let mut walk = Walk::new(&pass.names, pass.files);
        let tail = walk.run(&mut tar).and_then(|()| tar.finish());
        let (headers, ignored_global) = (tar.headers(), tar.ignored_global());
        // With it the hasher's end goes: what it has is all.
        drop(tar);
        let walked = tail.and_then(|tail| {
            let listing = walk.files.take();
            let mut facts = walk.finish();
            facts.entries = headers;
            if let (Some(listing), Some(hashed)) = (listing, hashed) {
                let hashed = hashed.join().map_err(|_| {
                    let why = "the thread that hashes its files died".to_owned();
                    Error::new("read layer", &pass.digest, ErrorKind::Local(why))
                })?;
                facts.files = Some(listing.settle(&hashed));
            }
            Ok((facts, tail))
        });
        (walked, ignored_global)
    });
    Walked { result, ignored_global, ahead_of_it }
}

/// Compares the diff id that was computed with the one that the configuration names.
pub(crate) fn check_diff_id(facts: &Facts, named: Option<&Digest>, blob: &Digest) -> Result<()> {
    match (&facts.diff_id, named) {
        (Some(actual), Some(expected)) if actual != expected => Err(Error::new(
            "check diff id of layer",
            blob,
            ErrorKind::DiffIdMismatch { expected: expected.to_string(), actual: actual.to_string() },
        )),
        _ => Ok(()),
    }
}

/// What a name that begins with `.wh.` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// In a layer: that something is taken away from lower ones.
    OfLayer,
    /// On a file system: nothing.
    Literal,
}

/// The bytes of the entry that a walk has before it, from a tar or from anywhere else.
pub(crate) trait Content {
    /// All of them.
    fn data(&mut self) -> Result<Vec<u8>>;

    /// Shows them piece by piece until somebody has seen enough.
    fn show(&mut self, look: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()>;
}

impl<I: crate::tar::Input> Content for Reader<I> {
    fn data(&mut self) -> Result<Vec<u8>> {
        Reader::data(self)
    }

    fn show(&mut self, look: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
        Reader::show(self, look)
    }
}

/// What was read whole before.
struct Held<'a>(&'a [u8]);

impl Content for Held<'_> {
    fn data(&mut self) -> Result<Vec<u8>> {
        Ok(self.0.to_vec())
    }

    fn show(&mut self, look: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
        let _ = look(self.0);
        Ok(())
    }
}

/// Takes entries one after the other and keeps what somebody wants of them.
pub(crate) struct Walk<'a> {
    names: &'a PathHasher,
    facts: Facts,
    /// Regular files, where they are asked for.
    files: Option<Listing>,
    /// The directories above wanted files and links, to see when one of them is replaced.
    above: Above,
    link_bytes: usize,
    wanted_bytes: u64,
    /// How much may still be unpacked of programs that were packed.
    unpack_bytes: u64,
    texts: texts::Budget,
    untold: usize,
}

impl<'a> Walk<'a> {
    /// Nothing was seen yet; `files` is whether files are listed.
    pub(crate) fn new(names: &'a PathHasher, files: Selection) -> Self {
        Self {
            names,
            facts: Facts::default(),
            files: (files != Selection::None).then(|| Listing::new(files)),
            above: Above::default(),
            link_bytes: 0,
            wanted_bytes: 0,
            unpack_bytes: limits::UPX_LAYER_BYTES,
            texts: texts::Budget::default(),
            untold: 0,
        }
    }

    fn run(&mut self, tar: &mut Reader<Tar>) -> Result<()> {
        while let Some(entry) = tar.next()? {
            match path::name(&entry.path) {
                Name::Clean(path) if self.files.is_some() && !path.is_empty() => {
                    self.listed(path, &entry, tar)?;
                }
                _ => self.take(&entry, Names::OfLayer, tar)?,
            }
        }
        Ok(())
    }

    /// Takes one entry.
    pub(crate) fn take(&mut self, entry: &Entry, names: Names, content: &mut dyn Content) -> Result<()> {
        match path::name(&entry.path) {
            Name::Clean(path) if path.is_empty() => {}
            Name::Clean(path) => self.entry(path, entry, names, content)?,
            Name::Bytes(path) => self.not_text(&path, entry),
            Name::Refused(why) => {
                self.note(Some(path::shown(&entry.path)), format!("entry not taken: {why}"));
            }
        }
        Ok(())
    }

    /// An entry, which is listed among the files if it is one.
    fn listed(&mut self, path: String, entry: &Entry, tar: &mut Reader<Tar>) -> Result<()> {
        if path::split(&path).1.starts_with(".wh.") {
            return self.entry(path, entry, Names::OfLayer, tar);
        }
        let ticket = match &mut self.files {
            Some(files) if entry.kind == Kind::File => Some(files.ticket(&path)),
            _ => None,
        };
        if let Some(ticket) = ticket {
            tar.mark(ticket);
        }
        let mut list = None;
        if entry.kind == Kind::File && Listing::is_unread_list(&path, entry.size) {
            let content = tar.data()?;
            self.entry(path.clone(), entry, Names::OfLayer, &mut Held(&content))?;
            list = Some(content);
        } else {
            self.entry(path.clone(), entry, Names::OfLayer, tar)?;
        }
        tar.unmark()?;
        if let Some(files) = &mut self.files {
            let left = limits::LAYER_WANTED_BYTES.saturating_sub(self.wanted_bytes);
            self.wanted_bytes += files.take(&path, entry, ticket, list.as_deref(), left);
        }
        Ok(())
    }

    /// The file at `path` could not be read: a gap, whether somebody wanted it by its name or it may have been an
    /// executable.
    pub(crate) fn unread(&mut self, path: String, why: String) {
        if catalogers::wanting(&path).is_some() {
            self.keep(path, Kept::Unread(why));
        } else {
            self.note(Some(format!("/{path}")), why);
        }
    }

    /// Bytes of links and of wanted files that were kept so far.
    pub(crate) fn kept_bytes(&self) -> (u64, u64) {
        (self.link_bytes as u64, self.wanted_bytes)
    }

    /// What was kept.
    pub(crate) fn finish(mut self) -> Facts {
        if self.untold > 0 {
            let reason = format!("{} further entries were not taken", self.untold);
            self.facts.notes.push(Note { path: None, reason });
        }
        if let Some(reason) = self.texts.left_out() {
            self.facts.notes.push(Note { path: None, reason });
        }
        texts::prune(&mut self.facts.kept);
        self.facts.wanted_bytes = self.wanted_bytes + self.texts.bytes();
        self.facts.paths.sort_unstable();
        self.facts.paths.dedup();
        self.facts.paths.shrink_to_fit();
        self.facts
    }

    /// Something was left out.
    pub(crate) fn note(&mut self, path: Option<String>, reason: String) {
        if self.facts.notes.len() < limits::GAPS {
            self.facts.notes.push(Note { path, reason });
        } else {
            self.untold += 1;
        }
    }

    fn remember(&mut self, path: &[u8], kind: Kind) {
        self.facts.paths.push(match kind {
            Kind::Directory => self.names.directory(path),
            _ => self.names.other(path),
        });
    }

    /// A name that is no UTF-8 still replaces what lower layers have there.
    fn not_text(&mut self, path: &[u8], entry: &Entry) {
        self.remember(path, entry.kind);
        let lossy = String::from_utf8_lossy(path);
        let is_listed = self.files.is_some() && matches!(entry.kind, Kind::File | Kind::HardLink);
        if is_listed || entry.kind != Kind::Directory && catalogers::wanting(&lossy).is_some() {
            self.note(Some(format!("/{}", path::shown(path))), "not read: its name is no UTF-8".into());
        }
    }

    fn entry(&mut self, path: String, entry: &Entry, names: Names, content: &mut dyn Content) -> Result<()> {
        let (dir, base) = path::split(&path);
        if let Some(hidden) = base.strip_prefix(".wh.").filter(|_| names == Names::OfLayer) {
            return self.whiteout(dir, hidden, &path);
        }
        self.remember(path.as_bytes(), entry.kind);
        self.replace(&path, entry.kind);
        match entry.kind {
            Kind::SymLink => {
                if let Ok(target) = std::str::from_utf8(&entry.link) {
                    self.charge(path.len() + target.len())?;
                    self.above.watch(&path);
                    self.facts.symlinks.insert(path, target.to_owned());
                }
            }
            Kind::HardLink => {
                let target = path::name(&entry.link);
                // Executables are known by what is in them: another name of a known one is one as well.
                let known = match &target {
                    Name::Clean(target) => self.facts.kept.get(target),
                    _ => None,
                };
                if let Some(Kept::Parsed(parsed)) = known
                    && matches!(parsed.fact, catalogers::Fact::LicenceText(_))
                {
                    // It is shared, since the other name may go.
                    let kept = Kept::Parsed(Arc::clone(parsed));
                    if texts::may_be(&path, 1) && self.texts.admit(0) {
                        self.keep(path, kept);
                    }
                } else if known.is_some() || catalogers::wanting(&path).is_some() {
                    let kept = match target {
                        Name::Clean(target) => Kept::HardLink(target),
                        _ => Kept::Unread("a hard link out of the image".into()),
                    };
                    self.charge(path.len() + entry.link.len())?;
                    self.keep(path, kept);
                }
            }
            Kind::File | Kind::Sparse => {
                if let Some((cataloger, limit)) = catalogers::wanting(&path) {
                    let kept = if entry.kind == Kind::Sparse {
                        Kept::Unread("a sparse file".into())
                    } else if entry.size > limit {
                        Kept::Unread(format!("{} bytes, more than the limit of {limit}", entry.size))
                    } else if self.facts.kept.len() >= limits::LAYER_WANTED_FILES {
                        Kept::Unread("more than LAYER_WANTED_FILES in this layer".into())
                    } else if self.wanted_bytes + cataloger.weight(entry.size) > limits::LAYER_WANTED_BYTES {
                        Kept::Unread("more than LAYER_WANTED_BYTES in this layer".into())
                    } else {
                        self.wanted_bytes += cataloger.weight(entry.size);
                        let content = content.data()?;
                        if let Some(files) = &mut self.files {
                            files.list(&path, &content);
                        }
                        match cataloger.parse(&path, &content) {
                            Ok(mut parsed) => {
                                self.texts.admit_inside(&mut parsed.fact);
                                Kept::Parsed(Arc::new(parsed))
                            }
                            Err(why) => Kept::Unread(why),
                        }
                    };
                    if self.facts.kept.len() >= limits::LAYER_WANTED_FILES {
                        let Kept::Unread(why) = kept else { return Ok(()) };
                        self.note(Some(format!("/{path}")), why);
                    } else {
                        self.keep(path, kept);
                    }
                } else if entry.kind == Kind::File && texts::may_be(&path, entry.size) {
                    if self.texts.admit(entry.size)
                        && let Some(fact) = texts::text(&content.data()?)
                    {
                        self.keep(path, Kept::Parsed(Arc::new(fact.into())));
                    }
                } else if entry.kind == Kind::File && entry.size >= limits::ELF_LEAST_BYTES {
                    self.executable(path, content)?;
                }
            }
            Kind::Directory => {
                let Some(parsed) = catalogers::directory(&path) else { return Ok(()) };
                if self.facts.kept.len() < limits::LAYER_WANTED_FILES {
                    self.keep(path, Kept::Parsed(Arc::new(parsed)));
                } else {
                    self.note(Some(format!("/{path}")), "more than LAYER_WANTED_FILES in this layer".into());
                }
            }
            Kind::Other => {}
        }
        Ok(())
    }

    /// A file that no cataloger wants by its name may be an executable that says what is in it.
    fn executable(&mut self, path: String, content: &mut dyn Content) -> Result<()> {
        let mut scanner = Scanner::new(&path).unpacking(self.unpack_bytes);
        let (mut head, mut pe) = (Head::new(&path), pe::Scanner::default());
        content.show(&mut |bytes| match (scanner.feed(bytes), head.feed(bytes), pe.feed(bytes)) {
            (More::Enough, false, false) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })?;
        self.unpack_bytes = self.unpack_bytes.saturating_sub(scanner.unpacked());
        let (kept, bytes) = match head.finish() {
            // A model or a kernel: a few fields.
            Some(Ok(parsed)) => (Kept::Parsed(Arc::new(parsed)), 1024),
            Some(Err(why)) => (Kept::Unread(why), 0),
            None => {
                let (parsed, bytes) = if let Some(image) = pe.finish() {
                    // Headers, and strings that are bounded each.
                    (Parsed::windows(image), 2048)
                } else {
                    let (found, inside) = scanner.finish();
                    let bytes =
                        found.as_ref().map_or(0, Elf::weight) + inside.as_ref().map_or(0, Inside::weight);
                    let Some(parsed) = Parsed::program(found, inside) else { return Ok(()) };
                    (parsed, bytes)
                };
                (Kept::Parsed(Arc::new(parsed)), bytes)
            }
        };
        if self.facts.kept.len() >= limits::LAYER_WANTED_FILES
            || self.wanted_bytes + bytes > limits::LAYER_WANTED_BYTES
        {
            let why = "an executable that was not read: more than LAYER_WANTED_FILES or LAYER_WANTED_BYTES in this layer";
            self.note(Some(format!("/{path}")), why.into());
            return Ok(());
        }
        self.wanted_bytes += bytes;
        self.keep(path, kept);
        Ok(())
    }

    fn keep(&mut self, path: String, kept: Kept) {
        self.above.watch(&path);
        self.facts.kept.insert(path, kept);
    }

    /// The entry at `path` takes the place of what this layer had there before: the last one counts.
    fn replace(&mut self, path: &str, kind: Kind) {
        self.facts.kept.remove(path);
        self.facts.symlinks.remove(path);
        if kind != Kind::Directory && self.above.contains(path) {
            self.facts.kept.retain(|p, _| !path::is_below(p, path));
            self.facts.symlinks.retain(|p, _| !path::is_below(p, path));
            self.above.forget(path);
        }
    }

    /// OCI image specification, layer.md, "Whiteouts" and "Opaque Whiteout". Other names that begin with
    /// `.wh..wh.` are AUFS' own files, which runtimes leave out.
    fn whiteout(&mut self, dir: &str, hidden: &str, path: &str) -> Result<()> {
        match hidden {
            ".wh..opq" => {
                self.charge(dir.len())?;
                self.facts.opaque.push(dir.to_owned());
            }
            "" | "." | ".." => {
                self.note(Some(format!("/{path}")), "a whiteout of nothing was not taken".into());
            }
            hidden if hidden.starts_with(".wh.") => {}
            hidden => {
                let hidden = path::join(dir, hidden);
                self.charge(hidden.len())?;
                self.facts.whiteouts.push(hidden);
            }
        }
        Ok(())
    }

    fn charge(&mut self, bytes: usize) -> Result<()> {
        self.link_bytes += bytes;
        if self.link_bytes > limits::LINK_BYTES {
            return Err(Error::new(
                "read tar of layer",
                "links and whiteouts",
                ErrorKind::LimitExceeded { limit: "LINK_BYTES", value: limits::LINK_BYTES as u64 },
            ));
        }
        Ok(())
    }
}
