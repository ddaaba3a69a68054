//! Rows into records: one statement per question, all prepared once per connection.

use identity::Identifier;
use rusqlite::{Connection, Params, Row};

use super::record::{
    Account, AccountStatus, Authority, Authorization, AuthorizationStatus, CertificateRecord, CertificateState,
    ChallengeType, Handover, IssuedCode, IssuedReply, KeyDigest, Order, OrderState, Record, ReplyState, Revocation,
    Serial, Spending, Subject,
};
use super::rows::{seconds, unavailable};
use super::{Select, StoreError};
use crate::code::CodeHash;
use crate::token::DigestHash;

/// Answers one question.
pub(super) fn read(connection: &Connection, select: &Select) -> Result<Vec<Record>, StoreError> {
    const UNFINISHED: &str = "SELECT * FROM certificate WHERE state IN ('planned', 'logged') ORDER BY number LIMIT ?1";
    const REVOKED: &str =
        "SELECT * FROM certificate WHERE authority = ?1 AND not_after >= ?2 AND revoked_at IS NOT NULL ORDER BY serial";
    // Ids are drawn at random; they only make the order of orders made in one second a fixed one.
    const ORDERS: &str = "SELECT * FROM acme_order WHERE account = ?1 AND (created, id) < (?2, ?3)
        ORDER BY created DESC, id DESC LIMIT ?4";
    const VALID: &str =
        "SELECT * FROM authorization WHERE account = ?1 AND identifier = ?2 AND status = 'valid' AND expires > ?3
        ORDER BY expires DESC";
    match select {
        Select::Account(id) => rows(connection, "SELECT * FROM account WHERE id = ?1", [id], account),
        Select::AccountByThumbprint(print) => {
            rows(connection, "SELECT * FROM account WHERE thumbprint = ?1", [print], account)
        }
        Select::Order(id) => rows(connection, "SELECT * FROM acme_order WHERE id = ?1", [id], order),
        Select::OrdersOf { account, after, limit } => {
            let (created, id) = after.as_ref().map_or((i64::MAX, ""), |(created, id)| (seconds(*created), id));
            rows(connection, ORDERS, (account, created, id, limit), order)
        }
        Select::Replacing(serial) => {
            let sql = "SELECT * FROM acme_order WHERE replaces = ?1 AND state != 'invalid'";
            rows(connection, sql, [serial.0], order)
        }
        Select::Authorization(id) => rows(connection, "SELECT * FROM authorization WHERE id = ?1", [id], authorization),
        Select::ValidAuthorizations { account, identifier, at } => {
            rows(connection, VALID, (account, identifier.as_str(), seconds(*at)), authorization)
        }
        Select::Certificate(serial) => {
            rows(connection, "SELECT * FROM certificate WHERE serial = ?1", [serial.0], certificate)
        }
        Select::CertificatesOf { identifier, from, to } => rows(
            connection,
            "SELECT * FROM certificate WHERE identifier = ?1 AND period BETWEEN ?2 AND ?3 ORDER BY number",
            (identifier.as_str(), from, to),
            certificate,
        ),
        Select::Unfinished { limit } => rows(connection, UNFINISHED, [limit], certificate),
        Select::Unannounced { limit } => {
            let sql = "SELECT * FROM certificate WHERE announce AND state = 'issued' ORDER BY number LIMIT ?1";
            rows(connection, sql, [limit], certificate)
        }
        Select::Revoked { authority, at } => rows(connection, REVOKED, (authority.name(), seconds(*at)), certificate),
        Select::Spending(day) => rows(connection, "SELECT * FROM spending WHERE day = ?1", [seconds(*day)], spending),
        Select::CompromisedKey(key) => {
            rows(connection, "SELECT * FROM compromised_key WHERE digest = ?1", [key.0], compromised_key)
        }
    }
}

pub(super) fn rows(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: fn(&Row<'_>) -> Result<Record, Unreadable>,
) -> Result<Vec<Record>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(|e| unavailable(&e))?;
    let mut found = statement.query(params).map_err(|e| unavailable(&e))?;
    let mut out = Vec::new();
    while let Some(row) = found.next().map_err(|e| unavailable(&e))? {
        out.push(read(row).map_err(|e| StoreError::Damaged { table: e.table, reason: e.reason })?);
    }
    Ok(out)
}

/// A row that does not read back.
pub(super) struct Unreadable {
    table: &'static str,
    reason: String,
}

impl From<rusqlite::Error> for Unreadable {
    fn from(error: rusqlite::Error) -> Self {
        Self { table: "row", reason: error.to_string() }
    }
}

fn bad<T>(table: &'static str, reason: impl ToString) -> Result<T, Unreadable> {
    Err(Unreadable { table, reason: reason.to_string() })
}

fn unsigned(row: &Row<'_>, column: &str) -> Result<u64, Unreadable> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).or_else(|_| bad("row", format!("{column} is negative")))
}

fn maybe_unsigned(row: &Row<'_>, column: &str) -> Result<Option<u64>, Unreadable> {
    let value: Option<i64> = row.get(column)?;
    value.map(|v| u64::try_from(v).or_else(|_| bad("row", format!("{column} is negative")))).transpose()
}

fn identifier(row: &Row<'_>) -> Result<Identifier, Unreadable> {
    let text: String = row.get("identifier")?;
    Identifier::from_canonical(&text).or_else(|_| bad("row", "the identifier is not canonical"))
}

fn account(row: &Row<'_>) -> Result<Record, Unreadable> {
    let status: String = row.get("status")?;
    let contact: String = row.get("contact")?;
    Ok(Record::Account(Account {
        id: row.get("id")?,
        revision: unsigned(row, "revision")?,
        key: row.get("key")?,
        thumbprint: row.get("thumbprint")?,
        contact: serde_json::from_str(&contact).or_else(|_| bad("account", "the contact is not a list"))?,
        status: match status.as_str() {
            "valid" => AccountStatus::Valid,
            "deactivated" => AccountStatus::Deactivated,
            "revoked" => AccountStatus::Revoked,
            other => return bad("account", format!("unknown status {other}")),
        },
        created: unsigned(row, "created")?,
        terms: row.get("terms")?,
        external: row.get("external")?,
    }))
}

fn order(row: &Row<'_>) -> Result<Record, Unreadable> {
    let state: String = row.get("state")?;
    Ok(Record::Order(Order {
        id: row.get("id")?,
        revision: unsigned(row, "revision")?,
        account: row.get("account")?,
        authorization: row.get("authorization")?,
        identifier: identifier(row)?,
        profile: row.get("profile")?,
        state: match state.as_str() {
            "open" => OrderState::Open,
            "processing" => OrderState::Processing(Serial(row.get("serial")?)),
            "valid" => OrderState::Valid(Serial(row.get("serial")?)),
            "invalid" => OrderState::Invalid(row.get("problem")?),
            other => return bad("order", format!("unknown state {other}")),
        },
        created: unsigned(row, "created")?,
        expires: unsigned(row, "expires")?,
        replaces: row.get::<_, Option<[u8; 16]>>("replaces")?.map(Serial),
    }))
}

fn authorization(row: &Row<'_>) -> Result<Record, Unreadable> {
    let status: String = row.get("status")?;
    let hash: Option<[u8; 32]> = row.get("code_hash")?;
    let code = match hash {
        Some(hash) => Some(IssuedCode {
            hash: CodeHash(hash),
            expires: unsigned(row, "code_expires")?,
            tries_left: row.get("code_tries")?,
            handover: handover(row, "code_handover")?,
        }),
        None => None,
    };
    Ok(Record::Authorization(Authorization {
        id: row.get("id")?,
        revision: unsigned(row, "revision")?,
        account: row.get("account")?,
        identifier: identifier(row)?,
        status: match status.as_str() {
            "pending" => AuthorizationStatus::Pending,
            "valid" => AuthorizationStatus::Valid,
            "deactivated" => AuthorizationStatus::Deactivated,
            other => return bad("authorization", format!("unknown status {other}")),
        },
        expires: unsigned(row, "expires")?,
        validated: maybe_unsigned(row, "validated")?,
        proven_by: proven_by(row)?,
        code,
        reply: reply(row)?,
    }))
}

fn reply(row: &Row<'_>) -> Result<Option<ReplyState>, Unreadable> {
    let Some(part2) = row.get("reply_part2")? else { return Ok(None) };
    let digest: Option<[u8; 32]> = row.get("reply_digest")?;
    let mail = match digest {
        Some(digest) => Some(IssuedReply {
            digest: DigestHash(digest),
            expires: unsigned(row, "reply_expires")?,
            tries_left: row.get("reply_tries")?,
            handover: handover(row, "reply_handover")?,
            refused: row.get("reply_refused")?,
        }),
        None => None,
    };
    Ok(Some(ReplyState { part2, mail }))
}

fn proven_by(row: &Row<'_>) -> Result<Option<ChallengeType>, Unreadable> {
    match row.get::<_, Option<String>>("proven_by")? {
        None => Ok(None),
        Some(name) => match ChallengeType::by_name(&name) {
            Some(kind) => Ok(Some(kind)),
            None => bad("authorization", format!("unknown challenge {name}")),
        },
    }
}

fn handover(row: &Row<'_>, column: &str) -> Result<Handover, Unreadable> {
    Ok(match row.get::<_, String>(column)?.as_str() {
        "under way" => Handover::UnderWay,
        "done" => Handover::Done,
        "failed" => Handover::Failed,
        other => return bad("authorization", format!("unknown hand-over {other}")),
    })
}

pub(super) fn certificate(row: &Row<'_>) -> Result<Record, Unreadable> {
    let authority: String = row.get("authority")?;
    let service: Option<String> = row.get("service")?;
    let revoked_at = maybe_unsigned(row, "revoked_at")?;
    Ok(Record::Certificate(CertificateRecord {
        serial: Serial(row.get("serial")?),
        revision: unsigned(row, "revision")?,
        authority: match authority.as_str() {
            "people" => Authority::People,
            "services" => Authority::Services,
            other => return bad("certificate", format!("unknown authority {other}")),
        },
        profile: row.get("profile")?,
        account: row.get("account")?,
        order: row.get("acme_order")?,
        subject: match service {
            Some(name) => Subject::Service { name },
            None => Subject::Person {
                identifier: identifier(row)?,
                slot: row.get("slot")?,
                vrf_proof: row.get("vrf_proof")?,
            },
        },
        period: row.get("period")?,
        opening: row.get("opening")?,
        tbs: row.get("tbs")?,
        not_before: unsigned(row, "not_before")?,
        not_after: unsigned(row, "not_after")?,
        state: certificate_state(row)?,
        revoked: match revoked_at {
            Some(at) => Some(Revocation { at, reason: row.get("reason")? }),
            None => None,
        },
        announce: row.get("announce")?,
    }))
}

fn spending(row: &Row<'_>) -> Result<Record, Unreadable> {
    Ok(Record::Spending(Spending {
        day: unsigned(row, "day")?,
        revision: unsigned(row, "revision")?,
        spent: unsigned(row, "spent")?,
        messages: unsigned(row, "messages")?,
    }))
}

fn compromised_key(row: &Row<'_>) -> Result<Record, Unreadable> {
    Ok(Record::CompromisedKey(KeyDigest(row.get("digest")?)))
}

fn certificate_state(row: &Row<'_>) -> Result<CertificateState, Unreadable> {
    let state: String = row.get("state")?;
    let index = maybe_unsigned(row, "log_index")?;
    match (state.as_str(), index) {
        ("planned", _) => Ok(CertificateState::Planned),
        ("logged", Some(index)) => Ok(CertificateState::Logged { index, proof: row.get("proof")? }),
        ("issued", Some(index)) => Ok(CertificateState::Issued { index, certificate: row.get("certificate")? }),
        ("abandoned", index) => Ok(CertificateState::Abandoned { index }),
        ("erased", index) => Ok(CertificateState::Erased { index }),
        (other, _) => bad("certificate", format!("state {other} without what belongs to it")),
    }
}
