//! What one gives: looked at, offered, sent when the other side asks for it.

use std::time::Instant;

use identity::Identifier;
use identity::trust::Fingerprint;

use super::{AT_ONCE, Ending, FileTask, Files, LookedAt, MAX_OWN, Role, ServeEnd, Transfer};
use crate::api::{DeliveryState, Direction, RoomId, TransferId, TransferState};
use crate::core::saying::Said;
use crate::core::{Action, Core, SessionId};
use crate::room::DeviceKey;
use crate::time::Now;
use crate::wire::{End, FileWord, Mark, Outline, Wanted};

/// What the other side is told of what failed here: paths and disks are nobody's business.
pub(super) const UNREADABLE: &str = "it cannot be read there any more";

/// Why something is not offered.
pub(super) const UNBOUNDED: &str = "it has more files or bytes, or a longer name, than can be offered";

/// Why what all were told of is not given.
const CHANGED: &str = "it is not what was offered any more";

#[derive(Default)]
pub(super) struct Giving {
    /// The one device in a room to which it goes, and the room.
    pub(super) fellow: Option<(RoomId, DeviceKey)>,
    /// The offer to all in that room by which that one has asked for it.
    pub(super) of: Option<TransferId>,
    /// The one device of theirs that it is for, if not any.
    device: Option<Fingerprint>,
    /// What kind of file it is said to be, if not what its name says.
    media_type: Option<String>,
    /// The last request.
    request: u64,
    /// What was asked for, and is not being sent yet.
    pub(super) wanted: Option<Wanted>,
    /// When that was, among all that was asked for; and when bytes last went, or the stream began.
    pub(super) turn: u64,
    pub(super) moved: Option<Instant>,
    /// Something of it was sent.
    pub(super) served: bool,
    /// How many parts of a folder are not offered.
    pub(super) left_out: u64,
    /// What was asked for last has gone out; what the other side makes of it is not known yet.
    pub(super) sent: bool,
}

impl Giving {
    /// To who has asked for what is offered to all in a room.
    pub(super) fn of_notice(offer: TransferId, fellow: (RoomId, DeviceKey)) -> Self {
        Self { fellow: Some(fellow), of: Some(offer), ..Self::default() }
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.request > 0
    }
}

impl Core {
    pub(in crate::core) fn offer_file(
        &mut self,
        to: Identifier,
        path: String,
        transfer: Option<TransferId>,
        (device, media_type): (Option<Fingerprint>, Option<String>),
    ) {
        let transfer = transfer.unwrap_or_else(|| TransferId(self.random_16()));
        self.look_at_file("file_offer", transfer, to, path, Giving { device, media_type, ..Giving::default() });
    }

    pub(in crate::core) fn offer_file_in_room(&mut self, room: RoomId, path: String) {
        let Some(inside) = self.rooms.get(&room).and_then(crate::core::rooms::Room::inside) else {
            return self.no_such_room("room_file_offer", room);
        };
        if inside.is_large() {
            return self.offer_to_all(room, path);
        }
        let me = self.me.person.device;
        let others: Vec<(Identifier, DeviceKey)> = inside
            .group
            .members()
            .filter(|person| person.device != me && !inside.lapsed.has(person.device))
            .map(|person| (person.identifier.clone(), person.device))
            .collect();
        if others.is_empty() {
            return self.error("room_file_offer", "nobody else is in this room", "invite somebody");
        }
        for (who, device) in others {
            let transfer = TransferId(self.random_16());
            let giving = Giving { fellow: Some((room, device)), ..Giving::default() };
            self.look_at_file("room_file_offer", transfer, who, path.clone(), giving);
        }
    }

    fn look_at_file(&mut self, about: &str, transfer: TransferId, to: Identifier, path: String, giving: Giving) {
        if self.files.has_number(transfer) {
            let message = format!("expected a number for a new transfer, found {transfer}, which another one has");
            return self.error(about, message, "leave it out, and one is drawn");
        }
        let of_own = |one: &&Transfer| one.direction() == Direction::Out && !one.is_of_notice();
        if self.files.transfers.values().filter(of_own).count() >= MAX_OWN {
            let message = format!("{MAX_OWN} transfers to others are not over yet");
            return self.error(about, message, "wait for some of them, or cancel them");
        }
        // Until it was looked at, the last part of the path has to do.
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let what = Outline { name, folder: false, files: 0, bytes: 0, media_type: None, room: None };
        self.files.add(transfer, to, None, what, Role::Giving(giving));
        self.file_changed(transfer);
        self.actions.push_back(Action::File(FileTask::Look { transfer, path }));
    }

    /// What is to be offered was looked at.
    pub fn file_looked_at(&mut self, transfer: TransferId, found: Result<LookedAt, String>, now: Now) {
        if self.files.notices.contains_key(&transfer) {
            return self.notice_looked_at(transfer, found, now);
        }
        let Some(one) = self.files.transfers.get_mut(&transfer) else { return };
        let Role::Giving(giving) = &mut one.role else { return };
        let (fellow, device, media_type) = (giving.fellow, giving.device, giving.media_type.clone());
        let LookedAt { mut what, left_out } = match found {
            Ok(found) => found,
            Err(reason) => {
                // Who has asked for it waits.
                let ending = Ending::new(TransferState::Failed).because(reason);
                return self.end_file(transfer, ending.saying(End::Failed, Some(UNREADABLE)), now);
            }
        };
        what.room = fellow.map(|(room, _)| room.0.into());
        what.media_type = media_type.or(what.media_type);
        if giving.of.is_some() && what != one.what {
            let ending = Ending::new(TransferState::Failed).because(CHANGED);
            return self.end_file(transfer, ending.saying(End::Failed, Some(CHANGED)), now);
        }
        if !what.is_bounded() {
            return self.end_file(transfer, Ending::new(TransferState::Failed).because(UNBOUNDED), now);
        }
        giving.left_out = left_out;
        one.what = what.clone();
        let to = one.with.clone();
        if left_out > 0 {
            // It was told as offered before this was known.
            one.told = None;
            self.file_changed(transfer);
        }
        let id = self.draw_id();
        self.files.offers.insert(id, transfer);
        let said = Said::Mark { mark: Mark::File { transfer: transfer.0, word: FileWord::Offer { what } }, run: None };
        match fellow {
            None => match device.map(|device| self.connected_device(&to, device)) {
                Some(None) => {
                    let reason = Some("that device of theirs is not connected".to_owned());
                    self.offer_state(id, DeliveryState::NotDelivered, reason, now);
                }
                device => self.say_to(to, id, said, device.flatten(), now),
            },
            Some((_, device)) => match self.session_to(device) {
                Some(session) => self.put_said(session, to, id, said, now),
                None => {
                    let reason = Some("no direct connection".to_owned());
                    self.offer_state(id, DeliveryState::NotDelivered, reason, now);
                }
            },
        }
    }

    /// The device of somebody with this fingerprint, if there is a session with it.
    fn connected_device(&self, who: &Identifier, device: Fingerprint) -> Option<DeviceKey> {
        let theirs = self.links.values().map(|link| &link.person).filter(|person| person.identifier == *who);
        theirs.map(|person| person.device).find(|key| key.spki_digest() == device.0)
    }

    /// What waited under this id was cancelled meanwhile.
    pub(in crate::core) fn offer_drops(&mut self, id: u64) {
        self.files.offers.remove(&id);
    }

    /// Whether this id stands for an offer.
    pub(in crate::core) fn is_offer(&self, id: u64) -> bool {
        self.files.offers.contains_key(&id)
    }

    /// The offer that goes under this id belongs to this session from now on.
    pub(in crate::core) fn offer_goes(&mut self, id: u64, session: SessionId) {
        let transfer = self.files.offers.get(&id);
        if let Some(one) = transfer.and_then(|transfer| self.files.transfers.get_mut(transfer)) {
            one.session = Some(session);
        }
    }

    /// How far an offer got.
    pub(in crate::core) fn offer_state(&mut self, id: u64, state: DeliveryState, reason: Option<String>, now: Now) {
        if state == DeliveryState::Sending {
            return;
        }
        let Some(transfer) = self.files.offers.remove(&id) else { return };
        let state = match state {
            DeliveryState::Sending | DeliveryState::Delivered => return,
            DeliveryState::NotDelivered => TransferState::Failed,
            DeliveryState::Unknown => TransferState::Stopped,
        };
        self.end_file(transfer, Ending { reason, ..Ending::new(state) }, now);
    }

    /// The other side asks for something of it.
    pub(super) fn pulled(&mut self, transfer: TransferId, request: u64, wanted: Wanted, now: Now) {
        let Files { transfers, count, .. } = &mut self.files;
        let Some(one) = transfers.get_mut(&transfer) else { return };
        let Role::Giving(giving) = &mut one.role else { return };
        if request <= giving.request {
            return;
        }
        *count += 1;
        (giving.request, giving.wanted, giving.sent, giving.turn) = (request, Some(wanted), false, *count);
        let (session, runs) = (one.session, one.stream.is_some());
        if runs {
            self.actions.push_back(Action::File(FileTask::Halt { transfer }));
        }
        self.run_files(session, now);
        self.file_changed(transfer);
    }

    pub(super) fn serve_if_it_may(&mut self, session: SessionId, transfer: TransferId, now: Now) {
        let free = self.files.running(session, Direction::Out) < AT_ONCE && self.files.has_place_for(transfer);
        let connection = self.links.get(&session).and_then(|link| link.connection);
        let (Some(connection), true) = (connection, free) else { return };
        let Some(one) = self.files.transfers.get_mut(&transfer) else { return };
        let held = one.is_held() || one.stream.is_some();
        let Role::Giving(giving) = &mut one.role else { return };
        let Some(wanted) = giving.wanted.take_if(|_| !held) else { return };
        let request = giving.request;
        giving.served = true;
        giving.moved = Some(now.instant);
        one.stream = Some(request);
        one.pace.begins();
        self.actions.push_back(Action::File(FileTask::Serve { transfer, request, connection, wanted }));
        self.file_changed(transfer);
    }

    /// A stream that was sent has ended.
    pub fn file_served(&mut self, transfer: TransferId, request: u64, end: ServeEnd, now: Now) {
        let Some(one) = self.files.transfers.get_mut(&transfer) else { return };
        let Role::Giving(giving) = &mut one.role else { return };
        if one.stream != Some(request) {
            return;
        }
        one.stream = None;
        giving.sent = end == ServeEnd::Sent;
        let (session, is_of_notice) = (one.session, one.is_of_notice());
        if let ServeEnd::Failed(reason) = end {
            let ending = Ending::new(TransferState::Failed).because(reason).saying(End::Failed, Some(UNREADABLE));
            return self.end_file(transfer, ending, now);
        }
        if is_of_notice {
            self.run_files_of_notices(now);
        }
        self.run_files(session, now);
        self.file_changed(transfer);
    }
}
