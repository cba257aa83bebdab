//! The Merkle tree of RFC 6962, section 2.1, in memory: leaves are only ever added.
//!
//! `levels[k]` holds the hashes of all complete subtrees of 2^k leaves, from the left. Every proof and every
//! tile for any size up to the present one is put together from them.

use sha2::{Digest as _, Sha256};

/// A hash in the tree.
pub type Hash = [u8; 32];

/// The hash of an entry (RFC 6962, section 2.1).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0u8]).chain_update(entry).finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1u8]).chain_update(left).chain_update(right).finalize().into()
}

/// A tree that grows at its right end.
#[derive(Debug, Default, Clone)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, Vec::len) as u64
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(row) = self.levels.get_mut(level) else { return };
            row.push(hash);
            if row.len() % 2 == 1 {
                return;
            }
            let [.., left, right] = row.as_slice() else { return };
            hash = node_hash(left, right);
        }
    }

    /// The hashes `from..from + width` of the complete subtrees of 2^`level` leaves.
    pub(crate) fn row(&self, level: usize, from: usize, width: usize) -> Option<&[Hash]> {
        self.levels.get(level)?.get(from..from.checked_add(width)?)
    }

    /// The hash over the leaves `begin..end`, where the range is one that RFC 6962 splits into.
    fn range(&self, begin: u64, end: u64) -> Option<Hash> {
        let n = end.checked_sub(begin).filter(|n| *n > 0)?;
        if n.is_power_of_two() && begin.is_multiple_of(n) {
            let index = usize::try_from(begin / n).ok()?;
            return self.levels.get(n.trailing_zeros() as usize)?.get(index).copied();
        }
        let middle = begin + split(n);
        Some(node_hash(&self.range(begin, middle)?, &self.range(middle, end)?))
    }

    /// The root over the first `size` leaves; `None` where there are not so many.
    pub fn root(&self, size: u64) -> Option<Hash> {
        if size == 0 { Some(Sha256::digest(b"").into()) } else { self.range(0, size) }
    }

    /// The proof that leaf `index` is in the tree of `size` (RFC 6962, section 2.1.1).
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut begin, mut end) = (0, size);
        let mut proof = Vec::new();
        while end - begin > 1 {
            let middle = begin + split(end - begin);
            if index < middle {
                proof.push(self.range(middle, end)?);
                end = middle;
            } else {
                proof.push(self.range(begin, middle)?);
                begin = middle;
            }
        }
        proof.reverse();
        Some(proof)
    }
}

/// The largest power of two below `n`, for `n` > 1.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}
