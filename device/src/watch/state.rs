//! What the watch remembers for one identifier: labels it once verified, and keys that are the owner's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use identity::transparency::periods_back;
use identity::{Identifier, UnixTime};
use serde::{Deserialize, Serialize};

use super::labels::Labels;
use crate::home::file_name;
use crate::{DeviceKey, Home, HomeError, files};

/// Periods whose labels are kept: a year and a bit. Older ones are dropped; their certificates ended long ago. Never fewer
/// than are asked for.
fn kept_periods() -> u32 {
    periods_back().saturating_add(2).max(60)
}

/// The file `watch/<identifier>.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    identifier: Identifier,
    /// Device keys (32 bytes, hex) the owner knows, and since when (seconds since 1970).
    known: BTreeMap<String, u64>,
    /// Labels (32 bytes, hex) by period; in each, by slot.
    labels: BTreeMap<u32, BTreeMap<u8, String>>,
}

impl State {
    /// Reads the state; an empty one if there is none.
    pub(super) fn read(home: &Home, identifier: &Identifier) -> Result<Self, HomeError> {
        let path = path(home, identifier);
        let Some(text) = files::read_text(&path)? else {
            return Ok(Self { identifier: identifier.clone(), known: BTreeMap::new(), labels: BTreeMap::new() });
        };
        let corrupt =
            |found| HomeError::Corrupt { path, expected: format!("the state of the watch for {identifier}"), found };
        match serde_json::from_str::<Self>(&text) {
            Ok(state) if state.identifier == *identifier => Ok(state),
            Ok(state) => Err(corrupt(format!("that for {}", state.identifier))),
            Err(error) => Err(corrupt(error.to_string())),
        }
    }

    /// Changes the file, under one lock from reading to writing, and gives what stands in it now: of two who change it
    /// at once, neither takes back what the other added.
    fn change(home: &Home, identifier: &Identifier, change: impl FnOnce(&mut Self)) -> Result<Self, HomeError> {
        let _lock = home.lock()?;
        let mut state = Self::read(home, identifier)?;
        change(&mut state);
        let text = serde_json::to_string_pretty(&state).expect("text and numbers always serialise");
        files::write_atomic(&path(home, identifier), text.as_bytes())?;
        Ok(state)
    }

    /// Remembers labels that were verified.
    pub(super) fn remember(home: &Home, identifier: &Identifier, labels: &Labels) -> Result<Self, HomeError> {
        Self::change(home, identifier, |state| state.add_labels(labels))
    }

    fn add_labels(&mut self, labels: &Labels) {
        for (&(period, slot), label) in labels {
            self.labels.entry(period).or_default().insert(slot, hex::encode(label));
        }
        if let Some(newest) = self.labels.keys().next_back().copied() {
            self.labels.retain(|&period, _| period.saturating_add(kept_periods()) > newest);
        }
    }

    /// Every label, with period and slot.
    pub(super) fn labels(&self) -> BTreeMap<[u8; 32], (u32, u8)> {
        let mut all = BTreeMap::new();
        for (&period, slots) in &self.labels {
            for (&slot, text) in slots {
                let mut label = [0; 32];
                if hex::decode_to_slice(text, &mut label).is_ok() {
                    all.insert(label, (period, slot));
                }
            }
        }
        all
    }

    /// The keys the owner knows.
    pub(super) fn known_keys(&self) -> BTreeSet<String> {
        self.known.keys().cloned().collect()
    }
}

/// Remembers that a key is the owner's, from her own confirmation: the next watch takes its certificates as hers.
pub fn confirm_key(home: &Home, identifier: &Identifier, key: &[u8; 32], now: UnixTime) -> Result<(), HomeError> {
    State::change(home, identifier, |state| _ = state.known.entry(hex::encode(key)).or_insert(now.as_secs())).map(drop)
}

/// Remembers this device's own key, also for the time after another has taken its place.
pub(crate) fn remember_own_key(
    home: &Home,
    identifier: &Identifier,
    key: &DeviceKey,
    now: UnixTime,
) -> Result<(), HomeError> {
    confirm_key(home, identifier, &key.public_key(), now)
}

fn path(home: &Home, identifier: &Identifier) -> PathBuf {
    home.folder().join("watch").join(format!("{}.json", file_name(identifier)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Home, Identifier) {
        let temp = tempfile::tempdir().unwrap();
        let home = Home::at(temp.path()).unwrap();
        (temp, home, Identifier::parse("alice@example.org").unwrap())
    }

    #[test]
    fn labels_and_keys_survive() {
        let (_temp, home, alice) = home();
        confirm_key(&home, &alice, &[9; 32], UnixTime::since_unix_epoch(std::time::Duration::from_secs(5))).unwrap();
        State::remember(&home, &alice, &Labels::from([((10, 3), [1; 32])])).unwrap();
        let read = State::read(&home, &alice).unwrap();
        assert_eq!(read.labels(), BTreeMap::from([([1; 32], (10, 3))]));
        assert!(read.known_keys().contains(&hex::encode([9; 32])));
    }

    #[test]
    fn nobody_takes_back_what_another_added_at_the_same_time() {
        let (_temp, home, alice) = home();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let (home, alice) = (&home, &alice);
                scope.spawn(move || {
                    confirm_key(home, alice, &[n; 32], UnixTime::since_unix_epoch(std::time::Duration::ZERO)).unwrap();
                    State::remember(home, alice, &Labels::from([((10, n), [n; 32])])).unwrap();
                });
            }
        });
        let state = State::read(&home, &alice).unwrap();
        assert_eq!((state.known_keys().len(), state.labels().len()), (8, 8));
    }

    #[test]
    fn labels_of_long_ago_are_dropped() {
        let (_temp, home, alice) = home();
        let mut state = State::read(&home, &alice).unwrap();
        state.add_labels(&Labels::from([((10, 0), [1; 32]), ((11, 0), [2; 32]), ((70, 0), [3; 32])]));
        assert_eq!(state.labels().len(), 2);
    }

    #[test]
    fn a_damaged_state_is_named() {
        let (_temp, home, alice) = home();
        home.write_text("watch/alice@example.org.json", "{").unwrap();
        let error = State::read(&home, &alice).unwrap_err().to_string();
        assert!(error.contains("alice@example.org.json is damaged"), "{error}");
    }
}
