//! In which directories the people are found whose contact cards were taken: `directories.json` in the folder.

use std::collections::BTreeMap;

use identity::Identifier;
use identity::card::ContactCard;
use identity::trust::DirectoryEntry;

use crate::{Home, HomeError, files};

const FILE: &str = "directories.json";

/// As many as contacts that can be watched.
const MAX: usize = 10_000;

/// The directory that each card named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directories(BTreeMap<Identifier, DirectoryEntry>);

impl Directories {
    /// Where a card said that this person is found.
    pub fn get(&self, who: &Identifier) -> Option<&DirectoryEntry> {
        self.0.get(who)
    }

    /// Keeps what a card says, in place of an earlier one. Beyond ten thousand people nothing is kept.
    pub fn insert(&mut self, card: &ContactCard) {
        if self.0.len() < MAX || self.0.contains_key(&card.identifier) {
            self.0.insert(card.identifier.clone(), card.directory.clone());
        }
    }
}

/// What cards said.
impl Home {
    /// In which directories people are found, by their cards.
    pub fn directories(&self) -> Result<Directories, HomeError> {
        let Some(text) = self.read_text(FILE)? else { return Ok(Directories::default()) };
        let read: Result<BTreeMap<_, _>, _> = serde_json::from_str(&text);
        read.map(Directories).map_err(|error| HomeError::Corrupt {
            path: self.folder().join(FILE),
            expected: "the directories in which people are found".to_owned(),
            found: error.to_string(),
        })
    }

    /// Keeps where the person on a card is found; on disk when this returns.
    pub fn keep_directory(&self, card: &ContactCard) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        let before = self.directories()?;
        let mut now = before.clone();
        now.insert(card);
        if now == before {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&now.0).expect("strings are JSON");
        files::write_atomic(&self.folder().join(FILE), text.as_bytes())
    }
}
