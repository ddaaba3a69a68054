//! One-to-one texts: what they are checked for, and what becomes of those that come.

use identity::Identifier;

use super::heard::Place;
use super::ids::Sent;
use super::saying::{Said, drawn_id};
use super::{Core, SessionId};
use crate::MAX_TEXT_BYTES;
use crate::api::{Event, Purpose, TextRef};
use crate::time::Now;
use crate::wire::Target;

impl Core {
    pub(super) fn send_text(
        &mut self,
        to: Identifier,
        text: String,
        id: Option<u64>,
        reply_to: Option<TextRef>,
        now: Now,
    ) {
        let reply = match reply_to.map(|text| self.locate("send", &to, text)) {
            Some(None) => return,
            reply => reply.flatten(),
        };
        let Some(id) = self.admit_text("send", to.as_str(), &text, id) else { return };
        // Where the text that it answers is known, it says more. Elsewhere it goes without, and so it does where she is no more.
        let there = reply.map(|reply| reply.device).filter(|device| {
            let is_there = self.at.get(&to).is_none_or(|here| here == device);
            is_there && self.session_for_text(&to, Some(*device)).is_some()
        });
        self.say_to(to, id, Said::Text { text, reply }, there, now);
    }

    /// Checks a text and its id, drawing one if none was given; says what is wrong otherwise.
    pub(super) fn admit_text(&mut self, about: &str, to: &str, text: &str, id: Option<u64>) -> Option<u64> {
        self.is_short_enough(about, text).then(|| self.admit_id(about, to, Sent::Text(text), id)).flatten()
    }

    /// Whether a text can be sent; says so if not.
    pub(super) fn is_short_enough(&mut self, about: &str, text: &str) -> bool {
        let short = text.len() <= MAX_TEXT_BYTES;
        if !short {
            let message = format!("expected a text of at most {MAX_TEXT_BYTES} bytes, found {}", text.len());
            self.error(about, message, "send it in parts");
        }
        short
    }

    /// Why nothing is taken from the person at the other end, if so.
    pub(super) fn why_refused(&self, session: SessionId) -> Option<&'static str> {
        let link = self.links.get(&session)?;
        let who = &link.person.identifier;
        let stranger = link.purpose != Purpose::Text && !self.is_contact(who);
        // The same words: whoever is blocked may share a room, and cannot tell it from not being a contact.
        (stranger || self.is_blocked(who)).then_some("this connection is not for texts: knock first")
    }

    /// A text came in: shown once, acknowledged every time, when the client has taken it.
    pub(super) fn text_arrived(
        &mut self,
        session: SessionId,
        number: u64,
        id: u64,
        (text, reply): (String, Option<Target>),
    ) {
        self.show((session, number), (None, id), |core| {
            core.stops_typing(session);
            core.is_at(session);
            let link = core.links.get(&session).ok_or("the conversation has ended")?;
            let (from, device, run, bot) = (link.person.identifier.clone(), link.person.device, link.run, link.bot);
            let reply_to = reply.and_then(|target| core.named(&from, device, run, target));
            let draw = &mut core.draw;
            let id = core.heard.add(&from, Place { device, run, id }, || drawn_id(draw));
            Ok(Event::Message { id, from, text, bot, reply_to })
        });
    }
}
