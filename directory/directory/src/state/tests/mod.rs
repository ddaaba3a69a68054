//! The state machine in virtual time: a test lets thirty seconds pass by adding them.

mod calls;
mod devices;
mod hiding;
mod limits;
mod presence;
mod vanishing;

use super::*;
use directory_protocol::message::{Appearance, AudienceKind, CallId, ListName, Outcome, Status};

/// A directory with a clock that only tests advance.
pub(super) struct Lab {
    state: State,
    pub(super) now: Instant,
    connections: u64,
    requests: u32,
}

/// What one connection was sent, or how it was closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Frame(Response),
    Closed(CloseCode),
}

pub(super) type SeenBy = Vec<(ConnectionId, Seen)>;

impl Lab {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Self {
        let mut calls = 0;
        let entropy = Box::new(move || {
            calls += 1;
            [calls; 32]
        });
        let state = State::new(Timing::default(), limits, false, None, entropy);
        Self { state, now: Instant::now(), connections: 0, requests: 0 }
    }

    /// A device of this person connects.
    pub(super) fn connect(&mut self, who: &str) -> ConnectionId {
        self.connect_until(who, Duration::from_secs(14 * 86_400)).0
    }

    pub(super) fn connect_until(&mut self, who: &str, lifetime: Duration) -> (ConnectionId, SeenBy) {
        self.connect_from("192.0.2.1", who, lifetime)
    }

    pub(super) fn connect_from(&mut self, network: &str, who: &str, lifetime: Duration) -> (ConnectionId, SeenBy) {
        let key = [self.connections as u8 + 1; 32];
        self.connect_device((who, key), network, lifetime)
    }

    /// The device with this key connects.
    pub(super) fn connect_device(
        &mut self,
        (who, key): (&str, [u8; 32]),
        network: &str,
        lifetime: Duration,
    ) -> (ConnectionId, SeenBy) {
        self.connections += 1;
        let id = ConnectionId(self.connections);
        let expires = self.now + lifetime;
        let network = network.parse().unwrap();
        (id, self.input(Input::Connected { id, who: person(who), key, network, expires }))
    }

    /// A device connects and announces itself to these contacts, open to everyone's knock.
    pub(super) fn come(&mut self, who: &str, contacts: &[&str]) -> ConnectionId {
        let id = self.connect(who);
        self.announce(id, AudienceKind::Contacts, AudienceKind::Everyone, contacts);
        id
    }

    pub(super) fn announce(
        &mut self,
        id: ConnectionId,
        visible_to: AudienceKind,
        may_knock: AudienceKind,
        contacts: &[&str],
    ) -> SeenBy {
        self.announce_as(id, Status::Available, visible_to, may_knock, contacts)
    }

    pub(super) fn announce_as(
        &mut self,
        id: ConnectionId,
        status: Status,
        visible_to: AudienceKind,
        may_knock: AudienceKind,
        contacts: &[&str],
    ) -> SeenBy {
        self.list(id, ListName::Contacts, contacts);
        let appearance = Appearance::As(status);
        self.ask(id, |id| Request::Announce { id, appearance, visible_to, may_knock, details: None })
    }

    /// A device that blocks these people, and is open to everybody else.
    pub(super) fn block(&mut self, id: ConnectionId, people: &[&str]) -> SeenBy {
        self.list(id, ListName::Blocked, people);
        self.announce(id, AudienceKind::Everyone, AudienceKind::Everyone, &[])
    }

    pub(super) fn appear(&mut self, id: ConnectionId, appearance: Appearance, details: Details) -> SeenBy {
        self.ask(id, |id| Request::Appear { id, appearance, details })
    }

    pub(super) fn hide(&mut self, id: ConnectionId) -> SeenBy {
        self.appear(id, Appearance::Invisible, Details::default())
    }

    pub(super) fn list(&mut self, id: ConnectionId, name: ListName, people: &[&str]) -> SeenBy {
        let people = people.iter().map(|who| person(who)).collect();
        self.ask(id, |id| Request::List { id, name, people })
    }

    pub(super) fn leave(&mut self, id: ConnectionId) -> SeenBy {
        self.input(Input::Disconnected { id })
    }

    pub(super) fn ask(&mut self, from: ConnectionId, request: impl FnOnce(u32) -> Request) -> SeenBy {
        self.requests += 1;
        let path = Path { observed: "192.0.2.1:4433".parse().unwrap(), round_trip: Duration::from_millis(20) };
        let frame = Received::Request(request(self.requests));
        self.input(Input::Received { id: from, path, frame })
    }

    /// Lets time pass, timer by timer.
    pub(super) fn wait(&mut self, duration: Duration) -> SeenBy {
        let end = self.now + duration;
        let mut seen = Vec::new();
        while let Some(at) = self.state.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            seen.extend(self.input(Input::Tick));
        }
        self.now = end;
        seen
    }

    pub(super) fn look_up(&mut self, from: ConnectionId, who: &str) -> SeenBy {
        let who = person(who);
        self.ask(from, |id| Request::LookUp { id, who })
    }

    pub(super) fn watch(&mut self, from: ConnectionId, people: &[&str]) -> SeenBy {
        let people = people.iter().map(|who| person(who)).collect();
        self.ask(from, |id| Request::Watch { id, people })
    }

    pub(super) fn bytes_of(&mut self, from: ConnectionId, request: Request) -> Vec<Output> {
        let path = Path { observed: "192.0.2.1:4433".parse().unwrap(), round_trip: Duration::ZERO };
        let mut out = Vec::new();
        self.state.handle(self.now, Input::Received { id: from, path, frame: Received::Request(request) }, &mut out);
        out
    }

    pub(super) fn tick(&mut self) -> Vec<Output> {
        let mut out = Vec::new();
        self.state.handle(self.now, Input::Tick, &mut out);
        out
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.state.next_deadline()
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn input(&mut self, input: Input) -> SeenBy {
        let mut out = Vec::new();
        self.state.handle(self.now, input, &mut out);
        out.into_iter()
            .map(|output| match output {
                Output::Send { to, frame } => {
                    (to, Seen::Frame(frame::decode_response(&frame[frame::LENGTH_BYTES..]).unwrap().unwrap()))
                }
                Output::Close { id, code } => (id, Seen::Closed(code)),
            })
            .collect()
    }
}

pub(super) fn person(who: &str) -> Identifier {
    Identifier::parse(who).unwrap()
}

/// The frames sent to one connection.
pub(super) fn to(id: ConnectionId, seen: &SeenBy) -> Vec<&Response> {
    let frames = seen.iter().filter(|(to, _)| *to == id);
    frames.filter_map(|(_, seen)| if let Seen::Frame(frame) = seen { Some(frame) } else { None }).collect()
}

/// The presence events sent to one connection.
pub(super) fn told(id: ConnectionId, seen: &SeenBy) -> Vec<(String, Presence)> {
    to(id, seen)
        .into_iter()
        .filter_map(|frame| match frame {
            Response::Presence { who, status, details } => {
                let presence =
                    status.map_or(Presence::Offline, |status| Presence::Online(status, details.clone().unwrap()));
                Some((who.as_str().to_owned(), presence))
            }
            _ => None,
        })
        .collect()
}

/// The outcomes sent to one connection.
pub(super) fn outcomes(id: ConnectionId, seen: &SeenBy) -> Vec<Outcome> {
    let outcome = |frame: &Response| if let Response::Outcome { outcome, .. } = frame { Some(*outcome) } else { None };
    to(id, seen).into_iter().filter_map(outcome).collect()
}

/// The error a request was refused with.
pub(super) fn refused(seen: &SeenBy) -> Option<ErrorCode> {
    seen.iter().find_map(|(_, seen)| match seen {
        Seen::Frame(Response::Refused { error, .. }) => Some(*error),
        _ => None,
    })
}

pub(super) fn call_id(n: u8) -> CallId {
    [n; 16]
}
