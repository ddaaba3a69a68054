//! How a room stands beside who is in it: its topic, who may do what, and who may be let in. It lies in the group's context,
//! so that the members of an epoch know it alike, and each commit is judged by how the room stood before it (rules R-18 to
//! R-22 of docs/spec/rooms.md).
//!
//! Devices have roles, and not persons: a device's key is the one name that every member judges alike, whatever she trusts.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use super::credential::DeviceKey;
use super::error::GroupError;
use super::settings::MAX_MEMBERS;
use crate::MAX_ROOM_TOPIC_BYTES;
use crate::api::Role;

/// How many devices are named at most in each list: twice as many as a room has members, as those are kept who may come back.
pub const MAX_NAMED_DEVICES: usize = 2 * MAX_MEMBERS;

/// See the module. Its encoding is deterministic, and read in no other.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Standing {
    #[n(0)]
    topic: String,
    /// Whoever is not named is a member.
    #[n(1)]
    roles: BTreeMap<DeviceKey, Role>,
    /// Where the room is locked: who may be in it.
    #[n(2)]
    locked_to: Option<BTreeSet<DeviceKey>>,
    /// Who was removed for good, until somebody readmits her.
    #[n(3)]
    removed: BTreeSet<DeviceKey>,
}

/// What a member wants to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// What the room is called.
    Name(String),
    /// What it is about.
    Topic(String),
    /// Lock it, so that nobody comes in but who is in or is named here; or open it.
    Lock(Option<BTreeSet<DeviceKey>>),
    /// Give these devices a role.
    Role(Vec<DeviceKey>, Role),
    /// Remove these devices for good.
    Remove(Vec<DeviceKey>),
    /// Let a removed device be let in again.
    Readmit(DeviceKey),
}

/// Who a commit finds, and who it leaves.
pub(super) struct Presence {
    /// Members that it removes.
    pub(super) removes: BTreeSet<DeviceKey>,
    /// Members after it.
    pub(super) after: BTreeSet<DeviceKey>,
}

impl Standing {
    /// Of a room that a device opens.
    pub(super) fn of_creator(device: DeviceKey) -> Self {
        let roles = [(device, Role::Owner)].into();
        Self { topic: String::new(), roles, locked_to: None, removed: BTreeSet::new() }
    }

    /// From the group's context.
    ///
    /// # Errors
    /// [`GroupError::Rule`]: it is none, is not within the limits or is encoded otherwise than here.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GroupError> {
        const EXPECTED: &str = "a room's standing, encoded as every member encodes it";
        let standing: Self = minicbor::decode(bytes).map_err(|error| GroupError::rule(EXPECTED, error.to_string()))?;
        if standing.to_bytes() != bytes {
            return Err(GroupError::rule(EXPECTED, "another encoding"));
        }
        standing.check_bounds()?;
        Ok(standing)
    }

    /// As it stands in the group's context.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to a vector cannot fail")
    }

    pub(super) fn check_bounds(&self) -> Result<(), GroupError> {
        if self.topic.len() > MAX_ROOM_TOPIC_BYTES {
            return Err(GroupError::rule("a topic of at most 512 bytes", format!("{} bytes", self.topic.len())));
        }
        let most = self.roles.len().max(self.removed.len()).max(self.locked_to.as_ref().map_or(0, BTreeSet::len));
        if most > MAX_NAMED_DEVICES {
            return Err(GroupError::rule("at most 500 devices with a role, removed, or let in", most.to_string()));
        }
        if self.roles.values().any(|role| *role == Role::Member) {
            return Err(GroupError::rule("owners and moderators alone among those with a role", "a member"));
        }
        match self.roles.values().any(|role| *role == Role::Owner) {
            true => Ok(()),
            false => Err(GroupError::rule("a room with an owner", "none: make somebody else one first")),
        }
    }

    /// What the room is about; empty if nothing is said of that.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// A device's role.
    #[must_use]
    pub fn role(&self, device: DeviceKey) -> Role {
        self.roles.get(&device).copied().unwrap_or_default()
    }

    /// Whether nobody new is let in.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.locked_to.is_some()
    }

    /// Whether a device was removed for good.
    #[must_use]
    pub fn has_removed(&self, device: DeviceKey) -> bool {
        self.removed.contains(&device)
    }

    /// Whether somebody who was removed here is not so any more there.
    pub(super) fn readmits(&self, next: &Self) -> bool {
        !self.removed.is_subset(&next.removed)
    }

    /// whether a device may be let in.
    ///
    /// # Errors
    /// [`GroupError::Rule`] says why not.
    pub fn admits(&self, device: DeviceKey) -> Result<(), GroupError> {
        if self.has_removed(device) {
            return Err(GroupError::rule("a guest whom nobody has removed from the room", "one whom somebody has"));
        }
        match &self.locked_to {
            Some(known) if !known.contains(&device) => {
                Err(GroupError::rule("an open room, or a guest who was in it", "a room that is locked"))
            }
            _ => Ok(()),
        }
    }

    /// How the room stands once a member has done this; `after` are the members then. Whether she may is judged apart.
    pub(super) fn done(&self, deed: &Deed, after: &BTreeSet<DeviceKey>) -> Self {
        let mut next = self.clone();
        match deed {
            // The name has an extension of its own.
            Deed::Name(_) => {}
            Deed::Topic(topic) => next.topic.clone_from(topic),
            Deed::Lock(None) => next.locked_to = None,
            Deed::Lock(Some(_)) if self.is_locked() => {}
            Deed::Lock(Some(others)) => {
                let room = MAX_NAMED_DEVICES.saturating_sub(after.len());
                let may_return = others.difference(&self.removed).take(room);
                next.locked_to = Some(after.iter().chain(may_return).copied().collect());
            }
            Deed::Role(devices, role) => {
                for device in devices {
                    next.roles.remove(device);
                    if *role != Role::Member {
                        next.roles.insert(*device, *role);
                    }
                }
                // Those who are there come before those who may come back.
                while next.roles.len() > MAX_NAMED_DEVICES
                    && let Some(absent) = next.roles.keys().find(|device| !after.contains(device)).copied()
                {
                    next.roles.remove(&absent);
                }
            }
            Deed::Remove(devices) => {
                for device in devices {
                    next.roles.remove(device);
                    next.locked_to.iter_mut().for_each(|known| {
                        known.remove(device);
                    });
                    next.removed.insert(*device);
                }
            }
            Deed::Readmit(device) => {
                next.removed.remove(device);
                // Whoever lets her in where the room is locked means her.
                next.locked_to.iter_mut().for_each(|known| {
                    known.insert(*device);
                });
            }
        }
        next
    }

    /// whether a device may make of this standing the `next` one, with a commit that removes and leaves these.
    pub(super) fn check_change(&self, next: &Self, by: DeviceKey, presence: &Presence) -> Result<(), Forbidden> {
        let Presence { removes, after } = presence;
        let role = self.role(by);
        let needs = |least: Role, what: &'static str| match role >= least {
            true => Ok(()),
            false => Err(Forbidden::Role { what, needs: least, is: role }),
        };
        let ended: BTreeSet<DeviceKey> = next.removed.difference(&self.removed).copied().collect();
        let readmitted: BTreeSet<DeviceKey> = self.removed.difference(&next.removed).copied().collect();
        if next.topic != self.topic {
            needs(Role::Moderator, "set the topic")?;
        }
        if ended != *removes {
            return Err(Forbidden::Shape("it removes others than it says"));
        }
        for device in &ended {
            needs(Role::Moderator, "remove somebody")?;
            if self.role(*device) > Role::Member {
                needs(Role::Owner, "remove an owner or a moderator")?;
            }
            if next.role(*device) > Role::Member {
                return Err(Forbidden::Shape("whoever is removed keeps a role"));
            }
        }
        if !readmitted.is_empty() {
            needs(Role::Moderator, "readmit somebody")?;
        }
        self.check_lock(next, (&ended, &readmitted), after, needs)?;
        let changed = |device: &&DeviceKey| self.role(**device) != next.role(**device);
        for device in self.roles.keys().chain(next.roles.keys()).filter(changed) {
            needs(Role::Owner, "give or take a role")?;
            if next.role(*device) > self.role(*device) && !after.contains(device) {
                return Err(Forbidden::Shape("somebody who is not in the room gets a role"));
            }
        }
        Ok(())
    }

    fn check_lock(
        &self,
        next: &Self,
        (ended, readmitted): (&BTreeSet<DeviceKey>, &BTreeSet<DeviceKey>),
        after: &BTreeSet<DeviceKey>,
        needs: impl Fn(Role, &'static str) -> Result<(), Forbidden>,
    ) -> Result<(), Forbidden> {
        match (&self.locked_to, &next.locked_to) {
            (None, None) => Ok(()),
            (Some(_), None) => needs(Role::Moderator, "open the room"),
            (None, Some(known)) => {
                needs(Role::Moderator, "lock the room")?;
                match after.is_subset(known) && known.is_disjoint(&next.removed) {
                    true => Ok(()),
                    false => Err(Forbidden::Shape("it locks members out, or removed ones in")),
                }
            }
            (Some(known), Some(later)) => {
                let kept: BTreeSet<DeviceKey> = known.difference(ended).chain(readmitted).copied().collect();
                match kept == *later {
                    true => Ok(()),
                    false => Err(Forbidden::Shape("it changes who may come into a locked room")),
                }
            }
        }
    }
}

/// Why a change is not its author's to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Forbidden {
    /// Her role does not allow it.
    Role { what: &'static str, needs: Role, is: Role },
    /// Nobody may.
    Shape(&'static str),
}

impl<C> Encode<C> for DeviceKey {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for DeviceKey {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let key = d.bytes()?.try_into();
        key.map(Self).map_err(|_| minicbor::decode::Error::message("expected a key of 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: DeviceKey = DeviceKey([0xd1; 32]);

    #[test]
    fn the_bytes_of_a_standing() {
        let standing =
            Standing { topic: "tea".into(), removed: [DeviceKey([2; 32])].into(), ..Standing::of_creator(KEY) };
        let expected = [
            &[0x84][..],               // array of 4
            &[0x63, b't', b'e', b'a'], // topic
            &[0xa1, 0x58, 0x20],       // one role: of this key,
            &[0xd1; 32],
            &[0x02], // owner
            &[0xf6], // not locked
            &[0x81, 0x58, 0x20],
            &[2; 32], // one removed
        ]
        .concat();
        assert_eq!(standing.to_bytes(), expected);
        assert_eq!(Standing::from_bytes(&expected), Ok(standing));
    }

    #[test]
    fn the_largest_room_is_locked_to_all_its_members() {
        let members: BTreeSet<DeviceKey> =
            (0..MAX_MEMBERS as u16).map(|n| DeviceKey(std::array::from_fn(|at| n.to_be_bytes()[at % 2]))).collect();
        let locked = Standing::of_creator(DeviceKey([0; 32])).done(&Deed::Lock(Some(BTreeSet::new())), &members);
        assert_eq!(locked.locked_to, Some(members));
        assert_eq!(Standing::from_bytes(&locked.to_bytes()), Ok(locked));
    }

    #[test]
    fn other_encodings_and_what_cannot_be_are_refused() {
        let sound = Standing::of_creator(KEY);
        let roles = |role| Standing { roles: [(KEY, role)].into(), ..sound.clone() };
        let many: BTreeSet<DeviceKey> = (0..=MAX_NAMED_DEVICES as u16)
            .map(|number| DeviceKey(std::array::from_fn(|at| number.to_be_bytes()[at % 2])))
            .collect();
        let cases = [
            ("no owner", roles(Role::Moderator).to_bytes()),
            ("a member with a role", roles(Role::Member).to_bytes()),
            ("too long a topic", Standing { topic: "x".repeat(513), ..sound.clone() }.to_bytes()),
            ("too many removed", Standing { removed: many.clone(), ..sound.clone() }.to_bytes()),
            ("locked to too many", Standing { locked_to: Some(many), ..sound.clone() }.to_bytes()),
            ("bytes after it", [&sound.to_bytes()[..], &[0]].concat()),
            ("a member of a later version", [&[0x85], &sound.to_bytes()[1..], &[0]].concat()),
            ("nothing", Vec::new()),
        ];
        for (name, bytes) in cases {
            assert!(Standing::from_bytes(&bytes).is_err(), "{name}");
        }
        // The same key twice, in a map that says two.
        let one = sound.to_bytes();
        let entry = &one[3..][..35];
        let twice = [&one[..2], &[0xa2], entry, entry, &one[38..]].concat();
        assert!(Standing::from_bytes(&twice).is_err());
    }
}
