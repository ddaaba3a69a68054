//! The folder into which something is put: what is free there, and how something gets its name there for good.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::{RESERVE, SafeName, TakeError};

/// So many files of one name may be in a folder.
const MAX_OF_ONE_NAME: u32 = 10_000;

/// Refuses what does not fit, with a reserve left.
pub(crate) fn expect_room(folder: &Path, needed: u64) -> Result<(), TakeError> {
    let found = rustix::fs::statvfs(folder).map_err(|error| write_error(folder, error.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize).saturating_sub(RESERVE);
    match needed <= free {
        true => Ok(()),
        false => Err(TakeError::Full { path: folder.to_owned(), needed, free }),
    }
}

/// Gives something its name, or the same with a number, and takes no other thing's place; on disk when this returns.
pub(crate) fn put(from: &Path, folder: &Path, name: &SafeName) -> Result<PathBuf, TakeError> {
    let mut to = folder.join(name.as_str());
    for number in 2..MAX_OF_ONE_NAME {
        match rename(from, &to) {
            Ok(()) => return sync_folder(folder).map(|()| to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => to = folder.join(name.numbered(number)),
            Err(source) => return Err(write_error(&to, source)),
        }
    }
    Err(write_error(&to, io::Error::from(io::ErrorKind::AlreadyExists)))
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems that do not know it: of a file, a second name is as good. A folder has to make do with a look before.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if from.is_file() => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match to.symlink_metadata() {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        },
        other => Ok(other?),
    }
}

/// What was put into it is there through a power cut.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), TakeError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| write_error(folder, source))
}

pub(crate) fn write_error(path: &Path, source: io::Error) -> TakeError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => TakeError::NoRoom(path.to_owned()),
        _ => TakeError::Write { path: path.to_owned(), source },
    }
}
