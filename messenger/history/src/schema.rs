//! The tables, and how a history of an earlier version becomes one of this.

use std::path::Path;

use rusqlite::Connection;

use crate::HistoryError;
use crate::key::Key;
use crate::store::{connect, set_up};

/// `application_id`: "IPhi".
const APPLICATION: i32 = 0x4950_6869;

/// Each step makes a history one version newer; the first makes an empty file one.
const STEPS: &[&str] = &[FIRST, NO_NUMBER_TWICE];

const FIRST: &str = "
-- Which run of the program was the last to write: numbers of texts are unique within one.
CREATE TABLE runs (last INTEGER NOT NULL) STRICT;
INSERT INTO runs VALUES (0);

CREATE TABLE conversations (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,              -- 0: with a person, 1: in a room
    name TEXT NOT NULL,                 -- her address; the room's identifier
    title TEXT NOT NULL,                -- what the room is called
    keeps INTEGER NOT NULL,             -- whether new texts are kept
    days INTEGER,                       -- for how long; NULL: until they are erased
    UNIQUE (kind, name)
) STRICT;

CREATE TABLE entries (
    id INTEGER PRIMARY KEY,             -- in the order in which they came
    conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
    at INTEGER NOT NULL,                -- milliseconds since 1970
    sender TEXT,                        -- an address; NULL: the person herself
    run INTEGER NOT NULL,
    number INTEGER NOT NULL,            -- the text's own, within its run
    state INTEGER NOT NULL,             -- of her own: 0 sending, 1 delivered, 2 not delivered, 3 unknown
    text TEXT NOT NULL,
    edited INTEGER,                     -- when another text took its place
    deleted INTEGER                     -- when its author asked to delete it
) STRICT;
CREATE INDEX entries_in_order ON entries (conversation, id);
CREATE INDEX entries_by_number ON entries (conversation, run, number);
CREATE INDEX entries_by_age ON entries (conversation, at);

-- What stood there before an edit.
CREATE TABLE earlier (
    entry INTEGER NOT NULL REFERENCES entries ON DELETE CASCADE,
    at INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX earlier_of ON earlier (entry);

-- Words. `place` is a word that names the conversation, so that looking into one is a search for two words.
CREATE VIEW searchable AS SELECT id, 'c' || conversation AS place, text FROM entries;
CREATE VIRTUAL TABLE words USING fts5(
    place, text, content = 'searchable', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
    INSERT INTO words (rowid, place, text) VALUES (new.id, 'c' || new.conversation, new.text);
END;
CREATE TRIGGER entry_erased AFTER DELETE ON entries BEGIN
    INSERT INTO words (words, rowid, place, text) VALUES ('delete', old.id, 'c' || old.conversation, old.text);
END;
CREATE TRIGGER entry_edited AFTER UPDATE OF text ON entries BEGIN
    INSERT INTO words (words, rowid, place, text) VALUES ('delete', old.id, 'c' || old.conversation, old.text);
    INSERT INTO words (rowid, place, text) VALUES (new.id, 'c' || new.conversation, new.text);
END;
";

/// Numbers of entries that were erased are given to no other: whoever remembers one of them means what came before or after.
const NO_NUMBER_TWICE: &str = "
ALTER TABLE runs ADD COLUMN erased INTEGER NOT NULL DEFAULT 0; -- the highest number of an entry that was erased
";

/// The newest version that is known.
pub(crate) fn newest() -> i32 {
    i32::try_from(STEPS.len()).expect("a handful of versions")
}

/// Makes an empty file a history.
pub(crate) fn found(path: &Path, key: &Key) -> Result<(), HistoryError> {
    let mut connection = connect(path, key)?;
    set_up(&connection)?;
    connection.pragma_update(None, "application_id", APPLICATION)?;
    migrate(&mut connection)?;
    connection.close().map_err(|(_, error)| error.into())
}

/// Brings a history to this version, in one transaction.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), HistoryError> {
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION {
        return Err(HistoryError::Damaged("it is a database of something else".to_owned()));
    }
    let found = version(connection)?;
    if found > newest() {
        return Err(HistoryError::Newer { known: newest(), found });
    }
    if found == newest() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Another program may have been quicker.
    let found = version(&transaction)?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", newest())?;
    Ok(transaction.commit()?)
}

fn version(connection: &Connection) -> Result<i32, HistoryError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}
