//! Calls that are made here, and calls that ring here.
//!
//! A call is kept by the keeper of the callee, who knows on which of her devices it may ring. The caller's door counts the
//! thirty seconds, so that "no answer" comes at the same moment whatever the keeper does, and holds the call until the keeper
//! has it, should that change. Where two calls cross, both doors see it and decide alike: the lower id stays.

use super::{
    ConnectionId, Door, Due, Effects, Instant, Message, Request, Response, Routes, Ticket, TimerKey, done, send,
};
use crate::cluster::message::{Device, Ended};
use crate::cluster::shards::NodeId;
use crate::state::Output;
use directory_protocol::message::{CallId, Outcome, Purpose};
use identity::Identifier;
use std::time::Duration;

/// How long after the end of its time a call that its keeper has not ended rings: no keeper takes longer.
const SILENCE: Duration = Duration::from_secs(1);

/// A call made on a connection of this node.
pub(super) struct Made {
    callee: Identifier,
    purpose: Purpose,
    /// The hash of the key of the only device it is for.
    device: Option<[u8; 32]>,
    request: Request,
    shows: bool,
    back: Option<Device>,
    pub(super) timer: TimerKey,
    callee_shard: u16,
    /// The keeper has it.
    pub(super) taken: bool,
    /// One that had it, or was asked to take it, is its keeper no more, or has forgotten it.
    forgotten: bool,
    /// The keeper that has it, or was last asked to take it.
    keeper: Option<NodeId>,
    pub(super) ticket: u64,
}

/// A call that rings on a connection of this node.
pub(super) struct Ringing {
    caller: Identifier,
    purpose: Purpose,
    pub(super) from: Device,
    /// The hash of the caller's device's key.
    key: [u8; 32],
    pub(super) timer: TimerKey,
    /// It met this call of this connection's own, with a lower id, and has not been told here.
    held: Option<(CallId, Response)>,
}

impl Ringing {
    /// Whether a call from here to this person meets this one. A call for another device than the one that calls crosses nothing:
    /// both may be wanted.
    fn meets(&self, callee: &Identifier, purpose: Purpose, device: Option<[u8; 32]>) -> bool {
        self.purpose == purpose && self.caller == *callee && device.is_none_or(|device| device == self.key)
    }

    fn is_held_by(&self, call_id: &CallId) -> bool {
        self.held.as_ref().is_some_and(|(by, _)| by == call_id)
    }
}

fn outcome(to: ConnectionId, call_id: CallId, outcome: Outcome) -> Output {
    send(to, &Response::Outcome { call_id, outcome })
}

impl Door {
    /// INVITE, when the caller's own keeper has said that she may.
    pub(super) fn invite(
        &mut self,
        now: Instant,
        id: ConnectionId,
        (request, arrived): (Request, Instant),
        shows: bool,
        routes: &Routes,
        fx: &mut Effects,
    ) {
        let Request::Invite { id: request_id, call_id, ref callee, purpose, device, .. } = request else { return };
        let Some(guest) = self.guests.get(&id) else { return };
        // What is held back ends soon, by the call that holds it.
        let crosses = |ring: &Ringing| ring.held.is_none() && ring.meets(callee, purpose, device);
        let crossing = guest.ringing.iter().filter(|(_, ring)| crosses(ring)).min_by_key(|(id, _)| **id);
        fx.outputs.push(done(id, request_id));
        if crossing.is_some_and(|(other, _)| *other < call_id) {
            fx.outputs.push(outcome(id, call_id, Outcome::Cancelled));
            return;
        }
        let back = crossing.map(|(_, ring)| ring.from);
        fx.outputs.push(outcome(id, call_id, Outcome::Ringing));
        let timer = self.timers.schedule(arrived + self.timing.no_answer, Due::NoAnswer { connection: id, call_id });
        self.issued += 1;
        let ticket = self.issued;
        self.tickets.insert(ticket, Ticket::Call { connection: id, call_id });
        let (callee, callee_shard, taken, forgotten, keeper) =
            (callee.clone(), routes.shards.shard(callee), false, false, None);
        let made = Made {
            callee,
            purpose,
            device,
            request,
            shows,
            back,
            timer,
            callee_shard,
            taken,
            forgotten,
            keeper,
            ticket,
        };
        if let Some(guest) = self.guests.get_mut(&id) {
            guest.made.insert(call_id, made);
        }
        self.send_call(id, &call_id, routes, fx);
        self.look_again(now, id);
    }

    fn send_call(&mut self, id: ConnectionId, call_id: &CallId, routes: &Routes, fx: &mut Effects) {
        let Some(made) = self.guests.get(&id).and_then(|guest| guest.made.get(call_id)) else { return };
        let Some(keeper) = self.ready(&made.callee, routes) else { return };
        self.open(id, keeper, fx);
        let Some(guest) = self.guests.get_mut(&id) else { return };
        let round_trip_us = guest.round_trip_us();
        let Some(made) = guest.made.get_mut(call_id) else { return };
        made.keeper = Some(keeper);
        let (ticket, request, shows, back) = (made.ticket, made.request.clone(), made.shows, made.back);
        let message = Message::Invites { connection: id.0, ticket, request, shows, back, round_trip_us };
        fx.messages.push((keeper, message));
    }

    /// The keeper has the call.
    pub(super) fn call_taken(&mut self, id: ConnectionId, call_id: &CallId, keeper: NodeId) {
        let made = self.guests.get_mut(&id).and_then(|guest| guest.made.get_mut(call_id));
        if let Some(made) = made {
            made.taken = made.keeper == Some(keeper);
        }
    }

    /// Calls that no keeper has are put again.
    pub(super) fn call_again(&mut self, id: ConnectionId, routes: &Routes, fx: &mut Effects) {
        let Some(guest) = self.guests.get(&id) else { return };
        let calls: Vec<CallId> = guest.made.iter().filter(|(_, made)| !made.taken).map(|(id, _)| *id).collect();
        for call_id in calls {
            self.send_call(id, &call_id, routes, fx);
        }
    }

    /// The keeper of these callees has to be told their calls anew.
    pub(super) fn forget_calls(&mut self, forgets: impl Fn(&Identifier) -> bool) {
        for (id, guest) in &mut self.guests {
            for (call_id, made) in guest.made.iter_mut().filter(|(_, made)| forgets(&made.callee)) {
                made.taken = false;
                made.forgotten |= made.keeper.is_some();
                self.tickets.insert(made.ticket, Ticket::Call { connection: *id, call_id: *call_id });
            }
        }
    }

    /// Takes a call out of the books of its caller.
    fn end_made(&mut self, id: ConnectionId, call_id: &CallId, fx: &mut Effects) -> Option<Made> {
        let made = self.guests.get_mut(&id)?.made.remove(call_id)?;
        self.timers.cancel(made.timer);
        self.close(made.ticket);
        self.release(id, call_id, fx);
        Some(made)
    }

    /// The caller's side ends it (CANCEL, no answer, or a call that crosses it): where it may ring, it ends. Gives whether there
    /// was such a call.
    pub(super) fn withdraw(&mut self, now: Instant, id: ConnectionId, call_id: &CallId, fx: &mut Effects) -> bool {
        let Some(made) = self.end_made(id, call_id, fx) else { return false };
        if let Some(keeper) = made.keeper {
            fx.messages.push((keeper, Message::Cancels { connection: id.0, call_id: *call_id }));
        }
        self.note_withdrawn(now, (id, *call_id), &made);
        true
    }

    /// Should its keeper be gone, or have forgotten it, others are told that this call is over.
    pub(super) fn note_withdrawn(&mut self, now: Instant, (id, call_id): (ConnectionId, CallId), made: &Made) {
        if made.keeper.is_some() {
            let call = Ended { connection: id.0, call_id };
            match made.forgotten && !made.taken {
                true => self.withdrawn.add_lost(call),
                false => self.withdrawn.add(now, made.callee_shard, call, self.timing.no_answer + SILENCE),
            }
        }
    }

    /// Thirty seconds have passed.
    pub(super) fn no_answer(&mut self, now: Instant, id: ConnectionId, call_id: &CallId, fx: &mut Effects) {
        if self.withdraw(now, id, call_id, fx) {
            fx.outputs.push(outcome(id, *call_id, Outcome::NoAnswer));
        }
    }

    /// A keeper says what became of a call, to its caller or to a device on which it rang.
    pub(super) fn outcome(&mut self, id: ConnectionId, call_id: CallId, what: Outcome, fx: &mut Effects) {
        let Some(guest) = self.guests.get(&id) else { return };
        if guest.made.contains_key(&call_id) {
            fx.outputs.push(outcome(id, call_id, what));
            self.end_made(id, &call_id, fx);
        } else if self.no_longer_rings(id, &call_id) {
            fx.outputs.push(outcome(id, call_id, what));
        }
    }

    /// Both agreed. Only who still knows of the call is told.
    pub(super) fn go(&mut self, id: ConnectionId, call_id: CallId, go: &Response, fx: &mut Effects) {
        let Some(guest) = self.guests.get(&id) else { return };
        if !guest.made.contains_key(&call_id) && !guest.ringing.contains_key(&call_id) {
            return;
        }
        fx.outputs.push(send(id, go));
        self.forget_held(id, &call_id);
        self.end_made(id, &call_id, fx);
        self.no_longer_rings(id, &call_id);
    }

    /// They talk: what was held back because of this call is over with it.
    fn forget_held(&mut self, id: ConnectionId, call_id: &CallId) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        for (_, ring) in guest.ringing.extract_if(|_, ring| ring.is_held_by(call_id)) {
            self.timers.cancel(ring.timer);
        }
    }

    /// A call does not ring here any more. Gives whether it was told here that it does.
    pub(super) fn no_longer_rings(&mut self, id: ConnectionId, call_id: &CallId) -> bool {
        let Some(guest) = self.guests.get_mut(&id) else { return false };
        let Some(ring) = guest.ringing.remove(call_id) else { return false };
        // A keeper that does not know that may tell it again, as long as the call can last.
        guest.over.insert(*call_id, ring.timer);
        ring.held.is_none()
    }

    /// A call has rung longer than any keeper lets it.
    pub(super) fn silence(&mut self, id: ConnectionId, call_id: &CallId, fx: &mut Effects) {
        if self.no_longer_rings(id, call_id) {
            fx.outputs.push(outcome(id, *call_id, Outcome::Cancelled));
        }
        if let Some(guest) = self.guests.get_mut(&id) {
            guest.over.remove(call_id);
        }
    }

    /// INCOMING.
    pub(super) fn rings(
        &mut self,
        now: Instant,
        id: ConnectionId,
        incoming: Response,
        from: Device,
        routes: &Routes,
        fx: &mut Effects,
    ) {
        let Response::Incoming { call_id, ref caller, caller_key: key, purpose } = incoming else { return };
        let Some(guest) = self.guests.get(&id) else { return };
        let known = guest.ringing.contains_key(&call_id) || guest.over.contains_key(&call_id);
        if known || guest.made.contains_key(&call_id) {
            // Told again by another keeper; or another person's call under the number of hers.
            return;
        }
        let at = now + self.timing.no_answer + SILENCE;
        let timer = self.timers.schedule(at, Due::Silence { connection: id, call_id });
        let mut ring = Ringing { caller: caller.clone(), purpose, from, key, timer, held: None };
        let crosses = |made: &Made| ring.meets(&made.callee, made.purpose, made.device);
        let crossing = guest.made.iter().filter(|(_, made)| crosses(made)).min_by_key(|(other, _)| **other);
        let crossing = crossing.map(|(other, made)| (*other, made.keeper));
        match crossing {
            Some((own, keeper)) if own < call_id => {
                // Its own door withdraws it, as soon as ours rings there: and there it rings in any case.
                ring.held = Some((own, incoming));
                self.return_call(id, &own, from, keeper.or_else(|| routes.keeper(&ring.caller)), fx);
            }
            other => {
                fx.outputs.push(send(id, &incoming));
                if let Some((own, _)) = other {
                    fx.outputs.push(outcome(id, own, Outcome::Cancelled));
                    if let Some(guest) = self.guests.get_mut(&id) {
                        guest.ringing.insert(call_id, ring);
                    }
                    self.withdraw(now, id, &own, fx);
                    return;
                }
            }
        }
        if let Some(guest) = self.guests.get_mut(&id) {
            guest.ringing.insert(call_id, ring);
        }
    }

    /// A call of ours goes back to the very device that calls.
    fn return_call(
        &mut self,
        id: ConnectionId,
        own: &CallId,
        device: Device,
        keeper: Option<NodeId>,
        fx: &mut Effects,
    ) {
        let Some(made) = self.guests.get_mut(&id).and_then(|guest| guest.made.get_mut(own)) else { return };
        made.back = Some(device);
        if let Some(keeper) = keeper {
            fx.messages.push((keeper, Message::Back { call_id: *own, device }));
        }
    }

    /// A call of this connection's own is over: one that was held back because of it rings now.
    fn release(&mut self, id: ConnectionId, own: &CallId, fx: &mut Effects) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        for ring in guest.ringing.values_mut().filter(|ring| ring.is_held_by(own)) {
            if let Some((_, incoming)) = ring.held.take() {
                fx.outputs.push(send(id, &incoming));
            }
        }
    }
}
