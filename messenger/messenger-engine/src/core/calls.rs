//! Calls: from wanting to talk to being introduced. The directory knows a call only until GO; what it is for stays
//! here.
//!
//! ```text
//! own:    Inviting ──GO──► Dialling ──connected──► (link)
//! theirs: Asked ──accept──► Accepted ──GO──► Listening ──connected──► (link)
//! any stage ──outcome, deadline, failure──► over; its errands are told why
//! both at once: see `crossing`
//! ```

use std::time::{Duration, Instant};

use directory_protocol::Role;
use identity::Identifier;

use super::errands::{Errand, only_resume};
use super::resumption::Candidate;
use super::{Action, Ask, ConnectionId, Core, Introduction, Meeting};
use crate::api::{CallId, Event, Purpose};
use crate::room::Person;
use crate::session::Exported;
use crate::time::Now;
use crate::wire::Close;

/// The directory answers an invitation within 30 s; a little more is its own failure.
const INVITING: Duration = Duration::from_secs(35);
/// An invitation that only wants to go on with a session is tried again sooner: it may ring on a device's connection to
/// the directory that broke together with the one to here.
const RESUMING: Duration = Duration::from_secs(5);
/// From acceptance to GO.
pub(super) const ACCEPTED: Duration = Duration::from_secs(10);
/// From GO to a connection.
const CONNECTING: Duration = Duration::from_secs(12);
/// How many calls are under way at once; a flood of knocks beyond it is not shown.
const MAX_CALLS: usize = 256;
/// How many of them one person makes, with all her devices: nobody may take all places in which one meets others.
pub(super) const MAX_CALLS_OF_ONE: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Inviting,
    /// Theirs waits for one of ours that it crosses.
    Crossing,
    Asked,
    Accepted,
    Dialling,
    Listening,
}

pub(super) struct Call {
    pub(super) peer: Identifier,
    pub(super) key: Option<[u8; 32]>,
    /// The device that was asked for, if not any of theirs will do.
    pub(super) device: Option<[u8; 32]>,
    pub(super) purpose: Purpose,
    pub(super) stage: Stage,
    pub(super) errands: Vec<Errand>,
    /// Whether the person behind this device wants it: she called or accepted.
    pub(super) wanted: bool,
    pub(super) deadline: Instant,
    /// The call of ours that this one of theirs crosses.
    pub(super) crosses: Option<CallId>,
}

impl Call {
    /// Whether it leads to this device; where any will do, it must not be bound to one.
    fn leads_to(&self, device: Option<[u8; 32]>) -> bool {
        match device {
            Some(_) => self.key.or(self.device) == device,
            None => self.device.is_none(),
        }
    }

    /// Whether one of theirs alone was asked for.
    pub(super) fn names_device(&self) -> bool {
        self.device.is_some()
    }

    /// Whether the other side makes it.
    pub(super) fn is_theirs(&self) -> bool {
        matches!(self.stage, Stage::Crossing | Stage::Asked | Stage::Accepted | Stage::Listening)
    }

    /// Whether it is there for nothing but to go on with a session.
    pub(super) fn only_resumes(&self) -> bool {
        only_resume(&self.errands)
    }
}

impl Core {
    /// Runs an errand that needs a connection to `who`: joins a call that is under way or begins one.
    pub(super) fn call_for(&mut self, who: Identifier, purpose: Purpose, errand: Errand, now: Now) {
        self.call_device(who, None, purpose, errand, now);
    }

    /// The same, where only one device of theirs will do.
    pub(super) fn call_device(
        &mut self,
        who: Identifier,
        device: Option<[u8; 32]>,
        purpose: Purpose,
        errand: Errand,
        now: Now,
    ) {
        let wanted = errand.is_wanted();
        let joins = |call: &Call| {
            let same = call.peer == who && call.purpose == purpose && call.leads_to(device);
            same && call.stage != Stage::Crossing && (call.stage != Stage::Asked || wanted)
        };
        if let Some((id, call)) = self.calls.iter_mut().find(|(_, call)| joins(call)) {
            call.wanted |= wanted;
            if call.only_resumes() && call.stage == Stage::Inviting {
                call.deadline = now.instant + INVITING;
            }
            call.errands.push(errand);
            if call.stage == Stage::Asked {
                // Whoever wants to talk to somebody who knocks lets them in.
                let id = *id;
                self.emit(Event::IncomingEnded { call: id, reason: "you wrote to them".to_owned() });
                self.accept_call(id, now);
            }
            return;
        }
        let id = CallId(self.random_16());
        let patience = if matches!(errand, Errand::Resume) { RESUMING } else { INVITING };
        let call = Call {
            peer: who.clone(),
            key: None,
            device,
            purpose,
            stage: Stage::Inviting,
            wanted,
            errands: vec![errand],
            deadline: now.instant + patience,
            crosses: None,
        };
        self.calls.insert(id, call);
        self.actions.push_back(Action::Ask(Ask::Invite { call: id, callee: who, purpose, device }));
    }

    /// The directory did not take an invitation, or the acceptance of one.
    pub fn call_failed(&mut self, id: CallId, reason: &str, now: Now) {
        let accepted = self.calls.get(&id).filter(|call| call.stage == Stage::Accepted && call.wanted);
        // Whoever called as well has not been refused by that.
        let accepted = accepted.filter(|call| call.crosses.is_none());
        if let Some(who) = accepted.map(|call| call.peer.to_string()) {
            self.error(who, format!("the call could not be answered: {reason}"), "call back");
        }
        self.fail_call(id, reason, now);
    }

    /// Whether this call is under way.
    pub fn is_under_way(&self, id: CallId) -> bool {
        self.calls.contains_key(&id)
    }

    pub(super) fn incoming(&mut self, id: CallId, caller: Identifier, key: [u8; 32], purpose: Purpose, now: Now) {
        if self.calls.contains_key(&id) || self.calls.len() >= MAX_CALLS {
            return;
        }
        let crossing = match self.crossed_by(&caller, key, purpose) {
            // Both called at once: the lower id survives (docs/spec/directory.md).
            Some((own, Stage::Inviting)) if id < own => Some(own),
            Some((own, _)) => return self.wait_for_ours(own, (id, key), now),
            None => None,
        };
        // The directory holds blocked people back; one whose call was on its way hears nothing either. But whoever calls
        // somebody wants to talk to them, blocked or not, and a call that crosses hers stands for her own.
        if crossing.is_none() && self.is_blocked(&caller) {
            return;
        }
        let of_her = self.calls.values().filter(|call| call.peer == caller && call.is_theirs()).count();
        if crossing.is_none() && of_her >= MAX_CALLS_OF_ONE {
            return self.actions.push_back(Action::Ask(Ask::Busy { call: id }));
        }
        let own = crossing.and_then(|own| self.calls.remove(&own));
        if let Some(call) = crossing {
            // Of two calls in one directory it has ended the other by itself; of two directories, neither knows the other's.
            self.actions.push_back(Action::Ask(Ask::Cancel { call }));
        }
        let wanted = own.as_ref().is_some_and(|call| call.wanted);
        let errands = own.map(|call| call.errands).unwrap_or_default();
        let contact = self.is_contact(&caller);
        let welcome = crossing.is_some() || self.enters_without_ringing(&caller, key, purpose);
        let stage = if welcome { Stage::Accepted } else { Stage::Asked };
        let deadline = now.instant + if welcome { ACCEPTED } else { INVITING };
        let call = Call {
            peer: caller.clone(),
            key: Some(key),
            device: None,
            purpose,
            stage,
            errands,
            wanted,
            deadline,
            crosses: None,
        };
        self.calls.insert(id, call);
        if let Some(own) = crossing {
            self.stands_for(own, id);
        }
        if welcome {
            self.actions.push_back(Action::Ask(Ask::Accept { call: id }));
        } else {
            self.emit(Event::Incoming { call: id, from: caller, purpose, contact });
        }
    }

    /// Texts and rooms of contacts (a room rings with its invitation), fellow members of a room, and whoever goes on with a
    /// session. An answer shows that somebody is there, and leads to her addresses: contacts from whom she hides, or about whom she wants to be
    /// asked, have to wait for it, as strangers do.
    pub(super) fn enters_without_ringing(&self, caller: &Identifier, key: [u8; 32], purpose: Purpose) -> bool {
        let open = self.is_contact(caller) && self.shows_itself_to(caller) && !self.asks_first(caller);
        let welcome = open || self.goes_on_with(caller, key, purpose);
        match purpose {
            Purpose::Text => welcome,
            Purpose::Room => welcome || self.shares_room_with(key),
            Purpose::Call => false,
        }
    }

    pub(super) fn accept_call(&mut self, id: CallId, now: Now) {
        match self.calls.get_mut(&id) {
            Some(call) if call.stage == Stage::Asked => {
                call.stage = Stage::Accepted;
                call.wanted = true;
                call.deadline = now.instant + ACCEPTED;
                self.actions.push_back(Action::Ask(Ask::Accept { call: id }));
            }
            _ => self.no_such_call("accept", id),
        }
    }

    pub(super) fn decline_call(&mut self, id: CallId) {
        match self.calls.get(&id) {
            Some(call) if call.stage == Stage::Asked => {
                self.calls.remove(&id);
                self.actions.push_back(Action::Ask(Ask::Decline { call: id }));
            }
            _ => self.no_such_call("decline", id),
        }
    }

    fn no_such_call(&mut self, about: &str, id: CallId) {
        self.error(
            about,
            format!("expected a call that rings, found none named {id}"),
            "it may have ended: wait for the next incoming event",
        );
    }

    pub(super) fn introduced(&mut self, id: CallId, peer: Introduction, meeting: Meeting, now: Now) {
        let Some(call) = self.calls.get(&id) else { return };
        let stage = match (call.stage, meeting.role) {
            (Stage::Inviting, Role::Dialler) => Stage::Dialling,
            (Stage::Accepted, Role::Listener) => Stage::Listening,
            _ => return self.fail_call(id, "the directory introduced a call that nobody agreed to", now),
        };
        if call.peer != peer.who || call.key.is_some_and(|key| key != peer.key) {
            return self.fail_call(id, "the directory introduced somebody else than announced", now);
        }
        // A directory that does not know of calls for one device ignores which one was meant (docs/spec/directory.md, section 5).
        if call.device.is_some_and(|meant| meant != peer.key) {
            return self.fail_call(id, "another device of theirs answered than the one that was meant", now);
        }
        if call.only_resumes() && !self.goes_on_with(&peer.who, peer.key, call.purpose) {
            return self.fail_call(id, "another device of theirs answered than the one of the session", now);
        }
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.stage = stage;
        call.key = Some(peer.key);
        call.deadline = now.instant + CONNECTING;
        self.leave_crossing(id, peer.key, now);
        self.actions.push_back(Action::Connect { call: id, expected: peer, meeting });
    }

    /// A connection stands, with a verified person at its other end: one we dialled for `dialled`, or one that came in.
    ///
    /// It carries a session only if the directory introduced exactly this person and device; else it is closed before
    /// anything is shown or said. Whom one knows is bound to her authority now, if she was not.
    pub fn connected(
        &mut self,
        connection: ConnectionId,
        person: Person,
        exported: Exported,
        dialled: Option<CallId>,
        now: Now,
    ) {
        let stage = if dialled.is_some() { Stage::Dialling } else { Stage::Listening };
        let found = self
            .calls
            .iter()
            .find(|(id, call)| {
                let introduced = call.key.map(|key| Introduction { who: call.peer.clone(), key });
                call.stage == stage && dialled.is_none_or(|d| d == **id) && introduced.is_some_and(|i| i.is(&person))
            })
            .map(|(id, call)| (*id, call.wanted));
        if let Some((id, _)) = found
            && let Some(refusal) = self.is_no_device_of_hers(&person)
        {
            self.actions.push_back(Action::Close { connection, code: Close::NOT_INTRODUCED });
            let remedy = format!("look who else has a certificate in your name: certtool watch {}", person.identifier);
            self.error("device", refusal.clone(), remedy);
            return self.fail_call(id, &refusal, now);
        }
        if let Some((id, wanted)) = found
            && !self.is_oneself(&person.identifier)
            && (self.is_contact(&person.identifier) || wanted && !self.me.bot)
            && let Err(refusal) = self.meet(&person, now)
        {
            self.actions.push_back(Action::Close { connection, code: Close::NOT_INTRODUCED });
            return self.fail_call(id, &refusal, now);
        }
        if let Some((id, _)) = found {
            self.stands_for_both(id);
        }
        let Some((id, call)) = found.and_then(|(id, _)| Some((id, self.calls.remove(&id)?))) else {
            tracing::debug!(connection, "a connection that nobody introduced is dropped");
            self.actions.push_back(Action::Close { connection, code: Close::NOT_INTRODUCED });
            if let Some(call) = dialled {
                self.fail_call(call, "what answered is not the introduced device", now);
            }
            return;
        };
        self.actions.push_back(Action::Settled { call: id });
        let only_resumes = call.only_resumes();
        let Call { purpose, errands, .. } = call;
        let purpose = self.purpose_with(&person, purpose);
        let goes_on = self.resumable_with(&person).is_some();
        if only_resumes && !goes_on {
            tracing::debug!(connection, "a connection for a session that has ended is closed");
            self.actions.push_back(Action::Close { connection, code: Close::NOT_INTRODUCED });
            return;
        }
        if goes_on {
            let candidate = Candidate::new(person, purpose, exported, errands, now);
            return self.add_candidate(connection, candidate, dialled.is_some(), now);
        }
        self.begin_session(connection, person, purpose, (&exported, dialled.is_some()), errands, now);
    }

    /// Whether a call with this person for this purpose is under way that leads to this device.
    pub(super) fn is_calling(&self, who: &Identifier, device: [u8; 32], purpose: Purpose) -> bool {
        let calls = |call: &Call| call.peer == *who && call.purpose == purpose && call.leads_to(Some(device));
        self.calls.values().any(calls)
    }
}
