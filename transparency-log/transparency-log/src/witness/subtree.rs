//! Signing subtrees of what was cosigned (C2SP tlog-witness, "sign-subtree").
//!
//! Whoever asks shows that a subtree lies in a tree that this witness has cosigned. It knows such a tree by the
//! cosignature of its own that the checkpoint carries, or because it is one of the last it has seen.

use std::io;

use tlog_proof::sign_subtree::MAX_REQUEST_SIGNATURES;
use tlog_proof::{
    Checkpoint, CheckpointError, MerkleError, NoteError, SignSubtree, UnverifiedCheckpoint, VerifierKey,
    verify_subtree, verify_subtree_cosignature,
};

use super::{Witness, WitnessError};

/// Why a witness did not sign a subtree. The C2SP tlog-witness status code stands with each.
#[derive(Debug, thiserror::Error)]
pub enum SubtreeError {
    /// 400: the checkpoint or the request is malformed.
    #[error("malformed request: {0}")]
    Malformed(String),
    /// 400: the subtree reaches beyond the tree.
    #[error("expected a subtree that ends at {size} at most, found the end {end}")]
    Beyond {
        /// The index after the subtree's last leaf.
        end: u64,
        /// The checkpoint's size.
        size: u64,
    },
    /// 403: a cosignature by a known key, of the subtree or of the checkpoint, that does not verify.
    #[error("a cosignature does not hold: {0}")]
    Cosignature(#[from] NoteError),
    /// 403: this witness has no key that signs subtrees.
    #[error("this witness has no ML-DSA-44 key, which alone signs subtrees")]
    NoKey,
    /// 404: a log that the witness is not configured for, or has never cosigned.
    #[error("no checkpoint of the log {origin:?} was cosigned by this witness")]
    UnknownLog {
        /// The checkpoint's origin.
        origin: String,
    },
    /// 409: a checkpoint that this witness does not know. It carries one that it does.
    #[error("this checkpoint is not known to have been cosigned by this witness")]
    UnknownCheckpoint {
        /// The newest checkpoint of that log, as the log signed it.
        known: String,
    },
    /// 422: the proof does not show that the tree contains the subtree.
    #[error("subtree proof: {0}")]
    Proof(#[from] MerkleError),
    /// 500: the state cannot be read.
    #[error("witness storage: {0}")]
    Storage(#[from] io::Error),
}

impl Witness {
    /// Whether it has a key that signs subtrees.
    pub fn signs_subtrees(&self) -> bool {
        self.inner.keys.signs_subtrees()
    }

    /// Signs a subtree: the signature line with its newline. May block.
    ///
    /// # Errors
    /// [`SubtreeError`] says why not, with the status code for each.
    pub fn sign_subtree_blocking(&self, request: &SignSubtree) -> Result<String, SubtreeError> {
        let (checkpoint, ours) = self.reference(&request.checkpoint)?;
        let (subtree, hash) = (request.subtree, &request.hash);
        if subtree.end() > checkpoint.size {
            return Err(SubtreeError::Beyond { end: subtree.end(), size: checkpoint.size });
        }
        let keys = self.inner.ledger.keys(&checkpoint.origin);
        let keys = keys.ok_or_else(|| SubtreeError::UnknownLog { origin: checkpoint.origin.clone() })?;
        for line in &request.cosignatures {
            for key in keys.iter().chain(&self.vkeys()).filter(|key| line.claims(key)) {
                untimed(key, verify_subtree_cosignature(key, &checkpoint.origin, subtree, hash, line)?.time)?;
            }
        }
        verify_subtree(subtree, hash, checkpoint.size, &checkpoint.root, &request.proof)?;
        if !ours {
            self.known(&checkpoint)?;
        }
        let line = self.inner.keys.cosign_subtree(&checkpoint.origin, subtree, hash).ok_or(SubtreeError::NoKey)?;
        line.map_err(|error| SubtreeError::Malformed(error.to_string()))
    }

    /// The checkpoint of a request, and whether it carries a cosignature of ours.
    fn reference(&self, text: &str) -> Result<(Checkpoint, bool), SubtreeError> {
        let malformed = |error: CheckpointError| SubtreeError::Malformed(error.to_string());
        // Without signatures the text ends with the checkpoint's third line.
        if !text.contains("\n\n") {
            return Ok((Checkpoint::parse_body(text).map_err(malformed)?, false));
        }
        let unverified = UnverifiedCheckpoint::parse(text).map_err(malformed)?;
        let found = unverified.note().signatures().len();
        if found > MAX_REQUEST_SIGNATURES {
            let account = format!("expected at most {MAX_REQUEST_SIGNATURES} signatures, found {found}");
            return Err(SubtreeError::Malformed(account));
        }
        let mut ours = false;
        for key in self.vkeys() {
            match unverified.verify_cosignature(&key) {
                Ok(_) => ours = true,
                Err(CheckpointError::Note(NoteError::Unsigned { .. })) => {}
                Err(CheckpointError::Note(error)) => return Err(error.into()),
                Err(error) => return Err(malformed(error)),
            }
        }
        Ok((unverified.claimed().clone(), ours))
    }

    /// That this is one of the last checkpoints cosigned.
    fn known(&self, checkpoint: &Checkpoint) -> Result<(), SubtreeError> {
        let origin = &checkpoint.origin;
        let newest = self.inner.ledger.newest(origin).map_err(|error| match error {
            WitnessError::Storage(error) => SubtreeError::Storage(error),
            other => SubtreeError::Storage(io::Error::other(other.to_string())),
        })?;
        let newest = newest.ok_or_else(|| SubtreeError::UnknownLog { origin: origin.clone() })?;
        if *newest == *checkpoint || self.inner.ledger.is_recent(checkpoint) {
            return Ok(());
        }
        Err(SubtreeError::UnknownCheckpoint { known: newest.text().to_owned() })
    }
}

/// "If the cosignature format supports timestamps, the timestamp MUST be zero."
fn untimed(key: &VerifierKey, time: u64) -> Result<(), NoteError> {
    if time == 0 { Ok(()) } else { Err(NoteError::BadSignature { name: key.name().to_owned() }) }
}
