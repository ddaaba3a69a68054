//! What the watch remembers for one identifier: labels it once verified, entries that were opened, and keys that are the
//! owner's.
//!
//! Entries stay in the log for ever, but an authority opens only those whose certificates can still matter, and may have
//! erased older openings (docs/spec/privacy.md). What was opened once and verified need not be opened again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use identity::transparency::periods_back;
use identity::{Identifier, UnixTime};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::labels::Labels;
use super::opened::OpenedCertificate;
use super::scan::Hit;
use crate::home::file_name;
use crate::{Home, HomeError, OwnKey, files};

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
    /// Keys (the bits of their subjectPublicKey, hex) the owner knows, and since when (seconds since 1970).
    known: BTreeMap<String, u64>,
    /// Known keys that somebody else has now, and since when at the latest: what is certified for them later is not hers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    lost: BTreeMap<String, u64>,
    /// Labels (32 bytes, hex) by the log's origin, then by period, then by slot.
    #[serde(default)]
    logs: BTreeMap<String, BTreeMap<u32, BTreeMap<u8, String>>>,
    /// Entries that were opened, by the log's origin, then by index.
    #[serde(default)]
    opened: BTreeMap<String, BTreeMap<u64, Settled>>,
    /// What stood here when there was one log: not worth keeping, the authority proves them anew with every look.
    #[serde(default, skip_serializing, rename = "labels")]
    _one_log: IgnoredAny,
}

/// An entry that was opened, and what was in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settled {
    period: u32,
    /// 32 bytes, hex: what the log holds. Another one at the same place would be another entry.
    commitment: String,
    serial: String,
    /// Bytes, hex.
    key: String,
    /// Seconds since 1970.
    not_before: u64,
    not_after: u64,
}

impl State {
    fn new(identifier: &Identifier) -> Self {
        Self {
            identifier: identifier.clone(),
            known: BTreeMap::new(),
            lost: BTreeMap::new(),
            logs: BTreeMap::new(),
            opened: BTreeMap::new(),
            _one_log: IgnoredAny,
        }
    }

    /// Reads the state; an empty one if there is none.
    pub(super) fn read(home: &Home, identifier: &Identifier) -> Result<Self, HomeError> {
        let path = path(home, identifier);
        let Some(text) = files::read_text(&path)? else {
            return Ok(Self::new(identifier));
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

    /// Remembers labels that were verified, of the log called `origin`.
    pub(super) fn remember(
        home: &Home,
        identifier: &Identifier,
        origin: &str,
        labels: &Labels,
    ) -> Result<Self, HomeError> {
        Self::change(home, identifier, |state| state.add_labels(origin, labels))
    }

    fn add_labels(&mut self, origin: &str, labels: &Labels) {
        let kept = self.logs.entry(origin.to_owned()).or_default();
        for (&(period, slot), label) in labels {
            kept.entry(period).or_default().insert(slot, hex::encode(label));
        }
        if let Some(newest) = kept.keys().next_back().copied() {
            kept.retain(|&period, _| period.saturating_add(kept_periods()) > newest);
            if let Some(opened) = self.opened.get_mut(origin) {
                opened.retain(|_, entry| entry.period.saturating_add(kept_periods()) > newest);
            }
        }
    }

    /// Remembers entries that were opened and verified, of the log called `origin`.
    pub(super) fn settle(
        home: &Home,
        identifier: &Identifier,
        origin: &str,
        opened: &[(Hit, OpenedCertificate)],
    ) -> Result<(), HomeError> {
        if opened.is_empty() {
            return Ok(());
        }
        let settled = opened.iter().map(|(hit, certificate)| (hit.index, Settled::new(hit, certificate)));
        Self::change(home, identifier, |state| state.opened.entry(origin.to_owned()).or_default().extend(settled))
            .map(drop)
    }

    /// What was in this entry of the log called `origin`, if it was opened before and is the same still.
    pub(super) fn opened(&self, origin: &str, hit: &Hit) -> Option<OpenedCertificate> {
        let settled = self.opened.get(origin)?.get(&hit.index)?;
        (settled.commitment == hex::encode(hit.commitment)).then(|| settled.certificate(origin, hit.index))?
    }

    /// Every label in the log called `origin`, with period and slot.
    pub(super) fn labels(&self, origin: &str) -> BTreeMap<[u8; 32], (u32, u8)> {
        let mut all = BTreeMap::new();
        for (&period, slots) in self.logs.get(origin).into_iter().flatten() {
            for (&slot, text) in slots {
                let mut label = [0; 32];
                if hex::decode_to_slice(text, &mut label).is_ok() {
                    all.insert(label, (period, slot));
                }
            }
        }
        all
    }

    /// Whether the owner knows the certificate: it is for a key of hers, and was made before she lost that.
    pub(super) fn knows(&self, certificate: &OpenedCertificate) -> bool {
        let key = hex::encode(&certificate.key);
        let lost = self.lost.get(&key).is_some_and(|lost| certificate.not_before.as_secs() > *lost);
        self.known.contains_key(&key) && !lost
    }
}

impl Settled {
    fn new(hit: &Hit, certificate: &OpenedCertificate) -> Self {
        Self {
            period: hit.period,
            commitment: hex::encode(hit.commitment),
            serial: certificate.serial.clone(),
            key: hex::encode(&certificate.key),
            not_before: certificate.not_before.as_secs(),
            not_after: certificate.not_after.as_secs(),
        }
    }

    fn certificate(&self, log: &str, index: u64) -> Option<OpenedCertificate> {
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        Some(OpenedCertificate {
            log: log.to_owned(),
            index,
            serial: self.serial.clone(),
            key: hex::decode(&self.key).ok()?,
            not_before: at(self.not_before),
            not_after: at(self.not_after),
        })
    }
}

/// Remembers that a key is the owner's, from her own confirmation: the next watch takes its certificates as hers.
pub fn confirm_key(home: &Home, identifier: &Identifier, key: &[u8], now: UnixTime) -> Result<(), HomeError> {
    let key = hex::encode(key);
    let confirm = |state: &mut State| {
        state.lost.remove(&key);
        state.known.entry(key).or_insert(now.as_secs());
    };
    State::change(home, identifier, confirm).map(drop)
}

/// Remembers a key of the owner's that came back from her backup. If she said that somebody else has it as well, that holds on.
pub fn know_key(home: &Home, identifier: &Identifier, key: &[u8], now: UnixTime) -> Result<(), HomeError> {
    State::change(home, identifier, |state| _ = state.known.entry(hex::encode(key)).or_insert(now.as_secs())).map(drop)
}

/// Remembers that somebody else has a key of the owner's: a certificate that is made for it from now on is an alarm.
pub(crate) fn lose_key(home: &Home, identifier: &Identifier, key: &[u8], now: UnixTime) -> Result<(), HomeError> {
    State::change(home, identifier, |state| _ = state.lost.entry(hex::encode(key)).or_insert(now.as_secs())).map(drop)
}

/// Remembers this device's own key, also for the time after another has taken its place.
pub(crate) fn remember_own_key(
    home: &Home,
    identifier: &Identifier,
    key: &impl OwnKey,
    now: UnixTime,
) -> Result<(), HomeError> {
    confirm_key(home, identifier, &key.public_bits(), now)
}

/// Where what the watch of one identifier remembers is kept: another file stands there after every change.
pub fn path(home: &Home, identifier: &Identifier) -> PathBuf {
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
        State::remember(&home, &alice, "log", &Labels::from([((10, 3), [1; 32])])).unwrap();
        let read = State::read(&home, &alice).unwrap();
        assert_eq!(read.labels("log"), BTreeMap::from([([1; 32], (10, 3))]));
        assert!(read.knows(&certificate(9, 1)) && !read.knows(&certificate(8, 1)));
    }

    fn certificate(key: u8, not_before: u64) -> OpenedCertificate {
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        OpenedCertificate {
            log: "log".to_owned(),
            index: 0,
            serial: "01".to_owned(),
            key: vec![key; 32],
            not_before: at(not_before),
            not_after: at(not_before + 9),
        }
    }

    #[test]
    fn what_is_made_for_a_lost_key_is_not_known_until_she_confirms_it_again() {
        let (_temp, home, alice) = home();
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        confirm_key(&home, &alice, &[9; 32], at(5)).unwrap();
        // That it was lost counts from the first time that she said so.
        for said in [100, 200] {
            lose_key(&home, &alice, &[9; 32], at(said)).unwrap();
        }
        let state = State::read(&home, &alice).unwrap();
        assert!(state.knows(&certificate(9, 100)) && !state.knows(&certificate(9, 101)));
        confirm_key(&home, &alice, &[9; 32], at(300)).unwrap();
        assert!(State::read(&home, &alice).unwrap().knows(&certificate(9, 101)));
    }

    #[test]
    fn nobody_takes_back_what_another_added_at_the_same_time() {
        let (_temp, home, alice) = home();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let (home, alice) = (&home, &alice);
                scope.spawn(move || {
                    confirm_key(home, alice, &[n; 32], UnixTime::since_unix_epoch(std::time::Duration::ZERO)).unwrap();
                    State::remember(home, alice, "log", &Labels::from([((10, n), [n; 32])])).unwrap();
                });
            }
        });
        let state = State::read(&home, &alice).unwrap();
        assert_eq!((state.known.len(), state.labels("log").len()), (8, 8));
    }

    #[test]
    fn labels_of_long_ago_are_dropped() {
        let (_temp, home, alice) = home();
        let mut state = State::read(&home, &alice).unwrap();
        state.add_labels("log", &Labels::from([((10, 0), [1; 32]), ((11, 0), [2; 32]), ((70, 0), [3; 32])]));
        assert_eq!(state.labels("log").len(), 2);
    }

    #[test]
    fn each_log_has_labels_of_its_own() {
        let (_temp, home, alice) = home();
        home.write_text(
            "watch/alice@example.org.json",
            r#"{"identifier": "alice@example.org", "known": {}, "labels": {"10": {"3": "00"}}}"#,
        )
        .unwrap();
        State::remember(&home, &alice, "one", &Labels::from([((10, 3), [1; 32])])).unwrap();
        let state = State::remember(&home, &alice, "two", &Labels::from([((10, 3), [2; 32])])).unwrap();
        assert_eq!(state.labels("one"), BTreeMap::from([([1; 32], (10, 3))]));
        assert_eq!(state.labels("two"), BTreeMap::from([([2; 32], (10, 3))]));
    }

    #[test]
    fn a_damaged_state_is_named() {
        let (_temp, home, alice) = home();
        home.write_text("watch/alice@example.org.json", "{").unwrap();
        let error = State::read(&home, &alice).unwrap_err().to_string();
        assert!(error.contains("alice@example.org.json is damaged"), "{error}");
    }
}
