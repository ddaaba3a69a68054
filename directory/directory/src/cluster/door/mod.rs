//! The door's half: what a node does for the people who are connected to it.
//!
//! It passes what they ask to the keepers of whom it concerns, and keeps what they announced, to tell it to the next keeper
//! when a shard is handed over. The times that people see (the deadline of negative answers, the end of a call that nobody
//! takes) are the door's own, so that they depend on no other node.
//!
//! | module | what it holds |
//! |---|---|
//! | `guest` | one connection |
//! | `known` | what is known of each node as a keeper |
//! | `tickets` | which answer of a keeper belongs to which question |
//! | `queue` | what one connection asks, one request after another |
//! | `asking` | look-ups and watch lists |
//! | `calling` | calls made and ringing here, and those that cross |
//! | `restoring` | what a keeper is told after a hand-over |
//! | `withdrawn` | calls that were hung up lately, should their keeper be gone |
//! | `effects` | what a door does, and where keepers are |

mod asking;
mod calling;
mod effects;
mod guest;
mod known;
mod queue;
mod restoring;
mod tickets;
mod withdrawn;

pub(super) use effects::{Effects, Routes};

use super::message::Message;
use super::shards::{NodeId, ShardSet};
use crate::config::{Limits, Timing};
use crate::state::quota::{Bucket, Quotas, Used};
use crate::state::timers::{TimerKey, Timers};
use crate::state::{ConnectionId, Counts, Output, Path, candidates, encoded, send};
use asking::Watched;
use calling::{Made, Ringing};
use directory_protocol::CloseCode;
use directory_protocol::frame::Received;
use directory_protocol::message::{CallId, ErrorCode, Request, Response};
use guest::Guest;
use identity::Identifier;
use known::KnownKeeper;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tickets::Ticket;
use withdrawn::Withdrawn;

/// When a request whose answer is not known is put again.
const AGAIN: Duration = Duration::from_millis(200);

/// When the asker is told that it is not known, and may ask again herself. Longer than a hand-over after a crash takes, shorter
/// than clients wait.
const GIVE_UP: Duration = Duration::from_secs(9);

/// What an asker who was told so should wait.
const RETRY_MS: u32 = 1_000;

/// What is due.
enum Due {
    /// An answer leaves.
    Answer { connection: ConnectionId, response: Response },
    /// A certificate ends.
    Expired { connection: ConnectionId },
    /// Nobody took a call.
    NoAnswer { connection: ConnectionId, call_id: CallId },
    /// A call rings no longer, whatever became of its keeper.
    Silence { connection: ConnectionId, call_id: CallId },
    /// A request may be put again, or has waited too long.
    Again { connection: ConnectionId },
    /// The rates of an address are full again.
    Recovered { number: u64 },
}

pub(super) struct Door {
    limits: Limits,
    timing: Timing,
    loopback: bool,
    observation: Option<u16>,
    guests: HashMap<ConnectionId, Guest>,
    tickets: HashMap<u64, Ticket>,
    issued: u64,
    timers: Timers<Due>,
    quotas: Quotas,
    keepers: Vec<KnownKeeper>,
    withdrawn: Withdrawn,
}

/// What a door needs to know of the whole.
pub(super) struct DoorConfig {
    pub(super) nodes: usize,
    pub(super) limits: Limits,
    pub(super) timing: Timing,
    pub(super) loopback: bool,
    pub(super) observation: Option<u16>,
}

impl Door {
    pub(super) fn new(config: DoorConfig) -> Self {
        let DoorConfig { nodes, limits, timing, loopback, observation } = config;
        Self {
            limits,
            timing,
            loopback,
            observation,
            guests: HashMap::new(),
            tickets: HashMap::new(),
            issued: 0,
            timers: Timers::default(),
            quotas: Quotas::default(),
            keepers: vec![KnownKeeper::new(); nodes],
            withdrawn: Withdrawn::default(),
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.guests.keys().copied()
    }

    /// Connections, people who are announced, watches, and calls made here that wait for an answer.
    pub(super) fn counts(&self) -> Counts {
        let guests = || self.guests.values();
        let present: std::collections::HashSet<&Identifier> =
            guests().filter(|guest| guest.is_announced()).map(|guest| &guest.who).collect();
        Counts {
            connections: self.guests.len(),
            people: present.len(),
            watches: guests().map(|guest| guest.watched.len()).sum(),
            calls: guests().map(|guest| guest.made.len()).sum(),
        }
    }

    /// A device has connected and its certificate was verified.
    pub(super) fn connected(
        &mut self,
        now: Instant,
        id: ConnectionId,
        (who, key): (Identifier, [u8; 32]),
        (network, expires): (IpAddr, Instant),
        routes: &Routes,
        fx: &mut Effects,
    ) {
        let expiry = self.timers.schedule(expires, Due::Expired { connection: id });
        let (address, shard) = (self.quotas.number(network), routes.shards.shard(&who));
        self.guests.insert(id, Guest::new(who, key, shard, address, expiry, Bucket::full(now)));
        // So that she has no more devices than she may, whatever she asks first.
        if let Some(keeper) = self.ready_of(shard, routes) {
            self.open(id, keeper, fx);
        }
    }

    /// It has ended.
    pub(super) fn disconnected(&mut self, now: Instant, id: ConnectionId, fx: &mut Effects) {
        let Some(guest) = self.guests.remove(&id) else { return };
        for (call_id, made) in &guest.made {
            self.note_withdrawn(now, (id, *call_id), made);
        }
        self.timers.cancel(guest.expiry);
        guest.timers().for_each(|timer| self.timers.cancel(timer));
        guest.tickets().for_each(|ticket| self.close(ticket));
        fx.messages.extend(guest.open_at.iter().map(|node| (*node, Message::Closed { connection: id.0 })));
        if self.quotas.begin_recovery(guest.address) {
            self.recover(now, guest.address);
        }
    }

    fn recover(&mut self, now: Instant, number: u64) {
        if let Some(full_at) = self.quotas.forget_if_full(now, number) {
            self.timers.schedule(full_at, Due::Recovered { number });
        }
    }

    /// A frame has come.
    pub(super) fn received(
        &mut self,
        now: Instant,
        (id, path): (ConnectionId, Path),
        frame: Received,
        routes: &Routes,
        fx: &mut Effects,
    ) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        guest.path = Some(path);
        if guest.frames.take(now, self.limits.frames, 1).is_err() {
            fx.outputs.push(Output::Close { id, code: CloseCode::Flood });
            return;
        }
        match frame {
            Received::Unknown { id: request } => fx.outputs.push(send(id, &Received::refusal(request))),
            Received::Request(Request::Ping { id: request }) => fx.outputs.push(done(id, request)),
            Received::Request(request) => self.queued(now, id, request, routes, fx),
        }
    }

    /// Tells a keeper of this connection, if it does not know it.
    fn open(&mut self, id: ConnectionId, keeper: NodeId, fx: &mut Effects) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        if !guest.open_at.contains(&keeper) {
            guest.open_at.push(keeper);
            let (who, key) = (guest.who.clone(), guest.key);
            fx.messages.push((keeper, Message::Open { connection: id.0, who, key, again: false }));
        }
    }

    /// A keeper has spoken.
    pub(super) fn take(&mut self, now: Instant, from: NodeId, message: Message, routes: &Routes, fx: &mut Effects) {
        match message {
            Message::Have { view, epoch, shards }
                if routes.view == Some(view) && epoch == self.keepers[usize::from(from)].epoch =>
            {
                if let Some(have) = ShardSet::from_bytes(&shards) {
                    self.restore(from, view, &have, routes);
                }
            }
            Message::Speaks { epoch, .. } if epoch == self.keepers[usize::from(from)].epoch => {
                self.keepers[usize::from(from)].speaks = true;
                self.ask_all_again(now, routes, fx);
            }
            Message::Reply { ticket, verdict } => self.replied(now, (from, ticket), verdict, routes, fx),
            Message::Tells { connection, response } => {
                self.told_by_keeper((from, ConnectionId(connection)), response, routes, fx);
            }
            Message::Rings { connection, response, from: device } => {
                self.rings(now, ConnectionId(connection), response, device, routes, fx);
            }
            Message::TooMany { connection } => {
                fx.outputs.push(Output::Close { id: ConnectionId(connection), code: CloseCode::TooManyDevices });
            }
            Message::Ends { calls } => self.ends(from, &calls, fx),
            _ => {}
        }
    }

    fn told_by_keeper(
        &mut self,
        (from, id): (NodeId, ConnectionId),
        response: Response,
        routes: &Routes,
        fx: &mut Effects,
    ) {
        match response {
            // Of somebody who has another keeper by now: old news.
            Response::Presence { ref who, .. } if routes.keeper(who) != Some(from) => {}
            Response::Presence { who, status, details } => self.presence(id, who, (status, details), fx),
            Response::Outcome { call_id, outcome } => self.outcome(id, call_id, outcome, fx),
            Response::Go { call_id, .. } => self.go(id, call_id, &response, fx),
            _ => {}
        }
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, now: Instant, routes: &Routes, fx: &mut Effects) {
        while let Some(due) = self.timers.due(now) {
            match due {
                Due::Answer { connection, response } => {
                    fx.outputs.push(Output::Send { to: connection, frame: encoded(&response) });
                }
                Due::Expired { connection: id } => fx.outputs.push(Output::Close { id, code: CloseCode::Expired }),
                Due::NoAnswer { connection, call_id } => self.no_answer(now, connection, &call_id, fx),
                Due::Silence { connection, call_id } => self.silence(connection, &call_id, fx),
                Due::Again { connection } => {
                    if let Some(guest) = self.guests.get_mut(&connection) {
                        guest.looks_again = false;
                    }
                    self.again(now, connection, routes, fx);
                }
                Due::Recovered { number } => self.recover(now, number),
            }
        }
    }

    /// Puts again what this connection waits for, or says that it is not known.
    fn again(&mut self, now: Instant, id: ConnectionId, routes: &Routes, fx: &mut Effects) {
        if !self.guests.contains_key(&id) {
            return;
        }
        self.first_again(now, id, routes, fx);
        self.ask_again(now, id, routes, fx);
        self.watch_again(now, id, routes, fx);
        self.pay(id, routes, fx);
        self.call_again(id, routes, fx);
        if self.guests.get(&id).is_some_and(Guest::waits) {
            self.look_again(now, id);
        }
    }

    /// Soon, what this connection waits for is put again.
    fn look_again(&mut self, now: Instant, id: ConnectionId) {
        if let Some(guest) = self.guests.get_mut(&id)
            && !std::mem::replace(&mut guest.looks_again, true)
        {
            self.timers.schedule(now + AGAIN, Due::Again { connection: id });
        }
    }
}

fn done(to: ConnectionId, id: u32) -> Output {
    send(to, &Response::Done { id })
}

fn error_answer(id: u32, (error, wait_ms): (ErrorCode, u32)) -> Response {
    Response::Refused { id, error, wait_ms }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
