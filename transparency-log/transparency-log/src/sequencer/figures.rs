//! How a log has worked since it was opened: for its operator's figures.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How many batches there were, and what they took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchFigures {
    /// Batches that were published.
    pub batches: u64,
    /// Entries in them.
    pub entries: u64,
    /// From the moment at which they were closed until they were published, all together.
    pub took: Duration,
}

/// Counts them.
#[derive(Default)]
pub(super) struct Counters {
    batches: AtomicU64,
    entries: AtomicU64,
    nanoseconds: AtomicU64,
}

impl Counters {
    pub(super) fn count(&self, entries: usize, took: Duration) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(entries as u64, Ordering::Relaxed);
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn figures(&self) -> BatchFigures {
        BatchFigures {
            batches: self.batches.load(Ordering::Relaxed),
            entries: self.entries.load(Ordering::Relaxed),
            took: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)),
        }
    }
}
