//! Reading and writing JSON that a stranger wrote, within [`crate::limits`].
//!
//! [`guard`] runs before any parser: it bounds the size and the depth with one pass over the bytes and no
//! memory. Duplicate keys are refused by the derived readers for every key that we understand; keys that
//! we skip cannot mean anything to us.

use crate::files::File;
use crate::format::Layout;
use crate::{Error, ErrorKind, Result, limits};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Write;

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
pub(crate) fn emit(
    tried: &str,
    document: &impl Serialize,
    layout: Layout,
    mut out: impl Write,
) -> Result<()> {
    let result = match layout {
        Layout::Compact => serde_json::to_writer(&mut out, document),
        Layout::Pretty => serde_json::to_writer_pretty(&mut out, document),
    };
    result
        .map_err(std::io::Error::from)
        .and_then(|()| if layout == Layout::Pretty { out.write_all(b"\n") } else { Ok(()) })
        .and_then(|()| out.flush())
        .map_err(|e| Error::new(tried, ErrorKind::Io(e.to_string())))
}

/// The SHA-256 of the compact form of `document`, and of the `files` that it will have: its identity. The files are
/// hashed as they are, since making elements of a hundred thousand of them a second time takes as long as writing them.
pub(crate) fn content_hash(tried: &str, document: &impl Serialize, files: &[File]) -> Result<[u8; 32]> {
    use sha2::{Digest, Sha256};

    struct Hash(Sha256);
    impl Write for Hash {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    // serde_json writes a few bytes at a time, and the hash wants blocks.
    let mut buffered = std::io::BufWriter::with_capacity(16 << 10, Hash(Sha256::new()));
    emit(tried, document, Layout::Compact, &mut buffered)?;
    files
        .iter()
        .try_for_each(|file| file.identify(&mut buffered))
        .map_err(|e| Error::new(tried, ErrorKind::Io(e.to_string())))?;
    let hash = buffered.into_inner().map_err(|e| Error::new(tried, ErrorKind::Io(e.to_string())))?;
    Ok(hash.0.finalize().into())
}
