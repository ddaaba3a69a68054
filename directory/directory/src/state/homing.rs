//! What a node of a cluster does for the people of its shards, wherever they are connected: the same state, asked in smaller
//! steps. Such a connection is a *guest* here: it has no socket, its frames go to the node it is connected to, and what that
//! node does for it (deadlines, its own calls' ends, the end of its certificate) is not done a second time.

use super::calls::Placed;
use super::quota::{Bucket, Numbers, Used};
use super::timers::TimerKey;
use super::{ConnectionId, ErrorCode, Identifier, Output, Presence, Refusal, Request, State, acceptable, send};
use directory_protocol::CloseCode;
use directory_protocol::message::{AnswerKind, CallId, Response};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// No bucket is kept under it: rates of addresses are the business of the node that sees the address.
const NO_ADDRESS: u64 = 0;

/// Requests are answered by the door, under numbers that are hers.
const NO_REQUEST: u32 = 0;

impl State {
    /// A device that is connected elsewhere. `bounded`: she is one of this node's own people, and has so many devices at most.
    pub(crate) fn guest_comes(
        &mut self,
        now: Instant,
        id: ConnectionId,
        (who, key): (Identifier, [u8; 32]),
        bounded: bool,
    ) -> Result<(), CloseCode> {
        if self.people.get(id).is_some() {
            return Ok(());
        }
        if bounded && self.people.devices_of(&who).len() >= self.limits.connections_per_person {
            return Err(CloseCode::TooManyDevices);
        }
        // Timers are numbered from one: this one does not exist.
        let expiry: TimerKey = (now, 0);
        let numbers = Numbers { person: self.quotas.number(&who), address: NO_ADDRESS };
        self.people.connect(id, who, key, numbers, expiry, Bucket::full(now));
        Ok(())
    }

    /// She has gone, or her node has.
    pub(crate) fn guest_goes(&mut self, now: Instant, id: ConnectionId, out: &mut Vec<Output>) {
        self.disconnected(now, id, out);
    }

    /// Whose connection this is.
    pub(crate) fn guest(&self, id: ConnectionId) -> Option<&Identifier> {
        self.people.get(id).map(|connection| &*connection.who)
    }

    /// All guests.
    pub(crate) fn guests(&self) -> impl Iterator<Item = ConnectionId> {
        self.people.connections.keys().copied()
    }

    /// LIST, ANNOUNCE and APPEAR. `restored`: she said it before, to the node that kept her shard then.
    pub(crate) fn guest_says(
        &mut self,
        now: Instant,
        id: ConnectionId,
        request: Request,
        restored: bool,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        if self.people.get(id).is_none() {
            return Ok(());
        }
        match request {
            Request::List { name, people, .. } => {
                if restored {
                    let longest = self.longest(name);
                    return self.people.stage(id, name, people, longest);
                }
                self.people.stage(id, name, people, self.longest(name))?;
            }
            Request::Announce { appearance, visible_to, may_knock, details, .. } => {
                let allowed = if restored { Ok(()) } else { self.guest_spends(now, id, Used::Announcements, 1) };
                let details = allowed
                    .and_then(|()| acceptable(details.unwrap_or_default()))
                    .inspect_err(|_| self.people.unstage(id))?;
                let who = self.people.announce(now, id, appearance, (visible_to, may_knock), details);
                self.changed(now, &who, out);
            }
            Request::Appear { appearance, details, .. } => {
                self.guest_spends(now, id, Used::Announcements, 1)?;
                let who = self.people.appear(now, id, appearance, acceptable(details)?)?;
                self.changed(now, &who, out);
            }
            _ => {}
        }
        Ok(())
    }

    /// What she said of herself is said again: no list may be longer for it.
    pub(crate) fn guest_repeats(&mut self, id: ConnectionId) {
        if self.people.get(id).is_some() {
            self.people.unstage(id);
        }
    }

    /// Whom she watches is said again: she has to be told anew how they are.
    pub(crate) fn guest_watches_nobody(&mut self, id: ConnectionId) {
        self.people.watching.remove_watcher(id);
    }

    /// Takes from this person's rate.
    pub(crate) fn guest_spends(
        &mut self,
        now: Instant,
        id: ConnectionId,
        what: Used,
        count: u32,
    ) -> Result<(), Refusal> {
        let number = self.people.connection(id).numbers.person;
        let wait = self.quotas.take(now, &[(number, 1)], what, count, &self.limits);
        wait.map_err(|wait| Refusal { error: ErrorCode::TooOften, wait })
    }

    /// Gives back to this person's rate what was taken for a question that nobody could answer.
    pub(crate) fn guest_gets_back(&mut self, id: ConnectionId, what: Used, count: u32) {
        if let Some(connection) = self.people.get(id) {
            let number = connection.numbers.person;
            self.quotas.give_back(&[(number, 1)], what, count, &self.limits);
        }
    }

    /// Whether `who`, by what she announced here, shows herself to somebody whom she calls.
    pub(crate) fn shows_when_calling(&self, who: &Identifier, callee: &Identifier) -> bool {
        self.people.would_show(who, callee)
    }

    /// What the person of this connection may know of somebody.
    pub(crate) fn shown_to(&self, now: Instant, asker: ConnectionId, who: &Identifier) -> Presence {
        let asker = self.people.get(asker).map(|connection| &*connection.who);
        let shown = asker.and_then(|asker| self.people.shown(who, asker));
        shown.map_or(Presence::Offline, |seen| seen.told(now))
    }

    /// From now on tells the guest what changes, and at once who is there.
    pub(crate) fn guest_watches(
        &mut self,
        now: Instant,
        id: ConnectionId,
        people: Vec<Identifier>,
        out: &mut Vec<Output>,
    ) {
        if self.people.get(id).is_some() {
            // The node that she is connected to holds the bound on her whole list.
            self.people.watch(now, id, people, usize::MAX, out).ok();
        }
    }

    pub(crate) fn guest_unwatches(&mut self, id: ConnectionId, people: &[Identifier]) {
        self.people.unwatch(id, people);
    }

    /// Whether this guest sees somebody whom she watches; nothing if she does not watch her.
    pub(crate) fn sees(&self, id: ConnectionId, who: &Identifier) -> Option<bool> {
        let watcher = &self.people.get(id)?.who;
        self.people.watching.watches(id, who).then(|| self.people.shown(who, watcher).is_some())
    }

    /// Whether somebody of this name has announced herself.
    pub(crate) fn has_announced(&self, who: &Identifier) -> bool {
        let announced = |id: &ConnectionId| self.people.get(*id).is_some_and(|c| c.announced.is_some());
        self.people.devices_of(who).iter().any(announced)
    }

    /// Whether this call waits for an answer.
    pub(crate) fn waits(&self, call_id: &CallId) -> bool {
        self.calls.waiting.contains_key(call_id)
    }

    /// Which connection made this call.
    pub(crate) fn caller(&self, call_id: &CallId) -> Option<ConnectionId> {
        self.calls.waiting.get(call_id).map(|call| call.caller)
    }

    /// A call to somebody of this node's people. Said again, it changes nothing.
    pub(crate) fn guest_invites(
        &mut self,
        now: Instant,
        (from, round_trip): (ConnectionId, Duration),
        placed: Placed,
        (back, shows): (Option<ConnectionId>, bool),
        out: &mut Vec<Output>,
    ) {
        let Some(connection) = self.people.get_mut(from) else { return };
        connection.round_trip = round_trip;
        if let Some(call) = self.calls.waiting.get(&placed.call_id) {
            if call.caller != from || !call.ringing.is_empty() || call.open {
                return;
            }
            // It waited for nobody, perhaps from a time when the callee was kept elsewhere.
            self.end(&placed.call_id);
        }
        let hers = |id: &ConnectionId| self.people.get(*id).is_some_and(|c| *c.who == placed.callee);
        let back = back.filter(hers);
        self.ring(now, from, placed, (back, shows), out);
    }

    /// This call goes back to a device that calls its caller: there it rings in any case.
    pub(crate) fn ring_back(&mut self, call_id: &CallId, device: ConnectionId, out: &mut Vec<Output>) {
        if self.people.get(device).is_none() {
            return;
        }
        let Some(call) = self.calls.waiting.get_mut(call_id) else { return };
        call.back = Some(device);
        if !call.ringing.contains(&device) {
            call.next.retain(|next| *next != device);
            call.next.push(device);
            self.ring_next(call_id, out);
        }
    }

    /// ANSWER. The answer to it is for the other node to give.
    pub(crate) fn guest_answers(
        &mut self,
        (from, round_trip): (ConnectionId, Duration),
        (call_id, answer): (&CallId, AnswerKind),
        candidates: Vec<SocketAddr>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        if let Some(connection) = self.people.get_mut(from) {
            connection.round_trip = round_trip;
        }
        let before = out.len();
        self.answer(from, NO_REQUEST, call_id, answer, candidates, out)?;
        let done = send(from, &Response::Done { id: NO_REQUEST });
        if out.get(before) == Some(&done) {
            out.remove(before);
        }
        Ok(())
    }

    /// CANCEL, or the end of a call whose time is up.
    pub(crate) fn guest_cancels(&mut self, from: ConnectionId, call_id: &CallId, out: &mut Vec<Output>) {
        self.cancel(from, call_id, out);
    }

    /// Forgets, and tells nobody, what was known of people who are kept elsewhere from now on: somebody there tells it.
    pub(crate) fn keep_only(&mut self, keeps: impl Fn(&Identifier) -> bool) {
        self.people.watching.keep_only(&keeps);
        let lost = |connection: &super::people::Connection| connection.announced.is_some() && !keeps(&connection.who);
        let gone: Vec<ConnectionId> =
            self.people.connections.iter().filter(|(_, c)| lost(c)).map(|(id, _)| *id).collect();
        for id in gone {
            let ringing = |call: &super::calls::Call| call.ringing.contains(&id);
            let calls: Vec<CallId> =
                self.calls.waiting.iter().filter(|(_, call)| ringing(call)).map(|(id, _)| *id).collect();
            for call in calls {
                self.end(&call);
            }
            let connection = self.people.connection_mut(id);
            connection.announced = None;
            connection.staged = Default::default();
        }
    }
}
