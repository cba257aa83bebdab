//! Paths of a layer, as data.
//!
//! A [`Name`] is what an entry's name means to a runtime: relative to the image's root, without `.`, empty
//! and trailing parts. What runtimes read in different ways (`..`) or cannot unpack (longer than
//! `PATH_MAX`) is refused, and the caller says so as a gap. The root itself is the empty path.

use crate::limits;
use std::collections::HashSet;

/// What an entry's name turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// A clean path. Names that are no UTF-8 keep their bytes in [`Name::Bytes`].
    Clean(String),
    /// A clean path that is no UTF-8: legal on Linux, wanted by no cataloger.
    Bytes(Vec<u8>),
    /// A name that is not taken; the text says why.
    Refused(&'static str),
}

/// Reads the name of an entry.
pub(crate) fn name(raw: &[u8]) -> Name {
    if raw.len() > limits::PATH_BYTES {
        return Name::Refused("the path is longer than 4096 bytes");
    }
    if raw.contains(&0) {
        return Name::Refused("the path has a NUL in it");
    }
    let mut clean = Vec::with_capacity(raw.len());
    for part in raw.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Name::Refused("the path has '..' in it"),
            part => {
                if !clean.is_empty() {
                    clean.push(b'/');
                }
                clean.extend_from_slice(part);
            }
        }
    }
    match String::from_utf8(clean) {
        Ok(clean) => Name::Clean(clean),
        Err(error) => Name::Bytes(error.into_bytes()),
    }
}

/// A raw name for people: lossy, escaped and shortened.
pub(crate) fn shown(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let short: String = text.chars().take(200).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{}{more}", short.escape_debug())
}

/// The directory and the last part.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The directories above `path`, the nearest first, the root left out.
pub(crate) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rsplit_once('/').map(|(dir, _)| dir), |p| {
        p.rsplit_once('/').map(|(dir, _)| dir)
    })
}

/// The directories above some paths.
#[derive(Debug, Clone, Default)]
pub(crate) struct Above(HashSet<Box<str>>);

impl Above {
    /// Takes those above `path`.
    pub(crate) fn watch(&mut self, path: &str) {
        for dir in ancestors(path) {
            if self.0.contains(dir) {
                // All above it are there as well.
                break;
            }
            self.0.insert(dir.into());
        }
    }

    /// Whether one of the paths is below `path`.
    pub(crate) fn contains(&self, path: &str) -> bool {
        self.0.contains(path)
    }

    /// Nothing is below `path` any longer.
    pub(crate) fn forget(&mut self, path: &str) {
        self.0.retain(|dir| **dir != *path && !is_below(dir, path));
    }
}

/// `dir` and `rest` as one path, where either may be the root.
pub(crate) fn join(dir: &str, rest: &str) -> String {
    match (dir, rest) {
        ("", rest) => rest.to_owned(),
        (dir, "") => dir.to_owned(),
        (dir, rest) => format!("{dir}/{rest}"),
    }
}

/// Whether `path` is below `dir`; everything but the root is below the root.
pub(crate) fn is_below(path: &str, dir: &str) -> bool {
    if dir.is_empty() {
        return !path.is_empty();
    }
    path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_cleaned_or_refused() {
        let clean = |s: &str| Name::Clean(s.to_owned());
        assert_eq!(name(b"./etc//os-release"), clean("etc/os-release"));
        assert_eq!(name(b"/etc/./x/"), clean("etc/x"));
        assert_eq!(name(b"./"), clean(""));
        assert_eq!(name(b"a\xff"), Name::Bytes(b"a\xff".to_vec()));
        for bad in [&b"../etc/passwd"[..], b"a/../../b", b"..", b"a\0b", &[b'a'; 4097]] {
            assert!(matches!(name(bad), Name::Refused(_)), "{}", shown(bad));
        }
        assert!(matches!(name(&[b'a'; 4096]), Name::Clean(_)));
        assert_eq!(name(b"..a/b.."), clean("..a/b.."));
    }

    #[test]
    fn above_and_below() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(ancestors("a").count(), 0);
        assert!(is_below("a/b", "a") && !is_below("ab", "a") && !is_below("a", "a") && is_below("a", ""));
    }

    proptest! {
        #[test]
        fn a_clean_name_stays_inside(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Name::Clean(path) = name(&raw) {
                prop_assert!(path.is_empty() || path.split('/').all(|p| !matches!(p, "" | "." | "..")));
                prop_assert_eq!(name(path.as_bytes()), Name::Clean(path));
            }
        }
    }
}
