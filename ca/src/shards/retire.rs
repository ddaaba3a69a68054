//! The end of a label key. Whoever had it could compute every label of every address she can guess, also of the past: so
//! it goes as soon as nobody has a right to its proofs any more.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::{LabelKeyError, Shard};
use crate::issue::Issuer;
use crate::trail::{Trail, TrailError};

/// Pause between looks.
const LOOK: Duration = Duration::from_secs(60);
/// After so many looks in vain the operator is told again.
const REMIND: u32 = 60;

/// Why a key could not be destroyed. It is tried again.
#[derive(Debug, Error)]
pub(crate) enum RetireError {
    #[error("the audit trail: {0}")]
    Trail(#[from] TrailError),
    #[error(transparent)]
    Key(#[from] LabelKeyError),
    #[error("{0}")]
    Ended(String),
}

/// Destroys the label keys whose time has come, and looks again every minute until stopped.
pub(crate) async fn retire_due(issuer: Arc<Issuer>, stop: CancellationToken) {
    let mut in_vain = 0;
    loop {
        match retire(&issuer).await {
            Ok(_) => in_vain = 0,
            Err(error) => {
                if in_vain % REMIND == 0 {
                    tracing::warn!(%error, "a label key could not be destroyed; it is tried again every minute");
                }
                in_vain += 1;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Destroys the label keys whose time has come: how many.
pub(crate) async fn retire(issuer: &Issuer) -> Result<usize, RetireError> {
    let now = issuer.now();
    let mut destroyed = 0;
    for shard in issuer.logs.all() {
        if shard.window().retires().is_some_and(|at| at <= now) && destroy(&shard, &issuer.trail).await? {
            destroyed += 1;
        }
    }
    Ok(destroyed)
}

/// Recorded before and after, each time on disk: a crash in between leaves the first record, and either the key, which
/// the next look destroys, or what the next start finishes ([`crate::shards::LabelKey::open`]), or nothing. What fails is
/// done once more from the beginning.
async fn destroy(shard: &Shard, trail: &Trail) -> Result<bool, RetireError> {
    let Some(key) = shard.key() else { return Ok(false) };
    // Nothing is begun, and so nothing recorded, while its signer is away.
    let asked = Arc::clone(&key);
    blocking(move || asked.check()).await?;
    let of = json!({"log": shard.origin(), "label-key": hex::encode(shard.labels().to_bytes())});
    trail.record("label-key-to-be-destroyed", of.clone()).await?;
    blocking(move || key.destroy()).await?;
    trail.record("label-key-destroyed", of).await?;
    shard.forget_key();
    tracing::info!(log = shard.origin(), "the label key of a closed log is destroyed");
    Ok(true)
}

/// On a thread that may wait for a signer.
async fn blocking(work: impl FnOnce() -> Result<(), LabelKeyError> + Send + 'static) -> Result<(), RetireError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| RetireError::Ended(error.to_string()))??)
}
