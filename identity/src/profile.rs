//! Certificate profiles: what a certificate of each kind must look like, as data.
//!
//! The files are `policies/profiles/*.toml`; the CA plans by them and the verifier checks by them.

mod terms;

use std::{sync::LazyLock, time::Duration};

use const_oid::ObjectIdentifier;
use serde::Deserialize;

pub use terms::{KeyAlgorithm, KeyUse, Purpose, SubjectKind};

const DAY: u64 = 24 * 60 * 60;

/// One certificate profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    file: File,
    policy: ObjectIdentifier,
    may_assert: Vec<ObjectIdentifier>,
    asserts: bool,
    algorithms: Vec<KeyAlgorithm>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    subject: SubjectKind,
    policy: String,
    #[serde(default)]
    may_assert: Vec<String>,
    lifetime_days: u64,
    max_lifetime_days: u64,
    extended_key_usage: Vec<Purpose>,
    crl_schemes: Vec<String>,
    #[serde(default)]
    issuer_schemes: Vec<String>,
    keys: Vec<Key>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    algorithm: KeyAlgorithm,
    key_usage: Vec<KeyUse>,
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

macro_rules! embedded {
    ($($(#[doc = $doc:literal])+ $name:ident = $file:literal),+ $(,)?) => {
        impl Profile {
            $(
                $(#[doc = $doc])+
                pub fn $name() -> &'static Self {
                    static PROFILE: LazyLock<Profile> = LazyLock::new(|| {
                        let text = include_str!(concat!("../../policies/profiles/", $file));
                        Profile::from_toml(text).expect("the embedded profiles are parsed by a test")
                    });
                    &PROFILE
                }
            )+

            /// Every profile.
            pub fn all() -> [&'static Self; 5] {
                [$(Self::$name()),+]
            }
        }
    };
}

embedded! {
    /// A person's device, by e-mail address.
    device = "device.toml",
    /// A person's device, by phone number.
    phone_device = "phone-device.toml",
    /// A person's mail program: S/MIME and log-ins.
    mail = "mail.toml",
    /// A directory or an HTTPS endpoint.
    service = "service.toml",
    /// A part of an authority that is a client of another part.
    component = "component.toml",
}

impl Profile {
    /// The profile of this name, like `phone-device`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        Self::all().into_iter().find(|profile| profile.name() == name)
    }

    /// The profile with this certificate policy.
    pub fn by_policy(policy: ObjectIdentifier) -> Option<&'static Self> {
        Self::all().into_iter().find(|profile| profile.policy == policy)
    }

    /// What a person can order from an authority now; the first that fits an identifier's kind is the default for it.
    pub fn offered() -> [&'static Self; 3] {
        [Self::device(), Self::phone_device(), Self::mail()]
    }

    /// Reads a profile; unknown fields are refused.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        let file: File = toml::from_str(text)?;
        let value = |expected, found: &dyn ToString| ProfileError::Value { expected, found: found.to_string() };
        let oid = |text: &String| ObjectIdentifier::new(text).map_err(|_| value("a policy OID", text));
        let policy = oid(&file.policy)?;
        let may_assert = file.may_assert.iter().map(oid).collect::<Result<Vec<_>, _>>()?;
        if file.extended_key_usage.is_empty() || file.keys.is_empty() {
            return Err(value("keys and extended_key_usage that are not empty", &"an empty list"));
        }
        let order = 1 <= file.lifetime_days && file.lifetime_days <= file.max_lifetime_days;
        if !order || file.max_lifetime_days > 825 {
            let found = format!("{} and {}", file.lifetime_days, file.max_lifetime_days);
            return Err(value("1 ≤ lifetime_days ≤ max_lifetime_days ≤ 825", &found));
        }
        let mut algorithms = Vec::new();
        for Key { algorithm, key_usage } in &file.keys {
            if algorithms.contains(algorithm) {
                return Err(value("each algorithm once", &algorithm.name()));
            }
            if key_usage.is_empty() || !key_usage.iter().all(|u| algorithm.can(*u)) {
                let found = format!("{key_usage:?} for {}", algorithm.name());
                return Err(value("a key_usage that the algorithm can do", &found));
            }
            algorithms.push(*algorithm);
        }
        let web = |schemes: &[String]| schemes.iter().all(|s| ["http", "https"].contains(&s.as_str()));
        if file.crl_schemes.is_empty() || !web(&file.crl_schemes) || !web(&file.issuer_schemes) {
            let found = format!("{:?} and {:?}", file.crl_schemes, file.issuer_schemes);
            return Err(value("crl_schemes and issuer_schemes of http and https", &found));
        }
        Ok(Self { file, policy, may_assert, asserts: false, algorithms })
    }

    /// The same profile for an authority whose operator asserts compliance with the CA/Browser Forum's requirements:
    /// its certificates carry [`may_assert`](Self::may_assert) behind the policy of ours.
    pub fn asserting(&self) -> Self {
        Self { asserts: true, ..self.clone() }
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

    /// The policies of others that may stand behind [`policy`](Self::policy): all of them, in this order, or none.
    pub fn may_assert(&self) -> &[ObjectIdentifier] {
        &self.may_assert
    }

    /// The certificate policies as they are written.
    pub(crate) fn written_policies(&self) -> Vec<ObjectIdentifier> {
        let asserted = if self.asserts { &*self.may_assert } else { &[] };
        [&[self.policy], asserted].concat()
    }

    /// The key algorithms it allows; the first is the default.
    pub fn keys(&self) -> &[KeyAlgorithm] {
        &self.algorithms
    }

    /// How long a certificate lasts unless configured otherwise.
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.file.lifetime_days * DAY)
    }

    /// The longest lifetime a verifier tolerates.
    pub fn max_lifetime(&self) -> Duration {
        Duration::from_secs(self.file.max_lifetime_days * DAY)
    }

    /// What a key of this algorithm may do; nothing, if the profile does not allow it.
    pub fn key_usage(&self, algorithm: KeyAlgorithm) -> &[KeyUse] {
        self.file.keys.iter().find(|key| key.algorithm == algorithm).map_or(&[], |key| &key.key_usage)
    }

    /// What the key is for.
    pub fn extended_key_usage(&self) -> &[Purpose] {
        &self.file.extended_key_usage
    }

    /// Whether its certificates speak for people in live conversation; those of `mail` do not.
    pub fn is_live(&self) -> bool {
        self.file.extended_key_usage.contains(&Purpose::LivePerson)
    }

    /// The URL schemes under which a revocation list may lie.
    pub fn crl_schemes(&self) -> &[String] {
        &self.file.crl_schemes
    }

    /// The URL schemes under which the issuing certificate may lie; none, if the profile's certificates do not say where
    /// it is.
    pub fn issuer_schemes(&self) -> &[String] {
        &self.file.issuer_schemes
    }
}

#[cfg(test)]
mod tests;
