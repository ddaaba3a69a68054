//! The signing keys of log, witness and mirror: Ed25519 (RFC 8032) as PKCS#8 PEM (RFC 5958, RFC 8410), one file each
//! that only the account of the program can read.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use pkcs8::LineEnding;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::Failure;

/// Largest key file that is read, in bytes.
const MAX_BYTES: u64 = 16 * 1024;

/// The key in this file; made if there is none.
///
/// # Errors
/// The file cannot be read or written, others can read it, or it holds something else than such a key.
pub fn open(path: &Path) -> Result<SigningKey, Failure> {
    let metadata = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return make(path),
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
    let damaged = |reason: String| {
        let what = format!("{}: expected an Ed25519 key as PKCS#8 PEM: {reason}", path.display());
        Failure::new(what, "restore the file from a backup; a new key would be another log or witness")
    };
    if metadata.len() > MAX_BYTES {
        return Err(damaged(format!("found {} bytes", metadata.len())));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?);
    SigningKey::from_pkcs8_pem(&text).map_err(|error| damaged(error.to_string()))
}

fn make(path: &Path) -> Result<SigningKey, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::new(format!("no random numbers: {error}"), "look at the kernel's messages"))?;
    let key = SigningKey::from_bytes(&seed);
    seed.zeroize();
    let pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|error| Failure::new(format!("a key cannot be written: {error}"), "report this as a fault"))?;
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
    Ok(key)
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
}
