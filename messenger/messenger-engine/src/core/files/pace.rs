//! How fast a transfer goes, and how often that is told.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// It is told no more often than this.
const PAUSE: Duration = Duration::from_millis(500);
/// The rate is that of so long a time.
const OVER: Duration = Duration::from_secs(5);

/// What was measured of a transfer. At most one measurement each [`PAUSE`] is kept.
#[derive(Default)]
pub(super) struct Pace {
    measured: VecDeque<(Instant, u64)>,
}

impl Pace {
    /// A stream begins: what lies before it says nothing of its rate.
    pub(super) fn begins(&mut self) {
        self.measured.clear();
    }

    /// So many bytes are done. Returns bytes per second and seconds left, if they are to be told.
    pub(super) fn moved(&mut self, done: u64, bytes: u64, now: Instant) -> Option<(u64, Option<u64>)> {
        if self.measured.back().is_some_and(|(last, _)| now < *last + PAUSE) {
            return None;
        }
        self.measured.push_back((now, done));
        while self.measured.len() > 2 && self.measured.front().is_some_and(|(first, _)| *first + OVER < now) {
            self.measured.pop_front();
        }
        let (first, before) = *self.measured.front()?;
        let took = now.duration_since(first).as_secs_f64();
        let moved = done.saturating_sub(before);
        // The first measurement has nothing to be compared with.
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate"
        )]
        let rate = if took > 0.0 { (moved as f64 / took) as u64 } else { 0 };
        Some((rate, bytes.saturating_sub(done).checked_div(rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds_and_told_twice_a_second() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(pace.moved(0, 1000, at(0)), Some((0, None)), "nothing to compare with");
        assert_eq!(pace.moved(10, 1000, at(499)), None, "too soon");
        assert_eq!(pace.moved(50, 1000, at(500)), Some((100, Some(9))));
        assert_eq!(pace.moved(100, 1000, at(1000)), Some((100, Some(9))));
        for step in 0..40 {
            pace.moved(100, 1000, at(1500 + step * 500));
        }
        assert_eq!(pace.moved(100, 1000, at(30_000)), Some((0, None)), "it stands still");
        assert!(pace.measured.len() < 20);
        pace.begins();
        assert_eq!(pace.moved(500, 1000, at(40_000)), Some((0, None)), "what was before says nothing");
    }
}
