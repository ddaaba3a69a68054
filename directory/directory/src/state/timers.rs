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
pub(super) type TimerKey = (Instant, u64);

/// All timers, by time.
#[derive(Default)]
pub(super) struct Timers {
    queue: BTreeMap<TimerKey, Timer>,
    scheduled: u64,
}

impl Timers {
    pub(super) fn schedule(&mut self, at: Instant, timer: Timer) -> TimerKey {
        self.scheduled += 1;
        let key = (at, self.scheduled);
        self.queue.insert(key, timer);
        key
    }

    pub(super) fn cancel(&mut self, key: TimerKey) {
        self.queue.remove(&key);
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// The earliest timer whose time has come.
    pub(super) fn due(&mut self, now: Instant) -> Option<Timer> {
        (self.next_deadline()? <= now).then(|| self.queue.pop_first().map(|(_, timer)| timer))?
    }
}
