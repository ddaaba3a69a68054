//! What was offered to all in a large room, and is taken: who offers it is linked up with, and asked to offer it to this device,
//! under the number that it has here (rule R-57 of docs/spec/rooms.md).

use std::time::{Duration, Instant};

use identity::Identifier;
use identity::trust::Fingerprint;

use super::{Ending, FileTask, Files, Role, Taking, Transfer};
use crate::api::{Event, RoomId, Side, TransferId, TransferState};
use crate::core::{Action, Core, SessionId};
use crate::room::{DeviceKey, Person};
use crate::time::Now;
use crate::wire::{End, FileWord, Outline, RoomFile, capability};

/// How long who offers it may take until she is linked up with, and has answered.
const REACH: Duration = Duration::from_secs(30);

/// Why nothing came of it.
const NOT_REACHED: &str = "who offers it was not reached";
const NO_ANSWER: &str = "who offers it did not answer";
const ANOTHER: &str = "it is not what was offered to the room";

/// What of all this stands before she has offered it to this device.
pub(super) struct Asking {
    room: RoomId,
    device: DeviceKey,
    /// As she calls what she offers to all.
    offer: TransferId,
    /// Where it is to be, and when she is waited for no longer; none before it was taken.
    begun: Option<(String, Instant)>,
}

impl Asking {
    /// It is taken.
    pub(super) fn begins(&mut self, into: String, now: Now) {
        self.begun = Some((into, now.instant + REACH));
    }
}

impl Transfer {
    fn asking(&self) -> Option<&Asking> {
        match &self.role {
            Role::Taking(taking) => taking.asking.as_ref(),
            Role::Giving(_) => None,
        }
    }
}

impl Files {
    /// To whom there has to be a connection, since something was taken that she has offered to all in a room.
    pub(in crate::core) fn to_be_asked(&self) -> impl Iterator<Item = DeviceKey> {
        let unasked = self.transfers.values().filter(|one| one.session.is_none()).filter_map(Transfer::asking);
        unasked.filter(|asking| asking.begun.is_some()).map(|asking| asking.device)
    }

    /// What has to be asked for at a device.
    fn to_be_asked_for(&self, device: DeviceKey) -> Vec<TransferId> {
        let waits = |one: &&Transfer| {
            one.session.is_none()
                && one.asking().is_some_and(|asking| asking.device == device && asking.begun.is_some())
        };
        let mut waiting: Vec<(u64, TransferId)> =
            self.transfers.iter().filter(|(_, one)| waits(one)).map(|(id, one)| (one.number, *id)).collect();
        waiting.sort_unstable();
        waiting.into_iter().map(|(_, id)| id).collect()
    }

    /// Whether it was asked for in this session, and not offered there yet.
    pub(super) fn is_asked_in(&self, transfer: TransferId, session: SessionId) -> bool {
        let one = self.transfers.get(&transfer).filter(|one| one.session == Some(session));
        one.and_then(Transfer::asking).is_some()
    }

    /// When somebody is waited for no longer.
    pub(super) fn next_of_asking(&self) -> Option<Instant> {
        self.transfers.values().filter_map(|one| one.asking()?.begun.as_ref().map(|(_, until)| *until)).min()
    }

    /// What a device has offered so, if it was not asked for yet.
    fn unasked(&self, room: RoomId, device: DeviceKey, offer: TransferId) -> Option<TransferId> {
        let is_meant = |one: &Transfer, asking: &Asking| {
            one.session.is_none() && (asking.room, asking.device, asking.offer) == (room, device, offer)
        };
        self.offered_to_all(is_meant).first().copied()
    }

    /// What was offered to all in rooms, and may no more be had.
    fn offered_to_all(&self, is_over: impl Fn(&Transfer, &Asking) -> bool) -> Vec<TransferId> {
        let over = |one: &&Transfer| one.asking().is_some_and(|asking| is_over(one, asking));
        self.transfers.iter().filter(|(_, one)| over(one)).map(|(id, _)| *id).collect()
    }
}

impl Core {
    /// Whether the client is told of this: nothing of who is blocked, who learns no more than of whom it is not wanted; and no end of
    /// what is not offered here, since it was taken, or refused.
    pub(in crate::core) fn is_news_of_files(&self, room: RoomId, sender: &Person, said: &RoomFile) -> bool {
        match said {
            RoomFile::Offer { .. } => !self.is_blocked(&sender.identifier),
            RoomFile::Withdrawn { offer } => self.files.unasked(room, sender.device, TransferId(*offer)).is_some(),
        }
    }

    /// A member offers something to all in a room.
    pub(in crate::core) fn offered_to_room(
        &mut self,
        room: RoomId,
        sender: &Person,
        offer: TransferId,
        mut what: Outline,
    ) -> Result<Event, &'static str> {
        let (from, device) = (sender.identifier.clone(), sender.device);
        let is_same = |_: &Transfer, asking: &Asking| asking.device == device && asking.offer == offer;
        if !self.files.offered_to_all(is_same).is_empty() {
            return Err("its number is that of another offer");
        }
        self.takes_more_of(&from)?;
        what.room = Some(room.0.into());
        let transfer = TransferId(self.random_16());
        let asking = Asking { room, device, offer, begun: None };
        self.files.add(transfer, from.clone(), None, what.clone(), Role::Taking(Taking::by_asking(asking)));
        let Outline { name, folder, files, bytes, media_type, .. } = what;
        let (room, device) = (Some(room), Fingerprint(device.spki_digest()));
        Ok(Event::FileOffered { transfer, from, device, room, name, folder, files, bytes, media_type })
    }

    /// She offers it no longer; who has asked her for it already has her answer.
    pub(in crate::core) fn withdrawn_from_room(
        &mut self,
        room: RoomId,
        sender: &Person,
        offer: TransferId,
    ) -> Result<Event, &'static str> {
        let found = self.files.unasked(room, sender.device, offer);
        let withdrawn = found.and_then(|transfer| self.drop_offer(transfer, TransferState::Cancelled, None));
        withdrawn.ok_or("no such offer is known here")
    }

    /// A device offers nothing any more in a room: what was not asked for yet, or not offered to this device, is over.
    pub(in crate::core) fn offers_nothing_more(&mut self, room: RoomId, device: DeviceKey, reason: &str) {
        self.end_offers(reason, |_, asking| asking.room == room && asking.device == device);
    }

    /// One does not take anything from this person any more.
    pub(in crate::core) fn end_offers_of(&mut self, who: &Identifier, reason: &str) {
        self.end_offers(reason, |one, _| one.with == *who);
    }

    /// This device is in a room no longer.
    pub(in crate::core) fn end_offers_in(&mut self, room: RoomId) {
        self.end_notices_in(room);
        self.end_offers("the room was left", |_, asking| asking.room == room);
    }

    fn end_offers(&mut self, reason: &str, is_over: impl Fn(&Transfer, &Asking) -> bool) {
        for transfer in self.files.offered_to_all(is_over) {
            if let Some(event) = self.drop_offer(transfer, TransferState::Stopped, Some(reason)) {
                self.emit(event);
            }
        }
    }

    /// Nothing of it is here yet, and nothing is said about it. Returns what is to be told.
    fn drop_offer(&mut self, transfer: TransferId, ends: TransferState, why: Option<&str>) -> Option<Event> {
        let one = self.files.transfers.remove(&transfer)?;
        let mut event = one.event(transfer, ends);
        if let Event::FileState { by, reason, .. } = &mut event {
            *by = (ends == TransferState::Cancelled).then_some(Side::Them);
            *reason = why.map(str::to_owned);
        }
        Some(event)
    }

    /// Her Hello has come: what was taken of what she offers to all is asked for.
    pub(in crate::core) fn ask_for_files(&mut self, session: SessionId, now: Now) {
        let Some(device) = self.links.get(&session).map(|link| link.person.device) else { return };
        let waiting = self.files.to_be_asked_for(device);
        if let Some(link) = self.links.get_mut(&session).filter(|_| !waiting.is_empty()) {
            link.for_files = true;
        }
        for transfer in waiting {
            self.ask_for_file(transfer, now);
        }
    }

    /// Asks for it, if there is a session with who offers it; otherwise one is made, as with whoever is to be linked.
    pub(super) fn ask_for_file(&mut self, transfer: TransferId, now: Now) {
        let Some(one) = self.files.transfers.get_mut(&transfer) else { return };
        let Some(Asking { device, offer, .. }) = one.asking() else { return };
        let (device, offer) = (*device, offer.0);
        let Some(session) = self.session_to(device) else { return };
        let Some(link) = self.links.get(&session).filter(|link| link.session.is_open()) else { return };
        if !link.session.shares(capability::FILES) {
            let ending = Ending::new(TransferState::Failed).because("their messenger does not know this");
            return self.end_file(transfer, ending, now);
        }
        if let Some(one) = self.files.transfers.get_mut(&transfer) {
            one.session = Some(session);
        }
        self.say_of_file(transfer, FileWord::Ask { offer }, now);
    }

    /// She offers to this device what it has asked her for. Its person has taken it already.
    pub(super) fn ask_answered(
        &mut self,
        (session, number): (SessionId, u64),
        transfer: TransferId,
        found: &Outline,
        now: Now,
    ) {
        if let Some(link) = self.links.get_mut(&session) {
            link.session.acknowledge(number);
        }
        let Some(one) = self.files.transfers.get_mut(&transfer) else { return };
        let is_same = one.what == *found;
        let (what, from) = (one.what.clone(), one.with.to_string());
        let Role::Taking(taking) = &mut one.role else { return };
        let Some(Asking { room, device, begun: Some((into, _)), .. }) = taking.asking.take() else { return };
        if !is_same || !self.is_fellow(room, device) {
            let why = if is_same { "who offers it is in the room no longer" } else { ANOTHER };
            let ending = Ending::new(TransferState::Failed).because(why);
            return self.end_file(transfer, ending.saying(End::Failed, Some(why)), now);
        }
        self.actions.push_back(Action::File(FileTask::Begin { transfer, into, what, from }));
    }

    /// Whoever was not reached in time is waited for no longer: what she offers may be taken again. Who has not answered gives
    /// nothing.
    pub(super) fn give_up_asking(&mut self, now: Now) {
        let is_late =
            |_: &Transfer, asking: &Asking| asking.begun.as_ref().is_some_and(|(_, until)| *until <= now.instant);
        for transfer in self.files.offered_to_all(is_late) {
            if self.files.transfers.get(&transfer).is_some_and(|one| one.session.is_none()) {
                self.offer_stands(transfer);
                continue;
            }
            let ending = Ending::new(TransferState::Failed).because(NO_ANSWER);
            self.end_file(transfer, ending.saying(End::Failed, Some(NO_ANSWER)), now);
        }
    }

    /// Its person may take it, as before she did.
    fn offer_stands(&mut self, transfer: TransferId) {
        let Some(one) = self.files.transfers.get_mut(&transfer) else { return };
        let Role::Taking(taking) = &mut one.role else { return };
        taking.accepted = false;
        if let Some(asking) = &mut taking.asking {
            asking.begun = None;
        }
        one.told = Some((TransferState::Offered, None));
        let mut event = one.event(transfer, TransferState::Offered);
        if let Event::FileState { reason, .. } = &mut event {
            *reason = Some(NOT_REACHED.to_owned());
        }
        self.emit(event);
    }
}
