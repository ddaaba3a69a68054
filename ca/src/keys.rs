//! The authority's own keys and certificates, in files.
//!
//! | file | what |
//! |---|---|
//! | `root.pem`, `root.key.pem` | the root. Its key is needed for new issuing certificates only: move it off the machine |
//! | `people.pem`, `people.key.pem` | the issuing CA for people |
//! | `services.pem`, `services.key.pem` | the issuing CA for services |
//! | `vrf.key.pem` | the label key of the first log ([`crate::shards::LabelKey`]) |
//! | `audit.key.pem` | makes pseudonyms for log lines |
//!
//! Keys are P-256 in PKCS#8 (RFC 5958), the last two plain secrets of 32 bytes; all in PEM, mode 0600.

mod init;
mod root;

use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use identity::UnixTime;
use identity::certificate::{Certificate, SignatureAlgorithm};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::issuance::{Signer, SignerError, SigningInput};
use crate::pem;
use crate::store::Authority;

pub use init::{InitError, init};
pub use root::sign_policy;

const CERTIFICATE: &str = "CERTIFICATE";
const PRIVATE_KEY: &str = "PRIVATE KEY";
/// The name of the file with the label key of the first log.
pub const LABEL_KEY: &str = "vrf.key.pem";

const SECRET: &str = "IN PERSON SECRET";

/// Why keys could not be opened.
#[derive(Debug, Error)]
pub enum KeysError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{path}: expected {expected}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
}

/// An open authority: everything it signs with, but for the root's key.
pub struct AuthorityKeys {
    root: Certificate,
    people: FileSigner,
    services: FileSigner,
    audit: Zeroizing<[u8; 32]>,
}

impl AuthorityKeys {
    /// Whether [`init`] has been completed in this folder.
    #[must_use]
    pub fn exist(folder: &Path) -> bool {
        folder.join("root.pem").exists()
    }

    /// Opens what [`init`] made.
    pub fn open(folder: &Path) -> Result<Self, KeysError> {
        Ok(Self {
            root: certificate(&folder.join("root.pem"))?,
            people: FileSigner::open(folder, Authority::People)?,
            services: FileSigner::open(folder, Authority::Services)?,
            audit: secret(&folder.join("audit.key.pem"))?,
        })
    }

    /// DER of the root certificate.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        self.root.der()
    }

    /// DER of the issuing certificates: for people, for services.
    #[must_use]
    pub fn issuers(&self) -> [&[u8]; 2] {
        [self.people.certificate.der(), self.services.certificate.der()]
    }

    /// When the authority began: nothing of it is older.
    #[must_use]
    pub fn began(&self) -> UnixTime {
        self.root.tbs().not_before()
    }

    pub(crate) fn audit(&self) -> &[u8; 32] {
        &self.audit
    }

    pub(crate) fn issuer(&self, authority: Authority) -> &dyn Signer {
        match authority {
            Authority::People => &self.people,
            Authority::Services => &self.services,
        }
    }
}

impl std::fmt::Debug for AuthorityKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorityKeys").field("root", &self.root).finish_non_exhaustive()
    }
}

/// A P-256 key in a file.
struct FileSigner {
    certificate: Certificate,
    key: EcdsaKeyPair,
}

impl FileSigner {
    fn open(folder: &Path, authority: Authority) -> Result<Self, KeysError> {
        let certificate = certificate(&folder.join(format!("{}.pem", authority.name())))?;
        let path = folder.join(format!("{}.key.pem", authority.name()));
        let expected = "the P-256 key of the certificate beside it, in PKCS#8";
        let wrong = || KeysError::Content { path: path.clone(), expected };
        let pkcs8 = pem::decode(PRIVATE_KEY, &read(&path)?).ok_or_else(wrong)?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8).map_err(|_| wrong())?;
        if key.public_key().as_ref() != certificate.tbs().spki().subject_public_key.raw_bytes() {
            return Err(wrong());
        }
        Ok(Self { certificate, key })
    }
}

impl Signer for FileSigner {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::EcdsaP256Sha256
    }

    fn sign(&self, input: SigningInput) -> Result<Vec<u8>, SignerError> {
        let signature = self.key.sign(&SystemRandom::new(), input.bytes()).map_err(|_| SignerError {
            issuer: self.certificate.tbs().subject().to_string(),
            reason: "the key did not sign".into(),
        })?;
        Ok(signature.as_ref().to_vec())
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, KeysError> {
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|source| KeysError::Io { path: path.into(), source })
}

fn certificate(path: &Path) -> Result<Certificate, KeysError> {
    let wrong = || KeysError::Content { path: path.into(), expected: "one certificate in PEM" };
    let der = pem::decode(CERTIFICATE, &read(path)?).ok_or_else(wrong)?;
    Certificate::parse(&der).map_err(|_| wrong())
}

fn secret(path: &Path) -> Result<Zeroizing<[u8; 32]>, KeysError> {
    let wrong = || KeysError::Content { path: path.into(), expected: "a secret of 32 bytes in PEM" };
    let bytes = pem::decode(SECRET, &read(path)?).ok_or_else(wrong)?;
    Ok(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests;
