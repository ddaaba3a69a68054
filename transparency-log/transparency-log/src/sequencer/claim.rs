//! A witness elsewhere that says that it has cosigned more than there is. Either it lies, or what is stored here is an old
//! copy; what it shows tells which. A checkpoint that this log has signed proves an old copy, and the log must not go on.
//! Anything else proves nothing: it is one cosignature less, and the quorum decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};
use tlog_proof::{LogPolicy, UnverifiedCheckpoint, VerifierKey};
use tokio::time::timeout;

use super::blocking;
use crate::storage::Storage;
use crate::witness::Witnessing;

/// What is to be thought of what a witness says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claim {
    /// It says nothing of the kind.
    None,
    /// It shows a larger tree that this log has signed.
    ByTheLog {
        /// The entries of that tree.
        size: u64,
    },
    /// It does not. In words.
    Unproven(String),
}

/// Examines what witnesses claim, and keeps what is signed.
pub(super) struct Claims {
    log: VerifierKey,
    policy: LogPolicy,
    storage: Arc<dyn Storage>,
}

impl Claims {
    /// Claims about the log with this key, whose signed ones are kept in `claims/` of its storage, one for each witness.
    pub(super) fn new(log: VerifierKey, policy: LogPolicy, storage: Arc<dyn Storage>) -> Self {
        Self { log, policy, storage }
    }

    /// Asks the witness for what it has. What is not larger than anything this log has `asked` for is its own.
    pub(super) async fn examine(&self, witness: &dyn Witnessing, asked: &AtomicU64) -> Claim {
        let text = match timeout(witness.patience(), witness.newest(self.log.name())).await {
            Ok(Ok(Some(text))) => text,
            Ok(Ok(None)) => return Claim::Unproven("it shows no checkpoint that proves it".to_owned()),
            Ok(Err(error)) => return Claim::Unproven(format!("it does not show why: {error}")),
            Err(_elapsed) => return Claim::Unproven("it does not show why in time".to_owned()),
        };
        let Ok(shown) = UnverifiedCheckpoint::parse(&text) else {
            return Claim::Unproven("what it shows is no checkpoint".to_owned());
        };
        if shown.claimed().origin != self.log.name() {
            return Claim::Unproven("it shows a checkpoint of another log".to_owned());
        }
        let size = shown.claimed().size;
        if shown.verify_log(&self.log).is_ok() {
            if size <= asked.load(Ordering::SeqCst) {
                return Claim::Unproven(format!("it shows {size} entries, which this log has"));
            }
            self.keep(witness, text).await;
            return Claim::ByTheLog { size };
        }
        // By it others can be shown what this witness cosigns.
        if self.policy.witnesses.iter().any(|known| shown.verify_cosignature(&known.vkey).is_ok()) {
            let kept = self.keep(witness, text).await;
            return Claim::Unproven(format!("it has cosigned a checkpoint that this log has never signed, {kept}"));
        }
        Claim::Unproven("what it shows is signed by nobody known".to_owned())
    }

    /// Where it is kept, in words. The newest is the one of interest, so that there is one for each witness.
    async fn keep(&self, witness: &dyn Witnessing, text: String) -> String {
        let path = format!("claims/{}", hex::encode(Sha256::digest(witness.name())));
        let (storage, at) = (Arc::clone(&self.storage), path.clone());
        match blocking(move || storage.put(&at, text.into_bytes())).await {
            Ok(()) => format!("kept in {path}"),
            Err(error) => format!("which could not be kept: {error}"),
        }
    }
}
