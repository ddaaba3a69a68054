//! Witnesses: the tlog-witness add-checkpoint operation; [`router`] serves it over HTTP, [`RemoteWitness`] asks one
//! elsewhere, [`Observed`] keeps an eye on how it answers.

mod health;
mod http;
mod keys;
mod remote;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tlog_proof::{
    CheckpointError, Hash, MerkleError, NoteError, UnverifiedCheckpoint, VerifiedCheckpoint, VerifierKey, empty_root,
    verify_consistency,
};

use crate::clock::Clock;
use crate::storage::{FolderStorage, LockError, Storage};

pub use health::{Health, Observed};
pub use http::router;
pub use keys::WitnessKeys;
pub use remote::RemoteWitness;

/// Most hashes in a consistency proof that a witness takes (C2SP tlog-witness).
pub const MAX_PROOF: usize = tlog_proof::add_checkpoint::MAX_PROOF_HASHES;

/// Somebody who cosigns checkpoints: a [`Witness`] in this process, or a client of one elsewhere.
pub trait Witnessing: Send + Sync {
    /// The name of its key, for messages.
    fn name(&self) -> &str;

    /// Whether it is asked over the network: then batches are longer.
    fn is_remote(&self) -> bool {
        false
    }

    /// Asks for a cosignature on a signed checkpoint, given the size it last cosigned and the proof that
    /// the checkpoint's tree extends that one. Gives one or more signature lines, each with its newline.
    ///
    /// # Errors
    /// [`WitnessError::Conflict`] carries the size to prove from instead.
    fn add_checkpoint(
        &self,
        old: u64,
        proof: Vec<Hash>,
        checkpoint: String,
    ) -> BoxFuture<'_, Result<String, WitnessError>>;
}

/// Why a witness did not cosign. The C2SP tlog-witness status code stands with each.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// 400: the checkpoint or the request is malformed.
    #[error("malformed request: {0}")]
    Malformed(String),
    /// 400: the old size is above the checkpoint's.
    #[error("expected an old size of at most {size}, found {old}")]
    OldSize {
        /// The size given as the last cosigned one.
        old: u64,
        /// The checkpoint's size.
        size: u64,
    },
    /// 404: a log that the witness is not configured for.
    #[error("the log {origin:?} is not known to this witness")]
    UnknownLog {
        /// The checkpoint's origin.
        origin: String,
    },
    /// 403: no signature by the log's key, or one that does not verify.
    #[error("the checkpoint is not signed by its log: {0}")]
    Unsigned(CheckpointError),
    /// 409 with a size: the request proves from another size than the last cosigned one.
    #[error("the last cosigned size is {size}, the proof starts from another one")]
    Conflict {
        /// The last cosigned size.
        size: u64,
    },
    /// 409: another root for a size that was cosigned already. The log has two histories.
    #[error("size {size} was cosigned with root {expected}, the checkpoint has {found}")]
    Forked {
        /// The size of both trees.
        size: u64,
        /// The root cosigned before.
        expected: Hash,
        /// The root of this checkpoint.
        found: Hash,
    },
    /// 422: the proof does not show that the new tree extends the old one.
    #[error("consistency proof: {0}")]
    Proof(#[from] MerkleError),
    /// 500: the new state could not be persisted, so nothing is signed.
    #[error("witness storage: {0}")]
    Storage(#[from] io::Error),
    /// Another refusal of a witness elsewhere. It proves nothing to others, so that it is one cosignature less and no
    /// reason to stop.
    #[error("refused with status {status}: {reason}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The witness's own words, cut to 200 characters.
        reason: String,
    },
    /// No answer that could be understood.
    #[error("witness unreachable: {0}")]
    Unreachable(String),
}

/// A witness: remembers the latest checkpoint of each log it knows, and cosigns only what extends it.
///
/// The check and the new state are one step under a lock, and the state is durable before the
/// cosignature leaves. Cloning gives another handle to the same witness.
#[derive(Clone)]
pub struct Witness {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    keys: WitnessKeys,
    logs: BTreeMap<String, Vec<VerifierKey>>,
    clock: Clock,
    storage: Arc<dyn Storage>,
    /// Serialises checking and persisting. It guards when each log was cosigned last.
    turn: Mutex<BTreeMap<String, u64>>,
}

/// What a witness knows of one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogStatus {
    /// The log.
    pub origin: String,
    /// The size cosigned last; 0 for a log never seen.
    pub size: u64,
    /// The root cosigned last, in base64.
    pub root: String,
    /// When it was cosigned last since this witness was started, in seconds since the epoch.
    pub cosigned_at: Option<u64>,
}

impl Witness {
    /// A witness that keeps its state in `folder`, as its only writer, for the logs with these keys.
    ///
    /// # Errors
    /// When the folder is in use or cannot be written.
    pub fn open(
        folder: &Path,
        keys: impl Into<WitnessKeys>,
        logs: Vec<VerifierKey>,
        clock: Clock,
    ) -> Result<Self, LockError> {
        let storage = FolderStorage::open_exclusive(folder)?;
        Ok(Self::open_on(Arc::new(storage), keys, logs, clock))
    }

    /// A witness on any storage, whose only writer of `witness/…` it must be.
    pub fn open_on(
        storage: Arc<dyn Storage>,
        keys: impl Into<WitnessKeys>,
        logs: Vec<VerifierKey>,
        clock: Clock,
    ) -> Self {
        let keys = keys.into();
        let mut by_origin = BTreeMap::<String, Vec<VerifierKey>>::new();
        for key in logs {
            by_origin.entry(key.name().to_owned()).or_default().push(key);
        }
        let name = keys.vkey().name().to_owned();
        Self { inner: Arc::new(Inner { name, keys, logs: by_origin, clock, storage, turn: Mutex::default() }) }
    }

    /// The Ed25519 key that its cosignatures verify with.
    pub fn vkey(&self) -> VerifierKey {
        self.inner.keys.vkey()
    }

    /// Every key that its cosignatures verify with.
    pub fn vkeys(&self) -> Vec<VerifierKey> {
        self.inner.keys.vkeys()
    }

    /// The clock it cosigns by.
    pub fn clock(&self) -> Clock {
        Arc::clone(&self.inner.clock)
    }

    /// What it knows of each log. Reads from storage, so that it may block.
    ///
    /// # Errors
    /// [`WitnessError::Storage`].
    pub fn status(&self) -> Result<Vec<LogStatus>, WitnessError> {
        let cosigned = self.inner.turn.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = |origin: &String| {
            let (size, root) = self.inner.last(origin)?;
            let cosigned_at = cosigned.get(origin).copied();
            Ok(LogStatus { origin: origin.clone(), size, root: root.to_string(), cosigned_at })
        };
        self.inner.logs.keys().map(known).collect()
    }

    /// The checkpoint cosigned last for the log whose origin has this SHA-256 (lower-case hex), as the log signed it;
    /// `None` for an unknown log, and one never seen. May block.
    ///
    /// # Errors
    /// [`WitnessError::Storage`].
    pub fn checkpoint(&self, origin_digest: &str) -> Result<Option<String>, WitnessError> {
        let known = self.inner.logs.keys().find(|origin| hex::encode(Sha256::digest(origin)) == origin_digest);
        let Some(origin) = known else { return Ok(None) };
        let state = self.inner.storage.get(&state_path(origin))?;
        Ok(state.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// [`Witnessing::add_checkpoint`] for a thread that may block.
    ///
    /// # Errors
    /// As there.
    pub fn add_checkpoint_blocking(&self, old: u64, proof: &[Hash], checkpoint: &str) -> Result<String, WitnessError> {
        self.inner.add_checkpoint(old, proof, checkpoint)
    }
}

impl Inner {
    fn add_checkpoint(&self, old: u64, proof: &[Hash], checkpoint: &str) -> Result<String, WitnessError> {
        if proof.len() > MAX_PROOF {
            return Err(WitnessError::Malformed(format!("expected at most {MAX_PROOF} hashes, found {}", proof.len())));
        }
        let unverified =
            UnverifiedCheckpoint::parse(checkpoint).map_err(|error| WitnessError::Malformed(error.to_string()))?;
        let new = self.verify_log(&unverified)?;
        if old > new.size {
            return Err(WitnessError::OldSize { old, size: new.size });
        }
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (last_size, last_root) = self.last(&new.origin)?;
        if old != last_size {
            return Err(WitnessError::Conflict { size: last_size });
        }
        if last_size == new.size && last_root != new.root {
            return Err(WitnessError::Forked { size: new.size, expected: last_root, found: new.root });
        }
        verify_consistency(old, &last_root, new.size, &new.root, proof)?;
        // Made before the state is kept and sent after: what cannot be cosigned changes nothing.
        let now = (self.clock)();
        let lines = self.keys.cosign(&new, now).map_err(|error| WitnessError::Malformed(error.to_string()))?;
        if last_size != new.size {
            self.storage.put(&state_path(&new.origin), new.text().as_bytes().to_vec())?;
        }
        turn.insert(new.origin.clone(), now);
        Ok(lines)
    }

    fn verify_log(&self, checkpoint: &UnverifiedCheckpoint) -> Result<VerifiedCheckpoint, WitnessError> {
        let origin = &checkpoint.claimed().origin;
        let keys = self.logs.get(origin).ok_or_else(|| WitnessError::UnknownLog { origin: origin.clone() })?;
        let mut unsigned = CheckpointError::Note(NoteError::Unsigned { expected: origin.clone() });
        for key in keys {
            match checkpoint.verify_log(key) {
                Ok(verified) => return Ok(verified),
                Err(error) => unsigned = error,
            }
        }
        Err(WitnessError::Unsigned(unsigned))
    }

    /// Size and root cosigned last; the empty tree for a log never seen.
    fn last(&self, origin: &str) -> Result<(u64, Hash), WitnessError> {
        let Some(state) = self.storage.get(&state_path(origin))? else {
            return Ok((0, empty_root()));
        };
        // Our own state: a fault in it is a fault of the disk, and no reason to start from nothing.
        let broken =
            |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", state_path(origin)));
        let last = UnverifiedCheckpoint::parse(state).map_err(|error| broken(error.to_string()))?;
        let last = self.verify_log(&last).map_err(|error| broken(error.to_string()))?;
        if last.origin != origin {
            return Err(broken(format!("expected the log {origin:?}, found {:?}", last.origin)).into());
        }
        Ok((last.size, last.root))
    }
}

/// Origins are free text, so that their digest names the file.
fn state_path(origin: &str) -> String {
    format!("witness/{}", hex::encode(Sha256::digest(origin)))
}

impl Witnessing for Witness {
    fn name(&self) -> &str {
        &self.inner.name
    }

    fn add_checkpoint(
        &self,
        old: u64,
        proof: Vec<Hash>,
        checkpoint: String,
    ) -> BoxFuture<'_, Result<String, WitnessError>> {
        let inner = Arc::clone(&self.inner);
        async move {
            let task = tokio::task::spawn_blocking(move || inner.add_checkpoint(old, &proof, &checkpoint));
            task.await.unwrap_or_else(|failed| Err(WitnessError::Unreachable(failed.to_string())))
        }
        .boxed()
    }
}
