//! People in live conversation: the certificates of their devices.

use std::ops::Deref;

use rustls_pki_types::UnixTime;

use super::{
    VerifyError,
    certified::{Certified, Use, certify},
};
use crate::{CertificateDer, certificate::ed25519_key, oid, profile::Profile, rules::Rule, trust::Trust};

/// A person at her device, as proven by a certificate that keeps every rule. Only [`verify_person`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedPerson {
    certified: Certified,
    device_key: [u8; 32],
}

pub(super) const LIVE: Use = Use {
    purposes: &[oid::CLIENT_AUTH, oid::LIVE_PERSON],
    fits: Profile::is_live,
    expected: "the one policy of a person's device",
};

/// Verifies the chain of a person's device, leaf first: a certificate of the profile `device` or `phone-device`. The
/// issuing certificates of the trust policy need not be in it.
pub fn verify_person(chain: &[CertificateDer], trust: &Trust, now: UnixTime) -> Result<VerifiedPerson, VerifyError> {
    let (certified, leaf) = certify(chain, &LIVE, trust, now)?;
    let spki = leaf.tbs().spki();
    let device_key =
        ed25519_key(spki).ok_or_else(|| VerifyError::new(Rule::ProfileKey, "an Ed25519 key", spki.algorithm.oid))?;
    Ok(VerifiedPerson { certified, device_key })
}

impl VerifiedPerson {
    /// Her device's Ed25519 key.
    pub fn device_key(&self) -> &[u8; 32] {
        &self.device_key
    }

    /// The same person at another time: for a cache. Only what depends on the time is checked again.
    pub(crate) fn still(&self, trust: &Trust, now: UnixTime) -> Result<Self, VerifyError> {
        Ok(Self { certified: self.certified.still(trust, now)?, ..*self })
    }
}

/// Who she is, and how it is proven.
impl Deref for VerifiedPerson {
    type Target = Certified;

    fn deref(&self) -> &Certified {
        &self.certified
    }
}
