//! Texts: added, changed by marks, and read page by page.

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::store::at;
use crate::{Conversation, History, HistoryError, MAX_PAGE, MAX_TEXT_BYTES};

/// How far a text of one's own got. Others' are always delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing is known yet, and nothing will be if the program has ended.
    Sending,
    /// The other device said so; in a room, one did.
    Delivered,
    /// It was not, for certain.
    NotDelivered,
    /// It left, and nobody said that it arrived.
    Unknown,
}

/// Names a text within the run of the program that keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number<'a> {
    /// The address of who wrote it; `None` for the person herself.
    pub sender: Option<&'a str>,
    /// Its number, unique for who wrote it.
    pub number: u64,
}

/// A text to be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct New<'a> {
    /// When (milliseconds since 1970).
    pub at: i64,
    /// The address of who wrote it; `None` for the person herself.
    pub sender: Option<&'a str>,
    /// Its number.
    pub number: u64,
    /// How far it got.
    pub state: State,
    /// The text, at most [`MAX_TEXT_BYTES`].
    pub text: &'a str,
}

/// A text that was kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in this history: later ones are larger.
    pub id: i64,
    /// When (milliseconds since 1970).
    pub at: i64,
    /// The address of who wrote it; `None` for the person herself.
    pub sender: Option<String>,
    /// How far it got.
    pub state: State,
    /// The text as it stands now.
    pub text: String,
    /// When its author changed it last.
    pub edited: Option<i64>,
    /// When its author asked to delete it.
    pub deleted: Option<i64>,
}

/// What stood there before an edit.
#[derive(Clone, PartialEq, Eq)]
pub struct Earlier {
    /// When it was replaced (milliseconds since 1970).
    pub at: i64,
    /// The text.
    pub text: String,
}

/// The columns of [`Entry`], in order.
pub(crate) const COLUMNS: &str = "e.id, e.at, e.sender, e.state, e.text, e.edited, e.deleted";

impl History {
    /// Keeps a text, if its conversation is one of which texts are kept; whether it is. The same number again, in the same
    /// run, is the same text sent again: its state counts from now on.
    ///
    /// # Errors
    /// The text is too long, or it cannot be written: nothing was.
    pub fn add(&mut self, conversation: &Conversation, new: &New<'_>) -> Result<bool, HistoryError> {
        Ok(self.add_all(conversation, std::slice::from_ref(new))? == 1)
    }

    /// The same for many, all or none; how many were new.
    ///
    /// # Errors
    /// As [`History::add`].
    pub fn add_all(&mut self, conversation: &Conversation, new: &[New<'_>]) -> Result<usize, HistoryError> {
        let path = self.path.clone();
        let added = self.added(conversation, new);
        added.map_err(|error| crate::store::placed(&path, error))
    }

    fn added(&mut self, conversation: &Conversation, new: &[New<'_>]) -> Result<usize, HistoryError> {
        if let Some(long) = new.iter().find(|new| new.text.len() > MAX_TEXT_BYTES) {
            return Err(HistoryError::Limit { expected: "a text of at most 32768 bytes", found: long.text.len() });
        }
        let Some(place) = self.number_of(conversation)? else { return Ok(0) };
        let run = self.run;
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let keeps: bool =
            transaction.query_row("SELECT keeps FROM conversations WHERE id = ?", [place], |row| row.get(0))?;
        let mut added = 0;
        if keeps {
            let again = "UPDATE entries SET state = ?, at = ? WHERE conversation = ? AND run = ? AND number = ? AND sender IS NULL";
            let insert = "INSERT INTO entries (id, conversation, at, sender, run, number, state, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
            let mut id = next(&transaction)?;
            let (mut again, mut insert) = (transaction.prepare_cached(again)?, transaction.prepare_cached(insert)?);
            for one in new {
                let (number, state) = (one.number.cast_signed(), one.state.code());
                // One's own may be sent again under its number. The number of another's is that of a run of hers, of which there
                // may have been several; what came twice of those was told from the first by whoever shows it.
                if one.sender.is_some() || again.execute((state, one.at, place, run, number))? == 0 {
                    insert.execute((id, place, one.at, one.sender, run, number, state, one.text))?;
                    (id, added) = (id + 1, added + 1);
                }
            }
        }
        transaction.commit()?;
        Ok(added)
    }

    /// How far a text of this run got; whether it is kept here.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn progress(&self, conversation: &Conversation, number: u64, state: State) -> Result<bool, HistoryError> {
        let Some(place) = self.number_of(conversation)? else { return Ok(false) };
        let set = "UPDATE entries SET state = ? WHERE conversation = ? AND run = ? AND number = ? AND sender IS NULL AND state <> 1";
        let mut statement = self.connection.prepare_cached(set)?;
        let changed = statement.execute((state.code(), place, self.run, number.cast_signed()));
        Ok(changed.map_err(|error| at(&self.path, error))? > 0)
    }

    /// Another text stands in place of one of this run from now on; what stood there is kept beside it.
    ///
    /// # Errors
    /// The text is too long, or it cannot be written.
    pub fn edit(
        &mut self,
        conversation: &Conversation,
        of: Number<'_>,
        text: &str,
        now: i64,
    ) -> Result<bool, HistoryError> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(HistoryError::Limit { expected: "a text of at most 32768 bytes", found: text.len() });
        }
        let Some(id) = self.find(conversation, of)? else { return Ok(false) };
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute("INSERT INTO earlier SELECT id, ?, text FROM entries WHERE id = ?", (now, id))?;
        transaction.execute("UPDATE entries SET text = ?, edited = ? WHERE id = ?", (text, now, id))?;
        transaction.commit()?;
        Ok(true)
    }

    /// Its author asked to delete a text of this run. It stays, marked: it was read, and who threatens somebody must not be
    /// able to take the proof away. [`History::erase`] is the person's own.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn mark_deleted(&self, conversation: &Conversation, of: Number<'_>, now: i64) -> Result<bool, HistoryError> {
        let Some(id) = self.find(conversation, of)? else { return Ok(false) };
        let changed = self.connection.execute("UPDATE entries SET deleted = ? WHERE id = ?", (now, id));
        Ok(changed.map_err(|error| at(&self.path, error))? > 0)
    }

    fn find(&self, conversation: &Conversation, of: Number<'_>) -> Result<Option<i64>, HistoryError> {
        let Some(place) = self.number_of(conversation)? else { return Ok(None) };
        let one = "SELECT id FROM entries WHERE conversation = ? AND run = ? AND number = ? AND sender IS ?
            ORDER BY id DESC LIMIT 1";
        let mut statement = self.connection.prepare_cached(one)?;
        let found = statement.query_row((place, self.run, of.number.cast_signed(), of.sender), |row| row.get(0));
        Ok(found.optional()?)
    }

    /// The last `limit` texts that came before the entry `before` (or the last of all), oldest first.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn page(
        &self,
        conversation: &Conversation,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<Entry>, HistoryError> {
        let place = self.known(conversation)?;
        let page =
            format!("SELECT {COLUMNS} FROM entries e WHERE conversation = ? AND id < ? ORDER BY id DESC LIMIT ?");
        let mut statement = self.connection.prepare_cached(&page)?;
        let limit = limit.min(MAX_PAGE) as i64;
        let rows = statement.query_map((place, before.unwrap_or(i64::MAX), limit), entry)?;
        let mut page: Vec<Entry> = rows.collect::<Result<_, _>>()?;
        page.reverse();
        Ok(page)
    }

    /// What stood in place of an entry before, oldest first.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn earlier(&self, entry: i64) -> Result<Vec<Earlier>, HistoryError> {
        let all = "SELECT at, text FROM earlier WHERE entry = ? ORDER BY rowid";
        let mut statement = self.connection.prepare_cached(all)?;
        let rows = statement.query_map([entry], |row| Ok(Earlier { at: row.get(0)?, text: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The number of the entry that will be added next: all that are there now have lower ones.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn next(&self) -> Result<i64, HistoryError> {
        next(&self.connection)
    }
}

/// The number after the highest that is, or was, an entry's.
fn next(connection: &Connection) -> Result<i64, HistoryError> {
    let last = "SELECT max(coalesce((SELECT max(id) FROM entries), 0), (SELECT erased FROM runs)) + 1";
    Ok(connection.prepare_cached(last)?.query_row([], |row| row.get(0))?)
}

impl State {
    fn code(self) -> i64 {
        match self {
            Self::Sending => 0,
            Self::Delivered => 1,
            Self::NotDelivered => 2,
            Self::Unknown => 3,
        }
    }

    fn of(code: i64) -> Self {
        match code {
            0 => Self::Sending,
            1 => Self::Delivered,
            2 => Self::NotDelivered,
            _ => Self::Unknown,
        }
    }

    /// As exports write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::NotDelivered => "not_delivered",
            Self::Unknown => "unknown",
        }
    }
}

pub(crate) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: row.get(0)?,
        at: row.get(1)?,
        sender: row.get(2)?,
        state: State::of(row.get(3)?),
        text: row.get(4)?,
        edited: row.get(5)?,
        deleted: row.get(6)?,
    })
}

/// Without texts.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({}, {:?})", self.id, self.state)
    }
}

/// The same.
impl std::fmt::Debug for New<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "New({}, {:?})", self.number, self.state)
    }
}

/// The same.
impl std::fmt::Debug for Earlier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Earlier({})", self.at)
    }
}
