//! Signed requests: JWS (RFC 7515) as RFC 8555 section 6.2 narrows it.
//!
//! Parsing gives an [`UnverifiedJws`]; only [`UnverifiedJws::verify`] gives its payload out.

mod key;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use thiserror::Error;

use crate::spent::Work;

pub(crate) use key::{PublicKey, UnusableKey};

/// Why a body is no signed request. Each turns into one error of RFC 8555 section 6.7.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum JwsError {
    #[error("expected a flattened JWS with the members protected, payload and signature, found {0}")]
    Malformed(String),
    #[error("expected {member} in the protected header, found {found}")]
    Header { member: &'static str, found: &'static str },
    #[error("expected one of ES256, EdDSA and RS256 as alg, found {found}")]
    Algorithm { found: String },
    #[error("expected alg {expected} for this key, found {found}")]
    WrongAlgorithm { expected: &'static str, found: String },
    #[error(transparent)]
    Key(#[from] UnusableKey),
    #[error("the signature does not fit the key and the content")]
    Signature,
}

/// Which key a request says it is signed with.
#[derive(Debug)]
pub(crate) enum KeyName {
    /// The key itself (`jwk`): for a new account, or for the holder of a certificate.
    Itself(PublicKey),
    /// An account's URL (`kid`).
    Account(String),
}

/// A request that parses. Nothing in it is to be believed yet.
#[derive(Debug)]
pub(crate) struct UnverifiedJws {
    signed: String,
    payload: Vec<u8>,
    signature: Vec<u8>,
    algorithm: String,
    key: KeyName,
    /// Single-use; its check is the caller's.
    pub(crate) nonce: Option<String>,
    /// The URL it was meant for; its check is the caller's.
    pub(crate) url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Flattened {
    protected: String,
    payload: String,
    signature: String,
}

#[derive(Deserialize)]
struct Protected {
    alg: String,
    nonce: Option<String>,
    url: Option<String>,
    jwk: Option<serde_json::Value>,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

impl UnverifiedJws {
    /// Parses a body (whose size is the caller's to bound).
    pub(crate) fn parse(body: &[u8]) -> Result<Self, JwsError> {
        let flattened: Flattened = serde_json::from_slice(body).map_err(|e| JwsError::Malformed(e.to_string()))?;
        let protected: Protected = serde_json::from_slice(&decode("protected", &flattened.protected)?)
            .map_err(|e| JwsError::Malformed(format!("a protected header in which {e}")))?;
        if protected.crit.is_some() {
            // RFC 7515 section 4.1.11: what is critical and not understood must be refused, and we understand none.
            return Err(JwsError::Header { member: "no crit", found: "crit" });
        }
        if !["ES256", "EdDSA", "RS256"].contains(&protected.alg.as_str()) {
            return Err(JwsError::Algorithm { found: protected.alg });
        }
        let key = match (protected.jwk, protected.kid) {
            (Some(jwk), None) => KeyName::Itself(PublicKey::from_jwk(&jwk)?),
            (None, Some(kid)) => KeyName::Account(kid),
            (Some(_), Some(_)) => return Err(JwsError::Header { member: "jwk or kid", found: "both" }),
            (None, None) => return Err(JwsError::Header { member: "jwk or kid", found: "neither" }),
        };
        Ok(Self {
            payload: decode("payload", &flattened.payload)?,
            signature: decode("signature", &flattened.signature)?,
            signed: format!("{}.{}", flattened.protected, flattened.payload),
            algorithm: protected.alg,
            key,
            nonce: protected.nonce,
            url: protected.url.ok_or(JwsError::Header { member: "url", found: "none" })?,
        })
    }

    pub(crate) fn key(&self) -> &KeyName {
        &self.key
    }

    /// Gives the payload out if `key` signed it.
    pub(crate) fn verify(self, key: &PublicKey) -> Result<Vec<u8>, JwsError> {
        if self.algorithm != key.algorithm() {
            return Err(JwsError::WrongAlgorithm { expected: key.algorithm(), found: self.algorithm });
        }
        if !Work::Requests.time(|| key.verify(self.signed.as_bytes(), &self.signature)) {
            return Err(JwsError::Signature);
        }
        Ok(self.payload)
    }
}

/// base64url without padding (RFC 7515 section 2); other spellings of the same bytes are refused.
fn decode(member: &str, text: &str) -> Result<Vec<u8>, JwsError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|e| JwsError::Malformed(format!("a {member} that is not base64url: {e}")))
}

#[cfg(test)]
mod tests;
