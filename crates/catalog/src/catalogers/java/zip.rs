//! The central directory of a zip archive in memory, and the content of single entries.
//!
//! Java finds classes by the central directory, so it decides here; local headers are only stepped over.
//! Own code instead of a crate: what is asked for is small (stored and deflated entries, read-only, from
//! bytes), entries are looked at one after the other without a table of all of them, and every byte that is
//! read or inflated is counted against one budget, also through archives in archives.

use crate::catalogers::bytes::{array, le32, slice};
use crate::limits;
use std::borrow::Cow;
use std::io::Read;

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";
const CENTRAL: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";
/// In 32 bits: the value stands in the zip64 extra field.
const ELSEWHERE: u64 = 0xffff_ffff;

/// What may still be read.
pub(crate) struct Budget {
    /// Entries of central directories.
    pub(crate) entries: usize,
    /// Bytes of entries that are looked into, as they come out.
    pub(crate) bytes: usize,
}

/// An archive.
#[derive(Clone, Copy)]
pub(crate) struct Archive<'a> {
    bytes: &'a [u8],
    central: &'a [u8],
    /// What stands before the archive: a script that starts it.
    base: usize,
}

/// An entry of the central directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a str,
    method: usize,
    encrypted: bool,
    compressed: u64,
    pub(crate) size: u64,
    offset: u64,
}

fn le16(bytes: &[u8], at: usize) -> Option<usize> {
    array(bytes, at).map(u16::from_le_bytes).map(usize::from)
}

fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_le_bytes)
}

impl<'a> Archive<'a> {
    /// Finds the central directory. `None`: this is no zip archive, or one that is cut off.
    pub(crate) fn open(bytes: &'a [u8]) -> Option<Self> {
        // The end record is followed by a comment of up to 65,535 bytes.
        let start = bytes.len().saturating_sub(22 + 0xffff);
        let tail = bytes.get(start..)?;
        let end = start + tail.windows(END.len()).rposition(|w| w == END)?;
        let mut size = u64::try_from(le32(bytes, end + 12)?).ok()?;
        let mut offset = u64::try_from(le32(bytes, end + 16)?).ok()?;
        let mut stop = end;
        let large = size == ELSEWHERE || offset == ELSEWHERE || le16(bytes, end + 10)? == 0xffff;
        if large && let Some(at) = end.checked_sub(20).filter(|at| slice(bytes, *at, 4) == Some(LOCATOR_64)) {
            // The record has a fixed size unless it is extended, which nobody does.
            stop = at.checked_sub(56).filter(|at| slice(bytes, *at, 4) == Some(END_64))?;
            (size, offset) = (le64(bytes, stop + 40)?, le64(bytes, stop + 48)?);
        }
        let first = stop.checked_sub(usize::try_from(size).ok()?)?;
        let base = first.checked_sub(usize::try_from(offset).ok()?)?;
        Some(Self { bytes, central: bytes.get(first..stop)?, base })
    }

    /// The entries in their order, up to the first that makes no sense or the end of the budget; then an
    /// error says so.
    pub(crate) fn entries(
        &self,
        budget: &mut Budget,
        each: &mut dyn FnMut(&mut Budget, Entry<'a>),
    ) -> Result<(), String> {
        let mut rest = self.central;
        while !rest.is_empty() {
            budget.entries = budget
                .entries
                .checked_sub(1)
                .ok_or_else(|| format!("more than JAR_ENTRIES ({}) entries", limits::JAR_ENTRIES))?;
            let (entry, after) = central(rest).ok_or("a central directory that makes no sense")?;
            rest = after;
            if let Some(entry) = entry {
                each(budget, entry);
            }
        }
        Ok(())
    }

    /// The content of an entry, up to `limit` bytes.
    pub(crate) fn read(
        &self,
        entry: &Entry<'_>,
        limit: usize,
        budget: &mut Budget,
    ) -> Result<Cow<'a, [u8]>, String> {
        const BROKEN: &str = "a local header that makes no sense";
        if entry.encrypted {
            return Err("encrypted".into());
        }
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        if number(entry.size) > limit {
            return Err(format!("{} bytes, more than the limit of {limit}", entry.size));
        }
        let at = self.base.checked_add(number(entry.offset)).ok_or(BROKEN)?;
        let local = slice(self.bytes, at, 30).filter(|h| h.starts_with(LOCAL)).ok_or(BROKEN)?;
        let skip = 30 + le16(local, 26).ok_or(BROKEN)? + le16(local, 28).ok_or(BROKEN)?;
        let data =
            slice(self.bytes, at + skip, number(entry.compressed)).ok_or("an entry that is cut off")?;
        let mut charge = |bytes: usize| {
            budget.bytes =
                budget.bytes.checked_sub(bytes).ok_or("more bytes in archives than their size allows")?;
            Ok::<(), String>(())
        };
        match entry.method {
            0 if entry.compressed == entry.size => {
                charge(data.len())?;
                Ok(Cow::Borrowed(data))
            }
            8 => {
                // What the directory says of the size is a claim; it is charged and never exceeded.
                charge(number(entry.size))?;
                let mut out = Vec::new();
                let read = flate2::read::DeflateDecoder::new(data).take(entry.size + 1).read_to_end(&mut out);
                match read {
                    Ok(n) if n as u64 == entry.size => Ok(Cow::Owned(out)),
                    Ok(_) => Err("another size than the central directory says".into()),
                    Err(e) => Err(format!("cannot be inflated: {e}")),
                }
            }
            0 => Err("another size than the central directory says".into()),
            method => Err(format!("compressed by method {method}, which Java does not know")),
        }
    }
}

/// The first entry of `bytes`, none where its name is no UTF-8, and what comes after it.
fn central(bytes: &[u8]) -> Option<(Option<Entry<'_>>, &[u8])> {
    let head = slice(bytes, 0, 46).filter(|h| h.starts_with(CENTRAL))?;
    let (name, extra, comment) = (le16(head, 28)?, le16(head, 30)?, le16(head, 32)?);
    let after = bytes.get(46 + name + extra + comment..)?;
    let wide = |at: usize| le32(head, at).and_then(|n| u64::try_from(n).ok());
    let (mut compressed, mut size, mut offset) = (wide(20)?, wide(24)?, wide(42)?);
    let mut fields = slice(bytes, 46 + name, extra)?;
    // APPNOTE 4.5.3: the values that did not fit, in this order.
    while let (Some(id), Some(length)) = (le16(fields, 0), le16(fields, 2)) {
        let Some(body) = slice(fields, 4, length) else { break };
        if id == 1 {
            let mut at = 0;
            for value in [&mut size, &mut compressed, &mut offset] {
                if *value == ELSEWHERE {
                    *value = le64(body, at)?;
                    at += 8;
                }
            }
        }
        fields = fields.get(4 + length..).unwrap_or_default();
    }
    let name = std::str::from_utf8(slice(bytes, 46, name)?).ok();
    let entry = name.map(|name| Entry {
        name,
        method: le16(head, 10).unwrap_or(usize::MAX),
        encrypted: le16(head, 8).is_none_or(|flags| flags & 1 == 1),
        compressed,
        size,
        offset,
    });
    Some((entry, after))
}
