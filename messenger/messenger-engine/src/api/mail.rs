//! Other people's certificates for mail.

use identity::Identifier;
use identity::trust::Fingerprint;
use serde::{Deserialize, Serialize};

/// A certificate for mail that somebody's device told, verified: hers, by the authority that certified that device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailCertificate {
    /// Whose.
    pub who: Identifier,
    /// SHA-256 of the SubjectPublicKeyInfo of the key of the device that told it.
    pub device: Fingerprint,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// Since when it counts, in seconds since 1970.
    pub not_before: u64,
    /// Until when.
    pub not_after: u64,
    /// The chain, leaf first.
    pub chain: Vec<Der>,
}

/// A certificate in DER; in JSON hexadecimal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Der(pub Vec<u8>);

impl From<Vec<u8>> for Der {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl TryFrom<String> for Der {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        hex::decode(text).map(Self).map_err(|error| format!("expected a certificate in hexadecimal: {error}"))
    }
}

impl From<Der> for String {
    fn from(der: Der) -> Self {
        hex::encode(der.0)
    }
}

impl std::fmt::Debug for Der {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Der({} bytes)", self.0.len())
    }
}

/// Why somebody's certificate for mail did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoMail {
    /// There is no connection to her.
    Unreachable,
    /// Her device has none, or tells none, or is of a version that knows nothing of it.
    NotTold,
    /// What it told does not count.
    Refused,
}

impl NoMail {
    /// What to try.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Unreachable => "again when they are online: it comes from their device and from nowhere else",
            Self::NotTold => {
                "they get one with `certtool enroll --for mail`; their messenger then tells it, if it is new enough"
            }
            Self::Refused => "ask them to renew it, `certtool renew --for mail`, and try again",
        }
    }
}
