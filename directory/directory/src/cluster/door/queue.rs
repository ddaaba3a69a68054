//! What one connection asks, one request after another, as a single directory does. What depends on other people goes its own way
//! afterwards.

use super::guest::{Said, weight};
use super::{
    ConnectionId, Door, Effects, GIVE_UP, Message, Output, RETRY_MS, Routes, Ticket, Used, candidates, done,
    error_answer, millis, send,
};
use crate::cluster::message::{Spent, Verdict};
use directory_protocol::CloseCode;
use directory_protocol::message::{AnswerKind, ErrorCode, Request, Response};
use identity::Identifier;
use std::time::Instant;

/// Requests of one connection that may wait for an answer, and their bytes: more than all lists that somebody may have.
const MAX_QUEUED: usize = 512;
const MAX_QUEUED_BYTES: usize = 4 << 20;

impl Door {
    /// A request has come. It waits until those before it are answered.
    pub(super) fn queued(
        &mut self,
        now: Instant,
        id: ConnectionId,
        request: Request,
        routes: &Routes,
        fx: &mut Effects,
    ) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        guest.queued_bytes += weight(&request);
        guest.queue.push_back((request, now));
        if guest.queue.len() > MAX_QUEUED || guest.queued_bytes > MAX_QUEUED_BYTES {
            guest.queue.clear();
            fx.outputs.push(Output::Close { id, code: CloseCode::Flood });
            return;
        }
        self.advance(now, id, routes, fx);
    }

    /// Goes on with the first request of a queue, until one has to wait.
    fn advance(&mut self, now: Instant, id: ConnectionId, routes: &Routes, fx: &mut Effects) {
        while let Some(guest) = self.guests.get_mut(&id)
            && guest.first.is_none()
            && let Some((request, _)) = guest.queue.front()
        {
            let request_id = request.id();
            match request {
                Request::Unwatch { .. } | Request::Cancel { .. } => {
                    let Some((request, _)) = guest.next() else { return };
                    self.without_keeper(now, id, request, routes, fx);
                }
                _ => {
                    if let Err(error) = self.permits(now, id) {
                        self.finish(now, id, error_answer(request_id, error), fx);
                        continue;
                    }
                    self.issued += 1;
                    self.tickets.insert(self.issued, Ticket::First { connection: id });
                    let Some(guest) = self.guests.get_mut(&id) else { return };
                    guest.first = Some(self.issued);
                    self.send_first(id, routes, fx);
                    self.look_again(now, id);
                }
            }
        }
    }

    /// UNWATCH and CANCEL: they are done, whatever there was.
    fn without_keeper(&mut self, now: Instant, id: ConnectionId, request: Request, routes: &Routes, fx: &mut Effects) {
        fx.outputs.push(done(id, request.id()));
        match request {
            Request::Unwatch { people, .. } => self.unwatch(id, people, routes, fx),
            Request::Cancel { call_id, .. } => _ = self.withdraw(now, id, &call_id, fx),
            _ => {}
        }
    }

    /// What this node can refuse by itself, of the first request of a queue.
    fn permits(&mut self, now: Instant, id: ConnectionId) -> Result<(), (ErrorCode, u32)> {
        let Some(guest) = self.guests.get(&id) else { return Ok(()) };
        let Some((request, _)) = guest.queue.front() else { return Ok(()) };
        let (what, count) = match request {
            Request::LookUp { .. } => (Used::LookUps, 1),
            Request::Watch { people, .. } => {
                let new = people.iter().filter(|who| !guest.watched.contains_key(*who)).count();
                if guest.watched.len() + new > self.limits.watched {
                    return Err((ErrorCode::ListTooLong, 0));
                }
                (Used::Watches, people.len())
            }
            Request::Invite { call_id, candidates: offered, .. } => {
                candidates::check(offered, self.loopback).map_err(|error| (error, 0))?;
                if guest.made.len() >= self.limits.calls_waiting {
                    return Err((ErrorCode::TooManyCalls, 0));
                } else if guest.made.contains_key(call_id) || guest.ringing.contains_key(call_id) {
                    return Err((ErrorCode::CallIdInUse, 0));
                }
                (Used::Invites, 1)
            }
            Request::Answer { candidates: offered, .. } => {
                return candidates::check(offered, self.loopback).map_err(|error| (error, 0));
            }
            Request::Announce { .. } | Request::Appear { .. } => (Used::Announcements, 1),
            _ => return Ok(()),
        };
        // It is taken when her keeper does not refuse her: of both rates, or of none.
        let share = [(guest.address, self.limits.rates_per_address)];
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let allows = self.quotas.allows(now, &share, what, count, &self.limits);
        allows.map_err(|wait| (ErrorCode::TooOften, millis(wait)))
    }

    /// Takes from the rate of her address what the first request of her queue costs.
    fn spend_of_address(&mut self, now: Instant, id: ConnectionId) {
        let Some(guest) = self.guests.get(&id) else { return };
        let Some((request, _)) = guest.queue.front() else { return };
        let (what, count) = match request {
            Request::LookUp { .. } => (Used::LookUps, 1),
            Request::Watch { people, .. } => (Used::Watches, u32::try_from(people.len()).unwrap_or(u32::MAX)),
            Request::Invite { .. } => (Used::Invites, 1),
            Request::Announce { .. } | Request::Appear { .. } => (Used::Announcements, 1),
            _ => return,
        };
        let share = [(guest.address, self.limits.rates_per_address)];
        // Others may have emptied it meanwhile: then she is let through this once.
        self.quotas.take(now, &share, what, count, &self.limits).ok();
    }

    /// Nobody could answer what this was spent on: it is given back, to the rate of her address here, and to her own as soon as
    /// her keeper hears of it.
    pub(super) fn owe(&mut self, id: ConnectionId, what: Spent, count: u32) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        guest.owe(what, count);
        let share = [(guest.address, self.limits.rates_per_address)];
        self.quotas.give_back(&share, what.used(), count, &self.limits);
    }

    /// Tells her keeper what she has to get back.
    pub(super) fn pay(&mut self, id: ConnectionId, routes: &Routes, fx: &mut Effects) {
        let Some(keeper) = self.guests.get(&id).and_then(|guest| self.ready_of(guest.shard, routes)) else { return };
        let owed = self.guests.get_mut(&id).map_or_else(Vec::new, super::Guest::paid);
        if owed.is_empty() {
            return;
        }
        self.open(id, keeper, fx);
        let returns = |(what, count)| (keeper, Message::Returns { connection: id.0, what, count });
        fx.messages.extend(owed.into_iter().map(returns));
    }

    /// Puts the first request of a queue to its person's keeper, if it is known who that is.
    fn send_first(&mut self, id: ConnectionId, routes: &Routes, fx: &mut Effects) {
        let Some(guest) = self.guests.get(&id) else { return };
        let (Some(ticket), Some((request, _))) = (guest.first, guest.queue.front()) else { return };
        let Some(keeper) = self.ready_of(guest.shard, routes) else { return };
        let round_trip_us = guest.round_trip_us();
        let spends = |what, count: usize, callee: Option<&Identifier>| Message::Spends {
            connection: id.0,
            ticket,
            what,
            count: u32::try_from(count).unwrap_or(u32::MAX),
            callee: callee.cloned(),
        };
        let message = match request {
            Request::LookUp { .. } => spends(Spent::LookUps, 1, None),
            Request::Watch { people, .. } => spends(Spent::Watches, people.len(), None),
            Request::Invite { callee, .. } => spends(Spent::Invites, 1, Some(callee)),
            Request::Answer { .. } => {
                Message::Answers { connection: id.0, ticket, request: request.clone(), round_trip_us }
            }
            _ => Message::Says { connection: id.0, ticket, request: request.clone(), restored: false },
        };
        self.open(id, keeper, fx);
        fx.messages.push((keeper, message));
    }

    /// The first request of the queue has its answer.
    fn finish(&mut self, now: Instant, id: ConnectionId, answer: Response, fx: &mut Effects) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        let Some((request, _)) = guest.next() else { return };
        if let Some(ticket) = guest.first.take() {
            self.tickets.remove(&ticket);
        }
        guest.note(now, request, &answer);
        fx.outputs.push(send(id, &answer));
    }

    /// What the person's own keeper says to the first request of her queue.
    pub(super) fn first_answered(
        &mut self,
        now: Instant,
        id: ConnectionId,
        verdict: Verdict,
        routes: &Routes,
        fx: &mut Effects,
    ) {
        if !matches!(verdict, Verdict::Refused { .. }) {
            self.spend_of_address(now, id);
        }
        let Some(guest) = self.guests.get_mut(&id) else { return };
        let Some((request, arrived)) = guest.queue.front() else { return };
        let (request_id, arrived) = (request.id(), *arrived);
        match verdict {
            Verdict::Refused { error, wait_ms } => {
                self.finish(now, id, error_answer(request_id, (error, wait_ms)), fx);
            }
            Verdict::May { shows } => {
                let Some((request, _)) = guest.next() else { return };
                if let Some(ticket) = guest.first.take() {
                    self.tickets.remove(&ticket);
                }
                match request {
                    Request::LookUp { who, .. } => self.look_up(now, (id, request_id, arrived), who, routes, fx),
                    Request::Watch { people, .. } => self.watch(now, (id, request_id, arrived), people, routes, fx),
                    Request::Invite { .. } => self.invite(now, id, (request, arrived), shows, routes, fx),
                    _ => {}
                }
            }
            _ => {
                let answer = match (request, guest.path) {
                    (Request::Announce { .. }, Some(path)) => {
                        let (observed, observation) = (path.observed, self.observation);
                        Response::Announced { id: request_id, observed, observation }
                    }
                    // Of an accepted one GO follows.
                    (Request::Answer { call_id, answer, .. }, _) if *answer != AnswerKind::Accept => {
                        let call_id = *call_id;
                        self.no_longer_rings(id, &call_id);
                        Response::Done { id: request_id }
                    }
                    _ => Response::Done { id: request_id },
                };
                self.finish(now, id, answer, fx);
            }
        }
        self.advance(now, id, routes, fx);
    }

    /// Puts the first request again, or says that what it asks is not known.
    pub(super) fn first_again(&mut self, now: Instant, id: ConnectionId, routes: &Routes, fx: &mut Effects) {
        let late = |arrived: Instant| now.duration_since(arrived) >= GIVE_UP;
        while let Some(guest) = self.guests.get_mut(&id)
            && guest.first.is_some()
            && let Some((request, arrived)) = guest.queue.front()
        {
            // What she says of herself, or to who calls her, is in force only when her keeper has it: it is not given up while
            // she waits.
            if !late(*arrived) || Said::is_one(request) {
                self.send_first(id, routes, fx);
                return;
            }
            let answer = error_answer(request.id(), (ErrorCode::UnknownForNow, RETRY_MS));
            self.finish(now, id, answer, fx);
            self.advance(now, id, routes, fx);
        }
    }
}
