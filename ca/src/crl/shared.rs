//! Lists where an authority has several front ends: one at a time makes them, and all show what any of them made.

use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::newest::Newest;
use super::{CrlError, Crls, List, ListName};
use crate::files;
use crate::store::{Authority, SharedClaim, StoreError};

/// How long another front end may make lists.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between looks whether it has done.
const GLANCE: Duration = Duration::from_millis(20);

impl Crls {
    /// Waits until no other front end makes lists of this authority, and takes up what it has made.
    pub(super) async fn turn(&self, authority: Authority) -> Result<Option<SharedClaim>, CrlError> {
        let Some(shared) = &self.issuer.shared else { return Ok(None) };
        let what = format!("lists/{}", authority.name());
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(claim) = shared.claim(&what).await? {
                self.refresh().await?;
                return Ok(Some(claim));
            }
            if Instant::now() > until {
                let reason = "another front end has been making revocation lists for a minute";
                return Err(StoreError::Unavailable(reason.into()).into());
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// A number for a new list that no other has.
    pub(super) async fn number(&self, name: ListName, at_least: u64) -> Result<u64, StoreError> {
        match &self.issuer.shared {
            Some(shared) => shared.number_list(&name.file(), at_least).await,
            None => Ok(at_least),
        }
    }

    /// Shows a list that stands in the log, here and at the other front ends. If this one has lost its turn, and another
    /// has made a newer list meanwhile, it shows that: whoever drew a higher number knows of no fewer revocations.
    pub(super) async fn show_made(&self, name: ListName, list: &List, made: Newest) -> Result<(), CrlError> {
        let (file, number) = (name.file(), made.number);
        if let Some(shared) = &self.issuer.shared
            && !shared.keep_list(&file, number, made.der.to_vec()).await?
        {
            self.refresh().await?;
            if list.newest().is_none_or(|newest| newest.number <= number) {
                let reason = format!("another front end has made a newer {file}, which cannot be shown here");
                return Err(StoreError::Unavailable(reason).into());
            }
            return Ok(());
        }
        self.keep(name, list, made)
    }

    /// Keeps a list in the folder and in memory, unless a newer one is kept.
    fn keep(&self, name: ListName, list: &List, newest: Newest) -> Result<(), CrlError> {
        let path = self.folder.join(name.file());
        let mut shown = list.newest.write().unwrap_or_else(PoisonError::into_inner);
        if shown.as_ref().is_none_or(|own| own.number < newest.number) {
            files::write(&path, &newest.der).map_err(|source| CrlError::Io { path, source })?;
            *shown = Some(newest);
        }
        Ok(())
    }

    /// Shows the newest lists that another front end has made.
    pub(crate) async fn refresh(&self) -> Result<(), CrlError> {
        let Some(shared) = &self.issuer.shared else { return Ok(()) };
        for (file, number) in shared.list_numbers().await? {
            let found = self.of_file(&file).filter(|(_, list)| list.newest().is_none_or(|own| own.number < number));
            // The list of an issuing key that is not installed here is another's to show.
            let Some((name, list)) = found else { continue };
            let Some(der) = shared.list(&file).await? else { continue };
            self.take(name, &list, der)?;
        }
        Ok(())
    }

    fn take(&self, name: ListName, list: &List, der: Vec<u8>) -> Result<(), CrlError> {
        let Some(newest) = Newest::parse(der).filter(|newest| newest.is_of(&list.url)) else {
            tracing::warn!(list = name.file(), "the front ends' list does not read back, or is for another address");
            return Ok(());
        };
        self.keep(name, list, newest)
    }
}
