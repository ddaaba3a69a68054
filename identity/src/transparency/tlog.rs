//! The transparency extension as a C2SP tlog-proof, and back.

use tlog_proof::{Checkpoint, Hash, LogPolicy, NoteSignature, Proof, UnverifiedCheckpoint, VerifierKey};

use super::{ExtCosignature, ExtensionError, MAX_COSIGNATURES, Opening, TransparencyExtension, VrfProof};

impl TransparencyExtension {
    /// The same as a C2SP tlog-proof. `root` is that to which the entry and the path lead
    /// ([`tlog_proof::root_from_inclusion`]); whether it is the root the log signed, the proof's verification tells.
    ///
    /// The proof's extra data is `period32 ‖ slot8 ‖ opening ‖ VRF proof`, the last one for people only.
    pub fn to_proof(&self, root: &Hash) -> Proof {
        let mut extra = self.period.to_be_bytes().to_vec();
        extra.push(self.slot);
        extra.extend_from_slice(self.opening.as_bytes());
        if let Some(proof) = &self.vrf_proof {
            extra.extend_from_slice(proof.as_bytes());
        }
        Proof { extra: Some(extra), index: self.index, path: self.path.clone(), checkpoint: self.checkpoint(root) }
    }

    /// The signed and cosigned checkpoint that says that the tree has this root.
    pub fn checkpoint(&self, root: &Hash) -> String {
        let body = Checkpoint { origin: self.origin.clone(), size: self.tree_size, root: *root }.to_body();
        let log = NoteSignature {
            name: self.origin.clone(),
            key_id: self.log_key_id,
            signature: self.log_signature.to_vec(),
        };
        let mut text = format!("{body}\n{log}\n");
        for cosignature in &self.cosignatures {
            let mut signature = cosignature.time.to_be_bytes().to_vec();
            signature.extend_from_slice(&cosignature.signature);
            let line = NoteSignature { name: cosignature.name.clone(), key_id: cosignature.key_id, signature };
            text.push_str(&format!("{line}\n"));
        }
        text
    }

    /// The extension of a tlog-proof that [`to_proof`](Self::to_proof) made.
    pub fn from_proof(proof: &Proof) -> Result<Self, ExtensionError> {
        let expected = "extra data of 37 or 117 bytes: period, slot, opening and VRF proof";
        let extra = proof.extra.as_deref().ok_or(ExtensionError::Proof { expected })?;
        let (Some((period, rest)), true) = (extra.split_first_chunk::<4>(), matches!(extra.len(), 37 | 117)) else {
            return Err(ExtensionError::Proof { expected });
        };
        let (slot, rest) = (rest[0], &rest[1..]);
        let (opening, vrf) = rest.split_first_chunk::<32>().ok_or(ExtensionError::Proof { expected })?;
        let vrf_proof = <[u8; 80]>::try_from(vrf).ok().map(VrfProof::from_bytes);
        Self::build(u32::from_be_bytes(*period), slot, vrf_proof, Opening::new(*opening), proof)
    }

    /// Puts the extension together from what the authority knows and the proof that its log returned. Of the
    /// checkpoint's signatures it takes the log's and those of kind `cosignature/v1`; the extra data is not looked at.
    pub fn build(
        period: u32,
        slot: u8,
        vrf_proof: Option<VrfProof>,
        opening: Opening,
        proof: &Proof,
    ) -> Result<Self, ExtensionError> {
        let checkpoint = UnverifiedCheckpoint::parse(&proof.checkpoint)
            .map_err(|_| ExtensionError::Proof { expected: "a well-formed checkpoint" })?;
        let claimed = checkpoint.claimed();
        let signatures = checkpoint.note().signatures();
        let log = (signatures.iter()).find_map(|s| {
            Some((s.key_id, <[u8; 64]>::try_from(&*s.signature).ok()?)).filter(|_| s.name == claimed.origin)
        });
        let (log_key_id, log_signature) =
            log.ok_or(ExtensionError::Proof { expected: "an Ed25519 signature of the log itself" })?;
        let extension = Self {
            origin: claimed.origin.clone(),
            period,
            slot,
            vrf_proof,
            opening,
            index: proof.index,
            tree_size: claimed.size,
            path: proof.path.clone(),
            log_key_id,
            log_signature,
            cosignatures: signatures.iter().filter_map(note_cosignature).take(MAX_COSIGNATURES).collect(),
        };
        extension.check_order()?;
        Ok(extension)
    }

    /// Drops cosignatures by witnesses that the policy does not know, and those that its quorum does not need.
    pub fn keep_quorum(&mut self, policy: &LogPolicy) {
        let key = |c: &ExtCosignature| -> Option<&VerifierKey> {
            policy.witnesses.iter().map(|w| &w.vkey).find(|k| k.name() == c.name && k.id() == c.key_id)
        };
        self.cosignatures.retain(|c| key(c).is_some());
        for position in (0..self.cosignatures.len()).rev() {
            let rest: Vec<&VerifierKey> = (self.cosignatures.iter().enumerate())
                .filter(|(other, _)| *other != position)
                .filter_map(|(_, c)| key(c))
                .collect();
            if policy.quorum_met(&rest) {
                self.cosignatures.remove(position);
            }
        }
    }
}

fn note_cosignature(line: &NoteSignature) -> Option<ExtCosignature> {
    let (time, signature) = line.signature.split_first_chunk::<8>()?;
    Some(ExtCosignature {
        name: line.name.clone(),
        key_id: line.key_id,
        time: u64::from_be_bytes(*time),
        signature: signature.try_into().ok()?,
    })
}
