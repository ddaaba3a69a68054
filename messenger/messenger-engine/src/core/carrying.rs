//! How much a device carries for each member of a room: whoever floods uses up her own share (rule R-45).

use std::time::{Duration, Instant};

/// How many letters of one member are passed on in one go.
const LETTERS: u32 = 256;
/// How many more a second.
const LETTERS_A_SECOND: u32 = 64;
/// How many bytes of one member's in one go.
const BYTES: usize = 4 * 1024 * 1024;
/// How many more a second.
const BYTES_A_SECOND: usize = 512 * 1024;

/// What is left of a member's share.
pub(super) struct Share {
    letters: u32,
    bytes: usize,
    since: Instant,
}

impl Share {
    /// All of it.
    pub(super) fn new(now: Instant) -> Self {
        Self { letters: LETTERS, bytes: BYTES, since: now }
    }

    /// Takes a letter of so many bytes out of it. Returns false if not so much is left.
    pub(super) fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let seconds = u32::try_from(now.saturating_duration_since(self.since).as_secs()).unwrap_or(u32::MAX);
        self.since += Duration::from_secs(seconds.into());
        self.letters = self.letters.saturating_add(LETTERS_A_SECOND.saturating_mul(seconds)).min(LETTERS);
        self.bytes = self.bytes.saturating_add(BYTES_A_SECOND.saturating_mul(seconds as usize)).min(BYTES);
        if self.letters == 0 || self.bytes < bytes {
            return false;
        }
        self.letters -= 1;
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
        let mut share = Share::new(begin);
        assert_eq!(carried(&mut share, 1, begin), LETTERS as usize);
        assert_eq!(carried(&mut share, 1, begin + Duration::from_millis(2_900)), 2 * LETTERS_A_SECOND as usize);
        assert_eq!(
            carried(&mut share, 1, begin + Duration::from_secs(3)),
            LETTERS_A_SECOND as usize,
            "no part is lost"
        );
        assert_eq!(carried(&mut share, 1, begin + Duration::from_secs(3600)), LETTERS as usize);
    }

    #[test]
    fn long_letters_use_it_up_sooner() {
        let begin = Instant::now();
        let mut share = Share::new(begin);
        assert_eq!(carried(&mut share, BYTES_A_SECOND, begin), BYTES / BYTES_A_SECOND);
        assert!(!share.take(1, begin));
        assert_eq!(carried(&mut share, BYTES_A_SECOND, begin + Duration::from_secs(2)), 2);
    }
}
