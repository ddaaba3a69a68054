//! Links: the sessions, each with one verified person at one device, and the connection that carries it now, if one does.

use std::time::{Duration, Instant};

use identity::Identifier;
use identity::trust::Fingerprint;

use super::errands::Errand;
use super::gossip::Listening;
use super::keeping::Keeping;
use super::mail::Mail;
use super::saying::Said;
use super::seeking::Seeking;
use super::typing::Typing;
use super::{Action, ConnectionId, Core, Loss, SessionId};
use crate::api::{DeliveryState, Event, NoMail, Purpose, RoomId, SessionState};
use crate::room::{DeviceKey, Person};
use crate::session::{Exported, Session, SessionKey, Verdict};
use crate::time::Now;
use crate::wire::{Close, TalkFrame, capability};

/// A session on which nothing was said for this long is closed, unless a room needs it.
const IDLE: Duration = Duration::from_secs(180);

/// A session that did not say Hello for this long is closed.
pub(super) const GREETING: Duration = Duration::from_secs(10);

/// A session that answers nothing of what was sent for this long is closed: its connection lives, its program does not.
/// While it looks for another connection nothing is due.
const ANSWER: Duration = Duration::from_secs(20);

/// What an acknowledgement is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Said {
        to: Identifier,
        id: u64,
    },
    /// Which texts were seen, or that a conversation goes on elsewhere: nobody is told what becomes of that.
    Receipt,
    /// A room text to one member's device.
    Room {
        room: RoomId,
        id: u64,
        device: DeviceKey,
    },
}

/// The certificate of this device that the connection of a session has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShownCertificate {
    /// Its notAfter (seconds since 1970).
    pub(super) until: u64,
    /// Its SHA-256.
    digest: [u8; 32],
}

impl ShownCertificate {
    /// That of a connection that begins now.
    pub(super) fn of(own: &Person) -> Self {
        Self { until: own.not_after, digest: own.certificate.digest }
    }
}

pub(super) struct Link {
    pub(super) person: Person,
    pub(super) purpose: Purpose,
    pub(super) session: Session<Token>,
    pub(super) run: [u8; 8],
    pub(super) bot: bool,
    /// Whether it was told that its person went on at another device of hers, and nothing came from it since.
    pub(super) told_elsewhere: bool,
    /// What waits for the other side's Hello.
    pub(super) after_hello: Vec<(u64, Said)>,
    pub(super) typing: Typing,
    /// It was made to ask for what was offered to all in a large room: no room needs it if it is to nobody who is to be linked.
    pub(super) for_files: bool,
    pub(super) history: Keeping,
    pub(super) gossip: Listening,
    pub(super) mail: Mail,
    /// Which devices of hers endorse this one; nothing while she is not introduced, which waits for her Hello.
    pub(super) endorsed_by: Option<Vec<Fingerprint>>,
    pub(super) key: SessionKey,
    pub(super) shown: ShownCertificate,
    /// What carries it.
    pub(super) connection: Option<ConnectionId>,
    /// Whether the other side takes what goes out on the room channel.
    pub(super) keeps_up: bool,
    /// Set while it looks for another connection.
    pub(super) seeking: Option<Seeking>,
    pub(super) since: Instant,
    /// Something has come on its connection since then.
    pub(super) heard_after: Instant,
    pub(super) last_content: Instant,
    /// When the first of what is unanswered was sent, the last answer came, or it went on on another connection.
    pub(super) answers_due_since: Instant,
}

impl Link {
    /// Whether this person at this device is at its other end.
    pub(super) fn is_with(&self, person: &Person) -> bool {
        self.person.device == person.device && self.person.identifier == person.identifier
    }
}

impl Core {
    /// What this device's Hello says to somebody that it can do.
    pub(super) fn capabilities(&self, to: &Identifier) -> u64 {
        let bot = if self.me.bot { capability::BOT } else { 0 };
        let read = if self.settings.read_receipts { capability::READ } else { 0 };
        let signals = capability::MARKS | capability::TYPING | capability::MOVES | capability::FILES | capability::MAIL;
        let signals = signals | self.history_capability(to);
        capability::TEXT | capability::ROOMS | capability::RESUME | signals | bot | read | self.gossip_capability()
    }

    /// A session begins, and Hello goes out.
    pub(super) fn begin_session(
        &mut self,
        connection: ConnectionId,
        person: Person,
        purpose: Purpose,
        (exported, dialled): (&Exported, bool),
        errands: Vec<Errand>,
        now: Now,
    ) {
        let hello = self.open_link(connection, person, purpose, (exported, dialled), now);
        self.send_talk(connection, &hello);
        self.run_errands(connection, errands, now);
    }

    /// A session begins; returns the Hello that is to be the first frame.
    pub(super) fn open_link(
        &mut self,
        connection: ConnectionId,
        person: Person,
        purpose: Purpose,
        (exported, dialled): (&Exported, bool),
        now: Now,
    ) -> TalkFrame {
        let (session, mut hello) = Session::new(self.run, self.capabilities(&person.identifier), dialled);
        hello.endorse(self.vouchers_for(&person.identifier, purpose, now));
        let key = SessionKey::new(exported, self.me.person.device.spki_digest(), person.device.spki_digest());
        let link = Link {
            history: self.begins_with(&person.identifier),
            person,
            purpose,
            session,
            run: [0; 8],
            bot: false,
            told_elsewhere: false,
            after_hello: Vec::new(),
            typing: Typing::default(),
            for_files: false,
            gossip: Listening::default(),
            mail: Mail::default(),
            endorsed_by: None,
            key,
            shown: ShownCertificate::of(&self.me.person),
            connection: Some(connection),
            keeps_up: true,
            seeking: None,
            since: now.instant,
            heard_after: now.instant,
            last_content: now.instant,
            answers_due_since: now.instant,
        };
        self.sessions.begin(link.person.device, connection);
        self.links.insert(connection, link);
        self.carried.insert(connection, connection);
        hello
    }

    /// The newest link to a person over which she takes one-to-one texts from us; only to this device, if one is named, and
    /// to the one at which she is otherwise.
    pub(super) fn session_for_text(&self, who: &Identifier, only: Option<DeviceKey>) -> Option<SessionId> {
        let takes = |link: &Link| {
            let meant = link.person.identifier == *who && only.is_none_or(|device| device == link.person.device);
            meant && (link.purpose == Purpose::Text || self.is_contact(who))
        };
        let here = self.at.get(who).filter(|_| only.is_none());
        let found = self.links.iter().filter(|(_, link)| takes(link));
        found.max_by_key(|(id, link)| (here == Some(&link.person.device), **id)).map(|(id, _)| *id)
    }

    /// The newest link to a person.
    pub(super) fn session_with(&self, who: &Identifier) -> Option<SessionId> {
        self.links.iter().rev().find(|(_, link)| link.person.identifier == *who).map(|(id, _)| *id)
    }

    /// The newest link to a device.
    pub(super) fn session_to(&self, device: DeviceKey) -> Option<SessionId> {
        self.sessions.newest(device)
    }

    /// A connection is lost, and why, for people.
    pub fn disconnected(&mut self, connection: ConnectionId, loss: Loss, reason: &str, now: Now) {
        if let Some(candidate) = self.candidates.remove(&connection) {
            return self.candidate_lost(candidate, reason, now);
        }
        let Some(session) = self.carried.get(&connection).copied() else { return };
        let Some(link) = self.links.get_mut(&session) else { return };
        if loss == Loss::Unread {
            link.session.was_not_read();
        }
        let resumable = link.session.is_resumable();
        if resumable && loss == Loss::Broken {
            self.pause_link(session, now);
        } else {
            self.end_link(session, reason, now);
        }
    }

    /// A session has ended: what was under way gets its verdict.
    pub(super) fn end_link(&mut self, id: SessionId, reason: &str, now: Now) {
        self.stops_typing(id);
        let Some(link) = self.links.remove(&id) else { return };
        self.sessions.end(link.person.device, id);
        let Link { person, session, connection, seeking, after_hello, endorsed_by, mail, .. } = link;
        self.stops_typing_in_rooms(person.device);
        let lost: Vec<(Token, Verdict)> = session.lost().into_iter().collect();
        if endorsed_by.is_none() && lost.iter().any(|(_, verdict)| *verdict == Verdict::Unanswered) {
            // Something has gone to a device that never said Hello: whose it was is told all the same.
            self.introduce(&person, Vec::new());
        }
        let told = seeking.is_some_and(|seeking| seeking.is_told());
        if let Some(connection) = connection {
            self.carried.remove(&connection);
        }
        if told {
            let (who, reason) = (person.identifier.clone(), Some(reason.to_owned()));
            self.emit(Event::Session { who, state: SessionState::Lost, reason });
        }
        for (token, verdict) in lost {
            self.judge(token, verdict, reason, now);
        }
        self.fail_what_waited(&person.identifier, after_hello, reason, now);
        self.stop_files(id, reason, now);
        if mail.is_asked() {
            self.no_mail(&person.identifier, NoMail::Unreachable, reason);
        }
        self.may_have_gone(&person);
        self.may_forget_history(&person.identifier);
        if self.session_to(person.device).is_none() {
            self.device_lost(&person, now);
        }
    }

    pub(super) fn judge(&mut self, token: Token, verdict: Verdict, reason: &str, now: Now) {
        match (token, verdict) {
            (Token::Receipt, _) => {}
            (Token::Said { to, id }, Verdict::NotSent) => {
                let reason = format!("the connection to {to} was lost before anybody read it: {reason}");
                self.said_state(id, to, DeliveryState::NotDelivered, Some(reason), now);
            }
            (Token::Said { to, id }, Verdict::Unanswered) => {
                let reason = format!(
                    "the connection to {to} was lost before the acknowledgement: {reason}; sending it again with the same id shows it once"
                );
                self.said_state(id, to, DeliveryState::Unknown, Some(reason), now);
            }
            (Token::Room { room, id, device }, Verdict::NotSent) => {
                self.room_text_missed(room, id, device, "the connection was lost before anybody read it");
            }
            (Token::Room { room, id, device }, Verdict::Unanswered) => {
                self.room_text_missed(room, id, device, "unknown: the connection was lost before the acknowledgement");
            }
        }
    }

    /// What came on a connection is not the protocol.
    pub fn misbehaved(&mut self, connection: ConnectionId, reason: &str, now: Now) {
        self.close_connection(connection, Close::PROTOCOL, reason, now);
    }

    /// The certificate at the other end is accepted no longer: it was revoked, or its authority is not trusted any more.
    pub fn no_longer_accepted(&mut self, connection: ConnectionId, reason: &str, now: Now) {
        self.close_connection(connection, Close::EXPIRED, reason, now);
        self.review_rooms(now);
    }

    /// Closes a connection from this side, and the session that it carries.
    fn close_connection(&mut self, connection: ConnectionId, code: Close, reason: &str, now: Now) {
        if self.candidates.contains_key(&connection) {
            self.drop_candidate(connection, code, reason, now);
        } else if let Some(session) = self.carried.get(&connection).copied() {
            self.close_link(session, code, reason, now);
        }
    }

    /// Ends a session from this side.
    pub(super) fn close_link(&mut self, session: SessionId, code: Close, reason: &str, now: Now) {
        // What was said, and what was taken, goes out before.
        self.flush(session);
        if let Some(connection) = self.links.get(&session).and_then(|link| link.connection) {
            self.actions.push_back(Action::Close { connection, code });
        }
        self.end_link(session, reason, now);
    }

    /// Whoever is no contact any more, or sees nobody here, must knock before writing again: a link that a room needs
    /// stays for the room.
    pub(super) fn end_links(&mut self, who: &Identifier, reason: &str, now: Now) {
        self.withdraw_resuming(who, |_| true);
        let theirs = self.links.iter().filter(|(_, link)| link.person.identifier == *who);
        let links: Vec<_> = theirs.map(|(id, link)| (*id, link.person.device)).collect();
        for (id, device) in links {
            if !self.needed_by_room(device) {
                self.close_link(id, Close::DONE, reason, now);
            } else if let Some(link) = self.links.get_mut(&id) {
                link.purpose = Purpose::Room;
                self.cancel_files(id, reason, now);
            }
        }
        self.drop_candidates_of(who, reason, now);
    }

    pub(super) fn close_all_links(&mut self, reason: &str, now: Now) {
        let connections: Vec<ConnectionId> = self.candidates.keys().copied().collect();
        for connection in connections {
            self.drop_candidate(connection, Close::DONE, reason, now);
        }
        let ids: Vec<SessionId> = self.links.keys().copied().collect();
        for id in ids {
            self.close_link(id, Close::DONE, reason, now);
        }
    }

    /// Whether it stays though nothing is said on it: for a room, or for files.
    fn is_needed(&self, session: SessionId, link: &Link) -> bool {
        let by_room = match link.for_files {
            true => self.is_to_be_linked(link.person.device),
            false => self.needed_by_room(link.person.device),
        };
        by_room || self.files.need(session)
    }

    /// When something about a session is due, but for the end of a certificate.
    pub(super) fn next_of_link(&self, session: SessionId, link: &Link) -> Option<Instant> {
        let hello = (!link.session.is_open()).then(|| link.since + GREETING);
        let behind = (!link.keeps_up).then_some(link.since);
        let seeking = link.seeking.as_ref().map(|seeking| seeking.next_deadline(self.may_resume(link)));
        let quiet = link.session.is_quiet();
        let answer = (seeking.is_none() && !quiet).then(|| link.answers_due_since + ANSWER);
        let idle = (quiet && !self.is_needed(session, link)).then(|| link.last_content + IDLE);
        [hello, behind, seeking, answer, idle, link.typing.until].into_iter().flatten().min()
    }

    pub(super) fn expire_links(&mut self, now: Now) {
        let mut closing = Vec::new();
        for (id, link) in &self.links {
            if now.unix.as_secs() > link.person.not_after.min(link.shown.until) {
                closing.push((*id, Close::EXPIRED, "a certificate of this connection has expired"));
            } else if !link.session.is_open() && now.instant >= link.since + GREETING {
                closing.push((*id, Close::PROTOCOL, "no Hello came"));
            } else if !link.keeps_up {
                closing.push((*id, Close::STALLED, "the other device does not say what came"));
            } else if link.seeking.is_none()
                && !link.session.is_quiet()
                && now.instant >= link.answers_due_since + ANSWER
            {
                closing.push((*id, Close::STALLED, "the other device answered nothing for 20 s"));
            } else if now.instant >= link.last_content + IDLE && link.session.is_quiet() && !self.is_needed(*id, link) {
                closing.push((*id, Close::DONE, "nothing was said for a while"));
            }
        }
        for (id, code, reason) in closing {
            self.close_link(id, code, reason, now);
        }
    }
}
