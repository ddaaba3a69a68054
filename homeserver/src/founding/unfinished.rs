//! What a first start has made so far. It is removed unless the start gets as far as it must.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::error::StartError;
use crate::folder::Folder;
use crate::genesis;
use crate::server::KEYS;
use crate::settings;

/// Guards a folder in which there is no authority yet. Of what was in it before, an operator's settings or the keys of a
/// ceremony, it removes nothing.
pub(super) struct Unfinished<'a> {
    folder: &'a Folder,
    /// None where there is an authority, or there is one by now.
    before: Option<Before>,
}

struct Before {
    settings: bool,
    /// The names of the files; none if there was no folder.
    keys: Option<BTreeSet<OsString>>,
}

impl<'a> Unfinished<'a> {
    pub(super) fn begin(folder: &'a Folder) -> Result<Self, StartError> {
        if folder.join(genesis::FILE).exists() {
            return Ok(Self { folder, before: None });
        }
        let keys = folder.join(KEYS);
        let keys = names(&keys).map_err(|source| StartError::folder(&keys, source))?;
        Ok(Self { folder, before: Some(Before { settings: folder.join(settings::FILE).exists(), keys }) })
    }

    /// There is an authority now.
    pub(super) fn keep(mut self) {
        self.before = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let Some(Before { settings, keys }) = self.before.take() else { return };
        // The policy first: without it there is no authority, whatever of the rest cannot be removed.
        let _ = std::fs::remove_file(self.folder.join(genesis::FILE));
        let folder = self.folder.join(KEYS);
        for name in names(&folder).ok().flatten().unwrap_or_default() {
            if !keys.as_ref().is_some_and(|before| before.contains(&name)) {
                let _ = std::fs::remove_file(folder.join(name));
            }
        }
        if keys.is_none() {
            let _ = std::fs::remove_dir(folder);
        }
        if !settings {
            let _ = std::fs::remove_file(self.folder.join(settings::FILE));
        }
    }
}

fn names(folder: &Path) -> io::Result<Option<BTreeSet<OsString>>> {
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        entries => entries?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>().map(Some),
    }
}
