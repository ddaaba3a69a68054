//! That somebody is writing a text: told to whoever is connected, and forgotten by itself. It has no number, and nobody
//! answers it.

use std::time::{Duration, Instant};

use identity::Identifier;

use super::links::Link;
use super::{Core, SessionId};
use crate::api::Event;
use crate::time::Now;
use crate::wire::{TalkFrame, capability};

/// How long somebody counts as writing after the last word of it.
pub(super) const LIFE: Duration = Duration::from_secs(6);

/// It is told again no more often than this, while it lasts.
pub(super) const AGAIN: Duration = Duration::from_secs(3);

/// Whoever begins more often than this is not listened to: a client is not woken for it all the time.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Who is writing, at the two ends of a session.
#[derive(Default)]
pub(super) struct Typing {
    /// When it was told last that one is writing oneself; nothing if one is not.
    pub(super) told: Option<Instant>,
    /// Until when the other side counts as writing.
    pub(super) until: Option<Instant>,
    /// When it began last.
    began: Option<Instant>,
}

impl Core {
    /// One is writing to somebody, or no longer.
    pub(super) fn type_to(&mut self, to: &Identifier, typing: bool, now: Now) {
        if !self.settings.typing || self.is_blocked(to) {
            return;
        }
        let Some(session) = self.session_for_text(to, None) else { return };
        let Some(link) = self.links.get_mut(&session) else { return };
        let due = match link.typing.told {
            Some(told) => !typing || now.instant >= told + AGAIN,
            None => typing,
        };
        if !due || !link.session.shares(capability::TYPING) || link.session.is_paused() {
            return;
        }
        link.typing.told = typing.then_some(now.instant);
        self.send_talk(session, &TalkFrame::Typing { typing });
    }

    /// One does not tell it any more: those who believe that one is writing are told otherwise.
    pub(super) fn stop_telling_of_typing(&mut self) {
        let told = |(session, link): (&SessionId, &mut Link)| link.typing.told.take().map(|_| *session);
        let sessions: Vec<SessionId> = self.links.iter_mut().filter_map(told).collect();
        for session in sessions {
            self.send_talk(session, &TalkFrame::Typing { typing: false });
        }
        self.stop_telling_of_typing_in_rooms();
    }

    /// The other side is writing, or no longer.
    pub(super) fn typing_arrived(&mut self, session: SessionId, typing: bool, now: Now) {
        if !typing {
            return self.stops_typing(session);
        }
        if self.why_refused(session).is_some() {
            return;
        }
        let Some(link) = self.links.get_mut(&session) else { return };
        let until = Some(now.instant + LIFE);
        if link.typing.until.is_some() {
            link.typing.until = until;
        } else if link.typing.began.is_none_or(|began| now.instant >= began + PAUSE) {
            (link.typing.until, link.typing.began) = (until, Some(now.instant));
            let who = link.person.identifier.clone();
            self.emit(Event::Typing { who, typing: true });
        }
    }

    /// The other side is not writing any more; told if it was.
    pub(super) fn stops_typing(&mut self, session: SessionId) {
        let Some(link) = self.links.get_mut(&session) else { return };
        if link.typing.until.take().is_some() {
            let who = link.person.identifier.clone();
            self.emit(Event::Typing { who, typing: false });
        }
    }

    pub(super) fn expire_typing(&mut self, now: Now) {
        let over = self.links.iter().filter(|(_, link)| link.typing.until.is_some_and(|until| until <= now.instant));
        let sessions: Vec<SessionId> = over.map(|(session, _)| *session).collect();
        for session in sessions {
            self.stops_typing(session);
        }
    }
}
