//! Signed requests (RFC 7515 flattened JSON, as RFC 8555 section 6.2 profiles it) with ES256, EdDSA or RS256. No I/O.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::holder::ExternalAccount;
use crate::keys::{AccountKey, DeviceKey, KeyError};
use crate::mail_key::{MailKey, MailKeyType, PublicNumbers};

/// A key that signs requests: an account's, or that of a certificate.
pub trait RequestKey: Sync {
    /// `alg` (RFC 7518 section 3.1, RFC 8037 section 3.1).
    fn algorithm(&self) -> &'static str;
    /// The public key as a JWK.
    fn jwk(&self) -> Value;
    /// The signature in the form of JWS.
    ///
    /// # Errors
    /// The key, in a token, did not sign.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

impl RequestKey for AccountKey {
    fn algorithm(&self) -> &'static str {
        "ES256"
    }

    fn jwk(&self) -> Value {
        jwk(self)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        Self::sign(self, message).map(Vec::from)
    }
}

impl RequestKey for DeviceKey {
    fn algorithm(&self) -> &'static str {
        "EdDSA"
    }

    fn jwk(&self) -> Value {
        json!({ "crv": "Ed25519", "kty": "OKP", "x": URL_SAFE_NO_PAD.encode(self.public_key()) })
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = identity::tls::DeviceSigner::sign(self, message);
        signature.map(Vec::from).map_err(|error| KeyError::Sign(error.to_string()))
    }
}

impl RequestKey for MailKey {
    fn algorithm(&self) -> &'static str {
        match self.key_type() {
            MailKeyType::P256 => "ES256",
            MailKeyType::Rsa3072 => "RS256",
        }
    }

    fn jwk(&self) -> Value {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self.public_numbers() {
            PublicNumbers::Point { x, y } => json!({ "crv": "P-256", "kty": "EC", "x": b64(&x), "y": b64(&y) }),
            PublicNumbers::Rsa { n, e } => json!({ "e": b64(&e), "kty": "RSA", "n": b64(&n) }),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = Self::sign(self, message)?;
        match self.key_type() {
            MailKeyType::Rsa3072 => Ok(signature),
            // RFC 7518 section 3.4: r and s after each other, and not in DER.
            MailKeyType::P256 => {
                let signature = p256::ecdsa::Signature::from_der(&signature);
                signature.map(|it| it.to_bytes().to_vec()).map_err(|error| KeyError::Sign(error.to_string()))
            }
        }
    }
}

/// Whom a request says it is from (RFC 8555 section 6.2: exactly one of the two).
#[derive(Debug, Clone, Copy)]
pub enum Sender<'a> {
    /// The key itself: for a new account.
    Key,
    /// The account's URL: for everything else.
    Account(&'a str),
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// Nothing: a POST-as-GET (RFC 8555 section 6.3).
    Nothing,
    /// A JSON object.
    Json(&'a Value),
}

/// The public key as a JWK (RFC 7517, RFC 7518 section 6.2), members in the order of RFC 7638.
pub fn jwk(key: &AccountKey) -> Value {
    let point = key.verifying_key().to_sec1_point(false);
    let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    // An uncompressed point is 04 ‖ x ‖ y with 32 octets each (SEC 1, section 2.3.3).
    let (x, y) = point.as_bytes()[1..].split_at(32);
    json!({ "crv": "P-256", "kty": "EC", "x": coordinate(x), "y": coordinate(y) })
}

/// The key's thumbprint (RFC 7638), base64url: what a key authorisation names.
pub fn thumbprint(key: &AccountKey) -> String {
    let jwk = jwk(key);
    let member = |name: &str| jwk[name].as_str().expect("every member is text").to_owned();
    // RFC 7638 section 3: no white space, members in lexicographic order.
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, member("x"), member("y"));
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

/// A signed request body, ready to be sent as `application/jose+json`.
///
/// # Errors
/// The key, in a token, did not sign.
pub fn sign(
    key: &dyn RequestKey,
    sender: Sender<'_>,
    nonce: &str,
    url: &str,
    payload: Payload<'_>,
) -> Result<String, KeyError> {
    let mut header = json!({ "alg": key.algorithm(), "nonce": nonce, "url": url });
    match sender {
        Sender::Key => header["jwk"] = key.jwk(),
        Sender::Account(account) => header["kid"] = account.into(),
    }
    let protected = URL_SAFE_NO_PAD.encode(header.to_string());
    let payload = match payload {
        Payload::Nothing => String::new(),
        Payload::Json(value) => URL_SAFE_NO_PAD.encode(value.to_string()),
    };
    let signature = key.sign(format!("{protected}.{payload}").as_bytes())?;
    let signed = json!({
        "protected": protected,
        "payload": payload,
        "signature": URL_SAFE_NO_PAD.encode(signature),
    });
    Ok(signed.to_string())
}

/// The account's key, as an account elsewhere vouches for it (RFC 8555 section 7.3.4, with `HS256`).
pub fn bind(external: &ExternalAccount, key: &AccountKey, new_account_url: &str) -> Value {
    let header = json!({ "alg": "HS256", "kid": external.name(), "url": new_account_url });
    let protected = URL_SAFE_NO_PAD.encode(header.to_string());
    let payload = URL_SAFE_NO_PAD.encode(jwk(key).to_string());
    let mut mac = Hmac::<Sha256>::new_from_slice(external.key()).expect("HMAC takes keys of every length (RFC 2104)");
    mac.update(format!("{protected}.{payload}").as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    json!({ "protected": protected, "payload": payload, "signature": signature })
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::Signature;
    use p256::ecdsa::signature::Verifier;

    use super::*;

    /// RFC 7515 appendix A.3.1: the example's P-256 key.
    fn rfc_key() -> AccountKey {
        use p256::pkcs8::{self, EncodePrivateKey};
        let d = URL_SAFE_NO_PAD.decode("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI").unwrap();
        let secret = p256::SecretKey::from_slice(&d).unwrap();
        AccountKey::from_pem(&secret.to_pkcs8_pem(pkcs8::LineEnding::LF).unwrap()).unwrap()
    }

    fn decode(text: &Value) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
    }

    #[test]
    fn the_jwk_is_that_of_rfc_7515() {
        let jwk = jwk(&rfc_key());
        assert_eq!(jwk["x"], "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        assert_eq!(jwk["y"], "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    }

    #[test]
    fn a_thumbprint_is_the_hash_of_the_ordered_members() {
        let text = concat!(
            r#"{"crv":"P-256","kty":"EC","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#,
            r#""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#
        );
        assert_eq!(thumbprint(&rfc_key()), URL_SAFE_NO_PAD.encode(Sha256::digest(text)));
    }

    #[test]
    fn a_request_verifies_and_names_its_url_and_nonce() {
        let key = rfc_key();
        let body = sign(
            &key,
            Sender::Account("https://ca/account/1"),
            "n1",
            "https://ca/new-order",
            Payload::Json(&json!({"a": 1})),
        )
        .unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        let header: Value = serde_json::from_slice(&decode(&body["protected"])).unwrap();
        assert_eq!(header["alg"], "ES256");
        assert_eq!(header["kid"], "https://ca/account/1");
        assert_eq!(header["nonce"], "n1");
        assert_eq!(header["url"], "https://ca/new-order");
        assert!(header.get("jwk").is_none(), "exactly one of jwk and kid");
        assert_eq!(decode(&body["payload"]), br#"{"a":1}"#);
        let signed = format!("{}.{}", body["protected"].as_str().unwrap(), body["payload"].as_str().unwrap());
        let signature = Signature::from_slice(&decode(&body["signature"])).unwrap();
        key.verifying_key().verify(signed.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn a_key_for_mail_signs_a_request_by_which_its_jwk_verifies() {
        use aws_lc_rs::signature::{
            ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
        };
        for kind in [MailKeyType::P256, MailKeyType::Rsa3072] {
            let key = MailKey::generate(kind).unwrap();
            let (jwk, signature) = (key.jwk(), RequestKey::sign(&key, b"a request").unwrap());
            match kind {
                MailKeyType::P256 => {
                    let point = [vec![4], decode(&jwk["x"]), decode(&jwk["y"])].concat();
                    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                    key.verify(b"a request", &signature).unwrap();
                }
                MailKeyType::Rsa3072 => {
                    let (n, e) = (decode(&jwk["n"]), decode(&jwk["e"]));
                    let key = RsaPublicKeyComponents { n, e };
                    key.verify(&RSA_PKCS1_2048_8192_SHA256, b"a request", &signature).unwrap();
                }
            }
        }
    }

    #[test]
    fn a_new_account_shows_its_key_and_a_post_as_get_has_an_empty_payload() {
        let signed = sign(&rfc_key(), Sender::Key, "n", "u", Payload::Nothing).unwrap();
        let body: Value = serde_json::from_str(&signed).unwrap();
        let header: Value = serde_json::from_slice(&decode(&body["protected"])).unwrap();
        assert_eq!(header["jwk"], jwk(&rfc_key()));
        assert!(header.get("kid").is_none());
        assert_eq!(body["payload"], "");
    }
}
