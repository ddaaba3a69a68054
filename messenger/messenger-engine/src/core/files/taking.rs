//! What one takes: asked about it, made ready for, asked for until all of it is there.

use std::time::{Duration, Instant};

use identity::Identifier;
use identity::trust::Fingerprint;

use super::asking::Asking;
use super::{AT_ONCE, Ending, FetchEnd, FileTask, MAX_OF_ONE, MAX_OWN, MAX_UNANSWERED, Role};
use crate::api::{Direction, Event, RoomId, TransferId, TransferState};
use crate::core::{Action, Core, SessionId};
use crate::time::Now;
use crate::wire::{End, FileWord, Outline, Wanted};

/// A giver whose stream brought nothing is asked again after this.
const PAUSE: Duration = Duration::from_secs(1);
/// How often in a row.
const PATIENCE: u32 = 10;

/// What the other side is told of what failed here: paths and disks are nobody's business.
const NOT_TAKEN: &str = "it could not be taken there";

#[derive(Default)]
pub(super) struct Taking {
    pub(super) accepted: bool,
    /// Where it was offered to all in a room, until who offers it has offered it to this device: it was not asked yet, or has not
    /// answered.
    pub(super) asking: Option<Asking>,
    /// What is missing; none before the driver has said so.
    left: Option<Wanted>,
    /// The last request.
    request: u64,
    /// How many in a row brought nothing.
    in_vain: u32,
    /// Not asked for again before.
    pub(super) again: Option<Instant>,
}

impl Taking {
    /// What was offered to all in a room.
    pub(super) fn by_asking(asking: Asking) -> Self {
        Self { asking: Some(asking), ..Self::default() }
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.accepted
    }
}

impl Core {
    /// Somebody offers something.
    pub(super) fn file_offered(
        &mut self,
        session: SessionId,
        transfer: TransferId,
        what: Outline,
    ) -> Result<Event, &'static str> {
        let link = self.links.get(&session).ok_or("the conversation has ended")?;
        let (from, device) = (link.person.identifier.clone(), Fingerprint(link.person.device.spki_digest()));
        if self.files.has_number(transfer) {
            return Err("its number is that of another transfer");
        }
        if self.me.bot && link.bot {
            return Err("bots do not answer bots");
        }
        self.takes_more_of(&from)?;
        let Outline { name, folder, files, bytes, media_type, room } = what.clone();
        self.files.add(transfer, from.clone(), Some(session), what, Role::Taking(Taking::default()));
        let room = room.map(|room| RoomId(*room));
        Ok(Event::FileOffered { transfer, from, device, room, name, folder, files, bytes, media_type })
    }

    /// Whether another offer of somebody's is taken.
    pub(super) fn takes_more_of(&self, from: &Identifier) -> Result<(), &'static str> {
        let taken = |accepted: bool| {
            let of_hers = self.files.transfers.values().filter(|one| one.with == *from);
            of_hers.filter(|one| matches!(&one.role, Role::Taking(taking) if taking.accepted == accepted)).count()
        };
        match taken(false) >= MAX_UNANSWERED || taken(true) >= MAX_OF_ONE {
            true => Err("too many offers of yours are not over yet"),
            false => Ok(()),
        }
    }

    pub(in crate::core) fn accept_file(&mut self, transfer: TransferId, into: String, now: Now) {
        let taken = |one: &&super::Transfer| matches!(&one.role, Role::Taking(taking) if taking.accepted);
        let full = self.files.transfers.values().filter(taken).count() >= MAX_OWN;
        let Some(one) = self.files.transfers.get_mut(&transfer) else {
            return self.no_such_transfer("file_accept", transfer);
        };
        let (what, from) = (one.what.clone(), one.with.to_string());
        match &mut one.role {
            Role::Taking(taking) if !taking.accepted && full => {
                let message = format!("{MAX_OWN} transfers to this device are not over yet");
                self.error("file_accept", message, "wait for some of them, or cancel them");
            }
            Role::Taking(taking) if !taking.accepted => {
                taking.accepted = true;
                if let Some(asking) = &mut taking.asking {
                    asking.begins(into, now);
                    self.file_changed(transfer);
                    return self.ask_for_file(transfer, now);
                }
                self.actions.push_back(Action::File(FileTask::Begin { transfer, into, what, from }));
                self.file_changed(transfer);
            }
            _ => self.error(
                "file_accept",
                "expected an offer without an answer, found another transfer",
                "nothing is to be done",
            ),
        }
    }

    pub(in crate::core) fn refuse_file(&mut self, transfer: TransferId, reason: Option<&str>, now: Now) {
        let Some(one) = self.files.transfers.get(&transfer) else {
            return self.no_such_transfer("file_refuse", transfer);
        };
        match &one.role {
            Role::Taking(taking) if !taking.accepted => {
                self.end_file(transfer, Ending::new(TransferState::Refused).saying(End::Refused, reason), now);
            }
            _ => self.error(
                "file_refuse",
                "expected an offer without an answer, found another transfer",
                "cancel it instead",
            ),
        }
    }

    /// All is ready to take it, from here on; or why not.
    pub fn file_begun(&mut self, transfer: TransferId, begun: Result<FetchEnd, String>, now: Now) {
        let Some(one) = self.files.transfers.get_mut(&transfer) else { return };
        let Role::Taking(taking) = &mut one.role else { return };
        if !taking.accepted || taking.left.is_some() {
            return;
        }
        match begun {
            Ok(FetchEnd::Left(left)) => {
                taking.left = Some(left);
                let session = one.session;
                self.run_files(session, now);
            }
            Ok(FetchEnd::Done(path)) => self.file_is_there(transfer, path, now),
            Ok(FetchEnd::Failed(reason)) | Err(reason) => self.file_not_taken(transfer, reason, now),
        }
    }

    pub(super) fn fetch_if_it_may(&mut self, session: SessionId, transfer: TransferId, now: Now) {
        let free = self.files.running(session, Direction::In) < AT_ONCE;
        let connection = self.links.get(&session).and_then(|link| link.connection);
        let (Some(connection), true) = (connection, free) else { return };
        let Some(one) = self.files.transfers.get_mut(&transfer) else { return };
        if one.is_held() || one.stream.is_some() {
            return;
        }
        let Role::Taking(taking) = &mut one.role else { return };
        let Some(wanted) = taking.left else { return };
        if taking.again.is_some_and(|again| now.instant < again) {
            return;
        }
        taking.again = None;
        taking.request += 1;
        let request = taking.request;
        one.stream = Some(request);
        one.pace.begins();
        // The stream is expected before it is asked for.
        self.actions.push_back(Action::File(FileTask::Fetch { transfer, request, connection, wanted }));
        self.say_of_file(transfer, FileWord::Pull { request, wanted }, now);
        self.file_changed(transfer);
    }

    /// A stream that was taken has ended.
    pub fn file_fetched(&mut self, transfer: TransferId, request: u64, end: FetchEnd, now: Now) {
        let Some(one) = self.files.transfers.get_mut(&transfer).filter(|one| one.stream == Some(request)) else {
            return;
        };
        one.stream = None;
        let held = one.is_held();
        let connected =
            one.session.and_then(|session| self.links.get(&session)).is_some_and(|link| link.seeking.is_none());
        let Role::Taking(taking) = &mut one.role else { return };
        let left = match end {
            FetchEnd::Left(left) => left,
            FetchEnd::Done(path) => return self.file_is_there(transfer, path, now),
            FetchEnd::Failed(reason) => return self.file_not_taken(transfer, reason, now),
        };
        let in_vain = taking.left.replace(left) == Some(left) && !held && connected;
        taking.in_vain = if in_vain { taking.in_vain + 1 } else { 0 };
        taking.again = in_vain.then(|| now.instant + PAUSE);
        if taking.in_vain > PATIENCE {
            return self.file_not_taken(transfer, "the other device breaks off before it sends anything".into(), now);
        }
        let session = one.session;
        self.run_files(session, now);
        self.file_changed(transfer);
    }

    fn file_is_there(&mut self, transfer: TransferId, path: String, now: Now) {
        let ending = Ending { path: Some(path), ..Ending::new(TransferState::Done) };
        self.end_file(transfer, ending.saying(End::Done, None), now);
    }

    fn file_not_taken(&mut self, transfer: TransferId, reason: String, now: Now) {
        let ending = Ending::new(TransferState::Failed).because(reason);
        self.end_file(transfer, ending.saying(End::Failed, Some(NOT_TAKEN)), now);
    }
}
