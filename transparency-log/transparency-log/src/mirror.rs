//! Mirrors (C2SP tlog-mirror): a copy of each log, held durably and served; [`router`] takes it over HTTP,
//! [`RemoteMirror`] brings a log's entries to one elsewhere.
//!
//! A mirror's cosignature says more than a witness's: that it holds every entry of the checkpoint. So nothing is
//! cosigned before the entries, the tiles over them and their number are on disk.

mod held;
mod http;
mod remote;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use tlog_proof::{AddEntries, Hash, MirrorInfo, Package, PackageError, PackageRange, VerifiedCheckpoint, VerifierKey};

use crate::clock::Clock;
use crate::storage::{FolderStorage, LockError, Storage};
use crate::witness::{Ledger, WitnessError, WitnessKeys};

use held::Held;
#[cfg(any(test, fuzzing))]
pub(crate) use held::read_held;
pub use http::router;
pub use remote::RemoteMirror;

/// Why a mirror did not take entries, or not all of them. The status of C2SP tlog-mirror stands with each.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// 404.
    #[error("the log {origin:?} is not mirrored here")]
    UnknownLog {
        /// The origin.
        origin: String,
    },
    /// 409: another checkpoint, or another first entry, is wanted.
    #[error("expected entries from {} on up to a tree of {}", .0.next, .0.size)]
    Conflict(MirrorInfo),
    /// 422: a package does not stand in the log.
    #[error("entries {start} to {end}: {error}")]
    Package {
        /// The index of its first entry.
        start: u64,
        /// The index after its last one.
        end: u64,
        /// Why.
        error: PackageError,
    },
    /// 500: nothing is cosigned that is not on disk.
    #[error("mirror storage: {0}")]
    Storage(#[from] io::Error),
}

/// A mirror of some logs. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Mirror {
    inner: Arc<Inner>,
}

struct Inner {
    keys: WitnessKeys,
    clock: Clock,
    ledger: Ledger,
    logs: BTreeMap<String, Mutex<Held>>,
    storage: Arc<dyn Storage>,
}

/// An upload whose beginning was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    /// The checkpoint that it leads to.
    checkpoint: VerifiedCheckpoint,
}

impl Mirror {
    /// A mirror that keeps its copies in `folder`, as its only writer, of the logs with these keys.
    ///
    /// # Errors
    /// When the folder is in use or cannot be written, or what it holds is damaged.
    pub fn open(
        folder: &Path,
        keys: impl Into<WitnessKeys>,
        logs: Vec<VerifierKey>,
        clock: Clock,
    ) -> Result<Self, LockError> {
        let storage = FolderStorage::open_exclusive(folder)?;
        Self::open_on(Arc::new(storage), keys, logs, clock)
            .map_err(|source| LockError::Io { path: folder.to_owned(), source })
    }

    /// A mirror on any storage, whose only writer it must be.
    ///
    /// # Errors
    /// When what is stored cannot be read, or is damaged.
    pub fn open_on(
        storage: Arc<dyn Storage>,
        keys: impl Into<WitnessKeys>,
        logs: Vec<VerifierKey>,
        clock: Clock,
    ) -> io::Result<Self> {
        let ledger = Ledger::new(Arc::clone(&storage), "pending", logs);
        let mut held = BTreeMap::new();
        for origin in ledger.origins() {
            let pending = ledger.newest(&origin).map_err(io::Error::other)?;
            let copy = Held::open(Arc::clone(&storage), &digest(&origin), pending)?;
            held.insert(origin.clone(), Mutex::new(copy));
        }
        Ok(Self { inner: Arc::new(Inner { keys: keys.into(), clock, ledger, logs: held, storage }) })
    }

    /// The key that its cosignatures verify with.
    pub fn vkey(&self) -> VerifierKey {
        self.inner.keys.vkey()
    }

    /// The origins of the logs, and the SHA-256 of each in lower-case hex, below which it is served.
    pub fn logs(&self) -> Vec<(String, String)> {
        self.inner.logs.keys().map(|origin| (origin.clone(), digest(origin))).collect()
    }

    /// Makes a checkpoint the pending one of its log. Signs nothing. May block.
    ///
    /// # Errors
    /// As a witness's.
    pub fn add_checkpoint_blocking(&self, old: u64, proof: &[Hash], checkpoint: &str) -> Result<(), WitnessError> {
        let origin = checkpoint.lines().next().unwrap_or_default();
        let Some(held) = self.inner.logs.get(origin) else {
            // The ledger knows the same logs, and says what is wrong.
            return self.inner.ledger.advance(old, proof, checkpoint, |_| Ok(()));
        };
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = self.inner.ledger.advance(old, proof, checkpoint, |new| Ok(new.clone()))?;
        held.expect(accepted);
        Ok(())
    }

    fn held(&self, origin: &str) -> Result<std::sync::MutexGuard<'_, Held>, MirrorError> {
        let held = self.inner.logs.get(origin);
        let held = held.ok_or_else(|| MirrorError::UnknownLog { origin: origin.to_owned() })?;
        Ok(held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the header of an upload.
    pub(crate) fn begin(&self, header: &AddEntries) -> Result<Upload, MirrorError> {
        let held = self.held(&header.origin)?;
        let checkpoint = held.pending(header.end).filter(|_| held.may_start_at(header.start));
        let checkpoint = checkpoint.ok_or_else(|| MirrorError::Conflict(held.info(Some(header.end))))?;
        Ok(Upload { checkpoint })
    }

    /// Verifies packages and holds their entries, durably. May block.
    pub(crate) fn save(&self, upload: &Upload, packages: Vec<(PackageRange, Package)>) -> Result<(), MirrorError> {
        self.held(&upload.checkpoint.origin)?.save(&upload.checkpoint, packages)
    }

    /// What the uploader is told of what is missing.
    pub(crate) fn info(&self, upload: &Upload) -> Result<MirrorInfo, MirrorError> {
        Ok(self.held(&upload.checkpoint.origin)?.info(Some(upload.checkpoint.size)))
    }

    /// Publishes and cosigns the checkpoint of an upload, if all its entries are held. May block.
    pub(crate) fn finish(&self, upload: &Upload) -> Result<String, MirrorError> {
        let mut held = self.held(&upload.checkpoint.origin)?;
        let now = (self.inner.clock)();
        let lines = self.inner.keys.cosign(&upload.checkpoint, now).map_err(io::Error::other)?;
        held.publish(&upload.checkpoint, &lines)?;
        Ok(lines)
    }

    fn storage(&self) -> Arc<dyn Storage> {
        Arc::clone(&self.inner.storage)
    }
}

fn digest(origin: &str) -> String {
    hex::encode(Sha256::digest(origin))
}
