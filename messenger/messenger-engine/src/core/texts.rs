//! One-to-one texts: sent now or refused now, and never called delivered without the other device's word.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};

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

/// How many ids given by the client are remembered, to catch one used for two different texts.
const MAX_REMEMBERED: usize = 65_536;

/// The ids that stand for texts, with a digest of each. No text is kept.
#[derive(Default)]
pub(super) struct Ids {
    /// By whom the text is for.
    given: HashMap<String, HashMap<u64, Given>>,
    count: usize,
    /// Makes the digests. They catch a client's mistake, nobody's attack, so a keyed hash of 64 bits is enough.
    digests: RandomState,
}

/// What is remembered of an id.
struct Given {
    digest: u64,
    /// The most that is known of its earlier sendings: delivered, or unknown.
    arrived: Option<DeliveryState>,
}

impl Ids {
    /// Whether this id may stand for this text: it is new, or it stood for the same text before.
    fn admit(&mut self, to: &str, id: u64, text: &str) -> bool {
        if self.count >= MAX_REMEMBERED {
            self.given.clear();
            self.count = 0;
        }
        if !self.given.contains_key(to) {
            self.given.insert(to.to_owned(), HashMap::new());
        }
        let digest = self.digests.hash_one(text);
        let Some(theirs) = self.given.get_mut(to) else { return true };
        match theirs.entry(id) {
            Entry::Occupied(given) => given.get().digest == digest,
            Entry::Vacant(free) => {
                free.insert(Given { digest, arrived: None });
                self.count += 1;
                true
            }
        }
    }

    /// The state of the text under this id once the latest sending of it has come to `state`. One sending that failed
    /// does not undo what an earlier one did, or may have done.
    fn after(&mut self, to: &str, id: u64, state: DeliveryState) -> DeliveryState {
        if state == DeliveryState::Sending {
            return state;
        }
        let Some(given) = self.given.get_mut(to).and_then(|theirs| theirs.get_mut(&id)) else { return state };
        match (given.arrived, state) {
            (Some(DeliveryState::Delivered), _) | (_, DeliveryState::Delivered) => {
                *given.arrived.insert(DeliveryState::Delivered)
            }
            (Some(DeliveryState::Unknown), _) | (_, DeliveryState::Unknown) => {
                *given.arrived.insert(DeliveryState::Unknown)
            }
            _ => state,
        }
    }
}

impl Core {
    pub(super) fn send_text(&mut self, to: Identifier, text: String, id: Option<u64>, now: Now) {
        let Some(id) = self.admit_text("send", to.as_str(), &text, id) else { return };
        if let Some(session) = self.session_for_text(&to) {
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
        self.call_for(to, Purpose::Text, Errand::Text { id, text }, now);
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
        if let Err(full) = self.put(session, Content::Text { id, text }, Token::Text { to: to.clone(), id }, now) {
            self.text_state(id, to, DeliveryState::NotDelivered, Some(full));
        }
    }

    pub(super) fn text_state(&mut self, id: u64, to: Identifier, latest: DeliveryState, reason: Option<String>) {
        let state = self.used_ids.after(to.as_str(), id, latest);
        let reason = match (latest, state) {
            (DeliveryState::NotDelivered, DeliveryState::Unknown) => {
                reason.map(|reason| format!("{reason}; an earlier sending of it may have arrived"))
            }
            (_, DeliveryState::Delivered) => None,
            _ => reason,
        };
        self.emit(Event::MessageState { id, to, state, reason });
    }

    /// A text came in: shown once, acknowledged every time.
    pub(super) fn text_arrived(&mut self, session: SessionId, number: u64, id: u64, text: String) {
        let Some(link) = self.links.get_mut(&session) else { return };
        let (from, device, run, bot) = (link.person.identifier.clone(), link.person.device, link.run, link.bot);
        let stranger = link.purpose != Purpose::Text && !self.contacts.contains_key(&from);
        // The same words: whoever is blocked may share a room, and cannot tell it from not being a contact.
        if stranger || self.settings.blocked.contains(&from) {
            link.session.refuse(number, "this connection is not for texts: knock first");
            return;
        }
        link.session.acknowledge(number);
        if self.seen.is_new(device, run, None, id) {
            self.emit(Event::Message { id, from, text, bot });
        }
    }
}
