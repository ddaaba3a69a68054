//! Updates of a trust policy (TRUST-07 to TRUST-11): numbered, signed by the root, logged, witnessed.
//!
//! Trust begins with a fingerprint. From there on each version vouches for the next: its root signs it, its log holds it,
//! its quorum has seen it. Whoever follows that chain ends where everybody else does, or nowhere.

use std::time::Duration;

use rustls_pki_types::UnixTime;
use serde::{Deserialize, Serialize};
use tlog_proof::{Entry, ObjectKind, Proof, leaf_hash};

use super::{Base64Bytes, Change, Issuer, TrustPolicy};
use crate::{
    certificate::Certificate,
    rules::Rule,
    verify::{VerifyError, date},
};

/// An update larger than this is refused before it is parsed (bytes).
pub const MAX_UPDATE_BYTES: usize = 1024 * 1024;

/// What keeps the signature from standing for anything else.
const DOMAIN: &[u8] = b"inperson-trust-policy-v1\0";

/// What the root signs: the domain, a zero byte, the policy's canonical bytes.
pub fn signing_input(policy: &[u8]) -> Vec<u8> {
    [DOMAIN, policy].concat()
}

/// The next version of a policy with its signature and its proof, none of it verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyUpdate {
    /// The policy, in its canonical spelling.
    pub policy: String,
    /// That its hash stands in the log: C2SP tlog-proof.
    pub proof: String,
    /// By the root of the version before: ECDSA in DER over [`signing_input`].
    pub signature: Base64Bytes,
}

impl PolicyUpdate {
    /// Reads an update. Only its canonical bytes are accepted (TRUST-07).
    pub fn parse(bytes: &[u8]) -> Result<Self, VerifyError> {
        if bytes.len() > MAX_UPDATE_BYTES {
            return Err(form(format_args!("at most {MAX_UPDATE_BYTES} bytes"), bytes.len()));
        }
        let update: Self = serde_json::from_slice(bytes).map_err(|e| form("an update in JSON", e))?;
        if update.to_bytes() != bytes {
            return Err(form("canonical JSON (RFC 8785)", "another spelling"));
        }
        Ok(update)
    }

    /// The canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).expect("texts are JSON")
    }

    /// Checks that this is the version after `current`, as all who follow it must see it.
    pub fn verify(&self, current: &TrustPolicy) -> Result<VerifiedUpdate, VerifyError> {
        let policy = TrustPolicy::parse(self.policy.as_bytes()).map_err(|e| form("a trust policy in order", e))?;
        if policy.number != current.number + 1 {
            let expected = format_args!("number {}", current.number + 1);
            return Err(VerifyError::new(Rule::UpdateNumber, expected, policy.number));
        }
        let before = current.fingerprint();
        if policy.previous != Some(before) {
            let found = policy.previous.map_or_else(|| "none".to_owned(), |other| other.to_string());
            return Err(VerifyError::new(Rule::UpdatePrevious, before, found));
        }
        self.check_signature(current)?;
        let logged_at = self.check_log(current, &policy)?;
        Ok(VerifiedUpdate { current: current.clone(), policy, logged_at })
    }

    fn check_signature(&self, current: &TrustPolicy) -> Result<(), VerifyError> {
        let error = |found: &str| VerifyError::new(Rule::UpdateSignature, "the signature of the current root", found);
        let publisher = current.authorities.first().ok_or_else(|| error("a policy without authority"))?;
        let root = Certificate::parse(&publisher.root.0).map_err(|_| error("a root that cannot be read"))?;
        let root = Issuer::new(root).map_err(|_| error("a root that is no issuer"))?;
        let signed = root.has_signed(&signing_input(self.policy.as_bytes()), &self.signature.0);
        if signed { Ok(()) } else { Err(error("another")) }
    }

    /// The whole proof first, then once more with the keys alone whose windows contain the time at which it was seen.
    fn check_log(&self, current: &TrustPolicy, policy: &TrustPolicy) -> Result<UnixTime, VerifyError> {
        let error = |found: String| {
            let expected = format_args!("an entry for number {} in a log of number {}", policy.number, current.number);
            VerifyError::new(Rule::UpdateLogged, expected, found)
        };
        let proof = Proof::parse(&self.proof).map_err(|e| error(e.to_string()))?;
        let entry = Entry::Object { kind: ObjectKind::TrustPolicy, hash: policy.fingerprint().0 };
        let leaf = leaf_hash(&entry.encode());
        let always = current.log_policy().map_err(|e| error(e.to_string()))?;
        let verdict = proof.verify(&leaf, &always).map_err(|e| error(e.to_string()))?;
        let seen = verdict.cosigned.iter().map(|c| c.time).max().unwrap_or_default();
        let seen = UnixTime::since_unix_epoch(Duration::from_secs(seen));
        if verdict.cosigned.iter().any(|c| c.time == 0) {
            return Err(error("a cosignature without a time".to_owned()));
        }
        let then = current.log_policy_at(seen).map_err(|e| error(e.to_string()))?;
        proof.verify(&leaf, &then).map_err(|e| error(format!("at {}: {e}", date(seen))))?;
        Ok(seen)
    }
}

fn form(expected: impl std::fmt::Display, found: impl std::fmt::Display) -> VerifyError {
    VerifyError::new(Rule::UpdateForm, expected, found)
}

/// The next version of a policy, verified. Only [`PolicyUpdate::verify`] makes one.
///
/// The policy comes out of it where nothing in it needs the person's word, or with it.
#[derive(Clone, Debug)]
pub struct VerifiedUpdate {
    current: TrustPolicy,
    policy: TrustPolicy,
    logged_at: UnixTime,
}

impl VerifiedUpdate {
    /// What it changes.
    pub fn changes(&self) -> Vec<Change> {
        self.current.changes_to(&self.policy)
    }

    /// The number of the new version.
    pub fn number(&self) -> u64 {
        self.policy.number
    }

    /// When the last witness of the quorum had seen it in the log.
    pub fn logged_at(&self) -> UnixTime {
        self.logged_at
    }

    /// Takes it, if it changes nothing that needs the person's word; otherwise says what does.
    pub fn take(self) -> Result<TrustPolicy, Vec<Change>> {
        let grave: Vec<_> = self.changes().into_iter().filter(|change| change.kind.needs_confirmation()).collect();
        if grave.is_empty() { Ok(self.policy) } else { Err(grave) }
    }

    /// Takes it after all [`changes`](Self::changes) were shown to the person and she agreed.
    pub fn take_confirmed(self) -> TrustPolicy {
        self.policy
    }
}
