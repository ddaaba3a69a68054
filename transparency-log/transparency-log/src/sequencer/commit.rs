//! The steps that store a batch and publish a checkpoint. Each may be repeated without harm.

use std::io;
use std::sync::Arc;

use tlog_proof::NoteSigner;

use super::batch::Batch;
use super::cosign::{CosignError, Cosigners};
use super::{blocking, stage};
use crate::prover::Prover;
use crate::storage::Storage;

/// Where the published checkpoint is stored, and served.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// A log's storage and keys.
pub(super) struct Log {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) prover: Arc<Prover>,
    pub(super) origin: String,
    pub(super) signer: NoteSigner,
}

/// Which step failed. The batch is then staged or not, and is to be committed again as it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommitError {
    #[error("{step}: {source}")]
    Storage { step: &'static str, source: io::Error },
    #[error(transparent)]
    Cosign(#[from] CosignError),
}

impl Log {
    /// Takes a batch from its stage to its publication; gives the cosigned checkpoint.
    pub(super) async fn commit(&self, batch: &Batch, cosigners: &mut Cosigners) -> Result<String, CommitError> {
        self.store(batch).await?;
        let text = cosigners.collect(&batch.stage.signed, batch.checkpoint.size).await?;
        self.publish(&text).await?;
        self.clean_up(batch).await;
        Ok(text)
    }

    /// Stage first: from there on a restart can make everything else again.
    async fn store(&self, batch: &Batch) -> Result<(), CommitError> {
        let (storage, staged) = (Arc::clone(&self.storage), batch.stage.encode());
        blocking(move || storage.put(stage::PATH, staged)).await.map_err(at("staging a batch"))?;
        let (storage, files) = (Arc::clone(&self.storage), batch.made.files.clone());
        blocking(move || storage.put_all(&files)).await.map_err(at("writing tiles"))?;
        self.prover.remember(batch.made.tiles.iter().cloned());
        Ok(())
    }

    /// Makes a cosigned checkpoint the one that is served.
    pub(super) async fn publish(&self, checkpoint: &str) -> Result<(), CommitError> {
        let (storage, bytes) = (Arc::clone(&self.storage), checkpoint.as_bytes().to_vec());
        blocking(move || storage.put(CHECKPOINT, bytes)).await.map_err(at("publishing a checkpoint"))
    }

    /// Drops the stage, and partial tiles that full ones replace. What stays behind does no harm: the
    /// next start finds the stage published, and partial tiles only take room.
    async fn clean_up(&self, batch: &Batch) {
        let (storage, replaced) = (Arc::clone(&self.storage), batch.made.replaced.clone());
        let cleaned = blocking(move || {
            storage.remove(stage::PATH)?;
            replaced.iter().try_for_each(|folder| storage.remove(folder))
        });
        if let Err(error) = cleaned.await {
            tracing::warn!(%error, "leaving behind a stage or partial tiles");
        }
    }
}

fn at(step: &'static str) -> impl FnOnce(io::Error) -> CommitError {
    move |source| CommitError::Storage { step, source }
}
