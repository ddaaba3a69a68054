//! Third stage: the entry stands in the log, proven. Now the certificate can be completed and signed.

use std::time::Duration;

use identity::UnixTime;
use identity::certificate::Tbs;
use identity::plan;
use identity::transparency::{ExtensionError, TransparencyExtension};
use thiserror::Error;
use tlog_proof::{Cosigned, LogPolicy, Proof, ProofError, VerifierKey, leaf_hash};

use super::linted::{LintError, Linted};
use super::planned::Place;

/// A cosignature must not be older than the certificate by more than this: clocks differ.
const EARLY: Duration = Duration::from_secs(5 * 60);
/// A certificate must be logged and cosigned within a day of its notBefore, or verifiers refuse it as backdated.
pub const MAX_LOGGING: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a proof does not permit to sign.
#[derive(Debug, Error)]
pub enum LogError {
    /// The proof does not lead from this entry to a checkpoint that the policy accepts.
    #[error("the log's proof: {0}")]
    Proof(#[from] ProofError),
    /// It is another log's.
    #[error("expected a checkpoint of {expected}, found one of {found}")]
    Origin {
        /// The configured origin.
        expected: String,
        /// The checkpoint's.
        found: String,
    },
    /// The quorum cosigned too early or too late.
    #[error("expected a quorum of cosignatures between {from} and {to}, found {found}")]
    Window {
        /// Earliest time that counts, seconds since the epoch.
        from: u64,
        /// Latest time that counts, seconds since the epoch.
        to: u64,
        /// Names and times of the cosignatures.
        found: String,
    },
    /// It does not fit into a certificate.
    #[error("the transparency extension: {0}")]
    Extension(#[from] ExtensionError),
    /// With its extension the certificate is no longer what its profile says.
    #[error(transparent)]
    Lint(#[from] LintError),
}

/// Whether it is too late to log a certificate that begins at `not_before`.
#[must_use]
pub fn is_too_late(not_before: UnixTime, now: UnixTime) -> bool {
    now.as_secs() > not_before.as_secs().saturating_add(MAX_LOGGING.as_secs())
}

/// A certificate complete but for its signature. It can be signed, once.
#[derive(Debug)]
pub struct Logged {
    pub(super) linted: Linted,
    /// With the transparency extension.
    pub(super) tbs: Tbs,
    pub(super) index: u64,
}

impl Linted {
    /// Verifies the log's proof for this entry and completes the certificate with it.
    pub fn logged(self, proof: &Proof, policy: &LogPolicy, origin: &str) -> Result<Logged, LogError> {
        let verdict = proof.verify(&leaf_hash(self.entry()), policy)?;
        if verdict.checkpoint.origin != origin {
            return Err(LogError::Origin { expected: origin.into(), found: verdict.checkpoint.origin.clone() });
        }
        let in_time = self.in_time(verdict.cosigned, policy)?;
        let (vrf_proof, slot) = match &self.planned.place {
            Place::Person { vrf_proof, slot, .. } => (Some(*vrf_proof), *slot),
            Place::Service { .. } => (None, 0),
        };
        let opening = self.planned.opening.clone();
        let mut extension = TransparencyExtension::build(self.planned.period, slot, vrf_proof, opening, proof)?;
        extension.cosignatures.retain(|c| in_time.iter().any(|k| k.name == c.name && k.key_id == c.key_id));
        extension.keep_quorum(policy);
        let tbs = self.planned.tbs.with_transparency(&extension);
        LintError::of(plan::lint(&tbs, &self.planned.profile))?;
        Ok(Logged { index: proof.index, tbs, linted: self })
    }

    /// The cosignatures within the window; an error if they are no quorum.
    fn in_time(&self, cosigned: Vec<Cosigned>, policy: &LogPolicy) -> Result<Vec<Cosigned>, LogError> {
        let begin = self.not_before().as_secs();
        let (from, to) = (begin.saturating_sub(EARLY.as_secs()), begin.saturating_add(MAX_LOGGING.as_secs()));
        let found = cosigned.iter().map(|c| format!("{} at {}", c.name, c.time)).collect::<Vec<_>>().join(", ");
        let in_time: Vec<_> = cosigned.into_iter().filter(|c| (from..=to).contains(&c.time)).collect();
        let keys: Vec<&VerifierKey> = (policy.witnesses.iter().map(|w| &w.vkey))
            .filter(|key| in_time.iter().any(|c| c.name == key.name() && c.key_id == key.id()))
            .collect();
        if policy.quorum_met(&keys) { Ok(in_time) } else { Err(LogError::Window { from, to, found }) }
    }
}

impl Logged {
    /// Which key it was planned for (RFC 5280 section 4.2.1.1).
    #[must_use]
    pub fn authority_key_id(&self) -> Option<Vec<u8>> {
        self.tbs.authority_key_id()
    }

    /// Index of its entry in the log.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }
}
