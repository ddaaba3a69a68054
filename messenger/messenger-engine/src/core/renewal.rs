//! A renewed certificate of one's own, for the same key: the next connection shows it, and what stands is moved without a
//! word.
//!
//! ```text
//! renewed ──► the directory is connected to anew while no call waits there; then the old connection is closed
//!        ├──► a session whose connection showed the older certificate looks for another one before that ends
//!        └──► what was tried in vain, perhaps because of the older one, is tried at once: the directory, and fellow members
//! ```
//! The other side does the same for hers. A key that stays is no news to anybody ([`super::links`] ends what was not moved).

use std::time::{Duration, Instant};

use super::calls::{Call, Stage};
use super::{Action, Core, Presence, SessionId};
use crate::room::Person;
use crate::time::Now;

/// So long before an older certificate ends its sessions begin to look for connections that show the newer one.
const BEFORE_END: Duration = Duration::from_secs(120);
/// A call that rings is waited for at most this long: it would be lost with the connection to the directory.
const CALLS: Duration = Duration::from_secs(60);

/// Directories are still to be shown the newer certificate, since then.
#[derive(Default)]
pub(super) struct Reintroduction(Option<Instant>);

impl Core {
    /// The person this device speaks for, as its certificate says now.
    pub fn own_person(&self) -> &Person {
        &self.me.person
    }

    /// The device shows another certificate (DER) for the same person and key, as every handshake that begins from now on does.
    pub fn renewed(&mut self, person: Person, certificate: Vec<u8>, now: Now) {
        self.me.person = person;
        self.me.leaf.renew(certificate);
        self.reintroduction.0.get_or_insert(now.instant);
        self.link_anew(now);
        self.tend_renewal(now);
        self.renew_in_rooms(now);
    }

    pub(super) fn tend_renewal(&mut self, now: Now) {
        self.reintroduce(now);
        self.move_what_ends(now);
    }

    /// When directories are shown a newer certificate, if one is still to be shown and nothing more happens. One that is not
    /// reached may have refused the older.
    pub(super) fn next_of_renewal(&self) -> Option<Instant> {
        let since = self.reintroduction.0.filter(|_| self.presence != Presence::Resting)?;
        let waits = |call: &Call| !matches!(call.stage, Stage::Dialling | Stage::Listening);
        Some(if self.calls.values().any(waits) { since + CALLS } else { since })
    }

    fn reintroduce(&mut self, now: Now) {
        if self.next_of_renewal().is_some_and(|due| due <= now.instant) {
            self.reintroduction.0 = None;
            self.actions.push_back(Action::Reintroduce);
        }
    }

    fn move_what_ends(&mut self, now: Now) {
        let (newest, soon) = (self.me.person.not_after, now.unix.as_secs().saturating_add(BEFORE_END.as_secs()));
        let ends = self.links.iter().filter(|(_, link)| {
            let has_newer = link.shown.until < newest && link.shown.until <= soon;
            has_newer && link.seeking.is_none() && link.session.is_resumable()
        });
        let sessions: Vec<SessionId> = ends.map(|(id, _)| *id).collect();
        for session in sessions {
            self.seek_quietly(session, now);
        }
    }
}
