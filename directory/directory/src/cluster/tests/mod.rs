//! Nodes and people in virtual time, on a network that loses, delays and cuts.

mod calls;
mod failures;
mod handing_over;
mod presence;
mod storms;

use super::*;
use crate::config::{Limits, Timing};
use crate::state::{ConnectionId, Input, Output, Path};
use directory_protocol::CloseCode;
use directory_protocol::frame::{self, Received};
use directory_protocol::message::{
    AnswerKind, Appearance, AudienceKind, CallId, Details, ErrorCode, ListName, Outcome, Purpose, Request, Response,
    Status,
};
use identity::Identifier;
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

/// In the order that nodes are numbered in.
const NAMES: [&str; 3] = ["one", "three", "two"];
const FIVE: [&str; 5] = ["five", "four", "one", "three", "two"];
const KEY: [u8; 32] = [42; 32];

/// What somebody was sent, and when.
type Seen = Vec<(Duration, Response)>;

/// A device: which node it is connected to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
struct At(usize, ConnectionId);

struct World {
    names: &'static [&'static str],
    start: Instant,
    now: Instant,
    nodes: Vec<Option<Cluster>>,
    /// What is under way: when it arrives, to whom.
    air: BTreeMap<(Instant, u64), (usize, usize, Vec<u8>)>,
    sent: u64,
    /// When the last packet from one to another arrives: like TCP, nothing overtakes.
    last: BTreeMap<(usize, usize), Instant>,
    /// Pairs between which nothing gets through.
    cut: HashSet<(usize, usize)>,
    /// Of a thousand packets, so many are lost.
    loss: u64,
    /// How many packets were sent, and the number of one that is lost.
    thrown: u64,
    lost: Option<u64>,
    /// Of this node only what is as short as a beat gets through, and to it.
    only_beats_of: Option<usize>,
    /// A packet takes at least a tenth of this, and at most all of it.
    delay: Duration,
    random: u64,
    connections: u64,
    requests: u32,
    starts: u64,
    seen: BTreeMap<At, Seen>,
    closed: Vec<(Duration, At, CloseCode)>,
    people: BTreeMap<At, String>,
    bytes: Vec<Vec<u8>>,
}

fn person(name: &str) -> Identifier {
    Identifier::parse(&format!("{name}@example.org")).unwrap()
}

/// The hash of a device's key.
fn key(at: At) -> [u8; 32] {
    [at.1.0 as u8; 32]
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl World {
    /// Three nodes that hear each other.
    fn new(seed: u64) -> Self {
        Self::of(&NAMES, seed)
    }

    /// The same of these nodes.
    fn of(names: &'static [&'static str], seed: u64) -> Self {
        let start = Instant::now() + Duration::from_secs(1_000);
        let mut world = Self {
            names,
            start,
            now: start,
            nodes: names.iter().map(|_| None).collect(),
            air: BTreeMap::new(),
            sent: 0,
            last: BTreeMap::new(),
            cut: HashSet::new(),
            loss: 0,
            thrown: 0,
            lost: None,
            only_beats_of: None,
            delay: ms(2),
            random: seed | 1,
            connections: 0,
            requests: 0,
            starts: 0,
            seen: BTreeMap::new(),
            closed: Vec::new(),
            people: BTreeMap::new(),
            bytes: Vec::new(),
        };
        for node in 0..names.len() {
            world.boot(node);
        }
        world.pass(ms(2_000));
        world
    }

    fn boot(&mut self, node: usize) {
        self.starts += 1;
        let mut calls = self.starts as u8;
        let entropy = Box::new(move || {
            calls = calls.wrapping_add(16);
            [calls; 32]
        });
        let config = ClusterConfig {
            name: self.names[node].to_owned(),
            nodes: self.names.iter().map(|name| (*name).to_owned()).collect(),
            key: KEY,
            incarnation: self.starts,
            salt: [self.starts as u8; 16],
            timing: ClusterTiming::DEFAULT,
        };
        let made =
            Cluster::new(self.now, config, (Timing::default(), Limits::default()), false, Some(7), entropy).unwrap();
        assert_eq!(usize::from(made.node()), node);
        self.nodes[node] = Some(made);
    }

    /// The node ends at once, and all connections with it.
    fn kill(&mut self, node: usize) {
        self.nodes[node] = None;
        self.people.retain(|at, _| at.0 != node);
    }

    fn cut_off(&mut self, node: usize) {
        self.cut.extend((0..self.nodes.len()).flat_map(|other| [(node, other), (other, node)]));
    }

    fn heal(&mut self) {
        self.cut.clear();
    }

    /// xorshift: it must be repeatable, not unpredictable.
    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn input(&mut self, node: usize, input: ClusterInput) {
        let Some(cluster) = &mut self.nodes[node] else { return };
        let mut out = Vec::new();
        cluster.handle(self.now, input, &mut out);
        for output in out {
            match output {
                ClusterOutput::Packet { to, sealed } => {
                    self.throw(node, usize::from(to), sealed);
                }
                ClusterOutput::Here(Output::Send { to, frame }) => {
                    let response = frame::decode_response(&frame[frame::LENGTH_BYTES..]).unwrap().unwrap();
                    let when = self.now - self.start;
                    if self.people.contains_key(&At(node, to)) {
                        self.seen.entry(At(node, to)).or_default().push((when, response));
                    }
                }
                ClusterOutput::Here(Output::Close { id, code }) => {
                    if self.people.remove(&At(node, id)).is_some() {
                        self.closed.push((self.now - self.start, At(node, id), code));
                        self.input(node, ClusterInput::Here(Input::Disconnected { id }));
                    }
                }
            }
        }
    }

    fn throw(&mut self, from: usize, to: usize, sealed: Vec<u8>) {
        if self.bytes.len() < 4_000 {
            self.bytes.push(sealed.clone());
        }
        self.thrown += 1;
        if self.cut.contains(&(from, to)) || self.draw(1_000) < self.loss || self.lost == Some(self.thrown) {
            return;
        }
        let concerned = self.only_beats_of.is_some_and(|node| node == from || node == to);
        if concerned && !self.is_beat(to, &sealed) {
            return;
        }
        let micros = self.delay.as_micros() as u64;
        let takes = Duration::from_micros(micros / 10 + self.draw(micros * 9 / 10 + 1));
        self.sent += 1;
        let last = self.last.entry((from, to)).or_insert(self.now);
        *last = (self.now + takes).max(*last);
        self.air.insert((*last, self.sent), (from, to, sealed));
    }

    fn is_beat(&mut self, to: usize, sealed: &[u8]) -> bool {
        let Some(node) = &mut self.nodes[to] else { return false };
        let (_, plain) = node.seal.open(sealed).unwrap();
        matches!(minicbor::decode(&plain), Ok(message::Sealed::Beat { .. }))
    }

    /// Lets time pass, event by event.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let arrival = self.air.first_key_value().map(|((at, _), _)| *at);
            let due = self.nodes.iter().flatten().filter_map(Cluster::next_deadline).min();
            let Some(next) = [arrival, due].into_iter().flatten().min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            if arrival.is_some_and(|at| at <= self.now) {
                let (_, (from, to, sealed)) = self.air.pop_first().unwrap();
                if !self.cut.contains(&(from, to)) {
                    self.input(to, ClusterInput::Packet(sealed));
                }
                continue;
            }
            for node in 0..self.nodes.len() {
                let deadline = self.nodes[node].as_ref().and_then(Cluster::next_deadline);
                if deadline.is_some_and(|at| at <= self.now) {
                    self.input(node, ClusterInput::Here(Input::Tick));
                }
            }
        }
        self.now = end;
    }

    fn connect(&mut self, node: usize, who: &str) -> At {
        self.connections += 1;
        let at = At(node, ConnectionId(self.connections));
        self.people.insert(at, who.to_owned());
        let (id, key, network) = (at.1, key(at), "192.0.2.1".parse().unwrap());
        let expires = self.now + Duration::from_secs(86_400);
        let connected = Input::Connected { id, who: person(who), key, network, expires };
        self.input(node, ClusterInput::Here(connected));
        at
    }

    fn leave(&mut self, at: At) {
        self.people.remove(&at);
        self.input(at.0, ClusterInput::Here(Input::Disconnected { id: at.1 }));
    }

    fn ask(&mut self, at: At, request: impl FnOnce(u32) -> Request) -> u32 {
        self.requests += 1;
        let path = Path { observed: "192.0.2.1:4433".parse().unwrap(), round_trip: ms(20) };
        let frame = Received::Request(request(self.requests));
        self.input(at.0, ClusterInput::Here(Input::Received { id: at.1, path, frame }));
        self.requests
    }

    /// Connects, and is visible to these people, whom she also watches.
    fn come(&mut self, node: usize, who: &str, contacts: &[&str]) -> At {
        let at = self.connect(node, who);
        self.announce(at, Appearance::As(Status::Available), contacts);
        self.watch(at, contacts);
        at
    }

    fn announce(&mut self, at: At, appearance: Appearance, contacts: &[&str]) -> u32 {
        let people = contacts.iter().map(|who| person(who)).collect();
        self.ask(at, |id| Request::List { id, name: ListName::Contacts, people });
        let (visible_to, may_knock) = (AudienceKind::Contacts, AudienceKind::Everyone);
        self.ask(at, |id| Request::Announce { id, appearance, visible_to, may_knock, details: None })
    }

    fn appear(&mut self, at: At, appearance: Appearance) -> u32 {
        self.ask(at, |id| Request::Appear { id, appearance, details: Details::default() })
    }

    fn watch(&mut self, at: At, people: &[&str]) -> u32 {
        let people = people.iter().map(|who| person(who)).collect();
        self.ask(at, |id| Request::Watch { id, people })
    }

    fn look_up(&mut self, at: At, who: &str) -> u32 {
        let who = person(who);
        self.ask(at, |id| Request::LookUp { id, who })
    }

    fn call(&mut self, at: At, callee: &str, call_id: CallId) -> u32 {
        self.call_device(at, callee, None, call_id)
    }

    /// Calls this device of somebody, or any.
    fn call_device(&mut self, at: At, callee: &str, device: Option<At>, call_id: CallId) -> u32 {
        let (callee, purpose, candidates) = (person(callee), Purpose::Call, vec!["192.0.2.9:9".parse().unwrap()]);
        let device = device.map(key);
        self.ask(at, |id| Request::Invite { id, call_id, callee, purpose, candidates, device })
    }

    fn answer(&mut self, at: At, call_id: CallId, answer: AnswerKind) -> u32 {
        let accepts = answer == AnswerKind::Accept;
        let candidates = accepts.then(|| "192.0.2.8:8".parse().unwrap()).into_iter().collect();
        self.ask(at, |id| Request::Answer { id, call_id, answer, candidates })
    }

    /// All that this device was sent, which is forgotten.
    fn take(&mut self, at: At) -> Vec<Response> {
        self.seen.remove(&at).unwrap_or_default().into_iter().map(|(_, response)| response).collect()
    }

    /// Whether each change of this person's presence that the device was told says that she is there.
    fn told(&self, at: At, who: &str) -> Vec<bool> {
        let who = person(who);
        let of = |response: &Response| match response {
            Response::Presence { who: of, status, .. } if *of == who => Some(status.is_some()),
            _ => None,
        };
        self.seen.get(&at).into_iter().flatten().filter_map(|(_, response)| of(response)).collect()
    }

    /// The answer to this request, and when it came.
    fn answered(&self, at: At, request: u32) -> Option<(Duration, &Response)> {
        let of = |response: &Response| match response {
            Response::Done { id }
            | Response::Refused { id, .. }
            | Response::Announced { id, .. }
            | Response::Found { id, .. } => *id == request,
            _ => false,
        };
        let mut seen = self.seen.get(&at).into_iter().flatten();
        seen.find(|(_, response)| of(response)).map(|(when, response)| (*when, response))
    }

    fn outcomes(&self, at: At, call: CallId) -> Vec<Outcome> {
        let of = |response: &Response| match response {
            Response::Outcome { call_id, outcome } if *call_id == call => Some(*outcome),
            _ => None,
        };
        self.seen.get(&at).into_iter().flatten().filter_map(|(_, response)| of(response)).collect()
    }

    fn keeper(&self, who: &str) -> usize {
        let node = self.nodes.iter().flatten().find(|node| node.routes.view.is_some()).unwrap();
        node.routes.keeper(&person(who)).unwrap().into()
    }

    /// Somebody whose keeper is this node.
    fn kept_by(&self, node: usize, prefix: &str) -> String {
        (0..).map(|n| format!("{prefix}{n}")).find(|name| self.keeper(name) == node).unwrap()
    }

    fn time(&self) -> Duration {
        self.now - self.start
    }
}
