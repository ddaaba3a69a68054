//! The guest's part where she enters by a commit of her own (rule R-09): whoever comes back does (rule R-17).
//!
//! ```text
//! asked ──Approach──► waits ──Admission──► handed in ──go, proven──► in
//!                       ▲                     │
//!                       └── the epoch ended ──┘ by another commit: the host sends another Admission
//! ```
//! After [`TRIES`] of them she enters by a welcome, which no other commit overtakes.

use std::time::Duration;

use room_order::{Go, Leaf, Member};

use super::inside::Inside;
use super::order_frames::is_decided;
use super::proofs::ballot;
use super::rooms::{ENTERING, Part, Room};
use super::{Core, SessionId};
use crate::api::{RoomId, RoomSuite};
use crate::room::{DeviceKey, Entrance, GroupError, Joining, Person, commit_name};
use crate::time::Now;
use crate::wire::{QuotedAck, RoomFrame, SignedHead, SignedInvitation};

/// For how many epochs a commit is made.
pub(super) const TRIES: u8 = 3;
/// How long whoever comes back waits after she has lost the host: others may decide what she has handed in, and one of them
/// takes the host's place.
const WITHOUT_HOST: Duration = Duration::from_secs(12);

/// How a device enters.
pub(super) enum Way {
    /// By the host's welcome; these are the keys for it.
    Welcome(Box<Joining>),
    /// By a commit of its own.
    Alone(Alone),
}

/// See the module.
pub(super) struct Alone {
    suite: RoomSuite,
    /// The epochs for which it has made one: for each, one and no other.
    tried: Vec<[u8; 32]>,
    /// What was handed in last.
    made: Option<Box<Entrance>>,
}

impl Core {
    /// Comes back into a room to which its host has asked. What was handed in before may be decided still.
    pub(super) fn approach(&mut self, id: RoomId, (host, suite): (&Person, RoomSuite), now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        // What stands there meanwhile is replaced at once.
        let asked = Part::Asked { host: host.clone(), suite };
        let (dropped, before) = match std::mem::replace(&mut room.part, asked) {
            Part::Dropped(dropped) => (Some(dropped), None),
            Part::Entering { way: Way::Alone(before), dropped, .. } => (dropped, Some(before)),
            Part::Entering { dropped, .. } => (dropped, None),
            Part::Asked { .. } | Part::Inside(_) => (None, None),
        };
        // Whoever asks again gives it no more tries.
        let (tried, made) = before.map_or((Vec::new(), None), |before| (before.tried, before.made));
        let way = Way::Alone(Alone { suite, tried, made });
        room.part = Part::Entering { host: host.clone(), way, deadline: now.instant + ENTERING, dropped };
        self.say(host.device, &RoomFrame::Approach { room: id.0 });
    }

    /// A session with a former fellow has begun before this device is in: she may know what became of its commit, or ask it in anew.
    pub(super) fn ask_on_the_way(&mut self, id: RoomId, device: DeviceKey) {
        let Some(Room { part: Part::Entering { way, .. }, .. }) = self.rooms.get(&id) else { return };
        let commit = match way {
            Way::Alone(Alone { made: Some(made), .. }) => Some(made.message().to_vec()),
            _ => None,
        };
        if let Some(commit) = commit {
            self.say(device, &RoomFrame::Join { room: id.0, commit });
        }
    }

    /// The host invites this device to an epoch. Every member's certificate is verified before anything is made.
    pub(super) fn admitted(
        &mut self,
        id: RoomId,
        host: &Person,
        session: SessionId,
        (info, invitation): (&[u8], &SignedInvitation),
        now: Now,
    ) {
        let credentials = self.credentials.clone();
        let Some(Room { part: Part::Entering { host: expected, way: Way::Alone(alone), dropped, .. }, .. }) =
            self.rooms.get_mut(&id)
        else {
            return;
        };
        if expected.device != host.device {
            return;
        }
        let made = alone.made.as_ref().filter(|made| made.before().id.0 == invitation.invited.parent);
        if let Some(commit) = made.map(|made| made.message().to_vec()) {
            // Of two of hers the host could offer one and she follow the other.
            return self.send_room(session, &RoomFrame::Join { room: id.0, commit });
        }
        let parent = invitation.invited.parent;
        if alone.tried.contains(&parent) {
            return;
        }
        if alone.tried.len() == usize::from(TRIES) {
            return self.enter_by_welcome(id, session);
        }
        alone.tried.push(parent);
        let of_room = (id, alone.suite);
        let made = Entrance::make(of_room, host.device, (info, invitation), &self.me.leaf, &*credentials, now);
        let returned = |made: &Entrance| dropped.as_ref().is_none_or(|dropped| dropped.left.goes_on_as(made.group()));
        match made {
            Ok(made) if returned(&made) => {
                let commit = made.message().to_vec();
                alone.made = Some(Box::new(made));
                self.send_room(session, &RoomFrame::Join { room: id.0, commit });
            }
            Ok(_) => self.refuse_entry(id, session, &super::membership::another_room(), now),
            Err(error) => self.refuse_entry(id, session, &error, now),
        }
    }

    /// Others were faster each time.
    fn enter_by_welcome(&mut self, id: RoomId, session: SessionId) {
        let Some(Room { part: Part::Entering { way, .. }, .. }) = self.rooms.get_mut(&id) else { return };
        let Way::Alone(Alone { suite, .. }) = way else { return };
        match Joining::new(id, *suite, &self.me.leaf) {
            Ok((joining, key_package)) => {
                *way = Way::Welcome(Box::new(joining));
                self.send_room(session, &RoomFrame::Enter { room: id.0, key_package });
            }
            Err(error) => self.error("room", error.to_string(), "have the host invite this device again"),
        }
    }

    fn refuse_entry(&mut self, id: RoomId, session: SessionId, error: &GroupError, now: Now) {
        let reason = crate::clip(&format!("what the host sent to enter the room was refused: {error}"));
        self.send_room(session, &RoomFrame::Decline { room: id.0, reason: reason.clone() });
        self.error("room", reason.clone(), "tell the host; do not enter a room whose members cannot be verified");
        self.close_room(id, &reason, now);
    }

    /// Whether a commit of this device's own is handed in, by which it enters.
    pub(super) fn is_on_its_way(&self, id: RoomId) -> bool {
        let part = self.rooms.get(&id).map(|room| &room.part);
        matches!(part, Some(Part::Entering { way: Way::Alone(Alone { made: Some(_), .. }), .. }))
    }

    /// What members say to this device, whose commit is handed in: that it is decided, or that they are in the epoch that it
    /// begins; whoever is has the decision (R-06).
    pub(super) fn told_on_the_way(&mut self, id: RoomId, session: SessionId, frame: RoomFrame, now: Now) {
        let Some(Room { part: Part::Entering { way: Way::Alone(Alone { made: Some(made), .. }), .. }, .. }) =
            self.rooms.get(&id)
        else {
            return;
        };
        match &frame {
            RoomFrame::Beat { whereabouts, .. } if whereabouts.epoch == made.commit().id.0 => {
                let commit = made.message().to_vec();
                self.send_room(session, &RoomFrame::Join { room: id.0, commit });
            }
            RoomFrame::Go { head, commit, acks } if is_proven(made, head, commit, acks) => {
                self.let_in_by(id, frame, now);
            }
            _ => {}
        }
    }

    /// The commit is decided: this device is a member.
    fn let_in_by(&mut self, id: RoomId, go: RoomFrame, now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        // What stands there meanwhile is replaced at once.
        let Part::Entering { host, .. } = &room.part else { return };
        let asked = Part::Asked { host: host.clone(), suite: RoomSuite::default() };
        let part = std::mem::replace(&mut room.part, asked);
        let Part::Entering { way: Way::Alone(Alone { made: Some(made), .. }), .. } = part else { return };
        let inside = Inside::by_commit(*made, go, now);
        self.is_in(id, inside, now);
    }

    /// A device without which this one does not get in is lost, or says no. Whoever comes back asks the others anew; otherwise the
    /// person is told.
    pub(super) fn give_up_entering(&mut self, id: RoomId, reason: &str, now: Now) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Part::Entering { host, dropped, .. } = &mut room.part else { return self.close_room(id, reason, now) };
        let (host, Some(dropped)) = (host.device, dropped.take()) else { return self.close_room(id, reason, now) };
        let fellows: Vec<DeviceKey> = dropped.fellows.iter().copied().filter(|device| *device != host).collect();
        room.part = Part::Dropped(dropped);
        self.end_texts(id);
        for device in fellows {
            self.say(device, &RoomFrame::Return { room: id.0 });
        }
    }

    /// The host is lost before this device is in: whoever comes back waits a moment, and who has just been asked is looked for as
    /// whoever was lost, if she was let in.
    pub(super) fn lost_host_on_the_way(&mut self, id: RoomId, reason: &str, now: Now) {
        match self.rooms.get_mut(&id).map(|room| &mut room.part) {
            Some(Part::Entering { deadline, dropped: Some(_), .. }) => {
                *deadline = (*deadline).min(now.instant + WITHOUT_HOST);
            }
            _ => self.drop_entry(id, reason, now),
        }
    }
}

/// Whether a go is about this device's own commit, and proves it.
fn is_proven(made: &Entrance, head: &SignedHead, message: &[u8], acks: &[QuotedAck]) -> bool {
    let leaves = made.leaves().clone();
    let (commit, before) = (made.commit(), made.before());
    let is_hers = head.head.parent == before.id.0 && head.head.commit == commit.id.0;
    is_hers && commit_name(message) == commit.id && is_decided(head, acks, &leaves, before)
}

impl Inside {
    /// In by a commit of one's own that is decided, with the decision, which others may lack.
    fn by_commit(made: Entrance, frame: RoomFrame, now: Now) -> Self {
        let (commit, before) = (made.commit().clone(), made.before().clone());
        let leaves = made.leaves().clone();
        let mut inside = Self::new(made.into_group(), now);
        if let RoomFrame::Go { head, acks, .. } = &frame {
            let acks = acks.iter().map(|ack| Leaf(ack.from)).collect();
            let go = Go { ballot: ballot(&head.head), commit: commit.clone(), acks };
            inside.order = Member::entered(go, &before);
        }
        inside.proofs.keep_go(commit.id, frame);
        inside.proofs.decided((commit.parent, commit.id), leaves, |_| None);
        inside
    }
}
