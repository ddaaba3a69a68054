//! The list on the left, and what stands in it: people, rooms, and what waits for a yes or no.

use identity::Identifier;
use identity::trust::Fingerprint;
use jiff::civil::DateTime;
use messenger_engine::{CallId, Peer, Purpose, RoomId, RoomSuite, Seen, Via};

use super::{App, Pane};
use crate::contacts::about::About;

/// Knocks and invitations that may wait at once; further ones are declined, or strangers could fill the screen.
pub(super) const MAX_WAITING: usize = 20;

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
    /// Until when the certificate for mail counts that a device of hers told, in seconds since 1970.
    pub(crate) mail_until: Option<u64>,
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
    /// What it is about; empty if nothing is said of that.
    pub(crate) topic: String,
    pub(crate) locked: bool,
    /// Whether it has no post-quantum keys.
    pub(crate) classical: bool,
    pub(crate) owners: Vec<Identifier>,
    pub(crate) moderators: Vec<Identifier>,
    /// Who is writing there, since when the others.
    pub(crate) typing: Vec<Identifier>,
    /// Whose devices are not reached now, as often as there are such devices.
    pub(crate) unreached: Vec<Identifier>,
    /// Who is reached by way of whom.
    pub(crate) via: Vec<Via>,
    /// Why it is no more.
    pub(crate) closed: Option<String>,
}

impl Room {
    /// One of which no more is known.
    pub(crate) fn new(name: String, host: Identifier) -> Self {
        let (members, owners, moderators) = (Vec::new(), Vec::new(), Vec::new());
        let (typing, unreached, code, topic) = (Vec::new(), Vec::new(), String::new(), String::new());
        let (epoch, locked, classical, closed) = (0, false, false, None);
        Self {
            name,
            host,
            members,
            epoch,
            code,
            topic,
            locked,
            classical,
            owners,
            moderators,
            typing,
            via: Vec::new(),
            unreached,
            closed,
        }
    }

    /// What somebody may do in it, if it is more than others may.
    pub(crate) fn role(&self, who: &Identifier) -> Option<&'static str> {
        match (self.owners.contains(who), self.moderators.contains(who)) {
            (true, _) => Some("owner"),
            (_, true) => Some("moderator"),
            _ => None,
        }
    }
}

/// What waits behind the curtain for a yes or no.
#[derive(Debug, Clone)]
pub(crate) enum Waiting {
    Knock { call: CallId, from: Identifier, purpose: Purpose },
    Invitation { room: RoomId, name: String, from: Identifier, members: Vec<Identifier>, suite: RoomSuite },
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

impl App {
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

    /// The entry that waits, if the chosen one does.
    pub(crate) fn curtain(&self) -> Option<&Waiting> {
        let selected = self.selected.as_ref()?;
        self.waiting.iter().find(|one| one.entry() == *selected)
    }

    /// Whether the chosen person is a contact who seems offline and never showed herself. She may be there and not have
    /// added us: then only a knock reaches her.
    pub(crate) fn seems_offline(&self) -> bool {
        match &self.selected {
            Some(Entry::Person(who)) => self.people.get(who).is_some_and(Person::never_showed_herself),
            _ => false,
        }
    }

    /// Chooses an entry; what was unread there is read.
    pub(super) fn select(&mut self, entry: Entry) {
        if let Some(conversation) = self.conversations.get_mut(&entry) {
            conversation.unread = 0;
            conversation.announced = false;
        }
        self.selected = Some(entry);
    }

    /// Goes down or up in the list, stopping at its ends.
    pub(super) fn step(&mut self, by: isize) {
        let list = self.list();
        let at = list.iter().position(|(_, entry)| Some(entry) == self.selected.as_ref());
        let to = match at {
            Some(at) => at.saturating_add_signed(by).min(list.len() - 1),
            None => 0,
        };
        if let Some((_, entry)) = list.into_iter().nth(to) {
            self.select(entry);
        }
        if !self.writable() {
            self.pane = Pane::List;
        }
    }

    /// After `gone` went: something that is still there is chosen.
    pub(super) fn reselect(&mut self, gone: &Entry) {
        if self.selected.as_ref() == Some(gone) {
            match self.list().into_iter().next() {
                Some((_, entry)) => self.select(entry),
                None => self.selected = None,
            }
            self.pane = Pane::List;
        }
    }

    /// A person in the list, there from now on.
    pub(super) fn person_mut(&mut self, who: &Identifier) -> &mut Person {
        self.people.entry(who.clone()).or_default()
    }
}

impl Person {
    pub(super) fn called(&self, who: &Identifier) -> String {
        self.about.name.as_ref().map_or_else(|| who.to_string(), ToString::to_string)
    }

    /// A contact whom we have not seen online since the program started, and do not see now.
    pub(super) fn never_showed_herself(&self) -> bool {
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
