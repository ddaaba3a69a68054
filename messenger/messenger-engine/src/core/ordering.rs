//! The order of a room's commits: what comes from others is verified, handed to `room_order`, and what that says is done.
//! The rules have numbers in docs/spec/rooms.md.

use std::collections::BTreeSet;

use room_order::{Ack, Alarm, AllRules, Ballot, Claim, Commit, CommitId, Input, Leaf, Message, Output, Removal};

use super::Core;
use super::inside::{CLAIM, Inside, TURN};
use super::proofs::ballot;
use super::rooms::{Part, Room};
use crate::api::RoomId;
use crate::room::{DeviceKey, GroupError, Wanted, sign};
use crate::time::Now;
use crate::wire::{Acknowledged, Claimed, Granted, Head, QuotedAck, RoomFrame, SignedGrant, SignedHead, Whereabouts};

impl Core {
    pub(super) fn inside(&mut self, id: RoomId) -> Option<&mut Inside> {
        match self.rooms.get_mut(&id) {
            Some(Room { part: Part::Inside(inside), .. }) => Some(inside),
            _ => None,
        }
    }

    /// Something happens to the order of a room's commits. `from` is the device whose frame it is.
    pub(super) fn order(&mut self, id: RoomId, input: Input, from: Option<DeviceKey>, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        let promised = inside.order.promised();
        let outputs = inside.order.step(input);
        inside.note(now);
        if inside.order.promised() != promised {
            // Whoever was promised something has time to do it.
            inside.next_claim = now.instant + CLAIM + TURN * inside.turn();
            inside.promised_at.insert(inside.order.promised().leaf, now.instant);
        }
        for output in outputs {
            self.carry_out_order(id, output, from, now);
        }
    }

    fn carry_out_order(&mut self, id: RoomId, output: Output, from: Option<DeviceKey>, now: Now) {
        match output {
            Output::Send { to, message } => self.send_order(id, to, message, (from, now)),
            Output::Elected(ballot) => self.take_over(id, ballot, now),
            Output::Merged(commit) => self.merge(id, &commit, now),
            // Whoever made the commit has the welcome, and sends it on merging: after the go.
            Output::Welcome { .. } => {}
            // The merge has told it.
            Output::Removed => {}
            Output::Alarm(alarm) => self.alarm(id, &alarm, from),
            Output::Refused(refused) => tracing::debug!(%id, %refused, "about the order of commits"),
        }
    }

    /// Makes a commit and offers it, or hands it in.
    pub(super) fn make_commit(&mut self, id: RoomId, wanted: Wanted, now: Now) {
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get_mut(&id) else { return };
        match inside.group.make(wanted, &self.me.leaf) {
            Ok(commit) => self.order(id, Input::Propose(commit), None, now),
            Err(error) => self.room_trouble(id, "a change could not be made", &error),
        }
    }

    /// nothing was staged by who granted. What was handed in for this very ballot is offered rather than another commit.
    fn take_over(&mut self, id: RoomId, ballot: Ballot, now: Now) {
        match self.inside(id).and_then(|inside| inside.group.own_takeover(ballot)) {
            Some(commit) => self.order(id, Input::Propose(commit), None, now),
            None => self.make_commit(id, Wanted::Host(ballot), now),
        }
    }

    pub(super) fn room_trouble(&mut self, id: RoomId, what: &str, error: &GroupError) {
        if self.rooms.get(&id).is_some_and(Room::is_open) {
            self.error("room", format!("{what}: {error}"), "leave the room and enter it again");
        }
    }

    /// the person is warned, once, and a host who is accused counts as lost.
    pub(super) fn alarm(&mut self, id: RoomId, alarm: &Alarm, from: Option<DeviceKey>) {
        let Some(inside) = self.inside(id) else { return };
        // A leaf is a device in its own epoch alone: whoever entered later may have it now.
        let leaves = match alarm {
            Alarm::TwoOffers { parent, .. } => inside.leaves_of(*parent),
            Alarm::Forked { mine, .. } => inside.proofs.leaves_before(*mine).cloned(),
        };
        let leaves = leaves.unwrap_or_else(|| inside.leaves());
        let author = match alarm {
            Alarm::TwoOffers { ballot, .. } => leaves.device(ballot.leaf),
            Alarm::Forked { .. } => None,
        };
        if author == Some(inside.group.host().device) {
            inside.accused = author;
        }
        if !inside.warnings.is_new(alarm, author, from) {
            return;
        }
        let Some(room) = self.rooms.get(&id).filter(|room| room.is_open()) else { return };
        let Part::Inside(inside) = &room.part else { return };
        let name = |leaf: &Leaf| {
            let device = leaves.device(*leaf);
            let person = inside.group.members().find(|person| Some(person.device) == device);
            person.map_or_else(
                || "somebody who is in the room no longer".to_owned(),
                |person| person.identifier.to_string(),
            )
        };
        let message = match alarm {
            Alarm::TwoOffers { ballot, .. } => format!(
                "the device of {} has signed two different changes of the room {} where it may sign one",
                name(&ballot.leaf),
                room.name
            ),
            Alarm::Forked { number, both, .. } if both.is_empty() => {
                format!("the room {} has forked: another change began its epoch {number} elsewhere", room.name)
            }
            Alarm::Forked { number, both, .. } => format!(
                "the room {} has forked at its epoch {number}; agreed to both: {}",
                room.name,
                both.iter().map(name).collect::<Vec<_>>().join(", ")
            ),
        };
        self.error("room", message, "talk to the others in another way, and open another room without whoever did it");
    }

    /// in a large room not everybody has an acknowledgement of everybody's own: whoever has such of two offers in one ballot
    /// shows them to all.
    pub(super) fn show_contradiction(&mut self, id: RoomId, ballot: Ballot) {
        let Some(inside) = self.inside(id).filter(|inside| inside.is_large()) else { return };
        for (head, ack) in inside.proofs.not_shown_yet(ballot) {
            self.say_to_all(id, &RoomFrame::Ack { head, ack });
        }
    }

    fn send_order(&mut self, id: RoomId, to: Option<Leaf>, message: Message, (from, now): (Option<DeviceKey>, Now)) {
        let frame = match self.order_frame_of(id, message) {
            Ok(Some(frame)) => frame,
            Ok(None) => return,
            Err(error) => return self.room_trouble(id, "this device could not sign", &error),
        };
        let Some(inside) = self.inside(id) else { return };
        match (&frame, to) {
            (RoomFrame::Offer { .. } | RoomFrame::Claim { .. }, None) => inside.repeat = Some(frame.clone()),
            (RoomFrame::Ack { .. }, None) => inside.acked = Some(frame.clone()),
            _ => {}
        }
        let devices = match (to, from) {
            (None, _) => return self.say_order_to_all(id, &frame),
            // Leaves of a past epoch say nothing of this one: whoever is behind is who has just spoken.
            (Some(_), Some(device)) if matches!(frame, RoomFrame::Go { .. }) => match inside.may_help(device, now) {
                true => vec![device],
                false => Vec::new(),
            },
            (Some(leaf), _) => inside.leaves().device(leaf).into_iter().collect(),
        };
        for device in devices {
            self.say(device, &frame);
        }
    }

    /// To all. Who has acknowledged a commit has it, and is told of the go without it: hundreds of devices are not sent it twice.
    fn say_order_to_all(&mut self, id: RoomId, frame: &RoomFrame) {
        let RoomFrame::Go { head, acks, .. } = frame else { return self.say_to_all(id, frame) };
        let Some(inside) = self.inside(id) else { return };
        let leaves = inside.leaves();
        let has_it: BTreeSet<DeviceKey> = acks.iter().filter_map(|ack| leaves.device(Leaf(ack.from))).collect();
        let short = RoomFrame::Go { head: head.clone(), commit: Vec::new(), acks: acks.clone() };
        for device in self.hearers(id) {
            self.say(device, if has_it.contains(&device) { &short } else { frame });
        }
    }

    /// What goes over the wire; nothing if what proves it is not at hand any more.
    pub(super) fn order_frame_of(&mut self, id: RoomId, message: Message) -> Result<Option<RoomFrame>, GroupError> {
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get_mut(&id) else { return Ok(None) };
        let leaf = &self.me.leaf;
        let room = id.0;
        let message_of = |inside: &Inside, commit: CommitId| inside.group.staged_message(commit).map(<[u8]>::to_vec);
        Ok(match message {
            Message::Propose(commit) => message_of(inside, commit.id).map(|commit| RoomFrame::Propose { room, commit }),
            Message::Offer(offer) => {
                let (by, commit) = (offer.ballot, offer.commit);
                let head = Head { room, parent: commit.parent.0, term: by.term, leaf: by.leaf.0, commit: commit.id.0 };
                let head = SignedHead { signature: sign(&head, leaf)?, head };
                inside.proofs.keep_head(&head);
                let mut grants = Vec::new();
                for grant in &offer.grants {
                    let claim = Claimed { room, parent: grant.parent.0, term: by.term, leaf: by.leaf.0 };
                    match inside.proofs.grant(grant.from) {
                        Some(signed) => grants.push(signed.clone()),
                        None => grants.push(inside.sign_grant(grant, claim, leaf)?),
                    }
                }
                message_of(inside, commit.id).map(|commit| RoomFrame::Offer { head, commit, grants })
            }
            Message::Ack(ack) => {
                let Some(head) = inside.proofs.head(ack.ballot, ack.id).cloned() else { return Ok(None) };
                let acknowledged = Acknowledged { head: head.head.clone(), from: ack.from.0 };
                let ack = QuotedAck { from: ack.from.0, signature: sign(&acknowledged, leaf)? };
                inside.proofs.keep_ack(&head.head, &ack);
                Some(RoomFrame::Ack { head, ack })
            }
            Message::Go(go) => match inside.proofs.after(go.commit.parent) {
                Some(decision) => Some(decision.go.clone()),
                None => {
                    let acks = inside.proofs.acks(go.ballot, go.commit.id, go.acks.iter().copied());
                    let head = inside.proofs.head(go.ballot, go.commit.id).filter(|_| acks.len() == go.acks.len());
                    let (head, commit) = (head.cloned(), message_of(inside, go.commit.id));
                    let frame = head.zip(commit).map(|(head, commit)| RoomFrame::Go { head, commit, acks });
                    if let Some(frame) = &frame {
                        inside.proofs.keep_go(go.commit.id, frame.clone());
                    }
                    frame
                }
            },
            Message::Claim(Claim { parent, ballot }) => {
                inside.proofs.forget_grants();
                let claim = Claimed { room, parent: parent.0, term: ballot.term, leaf: ballot.leaf.0 };
                Some(RoomFrame::Claim { signature: sign(&claim, leaf)?, claim })
            }
            Message::Grant(grant) => {
                let by = grant.ballot;
                let claim = Claimed { room, parent: grant.parent.0, term: by.term, leaf: by.leaf.0 };
                let commit = grant.staged.as_ref().and_then(|staged| message_of(inside, staged.commit.id));
                Some(RoomFrame::Grant { grant: Box::new(inside.sign_grant(&grant, claim, leaf)?), commit })
            }
            Message::Beat { .. } => None,
        })
    }

    /// "I am in this epoch".
    pub(super) fn beat_of(&self, id: RoomId, now: Now) -> Option<RoomFrame> {
        let Some(Room { part: Part::Inside(inside), .. }) = self.rooms.get(&id) else { return None };
        let epoch = inside.order.epoch();
        let whereabouts =
            Whereabouts { room: id.0, number: epoch.number, epoch: epoch.id.0, digest: inside.group.digest() };
        let signature = sign(&whereabouts, &self.me.leaf).ok()?;
        Some(RoomFrame::Beat { whereabouts, signature, hears: Some(self.hears_in(inside, now)) })
    }

    /// A commit is decided: the group follows.
    fn merge(&mut self, id: RoomId, commit: &Commit, now: Now) {
        let me = self.me.person.device;
        let lapse = self.own_lapse(id, commit, now);
        let Some(inside) = self.inside(id) else { return };
        let (leaves, host) = (inside.leaves(), inside.group.host().device);
        if !inside.proofs.has_go(commit.id) {
            // Nobody could be told: this device would go on alone.
            tracing::warn!(%id, "a decision that cannot be proven");
            return self.leave_room(id, "this device could not prove to the others what was decided", now);
        }
        let changed = match inside.group.merge(commit.id, now) {
            Ok(merged) => merged,
            Err(error) => {
                self.room_trouble(id, "this device could not follow a change that was decided", &error);
                return self.leave_room(id, "this device could not follow the room", now);
            }
        };
        let Inside { proofs, order, .. } = inside;
        proofs.decided((commit.parent, commit.id), leaves, |ballot| order.first_seen_before(commit.parent, ballot));
        if changed.myself_removed {
            let by = changed.by.filter(|_| inside.group.standing().has_removed(me));
            return self.was_removed(id, (by.as_ref(), lapse), now);
        }
        let said = std::mem::take(&mut inside.gone);
        for person in &changed.removed {
            let how = if inside.group.standing().has_removed(person.device) {
                Removal::ForGood
            } else if said.contains(&person.device) {
                Removal::Left
            } else {
                Removal::Lost
            };
            if how.may_return::<AllRules>() {
                inside.note_lost(person, now);
            }
        }
        inside.gone = said;
        for person in &changed.added {
            inside.lost.remove(&person.device);
            inside.hosting.invited.remove(&person.device);
            inside.letters.counted.begin(person.device);
            inside.circulars.counted.begin(person.device);
        }
        // Whoever entered by a commit of her own has no welcome: she is told as members are.
        let newcomers = changed.added.iter().filter(|_| commit.change.invited.is_some()).map(|person| person.device);
        let (newcomers, go) = (newcomers.collect::<Vec<_>>(), inside.proofs.leading_to(commit.id).cloned());
        let author = changed.by.as_ref().filter(|_| changed.new_keys).map(|person| person.device);
        if author.is_some_and(|author| author != host) {
            inside.renewed_at = now.instant;
        }
        if let Some(author) = author {
            inside.lapsed.renewed(author, now);
        }
        inside.note_new_keys(author.into_iter().chain(changed.added.iter().map(|person| person.device)), now);
        inside.begin_epoch(host, now);
        inside.wishes_after(commit.id);
        if let Some(by) = changed.by {
            self.tell_changes(id, &by, changed.settled);
        }
        for person in changed.removed {
            self.member_gone(id, &person);
        }
        self.room_changed(id);
        if let Some((guest, welcome)) = changed.welcome {
            self.say(guest, &RoomFrame::Welcome { room: id.0, welcome, epoch: Some(commit.id.0) });
        }
        for (guest, go) in newcomers.into_iter().zip(go) {
            self.say(guest, &go);
        }
        self.send_held(id, now);
        self.take_early(id, now);
        self.advance(id, now);
    }
}

impl Inside {
    /// Keeps count of when the wait of R-07 began in each ballot.
    fn note(&mut self, now: Now) {
        let waiting: Vec<_> = self.order.ballots().filter(|(_, waited)| !waited).map(|(ballot, _)| ballot).collect();
        self.seen.retain(|ballot, _| waiting.contains(ballot));
        for ballot in waiting {
            self.seen.entry(ballot).or_insert(now.instant);
        }
        let stands = |frame: &RoomFrame| match frame {
            RoomFrame::Offer { head, .. } => ballot(&head.head) == self.order.promised(),
            RoomFrame::Claim { claim, .. } => {
                claim.term == self.order.promised().term && claim.leaf == self.order.promised().leaf.0
            }
            _ => true,
        };
        if !self.repeat.as_ref().is_none_or(stands) {
            self.repeat = None;
        }
    }

    fn sign_grant(
        &self,
        grant: &room_order::Grant,
        claim: Claimed,
        leaf: &crate::room::MyLeaf,
    ) -> Result<SignedGrant, GroupError> {
        let staged = grant.staged.as_ref();
        let staged = staged.and_then(|staged| self.proofs.head(staged.ballot, staged.commit.id)).cloned();
        let granted = Granted { claim, from: grant.from.0, staged };
        Ok(SignedGrant { signature: sign(&granted, leaf)?, granted })
    }

    fn begin_epoch(&mut self, host_before: DeviceKey, now: Now) {
        self.claims.clear();
        self.claimed_at = None;
        self.promised_at.clear();
        self.repeat = None;
        self.acked = None;
        self.seen.clear();
        self.handed_in = false;
        self.update = None;
        self.refused.clear();
        if self.group.host().device != host_before {
            self.host_lost = None;
            self.linked.remove(&self.group.host().device);
        }
        self.expect_all(now);
        self.next_claim = now.instant + TURN * self.turn();
    }
}

/// An acknowledgement as the rules see it.
pub(super) fn ack_of(head: &Head, from: u32) -> Ack {
    Ack { from: Leaf(from), parent: CommitId(head.parent), ballot: ballot(head), id: CommitId(head.commit) }
}

#[cfg(test)]
impl Core {
    /// In which epoch of a room this device is, and who hosts it: what a test compares between devices.
    pub(super) fn in_room(&self, id: RoomId) -> Option<(u64, CommitId, crate::room::Person)> {
        let inside = self.rooms.get(&id).filter(|room| room.is_open())?.inside()?;
        let epoch = inside.order.epoch();
        Some((epoch.number, epoch.id, inside.group.host().clone()))
    }

    /// Who is in a room, in order.
    pub(super) fn members_of(&self, id: RoomId) -> Vec<String> {
        let group = self.rooms.get(&id).and_then(Room::group);
        let mut members: Vec<_> =
            group.into_iter().flat_map(|group| group.members()).map(|person| person.identifier.to_string()).collect();
        members.sort();
        members
    }

    /// Which commits ended the epochs of a room that this device has seen ending.
    pub(super) fn decided_in(&self, id: RoomId) -> Vec<(CommitId, CommitId)> {
        let inside = self.rooms.get(&id).and_then(Room::inside);
        let past = inside.into_iter().flat_map(|inside| inside.proofs.past());
        past.map(|decision| (decision.parent, decision.commit)).collect()
    }
}
