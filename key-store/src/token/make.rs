//! A new key, made inside the token.

use const_oid::ObjectIdentifier;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;
use der::Encode as _;
use der::asn1::PrintableStringRef;

use super::{
    ONE_PRIVATE_KEY, P256, P384, Pin, TokenAlgorithm, TokenError, TokenKey, TokenUri, failed, found, log_in, module,
    slot,
};

impl TokenKey {
    /// The key that the URI names, or, if there is none, one that the token makes under that label and never gives out.
    /// `id` is fresh; it becomes CKA_ID, unless the URI has one. One that `opens` may be used for key agreement, too, as mails
    /// are opened with it (RFC 5753). Whether it was made is told.
    ///
    /// # Errors
    /// See [`TokenError`]; the token may be one that makes no such keys.
    pub fn open_or_make(
        uri: TokenUri,
        algorithm: TokenAlgorithm,
        id: [u8; 16],
        opens: bool,
    ) -> Result<(Self, bool), TokenError> {
        let made = match Self::open(uri.clone()) {
            Ok(key) => return expected(key, algorithm).map(|key| (key, false)),
            Err(TokenError::Found { expected: ONE_PRIVATE_KEY, found, .. }) if found == "0" => {
                make(&uri, algorithm, id, opens)
            }
            Err(error) => Err(error),
        };
        made.and_then(|()| Self::open(uri)).and_then(|key| expected(key, algorithm)).map(|key| (key, true))
    }
}

fn expected(key: TokenKey, algorithm: TokenAlgorithm) -> Result<TokenKey, TokenError> {
    if key.algorithm() == algorithm {
        return Ok(key);
    }
    let expected = match algorithm {
        TokenAlgorithm::EcdsaP256 => "a key on P-256",
        TokenAlgorithm::EcdsaP384 => "a key on P-384",
        TokenAlgorithm::Ed25519 => "a key on edwards25519",
    };
    Err(found(key.uri(), expected, format!("{:?}", key.algorithm())))
}

fn make(uri: &TokenUri, algorithm: TokenAlgorithm, id: [u8; 16], opens: bool) -> Result<(), TokenError> {
    let label = uri.object().ok_or_else(|| found(uri, "a label (object=) for the new key", "none".to_owned()))?;
    let module = module(uri)?;
    // It stays open: the last session that closes takes the log-in with it.
    let _logged_in = log_in(uri, &module, Pin::Read)?;
    let failed = |error| failed(uri, &error);
    let session = module.open_rw_session(slot(uri, &module)?).map_err(failed)?;
    let mechanism = match algorithm {
        TokenAlgorithm::Ed25519 => Mechanism::EccEdwardsKeyPairGen,
        TokenAlgorithm::EcdsaP256 | TokenAlgorithm::EcdsaP384 => Mechanism::EccKeyPairGen,
    };
    let named = [
        Attribute::Token(true),
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::Id(uri.id().map_or_else(|| id.to_vec(), <[u8]>::to_vec)),
    ];
    let public = [Attribute::Private(false), Attribute::Verify(true), Attribute::EcParams(curve(algorithm))];
    let private =
        [Attribute::Private(true), Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::Sign(true)];
    let derive = (opens && algorithm != TokenAlgorithm::Ed25519).then_some(Attribute::Derive(true));
    let (public, mut private) = ([&named[..], &public[..]].concat(), [&named[..], &private[..]].concat());
    private.extend(derive);
    session.generate_key_pair(&mechanism, &public, &private).map(drop).map_err(failed)
}

/// CKA_EC_PARAMS: the curve's OID, or its name for edwards25519 (PKCS#11 3.0, section 2.3.10), which all tokens know.
fn curve(algorithm: TokenAlgorithm) -> Vec<u8> {
    let oid = |oid: ObjectIdentifier| oid.to_der().expect("an OID always encodes");
    match algorithm {
        TokenAlgorithm::EcdsaP256 => oid(P256),
        TokenAlgorithm::EcdsaP384 => oid(P384),
        TokenAlgorithm::Ed25519 => {
            let name = PrintableStringRef::new("edwards25519").and_then(|name| name.to_der());
            name.expect("letters and digits are printable")
        }
    }
}
