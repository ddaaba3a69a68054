//! The key of the database: 32 random bytes, in the keyring of the person's session, or in a file under her passphrase.
//!
//! One file says which, so that changing it is one rename. Sealed is what other keys are sealed with (`key-store`: PBES2,
//! scrypt, AES-256); CBC does not tell a wrong passphrase, so a word stands before the key.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use key_store::sealed::{self, SealError};
use key_store::{KeyringItem, Passphrase, PassphraseError};
use zeroize::Zeroizing;

use crate::HistoryError;

/// The label in the file, and what stands before the key when it is sealed.
const LABEL: &str = "HISTORY KEY";
const WORD: &[u8] = b"inperson-history-key-v1\0";
/// What a person sees in her keyring's program.
const ITEM: &str = "In Person: the key of your history";

/// Where the key is to lie.
#[derive(Debug, Clone, Copy)]
pub enum KeyPlace<'a> {
    /// In the keyring of the person's session.
    Keyring,
    /// In a file, sealed with this passphrase.
    Passphrase(&'a Passphrase),
}

/// The database's key. Shown nowhere.
pub(crate) struct Key(Zeroizing<[u8; 32]>);

/// Where a key lies, as its file says.
#[derive(PartialEq, Eq)]
pub(crate) enum Kept {
    Keyring(KeyringItem),
    Sealed(String),
}

impl Key {
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The statement that opens a database with it: SQLCipher's raw key, from which nothing is derived by passphrase.
    pub(crate) fn pragma(&self) -> Zeroizing<String> {
        let digits = self.digits();
        let mut statement = Zeroizing::new(String::with_capacity(96));
        statement.push_str("PRAGMA key = \"x'");
        statement.push_str(&digits);
        statement.push_str("'\"");
        statement
    }

    fn digits(&self) -> Zeroizing<String> {
        let mut digits = Zeroizing::new(String::with_capacity(64));
        for byte in self.0.iter() {
            for half in [byte >> 4, byte & 15] {
                digits.push(char::from_digit(u32::from(half), 16).expect("four bits are a digit"));
            }
        }
        digits
    }

    fn from_digits(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let half = |at: usize| char::from(pair[at]).to_digit(16).and_then(|half| u8::try_from(half).ok());
            *byte = half(0)? << 4 | half(1)?;
        }
        Some(Self(bytes))
    }

    /// Keeps it there; gives what the key's file has to hold. `random` is fresh each time.
    pub(crate) fn keep(&self, place: KeyPlace<'_>, random: &[u8; 32]) -> Result<Zeroizing<String>, HistoryError> {
        match place {
            KeyPlace::Keyring => {
                let item = KeyringItem::new(*random.first_chunk().expect("16 of 32 bytes"));
                item.store(ITEM, &self.digits())?;
                Ok(Zeroizing::new(format!("{item}\n")))
            }
            KeyPlace::Passphrase(passphrase) => {
                let mut content = Zeroizing::new(Vec::with_capacity(WORD.len() + 32));
                content.extend_from_slice(WORD);
                content.extend_from_slice(&*self.0);
                let sealed = sealed::seal(LABEL, &content, passphrase, *random);
                sealed.map(Zeroizing::new).map_err(|error| HistoryError::Database(error.to_string()))
            }
        }
    }
}

impl Kept {
    /// What the file says; nothing if it is not there.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, HistoryError> {
        let file = match fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(HistoryError::io(path, error)),
        };
        let mut text = String::new();
        let limit = sealed::MAX_FILE_BYTES as u64;
        let read = io::Read::read_to_string(&mut io::Read::take(file, limit), &mut text);
        let wrong = || HistoryError::KeyFile { path: path.to_owned(), source: None };
        match read {
            Ok(_) if sealed::is_sealed(&text) => Ok(Some(Self::Sealed(text))),
            Ok(_) => text.trim().parse().map(|item| Some(Self::Keyring(item))).map_err(|_| wrong()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(wrong()),
            Err(error) => Err(HistoryError::io(path, error)),
        }
    }

    /// The key itself.
    pub(crate) fn open(
        &self,
        path: &Path,
        passphrase: &mut dyn FnMut() -> Result<Passphrase, PassphraseError>,
    ) -> Result<Key, HistoryError> {
        let wrong = |source| HistoryError::KeyFile { path: path.to_owned(), source };
        match self {
            Self::Keyring(item) => Key::from_digits(item.load()?.trim()).ok_or_else(|| wrong(None)),
            Self::Sealed(pem) => {
                let content = sealed::open(LABEL, pem, &mut || passphrase().map(Some));
                let content = content.map_err(|error| match error {
                    SealError::Passphrase(error) => HistoryError::Passphrase(error),
                    SealError::Wrong => HistoryError::WrongPassphrase,
                    error => wrong(Some(Box::new(error))),
                })?;
                let key = content.strip_prefix(WORD).and_then(|key| key.try_into().ok());
                key.map(Key::new).ok_or(HistoryError::WrongPassphrase)
            }
        }
    }

    /// Lets go of what lies in the keyring.
    pub(crate) fn forget(&self) -> Result<(), HistoryError> {
        match self {
            Self::Keyring(item) => Ok(item.remove()?),
            Self::Sealed(_) => Ok(()),
        }
    }
}

/// Puts a file for its owner alone in its place: all of it or none, and on the disk.
pub(crate) fn write_atomic(path: &Path, content: &[u8]) -> Result<(), HistoryError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = || {
        // 0600 from the start.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        fs::File::open(folder)?.sync_all()
    };
    written().map_err(|error| HistoryError::io(path, error))
}
