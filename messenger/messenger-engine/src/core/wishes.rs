//! What one's own person wants changed of a room: its name and topic, roles, the lock, somebody removed. Her device makes the
//! commit for it and offers it, as the host, or hands it in to the host (rule R-04), until it is decided or nobody takes it up.

use std::time::{Duration, Instant};

use identity::Identifier;
use room_order::{CommitId, Input, Message};

use super::Core;
use super::inside::Inside;
use super::rooms::{Part, Room};
use crate::api::{Event, Role, RoomChange, RoomId};
use crate::room::{Deed, DeviceKey, GroupError, Person, Wanted};
use crate::time::Now;
use crate::wire::RoomFrame;
use crate::{MAX_ROOM_NAME_BYTES, MAX_ROOM_TOPIC_BYTES};

/// How long a wish waits to be taken up.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many wishes wait in a room.
const MAX_WISHES: usize = 16;

/// A change that is not decided yet.
pub(super) struct Wish {
    /// The command, for what is said of it.
    about: &'static str,
    deed: Deed,
    until: Instant,
    /// The commit made for it in this epoch.
    commit: Option<CommitId>,
}

impl Core {
    pub(super) fn name_room(&mut self, id: RoomId, name: String, now: Now) {
        if name.is_empty() || name.len() > MAX_ROOM_NAME_BYTES {
            let found = format!("expected a name of 1 to {MAX_ROOM_NAME_BYTES} bytes, found {}", name.len());
            return self.error("room_name", found, "choose another");
        }
        self.wish(id, "room_name", |_| Ok(Deed::Name(name)), now);
    }

    pub(super) fn set_topic(&mut self, id: RoomId, topic: String, now: Now) {
        if topic.len() > MAX_ROOM_TOPIC_BYTES {
            let found = format!("expected a topic of at most {MAX_ROOM_TOPIC_BYTES} bytes, found {}", topic.len());
            return self.error("room_topic", found, "shorten it");
        }
        self.wish(id, "room_topic", |_| Ok(Deed::Topic(topic)), now);
    }

    pub(super) fn lock_room(&mut self, id: RoomId, locked: bool, now: Now) {
        // Whoever was lost, and would come back by herself, is nobody new.
        self.wish(id, "room_lock", |inside| Ok(Deed::Lock(locked.then(|| inside.lost.keys().copied().collect()))), now);
    }

    pub(super) fn give_role(&mut self, id: RoomId, who: &Identifier, role: Role, now: Now) {
        self.wish(id, "room_role", |inside| inside.devices_of(who).map(|devices| Deed::Role(devices, role)), now);
    }

    pub(super) fn remove_from_room(&mut self, id: RoomId, who: &Identifier, now: Now) {
        self.wish(id, "room_remove", |inside| inside.devices_of(who).map(Deed::Remove), now);
    }

    /// A guest whom somebody had removed is asked in by the host's person, who may readmit her.
    pub(super) fn readmit(&mut self, id: RoomId, device: DeviceKey, now: Now) {
        self.wish(id, "room_invite", |_| Ok(Deed::Readmit(device)), now);
    }

    fn wish(&mut self, id: RoomId, about: &'static str, deed: impl FnOnce(&Inside) -> Result<Deed, String>, now: Now) {
        let Some(inside) = self.inside(id).filter(|inside| inside.leaving.is_none()) else {
            return self.no_such_room(about, id);
        };
        if inside.wishes.len() >= MAX_WISHES {
            let message = format!("expected at most {MAX_WISHES} changes at once");
            return self.error(about, message, "wait until those before it are made");
        }
        if inside.told_stalled {
            let message = "most members of the room cannot be reached";
            return self.error(about, message, "wait until they are heard again");
        }
        match deed(inside).and_then(|deed| inside.group.may(&deed).map(|()| deed).map_err(|error| error.to_string())) {
            Ok(deed) => {
                inside.wishes.push_back(Wish { about, deed, until: now.instant + PATIENCE, commit: None });
                self.advance(id, now);
            }
            Err(message) => self.error(about, message, "ask an owner of the room"),
        }
    }

    /// Makes the commit for the first wish, if nothing else is under way.
    pub(super) fn grant_wishes(&mut self, id: RoomId, now: Now) {
        self.give_up_wishes(id, now);
        while let Some((about, deed)) = self.next_wish(id) {
            let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get_mut(&id) else { return };
            match inside.group.make(Wanted::Settle(deed), &self.me.leaf) {
                Ok(commit) => {
                    inside.handed_in = !inside.group.is_host();
                    if let Some(wish) = inside.wishes.front_mut() {
                        wish.commit = Some(commit.id);
                    }
                    return self.order(id, Input::Propose(commit), None, now);
                }
                Err(error) => {
                    inside.wishes.pop_front();
                    self.error(about, error.to_string(), "ask an owner of the room");
                }
            }
        }
    }

    /// The first wish that is not fulfilled already, if a commit may be made for it. One that was handed in in this epoch, and
    /// that nobody has offered, is handed in again: another commit in its place could be decided no more.
    fn next_wish(&mut self, id: RoomId) -> Option<(&'static str, Deed)> {
        let host = self.inside(id)?.group.host().device;
        let reaches_host = self.reaches(id, host);
        let inside = self.inside(id)?;
        while inside.wishes.front().is_some_and(|wish| wish.commit.is_none() && inside.group.is_done(&wish.deed)) {
            inside.wishes.pop_front();
        }
        let wish = inside.wishes.front()?;
        let may = inside.is_idle() && inside.order.staged().is_none() && !inside.told_stalled;
        let heard = inside.group.is_host() || reaches_host && !inside.handed_in;
        (may && heard && wish.commit.is_none()).then(|| (wish.about, wish.deed.clone()))
    }

    /// What was handed in and not offered is handed in again, as often as members say where they are.
    pub(super) fn hand_in_again(&mut self, id: RoomId) {
        let Some(inside) = self.inside(id).filter(|inside| !inside.group.is_host()) else { return };
        let waits = inside.handed_in && inside.is_idle() && inside.order.staged().is_none();
        let wished = inside.wishes.front().and_then(|wish| wish.commit).or(inside.update);
        let (host, message) = (inside.group.host().device, wished.and_then(|id| inside.group.staged_message(id)));
        if let Some(commit) = message.filter(|_| waits).map(<[u8]>::to_vec) {
            self.say(host, &RoomFrame::Propose { room: id.0, commit });
        }
    }

    fn give_up_wishes(&mut self, id: RoomId, now: Now) {
        while let Some(inside) = self.inside(id)
            && let Some(wish) = inside.wishes.pop_front_if(|wish| wish.until <= now.instant)
        {
            let host = inside.group.host().identifier.clone();
            let message =
                format!("{host}, who hosts the room, did not take the change up, or the others did not agree");
            self.error(wish.about, message, "look who is reachable and try again; open another room if she never does");
        }
    }

    /// A commit for the room's state that a member handed in: it is offered if it is hers to make, and she is named to the
    /// host's person otherwise, once in an epoch.
    pub(super) fn handed_in(&mut self, id: RoomId, commit: &[u8], from: &Person, now: Now) {
        let credentials = self.credentials.clone();
        let Some(inside) = self.inside(id) else { return };
        if !inside.group.is_host() || !inside.is_idle() || inside.refused.contains(&from.device) {
            return;
        }
        match inside.stage_needed(commit, &*credentials, now) {
            Ok(commit)
                if inside.may_update(&commit, now)
                    || !inside.lapsed.has(from.device)
                        && (inside.group.settles(commit.id)
                            || inside.leaving.is_some() && commit.change.host.is_some()) =>
            {
                self.order(id, Input::Receive(Message::Propose(commit)), None, now);
            }
            Ok(_) => {
                inside.refused.insert(from.device);
            }
            // Nothing is wrong with it: it came too late, or with too many others.
            Err(GroupError::Epoch { .. } | GroupError::Full { .. }) => {}
            Err(error) => {
                inside.refused.insert(from.device);
                tracing::debug!(%id, %error, "a commit that was handed in");
                if matches!(error, GroupError::Role { .. } | GroupError::Improper { .. } | GroupError::Leaf { .. }) {
                    let message = format!("a change was handed in and not offered to the others: {error}");
                    self.error("room", message, format!("ask {} what it was for", from.identifier));
                }
            }
        }
    }

    /// Tells the client what a commit has changed of a room beside who is in it.
    pub(super) fn tell_changes(&mut self, id: RoomId, by: &Person, changes: Vec<RoomChange>) {
        for change in changes {
            if let (RoomChange::Name { name }, Some(room)) = (&change, self.rooms.get_mut(&id)) {
                room.name.clone_from(name);
            }
            if self.rooms.get(&id).is_some_and(Room::is_open) {
                self.emit(Event::RoomChanged { room: id, by: by.identifier.clone(), change });
            }
        }
    }
}

impl Inside {
    /// The devices of a member.
    fn devices_of(&self, who: &Identifier) -> Result<Vec<DeviceKey>, String> {
        let theirs = self.group.members().filter(|person| person.identifier == *who);
        let devices: Vec<DeviceKey> = theirs.map(|person| person.device).collect();
        if devices.is_empty() { Err(format!("expected a member of the room, found {who}")) } else { Ok(devices) }
    }

    /// An epoch has begun with this commit: what it fulfilled is no wish any more, and the others need another commit.
    pub(super) fn wishes_after(&mut self, commit: CommitId) {
        self.wishes.retain(|wish| wish.commit != Some(commit));
        self.wishes.iter_mut().for_each(|wish| wish.commit = None);
    }
}
