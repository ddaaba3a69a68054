//! One list as it is served, and as it is read back at the next start.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use axum::body::Bytes;
use der::{Decode as _, Encode as _};
use x509_cert::certificate::{Profile, Rfc5280};
use x509_cert::crl::{CertificateList, RevokedCert};
use x509_cert::ext::pkix::CrlNumber;
use x509_cert::ext::pkix::crl::CrlReason;
use x509_cert::ext::pkix::crl::dp::IssuingDistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};

use super::known::Listed;
use crate::store::{KEY_COMPROMISE, Serial};

#[derive(Clone)]
pub(super) struct Newest {
    pub(super) der: Bytes,
    pub(super) number: u64,
    pub(super) this_update: u64,
    /// The address that its certificates name, if it speaks for those alone.
    pub(super) place: Option<String>,
    /// What it shows, and whether it says that the key is compromised.
    pub(super) listed: Arc<HashMap<Serial, bool>>,
}

impl Newest {
    /// `None` if there is no such file, or it is no list of ours: then a new one is made.
    pub(super) fn read(path: &Path) -> Option<Self> {
        Self::parse(std::fs::read(path).ok()?)
    }

    /// `None` if it is no list of ours.
    pub(super) fn parse(der: Vec<u8>) -> Option<Self> {
        let list = CertificateList::<Rfc5280>::from_der(&der).ok()?;
        let extensions = list.tbs_cert_list.crl_extensions?;
        let value = |oid| Some(extensions.iter().find(|e| e.extn_id == oid)?.extn_value.as_bytes());
        let number = CrlNumber::from_der(value(identity::oid::extension::CRL_NUMBER)?).ok()?.0;
        let number = number.as_bytes().iter().try_fold(0u64, |n, b| n.checked_mul(256).map(|n| n + u64::from(*b)))?;
        let place = match value(identity::oid::extension::ISSUING_DISTRIBUTION_POINT) {
            None => None,
            Some(der) => Some(place_of(der)?),
        };
        let this_update = list.tbs_cert_list.this_update.to_unix_duration().as_secs();
        let revoked = list.tbs_cert_list.revoked_certificates.iter().flatten().filter_map(|one| {
            Some((Serial(one.serial_number.as_bytes().try_into().ok()?), reason_of(one) == KEY_COMPROMISE))
        });
        let listed = Arc::new(revoked.collect());
        Some(Self { der: der.into(), number, this_update, place, listed })
    }
}

impl Newest {
    /// Whether it speaks for certificates that name this address: alone, or among all.
    pub(super) fn is_of(&self, url: &str) -> bool {
        self.place.as_deref().is_none_or(|place| place == url)
    }

    /// Whether it shows this, and says so if the key is compromised, which may have turned out since it was revoked.
    pub(super) fn shows(&self, one: &Listed) -> bool {
        let says = self.listed.get(&one.serial);
        says.is_some_and(|compromised| *compromised || !one.revocation.is_for_compromise())
    }
}

/// CRLReason of an entry; 0 if it says none.
pub(crate) fn reason_of<P: Profile>(entry: &RevokedCert<P>) -> u8 {
    let extensions = entry.crl_entry_extensions.iter().flatten();
    let mut reasons = extensions.filter(|e| e.extn_id == identity::oid::extension::CRL_REASON);
    let reason = reasons.next().and_then(|e| CrlReason::from_der(e.extn_value.as_bytes()).ok());
    reason.and_then(|reason| reason.to_der().ok()?.last().copied()).unwrap_or_default()
}

/// The address in an issuing distribution point.
pub(crate) fn place_of(der: &[u8]) -> Option<String> {
    match IssuingDistributionPoint::from_der(der).ok()?.distribution_point? {
        DistributionPointName::FullName(names) => match &*names {
            [GeneralName::UniformResourceIdentifier(url)] => Some(url.as_str().to_owned()),
            _ => None,
        },
        DistributionPointName::NameRelativeToCRLIssuer(_) => None,
    }
}
