//! The tree of RFC 6962 from its leaves alone, written down once more: what a log claims must not be checked with the
//! log's own code.

use sha2::{Digest as _, Sha256};

/// A hash in the tree.
pub type Hash = [u8; 32];

/// The hash of an entry (section 2.1).
#[must_use]
pub fn leaf(entry: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root over these entries.
#[must_use]
pub fn root(entries: &[Vec<u8>]) -> Hash {
    match entries {
        [] => Sha256::digest(b"").into(),
        [one] => leaf(one),
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            node(&root(left), &root(right))
        }
    }
}

/// The root that a proof of inclusion leads to (RFC 9162, section 2.1.3.2); `None` where it is no proof for this place.
#[must_use]
pub fn root_of_proof(entry: &[u8], mut index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    let mut last = size.checked_sub(1).filter(|last| index <= *last)?;
    let mut value = leaf(entry);
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if index & 1 == 1 || index == last {
            value = node(sibling, &value);
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            value = node(&value, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_of_one_place_is_none_of_another() {
        let entries: Vec<Vec<u8>> = (0u8..3).map(|n| vec![n]).collect();
        let two = node(&leaf(&entries[0]), &leaf(&entries[1]));
        assert_eq!(root(&entries), node(&two, &leaf(&entries[2])));
        let proof = [leaf(&entries[1]), leaf(&entries[2])];
        assert_eq!(root_of_proof(&entries[0], 0, 3, &proof), Some(root(&entries)));
        assert_eq!(root_of_proof(&entries[2], 2, 3, &[two]), Some(root(&entries)));
        assert_ne!(root_of_proof(&entries[0], 1, 3, &proof), Some(root(&entries)));
        assert_eq!(root_of_proof(&entries[0], 0, 3, &proof[..1]), None);
        assert_eq!(root_of_proof(&entries[0], 3, 3, &proof), None);
        assert_eq!(root_of_proof(&entries[0], 0, 0, &[]), None);
    }
}
