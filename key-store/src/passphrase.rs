//! Where a passphrase may come from: a file, an open file descriptor, systemd, the terminal. Never an argument or the
//! environment, which other processes can read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::io::Errno;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::terminal;

/// The longest passphrase that is read.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;

/// A passphrase or a PIN. Zeroized when dropped; its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl Passphrase {
    /// One that was had otherwise; `None` if it is empty or too long.
    #[must_use]
    pub fn new(text: Zeroizing<String>) -> Option<Self> {
        (1..=MAX_PASSPHRASE_BYTES).contains(&text.len()).then_some(Self(text))
    }

    /// The secret itself, for whoever uses it otherwise than to open a key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Why there is no passphrase.
#[derive(Debug, Error)]
pub enum PassphraseError {
    /// It cannot be read.
    #[error("{place}: {source}")]
    Io {
        /// From where.
        place: String,
        /// Why not.
        source: io::Error,
    },
    /// It was to be asked for, and nobody is there.
    #[error("there is no terminal to ask at for the passphrase of {0}")]
    NoTerminal(String),
    /// Others can read the file.
    #[error("{0}: expected a file that its owner alone can read (chmod 600), found one that others can")]
    Open(PathBuf),
    /// Nothing, too much, or no text.
    #[error("{place}: expected a passphrase of 1 to {MAX_PASSPHRASE_BYTES} bytes of UTF-8 in one line, found {found}")]
    Content {
        /// From where.
        place: String,
        /// What there was; never the passphrase.
        found: &'static str,
    },
    /// systemd has given this service no credentials.
    #[error("expected systemd to give the credential {0:?} (LoadCredential= of the unit), found no credentials")]
    NoCredentials(String),
    /// Typed twice, and not the same.
    #[error("the two passphrases are not the same")]
    Differ,
}

/// Where a passphrase comes from: `file:PATH`, `fd:NUMBER`, `credential:NAME` (systemd's `LoadCredential=`), or `ask`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassphraseSource {
    /// The first line of a file that its owner alone can read.
    File(PathBuf),
    /// An open file descriptor: a pipe that whoever starts the program writes into.
    Descriptor(u16),
    /// A file in the folder that systemd makes for the service.
    Credential(String),
    /// The terminal, without echo.
    Ask,
}

impl FromStr for PassphraseSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected file:PATH, fd:NUMBER, credential:NAME or ask";
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("fd", number)) => number.parse().map(Self::Descriptor).map_err(|_| expected.to_owned()),
            Some(("credential", name)) if is_file_name(name) => Ok(Self::Credential(name.to_owned())),
            None if text == "ask" => Ok(Self::Ask),
            // Not quoted: it may be the passphrase itself, given by mistake.
            _ => Err(expected.to_owned()),
        }
    }
}

impl fmt::Display for PassphraseSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Descriptor(number) => write!(f, "fd:{number}"),
            Self::Credential(name) => write!(f, "credential:{name}"),
            Self::Ask => f.write_str("ask"),
        }
    }
}

impl PassphraseSource {
    /// Reads the passphrase; `what` says to people what it is for.
    ///
    /// # Errors
    /// See [`PassphraseError`].
    pub fn read(&self, what: &str) -> Result<Passphrase, PassphraseError> {
        match self {
            Self::File(path) => from_file(path, true),
            Self::Descriptor(number) => from_file(Path::new(&format!("/dev/fd/{number}")), false),
            Self::Credential(name) => {
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY");
                let folder = folder.ok_or_else(|| PassphraseError::NoCredentials(name.clone()))?;
                from_file(&Path::new(&folder).join(name), false)
            }
            Self::Ask => {
                let place = "terminal".to_owned();
                let line = terminal::ask(&format!("Passphrase of {what}: ")).map_err(|source| {
                    match Errno::from_io_error(&source) {
                        Some(Errno::NXIO | Errno::NOENT) => PassphraseError::NoTerminal(what.to_owned()),
                        _ => PassphraseError::Io { place: place.clone(), source },
                    }
                })?;
                checked(&line, place)
            }
        }
    }

    /// Reads the passphrase for something new: on the terminal it is asked for twice.
    ///
    /// # Errors
    /// See [`PassphraseError`].
    pub fn read_new(&self, what: &str) -> Result<Passphrase, PassphraseError> {
        let first = self.read(what)?;
        match self {
            Self::Ask if self.read(&format!("{what}, once more"))? != first => Err(PassphraseError::Differ),
            _ => Ok(first),
        }
    }
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains('/')
}

fn from_file(path: &Path, private: bool) -> Result<Passphrase, PassphraseError> {
    let place = path.display().to_string();
    let io = |source| PassphraseError::Io { place: place.clone(), source };
    let file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    // A pipe (process substitution) has no permissions that mean anything.
    if private && metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        return Err(PassphraseError::Open(path.into()));
    }
    let limit = MAX_PASSPHRASE_BYTES + 3;
    // Room for all of it from the start: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit));
    file.take(u64::try_from(limit).unwrap_or(u64::MAX)).read_to_end(&mut bytes).map_err(io)?;
    checked(&bytes, place)
}

/// One line break at the end belongs to the file, not to the passphrase.
fn checked(bytes: &[u8], place: String) -> Result<Passphrase, PassphraseError> {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let wrong = |found| PassphraseError::Content { place: place.clone(), found };
    let text = std::str::from_utf8(line).map_err(|_| wrong("other bytes"))?;
    match text.len() {
        0 => Err(wrong("nothing")),
        length if length > MAX_PASSPHRASE_BYTES => Err(wrong("more")),
        _ if text.contains(['\n', '\r', '\0']) => Err(wrong("several lines")),
        _ => Ok(Passphrase(Zeroizing::new(text.to_owned()))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(content: &[u8], mode: u32) -> (tempfile::TempDir, PassphraseSource) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, PassphraseSource::File(path))
    }

    #[test]
    fn a_file_holds_one_line_for_its_owner_alone() {
        for content in ["correct horse", "correct horse\n", "correct horse\r\n"] {
            let (_folder, source) = file(content.as_bytes(), 0o600);
            assert_eq!(source.read("x").unwrap().as_str(), "correct horse");
        }
        for (content, mode, expected) in [
            (&b"correct horse"[..], 0o640, "chmod 600"),
            (b"", 0o600, "nothing"),
            (b"\n", 0o600, "nothing"),
            (b"a\nb\n", 0o600, "several lines"),
            (b"\xff\xfe", 0o600, "other bytes"),
            (&[b'x'; MAX_PASSPHRASE_BYTES + 1], 0o600, "more"),
        ] {
            let (_folder, source) = file(content, mode);
            let error = source.read("x").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let (_folder, source) = file(&[b'x'; MAX_PASSPHRASE_BYTES], 0o400);
        assert_eq!(source.read_new("x").unwrap().as_str().len(), MAX_PASSPHRASE_BYTES);
    }

    #[test]
    fn sources_are_written_as_they_are_read_and_a_passphrase_is_not_quoted() {
        for text in ["file:/etc/ca", "fd:3", "credential:ca", "ask"] {
            assert_eq!(text.parse::<PassphraseSource>().unwrap().to_string(), text);
        }
        for text in ["hunter2", "file:", "fd:-1", "fd:x", "credential:../x", "credential:", "ASK"] {
            assert!(!text.parse::<PassphraseSource>().unwrap_err().contains("hunter2"));
        }
        let hidden = Passphrase::new(Zeroizing::new("hunter2".to_owned())).unwrap();
        assert!(!format!("{hidden:?}").contains("hunter"));
    }
}
