//! What the two sides say to each other about a transfer.

use super::{Ending, Role};
use crate::api::{RoomId, Side, TransferId, TransferState};
use crate::core::links::Token;
use crate::core::rooms::Room;
use crate::core::{Core, SessionId};
use crate::room::DeviceKey;
use crate::session::Content;
use crate::time::Now;
use crate::wire::{End, FileWord, Mark, Outline};

/// Why an end that came too early is none.
const NOTHING_SENT: &str = "the other device says that it is all there, and nothing was sent yet";

/// Why what is offered to one alone in a large room is not taken: the answer to what was cancelled here meanwhile, above all.
const NOT_ASKED_FOR: &str = "it was not asked for, or no longer is";

impl Core {
    /// Something was said about a transfer; `refused` says why nothing is taken from its sender, if so.
    pub(in crate::core) fn file_word(
        &mut self,
        (session, number): (SessionId, u64),
        id: u64,
        (transfer, word): (TransferId, FileWord),
        refused: Option<&'static str>,
        now: Now,
    ) {
        if let FileWord::Offer { what } = word {
            if self.files.is_asked_in(transfer, session) {
                return self.ask_answered((session, number), transfer, &what, now);
            }
            // What is offered in a room comes from its members alone; in a large one it is offered to all, and then asked for.
            let refused = match (what.room.is_some(), self.is_offered_in_room(session, &what)) {
                (true, true) if self.is_offered_to_all(&what) => Some(NOT_ASKED_FOR),
                (true, true) => None,
                (true, false) => refused.or(Some("you are not in that room")),
                (false, _) => refused,
            };
            return self.show((session, number), (None, id), |core| match refused {
                Some(reason) => Err(reason),
                None => core.file_offered(session, transfer, what),
            });
        }
        let Some(link) = self.links.get_mut(&session) else { return };
        link.session.acknowledge(number);
        let known = self.files.transfers.get_mut(&transfer).filter(|one| one.session == Some(session));
        match (word, known) {
            (FileWord::Pull { request, wanted }, Some(_)) => self.pulled(transfer, request, wanted, now),
            (FileWord::Ask { offer }, _) => self.asked_for_file(session, transfer, TransferId(offer), now),
            (FileWord::Pull { .. }, None) => {
                // It was over here before the other side heard of that, or never was.
                let reason = Some("it is over".to_owned());
                let word = FileWord::Over { end: End::Failed, reason };
                self.put_file_word(session, transfer, word, now);
            }
            (FileWord::Hold { held }, Some(one)) => {
                one.held_there = held;
                self.held(transfer, now);
            }
            (FileWord::Over { end, reason }, Some(_)) => self.file_over_there(transfer, end, reason, now),
            (FileWord::Hold { .. } | FileWord::Over { .. } | FileWord::Offer { .. }, _) => {}
        }
    }

    /// Fellow members may offer in their room what they may not offer outside of it.
    fn is_offered_in_room(&self, session: SessionId, what: &Outline) -> bool {
        let Some(person) = self.links.get(&session).map(|link| &link.person) else { return false };
        what.room.is_some_and(|room| self.is_fellow(RoomId(*room), person.device))
            && !self.is_blocked(&person.identifier)
    }

    /// Whether it belongs to a room in which files are offered to all.
    fn is_offered_to_all(&self, what: &Outline) -> bool {
        what.room.and_then(|room| self.rooms.get(&RoomId(*room))).is_some_and(Room::is_large)
    }

    /// Whether this device and that one are members of a room, and the certificate holds with which that one is.
    pub(super) fn is_fellow(&self, room: RoomId, device: DeviceKey) -> bool {
        let inside = self.rooms.get(&room).and_then(Room::inside);
        inside.is_some_and(|inside| inside.group.has(device) && !inside.lapsed.has(device))
    }

    fn file_over_there(&mut self, transfer: TransferId, end: End, reason: Option<String>, now: Now) {
        let Some(one) = self.files.transfers.get(&transfer) else { return };
        let (giving, served) = match &one.role {
            Role::Giving(giving) => (true, giving.served),
            Role::Taking(_) => (false, false),
        };
        let mut ending = match end {
            End::Done if served => Ending::new(TransferState::Done),
            // Nobody has what was never sent, whatever she says.
            End::Done if giving => Ending::new(TransferState::Failed).because(NOTHING_SENT),
            End::Refused if giving && one.state().0 == TransferState::Offered => Ending::new(TransferState::Refused),
            End::Cancelled => Ending::new(TransferState::Cancelled).by(Side::Them),
            End::Failed | End::Done | End::Refused => Ending::new(TransferState::Failed),
        };
        let unsaid = (end == End::Failed).then(|| "the other device gives no reason".to_owned());
        let reason = ending.reason.take().or(reason).or(unsaid);
        self.end_file(transfer, Ending { reason, ..ending }, now);
    }

    /// Says something about a transfer to the other side, if it has heard of it.
    pub(super) fn say_of_file(&mut self, transfer: TransferId, word: FileWord, now: Now) {
        if let Some(session) = self.files.transfers.get(&transfer).and_then(|one| one.session) {
            self.put_file_word(session, transfer, word, now);
        }
    }

    pub(super) fn put_file_word(&mut self, session: SessionId, transfer: TransferId, word: FileWord, now: Now) {
        let mark = Mark::File { transfer: transfer.0, word };
        let content = Content::Mark { id: self.draw_id(), mark };
        if let Err(reason) = self.put(session, content, Token::Receipt, now) {
            tracing::debug!(%transfer, reason, "a word about a file cannot be said");
        }
    }
}
