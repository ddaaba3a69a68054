//! What a change of the room comes to, and whether it is its author's to make: each commit is judged by the state before it,
//! by whoever makes it as by every member who stages it (rules of docs/spec/rooms.md).

use std::collections::BTreeSet;

use openmls::prelude::LeafNodeIndex;
use room_order::{Ballot, Change, Leaf};

use super::credential::{DeviceKey, Person};
use super::error::GroupError;
use super::group::Group;
use super::settings::{Context, MAX_MEMBERS};
use super::staging::Wanted;
use super::standing::{Deed, Forbidden, Presence};
use crate::api::{Role, RoomChange};

impl Group {
    /// What it comes to: for the order of commits, and for the group's context.
    pub(super) fn plan(&self, wanted: &Wanted) -> Result<(Change, Context), GroupError> {
        let (mut change, mut context) = (Change::default(), self.context.clone());
        match wanted {
            Wanted::Enter(_) if self.members.len() >= MAX_MEMBERS => {
                return Err(GroupError::rule("a room of at most 250 devices", "a full one"));
            }
            Wanted::Enter(_) => change.adds = self.free_leaves(1),
            Wanted::Remove(devices) => change.removes = self.leaves_of(devices),
            Wanted::Update(_) => {}
            Wanted::Host(ballot) => {
                change.removes = [self.context.host.leaf].into();
                change.host = Some(*ballot);
            }
            Wanted::Settle(deed) => {
                let deed = self.among_members(deed);
                if let Deed::Remove(devices) = &deed {
                    change.removes = self.leaves_of(devices);
                }
                if let Deed::Name(name) = &deed {
                    context.name.clone_from(name);
                }
                if change.removes.contains(&self.context.host.leaf) {
                    let term = self.context.host.term.checked_add(1);
                    let term = term.ok_or_else(|| GroupError::rule("a term after this one", "the last"))?;
                    change.host = Some(Ballot { term, leaf: self.leaf() });
                }
                context.standing = context.standing.done(&deed, &self.presence(&change).after);
                context.standing.check_bounds()?;
            }
        }
        context.host = change.host.unwrap_or(context.host);
        Ok((change, context))
    }

    /// Whether one may do this now.
    ///
    /// # Errors
    /// [`GroupError`] says what is against it.
    pub fn may(&self, deed: &Deed) -> Result<(), GroupError> {
        let (change, context) = self.plan(&Wanted::Settle(deed.clone()))?;
        match (&change, &context) == (&Change::default(), &self.context) {
            true => Ok(()),
            false => self.check_power(&change, &[], &context, self.leaf()),
        }
    }

    /// Whether a deed would change nothing: it is done already.
    pub fn is_done(&self, deed: &Deed) -> bool {
        self.plan(&Wanted::Settle(deed.clone()))
            .is_ok_and(|(change, context)| change == Change::default() && context == self.context)
    }

    /// Whoever has gone since it was wished is no part of it.
    fn among_members(&self, deed: &Deed) -> Deed {
        let present = |devices: &[DeviceKey]| devices.iter().copied().filter(|device| self.has(*device)).collect();
        match deed {
            Deed::Remove(devices) => Deed::Remove(present(devices)),
            Deed::Role(devices, role) => Deed::Role(present(devices), *role),
            other => other.clone(),
        }
    }

    fn leaves_of(&self, devices: &[DeviceKey]) -> BTreeSet<Leaf> {
        let theirs = self.members.iter().filter(|(_, person)| devices.contains(&person.device));
        theirs.map(|(index, _)| Leaf(index.u32())).collect()
    }

    fn presence(&self, change: &Change) -> Presence {
        let mut presence = Presence { removes: BTreeSet::new(), after: BTreeSet::new() };
        for (index, person) in &self.members {
            let Presence { removes, after } = &mut presence;
            let of = if change.removes.contains(&Leaf(index.u32())) { removes } else { after };
            of.insert(person.device);
        }
        presence
    }

    /// Who may commit what (rules ): the host lets in and removes who is lost; another member takes the host's
    /// place; and whose role allows it changes the room.
    pub(super) fn check_power(
        &self,
        change: &Change,
        guests: &[Person],
        next: &Context,
        committer: Leaf,
    ) -> Result<(), GroupError> {
        let host = self.context.host;
        guests.iter().try_for_each(|guest| self.context.standing.admits(guest.device))?;
        if let Some(takes) = change.host {
            let alone = change.adds.is_empty() && change.removes.contains(&host.leaf);
            let takes_over = takes.leaf == committer && committer != host.leaf && takes.term > host.term;
            if !takes_over || !alone {
                return Err(GroupError::rule("a commit by who takes the host's place", "something else with it"));
            }
        }
        if self.is_settled_by(next) {
            return self.check_settled(change, next, committer);
        }
        match change.host {
            // A member's own keys are hers to renew.
            None if self.changes_nothing(change, next) => Ok(()),
            None if committer != host.leaf => {
                let found = self.member_at(LeafNodeIndex::new(committer.0));
                let found = found.map_or_else(|| "nobody's".to_owned(), |person| person.identifier.to_string());
                Err(GroupError::rule("a commit by the host", found))
            }
            None if !change.adds.is_empty() && !change.removes.is_empty() => {
                Err(GroupError::rule("a commit that adds or removes", "both"))
            }
            Some(_) if change.removes.len() != 1 => {
                Err(GroupError::rule("a commit by who takes the host's place", "something else with it"))
            }
            _ => Ok(()),
        }
    }

    /// Whether more changes than who is in the room and who hosts it.
    pub(super) fn is_settled_by(&self, next: &Context) -> bool {
        (&next.name, &next.standing) != (&self.context.name, &self.context.standing)
    }

    /// judged by how the room stands before the commit.
    fn check_settled(&self, change: &Change, next: &Context, committer: Leaf) -> Result<(), GroupError> {
        let Some(by) = self.member_at(LeafNodeIndex::new(committer.0)) else {
            return Err(GroupError::rule("a member's change of the room", "somebody else's"));
        };
        let standing = &self.context.standing;
        let named = |forbidden| match forbidden {
            Forbidden::Role { what, needs, is } => GroupError::Role { who: by.identifier.clone(), what, needs, is },
            Forbidden::Shape(what) => GroupError::Improper { who: by.identifier.clone(), what },
        };
        if !change.adds.is_empty() {
            return Err(named(Forbidden::Shape("it lets somebody in as well")));
        }
        if next.name != self.context.name && standing.role(by.device) < Role::Owner {
            let is = standing.role(by.device);
            return Err(named(Forbidden::Role { what: "name the room", needs: Role::Owner, is }));
        }
        standing.check_change(&next.standing, by.device, &self.presence(change)).map_err(named)?;
        match change.removes.contains(&self.context.host.leaf) && change.host.is_none() {
            true => Err(named(Forbidden::Shape("it leaves the room without a host"))),
            false => Ok(()),
        }
    }

    /// What a change comes to, for people.
    pub(super) fn told(&self, next: &Context) -> Vec<RoomChange> {
        let (before, after) = (&self.context.standing, &next.standing);
        let mut told = Vec::new();
        if next.name != self.context.name {
            told.push(RoomChange::Name { name: next.name.clone() });
        }
        if after.topic() != before.topic() {
            told.push(RoomChange::Topic { topic: after.topic().to_owned() });
        }
        if after.is_locked() != before.is_locked() {
            told.push(RoomChange::Lock { locked: after.is_locked() });
        }
        for person in self.members() {
            let (who, role) = (person.identifier.clone(), after.role(person.device));
            if after.has_removed(person.device) {
                told.push(RoomChange::Remove { who });
            } else if role != before.role(person.device) {
                told.push(RoomChange::Role { who, role });
            }
        }
        if before.readmits(after) {
            told.push(RoomChange::Readmit);
        }
        told
    }

    /// Where the next ones enter (RFC 9420 section 12.1.1): the leftmost empty leaves.
    pub(super) fn free_leaves(&self, count: usize) -> BTreeSet<Leaf> {
        let taken: BTreeSet<u32> = self.members.iter().map(|(index, _)| index.u32()).collect();
        (0..).filter(|index| !taken.contains(index)).take(count).map(Leaf).collect()
    }
}
