//! Of whom a history is kept, and for how long.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Row};

use crate::store::at;
use crate::{History, HistoryError};

/// The longest name of a conversation: an address, or a room's identifier or name (bytes).
pub const MAX_NAME_BYTES: usize = 320;
/// The longest time for which texts are kept (days): a hundred years.
pub const MAX_DAYS: u32 = 36_525;

/// With whom: her address, as it is written canonically, or the room's identifier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conversation {
    /// With one person.
    Person(String),
    /// In a room. Its identifier is that of this one room; when it is closed, no other will have it.
    Room(String),
}

/// What is kept of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub conversation: Conversation,
    /// What a room is called; empty for a person.
    pub title: String,
    /// Whether new texts are kept.
    pub keeps: bool,
    /// After how many days they are erased; `None` for never.
    pub days: Option<u32>,
    /// How many there are.
    pub entries: u64,
    /// When the first and the last came (milliseconds since 1970).
    pub span: Option<(i64, i64)>,
}

impl Conversation {
    pub(crate) fn kind(&self) -> i64 {
        match self {
            Self::Person(_) => 0,
            Self::Room(_) => 1,
        }
    }

    /// The address or identifier.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Person(name) | Self::Room(name) => name,
        }
    }

    pub(crate) fn of(kind: i64, name: String) -> Self {
        if kind == 0 { Self::Person(name) } else { Self::Room(name) }
    }
}

impl History {
    /// Keeps what is said in this conversation from now on, or no longer. What was kept stays.
    ///
    /// # Errors
    /// A name is too long, or it cannot be written.
    pub fn keep(&self, conversation: &Conversation, title: &str, keeps: bool) -> Result<(), HistoryError> {
        for name in [conversation.name(), title] {
            if name.len() > MAX_NAME_BYTES {
                return Err(HistoryError::Limit { expected: "a name of at most 320 bytes", found: name.len() });
            }
        }
        let kept = "INSERT INTO conversations (kind, name, title, keeps) VALUES (?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET keeps = excluded.keeps, title = excluded.title";
        let values = (conversation.kind(), conversation.name(), title, keeps);
        self.connection.execute(kept, values).map(drop).map_err(|error| at(&self.path, error))
    }

    /// Keeps texts of this conversation for so many days; without, until they are erased. [`History::expire`] erases.
    ///
    /// # Errors
    /// Nothing was ever kept of it, more than [`MAX_DAYS`], or it cannot be written.
    pub fn retain(&self, conversation: &Conversation, days: Option<u32>) -> Result<(), HistoryError> {
        if let Some(days) = days.filter(|days| !(1..=MAX_DAYS).contains(days)) {
            return Err(HistoryError::Limit { expected: "1 to 36525 days", found: days as usize });
        }
        let set = "UPDATE conversations SET days = ? WHERE kind = ? AND name = ?";
        let changed = self.connection.execute(set, (days, conversation.kind(), conversation.name()));
        match changed.map_err(|error| at(&self.path, error))? {
            0 => Err(HistoryError::NoConversation(conversation.name().to_owned())),
            _ => Ok(()),
        }
    }

    /// Everything of which something is, was or is to be kept, persons first.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn list(&self) -> Result<Vec<Kept>, HistoryError> {
        let all = "SELECT kind, name, title, keeps, days, count(e.id), min(e.at), max(e.at) FROM conversations c
            LEFT JOIN entries e ON e.conversation = c.id GROUP BY c.id ORDER BY kind, name";
        let mut statement = self.connection.prepare_cached(all)?;
        let rows = statement.query_map([], kept)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Of which conversations new texts are kept, and for how many days.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn keeping(&self) -> Result<BTreeMap<Conversation, Option<u32>>, HistoryError> {
        let mut statement = self.connection.prepare_cached("SELECT kind, name, days FROM conversations WHERE keeps")?;
        let rows = statement.query_map([], |row| Ok((Conversation::of(row.get(0)?, row.get(1)?), row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whether new texts of this conversation are kept.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn keeps(&self, conversation: &Conversation) -> Result<bool, HistoryError> {
        let one = "SELECT keeps FROM conversations WHERE kind = ? AND name = ?";
        let mut statement = self.connection.prepare_cached(one)?;
        let keeps = statement.query_row((conversation.kind(), conversation.name()), |row| row.get(0)).optional()?;
        Ok(keeps.unwrap_or(false))
    }

    /// The number of a conversation in the database, if anything was ever kept of it.
    pub(crate) fn number_of(&self, conversation: &Conversation) -> Result<Option<i64>, HistoryError> {
        let one = "SELECT id FROM conversations WHERE kind = ? AND name = ?";
        let mut statement = self.connection.prepare_cached(one)?;
        Ok(statement.query_row((conversation.kind(), conversation.name()), |row| row.get(0)).optional()?)
    }

    pub(crate) fn known(&self, conversation: &Conversation) -> Result<i64, HistoryError> {
        let none = || HistoryError::NoConversation(conversation.name().to_owned());
        self.number_of(conversation)?.ok_or_else(none)
    }
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let (first, last): (Option<i64>, Option<i64>) = (row.get(6)?, row.get(7)?);
    Ok(Kept {
        conversation: Conversation::of(row.get(0)?, row.get(1)?),
        title: row.get(2)?,
        keeps: row.get(3)?,
        days: row.get(4)?,
        entries: row.get::<_, i64>(5)?.unsigned_abs(),
        span: first.zip(last),
    })
}
