//! The blobs of an rpm database in Berkeley DB's hash format, versions 8 to 10, read-only.
//!
//! `dbinc/db_page.h`: a page of metadata, then pages of hash buckets with pairs of key and data; data that
//! does not fit is a chain of overflow pages. All bucket pages of the file are read in their order, without
//! the directory of buckets: what is stored is all that is asked for. Every overflow page belongs to one
//! value: a chain that comes to a used page is refused.

use super::super::bytes::{array, slice};
use super::Each;
use crate::limits;
use std::borrow::Cow;

const MAGIC: u32 = 0x0006_1561;
const PAGE_HEADER: usize = 26;
/// `P_HASH_UNSORTED` and `P_HASH`.
const BUCKETS: [u8; 2] = [2, 13];
const OVERFLOW: u8 = 7;
/// `H_KEYDATA`: the value stands on the page.
const INLINE: u8 = 1;
/// `H_OFFPAGE`: the value stands on overflow pages.
const ELSEWHERE: u8 = 3;

/// Hands each header to `each`.
pub(super) fn headers(content: &[u8], each: Each<'_>) -> Result<(), String> {
    let file = File::open(content)?;
    let mut seen = vec![false; content.len() / file.page + 1];
    // The first page is the metadata's.
    for page in content.chunks_exact(file.page).skip(1) {
        if page.get(25).is_some_and(|kind| BUCKETS.contains(kind)) {
            file.bucket(page, &mut seen, each)?;
        }
    }
    Ok(())
}

struct File<'a> {
    content: &'a [u8],
    page: usize,
    number: fn([u8; 4]) -> u32,
    half: fn([u8; 2]) -> u16,
}

impl<'a> File<'a> {
    fn open(content: &'a [u8]) -> Result<Self, String> {
        let magic: [u8; 4] = array(content, 12).ok_or("no Berkeley DB hash")?;
        let little = u32::from_le_bytes(magic) == MAGIC;
        if !little && u32::from_be_bytes(magic) != MAGIC {
            return Err("no Berkeley DB hash".into());
        }
        let number = if little { u32::from_le_bytes } else { u32::from_be_bytes };
        let half = if little { u16::from_le_bytes } else { u16::from_be_bytes };
        let mut file = Self { content, page: 0, number, half };
        let version = file.u32(content, 16).unwrap_or_default();
        if !(8..=10).contains(&version) {
            return Err(format!("version {version} of the Berkeley DB hash is not known"));
        }
        if content.get(24) != Some(&0) {
            return Err("an encrypted Berkeley DB".into());
        }
        file.page = file
            .u32(content, 20)
            .filter(|n| n.is_power_of_two() && (512..=65_536).contains(n))
            .ok_or("a Berkeley DB page size that makes no sense")?;
        Ok(file)
    }

    fn u32(&self, bytes: &[u8], at: usize) -> Option<usize> {
        array(bytes, at).map(self.number).and_then(|n| usize::try_from(n).ok())
    }

    fn u16(&self, bytes: &[u8], at: usize) -> Option<usize> {
        array(bytes, at).map(self.half).map(usize::from)
    }

    fn bucket(&self, page: &[u8], seen: &mut [bool], each: Each<'_>) -> Result<(), String> {
        const BROKEN: &str = "a Berkeley DB bucket that makes no sense";
        let entries = self.u16(page, 20).ok_or(BROKEN)?;
        let offset = |entry: usize| self.u16(page, PAGE_HEADER + 2 * entry).filter(|at| *at < page.len());
        // Keys are even, data is odd; values are laid down from the end of the page.
        for entry in (1..entries).step_by(2) {
            let (before, at) = (offset(entry - 1).ok_or(BROKEN)?, offset(entry).ok_or(BROKEN)?);
            let value = page.get(at..before).ok_or(BROKEN)?;
            let blob = match value.first() {
                Some(&INLINE) => Cow::Borrowed(value.get(1..).unwrap_or_default()),
                Some(&ELSEWHERE) => {
                    let first = self.u32(value, 4).ok_or(BROKEN)?;
                    let length = self.u32(value, 8).ok_or(BROKEN)?;
                    Cow::Owned(self.chain(first, length, seen)?)
                }
                _ => return Err(BROKEN.into()),
            };
            // The record with the key 0 holds the highest number that was given, four bytes.
            if blob.len() > 4 {
                each(&blob)?;
            }
        }
        Ok(())
    }

    fn chain(&self, first: usize, length: usize, seen: &mut [bool]) -> Result<Vec<u8>, String> {
        if length > limits::RPM_HEADER_BYTES {
            let limit = limits::RPM_HEADER_BYTES;
            return Err(format!("a header of {length} bytes, more than the limit of {limit}"));
        }
        let (mut whole, mut number) = (Vec::new(), first);
        while whole.len() < length {
            let broken = || format!("overflow page {number} makes no sense");
            match seen.get_mut(number) {
                Some(seen) if !*seen => *seen = true,
                Some(_) => return Err(format!("page {number} is used twice")),
                None => return Err(format!("page {number} is beyond the end")),
            }
            let at = number.checked_mul(self.page).ok_or_else(broken)?;
            let page = slice(self.content, at, self.page).ok_or_else(broken)?;
            if page.get(25) != Some(&OVERFLOW) {
                return Err(broken());
            }
            // On overflow pages the free offset is the length of the data.
            let held = self.u16(page, 22).filter(|n| *n > 0).ok_or_else(broken)?;
            whole.extend_from_slice(slice(page, PAGE_HEADER, held).ok_or_else(broken)?);
            number = self.u32(page, 16).ok_or_else(broken)?;
        }
        whole.truncate(length);
        Ok(whole)
    }
}
