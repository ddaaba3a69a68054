//! Sleep: a device that was away for longer than a session may be has nothing to go on with.

use std::time::Duration;

use super::seeking::LIFE;
use super::{Action, Core};
use crate::time::Now;

/// When the core last looked at the clocks.
#[derive(Default)]
pub(super) struct Clock {
    last: Option<Now>,
}

impl Clock {
    /// For how long the machine stood still since the last look, if no session outlasts it. Where the clock for waiting stands still, too,
    /// the clock on the wall tells.
    fn slept(&mut self, now: Now) -> Option<Duration> {
        let last = self.last.replace(now)?;
        let waited = now.instant.saturating_duration_since(last.instant);
        let wall = Duration::from_secs(now.unix.as_secs().saturating_sub(last.unix.as_secs()));
        Some(waited.max(wall)).filter(|slept| *slept > LIFE)
    }
}

impl Core {
    /// Ends what a sleep has outlasted.
    pub(super) fn end_slept(&mut self, now: Now) {
        if let Some(slept) = self.clock.slept(now) {
            // The directory may have given this device up as well.
            self.actions.push_back(Action::FollowNetwork);
            self.close_all_links(&format!("this device stood still for {} s", slept.as_secs()), now);
        }
    }
}
