//! A stretch of a file that is wanted, gathered while the file streams by in pieces of any size.

/// One stretch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Window {
    start: u64,
    size: usize,
    bytes: Vec<u8>,
}

impl Window {
    /// `size` bytes from the file offset `start` on.
    pub(crate) fn new(start: u64, size: usize) -> Self {
        Self { start, size, bytes: Vec::new() }
    }

    /// Where it ends in the file.
    pub(crate) fn end(&self) -> u64 {
        self.start.saturating_add(self.size as u64)
    }

    /// Takes what is wanted of `piece`, which stands at the file offset `at`. Pieces come in the order of the file.
    pub(crate) fn feed(&mut self, piece: &[u8], at: u64) {
        let next = self.start.saturating_add(self.bytes.len() as u64);
        if let Some(skip) = next.checked_sub(at).and_then(|n| usize::try_from(n).ok())
            && let Some(new) = piece.get(skip..)
        {
            let room = self.size - self.bytes.len();
            self.bytes.extend_from_slice(new.get(..new.len().min(room)).unwrap_or_default());
        }
    }

    /// What is there of it; less than its size where the file ended before.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
