//! Dating a signature: a public log and its witnesses vouch for when it was there, so that it stays good after the
//! certificate's end, and after a revocation that came later (docs/spec/log.md, "Signature entries").
//!
//! What leaves this device is an HMAC of the signature's digest under a key that stays here until the proof is shown: the
//! authority learns that somebody signed something; the log, not even that it was she.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::transparency::{Opening, signature_commitment};
use identity::verify::{DatedSigner, SignerKind, UnverifiedDate, VerifyError, verify_dated};
use identity::{CertificateDer, UnixTime};
use sha2::{Digest as _, Sha256};
use tlog_proof::{Proof, ProofError};
use zeroize::Zeroizing;

use crate::acme::jws::RequestKey;
use crate::acme::{AcmeError, date};
use crate::https::https_client;
use crate::{Home, HomeError, files};

/// Why a signature was not dated. Asking again makes another entry, and does no harm.
#[derive(Debug, thiserror::Error)]
pub enum DateError {
    /// The person's folder.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The system gave no randomness.
    #[error("the system's random generator failed: {0}")]
    Random(getrandom::Error),
    /// The authority was not reached, or refused.
    #[error(transparent)]
    Acme(#[from] AcmeError),
    /// It answered something else than an entry and its proof.
    #[error("the authority at {url} gave no proof: {reason}")]
    Answer {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What it answered does not prove the date.
    #[error("the authority's proof does not hold: {0}")]
    Refused(VerifyError),
}

/// A certificate and its key: with what somebody signs.
pub struct Signer<'a> {
    /// The ACME directory of the authority that issued the certificate.
    pub acme: &'a str,
    /// The certificate, leaf first.
    pub chain: &'a [CertificateDer],
    /// What it is of.
    pub kind: SignerKind,
    /// Its key.
    pub key: &'a dyn RequestKey,
}

/// A signature with its date: `proof` is to be kept beside the signature, `signed` is what it proves.
#[derive(Debug, Clone)]
pub struct Dated {
    /// The text to keep: a C2SP tlog-proof.
    pub proof: String,
    /// Who signed, and when.
    pub signed: DatedSigner,
}

/// Has the signature with this SHA-256 dated, and verifies what comes back as everybody will.
///
/// # Errors
/// See [`DateError`].
pub async fn date_signature(
    home: &Home,
    signer: &Signer<'_>,
    signature_sha256: &[u8; 32],
    now: UnixTime,
) -> Result<Dated, DateError> {
    let trust = Arc::new(home.trust_at(now)?);
    let mut opening = [0; 32];
    getrandom::fill(&mut opening).map_err(DateError::Random)?;
    let opening = Opening::new(opening);
    let blinded = signature_commitment(&opening, signature_sha256);
    let leaf = signer.chain.first().map(AsRef::as_ref).unwrap_or_default();
    let answer = date::date(&https_client(trust.clone()), signer.acme, signer.key, leaf, &blinded).await?;
    let wrong = |reason: String| DateError::Answer { url: signer.acme.to_owned(), reason };
    let label = URL_SAFE_NO_PAD.decode(&answer.label).map_err(|error| wrong(error.to_string()))?;
    let label = label.try_into().map_err(|label: Vec<u8>| wrong(format!("a label of {} bytes", label.len())))?;
    let proof = Proof::parse(&answer.proof).map_err(|error: ProofError| wrong(error.to_string()))?;
    let date = UnverifiedDate::new(label, opening, proof);
    let signed = verify_dated(signer.chain, signer.kind, signature_sha256, &date, &trust);
    Ok(Dated { proof: date.to_string(), signed: signed.map_err(DateError::Refused)? })
}

/// SHA-256 of a signature, by which it is dated.
pub fn digest(signature: &[u8]) -> [u8; 32] {
    Sha256::digest(signature).into()
}

/// SHA-256 of a detached signature: of the whole file, whatever its size.
///
/// # Errors
/// It cannot be read.
pub fn digest_of(path: &Path) -> Result<[u8; 32], HomeError> {
    let unreadable = |source| HomeError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut hash, mut part) = (Sha256::new(), [0; 8192]);
    loop {
        match file.read(&mut part).map_err(unreadable)? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&part[..length]),
        }
    }
}

/// The text of a key's file, at most 1 MiB.
///
/// # Errors
/// It cannot be read, or others can read it.
pub fn read_key_text(path: &Path) -> Result<Zeroizing<String>, HomeError> {
    let missing = || HomeError::Read { path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() };
    let bytes = files::read_secret(path)?.ok_or_else(missing)?;
    files::text(path, bytes).map(Zeroizing::new)
}
