//! Private files: bounded reads, atomic writes, and permissions that keep others out.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::home::{HomeError, MAX_FILE_BYTES};

/// Permission bits that let anybody but the owner in.
const OTHERS: u32 = 0o077;

/// Makes `folder` and its missing parents, readable by the owner alone (0700).
pub(crate) fn create_private_folder(folder: &Path) -> Result<(), HomeError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|source| write_error(folder, source))
}

/// Reads at most [`MAX_FILE_BYTES`]; `Ok(None)` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, HomeError> {
    read_up_to(path, MAX_FILE_BYTES)
}

/// Reads at most `limit` bytes; `Ok(None)` if there is no such file.
pub(crate) fn read_up_to(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, HomeError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(HomeError::Read { path: path.to_owned(), source }),
    };
    read_open(&file, path, limit).map(Some)
}

/// Reads a file that holds a secret: as [`read`], but refuses one that others can read or write.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Vec<u8>>, HomeError> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    let mode =
        fs::metadata(path).map_err(|source| HomeError::Read { path: path.to_owned(), source })?.permissions().mode();
    if mode & OTHERS != 0 {
        return Err(HomeError::Permissions { path: path.to_owned(), found: mode & 0o777 });
    }
    Ok(Some(bytes))
}

/// Reads text; anything but UTF-8 is a corrupt file.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, HomeError> {
    read(path)?.map(|bytes| text(path, bytes)).transpose()
}

/// Turns the bytes of `path` into text.
pub(crate) fn text(path: &Path, bytes: Vec<u8>) -> Result<String, HomeError> {
    String::from_utf8(bytes).map_err(|error| HomeError::Corrupt {
        path: path.to_owned(),
        expected: "UTF-8 text".to_owned(),
        found: format!("a byte that is none at offset {}", error.utf8_error().valid_up_to()),
    })
}

/// Replaces `path` by `bytes`: whoever reads sees the old file or the new one, also after a power cut. Mode 0600.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let mut file = NewFile::create(path)?;
    file.write_all(bytes).map_err(|source| write_error(path, source))?;
    file.keep()
}

/// Writes a file outside the person's folder, for her alone (0600): whole or not at all, also after a power cut. Folders on
/// the way that are missing are made, for her alone too.
///
/// # Errors
/// It cannot be written; what was there before is unchanged.
pub fn keep_file(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    write_atomic(path, bytes)
}

/// Whether both paths lead to one file, however they are spelt.
#[must_use]
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
    place(one).is_some_and(|found| Some(found) == place(other))
}

/// A file that is being written beside the place where it is to be: it is there whole, or not at all. If it is dropped
/// before it is kept, nothing is left of it.
#[derive(Debug)]
pub struct NewFile {
    /// None where nothing is to be kept.
    file: Option<tempfile::NamedTempFile>,
    path: PathBuf,
}

impl NewFile {
    /// Begins one for its owner alone (0600); missing folders are made, for her alone too.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn create(path: &Path) -> Result<Self, HomeError> {
        // It is put in its place by renaming, which would make a file of a device or a pipe.
        if path.metadata().is_ok_and(|found| !found.is_file()) {
            return Err(write_error(
                path,
                io::Error::other("expected a file or nothing there, found a folder, a device or a pipe"),
            ));
        }
        // A bare name has no folder of its own; a path that is absolute stays so.
        let beside = Path::new(".").join(path);
        let folder = beside.parent().unwrap_or(Path::new("."));
        create_private_folder(folder)?;
        // A NamedTempFile is made with mode 0600 and disappears if anything below fails.
        let file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder);
        Ok(Self { file: Some(file.map_err(|source| write_error(path, source))?), path: path.to_owned() })
    }

    /// The same; but what goes to `/dev/null` goes nowhere, for whoever wants no file. Any other device is refused like a pipe:
    /// it would have what is written before it is known whether that is to be kept.
    ///
    /// # Errors
    /// Nothing can be written there.
    pub fn create_or_null(path: &Path) -> Result<Self, HomeError> {
        let device = |path: &Path| path.metadata().ok().filter(|found| found.file_type().is_char_device());
        let null = device(Path::new("/dev/null")).map(|null| null.rdev());
        match null.is_some() && device(path).map(|found| found.rdev()) == null {
            true => Ok(Self { file: None, path: path.to_owned() }),
            false => Self::create(path),
        }
    }

    /// Where it is being written; nowhere if nothing is to be kept.
    pub fn unfinished(&self) -> Option<&Path> {
        self.file.as_ref().map(tempfile::NamedTempFile::path)
    }

    /// Puts it in its place, also through a power cut.
    ///
    /// # Errors
    /// It cannot be put there; what was there before is unchanged.
    pub fn keep(self) -> Result<(), HomeError> {
        self.put(|file, path| file.persist(path))
    }

    /// The same where nothing is yet.
    ///
    /// # Errors
    /// It cannot be put there, or something came there meanwhile, which is unchanged.
    pub fn keep_new(self) -> Result<(), HomeError> {
        self.put(|file, path| file.persist_noclobber(path))
    }

    fn put(
        self,
        persist: impl Fn(tempfile::NamedTempFile, &Path) -> Result<File, tempfile::PersistError>,
    ) -> Result<(), HomeError> {
        let Self { file: Some(file), path } = self else { return Ok(()) };
        let folder = file.path().parent().unwrap_or(Path::new(".")).to_owned();
        let kept = (|| {
            file.as_file().sync_all()?;
            persist(file, &path).map_err(|error| error.error)?;
            File::open(folder)?.sync_all()
        })();
        kept.map_err(|source| write_error(&path, source))
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_mut().map_or(Ok(bytes.len()), |file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// Holds the lock of a folder until dropped; waits while another process holds it.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

/// Takes the exclusive lock of `folder`.
pub(crate) fn lock(folder: &Path) -> Result<FolderLock, HomeError> {
    let path = folder.join(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| write_error(&path, source))?;
    file.lock().map_err(|source| write_error(&path, source))?;
    Ok(FolderLock { _file: file })
}

/// The names of the folders directly inside `folder`, sorted; none if it does not exist. Hidden ones are left out.
pub(crate) fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, HomeError> {
    list(folder, Path::is_dir)
}

/// As [`subfolders`], for the files.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, HomeError> {
    list(folder, Path::is_file)
}

fn list(folder: &Path, wanted: fn(&Path) -> bool) -> Result<Vec<PathBuf>, HomeError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(HomeError::Read { path: folder.to_owned(), source }),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| HomeError::Read { path: folder.to_owned(), source })?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") && wanted(&entry.path()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn read_open(file: &File, path: &Path, limit: usize) -> Result<Vec<u8>, HomeError> {
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| HomeError::Read { path: path.to_owned(), source })?;
    if bytes.len() > limit {
        return Err(HomeError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

fn write_error(path: &Path, source: io::Error) -> HomeError {
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotADirectory => {
            HomeError::NotWritable { path: path.to_owned(), source }
        }
        _ => HomeError::Write { path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn folders_are_0700_and_files_0600() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a/b/secret");
        write_atomic(&path, b"x").unwrap();
        assert_eq!(mode(&temp.path().join("a")), 0o700);
        assert_eq!(mode(&temp.path().join("a/b")), 0o700);
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_write_replaces_the_whole_file_and_leaves_nothing_else() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        write_atomic(&path, b"a long first text").unwrap();
        write_atomic(&path, b"short").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"short");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        fs::create_dir(&path).unwrap(); // a folder stands where the file should go: the rename fails
        write_atomic(&path, b"x").unwrap_err();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1, "no temporary file stays behind");
    }

    #[test]
    fn dev_null_takes_what_nobody_wants_and_no_key() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("nothing");
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        let mut nothing = NewFile::create_or_null(&path).unwrap();
        nothing.write_all(b"x").unwrap();
        nothing.keep().unwrap();
        assert!(path.is_symlink() && !fs::metadata(&path).unwrap().is_file());
        NewFile::create_or_null(Path::new("/dev/zero")).unwrap_err();
        // What is to be kept must not vanish.
        write_atomic(&path, b"x").unwrap_err();
        let file = temp.path().join("file");
        let mut kept = NewFile::create_or_null(&file).unwrap();
        kept.write_all(b"x").unwrap();
        kept.keep().unwrap();
        assert_eq!(read(&file).unwrap().unwrap(), b"x");
    }

    #[test]
    fn a_file_over_the_limit_is_refused_and_one_at_it_is_read() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file");
        fs::write(&path, vec![0; MAX_FILE_BYTES]).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().len(), MAX_FILE_BYTES);
        fs::write(&path, vec![0; MAX_FILE_BYTES + 1]).unwrap();
        assert!(matches!(read(&path), Err(HomeError::TooLarge { .. })));
    }

    #[test]
    fn a_secret_others_can_read_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("key.pem");
        write_atomic(&path, b"x").unwrap();
        assert!(read_secret(&path).unwrap().is_some());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_secret(&path), Err(HomeError::Permissions { found: 0o640, .. })));
    }

    #[test]
    fn what_is_not_there_is_none() {
        let temp = tempfile::tempdir().unwrap();
        assert!(read(&temp.path().join("none")).unwrap().is_none());
        assert!(subfolders(&temp.path().join("none")).unwrap().is_empty());
    }
}
