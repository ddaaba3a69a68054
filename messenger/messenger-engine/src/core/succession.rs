//! A room goes on without its host: beats, silence, claims, and what becomes of a room in which no quorum is heard.

use std::time::Duration;

use room_order::{AllRules, Ballot, Claim, Input, Leaf, Message, Outlook, is_quorum};

use super::Core;
use super::inside::{BEAT, CLAIM, PROMISED_AGAIN, SILENT, TURN, W};
use super::rooms::{Part, Room};
use crate::api::RoomId;
use crate::room::DeviceKey;
use crate::time::Now;

impl Core {
    /// Does what is due in a room one is in.
    pub(super) fn tend_room(&mut self, id: RoomId, now: Now) {
        self.review_leaves(id, now);
        self.look_for_lost(id, now);
        self.end_waits(id, now);
        self.beat_if_due(id, now);
        self.look_for_host(id, now);
        self.claim_if_due(id, now);
        self.end_leaving(id, now);
    }

    /// who is lost is not waited for; and the host removes who has no connection to anybody she hears.
    fn look_for_lost(&mut self, id: RoomId, now: Now) {
        self.look_for_ways(id, now);
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get_mut(&id) else { return };
        let others = inside.others().into_iter();
        inside.linked.extend(others.filter(|device| self.sessions.has(*device)));
        let lost = inside.lost_members(&self.sessions, now);
        if lost != *inside.order.lost() {
            self.order(id, Input::Lost(lost), None, now);
        }
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get_mut(&id) else { return };
        if !inside.group.is_host() {
            return;
        }
        let mut ended = inside.others();
        ended.retain(|device| inside.has_ended(*device, &self.sessions));
        let before = inside.hosting.remove.len();
        inside.hosting.remove.extend(ended);
        if inside.hosting.remove.len() > before {
            self.advance(id, now);
        }
    }

    /// the time for contradictions is over.
    fn end_waits(&mut self, id: RoomId, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        let due: Vec<_> = inside.seen.iter().filter(|(_, seen)| **seen + W <= now.instant).map(|(b, _)| *b).collect();
        for ballot in due {
            self.order(id, Input::Waited(ballot), None, now);
        }
    }

    /// R-14, and what is looked at as often as that.
    fn beat_if_due(&mut self, id: RoomId, now: Now) {
        let Some(inside) = self.inside(id).filter(|inside| inside.next_beat <= now.instant) else { return };
        let repeat = if inside.beat(now) { inside.repeat.clone() } else { None };
        inside.forget_lost(now);
        let Some(beat) = self.beat_of(id, now) else { return };
        for frame in std::iter::once(&beat).chain(&repeat) {
            self.say_to_all(id, frame);
        }
        self.tell_reach(id);
        self.look_for_quorum(id, now);
        self.look_for_silent(id, now);
        self.hand_in_again(id);
        self.advance(id, now);
        self.renew_keys_if_due(id, now);
    }

    /// the host is lost where nothing comes from her, where no session with her is left and nobody hears her, and where her
    /// certificate holds no longer.
    fn look_for_host(&mut self, id: RoomId, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        if inside.group.is_host() {
            return;
        }
        let (host, silent_at) = (inside.group.host().device, inside.host_silent_at());
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get_mut(&id) else { return };
        let left = inside.has_ended(host, &self.sessions);
        let distrusted = inside.accused == Some(host) || inside.lapsed.has(host);
        let lost = left || silent_at <= now.instant || distrusted;
        match (lost, inside.host_lost) {
            (true, None) => {
                inside.host_lost = Some(now.instant);
                inside.next_claim = inside.next_claim.max(now.instant + TURN * inside.turn());
                // Who has claimed and is lost herself since is waited for no longer.
                let there = |leaf: &Leaf| !inside.order.lost().contains(leaf);
                let claims: Vec<_> =
                    inside.claims.iter().filter(|(leaf, _)| there(leaf)).map(|(_, claim)| *claim).collect();
                self.order(id, Input::HostLost, None, now);
                for claim in claims {
                    self.order(id, Input::Receive(Message::Claim(claim)), None, now);
                }
            }
            (false, Some(_)) => {
                inside.host_lost = None;
                self.order(id, Input::HostBack, None, now);
            }
            _ => {}
        }
    }

    /// no session with a member is left. The others learn at once that she is not heard here; and what would be claimed if they
    /// said the same of the host, so that they can grant it then. It binds nobody before, this device neither.
    pub(super) fn tell_of_loss(&mut self, id: RoomId, device: DeviceKey, now: Now) {
        if !self.inside(id).is_some_and(|inside| inside.group.has(device)) {
            return;
        }
        self.beat_at_once(id, now);
        let Some(inside) = self.inside(id).filter(|inside| inside.may_come_to_claim(device, now)) else { return };
        let (epoch, leaf) = (inside.order.epoch(), inside.group.leaf());
        let highest = inside.order.promised().term.max(epoch.host.term).max(inside.highest_claim());
        let Some(term) = highest.checked_add(1) else { return };
        let claim = Claim { parent: epoch.id, ballot: Ballot { term, leaf } };
        if let Ok(Some(claim)) = self.order_frame_of(id, Message::Claim(claim)) {
            self.say_to_all(id, &claim);
        }
    }

    /// it is this device's turn, or the host's whose own ballot is barred by a promise. Nobody claims alone what only a
    /// quorum can grant.
    fn claim_if_due(&mut self, id: RoomId, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        if !inside.would_claim() || inside.next_claim > now.instant {
            return;
        }
        let is_quorum = is_quorum::<AllRules>(&inside.present(now), &inside.order.epoch().members);
        if !is_quorum || inside.leaves_claims_to_others(now) {
            inside.next_claim = now.instant + TURN;
            return;
        }
        // Nobody grants it so soon after another one of this device's, and it would bar what this device could grant to others.
        let again = inside.claimed_at.map(|at| at + PROMISED_AGAIN + TURN * (1 + inside.turn()));
        if let Some(again) = again.filter(|again| now.instant < *again) {
            inside.next_claim = again;
            return;
        }
        inside.claimed_at = Some(now.instant);
        inside.next_claim = now.instant + CLAIM + TURN * inside.turn();
        let above = inside.highest_claim();
        self.order(id, Input::ClaimAbove(above), None, now);
    }

    /// where no quorum is heard, nothing can be decided: the person is told, nothing more is sealed, and in the end
    /// one leaves.
    pub(super) fn look_for_quorum(&mut self, id: RoomId, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        let present = inside.present(now);
        if is_quorum::<AllRules>(&present, &inside.order.epoch().members) {
            inside.stalled = None;
            if std::mem::take(&mut inside.told_stalled) {
                self.room_changed(id);
            }
            return;
        }
        let others = inside.others();
        let all_left = others.iter().all(|device| inside.gone.contains(device));
        let since = *inside.stalled.get_or_insert(now.instant);
        let (outlook, told) = (Outlook::after::<AllRules>(now.instant - since), inside.told_stalled);
        if all_left && others.iter().all(|device| self.session_to(*device).is_none()) {
            return self.close_room(id, "everybody else has left", now);
        }
        if outlook == Outlook::Over {
            return self.drop_room(id, "most of the others could not be reached for a minute", now);
        }
        let Some(inside) = self.inside(id).filter(|_| outlook == Outlook::Frozen && !told) else { return };
        inside.told_stalled = true;
        if let Some(room) = self.rooms.get(&id).filter(|room| room.is_open()) {
            let message = format!("most members of the room {} cannot be reached", room.name);
            let remedy = "wait: who is in it cannot change and nothing can be said in it until they are heard again; \
                          it ends here after a minute";
            self.error("room", message, remedy);
        }
    }

    /// The host removes whom nothing has come from for long.
    fn look_for_silent(&mut self, id: RoomId, now: Now) {
        let Some(inside) = self.inside(id).filter(|inside| inside.group.is_host()) else { return };
        let since: Vec<_> = inside.others().into_iter().filter_map(|d| Some((d, *inside.heard.get(&d)?))).collect();
        let is_silent = |core: &Self, device: DeviceKey, heard| {
            // Who changes networks stays a member, as long as her session lives without a connection.
            let away = if core.is_connected_since(device, heard) { Duration::ZERO } else { super::seeking::LIFE };
            now.instant >= heard + super::hosting::MEMBER_SILENT + away
        };
        let silent: Vec<_> =
            since.into_iter().filter(|(d, heard)| is_silent(self, *d, *heard)).map(|(d, _)| d).collect();
        if let Some(inside) = self.inside(id) {
            inside.hosting.remove.extend(silent);
        }
    }

    /// Whoever leaves answers for a while, so that the others need not wait for her.
    fn end_leaving(&mut self, id: RoomId, now: Now) {
        if self.inside(id).is_some_and(|inside| inside.leaving.is_some_and(|until| until <= now.instant)) {
            self.rooms.remove(&id);
        }
    }

    /// A session with a device has begun: she is told where this device is, and what she may have missed.
    pub(super) fn greet_in_rooms(&mut self, device: DeviceKey, now: Now) {
        let ids: Vec<RoomId> = self
            .rooms
            .iter()
            .filter(|(_, room)| room.group().is_some_and(|g| g.has(device)))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.greet_in_room(id, device, now);
            self.tend_room(id, now);
        }
    }

    /// A member is reached from now on: she is told where this device is, and what she may have missed.
    pub(super) fn greet_in_room(&mut self, id: RoomId, device: DeviceKey, now: Now) {
        let Some(beat) = self.beat_of(id, now) else { return };
        self.say(device, &beat);
        let Some(inside) = self.inside(id) else { return };
        inside.hosting.remove.remove(&device);
        let missed: Vec<_> = [&inside.repeat, &inside.acked].into_iter().flatten().cloned().collect();
        for frame in missed {
            self.say(device, &frame);
        }
    }

    /// Whether a text may be sealed in a room.
    pub(super) fn is_stalled(&self, id: RoomId) -> bool {
        self.rooms.get(&id).is_some_and(Room::is_stalled)
    }
}

const _: () = assert!(BEAT.as_secs() * 2 < SILENT.as_secs(), "two beats may be lost");
