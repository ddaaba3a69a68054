//! Rows into records.

use identity::Identifier;

use super::record::{
    Account, AccountStatus, Authority, Authorization, AuthorizationStatus, CertificateRecord, CertificateState,
    ChallengeType, Handover, IssuedCode, IssuedReply, KeyDigest, Order, OrderState, Record, ReplyState, Revocation,
    Serial, Spending, Subject,
};
use super::value::Value;
use crate::code::CodeHash;
use crate::token::DigestHash;

/// A row that does not read back.
pub(super) struct Unreadable {
    pub(super) table: &'static str,
    pub(super) reason: String,
}

/// A row that was read, whatever database it came from.
pub(super) trait Fields {
    /// The value in the column of this name, or why there is none.
    fn value(&self, column: &str) -> Result<Value<'static>, String>;
}

/// What a value has to be for a record.
trait Field: Sized {
    fn of(value: Value<'static>) -> Option<Self>;
}

impl dyn Fields + '_ {
    fn get<T: Field>(&self, column: &str) -> Result<T, Unreadable> {
        let value = self.value(column).or_else(|reason| bad("row", reason))?;
        T::of(value).map_or_else(|| bad("row", format!("{column} has a value of another type")), Ok)
    }
}

impl Field for String {
    fn of(value: Value<'static>) -> Option<Self> {
        if let Value::Text(text) = value { Some(text.into_owned()) } else { None }
    }
}

impl Field for Vec<u8> {
    fn of(value: Value<'static>) -> Option<Self> {
        if let Value::Bytes(bytes) = value { Some(bytes.into_owned()) } else { None }
    }
}

impl<const N: usize> Field for [u8; N] {
    fn of(value: Value<'static>) -> Option<Self> {
        if let Value::Bytes(bytes) = value { bytes.as_ref().try_into().ok() } else { None }
    }
}

impl Field for i64 {
    fn of(value: Value<'static>) -> Option<Self> {
        if let Value::Integer(number) = value { Some(number) } else { None }
    }
}

impl Field for u8 {
    fn of(value: Value<'static>) -> Option<Self> {
        i64::of(value).and_then(|number| number.try_into().ok())
    }
}

impl Field for u32 {
    fn of(value: Value<'static>) -> Option<Self> {
        i64::of(value).and_then(|number| number.try_into().ok())
    }
}

/// A flag, or the integer that SQLite has for one.
impl Field for bool {
    fn of(value: Value<'static>) -> Option<Self> {
        match value {
            Value::Flag(flag) => Some(flag),
            Value::Integer(number @ (0 | 1)) => Some(number == 1),
            _ => None,
        }
    }
}

impl<T: Field> Field for Option<T> {
    fn of(value: Value<'static>) -> Option<Self> {
        if value == Value::Null { Some(None) } else { T::of(value).map(Some) }
    }
}

fn bad<T>(table: &'static str, reason: impl ToString) -> Result<T, Unreadable> {
    Err(Unreadable { table, reason: reason.to_string() })
}

fn unsigned(row: &dyn Fields, column: &str) -> Result<u64, Unreadable> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).or_else(|_| bad("row", format!("{column} is negative")))
}

fn maybe_unsigned(row: &dyn Fields, column: &str) -> Result<Option<u64>, Unreadable> {
    let value: Option<i64> = row.get(column)?;
    value.map(|v| u64::try_from(v).or_else(|_| bad("row", format!("{column} is negative")))).transpose()
}

fn identifier(row: &dyn Fields) -> Result<Identifier, Unreadable> {
    let text: String = row.get("identifier")?;
    Identifier::from_canonical(&text).or_else(|_| bad("row", "the identifier is not canonical"))
}

pub(super) fn account(row: &dyn Fields) -> Result<Record, Unreadable> {
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

pub(super) fn order(row: &dyn Fields) -> Result<Record, Unreadable> {
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
        replaces: row.get::<Option<[u8; 16]>>("replaces")?.map(Serial),
    }))
}

pub(super) fn authorization(row: &dyn Fields) -> Result<Record, Unreadable> {
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

fn reply(row: &dyn Fields) -> Result<Option<ReplyState>, Unreadable> {
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

fn proven_by(row: &dyn Fields) -> Result<Option<ChallengeType>, Unreadable> {
    match row.get::<Option<String>>("proven_by")? {
        None => Ok(None),
        Some(name) => match ChallengeType::by_name(&name) {
            Some(kind) => Ok(Some(kind)),
            None => bad("authorization", format!("unknown challenge {name}")),
        },
    }
}

fn handover(row: &dyn Fields, column: &str) -> Result<Handover, Unreadable> {
    Ok(match row.get::<String>(column)?.as_str() {
        "under way" => Handover::UnderWay,
        "done" => Handover::Done,
        "failed" => Handover::Failed,
        other => return bad("authorization", format!("unknown hand-over {other}")),
    })
}

pub(super) fn certificate(row: &dyn Fields) -> Result<Record, Unreadable> {
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

pub(super) fn spending(row: &dyn Fields) -> Result<Record, Unreadable> {
    Ok(Record::Spending(Spending {
        day: unsigned(row, "day")?,
        revision: unsigned(row, "revision")?,
        spent: unsigned(row, "spent")?,
        messages: unsigned(row, "messages")?,
    }))
}

pub(super) fn compromised_key(row: &dyn Fields) -> Result<Record, Unreadable> {
    Ok(Record::CompromisedKey(KeyDigest(row.get("digest")?)))
}

fn certificate_state(row: &dyn Fields) -> Result<CertificateState, Unreadable> {
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
