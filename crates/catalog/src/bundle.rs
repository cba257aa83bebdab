//! Single-file applications of .NET: the list of libraries (`*.deps.json`) that is in such a program.
//!
//! The host's program has a mark in its data, with the place of the bundle's manifest before it (zero where there is no
//! bundle); the bundled files stand behind the program, and the manifest names them (dotnet/designs, "Single-file",
//! "Bundle layout"; versions 1, 2 and 6). The SDK puts the list right before the manifest, at the end of the file, so
//! the end is gathered while the file streams by, and no more. Refused is a manifest that contradicts itself and what
//! is beyond the limits; a list that stands elsewhere, or none, is said. Of files of Windows (PE) it knows nothing.

use crate::fields::Fields;
use crate::limits;
use crate::window::Window;
use flate2::read::DeflateDecoder;
use std::io::Read;

/// The mark; SHA-256 of `.net core bundle`.
pub(crate) const MARK: &[u8] = &[
    0x8b, 0x12, 0x02, 0xb9, 0x6a, 0x61, 0x20, 0x38, 0x72, 0x7b, 0x93, 0x02, 0x14, 0xd7, 0xa0, 0x32, 0x13,
    0xf5, 0xb9, 0xe6, 0xef, 0xae, 0x33, 0x18, 0xee, 0x3b, 0x2d, 0xce, 0x24, 0xb3, 0x6a, 0xae,
];
/// The place of the manifest, which stands before the mark.
pub(crate) const PLACE_BYTES: usize = 8;
/// The end of a list's name.
const LIST: &str = ".deps.json";

/// The end of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bundle {
    /// File offset of the manifest.
    manifest: u64,
    /// File offset from which on is gathered.
    start: u64,
    end: Window,
}

impl Bundle {
    /// For the bytes before a mark and the mark, which begin at the file offset `at`. `None`: the mark is of a program
    /// without bundle.
    pub(crate) fn new(bytes: &[u8], at: u64) -> Option<Self> {
        let manifest = u64::from_le_bytes(*bytes.first_chunk::<PLACE_BYTES>()?);
        let first = at.checked_add((PLACE_BYTES + MARK.len()) as u64)?;
        (manifest >= first).then_some(())?;
        let start = manifest.saturating_sub(limits::BUNDLE_LIST_BYTES as u64).max(first);
        let before = usize::try_from(manifest - start).ok()?;
        let end = Window::new(start, before.checked_add(limits::BUNDLE_MANIFEST_BYTES)?);
        Some(Self { manifest, start, end })
    }

    /// Takes the next bytes of the file.
    pub(crate) fn feed(&mut self, piece: &[u8], at: u64) {
        self.end.feed(piece, at);
    }

    /// The list of libraries.
    ///
    /// # Errors
    /// Why there is none, in one line.
    pub(crate) fn list(&self) -> Result<Vec<u8>, String> {
        let bytes = self.end.bytes();
        let before = usize::try_from(self.manifest - self.start).unwrap_or(usize::MAX);
        let manifest = bytes.get(before..).filter(|m| !m.is_empty()).ok_or("it ends before its manifest")?;
        let entry = entries(manifest)?.ok_or("it has no list of libraries")?;
        let most = limits::BUNDLE_LIST_BYTES;
        if entry.size > most as u64 {
            return Err(format!("its list of libraries is beyond BUNDLE_LIST_BYTES ({most})"));
        }
        let from = entry.offset.checked_sub(self.start).and_then(|n| usize::try_from(n).ok());
        let packed = if entry.packed == 0 { entry.size } else { entry.packed };
        let to = from.zip(usize::try_from(packed).ok()).and_then(|(from, n)| from.checked_add(n));
        let content = from.zip(to).and_then(|(from, to)| bytes.get(from..to));
        let content = content.ok_or("its list of libraries is not at its end")?;
        if entry.packed == 0 {
            return Ok(content.to_vec());
        }
        let mut out = Vec::new();
        let read = DeflateDecoder::new(content).take(entry.size).read_to_end(&mut out);
        read.ok()
            .filter(|n| *n as u64 == entry.size)
            .map(|_| out)
            .ok_or_else(|| "its list of libraries is broken".to_owned())
    }
}

/// A bundled file.
struct Entry {
    offset: u64,
    size: u64,
    /// Zero where it is not compressed.
    packed: u64,
}

/// The list of libraries among the files that the manifest names.
fn entries(manifest: &[u8]) -> Result<Option<Entry>, String> {
    let mut fields = Fields(manifest);
    let cut = || {
        let limit = limits::BUNDLE_MANIFEST_BYTES;
        match manifest.len() < limit {
            true => "its manifest is cut short".to_owned(),
            false => format!("its manifest is beyond BUNDLE_MANIFEST_BYTES ({limit})"),
        }
    };
    let version = fields.number(4).ok_or_else(cut)?;
    if !matches!(version, 1 | 2 | 6) {
        return Err(format!("its manifest has the version {version}, which is not known"));
    }
    let header = (|| {
        fields.number(4)?;
        let files = fields.number(4)?;
        text(&mut fields)?;
        // Places of two of the files, and flags.
        fields.take(if version == 1 { 0 } else { 40 })?;
        Some(files)
    })();
    for _ in 0..header.ok_or_else(cut)? {
        let entry = (|| {
            let (offset, size) = (fields.number(8)?, fields.number(8)?);
            let packed = if version < 6 { 0 } else { fields.number(8)? };
            fields.take(1)?;
            Some((Entry { offset, size, packed }, text(&mut fields)?))
        })();
        let (entry, name) = entry.ok_or_else(cut)?;
        if name.ends_with(LIST.as_bytes()) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// A text behind its length, which has seven bits in each byte, the lowest first.
fn text<'a>(fields: &mut Fields<'a>) -> Option<&'a [u8]> {
    let mut length = 0_usize;
    for shift in [0, 7, 14, 21] {
        let byte = usize::from(*fields.take(1)?.first()?);
        length |= (byte & 127) << shift;
        if byte < 128 {
            return fields.take(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_panics(bytes in any::<Vec<u8>>(), version in prop::sample::select(vec![1_u8, 2, 6]), at in any::<u64>(),
                        place in any::<[u8; 8]>()) {
            let manifest = [&[version, 0, 0, 0][..], &bytes].concat();
            let _ = entries(&manifest);
            let near = 2048_u64.to_le_bytes();
            for place in [place, near] {
                if let Some(mut bundle) = Bundle::new(&[&place[..], MARK].concat(), at) {
                    bundle.feed(&manifest, at.saturating_add(2048));
                    let _ = bundle.list();
                }
            }
        }
    }
}
