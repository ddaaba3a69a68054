//! The transparency extension: what a certificate carries to prove that it stands in the log.
//!
//! It holds what a C2SP tlog-proof holds, in DER, without what can be recomputed: the root is that to which leaf and
//! path lead, and the checkpoint's text follows from origin, tree size and root.

use der::{Decode, Encode, Sequence, asn1::OctetString};
use tlog_proof::Hash;

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

impl ExtensionError {
    /// What was found in place of an extension, for a refusal that says itself what it expected.
    pub(crate) fn found(&self) -> String {
        match self {
            Self::Der(error) => format!("bytes that are none ({error})"),
            Self::NotCanonical => "another encoding of the same extension".to_owned(),
            Self::Bound { field, expected, found } => format!("one whose {field} should be {expected}, and is {found}"),
            Self::Repeated => "more than one".to_owned(),
            Self::Proof { expected } => format!("a proof without {expected}"),
        }
    }
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

    pub(super) fn check_order(&self) -> Result<(), ExtensionError> {
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
mod tests;
