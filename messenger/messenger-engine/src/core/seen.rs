//! What was shown already: a text sent again with its id shows once.

use std::collections::{HashSet, VecDeque};
use std::hash::{Hash, Hasher};

use lru::LruCache;

use crate::api::RoomId;
use crate::room::DeviceKey;

/// How many devices are remembered.
const DEVICES: usize = 512;

/// How many texts per device.
const TEXTS: usize = 4096;

/// A sender's text: the run of her program, the room if any, her id for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) run: [u8; 8],
    pub(super) room: Option<RoomId>,
    pub(super) id: u64,
}

/// In one piece: several take longer than all that is hashed.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut bytes = [0; 33];
        bytes[..8].copy_from_slice(&self.run);
        bytes[8..16].copy_from_slice(&self.id.to_be_bytes());
        if let Some(room) = self.room {
            bytes[16] = 1;
            bytes[17..].copy_from_slice(&room.0);
        }
        state.write(&bytes);
    }
}

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
        let key = Key { run: [0; 8], room: None, id: 7 };
        assert!(seen.add(a, key));
        assert!(!seen.add(a, key));
        assert!(seen.add(b, key));
        assert!(seen.add(a, Key { run: [1; 8], ..key }));
        assert!(seen.add(a, Key { room: Some(RoomId([0; 16])), ..key }));
        assert!(seen.add(a, Key { id: 8, ..key }));
    }

    #[test]
    fn memory_is_bounded() {
        let mut seen = Seen::default();
        for id in 0..10_000 {
            seen.add(DeviceKey([1; 32]), Key { run: [0; 8], room: None, id });
        }
        let recent = seen.devices.get(&DeviceKey([1; 32])).unwrap();
        assert_eq!((recent.keys.len(), recent.order.len()), (TEXTS, TEXTS));
    }
}
