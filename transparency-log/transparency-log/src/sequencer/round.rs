//! The checkpoint of one round as it gathers cosignatures.

use std::sync::Arc;

use tlog_proof::{LogPolicy, NoteSignature, PolicyError, UnverifiedCheckpoint};

/// A signed checkpoint and the verified cosignatures on it.
pub(super) struct Round {
    policy: Arc<LogPolicy>,
    text: String,
    /// Positions of the witnesses in the policy that have cosigned.
    by: Vec<usize>,
}

impl Round {
    pub(super) fn new(policy: Arc<LogPolicy>, signed: &str) -> Self {
        Self { policy, text: signed.to_owned(), by: Vec::new() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Takes the lines that are by witnesses of the policy, and verify; others are ignored.
    pub(super) fn add(&mut self, lines: &str) -> Result<(), String> {
        for line in lines.lines() {
            let signature = NoteSignature::parse_line(line).map_err(|error| error.to_string())?;
            let known = self.policy.witnesses.iter().position(|witness| signature.claims(&witness.vkey));
            let Some(position) = known.filter(|position| !self.by.contains(position)) else { continue };
            let text = format!("{}{signature}\n", self.text);
            let checkpoint = UnverifiedCheckpoint::parse(&text).map_err(|error| error.to_string())?;
            let verified = checkpoint.verify_cosignature(&self.policy.witnesses[position].vkey);
            verified.map_err(|error| error.to_string())?;
            self.text = text;
            self.by.push(position);
        }
        Ok(())
    }

    pub(super) fn quorum_met(&self) -> bool {
        let keys: Vec<_> = self.by.iter().map(|position| &self.policy.witnesses[*position].vkey).collect();
        self.policy.quorum_met(&keys)
    }

    /// Checks the result as every verifier will.
    pub(super) fn check(&self) -> Result<(), PolicyError> {
        let checkpoint = UnverifiedCheckpoint::parse(&self.text)?;
        self.policy.check(&checkpoint).map(drop)
    }
}
