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
