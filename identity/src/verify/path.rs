//! The path from a leaf to an authority's root (CHAIN-04 to CHAIN-09, PROF-08).

use const_oid::ObjectIdentifier;
use rustls_pki_types::{SignatureVerificationAlgorithm, UnixTime};
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, KeyUsage, RequiredEkuNotFoundContext,
};

use super::{VerifyError, date};
use crate::{
    CertificateDer,
    certificate::Certificate,
    rules::Rule,
    trust::{Issuer, TrustedAuthority},
};

/// What authorities may sign with. Keys of people are Ed25519, but no CA of ours signs with it: hardware and other
/// people's tools know ECDSA.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] =
    &[webpki::aws_lc_rs::ECDSA_P256_SHA256, webpki::aws_lc_rs::ECDSA_P384_SHA384];

/// What is known once a path is found.
pub(super) struct Path {
    /// By which the issuer's revocation lists are found.
    pub(super) issuer_key: [u8; 32],
    /// The last second in which every certificate on the path is valid.
    pub(super) not_after: UnixTime,
}

/// Requires all of these purposes of every certificate on the path below the root; webpki asks for each.
struct Purposes(&'static [ObjectIdentifier]);

impl ExtendedKeyUsageValidator for Purposes {
    fn validate(&self, iter: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let mut missing: Vec<&'static ObjectIdentifier> = self.0.iter().collect();
        let mut present = Vec::new();
        for id in iter {
            let id = id?;
            missing.retain(|wanted| KeyPurposeId::new(wanted.as_bytes()) != id);
            present.push(id.to_decoded_oid());
        }
        match missing.first() {
            None => Ok(()),
            Some(wanted) => Err(webpki::Error::RequiredEkuNotFoundContext(RequiredEkuNotFoundContext {
                required: KeyUsage::required(wanted.as_bytes()),
                present,
            })),
        }
    }
}

/// Finds a path for these purposes. Issuers come from the policy; what the peer sent besides its leaf may serve, too.
pub(super) fn find(
    leaf: &Certificate,
    chain: &[CertificateDer],
    authority: &TrustedAuthority,
    purposes: &'static [ObjectIdentifier],
    now: UnixTime,
) -> Result<Path, VerifyError> {
    let (leaf_der, sent) = chain.split_first().expect("a chain has a leaf: CHAIN-01");
    let extra: Vec<CertificateDer>;
    let unknown = |der: &&CertificateDer| !authority.issuer_ders.contains(der);
    let candidates = if sent.iter().any(|der| unknown(&der)) {
        extra = authority.issuer_ders.iter().chain(sent.iter().filter(unknown)).cloned().collect();
        &extra
    } else {
        &authority.issuer_ders
    };
    let end_entity = EndEntityCert::try_from(leaf_der).map_err(|e| error(&e, authority))?;
    let anchors = std::slice::from_ref(&authority.anchor);
    let path = end_entity
        .verify_for_usage(ALGORITHMS, anchors, candidates, now, Purposes(purposes), None, None)
        .map_err(|e| error(&e, authority))?;
    // The first of them is the leaf's own issuer.
    let mut not_after = leaf.tbs().not_after();
    let mut nearest = None;
    for intermediate in path.intermediate_certificates() {
        let der = intermediate.der();
        let found;
        let issuer = match authority.issuers.iter().find(|i| i.certificate.der() == der.as_ref()) {
            Some(issuer) => issuer,
            None => {
                let certificate = Certificate::parse(&der)
                    .map_err(|e| VerifyError::new(Rule::ChainEncoding, "an issuing certificate in strict DER", e))?;
                found = Issuer::new(certificate)?;
                &found
            }
        };
        not_after = not_after.min(issuer.certificate.tbs().not_after());
        nearest.get_or_insert((issuer.key, issuer.key_id));
    }
    // A root signs issuing certificates only.
    let (issuer_key, key_id) = nearest.ok_or_else(|| {
        VerifyError::new(Rule::ChainConstraints, "a leaf under an issuing CA", "one under the root itself")
    })?;
    if leaf.tbs().authority_key_id().as_deref() != Some(&key_id) {
        let found = leaf.tbs().authority_key_id().map_or_else(|| "none".to_owned(), hex::encode);
        let expected = format_args!("the authority key identifier {}", hex::encode(key_id));
        return Err(VerifyError::new(Rule::ProfileKeyIds, expected, found));
    }
    Ok(Path { issuer_key, not_after })
}

fn error(error: &webpki::Error, authority: &TrustedAuthority) -> VerifyError {
    use webpki::Error as E;
    let (rule, expected) = match error {
        E::UnknownIssuer => (Rule::ChainPath, format!("a path to the root of {}", authority.name)),
        E::CertNotValidYet { time, not_before } => {
            let expected = format!("certificates that have begun by {}", date(*time));
            return VerifyError::new(
                Rule::ChainNotYetValid,
                expected,
                format_args!("one that begins {}", date(*not_before)),
            );
        }
        E::CertExpired { time, not_after } => {
            let expected = format!("certificates that last beyond {}", date(*time));
            return VerifyError::new(Rule::ChainExpired, expected, format_args!("one that ended {}", date(*not_after)));
        }
        E::InvalidCertValidity => (Rule::ChainExpired, "certificates that end after they begin".to_owned()),
        E::InvalidSignatureForPublicKey => {
            (Rule::ChainSignature, format!("the signature of an issuer of {}", authority.name))
        }
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => {
            (Rule::ChainPurpose, "the purpose in every certificate on the path".to_owned())
        }
        E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | E::SignatureAlgorithmMismatch => {
            (Rule::ChainAlgorithm, "ECDSA with P-256 and SHA-256 or P-384 and SHA-384".to_owned())
        }
        E::BadDer
        | E::BadDerTime
        | E::TrailingData(_)
        | E::MalformedExtensions
        | E::UnsupportedCertVersion
        | E::InvalidSerialNumber
        | E::ExtensionValueInvalid => (Rule::ChainEncoding, "X.509 v3 certificates in DER".to_owned()),
        _ => (Rule::ChainConstraints, "a path within the constraints of RFC 5280".to_owned()),
    };
    VerifyError::new(rule, expected, error)
}
