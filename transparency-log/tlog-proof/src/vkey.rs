//! Verifier keys: `name+hex(key ID)+base64(kind ‖ public key)` (C2SP signed-note).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::mldsa;

/// Longest key name we read, in bytes. Names are schema-less URLs.
pub const MAX_NAME_BYTES: usize = 255;

/// What a key signs, by the signature type byte that C2SP signed-note assigns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// `0x01`: Ed25519 over the note text.
    Ed25519,
    /// `0x04`: timestamped Ed25519 cosignature (C2SP tlog-cosignature, `cosignature/v1`).
    CosignatureV1,
    /// `0x06`: timestamped ML-DSA-44 cosignature of a tree or subtree (C2SP tlog-cosignature, `subtree/v1`).
    SubtreeV1,
}

impl KeyKind {
    /// The signature type byte.
    pub fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
            Self::SubtreeV1 => 0x06,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::CosignatureV1),
            0x06 => Some(Self::SubtreeV1),
            _ => None,
        }
    }
}

/// Why a verifier key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VkeyError {
    /// Not three parts joined by plus signs, or not well-formed hex and base64.
    #[error("expected a verifier key name+hex+base64, found {found:?}")]
    Syntax {
        /// The offending text, cut to 128 characters.
        found: String,
    },
    /// A key name that a note cannot carry.
    #[error("expected a key name of 1 to 255 bytes without spaces, plus signs and control characters, found {found:?}")]
    Name {
        /// The offending name, cut to 128 characters.
        found: String,
    },
    /// A signature type that this crate does not know.
    #[error("expected a key of type 0x01 (Ed25519), 0x04 (cosignature/v1) or 0x06 (subtree/v1), found {found:#04x}")]
    Kind {
        /// The type byte.
        found: u8,
    },
    /// The ID in the text is not that of the key.
    #[error("expected the key ID {expected:08x}, found {found:08x}")]
    Id {
        /// The ID computed from name, kind and key.
        expected: u32,
        /// The ID in the text.
        found: u32,
    },
    /// A public key of the wrong length for its kind.
    #[error("expected a public key of {expected} bytes, found {found}")]
    Length {
        /// 32 for Ed25519, 1312 for ML-DSA-44.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// Not a point of the curve, or one of small order.
    #[error("the 32 bytes are not a usable Ed25519 public key")]
    PublicKey,
}

/// A public key of a log or a witness, with the name and the kind that its signatures carry.
///
/// Two keys are equal when name, kind and public key are equal.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    id: [u8; 4],
    key: PublicKey,
}

#[derive(Clone, PartialEq, Eq)]
enum PublicKey {
    Ed25519(VerifyingKey),
    MlDsa44(Box<mldsa::PublicKeyBytes>),
}

impl PublicKey {
    fn read(kind: KeyKind, bytes: &[u8]) -> Result<Self, VkeyError> {
        let length = |expected| VkeyError::Length { expected, found: bytes.len() };
        match kind {
            KeyKind::Ed25519 | KeyKind::CosignatureV1 => {
                let bytes = bytes.try_into().map_err(|_| length(ed25519_dalek::PUBLIC_KEY_LENGTH))?;
                let key = VerifyingKey::from_bytes(bytes).map_err(|_| VkeyError::PublicKey)?;
                if key.is_weak() { Err(VkeyError::PublicKey) } else { Ok(Self::Ed25519(key)) }
            }
            // Every string of this length is a public key (FIPS 204, algorithm 23).
            KeyKind::SubtreeV1 => {
                let bytes: mldsa::PublicKeyBytes = bytes.try_into().map_err(|_| length(mldsa::PUBLIC_KEY_BYTES))?;
                Ok(Self::MlDsa44(Box::new(bytes)))
            }
        }
    }

    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(key) => key.as_bytes(),
            Self::MlDsa44(key) => key.as_slice(),
        }
    }
}

impl VerifierKey {
    /// A key from its parts; `public_key` is 32 bytes for the kinds of Ed25519 (RFC 8032 section 5.1.5)
    /// and 1312 for ML-DSA-44 (FIPS 204, algorithm 22).
    ///
    /// # Errors
    /// When the name cannot stand in a note or the bytes are not a usable public key.
    pub fn new(name: &str, kind: KeyKind, public_key: &[u8]) -> Result<Self, VkeyError> {
        check_name(name)?;
        let key = PublicKey::read(kind, public_key)?;
        Ok(Self { name: name.to_owned(), kind, id: key_id(name, kind, public_key), key })
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// When the text is malformed, of unknown kind, or its key ID is not that of the key.
    pub fn parse(text: &str) -> Result<Self, VkeyError> {
        let syntax = || VkeyError::Syntax { found: text.chars().take(128).collect() };
        // The name has no plus sign, the base64 after the second one may have more.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(syntax());
        };
        let lower_hex = id.len() == 8 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let found = u32::from_str_radix(id, 16).ok().filter(|_| lower_hex).ok_or_else(syntax)?;
        let bytes = STANDARD.decode(key).map_err(|_| syntax())?;
        let (kind, public_key) = bytes.split_first().ok_or_else(syntax)?;
        let kind = KeyKind::from_byte(*kind).ok_or(VkeyError::Kind { found: *kind })?;
        let key = Self::new(name, kind, public_key)?;
        let expected = u32::from_be_bytes(key.id);
        if expected == found { Ok(key) } else { Err(VkeyError::Id { expected, found }) }
    }

    /// The key name: the origin for a log, the witness's name for a witness.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The four bytes that lead each of this key's signatures.
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// What the key signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The public key's encoding, as given to [`VerifierKey::new`].
    pub fn public_key(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// Whether `signature` over `message` is this key's.
    ///
    /// Strict verification of Ed25519: small-order components and non-canonical scalars are refused, so
    /// that a signature cannot be altered into another valid one. ML-DSA is used with an empty context.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            PublicKey::Ed25519(key) => {
                Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
            }
            PublicKey::MlDsa44(key) => mldsa::verifies(key, message, signature),
        }
    }
}

/// `SHA-256(name ‖ 0x0A ‖ kind ‖ public key)[:4]`.
fn key_id(name: &str, kind: KeyKind, public_key: &[u8]) -> [u8; 4] {
    let digest =
        Sha256::new().chain_update(name).chain_update([b'\n', kind.byte()]).chain_update(public_key).finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Key names are non-empty and have neither Unicode spaces nor plus signs (C2SP signed-note).
pub(crate) fn check_name(name: &str) -> Result<(), VkeyError> {
    let refused = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(refused) {
        return Err(VkeyError::Name { found: name.chars().take(128).collect() });
    }
    Ok(())
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.kind.byte()];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id), STANDARD.encode(bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl FromStr for VerifierKey {
    type Err = VkeyError;

    fn from_str(text: &str) -> Result<Self, VkeyError> {
        Self::parse(text)
    }
}
