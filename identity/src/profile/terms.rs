//! The words of which profiles are made.

use const_oid::ObjectIdentifier;
use serde::Deserialize;

use crate::{identifier::IdentifierKind, oid};

/// What a certificate of a profile names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// A person by her e-mail address.
    Email,
    /// A person by her phone number.
    Phone,
    /// A service by its DNS name.
    Dns,
}

impl SubjectKind {
    /// The kind of identifier, where the subject is a person.
    pub fn identifier_kind(self) -> Option<IdentifierKind> {
        match self {
            Self::Email => Some(IdentifierKind::Email),
            Self::Phone => Some(IdentifierKind::Phone),
            Self::Dns => None,
        }
    }
}

/// An algorithm of a certified key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum KeyAlgorithm {
    /// RFC 8410.
    Ed25519,
    /// RFC 5480, curve secp256r1.
    #[serde(rename = "P-256")]
    P256,
    /// RFC 8017, `rsaEncryption` (RFC 3279 section 2.3.1), with a modulus of at least 3072 bits.
    #[serde(rename = "RSA-3072")]
    Rsa,
}

impl KeyAlgorithm {
    /// The name in profiles and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::P256 => "P-256",
            Self::Rsa => "RSA-3072",
        }
    }

    /// What a key of this algorithm can do at all.
    pub(super) fn can(self, key_use: KeyUse) -> bool {
        match key_use {
            KeyUse::DigitalSignature => true,
            // RFC 5480 section 3.
            KeyUse::KeyAgreement => self == Self::P256,
            // RFC 3279 section 2.3.1.
            KeyUse::KeyEncipherment => self == Self::Rsa,
        }
    }
}

/// What a certified key may do at the level of the algorithm (RFC 5280 section 4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyUse {
    /// Sign challenges and mails: TLS, MLS, CMS.
    DigitalSignature,
    /// Take part in a Diffie-Hellman exchange: mail encrypted to an EC key (RFC 5753).
    KeyAgreement,
    /// Decrypt a key: mail encrypted to an RSA key.
    KeyEncipherment,
}

/// What a certified key is for (RFC 5280 section 4.2.1.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// TLS client.
    ClientAuth,
    /// TLS server.
    ServerAuth,
    /// S/MIME.
    EmailProtection,
    /// A person in live conversation: [`oid::LIVE_PERSON`].
    LivePerson,
}

impl Purpose {
    /// Its object identifier.
    pub fn oid(self) -> ObjectIdentifier {
        match self {
            Self::ClientAuth => oid::CLIENT_AUTH,
            Self::ServerAuth => oid::SERVER_AUTH,
            Self::EmailProtection => oid::EMAIL_PROTECTION,
            Self::LivePerson => oid::LIVE_PERSON,
        }
    }
}
