//! A small world: cores, a directory that introduces them, and wires that can be cut or stalled.

mod directory;
mod files;
mod pace;
mod readings;
mod table;
mod wires;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use directory_protocol::{Announcement, Role};
use ed25519_dalek::SigningKey;
use identity::{Identifier, UnixTime};

use crate::api::{CallId, Command, Event, PresenceSettings, RoomId, RoomSuite};
use crate::core::{Action, Alarm, ConnectionId, Core, Loss, Me, Meeting, NotReached, Presenting, Receipt};
use crate::events::Told;
use crate::punch::Obstacle;
use crate::room::{AnotherAuthority, Credentials, DeviceKey, MyLeaf, Person};
use crate::session::Exported;
use crate::time::Now;
use crate::wire::{Channel, Close};

use self::directory::Ringing;
pub(super) use self::directory::shown;
use self::files::Desk;
pub(super) use self::readings::{last_state, room_texts, texts};
use self::table::Table;
pub(super) use self::table::{certificate, certificate_of};
use self::wires::Wire;
pub(super) use self::wires::{Meddle, exported};

struct Node {
    core: Core,
    person: Person,
    events: Vec<Event>,
    untaken: Vec<Receipt>,
    online: bool,
    /// The calls for which somebody is let in.
    expected: BTreeSet<CallId>,
    watched: Vec<Identifier>,
    announced: Option<Presenting>,
    /// When it looks at the clock next.
    alarm: Alarm,
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
    /// Who passes on no letter of somebody else's.
    pub(super) carries_nothing: BTreeSet<String>,
    /// Who can make no connection to whom.
    pub(super) apart: BTreeSet<[String; 2]>,
    /// Every frame that went over a wire: sender, bytes.
    pub(super) tapped: Vec<(String, Channel, Vec<u8>)>,
    /// Every connection that was closed: by whom, and why.
    pub(super) closed: Vec<(String, Close)>,
    /// Whose Hellos are changed, and how.
    pub(super) meddling: BTreeMap<String, Meddle>,
    /// Whose Hellos do not arrive.
    pub(super) hellos_lost: BTreeSet<String>,
    /// Whose clients take nothing of what they are handed out.
    pub(super) takes_nothing: BTreeSet<String>,
    /// Who has connected to the directory anew.
    pub(super) reintroduced: Vec<String>,
    /// How far the clock on the wall was set forward, or back, in seconds.
    pub(super) clock_set_s: i64,
    /// Whether the directory knows of calls for one device.
    pub(super) tells_devices_apart: bool,
    /// Whom the directory lets nobody's call reach.
    pub(super) unheard: BTreeSet<String>,
    /// Whether everybody looks at the clock all the time, due or not.
    pub(super) sleepless: bool,
    /// Their disks, and the streams between them.
    pub(super) desk: Desk,
    /// Frames of rooms under way, if they take their time: to whom, on which connection.
    pub(super) slow: Option<VecDeque<(String, ConnectionId, Vec<u8>)>>,
    /// Dials under way, if they take their time: the call, who dials, and whom.
    dials: Option<Vec<(CallId, String, String)>>,
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
            carries_nothing: BTreeSet::new(),
            apart: BTreeSet::new(),
            tapped: Vec::new(),
            closed: Vec::new(),
            meddling: BTreeMap::new(),
            hellos_lost: BTreeSet::new(),
            takes_nothing: BTreeSet::new(),
            reintroduced: Vec::new(),
            clock_set_s: 0,
            tells_devices_apart: true,
            unheard: BTreeSet::new(),
            sleepless: false,
            desk: Desk::default(),
            slow: None,
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
                untaken: Vec::new(),
                online: false,
                expected: BTreeSet::new(),
                watched: Vec::new(),
                announced: None,
                alarm: Alarm::new(self.now().instant),
            },
        );
    }

    pub(super) fn now(&self) -> Now {
        let wall = Duration::from_secs(1_800_000_000_u64.saturating_add_signed(self.clock_set_s)) + self.time;
        Now { instant: self.started + self.time, unix: UnixTime::since_unix_epoch(wall) }
    }

    fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.get_mut(name).unwrap()
    }

    pub(super) fn command(&mut self, name: &str, command: Command) {
        let now = self.now();
        self.core(name).command(command, now);
        self.settle();
    }

    /// All of it before anything of it goes out.
    pub(super) fn at_once(&mut self, name: &str, commands: Vec<Command>) {
        let now = self.now();
        for command in commands {
            self.core(name).command(command, now);
        }
        self.settle();
    }

    pub(super) fn send(&mut self, from: &str, to: &str, text: &str, id: u64) {
        self.command(from, Command::Send { to: address(to), text: text.into(), id: Some(id), reply_to: None });
    }

    /// Other devices say this of somebody's.
    pub(super) fn endorsed(&mut self, name: &str, endorsements: Vec<identity::endorsement::Endorsement>) {
        self.node(name).core.endorsed(endorsements);
    }

    /// The certificate for mail that somebody's device tells from now on: whose it is, and by which authority (the town's is 7).
    pub(super) fn mail(&mut self, name: &str, of: &str, authority: u8) {
        self.node(name).core.show_mail_certificate(vec![[&[authority][..], address(of).as_bytes()].concat()]);
        self.settle();
    }

    /// This device was certified by another authority than the town's.
    pub(super) fn certified_elsewhere(&mut self, name: &str) {
        self.node(name).core.me.person.authority.root = identity::trust::Fingerprint([9; 32]);
    }

    /// Somebody takes part in gossip from now on.
    pub(super) fn gossip(&mut self, name: &str, gossip: Arc<dyn crate::gossip::Gossip>) {
        self.node(name).core.gossip_through(gossip);
    }

    /// Both send before either hears of the other.
    pub(super) fn both_send(&mut self, a: &str, b: &str) {
        let send = |from: &str, to: &str| Command::Send {
            to: address(to),
            text: format!("from {from}"),
            id: Some(1),
            reply_to: None,
        };
        self.both_do([(a, send(a, b)), (b, send(b, a))]);
    }

    /// Both do the same before either hears of the other.
    pub(super) fn both(&mut self, command: &Command, names: [&str; 2]) {
        self.both_do(names.map(|name| (name, command.clone())));
    }

    /// Each does hers before either hears of the other.
    pub(super) fn both_do(&mut self, deeds: [(&str, Command); 2]) {
        let now = self.now();
        for (name, command) in deeds {
            self.core(name).command(command, now);
        }
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

    /// Nor is what was seen on the wires kept any longer.
    pub(super) fn forget_all(&mut self) {
        self.forget_events();
        self.tapped.clear();
        self.closed.clear();
    }

    pub(super) fn core_of(&self, name: &str) -> &Core {
        &self.nodes[name].core
    }

    /// Somebody's client takes what it was handed out.
    pub(super) fn take(&mut self, name: &str) {
        self.takes_nothing.remove(name);
        let untaken = std::mem::take(&mut self.node(name).untaken);
        self.core(name).taken(untaken);
        self.settle();
    }

    /// Who runs a program.
    pub(super) fn names(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }

    /// The program ends without a word.
    pub(super) fn leave(&mut self, name: &str) {
        self.wires.retain(|wire| wire.ends.iter().all(|(end, _)| end != name));
        self.nodes.remove(name);
        self.tell_presence(name, false);
    }

    /// The same, and it starts again.
    pub(super) fn restart(&mut self, name: &str) {
        let others: Vec<String> = self.nodes.keys().filter(|other| *other != name).cloned().collect();
        let contacts = others.iter().map(|other| address(other).parse().unwrap()).collect();
        self.leave(name);
        self.add_again(name, contacts, 7);
        self.go_online(name);
    }

    /// A certificate was refused somewhere, because of another authority.
    pub(super) fn refuse(&mut self, at: &str, conflict: AnotherAuthority) {
        let now = self.now();
        self.core(at).another_authority(conflict, now);
        self.settle();
    }

    /// A connection from a verified person whom nobody introduced.
    pub(super) fn intrude(&mut self, at: &str, person: Person) -> Vec<Close> {
        let now = self.now();
        let exported = Exported { session: [9; 32], resumption: [9; 32] };
        self.core(at).connected(9999, person, exported, None, now);
        let actions = actions(&mut self.node(at).core);
        actions
            .into_iter()
            .filter_map(|action| if let Action::Close { code, .. } = action { Some(code) } else { None })
            .collect()
    }

    /// Somebody's device has another certificate for the same person and key.
    pub(super) fn renew(&mut self, name: &str, person: Person) {
        let now = self.now();
        let node = self.node(name);
        node.person = person.clone();
        let certificate = certificate_of(&person);
        self.core(name).renewed(person, certificate, now);
        self.settle();
    }

    pub(super) fn person(&self, name: &str) -> Person {
        self.nodes[name].person.clone()
    }

    /// Carries out actions until nothing is left to do.
    pub(super) fn settle(&mut self) {
        loop {
            let mut todo: VecDeque<(String, Action)> = VecDeque::new();
            let now = self.now().instant;
            for (name, node) in &mut self.nodes {
                let actions = actions(&mut node.core);
                if !actions.is_empty() {
                    node.alarm.happened(now);
                }
                todo.extend(actions.into_iter().map(|action| (name.clone(), action)));
            }
            let told = self.tell();
            if todo.is_empty() && !told {
                return;
            }
            for (name, action) in todo {
                self.carry_out(&name, action);
            }
        }
    }

    /// Tells clients what they are to be told; returns whether there was anything.
    pub(super) fn tell(&mut self) -> bool {
        let (now, mut any) = (self.now().instant, false);
        for (name, node) in &mut self.nodes {
            let told = node.core.take_told();
            if !told.is_empty() {
                node.alarm.happened(now);
                any = true;
            }
            let takes = !self.takes_nothing.contains(name);
            for Told { event, receipt } in told {
                node.events.push(event);
                match takes {
                    true => node.core.taken(receipt),
                    false => node.untaken.extend(receipt),
                }
            }
        }
        any
    }

    fn carry_out(&mut self, name: &str, action: Action) {
        let now = self.now();
        match action {
            Action::Reintroduce => self.reintroduced.push(name.to_owned()),
            Action::GoOnline | Action::FollowNetwork | Action::End => {}
            Action::GoOffline => {
                self.node(name).online = false;
                self.tell_presence(name, false);
            }
            Action::Ask(ask) => self.ask(name, ask),
            Action::Settled { call } => {
                self.node(name).expected.remove(&call);
                let dials = self.dials.iter_mut();
                dials.for_each(|dials| dials.retain(|(dialled, from, _)| *dialled != call || from != name));
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
                match to.filter(|to| self.network && !self.are_apart(name, to)) {
                    Some(to) => match &mut self.dials {
                        Some(dials) => dials.push((call, name.into(), to)),
                        None => self.connect(call, name, &to),
                    },
                    None => self.core(name).not_reached(call, &NotReached::Obstacle(Obstacle::Firewall), now),
                }
            }
            Action::Send { connection, channel, bytes, .. } => self.transmit(name, connection, channel, &bytes),
            Action::File(task) => self.file_task(name, task),
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
                    self.core(&other).disconnected(connection, loss, "closed by the other side", now);
                }
            }
        }
    }

    /// Opens a room with the first as host and everybody in it.
    pub(super) fn room(&mut self, names: &[&str]) -> RoomId {
        self.room_of(RoomSuite::default(), names)
    }

    /// The same, made with this suite.
    pub(super) fn room_of(&mut self, suite: RoomSuite, names: &[&str]) -> RoomId {
        let (host, guests) = names.split_first().unwrap();
        self.command(host, Command::RoomCreate { name: "tea".into(), suite });
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

fn actions(core: &mut Core) -> Vec<Action> {
    std::iter::from_fn(|| core.next_action()).collect()
}
