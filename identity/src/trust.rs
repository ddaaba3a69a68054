//! Trust: which authorities, logs and witnesses a person relies on.
//!
//! A [`TrustPolicy`] is a document that its [`Fingerprint`] pins. [`Trust`] is what verification needs of one or more of
//! them, decoded and checked once, together with the revocation lists that arrive later.

mod authority;
mod fingerprint;
mod policy;
mod revocation;

use std::sync::RwLock;

use rustls_pki_types::UnixTime;

pub(crate) use authority::{Issuer, TrustedAuthority};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use policy::{Authority, Base64Bytes, DirectoryEntry, MAX_POLICY_BYTES, PolicyError, TrustPolicy};
pub use revocation::{CRL_MAX_AGE, CRL_WARNING_AGE, InstalledCrl, Revocation};

use crate::verify::{VerifiedPerson, VerifyError};

/// What verification needs: built once, shared as `Arc<Trust>`. Only revocation lists change it.
#[derive(Debug)]
pub struct Trust {
    policies: Vec<TrustPolicy>,
    authorities: Vec<TrustedAuthority>,
    lists: RwLock<revocation::Lists>,
}

impl Trust {
    /// Decodes and checks everything in these policies. An empty list is allowed, and trusts nobody.
    pub fn new(policies: Vec<TrustPolicy>) -> Result<Self, PolicyError> {
        let mut authorities = Vec::new();
        for policy in &policies {
            authorities.extend(policy.trusted_authorities()?);
        }
        Ok(Self { policies, authorities, lists: RwLock::default() })
    }

    /// The policies it was built from.
    pub fn policies(&self) -> &[TrustPolicy] {
        &self.policies
    }

    /// Verifies a revocation list and keeps it in place of an older one of the same issuer.
    ///
    /// Refused are lists that are not by an issuing certificate of the policies (REV-04), malformed or partial ones
    /// (REV-03), and such as are from the future, older than the one known (REV-05), or older than seven days (REV-02).
    pub fn install_crl(&self, der: &[u8], now: UnixTime) -> Result<InstalledCrl, VerifyError> {
        let list = revocation::CheckedList::check(der, &self.authorities, now)?;
        let mut lists = self.lists.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        lists.install(list)
    }

    /// What the revocation lists now say about a person verified earlier: for sessions that outlive a list.
    pub fn revocation(&self, person: &VerifiedPerson, now: UnixTime) -> Revocation {
        self.status(person.issuer_key(), person.serial(), now)
    }

    pub(crate) fn status(&self, issuer_key: &[u8; 32], serial: &[u8], now: UnixTime) -> Revocation {
        let lists = self.lists.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        lists.status(issuer_key, serial, now)
    }

    pub(crate) fn authorities(&self) -> &[TrustedAuthority] {
        &self.authorities
    }
}

#[cfg(test)]
mod tests;
