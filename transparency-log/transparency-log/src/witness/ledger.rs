//! What was accepted last of each log: the check that every witness and mirror makes before it accepts more.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sha2::{Digest as _, Sha256};
use tlog_proof::{
    Checkpoint, CheckpointError, Hash, NoteError, UnverifiedCheckpoint, VerifiedCheckpoint, VerifierKey, empty_root,
    verify_consistency,
};

use super::{MAX_PROOF, WitnessError};
use crate::storage::Storage;

/// How many of the last checkpoints of each log are remembered in memory.
const REMEMBERED: usize = 16;

/// The logs that are known, and the last checkpoint of each on storage. The caller lets one in at a time.
pub(crate) struct Ledger {
    logs: RwLock<BTreeMap<String, Vec<VerifierKey>>>,
    storage: Arc<dyn Storage>,
    /// Where the states are.
    folder: &'static str,
    /// The last checkpoints since the start.
    recent: Mutex<BTreeMap<String, VecDeque<Checkpoint>>>,
}

impl Ledger {
    pub(crate) fn new(storage: Arc<dyn Storage>, folder: &'static str, logs: Vec<VerifierKey>) -> Self {
        let mut by_origin = BTreeMap::<String, Vec<VerifierKey>>::new();
        for key in logs {
            by_origin.entry(key.name().to_owned()).or_default().push(key);
        }
        Self { logs: RwLock::new(by_origin), storage, folder, recent: Mutex::default() }
    }

    /// Knows the log with this key, too, from now on.
    pub(crate) fn add_log(&self, key: VerifierKey) {
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        let known = logs.entry(key.name().to_owned()).or_default();
        if !known.contains(&key) {
            known.push(key);
        }
    }

    /// Knows somebody else's log from now on, unless a log of this origin is known with another key: nobody speaks for it
    /// beside whoever was first. Whether it is known.
    pub(crate) fn add_foreign_log(&self, key: VerifierKey) -> bool {
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        let known = logs.entry(key.name().to_owned()).or_insert_with(|| vec![key.clone()]);
        known.contains(&key)
    }

    pub(crate) fn origins(&self) -> Vec<String> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The keys of a log; `None` for an unknown one.
    pub(crate) fn keys(&self, origin: &str) -> Option<Vec<VerifierKey>> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner).get(origin).cloned()
    }

    /// Whether this is one of the last checkpoints that were accepted since the start.
    pub(crate) fn is_recent(&self, checkpoint: &Checkpoint) -> bool {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.get(&checkpoint.origin).is_some_and(|known| known.contains(checkpoint))
    }

    fn remember(&self, checkpoint: &Checkpoint) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = recent.entry(checkpoint.origin.clone()).or_default();
        if !known.contains(checkpoint) {
            known.push_front(checkpoint.clone());
            known.truncate(REMEMBERED);
        }
    }

    /// The last checkpoint as the log signed it, unread.
    pub(crate) fn text(&self, origin: &str) -> io::Result<Option<Vec<u8>>> {
        self.storage.get(&self.path(origin))
    }

    /// Checks that a checkpoint is signed by its log and extends the last one of it, asks `accept` what it gives for
    /// it, and keeps it, durably, before that is given.
    pub(crate) fn advance<T>(
        &self,
        old: u64,
        proof: &[Hash],
        checkpoint: &str,
        accept: impl FnOnce(&VerifiedCheckpoint) -> Result<T, WitnessError>,
    ) -> Result<T, WitnessError> {
        if proof.len() > MAX_PROOF {
            return Err(WitnessError::Malformed(format!("expected at most {MAX_PROOF} hashes, found {}", proof.len())));
        }
        let unverified =
            UnverifiedCheckpoint::parse(checkpoint).map_err(|error| WitnessError::Malformed(error.to_string()))?;
        let new = self.verify_log(&unverified)?;
        if old > new.size {
            return Err(WitnessError::OldSize { old, size: new.size });
        }
        let (last_size, last_root) = self.last(&new.origin)?;
        if old != last_size {
            return Err(WitnessError::Conflict { size: last_size });
        }
        if last_size == new.size && last_root != new.root {
            return Err(WitnessError::Forked { size: new.size, expected: last_root, found: new.root });
        }
        verify_consistency(old, &last_root, new.size, &new.root, proof)?;
        // Made before the state is kept and given after: what cannot be accepted changes nothing.
        let accepted = accept(&new)?;
        if last_size != new.size {
            self.storage.put(&self.path(&new.origin), new.text().as_bytes().to_vec())?;
        }
        self.remember(&new);
        Ok(accepted)
    }

    /// The last checkpoint, verified; `None` for a log never seen.
    pub(crate) fn newest(&self, origin: &str) -> Result<Option<VerifiedCheckpoint>, WitnessError> {
        let Some(state) = self.text(origin)? else { return Ok(None) };
        // Our own state: a fault in it is a fault of the disk, and no reason to start from nothing.
        let broken =
            |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", self.path(origin)));
        let last = UnverifiedCheckpoint::parse(state).map_err(|error| broken(error.to_string()))?;
        let last = self.verify_log(&last).map_err(|error| broken(error.to_string()))?;
        if last.origin != origin {
            return Err(broken(format!("expected the log {origin:?}, found {:?}", last.origin)).into());
        }
        Ok(Some(last))
    }

    /// Size and root of the last checkpoint; the empty tree for a log never seen.
    pub(crate) fn last(&self, origin: &str) -> Result<(u64, Hash), WitnessError> {
        Ok(self.newest(origin)?.map_or_else(|| (0, empty_root()), |last| (last.size, last.root)))
    }

    fn verify_log(&self, checkpoint: &UnverifiedCheckpoint) -> Result<VerifiedCheckpoint, WitnessError> {
        let origin = &checkpoint.claimed().origin;
        let logs = self.logs.read().unwrap_or_else(PoisonError::into_inner);
        let keys = logs.get(origin).ok_or_else(|| WitnessError::UnknownLog { origin: origin.clone() })?;
        let mut unsigned = CheckpointError::Note(NoteError::Unsigned { expected: origin.clone() });
        for key in keys {
            match checkpoint.verify_log(key) {
                Ok(verified) => return Ok(verified),
                Err(error) => unsigned = error,
            }
        }
        Err(WitnessError::Unsigned(unsigned))
    }

    /// Origins are free text, so that their digest names the file.
    fn path(&self, origin: &str) -> String {
        format!("{}/{}", self.folder, hex::encode(Sha256::digest(origin)))
    }
}
