//! The directory: who is there, who calls whom, and introductions.

use directory_protocol::{DirectoryEvent, Outcome, Presence, Role, Status};
use identity::Identifier;

use super::{Node, World, actions, address};
use crate::api::{CallId, Purpose};
use crate::core::{Action, Ask};
use crate::punch::ProbeKey;

pub(super) struct Ringing {
    caller: String,
    callee: String,
}

impl World {
    pub(in crate::core::tests) fn go_online(&mut self, name: &str) {
        self.node(name).online = true;
        self.core(name).directory_up();
        self.tell_presence(name, true);
        let watched: Vec<Identifier> = self.node(name).watched.clone();
        let now = self.now();
        for who in watched {
            let online = self.nodes.values().any(|node| node.person.identifier == who && node.online);
            self.core(name).directory_said(DirectoryEvent::Presence { who, presence: shown(online) }, now);
        }
        self.settle();
    }

    /// The connection to the directory breaks; peers' connections live on.
    pub(in crate::core::tests) fn lose_directory(&mut self, name: &str) {
        let now = self.now();
        self.node(name).online = false;
        self.core(name).directory_down("the directory was not heard for 30 s", now);
        self.tell_presence(name, false);
        self.settle();
    }

    pub(super) fn tell_presence(&mut self, name: &str, online: bool) {
        let who: Identifier = address(name).parse().unwrap();
        let now = self.now();
        let watches = |node: &Node| node.online && node.watched.contains(&who);
        let watching: Vec<String> =
            self.nodes.iter().filter(|(_, node)| watches(node)).map(|(watching, _)| watching.clone()).collect();
        for watching in watching {
            let presence = DirectoryEvent::Presence { who: who.clone(), presence: shown(online) };
            self.core(&watching).directory_said(presence, now);
        }
    }

    /// The directory says that somebody calls; returns what is asked of it in turn.
    pub(in crate::core::tests) fn is_called(
        &mut self,
        at: &str,
        caller: &str,
        call: CallId,
        purpose: Purpose,
    ) -> Vec<Ask> {
        self.say_incoming(at, caller, call, purpose);
        let actions = actions(&mut self.node(at).core).into_iter();
        actions.filter_map(|action| if let Action::Ask(ask) = action { Some(ask) } else { None }).collect()
    }

    /// A call rings, though it may have been unheard before.
    pub(in crate::core::tests) fn is_heard(&mut self, call: CallId, (from, to): (&str, &str), purpose: Purpose) {
        self.ringing.insert(call, Ringing { caller: from.into(), callee: to.into() });
        self.say_incoming(to, from, call, purpose);
    }

    fn say_incoming(&mut self, at: &str, caller: &str, call: CallId, purpose: Purpose) {
        let (now, caller) = (self.now(), self.person(caller));
        let (caller, caller_key) = (caller.identifier, caller.device.spki_digest());
        let incoming = DirectoryEvent::Incoming { call_id: call.0, caller, caller_key, purpose: purpose.into() };
        self.core(at).directory_said(incoming, now);
    }

    /// The directory introduces two for a call; returns what is done for it.
    pub(in crate::core::tests) fn is_introduced(
        &mut self,
        at: &str,
        peer: &str,
        call: CallId,
        role: Role,
    ) -> Vec<Action> {
        let now = self.now();
        let go = self.go(call, role, peer);
        self.core(at).directory_said(go, now);
        actions(&mut self.node(at).core)
    }

    fn go(&self, call: CallId, role: Role, peer: &str) -> DirectoryEvent {
        let peer = self.person(peer);
        DirectoryEvent::Go {
            call_id: call.0,
            role,
            peer: peer.identifier,
            peer_key: peer.device.spki_digest(),
            candidates: vec!["192.0.2.1:5000".parse().unwrap()],
            probe_key: ProbeKey([0; 32]),
            delay_ms: 0,
        }
    }

    /// The directory says what became of a call; returns what is asked of it in turn.
    pub(in crate::core::tests) fn is_told(&mut self, at: &str, call: CallId, outcome: Outcome) -> Vec<Ask> {
        let now = self.now();
        self.core(at).directory_said(DirectoryEvent::Outcome { call_id: call.0, outcome }, now);
        let mut asks = Vec::new();
        for action in actions(&mut self.node(at).core) {
            match action {
                Action::Ask(ask) => asks.push(ask),
                other => self.carry_out(at, other),
            }
        }
        self.tell();
        asks
    }

    /// The calls of somebody that are under way.
    pub(in crate::core::tests) fn calls(&self, name: &str) -> Vec<CallId> {
        self.nodes[name].core.calls.keys().copied().collect()
    }

    pub(super) fn ask(&mut self, name: &str, ask: Ask) {
        let now = self.now();
        match ask {
            Ask::Announce(announcement) => {
                let node = self.node(name);
                node.watched.clone_from(&announcement.announcement.contacts);
                node.announced = Some(*announcement);
            }
            Ask::Watch { who } => {
                let online = self.nodes.values().any(|node| node.person.identifier == who && node.online);
                self.core(name).directory_said(DirectoryEvent::Presence { who, presence: shown(online) }, now);
            }
            Ask::Unwatch { .. } => {}
            Ask::Invite { call, callee, purpose, device } => {
                let device = device.filter(|_| self.tells_devices_apart);
                let is_meant = |node: &Node| {
                    let key = node.person.device.spki_digest();
                    node.person.identifier == callee && node.online && device.is_none_or(|device| device == key)
                };
                // Whoever calls herself means her other devices.
                let mut others = self.nodes.iter().filter(|(to, _)| *to != name);
                let to = others.find(|(_, node)| is_meant(node)).map(|(to, _)| to.clone());
                if let Some(to) = to.filter(|to| !self.unheard.contains(to)) {
                    self.is_heard(call, (name, &to), purpose);
                }
            }
            Ask::Accept { call } => {
                let Some(Ringing { caller, callee }) = self.ringing.remove(&call) else { return };
                for (at, other, role) in [(&callee, &caller, Role::Listener), (&caller, &callee, Role::Dialler)] {
                    // The listener expects the dialler before she hears of it.
                    for action in self.is_introduced(at, other, call, role) {
                        self.carry_out(at, action);
                    }
                }
            }
            Ask::Decline { call } => self.tell_caller(call, Outcome::Declined),
            Ask::Busy { call } => self.tell_caller(call, Outcome::Busy),
            Ask::Cancel { call } => {
                self.ringing.remove(&call);
            }
        }
    }

    fn tell_caller(&mut self, call: CallId, outcome: Outcome) {
        let now = self.now();
        if let Some(ringing) = self.ringing.remove(&call) {
            self.core(&ringing.caller).directory_said(DirectoryEvent::Outcome { call_id: call.0, outcome }, now);
        }
    }
}

/// What the directory says of somebody who is there, or not, and shows no more.
pub(in crate::core::tests) fn shown(online: bool) -> Presence {
    if online { Presence::plain(Status::Available) } else { Presence::Offline }
}
