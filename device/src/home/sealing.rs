//! Sealing all keys of the folder under a passphrase, changing it, or taking it away: all files or none, whatever happens
//! in between.
//!
//! Each new file is written beside the old one; then a list of them; from that moment on the new ones hold, and whoever
//! comes next puts them in place if this process did not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use key_store::Passphrase;
use zeroize::Zeroizing;

use super::keys::{KeyForm, secret_text};
use super::unlock::{any_key, closed};
use super::{Home, HomeError};
use crate::files;

/// The list of files whose new content lies beside them.
const LIST: &str = ".resealed";
/// What the new content's file is called.
const NEW: &str = "new";

impl Home {
    /// Seals every key that lies in a file with `passphrase`, or, without one, leaves them in clear. Keys that are sealed
    /// are opened with the passphrase of [`unlocked_by`](Self::unlocked_by). Gives the files.
    ///
    /// # Errors
    /// A key does not open, or cannot be written: then nothing has changed.
    pub fn reseal(&self, passphrase: Option<&Passphrase>) -> Result<Vec<PathBuf>, HomeError> {
        self.finish_sealing()?;
        // Once before the lock is taken: whoever types a passphrase takes her time.
        for (path, _) in self.keys_in_files()? {
            self.clear_key(&path)?;
        }
        let _lock = self.lock()?;
        self.drop_incoming()?;
        let files = self.keys_in_files()?;
        let list = self.write_beside(&files, passphrase).inspect_err(|_| {
            // Nothing was decided: no key is to lie there in another form than before.
            files.iter().for_each(|(path, _)| drop(fs::remove_file(beside(path))));
        })?;
        self.put_in_place(&list)?;
        self.now_sealed_with(passphrase.cloned());
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }

    /// Writes the new content of each file beside it, and last the list, which decides.
    fn write_beside(&self, files: &[(PathBuf, KeyForm)], passphrase: Option<&Passphrase>) -> Result<String, HomeError> {
        let mut list = String::new();
        for (path, _) in files {
            let text = closed(path, &self.clear_key(path)?, passphrase)?;
            files::write_atomic(&beside(path), text.as_bytes())?;
            let relative = path.strip_prefix(&self.folder).unwrap_or(path);
            list.push_str(&format!("{}\n", relative.display()));
        }
        files::write_atomic(&self.folder.join(LIST), list.as_bytes())?;
        Ok(list)
    }

    /// Ends a sealing that was interrupted after its decision; of one that was interrupted before it, nothing is left.
    pub(super) fn finish_sealing(&self) -> Result<(), HomeError> {
        if !self.folder.join(LIST).exists() && self.undecided()?.is_empty() {
            return Ok(());
        }
        let _lock = self.lock()?;
        self.finish_sealing_locked()
    }

    /// As [`Self::finish_sealing`], for who has the lock.
    pub(super) fn finish_sealing_locked(&self) -> Result<(), HomeError> {
        match files::read_text(&self.folder.join(LIST))? {
            Some(list) => self.put_in_place(&list),
            None => self.forget_undecided(),
        }
    }

    /// What a sealing has written beside keys and not put in its list.
    fn undecided(&self) -> Result<Vec<PathBuf>, HomeError> {
        let mut found: Vec<PathBuf> = self.places_of_keys()?.iter().map(|path| beside(path)).collect();
        found.retain(|path| path.is_file());
        Ok(found)
    }

    fn forget_undecided(&self) -> Result<(), HomeError> {
        for path in self.undecided()? {
            fs::remove_file(&path).map_err(|source| HomeError::Write { path, source })?;
        }
        Ok(())
    }

    fn put_in_place(&self, list: &str) -> Result<(), HomeError> {
        for path in list.lines().map(|line| self.folder.join(line)) {
            let written = match fs::rename(beside(&path), &path) {
                // Done before.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                other => other.and_then(|()| sync(&path)),
            };
            written.map_err(|source| HomeError::Write { path, source })?;
        }
        let list = self.folder.join(LIST);
        fs::remove_file(&list).map_err(|source| HomeError::Write { path: list, source })
    }

    fn keys_in_files(&self) -> Result<Vec<(PathBuf, KeyForm)>, HomeError> {
        let mut forms = self.key_forms_as_they_are()?;
        forms.retain(|(_, form)| matches!(form, KeyForm::Clear | KeyForm::Sealed));
        Ok(forms)
    }

    fn clear_key(&self, path: &Path) -> Result<Zeroizing<String>, HomeError> {
        self.open_key(path, &secret_text(path)?, |pem| any_key(pem).map(|()| Zeroizing::new(pem.to_owned())))
    }
}

fn beside(path: &Path) -> PathBuf {
    path.with_added_extension(NEW)
}

fn sync(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}
