//! Questions and changes, put to SQLite: all statements are prepared once per connection.

use rusqlite::{Connection, params_from_iter};

use super::columns::{self, Statement};
use super::fields::Fields;
use super::questions::{Question, question};
use super::record::Record;
use super::value::Value;
use super::{Change, KeyDigest, Select, StoreError};

pub(super) fn unavailable(error: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// What is unique stays so: whoever came second changes no row.
const UPDATE: &str = "UPDATE OR IGNORE";

/// Applies one change inside a transaction. Answers how many certificates' openings it erased.
pub(super) fn apply(connection: &Connection, change: &Change) -> Result<usize, StoreError> {
    match change {
        // Written often, it stays the one record.
        Change::Insert(Record::CompromisedKey(key)) => write_compromised_key(connection, *key).map(|_| 0),
        Change::Insert(record) => match execute(connection, &columns::row(record).insert())? {
            0 => Err(StoreError::Taken(columns::kind(record))),
            _ => Ok(0),
        },
        Change::Update(record) => match execute(connection, &columns::row(record).update(UPDATE))? {
            0 => Err(StoreError::Conflict(columns::kind(record))),
            _ => Ok(0),
        },
        Change::Forget { expired_before } => {
            columns::forget(*expired_before).iter().try_fold(0, |_, statement| execute(connection, statement))?;
            Ok(0)
        }
        Change::Erase { ended_before, of } => {
            execute(connection, &columns::erase(*ended_before, of.as_ref().map(|of| of.as_str())))
        }
    }
}

pub(super) fn write_compromised_key(connection: &Connection, key: KeyDigest) -> Result<usize, StoreError> {
    execute(connection, &columns::row(&Record::CompromisedKey(key)).insert())
}

/// Rows changed.
fn execute(connection: &Connection, Statement { sql, values }: &Statement<'_>) -> Result<usize, StoreError> {
    let done = connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params_from_iter(values)));
    done.map_err(|e| unavailable(&e))
}

/// Answers one question.
pub(super) fn read(connection: &Connection, select: &Select) -> Result<Vec<Record>, StoreError> {
    ask(connection, &question(select))
}

pub(super) fn ask(connection: &Connection, question: &Question<'_>) -> Result<Vec<Record>, StoreError> {
    let Statement { sql, values } = &question.statement;
    let mut statement = connection.prepare_cached(sql).map_err(|e| unavailable(&e))?;
    let mut found = statement.query(params_from_iter(values)).map_err(|e| unavailable(&e))?;
    let mut out = Vec::new();
    while let Some(row) = found.next().map_err(|e| unavailable(&e))? {
        out.push(question.record(row)?);
    }
    Ok(out)
}

impl Fields for rusqlite::Row<'_> {
    fn value(&self, column: &str) -> Result<Value<'static>, String> {
        self.get(column).map_err(|error| error.to_string())
    }
}

/// SQLite's integers are signed; none of ours comes near the top.
pub(super) fn seconds(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
