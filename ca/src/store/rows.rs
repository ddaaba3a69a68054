//! Records into rows: one statement per kind of change, all prepared once per connection.

use identity::Identifier;
use rusqlite::{Connection, Params, named_params};

use super::record::{
    Account, AccountStatus, Authorization, AuthorizationStatus, CertificateRecord, CertificateState, ChallengeType,
    Handover, KeyDigest, Order, OrderState, Record, Spending, Subject,
};
use super::{Change, StoreError};

pub(super) fn unavailable(error: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// Applies one change inside a transaction. Answers how many certificates' openings it erased.
pub(super) fn apply(connection: &Connection, change: &Change) -> Result<usize, StoreError> {
    match change {
        Change::Insert(record) => match write(connection, record, false)? {
            0 => Err(StoreError::Taken(kind(record))),
            _ => Ok(0),
        },
        Change::Update(record) => match write(connection, record, true)? {
            0 => Err(StoreError::Conflict(kind(record))),
            _ => Ok(0),
        },
        Change::Forget { expired_before } => {
            execute(connection, "DELETE FROM acme_order WHERE expires < ?1", [seconds(*expired_before)])?;
            execute(connection, "DELETE FROM authorization WHERE expires < ?1", [seconds(*expired_before)])?;
            execute(connection, "DELETE FROM spending WHERE (day + 1) * 86400 < ?1", [seconds(*expired_before)])?;
            Ok(0)
        }
        Change::Erase { ended_before, of } => erase(connection, *ended_before, of.as_ref()),
    }
}

/// As [`CertificateRecord::erased`]. A service's certificate hides nothing.
pub(super) const ERASE: &str = "UPDATE certificate SET revision = revision + 1, account = NULL, acme_order = NULL,
        vrf_proof = zeroblob(80), opening = zeroblob(32), tbs = x'', state = 'erased', proof = NULL, certificate = NULL
        WHERE service IS NULL AND state IN ('issued', 'abandoned') AND not_after < ?1";

fn erase(connection: &Connection, ended_before: u64, of: Option<&Identifier>) -> Result<usize, StoreError> {
    let before = seconds(ended_before);
    match of {
        None => execute(connection, ERASE, [before]),
        Some(of) => execute(connection, &format!("{ERASE} AND identifier = ?2"), (before, of.as_str())),
    }
}

fn kind(record: &Record) -> &'static str {
    match record {
        Record::Account(_) => "account",
        Record::Order(_) => "order",
        Record::Authorization(_) => "authorization",
        Record::Certificate(_) => "certificate",
        Record::CompromisedKey(_) => "compromised key",
        Record::Spending(_) => "spending",
    }
}

fn write(connection: &Connection, record: &Record, update: bool) -> Result<usize, StoreError> {
    match record {
        Record::Account(account) => write_account(connection, account, update),
        Record::Order(order) => write_order(connection, order, update),
        Record::Authorization(authorization) => write_authorization(connection, authorization, update),
        Record::Certificate(certificate) if update => update_certificate(connection, certificate),
        Record::Certificate(certificate) => insert_certificate(connection, certificate),
        Record::CompromisedKey(key) => write_compromised_key(connection, *key),
        Record::Spending(spending) => write_spending(connection, *spending, update),
    }
}

/// Rows changed. A constraint that does not hold is no row changed: `OR IGNORE` stands in every statement.
fn execute(connection: &Connection, sql: &str, params: impl Params) -> Result<usize, StoreError> {
    connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)).map_err(|e| unavailable(&e))
}

fn write_account(connection: &Connection, a: &Account, update: bool) -> Result<usize, StoreError> {
    let sql = if update {
        "UPDATE OR IGNORE account SET revision = :revision + 1, key = :key, thumbprint = :thumbprint,
            contact = :contact, status = :status, created = :created, terms = :terms, external = :external
            WHERE id = :id AND revision = :revision"
    } else {
        "INSERT OR IGNORE INTO account (id, revision, key, thumbprint, contact, status, created, terms, external)
            VALUES (:id, :revision, :key, :thumbprint, :contact, :status, :created, :terms, :external)"
    };
    let contact = serde_json::Value::from(a.contact.clone()).to_string();
    let status = account_status(a.status);
    execute(
        connection,
        sql,
        named_params! {
            ":id": a.id, ":revision": seconds(a.revision), ":key": a.key, ":thumbprint": a.thumbprint,
            ":contact": contact, ":status": status, ":created": seconds(a.created), ":terms": a.terms,
            ":external": a.external,
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
        "UPDATE acme_order SET revision = :revision + 1, account = :account, authorization =
            :authorization, identifier = :identifier, profile = :profile, state = :state, serial = :serial,
            problem = :problem, created = :created, expires = :expires, replaces = :replaces WHERE id = :id AND
            revision = :revision"
    } else {
        "INSERT OR IGNORE INTO acme_order (id, revision, account, authorization, identifier, profile,
            state, serial, problem, created, expires, replaces) VALUES (:id, :revision, :account, :authorization,
            :identifier, :profile, :state, :serial, :problem, :created, :expires, :replaces)"
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
            ":id": o.id, ":revision": seconds(o.revision), ":account": o.account,
            ":authorization": o.authorization, ":identifier": o.identifier.as_str(), ":profile": o.profile,
            ":state": state, ":serial": serial, ":problem": problem, ":created": seconds(o.created),
            ":expires": seconds(o.expires), ":replaces": o.replaces.map(|serial| serial.0),
        },
    )
}

fn write_authorization(connection: &Connection, a: &Authorization, update: bool) -> Result<usize, StoreError> {
    let sql = if update {
        "UPDATE authorization SET revision = :revision + 1, account = :account, identifier = :identifier,
            status = :status, expires = :expires, validated = :validated, proven_by = :proven_by, code_hash = :code_hash,
            code_expires = :code_expires, code_tries = :code_tries, code_handover = :code_handover, reply_part2 =
            :reply_part2, reply_digest = :reply_digest, reply_expires = :reply_expires, reply_tries = :reply_tries,
            reply_handover = :reply_handover, reply_refused = :reply_refused WHERE id = :id
            AND revision = :revision"
    } else {
        "INSERT OR IGNORE INTO authorization (id, revision, account, identifier, status, expires,
            validated, proven_by, code_hash, code_expires, code_tries, code_handover, reply_part2, reply_digest, reply_expires,
            reply_tries, reply_handover, reply_refused) VALUES (:id, :revision, :account,
            :identifier, :status, :expires, :validated, :proven_by, :code_hash, :code_expires, :code_tries, :code_handover,
            :reply_part2, :reply_digest, :reply_expires, :reply_tries, :reply_handover, :reply_refused)"
    };
    let mail = a.reply.as_ref().and_then(|reply| reply.mail.as_ref());
    let status = match a.status {
        AuthorizationStatus::Pending => "pending",
        AuthorizationStatus::Valid => "valid",
        AuthorizationStatus::Deactivated => "deactivated",
    };
    execute(
        connection,
        sql,
        named_params! {
            ":id": a.id, ":revision": seconds(a.revision), ":account": a.account,
            ":identifier": a.identifier.as_str(), ":status": status, ":expires": seconds(a.expires),
            ":validated": a.validated.map(seconds),
            ":proven_by": a.proven_by.map(ChallengeType::name), ":code_hash": a.code.map(|c| c.hash.0),
            ":code_expires": a.code.map(|c| seconds(c.expires)), ":code_tries": a.code.map(|c| c.tries_left),
            ":code_handover": a.code.map(|c| handover(c.handover)), ":reply_part2": a.reply.as_ref().map(|r| r.part2),
            ":reply_digest": mail.map(|m| m.digest.0), ":reply_expires": mail.map(|m| seconds(m.expires)),
            ":reply_tries": mail.map(|m| m.tries_left), ":reply_handover": mail.map(|m| handover(m.handover)),
            ":reply_refused": mail.and_then(|m| m.refused.as_deref()),
        },
    )
}

const fn handover(handover: Handover) -> &'static str {
    match handover {
        Handover::UnderWay => "under way",
        Handover::Done => "done",
        Handover::Failed => "failed",
    }
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
        "INSERT OR IGNORE INTO certificate (serial, revision, authority, profile, account, acme_order,
            identifier, period, slot, vrf_proof, service, opening, tbs, not_before, not_after, state,
            log_index, proof, certificate, revoked_at, reason, announce) VALUES (:serial, :revision, :authority,
            :profile, :account, :order, :identifier, :period, :slot, :vrf_proof, :service, :opening, :tbs,
            :not_before, :not_after, :state, :index, :proof, :certificate, :revoked_at, :reason, :announce)",
        named_params! {
            ":serial": c.serial.0, ":revision": seconds(c.revision), ":authority": c.authority.name(),
            ":profile": c.profile, ":account": c.account, ":order": c.order, ":identifier": identifier,
            ":period": c.period, ":slot": slot, ":vrf_proof": vrf_proof, ":service": service,
            ":opening": c.opening, ":tbs": c.tbs, ":not_before": seconds(c.not_before),
            ":not_after": seconds(c.not_after), ":state": state, ":index": index, ":proof": proof,
            ":certificate": certificate, ":revoked_at": c.revoked.map(|r| seconds(r.at)),
            ":reason": c.revoked.map(|r| r.reason), ":announce": c.announce,
        },
    )
}

/// Only the state and the revocation of a certificate ever change, and whether it is to be announced.
fn update_certificate(connection: &Connection, c: &CertificateRecord) -> Result<usize, StoreError> {
    let (state, index, proof, certificate) = state_columns(&c.state);
    execute(
        connection,
        "UPDATE certificate SET revision = :revision + 1, state = :state, log_index = :index, proof =
            :proof, certificate = :certificate, revoked_at = :revoked_at, reason = :reason, announce = :announce
            WHERE serial = :serial AND revision = :revision",
        named_params! {
            ":serial": c.serial.0, ":revision": seconds(c.revision), ":state": state, ":index": index,
            ":proof": proof, ":certificate": certificate, ":revoked_at": c.revoked.map(|r| seconds(r.at)),
            ":reason": c.revoked.map(|r| r.reason), ":announce": c.announce,
        },
    )
}

pub(super) fn write_compromised_key(connection: &Connection, key: KeyDigest) -> Result<usize, StoreError> {
    execute(connection, "INSERT OR REPLACE INTO compromised_key (digest) VALUES (?1)", [key.0])
}

fn write_spending(connection: &Connection, s: Spending, update: bool) -> Result<usize, StoreError> {
    let sql = if update {
        "UPDATE spending SET revision = ?2 + 1, spent = ?3, messages = ?4 WHERE day = ?1 AND revision = ?2"
    } else {
        "INSERT OR IGNORE INTO spending (day, revision, spent, messages) VALUES (?1, ?2, ?3, ?4)"
    };
    execute(connection, sql, [s.day, s.revision, s.spent, s.messages].map(seconds))
}

type StateColumns<'a> = (&'static str, Option<i64>, Option<&'a str>, Option<&'a [u8]>);

fn state_columns(state: &CertificateState) -> StateColumns<'_> {
    match state {
        CertificateState::Planned => ("planned", None, None, None),
        CertificateState::Logged { index, proof } => ("logged", Some(seconds(*index)), Some(proof), None),
        CertificateState::Issued { index, certificate } => ("issued", Some(seconds(*index)), None, Some(certificate)),
        CertificateState::Abandoned { index } => ("abandoned", index.map(seconds), None, None),
        CertificateState::Erased { index } => ("erased", index.map(seconds), None, None),
    }
}

/// SQLite's integers are signed; none of ours comes near the top.
pub(super) fn seconds(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
