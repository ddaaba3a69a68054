//! Identifiers of calls, rooms and transfers: 16 random bytes, written as 32 lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is no identifier of a call, a room or a transfer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 lower-case hexadecimal digits, found {found} characters{hint}")]
pub struct IdError {
    found: usize,
    hint: &'static str,
}

fn parse(text: &str) -> Result<[u8; 16], IdError> {
    let found = text.chars().count();
    if text.len() != 32 {
        return Err(IdError { found, hint: "" });
    }
    if !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(IdError { found, hint: ", not all of them such digits" });
    }
    let mut bytes = [0; 16];
    hex::decode_to_slice(text, &mut bytes).expect("32 hexadecimal digits are 16 bytes");
    Ok(bytes)
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hex_id!(
    /// One introduction: drawn at random by the caller's engine, known to the directory and both devices.
    CallId
);
hex_id!(
    /// One room: drawn at random by its creator; the MLS group identifier (RFC 9420 section 8.1).
    RoomId
);
hex_id!(
    /// One file or folder on its way to one device: drawn at random by the engine of who offers it, known to both.
    TransferId
);
