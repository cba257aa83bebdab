//! Programs and libraries of Windows and .NET (PE files): the version information in their resources.
//!
//! Microsoft, "PE Format" (The .rsrc Section) and "VS_VERSIONINFO". The headers at a file's start name the stretch of
//! the file with the resources, mostly its end, and only that is gathered while the file streams by. Nothing is looked
//! up by running or loading; refused are resources that contradict themselves, which is said, and files without
//! version information say nothing. Whether a file is .NET's is told by the directory of the CLR header.

use crate::limits;
use crate::pack::pack;
use crate::window::Window;
use std::collections::BTreeMap;

/// Bytes of the start in which all headers stand; linkers put them into the first one or two.
const HEAD_BYTES: usize = 4096;

/// Whose code is in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Code {
    /// A processor's.
    #[default]
    Native,
    /// .NET's.
    Managed,
}
pack!(
    enum Code {
        Native,
        Managed,
    }
);

/// What one file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) code: Code,
    /// The version as four numbers, where it is not zero.
    pub(crate) number: Option<String>,
    /// The strings of the first language: `ProductName`, `FileVersion`…
    pub(crate) strings: BTreeMap<String, String>,
}
pack!(struct Image { code, number, strings });

/// Strings that are kept.
const KEPT: &[&str] = &[
    "CompanyName",
    "FileDescription",
    "FileVersion",
    "InternalName",
    "LegalCopyright",
    "OriginalFilename",
    "ProductName",
    "ProductVersion",
];

/// Looks at a file in pieces of any size.
#[derive(Default)]
pub(crate) struct Scanner {
    head: Vec<u8>,
    offset: u64,
    state: State,
}

#[derive(Default)]
enum State {
    /// The start is being gathered.
    #[default]
    Head,
    /// The resources are.
    Resources(Resources),
    /// No PE file, or one without resources.
    Nothing,
}

struct Resources {
    code: Code,
    /// Where the resources stand in memory: what is in them is named by that.
    address: u64,
    /// How many bytes the headers give them.
    size: u64,
    window: Window,
}

impl Scanner {
    /// Takes the next bytes; whether more are wanted.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> bool {
        let at = self.offset;
        self.offset = at.saturating_add(bytes.len() as u64);
        if let State::Head = self.state {
            let n = bytes.len().min(HEAD_BYTES - self.head.len());
            self.head.extend_from_slice(bytes.get(..n).unwrap_or_default());
            let magic = self.head.len().min(2);
            if !b"MZ".starts_with(self.head.get(..magic).unwrap_or_default()) {
                self.state = State::Nothing;
            } else if self.head.len() == HEAD_BYTES {
                self.begin();
            }
        }
        match &mut self.state {
            State::Head => true,
            State::Nothing => false,
            State::Resources(resources) => {
                resources.window.feed(bytes, at);
                resources.window.end() > self.offset
            }
        }
    }

    /// The file is over: what it says, or why that could not be read. `None` where it says nothing.
    pub(crate) fn finish(mut self) -> Option<Result<Image, String>> {
        if let State::Head = self.state {
            self.begin();
        }
        let State::Resources(resources) = self.state else { return None };
        let all = resources.window.bytes();
        let (at, size) = version(all)?;
        let broken =
            || Some(Err("version information that stands outside of the file's resources".to_owned()));
        let Some(from) = at.checked_sub(resources.address).and_then(|n| usize::try_from(n).ok()) else {
            return broken();
        };
        let Some(info) = from.checked_add(size).and_then(|end| all.get(from..end)) else {
            if resources.size > all.len() as u64 && all.len() == limits::PE_RESOURCE_BYTES {
                return Some(Err("version information beyond PE_RESOURCE_BYTES".to_owned()));
            }
            return broken();
        };
        let mut image = Image { code: resources.code, ..Image::default() };
        read(info, &mut image);
        (image.number.is_some() || !image.strings.is_empty()).then_some(Ok(image))
    }

    /// The start is complete, or the file is shorter than it.
    fn begin(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.state = match resources(&head) {
            Some(mut resources) => {
                resources.window.feed(&head, 0);
                State::Resources(resources)
            }
            None => State::Nothing,
        };
    }
}

/// Little-endian numbers of a slice.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let part = bytes.get(at..at.checked_add(size)?)?;
    Some(part.iter().rev().fold(0, |sum, b| sum << 8 | u64::from(*b)))
}

/// Where the headers say that the resources are.
fn resources(head: &[u8]) -> Option<Resources> {
    let pe = usize::try_from(number(head, 0x3c, 4)?).ok()?;
    if head.get(pe..pe.checked_add(4)?)? != b"PE\0\0" {
        return None;
    }
    let (sections, optional_size) = (number(head, pe + 6, 2)?, number(head, pe + 20, 2)?);
    let optional = pe + 24;
    let directories = match number(head, optional, 2)? {
        0x10b => optional + 96,
        0x20b => optional + 112,
        _ => return None,
    };
    let count = number(head, directories - 4, 4)?;
    let directory = |i: u64| {
        let at = directories + 8 * usize::try_from(i).ok().filter(|_| i < count)?;
        Some((number(head, at, 4)?, number(head, at + 4, 4)?))
            .filter(|(address, size)| *address > 0 && *size > 0)
    };
    const RESOURCES: u64 = 2;
    const CLR: u64 = 14;
    let (address, size) = directory(RESOURCES)?;
    let table = optional + usize::try_from(optional_size).ok()?;
    let start = (0..usize::try_from(sections).ok()?).find_map(|i| {
        let at = table + 40 * i;
        let (from, length, start) =
            (number(head, at + 12, 4)?, number(head, at + 16, 4)?, number(head, at + 20, 4)?);
        (from..from + length).contains(&address).then(|| start + (address - from))
    })?;
    let kept = usize::try_from(size).unwrap_or(usize::MAX).min(limits::PE_RESOURCE_BYTES);
    let code = if directory(CLR).is_some() { Code::Managed } else { Code::Native };
    Some(Resources { code, address, size, window: Window::new(start, kept) })
}

/// Address and size of the version information, by three levels of directories: kind, name, language.
fn version(all: &[u8]) -> Option<(u64, usize)> {
    const KIND: u64 = 16;
    /// Entries of a directory that are looked at.
    const ENTRIES: u64 = 4096;
    const DIRECTORY: u64 = 1 << 31;
    let entries = |at: usize| {
        let count = number(all, at.checked_add(12)?, 2)? + number(all, at + 14, 2)?;
        Some((0..count.min(ENTRIES)).map_while(move |i| {
            let at = at + 16 + 8 * usize::try_from(i).ok()?;
            Some((number(all, at, 4)?, number(all, at + 4, 4)?))
        }))
    };
    let below = |to: u64| usize::try_from(to & !DIRECTORY).ok().filter(|_| to & DIRECTORY != 0);
    let (_, kind) = entries(0)?.find(|(id, _)| *id == KIND)?;
    let (_, name) = entries(below(kind)?)?.next()?;
    let (_, language) = entries(below(name)?)?.next()?;
    let at = usize::try_from(language).ok().filter(|_| language & DIRECTORY == 0)?;
    Some((number(all, at, 4)?, usize::try_from(number(all, at.checked_add(4)?, 4)?).ok()?))
}

/// A block of version information: its key, its value, and the blocks in it.
struct Block<'a> {
    key: String,
    value: &'a [u8],
    children: &'a [u8],
}

/// The first block of `bytes`, and what follows it.
fn block(bytes: &[u8]) -> Option<(Block<'_>, &[u8])> {
    let length = usize::try_from(number(bytes, 0, 2)?).ok().filter(|n| *n >= 8)?;
    let whole = bytes.get(..length.min(bytes.len()))?;
    let value_size = usize::try_from(number(whole, 2, 2)?).ok()?;
    // Lengths of texts are given in units of 16 bits, by some tools in bytes: the text ends where it ends.
    let value_size = if number(whole, 4, 2)? == 1 { value_size * 2 } else { value_size };
    let units = whole.get(6..)?.as_chunks::<2>().0;
    let end = units.iter().position(|unit| *unit == [0, 0])?;
    let key = text(units.get(..end)?);
    let aligned = |at: usize| at.next_multiple_of(4).min(whole.len());
    let at = aligned(6 + 2 * (end + 1));
    let value_end = at.saturating_add(value_size).min(whole.len());
    let next = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    let (value, children) = (whole.get(at..value_end)?, whole.get(aligned(value_end)..)?);
    Some((Block { key, value, children }, next))
}

/// The blocks of `bytes`, one after the other.
fn blocks(mut bytes: &[u8]) -> impl Iterator<Item = Block<'_>> {
    /// Blocks within a block; real ones have a dozen.
    const MOST: usize = 256;
    std::iter::from_fn(move || {
        let (found, next) = block(bytes)?;
        bytes = next;
        Some(found)
    })
    .take(MOST)
}

fn text(units: &[[u8; 2]]) -> String {
    char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

fn read(info: &[u8], image: &mut Image) {
    let Some((root, _)) = block(info) else { return };
    if root.key != "VS_VERSION_INFO" {
        return;
    }
    const SIGNATURE: u64 = 0xfeef_04bd;
    if number(root.value, 0, 4) == Some(SIGNATURE) {
        let half = |at: usize| number(root.value, at, 2);
        // The file's version, two numbers in each of two halves, the higher one behind.
        if let (Some(a), Some(b), Some(c), Some(d)) = (half(10), half(8), half(14), half(12))
            && (a, b, c, d) != (0, 0, 0, 0)
        {
            image.number = Some(format!("{a}.{b}.{c}.{d}"));
        }
    }
    let strings = blocks(root.children).find(|b| b.key == "StringFileInfo");
    let Some(table) = strings.and_then(|strings| blocks(strings.children).next()) else { return };
    for string in blocks(table.children) {
        if !KEPT.contains(&string.key.as_str()) {
            continue;
        }
        let units = string.value.as_chunks::<2>().0;
        let end = units.iter().position(|unit| *unit == [0, 0]).unwrap_or(units.len());
        let value = text(units.get(..end).unwrap_or_default());
        if let Some(value) = crate::catalogers::field(&value) {
            image.strings.entry(string.key).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A block as the tools write it.
    fn written(key: &str, kind: u16, value: &[u8], children: &[Vec<u8>]) -> Vec<u8> {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let size = if kind == 1 { value.len() / 2 } else { value.len() };
        let mut out = [0_u16, size as u16, kind].map(u16::to_le_bytes).concat();
        out.extend(utf16(key));
        out.extend([0, 0]);
        for part in std::iter::once(value).chain(children.iter().map(Vec::as_slice)) {
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend(part);
        }
        let length = out.len() as u16;
        out[..2].copy_from_slice(&length.to_le_bytes());
        out
    }

    fn info(strings: &[(&str, &str)]) -> Vec<u8> {
        let mut fixed = vec![0; 52];
        fixed[..4].copy_from_slice(&0xfeef_04bd_u32.to_le_bytes());
        fixed[8..16].copy_from_slice(&[2, 0, 1, 0, 4, 0, 3, 0]);
        let utf16 =
            |text: &str| format!("{text}\0").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let strings: Vec<_> = strings.iter().map(|(k, v)| written(k, 1, &utf16(v), &[])).collect();
        let table = written("000004b0", 1, &[], &strings);
        written("VS_VERSION_INFO", 0, &fixed, &[written("StringFileInfo", 1, &[], &[table])])
    }

    /// A file whose resources, `extra` bytes more than they need, stand at its end.
    fn file(info: &[u8], clr: bool, extra: usize) -> Vec<u8> {
        const AT: usize = 0x1200;
        let mut out = vec![0; AT];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        let size = (88 + extra + info.len()) as u32;
        put(0, b"MZ");
        put(0x3c, &[0x80]);
        put(0x80, b"PE\0\0");
        put(0x86, &[1, 0]);
        put(0x80 + 20, &[240, 0]);
        let optional = 0x80 + 24;
        put(optional, &[0x0b, 2]);
        put(optional + 108, &[16]);
        put(optional + 112 + 16, &[0x2000_u32, size].map(u32::to_le_bytes).concat());
        if clr {
            put(optional + 112 + 8 * 14, &[0x1000_u32, 72].map(u32::to_le_bytes).concat());
        }
        put(optional + 240 + 12, &[0x2000, size, AT as u32].map(u32::to_le_bytes).concat());
        let sub = 1_u32 << 31;
        for (id, to) in [(16, sub | 24), (1, sub | 48), (0, 72_u32)] {
            out.extend([0; 14]);
            out.extend([1, 0]);
            out.extend([id, to].map(u32::to_le_bytes).concat());
        }
        out.extend([0x2000 + 88 + extra as u32, info.len() as u32, 0, 0].map(u32::to_le_bytes).concat());
        out.resize(out.len() + extra, 0);
        out.extend(info);
        out
    }

    fn scan(file: &[u8], piece: usize) -> Option<Result<Image, String>> {
        let mut scanner = Scanner::default();
        for piece in file.chunks(piece) {
            if !scanner.feed(piece) {
                break;
            }
        }
        scanner.finish()
    }

    #[test]
    fn strings_and_numbers_in_pieces_of_any_size() {
        let file = file(&info(&[("ProductName", "Größe"), ("Other", "x"), ("FileVersion", "1.2")]), true, 7);
        for piece in [1, 100, 4095, 4096, 4097, 100_000] {
            let found = scan(&file, piece).unwrap().unwrap();
            assert_eq!((found.code, found.number.as_deref()), (Code::Managed, Some("1.2.3.4")));
            let strings: Vec<(&str, &str)> =
                found.strings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            assert_eq!(strings, [("FileVersion", "1.2"), ("ProductName", "Größe")]);
        }
    }

    #[test]
    fn resources_are_bounded_at_limit_plus_one() {
        let info = info(&[("FileVersion", "1.2")]);
        let extra = limits::PE_RESOURCE_BYTES - 88 - info.len();
        assert!(scan(&file(&info, false, extra), 1 << 17).unwrap().is_ok());
        let why = scan(&file(&info, false, extra + 1), 1 << 17).unwrap().unwrap_err();
        assert!(why.contains("PE_RESOURCE_BYTES"), "{why}");
    }

    proptest! {
        #[test]
        fn never_panics_and_pieces_do_not_matter(
            changes in proptest::collection::vec((0_usize..6000, any::<u8>()), 0..12),
            end in 0_usize..6000,
            strings in proptest::collection::vec(".{0,20}", 0..4),
            piece in 1_usize..5000,
        ) {
            let strings: Vec<(&str, &str)> = strings.iter().map(|s| ("ProductName", s.as_str())).collect();
            let mut file = file(&info(&strings), false, 3);
            for (at, byte) in changes {
                if let Some(b) = file.get_mut(at) {
                    *b = byte;
                }
            }
            file.truncate(file.len().min(end + 200));
            prop_assert_eq!(scan(&file, piece), scan(&file, usize::MAX));
        }
    }
}
