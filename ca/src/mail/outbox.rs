//! A Maildir (<https://cr.yp.to/proto/maildir.html>): a mail appears in `new` whole and on disk, or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Letter, MailError};

/// An open Maildir, for its owner only: whoever reads it can take every code.
pub(crate) struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    pub(crate) fn open(folder: &Path) -> Result<Self, MailError> {
        let made = ["tmp", "new", "cur"].iter().try_for_each(|part| fs::create_dir_all(folder.join(part)));
        made.and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o700)))
            .map_err(|source| MailError::Outbox { folder: folder.into(), source })?;
        Ok(Self { folder: folder.into() })
    }

    pub(super) async fn send(&self, letter: Letter) -> Result<(), MailError> {
        // Mails in a Maildir have the line ends of the system they lie on.
        self.put(String::from_utf8_lossy(&letter.bytes()).replace("\r\n", "\n").into_bytes()).await
    }

    /// Puts a message there, with the line ends of this system.
    pub(crate) async fn put(&self, message: Vec<u8>) -> Result<(), MailError> {
        let folder = self.folder.clone();
        let delivered = tokio::task::spawn_blocking(move || deliver(&folder, &message)).await;
        let delivered = delivered.unwrap_or_else(|e| Err(io::Error::other(e)));
        delivered.map_err(|source| MailError::Outbox { folder: self.folder.clone(), source })
    }
}

/// Writes to `tmp`, syncs, renames to `new`, syncs the folder. What fails leaves no draft: it may be tried often.
fn deliver(folder: &Path, message: &[u8]) -> io::Result<()> {
    let name = unique_name();
    let draft = folder.join("tmp").join(&name);
    let delivered = write(&draft, message).and_then(|()| fs::rename(&draft, folder.join("new").join(&name)));
    if delivered.is_err() {
        let _ = fs::remove_file(&draft);
    }
    delivered?;
    File::open(folder.join("new"))?.sync_all()
}

fn write(draft: &Path, message: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(message)?;
    file.sync_all()
}

/// `seconds.M<microseconds>Q<number>R<random>.localhost`: whoever sorts by name has the newest code last, which is the one that
/// counts (the files' own times are those of the kernel's last tick), and 128 random bits are in nobody's way.
fn unique_name() -> String {
    static DELIVERED: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let number = DELIVERED.fetch_add(1, Ordering::Relaxed);
    let random = hex::encode(crate::random::bytes::<16>());
    format!("{}.M{:06}Q{number:08}R{random}.localhost", now.as_secs(), now.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_the_order_of_delivery() {
        let names: Vec<_> = (0..1000).map(|_| unique_name()).collect();
        assert!(names.is_sorted());
    }
}
