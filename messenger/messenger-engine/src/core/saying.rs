//! What goes to one person under an id, texts and marks alike: sent now or refused now, and never called delivered
//! without the other device's word.

use identity::Identifier;

use super::call_ends::not_online;
use super::errands::Errand;
use super::ids::Sent;
use super::letters::Came;
use super::links::{Link, Token};
use super::{Core, Draw, SessionId};
use crate::api::{DeliveryState, Event, Purpose, TransferId};
use crate::room::DeviceKey;
use crate::session::{Content, MAX_WAITING, NotTaken};
use crate::time::Now;
use crate::wire::{Author, Mark, Target};

/// The largest id: JSON numbers are exact up to here in every language.
pub(super) const MAX_ID: u64 = (1 << 53) - 1;

/// Why what may have arrived is not simply sent to whatever device is there.
const ONE_DEVICE: &str = "an earlier sending may have arrived at one of their devices: it goes to that one or to none";

/// A text of either side, and which device of theirs knows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    pub(super) target: Target,
    pub(super) device: DeviceKey,
    /// The run of their program in which its id counts, if it is their text.
    pub(super) run: Option<[u8; 8]>,
}

/// What is sent.
pub(super) enum Said {
    /// A text, and the one that it answers.
    Text { text: String, reply: Option<Reference> },
    /// A mark, and the run of their program in which it means something, if only in one.
    Mark { mark: Mark, run: Option<[u8; 8]> },
}

impl Said {
    /// Whether the other side's Hello has to be known first: it says which run it is, and what it takes.
    fn waits_for_hello(&self) -> bool {
        match self {
            Self::Text { reply, .. } => reply.is_some_and(|reply| reply.run.is_some()),
            Self::Mark { .. } => true,
        }
    }
}

impl Link {
    /// Whether the text is known at its other end.
    fn knows(&self, text: &Reference) -> bool {
        self.person.device == text.device && text.run.is_none_or(|run| run == self.run)
    }
}

impl Core {
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
            None => {
                let draw = &mut self.draw;
                self.used_ids.draw(to, || drawn_id(draw))
            }
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

    pub(super) fn said_state(
        &mut self,
        id: u64,
        to: Identifier,
        latest: DeliveryState,
        reason: Option<String>,
        now: Now,
    ) {
        if self.is_offer(id) {
            return self.offer_state(id, latest, reason, now);
        }
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

    /// Says something, over a session that stands or one that is made; if `there` is given, to that device alone.
    pub(super) fn say_to(&mut self, to: Identifier, id: u64, said: Said, there: Option<DeviceKey>, now: Now) {
        let only = self.used_ids.device(to.as_str(), id).or(there);
        if let Some(session) = self.session_for_text(&to, only) {
            self.said_state(id, to.clone(), DeliveryState::Sending, None, now);
            return self.put_said(session, to, id, said, now);
        }
        if let Some(reason) = self.why_unreachable() {
            return self.said_state(id, to, DeliveryState::NotDelivered, Some(reason.to_owned()), now);
        }
        if self.known_offline(&to) {
            let reason = not_online(&to);
            return self.said_state(id, to, DeliveryState::NotDelivered, Some(reason), now);
        }
        self.said_state(id, to.clone(), DeliveryState::Sending, None, now);
        self.call_device(to, only.map(|device| device.spki_digest()), Purpose::Text, Errand::Say { id, said }, now);
    }

    /// Sends it in this session, as soon as it can go.
    pub(super) fn put_said(&mut self, session: SessionId, to: Identifier, id: u64, said: Said, now: Now) {
        if matches!(&said, Said::Mark { mark: Mark::File { transfer, .. }, .. } if !self.files.is_there(*transfer)) {
            // It was cancelled while it waited.
            return self.offer_drops(id);
        }
        let Some(link) = self.links.get_mut(&session) else { return };
        let waits = !link.session.is_open() && (said.waits_for_hello() || !link.after_hello.is_empty());
        if waits && link.after_hello.len() < MAX_WAITING {
            return link.after_hello.push((id, said));
        }
        let device = link.person.device;
        let content = match said {
            Said::Text { text, reply } => {
                link.typing.told = None;
                let reply = reply.filter(|reply| link.knows(reply)).map(|reply| reply.target);
                Ok(Content::Text { id, text, reply })
            }
            Said::Mark { run: Some(run), .. } if run != link.run => {
                Err("their program has started again since, and knows nothing of that text".to_owned())
            }
            Said::Mark { mark, .. } => Ok(Content::Mark { id, mark }),
        };
        let content = if waits { Err(NotTaken::Full.to_string()) } else { content };
        let put = content.and_then(|content| {
            self.used_ids.goes_to(to.as_str(), id, device);
            self.offer_goes(id, session);
            self.put(session, content, Token::Said { to: to.clone(), id }, now)
        });
        if let Err(reason) = put {
            self.said_state(id, to, DeliveryState::NotDelivered, Some(reason), now);
        }
    }

    /// Something came in under this number.
    pub(super) fn said_to_us(&mut self, session: SessionId, number: u64, said: Content, now: Now) {
        match (said, self.why_refused(session)) {
            (Content::Room { room, message }, _) => {
                let Some(link) = self.links.get(&session) else { return };
                let from = (link.person.device, link.run);
                self.room_text_arrived(Came::Numbered { session, number }, from, room, message, now);
            }
            (Content::Mark { id, mark: Mark::File { transfer, word } }, refused) => {
                self.file_word((session, number), id, (TransferId(transfer), word), refused, now);
            }
            (_, Some(reason)) => {
                if let Some(link) = self.links.get_mut(&session) {
                    link.session.refuse(number, reason);
                }
            }
            (Content::Text { id, text, reply }, None) => self.text_arrived(session, number, id, (text, reply)),
            (Content::Mark { id, mark }, None) => self.mark_arrived(session, number, id, mark, now),
        }
    }

    /// The other side's Hello has come: what waited for it goes out.
    pub(super) fn say_what_waited(&mut self, session: SessionId, now: Now) {
        let Some(link) = self.links.get_mut(&session) else { return };
        let who = link.person.identifier.clone();
        for (id, said) in std::mem::take(&mut link.after_hello) {
            self.put_said(session, who.clone(), id, said, now);
        }
        self.ask_for_files(session, now);
    }

    /// No Hello came, and none will.
    pub(super) fn fail_what_waited(&mut self, who: &Identifier, waiting: Vec<(u64, Said)>, reason: &str, now: Now) {
        for (id, _) in waiting {
            let reason = format!("the connection to {who} was lost before anybody read it: {reason}");
            self.said_state(id, who.clone(), DeliveryState::NotDelivered, Some(reason), now);
        }
    }
}

pub(super) fn drawn_id(draw: &mut Draw) -> u64 {
    let mut bytes = [0; 8];
    draw(&mut bytes);
    u64::from_be_bytes(bytes) & MAX_ID
}

/// What of something that never left in one session can be said in the next one with the same device: ids of theirs count
/// no longer, if their program has started again.
pub(super) fn carried_over(content: Content) -> Option<Content> {
    match content {
        Content::Text { id, text, reply } => {
            let reply = reply.filter(|target| target.author == Author::Sender);
            Some(Content::Text { id, text, reply })
        }
        Content::Mark { .. } => None,
        Content::Room { .. } => Some(content),
    }
}
