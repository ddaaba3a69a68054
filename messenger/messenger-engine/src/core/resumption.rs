//! Resumption: on a new connection between the same two devices a session goes on, or a new one begins.
//!
//! ```text
//! dialler                                      listener
//!    │── Hello, names the session, proves it ──────►│ checks name, proof, progress
//!    │◄────── Hello, proves it as well ─────────────│ moves: what is missing goes out here
//!    │ checks; moves                                │
//!    ╳ ── the old connection is closed with code 6 ─╳
//! ```
//! A listener that does not know the session says a Hello that names none: then another one begins.

use std::time::Instant;

use super::errands::{Errand, only_resume};
use super::links::{GREETING, Link, ShownCertificate};
use super::{Action, ConnectionId, Core, SessionId};
use crate::api::Purpose;
use crate::room::Person;
use crate::session::{Exported, Violation};
use crate::time::Now;
use crate::wire::{Channel, Close, Progress, Resume, TalkFrame, VERSION};
use identity::Identifier;

/// A connection on which both sides have yet to say what it carries.
pub(super) struct Candidate {
    person: Person,
    purpose: Purpose,
    exported: Exported,
    errands: Vec<Errand>,
    /// The session that this side has named in its Hello, and the progress it has told.
    named: Option<(SessionId, Progress)>,
    since: Instant,
}

impl Candidate {
    pub(super) fn new(person: Person, purpose: Purpose, exported: Exported, errands: Vec<Errand>, now: Now) -> Self {
        Self { person, purpose, exported, errands, named: None, since: now.instant }
    }

    /// When its Hello is late.
    pub(super) fn deadline(&self) -> Instant {
        self.since + GREETING
    }

    fn names(&self, session: SessionId) -> bool {
        self.named.is_some_and(|(named, _)| named == session)
    }

    /// Whether nobody at this device asked for the connection: it may not open to texts what was closed to them meanwhile.
    fn only_resumes(&self) -> bool {
        only_resume(&self.errands)
    }
}

impl Core {
    /// The session with this person at this device that can go on: one that has lost its connection before one that has not.
    pub(super) fn resumable_with(&self, person: &Person) -> Option<SessionId> {
        let theirs = self.links.iter().filter(|(_, link)| link.is_with(person) && link.session.is_resumable());
        theirs.max_by_key(|(id, link)| (link.seeking.is_some(), **id)).map(|(id, _)| *id)
    }

    pub(super) fn is_candidate_for(&self, person: &Person) -> bool {
        let is_for = |one: &Candidate| one.person.device == person.device && one.person.identifier == person.identifier;
        self.candidates.values().any(is_for)
    }

    /// Whether the session that the other end of `session` names belongs to another device, or another person.
    pub(super) fn is_somebody_elses(&self, session: SessionId, resume: &Resume) -> bool {
        let Some(person) = self.links.get(&session).map(|link| &link.person) else { return false };
        self.links.values().any(|link| link.key.name() == resume.session && !link.is_with(person))
    }

    /// The dialler names the session at once; the listener waits for that.
    pub(super) fn add_candidate(
        &mut self,
        connection: ConnectionId,
        mut candidate: Candidate,
        dialled: bool,
        now: Now,
    ) {
        if dialled
            && let Some(session) = self.resumable_with(&candidate.person)
            && let Some((mut hello, told)) = self.hello_again(session, &candidate.exported)
        {
            // A side that goes on with nothing takes it for the first Hello of another session.
            hello.endorse(self.vouchers_for(&candidate.person.identifier, candidate.purpose, now));
            // Only what was told last may be answered.
            self.drop_candidates_naming(session, now);
            candidate.named = Some((session, told));
            self.set_moving(session, true);
            self.send_talk_on(connection, &hello);
        }
        self.candidates.insert(connection, candidate);
    }

    /// The Hello that goes on with a session, and the progress that it tells.
    fn hello_again(&self, session: SessionId, connection: &Exported) -> Option<(TalkFrame, Progress)> {
        let link = self.links.get(&session)?;
        let progress = link.session.progress();
        let resume = Some(Resume { session: link.key.name(), proof: link.key.prove(connection), progress });
        Some((
            TalkFrame::Hello {
                version: VERSION,
                run: self.run,
                capabilities: self.capabilities(&link.person.identifier),
                resume,
                endorsements: None,
            },
            progress,
        ))
    }

    /// The first frame on a connection whose session is not known yet.
    pub(super) fn candidate_said(&mut self, connection: ConnectionId, frame: TalkFrame, now: Now) {
        let TalkFrame::Hello { version, run, ref resume, ref endorsements, .. } = frame else {
            return self.drop_candidate(connection, Close::PROTOCOL, "expected Hello, found another frame", now);
        };
        if endorsements.as_ref().is_some_and(|vouchers| !vouchers.is_bounded()) {
            return self.drop_candidate(connection, Close::PROTOCOL, &Violation::Endorsements.to_string(), now);
        }
        if version == 0 {
            return self.drop_candidate(connection, Close::PROTOCOL, &Violation::Version.to_string(), now);
        }
        let Some(candidate) = self.candidates.get(&connection) else { return };
        let Some(resume) = resume.clone() else {
            return self.another_begins(connection, frame, run, now);
        };
        let session = match &candidate.named {
            Some((session, _)) => Some(*session),
            None => self.links.iter().find(|(_, link)| link.key.name() == resume.session).map(|(id, _)| *id),
        };
        let Some((session, link)) = session.and_then(|session| Some((session, self.links.get(&session)?))) else {
            // It ended here meanwhile, or was never known.
            return match candidate.named {
                Some(_) => self.drop_candidate(connection, Close::DONE, "the session has ended", now),
                None => self.another_begins(connection, frame, run, now),
            };
        };
        // One key may be in the certificates of two people.
        let its_own = link.is_with(&candidate.person)
            && link.key.name() == resume.session
            && link.run == run
            && link.key.is_proven(&resume.proof, &candidate.exported);
        if !its_own {
            let reason = "it named a session that it could not prove to be its own";
            return self.drop_candidate(connection, Close::NOT_ITS_SESSION, reason, now);
        }
        let (own, other) = (self.me.person.device.spki_digest(), link.key.other());
        if candidate.named.is_none() && own < other && self.candidates.values().any(|one| one.names(session)) {
            // Both have dialled at once: of the two connections both keep the one that the lower key has dialled.
            return self.drop_candidate(connection, Close::MOVED, "another connection is kept", now);
        }
        self.go_on(connection, session, &resume.progress, now);
    }

    /// The session moves to this connection.
    fn go_on(&mut self, connection: ConnectionId, session: SessionId, theirs: &Progress, now: Now) {
        let Some(candidate) = self.candidates.remove(&connection) else { return };
        // Told as it was when it was said: what came since will come again, and is known then.
        let (hello, told) = match (candidate.named, self.hello_again(session, &candidate.exported)) {
            (Some((_, told)), _) => (None, told),
            (None, Some((hello, told))) => (Some(hello), told),
            (None, None) => return,
        };
        let Some(link) = self.links.get_mut(&session) else { return };
        link.heard_after = now.instant;
        let room_frames = match link.session.resume(&told, theirs) {
            Ok(frames) => frames,
            Err(violation) => {
                self.candidates.insert(connection, candidate);
                return self.drop_candidate(connection, Close::PROTOCOL, &violation.to_string(), now);
            }
        };
        let raises = candidate.purpose == Purpose::Text && !candidate.only_resumes();
        let Candidate { person, errands, .. } = candidate;
        // Whoever calls her other devices is told which one answered, also where it was connected before.
        let is_reached = errands.iter().any(|errand| matches!(errand, Errand::Reach));
        // Either certificate may have been renewed: then the two people have another code.
        let shown = ShownCertificate::of(&self.me.person);
        let renewed = link.person.certificate.digest != person.certificate.digest || link.shown != shown;
        link.person = person.clone();
        link.shown = shown;
        let endorsed_by = link.endorsed_by.clone().unwrap_or_default();
        if raises {
            link.purpose = Purpose::Text;
        }
        let before = link.connection.replace(connection);
        self.carried.insert(connection, session);
        if let Some(hello) = hello {
            self.send_talk_on(connection, &hello);
        }
        for bytes in room_frames {
            self.actions.push_back(Action::Send { connection, channel: Channel::Rooms, bytes, frames: 1 });
        }
        self.flush(session);
        if let Some(before) = before {
            self.carried.remove(&before);
            self.actions.push_back(Action::Close { connection: before, code: Close::MOVED });
        }
        self.drop_candidates_naming(session, now);
        self.found(session, now);
        if renewed || is_reached {
            self.introduce(&person, endorsed_by);
        }
        self.run_errands(session, errands, now);
        self.run_files(Some(session), now);
        self.tell_views(session);
    }

    /// The other side goes on with nothing: its program started again, or its session has ended. What never left goes out
    /// in the new session, before what comes after it.
    fn another_begins(&mut self, connection: ConnectionId, hello: TalkFrame, run: [u8; 8], now: Now) {
        let Some(candidate) = self.candidates.remove(&connection) else { return };
        let Candidate { person, purpose, exported, errands, named, since } = candidate;
        let over = |id: &SessionId, link: &Link| {
            let restarted = link.run != run && link.session.is_open();
            // A dialler names what it holds. What began just now it may not have heard of yet: both may have called.
            let given_up = named.is_none()
                && link.session.is_resumable()
                && (link.seeking.is_some() || since >= link.since + GREETING);
            link.is_with(&person) && (restarted || given_up || named.is_some_and(|(named, _)| named == *id))
        };
        let over: Vec<SessionId> = self.links.iter().filter(|(id, link)| over(id, link)).map(|(id, _)| *id).collect();
        let mut waiting = Vec::new();
        for session in over {
            if let Some(link) = self.links.get_mut(&session) {
                waiting.extend(link.session.take_waiting());
            }
            self.close_link(session, Close::DONE, "the other device did not go on with the session", now);
        }
        let own_hello = self.open_link(connection, person, purpose, (&exported, named.is_some()), now);
        // If this side has named a session, its Hello has gone out: a side that goes on with nothing takes it for the first.
        if named.is_none() {
            self.send_talk(connection, &own_hello);
        }
        for (content, token) in waiting {
            self.put_again(connection, content, token, now);
        }
        self.run_errands(connection, errands, now);
        self.talk_frame(connection, hello, now);
    }

    /// Closes a connection that carries nothing yet; the session, if there is one, is as it was.
    pub(super) fn drop_candidate(&mut self, connection: ConnectionId, code: Close, reason: &str, now: Now) {
        let Some(candidate) = self.candidates.remove(&connection) else { return };
        tracing::debug!(connection, reason, "a connection on which no session goes on is closed");
        self.actions.push_back(Action::Close { connection, code });
        self.candidate_lost(candidate, reason, now);
    }

    pub(super) fn candidate_lost(&mut self, candidate: Candidate, reason: &str, now: Now) {
        let Candidate { person, errands, named, .. } = candidate;
        if let Some((session, _)) = named
            && !self.candidates.values().any(|other| other.names(session))
        {
            self.set_moving(session, false);
            self.flush(session);
        }
        match self.resumable_with(&person) {
            Some(session) => {
                for errand in errands {
                    self.run_errand(session, errand, now);
                }
            }
            None => self.fail_errands(&person.identifier, errands, reason, now),
        }
    }

    fn set_moving(&mut self, session: SessionId, moving: bool) {
        if let Some(link) = self.links.get_mut(&session) {
            link.session.set_moving(moving);
        }
    }

    fn drop_candidates_naming(&mut self, session: SessionId, now: Now) {
        let naming = self.candidates.iter().filter(|(_, candidate)| candidate.names(session));
        let connections: Vec<ConnectionId> = naming.map(|(id, _)| *id).collect();
        for connection in connections {
            self.drop_candidate(connection, Close::MOVED, "another connection is kept", now);
        }
    }

    pub(super) fn drop_candidates_of(&mut self, who: &Identifier, reason: &str, now: Now) {
        let theirs = self.candidates.iter().filter(|(_, candidate)| candidate.person.identifier == *who);
        let connections: Vec<ConnectionId> = theirs.map(|(id, _)| *id).collect();
        for connection in connections {
            let code = self.code_without_fault(connection, Close::DONE);
            self.drop_candidate(connection, code, reason, now);
        }
    }

    /// How a candidate is closed on which nothing was done wrong. Where this side has named a session that lives, the other
    /// side may have moved to it already, and has to look for it again; `otherwise` if not.
    fn code_without_fault(&self, connection: ConnectionId, otherwise: Close) -> Close {
        let named = self.candidates.get(&connection).and_then(|candidate| candidate.named);
        match named {
            Some((session, _)) if self.links.contains_key(&session) => Close::MOVED,
            Some(_) => Close::DONE,
            None => otherwise,
        }
    }

    pub(super) fn expire_candidates(&mut self, now: Now) {
        let late = self.candidates.iter().filter(|(_, candidate)| now.instant >= candidate.deadline());
        let connections: Vec<ConnectionId> = late.map(|(id, _)| *id).collect();
        for connection in connections {
            let code = self.code_without_fault(connection, Close::PROTOCOL);
            self.drop_candidate(connection, code, "no Hello came", now);
        }
    }
}

#[cfg(test)]
impl Core {
    pub(super) fn session_names(&self) -> Vec<[u8; 16]> {
        self.links.values().map(|link| link.key.name()).collect()
    }

    /// Counts a room frame that a test puts on the wire.
    pub(super) fn count_room_frame(&mut self, connection: ConnectionId) {
        if let Some(link) = self.carried.get(&connection).and_then(|session| self.links.get_mut(session)) {
            link.session.room_frame_sent(&[]);
        }
    }
}
