//! Certificate profiles: what a certificate of each kind must look like, as data.
//!
//! The files are `policies/profiles/*.toml`; the CA plans by them and the verifier checks by them.

use std::{sync::LazyLock, time::Duration};

use const_oid::ObjectIdentifier;
use serde::Deserialize;

use crate::{identifier::IdentifierKind, oid};

const DAY: u64 = 24 * 60 * 60;

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
}

impl KeyAlgorithm {
    /// The name in profiles and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::P256 => "P-256",
        }
    }
}

/// What a certified key may do at the level of the signature algorithm (RFC 5280 section 4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyUse {
    /// Sign challenges: TLS, MLS.
    DigitalSignature,
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

/// One certificate profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    file: File,
    policy: ObjectIdentifier,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    subject: SubjectKind,
    policy: String,
    keys: Vec<KeyAlgorithm>,
    lifetime_days: u64,
    max_lifetime_days: u64,
    key_usage: Vec<KeyUse>,
    extended_key_usage: Vec<Purpose>,
}

/// Why a profile file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Not TOML, a field missing, or one too many.
    #[error("expected a certificate profile, found: {0}")]
    Syntax(#[from] toml::de::Error),
    /// Well formed, but contradictory.
    #[error("expected {expected}, found {found}")]
    Value {
        /// What is allowed.
        expected: &'static str,
        /// What the file says.
        found: String,
    },
}

static DEVICE: LazyLock<Profile> = LazyLock::new(|| embedded(include_str!("../../policies/profiles/device.toml")));
static PHONE_DEVICE: LazyLock<Profile> =
    LazyLock::new(|| embedded(include_str!("../../policies/profiles/phone-device.toml")));
static SERVICE: LazyLock<Profile> = LazyLock::new(|| embedded(include_str!("../../policies/profiles/service.toml")));

fn embedded(text: &str) -> Profile {
    Profile::from_toml(text).expect("the embedded profiles are parsed by a test")
}

impl Profile {
    /// A person's device, by e-mail address.
    pub fn device() -> &'static Self {
        &DEVICE
    }

    /// A person's device, by phone number.
    pub fn phone_device() -> &'static Self {
        &PHONE_DEVICE
    }

    /// A directory or an HTTPS endpoint.
    pub fn service() -> &'static Self {
        &SERVICE
    }

    /// Every profile.
    pub fn all() -> [&'static Self; 3] {
        [Self::device(), Self::phone_device(), Self::service()]
    }

    /// The profile of this name, like `phone-device`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::all().into_iter().find(|profile| profile.name() == name)
    }

    /// The profile with this certificate policy.
    pub fn by_policy(policy: ObjectIdentifier) -> Option<&'static Self> {
        Self::all().into_iter().find(|profile| profile.policy == policy)
    }

    /// Reads a profile; unknown fields are refused.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        let file: File = toml::from_str(text)?;
        let value = |expected, found: &dyn ToString| ProfileError::Value { expected, found: found.to_string() };
        let policy = ObjectIdentifier::new(&file.policy).map_err(|_| value("a policy OID", &file.policy))?;
        if file.keys.is_empty() || file.extended_key_usage.is_empty() || file.key_usage.is_empty() {
            return Err(value("keys, key_usage and extended_key_usage that are not empty", &"an empty list"));
        }
        let order = 1 <= file.lifetime_days && file.lifetime_days <= file.max_lifetime_days;
        if !order || file.max_lifetime_days > 825 {
            let found = format!("{} and {}", file.lifetime_days, file.max_lifetime_days);
            return Err(value("1 ≤ lifetime_days ≤ max_lifetime_days ≤ 825", &found));
        }
        Ok(Self { file, policy })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// What its certificates name.
    pub fn subject(&self) -> SubjectKind {
        self.file.subject
    }

    /// The certificate policy that marks it.
    pub fn policy(&self) -> ObjectIdentifier {
        self.policy
    }

    /// The key algorithms it allows.
    pub fn keys(&self) -> &[KeyAlgorithm] {
        &self.file.keys
    }

    /// How long a certificate lasts unless configured otherwise.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.file.lifetime_days * DAY)
    }

    /// The longest lifetime a verifier tolerates.
    pub fn max_lifetime(&self) -> Duration {
        Duration::from_secs(self.file.max_lifetime_days * DAY)
    }

    /// What the key may do.
    pub fn key_usage(&self) -> &[KeyUse] {
        &self.file.key_usage
    }

    /// What the key is for.
    pub fn extended_key_usage(&self) -> &[Purpose] {
        &self.file.extended_key_usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_profiles_are_found_by_name_and_policy() {
        for profile in Profile::all() {
            assert_eq!(Profile::by_name(profile.name()), Some(profile));
            assert_eq!(Profile::by_policy(profile.policy()), Some(profile));
        }
        assert_eq!(Profile::device().policy(), oid::POLICY_DEVICE);
        assert_eq!(Profile::phone_device().policy(), oid::POLICY_PHONE_DEVICE);
        assert_eq!(Profile::service().policy(), oid::POLICY_SERVICE);
        assert_eq!(Profile::device().lifetime(), Duration::from_secs(14 * DAY));
        assert_eq!(Profile::by_name("Device"), None);
    }

    #[test]
    fn unknown_fields_and_contradictions_are_refused() {
        let text = include_str!("../../policies/profiles/device.toml");
        assert!(Profile::from_toml(&format!("{text}\nextra = 1")).is_err());
        assert!(Profile::from_toml(&text.replace("14", "31")).is_err());
        assert!(Profile::from_toml(&text.replace("[\"Ed25519\"]", "[]")).is_err());
        assert!(Profile::from_toml(&text.replace("Ed25519", "Ed448")).is_err());
    }
}
