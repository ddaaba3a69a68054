//! What is said in rooms, as the client says and hears it: texts, and reactions, edits, deletions and offers of files to all, which
//! share their numbers and their states. How it gets to the members is in `fanout`.

use super::Core;
use super::early::Arrived;
use super::ids::Sent;
use super::rooms::Room;
use super::saying::drawn_id;
use crate::MAX_EMOJI_BYTES;
use crate::api::{Event, RoomId, RoomOrder, RoomTextRef, TransferId};
use crate::room::{DeviceKey, Opened, Person};
use crate::time::Now;
use crate::wire::{RoomFile, RoomMark, RoomPlaintext, RoomTarget, is_emoji};

/// How much may be under way in a room of what one says there oneself.
const MAX_UNDER_WAY: usize = 1024;

/// Why a mark is refused that is about a text which never came, or is not its author's.
const NO_SUCH_TEXT: &str = "no such text is known here";

/// What is said in a room.
pub(super) enum SaidInRoom {
    /// A text, and the one that it answers.
    Text { text: String, reply: Option<RoomTarget> },
    /// Something about a text.
    Mark(RoomMark),
    /// What is offered to all in a large room, or no longer.
    File(RoomFile),
}

impl SaidInRoom {
    /// The command by which it was said.
    pub(super) fn about(&self) -> &'static str {
        match self {
            Self::Text { .. } => "room_send",
            Self::Mark(RoomMark::Reaction { .. }) => "room_react",
            Self::Mark(RoomMark::Edit { .. }) => "room_edit",
            Self::Mark(RoomMark::Delete { .. }) => "room_delete",
            Self::File(RoomFile::Offer { .. }) => "room_file_offer",
            Self::File(RoomFile::Withdrawn { .. }) => "file_cancel",
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. })
    }

    /// To be sealed.
    pub(super) fn plaintext(self, id: u64, seen: u32) -> RoomPlaintext {
        match self {
            Self::Text { text, reply } => RoomPlaintext::Text { id, seen, text, reply },
            Self::Mark(mark) => RoomPlaintext::Mark { id, seen, mark },
            Self::File(said) => RoomPlaintext::File { id, seen, said },
        }
    }
}

impl Core {
    pub(super) fn send_room_text(
        &mut self,
        room: RoomId,
        (text, reply_to): (String, Option<RoomTextRef>),
        id: Option<u64>,
        now: Now,
    ) {
        if !self.can_say("room_send", room) || !self.is_short_enough("room_send", &text) {
            return;
        }
        let reply = match reply_to.map(|text| self.locate_in_room("room_send", room, &text)) {
            Some(None) => return,
            reply => reply.flatten(),
        };
        self.say_in_room(room, SaidInRoom::Text { text, reply }, id, now);
    }

    pub(super) fn react_in_room(&mut self, room: RoomId, on: &RoomTextRef, emoji: String, id: Option<u64>, now: Now) {
        if !self.can_say("room_react", room) {
            return;
        }
        if !is_emoji(&emoji) {
            let message = format!("expected at most {MAX_EMOJI_BYTES} bytes without spaces, found something else");
            return self.error("room_react", message, "react with one emoji, or answer with a text");
        }
        let Some(on) = self.locate_in_room("room_react", room, on) else { return };
        self.say_in_room(room, SaidInRoom::Mark(RoomMark::Reaction { on, emoji }), id, now);
    }

    pub(super) fn edit_in_room(&mut self, room: RoomId, of: u64, text: String, id: Option<u64>, now: Now) {
        if !self.can_say("room_edit", room) || !self.is_short_enough("room_edit", &text) {
            return;
        }
        if self.locate_in_room("room_edit", room, &RoomTextRef { from: None, id: of }).is_some() {
            self.say_in_room(room, SaidInRoom::Mark(RoomMark::Edit { of, text }), id, now);
        }
    }

    pub(super) fn delete_in_room(&mut self, room: RoomId, of: u64, id: Option<u64>, now: Now) {
        if self.can_say("room_delete", room)
            && self.locate_in_room("room_delete", room, &RoomTextRef { from: None, id: of }).is_some()
        {
            self.say_in_room(room, SaidInRoom::Mark(RoomMark::Delete { of }), id, now);
        }
    }

    /// Whether anything can be said in the room now; says why not.
    pub(super) fn can_say(&mut self, about: &str, id: RoomId) -> bool {
        let is_in = self.rooms.get(&id).filter(|room| room.is_open()).and_then(Room::group).is_some();
        if !is_in {
            self.no_such_room(about, id);
        } else if self.is_stalled(id) {
            let message = "most members of the room cannot be reached".to_owned();
            self.error(about, message, "wait until they are heard again");
            return false;
        }
        is_in
    }

    pub(super) fn say_in_room(&mut self, id: RoomId, said: SaidInRoom, said_id: Option<u64>, now: Now) -> Option<u64> {
        let (about, to) = (said.about(), id.to_string());
        let what = match &said {
            SaidInRoom::Text { text, .. } => Sent::Text(text),
            SaidInRoom::Mark(mark) => Sent::RoomMark(mark),
            SaidInRoom::File(said) => Sent::RoomFile(said),
        };
        let said_id = self.admit_id(about, &to, what, said_id)?;
        let room = self.rooms.get_mut(&id)?;
        if room.fanouts.len() + room.held.len() >= MAX_UNDER_WAY {
            let message = format!("{MAX_UNDER_WAY} texts are already under way in this room");
            self.error(about, message, "wait for their states");
            return None;
        }
        room.typing.stopped_oneself();
        match room.is_between_epochs() {
            true => self.hold_said(id, (said_id, said), now),
            false => self.fan_out(id, (said_id, said), now),
        }
        Some(said_id)
    }

    /// The text of a room that the client means; says so if it is not known.
    fn locate_in_room(&mut self, about: &str, id: RoomId, text: &RoomTextRef) -> Option<RoomTarget> {
        let me = self.me.person.device;
        let found = self.rooms.get(&id).and_then(|room| room.texts.target(text, me));
        if found.is_none() {
            let whose = text.from.as_ref().map_or("yours".to_owned(), |who| format!("{who}'s"));
            let message =
                format!("expected the id of one of the last texts of {whose} in this room, found {}", text.id);
            let remedy = "it stands in their room_message event; of yours, it is the one in room_message_state";
            self.error(about, message, remedy);
        }
        found
    }

    /// What a member has sealed: told once, and acknowledged every time; refused if it is about nothing that is known here.
    pub(super) fn tell_heard(&mut self, at: Arrived, opened: Opened) {
        let Arrived { came, from, room } = at;
        let Opened { sender, leaf, epoch, plaintext } = opened;
        let id = plaintext.id();
        let order = RoomOrder { epoch, count: u64::from(plaintext.seen()) + 1, leaf: leaf.0, id };
        if let Some(room) = self.rooms.get_mut(&room) {
            room.texts.count(order);
        }
        if matches!(&plaintext, RoomPlaintext::File { said, .. } if !self.is_news_of_files(room, &sender, said)) {
            return self.take_untold(came, from, (Some(room), id));
        }
        self.show_from(came, from, (Some(room), id), |core| match plaintext {
            RoomPlaintext::Text { text, reply, .. } => core.text_heard(room, &sender, (text, reply), order),
            RoomPlaintext::Mark { mark, .. } => core.mark_heard(room, &sender, mark, order),
            RoomPlaintext::File { said: RoomFile::Offer { offer, what }, .. } => {
                core.offered_to_room(room, &sender, TransferId(offer), what)
            }
            RoomPlaintext::File { said: RoomFile::Withdrawn { offer }, .. } => {
                core.withdrawn_from_room(room, &sender, TransferId(offer))
            }
        });
    }

    fn text_heard(
        &mut self,
        id: RoomId,
        sender: &Person,
        (text, reply): (String, Option<RoomTarget>),
        order: RoomOrder,
    ) -> Result<Event, &'static str> {
        self.stops_typing_in_room(id, sender.device);
        let reply_to = reply.and_then(|text| self.named_in_room(id, &text));
        let draw = &mut self.draw;
        let room = self.rooms.get_mut(&id).ok_or("not in that room")?;
        let number = room.texts.add(sender, order.id, || drawn_id(draw));
        Ok(Event::RoomMessage { room: id, id: number, from: sender.identifier.clone(), text, order, reply_to })
    }

    /// Who may edit and delete is decided by how they are said: of a device's own texts, and of no others.
    fn mark_heard(
        &mut self,
        id: RoomId,
        sender: &Person,
        mark: RoomMark,
        order: RoomOrder,
    ) -> Result<Event, &'static str> {
        let from = sender.identifier.clone();
        let on = self.named_in_room(id, &mark.about(sender.device.0)).ok_or(NO_SUCH_TEXT)?;
        let room = self.rooms.get_mut(&id).ok_or("not in that room")?;
        if !room.texts.takes(sender.device, &mark, order) {
            return Err("a later one of the same kind has come before");
        }
        Ok(match mark {
            RoomMark::Reaction { emoji, .. } => Event::RoomReaction { room: id, from, on, emoji },
            RoomMark::Edit { text, .. } => Event::RoomEdited { room: id, from, id: on.id, text },
            RoomMark::Delete { .. } => Event::RoomDeleteRequested { room: id, from, id: on.id },
        })
    }

    /// The text that a member means; none if it is not known here.
    pub(super) fn named_in_room(&self, id: RoomId, text: &RoomTarget) -> Option<RoomTextRef> {
        let (room, author) = (self.rooms.get(&id)?, DeviceKey(text.device));
        if author == self.me.person.device {
            return room.texts.named(text, None);
        }
        let author = room.group()?.members().find(|person| person.device == author)?;
        room.texts.named(text, Some(author))
    }
}
