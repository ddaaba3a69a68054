//! The label key of one log, in a file: a secret of 32 bytes in PEM, mode 0600.

use std::io;
use std::path::{Path, PathBuf};

use identity::transparency::{VrfPublicKey, VrfSecretKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{files, pem, random};

/// How the PEM block is called.
const SECRET: &str = "IN PERSON SECRET";

/// Why there is no label key.
#[derive(Debug, Error)]
pub enum LabelKeyError {
    /// The file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path}: expected a secret of 32 bytes in PEM")]
    Content {
        /// Which.
        path: PathBuf,
    },
}

/// A label key and the file it lies in. Zeroized when dropped.
#[derive(Debug)]
pub struct LabelKey {
    pub(super) vrf: VrfSecretKey,
    file: PathBuf,
}

impl LabelKey {
    /// The key in this file; none if there is no such file. If a crash came while it was being destroyed, that is finished
    /// first.
    ///
    /// # Errors
    /// See [`LabelKeyError`].
    pub fn open(file: &Path) -> Result<Option<Self>, LabelKeyError> {
        let io = |source| LabelKeyError::Io { path: file.into(), source };
        if files::finish_destroying(file).map_err(io)? {
            tracing::warn!(file = %file.display(), "a label key was being destroyed: now it is");
        }
        let text = match std::fs::read_to_string(file).map(Zeroizing::new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(io)?,
        };
        let wrong = || LabelKeyError::Content { path: file.into() };
        let bytes = pem::decode(SECRET, &text).ok_or_else(wrong)?;
        let bytes = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| wrong())?);
        Ok(Some(Self { vrf: VrfSecretKey::from_bytes(&bytes), file: file.into() }))
    }

    /// The key in this file, made and written if there is none.
    ///
    /// # Errors
    /// See [`LabelKeyError`].
    pub fn open_or_make(file: &Path) -> Result<Self, LabelKeyError> {
        if let Some(key) = Self::open(file)? {
            return Ok(key);
        }
        let io = |source| LabelKeyError::Io { path: file.into(), source };
        let bytes = Zeroizing::new(random::bytes::<32>());
        let text = Zeroizing::new(pem::encode(SECRET, &*bytes));
        files::private_folder(file.parent().unwrap_or(file)).map_err(io)?;
        files::write(file, text.as_bytes()).map_err(io)?;
        Ok(Self { vrf: VrfSecretKey::from_bytes(&bytes), file: file.into() })
    }

    /// The public half, as the trust policy lists it.
    #[must_use]
    pub fn public(&self) -> &VrfPublicKey {
        self.vrf.public()
    }

    /// Where it lies.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}
