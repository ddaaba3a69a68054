//! When past epochs ended: their keys are kept no longer than [`PAST_EPOCH_LIFE`] after that, by the clock of whoever asks.
//! openmls knows the system's clock alone, and stamps an epoch with its beginning.

use std::collections::VecDeque;
use std::time::{Instant, UNIX_EPOCH};

use openmls::group::PastEpochDeletion;

use super::settings::{MAX_PAST_EPOCHS, PAST_EPOCH_LIFE};

/// The ends of the epochs whose keys openmls still has, oldest first.
#[derive(Default)]
pub(super) struct Past(VecDeque<Instant>);

impl Past {
    /// The current epoch ends now.
    pub(super) fn ended(&mut self, now: Instant) {
        self.0.push_back(now);
        // As openmls does by itself.
        if self.0.len() > MAX_PAST_EPOCHS {
            self.0.pop_front();
        }
    }

    /// When the next keys are to go.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.front().map(|ended| *ended + PAST_EPOCH_LIFE)
    }

    /// What openmls has to delete by now.
    pub(super) fn due(&mut self, now: Instant) -> Option<PastEpochDeletion> {
        let before = self.0.len();
        self.0.retain(|ended| now < *ended + PAST_EPOCH_LIFE);
        // The number alone decides: nothing began before 1970.
        (self.0.len() < before).then(|| PastEpochDeletion::before_timestamp(UNIX_EPOCH).max_past_epochs(self.0.len()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_epoch_is_due_at_its_own_end_and_no_more_are_kept_than_openmls_has() {
        let (mut past, now) = (Past::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(past.deadline(), None);
        for end in 0..3 {
            past.ended(now + end * second);
        }
        assert_eq!(past.0.len(), MAX_PAST_EPOCHS);
        assert_eq!(past.deadline(), Some(now + second + PAST_EPOCH_LIFE));
        assert!(past.due(now + PAST_EPOCH_LIFE).is_none());
        assert!(past.due(now + second + PAST_EPOCH_LIFE).is_some());
        assert_eq!(past.deadline(), Some(now + 2 * second + PAST_EPOCH_LIFE));
        assert!(past.due(now + 2 * second + PAST_EPOCH_LIFE).is_some());
        assert_eq!(past.deadline(), None);
    }
}
