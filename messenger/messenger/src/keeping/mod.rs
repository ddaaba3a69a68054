//! The history on this device, for those conversations of which the person asked for one: `messenger/history` in her folder.
//!
//! Without one this module touches no disk. What is kept and how is the crate `history`'s; here is who asks for it: which
//! commands and events of the engine it hears of ([`recording`]), what is said when it fails, and the command line
//! ([`commands`]). A history that does not open takes nobody's messenger away: it is told, and nothing is kept meanwhile.

pub(crate) mod commands;
mod recording;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ::history::{Conversation, Entry, Folder, History, HistoryError, KeyPlace};
use device::Home;
use identity::Identifier;
use key_store::{Passphrase, PassphraseError, PassphraseSource};
use messenger_engine::{Command, Event, RoomId};

use recording::UnderWay;

/// How often it is looked for what has been kept long enough (milliseconds).
const EXPIRE_EVERY_MS: i64 = 60 * 60 * 1000;
/// How often it is looked for what another program has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often somebody at a terminal may type the passphrase.
const TRIES: usize = 3;
/// What the passphrase is for, where it is asked for.
const WHAT: &str = "your history";
/// What is said in a room of which a history is kept, to those who are in and to whoever comes: there is no sign for it there.
pub(crate) const SAID_IN_ROOMS: &str = "I keep a history of this room on my device.";

/// The history, if there is one, and what goes into it.
#[derive(Debug)]
pub(crate) struct Keeper {
    folder: Folder,
    history: Option<History>,
    /// Of what texts are kept, as far as this run knows and has told: what another program switches on meanwhile is kept from
    /// the moment on in which it is [taken up](Self::take_up), and told.
    asked: BTreeSet<Conversation>,
    /// The database as it was when that was read.
    version: i64,
    /// Entries from here on came in this run.
    since: i64,
    under_way: UnderWay,
    /// Who was in the rooms when the engine told it last.
    members: BTreeMap<RoomId, Vec<Identifier>>,
    expired: i64,
    /// What went wrong last: told once.
    told: Option<String>,
}

/// Of which conversations texts are kept from now on, and of which no longer.
pub(crate) type Changed = Vec<(Conversation, bool)>;

/// Where the history of a person lies.
pub(crate) fn folder(home: &Home) -> Folder {
    Folder::at(home.folder().join("messenger/history"))
}

impl Keeper {
    /// Opens the history, if there is one. What is wrong with it is told beside; nothing is kept then.
    pub(crate) fn open(home: &Home, source: Option<&PassphraseSource>, now: i64) -> (Self, Option<HistoryError>) {
        let mut keeper = Self::closed(folder(home));
        if !keeper.folder.exists() {
            return (keeper, None);
        }
        let opened = opened(&keeper.folder, source).and_then(|history| keeper.begin(history, now));
        (keeper, opened.err())
    }

    /// One that keeps nothing.
    pub(crate) fn none(home: &Home) -> Self {
        Self::closed(folder(home))
    }

    fn closed(folder: Folder) -> Self {
        Self {
            folder,
            history: None,
            asked: BTreeSet::new(),
            version: 0,
            since: 0,
            under_way: UnderWay::default(),
            members: BTreeMap::new(),
            expired: 0,
            told: None,
        }
    }

    /// Makes a history; on disk when this returns.
    pub(crate) fn create(&mut self, home: &Home, place: KeyPlace<'_>, now: i64) -> Result<(), HistoryError> {
        let history = create(home, place)?;
        self.begin(history, now)
    }

    fn begin(&mut self, mut history: History, now: i64) -> Result<(), HistoryError> {
        history.begin_run()?;
        history.expire(now)?;
        self.expired = now;
        self.since = history.next()?;
        self.version = history.version()?;
        self.asked = history.keeping()?.into_keys().collect();
        self.history = Some(history);
        Ok(())
    }

    /// What another program (`messenger history on`) has changed since: of which conversations texts are kept from now on, and
    /// of which no longer. Nothing if nothing was written; cheap enough to be asked now and then. What is wrong is told once.
    pub(crate) fn take_up(&mut self) -> (Option<Changed>, Option<Event>) {
        match self.taken_up() {
            Ok(changed) => (changed, None),
            Err(error) => (None, self.trouble(Err(error))),
        }
    }

    fn taken_up(&mut self) -> Result<Option<Changed>, HistoryError> {
        let Some(history) = &self.history else { return Ok(None) };
        let version = history.version()?;
        if version == self.version {
            return Ok(None);
        }
        let keeping: BTreeSet<Conversation> = history.keeping()?.into_keys().collect();
        let changed = keeping.symmetric_difference(&self.asked).map(|one| (one.clone(), keeping.contains(one)));
        let changed = changed.collect();
        (self.version, self.asked) = (version, keeping);
        Ok(Some(changed))
    }

    /// Whether one is open.
    pub(crate) fn is_open(&self) -> bool {
        self.history.is_some()
    }

    /// Whether one is there, open or not.
    pub(crate) fn exists(&self) -> bool {
        self.folder.exists()
    }

    /// Of what new texts are kept, and for how many days.
    pub(crate) fn keeping(&self) -> Result<BTreeMap<Conversation, Option<u32>>, HistoryError> {
        self.history.as_ref().map_or_else(|| Ok(BTreeMap::new()), History::keeping)
    }

    /// What the engine has to tell others from the start.
    pub(crate) fn to_tell(&self) -> Vec<Command> {
        let keeping = self.keeping().unwrap_or_default().into_keys();
        keeping.filter_map(|conversation| tell(&conversation, true)).collect()
    }

    /// What is to be said to those whom a change that was [taken up](Self::take_up) concerns.
    pub(crate) fn to_say(&self, conversation: &Conversation, keeps: bool) -> Option<Command> {
        match conversation {
            Conversation::Person(_) => tell(conversation, keeps),
            Conversation::Room(room) => room.parse().ok().filter(|_| keeps).and_then(|room| self.to_say_in(room)),
        }
    }

    /// What is to be said to whoever is new in a room of which texts are kept. For who hears every event.
    pub(crate) fn hear_who_comes(&mut self, event: &Event) -> Option<Command> {
        match event {
            Event::Room { room, members, .. } => {
                let before = self.members.insert(*room, members.clone()).unwrap_or_default();
                let came = members.iter().any(|who| !before.contains(who));
                let kept = self.asked.contains(&Conversation::Room(room.to_string()));
                self.to_say_in(*room).filter(|_| came && kept)
            }
            Event::RoomClosed { room, .. } => {
                self.members.remove(room);
                None
            }
            _ => None,
        }
    }

    fn to_say_in(&self, room: RoomId) -> Option<Command> {
        let others = self.members.get(&room).is_some_and(|members| members.len() > 1);
        others.then(|| Command::RoomSend { room, text: SAID_IN_ROOMS.to_owned(), id: None, reply_to: None })
    }

    /// Keeps what is said there from now on, or no longer.
    pub(crate) fn keep(&mut self, conversation: &Conversation, title: &str, keeps: bool) -> Result<(), HistoryError> {
        self.opened()?.keep(conversation, title, keeps)?;
        if keeps {
            self.asked.insert(conversation.clone());
        } else {
            self.asked.remove(conversation);
        }
        Ok(())
    }

    /// For so many days.
    pub(crate) fn retain(
        &mut self,
        conversation: &Conversation,
        days: Option<u32>,
        now: i64,
    ) -> Result<u64, HistoryError> {
        self.opened()?.retain(conversation, days)?;
        self.history.as_mut().map_or(Ok(0), |history| history.expire(now))
    }

    /// Texts that came before `before`, or before this run.
    pub(crate) fn older(&self, conversation: &Conversation, before: Option<i64>) -> Result<Vec<Entry>, HistoryError> {
        self.opened()?.page(conversation, Some(before.unwrap_or(self.since)), 200)
    }

    /// Texts with these words, newest first.
    pub(crate) fn find(&self, conversation: &Conversation, needle: &str) -> Result<Vec<Entry>, HistoryError> {
        let found = self.opened()?.search(needle, Some(conversation), None, 100)?;
        Ok(found.into_iter().map(|found| found.entry).collect())
    }

    fn opened(&self) -> Result<&History, HistoryError> {
        let none = || match self.exists() {
            true => HistoryError::NotOpen,
            false => HistoryError::None(self.folder.path().to_owned()),
        };
        self.history.as_ref().ok_or_else(none)
    }

    /// What is said of something that was not kept: once, until something was kept again.
    fn trouble(&mut self, result: Result<(), HistoryError>) -> Option<Event> {
        let error = match result {
            Ok(()) => {
                self.told = None;
                return None;
            }
            Err(error) => error,
        };
        let message = format!("not kept: {error}");
        if self.told.as_ref() == Some(&message) {
            return None;
        }
        self.told = Some(message.clone());
        Some(Event::Error { about: "history".to_owned(), message, remedy: error.remedy().to_owned() })
    }
}

/// Opens a history. Somebody at a terminal may mistype its passphrase.
pub(crate) fn opened(folder: &Folder, source: Option<&PassphraseSource>) -> Result<History, HistoryError> {
    let ask = PassphraseSource::Ask;
    let source = source.unwrap_or(&ask);
    let mut tries = if *source == PassphraseSource::Ask { TRIES } else { 1 };
    let mut what = WHAT;
    loop {
        tries -= 1;
        match folder.open(&mut || source.read(what)) {
            Err(HistoryError::WrongPassphrase) if tries > 0 => what = "your history (that was not it)",
            other => return other,
        }
    }
}

/// A new passphrase for the history.
pub(crate) fn new_passphrase(source: Option<&PassphraseSource>) -> Result<Passphrase, PassphraseError> {
    source.unwrap_or(&PassphraseSource::Ask).read_new(WHAT)
}

pub(crate) fn create(home: &Home, place: KeyPlace<'_>) -> Result<History, HistoryError> {
    if let Err(error) = home.messenger_folder() {
        let path = home.folder().to_owned();
        return Err(match error {
            device::HomeError::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                HistoryError::Full
            }
            _ => HistoryError::ReadOnly(path),
        });
    }
    folder(home).create(place, &random(), &random())
}

pub(crate) fn random() -> [u8; 32] {
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).expect("the system gives random bytes");
    random
}

/// The conversation with somebody.
pub(crate) fn with(who: &Identifier) -> Conversation {
    Conversation::Person(who.as_str().to_owned())
}

/// What the engine tells somebody about it. Of rooms nothing is told in this way.
fn tell(conversation: &Conversation, keeps: bool) -> Option<Command> {
    match conversation {
        Conversation::Person(who) => Some(Command::KeepHistory { who: who.clone(), keeps }),
        Conversation::Room(_) => None,
    }
}

/// Ticks when it is time to [take up](Keeper::take_up) what another program has changed.
pub(crate) fn looking() -> tokio::time::Interval {
    let mut looking = tokio::time::interval(LOOK_EVERY);
    // After a sleep once is enough.
    looking.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    looking
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests;
