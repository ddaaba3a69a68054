//! The sequencer: gives each entry its place, durably, and answers with a proof.
//!
//! Entries are taken in batches. Each batch goes through the same steps, each durable before the next:
//! *stage* (entries and the signed checkpoint) → *tiles* → *witnesses* → *publish* → *answer*; witnesses in the same
//! process are asked while the tiles are written, as the stage can make again whatever they know. A step that fails is
//! tried again with the same bytes; a process that dies is restarted with the stage and goes on from there. So no two
//! different trees of the same size are ever signed.
//!
//! There is one writer. On a folder that is so by its lock; on storage without one, each opening marks the
//! stage as its own, and what is staged or published by anybody else since makes it halt.

mod batch;
mod claim;
mod commit;
mod cosign;
mod error;
mod figures;
mod recover;
mod round;
mod stage;
mod window;
mod worker;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join_all};
use sha2::{Digest as _, Sha256};
use tlog_proof::{Entry, LogPolicy, MAX_ENTRY_BYTES, NoteSigner, ObjectKind, Proof};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::prover::Prover;
use crate::storage::{FolderStorage, Storage};
use crate::witness::Witnessing;

pub(crate) use cosign::ask;
pub use error::{OpenError, SubmitError};
pub use figures::BatchFigures;
#[cfg(any(test, fuzzing))]
pub(crate) use stage::Stage;

pub use tlog_proof::MAX_OBJECT_BYTES;

/// Submissions that may wait for the next batch before new ones are refused.
const QUEUE: usize = 65_536;

/// How long a submitter waits for a proof.
const PATIENCE: Duration = Duration::from_secs(30);

/// An entry's place in the log, proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The zero-based index of the entry.
    pub index: u64,
    /// The inclusion path and the cosigned checkpoint that it leads to.
    pub proof: Proof,
}

/// Whoever takes entries for a log: a [`Sequencer`] in this process, or a client of one elsewhere.
pub trait Submit: Send + Sync + 'static {
    /// Logs an entry: an encoded [`Entry`] of at most 128 bytes.
    ///
    /// Submitting the identical entry again gives its old index within the last 65,536 entries, so that
    /// a caller who never got the answer can ask again.
    ///
    /// # Errors
    /// After [`SubmitError::Delayed`], [`SubmitError::Stopped`], [`SubmitError::Halted`] and [`SubmitError::Proof`] the entry may
    /// be logged or not: submit the identical one again. After any other it is not logged.
    fn submit(&self, entry: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>>;
}

/// Where a log lives and how it works.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// The folder of the log, made if need be. Nothing but the log writes to it.
    pub folder: PathBuf,
    /// The log's identity: the checkpoint's first line and the name of its key.
    pub origin: String,
    /// How long a batch stays open at most ([`Pace::new`]).
    pub batch_interval: Duration,
}

/// How fast a log works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How far apart batches are at most where somebody waits, and always where they are `even`. A log that rests no longer
    /// takes the next entry at once.
    pub batch_interval: Duration,
    /// Whether batches are never closer together. Else it depends on what they cost: after a batch that several shared the
    /// log rests as long as it worked, so that many submitters share fewer batches, and a few wait for nobody.
    pub even: bool,
    /// How old the cosignatures of an idle log may become before they are renewed.
    pub renewal: Duration,
}

impl Pace {
    /// Batches at most this interval apart where somebody waits; cosignatures renewed every ten minutes.
    pub const fn new(batch_interval: Duration) -> Self {
        Self { batch_interval, even: false, renewal: Duration::from_secs(600) }
    }

    /// What suits these witnesses: a batch closes within 100 ms if all are in this process. If one must be asked over the
    /// network, batches are a second apart: it may be another's, who did not ask for more.
    pub fn for_witnesses(witnesses: &[Arc<dyn Witnessing>]) -> Self {
        if witnesses.iter().any(|witness| witness.is_remote()) {
            return Self { even: true, ..Self::new(Duration::from_secs(1)) };
        }
        Self::new(Duration::from_millis(100))
    }
}

/// A running log. Cloning gives another handle to the same log; it stops when [`Sequencer::stop`] was
/// called or the last handle is gone.
#[derive(Clone)]
pub struct Sequencer {
    inner: Arc<Inner>,
}

struct Inner {
    queue: mpsc::Sender<Submission>,
    state: Arc<State>,
    storage: Arc<dyn Storage>,
    stop: CancellationToken,
    /// The worker takes nothing any more.
    ended: CancellationToken,
    worker: Mutex<Option<JoinHandle<()>>>,
}

/// What the worker shows to the handles.
#[derive(Default)]
struct State {
    checkpoint: RwLock<String>,
    trouble: RwLock<Option<String>>,
    /// Why the log has stopped by itself, if it has.
    halted: OnceLock<String>,
    batches: figures::Counters,
}

/// One entry on its way, and where the answer goes.
struct Submission {
    entry: Vec<u8>,
    answer: oneshot::Sender<Result<Logged, SubmitError>>,
}

impl Sequencer {
    /// Opens the log in a folder, or makes a new one there.
    ///
    /// Takes the folder's lock, verifies the published checkpoint against the stored edge of the tree,
    /// finishes the batch that a crash interrupted, and asks the witnesses for fresh cosignatures.
    ///
    /// # Errors
    /// When the folder is in use, or what it holds is inconsistent or older than what a witness saw.
    pub async fn open(
        config: LogConfig,
        signer: NoteSigner,
        witnesses: Vec<Arc<dyn Witnessing>>,
        policy: LogPolicy,
    ) -> Result<Self, OpenError> {
        let storage = Arc::new(FolderStorage::open_exclusive(&config.folder)?);
        Self::open_on(storage, &config.origin, Pace::new(config.batch_interval), signer, witnesses, policy).await
    }

    /// Opens the log on any storage, whose only writer it must be.
    ///
    /// # Errors
    /// As [`Sequencer::open`].
    pub async fn open_on(
        storage: Arc<dyn Storage>,
        origin: &str,
        pace: Pace,
        signer: NoteSigner,
        witnesses: Vec<Arc<dyn Witnessing>>,
        policy: LogPolicy,
    ) -> Result<Self, OpenError> {
        check_configuration(origin, &signer, &policy)?;
        let state = Arc::new(State::default());
        let prover = Arc::new(Prover::new(Arc::clone(&storage)));
        let claims = claim::Claims::new(signer.vkey(), policy.clone(), Arc::clone(&storage));
        let cosigners = cosign::Cosigners::new(witnesses, policy, Arc::clone(&prover), claims);
        let writer = draw_writer()?;
        let recovered = recover::recover(&storage, &prover, origin, &signer, writer).await?;
        let log = commit::Log { storage: Arc::clone(&storage), prover, origin: origin.to_owned(), signer, writer };
        let worker = worker::Worker::start(log, cosigners, recovered, Arc::clone(&state), pace).await?;
        let (queue, submissions) = mpsc::channel(QUEUE);
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let (working, ending) = (worker.run(submissions, stop.clone()), ended.clone().drop_guard());
        let task = tokio::spawn(async move {
            working.await;
            drop(ending);
        });
        Ok(Self { inner: Arc::new(Inner { queue, state, storage, stop, ended, worker: Mutex::new(Some(task)) }) })
    }

    /// The newest published checkpoint: signed, cosigned by the quorum.
    pub fn checkpoint(&self) -> String {
        self.inner.state.checkpoint()
    }

    /// What the log fails at just now, if it does: entries wait until it is mended, unless it has halted.
    pub fn trouble(&self) -> Option<String> {
        self.halted().or_else(|| self.inner.state.trouble())
    }

    /// What its batches were like, since it was opened.
    pub fn figures(&self) -> BatchFigures {
        self.inner.state.batches.figures()
    }

    /// Why the log has stopped by itself, if it has: it takes no entries until it is opened again.
    pub fn halted(&self) -> Option<String> {
        self.inner.state.halted.get().cloned()
    }

    /// Takes no more entries, finishes those that wait, and gives the folder free.
    ///
    /// If storage or witnesses fail just then, the staged batch is left for the next start.
    pub async fn stop(self) {
        self.inner.stop.cancel();
        let task = self.inner.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the log's worker ended abnormally");
        }
    }

    /// Stores an object where `object/<SHA-256 in hex>` serves it, durably, and then logs its hash.
    ///
    /// # Errors
    /// When it is larger than 4 MiB, cannot be stored, or cannot be logged.
    pub async fn put_object(&self, kind: ObjectKind, bytes: Vec<u8>) -> Result<Logged, SubmitError> {
        if bytes.len() > MAX_OBJECT_BYTES {
            return Err(SubmitError::TooLarge { expected: MAX_OBJECT_BYTES, found: bytes.len() });
        }
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        let path = format!("object/{}", hex::encode(hash));
        let storage = Arc::clone(&self.inner.storage);
        blocking(move || storage.put(&path, bytes)).await.map_err(SubmitError::Object)?;
        self.submit(Entry::Object { kind, hash }.encode()).await
    }

    /// Logs several entries, of which either all are taken or none; the answers have their order.
    ///
    /// # Errors
    /// As [`Submit::submit`], of all of them: after an error that leaves it open, each may be logged or not.
    pub async fn submit_all(&self, entries: Vec<Vec<u8>>) -> Result<Vec<Logged>, SubmitError> {
        for entry in &entries {
            if entry.len() > MAX_ENTRY_BYTES {
                return Err(SubmitError::TooLarge { expected: MAX_ENTRY_BYTES, found: entry.len() });
            }
            // Auditors refuse what is no entry, so the log must not take it.
            Entry::decode(entry)?;
        }
        if self.inner.stop.is_cancelled() {
            return Err(self.stopped());
        }
        let places = self.inner.queue.try_reserve_many(entries.len()).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(()) => SubmitError::Busy,
            mpsc::error::TrySendError::Closed(()) => self.stopped(),
        })?;
        let mut answers = Vec::with_capacity(entries.len());
        for (place, entry) in places.zip(entries) {
            let (answer, answered) = oneshot::channel();
            place.send(Submission { entry, answer });
            answers.push(answered);
        }
        let answered = async {
            tokio::select! {
                biased;
                answers = try_join_all(answers) => answers.ok(),
                // What came in the very moment in which the log ended is read by nobody.
                () = self.inner.ended.cancelled() => None,
            }
        };
        match timeout(PATIENCE, answered).await {
            Ok(Some(answers)) => answers.into_iter().collect(),
            Ok(None) => Err(self.stopped()),
            Err(_elapsed) => {
                let reason = self.trouble().unwrap_or_else(|| "the log is overloaded".to_owned());
                Err(SubmitError::Delayed { reason })
            }
        }
    }

    async fn submit_entry(&self, entry: Vec<u8>) -> Result<Logged, SubmitError> {
        let logged = self.submit_all(vec![entry]).await?;
        logged.into_iter().next().ok_or_else(|| self.stopped())
    }
}

impl Sequencer {
    /// Why there will be no answer.
    fn stopped(&self) -> SubmitError {
        self.halted().map_or(SubmitError::Stopped, |reason| SubmitError::Halted { reason })
    }
}

impl Submit for Sequencer {
    fn submit(&self, entry: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>> {
        self.submit_entry(entry).boxed()
    }
}

impl fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequencer").field("checkpoint", &self.checkpoint()).finish_non_exhaustive()
    }
}

impl State {
    fn checkpoint(&self) -> String {
        self.checkpoint.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, checkpoint: String) {
        *self.checkpoint.write().unwrap_or_else(PoisonError::into_inner) = checkpoint;
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.write().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn draw_writer() -> Result<stage::Writer, OpenError> {
    let mut writer = [0; 16];
    let drawn = getrandom::fill(&mut writer).map_err(io::Error::other);
    drawn.map_err(|source| OpenError::Storage { doing: "drawing random bytes", source })?;
    Ok(writer)
}

/// The signer's name is the origin, and the policy knows the signer's key.
fn check_configuration(origin: &str, signer: &NoteSigner, policy: &LogPolicy) -> Result<(), OpenError> {
    let vkey = signer.vkey();
    let mismatch = |expected: String, found: String| Err(OpenError::Configuration { expected, found });
    if vkey.name() != origin {
        return mismatch(format!("a signer named {origin:?}"), format!("{:?}", vkey.name()));
    }
    if !policy.logs.iter().any(|log| log.vkey == vkey) {
        return mismatch(format!("a policy with the log {vkey}"), "none in the policy".to_owned());
    }
    Ok(())
}

/// Runs what blocks on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|failed| Err(io::Error::other(failed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStorage;

    /// What is put into a queue in the moment in which its reader goes stays there: here a reader that never looks.
    #[tokio::test(start_paused = true)]
    async fn what_nobody_reads_any_more_is_answered_when_the_log_halts() {
        let (queue, _unread) = mpsc::channel(QUEUE);
        let inner = Inner {
            queue,
            state: Arc::default(),
            storage: Arc::new(MemoryStorage::new()),
            stop: CancellationToken::new(),
            ended: CancellationToken::new(),
            worker: Mutex::new(None),
        };
        let log = Sequencer { inner: Arc::new(inner) };
        let submitted = tokio::spawn({
            let log = log.clone();
            async move { log.submit(Entry::Object { kind: ObjectKind::Crl, hash: [7; 32] }.encode()).await }
        });
        tokio::task::yield_now().await;
        log.inner.state.halted.set("another writer".to_owned()).unwrap();
        log.inner.ended.cancel();
        let answered = submitted.await.unwrap();
        assert!(matches!(&answered, Err(SubmitError::Halted { reason }) if reason == "another writer"), "{answered:?}");
    }
}
