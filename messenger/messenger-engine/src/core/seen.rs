//! What was shown already: a text sent again with its id shows once. Senders count their ids, mostly: those that follow one
//! another are kept as a run of them, by where it begins and where it ends.

use std::collections::BTreeMap;

use lru::LruCache;

use crate::api::RoomId;
use crate::room::DeviceKey;

/// How many devices are remembered.
const DEVICES: usize = 512;

/// How many runs of ids per device: at least as many texts, however their ids follow one another.
const RUNS: usize = 4096;

/// A sender's text: the run of her program, the room if any, her id for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) run: [u8; 8],
    pub(super) room: Option<RoomId>,
    pub(super) id: u64,
}

/// Remembers the last texts shown of the last devices, in memory.
pub(super) struct Seen {
    devices: LruCache<DeviceKey, Recent>,
}

/// What one device has sent.
#[derive(Default)]
struct Recent {
    /// Runs of ids by their first text. No two have a text in common.
    runs: BTreeMap<Key, Run>,
    /// Their first texts by when they grew last.
    order: BTreeMap<u64, Key>,
    /// When one grew last, in runs that grew.
    grown: u64,
}

struct Run {
    last: u64,
    grown: u64,
}

impl Recent {
    /// The run that begins at this text or next before it, in the same run of the program and the same room.
    fn before(&self, key: &Key) -> Option<(Key, &Run)> {
        let (first, run) = self.runs.range(..=*key).next_back()?;
        ((first.run, first.room) == (key.run, key.room)).then_some((*first, run))
    }

    fn knows(&self, key: &Key) -> bool {
        self.before(key).is_some_and(|(_, run)| key.id <= run.last)
    }

    fn add(&mut self, key: Key) -> bool {
        let before = self.runs.range_mut(..=key).next_back();
        let before = before.filter(|(first, _)| (first.run, first.room) == (key.run, key.room));
        let (first, run) = match before {
            Some((_, run)) if key.id <= run.last => return false,
            Some((first, run)) if key.id - 1 == run.last => (*first, run),
            _ => (key, self.runs.entry(key).or_insert(Run { last: key.id, grown: 0 })),
        };
        run.last = key.id;
        // Mostly it is the one that grew last, too, and keeps its place.
        if run.grown != self.grown || self.grown == 0 {
            self.order.remove(&run.grown);
            self.grown += 1;
            run.grown = self.grown;
            self.order.insert(self.grown, first);
        }
        if self.runs.len() > RUNS
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.runs.remove(&oldest);
        }
        true
    }
}

impl Default for Seen {
    fn default() -> Self {
        Self { devices: LruCache::new(DEVICES.try_into().expect("not zero")) }
    }
}

impl Seen {
    /// How many devices are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether this text was remembered.
    pub(super) fn knows(&self, device: DeviceKey, key: &Key) -> bool {
        self.devices.peek(&device).is_some_and(|recent| recent.knows(key))
    }

    /// Remembers a text. Returns whether it is new.
    pub(super) fn add(&mut self, device: DeviceKey, key: Key) -> bool {
        self.devices.get_or_insert_mut(device, Recent::default).add(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_new_once_per_device_run_and_room() {
        let mut seen = Seen::default();
        let (a, b) = (DeviceKey([1; 32]), DeviceKey([2; 32]));
        let key = Key { run: [0; 8], room: None, id: 7 };
        assert!(seen.add(a, key));
        assert!(!seen.add(a, key));
        assert!(seen.add(b, key));
        assert!(seen.add(a, Key { run: [1; 8], ..key }));
        assert!(seen.add(a, Key { room: Some(RoomId([0; 16])), ..key }));
        assert!(seen.add(a, Key { id: 8, ..key }));
    }

    const A: DeviceKey = DeviceKey([1; 32]);

    fn key(id: u64) -> Key {
        Key { run: [0; 8], room: None, id }
    }

    fn runs(seen: &Seen) -> (usize, usize) {
        let recent = seen.devices.peek(&A).unwrap();
        (recent.runs.len(), recent.order.len())
    }

    #[test]
    fn ids_that_follow_one_another_are_one_run() {
        let mut seen = Seen::default();
        for id in 1..=100_000 {
            assert!(!seen.knows(A, &key(id)));
            assert!(seen.add(A, key(id)));
        }
        assert_eq!(runs(&seen), (1, 1));
        for id in [1, 2, 50_000, 100_000] {
            assert!(seen.knows(A, &key(id)) && !seen.add(A, key(id)), "{id}");
        }
        for id in [0, 100_001, u64::MAX] {
            assert!(!seen.knows(A, &key(id)), "{id}");
        }
        let elsewhere = Key { room: Some(RoomId([0; 16])), ..key(7) };
        assert!(!seen.knows(A, &elsewhere) && !seen.knows(A, &Key { run: [1; 8], ..key(7) }));
    }

    #[test]
    fn ids_in_any_order_are_each_new_once() {
        let mut seen = Seen::default();
        // Each number below 512 once, scattered.
        for step in 0..512 {
            let id = step * 205 % 512;
            assert!(!seen.knows(A, &key(id)), "{id}");
            assert!(seen.add(A, key(id)) && seen.knows(A, &key(id)) && !seen.add(A, key(id)), "{id}");
        }
        for id in [u64::MAX, u64::MAX - 1] {
            assert!(seen.add(A, key(id)) && !seen.add(A, key(id)));
        }
        assert!((0..512).all(|id| seen.knows(A, &key(id))) && !seen.knows(A, &key(512)));
    }

    #[test]
    fn memory_is_bounded_and_the_last_texts_are_in_it() {
        let mut seen = Seen::default();
        // One run that grows all the time, and others that never do.
        let count = 3 * RUNS as u64;
        let alone = |number: u64| key((1 << 40) + 2 * number);
        for number in 0..count {
            seen.add(A, key(number));
            seen.add(A, alone(number));
        }
        assert_eq!(runs(&seen), (RUNS, RUNS));
        assert!((0..count).all(|number| seen.knows(A, &key(number))), "it grew last");
        let kept = (0..count).filter(|number| seen.knows(A, &alone(*number))).count();
        assert_eq!(kept, RUNS - 1);
        assert!((count - kept as u64..count).all(|number| seen.knows(A, &alone(number))), "the last ones");
    }
}
