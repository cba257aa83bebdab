//! Numbers out of bytes that strangers wrote: every read says whether the bytes were there.

/// The `N` bytes at `at`.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// `length` bytes at `at`.
pub(crate) fn slice(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}

/// Big-endian, as rpm's headers and SQLite have it.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<usize> {
    array(bytes, at).map(u16::from_be_bytes).map(usize::from)
}

/// Big-endian.
pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<usize> {
    array(bytes, at).map(u32::from_be_bytes).and_then(|n| usize::try_from(n).ok())
}

/// Little-endian.
pub(crate) fn le32(bytes: &[u8], at: usize) -> Option<usize> {
    array(bytes, at).map(u32::from_le_bytes).and_then(|n| usize::try_from(n).ok())
}

/// The letters of base64 (RFC 4648).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alphabet {
    /// Section 4.
    Standard,
    /// That, and that for URLs and file names (section 5).
    Either,
}

/// Base64, with or without padding, of no more than a checksum's length.
pub(crate) fn base64(text: &str, alphabet: Alphabet) -> Option<Vec<u8>> {
    /// SHA-512, the longest that packages have.
    const LONGEST: usize = 64;
    let (mut bits, mut count, mut out) = (0_u32, 0, Vec::with_capacity(LONGEST));
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'-' if alphabet == Alphabet::Either => 62,
            b'_' if alphabet == Alphabet::Either => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
        if out.len() > LONGEST {
            return None;
        }
    }
    Some(out)
}
