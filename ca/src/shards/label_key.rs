//! The label key of one log: in a file, a secret of 32 bytes in PEM, mode 0600; or in a process of its own, whose socket a
//! file in its place names ([`signer`](super::signer)).

use std::io;
use std::path::{Path, PathBuf};

use identity::transparency::{LabelInput, VrfProof, VrfPublicKey, VrfSecretKey};
use thiserror::Error;
use zeroize::Zeroizing;

use super::signer::{Remote, SignerError};
use crate::{files, pem, random};

/// In place of `vrf.key.pem` stands `vrf.signer` where a signer has the key: the path of its socket.
const KEY_END: &str = ".key.pem";
pub(crate) const SIGNER_END: &str = ".signer";

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
    /// Two places name a key.
    #[error("{path} and {}: expected one of them, found both", signer.display())]
    Two {
        /// The key's file.
        path: PathBuf,
        /// What names a signer.
        signer: PathBuf,
    },
    /// The signer has another key than it had.
    #[error("{}: expected a signer of the log's label key, found one of another", signer.display())]
    Another {
        /// What names it.
        signer: PathBuf,
    },
    /// The process that has the key.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The file holds something else.
    #[error("{path}: expected a secret of 32 bytes in PEM")]
    Content {
        /// Which.
        path: PathBuf,
    },
}

impl LabelKeyError {
    /// Whether the process that has the key is not there now, or does not answer.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Signer(error) if error.is_away())
    }
}

/// A label key, and the file that it lies in or that names its signer. Zeroized when dropped.
#[derive(Debug)]
pub struct LabelKey {
    holder: Holder,
    public: VrfPublicKey,
    file: PathBuf,
}

#[derive(Debug)]
enum Holder {
    Here(Box<VrfSecretKey>),
    Elsewhere(Remote),
}

impl LabelKey {
    /// The key in this file, or the one of the signer that stands in its place; none if there is neither. If a crash came
    /// while a key was being destroyed, that is finished first. May block: a signer is asked for its public key.
    ///
    /// # Errors
    /// See [`LabelKeyError`].
    pub fn open(file: &Path) -> Result<Option<Self>, LabelKeyError> {
        Self::find(file, None)
    }

    /// As [`Self::open`], with what the trust policy says of the key: so a signer that does not answer now is asked when
    /// something is wanted of it. Every proof is held to this public key, whoever gives it.
    ///
    /// # Errors
    /// See [`LabelKeyError`].
    pub fn open_known(file: &Path, public: &VrfPublicKey) -> Result<Option<Self>, LabelKeyError> {
        Self::find(file, Some(public))
    }

    fn find(file: &Path, known: Option<&VrfPublicKey>) -> Result<Option<Self>, LabelKeyError> {
        let io = |source| LabelKeyError::Io { path: file.into(), source };
        if files::finish_destroying(file).map_err(io)? {
            tracing::warn!(file = %file.display(), "a label key was being destroyed: now it is");
        }
        let signer = signer_file(file);
        let text = match std::fs::read_to_string(file).map(Zeroizing::new) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::elsewhere(signer, known),
            other => other.map_err(io)?,
        };
        if let Some(signer) = signer.filter(|signer| signer.exists()) {
            return Err(LabelKeyError::Two { path: file.into(), signer });
        }
        let wrong = || LabelKeyError::Content { path: file.into() };
        let bytes = pem::decode(SECRET, &text).ok_or_else(wrong)?;
        let bytes = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| wrong())?);
        Ok(Some(Self::here(&bytes, file)))
    }

    /// The key in this file, or of its signer; made and written if there is neither.
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
        Ok(Self::here(&bytes, file))
    }

    /// Whether there is a key in this file, or a signer named in its place. Nobody is asked.
    #[must_use]
    pub fn is_at(file: &Path) -> bool {
        file.exists() || signer_file(file).is_some_and(|signer| signer.exists())
    }

    fn here(bytes: &[u8; 32], file: &Path) -> Self {
        let vrf = VrfSecretKey::from_bytes(bytes);
        Self { public: vrf.public().clone(), holder: Holder::Here(Box::new(vrf)), file: file.into() }
    }

    fn elsewhere(signer: Option<PathBuf>, known: Option<&VrfPublicKey>) -> Result<Option<Self>, LabelKeyError> {
        let Some(file) = signer else { return Ok(None) };
        let socket = match std::fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|source| LabelKeyError::Io { path: file.clone(), source })?,
        };
        let remote = Remote::new(Path::new(socket.trim_end_matches('\n')));
        let public = match (remote.public(), known) {
            (Err(error), Some(known)) if error.is_away() => {
                tracing::warn!(%error, "the label key's signer is away: nothing is certified before it answers");
                known.clone()
            }
            (asked, _) => asked?,
        };
        Ok(Some(Self { public, holder: Holder::Elsewhere(remote), file }))
    }

    /// Whether the key is where it should be now, and the same. May block.
    ///
    /// # Errors
    /// Its signer does not answer, or has another key.
    pub(crate) fn check(&self) -> Result<(), LabelKeyError> {
        match &self.holder {
            Holder::Here(_) => Ok(()),
            Holder::Elsewhere(remote) => match remote.public()? {
                found if found == self.public => Ok(()),
                _ => Err(LabelKeyError::Another { signer: self.file.clone() }),
            },
        }
    }

    /// The label for an input, and its proof. Blocks for as long as a signer takes. Never call it for an identifier whose
    /// control is not proven.
    ///
    /// # Errors
    /// There is no word of the signer.
    pub fn evaluate(&self, input: &LabelInput<'_>) -> Result<([u8; 32], VrfProof), LabelKeyError> {
        match &self.holder {
            Holder::Here(vrf) => Ok(vrf.evaluate(input)),
            Holder::Elsewhere(remote) => Ok(remote.evaluate(&self.public, input)?),
        }
    }

    /// Whether it is computed with in this process, so that nothing blocks.
    #[must_use]
    pub fn is_here(&self) -> bool {
        matches!(self.holder, Holder::Here(_))
    }

    /// Destroys it where it lies: overwrites and unlinks it, or has its signer do so. May block.
    ///
    /// # Errors
    /// It may still be there.
    pub fn destroy(&self) -> Result<(), LabelKeyError> {
        let io = |source| LabelKeyError::Io { path: self.file.clone(), source };
        match &self.holder {
            Holder::Here(_) => files::destroy(&self.file).map_err(io),
            Holder::Elsewhere(remote) => {
                remote.destroy()?;
                std::fs::remove_file(&self.file).map_err(io)
            }
        }
    }

    /// The public half, as the trust policy lists it.
    #[must_use]
    pub fn public(&self) -> &VrfPublicKey {
        &self.public
    }
}

/// What names the signer of the key that this file would hold.
pub(crate) fn signer_file(file: &Path) -> Option<PathBuf> {
    let stem = file.file_name()?.to_str()?.strip_suffix(KEY_END)?;
    Some(file.with_file_name(format!("{stem}{SIGNER_END}")))
}
