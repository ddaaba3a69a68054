//! The transparency extension: what a certificate carries to prove that it stands in the log.
//!
//! It holds what a C2SP tlog-proof holds, in DER, without what can be recomputed: the root is that to which leaf and
//! path lead, and the checkpoint's text follows from origin, tree size and root.

use der::{Decode, Encode, Sequence, asn1::OctetString};
use tlog_proof::{Hash, LogPolicy, NoteSignature, Proof, UnverifiedCheckpoint, VerifierKey};

use super::{Opening, VrfProof};

/// The longest inclusion path: tree sizes stay below 2^63.
pub const MAX_PATH: usize = 63;

/// The most cosignatures; with the log's own signature they are the 16 that a note may carry (C2SP signed-note).
pub const MAX_COSIGNATURES: usize = 15;

/// The longest name of a log or a witness, in bytes.
const MAX_NAME: usize = 255;
/// No extension within the other bounds is longer (bytes).
const MAX_EXTENSION: usize = 12 * 1024;

/// One witness's cosignature (C2SP tlog-cosignature, `cosignature/v1`), not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtCosignature {
    /// The name of the witness's key.
    pub name: String,
    /// The ID of the witness's key.
    pub key_id: [u8; 4],
    /// When it cosigned, in seconds since the epoch.
    pub time: u64,
    /// Its Ed25519 signature.
    pub signature: [u8; 64],
}

/// The proof that a certificate stands in a log. Decoded, not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransparencyExtension {
    /// The log's origin, which is also the name of its key.
    pub origin: String,
    /// The period of the label.
    pub period: u32,
    /// The slot of the label; 0 for a service.
    pub slot: u8,
    /// The proof of the label; `None` for a service, whose name is not hidden.
    pub vrf_proof: Option<VrfProof>,
    /// What opens the commitment.
    pub opening: Opening,
    /// The zero-based index of the entry.
    pub index: u64,
    /// The size of the tree that the checkpoint is about.
    pub tree_size: u64,
    /// The inclusion path, sibling of the leaf first.
    pub path: Vec<Hash>,
    /// The ID of the log's key.
    pub log_key_id: [u8; 4],
    /// The log's Ed25519 signature on the checkpoint.
    pub log_signature: [u8; 64],
    /// The cosignatures.
    pub cosignatures: Vec<ExtCosignature>,
}

/// Why bytes or a proof are no transparency extension.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// Not DER of the extension.
    #[error("expected a transparency extension in DER, found: {0}")]
    Der(#[from] der::Error),
    /// Not the one DER encoding.
    #[error("expected the one DER encoding of the extension, found another")]
    NotCanonical,
    /// A field out of its bounds.
    #[error("{field}: expected {expected}, found {found}")]
    Bound {
        /// The field.
        field: &'static str,
        /// What is allowed.
        expected: String,
        /// What was found.
        found: String,
    },
    /// The extension stands in the certificate more than once.
    #[error("expected one transparency extension, found more")]
    Repeated,
    /// A tlog-proof that is not one of ours.
    #[error("expected a proof with {expected}")]
    Proof {
        /// What is missing in it.
        expected: &'static str,
    },
}

#[derive(Sequence)]
struct Raw {
    origin: String,
    period: u32,
    slot: u8,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    vrf_proof: Option<OctetString>,
    opening: OctetString,
    index: u64,
    tree_size: u64,
    path: OctetString,
    log_key_id: OctetString,
    log_signature: OctetString,
    cosignatures: Vec<RawCosignature>,
}

#[derive(Sequence)]
struct RawCosignature {
    name: String,
    key_id: OctetString,
    time: u64,
    signature: OctetString,
}

impl TransparencyExtension {
    /// Decodes an extension's value; anything but its one DER encoding is refused.
    pub fn from_der(der: &[u8]) -> Result<Self, ExtensionError> {
        at_most("extension", "bytes", MAX_EXTENSION, der.len())?;
        let raw = Raw::from_der(der)?;
        if raw.to_der()? != der {
            return Err(ExtensionError::NotCanonical);
        }
        at_most("origin", "bytes", MAX_NAME, raw.origin.len())?;
        at_most("cosignatures", "of them", MAX_COSIGNATURES, raw.cosignatures.len())?;
        let vrf_proof = match &raw.vrf_proof {
            Some(bytes) => Some(VrfProof::from_bytes(fixed("vrfProof", bytes)?)),
            None => None,
        };
        let extension = Self {
            period: raw.period,
            slot: raw.slot,
            vrf_proof,
            opening: Opening::new(fixed("opening", &raw.opening)?),
            index: raw.index,
            tree_size: raw.tree_size,
            path: path(raw.path.as_bytes())?,
            log_key_id: fixed("logKeyId", &raw.log_key_id)?,
            log_signature: fixed("logSignature", &raw.log_signature)?,
            cosignatures: raw.cosignatures.iter().map(cosignature).collect::<Result<_, _>>()?,
            origin: raw.origin,
        };
        extension.check_order()?;
        Ok(extension)
    }

    /// The DER of the extension's value.
    pub fn to_der(&self) -> Vec<u8> {
        let octets = |bytes: &[u8]| OctetString::new(bytes).expect("short octet strings are within DER's limits");
        let raw = Raw {
            origin: self.origin.clone(),
            period: self.period,
            slot: self.slot,
            vrf_proof: self.vrf_proof.as_ref().map(|proof| octets(proof.as_bytes())),
            opening: octets(self.opening.as_bytes()),
            index: self.index,
            tree_size: self.tree_size,
            path: octets(&self.path.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>()),
            log_key_id: octets(&self.log_key_id),
            log_signature: octets(&self.log_signature),
            cosignatures: (self.cosignatures.iter())
                .map(|c| RawCosignature {
                    name: c.name.clone(),
                    key_id: octets(&c.key_id),
                    time: c.time,
                    signature: octets(&c.signature),
                })
                .collect(),
        };
        raw.to_der().expect("fields of these types have an encoding")
    }

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
        let body = tlog_proof::Checkpoint { origin: self.origin.clone(), size: self.tree_size, root: *root }.to_body();
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

    fn check_order(&self) -> Result<(), ExtensionError> {
        at_most("path", "hashes", MAX_PATH, self.path.len())?;
        if self.index >= self.tree_size || self.tree_size > i64::MAX as u64 {
            return Err(ExtensionError::Bound {
                field: "index",
                expected: "an index below the tree size, which is below 2^63".to_owned(),
                found: format!("{} of {}", self.index, self.tree_size),
            });
        }
        for (position, cosignature) in self.cosignatures.iter().enumerate() {
            let same = |other: &ExtCosignature| other.name == cosignature.name && other.key_id == cosignature.key_id;
            if self.cosignatures[..position].iter().any(same) {
                return Err(ExtensionError::Bound {
                    field: "cosignatures",
                    expected: "each key once".to_owned(),
                    found: format!("{} twice", cosignature.name),
                });
            }
        }
        Ok(())
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

fn cosignature(raw: &RawCosignature) -> Result<ExtCosignature, ExtensionError> {
    at_most("cosignature name", "bytes", MAX_NAME, raw.name.len())?;
    Ok(ExtCosignature {
        name: raw.name.clone(),
        key_id: fixed("cosignature keyId", &raw.key_id)?,
        time: raw.time,
        signature: fixed("cosignature signature", &raw.signature)?,
    })
}

fn path(bytes: &[u8]) -> Result<Vec<Hash>, ExtensionError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(ExtensionError::Bound {
            field: "path",
            expected: "hashes of 32 bytes".to_owned(),
            found: format!("{} bytes", bytes.len()),
        });
    }
    Ok(hashes.iter().map(|hash| Hash(*hash)).collect())
}

fn fixed<const N: usize>(field: &'static str, bytes: &OctetString) -> Result<[u8; N], ExtensionError> {
    bytes.as_bytes().try_into().map_err(|_| ExtensionError::Bound {
        field,
        expected: format!("{N} bytes"),
        found: format!("{} bytes", bytes.as_bytes().len()),
    })
}

fn at_most(field: &'static str, unit: &str, limit: usize, found: usize) -> Result<(), ExtensionError> {
    if found <= limit {
        return Ok(());
    }
    Err(ExtensionError::Bound { field, expected: format!("at most {limit} {unit}"), found: found.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> TransparencyExtension {
        TransparencyExtension {
            origin: "log.example/2026".into(),
            period: 2967,
            slot: 31,
            vrf_proof: Some(VrfProof::from_bytes([1; 80])),
            opening: Opening::new([2; 32]),
            index: 5,
            tree_size: 8,
            path: vec![Hash([3; 32]), Hash([4; 32]), Hash([5; 32])],
            log_key_id: [6; 4],
            log_signature: [7; 64],
            cosignatures: vec![ExtCosignature {
                name: "witness.example/w".into(),
                key_id: [8; 4],
                time: 1_795_000_000,
                signature: [9; 64],
            }],
        }
    }

    #[test]
    fn der_goes_there_and_back() {
        let service = TransparencyExtension { vrf_proof: None, slot: 0, cosignatures: vec![], ..sample() };
        for extension in [sample(), service] {
            assert_eq!(TransparencyExtension::from_der(&extension.to_der()), Ok(extension));
        }
    }

    #[test]
    fn a_tlog_proof_goes_there_and_back() {
        let root = Hash([10; 32]);
        let service = TransparencyExtension { vrf_proof: None, slot: 0, ..sample() };
        for extension in [sample(), service] {
            let text = extension.to_proof(&root).to_string();
            let proof = Proof::parse(&text).unwrap();
            assert_eq!(TransparencyExtension::from_proof(&proof), Ok(extension));
        }
    }

    #[test]
    fn three_witnesses_at_a_billion_entries_stay_under_two_kilobytes() {
        let cosignature = sample().cosignatures.remove(0);
        let cosignatures =
            (0..3).map(|n| ExtCosignature { name: format!("witness.example/w{n}"), ..cosignature.clone() });
        let extension = TransparencyExtension {
            index: (1 << 30) - 1,
            tree_size: 1 << 30,
            path: vec![Hash([3; 32]); 30],
            cosignatures: cosignatures.collect(),
            ..sample()
        };
        assert!(extension.to_der().len() < 2048, "{}", extension.to_der().len());
    }

    #[test]
    fn bounds_are_kept() {
        let refused =
            |extension: TransparencyExtension| TransparencyExtension::from_der(&extension.to_der()).unwrap_err();
        refused(TransparencyExtension { path: vec![Hash([0; 32]); 64], ..sample() });
        refused(TransparencyExtension { index: 8, ..sample() });
        refused(TransparencyExtension { tree_size: 1 << 63, ..sample() });
        refused(TransparencyExtension { origin: "o".repeat(256), ..sample() });
        let twice = vec![sample().cosignatures.remove(0); 2];
        refused(TransparencyExtension { cosignatures: twice, ..sample() });
        let many = (0..16).map(|n| ExtCosignature { name: format!("w{n}"), ..sample().cosignatures.remove(0) });
        refused(TransparencyExtension { cosignatures: many.collect(), ..sample() });
        let mut trailing = sample().to_der();
        trailing.push(0);
        assert!(TransparencyExtension::from_der(&trailing).is_err());
        assert!(TransparencyExtension::from_der(&[0x30; 20_000]).is_err());
    }
}
