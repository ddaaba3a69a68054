//! Revocation lists (RFC 5280 section 5): checked when they come in, asked at every verification.

mod known;
mod place;

use std::time::Duration;

use der::{
    Decode, Encode, Sequence,
    asn1::{AnyRef, BitString},
};
use rustls_pki_types::UnixTime;
use spki::AlgorithmIdentifierOwned;
use x509_cert::{
    certificate::Version,
    crl::TbsCertList,
    ext::{
        Extension,
        pkix::{AuthorityKeyIdentifier, CrlNumber},
    },
};

use known::List;
pub(crate) use known::{Issued, Lists};

use super::{Issuer, TrustedAuthority};
use crate::{
    certificate::SignatureAlgorithm,
    oid::extension,
    plan::MAX_CRL_BYTES,
    rules::Rule,
    verify::{VerifyError, date},
};

/// Past this age of the list, tools warn.
pub const CRL_WARNING_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Past this age of the list, its issuer's certificates are refused.
pub const CRL_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How far the clocks of authority and verifier may differ.
const CLOCK_SKEW: u64 = 5 * 60;

/// What is known about a certificate's revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// Not in the list that speaks for it and was made at this time.
    Good {
        /// When the list was made (`thisUpdate`).
        as_of: UnixTime,
    },
    /// In the list.
    Revoked,
    /// No list that speaks for it was ever installed.
    Unknown,
}

impl Revocation {
    /// Whether the list is so old that people should be told.
    pub fn needs_warning(&self, now: UnixTime) -> bool {
        match self {
            Self::Good { as_of } => age(*as_of, now) > CRL_WARNING_AGE.as_secs(),
            Self::Revoked | Self::Unknown => true,
        }
    }

    /// Whether the list is so old that the certificate is refused.
    pub fn too_old(&self, now: UnixTime) -> bool {
        matches!(self, Self::Good { as_of } if age(*as_of, now) > CRL_MAX_AGE.as_secs())
    }
}

fn age(as_of: UnixTime, now: UnixTime) -> u64 {
    now.as_secs().saturating_sub(as_of.as_secs())
}

/// What [`Trust::install_crl`](super::Trust::install_crl) installed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstalledCrl {
    /// The issuer's name (RFC 4514).
    pub issuer: String,
    /// When the list was made.
    pub this_update: UnixTime,
    /// When the next one is due.
    pub next_update: UnixTime,
    /// How many certificates it revokes.
    pub revoked: usize,
    /// Of a partitioned list: it speaks for the certificates that name this address.
    pub place: Option<String>,
}

/// A list whose signature and form are in order.
pub(super) struct CheckedList {
    issuer_key: [u8; 32],
    place: Option<String>,
    list: List,
    summary: InstalledCrl,
}

#[derive(Sequence)]
struct Outer<'a> {
    tbs: AnyRef<'a>,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

impl CheckedList {
    /// REV-06, of a list that was fetched from this address: it speaks for the certificates that name it.
    pub(super) fn speaks_for(self, url: &str) -> Result<Self, VerifyError> {
        match &self.place {
            Some(place) if place != url => {
                let expected = format_args!("the revocation list of {url}");
                Err(VerifyError::new(Rule::RevocationPlace, expected, format_args!("the one of {place}")))
            }
            _ => Ok(self),
        }
    }

    /// A list that has just come in: it must not be old.
    pub(super) fn check(der: &[u8], authorities: &[TrustedAuthority], now: UnixTime) -> Result<Self, VerifyError> {
        let checked = Self::check_kept(der, authorities, now)?;
        let this_update = checked.list.this_update;
        if age(this_update, now) > CRL_MAX_AGE.as_secs() {
            let expected = format_args!("a list not older than seven days at {}", date(now));
            return Err(VerifyError::new(Rule::RevocationFresh, expected, date(this_update)));
        }
        Ok(checked)
    }

    /// Everything about a list but its age.
    pub(super) fn check_kept(der: &[u8], authorities: &[TrustedAuthority], now: UnixTime) -> Result<Self, VerifyError> {
        if der.len() > MAX_CRL_BYTES {
            return Err(encoding(format_args!("at most {MAX_CRL_BYTES} bytes"), der.len()));
        }
        let der_error = |e| encoding("a revocation list in DER", e);
        let outer = Outer::from_der(der).map_err(der_error)?;
        let tbs_der = outer.tbs.to_der().map_err(der_error)?;
        let tbs = TbsCertList::<x509_cert::certificate::Rfc5280>::from_der(&tbs_der).map_err(der_error)?;
        if outer.to_der().map_err(der_error)? != der || tbs.to_der().map_err(der_error)? != tbs_der {
            return Err(encoding("the one DER encoding of the list", "another"));
        }
        let form = Form::read(&tbs)?;
        let issuer = find_issuer(authorities, &tbs, &form.authority_key_id)?;
        check_signature(issuer, &tbs, &outer, &tbs_der)?;
        let this_update = UnixTime::since_unix_epoch(tbs.this_update.to_unix_duration());
        if this_update.as_secs() > now.as_secs().saturating_add(CLOCK_SKEW) {
            let expected = format_args!("a list from before {}", date(now));
            return Err(VerifyError::new(Rule::RevocationOrder, expected, date(this_update)));
        }
        let mut revoked: Vec<_> = (tbs.revoked_certificates.iter().flatten())
            .map(|entry| {
                let time = UnixTime::since_unix_epoch(entry.revocation_date.to_unix_duration());
                (stripped(entry.serial_number.as_bytes()), time)
            })
            .collect();
        // Of one that stands there twice, the earlier time counts.
        revoked.sort_unstable();
        revoked.dedup_by(|later, first| later.0 == first.0);
        let summary = InstalledCrl {
            issuer: tbs.issuer.to_string(),
            this_update,
            next_update: form.next_update,
            revoked: revoked.len(),
            place: form.place.clone(),
        };
        let list = List { number: form.number, this_update, revoked };
        Ok(Self { issuer_key: issuer.key, place: form.place, list, summary })
    }
}

/// What a list must have besides entries: number, next date, the issuer's key, and its place if it is a part.
struct Form {
    place: Option<String>,
    number: Vec<u8>,
    next_update: UnixTime,
    authority_key_id: Vec<u8>,
}

impl Form {
    fn read(tbs: &TbsCertList) -> Result<Self, VerifyError> {
        if tbs.version != Version::V2 {
            return Err(encoding("a list of version 2", format_args!("{:?}", tbs.version)));
        }
        let next_update = tbs.next_update.ok_or_else(|| encoding("nextUpdate", "none"))?;
        let extensions = tbs.crl_extensions.as_deref().unwrap_or_default();
        // RFC 5280 section 5.2: an unknown critical extension makes the list unusable. Lists that are no complete ones
        // (delta, indirect, partitioned) say that they are so in critical extensions; of those we know the last.
        let mut entries =
            tbs.revoked_certificates.iter().flatten().flat_map(|e| e.crl_entry_extensions.iter().flatten());
        let unknown = |e: &&Extension| e.critical && e.extn_id != extension::ISSUING_DISTRIBUTION_POINT;
        if let Some(critical) = extensions.iter().find(unknown).or_else(|| entries.find(|e| e.critical)) {
            return Err(encoding("no critical extension", critical.extn_id));
        }
        let number: CrlNumber = only(extensions, extension::CRL_NUMBER)?;
        let id: AuthorityKeyIdentifier = only(extensions, extension::AUTHORITY_KEY_ID)?;
        let id = id.key_identifier.ok_or_else(|| encoding("the issuer's key identifier", "none"))?;
        Ok(Self {
            place: place::read(extensions)?,
            number: stripped(number.0.as_bytes()),
            next_update: UnixTime::since_unix_epoch(next_update.to_unix_duration()),
            authority_key_id: id.as_bytes().to_vec(),
        })
    }
}

fn only<T: for<'a> Decode<'a, Error = der::Error>>(
    extensions: &[Extension],
    oid: const_oid::ObjectIdentifier,
) -> Result<T, VerifyError> {
    let mut found = extensions.iter().filter(|e| e.extn_id == oid);
    match (found.next(), found.next()) {
        (Some(extension), None) => T::from_der(extension.extn_value.as_bytes())
            .map_err(|e| encoding(format_args!("extension {oid} in DER"), e)),
        (None, _) => Err(encoding(format_args!("extension {oid}"), "none")),
        (Some(_), Some(_)) => Err(encoding(format_args!("extension {oid} once"), "more")),
    }
}

fn find_issuer<'a>(
    authorities: &'a [TrustedAuthority],
    tbs: &TbsCertList,
    key_id: &[u8],
) -> Result<&'a Issuer, VerifyError> {
    (authorities.iter().flat_map(|a| &a.issuers))
        .find(|issuer| *issuer.tbs().subject() == tbs.issuer && issuer.key_id == key_id)
        .ok_or_else(|| {
            let expected = "a list by an issuing certificate of the trust policy";
            VerifyError::new(Rule::RevocationIssuer, expected, &tbs.issuer)
        })
}

fn check_signature(issuer: &Issuer, tbs: &TbsCertList, outer: &Outer<'_>, tbs_der: &[u8]) -> Result<(), VerifyError> {
    let refused = |expected: &str, found: &str| VerifyError::new(Rule::RevocationIssuer, expected, found);
    if !issuer.tbs().key_usage().is_some_and(|usage| usage.crl_sign()) {
        return Err(refused("an issuer with cRLSign", "none"));
    }
    if tbs.signature != outer.algorithm
        || SignatureAlgorithm::from_identifier(&outer.algorithm) != Some(issuer.algorithm)
    {
        return Err(refused("the signature algorithm of the issuer's key", "another"));
    }
    let signature = outer.signature.as_bytes().unwrap_or_default();
    if issuer.has_signed(tbs_der, signature) { Ok(()) } else { Err(refused("the issuer's signature", "another")) }
}

fn encoding(expected: impl std::fmt::Display, found: impl std::fmt::Display) -> VerifyError {
    VerifyError::new(Rule::RevocationEncoding, expected, found)
}

fn stripped(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    bytes[start..].to_vec()
}
