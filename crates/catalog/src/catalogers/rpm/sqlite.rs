//! The blobs of an rpm database in SQLite's file format, read-only.
//!
//! sqlite.org/fileformat2.html: the schema's b-tree starts on page 1 and names the root page of the table
//! `Packages`; its rows are a number and a header. A page is visited once: a tree or an overflow chain that
//! comes back to a page it has seen is refused, so that the work is bounded by the size of the file. The
//! write-ahead log is another file and is not read here.

use super::super::bytes::{be16, be32, slice};
use super::Each;
use crate::limits;
use std::borrow::Cow;

const RECORD: &str = "a row that makes no sense";
const MAGIC: &[u8] = b"SQLite format 3\0";
const INTERIOR: u8 = 0x05;
const LEAF: u8 = 0x0d;
/// The header of the file, before the b-tree on page 1.
const FILE_HEADER: usize = 100;
/// Levels of a b-tree: with two entries on each page, more than any file of 2^31 pages has.
const DEPTH: usize = 40;

/// Hands each header of the table `Packages` to `each`.
pub(super) fn headers(content: &[u8], each: Each<'_>) -> Result<(), String> {
    if !content.starts_with(MAGIC) {
        return Err("no SQLite database".into());
    }
    let file = File::open(content).ok_or("a SQLite header that makes no sense")?;
    let mut root = None;
    let mut seen = Pages::new(&file);
    file.table(1, &mut seen, 0, &mut |record| {
        let columns = columns(record).ok_or(RECORD)?;
        let text = |at: usize| columns.get(at).copied().unwrap_or_default();
        if text(0) == b"table" && text(1) == b"Packages" {
            root = columns.get(3).and_then(|n| number(n));
        }
        Ok(())
    })?;
    let root = root.ok_or("no table Packages in it")?;
    file.table(root, &mut seen, 0, &mut |record| {
        each(columns(record).and_then(|columns| columns.get(1).copied()).ok_or(RECORD)?)
    })
}

struct File<'a> {
    content: &'a [u8],
    page: usize,
    /// The bytes of a page that are used.
    usable: usize,
}

/// Which pages were visited.
struct Pages(Vec<bool>);

impl Pages {
    fn new(file: &File<'_>) -> Self {
        Self(vec![false; file.content.len() / file.page + 1])
    }

    /// Page numbers begin at 1.
    fn visit(&mut self, number: usize) -> Result<(), String> {
        match self.0.get_mut(number) {
            Some(seen) if !*seen => {
                *seen = true;
                Ok(())
            }
            Some(_) => Err(format!("page {number} is used twice")),
            None => Err(format!("page {number} is beyond the end")),
        }
    }
}

impl<'a> File<'a> {
    fn open(content: &'a [u8]) -> Option<Self> {
        let page = match be16(content, 16)? {
            1 => 65_536,
            n if n.is_power_of_two() && n >= 512 => n,
            _ => return None,
        };
        let usable = page.checked_sub(usize::from(*content.get(20)?))?;
        // The format's own minimum.
        (usable >= 480).then_some(Self { content, page, usable })
    }

    fn at(&self, number: usize) -> Result<&'a [u8], String> {
        number
            .checked_sub(1)
            .and_then(|n| n.checked_mul(self.page))
            .and_then(|at| slice(self.content, at, self.page))
            .ok_or_else(|| format!("page {number} is beyond the end"))
    }

    fn table(&self, number: usize, seen: &mut Pages, depth: usize, each: Each<'_>) -> Result<(), String> {
        let broken = || format!("page {number} makes no sense");
        if depth > DEPTH {
            return Err("a b-tree that is too deep".into());
        }
        seen.visit(number)?;
        let page = self.at(number)?;
        let start = if number == 1 { FILE_HEADER } else { 0 };
        let kind = *page.get(start).ok_or_else(broken)?;
        let cells = be16(page, start + 3).ok_or_else(broken)?;
        let pointers = start + if kind == INTERIOR { 12 } else { 8 };
        for cell in 0..cells {
            let at = be16(page, pointers + 2 * cell).ok_or_else(broken)?;
            match kind {
                INTERIOR => {
                    let child = be32(page, at).ok_or_else(broken)?;
                    self.table(child, seen, depth + 1, each)?;
                }
                LEAF => {
                    let record = self.cell(page, at, seen)?.ok_or_else(broken)?;
                    each(&record)?;
                }
                _ => return Err(format!("page {number} is no page of a table")),
            }
        }
        if kind == INTERIOR {
            let child = be32(page, start + 8).ok_or_else(broken)?;
            self.table(child, seen, depth + 1, each)?;
        }
        Ok(())
    }

    /// The record of a leaf's cell, with its overflow pages. `None`: the cell is broken.
    fn cell(&self, page: &'a [u8], at: usize, seen: &mut Pages) -> Result<Option<Cow<'a, [u8]>>, String> {
        let Some((length, local, at)) = self.payload(page, at) else { return Ok(None) };
        if length > limits::RPM_HEADER_BYTES {
            return Err(format!(
                "a row of {length} bytes, more than the limit of {}",
                limits::RPM_HEADER_BYTES
            ));
        }
        let Some(first) = slice(page, at, local) else { return Ok(None) };
        if local == length {
            return Ok(Some(Cow::Borrowed(first)));
        }
        let mut whole = first.to_vec();
        let mut next = be32(page, at + local);
        while whole.len() < length {
            let Some(number) = next.filter(|n| *n != 0) else { return Ok(None) };
            seen.visit(number)?;
            let page = self.at(number)?;
            let take = (length - whole.len()).min(self.usable - 4);
            let Some(more) = slice(page, 4, take) else { return Ok(None) };
            whole.extend_from_slice(more);
            next = be32(page, 0);
        }
        Ok(Some(Cow::Owned(whole)))
    }

    /// The length of a record, how much of it stands on the page, and where.
    fn payload(&self, page: &[u8], at: usize) -> Option<(usize, usize, usize)> {
        let (length, at) = varint(page, at)?;
        let (_rowid, at) = varint(page, at)?;
        let length = usize::try_from(length).ok()?;
        let most = self.usable - 35;
        if length <= most {
            return Some((length, length, at));
        }
        // "Cell payload overflow pages", 1.6 of the format.
        let least = (self.usable - 12) * 32 / 255 - 23;
        let surplus = least + (length - least) % (self.usable - 4);
        Some((length, if surplus <= most { surplus } else { least }, at))
    }
}

/// The columns of a record as bytes, NULL and the constants 0 and 1 as nothing.
fn columns(record: &[u8]) -> Option<Vec<&[u8]>> {
    /// More than any table has that is read here.
    const MOST: usize = 16;
    let (header, mut at) = varint(record, 0)?;
    let header = usize::try_from(header).ok()?;
    let mut body = header;
    let mut out = Vec::new();
    while at < header && out.len() < MOST {
        let (kind, next) = varint(record, at)?;
        at = next;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            n => (n - 12) / 2,
        };
        let length = usize::try_from(length).ok()?;
        out.push(slice(record, body, length)?);
        body += length;
    }
    Some(out)
}

fn number(bytes: &[u8]) -> Option<usize> {
    (bytes.len() <= 4).then(|| bytes.iter().fold(0, |n, b| (n << 8) | usize::from(*b)))
}

/// A number of one to nine bytes, the high ones first; where it ends.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for i in 0..8 {
        let byte = *bytes.get(at + i)?;
        value = (value << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, at + i + 1));
        }
    }
    Some(((value << 8) | u64::from(*bytes.get(at + 8)?), at + 9))
}
