//! A key that signs for a certificate of the authority: in a file, under a passphrase or not, or in a token.

use std::path::Path;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use identity::certificate::{Certificate, SignatureAlgorithm};
use key_store::{Passphrase, PassphraseError, PassphraseSource, TokenAlgorithm, TokenKey, sealed};
use zeroize::Zeroizing;

use super::{IN_TOKEN, KeysError, read};
use crate::issuance::{Signer, SignerError, SigningInput};

/// The passphrase of the authority's key files, asked for when the first of them needs it, and only once.
pub(super) struct Unlocking {
    source: Option<PassphraseSource>,
    known: Option<Passphrase>,
}

impl Unlocking {
    pub(super) fn new(source: Option<PassphraseSource>) -> Self {
        Self { source, known: None }
    }

    /// With what was read before: it asks nobody.
    pub(super) fn known(known: Option<Passphrase>) -> Self {
        Self { source: None, known }
    }

    fn passphrase(&mut self) -> Result<Option<Passphrase>, PassphraseError> {
        if self.known.is_none() {
            self.known = self.source.as_ref().map(|source| source.read("the authority's keys")).transpose()?;
        }
        Ok(self.known.clone())
    }

    /// The content of a PEM file with this label.
    pub(super) fn open(&mut self, path: &Path, label: &str) -> Result<Zeroizing<Vec<u8>>, KeysError> {
        let text = read(path)?;
        let opened = sealed::open(label, &text, &mut || self.passphrase());
        opened.map_err(|source| KeysError::Sealed { path: path.into(), source })
    }
}

/// A key of P-256 or P-384.
pub(super) enum SigningKey {
    File { pair: EcdsaKeyPair, algorithm: SignatureAlgorithm, spki_der: Vec<u8> },
    Token(TokenKey),
}

impl SigningKey {
    /// The key in `STEM.key.pem`, or the one in a token that `STEM.key.uri` names.
    pub(super) fn open(stem: &Path, unlocking: &mut Unlocking) -> Result<Self, KeysError> {
        let uri = stem.with_added_extension(IN_TOKEN);
        if uri.exists() {
            Self::in_token(&uri)
        } else {
            Self::in_file(&stem.with_added_extension("key.pem"), unlocking)
        }
    }

    /// A key in PKCS#8 (RFC 5958).
    pub(super) fn in_file(path: &Path, unlocking: &mut Unlocking) -> Result<Self, KeysError> {
        let pkcs8 = unlocking.open(path, sealed::PRIVATE_KEY)?;
        let wrong = || KeysError::Content { path: path.into(), expected: "a P-256 or P-384 key in PKCS#8" };
        let read = |how| EcdsaKeyPair::from_pkcs8(how, &pkcs8).ok();
        let p256 = || Some((read(&ECDSA_P256_SHA256_ASN1_SIGNING)?, SignatureAlgorithm::EcdsaP256Sha256));
        let p384 = || Some((read(&ECDSA_P384_SHA384_ASN1_SIGNING)?, SignatureAlgorithm::EcdsaP384Sha384));
        let (pair, algorithm) = p256().or_else(p384).ok_or_else(wrong)?;
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| wrong())?;
        let spki_der = spki.as_ref().to_vec();
        Ok(Self::File { pair, algorithm, spki_der })
    }

    /// A key in a token, by the URI in this file (RFC 7512).
    pub(super) fn in_token(path: &Path) -> Result<Self, KeysError> {
        let token = |source| KeysError::Token { path: path.into(), source };
        let uri = read(path)?.trim().parse();
        let uri = uri.map_err(|source| KeysError::Uri { path: path.into(), source })?;
        let key = TokenKey::open(uri).map_err(token)?;
        if key.algorithm() == TokenAlgorithm::Ed25519 {
            return Err(KeysError::Content { path: path.into(), expected: "a key on P-256 or P-384 in a token" });
        }
        Ok(Self::Token(key))
    }

    pub(super) fn spki_der(&self) -> &[u8] {
        match self {
            Self::File { spki_der, .. } => spki_der,
            Self::Token(key) => key.spki_der(),
        }
    }

    pub(super) fn algorithm(&self) -> SignatureAlgorithm {
        match self {
            Self::File { algorithm, .. } => *algorithm,
            Self::Token(key) if key.algorithm() == TokenAlgorithm::EcdsaP384 => SignatureAlgorithm::EcdsaP384Sha384,
            Self::Token(_) => SignatureAlgorithm::EcdsaP256Sha256,
        }
    }

    /// A signature in DER, or why there is none.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::File { pair, .. } => {
                let signature = pair.sign(&SystemRandom::new(), message);
                signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| "the key did not sign".to_owned())
            }
            Self::Token(key) => key.sign(message).map_err(|error| error.to_string()),
        }
    }
}

/// A key with its issuing certificate.
pub(super) struct CertifiedKey {
    pub(super) certificate: Certificate,
    pub(super) key: SigningKey,
}

impl CertifiedKey {
    /// The certificate in `STEM.pem` with the key beside it.
    pub(super) fn open(stem: &Path, unlocking: &mut Unlocking) -> Result<Self, KeysError> {
        let certificate = super::certificate(&stem.with_added_extension("pem"))?;
        let key = SigningKey::open(stem, unlocking)?;
        if *key.spki_der() != *certificate.tbs().spki_der() {
            let path = stem.with_added_extension("key.pem");
            return Err(KeysError::Content { path, expected: "the key of the certificate beside it" });
        }
        Ok(Self { certificate, key })
    }
}

impl Signer for CertifiedKey {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    fn sign(&self, input: SigningInput) -> Result<Vec<u8>, SignerError> {
        let issuer = || self.certificate.tbs().subject().to_string();
        self.key.sign(input.bytes()).map_err(|reason| SignerError { issuer: issuer(), reason })
    }
}
