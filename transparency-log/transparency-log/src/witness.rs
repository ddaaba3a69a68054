//! Witnesses: the operations of tlog-witness, add-checkpoint and sign-subtree; [`router`] serves them over HTTP,
//! [`RemoteWitness`] asks one elsewhere, [`Observed`] keeps an eye on how it answers.

mod health;
mod http;
mod keys;
mod ledger;
mod remote;
mod subtree;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tlog_proof::{CheckpointError, Hash, MerkleError, VerifierKey};

use crate::clock::Clock;
use crate::storage::{FolderStorage, LockError, Storage};

pub use health::{Health, Observed};
pub(crate) use http::refusal;
pub use http::router;
pub use keys::WitnessKeys;
pub(crate) use ledger::Ledger;
pub use remote::RemoteWitness;
pub(crate) use remote::read_answer;
pub use subtree::SubtreeError;

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

    /// How long one answer may take.
    fn patience(&self) -> Duration {
        Duration::from_secs(5)
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

    /// The newest checkpoint of a log that it shows, if it shows any: text that nobody has verified. By it a witness that
    /// says that it knows more than the log can prove that it does.
    ///
    /// # Errors
    /// It cannot be asked.
    fn newest(&self, _origin: &str) -> BoxFuture<'_, Result<Option<String>, WitnessError>> {
        std::future::ready(Ok(None)).boxed()
    }
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
    clock: Clock,
    ledger: Ledger,
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
        let name = keys.vkey().name().to_owned();
        let ledger = Ledger::new(storage, "witness", logs);
        Self { inner: Arc::new(Inner { name, keys, clock, ledger, turn: Mutex::default() }) }
    }

    /// The Ed25519 key that its cosignatures verify with.
    pub fn vkey(&self) -> VerifierKey {
        self.inner.keys.vkey()
    }

    /// Every key that its cosignatures verify with.
    pub fn vkeys(&self) -> Vec<VerifierKey> {
        self.inner.keys.vkeys()
    }

    /// Cosigns the log with this key, too, from now on.
    pub fn add_log(&self, key: VerifierKey) {
        self.inner.ledger.add_log(key);
    }

    /// Cosigns the log with this key, too, from now on, unless a log of its origin is known with another one: what
    /// somebody says about a log of her own must not make her speak for another's. Whether it is cosigned.
    pub fn add_foreign_log(&self, key: VerifierKey) -> bool {
        self.inner.ledger.add_foreign_log(key)
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
            let (size, root) = self.inner.ledger.last(origin)?;
            let cosigned_at = cosigned.get(origin).copied();
            Ok(LogStatus { origin: origin.clone(), size, root: root.to_string(), cosigned_at })
        };
        self.inner.ledger.origins().iter().map(known).collect()
    }

    /// The checkpoint cosigned last for the log whose origin has this SHA-256 (lower-case hex), as the log signed it;
    /// `None` for an unknown log, and one never seen. May block.
    ///
    /// # Errors
    /// [`WitnessError::Storage`].
    pub fn checkpoint(&self, origin_digest: &str) -> Result<Option<String>, WitnessError> {
        let known =
            self.inner.ledger.origins().into_iter().find(|origin| hex::encode(Sha256::digest(origin)) == origin_digest);
        let Some(origin) = known else { return Ok(None) };
        let state = self.inner.ledger.text(&origin)?;
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
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.clock)();
        let (origin, lines) = self.ledger.advance(old, proof, checkpoint, |new| {
            let lines = self.keys.cosign(new, now).map_err(|error| WitnessError::Malformed(error.to_string()))?;
            Ok((new.origin.clone(), lines))
        })?;
        turn.insert(origin, now);
        Ok(lines)
    }
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
