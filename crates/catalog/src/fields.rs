//! Numbers and texts of files that are laid out in binary, one after the other, the lowest byte first.
//!
//! Refuses what goes beyond the bytes, and nothing else.

use crate::pack;

/// What is left of them.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        pack::take(&mut self.0, n)
    }

    /// The number in the next `bytes`, of which there are at most eight.
    pub(crate) fn number(&mut self, bytes: usize) -> Option<u64> {
        Some(self.take(bytes)?.iter().rev().fold(0, |sum, b| sum << 8 | u64::from(*b)))
    }
}
