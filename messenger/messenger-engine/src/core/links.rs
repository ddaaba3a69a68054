//! Links: the sessions that stand, each with one verified person at one device.

use std::time::{Duration, Instant};

use identity::Identifier;

use super::calls::Errand;
use super::gossip::Listening;
use super::{Action, Core, SessionId};
use crate::api::{DeliveryState, Purpose, RoomId};
use crate::room::{DeviceKey, Person};
use crate::session::{Arrival, Content, Session, Verdict};
use crate::time::Now;
use crate::wire::{Channel, Close, RoomFrame, TalkFrame, capability, encode};

/// A session on which nothing was said for this long is closed, unless a room needs it.
const IDLE: Duration = Duration::from_secs(180);

/// A session that did not say Hello for this long is closed.
const GREETING: Duration = Duration::from_secs(10);

/// A session that answers nothing of what was sent for this long is closed: its connection lives, its program does not.
const ANSWER: Duration = Duration::from_secs(20);

/// What an acknowledgement is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A one-to-one text.
    Text { to: Identifier, id: u64 },
    /// A room text to one member's device.
    Room { room: RoomId, id: u64, device: DeviceKey },
}

pub(super) struct Link {
    pub(super) person: Person,
    pub(super) purpose: Purpose,
    pub(super) session: Session<Token>,
    pub(super) run: [u8; 8],
    pub(super) bot: bool,
    pub(super) gossip: Listening,
    since: Instant,
    last_content: Instant,
    /// When the first of what is unanswered was sent, or the last answer came.
    answers_due_since: Instant,
}

impl Core {
    pub(super) fn open_link(&mut self, id: SessionId, person: Person, purpose: Purpose, now: Now) {
        let bot = if self.me.bot { capability::BOT } else { 0 };
        let capabilities = capability::TEXT | capability::ROOMS | bot | self.gossip_capability();
        let (session, hello) = Session::new(self.run, capabilities);
        let (since, last_content, answers_due_since) = (now.instant, now.instant, now.instant);
        let (run, bot, gossip) = ([0; 8], false, Listening::default());
        let link = Link { person, purpose, session, run, bot, gossip, since, last_content, answers_due_since };
        self.links.insert(id, link);
        self.send_talk(id, &hello);
    }

    pub(super) fn run_errand(&mut self, session: SessionId, errand: Errand, now: Now) {
        let Some(link) = self.links.get(&session) else { return };
        let who = link.person.identifier.clone();
        match errand {
            Errand::Text { id, text } => self.put_text(session, who, id, text, now),
            Errand::Invite { room } => self.send_invitation(session, room),
            Errand::Mesh => {}
        }
    }

    /// The newest link to a person over which she takes one-to-one texts from us.
    pub(super) fn session_for_text(&self, who: &Identifier) -> Option<SessionId> {
        let takes =
            |link: &&Link| link.person.identifier == *who && (link.purpose == Purpose::Text || self.is_contact(who));
        self.links.iter().rev().find(|(_, link)| takes(link)).map(|(id, _)| *id)
    }

    /// The newest link to a person.
    pub(super) fn session_with(&self, who: &Identifier) -> Option<SessionId> {
        self.links.iter().rev().find(|(_, link)| link.person.identifier == *who).map(|(id, _)| *id)
    }

    /// The newest link to a device.
    pub(super) fn session_to(&self, device: DeviceKey) -> Option<SessionId> {
        self.links.iter().rev().find(|(_, link)| link.person.device == device).map(|(id, _)| *id)
    }

    /// Sends numbered content.
    ///
    /// # Errors
    /// Why it was not taken, for people.
    pub(super) fn put(&mut self, session: SessionId, content: Content, token: Token, now: Now) -> Result<(), String> {
        let link = self.links.get_mut(&session).ok_or("the connection was lost")?;
        link.last_content = now.instant;
        if link.session.is_quiet() {
            link.answers_due_since = now.instant;
        }
        link.session.send(content, token).map_err(|full| full.to_string())?;
        self.flush(session);
        Ok(())
    }

    /// Puts whatever the session may send now on the wire.
    pub(super) fn flush(&mut self, session: SessionId) {
        let frames = self.links.get_mut(&session).map(|link| link.session.frames()).unwrap_or_default();
        for frame in frames {
            self.send_talk(session, &frame);
        }
    }

    pub(super) fn send_talk(&mut self, session: SessionId, frame: &TalkFrame) {
        let bytes = encode(frame, Channel::Talk)
            .expect("texts and views are within their limits, which leave room for the rest of a frame");
        self.actions.push_back(Action::Send { session, channel: Channel::Talk, bytes });
    }

    /// Sends a room frame; one that is too long is an error of the room's, told to the client.
    pub(super) fn send_room(&mut self, session: SessionId, frame: &RoomFrame) {
        match encode(frame, Channel::Rooms) {
            Ok(bytes) => self.actions.push_back(Action::Send { session, channel: Channel::Rooms, bytes }),
            Err(error) => self.error(frame.name(), error.to_string(), "the room is too large for this version"),
        }
    }

    /// A talk frame came in.
    pub fn talk_frame(&mut self, session: SessionId, frame: TalkFrame, now: Now) {
        let Some(link) = self.links.get_mut(&session) else { return };
        match link.session.receive(frame) {
            Ok(arrivals) => {
                let opened = matches!(*arrivals, [Arrival::Open { .. }]);
                for arrival in arrivals {
                    self.arrived(session, arrival, now);
                }
                self.flush(session);
                if opened {
                    self.tell_views(session);
                }
            }
            Err(violation) => self.close_link(session, Close::PROTOCOL, &violation.to_string(), now),
        }
    }

    fn arrived(&mut self, session: SessionId, arrival: Arrival<Token>, now: Now) {
        let Some(link) = self.links.get_mut(&session) else { return };
        if matches!(arrival, Arrival::Taken(_) | Arrival::Refused(..)) {
            link.answers_due_since = now.instant;
        }
        match arrival {
            Arrival::Open { run, capabilities } => {
                link.answers_due_since = now.instant;
                link.run = run;
                link.bot = capabilities & capability::BOT != 0;
                self.link_opened(session, capabilities);
            }
            Arrival::Views(views) => self.views_arrived(session, views),
            Arrival::Content { number, content } => {
                link.last_content = now.instant;
                match content {
                    Content::Text { id, text } => self.text_arrived(session, number, id, text),
                    Content::Room { room, message } => self.room_text_arrived(session, number, room, message, now),
                }
            }
            Arrival::Taken(Token::Text { to, id }) => self.text_state(id, to, DeliveryState::Delivered, None),
            Arrival::Taken(Token::Room { room, id, device }) => self.room_text_taken(room, id, device),
            Arrival::Refused(Token::Text { to, id }, reason) => {
                let reason = format!("{to}'s device refused it: {reason}");
                self.text_state(id, to, DeliveryState::NotDelivered, Some(reason));
            }
            Arrival::Refused(Token::Room { room, id, device }, reason) => {
                self.room_text_missed(room, id, device, &reason);
            }
        }
    }

    /// A room frame came in.
    pub fn room_frame(&mut self, session: SessionId, frame: RoomFrame, now: Now) {
        let Some(link) = self.links.get_mut(&session) else { return };
        link.last_content = now.instant;
        let person = link.person.clone();
        self.room_frame_from(session, person, frame, now);
    }

    /// A connection is lost, or broke the protocol (`reason` says how).
    pub fn disconnected(&mut self, session: SessionId, reason: &str, now: Now) {
        let Some(link) = self.links.remove(&session) else { return };
        let Link { person, session, .. } = link;
        for (token, verdict) in session.lost() {
            self.judge(token, verdict, reason);
        }
        if self.session_to(person.device).is_none() {
            self.device_lost(&person, now);
        }
    }

    fn judge(&mut self, token: Token, verdict: Verdict, reason: &str) {
        match (token, verdict) {
            (Token::Text { to, id }, Verdict::NotSent) => {
                let reason = format!("the connection to {to} was lost before it left: {reason}");
                self.text_state(id, to, DeliveryState::NotDelivered, Some(reason));
            }
            (Token::Text { to, id }, Verdict::Unanswered) => {
                let reason = format!(
                    "the connection to {to} was lost before the acknowledgement: {reason}; sending it again with the same id shows it once"
                );
                self.text_state(id, to, DeliveryState::Unknown, Some(reason));
            }
            (Token::Room { room, id, device }, Verdict::NotSent) => {
                self.room_text_missed(room, id, device, "the connection was lost before it left");
            }
            (Token::Room { room, id, device }, Verdict::Unanswered) => {
                self.room_text_missed(room, id, device, "unknown: the connection was lost before the acknowledgement");
            }
        }
    }

    /// What came on a connection is not the protocol.
    pub fn misbehaved(&mut self, session: SessionId, reason: &str, now: Now) {
        if self.links.contains_key(&session) {
            self.close_link(session, Close::PROTOCOL, reason, now);
        }
    }

    /// The certificate at the other end is accepted no longer: it was revoked, or its authority is not trusted any more.
    pub fn no_longer_accepted(&mut self, session: SessionId, reason: &str, now: Now) {
        if self.links.contains_key(&session) {
            self.close_link(session, Close::EXPIRED, reason, now);
        }
    }

    /// Closes a link from this side.
    pub(super) fn close_link(&mut self, session: SessionId, code: Close, reason: &str, now: Now) {
        self.actions.push_back(Action::Close { session, code });
        self.disconnected(session, reason, now);
    }

    /// Whoever is no contact any more, or sees nobody here, must knock before writing again: a link that a room needs
    /// stays for the room.
    pub(super) fn end_links(&mut self, who: &Identifier, reason: &str, now: Now) {
        let theirs = self.links.iter().filter(|(_, link)| link.person.identifier == *who);
        let links: Vec<_> = theirs.map(|(id, link)| (*id, link.person.device)).collect();
        for (id, device) in links {
            if !self.needed_by_room(device) {
                self.close_link(id, Close::DONE, reason, now);
            } else if let Some(link) = self.links.get_mut(&id) {
                link.purpose = Purpose::Room;
            }
        }
    }

    pub(super) fn close_all_links(&mut self, now: Now) {
        let ids: Vec<SessionId> = self.links.keys().copied().collect();
        for id in ids {
            self.close_link(id, Close::DONE, "you went offline", now);
        }
    }

    pub(super) fn expire_links(&mut self, now: Now) {
        let own_end = self.me.person.not_after;
        let mut closing = Vec::new();
        for (id, link) in &self.links {
            if now.unix.as_secs() > link.person.not_after.min(own_end) {
                closing.push((*id, Close::EXPIRED, "a certificate of this connection has expired"));
            } else if !link.session.is_open() && now.instant >= link.since + GREETING {
                closing.push((*id, Close::PROTOCOL, "no Hello came"));
            } else if !link.session.is_quiet() && now.instant >= link.answers_due_since + ANSWER {
                closing.push((*id, Close::STALLED, "the other device answered nothing for 20 s"));
            } else if now.instant >= link.last_content + IDLE
                && link.session.is_quiet()
                && !self.needed_by_room(link.person.device)
            {
                closing.push((*id, Close::DONE, "nothing was said for a while"));
            }
        }
        for (id, code, reason) in closing {
            self.close_link(id, code, reason, now);
        }
    }
}
