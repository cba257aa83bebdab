//! The note that distributions link into their executables: which package a file was built for.
//!
//! "Package Metadata for Executable Files" (uapi-group.org): a note of the owner `FDO` and type 0xcafe1a7e, whose
//! content is one JSON object. Linkers put notes into segments of their own behind the program headers, so the
//! segments are gathered as the file streams by, whatever stands between them. Refused is a note without a name and
//! a version that can be those of a package; segments beyond the limits are not gathered.

use crate::limits;
use crate::pack::pack;
use crate::window::Window;
use memchr::memmem;
use serde_json::Value;

/// The note's type, in the byte order of the file, and its owner.
const KIND: u32 = 0xcafe_1a7e;
const OWNER: &[u8] = b"FDO\0";
/// Segments of notes in one file; linkers make one for each alignment.
pub(super) const SEGMENTS: usize = 8;

/// What the note says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Note {
    /// `deb`, `rpm`, `apk`…
    pub(crate) kind: String,
    /// The package, mostly the source package.
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: Option<String>,
    /// The distribution, as os-release(5) names it (`ID`), or as it writes itself.
    pub(crate) os: Option<String>,
    pub(crate) os_version: Option<String>,
    /// `appCpe`: a CPE of the program.
    pub(crate) cpe: Option<String>,
}
pack!(struct Note { kind, name, version, architecture, os, os_version, cpe });

/// Gathers the segments of one file.
#[derive(Default)]
pub(super) struct Notes {
    /// The file offset of the next byte to come.
    offset: u64,
    pub(super) segments: Vec<Window>,
    is_big: bool,
}

impl Notes {
    /// For the segments that the program headers name, as offset and size.
    pub(super) fn new(segments: &[(u64, u64)], is_big: bool) -> Self {
        let bounded = segments.iter().filter_map(|(at, size)| {
            let size = usize::try_from(*size).ok().filter(|n| *n <= limits::ELF_NOTE_BYTES)?;
            Some(Window::new(*at, size))
        });
        Self { offset: 0, segments: bounded.take(SEGMENTS).collect(), is_big }
    }

    /// Whether a segment is still to come.
    pub(super) fn wants_more(&self) -> bool {
        self.segments.iter().any(|segment| segment.end() > self.offset)
    }

    /// Takes the next bytes of the file.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let start = self.offset;
        self.offset = start.saturating_add(bytes.len() as u64);
        for segment in &mut self.segments {
            segment.feed(bytes, start);
        }
    }

    /// The package that the first such note names, or why it names none.
    pub(super) fn finish(self) -> Option<Result<Note, String>> {
        let number = |bytes: &[u8]| {
            let bytes: [u8; 4] = bytes.try_into().ok()?;
            Some(if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
        };
        let kind = if self.is_big { KIND.to_be_bytes() } else { KIND.to_le_bytes() };
        let needle = [&kind[..], OWNER].concat();
        for bytes in self.segments.iter().map(Window::bytes) {
            let Some(at) = memmem::find(bytes, &needle) else { continue };
            // The sizes of owner and content stand before the type (System V ABI, "Note Section").
            let size = at.checked_sub(4).and_then(|from| number(bytes.get(from..at)?));
            let content = size.and_then(|n| bytes.get(at + needle.len()..)?.get(..usize::try_from(n).ok()?));
            return Some(match content {
                Some(content) => note(content),
                None => Err("a package note that is cut short".to_owned()),
            });
        }
        None
    }
}

fn note(content: &[u8]) -> Result<Note, String> {
    let end = content.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    let json: Value = serde_json::from_slice(content.get(..end).unwrap_or_default())
        .map_err(|e| format!("a package note that is no JSON: {e}"))?;
    let text = |key: &str, most: usize| {
        let text = json.get(key)?.as_str()?.trim();
        let is_plain = !text.contains(|c: char| c.is_control() || c.is_whitespace());
        (!text.is_empty() && text.len() <= most && is_plain).then(|| text.to_owned())
    };
    let (Some(name), Some(version)) =
        (text("name", limits::NAME_BYTES), text("version", limits::VERSION_BYTES))
    else {
        return Err("a package note without a proper name and version".to_owned());
    };
    Ok(Note {
        kind: text("type", 64).unwrap_or_default().to_ascii_lowercase(),
        name,
        version,
        architecture: text("architecture", 64),
        os: text("os", 64),
        os_version: text("osVersion", 64),
        cpe: text("appCpe", 512).filter(|cpe| cpe.starts_with("cpe:")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment(json: &str, is_big: bool) -> Vec<u8> {
        let number = |n: u32| if is_big { n.to_be_bytes() } else { n.to_le_bytes() };
        let mut out = [number(4), number(1), number(1)].concat();
        out.extend(b"GNU\0\x01\0\0\0");
        out.extend([number(4), number(json.len() as u32 + 1), number(KIND)].concat());
        out.extend(OWNER);
        out.extend(json.as_bytes());
        out.push(0);
        out
    }

    fn read(bytes: &[u8], is_big: bool, piece: usize) -> Option<Result<Note, String>> {
        let mut notes = Notes::new(&[(3, bytes.len() as u64)], is_big);
        let file = [b"...", bytes, b"more"].concat();
        for piece in file.chunks(piece) {
            notes.feed(piece);
        }
        assert!(!notes.wants_more());
        notes.finish()
    }

    #[test]
    fn either_byte_order_in_pieces_of_any_size() {
        let json = r#"{"type":"RPM","os":"fedora","osVersion":"38","name":"bash","version":"5.2.15-3.fc38","architecture":"s390x"}"#;
        for is_big in [false, true] {
            for piece in [1, 5, 64, 1000] {
                let found = read(&segment(json, is_big), is_big, piece).unwrap().unwrap();
                assert_eq!((found.kind.as_str(), found.name.as_str()), ("rpm", "bash"));
                assert_eq!(found.version, "5.2.15-3.fc38");
                assert_eq!(found.os_version.as_deref(), Some("38"));
            }
            assert_eq!(read(&segment(json, !is_big), is_big, 7), None);
        }
    }

    #[test]
    fn what_names_no_package_is_said() {
        for bad in ["", "{}", "[]", r#"{"name":"a b","version":"1"}"#, r#"{"name":"a"}"#] {
            assert!(read(&segment(bad, false), false, 9).unwrap().is_err(), "{bad}");
        }
        let whole = segment(r#"{"name":"a","version":"1"}"#, false);
        assert!(read(&whole[..whole.len() - 3], false, 9).unwrap().unwrap_err().contains("cut short"));
    }

    proptest! {
        #[test]
        fn never_panics(
            segments in proptest::collection::vec((any::<u64>(), 0_u64..200), 0..4),
            near in proptest::collection::vec((0_u64..100, 0_u64..200), 0..4),
            json in ".{0,40}",
            bytes in any::<Vec<u8>>(),
            piece in 1_usize..50,
        ) {
            let file = [segment(&json, false), bytes].concat();
            let all = [segments, near].concat();
            let read = |piece| {
                let mut notes = Notes::new(&all, false);
                file.chunks(piece).for_each(|piece| notes.feed(piece));
                notes.finish()
            };
            prop_assert_eq!(read(piece), read(usize::MAX));
        }
    }
}
