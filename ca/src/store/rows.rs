//! Records as rows: one statement per change and question, all prepared once per connection.

use rusqlite::{Connection, Params, Row, named_params};

use super::record::{
    Account, AccountStatus, Authority, Authorization, AuthorizationStatus, CertificateRecord, CertificateState,
    IssuedCode, Order, OrderState, Record, Revocation, Serial, Subject,
};
use super::{Change, Select, StoreError};
use crate::code::CodeHash;
use identity::Identifier;

pub(super) fn unavailable(error: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// Applies one change inside a transaction.
pub(super) fn apply(connection: &Connection, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Insert(record) => match write(connection, record, false)? {
            0 => Err(StoreError::Taken(kind(record))),
            _ => Ok(()),
        },
        Change::Update(record) => match write(connection, record, true)? {
            0 => Err(StoreError::Conflict(kind(record))),
            _ => Ok(()),
        },
        Change::Forget { expired_before } => {
            execute(connection, "DELETE FROM acme_order WHERE expires < ?1", [seconds(*expired_before)])?;
            execute(connection, "DELETE FROM authorization WHERE expires < ?1", [seconds(*expired_before)])?;
            Ok(())
        }
    }
}

fn kind(record: &Record) -> &'static str {
    match record {
        Record::Account(_) => "account",
        Record::Order(_) => "order",
        Record::Authorization(_) => "authorization",
        Record::Certificate(_) => "certificate",
    }
}

fn write(connection: &Connection, record: &Record, update: bool) -> Result<usize, StoreError> {
    match record {
        Record::Account(account) => write_account(connection, account, update),
        Record::Order(order) => write_order(connection, order, update),
        Record::Authorization(authorization) => write_authorization(connection, authorization, update),
        Record::Certificate(certificate) if update => update_certificate(connection, certificate),
        Record::Certificate(certificate) => insert_certificate(connection, certificate),
    }
}

/// Rows changed. A constraint that does not hold is no row changed: `OR IGNORE` stands in every statement.
fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(|e| unavailable(&e))
}

fn write_account(connection: &Connection, a: &Account, update: bool) -> Result<usize, StoreError> {
    let sql = if update {
        "UPDATE OR IGNORE account SET revision = :revision + 1, key = :key, thumbprint = :thumbprint, contact = :contact, status = :status,
            created = :created WHERE id = :id AND revision = :revision"
    } else {
        "INSERT OR IGNORE INTO account (id, revision, key, thumbprint, contact, status, created)
            VALUES (:id, :revision, :key, :thumbprint, :contact, :status, :created)"
    };
    let contact = serde_json::Value::from(a.contact.clone()).to_string();
    let status = account_status(a.status);
    execute(
        connection,
        sql,
        named_params! {
            ":id": a.id, ":revision": seconds(a.revision), ":key": a.key, ":thumbprint": a.thumbprint, ":contact": contact, ":status": status,
            ":created": seconds(a.created),
        },
    )
}

fn account_status(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Valid => "valid",
        AccountStatus::Deactivated => "deactivated",
        AccountStatus::Revoked => "revoked",
    }
}

fn write_order(connection: &Connection, o: &Order, update: bool) -> Result<usize, StoreError> {
    let sql = if update {
        "UPDATE acme_order SET revision = :revision + 1, account = :account, authorization = :authorization, identifier = :identifier,
            profile = :profile, state = :state, serial = :serial, problem = :problem, created = :created, expires = :expires
            WHERE id = :id AND revision = :revision"
    } else {
        "INSERT OR IGNORE INTO acme_order (id, revision, account, authorization, identifier, profile, state, serial, problem, created, expires)
            VALUES (:id, :revision, :account, :authorization, :identifier, :profile, :state, :serial, :problem, :created, :expires)"
    };
    let (state, serial, problem) = match &o.state {
        OrderState::Open => ("open", None, None),
        OrderState::Processing(serial) => ("processing", Some(serial.0), None),
        OrderState::Valid(serial) => ("valid", Some(serial.0), None),
        OrderState::Invalid(problem) => ("invalid", None, Some(problem)),
    };
    execute(
        connection,
        sql,
        named_params! {
            ":id": o.id, ":revision": seconds(o.revision), ":account": o.account, ":authorization": o.authorization,
            ":identifier": o.identifier.as_str(), ":profile": o.profile, ":state": state, ":serial": serial, ":problem": problem,
            ":created": seconds(o.created), ":expires": seconds(o.expires),
        },
    )
}

fn write_authorization(connection: &Connection, a: &Authorization, update: bool) -> Result<usize, StoreError> {
    let sql = if update {
        "UPDATE authorization SET revision = :revision + 1, account = :account, identifier = :identifier, status = :status, expires = :expires,
            validated = :validated, code_hash = :code_hash, code_expires = :code_expires, code_tries = :code_tries, mail_error = :mail_error
            WHERE id = :id AND revision = :revision"
    } else {
        "INSERT OR IGNORE INTO authorization (id, revision, account, identifier, status, expires, validated, code_hash, code_expires, code_tries,
            mail_error) VALUES (:id, :revision, :account, :identifier, :status, :expires, :validated, :code_hash, :code_expires, :code_tries,
            :mail_error)"
    };
    let status = match a.status {
        AuthorizationStatus::Pending => "pending",
        AuthorizationStatus::Valid => "valid",
        AuthorizationStatus::Deactivated => "deactivated",
    };
    execute(
        connection,
        sql,
        named_params! {
            ":id": a.id, ":revision": seconds(a.revision), ":account": a.account, ":identifier": a.identifier.as_str(), ":status": status,
            ":expires": seconds(a.expires), ":validated": a.validated.map(seconds), ":code_hash": a.code.map(|c| c.hash.0),
            ":code_expires": a.code.map(|c| seconds(c.expires)), ":code_tries": a.code.map(|c| c.tries_left), ":mail_error": a.mail_error,
        },
    )
}

fn insert_certificate(connection: &Connection, c: &CertificateRecord) -> Result<usize, StoreError> {
    let (identifier, slot, vrf_proof, service) = match &c.subject {
        Subject::Person { identifier, slot, vrf_proof } => {
            (Some(identifier.as_str()), Some(*slot), Some(vrf_proof.as_slice()), None)
        }
        Subject::Service { name } => (None, None, None, Some(name)),
    };
    let (state, index, proof, certificate) = state_columns(&c.state);
    execute(
        connection,
        "INSERT OR IGNORE INTO certificate (serial, revision, authority, profile, account, acme_order, identifier, period, slot, vrf_proof, service,
            opening, tbs, not_before, not_after, state, log_index, proof, certificate, revoked_at, reason)
            VALUES (:serial, :revision, :authority, :profile, :account, :order, :identifier, :period, :slot, :vrf_proof, :service,
            :opening, :tbs, :not_before, :not_after, :state, :index, :proof, :certificate, :revoked_at, :reason)",
        named_params! {
            ":serial": c.serial.0, ":revision": seconds(c.revision), ":authority": c.authority.name(), ":profile": c.profile,
            ":account": c.account, ":order": c.order, ":identifier": identifier, ":period": c.period, ":slot": slot, ":vrf_proof": vrf_proof,
            ":service": service, ":opening": c.opening, ":tbs": c.tbs, ":not_before": seconds(c.not_before),
            ":not_after": seconds(c.not_after), ":state": state, ":index": index, ":proof": proof, ":certificate": certificate,
            ":revoked_at": c.revoked.map(|r| seconds(r.at)), ":reason": c.revoked.map(|r| r.reason),
        },
    )
}

/// Only the state and the revocation of a certificate ever change.
fn update_certificate(connection: &Connection, c: &CertificateRecord) -> Result<usize, StoreError> {
    let (state, index, proof, certificate) = state_columns(&c.state);
    execute(
        connection,
        "UPDATE certificate SET revision = :revision + 1, state = :state, log_index = :index, proof = :proof, certificate = :certificate,
            revoked_at = :revoked_at, reason = :reason WHERE serial = :serial AND revision = :revision",
        named_params! {
            ":serial": c.serial.0, ":revision": seconds(c.revision), ":state": state, ":index": index, ":proof": proof,
            ":certificate": certificate, ":revoked_at": c.revoked.map(|r| seconds(r.at)), ":reason": c.revoked.map(|r| r.reason),
        },
    )
}

type StateColumns<'a> = (&'static str, Option<i64>, Option<&'a str>, Option<&'a [u8]>);

fn state_columns(state: &CertificateState) -> StateColumns<'_> {
    match state {
        CertificateState::Planned => ("planned", None, None, None),
        CertificateState::Logged { index, proof } => ("logged", Some(seconds(*index)), Some(proof), None),
        CertificateState::Issued { index, certificate } => ("issued", Some(seconds(*index)), None, Some(certificate)),
        CertificateState::Abandoned { index } => ("abandoned", index.map(seconds), None, None),
    }
}

/// SQLite's integers are signed; none of ours comes near the top.
fn seconds(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Answers one question.
pub(super) fn read(connection: &Connection, select: &Select) -> Result<Vec<Record>, StoreError> {
    const UNFINISHED: &str = "SELECT * FROM certificate WHERE state IN ('planned', 'logged') ORDER BY number LIMIT ?1";
    const REVOKED: &str =
        "SELECT * FROM certificate WHERE authority = ?1 AND not_after >= ?2 AND revoked_at IS NOT NULL ORDER BY serial";
    const VALID: &str =
        "SELECT * FROM authorization WHERE account = ?1 AND identifier = ?2 AND status = 'valid' AND expires > ?3
        ORDER BY expires DESC LIMIT 1";
    match select {
        Select::Account(id) => rows(connection, "SELECT * FROM account WHERE id = ?1", [id], account),
        Select::AccountByThumbprint(print) => {
            rows(connection, "SELECT * FROM account WHERE thumbprint = ?1", [print], account)
        }
        Select::Order(id) => rows(connection, "SELECT * FROM acme_order WHERE id = ?1", [id], order),
        Select::OrdersOf { account, limit } => rows(
            connection,
            "SELECT * FROM acme_order WHERE account = ?1 ORDER BY created DESC LIMIT ?2",
            (account, limit),
            order,
        ),
        Select::Authorization(id) => rows(connection, "SELECT * FROM authorization WHERE id = ?1", [id], authorization),
        Select::ValidAuthorization { account, identifier, at } => {
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
        Select::Revoked { authority, at } => rows(connection, REVOKED, (authority.name(), seconds(*at)), certificate),
    }
}

fn rows(
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
struct Unreadable {
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
        code,
        mail_error: row.get("mail_error")?,
    }))
}

fn certificate(row: &Row<'_>) -> Result<Record, Unreadable> {
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
    }))
}

fn certificate_state(row: &Row<'_>) -> Result<CertificateState, Unreadable> {
    let state: String = row.get("state")?;
    let index = maybe_unsigned(row, "log_index")?;
    match (state.as_str(), index) {
        ("planned", _) => Ok(CertificateState::Planned),
        ("logged", Some(index)) => Ok(CertificateState::Logged { index, proof: row.get("proof")? }),
        ("issued", Some(index)) => Ok(CertificateState::Issued { index, certificate: row.get("certificate")? }),
        ("abandoned", index) => Ok(CertificateState::Abandoned { index }),
        (other, _) => bad("certificate", format!("state {other} without what belongs to it")),
    }
}
