//! The logs of a restored folder: the backup's copies, or what an object store still holds.
//!
//! A disk that is lost takes nothing from a store. So a log that lies in one as the backup knows it, or has gone on from
//! there, stays where it began: the backup's copy of it goes, and the store is written again by the server alone, whose
//! conditional writes end every other writer. Where the store holds less, or nothing, the backup's copy is the log, which
//! then goes on in the folder. Nothing is written to the store here.

use std::path::Path;
use std::sync::Arc;

use tlog_proof::{Hash, VerifierKey};
use transparency_log::copy::{CopyError, LogCopy};
use transparency_log::storage::Storage;

use super::{RestoreError, Waiting};
use crate::backup::{LogEdge, OwnLog, own_logs};
use crate::error::StartError;
use crate::log_store::LogStore;
use crate::policies;

/// What is left of a copy that is not needed.
const UNNEEDED: &str = "unneeded";

impl Waiting {
    /// Each log by the versions of the policy that are here by now, struck ones with the others.
    pub(super) fn own_logs(&self) -> Result<Vec<OwnLog>, StartError> {
        own_logs(&self.settings, &policies::versions(self.folder.path())?)
    }

    /// Each log, and how far it was when the backup was made.
    pub(super) async fn logs(&self) -> Result<Vec<(LogEdge, LogCopy)>, RestoreError> {
        let store = LogStore::open_to_read(&self.folder, &self.settings)?;
        let mut found = Vec::new();
        for OwnLog { shard, key, folder, name, .. } in self.own_logs()? {
            let origin = shard.origin;
            let known = self.manifest.logs.iter().find(|log| log.origin == origin);
            // One that began after the backup is copied from its first entry on.
            let edge = known.cloned().unwrap_or(LogEdge { origin, folder, before: 0, size: 0, root: String::new() });
            let copy = match store.held(&name).await? {
                Some(files) => self.in_the_store(&edge, files, &key).await?,
                None => None,
            };
            let copy = match copy {
                Some(copy) => copy,
                None => self.in_the_folder(&edge, &key)?,
            };
            found.push((edge, copy));
        }
        Ok(found)
    }

    fn in_the_folder(&self, edge: &LogEdge, key: &VerifierKey) -> Result<LogCopy, RestoreError> {
        let copy = LogCopy::open(&self.folder.join(&edge.folder), key).map_err(|source| wrong(edge, source))?;
        if copy.size() < edge.size {
            let (LogEdge { origin, size, .. }, found) = (edge, copy.size());
            let reason = format!("the log {origin}: expected {size} entries, found {found}");
            return Err(RestoreError::Backup { backup: self.folder.path().to_path_buf(), reason });
        }
        Ok(copy)
    }

    /// The log in the store, if it has not less than the backup.
    async fn in_the_store(
        &self,
        edge: &LogEdge,
        files: Arc<dyn Storage>,
        key: &VerifierKey,
    ) -> Result<Option<LogCopy>, RestoreError> {
        let key = key.clone();
        let opened = tokio::task::spawn_blocking(move || LogCopy::open_on(files, &key)).await;
        let opened = opened.map_err(|failed| StartError::part("log", &failed))?;
        let copy = opened.map_err(|source| wrong(edge, source))?;
        if copy.size() < edge.size {
            return Ok(None);
        }
        let backup = self.folder.join(&edge.folder);
        if edge.size > 0 {
            let in_store = copy.root_at(edge.size).await.map_err(|source| wrong(edge, source))?;
            let in_backup = edge.root.parse::<Hash>().map_err(|error| RestoreError::Backup {
                backup: self.folder.path().to_path_buf(),
                reason: format!("the root of the log {}: {error}", edge.origin),
            })?;
            if in_store != in_backup {
                let forked = CopyError::Forked { size: edge.size, expected: in_backup, found: in_store };
                return Err(wrong(edge, forked));
            }
        }
        discard(&backup).map_err(|source| StartError::folder(&backup, source))?;
        Ok(Some(copy))
    }
}

fn wrong(edge: &LogEdge, source: CopyError) -> RestoreError {
    RestoreError::Log { origin: edge.origin.clone(), source }
}

/// Removes a copy, in one step for whoever looks for a log there.
fn discard(copy: &Path) -> std::io::Result<()> {
    let aside = copy.with_added_extension(UNNEEDED);
    if copy.exists() {
        std::fs::rename(copy, &aside)?;
        std::fs::File::open(copy.parent().unwrap_or(copy))?.sync_all()?;
    }
    match std::fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
