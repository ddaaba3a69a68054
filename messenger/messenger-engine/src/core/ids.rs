//! The ids that stand for what a client sends: for what each stands, and at which device that may be. No text is kept.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use crate::api::DeliveryState;
use crate::room::DeviceKey;
use crate::wire::Mark;

/// How many ids given by the client are remembered, to catch one used for two different things.
const MAX_REMEMBERED: usize = 65_536;

/// The ids that stand for what was sent, with a digest of each.
#[derive(Default)]
pub(super) struct Ids {
    /// By whom it is for. One writes to few people, so that these are compared sooner than hashed.
    given: BTreeMap<String, HashMap<u64, Given, BuildHasherDefault<ById>>>,
    count: usize,
    /// Makes the digests. They catch a client's mistake, nobody's attack, so a keyed hash of 64 bits is enough.
    digests: RandomState,
}

/// Spreads ids over their table. They are this device's own: drawn by it, or given by its client, whom nothing has to be kept from.
#[derive(Default)]
struct ById(u64);

impl Hasher for ById {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        // Fibonacci hashing: the product's upper half depends on all of the id.
        self.0 = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// What an id is to stand for.
#[derive(Clone, Copy, Hash)]
pub(super) enum Sent<'a> {
    Text(&'a str),
    Mark(&'a Mark),
}

/// What is remembered of an id.
struct Given {
    digest: u64,
    /// Whether it stands for a text, to which others can refer.
    is_text: bool,
    /// The device that has it, may have it, or is to get it now. Devices remember for themselves what they have shown, so
    /// it goes to no other one.
    at: Option<DeviceKey>,
    /// The most that is known of its earlier sendings: delivered, or unknown.
    arrived: Option<DeliveryState>,
}

impl Ids {
    /// How many ids are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.given.values().map(HashMap::len).sum()
    }

    /// Whether this id may stand for this text, or whatever else is sent: it is new, or it stood for the same before.
    pub(super) fn admit(&mut self, to: &str, id: u64, what: Sent<'_>) -> bool {
        if self.count >= MAX_REMEMBERED {
            self.given.clear();
            self.count = 0;
        }
        let digest = self.digests.hash_one(what);
        let theirs = match self.given.get_mut(to) {
            Some(theirs) => theirs,
            None => self.given.entry(to.to_owned()).or_default(),
        };
        match theirs.entry(id) {
            Entry::Occupied(given) => given.get().digest == digest,
            Entry::Vacant(free) => {
                free.insert(Given { digest, is_text: matches!(what, Sent::Text(_)), at: None, arrived: None });
                self.count += 1;
                true
            }
        }
    }

    fn given(&mut self, to: &str, id: u64) -> Option<&mut Given> {
        self.given.get_mut(to)?.get_mut(&id)
    }

    /// The device that has, or may have, the text under this id; none if it stands for no text.
    pub(super) fn device_of_text(&self, to: &str, id: u64) -> Option<DeviceKey> {
        self.given.get(to)?.get(&id).filter(|given| given.is_text)?.at
    }

    /// The only device that what this id stands for may go to; none if it is at none yet.
    pub(super) fn device(&self, to: &str, id: u64) -> Option<DeviceKey> {
        self.given.get(to)?.get(&id)?.at
    }

    /// What this id stands for goes to this device.
    pub(super) fn goes_to(&mut self, to: &str, id: u64, device: DeviceKey) {
        if let Some(given) = self.given(to, id) {
            given.at = Some(device);
        }
    }

    /// The state of what this id stands for once the latest sending of it has come to `state`. One sending that failed
    /// does not undo what an earlier one did, or may have done.
    pub(super) fn after(&mut self, to: &str, id: u64, state: DeliveryState) -> DeliveryState {
        if state == DeliveryState::Sending {
            return state;
        }
        let Some(given) = self.given(to, id) else { return state };
        match (given.arrived, state) {
            (Some(DeliveryState::Delivered), _) | (_, DeliveryState::Delivered) => {
                *given.arrived.insert(DeliveryState::Delivered)
            }
            (Some(DeliveryState::Unknown), _) | (_, DeliveryState::Unknown) => {
                *given.arrived.insert(DeliveryState::Unknown)
            }
            _ => {
                given.at = None;
                state
            }
        }
    }
}
