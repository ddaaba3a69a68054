//! One authority of a policy, decoded once for all verifications.

use std::{collections::BTreeSet, fmt};

use der::Encode;
use rustls_pki_types::SignatureVerificationAlgorithm;
use sha2::{Digest, Sha256};
use tlog_proof::{LogPolicy, VerifierKey};
use x509_cert::ext::pkix::BasicConstraints;

use super::{Fingerprint, PolicyError, policy, services::Services, windows::Windows, withdrawal};
use crate::{
    MAX_CHAIN,
    certificate::{Certificate, SignatureAlgorithm, Tbs, key_id},
    identifier::{Identifier, IdentifierKind, canonical_dns_name},
    oid::extension,
    path::PathCertificate,
    rules::Rule,
    transparency::VrfPublicKey,
    verify::VerifyError,
};

/// An authority, ready for verification.
pub(crate) struct TrustedAuthority {
    pub(crate) name: String,
    pub(crate) anchor: PathCertificate,
    pub(crate) issuers: Vec<Issuer>,
    /// SHA-256 of the SubjectPublicKeyInfo of issuing keys that no longer count.
    withdrawn: Vec<Fingerprint>,
    /// SHA-256 of the root's SubjectPublicKeyInfo: by this an authority is told from another.
    pub(crate) root: [u8; 32],
    /// The log that holds its certificates, and those that did before.
    pub(crate) logs: Vec<TrustedLog>,
    pub(crate) log_policy: LogPolicy,
    pub(crate) windows: Windows,
    pub(crate) operator_witnesses: Vec<String>,
    kinds: Vec<IdentifierKind>,
    domains: Vec<String>,
    phone_prefixes: Vec<String>,
    /// The DNS names of the services it may certify.
    services: BTreeSet<String>,
    /// Those among them that its policy names as directories.
    directories: BTreeSet<String>,
    /// The policy in which it stands.
    policy: Fingerprint,
}

/// A log of an authority: its name, its keys, and the key of the authority's labels in it.
pub(crate) struct TrustedLog {
    pub(crate) origin: String,
    pub(crate) keys: Vec<VerifierKey>,
    pub(crate) vrf_key: VrfPublicKey,
}

/// A certificate that may stand between a leaf and a root.
pub(crate) struct Issuer {
    pub(crate) certificate: PathCertificate,
    /// Name and key as [`issuer_key`] has them: by these its revocation lists are found.
    pub(crate) key: [u8; 32],
    pub(crate) key_id: [u8; 20],
    pub(crate) algorithm: SignatureAlgorithm,
}

impl Issuer {
    /// Takes a certificate that may issue: a CA with the key usage for it (RFC 5280 sections 4.2.1.3 and 4.2.1.9).
    pub(crate) fn new(certificate: Certificate) -> Result<Self, VerifyError> {
        let tbs = certificate.tbs();
        let error = |expected: &str, found: &str| VerifyError::new(Rule::ChainConstraints, expected, found);
        let constraints = tbs.value::<BasicConstraints>(extension::BASIC_CONSTRAINTS);
        if !constraints.is_some_and(|constraints| constraints.ca) {
            return Err(error("an issuing certificate with cA", "none"));
        }
        if !tbs.key_usage().is_some_and(|usage| usage.key_cert_sign()) {
            return Err(error("an issuing certificate with keyCertSign", "none"));
        }
        let algorithm = SignatureAlgorithm::for_issuer(tbs.spki())
            .map_err(|e| VerifyError::new(Rule::ChainAlgorithm, "a P-256 or P-384 issuer", e))?;
        let (key, key_id) = (issuer_key(tbs), key_id(tbs.spki()));
        Ok(Self { key, key_id, algorithm, certificate: PathCertificate::new(certificate) })
    }
}

impl Issuer {
    /// The same, with what is known of its signature by this root.
    fn under(self, root: &Self) -> Self {
        Self { certificate: self.certificate.remembering_signature(&root.certificate), ..self }
    }

    /// What its certificate says.
    pub(crate) fn tbs(&self) -> &Tbs {
        self.certificate.certificate().tbs()
    }

    /// Whether this key has signed this message, with the algorithm that belongs to the key.
    pub(crate) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn SignatureVerificationAlgorithm = match self.algorithm {
            SignatureAlgorithm::EcdsaP256Sha256 => webpki::aws_lc_rs::ECDSA_P256_SHA256,
            SignatureAlgorithm::EcdsaP384Sha384 => webpki::aws_lc_rs::ECDSA_P384_SHA384,
        };
        let key = self.tbs().spki().subject_public_key.raw_bytes();
        algorithm.verify_signature(key, message, signature).is_ok()
    }
}

/// SHA-256 over name and key of an issuer. Two certificates of one CA share it, and with it the revocation lists.
pub(crate) fn issuer_key(tbs: &Tbs) -> [u8; 32] {
    let name = tbs.subject().to_der().unwrap_or_default();
    Sha256::new().chain_update(name).chain_update(tbs.spki_der()).finalize().into()
}

impl TrustedAuthority {
    pub(super) fn new(
        authority: &policy::Authority,
        log: &LogPolicy,
        windows: &Windows,
        operator_witnesses: &[String],
        Services { all: services, directories }: Services,
        policy: Fingerprint,
    ) -> Result<Self, PolicyError> {
        let name = &authority.name;
        let parse = |what, der: &[u8]| {
            Certificate::parse(der).map_err(|source| PolicyError::Certificate { authority: name.clone(), what, source })
        };
        let usable = |what, der: &[u8]| {
            Issuer::new(parse(what, der)?).map_err(|e| PolicyError::value(what, e.expected, e.found))
        };
        let root = usable("root", &authority.root.0)?;
        if authority.issuers.is_empty() || authority.issuers.len() > 16 {
            return Err(PolicyError::value("issuers", "1 to 16", authority.issuers.len()));
        }
        let issuers = authority.issuers.iter().map(|der| usable("issuer", &der.0)).collect::<Result<Vec<_>, _>>()?;
        check_permissions(authority)?;
        withdrawal::check(&authority.withdrawn, issuers.iter().chain([&root]))?;
        Ok(Self {
            name: name.clone(),
            root: Sha256::digest(root.tbs().spki_der()).into(),
            issuers: issuers.into_iter().map(|issuer| issuer.under(&root)).collect(),
            anchor: root.certificate,
            withdrawn: authority.withdrawn.clone(),
            logs: TrustedLog::all(authority, log)?,
            log_policy: log.clone(),
            windows: windows.clone(),
            operator_witnesses: operator_witnesses.to_vec(),
            kinds: authority.kinds.clone(),
            domains: authority.domains.clone(),
            phone_prefixes: authority.phone_prefixes.clone(),
            services,
            directories,
            policy,
        })
    }

    /// Whether the policy has withdrawn the key of this issuing certificate.
    pub(crate) fn has_withdrawn(&self, certificate: &PathCertificate) -> bool {
        // Most policies have withdrawn nobody: then nothing is hashed.
        !self.withdrawn.is_empty() && self.withdrawn.contains(&withdrawal::key_digest(certificate.certificate().tbs()))
    }

    /// Whether the policy lets this authority certify this person.
    pub(crate) fn permits(&self, identifier: &Identifier) -> Result<(), VerifyError> {
        let kind = identifier.kind();
        if !self.kinds.contains(&kind) {
            let kinds: Vec<_> = self.kinds.iter().map(|k| k.as_str()).collect();
            return Err(VerifyError::new(
                Rule::TrustKind,
                format_args!("{} from {}", kinds.join(" or "), self.name),
                kind,
            ));
        }
        let listed = |list: &[String], fits: &dyn Fn(&str) -> bool| list.iter().any(|item| item == "*" || fits(item));
        match identifier.domain() {
            Some(domain) if !listed(&self.domains, &|item| item == domain) => {
                let expected = format_args!("an address at {} from {}", self.domains.join(" or "), self.name);
                Err(VerifyError::new(Rule::TrustDomain, expected, domain))
            }
            None if !listed(&self.phone_prefixes, &|item| identifier.as_str().starts_with(item)) => {
                let prefixes = self.phone_prefixes.join(" or ");
                let expected = format_args!("a number that begins with {prefixes} from {}", self.name);
                Err(VerifyError::new(Rule::TrustPrefix, expected, identifier))
            }
            _ => Ok(()),
        }
    }

    /// Whether the policy lets this authority certify the service of this canonical DNS name.
    pub(crate) fn permits_service(&self, name: &str) -> Result<(), VerifyError> {
        if self.services.contains(name) {
            return Ok(());
        }
        let names: Vec<_> = self.services.iter().map(String::as_str).collect();
        let expected = format_args!("a service of {}: {}", self.name, names.join(" or "));
        Err(VerifyError::new(Rule::TrustService, expected, name))
    }

    /// Whether it may certify the directory of this canonical DNS name in which this person is found: one that the policy
    /// lists, or the one that goes by her own mail domain.
    pub(crate) fn permits_directory(&self, name: &str, of: &Identifier) -> Result<(), VerifyError> {
        self.permits_service(name)?;
        if self.directories.contains(name) || of.domain() == Some(name) {
            return Ok(());
        }
        let listed = self.directories.iter().map(String::as_str).chain(of.domain());
        let expected = format_args!("a directory of {}: {}", self.name, listed.collect::<Vec<_>>().join(" or "));
        Err(VerifyError::new(Rule::TrustService, expected, name))
    }

    /// Whether it stands in this very policy.
    pub(crate) fn stands_in(&self, policy: &Fingerprint) -> Result<(), VerifyError> {
        if self.policy == *policy {
            return Ok(());
        }
        let expected = format_args!("a service under the policy {policy}");
        Err(VerifyError::new(Rule::TrustService, expected, format_args!("one of {} under another", self.name)))
    }

    /// The longest chain that can be given: leaf, issuers, root.
    pub(crate) const MAX_CHAIN: usize = MAX_CHAIN;
}

impl TrustedLog {
    /// The authority's log, and its earlier ones.
    fn all(authority: &policy::Authority, policy: &LogPolicy) -> Result<Vec<Self>, PolicyError> {
        let earlier = authority.earlier_logs.iter().map(|earlier| (&earlier.log, &earlier.vrf_key));
        let mut logs: Vec<Self> = Vec::new();
        for (origin, vrf_key) in std::iter::once((&authority.log, &authority.vrf_key)).chain(earlier) {
            let keys: Vec<_> = policy.logs.iter().filter(|l| l.vkey.name() == origin).map(|l| l.vkey.clone()).collect();
            if keys.is_empty() || logs.iter().any(|log| log.origin == *origin) {
                return Err(PolicyError::value("log", "the origin of a log in tlog_policy, once", origin));
            }
            let bytes = <[u8; 32]>::try_from(&*vrf_key.0)
                .map_err(|_| PolicyError::value("vrf_key", "32 bytes", vrf_key.0.len()))?;
            let vrf_key = VrfPublicKey::from_bytes(&bytes)
                .map_err(|source| PolicyError::Vrf { authority: authority.name.clone(), source })?;
            logs.push(Self { origin: origin.clone(), keys, vrf_key });
        }
        Ok(logs)
    }
}

/// A domain or prefix in another spelling would permit nothing, silently.
fn check_permissions(authority: &policy::Authority) -> Result<(), PolicyError> {
    for domain in &authority.domains {
        if domain != "*" && canonical_dns_name(domain).as_ref() != Ok(domain) {
            return Err(PolicyError::value("domains", "* or domains in lower-case ASCII form", domain));
        }
    }
    for prefix in &authority.phone_prefixes {
        let digits = prefix.strip_prefix('+').unwrap_or_default();
        if prefix != "*" && (digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit())) {
            return Err(PolicyError::value("phone_prefixes", "* or prefixes like +49", prefix));
        }
    }
    Ok(())
}

impl fmt::Debug for TrustedAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedAuthority")
            .field("name", &self.name)
            .field("log", &self.logs.first().map(|log| &log.origin))
            .finish_non_exhaustive()
    }
}
