//! Duplicate labels that were found and not yet told to anybody: kept until they are, whatever ends the process.
//!
//! ```text
//! duplicates.json   [{"label": hex, "first": index, "second": index}…]; not there if everything was told
//! ```

use serde::{Deserialize, Serialize};

use super::Duplicate;
use super::book::{Book, BookError};

const NAME: &str = "duplicates.json";

/// Most that are kept: a log that has as many is not saved by one more.
const MAX_UNTOLD: usize = 1000;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    label: String,
    first: u64,
    second: u64,
}

impl Book {
    /// The duplicates that were found and not yet told, at most 1,000.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn untold(&self) -> Result<Vec<Duplicate>, BookError> {
        let Some(bytes) = self.read(NAME)? else { return Ok(Vec::new()) };
        let stored: Vec<Stored> =
            serde_json::from_slice(&bytes).map_err(|error| self.damaged(NAME, error.to_string()))?;
        stored
            .into_iter()
            .map(|Stored { label, first, second }| {
                let mut bytes = [0; 32];
                hex::decode_to_slice(&label, &mut bytes).map_err(|error| self.damaged(NAME, error.to_string()))?;
                Ok(Duplicate { label: bytes, first, second })
            })
            .collect()
    }

    /// Forgets duplicates that were told.
    ///
    /// # Errors
    /// They cannot be removed, and will be told again.
    pub fn told(&mut self, told: &[Duplicate]) -> Result<(), BookError> {
        if told.is_empty() {
            return Ok(());
        }
        let mut untold = self.untold()?;
        untold.retain(|kept| !told.contains(kept));
        if untold.is_empty() { self.remove(NAME) } else { self.write_untold(&untold) }
    }

    /// Keeps what a portion has found, durably. After a crash the same portion is looked at again: what it finds then
    /// is there already.
    pub(super) fn keep_untold(&mut self, found: &[Duplicate]) -> Result<(), BookError> {
        if found.is_empty() {
            return Ok(());
        }
        let mut untold = self.untold()?;
        for duplicate in found {
            if untold.len() >= MAX_UNTOLD {
                break;
            }
            if !untold.contains(duplicate) {
                untold.push(duplicate.clone());
            }
        }
        self.write_untold(&untold)
    }

    fn write_untold(&self, untold: &[Duplicate]) -> Result<(), BookError> {
        let stored =
            untold.iter().map(|kept| Stored { label: hex::encode(kept.label), first: kept.first, second: kept.second });
        let stored: Vec<Stored> = stored.collect();
        self.write(NAME, serde_json::to_vec(&stored).expect("text and numbers can be written as JSON"))
    }
}
