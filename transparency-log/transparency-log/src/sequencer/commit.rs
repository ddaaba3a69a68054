//! The steps that store a batch and publish a checkpoint. Each may be repeated without harm.

use std::io;
use std::sync::Arc;

use tlog_proof::NoteSigner;

use super::batch::Batch;
use super::cosign::{CosignError, Cosigners, Gathered};
use super::stage::{Stage, Writer};
use super::{blocking, stage};
use crate::edge;
use crate::prover::Prover;
use crate::storage::{Storage, Superseded};

/// Where the published checkpoint is stored, and served.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// A log's storage and keys.
pub(super) struct Log {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) prover: Arc<Prover>,
    pub(super) origin: String,
    pub(super) signer: NoteSigner,
    /// Marks what this opening of the log stages.
    pub(super) writer: Writer,
}

/// Which step failed. The batch is then staged or not, and is to be committed again as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    #[error("{step}: {source}")]
    Storage { step: &'static str, source: io::Error },
    #[error(transparent)]
    Cosign(#[from] CosignError),
}

impl CommitError {
    /// Whether trying again would be wrong: somebody else writes this log, or a witness knows better.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::Storage { source, .. } => Superseded::is(source),
            Self::Cosign(error) => error.is_final(),
        }
    }
}

impl Log {
    /// Takes a batch from its stage to its publication; gives the cosigned checkpoint.
    pub(super) async fn commit(&self, batch: &Arc<Batch>, cosigners: &mut Cosigners) -> Result<Gathered, CommitError> {
        self.stage(batch).await?;
        // From here on a restart can make everything else again.
        self.prover.remember(batch.made.tiles.iter().cloned());
        let gathered = if cosigners.are_here() {
            let asking = cosigners.collect(&batch.stage.signed, batch.checkpoint.size);
            match tokio::join!(self.store(batch), asking) {
                (_, Err(error)) if error.is_final() => return Err(error.into()),
                (stored, gathered) => {
                    stored?;
                    gathered?
                }
            }
        } else {
            // One of them may be a mirror, which is to be brought what was stored.
            self.store(batch).await?;
            cosigners.collect(&batch.stage.signed, batch.checkpoint.size).await?
        };
        self.publish(gathered.text()).await?;
        self.clean_up(batch.stage.base, batch.checkpoint.size).await;
        Ok(gathered)
    }

    async fn store(&self, batch: &Arc<Batch>) -> Result<(), CommitError> {
        let (storage, files) = (Arc::clone(&self.storage), Arc::clone(batch));
        blocking(move || storage.put_all(&files.made.files)).await.map_err(at("writing tiles"))
    }

    async fn stage(&self, batch: &Arc<Batch>) -> Result<(), CommitError> {
        let (storage, staged) = (Arc::clone(&self.storage), Arc::clone(batch));
        let replaced = blocking(move || storage.replace(stage::PATH, staged.stage.encode()));
        replaced.await.map_err(at("staging a batch"))
    }

    /// Puts this opening's mark on the stage, so that on storage without a lock an earlier writer, should it
    /// still live, can stage no more.
    pub(super) async fn take_over(&self, base: u64, published: &str) -> Result<(), CommitError> {
        let mark = Stage { writer: self.writer, base, signed: published.to_owned(), entries: Vec::new() };
        let storage = Arc::clone(&self.storage);
        let replaced = blocking(move || storage.replace(stage::PATH, mark.encode()));
        replaced.await.map_err(at("taking over the log"))
    }

    /// Makes a cosigned checkpoint the one that is served.
    pub(super) async fn publish(&self, checkpoint: &str) -> Result<(), CommitError> {
        let (storage, bytes) = (Arc::clone(&self.storage), checkpoint.as_bytes().to_vec());
        blocking(move || storage.replace(CHECKPOINT, bytes)).await.map_err(at("publishing a checkpoint"))
    }

    /// Drops the partial tiles that full ones replaced. What stays behind does no harm, it only takes room;
    /// and a start does it again for the last batch.
    pub(super) async fn clean_up(&self, old: u64, new: u64) {
        let (storage, replaced) = (Arc::clone(&self.storage), edge::replaced(old, new));
        if let Err(error) = blocking(move || replaced.iter().try_for_each(|folder| storage.remove(folder))).await {
            tracing::warn!(%error, "leaving behind partial tiles");
        }
    }
}

fn at(step: &'static str) -> impl FnOnce(io::Error) -> CommitError {
    move |source| CommitError::Storage { step, source }
}
