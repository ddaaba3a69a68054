//! Marks: what is said about texts, and what is no text. They share the numbers, the ids and the states of texts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use identity::Identifier;

use super::heard::Place;
use super::ids::Sent;
use super::links::Token;
use super::saying::{Reference, Said};
use super::{Core, SessionId};
use crate::MAX_EMOJI_BYTES;
use crate::api::{Event, Side, TextRef};
use crate::room::DeviceKey;
use crate::session::Content;
use crate::time::Now;
use crate::wire::{Author, MAX_READ, Mark, Target, capability, is_emoji};

/// Nobody is nudged by the same person more often than this, or told that she went on elsewhere.
const NUDGE_PAUSE: Duration = Duration::from_secs(10);

/// Why a mark is refused that is about a text which never came, or never went there.
const NO_SUCH_TEXT: &str = "no such text is known here";

impl Core {
    pub(super) fn react(&mut self, to: Identifier, on: TextRef, emoji: String, id: Option<u64>, now: Now) {
        if !is_emoji(&emoji) {
            let message = format!("expected at most {MAX_EMOJI_BYTES} bytes without spaces, found something else");
            return self.error("react", message, "react with one emoji, or answer with a text");
        }
        let Some(Reference { target, device, run }) = self.locate("react", &to, on) else { return };
        self.mark("react", to, Mark::Reaction { on: target, emoji }, (Some(device), run), id, now);
    }

    pub(super) fn edit(&mut self, to: Identifier, of: u64, text: String, id: Option<u64>, now: Now) {
        if !self.is_short_enough("edit", &text) {
            return;
        }
        let Some(own) = self.locate("edit", &to, TextRef { by: Side::Me, id: of }) else { return };
        self.mark("edit", to, Mark::Edit { of, text }, (Some(own.device), None), id, now);
    }

    pub(super) fn delete(&mut self, to: Identifier, of: u64, id: Option<u64>, now: Now) {
        let Some(own) = self.locate("delete", &to, TextRef { by: Side::Me, id: of }) else { return };
        self.mark("delete", to, Mark::Delete { of }, (Some(own.device), None), id, now);
    }

    pub(super) fn nudge(&mut self, to: Identifier, id: Option<u64>, now: Now) {
        self.mark("nudge", to, Mark::Nudge, (None, None), id, now);
    }

    pub(super) fn mark(
        &mut self,
        about: &str,
        to: Identifier,
        mark: Mark,
        (device, run): (Option<DeviceKey>, Option<[u8; 8]>),
        id: Option<u64>,
        now: Now,
    ) {
        let Some(id) = self.admit_id(about, to.as_str(), Sent::Mark(&mark), id) else { return };
        self.say_to(to, id, Said::Mark { mark, run }, device, now);
    }

    /// Tells whoever wants to know it, and tells as much herself, which of her texts were seen.
    pub(super) fn read(&mut self, who: &Identifier, ids: Vec<u64>, now: Now) {
        if !self.settings.read_receipts || self.is_blocked(who) {
            return;
        }
        let mut seen: BTreeMap<SessionId, Vec<u64>> = BTreeMap::new();
        for place in ids.into_iter().filter_map(|id| self.heard.place(who, id)) {
            let Some(session) = self.session_for_text(who, Some(place.device)) else { continue };
            let agreed = |link: &super::links::Link| {
                link.run == place.run && link.session.shares(capability::MARKS | capability::READ)
            };
            if self.links.get(&session).is_some_and(agreed) {
                seen.entry(session).or_default().push(place.id);
            }
        }
        for (session, ids) in seen {
            for ids in ids.chunks(MAX_READ) {
                let content = Content::Mark { id: self.draw_id(), mark: Mark::Read { ids: ids.to_vec() } };
                // One that cannot go now never goes: that a text was seen is nobody's due.
                let _ = self.put(session, content, Token::Receipt, now);
            }
        }
    }

    /// Where a text of the conversation with somebody is known; says so if nowhere.
    pub(super) fn locate(&mut self, about: &str, who: &Identifier, text: TextRef) -> Option<Reference> {
        let found = match text.by {
            Side::Me => self.used_ids.device_of_text(who.as_str(), text.id).map(|device| Reference {
                target: Target { author: Author::Sender, id: text.id },
                device,
                run: None,
            }),
            Side::Them => self.heard.place(who, text.id).map(|Place { device, run, id }| Reference {
                target: Target { author: Author::Receiver, id },
                device,
                run: Some(run),
            }),
        };
        if found.is_none() {
            let (message, remedy) = match text.by {
                Side::Me => (
                    format!("expected the id of a text that went to {who}, found {}", text.id),
                    "what was not delivered can be sent again, or another text in its place",
                ),
                Side::Them => (
                    format!("expected the id of one of the last texts of {who}, found {}", text.id),
                    "it stands in their message event",
                ),
            };
            self.error(about, message, remedy);
        }
        found
    }

    /// The text that somebody at this device, in this run, means; none if it is not known here.
    pub(super) fn named(&self, who: &Identifier, device: DeviceKey, run: [u8; 8], text: Target) -> Option<TextRef> {
        match text.author {
            Author::Sender => {
                let id = self.heard.number(who, &Place { device, run, id: text.id })?;
                Some(TextRef { by: Side::Them, id })
            }
            Author::Receiver => {
                let there = self.used_ids.device_of_text(who.as_str(), text.id) == Some(device);
                there.then_some(TextRef { by: Side::Me, id: text.id })
            }
        }
    }

    /// A mark came in: told once, acknowledged every time; refused if it is about nothing that is known here.
    pub(super) fn mark_arrived(&mut self, session: SessionId, number: u64, id: u64, mark: Mark, now: Now) {
        self.show((session, number), (None, id), |core| core.understood(session, mark, now));
    }

    fn understood(&mut self, session: SessionId, mark: Mark, now: Now) -> Result<Event, &'static str> {
        let link = self.links.get(&session).ok_or("the conversation has ended")?;
        let (from, device, run) = (link.person.identifier.clone(), link.person.device, link.run);
        let own = |id| self.heard.number(&from, &Place { device, run, id }).ok_or(NO_SUCH_TEXT);
        match mark {
            Mark::Reaction { emoji, .. } if !is_emoji(&emoji) => Err("expected an emoji, found something else"),
            Mark::Reaction { on, emoji } => {
                let on = self.named(&from, device, run, on).ok_or(NO_SUCH_TEXT)?;
                Ok(Event::Reaction { from, on, emoji })
            }
            Mark::Edit { of, text } => own(of).map(|id| Event::Edited { from: from.clone(), id, text }),
            Mark::Delete { of } => own(of).map(|id| Event::DeleteRequested { from: from.clone(), id }),
            Mark::Nudge => match may_ring(&mut self.nudged, &from, now) {
                true => Ok(Event::Nudge { from }),
                false => Err("nudged less than 10 s ago"),
            },
            Mark::Read { .. } if !link.session.shares(capability::READ) => Err("receipts were not agreed on"),
            Mark::Read { ids } => {
                let theirs = |id: &u64| self.used_ids.device_of_text(from.as_str(), *id) == Some(device);
                let ids: Vec<u64> = ids.into_iter().filter(theirs).collect();
                if ids.is_empty() { Err(NO_SUCH_TEXT) } else { Ok(Event::Read { who: from, ids }) }
            }
            Mark::Here | Mark::Elsewhere if !link.session.shares(capability::MOVES) => Err("moving was not agreed on"),
            Mark::Here => {
                self.goes_on_at(session, now);
                Ok(Event::Continued { from })
            }
            // What is said about files is understood elsewhere.
            Mark::File { .. } => Err("not about a text"),
            Mark::Elsewhere => match may_ring(&mut self.said_elsewhere, &from, now) {
                true => Ok(Event::ContinuedElsewhere { who: from }),
                false => Err("told less than 10 s ago"),
            },
            Mark::Keeps { .. } if !link.session.shares(capability::HISTORY) => Err("telling it was not agreed on"),
            Mark::Keeps { keeps } => Ok(Event::History { keeps: self.keeps_there(session, keeps), who: from }),
        }
    }
}

/// Whether somebody may ring the bell again; it is noted that she does.
fn may_ring(last: &mut BTreeMap<Identifier, Instant>, from: &Identifier, now: Now) -> bool {
    last.retain(|_, last| now.instant < *last + NUDGE_PAUSE);
    let may = !last.contains_key(from);
    if may {
        last.insert(from.clone(), now.instant);
    }
    may
}
