//! The contact list: `messenger/contacts.toml` in the person's folder, written atomically, readable by her alone.
//!
//! It holds whom she added, and nothing about when or whether she talked with them.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;

use device::{Home, HomeError};
use identity::Identifier;
use serde::{Deserialize, Serialize};

const FILE: &str = "messenger/contacts.toml";

const HEADER: &str = "\
# Your contacts: their texts open without a knock, and you see when they come online.
# Written by messenger whenever you add or remove somebody; you may edit it while no messenger runs.

";

/// The file as it is. Unknown fields are refused: they would be lost at the next change.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contacts {
    #[serde(default)]
    contacts: Vec<Identifier>,
}

/// Why the contact list could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContactsError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("{path} is damaged: expected contacts = [\"bob@example.org\", …], found: {found}")]
    Damaged { path: String, found: String },
    #[error("{path} cannot be locked: {source}")]
    Lock { path: String, source: std::io::Error },
}

/// The contact list of one folder. Several programs may change it: each change reads the file anew under a lock.
#[derive(Debug, Clone)]
pub(crate) struct ContactBook {
    home: Home,
}

impl ContactBook {
    pub(crate) fn new(home: Home) -> Self {
        Self { home }
    }

    /// The folder it is in.
    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Everybody in it, in order.
    pub(crate) fn load(&self) -> Result<BTreeSet<Identifier>, ContactsError> {
        let Some(text) = self.home.read_text(FILE)? else { return Ok(BTreeSet::new()) };
        let damaged =
            |error: toml::de::Error| ContactsError::Damaged { path: self.path(), found: error.message().to_owned() };
        let contacts: Contacts = toml::from_str(&text).map_err(damaged)?;
        Ok(contacts.contacts.into_iter().collect())
    }

    /// Adds somebody; on disk when this returns.
    pub(crate) fn add(&self, who: &Identifier) -> Result<(), ContactsError> {
        self.change(|contacts| contacts.insert(who.clone()))
    }

    /// Removes somebody; on disk when this returns.
    pub(crate) fn remove(&self, who: &Identifier) -> Result<(), ContactsError> {
        self.change(|contacts| contacts.remove(who))
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<Identifier>) -> bool) -> Result<(), ContactsError> {
        let _lock = self.lock()?;
        let mut contacts = self.load()?;
        if change(&mut contacts) {
            let contacts = Contacts { contacts: contacts.into_iter().collect() };
            let text = toml::to_string_pretty(&contacts).expect("a list of strings always serialises");
            self.home.write_text(FILE, &(HEADER.to_owned() + &text))?;
        }
        Ok(())
    }

    /// Held while the file is read and replaced; given back when dropped.
    fn lock(&self) -> Result<File, ContactsError> {
        let path = self.home.messenger_folder()?.join(".contacts.lock");
        let failed = |source| ContactsError::Lock { path: path.display().to_string(), source };
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        Ok(file)
    }

    fn path(&self) -> String {
        self.home.folder().join(FILE).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn who(text: &str) -> Identifier {
        Identifier::parse(text).unwrap()
    }

    #[test]
    fn keeps_whom_one_adds() {
        let folder = tempfile::tempdir().unwrap();
        let book = ContactBook::new(Home::at(folder.path()).unwrap());
        assert!(book.load().unwrap().is_empty());
        book.add(&who("bob@example.org")).unwrap();
        book.add(&who("alice@example.org")).unwrap();
        book.add(&who("bob@example.org")).unwrap();
        let names: Vec<_> = book.load().unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["alice@example.org", "bob@example.org"]);
        let mode = std::fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        book.remove(&who("bob@example.org")).unwrap();
        assert_eq!(book.load().unwrap().len(), 1);
    }

    #[test]
    fn a_damaged_list_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        let book = ContactBook::new(home.clone());
        for text in ["contacts = [\"bob\"]", "contacts = 3", "names = []", "contacts = [\"Bob@Example.org\"]"] {
            home.write_text(FILE, text).unwrap();
            assert!(matches!(book.add(&who("carol@example.org")), Err(ContactsError::Damaged { .. })), "{text}");
            assert_eq!(home.read_text(FILE).unwrap().unwrap(), text);
        }
    }
}
