//! What passes between the engine and a face, put into the history: texts, how far they got, edits and deletions.

use std::collections::BTreeMap;

use ::history::{Conversation, History, HistoryError, New, Number, State};
use identity::Identifier;
use messenger_engine::{Command, DeliveryState, Event, RoomId};

use super::{EXPIRE_EVERY_MS, Keeper, with};

/// Most of one's own edits and deletions that are under way.
const MAX_UNDER_WAY: usize = 256;
/// Numbers of texts are at most 2^53 − 1.
const ID_BITS: u64 = (1 << 53) - 1;

/// One's own edits and deletions, by their numbers: they count when the other device has them.
#[derive(Debug, Default)]
pub(super) struct UnderWay(BTreeMap<(Conversation, u64), (u64, Change)>);

enum Change {
    Edit(String),
    Delete,
}

/// Without the text.
impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Edit(_)) { "Edit" } else { "Delete" })
    }
}

impl Keeper {
    /// A command on its way to the engine; what could not be kept of it, as an event. One without a number is given one: by
    /// that the engine tells how far it got.
    pub(crate) fn hear_command(&mut self, command: &mut Command, now: i64) -> Option<Event> {
        self.history.as_ref()?;
        let kept = self.keep_command(command, now);
        self.trouble(kept)
    }

    /// What the engine tells, before anybody is shown it.
    pub(crate) fn hear_event(&mut self, event: &Event, now: i64) -> Option<Event> {
        self.history.as_ref()?;
        let kept = self.keep_event(event, now).and_then(|()| self.expire(now));
        self.trouble(kept)
    }

    fn expire(&mut self, now: i64) -> Result<(), HistoryError> {
        let Some(history) = self.history.as_mut().filter(|_| now >= self.expired + EXPIRE_EVERY_MS) else {
            return Ok(());
        };
        self.expired = now;
        history.expire(now).map(drop)
    }

    fn keep_command(&mut self, command: &mut Command, now: i64) -> Result<(), HistoryError> {
        let Some(history) = &mut self.history else { return Ok(()) };
        let mine = |number, text| New { at: now, sender: None, number, state: State::Sending, text };
        match command {
            Command::Send { to, text, id, .. } => {
                let Some(place) = kept(history, to)?.filter(|place| self.asked.contains(place)) else { return Ok(()) };
                let id = *id.get_or_insert_with(draw_id);
                history.add(&place, &mine(id, text)).map(drop)
            }
            Command::RoomSend { room, text, id, .. } => {
                let place = Conversation::Room(room.to_string());
                if !self.asked.contains(&place) || !history.keeps(&place)? {
                    return Ok(());
                }
                let id = *id.get_or_insert_with(draw_id);
                history.add(&place, &mine(id, text)).map(drop)
            }
            Command::Edit { to, of, text, id } => {
                let change = Change::Edit(text.clone());
                self.await_change(to, *of, change, id)
            }
            Command::Delete { to, of, id } => self.await_change(to, *of, Change::Delete, id),
            Command::RoomEdit { room, of: text_id, text, id } => {
                let place = history.keeps(&of(room))?.then_some(of(room));
                self.await_change_in(place, *text_id, Change::Edit(text.clone()), id);
                Ok(())
            }
            Command::RoomDelete { room, of: text_id, id } => {
                let place = history.keeps(&of(room))?.then_some(of(room));
                self.await_change_in(place, *text_id, Change::Delete, id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn await_change(&mut self, to: &str, of: u64, change: Change, id: &mut Option<u64>) -> Result<(), HistoryError> {
        let Some(history) = &self.history else { return Ok(()) };
        let place = kept(history, to)?;
        self.await_change_in(place, of, change, id);
        Ok(())
    }

    fn await_change_in(&mut self, place: Option<Conversation>, of: u64, change: Change, id: &mut Option<u64>) {
        let Some(place) = place.filter(|place| self.asked.contains(place)) else { return };
        let id = *id.get_or_insert_with(draw_id);
        self.under_way.0.insert((place, id), (of, change));
        if self.under_way.0.len() > MAX_UNDER_WAY {
            self.under_way.0.pop_first();
        }
    }

    fn keep_event(&mut self, event: &Event, now: i64) -> Result<(), HistoryError> {
        let Some(history) = &mut self.history else { return Ok(()) };
        match event {
            Event::Message { id, from, text, .. } => {
                let place = with(from);
                match self.asked.contains(&place) {
                    true => history.add(&place, &their(from, *id, text, now)).map(drop),
                    false => Ok(()),
                }
            }
            Event::RoomMessage { room, id, from, text, .. } => {
                let place = Conversation::Room(room.to_string());
                match self.asked.contains(&place) {
                    true => history.add(&place, &their(from, *id, text, now)).map(drop),
                    false => Ok(()),
                }
            }
            Event::Edited { from, id, text } => history.edit(&with(from), by(from, *id), text, now).map(drop),
            Event::DeleteRequested { from, id } => history.mark_deleted(&with(from), by(from, *id), now).map(drop),
            Event::RoomEdited { room, from, id, text } => history.edit(&of(room), by(from, *id), text, now).map(drop),
            Event::RoomDeleteRequested { room, from, id } => {
                history.mark_deleted(&of(room), by(from, *id), now).map(drop)
            }
            Event::MessageState { id, to, state, .. } => {
                let place = with(to);
                let key = (place, *id);
                let Some((of, change)) = self.under_way.0.remove(&key) else {
                    return history.progress(&key.0, *id, state_of(*state)).map(drop);
                };
                let mine = Number { sender: None, number: of };
                match (state, change) {
                    (DeliveryState::Delivered, Change::Edit(text)) => history.edit(&key.0, mine, &text, now).map(drop),
                    (DeliveryState::Delivered, Change::Delete) => history.mark_deleted(&key.0, mine, now).map(drop),
                    (DeliveryState::Sending, change) => {
                        self.under_way.0.insert(key, (of, change));
                        Ok(())
                    }
                    _ => Ok(()),
                }
            }
            Event::RoomMessageState { room, id, delivered, missing, .. } => {
                let place = Conversation::Room(room.to_string());
                let state = match (delivered.is_empty(), missing.is_empty()) {
                    (false, _) => State::Delivered,
                    (true, false) => State::NotDelivered,
                    (true, true) => State::Sending,
                };
                let key = (place, *id);
                let Some((of, change)) = self.under_way.0.remove(&key) else {
                    return history.progress(&key.0, *id, state).map(drop);
                };
                let mine = Number { sender: None, number: of };
                match (state, change) {
                    // Whoever has it: the history tells what stands on somebody's screen.
                    (State::Delivered, Change::Edit(text)) => history.edit(&key.0, mine, &text, now).map(drop),
                    (State::Delivered, Change::Delete) => history.mark_deleted(&key.0, mine, now).map(drop),
                    (State::Sending, change) => {
                        self.under_way.0.insert(key, (of, change));
                        Ok(())
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

/// The conversation with somebody as she is named in a command, if it is kept.
fn kept(history: &History, who: &str) -> Result<Option<Conversation>, HistoryError> {
    let Ok(who) = Identifier::parse(who) else { return Ok(None) };
    let place = with(&who);
    Ok(history.keeps(&place)?.then_some(place))
}

/// The conversation in a room.
fn of(room: &RoomId) -> Conversation {
    Conversation::Room(room.to_string())
}

/// A text of somebody else's.
fn by(from: &Identifier, number: u64) -> Number<'_> {
    Number { sender: Some(from.as_str()), number }
}

fn their<'a>(from: &'a Identifier, number: u64, text: &'a str, at: i64) -> New<'a> {
    New { at, sender: Some(from.as_str()), number, state: State::Delivered, text }
}

fn state_of(state: DeliveryState) -> State {
    match state {
        DeliveryState::Sending => State::Sending,
        DeliveryState::Delivered => State::Delivered,
        DeliveryState::NotDelivered => State::NotDelivered,
        DeliveryState::Unknown => State::Unknown,
    }
}

fn draw_id() -> u64 {
    let random = super::random();
    u64::from_be_bytes(*random.first_chunk().expect("8 of 32 bytes")) & ID_BITS
}
