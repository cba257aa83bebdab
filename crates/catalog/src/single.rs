//! A single file: what is in it, without an image around it.
//!
//! The first bytes decide. A tar, also a compressed one, is read as a layer: a root file system, a source distribution.
//! A zip archive that no cataloger wants as it stands (a wheel, an egg) is read entry by entry, with the archive as the
//! root. Anything else is one file under its own name, as catalogers know it: a jar, a program, a lock file.
//!
//! Refused: what is no regular file. A file that nobody knows is a gap, not an empty inventory. Packages of
//! distributions (`.deb`, `.rpm`, `.apk`) are said to be that, and not read.

use crate::catalogers;
use crate::catalogers::java::zip::{Archive, Budget, Entry as Member};
use crate::error::{Error, ErrorKind, Result};
use crate::image::creators;
use crate::layer::{self, Content, Facts, Names, Note, Pass, PathHasher, Walk};
use crate::tar::{Entry, Kind};
use crate::tree::{OpenFile, complete};
use crate::{DiffIds, Options, limits};
use seaworthy_oci::digest::Hasher;
use seaworthy_oci::manifest::media_type;
use seaworthy_oci::{Algorithm, Digest};
use seaworthy_sbom::files::Selection;
use seaworthy_sbom::inventory::{Inventory, Subject};
use std::fs::File;
use std::io::{Read, Seek};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// The media type of a file of which nothing else is known (RFC 2046, 4.5.1).
pub const FILE_TYPE: &str = "application/octet-stream";
/// Where the magic of a tar header stands.
const TAR_MAGIC: std::ops::Range<usize> = 257..262;

/// What a file turned out to be.
enum Form {
    Layer(&'static str),
    Zip,
    /// A distribution's package, by the name of its kind.
    Foreign(&'static str),
    Plain,
}

/// What is in the file at `path`, which documents call `name`. It blocks.
///
/// Without a time in `options`, the inventory is as old as the file.
///
/// # Errors
/// Where the file cannot be read, or is a broken archive.
pub fn file(path: &Path, name: &str, options: &Options) -> Result<Inventory> {
    let failed = |e: std::io::Error| Error::new("read file", path.display(), ErrorKind::Local(e.to_string()));
    let meta = std::fs::metadata(path).map_err(failed)?;
    if !meta.is_file() {
        let why = "it is no regular file".into();
        return Err(Error::new("read file", path.display(), ErrorKind::Unsupported(why))
            .hint("a directory is read as dir:PATH"));
    }
    let mut opened = File::open(path).map_err(failed)?;
    let (digest, start) = hashed(&mut opened).map_err(failed)?;
    opened.rewind().map_err(failed)?;
    let names = PathHasher::default();
    let content = OpenFile { file: opened, size: meta.len() };
    let facts = match form(&start, name) {
        Form::Layer(media_type) => as_layer(content, media_type, &digest, &names)?,
        Form::Zip => as_zip(content, name, &names)?,
        Form::Foreign(kind) => gap(name, format!("{kind}: its content was not read")),
        Form::Plain => as_file(content, name, &names)?,
    };
    let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    let mut inventory = Inventory {
        subject: Subject {
            name: name.to_owned(),
            digest: Some(digest.to_string()),
            media_type: Some(FILE_TYPE.into()),
            ..Subject::default()
        },
        created: options.created.or_else(|| i64::try_from(modified?.as_secs()).ok()),
        creators: creators(),
        ..Inventory::default()
    };
    complete(&mut inventory, facts, "file", &names);
    Ok(inventory)
}

/// The digest of a file, and its first block.
fn hashed(file: &mut File) -> std::io::Result<(Digest, Vec<u8>)> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; 128 << 10];
    let mut start = Vec::new();
    loop {
        let n = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..n).filter(|b| !b.is_empty()) else { break };
        start.extend(bytes.iter().take(512_usize.saturating_sub(start.len())));
        hasher.update(bytes);
    }
    Ok((hasher.finish(), start))
}

fn form(start: &[u8], name: &str) -> Form {
    let known = catalogers::wanting(name).is_some();
    match start {
        [0x1f, 0x8b, ..] if name.ends_with(".apk") => Form::Foreign("a package of Alpine"),
        [0x1f, 0x8b, ..] => Form::Layer(media_type::LAYER_GZIP),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Form::Layer(media_type::LAYER_ZSTD),
        [0xed, 0xab, 0xee, 0xdb, ..] => Form::Foreign("a package of rpm"),
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', b'\n', rest @ ..]
            if rest.starts_with(b"debian-binary") =>
        {
            Form::Foreign("a package of Debian")
        }
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] if !known => Form::Zip,
        _ if start.get(TAR_MAGIC) == Some(b"ustar") => Form::Layer(media_type::LAYER_TAR),
        _ => Form::Plain,
    }
}

fn gap(name: &str, reason: String) -> Facts {
    Facts { notes: vec![Note { path: Some(format!("/{name}")), reason }], ..Facts::default() }
}

fn as_layer(content: OpenFile, media_type: &str, digest: &Digest, names: &PathHasher) -> Result<Facts> {
    let pass = Pass {
        digest: digest.clone(),
        media_type: media_type.to_owned(),
        diff_ids: DiffIds::Skip,
        named: None,
        names: names.clone(),
        cancel: Arc::default(),
        files: Selection::None,
    };
    layer::read(Box::new(content.file), &pass, &mut |_| {}).map_err(|error| match error.kind {
        ErrorKind::Malformed(_) => error.hint("of compressed files, those with a tar in them are read"),
        _ => error,
    })
}

fn entry(path: &str, size: u64) -> Entry {
    Entry { path: path.as_bytes().to_vec(), kind: Kind::File, link: Vec::new(), size, mode: 0o644 }
}

fn as_file(mut content: OpenFile, name: &str, names: &PathHasher) -> Result<Facts> {
    let mut walk = Walk::new(names, Selection::None);
    walk.take(&entry(name, content.size), Names::Literal, &mut content)?;
    let mut facts = walk.finish();
    if facts.kept.is_empty() && facts.notes.is_empty() {
        facts = gap(name, "no cataloger knows what it is".into());
    }
    Ok(facts)
}

fn as_zip(mut content: OpenFile, name: &str, names: &PathHasher) -> Result<Facts> {
    if content.size > limits::SINGLE_ZIP_BYTES {
        let kind = ErrorKind::LimitExceeded { limit: "SINGLE_ZIP_BYTES", value: limits::SINGLE_ZIP_BYTES };
        return Err(Error::new("read archive", name, kind));
    }
    let bytes = content.data()?;
    let broken = |why: String| Error::new("read archive", name, ErrorKind::Malformed(why));
    let archive =
        Archive::open(&bytes).ok_or_else(|| broken("no zip archive, or one that is cut off".into()))?;
    let mut budget = Budget {
        entries: limits::JAR_ENTRIES,
        bytes: bytes.len().saturating_mul(limits::JAR_READ_RATIO).max(limits::JAR_READ_GRACE),
    };
    let mut walk = Walk::new(names, Selection::None);
    let mut failed = None;
    let each = &mut |budget: &mut Budget, member: Member<'_>| {
        if failed.is_some() || member.name.ends_with('/') {
            return;
        }
        let mut content = Zipped { archive: &archive, member: &member, budget };
        match walk.take(&entry(member.name, member.size), Names::Literal, &mut content) {
            Ok(()) => {}
            Err(Error { kind: ErrorKind::Local(why), .. }) => {
                walk.unread(member.name.to_owned(), format!("not read: {why}"))
            }
            Err(error) => failed = Some(error),
        }
    };
    archive.entries(&mut budget, each).map_err(broken)?;
    failed.map_or_else(|| Ok(walk.finish()), Err)
}

/// An entry of a zip archive.
struct Zipped<'a, 'b> {
    archive: &'a Archive<'b>,
    member: &'a Member<'b>,
    budget: &'a mut Budget,
}

impl Content for Zipped<'_, '_> {
    fn data(&mut self) -> Result<Vec<u8>> {
        let read = self.archive.read(self.member, limits::JAR_NESTED_BYTES, self.budget);
        read.map(std::borrow::Cow::into_owned)
            .map_err(|why| Error::new("read entry", self.member.name, ErrorKind::Local(why)))
    }

    fn show(&mut self, look: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
        let _ = look(&self.data()?);
        Ok(())
    }
}
