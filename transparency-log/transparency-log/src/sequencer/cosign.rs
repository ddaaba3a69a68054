//! Collecting cosignatures from the witnesses, in parallel and with a deadline.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tlog_proof::LogPolicy;
use tlog_proof::PolicyError;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::blocking;
use super::claim::{Claim, Claims};
use super::round::Round;
use crate::prover::Prover;
use crate::witness::{WitnessError, Witnessing};

/// How long one round with all witnesses may take to reach the quorum.
const DEADLINE: Duration = Duration::from_secs(5);

/// The witnesses of a log, what each has cosigned last, and the quorum.
pub(super) struct Cosigners {
    witnesses: Vec<Arc<Known>>,
    policy: Arc<LogPolicy>,
    prover: Arc<Prover>,
    /// Number of the newest round: whoever waits for a slow witness on behalf of an older one gives up.
    newest: Arc<AtomicU64>,
    /// The largest size that any witness was asked to cosign: what goes beyond it is not ours.
    asked: Arc<AtomicU64>,
    claims: Arc<Claims>,
    /// Requests under way, those of older rounds too: a slow witness is let finish, so that it does not
    /// lose its work with every batch.
    asking: JoinSet<()>,
}

struct Known {
    witness: Arc<dyn Witnessing>,
    /// The size it has cosigned last, as far as we know. Held while it is asked: one request at a time.
    size: Mutex<u64>,
}

/// Why a checkpoint did not get its quorum.
#[derive(Debug, thiserror::Error)]
pub(super) enum CosignError {
    /// A witness knows a larger tree than there is: the log's storage is an old copy.
    #[error("witness {witness} has cosigned {witnessed} entries, there are {stored}")]
    Ahead { witness: String, witnessed: u64, stored: u64 },
    /// A witness knows another tree of the same size.
    #[error("witness {witness}: {account}")]
    Forked { witness: String, account: String },
    /// Too few cosigned.
    #[error("{quorum}; {answers}")]
    Quorum { quorum: PolicyError, answers: String },
}

impl CosignError {
    /// Whether no later attempt can succeed.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Ahead { .. } | Self::Forked { .. })
    }
}

/// One witness's answer: its position, what it said, and what is to be thought of that.
struct Answer {
    position: usize,
    said: Result<String, WitnessError>,
    claim: Claim,
}

/// A checkpoint that has its quorum, and the witnesses that may still add to it.
pub(super) struct Gathered {
    round: Round,
    size: u64,
    witnesses: Vec<Arc<Known>>,
    /// Who says, without proof, that it has cosigned more, and how much.
    claimed: Option<(String, u64)>,
    answers: mpsc::UnboundedReceiver<Answer>,
}

impl Cosigners {
    pub(super) fn new(
        witnesses: Vec<Arc<dyn Witnessing>>,
        policy: LogPolicy,
        prover: Arc<Prover>,
        claims: Claims,
    ) -> Self {
        let known = |witness| Arc::new(Known { witness, size: Mutex::new(0) });
        let witnesses = witnesses.into_iter().map(known).collect();
        Self {
            witnesses,
            policy: Arc::new(policy),
            prover,
            newest: Arc::default(),
            asked: Arc::default(),
            claims: Arc::new(claims),
            asking: JoinSet::new(),
        }
    }

    /// Whether all witnesses are in this process.
    pub(super) fn are_here(&self) -> bool {
        self.witnesses.iter().all(|known| !known.witness.is_remote())
    }

    /// Assumes that every witness has cosigned this size; one that has not will say so.
    pub(super) async fn assume(&mut self, size: u64) {
        for known in &self.witnesses {
            *known.size.lock().await = size;
        }
    }

    /// The signed checkpoint with a quorum of cosignatures, as soon as it has one.
    pub(super) async fn collect(&mut self, signed: &str, size: u64) -> Result<Gathered, CosignError> {
        let mut gathered = self.ask_all(signed, size);
        self.gather(&mut gathered, Duration::ZERO).await?;
        Ok(gathered)
    }

    /// As [`Cosigners::collect`], for a log that starts: once the quorum is there waits for so long for the
    /// others, since each may know that this log is an old copy.
    pub(super) async fn collect_at_start(
        &mut self,
        signed: &str,
        size: u64,
        grace: Duration,
    ) -> Result<Gathered, CosignError> {
        let mut gathered = self.ask_all(signed, size);
        match (self.gather(&mut gathered, grace).await, gathered.claimed.take()) {
            // Nothing can be logged without it in any case, and it may be right: then a log that went on would sign a fork.
            (Err(CosignError::Quorum { .. }), Some((witness, witnessed))) => {
                Err(CosignError::Ahead { witness, witnessed, stored: size })
            }
            (gathering, _) => gathering.map(|()| gathered),
        }
    }

    async fn gather(&self, gathered: &mut Gathered, grace: Duration) -> Result<(), CosignError> {
        let deadline = Instant::now() + DEADLINE;
        let mut failures = Vec::new();
        while !gathered.round.quorum_met() {
            match timeout_at(deadline, gathered.answers.recv()).await {
                Ok(Some(answer)) => failures.extend(gathered.take(answer)?),
                Ok(None) | Err(_) => break,
            }
        }
        let until = deadline.min(Instant::now() + grace);
        while let Ok(Some(answer)) = timeout_at(until, gathered.answers.recv()).await {
            failures.extend(gathered.take(answer)?);
        }
        gathered.round.check().map_err(|quorum| CosignError::Quorum { quorum, answers: failures.join("; ") })
    }

    /// Ends what is under way.
    pub(super) async fn shut_down(&mut self) {
        self.asking.shutdown().await;
    }

    fn ask_all(&mut self, signed: &str, size: u64) -> Gathered {
        while self.asking.try_join_next().is_some() {}
        let number = self.newest.fetch_add(1, Ordering::SeqCst) + 1;
        self.asked.fetch_max(size, Ordering::SeqCst);
        let signed: Arc<str> = signed.into();
        let (sender, answers) = mpsc::unbounded_channel();
        for (position, known) in self.witnesses.iter().enumerate() {
            let (known, prover, signed) = (Arc::clone(known), Arc::clone(&self.prover), Arc::clone(&signed));
            let (newest, sender) = (Arc::clone(&self.newest), sender.clone());
            let (asked, claims) = (Arc::clone(&self.asked), Arc::clone(&self.claims));
            self.asking.spawn(async move {
                let mut cosigned = known.size.lock().await;
                if newest.load(Ordering::SeqCst) != number {
                    return;
                }
                let said = ask(&*known.witness, *cosigned, &prover, &signed, size).await;
                if said.is_ok() {
                    *cosigned = size;
                }
                let claim = match &said {
                    Err(WitnessError::Conflict { size: claimed }) if *claimed > size && known.witness.is_remote() => {
                        claims.examine(&*known.witness, &asked).await
                    }
                    _ => Claim::None,
                };
                // Nobody listens any more once the checkpoint is no longer the newest.
                let _outdated = sender.send(Answer { position, said, claim });
            });
        }
        let (round, witnesses) = (Round::new(Arc::clone(&self.policy), &signed), self.witnesses.clone());
        Gathered { round, size, witnesses, claimed: None, answers }
    }
}

impl Gathered {
    /// The checkpoint with the cosignatures it has so far.
    pub(super) fn text(&self) -> &str {
        self.round.text()
    }

    /// Waits for a witness that comes late; gives whether it added a cosignature. Never returns once
    /// none is left to wait for.
    pub(super) async fn late(&mut self) -> Result<bool, CosignError> {
        let Some(answer) = self.answers.recv().await else { return std::future::pending().await };
        let before = self.round.text().len();
        if let Some(failure) = self.take(answer)? {
            tracing::warn!(failure, "a witness has not cosigned");
        }
        Ok(self.round.text().len() > before)
    }

    /// Takes an answer; gives what is to be said about it if it brought no cosignature.
    fn take(&mut self, answer: Answer) -> Result<Option<String>, CosignError> {
        let witness = &self.witnesses[answer.position].witness;
        let name = witness.name();
        match (answer.said, answer.claim) {
            (Ok(lines), _) => Ok(self.round.add(&lines).err().map(|reason| format!("{name}: {reason}"))),
            // Our own signature is no stranger's word: somebody has a newer copy of this log.
            (Err(_), Claim::ByTheLog { size: witnessed }) => {
                Err(CosignError::Ahead { witness: name.to_owned(), witnessed, stored: self.size })
            }
            (Err(WitnessError::Conflict { size: claimed }), Claim::Unproven(account)) => {
                self.claimed = Some((name.to_owned(), claimed));
                let stored = self.size;
                Ok(Some(format!(
                    "{name}: it says that it has cosigned {claimed} entries, there are {stored}; {account}"
                )))
            }
            // A stranger's word alone does not stop a log: it proves nothing.
            (Err(error), _) if witness.is_remote() => Ok(Some(format!("{name}: {error}"))),
            (Err(error), _) => final_or_failure(name, error, self.size).map(Some),
        }
    }
}

/// Asks one witness, which is assumed to have cosigned the first so many entries, a second time where it says from which size it wants the proof.
pub(crate) async fn ask(
    witness: &dyn Witnessing,
    cosigned: u64,
    prover: &Arc<Prover>,
    signed: &Arc<str>,
    size: u64,
) -> Result<String, WitnessError> {
    let old = cosigned.min(size);
    match ask_from(witness, old, prover, signed, size).await {
        Err(WitnessError::Conflict { size: other }) if other <= size && other != old => {
            ask_from(witness, other, prover, signed, size).await
        }
        first => first,
    }
}

async fn ask_from(
    witness: &dyn Witnessing,
    old: u64,
    prover: &Arc<Prover>,
    signed: &Arc<str>,
    size: u64,
) -> Result<String, WitnessError> {
    let prover = Arc::clone(prover);
    let proof: io::Result<_> = blocking(move || prover.consistency(old, size)).await;
    let answer = witness.add_checkpoint(old, proof?, signed.to_string());
    timeout(witness.patience(), answer)
        .await
        .unwrap_or_else(|_| Err(WitnessError::Unreachable("no answer in time".into())))
}

/// A witness in this process that knows more than we do, or another history, must stop the log; anything else is one
/// cosignature less.
fn final_or_failure(name: &str, error: WitnessError, stored: u64) -> Result<String, CosignError> {
    let witness = name.to_owned();
    match error {
        WitnessError::Conflict { size: witnessed } if witnessed > stored => {
            Err(CosignError::Ahead { witness, witnessed, stored })
        }
        WitnessError::Forked { .. } => Err(CosignError::Forked { witness, account: error.to_string() }),
        other => Ok(format!("{witness}: {other}")),
    }
}
