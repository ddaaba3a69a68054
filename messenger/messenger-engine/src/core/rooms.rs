//! Rooms one is in, is asked into, or is entering: the commands, and the way of each frame to the host's or the
//! member's part.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use identity::Identifier;

use super::early::{Early, OpenedTexts};
use super::entrance::Way;
use super::fanout::Fanout;
use super::held::Held;
use super::inside::Inside;
use super::letters::Came;
use super::overtaking::Overtaking;
use super::returning::{Dropped, Left};
use super::room_texts::RoomTexts;
use super::room_typing::RoomTyping;
use super::{Core, SessionId};
use crate::MAX_ROOM_NAME_BYTES;
use crate::api::{Event, Role, RoomId, RoomSuite};
use crate::room::{DeviceKey, Group, Joining, MAX_MEMBERS, Person, ROOM_VERSION};
use crate::time::Now;
use crate::wire::RoomFrame;

/// How many rooms an engine is in or is asked into.
const MAX_ROOMS: usize = 64;
/// Most invitations of one device that wait for an answer.
const MAX_ASKED: usize = 8;
/// How long an entry may take, from accepting to the welcome or the decision. One step that somebody absent holds up as long as she can
/// fits in, and no second one: whose turn comes after two such is asked in anew.
pub(super) const ENTERING: Duration = Duration::from_secs(60);

/// A room as this device knows it.
pub(super) struct Room {
    pub(super) name: String,
    pub(super) part: Part,
    pub(super) fanouts: BTreeMap<u64, Fanout>,
    pub(super) early: VecDeque<Early>,
    pub(super) opened: OpenedTexts,
    pub(super) overtaking: VecDeque<Overtaking>,
    pub(super) held: VecDeque<Held>,
    pub(super) texts: RoomTexts,
    pub(super) typing: RoomTyping,
    /// Into what the person of this device was asked, if she was.
    pub(super) asked_into: Option<Left>,
}

/// What this device is in a room.
pub(super) enum Part {
    /// A member, its host or not.
    Inside(Box<Inside>),
    /// Nothing any more, because the others have lost this device; it may come back.
    Dropped(Dropped),
    /// Asked in, not answered yet.
    Asked {
        /// Who asks.
        host: Person,
        /// With what it was made, by her word.
        suite: RoomSuite,
    },
    /// Said yes; waits for the welcome, or for the decision about a commit of its own.
    Entering {
        /// The host.
        host: Person,
        /// How it enters.
        way: Way,
        /// When to give up.
        deadline: Instant,
        /// The room that it returns to without the person's being asked.
        dropped: Option<Dropped>,
    },
}

impl Room {
    pub(super) fn new(name: String, part: Part) -> Self {
        Self {
            name,
            part,
            fanouts: BTreeMap::new(),
            early: VecDeque::new(),
            opened: OpenedTexts::default(),
            overtaking: VecDeque::new(),
            held: VecDeque::new(),
            texts: RoomTexts::default(),
            typing: RoomTyping::default(),
            asked_into: None,
        }
    }

    /// What one knows of it, if one is in it.
    pub(super) fn inside(&self) -> Option<&Inside> {
        match &self.part {
            Part::Inside(inside) => Some(inside),
            Part::Asked { .. } | Part::Entering { .. } | Part::Dropped(_) => None,
        }
    }

    /// The MLS group, if one is in it.
    pub(super) fn group(&self) -> Option<&Group> {
        self.inside().map(|inside| &inside.group)
    }

    /// Whether it is an invitation by this device that waits for an answer.
    fn waits_for(&self, device: DeviceKey) -> bool {
        matches!(&self.part, Part::Asked { host, .. } if host.device == device)
    }

    pub(super) fn group_mut(&mut self) -> Option<&mut Group> {
        match &mut self.part {
            Part::Inside(inside) => Some(&mut inside.group),
            Part::Asked { .. } | Part::Entering { .. } | Part::Dropped(_) => None,
        }
    }

    /// Who has asked this device in, until it is in.
    pub(super) fn asked_by(&self) -> Option<&Person> {
        match &self.part {
            Part::Asked { host, .. } | Part::Entering { host, .. } => Some(host),
            Part::Inside(_) | Part::Dropped(_) => None,
        }
    }

    /// The room that this device comes back into, or would.
    pub(super) fn dropped(&self) -> Option<&Dropped> {
        match &self.part {
            Part::Dropped(dropped) => Some(dropped),
            Part::Entering { dropped, .. } => dropped.as_ref(),
            Part::Inside(_) | Part::Asked { .. } => None,
        }
    }

    /// Whether the client knows of it: not a room that was left or lost.
    pub(super) fn is_open(&self) -> bool {
        match &self.part {
            Part::Inside(inside) => inside.leaving.is_none(),
            Part::Dropped(_) => false,
            Part::Asked { .. } | Part::Entering { .. } => true,
        }
    }

    /// Whether nothing can be decided in it.
    pub(super) fn is_stalled(&self) -> bool {
        matches!(&self.part, Part::Inside(inside) if inside.told_stalled)
    }
}

impl Core {
    pub(super) fn create_room(&mut self, (name, suite): (&str, RoomSuite), now: Now) {
        if self.rooms.len() >= MAX_ROOMS {
            return self.error("room_create", format!("expected at most {MAX_ROOMS} rooms"), "leave one first");
        }
        let room = RoomId(self.random_16());
        match Group::create(room, (name, suite), &self.me.leaf, &*self.credentials, now) {
            Ok(group) => {
                self.rooms.insert(room, Room::new(name.to_owned(), Part::Inside(Box::new(Inside::new(group, now)))));
                self.room_changed(room);
            }
            Err(error) => self.error(
                "room_create",
                error.to_string(),
                format!("choose a name of at most {MAX_ROOM_NAME_BYTES} bytes; renew the certificate if it is refused"),
            ),
        }
    }

    /// Says yes, by the person's own answer: the host lets this device in.
    pub(super) fn accept_invitation(&mut self, id: RoomId, now: Now) {
        let Some(Room { part: Part::Asked { host, suite }, .. }) = self.rooms.get(&id) else {
            return self.no_such_room("room_accept", id);
        };
        let (host, suite) = (host.clone(), *suite);
        let Some(session) = self.session_to(host.device) else { return self.no_such_room("room_accept", id) };
        match Joining::new(id, suite, &self.me.leaf) {
            Ok((joining, key_package)) => {
                if let Some(room) = self.rooms.get_mut(&id) {
                    let deadline = now.instant + ENTERING;
                    let way = Way::Welcome(Box::new(joining));
                    room.part = Part::Entering { host, way, deadline, dropped: None };
                }
                self.send_room(session, &RoomFrame::Enter { room: id.0, key_package });
            }
            Err(error) => self.error("room_accept", error.to_string(), "try again"),
        }
    }

    pub(super) fn decline_invitation(&mut self, id: RoomId) {
        match self.rooms.get(&id) {
            Some(Room { part: Part::Asked { host, .. }, .. }) => {
                let device = host.device;
                self.rooms.remove(&id);
                if let Some(session) = self.session_to(device) {
                    self.send_room(session, &RoomFrame::Decline { room: id.0, reason: "declined".into() });
                }
            }
            _ => self.no_such_room("room_decline", id),
        }
    }

    /// Forgets invitations of this person that wait for an answer.
    pub(super) fn end_invitations(&mut self, who: &Identifier, reason: &str, now: Now) {
        let theirs = |room: &Room| matches!(&room.part, Part::Asked { host, .. } if host.identifier == *who);
        let ids: Vec<RoomId> = self.rooms.iter().filter(|(_, room)| theirs(room)).map(|(id, _)| *id).collect();
        for id in ids {
            self.close_room(id, reason, now);
        }
    }

    /// Leaves a room at once, whatever one is in it; the keys go with it.
    pub(super) fn leave_room(&mut self, id: RoomId, reason: &str, now: Now) {
        let Some(room) = self.rooms.get(&id) else { return self.no_such_room("room_leave", id) };
        match room.asked_by() {
            Some(host) => {
                let host = host.device;
                self.say(host, &RoomFrame::Decline { room: id.0, reason: "declined".into() });
            }
            None => self.say_farewell(id),
        }
        self.close_room(id, reason, now);
    }

    /// Forgets a room and tells the client.
    pub(super) fn close_room(&mut self, id: RoomId, reason: &str, _now: Now) {
        let held = self.rooms.get_mut(&id).map(|room| std::mem::take(&mut room.held));
        self.give_up_held(id, held.unwrap_or_default(), "the room was left");
        self.end_texts(id);
        let Some(room) = self.rooms.remove(&id) else { return };
        if room.is_open() {
            self.emit(Event::RoomClosed { room: id, reason: reason.to_owned() });
        }
    }

    /// What is under way in a room comes to nothing.
    pub(super) fn end_texts(&mut self, id: RoomId) {
        self.end_offers_in(id);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let fanouts = std::mem::take(&mut room.fanouts);
        let early = std::mem::take(&mut room.early).into_iter().map(|early| early.came);
        let came: Vec<Came> =
            early.chain(std::mem::take(&mut room.overtaking).into_iter().flat_map(Overtaking::came)).collect();
        for came in came {
            self.refuse(came, "not in that room");
        }
        for (text, mut fanout) in fanouts {
            fanout.give_up_all("the room was left");
            self.emit(fanout.state(id, text));
        }
    }

    /// Tells the client what a room is now.
    pub(super) fn room_changed(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get(&id).filter(|room| room.is_open()) else { return };
        let Some(group) = room.group() else { return };
        let with_role = |role| group.members_who_are(role).map(|person| person.identifier.clone()).collect();
        let event = Event::Room {
            room: id,
            name: group.name().to_owned(),
            host: group.host().identifier.clone(),
            members: group.members().map(|person| person.identifier.clone()).collect(),
            epoch: group.epoch(),
            suite: group.suite_name(),
            code: group.code(),
            topic: group.standing().topic().to_owned(),
            locked: group.standing().is_locked(),
            owners: with_role(Role::Owner),
            moderators: with_role(Role::Moderator),
        };
        self.emit(event);
    }

    /// A room frame from a verified device.
    pub(super) fn room_frame_from(&mut self, session: SessionId, person: Person, frame: RoomFrame, now: Now) {
        let id = RoomId(frame.room());
        match frame {
            RoomFrame::Invite { name, suite, members, version, .. } => {
                if !self.comes_back(id, &person, (suite, &members), now) {
                    self.asked_in(id, person, session, (name, suite, version), &members);
                }
            }
            RoomFrame::Enter { key_package, .. } => self.guest_enters(id, &person, session, &key_package, now),
            RoomFrame::Decline { reason, .. } => self.declined(id, &person, &crate::clip(&reason), now),
            RoomFrame::Welcome { welcome, epoch, .. } => self.welcomed(id, &person, session, (&welcome, epoch), now),
            RoomFrame::Approach { .. } => self.guest_approaches(id, &person, session, now),
            RoomFrame::Admission { group_info, invitation, .. } => {
                self.admitted(id, &person, session, (&group_info, &invitation), now);
            }
            RoomFrame::Join { commit, .. } => self.guest_joins(id, &person, session, &commit, now),
            RoomFrame::Leave { .. } => self.member_leaves(id, &person, now),
            RoomFrame::Pass { letter, signature } => self.letter_came(session, &person, (*letter, signature), now),
            RoomFrame::Passed { number, refused, .. } => self.letter_answered(id, person.device, (number, refused)),
            RoomFrame::Spread { circular, signature } => {
                self.circular_came(session, &person, (*circular, signature), now);
            }
            RoomFrame::Taken { number, refused, .. } => self.circular_answered(id, person.device, (number, refused)),
            RoomFrame::NotSpread { number, to, .. } => self.not_spread(id, person.device, (number, &to), now),
            RoomFrame::NotPassed { to, number, .. } => {
                self.not_passed(id, person.device, (DeviceKey(to), number), now);
            }
            RoomFrame::Return { .. } => self.wants_back(id, &person, session),
            // Whoever counts this device as a member of a room it knows nothing of learns that it is none.
            RoomFrame::Beat { .. } if !self.rooms.contains_key(&id) => {
                self.send_room(session, &RoomFrame::Leave { room: id.0 });
            }
            frame if self.is_on_its_way(id) => self.told_on_the_way(id, session, frame, now),
            frame => self.order_frame(id, &person, frame, now),
        }
    }

    fn asked_in(
        &mut self,
        id: RoomId,
        host: Person,
        session: SessionId,
        (name, suite, version): (String, u16, Option<u16>),
        members: &[String],
    ) {
        let made_with = RoomSuite::of(suite);
        let refusal = if name.len() > MAX_ROOM_NAME_BYTES || members.len() > MAX_MEMBERS {
            Some("the invitation is not within the limits")
        } else if made_with.is_none() {
            Some("this device does not speak the room's suite")
        } else if version.is_none_or(|version| version < ROOM_VERSION) {
            Some("the room is of a former version of the program: take a newer one to open it")
        } else if version != Some(ROOM_VERSION) {
            Some("the room is of a later version of the program than this device has")
        } else if self.rooms.len() >= MAX_ROOMS {
            Some("this device is in too many rooms")
        } else if self.rooms.values().filter(|room| room.waits_for(host.device)).count() >= MAX_ASKED {
            Some("too many invitations of yours wait for an answer")
        } else {
            None
        };
        let (None, Some(suite)) = (refusal, made_with) else {
            let reason = refusal.unwrap_or_default().into();
            return self.send_room(session, &RoomFrame::Decline { room: id.0, reason });
        };
        // To somebody who is blocked it looks like an invitation that nobody answers.
        let known = self.rooms.get(&id).is_some_and(|room| !matches!(room.part, Part::Dropped(_)));
        if known || self.is_blocked(&host.identifier) {
            return;
        }
        let members: Vec<Identifier> =
            members.iter().filter_map(|member| Identifier::from_canonical(member).ok()).collect();
        let from = host.identifier.clone();
        let mut room = Room::new(name.clone(), Part::Asked { host, suite });
        room.asked_into = Some(Left::by_invitation(&members, &self.me.person, suite));
        self.rooms.insert(id, room);
        self.emit(Event::RoomInvitation { room: id, name, from, members, suite });
    }

    /// A guest declined, or the host took the invitation back.
    fn declined(&mut self, id: RoomId, person: &Person, reason: &str, now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        match &mut room.part {
            Part::Inside(inside) => {
                let was_invited = inside.hosting.invited.remove(&person.device).is_some();
                if was_invited {
                    self.emit(Event::RoomInvitationFailed {
                        room: id,
                        who: person.identifier.clone(),
                        reason: reason.to_owned(),
                    });
                }
            }
            Part::Asked { host, .. } | Part::Entering { host, .. } if host.device == person.device => {
                self.give_up_entering(id, reason, now);
            }
            _ => {}
        }
    }

    /// No link to a device is left: rooms draw the consequence.
    pub(super) fn device_lost(&mut self, person: &Person, now: Now) {
        let ids: Vec<RoomId> = self.rooms.keys().copied().collect();
        for id in ids {
            let Some(room) = self.rooms.get(&id) else { continue };
            match room.asked_by() {
                Some(host) if host.device == person.device => {
                    let reason = format!("the connection to the host {} was lost", person.identifier);
                    self.lost_host_on_the_way(id, &reason, now);
                }
                Some(_) => {}
                None => {
                    self.host_lost_device(id, person, now);
                    self.tell_of_loss(id, person.device, now);
                    self.tend_room(id, now);
                    self.look_for_quorum(id, now);
                }
            }
        }
    }

    /// When something about a room is due.
    pub(super) fn next_of_room(room: &Room) -> Option<Instant> {
        let part = match &room.part {
            Part::Entering { deadline, .. } => Some(*deadline),
            Part::Inside(inside) => Some(inside.next_deadline()),
            Part::Dropped(dropped) => Some(dropped.until),
            Part::Asked { .. } => None,
        };
        let texts = room.fanouts.values().filter_map(Fanout::next_deadline);
        // Whoever is not in yet keeps them until she is.
        let early = room.early.iter().filter(|_| room.group().is_some()).map(Early::until);
        let held = room.held.front().map(Held::until);
        let overtaking = room.overtaking.front().map(Overtaking::until);
        let past = room.group().and_then(Group::next_deadline);
        let typing = room.typing.next_deadline();
        part.into_iter().chain(past).chain(held).chain(overtaking).chain(typing).chain(texts).chain(early).min()
    }

    pub(super) fn tick_rooms(&mut self, now: Now) {
        self.forget_dropped(now);
        let ids: Vec<RoomId> = self.rooms.keys().copied().collect();
        for id in ids {
            self.tend_room(id, now);
            self.expire_fanouts(id, now);
            self.expire_held(id, now);
            self.expire_typing_in(id, now);
            self.take_early(id, now);
            self.tell_overtaking(id, now);
            if let Some(group) = self.rooms.get_mut(&id).and_then(Room::group_mut) {
                group.forget_past_epochs(now);
            }
            if let Some(Room { part: Part::Entering { host, deadline, .. }, .. }) = self.rooms.get(&id)
                && *deadline <= now.instant
            {
                let host = host.device;
                self.say(host, &RoomFrame::Decline { room: id.0, reason: "it takes too long".into() });
                self.give_up_entering(id, "the host did not let this device in in time", now);
            }
        }
    }

    /// Sends a room frame to a device, if a session with it stands or it is reached by way of others; in both ways if nothing
    /// comes over the connection that stands.
    pub(super) fn say(&mut self, device: DeviceKey, frame: &RoomFrame) {
        let id = RoomId(frame.room());
        let has_way = !self.vias(id, device).is_empty();
        if has_way {
            self.enclose(id, device, frame);
        }
        let session = self.session_to(device);
        let is_there = |session: &SessionId| self.links.get(session).is_some_and(|link| link.connection.is_some());
        // What goes by way of others need not wait for the next connection.
        if let Some(session) = session.filter(|session| !has_way || !frame.may_be_enclosed() || is_there(session)) {
            self.send_room(session, frame);
        }
    }

    pub(super) fn no_such_room(&mut self, about: &str, id: RoomId) {
        self.error(
            about,
            format!("expected a room one is in or asked into, found none named {id}"),
            "take the id from a room or room_invitation event",
        );
    }
}
