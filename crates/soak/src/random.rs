//! Numbers that follow from a seed.

use std::time::Duration;

/// Sebastiano Vigna's SplitMix64: short, and good enough to choose by.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Begins with a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of `least` to `most`, both included, small ones as likely as large ones: by their logarithm.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        let share = (self.number() >> 11) as f64 / (1_u64 << 53) as f64;
        let (low, high) = (least.max(1) as f64, most.max(1) as f64 + 1.0);
        ((low * (high / low).powf(share)) as u64).clamp(least, most)
    }

    /// As [`between`](Self::between), in milliseconds.
    pub fn pause(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.between(least, most))
    }

    /// True so often of a hundred times.
    pub const fn percent(&mut self, share: u64) -> bool {
        self.number() % 100 < share
    }
}
