//! Folders with keys that come from outside: all of them are put in their places, or none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use key_store::KeyringItem;
use key_store::sealed::SealError;
use zeroize::Zeroizing;

use super::keys::{KeyPlace, RESEALED_MEANWHILE};
use super::unlock::closed;
use super::{Home, HomeError};
use crate::files;
use crate::keys::KeyError;

/// Where they are written before they are put in their places.
const INCOMING: &str = ".incoming";

/// A folder with keys that is to be there whole.
pub(super) struct NewFolder {
    /// Where.
    pub(super) place: PathBuf,
    /// Whatever is no secret, by the names of the files.
    pub(super) files: Vec<(&'static str, Vec<u8>)>,
    pub(super) keys: Vec<NewKey>,
}

/// A key of such a folder.
pub(super) struct NewKey {
    /// The name of its file, without the end.
    pub(super) stem: &'static str,
    /// In clear.
    pub(super) pem: Zeroizing<String>,
    /// What it is called in a keyring.
    pub(super) label: String,
}

/// The files of a folder as they are written.
struct Written {
    place: PathBuf,
    files: Vec<(String, Zeroizing<Vec<u8>>)>,
}

impl Home {
    /// Writes all of these folders. Their keys lie as the others here do: in the keyring, sealed, or in clear. Whoever is
    /// interrupted while they are put in their places finds whole folders alone, and the rest when it is done again.
    ///
    /// # Errors
    /// Something is in one of the places, or nothing can be written: then nothing has changed.
    pub(super) fn keep_folders(&self, folders: &[NewFolder]) -> Result<(), HomeError> {
        if folders.is_empty() {
            return Ok(());
        }
        if self.place_of_others()? == KeyPlace::Keyring {
            return self.keep_in_keyring(folders);
        }
        for _ in 0..RESEALED_MEANWHILE {
            // Before the lock is taken: whoever types a passphrase takes her time.
            let passphrase = self.sealing_passphrase()?;
            let sealed = |folder: &NewFolder, key: &NewKey| {
                let name = format!("{}.pem", key.stem);
                let text = closed(&folder.place.join(&name), &key.pem, passphrase.as_ref())?;
                Ok((name, Zeroizing::new(text.as_bytes().to_vec())))
            };
            let written = folders.iter().map(|folder| folder.written(|key| sealed(folder, key)));
            let written = written.collect::<Result<Vec<_>, HomeError>>()?;
            let _lock = self.lock()?;
            if self.seals_alike(passphrase.as_ref())? {
                return self.put(&written);
            }
            self.forget_passphrase();
        }
        Err(HomeError::Sealed { path: self.folder.clone(), source: Box::new(SealError::Wrong) })
    }

    fn keep_in_keyring(&self, folders: &[NewFolder]) -> Result<(), HomeError> {
        let mut items: Vec<KeyringItem> = Vec::new();
        let mut stored = |folder: &NewFolder, key: &NewKey| {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(KeyError::Random)?;
            let (item, name) = (KeyringItem::new(random), format!("{}.uri", key.stem));
            items.push(item.clone());
            item.store(&key.label, &key.pem)
                .map_err(|source| HomeError::Keyring { path: folder.place.join(&name), source: Box::new(source) })?;
            Ok((name, Zeroizing::new(format!("{item}\n").into_bytes())))
        };
        let written = folders.iter().map(|folder| folder.written(|key| stored(folder, key)));
        let written = written.collect::<Result<Vec<_>, HomeError>>();
        let put = written.and_then(|written| {
            let _lock = self.lock()?;
            self.put(&written)
        });
        if put.is_err() {
            // A keyring that is closed now keeps one item too many, to which nothing leads.
            items.iter().for_each(|item| drop(item.remove()));
        }
        put
    }

    /// What a run that was killed has left, with keys in it. Whoever calls it has the lock.
    pub(super) fn drop_incoming(&self) -> Result<(), HomeError> {
        remove(&self.folder.join(INCOMING))
    }

    fn put(&self, folders: &[Written]) -> Result<(), HomeError> {
        let incoming = self.folder.join(INCOMING);
        let put = put(&incoming, folders);
        // In any case: no key is to stay there. Where all are in their places only an empty folder may, which is no failure.
        let _ = remove(&incoming);
        put
    }
}

impl NewFolder {
    fn written(
        &self,
        key: impl FnMut(&NewKey) -> Result<(String, Zeroizing<Vec<u8>>), HomeError>,
    ) -> Result<Written, HomeError> {
        let others = self.files.iter().map(|(name, bytes)| ((*name).to_owned(), Zeroizing::new(bytes.clone())));
        let mut files: Vec<_> = others.collect();
        for written in self.keys.iter().map(key) {
            files.push(written?);
        }
        Ok(Written { place: self.place.clone(), files })
    }
}

fn put(incoming: &Path, folders: &[Written]) -> Result<(), HomeError> {
    // Left by who was interrupted.
    remove(incoming)?;
    let mut moves = Vec::new();
    for (Written { place, files }, number) in folders.iter().zip(0..) {
        let beside = incoming.join(number.to_string());
        for (name, bytes) in files {
            files::write_atomic(&beside.join(name), bytes)?;
        }
        moves.push((beside, place));
    }
    for (at, (from, to)) in moves.iter().enumerate() {
        if let Err(source) = into_place(from, to) {
            // With the one that failed, which may have been moved already. What cannot be taken back stays whole where it is.
            for (from, to) in moves[..=at].iter().rev().filter(|(from, _)| !from.exists()) {
                let _ = fs::rename(to, from);
            }
            return Err(HomeError::Write { path: (*to).clone(), source });
        }
    }
    Ok(())
}

/// Over an empty folder, too: nothing is lost with that.
fn into_place(from: &Path, to: &Path) -> io::Result<()> {
    let parent = to.parent().unwrap_or(to);
    files::create_private_folder(parent).map_err(io::Error::other)?;
    fs::rename(from, to)?;
    fs::File::open(parent)?.sync_all()
}

fn remove(incoming: &Path) -> Result<(), HomeError> {
    match fs::remove_dir_all(incoming) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(HomeError::Write { path: incoming.to_owned(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
