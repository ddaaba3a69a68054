//! What one offers to all in a large room: said once, by way of hubs, and given to each who links up and asks for it (rules R-56
//! to R-58 of docs/spec/rooms.md).
//!
//! ```text
//!        giver                                                                            taker
//! room_file_offer ─► look ──offer T (a room text, by way of hubs)─────────────────────────► file_offered U
//!                                                                                           file_accept U ─► links up
//!  look again ◄──────────────────────────────── ask(T), as U, over a session of the two ──────┘
//!    └─────────── offer U ────────────────────► begin, and from here on as between any two
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::giving::{Giving, UNBOUNDED};
use super::{FileTask, Files, LookedAt, Role, Transfer};
use crate::api::{Event, RoomId, TransferId, TransferState};
use crate::core::room_talk::SaidInRoom;
use crate::core::rooms::Room;
use crate::core::{Action, Core, SessionId};
use crate::room::DeviceKey;
use crate::time::Now;
use crate::wire::{End, FileWord, Outline, RoomFile};

/// How many offers to all of one's own there may be.
const MAX_NOTICES: usize = 32;
/// How often one device may ask for one of them.
const MAX_ASKED: u32 = 8;
/// How many transfers there may be to who has asked, beside those that one offers to somebody.
const MAX_GIVEN: usize = 256;
/// How many streams run at a time of what was offered to all, in all sessions together; who comes later waits.
pub(in crate::core) const AT_ONCE_OF_NOTICES: usize = 16;

/// A stream on which nothing has moved for this long gives up its place to who waits.
const IDLE: Duration = Duration::from_secs(30);

/// Why nothing is given.
const NOT_OFFERED: &str = "it is not offered any more";
const ASKED_OFTEN: &str = "it was asked for from this device before, too often";
const NOT_OVER: &str = "it was asked for from this device before, and that is not over";
pub(in crate::core) const TOO_MANY: &str = "too many take something there: try again later";

/// Something that is offered to all in a room.
pub(super) struct Notice {
    room: RoomId,
    path: String,
    /// As it is offered; until it was looked at, its name alone is known.
    what: Outline,
    /// Under which id it was said, if it was.
    id: Option<u64>,
    left_out: u64,
    /// How often each has asked.
    asked: BTreeMap<DeviceKey, u32>,
}

impl Notice {
    fn event(&self, transfer: TransferId, state: TransferState, reason: Option<String>) -> Event {
        let left_out = Some(self.left_out).filter(|count| *count > 0);
        Event::RoomFileState {
            room: self.room,
            transfer,
            id: self.id,
            name: self.what.name.clone(),
            state,
            reason,
            left_out,
        }
    }
}

impl Transfer {
    /// Whether it goes to somebody who has asked for what is offered to all.
    pub(super) fn is_of_notice(&self) -> bool {
        matches!(&self.role, Role::Giving(Giving { of: Some(_), .. }))
    }

    /// Whether it goes to this device, which has asked for this offer.
    fn is_given_to(&self, offer: TransferId, device: DeviceKey) -> bool {
        matches!(&self.role, Role::Giving(Giving { of: Some(of), fellow: Some((_, to)), .. }) if (*of, *to) == (offer, device))
    }

    /// When its stream gives up its place, if nothing moves.
    fn idle_at(&self) -> Option<Instant> {
        match &self.role {
            Role::Giving(Giving { of: Some(_), moved: Some(moved), .. }) if self.stream.is_some() => {
                Some(*moved + IDLE)
            }
            _ => None,
        }
    }
}

impl Files {
    /// Whether a stream of it may begin, beside those to others who have asked.
    pub(super) fn has_place_for(&self, transfer: TransferId) -> bool {
        let running = self.transfers.values().filter(|one| one.is_of_notice() && one.stream.is_some()).count();
        running < AT_ONCE_OF_NOTICES || !self.transfers.get(&transfer).is_some_and(Transfer::is_of_notice)
    }

    /// What waits for a place, in the order in which it was asked for.
    fn waiting_of_notices(&self) -> Vec<(SessionId, TransferId)> {
        let turn = |one: &Transfer| match &one.role {
            Role::Giving(Giving { of: Some(_), wanted: Some(_), turn, .. }) => Some(*turn),
            _ => None,
        };
        let waits = self.transfers.iter().filter(|(_, one)| one.stream.is_none() && !one.is_held());
        let mut waiting: Vec<(u64, SessionId, TransferId)> =
            waits.filter_map(|(id, one)| Some((turn(one)?, one.session?, *id))).collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, session, id)| (session, id)).collect()
    }

    /// When the next of those that run gives up its place, if others wait.
    pub(super) fn next_of_notices(&self) -> Option<Instant> {
        let next = self.transfers.values().filter_map(Transfer::idle_at).min();
        next.filter(|_| !self.waiting_of_notices().is_empty())
    }
}

impl Core {
    /// One offers something to all in a large room.
    pub(super) fn offer_to_all(&mut self, room: RoomId, path: String) {
        if !self.can_say("room_file_offer", room) {
            return;
        }
        if self.files.notices.len() >= MAX_NOTICES {
            let message = format!("{MAX_NOTICES} files are offered to rooms already");
            return self.error("room_file_offer", message, "cancel some of them");
        }
        let transfer = TransferId(self.random_16());
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let what = Outline { name, folder: false, files: 0, bytes: 0, media_type: None, room: None };
        let notice = Notice { room, path: path.clone(), what, id: None, left_out: 0, asked: BTreeMap::new() };
        self.files.notices.insert(transfer, notice);
        self.actions.push_back(Action::File(FileTask::Look { transfer, path }));
    }

    /// It was looked at: all are told of it.
    pub(super) fn notice_looked_at(&mut self, transfer: TransferId, found: Result<LookedAt, String>, now: Now) {
        let found = found.and_then(|found| if found.what.is_bounded() { Ok(found) } else { Err(UNBOUNDED.to_owned()) });
        let Some(notice) = self.files.notices.get_mut(&transfer) else { return };
        let LookedAt { what, left_out } = match found {
            Ok(found) => found,
            Err(reason) => return self.end_notice(transfer, TransferState::Failed, Some(reason)),
        };
        let room = notice.room;
        (notice.what, notice.left_out) = (what.clone(), left_out);
        let said = SaidInRoom::File(RoomFile::Offer { offer: transfer.0, what });
        let id = if self.can_say("room_file_offer", room) { self.say_in_room(room, said, None, now) } else { None };
        let Some(notice) = self.files.notices.get_mut(&transfer).filter(|_| id.is_some()) else {
            return self.end_notice(transfer, TransferState::Failed, Some("the room was not told of it".to_owned()));
        };
        notice.id = id;
        let event = notice.event(transfer, TransferState::Offered, None);
        self.emit(event);
    }

    /// One offers it no longer. Who has asked for it goes on.
    pub(super) fn withdraw_notice(&mut self, transfer: TransferId, now: Now) {
        let Some(notice) = self.files.notices.get(&transfer) else { return };
        let (room, was_said) = (notice.room, notice.id.is_some());
        self.end_notice(transfer, TransferState::Cancelled, None);
        if was_said && self.rooms.get(&room).is_some_and(Room::is_open) && !self.is_stalled(room) {
            self.say_in_room(room, SaidInRoom::File(RoomFile::Withdrawn { offer: transfer.0 }), None, now);
        }
    }

    /// This device is in a room no longer.
    pub(super) fn end_notices_in(&mut self, room: RoomId) {
        let there: Vec<TransferId> =
            self.files.notices.iter().filter(|(_, notice)| notice.room == room).map(|(id, _)| *id).collect();
        for transfer in there {
            self.end_notice(transfer, TransferState::Stopped, Some("the room was left".to_owned()));
        }
    }

    fn end_notice(&mut self, transfer: TransferId, state: TransferState, reason: Option<String>) {
        if let Some(notice) = self.files.notices.remove(&transfer) {
            let event = notice.event(transfer, state, reason);
            self.emit(event);
        }
    }

    /// A device wants something that was offered to all, under this number.
    pub(super) fn asked_for_file(&mut self, session: SessionId, transfer: TransferId, offer: TransferId, now: Now) {
        if let Err(reason) = self.give_who_asks(session, transfer, offer) {
            let word = FileWord::Over { end: End::Failed, reason: Some(reason.to_owned()) };
            self.put_file_word(session, transfer, word, now);
        }
    }

    fn give_who_asks(
        &mut self,
        session: SessionId,
        transfer: TransferId,
        offer: TransferId,
    ) -> Result<(), &'static str> {
        let link = self.links.get(&session).ok_or(NOT_OFFERED)?;
        let (who, device, bot) = (link.person.identifier.clone(), link.person.device, link.bot);
        let room = self.files.notices.get(&offer).filter(|notice| notice.id.is_some()).ok_or(NOT_OFFERED)?.room;
        // Whoever may not have it learns no more than who comes too late.
        if !self.is_fellow(room, device) || self.is_blocked(&who) {
            return Err(NOT_OFFERED);
        }
        if self.me.bot && bot {
            return Err("bots do not answer bots");
        }
        if self.files.has_number(transfer) {
            return Err("its number is that of another transfer");
        }
        if self.files.transfers.values().any(|one| one.is_given_to(offer, device)) {
            return Err(NOT_OVER);
        }
        if self.files.transfers.values().filter(|one| one.is_of_notice()).count() >= MAX_GIVEN {
            return Err(TOO_MANY);
        }
        let notice = self.files.notices.get_mut(&offer).ok_or(NOT_OFFERED)?;
        let asked = notice.asked.entry(device).or_default();
        *asked += 1;
        if *asked > MAX_ASKED {
            return Err(ASKED_OFTEN);
        }
        let (path, mut what) = (notice.path.clone(), notice.what.clone());
        what.room = Some(room.0.into());
        let giving = Giving::of_notice(offer, (room, device));
        self.files.add(transfer, who, Some(session), what, Role::Giving(giving));
        self.file_changed(transfer);
        self.actions.push_back(Action::File(FileTask::Look { transfer, path }));
        Ok(())
    }

    /// A place is free: whoever has waited longest for one comes next.
    pub(super) fn run_files_of_notices(&mut self, now: Now) {
        for (session, transfer) in self.files.waiting_of_notices() {
            self.serve_if_it_may(session, transfer, now);
        }
    }

    /// Whoever takes nothing of what is sent keeps nobody waiting: her place goes to the next, and she comes after all others.
    pub(super) fn halt_who_takes_nothing(&mut self, now: Now) {
        if self.files.waiting_of_notices().is_empty() {
            return;
        }
        let idle = |one: &Transfer| one.idle_at().is_some_and(|at| at <= now.instant);
        let halted: Vec<TransferId> =
            self.files.transfers.iter().filter(|(_, one)| idle(one)).map(|(id, _)| *id).collect();
        for transfer in halted {
            if let Some(Transfer { role: Role::Giving(giving), .. }) = self.files.transfers.get_mut(&transfer) {
                // Until the stream has ended; then she asks again.
                giving.moved = None;
            }
            self.actions.push_back(Action::File(FileTask::Halt { transfer }));
        }
    }
}
