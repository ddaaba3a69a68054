//! DKIM signatures on what goes out (RFC 6376), with the fields that RFC 8823 section 3.1 wants signed: also those that a
//! mail does not have, so that nobody can add them.

use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_auth::common::crypto::{RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::{Canonicalization, DkimSigner, Done};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Letter, MailError};
use crate::config::DkimKey;
use crate::{files, pem};

/// The key's file, in the folder `keys`.
pub(crate) const DKIM_FILE: &str = "dkim.key.pem";
const LABEL: &str = "PRIVATE KEY";
/// Larger keys do not fit into one answer of the domain name system everywhere (RFC 8301 section 3.2).
const SIZE: KeySize = KeySize::Rsa2048;
/// What is signed (RFC 8823 section 3.1, item 6, and what it recommends beyond).
const SIGNED: [&str; 25] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "CC",
    "Subject",
    "Date",
    "In-Reply-To",
    "References",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Resent-Date",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
];

/// Why mails cannot be signed.
#[derive(Debug, Error)]
pub enum DkimError {
    /// The key's file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file holds no such key.
    #[error("{path}: expected an RSA key of 2048 bits or more, PKCS#8 in PEM, found something else")]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// A mail could not be signed.
    #[error("a mail could not be signed: {0}")]
    Sign(String),
}

/// The public half of the key, as it is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimRecord {
    /// The value of the TXT record (RFC 6376 section 3.6.1).
    pub value: String,
    /// Whether the key was made just now.
    pub new: bool,
}

/// The key in this authority's folder, made if there is none.
///
/// # Errors
/// It cannot be read or written, or is none.
pub fn new_dkim_key(folder: &Path) -> Result<DkimRecord, DkimError> {
    let keys = folder.join("keys");
    let path = keys.join(DKIM_FILE);
    let io = |source| DkimError::Io { path: path.clone(), source };
    let new = !path.try_exists().map_err(io)?;
    if new {
        let made = KeyPair::generate(SIZE).map_err(|_| DkimError::Key { path: path.clone() })?;
        let der: Pkcs8V1Der<'_> = made.as_der().map_err(|_| DkimError::Key { path: path.clone() })?;
        files::private_folder(&keys).map_err(io)?;
        files::write(&path, Zeroizing::new(pem::encode(LABEL, der.as_ref())).as_bytes()).map_err(io)?;
    }
    let pair = KeyPair::from_pkcs8(&read(&path)?).map_err(|_| DkimError::Key { path: path.clone() })?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().map_err(|_| DkimError::Key { path: path.clone() })?;
    Ok(DkimRecord { value: format!("v=DKIM1; k=rsa; p={}", STANDARD.encode(public.as_ref())), new })
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, DkimError> {
    let text = std::fs::read_to_string(path).map_err(|source| DkimError::Io { path: path.into(), source })?;
    pem::decode(LABEL, &Zeroizing::new(text)).ok_or_else(|| DkimError::Key { path: path.into() })
}

/// Signs for the domains of our own senders.
#[derive(Default)]
pub(crate) struct Signers(Vec<(String, DkimSigner<RsaKey<Sha256>, Done>)>);

impl Signers {
    /// One for each of the domains, or none without a key.
    pub(crate) fn open<'a>(
        key: Option<&DkimKey>,
        domains: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, DkimError> {
        let Some(key) = key else { return Ok(Self::default()) };
        let mut signers: Vec<(String, _)> = Vec::new();
        for domain in domains.into_iter().map(str::to_ascii_lowercase) {
            if signers.iter().all(|(known, _)| *known != domain) {
                let signer = signer(key, &domain)?;
                signers.push((domain, signer));
            }
        }
        Ok(Self(signers))
    }

    /// The letter, signed by its sender's domain if that is one of ours.
    pub(crate) fn signed(&self, letter: Letter) -> Result<Letter, MailError> {
        let Some((_, signer)) = self.0.iter().find(|(domain, _)| domain == letter.domain()) else { return Ok(letter) };
        let signature = signer.sign(&letter.bytes()).map_err(|error| DkimError::Sign(error.to_string()))?;
        Ok(letter.with_signature(signature.to_header()))
    }
}

fn signer(key: &DkimKey, domain: &str) -> Result<DkimSigner<RsaKey<Sha256>, Done>, DkimError> {
    let der = read(&key.file)?;
    let wrong = || DkimError::Key { path: key.file.clone() };
    if KeyPair::from_pkcs8(&der).map_err(|_| wrong())?.public_modulus_len() < SIZE.len() {
        return Err(wrong());
    }
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.as_slice()));
    let key_pair = RsaKey::<Sha256>::from_key_der(der).map_err(|_| wrong())?;
    Ok(DkimSigner::from_key(key_pair)
        .domain(domain)
        .selector(&key.selector)
        .headers(SIGNED)
        .header_canonicalization(Canonicalization::Relaxed)
        .body_canonicalization(Canonicalization::Relaxed))
}
