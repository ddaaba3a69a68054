//! The engine's cores of all members in one process. What they say to each other is handed from one to the next, connections
//! come about when they ask for them, and the time that each takes is counted.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use directory_protocol::{DirectoryEvent, Role};
use identity::{UnixTime, testing::Authority, tls::PersonVerifier, trust::Trust};
use messenger_engine::core::{Action, Ask, ConnectionId, Core, Loss, Me, Told};
use messenger_engine::punch::ProbeKey;
use messenger_engine::room::{
    AnotherAuthority, Authority as CertifiedBy, Credentials, DeviceKey, MailFacts, MyLeaf, Person,
};
use messenger_engine::session::Exported;
use messenger_engine::time::Now;
use messenger_engine::wire::{Channel, MailChain, decode};
use messenger_engine::{CallId, Command, Event, PresenceSettings, RoomId, RoomSuite};
use rustls_pki_types::CertificateDer;

use super::super::message::TEXT;
use super::{Device, Spent, TEXTS};
use crate::measure::thread_cpu;

/// What precedes a frame's body.
const PREFIX: usize = 4;
/// Time passes in steps of this length.
const STEP: Duration = messenger_engine::core::SOON;

/// Somebody's end of a connection.
type End = (usize, ConnectionId);

/// A room, and everybody in it.
pub(super) struct Cores {
    trust: Arc<Trust>,
    people: Vec<Member>,
    room: RoomId,
    wires: HashMap<End, End>,
    /// Who calls whom.
    calls: HashMap<CallId, (usize, usize)>,
    /// Calls that nobody is told of for now.
    kept: Option<Vec<(usize, Ask)>>,
    todo: VecDeque<(usize, Action)>,
    last_connection: ConnectionId,
    now: Now,
}

struct Member {
    core: Core,
    verifier: Arc<Verifier>,
    device: Device,
    key: DeviceKey,
    /// CPU time since it was looked at.
    spent: Duration,
    /// How many are in the room, by her last word.
    members: usize,
    invited: bool,
    /// Texts of others that she was shown.
    texts: u32,
}

impl Cores {
    /// Everybody is in; the first has made the room.
    pub(super) fn new(authority: &Authority, devices: Vec<Device>) -> Self {
        let now = Now { instant: Instant::now(), unix: UnixTime::now() };
        let mut cores = Self {
            trust: authority.trust(),
            people: Vec::new(),
            room: RoomId([0; 16]),
            wires: HashMap::new(),
            calls: HashMap::new(),
            kept: None,
            todo: VecDeque::new(),
            last_connection: 0,
            now,
        };
        let mut devices = devices.into_iter();
        cores.come(devices.next().expect("a room has a member"));
        cores.command(0, Command::RoomCreate { name: "tea".to_owned(), suite: RoomSuite::default() });
        for device in devices {
            let guest = cores.come(device);
            cores.enter(guest);
        }
        cores
    }

    /// See [`Spent`].
    pub(super) fn round(&mut self, guest: Device) -> Spent {
        let stay = self.people.len();
        let guest = self.come(guest);
        self.enter_measured(guest);
        let (add, join) = (self.spent(0..stay), self.spent(guest..=guest));
        self.links_up();

        self.spent(0..=guest);
        for _ in 0..TEXTS {
            self.command(guest, Command::RoomSend { room: self.room, text: TEXT.to_owned(), id: None, reply_to: None });
        }
        let message = self.spent(0..=guest);
        let all_heard = self.people[..stay].iter_mut().all(|member| std::mem::take(&mut member.texts) == TEXTS);
        assert!(all_heard, "everybody was told what the guest said");

        self.command(guest, Command::RoomLeave { room: self.room });
        let remove = self.spent(0..stay);
        self.agree(0..stay, stay);
        self.go();
        let stay = stay as f64;
        Spent { add: add / stay, join, message: message / f64::from(TEXTS) / (stay + 1.0), remove: remove / stay }
    }

    /// Somebody starts her program.
    fn come(&mut self, device: Device) -> usize {
        let key = DeviceKey(device.key.verifying_key().to_bytes());
        let verifier = Arc::new(Verifier(PersonVerifier::new(self.trust.clone())));
        let person = verifier.person(&device.chain, self.now.unix).expect("the certificate is in order");
        let leaf = MyLeaf::new(device.chain[0].to_vec(), device.key.clone());
        let me = Me { person, leaf, directory: "localhost".to_owned(), bot: false };
        // Whom the host asks in knows her.
        let contacts = self.people.first().map(|host| host.device.who.clone()).into_iter().collect();
        let draw = Box::new(|bytes: &mut [u8]| rand::fill(bytes));
        let mut core = Core::new(me, contacts, PresenceSettings::default(), verifier.clone(), draw);
        core.directory_up();
        let (spent, members, invited, texts) = (Duration::ZERO, 0, false, 0);
        self.people.push(Member { core, verifier, device, key, spent, members, invited, texts });
        let number = self.people.len() - 1;
        self.act(number, |_, _| ());
        self.settle();
        number
    }

    /// The last to come is asked in, enters, and has connections to everybody.
    fn enter(&mut self, guest: usize) {
        self.enter_measured(guest);
        self.links_up();
    }

    /// What is counted is what follows her word that she enters, without the connections that she makes then.
    fn enter_measured(&mut self, guest: usize) {
        let who = self.people[guest].device.who.to_string();
        self.command(0, Command::RoomInvite { room: self.room, who });
        assert!(self.people[guest].invited, "the host knows where she is");
        self.kept = Some(Vec::new());
        self.spent(0..=guest);
        self.command(guest, Command::RoomAccept { room: self.room });
        self.agree(0..guest + 1, guest + 1);
    }

    /// Calls that were kept are told.
    fn links_up(&mut self) {
        for (caller, ask) in self.kept.take().into_iter().flatten() {
            self.ask(caller, ask);
        }
        self.settle();
        self.pass();
    }

    /// The last to come ends her program.
    fn go(&mut self) {
        self.command(self.people.len() - 1, Command::Quit);
        let gone = self.people.len() - 1;
        self.people.pop();
        self.wires.retain(|end, other| end.0 != gone && other.0 != gone);
        self.calls.retain(|_, (caller, callee)| *caller != gone && *callee != gone);
        self.pass();
    }

    fn agree(&self, who: std::ops::Range<usize>, members: usize) {
        let agreed = self.people[who].iter().all(|member| member.members == members);
        assert!(agreed, "everybody is in a room of {members}, without waiting for anything");
    }

    /// CPU time of some of them since it was looked at, in microseconds.
    fn spent(&mut self, who: impl std::slice::SliceIndex<[Member], Output = [Member]>) -> f64 {
        let spent = self.people[who].iter_mut().map(|member| std::mem::take(&mut member.spent));
        spent.sum::<Duration>().as_secs_f64() * 1e6
    }

    fn command(&mut self, who: usize, command: Command) {
        self.act(who, |core, now| core.command(command, now));
        self.settle();
    }

    /// A little time passes for everybody.
    fn pass(&mut self) {
        let before = self.now.instant;
        self.now = Now { instant: before + STEP, unix: self.now.unix };
        let ends: Vec<End> = self.wires.keys().copied().collect();
        for (who, connection) in ends {
            self.people[who].core.came(connection, before);
        }
        for who in 0..self.people.len() {
            self.act(who, Core::tick);
        }
        self.settle();
    }

    /// Something happens to somebody's core.
    fn act(&mut self, who: usize, happens: impl FnOnce(&mut Core, Now)) {
        let Some(member) = self.people.get_mut(who) else { return };
        let (start, mut events) = (thread_cpu(), Vec::new());
        happens(&mut member.core, self.now);
        loop {
            while let Some(action) = member.core.next_action() {
                self.todo.push_back((who, action));
            }
            let told = member.core.take_told();
            if told.is_empty() {
                break;
            }
            let (more, receipts): (Vec<_>, Vec<_>) =
                told.into_iter().map(|Told { event, receipt }| (event, receipt)).unzip();
            events.extend(more);
            // Her client takes everything at once.
            member.core.taken(receipts.into_iter().flatten());
        }
        member.spent += thread_cpu() - start;
        for event in &events {
            self.told(who, event);
        }
    }

    fn settle(&mut self) {
        while let Some((who, action)) = self.todo.pop_front() {
            self.carry_out(who, action);
        }
    }

    fn carry_out(&mut self, who: usize, action: Action) {
        match action {
            Action::Ask(ask) => match &mut self.kept {
                Some(kept) => kept.push((who, ask)),
                None => self.ask(who, ask),
            },
            Action::Connect { call, meeting, .. } if meeting.role == Role::Dialler => self.connect(call),
            Action::Send { connection, channel, bytes, .. } => self.send((who, connection), channel, &bytes),
            Action::Close { connection, .. } => {
                let Some((other, connection)) = self.wires.remove(&(who, connection)) else { return };
                self.wires.remove(&(other, connection));
                self.act(other, |core, now| core.disconnected(connection, Loss::Ended, "closed", now));
            }
            // A listener is found by its call, and there is no network to follow.
            _ => {}
        }
    }

    fn told(&mut self, who: usize, event: &Event) {
        let Some(member) = self.people.get_mut(who) else { return };
        match event {
            Event::Room { room, members, .. } => {
                member.members = members.len();
                self.room = *room;
            }
            Event::RoomInvitation { .. } => member.invited = true,
            Event::RoomMessage { .. } => member.texts += 1,
            Event::Error { message, .. } => panic!("{}: {message}", member.device.who),
            _ => {}
        }
    }

    /// The directory is asked; whoever is called takes the call.
    fn ask(&mut self, who: usize, ask: Ask) {
        match ask {
            Ask::Invite { call, callee, purpose, .. } => {
                let Some(to) = self.people.iter().position(|member| member.device.who == callee) else { return };
                self.calls.insert(call, (who, to));
                let (caller, caller_key) = (self.people[who].device.who.clone(), self.people[who].key.spki_digest());
                let purpose = purpose.into();
                let incoming = DirectoryEvent::Incoming { call_id: call.0, caller, caller_key, purpose };
                self.act(to, |core, now| core.directory_said(incoming, now));
            }
            Ask::Accept { call } => {
                let Some((caller, callee)) = self.calls.get(&call).copied() else { return };
                // The listener expects the dialler before she hears of it.
                for (at, other, role) in [(callee, caller, Role::Listener), (caller, callee, Role::Dialler)] {
                    let peer = &self.people[other];
                    let go = DirectoryEvent::Go {
                        call_id: call.0,
                        role,
                        peer: peer.device.who.clone(),
                        peer_key: peer.key.spki_digest(),
                        candidates: vec!["192.0.2.1:5000".parse().expect("an address")],
                        probe_key: ProbeKey([0; 32]),
                        delay_ms: 0,
                    };
                    self.act(at, |core, now| core.directory_said(go, now));
                }
            }
            _ => {}
        }
    }

    /// A connection comes about, on which both have verified each other.
    fn connect(&mut self, call: CallId) {
        let Some((caller, callee)) = self.calls.remove(&call) else { return };
        let (dialler, listener) = (self.last_connection + 1, self.last_connection + 2);
        self.last_connection = listener;
        self.wires.insert((caller, dialler), (callee, listener));
        self.wires.insert((callee, listener), (caller, dialler));
        let mut session = [0; 32];
        rand::fill(&mut session);
        let exported = Exported { session, resumption: session };
        for (at, other, connection, dialled) in
            [(callee, caller, listener, None), (caller, callee, dialler, Some(call))]
        {
            let (chain, now) = (self.people[other].device.chain.clone(), self.now);
            let person = self.people[at].verifier.person(&chain, now.unix).expect("the certificate is in order");
            let exported = exported.clone();
            self.act(at, |core, now| core.connected(connection, person, exported, dialled, now));
        }
    }

    fn send(&mut self, from: End, channel: Channel, bytes: &[u8]) {
        let Some((to, connection)) = self.wires.get(&from).copied() else { return };
        let mut rest = bytes;
        while let Some((length, after)) = rest.split_first_chunk::<PREFIX>() {
            let (body, next) = after.split_at(u32::from_be_bytes(*length) as usize);
            self.act(to, |core, now| match channel {
                Channel::Talk => core.talk_frame(connection, decode(body).expect("a frame").expect("a known one"), now),
                Channel::Rooms => {
                    core.room_frame(connection, decode(body).expect("a frame").expect("a known one"), now);
                }
                Channel::Files => {}
            });
            rest = next;
        }
    }
}

/// Verifies as the engine's driver does: what was verified once is kept.
struct Verifier(PersonVerifier);

impl Verifier {
    fn person(&self, chain: &[CertificateDer<'static>], now: UnixTime) -> Result<Person, String> {
        self.0.person(chain, now).map(|verified| Person::from(&verified)).map_err(|error| error.to_string())
    }
}

impl Credentials for Verifier {
    fn verify(&self, leaf: &[u8], now: Now) -> Result<Person, String> {
        self.person(&[CertificateDer::from(leaf.to_vec())], now.unix)
    }

    fn key(&self, _: &[u8]) -> Option<[u8; 32]> {
        None
    }

    fn mail(&self, _: &MailChain, _: &Person, _: Now) -> Result<MailFacts, String> {
        Err("nobody tells one here".to_owned())
    }

    fn meet(&self, person: &Person, now: Now) -> Result<bool, AnotherAuthority> {
        let CertifiedBy { name, root } = &person.authority;
        let met = self.0.trust().meet(&person.identifier, name, &root.0, now.unix);
        met.map_err(|error| AnotherAuthority { who: person.identifier.clone(), refusal: error.to_string() })
    }
}
