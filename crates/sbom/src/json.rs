//! Reading and writing JSON that a stranger wrote, within [`crate::limits`].
//!
//! [`guard`] runs before any parser: it bounds the size and the depth with one pass over the bytes and no
//! memory. Duplicate keys are refused by the derived readers for every key that we understand; keys that
//! we skip cannot mean anything to us.
//!
//! A document is written by [`emit`], and the files in it, of which there may be a hundred thousand, by several threads
//! ([`items`]).

use crate::files::File;
use crate::format::Layout;
use crate::{Error, ErrorKind, Result, limits};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Serialize};
use serde_json::Serializer;
use serde_json::ser::Formatter;
use std::fmt;
use std::io::{self, BufWriter, Write};
use std::sync::mpsc::sync_channel;
use std::thread;

/// Refuses bytes beyond the size or depth that [`crate::limits`] allows.
pub(crate) fn guard(tried: &str, bytes: &[u8]) -> Result<()> {
    if bytes.len() > limits::DOCUMENT_BYTES {
        return Err(Error::new(
            tried,
            ErrorKind::LimitExceeded { limit: "DOCUMENT_BYTES", value: limits::DOCUMENT_BYTES as u64 },
        ));
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in bytes {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > limits::JSON_DEPTH {
                    return Err(Error::new(
                        tried,
                        ErrorKind::LimitExceeded { limit: "JSON_DEPTH", value: limits::JSON_DEPTH as u64 },
                    ));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Reads `bytes`, which have passed [`guard`]. A UTF-8 byte order mark, which some writers put, is skipped.
pub(crate) fn parse<'a, T: Deserialize<'a>>(tried: &str, bytes: &'a [u8]) -> Result<T> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|e| {
        let text = e.to_string();
        // The visitors that count cannot return our error type through serde; they name the limit instead.
        for (limit, value) in [
            ("PACKAGES", limits::PACKAGES),
            ("RELATIONSHIPS", limits::RELATIONSHIPS),
            ("ELEMENTS", limits::ELEMENTS),
            ("FILES", limits::FILES),
        ] {
            if text.starts_with(&over(limit)) {
                return Error::new(tried, ErrorKind::LimitExceeded { limit, value: value as u64 });
            }
        }
        Error::new(tried, ErrorKind::Malformed(text))
    })
}

/// The text by which [`parse`] recognises a limit.
pub(crate) fn over(limit: &str) -> String {
    format!("over the limit {limit}")
}

/// Reads a list item by item, so that the document's own form of it lives for one item at a time, until
/// `take` says that it is over the limit `name`. `null` is an empty list.
pub(crate) fn each<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    name: &'static str,
    mut take: impl FnMut(T) -> bool,
) -> std::result::Result<(), D::Error> {
    each_of(deserializer, |item| if take(item) { Ok(()) } else { Err(name) })
}

/// The same, where `take` itself names the limit that it is over.
pub(crate) fn each_of<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    take: impl FnMut(T) -> std::result::Result<(), &'static str>,
) -> std::result::Result<(), D::Error> {
    struct Each<T, F> {
        take: F,
        item: std::marker::PhantomData<T>,
    }

    impl<'de, T: Deserialize<'de>, F: FnMut(T) -> std::result::Result<(), &'static str>> Visitor<'de>
        for Each<T, F>
    {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_unit<E: de::Error>(self) -> std::result::Result<(), E> {
            Ok(())
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> std::result::Result<(), A::Error> {
            while let Some(item) = seq.next_element()? {
                (self.take)(item).map_err(|limit| de::Error::custom(over(limit)))?;
            }
            Ok(())
        }
    }

    deserializer.deserialize_any(Each { take, item: std::marker::PhantomData })
}

/// Writes `document` in that layout.
pub(crate) fn emit(tried: &str, document: &impl Serialize, layout: Layout, out: impl Write) -> Result<()> {
    // serde_json writes a few bytes at a time, and `out` may be known at run time alone.
    let mut out = BufWriter::with_capacity(64 << 10, out);
    let result = match layout {
        Layout::Compact => document.serialize(&mut Serializer::with_formatter(&mut out, Compact)),
        Layout::Pretty => document.serialize(&mut Serializer::with_formatter(&mut out, Pretty::default())),
    };
    result
        .map_err(std::io::Error::from)
        .and_then(|()| if layout == Layout::Pretty { out.write_all(b"\n") } else { Ok(()) })
        .and_then(|()| out.flush())
        .map_err(|e| Error::new(tried, ErrorKind::Io(e.to_string())))
}

/// Items that a thread writes at a time: some dozens of kilobytes.
const PIECE_ITEMS: usize = 128;
/// Lists of fewer pieces are not worth a thread.
const FEW_PIECES: usize = 16;
/// Threads that write a list, at most.
const WRITERS: usize = 4;

/// What is around the items of [`items`]: the list, and the document.
const ITEM_DEPTH: usize = 2;

/// Writes the items number 0 to `count` at the end of `list`, a list of the document that [`emit`] writes in that layout;
/// those that are `None` are left out. The bytes are those that one after the other would give; the work is done by
/// several threads, a piece at a time, and few pieces wait.
pub(crate) fn items<L: SerializeSeq, T: Serialize>(
    list: &mut L,
    count: usize,
    layout: Layout,
    item: impl Fn(usize) -> Option<T> + Sync,
) -> std::result::Result<(), L::Error> {
    let render = |piece: usize| {
        let first = piece * PIECE_ITEMS;
        let items = (first..count.min(first + PIECE_ITEMS)).filter_map(&item);
        match layout {
            Layout::Compact => joined(items, Compact),
            Layout::Pretty => joined(items, Pretty { depth: ITEM_DEPTH, is_filled: false }),
        }
    };
    let mut put = |piece: serde_json::Result<Vec<u8>>| match piece {
        Ok(piece) if piece.is_empty() => Ok(()),
        Ok(piece) => list.serialize_element(&Json(&piece)),
        Err(e) => Err(L::Error::custom(e)),
    };
    let pieces = count.div_ceil(PIECE_ITEMS);
    let threads = thread::available_parallelism().map_or(1, |n| n.get().min(WRITERS));
    if pieces < FEW_PIECES || threads == 1 {
        return (0..pieces).try_for_each(|piece| put(render(piece)));
    }
    thread::scope(|scope| {
        let render = &render;
        let written: Vec<_> = (0..threads)
            .map(|first| {
                let (to, written) = sync_channel(2);
                // Nobody listens once writing has failed.
                scope.spawn(move || {
                    (first..pieces).step_by(threads).try_for_each(|piece| to.send(render(piece)))
                });
                written
            })
            .collect();
        // Pieces are dealt in turn, and taken so.
        written.iter().cycle().take(pieces).try_for_each(|written| match written.recv() {
            Ok(piece) => put(piece),
            Err(_) => Err(L::Error::custom("a thread that wrote a part of it has died")),
        })
    })
}

/// Items of a list with what stands between them.
fn joined<T: Serialize, F: Formatter + Clone>(
    items: impl Iterator<Item = T>,
    formatter: F,
) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::new();
    for item in items {
        if !out.is_empty() {
            formatter.clone().begin_array_value(&mut out, false).map_err(serde_json::Error::io)?;
        }
        item.serialize(&mut Serializer::with_formatter(&mut out, formatter.clone()))?;
    }
    Ok(out)
}

/// JSON that is there already, as [`Compact`] and [`Pretty`] take it: no document of ours has bytes.
struct Json<'a>(&'a [u8]);

impl Serialize for Json<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// What serde_json writes without a formatter.
#[derive(Clone)]
struct Compact;

impl Formatter for Compact {
    fn write_byte_array<W: ?Sized + Write>(&mut self, out: &mut W, json: &[u8]) -> io::Result<()> {
        out.write_all(json)
    }
}

/// What serde_json's own pretty formatter writes, a line's beginning at a time and not each two blanks of it.
#[derive(Clone, Default)]
struct Pretty {
    depth: usize,
    is_filled: bool,
}

impl Pretty {
    const START: &[u8] = b",\n                                ";

    fn open(&mut self, out: &mut (impl Write + ?Sized), start: &[u8]) -> io::Result<()> {
        self.depth += 1;
        self.is_filled = false;
        out.write_all(start)
    }

    fn line(&self, is_first: bool, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let blanks = 2 * self.depth;
        let within = blanks.min(Self::START.len() - 2);
        out.write_all(Self::START.get(usize::from(is_first)..2 + within).unwrap_or_default())?;
        (within..blanks).try_for_each(|_| out.write_all(b" "))
    }

    fn close(&mut self, out: &mut (impl Write + ?Sized), end: &[u8]) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if self.is_filled {
            self.line(true, out)?;
        }
        out.write_all(end)
    }
}

impl Formatter for Pretty {
    fn write_byte_array<W: ?Sized + Write>(&mut self, out: &mut W, json: &[u8]) -> io::Result<()> {
        out.write_all(json)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, is_first: bool) -> io::Result<()> {
        self.line(is_first, out)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_filled = true;
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, is_first: bool) -> io::Result<()> {
        self.line(is_first, out)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_filled = true;
        Ok(())
    }
}

/// The SHA-256 of the compact form of `document`, and of the `files` that it will have: its identity. The files are
/// hashed as they are, since making elements of a hundred thousand of them a second time takes as long as writing them.
pub(crate) fn content_hash(tried: &str, document: &impl Serialize, files: &[File]) -> Result<[u8; 32]> {
    use sha2::{Digest, Sha256};

    struct Hash(Sha256);
    impl Write for Hash {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    // What is hashed wants to be in blocks.
    let mut buffered = BufWriter::with_capacity(16 << 10, Hash(Sha256::new()));
    emit(tried, document, Layout::Compact, &mut buffered)?;
    files
        .iter()
        .try_for_each(|file| file.identify(&mut buffered))
        .map_err(|e| Error::new(tried, ErrorKind::Io(e.to_string())))?;
    let hash = buffered.into_inner().map_err(|e| Error::new(tried, ErrorKind::Io(e.to_string())))?;
    Ok(hash.0.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    #[test]
    fn pretty_is_what_serde_json_calls_so() {
        let mut deep = json!("x\n");
        (0..40).for_each(|n| {
            deep = if n % 2 == 0 { json!([deep, {}, []]) } else { json!({"a": deep, "b": null}) }
        });
        for document in [json!([]), json!({}), json!({"a": [], "b": {"c": [1, -2.5, true]}}), deep] {
            let mut ours = Vec::new();
            emit("", &document, Layout::Pretty, &mut ours).unwrap();
            let theirs = serde_json::to_string_pretty(&document).unwrap() + "\n";
            assert_eq!(String::from_utf8(ours).unwrap(), theirs);
        }
    }

    #[test]
    fn a_list_by_several_threads_is_the_list() {
        /// Every seventh is left out.
        struct Numbers {
            first: Vec<u8>,
            count: usize,
            layout: Layout,
            number: fn(usize) -> Option<serde_json::Value>,
        }
        let number: fn(usize) -> _ =
            |at: usize| (!at.is_multiple_of(7)).then(|| json!({ "at": at, "text": "é\n", "none": [] }));
        impl Serialize for Numbers {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                let mut list = serializer.serialize_seq(None)?;
                self.first.iter().try_for_each(|n| list.serialize_element(n))?;
                items(&mut list, self.count, self.layout, self.number)?;
                list.end()
            }
        }
        for (first, count) in [(0, 0), (2, 0), (0, 1), (0, 2), (1, 300), (3, 5_000), (0, PIECE_ITEMS * 40)] {
            for layout in [Layout::Compact, Layout::Pretty] {
                let first = vec![1; first];
                let mut plain: Vec<_> = first.iter().map(|n| json!(n)).collect();
                plain.extend((0..count).filter_map(number));
                let (mut ours, mut theirs) = (Vec::new(), Vec::new());
                let numbers = Numbers { first, count, layout, number };
                emit("", &BTreeMap::from([("a", numbers)]), layout, &mut ours).unwrap();
                emit("", &json!({ "a": plain }), layout, &mut theirs).unwrap();
                assert!(ours == theirs, "{count} {layout:?}");
            }
        }
    }
}
