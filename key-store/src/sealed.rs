//! PKCS#8 in PEM, in clear or under a passphrase (`EncryptedPrivateKeyInfo`, RFC 5958 section 3).
//!
//! Written is PBES2 (RFC 8018 section 6.2) with scrypt (RFC 7914) and AES-256-CBC, which OpenSSL reads. Read are scrypt and
//! PBKDF2 with HMAC-SHA-2 and AES-256, within bounds: a file from elsewhere must not keep the machine busy for hours.
//! CBC has no integrity of its own; who opens a key compares its public half with what is known of it.

use der::asn1::{OctetString, OctetStringRef};
use der::pem::{LineEnding, decode_vec, encode_string};
use der::{Decode as _, Encode as _, Sequence};
use pkcs5::EncryptionScheme;
use pkcs5::pbes2::{self, Kdf, Parameters};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::passphrase::{Passphrase, PassphraseError};

/// The largest file that is read.
pub const MAX_FILE_BYTES: usize = 64 * 1024;
/// scrypt as it is written: 2^14 blocks of 8, 16 MiB, which OpenSSL's limit of 32 MiB lets through; five times, for about
/// as much work as OWASP's password storage advice asks for.
const SCRYPT: (u8, u32, u32) = (14, 8, 5);
/// Most memory that scrypt may ask for (bytes), and most blocks it may go through.
const MAX_SCRYPT: (u64, u64) = (1 << 30, 1 << 28);
/// Most rounds of PBKDF2.
const MAX_ROUNDS: u32 = 20_000_000;
/// What stands before the label of a sealed file.
const ENCRYPTED: &str = "ENCRYPTED ";

/// The label of a private key (RFC 7468 section 10); sealed, "ENCRYPTED" stands before it (section 11).
pub const PRIVATE_KEY: &str = "PRIVATE KEY";

/// Why a file cannot be sealed or opened.
#[derive(Debug, Error)]
pub enum SealError {
    /// No such PEM, or too large.
    #[error("expected {expected} in PEM, found {found}")]
    Form {
        /// The label.
        expected: String,
        /// What was found; never its content.
        found: String,
    },
    /// Sealed in another way, or beyond the bounds.
    #[error("expected PBES2 with scrypt or PBKDF2 and AES-256 within bounds, found {0}")]
    Scheme(String),
    /// It is sealed, and there is no passphrase.
    #[error("it is sealed with a passphrase, and none was given")]
    NoPassphrase,
    /// The passphrase cannot be had.
    #[error("the passphrase: {0}")]
    Passphrase(#[from] PassphraseError),
    /// It does not open.
    #[error("the passphrase is not the one it was sealed with, or the file was altered")]
    Wrong,
}

#[derive(Sequence)]
struct Encrypted<'a> {
    scheme: EncryptionScheme,
    content: &'a OctetStringRef,
}

#[derive(Sequence)]
struct NewEncrypted {
    scheme: EncryptionScheme,
    content: OctetString,
}

/// Whether a PEM text is one that needs a passphrase.
#[must_use]
pub fn is_sealed(pem: &str) -> bool {
    pem.trim_start().starts_with("-----BEGIN ENCRYPTED ")
}

/// Seals the content of a file with this label. `random` is fresh for each: salt and initialization vector.
///
/// # Errors
/// The content is too large.
pub fn seal(label: &str, content: &[u8], passphrase: &Passphrase, random: [u8; 32]) -> Result<String, SealError> {
    let scheme = |error: pkcs5::Error| SealError::Scheme(error.to_string());
    let (log_n, r, p) = SCRYPT;
    let cost = pkcs5::scrypt::Params::new(log_n, r, p).map_err(|e| SealError::Scheme(e.to_string()))?;
    let (salt, iv) = random.split_at(16);
    let iv = iv.try_into().expect("32 less 16 bytes");
    let parameters = Parameters::generate_scrypt_aes256cbc(cost, salt, iv).map_err(scheme)?;
    let content = parameters.encrypt(passphrase.as_str(), content).map_err(scheme)?;
    let form = |error: der::Error| SealError::Form { expected: label.to_owned(), found: error.to_string() };
    let content = OctetString::new(content).map_err(form)?;
    let der = NewEncrypted { scheme: EncryptionScheme::Pbes2(parameters), content }.to_der().map_err(form)?;
    encode_string(&format!("{ENCRYPTED}{label}"), LineEnding::LF, &der).map_err(|error| form(error.into()))
}

/// The same content in clear.
///
/// # Errors
/// The content is too large.
pub fn in_clear(label: &str, content: &[u8]) -> Result<Zeroizing<String>, SealError> {
    let text = encode_string(label, LineEnding::LF, content);
    text.map(Zeroizing::new).map_err(|error| SealError::Form { expected: label.to_owned(), found: error.to_string() })
}

/// The content of a file with this label, sealed or not. The passphrase is asked for only if it is needed.
///
/// # Errors
/// See [`SealError`].
pub fn open(
    label: &str,
    pem: &str,
    passphrase: &mut dyn FnMut() -> Result<Option<Passphrase>, PassphraseError>,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let form = |found: String| SealError::Form { expected: format!("{label:?}, or {ENCRYPTED:?} before it,"), found };
    if pem.len() > MAX_FILE_BYTES {
        return Err(form(format!("{} bytes", pem.len())));
    }
    let (found, der) = decode_vec(pem.as_bytes()).map_err(|error| form(error.to_string()))?;
    let der = Zeroizing::new(der);
    if found == label {
        return Ok(der);
    }
    if found.strip_prefix(ENCRYPTED) != Some(label) {
        return Err(form(format!("{found:?}")));
    }
    let sealed = Encrypted::from_der(&der).map_err(|error| SealError::Scheme(error.to_string()))?;
    let parameters = within_bounds(&sealed.scheme)?;
    let passphrase = passphrase()?.ok_or(SealError::NoPassphrase)?;
    let content = parameters.decrypt(passphrase.as_str(), sealed.content.as_bytes());
    content.map(Zeroizing::new).map_err(|_| SealError::Wrong)
}

fn within_bounds(scheme: &EncryptionScheme) -> Result<&Parameters, SealError> {
    let refused = |found: &str| SealError::Scheme(found.to_owned());
    let parameters = scheme.pbes2().ok_or_else(|| refused("PBES1"))?;
    match &parameters.kdf {
        Kdf::Scrypt(cost) => {
            let (block, passes) = (u64::from(cost.block_size), u64::from(cost.parallelization));
            let blocks = cost.cost_parameter.checked_mul(block).ok_or_else(|| refused("too much scrypt"))?;
            let (bytes, work) = (blocks.checked_mul(128), blocks.checked_mul(passes));
            if bytes.is_none_or(|bytes| bytes > MAX_SCRYPT.0) || work.is_none_or(|work| work > MAX_SCRYPT.1) {
                return Err(refused("too much scrypt"));
            }
        }
        Kdf::Pbkdf2(rounds) if rounds.iteration_count > MAX_ROUNDS => return Err(refused("too many rounds of PBKDF2")),
        Kdf::Pbkdf2(_) => {}
        _ => return Err(refused("another key derivation")),
    }
    match parameters.encryption {
        pbes2::EncryptionScheme::Aes256Cbc { .. } | pbes2::EncryptionScheme::Aes256Gcm { .. } => Ok(parameters),
        _ => Err(refused("another cipher")),
    }
}

#[cfg(test)]
mod tests;
