//! Revocations of certificates that the books do not know: they were issued and revoked after the backup that was restored.
//! They go on standing on the list that showed them, for as long as such a certificate can last.

use std::io;
use std::path::{Path, PathBuf};

use der::Decode as _;
use identity::UnixTime;
use serde::{Deserialize, Serialize};
use x509_cert::certificate::Rfc5280;
use x509_cert::crl::CertificateList;
use x509_cert::ext::pkix::AuthorityKeyIdentifier;

use crate::crl::{place_of, reason_of};
use crate::files;
use crate::store::{Authority, CertificateRecord, CertificateState, Revocation, Serial, Subject};

const FILE: &str = "carried-revocations.json";

/// The longest that any profile lets a certificate last, from before its revocation on (days in seconds).
const LONGEST: u64 = 825 * 86_400;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Carried {
    #[serde(with = "serial_text")]
    pub(crate) serial: Serial,
    /// When it was revoked, seconds since the epoch.
    pub(crate) at: u64,
    pub(crate) reason: u8,
    /// The address of its list, if that is a part or has parts.
    pub(crate) place: Option<String>,
    /// The key identifier of the list's signer, hexadecimal.
    pub(crate) issuer: String,
}

mod serial_text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Serial;

    pub(super) fn serialize<S: Serializer>(serial: &Serial, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(serial)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Serial, D::Error> {
        String::deserialize(from)?.parse().map_err(|_| D::Error::custom("expected a serial number"))
    }
}

impl Carried {
    /// As much of a certificate's record as a list needs.
    pub(crate) fn record(&self, authority: Authority) -> CertificateRecord {
        CertificateRecord {
            serial: self.serial,
            revision: 0,
            authority,
            profile: String::new(),
            account: None,
            order: None,
            subject: Subject::Service { name: String::new() },
            period: 0,
            opening: [0; 32],
            tbs: Vec::new(),
            not_before: 0,
            not_after: u64::MAX,
            state: CertificateState::Abandoned { index: None },
            revoked: Some(Revocation { at: self.at, reason: self.reason }),
            announce: false,
        }
    }

    /// Which list it is: its signer's key identifier and its place; none if it is no list of ours.
    pub(super) fn name(der: &[u8]) -> Option<(String, Option<String>)> {
        name_of(&CertificateList::from_der(der).ok()?)
    }

    /// What a list shows; none if it is no list of ours.
    pub(crate) fn listed(der: &[u8]) -> Option<Vec<Self>> {
        let list = CertificateList::from_der(der).ok()?;
        let (issuer, place) = name_of(&list)?;
        let list = list.tbs_cert_list;
        let revoked = list.revoked_certificates.iter().flatten().map(|one| {
            Some(Self {
                serial: Serial(one.serial_number.as_bytes().try_into().ok()?),
                at: one.revocation_date.to_unix_duration().as_secs(),
                reason: reason_of(one),
                place: place.clone(),
                issuer: issuer.clone(),
            })
        });
        revoked.collect()
    }

    /// Those of the folder that can still matter.
    pub(crate) fn read(folder: &Path, now: UnixTime) -> io::Result<Vec<Self>> {
        let bytes = match std::fs::read(folder.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut all: Vec<Self> = serde_json::from_slice(&bytes)?;
        all.retain(|one| one.at.saturating_add(LONGEST) > now.as_secs());
        Ok(all)
    }

    /// Adds to those of the folder.
    pub(super) fn add(folder: &Path, new: Vec<Self>) -> Result<(), (PathBuf, io::Error)> {
        let path = folder.join(FILE);
        let write = || {
            let mut all = Self::read(folder, UnixTime::since_unix_epoch(std::time::Duration::ZERO))?;
            let fresh = new.into_iter().filter(|one| all.iter().all(|known| known.serial != one.serial));
            let fresh: Vec<_> = fresh.collect();
            all.extend(fresh);
            if all.is_empty() { Ok(()) } else { files::write(&path, &serde_json::to_vec(&all)?) }
        };
        write().map_err(|source| (path.clone(), source))
    }
}

fn name_of(list: &CertificateList<Rfc5280>) -> Option<(String, Option<String>)> {
    let extensions = list.tbs_cert_list.crl_extensions.as_ref()?;
    let value = |oid| Some(extensions.iter().find(|e| e.extn_id == oid)?.extn_value.as_bytes());
    let issuer = AuthorityKeyIdentifier::from_der(value(identity::oid::extension::AUTHORITY_KEY_ID)?).ok()?;
    let place = match value(identity::oid::extension::ISSUING_DISTRIBUTION_POINT) {
        None => None,
        Some(der) => Some(place_of(der)?),
    };
    Some((hex::encode(issuer.key_identifier?.as_bytes()), place))
}
