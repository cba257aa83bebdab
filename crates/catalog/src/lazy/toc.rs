//! A table of contents, eStargz's and zstd:chunked's alike: both are the JSON of CRFS.
//!
//! Decides which tables can be used: those whose files are made of pieces without gaps, one after the other in the blob,
//! each with a digest. Refused, so that the layer is read whole: fields that nobody has heard of (they might mean
//! something), names that JSON cannot hold, pieces that overlap, go backwards, leave the blob or come to another size
//! than their file, and more of anything than [`limits`] allows. Paths are data here as they are in a tar: whoever walks
//! the entries judges them, in the order of the layer.

use crate::limits;
use crate::tar::{Entry, Kind};
use seaworthy_oci::Digest;
use seaworthy_oci::http::escaped;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// A table that can be used.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Toc {
    /// In the order of the layer.
    pub(super) entries: Vec<Item>,
    /// The pieces of all files, in the order of the blob.
    pub(super) chunks: Vec<Chunk>,
}

/// One entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// As the layer's tar would have it.
    pub(super) entry: Entry,
    /// Its pieces; none for what is no file, and for empty ones.
    pub(super) chunks: Range<usize>,
}

/// A piece of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// The bytes of the blob in which it stands, compressed.
    pub(super) at: Range<u64>,
    /// How many bytes come before it when those are unpacked.
    pub(super) inner: u64,
    /// Its size, unpacked.
    pub(super) size: u64,
    /// What it must be.
    pub(super) content: Content,
}

/// What a piece holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Bytes with this digest.
    Bytes(Digest),
    /// Zeros, as the table says itself.
    Zeros,
}

/// Reads the table in `json` of a blob of `stored` bytes, whose files all stand before the byte `end`.
///
/// # Errors
/// Why it cannot be used.
pub(super) fn read(json: &[u8], stored: u64, end: u64) -> Result<Toc, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    // What it repeats of the table is an outsider's.
    let why = |e: serde_json::Error| escaped(&e.to_string());
    let document = Document::deserialize(&mut deserializer).map_err(why)?;
    deserializer.end().map_err(why)?;
    if document.version != 1 {
        return Err(format!("version {} is not known", document.version));
    }
    document.entries.finish(stored, end)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u64,
    entries: Builder,
    // A table of tar headers, from which the layer's tar could be made again with all of its files.
    #[serde(default, rename = "tarSplitDigest")]
    _tar_split: IgnoredAny,
}

/// An entry as it stands there. Fields of both formats; numbers below zero are no numbers here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Raw<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    link_name: Cow<'a, str>,
    #[serde(default)]
    mode: u64,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    end_offset: u64,
    #[serde(default)]
    inner_offset: u64,
    #[serde(default)]
    chunk_size: u64,
    #[serde(default)]
    chunk_offset: u64,
    #[serde(borrow, default)]
    chunk_type: Cow<'a, str>,
    #[serde(default)]
    digest: Option<Digest>,
    #[serde(default)]
    chunk_digest: Option<Digest>,
    // What no cataloger asks for.
    #[serde(default, rename = "uid")]
    _uid: IgnoredAny,
    #[serde(default, rename = "gid")]
    _gid: IgnoredAny,
    #[serde(default, rename = "userName")]
    _user: IgnoredAny,
    #[serde(default, rename = "groupName")]
    _group: IgnoredAny,
    #[serde(default, rename = "modtime")]
    _modified: IgnoredAny,
    #[serde(default, rename = "accesstime")]
    _accessed: IgnoredAny,
    #[serde(default, rename = "changetime")]
    _changed: IgnoredAny,
    #[serde(default, rename = "devMajor")]
    _major: IgnoredAny,
    #[serde(default, rename = "devMinor")]
    _minor: IgnoredAny,
    #[serde(default, rename = "xattrs")]
    _xattrs: IgnoredAny,
}

/// The file whose pieces are coming.
struct Open {
    name: String,
    size: u64,
    /// Bytes of it that are there.
    done: u64,
    /// Where its last piece ends in the blob, if that is said.
    end: Option<u64>,
}

/// A table that is being read.
#[derive(Default)]
struct Builder {
    toc: Toc,
    open: Option<Open>,
    /// Bytes of all files.
    unpacked: u64,
    /// Pieces whose end in the blob is said, with it.
    ends: Vec<(usize, u64)>,
    raw: usize,
}

impl<'de> Deserialize<'de> for Builder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Builder;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("entries")
            }

            // One by one: only what is kept of them is held.
            fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Builder, A::Error> {
                let mut builder = Builder::default();
                while let Some(raw) = entries.next_element::<Raw<'de>>()? {
                    builder.take(raw).map_err(de::Error::custom)?;
                }
                builder.close().map_err(de::Error::custom)?;
                Ok(builder)
            }
        }
        deserializer.deserialize_seq(Entries)
    }
}

impl Builder {
    fn take(&mut self, raw: Raw<'_>) -> Result<(), String> {
        self.raw += 1;
        if self.raw > limits::TOC_ENTRIES {
            return Err(format!("more than the limit TOC_ENTRIES = {}", limits::TOC_ENTRIES));
        }
        // What Go's JSON writes for bytes that are no UTF-8: the name is another than the layer's.
        if [&raw.name, &raw.link_name].iter().any(|text| text.contains('\u{fffd}')) {
            return Err("a name that is no UTF-8".into());
        }
        if raw.kind == "chunk" {
            return self.further(raw);
        }
        self.close()?;
        let kind = match raw.kind.as_ref() {
            "reg" => Kind::File,
            "dir" => Kind::Directory,
            "symlink" => Kind::SymLink,
            "hardlink" => Kind::HardLink,
            "char" | "block" | "fifo" => Kind::Other,
            _ => return Err("an entry of a type that is not known".into()),
        };
        let size = if kind == Kind::File { raw.size } else { 0 };
        let from = self.toc.chunks.len();
        self.toc.entries.push(Item {
            entry: Entry {
                path: raw.name.as_bytes().to_vec(),
                kind,
                link: raw.link_name.as_bytes().to_vec(),
                size,
                mode: u32::try_from(raw.mode & 0o7777).unwrap_or_default(),
            },
            chunks: from..from,
        });
        if size == 0 {
            return Ok(());
        }
        self.unpacked = self.unpacked.saturating_add(size);
        let end = (raw.end_offset > 0).then_some(raw.end_offset);
        self.open = Some(Open { name: raw.name.as_ref().to_owned(), size, done: 0, end });
        let whole = matches!(raw.chunk_size, 0) || raw.chunk_size == size;
        let digest = match (&raw.digest, &raw.chunk_digest) {
            (Some(file), Some(chunk)) if whole && file != chunk => {
                return Err("a file that is one piece, and two digests".into());
            }
            (Some(file), None) if whole => Some(file.clone()),
            (_, chunk) => chunk.clone(),
        };
        self.chunk(&raw, digest)
    }

    fn further(&mut self, raw: Raw<'_>) -> Result<(), String> {
        match &self.open {
            Some(open) if open.name == raw.name => {}
            _ => return Err("a piece of no file".into()),
        }
        let digest = raw.chunk_digest.clone();
        self.chunk(&raw, digest)
    }

    fn chunk(&mut self, raw: &Raw<'_>, digest: Option<Digest>) -> Result<(), String> {
        let open = self.open.as_mut().ok_or("a piece of no file")?;
        let left = open.size - open.done;
        let size = if raw.chunk_size == 0 { left } else { raw.chunk_size };
        if raw.chunk_offset != open.done || size == 0 || size > left {
            return Err("pieces that do not make up their file".into());
        }
        let content = match (raw.chunk_type.as_ref(), digest) {
            ("zeros", _) => Content::Zeros,
            ("", Some(digest)) => Content::Bytes(digest),
            ("", None) => return Err("a piece without digest".into()),
            _ => return Err("a piece of a kind that is not known".into()),
        };
        if let Some(before) = self.toc.chunks.last() {
            let follows = match raw.offset == before.at.start {
                true => before.inner.checked_add(before.size).is_some_and(|end| raw.inner_offset >= end),
                false => raw.offset > before.at.start,
            };
            if !follows {
                return Err("pieces that overlap or go backwards".into());
            }
        }
        if raw.offset == 0 {
            return Err("a piece without a place".into());
        }
        open.done += size;
        self.toc.chunks.push(Chunk {
            // Its end is known with the piece after it.
            at: raw.offset..raw.offset,
            inner: raw.inner_offset,
            size,
            content,
        });
        let number = self.toc.chunks.len();
        if let Some(item) = self.toc.entries.last_mut() {
            item.chunks.end = number;
        }
        if open.done == open.size
            && let Some(end) = open.end
        {
            self.ends.push((number - 1, end));
        }
        Ok(())
    }

    /// The file before has come to its end.
    fn close(&mut self) -> Result<(), String> {
        match self.open.take() {
            Some(open) if open.done != open.size => Err("pieces that do not make up their file".into()),
            _ => Ok(()),
        }
    }

    fn finish(mut self, stored: u64, end: u64) -> Result<Toc, String> {
        let most = stored.saturating_mul(limits::RATIO).max(limits::RATIO_GRACE);
        if self.unpacked > most.min(limits::LAYER_UNPACKED_BYTES) {
            return Err("files larger than the layer can hold".into());
        }
        let (mut next, mut start) = (end, end);
        for chunk in self.toc.chunks.iter_mut().rev() {
            if chunk.at.start < start {
                next = start;
                start = chunk.at.start;
            }
            // Those that share their place end together.
            chunk.at.end = next;
            if chunk.at.start >= chunk.at.end {
                return Err("a piece outside of the layer's files".into());
            }
        }
        for (number, end) in self.ends {
            let Some(chunk) = self.toc.chunks.get_mut(number) else { continue };
            if end <= chunk.at.start || end > chunk.at.end {
                return Err("a file that ends where another stands".into());
            }
            chunk.at.end = end;
        }
        Ok(self.toc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn digest(text: &str) -> String {
        Digest::sha256(text.as_bytes()).to_string()
    }

    fn of(entries: Value) -> Result<Toc, String> {
        read(json!({"version": 1, "entries": entries}).to_string().as_bytes(), 1000, 900)
    }

    fn file(name: &str, offset: u64) -> Value {
        json!({"type": "reg", "name": name, "size": 10, "offset": offset, "digest": digest(name)})
    }

    #[test]
    fn files_get_the_bytes_up_to_the_next_one() {
        let toc = of(json!([
            {"type": "dir", "name": "etc/", "mode": 493, "uid": 0, "xattrs": {"a": "b"}, "modtime": "x"},
            file("etc/a", 100),
            {"type": "symlink", "name": "l", "linkName": "etc/a"},
            {"type": "reg", "name": "b", "size": 30, "offset": 200, "chunkSize": 20, "chunkDigest": digest("1"),
                "endOffset": 320},
            {"type": "chunk", "name": "b", "offset": 300, "chunkOffset": 20, "chunkDigest": digest("2")},
            {"type": "reg", "name": "empty"},
        ]))
        .unwrap();
        let at: Vec<Range<u64>> = toc.chunks.iter().map(|c| c.at.clone()).collect();
        assert_eq!(at, [100..200, 200..300, 300..320]);
        let sizes: Vec<u64> = toc.chunks.iter().map(|c| c.size).collect();
        assert_eq!(sizes, [10, 20, 10]);
        let chunks: Vec<Range<usize>> = toc.entries.iter().map(|e| e.chunks.clone()).collect();
        assert_eq!(chunks, [0..0, 0..1, 1..1, 1..3, 3..3]);
        assert_eq!((toc.entries[2].entry.kind, toc.entries[0].entry.mode), (Kind::SymLink, 0o755));
        assert_eq!(toc.entries[2].entry.link, b"etc/a");
    }

    #[test]
    fn files_may_share_a_member_one_behind_the_other() {
        let inner = |offset: u64, inner: u64| {
            let mut file = file("x", offset);
            file["innerOffset"] = json!(inner);
            file
        };
        let toc = of(json!([inner(100, 0), inner(100, 10), inner(400, 0)])).unwrap();
        let at: Vec<Range<u64>> = toc.chunks.iter().map(|c| c.at.clone()).collect();
        assert_eq!(at, [100..400, 100..400, 400..900]);
        assert!(of(json!([inner(100, 0), inner(100, 9)])).is_err());
    }

    #[test]
    fn what_contradicts_itself_is_not_used() {
        let with = |key: &str, value: Value| {
            let mut file = file("x", 100);
            file[key] = value;
            json!([file])
        };
        let refused = [
            (with("offset", json!(-1)), "invalid value"),
            (with("size", json!(-1)), "invalid value"),
            (with("size", json!(1_u64 << 40)), "files larger than the layer"),
            (with("offset", json!(0)), "without a place"),
            (with("offset", json!(900)), "outside of the layer"),
            (with("offset", json!(u64::MAX)), "outside of the layer"),
            (with("endOffset", json!(901)), "ends where another"),
            (with("endOffset", json!(100)), "ends where another"),
            (with("chunkSize", json!(9)), "without digest"),
            (with("chunkSize", json!(11)), "do not make up"),
            (with("chunkOffset", json!(1)), "do not make up"),
            (with("chunkDigest", json!(digest("other"))), "two digests"),
            (with("digest", json!("md5:00")), "digest"),
            (with("digest", json!(null)), "without digest"),
            (with("type", json!("whiteout")), "type that is not known"),
            (with("chunkType", json!("ones")), "kind that is not known"),
            (with("name", json!("a\u{fffd}")), "no UTF-8"),
            (with("NAME", json!("etc/passwd")), "unknown field"),
            (json!([file("a", 200), file("b", 100)]), "overlap or go backwards"),
            (json!([file("a", 200), file("b", 200)]), "overlap or go backwards"),
            (json!([{"type": "chunk", "name": "x", "offset": 1}]), "piece of no file"),
            (
                json!([{"type": "reg", "name": "x", "size": 10, "offset": 1, "chunkSize": 5, "chunkDigest": digest("")},
                    file("y", 100)]),
                "do not make up",
            ),
        ];
        for (entries, why) in refused {
            let said = of(entries.clone()).unwrap_err();
            assert!(said.contains(why), "{entries}: {said}");
        }
        for json in
            ["", "[]", r#"{"version":1}"#, r#"{"version":2,"entries":[]}"#, r#"{"version":1,"entries":[]} x"#]
        {
            assert!(read(json.as_bytes(), 1000, 900).is_err(), "{json}");
        }
        assert!(
            read(br#"{"version":1,"entries":[{"type":"dir","name":"a","name":"b"}]}"#, 1000, 900)
                .unwrap_err()
                .contains("duplicate field")
        );
    }

    #[test]
    fn entries_are_bounded_at_limit_plus_one() {
        let all = |n: usize| {
            let entries = vec![r#"{"type":"dir","name":"a"}"#; n].join(",");
            read(format!(r#"{{"version":1,"entries":[{entries}]}}"#).as_bytes(), 1000, 900)
        };
        assert_eq!(all(limits::TOC_ENTRIES).unwrap().entries.len(), limits::TOC_ENTRIES);
        assert!(all(limits::TOC_ENTRIES + 1).unwrap_err().contains("TOC_ENTRIES"));
    }

    proptest! {
        /// Whatever a table says: its pieces lie inside the blob in order, and make up their files.
        #[test]
        fn pieces_of_a_table_that_is_used_are_in_order(
            entries in proptest::collection::vec(
                (0..4_usize, 0..40_u64, 0..1000_u64, 0..40_u64, 0..40_u64, 0..3_u64, any::<bool>()), 0..12),
        ) {
            let kinds = ["reg", "chunk", "dir", "hardlink"];
            let entries: Vec<Value> = entries
                .into_iter()
                .map(|(kind, size, offset, chunk, at, inner, end)| json!({
                    "type": kinds[kind], "name": "x", "size": size, "offset": offset, "chunkSize": chunk,
                    "chunkOffset": at, "innerOffset": inner, "chunkDigest": digest("x"),
                    "endOffset": if end { offset + chunk } else { 0 },
                }))
                .collect();
            if let Ok(toc) = of(json!(entries)) {
                let mut before = 0;
                for chunk in &toc.chunks {
                    prop_assert!(before <= chunk.at.start && chunk.at.start < chunk.at.end && chunk.at.end <= 900);
                    before = chunk.at.start;
                }
                for item in &toc.entries {
                    let sizes: u64 = toc.chunks[item.chunks.clone()].iter().map(|c| c.size).sum();
                    prop_assert_eq!(sizes, item.entry.size);
                }
            }
        }

        #[test]
        fn any_bytes_are_a_table_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, 1000, 900);
        }
    }
}
