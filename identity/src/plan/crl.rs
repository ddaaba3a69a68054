//! Revocation lists (RFC 5280 section 5), as they will be signed.

use std::time::Duration;

use const_oid::AssociatedOid;
use der::{
    Encode, Enumerated,
    asn1::{OctetString, Uint},
};
use rustls_pki_types::UnixTime;
use x509_cert::{
    certificate::{Rfc5280, Version},
    crl::{RevokedCert, TbsCertList},
    ext::{
        Extension,
        pkix::{CrlNumber, crl::dp::IssuingDistributionPoint, name::DistributionPointName},
    },
    serial_number::SerialNumber,
};

use super::{PlanError, parts};
use crate::{
    certificate::{Certificate, SignatureAlgorithm, assemble_signed, time},
    oid::extension,
};

/// A revocation list larger than this is refused (bytes): every list stands in the log, which takes none that is larger. It
/// holds some 90,000 serial numbers.
pub const MAX_CRL_BYTES: usize = tlog_proof::MAX_OBJECT_BYTES;

/// CA/B Forum S/MIME BR 7.2: nextUpdate at most ten days after thisUpdate.
const MAX_INTERVAL: Duration = Duration::from_secs(10 * 24 * 60 * 60);

/// Why a certificate was revoked (RFC 5280 section 5.3.1); the values that can happen to a person's device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub enum RevocationReason {
    /// The private key is known to somebody else, or the device is lost.
    KeyCompromise = 1,
    /// The person no longer controls the identifier.
    AffiliationChanged = 3,
    /// A newer certificate takes its place.
    Superseded = 4,
    /// The device is out of use.
    CessationOfOperation = 5,
    /// The authority withdraws what it certified.
    PrivilegeWithdrawn = 9,
}

/// One revoked certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedEntry {
    /// Its serial number, big-endian, positive.
    pub serial: Vec<u8>,
    /// When it was revoked.
    pub time: UnixTime,
    /// Why, if it is said. RFC 5280 section 5.3.1: leave it out rather than say "unspecified".
    pub reason: Option<RevocationReason>,
}

/// A revocation list to be.
#[derive(Clone, Copy, Debug)]
pub struct CrlPlan<'a> {
    /// Whose certificates it is about; it is signed with this certificate's key.
    pub issuer: &'a Certificate,
    /// From when it is.
    pub this_update: UnixTime,
    /// When the next one will be there; at most ten days later.
    pub next_update: UnixTime,
    /// Counts up with every list of this issuer.
    pub number: u64,
    /// What is revoked, each serial number once.
    pub revoked: &'a [RevokedEntry],
    /// Of a partitioned list: the address that the certificates it is about name, to the byte. `None` for a list that is
    /// about all certificates of the issuer.
    pub place: Option<&'a str>,
}

/// The TBSCertList in DER, to be signed with the issuer's key and put together by [`assemble_crl`].
pub fn crl(plan: &CrlPlan<'_>) -> Result<Vec<u8>, PlanError> {
    let interval = plan.next_update.as_secs().checked_sub(plan.this_update.as_secs());
    if !interval.is_some_and(|seconds| (1..=MAX_INTERVAL.as_secs()).contains(&seconds)) {
        return Err(PlanError::Bound {
            field: "nextUpdate",
            expected: "up to ten days after thisUpdate".to_owned(),
            found: format!("{} after {}", plan.next_update.as_secs(), plan.this_update.as_secs()),
        });
    }
    let revoked = plan.revoked.iter().map(revoked).collect::<Result<Vec<_>, _>>()?;
    let list = TbsCertList::<Rfc5280> {
        version: Version::V2,
        signature: SignatureAlgorithm::for_issuer(plan.issuer.tbs().spki())?.identifier(),
        issuer: plan.issuer.tbs().subject().clone(),
        this_update: time(plan.this_update)?,
        next_update: Some(time(plan.next_update)?),
        // RFC 5280 section 5.1.2.6: absent where nothing is revoked.
        revoked_certificates: (!revoked.is_empty()).then_some(revoked),
        crl_extensions: Some(extensions(plan)?),
    };
    let der = list.to_der()?;
    if der.len() + 512 > MAX_CRL_BYTES {
        let (expected, found) = (format!("at most {MAX_CRL_BYTES} bytes"), der.len().to_string());
        return Err(PlanError::Bound { field: "revoked", expected, found });
    }
    Ok(der)
}

fn extensions(plan: &CrlPlan<'_>) -> Result<Vec<Extension>, PlanError> {
    let mut extensions = vec![
        parts::authority_key_id(plan.issuer.tbs().spki())?,
        raw(CrlNumber::OID, &CrlNumber(Uint::try_from(plan.number)?))?,
    ];
    if let Some(place) = plan.place {
        // RFC 5280 section 5.2.5: critical, so that nobody takes a part for the whole.
        let scope = IssuingDistributionPoint {
            distribution_point: Some(DistributionPointName::FullName(vec![parts::list_address(place)?])),
            only_contains_user_certs: false,
            only_contains_ca_certs: false,
            only_some_reasons: None,
            indirect_crl: false,
            only_contains_attribute_certs: false,
        };
        extensions.push(Extension { critical: true, ..raw(extension::ISSUING_DISTRIBUTION_POINT, &scope)? });
    }
    Ok(extensions)
}

/// Puts a revocation list together from its signed part and the signature (for ECDSA, its DER form).
pub fn assemble_crl(tbs_der: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    assemble_signed(tbs_der, algorithm, signature)
}

fn revoked(entry: &RevokedEntry) -> Result<RevokedCert<Rfc5280>, PlanError> {
    let extensions = match &entry.reason {
        Some(reason) => Some(vec![raw(extension::CRL_REASON, reason)?]),
        None => None,
    };
    Ok(RevokedCert {
        serial_number: SerialNumber::new(&entry.serial)?,
        revocation_date: time(entry.time)?,
        crl_entry_extensions: extensions,
    })
}

fn raw(oid: const_oid::ObjectIdentifier, value: &impl Encode) -> Result<Extension, der::Error> {
    Ok(Extension { extn_id: oid, critical: false, extn_value: OctetString::new(value.to_der()?)? })
}
