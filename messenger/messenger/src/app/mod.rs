//! The model of the terminal messenger: events and actions in, effects out. No clock, no terminal, no network.

mod actions;
mod alarms;
pub(crate) mod appearance;
mod attention;
pub(crate) mod conversation;
mod cover;
pub(crate) mod devices;
pub(crate) mod editor;
mod effect;
mod events;
pub(crate) mod files;
mod find;
pub(crate) mod keeping;
mod lines;
mod list;
pub(crate) mod locking;
pub(crate) mod palette;
mod paths;
pub(crate) mod peer;
mod people;
mod pointing;
pub(crate) mod remarks;
mod room_remarks;
pub(crate) mod rooms;
pub(crate) mod secret;
mod sending;
pub(crate) mod slash;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod unsent;
pub(crate) mod ways;

use std::collections::{BTreeMap, BTreeSet};

use identity::Identifier;
use identity::card::ContactCard;
use messenger_engine::{OwnStatus, PresenceSettings, RoomId, TransferId};

use crate::places::Places;
use crate::settings::Settings;
use conversation::Conversation;
use locking::Locked;

pub(crate) use cover::{Cover, Question};
pub(crate) use effect::Effect;
pub(crate) use list::{Entry, Group, Person, Room, Waiting};

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

/// Where keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pane {
    List,
    Message,
}

/// One line at the bottom, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Notice {
    Said(String),
    Wrong(String),
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
    /// Where files are on this device.
    places: Places,
    /// In which conversation a file stands that is on its way.
    transfers: BTreeMap<TransferId, Entry>,
    last_file: u32,
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
    pub(crate) alarm: Option<alarms::Alarm>,
    /// Columns and rows of the terminal.
    pub(crate) size: (u16, u16),
    next_id: u64,
    /// Whether the person has done anything yet: until then the first who is online is chosen for her.
    touched: bool,
    /// Where a text waits for the first connection: it was to go before there was one, and no key was pressed since.
    eager: Option<Entry>,
    /// What was looked for last.
    found: Option<find::Found>,
    /// Of what a history is kept, here and there.
    histories: keeping::Histories,
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
            places: Places::default(),
            transfers: BTreeMap::new(),
            last_file: 0,
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
            histories: keeping::Histories::default(),
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

    /// What is said under an entry; nothing for what waits, or where nothing was said yet.
    pub(crate) fn conversation(&self, entry: &Entry) -> Option<&Conversation> {
        self.conversations.get(entry)
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
            Some(
                Cover::Help { .. }
                | Cover::Card
                | Cover::Invitation { .. }
                | Cover::Lists { .. }
                | Cover::Members { .. }
                | Cover::Identity { .. }
                | Cover::Found { .. },
            ) => Place::Helping,
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

    fn conversation_mut(&mut self, entry: &Entry) -> &mut Conversation {
        self.conversations.entry(entry.clone()).or_default()
    }

    fn open_conversation(&mut self) -> Option<&mut Conversation> {
        let entry = self.selected.clone().filter(|entry| matches!(entry, Entry::Person(_) | Entry::Room(_)))?;
        Some(self.conversation_mut(&entry))
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
