//! What has come of something that is not whole yet: a hidden file, or a hidden folder, beside the place where it is to be.
//! Its name says of what it is a part, so that the same, offered once more, goes on there.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use crate::place::write_error;
use crate::{SafeName, TakeError};

/// So many transfers of the same may go on at once.
const MAX_AT_ONCE: u32 = 16;
/// How much is read at once of what is there already.
const CHUNK: usize = 256 * 1024;

/// A hidden file or folder, which no other program goes on with meanwhile.
pub(crate) struct Partial {
    path: PathBuf,
    lock: File,
}

impl Partial {
    /// Begins or goes on with the one that has this mark.
    pub(crate) fn open(folder: &Path, name: &SafeName, mark: &[u8], is_folder: bool) -> Result<Self, TakeError> {
        let mark: String = Sha256::digest(mark)[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        let mut path = folder.join(format!(".{name}.{mark}.part"));
        for number in 2..=MAX_AT_ONCE {
            let opened = if is_folder { open_folder(&path) } else { open_file(&path) };
            let lock = opened.map_err(|source| write_error(&path, source))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path, lock }),
                Err(TryLockError::WouldBlock) => path = folder.join(format!(".{name}.{mark}-{number}.part")),
                Err(TryLockError::Error(source)) => return Err(write_error(&path, source)),
            }
        }
        Err(write_error(&path, io::Error::other("it is being taken already")))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Deletes it; what cannot be deleted stays.
    pub(crate) fn discard(self) {
        let _ = if self.path.is_dir() { fs::remove_dir_all(&self.path) } else { fs::remove_file(&self.path) };
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Closing does not: a process that begins at this moment may hold the file for a while.
        let _ = self.lock.unlock();
    }
}

/// A file that grows, with the hash of what is in it.
pub(crate) struct Growing {
    file: File,
    path: PathBuf,
    at: u64,
    state: Sha256,
}

impl Growing {
    /// Goes on where it ends; one that is longer than it may become begins anew.
    pub(crate) fn open(path: &Path, size: u64) -> Result<Self, TakeError> {
        let opened = open_file(path).and_then(|mut file| {
            let (mut at, mut state) = (0, Sha256::new());
            if file.metadata()?.len() > size {
                file.set_len(0)?;
            }
            let mut buffer = vec![0; CHUNK];
            loop {
                match file.read(&mut buffer) {
                    Ok(0) => return Ok((file, at, state)),
                    Ok(read) => {
                        state.update(&buffer[..read]);
                        at += read as u64;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        });
        let (file, at, state) = opened.map_err(|source| write_error(path, source))?;
        Ok(Self { file, path: path.to_owned(), at, state })
    }

    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// All of it, or nothing that counts.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), TakeError> {
        if let Err(source) = io::Write::write_all(&mut self.file, bytes) {
            // A part of it may be there: the hash knows nothing of that.
            let _ = self.file.set_len(self.at);
            let _ = io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.at));
            return Err(write_error(&self.path, source));
        }
        self.state.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn hash(&self) -> crate::Hash {
        self.state.clone().finalize().into()
    }

    /// Nothing of it was right.
    pub(crate) fn empty(&mut self) -> Result<(), TakeError> {
        let emptied = self.file.set_len(0).and_then(|()| io::Seek::rewind(&mut self.file));
        emptied.map_err(|source| write_error(&self.path, source))?;
        (self.at, self.state) = (0, Sha256::new());
        Ok(())
    }

    /// What is in it is there through a power cut.
    pub(crate) fn sync(&self) -> Result<(), TakeError> {
        self.file.sync_all().map_err(|source| write_error(&self.path, source))
    }
}

/// For its owner alone, and not to be executed. Nothing but a file: no link to one, and no pipe that would be waited for.
fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("expected a file or nothing there, found something else")),
    }
}

/// For its owner alone.
fn open_folder(path: &Path) -> io::Result<File> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let flags = OFlags::NOFOLLOW | OFlags::DIRECTORY;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}
