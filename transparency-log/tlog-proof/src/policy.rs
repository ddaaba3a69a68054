//! Which logs and which quorum of witnesses a checkpoint needs (C2SP tlog-policy).

use crate::checkpoint::{CheckpointError, UnverifiedCheckpoint, VerifiedCheckpoint};
use crate::cosignature::Cosigned;
use crate::note::NoteError;
use crate::vkey::VerifierKey;

/// A log that the policy accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogKey {
    /// Its key; the key's name is the log's origin.
    pub vkey: VerifierKey,
    /// Where it is served, if the policy says so.
    pub url: Option<String>,
}

/// A witness that the policy knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    /// The name by which groups and the quorum refer to it; it has no meaning outside of the policy.
    pub name: String,
    /// Its cosignature key.
    pub vkey: VerifierKey,
    /// Where checkpoints are submitted to it, if the policy says so.
    pub url: Option<String>,
}

/// A group of witnesses and groups, witnessing when `threshold` of its members do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name in the policy.
    pub name: String,
    /// How many members must witness: 1 to the number of members.
    pub threshold: usize,
    /// Names of witnesses and groups defined before this one.
    pub members: Vec<String>,
}

/// What must have cosigned a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quorum {
    /// Nothing: the log's signature is enough.
    None,
    /// The witness or group of this name.
    Name(String),
}

/// Accepted logs, known witnesses and the quorum. [`LogPolicy::parse`] makes one.
///
/// Its text form ([`Display`](std::fmt::Display)) is canonical: logs, witnesses, groups, quorum, in
/// their order, single spaces, numeric thresholds, no comments.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogPolicy {
    /// The logs of which any one may have signed.
    pub logs: Vec<LogKey>,
    /// The witnesses.
    pub witnesses: Vec<WitnessKey>,
    /// The groups, each after its members.
    pub groups: Vec<Group>,
    /// What must have cosigned.
    pub quorum: Quorum,
}

/// A checkpoint that satisfies a policy. Only [`LogPolicy::check`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyVerdict {
    /// The checkpoint, signed by one of the policy's logs.
    pub checkpoint: VerifiedCheckpoint,
    /// Every cosignature by one of the policy's witnesses, in the policy's order; at least the quorum.
    pub cosigned: Vec<Cosigned>,
}

/// Why a checkpoint does not satisfy a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The checkpoint's log is not in the policy.
    #[error("expected a log of the policy ({expected}), found {found:?}")]
    UnknownLog {
        /// The policy's logs, joined by commas.
        expected: String,
        /// The checkpoint's origin.
        found: String,
    },
    /// A signature of a known key is missing or does not verify.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Too few witnesses.
    #[error("expected the quorum {expected}, found cosignatures by: {found}")]
    Quorum {
        /// The quorum's name in the policy.
        expected: String,
        /// Names of the witnesses that cosigned, joined by commas, or "nobody".
        found: String,
    },
}

impl LogPolicy {
    /// The key of the witness that the policy calls `name`.
    pub fn witness_key(&self, name: &str) -> Option<&VerifierKey> {
        self.witnesses.iter().find(|witness| witness.name == name).map(|witness| &witness.vkey)
    }

    /// The policy with one more witness, whose cosignature is checked where it comes and demanded by nobody. A policy that
    /// has the key already stays as it is.
    #[must_use]
    pub fn with_witness(mut self, name: &str, vkey: VerifierKey) -> Self {
        if !self.witnesses.iter().any(|known| known.vkey == vkey) {
            self.witnesses.push(WitnessKey { name: name.to_owned(), vkey, url: None });
        }
        self
    }

    /// Checks a checkpoint: signed by one of the logs, cosigned by the quorum.
    ///
    /// Signatures by unknown keys are ignored. One by a known key that does not verify refuses the
    /// whole checkpoint, even if the quorum is met without it.
    ///
    /// # Errors
    /// When the log is unknown, a known signature does not verify, or the quorum is not met.
    pub fn check(&self, checkpoint: &UnverifiedCheckpoint) -> Result<PolicyVerdict, PolicyError> {
        let verified = self.check_log(checkpoint)?;
        let mut witnesses = Vec::new();
        let mut cosigned = Vec::new();
        for witness in &self.witnesses {
            match checkpoint.verify_cosignature(&witness.vkey) {
                Ok(by) => {
                    witnesses.push(&witness.vkey);
                    cosigned.push(by);
                }
                Err(CheckpointError::Note(NoteError::Unsigned { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !self.quorum_met(&witnesses) {
            return Err(self.quorum_missed(&cosigned));
        }
        Ok(PolicyVerdict { checkpoint: verified, cosigned })
    }

    /// Checks only that one of the logs signed; for a log that has yet to collect cosignatures.
    ///
    /// # Errors
    /// When the log is unknown or its signature is missing or does not verify.
    pub fn check_log(&self, checkpoint: &UnverifiedCheckpoint) -> Result<VerifiedCheckpoint, PolicyError> {
        let origin = &checkpoint.claimed().origin;
        let mut result = None;
        // A log may have more than one key while one replaces another; the first that signed counts.
        for log in self.logs.iter().filter(|log| log.vkey.name() == origin) {
            match checkpoint.verify_log(&log.vkey) {
                Ok(verified) => return Ok(verified),
                Err(error) => result = Some(error),
            }
        }
        Err(result.map_or_else(|| self.unknown_log(origin), PolicyError::from))
    }

    /// Whether these keys, all of which cosigned, make the quorum.
    pub fn quorum_met(&self, cosigned: &[&VerifierKey]) -> bool {
        match &self.quorum {
            Quorum::None => true,
            Quorum::Name(name) => self.witnessed(name, cosigned, self.groups.len()),
        }
    }

    /// Groups refer to groups before them only, so that `before` ends the recursion.
    fn witnessed(&self, name: &str, cosigned: &[&VerifierKey], before: usize) -> bool {
        if let Some(key) = self.witness_key(name) {
            return cosigned.contains(&key);
        }
        let Some(position) = self.groups[..before].iter().position(|group| group.name == name) else {
            return false;
        };
        let group = &self.groups[position];
        let count = group.members.iter().filter(|member| self.witnessed(member, cosigned, position)).count();
        count >= group.threshold
    }

    fn unknown_log(&self, origin: &str) -> PolicyError {
        let known: Vec<&str> = self.logs.iter().map(|log| log.vkey.name()).collect();
        PolicyError::UnknownLog { expected: known.join(", "), found: origin.to_owned() }
    }

    fn quorum_missed(&self, cosigned: &[Cosigned]) -> PolicyError {
        let names: Vec<&str> = cosigned.iter().map(|by| by.name.as_str()).collect();
        let found = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        let expected = match &self.quorum {
            Quorum::None => "none".to_owned(),
            Quorum::Name(name) => name.clone(),
        };
        PolicyError::Quorum { expected, found }
    }
}
