//! Evidence: everything a third party needs to see for herself what an authority or a log has done.
//!
//! A piece of [`Evidence`] carries the trust policy by which it is to be judged, from the version somebody pinned to the
//! one in force, and one [`Claim`]. [`Evidence::judge`] needs nothing else: no network, no folder, no clock. It says what
//! the evidence proves, of whom, and what it leaves open. What cannot be checked proves nothing.
//!
//! The format is canonical JSON of at most 1 MiB; docs/spec/evidence.md describes it.

mod certificate;
mod entries;
mod split;

use std::fmt;

use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use tlog_proof::{CheckpointError, MerkleError, ProofError};

use crate::{
    identifier::Identifier,
    rules::Rule,
    trust::{Base64Bytes, Fingerprint, PolicyError, PolicyUpdate, TrustPolicy},
    verify::VerifyError,
};

/// Evidence larger than this is refused before it is parsed (bytes).
pub const MAX_EVIDENCE_BYTES: usize = 1024 * 1024;
/// More versions of a policy than this are refused.
const MAX_VERSIONS: usize = 256;

/// A claim and the policy by which it is judged, none of it verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The format: 1.
    pub version: u32,
    /// When it was put together, in seconds since 1970. Says nothing by itself.
    pub made: u64,
    /// The trust policy as it was pinned, then every update of it: each a canonical JSON text.
    pub policies: Vec<String>,
    /// What is claimed.
    pub claim: Claim,
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Claim {
    /// An authority signed this certificate.
    Certificate {
        /// The time as of which it was judged, in seconds since 1970.
        at: u64,
        /// The chain, leaf first, in DER.
        chain: Vec<Base64Bytes>,
        /// What it was judged for; live conversation if it is not said.
        #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
        purpose: Option<Purpose>,
        /// The rule that refused it; none if it was accepted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refused: Option<Refusal>,
    },
    /// These entries stand in a log under one label.
    Entries {
        /// Whose label, with the proof; none where two entries share a label and nobody knows whose it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<Label>,
        /// One entry, or two that stand there at once.
        entries: Vec<LoggedEntry>,
    },
    /// A log signed two checkpoints that cannot both be true.
    SplitView {
        /// The one of fewer entries, or either of the same number: a signed note.
        older: String,
        /// The other.
        newer: String,
        /// The root over the first entries of the newer tree, as many as the older one has: base64.
        beginning: String,
        /// The consistency proof from that root to the newer checkpoint (RFC 6962 section 2.1.2): base64.
        proof: Vec<String>,
    },
}

/// What a certificate may be judged for, besides live conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Mail: S/MIME and log-ins.
    Mail,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Its number, like `LOG-06`.
    pub rule: String,
    /// What it asks for.
    pub expected: String,
    /// What there was instead.
    pub found: String,
}

impl From<&VerifyError> for Refusal {
    fn from(error: &VerifyError) -> Self {
        Self { rule: error.rule.id().to_owned(), expected: error.expected.clone(), found: error.found.clone() }
    }
}

/// A label of a person in a log, with the proof that it is hers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The log.
    pub origin: String,
    /// Whose it is.
    pub identifier: Identifier,
    /// The period.
    pub period: u32,
    /// The slot.
    pub slot: u8,
    /// The VRF proof, 80 bytes.
    pub vrf_proof: Base64Bytes,
}

/// An entry with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggedEntry {
    /// Its bytes.
    pub entry: Base64Bytes,
    /// C2SP tlog-proof of it.
    pub proof: String,
    /// What is in it, if the authority said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<Opened>,
}

/// What opens an entry: both give the commitment in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// The opening, 32 bytes.
    pub opening: Base64Bytes,
    /// The TBSCertificate without transparency extension, in DER.
    pub tbs: Base64Bytes,
}

/// Who is shown to have misbehaved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// The authority of this name.
    Authority(String),
    /// The log of this origin.
    Log(String),
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(name) => write!(f, "the authority {name}"),
            Self::Log(origin) => write!(f, "the log {origin}"),
        }
    }
}

/// What a piece of evidence proves. Only [`Evidence::judge`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Judgement {
    /// The fingerprint of the first policy in it: who trusts that one, must believe the rest.
    pub genesis: Fingerprint,
    /// The policy in force.
    pub policy: TrustPolicy,
    /// Who misbehaved, if that is proven.
    pub culprit: Option<Culprit>,
    /// What is proven, in sentences.
    pub proven: Vec<String>,
    /// What is not, in sentences.
    pub open: Vec<String>,
}

/// Why evidence proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Larger than [`MAX_EVIDENCE_BYTES`].
    #[error("expected at most {MAX_EVIDENCE_BYTES} bytes, found {found}")]
    TooLarge {
        /// Bytes found.
        found: usize,
    },
    /// Not JSON, a field missing, or one too many.
    #[error("expected evidence in JSON, found: {0}")]
    Json(#[from] serde_json::Error),
    /// Another spelling of the same.
    #[error("expected canonical JSON (RFC 8785), found another spelling of the same evidence")]
    NotCanonical,
    /// A trust policy in it.
    #[error("the trust policy: {0}")]
    Policy(#[from] PolicyError),
    /// An update of the policy, or a certificate, breaks a rule.
    #[error(transparent)]
    Rule(#[from] VerifyError),
    /// A checkpoint is not what a log of the policy signed.
    #[error("a checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// An entry is not in a log of the policy.
    #[error("an entry's proof: {0}")]
    Proof(#[from] ProofError),
    /// The consistency proof does not lead to the newer checkpoint.
    #[error("the consistency proof: {0}")]
    Consistency(#[from] MerkleError),
    /// Something in it contradicts the claim.
    #[error("{what}: expected {expected}, found {found}")]
    Value {
        /// What.
        what: &'static str,
        /// What the claim needs.
        expected: String,
        /// What is there.
        found: String,
    },
}

impl EvidenceError {
    fn value(what: &'static str, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::Value { what, expected: expected.to_string(), found: found.to_string() }
    }
}

/// What one kind of claim shows, before the policy is put beside it.
struct Shown {
    culprit: Option<Culprit>,
    proven: Vec<String>,
    open: Vec<String>,
}

impl Evidence {
    /// A claim under these policies: the pinned one, then every update.
    pub fn new(policies: Vec<String>, claim: Claim, made: UnixTime) -> Self {
        Self { version: 1, made: made.as_secs(), policies, claim }
    }

    /// Reads evidence. Only its canonical bytes are accepted, so that a hash stands for one text.
    pub fn parse(bytes: &[u8]) -> Result<Self, EvidenceError> {
        if bytes.len() > MAX_EVIDENCE_BYTES {
            return Err(EvidenceError::TooLarge { found: bytes.len() });
        }
        let evidence: Self = serde_json::from_slice(bytes)?;
        if evidence.to_bytes() != bytes {
            return Err(EvidenceError::NotCanonical);
        }
        Ok(evidence)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).expect("strings, lists and integers are JSON")
    }

    /// Checks everything in it, offline, and says what it proves.
    ///
    /// # Errors
    /// When anything in it does not verify: then it proves nothing.
    pub fn judge(&self) -> Result<Judgement, EvidenceError> {
        if self.version != 1 {
            return Err(EvidenceError::value("version", 1, self.version));
        }
        let (genesis, policy) = self.policy()?;
        let shown = match &self.claim {
            Claim::Certificate { at, chain, purpose, refused } => {
                certificate::judge(&policy, *at, chain, *purpose, refused.as_ref())?
            }
            Claim::Entries { label, entries } => entries::judge(&policy, label.as_ref(), entries)?,
            Claim::SplitView { older, newer, beginning, proof } => {
                split::judge(&policy, older, newer, beginning, proof)?
            }
        };
        let Shown { culprit, proven, open } = shown;
        Ok(Judgement { genesis, policy, culprit, proven, open })
    }

    /// Follows the policy from the version that was pinned to the one in force.
    fn policy(&self) -> Result<(Fingerprint, TrustPolicy), EvidenceError> {
        let (first, updates) = match &*self.policies {
            [first, updates @ ..] if updates.len() < MAX_VERSIONS => (first, updates),
            other => {
                return Err(EvidenceError::value("policies", format_args!("1 to {MAX_VERSIONS}"), other.len()));
            }
        };
        let mut policy = TrustPolicy::parse(first.as_bytes())?;
        let genesis = policy.fingerprint();
        for update in updates {
            policy = PolicyUpdate::parse(update.as_bytes())?.verify(&policy)?.take_confirmed();
        }
        Ok((genesis, policy))
    }
}

/// Whether breaking this rule in a certificate that it has signed is the authority's own doing. That a certificate has
/// ended, is for another purpose, or was revoked, is no fault of its authority.
fn is_misbehaviour(rule: Rule) -> bool {
    let family = rule.id().split('-').next().unwrap_or_default();
    rule != Rule::TrustBinding && matches!(family, "PROF" | "SAN" | "TRUST" | "LOG" | "SLOT" | "WIT")
}

#[cfg(test)]
mod tests;
