//! Certificates of services: directories and HTTPS endpoints.

use rustls_pki_types::UnixTime;

use super::{VerifyError, check_revocation, log, path, read_leaf, with_each_authority};
use crate::{
    CertificateDer, certificate::SubjectName, identifier::canonical_dns_name, oid, plan::lint, profile::Profile,
    rules::Rule, trust::Trust,
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

/// Verifies a service's chain, leaf first, for the DNS name that was asked for.
pub fn verify_service(
    chain: &[CertificateDer],
    name: &str,
    trust: &Trust,
    now: UnixTime,
) -> Result<VerifiedService, VerifyError> {
    let wanted = canonical_dns_name(name)
        .map_err(|e| VerifyError::new(Rule::SanService, "a DNS name to connect to", e.found))?;
    let leaf = read_leaf(chain)?;
    with_each_authority(trust, |authority| {
        let path = path::find(&leaf, chain, authority, &[oid::SERVER_AUTH], now)?;
        let tbs = leaf.tbs();
        if let Some(finding) = lint(tbs, Profile::service()).into_iter().next() {
            return Err(finding.into());
        }
        let names = tbs.subject_names();
        if names != [SubjectName::Dns(wanted.clone())] {
            let expected = format_args!("a certificate for {wanted}");
            return Err(VerifyError::new(Rule::SanService, expected, format_args!("one for {names:?}")));
        }
        let logged = log::check(&leaf, &log::Subject::Service(&wanted), authority)?;
        check_revocation(trust, &path.issuer_key, tbs.serial(), now)?;
        Ok(VerifiedService {
            name: wanted.clone(),
            authority: authority.name.clone(),
            not_after: path.not_after,
            origin: authority.origin.clone(),
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
