//! What is kept in a person's folder, in files that she may read and mend: TOML under a few words, read and replaced as a
//! whole.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use device::{Home, HomeError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// Why such a file could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeptError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("{path} is damaged: {found}")]
    Damaged { path: String, found: String },
    #[error("{path} cannot be locked: {source}")]
    Lock { path: String, source: std::io::Error },
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Below the folder.
    pub(crate) file: &'static str,
    /// What it says of itself.
    pub(crate) header: &'static str,
}

impl Kept {
    /// What it holds; nothing if there is none.
    pub(crate) fn load<T: DeserializeOwned>(&self, home: &Home) -> Result<Option<T>, KeptError> {
        let Some(text) = home.read_text(self.file)?.map(Zeroizing::new) else { return Ok(None) };
        toml::from_str(&text).map(Some).map_err(|error| self.damaged(home, error.message().to_owned()))
    }

    /// Replaces it; on disk (0600) when this returns.
    pub(crate) fn keep<T: Serialize>(&self, home: &Home, what: &T) -> Result<(), KeptError> {
        let text = toml::to_string_pretty(what).expect("words, numbers and lists of words always serialise");
        // It may hold a secret.
        let text = Zeroizing::new(self.header.to_owned() + &Zeroizing::new(text));
        home.messenger_folder()?;
        Ok(home.write_text(self.file, &text)?)
    }

    /// That it holds something else than it should.
    pub(crate) fn damaged(&self, home: &Home, found: String) -> KeptError {
        KeptError::Damaged { path: home.folder().join(self.file).display().to_string(), found }
    }
}

/// Held while a file is read and replaced, so that no other program's change is lost; given back when dropped.
pub(crate) fn lock(home: &Home, name: &str) -> Result<File, KeptError> {
    lock_by(home, name, File::lock)
}

/// The same for a while that is of other use: `lock` is how it is taken.
pub(crate) fn lock_by<E: Into<std::io::Error>>(
    home: &Home,
    name: &str,
    lock: fn(&File) -> Result<(), E>,
) -> Result<File, KeptError> {
    let path = home.messenger_folder()?.join(name);
    let failed = |source| KeptError::Lock { path: path.display().to_string(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed)?;
    lock(&file).map_err(|error| failed(error.into()))?;
    Ok(file)
}
