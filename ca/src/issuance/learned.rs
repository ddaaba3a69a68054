//! A certificate that the books do not know, as they were restored from before it: whatever they held, but who ordered it,
//! stands in the certificate itself. What this authority's key has signed it owns up to, and can revoke.

use identity::Identifier;
use identity::certificate::{Certificate, SignatureAlgorithm, SubjectName};
use identity::profile::Profile;
use identity::transparency::{TransparencyExtension, VrfPublicKey};
use thiserror::Error;

use super::issued::{SignError, verify};
use super::linted::LintError;
use super::planned::{Planned, RestoreError};
use crate::store::{Authority, CertificateRecord, CertificateState, Serial, Subject};

/// Why a certificate is none of this authority's.
#[derive(Debug, Error)]
pub enum LearnError {
    /// It is not as this authority makes them.
    #[error("expected {0}")]
    Form(&'static str),
    /// It was signed by somebody else.
    #[error(transparent)]
    Signature(#[from] SignError),
    /// It does not stand under the label that it says.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// It is not what its profile says.
    #[error(transparent)]
    Lint(#[from] LintError),
}

/// Where a certificate says that its entry stands.
pub fn origin_of(certificate: &Certificate) -> Option<String> {
    extension(certificate).map(|extension| extension.origin)
}

/// The record of a person's certificate that `issuer` has signed, under a label of the log with this label key.
///
/// # Errors
/// [`LearnError`]: then it is nothing that this authority has made.
pub fn learn(
    certificate: &Certificate,
    der: &[u8],
    issuer: &Certificate,
    vrf: &VrfPublicKey,
) -> Result<CertificateRecord, LearnError> {
    let tbs = certificate.tbs();
    let algorithm = SignatureAlgorithm::for_issuer(issuer.tbs().spki()).map_err(|_| SignError::Signature)?;
    verify(certificate, issuer, algorithm)?;
    let extension = extension(certificate).ok_or(LearnError::Form("a transparency proof, found none"))?;
    let vrf_proof = extension.vrf_proof.ok_or(LearnError::Form("the proof of a label, found none"))?;
    let profile = tbs.policies().into_iter().find_map(Profile::by_policy);
    let profile = profile.ok_or(LearnError::Form("the policy of a profile, found none"))?;
    let serial = tbs.serial().try_into().map_err(|_| LearnError::Form("a serial number of 16 bytes"))?;
    let record = CertificateRecord {
        serial: Serial(serial),
        revision: 0,
        authority: Authority::People,
        profile: profile.name().to_owned(),
        account: None,
        order: None,
        subject: Subject::Person {
            identifier: identifier(certificate).ok_or(LearnError::Form("one canonical name of a person"))?,
            slot: extension.slot,
            vrf_proof: *vrf_proof.as_bytes(),
        },
        period: extension.period,
        opening: *extension.opening.as_bytes(),
        tbs: tbs.without_transparency().encode(),
        not_before: tbs.not_before().as_secs(),
        not_after: tbs.not_after().as_secs(),
        state: CertificateState::Issued { index: extension.index, certificate: der.to_vec() },
        revoked: None,
        announce: false,
    };
    // Through the same gates as what is taken up after a crash.
    Planned::restore(&record, &extension.origin, vrf)?.lint()?;
    Ok(record)
}

fn extension(certificate: &Certificate) -> Option<TransparencyExtension> {
    certificate.tbs().transparency().ok().flatten()
}

fn identifier(certificate: &Certificate) -> Option<Identifier> {
    let names = certificate.tbs().subject_names();
    let [SubjectName::Email(text) | SubjectName::InternationalEmail(text) | SubjectName::Phone(text)] = &*names else {
        return None;
    };
    Identifier::from_canonical(text).ok()
}
