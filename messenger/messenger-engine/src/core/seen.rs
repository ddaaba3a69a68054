//! What was shown already: a text sent again with its id shows once.

use std::collections::{HashSet, VecDeque};

use lru::LruCache;

use crate::api::RoomId;
use crate::room::DeviceKey;

/// How many devices are remembered.
const DEVICES: usize = 512;

/// How many texts per device.
const TEXTS: usize = 4096;

/// A sender's text: the run of her program, the room if any, her id for it.
pub(super) type Key = ([u8; 8], Option<RoomId>, u64);

/// Remembers the last texts shown of the last devices, in memory.
pub(super) struct Seen {
    devices: LruCache<DeviceKey, Recent>,
}

#[derive(Default)]
struct Recent {
    keys: HashSet<Key>,
    order: VecDeque<Key>,
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
        self.devices.peek(&device).is_some_and(|recent| recent.keys.contains(key))
    }

    /// Remembers a text. Returns whether it is new.
    pub(super) fn add(&mut self, device: DeviceKey, key: Key) -> bool {
        let recent = self.devices.get_or_insert_mut(device, Recent::default);
        if !recent.keys.insert(key) {
            return false;
        }
        recent.order.push_back(key);
        if recent.order.len() > TEXTS
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.keys.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_new_once_per_device_run_and_room() {
        let mut seen = Seen::default();
        let (a, b) = (DeviceKey([1; 32]), DeviceKey([2; 32]));
        assert!(seen.add(a, ([0; 8], None, 7)));
        assert!(!seen.add(a, ([0; 8], None, 7)));
        assert!(seen.add(b, ([0; 8], None, 7)));
        assert!(seen.add(a, ([1; 8], None, 7)));
        assert!(seen.add(a, ([0; 8], Some(RoomId([0; 16])), 7)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut seen = Seen::default();
        for id in 0..10_000 {
            seen.add(DeviceKey([1; 32]), ([0; 8], None, id));
        }
        let recent = seen.devices.get(&DeviceKey([1; 32])).unwrap();
        assert_eq!((recent.keys.len(), recent.order.len()), (TEXTS, TEXTS));
    }
}
