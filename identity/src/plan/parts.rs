//! Single fields and extensions, as every plan writes them and the lints expect them.

use const_oid::{AssociatedOid, ObjectIdentifier};
use der::{
    Any, Encode, Tag,
    asn1::{Ia5String, OctetString, SetOfVec},
    flagset::FlagSet,
};
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::{
    attr::AttributeTypeAndValue,
    ext::{
        Extension,
        pkix::{
            AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints,
            CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
            SubjectKeyIdentifier,
            certpolicy::PolicyInformation,
            crl::dp::DistributionPoint,
            name::{DistributionPointName, GeneralName, OtherName},
        },
    },
    name::{Name, RdnSequence, RelativeDistinguishedName},
};

use super::PlanError;
use crate::{
    certificate::key_id,
    identifier::{Identifier, IdentifierKind},
    oid,
    profile::{KeyUse, Purpose},
};

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
/// ub-common-name and ub-organization-name (RFC 5280 appendix A.1), in characters.
const MAX_ATTRIBUTE: usize = 64;

/// The subject of a leaf: the name as commonName, or nothing where it is too long for one.
pub(crate) fn subject(name: &str) -> Result<Name, der::Error> {
    if name.chars().count() > MAX_ATTRIBUTE {
        return Ok(Name::default());
    }
    distinguished_name(&[(COMMON_NAME, name)])
}

/// The subject of an authority's certificate: whose it is, and which.
pub(super) fn authority_subject(organization: &str, common_name: &str) -> Result<Name, PlanError> {
    for text in [organization, common_name] {
        if text.is_empty() || text.chars().count() > MAX_ATTRIBUTE {
            let expected = format!("1 to {MAX_ATTRIBUTE} characters");
            return Err(PlanError::Bound { field: "name", expected, found: text.to_owned() });
        }
    }
    Ok(distinguished_name(&[(ORGANIZATION, organization), (COMMON_NAME, common_name)])?)
}

fn distinguished_name(attributes: &[(ObjectIdentifier, &str)]) -> Result<Name, der::Error> {
    let mut sequence = RdnSequence::default();
    for (oid, text) in attributes {
        // UTF8String: RFC 5280 section 4.1.2.4.
        let value = Any::new(Tag::Utf8String, text.as_bytes())?;
        let attribute = AttributeTypeAndValue { oid: *oid, value };
        sequence.push(RelativeDistinguishedName::from(SetOfVec::try_from(vec![attribute])?));
    }
    Ok(Name::hazmat_from_rdn_sequence(sequence))
}

/// The subjectAltName of a person (RFC 5280 section 4.2.1.6, RFC 9598 section 3, RFC 3966 section 5.1.4).
pub(crate) fn person_name(identifier: &Identifier) -> Result<GeneralName, der::Error> {
    let text = identifier.as_str();
    match identifier.kind() {
        IdentifierKind::Phone => Ok(GeneralName::UniformResourceIdentifier(Ia5String::new(&format!("tel:{text}"))?)),
        // RFC 9598 section 3: SmtpUTF8Mailbox only where the local part is not ASCII; the domain always is.
        IdentifierKind::Email if text.is_ascii() => Ok(GeneralName::Rfc822Name(Ia5String::new(text)?)),
        IdentifierKind::Email => Ok(GeneralName::OtherName(OtherName {
            type_id: oid::SMTP_UTF8_MAILBOX,
            value: Any::new(Tag::Utf8String, text.as_bytes())?,
        })),
    }
}

/// The subjectAltName of a service.
pub(super) fn service_name(name: &str) -> Result<GeneralName, der::Error> {
    Ok(GeneralName::DnsName(Ia5String::new(name)?))
}

pub(super) fn extension<T: Encode + AssociatedOid>(critical: bool, value: &T) -> Result<Extension, der::Error> {
    Ok(Extension { extn_id: T::OID, critical, extn_value: OctetString::new(value.to_der()?)? })
}

pub(super) fn authority_key_id(issuer: &SubjectPublicKeyInfoOwned) -> Result<Extension, der::Error> {
    let id = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(key_id(issuer))?),
        authority_cert_issuer: None,
        authority_cert_serial_number: None,
    };
    extension(false, &id)
}

pub(super) fn subject_key_id(spki: &SubjectPublicKeyInfoOwned) -> Result<Extension, der::Error> {
    extension(false, &SubjectKeyIdentifier(OctetString::new(key_id(spki))?))
}

/// The key usage bits.
pub(super) fn key_usages(uses: &[KeyUse]) -> KeyUsage {
    let mut set = FlagSet::<KeyUsages>::default();
    for key_use in uses {
        set |= match key_use {
            KeyUse::DigitalSignature => KeyUsages::DigitalSignature,
            KeyUse::KeyAgreement => KeyUsages::KeyAgreement,
            KeyUse::KeyEncipherment => KeyUsages::KeyEncipherment,
        };
    }
    KeyUsage(set)
}

pub(super) fn key_usage(uses: &[KeyUse]) -> Result<Extension, der::Error> {
    extension(true, &key_usages(uses))
}

pub(super) fn authority_key_usage() -> Result<Extension, der::Error> {
    extension(true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))
}

pub(super) fn basic_constraints(path_len: u8) -> Result<Extension, der::Error> {
    extension(true, &BasicConstraints { ca: true, path_len_constraint: Some(path_len) })
}

pub(super) fn policies(policies: &[ObjectIdentifier]) -> Result<Extension, der::Error> {
    let information = |oid: &ObjectIdentifier| PolicyInformation { policy_identifier: *oid, policy_qualifiers: None };
    extension(false, &CertificatePolicies(policies.iter().map(information).collect()))
}

/// Critical where the subject is empty (RFC 5280 section 4.2.1.6).
pub(super) fn alternative_name(name: GeneralName, critical: bool) -> Result<Extension, der::Error> {
    extension(critical, &SubjectAltName(vec![name]))
}

pub(super) fn purposes(purposes: &[Purpose]) -> Result<Extension, der::Error> {
    extension(false, &ExtendedKeyUsage(purposes.iter().map(|p| p.oid()).collect()))
}

pub(super) fn crl_distribution_point(url: &str, schemes: &[String]) -> Result<Extension, PlanError> {
    let name = location("crlUrl", url, schemes)?;
    let point = DistributionPoint {
        distribution_point: Some(DistributionPointName::FullName(vec![name])),
        reasons: None,
        crl_issuer: None,
    };
    Ok(extension(false, &CrlDistributionPoints(vec![point]))?)
}

/// Where the issuing certificate is (RFC 5280 section 4.2.2.1).
pub(super) fn issuer_access(url: &str, schemes: &[String]) -> Result<Extension, PlanError> {
    let access_location = location("issuerUrl", url, schemes)?;
    let access = AccessDescription { access_method: oid::CA_ISSUERS, access_location };
    Ok(extension(false, &AuthorityInfoAccessSyntax(vec![access]))?)
}

/// Where a list is, as its issuingDistributionPoint has it.
pub(super) fn list_address(url: &str) -> Result<GeneralName, PlanError> {
    location("place", url, &["http".to_owned(), "https".to_owned()])
}

fn location(field: &'static str, url: &str, schemes: &[String]) -> Result<GeneralName, PlanError> {
    if !is_url(url, schemes) {
        let expected = format!("a URL of at most 512 ASCII characters, by {}", schemes.join(" or "));
        return Err(PlanError::Bound { field, expected, found: url.chars().take(80).collect() });
    }
    Ok(GeneralName::UniformResourceIdentifier(Ia5String::new(url)?))
}

/// Whether an address can stand in a certificate: of these schemes, short, printable.
pub(super) fn is_url(url: &str, schemes: &[String]) -> bool {
    let rest = url.split_once("://").filter(|(scheme, _)| schemes.iter().any(|s| s == scheme)).map(|(_, rest)| rest);
    url.len() <= 512 && rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic()))
}
