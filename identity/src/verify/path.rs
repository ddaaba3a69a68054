//! The path from a leaf to an authority's root (CHAIN-03 to CHAIN-10, PROF-08): [`crate::path`] with our settings.

use const_oid::ObjectIdentifier;
use rustls_pki_types::UnixTime;

use super::VerifyError;
use crate::{
    CertificateDer,
    certificate::key_id,
    path::{self, PathCertificate, PolicySettings, Settings},
    rules::Rule,
    trust::{TrustedAuthority, issuer_key},
};

/// What is known once a path is found.
pub(super) struct Path {
    /// By which the issuer's revocation lists are found.
    pub(super) issuer_key: [u8; 32],
    /// The last second in which every certificate on the path is valid.
    pub(super) not_after: UnixTime,
    /// CHAIN-10, which is asked for once the leaf's own policy is known to be in order (PROF-01).
    pub(super) policies: Result<(), VerifyError>,
}

/// Finds a path for these purposes. Issuers come from the policy; what the peer sent besides its leaf may serve, too,
/// unless the policy has withdrawn its key.
pub(super) fn find(
    leaf: &PathCertificate,
    chain: &[CertificateDer],
    authority: &TrustedAuthority,
    purposes: &[ObjectIdentifier],
    now: UnixTime,
) -> Result<Path, VerifyError> {
    let known = |der: &CertificateDer| authority.issuers.iter().any(|i| i.certificate.certificate().der() == &**der);
    // What does not parse leads nowhere.
    let parsed = chain.iter().skip(1).filter(|der| !known(der)).filter_map(|der| PathCertificate::parse(der).ok());
    let (withdrawn, sent): (Vec<_>, Vec<_>) = parsed.partition(|sent| authority.has_withdrawn(sent));
    let issuers: Vec<&PathCertificate> = authority.issuers.iter().map(|i| &i.certificate).chain(&sent).collect();
    let path =
        path::find(leaf, &issuers, &[&authority.anchor], &Settings::strict(now, purposes)).map_err(
            |error| match error.rule {
                Rule::ChainPath => {
                    let expected = format_args!("a path to the root of {}", authority.name);
                    match withdrawn.first() {
                        Some(issuer) => {
                            let subject = issuer.certificate().tbs().subject();
                            let found =
                                format_args!("the issuing certificate {subject}, which the policy has withdrawn");
                            VerifyError::new(Rule::ChainPath, expected, found)
                        }
                        None => VerifyError::new(Rule::ChainPath, expected, error.found),
                    }
                }
                _ => error,
            },
        )?;
    // A root signs issuing certificates only.
    let [_, issuer, ..] = path.certificates() else {
        let expected = "a leaf under an issuing CA";
        return Err(VerifyError::new(Rule::ChainConstraints, expected, "one under the root itself"));
    };
    let issuer = issuer.certificate().tbs();
    check_key_id(leaf, &key_id(issuer.spki()))?;
    Ok(Path { issuer_key: issuer_key(issuer), not_after: path.not_after(), policies: check_policies(&path, leaf) })
}

fn check_key_id(leaf: &PathCertificate, key_id: &[u8]) -> Result<(), VerifyError> {
    let stated = leaf.certificate().tbs().authority_key_id();
    if stated.as_deref() == Some(key_id) {
        return Ok(());
    }
    let expected = format_args!("the authority key identifier {}", hex::encode(key_id));
    Err(VerifyError::new(Rule::ProfileKeyIds, expected, stated.map_or_else(|| "none".to_owned(), hex::encode)))
}

/// Every certificate on the path allows the leaf's own policy, by name or by anyPolicy. Nothing is mapped: a profile has
/// one identifier.
fn check_policies(path: &path::Path<'_>, leaf: &PathCertificate) -> Result<(), VerifyError> {
    let own = leaf.certificate().tbs().policies();
    let settings = PolicySettings { acceptable: Some(&own), explicit: true, inhibit_mapping: true, inhibit_any: false };
    path.check_policies(&settings)
}
