//! The host's part: she orders the changes of her room, one commit at a time.
//!
//! ```text
//! idle ──change──► commit sent ──all reached the epoch, or laggards are to be removed──► idle
//!                      │ (an entry)
//!                      └──► welcome sent ──guest reached the epoch, or is to be removed──► idle
//! ```
//! A device that is looking for another connection is waited for, as long as its session can go on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use identity::Identifier;

use super::call_ends::not_online;
use super::deadline::SOON;
use super::errands::Errand;
use super::rooms::{Part, Room};
use super::{Core, SessionId};
use crate::api::{Event, Purpose, RoomId};
use crate::room::{DeviceKey, Group, Guest, MAX_MEMBERS, Person, SUITE};
use crate::time::Now;
use crate::wire::RoomFrame;

/// How long members have to reach an epoch before they are removed.
const STEP: Duration = Duration::from_secs(5);
/// How long a guest has from the welcome on: she verifies every member's certificate.
const WELCOME: Duration = Duration::from_secs(10);
/// How much longer whoever is not connected is waited for: as long as a session lives without a connection.
const AWAY: Duration = super::seeking::LIFE;

/// A room one hosts.
pub(super) struct Hosting {
    pub(super) group: Group,
    /// Devices asked in that have not answered.
    pub(super) invited: BTreeMap<DeviceKey, Identifier>,
    changes: VecDeque<Change>,
    step: Option<Step>,
}

enum Change {
    Enter(Box<Guest>),
    Remove(DeviceKey),
}

/// The change under way.
struct Step {
    epoch: u64,
    digest: [u8; 16],
    /// Until when each has time.
    waiting: BTreeMap<DeviceKey, Instant>,
    /// How long each has while it is connected.
    time: Duration,
    began: Instant,
    welcome: Option<(DeviceKey, Vec<u8>)>,
}

impl Step {
    fn new(group: &Group, waiting: BTreeSet<DeviceKey>, time: Duration, now: Now) -> Self {
        let (epoch, digest, began) = (group.epoch(), group.digest(), now.instant);
        let waiting = waiting.into_iter().map(|device| (device, began + time)).collect();
        Self { epoch, digest, waiting, time, began, welcome: None }
    }

    /// Time in which a device is not connected does not count; but the others do not wait for ever.
    fn prolong(&mut self, away: &[DeviceKey], now: Now) {
        let until = (now.instant + self.time).min(self.began + AWAY + self.time);
        for device in away {
            self.waiting.entry(*device).and_modify(|deadline| *deadline = until);
        }
    }

    /// Takes out those whose time is up.
    fn take_late(&mut self, now: Now) -> Vec<DeviceKey> {
        let late = self.waiting.iter().filter(|(_, deadline)| **deadline <= now.instant);
        let late: Vec<DeviceKey> = late.map(|(device, _)| *device).collect();
        self.waiting.retain(|device, _| !late.contains(device));
        late
    }
}

impl Hosting {
    pub(super) fn new(group: Group) -> Self {
        Self { group, invited: BTreeMap::new(), changes: VecDeque::new(), step: None }
    }

    /// Devices that must reach the epoch the group is in now.
    fn others(&self, except: Option<DeviceKey>) -> BTreeSet<DeviceKey> {
        let host = self.group.host().device;
        self.group
            .members()
            .map(|person| person.device)
            .filter(|device| *device != host && Some(*device) != except)
            .collect()
    }

    fn begin(&mut self, welcome: Option<(DeviceKey, Vec<u8>)>, now: Now) {
        let waiting = self.others(welcome.as_ref().map(|(device, _)| *device));
        self.step = Some(Step { welcome, ..Step::new(&self.group, waiting, STEP, now) });
    }
}

impl Core {
    pub(super) fn invite_to_room(&mut self, id: RoomId, who: Identifier, now: Now) {
        let Some(Room { part: Part::Host(hosting), .. }) = self.rooms.get(&id) else {
            return self.error(
                "room_invite",
                format!("expected a room one hosts, found none named {id}"),
                "only the host invites: ask her",
            );
        };
        if hosting.group.members().any(|person| person.identifier == who) {
            return self.error("room_invite", format!("{who} is in the room already"), "nothing to do");
        }
        if hosting.group.members().count() >= MAX_MEMBERS {
            return self.error("room_invite", format!("expected at most {MAX_MEMBERS} members"), "open another room");
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
        let Some(Room { name, part: Part::Host(hosting), .. }) = self.rooms.get_mut(&id) else {
            return self.emit(Event::RoomInvitationFailed { room: id, who, reason: "the room is no more".into() });
        };
        hosting.invited.insert(device, who);
        let members = hosting.group.members().map(|person| person.identifier.to_string()).collect();
        let frame = RoomFrame::Invite { room: id.0, name: name.clone(), suite: SUITE.into(), members };
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
        let hosting = match self.rooms.get_mut(&id) {
            Some(Room { part: Part::Host(hosting), .. }) if hosting.invited.contains_key(&person.device) => hosting,
            _ => return self.send_room(session, &RoomFrame::Decline { room: id.0, reason: "not invited".into() }),
        };
        hosting.invited.remove(&person.device);
        let refusal = match hosting.group.verify_guest(key_package, person.device, &*credentials, now) {
            Ok(guest) if guest.person().identifier == person.identifier => {
                hosting.changes.push_back(Change::Enter(Box::new(guest)));
                None
            }
            Ok(_) => Some("the key package names somebody else".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        match refusal {
            None => self.advance(id, now),
            Some(reason) => {
                self.send_room(session, &RoomFrame::Decline { room: id.0, reason: crate::clip(&reason) });
                self.emit(Event::RoomInvitationFailed { room: id, who: person.identifier.clone(), reason });
            }
        }
    }

    pub(super) fn member_leaves(&mut self, id: RoomId, person: &Person, now: Now) {
        if let Some(Room { part: Part::Host(hosting), .. }) = self.rooms.get_mut(&id)
            && hosting.group.has(person.device)
        {
            // Said again while a step is under way, it adds nothing.
            if !hosting
                .changes
                .iter()
                .any(|change| matches!(change, Change::Remove(device) if *device == person.device))
            {
                hosting.changes.push_back(Change::Remove(person.device));
            }
            self.left_step(id, person.device, now);
        }
    }

    /// A device's last link is gone: it is no guest any more, and no member.
    pub(super) fn host_lost_device(&mut self, id: RoomId, person: &Person, now: Now) {
        let Some(Room { part: Part::Host(hosting), .. }) = self.rooms.get_mut(&id) else { return };
        if let Some(who) = hosting.invited.remove(&person.device) {
            self.emit(Event::RoomInvitationFailed { room: id, who, reason: "the connection was lost".into() });
        }
        self.member_leaves(id, person, now);
    }

    /// Begins the next change, unless one is under way.
    fn advance(&mut self, id: RoomId, now: Now) {
        while let Some(Room { part: Part::Host(hosting), .. }) = self.rooms.get_mut(&id)
            && hosting.step.is_none()
            && let Some(change) = hosting.changes.pop_front()
        {
            match change {
                Change::Enter(guest) => self.commit_entry(id, *guest, now),
                Change::Remove(device) => self.commit_removal(id, device, now),
            }
        }
    }

    fn commit_entry(&mut self, id: RoomId, guest: Guest, now: Now) {
        let person = guest.person().clone();
        let here = self.session_to(person.device).is_some();
        let Some(Room { part: Part::Host(hosting), .. }) = self.rooms.get_mut(&id) else { return };
        if !here || hosting.group.has(person.device) {
            return;
        }
        let epoch = hosting.group.epoch();
        match hosting.group.add(guest, &self.me.leaf, now) {
            Ok((commit, welcome)) => {
                hosting.begin(Some((person.device, welcome)), now);
                self.announce_commit(id, epoch, commit, now);
            }
            Err(error) => {
                self.say(person.device, &RoomFrame::Decline { room: id.0, reason: crate::clip(&error.to_string()) });
                self.emit(Event::RoomInvitationFailed { room: id, who: person.identifier, reason: error.to_string() });
            }
        }
    }

    /// Removes a device, and with it whoever else is to be removed: one commit for all.
    fn commit_removal(&mut self, id: RoomId, device: DeviceKey, now: Now) {
        let Some(Room { part: Part::Host(hosting), .. }) = self.rooms.get_mut(&id) else { return };
        let mut devices = vec![device];
        hosting.changes.retain(|change| match change {
            Change::Remove(device) => {
                devices.push(*device);
                false
            }
            Change::Enter(_) => true,
        });
        devices.retain(|device| hosting.group.has(*device));
        if devices.is_empty() {
            return;
        }
        let epoch = hosting.group.epoch();
        match hosting.group.remove(&devices, &self.me.leaf, now) {
            Ok((commit, removed)) => {
                hosting.begin(None, now);
                for person in removed {
                    self.say(
                        person.device,
                        &RoomFrame::Closed { room: id.0, reason: "you are no longer in the room".into() },
                    );
                    self.member_gone(id, &person);
                }
                self.announce_commit(id, epoch, commit, now);
            }
            Err(error) => self.error(
                "room",
                format!("a member could not be removed: {error}"),
                "leave the room, which closes it, and open another",
            ),
        }
    }

    fn announce_commit(&mut self, id: RoomId, epoch: u64, commit: Vec<u8>, now: Now) {
        let waiting = self.step_of(id).map(|step| step.waiting.keys().copied().collect::<Vec<_>>());
        let frame = RoomFrame::Commit { room: id.0, epoch, commit };
        for device in waiting.unwrap_or_default() {
            self.say(device, &frame);
        }
        self.room_changed(id);
        self.finish_step_if_done(id, now);
    }

    fn step_of(&self, id: RoomId) -> Option<&Step> {
        match &self.rooms.get(&id)?.part {
            Part::Host(hosting) => hosting.step.as_ref(),
            _ => None,
        }
    }

    /// A member says which epoch she reached.
    pub(super) fn reached(&mut self, id: RoomId, person: &Person, epoch: u64, digest: [u8; 16], now: Now) {
        let Some(Room { part: Part::Host(hosting), .. }) = self.rooms.get_mut(&id) else { return };
        let Some(step) = &hosting.step else { return };
        if step.epoch != epoch || !step.waiting.contains_key(&person.device) {
            return;
        }
        if step.digest != digest {
            hosting.changes.push_front(Change::Remove(person.device));
            let message = format!(
                "{} reached another epoch than the host's: expected code {}, found another",
                person.identifier,
                hosting.group.code()
            );
            self.error("room", message, "she is removed; compare the codes with her before inviting her again");
        }
        self.left_step(id, person.device, now);
    }

    /// The step no longer waits for this device.
    fn left_step(&mut self, id: RoomId, device: DeviceKey, now: Now) {
        if let Some(Room { part: Part::Host(hosting), .. }) = self.rooms.get_mut(&id)
            && let Some(step) = &mut hosting.step
        {
            step.waiting.remove(&device);
            if step.welcome.as_ref().is_some_and(|(guest, _)| *guest == device) {
                step.welcome = None;
            }
        }
        self.finish_step_if_done(id, now);
        self.advance(id, now);
    }

    fn finish_step_if_done(&mut self, id: RoomId, now: Now) {
        let Some(Room { part: Part::Host(hosting), .. }) = self.rooms.get_mut(&id) else { return };
        if !hosting.step.as_ref().is_some_and(|step| step.waiting.is_empty()) {
            return;
        }
        let Some(step) = hosting.step.take() else { return };
        if let Some((guest, welcome)) = step.welcome {
            hosting.step = Some(Step::new(&hosting.group, BTreeSet::from([guest]), WELCOME, now));
            self.say(guest, &RoomFrame::Welcome { room: id.0, welcome });
        }
    }

    /// Who is waited for and is not connected.
    fn away_from<'step>(&'step self, step: &'step Step) -> impl Iterator<Item = DeviceKey> + 'step {
        step.waiting.keys().copied().filter(|device| !self.is_connected_since(*device, step.began))
    }

    /// When somebody's time is up who has yet to take the change that is under way. Of whoever is not connected the time is
    /// stretched as long as that lasts, a little at a time.
    pub(super) fn next_of_step(&self, hosting: &Hosting, now: Now) -> Option<Instant> {
        let step = hosting.step.as_ref()?;
        let stretched = self.away_from(step).next().map(|_| now.instant + SOON);
        step.waiting.values().copied().chain(stretched).min()
    }

    /// Whoever did not reach the epoch in time is removed.
    pub(super) fn expire_step(&mut self, id: RoomId, now: Now) {
        let Some(step) = self.step_of(id) else { return };
        let away: Vec<DeviceKey> = self.away_from(step).collect();
        let Some(Room { part: Part::Host(hosting), .. }) = self.rooms.get_mut(&id) else { return };
        let Some(step) = &mut hosting.step else { return };
        step.prolong(&away, now);
        let late = step.take_late(now);
        if late.is_empty() {
            return;
        }
        hosting.changes.extend(late.into_iter().map(Change::Remove));
        self.finish_step_if_done(id, now);
        self.advance(id, now);
    }

    /// The host leaves: the room ends for everybody, and all are told.
    pub(super) fn close_hosted(&mut self, id: RoomId) {
        let Some(Room { part: Part::Host(hosting), .. }) = self.rooms.get(&id) else { return };
        let mut devices = hosting.others(None);
        devices.extend(hosting.invited.keys().copied());
        let reason = format!("the host {} left, and the room ended", self.me.person.identifier);
        for device in devices {
            self.say(device, &RoomFrame::Closed { room: id.0, reason: reason.clone() });
        }
    }
}
