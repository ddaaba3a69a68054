//! Revocation lists (RFC 5280 section 5): signed hourly and at once after a revocation, and logged before anybody sees
//! them.
//!
//! The list of an authority's people may be cut into parts, so that it stays small where many are certified: which part
//! speaks for a certificate is baked into it. A list that has parts beside it says so itself: it speaks for the
//! certificates that name it, from before there were parts. A part that was once made is made anew for as long as its file
//! is there, whatever the number of parts for new certificates is by then.

mod known;
mod making;
mod name;
mod newest;
mod revoked;
mod shared;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::body::Bytes;
use identity::certificate::Tbs;
use thiserror::Error;
use tokio::sync::{Mutex, Notify};
use transparency_log::SubmitError;

use known::Known;
use name::MAX_SHARDS;
pub(crate) use name::{ListName, Part};
use newest::Newest;
pub(crate) use newest::{place_of, reason_of};

use crate::files;
use crate::issuance::CrlSignError;
use crate::issue::Issuer;
use crate::keys::{IssuerName, Issuing};
use crate::recovery::carried::Carried;
use crate::store::{Authority, CertificateRecord, StoreError};

/// A list is renewed when it is so old.
const FRESH: Duration = Duration::from_secs(3600);
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
        names.extend(parts.map(|shard| ListName { issuer, part: Part::Shard(shard) }));
        for file in std::fs::read_dir(&self.folder).map_err(io)? {
            let part = file.map_err(io)?.file_name().to_str().and_then(ListName::part_of_file);
            names.extend(part.filter(|part| part.issuer == issuer));
        }
        // Where there are parts, each list is of one address, and certificates for mail name another one.
        if names.iter().any(|name| matches!(name.part, Part::Shard(_))) {
            names.push(ListName::of_mail(issuer));
        }
        let list = |name: ListName, url: String| {
            let newest = Newest::read(&self.folder.join(name.file())).filter(|newest| newest.is_of(&url));
            let issuing = Arc::clone(issuing);
            Arc::new(List { issuing, url, newest: RwLock::new(newest), renewing: Mutex::default() })
        };
        let mut lists = self.lists.write().unwrap_or_else(PoisonError::into_inner);
        for name in names {
            // There is no address for mail where nothing is served by plain HTTP.
            if let Some(url) = self.issuer.list_url(name) {
                lists.entry(name).or_insert_with(|| list(name, url));
            }
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

    /// DER of the newest list. Where there are no parts, the one list speaks for certificates for mail as well.
    pub(crate) fn der(&self, name: ListName) -> Option<Bytes> {
        let whole = || self.list(ListName::whole(name.issuer)).filter(|_| name.part == Part::Mail);
        Some(self.list(name).or_else(whole)?.newest()?.der)
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

    /// The issuing keys of an authority that have a list, the newest first: what an earlier one has issued may be valid still.
    pub(crate) fn issuers(&self, authority: Authority) -> Vec<IssuerName> {
        let whole = self.of(authority).into_iter().filter(|(name, _)| name.part == Part::Whole);
        let mut issuers: Vec<_> = whole.map(|(name, _)| name.issuer).collect();
        issuers.reverse();
        issuers
    }

    /// How many parts the list of an issuing key has.
    pub(crate) fn parts(&self, issuer: IssuerName) -> usize {
        let is_part = |name: &ListName| name.issuer == issuer && matches!(name.part, Part::Shard(_));
        self.of(issuer.authority).iter().filter(|(name, _)| is_part(name)).count()
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

#[cfg(test)]
mod tests;
