//! An ID token (OpenID Connect Core section 3.1.3.7): parsed, and believed only once everything about it is as expected.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::{Identifier, UnixTime};
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::keys::KeySet;

/// No token is longer (bytes).
const MAX_BYTES: usize = 16 * 1024;
/// How far clocks may differ, seconds.
const SKEW: u64 = 60;
/// How old a token may be, seconds: it was issued for this very enrolment.
const MAX_AGE: u64 = 600;
/// The signatures that we verify. Not `none`, and none with a shared key: what is public would be one.
const ALGORITHMS: [&str; 3] = ["RS256", "ES256", "EdDSA"];

/// Why a token proves nothing. Nothing of its signature is repeated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TokenError {
    #[error("expected an ID token (three parts of base64url, at most {MAX_BYTES} bytes), found {0}")]
    Malformed(String),
    #[error("expected a token signed with RS256, ES256 or EdDSA, found {found:?}")]
    Algorithm { found: String },
    #[error("expected a token signed by a key of the issuer, found one by the key {found:?}")]
    UnknownKey { found: String },
    #[error("the token's signature does not fit the issuer's key")]
    Signature,
    #[error("{claim} of the token: expected {expected}, found {found}")]
    Claim { claim: &'static str, expected: String, found: String },
}

/// A token that parses. Nothing in it is to be believed yet.
#[derive(Debug)]
pub(super) struct UnverifiedToken {
    signed: String,
    signature: Vec<u8>,
    header: Header,
    claims: Claims,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
    nonce: Option<String>,
    email: Option<String>,
    // Section 5.1 says boolean. The word "true", which some send, is none: who relies on more is to be asked.
    email_verified: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// What a token must say.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) address: &'a Identifier,
    pub(super) now: UnixTime,
}

impl UnverifiedToken {
    pub(super) fn parse(text: &str) -> Result<Self, TokenError> {
        let malformed = |found: &str| TokenError::Malformed(found.to_owned());
        if text.len() > MAX_BYTES {
            return Err(malformed("a longer text"));
        }
        let mut parts = text.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("another number of parts"));
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("a part that is not base64url"));
        let json = |e: serde_json::Error| TokenError::Malformed(format!("one in which {e}"));
        let parsed: Header = serde_json::from_slice(&decode(header)?).map_err(json)?;
        if !ALGORITHMS.contains(&parsed.alg.as_str()) {
            return Err(TokenError::Algorithm { found: parsed.alg.chars().take(40).collect() });
        }
        if parsed.crit.is_some() {
            return Err(malformed("one with crit, of which we understand nothing"));
        }
        Ok(Self {
            claims: serde_json::from_slice(&decode(claims)?).map_err(json)?,
            signature: decode(signature)?,
            signed: format!("{header}.{claims}"),
            header: parsed,
        })
    }

    /// Who says that it is hers. To choose keys by, not to be believed.
    pub(super) fn issuer(&self) -> &str {
        &self.claims.iss
    }

    /// Whether it says what is expected, signed by the issuer.
    pub(super) fn verify(&self, keys: &KeySet, expected: &Expected<'_>) -> Result<(), TokenError> {
        let key = keys.find(self.header.kid.as_deref(), &self.header.alg).ok_or_else(|| TokenError::UnknownKey {
            found: self.header.kid.clone().unwrap_or_default().chars().take(80).collect(),
        })?;
        if !key.verify(self.signed.as_bytes(), &self.signature) {
            return Err(TokenError::Signature);
        }
        self.claims.check(expected)
    }
}

impl Claims {
    fn check(&self, expected: &Expected<'_>) -> Result<(), TokenError> {
        let now = expected.now.as_secs();
        is("iss", self.iss == expected.issuer, expected.issuer, &self.iss)?;
        is("sub", !self.sub.is_empty(), "a subject", "none")?;
        let (named, alone) = match &self.aud {
            Audience::One(one) => (one == expected.client_id, true),
            Audience::Several(all) => (all.iter().any(|one| one == expected.client_id), all.len() == 1),
        };
        is("aud", named, expected.client_id, &format!("{:?}", self.aud))?;
        // Others may hold a token that is meant for several: it must have been issued to our client.
        let party = self.azp.as_deref();
        is("azp", party.map_or(alone, |azp| azp == expected.client_id), expected.client_id, party.unwrap_or("none"))?;
        is("exp", self.exp.saturating_add(SKEW) > now, &format!("later than {now}"), &self.exp.to_string())?;
        let fresh = self.iat <= now.saturating_add(SKEW) && self.iat.saturating_add(MAX_AGE) > now;
        is("iat", fresh, &format!("at most {MAX_AGE} seconds before {now}"), &self.iat.to_string())?;
        let begun = self.nbf.is_none_or(|nbf| nbf <= now.saturating_add(SKEW));
        is("nbf", begun, &format!("not later than {now}"), &self.nbf.unwrap_or_default().to_string())?;
        let nonce = self.nonce.as_deref().unwrap_or_default();
        let same = bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes()));
        is("nonce", same, "the digest of this challenge's key authorization", "another")?;
        // Compared in canonical form: the issuer may write capitals.
        let email = self.email.as_deref().unwrap_or_default();
        let named = Identifier::parse(email).is_ok_and(|address| address == *expected.address);
        is("email", named, expected.address.as_str(), email)?;
        let verified = self.email_verified == Some(Value::Bool(true));
        is("email_verified", verified, "true", &self.email_verified.clone().unwrap_or_default().to_string())
    }
}

fn is(claim: &'static str, so: bool, expected: &str, found: &str) -> Result<(), TokenError> {
    let short = |text: &str| text.chars().take(200).collect();
    if so { Ok(()) } else { Err(TokenError::Claim { claim, expected: short(expected), found: short(found) }) }
}
