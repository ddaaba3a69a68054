//! A batch on its way into the tree: the entries, the files they make, and the checkpoint over them.

use tlog_proof::{Checkpoint, NoteSigner, TileError, sign_checkpoint};

use super::stage::{Stage, Writer};
use crate::edge::{Appended, Edge};

/// Most entries in one batch: bounds the stage to about 2 MiB.
pub(super) const MAX_ENTRIES: usize = 16_384;

/// Everything about a batch, fixed before its first byte is written, so that every attempt is identical.
pub(super) struct Batch {
    /// What goes to the stage.
    pub(super) stage: Stage,
    /// The checkpoint that the stage holds signed.
    pub(super) checkpoint: Checkpoint,
    /// The edge of the tree after the batch.
    pub(super) edge: Edge,
    /// Tiles and bundles to store.
    pub(super) made: Appended,
}

impl Batch {
    /// Appends `entries` to a copy of the edge and signs the result.
    pub(super) fn new(
        edge: &Edge,
        entries: Vec<Vec<u8>>,
        origin: &str,
        signer: &NoteSigner,
        writer: Writer,
    ) -> Result<Self, TileError> {
        let (after, made) = extended(edge, &entries)?;
        let checkpoint = Checkpoint { origin: origin.to_owned(), size: after.size(), root: after.root() };
        let signed = sign_checkpoint(&checkpoint, signer);
        let stage = Stage { writer, base: edge.size(), signed, entries };
        Ok(Self { stage, checkpoint, edge: after, made })
    }

    /// Takes a staged batch up again. The caller has verified its checkpoint's signature, and puts its own
    /// mark on it.
    pub(super) fn resume(edge: &Edge, stage: Stage, checkpoint: Checkpoint) -> Result<Self, TileError> {
        let (after, made) = extended(edge, &stage.entries)?;
        Ok(Self { stage, checkpoint, edge: after, made })
    }
}

fn extended(edge: &Edge, entries: &[Vec<u8>]) -> Result<(Edge, Appended), TileError> {
    let mut after = edge.clone();
    let made = after.append(entries)?;
    Ok((after, made))
}
