//! When a log that could not be opened is tried again: after pauses that double, for whom it waits on (a witness that has to
//! learn its key) is a human being.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LAST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// The logs that could not be opened, by their origins.
#[derive(Default)]
pub(super) struct Attempts(BTreeMap<String, Attempt>);

struct Attempt {
    next: Instant,
    pause: Duration,
}

impl Attempts {
    /// Whether the log is to be tried now.
    pub(super) fn is_due(&self, origin: &str, now: Instant) -> bool {
        self.0.get(origin).is_none_or(|attempt| attempt.next <= now)
    }

    /// The log was tried, and did not open.
    pub(super) fn failed(&mut self, origin: &str, now: Instant) {
        let pause = self.0.get(origin).map_or(FIRST_PAUSE, |attempt| (attempt.pause * 2).min(LAST_PAUSE));
        self.0.insert(origin.to_owned(), Attempt { next: now + pause, pause });
    }

    /// The log is open.
    pub(super) fn succeeded(&mut self, origin: &str) {
        self.0.remove(origin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_minutes_for_each_log_by_itself() {
        let mut attempts = Attempts::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..10 {
            assert!(attempts.is_due("a", now) && attempts.is_due("b", now));
            attempts.failed("a", now);
            let begun = now;
            while !attempts.is_due("a", now) {
                now += Duration::from_secs(1);
            }
            pauses.push((now - begun).as_secs());
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        attempts.succeeded("a");
        attempts.failed("a", now);
        assert!(attempts.is_due("a", now + FIRST_PAUSE));
    }
}
