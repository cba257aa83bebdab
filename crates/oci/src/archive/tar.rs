//! Where the members of a tar file lie, found in one pass over its headers.
//!
//! Nothing is unpacked and nothing is held but names and offsets; members are read by seeking. The walk is
//! our own, on the header type of the `tar` crate, because a reader that follows long-name records will put
//! a record of any size into memory. Refused: compressed files, two members of one name (two programs would
//! take a different one), sparse members, sizes beyond the file, more than [`MEMBERS`] members. Absolute
//! names and names with `..` are never matched.

use crate::error::{Error, ErrorKind, Result};
use crate::reference::Location;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tar::{EntryType, Header};

/// Members of one archive: `docker save` writes three for a layer, and an image has at most
/// [`crate::limits::IMAGE_LAYERS`] layers.
pub(super) const MEMBERS: usize = 20_000;
/// A long-name or PAX record; the longest path a system takes is 4 KiB.
const RECORD_BYTES: u64 = 64 << 10;
const BLOCK: u64 = 512;
/// Zeros after the last member: two blocks by the format; tar programs fill up to the block size of a tape.
#[cfg(feature = "push")]
const PADDING_BYTES: u64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Member {
    File {
        offset: u64,
        size: u64,
    },
    /// A symbolic or hard link to another member, by its clean name.
    Link(String),
}

/// An open tar file and what is where.
#[derive(Debug)]
pub(super) struct TarFile {
    file: Arc<Mutex<File>>,
    members: HashMap<String, Member>,
    /// The first member that is no regular file with a plain name, where there is one.
    #[cfg_attr(not(feature = "push"), allow(dead_code))]
    odd: Option<String>,
    /// Where the last member ended, and where the file ends.
    #[cfg_attr(not(feature = "push"), allow(dead_code))]
    end: (u64, u64),
}

impl TarFile {
    pub(super) fn open(path: &Path, on: &Location) -> Result<Self> {
        let (file, size) =
            crate::layout::open_file(path, on)?.ok_or_else(|| Error::new("open", on, ErrorKind::NotFound))?;
        Self::walked(file, size, on)
    }

    /// The file that is open here already, from its start.
    pub(super) fn of(mut file: File, on: &Location) -> Result<Self> {
        let local = |e: io::Error| Error::new("open", on, ErrorKind::Local(e.to_string()));
        file.rewind().map_err(local)?;
        let size = file.metadata().map_err(local)?.len();
        Self::walked(file, size, on)
    }

    fn walked(file: File, size: u64, on: &Location) -> Result<Self> {
        let mut walk = Walk { input: BufReader::new(file), at: 0, size, on, odd: None };
        let members = walk.members()?;
        let (odd, end) = (walk.odd.take(), (walk.at, size));
        Ok(Self { file: Arc::new(Mutex::new(walk.input.into_inner())), members, odd, end })
    }

    /// The names of all members, if they are regular files with plain names and nothing follows the last
    /// one: then every program that reads tar files sees the same members.
    #[cfg(feature = "push")]
    pub(super) fn plain_names(&self, on: &Location) -> Result<Vec<&str>> {
        let bad = |why: String| Error::new("read archive", on, ErrorKind::Malformed(why));
        if let Some(odd) = &self.odd {
            return Err(bad(format!("its member '{odd}' is no regular file with a plain name")));
        }
        let (from, to) = self.end;
        let mut rest = Vec::new();
        self.read(from, (to - from).min(PADDING_BYTES + 1))
            .read_to_end(&mut rest)
            .map_err(|e| Error::new("read archive", on, ErrorKind::Local(e.to_string())))?;
        if rest.len() as u64 > PADDING_BYTES || rest.iter().any(|b| *b != 0) {
            return Err(bad(format!("something follows its end at byte {from}")));
        }
        Ok(self.members.keys().map(String::as_str).collect())
    }

    /// The place of the member `name`; links are followed once.
    pub(super) fn find(&self, name: &str) -> Option<(u64, u64)> {
        match self.members.get(name)? {
            Member::File { offset, size } => Some((*offset, *size)),
            Member::Link(target) => match self.members.get(target)? {
                Member::File { offset, size } => Some((*offset, *size)),
                Member::Link(_) => None,
            },
        }
    }

    /// A reader of `size` bytes from `offset` on.
    pub(super) fn read(&self, offset: u64, size: u64) -> Part {
        Part { file: Arc::clone(&self.file), at: offset, left: size }
    }

    /// A whole small member.
    pub(super) fn small(&self, name: &str, limit: u64, on: &Location) -> Result<Option<Vec<u8>>> {
        let Some((offset, size)) = self.find(name) else { return Ok(None) };
        let on = || format!("{on} ({name})");
        if size > limit {
            let kind = ErrorKind::LimitExceeded { limit: "archive member", value: limit };
            return Err(Error::new("read", on(), kind));
        }
        let mut bytes = Vec::with_capacity(size as usize);
        self.read(offset, size)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::new("read", on(), ErrorKind::Local(e.to_string())))?;
        if bytes.len() as u64 != size {
            let kind = ErrorKind::SizeMismatch { expected: size, actual: bytes.len() as u64 };
            return Err(Error::new("read", on(), kind));
        }
        Ok(Some(bytes))
    }
}

/// A part of a file that several readers share.
#[derive(Debug)]
pub(super) struct Part {
    file: Arc<Mutex<File>>,
    at: u64,
    left: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(buffer) = buffer.get_mut(..want).filter(|b| !b.is_empty()) else { return Ok(0) };
        // The position is set each time, so what a panicking reader left behind does not matter.
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let n = file.read(buffer)?;
        self.at += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}

/// The name and the link target of a record, where it has them.
type Names = (Option<Vec<u8>>, Option<Vec<u8>>);

struct Walk<'a> {
    input: BufReader<File>,
    at: u64,
    size: u64,
    on: &'a Location,
    odd: Option<String>,
}

impl Walk<'_> {
    fn bad(&self, why: &str) -> Error {
        let why = format!("no readable tar file: {why} at byte {}", self.at);
        Error::new("read archive", self.on, ErrorKind::Malformed(why))
    }

    fn io(&self, error: &io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.bad("it ends"),
            _ => Error::new("read archive", self.on, ErrorKind::Local(error.to_string())),
        }
    }

    fn members(&mut self) -> Result<HashMap<String, Member>> {
        let mut members = HashMap::new();
        let (mut long_name, mut long_link) = (None, None);
        let mut count = 0;
        while let Some(header) = self.header()? {
            count += 1;
            if count > MEMBERS {
                let kind = ErrorKind::LimitExceeded { limit: "archive members", value: MEMBERS as u64 };
                return Err(Error::new("read archive", self.on, kind));
            }
            let size = header.entry_size().map_err(|_| self.bad("a size that is no number"))?;
            match header.entry_type() {
                EntryType::GNULongName => long_name = Some(self.text_record(size)?),
                EntryType::GNULongLink => long_link = Some(self.text_record(size)?),
                EntryType::XHeader => {
                    let (path, link) = self.pax_record(size)?;
                    long_name = path.or(long_name);
                    long_link = link.or(long_link);
                }
                EntryType::GNUSparse => return Err(self.bad("a sparse member")),
                kind => {
                    let name = long_name.take().unwrap_or_else(|| header.path_bytes().into_owned());
                    let link = long_link
                        .take()
                        .or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
                    let offset = self.at;
                    let member = match kind {
                        EntryType::Regular | EntryType::Continuous => Some(Member::File { offset, size }),
                        EntryType::Symlink => link.and_then(|l| beside(&name, &l)).map(Member::Link),
                        EntryType::Link => link.and_then(|l| clean(&l)).map(Member::Link),
                        _ => None,
                    };
                    let plain = matches!(kind, EntryType::Regular | EntryType::Continuous)
                        && clean(&name).is_some_and(|clean| clean.as_bytes() == name);
                    // Global PAX records of `git archive` and others are comments, not members.
                    if !plain && self.odd.is_none() && kind != EntryType::XGlobalHeader {
                        let shown = String::from_utf8_lossy(&name);
                        self.odd =
                            Some(shown.chars().take(100).collect::<String>().escape_debug().to_string());
                    }
                    if let (Some(name), Some(member)) = (clean(&name), member)
                        && members.insert(name, member).is_some()
                    {
                        return Err(self.bad("a second member of the same name"));
                    }
                    // Old writers give links a size that no data follows.
                    if !matches!(kind, EntryType::Symlink | EntryType::Link) {
                        self.skip(size)?;
                    }
                }
            }
        }
        Ok(members)
    }

    fn header(&mut self) -> Result<Option<Header>> {
        let mut block = [0; BLOCK as usize];
        if self.at == self.size && self.at > 0 {
            // Some writers leave out the two zero blocks of the end.
            return Ok(None);
        }
        self.input.read_exact(&mut block).map_err(|e| self.io(&e))?;
        if self.at == 0 && (block.starts_with(&[0x1f, 0x8b]) || block.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]))
        {
            let why = "the archive is compressed, and only plain tar files can be read in place".into();
            return Err(Error::new("read archive", self.on, ErrorKind::Unsupported(why))
                .hint("decompress it first, with gunzip or unzstd"));
        }
        if block.iter().all(|b| *b == 0) {
            return if self.at == 0 { Err(self.bad("an empty block")) } else { Ok(None) };
        }
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u32::from(*b) })
            .sum();
        let header = Header::from_byte_slice(&block).clone();
        if header.cksum().ok() != Some(sum) {
            return Err(self.bad("a header with a wrong checksum"));
        }
        self.at += BLOCK;
        Ok(Some(header))
    }

    fn skip(&mut self, size: u64) -> Result<()> {
        let padded = size.checked_next_multiple_of(BLOCK).and_then(|p| self.at.checked_add(p));
        let end = self.at.checked_add(size);
        match (padded, end) {
            (Some(padded), Some(end)) if end <= self.size => {
                let to = padded.min(self.size);
                let by = i64::try_from(to - self.at).map_err(|_| self.bad("a size beyond all files"))?;
                self.input.seek_relative(by).map_err(|e| self.io(&e))?;
                self.at = to;
                Ok(())
            }
            _ => Err(self.bad("a member that ends beyond the file")),
        }
    }

    fn record(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > RECORD_BYTES {
            let kind = ErrorKind::LimitExceeded { limit: "archive name record", value: RECORD_BYTES };
            return Err(Error::new("read archive", self.on, kind));
        }
        let mut bytes = vec![0; size as usize];
        self.input.read_exact(&mut bytes).map_err(|e| self.io(&e))?;
        let padding = size.next_multiple_of(BLOCK) - size;
        self.input.seek_relative(padding as i64).map_err(|e| self.io(&e))?;
        self.at += size + padding;
        Ok(bytes)
    }

    fn text_record(&mut self, size: u64) -> Result<Vec<u8>> {
        let mut bytes = self.record(size)?;
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        Ok(bytes)
    }

    fn pax_record(&mut self, size: u64) -> Result<Names> {
        let bytes = self.record(size)?;
        let (mut path, mut link) = (None, None);
        for extension in tar::PaxExtensions::new(&bytes) {
            let extension = extension.map_err(|_| self.bad("a broken PAX record"))?;
            match extension.key_bytes() {
                b"path" => path = Some(extension.value_bytes().to_vec()),
                b"linkpath" => link = Some(extension.value_bytes().to_vec()),
                // Where a member ends must not depend on who reads the archive.
                b"size" => return Err(self.bad("a PAX size record, which only some programs honour,")),
                key if key.starts_with(b"GNU.sparse") => return Err(self.bad("a sparse member")),
                _ => {}
            }
        }
        Ok((path, link))
    }
}

/// A member name as it is looked up; `None` for absolute names, `..` and what is no UTF-8.
fn clean(name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    if name.starts_with('/') {
        return None;
    }
    let parts: Vec<&str> = name.split('/').filter(|p| !matches!(*p, "" | ".")).collect();
    (!parts.is_empty() && !parts.contains(&"..")).then(|| parts.join("/"))
}

/// The target of a symbolic link, within the archive: `../a/layer.tar` beside `b/layer.tar`.
fn beside(name: &[u8], target: &[u8]) -> Option<String> {
    let (name, target) = (clean(name)?, std::str::from_utf8(target).ok()?);
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}
