//! `subtree/v1`: ML-DSA-44 over a statement that names cosigner, time, log and subtree.

use std::fmt;

use super::{Cosigned, cosigned, split_timestamp};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::mldsa;
use crate::note::{NoteError, NoteSignature};
use crate::subtree::Subtree;
use crate::vkey::{KeyKind, VerifierKey, VkeyError};

/// An ML-DSA-44 signing key, under a name: of a witness, or of a log that signs its checkpoints so.
/// The key is zeroized when dropped.
pub struct SubtreeCosigner {
    vkey: VerifierKey,
    key: mldsa::SecretKey,
}

impl SubtreeCosigner {
    /// The cosigner with the key of this seed (FIPS 204, algorithm 6: ξ). The message names the
    /// cosigner, so that one key may serve under several names.
    ///
    /// # Errors
    /// When the name cannot stand in a note.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, VkeyError> {
        let key = mldsa::SecretKey::from_seed(seed);
        let vkey = VerifierKey::new(name, KeyKind::SubtreeV1, &key.public_key())?;
        Ok(Self { vkey, key })
    }

    /// The public half.
    pub fn vkey(&self) -> VerifierKey {
        self.vkey.clone()
    }

    /// Cosigns a checkpoint at `time`, in seconds since the epoch: the signature line with its newline.
    ///
    /// A witness gives the time; a log that signs its own checkpoint gives 0, which says nothing of time.
    ///
    /// # Errors
    /// [`CheckpointError::OriginLength`]: the statement has no room for a longer origin.
    pub fn cosign(&self, checkpoint: &Checkpoint, time: u64) -> Result<String, CheckpointError> {
        let message = checkpoint_message(self.vkey.name(), checkpoint, time);
        let message = message.ok_or(CheckpointError::OriginLength { found: checkpoint.origin.len() })?;
        Ok(self.line(&message, time))
    }

    /// Cosigns the subtree of the log `origin` with this hash, without a time: the signature line with its
    /// newline.
    ///
    /// # Errors
    /// [`CheckpointError::OriginLength`], as [`SubtreeCosigner::cosign`].
    pub fn cosign_subtree(&self, origin: &str, subtree: Subtree, hash: &Hash) -> Result<String, CheckpointError> {
        let message = message(self.vkey.name(), 0, origin, (subtree.start(), subtree.end()), hash);
        let message = message.ok_or(CheckpointError::OriginLength { found: origin.len() })?;
        Ok(self.line(&message, 0))
    }

    fn line(&self, message: &[u8], time: u64) -> String {
        let mut signature = time.to_be_bytes().to_vec();
        signature.extend_from_slice(&self.key.sign(message));
        let line = NoteSignature { name: self.vkey.name().to_owned(), key_id: self.vkey.id(), signature };
        format!("{line}\n")
    }
}

impl fmt::Debug for SubtreeCosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubtreeCosigner({} {:08x})", self.vkey.name(), u32::from_be_bytes(self.vkey.id()))
    }
}

/// Checks a signature line by `key`, an ML-DSA-44 key, over a subtree of the log `origin`.
///
/// A cosignature of a checkpoint is one of the subtree from 0, and may have a time; one of any other
/// subtree must not.
///
/// # Errors
/// When the key is of another kind, the line is not by it, or the signature does not verify.
pub fn verify_subtree_cosignature(
    key: &VerifierKey,
    origin: &str,
    subtree: Subtree,
    hash: &Hash,
    line: &NoteSignature,
) -> Result<Cosigned, NoteError> {
    if key.kind() != KeyKind::SubtreeV1 {
        return Err(NoteError::KeyKind { expected: KeyKind::SubtreeV1, found: key.kind() });
    }
    if !line.claims(key) {
        return Err(NoteError::Unsigned { expected: key.name().to_owned() });
    }
    let verified = split_timestamp(&line.signature).and_then(|(time, signature)| {
        let message = message(key.name(), time, origin, (subtree.start(), subtree.end()), hash)?;
        let valid = (subtree.start() == 0 || time == 0) && key.verifies(&message, signature);
        valid.then(|| cosigned(key, time))
    });
    verified.ok_or_else(|| NoteError::BadSignature { name: key.name().to_owned() })
}

/// The statement that a checkpoint's tree is consistent and, unless `time` is 0, was the largest then.
pub(super) fn checkpoint_message(name: &str, checkpoint: &Checkpoint, time: u64) -> Option<Vec<u8>> {
    message(name, time, &checkpoint.origin, (0, checkpoint.size), &checkpoint.root)
}

/// `cosigned_message`; `None` where a name does not fit into its length byte.
fn message(name: &str, time: u64, origin: &str, (start, end): (u64, u64), hash: &Hash) -> Option<Vec<u8>> {
    let mut message = b"subtree/v1\n\0".to_vec();
    message.push(u8::try_from(name.len()).ok()?);
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(&time.to_be_bytes());
    message.push(u8::try_from(origin.len()).ok()?);
    message.extend_from_slice(origin.as_bytes());
    message.extend_from_slice(&start.to_be_bytes());
    message.extend_from_slice(&end.to_be_bytes());
    message.extend_from_slice(hash.as_bytes());
    Some(message)
}
