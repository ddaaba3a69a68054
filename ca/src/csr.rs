//! Certificate requests (RFC 2986): who holds the key, and what she asks to be called.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use const_oid::AssociatedOid as _;
use const_oid::db::rfc5912::{ECDSA_WITH_SHA_256, ID_EXTENSION_REQ, SHA_256_WITH_RSA_ENCRYPTION};
use der::asn1::{Any, Ia5String, SetOfVec};
use der::{Decode as _, Encode as _, Tag, Tagged as _};
use identity::certificate::key_algorithm;
use identity::profile::{KeyAlgorithm, Profile};
use identity::{Identifier, IdentifierKind, oid};
use thiserror::Error;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};
use x509_cert::request::{CertReq, ExtensionReq};

/// `pkcs-9-at-challengePassword`.
const CHALLENGE_PASSWORD: const_oid::ObjectIdentifier = const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.7");
/// A request is at most this long.
const MAX_BYTES: usize = 8 * 1024;

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum CsrError {
    #[error("expected a request of at most {MAX_BYTES} bytes, found {0}")]
    TooLarge(usize),
    #[error("expected a certificate request (RFC 2986) in DER, found: {0}")]
    Der(String),
    #[error("expected a key of the profile: {expected}, found {found}")]
    Key { expected: String, found: String },
    #[error("expected a request signed with {expected}, found {found}")]
    Algorithm { expected: &'static str, found: String },
    #[error("the request's signature does not fit its key: whoever sent it does not hold the key")]
    Signature,
    #[error("expected exactly one subjectAltName, the order's identifier in canonical form, found {0}")]
    Name(&'static str),
    #[error("expected the attribute challengePassword (RFC 2985 section 5.4.1) with the order's URL, found {0}")]
    Possession(&'static str),
    #[error("expected an empty subject, or the order's identifier as its common name, found another")]
    Subject,
}

/// A request that was signed by the key it names and asks for the order's identifier and nothing else.
#[derive(Debug)]
pub(crate) struct VerifiedRequest {
    spki: Vec<u8>,
}

impl VerifiedRequest {
    /// DER of the SubjectPublicKeyInfo.
    pub(crate) fn spki_der(&self) -> &[u8] {
        &self.spki
    }
}

/// What ties a request to this very order: the key's signature covers it, so whoever sends the request had the key after
/// the order was made. (A request alone proves that somebody had the key at some time.)
#[derive(Clone, Copy, Debug)]
pub(crate) struct Possession<'a> {
    /// The order's URL, which nobody could know before.
    pub(crate) order: &'a str,
    /// Whether a request without it is refused. One that names another order always is.
    pub(crate) required: bool,
}

/// Verifies a request for `identifier` under `profile`.
///
/// RFC 8555 section 7.4 wants the request's names to be exactly the order's. The name stands in the subjectAltName; a
/// common name is tolerated if it says the same. Other extensions and attributes are not looked at: the profile decides
/// what a certificate contains.
pub(crate) fn verify(
    der: &[u8],
    identifier: &Identifier,
    profile: &Profile,
    possession: Possession<'_>,
) -> Result<VerifiedRequest, CsrError> {
    if der.len() > MAX_BYTES {
        return Err(CsrError::TooLarge(der.len()));
    }
    let malformed = |e: der::Error| CsrError::Der(e.to_string());
    let request = CertReq::from_der(der).map_err(malformed)?;
    let algorithm = check_key(&request, profile)?;
    let signed = request.info.to_der().map_err(malformed)?;
    let key = request.info.public_key.subject_public_key.raw_bytes();
    let signature = request.signature.as_bytes().ok_or(CsrError::Signature)?;
    UnparsedPublicKey::new(algorithm, key).verify(&signed, signature).map_err(|_| CsrError::Signature)?;
    check_names(&request, identifier)?;
    check_possession(&request, possession)?;
    Ok(VerifiedRequest { spki: request.info.public_key.to_der().map_err(malformed)? })
}

/// That the profile takes the key; and how its signature is verified.
fn check_key(request: &CertReq, profile: &Profile) -> Result<&'static dyn VerificationAlgorithm, CsrError> {
    let expected = || profile.keys().iter().map(|k| k.name()).collect::<Vec<_>>().join(" or ");
    let found = key_algorithm(&request.info.public_key)
        .map_err(|e| CsrError::Key { expected: expected(), found: e.to_string() })?;
    if !profile.keys().contains(&found) {
        return Err(CsrError::Key { expected: expected(), found: found.name().into() });
    }
    let (oid, expected, algorithm): (_, _, &dyn VerificationAlgorithm) = match found {
        KeyAlgorithm::Ed25519 => (oid::ED25519, "Ed25519", &ED25519),
        KeyAlgorithm::P256 => (ECDSA_WITH_SHA_256, "ECDSA with SHA-256", &ECDSA_P256_SHA256_ASN1),
        KeyAlgorithm::Rsa => (SHA_256_WITH_RSA_ENCRYPTION, "RSA with SHA-256", &RSA_PKCS1_2048_8192_SHA256),
    };
    if request.algorithm.oid != oid {
        return Err(CsrError::Algorithm { expected, found: request.algorithm.oid.to_string() });
    }
    Ok(algorithm)
}

fn check_names(request: &CertReq, identifier: &Identifier) -> Result<(), CsrError> {
    let names = names(request)?;
    match names.as_slice() {
        [] => return Err(CsrError::Name("none")),
        [one] if Some(one) == expected_name(identifier).as_ref() => {}
        [_] => return Err(CsrError::Name("another one")),
        _ => return Err(CsrError::Name("several")),
    }
    let subject = &request.info.subject;
    if subject.is_empty() {
        return Ok(());
    }
    // RFC 4514 escapes what an address may contain; comparing attribute values avoids it.
    let mut attributes = subject.iter();
    let one = attributes.next().filter(|_| attributes.next().is_none()).ok_or(CsrError::Subject)?;
    let is_common_name = one.oid == const_oid::db::rfc4519::CN;
    if is_common_name && one.value.value() == identifier.as_str().as_bytes() { Ok(()) } else { Err(CsrError::Subject) }
}

fn check_possession(request: &CertReq, possession: Possession<'_>) -> Result<(), CsrError> {
    let mut attributes = request.info.attributes.iter().filter(|attribute| attribute.oid == CHALLENGE_PASSWORD);
    let Some(attribute) = attributes.next() else {
        return if possession.required { Err(CsrError::Possession("none")) } else { Ok(()) };
    };
    let mut values = attribute.values.iter();
    let (value, more) =
        (values.next(), values.next().or_else(|| attributes.next().and_then(|a| a.values.iter().next())));
    // A DirectoryString; programs take the form they like for ASCII.
    let text = |value: &&Any| matches!(value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String);
    match value.filter(text) {
        Some(value) if more.is_none() && value.value() == possession.order.as_bytes() => Ok(()),
        Some(_) if more.is_none() => Err(CsrError::Possession("another")),
        _ => Err(CsrError::Possession("something else")),
    }
}

/// All names in all subjectAltName extensions that are asked for.
fn names(request: &CertReq) -> Result<Vec<GeneralName>, CsrError> {
    let malformed = |e: der::Error| CsrError::Der(e.to_string());
    let mut names = Vec::new();
    for attribute in request.info.attributes.iter().filter(|a| a.oid == ID_EXTENSION_REQ) {
        let values: &SetOfVec<Any> = &attribute.values;
        for value in values.iter() {
            let extensions: ExtensionReq = value.decode_as().map_err(malformed)?;
            for extension in extensions.0.iter().filter(|e| e.extn_id == SubjectAltName::OID) {
                names.extend(SubjectAltName::from_der(extension.extn_value.as_bytes()).map_err(malformed)?.0);
            }
        }
    }
    Ok(names)
}

/// The name form for a person: for a number, its URI (RFC 3966); for an address, `SmtpUTF8Mailbox` only where the local
/// part is not ASCII (RFC 9598 section 3).
fn expected_name(identifier: &Identifier) -> Option<GeneralName> {
    let text = identifier.as_str();
    if identifier.kind() == IdentifierKind::Phone {
        return Ia5String::new(&format!("tel:{text}")).ok().map(GeneralName::UniformResourceIdentifier);
    }
    if text.is_ascii() {
        return Ia5String::new(text).ok().map(GeneralName::Rfc822Name);
    }
    let value = Any::new(Tag::Utf8String, text.as_bytes()).ok()?;
    Some(GeneralName::OtherName(OtherName { type_id: oid::SMTP_UTF8_MAILBOX, value }))
}

#[cfg(test)]
mod tests;
