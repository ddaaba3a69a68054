//! One-to-one texts: sent now or refused now, and never called delivered without the other device's word.

use identity::Identifier;

use super::call_ends::not_online;
use super::errands::Errand;
use super::links::Token;
use super::{Core, SessionId};
use crate::MAX_TEXT_BYTES;
use crate::api::{DeliveryState, Event, Purpose};
use crate::session::Content;
use crate::time::Now;

/// The largest id: JSON numbers are exact up to here in every language.
const MAX_ID: u64 = (1 << 53) - 1;

/// Why a text that may have arrived is not simply sent to whatever device is there.
const ONE_DEVICE: &str = "an earlier sending may have arrived at one of their devices: it goes to that one or to none";

impl Core {
    pub(super) fn send_text(&mut self, to: Identifier, text: String, id: Option<u64>, now: Now) {
        let Some(id) = self.admit_text("send", to.as_str(), &text, id) else { return };
        let only = self.used_ids.device(to.as_str(), id);
        if let Some(session) = self.session_for_text(&to, only) {
            self.text_state(id, to.clone(), DeliveryState::Sending, None);
            return self.put_text(session, to, id, text, now);
        }
        if let Some(reason) = self.why_unreachable() {
            return self.text_state(id, to, DeliveryState::NotDelivered, Some(reason.to_owned()));
        }
        if self.known_offline(&to) {
            let reason = not_online(&to);
            return self.text_state(id, to, DeliveryState::NotDelivered, Some(reason));
        }
        self.text_state(id, to.clone(), DeliveryState::Sending, None);
        self.call_device(to, only.map(|device| device.spki_digest()), Purpose::Text, Errand::Text { id, text }, now);
    }

    /// Checks a text and its id, drawing one if none was given; says what is wrong otherwise.
    pub(super) fn admit_text(&mut self, about: &str, to: &str, text: &str, id: Option<u64>) -> Option<u64> {
        if text.len() > MAX_TEXT_BYTES {
            let message = format!("expected a text of at most {MAX_TEXT_BYTES} bytes, found {}", text.len());
            self.error(about, message, "send it in parts");
            return None;
        }
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
            None => {
                let mut bytes = [0; 8];
                (self.draw)(&mut bytes);
                u64::from_be_bytes(bytes) & MAX_ID
            }
        };
        if !self.used_ids.admit(to, id, text) {
            self.error(
                about,
                format!("expected the same text under the id {id} as before, found another"),
                "give every text an id of its own",
            );
            return None;
        }
        Some(id)
    }

    pub(super) fn put_text(&mut self, session: SessionId, to: Identifier, id: u64, text: String, now: Now) {
        if let Some(link) = self.links.get(&session) {
            self.used_ids.goes_to(to.as_str(), id, link.person.device);
        }
        if let Err(full) = self.put(session, Content::Text { id, text }, Token::Text { to: to.clone(), id }, now) {
            self.text_state(id, to, DeliveryState::NotDelivered, Some(full));
        }
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

    /// A text came in: shown once, acknowledged every time, when the client has taken it.
    pub(super) fn text_arrived(&mut self, session: SessionId, number: u64, id: u64, text: String) {
        let Some(link) = self.links.get_mut(&session) else { return };
        let (from, bot) = (link.person.identifier.clone(), link.bot);
        let stranger = link.purpose != Purpose::Text && !self.contacts.contains_key(&from);
        // The same words: whoever is blocked may share a room, and cannot tell it from not being a contact.
        if stranger || self.settings.blocked.contains(&from) {
            link.session.refuse(number, "this connection is not for texts: knock first");
            return;
        }
        self.show((session, number), (None, id), |_| Event::Message { id, from, text, bot });
    }
}
