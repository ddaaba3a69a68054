//! The person's folder.
//!
//! ```text
//! trust/<fingerprint>/genesis.json, updates/<n>.json, current.json     pinned trust policies
//! bindings.json                                      to which authorities people are bound
//! evidence/<time>-<kind>-<hash>.json                 what proves misbehaviour to others, once each
//! devices/<identifier>/key.pem, account.pem, chain.pem, enrolment.toml
//!                     key.uri, account.uri           instead, where the keys lie in the keyring or in a token
//!                     endorsements/<fingerprint>.pem   what other devices of the person say of this one
//! devices/.pending/<identifier>/…                    an enrolment under way
//! mail/<identifier>/…, mail/.pending/<identifier>/…  the same for certificates for mail
//! mail/.earlier/<identifier>/<key>/key.pem, chain.pem  keys from before, which open what was written to them
//!                     imported.toml                  instead of enrolment.toml, where they come from elsewhere
//! mail/.others/<identifier>/<device>.pem            certificates for mail of others, as their devices told them
//! watch/<identifier>.json                            labels, confirmed device keys
//! logs/<SHA-256 of the origin>/…                     how far a log was followed; `newest`: its newest checkpoint seen
//! crl/<SHA-256 of the issuer>.der                    newest revocation lists
//! messenger/contacts.toml                            the messenger's own
//! ```

mod bindings;
mod devices;
mod earlier;
mod endorsements;
mod error;
mod incoming;
mod keys;
mod policies;
mod restored;
mod sealing;
mod their_mail;
mod unlock;
mod watching;

use std::env;
use std::path::{Path, PathBuf};

use identity::Identifier;
use sha2::{Digest, Sha256};

pub(crate) use devices::{CHAIN, Pending};
pub use earlier::{EarlierMailbox, KeptKey};
pub use error::HomeError;
pub use keys::{KeyForm, KeyPlace};
pub use policies::PinnedPolicy;
pub use restored::{Restored, SavedKey};
pub use their_mail::{NoTheirMailbox, TheirMailbox};
pub use watching::Watching;

use crate::files::{self, FolderLock};

/// Largest file that is read: 1 MiB. (The label index of a log, which grows, is read in pieces.)
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// A person's folder on disk. Cheap to clone; holds no open file.
#[derive(Debug, Clone)]
pub struct Home {
    folder: PathBuf,
    unlock: unlock::Unlock,
}

impl Home {
    /// Opens `$INPERSON_HOME`, else `$XDG_DATA_HOME/inperson`, else `~/.local/share/inperson`; makes it if missing.
    pub fn open() -> Result<Self, HomeError> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("INPERSON_HOME")
            // The XDG base directory specification: a relative path is to be ignored.
            .or_else(|| set("XDG_DATA_HOME").filter(|path| path.is_absolute()).map(|path| path.join("inperson")))
            .or_else(|| set("HOME").map(|path| path.join(".local/share/inperson")))
            .ok_or(HomeError::NoFolder)?;
        Self::at(folder)
    }

    /// Opens the folder given; makes it (0700) if missing.
    pub fn at(folder: impl Into<PathBuf>) -> Result<Self, HomeError> {
        let folder = folder.into();
        if folder.exists() && !folder.is_dir() {
            let source = std::io::Error::new(std::io::ErrorKind::NotADirectory, "expected a folder, found a file");
            return Err(HomeError::NotWritable { path: folder, source });
        }
        if !folder.is_dir() {
            files::create_private_folder(&folder)?;
        }
        Ok(Self { folder, unlock: unlock::Unlock::default() })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The messenger's own folder (0700), made if missing.
    pub fn messenger_folder(&self) -> Result<PathBuf, HomeError> {
        self.private_folder("messenger")
    }

    /// A folder below it (0700), made if missing.
    pub fn private_folder(&self, relative: impl AsRef<Path>) -> Result<PathBuf, HomeError> {
        let folder = self.folder.join(relative);
        files::create_private_folder(&folder)?;
        Ok(folder)
    }

    /// Reads a text file below the folder (at most 1 MiB); `None` if there is none.
    pub fn read_text(&self, relative: impl AsRef<Path>) -> Result<Option<String>, HomeError> {
        files::read_text(&self.folder.join(relative))
    }

    /// Replaces a text file below the folder atomically (0600), holding the folder's lock.
    pub fn write_text(&self, relative: impl AsRef<Path>, text: &str) -> Result<(), HomeError> {
        let path = self.folder.join(relative);
        if text.len() > MAX_FILE_BYTES {
            return Err(HomeError::TooLarge { path, limit: MAX_FILE_BYTES });
        }
        let _lock = self.lock()?;
        files::write_atomic(&path, text.as_bytes())
    }

    /// Takes the folder's lock, waiting while another process writes.
    pub(crate) fn lock(&self) -> Result<FolderLock, HomeError> {
        files::lock(&self.folder)
    }
}

/// A file name for an identifier: itself where it is short and harmless, else escaped and ended by a hash.
pub(crate) fn file_name(identifier: &Identifier) -> String {
    let mut name = String::new();
    let mut escaped = false;
    for (position, c) in identifier.as_str().chars().enumerate() {
        let harmless = c.is_alphanumeric() || "@+-_".contains(c) || (c == '.' && position > 0);
        name.push(if harmless { c } else { '~' });
        escaped |= !harmless;
    }
    if escaped || name.len() > 200 {
        let hash = hex::encode(Sha256::digest(identifier.as_str()));
        let cut = (0..=150.min(name.len())).rev().find(|&at| name.is_char_boundary(at)).unwrap_or(0);
        name.truncate(cut);
        name.push('~');
        name.push_str(&hash[..32]);
    }
    name
}

#[cfg(test)]
mod tests;
