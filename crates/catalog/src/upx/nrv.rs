//! NRV2B, NRV2D and NRV2E: the compressions of the UCL library, which UPX uses where it was not asked for LZMA.
//!
//! All three are LZ77 with bits and bytes in one stream: a bit says whether a byte follows as it is or a match, whose
//! offset and length are in a code of bits (and one byte of the offset as it is). They differ in that code. Bits come in
//! words of one, two or four bytes, the highest bit first. Refused is whatever reaches before the start of the output,
//! beyond its size, or behind the end of the input.

/// Which of the three codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    B,
    D,
    E,
}

/// The largest offset that the library makes; longer codes are garbage.
const MOST_OFFSET: u32 = 0x00ff_ffff + 3;

/// Bits and bytes, taken from one stream.
struct Stream<'a> {
    bytes: &'a [u8],
    /// Bytes of a word of bits.
    width: usize,
    word: u32,
    /// Bits of the word that were not taken yet.
    left: u32,
}

impl Stream<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn bit(&mut self) -> Option<u32> {
        if self.left == 0 {
            let (word, rest) = self.bytes.split_at_checked(self.width)?;
            self.bytes = rest;
            self.word = word.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
            self.left = 8 * self.width as u32;
        }
        self.left -= 1;
        Some(self.word >> self.left & 1)
    }

    /// The high part of an offset.
    fn offset(&mut self, code: Code) -> Option<u32> {
        let mut offset = 1;
        loop {
            offset = offset * 2 + self.bit()?;
            if self.bit()? == 1 {
                return Some(offset);
            }
            if code != Code::B {
                offset = (offset - 1) * 2 + self.bit()?;
            }
            if offset > MOST_OFFSET {
                return None;
            }
        }
    }

    /// A number of at least two, of as many bits as it needs.
    fn number(&mut self, most: u32) -> Option<u32> {
        let mut number = 1;
        loop {
            number = number * 2 + self.bit()?;
            if self.bit()? == 1 {
                return Some(number);
            }
            if number > most {
                return None;
            }
        }
    }
}

/// Unpacks `bytes` to exactly `size`; `width` is the number of bytes of a word of bits. `None`: they are not that.
pub(super) fn unpack(bytes: &[u8], size: usize, code: Code, width: usize) -> Option<Vec<u8>> {
    // What is claimed is reserved as far as the input makes it likely, and no further.
    let mut out: Vec<u8> = Vec::with_capacity(size.min(bytes.len().saturating_mul(4)));
    let mut stream = Stream { bytes, width, word: 0, left: 0 };
    let most = u32::try_from(size).ok()?.min(1 << 28);
    let mut last = 1;
    loop {
        while stream.bit()? == 1 {
            if out.len() == size {
                return None;
            }
            out.push(stream.byte()?);
        }
        let high = stream.offset(code)?;
        // What D and E say of the length together with the offset.
        let mut length = 0;
        if high == 2 {
            if code != Code::B {
                length = stream.bit()?;
            }
        } else {
            let offset = (high - 3).wrapping_mul(256).wrapping_add(u32::from(stream.byte()?));
            if offset == u32::MAX {
                return (out.len() == size).then_some(out);
            }
            last = match code {
                Code::B => offset.checked_add(1)?,
                Code::D | Code::E => {
                    length = !offset & 1;
                    (offset >> 1) + 1
                }
            };
        }
        let (far, length) = match code {
            Code::B | Code::D => {
                if code == Code::B {
                    length = stream.bit()?;
                }
                length = length * 2 + stream.bit()?;
                if length == 0 {
                    length = stream.number(most)? + 2;
                }
                (if code == Code::B { 0xd00 } else { 0x500 }, length)
            }
            Code::E => {
                let length = if length == 1 {
                    1 + stream.bit()?
                } else if stream.bit()? == 1 {
                    3 + stream.bit()?
                } else {
                    stream.number(most)? + 3
                };
                (0x500, length)
            }
        };
        let length = usize::try_from(length + 1 + u32::from(last > far)).ok()?;
        copy(&mut out, usize::try_from(last).ok()?, length, size)?;
    }
}

/// Appends `length` bytes from `offset` before the end, which may be among those that are being appended.
fn copy(out: &mut Vec<u8>, offset: usize, length: usize, size: usize) -> Option<()> {
    let from = out.len().checked_sub(offset)?;
    if length > size - out.len() {
        return None;
    }
    let mut left = length;
    while left > 0 {
        let n = left.min(out.len() - from);
        out.extend_from_within(from..from + n);
        left -= n;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn never_panics(bytes in any::<Vec<u8>>(), size in 0_usize..5000, width in prop::sample::select(vec![1, 2, 4])) {
            for code in [Code::B, Code::D, Code::E] {
                let out = unpack(&bytes, size, code, width);
                prop_assert!(out.is_none_or(|out| out.len() == size));
            }
        }
    }
}
