//! People by mail: the certificates of their mail programs.

use std::ops::Deref;

use rustls_pki_types::UnixTime;

use super::{
    VerifyError,
    certified::{Certified, Use, certify},
};
use crate::{CertificateDer, oid, trust::Trust};

/// The owner of a mailbox, as proven by a certificate of the profile `mail` that keeps every rule. Only [`verify_mail`]
/// makes one. Its key signs mails, decrypts them and logs in; it never speaks for the person in live conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedMailbox {
    certified: Certified,
    key: Vec<u8>,
}

pub(super) const MAIL: Use = Use {
    purposes: &[oid::EMAIL_PROTECTION, oid::CLIENT_AUTH],
    fits: |profile| profile.policy() == oid::POLICY_MAIL,
    expected: "the policy of the profile mail",
};

/// Verifies the chain of a mail certificate, leaf first. The issuing certificates of the trust policy need not be in it.
pub fn verify_mail(chain: &[CertificateDer], trust: &Trust, now: UnixTime) -> Result<VerifiedMailbox, VerifyError> {
    let (certified, leaf) = certify(chain, &MAIL, trust, now)?;
    Ok(VerifiedMailbox { certified, key: leaf.tbs().spki_der() })
}

impl VerifiedMailbox {
    /// Her mail program's key: a SubjectPublicKeyInfo in DER, P-256, RSA or Ed25519.
    pub fn key(&self) -> &[u8] {
        &self.key
    }
}

/// Who she is, and how it is proven.
impl Deref for VerifiedMailbox {
    type Target = Certified;

    fn deref(&self) -> &Certified {
        &self.certified
    }
}
