//! How a witness answers, for those who operate the log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use tlog_proof::{Hash, UnverifiedCheckpoint};

use super::{WitnessError, Witnessing};
use crate::clock::Clock;

/// What is known of a witness since this process began to ask it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The name of its key.
    pub name: String,
    /// How often it cosigned.
    pub cosigned: u64,
    /// How often it did not, for whatever reason. A size to prove from instead is an answer, not a failure.
    pub failed: u64,
    /// When it last cosigned, in seconds since the epoch.
    pub cosigned_at: Option<u64>,
    /// How long its last answer took.
    pub took: Option<Duration>,
    /// What it last failed at, unless it has cosigned since.
    pub trouble: Option<String>,
}

/// A witness whose answers are counted.
pub struct Observed {
    witness: Arc<dyn Witnessing>,
    clock: Clock,
    health: Mutex<Health>,
}

impl Observed {
    /// Counts what `witness` answers.
    pub fn new(witness: Arc<dyn Witnessing>, clock: Clock) -> Self {
        let health = Health { name: witness.name().to_owned(), ..Health::default() };
        Self { witness, clock, health: Mutex::new(health) }
    }

    /// How it has answered until now.
    pub fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `size` is that of the checkpoint that it was asked to cosign.
    fn note(&self, answer: &Result<String, WitnessError>, size: Option<u64>, took: Duration) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.took = Some(took);
        match answer {
            Ok(_) => {
                health.cosigned += 1;
                health.cosigned_at = Some((self.clock)());
                health.trouble = None;
            }
            Err(WitnessError::Conflict { size: claimed }) if size.is_some_and(|size| *claimed > size) => {
                health.failed += 1;
                let size = size.unwrap_or_default();
                health.trouble =
                    Some(format!("it says that it has cosigned {claimed} entries of this log, which has {size}"));
            }
            Err(WitnessError::Conflict { .. }) => {}
            Err(error) => {
                health.failed += 1;
                health.trouble = Some(error.to_string());
            }
        }
    }
}

impl Witnessing for Observed {
    fn name(&self) -> &str {
        self.witness.name()
    }

    fn is_remote(&self) -> bool {
        self.witness.is_remote()
    }

    fn patience(&self) -> Duration {
        self.witness.patience()
    }

    fn add_checkpoint(
        &self,
        old: u64,
        proof: Vec<Hash>,
        checkpoint: String,
    ) -> BoxFuture<'_, Result<String, WitnessError>> {
        async move {
            let asked = Instant::now();
            let size = UnverifiedCheckpoint::parse(&checkpoint).map(|checkpoint| checkpoint.claimed().size).ok();
            let answer = self.witness.add_checkpoint(old, proof, checkpoint).await;
            self.note(&answer, size, asked.elapsed());
            answer
        }
        .boxed()
    }

    fn newest(&self, origin: &str) -> BoxFuture<'_, Result<Option<String>, WitnessError>> {
        self.witness.newest(origin)
    }
}
