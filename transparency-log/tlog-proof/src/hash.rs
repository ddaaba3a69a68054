//! SHA-256 tree hashes (RFC 6962 section 2.1) and their base64 form in C2SP text formats.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// One SHA-256 value: a leaf, an inner node or a root of the tree.
///
/// Its text form is standard base64 with padding (RFC 4648 section 4), always 44 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

/// A text that is not the base64 form of a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected the canonical base64 of 32 bytes (44 characters), found {found:?}")]
pub struct HashError {
    /// The offending text, cut to 64 characters.
    pub found: String,
}

impl Hash {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let mut bytes = [0; 32];
        // The engine refuses missing padding and non-zero trailing bits, so that each hash has one spelling.
        match (text.len(), STANDARD.decode_slice(text, &mut bytes)) {
            (44, Ok(32)) => Ok(Self(bytes)),
            _ => Err(HashError { found: text.chars().take(64).collect() }),
        }
    }
}

/// The hash of a leaf: `SHA-256(0x00 ‖ data)`.
pub fn leaf_hash(data: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(data).finalize().into())
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut block = [1; 65];
    block[1..33].copy_from_slice(&left.0);
    block[33..].copy_from_slice(&right.0);
    Hash(Sha256::digest(block).into())
}

/// The root of the tree without leaves: `SHA-256("")`.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_canonical_base64() {
        let text = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
        assert_eq!(text.parse::<Hash>().unwrap().to_string(), text);
        let faults = [
            ("empty", ""),
            ("without_padding", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I"),
            ("trailing_bits_set", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J="),
            ("url_alphabet", "CsUYapGGPo4dkMgIAUqom_Xajj7h2fB2MPA3j2jxq2I="),
            ("too_long", "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2IA"),
        ];
        for (fault, text) in faults {
            assert!(text.parse::<Hash>().is_err(), "{fault}");
        }
    }

    #[test]
    fn empty_root_is_sha256_of_nothing() {
        assert_eq!(empty_root().to_string(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
