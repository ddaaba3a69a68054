//! What others can cause as often as they like, and is held back: when they were seen, on the disk, and notifications.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use device::desktop::{self, Notification};
use identity::Identifier;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::contacts::about::LastSeen;

/// How often the contact list is written because somebody went.
const WRITTEN: Duration = Duration::from_secs(60);

/// Programs that show notifications at the same time; what comes meanwhile is not shown.
const PROGRAMS: usize = 3;

/// When contacts were seen last, as far as it is not on the disk yet.
#[derive(Default)]
pub(super) struct SeenLast {
    waiting: BTreeMap<Identifier, LastSeen>,
    written: Option<Instant>,
}

impl SeenLast {
    /// Takes more; gives what is to be written now, if it is time. The rest is written with what comes later, or at the end.
    pub(super) fn take(
        &mut self,
        seen: BTreeMap<Identifier, LastSeen>,
        now: Instant,
    ) -> Option<BTreeMap<Identifier, LastSeen>> {
        self.waiting.extend(seen);
        if self.written.is_some_and(|written| now < written + WRITTEN) {
            return None;
        }
        self.written = Some(now);
        Some(std::mem::take(&mut self.waiting))
    }

    /// All that is left, with these.
    pub(super) fn rest(&mut self, seen: BTreeMap<Identifier, LastSeen>) -> BTreeMap<Identifier, LastSeen> {
        self.waiting.extend(seen);
        std::mem::take(&mut self.waiting)
    }
}

/// Shows notifications, a few at a time.
pub(super) struct Notifier(Arc<Semaphore>);

impl Default for Notifier {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PROGRAMS)))
    }
}

impl Notifier {
    pub(super) fn show(&self, notification: Notification) {
        let Ok(place) = self.0.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            // A desktop that is not there is no reason to say anything.
            let _ = desktop::notify(&notification, true).await;
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::tests::{now, who};

    #[test]
    fn whoever_comes_and_goes_all_the_time_is_written_once_a_minute() {
        let (mut seen, began) = (SeenLast::default(), Instant::now());
        let one = |name: &str| [(who(name), LastSeen::new(now()))].into();
        assert_eq!(seen.take(one("bob"), began), Some(one("bob")), "the first at once");
        for second in 1..60 {
            assert_eq!(seen.take(one("carol"), began + Duration::from_secs(second)), None);
        }
        let later = seen.take(one("bob"), began + WRITTEN).unwrap();
        assert_eq!(later.len(), 2, "nobody is forgotten");
        assert_eq!(seen.take(one("carol"), began + WRITTEN), None);
        assert_eq!(seen.rest(one("bob")).len(), 2, "and the end writes what is left");
        assert!(seen.rest(BTreeMap::new()).is_empty());
    }
}
