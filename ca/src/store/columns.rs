//! Records into rows: which table, which columns, and the statements that write them in either database.

use super::record::{
    Account, AccountStatus, Authorization, AuthorizationStatus, CertificateRecord, CertificateState, ChallengeType,
    Handover, Order, OrderState, Record, Spending, Subject,
};
use super::value::Value;

type Column<'a> = (&'static str, Value<'a>);

/// A record as it is written.
pub(super) struct Row<'a> {
    pub(super) table: &'static str,
    /// What it is found by, and which never changes.
    key: Column<'a>,
    /// At which revision it was read; none for what has only its key.
    revision: Option<Value<'a>>,
    /// What may change.
    open: Vec<Column<'a>>,
    /// What is written once.
    fixed: Vec<Column<'a>>,
}

/// A statement with the values for its numbered places, `?1` and so on.
pub(super) struct Statement<'a> {
    pub(super) sql: String,
    pub(super) values: Vec<Value<'a>>,
}

impl<'a> Row<'a> {
    /// Writes a new record; changes no row if anything unique is taken.
    pub(super) fn insert(self) -> Statement<'a> {
        let revision = self.revision.map(|revision| ("revision", revision));
        let columns = [self.key].into_iter().chain(revision).chain(self.open).chain(self.fixed);
        let (names, values): (Vec<_>, Vec<_>) = columns.map(|(name, value)| (quoted(name), value)).unzip();
        let places: Vec<_> = (1..=names.len()).map(|place| format!("?{place}")).collect();
        let (table, names, places) = (quoted(self.table), names.join(", "), places.join(", "));
        Statement { sql: format!("INSERT INTO {table} ({names}) VALUES ({places}) ON CONFLICT DO NOTHING"), values }
    }

    /// Writes the record as it is to be, and one more revision; changes no row if it has another by now. `update` is the
    /// database's word for that: what becomes of something unique that is taken is said by it.
    pub(super) fn update(self, update: &str) -> Statement<'a> {
        let (names, mut values): (Vec<_>, Vec<_>) = self.open.into_iter().unzip();
        let sets: Vec<_> = (1..).zip(&names).map(|(place, name)| format!("{} = ?{place}", quoted(name))).collect();
        let (table, sets, key) = (quoted(self.table), sets.join(", "), quoted(self.key.0));
        let (at, revision) = (names.len() + 1, names.len() + 2);
        values.extend([self.key.1, self.revision.unwrap_or(Value::Null)]);
        let sql = format!(
            "{update} {table} SET revision = revision + 1, {sets} WHERE {key} = ?{at} AND revision = ?{revision}"
        );
        Statement { sql, values }
    }
}

/// Some of the names are words of SQL.
fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

/// What the record is called in errors.
pub(super) fn kind(record: &Record) -> &'static str {
    match record {
        Record::Account(_) => "account",
        Record::Order(_) => "order",
        Record::Authorization(_) => "authorization",
        Record::Certificate(_) => "certificate",
        Record::CompromisedKey(_) => "compromised key",
        Record::Spending(_) => "spending",
    }
}

/// The record's row.
pub(super) fn row(record: &Record) -> Row<'_> {
    match record {
        Record::Account(record) => account(record),
        Record::Order(record) => order(record),
        Record::Authorization(record) => authorization(record),
        Record::Certificate(record) => certificate(record),
        Record::CompromisedKey(key) => {
            let key = ("digest", key.0.into());
            Row { table: "compromised_key", key, revision: None, open: Vec::new(), fixed: Vec::new() }
        }
        Record::Spending(record) => spending(record),
    }
}

fn account(a: &Account) -> Row<'_> {
    let status = match a.status {
        AccountStatus::Valid => "valid",
        AccountStatus::Deactivated => "deactivated",
        AccountStatus::Revoked => "revoked",
    };
    let contact = serde_json::Value::from(a.contact.clone()).to_string();
    Row {
        table: "account",
        key: ("id", (&a.id).into()),
        revision: Some(a.revision.into()),
        open: vec![
            ("key", (&a.key).into()),
            ("thumbprint", (&a.thumbprint).into()),
            ("contact", Value::Text(contact.into())),
            ("status", status.into()),
            ("created", a.created.into()),
            ("terms", a.terms.as_ref().into()),
            ("external", a.external.as_ref().into()),
        ],
        fixed: Vec::new(),
    }
}

fn order(o: &Order) -> Row<'_> {
    let (state, serial, problem) = match &o.state {
        OrderState::Open => ("open", None, None),
        OrderState::Processing(serial) => ("processing", Some(serial.0), None),
        OrderState::Valid(serial) => ("valid", Some(serial.0), None),
        OrderState::Invalid(problem) => ("invalid", None, Some(problem)),
    };
    Row {
        table: "acme_order",
        key: ("id", (&o.id).into()),
        revision: Some(o.revision.into()),
        open: vec![
            ("account", (&o.account).into()),
            ("authorization", (&o.authorization).into()),
            ("identifier", o.identifier.as_str().into()),
            ("profile", (&o.profile).into()),
            ("state", state.into()),
            ("serial", serial.into()),
            ("problem", problem.into()),
            ("created", o.created.into()),
            ("expires", o.expires.into()),
            ("replaces", o.replaces.map(|serial| serial.0).into()),
        ],
        fixed: Vec::new(),
    }
}

fn authorization(a: &Authorization) -> Row<'_> {
    let mail = a.reply.as_ref().and_then(|reply| reply.mail.as_ref());
    let status = match a.status {
        AuthorizationStatus::Pending => "pending",
        AuthorizationStatus::Valid => "valid",
        AuthorizationStatus::Deactivated => "deactivated",
    };
    Row {
        table: "authorization",
        key: ("id", (&a.id).into()),
        revision: Some(a.revision.into()),
        open: vec![
            ("account", (&a.account).into()),
            ("identifier", a.identifier.as_str().into()),
            ("status", status.into()),
            ("expires", a.expires.into()),
            ("validated", a.validated.into()),
            ("proven_by", a.proven_by.map(ChallengeType::name).into()),
            ("code_hash", a.code.map(|code| code.hash.0).into()),
            ("code_expires", a.code.map(|code| code.expires).into()),
            ("code_tries", a.code.map(|code| code.tries_left).into()),
            ("code_handover", a.code.map(|code| handover(code.handover)).into()),
            ("reply_part2", a.reply.as_ref().map(|reply| reply.part2).into()),
            ("reply_digest", mail.map(|mail| mail.digest.0).into()),
            ("reply_expires", mail.map(|mail| mail.expires).into()),
            ("reply_tries", mail.map(|mail| mail.tries_left).into()),
            ("reply_handover", mail.map(|mail| handover(mail.handover)).into()),
            ("reply_refused", mail.and_then(|mail| mail.refused.as_deref()).into()),
        ],
        fixed: Vec::new(),
    }
}

const fn handover(handover: Handover) -> &'static str {
    match handover {
        Handover::UnderWay => "under way",
        Handover::Done => "done",
        Handover::Failed => "failed",
    }
}

/// Only the state and the revocation of a certificate ever change, and whether it is to be announced.
fn certificate(c: &CertificateRecord) -> Row<'_> {
    let (identifier, slot, vrf_proof, service) = match &c.subject {
        Subject::Person { identifier, slot, vrf_proof } => {
            (Some(identifier.as_str()), Some(*slot), Some(vrf_proof.as_slice()), None)
        }
        Subject::Service { name } => (None, None, None, Some(name)),
    };
    let (state, index, proof, certificate) = state(&c.state);
    Row {
        table: "certificate",
        key: ("serial", c.serial.0.into()),
        revision: Some(c.revision.into()),
        open: vec![
            ("state", state.into()),
            ("log_index", index.into()),
            ("proof", proof.into()),
            ("certificate", certificate.into()),
            ("revoked_at", c.revoked.map(|revocation| revocation.at).into()),
            ("reason", c.revoked.map(|revocation| revocation.reason).into()),
            ("announce", c.announce.into()),
        ],
        fixed: vec![
            ("authority", c.authority.name().into()),
            ("profile", (&c.profile).into()),
            ("account", c.account.as_ref().into()),
            ("acme_order", c.order.as_ref().into()),
            ("identifier", identifier.into()),
            ("period", c.period.into()),
            ("slot", slot.into()),
            ("vrf_proof", vrf_proof.into()),
            ("service", service.into()),
            ("opening", c.opening.into()),
            ("tbs", c.tbs.as_slice().into()),
            ("key_digest", c.key().map(|key| key.0).into()),
            ("not_before", c.not_before.into()),
            ("not_after", c.not_after.into()),
        ],
    }
}

type StateColumns<'a> = (&'static str, Option<u64>, Option<&'a str>, Option<&'a [u8]>);

fn state(state: &CertificateState) -> StateColumns<'_> {
    match state {
        CertificateState::Planned => ("planned", None, None, None),
        CertificateState::Logged { index, proof } => ("logged", Some(*index), Some(proof), None),
        CertificateState::Issued { index, certificate } => ("issued", Some(*index), None, Some(certificate)),
        CertificateState::Abandoned { index } => ("abandoned", *index, None, None),
        CertificateState::Erased { index } => ("erased", *index, None, None),
    }
}

fn spending(s: &Spending) -> Row<'_> {
    Row {
        table: "spending",
        key: ("day", s.day.into()),
        revision: Some(s.revision.into()),
        open: vec![("spent", s.spent.into()), ("messages", s.messages.into())],
        fixed: Vec::new(),
    }
}

/// Forgets what expired before this time: three statements.
pub(super) fn forget(expired_before: u64) -> [Statement<'static>; 3] {
    let statement = |sql: &str| Statement { sql: sql.to_owned(), values: vec![expired_before.into()] };
    [
        statement("DELETE FROM acme_order WHERE expires < ?1"),
        statement("DELETE FROM \"authorization\" WHERE expires < ?1"),
        statement("DELETE FROM spending WHERE (day + 1) * 86400 < ?1"),
    ]
}

/// As [`CertificateRecord::erased`]. A service's certificate hides nothing.
pub(super) const ERASE: &str = "UPDATE certificate SET revision = revision + 1, account = NULL, acme_order = NULL,
        vrf_proof = ?2, opening = ?3, tbs = ?4, key_digest = NULL, state = 'erased', proof = NULL, certificate = NULL
        WHERE service IS NULL AND state IN ('issued', 'abandoned') AND not_after < ?1";

/// Erases what opens the entries of certificates that ended before this time, of all people or of one.
pub(super) fn erase<'a>(ended_before: u64, of: Option<&'a str>) -> Statement<'a> {
    let mut values = vec![ended_before.into(), [0; 80].into(), [0; 32].into(), [].into()];
    values.extend(of.map(Value::from));
    let sql = if of.is_some() { format!("{ERASE} AND identifier = ?5") } else { ERASE.to_owned() };
    Statement { sql, values }
}
