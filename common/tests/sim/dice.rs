//! Numbers that can be had again.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// What `new` takes to go on from here.
    pub(crate) fn state(&self) -> u64 {
        self.0
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of 0..`sides`.
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        (self.next() >> 11) as usize % sides.max(1)
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.roll(100) < chance
    }

    /// Up to `most` milliseconds.
    pub(crate) fn millis(&mut self, most: usize) -> Duration {
        Duration::from_millis(self.roll(most + 1) as u64)
    }
}
