//! A content's key for a recipient with an RSA key (RFC 5652 section 6.2.1): encrypted to it, by RSAES-OAEP (RFC 3560), or by
//! the older RSAES-PKCS1-v1_5, which is all that many programs read.

use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512, OaepAlgorithm,
    OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey, PublicEncryptingKey,
};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ID_SHA_1, ID_SHA_256, ID_SHA_384, ID_SHA_512, RSA_ENCRYPTION};
use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode as _, Encode as _, Tagged as _};
use spki::{AlgorithmIdentifier, AlgorithmIdentifierRef, SubjectPublicKeyInfoOwned};
use zeroize::Zeroizing;

use super::key::{ContentKey, DecryptionKey};
use crate::error::CmsError;
use crate::tlv::{INTEGER, OCTET_STRING, ONE, SEQUENCE, ZERO, elements, tlv};

const RSAES_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const P_SPECIFIED: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.9");
const OAEP: [(ObjectIdentifier, &OaepAlgorithm); 4] = [
    (ID_SHA_1, &OAEP_SHA1_MGF1SHA1),
    (ID_SHA_256, &OAEP_SHA256_MGF1SHA256),
    (ID_SHA_384, &OAEP_SHA384_MGF1SHA384),
    (ID_SHA_512, &OAEP_SHA512_MGF1SHA512),
];
/// Of a KeyTransRecipientInfo that names a certificate by issuer and number.
const VERSION: [u8; 3] = [INTEGER, 1, 0];

/// How a key was padded.
#[derive(Clone, Debug)]
pub(super) enum Padding {
    Oaep(&'static OaepAlgorithm),
    Pkcs1,
}

/// KeyTransRecipientInfo for the recipient that `named` says (IssuerAndSerialNumber in DER).
pub(super) fn write(
    named: &[u8],
    key: &SubjectPublicKeyInfoOwned,
    content: &ContentKey,
    oaep: bool,
) -> Result<Vec<u8>, CmsError> {
    let unfit = |_| CmsError::form("an RSA key of 2048 to 8192 bits in the certificate", "another one");
    let der = key.to_der().map_err(|error| CmsError::form("a certificate's key", error))?;
    let key = PublicEncryptingKey::from_der(&der).map_err(unfit)?;
    let mut sealed = vec![0; key.key_size_bytes()];
    let (algorithm, sealed) = if oaep {
        let key = OaepPublicEncryptingKey::new(key)?;
        (oaep_sha256(), key.encrypt(&OAEP_SHA256_MGF1SHA256, content.bytes(), &mut sealed, None)?)
    } else {
        let key = Pkcs1PublicEncryptingKey::new(key)?;
        (identifier(RSA_ENCRYPTION, AnyRef::NULL), key.encrypt(content.bytes(), &mut sealed)?)
    };
    Ok(tlv(SEQUENCE, &[&VERSION, named, &algorithm, &tlv(OCTET_STRING, &[sealed])]))
}

impl Padding {
    /// Of an AlgorithmIdentifier. The error names what is not known.
    pub(super) fn read(identifier: &AlgorithmIdentifierRef<'_>) -> Result<Self, ObjectIdentifier> {
        match identifier.oid {
            RSA_ENCRYPTION => Ok(Self::Pkcs1),
            RSAES_OAEP => oaep(identifier.parameters).map(Self::Oaep).ok_or(RSAES_OAEP),
            other => Err(other),
        }
    }

    /// The key that was encrypted, of `length` bytes.
    pub(super) fn open(
        &self,
        key: &DecryptionKey,
        sealed: &[u8],
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, CmsError> {
        match self {
            Self::Oaep(algorithm) => key.open_oaep(algorithm, sealed),
            Self::Pkcs1 => key.open_pkcs1(sealed, length),
        }
    }
}

/// RSAES-OAEP-params (RFC 8017 appendix A.2.1): one hash for both of its places, and no label. What is left out is SHA-1.
fn oaep(parameters: Option<AnyRef<'_>>) -> Option<&'static OaepAlgorithm> {
    let der = parameters?.to_der().ok()?;
    let (mut hash, mut mask) = (ID_SHA_1, ID_SHA_1);
    for part in elements(&der, "parameters of RSAES-OAEP", 3).ok()? {
        let tag = part.tag();
        let identifier = AlgorithmIdentifierRef::from_der(part.value()).ok()?;
        match tag.number().value() {
            _ if !tag.is_context_specific() => return None,
            0 => hash = identifier.oid,
            1 if identifier.oid == MGF1 => {
                mask = identifier.parameters?.decode_as::<AlgorithmIdentifierRef<'_>>().ok()?.oid;
            }
            2 if identifier.oid == P_SPECIFIED => {
                let label = identifier.parameters?.decode_as::<&OctetStringRef>().ok()?;
                label.as_bytes().is_empty().then_some(())?;
            }
            _ => return None,
        }
    }
    OAEP.into_iter().find(|(oid, _)| *oid == hash && hash == mask).map(|(_, algorithm)| algorithm)
}

/// With SHA-256 in both places.
fn oaep_sha256() -> Vec<u8> {
    let sha = identifier(ID_SHA_256, AnyRef::NULL);
    let mask = tlv(SEQUENCE, &[&MGF1.to_der().expect("constants encode"), &sha]);
    let parameters = tlv(SEQUENCE, &[&tlv(ZERO, &[&sha]), &tlv(ONE, &[&mask])]);
    tlv(SEQUENCE, &[&RSAES_OAEP.to_der().expect("constants encode"), &parameters])
}

fn identifier(oid: ObjectIdentifier, parameters: AnyRef<'_>) -> Vec<u8> {
    AlgorithmIdentifier { oid, parameters: Some(parameters) }.to_der().expect("identifiers encode")
}
