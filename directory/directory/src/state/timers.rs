//! What is due when.

use super::ConnectionId;
use bytes::Bytes;
use directory_protocol::message::CallId;
use std::collections::BTreeMap;
use std::time::Instant;

/// Something that happens at a time.
#[derive(Debug)]
pub(super) enum Timer {
    /// A negative answer leaves.
    Answer { to: ConnectionId, frame: Bytes },
    /// A call has rung long enough.
    NoAnswer { call: CallId },
    /// A certificate ends.
    Expired { id: ConnectionId },
    /// The rate limits of somebody who has gone, or of her address, are full again and need not be remembered.
    Recovered { number: u64 },
}

/// Names a scheduled timer. The number makes two of the same instant distinct, and keeps their order.
pub(crate) type TimerKey = (Instant, u64);

/// All timers, by time.
pub(crate) struct Timers<T> {
    queue: BTreeMap<TimerKey, T>,
    scheduled: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { queue: BTreeMap::new(), scheduled: 0 }
    }
}

impl<T> Timers<T> {
    pub(crate) fn schedule(&mut self, at: Instant, timer: T) -> TimerKey {
        self.scheduled += 1;
        let key = (at, self.scheduled);
        self.queue.insert(key, timer);
        key
    }

    pub(crate) fn cancel(&mut self, key: TimerKey) {
        self.queue.remove(&key);
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// The earliest timer whose time has come.
    pub(crate) fn due(&mut self, now: Instant) -> Option<T> {
        (self.next_deadline()? <= now).then(|| self.queue.pop_first().map(|(_, timer)| timer))?
    }
}
