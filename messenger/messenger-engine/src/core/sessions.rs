//! Which sessions there are with a device: asked for each member at each frame.

use std::collections::{BTreeMap, BTreeSet};

use super::SessionId;
use crate::room::DeviceKey;

/// See the module.
#[derive(Default)]
pub(super) struct Sessions(BTreeMap<DeviceKey, BTreeSet<SessionId>>);

impl Sessions {
    /// A session with a device begins.
    pub(super) fn begin(&mut self, device: DeviceKey, session: SessionId) {
        self.0.entry(device).or_default().insert(session);
    }

    /// It has ended.
    pub(super) fn end(&mut self, device: DeviceKey, session: SessionId) {
        if let Some(sessions) = self.0.get_mut(&device) {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.0.remove(&device);
            }
        }
    }

    /// Whether there is one.
    pub(super) fn has(&self, device: DeviceKey) -> bool {
        self.0.contains_key(&device)
    }

    /// The newest one with a device.
    pub(super) fn newest(&self, device: DeviceKey) -> Option<SessionId> {
        self.0.get(&device)?.last().copied()
    }
}

#[cfg(test)]
impl Sessions {
    /// How many devices there are with one.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_session_with_a_device_is_found_until_it_ends() {
        let (mut sessions, device) = (Sessions::default(), DeviceKey([1; 32]));
        for session in [3, 9, 5] {
            sessions.begin(device, session);
        }
        sessions.begin(DeviceKey([2; 32]), 11);
        assert_eq!((sessions.newest(device), sessions.has(device)), (Some(9), true));
        sessions.end(device, 9);
        sessions.end(device, 11);
        assert_eq!(sessions.newest(device), Some(5));
        sessions.end(device, 3);
        sessions.end(device, 5);
        assert_eq!((sessions.newest(device), sessions.has(device)), (None, false));
        assert_eq!(sessions.newest(DeviceKey([2; 32])), Some(11));
    }
}
