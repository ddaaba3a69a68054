//! One-to-one texts: what they are checked for, what is told of them, and what becomes of those that come.

use identity::Identifier;

use super::heard::Place;
use super::ids::Sent;
use super::saying::Said;
use super::{Core, Draw, SessionId};
use crate::MAX_TEXT_BYTES;
use crate::api::{DeliveryState, Event, Purpose, TextRef};
use crate::time::Now;
use crate::wire::Target;

/// The largest id: JSON numbers are exact up to here in every language.
pub(super) const MAX_ID: u64 = (1 << 53) - 1;

/// Why a text that may have arrived is not simply sent to whatever device is there.
const ONE_DEVICE: &str = "an earlier sending may have arrived at one of their devices: it goes to that one or to none";

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
        // Where the text that it answers is known, it says more. Elsewhere it goes without.
        let there =
            reply.map(|reply| reply.device).filter(|device| self.session_for_text(&to, Some(*device)).is_some());
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

    /// Checks the id for something to be sent, drawing one if none was given; says what is wrong otherwise.
    pub(super) fn admit_id(&mut self, about: &str, to: &str, what: Sent<'_>, id: Option<u64>) -> Option<u64> {
        let id = match id {
            Some(id) if id > MAX_ID => {
                self.error(
                    about,
                    format!("expected an id of at most {MAX_ID}, found {id}"),
                    "leave the id out, and one is drawn",
                );
                return None;
            }
            Some(id) => id,
            None => self.draw_id(),
        };
        if !self.used_ids.admit(to, id, what) {
            self.error(
                about,
                format!("expected the same text under the id {id} as before, found another"),
                "give every text an id of its own",
            );
            return None;
        }
        Some(id)
    }

    pub(super) fn draw_id(&mut self) -> u64 {
        drawn_id(&mut self.draw)
    }

    pub(super) fn text_state(&mut self, id: u64, to: Identifier, latest: DeliveryState, reason: Option<String>) {
        let state = self.used_ids.after(to.as_str(), id, latest);
        let reason = match (latest, state) {
            (DeliveryState::NotDelivered, DeliveryState::Unknown) => {
                reason.map(|reason| format!("{reason}; {ONE_DEVICE}"))
            }
            (_, DeliveryState::Delivered) => None,
            _ => reason,
        };
        self.emit(Event::MessageState { id, to, state, reason });
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
            let link = core.links.get(&session).ok_or("the conversation has ended")?;
            let (from, device, run, bot) = (link.person.identifier.clone(), link.person.device, link.run, link.bot);
            let reply_to = reply.and_then(|target| core.named(&from, device, run, target));
            let draw = &mut core.draw;
            let id = core.heard.add(&from, Place { device, run, id }, || drawn_id(draw));
            Ok(Event::Message { id, from, text, bot, reply_to })
        });
    }
}

fn drawn_id(draw: &mut Draw) -> u64 {
    let mut bytes = [0; 8];
    draw(&mut bytes);
    u64::from_be_bytes(bytes) & MAX_ID
}
