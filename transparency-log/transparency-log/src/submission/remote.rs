//! The authority's end: a log elsewhere, to which entries go in batches.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::{Client, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};
use tlog_proof::submission::{Answer, Batch, CONTENT_TYPE, MAX_ANSWER_BYTES, MAX_BATCH};
use tlog_proof::{Entry, LogPolicy, MAX_ENTRY_BYTES, ObjectKind, leaf_hash};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::sequencer::{Logged, MAX_OBJECT_BYTES, Submit, SubmitError};

/// Entries that may wait here before new ones are refused.
const QUEUE: usize = 4096;

/// Requests under way at a time. While all are, what comes is gathered for the next one.
const REQUESTS: usize = 4;

/// How long a submitter waits for a proof; repeated requests included.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long one request may take: the log answers within its own thirty seconds.
const REQUEST: Duration = Duration::from_secs(40);

/// The pause before a request is repeated, if the log does not say; and the longest one that it can ask for.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Most characters of a refusal that are repeated.
const MAX_REASON: usize = 200;

/// A log elsewhere. Cloning gives another handle to the same queue.
///
/// **Trust.** Every proof is verified under the policy before it is given to anybody. Whoever runs the log, or sits on
/// the way, can refuse entries or keep answers back, and can learn that and when something was submitted; nothing else.
#[derive(Debug, Clone)]
pub struct RemoteLog {
    queue: mpsc::Sender<Waiting>,
    log: Arc<Log>,
}

#[derive(Debug)]
struct Log {
    http: RwLock<Client>,
    prefix: String,
    origin: String,
    policy: LogPolicy,
}

#[derive(Debug)]
struct Waiting {
    entry: Vec<u8>,
    since: Instant,
    answer: oneshot::Sender<Result<Logged, SubmitError>>,
}

/// Why one request had no answer.
enum Unanswered {
    /// Repeating it may help.
    Again { reason: SubmitError, after: Duration },
    /// It would not.
    Never(SubmitError),
}

impl RemoteLog {
    /// The log `origin` of this policy, at its submission prefix. `http` shows the client certificate. Must be called
    /// within a tokio runtime; what is under way ends when the last handle is gone.
    pub fn new(http: Client, prefix: &str, origin: &str, policy: LogPolicy) -> Self {
        let prefix = prefix.trim_end_matches('/').to_owned();
        let log = Arc::new(Log { http: RwLock::new(http), prefix, origin: origin.to_owned(), policy });
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(gather(Arc::clone(&log), waiting));
        Self { queue, log }
    }

    /// Goes on through another client, which shows another certificate.
    pub fn set_http(&self, http: Client) {
        *self.log.http.write().unwrap_or_else(PoisonError::into_inner) = http;
    }

    /// Has an object stored and logged; as [`Sequencer::put_object`](crate::Sequencer::put_object).
    ///
    /// # Errors
    /// As [`Submit::submit`].
    pub async fn put_object(&self, kind: ObjectKind, bytes: Vec<u8>) -> Result<Logged, SubmitError> {
        if bytes.len() > MAX_OBJECT_BYTES {
            return Err(SubmitError::TooLarge { expected: MAX_OBJECT_BYTES, found: bytes.len() });
        }
        let entry = Entry::Object { kind, hash: Sha256::digest(&bytes).into() }.encode();
        let path = format!("object/{:02x}", kind.byte());
        let until = Instant::now() + PATIENCE;
        let mut open = false;
        let logged = self.log.ask_until(&path, &bytes, &[entry], until, &mut open).await;
        let logged = logged.map_err(|error| in_the_end(error, open))?;
        logged.into_iter().next().ok_or_else(|| SubmitError::Proof("the log answered nothing".to_owned()))
    }
}

impl Submit for RemoteLog {
    fn submit(&self, entry: Vec<u8>) -> BoxFuture<'_, Result<Logged, SubmitError>> {
        async move {
            if entry.len() > MAX_ENTRY_BYTES {
                return Err(SubmitError::TooLarge { expected: MAX_ENTRY_BYTES, found: entry.len() });
            }
            Entry::decode(&entry)?;
            let (answer, answered) = oneshot::channel();
            let waiting = Waiting { entry, since: Instant::now(), answer };
            self.queue.try_send(waiting).map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => SubmitError::Busy,
                mpsc::error::TrySendError::Closed(_) => SubmitError::Stopped,
            })?;
            // The batch ends by its own patience; this is for one that still waits for its turn.
            match timeout(PATIENCE + REQUEST, answered).await {
                Ok(answer) => answer.unwrap_or(Err(SubmitError::Stopped)),
                Err(_) => Err(SubmitError::Delayed { reason: "too many entries wait for the log".to_owned() }),
            }
        }
        .boxed()
    }
}

/// Takes what waits, as much as goes into one request, whenever a request may be made.
async fn gather(log: Arc<Log>, mut waiting: mpsc::Receiver<Waiting>) {
    let turns = Arc::new(Semaphore::new(REQUESTS));
    loop {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let Some(first) = waiting.recv().await else { return };
        let mut batch = vec![first];
        while batch.len() < MAX_BATCH {
            match waiting.try_recv() {
                Ok(next) => batch.push(next),
                Err(_none) => break,
            }
        }
        // Who no longer waits, asks again with the identical entry.
        batch.retain(|one| !one.answer.is_closed());
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            log.submit(batch).await;
            drop(turn);
        });
    }
}

impl Log {
    async fn submit(&self, batch: Vec<Waiting>) {
        let Some(since) = batch.iter().map(|one| one.since).min() else { return };
        let entries: Vec<Vec<u8>> = batch.iter().map(|one| one.entry.clone()).collect();
        let body = Batch(entries.clone()).encode();
        let mut open = false;
        match self.ask_until("entries", &body, &entries, since + PATIENCE, &mut open).await {
            Ok(logged) => batch.into_iter().zip(logged).for_each(|(one, logged)| one.tell(Ok(logged))),
            // Each is told by itself which of them is refused.
            Err(SubmitError::Refused { .. }) if batch.len() > 1 => {
                for one in batch {
                    let alone = Batch(vec![one.entry.clone()]).encode();
                    let entry = std::slice::from_ref(&one.entry);
                    let mut open = open;
                    let logged = self.ask_until("entries", &alone, entry, one.since + PATIENCE, &mut open).await;
                    let answer = logged.map_err(|error| in_the_end(error, open)).and_then(|logged| {
                        logged.into_iter().next().ok_or_else(|| SubmitError::Proof("the log answered nothing".into()))
                    });
                    one.tell(answer);
                }
            }
            Err(error) => {
                let error = in_the_end(error, open);
                let (reason, last) = (error.to_string(), batch.len() - 1);
                let mut error = Some(error);
                for (number, one) in batch.into_iter().enumerate() {
                    let own = error.take_if(|_| number == last);
                    one.tell(Err(own.unwrap_or_else(|| SubmitError::Delayed { reason: reason.clone() })));
                }
            }
        }
    }

    /// Repeats the identical request until there is an answer, or no time is left. `open` becomes true once a request may
    /// have been taken although nobody heard of it.
    async fn ask_until(
        &self,
        path: &str,
        body: &[u8],
        entries: &[Vec<u8>],
        until: Instant,
        open: &mut bool,
    ) -> Result<Vec<Logged>, SubmitError> {
        loop {
            let (reason, after) = match self.ask(path, body, entries).await {
                Ok(logged) => return Ok(logged),
                Err(Unanswered::Never(error)) => return Err(error),
                Err(Unanswered::Again { reason, after }) => (reason, after),
            };
            *open |= matches!(reason, SubmitError::Delayed { .. });
            if Instant::now() + after >= until {
                return Err(reason);
            }
            tracing::debug!(%reason, ?after, "asking the log again");
            sleep(after).await;
        }
    }

    async fn ask(&self, path: &str, body: &[u8], entries: &[Vec<u8>]) -> Result<Vec<Logged>, Unanswered> {
        let http = self.http.read().unwrap_or_else(PoisonError::into_inner).clone();
        let request = http
            .post(format!("{}/{path}", self.prefix))
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            .timeout(REQUEST)
            .body(body.to_vec());
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let (status, after) = (response.status(), retry_after(&response));
        let body = self.read(response).await?;
        match status {
            StatusCode::OK => self.verified(&body, entries).map_err(Unanswered::Never),
            StatusCode::TOO_MANY_REQUESTS => Err(Unanswered::Again { reason: SubmitError::Busy, after }),
            status if status.is_client_error() => {
                Err(Unanswered::Never(SubmitError::Refused { status: status.as_u16(), reason: cut(&body) }))
            }
            status => {
                let reason = SubmitError::Delayed { reason: format!("{}: {status}: {}", self.prefix, cut(&body)) };
                Err(Unanswered::Again { reason, after })
            }
        }
    }

    /// The answers, each of them proven.
    fn verified(&self, body: &[u8], entries: &[Vec<u8>]) -> Result<Vec<Logged>, SubmitError> {
        let not_proven = |reason: String| SubmitError::Proof(format!("{}: {reason}", self.prefix));
        let answer = Answer::decode(body, entries.len()).map_err(|error| not_proven(error.to_string()))?;
        for (entry, proof) in entries.iter().zip(&answer.0) {
            let verdict = proof.verify(&leaf_hash(entry), &self.policy);
            let verdict = verdict.map_err(|error| not_proven(error.to_string()))?;
            if verdict.checkpoint.origin != self.origin {
                let (expected, found) = (&self.origin, &verdict.checkpoint.origin);
                return Err(not_proven(format!("expected a proof from {expected}, found one from {found}")));
            }
        }
        Ok(answer.0.into_iter().map(|proof| Logged { index: proof.index, proof }).collect())
    }

    async fn read(&self, mut response: Response) -> Result<Vec<u8>, Unanswered> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                let reason = format!("{}: expected at most {MAX_ANSWER_BYTES} bytes, found more", self.prefix);
                return Err(Unanswered::Never(SubmitError::Proof(reason)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Unanswered {
        let reason = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source()).last();
        let reason = format!("{}: {}", self.prefix, reason.map(ToString::to_string).unwrap_or_default());
        Unanswered::Again { reason: SubmitError::Delayed { reason }, after: PAUSE }
    }
}

impl Waiting {
    fn tell(self, answer: Result<Logged, SubmitError>) {
        // Whoever no longer waits can ask again.
        let _gone = self.answer.send(answer);
    }
}

/// What is told of an entry in the end. That the last request was not taken says nothing of an earlier, open one.
fn in_the_end(error: SubmitError, open: bool) -> SubmitError {
    match error {
        SubmitError::Busy | SubmitError::Refused { .. } if open => SubmitError::Delayed { reason: error.to_string() },
        other => other,
    }
}

fn retry_after(response: &Response) -> Duration {
    let seconds = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    seconds.map_or(PAUSE, Duration::from_secs).min(LONGEST_PAUSE)
}

/// A stranger's words, short and on one line.
fn cut(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect()
}
