//! The keys that one witness cosigns with.

use tlog_proof::{Checkpoint, CheckpointError, Cosigner, Hash, Subtree, SubtreeCosigner, VerifierKey};

/// A witness's keys: Ed25519, whose cosignatures certificates carry, and perhaps ML-DSA-44, whose
/// cosignatures stand on the log's checkpoint for those who fear quantum computers.
#[derive(Debug)]
pub struct WitnessKeys {
    ed25519: Cosigner,
    ml_dsa_44: Option<SubtreeCosigner>,
}

impl From<Cosigner> for WitnessKeys {
    fn from(ed25519: Cosigner) -> Self {
        Self { ed25519, ml_dsa_44: None }
    }
}

impl WitnessKeys {
    /// A key of each kind. They may have the same name: IDs tell their signatures apart.
    pub fn both(ed25519: Cosigner, ml_dsa_44: SubtreeCosigner) -> Self {
        Self { ed25519, ml_dsa_44: Some(ml_dsa_44) }
    }

    /// The Ed25519 key.
    pub fn vkey(&self) -> VerifierKey {
        self.ed25519.vkey()
    }

    /// Every key.
    pub fn vkeys(&self) -> Vec<VerifierKey> {
        let ml_dsa_44 = self.ml_dsa_44.as_ref().map(SubtreeCosigner::vkey);
        std::iter::once(self.vkey()).chain(ml_dsa_44).collect()
    }

    /// Whether there is a key that signs subtrees.
    pub(crate) fn signs_subtrees(&self) -> bool {
        self.ml_dsa_44.is_some()
    }

    /// A signature line on a subtree, without a time; `None` without a key for that.
    pub(crate) fn cosign_subtree(
        &self,
        origin: &str,
        subtree: Subtree,
        hash: &Hash,
    ) -> Option<Result<String, CheckpointError>> {
        self.ml_dsa_44.as_ref().map(|key| key.cosign_subtree(origin, subtree, hash))
    }

    /// A signature line by each key on one checkpoint, at `time` in seconds since the epoch.
    pub(crate) fn cosign(&self, checkpoint: &Checkpoint, time: u64) -> Result<String, CheckpointError> {
        let mut lines = self.ed25519.cosign(&checkpoint.to_body(), time);
        if let Some(key) = &self.ml_dsa_44 {
            lines.push_str(&key.cosign(checkpoint, time)?);
        }
        Ok(lines)
    }
}
