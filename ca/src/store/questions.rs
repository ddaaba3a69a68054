//! Questions into statements, the same for either database, and how their rows are read.

use super::columns::Statement;
use super::fields::{self, Fields, Unreadable};
use super::record::Record;
use super::value::Value;
use super::{KEY_COMPROMISE, Select, Serial, StoreError};

/// A statement that asks, and what its rows are.
pub(super) struct Question<'a> {
    pub(super) statement: Statement<'a>,
    read: fn(&dyn Fields) -> Result<Record, Unreadable>,
}

impl<'a> Question<'a> {
    /// The record in a row.
    pub(super) fn record(&self, row: &dyn Fields) -> Result<Record, StoreError> {
        (self.read)(row).map_err(|error| StoreError::Damaged { table: error.table, reason: error.reason })
    }

    fn new(
        sql: &str,
        values: impl IntoIterator<Item = Value<'a>>,
        read: fn(&dyn Fields) -> Result<Record, Unreadable>,
    ) -> Self {
        Self { statement: Statement { sql: sql.to_owned(), values: values.into_iter().collect() }, read }
    }
}

/// What answers `select`.
pub(super) fn question(select: &Select) -> Question<'_> {
    use fields::{account, authorization, certificate, compromised_key, order, spending};
    match select {
        Select::Account(id) => Question::new("SELECT * FROM account WHERE id = ?1", [id.into()], account),
        Select::AccountByThumbprint(print) => {
            Question::new("SELECT * FROM account WHERE thumbprint = ?1", [print.into()], account)
        }
        Select::Order(id) => Question::new("SELECT * FROM acme_order WHERE id = ?1", [id.into()], order),
        Select::OrdersOf { account, after, limit } => {
            let (created, id) = after.as_ref().map_or((u64::MAX, ""), |(created, id)| (*created, id));
            // Ids are drawn at random; they only make the order of orders made in one second a fixed one.
            let sql = "SELECT * FROM acme_order WHERE account = ?1 AND (created, id) < (?2, ?3)
                ORDER BY created DESC, id DESC LIMIT ?4";
            Question::new(sql, [account.into(), created.into(), id.into(), (*limit).into()], order)
        }
        Select::Replacing(serial) => {
            let sql = "SELECT * FROM acme_order WHERE replaces = ?1 AND state != 'invalid'";
            Question::new(sql, [serial.0.into()], order)
        }
        Select::Authorization(id) => {
            Question::new("SELECT * FROM \"authorization\" WHERE id = ?1", [id.into()], authorization)
        }
        Select::ValidAuthorizations { account, identifier, at } => {
            let sql = "SELECT * FROM \"authorization\" WHERE account = ?1 AND identifier = ?2 AND status = 'valid'
                AND expires > ?3 ORDER BY expires DESC";
            Question::new(sql, [account.into(), identifier.as_str().into(), (*at).into()], authorization)
        }
        Select::Standing { identifier, at } => {
            let sql = "SELECT * FROM \"authorization\" WHERE identifier = ?1 AND expires > ?2 AND (status = 'valid'
                OR status = 'pending' AND (code_hash IS NOT NULL OR reply_digest IS NOT NULL))";
            Question::new(sql, [identifier.as_str().into(), (*at).into()], authorization)
        }
        Select::AllValid { after, limit } => {
            let sql = "SELECT * FROM \"authorization\" WHERE id > ?1 AND status = 'valid' ORDER BY id LIMIT ?2";
            Question::new(sql, [after.into(), (*limit).into()], authorization)
        }
        Select::Certificate(serial) => {
            Question::new("SELECT * FROM certificate WHERE serial = ?1", [serial.0.into()], certificate)
        }
        Select::CertificatesOf { identifier, from, to } => {
            let sql = "SELECT * FROM certificate WHERE identifier = ?1 AND period BETWEEN ?2 AND ?3 ORDER BY number";
            Question::new(sql, [identifier.as_str().into(), (*from).into(), (*to).into()], certificate)
        }
        Select::SpeakingBy { key, at, limit } => {
            let sql = "SELECT * FROM certificate WHERE key_digest = ?1 AND not_after >= ?2
                AND (state IN ('planned', 'logged') OR state = 'issued' AND (reason IS NULL OR reason != ?3))
                ORDER BY number LIMIT ?4";
            Question::new(sql, [key.0.into(), (*at).into(), KEY_COMPROMISE.into(), (*limit).into()], certificate)
        }
        Select::Unfinished { limit } => {
            let sql = "SELECT * FROM certificate WHERE state IN ('planned', 'logged') ORDER BY number LIMIT ?1";
            Question::new(sql, [(*limit).into()], certificate)
        }
        Select::Unannounced { limit } => {
            let sql = "SELECT * FROM certificate WHERE announce AND state = 'issued' ORDER BY number LIMIT ?1";
            Question::new(sql, [(*limit).into()], certificate)
        }
        Select::Revoked { authority, at, after, limit } => {
            // Ends are indexed; only those that come together are put in order.
            let (end, serial) = after.map_or((0, Serial([0; 16])), |after| after);
            let sql = "SELECT * FROM certificate WHERE authority = ?1 AND not_after >= ?2 AND revoked_at IS NOT NULL
                AND (not_after, serial) > (?3, ?4) ORDER BY not_after, serial LIMIT ?5";
            let values = [authority.name().into(), (*at).max(end).into(), end.into(), serial.0.into(), (*limit).into()];
            Question::new(sql, values, certificate)
        }
        Select::Spending(day) => Question::new("SELECT * FROM spending WHERE day = ?1", [(*day).into()], spending),
        Select::CompromisedKey(key) => {
            Question::new("SELECT * FROM compromised_key WHERE digest = ?1", [key.0.into()], compromised_key)
        }
    }
}

/// Certificates, by a question of an operator.
pub(super) fn certificates<'a>(sql: &str, values: impl IntoIterator<Item = Value<'a>>) -> Question<'a> {
    Question::new(sql, values, fields::certificate)
}
