//! The versions of the database, and the ways between them: up when a newer program opens it, down when an operator wants
//! an older program back.
//!
//! A way down never loses anything silently. What the older version cannot hold is counted first, and the way is refused;
//! what it could not even read is never let go of.

use std::collections::HashSet;
use std::path::Path;

use identity::certificate::Certificate;
use rusqlite::Connection;
use serde::Serialize;
use thiserror::Error;

use super::rows::{self, seconds, unavailable};
use super::{KeyDigest, StoreError, sqlite};

/// The schema's version, kept in `user_version`.
pub(super) const VERSION: i64 = STEPS.len() as i64;
/// "INPe", kept in `application_id`: `file ca.sqlite` can tell what it is.
const APPLICATION: i64 = 0x494e_5065;

/// Between a version and the one before it.
struct Step {
    up: &'static str,
    /// None below the first: that is an empty file.
    down: &'static str,
    /// What the version before cannot hold.
    losses: &'static [Loses],
}

/// One thing that a way down loses.
struct Loses {
    what: &'static str,
    /// Counts it; `?1` is the time in seconds.
    count: &'static str,
    /// Whether the operator may agree to it.
    forgettable: bool,
}

const fn loses(what: &'static str, count: &'static str) -> Loses {
    Loses { what, count, forgettable: true }
}

const STEPS: [Step; 10] = [
    Step { up: include_str!("schema.sql"), down: "", losses: &[] },
    // What it loses is found by `untold_keys`.
    Step { up: include_str!("schema-2.sql"), down: include_str!("schema-2-down.sql"), losses: &[] },
    Step { up: include_str!("schema-3.sql"), down: include_str!("schema-3-down.sql"), losses: &[] },
    Step {
        up: include_str!("schema-4.sql"),
        down: include_str!("schema-4-down.sql"),
        losses: &[
            loses(
                "accounts that are bound to an account elsewhere",
                "SELECT count(*) FROM account WHERE external IS NOT NULL AND ?1 >= 0",
            ),
            loses(
                "accounts that agreed to terms of service",
                "SELECT count(*) FROM account WHERE terms IS NOT NULL AND ?1 >= 0",
            ),
            loses(
                "open orders that name the certificate they replace",
                "SELECT count(*) FROM acme_order WHERE replaces IS NOT NULL AND expires > ?1",
            ),
        ],
    },
    Step {
        up: include_str!("schema-5.sql"),
        down: include_str!("schema-5-down.sql"),
        losses: &[
            loses(
                "certificates of which their owners are still to be told",
                "SELECT count(*) FROM certificate WHERE announce AND state = 'issued' AND ?1 >= 0",
            ),
            Loses {
                what: "certificates whose openings were erased, which older programs cannot read",
                count: "SELECT count(*) FROM certificate WHERE state = 'erased' AND ?1 >= 0",
                forgettable: false,
            },
        ],
    },
    Step { up: include_str!("schema-6.sql"), down: include_str!("schema-6-down.sql"), losses: &[] },
    Step { up: include_str!("schema-7.sql"), down: include_str!("schema-7-down.sql"), losses: &[] },
    Step {
        up: include_str!("schema-8.sql"),
        down: include_str!("schema-8-down.sql"),
        losses: &[
            loses(
                "days whose text messages count towards the cap on what they may cost",
                "SELECT count(*) FROM spending WHERE (day + 1) * 86400 > ?1",
            ),
            loses(
                "proofs of control by text message, which are to be made anew",
                "SELECT count(*) FROM authorization WHERE status = 'valid' AND expires > ?1 AND proven_by = 'sms-code-00'",
            ),
        ],
    },
    Step {
        up: include_str!("schema-9.sql"),
        down: include_str!("schema-9-down.sql"),
        losses: &[
            loses(
                "proofs of control by a reply or a log-in, which are to be made anew",
                "SELECT count(*) FROM authorization WHERE status = 'valid' AND expires > ?1
                    AND proven_by IN ('email-reply-00', 'oidc-00')",
            ),
            loses(
                "mails whose reply is waited for",
                "SELECT count(*) FROM authorization WHERE status = 'pending' AND reply_expires > ?1",
            ),
        ],
    },
    Step { up: include_str!("schema-10.sql"), down: include_str!("schema-10-down.sql"), losses: &[] },
];

/// What a way down would lose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// Of what.
    pub what: &'static str,
    /// How many.
    pub count: u64,
    /// Whether the way may be gone all the same.
    pub forgettable: bool,
}

/// Why a database is not of an older version now. It is as it was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DownError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such way.
    #[error("expected a version from 1 to {found}, which the database has; found {to}")]
    NoWay {
        /// The version wanted.
        to: i64,
        /// The database's.
        found: i64,
    },
    /// The older version cannot hold everything.
    #[error("version {to} cannot hold: {}", list(losses))]
    Loses {
        /// The version wanted.
        to: i64,
        /// What would be lost.
        losses: Vec<Loss>,
    },
}

fn list(losses: &[Loss]) -> String {
    losses.iter().map(|loss| format!("{} {}", loss.count, loss.what)).collect::<Vec<_>>().join("; ")
}

/// Brings an open database to the newest version.
pub(super) fn up(connection: &mut Connection) -> Result<(), StoreError> {
    let found = version(connection)?;
    if found > VERSION {
        return Err(StoreError::Newer { expected: VERSION, found });
    }
    if found == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction().map_err(|e| unavailable(&e))?;
    let versioned = || -> rusqlite::Result<()> {
        for (version, step) in (1..).zip(&STEPS) {
            if found < version {
                transaction.execute_batch(step.up)?;
            }
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)
    };
    versioned().map_err(|e| unavailable(&e))?;
    if found < 2 {
        for key in told_keys(&transaction)? {
            rows::write_compromised_key(&transaction, key)?;
        }
    }
    if found < KEYS_FOUND {
        note_keys(&transaction).map_err(|e| unavailable(&e))?;
    }
    transaction.commit().map_err(|e| unavailable(&e))
}

/// Brings the database at `path`, which nobody has open, to the older version `to`. `now` is in seconds since the epoch.
/// What is lost comes back; unless `forget` is set, nothing is.
///
/// # Errors
/// See [`DownError`].
pub fn down(path: &Path, to: i64, now: u64, forget: bool) -> Result<Vec<Loss>, DownError> {
    let (mut connection, _lock) = sqlite::exclusive(path)?;
    let found = version(&connection)?;
    if found > VERSION {
        return Err(StoreError::Newer { expected: VERSION, found }.into());
    }
    if !(1..=found).contains(&to) {
        return Err(DownError::NoWay { to, found });
    }
    let transaction = connection.transaction().map_err(|e| unavailable(&e))?;
    let mut lost = Vec::new();
    for version in (to + 1..=found).rev() {
        let step = &STEPS[usize::try_from(version - 1).unwrap_or_default()];
        lost.extend(losses(&transaction, step, version, now)?);
        transaction.execute_batch(step.down).map_err(|e| unavailable(&e))?;
    }
    if lost.iter().any(|loss| !forget || !loss.forgettable) {
        return Err(DownError::Loses { to, losses: lost });
    }
    transaction.pragma_update(None, "user_version", to).map_err(|e| unavailable(&e))?;
    transaction.commit().map_err(|e| unavailable(&e))?;
    Ok(lost)
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(|e| unavailable(&e))
}

fn losses(connection: &Connection, step: &Step, version: i64, now: u64) -> Result<Vec<Loss>, StoreError> {
    let mut found = Vec::new();
    for loses in step.losses {
        let count: i64 =
            connection.query_row(loses.count, [seconds(now)], |row| row.get(0)).map_err(|e| unavailable(&e))?;
        let count = u64::try_from(count).unwrap_or_default();
        found.push(Loss { what: loses.what, count, forgettable: loses.forgettable });
    }
    if version == 2 {
        let what = "compromised keys of which no revoked certificate tells";
        found.push(Loss { what, count: untold_keys(connection)?, forgettable: true });
    }
    found.retain(|loss| loss.count > 0);
    Ok(found)
}

/// What version 1 does not keep apart: the keys of certificates revoked because their key was compromised.
fn told_keys(connection: &Connection) -> Result<Vec<KeyDigest>, StoreError> {
    let mut statement = connection
        .prepare("SELECT certificate FROM certificate WHERE reason = 1 AND certificate IS NOT NULL")
        .map_err(|e| unavailable(&e))?;
    let found = statement.query_map([], |row| row.get::<_, Vec<u8>>(0)).map_err(|e| unavailable(&e))?;
    let mut keys = Vec::new();
    for der in found {
        let der = der.map_err(|e| unavailable(&e))?;
        let key = Certificate::parse(&der).ok().and_then(|c| KeyDigest::of_key(c.tbs()));
        let damaged = || StoreError::Damaged { table: "certificate", reason: "it does not parse".into() };
        keys.push(key.ok_or_else(damaged)?);
    }
    Ok(keys)
}

/// From this version on a certificate's key stands beside its contents.
const KEYS_FOUND: i64 = 10;
/// So many certificates are read at a time.
const PAGE: usize = 256;

/// What had ended when one of these began has ended now, whatever a clock says: the newest of them began of late.
pub(super) const ENDED_BEFORE: &str = "SELECT coalesce(max(not_before), 0)
    FROM (SELECT not_before FROM certificate ORDER BY number DESC LIMIT 256) AS newest";

/// Notes the keys of certificates from before that. One that has ended needs none, as it speaks no more: an old authority has
/// very many of those, and would not start in time. One whose contents were erased, or do not read back, has none.
fn note_keys(connection: &Connection) -> rusqlite::Result<()> {
    let ended_before: i64 = connection.query_row(ENDED_BEFORE, [], |row| row.get(0))?;
    let mut read = connection.prepare(
        "SELECT number, tbs FROM certificate WHERE number > ?1 AND not_after >= ?3 AND state <> 'erased'
            ORDER BY number LIMIT ?2",
    )?;
    let mut write = connection.prepare("UPDATE certificate SET key_digest = ?2 WHERE number = ?1")?;
    let mut last = 0;
    loop {
        let page =
            read.query_map((last, PAGE, ended_before), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let page = page.collect::<rusqlite::Result<Vec<_>>>()?;
        let Some((number, _)) = page.last() else { return Ok(()) };
        last = *number;
        for (number, tbs) in page {
            if let Some(key) = KeyDigest::of_tbs(&tbs) {
                write.execute((number, key.0))?;
            }
        }
    }
}

/// Keys that would not be found again.
fn untold_keys(connection: &Connection) -> Result<u64, StoreError> {
    let told: HashSet<[u8; 32]> = told_keys(connection)?.into_iter().map(|key| key.0).collect();
    let mut statement = connection.prepare("SELECT digest FROM compromised_key").map_err(|e| unavailable(&e))?;
    let kept = statement.query_map([], |row| row.get::<_, [u8; 32]>(0)).map_err(|e| unavailable(&e))?;
    let kept = kept.collect::<rusqlite::Result<Vec<_>>>().map_err(|e| unavailable(&e))?;
    Ok(kept.iter().filter(|key| !told.contains(*key)).count() as u64)
}

#[cfg(test)]
mod tests;
