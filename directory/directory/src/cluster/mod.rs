//! One directory on several nodes: what a node does, without I/O.
//!
//! [`Cluster::handle`] takes one [`ClusterInput`] and the time, and appends [`ClusterOutput`]s, as [`State`] does for a
//! directory that is alone (which has nothing of this). People fall into shards by a keyed hash of their identifiers; each
//! shard is *kept* by one node, which knows where its people are connected and what they show to whom; the node that somebody
//! is connected to is her *door*. `docs/spec/cluster.md` is the protocol between nodes.
//!
//! What it never does: say that somebody is offline, or online, because a node or the way to it has failed; write anything to
//! a disk; send anything that whoever carries it can read.
//!
//! | module | what it holds |
//! |---|---|
//! | `shards` | whose keeper is which node |
//! | `membership` | which nodes are there, and since when one is not |
//! | `link` | messages to one other node, in order, each once |
//! | `seal` | what leaves a node, encrypted |
//! | `message` | what nodes say to each other |
//! | `keeper` | what a node does for the people of its shards |
//! | `door` | what a node does for the people who are connected to it |
//! | `carrier` | the one part with I/O: what brings packets to other nodes, NATS |

mod carrier;
mod door;
mod keeper;
mod link;
mod membership;
mod message;
mod seal;
mod shards;
#[cfg(test)]
mod tests;

use crate::config::{ClusterTiming, Limits, Timing};
use crate::state::{Entropy, Input, Output, State};
use directory_protocol::CloseCode;
use door::{Door, DoorConfig, Effects, Routes};
use keeper::{Keeper, Outbox};
use link::Link;
use membership::{Event, Membership};
use message::{Message, Sealed};
use seal::Seal;
use shards::{ShardKey, ShardSet};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use carrier::CarrierConfig;
pub(crate) use carrier::{Departing, carry, departures};
pub use shards::{NodeId, SHARDS};

/// By how much sooner than its door a keeper ends a call that nobody takes: the way of an acceptance that comes at the last
/// moment.
const SOONER: Duration = Duration::from_millis(500);

/// What a node is told at its start.
#[derive(Clone)]
pub struct ClusterConfig {
    /// This node's name, one of `nodes`.
    pub name: String,
    /// The names of all nodes, the same everywhere. A majority of them decides.
    pub nodes: Vec<String>,
    /// Shared by all nodes and known to nobody else.
    pub key: [u8; 32],
    /// Greater at every start of this node: milliseconds of the clock do.
    pub incarnation: u64,
    /// Drawn at random at every start.
    pub salt: [u8; 16],
    /// When a node is silent, lost, or lets its people go.
    pub timing: ClusterTiming,
}

/// Why nodes are no cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClusterError {
    /// Not among the nodes.
    #[error("this node's name, {found:?}, is not among the nodes of the cluster")]
    NotAMember {
        /// The name.
        found: String,
    },
    /// One name twice.
    #[error("two nodes of the cluster have the name {found:?}")]
    Twice {
        /// The name.
        found: String,
    },
    /// More than can be named.
    #[error("a cluster has at most {} nodes, this one {found}", u16::MAX)]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

/// Something happened.
#[derive(Debug)]
pub enum ClusterInput {
    /// To a connection of this node, or nothing but time.
    Here(Input),
    /// Another node's packet has come; whatever it is.
    Packet(Vec<u8>),
    /// Everybody who was connected has been let go: say goodbye.
    Leave,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterOutput {
    /// For a connection of this node.
    Here(Output),
    /// Bring this to another node, or to all others. If it is lost, it is sent again.
    Packet {
        /// To whom; nobody: to all others.
        to: Option<NodeId>,
        /// What nobody can read.
        sealed: Vec<u8>,
    },
}

/// What two lists of nodes differ in.
fn listed(names: &[String]) -> Vec<u8> {
    let mut listed = b"inperson-cluster-nodes-v1".to_vec();
    for name in names {
        listed.extend((name.len() as u64).to_be_bytes());
        listed.extend(name.as_bytes());
    }
    listed
}

/// One node.
pub struct Cluster {
    me: NodeId,
    membership: Membership,
    seeds: Vec<u64>,
    seal: Seal,
    links: Vec<Link>,
    routes: Routes,
    door: Door,
    keeper: Keeper,
    beat: Duration,
    next_beat: Instant,
    /// Messages under way to a half of this very node.
    inbox: VecDeque<Message>,
}

impl Cluster {
    /// A node that has heard nobody yet. `loopback` and `observation` as of [`State::new`].
    pub fn new(
        now: Instant,
        config: ClusterConfig,
        (timing, limits): (Timing, Limits),
        loopback: bool,
        observation: Option<u16>,
        entropy: Entropy,
    ) -> Result<Self, ClusterError> {
        let ClusterConfig { name, nodes: mut names, key, incarnation, salt, timing: times } = config;
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ClusterError::Twice { found: twice[0].clone() });
        }
        let nodes = names.len();
        let count = NodeId::try_from(nodes).map_err(|_| ClusterError::TooMany { found: nodes })?;
        let me = (0..count).zip(&names).find(|(_, other)| **other == name).map(|(node, _)| node);
        let me = me.ok_or(ClusterError::NotAMember { found: name })?;
        let sooner = SOONER.min(timing.no_answer / 10);
        let kept = Timing { no_answer: timing.no_answer - sooner, ..timing };
        let state = State::new(kept, limits, loopback, None, entropy);
        let links = (0..nodes).map(|_| Link::default()).map(|mut link| {
            link.restart();
            link
        });
        Ok(Self {
            me,
            membership: Membership::new(now, me, nodes, incarnation, times),
            seeds: names.iter().map(|name| shards::seed(name)).collect(),
            // Whoever has another list numbers nodes otherwise, and is not understood.
            seal: Seal::new(shards::derive(&key, &listed(&names)), me, salt),
            links: links.collect(),
            routes: Routes { shards: ShardKey::new(&key), owners: None, view: None },
            door: Door::new(DoorConfig { nodes, limits, timing, loopback, observation }),
            keeper: Keeper::new(state, nodes),
            beat: times.beat,
            next_beat: now,
            inbox: VecDeque::new(),
        })
    }

    /// This node's place among all.
    pub fn node(&self) -> NodeId {
        self.me
    }

    /// Whether people may connect here: whoever comes to a node that nobody hears would be there for nobody.
    pub fn accepts(&self) -> bool {
        self.routes.view.is_some()
    }

    /// How many nodes hear each other, and how many there are.
    pub fn nodes(&self) -> (usize, usize) {
        (self.membership.members().count(), self.links.len())
    }

    /// As of [`State::counts`], of those who are connected here.
    pub fn counts(&self) -> (usize, usize, usize, usize) {
        self.door.counts()
    }

    /// When the next [`Input::Tick`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        [Some(self.next_beat), self.door.next_deadline(), self.keeper.next_deadline()].into_iter().flatten().min()
    }

    /// Takes one input at time `now`, which never goes backwards, and appends what is to be done, in order.
    pub fn handle(&mut self, now: Instant, input: ClusterInput, out: &mut Vec<ClusterOutput>) {
        let mut fx = Effects::default();
        match input {
            ClusterInput::Here(input) => self.here(now, input, &mut fx),
            ClusterInput::Packet(sealed) => self.packet(now, &sealed, &mut fx, out),
            ClusterInput::Leave => {
                self.membership.leave();
                self.next_beat = now;
            }
        }
        self.door.tick(now, &self.routes, &mut fx);
        let mut outbox = Outbox::new();
        self.keeper.tick(now, &mut outbox);
        fx.messages.append(&mut outbox);
        if self.next_beat <= now {
            self.look(now, &mut fx, out);
            self.say(now, out);
        }
        self.carry(now, &mut fx);
        for node in 0..self.links.len() as NodeId {
            self.flush(now, node, out);
        }
        out.extend(fx.outputs.into_iter().map(ClusterOutput::Here));
    }

    fn here(&mut self, now: Instant, input: Input, fx: &mut Effects) {
        match input {
            Input::Connected { id, who, key, network, expires } => {
                self.door.connected(now, id, (who, key), (network, expires), &self.routes, fx);
            }
            Input::Received { id, path, frame } => self.door.received(now, (id, path), frame, &self.routes, fx),
            Input::Disconnected { id } => self.door.disconnected(now, id, fx),
            Input::Tick => {}
        }
    }

    /// Looks who is there, and does what follows if that has changed.
    fn look(&mut self, now: Instant, fx: &mut Effects, out: &mut Vec<ClusterOutput>) {
        let before: Vec<NodeId> = self.membership.members().collect();
        let mut events = Vec::new();
        if self.membership.tick(now, &mut events) {
            self.view_changed(now, &before, out);
        }
        self.happened(now, events, fx);
        self.keeper.agreed(self.membership.is_agreed());
        if let Some(view) = self.routes.view {
            for node in self.membership.members().filter(|node| self.membership.agrees(*node)) {
                self.door.begin(node, view, fx);
            }
        }
        if self.membership.is_fenced(now) {
            // From now on others may say that they have gone; so they must have.
            let close = |id| Output::Close { id, code: CloseCode::Stopping };
            fx.outputs.extend(self.door.connections().map(close));
        }
    }

    fn view_changed(&mut self, now: Instant, before: &[NodeId], out: &mut Vec<ClusterOutput>) {
        let members: Vec<NodeId> = self.membership.members().collect();
        for node in before.iter().filter(|node| !members.contains(node)) {
            self.restart(*node);
        }
        let view = self.membership.view();
        let seeds: Vec<(NodeId, u64)> = members.iter().map(|node| (*node, self.seeds[usize::from(*node)])).collect();
        let owners_before = self.routes.owners.take();
        self.routes.owners = view.map(|_| shards::owners(&seeds));
        self.routes.view = view;
        let owned = self.routes.owners.as_ref().map_or_else(ShardSet::none, |owners| ShardSet::owned(owners, self.me));
        self.keeper.view_changed(view, owned, &self.routes.shards);
        self.door.view_changed(owners_before.as_deref(), &self.routes);
        let (there, all) = self.nodes();
        tracing::info!(there, all, decides = view.is_some(), "the nodes that hear each other have changed");
        // Others wait for this node to say that it is in the same view.
        self.say(now, out);
    }

    /// What is under way to this node, or from it, is given up; all that counts is told anew.
    fn restart(&mut self, node: NodeId) {
        self.links[usize::from(node)].restart();
        self.broke(node);
    }

    fn broke(&mut self, node: NodeId) {
        self.door.broke(node);
        self.keeper.door_broke(node);
    }

    fn happened(&mut self, now: Instant, events: Vec<Event>, fx: &mut Effects) {
        for event in events {
            let mut outbox = Outbox::new();
            match event {
                Event::Restarted(node) => {
                    self.links[usize::from(node)].forget_peer();
                    self.door.broke(node);
                    self.keeper.door_lost(now, node, &mut outbox);
                    self.keeper.door_found(node);
                }
                Event::Lost(node) => self.keeper.door_lost(now, node, &mut outbox),
            }
            fx.messages.append(&mut outbox);
        }
    }

    /// Tells all others that this node lives.
    fn say(&mut self, now: Instant, out: &mut Vec<ClusterOutput>) {
        self.next_beat = now + self.beat;
        let (incarnation, beat) = (self.membership.incarnation_of(self.me), self.membership.beat(now));
        let sealed = self.sealed(&Sealed::Beat { incarnation, beat });
        out.push(ClusterOutput::Packet { to: None, sealed });
    }

    fn sealed(&mut self, what: &Sealed) -> Vec<u8> {
        let mut plain = Vec::new();
        minicbor::encode(what, &mut plain).expect("writing to a Vec cannot fail");
        self.seal.seal(&plain)
    }

    fn packet(&mut self, now: Instant, sealed: &[u8], fx: &mut Effects, out: &mut Vec<ClusterOutput>) {
        let Some((from, plain)) = self.seal.open(sealed) else { return };
        if from == self.me || usize::from(from) >= self.links.len() {
            return;
        }
        match minicbor::decode::<Sealed>(&plain) {
            Ok(Sealed::Beat { incarnation, beat }) => {
                let mut events = Vec::new();
                self.membership.heard(now, from, incarnation, beat, &mut events);
                self.happened(now, events, fx);
                if !self.membership.is_lost(now, from) {
                    self.keeper.door_found(from);
                }
                self.look(now, fx, out);
            }
            Ok(Sealed::Packet { incarnation, packet }) => {
                let expected = incarnation == self.membership.incarnation_of(from)
                    && packet.to == self.membership.incarnation_of(self.me)
                    && self.membership.is_member(from);
                if expected {
                    let brought = self.links[usize::from(from)].take(now, packet);
                    if brought.anew {
                        self.broke(from);
                    }
                    for message in brought.messages {
                        if let Ok(message) = minicbor::decode(&message) {
                            self.dispatch(now, from, message, fx);
                        }
                    }
                }
            }
            Err(_) => tracing::warn!(node = from, "a packet of another version of this protocol was ignored"),
        }
    }

    fn dispatch(&mut self, now: Instant, from: NodeId, message: Message, fx: &mut Effects) {
        match message {
            Message::Have { .. }
            | Message::Reply { .. }
            | Message::Tells { .. }
            | Message::Rings { .. }
            | Message::TooMany { .. } => self.door.take(now, from, message, &self.routes, fx),
            message => self.keeper.take(now, from, message, &self.routes.shards, &mut fx.messages),
        }
    }

    /// Gives messages to the other half of this node, or to the way to another node.
    fn carry(&mut self, now: Instant, fx: &mut Effects) {
        loop {
            for (to, message) in std::mem::take(&mut fx.messages) {
                if to == self.me {
                    self.inbox.push_back(message);
                } else if self.membership.is_member(to) {
                    let message = minicbor::to_vec(&message).expect("writing to a Vec cannot fail");
                    if !self.links[usize::from(to)].push(message) {
                        tracing::warn!(node = to, "too much waits for a node; it is told everything anew");
                        self.restart(to);
                    }
                }
            }
            let Some(message) = self.inbox.pop_front() else { break };
            self.dispatch(now, self.me, message, fx);
        }
    }

    fn flush(&mut self, now: Instant, node: NodeId, out: &mut Vec<ClusterOutput>) {
        if !self.membership.is_member(node) || node == self.me {
            return;
        }
        let (mut packets, to) = (Vec::new(), self.membership.incarnation_of(node));
        self.links[usize::from(node)].flush(now, to, &mut packets);
        let incarnation = self.membership.incarnation_of(self.me);
        for packet in packets {
            let sealed = self.sealed(&Sealed::Packet { incarnation, packet });
            out.push(ClusterOutput::Packet { to: Some(node), sealed });
        }
    }
}
