//! Chance that can be had again.

use std::{env, time::Duration};

use crate::wait::now;

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as this number says.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// Dice that fall as `TOKENVPN_SEED` says, or as they like; they print the number, which a
    /// failing test then shows.
    ///
    /// # Panics
    /// If the variable holds no number.
    pub fn thrown() -> Dice {
        let seed = match env::var("TOKENVPN_SEED") {
            Ok(text) => text.parse().expect("TOKENVPN_SEED is a number"),
            Err(_) => now().since(crate::wait::Now::from_nanos(0)).as_nanos() as u64,
        };
        eprintln!("TOKENVPN_SEED={seed} does this again");
        Dice(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of 0..`sides`; 0 of none.
    pub fn roll(&mut self, sides: usize) -> usize {
        (self.number() >> 11) as usize % sides.max(1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.roll(100) < chance
    }

    /// Up to `most`, to the millisecond.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        Duration::from_millis(self.roll(most.as_millis() as usize + 1) as u64)
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.number() as u8).collect()
    }
}
