//! Certificates of services, which are directories and HTTPS endpoints, and of components.

use const_oid::ObjectIdentifier;
use rustls_pki_types::UnixTime;

use super::{VerifyError, check_revocation, log, path, read_leaf, with_each_authority};
use crate::{
    CertificateDer,
    certificate::SubjectName,
    identifier::{Identifier, canonical_dns_name},
    oid,
    plan::lint,
    profile::Profile,
    rules::Rule,
    trust::{Fingerprint, Issued, Trust, TrustedAuthority},
};

/// A service, as proven by a certificate that keeps every rule. Only [`verify_service`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedService {
    name: String,
    authority: String,
    not_after: UnixTime,
    origin: String,
    index: u64,
}

/// A component, as proven by a certificate of that profile. Only [`verify_component`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedComponent(VerifiedService);

/// Verifies a service's chain, leaf first, for the DNS name that was asked for.
pub fn verify_service(
    chain: &[CertificateDer],
    name: &str,
    trust: &Trust,
    now: UnixTime,
) -> Result<VerifiedService, VerifyError> {
    let named = TrustedAuthority::permits_service;
    verify(chain, name, Profile::service(), &[oid::SERVER_AUTH], named, trust, now)
}

/// As [`verify_service`], for the directory in which this person is found: its name must be her mail domain, or one that the
/// policy lists as a directory (TRUST-12), and its authority one that may certify her (TRUST-01 to TRUST-03), which is the one
/// she is known by (TRUST-06). An authority of some domains is nobody to say where people of another are.
pub fn verify_directory(
    chain: &[CertificateDer],
    name: &str,
    who: &Identifier,
    trust: &Trust,
    now: UnixTime,
) -> Result<VerifiedService, VerifyError> {
    let hers = |authority: &TrustedAuthority, name: &str| vouches(authority, name, who, trust);
    verify(chain, name, Profile::service(), &[oid::SERVER_AUTH], hers, trust, now)
}

/// Which of a trust's authorities [`verify_directory`] accepts for the directory of one name and one person. Of two people
/// for whom they are the same, what is proven for one is proven for the other. Only values of the same trust can be compared:
/// it holds places in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vouchers(Vec<usize>);

impl Vouchers {
    /// For the directory of this name, in which this person is found. Changes with the authority she is known by.
    pub fn of(name: &str, who: &Identifier, trust: &Trust) -> Self {
        let Ok(name) = canonical_dns_name(name) else { return Self::default() };
        let all = trust.authorities().iter().enumerate();
        Self(all.filter(|(_, one)| vouches(one, &name, who, trust).is_ok()).map(|(place, _)| place).collect())
    }
}

fn vouches(authority: &TrustedAuthority, name: &str, who: &Identifier, trust: &Trust) -> Result<(), VerifyError> {
    authority.permits_directory(name, who)?;
    authority.permits(who)?;
    trust.check_binding(who, &authority.name, &authority.root)
}

/// As [`verify_service`], under this one of the pinned policies, as it stands in the trust: what another one names, however
/// it calls itself, is not it (TRUST-12).
pub fn verify_service_under(
    chain: &[CertificateDer],
    name: &str,
    policy: &Fingerprint,
    trust: &Trust,
    now: UnixTime,
) -> Result<VerifiedService, VerifyError> {
    let its = |authority: &TrustedAuthority, name: &str| {
        authority.stands_in(policy)?;
        authority.permits_service(name)
    };
    verify(chain, name, Profile::service(), &[oid::SERVER_AUTH], its, trust, now)
}

/// Verifies the chain of a component that connects as a client, leaf first, for the DNS name it must have.
pub fn verify_component(
    chain: &[CertificateDer],
    name: &str,
    trust: &Trust,
    now: UnixTime,
) -> Result<VerifiedComponent, VerifyError> {
    // No policy names components.
    verify(chain, name, Profile::component(), &[oid::CLIENT_AUTH], |_, _| Ok(()), trust, now).map(VerifiedComponent)
}

fn verify(
    chain: &[CertificateDer],
    name: &str,
    profile: &Profile,
    purposes: &'static [ObjectIdentifier],
    permits: impl Fn(&TrustedAuthority, &str) -> Result<(), VerifyError>,
    trust: &Trust,
    now: UnixTime,
) -> Result<VerifiedService, VerifyError> {
    let wanted = canonical_dns_name(name)
        .map_err(|e| VerifyError::new(Rule::SanService, "a DNS name to connect to", e.found))?;
    let leaf = read_leaf(chain)?;
    with_each_authority(trust, |authority| {
        let path = path::find(&leaf, chain, authority, purposes, now)?;
        let tbs = leaf.certificate().tbs();
        if let Some(finding) = lint(tbs, profile).into_iter().next() {
            return Err(finding.into());
        }
        path.policies?;
        let names = tbs.subject_names();
        if names != [SubjectName::Dns(wanted.clone())] {
            let expected = format_args!("a certificate for {wanted}");
            return Err(VerifyError::new(Rule::SanService, expected, format_args!("one for {names:?}")));
        }
        permits(authority, &wanted)?;
        let logged = log::check(leaf.certificate(), &log::Subject::Service(&wanted), authority)?;
        // The lints have made sure that there is one.
        let list_url = tbs.crl_urls().into_iter().next().unwrap_or_default();
        let issued =
            Issued { root: &authority.root, issuer_key: &path.issuer_key, serial: tbs.serial(), list_url: &list_url };
        check_revocation(trust, &issued, now)?;
        Ok(VerifiedService {
            name: wanted.clone(),
            authority: authority.name.clone(),
            not_after: path.not_after,
            origin: logged.origin,
            index: logged.index,
        })
    })
}

impl VerifiedService {
    /// Its DNS name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the authority that certified it, as the trust policy calls it.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The last second in which every certificate on the path is valid.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The origin of the log in which its certificate stands.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Where it stands there, counted from zero.
    pub fn index(&self) -> u64 {
        self.index
    }
}

impl VerifiedComponent {
    /// Its DNS name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The name of the authority that certified it, as the trust policy calls it.
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// The last second in which every certificate on the path is valid.
    pub fn not_after(&self) -> UnixTime {
        self.0.not_after()
    }

    /// The origin of the log in which its certificate stands.
    pub fn origin(&self) -> &str {
        self.0.origin()
    }

    /// Where it stands there, counted from zero.
    pub fn index(&self) -> u64 {
        self.0.index()
    }
}
