//! What the root signs after the beginning: the next version of the trust policy.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use identity::trust::signing_input;

use super::{KeysError, PRIVATE_KEY, certificate, read};
use crate::pem;

/// Signs the canonical bytes of a trust policy with the root's key: ECDSA with P-256 and SHA-256, in DER.
///
/// `folder` holds the root's certificate, `key` its key, which may lie elsewhere: it is needed for nothing else in
/// daily work, and is best kept off the machine.
pub fn sign_policy(folder: &Path, key: &Path, policy: &[u8]) -> Result<Vec<u8>, KeysError> {
    let root = certificate(&folder.join("root.pem"))?;
    let wrong =
        || KeysError::Content { path: key.into(), expected: "the P-256 key of the root certificate, in PKCS#8" };
    let pkcs8 = pem::decode(PRIVATE_KEY, &read(key)?).ok_or_else(wrong)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).map_err(|_| wrong())?;
    if pair.public_key().as_ref() != root.tbs().spki().subject_public_key.raw_bytes() {
        return Err(wrong());
    }
    let signature = pair.sign(&SystemRandom::new(), &signing_input(policy)).map_err(|_| wrong())?;
    Ok(signature.as_ref().to_vec())
}
