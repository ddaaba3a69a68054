//! The folder of a history: `history.db` (with SQLite's `-wal` and `-shm` beside it), `key`, and `lock`.
//!
//! Programs that use the history share the lock; what replaces the key or takes everything away has it alone. A history is
//! made in a folder beside and put in place by one rename, so that there is either all of it or none.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use key_store::{KeyringItem, Passphrase, PassphraseError};

use crate::key::{Kept, Key, KeyPlace, write_atomic};
use crate::store::History;
use crate::{HistoryError, schema};

const DATABASE: &str = "history.db";
const KEY: &str = "key";
const LOCK: &str = "lock";

/// Where a history is, or can be.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A folder that need not be there yet; what it lies in must be.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether anything of a history is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Whether a passphrase opens it; `false` if its key lies in the keyring.
    ///
    /// # Errors
    /// There is none, or its key's file says nothing that is known.
    pub fn needs_passphrase(&self) -> Result<bool, HistoryError> {
        self.kept().map(|kept| matches!(kept, Kept::Sealed(_)))
    }

    /// Begins a history. `key` and `random` are fresh random bytes.
    ///
    /// # Errors
    /// There is one, its key cannot be kept there, or it cannot be written: then there is none.
    pub fn create(&self, place: KeyPlace<'_>, key: &[u8; 32], random: &[u8; 32]) -> Result<History, HistoryError> {
        if self.exists() {
            return Err(HistoryError::Exists(self.path.clone()));
        }
        let new = self.path.with_added_extension("new");
        // What an earlier attempt left behind was nobody's history yet.
        remove_all(&new)?;
        let made = Self::at(&new).make(place, &Key::new(key), random);
        let placed = made.and_then(|()| {
            fs::rename(&new, &self.path).map_err(|error| HistoryError::io(&self.path, error))?;
            sync_parent(&self.path)
        });
        if let Err(error) = placed {
            if let Ok(Some(kept)) = Kept::read(&new.join(KEY)) {
                let _ = kept.forget();
            }
            let _ = remove_all(&new);
            return Err(error);
        }
        History::open(&self.path.join(DATABASE), &Key::new(key), self.share()?)
    }

    fn make(&self, place: KeyPlace<'_>, key: &Key, random: &[u8; 32]) -> Result<(), HistoryError> {
        let made = fs::DirBuilder::new().mode(0o700).create(&self.path);
        made.map_err(|error| HistoryError::io(&self.path, error))?;
        let database = self.path.join(DATABASE);
        // SQLite gives what lies beside it the same permissions.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&database);
        drop(file.map_err(|error| HistoryError::io(&database, error))?);
        schema::found(&database, key)?;
        write_atomic(&self.path.join(KEY), key.keep(place, random)?.as_bytes())
    }

    /// Opens the history; `passphrase` is asked only if it is needed.
    ///
    /// # Errors
    /// See [`HistoryError`].
    pub fn open(
        &self,
        passphrase: &mut dyn FnMut() -> Result<Passphrase, PassphraseError>,
    ) -> Result<History, HistoryError> {
        let key = self.kept()?.open(&self.path.join(KEY), passphrase)?;
        let database = self.path.join(DATABASE);
        if !database.is_file() {
            return Err(HistoryError::Foreign(database));
        }
        History::open(&database, &key, self.share()?)
    }

    /// Moves the key: into the keyring, out of it, or under another passphrase. The key is the same.
    ///
    /// # Errors
    /// It does not open, or another program uses the history.
    pub fn move_key(
        &self,
        passphrase: &mut dyn FnMut() -> Result<Passphrase, PassphraseError>,
        place: KeyPlace<'_>,
        random: &[u8; 32],
    ) -> Result<(), HistoryError> {
        let path = self.path.join(KEY);
        let before = self.kept()?;
        let key = before.open(&path, passphrase)?;
        let lock = self.alone()?;
        // That it is this history's: the only way to it is not to be replaced by another one's. Nobody else has it meanwhile.
        let held = History::open(&self.path.join(DATABASE), &key, lock)?;
        if self.kept()? != before {
            return Err(HistoryError::InUse(self.path.clone()));
        }
        let file = key.keep(place, random)?;
        if let Err(error) = write_atomic(&path, file.as_bytes()) {
            // What leads nowhere is not to lie in the keyring.
            if let Ok(item) = file.trim().parse::<KeyringItem>() {
                let _ = item.remove();
            }
            return Err(error);
        }
        let forgotten = before.forget();
        drop(held);
        forgotten
    }

    /// Throws the key away, and then all that it opens. None is no error.
    ///
    /// # Errors
    /// Another program uses it, or a file stays. A key that the keyring does not give up is told after the files are gone.
    pub fn forget(&self) -> Result<(), HistoryError> {
        if !self.exists() {
            return Ok(());
        }
        let lock = self.alone()?;
        // A damaged file names no key that could be thrown away.
        let key = Kept::read(&self.path.join(KEY)).ok().flatten().map_or(Ok(()), |kept| kept.forget());
        overwrite(&self.path.join(KEY))?;
        remove_all(&self.path)?;
        drop(lock);
        sync_parent(&self.path)?;
        key
    }

    fn kept(&self) -> Result<Kept, HistoryError> {
        let path = self.path.join(KEY);
        match Kept::read(&path)? {
            Some(kept) => Ok(kept),
            None if self.exists() => Err(HistoryError::KeyGone(path)),
            None => Err(HistoryError::None(self.path.clone())),
        }
    }

    fn share(&self) -> Result<File, HistoryError> {
        self.locked(File::try_lock_shared)
    }

    fn alone(&self) -> Result<File, HistoryError> {
        self.locked(File::try_lock)
    }

    fn locked(&self, lock: fn(&File) -> Result<(), TryLockError>) -> Result<File, HistoryError> {
        let path = self.path.join(LOCK);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(|error| HistoryError::io(&self.path, error))?;
        match lock(&file) {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(HistoryError::InUse(self.path.clone())),
            Err(TryLockError::Error(error)) => Err(HistoryError::io(&path, error)),
        }
    }
}

/// Where the file system writes in place, nothing of a sealed key is left; elsewhere it does no harm.
fn overwrite(path: &Path) -> Result<(), HistoryError> {
    let Ok(length) = fs::metadata(path).map(|file| file.len()) else { return Ok(()) };
    let zeros = vec![0; usize::try_from(length).unwrap_or_default().min(key_store::sealed::MAX_FILE_BYTES)];
    let written = OpenOptions::new().write(true).open(path).and_then(|mut file| {
        io::Write::write_all(&mut file, &zeros)?;
        file.sync_all()
    });
    written.map_err(|error| HistoryError::io(path, error))
}

fn remove_all(folder: &Path) -> Result<(), HistoryError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HistoryError::io(folder, error)),
        _ => Ok(()),
    }
}

fn sync_parent(path: &Path) -> Result<(), HistoryError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(|error| HistoryError::io(parent, error))
}
