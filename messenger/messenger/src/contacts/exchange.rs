//! The contact list as a file to take elsewhere, and one from elsewhere taken in.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use identity::Identifier;

use super::{ContactBook, Contacts, ContactsError, Written};

/// The largest file that is taken in, as every file of the folder.
const MAX_BYTES: u64 = device::MAX_FILE_BYTES as u64;

impl ContactBook {
    /// The list for others' eyes or another folder: in the form of the file itself, without when anybody was seen, and with
    /// which device.
    ///
    /// # Errors
    /// The list cannot be read.
    pub(crate) fn exported(&self) -> Result<String, ContactsError> {
        let mut contacts = self.load()?;
        contacts.values_mut().for_each(|about| *about = std::mem::take(about).for_others());
        Ok(Written::of(&contacts).text())
    }

    /// Writes the list into a new file (0600).
    ///
    /// # Errors
    /// There is such a file, or it cannot be written; the list cannot be read.
    pub(crate) fn export(&self, path: &Path) -> Result<(), ContactsError> {
        let text = self.exported()?;
        let failed = |source| ContactsError::Exchange { path: path.display().to_string(), source };
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).map_err(failed)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
        // Half a list is none, and would be in the way of the next try.
        written.or_else(|source| std::fs::remove_file(path).and(Err(source))).map_err(failed)
    }

    /// Takes in the contacts in a file: whom one has stays as she is, but for what was not kept about her. Returns who is new.
    ///
    /// # Errors
    /// The file is none of these; nothing was taken in then.
    pub(crate) fn import(&self, path: &Path) -> Result<Vec<Identifier>, ContactsError> {
        let text = read(path).map_err(|source| ContactsError::Exchange { path: path.display().to_string(), source })?;
        let theirs =
            Written::read(&text).map_err(|found| ContactsError::Damaged { path: path.display().to_string(), found })?;
        let mut new = Vec::new();
        self.change(|contacts| new = merge(contacts, theirs))?;
        Ok(new)
    }
}

fn merge(contacts: &mut Contacts, theirs: Contacts) -> Vec<Identifier> {
    let mut new = Vec::new();
    for (who, theirs) in theirs {
        match contacts.get_mut(&who) {
            Some(mine) => {
                mine.name = mine.name.take().or(theirs.name);
                mine.group = mine.group.take().or(theirs.group);
            }
            None => {
                contacts.insert(who.clone(), theirs.for_others());
                new.push(who);
            }
        }
    }
    new
}

fn read(path: &Path) -> std::io::Result<String> {
    // A pipe would be waited for, with everything else standing still.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("expected a file, found something else"));
    }
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other(format!("expected at most {MAX_BYTES} bytes, found more")));
    }
    Ok(text)
}
