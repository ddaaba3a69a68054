//! The whole engine without I/O: commands, the directory's words and peers' frames go in with the time they came;
//! [`Action`]s come out, and what the client is to be told.
//!
//! ```text
//! command ─┐                        ┌─► events for the client
//! directory ─► Core (calls, links, ──► requests to the directory
//! frames ──┤   texts, rooms)        ├─► frames, dials, closings
//! tick ────┘                        └─► ...
//! ```
//! Nothing here waits, sleeps, reads a clock or draws randomness by itself; everything can be driven in a test with
//! virtual time.

mod acquaintance;
mod action;
mod admission;
mod appearance;
mod call_ends;
mod calls;
mod carrying;
mod circulars;
mod counted;
mod crossing;
mod deadline;
mod early;
mod early_places;
mod elsewhere;
mod endorsement;
mod entrance;
mod errands;
mod exchange;
mod fanout;
mod files;
mod gossip;
mod heard;
mod held;
mod hosting;
mod hubs;
mod ids;
mod inside;
mod keeping;
mod lapse;
mod leaving;
mod letters;
mod links;
mod looking_back;
mod mail;
mod marks;
mod membership;
mod mesh;
mod moving;
mod order_frames;
mod ordering;
mod overtaking;
mod own_devices;
mod people;
mod proofs;
mod reach;
mod renewal;
mod resumption;
mod returning;
mod room_talk;
mod room_texts;
mod room_typing;
mod rooms;
mod saying;
mod seeking;
mod seen;
mod sending;
mod sessions;
mod sleep;
mod spreading;
mod succession;
mod texts;
mod typing;
mod untaken;
mod updates;
mod warnings;
mod ways;
mod wishes;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use directory_protocol::DirectoryEvent;
use identity::Identifier;
use identity::endorsement::Endorsement;

use crate::api::{CallId, Command, Event, PresenceSettings, RoomId};
use crate::gossip::Gossip;
use crate::room::{Credentials, MyLeaf, Person};
use crate::session::Arrival;
use crate::time::Now;
use action::SessionId;

pub use crate::events::Told;
pub use action::{Action, Ask, ConnectionId, Introduction, Loss, Meeting, NotReached};
pub use appearance::Presenting;
pub use deadline::{Alarm, LOOK, SOON};
pub use files::{FetchEnd, FileTask, LookedAt, ServeEnd};
pub use seeking::SILENCE;
pub use untaken::Receipt;

/// No directory makes a device wait longer before it connects.
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// Draws randomness: fills the slice.
pub type Draw = Box<dyn FnMut(&mut [u8]) + Send>;

/// What the core knows of its own device.
pub struct Me {
    /// The person this device speaks for, as her certificate says.
    pub person: Person,
    /// The device certificate and key, for rooms.
    pub leaf: MyLeaf,
    /// The directory's name, for the `online` event.
    pub directory: String,
    /// Whether a program answers here.
    pub bot: bool,
}

/// The state of the link to the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// Told to be offline.
    Resting,
    /// Wants to be online; the directory does not know this device.
    Away,
    /// The directory knows this device.
    Here,
}

/// The engine's state. See the module's picture.
pub struct Core {
    me: Me,
    run: [u8; 8],
    credentials: Arc<dyn Credentials>,
    draw: Draw,
    presence: Presence,
    settings: PresenceSettings,
    /// For how long nobody has used this device; nothing while somebody does.
    idle: Option<appearance::Idle>,
    /// What was last told of each contact; nothing while the directory has not said.
    contacts: BTreeMap<Identifier, Option<directory_protocol::Presence>>,
    calls: BTreeMap<CallId, calls::Call>,
    links: BTreeMap<SessionId, links::Link>,
    /// Of these, by device.
    sessions: sessions::Sessions,
    /// The session that each connection carries.
    carried: BTreeMap<ConnectionId, SessionId>,
    /// Connections on which a session may go on, or a new one begin.
    candidates: BTreeMap<ConnectionId, resumption::Candidate>,
    clock: sleep::Clock,
    seen: seen::Seen,
    untaken: untaken::Untaken,
    heard: heard::Heard,
    /// Who nudged a moment ago, and when.
    nudged: BTreeMap<Identifier, Instant>,
    /// Who said a moment ago that one went on elsewhere, and when.
    said_elsewhere: BTreeMap<Identifier, Instant>,
    /// At which of her devices somebody is, of those with a session.
    at: BTreeMap<Identifier, crate::room::DeviceKey>,
    /// Of which conversations a history is kept, here and there.
    histories: keeping::Histories,
    rooms: BTreeMap<RoomId, rooms::Room>,
    mesh: HashMap<crate::room::DeviceKey, mesh::Attempt>,
    used_ids: ids::Ids,
    files: files::Files,
    told_offline: Option<String>,
    refusals: acquaintance::Refusals,
    gossip: Option<Arc<dyn Gossip>>,
    /// What other devices of hers say of this one.
    endorsements: Vec<Endorsement>,
    mail: mail::OwnMail,
    reintroduction: renewal::Reintroduction,
    actions: VecDeque<Action>,
    /// Sessions that have something to send.
    unsent: Vec<SessionId>,
    /// What the client is to be told.
    told: Vec<Told>,
    /// What a frame brings; empty in between.
    arrivals: Vec<Arrival<links::Token>>,
}

impl Core {
    /// A core that wants to be online with these contacts, and to appear like this.
    pub fn new(
        me: Me,
        contacts: Vec<Identifier>,
        settings: PresenceSettings,
        credentials: Arc<dyn Credentials>,
        mut draw: Draw,
    ) -> Self {
        let mut run = [0; 8];
        draw(&mut run);
        let contacts: BTreeMap<_, _> =
            contacts.into_iter().filter(|who| *who != me.person.identifier).map(|who| (who, None)).collect();
        let mut core = Self {
            me,
            run,
            credentials,
            draw,
            presence: Presence::Away,
            settings,
            idle: None,
            contacts,
            calls: BTreeMap::new(),
            links: BTreeMap::new(),
            sessions: sessions::Sessions::default(),
            carried: BTreeMap::new(),
            candidates: BTreeMap::new(),
            clock: sleep::Clock::default(),
            seen: seen::Seen::default(),
            untaken: untaken::Untaken::default(),
            heard: heard::Heard::default(),
            nudged: BTreeMap::new(),
            said_elsewhere: BTreeMap::new(),
            at: BTreeMap::new(),
            histories: keeping::Histories::default(),
            rooms: BTreeMap::new(),
            mesh: HashMap::new(),
            used_ids: ids::Ids::default(),
            files: files::Files::default(),
            told_offline: None,
            refusals: acquaintance::Refusals::default(),
            gossip: None,
            endorsements: Vec::new(),
            mail: mail::OwnMail::default(),
            reintroduction: renewal::Reintroduction::default(),
            actions: VecDeque::new(),
            unsent: Vec::new(),
            told: Vec::new(),
            arrivals: Vec::new(),
        };
        core.announce();
        core.actions.push_back(Action::GoOnline);
        core
    }

    /// What is to be done next; to be asked for until there is none.
    pub fn next_action(&mut self) -> Option<Action> {
        if self.actions.is_empty() {
            self.send_unsent();
        }
        self.actions.pop_front()
    }

    /// What the client is to be told, in order. Of what has a receipt it has to be said with [`Self::taken`] that the client has
    /// taken it: another device waits for that.
    pub fn take_told(&mut self) -> Vec<Told> {
        // As much as now may come the next time.
        let room = Vec::with_capacity(self.told.len());
        std::mem::replace(&mut self.told, room)
    }

    /// Carries out a command.
    pub fn command(&mut self, command: Command, now: Now) {
        // Whoever opens her computer writes before the next tick: nothing goes out in a session that has ended meanwhile.
        self.end_slept(now);
        match command {
            Command::AddContact { who } => {
                self.with_person("add_contact", &who, |core, who| core.add_contact(who, now));
            }
            Command::RemoveContact { who } => {
                self.with_person("remove_contact", &who, |core, who| core.remove_contact(&who, now));
            }
            Command::Send { to, text, id, reply_to } => {
                self.with_person("send", &to, |core, to| core.send_text(to, text, id, reply_to, now));
            }
            Command::React { to, on, emoji, id } => {
                self.with_person("react", &to, |core, to| core.react(to, on, emoji, id, now));
            }
            Command::Edit { to, of, text, id } => {
                self.with_person("edit", &to, |core, to| core.edit(to, of, text, id, now));
            }
            Command::Delete { to, of, id } => {
                self.with_person("delete", &to, |core, to| core.delete(to, of, id, now));
            }
            Command::Nudge { to, id } => self.with_person("nudge", &to, |core, to| core.nudge(to, id, now)),
            Command::ContinueHere { to, id } => {
                self.with_person("continue_here", &to, |core, to| core.continue_here(to, id, now));
            }
            Command::Typing { to, typing } => {
                self.with_person("typing", &to, |core, to| core.type_to(&to, typing, now));
            }
            Command::Read { who, ids } => self.with_person("read", &who, |core, who| core.read(&who, ids, now)),
            Command::KeepHistory { who, keeps } => {
                self.with_person("keep_history", &who, |core, who| core.keep_history(who, keeps, now));
            }
            Command::SetSignals { typing, read_receipts } => self.set_signals(typing, read_receipts),
            Command::Accept { call } => self.accept_call(call, now),
            Command::Decline { call } => self.decline_call(call),
            Command::RoomCreate { name, suite } => self.create_room((&name, suite), now),
            Command::RoomInvite { room, who } => {
                self.with_person("room_invite", &who, |core, who| core.invite_to_room(room, who, now));
            }
            Command::RoomAccept { room } => self.accept_invitation(room, now),
            Command::RoomDecline { room } => self.decline_invitation(room),
            Command::RoomSend { room, text, id, reply_to } => self.send_room_text(room, (text, reply_to), id, now),
            Command::RoomReact { room, on, emoji, id } => self.react_in_room(room, &on, emoji, id, now),
            Command::RoomEdit { room, of, text, id } => self.edit_in_room(room, of, text, id, now),
            Command::RoomDelete { room, of, id } => self.delete_in_room(room, of, id, now),
            Command::RoomTyping { room, typing } => self.type_in_room(room, typing, now),
            Command::RoomLeave { room } => self.leave_gently(room, now),
            Command::RoomName { room, name } => self.name_room(room, name, now),
            Command::RoomTopic { room, topic } => self.set_topic(room, topic, now),
            Command::RoomLock { room, locked } => self.lock_room(room, locked, now),
            Command::RoomRole { room, who, role } => {
                self.with_person("room_role", &who, |core, who| core.give_role(room, &who, role, now));
            }
            Command::RoomRemove { room, who } => {
                self.with_person("room_remove", &who, |core, who| core.remove_from_room(room, &who, now));
            }
            Command::FileOffer { to, path, transfer, device, media_type } => {
                let how = (device, media_type);
                self.with_person("file_offer", &to, |core, to| core.offer_file(to, path, transfer, how));
            }
            Command::RoomFileOffer { room, path } => self.offer_file_in_room(room, path),
            Command::FileAccept { transfer, into } => self.accept_file(transfer, into, now),
            Command::FileRefuse { transfer, reason } => self.refuse_file(transfer, reason.as_deref(), now),
            Command::FilePause { transfer } => self.pause_file(transfer, now),
            Command::FileContinue { transfer } => self.continue_file(transfer, now),
            Command::FileCancel { transfer } => self.cancel_file(transfer, now),
            Command::MailCertificate { who } => {
                self.with_person("mail_certificate", &who, |core, who| core.ask_for_mail(who, now));
            }
            Command::ReachDevices => self.reach_devices(now),
            Command::SetStatus { status, text } => self.set_status(status, text, now),
            Command::SetIdle { seconds } => self.set_idle(seconds, now),
            Command::SetAudience { visible_to, may_knock } => self.set_audience(visible_to, may_knock, now),
            Command::Block { who } => self.with_person("block", &who, |core, who| core.block(who, now)),
            Command::Unblock { who } => self.with_person("unblock", &who, |core, who| core.unblock(&who)),
            Command::AskFirst { who, ask } => {
                self.with_person("ask_first", &who, |core, who| core.set_ask_first(who, ask, now));
            }
            Command::NetworkChanged => self.network_changed(now),
            Command::GoOffline => self.go_offline(now),
            Command::GoOnline => self.go_online(),
            Command::Quit => {
                self.go_offline(now);
                self.actions.push_back(Action::End);
            }
        }
    }

    /// The directory knows this device now.
    pub fn directory_up(&mut self) {
        if self.presence == Presence::Resting {
            return;
        }
        self.presence = Presence::Here;
        self.told_offline = None;
        self.emit(Event::Online {
            identifier: self.me.person.identifier.clone(),
            directory: self.me.directory.clone(),
        });
        if self.settings != PresenceSettings::default() {
            self.emit(Event::Appearance(self.settings.clone()));
        }
    }

    /// The directory is lost; the driver tries again by itself. Sessions with peers live on.
    pub fn directory_down(&mut self, reason: &str, now: Now) {
        if self.presence == Presence::Resting {
            return;
        }
        if self.presence == Presence::Here {
            self.presence = Presence::Away;
            self.forget_presence();
            self.fail_calls_without_go("the connection to the directory was lost", now);
        }
        // Every failed attempt to come back reports here; the same reason is told once.
        if self.told_offline.as_deref() != Some(reason) {
            self.told_offline = Some(reason.to_owned());
            self.emit(Event::Offline { reason: reason.to_owned() });
        }
    }

    /// The directory said something.
    pub fn directory_said(&mut self, event: DirectoryEvent, now: Now) {
        match event {
            DirectoryEvent::Presence { who, presence } => self.presence_pushed(who, presence),
            DirectoryEvent::Incoming { call_id, caller, caller_key, purpose } => {
                self.incoming(CallId(call_id), caller, caller_key, purpose.into(), now);
            }
            DirectoryEvent::Outcome { call_id, outcome } => self.outcome(CallId(call_id), outcome, now),
            DirectoryEvent::Go { call_id, role, peer, peer_key, candidates, probe_key, delay_ms } => {
                let delay = Duration::from_millis(u64::from(delay_ms)).min(LONGEST_DELAY);
                let meeting = Meeting { role, candidates, key: probe_key, delay };
                self.introduced(CallId(call_id), Introduction { who: peer, key: peer_key }, meeting, now);
            }
            DirectoryEvent::Closed { reason } => self.directory_down(&reason.to_string(), now),
        }
    }

    /// Does what is due at this time; to be called at the [next deadline](Self::next_deadline), and [`SOON`] after anything
    /// happened.
    pub fn tick(&mut self, now: Now) {
        self.end_slept(now);
        self.expire_calls(now);
        self.expire_candidates(now);
        self.tend_renewal(now);
        self.expire_links(now);
        self.expire_typing(now);
        self.tend_seeking(now);
        self.tick_rooms(now);
        self.tend_mesh(now);
        self.tend_files(now);
        self.tend_gossip();
        self.tend_mail();
        self.hear_mail(now);
    }

    fn go_offline(&mut self, now: Now) {
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for room in rooms {
            self.leave_room(room, "you went offline", now);
        }
        let was = std::mem::replace(&mut self.presence, Presence::Resting);
        self.fail_all_calls("you went offline", now);
        self.close_all_links("you went offline", now);
        self.forget_presence();
        self.actions.push_back(Action::GoOffline);
        if was != Presence::Resting {
            self.emit(Event::Offline { reason: "you went offline".into() });
        }
    }

    fn go_online(&mut self) {
        if self.presence == Presence::Resting {
            self.presence = Presence::Away;
            self.actions.push_back(Action::GoOnline);
        }
    }

    fn emit(&mut self, event: Event) {
        self.told.push(Told::plain(event));
    }

    fn error(&mut self, about: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) {
        self.emit(Event::Error { about: about.into(), message: message.into(), remedy: remedy.into() });
    }

    fn with_person(&mut self, about: &str, who: &str, act: impl FnOnce(&mut Self, Identifier)) {
        // Whom one talks to is known by her canonical spelling, which reads as itself.
        let known = self.links.values().map(|link| &link.person.identifier).find(|known| known.as_str() == who);
        match known.cloned().map_or_else(|| Identifier::parse(who), Ok) {
            Ok(who) if self.is_oneself(&who) && !own_devices::takes(about) => {
                self.error(about, "that is you", "name somebody else");
            }
            Ok(who) => act(self, who),
            Err(error) => {
                self.error(about, error.to_string(), "give an e-mail address or a phone number, like bob@example.org");
            }
        }
    }

    fn random_16(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        (self.draw)(&mut bytes);
        bytes
    }
}
