//! Files and folders on their way: offered, accepted, pulled by who takes them, put off, ended. No file and no stream is
//! touched here: [`FileTask`]s go to the driver, what comes of them comes back.
//!
//! ```text
//!        giver                                         taker
//! file_offer ─► look ──offer──────────────────────────► file_offered
//!                                                        file_accept ─► begin: where does it go on?
//!  serve ◄───────────────────────pull(request, wanted)── fetch
//!    └──── a stream: the bytes of files, their hashes ────► written, checked
//!  done ◄────────────────────────over(done)────────────── all there
//! ```
//! A stream that breaks off, whyever, costs nothing but another pull from where the taker's disk has got to: so it goes on
//! after a pause, on another connection, and in another conversation after another offer.

mod asking;
mod giving;
mod notices;
mod pace;
mod taking;
mod task;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use identity::Identifier;

use super::{Action, Core, SessionId};
use crate::api::{Direction, Event, Side, TransferId, TransferState};
use crate::time::Now;
use crate::wire::{End, FileWord, Outline};
use giving::Giving;
use notices::Notice;
use pace::Pace;
use taking::Taking;

#[cfg(test)]
pub(super) use notices::TOO_MANY;
pub use task::{FetchEnd, FileTask, LookedAt, ServeEnd};

/// How many transfers of one session run at a time, each way. The others wait: streams are bounded, and a few fill the line.
const AT_ONCE: usize = 4;
/// How many offers of one person may wait for an answer.
const MAX_UNANSWERED: usize = 32;
/// How many of one person's may be taken at a time: others have to find a place, too.
const MAX_OF_ONE: usize = 64;
/// How many transfers there may be that one has offered to somebody, or taken.
const MAX_OWN: usize = 256;

/// All transfers that are not over.
#[derive(Default)]
pub(super) struct Files {
    transfers: BTreeMap<TransferId, Transfer>,
    /// What this device offers to all in large rooms.
    notices: BTreeMap<TransferId, Notice>,
    /// Which offer goes under which id, until it has arrived or not: it may be cancelled meanwhile.
    offers: HashMap<u64, TransferId>,
    /// How many there were, and how often something was asked for: they run in their order.
    count: u64,
}

struct Transfer {
    with: Identifier,
    /// Where it belongs; none before the offer has gone out.
    session: Option<SessionId>,
    what: Outline,
    role: Role,
    number: u64,
    held_here: bool,
    held_there: bool,
    /// The request whose stream the driver has.
    stream: Option<u64>,
    told: Option<(TransferState, Option<Side>)>,
    pace: Pace,
}

enum Role {
    Giving(Giving),
    Taking(Taking),
}

/// How a transfer ends here.
struct Ending {
    state: TransferState,
    by: Option<Side>,
    reason: Option<String>,
    path: Option<String>,
    /// What the other side is told.
    word: Option<(End, Option<String>)>,
}

impl Ending {
    fn new(state: TransferState) -> Self {
        Self { state, by: None, reason: None, path: None, word: None }
    }

    fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    fn by(self, side: Side) -> Self {
        Self { by: Some(side), ..self }
    }

    fn saying(self, end: End, reason: Option<&str>) -> Self {
        Self { word: Some((end, reason.map(crate::clip))), ..self }
    }
}

impl Transfer {
    fn direction(&self) -> Direction {
        match self.role {
            Role::Giving(_) => Direction::Out,
            Role::Taking(_) => Direction::In,
        }
    }

    fn is_held(&self) -> bool {
        self.held_here || self.held_there
    }

    /// How it stands, and through whom.
    fn state(&self) -> (TransferState, Option<Side>) {
        let begun = match &self.role {
            Role::Giving(giving) => giving.is_accepted(),
            Role::Taking(taking) => taking.is_accepted(),
        };
        match self {
            _ if !begun => (TransferState::Offered, None),
            Self { held_here: true, .. } => (TransferState::Paused, Some(Side::Me)),
            Self { held_there: true, .. } => (TransferState::Paused, Some(Side::Them)),
            Self { stream: Some(_), .. } | Self { role: Role::Giving(Giving { sent: true, .. }), .. } => {
                (TransferState::Running, None)
            }
            _ => (TransferState::Waiting, None),
        }
    }

    fn event(&self, transfer: TransferId, state: TransferState) -> Event {
        let left_out = match &self.role {
            Role::Giving(giving) => Some(giving.left_out).filter(|count| *count > 0),
            Role::Taking(_) => None,
        };
        Event::FileState {
            transfer,
            with: self.with.clone(),
            direction: self.direction(),
            name: self.what.name.clone(),
            state,
            by: None,
            reason: None,
            path: None,
            left_out,
        }
    }
}

impl Files {
    fn add(&mut self, transfer: TransferId, with: Identifier, session: Option<SessionId>, what: Outline, role: Role) {
        self.count += 1;
        let (number, pace) = (self.count, Pace::default());
        let one = Transfer {
            with,
            session,
            what,
            role,
            number,
            held_here: false,
            held_there: false,
            stream: None,
            told: None,
            pace,
        };
        self.transfers.insert(transfer, one);
    }

    /// Those of a session, in their order.
    fn of(&self, session: SessionId) -> Vec<TransferId> {
        let theirs = self.transfers.iter().filter(|(_, one)| one.session == Some(session));
        let mut theirs: Vec<(u64, TransferId)> = theirs.map(|(id, one)| (one.number, *id)).collect();
        theirs.sort_unstable();
        theirs.into_iter().map(|(_, id)| id).collect()
    }

    /// How many streams of a session are with the driver, one way.
    fn running(&self, session: SessionId, way: Direction) -> usize {
        let runs = |one: &&Transfer| one.session == Some(session) && one.stream.is_some() && one.direction() == way;
        self.transfers.values().filter(runs).count()
    }

    /// Whether a session is needed for one.
    pub(super) fn need(&self, session: SessionId) -> bool {
        self.transfers.values().any(|one| one.session == Some(session))
    }

    /// Whether what is to be offered is still meant.
    pub(super) fn is_there(&self, transfer: [u8; 16]) -> bool {
        self.transfers.contains_key(&TransferId(transfer))
    }

    /// Whether a number is that of a transfer, or of what this device offers to all: whose it is, all in the room know.
    fn has_number(&self, transfer: TransferId) -> bool {
        self.transfers.contains_key(&transfer) || self.notices.contains_key(&transfer)
    }

    /// How many there are, and how many offers are on their way.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.transfers.len() + self.offers.len() + self.notices.len()
    }

    /// Whether something of a transfer is on its way.
    #[cfg(test)]
    pub(super) fn is_given(&self, transfer: TransferId) -> bool {
        self.transfers.get(&transfer).is_some_and(|one| one.stream.is_some())
    }

    /// When something is asked for again.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.transfers
            .values()
            .filter(|one| !one.is_held())
            .filter_map(|one| if let Role::Taking(taking) = &one.role { taking.again } else { None })
            .chain(self.next_of_asking())
            .chain(self.next_of_notices())
            .min()
    }
}

impl Core {
    pub(super) fn pause_file(&mut self, transfer: TransferId, now: Now) {
        self.hold("file_pause", transfer, true, now);
    }

    pub(super) fn continue_file(&mut self, transfer: TransferId, now: Now) {
        self.hold("file_continue", transfer, false, now);
    }

    fn hold(&mut self, about: &str, transfer: TransferId, held: bool, now: Now) {
        let Some(one) = self.files.transfers.get_mut(&transfer) else { return self.no_such_transfer(about, transfer) };
        if one.state().0 == TransferState::Offered {
            return self.error(about, "it is not accepted yet", "cancel or refuse it, if it is not wanted");
        }
        if std::mem::replace(&mut one.held_here, held) != held {
            self.say_of_file(transfer, FileWord::Hold { held }, now);
            self.held(transfer, now);
        }
    }

    /// Somebody has put it off, or no longer does.
    fn held(&mut self, transfer: TransferId, now: Now) {
        let Some(one) = self.files.transfers.get_mut(&transfer) else { return };
        if one.is_held() && one.stream.is_some() {
            self.actions.push_back(Action::File(FileTask::Halt { transfer }));
        }
        let session = one.session;
        self.file_changed(transfer);
        self.run_files(session, now);
    }

    pub(super) fn cancel_file(&mut self, transfer: TransferId, now: Now) {
        if self.files.notices.contains_key(&transfer) {
            return self.withdraw_notice(transfer, now);
        }
        if !self.files.transfers.contains_key(&transfer) {
            return self.no_such_transfer("file_cancel", transfer);
        }
        let ending = Ending::new(TransferState::Cancelled).by(Side::Me).saying(End::Cancelled, None);
        self.end_file(transfer, ending, now);
    }

    /// A transfer is over.
    fn end_file(&mut self, transfer: TransferId, ending: Ending, now: Now) {
        let Ending { state, by, reason, path, word } = ending;
        if let Some((end, why)) = word {
            self.say_of_file(transfer, FileWord::Over { end, reason: why }, now);
        }
        let Some(one) = self.files.transfers.remove(&transfer) else { return };
        let mut event = one.event(transfer, state);
        if let Event::FileState { by: told_by, reason: told_reason, path: told_path, .. } = &mut event {
            (*told_by, *told_reason, *told_path) = (by, reason, path);
        }
        self.emit(event);
        // What was put off, or failed over there, may go on after another offer. Of what is not wanted any more nothing stays,
        // also if the last byte came at this moment.
        let keep = matches!(state, TransferState::Stopped | TransferState::Failed | TransferState::Done);
        self.actions.push_back(Action::File(FileTask::Forget { transfer, keep }));
        // Others may have waited for its place for longer than the same device.
        if one.is_of_notice() {
            self.run_files_of_notices(now);
        }
        self.run_files(one.session, now);
    }

    /// Tells the client how it stands, if that is new.
    fn file_changed(&mut self, transfer: TransferId) {
        let Some(one) = self.files.transfers.get_mut(&transfer) else { return };
        let (state, side) = one.state();
        if one.told == Some((state, side)) {
            return;
        }
        one.told = Some((state, side));
        let mut event = one.event(transfer, state);
        if let Event::FileState { by, .. } = &mut event {
            *by = side;
        }
        self.emit(event);
    }

    /// Lets run what may.
    pub(super) fn run_files(&mut self, session: Option<SessionId>, now: Now) {
        let Some(session) = session else { return };
        for transfer in self.files.of(session) {
            self.fetch_if_it_may(session, transfer, now);
            self.serve_if_it_may(session, transfer, now);
        }
    }

    /// What was to be asked for again a moment later.
    pub(super) fn tend_files(&mut self, now: Now) {
        self.give_up_asking(now);
        self.halt_who_takes_nothing(now);
        // Its pause is over, whether there is a place for it now or others have taken that.
        let due = |one: &mut Transfer| match &mut one.role {
            Role::Taking(taking) => taking.again.take_if(|again| *again <= now.instant).and(one.session),
            Role::Giving(_) => None,
        };
        let sessions: Vec<SessionId> = self.files.transfers.values_mut().filter_map(due).collect();
        for session in sessions {
            self.run_files(Some(session), now);
        }
    }

    /// A session has ended, and all that belonged to it stops.
    pub(super) fn stop_files(&mut self, session: SessionId, reason: &str, now: Now) {
        for transfer in self.files.of(session) {
            self.end_file(transfer, Ending::new(TransferState::Stopped).because(reason), now);
        }
    }

    /// One does not talk to this person any more, though a room still needs the session.
    pub(super) fn cancel_files(&mut self, session: SessionId, reason: &str, now: Now) {
        for transfer in self.files.of(session) {
            if self.files.transfers.get(&transfer).is_some_and(|one| one.what.room.is_none()) {
                let ending = Ending::new(TransferState::Cancelled).by(Side::Me).because(reason);
                self.end_file(transfer, ending.saying(End::Cancelled, None), now);
            }
        }
    }

    /// Whether this transfer is not over.
    pub fn transfers(&self, transfer: TransferId) -> bool {
        self.files.transfers.contains_key(&transfer)
    }

    /// So many bytes of a transfer are through.
    pub fn file_moved(&mut self, transfer: TransferId, request: u64, done: u64, now: Now) {
        let Some(one) = self.files.transfers.get_mut(&transfer).filter(|one| one.stream == Some(request)) else {
            return;
        };
        let (direction, bytes, session) = (one.direction(), one.what.bytes, one.session);
        if let Role::Giving(giving) = &mut one.role {
            giving.moved = Some(now.instant);
        }
        let told = one.pace.moved(done, bytes, now.instant);
        let with = one.with.clone();
        if let Some(link) = session.and_then(|session| self.links.get_mut(&session)) {
            link.last_content = now.instant;
        }
        if let Some((rate, left_s)) = told {
            self.emit(Event::FileProgress { transfer, with, direction, done, bytes, rate, left_s });
        }
    }

    fn no_such_transfer(&mut self, about: &str, transfer: TransferId) {
        self.error(
            about,
            format!("expected a transfer that is not over, found {transfer}"),
            "take the number from a file_offered or file_state event",
        );
    }
}
