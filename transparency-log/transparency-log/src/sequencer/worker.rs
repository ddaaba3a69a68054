//! The one task that writes: gathers batches, commits them, answers, and renews cosignatures when idle.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tlog_proof::{Checkpoint, Hash, Proof, leaf_hash, sign_checkpoint};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, MAX_ENTRIES};
use super::commit::{CommitError, Log};
use super::cosign::{CosignError, Cosigners};
use super::recover::Recovered;
use super::window::Window;
use super::{Logged, OpenError, Pace, State, Submission, SubmitError, blocking};
use crate::edge::Edge;

/// The pauses between attempts grow from the first to the last of these.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// The writer of a log.
pub(super) struct Worker {
    log: Log,
    cosigners: Cosigners,
    edge: Edge,
    window: Window,
    pending: Option<Batch>,
    state: Arc<State>,
    pace: Pace,
    renewed: Instant,
}

impl Worker {
    /// Takes up what was recovered: finishes the staged batch and gets the checkpoint cosigned anew.
    ///
    /// A quorum that cannot be reached does not keep an existing log from starting: it goes on trying
    /// before it takes entries.
    pub(super) async fn start(
        log: Log,
        mut cosigners: Cosigners,
        recovered: Recovered,
        state: Arc<State>,
        pace: Pace,
    ) -> Result<Self, OpenError> {
        let Recovered { published, edge, window, pending } = recovered;
        cosigners.assume(edge.size());
        let is_new = published.is_none();
        state.publish(published.unwrap_or_default());
        let renewed = Instant::now();
        let mut worker = Self { log, cosigners, edge, window, pending: None, state, pace, renewed };
        let started = match pending {
            Some(batch) => worker.resume(batch).await,
            None => worker.renew().await,
        };
        match started {
            Ok(()) => Ok(worker),
            Err(CommitError::Storage { step, source }) => Err(OpenError::Storage { doing: step, source }),
            Err(CommitError::Cosign(CosignError::Ahead { witness, witnessed, stored })) => {
                Err(OpenError::Behind { witness, witnessed, stored })
            }
            Err(CommitError::Cosign(CosignError::Forked { witness, account })) => {
                Err(OpenError::Inconsistent { account: format!("witness {witness}: {account}") })
            }
            Err(error) if is_new => Err(OpenError::Unwitnessed { reason: error.to_string() }),
            Err(error) => {
                worker.state.set_trouble(Some(error.to_string()));
                tracing::warn!(%error, "the log starts without fresh cosignatures");
                Ok(worker)
            }
        }
    }

    async fn resume(&mut self, batch: Batch) -> Result<(), CommitError> {
        tracing::info!(base = batch.stage.base, size = batch.checkpoint.size, "finishing a staged batch");
        match self.log.commit(&batch, &mut self.cosigners).await {
            Ok(text) => {
                self.adopt(batch, text);
                Ok(())
            }
            Err(error) => {
                self.pending = Some(batch);
                Err(error)
            }
        }
    }

    /// Works until it is told to stop or no handle is left.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Submission>, stop: CancellationToken) {
        if let Some(batch) = self.pending.take()
            && self.commit_until_done(batch, &queue, &stop).await.is_err()
        {
            return;
        }
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled(), if !queue.is_closed() => queue.close(),
                first = queue.recv() => {
                    let Some(first) = first else { return };
                    let gathered = self.gather(first, &mut queue, &stop).await;
                    if self.process(gathered, &queue, &stop).await.is_err() {
                        return;
                    }
                }
                () = sleep_until(self.renewed + self.pace.renewal) => self.renew_or_complain().await,
            }
        }
    }

    /// Keeps the batch open for its interval from the first arrival on, or until the log is stopped.
    async fn gather(
        &self,
        first: Submission,
        queue: &mut mpsc::Receiver<Submission>,
        stop: &CancellationToken,
    ) -> Vec<Submission> {
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep_until(first.arrived + self.pace.batch_interval) => {}
        }
        let mut gathered = vec![first];
        while gathered.len() < MAX_ENTRIES {
            match queue.try_recv() {
                Ok(submission) => gathered.push(submission),
                Err(_nothing) => break,
            }
        }
        gathered
    }

    /// Gives every submission its index, commits what is new, and answers.
    async fn process(
        &mut self,
        submissions: Vec<Submission>,
        queue: &mpsc::Receiver<Submission>,
        stop: &CancellationToken,
    ) -> Result<(), ()> {
        let mut entries = Vec::new();
        let mut fresh = HashMap::<Hash, u64>::new();
        let mut waiting = Vec::with_capacity(submissions.len());
        for Submission { entry, answer, .. } in submissions {
            let leaf = leaf_hash(&entry);
            let known = self.window.index(&leaf).or_else(|| fresh.get(&leaf).copied());
            let index = known.unwrap_or_else(|| {
                let index = self.edge.size() + entries.len() as u64;
                fresh.insert(leaf, index);
                entries.push(entry);
                index
            });
            waiting.push((index, answer));
        }
        if !entries.is_empty() {
            // The entries were bounded when they were submitted, so that they fit into a bundle.
            let batch = Batch::new(&self.edge, entries, &self.log.origin, &self.log.signer)
                .map_err(|error| tracing::error!(%error, "an entry does not fit into a bundle"))?;
            self.commit_until_done(batch, queue, stop).await?;
        }
        self.answer(waiting).await;
        Ok(())
    }

    /// Repeats the identical commit until it succeeds; gives up only when the log is being stopped.
    async fn commit_until_done(
        &mut self,
        batch: Batch,
        queue: &mpsc::Receiver<Submission>,
        stop: &CancellationToken,
    ) -> Result<(), ()> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.log.commit(&batch, &mut self.cosigners).await {
                Ok(text) => {
                    self.adopt(batch, text);
                    return Ok(());
                }
                Err(error) => {
                    tracing::error!(%error, "a batch waits; trying again");
                    self.state.set_trouble(Some(error.to_string()));
                }
            }
            if stop.is_cancelled() || queue.is_closed() {
                tracing::warn!("stopped with a staged batch, which the next start finishes");
                return Err(());
            }
            let _stopped_early = timeout(pause, stop.cancelled()).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// The batch is published: its tree is the tree.
    fn adopt(&mut self, batch: Batch, text: String) {
        for (index, entry) in (batch.stage.base..).zip(&batch.stage.entries) {
            self.window.push(leaf_hash(entry), index);
        }
        self.edge = batch.edge;
        self.published(text);
    }

    fn published(&mut self, text: String) {
        self.state.publish(text);
        self.state.set_trouble(None);
        self.renewed = Instant::now();
    }

    async fn answer(&self, waiting: Vec<(u64, Answer)>) {
        let checkpoint = self.state.checkpoint();
        let (prover, size) = (Arc::clone(&self.log.prover), self.edge.size());
        let proven = blocking(move || {
            for (index, answer) in waiting {
                let path = prover.inclusion(index, size);
                let checkpoint = checkpoint.clone();
                let logged = path.map(|path| Logged { index, proof: Proof { extra: None, index, path, checkpoint } });
                // Whoever no longer waits can ask again.
                let _gone = answer.send(logged.map_err(|error: io::Error| SubmitError::Proof(error.to_string())));
            }
            Ok(())
        });
        if let Err(error) = proven.await {
            tracing::error!(%error, "proofs could not be made");
        }
    }

    /// Has the current tree cosigned anew and publishes the result.
    async fn renew(&mut self) -> Result<(), CommitError> {
        let checkpoint = Checkpoint { origin: self.log.origin.clone(), size: self.edge.size(), root: self.edge.root() };
        let signed = sign_checkpoint(&checkpoint, &self.log.signer);
        let text = self.cosigners.collect(&signed, checkpoint.size).await?;
        self.log.publish(&text).await?;
        self.published(text);
        Ok(())
    }

    async fn renew_or_complain(&mut self) {
        if let Err(error) = self.renew().await {
            tracing::warn!(%error, "cosignatures could not be renewed");
            self.state.set_trouble(Some(error.to_string()));
            self.renewed = Instant::now();
            sleep(FIRST_PAUSE).await;
        }
    }
}

type Answer = tokio::sync::oneshot::Sender<Result<Logged, SubmitError>>;
