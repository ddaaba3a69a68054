//! Files that appear whole and on disk, or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Makes the folder, with its parents, readable by its owner only.
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Destroys a secret: renames it to `<name>.destroyed`, so that from then on nobody opens it as one, overwrites it where it
/// lies, and unlinks it; each step is on disk before the next. What a crash leaves, [`finish_destroying`] ends, or the
/// next call; nothing to do if all is done.
///
/// A file system that writes elsewhere than it was told (copy-on-write, flash memory) may keep the old blocks for a while:
/// against who takes the disk itself helps encryption of the disk alone.
pub(crate) fn destroy(path: &Path) -> io::Result<()> {
    // Renaming onto an earlier leftover would let go of its blocks as they are.
    finish_destroying(path)?;
    match fs::rename(path, condemned(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    sync_folder_of(path)?;
    finish_destroying(path).map(drop)
}

/// Ends what [`destroy`] began before a crash: whether there was anything left.
pub(crate) fn finish_destroying(path: &Path) -> io::Result<bool> {
    let left = condemned(path);
    let file = match OpenOptions::new().write(true).open(&left) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    // A crash may have come before the new name was on disk.
    sync_folder_of(path)?;
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    (&file).write_all(&vec![0; length])?;
    file.sync_all()?;
    fs::remove_file(left)?;
    sync_folder_of(path)?;
    Ok(true)
}

/// The name of a secret that is being destroyed.
fn condemned(path: &Path) -> PathBuf {
    path.with_added_extension("destroyed")
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?.sync_all()
}

/// Writes beside, syncs, renames, syncs the folder. Mode 0600.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_added_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_folder_of(path)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_destroyed_is_zeros_where_it_lay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write(&path, b"a secret").unwrap();
        // Whoever has the file open sees its blocks after it has lost its name.
        let mut open = File::open(&path).unwrap();
        destroy(&path).unwrap();
        assert!(!path.exists());
        let mut left = Vec::new();
        open.read_to_end(&mut left).unwrap();
        assert_eq!(left, [0; 8]);
        destroy(&path).unwrap();
    }

    /// A folder in which a secret has its new name, and so much of it is overwritten; and that file, open.
    fn condemned_with(content: &[u8]) -> (tempfile::TempDir, PathBuf, File) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write(&condemned(&path), content).unwrap();
        let open = File::open(condemned(&path)).unwrap();
        (folder, path, open)
    }

    #[test]
    fn what_a_crash_left_is_finished_from_each_step() {
        for content in [&b"a secret"[..], &b"\0\0\0ecret"[..], &[0; 8]] {
            for again in [|path: &Path| finish_destroying(path), |path: &Path| destroy(path).map(|()| true)] {
                let (folder, path, mut open) = condemned_with(content);
                assert!(again(&path).unwrap());
                assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
                let mut left = Vec::new();
                open.read_to_end(&mut left).unwrap();
                assert_eq!(left, [0; 8]);
                assert!(!finish_destroying(&path).unwrap());
            }
        }
    }

    #[test]
    fn a_leftover_is_overwritten_before_another_takes_its_name() {
        let (folder, path, mut open) = condemned_with(b"older");
        write(&path, b"newer").unwrap();
        destroy(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let mut left = Vec::new();
        open.read_to_end(&mut left).unwrap();
        assert_eq!(left, [0; 5]);
    }

    #[test]
    fn a_secret_has_lost_its_name_before_it_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write(&path, b"a secret").unwrap();
        // What stands in the way of overwriting: the new name's place cannot be opened for writing.
        fs::create_dir(condemned(&path)).unwrap();
        assert!(destroy(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"a secret", "not overwritten under its own name");
    }
}
