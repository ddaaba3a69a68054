//! Public keys as OpenSSH has them: one line of a type, base64 and a comment (RFC 4253 section 6.6, RFC 8709, RFC 5656).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::{Decode as _, Sequence, asn1::UintRef};
use identity::profile::KeyAlgorithm;

use crate::credential::Public;

/// RFC 8017 appendix A.1.1.
#[derive(Sequence)]
struct RsaPublicKey<'a> {
    modulus: UintRef<'a>,
    exponent: UintRef<'a>,
}

/// The line; nothing if the key is none, which verification has excluded.
pub(super) fn line(public: &Public) -> Option<String> {
    let key = public.leaf.tbs().spki().subject_public_key.raw_bytes();
    let (kind, parts) = match public.algorithm {
        KeyAlgorithm::Ed25519 => ("ssh-ed25519", vec![key.to_vec()]),
        KeyAlgorithm::P256 => ("ecdsa-sha2-nistp256", vec![b"nistp256".to_vec(), key.to_vec()]),
        KeyAlgorithm::Rsa => {
            let key = RsaPublicKey::from_der(key).ok()?;
            ("ssh-rsa", vec![mpint(key.exponent.as_bytes()), mpint(key.modulus.as_bytes())])
        }
    };
    let mut blob = Vec::new();
    for part in [kind.as_bytes().to_vec()].iter().chain(&parts) {
        blob.extend(u32::try_from(part.len()).ok()?.to_be_bytes());
        blob.extend(part);
    }
    Some(format!("{kind} {} {}", STANDARD.encode(&blob), public.person.identifier()))
}

/// RFC 4251 section 5: a number whose first bit is set has a zero byte before it.
fn mpint(bytes: &[u8]) -> Vec<u8> {
    let zero = bytes.first().is_some_and(|first| first & 0x80 != 0).then_some(0);
    zero.into_iter().chain(bytes.iter().copied()).collect()
}
