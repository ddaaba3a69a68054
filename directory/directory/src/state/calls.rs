//! Calls that wait for an answer.
//!
//! A call is *open* if caller and callee are visible to each other: then what happens is told as it happens. Any other call is
//! *quiet*: the caller hears "ringing" at once and "no answer" at the end of the time, in the same bytes, whether the callee
//! is absent, hides, blocks her, does not let her knock, ignores the call or declines it. Only acceptance differs.

use super::timers::{Timer, TimerKey};
use super::{ConnectionId, Output, Refusal, State, candidates, send};
use directory_protocol::message::{AnswerKind, CallId, ErrorCode, Outcome, Purpose, Response};
use identity::Identifier;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Instant;

/// All calls that wait for an answer.
#[derive(Default)]
pub(super) struct Calls {
    pub(super) waiting: HashMap<CallId, Call>,
}

/// A call as the caller placed it.
pub(super) struct Placed {
    pub(super) call_id: CallId,
    pub(super) callee: Identifier,
    pub(super) purpose: Purpose,
    pub(super) candidates: Vec<SocketAddr>,
}

/// One call that waits for an answer.
pub(super) struct Call {
    pub(super) caller: ConnectionId,
    pub(super) candidates: Vec<SocketAddr>,
    purpose: Purpose,
    open: bool,
    /// Where it rings now.
    pub(super) ringing: Vec<ConnectionId>,
    /// Where a call for text rings next when it is not taken here: less available devices, the best one last.
    next: Vec<ConnectionId>,
    /// Some device has said that it is busy.
    busy: bool,
    pub(super) timer: TimerKey,
}

impl Calls {
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

impl State {
    pub(super) fn invite(
        &mut self,
        now: Instant,
        from: ConnectionId,
        id: u32,
        placed: Placed,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        self.check_invite(from, &placed)?;
        out.push(send(from, &Response::Done { id }));
        let crossing = self.crossing(from, &placed);
        if crossing.is_some_and(|other| other < placed.call_id) {
            out.push(outcome(from, placed.call_id, Outcome::Cancelled));
            return Ok(());
        }
        // The caller's frames come first and depend on nothing, so that their time tells nothing.
        out.push(outcome(from, placed.call_id, Outcome::Ringing));
        self.ring(now, from, placed, out);
        // Last, so that whoever loses her own call holds the one that stays already.
        if let Some((other, call)) = crossing.and_then(|other| Some((other, self.end(&other)?))) {
            out.extend(call.everybody().map(|to| outcome(to, other, Outcome::Cancelled)));
        }
        Ok(())
    }

    /// What makes a call impossible. Nothing here may depend on the callee.
    fn check_invite(&self, from: ConnectionId, placed: &Placed) -> Result<(), ErrorCode> {
        let caller = self.people.connection(from);
        let made = caller.calls.iter().filter(|id| self.calls.waiting.get(*id).is_some_and(|c| c.caller == from));
        candidates::check(&placed.candidates, self.loopback)?;
        if *caller.who == placed.callee {
            Err(ErrorCode::CallsOneself)
        } else if made.count() >= self.limits.calls_waiting {
            Err(ErrorCode::TooManyCalls)
        } else if self.calls.waiting.contains_key(&placed.call_id) {
            Err(ErrorCode::CallIdInUse)
        } else {
            Ok(())
        }
    }

    /// The call with which the callee is calling this very connection for the same purpose, if the new call would reach
    /// hers. Only the one with the lower id stays. Both sides know of both, so that withdrawing one reveals nothing.
    fn crossing(&self, from: ConnectionId, placed: &Placed) -> Option<CallId> {
        let connection = self.people.connection(from);
        let crosses = |id: &CallId| {
            let call = self.calls.waiting.get(id)?;
            let crosses = call.ringing.contains(&from)
                && call.purpose == placed.purpose
                && *self.people.connection(call.caller).who == placed.callee
                && self.people.knockable(&placed.callee, &connection.who).contains(&call.caller);
            crosses.then_some(*id)
        };
        connection.calls.iter().find_map(crosses)
    }

    fn ring(&mut self, now: Instant, from: ConnectionId, placed: Placed, out: &mut Vec<Output>) {
        let Placed { call_id, callee, purpose, candidates } = placed;
        let caller = self.people.who(from);
        // Whoever calls shows herself to her callee, invisible or not; the callee has not shown herself yet.
        let mutual = self.people.shown(&callee, &caller).is_some() && self.people.would_show(&caller, &callee);
        let mut devices = self.people.knockable(&callee, &caller);
        devices.reverse();
        // Visible, but not to be knocked at: the caller learns no more than a stranger.
        let open = mutual && !devices.is_empty();
        let timer = self.timers.schedule(now + self.timing.no_answer, Timer::NoAnswer { call: call_id });
        let call =
            Call { caller: from, candidates, purpose, open, ringing: Vec::new(), next: devices, busy: false, timer };
        self.calls.waiting.insert(call_id, call);
        self.people.connection_mut(from).calls.insert(call_id);
        self.ring_next(&call_id, out);
        self.end_if_unreachable(&call_id, out);
    }

    /// Lets a call ring where it has not rung yet: for text on the next device that can take it, otherwise on all.
    fn ring_next(&mut self, call_id: &CallId, out: &mut Vec<Output>) {
        let Some((caller, purpose)) = self.calls.waiting.get(call_id).map(|call| (call.caller, call.purpose)) else {
            return;
        };
        let (who, caller_key) = (self.people.who(caller), self.people.connection(caller).key);
        while let Some(device) = self.calls.waiting.get_mut(call_id).and_then(|call| call.next.pop()) {
            if self.people.get(device).is_none() {
                continue;
            }
            let room = self.has_room(device, &who);
            let call = self.calls.waiting.get_mut(call_id).expect("it waits");
            if !room {
                call.busy = true;
                continue;
            }
            call.ringing.push(device);
            self.people.connection_mut(device).calls.insert(*call_id);
            let caller = Identifier::clone(&who);
            out.push(send(device, &Response::Incoming { call_id: *call_id, caller, caller_key, purpose }));
            if purpose == Purpose::Text {
                break;
            }
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

    pub(super) fn answer(
        &mut self,
        from: ConnectionId,
        id: u32,
        call_id: &CallId,
        answer: AnswerKind,
        candidates: Vec<SocketAddr>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let rings_here = |call: &&mut Call| call.ringing.contains(&from);
        let call = self.calls.waiting.get_mut(call_id).filter(rings_here).ok_or(ErrorCode::NoSuchCall)?;
        candidates::check(&candidates, self.loopback)?;
        out.push(send(from, &Response::Done { id }));
        match answer {
            AnswerKind::Accept => self.introduce(from, call_id, candidates, out),
            AnswerKind::Decline => {
                let others = std::mem::take(&mut call.ringing);
                call.next = Vec::new();
                let open = call.open;
                self.stop_ringing(&others, call_id);
                let others = others.into_iter().filter(|device| *device != from);
                out.extend(others.map(|to| outcome(to, *call_id, Outcome::Cancelled)));
                if open && let Some(call) = self.end(call_id) {
                    out.push(outcome(call.caller, *call_id, Outcome::Declined));
                }
            }
            AnswerKind::Busy => {
                call.busy = true;
                self.leave_call(from, call_id, out);
            }
        }
        Ok(())
    }

    /// Withdraws a call. The caller is told the same whether there was one.
    pub(super) fn cancel(&mut self, from: ConnectionId, call_id: &CallId, out: &mut Vec<Output>) {
        if self.calls.waiting.get(call_id).is_some_and(|call| call.caller == from)
            && let Some(call) = self.end(call_id)
        {
            out.extend(call.ringing.into_iter().map(|to| outcome(to, *call_id, Outcome::Cancelled)));
        }
    }

    /// The time is up.
    pub(super) fn no_answer(&mut self, call_id: &CallId, out: &mut Vec<Output>) {
        if let Some(call) = self.end(call_id) {
            out.push(outcome(call.caller, *call_id, Outcome::NoAnswer));
            out.extend(call.ringing.into_iter().map(|to| outcome(to, *call_id, Outcome::Cancelled)));
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

    fn leave_call(&mut self, id: ConnectionId, call_id: &CallId, out: &mut Vec<Output>) {
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

    /// An open call that rings nowhere any more is over; a quiet one only seems to go on.
    fn end_if_unreachable(&mut self, call_id: &CallId, out: &mut Vec<Output>) {
        let over = |call: &&Call| call.open && call.ringing.is_empty();
        if self.calls.waiting.get(call_id).filter(over).is_some()
            && let Some(call) = self.end(call_id)
        {
            let reason = if call.busy { Outcome::Busy } else { Outcome::Offline };
            out.push(outcome(call.caller, *call_id, reason));
        }
    }

    /// Takes a call out of everything that mentions it.
    pub(super) fn end(&mut self, call_id: &CallId) -> Option<Call> {
        let call = self.calls.waiting.remove(call_id)?;
        self.timers.cancel(call.timer);
        self.stop_ringing(&call.ringing, call_id);
        self.stop_ringing(&[call.caller], call_id);
        Some(call)
    }

    fn stop_ringing(&mut self, devices: &[ConnectionId], call_id: &CallId) {
        for id in devices {
            if let Some(connection) = self.people.get_mut(*id) {
                connection.calls.remove(call_id);
            }
        }
    }
}

impl Call {
    fn everybody(&self) -> impl Iterator<Item = ConnectionId> {
        std::iter::once(self.caller).chain(self.ringing.iter().copied())
    }
}

pub(super) fn outcome(to: ConnectionId, call_id: CallId, outcome: Outcome) -> Output {
    send(to, &Response::Outcome { call_id, outcome })
}
