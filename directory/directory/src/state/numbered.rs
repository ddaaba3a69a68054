//! Tables by numbers that this directory, or a node of it, gave out: connections, and the keyed hashes of people and addresses.
//! Nobody outside chooses them, so their hash need not withstand anybody; and each request looks up a dozen.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

pub(crate) type Numbered<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;

/// Spreads a number over 64 bits (Fibonacci hashing: 2^64 divided by the golden ratio, made odd).
#[derive(Default)]
pub(crate) struct Spread(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for Spread {
    fn write_u64(&mut self, number: u64) {
        let spread = (self.0 ^ number).wrapping_mul(GOLDEN);
        // The product's upper bits depend on all of the number; a table takes its place from the lower ones.
        self.0 = spread ^ (spread >> 32);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::ConnectionId;
    use std::collections::HashSet;
    use std::hash::BuildHasher;

    /// By the bits that say where in a table, and by those that tell apart what is there.
    #[test]
    fn numbers_in_a_row_are_far_apart() {
        let hash = |n| BuildHasherDefault::<Spread>::default().hash_one(ConnectionId(n));
        for begin in [0, 77 << 37, u64::MAX - 1_023] {
            let hashes: Vec<u64> = (0..1_024).map(|n| hash(begin + n)).collect();
            let places: HashSet<u64> = hashes.iter().map(|hash| hash % 2_048).collect();
            let marks: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
            assert!(places.len() > 700, "{} of 2,048 places", places.len());
            assert_eq!(marks.len(), 128);
        }
    }
}
