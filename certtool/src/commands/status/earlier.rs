//! The keys that are kept to read old mails.

use device::{EarlierMailbox, Home, HomeError};
use serde::Serialize;

use crate::handed::Leaf;
use crate::subject::for_earlier;
use crate::text;

/// One of them.
#[derive(Debug, Serialize)]
pub(super) struct Earlier {
    /// As it is typed.
    name: String,
    not_after: String,
    /// Whether it comes from elsewhere.
    imported: bool,
    #[serde(skip)]
    until: String,
}

impl Earlier {
    /// All there are.
    pub(super) fn all(home: &Home) -> Result<Vec<Self>, HomeError> {
        Ok(home.all_earlier_mailboxes()?.iter().filter_map(Self::of).collect())
    }

    fn of(kept: &EarlierMailbox) -> Option<Self> {
        let leaf = Leaf::of(&kept.chain)?;
        Some(Self {
            name: for_earlier(&kept.identifier, &leaf),
            not_after: text::rfc3339(leaf.not_after),
            imported: kept.imported,
            until: text::time(leaf.not_after),
        })
    }

    pub(super) fn line(&self) -> String {
        let imported = if self.imported { ", imported" } else { "" };
        format!("{}: until {}{imported}", self.name, self.until)
    }
}
