//! What goes over a link: frames out, frames in, and what they mean to the rest of the engine.

use super::links::Token;
use super::saying::carried_over;
use super::{Action, ConnectionId, Core, SessionId};
use crate::api::DeliveryState;
use crate::session::{Arrival, Content, Verdict};
use crate::time::Now;
use crate::wire::{Channel, Close, RoomFrame, SMALLEST_FRAME_BYTES, TalkFrame, capability, encode};

impl Core {
    /// Sends numbered content, with whatever else this session has to send then, once everything that happened is dealt with.
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
        self.send_later(session);
        Ok(())
    }

    /// Sends in this session what never left in another one.
    pub(super) fn put_again(&mut self, session: SessionId, content: Content, token: Token, now: Now) {
        let put = match carried_over(content) {
            Some(content) => self.put(session, content, token.clone(), now),
            None => Err("what it was about may not be known there any more".to_owned()),
        };
        if let Err(reason) = put {
            self.judge(token, Verdict::NotSent, &reason, now);
        }
    }

    /// This session has something to send.
    pub(super) fn send_later(&mut self, session: SessionId) {
        if self.unsent.last() != Some(&session) {
            self.unsent.push(session);
        }
    }

    /// Puts on the wire what sessions have to send.
    pub(super) fn send_unsent(&mut self) {
        while let Some(session) = self.unsent.pop() {
            self.flush(session);
        }
    }

    /// Puts whatever the session may send now on the wire, all of it together.
    pub(super) fn flush(&mut self, session: SessionId) {
        let Some(link) = self.links.get_mut(&session) else { return };
        let (mut bytes, mut frames) = (Vec::new(), 0);
        let expected = link.session.frames_to_go() * SMALLEST_FRAME_BYTES;
        while let Some(frame) = link.session.next_frame() {
            bytes.reserve(if frames == 0 { expected } else { 0 });
            frame.encode_onto(&mut bytes);
            frames += 1;
        }
        if let Some(connection) = link.connection.filter(|_| frames > 0) {
            self.actions.push_back(Action::Send { connection, channel: Channel::Talk, bytes, frames });
        }
    }

    pub(super) fn send_talk(&mut self, session: SessionId, frame: &TalkFrame) {
        // What was said before goes out before.
        if self.unsent.contains(&session) {
            self.flush(session);
        }
        let Some(connection) = self.links.get(&session).and_then(|link| link.connection) else { return };
        self.send_talk_on(connection, frame);
    }

    pub(super) fn send_talk_on(&mut self, connection: ConnectionId, frame: &TalkFrame) {
        let bytes = encode(frame, Channel::Talk)
            .expect("texts and views are within their limits, which leave room for the rest of a frame");
        self.actions.push_back(Action::Send { connection, channel: Channel::Talk, bytes, frames: 1 });
    }

    /// Sends a room frame, now or once another connection carries the session; one that is too long is an error of the
    /// room's, told to the client.
    pub(super) fn send_room(&mut self, session: SessionId, frame: &RoomFrame) {
        let Some(link) = self.links.get_mut(&session) else { return };
        match encode(frame, Channel::Rooms) {
            Ok(bytes) => {
                link.keeps_up &= link.session.room_frame_sent(&bytes);
                if let Some(connection) = link.connection {
                    self.actions.push_back(Action::Send { connection, channel: Channel::Rooms, bytes, frames: 1 });
                }
            }
            Err(error) => self.error(frame.name(), error.to_string(), "the room is too large for this version"),
        }
    }

    /// A talk frame came in.
    pub fn talk_frame(&mut self, connection: ConnectionId, frame: TalkFrame, now: Now) {
        if self.candidates.contains_key(&connection) {
            return self.candidate_said(connection, frame, now);
        }
        let Some(session) = self.carried.get(&connection).copied() else { return };
        if let TalkFrame::Hello { resume: Some(resume), .. } = &frame
            && self.is_somebody_elses(session, resume)
        {
            return self.close_link(session, Close::NOT_ITS_SESSION, "it named a session that is not its own", now);
        }
        let Some(link) = self.links.get_mut(&session) else { return };
        let mut arrivals = std::mem::take(&mut self.arrivals);
        let received = link.session.receive(frame, &mut arrivals);
        let opened = matches!(*arrivals, [Arrival::Open { .. }]);
        for arrival in arrivals.drain(..) {
            self.arrived(session, arrival, now);
        }
        // Its memory serves the next frame.
        self.arrivals = arrivals;
        match received {
            Ok(()) => {
                self.send_later(session);
                if opened {
                    self.tell_views(session);
                    self.mail_opened(session);
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
            Arrival::Open { run, capabilities, endorsements } => {
                link.answers_due_since = now.instant;
                link.run = run;
                link.bot = capabilities & capability::BOT != 0;
                let person = link.person.clone();
                self.introduce_opened(session, &person, endorsements, now);
                self.link_opened(session, capabilities);
                self.history_opened(session, capabilities, now);
                self.say_what_waited(session, now);
            }
            Arrival::Typing(typing) => self.typing_arrived(session, typing, now),
            Arrival::RoomTyping { room, typing } => self.room_typing_arrived(session, room, typing, now),
            Arrival::Views(views) => self.views_arrived(session, views),
            Arrival::MailCertificate(chain) => self.mail_arrived(session, &chain, now),
            Arrival::Content { number, content } => {
                link.last_content = now.instant;
                self.said_to_us(session, number, content, now);
            }
            Arrival::Taken(Token::Receipt) | Arrival::Refused(Token::Receipt, _) => {}
            Arrival::Taken(Token::Said { to, id }) => self.said_state(id, to, DeliveryState::Delivered, None, now),
            Arrival::Taken(Token::Room { room, id, device }) => self.room_text_taken(room, id, device),
            Arrival::Refused(Token::Said { to, id }, reason) => {
                let reason = format!("{to}'s device refused it: {reason}");
                self.said_state(id, to, DeliveryState::NotDelivered, Some(reason), now);
            }
            Arrival::Refused(Token::Room { room, id, device }, reason) => {
                self.room_text_missed(room, id, device, &reason);
            }
        }
    }

    /// A room frame came in. Of each connection a talk frame comes first: the room channel is read after it.
    pub fn room_frame(&mut self, connection: ConnectionId, frame: RoomFrame, now: Now) {
        if self.candidates.contains_key(&connection) {
            return self.drop_candidate(connection, Close::PROTOCOL, "expected Hello, found a room frame", now);
        }
        let Some(session) = self.carried.get(&connection).copied() else { return };
        let Some(link) = self.links.get_mut(&session) else { return };
        if link.session.room_frame_came() {
            // What was made for files alone does not stay for the beats that come over it.
            if !link.for_files {
                link.last_content = now.instant;
            }
            let person = link.person.clone();
            self.room_frame_from(session, person, frame, now);
        }
        self.flush(session);
    }
}
