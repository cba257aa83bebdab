//! A reader of bbolt databases, which are what containerd keeps its names in.
//!
//! Decides what the last transaction that was finished says, from the file alone: two meta pages with checksums, of which
//! the newer valid one counts, and below it a tree of pages (branches, leaves, buckets within leaves). Nothing is locked and
//! nothing is written, because a daemon may hold the lock for as long as it runs. A transaction never overwrites pages of the
//! one before it; so what was read holds if the newest transaction is the same after reading, and [`Bolt::is_still`] asks.
//!
//! Refused: other versions of the format, pages that are not what they say, and more or larger pages than the limits here.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes of one page with what overflows from it. What is looked up here (names, digests) has a few hundred.
const PAGE_BYTES: u64 = 1 << 20;
/// Pages of one lookup. A lookup needs one for each level; a list of the names in a namespace a few thousand.
const PAGES: u32 = 4_096;
/// Levels of one tree: a branch of 4 KiB has about a hundred children.
const LEVELS: u32 = 24;
/// The sizes of a page that systems have; bbolt takes that of the machine.
const PAGE_SIZES: [u64; 7] = [1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
const HEADER: usize = 16;
const ELEMENT: usize = 16;
const META: usize = 64;
const IS_BRANCH: u16 = 0x01;
const IS_LEAF: u16 = 0x02;
const IS_META: u16 = 0x04;
const IS_BUCKET: u32 = 0x01;

/// Why a database could not be read.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file.
    Io(io::Error),
    /// What is in it.
    Broken(String),
    /// A limit of this module.
    Limit(&'static str, u64),
}

type Result<T> = std::result::Result<T, Fault>;

fn broken<T>(why: impl Into<String>) -> Result<T> {
    Err(Fault::Broken(why.into()))
}

/// The newest transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Meta {
    page_size: u64,
    root: u64,
    /// One more than the last page in use.
    end: u64,
    transaction: u64,
}

/// A bucket: a tree by its root page, or a small one that stands whole in its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bucket {
    Root(u64),
    Inline(Vec<u8>),
}

/// What a key leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Value(Vec<u8>),
    Bucket(Bucket),
}

impl Found {
    pub(super) fn bucket(self) -> Option<Bucket> {
        match self {
            Self::Bucket(bucket) => Some(bucket),
            Self::Value(_) => None,
        }
    }

    pub(super) fn value(self) -> Option<Vec<u8>> {
        match self {
            Self::Value(value) => Some(value),
            Self::Bucket(_) => None,
        }
    }
}

/// A database as its newest transaction left it.
#[derive(Debug)]
pub(super) struct Bolt<'f> {
    file: &'f File,
    meta: Meta,
    pages_left: u32,
}

impl<'f> Bolt<'f> {
    pub(super) fn open(file: &'f File) -> Result<Self> {
        Ok(Self { file, meta: newest(file)?, pages_left: PAGES })
    }

    /// Whether the newest transaction is still the one that was read: then nothing of it was overwritten meanwhile.
    pub(super) fn is_still(&self) -> Result<bool> {
        Ok(newest(self.file)? == self.meta)
    }

    pub(super) fn root(&self) -> Bucket {
        Bucket::Root(self.meta.root)
    }

    /// What `key` leads to in `bucket`.
    pub(super) fn get(&mut self, bucket: &Bucket, key: &[u8]) -> Result<Option<Found>> {
        let mut page = self.start(bucket)?;
        for _ in 0..LEVELS {
            if let Some(leaf) = page.leaf()? {
                let mut found = leaf.iter().filter(|(_, k, _)| *k == key);
                return found.next().map(|(is, _, value)| found_of(*is, value)).transpose();
            }
            // Children are sorted by their first key: the last that is not beyond the key may have it.
            let children = page.branch()?;
            let beyond = children.iter().position(|(first, _)| *first > key).unwrap_or(children.len());
            let Some((_, child)) = children.get(beyond.saturating_sub(1)) else { return Ok(None) };
            page = self.page(*child)?;
        }
        Err(Fault::Limit("LEVELS", LEVELS.into()))
    }

    /// The keys of `bucket`, in order, at most `most` of them.
    pub(super) fn keys(&mut self, bucket: &Bucket, most: usize) -> Result<Vec<Vec<u8>>> {
        let mut keys = Vec::new();
        let mut todo = vec![(bucket.clone(), LEVELS)];
        while let Some((bucket, levels)) = todo.pop() {
            let page = self.start(&bucket)?;
            if let Some(leaf) = page.leaf()? {
                keys.extend(leaf.iter().map(|(_, key, _)| key.to_vec()));
            } else {
                if levels == 0 {
                    return Err(Fault::Limit("LEVELS", LEVELS.into()));
                }
                todo.extend(page.branch()?.iter().rev().map(|(_, child)| (Bucket::Root(*child), levels - 1)));
            }
            if keys.len() >= most {
                keys.truncate(most);
                break;
            }
        }
        Ok(keys)
    }

    fn start(&mut self, bucket: &Bucket) -> Result<Page> {
        match bucket {
            Bucket::Root(number) => self.page(*number),
            Bucket::Inline(bytes) => Page::new(bytes.clone(), None),
        }
    }

    fn page(&mut self, number: u64) -> Result<Page> {
        self.pages_left = self.pages_left.checked_sub(1).ok_or(Fault::Limit("PAGES", PAGES.into()))?;
        // Pages 0 and 1 are the metas.
        if number < 2 || number >= self.meta.end {
            return broken(format!(
                "a page {number}, and the last one is {}",
                self.meta.end.saturating_sub(1)
            ));
        }
        let size = self.meta.page_size;
        let at = number.checked_mul(size).ok_or_else(|| Fault::Broken(format!("a page {number}")))?;
        let mut bytes = read(self.file, at, size)?;
        let overflow = u64::from(u32_at(&bytes, 12)?);
        let whole = overflow.saturating_add(1).saturating_mul(size);
        if whole > PAGE_BYTES {
            return Err(Fault::Limit("PAGE_BYTES", PAGE_BYTES));
        }
        if overflow > 0 {
            bytes.extend(read(self.file, at + size, whole - size)?);
        }
        Page::new(bytes, Some(number))
    }
}

fn found_of(is: u32, value: &[u8]) -> Result<Found> {
    if is & IS_BUCKET == 0 {
        return Ok(Found::Value(value.to_vec()));
    }
    // The root, and a counter that nobody here asks for; an inline bucket's page stands behind them.
    let (root, inline) = (u64_at(value, 0)?, value.get(16..));
    match (root, inline) {
        (0, Some(inline)) => Ok(Found::Bucket(Bucket::Inline(inline.to_vec()))),
        (0, None) => broken("an inline bucket without a page"),
        (root, _) => Ok(Found::Bucket(Bucket::Root(root))),
    }
}

/// One page.
struct Page {
    bytes: Vec<u8>,
    flags: u16,
    count: usize,
}

/// Flags, key and value of the elements of a leaf.
type Leaf<'p> = Vec<(u32, &'p [u8], &'p [u8])>;

impl Page {
    /// A page that says it is `number`; an inline one says 0.
    fn new(bytes: Vec<u8>, number: Option<u64>) -> Result<Self> {
        let says = u64_at(&bytes, 0)?;
        if number.is_some_and(|number| number != says) {
            return broken(format!("a page that says it is {says} where another is"));
        }
        let (flags, count) = (u16_at(&bytes, 8)?, usize::from(u16_at(&bytes, 10)?));
        if !matches!(flags, IS_BRANCH | IS_LEAF) {
            return broken(format!("page {says} is neither branch nor leaf ({flags:#x})"));
        }
        Ok(Self { bytes, flags, count })
    }

    fn element(&self, index: usize) -> Result<(usize, &[u8])> {
        let at = HEADER + index * ELEMENT;
        let bytes = self.bytes.get(at..at + ELEMENT);
        Ok((at, bytes.ok_or_else(|| Fault::Broken("an element beyond its page".into()))?))
    }

    fn part(&self, at: usize, from: u32, size: u32) -> Result<&[u8]> {
        let part = || {
            let from = at.checked_add(usize::try_from(from).ok()?)?;
            self.bytes.get(from..from.checked_add(usize::try_from(size).ok()?)?)
        };
        part().ok_or_else(|| Fault::Broken("a key or value beyond its page".into()))
    }

    /// The elements, where this is a leaf.
    fn leaf(&self) -> Result<Option<Leaf<'_>>> {
        if self.flags != IS_LEAF {
            return Ok(None);
        }
        let mut all = Vec::with_capacity(self.count);
        for index in 0..self.count {
            let (at, element) = self.element(index)?;
            let (flags, from) = (u32_at(element, 0)?, u32_at(element, 4)?);
            let (key, value) = (u32_at(element, 8)?, u32_at(element, 12)?);
            let behind = from.checked_add(key).ok_or_else(|| Fault::Broken("a key of 4 GiB".into()))?;
            all.push((flags, self.part(at, from, key)?, self.part(at, behind, value)?));
        }
        Ok(Some(all))
    }

    /// The first keys of the children, and their pages.
    fn branch(&self) -> Result<Vec<(&[u8], u64)>> {
        let mut all = Vec::with_capacity(self.count);
        for index in 0..self.count {
            let (at, element) = self.element(index)?;
            let key = self.part(at, u32_at(element, 0)?, u32_at(element, 4)?)?;
            all.push((key, u64_at(element, 8)?));
        }
        Ok(all)
    }
}

/// The newer of the two metas that are whole. Where the first is torn, only trying tells how large a page is.
fn newest(file: &File) -> Result<Meta> {
    let first = meta(file, 0)?;
    let sizes = match first {
        Some(meta) => vec![meta.page_size],
        None => PAGE_SIZES.to_vec(),
    };
    let mut found = first;
    for size in sizes {
        // A second meta that gives another size of page is at another place by its own words.
        let second = meta(file, size)?.filter(|second| second.page_size == size);
        found = found.into_iter().chain(second).max_by_key(|meta| meta.transaction);
    }
    found.ok_or_else(|| Fault::Broken("neither of its two meta pages is whole".into()))
}

/// The meta page at byte `at`; `None` where it is none, or was not written whole.
fn meta(file: &File, at: u64) -> Result<Option<Meta>> {
    let bytes = match read(file, at, (HEADER + META) as u64) {
        Ok(bytes) => bytes,
        Err(Fault::Io(e)) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    };
    let body = bytes.get(HEADER..).unwrap_or_default();
    let whole = u64_at(body, 56)? == fnv64a(body.get(..56).unwrap_or_default());
    if u16_at(&bytes, 8)? != IS_META || u32_at(body, 0)? != MAGIC || !whole {
        return Ok(None);
    }
    let version = u32_at(body, 4)?;
    if version != VERSION {
        return broken(format!("version {version} of the format is not read here, only {VERSION}"));
    }
    let page_size = u64::from(u32_at(body, 8)?);
    if !PAGE_SIZES.contains(&page_size) {
        return broken(format!("pages of {page_size} bytes"));
    }
    let (root, end, transaction) = (u64_at(body, 16)?, u64_at(body, 40)?, u64_at(body, 48)?);
    Ok(Some(Meta { page_size, root, end, transaction }))
}

/// FNV-1a of 64 bits, which is the checksum of a meta page.
fn fnv64a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

fn read(mut file: &File, at: u64, size: u64) -> Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at)).map_err(Fault::Io)?;
    let mut bytes = Vec::new();
    file.take(size).read_to_end(&mut bytes).map_err(Fault::Io)?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(Fault::Io(io::ErrorKind::UnexpectedEof.into())) }
}

/// Numbers are in the order of the machine that wrote them; a database of the other order has no valid meta page here.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    let part = bytes.get(at..at + N).and_then(|part| part.try_into().ok());
    part.ok_or_else(|| Fault::Broken("it ends within a page".into()))
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    number(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    number(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    number(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
