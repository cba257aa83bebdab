//! One header of an rpm database: what `rpm -q` would say of the package.
//!
//! rpm's `lib/header.c`: the number of index entries and of data bytes, big-endian, then the entries (tag,
//! type, offset, count) and the data. A database's header holds an immutable region and, after it, what was
//! added at installation: of two entries for a tag the last one counts.

use super::super::bytes::{array, be32, slice};
use crate::limits;
use std::collections::BTreeMap;

/// Tags of rpm's `rpmtag.h` that are read.
pub(super) mod tag {
    pub(crate) const SHA256_HEADER: u32 = 273;
    pub(crate) const NAME: u32 = 1000;
    pub(crate) const VERSION: u32 = 1001;
    pub(crate) const RELEASE: u32 = 1002;
    pub(crate) const EPOCH: u32 = 1003;
    pub(crate) const SUMMARY: u32 = 1004;
    pub(crate) const SIZE: u32 = 1009;
    pub(crate) const VENDOR: u32 = 1011;
    pub(crate) const LICENSE: u32 = 1014;
    pub(crate) const PACKAGER: u32 = 1015;
    pub(crate) const URL: u32 = 1020;
    pub(crate) const ARCH: u32 = 1022;
    pub(crate) const OLD_FILENAMES: u32 = 1027;
    pub(crate) const FILE_STATES: u32 = 1029;
    pub(crate) const FILE_MODES: u32 = 1030;
    pub(crate) const FILE_DIGESTS: u32 = 1035;
    pub(crate) const FILE_FLAGS: u32 = 1037;
    pub(crate) const SOURCE_RPM: u32 = 1044;
    pub(crate) const PROVIDES: u32 = 1047;
    pub(crate) const REQUIRES: u32 = 1049;
    pub(crate) const DIR_INDEXES: u32 = 1116;
    pub(crate) const BASENAMES: u32 = 1117;
    pub(crate) const DIRNAMES: u32 = 1118;
    pub(crate) const PAYLOAD_DIGEST: u32 = 5092;
    pub(crate) const PAYLOAD_DIGEST_ALGORITHM: u32 = 5093;
    pub(crate) const MODULARITY_LABEL: u32 = 5096;
}

const CHAR: u32 = 1;
const INT8: u32 = 2;
const INT16: u32 = 3;
const INT32: u32 = 4;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;

/// The fields of a header.
pub(super) struct Header<'a> {
    index: BTreeMap<u32, (u32, usize, usize)>,
    data: &'a [u8],
}

impl<'a> Header<'a> {
    /// Reads the index. `None`: this is no header.
    pub(super) fn parse(blob: &'a [u8]) -> Option<Self> {
        let (entries, length) = (be32(blob, 0)?, be32(blob, 4)?);
        // rpm's own limit is 65,535 tags.
        if entries == 0 || entries > 0xffff {
            return None;
        }
        let index_bytes = slice(blob, 8, entries * 16)?;
        let data = slice(blob, 8 + entries * 16, length)?;
        let mut index = BTreeMap::new();
        for entry in index_bytes.chunks_exact(16) {
            let tag = u32::from_be_bytes(array(entry, 0)?);
            let kind = u32::from_be_bytes(array(entry, 4)?);
            index.insert(tag, (kind, be32(entry, 8)?, be32(entry, 12)?));
        }
        Some(Self { index, data })
    }

    /// The strings of a tag, as they stand there.
    pub(super) fn strings(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> {
        let found =
            self.index.get(&tag).filter(|(kind, ..)| [STRING, STRING_ARRAY, I18N_STRING].contains(kind));
        let (mut rest, count) = match found {
            Some((kind, at, count)) => {
                (self.data.get(*at..).unwrap_or_default(), if *kind == STRING { 1 } else { *count })
            }
            None => (&[][..], 0),
        };
        (0..count).map_while(move |_| {
            let end = rest.iter().position(|b| *b == 0)?;
            let (text, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            Some(text)
        })
    }

    /// How many values a tag claims to have.
    pub(super) fn count(&self, tag: u32) -> usize {
        self.index.get(&tag).map_or(0, |(.., count)| *count)
    }

    /// The first string of a tag, bounded, without blanks around it.
    pub(super) fn text(&self, tag: u32) -> Option<String> {
        let text = self.strings(tag).next()?;
        super::super::field(&String::from_utf8_lossy(text)).filter(|t| t != "(none)")
    }

    /// A number of a tag.
    pub(super) fn number(&self, tag: u32, at: usize) -> Option<u32> {
        let (kind, start, count) = self.index.get(&tag)?;
        if *kind != INT32 || at >= *count {
            return None;
        }
        array(self.data, start.checked_add(at.checked_mul(4)?)?).map(u32::from_be_bytes)
    }

    /// A number of a tag whose numbers have two bytes.
    pub(super) fn short(&self, tag: u32, at: usize) -> Option<u16> {
        let (kind, start, count) = self.index.get(&tag)?;
        if *kind != INT16 || at >= *count {
            return None;
        }
        array(self.data, start.checked_add(at.checked_mul(2)?)?).map(u16::from_be_bytes)
    }

    /// A number of a tag whose numbers have one byte.
    pub(super) fn byte(&self, tag: u32, at: usize) -> Option<u8> {
        let (kind, start, count) = self.index.get(&tag)?;
        if ![CHAR, INT8].contains(kind) || at >= *count {
            return None;
        }
        self.data.get(start.checked_add(at)?).copied()
    }

    /// Paths of the package's files, without the slash before them, up to [`limits::RPM_FILES`].
    pub(super) fn files(&self) -> impl Iterator<Item = String> {
        let dirs: Vec<&[u8]> = self.strings(tag::DIRNAMES).collect();
        let named = self.strings(tag::BASENAMES).enumerate().filter_map(move |(at, base)| {
            let dir = *dirs.get(usize::try_from(self.number(tag::DIR_INDEXES, at)?).ok()?)?;
            // One directory may be named by every file: what is put together is bounded by each path.
            (dir.len() + base.len() <= limits::PATH_BYTES).then(|| [dir, base].concat())
        });
        let old = self.strings(tag::OLD_FILENAMES).map(<[u8]>::to_vec);
        named.chain(old).take(limits::RPM_FILES).filter_map(|path| {
            let path = String::from_utf8(path).ok()?;
            path.strip_prefix('/').map(str::to_owned)
        })
    }
}
