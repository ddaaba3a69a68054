//! The signing keys of log, witness and mirror: Ed25519 (RFC 8032) as PKCS#8 PEM (RFC 5958, RFC 8410), and a witness's
//! ML-DSA-44 key by its seed ([`ml_dsa`]), one file each that only the account of the program can read.

pub mod ml_dsa;

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use pkcs8::LineEnding;
use tlog_proof::{Cosigner, SubtreeCosigner};
use transparency_log::WitnessKeys;
use zeroize::Zeroizing;

use crate::error::Failure;

/// The file of a witness's Ed25519 key.
const WITNESS: &str = "witness.pem";
/// The file of its ML-DSA-44 key.
const WITNESS_ML_DSA_44: &str = "witness-ml-dsa-44.pem";

/// Largest key file that is read, in bytes.
const MAX_BYTES: u64 = 16 * 1024;

/// The key in this file; made if there is none.
///
/// # Errors
/// The file cannot be read or written, others can read it, or it holds something else than such a key.
pub fn open(path: &Path) -> Result<SigningKey, Failure> {
    let Some(text) = secret(path)? else { return make(path) };
    SigningKey::from_pkcs8_pem(&text).map_err(|error| damaged(path, "an Ed25519 key", &error.to_string()))
}

/// The seed of the ML-DSA-44 key in this file; made if there is none.
///
/// # Errors
/// As [`open`].
pub fn open_ml_dsa_44(path: &Path) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let what = "an ML-DSA-44 key by its seed";
    if let Some(text) = secret(path)? {
        return ml_dsa::seed(&text).ok_or_else(|| damaged(path, what, "found something else"));
    }
    let seed = random()?;
    let pem = ml_dsa::to_pem(&seed).map_err(|error| unwritten(&error))?;
    write(path, &pem)?;
    Ok(seed)
}

/// A witness's keys, one of each kind, in this folder; those that are missing are made.
///
/// # Errors
/// As [`open`]; or `name` cannot be that of a key.
pub fn open_witness(folder: &Path, name: &str) -> Result<WitnessKeys, Failure> {
    let refused = |error| Failure::usage(format!("{name:?}: {error}"), "give an address without scheme and spaces");
    let ed25519 = Cosigner::new(name, open(&folder.join(WITNESS))?).map_err(refused)?;
    let seed = open_ml_dsa_44(&folder.join(WITNESS_ML_DSA_44))?;
    Ok(WitnessKeys::both(ed25519, SubtreeCosigner::new(name, &seed).map_err(refused)?))
}

fn damaged(path: &Path, expected: &str, reason: &str) -> Failure {
    let what = format!("{}: expected {expected} as PKCS#8 PEM: {reason}", path.display());
    Failure::new(what, "restore the file from a backup; a new key would be another log or witness")
}

/// The text of a secret's file; `None` if there is none.
///
/// # Errors
/// The file cannot be read, others can read it, or it is too large to be one.
pub fn secret(path: &Path) -> Result<Option<Zeroizing<String>>, Failure> {
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| Failure::file(path, &error))?,
    };
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Failure::new(
            format!(
                "{}: expected a key that only its owner can read, found mode {:o}",
                path.display(),
                metadata.permissions().mode() & 0o777
            ),
            format!("chmod 600 {}", path.display()),
        ));
    }
    if metadata.len() > MAX_BYTES {
        let what = format!("{}: expected at most {MAX_BYTES} bytes, found {}", path.display(), metadata.len());
        return Err(Failure::new(what, "restore the file from a backup"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    Ok(Some(Zeroizing::new(text)))
}

fn random() -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed)
        .map_err(|error| Failure::new(format!("no random numbers: {error}"), "look at the kernel's messages"))?;
    Ok(seed)
}

fn unwritten(error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("a key cannot be written: {error}"), "report this as a fault")
}

fn make(path: &Path) -> Result<SigningKey, Failure> {
    let key = SigningKey::from_bytes(&*random()?);
    let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| unwritten(&error))?;
    write(path, &pem)?;
    Ok(key)
}

/// Puts a new key file in its place, whole or not at all, and never over another one.
fn write(path: &Path, pem: &str) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let written = || -> std::io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // A named temporary file has mode 0600.
        let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
        new.write_all(pem.as_bytes())?;
        new.as_file().sync_all()?;
        new.persist_noclobber(path).map_err(|error| error.error)?;
        std::fs::File::open(folder)?.sync_all()
    };
    written().map_err(|error| Failure::file(path, &error))?;
    tracing::info!(path = %path.display(), "a new key was made");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_kept_private_and_never_replaced() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("keys/log.pem");
        let made = open(&path).unwrap();
        assert_eq!(open(&path).unwrap(), made);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(open(&path).unwrap_err().to_string().contains("mode 644"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
        let refused = open(&path).unwrap_err().to_string();
        assert!(refused.contains("log.pem") && !refused.contains("AAAA"), "{refused}");
    }

    #[test]
    fn a_key_of_each_kind_is_made_once_and_neither_is_taken_for_the_other() {
        let place = tempfile::tempdir().unwrap();
        let (path, other) = (place.path().join("w-ml-dsa-44.pem"), place.path().join("w.pem"));
        let made = open_ml_dsa_44(&path).unwrap();
        assert_eq!(open_ml_dsa_44(&path).unwrap(), made);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        open(&other).unwrap();
        assert!(open(&path).unwrap_err().to_string().contains("Ed25519"));
        assert!(open_ml_dsa_44(&other).unwrap_err().to_string().contains("ML-DSA-44"));
    }
}
