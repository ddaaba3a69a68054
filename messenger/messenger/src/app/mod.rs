//! The model of the terminal messenger: events and actions in, effects out. No clock, no terminal, no network.

mod actions;
pub(crate) mod appearance;
mod attention;
pub(crate) mod conversation;
pub(crate) mod editor;
mod events;
mod find;
mod lines;
pub(crate) mod locking;
pub(crate) mod palette;
pub(crate) mod peer;
mod people;
pub(crate) mod remarks;
pub(crate) mod secret;
mod sending;
pub(crate) mod slash;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod unsent;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use device::desktop::Notification;
use identity::Identifier;
use identity::card::ContactCard;
use identity::trust::Fingerprint;
use jiff::civil::DateTime;
use key_store::Passphrase;
use messenger_engine::{CallId, Command, OwnStatus, Peer, PresenceSettings, Purpose, RoomId, Seen};

use crate::contacts::about::{About, LastSeen};
use crate::settings::Settings;
use conversation::Conversation;
use editor::Editor;
use locking::{Locked, NewPassphrase};

/// Knocks and invitations that may wait at once; further ones are declined, or strangers could fill the screen.
const MAX_WAITING: usize = 20;

/// Whom this device speaks for, as the certificate says.
#[derive(Debug, Clone)]
pub(crate) struct Me {
    pub(crate) identifier: Identifier,
    pub(crate) authority: String,
    /// Last day of the certificate, as people write it.
    pub(crate) until: String,
    pub(crate) directory: String,
    /// What she gives to others, so that they find her; none if her policy is not pinned any more.
    pub(crate) card: Option<ContactCard>,
}

/// Whether anybody can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Connection {
    Connecting,
    Online { directory: String },
    Offline { reason: String },
}

/// A person in the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Person {
    /// Whether she is a contact; strangers whose knock was accepted are not.
    pub(crate) contact: bool,
    /// Whether she is online; nothing while the directory has not said.
    pub(crate) online: Option<bool>,
    /// Whether she was online at any time since the program started: then she shows herself to us.
    pub(crate) seen: bool,
    /// What she shows of herself while she is online.
    pub(crate) shows: Seen,
    /// What is kept about a contact.
    pub(crate) about: About,
    /// Since when she has not used her device.
    pub(crate) idle_since: Option<DateTime>,
    /// With which device the last conversation began.
    pub(crate) peer: Option<Peer>,
    /// The device whose code was shown last, to be compared.
    pub(crate) shown: Option<Fingerprint>,
    /// Whether the conversation with her looks for another connection.
    pub(crate) reconnecting: bool,
    /// Whether she is writing a text, by her device's word.
    pub(crate) typing: bool,
}

/// A room one is in, or was in until it closed.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) name: String,
    pub(crate) host: Identifier,
    pub(crate) members: Vec<Identifier>,
    pub(crate) epoch: u64,
    pub(crate) code: String,
    /// Why it is no more.
    pub(crate) closed: Option<String>,
}

/// What waits behind the curtain for a yes or no.
#[derive(Debug, Clone)]
pub(crate) enum Waiting {
    Knock { call: CallId, from: Identifier, purpose: Purpose },
    Invitation { room: RoomId, name: String, from: Identifier, members: Vec<Identifier> },
}

/// A place in the list on the left.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Entry {
    Knock(CallId),
    Invitation(RoomId),
    Person(Identifier),
    Room(RoomId),
}

/// A group of entries in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Group {
    Waiting,
    /// Those in no group of one's own.
    Contacts,
    /// A group of one's own.
    Named(String),
    Others,
    Rooms,
}

/// Where keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pane {
    List,
    Message,
}

/// What covers the rest.
#[derive(Debug, Clone)]
pub(crate) enum Cover {
    Help {
        scroll: usize,
    },
    Ask {
        question: Question,
        answer: Editor,
        wrong: Option<String>,
    },
    Confirm {
        entry: Entry,
    },
    /// One's own contact card.
    Card,
    /// A passphrase for the lock, while it is chosen.
    NewPassphrase(NewPassphrase),
    /// Who may see and knock, who is blocked.
    Lists {
        scroll: usize,
    },
    /// Who somebody is, and by what that is known.
    Identity {
        who: Identifier,
        /// As it was when the page was opened.
        peer: Option<Box<Peer>>,
        scroll: usize,
    },
}

/// A question that takes text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    Contact,
    RoomName,
    Guest(RoomId),
    /// A command, out of all: which of those that fit is chosen.
    Command {
        chosen: usize,
    },
    /// What to look for in the conversation that is open.
    Find,
}

/// One line at the bottom, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    Said(String),
    Wrong(String),
}

/// What the program is to do because of an event or action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Engine(Command),
    /// Keep this contact in the folder.
    Remember(Identifier),
    /// Know the person on a contact card by its authority.
    Take(Box<ContactCard>),
    /// Take it out of the folder.
    Forget(Identifier),
    /// Keep this about a contact.
    About(Identifier, Box<About>),
    /// Keep when contacts were seen last.
    Seen(BTreeMap<Identifier, LastSeen>),
    /// Write the contact list into a new file.
    Export(PathBuf),
    /// Take in the contacts in a file.
    Import(PathBuf),
    /// Show this on the desktop.
    Notify(Notification),
    /// Keep how the program is to behave.
    Behave(Settings),
    /// Lock the screen, if anything opens it again.
    Lock,
    /// Say so if nothing would open it.
    CheckLock,
    /// Open it, if this is the passphrase.
    Unlock(Passphrase),
    /// Keep this as the lock's own passphrase.
    ChooseLock(Passphrase),
    /// Ring the terminal's bell.
    Bell,
    Quit,
}

/// Everything that is shown.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) me: Me,
    pub(crate) connection: Connection,
    /// How one appears oneself.
    pub(crate) settings: PresenceSettings,
    /// How the program behaves on this device.
    behaviour: Settings,
    /// The screen is locked.
    pub(crate) locked: Option<Locked>,
    /// Whether the terminal has the keys; true where it does not tell.
    focused: bool,
    pub(crate) people: BTreeMap<Identifier, Person>,
    pub(crate) rooms: BTreeMap<RoomId, Room>,
    pub(crate) waiting: Vec<Waiting>,
    conversations: BTreeMap<Entry, Conversation>,
    pub(crate) selected: Option<Entry>,
    pub(crate) pane: Pane,
    pub(crate) cover: Option<Cover>,
    /// The question that the help covers.
    beneath: Option<Cover>,
    pub(crate) notice: Option<Notice>,
    /// The log or trust policy that was found to show different people different things; said until the program ends.
    pub(crate) alarm: Option<String>,
    /// Columns and rows of the terminal.
    pub(crate) size: (u16, u16),
    next_id: u64,
    /// Whether the person has done anything yet: until then the first who is online is chosen for her.
    touched: bool,
    /// Where a text waits for the first connection: it was to go before there was one, and no key was pressed since.
    eager: Option<Entry>,
    /// What was looked for last.
    found: Option<find::Found>,
    /// A first Ctrl-Q said what would be lost; a second one goes.
    leaving: bool,
    /// Rooms to open as soon as one is in: the names of those created, and the invitations accepted.
    awaited_names: BTreeSet<String>,
    awaited_rooms: BTreeSet<RoomId>,
}

impl App {
    /// A messenger that has not heard of anybody's presence yet.
    pub(crate) fn new(me: Me, contacts: impl IntoIterator<Item = Identifier>, size: (u16, u16)) -> Self {
        let people: BTreeMap<_, _> =
            contacts.into_iter().map(|who| (who, Person { contact: true, ..Person::default() })).collect();
        let selected = people.keys().next().cloned().map(Entry::Person);
        Self {
            me,
            connection: Connection::Connecting,
            settings: PresenceSettings::default(),
            behaviour: Settings::default(),
            locked: None,
            focused: true,
            people,
            rooms: BTreeMap::new(),
            waiting: Vec::new(),
            conversations: BTreeMap::new(),
            pane: if selected.is_some() { Pane::Message } else { Pane::List },
            selected,
            cover: None,
            beneath: None,
            notice: None,
            alarm: None,
            size,
            next_id: 1,
            touched: false,
            eager: None,
            found: None,
            leaving: false,
            awaited_names: BTreeSet::new(),
            awaited_rooms: BTreeSet::new(),
        }
    }

    /// The same, appearing to others as was decided before.
    pub(crate) fn appearing(self, settings: PresenceSettings) -> Self {
        Self { settings, ..self }
    }

    /// Rings the bell, unless one does not want to be disturbed.
    fn bell(&self) -> Vec<Effect> {
        if self.settings.status == OwnStatus::DoNotDisturb { Vec::new() } else { vec![Effect::Bell] }
    }

    /// The list on the left, from top to bottom: who waits, contacts by their groups (those online first), others, rooms.
    pub(crate) fn list(&self) -> Vec<(Group, Entry)> {
        let person = |group, who: &Identifier| (group, Entry::Person(who.clone()));
        let of = |contact: bool, online: bool| {
            self.people
                .iter()
                .filter(move |(_, person)| person.contact == contact && (person.online == Some(true)) == online)
        };
        let waiting = self.waiting.iter().map(|one| (Group::Waiting, one.entry()));
        let mut contacts: Vec<_> = of(true, true).chain(of(true, false)).collect();
        contacts.sort_by_cached_key(|(who, person)| {
            (person.about.group.clone(), person.online != Some(true), person.called(who).to_lowercase())
        });
        let contacts = contacts.into_iter().map(|(who, one)| {
            let group = one.about.group.as_ref().map_or(Group::Contacts, |group| Group::Named(group.to_string()));
            person(group, who)
        });
        let others = of(false, true).chain(of(false, false)).map(|(who, _)| person(Group::Others, who));
        let rooms = self.rooms.keys().map(|room| (Group::Rooms, Entry::Room(*room)));
        waiting.chain(contacts).chain(others).chain(rooms).collect()
    }

    /// What is said under an entry; nothing for what waits, or where nothing was said yet.
    pub(crate) fn conversation(&self, entry: &Entry) -> Option<&Conversation> {
        self.conversations.get(entry)
    }

    /// The entry that waits, if the chosen one does.
    pub(crate) fn curtain(&self) -> Option<&Waiting> {
        let selected = self.selected.as_ref()?;
        self.waiting.iter().find(|one| one.entry() == *selected)
    }

    /// Whether the chosen entry can be written to.
    pub(crate) fn writable(&self) -> bool {
        match &self.selected {
            Some(Entry::Person(_)) => true,
            Some(Entry::Room(room)) => self.rooms.get(room).is_some_and(|room| room.closed.is_none()),
            _ => false,
        }
    }

    /// Where keys go now.
    pub(crate) fn place(&self) -> crate::keys::Place {
        use crate::keys::Place;
        if self.locked.is_some() {
            return Place::Locked;
        }
        match &self.cover {
            Some(Cover::NewPassphrase(_)) => Place::Asking,
            Some(Cover::Help { .. } | Cover::Card | Cover::Lists { .. } | Cover::Identity { .. }) => Place::Helping,
            Some(Cover::Ask { .. }) => Place::Asking,
            Some(Cover::Confirm { .. }) => Place::Confirming,
            None if self.curtain().is_some() => Place::Curtain,
            None if self.pane == Pane::Message && self.writable() => Place::Writing,
            None => Place::List,
        }
    }

    /// Whether the chosen conversation has texts that exist nowhere but here.
    pub(crate) fn at_stake_here(&self) -> bool {
        self.selected.as_ref().and_then(|entry| self.conversation(entry)).is_some_and(|one| one.at_stake() > 0)
    }

    /// Texts that exist nowhere but here.
    pub(crate) fn at_stake(&self) -> usize {
        self.conversations.values().map(Conversation::at_stake).sum()
    }

    /// Whether the chosen person is a contact who seems offline and never showed herself. She may be there and not have
    /// added us: then only a knock reaches her.
    pub(crate) fn seems_offline(&self) -> bool {
        match &self.selected {
            Some(Entry::Person(who)) => self.people.get(who).is_some_and(Person::never_showed_herself),
            _ => false,
        }
    }

    fn conversation_mut(&mut self, entry: &Entry) -> &mut Conversation {
        self.conversations.entry(entry.clone()).or_default()
    }

    fn open_conversation(&mut self) -> Option<&mut Conversation> {
        let entry = self.selected.clone().filter(|entry| matches!(entry, Entry::Person(_) | Entry::Room(_)))?;
        Some(self.conversation_mut(&entry))
    }

    /// Chooses an entry; what was unread there is read.
    fn select(&mut self, entry: Entry) {
        if let Some(conversation) = self.conversations.get_mut(&entry) {
            conversation.unread = 0;
            conversation.announced = false;
        }
        self.selected = Some(entry);
    }

    /// Says what something came to that the program did outside the model.
    pub(crate) fn tell(&mut self, text: String) {
        self.said(text);
    }

    /// Says that something the program did on its own account went wrong.
    pub(crate) fn tell_wrong(&mut self, text: String) {
        self.wrong(text);
    }

    fn wrong(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice::Wrong(text.into()));
    }

    fn said(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice::Said(text.into()));
    }
}

impl Person {
    /// A contact whom we have not seen online since the program started, and do not see now.
    fn never_showed_herself(&self) -> bool {
        self.contact && self.online == Some(false) && !self.seen
    }
}

impl Waiting {
    /// Its place in the list.
    pub(crate) fn entry(&self) -> Entry {
        match self {
            Self::Knock { call, .. } => Entry::Knock(*call),
            Self::Invitation { room, .. } => Entry::Invitation(*room),
        }
    }

    /// Who asks.
    pub(crate) fn from(&self) -> &Identifier {
        match self {
            Self::Knock { from, .. } | Self::Invitation { from, .. } => from,
        }
    }
}
