//! Identifiers: an e-mail address or a phone number, in the one spelling that counts.
//!
//! A certificate is found in the log by a label computed from its identifier; a second spelling of the same address
//! would have a second label, and its owner would never look there. So there is one function that makes the canonical
//! form, [`Identifier::parse`], and whatever stands in a certificate must already be its result
//! ([`Identifier::from_canonical`]).

mod domain;
mod email;
mod lookalike;
mod phone;

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use domain::{DomainError, canonical_dns_name};
pub use lookalike::Lookalike;
pub use phone::{Line, Numbering};

/// No identifier, in any spelling, is longer than this (octets). RFC 5321 section 4.5.3.1.3 allows 256 with the angle
/// brackets, hence 254.
pub const MAX_IDENTIFIER_BYTES: usize = 254;

/// What kind of address an identifier is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdentifierKind {
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
}

impl IdentifierKind {
    /// The byte that stands for this kind in a [label](crate::transparency::LabelInput): 1 e-mail, 2 phone.
    pub const fn code(self) -> u8 {
        match self {
            Self::Email => 1,
            Self::Phone => 2,
        }
    }

    /// `email` or `phone`, as in trust policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

impl fmt::Display for IdentifierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A canonical e-mail address (`alice@example.org`) or phone number (`+14155550123`).
///
/// Equal identifiers are equal strings. Serialises as that string, and deserialises only from the canonical spelling.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier {
    /// Shared: identifiers are handed on far more often than they are made.
    text: Arc<str>,
    kind: IdentifierKind,
}

/// Why a text is no identifier, or is one in another spelling than the canonical one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentifierError {
    /// Neither an `@` nor a leading `+`.
    #[error("expected an e-mail address or a phone number that starts with +, found {found:?}")]
    Neither {
        /// The text, shortened.
        found: String,
    },
    /// Longer than [`MAX_IDENTIFIER_BYTES`].
    #[error("expected at most {MAX_IDENTIFIER_BYTES} octets, found {found}")]
    TooLong {
        /// Octets found.
        found: usize,
    },
    /// The part before the `@` is not a dot-separated sequence of permitted characters.
    #[error("the part before the @: expected {expected}, found {found:?}")]
    LocalPart {
        /// What the grammar asks for.
        expected: &'static str,
        /// The offending text, shortened.
        found: String,
    },
    /// The part after the `@` is not a domain name.
    #[error("the part after the @: {0}")]
    Domain(#[from] DomainError),
    /// Not a phone number that exists in any numbering plan.
    #[error("expected a phone number with its country code, like +14155550123; {reason}, found {found:?}")]
    Phone {
        /// What was wrong.
        reason: &'static str,
        /// The text, shortened.
        found: String,
    },
    /// Valid, but in another spelling.
    #[error("expected the canonical spelling {expected:?}, found {found:?}")]
    NotCanonical {
        /// The canonical spelling.
        expected: String,
        /// The spelling found.
        found: String,
    },
}

impl IdentifierError {
    /// What was found in place of an identifier, for a refusal that says itself what it expected.
    pub(crate) fn found(&self) -> String {
        match self {
            Self::NotCanonical { expected, found } => format!("{found:?}, whose canonical spelling is {expected:?}"),
            other => format!("none ({other})"),
        }
    }
}

impl Identifier {
    /// Makes the canonical identifier out of any spelling of it: case, Unicode normalisation, U-labels, a trailing
    /// dot, spaces and hyphens in phone numbers. Applying it twice changes nothing.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        // Bounded before any work; a longer input cannot shrink into a valid one, except for separators in a number.
        if text.len() > MAX_IDENTIFIER_BYTES {
            return Err(IdentifierError::TooLong { found: text.len() });
        }
        let (text, kind) = if text.contains('@') {
            (email::canonical(text)?, IdentifierKind::Email)
        } else if text.starts_with('+') {
            (phone::canonical(text)?, IdentifierKind::Phone)
        } else {
            return Err(IdentifierError::Neither { found: shortened(text) });
        };
        if text.len() > MAX_IDENTIFIER_BYTES {
            return Err(IdentifierError::TooLong { found: text.len() });
        }
        Ok(Self { text: text.into(), kind })
    }

    /// Takes an identifier that must already be in its canonical spelling, as it must be in a certificate.
    pub fn from_canonical(text: &str) -> Result<Self, IdentifierError> {
        if email::is_plain(text) {
            return Ok(Self { text: text.into(), kind: IdentifierKind::Email });
        }
        let identifier = Self::parse(text)?;
        if *identifier.text == *text {
            Ok(identifier)
        } else {
            Err(IdentifierError::NotCanonical { expected: identifier.text.to_string(), found: shortened(text) })
        }
    }

    /// The canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// E-mail address or phone number.
    pub fn kind(&self) -> IdentifierKind {
        self.kind
    }

    /// The domain of an e-mail address, as lower-case A-labels; `None` for a phone number.
    pub fn domain(&self) -> Option<&str> {
        self.split().map(|(_, domain)| domain)
    }

    /// The part before the `@` of an e-mail address; `None` for a phone number.
    pub fn local_part(&self) -> Option<&str> {
        self.split().map(|(local, _)| local)
    }

    /// What the numbering plans say of a phone number; `None` for an e-mail address.
    pub fn numbering(&self) -> Option<Numbering> {
        match self.kind {
            IdentifierKind::Phone => phone::numbering(&self.text),
            IdentifierKind::Email => None,
        }
    }

    fn split(&self) -> Option<(&str, &str)> {
        match self.kind {
            IdentifierKind::Email => self.text.rsplit_once('@'),
            IdentifierKind::Phone => None,
        }
    }
}

impl FromStr for Identifier {
    type Err = IdentifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({})", self.text)
    }
}

impl AsRef<str> for Identifier {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl Serialize for Identifier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Identifier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_canonical(&text).map_err(serde::de::Error::custom)
    }
}

/// At most the first 80 characters, for error messages.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
