//! What people do, and what befalls them, drawn at random: they talk, send files, come and go, open rooms; networks and
//! directories fail.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use proptest::prelude::*;

use super::world::{World, address};
use crate::api::{CallId, Command, Event, RoomId, RoomSuite, TransferId};
use crate::core::{FetchEnd, ServeEnd};

pub(super) const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Most rooms, calls and transfers of which somebody remembers that they are there.
const REMEMBERED: usize = 16;

/// One of [`NAMES`], or two that differ.
type One = usize;
type Two = (usize, usize);

#[derive(Debug, Clone)]
pub(super) enum Deed {
    /// Tenths of a second in which nothing else happens.
    Wait(u64),
    Send(Two),
    BothSend(Two),
    Type(Two, bool),
    Nudge(Two),
    Read(Two),
    Offer(Two),
    OfferInRoom(One),
    /// What somebody does about the last transfer of which she heard.
    TakeFile(One),
    RefuseFile(One),
    HoldFile(One, bool),
    CancelFile(One),
    /// All streams of files break off, or end well.
    BreakStreams,
    EndStreams,
    OpenRoom(One),
    /// A room with everybody in it, as far as they can be reached.
    Gather(One),
    Invite(Two),
    Enter(One),
    Speak(One),
    LeaveRoom(One),
    Answer(One, bool),
    Block(Two),
    Unblock(Two),
    AskFirst(Two, bool),
    GoOffline(One),
    GoOnline(One),
    ChangeNetwork(One),
    LoseDirectory(One),
    /// The way between two: nothing comes, only nothing of what programs say, nothing of one of them, all of it again.
    Stall(Two),
    Deafen(Two),
    Mute(Two),
    FallSilent(Two),
    BeHeard(Two),
    Cut(Two),
    End(Two),
    /// Dials fail, or succeed; take their time, or are through.
    Network(bool),
    HoldDials,
    ReleaseDials,
    /// Somebody's Hellos are lost, her client takes nothing, nobody's call reaches her; or not any more.
    LoseHellos(One),
    TakeNothing(One),
    BeUnheard(One),
    Renew(One),
    Restart(One),
}

pub(super) fn deed() -> impl Strategy<Value = Deed> {
    let one = || 0..NAMES.len();
    let two = || (one(), 1..NAMES.len()).prop_map(|(a, further)| (a, (a + further) % NAMES.len()));
    let talk = prop_oneof![
        6 => two().prop_map(Deed::Send),
        2 => two().prop_map(Deed::BothSend),
        2 => (two(), any::<bool>()).prop_map(|(two, typing)| Deed::Type(two, typing)),
        1 => two().prop_map(Deed::Nudge),
        1 => two().prop_map(Deed::Read),
        1 => (one(), any::<bool>()).prop_map(|(who, yes)| Deed::Answer(who, yes)),
    ];
    let rooms = prop_oneof![
        1 => one().prop_map(Deed::OpenRoom),
        2 => one().prop_map(Deed::Gather),
        4 => two().prop_map(Deed::Invite),
        4 => one().prop_map(Deed::Enter),
        4 => one().prop_map(Deed::Speak),
        1 => one().prop_map(Deed::LeaveRoom),
    ];
    let files = prop_oneof![
        3 => two().prop_map(Deed::Offer),
        1 => one().prop_map(Deed::OfferInRoom),
        4 => one().prop_map(Deed::TakeFile),
        1 => one().prop_map(Deed::RefuseFile),
        2 => (one(), any::<bool>()).prop_map(|(who, held)| Deed::HoldFile(who, held)),
        1 => one().prop_map(Deed::CancelFile),
        2 => Just(Deed::BreakStreams),
        1 => Just(Deed::EndStreams),
    ];
    let presence = prop_oneof![
        two().prop_map(Deed::Block),
        two().prop_map(Deed::Unblock),
        (two(), any::<bool>()).prop_map(|(two, ask)| Deed::AskFirst(two, ask)),
        one().prop_map(Deed::GoOffline),
        one().prop_map(Deed::GoOnline),
        one().prop_map(Deed::GoOnline),
        one().prop_map(Deed::ChangeNetwork),
        one().prop_map(Deed::LoseDirectory),
        one().prop_map(Deed::Renew),
        one().prop_map(Deed::Restart),
    ];
    let network = prop_oneof![
        two().prop_map(Deed::Stall),
        two().prop_map(Deed::Deafen),
        two().prop_map(Deed::Mute),
        two().prop_map(Deed::FallSilent),
        two().prop_map(Deed::BeHeard),
        two().prop_map(Deed::Cut),
        two().prop_map(Deed::End),
        any::<bool>().prop_map(Deed::Network),
        Just(Deed::HoldDials),
        Just(Deed::ReleaseDials),
        one().prop_map(Deed::LoseHellos),
        one().prop_map(Deed::TakeNothing),
        one().prop_map(Deed::BeUnheard),
    ];
    prop_oneof![
        6 => (1..40_u64).prop_map(Deed::Wait),
        2 => (1..300_u64).prop_map(Deed::Wait),
        6 => talk,
        6 => rooms,
        3 => files,
        2 => presence,
        4 => network,
    ]
}

/// People to whom it happens, and what they know of what they could do next.
pub(super) struct Stage {
    pub(super) world: World,
    /// Rooms of which somebody heard, the newest last; and calls that rang, each with whose device that was.
    rooms: VecDeque<(String, RoomId)>,
    calls: VecDeque<(String, CallId)>,
    transfers: VecDeque<(String, TransferId)>,
    heard: Vec<(&'static str, Event)>,
    /// Whether dials take their time.
    held: bool,
    renewals: u64,
    untaking: BTreeSet<&'static str>,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self {
            world: World::of(&NAMES),
            rooms: VecDeque::new(),
            calls: VecDeque::new(),
            transfers: VecDeque::new(),
            heard: Vec::new(),
            held: false,
            renewals: 0,
            untaking: BTreeSet::new(),
        }
    }

    /// What everybody has heard since the last time, with who did.
    pub(super) fn heard(&mut self) -> Vec<(&'static str, Event)> {
        self.listen();
        std::mem::take(&mut self.heard)
    }

    fn listen(&mut self) {
        for name in NAMES {
            for event in self.world.events(name) {
                self.remember(name, &event);
                self.heard.push((name, event));
            }
        }
    }

    fn remember(&mut self, name: &str, event: &Event) {
        match event {
            Event::Room { room, .. } | Event::RoomInvitation { room, .. } => {
                self.rooms.retain(|known| *known != (name.to_owned(), *room));
                self.rooms.push_back((name.to_owned(), *room));
            }
            Event::FileOffered { transfer, .. } | Event::FileState { transfer, .. } => {
                self.transfers.push_back((name.to_owned(), *transfer));
            }
            Event::Incoming { call, .. } => self.calls.push_back((name.to_owned(), *call)),
            _ => {}
        }
        self.rooms.drain(..self.rooms.len().saturating_sub(REMEMBERED));
        self.calls.drain(..self.calls.len().saturating_sub(REMEMBERED));
        self.transfers.drain(..self.transfers.len().saturating_sub(REMEMBERED));
    }

    fn room(&self, name: &str) -> Option<RoomId> {
        self.rooms.iter().rev().find(|(whose, _)| whose == name).map(|(_, room)| *room)
    }

    fn command(&mut self, who: One, command: Command) {
        self.world.command(NAMES[who], command);
    }

    fn in_room(&mut self, who: One, command: impl FnOnce(RoomId) -> Command) {
        if let Some(room) = self.room(NAMES[who]) {
            self.command(who, command(room));
        }
    }

    fn with_file(&mut self, who: One, command: impl FnOnce(TransferId) -> Command) {
        let last = self.transfers.iter().rev().find(|(whose, _)| whose == NAMES[who]).map(|(_, transfer)| *transfer);
        if let Some(transfer) = last {
            self.command(who, command(transfer));
        }
    }

    fn way(&mut self, (a, b): Two, befalls: impl FnOnce(&mut World, &str, &str)) {
        befalls(&mut self.world, NAMES[a], NAMES[b]);
    }

    /// Does it; that time passes is up to the caller.
    pub(super) fn play(&mut self, deed: &Deed) -> Duration {
        match *deed {
            Deed::Wait(tenths) => return Duration::from_millis(100 * tenths),
            Deed::Send((from, to)) => {
                let text = "hello".to_owned();
                self.command(from, Command::Send { to: address(NAMES[to]), text, id: None, reply_to: None });
            }
            Deed::BothSend((a, b)) => {
                let command = |to: One| Command::Nudge { to: address(NAMES[to]), id: None };
                self.world.both_do([(NAMES[a], command(b)), (NAMES[b], command(a))]);
            }
            Deed::Type((from, to), typing) => self.command(from, Command::Typing { to: address(NAMES[to]), typing }),
            Deed::Nudge((from, to)) => self.command(from, Command::Nudge { to: address(NAMES[to]), id: None }),
            Deed::Read((by, of)) => self.command(by, Command::Read { who: address(NAMES[of]), ids: vec![1, 2, 3] }),
            Deed::Offer((from, to)) => {
                let to = address(NAMES[to]);
                self.command(
                    from,
                    Command::FileOffer { to, path: "/tea".into(), transfer: None, device: None, media_type: None },
                );
            }
            Deed::OfferInRoom(who) => {
                self.in_room(who, |room| Command::RoomFileOffer { room, path: "/tea".into() });
            }
            Deed::TakeFile(who) => {
                self.with_file(who, |transfer| Command::FileAccept { transfer, into: "/tmp".into() });
            }
            Deed::RefuseFile(who) => self.with_file(who, |transfer| Command::FileRefuse { transfer, reason: None }),
            Deed::HoldFile(who, true) => self.with_file(who, |transfer| Command::FilePause { transfer }),
            Deed::HoldFile(who, false) => self.with_file(who, |transfer| Command::FileContinue { transfer }),
            Deed::CancelFile(who) => self.with_file(who, |transfer| Command::FileCancel { transfer }),
            Deed::BreakStreams => self.world.streams_break(),
            Deed::EndStreams => {
                self.world.streams_end(&ServeEnd::Sent, &FetchEnd::Done("/tmp/tea".into()));
            }
            Deed::OpenRoom(host) => {
                self.command(host, Command::RoomCreate { name: "tea".into(), suite: RoomSuite::default() });
            }
            Deed::Gather(host) => {
                self.command(host, Command::RoomCreate { name: "tea".into(), suite: RoomSuite::default() });
                self.listen();
                for guest in (0..NAMES.len()).filter(|guest| *guest != host) {
                    self.in_room(host, |room| Command::RoomInvite { room, who: address(NAMES[guest]) });
                    self.listen();
                    self.in_room(guest, |room| Command::RoomAccept { room });
                }
            }
            Deed::Invite((host, guest)) => {
                self.in_room(host, |room| Command::RoomInvite { room, who: address(NAMES[guest]) });
            }
            Deed::Enter(guest) => self.in_room(guest, |room| Command::RoomAccept { room }),
            Deed::Speak(who) => {
                self.in_room(who, |room| Command::RoomSend { room, text: "all?".into(), id: None, reply_to: None });
            }
            Deed::LeaveRoom(who) => self.in_room(who, |room| Command::RoomLeave { room }),
            Deed::Answer(who, yes) => {
                let last = self.calls.iter().rev().find(|(whose, _)| whose == NAMES[who]).map(|(_, call)| *call);
                if let Some(call) = last {
                    self.command(who, if yes { Command::Accept { call } } else { Command::Decline { call } });
                }
            }
            Deed::Block((by, who)) => self.command(by, Command::Block { who: address(NAMES[who]) }),
            Deed::Unblock((by, who)) => self.command(by, Command::Unblock { who: address(NAMES[who]) }),
            Deed::AskFirst((by, who), ask) => {
                self.command(by, Command::AskFirst { who: address(NAMES[who]), ask });
            }
            Deed::GoOffline(who) => self.command(who, Command::GoOffline),
            Deed::GoOnline(who) => {
                self.command(who, Command::GoOnline);
                self.world.go_online(NAMES[who]);
            }
            Deed::ChangeNetwork(who) => self.command(who, Command::NetworkChanged),
            Deed::LoseDirectory(who) => self.world.lose_directory(NAMES[who]),
            Deed::Stall(two) => self.way(two, World::stall),
            Deed::Deafen(two) => self.way(two, World::be_deaf),
            Deed::Mute(two) => self.way(two, World::be_unanswered),
            Deed::FallSilent(two) => self.way(two, World::fall_silent),
            Deed::BeHeard(two) => self.way(two, World::be_heard),
            Deed::Cut(two) => self.way(two, World::cut),
            Deed::End(two) => self.way(two, World::end),
            Deed::Network(works) => self.world.network = works,
            Deed::HoldDials if !self.held => {
                self.held = true;
                self.world.hold_dials();
            }
            Deed::ReleaseDials if self.held => {
                self.held = false;
                self.world.release_dials();
            }
            Deed::HoldDials | Deed::ReleaseDials => {}
            Deed::LoseHellos(who) => turn(&mut self.world.hellos_lost, NAMES[who].to_owned()),
            Deed::TakeNothing(who) if self.untaking.remove(NAMES[who]) => self.world.take(NAMES[who]),
            Deed::TakeNothing(who) => {
                self.untaking.insert(NAMES[who]);
                self.world.takes_nothing.insert(NAMES[who].to_owned());
            }
            Deed::BeUnheard(who) => turn(&mut self.world.unheard, NAMES[who].to_owned()),
            Deed::Renew(who) => {
                self.renewals += 1;
                let mut person = self.world.person(NAMES[who]);
                person.not_after += self.renewals;
                self.world.renew(NAMES[who], person);
            }
            Deed::Restart(who) => self.world.restart(NAMES[who]),
        }
        Duration::ZERO
    }
}

fn turn(names: &mut BTreeSet<String>, name: String) {
    if !names.remove(&name) {
        names.insert(name);
    }
}
