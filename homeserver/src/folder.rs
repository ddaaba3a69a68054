//! The folder of a home server: its lock, and files that are whole or absent.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::StartError;

/// The largest file read through [`Folder::read`] (bytes).
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A folder that belongs to this process as long as this value lives, unless it was opened [beside](Folder::beside)
/// another.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Holds the lock; the operating system lets go of it when the process ends, however it ends.
    lock: Option<File>,
    /// If it was made by this process: it goes again if nothing but the lock ever lay in it.
    made: MadeFolders,
}

/// Another one may open it at once, and a start that failed before anything was made leaves nothing behind.
impl Drop for Folder {
    fn drop(&mut self) {
        let only_the_lock =
            |mut entries: fs::ReadDir| entries.all(|entry| entry.is_ok_and(|entry| entry.file_name() == "lock"));
        if !self.made.0.is_empty() && fs::read_dir(&self.path).is_ok_and(only_the_lock) {
            let _ = fs::remove_file(self.join("lock"));
        }
        // A process that begins at this moment has the open file too, until it is the program that it will be; closing it here
        // would leave it locked.
        let _ = self.lock.as_ref().map(File::unlock);
    }
}

/// Folders that this process made, the innermost first. Those that are empty when this is dropped go again: what another
/// process has put into one meanwhile keeps it.
#[derive(Debug, Default)]
struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    /// Makes a folder with its parents (mode 0700).
    fn make(path: &Path) -> io::Result<Self> {
        let whole = std::path::absolute(path)?;
        let missing = whole.ancestors().take_while(|folder| !folder.exists()).map(Path::to_path_buf);
        let made = Self(missing.collect());
        DirBuilder::new().recursive(true).mode(0o700).create(&whole)?;
        Ok(made)
    }
}

impl Drop for MadeFolders {
    fn drop(&mut self) {
        for folder in &self.0 {
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Folder {
    /// Makes the folder if need be (mode 0700) and locks it.
    ///
    /// # Errors
    /// It cannot be written to, or another home server has it.
    pub fn open(path: &Path) -> Result<Self, StartError> {
        if path.exists() && !path.is_dir() {
            let found = io::Error::new(io::ErrorKind::NotADirectory, "expected a folder, found a file");
            return Err(StartError::folder(path, found));
        }
        let made = MadeFolders::make(path).map_err(|source| StartError::folder(path, source))?;
        let path = path.canonicalize().map_err(|source| StartError::folder(path, source))?;
        let lock = lock(&path)?;
        Ok(Self { path, lock: Some(lock), made })
    }

    /// The folder of a server that may be running: for an operator's command that adds files of its own to it.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn beside(path: &Path) -> Result<Self, StartError> {
        let path = path.canonicalize().map_err(|source| StartError::folder(path, source))?;
        Ok(Self { path, lock: None, made: MadeFolders::default() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of something in it.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The bytes of a file in it; none if there is no such file.
    ///
    /// # Errors
    /// It cannot be read, or has more than 1 MiB.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StartError> {
        let path = self.join(name);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|source| StartError::folder(&path, source))?,
        };
        // Room for all of it at once: a list that grows leaves copies of secrets behind.
        let length = file.metadata().map_err(|source| StartError::folder(&path, source))?.len().min(MAX_FILE_BYTES);
        let mut bytes = Vec::with_capacity(length as usize + 1);
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|source| StartError::folder(&path, source))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(StartError::folder(&path, io::ErrorKind::FileTooLarge.into()));
        }
        Ok(Some(bytes))
    }

    /// As [`Self::read`], for a file of secrets that the operator writes: nobody else may read it.
    ///
    /// # Errors
    /// Its mode lets group or others in; and those of [`Self::read`].
    pub fn read_secret(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StartError> {
        let path = self.join(name);
        let mode = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|source| StartError::folder(&path, source))?.permissions().mode() & 0o777,
        };
        if mode & 0o077 != 0 {
            return Err(StartError::Readable { path, mode });
        }
        Ok(self.read(name)?.map(Zeroizing::new))
    }

    /// Writes a file (mode 0600) so that after a crash it is there as a whole or as it was before.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StartError> {
        let path = self.join(name);
        let parent = path.parent().unwrap_or(&self.path);
        let written = || -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            // A named temporary file has mode 0600.
            let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(parent)?;
            new.write_all(bytes)?;
            new.as_file().sync_all()?;
            new.persist(&path).map_err(|error| error.error)?;
            File::open(parent)?.sync_all()
        };
        written().map_err(|source| StartError::folder(&path, source))
    }
}

fn lock(folder: &Path) -> Result<File, StartError> {
    let path = folder.join("lock");
    let refused = |source| StartError::folder(&path, source);
    let mut file =
        File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = (&file).take(20).read_to_string(&mut holder);
            let holder = Some(holder.trim().to_owned()).filter(|id| !id.is_empty());
            return Err(StartError::Running { folder: folder.to_path_buf(), holder });
        }
        Err(fs::TryLockError::Error(source)) => return Err(refused(source)),
    }
    let own = format!("{}\n", std::process::id());
    file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(own.as_bytes())).map_err(refused)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_home_server_is_refused_until_the_first_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("server");
        let first = Folder::open(&path).unwrap();
        let refused = Folder::open(&path).unwrap_err();
        assert!(
            matches!(&refused, StartError::Running { holder: Some(id), .. } if *id == std::process::id().to_string())
        );
        drop(first);
        assert!(Folder::open(&path).is_ok());
    }

    #[test]
    fn a_start_that_comes_to_nothing_leaves_no_folder() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("server");
        drop(Folder::open(&path).unwrap());
        assert!(!path.exists());
        Folder::open(&path).unwrap().write("settings", b"kept").unwrap();
        drop(Folder::open(&path).unwrap());
        assert!(path.join("settings").exists(), "what holds something stays");
        let empty = place.path().join("empty");
        fs::create_dir(&empty).unwrap();
        drop(Folder::open(&empty).unwrap());
        assert!(empty.exists(), "what was there before stays");
    }

    #[test]
    fn parents_that_were_made_for_it_go_with_it() {
        let place = tempfile::tempdir().unwrap();
        let kept = place.path().join("kept");
        fs::create_dir(&kept).unwrap();
        let path = kept.join("made/by/server");
        drop(Folder::open(&path).unwrap());
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 0, "what was there before stays, and stays empty");
        // Also if the last of them cannot be made.
        Folder::open(&kept.join("made/by").join("x".repeat(300))).unwrap_err();
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 0);
        let folder = Folder::open(&path).unwrap();
        fs::write(kept.join("made/beside"), b"another's").unwrap();
        drop(folder);
        assert!(kept.join("made/beside").exists() && !kept.join("made/by").exists());
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_named() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        fs::write(&path, b"").unwrap();
        let refused = Folder::open(&path).unwrap_err();
        assert!(refused.to_string().ends_with("expected a folder, found a file"), "{refused}");
    }

    #[test]
    fn files_are_private_and_absent_ones_are_none() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(&place.path().join("server")).unwrap();
        assert_eq!(folder.read("keys/log.pem").unwrap(), None);
        folder.write("keys/log.pem", b"secret").unwrap();
        assert_eq!(folder.read("keys/log.pem").unwrap().as_deref(), Some(&b"secret"[..]));
        let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("keys/log.pem"), mode("keys"), mode("")), (0o600, 0o700, 0o700));
    }

    #[test]
    fn a_file_of_secrets_that_others_may_read_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        assert!(folder.read_secret("secrets").unwrap().is_none());
        let path = folder.join("secrets");
        fs::write(&path, b"password = s3cret").unwrap();
        for mode in [0o644, 0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = folder.read_secret("secrets").unwrap_err();
            assert!(refused.to_string().contains(&format!("found mode {mode:04o}")), "{refused}");
            assert!(refused.remedy().contains("chmod 600") && !refused.to_string().contains("s3cret"), "{refused}");
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(folder.read_secret("secrets").unwrap().unwrap().as_slice(), b"password = s3cret");
        }
    }
}
