//! Revocation lists (RFC 5280 section 5) as validation sees them. Parsed, not verified.

use std::{collections::BTreeMap, fmt};

use der::{
    Decode, Encode, Sequence,
    asn1::{AnyRef, BitString, GeneralizedTime},
};
use rustls_pki_types::UnixTime;
use spki::AlgorithmIdentifierOwned;
use x509_cert::{
    certificate::Version,
    crl::{RevokedCert, TbsCertList},
    ext::{
        Extension,
        pkix::{
            AuthorityKeyIdentifier, BaseCrlNumber, CrlNumber, CrlReason,
            crl::dp::IssuingDistributionPoint,
            name::{GeneralName, GeneralNames},
        },
    },
};

use super::{
    PathCertificate,
    algorithm::{AlgorithmPolicy, Signed, identifier_content},
    certificate::strict,
    name::NameKey,
};
use crate::{
    oid::extension as id,
    plan::MAX_CRL_BYTES,
    rules::Rule,
    verify::{VerifyError, date},
};

/// A revocation list: complete for its scope, or a delta to one that is. The scope may be partitioned by place, reason or
/// kind of certificate, and may be indirect.
pub struct RevocationList {
    tbs_der: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
    pub(super) issuer: NameKey,
    issuer_text: String,
    this_update: UnixTime,
    next_update: Option<UnixTime>,
    pub(super) scope: Option<IssuingDistributionPoint>,
    authority_key_id: Option<Vec<u8>>,
    /// cRLNumber (section 5.2.3), minimal and big-endian.
    number: Option<Vec<u8>>,
    /// Of a delta: the number of the oldest complete list that it builds on (section 5.2.4).
    base_number: Option<Vec<u8>>,
    /// By issuer and serial number of the revoked certificate.
    entries: BTreeMap<(NameKey, Vec<u8>), Option<CrlReason>>,
}

#[derive(Sequence)]
struct Outer<'a> {
    tbs: AnyRef<'a>,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

impl RevocationList {
    /// Parses a list of at most 4 MiB. One with a critical extension that is not understood, anywhere in it, is refused:
    /// section 5.2 and 5.3 forbid its use.
    pub fn parse(der: &[u8]) -> Result<Self, VerifyError> {
        if der.len() > MAX_CRL_BYTES {
            return Err(refused(format_args!("at most {MAX_CRL_BYTES} bytes"), der.len()));
        }
        let broken = |e: der::Error| refused("a revocation list in DER", e);
        let outer = Outer::from_der(der).map_err(broken)?;
        let tbs_der = outer.tbs.to_der().map_err(broken)?;
        let tbs = TbsCertList::<x509_cert::certificate::Rfc5280>::from_der(&tbs_der).map_err(broken)?;
        if tbs.version != Version::V2 {
            return Err(refused("a list of version 2", format_args!("{:?}", tbs.version)));
        }
        if tbs.signature != outer.algorithm {
            return Err(refused("one signature algorithm, inside and outside", "two"));
        }
        let mut list = Self {
            algorithm: identifier_content(&outer.algorithm),
            signature: outer.signature.as_bytes().unwrap_or_default().to_vec(),
            issuer: NameKey::new(&tbs.issuer),
            issuer_text: tbs.issuer.to_string(),
            this_update: UnixTime::since_unix_epoch(tbs.this_update.to_unix_duration()),
            next_update: tbs.next_update.map(|time| UnixTime::since_unix_epoch(time.to_unix_duration())),
            scope: None,
            authority_key_id: None,
            number: None,
            base_number: None,
            entries: BTreeMap::new(),
            tbs_der: Vec::new(),
        };
        list.read_extensions(tbs.crl_extensions.as_deref().unwrap_or_default())?;
        list.read_entries(tbs.revoked_certificates.as_deref().unwrap_or_default())?;
        drop(tbs);
        list.tbs_der = tbs_der;
        Ok(list)
    }

    fn read_extensions(&mut self, extensions: &[Extension]) -> Result<(), VerifyError> {
        each(extensions, |oid, bytes| {
            match oid {
                id::ISSUING_DISTRIBUTION_POINT => {
                    let scope: IssuingDistributionPoint = strict(bytes)?;
                    let only = [
                        scope.only_contains_user_certs,
                        scope.only_contains_ca_certs,
                        scope.only_contains_attribute_certs,
                    ];
                    // Section 5.2.5: at most one of them; and not an empty sequence.
                    if only.into_iter().filter(|only| *only).count() > 1 || bytes == [0x30, 0x00] {
                        return Err(der::ErrorKind::Failed.into());
                    }
                    self.scope = Some(scope);
                }
                id::AUTHORITY_KEY_ID => {
                    let key_id = strict::<AuthorityKeyIdentifier>(bytes)?.key_identifier;
                    self.authority_key_id = key_id.map(|id| id.as_bytes().to_vec());
                }
                id::CRL_NUMBER => self.number = Some(strict::<CrlNumber>(bytes)?.0.as_bytes().to_vec()),
                id::DELTA_CRL_INDICATOR => {
                    self.base_number = Some(strict::<BaseCrlNumber>(bytes)?.0.as_bytes().to_vec());
                }
                _ => return Ok(false),
            }
            Ok(true)
        })
    }

    fn read_entries(&mut self, entries: &[RevokedCert]) -> Result<(), VerifyError> {
        // Section 5.3.3: the issuer of an entry is that of the one before, at first the list's own.
        let mut issuer = self.issuer.clone();
        for entry in entries {
            let mut reason = None;
            each(entry.crl_entry_extensions.as_deref().unwrap_or_default(), |oid, bytes| {
                match oid {
                    id::CRL_REASON => reason = Some(strict::<CrlReason>(bytes)?),
                    id::INVALIDITY_DATE => drop(strict::<GeneralizedTime>(bytes)?),
                    id::CERTIFICATE_ISSUER => match &*strict::<GeneralNames>(bytes)? {
                        [GeneralName::DirectoryName(name)] => issuer = NameKey::new(name),
                        _ => return Err(der::ErrorKind::Failed.into()),
                    },
                    _ => return Ok(false),
                }
                Ok(true)
            })?;
            self.entries.insert((issuer.clone(), entry.serial_number.as_bytes().to_vec()), reason);
        }
        Ok(())
    }

    /// Whether it speaks for this moment.
    pub(super) fn check_time(&self, now: UnixTime) -> Result<(), VerifyError> {
        if self.this_update > now {
            let expected = format_args!("a revocation list from before {}", date(now));
            return Err(VerifyError::new(Rule::RevocationOrder, expected, date(self.this_update)));
        }
        match self.next_update {
            Some(next) if now <= next => Ok(()),
            next => {
                let expected = format_args!("a revocation list that is current at {}", date(now));
                let found = next
                    .map_or_else(|| "one without nextUpdate".to_owned(), |next| format!("one until {}", date(next)));
                Err(VerifyError::new(Rule::RevocationFresh, expected, found))
            }
        }
    }

    /// Whether this certificate may have signed it, as far as name, key usage and key identifiers say.
    pub(super) fn may_be_by(&self, signer: &PathCertificate) -> bool {
        let key_fits = match (&self.authority_key_id, &signer.extensions.subject_key_id) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => true,
        };
        self.issuer == signer.subject && key_fits && signer.extensions.may_sign_lists().unwrap_or(true)
    }

    pub(super) fn check_signature(
        &self,
        signer: &PathCertificate,
        algorithms: &AlgorithmPolicy,
    ) -> Result<(), VerifyError> {
        let signed = Signed { message: &self.tbs_der, algorithm: &self.algorithm, signature: &self.signature };
        algorithms
            .check_signature(&signed, &signer.key)
            .map_err(|e| VerifyError::new(Rule::RevocationIssuer, e.expected, e.found))
    }

    /// Whether it is a delta, which says nothing by itself.
    pub(super) fn is_delta(&self) -> bool {
        self.base_number.is_some()
    }

    /// Whether this delta brings `base` up to date (section 5.2.4): by the same issuer for the same scope, built on that
    /// list or an older one, and newer than it.
    pub(super) fn updates(&self, base: &Self) -> bool {
        // Minimal big-endian integers: the longer one is larger.
        let order = |number: &Vec<u8>| (number.len(), number.clone());
        let (Some(oldest), Some(number), Some(known)) = (&self.base_number, &self.number, &base.number) else {
            return false;
        };
        self.issuer == base.issuer
            && self.scope == base.scope
            && self.authority_key_id == base.authority_key_id
            && order(oldest) <= order(known)
            && order(known) < order(number)
    }

    /// What it says of a certificate.
    pub(super) fn entry(&self, certificate: &PathCertificate) -> Entry {
        let serial = certificate.certificate().tbs().raw_serial().to_vec();
        match self.entries.get(&(certificate.issuer.clone(), serial)) {
            None => Entry::Absent,
            Some(Some(CrlReason::RemoveFromCRL)) => Entry::Removed,
            Some(_) => Entry::Revoked,
        }
    }
}

/// What a list says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Absent,
    Revoked,
    /// In a delta: no longer revoked, after a hold.
    Removed,
}

/// Reads extensions, each once; `read` says whether it knows one.
fn each(
    extensions: &[Extension],
    mut read: impl FnMut(const_oid::ObjectIdentifier, &[u8]) -> Result<bool, der::Error>,
) -> Result<(), VerifyError> {
    for (n, extension) in extensions.iter().enumerate() {
        let oid = extension.extn_id;
        if n >= 16 || extensions[..n].iter().any(|e| e.extn_id == oid) {
            return Err(refused("at most 16 extensions, each once", oid));
        }
        match read(oid, extension.extn_value.as_bytes()) {
            Ok(false) if extension.critical => return Err(refused("no unknown critical extension", oid)),
            Ok(_) => {}
            Err(_) => return Err(refused(format_args!("extension {oid} in DER"), "another")),
        }
    }
    Ok(())
}

fn refused(expected: impl fmt::Display, found: impl fmt::Display) -> VerifyError {
    VerifyError::new(Rule::RevocationEncoding, expected, found)
}

impl fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationList")
            .field("issuer", &self.issuer_text)
            .field("this_update", &date(self.this_update))
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}
