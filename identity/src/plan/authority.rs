//! The certificates of an authority itself: root and issuing CAs.

use std::time::Duration;

use rustls_pki_types::UnixTime;

use super::{PlanError, last_second, parts, serial};
use crate::{
    certificate::{Certificate, SignatureAlgorithm, Tbs, TbsParts, decode_spki},
    oid,
    profile::Purpose,
};

/// Roots last longest; 20 years are enough for anybody's CA.
const MAX_LIFETIME: Duration = Duration::from_secs(20 * 366 * 24 * 60 * 60);

/// What an authority's certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityRole {
    /// The root: it signs issuing certificates and nothing else.
    Root,
    /// The CA that issues to people.
    People,
    /// The CA that issues to services.
    Services,
}

impl AuthorityRole {
    fn common_name(self) -> &'static str {
        match self {
            Self::Root => "In Person root",
            Self::People => "In Person people CA",
            Self::Services => "In Person services CA",
        }
    }

    /// An issuing CA can only issue for these (verifiers nest the extended key usage).
    fn purposes(self) -> &'static [Purpose] {
        match self {
            Self::Root => &[],
            Self::People => &[Purpose::ClientAuth, Purpose::EmailProtection, Purpose::LivePerson],
            Self::Services => &[Purpose::ServerAuth, Purpose::ClientAuth],
        }
    }

    fn policies(self) -> &'static [const_oid::ObjectIdentifier] {
        match self {
            Self::Root => &[],
            Self::People => &[oid::POLICY_DEVICE, oid::POLICY_PHONE_DEVICE, oid::POLICY_MAIL],
            Self::Services => &[oid::POLICY_SERVICE, oid::POLICY_COMPONENT],
        }
    }
}

/// An authority's certificate to be.
#[derive(Clone, Copy, Debug)]
pub struct AuthorityPlan<'a> {
    /// What it is for.
    pub role: AuthorityRole,
    /// The authority's name, as people read it; at most 64 characters.
    pub name: &'a str,
    /// Which of its kind, counted from 1: an issuing CA that follows another has another name.
    pub generation: u16,
    /// Its P-256 or P-384 key, as DER of a SubjectPublicKeyInfo.
    pub spki_der: &'a [u8],
    /// 16 random bytes, of which 126 bits are used.
    pub serial: [u8; 16],
    /// When it begins.
    pub not_before: UnixTime,
    /// How long it lasts; at most 20 years.
    pub lifetime: Duration,
    /// The root, for an issuing CA; `None` for the root itself.
    pub issuer: Option<&'a Certificate>,
}

impl AuthorityPlan<'_> {
    fn common_name(&self) -> String {
        match self.generation {
            0 | 1 => self.role.common_name().to_owned(),
            n => format!("{} {n}", self.role.common_name()),
        }
    }

    /// The certificate as it will be signed.
    pub fn tbs(&self) -> Result<Tbs, PlanError> {
        if self.issuer.is_some() == (self.role == AuthorityRole::Root) {
            return Err(PlanError::Bound {
                field: "issuer",
                expected: "none for a root, the root for an issuing CA".to_owned(),
                found: if self.issuer.is_some() { "one" } else { "none" }.to_owned(),
            });
        }
        let spki = decode_spki(self.spki_der)?;
        // A CA's own key must be one it can sign with.
        SignatureAlgorithm::for_issuer(&spki)?;
        let subject = parts::authority_subject(self.name, &self.common_name())?;
        let (issuer_spki, issuer_name) = match self.issuer {
            Some(issuer) => (issuer.tbs().spki(), issuer.tbs().subject().clone()),
            None => (&spki, subject.clone()),
        };
        let mut extensions = vec![
            parts::authority_key_id(issuer_spki)?,
            parts::subject_key_id(&spki)?,
            parts::authority_key_usage()?,
            parts::basic_constraints(if self.role == AuthorityRole::Root { 1 } else { 0 })?,
        ];
        if self.role != AuthorityRole::Root {
            extensions.push(parts::policies(self.role.policies())?);
            extensions.push(parts::purposes(self.role.purposes())?);
        }
        Ok(Tbs::from_parts(TbsParts {
            serial: serial(self.serial),
            signature: SignatureAlgorithm::for_issuer(issuer_spki)?,
            issuer: issuer_name,
            not_before: self.not_before,
            not_after: last_second(self.not_before, self.lifetime, MAX_LIFETIME)?,
            subject,
            spki,
            extensions,
        })?)
    }
}
