//! Second stage: the plan is what its profile says. Now it may be committed to.

use identity::UnixTime;
use identity::plan::Finding;
use identity::transparency::commitment;
use thiserror::Error;

use super::planned::{Place, Planned};
use crate::store::{Authority, CertificateRecord, CertificateState, Subject};

/// What the lints found. A plan of ours that does not lint is a fault of this program.
#[derive(Debug, Error)]
#[error("the certificate is not what its profile says: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct LintError(Vec<Finding>);

impl LintError {
    pub(super) fn of(findings: Vec<Finding>) -> Result<(), Self> {
        if findings.is_empty() { Ok(()) } else { Err(Self(findings)) }
    }
}

/// A plan without a finding, and the log entry that commits to it.
#[derive(Debug)]
pub struct Linted {
    pub(super) planned: Planned,
    /// DER of the TBSCertificate without transparency extension: what was linted, and what the entry commits to.
    pub(super) tbs_der: Vec<u8>,
    entry: Vec<u8>,
}

impl Linted {
    pub(super) fn new(planned: Planned) -> Self {
        let tbs_der = planned.tbs.encode();
        let entry = planned.entry(commitment(&planned.opening, &tbs_der));
        Self { planned, tbs_der, entry }
    }

    /// The entry to be logged. The same plan has the same entry, however often it is submitted.
    #[must_use]
    pub fn entry(&self) -> &[u8] {
        &self.entry
    }

    /// First second of validity.
    #[must_use]
    pub fn not_before(&self) -> UnixTime {
        self.planned.tbs.not_before()
    }

    /// Everything that must be stored before the log is asked.
    #[must_use]
    pub fn record(&self, account: Option<String>, order: Option<String>) -> CertificateRecord {
        let planned = &self.planned;
        let (authority, subject) = match &planned.place {
            Place::Person { identifier, slot, vrf_proof, .. } => {
                let (identifier, vrf_proof) = (identifier.clone(), *vrf_proof.as_bytes());
                (Authority::People, Subject::Person { identifier, slot: *slot, vrf_proof })
            }
            Place::Service { name } => (Authority::Services, Subject::Service { name: name.clone() }),
        };
        CertificateRecord {
            serial: planned.serial,
            revision: 0,
            authority,
            profile: planned.profile.name().into(),
            account,
            order,
            subject,
            period: planned.period,
            opening: *planned.opening.as_bytes(),
            tbs: self.tbs_der.clone(),
            not_before: planned.tbs.not_before().as_secs(),
            not_after: planned.tbs.not_after().as_secs(),
            state: CertificateState::Planned,
            revoked: None,
            announce: false,
        }
    }
}
