//! An issuer's signing keys (RFC 7517).

use serde::Deserialize;
use serde_json::Value;

use crate::jws::PublicKey;

/// No more keys of an issuer are looked at.
const MAX_KEYS: usize = 32;

/// A signing key and its name.
#[derive(Clone, Debug)]
pub(super) struct SigningKey {
    pub(super) id: Option<String>,
    pub(super) key: PublicKey,
}

/// An issuer's signing keys, of the kinds that we verify by.
#[derive(Clone, Debug, Default)]
pub(super) struct KeySet(pub(super) Vec<SigningKey>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a JWK set. Keys of other kinds, for other uses or for other algorithms are passed over: sets have them.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|e| format!("expected a set of keys, found: {e}"))?;
        let text = |jwk: &Value, member: &str| jwk.get(member).and_then(Value::as_str).map(str::to_owned);
        let usable = document.keys.iter().take(MAX_KEYS).filter_map(|jwk| {
            let key = PublicKey::from_jwk(jwk).ok()?;
            let signs = text(jwk, "use").is_none_or(|r#use| r#use == "sig");
            let fits = text(jwk, "alg").is_none_or(|alg| alg == key.algorithm());
            (signs && fits).then(|| SigningKey { id: text(jwk, "kid"), key })
        });
        Ok(Self(usable.collect()))
    }

    /// The key of this name; without a name, the only one for this algorithm (OpenID Connect Core section 10.1).
    pub(super) fn find(&self, id: Option<&str>, algorithm: &str) -> Option<&PublicKey> {
        let mut fitting = self
            .0
            .iter()
            .filter(|signing| signing.key.algorithm() == algorithm)
            .filter(|signing| id.is_none_or(|id| signing.id.as_deref() == Some(id)));
        let found = fitting.next()?;
        fitting.next().is_none().then_some(&found.key)
    }
}
