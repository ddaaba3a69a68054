//! Seeking: a session that has lost its connection, or may lose it, looks for another one through the directory.
//!
//! ```text
//! carried ──15 s without a packet, the network changed, broken──► seeking ──another connection──► carried
//!    ▲                                                              │ └──30 s without any──► ended: verdicts
//!    └────────────── a packet came, or nothing got worse ───────────┘
//! ```
//! The connection that stands is used until another one is open.

use std::time::{Duration, Instant};

use identity::Identifier;

use super::calls::Stage;
use super::errands::Errand;
use super::links::Link;
use super::{Action, ConnectionId, Core, SessionId};
use crate::api::{Event, Purpose, SessionState};
use crate::room::DeviceKey;
use crate::time::Now;
use crate::wire::Close;

/// After so long without a packet a connection is looked for beside the one that stands; to be watched by the driver.
pub const SILENCE: Duration = Duration::from_secs(15);
/// How long a session lives without a packet or a connection.
pub(super) const LIFE: Duration = Duration::from_secs(30);
/// The pause after the first attempt; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// How a session looks for another connection.
pub(super) struct Seeking {
    /// When the session ends; never, as long as the connection that it has brings something.
    ends: Option<Instant>,
    /// When to look no longer.
    until: Instant,
    next: Instant,
    pause: Duration,
    /// Whether the client was told; not as long as the connection that stands is as good as ever.
    told: bool,
}

impl Seeking {
    /// When it is given up, or tried again, if it may be.
    pub(super) fn next_deadline(&self, may_try: bool) -> Instant {
        let given_up = self.ends.unwrap_or(self.until);
        if may_try { given_up.min(self.next) } else { given_up }
    }

    pub(super) fn is_told(&self) -> bool {
        self.told
    }
}

impl Core {
    /// Nothing came on a connection for [`SILENCE`].
    pub fn silent(&mut self, connection: ConnectionId, now: Now) {
        let Some(session) = self.carried.get(&connection).copied() else { return };
        let Some(link) = self.links.get(&session) else { return };
        if !link.session.is_resumable() {
            return self.close_link(session, Close::STALLED, "the other device was not heard for 15 s", now);
        }
        self.seek(session, Some(now.instant + LIFE.saturating_sub(SILENCE)), now);
    }

    /// Something came on a connection after this instant.
    pub fn came(&mut self, connection: ConnectionId, after: Instant) {
        if let Some(link) = self.carried.get(&connection).and_then(|session| self.links.get_mut(session)) {
            link.heard_after = link.heard_after.max(after);
        }
    }

    /// Whether this device is connected, as far as one can know: it does not look for another connection, and something has come from it
    /// since then.
    pub(super) fn is_connected_since(&self, device: DeviceKey, since: Instant) -> bool {
        let connected = |link: &Link| link.connection.is_some() && link.seeking.is_none() && link.heard_after > since;
        self.links.values().any(|link| link.person.device == device && connected(link))
    }

    /// Something came again.
    pub fn heard(&mut self, connection: ConnectionId, now: Now) {
        let Some(session) = self.carried.get(&connection).copied() else { return };
        let Some(link) = self.links.get_mut(&session) else { return };
        if link.seeking.as_ref().is_some_and(|seeking| seeking.ends.is_some()) {
            self.found(session, now);
        }
    }

    /// This device is in another network, or has another address.
    pub(super) fn network_changed(&mut self, now: Now) {
        self.actions.push_back(Action::FollowNetwork);
        let sessions: Vec<SessionId> =
            self.links.iter().filter(|(_, link)| link.session.is_resumable()).map(|(id, _)| *id).collect();
        for session in sessions {
            self.seek(session, None, now);
        }
    }

    /// Looks for another connection beside one with which nothing is wrong: nobody need know.
    pub(super) fn seek_quietly(&mut self, session: SessionId, now: Now) {
        self.look(session, None, false, now);
    }

    /// The connection is gone, the session is not.
    pub(super) fn pause_link(&mut self, session: SessionId, now: Now) {
        let Some(link) = self.links.get_mut(&session) else { return };
        link.session.pause();
        if let Some(connection) = link.connection.take() {
            self.carried.remove(&connection);
        }
        self.seek(session, Some(now.instant + LIFE), now);
    }

    fn seek(&mut self, session: SessionId, ends: Option<Instant>, now: Now) {
        self.look(session, ends, true, now);
    }

    fn look(&mut self, session: SessionId, ends: Option<Instant>, aloud: bool, now: Now) {
        let Some(link) = self.links.get_mut(&session) else { return };
        let (until, next) = (now.instant + LIFE, now.instant);
        let known = link.seeking.as_ref();
        let ends = known.and_then(|seeking| seeking.ends).into_iter().chain(ends).min();
        let told = known.is_some_and(Seeking::is_told);
        link.seeking = Some(Seeking { ends, until, next, pause: FIRST_PAUSE, told: told || aloud });
        if aloud && !told {
            self.told_session(session, SessionState::Reconnecting);
        }
    }

    /// A session has a connection that it can rely on.
    pub(super) fn found(&mut self, session: SessionId, now: Now) {
        let Some(link) = self.links.get_mut(&session) else { return };
        // What was sent on the lost one could not be answered.
        link.answers_due_since = now.instant;
        if let Some(seeking) = link.seeking.take() {
            let who = link.person.identifier.clone();
            if seeking.told {
                self.told_session(session, SessionState::Resumed);
            }
            // What was tried besides is not needed any more.
            self.withdraw_resuming(&who, |stage| stage == Stage::Inviting);
        }
    }

    fn told_session(&mut self, session: SessionId, state: SessionState) {
        if let Some(link) = self.links.get(&session) {
            let who = link.person.identifier.clone();
            self.emit(Event::Session { who, state, reason: None });
        }
    }

    /// Whether a call of this device is let in because a session goes on with it.
    pub(super) fn goes_on_with(&self, who: &Identifier, key: [u8; 32], purpose: Purpose) -> bool {
        self.links.values().any(|link| {
            link.session.is_resumable()
                && link.purpose == purpose
                && link.person.identifier == *who
                && link.person.device.spki_digest() == key
        })
    }

    /// Looks for connections, and ends what found none in time.
    pub(super) fn tend_seeking(&mut self, now: Now) {
        let seeking: Vec<SessionId> =
            self.links.iter().filter(|(_, link)| link.seeking.is_some()).map(|(id, _)| *id).collect();
        for session in seeking {
            let Some(seeking) = self.links.get(&session).and_then(|link| link.seeking.as_ref()) else { continue };
            match seeking.ends {
                Some(ends) if ends <= now.instant => {
                    self.close_link(session, Close::STALLED, "no other connection could be made within 30 s", now);
                }
                None if seeking.until <= now.instant => self.found(session, now),
                _ if seeking.next <= now.instant => self.try_to_resume(session, now),
                _ => {}
            }
        }
    }

    /// Whether the directory may be asked for another connection now: nothing is under way already, and there is somebody to ask for.
    pub(super) fn may_resume(&self, link: &Link) -> bool {
        let who = &link.person.identifier;
        let calling = self.is_calling(who, link.person.device.spki_digest(), link.purpose);
        let waits = self.why_unreachable().is_some() || self.known_offline(who) || calling;
        !waits && !self.is_candidate_for(&link.person)
    }

    fn try_to_resume(&mut self, session: SessionId, now: Now) {
        let Some(link) = self.links.get(&session).filter(|link| self.may_resume(link)) else { return };
        let (who, purpose) = (link.person.identifier.clone(), link.purpose);
        let device = link.person.device.spki_digest();
        if let Some(seeking) = self.links.get_mut(&session).and_then(|link| link.seeking.as_mut()) {
            seeking.next = now.instant + seeking.pause;
            seeking.pause = (seeking.pause * 2).min(LONGEST_PAUSE);
        }
        self.call_device(who, Some(device), purpose, Errand::Resume, now);
    }
}
