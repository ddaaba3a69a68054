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
    /// By which device it was endorsed, when that one was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) endorsed_by: Option<Fingerprint>,
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
    /// Others were, and one of them endorses this one, which was not known or told aloud.
    Endorsed,
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

    #[cfg(test)]
    pub(crate) fn get(&self, key: Fingerprint) -> Option<&Known> {
        self.0.iter().find(|known| known.key == key)
    }

    /// Notes that a device was met, of which these others say that it is hers.
    pub(crate) fn meet(&mut self, key: Fingerprint, endorsed_by: &[Fingerprint]) -> Meeting {
        let by = endorsed_by.iter().copied().find(|by| *by != key && self.vouches(*by));
        if let Some(known) = self.0.iter().position(|known| known.key == key) {
            // What was told aloud may be endorsed since; what vouches already, or was endorsed, needs nobody.
            let by = by.filter(|_| !self.vouches(key) && self.0[known].endorsed_by.is_none());
            let Some(by) = by else { return Meeting::Known };
            self.0[known].endorsed_by = Some(by);
            return Meeting::Endorsed;
        }
        let meeting = match by {
            _ if self.0.is_empty() => Meeting::First,
            Some(_) => Meeting::Endorsed,
            None => Meeting::Another,
        };
        // One that was compared is worth more than one that came by. The first one stays: that it was, is told by its place.
        while self.0.len() >= MOST {
            let oldest = self.0.iter().skip(1).position(|known| !known.compared).unwrap_or(0);
            self.0.remove(oldest + 1);
        }
        self.0.push(Known { key, compared: false, endorsed_by: by });
        meeting
    }

    /// Whether what this device says of another one counts: it was the first that was met, or compared. One that was told
    /// aloud may be anybody's; and one that was endorsed would otherwise hand on what a stolen device has said, after that one
    /// was revoked.
    fn vouches(&self, key: Fingerprint) -> bool {
        let place = self.0.iter().position(|known| known.key == key);
        place.is_some_and(|place| place == 0 || self.0[place].compared)
    }

    /// Notes that the code was compared with a device, met before or not.
    pub(crate) fn take_as_compared(&mut self, key: Fingerprint) {
        self.meet(key, &[]);
        self.compare(key);
    }

    /// Lets go of one.
    pub(crate) fn forget(&mut self, key: Fingerprint) {
        self.0.retain(|known| known.key != key);
    }

    /// Whether the code was compared with this one.
    pub(crate) fn was_compared(&self, key: Fingerprint) -> bool {
        self.0.iter().any(|known| known.key == key && known.compared)
    }

    /// These, and those that another device of one's own has met: compared is what was compared on either. Which one was met first
    /// is as it was here.
    pub(crate) fn joined(mut self, theirs: Self) -> Self {
        for Known { key, compared, endorsed_by } in theirs.0 {
            // None that was met here makes room for one that was not.
            if self.0.len() < MOST {
                self.meet(key, &[]);
            }
            if let Some(known) = self.0.iter_mut().find(|known| known.key == key) {
                known.compared |= compared;
                known.endorsed_by = known.endorsed_by.or(endorsed_by);
            }
        }
        self
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

    fn key(n: u8) -> Fingerprint {
        Fingerprint([n; 32])
    }

    #[test]
    fn a_device_is_first_then_known_and_every_other_one_is_another() {
        let mut devices = Devices::default();
        assert_eq!(devices.meet(key(1), &[]), Meeting::First);
        assert_eq!(devices.meet(key(1), &[]), Meeting::Known);
        assert_eq!(devices.meet(key(2), &[]), Meeting::Another);
        devices.compare(key(2));
        for n in 3..100 {
            assert_eq!(devices.meet(key(n), &[]), Meeting::Another);
        }
        assert_eq!(devices.all().len(), MOST);
        assert_eq!(devices.all()[0].key, key(1), "the first one stays");
        assert!(devices.get(key(2)).is_some_and(|known| known.compared), "what was compared stays");
        assert!(devices.get(key(3)).is_none());
    }

    #[test]
    fn a_device_that_a_known_one_endorses_is_no_news_to_shout() {
        let mut devices = Devices::default();
        assert_eq!(devices.meet(key(1), &[key(9)]), Meeting::First, "nobody is known yet");
        assert_eq!(devices.meet(key(2), &[key(9), key(1)]), Meeting::Endorsed);
        assert_eq!(devices.meet(key(2), &[key(1)]), Meeting::Known);
        assert_eq!(devices.meet(key(3), &[key(2)]), Meeting::Another, "and hands nothing on");
        assert_eq!(devices.meet(key(4), &[key(9)]), Meeting::Another, "by one that is not known");
        assert_eq!(devices.meet(key(4), &[key(4)]), Meeting::Known, "nor by itself");
        assert!(devices.all().iter().all(|known| !known.compared), "it is not as if they had compared");
        assert_eq!(devices.get(key(2)).unwrap().endorsed_by, Some(key(1)));
        devices.compare(key(2));
        assert_eq!(devices.meet(key(3), &[key(2)]), Meeting::Endorsed, "now it may");
    }

    #[test]
    fn what_another_device_of_ones_own_has_met_is_joined_and_the_first_stays_the_first() {
        let (mut here, mut there) = (Devices::default(), Devices::default());
        here.meet(key(1), &[]);
        there.meet(key(2), &[]);
        there.meet(key(1), &[]);
        there.compare(key(1));
        there.meet(key(3), &[key(2)]);
        let joined = here.clone().joined(there.clone());
        assert_eq!(joined.all().iter().map(|known| known.key).collect::<Vec<_>>(), [key(1), key(2), key(3)]);
        assert!(joined.was_compared(key(1)) && !joined.was_compared(key(2)));
        assert_eq!(joined.get(key(3)).unwrap().endorsed_by, Some(key(2)));
        assert_eq!(joined.clone().joined(there), joined, "once is enough");
        let many = |first: u8| {
            Devices((first..first + 100).map(|n| Known { key: key(n), compared: true, endorsed_by: None }).collect())
        };
        let full = here.joined(many(100));
        assert_eq!(full.all().len(), MOST);
        assert_eq!(full.clone().joined(many(140)), full, "none of hers makes room for others");
    }

    #[test]
    fn a_device_that_was_told_aloud_endorses_none_until_it_is_compared() {
        let mut devices = Devices::default();
        devices.meet(key(1), &[]);
        assert_eq!(devices.meet(key(2), &[]), Meeting::Another);
        assert_eq!(devices.meet(key(3), &[key(2)]), Meeting::Another);
        devices.compare(key(2));
        assert_eq!(devices.meet(key(4), &[key(2)]), Meeting::Endorsed);
        assert_eq!(devices.meet(key(3), &[key(2)]), Meeting::Endorsed, "afterwards");
        assert_eq!(devices.get(key(3)).unwrap().endorsed_by, Some(key(2)));
    }
}
