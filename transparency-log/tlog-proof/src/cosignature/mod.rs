//! Timestamped cosignatures of checkpoints and subtrees (C2SP tlog-cosignature).
//!
//! There are two kinds. `cosignature/v1` ([`Cosigner`]) signs a checkpoint's text with Ed25519.
//! `subtree/v1` ([`SubtreeCosigner`]) signs a statement about a tree or subtree with ML-DSA-44, which
//! no quantum computer forges. One witness may make both, with one key each.

mod subtree_v1;
mod v1;

pub use subtree_v1::{SubtreeCosigner, verify_subtree_cosignature};
pub use v1::Cosigner;

use crate::checkpoint::Checkpoint;
use crate::note::{NoteError, UnverifiedNote};
use crate::vkey::{KeyKind, VerifierKey};

/// A witness's statement, verified: at `time`, this was the largest consistent tree it had seen.
///
/// Only verification makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cosigned {
    /// The name of the witness's key.
    pub name: String,
    /// The ID of the witness's key.
    pub key_id: [u8; 4],
    /// When it cosigned, in seconds since the epoch, at most `2^63 − 1`.
    ///
    /// 0 where an ML-DSA-44 cosigner says only that the tree is consistent with all it has seen, and
    /// nothing of a time or of the largest.
    pub time: u64,
}

/// Checks the cosignature by `key`, of either kind, on a checkpoint's note, which says `checkpoint`.
pub(crate) fn verify(note: &UnverifiedNote, checkpoint: &Checkpoint, key: &VerifierKey) -> Result<Cosigned, NoteError> {
    let message = |time| match key.kind() {
        KeyKind::Ed25519 => None,
        KeyKind::CosignatureV1 => Some(v1::message(note.text(), time)),
        KeyKind::SubtreeV1 => subtree_v1::checkpoint_message(key.name(), checkpoint, time),
    };
    if key.kind() == KeyKind::Ed25519 {
        return Err(NoteError::KeyKind { expected: KeyKind::CosignatureV1, found: key.kind() });
    }
    note.verify_each(key, |timestamped| {
        let (time, signature) = split_timestamp(timestamped)?;
        key.verifies(&message(time)?, signature).then(|| cosigned(key, time))
    })
}

fn cosigned(key: &VerifierKey, time: u64) -> Cosigned {
    Cosigned { name: key.name().to_owned(), key_id: key.id(), time }
}

/// `timestamped_signature`: a time of at most 2^63 − 1, and the signature after it.
fn split_timestamp(timestamped: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = timestamped.split_first_chunk::<8>()?;
    let time = u64::from_be_bytes(*time);
    i64::try_from(time).is_ok().then_some((time, signature))
}
