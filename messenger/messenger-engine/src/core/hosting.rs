//! The host's part: she asks guests in, and makes the commits of her room, one at a time.
//!
//! ```text
//! idle ──change──► offered ──decided──► merged ──► idle
//!                              └── an entry: the welcome goes out ──► the guest is heard, or is removed
//! ```
//! Who becomes the host later does the same from then on; who is it no longer, stops.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use identity::Identifier;
use room_order::Input;

use super::admission::{Admitted, Approaching};
use super::call_ends::not_online;
use super::errands::Errand;
use super::inside::Inside;
use super::rooms::{Part, Room};
use super::{Core, SessionId};
use crate::api::{Event, Purpose, Role, RoomId};
use crate::room::{DeviceKey, GroupError, Guest, MAX_MEMBERS, Person, ROOM_VERSION, Wanted};
use crate::time::Now;
use crate::wire::RoomFrame;

/// How long nothing may come from a member's device that is connected; a guest verifies every member's certificate in it.
pub(super) const MEMBER_SILENT: Duration = Duration::from_secs(10);

/// What a host has to do; empty where one is not the host.
#[derive(Default)]
pub(super) struct Hosting {
    /// Devices asked in that have not answered.
    pub(super) invited: BTreeMap<DeviceKey, Identifier>,
    /// Guests who have said yes.
    entering: VecDeque<Box<Guest>>,
    /// Guests who have said yes and enter by commits of their own.
    pub(super) approaching: VecDeque<Approaching>,
    /// The one of them who was invited to this epoch.
    pub(super) admitted: Option<Admitted>,
    /// Members to whom no session is left, or from whom nothing has come for long.
    pub(super) remove: BTreeSet<DeviceKey>,
}

impl Core {
    pub(super) fn invite_to_room(&mut self, id: RoomId, who: Identifier, now: Now) {
        let Some(inside) = self.hosted(id) else {
            return self.error(
                "room_invite",
                format!("expected a room one hosts, found none named {id}"),
                "only the host invites: ask her",
            );
        };
        if inside.group.members().any(|person| person.identifier == who) {
            return self.error("room_invite", format!("{who} is in the room already"), "nothing to do");
        }
        if inside.group.size() >= MAX_MEMBERS {
            return self.error("room_invite", format!("expected at most {MAX_MEMBERS} members"), "open another room");
        }
        if inside.group.standing().is_locked() && !inside.lost.values().any(|(lost, _)| lost.identifier == who) {
            return self.error("room_invite", "the room is locked", "have an owner or a moderator open it first");
        }
        if let Some(session) = self.session_with(&who) {
            return self.send_invitation(session, id);
        }
        let unreachable = self.why_unreachable().map(str::to_owned);
        if let Some(reason) = unreachable.or_else(|| self.known_offline(&who).then(|| not_online(&who))) {
            return self.emit(Event::RoomInvitationFailed { room: id, who, reason });
        }
        self.call_for(who, Purpose::Room, Errand::Invite { room: id }, now);
    }

    pub(super) fn send_invitation(&mut self, session: SessionId, id: RoomId) {
        let Some(link) = self.links.get(&session) else { return };
        let (device, who) = (link.person.device, link.person.identifier.clone());
        let Some(inside) = self.hosted(id) else {
            let reason = "this device does not host the room any more".into();
            return self.emit(Event::RoomInvitationFailed { room: id, who, reason });
        };
        if let Err(error) = inside.may_ask_in(device) {
            return self.emit(Event::RoomInvitationFailed { room: id, who, reason: error.to_string() });
        }
        inside.hosting.invited.insert(device, who);
        let members = inside.group.members().map(|person| person.identifier.to_string()).collect();
        let (name, suite, version) = (inside.group.name().to_owned(), inside.group.suite(), Some(ROOM_VERSION));
        let frame = RoomFrame::Invite { room: id.0, name, suite, members, version };
        self.send_room(session, &frame);
    }

    /// A guest says yes. Her key package is verified before anything changes.
    pub(super) fn guest_enters(
        &mut self,
        id: RoomId,
        person: &Person,
        session: SessionId,
        key_package: &[u8],
        now: Now,
    ) {
        let credentials = self.credentials.clone();
        let invited = |inside: &&mut Inside| inside.hosting.invited.contains_key(&person.device);
        let Some(inside) = self.hosted(id).filter(invited) else {
            return self.send_room(session, &RoomFrame::Decline { room: id.0, reason: "not invited".into() });
        };
        inside.hosting.invited.remove(&person.device);
        inside.hosting.awaits_no_more(person.device);
        let refusal = match inside.group.verify_guest(key_package, person.device, &*credentials, now) {
            Ok(guest) if guest.person().identifier == person.identifier => {
                // Each device waits once, with the key package that it named last.
                inside.hosting.entering.retain(|waiting| waiting.person().device != person.device);
                inside.hosting.entering.push_back(Box::new(guest));
                None
            }
            Ok(_) => Some("the key package names somebody else".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        match refusal {
            None => self.readmit_and_go_on(id, person.device, now),
            Some(reason) => {
                self.send_room(session, &RoomFrame::Decline { room: id.0, reason: crate::clip(&reason) });
                self.emit(Event::RoomInvitationFailed { room: id, who: person.identifier.clone(), reason });
            }
        }
    }

    /// R-22: whom somebody had removed, the person at this device has asked in, and may.
    pub(super) fn readmit_and_go_on(&mut self, id: RoomId, device: DeviceKey, now: Now) {
        match self.inside(id).is_some_and(|inside| inside.group.standing().has_removed(device)) {
            true => self.readmit(id, device, now),
            false => self.advance(id, now),
        }
    }

    /// A room that this device hosts and does not leave.
    pub(super) fn hosted(&mut self, id: RoomId) -> Option<&mut Inside> {
        self.inside(id).filter(|inside| inside.group.is_host() && inside.leaving.is_none())
    }

    /// A device's last link is gone: it is no guest any more.
    pub(super) fn host_lost_device(&mut self, id: RoomId, person: &Person, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        let invited = inside.hosting.invited.remove(&person.device);
        if let Some(who) = invited {
            self.emit(Event::RoomInvitationFailed { room: id, who, reason: "the connection was lost".into() });
        }
        self.advance(id, now);
    }

    /// Makes the next commit, if this device has to and none is under way.
    pub(super) fn advance(&mut self, id: RoomId, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        if !inside.group.is_host() {
            return self.no_host(id, now);
        }
        if !inside.is_idle() || inside.leaving.is_some() {
            return;
        }
        let (remove, me) = (std::mem::take(&mut inside.hosting.remove), inside.me());
        let lost: BTreeSet<DeviceKey> = inside.gone.iter().copied().chain(inside.lapsed.devices()).collect();
        let remove: Vec<DeviceKey> =
            remove.union(&lost).copied().filter(|device| inside.group.has(*device) && *device != me).collect();
        if !remove.is_empty() {
            return self.make_commit(id, Wanted::Remove(remove), now);
        }
        self.grant_wishes(id, now);
        if self.holds_for_guest(id, now) {
            return;
        }
        while let Some(inside) = self.inside(id)
            && inside.is_idle()
            && let Some(guest) = inside.hosting.entering.pop_front()
        {
            let device = guest.person().device;
            if !inside.group.has(device) && self.session_to(device).is_some() {
                self.let_in(id, guest, now);
            }
        }
        self.admit_next(id, now);
    }

    fn let_in(&mut self, id: RoomId, guest: Box<Guest>, now: Now) {
        let person = guest.person().clone();
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get_mut(&id) else { return };
        match inside.group.make(Wanted::Enter(guest), &self.me.leaf) {
            Ok(commit) => self.order(id, Input::Propose(commit), None, now),
            Err(error) => {
                self.say(person.device, &RoomFrame::Decline { room: id.0, reason: crate::clip(&error.to_string()) });
                self.emit(Event::RoomInvitationFailed { room: id, who: person.identifier, reason: error.to_string() });
            }
        }
    }

    /// This device does not host the room, or no more: guests are let in by who does.
    fn no_host(&mut self, id: RoomId, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        let Hosting { invited, entering, .. } = std::mem::take(&mut inside.hosting);
        let guests = entering.into_iter().map(|guest| guest.person().device);
        for device in invited.into_keys().chain(guests) {
            self.say(device, &RoomFrame::Decline { room: id.0, reason: "the room has another host now".into() });
        }
        self.inherit(id, now);
        self.grant_wishes(id, now);
    }
}

impl Inside {
    /// R-21, R-22: whether this device, which hosts the room, may ask another in.
    fn may_ask_in(&self, device: DeviceKey) -> Result<(), GroupError> {
        let (standing, me) = (self.group.standing(), self.me());
        match standing.has_removed(device) && standing.role(me) >= Role::Moderator {
            true => Ok(()),
            false => standing.admits(device),
        }
    }

    /// Whether a commit may be made in the ballot of record: none of it, or of a later one, is under way.
    pub(super) fn is_idle(&self) -> bool {
        let host = self.order.epoch().host;
        self.order.promised() == host && self.order.first_seen(host).is_none()
    }
}
