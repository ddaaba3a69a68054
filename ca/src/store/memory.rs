//! A store in memory, for tests: it forgets everything, and fails when it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{
    Account, AuthorizationStatus, CertificateState, Change, Record, Select, Store, StoreError, Subject,
    record::{Authorization, CertificateRecord, Order, Spending},
};
use crate::store::{KeyDigest, Revocation, Serial};

/// A commit that is to fail, answered as [`StoreError::Unavailable`] unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The changes are not written.
    NotPersisted,
    /// The changes are written, and the answer is lost.
    Persisted,
    /// The changes are not written, nor any after them.
    Dead,
    /// Somebody else writes the same records a moment before: [`StoreError::Conflict`].
    Outrun,
}

/// A [`Store`] in memory. It keeps the contract except for durability.
#[derive(Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
    holding: watch::Sender<bool>,
}

#[derive(Clone, Default)]
struct Tables {
    accounts: BTreeMap<String, Account>,
    orders: BTreeMap<String, Order>,
    authorizations: BTreeMap<String, Authorization>,
    certificates: Vec<CertificateRecord>,
    compromised: BTreeSet<KeyDigest>,
    spending: BTreeMap<u64, Spending>,
    commits: u64,
    fault: Option<(u64, Fault)>,
    dead: bool,
}

impl MemoryStore {
    /// The commit after `skip` successful ones fails without being written, and so does every one after it, until
    /// [`Self::revive`].
    pub fn die_after(&self, skip: u64) {
        self.fail_after(skip, Fault::Dead);
    }

    /// What it holds now, in a store of its own: a backup.
    #[cfg(test)]
    pub(crate) fn copy(&self) -> Self {
        Self { tables: Mutex::new(self.lock().clone()), holding: watch::Sender::default() }
    }

    /// Works again.
    pub fn revive(&self) {
        self.lock().dead = false;
    }

    /// The commit after `skip` successful ones fails, once.
    pub fn fail_after(&self, skip: u64, fault: Fault) {
        let mut tables = self.lock();
        let at = tables.commits + skip;
        tables.fault = Some((at, fault));
    }

    /// Whether commits are answered late: once this is no longer wished.
    pub fn hold_answers(&self, hold: bool) {
        self.holding.send_replace(hold);
    }

    /// How many commits were tried.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn read(&self, select: Select) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        let found = self.lock().read(&select);
        Box::pin(async move { Ok(found) })
    }

    fn commit(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<usize, StoreError>> {
        let result = self.lock().commit(changes);
        let mut holding = self.holding.subscribe();
        Box::pin(async move {
            let _ = holding.wait_for(|hold| !hold).await;
            result
        })
    }
}

impl Tables {
    fn commit(&mut self, changes: Vec<Change>) -> Result<usize, StoreError> {
        let fault = self.fault.take_if(|(at, _)| *at == self.commits).map(|(_, fault)| fault);
        self.commits += 1;
        self.dead |= fault == Some(Fault::Dead);
        if self.dead || fault == Some(Fault::NotPersisted) {
            return Err(StoreError::Unavailable("injected: not persisted".into()));
        }
        if fault == Some(Fault::Outrun) {
            changes.iter().for_each(|change| self.touch(change));
        }
        let mut after = self.clone();
        let mut erased = 0;
        for change in changes {
            erased += after.apply(change)?;
        }
        *self = after;
        if fault == Some(Fault::Persisted) {
            return Err(StoreError::Unavailable("injected: persisted".into()));
        }
        Ok(erased)
    }

    /// Writes what the change would update once more as it is.
    fn touch(&mut self, change: &Change) {
        let Change::Update(record) = change else { return };
        let revision = match record {
            Record::Account(new) => self.accounts.get_mut(&new.id).map(|old| &mut old.revision),
            Record::Order(new) => self.orders.get_mut(&new.id).map(|old| &mut old.revision),
            Record::Authorization(new) => self.authorizations.get_mut(&new.id).map(|old| &mut old.revision),
            Record::Certificate(new) => {
                self.certificates.iter_mut().find(|old| old.serial == new.serial).map(|old| &mut old.revision)
            }
            Record::Spending(new) => self.spending.get_mut(&new.day).map(|old| &mut old.revision),
            Record::CompromisedKey(_) => None,
        };
        if let Some(revision) = revision {
            *revision += 1;
        }
    }

    /// How many certificates' openings it erased.
    fn apply(&mut self, change: Change) -> Result<usize, StoreError> {
        match change {
            Change::Insert(record) => self.insert(record).map(|()| 0),
            Change::Update(record) => self.update(record).map(|()| 0),
            Change::Forget { expired_before } => {
                self.orders.retain(|_, o| o.expires >= expired_before);
                self.authorizations.retain(|_, a| a.expires >= expired_before);
                self.spending.retain(|day, _| Spending::ends(*day) >= expired_before);
                Ok(0)
            }
            Change::Erase { ended_before, of } => {
                let over = |c: &CertificateRecord| {
                    let settled =
                        matches!(c.state, CertificateState::Issued { .. } | CertificateState::Abandoned { .. });
                    let hers = place(c).is_some_and(|(who, ..)| of.as_ref().is_none_or(|of| of == who));
                    settled && hers && c.not_after < ended_before
                };
                let mut erased = 0;
                for certificate in self.certificates.iter_mut().filter(|c| over(c)) {
                    *certificate = certificate.clone().erased();
                    erased += 1;
                }
                Ok(erased)
            }
        }
    }

    fn insert(&mut self, record: Record) -> Result<(), StoreError> {
        match record {
            Record::Account(new) => {
                let bound = |a: &Account| a.external.is_some() && a.external == new.external;
                let taken = |a: &Account| a.id == new.id || a.thumbprint == new.thumbprint || bound(a);
                if self.accounts.values().any(taken) {
                    return Err(StoreError::Taken("account"));
                }
                self.accounts.insert(new.id.clone(), new);
            }
            Record::Order(new) => {
                if self.orders.insert(new.id.clone(), new).is_some() {
                    return Err(StoreError::Taken("order"));
                }
            }
            Record::Authorization(new) => {
                if self.authorizations.insert(new.id.clone(), new).is_some() {
                    return Err(StoreError::Taken("authorization"));
                }
            }
            Record::Certificate(new) => {
                if self
                    .certificates
                    .iter()
                    .any(|c| c.serial == new.serial || place(c).is_some_and(|p| Some(p) == place(&new)))
                {
                    return Err(StoreError::Taken("certificate"));
                }
                self.certificates.push(new);
            }
            Record::CompromisedKey(new) => _ = self.compromised.insert(new),
            Record::Spending(new) => {
                if self.spending.insert(new.day, new).is_some() {
                    return Err(StoreError::Taken("spending"));
                }
            }
        }
        Ok(())
    }

    fn update(&mut self, record: Record) -> Result<(), StoreError> {
        match record {
            Record::Account(new) => {
                if self.accounts.values().any(|a| a.id != new.id && a.thumbprint == new.thumbprint) {
                    return Err(StoreError::Conflict("account"));
                }
                let old = self.accounts.get_mut(&new.id).filter(|o| o.revision == new.revision);
                *old.ok_or(StoreError::Conflict("account"))? = Account { revision: new.revision + 1, ..new };
            }
            Record::Order(new) => {
                let old = self.orders.get_mut(&new.id).filter(|o| o.revision == new.revision);
                *old.ok_or(StoreError::Conflict("order"))? = Order { revision: new.revision + 1, ..new };
            }
            Record::Authorization(new) => {
                let old = self.authorizations.get_mut(&new.id).filter(|o| o.revision == new.revision);
                *old.ok_or(StoreError::Conflict("authorization"))? =
                    Authorization { revision: new.revision + 1, ..new };
            }
            Record::Certificate(new) => {
                let old = self.certificates.iter_mut().find(|o| o.serial == new.serial && o.revision == new.revision);
                *old.ok_or(StoreError::Conflict("certificate"))? =
                    CertificateRecord { revision: new.revision + 1, ..new };
            }
            Record::CompromisedKey(new) => _ = self.compromised.insert(new),
            Record::Spending(new) => {
                let old = self.spending.get_mut(&new.day).filter(|o| o.revision == new.revision);
                *old.ok_or(StoreError::Conflict("spending"))? = Spending { revision: new.revision + 1, ..new };
            }
        }
        Ok(())
    }

    fn read(&self, select: &Select) -> Vec<Record> {
        let one_certificate =
            |serial: &Serial| self.certificates.iter().filter(|c| c.serial == *serial).cloned().collect();
        let certificates: Vec<CertificateRecord> = match select {
            Select::Account(id) => return self.accounts.get(id).cloned().map(Record::Account).into_iter().collect(),
            Select::AccountByThumbprint(thumbprint) => {
                return self
                    .accounts
                    .values()
                    .filter(|a| a.thumbprint == *thumbprint)
                    .cloned()
                    .map(Record::Account)
                    .collect();
            }
            Select::Order(id) => return self.orders.get(id).cloned().map(Record::Order).into_iter().collect(),
            Select::OrdersOf { account, after, limit } => {
                let begin = after.clone().unwrap_or((u64::MAX, String::new()));
                let place = |o: &Order| (o.created, o.id.clone());
                let listed = |o: &&Order| o.account == *account && place(o) < begin;
                let mut orders: Vec<_> = self.orders.values().filter(listed).cloned().collect();
                orders.sort_by_key(|o| std::cmp::Reverse(place(o)));
                return orders.into_iter().take(*limit as usize).map(Record::Order).collect();
            }
            Select::Replacing(serial) => {
                let replacing =
                    |o: &&Order| o.replaces == Some(*serial) && !matches!(o.state, super::OrderState::Invalid(_));
                return self.orders.values().filter(replacing).cloned().map(Record::Order).collect();
            }
            Select::Authorization(id) => {
                return self.authorizations.get(id).cloned().map(Record::Authorization).into_iter().collect();
            }
            Select::CompromisedKey(key) => {
                return self.compromised.get(key).copied().map(Record::CompromisedKey).into_iter().collect();
            }
            Select::Spending(day) => {
                return self.spending.get(day).copied().map(Record::Spending).into_iter().collect();
            }
            Select::ValidAuthorizations { account, identifier, at } => {
                let usable = |a: &&Authorization| {
                    a.account == *account
                        && a.identifier == *identifier
                        && a.status == AuthorizationStatus::Valid
                        && a.expires > *at
                };
                let mut valid: Vec<_> = self.authorizations.values().filter(usable).cloned().collect();
                valid.sort_by_key(|a| std::cmp::Reverse(a.expires));
                return valid.into_iter().map(Record::Authorization).collect();
            }
            Select::Standing { identifier, at } => {
                let sent = |a: &Authorization| a.code.is_some() || a.reply.as_ref().is_some_and(|r| r.mail.is_some());
                let standing = |a: &&Authorization| {
                    let open = a.status == AuthorizationStatus::Pending && sent(a);
                    a.identifier == *identifier && a.expires > *at && (a.status == AuthorizationStatus::Valid || open)
                };
                return self.authorizations.values().filter(standing).cloned().map(Record::Authorization).collect();
            }
            Select::AllValid { after, limit } => {
                let valid = |a: &&Authorization| a.id > *after && a.status == AuthorizationStatus::Valid;
                let mut valid: Vec<_> = self.authorizations.values().filter(valid).cloned().collect();
                valid.sort_by(|a, b| a.id.cmp(&b.id));
                return valid.into_iter().take(*limit as usize).map(Record::Authorization).collect();
            }
            Select::Certificate(serial) => one_certificate(serial),
            Select::CertificatesOf { identifier, from, to } => self
                .certificates
                .iter()
                .filter(|c| {
                    place(c).is_some_and(|(who, period, _)| who == identifier && (*from..=*to).contains(&period))
                })
                .cloned()
                .collect(),
            Select::SpeakingBy { key, at, limit } => {
                let speaks = |c: &&CertificateRecord| {
                    let valid = matches!(c.state, CertificateState::Issued { .. })
                        && !c.revoked.is_some_and(Revocation::is_for_compromise);
                    (c.is_unfinished() || valid) && c.not_after >= *at && c.key() == Some(*key)
                };
                self.certificates.iter().filter(speaks).take(*limit as usize).cloned().collect()
            }
            Select::Unfinished { limit } => {
                self.certificates.iter().filter(|c| c.is_unfinished()).take(*limit as usize).cloned().collect()
            }
            Select::Unannounced { limit } => self
                .certificates
                .iter()
                .filter(|c| c.announce && matches!(c.state, CertificateState::Issued { .. }))
                .take(*limit as usize)
                .cloned()
                .collect(),
            Select::Revoked { authority, at, after, limit } => {
                let place = |c: &CertificateRecord| (c.not_after, c.serial);
                let found = self.certificates.iter().filter(|c| {
                    let later = after.is_none_or(|after| place(c) > after);
                    c.authority == *authority && c.revoked.is_some() && c.not_after >= *at && later
                });
                let mut found: Vec<_> = found.cloned().collect();
                found.sort_by_key(place);
                found.truncate(*limit as usize);
                found
            }
        };
        certificates.into_iter().map(Record::Certificate).collect()
    }
}

/// Where a person's label stands: what must be unique.
fn place(certificate: &CertificateRecord) -> Option<(&identity::Identifier, u32, u8)> {
    match &certificate.subject {
        Subject::Person { identifier, slot, .. } => Some((identifier, certificate.period, *slot)),
        Subject::Service { .. } => None,
    }
}
