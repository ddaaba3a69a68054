//! External account binding (RFC 8555 section 7.3.4): who has an account elsewhere, with a firm or a club, shows it by a
//! MAC under a key that was handed to her there.
//!
//! Each binding counts for one account here: a key that leaks later opens no second one.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::jws::PublicKey;

/// A MAC key of fewer bytes could be guessed by whoever has seen one binding.
const MIN_KEY_BYTES: usize = 32;
/// A name is at most this long.
const MAX_NAME_BYTES: usize = 128;

/// The accounts elsewhere whose holders may have accounts here.
#[derive(Clone, Default)]
pub struct ExternalAccounts {
    /// Whether an account needs one.
    pub required: bool,
    keys: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

/// Why a list of accounts elsewhere is refused. No key is repeated.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("line {line}: expected {expected}")]
pub struct ExternalKeyError {
    /// Counted from 1.
    pub line: usize,
    /// What should stand there.
    pub expected: &'static str,
}

impl ExternalAccounts {
    /// Reads a list: on each line a name, white space, and its key in base64url. Empty lines and those that begin with
    /// `#` do not count.
    ///
    /// # Errors
    /// A line is something else, a key has fewer than 32 bytes, or a name stands twice.
    pub fn parse(text: &str, required: bool) -> Result<Self, ExternalKeyError> {
        let mut keys = BTreeMap::new();
        for (line, text) in (1..).zip(text.lines().map(str::trim)) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let wrong = |expected| ExternalKeyError { line, expected };
            let (name, key) = text.split_once(char::is_whitespace).ok_or(wrong("a name and a key in base64url"))?;
            if name.len() > MAX_NAME_BYTES {
                return Err(wrong("a name of at most 128 bytes"));
            }
            let key = URL_SAFE_NO_PAD.decode(key.trim().trim_end_matches('='));
            let key = key.map(Zeroizing::new).map_err(|_| wrong("a key in base64url after the name"))?;
            if key.len() < MIN_KEY_BYTES {
                return Err(wrong("a key of at least 32 bytes"));
            }
            if keys.insert(name.to_owned(), key).is_some() {
                return Err(wrong("a name that stands on no line before"));
            }
        }
        Ok(Self { required, keys })
    }

    /// Whether there is any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The name of the account elsewhere that `binding` binds to the account key `account`; `url` is that of the request
    /// around it.
    pub(crate) fn bound(
        &self,
        binding: &serde_json::Value,
        account: &PublicKey,
        url: &str,
    ) -> Result<String, BindingError> {
        let malformed = |e: &dyn std::fmt::Display| BindingError::Malformed(e.to_string());
        let jws = Flattened::deserialize(binding).map_err(|e| malformed(&e))?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|e| malformed(&e));
        let header: Protected = serde_json::from_slice(&decode(&jws.protected)?).map_err(|e| malformed(&e))?;
        if header.nonce.is_some() {
            return Err(BindingError::Malformed("a nonce in its protected header".into()));
        }
        if header.url != url {
            return Err(BindingError::Malformed("another url than that of the request around it".into()));
        }
        let algorithm = match header.alg.as_str() {
            "HS256" => hmac::HMAC_SHA256,
            "HS384" => hmac::HMAC_SHA384,
            "HS512" => hmac::HMAC_SHA512,
            _ => return Err(BindingError::Malformed("an alg other than HS256, HS384 and HS512".into())),
        };
        // An unknown name takes as long and sounds the same as a wrong key.
        let unknown = Zeroizing::new(vec![0; MIN_KEY_BYTES]);
        let known = self.keys.get(&header.kid);
        let key = hmac::Key::new(algorithm, known.unwrap_or(&unknown));
        let message = format!("{}.{}", jws.protected, jws.payload);
        let fits = hmac::verify(&key, message.as_bytes(), &decode(&jws.signature)?).is_ok();
        if known.is_none() || !fits {
            return Err(BindingError::Refused);
        }
        let jwk = serde_json::from_slice(&decode(&jws.payload)?).map_err(|e| malformed(&e))?;
        if PublicKey::from_jwk(&jwk).ok().as_ref() != Some(account) {
            return Err(BindingError::Malformed("another key than the account's as its payload".into()));
        }
        Ok(header.kid)
    }
}

impl std::fmt::Debug for ExternalAccounts {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExternalAccounts").field("required", &self.required).finish_non_exhaustive()
    }
}

/// Why a binding does not count.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum BindingError {
    #[error("expected a binding as in RFC 8555 section 7.3.4, found {0}")]
    Malformed(String),
    #[error("the binding's kid is not known here, or its key is another; take both as they were given to you")]
    Refused,
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
    kid: String,
    url: String,
    nonce: Option<serde_json::Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_and_its_faults_are_told_by_line_without_the_key() {
        let key = URL_SAFE_NO_PAD.encode([7; 32]);
        let known = ExternalAccounts::parse(&format!("# ours\n\nmember-1\t{key}\nmember-2 {key}=\n"), true).unwrap();
        assert_eq!(known.keys.len(), 2);
        assert!(!format!("{known:?}").contains(&key));
        let faults = [
            ("alone".to_owned(), "a name and a key"),
            ("name s3cret!".into(), "a key in base64url"),
            ("name AAAA".into(), "at least 32"),
            (format!("{} {key}", "n".repeat(200)), "128 bytes"),
            (format!("a {key}\na {key}"), "no line before"),
        ];
        for (text, expected) in faults {
            let error = ExternalAccounts::parse(&text, false).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{error}");
        }
    }
}
