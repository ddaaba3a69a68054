//! The contact list: `messenger/contacts.toml` in the person's folder, written atomically, readable by her alone.
//!
//! It holds whom she added, what she calls them, and when she saw them online last; with which of their devices she has
//! talked, and not when.

pub(crate) mod about;
pub(crate) mod commands;
pub(crate) mod devices;
mod exchange;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;

use device::{Home, HomeError};
use identity::Identifier;
use serde::{Deserialize, Serialize};

use crate::kept::{self, KeptError};

use about::{About, LastSeen};

const FILE: &str = "messenger/contacts.toml";

const HEADER: &str = "\
# Your contacts: their texts open without a knock, and you see when they come online.
# Under [about.\"bob@example.org\"]: name and group as you call them; alert = \"once\" or \"always\" tells you when they come;
# seen is when you saw them last. Nothing of it is sent to anybody.
# Written by messenger whenever you change it; you may edit it while no messenger runs.

";

/// The contacts and what is kept about each.
pub(crate) type Contacts = BTreeMap<Identifier, About>;

/// The file as it is. Unknown fields are refused: they would be lost at the next change.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    contacts: Vec<Identifier>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    about: Contacts,
}

impl Written {
    fn of(contacts: &Contacts) -> Self {
        let about = contacts.iter().filter(|(_, about)| **about != About::default());
        Self {
            contacts: contacts.keys().cloned().collect(),
            about: about.map(|(who, about)| (who.clone(), about.clone())).collect(),
        }
    }

    fn text(&self) -> String {
        HEADER.to_owned() + &toml::to_string_pretty(self).expect("lists and tables of strings always serialise")
    }

    /// Everybody in it.
    ///
    /// # Errors
    /// What is wrong with it.
    fn read(text: &str) -> Result<Contacts, String> {
        let Self { contacts, mut about } = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let all = contacts.into_iter().map(|who| {
            let about = about.remove(&who).unwrap_or_default();
            (who, about)
        });
        let all: Contacts = all.collect();
        match about.into_keys().next() {
            None => Ok(all),
            Some(who) => Err(format!("something about {who}, who is not among the contacts")),
        }
    }
}

/// Why the contact list could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContactsError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("{path} is damaged: expected contacts = [\"bob@example.org\", …], found: {found}")]
    Damaged { path: String, found: String },
    #[error(transparent)]
    Lock(#[from] KeptError),
    #[error("{path}: {source}")]
    Exchange { path: String, source: std::io::Error },
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
    pub(crate) fn load(&self) -> Result<Contacts, ContactsError> {
        let Some(text) = self.home.read_text(FILE)? else { return Ok(Contacts::new()) };
        Written::read(&text).map_err(|found| ContactsError::Damaged { path: self.path(), found })
    }

    /// Adds somebody; on disk when this returns.
    pub(crate) fn add(&self, who: &Identifier) -> Result<(), ContactsError> {
        self.change(|contacts| {
            contacts.entry(who.clone()).or_default();
        })
    }

    /// Removes somebody and what was kept about them; on disk when this returns.
    pub(crate) fn remove(&self, who: &Identifier) -> Result<(), ContactsError> {
        self.change(|contacts| {
            contacts.remove(who);
        })
    }

    /// Keeps this about somebody, if they are a contact; on disk when this returns.
    pub(crate) fn keep(&self, who: &Identifier, about: &About) -> Result<(), ContactsError> {
        self.change(|contacts| {
            if let Some(known) = contacts.get_mut(who) {
                known.clone_from(about);
            }
        })
    }

    /// Takes in what another device of one's own keeps; on disk when this returns.
    pub(crate) fn join(&self, theirs: Contacts) -> Result<(), ContactsError> {
        self.change(|contacts| {
            for (who, theirs) in theirs {
                let mine = contacts.entry(who).or_default();
                *mine = std::mem::take(mine).joined(theirs);
            }
        })
    }

    /// Keeps when contacts were seen last; on disk when this returns.
    pub(crate) fn keep_seen(&self, seen: &BTreeMap<Identifier, LastSeen>) -> Result<(), ContactsError> {
        self.change(|contacts| {
            for (who, seen) in seen {
                if let Some(known) = contacts.get_mut(who) {
                    known.seen = Some(*seen);
                }
            }
        })
    }

    /// Whether the file can hold these.
    pub(crate) fn holds(contacts: &Contacts) -> bool {
        Written::of(contacts).text().len() <= device::MAX_FILE_BYTES
    }

    fn change(&self, change: impl FnOnce(&mut Contacts)) -> Result<(), ContactsError> {
        let _lock = self.lock()?;
        let before = self.load()?;
        let mut after = before.clone();
        change(&mut after);
        if after != before {
            self.home.write_text(FILE, &Written::of(&after).text())?;
        }
        Ok(())
    }

    /// Held while the file is read and replaced; given back when dropped.
    pub(crate) fn lock(&self) -> Result<File, ContactsError> {
        Ok(kept::lock(&self.home, ".contacts.lock")?)
    }

    fn path(&self) -> String {
        self.home.folder().join(FILE).display().to_string()
    }
}
