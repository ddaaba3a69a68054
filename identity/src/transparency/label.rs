//! Labels: ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381 section 5.5) over identifier, period and slot.

use std::{fmt, sync::Arc};

use vrf_rfc9381::{
    Ciphersuite, Proof as _, Prover as _, Verifier as _,
    ec::edwards25519::{
        EdVrfProof,
        tai::{EdVrfEdwards25519TaiPublicKey, EdVrfEdwards25519TaiSecretKey},
    },
};

use crate::identifier::Identifier;

/// What a label is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelInput<'a> {
    /// The log's origin.
    pub origin: &'a str,
    /// Whose certificate it is.
    pub identifier: &'a Identifier,
    /// The [period](super::period_of) of the certificate's beginning.
    pub period: u32,
    /// Which of the identifier's [slots](super::SLOTS) in that period.
    pub slot: u8,
}

impl LabelInput<'_> {
    /// The bytes that go into the VRF:
    /// `"inperson-label-v1" ‖ 0 ‖ len16(origin) ‖ origin ‖ kind8 ‖ len16(id) ‖ id ‖ period32 ‖ slot8`, big-endian.
    pub fn encode(&self) -> Vec<u8> {
        let id = self.identifier.as_str().as_bytes();
        let origin = self.origin.as_bytes();
        let mut bytes = Vec::with_capacity(18 + 2 + origin.len() + 1 + 2 + id.len() + 5);
        bytes.extend_from_slice(b"inperson-label-v1\0");
        bytes.extend_from_slice(&len16(origin));
        bytes.extend_from_slice(origin);
        bytes.push(self.identifier.kind().code());
        bytes.extend_from_slice(&len16(id));
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(&self.period.to_be_bytes());
        bytes.push(self.slot);
        bytes
    }
}

/// Origins and identifiers are bounded at 255 and 254 bytes; a longer one cannot collide, as it only saturates.
fn len16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes()
}

/// Why a VRF key or proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VrfError {
    /// Not a point, not in its one encoding, or of small order (RFC 9381 section 5.4.5).
    #[error("expected a valid VRF public key, found bytes that are none")]
    Key,
    /// Not a proof in its one encoding (RFC 9381 section 5.4.4).
    #[error("expected a well-formed VRF proof, found bytes that are none")]
    ProofEncoding,
    /// A proof, but not of this input under this key.
    #[error("expected a VRF proof of this identifier, period and slot, found one of something else")]
    Proof,
}

impl VrfError {
    /// What was found in place of the proof, for a refusal that says itself what it expected.
    pub(crate) const fn found(self) -> &'static str {
        match self {
            Self::Key => "a key that is none",
            Self::ProofEncoding => "bytes that are not the one encoding of a proof",
            Self::Proof => "one of something else, or under another key",
        }
    }
}

/// The 80 bytes of a VRF proof, not verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VrfProof([u8; 80]);

impl VrfProof {
    /// Takes the 80 bytes.
    pub const fn from_bytes(bytes: [u8; 80]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 80] {
        &self.0
    }

    /// The one decoding. The library reduces the scalar s modulo the group order where RFC 9381 section 5.4.4 step 8
    /// refuses it, which would give a proof several encodings; hence the comparison.
    fn decode(&self) -> Result<EdVrfProof, VrfError> {
        let proof = EdVrfProof::decode_pi(&self.0).map_err(|_| VrfError::ProofEncoding)?;
        if proof.encode_to_pi() == self.0 { Ok(proof) } else { Err(VrfError::ProofEncoding) }
    }
}

impl fmt::Debug for VrfProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VrfProof({}…)", hex::encode(&self.0[..8]))
    }
}

/// The key with which an authority computes labels. Zeroized when dropped.
pub struct VrfSecretKey {
    key: EdVrfEdwards25519TaiSecretKey,
    public: VrfPublicKey,
}

impl VrfSecretKey {
    /// Takes 32 random bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let key = EdVrfEdwards25519TaiSecretKey::from_slice(bytes).expect("32 bytes are a key");
        // RFC 9381 section 5.5: keys are those of Ed25519 (RFC 8032 section 5.1.5).
        let public = ed25519_dalek::SigningKey::from_bytes(bytes).verifying_key().to_bytes();
        let public = VrfPublicKey::from_bytes(&public).expect("a clamped scalar makes a valid key");
        Self { key, public }
    }

    /// The public half.
    pub fn public(&self) -> &VrfPublicKey {
        &self.public
    }

    /// The proof of the label for an input. Never call it for an identifier whose control is not proven: labels are
    /// what keeps the log from being searched.
    pub fn prove(&self, input: &LabelInput<'_>) -> VrfProof {
        self.evaluate(input).1
    }

    /// The label for an input, and its proof.
    pub fn evaluate(&self, input: &LabelInput<'_>) -> ([u8; 32], VrfProof) {
        let proof = self.key.prove(&input.encode()).expect("256 hashes without a curve point have chance 2^-256");
        let label = label_of(&proof);
        let bytes = proof.encode_to_pi().try_into().expect("a proof has 80 bytes");
        (label, VrfProof(bytes))
    }
}

impl fmt::Debug for VrfSecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VrfSecretKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// The key with which labels are checked; a log has exactly one. Validated, decoded once, cheap to clone.
#[derive(Clone)]
pub struct VrfPublicKey {
    bytes: [u8; 32],
    key: Arc<EdVrfEdwards25519TaiPublicKey>,
}

impl VrfPublicKey {
    /// Decodes and validates a key (RFC 9381 section 5.4.5).
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, VrfError> {
        // The library takes y ≥ 2^255 − 19 modulo the field's order: a second encoding of the same point.
        let overflows = bytes[31] & 0x7f == 0x7f && bytes[1..31].iter().all(|b| *b == 0xff) && bytes[0] >= 0xed;
        if overflows {
            return Err(VrfError::Key);
        }
        let key = EdVrfEdwards25519TaiPublicKey::from_slice(bytes).map_err(|_| VrfError::Key)?;
        Ok(Self { bytes: *bytes, key: Arc::new(key) })
    }

    /// The 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.bytes
    }

    /// The label, if the proof is right for the input.
    pub fn verify(&self, input: &LabelInput<'_>, proof: &VrfProof) -> Result<[u8; 32], VrfError> {
        let proof = proof.decode()?;
        let output = self.key.verify(&input.encode(), proof).map_err(|_| VrfError::Proof)?;
        Ok(first32(&output))
    }
}

impl PartialEq for VrfPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for VrfPublicKey {}

impl fmt::Debug for VrfPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VrfPublicKey({})", hex::encode(self.bytes))
    }
}

fn label_of(proof: &EdVrfProof) -> [u8; 32] {
    let output = proof.proof_to_hash(Ciphersuite::ECVRF_EDWARDS25519_SHA512_TAI).expect("hashing a point cannot fail");
    first32(&output)
}

fn first32(output: &[u8]) -> [u8; 32] {
    let mut label = [0; 32];
    label.copy_from_slice(&output[..32]);
    label
}

#[cfg(test)]
mod tests;
