//! Crates that a Rust program without audit data names in its panic messages.
//!
//! `…/registry/src/index.crates.io-6f17d22bba15001f/memchr-2.7.1/src/lib.rs`: cargo's name for the crates.io
//! index, then the crate's directory. Only crates with code that can panic appear, so the list is not
//! complete; and what is named was compiled in at least in part.

/// What such a path has in it; the older name of the index is that of its git repository.
pub(super) const NEEDLE: &[u8] = b"/index.crates.io-";
/// The longest name of a crate that crates.io takes, and as much for its version.
const PART_BYTES: usize = 64;

/// The crate behind a path that begins with [`NEEDLE`].
pub(super) fn read(bytes: &[u8]) -> Option<(String, String)> {
    let rest = bytes.strip_prefix(NEEDLE)?;
    let (hash, rest) = rest.split_at_checked(16)?;
    if !hash.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let rest = rest.strip_prefix(b"/")?;
    let end = rest.iter().take(2 * PART_BYTES).position(|b| *b == b'/')?;
    if !rest.get(end..)?.starts_with(b"/src/") {
        return None;
    }
    split(std::str::from_utf8(rest.get(..end)?).ok()?)
}

/// `zstd-sys-2.0.9+zstd.1.5.5`: the version begins at the first dash before `number.number.number`.
fn split(dir: &str) -> Option<(String, String)> {
    for (dash, _) in dir.match_indices('-') {
        let (name, version) = (dir.get(..dash)?, dir.get(dash + 1..)?);
        let core = version.split(['-', '+']).next().unwrap_or(version);
        let mut numbers = core.split('.');
        let is_number =
            |n: Option<&str>| n.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if is_number(numbers.next())
            && is_number(numbers.next())
            && is_number(numbers.next())
            && numbers.next().is_none()
        {
            let plain = |text: &str, more: &[u8]| {
                !text.is_empty()
                    && text.len() <= PART_BYTES
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
            };
            return (plain(name, b"-_") && plain(version, b"-.+"))
                .then(|| (name.to_owned(), version.to_owned()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn crate_and_version() {
        let found = |dir: &str| read(format!("/index.crates.io-6f17d22bba15001f/{dir}/src/x.rs").as_bytes());
        let both = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        assert_eq!(found("memchr-2.7.1"), both("memchr", "2.7.1"));
        assert_eq!(found("zstd-sys-2.0.9+zstd.1.5.5"), both("zstd-sys", "2.0.9+zstd.1.5.5"));
        assert_eq!(found("a-1-b-1.0.0-rc.1"), both("a-1-b", "1.0.0-rc.1"));
        for nothing in ["memchr", "-1.0.0", "a-1.0", "a-1.0.0.0", "a b-1.0.0", "a-1.0.0/x"] {
            assert_eq!(found(nothing), None, "{nothing}");
        }
        assert_eq!(read(b"/index.crates.io-6f17d22bba15001g/a-1.0.0/src/"), None);
        assert_eq!(read(b"/index.crates.io-6f17"), None);
    }

    proptest! {
        #[test]
        fn never_panics(rest in "[a-f0-9]{14,18}[/a-z0-9.+é-]{0,40}(/src/)?") {
            let _ = read(format!("/index.crates.io-{rest}").as_bytes());
        }
    }
}
