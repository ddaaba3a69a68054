//! Private files and folders outside of a server's own folder.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Makes a folder with its parents (mode 0700).
pub(crate) fn private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file (mode 0600) that is whole or absent, and on disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(path);
    // A named temporary file has mode 0600.
    let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(parent)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    new.persist(path).map_err(|error| error.error)?;
    File::open(parent)?.sync_all()
}

/// The files below a folder, by their paths from it, in order; none if there is no such folder. What is half written,
/// being destroyed, or only a lock is left out. A symbolic link is refused: what it leads to would be missing.
pub(crate) fn below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inner) = folders.pop() {
        let entries = match std::fs::read_dir(folder.join(&inner)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let (path, kind) = (inner.join(entry.file_name()), entry.file_type()?);
            if kind.is_symlink() {
                let account = format!("{}: expected a file or a folder, found a symbolic link", path.display());
                return Err(io::Error::other(account));
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && !is_passing(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_passing(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name == "lock" || name.starts_with(".new-") || [".lock", ".new", ".destroyed"].iter().any(|end| name.ends_with(end))
}
