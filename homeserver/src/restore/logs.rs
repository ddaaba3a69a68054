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

use super::unpack::set_aside;
use super::{RestoreError, Standing, Waiting};
use crate::backup::{LogEdge, OwnLog, own_logs};
use crate::error::StartError;
use crate::log_store::LogStore;
use crate::policies;

/// A log of a restored folder.
pub(super) struct Held {
    /// How far it was when the backup was made.
    pub(super) edge: LogEdge,
    pub(super) log: OwnLog,
    pub(super) copy: LogCopy,
    /// What is wrong with the copy that the backup has of a struck log.
    pub(super) damage: Option<String>,
    /// Where everybody reads it, if it is elsewhere: what is here is a copy for this one purpose.
    pub(super) elsewhere: Option<String>,
}

impl Held {
    /// As it stands when nobody can be asked.
    pub(super) fn uncertain(&self) -> Standing {
        let (origin, backup, size) = (self.edge.origin.clone(), self.edge.size, self.copy.size());
        Standing { origin, backup, size, certain: false, answers: Vec::new() }
    }

    /// Whether nothing is left of a struck log.
    pub(super) fn is_lost(&self) -> bool {
        self.log.is_struck && self.copy.size() == 0
    }
}

/// What is left of a copy that is not needed.
const UNNEEDED: &str = "unneeded";

impl Waiting {
    /// Each log by the versions of the policy that are here by now, struck ones with the others.
    pub(super) fn own_logs(&self) -> Result<Vec<OwnLog>, StartError> {
        own_logs(&self.settings, &policies::history(self.folder.path())?)
    }

    /// Each log, but for the one that is about to begin, `next`. A struck one is evidence, and nothing else needs it: where its copy is damaged, the others go on without.
    pub(super) async fn logs(&self, next: Option<&str>) -> Result<Vec<Held>, RestoreError> {
        if let Some(log) = self.log_elsewhere(next)? {
            return Ok(vec![log]);
        }
        let store = LogStore::open_to_read(&self.folder, &self.settings)?;
        let mut found = Vec::new();
        for log in self.own_logs()?.into_iter().filter(|log| next != Some(&log.shard.origin)) {
            let (origin, folder) = (log.shard.origin.clone(), log.folder.clone());
            let known = self.manifest.logs.iter().find(|log| log.origin == origin);
            // One that began after the backup is copied from its first entry on.
            let edge = known.cloned().unwrap_or(LogEdge { origin, folder, before: 0, size: 0, root: String::new() });
            let (copy, damage) = match self.copy(&store, &edge, &log).await {
                Err(error) if log.is_struck && is_damage(&error) => {
                    let copy = self.what_is_left(&edge, &log.key)?;
                    let aside = set_aside(Path::new(&edge.folder));
                    let left = format!("; what is left of it lies in {}", aside.display());
                    let is_there = self.folder.path().join(&aside).exists();
                    (copy, Some(if is_there { format!("{error}{left}") } else { error.to_string() }))
                }
                copy => (copy?, None),
            };
            found.push(Held { edge, log, copy, damage, elsewhere: None });
        }
        Ok(found)
    }

    async fn copy(&self, store: &LogStore, edge: &LogEdge, log: &OwnLog) -> Result<LogCopy, RestoreError> {
        let copy = match store.held(&log.name).await? {
            Some(files) => self.in_the_store(edge, files, &log.key).await?,
            None => None,
        };
        copy.map_or_else(|| self.in_the_folder(edge, &log.key), Ok)
    }

    /// A copy that is shorter than it should be, or an empty one in the place of one that does not open.
    fn what_is_left(&self, edge: &LogEdge, key: &VerifierKey) -> Result<LogCopy, RestoreError> {
        match LogCopy::open(&self.folder.join(&edge.folder), key) {
            Err(error) if !matches!(error, CopyError::Lock(_)) => self.anew(edge, key),
            opened => opened.map_err(|source| wrong(edge, source)),
        }
    }

    /// An empty copy in the place of one that is good for nothing. That one is put aside; what was put aside before it, and
    /// came out of the backup, stays.
    pub(super) fn anew(&self, edge: &LogEdge, key: &VerifierKey) -> Result<LogCopy, RestoreError> {
        let folder = self.folder.join(&edge.folder);
        let aside = set_aside(&folder);
        let emptied = if aside.exists() { discard(&folder) } else { put_aside(&folder, &aside) };
        emptied.map_err(|source| StartError::folder(&folder, source))?;
        LogCopy::open(&folder, key).map_err(|source| wrong(edge, source))
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

/// Whether the copy is to blame, and not the place where it lies.
fn is_damage(error: &RestoreError) -> bool {
    match error {
        RestoreError::Log { source, .. } => !matches!(source, CopyError::Lock(_)),
        RestoreError::Backup { .. } => true,
        _ => false,
    }
}

fn put_aside(copy: &Path, aside: &Path) -> std::io::Result<()> {
    std::fs::rename(copy, aside)?;
    std::fs::File::open(copy.parent().unwrap_or(copy))?.sync_all()
}

/// Removes a copy, in one step for whoever looks for a log there.
fn discard(copy: &Path) -> std::io::Result<()> {
    let aside = copy.with_added_extension(UNNEEDED);
    if copy.exists() {
        put_aside(copy, &aside)?;
    }
    match std::fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
