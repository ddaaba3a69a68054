//! Coming back: who was removed as lost is let in again without an invitation by a person (rule R-17).

use std::time::{Duration, Instant};

use identity::Identifier;
use room_order::AllRules;

use super::inside::Inside;
use super::rooms::{Part, Room};
use super::{Core, SessionId};
use crate::api::{Event, RoomId, RoomSuite};
use crate::room::{DeviceKey, Group, MAX_MEMBERS, Person};
use crate::time::Now;
use crate::wire::RoomFrame;

/// For how long.
const RETURN: Duration = Duration::from_secs(600);

/// A room that went on without this device.
pub(super) struct Dropped {
    /// Who was in it.
    pub(super) fellows: Vec<DeviceKey>,
    /// Of these, who hosted it, and who would next: they are looked for.
    pub(super) hosts: Vec<Person>,
    pub(super) until: Instant,
    pub(super) left: Left,
}

/// What of a room is known to who left it.
pub(super) struct Left {
    room: room_order::Left<String>,
    /// The number of its suite.
    suite: u16,
}

impl Left {
    /// The group as it is left; who was removed from it is a member no more.
    fn of(group: &Group, me: &Person) -> Self {
        let people = group.members().chain([me]).map(|person| person.identifier.to_string()).collect();
        Self { room: room_order::Left::new(people, group.epoch()), suite: group.suite() }
    }

    /// What the person was asked into with these members, before it was entered.
    pub(super) fn by_invitation(members: &[Identifier], me: &Person, suite: RoomSuite) -> Self {
        let people = members.iter().chain([&me.identifier]).map(Identifier::to_string).collect();
        Self { room: room_order::Left::new(people, 0), suite: suite.number() }
    }

    /// Whether this group can be what the room has become.
    pub(super) fn goes_on_as(&self, group: &Group) -> bool {
        let people = group.members().map(|person| person.identifier.as_str());
        self.room.goes_on_as::<AllRules, str>(group.epoch(), people)
    }
}

impl Inside {
    pub(super) fn note_lost(&mut self, person: &Person, now: Now) {
        if self.lost.len() < MAX_MEMBERS {
            self.lost.insert(person.device, (person.clone(), now.instant));
        }
    }

    pub(super) fn forget_lost(&mut self, now: Now) {
        self.lost.retain(|_, (_, since)| now.instant < *since + RETURN);
    }
}

impl Core {
    /// A commit has removed this device; if somebody's that was, and not as one who was lost, it does not come back by itself.
    /// `lapse` is why its own leaf would not be taken any more.
    pub(super) fn was_removed(&mut self, id: RoomId, (by, lapse): (Option<&Person>, Option<String>), now: Now) {
        if self.inside(id).is_some_and(|inside| inside.leaving.is_some()) {
            self.rooms.remove(&id);
            return;
        }
        if let Some(by) = by {
            return self.close_room(id, &format!("{} removed this device from the room", by.identifier), now);
        }
        let reason = match lapse {
            Some(why) => format!("the certificate that this device had in the room is accepted no longer: {why}"),
            None => "the others had lost this device, or the host removed it".to_owned(),
        };
        self.drop_room(id, &reason, now);
    }

    /// Gives a room up that may go on elsewhere: its keys are forgotten, and this device asks to be let in again.
    pub(super) fn drop_room(&mut self, id: RoomId, reason: &str, now: Now) {
        let me = self.me.person.clone();
        let Some(inside) = self.inside(id) else { return };
        let (fellows, hosts, left) = (inside.others(), inside.hosts_without(&me), Left::of(&inside.group, &me));
        let Some(name) = self.rooms.get(&id).filter(|room| room.is_open()).map(|room| room.name.clone()) else {
            self.rooms.remove(&id);
            return;
        };
        self.close_room(id, reason, now);
        let dropped = Dropped { fellows: fellows.clone(), hosts, until: now.instant + RETURN, left };
        self.rooms.insert(id, Room::new(name, Part::Dropped(dropped)));
        for device in fellows {
            self.say(device, &RoomFrame::Return { room: id.0 });
        }
    }

    /// The host is lost before this device is in a room for the first time, to which its person has said yes. It may be let in all the
    /// same, without hearing of it: then it comes back as whoever was lost.
    pub(super) fn drop_entry(&mut self, id: RoomId, reason: &str, now: Now) {
        let entering = self.rooms.get_mut(&id).and_then(|room| match &room.part {
            Part::Entering { host, .. } => Some((room.name.clone(), host.clone(), room.asked_into.take()?)),
            _ => None,
        });
        self.close_room(id, reason, now);
        if let Some((name, host, left)) = entering {
            let (fellows, until) = (vec![host.device], now.instant + RETURN);
            self.rooms.insert(id, Room::new(name, Part::Dropped(Dropped { fellows, hosts: vec![host], until, left })));
        }
    }

    /// A session has begun with a device that may be in rooms which this one was dropped from.
    pub(super) fn return_to_rooms(&mut self, device: DeviceKey) {
        let knows = |room: &Room| room.dropped().is_some_and(|dropped| dropped.fellows.contains(&device));
        let ids: Vec<RoomId> = self.rooms.iter().filter(|(_, room)| knows(room)).map(|(id, _)| *id).collect();
        for id in ids {
            self.ask_on_the_way(id, device);
            self.say(device, &RoomFrame::Return { room: id.0 });
        }
    }

    /// Somebody who was lost asks to be let in again.
    pub(super) fn wants_back(&mut self, id: RoomId, person: &Person, session: SessionId) {
        if self.is_blocked(&person.identifier) {
            return;
        }
        let Some(inside) = self.inside(id) else { return };
        let known = inside.lost.get(&person.device).is_some_and(|(lost, _)| lost.identifier == person.identifier);
        // Nobody asks again and again to come into a room that is locked.
        let admitted = inside.group.standing().admits(person.device).is_ok();
        if known && admitted && inside.group.is_host() && inside.leaving.is_none() {
            self.send_invitation(session, id);
        }
    }

    /// Whether an invitation is into a room that this device was dropped from, by somebody who was in it, and nobody is in it
    /// who was not, and it has the suite that it had: then it is accepted. Otherwise it is an invitation like any other.
    pub(super) fn comes_back(
        &mut self,
        id: RoomId,
        host: &Person,
        (suite, members): (u16, &[String]),
        now: Now,
    ) -> bool {
        if self.is_blocked(&host.identifier) {
            return false;
        }
        let Some(room) = self.rooms.get(&id) else { return false };
        let Some(dropped) = room.dropped() else { return false };
        if !dropped.fellows.contains(&host.device)
            || !dropped.left.room.is_of::<AllRules, str>(members.iter().map(String::as_str))
        {
            return false;
        }
        let Some(suite) = RoomSuite::of(suite).filter(|suite| suite.number() == dropped.left.suite) else {
            return false;
        };
        self.approach(id, (host, suite), now);
        true
    }

    /// Forgets rooms one was dropped from long ago.
    pub(super) fn forget_dropped(&mut self, now: Now) {
        let old = |room: &Room| matches!(&room.part, Part::Dropped(dropped) if dropped.until <= now.instant);
        self.rooms.retain(|_, room| !old(room));
    }

    /// Whether this is one's own word that one left a room for good.
    pub(super) fn forget_if_dropped(&mut self, id: RoomId) -> bool {
        let dropped = matches!(self.rooms.get(&id), Some(Room { part: Part::Dropped(_), .. }));
        if dropped {
            self.rooms.remove(&id);
            self.emit(Event::RoomClosed { room: id, reason: "you left".to_owned() });
        }
        dropped
    }
}
