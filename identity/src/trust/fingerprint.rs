//! The fingerprint by which a person pins a trust policy.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// SHA-256 of a policy's canonical bytes. Shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// Not a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a fingerprint of 64 hexadecimal digits, found {found}")]
pub struct FingerprintError {
    /// What was found instead.
    pub found: String,
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Takes what people copy and read aloud: upper or lower case, with spaces, line breaks or colons.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > 512 {
            return Err(FingerprintError { found: format!("{} characters", text.len()) });
        }
        let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
        let mut bytes = [0; 32];
        match hex::decode_to_slice(&digits, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(hex::FromHexError::InvalidHexCharacter { c, .. }) => Err(FingerprintError { found: format!("{c:?}") }),
            Err(_) => Err(FingerprintError { found: format!("{} digits", digits.chars().count()) }),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
