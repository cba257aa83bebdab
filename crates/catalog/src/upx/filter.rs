//! What UPX did to code before it compressed it, undone.
//!
//! The targets of calls and jumps are written as places instead of distances, since one place is called from many. Text
//! and data in the same segment are changed where they look like such a call. Known are the filters that UPX takes for
//! x86, 64-bit ARM and 32-bit ARM; others are refused by their number.

/// Calls, jumps and conditional jumps of x86 whose target begins with a byte that the block does not have otherwise.
const X86: u8 = 0x49;
/// Branches and calls of ARM with 24 bits.
const ARM32: u8 = 0x50;
/// Branches and calls of ARM with 26 bits.
const ARM64: u8 = 0x52;

/// Undoes the filter with that number in a block; `mark` is its parameter.
pub(super) fn undo(block: &mut [u8], filter: u8, mark: u8) -> Result<(), String> {
    match filter {
        0 => {}
        X86 => x86(block, mark),
        ARM32 => words(block, |word, at| {
            (word >> 24 & 0x0f == 0x0b).then_some(word & 0xff00_0000 | word.wrapping_sub(at) & 0x00ff_ffff)
        }),
        ARM64 => words(block, |word, at| {
            (word >> 26 & 0x1f == 0x05).then_some(word & 0xfc00_0000 | word.wrapping_sub(at) & 0x03ff_ffff)
        }),
        other => return Err(format!("it uses the filter {other:#04x}, which is not known")),
    }
    Ok(())
}

/// `E8`, `E9` or `0F 8x`, the mark, and the place with the highest byte first: back to a distance.
fn x86(block: &mut [u8], mark: u8) {
    let mut at = 1;
    while let Some(found) = block.get(at..).and_then(|rest| memchr::memchr(mark, rest)) {
        at += found;
        let (before, rest) = block.split_at_mut(at);
        let is_branch = matches!(before, [.., 0xe8 | 0xe9] | [.., 0x0f, 0x80..=0x8f]);
        let Some(operand) = rest.first_chunk_mut::<4>().filter(|_| is_branch) else {
            at += 1;
            continue;
        };
        let [_, high, middle, low] = *operand;
        let place = u32::from_be_bytes([0, high, middle, low]);
        // Places are 24 bits long; blocks that are longer have none beyond them.
        *operand = place.wrapping_sub(at as u32).to_le_bytes();
        // The opcode after a target is at least one byte.
        at += 5;
    }
}

/// Changes each word at a multiple of four for which `change` has another; it gets the number of the word. What ends
/// with the block is left as it is.
fn words(block: &mut [u8], change: impl Fn(u32, u32) -> Option<u32>) {
    let end = block.len().saturating_sub(1);
    let block = block.get_mut(..end).unwrap_or_default();
    for (at, word) in block.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        if let Some(changed) = change(u32::from_le_bytes(*word), at as u32) {
            *word = changed.to_le_bytes();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn calls_are_distances_again() {
        // The call at the place 5 to the place 0x1234, then a jump to the start, then text that stays.
        let mut block = b"text\x90\xe8\x22\x00\x12\x34\x0f\x84\x22\x00\x00\x00ends in \xe8\x22".to_vec();
        undo(&mut block, X86, 0x22).unwrap();
        let call = (0x1234_u32 - 6).to_le_bytes();
        assert_eq!(block.get(6..10).unwrap(), call);
        assert_eq!(block.get(12..16).unwrap(), 0_u32.wrapping_sub(12).to_le_bytes());
        assert!(block.ends_with(b"ends in \xe8\x22") && block.starts_with(b"text\x90\xe8"));
        assert!(undo(&mut block, 0x26, 0).unwrap_err().contains("0x26"));
    }

    proptest! {
        #[test]
        fn never_panics(mut block in any::<Vec<u8>>(), filter in any::<u8>(), mark in any::<u8>()) {
            for filter in [filter, X86, ARM32, ARM64] {
                let _ = undo(&mut block, filter, mark);
            }
        }
    }
}
