//! Which messages this process is handing over: a message that its authorization calls under way, and that is not among
//! them, may be lost.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Nobody answers a request from a record that was read longer ago.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// What a message is known by: the stored hash of the secret in it.
pub(super) type Mark = [u8; 32];

/// The messages this process is handing over. One whose fate was noted stays for a while: whoever read its authorization
/// just before the note would take it for lost.
#[derive(Default)]
pub(crate) struct UnderWay(Mutex<Marks>);

#[derive(Default)]
struct Marks {
    all: HashSet<Mark>,
    /// Those whose fate was noted, and when, in seconds since the epoch; the oldest in front.
    noted: VecDeque<(u64, Mark)>,
}

impl UnderWay {
    pub(super) fn begin(self: &Arc<Self>, mark: Mark) -> Handing {
        self.marks().all.insert(mark);
        Handing { under_way: Arc::clone(self), mark, noted: None }
    }

    pub(super) fn contains(&self, mark: Mark) -> bool {
        self.marks().all.contains(&mark)
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Marks {
    fn end(&mut self, mark: Mark, noted: Option<u64>) {
        let Some(now) = noted else {
            self.all.remove(&mark);
            return;
        };
        self.noted.push_back((now, mark));
        while let Some((_, old)) = self.noted.pop_front_if(|(at, _)| *at + READ_WITHIN.as_secs() < now) {
            self.all.remove(&old);
        }
    }
}

/// One message being handed over; ends with this value.
pub(super) struct Handing {
    under_way: Arc<UnderWay>,
    mark: Mark,
    /// When its fate was noted in the authorization, in seconds since the epoch.
    pub(super) noted: Option<u64>,
}

impl Drop for Handing {
    fn drop(&mut self) {
        self.under_way.marks().end(self.mark, self.noted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000;

    #[test]
    fn a_message_whose_fate_was_noted_is_not_taken_for_lost_by_who_read_its_record_before() {
        let under_way = Arc::new(UnderWay::default());
        let mut first = under_way.begin([1; 32]);
        first.noted = Some(NOW);
        drop(first);
        assert!(under_way.contains([1; 32]));
        // It is forgotten with the first one that ends a minute later.
        for (mark, at, kept) in [(2, NOW + 60, true), (3, NOW + 61, false)] {
            let mut next = under_way.begin([mark; 32]);
            next.noted = Some(at);
            drop(next);
            assert_eq!((under_way.contains([mark; 32]), under_way.contains([1; 32])), (true, kept), "{at}");
        }
    }

    #[test]
    fn a_message_whose_fate_could_not_be_noted_may_be_lost() {
        let under_way = Arc::new(UnderWay::default());
        let handing = under_way.begin([1; 32]);
        assert!(under_way.contains([1; 32]));
        drop(handing);
        assert!(!under_way.contains([1; 32]));
    }
}
