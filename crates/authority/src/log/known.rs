//! Which entries a log has, so that one that comes again gets the place it has.
//!
//! A client whose answer was lost sends its entry once more, and the log's promise to be a list of what was signed
//! is worth more without doubles. What is kept is the first 8 bytes of each leaf hash and the
//! index; the whole hash is compared in the tree. Two entries that begin alike by chance, or because somebody
//! worked for it, are both kept: the second is then not recognised when it comes again, and nothing else happens.

use super::store::View;
use super::tree::{Hash, leaf_hash};
use std::collections::HashMap;

/// The entries of a log, by hash.
pub(super) struct Known {
    view: View,
    /// Where an entry is whose leaf hash begins so.
    places: HashMap<u64, u32>,
    /// What is being written now, and is not in the view yet.
    coming: HashMap<Hash, u64>,
}

fn start(hash: &Hash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl Known {
    /// What is in the log now.
    pub(super) fn of(view: &View) -> Self {
        let size = view.checkpoint().size;
        let mut known = Self { view: view.clone(), places: HashMap::new(), coming: HashMap::new() };
        known.places.reserve(usize::try_from(size).unwrap_or_default());
        for index in 0..size {
            if let Some(leaf) = view.leaf(index) {
                known.remember(&leaf, index);
            }
        }
        known
    }

    /// The first one stays: it is the one that was acknowledged.
    fn remember(&mut self, leaf: &Hash, index: u64) {
        if let Ok(index) = u32::try_from(index) {
            self.places.entry(start(leaf)).or_insert(index);
        }
    }

    /// Where `entry` is, or will be; with the entry where it has to be written.
    pub(super) fn place(&mut self, entry: Vec<u8>) -> (u64, Option<Vec<u8>>) {
        let leaf = leaf_hash(&entry);
        let there = self.places.get(&start(&leaf)).map(|index| u64::from(*index));
        let there = there.filter(|index| self.view.leaf(*index) == Some(leaf));
        if let Some(index) = there.or_else(|| self.coming.get(&leaf).copied()) {
            return (index, None);
        }
        let index = self.view.checkpoint().size + self.coming.len() as u64;
        self.coming.insert(leaf, index);
        (index, Some(entry))
    }

    /// What was coming is there.
    pub(super) fn settle(&mut self) {
        for (leaf, index) in std::mem::take(&mut self.coming) {
            self.remember(&leaf, index);
        }
    }
}
