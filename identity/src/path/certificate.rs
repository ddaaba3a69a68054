//! A certificate as path validation sees it: names prepared for comparison, extensions decoded once.

use std::fmt;

use const_oid::ObjectIdentifier;
use der::{Decode, Encode};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage,
    InhibitAnyPolicy, KeyUsage, NameConstraints, PolicyConstraints, PolicyMappings, SubjectAltName,
    SubjectKeyIdentifier, crl::dp::DistributionPoint, name::GeneralName,
};

use super::{
    algorithm::{AlgorithmPolicy, KeyParts, Signed, identifier_content},
    constraints::Constraints,
    name::NameKey,
};
use crate::{
    certificate::{Certificate, CertificateError, Tbs},
    oid::extension as id,
    rules::Rule,
    verify::VerifyError,
};

/// A certificate with its extensions decoded. Parsed, not verified: it proves nothing yet.
#[derive(Clone)]
pub struct PathCertificate {
    certificate: Certificate,
    pub(super) subject: NameKey,
    pub(super) issuer: NameKey,
    pub(super) key: KeyParts,
    signature_algorithm: Vec<u8>,
    /// The key of which it is known that it made the signature, with an algorithm of [`AlgorithmPolicy::STRICT`].
    signed_by: Option<KeyParts>,
    pub(super) extensions: Extensions,
}

/// What stands in the extensions of RFC 5280 section 4.2.1. Where one does not decode, it counts as absent here, and its
/// identifier is kept.
#[derive(Clone, Default)]
pub(super) struct Extensions {
    pub(super) basic: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) purposes: Option<Vec<ObjectIdentifier>>,
    pub(super) names: Vec<GeneralName>,
    pub(super) constraints: Option<Constraints>,
    /// Sorted.
    pub(super) policies: Option<Vec<ObjectIdentifier>>,
    pub(super) mappings: Vec<(ObjectIdentifier, ObjectIdentifier)>,
    pub(super) policy_constraints: Option<PolicyConstraints>,
    pub(super) inhibit_any_policy: Option<u32>,
    pub(super) subject_key_id: Option<Vec<u8>>,
    pub(super) authority_key_id: Option<AuthorityKeyIdentifier>,
    pub(super) distribution_points: Vec<DistributionPoint>,
    unknown_critical: Option<ObjectIdentifier>,
    repeated: Option<ObjectIdentifier>,
    /// One that validation reads.
    repeated_known: Option<ObjectIdentifier>,
    malformed: Vec<ObjectIdentifier>,
    wrongly_critical: Option<ObjectIdentifier>,
}

impl PathCertificate {
    /// Parses one certificate of at most 16 KiB in strict DER.
    pub fn parse(der: &[u8]) -> Result<Self, CertificateError> {
        Certificate::parse(der).map(Self::new)
    }

    /// Decodes the extensions of a parsed certificate.
    pub fn new(certificate: Certificate) -> Self {
        let tbs = certificate.tbs();
        Self {
            subject: NameKey::new(tbs.subject()),
            issuer: NameKey::new(tbs.issuer()),
            key: KeyParts::new(tbs.spki()),
            signature_algorithm: identifier_content(certificate.signature_identifier()),
            extensions: Extensions::read(tbs),
            signed_by: None,
            certificate,
        }
    }

    /// Checks the signature now and remembers that it is right, for a certificate that stands on many paths. A wrong one is
    /// not remembered, and found on each of them.
    pub(crate) fn remembering_signature(mut self, issuer: &Self) -> Self {
        let right = self.check_signature(issuer, &AlgorithmPolicy::STRICT).is_ok();
        self.signed_by = right.then(|| issuer.key.clone());
        self
    }

    /// Takes the certificate out again.
    pub fn into_certificate(self) -> Certificate {
        self.certificate
    }

    /// The certificate itself.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Whether subject and issuer are the same name (RFC 5280 section 3.2).
    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether name and key are the same: two certificates of one CA.
    pub(super) fn is_same_authority(&self, other: &Self) -> bool {
        self.subject == other.subject && self.certificate.tbs().spki() == other.certificate.tbs().spki()
    }

    /// Whether the key identifiers, where both state them, say that `issuer` signed this (section 4.2.1.1).
    pub(super) fn may_be_by(&self, issuer: &Self) -> bool {
        let Some(stated) = &self.extensions.authority_key_id else { return true };
        let key_fits = match (&stated.key_identifier, &issuer.extensions.subject_key_id) {
            (Some(wanted), Some(found)) => wanted.as_bytes() == found,
            _ => true,
        };
        let serial_fits = match &stated.authority_cert_serial_number {
            Some(serial) => serial.as_bytes() == issuer.certificate.tbs().raw_serial(),
            None => true,
        };
        key_fits && serial_fits
    }

    /// Checks the signature by the key of `issuer`.
    pub(super) fn check_signature(&self, issuer: &Self, algorithms: &AlgorithmPolicy) -> Result<(), VerifyError> {
        // What is strict is within every policy.
        if self.signed_by.as_ref() == Some(&issuer.key) {
            return Ok(());
        }
        let signed = Signed {
            message: self.certificate.tbs_der(),
            algorithm: &self.signature_algorithm,
            signature: self.certificate.signature(),
        };
        algorithms.check_signature(&signed, &issuer.key).map_err(|error| match error.rule {
            Rule::ChainSignature => {
                let (subject, issuer) = (self.certificate.tbs().subject(), issuer.certificate.tbs().subject());
                let expected = format_args!("the signature of {issuer} on the certificate of {subject}");
                VerifyError::new(Rule::ChainSignature, expected, error.found)
            }
            _ => error,
        })
    }

    /// What makes a certificate unusable wherever it stands; see [`Leaf::Profiled`](super::Leaf::Profiled) for `profiled`.
    pub(super) fn check_form(&self, profiled: bool) -> Result<(), VerifyError> {
        let inner = self.certificate.tbs().signature_identifier();
        if inner != self.certificate.signature_identifier() {
            let found =
                format_args!("{} inside and {} outside", inner.oid, self.certificate.signature_identifier().oid);
            return Err(VerifyError::new(Rule::ChainAlgorithm, "one signature algorithm, inside and outside", found));
        }
        let refused = |expected: &str, oid: &ObjectIdentifier| {
            let found = format_args!("{oid} in the certificate of {}", self.certificate.tbs().subject());
            Err(VerifyError::new(Rule::ChainConstraints, expected, found))
        };
        let e = &self.extensions;
        let repeated = if profiled { e.repeated_known } else { e.repeated };
        if let Some(oid) = repeated {
            return refused("each extension once", &oid);
        }
        if let Some(oid) = e.unknown_critical {
            return refused("no unknown critical extension", &oid);
        }
        if let Some(oid) = e.wrongly_critical {
            return refused("key identifiers that are not critical", &oid);
        }
        match e.malformed.first() {
            Some(oid) if !profiled => refused("extensions in DER", oid),
            Some(_) if e.is_malformed(id::EXTENDED_KEY_USAGE) => {
                Err(VerifyError::new(Rule::ChainEncoding, "an extKeyUsage in DER", "another"))
            }
            _ => Ok(()),
        }
    }
}

impl Extensions {
    fn read(tbs: &Tbs) -> Self {
        let mut all = Self::default();
        let mut present: Vec<_> = tbs.extensions().iter().map(|e| e.extn_id).collect();
        present.sort_unstable();
        all.repeated = present.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        let mut known = Vec::new();
        for extension in tbs.extensions() {
            let bytes = extension.extn_value.as_bytes();
            match all.read_one(extension.extn_id, bytes) {
                Ok(true) if known.contains(&extension.extn_id) => all.repeated_known = Some(extension.extn_id),
                Ok(true) => known.push(extension.extn_id),
                Ok(false) if extension.critical => {
                    all.unknown_critical.get_or_insert(extension.extn_id);
                }
                Ok(false) => {}
                Err(_) => all.malformed.push(extension.extn_id),
            }
            // Sections 4.2.1.1 and 4.2.1.2: MUST be non-critical.
            if extension.critical && [id::AUTHORITY_KEY_ID, id::SUBJECT_KEY_ID].contains(&extension.extn_id) {
                all.wrongly_critical.get_or_insert(extension.extn_id);
            }
        }
        all
    }

    /// Reads one extension; whether it is one that validation knows.
    fn read_one(&mut self, oid: ObjectIdentifier, bytes: &[u8]) -> Result<bool, der::Error> {
        match oid {
            id::BASIC_CONSTRAINTS => self.basic = Some(strict(bytes)?),
            id::KEY_USAGE => self.key_usage = Some(strict(bytes)?),
            id::EXTENDED_KEY_USAGE => self.purposes = Some(filled(strict::<ExtendedKeyUsage>(bytes)?.0)?),
            id::SUBJECT_ALT_NAME => self.names = filled(strict::<SubjectAltName>(bytes)?.0)?,
            id::NAME_CONSTRAINTS => self.constraints = Some(Constraints::read(strict::<NameConstraints>(bytes)?)),
            id::CERTIFICATE_POLICIES => {
                let policies = filled(strict::<CertificatePolicies>(bytes)?.0)?;
                let mut policies: Vec<_> = policies.into_iter().map(|p| p.policy_identifier).collect();
                policies.sort_unstable();
                self.policies = Some(policies);
            }
            id::POLICY_MAPPINGS => {
                let mappings = filled(strict::<PolicyMappings>(bytes)?.0)?;
                self.mappings = mappings.iter().map(|m| (m.issuer_domain_policy, m.subject_domain_policy)).collect();
            }
            id::POLICY_CONSTRAINTS => self.policy_constraints = Some(strict(bytes)?),
            id::INHIBIT_ANY_POLICY => self.inhibit_any_policy = Some(strict::<InhibitAnyPolicy>(bytes)?.0),
            id::SUBJECT_KEY_ID => {
                self.subject_key_id = Some(strict::<SubjectKeyIdentifier>(bytes)?.0.as_bytes().to_vec());
            }
            id::AUTHORITY_KEY_ID => self.authority_key_id = Some(strict(bytes)?),
            id::CRL_DISTRIBUTION_POINTS => {
                self.distribution_points = filled(strict::<CrlDistributionPoints>(bytes)?.0)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn is_malformed(&self, oid: ObjectIdentifier) -> bool {
        self.malformed.contains(&oid)
    }

    /// Whether the key may sign certificates, as far as it is stated.
    pub(super) fn may_sign_certificates(&self) -> Option<bool> {
        self.key_usage.as_ref().map(KeyUsage::key_cert_sign)
    }

    /// Whether the key may sign revocation lists, as far as it is stated.
    pub(super) fn may_sign_lists(&self) -> Option<bool> {
        self.key_usage.as_ref().map(KeyUsage::crl_sign)
    }
}

/// Decodes the one DER encoding of a value.
pub(super) fn strict<T: for<'a> Decode<'a, Error = der::Error> + Encode>(bytes: &[u8]) -> Result<T, der::Error> {
    let value = T::from_der(bytes)?;
    if value.to_der()? != bytes {
        return Err(der::ErrorKind::Noncanonical { tag: der::Tag::Sequence }.into());
    }
    Ok(value)
}

/// `SIZE (1..MAX)`: none of the lists of section 4.2.1 may be empty.
fn filled<T>(list: Vec<T>) -> Result<Vec<T>, der::Error> {
    if list.is_empty() { Err(der::ErrorKind::Failed.into()) } else { Ok(list) }
}

impl fmt::Debug for PathCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.certificate.fmt(f)
    }
}
