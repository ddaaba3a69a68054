//! What the owner was told already, so that a watch every hour does not tell the same every hour, and so that a watch
//! that cannot look for long is told too: an attacker who cuts the connection must not buy silence.

use std::collections::BTreeMap;

use device::{Home, HomeError};
use identity::UnixTime;
use serde::{Deserialize, Serialize};

const FILE: &str = "watch/told.json";
/// The same is told again after this, in seconds; and a watch that fails is told after this.
const DAY: u64 = 24 * 60 * 60;

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Nothing to tell.
    Clean,
    /// Something in the owner's name that she does not know.
    Alarm,
    /// The authority or the log did not let her see.
    Blind,
    /// It was not possible to look.
    Failed,
}

impl Kind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Alarm => "alarm",
            Self::Blind => "blind",
            Self::Failed => "failed",
        }
    }

    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::Clean => "nothing new in your name",
            Self::Alarm => "ALARM, a certificate in your name that you do not know",
            Self::Blind => "your watch is blind",
            Self::Failed => "your watch has not been able to look for a day",
        }
    }
}

/// The file: by whose certificates and which authority.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Told(BTreeMap<String, Last>);

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Last {
    /// When it was last possible to look, or first tried; seconds since 1970.
    looked: u64,
    /// What was told last, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<(String, u64)>,
}

impl Told {
    pub(super) fn read(home: &Home) -> Result<Self, HomeError> {
        let Some(text) = home.read_text(FILE)? else { return Ok(Self::default()) };
        serde_json::from_str(&text).map_err(|error| HomeError::Corrupt {
            path: home.folder().join(FILE),
            expected: "what the watch has told".to_owned(),
            found: error.to_string(),
        })
    }

    pub(super) fn write(&self, home: &Home) -> Result<(), HomeError> {
        home.write_text(FILE, &serde_json::to_string_pretty(self).expect("text and numbers always serialise"))
    }

    /// Whether this is to be told now. Remembers that it was possible to look.
    pub(super) fn is_due(&mut self, who: &str, kind: Kind, about: &str, now: UnixTime) -> bool {
        let now = now.as_secs();
        let last = self.0.entry(who.to_owned()).or_insert(Last { looked: now, told: None });
        if kind == Kind::Failed && now.saturating_sub(last.looked) < DAY {
            return false;
        }
        if kind != Kind::Failed {
            last.looked = now;
        }
        if kind == Kind::Clean {
            last.told = None;
            return false;
        }
        last.told.as_ref().is_none_or(|(before, at)| before != about || now.abs_diff(*at) >= DAY)
    }

    pub(super) fn was_told(&mut self, who: &str, about: &str, now: UnixTime) {
        if let Some(last) = self.0.get_mut(who) {
            last.told = Some((about.to_owned(), now.as_secs()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(hours: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000 + hours * 3600))
    }

    /// Looks once, and is told if it is due.
    fn look(told: &mut Told, kind: Kind, about: &str, hours: u64) -> bool {
        let due = told.is_due("alice", kind, about, at(hours));
        if due {
            told.was_told("alice", about, at(hours));
        }
        due
    }

    #[test]
    fn an_alarm_is_told_at_once_then_daily_and_another_one_at_once() {
        let mut told = Told::default();
        assert!(look(&mut told, Kind::Alarm, "entry 7", 0));
        assert!(!look(&mut told, Kind::Alarm, "entry 7", 1));
        assert!(!look(&mut told, Kind::Alarm, "entry 7", 23));
        assert!(look(&mut told, Kind::Alarm, "entry 7", 24));
        assert!(look(&mut told, Kind::Alarm, "entries 7 and 8", 25));
        assert!(!look(&mut told, Kind::Clean, "", 26));
        assert!(look(&mut told, Kind::Alarm, "entries 7 and 8", 27), "it had been clean in between");
    }

    #[test]
    fn what_could_not_be_told_is_tried_again() {
        let mut told = Told::default();
        assert!(told.is_due("alice", Kind::Alarm, "entry 7", at(0)));
        assert!(told.is_due("alice", Kind::Alarm, "entry 7", at(1)));
    }

    #[test]
    fn a_watch_that_cannot_look_is_told_after_a_day() {
        let mut told = Told::default();
        assert!(!look(&mut told, Kind::Clean, "", 0));
        assert!(!look(&mut told, Kind::Failed, "", 1));
        assert!(!look(&mut told, Kind::Failed, "", 23));
        assert!(look(&mut told, Kind::Failed, "", 24));
        assert!(!look(&mut told, Kind::Failed, "", 25));
        assert!(look(&mut told, Kind::Failed, "", 48));
        let mut never = Told::default();
        assert!(!look(&mut never, Kind::Failed, "", 0), "the first look of all");
        assert!(look(&mut never, Kind::Failed, "", 24));
    }
}
