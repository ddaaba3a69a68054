//! Calls that wait for an answer.
//!
//! A call is *open* if caller and callee are visible to each other: then what happens is told as it happens. Any other call is
//! *quiet*: the caller hears "ringing" at once and "no answer" at the end of the time, in the same bytes, whether the callee
//! is absent, hides, blocks her, does not let her knock, ignores the call or declines it. Only acceptance differs.
//!
//! Where a call rings, and when that ends before it is answered, is in `ringing`.

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
pub(crate) struct Placed {
    pub(crate) call_id: CallId,
    pub(crate) callee: Identifier,
    pub(crate) purpose: Purpose,
    pub(crate) candidates: Vec<SocketAddr>,
    /// The hash of the key of the only device it is for.
    pub(crate) device: Option<[u8; 32]>,
}

/// One call that waits for an answer.
pub(super) struct Call {
    pub(super) caller: ConnectionId,
    pub(super) candidates: Vec<SocketAddr>,
    pub(super) purpose: Purpose,
    pub(super) open: bool,
    /// The callee's connection whose own call to this caller crossed this one: it has shown itself to her.
    pub(super) back: Option<ConnectionId>,
    /// Where it rings now.
    pub(super) ringing: Vec<ConnectionId>,
    /// Where a call for text rings next when it is not taken here: less available devices, the best one last.
    pub(super) next: Vec<ConnectionId>,
    /// Some device that the caller sees has said that it is busy.
    pub(super) busy: bool,
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
        // The caller's frames depend on nothing. They leave when the call rings, some microseconds later where it does than
        // where it does not: tests/indistinguishable.rs holds that against what a network shows.
        out.push(outcome(from, placed.call_id, Outcome::Ringing));
        let back = crossing.and_then(|other| Some(self.calls.waiting.get(&other)?.caller));
        // Whoever calls shows herself to her callee, invisible or not.
        let shows = self.people.would_show(&self.people.who(from), &placed.callee);
        self.ring(now, from, placed, (back, shows), out);
        // Last, so that whoever loses her own call holds the one that stays already.
        if let Some((other, call)) = crossing.and_then(|other| Some((other, self.end(&other)?))) {
            out.extend(call.everybody().map(|to| outcome(to, other, Outcome::Cancelled)));
        }
        Ok(())
    }

    /// What makes a call impossible. Nothing here may depend on the callee.
    fn check_invite(&self, from: ConnectionId, placed: &Placed) -> Result<(), ErrorCode> {
        let calls = &self.people.connection(from).calls;
        let made = calls.iter().filter(|id| self.calls.waiting.get(*id).is_some_and(|c| c.caller == from));
        candidates::check(&placed.candidates, self.loopback)?;
        if made.count() >= self.limits.calls_waiting {
            Err(ErrorCode::TooManyCalls)
        } else if self.calls.waiting.contains_key(&placed.call_id) {
            Err(ErrorCode::CallIdInUse)
        } else {
            Ok(())
        }
    }

    /// The call with which the callee is calling this very connection for the same purpose. Only the one with the lower id
    /// stays. Whoever calls may be called back where she calls from, whatever her settings: else the caller would learn
    /// from her own call's end whether she is blocked by somebody who calls her. A call for another device than that one crosses
    /// nothing: both may be wanted.
    fn crossing(&self, from: ConnectionId, placed: &Placed) -> Option<CallId> {
        let connection = self.people.connection(from);
        let crosses = |id: &CallId| {
            let call = self.calls.waiting.get(id)?;
            let other = self.people.connection(call.caller);
            let crosses = call.ringing.contains(&from)
                && call.purpose == placed.purpose
                && *other.who == placed.callee
                && placed.device.is_none_or(|key| key == other.key);
            crosses.then_some(*id)
        };
        connection.calls.iter().find_map(crosses)
    }

    /// Lets a call ring. `back`: the connection it goes back to, in any case and first; `shows`: the callee may see who calls.
    pub(super) fn ring(
        &mut self,
        now: Instant,
        from: ConnectionId,
        placed: Placed,
        (back, shows): (Option<ConnectionId>, bool),
        out: &mut Vec<Output>,
    ) {
        let Placed { call_id, callee, purpose, candidates, device: only } = placed;
        let caller = self.people.who(from);
        // The callee has not shown herself yet.
        let mutual = shows && self.people.shown(&callee, &caller).is_some();
        let mut devices = self.people.knockable(&callee, &caller);
        devices.retain(|device| Some(*device) != back);
        if callee == *caller {
            // Her other devices are meant: not the one that calls, by whichever of its connections.
            let own = self.people.connection(from).key;
            devices.retain(|device| self.people.connection(*device).key != own);
        }
        devices.splice(0..0, back);
        // Before anything is made of where it rings: a device that is not there looks like one that is hidden.
        devices.retain(|device| only.is_none_or(|key| self.people.connection(*device).key == key));
        // Visible, but not to be knocked at where she is: the caller learns no more than a stranger.
        let open = mutual && devices.iter().any(|id| Some(*id) == back || self.people.shows(*id, &caller));
        devices.reverse();
        let timer = self.timers.schedule(now + self.timing.no_answer, Timer::NoAnswer { call: call_id });
        let (ringing, busy) = (Vec::new(), false);
        let call = Call { caller: from, candidates, purpose, open, back, ringing, next: devices, busy, timer };
        self.calls.waiting.insert(call_id, call);
        self.people.connection_mut(from).calls.insert(call_id);
        self.ring_next(&call_id, out);
        self.end_if_unreachable(&call_id, out);
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
                self.note_busy(from, call_id);
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

    /// Takes a call out of everything that mentions it.
    pub(super) fn end(&mut self, call_id: &CallId) -> Option<Call> {
        let call = self.calls.waiting.remove(call_id)?;
        self.timers.cancel(call.timer);
        self.stop_ringing(&call.ringing, call_id);
        self.stop_ringing(&[call.caller], call_id);
        Some(call)
    }

    pub(super) fn stop_ringing(&mut self, devices: &[ConnectionId], call_id: &CallId) {
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
