//! What the directory knows, and what it does when something happens.
//!
//! [`State::handle`] takes one [`Input`] and the time, and appends [`Output`]s: frames to send, connections to close. It does
//! no I/O, reads no clock and starts nothing; whoever drives it calls it again at [`State::next_deadline`] with
//! [`Input::Tick`]. So a test lets thirty seconds pass by adding them.
//!
//! | module | what it holds |
//! |---|---|
//! | `people` | connections, and the people they belong to |
//! | `appearance` | what each connection has announced, and who sees what of it |
//! | `watching` | who watches whom, and what each watcher was last told |
//! | `calls` | calls that wait for an answer |
//! | `ringing` | where a call rings, and until when |
//! | `introduce` | the end of a call in GO |
//! | `homing` | the same for people who are connected to another node of a cluster |
//! | `candidates` | which addresses a device may offer |
//! | `quota` | rate limits |
//! | `numbered` | tables by numbers that nobody outside chooses |
//! | `timers` | what is due when |

mod appearance;
pub(crate) mod calls;
pub(crate) mod candidates;
mod homing;
mod introduce;
pub(crate) mod numbered;
mod people;
pub(crate) mod quota;
mod ringing;
#[cfg(test)]
mod tests;
pub(crate) mod timers;
mod watching;

use crate::config::{Limits, Timing};
use bytes::Bytes;
use calls::Calls;
use directory_protocol::close::CloseCode;
use directory_protocol::frame::{self, Received};
use directory_protocol::message::{Details, ErrorCode, ListName, Presence, Request, Response};
use identity::Identifier;
use people::People;
use quota::{Quotas, Used};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use timers::{Timer, Timers};

/// Names one connection for as long as it lives; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// How many there are; never who.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Live connections.
    pub connections: usize,
    /// People present on at least one of them.
    pub people: usize,
    /// Entries of all watch lists together.
    pub watches: usize,
    /// Calls waiting for an answer.
    pub calls: usize,
}

/// A person's identifier, shared between everything that mentions her.
type Name = Arc<Identifier>;

/// Something happened.
#[derive(Debug)]
pub enum Input {
    /// A device has connected and its certificate was verified.
    Connected {
        /// The new connection.
        id: ConnectionId,
        /// Whose certificate it is.
        who: Identifier,
        /// SHA-256 of the device's SubjectPublicKeyInfo.
        key: [u8; 32],
        /// The IPv4 address or IPv6 /64 network it comes from.
        network: IpAddr,
        /// When the certificate ends, and with it the connection.
        expires: Instant,
    },
    /// A frame has arrived.
    Received {
        /// On which connection.
        id: ConnectionId,
        /// The network path it came on.
        path: Path,
        /// What it says.
        frame: Received,
    },
    /// A connection has ended.
    Disconnected {
        /// Which one.
        id: ConnectionId,
    },
    /// Time has passed.
    Tick,
}

/// What the directory sees of the way to a device.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    /// Where its packets come from.
    pub observed: SocketAddr,
    /// How long there and back.
    pub round_trip: Duration,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send these bytes, one whole frame with its length.
    Send {
        /// To which connection. If it is gone by now, nothing is to be done.
        to: ConnectionId,
        /// The frame.
        frame: Bytes,
    },
    /// End this connection. [`Input::Disconnected`] is expected to follow.
    Close {
        /// Which one.
        id: ConnectionId,
        /// Why.
        code: CloseCode,
    },
}

/// Gives 32 unpredictable bytes at every call: the per-call probe keys.
pub type Entropy = Box<dyn FnMut() -> [u8; 32] + Send>;

/// Everything a directory knows.
pub struct State {
    timing: Timing,
    limits: Limits,
    /// Whether devices may offer loopback addresses, which make sense only to a directory on loopback.
    loopback: bool,
    /// The second port that answers who asks where she is seen from.
    observation: Option<u16>,
    people: People,
    calls: Calls,
    quotas: Quotas,
    timers: Timers<Timer>,
    entropy: Entropy,
}

impl State {
    /// A directory that knows nobody. `loopback`: its own address is a loopback address. `observation`: its second port.
    pub fn new(timing: Timing, limits: Limits, loopback: bool, observation: Option<u16>, entropy: Entropy) -> Self {
        Self {
            timing,
            limits,
            loopback,
            observation,
            people: People::default(),
            calls: Calls::default(),
            quotas: Quotas::default(),
            timers: Timers::default(),
            entropy,
        }
    }

    /// Takes one input at time `now`, which never goes backwards, and appends what is to be done, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        self.run_timers(now, out);
        match input {
            Input::Connected { id, who, key, network, expires } => {
                if let Err(code) = self.connected(now, id, (who, key), network, expires) {
                    out.push(Output::Close { id, code });
                }
            }
            Input::Received { id, path, frame } => self.received(now, id, path, frame, out),
            Input::Disconnected { id } => self.disconnected(now, id, out),
            Input::Tick => {}
        }
    }

    /// When the next [`Input::Tick`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// How many there are.
    pub fn counts(&self) -> Counts {
        Counts {
            connections: self.people.connections(),
            people: self.people.present(),
            watches: self.people.watches(),
            calls: self.calls.waiting(),
        }
    }

    fn run_timers(&mut self, now: Instant, out: &mut Vec<Output>) {
        while let Some(timer) = self.timers.due(now) {
            match timer {
                Timer::Answer { to, frame } => out.push(Output::Send { to, frame }),
                Timer::NoAnswer { call } => self.no_answer(&call, out),
                Timer::Expired { id } => out.push(Output::Close { id, code: CloseCode::Expired }),
                Timer::Recovered { number } => self.recover(now, number),
            }
        }
    }

    fn connected(
        &mut self,
        now: Instant,
        id: ConnectionId,
        (who, key): (Identifier, [u8; 32]),
        network: IpAddr,
        expires: Instant,
    ) -> Result<(), CloseCode> {
        if self.people.devices_of(&who).len() >= self.limits.connections_per_person {
            return Err(CloseCode::TooManyDevices);
        }
        let expiry = self.timers.schedule(expires, Timer::Expired { id });
        let numbers = quota::Numbers { person: self.quotas.number(&who), address: self.quotas.number(network) };
        self.people.connect(id, who, key, numbers, expiry, quota::Bucket::full(now));
        Ok(())
    }

    fn disconnected(&mut self, now: Instant, id: ConnectionId, out: &mut Vec<Output>) {
        self.leave_calls(id, out);
        let Some(gone) = self.people.disconnect(id) else { return };
        self.timers.cancel(gone.expiry);
        for number in [gone.numbers.person, gone.numbers.address] {
            if self.quotas.begin_recovery(number) {
                self.recover(now, number);
            }
        }
        // A call that goes on elsewhere may ring only where its caller sees nobody any more.
        self.reconsider_calls(&gone.who, out);
        self.people.push_presence(now, &gone.who, out);
    }

    /// Forgets the rates under this number if they are full again, or looks again when they will be.
    fn recover(&mut self, now: Instant, number: u64) {
        if let Some(full_at) = self.quotas.forget_if_full(now, number) {
            self.timers.schedule(full_at, Timer::Recovered { number });
        }
    }

    fn received(&mut self, now: Instant, id: ConnectionId, path: Path, frame: Received, out: &mut Vec<Output>) {
        let Some(connection) = self.people.get_mut(id) else { return };
        connection.round_trip = path.round_trip;
        if connection.frames.take(now, self.limits.frames, 1).is_err() {
            out.push(Output::Close { id, code: CloseCode::Flood });
            return;
        }
        let (request_id, result) = match frame {
            Received::Unknown { id: request_id } => (request_id, Err(Refusal::from(ErrorCode::UnknownRequest))),
            Received::Request(request) => (request.id(), self.carry_out(now, id, path, request, out)),
        };
        if let Err(Refusal { error, wait }) = result {
            let wait_ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
            out.push(send(id, &Response::Refused { id: request_id, error, wait_ms }));
        }
    }

    fn carry_out(
        &mut self,
        now: Instant,
        from: ConnectionId,
        path: Path,
        request: Request,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let done = send(from, &Response::Done { id: request.id() });
        match request {
            Request::Ping { .. } => out.push(done),
            Request::List { name, people, .. } => {
                self.people.stage(from, name, people, self.longest(name))?;
                out.push(done);
            }
            Request::Announce { id, appearance, visible_to, may_knock, details } => {
                let allowed = self.spend(now, from, Used::Announcements, 1);
                let details = allowed
                    .and_then(|()| acceptable(details.unwrap_or_default()))
                    .inspect_err(|_| self.people.unstage(from))?;
                let who = self.people.announce(now, from, appearance, (visible_to, may_knock), details);
                out.push(send(
                    from,
                    &Response::Announced { id, observed: path.observed, observation: self.observation },
                ));
                self.changed(now, &who, out);
            }
            Request::Appear { appearance, details, .. } => {
                self.spend(now, from, Used::Announcements, 1)?;
                let who = self.people.appear(now, from, appearance, acceptable(details)?)?;
                out.push(done);
                self.changed(now, &who, out);
            }
            Request::LookUp { id, who } => {
                self.spend(now, from, Used::LookUps, 1)?;
                match self.people.shown(&who, &self.people.who(from)) {
                    Some(seen) => out.push(send(from, &Response::found(id, seen.told(now)))),
                    None => self.answer_later(now, from, encoded(&Response::found(id, Presence::Offline))),
                }
            }
            Request::Watch { id, people } => {
                self.spend(now, from, Used::Watches, people.len())?;
                self.people.watch(now, from, people, self.limits.watched, out)?;
                self.answer_later(now, from, encoded(&Response::Done { id }));
            }
            Request::Unwatch { people, .. } => {
                self.people.unwatch(from, &people);
                out.push(done);
            }
            Request::Invite { id, call_id, callee, purpose, candidates, device } => {
                self.spend(now, from, Used::Invites, 1)?;
                let placed = calls::Placed { call_id, callee, purpose, candidates, device };
                self.invite(now, from, id, placed, out)?;
            }
            Request::Answer { id, call_id, answer, candidates } => {
                self.answer(from, id, &call_id, answer, candidates, out)?;
            }
            Request::Cancel { call_id, .. } => {
                out.push(done);
                self.cancel(from, &call_id, out);
            }
        }
        Ok(())
    }

    /// Calls first, as when somebody leaves: whoever hides must look like it.
    fn changed(&mut self, now: Instant, who: &Name, out: &mut Vec<Output>) {
        self.reconsider_calls(who, out);
        self.people.push_presence(now, who, out);
    }

    /// How long this list may be.
    fn longest(&self, name: ListName) -> usize {
        match name {
            ListName::Contacts => self.limits.contacts,
            ListName::VisibleTo | ListName::MayKnock => self.limits.named,
            ListName::Blocked => self.limits.blocked,
        }
    }

    /// Takes from her own rate and from her address's, or from neither.
    fn spend(&mut self, now: Instant, from: ConnectionId, what: Used, count: usize) -> Result<(), Refusal> {
        let quota::Numbers { person, address } = self.people.connection(from).numbers;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let shares = [(person, 1), (address, self.limits.rates_per_address)];
        self.quotas
            .take(now, &shares, what, count, &self.limits)
            .map_err(|wait| Refusal { error: ErrorCode::TooOften, wait })
    }

    /// Sends a negative answer at the fixed deadline, whatever the reason for it.
    fn answer_later(&mut self, now: Instant, to: ConnectionId, frame: Bytes) {
        self.timers.schedule(now + self.timing.negative_deadline, Timer::Answer { to, frame });
    }
}

/// Why a request is not carried out.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) error: ErrorCode,
    pub(crate) wait: Duration,
}

impl From<ErrorCode> for Refusal {
    fn from(error: ErrorCode) -> Self {
        Self { error, wait: Duration::ZERO }
    }
}

pub(crate) fn acceptable(details: Details) -> Result<Details, Refusal> {
    if details.note_is_acceptable() { Ok(details) } else { Err(ErrorCode::BadNote.into()) }
}

pub(crate) fn encoded(response: &Response) -> Bytes {
    frame::encode(response).into()
}

pub(crate) fn send(to: ConnectionId, response: &Response) -> Output {
    Output::Send { to, frame: encoded(response) }
}
