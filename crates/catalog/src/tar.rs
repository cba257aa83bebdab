//! A strict, streaming reader of tar: ustar, GNU and PAX headers, nothing ever written.
//!
//! Programs disagree about odd archives, and an attacker lives in between. What Go's `archive/tar` (which
//! every container runtime uses) refuses is refused here: a wrong checksum, a number that does not parse, a
//! lone block of zeros, PAX records of wrong length. Global PAX headers are ignored as it ignores them, and
//! header-only types have no data whatever their size field says. Sparse files are walked over; whoever
//! wanted one is told that it was not read.

use crate::error::{Error, ErrorKind, Result};
use crate::files::Ticket;
use crate::limits;
use std::ops::{ControlFlow, Range};

/// A block of tar.
const BLOCK: usize = 512;
/// What is unpacked at once.
const BUFFER_BYTES: usize = crate::stage::PIECE_BYTES;

/// Where the bytes of a tar come from.
pub(crate) trait Input {
    /// Some more bytes into `buf`, or another buffer in its place; 0 only at the end. `marks` say what of the bytes that
    /// were in it is data of marked entries, in order.
    fn fill(&mut self, buf: &mut Vec<u8>, marks: &mut Vec<Mark>) -> Result<usize>;
}

/// A stretch of data of an entry that was marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The entry, as the caller of [`Reader::mark`] knows it.
    pub(crate) ticket: Ticket,
    /// Where in the buffer.
    pub(crate) at: Range<usize>,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A regular file.
    File,
    /// A regular file with holes, whose content is not read.
    Sparse,
    /// Another name for a file.
    HardLink,
    /// A symbolic link.
    SymLink,
    /// A directory.
    Directory,
    /// A device, a FIFO, or a type that no runtime knows.
    Other,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name as it stands there.
    pub(crate) path: Vec<u8>,
    /// What it is.
    pub(crate) kind: Kind,
    /// The target of a link as it stands there.
    pub(crate) link: Vec<u8>,
    /// The bytes that follow.
    pub(crate) size: u64,
    /// Permissions, as far as they are a number.
    pub(crate) mode: u32,
}

/// What stands after the end of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing, or zeros.
    Padding,
    /// Bytes that no reader of tar looks at.
    Data,
}

/// What long names and PAX headers say about the next entry.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    sparse_path: Option<Vec<u8>>,
    long_path: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    sparse: bool,
}

/// Reads the entries of a tar one after the other.
pub(crate) struct Reader<I> {
    input: I,
    buf: Vec<u8>,
    pos: usize,
    len: usize,
    /// Data and padding of the current entry that were not read yet.
    data: u64,
    padding: u64,
    headers: u64,
    /// A global PAX header tried to name or size entries.
    global: bool,
    /// The current entry, if its data is marked.
    marked: Option<Ticket>,
    marks: Vec<Mark>,
    on: String,
}

impl<I: Input> Reader<I> {
    /// Reads from `input`; `on` names it in errors.
    pub(crate) fn new(input: I, on: impl ToString) -> Self {
        Self {
            input,
            buf: vec![0; BUFFER_BYTES],
            pos: 0,
            len: 0,
            data: 0,
            padding: 0,
            headers: 0,
            global: false,
            marked: None,
            marks: Vec::new(),
            on: on.to_string(),
        }
    }

    /// The data of the current entry is marked, whoever reads it. Ends with [`Reader::unmark`].
    pub(crate) fn mark(&mut self, ticket: Ticket) {
        self.marked = Some(ticket);
    }

    /// Reads what is left of the current entry's data; the next entry is not marked.
    pub(crate) fn unmark(&mut self) -> Result<()> {
        self.show(&mut |_| ControlFlow::Continue(()))?;
        self.marked = None;
        Ok(())
    }

    /// The next `n` bytes of the buffer, which are data of the current entry, were read.
    fn read_data(&mut self, n: usize) {
        if let Some(ticket) = self.marked {
            self.marks.push(Mark { ticket, at: self.pos..self.pos + n });
        }
        self.pos += n;
    }

    /// Headers that were read so far, extension headers included.
    pub(crate) fn headers(&self) -> u64 {
        self.headers
    }

    /// Whether a global PAX header held a path, link or size, which runtimes ignore.
    pub(crate) fn ignored_global(&self) -> bool {
        self.global
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new("read tar of layer", &self.on, kind)
    }

    fn malformed(&self, why: impl Into<String>) -> Error {
        self.error(ErrorKind::Malformed(format!("{} (entry {})", why.into(), self.headers)))
    }

    /// What is in the buffer, after filling it where it is empty. Empty only at the end.
    fn chunk(&mut self) -> Result<&[u8]> {
        if self.pos >= self.len {
            self.pos = 0;
            self.len = 0;
            self.len = self.input.fill(&mut self.buf, &mut self.marks)?;
        }
        Ok(self.buf.get(self.pos..self.len).unwrap_or_default())
    }

    /// One block; `None` at the end of the stream.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut have = 0;
        while have < BLOCK {
            let chunk = self.chunk()?;
            let n = chunk.len().min(BLOCK - have);
            if n == 0 {
                if have == 0 {
                    return Ok(None);
                }
                return Err(self.error(ErrorKind::Truncated("the tar ends inside a header".into())));
            }
            block[have..have + n].copy_from_slice(&chunk[..n]);
            have += n;
            self.pos += n;
        }
        Ok(Some(block))
    }

    fn skip(&mut self, mut left: u64) -> Result<()> {
        while left > 0 {
            let n = self.chunk()?.len();
            if n == 0 {
                let why = format!("the tar ends inside an entry, {left} bytes are missing");
                return Err(self.error(ErrorKind::Truncated(why)));
            }
            let n = usize::try_from(left).map_or(n, |left| n.min(left));
            self.pos += n;
            left -= n as u64;
        }
        Ok(())
    }

    /// The whole data of the current entry. The caller has compared its size with a limit.
    pub(crate) fn data(&mut self) -> Result<Vec<u8>> {
        let size = usize::try_from(self.data).unwrap_or(usize::MAX);
        let mut out = Vec::with_capacity(size.min(BUFFER_BYTES));
        while out.len() < size {
            let chunk = self.chunk()?;
            let n = chunk.len().min(size - out.len());
            if n == 0 {
                return Err(self.error(ErrorKind::Truncated("the tar ends inside an entry".into())));
            }
            out.extend_from_slice(&chunk[..n]);
            self.read_data(n);
        }
        self.data = 0;
        Ok(out)
    }

    /// Shows the data of the current entry to `look` piece by piece, until it has seen enough. Nothing is
    /// kept; what was not shown is skipped with the next entry.
    pub(crate) fn show(&mut self, look: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<()> {
        while self.data > 0 {
            let left = usize::try_from(self.data).unwrap_or(usize::MAX);
            let chunk = self.chunk()?;
            let n = chunk.len().min(left);
            if n == 0 {
                return Err(self.error(ErrorKind::Truncated("the tar ends inside an entry".into())));
            }
            let flow = look(chunk.get(..n).unwrap_or_default());
            self.read_data(n);
            self.data -= n as u64;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The next entry; `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>> {
        let mut extension = Extension::default();
        loop {
            let rest = std::mem::take(&mut self.data).saturating_add(std::mem::take(&mut self.padding));
            self.skip(rest)?;
            let Some(block) = self.block()? else { return Ok(None) };
            if block.iter().all(|b| *b == 0) {
                return match self.block()? {
                    None => Ok(None),
                    Some(second) if second.iter().all(|b| *b == 0) => Ok(None),
                    Some(_) => Err(self.malformed("a lone block of zeros in the middle")),
                };
            }
            self.headers += 1;
            if self.headers > limits::LAYER_ENTRIES {
                return Err(self.error(ErrorKind::LimitExceeded {
                    limit: "LAYER_ENTRIES",
                    value: limits::LAYER_ENTRIES,
                }));
            }
            let header = Header(&block);
            if !header.checksum_matches() {
                return Err(self.malformed("a header's checksum is wrong"));
            }
            let size = header.size().ok_or_else(|| self.malformed("a size that is no number"))?;
            let typeflag = header.typeflag();
            match typeflag {
                b'x' | b'g' | b'L' | b'K' => {
                    if size > limits::TAR_EXTENSION_BYTES {
                        return Err(self.error(ErrorKind::LimitExceeded {
                            limit: "TAR_EXTENSION_BYTES",
                            value: limits::TAR_EXTENSION_BYTES,
                        }));
                    }
                    self.expect_data(size)?;
                    let data = self.data()?;
                    self.extend(typeflag, &data, &mut extension)?;
                }
                _ => return self.entry(&header, typeflag, size, extension).map(Some),
            }
        }
    }

    fn entry(&mut self, header: &Header<'_>, typeflag: u8, size: u64, extension: Extension) -> Result<Entry> {
        let path =
            extension.sparse_path.or(extension.path).or(extension.long_path).unwrap_or_else(|| header.path());
        let link = extension.link.or(extension.long_link).unwrap_or_else(|| cstr(header.link()).to_vec());
        let stored = extension.size.unwrap_or(size);
        let kind = match typeflag {
            b'0' | b'7' if extension.sparse => Kind::Sparse,
            // A v7 tar has no type for directories: the name ends in a slash.
            0 | b'0' | b'7' if path.ends_with(b"/") && typeflag == 0 => Kind::Directory,
            0 | b'0' | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::SymLink,
            b'5' => Kind::Directory,
            b'S' => Kind::Sparse,
            _ => Kind::Other,
        };
        let size = match typeflag {
            b'1'..=b'6' => 0,
            _ => stored,
        };
        if typeflag == b'S' {
            self.skip_sparse_map(header)?;
        }
        self.expect_data(size)?;
        let mode = header.mode();
        Ok(Entry { path, kind, link, size, mode })
    }

    /// `size` bytes of data follow, and padding to a full block.
    fn expect_data(&mut self, size: u64) -> Result<()> {
        if size > limits::LAYER_UNPACKED_BYTES {
            return Err(self.error(ErrorKind::LimitExceeded {
                limit: "LAYER_UNPACKED_BYTES",
                value: limits::LAYER_UNPACKED_BYTES,
            }));
        }
        self.data = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    /// Old GNU sparse files have further blocks of their map before the data.
    fn skip_sparse_map(&mut self, header: &Header<'_>) -> Result<()> {
        let mut more = header.0[482] != 0;
        while more {
            let Some(block) = self.block()? else {
                return Err(self.error(ErrorKind::Truncated("the tar ends inside a sparse map".into())));
            };
            self.headers += 1;
            if self.headers > limits::LAYER_ENTRIES {
                return Err(self.error(ErrorKind::LimitExceeded {
                    limit: "LAYER_ENTRIES",
                    value: limits::LAYER_ENTRIES,
                }));
            }
            more = block[504] != 0;
        }
        Ok(())
    }

    fn extend(&mut self, typeflag: u8, data: &[u8], extension: &mut Extension) -> Result<()> {
        match typeflag {
            b'L' => extension.long_path = Some(cstr(data).to_vec()),
            b'K' => extension.long_link = Some(cstr(data).to_vec()),
            _ => {
                for record in pax_records(data) {
                    let (key, value) = record.map_err(|why| self.malformed(why))?;
                    let named =
                        matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse");
                    if typeflag == b'g' {
                        self.global |= named;
                    } else if named {
                        self.record(key, value, extension)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn record(&self, key: &[u8], value: &[u8], extension: &mut Extension) -> Result<()> {
        // An empty value takes a record back (POSIX.1-2001, pax).
        let text = (!value.is_empty()).then(|| value.to_vec());
        if value.contains(&0) {
            return Err(self.malformed("a PAX record with a NUL in it"));
        }
        match key {
            b"path" => extension.path = text,
            b"linkpath" => extension.link = text,
            b"GNU.sparse.name" => {
                extension.sparse_path = text;
                extension.sparse = true;
            }
            b"size" => {
                extension.size = match text {
                    None => None,
                    Some(_) => {
                        let number = decimal(value);
                        Some(number.ok_or_else(|| self.malformed("a PAX size that is no number"))?)
                    }
                }
            }
            _ => extension.sparse = true,
        }
        Ok(())
    }

    /// Reads to the end of the input, past the end of the archive.
    pub(crate) fn finish(&mut self) -> Result<Tail> {
        let mut tail = Tail::Padding;
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Ok(tail);
            }
            if chunk.iter().any(|b| *b != 0) {
                tail = Tail::Data;
            }
            self.pos = self.len;
        }
    }
}

/// A header block. The offsets are those of POSIX.1-1988 ustar.
struct Header<'a>(&'a [u8; BLOCK]);

impl Header<'_> {
    fn typeflag(&self) -> u8 {
        self.0[156]
    }

    fn link(&self) -> &[u8] {
        &self.0[157..257]
    }

    fn mode(&self) -> u32 {
        octal(&self.0[100..108]).and_then(|mode| u32::try_from(mode & 0o7777).ok()).unwrap_or_default()
    }

    fn size(&self) -> Option<u64> {
        number(&self.0[124..136])
    }

    fn path(&self) -> Vec<u8> {
        let name = cstr(&self.0[..100]);
        // GNU headers ("ustar  \0") keep times and maps where ustar has the prefix.
        let prefix = match (&self.0[257..263], &self.0[508..512]) {
            (b"ustar\0", b"tar\0") => cstr(&self.0[345..476]),
            (b"ustar\0", _) => cstr(&self.0[345..500]),
            _ => b"",
        };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    /// The sum of all bytes with the field itself as spaces; old writers summed signed bytes.
    fn checksum_matches(&self) -> bool {
        const SPACES: u64 = 8 * b' ' as u64;
        let Some(wanted) = octal(&self.0[148..156]) else { return false };
        let sum = |bytes: &[u8]| bytes.iter().map(|b| u64::from(*b)).sum::<u64>();
        let unsigned = sum(&self.0[..148]) + SPACES + sum(&self.0[156..]);
        if wanted == unsigned {
            return true;
        }
        let high = |bytes: &[u8]| bytes.iter().filter(|b| **b >= 0x80).count() as u64 * 256;
        wanted.checked_add(high(&self.0[..148]) + high(&self.0[156..])) == Some(unsigned)
    }
}

/// The bytes before the first NUL.
fn cstr(field: &[u8]) -> &[u8] {
    field.split(|b| *b == 0).next().unwrap_or_default()
}

/// Octal, or base 256 with the first bit set (GNU). Negative numbers are refused.
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first() {
        Some((first, rest)) if first & 0x80 != 0 => {
            if first & 0x40 != 0 {
                return None;
            }
            rest.iter().try_fold(u64::from(first & 0x3f), |value, b| {
                value.checked_mul(256)?.checked_add(u64::from(*b))
            })
        }
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let is_blank = |b: &u8| matches!(*b, b' ' | 0);
    let start = field.iter().position(|b| !is_blank(b)).unwrap_or(field.len());
    let end = field.iter().rposition(|b| !is_blank(b)).map_or(start, |last| last + 1);
    cstr(field.get(start..end)?).iter().try_fold(0_u64, |value, b| match b {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `25 path=some/long/name\n`, one after the other; the number counts the whole record.
fn pax_records(mut data: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8]), &'static str>> {
    let mut failed = false;
    std::iter::from_fn(move || {
        // Some writers pad with NULs to a full block.
        if failed || data.iter().all(|b| *b == 0) {
            return None;
        }
        let record = (|| {
            let space = data.iter().take(20).position(|b| *b == b' ')?;
            let length = usize::try_from(decimal(data.get(..space)?)?).ok()?;
            let body = data.get(space + 1..length)?.strip_suffix(b"\n")?;
            data = data.get(length..)?;
            let equals = body.iter().position(|b| *b == b'=')?;
            let (key, value) = (body.get(..equals)?, body.get(equals + 1..)?);
            (!key.is_empty()).then_some((key, value))
        })();
        failed = record.is_none();
        Some(record.ok_or("a PAX record that does not parse"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many directories as somebody reads, without any memory.
    struct Endless;

    impl Input for Endless {
        fn fill(&mut self, buf: &mut Vec<u8>, _: &mut Vec<Mark>) -> Result<usize> {
            let mut header = [0; BLOCK];
            header[0] = b'd';
            header[156] = b'5';
            let sum = u64::from(b'd') + u64::from(b'5') + 8 * u64::from(b' ');
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            let whole = buf.len() / BLOCK * BLOCK;
            for block in buf[..whole].chunks_exact_mut(BLOCK) {
                block.copy_from_slice(&header);
            }
            Ok(whole)
        }
    }

    #[test]
    fn entries_are_bounded_at_limit_plus_one() {
        let mut tar = Reader::new(Endless, "test");
        for _ in 0..limits::LAYER_ENTRIES {
            assert_eq!(tar.next().unwrap().unwrap().kind, Kind::Directory);
        }
        let limit = ErrorKind::LimitExceeded { limit: "LAYER_ENTRIES", value: limits::LAYER_ENTRIES };
        assert_eq!(tar.next().unwrap_err().kind, limit);
    }

    #[test]
    fn numbers_in_all_their_forms() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   17 \0"), Some(0o17));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(1 << 33));
        assert_eq!(number(&[0xff; 12]), None);
        assert_eq!(number(b"12 34"), None);
        assert_eq!(number(b"8"), None);
        assert_eq!(number(&[0xbf; 12]), None);
    }

    #[test]
    fn signed_checksums_of_old_writers() {
        let mut block = [0; BLOCK];
        block[0] = 0xe9;
        let signed = 8 * i64::from(b' ') + i64::from(0xe9_u8 as i8);
        block[148..156].copy_from_slice(format!("{signed:06o}\0 ").as_bytes());
        assert!(Header(&block).checksum_matches());
        block[0] = 0xe8;
        assert!(!Header(&block).checksum_matches());
    }

    #[test]
    fn pax_records_are_counted_whole() {
        let read = |data: &'static [u8]| pax_records(data).collect::<Result<Vec<_>, _>>();
        assert_eq!(read(b"11 a=bcdef\n"), Ok(vec![(&b"a"[..], &b"bcdef"[..])]));
        assert_eq!(read(b"6 a=b\n6 c=d\n\0\0").map(|r| r.len()), Ok(2));
        for bad in
            [&b"7 a=b\n"[..], b"5 a=b\n", b"6 a=b ", b"x", b"4 =\n", b"0 \n", b"99999999999999999999 a=b\n"]
        {
            assert!(read(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
