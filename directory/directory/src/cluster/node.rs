//! One node: what comes from its people and from other nodes goes to its two halves, and what they want said leaves.

use super::door::{Door, DoorConfig, Effects, Routes};
use super::keeper::Keeper;
use super::link::Link;
use super::membership::{Event, Membership};
use super::message::{Message, Sealed};
use super::seal::Seal;
use super::shards::{self, NodeId, ShardKey, ShardSet};
use super::{ClusterConfig, ClusterError, ClusterInput, ClusterOutput};
use crate::config::{Limits, Timing};
use crate::state::{Counts, Entropy, Input, Output, State};
use directory_protocol::CloseCode;
use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

/// By how much sooner than its door a keeper ends a call that nobody takes: the way of an acceptance that comes at the last
/// moment.
const SOONER: Duration = Duration::from_millis(500);

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
    pub(super) seal: Seal,
    links: Vec<Link>,
    pub(super) routes: Routes,
    door: Door,
    keeper: Keeper,
    beat: Duration,
    next_beat: Instant,
    /// After what time without an acknowledgement messages do not get through to a node.
    stuck: Duration,
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
            stuck: times.silent * 2,
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
    pub fn counts(&self) -> Counts {
        self.door.counts()
    }

    /// When the next [`Input::Tick`] is due.
    pub fn next_deadline(&self) -> Option<Instant> {
        [Some(self.next_beat), self.door.next_deadline(), self.keeper.next_deadline()].into_iter().flatten().min()
    }

    /// Takes one input at time `now`, which never goes backwards, and appends what is to be done, in order.
    pub fn handle(&mut self, now: Instant, input: ClusterInput, out: &mut Vec<ClusterOutput>) {
        let mut fx = Effects::new(self.room());
        match input {
            ClusterInput::Here(input) => self.here(now, input, &mut fx),
            ClusterInput::Packet(sealed) => self.packet(now, &sealed, &mut fx, out),
            ClusterInput::Leave => {
                self.membership.leave();
                self.next_beat = now;
            }
        }
        self.door.tick(now, &self.routes, &mut fx);
        self.keeper.tick(now, &self.routes.shards, &mut fx.messages);
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

    /// How much may be told at once to each node, of what can wait.
    fn room(&self) -> Vec<usize> {
        let mut room: Vec<usize> = self.links.iter().map(Link::room).collect();
        room[usize::from(self.me)] = usize::MAX;
        room
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
        for node in before.iter().filter(|node| self.links[usize::from(**node)].is_stuck(now, self.stuck)) {
            tracing::warn!(node, "messages do not get through to a node");
            self.membership.put_out(now, *node);
        }
        let mut events = Vec::new();
        if self.membership.tick(now, &mut events) {
            self.view_changed(now, &before, out);
        }
        self.happened(now, events, fx);
        for node in 0..self.links.len() as NodeId {
            self.door.keeper_is_in(node, self.membership.epoch_of(node));
            if !self.membership.is_lost(now, node) {
                self.keeper.door_found(node);
            }
        }
        self.keeper.agreed(self.membership.is_agreed(), &self.routes.shards, &mut fx.messages);
        // Nobody announces herself to keepers that no majority follows: others may say meanwhile that she is not there.
        if let Some(view) = self.routes.view.filter(|_| self.membership.is_agreed()) {
            for node in self.membership.members().filter(|node| self.membership.agrees(*node)) {
                self.door.begin(node, view, fx);
            }
        }
        if self.membership.is_fenced(now) {
            // From now on others may say that they have gone; so they must have.
            let close = |id| Output::Close { id, code: CloseCode::Stopping };
            fx.outputs.extend(self.door.connections().map(close));
            self.keeper.forget_everybody(now);
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
        self.keeper.view_changed((view, self.membership.epoch_of(self.me)), owned, &members, &self.routes.shards);
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
            let (Event::Restarted(node) | Event::Lost(node)) = event;
            if matches!(event, Event::Restarted(_)) {
                self.links[usize::from(node)].forget_peer();
                self.door.broke(node);
            }
            self.keeper.door_lost(now, node, &self.routes.shards, &mut fx.messages);
            if matches!(event, Event::Restarted(_)) {
                self.keeper.door_found(node);
            }
        }
    }

    /// Tells all others that this node lives.
    fn say(&mut self, now: Instant, out: &mut Vec<ClusterOutput>) {
        self.next_beat = now + self.beat;
        let (incarnation, beat) = (self.membership.incarnation_of(self.me), self.membership.beat(now));
        let beat = Sealed::Beat { incarnation, beat };
        let me = self.me;
        for to in (0..self.links.len() as NodeId).filter(|node| *node != me) {
            let sealed = self.sealed(to, &beat);
            out.push(ClusterOutput::Packet { to, sealed });
        }
    }

    fn sealed(&mut self, to: NodeId, what: &Sealed) -> Vec<u8> {
        let mut plain = Vec::new();
        minicbor::encode(what, &mut plain).expect("writing to a Vec cannot fail");
        self.seal.seal(to, &plain)
    }

    fn packet(&mut self, now: Instant, sealed: &[u8], fx: &mut Effects, out: &mut Vec<ClusterOutput>) {
        let Some((from, plain)) = self.seal.open(sealed) else { return };
        if from == self.me || usize::from(from) >= self.links.len() {
            return;
        }
        match minicbor::decode::<Sealed>(&plain) {
            Ok(Sealed::Beat { incarnation, beat }) => {
                let mut events = Vec::new();
                if self.membership.heard(now, from, incarnation, beat, &mut events) {
                    self.next_beat = now;
                }
                self.happened(now, events, fx);
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

    /// Takes a message as if another node had sent it.
    #[cfg(any(test, fuzzing))]
    pub(super) fn told(&mut self, now: Instant, from: NodeId, message: Message) {
        let mut fx = Effects::new(self.room());
        self.dispatch(now, from, message, &mut fx);
        self.carry(now, &mut fx);
    }

    fn dispatch(&mut self, now: Instant, from: NodeId, message: Message, fx: &mut Effects) {
        match message {
            Message::Have { .. }
            | Message::Reply { .. }
            | Message::Tells { .. }
            | Message::Rings { .. }
            | Message::TooMany { .. }
            | Message::Ends { .. }
            | Message::Speaks { .. } => self.door.take(now, from, message, &self.routes, fx),
            message => self.keeper.take(now, from, message, &self.routes.shards, &mut fx.messages),
        }
    }

    /// Gives messages to the other half of this node, or to the way to another node.
    fn carry(&mut self, now: Instant, fx: &mut Effects) {
        // What belongs to a session that was given up must not begin the next one.
        let mut given_up = HashSet::new();
        loop {
            for (to, message) in std::mem::take(&mut fx.messages) {
                if to == self.me {
                    self.inbox.push_back(message);
                } else if self.membership.is_member(to) && !given_up.contains(&to) {
                    let message = minicbor::to_vec(&message).expect("writing to a Vec cannot fail");
                    if !self.links[usize::from(to)].push(message) {
                        tracing::warn!(node = to, "too much waits for a node; it is told everything anew");
                        self.restart(to);
                        given_up.insert(to);
                    }
                }
            }
            if let Some(message) = self.inbox.pop_front() {
                self.dispatch(now, self.me, message, fx);
                continue;
            }
            self.door.go_on(now, &self.routes, fx);
            if fx.messages.is_empty() {
                break;
            }
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
            let sealed = self.sealed(node, &Sealed::Packet { incarnation, packet });
            out.push(ClusterOutput::Packet { to: node, sealed });
        }
    }
}
