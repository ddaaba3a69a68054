//! A content's key for a recipient with a P-256 key (RFC 5753): hers and one that is made for this message alone agree on a
//! third, which wraps it.

use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::cipher::{AES_192, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::ID_EC_PUBLIC_KEY;
use der::{Decode as _, Encode as _};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoOwned};
use zeroize::Zeroizing;

use super::key::{ContentKey, DecryptionKey};
use crate::error::CmsError;
use crate::tlv::{BIT_STRING, INTEGER, OCTET_STRING, ONE, SEQUENCE, TWO, ZERO, tlv};

const STD_DH_SHA256_KDF: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.1.11.1");
/// With the point as it is, and with its cofactor, which is 1 on P-256 (RFC 5753 section 7.1.4).
const SCHEMES: [(ObjectIdentifier, &digest::Algorithm); 8] = [
    (ObjectIdentifier::new_unwrap("1.3.133.16.840.63.0.2"), &SHA1_FOR_LEGACY_USE_ONLY),
    (ObjectIdentifier::new_unwrap("1.3.133.16.840.63.0.3"), &SHA1_FOR_LEGACY_USE_ONLY),
    (STD_DH_SHA256_KDF, &SHA256),
    (ObjectIdentifier::new_unwrap("1.3.132.1.14.1"), &SHA256),
    (ObjectIdentifier::new_unwrap("1.3.132.1.11.2"), &SHA384),
    (ObjectIdentifier::new_unwrap("1.3.132.1.14.2"), &SHA384),
    (ObjectIdentifier::new_unwrap("1.3.132.1.11.3"), &SHA512),
    (ObjectIdentifier::new_unwrap("1.3.132.1.14.3"), &SHA512),
];
const AES_256_WRAP: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.45");
/// With the length of their keys (bytes).
const WRAPS: [(ObjectIdentifier, usize); 3] = [
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.5"), 16),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.25"), 24),
    (AES_256_WRAP, 32),
];
/// KeyAgreeRecipientInfo has one version.
const VERSION: [u8; 3] = [INTEGER, 1, 3];
/// A key of 256 bits that is wrapped, and how long what comes of unwrapping may be at most (bytes).
const WRAPPED: usize = 40;
const MAX_KEY: usize = 64;
/// A point on the largest curve that anybody uses, and additional bytes or parameters (bytes): they are kept and hashed.
const MAX_POINT: usize = 133;
const MAX_PART: usize = 1024;

/// How two keys agree, as a message says it.
#[derive(Clone, Debug)]
pub(super) struct Agreement {
    point: Vec<u8>,
    ukm: Option<Vec<u8>>,
    hash: &'static digest::Algorithm,
    /// AlgorithmIdentifier of the wrapping, as it stands there: it is hashed.
    wrap: Vec<u8>,
    wrap_length: usize,
}

/// KeyAgreeRecipientInfo for the recipient that `named` says (IssuerAndSerialNumber in DER).
pub(super) fn write(named: &[u8], key: &SubjectPublicKeyInfoOwned, content: &ContentKey) -> Result<Vec<u8>, CmsError> {
    let ours = PrivateKey::generate(&ECDH_P256)?;
    let point = ours.compute_public_key()?;
    let wrap = tlv(SEQUENCE, &[&oid(AES_256_WRAP)]);
    let shared = shared_info(&wrap, None, 32);
    let no_point = CmsError::form("a point on P-256 in the certificate", "something else");
    let hers = UnparsedPublicKey::new(&ECDH_P256, key.subject_public_key.raw_bytes());
    let kek = agreement::agree(&ours, hers, no_point, |secret| Ok(derive(&SHA256, secret, &shared, 32)))?;
    let mut wrapped = [0; WRAPPED];
    let wrapped = AesKek::new(&AES_256, &kek)?.wrap(content.bytes(), &mut wrapped)?;

    let algorithm = tlv(SEQUENCE, &[&oid(ID_EC_PUBLIC_KEY)]);
    let originator = tlv(ONE, &[&algorithm, &tlv(BIT_STRING, &[&[0], point.as_ref()])]);
    let scheme = tlv(SEQUENCE, &[&oid(STD_DH_SHA256_KDF), &wrap]);
    let keys = tlv(SEQUENCE, &[&tlv(SEQUENCE, &[named, &tlv(OCTET_STRING, &[wrapped])])]);
    Ok(tlv(ONE, &[&VERSION, &tlv(ZERO, &[&originator]), &scheme, &keys]))
}

impl Agreement {
    /// Of the point, the additional bytes and the AlgorithmIdentifier in a message. The error names what is not known.
    pub(super) fn read(
        point: &[u8],
        ukm: Option<&[u8]>,
        scheme: &AlgorithmIdentifierRef<'_>,
    ) -> Result<Self, ObjectIdentifier> {
        let (_, hash) = SCHEMES.into_iter().find(|(oid, _)| *oid == scheme.oid).ok_or(scheme.oid)?;
        let wrap = scheme.parameters.and_then(|any| any.to_der().ok()).unwrap_or_default();
        if point.len() > MAX_POINT || wrap.len() > MAX_PART || ukm.is_some_and(|ukm| ukm.len() > MAX_PART) {
            return Err(scheme.oid);
        }
        let named = AlgorithmIdentifierRef::from_der(&wrap).map_err(|_| scheme.oid)?.oid;
        let (_, wrap_length) = WRAPS.into_iter().find(|(oid, _)| *oid == named).ok_or(named)?;
        Ok(Self { point: point.to_vec(), ukm: ukm.map(<[u8]>::to_vec), hash, wrap, wrap_length })
    }

    /// The key that was wrapped. That it is the right one is certain: wrapping has a check of its own.
    pub(super) fn open(&self, key: &DecryptionKey, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, CmsError> {
        let shared = shared_info(&self.wrap, self.ukm.as_deref(), self.wrap_length);
        let kek = key.agree(&self.point, |secret| Ok(derive(self.hash, secret, &shared, self.wrap_length)))?;
        if wrapped.len() > MAX_KEY {
            return Err(CmsError::Closed);
        }
        unwrap(&kek, wrapped).ok_or(CmsError::Closed)
    }
}

fn unwrap(kek: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let kek = match kek.len() {
        16 => AesKek::new(&AES_128, kek).ok()?,
        24 => return unwrap_192(kek, wrapped),
        _ => AesKek::new(&AES_256, kek).ok()?,
    };
    let mut out = Zeroizing::new(vec![0; MAX_KEY]);
    let length = kek.unwrap(wrapped, &mut out).ok()?.len();
    out.truncate(length);
    Some(out)
}

/// RFC 3394 section 2.2.2, for the length that the library does not wrap with: what `openssl cms -aes192` writes.
fn unwrap_192(kek: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const BLOCK: usize = 8;
    let key = DecryptingKey::ecb(UnboundCipherKey::new(&AES_192, kek).ok()?).ok()?;
    if !wrapped.len().is_multiple_of(BLOCK) || wrapped.len() < 3 * BLOCK {
        return None;
    }
    let (first, rest) = wrapped.split_at(BLOCK);
    let mut register: [u8; BLOCK] = first.try_into().ok()?;
    let mut blocks = Zeroizing::new(rest.to_vec());
    let count = blocks.len() / BLOCK;
    for step in (1..=6 * count).rev() {
        let at = (step - 1) % count * BLOCK;
        let counted = u64::from_be_bytes(register) ^ step as u64;
        let mut both = Zeroizing::new([counted.to_be_bytes(), blocks[at..at + BLOCK].try_into().ok()?].concat());
        key.decrypt(&mut both, DecryptionContext::None).ok()?;
        register = both[..BLOCK].try_into().ok()?;
        blocks[at..at + BLOCK].copy_from_slice(&both[BLOCK..]);
    }
    verify_slices_are_equal(&register, &[0xa6; BLOCK]).ok().map(|()| blocks)
}

/// ECC-CMS-SharedInfo (RFC 5753 section 7.2) in DER.
fn shared_info(wrap: &[u8], ukm: Option<&[u8]>, length: usize) -> Vec<u8> {
    let ukm = ukm.map(|ukm| tlv(ZERO, &[&tlv(OCTET_STRING, &[ukm])])).unwrap_or_default();
    let bits = (length as u32 * 8).to_be_bytes();
    tlv(SEQUENCE, &[wrap, &ukm, &tlv(TWO, &[&tlv(OCTET_STRING, &[&bits])])])
}

/// The key derivation of ANSI X9.63 (SEC 1 section 3.6.1).
fn derive(hash: &'static digest::Algorithm, secret: &[u8], shared: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(length + hash.output_len()));
    for counter in 1u32.. {
        let mut round = digest::Context::new(hash);
        [secret, &counter.to_be_bytes(), shared].into_iter().for_each(|part| round.update(part));
        key.extend_from_slice(round.finish().as_ref());
        if key.len() >= length {
            break;
        }
    }
    key.truncate(length);
    key
}

fn oid(oid: ObjectIdentifier) -> Vec<u8> {
    oid.to_der().expect("constants encode")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3394 section 4.5: a key of 192 bits under one of 192 bits.
    #[test]
    fn the_length_that_is_unwrapped_here_fits_the_standard() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        let kek = hex("000102030405060708090A0B0C0D0E0F1011121314151617");
        let mut wrapped = hex("031D33264E15D33268F24EC260743EDCE1C6C7DDEE725A936BA814915C6762D2");
        let key = hex("00112233445566778899AABBCCDDEEFF0001020304050607");
        assert_eq!(*unwrap(&kek, &wrapped).unwrap(), key);
        wrapped[9] ^= 1;
        assert!(unwrap(&kek, &wrapped).is_none());
        for length in [0, 8, 16, 23] {
            assert!(unwrap(&kek, &wrapped[..length]).is_none(), "{length} bytes");
        }
    }

    #[test]
    fn as_many_rounds_as_needed_are_derived() {
        let long = derive(&SHA1_FOR_LEGACY_USE_ONLY, b"secret", b"shared", 32);
        assert_eq!(long[..16], derive(&SHA1_FOR_LEGACY_USE_ONLY, b"secret", b"shared", 16)[..]);
        assert_eq!(long[..20], *digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, b"secret\0\0\0\x01shared").as_ref());
        assert_eq!(long[20..], digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, b"secret\0\0\0\x02shared").as_ref()[..12]);
    }
}
