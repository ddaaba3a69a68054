//! Whether somebody looks for certificates in the owner's name, and what was found at the last look.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use device::{Enrolment, Home, HomeError, LockedDevice, LockedMailbox};
use identity::{Identifier, UnixTime};
use serde::{Deserialize, Serialize};

use super::Finding;
use crate::alarm::Kind;
use crate::{text, timer};

const FILE: &str = "watch/looks.json";
/// A look that is older says little; the timer looks every hour.
const STALE: u64 = 2 * 24 * 60 * 60;

/// The last looks, by whose certificates and which authority: what `status` shows without a connection.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Looks(BTreeMap<String, Look>);

/// What the last looks of one owner at one authority came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    /// The last time that something was seen; seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seen: Option<Seen>,
    /// Since when looking fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing_since: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    at: u64,
    verdict: Kind,
}

fn who(identifier: &Identifier, authority: &str) -> String {
    format!("{identifier} at {authority}")
}

impl Looks {
    pub(crate) fn read(home: &Home) -> Result<Self, HomeError> {
        let Some(text) = home.read_text(FILE)? else { return Ok(Self::default()) };
        serde_json::from_str(&text).map_err(|error| HomeError::Corrupt {
            path: home.folder().join(FILE),
            expected: "what the last looks came to".to_owned(),
            found: error.to_string(),
        })
    }

    /// Remembers a look.
    pub(crate) fn remember(
        home: &Home,
        identifier: &Identifier,
        authority: &str,
        kind: Kind,
        now: UnixTime,
    ) -> Result<(), HomeError> {
        let mut looks = Self::read(home)?;
        let look = looks.0.entry(who(identifier, authority)).or_insert(Look { seen: None, failing_since: None });
        if kind == Kind::Failed {
            look.failing_since.get_or_insert(now.as_secs());
        } else {
            *look = Look { seen: Some(Seen { at: now.as_secs(), verdict: kind }), failing_since: None };
        }
        looks.write(home)
    }

    /// Forgets the looks for one owner at one authority: they are over.
    pub(crate) fn forget(home: &Home, identifier: &Identifier, authority: &str) -> Result<(), HomeError> {
        let mut looks = Self::read(home)?;
        if looks.0.remove(&who(identifier, authority)).is_none() {
            return Ok(());
        }
        looks.write(home)
    }

    fn write(&self, home: &Home) -> Result<(), HomeError> {
        home.write_text(FILE, &serde_json::to_string_pretty(self).expect("text and numbers always serialise"))
    }

    /// How it stands with one owner at one authority.
    pub(crate) fn state(&self, identifier: &Identifier, authority: &str, now: UnixTime) -> Watched {
        Watched::new(identifier.to_string(), authority.to_owned(), self.0.get(&who(identifier, authority)), now)
    }

    /// How it stands with everybody who has a certificate here, once for each authority.
    pub(crate) fn of_certificates(
        &self,
        devices: &[LockedDevice],
        mailboxes: &[LockedMailbox],
        now: UnixTime,
    ) -> Vec<Watched> {
        let devices = devices.iter().map(|one| &one.enrolment);
        let enrolments = devices.chain(mailboxes.iter().map(|one| &one.enrolment));
        let mut seen = BTreeSet::new();
        let mut first = |one: &&Enrolment| seen.insert(who(&one.identifier, &one.authority));
        let once: Vec<_> = enrolments.filter(|one| first(one)).collect();
        once.into_iter().map(|one| self.state(&one.identifier, &one.authority, now)).collect()
    }

    /// How it stands elsewhere than with these.
    pub(crate) fn elsewhere(&self, known: &[Watched], now: UnixTime) -> Vec<Watched> {
        let here: Vec<_> = known.iter().map(|one| format!("{} at {}", one.identifier, one.authority)).collect();
        let others = self.0.iter().filter(|(who, _)| !here.contains(who));
        let told = others.filter_map(|(who, look)| {
            let (identifier, authority) = who.split_once(" at ")?;
            Some(Watched::new(identifier.to_owned(), authority.to_owned(), Some(look), now))
        });
        told.collect()
    }
}

/// What the last look came to.
#[derive(Debug, Serialize)]
pub(crate) struct Watched {
    identifier: String,
    authority: String,
    verdict: Option<Kind>,
    looked: Option<String>,
    /// It is so long ago that it says little.
    stale: bool,
    #[serde(skip)]
    ago: Option<String>,
}

impl Watched {
    fn new(identifier: String, authority: String, look: Option<&Look>, now: UnixTime) -> Self {
        let seen = look.and_then(|look| look.seen.as_ref());
        let at = seen.map(|seen| UnixTime::since_unix_epoch(Duration::from_secs(seen.at)));
        Self {
            identifier,
            authority,
            verdict: seen.map(|seen| seen.verdict),
            looked: at.map(text::rfc3339),
            stale: seen.is_none_or(|seen| now.as_secs().saturating_sub(seen.at) > STALE),
            ago: at.map(|at| text::relative(at, now)),
        }
    }

    /// In a line.
    pub(crate) fn line(&self) -> String {
        let verdict = match self.verdict {
            Some(Kind::Clean) => "clean",
            Some(Kind::Alarm) => "ALARM",
            Some(Kind::Blind) => "blind",
            Some(Kind::Failed) | None => "nobody has looked yet",
        };
        let ago = self.ago.as_ref().map(|ago| format!(", {ago}")).unwrap_or_default();
        format!("{} at {}: {verdict}{ago}", self.identifier, self.authority)
    }

    pub(crate) fn finding(&self) -> Option<Finding> {
        let (who, again) = (&self.identifier, format!("certtool watch {} --once", self.identifier));
        match self.verdict {
            Some(Kind::Alarm) => {
                Some(Finding::wrong("watch", format!("certificates in the name of {who} that you do not know"), again))
            }
            Some(Kind::Blind) => {
                Some(Finding::wrong("watch", format!("the watch for {who} could not see what the log holds"), again))
            }
            None | Some(Kind::Failed) => Some(Finding::note(
                "watch",
                format!("nobody has looked for certificates in the name of {who} yet"),
                again,
            )),
            Some(Kind::Clean) if self.stale => {
                let ago = self.ago.as_deref().unwrap_or_default();
                Some(Finding::wrong("watch", format!("the last look for {who} was {ago}"), again))
            }
            Some(Kind::Clean) => None,
        }
    }
}

/// What no timer does, though there are certificates: look, and renew.
pub(crate) fn no_timers() -> impl Iterator<Item = Finding> {
    let look = Finding::note(
        "watch",
        "nothing looks by itself for certificates in your name",
        "certtool watch --install-timer",
    );
    let renew = Finding::note(
        "certificate",
        "nothing renews by itself, but a messenger that runs",
        "certtool renew --install-timer",
    );
    let missing = [(timer::WATCH.is_installed(), look), (timer::RENEW.is_installed(), renew)];
    missing.into_iter().filter(|(installed, _)| !installed).map(|(_, finding)| finding)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: u64) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000 + hours * 3600))
    }

    #[test]
    fn the_last_look_that_saw_something_counts_until_it_is_too_old() {
        let place = tempfile::tempdir().unwrap();
        let home = Home::at(place.path().join("home")).unwrap();
        let alice = Identifier::parse("alice@example.org").unwrap();
        let look = |kind, hours| Looks::remember(&home, &alice, "Example", kind, at(hours)).unwrap();
        let found = |hours| {
            let state = Looks::read(&home).unwrap().state(&alice, "Example", at(hours));
            (state.line(), state.finding())
        };
        assert!(found(0).0.ends_with("nobody has looked yet") && !found(0).1.unwrap().wrong);
        look(Kind::Failed, 0);
        assert!(found(0).0.ends_with("nobody has looked yet"));
        look(Kind::Clean, 1);
        look(Kind::Failed, 2);
        assert_eq!(found(3), ("alice@example.org at Example: clean, 2 hours ago".to_owned(), None));
        assert!(found(1 + 49).1.unwrap().what.contains("2 days ago"));
        look(Kind::Alarm, 60);
        let (line, finding) = found(61);
        assert!(line.contains("ALARM") && finding.unwrap().wrong);
        look(Kind::Clean, 62);
        assert_eq!(found(62).1, None);
        let elsewhere = || Looks::read(&home).unwrap().elsewhere(&[], at(63));
        assert_eq!(
            elsewhere().iter().map(Watched::line).collect::<Vec<_>>(),
            ["alice@example.org at Example: clean, 1 hour ago"]
        );
        Looks::forget(&home, &alice, "Example").unwrap();
        assert!(elsewhere().is_empty());
    }
}
