//! The read side: how a stranger's bytes become a person.
//!
//! [`verify_person`] checks every rule of `policies/rules.md` offline, against a [`Trust`] and a time. Either all hold,
//! or the first that does not is named. What a certificate is for is part of its profile, and each use has an entry of its
//! own with a result of its own type: [`verify_person`] for live conversation, [`verify_mail`] for S/MIME and log-ins,
//! [`verify_service`] and [`verify_component`] for machines. None takes what is for another.
//!
//! The path to the root is found and validated by [`path`](crate::path), our own RFC 5280 section 6; here stands what we
//! ask beyond it: key identifiers, the profile, the authority's permissions, the proof from the log, revocation.

mod certified;
mod dated;
mod log;
mod mail;
mod path;
mod person;
mod service;
mod tenure;

use std::{fmt, time::Duration};

use der::DateTime;
use rustls_pki_types::UnixTime;

pub use certified::Certified;
pub use dated::{DatedSigner, MAX_DATE_PROOF_BYTES, SignerKind, UnverifiedDate, VerifiedDate, verify_dated};
pub use mail::{VerifiedMailbox, verify_mail};
pub use person::{VerifiedPerson, verify_person};
pub use service::{
    VerifiedComponent, VerifiedService, Vouchers, verify_component, verify_directory, verify_service,
    verify_service_under,
};
pub use tenure::Tenure;

pub use crate::trust::Revocation;
use crate::{
    CertificateDer, Identifier, MAX_CERTIFICATE_BYTES,
    certificate::Certificate,
    path::PathCertificate,
    plan::Finding,
    rules::Rule,
    trust::{Issued, Trust, TrustedAuthority},
};

/// Which rule is broken, and how.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: expected {expected}, found {found}")]
pub struct VerifyError {
    /// The rule.
    pub rule: Rule,
    /// What it asks for.
    pub expected: String,
    /// What there was instead.
    pub found: String,
    /// Who was claimed to be certified, where that is known to be what is wrong (TRUST-06).
    pub who: Option<Identifier>,
}

impl VerifyError {
    pub(crate) fn new(rule: Rule, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self { rule, expected: expected.to_string(), found: found.to_string(), who: None }
    }

    pub(crate) fn about(self, who: &Identifier) -> Self {
        Self { who: Some(who.clone()), ..self }
    }
}

// rustls shows an error of another crate by its Debug form only: there it must be readable, too.
impl fmt::Debug for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Finding> for VerifyError {
    fn from(finding: Finding) -> Self {
        Self { rule: finding.rule, expected: finding.expected, found: finding.found, who: None }
    }
}

/// A time as people read it.
pub(crate) fn date(time: UnixTime) -> String {
    match DateTime::from_unix_duration(Duration::from_secs(time.as_secs())) {
        Ok(date) => date.to_string(),
        Err(_) => format!("second {}", time.as_secs()),
    }
}

/// CHAIN-01 to CHAIN-03: what can be said of the bytes alone.
fn read_leaf(chain: &[CertificateDer]) -> Result<PathCertificate, VerifyError> {
    let limit = TrustedAuthority::MAX_CHAIN;
    let leaf = match chain {
        [leaf, ..] if chain.len() <= limit => leaf,
        _ => return Err(VerifyError::new(Rule::ChainSize, format_args!("1 to {limit} certificates"), chain.len())),
    };
    if let Some(large) = chain.iter().find(|c| c.len() > MAX_CERTIFICATE_BYTES) {
        let expected = format_args!("certificates of at most {MAX_CERTIFICATE_BYTES} bytes");
        return Err(VerifyError::new(Rule::ChainSize, expected, large.len()));
    }
    let leaf = Certificate::parse(leaf)
        .map_err(|e| VerifyError::new(Rule::ChainEncoding, "an X.509 v3 certificate in strict DER", e.found()))?;
    let (inner, outer) = (leaf.tbs().signature_identifier(), leaf.signature_identifier());
    if inner != outer || leaf.tbs().signature_algorithm().is_none() {
        let expected = "ECDSA with P-256 and SHA-256 or P-384 and SHA-384, inside and outside";
        let found = format_args!("{} inside and {} outside", inner.oid, outer.oid);
        return Err(VerifyError::new(Rule::ChainAlgorithm, expected, found));
    }
    Ok(PathCertificate::new(leaf))
}

/// Tries each authority in turn. Names of authorities may be alike, and one root may stand in several policies: of several
/// errors, the one of the rule that is checked last says the most.
fn with_each_authority<T>(
    trust: &Trust,
    mut attempt: impl FnMut(&TrustedAuthority) -> Result<T, VerifyError>,
) -> Result<T, VerifyError> {
    let mut worst: Option<VerifyError> = None;
    for authority in trust.authorities() {
        match attempt(authority) {
            Ok(verified) => return Ok(verified),
            Err(error) => {
                let says_more = worst.as_ref().is_none_or(|known| known.rule < error.rule);
                if says_more {
                    worst = Some(error);
                }
            }
        }
    }
    Err(worst.unwrap_or_else(|| VerifyError::new(Rule::ChainPath, "a trust policy with an authority", "none")))
}

/// REV-01 and REV-02.
fn check_revocation(trust: &Trust, issued: &Issued<'_>, now: UnixTime) -> Result<Revocation, VerifyError> {
    let status = trust.status(issued);
    match status {
        Revocation::Revoked => {
            let serial = hex::encode(issued.serial);
            let found = format_args!("serial number {serial} in its issuer's revocation list");
            Err(VerifyError::new(Rule::RevocationRevoked, "a certificate that is not revoked", found))
        }
        Revocation::Good { as_of } if status.too_old(now) => {
            let expected = "a revocation list not older than seven days";
            Err(VerifyError::new(Rule::RevocationFresh, expected, format_args!("one of {}", date(as_of))))
        }
        _ => Ok(status),
    }
}

#[cfg(test)]
mod tests;
