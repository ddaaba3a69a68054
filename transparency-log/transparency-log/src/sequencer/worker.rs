//! The one task that writes: gathers batches, commits them, answers, and renews cosignatures when idle.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tlog_proof::{Checkpoint, Hash, Proof, leaf_hash, sign_checkpoint};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::batch::{Batch, MAX_ENTRIES};
use super::commit::{CommitError, Log};
use super::cosign::{CosignError, Cosigners, Gathered};
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
    pending: Option<Arc<Batch>>,
    /// The newest checkpoint, to which slow witnesses may still add.
    newest: Option<Gathered>,
    state: Arc<State>,
    pace: Pace,
    renewed: Instant,
    /// When the next batch may be closed.
    next: Instant,
}

/// Why the worker ends: it was told to, or going on would be wrong.
enum End {
    Stopped,
    Halted,
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
        let Recovered { published, edge, window, pending, last } = recovered;
        cosigners.assume(edge.size()).await;
        let is_new = published.is_none();
        state.publish(published.unwrap_or_default());
        let renewed = Instant::now();
        let (newest, next) = (None, renewed);
        let mut worker = Self { log, cosigners, edge, window, pending: None, newest, state, pace, renewed, next };
        if let Some((old, new)) = last {
            worker.log.clean_up(old, new).await;
        }
        let started = match pending {
            Some(batch) => worker.resume(Arc::new(batch)).await,
            None => worker.renew_at_start(is_new).await,
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

    async fn resume(&mut self, batch: Arc<Batch>) -> Result<(), CommitError> {
        tracing::info!(base = batch.stage.base, size = batch.checkpoint.size, "finishing a staged batch");
        match self.log.commit(&batch, &mut self.cosigners).await {
            Ok(gathered) => {
                self.adopt(&batch, gathered);
                Ok(())
            }
            Err(error) => {
                self.pending = Some(batch);
                Err(error)
            }
        }
    }

    /// Asks all witnesses before anything is written, so that one that knows more keeps the log from
    /// starting.
    async fn renew_at_start(&mut self, is_new: bool) -> Result<(), CommitError> {
        let (signed, size) = self.signed_again();
        let gathered = self.cosigners.collect_at_start(&signed, size, self.pace.batch_interval).await;
        let gathered = gathered.map_err(CommitError::from);
        // A new log is marked by whoever publishes its first checkpoint. An old one also where no witness
        // answers, unless it is not ours to run.
        let final_error = gathered.as_ref().err().is_some_and(CommitError::is_final);
        if !is_new && !final_error {
            self.log.take_over(self.edge.size(), &self.state.checkpoint()).await?;
        }
        self.publish(gathered?).await
    }

    /// Works until it is told to stop, no handle is left, or it must not go on.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Submission>, stop: CancellationToken) {
        let _why = self.work(&mut queue, &stop).await;
        // Whoever has come meanwhile learns it now, and does not wait until witnesses are heard or their time is over.
        drop(queue);
        self.cosigners.shut_down().await;
    }

    async fn work(&mut self, queue: &mut mpsc::Receiver<Submission>, stop: &CancellationToken) -> Result<(), End> {
        if let Some(batch) = self.pending.take() {
            self.commit_until_done(batch, queue, stop).await?;
        }
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled(), if !queue.is_closed() => queue.close(),
                first = queue.recv() => {
                    let Some(first) = first else { return Ok(()) };
                    let gathered = self.gather(first, queue, stop).await?;
                    let (closed, shared) = (Instant::now(), gathered.len() > 1);
                    self.process(gathered, queue, stop).await?;
                    self.next = closed + self.spacing(closed.elapsed(), shared);
                }
                late = late(&mut self.newest) => self.take_late(late).await?,
                () = sleep_until(self.renewed + self.pace.renewal) => self.renew_or_complain().await?,
            }
        }
    }

    /// How far apart a batch and the next are closed, by how long this one took and whether several shared it: then others
    /// are likely to come meanwhile, and fewer batches leave more of the disk to them. Whoever was alone has nobody to wait for.
    fn spacing(&self, took: Duration, shared: bool) -> Duration {
        let most = self.pace.batch_interval;
        match (self.pace.even, shared) {
            (true, _) => most,
            (false, true) => most.min(2 * took),
            (false, false) => Duration::ZERO,
        }
    }

    /// Keeps the batch open until it may be closed, which in an idle log is at once, it is full, or the log is stopped.
    async fn gather(
        &mut self,
        first: Submission,
        queue: &mut mpsc::Receiver<Submission>,
        stop: &CancellationToken,
    ) -> Result<Vec<Submission>, End> {
        let until = self.next;
        let mut gathered = vec![first];
        while gathered.len() < MAX_ENTRIES {
            let room = MAX_ENTRIES - gathered.len();
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep_until(until) => break,
                // None where no handle is left: nobody else comes.
                more = queue.recv_many(&mut gathered, room) => if more == 0 { break },
                late = late(&mut self.newest) => self.take_late(late).await?,
            }
        }
        // Whoever is in the middle of submitting several finishes it.
        yield_now().await;
        while gathered.len() < MAX_ENTRIES {
            match queue.try_recv() {
                Ok(submission) => gathered.push(submission),
                Err(_nothing) => break,
            }
        }
        Ok(gathered)
    }

    /// Gives every submission its index, commits what is new, and answers.
    async fn process(
        &mut self,
        submissions: Vec<Submission>,
        queue: &mpsc::Receiver<Submission>,
        stop: &CancellationToken,
    ) -> Result<(), End> {
        let mut entries = Vec::new();
        let mut fresh = HashMap::<Hash, u64>::new();
        let mut waiting = Vec::with_capacity(submissions.len());
        for Submission { entry, answer } in submissions {
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
            let batch = Batch::new(&self.edge, entries, &self.log.origin, &self.log.signer, self.log.writer)
                .map_err(|error| self.halt(format!("an entry does not fit into a bundle: {error}")))?;
            let (size, closed) = (batch.stage.entries.len(), Instant::now());
            self.commit_until_done(Arc::new(batch), queue, stop).await?;
            self.state.batches.count(size, closed.elapsed());
        }
        self.answer(waiting).await;
        Ok(())
    }

    /// Repeats the identical commit until it succeeds; gives up when the log is being stopped, or when no
    /// attempt can succeed.
    async fn commit_until_done(
        &mut self,
        batch: Arc<Batch>,
        queue: &mpsc::Receiver<Submission>,
        stop: &CancellationToken,
    ) -> Result<(), End> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.log.commit(&batch, &mut self.cosigners).await {
                Ok(gathered) => {
                    self.adopt(&batch, gathered);
                    return Ok(());
                }
                Err(error) if error.is_final() => return Err(self.halt(error.to_string())),
                Err(error) => {
                    tracing::error!(%error, "a batch waits; trying again");
                    self.state.set_trouble(Some(error.to_string()));
                }
            }
            if stop.is_cancelled() || queue.is_closed() {
                tracing::warn!("stopped with a staged batch, which the next start finishes");
                return Err(End::Stopped);
            }
            let _stopped_early = timeout(pause, stop.cancelled()).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    /// The batch is published: its tree is the tree.
    fn adopt(&mut self, batch: &Batch, gathered: Gathered) {
        for (index, entry) in (batch.stage.base..).zip(&batch.stage.entries) {
            self.window.push(leaf_hash(entry), index);
        }
        self.edge = batch.edge.clone();
        self.published(gathered);
    }

    fn published(&mut self, gathered: Gathered) {
        self.state.publish(gathered.text().to_owned());
        self.state.set_trouble(None);
        self.newest = Some(gathered);
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

    /// The checkpoint of the current tree, signed as it was before, and its size.
    fn signed_again(&self) -> (String, u64) {
        let checkpoint = Checkpoint { origin: self.log.origin.clone(), size: self.edge.size(), root: self.edge.root() };
        (sign_checkpoint(&checkpoint, &self.log.signer), checkpoint.size)
    }

    async fn publish(&mut self, gathered: Gathered) -> Result<(), CommitError> {
        self.log.publish(gathered.text()).await?;
        self.published(gathered);
        Ok(())
    }

    /// Says why the log ends, before those who wait for an answer learn that there is none.
    fn halt(&self, reason: String) -> End {
        tracing::error!(reason, "the log has stopped");
        let _already = self.state.halted.set(reason);
        End::Halted
    }

    async fn renew_or_complain(&mut self) -> Result<(), End> {
        let (signed, size) = self.signed_again();
        let renewed = match self.cosigners.collect(&signed, size).await {
            Ok(gathered) => self.publish(gathered).await,
            Err(error) => Err(error.into()),
        };
        match renewed {
            Err(error) if error.is_final() => return Err(self.halt(error.to_string())),
            Err(error) => {
                tracing::warn!(%error, "cosignatures could not be renewed");
                self.state.set_trouble(Some(error.to_string()));
                self.renewed = Instant::now();
                sleep(FIRST_PAUSE).await;
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// A witness has answered after the quorum was there: its cosignature joins the others.
    async fn take_late(&mut self, late: Result<bool, CosignError>) -> Result<(), End> {
        let added = late.map_err(|error| self.halt(error.to_string()))?;
        let Some(newest) = self.newest.as_ref().filter(|_| added) else { return Ok(()) };
        let text = newest.text().to_owned();
        match self.log.publish(&text).await {
            Ok(()) => self.state.publish(text),
            Err(error) if error.is_final() => return Err(self.halt(error.to_string())),
            Err(error) => tracing::warn!(%error, "a late cosignature was not published"),
        }
        Ok(())
    }
}

/// The next answer of a witness that comes late, if one is waited for.
async fn late(newest: &mut Option<Gathered>) -> Result<bool, CosignError> {
    match newest {
        Some(gathered) => gathered.late().await,
        None => std::future::pending().await,
    }
}

type Answer = tokio::sync::oneshot::Sender<Result<Logged, SubmitError>>;
