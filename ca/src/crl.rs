//! Revocation lists (RFC 5280 section 5): signed hourly and at once after a revocation, and logged before anybody sees
//! them.
//!
//! The list of an authority's people may be cut into parts, so that it stays small where many are certified: which part
//! speaks for a certificate is baked into it. A list that has parts beside it says so itself: it speaks for the
//! certificates that name it, from before there were parts. A part that was once made is made anew for as long as its file
//! is there, whatever the number of parts for new certificates is by then.

mod known;
mod name;
mod newest;
mod shared;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::future::join_all;
use identity::UnixTime;
use identity::certificate::Tbs;
use identity::plan::{CrlPlan, RevocationReason, RevokedEntry};
use serde_json::json;
use thiserror::Error;
use tlog_proof::ObjectKind;
use tokio::sync::{Mutex, Notify};
use transparency_log::SubmitError;

use known::{Known, Listed};
pub(crate) use name::ListName;
use name::MAX_SHARDS;
use newest::Newest;
pub(crate) use newest::place_of;

use crate::files;
use crate::issuance::{CrlSignError, sign_crl};
use crate::issue::Issuer;
use crate::keys::{IssuerName, Issuing};
use crate::recovery::carried::Carried;
use crate::store::{Authority, CertificateRecord, Select, StoreError};

/// A list is renewed when it is so old.
const FRESH: Duration = Duration::from_secs(3600);
/// The clock of the front end that made a list may be so far ahead of this one's (seconds).
const AHEAD: u64 = 300;
/// nextUpdate lies so far ahead: verifiers refuse to go on without a newer one after a week.
const VALID: Duration = Duration::from_secs(7 * 86_400);

/// Why there is no newer list.
#[derive(Debug, Error)]
pub enum CrlError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be planned or signed.
    #[error(transparent)]
    Sign(#[from] CrlSignError),
    /// The log did not take it.
    #[error("the log: {0}")]
    Log(#[from] SubmitError),
    /// It cannot be kept.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// The newest of all lists.
pub(crate) struct Crls {
    issuer: Arc<Issuer>,
    folder: PathBuf,
    lists: RwLock<BTreeMap<ListName, Arc<List>>>,
    /// Woken when a revocation could not be shown at once.
    pub(crate) behind: Notify,
    /// Revocations of certificates that the store does not know.
    carried: Vec<Carried>,
    known: Known,
}

/// So many revoked certificates are read from the store at a time: whole, they take more room than all else of a list.
const PAGE: u32 = 256;

struct List {
    /// Who signs it.
    issuing: Arc<Issuing>,
    /// Where it is, to the byte as certificates name it.
    url: String,
    newest: RwLock<Option<Newest>>,
    /// One renewal at a time: numbers must not cross.
    renewing: Mutex<()>,
}

impl List {
    fn newest(&self) -> Option<Newest> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is revoked and has not expired, by the list that must show it.
type Revoked = BTreeMap<ListName, Vec<Listed>>;

impl Crls {
    /// Takes up the lists in `folder`, as far as there are any that read back, beside those that new certificates name.
    ///
    /// `carried` goes on standing on the lists beside what the store knows.
    pub(crate) fn open(issuer: Arc<Issuer>, folder: PathBuf, carried: Vec<Carried>) -> Result<Self, CrlError> {
        files::private_folder(&folder).map_err(|source| CrlError::Io { path: folder.clone(), source })?;
        rename_parts(&folder).map_err(|source| CrlError::Io { path: folder.clone(), source })?;
        let (lists, behind, known) = (RwLock::default(), Notify::new(), Known::default());
        let crls = Self { issuer, folder, lists, behind, carried, known };
        for issuing in crls.issuer.keys().all() {
            crls.add(&issuing)?;
        }
        Ok(crls)
    }

    /// Adds the lists of an issuing key. They are there from the next renewal on.
    fn add(&self, issuing: &Arc<Issuing>) -> Result<(), CrlError> {
        let io = |source| CrlError::Io { path: self.folder.clone(), source };
        let issuer = issuing.name;
        let shards = self.issuer.shards.min(MAX_SHARDS);
        let mut names = vec![ListName::whole(issuer)];
        let parts = (0..shards).filter(|_| shards > 1 && issuer.authority == Authority::People);
        names.extend(parts.map(|shard| ListName { issuer, shard: Some(shard) }));
        for file in std::fs::read_dir(&self.folder).map_err(io)? {
            let part = file.map_err(io)?.file_name().to_str().and_then(ListName::shard_of_file);
            names.extend(part.filter(|part| part.issuer == issuer));
        }
        let list = |name: ListName| {
            let (issuing, url) = (Arc::clone(issuing), self.issuer.list_url(name));
            let newest = Newest::read(&self.folder.join(name.file())).filter(|newest| newest.is_of(&url));
            Arc::new(List { issuing, url, newest: RwLock::new(newest), renewing: Mutex::default() })
        };
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            lists.entry(name).or_insert_with(|| list(name));
        }
        Ok(())
    }

    /// The lists of an issuing key that is about to issue: made, logged and there when this returns.
    pub(crate) async fn take_up(&self, issuing: &Arc<Issuing>) -> Result<(), CrlError> {
        self.add(issuing)?;
        self.renew_if_old(issuing.name.authority).await
    }

    fn list(&self, name: ListName) -> Option<Arc<List>> {
        self.lists.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }

    /// The list that is kept under this name.
    fn of_file(&self, file: &str) -> Option<(ListName, Arc<List>)> {
        let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner);
        lists.iter().find(|(name, _)| name.file() == file).map(|(name, list)| (*name, Arc::clone(list)))
    }

    /// DER of the newest list.
    pub(crate) fn der(&self, name: ListName) -> Option<Bytes> {
        Some(self.list(name)?.newest()?.der)
    }

    /// DER of all newest lists of an authority.
    pub(crate) fn all(&self, authority: Authority) -> Vec<Bytes> {
        self.of(authority).iter().filter_map(|(_, list)| Some(list.newest()?.der)).collect()
    }

    /// When the oldest of an authority's newest lists was made, seconds since the epoch; `None` if one is missing.
    pub(crate) fn made(&self, authority: Authority) -> Option<u64> {
        let made = self.of(authority).into_iter().map(|(_, list)| list.newest().map(|newest| newest.this_update));
        made.min().flatten()
    }

    /// When the next list is due.
    pub(crate) fn due_in(&self) -> Duration {
        let now = (self.issuer.clock)().as_secs();
        let made = [Authority::People, Authority::Services].into_iter().filter_map(|authority| self.made(authority));
        made.min().map_or(FRESH, |made| FRESH.saturating_sub(Duration::from_secs(now.saturating_sub(made))))
    }

    /// How many parts the list of an issuing key has.
    pub(crate) fn parts(&self, issuer: IssuerName) -> usize {
        self.of(issuer.authority).iter().filter(|(name, _)| name.issuer == issuer && name.shard.is_some()).count()
    }

    /// In the order of names.
    fn of(&self, authority: Authority) -> Vec<(ListName, Arc<List>)> {
        let lists = self.lists.read().unwrap_or_else(PoisonError::into_inner);
        let of = lists.iter().filter(|(name, _)| name.issuer.authority == authority);
        of.map(|(name, list)| (*name, Arc::clone(list))).collect()
    }

    /// The list that speaks for a certificate. One that names none of ours, from before the authority moved, perhaps, is
    /// shown in the one of its issuer that has no parts.
    fn list_of(&self, certificate: &CertificateRecord) -> ListName {
        let tbs = Tbs::decode(&certificate.tbs).ok();
        let urls = tbs.as_ref().map(Tbs::crl_urls).unwrap_or_default();
        let named = self.of(certificate.authority).into_iter().find(|(_, list)| urls.contains(&list.url));
        let issuer = || {
            let issuing = self.issuer.keys().issuer_of(tbs.as_ref().and_then(Tbs::authority_key_id));
            issuing.map_or(IssuerName::first(certificate.authority), |issuing| issuing.name)
        };
        named.map_or_else(|| ListName::whole(issuer()), |(name, _)| name)
    }

    /// Takes up what the store tells of an authority.
    async fn look(&self, authority: Authority, at: u64) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = Select::Revoked { authority, at, after, limit: PAGE };
            let found = self.issuer.store.certificates(page).await?;
            self.known.add(found.iter().filter_map(|certificate| listed(certificate, self.list_of(certificate))));
            match found.last() {
                Some(last) if found.len() == PAGE as usize => after = Some((last.not_after, last.serial)),
                _ => break,
            }
        }
        self.known.complete(authority, at);
        Ok(())
    }

    /// What must be shown. Other front ends' revocations are in the store alone.
    async fn revoked(&self, authority: Authority, at: u64) -> Result<Revoked, StoreError> {
        let known = match self.known.of(authority, at) {
            Some(known) if self.issuer.shared.is_none() => known,
            _ => {
                self.look(authority, at).await?;
                self.known.of(authority, at).unwrap_or_default()
            }
        };
        let mut revoked = Revoked::new();
        for one in known {
            revoked.entry(one.name).or_default().push(one);
        }
        for (name, certificate) in self.carried(authority) {
            let shown = revoked.entry(name).or_default();
            if shown.iter().all(|known| known.serial != certificate.serial) {
                shown.extend(listed(&certificate, name));
            }
        }
        Ok(revoked)
    }

    /// What is carried on, with as much of a record as a list needs, by the list that showed it.
    fn carried(&self, authority: Authority) -> impl Iterator<Item = (ListName, CertificateRecord)> {
        let lists = self.of(authority);
        self.carried.iter().filter_map(move |one| {
            let issuing = self.issuer.keys().issuer_of(hex::decode(&one.issuer).ok());
            let issuer = issuing.filter(|issuing| issuing.name.authority == authority)?.name;
            let at_place = lists.iter().find(|(_, list)| one.place.as_ref() == Some(&list.url));
            Some((at_place.map_or_else(|| ListName::whole(issuer), |(name, _)| *name), one.record(authority)))
        })
    }

    /// Makes new lists where the newest is an hour old, where there is none, or where it lacks what was revoked.
    pub(crate) async fn renew_if_old(&self, authority: Authority) -> Result<(), CrlError> {
        let _turn = self.turn(authority).await?;
        let ahead = if self.issuer.shared.is_some() { AHEAD } else { 0 };
        let now = (self.issuer.clock)().as_secs();
        self.look(authority, now).await?;
        let mut revoked = self.revoked(authority, now).await?;
        let due = self.of(authority).into_iter().filter_map(|(name, list)| {
            let revoked = revoked.remove(&name).unwrap_or_default();
            let fresh = |newest: &Newest| {
                newest.place == self.place(name, &list)
                    && newest.this_update <= now + ahead
                    && now.saturating_sub(newest.this_update) < FRESH.as_secs()
                    && revoked.iter().all(|c| newest.listed.contains(&c.serial))
            };
            (!list.newest().is_some_and(|newest| fresh(&newest))).then_some(name)
        });
        let due: Vec<_> = due.collect();
        self.renew(authority, &due, || false).await
    }

    /// Makes a new list unless the newest shows that this revoked certificate is revoked, or it has expired. If that fails,
    /// it is tried again soon in the background.
    pub(crate) async fn show(&self, certificate: &CertificateRecord) -> Result<(), CrlError> {
        let name = self.list_of(certificate);
        let shown = || {
            let newest = self.list(name).and_then(|list| list.newest());
            newest.is_some_and(|newest| newest.listed.contains(&certificate.serial))
        };
        if shown() || certificate.not_after < (self.issuer.clock)().as_secs() {
            return Ok(());
        }
        self.known.add(listed(certificate, name));
        let renewing = async {
            let _turn = self.turn(name.issuer.authority).await?;
            // Another front end, or who revoked at the same moment, may have made it meanwhile.
            self.renew(name.issuer.authority, &[name], shown).await
        };
        renewing.await.inspect_err(|_: &CrlError| self.behind.notify_one())
    }

    /// Makes new lists, all at once, so that they share a batch of the log; unless it turns out to be needless once nobody
    /// else is at them. `due` is in the order of names.
    async fn renew(&self, authority: Authority, due: &[ListName], needless: impl Fn() -> bool) -> Result<(), CrlError> {
        // What is revoked is asked for while nobody else renews these lists: an older answer would bring it back.
        let lists: Vec<_> = due.iter().filter_map(|name| Some((*name, self.list(*name)?))).collect();
        let mut held = Vec::with_capacity(lists.len());
        for (name, list) in &lists {
            held.push((*name, list, list.renewing.lock().await));
        }
        if needless() {
            return Ok(());
        }
        let now = (self.issuer.clock)();
        let mut numbers = Vec::with_capacity(held.len());
        for (name, list, _) in &held {
            // Never less than the time in seconds: a list whose file was lost goes on above all that verifiers know (REV-05).
            let number = list.newest().map_or(0, |newest| newest.number + 1).max(now.as_secs());
            numbers.push(self.number(*name, number).await?);
        }
        // After the numbers are drawn: the higher of two lists knows no less.
        let mut revoked = self.revoked(authority, now.as_secs()).await?;
        let made = held.iter().zip(numbers).map(|((name, list, _), number)| {
            let revoked = revoked.remove(name).unwrap_or_default();
            self.make(*name, list, number, now, revoked)
        });
        // Each to its end: a list that stands in the log must be shown, whatever becomes of the others.
        join_all(made).await.into_iter().collect()
    }

    /// Makes a new list: signs, logs, keeps, and only then shows it.
    async fn make(
        &self,
        name: ListName,
        list: &List,
        number: u64,
        now: UnixTime,
        revoked: Vec<Listed>,
    ) -> Result<(), CrlError> {
        let der = self.sign(name, list, number, now, &revoked)?;
        self.issuer.shard().log().put_object(ObjectKind::Crl, der.clone()).await?;
        let listed: HashSet<_> = revoked.iter().map(|c| c.serial).collect();
        let place = self.place(name, list);
        let made = Newest { der: der.into(), number, this_update: now.as_secs(), place, listed: Arc::new(listed) };
        self.show_made(name, list, made).await?;
        let (count, issuer) = (revoked.len(), name.issuer.to_string());
        tracing::info!(issuer, shard = name.shard, number, count, "revocation list renewed");
        let of = json!({"issuer": issuer, "shard": name.shard, "number": number, "revoked": count});
        self.issuer.trail.note("list-signed", of);
        Ok(())
    }

    /// The address that a list speaks for alone; `None` if it is the only one of its issuer, which speaks for all.
    fn place(&self, name: ListName, list: &List) -> Option<String> {
        (self.parts(name.issuer) > 0).then(|| list.url.clone())
    }

    fn sign(
        &self,
        name: ListName,
        list: &List,
        number: u64,
        now: UnixTime,
        revoked: &[Listed],
    ) -> Result<Vec<u8>, CrlError> {
        let signer = list.issuing.signer();
        let revoked: Vec<_> = revoked.iter().map(entry).collect();
        let next_update = UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs() + VALID.as_secs()));
        let place = self.place(name, list);
        let plan = CrlPlan {
            issuer: signer.certificate(),
            this_update: now,
            next_update,
            number,
            revoked: &revoked,
            place: place.as_deref(),
        };
        Ok(sign_crl(&plan, signer)?)
    }
}

/// Parts were called `people-7.crl` before there were issuing keys that follow each other; now that is the list of the
/// seventh. What a file is, the place in it says.
fn rename_parts(folder: &Path) -> std::io::Result<()> {
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name();
        let Some(part) = name.to_str().and_then(ListName::part_of_old_file) else { continue };
        let place = Newest::read(&file.path()).and_then(|newest| newest.place);
        let to = folder.join(part.file());
        if place.is_some_and(|place| place.ends_with(&part.path())) && !to.exists() {
            std::fs::rename(file.path(), to)?;
        }
    }
    Ok(())
}

/// A certificate on its list, if it is revoked.
fn listed(certificate: &CertificateRecord, name: ListName) -> Option<Listed> {
    let CertificateRecord { serial, not_after, .. } = *certificate;
    Some(Listed { serial, name, revocation: certificate.revoked?, not_after })
}

fn entry(listed: &Listed) -> RevokedEntry {
    let reason = match listed.revocation.reason {
        1 => Some(RevocationReason::KeyCompromise),
        3 => Some(RevocationReason::AffiliationChanged),
        4 => Some(RevocationReason::Superseded),
        5 => Some(RevocationReason::CessationOfOperation),
        9 => Some(RevocationReason::PrivilegeWithdrawn),
        _ => None,
    };
    let time = UnixTime::since_unix_epoch(Duration::from_secs(listed.revocation.at));
    RevokedEntry { serial: listed.serial.0.to_vec(), time, reason }
}

#[cfg(test)]
mod tests;
