//! What the keys that certificates of one's own are for have in common: a device's, and one for mail.

use std::fmt::Debug;
use std::ops::Deref;

use identity::Identifier;
use identity::certificate::{Certificate, key_algorithm};
use identity::profile::{KeyAlgorithm, Profile};
use identity::trust::Trust;
use identity::verify::{Certified, VerifiedMailbox, VerifiedPerson, VerifyError, verify_mail, verify_person};
use identity::{IdentifierKind, UnixTime};
use key_store::{TokenAlgorithm, TokenKey};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::keys::{DeviceKey, KeyError};
use crate::mail_key::{MailKey, MailKeyType};

/// A key that a certificate of one's own is for: [`DeviceKey`] or [`MailKey`]. They are never the same, and each kind has
/// a place of its own in the folder.
pub trait OwnKey: Clone + Debug + Send + Sync + Sized + 'static {
    /// Which kinds there are to choose from.
    type Kind: Copy + Default + Debug + PartialEq + Send + Sync;
    /// What its certificates prove.
    type Verified: Deref<Target = Certified> + Clone + Debug + Send + Sync;
    /// Where enrolments with such keys lie, below the folder.
    const FOLDER: &'static str;
    /// Whether a key is kept when another takes its place: one that decrypts is, for what was written to it.
    const STAYS: bool;
    /// What the key is, for whoever finds it in a keyring.
    const WHAT: &'static str;
    /// Whether it is one for mail.
    const FOR_MAIL: bool;

    /// A new one from the operating system's randomness.
    ///
    /// # Errors
    /// There is none.
    fn generate(kind: Self::Kind) -> Result<Self, KeyError>;

    /// Reads PKCS#8 PEM in clear.
    ///
    /// # Errors
    /// It is no such key.
    fn from_pem(pem: &str) -> Result<Self, KeyError>;

    /// Writes PKCS#8 PEM; nothing for a key in a token.
    fn to_pem(&self) -> Option<Zeroizing<String>>;

    /// A key in a token.
    ///
    /// # Errors
    /// It is of another kind.
    fn in_token(key: TokenKey) -> Result<Self, KeyError>;

    /// What a token is to make.
    ///
    /// # Errors
    /// None of this kind.
    fn token_algorithm(kind: Self::Kind) -> Result<TokenAlgorithm, KeyError>;

    /// Which of the kinds it is.
    fn kind(&self) -> Self::Kind;

    /// Which kind keys of this algorithm are.
    fn kind_of(algorithm: KeyAlgorithm) -> Option<Self::Kind>;

    /// The algorithm.
    fn algorithm(&self) -> KeyAlgorithm;

    /// The bits of subjectPublicKey.
    fn public_bits(&self) -> Vec<u8>;

    /// Signs as X.509 has it: Ed25519, ECDSA with SHA-256 (DER), RSA (PKCS#1 v1.5) with SHA-256.
    ///
    /// # Errors
    /// The key, in a token, did not.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// The profile that an authority is asked for; none where there is none for such an identifier.
    fn profile(identifier: &Identifier) -> Option<&'static Profile>;

    /// Verifies a chain for what such certificates are for.
    ///
    /// # Errors
    /// The rule it breaks.
    fn verify(chain: &[CertificateDer<'static>], trust: &Trust, now: UnixTime) -> Result<Self::Verified, VerifyError>;

    /// Which kind the key in this leaf is, which is not verified.
    fn kind_in(chain: &[CertificateDer<'static>]) -> Option<Self::Kind> {
        let leaf = Certificate::parse(chain.first()?).ok()?;
        Self::kind_of(key_algorithm(leaf.tbs().spki()).ok()?)
    }
}

impl OwnKey for DeviceKey {
    type Kind = ();
    type Verified = VerifiedPerson;
    const FOLDER: &'static str = "devices";
    const STAYS: bool = false;
    const WHAT: &'static str = "key of this device";
    const FOR_MAIL: bool = false;

    fn generate((): ()) -> Result<Self, KeyError> {
        Self::generate()
    }

    fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Self::from_pem(pem)
    }

    fn to_pem(&self) -> Option<Zeroizing<String>> {
        self.to_pem()
    }

    fn in_token(key: TokenKey) -> Result<Self, KeyError> {
        Self::in_token(key)
    }

    fn token_algorithm((): ()) -> Result<TokenAlgorithm, KeyError> {
        Ok(TokenAlgorithm::Ed25519)
    }

    fn kind(&self) {}

    fn kind_of(algorithm: KeyAlgorithm) -> Option<()> {
        (algorithm == KeyAlgorithm::Ed25519).then_some(())
    }

    fn algorithm(&self) -> KeyAlgorithm {
        KeyAlgorithm::Ed25519
    }

    fn public_bits(&self) -> Vec<u8> {
        self.public_key().to_vec()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signed = identity::tls::DeviceSigner::sign(self, message);
        signed.map(|signature| signature.to_vec()).map_err(|error| KeyError::Sign(error.to_string()))
    }

    fn profile(identifier: &Identifier) -> Option<&'static Profile> {
        Some(match identifier.kind() {
            IdentifierKind::Email => Profile::device(),
            IdentifierKind::Phone => Profile::phone_device(),
        })
    }

    fn verify(chain: &[CertificateDer<'static>], trust: &Trust, now: UnixTime) -> Result<Self::Verified, VerifyError> {
        verify_person(chain, trust, now)
    }
}

impl OwnKey for MailKey {
    type Kind = MailKeyType;
    type Verified = VerifiedMailbox;
    const FOLDER: &'static str = "mail";
    const STAYS: bool = true;
    const WHAT: &'static str = "key for mail";
    const FOR_MAIL: bool = true;

    fn generate(kind: MailKeyType) -> Result<Self, KeyError> {
        Self::generate(kind)
    }

    fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Self::from_pem(pem)
    }

    fn to_pem(&self) -> Option<Zeroizing<String>> {
        self.to_pem()
    }

    fn in_token(key: TokenKey) -> Result<Self, KeyError> {
        Self::in_token(key)
    }

    fn token_algorithm(kind: MailKeyType) -> Result<TokenAlgorithm, KeyError> {
        match kind {
            MailKeyType::P256 => Ok(TokenAlgorithm::EcdsaP256),
            MailKeyType::Rsa3072 => {
                Err(KeyError::Kind { expected: "a P-256 key", found: "an RSA key, which is not made there".to_owned() })
            }
        }
    }

    fn kind(&self) -> MailKeyType {
        self.key_type()
    }

    fn kind_of(algorithm: KeyAlgorithm) -> Option<MailKeyType> {
        match algorithm {
            KeyAlgorithm::P256 => Some(MailKeyType::P256),
            KeyAlgorithm::Rsa => Some(MailKeyType::Rsa3072),
            KeyAlgorithm::Ed25519 => None,
        }
    }

    fn algorithm(&self) -> KeyAlgorithm {
        match self.key_type() {
            MailKeyType::P256 => KeyAlgorithm::P256,
            MailKeyType::Rsa3072 => KeyAlgorithm::Rsa,
        }
    }

    fn public_bits(&self) -> Vec<u8> {
        self.public_bits()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign(message)
    }

    fn profile(identifier: &Identifier) -> Option<&'static Profile> {
        (identifier.kind() == IdentifierKind::Email).then(Profile::mail)
    }

    fn verify(chain: &[CertificateDer<'static>], trust: &Trust, now: UnixTime) -> Result<Self::Verified, VerifyError> {
        verify_mail(chain, trust, now)
    }
}
