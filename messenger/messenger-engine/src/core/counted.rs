//! What members sign for members to whom they have no connection, letters and circulars: of each author's each counts once
//! and each has her own share of what this device carries.

use std::collections::{BTreeMap, BTreeSet};

use super::carrying::{Limits, Share};
use crate::room::DeviceKey;
use crate::time::Now;

/// See the module.
pub(super) struct Counted {
    /// The epoch in which this device came in.
    since: u64,
    limits: &'static Limits,
    came: BTreeMap<DeviceKey, Window>,
    shares: BTreeMap<DeviceKey, Share>,
}

/// Which of the last 64 numbers have come; all before them count as if they had.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    highest: u64,
    /// Bit n: `highest - n` has come.
    seen: u64,
}

impl Window {
    fn is_new(self, number: u64) -> bool {
        match self.highest.checked_sub(number) {
            None => true,
            Some(behind) => number > 0 && behind < 64 && self.seen & (1 << behind) == 0,
        }
    }

    fn note(&mut self, number: u64) {
        match number.checked_sub(self.highest) {
            Some(ahead) => {
                let seen = u32::try_from(ahead).ok().and_then(|ahead| self.seen.checked_shl(ahead)).unwrap_or(0);
                *self = Self { highest: number, seen: seen | 1 };
            }
            None => self.seen |= 1_u64.checked_shl((self.highest - number).try_into().unwrap_or(64)).unwrap_or(0),
        }
    }
}

impl Counted {
    pub(super) fn new(since: u64, limits: &'static Limits) -> Self {
        Self { since, limits, came: BTreeMap::new(), shares: BTreeMap::new() }
    }

    /// Whether what is of an epoch and has a number may be opened in this epoch: it is of this one, the one before or a later one, and
    /// did not come before.
    pub(super) fn is_new(&self, from: DeviceKey, (of, number): (u64, u64), epoch: u64) -> bool {
        let window = self.came.get(&from).copied().unwrap_or_default();
        of.saturating_add(1) >= epoch && of >= self.since && window.is_new(number)
    }

    /// Whether nothing that she numbered later has come.
    pub(super) fn is_latest(&self, from: DeviceKey, number: u64) -> bool {
        self.came.get(&from).is_none_or(|window| window.highest < number)
    }

    pub(super) fn note(&mut self, from: DeviceKey, number: u64) {
        self.came.entry(from).or_default().note(number);
    }

    /// Whether so many bytes of hers are carried.
    pub(super) fn may_carry(&mut self, from: DeviceKey, bytes: usize, now: Now) -> bool {
        let limits = self.limits;
        self.shares.entry(from).or_insert_with(|| Share::new(limits, now.instant)).take(bytes, now.instant)
    }

    /// Who has entered counts from 1 on, whoever she was before.
    pub(super) fn begin(&mut self, device: DeviceKey) {
        self.came.remove(&device);
    }

    /// Who is in the room no longer is forgotten.
    pub(super) fn keep(&mut self, devices: &BTreeSet<DeviceKey>) {
        self.came.retain(|device, _| devices.contains(device));
        self.shares.retain(|device, _| devices.contains(device));
    }
}

#[cfg(test)]
mod tests {
    use super::super::carrying::LETTERS;
    use super::*;

    const FROM: DeviceKey = DeviceKey([2; 32]);

    #[test]
    fn each_number_counts_once_also_if_one_overtakes_another() {
        let mut counted = Counted::new(0, &LETTERS);
        for number in [1, 3, 2, 70, 69, 7] {
            assert!(counted.is_new(FROM, (0, number), 0), "{number}");
            counted.note(FROM, number);
            assert!(!counted.is_new(FROM, (0, number), 0), "{number}");
        }
        assert!(!counted.is_new(FROM, (0, 0), 0), "no number");
        assert!(!counted.is_new(FROM, (0, 6), 0), "too long ago to know");
        assert!(counted.is_new(FROM, (0, 8), 0));
        counted.note(FROM, u64::MAX);
        assert!(!counted.is_new(FROM, (0, u64::MAX), 0) && counted.is_new(FROM, (0, u64::MAX - 1), 0));
        counted.begin(FROM);
        assert!(counted.is_new(FROM, (0, 1), 0), "she came anew");
    }

    #[test]
    fn what_was_written_in_an_epoch_long_ago_or_before_one_came_counts_no_more() {
        let counted = Counted::new(5, &LETTERS);
        for (of, at, counts) in [(5, 5, true), (4, 5, false), (5, 6, true), (5, 7, false), (9, 5, true)] {
            assert_eq!(counted.is_new(FROM, (of, 1), at), counts, "of {of} at {at}");
        }
        assert!(counted.is_new(FROM, (u64::MAX, 1), 5));
    }
}
