//! After a backup was restored: what the log tells of the time since, taken into the books before anything is signed.
//!
//! The log holds every label that was used since, every revocation list, every head of the audit trail. It does not hold
//! accounts, proofs of control and openings: those are lost, and people make them anew.
//!
//! * **Certificates on their way** at the time of the backup may have been logged and signed since. None is signed twice:
//!   they come to nothing, and their orders with them.
//! * **Slots** that were used since are not used again (`taken`): a label that stands in the log twice would be the proof of
//!   a misbehaving authority.
//! * **Proofs of control** from before count no more: which of them their owners ended since, and which an account lost whose
//!   key was reported as compromised, stands on no list.
//! * **Revocations** since are revoked again; those of certificates that the books know nothing of are carried on by
//!   their serial numbers (`carried`).

pub(crate) mod carried;
pub(crate) mod taken;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use identity::UnixTime;
use identity::certificate::Certificate;
use identity::transparency::{LabelInput, VrfProof, VrfPublicKey};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tlog_proof::{Entry, ObjectKind};

use crate::issue::ended;
use crate::keys::{KeysError, issuing_certificates, root_has_signed};
use crate::store::{
    Book, CertificateRecord, CertificateState, Change, KEY_COMPROMISE, KeyDigest, Order, OrderState, Record,
    Revocation, Select, SqliteStore, Store, StoreError, Subject,
};
use crate::trail::{self, Trail, TrailError};
use carried::Carried;
use taken::TakenLabels;

/// So many records are changed at once.
const PAGE: u32 = 256;

/// So many of the newest certificates are asked where they stand.
const NEWEST: u32 = 256;

/// What stands in one log since the backup was begun.
#[derive(Debug)]
pub struct LoggedSince {
    /// The log's origin.
    pub origin: String,
    /// The key of the authority's labels in it.
    pub labels: VrfPublicKey,
    /// The entries with their indexes.
    pub entries: Vec<(u64, Entry)>,
    /// Objects that these entries name, by their SHA-256, as far as they were found.
    pub objects: HashMap<[u8; 32], Vec<u8>>,
    /// Revocation lists since that stand behind these entries, where the log's end is not known. Their issuer's signature
    /// was verified.
    pub lists: Vec<Vec<u8>>,
}

/// What was done, and what is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// Certificates that were on their way, and come to nothing.
    pub abandoned: u64,
    /// Labels that were used since.
    pub taken: u64,
    /// Proofs of control from before, which count no more.
    pub proofs_ended: u64,
    /// Certificates that were revoked since, and are again.
    pub revoked: u64,
    /// Revoked certificates that the books know nothing of.
    pub carried: u64,
    /// Revocation lists that stand in the log and were not found.
    pub lists_missing: u64,
    /// Records of the audit trail since the backup, as far as their heads were logged.
    pub audit_records_lost: u64,
    /// SHA-256 of issuing certificates that were logged since and whose keys are not there.
    pub issuers_unknown: Vec<String>,
}

/// Why the books were not brought up to date. It can be tried again.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The audit trail.
    #[error("the audit trail: {0}")]
    Trail(#[from] TrailError),
    /// The issuing certificates.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// What is kept beside the database.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// Which list it is: its signer's key identifier, and its place if it is a part or has parts; none if it is no list of ours.
#[must_use]
pub fn list_name(der: &[u8]) -> Option<(String, Option<String>)> {
    Carried::name(der)
}

/// How many entries of its one log the books in `folder` know at least: whatever stands before them was planned before it was
/// logged, and so is known, too. 0 if nothing has been logged that they know of.
///
/// # Errors
/// The database cannot be read.
pub fn entries_known(folder: &Path) -> Result<u64, RecoveryError> {
    let database = folder.join("ca.sqlite");
    // A backup may be of an older program's: this brings it up.
    drop(SqliteStore::open(&database)?);
    let newest = Book::open(&database)?.newest(NEWEST)?;
    Ok(newest.iter().filter_map(|record| Some(record.index()? + 1)).max().unwrap_or_default())
}

/// Whether `root` has signed this issuing certificate.
#[must_use]
pub fn is_issuing_by(root: &[u8], der: &[u8]) -> bool {
    let (Ok(root), Ok(issuing)) = (Certificate::parse(root), Certificate::parse(der)) else { return false };
    root_has_signed(&root, &issuing)
}

/// How many revocation lists were logged since that are not there and may show more than those that are: the newest one of
/// each list must be there.
#[must_use]
pub fn lists_missing(folder: &Path, logs: &[LoggedSince]) -> u64 {
    let here = std::fs::read_dir(folder.join("crl")).into_iter().flatten().flatten();
    let here = here.filter_map(|file| Carried::name(&std::fs::read(file.path()).ok()?));
    let mut newest: HashMap<_, usize> = here.map(|name| (name, 0)).collect();
    let (mut missing, mut place) = (Vec::new(), 0);
    for (_, der) in objects(logs, ObjectKind::Crl) {
        place += 1;
        match der.and_then(|der| Carried::name(der)) {
            Some(name) => {
                newest.insert(name, place);
            }
            None => missing.push(place),
        }
    }
    let behind = logs.iter().flat_map(|log| &log.lists).filter_map(|der| Carried::name(der));
    newest.extend(behind.map(|name| (name, usize::MAX)));
    let oldest = newest.values().min().copied().unwrap_or_default();
    missing.iter().filter(|place| **place > oldest).count() as u64
}

/// Brings the books in `folder` up to what the logs tell. `made_at` says when the backup was made (seconds since the
/// epoch). Doing it twice is no harm.
///
/// # Errors
/// See [`RecoveryError`].
pub async fn recover(
    folder: &Path,
    logs: &[LoggedSince],
    made_at: u64,
    now: UnixTime,
) -> Result<Recovered, RecoveryError> {
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.join("ca.sqlite"))?);
    recover_on(&*store, folder, logs, made_at, now).await
}

async fn recover_on(
    store: &dyn Store,
    folder: &Path,
    logs: &[LoggedSince],
    made_at: u64,
    now: UnixTime,
) -> Result<Recovered, RecoveryError> {
    let places = places(logs);
    let mut done = Recovered { abandoned: abandon(store, logs, &places).await?, ..Recovered::default() };
    done.proofs_ended = end_proofs(store).await?;
    let labels = places.keys().copied();
    done.taken = TakenLabels::add(folder, labels, now).map_err(|(path, source)| RecoveryError::Io { path, source })?;
    revoke(store, folder, logs, &mut done).await?;
    done.issuers_unknown = unknown_issuers(folder, logs)?;
    record(folder, logs, made_at, now, &mut done).await?;
    Ok(done)
}

/// Where each label stands.
fn places(logs: &[LoggedSince]) -> HashMap<[u8; 32], u64> {
    let entries = logs.iter().flat_map(|log| &log.entries);
    let labels = entries.filter_map(|(index, entry)| match entry {
        Entry::Certificate { label, .. } => Some((*label, *index)),
        _ => None,
    });
    labels.collect()
}

/// What was planned or logged may have been signed since, over a proof that is lost. It is opened to its owner in any case.
async fn abandon(store: &dyn Store, logs: &[LoggedSince], places: &HashMap<[u8; 32], u64>) -> Result<u64, StoreError> {
    let mut abandoned = 0;
    loop {
        let found = store.certificates(Select::Unfinished { limit: PAGE }).await?;
        if found.is_empty() {
            return Ok(abandoned);
        }
        for record in found {
            let index = record.index().or_else(|| places.get(&label_of(&record, logs)?).copied());
            let order = match &record.order {
                Some(id) => store.order(id).await?,
                None => None,
            };
            let reason = "the authority was restored from a backup; make a new order";
            let given_up =
                order.map(|o| Change::Update(Record::Order(Order { state: OrderState::Invalid(reason.into()), ..o })));
            let state = CertificateState::Abandoned { index };
            let mut changes = vec![Change::Update(Record::Certificate(CertificateRecord { state, ..record }))];
            changes.extend(given_up);
            store.commit(changes).await?;
            abandoned += 1;
        }
    }
}

/// Whose control was proven before must prove it anew. What the lists do not show is lost otherwise: that an owner ended the
/// proofs of a stolen device, or that the key of a certificate that had ended was reported as compromised.
async fn end_proofs(store: &dyn Store) -> Result<u64, StoreError> {
    let (mut proofs_ended, mut after) = (0, String::new());
    loop {
        let valid = store.authorizations(Select::AllValid { after, limit: PAGE }).await?;
        let Some(last) = valid.last() else { return Ok(proofs_ended) };
        after = last.id.clone();
        proofs_ended += valid.len() as u64;
        store.commit(valid.into_iter().map(ended).collect()).await?;
    }
}

/// The label under which a planned certificate would stand.
fn label_of(record: &CertificateRecord, logs: &[LoggedSince]) -> Option<[u8; 32]> {
    let Subject::Person { identifier, slot, vrf_proof } = &record.subject else { return None };
    let proof = VrfProof::from_bytes(*vrf_proof);
    logs.iter().find_map(|log| {
        let input = LabelInput { origin: &log.origin, identifier, period: record.period, slot: *slot };
        log.labels.verify(&input, &proof).ok()
    })
}

/// The objects of one kind, those that were not found as `None`, the oldest first.
fn objects(logs: &[LoggedSince], wanted: ObjectKind) -> impl Iterator<Item = ([u8; 32], Option<&Vec<u8>>)> {
    logs.iter().flat_map(move |log| {
        log.entries.iter().filter_map(move |(_, entry)| match entry {
            Entry::Object { kind, hash } if *kind == wanted => Some((*hash, log.objects.get(hash))),
            _ => None,
        })
    })
}

/// The lists were signed by this authority: they stand in its log, or their signature was verified.
async fn revoke(
    store: &dyn Store,
    folder: &Path,
    logs: &[LoggedSince],
    done: &mut Recovered,
) -> Result<(), RecoveryError> {
    let mut revoked = BTreeMap::new();
    let behind = logs.iter().flat_map(|log| &log.lists).map(Some);
    for der in objects(logs, ObjectKind::Crl).map(|(_, der)| der).chain(behind) {
        match der.and_then(|der| Carried::listed(der)) {
            Some(listed) => revoked.extend(listed.into_iter().map(|one| (one.serial, one))),
            None => done.lists_missing += 1,
        }
    }
    let mut unknown = Vec::new();
    for (serial, one) in revoked {
        match store.certificate(serial).await? {
            Some(record) if record.revoked.is_some_and(|r| r.is_for_compromise() || one.reason != KEY_COMPROMISE) => {}
            Some(record) => {
                store.commit(again(record, &one)).await?;
                done.revoked += 1;
            }
            None => unknown.push(one),
        }
    }
    done.carried = unknown.len() as u64;
    Carried::add(folder, unknown).map_err(|(path, source)| RecoveryError::Io { path, source })
}

/// What a revocation changes (as `acme::revoke` has it), at its own time. Proofs of control have ended by now.
fn again(record: CertificateRecord, one: &Carried) -> Vec<Change> {
    let mut changes = Vec::new();
    if one.reason == KEY_COMPROMISE {
        let issued = match &record.state {
            CertificateState::Issued { certificate, .. } => Certificate::parse(certificate).ok(),
            _ => None,
        };
        changes.extend(
            issued.and_then(|c| KeyDigest::of_key(c.tbs())).map(|key| Change::Insert(Record::CompromisedKey(key))),
        );
    }
    let revoked = Some(Revocation { at: one.at, reason: one.reason });
    changes.push(Change::Update(Record::Certificate(CertificateRecord { revoked, ..record })));
    changes
}

fn unknown_issuers(folder: &Path, logs: &[LoggedSince]) -> Result<Vec<String>, KeysError> {
    let known: Vec<[u8; 32]> =
        issuing_certificates(&folder.join("keys"))?.iter().map(|der| Sha256::digest(der).into()).collect();
    let logged = objects(logs, ObjectKind::IssuingCertificate).map(|(hash, _)| hash);
    Ok(logged.filter(|hash| !known.contains(hash)).map(hex::encode).collect())
}

/// The trail goes on where the backup's ends, and says so: whoever holds a later copy of it sees why two records have one
/// number.
async fn record(
    folder: &Path,
    logs: &[LoggedSince],
    made_at: u64,
    now: UnixTime,
    done: &mut Recovered,
) -> Result<(), RecoveryError> {
    let trail = Trail::open(&folder.join(trail::FILE), Arc::new(move || now))?;
    let head = trail.head();
    let heads = objects(logs, ObjectKind::AuditHead).filter_map(|(_, object)| head.count_in(object?));
    let last = heads.max().unwrap_or_default();
    done.audit_records_lost = last.saturating_sub(head.count);
    let of = json!({
        "proofs-ended": done.proofs_ended, "backup-made": made_at, "last-logged-record": last, "abandoned": done.abandoned, "labels": done.taken,
        "revoked": done.revoked, "carried": done.carried, "lists-missing": done.lists_missing,
    });
    trail.record("restored-from-backup", of).await.map_err(RecoveryError::from)
}
