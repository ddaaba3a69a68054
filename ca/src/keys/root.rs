//! What the root signs after the beginning: the next version of the trust policy.

use std::path::Path;

use identity::trust::signing_input;
use key_store::PassphraseSource;

use super::signing_key::{SigningKey, Unlocking};
use super::{KeysError, certificate};

/// Signs the canonical bytes of a trust policy with the root's key: ECDSA, in DER.
///
/// `folder` holds the root's certificate, `key` its key, which may lie elsewhere: in PKCS#8, or the URI of one in a token
/// if its name ends in `.uri`.
pub fn sign_policy(
    folder: &Path,
    key: &Path,
    passphrase: Option<PassphraseSource>,
    policy: &[u8],
) -> Result<Vec<u8>, KeysError> {
    let root = certificate(&folder.join("root.pem"))?;
    let wrong = || KeysError::Content { path: key.into(), expected: "the key of the root certificate" };
    let opened = match key.extension() {
        Some(uri) if uri == "uri" => SigningKey::in_token(key)?,
        _ => SigningKey::in_file(key, &mut Unlocking::new(passphrase))?,
    };
    if *opened.spki_der() != *root.tbs().spki_der() {
        return Err(wrong());
    }
    opened.sign(&signing_input(policy)).map_err(|_| wrong())
}
