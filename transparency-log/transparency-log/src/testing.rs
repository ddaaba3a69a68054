//! A log in memory for the tests and benchmarks of other crates.
//!
//! Its keys are derived from its origin and known to everybody: nothing outside of a test may trust it.

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha256};
use tlog_proof::{Cosigner, LogPolicy, NoteSigner, VerifierKey};

use crate::client::StorageSource;
use crate::clock::Clock;
use crate::sequencer::{OpenError, Pace, Sequencer};
use crate::storage::{MemoryStorage, Storage};
use crate::witness::{Witness, Witnessing};

/// An open log over memory, with one witness in its quorum.
#[derive(Clone)]
pub struct MemoryLog {
    /// The log; submit here.
    pub sequencer: Sequencer,
    /// Where log and witness keep their files.
    pub storage: Arc<MemoryStorage>,
    /// Accepts this log with its witness `witness`.
    pub policy: LogPolicy,
    /// The log's key.
    pub log_key: VerifierKey,
    /// The witness's key, named `<origin>/witness`.
    pub witness_key: VerifierKey,
    /// The origin.
    pub origin: String,
    clock: Clock,
}

impl MemoryLog {
    /// A new log with batches of 1 ms. Must be called within a tokio runtime.
    ///
    /// # Panics
    /// When the origin cannot name a key: this is for tests.
    pub async fn open(origin: &str, clock: Clock) -> Self {
        let opened = Self::open_on(Arc::new(MemoryStorage::new()), origin, clock).await;
        opened.expect("a new log in memory opens, given an origin without spaces and plus signs")
    }

    /// Opens the log that the storage holds, or a new one on empty storage.
    ///
    /// # Errors
    /// As [`Sequencer::open`].
    ///
    /// # Panics
    /// When the origin cannot name a key: this is for tests.
    pub async fn open_on(storage: Arc<MemoryStorage>, origin: &str, clock: Clock) -> Result<Self, OpenError> {
        let signer = NoteSigner::new(origin, key(origin, "log")).expect("the origin can name a key");
        let cosigner =
            Cosigner::new(&format!("{origin}/witness"), key(origin, "witness")).expect("the origin can name a key");
        let (log_key, witness_key) = (signer.vkey(), cosigner.vkey());
        let text = format!("log {log_key}\nwitness witness {witness_key}\nquorum witness\n");
        let policy = LogPolicy::parse(&text).expect("the text is a policy");
        let shared: Arc<dyn Storage> = Arc::<MemoryStorage>::clone(&storage);
        let witness = Witness::open_on(Arc::clone(&shared), cosigner, vec![log_key.clone()], Arc::clone(&clock));
        let witnesses: Vec<Arc<dyn Witnessing>> = vec![Arc::new(witness)];
        let pace = Pace::new(Duration::from_millis(1));
        let sequencer = Sequencer::open_on(shared, origin, pace, signer, witnesses, policy.clone()).await?;
        let origin = origin.to_owned();
        Ok(Self { sequencer, storage, policy, log_key, witness_key, origin, clock })
    }

    /// Stops the log and opens it again on what it stored.
    ///
    /// # Errors
    /// As [`Sequencer::open`].
    pub async fn restart(self) -> Result<Self, OpenError> {
        self.sequencer.stop().await;
        self.storage.revive();
        Self::open_on(self.storage, &self.origin, self.clock).await
    }

    /// Where clients and monitors read this log.
    pub fn source(&self) -> StorageSource<MemoryStorage> {
        StorageSource::new(Arc::clone(&self.storage))
    }
}

/// A key that everybody can derive.
pub fn key(origin: &str, role: &str) -> SigningKey {
    SigningKey::from_bytes(&Sha256::digest(format!("in-person test key\n{origin}\n{role}")).into())
}
