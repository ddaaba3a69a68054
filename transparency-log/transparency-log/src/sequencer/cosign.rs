//! Collecting cosignatures from the witnesses, in parallel and with a deadline.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tlog_proof::{LogPolicy, NoteSignature, PolicyError, UnverifiedCheckpoint, VerifierKey};
use tokio::time::{Instant, timeout, timeout_at};

use super::blocking;
use crate::prover::Prover;
use crate::witness::{WitnessError, Witnessing};

/// How long one round with all witnesses may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// The witnesses of a log, what each has cosigned last, and the quorum.
pub(super) struct Cosigners {
    witnesses: Vec<Known>,
    policy: LogPolicy,
    prover: Arc<Prover>,
    /// How long to wait for the rest once the quorum is there.
    grace: Duration,
}

struct Known {
    witness: Arc<dyn Witnessing>,
    /// The size it has cosigned last, as far as we know.
    size: u64,
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
    /// Our own proof could not be made.
    #[error("consistency proof: {0}")]
    Storage(#[from] io::Error),
}

/// One witness's answer: the position of the witness, and what it said.
type Answer = (usize, Result<(u64, String), WitnessError>);

impl Cosigners {
    pub(super) fn new(
        witnesses: Vec<Arc<dyn Witnessing>>,
        policy: LogPolicy,
        prover: Arc<Prover>,
        grace: Duration,
    ) -> Self {
        let witnesses = witnesses.into_iter().map(|witness| Known { witness, size: 0 }).collect();
        Self { witnesses, policy, prover, grace }
    }

    /// Assumes that every witness has cosigned this size; one that has not will say so.
    pub(super) fn assume(&mut self, size: u64) {
        self.witnesses.iter_mut().for_each(|known| known.size = size);
    }

    /// The signed checkpoint with at least a quorum of cosignatures.
    pub(super) async fn collect(&mut self, signed: &str, size: u64) -> Result<String, CosignError> {
        let mut round = Round::new(&self.policy, signed);
        let mut failures = Vec::new();
        let deadline = Instant::now() + DEADLINE;
        let mut asked: FuturesUnordered<_> = self
            .witnesses
            .iter()
            .enumerate()
            .map(|(position, known)| ask(position, known, &self.prover, signed, size))
            .collect();
        let mut sizes = Vec::new();
        let mut until = deadline;
        while let Ok(Some((position, answer))) = timeout_at(until, asked.next()).await {
            let name = self.witnesses[position].witness.name();
            match answer {
                Ok((cosigned, lines)) => {
                    sizes.push((position, cosigned));
                    if let Err(reason) = round.add(&lines) {
                        failures.push(format!("{name}: {reason}"));
                    }
                }
                Err(error) => failures.push(fatal_or_failure(name, error, size)?),
            }
            if until == deadline && round.quorum_met() {
                until = deadline.min(Instant::now() + self.grace);
            }
        }
        drop(asked);
        for (position, cosigned) in sizes {
            self.witnesses[position].size = cosigned;
        }
        round.finish(failures)
    }
}

/// Asks one witness, a second time where it says from which size it wants the proof.
async fn ask(position: usize, known: &Known, prover: &Arc<Prover>, signed: &str, size: u64) -> Answer {
    let old = known.size.min(size);
    let first = ask_from(known, old, prover, signed, size).await;
    match first {
        Err(WitnessError::Conflict { size: other }) if other <= size && other != old => {
            (position, ask_from(known, other, prover, signed, size).await.map(|lines| (size, lines)))
        }
        first => (position, first.map(|lines| (size, lines))),
    }
}

async fn ask_from(
    known: &Known,
    old: u64,
    prover: &Arc<Prover>,
    signed: &str,
    size: u64,
) -> Result<String, WitnessError> {
    let prover = Arc::clone(prover);
    let proof = blocking(move || prover.consistency(old, size)).await?;
    let answer = known.witness.add_checkpoint(old, proof, signed.to_owned());
    timeout(DEADLINE, answer).await.unwrap_or_else(|_| Err(WitnessError::Unreachable("no answer in time".into())))
}

/// A witness that knows more than we do, or another history, must stop the log; anything else is one
/// cosignature less.
fn fatal_or_failure(name: &str, error: WitnessError, stored: u64) -> Result<String, CosignError> {
    let witness = name.to_owned();
    match error {
        WitnessError::Conflict { size: witnessed } if witnessed > stored => {
            Err(CosignError::Ahead { witness, witnessed, stored })
        }
        WitnessError::Forked { .. } => Err(CosignError::Forked { witness, account: error.to_string() }),
        other => Ok(format!("{witness}: {other}")),
    }
}

/// The checkpoint of one round as it gathers cosignatures.
struct Round<'a> {
    policy: &'a LogPolicy,
    text: String,
    by: Vec<&'a VerifierKey>,
}

impl<'a> Round<'a> {
    fn new(policy: &'a LogPolicy, signed: &str) -> Self {
        Self { policy, text: signed.to_owned(), by: Vec::new() }
    }

    /// Takes the lines that are by witnesses of the policy, and verify; others are ignored.
    fn add(&mut self, lines: &str) -> Result<(), String> {
        for line in lines.lines() {
            let signature = NoteSignature::parse_line(line).map_err(|error| error.to_string())?;
            let known = self.policy.witnesses.iter().map(|witness| &witness.vkey).find(|key| signature.claims(key));
            let Some(key) = known.filter(|key| !self.by.contains(key)) else { continue };
            let text = format!("{}{signature}\n", self.text);
            let checkpoint = UnverifiedCheckpoint::parse(&text).map_err(|error| error.to_string())?;
            checkpoint.verify_cosignature(key).map_err(|error| error.to_string())?;
            self.text = text;
            self.by.push(key);
        }
        Ok(())
    }

    fn quorum_met(&self) -> bool {
        self.policy.quorum_met(&self.by)
    }

    /// Checks the result as every verifier will.
    fn finish(self, failures: Vec<String>) -> Result<String, CosignError> {
        let checked = UnverifiedCheckpoint::parse(&self.text)
            .map_err(PolicyError::from)
            .and_then(|checkpoint| self.policy.check(&checkpoint));
        match checked {
            Ok(_verdict) => Ok(self.text),
            Err(quorum) => Err(CosignError::Quorum { quorum, answers: failures.join("; ") }),
        }
    }
}
