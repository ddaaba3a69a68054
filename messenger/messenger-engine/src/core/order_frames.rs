//! Frames about the order of commits: nothing of them counts before its signatures hold, and nothing is staged for who has
//! no right to offer it.

use std::collections::BTreeSet;

use room_order::{
    AllRules, Change, Claim, Commit, CommitId, Epoch, Go, Grant, Input, Leaf, Message, Offer, Staged, is_quorum,
};

use super::Core;
use super::inside::Inside;
use super::ordering::ack_of;
use super::proofs::ballot;
use super::ways;
use crate::api::RoomId;
use crate::room::{Credentials, DeviceKey, GroupError, Leaves, MAX_MEMBERS, Person, commit_name, is_signed};
use crate::time::Now;
use crate::wire::{Acknowledged, Claimed, QuotedAck, RoomFrame, SignedGrant, SignedHead, Whereabouts};

impl Core {
    /// A frame about the order of commits, from a member's device or one that was a member's, over a connection to it.
    pub(super) fn order_frame(&mut self, id: RoomId, person: &Person, frame: RoomFrame, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        if inside.group.has(person.device) {
            inside.ways.came_from(person.device, now);
        }
        if let RoomFrame::Beat { whereabouts, hears: Some(hears), .. } = &frame {
            inside.note_hears(person.device, CommitId(whereabouts.epoch), hears, now);
        }
        self.enclosed_order_frame(id, person, frame, now);
    }

    /// The same, however it came.
    pub(super) fn enclosed_order_frame(&mut self, id: RoomId, person: &Person, frame: RoomFrame, now: Now) {
        let device = person.device;
        let Some(inside) = self.inside(id) else { return };
        let is_member = inside.group.has(device);
        if !is_member && !inside.proofs.knew(device) {
            return;
        }
        if is_member {
            inside.heard.insert(device, now.instant);
            inside.hosting.remove.remove(&device);
        }
        match frame {
            RoomFrame::Propose { commit, .. } => self.handed_in(id, &commit, person, now),
            RoomFrame::Offer { head, commit, grants } => self.offered(id, (&head, commit, &grants), device, now),
            RoomFrame::Ack { head, ack } => self.acknowledged(id, (&head, &ack), device, now),
            RoomFrame::Go { head, commit, acks } => self.told_to_go(id, (head, commit, acks), device, now),
            RoomFrame::Claim { claim, signature } => self.claimed(id, (&claim, &signature), device, now),
            RoomFrame::Grant { grant, commit } => self.granted(id, *grant, commit.as_deref(), now),
            RoomFrame::Beat { whereabouts, signature, .. } => self.beaten(id, person, (&whereabouts, &signature), now),
            _ => {}
        }
        self.tend_room(id, now);
    }

    fn offered(
        &mut self,
        id: RoomId,
        (head, message, grants): (&SignedHead, Vec<u8>, &[SignedGrant]),
        device: DeviceKey,
        now: Now,
    ) {
        let credentials = self.credentials.clone();
        let Some(inside) = self.inside(id) else { return };
        let parent = CommitId(head.head.parent);
        if parent != inside.order.epoch().id {
            let is_known = inside.leaves_of(parent).is_some_and(|leaves| inside.is_head(head, &leaves));
            if is_known {
                self.look_back(id, head, device);
            }
            // Who shows what was offered, without the commit, is not behind.
            if !message.is_empty() {
                self.help_on(id, parent, device, now);
            }
            return;
        }
        let leaves = inside.leaves();
        let grants = if grants.len() <= MAX_MEMBERS { grants } else { &[] };
        let rightful = inside.may_offer(head, grants, &leaves);
        // What was promised to a higher ballot is not taken back. Who has a quorum's grants contradicts lower ballots all the
        // same, once; nobody else's commit is kept for that.
        let barred = ballot(&head.head) < inside.order.promised();
        if barred && inside.order.was_offered(ballot(&head.head), CommitId(head.head.commit)) {
            return;
        }
        if commit_name(&message).0 != head.head.commit || !rightful || !inside.proofs.keep_head(head) {
            return;
        }
        match inside.stage_needed(&message, &*credentials, now) {
            Ok(commit) if !inside.is_hers_to_offer(Leaf(head.head.leaf), &commit) => {
                tracing::debug!(%id, "an offer by whose certificate holds no longer");
            }
            Ok(commit) => {
                let quoted: BTreeSet<Grant> = grants.iter().map(|grant| grant_of(grant, &commit)).collect();
                let offer = Offer { ballot: ballot(&head.head), commit, grants: quoted };
                self.order(id, Input::Receive(Message::Offer(offer)), Some(device), now);
            }
            Err(error @ GroupError::Full { .. }) => tracing::warn!(%id, %error, "an offer"),
            Err(error) if barred => tracing::debug!(%id, %error, "an offer that would not be acknowledged"),
            Err(error) => {
                let reason = format!("this device refused a change of the room: {error}");
                self.error("room", reason.clone(), "ask the host whom or what she changed");
                self.leave_room(id, &reason, now);
            }
        }
    }

    fn acknowledged(&mut self, id: RoomId, (head, ack): (&SignedHead, &QuotedAck), device: DeviceKey, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        let parent = CommitId(head.head.parent);
        let Some(leaves) = inside.leaves_of(parent) else { return self.ask_on(id, device, now) };
        if !inside.is_head(head, &leaves) || !inside.is_ack(head, ack, &leaves) {
            return;
        }
        if parent == inside.order.epoch().id {
            // What could not be quoted is not counted either.
            if !inside.proofs.keep_head(head) {
                return;
            }
            inside.proofs.keep_ack(&head.head, ack);
        }
        let ack = ack_of(&head.head, ack.from);
        let ballot = ack.ballot;
        self.order(id, Input::Receive(Message::Ack(ack)), Some(device), now);
        self.show_contradiction(id, ballot);
        self.look_back(id, head, device);
    }

    fn told_to_go(
        &mut self,
        id: RoomId,
        (head, message, acks): (SignedHead, Vec<u8>, Vec<QuotedAck>),
        device: DeviceKey,
        now: Now,
    ) {
        let credentials = self.credentials.clone();
        let Some(inside) = self.inside(id) else { return };
        let parent = CommitId(head.head.parent);
        let Some(leaves) = inside.leaves_of(parent) else { return self.ask_on(id, device, now) };
        // Who has acknowledged it is not sent it again.
        let staged = inside.group.staged_message(CommitId(head.head.commit)).filter(|_| message.is_empty());
        let message = staged.map_or(message, <[u8]>::to_vec);
        let proven = acks.len() <= MAX_MEMBERS && acks.iter().all(|ack| inside.is_ack(&head, ack, &leaves));
        if !proven || !inside.is_head(&head, &leaves) || commit_name(&message).0 != head.head.commit {
            return;
        }
        let quoted: BTreeSet<Leaf> = acks.iter().map(|ack| Leaf(ack.from)).collect();
        let mut commit = named(CommitId(head.head.commit), parent);
        if parent == inside.order.epoch().id {
            let quorum = is_quorum::<AllRules>(&quoted, &inside.order.epoch().members);
            if !quorum || !inside.proofs.keep_head(&head) {
                return;
            }
            commit = match inside.stage_needed(&message, &*credentials, now) {
                Ok(commit) => commit,
                Err(error @ GroupError::Full { .. }) => return tracing::warn!(%id, %error, "a decision"),
                Err(error) => {
                    let reason = format!("this device refused a change on which the others agreed: {error}");
                    self.error("room", reason.clone(), "ask the host whom or what she changed");
                    return self.leave_room(id, &reason, now);
                }
            };
            acks.iter().for_each(|ack| inside.proofs.keep_ack(&head.head, ack));
            let by = ballot(&head.head);
            let frame = RoomFrame::Go { head, commit: message, acks };
            inside.proofs.keep_go(commit.id, frame);
            let go = Go { ballot: by, commit, acks: quoted };
            self.show_contradiction(id, by);
            return self.order(id, Input::Receive(Message::Go(go)), Some(device), now);
        }
        commit.committer = Leaf(head.head.leaf);
        let go = Go { ballot: ballot(&head.head), commit, acks: quoted };
        self.order(id, Input::Receive(Message::Go(go)), Some(device), now);
    }

    fn claimed(&mut self, id: RoomId, (claim, signature): (&Claimed, &[u8; 64]), device: DeviceKey, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        let parent = CommitId(claim.parent);
        if parent != inside.order.epoch().id {
            return self.help_on(id, parent, device, now);
        }
        let leaf = Leaf(claim.leaf);
        if !inside.leaves().device(leaf).is_some_and(|by| is_signed(claim, signature, by)) {
            return;
        }
        let claim = Claim { parent, ballot: room_order::Ballot { term: claim.term, leaf } };
        if !inside.may_claim(claim, now) || inside.is_lapsed(leaf) {
            return;
        }
        // Whoever loses the host a moment later grants it then.
        inside.claims.insert(leaf, claim);
        self.order(id, Input::Receive(Message::Claim(claim)), Some(device), now);
    }

    fn granted(&mut self, id: RoomId, grant: SignedGrant, message: Option<&[u8]>, now: Now) {
        let credentials = self.credentials.clone();
        let Some(inside) = self.inside(id) else { return };
        let (parent, leaves) = (CommitId(grant.granted.claim.parent), inside.leaves());
        if parent != inside.order.epoch().id || !is_grant(&grant, &leaves) {
            return;
        }
        let mut wanted = grant_of(&grant, &named(CommitId([0; 32]), parent));
        // Each member grants a claim of this device's once. Nothing is kept for anything else.
        let mine = wanted.ballot.leaf == inside.group.leaf() && wanted.ballot == inside.order.promised();
        if !mine || inside.proofs.grant(wanted.from).is_some() {
            return;
        }
        if let (Some(head), Some(staged)) = (&grant.granted.staged, &mut wanted.staged) {
            let Some(message) = message.filter(|message| commit_name(message).0 == head.head.commit) else { return };
            match inside.group.stage(message, &*credentials, now) {
                Ok(commit) => staged.commit = commit,
                Err(error) => return tracing::debug!(%id, %error, "a commit in a grant"),
            }
            if !inside.proofs.keep_head(head) {
                return;
            }
        }
        inside.proofs.keep_grant(grant);
        self.order(id, Input::Receive(Message::Grant(wanted)), None, now);
    }

    fn beaten(&mut self, id: RoomId, person: &Person, (told, signature): (&Whereabouts, &[u8; 64]), now: Now) {
        if !is_signed(told, signature, person.device) {
            return;
        }
        let Some(inside) = self.inside(id) else { return };
        let epoch = inside.order.epoch();
        if (told.number, told.epoch) == (epoch.number, epoch.id.0)
            && told.digest != inside.group.digest()
            && inside.group.has(person.device)
            && inside.warned.insert(person.device)
        {
            let message = format!(
                "{} is in another epoch than the others: expected code {}, found another",
                person.identifier,
                inside.group.code()
            );
            self.error("room", message, "compare the codes in another way before you go on, and open another room");
        }
        let Some(inside) = self.inside(id) else { return };
        let from = inside.leaves().leaf(person.device).unwrap_or(Leaf(u32::MAX));
        let beat = Message::Beat { from, number: told.number, id: CommitId(told.epoch) };
        self.order(id, Input::Receive(beat), Some(person.device), now);
    }

    /// Somebody speaks of a past epoch: she is told how it ended.
    fn help_on(&mut self, id: RoomId, parent: CommitId, device: DeviceKey, now: Now) {
        let Some(inside) = self.inside(id) else { return };
        match inside.proofs.after(parent).map(|decision| decision.go.clone()) {
            Some(go) if inside.may_help(device, now) => self.say(device, &go),
            Some(_) => {}
            None => self.ask_on(id, device, now),
        }
    }

    /// Somebody speaks of an epoch that is not known here: she may help on.
    fn ask_on(&mut self, id: RoomId, device: DeviceKey, now: Now) {
        if self.inside(id).is_some_and(|inside| inside.may_help(device, now))
            && let Some(beat) = self.beat_of(id, now)
        {
            self.say(device, &beat);
        }
    }
}

impl Inside {
    /// Stages what somebody has the right to offer, or what is decided.
    pub(super) fn stage_needed(
        &mut self,
        message: &[u8],
        credentials: &dyn Credentials,
        now: Now,
    ) -> Result<Commit, GroupError> {
        let Self { group, order, proofs, .. } = self;
        if group.staged_message(commit_name(message)).is_none() {
            let staged = order.staged().map(|staged| staged.commit.id);
            group.make_room(|commit| Some(commit) == staged || proofs.has_go(commit));
        }
        group.stage(message, credentials, now)
    }

    /// a member has said whom she hears, in an epoch that is known here.
    fn note_hears(&mut self, by: DeviceKey, epoch: CommitId, hears: &[u8], now: Now) {
        let Some(leaves) = self.leaves_of(epoch).filter(|_| self.group.has(by)) else { return };
        let hears = ways::named_by(hears, &leaves);
        if self.is_large() && self.counts_as_hub(by, now) {
            // of most there is no other word.
            let fellows: Vec<DeviceKey> = hears.iter().copied().filter(|device| self.group.has(*device)).collect();
            self.heard.extend(fellows.iter().map(|device| (*device, now.instant)));
            self.linked.extend(fellows);
        }
        self.ways.told(by, hears, now);
    }

    /// Who was who in the current epoch or in one whose decision is kept.
    pub(super) fn leaves_of(&self, epoch: CommitId) -> Option<Leaves> {
        if epoch == self.order.epoch().id {
            return Some(self.leaves());
        }
        self.proofs.after(epoch).map(|decision| decision.leaves.clone())
    }

    /// Whether it is looked at at all: an offer of the host of record, or one that a quorum has granted.
    fn may_offer(&self, head: &SignedHead, grants: &[SignedGrant], leaves: &Leaves) -> bool {
        let (by, epoch) = (ballot(&head.head), self.order.epoch());
        let granted = || {
            let theirs = |grant: &SignedGrant| {
                let claim = &grant.granted.claim;
                (claim.parent, claim.term, claim.leaf) == (epoch.id.0, by.term, by.leaf.0) && is_grant(grant, leaves)
            };
            let from: BTreeSet<Leaf> = grants.iter().map(|grant| Leaf(grant.granted.from)).collect();
            grants.iter().all(theirs) && is_quorum::<AllRules>(&from, &epoch.members)
        };
        self.is_head(head, leaves) && (by == epoch.host || granted())
    }

    /// Whether a head's author signed it. Every acknowledgement quotes it: it is looked at once.
    fn is_head(&self, head: &SignedHead, leaves: &Leaves) -> bool {
        self.proofs.has_head(head) || is_head(head, leaves)
    }

    /// Whether a member signed her acknowledgement. It comes once by itself and once more in the go: it is looked at once.
    fn is_ack(&self, head: &SignedHead, ack: &QuotedAck, leaves: &Leaves) -> bool {
        self.proofs.has_ack(head, ack) || is_ack(head, ack, leaves)
    }
}

/// Whether these are a quorum's acknowledgements of an offer in an epoch, to who is in it not yet.
pub(super) fn is_decided(head: &SignedHead, acks: &[QuotedAck], leaves: &Leaves, epoch: &Epoch) -> bool {
    let quoted: BTreeSet<Leaf> = acks.iter().map(|ack| Leaf(ack.from)).collect();
    let proven = acks.len() <= MAX_MEMBERS && is_head(head, leaves) && acks.iter().all(|ack| is_ack(head, ack, leaves));
    proven && is_quorum::<AllRules>(&quoted, &epoch.members)
}

fn is_head(head: &SignedHead, leaves: &Leaves) -> bool {
    leaves.device(Leaf(head.head.leaf)).is_some_and(|by| is_signed(&head.head, &head.signature, by))
}

fn is_ack(head: &SignedHead, ack: &QuotedAck, leaves: &Leaves) -> bool {
    let acknowledged = Acknowledged { head: head.head.clone(), from: ack.from };
    leaves.device(Leaf(ack.from)).is_some_and(|by| is_signed(&acknowledged, &ack.signature, by))
}

/// A grant's signature, and that of what it says was staged: an offer in the same epoch.
fn is_grant(grant: &SignedGrant, leaves: &Leaves) -> bool {
    let granted = &grant.granted;
    let by = leaves.device(Leaf(granted.from));
    let of_this_epoch = |head: &SignedHead| {
        (head.head.room, head.head.parent) == (granted.claim.room, granted.claim.parent) && is_head(head, leaves)
    };
    by.is_some_and(|by| is_signed(granted, &grant.signature, by)) && granted.staged.as_ref().is_none_or(of_this_epoch)
}

/// A grant as the rules see it. Of what others have staged the name alone is known, unless it is this commit.
fn grant_of(grant: &SignedGrant, offered: &Commit) -> Grant {
    let SignedGrant { granted, .. } = grant;
    let parent = CommitId(granted.claim.parent);
    let staged = granted.staged.as_ref().map(|head| {
        let id = CommitId(head.head.commit);
        let commit = if id == offered.id { offered.clone() } else { named(id, parent) };
        Staged { ballot: ballot(&head.head), commit }
    });
    let by = room_order::Ballot { term: granted.claim.term, leaf: Leaf(granted.claim.leaf) };
    Grant { from: Leaf(granted.from), parent, ballot: by, staged }
}

/// A commit of which nothing but its name counts.
fn named(id: CommitId, parent: CommitId) -> Commit {
    Commit { id, parent, committer: Leaf(0), change: Change::default() }
}
