//! Gossip: devices that meet tell each other what they have seen of the logs and policies that both trust.
//!
//! A log that shows two people two histories is found out as soon as the two meet: each holds the other's checkpoint
//! against the log as it is shown here. What contradicts becomes a file of evidence, and the proof is passed on to
//! whoever is met next.
//!
//! What it does: remembers the newest checkpoint of each log and never an older one in its place; fetches, compares,
//! writes evidence. What it never does: believe a peer (a checkpoint counts by the log's signature, a proof by itself),
//! or tell anybody which other authorities are trusted here.

mod compare;
mod state;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use identity::trust::Fingerprint;
use identity::{Identifier, UnixTime};
use tlog_proof::UnverifiedCheckpoint;
pub use transparency_log::monitor::SplitView;

use self::state::State;
use crate::{Home, HomeError, PinnedPolicy};

/// Most checkpoints, and most policies, that are told or listened to at once.
pub const MAX_VIEWS: usize = 8;

/// Most proofs of contradictions that are told or listened to at once.
pub const MAX_CONTRADICTIONS: usize = 2;

/// The longest checkpoint that is told or listened to, in bytes. A longer one, with the cosignatures of many, is told
/// with the log's own signature alone.
pub const MAX_CHECKPOINT_BYTES: usize = 4096;

/// What one device tells another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Views {
    /// The newest checkpoint of each log, as it was signed.
    pub checkpoints: Vec<String>,
    /// Which version of each trust policy is in force.
    pub policies: Vec<PolicyView>,
    /// Proofs that a log has signed two histories.
    pub contradictions: Vec<SplitView>,
}

/// A version of a trust policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyView {
    /// The fingerprint of its first version, which the person pinned.
    pub genesis: Fingerprint,
    /// The number of this version.
    pub number: u64,
    /// The fingerprint of this version.
    pub digest: Fingerprint,
}

/// Somebody is shown something else than somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The log's origin, or the policy's name.
    pub about: String,
    /// What is wrong, in a sentence.
    pub message: String,
    /// The file that proves it to others, where it can be proven.
    pub evidence: Option<PathBuf>,
    /// It is told once under this name, in which nothing is of a peer's choice: nobody makes many alarms of one.
    name: String,
}

/// The gossip of one device.
pub struct Gossip {
    home: Home,
    state: Mutex<State>,
}

impl Gossip {
    /// Remembers what was seen before in this folder. Nothing is asked yet.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn open(home: Home) -> Result<Self, HomeError> {
        let state = State::remembered(&home)?;
        Ok(Self { home, state: Mutex::new(state) })
    }

    /// What may be told to a peer of one of these authorities: nothing about others. Does not block.
    pub fn views(&self, authorities: &[&str]) -> Views {
        self.state().views(authorities)
    }

    /// Grows whenever there is something that even those who were told before should hear.
    pub fn revision(&self) -> u64 {
        self.state().revision
    }

    /// Looks at every log: what it shows now must extend what it showed before, and what others told.
    pub async fn refresh(&self) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        let policies = match self.policies() {
            Ok(policies) => policies,
            Err(error) => return told(&error),
        };
        for pinned in &policies {
            for authority in &pinned.policy.authorities {
                let Ok(shards) = pinned.policy.shards(authority) else { continue };
                for shard in shards.iter().filter(|shard| shard.window.has_begun(UnixTime::now())) {
                    alarms.extend(self.look(pinned, &shard.origin, &[]).await);
                }
            }
        }
        let unsettled = std::mem::take(&mut self.state().unsettled);
        for (from, text) in unsettled {
            alarms.extend(self.hear_checkpoint(&policies, &from, text).await);
        }
        self.new_ones(alarms)
    }

    /// Takes what a peer told.
    pub async fn hear(&self, from: &Identifier, mut views: Views) -> Vec<Alarm> {
        let policies = match self.policies() {
            Ok(policies) => policies,
            Err(error) => return told(&error),
        };
        views.checkpoints.truncate(MAX_VIEWS);
        views.policies.truncate(MAX_VIEWS);
        views.contradictions.truncate(MAX_CONTRADICTIONS);
        let mut alarms = compare::policies(&policies, from, &views.policies);
        for split in views.contradictions {
            alarms.extend(self.hear_proof(&policies, from, split));
        }
        for text in views.checkpoints {
            alarms.extend(self.hear_checkpoint(&policies, from, text).await);
        }
        self.new_ones(alarms)
    }

    /// A proof counts by itself, whoever brings it.
    fn hear_proof(&self, policies: &[PinnedPolicy], from: &Identifier, split: SplitView) -> Option<Alarm> {
        policies.iter().find_map(|pinned| {
            let (log, _) = split.verify(&pinned.policy.log_policy().ok()?).ok()?;
            Some(self.prove(pinned, &log, &split, format!("{from} holds the proof")))
        })
    }

    async fn hear_checkpoint(&self, policies: &[PinnedPolicy], from: &Identifier, text: String) -> Vec<Alarm> {
        if text.len() > MAX_CHECKPOINT_BYTES {
            return Vec::new();
        }
        let Ok(note) = UnverifiedCheckpoint::parse(&text) else { return Vec::new() };
        let origin = note.claimed().origin.clone();
        let of_log = |pinned: &&PinnedPolicy| pinned.policy.authorities.iter().any(|one| one.log == origin);
        let told = [(from.clone(), text)];
        let mut alarms = Vec::new();
        // Two policies may each have a log of that name; whose it is, its signature says.
        for pinned in policies.iter().filter(of_log) {
            alarms.extend(self.look(pinned, &origin, &told).await);
        }
        alarms
    }

    /// Keeps the proof, and passes it on from now on.
    fn prove(&self, pinned: &PinnedPolicy, log: &str, split: &SplitView, how: String) -> Alarm {
        let claim = crate::evidence::claim(split);
        let evidence = match crate::evidence::keep(&self.home, &pinned.policy, claim, UnixTime::now()) {
            Ok(path) => Some(path),
            Err(error) => {
                tracing::warn!(%error, "no evidence could be written");
                None
            }
        };
        self.state().proven(log, split);
        let name = evidence.as_ref().map_or_else(|| format!("split {log}"), |path| path.display().to_string());
        Alarm { about: log.to_owned(), message: format!("{log} has signed two histories: {how}"), evidence, name }
    }

    fn policies(&self) -> Result<Vec<PinnedPolicy>, HomeError> {
        let policies = self.home.pinned_policies()?;
        self.state().policies_are(&policies);
        Ok(policies)
    }

    /// Each alarm is told once while the program runs.
    fn new_ones(&self, mut alarms: Vec<Alarm>) -> Vec<Alarm> {
        let mut state = self.state();
        alarms.retain(|alarm| state.tell(alarm));
        alarms
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told(error: &HomeError) -> Vec<Alarm> {
    tracing::warn!(%error, "no gossip");
    Vec::new()
}

#[cfg(test)]
mod tests;
