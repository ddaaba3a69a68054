//! Where a call rings: on which devices, in which order, and until when if nobody answers it.
//!
//! The caller of an open call is told what the devices do that she sees, and nothing by the others: a hidden device may ring,
//! but when it is busy, stays or goes is not said. Whoever hides, or blocks the caller, while a call rings leaves, in the same
//! frames.

use super::calls::{Call, outcome};
use super::{ConnectionId, Output, State, send};
use directory_protocol::message::{CallId, Outcome, Purpose, Response};
use identity::Identifier;
use std::collections::BTreeSet;

impl State {
    /// Lets a call ring where it has not rung yet: for text on the next device that can take it, otherwise on all.
    pub(super) fn ring_next(&mut self, call_id: &CallId, out: &mut Vec<Output>) {
        let Some((caller, purpose)) = self.calls.waiting.get(call_id).map(|call| (call.caller, call.purpose)) else {
            return;
        };
        let (who, caller_key) = (self.people.who(caller), self.people.connection(caller).key);
        while let Some(device) = self.calls.waiting.get_mut(call_id).and_then(|call| call.next.pop()) {
            // Since the call was placed, the device may have gone, or its person may have changed her mind.
            if !self.calls.waiting.get(call_id).is_some_and(|call| self.may_ring(call, device)) {
                continue;
            }
            if !self.has_room(device, &who) {
                self.note_busy(device, call_id);
                continue;
            }
            self.calls.waiting.get_mut(call_id).expect("it waits").ringing.push(device);
            self.people.connection_mut(device).calls.insert(*call_id);
            let caller = Identifier::clone(&who);
            out.push(send(device, &Response::Incoming { call_id: *call_id, caller, caller_key, purpose }));
            if purpose == Purpose::Text {
                break;
            }
        }
    }

    fn may_ring(&self, call: &Call, device: ConnectionId) -> bool {
        let caller = &self.people.connection(call.caller).who;
        call.back == Some(device) || (self.people.admits(device, caller) && self.takes_turn(call, device))
    }

    /// Open text rings on one device at a time, and only on those that the caller sees: while it rang on a hidden one, she
    /// would be told nothing although all she sees have gone.
    fn takes_turn(&self, call: &Call, device: ConnectionId) -> bool {
        !call.open || call.purpose != Purpose::Text || self.seen_by_caller(call, device)
    }

    /// Whether the caller knows of this device: she sees it, or sees the person and was called by it.
    fn seen_by_caller(&self, call: &Call, device: ConnectionId) -> bool {
        let caller = &self.people.connection(call.caller).who;
        let sees_callee = || self.people.shown(&self.people.connection(device).who, caller).is_some();
        self.people.shows(device, caller) || (call.back == Some(device) && sees_callee())
    }

    /// A device cannot take the call. Of one that the caller does not see she must not learn even that.
    pub(super) fn note_busy(&mut self, device: ConnectionId, call_id: &CallId) {
        let seen = self.calls.waiting.get(call_id).is_some_and(|call| self.seen_by_caller(call, device));
        if let Some(call) = self.calls.waiting.get_mut(call_id) {
            call.busy |= seen;
        }
    }

    /// Whether one more call by `caller` may ring on this device. The second bound keeps one person from taking all the room.
    fn has_room(&self, device: ConnectionId, caller: &Identifier) -> bool {
        let calls = &self.people.connection(device).calls;
        let by_caller = |id: &&CallId| {
            let call = self.calls.waiting.get(*id);
            call.is_some_and(|call| *self.people.connection(call.caller).who == *caller)
        };
        calls.len() < self.limits.calls_waiting && calls.iter().filter(by_caller).count() < self.limits.calls_per_pair
    }

    /// `who` appears in another way, to others, or blocks others than before: calls that ring on her devices stop where she
    /// blocks the caller, and an open one ends when the caller sees none of the devices any more.
    pub(super) fn reconsider_calls(&mut self, who: &Identifier, out: &mut Vec<Output>) {
        let devices = self.people.devices_of(who).iter();
        let calls: BTreeSet<CallId> = devices.flat_map(|id| &self.people.connection(*id).calls).copied().collect();
        for call_id in calls {
            let Some(call) = self.calls.waiting.get(&call_id) else { continue };
            let caller = self.people.who(call.caller);
            let is_to_her = call.ringing.iter().any(|id| *self.people.connection(*id).who == *who);
            if *caller == *who && !is_to_her {
                continue;
            }
            // Whose own call crossed this one may be called back, whomever she blocks.
            let blocked = |id: ConnectionId| call.back != Some(id) && self.people.blocks(who, &caller);
            let stops = |id: &ConnectionId| blocked(*id) || !self.takes_turn(call, *id);
            let stopping: Vec<ConnectionId> = call.ringing.iter().copied().filter(stops).collect();
            for device in stopping {
                // The first one that stops may have ended the call for all.
                if !self.calls.waiting.get(&call_id).is_some_and(|call| call.ringing.contains(&device)) {
                    break;
                }
                out.push(outcome(device, call_id, Outcome::Cancelled));
                self.leave_call(device, &call_id, out);
            }
            self.end_if_unreachable(&call_id, out);
        }
    }

    /// A connection has ended: its own calls are withdrawn, calls that ring there go on elsewhere or nowhere.
    pub(super) fn leave_calls(&mut self, id: ConnectionId, out: &mut Vec<Output>) {
        let calls: Vec<CallId> = self.people.get(id).map(|c| c.calls.iter().copied().collect()).unwrap_or_default();
        for call_id in calls {
            self.cancel(id, &call_id, out);
            self.leave_call(id, &call_id, out);
        }
    }

    /// A call rings no longer on this device, and goes on elsewhere or nowhere.
    pub(super) fn leave_call(&mut self, id: ConnectionId, call_id: &CallId, out: &mut Vec<Output>) {
        if let Some(call) = self.calls.waiting.get_mut(call_id) {
            let rang_here = call.ringing.contains(&id);
            call.ringing.retain(|device| *device != id);
            let nowhere = call.ringing.is_empty();
            self.stop_ringing(&[id], call_id);
            if rang_here && nowhere {
                self.ring_next(call_id, out);
            }
            self.end_if_unreachable(call_id, out);
        }
    }

    /// An open call that rings on no device that its caller sees is over; a quiet one only seems to go on.
    pub(super) fn end_if_unreachable(&mut self, call_id: &CallId, out: &mut Vec<Output>) {
        let over = |call: &&Call| call.open && !call.ringing.iter().any(|id| self.seen_by_caller(call, *id));
        if self.calls.waiting.get(call_id).filter(over).is_some()
            && let Some(call) = self.end(call_id)
        {
            let reason = if call.busy { Outcome::Busy } else { Outcome::Offline };
            out.push(outcome(call.caller, *call_id, reason));
            out.extend(call.ringing.into_iter().map(|to| outcome(to, *call_id, Outcome::Cancelled)));
        }
    }
}
