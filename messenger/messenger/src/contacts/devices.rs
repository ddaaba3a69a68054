//! The devices of a contact that one has met: whoever comes with another one is looked at twice. When, is not kept.

use identity::trust::Fingerprint;
use serde::{Deserialize, Serialize};

/// The most that are kept of one person.
const MOST: usize = 32;

/// One device that was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Known {
    /// SHA-256 of the SubjectPublicKeyInfo of its key.
    pub(crate) key: Fingerprint,
    /// Whether the two people compared their code, not over the connection.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) compared: bool,
}

/// All devices of one person that were met, the first one first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Devices(Vec<Known>);

/// What meeting a device comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meeting {
    /// None of hers was met before.
    First,
    /// This one was.
    Known,
    /// Others were, and not this one.
    Another,
}

impl Devices {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn all(&self) -> &[Known] {
        &self.0
    }

    pub(crate) fn get(&self, key: Fingerprint) -> Option<&Known> {
        self.0.iter().find(|known| known.key == key)
    }

    /// Notes that a device was met.
    pub(crate) fn meet(&mut self, key: Fingerprint) -> Meeting {
        if self.get(key).is_some() {
            return Meeting::Known;
        }
        let meeting = if self.0.is_empty() { Meeting::First } else { Meeting::Another };
        // One that was compared is worth more than one that came by.
        while self.0.len() >= MOST {
            let oldest = self.0.iter().position(|known| !known.compared).unwrap_or(0);
            self.0.remove(oldest);
        }
        self.0.push(Known { key, compared: false });
        meeting
    }

    /// Notes that the code was compared with a device that was met.
    pub(crate) fn compare(&mut self, key: Fingerprint) {
        if let Some(known) = self.0.iter_mut().find(|known| known.key == key) {
            known.compared = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_first_then_known_and_every_other_one_is_another() {
        let mut devices = Devices::default();
        let key = |n: u8| Fingerprint([n; 32]);
        assert_eq!(devices.meet(key(1)), Meeting::First);
        assert_eq!(devices.meet(key(1)), Meeting::Known);
        assert_eq!(devices.meet(key(2)), Meeting::Another);
        devices.compare(key(1));
        for n in 3..100 {
            assert_eq!(devices.meet(key(n)), Meeting::Another);
        }
        assert_eq!(devices.all().len(), MOST);
        assert!(devices.get(key(1)).is_some_and(|known| known.compared), "what was compared stays");
        assert!(devices.get(key(2)).is_none());
    }
}
