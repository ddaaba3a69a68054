//! Keys that never leave a token (PKCS#11): a smart card, an HSM, SoftHSM.

mod make;
mod uri;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use const_oid::ObjectIdentifier;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use der::asn1::{AnyRef, BitStringRef, OctetStringRef, PrintableStringRef, UintRef};
use der::{Decode as _, Encode as _, Sequence};
use sha2::{Digest as _, Sha256, Sha384};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use thiserror::Error;
use zeroize::Zeroizing;

pub use uri::{TokenUri, TokenUriError};

use crate::passphrase::{Passphrase, PassphraseError};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What is looked for first.
const ONE_PRIVATE_KEY: &str = "one private key";

/// How a key in a token signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// ECDSA with P-256 and SHA-256.
    EcdsaP256,
    /// ECDSA with P-384 and SHA-384.
    EcdsaP384,
    /// Ed25519 (RFC 8032).
    Ed25519,
}

/// Why a token does not sign.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The library cannot be loaded.
    #[error("{module}: {reason}")]
    Module {
        /// Which.
        module: PathBuf,
        /// Why not.
        reason: String,
    },
    /// No such token or key, or several.
    #[error("{uri}: expected {expected}, found {found}")]
    Found {
        /// What was looked for.
        uri: String,
        /// What there should be.
        expected: &'static str,
        /// What there is.
        found: String,
    },
    /// The PIN cannot be had.
    #[error("the PIN of {uri}: {source}")]
    Pin {
        /// For what.
        uri: String,
        /// Why not.
        source: PassphraseError,
    },
    /// The token refused the PIN, now or before. It is not tried again, as a few wrong ones lock the token.
    #[error("{uri}: the token refused the PIN; it is not tried again before the program is started anew")]
    PinRefused {
        /// For what.
        uri: String,
    },
    /// The token failed.
    #[error("{uri}: {reason}")]
    Token {
        /// For what.
        uri: String,
        /// What it said.
        reason: String,
    },
}

/// A key in a token. Signatures wait for each other; a session that the token has closed is opened anew.
pub struct TokenKey {
    uri: TokenUri,
    module: Pkcs11,
    algorithm: TokenAlgorithm,
    spki_der: Vec<u8>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Option<(Session, ObjectHandle)>,
    pin_refused: bool,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({})", self.uri)
    }
}

impl TokenKey {
    /// Finds the key and its public half, logging in if the token wants a PIN.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn open(uri: TokenUri) -> Result<Self, TokenError> {
        let module = module(&uri)?;
        let session = log_in(&uri, &module, Pin::Read)?;
        let key = find(&uri, &session, ObjectClass::PRIVATE_KEY)?;
        let public = find(&uri, &session, ObjectClass::PUBLIC_KEY)?;
        let (algorithm, spki_der) = public_key(&uri, &session, public)?;
        let state = Mutex::new(State { open: Some((session, key)), pin_refused: false });
        Ok(Self { uri, module, algorithm, spki_der, state })
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> TokenAlgorithm {
        self.algorithm
    }

    /// DER of its public half, a SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// Which key it is.
    #[must_use]
    pub fn uri(&self) -> &TokenUri {
        &self.uri
    }

    /// Signs a message: ECDSA in DER, Ed25519 as 64 bytes.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        self.in_session(|session, key| self.sign_in(session, key, message)).and_then(|raw| self.encoded(&raw))
    }

    /// What the key and the one of a point have in common (ECDH): the coordinate x, as messages are opened with it (RFC 5753).
    /// The token is asked for the bare number and need not know more; whoever gives the point has seen that it is on the curve.
    ///
    /// # Errors
    /// See [`TokenError`]; the token may permit no such use of the key.
    pub fn agree(&self, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, TokenError> {
        let secret = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::GENERIC_SECRET),
            Attribute::Token(false),
            Attribute::Sensitive(false),
            Attribute::Extractable(true),
        ];
        let found = self.in_session(|session, key| {
            let mechanism = Mechanism::Ecdh1Derive(Ecdh1DeriveParams::new(EcKdf::null(), point));
            let derived = session.derive_key(&mechanism, key, &secret)?;
            let found = session.get_attributes(derived, &[AttributeType::Value]);
            session.destroy_object(derived)?;
            found
        })?;
        let value = found.into_iter().find_map(|attribute| match attribute {
            Attribute::Value(value) => Some(Zeroizing::new(value)),
            _ => None,
        });
        value.ok_or_else(|| self::found(&self.uri, "what two keys have in common", "nothing".to_owned()))
    }

    /// Does something with the key, in the session that is open, or in a new one.
    fn in_session<T>(&self, act: impl Fn(&Session, ObjectHandle) -> Result<T, Error>) -> Result<T, TokenError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(done) = state.open.as_ref().map(|(session, key)| act(session, *key)) {
            match done {
                // The session was closed, the token taken out and put in again, its daemon started anew.
                Err(error) if is_over(&error) => state.open = None,
                other => return other.map_err(|error| failed(&self.uri, &error)),
            }
        }
        if state.pin_refused {
            return Err(TokenError::PinRefused { uri: self.uri.to_string() });
        }
        let opened = self.open_again();
        state.pin_refused = matches!(opened, Err(TokenError::PinRefused { .. }));
        let (session, key) = opened?;
        let done = act(&session, key).map_err(|error| failed(&self.uri, &error))?;
        state.open = Some((session, key));
        Ok(done)
    }

    /// The same key in a new session: another token with the same names may be there by now.
    fn open_again(&self) -> Result<(Session, ObjectHandle), TokenError> {
        let session = log_in(&self.uri, &self.module, Pin::Known)?;
        let key = find(&self.uri, &session, ObjectClass::PRIVATE_KEY)?;
        let public = find(&self.uri, &session, ObjectClass::PUBLIC_KEY)?;
        if public_key(&self.uri, &session, public)? != (self.algorithm, self.spki_der.clone()) {
            return Err(found(&self.uri, "the key that it was opened with", "another".to_owned()));
        }
        Ok((session, key))
    }

    fn sign_in(&self, session: &Session, key: ObjectHandle, message: &[u8]) -> Result<Vec<u8>, Error> {
        // Hashed here: not every token offers the mechanisms that hash.
        match self.algorithm {
            TokenAlgorithm::EcdsaP256 => session.sign(&Mechanism::Ecdsa, key, &Sha256::digest(message)),
            TokenAlgorithm::EcdsaP384 => session.sign(&Mechanism::Ecdsa, key, &Sha384::digest(message)),
            TokenAlgorithm::Ed25519 => {
                session.sign(&Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)), key, message)
            }
        }
    }

    /// PKCS#11 gives r and s of one length after each other; X.509 wants a SEQUENCE (RFC 3279 section 2.2.3).
    fn encoded(&self, raw: &[u8]) -> Result<Vec<u8>, TokenError> {
        let length = match self.algorithm {
            TokenAlgorithm::EcdsaP256 | TokenAlgorithm::Ed25519 => 64,
            TokenAlgorithm::EcdsaP384 => 96,
        };
        let wrong = || found(&self.uri, "a signature of the key's length", format!("{} bytes", raw.len()));
        if raw.len() != length {
            return Err(wrong());
        }
        if self.algorithm == TokenAlgorithm::Ed25519 {
            return Ok(raw.to_vec());
        }
        #[derive(Sequence)]
        struct Signature<'a> {
            r: UintRef<'a>,
            s: UintRef<'a>,
        }
        let (r, s) = raw.split_at(length / 2);
        let signature = UintRef::new(r).and_then(|r| Ok(Signature { r, s: UintRef::new(s)? }));
        signature.and_then(|signature| signature.to_der()).map_err(|_| wrong())
    }
}

/// The library, once for the process: PKCS#11 allows no second initialization.
fn module(uri: &TokenUri) -> Result<Pkcs11, TokenError> {
    static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = modules.get(uri.module()) {
        return Ok(known.clone());
    }
    let wrong = |error: Error| TokenError::Module { module: uri.module().into(), reason: error.to_string() };
    let module = Pkcs11::new(uri.module()).map_err(wrong)?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(wrong)?;
    modules.insert(uri.module().into(), module.clone());
    Ok(module)
}

/// Where the PIN comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pin {
    /// From its source, unless it was read for this token before.
    Read,
    /// From what was read before alone: whoever signs waits for nobody at a terminal, and a descriptor is at its end.
    Known,
}

/// The PINs that were read, by token and source. They are kept, as sessions end at any time, and as several keys lie in
/// one token.
static PINS: Mutex<BTreeMap<(PathBuf, String, String), Passphrase>> = Mutex::new(BTreeMap::new());

/// The PIN of a token, if there is a source of it.
fn pin(uri: &TokenUri, serial: &str, from: Pin) -> Result<Option<Passphrase>, TokenError> {
    let Some(source) = uri.pin() else { return Ok(None) };
    let place = (uri.module().to_path_buf(), serial.to_owned(), source.to_string());
    let known = PINS.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
    if known.is_some() || from == Pin::Known {
        return Ok(known);
    }
    // Not under the lock: other keys do not wait for somebody who types.
    let read = source.read(&uri.to_string()).map_err(|source| TokenError::Pin { uri: uri.to_string(), source })?;
    PINS.lock().unwrap_or_else(PoisonError::into_inner).insert(place, read.clone());
    Ok(Some(read))
}

fn forget_pin(uri: &TokenUri, serial: &str) {
    if let Some(source) = uri.pin() {
        let place = (uri.module().to_path_buf(), serial.to_owned(), source.to_string());
        PINS.lock().unwrap_or_else(PoisonError::into_inner).remove(&place);
    }
}

fn log_in(uri: &TokenUri, module: &Pkcs11, from: Pin) -> Result<Session, TokenError> {
    let failed = |error: Error| failed(uri, &error);
    let slot = slot(uri, module)?;
    let token = module.get_token_info(slot).map_err(failed)?;
    let session = module.open_ro_session(slot).map_err(failed)?;
    if !token.login_required() {
        return Ok(session);
    }
    if token.user_pin_locked() || token.user_pin_final_try() {
        // The last try is for a person who knows what she types.
        return Err(TokenError::PinRefused { uri: uri.to_string() });
    }
    let pin = pin(uri, token.serial_number(), from)?;
    let pin = pin.map(|pin| AuthPin::new(pin.as_str().into()));
    if pin.is_none() && !token.protected_authentication_path() {
        return Err(found(uri, "a pin-source, as the token wants a PIN", "none".to_owned()));
    }
    match session.login(UserType::User, pin.as_ref()) {
        // Of all sessions of the process, one logs in.
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(Error::Pkcs11(
            RvError::PinIncorrect
            | RvError::PinLocked
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired,
            _,
        )) => {
            // Whoever opens a key anew may bring another.
            forget_pin(uri, token.serial_number());
            Err(TokenError::PinRefused { uri: uri.to_string() })
        }
        Err(error) => Err(failed(error)),
    }
}

/// The one token that is meant.
fn slot(uri: &TokenUri, module: &Pkcs11) -> Result<Slot, TokenError> {
    let mut fitting = Vec::new();
    let mut others = Vec::new();
    for slot in module.get_slots_with_initialized_token().map_err(|error| failed(uri, &error))? {
        // One that was taken out in between is not there.
        let Ok(token) = module.get_token_info(slot) else { continue };
        let label = uri.token().is_none_or(|label| token.label() == label);
        let serial = uri.serial().is_none_or(|serial| token.serial_number() == serial);
        if label && serial { fitting.push(slot) } else { others.push(token.label().to_owned()) }
    }
    match fitting.as_slice() {
        [one] => Ok(*one),
        [] => Err(found(uri, "the token", format!("others: {others:?}"))),
        several => Err(found(uri, "one token", several.len().to_string())),
    }
}

/// The one key that is meant.
fn find(uri: &TokenUri, session: &Session, class: ObjectClass) -> Result<ObjectHandle, TokenError> {
    let mut template = vec![Attribute::Class(class)];
    template.extend(uri.object().map(|label| Attribute::Label(label.as_bytes().to_vec())));
    template.extend(uri.id().map(|id| Attribute::Id(id.to_vec())));
    let keys = session.find_objects(&template).map_err(|error| failed(uri, &error))?;
    match keys.as_slice() {
        [one] => Ok(*one),
        keys => {
            let expected = if class == ObjectClass::PRIVATE_KEY { ONE_PRIVATE_KEY } else { "one public key beside it" };
            Err(found(uri, expected, keys.len().to_string()))
        }
    }
}

/// CKA_EC_PARAMS names the curve, CKA_EC_POINT has the point as an OCTET STRING (PKCS#11 2.40, section 2.3.3).
fn public_key(uri: &TokenUri, session: &Session, key: ObjectHandle) -> Result<(TokenAlgorithm, Vec<u8>), TokenError> {
    let attributes = session
        .get_attributes(key, &[AttributeType::EcParams, AttributeType::EcPoint])
        .map_err(|error| failed(uri, &error))?;
    let (mut curve, mut point) = (Vec::new(), Vec::new());
    for attribute in attributes {
        match attribute {
            Attribute::EcParams(bytes) => curve = bytes,
            Attribute::EcPoint(bytes) => point = bytes,
            _ => {}
        }
    }
    let wrong = || found(uri, "a key on P-256, P-384 or edwards25519", "another".to_owned());
    let named = ObjectIdentifier::from_der(&curve).ok();
    let edwards = PrintableStringRef::from_der(&curve).is_ok_and(|name| name.as_str() == "edwards25519");
    let algorithm = match named {
        Some(P256) => TokenAlgorithm::EcdsaP256,
        Some(P384) => TokenAlgorithm::EcdsaP384,
        Some(ED25519) => TokenAlgorithm::Ed25519,
        _ if edwards => TokenAlgorithm::Ed25519,
        _ => return Err(wrong()),
    };
    let parameters = match &named {
        Some(curve) if algorithm != TokenAlgorithm::Ed25519 => Some(AnyRef::from(curve)),
        _ => None,
    };
    let oid = if algorithm == TokenAlgorithm::Ed25519 { ED25519 } else { EC_PUBLIC_KEY };
    // Some tokens give the point without the OCTET STRING around it.
    let point = <&OctetStringRef>::from_der(&point).map_or(point.as_slice(), |inner| inner.as_bytes());
    let spki = SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid, parameters },
        subject_public_key: BitStringRef::from_bytes(point).map_err(|_| wrong())?,
    };
    Ok((algorithm, spki.to_der().map_err(|_| wrong())?))
}

/// Whether a session has ended, so that a new one may do.
fn is_over(error: &Error) -> bool {
    let Error::Pkcs11(reason, _) = error else { return false };
    matches!(
        reason,
        RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::UserNotLoggedIn
            | RvError::DeviceRemoved
            | RvError::DeviceError
            | RvError::TokenNotPresent
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
    )
}

fn found(uri: &TokenUri, expected: &'static str, found: String) -> TokenError {
    TokenError::Found { uri: uri.to_string(), expected, found }
}

fn failed(uri: &TokenUri, error: &Error) -> TokenError {
    TokenError::Token { uri: uri.to_string(), reason: error.to_string() }
}
