//! Numbers that look random and come from a seed (SplitMix64).

use crate::door::{Heard, Trouble};
use std::time::Duration;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    /// A moment before `end`.
    pub(super) fn part_of(&mut self, end: Duration) -> Duration {
        end.mul_f64(self.roll(1_000) as f64 / 1_000.0)
    }

    /// Something bad; a stall outlasts `patience`.
    pub(super) fn trouble(&mut self, patience: Duration) -> (Trouble, Heard) {
        let trouble = match self.roll(8) {
            0 | 1 => Trouble::Status(429, Some(0)),
            2 => Trouble::Status(429, Some(1)),
            3 | 4 => Trouble::Status(500, None),
            5 | 6 => Trouble::Reset,
            _ => Trouble::Stall(patience + Duration::from_millis(250)),
        };
        (trouble, if self.roll(2) == 0 { Heard::Yes } else { Heard::No })
    }
}
