//! One enrolled device: whose it is, its key, its certificate, and what is needed to renew it. And what a person has for
//! mail, which is the same with another key.

use std::marker::PhantomData;
use std::path::PathBuf;

use identity::Identifier;
use identity::certificate::Certificate;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::keys::{AccountKey, DeviceKey};
use crate::mail_key::MailKey;

/// A device that holds a certificate for a person, with its keys opened. Read by [`Home::device`](crate::Home::device).
pub type Device = Holder<DeviceKey>;
/// A certificate for mail and its key, opened. Read by [`Home::mailbox`](crate::Home::mailbox).
pub type Mailbox = Holder<MailKey>;

/// A certificate of one's own with its keys opened: of this device, or for mail.
///
/// The chain is what was stored after verification; it may have expired since, or its authority may no longer be
/// trusted. Whoever relies on it verifies it again.
#[derive(Debug, Clone)]
pub struct Holder<K> {
    /// Whom the certificate names.
    pub identifier: Identifier,
    /// Leaf first, then the issuing certificate. Never empty.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key in the leaf.
    pub key: K,
    /// The key of the ACME account that proved control of the identifier.
    pub account: AccountKey,
    /// Where and how it was enrolled.
    pub enrolment: Enrolment,
}

impl Device {
    /// The same device as the folder has it by now: its certificate may have been renewed meanwhile, by whichever program. None if
    /// it is another one, with another key.
    pub fn now(&self, folder: LockedDevice) -> Option<Self> {
        let same = folder.public_key().is_some_and(|key| key == self.key.public_key());
        let LockedDevice { identifier, chain, enrolment, .. } = folder;
        same.then(|| Self { identifier, chain, enrolment, key: self.key.clone(), account: self.account.clone() })
    }
}

/// A device whose keys are closed.
pub type LockedDevice = Locked<DeviceKey>;
/// A certificate for mail whose keys are closed.
pub type LockedMailbox = Locked<MailKey>;

/// A certificate of one's own whose keys are closed: what can be said of it without a passphrase, a keyring or a token.
/// [`Home::unlock`](crate::Home::unlock) opens it.
#[derive(Debug, Clone)]
pub struct Locked<K> {
    /// Whom the certificate names.
    pub identifier: Identifier,
    /// Leaf first, then the issuing certificate. Never empty.
    pub chain: Vec<CertificateDer<'static>>,
    /// Where and how it was enrolled.
    pub enrolment: Enrolment,
    pub(crate) folder: PathBuf,
    pub(crate) key: PhantomData<K>,
}

impl<K> Locked<K> {
    /// Where the chain lies: PEM, leaf first.
    pub fn chain_path(&self) -> PathBuf {
        self.folder.join(crate::home::CHAIN)
    }

    /// The public key in the leaf, which is not verified here; none if it does not parse.
    pub fn public_key(&self) -> Option<Vec<u8>> {
        public_key_in(&self.chain)
    }
}

/// The public key in the leaf of a chain, which is not verified; none if it does not parse.
pub(crate) fn public_key_in(chain: &[CertificateDer<'static>]) -> Option<Vec<u8>> {
    let leaf = Certificate::parse(chain.first()?).ok()?;
    Some(leaf.tbs().spki().subject_public_key.raw_bytes().to_vec())
}

/// The record `enrolment.toml`: everything about an enrolment that opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// Whom it is for.
    pub identifier: Identifier,
    /// Name of the authority in the trust policy.
    pub authority: String,
    /// URL of the authority's ACME directory object (RFC 8555 section 7.1.1).
    pub acme: String,
    /// Fingerprint of the genesis trust policy that lists the authority, 64 hex digits.
    pub policy: String,
    /// Account URL, once the account exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// An order that is under way: running the enrolment again goes on with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_order: Option<String>,
    /// From what the moments of renewals are drawn.
    #[serde(default)]
    pub renewal_seed: RenewalSeed,
    /// Its owner has revoked the certificate, with this device: its key gets no other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

/// 32 random bytes that nobody else knows, so that nobody can tell beforehand when this device renews.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RenewalSeed(pub(crate) [u8; 32]);

impl TryFrom<String> for RenewalSeed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut seed = Self::default();
        hex::decode_to_slice(&text, &mut seed.0).map_err(|error| format!("expected 64 hex digits: {error}"))?;
        Ok(seed)
    }
}

impl From<RenewalSeed> for String {
    fn from(seed: RenewalSeed) -> Self {
        hex::encode(seed.0)
    }
}

impl std::fmt::Debug for RenewalSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RenewalSeed(…)")
    }
}

impl RenewalSeed {
    /// From the operating system's randomness.
    ///
    /// # Errors
    /// There is none.
    pub fn generate() -> Result<Self, crate::KeyError> {
        let mut seed = Self::default();
        getrandom::fill(&mut seed.0).map_err(crate::KeyError::Random)?;
        Ok(seed)
    }
}
