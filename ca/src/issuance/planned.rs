//! First stage: what the certificate is to say, and where its label stands.

use identity::certificate::{Certificate, CertificateError, Tbs};
use identity::plan::{self, ComponentPlan, PersonPlan, PlanError, ServicePlan};
use identity::profile::Profile;
use identity::transparency::{
    LabelInput, Opening, SLOTS, VrfError, VrfProof, VrfPublicKey, period_of, service_name_digest,
};
use identity::{Identifier, UnixTime};
use thiserror::Error;
use tlog_proof::Entry;

use super::linted::{LintError, Linted};
use crate::proven::Proven;
use crate::store::{CertificateRecord, Serial, Subject};

/// What goes into a person's certificate.
pub struct PersonInput<'a> {
    /// The profile, whose default lifetime is taken.
    pub profile: &'a Profile,
    /// Whom it names.
    pub proven: &'a Proven,
    /// DER of the SubjectPublicKeyInfo.
    pub spki_der: &'a [u8],
    /// Random.
    pub serial: Serial,
    /// 32 random bytes.
    pub opening: [u8; 32],
    /// Random among the unused ones of the identifier in this period.
    pub slot: u8,
    /// Becomes notBefore.
    pub now: UnixTime,
    /// The issuing certificate.
    pub issuer: &'a Certificate,
    /// Where the issuer's revocation list is.
    pub crl_url: &'a str,
    /// Where the issuing certificate is, for a profile that says it.
    pub issuer_url: Option<&'a str>,
    /// The label of identifier, period of `now` and slot in the log, and its proof.
    pub label: ([u8; 32], VrfProof),
}

/// What goes into the certificate of a service or a component.
pub struct ServiceInput<'a> {
    /// [`Profile::service`] or [`Profile::component`], whose default lifetime is taken.
    pub profile: &'a Profile,
    /// Its DNS name, canonical.
    pub name: &'a str,
    /// DER of the SubjectPublicKeyInfo.
    pub spki_der: &'a [u8],
    /// Random.
    pub serial: Serial,
    /// 32 random bytes.
    pub opening: [u8; 32],
    /// Becomes notBefore.
    pub now: UnixTime,
    /// The issuing certificate.
    pub issuer: &'a Certificate,
    /// Where the issuer's revocation list is.
    pub crl_url: &'a str,
}

/// Where a certificate's entry stands under which name.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// Under a label.
    Person { identifier: Identifier, slot: u8, vrf_proof: VrfProof, label: [u8; 32] },
    /// Under the digest of a DNS name.
    Service { name: String },
}

/// A certificate that was thought of.
#[derive(Debug)]
pub struct Planned {
    pub(super) profile: Profile,
    pub(super) tbs: Tbs,
    pub(super) serial: Serial,
    pub(super) opening: Opening,
    pub(super) period: u32,
    pub(super) place: Place,
}

/// Why a stored plan cannot be taken up again. It means that the store was altered, or is another authority's.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// The stored certificate does not decode.
    #[error("the stored plan: {0}")]
    Tbs(#[from] CertificateError),
    /// The stored label proof is not one for the stored place.
    #[error("the stored label: {0}")]
    Label(#[from] VrfError),
    /// There is no such profile.
    #[error("expected a known profile, found {0}")]
    Profile(String),
}

impl Planned {
    /// Plans a person's certificate under its label.
    pub fn person(input: &PersonInput<'_>) -> Result<Self, PlanError> {
        if input.slot >= SLOTS {
            return Err(PlanError::Bound {
                field: "slot",
                expected: format!("below {SLOTS}"),
                found: input.slot.to_string(),
            });
        }
        let identifier = input.proven.identifier();
        let tbs = PersonPlan {
            profile: input.profile,
            identifier,
            spki_der: input.spki_der,
            serial: input.serial.0,
            not_before: input.now,
            lifetime: input.profile.lifetime(),
            issuer: input.issuer,
            crl_url: input.crl_url,
            issuer_url: input.issuer_url,
        }
        .tbs()?;
        let period = period_of(input.now);
        let (label, vrf_proof) = input.label;
        let place = Place::Person { identifier: identifier.clone(), slot: input.slot, vrf_proof, label };
        Ok(Self {
            profile: input.profile.clone(),
            tbs,
            serial: input.serial,
            opening: Opening::new(input.opening),
            period,
            place,
        })
    }

    /// Plans the certificate of a service or a component.
    pub fn service(input: &ServiceInput<'_>) -> Result<Self, PlanError> {
        let profile = input.profile;
        let plan = ServicePlan {
            name: input.name,
            spki_der: input.spki_der,
            serial: input.serial.0,
            not_before: input.now,
            lifetime: profile.lifetime(),
            issuer: input.issuer,
            crl_url: input.crl_url,
        };
        let tbs = if profile == Profile::component() { ComponentPlan(plan).tbs()? } else { plan.tbs()? };
        let place = Place::Service { name: input.name.into() };
        let period = period_of(input.now);
        Ok(Self {
            profile: profile.clone(),
            tbs,
            serial: input.serial,
            opening: Opening::new(input.opening),
            period,
            place,
        })
    }

    /// Takes up a stored plan. The label is the stored one, checked under the public key.
    pub fn restore(record: &CertificateRecord, origin: &str, vrf: &VrfPublicKey) -> Result<Self, RestoreError> {
        let profile = Profile::by_name(&record.profile).ok_or_else(|| RestoreError::Profile(record.profile.clone()))?;
        let place = match &record.subject {
            Subject::Person { identifier, slot, vrf_proof } => {
                let vrf_proof = VrfProof::from_bytes(*vrf_proof);
                let label =
                    vrf.verify(&LabelInput { origin, identifier, period: record.period, slot: *slot }, &vrf_proof)?;
                Place::Person { identifier: identifier.clone(), slot: *slot, vrf_proof, label }
            }
            Subject::Service { name } => Place::Service { name: name.clone() },
        };
        let tbs = Tbs::decode(&record.tbs)?;
        let opening = Opening::new(record.opening);
        Ok(Self { profile: profile.clone(), tbs, serial: record.serial, opening, period: record.period, place })
    }

    /// Lets the profile's lints look at it.
    pub fn lint(self) -> Result<Linted, LintError> {
        LintError::of(plan::lint(&self.tbs, &self.profile))?;
        Ok(Linted::new(self))
    }

    /// The log entry for a commitment to this plan.
    pub(super) fn entry(&self, commitment: [u8; 32]) -> Vec<u8> {
        match &self.place {
            Place::Person { label, .. } => Entry::Certificate { label: *label, commitment },
            Place::Service { name } => Entry::Service { name_digest: service_name_digest(name), commitment },
        }
        .encode()
    }
}
