//! What a session puts on the wire next.

use super::Content;
use crate::wire::{Channel, NumberedFrame, TalkFrame, encode_onto};

/// A frame that is to go out.
pub enum NextFrame<'a> {
    /// What stays with the session until it is answered.
    Kept(NumberedFrame<'a>),
    /// Anything else.
    Other(TalkFrame),
}

impl NextFrame<'_> {
    /// Puts the frame, encoded and padded, behind what is there.
    pub fn encode_onto(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Kept(frame) => encode_onto(frame, Channel::Talk, bytes),
            Self::Other(frame) => encode_onto(frame, Channel::Talk, bytes),
        }
        .expect("contents and answers are within their limits, which leave room for the rest of a frame");
    }

    /// As the other side reads it.
    #[cfg(test)]
    pub(super) fn read(&self) -> TalkFrame {
        let mut bytes = Vec::new();
        self.encode_onto(&mut bytes);
        crate::wire::decode(&bytes[4..]).unwrap().unwrap()
    }
}

/// The frame in which this goes out under its number.
pub(super) fn numbered(number: u64, content: &Content) -> NumberedFrame<'_> {
    match content {
        Content::Text { id, text, reply } => NumberedFrame::Text { number, id: *id, text, reply: *reply },
        Content::Mark { id, mark } => NumberedFrame::Mark { number, id: *id, mark },
        Content::Room { room, message } => NumberedFrame::RoomText { number, room: room.0, message },
    }
}

/// The same, of what is not kept.
pub(super) fn gone(number: u64, content: Content) -> TalkFrame {
    match content {
        Content::Text { id, text, reply } => TalkFrame::Text { number, id, text, reply },
        Content::Mark { id, mark } => TalkFrame::Mark { number, id, mark },
        Content::Room { room, message } => TalkFrame::RoomText { number, room: room.0, message },
    }
}
