//! How much a device carries for each member of a room: whoever floods uses up her own share (rules ).

use std::time::{Duration, Instant};

/// How much one member may have carried.
pub(super) struct Limits {
    /// How many in one go.
    number: u32,
    /// How many more a second.
    number_a_second: u32,
    /// How many bytes in one go.
    bytes: usize,
    /// How many more a second.
    bytes_a_second: usize,
}

/// Of letters.
pub(super) const LETTERS: Limits =
    Limits { number: 256, number_a_second: 64, bytes: 4 * 1024 * 1024, bytes_a_second: 512 * 1024 };

/// Of circulars; their bytes count for each receiver (rule R-54).
pub(super) const CIRCULARS: Limits =
    Limits { number: 64, number_a_second: 16, bytes: 32 * 1024 * 1024, bytes_a_second: 4 * 1024 * 1024 };

/// What is left of a member's share.
pub(super) struct Share {
    limits: &'static Limits,
    number: u32,
    bytes: usize,
    since: Instant,
}

impl Share {
    /// All of it.
    pub(super) fn new(limits: &'static Limits, now: Instant) -> Self {
        Self { limits, number: limits.number, bytes: limits.bytes, since: now }
    }

    /// Takes one of so many bytes out of it. Returns false if not so much is left.
    pub(super) fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let Limits { number, number_a_second, bytes: all, bytes_a_second } = *self.limits;
        let seconds = u32::try_from(now.saturating_duration_since(self.since).as_secs()).unwrap_or(u32::MAX);
        self.since += Duration::from_secs(seconds.into());
        self.number = self.number.saturating_add(number_a_second.saturating_mul(seconds)).min(number);
        self.bytes = self.bytes.saturating_add(bytes_a_second.saturating_mul(seconds as usize)).min(all);
        if self.number == 0 || self.bytes < bytes {
            return false;
        }
        self.number -= 1;
        self.bytes -= bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(share: &mut Share, bytes: usize, now: Instant) -> usize {
        (0..100_000).take_while(|_| share.take(bytes, now)).count()
    }

    #[test]
    fn a_share_ends_and_comes_again_with_time() {
        let begin = Instant::now();
        let mut share = Share::new(&LETTERS, begin);
        assert_eq!(carried(&mut share, 1, begin), LETTERS.number as usize);
        assert_eq!(carried(&mut share, 1, begin + Duration::from_millis(2_900)), 2 * LETTERS.number_a_second as usize);
        assert_eq!(
            carried(&mut share, 1, begin + Duration::from_secs(3)),
            LETTERS.number_a_second as usize,
            "no part is lost"
        );
        assert_eq!(carried(&mut share, 1, begin + Duration::from_secs(3600)), LETTERS.number as usize);
    }

    #[test]
    fn long_letters_use_it_up_sooner() {
        let begin = Instant::now();
        let mut share = Share::new(&LETTERS, begin);
        assert_eq!(carried(&mut share, LETTERS.bytes_a_second, begin), LETTERS.bytes / LETTERS.bytes_a_second);
        assert!(!share.take(1, begin));
        assert_eq!(carried(&mut share, LETTERS.bytes_a_second, begin + Duration::from_secs(2)), 2);
    }
}
