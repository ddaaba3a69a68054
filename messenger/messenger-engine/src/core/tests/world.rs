//! A small world: cores, a directory that introduces them, and wires that can be cut or stalled.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use directory_protocol::{Announcement, DirectoryEvent, Outcome, Presence, Role, Status};
use ed25519_dalek::SigningKey;
use identity::trust::Fingerprint;
use identity::{Identifier, UnixTime};

use crate::api::{CallId, Command, Event, PresenceSettings, Purpose, RoomId};
use crate::core::{Action, Ask, ConnectionId, Core, Loss, Me, Meeting, NotReached, Presenting};
use crate::punch::{Obstacle, ProbeKey};
use crate::room::{AnotherAuthority, Authority, Credentials, DeviceKey, MyLeaf, Person};
use crate::session::Exported;
use crate::time::Now;
use crate::wire::{Channel, Close, RoomFrame, TalkFrame, decode};

/// A certificate of this world: key, end, identifier. Whoever is on the blacklist is refused.
#[derive(Default)]
pub(super) struct Table {
    pub(super) refused: Mutex<Vec<String>>,
    pub(super) known: Mutex<BTreeMap<Identifier, Fingerprint>>,
}

pub(super) fn certificate(who: &str, key: &DeviceKey) -> Vec<u8> {
    [&key.0[..], who.as_bytes()].concat()
}

impl Credentials for Table {
    fn verify(&self, leaf: &[u8], now: Now) -> Result<Person, String> {
        let (key, who) = leaf.split_at_checked(32).ok_or("expected a key")?;
        let who = std::str::from_utf8(who).map_err(|e| e.to_string())?;
        if self.refused.lock().unwrap().iter().any(|refused| refused == who) {
            return Err("CHAIN-01: expected an issuer of the trust policy, found none".into());
        }
        let identifier = Identifier::from_canonical(who).map_err(|e| e.to_string())?;
        Ok(Person {
            identifier,
            device: DeviceKey(key.try_into().unwrap()),
            not_after: now.unix.as_secs() + 1_000_000,
            authority: Authority { name: "town".into(), root: Fingerprint([7; 32]) },
        })
    }

    fn meet(&self, person: &Person, _: Now) -> Result<bool, AnotherAuthority> {
        let who = person.identifier.clone();
        let mut known = self.known.lock().unwrap();
        match known.get(&who) {
            None => {
                known.insert(who, person.authority.root);
                return Ok(true);
            }
            Some(root) if *root != person.authority.root => {
                return Err(AnotherAuthority { who, refusal: "TRUST-06: expected town, found another".into() });
            }
            Some(_) => {}
        }
        Ok(false)
    }
}

struct Node {
    core: Core,
    person: Person,
    events: Vec<Event>,
    online: bool,
    /// The calls for which somebody is let in.
    expected: BTreeSet<CallId>,
    watched: Vec<Identifier>,
    announced: Option<Presenting>,
}

/// Changes a Hello on its way.
pub(super) type Meddle = Box<dyn FnMut(&mut TalkFrame)>;

struct Wire {
    ends: [(String, ConnectionId); 2],
    /// Frames from either end are lost while set.
    stalled: bool,
    /// Packets come all the same.
    alive: bool,
}

struct Ringing {
    caller: String,
    callee: String,
}

pub(super) struct World {
    nodes: BTreeMap<String, Node>,
    wires: Vec<Wire>,
    ringing: BTreeMap<CallId, Ringing>,
    next_connection: ConnectionId,
    pub(super) tables: BTreeMap<String, Arc<Table>>,
    pub(super) time: Duration,
    started: Instant,
    /// Whether dialling works.
    pub(super) network: bool,
    /// Every frame that went over a wire: sender, bytes.
    pub(super) tapped: Vec<(String, Channel, Vec<u8>)>,
    /// Every connection that was closed: by whom, and why.
    pub(super) closed: Vec<(String, Close)>,
    /// Whose Hellos are changed, and how.
    pub(super) meddling: BTreeMap<String, Meddle>,
    /// Whose Hellos do not arrive.
    pub(super) hellos_lost: BTreeSet<String>,
    /// How far the clock on the wall was set forward, or back, in seconds.
    pub(super) clock_set_s: i64,
    /// Whether the directory knows of calls for one device.
    pub(super) tells_devices_apart: bool,
    /// Dials under way, if they take their time: the call, who dials, and whom.
    dials: Option<Vec<(CallId, String, String)>>,
}

/// What both ends of a connection export.
pub(super) fn exported(dialler: ConnectionId) -> Exported {
    let fresh = |of: u8| {
        let mut secret = [of; 32];
        secret[..8].copy_from_slice(&dialler.to_be_bytes());
        secret
    };
    Exported { session: fresh(1), resumption: fresh(2) }
}

/// Whose device this is: what follows a slash in its name tells her devices apart.
pub(super) fn address(name: &str) -> String {
    format!("{}@example.org", name.split('/').next().unwrap())
}

impl World {
    /// People who have each other as contacts, all online.
    pub(super) fn of(names: &[&str]) -> Self {
        let mut world = Self {
            nodes: BTreeMap::new(),
            wires: Vec::new(),
            ringing: BTreeMap::new(),
            next_connection: 1,
            tables: BTreeMap::new(),
            time: Duration::ZERO,
            started: Instant::now(),
            network: true,
            tapped: Vec::new(),
            closed: Vec::new(),
            meddling: BTreeMap::new(),
            hellos_lost: BTreeSet::new(),
            clock_set_s: 0,
            tells_devices_apart: true,
            dials: None,
        };
        for name in names {
            let contacts =
                names.iter().filter(|other| other != &name).map(|other| address(other).parse().unwrap()).collect();
            world.add(name, contacts);
        }
        for name in names {
            world.go_online(name);
        }
        world.settle();
        world
    }

    pub(super) fn add(&mut self, name: &str, contacts: Vec<Identifier>) {
        self.add_again(name, contacts, 1);
    }

    /// The same device, whose program draws other randomness in each of its runs.
    fn add_again(&mut self, name: &str, contacts: Vec<Identifier>, run: u64) {
        let seed: Vec<u8> = name.bytes().cycle().take(32).collect();
        let key = SigningKey::from_bytes(&seed.try_into().unwrap());
        let device = DeviceKey(key.verifying_key().to_bytes());
        let leaf = certificate(&address(name), &device);
        let table = Arc::new(Table::default());
        self.tables.insert(name.into(), table.clone());
        let person = table.verify(&leaf, self.now()).unwrap();
        let mut state = u64::from_be_bytes(device.0[..8].try_into().unwrap()).wrapping_mul(run) | 1;
        let draw = Box::new(move |bytes: &mut [u8]| {
            for byte in bytes {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state as u8;
            }
        });
        let me = Me { person: person.clone(), leaf: MyLeaf::new(leaf, key), directory: "localhost".into(), bot: false };
        let core = Core::new(me, contacts, PresenceSettings::default(), table, draw);
        self.nodes.insert(
            name.into(),
            Node {
                core,
                person,
                events: Vec::new(),
                online: false,
                expected: BTreeSet::new(),
                watched: Vec::new(),
                announced: None,
            },
        );
    }

    pub(super) fn now(&self) -> Now {
        let wall = Duration::from_secs(1_800_000_000_u64.saturating_add_signed(self.clock_set_s)) + self.time;
        Now { instant: self.started + self.time, unix: UnixTime::since_unix_epoch(wall) }
    }

    pub(super) fn go_online(&mut self, name: &str) {
        self.node(name).online = true;
        self.node(name).core.directory_up();
        self.tell_presence(name, true);
        let watched: Vec<Identifier> = self.node(name).watched.clone();
        let now = self.now();
        for who in watched {
            let online = self.nodes.values().any(|node| node.person.identifier == who && node.online);
            self.node(name).core.directory_said(DirectoryEvent::Presence { who, presence: shown(online) }, now);
        }
        self.settle();
    }

    /// The connection to the directory breaks; peers' connections live on.
    pub(super) fn lose_directory(&mut self, name: &str) {
        let now = self.now();
        self.node(name).online = false;
        self.node(name).core.directory_down("the directory was not heard for 45 s", now);
        self.tell_presence(name, false);
        self.settle();
    }

    fn tell_presence(&mut self, name: &str, online: bool) {
        let who: Identifier = address(name).parse().unwrap();
        let now = self.now();
        for node in self.nodes.values_mut().filter(|node| node.online && node.watched.contains(&who)) {
            node.core.directory_said(DirectoryEvent::Presence { who: who.clone(), presence: shown(online) }, now);
        }
    }

    /// Dials take their time from now on.
    pub(super) fn hold_dials(&mut self) {
        self.dials = Some(Vec::new());
    }

    /// Those under way reach whom they dialled; returns how many there were.
    pub(super) fn release_dials(&mut self) -> usize {
        let dials = self.dials.take().unwrap();
        for (call, from, to) in &dials {
            self.connect(*call, from, to);
        }
        self.settle();
        dials.len()
    }

    fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.get_mut(name).unwrap()
    }

    pub(super) fn command(&mut self, name: &str, command: Command) {
        let now = self.now();
        self.node(name).core.command(command, now);
        self.settle();
    }

    pub(super) fn send(&mut self, from: &str, to: &str, text: &str, id: u64) {
        self.command(from, Command::Send { to: address(to), text: text.into(), id: Some(id) });
    }

    /// Somebody takes part in gossip from now on.
    pub(super) fn gossip(&mut self, name: &str, gossip: Arc<dyn crate::gossip::Gossip>) {
        self.node(name).core.gossip_through(gossip);
    }

    /// Both send before either hears of the other.
    pub(super) fn both_send(&mut self, a: &str, b: &str) {
        let now = self.now();
        for (from, to) in [(a, b), (b, a)] {
            let command = Command::Send { to: address(to), text: format!("from {from}"), id: Some(1) };
            self.node(from).core.command(command, now);
        }
        self.settle();
    }

    /// Both do it before either hears of the other.
    pub(super) fn both(&mut self, command: &Command, names: [&str; 2]) {
        let now = self.now();
        names.iter().for_each(|name| self.node(name).core.command(command.clone(), now));
        self.settle();
    }

    /// The names of somebody's sessions, the oldest first.
    pub(super) fn session_names(&self, name: &str) -> Vec<[u8; 16]> {
        self.nodes[name].core.session_names()
    }

    /// What the directory was told last of how to be present, as it would be told now.
    pub(super) fn announced(&mut self, name: &str) -> Announcement {
        let now = self.now().instant;
        self.node(name).announced.as_ref().unwrap().at(now)
    }

    /// Events since the last call.
    pub(super) fn events(&mut self, name: &str) -> Vec<Event> {
        std::mem::take(&mut self.node(name).events)
    }

    pub(super) fn forget_events(&mut self) {
        self.nodes.values_mut().for_each(|node| node.events.clear());
    }

    /// Lets time pass in steps of 200 ms.
    pub(super) fn pass(&mut self, duration: Duration) {
        let end = self.time + duration;
        while self.time < end {
            self.time += Duration::from_millis(200);
            let now = self.now();
            let before = now.instant.checked_sub(Duration::from_millis(200)).unwrap();
            for (name, connection) in
                self.wires.iter().filter(|wire| !wire.stalled || wire.alive).flat_map(|wire| &wire.ends)
            {
                self.nodes.get_mut(name).unwrap().core.came(*connection, before);
            }
            self.nodes.values_mut().for_each(|node| node.core.tick(now));
            self.settle();
        }
    }

    /// Frames between the two are lost until the wire is cut.
    pub(super) fn stall(&mut self, a: &str, b: &str) {
        self.wires.iter_mut().filter(|wire| joins(wire, a, b)).for_each(|wire| wire.stalled = true);
    }

    /// Their devices stay connected, and their programs take nothing more.
    pub(super) fn be_deaf(&mut self, a: &str, b: &str) {
        self.stall(a, b);
        self.wires.iter_mut().filter(|wire| joins(wire, a, b)).for_each(|wire| wire.alive = true);
    }

    /// Nothing has come on the connections between the two for 15 s.
    pub(super) fn fall_silent(&mut self, a: &str, b: &str) {
        self.stall(a, b);
        self.each_end(a, b, |core, connection, now| core.silent(connection, now));
    }

    /// Something comes again.
    pub(super) fn be_heard(&mut self, a: &str, b: &str) {
        self.wires.iter_mut().filter(|wire| joins(wire, a, b)).for_each(|wire| wire.stalled = false);
        self.each_end(a, b, |core, connection, now| core.heard(connection, now));
    }

    fn each_end(&mut self, a: &str, b: &str, act: impl Fn(&mut Core, ConnectionId, Now)) {
        let now = self.now();
        let ends: Vec<(String, ConnectionId)> =
            self.wires.iter().filter(|wire| joins(wire, a, b)).flat_map(|wire| wire.ends.clone()).collect();
        for (name, connection) in ends {
            act(&mut self.node(&name).core, connection, now);
        }
        self.settle();
    }

    /// The program ends without a word, and starts again.
    pub(super) fn restart(&mut self, name: &str) {
        let others: Vec<String> = self.nodes.keys().filter(|other| *other != name).cloned().collect();
        let contacts = others.iter().map(|other| address(other).parse().unwrap()).collect();
        self.wires.retain(|wire| wire.ends.iter().all(|(end, _)| end != name));
        self.nodes.remove(name);
        self.tell_presence(name, false);
        self.add_again(name, contacts, 7);
        self.go_online(name);
    }

    /// The connections between the two break.
    pub(super) fn cut(&mut self, a: &str, b: &str) {
        self.lose(a, b, Loss::Broken);
    }

    /// The connections between the two end, and with them what they carry.
    pub(super) fn end(&mut self, a: &str, b: &str) {
        self.lose(a, b, Loss::Ended);
    }

    fn lose(&mut self, a: &str, b: &str, loss: Loss) {
        let now = self.now();
        let (cut, kept): (Vec<Wire>, Vec<Wire>) =
            std::mem::take(&mut self.wires).into_iter().partition(|wire| joins(wire, a, b));
        self.wires = kept;
        for (name, connection) in cut.into_iter().flat_map(|wire| wire.ends) {
            self.node(&name).core.disconnected(connection, loss, "timed out", now);
        }
        self.settle();
    }

    pub(super) fn wires(&self, a: &str, b: &str) -> usize {
        self.wires.iter().filter(|wire| joins(wire, a, b)).count()
    }

    /// A certificate was refused somewhere, because of another authority.
    pub(super) fn refuse(&mut self, at: &str, conflict: AnotherAuthority) {
        let now = self.now();
        self.node(at).core.another_authority(conflict, now);
        self.settle();
    }

    /// Somebody puts a frame on the wire by hand.
    pub(super) fn inject(&mut self, from: &str, to: &str, frame: RoomFrame) {
        let now = self.now();
        let wire = self.wires.iter().find(|wire| joins(wire, from, to)).unwrap();
        let sender = wire.ends.iter().find(|end| end.0 == from).unwrap().1;
        let session = wire.ends.iter().find(|end| end.0 == to).unwrap().1;
        self.node(from).core.count_room_frame(sender);
        self.node(to).core.room_frame(session, frame, now);
        self.settle();
    }

    pub(super) fn inject_talk(&mut self, from: &str, to: &str, frame: TalkFrame) {
        let now = self.now();
        let wire = self.wires.iter().find(|wire| joins(wire, from, to)).unwrap();
        let session = wire.ends.iter().find(|end| end.0 == to).unwrap().1;
        self.node(to).core.talk_frame(session, frame, now);
        self.settle();
    }

    /// The directory says that somebody calls; returns what is asked of it in turn.
    pub(super) fn is_called(&mut self, at: &str, caller: &str, call: CallId, purpose: Purpose) -> Vec<Ask> {
        let (now, caller) = (self.now(), self.person(caller));
        let (caller, caller_key) = (caller.identifier, caller.device.spki_digest());
        let incoming = DirectoryEvent::Incoming { call_id: call.0, caller, caller_key, purpose: purpose.into() };
        self.node(at).core.directory_said(incoming, now);
        let actions = actions(&mut self.node(at).core).into_iter();
        actions.filter_map(|action| if let Action::Ask(ask) = action { Some(ask) } else { None }).collect()
    }

    /// A connection from a verified person whom nobody introduced.
    pub(super) fn intrude(&mut self, at: &str, person: Person) -> Vec<Close> {
        let now = self.now();
        let exported = Exported { session: [9; 32], resumption: [9; 32] };
        self.node(at).core.connected(9999, person, exported, None, now);
        let actions = actions(&mut self.node(at).core);
        actions
            .into_iter()
            .filter_map(|action| if let Action::Close { code, .. } = action { Some(code) } else { None })
            .collect()
    }

    pub(super) fn person(&self, name: &str) -> Person {
        self.nodes[name].person.clone()
    }

    /// Carries out actions until nothing is left to do.
    pub(super) fn settle(&mut self) {
        loop {
            let mut todo: VecDeque<(String, Action)> = VecDeque::new();
            for (name, node) in &mut self.nodes {
                todo.extend(actions(&mut node.core).into_iter().map(|action| (name.clone(), action)));
            }
            if todo.is_empty() {
                return;
            }
            for (name, action) in todo {
                self.carry_out(&name, action);
            }
        }
    }

    fn carry_out(&mut self, name: &str, action: Action) {
        let now = self.now();
        match action {
            Action::Emit(event) => self.node(name).events.push(event),
            Action::GoOnline | Action::FollowNetwork | Action::End => {}
            Action::GoOffline => {
                self.node(name).online = false;
                self.tell_presence(name, false);
            }
            Action::Ask(ask) => self.ask(name, ask),
            Action::Settled { call } => {
                self.node(name).expected.remove(&call);
            }
            Action::Connect { call, meeting: Meeting { role: Role::Listener, .. }, .. } => {
                self.node(name).expected.insert(call);
            }
            Action::Connect { call, expected, .. } => {
                let to = self
                    .nodes
                    .iter()
                    .find(|(_, node)| node.person.identifier == expected.who && node.expected.contains(&call))
                    .map(|(to, _)| to.clone());
                match to.filter(|_| self.network) {
                    Some(to) => match &mut self.dials {
                        Some(dials) => dials.push((call, name.into(), to)),
                        None => self.connect(call, name, &to),
                    },
                    None => self.node(name).core.not_reached(call, &NotReached::Obstacle(Obstacle::Firewall), now),
                }
            }
            Action::Send { connection, channel, bytes } => self.transmit(name, connection, channel, &bytes),
            Action::Close { connection, code } => {
                self.closed.push((name.to_owned(), code));
                let end = (name.to_owned(), connection);
                let Some(position) = self.wires.iter().position(|wire| wire.ends.contains(&end)) else { return };
                let wire = self.wires.remove(position);
                let (other, connection) = wire.ends.into_iter().find(|e| *e != end).unwrap();
                let loss = match code {
                    Close::MOVED => Loss::Broken,
                    Close::NOT_INTRODUCED => Loss::Unread,
                    _ => Loss::Ended,
                };
                if !wire.stalled {
                    self.node(&other).core.disconnected(connection, loss, "closed by the other side", now);
                }
            }
        }
    }

    fn connect(&mut self, call: CallId, from: &str, to: &str) {
        let now = self.now();
        let (dialler, listener) = (self.next_connection, self.next_connection + 1);
        self.next_connection += 2;
        self.wires.push(Wire { ends: [(from.into(), dialler), (to.into(), listener)], stalled: false, alive: false });
        let (caller, callee) = (self.person(from), self.person(to));
        let exported = exported(dialler);
        self.node(to).core.connected(listener, caller, exported.clone(), None, now);
        self.node(from).core.connected(dialler, callee, exported, Some(call), now);
    }

    fn transmit(&mut self, name: &str, connection: ConnectionId, channel: Channel, bytes: &[u8]) {
        let now = self.now();
        self.tapped.push((name.to_owned(), channel, bytes.to_vec()));
        let end = (name.to_owned(), connection);
        let Some(wire) = self.wires.iter().find(|wire| wire.ends.contains(&end)) else { return };
        if wire.stalled {
            return;
        }
        let (other, session) = wire.ends.iter().find(|e| **e != end).unwrap().clone();
        let core = &mut self.nodes.get_mut(&other).unwrap().core;
        match channel {
            Channel::Talk => {
                let mut frame = decode::<TalkFrame>(&bytes[4..]).unwrap().unwrap();
                if matches!(frame, TalkFrame::Hello { .. }) && self.hellos_lost.contains(name) {
                    return;
                }
                if let (TalkFrame::Hello { .. }, Some(meddle)) = (&frame, self.meddling.get_mut(name)) {
                    meddle(&mut frame);
                }
                core.talk_frame(session, frame, now);
            }
            Channel::Rooms => core.room_frame(session, decode::<RoomFrame>(&bytes[4..]).unwrap().unwrap(), now),
        }
    }

    fn ask(&mut self, name: &str, ask: Ask) {
        let now = self.now();
        match ask {
            Ask::Announce(announcement) => {
                let node = self.node(name);
                node.watched.clone_from(&announcement.announcement.contacts);
                node.announced = Some(*announcement);
            }
            Ask::Watch { who } => {
                let online = self.nodes.values().any(|node| node.person.identifier == who && node.online);
                self.node(name).core.directory_said(DirectoryEvent::Presence { who, presence: shown(online) }, now);
            }
            Ask::Unwatch { .. } => {}
            Ask::Invite { call, callee, purpose, device } => {
                let device = device.filter(|_| self.tells_devices_apart);
                let is_meant = |node: &Node| {
                    let key = node.person.device.spki_digest();
                    node.person.identifier == callee && node.online && device.is_none_or(|device| device == key)
                };
                let to = self.nodes.iter().find(|(_, node)| is_meant(node)).map(|(to, _)| to.clone());
                if let Some(to) = to {
                    let caller = self.person(name);
                    self.ringing.insert(call, Ringing { caller: name.into(), callee: to.clone() });
                    self.node(&to).core.directory_said(
                        DirectoryEvent::Incoming {
                            call_id: call.0,
                            caller: caller.identifier,
                            caller_key: caller.device.spki_digest(),
                            purpose: purpose.into(),
                        },
                        now,
                    );
                }
            }
            Ask::Accept { call } => {
                let Some(Ringing { caller, callee }) = self.ringing.remove(&call) else { return };
                for (at, other, role) in [(&callee, &caller, Role::Listener), (&caller, &callee, Role::Dialler)] {
                    let peer = self.person(other);
                    self.node(at).core.directory_said(
                        DirectoryEvent::Go {
                            call_id: call.0,
                            role,
                            peer: peer.identifier,
                            peer_key: peer.device.spki_digest(),
                            candidates: vec!["192.0.2.1:5000".parse().unwrap()],
                            probe_key: ProbeKey([0; 32]),
                            delay_ms: 0,
                        },
                        now,
                    );
                    // The listener expects the dialler before she hears of it.
                    for action in actions(&mut self.node(at).core) {
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
            self.node(&ringing.caller).core.directory_said(DirectoryEvent::Outcome { call_id: call.0, outcome }, now);
        }
    }

    /// Opens a room with the first as host and everybody in it.
    pub(super) fn room(&mut self, names: &[&str]) -> RoomId {
        let (host, guests) = names.split_first().unwrap();
        self.command(host, Command::RoomCreate { name: "tea".into() });
        let room = self
            .events(host)
            .iter()
            .find_map(|event| if let Event::Room { room, .. } = event { Some(*room) } else { None })
            .unwrap();
        for guest in guests {
            self.command(host, Command::RoomInvite { room, who: address(guest) });
            self.command(guest, Command::RoomAccept { room });
        }
        room
    }
}

fn joins(wire: &Wire, a: &str, b: &str) -> bool {
    wire.ends.iter().all(|(name, _)| name == a || name == b)
}

/// The last state told of a text.
pub(super) fn last_state(events: &[Event]) -> Option<(crate::api::DeliveryState, Option<String>)> {
    events.iter().rev().find_map(|event| match event {
        Event::MessageState { state, reason, .. } => Some((*state, reason.clone())),
        _ => None,
    })
}

/// All one-to-one texts among events.
pub(super) fn texts(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| if let Event::Message { text, .. } = event { Some(text.clone()) } else { None })
        .collect()
}

/// All room texts among events.
pub(super) fn room_texts(events: &[Event]) -> Vec<String> {
    events
        .iter()
        .filter_map(|event| if let Event::RoomMessage { text, .. } = event { Some(text.clone()) } else { None })
        .collect()
}

fn actions(core: &mut Core) -> Vec<Action> {
    std::iter::from_fn(|| core.next_action()).collect()
}

/// What the directory says of somebody who is there, or not, and shows no more.
pub(super) fn shown(online: bool) -> Presence {
    if online { Presence::plain(Status::Available) } else { Presence::Offline }
}
