//! The write side: certificates and revocation lists as they will be signed.
//!
//! A plan is data; [`PersonPlan::tbs`] and its siblings turn it into a [`Tbs`], deterministically. [`lint`] checks any
//! [`Tbs`] against a profile. The CA lints what it planned, and the verifier lints what it received: by the same code.

mod authority;
mod crl;
mod lint;
mod parts;

use std::time::Duration;

use rustls_pki_types::UnixTime;
use x509_cert::{ext::Extension, name::Name};

pub use authority::{AuthorityPlan, AuthorityRole};
pub use crl::{CrlPlan, MAX_CRL_BYTES, RevocationReason, RevokedEntry, assemble_crl, crl};
pub use lint::{Finding, lint};
pub(crate) use parts::{person_name, subject};

use crate::{
    certificate::{Certificate, CertificateError, KeyError, SignatureAlgorithm, Tbs, TbsParts, key_algorithm},
    identifier::{DomainError, Identifier, canonical_dns_name},
    profile::{KeyAlgorithm, Profile, SubjectKind},
};

/// Why something cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The key to be certified is not one the profile takes.
    #[error("the key to be certified: {0}")]
    Key(#[from] KeyError),
    /// The profile is for another kind of name.
    #[error("expected a profile for {expected}, found {found}")]
    Profile {
        /// What is to be named.
        expected: &'static str,
        /// The profile's name.
        found: String,
    },
    /// The name of a service is no canonical DNS name.
    #[error("the service's name: {0}")]
    Name(#[from] DomainError),
    /// A field out of its bounds.
    #[error("{field}: expected {expected}, found {found}")]
    Bound {
        /// The field.
        field: &'static str,
        /// What is allowed.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The plan does not encode.
    #[error("the plan cannot be encoded: {0}")]
    Der(#[from] der::Error),
    /// The issuer's certificate cannot be read.
    #[error("the issuer: {0}")]
    Issuer(#[from] CertificateError),
}

/// A person's certificate to be.
#[derive(Clone, Copy, Debug)]
pub struct PersonPlan<'a> {
    /// [`Profile::device`] or [`Profile::mail`] for an e-mail address, [`Profile::phone_device`] for a number.
    pub profile: &'a Profile,
    /// Whom it names.
    pub identifier: &'a Identifier,
    /// The device's key, as DER of a SubjectPublicKeyInfo.
    pub spki_der: &'a [u8],
    /// 16 random bytes, of which 126 bits are used.
    pub serial: [u8; 16],
    /// When it begins.
    pub not_before: UnixTime,
    /// How long it lasts; at most [`Profile::max_lifetime`].
    pub lifetime: Duration,
    /// The issuing certificate.
    pub issuer: &'a Certificate,
    /// Where the issuer's revocation list is.
    pub crl_url: &'a str,
    /// Where the issuing certificate is, for a profile with [`Profile::issuer_schemes`]; others do not say it.
    pub issuer_url: Option<&'a str>,
}

impl PersonPlan<'_> {
    /// The certificate without transparency extension: what is linted, and what the log's commitment opens to.
    pub fn tbs(&self) -> Result<Tbs, PlanError> {
        if self.profile.subject().identifier_kind() != Some(self.identifier.kind()) {
            let expected = self.identifier.kind().as_str();
            return Err(PlanError::Profile { expected, found: self.profile.name().to_owned() });
        }
        Leaf {
            profile: self.profile,
            name: self.identifier.as_str(),
            san: person_name(self.identifier)?,
            spki_der: self.spki_der,
            serial: self.serial,
            not_before: self.not_before,
            lifetime: self.lifetime,
            issuer: self.issuer,
            crl_url: self.crl_url,
            issuer_url: self.issuer_url,
        }
        .tbs()
    }
}

/// A service's certificate to be.
#[derive(Clone, Copy, Debug)]
pub struct ServicePlan<'a> {
    /// Its DNS name, in canonical form.
    pub name: &'a str,
    /// Its key, as DER of a SubjectPublicKeyInfo.
    pub spki_der: &'a [u8],
    /// 16 random bytes, of which 126 bits are used.
    pub serial: [u8; 16],
    /// When it begins.
    pub not_before: UnixTime,
    /// How long it lasts; at most [`Profile::max_lifetime`] of [`Profile::service`].
    pub lifetime: Duration,
    /// The issuing certificate.
    pub issuer: &'a Certificate,
    /// Where the issuer's revocation list is.
    pub crl_url: &'a str,
}

impl ServicePlan<'_> {
    /// The certificate without transparency extension.
    pub fn tbs(&self) -> Result<Tbs, PlanError> {
        self.by(Profile::service())
    }

    fn by(&self, profile: &Profile) -> Result<Tbs, PlanError> {
        let canonical = canonical_dns_name(self.name)?;
        if canonical != self.name {
            let (field, found) = ("name", self.name.to_owned());
            return Err(PlanError::Bound { field, expected: format!("the canonical {canonical}"), found });
        }
        Leaf {
            profile,
            name: self.name,
            san: parts::service_name(self.name)?,
            spki_der: self.spki_der,
            serial: self.serial,
            not_before: self.not_before,
            lifetime: self.lifetime,
            issuer: self.issuer,
            crl_url: self.crl_url,
            issuer_url: None,
        }
        .tbs()
    }
}

/// A component's certificate to be: the same as a service's, by [`Profile::component`].
#[derive(Clone, Copy, Debug)]
pub struct ComponentPlan<'a>(pub ServicePlan<'a>);

impl ComponentPlan<'_> {
    /// The certificate without transparency extension.
    pub fn tbs(&self) -> Result<Tbs, PlanError> {
        self.0.by(Profile::component())
    }
}

/// What the certificates of persons and services have in common.
struct Leaf<'a> {
    profile: &'a Profile,
    name: &'a str,
    san: x509_cert::ext::pkix::name::GeneralName,
    spki_der: &'a [u8],
    serial: [u8; 16],
    not_before: UnixTime,
    lifetime: Duration,
    issuer: &'a Certificate,
    crl_url: &'a str,
    issuer_url: Option<&'a str>,
}

impl Leaf<'_> {
    fn tbs(self) -> Result<Tbs, PlanError> {
        let spki = crate::certificate::decode_spki(self.spki_der)?;
        let algorithm = key_algorithm(&spki)?;
        if !self.profile.keys().contains(&algorithm) {
            let expected = self.profile.keys().iter().map(|k| k.name()).collect::<Vec<_>>().join(" or ");
            return Err(PlanError::Bound { field: "key", expected, found: algorithm.name().to_owned() });
        }
        let not_after = last_second(self.not_before, self.lifetime, self.profile.max_lifetime())?;
        let subject = subject(self.name)?;
        let extensions = self.extensions(&spki, algorithm, &subject)?;
        Ok(Tbs::from_parts(TbsParts {
            serial: serial(self.serial),
            signature: SignatureAlgorithm::for_issuer(self.issuer.tbs().spki())?,
            issuer: self.issuer.tbs().subject().clone(),
            not_before: self.not_before,
            not_after,
            subject,
            spki,
            extensions,
        })?)
    }

    fn extensions(
        &self,
        spki: &spki::SubjectPublicKeyInfoOwned,
        algorithm: KeyAlgorithm,
        subject: &Name,
    ) -> Result<Vec<Extension>, PlanError> {
        let mut extensions = vec![
            parts::authority_key_id(self.issuer.tbs().spki())?,
            parts::subject_key_id(spki)?,
            parts::key_usage(self.profile.key_usage(algorithm))?,
            parts::policies(&self.profile.written_policies())?,
            parts::alternative_name(self.san.clone(), subject.is_empty())?,
            parts::purposes(self.profile.extended_key_usage())?,
            parts::crl_distribution_point(self.crl_url, self.profile.crl_schemes())?,
        ];
        let schemes = self.profile.issuer_schemes();
        if !schemes.is_empty() {
            extensions.push(parts::issuer_access(self.issuer_url.unwrap_or_default(), schemes)?);
        }
        Ok(extensions)
    }
}

/// The serial number: positive (RFC 5280 section 4.1.2.2), so the first bit goes; the second one is set, so that it
/// always has 16 octets. 126 random bits are left.
fn serial(mut bytes: [u8; 16]) -> Vec<u8> {
    bytes[0] = bytes[0] & 0x3f | 0x40;
    bytes.to_vec()
}

/// notAfter is itself still valid (RFC 5280 section 4.1.2.5), so a lifetime of a day ends a second earlier.
fn last_second(begin: UnixTime, lifetime: Duration, max: Duration) -> Result<UnixTime, PlanError> {
    let seconds = lifetime.as_secs();
    if seconds == 0 || lifetime > max {
        return Err(PlanError::Bound {
            field: "lifetime",
            expected: format!("1 to {} seconds", max.as_secs()),
            found: seconds.to_string(),
        });
    }
    let end = begin.as_secs().checked_add(seconds - 1).ok_or_else(|| PlanError::Bound {
        field: "notBefore",
        expected: "a time within the calendar".to_owned(),
        found: begin.as_secs().to_string(),
    })?;
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(end)))
}

/// What kind of name a profile certifies, in words.
pub(crate) fn subject_kind_name(kind: SubjectKind) -> &'static str {
    match kind {
        SubjectKind::Email => "an e-mail address",
        SubjectKind::Phone => "a tel: URI",
        SubjectKind::Dns => "a DNS name",
    }
}
