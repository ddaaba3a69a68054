//! The host's part where a guest enters by a commit of her own (rule R-09): one guest at a time is invited to an epoch, and
//! nobody else is let in while she makes her commit. What cannot wait goes first, and then she is invited to the next epoch.

use std::time::{Duration, Instant};

use room_order::{CommitId, Input, Message};

use super::entrance::TRIES;
use super::hosting::Hosting;
use super::rooms::{Part, Room};
use super::{Core, SessionId};
use crate::api::{Event, RoomId};
use crate::room::{DeviceKey, GroupError, Person, commit_name};
use crate::time::Now;
use crate::wire::RoomFrame;

/// How long a guest has for her commit, in which she verifies every member's certificate.
const TIME: Duration = Duration::from_secs(5);
/// How often a guest is invited to an epoch: once more than she tries, so that she can say that she enters by a welcome.
const INVITATIONS: u8 = TRIES + 1;

/// A guest who comes by a commit of her own.
pub(super) struct Approaching {
    person: Person,
    /// How often she was invited to an epoch.
    invited: u8,
}

/// Who was invited to an epoch.
pub(super) struct Admitted {
    guest: Approaching,
    epoch: CommitId,
    until: Instant,
}

impl Hosting {
    fn awaits(&self, device: DeviceKey) -> bool {
        let admitted = self.admitted.iter().map(|admitted| &admitted.guest);
        self.approaching.iter().chain(admitted).any(|guest| guest.person.device == device)
    }

    /// She comes in another way, or not at all.
    pub(super) fn awaits_no_more(&mut self, device: DeviceKey) {
        self.approaching.retain(|guest| guest.person.device != device);
        if self.admitted.as_ref().is_some_and(|admitted| admitted.guest.person.device == device) {
            self.admitted = None;
        }
    }
}

impl Core {
    /// A guest says yes, and that she comes by a commit of her own.
    pub(super) fn guest_approaches(&mut self, id: RoomId, person: &Person, session: SessionId, now: Now) {
        let Some(inside) = self.hosted(id).filter(|inside| inside.hosting.invited.contains_key(&person.device)) else {
            return self.send_room(session, &RoomFrame::Decline { room: id.0, reason: "not invited".into() });
        };
        if !inside.hosting.awaits(person.device) {
            inside.hosting.approaching.push_back(Approaching { person: person.clone(), invited: 0 });
            self.readmit_and_go_on(id, person.device, now);
        }
    }

    /// Whether nobody else is let in now, since somebody was invited to this epoch.
    pub(super) fn holds_for_guest(&mut self, id: RoomId, now: Now) -> bool {
        let Some(inside) = self.inside(id) else { return false };
        let Some(Admitted { guest, epoch, until }) = inside.hosting.admitted.take() else { return false };
        // Whoever is in, has declined or is lost is none any more.
        if !inside.hosting.invited.contains_key(&guest.person.device) {
            return false;
        }
        if epoch != inside.order.epoch().id {
            inside.hosting.approaching.push_front(guest);
        } else if until <= now.instant {
            inside.hosting.approaching.push_back(guest);
        } else {
            inside.hosting.admitted = Some(Admitted { guest, epoch, until });
            return true;
        }
        false
    }

    /// Invites the next guest to this epoch, if nothing is under way in it.
    pub(super) fn admit_next(&mut self, id: RoomId, now: Now) {
        while let Some(inside) = self.hosted(id)
            && inside.is_idle()
            && inside.hosting.admitted.is_none()
            && let Some(guest) = inside.hosting.approaching.pop_front()
        {
            let is_invited = inside.hosting.invited.contains_key(&guest.person.device);
            if let Some(session) = self.session_to(guest.person.device).filter(|_| is_invited) {
                self.admit(id, guest, session, now);
            }
        }
    }

    fn admit(&mut self, id: RoomId, guest: Approaching, session: SessionId, now: Now) {
        if guest.invited == INVITATIONS {
            return self.turn_away(id, &guest.person, session, "no commit of hers came before the room had changed");
        }
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get_mut(&id) else { return };
        match inside.group.invite(guest.person.device, &self.me.leaf) {
            Ok((group_info, invitation)) => {
                let guest = Approaching { invited: guest.invited + 1, ..guest };
                let (epoch, until) = (inside.order.epoch().id, now.instant + TIME);
                inside.hosting.admitted = Some(Admitted { guest, epoch, until });
                self.send_room(session, &RoomFrame::Admission { room: id.0, group_info, invitation });
            }
            Err(error) => self.turn_away(id, &guest.person, session, &error.to_string()),
        }
    }

    /// A guest hands in her commit. Where it is decided already she is told how.
    pub(super) fn guest_joins(&mut self, id: RoomId, person: &Person, session: SessionId, commit: &[u8], now: Now) {
        let credentials = self.credentials.clone();
        let Some(inside) = self.inside(id) else { return };
        if inside.group.has(person.device) {
            if let Some(go) = inside.proofs.leading_to(commit_name(commit)).cloned() {
                self.send_room(session, &go);
            }
            return;
        }
        let is_admitted = |hosting: &Hosting, epoch| {
            let admitted = hosting.admitted.as_ref();
            admitted.is_some_and(|admitted| admitted.guest.person.device == person.device && admitted.epoch == epoch)
        };
        let Some(inside) = self.hosted(id).filter(|inside| is_admitted(&inside.hosting, inside.order.epoch().id))
        else {
            return;
        };
        if !inside.is_idle() {
            return;
        }
        match inside.stage_needed(commit, &*credentials, now) {
            Ok(commit) if inside.group.enters(commit.id).is_some_and(|guest| is_same(guest, person)) => {
                self.order(id, Input::Receive(Message::Propose(commit)), None, now);
            }
            Ok(_) => self.turn_away(id, person, session, "the commit lets in somebody else"),
            // Nothing is wrong with it: she is invited to the next epoch, or asked once more.
            Err(GroupError::Epoch { .. } | GroupError::Full { .. }) => {}
            Err(error) => self.turn_away(id, person, session, &error.to_string()),
        }
    }

    /// A guest is not let in, and both sides are told why.
    fn turn_away(&mut self, id: RoomId, person: &Person, session: SessionId, reason: &str) {
        if let Some(inside) = self.inside(id) {
            inside.hosting.invited.remove(&person.device);
            inside.hosting.awaits_no_more(person.device);
        }
        let (who, reason) = (person.identifier.clone(), crate::clip(reason));
        self.send_room(session, &RoomFrame::Decline { room: id.0, reason: reason.clone() });
        self.emit(Event::RoomInvitationFailed { room: id, who, reason });
    }
}

fn is_same(guest: &Person, person: &Person) -> bool {
    (guest.device, &guest.identifier) == (person.device, &person.identifier)
}
