//! Chance that can be played again: a small generator whose seed is printed, so that a failing run can be repeated.
//!
//! It chooses moments and words for tests. It never makes a key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence that belongs to `seed`.
    #[must_use]
    pub const fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A moment between now and `limit`, in whole microseconds.
    pub fn up_to(&mut self, limit: Duration) -> Duration {
        let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(self.next() % micros)
    }

    /// `length` bytes of noise.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

/// A seed from the environment (`INPERSON_SEED`, decimal) or from the clock, to be printed by whoever uses it.
#[must_use]
pub fn seed() -> u64 {
    std::env::var("INPERSON_SEED").ok().and_then(|text| text.trim().parse().ok()).unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::from(since.subsec_nanos()) ^ (since.as_secs() << 20) ^ u64::from(std::process::id())
    })
}

/// A word of sixteen hexadecimal digits that has never been used before: what a search for it finds can only be it.
#[must_use]
pub fn unheard_of() -> String {
    let mut random = Random::from_seed(seed() ^ 0x7465_7874);
    format!("{:016x}", random.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_sequence() {
        let (mut first, mut second) = (Random::from_seed(7), Random::from_seed(7));
        assert_eq!(first.bytes(100), second.bytes(100));
        assert!(first.up_to(Duration::from_millis(5)) < Duration::from_millis(5));
    }
}
