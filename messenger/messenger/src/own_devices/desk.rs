//! What is under way between this device and others of the same person: it hears what the engine says, and what she wants, and
//! says what is to be done.
//!
//! ```text
//! peer in one's own name ──► own_device(code) ──confirm(code)──► known
//! invite, join ──► known as well (adding.rs)
//! known, give ──► a file for that device alone ──done──► device_given
//! a file from a known one ──fetched, read──► device_offers(summary) ──take──► device_taken
//! a file from any other ──► refused
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use identity::card::{CLAIM_BYTES, ContactCard};
use identity::endorsement::Endorsement;
use identity::trust::{Fingerprint, Trust};
use identity::{Identifier, UnixTime};
use messenger_engine::{Command, Event, Peer, TransferId, TransferState};

use super::adding::{Adding, CLAIM_TYPE};
use super::hers::Hers;
use super::package::{MAX_BYTES, Package};
use super::{Endorse, MEDIA_TYPE, Note, Wish, before, folder, invitation};
use crate::contacts::ContactBook;
use crate::keeping::random;

/// One thing that is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Engine(Command),
    Tell(Note),
    /// Something went wrong: an `error` event.
    Wrong(Event),
}

/// See the module's picture.
pub(crate) struct Desk {
    pub(super) me: Identifier,
    /// None where nothing may be written into the folder: then nothing is given or taken, either.
    pub(super) book: Option<ContactBook>,
    trust: Arc<Trust>,
    endorse: Endorse,
    pub(super) hers: Hers,
    pub(super) adding: Adding,
    giving: BTreeMap<TransferId, Giving>,
    taking: BTreeMap<TransferId, Fingerprint>,
    /// Transfers of which nothing is told any more.
    quiet: BTreeSet<TransferId>,
    /// What came and is not taken in yet.
    given: Option<Given>,
    /// Nothing is put back as long as this program knows what is in the files.
    _running: Option<File>,
}

/// What is on its way to another device.
struct Giving {
    device: Fingerprint,
    path: PathBuf,
    /// Whether the engine has taken it up.
    begun: bool,
}

/// What another device has given.
struct Given {
    device: Fingerprint,
    package: Package,
    /// Whether the files were laid aside for it: a part of it may have been taken in.
    laid_aside: bool,
}

impl Desk {
    /// Of a person and her present device, of which others have said this. What cannot be read comes with it, as an `error`
    /// event.
    pub(crate) fn new(
        (me, own): (Identifier, Fingerprint),
        book: Option<ContactBook>,
        (trust, endorse): (Arc<Trust>, Endorse),
        endorsements: &[Endorsement],
    ) -> (Self, Option<Event>) {
        let home = book.as_ref().map(|book| book.home().clone());
        if let Some(home) = &home {
            folder::tidy(home);
        }
        let running = home.as_ref().map(before::run).transpose();
        let by = home.as_ref().map(|home| invitation::load(home, UnixTime::now())).transpose();
        let (hers, unread) = Hers::new(own, home, endorsements);
        let unread = unread.map(|error| wrong(error.to_string(), "mend the file, or move it away"));
        let (running, problem) = match running {
            Ok(running) => (running, unread),
            Err(error) => (None, Some(wrong(error.to_string(), "mend the folder"))),
        };
        let (by, problem) = match by {
            Ok(by) => (by.flatten().filter(|by| by.card().identifier == me), problem),
            Err(error) => {
                let remedy = "move the file away: /devices add on the other device shows another link";
                (None, problem.or(Some(wrong(error.to_string(), remedy))))
            }
        };
        let desk = Self {
            me,
            book,
            trust,
            endorse,
            hers,
            adding: Adding::begun(by),
            giving: BTreeMap::new(),
            taking: BTreeMap::new(),
            quiet: BTreeSet::new(),
            given: None,
            _running: running,
        };
        (desk, problem)
    }

    /// The same, of a device with this card: others can be invited by it.
    pub(crate) fn inviting_by(mut self, card: Option<ContactCard>) -> Self {
        self.adding.card = card;
        self
    }

    /// Whether an event is about what goes between the devices, and nothing that the person is to see as a file.
    pub(crate) fn hides(&self, event: &Event) -> bool {
        match event {
            Event::FileOffered { from, media_type, .. } => {
                *from == self.me && matches!(media_type.as_deref(), Some(MEDIA_TYPE | CLAIM_TYPE))
            }
            Event::FileState { transfer, .. } | Event::FileProgress { transfer, .. } => {
                self.giving.contains_key(transfer)
                    || self.taking.contains_key(transfer)
                    || self.quiet.contains(transfer)
                    || self.adding.moves(*transfer)
            }
            _ => false,
        }
    }

    /// Takes in what the engine says, once it was asked whether that is [hidden](Self::hides).
    pub(crate) fn hear(&mut self, event: &Event) -> Vec<Step> {
        match event {
            Event::Online { .. } => self.call(),
            Event::Peer(peer) if peer.who == self.me => self.meet(peer.clone()),
            _ if !self.hides(event) => Vec::new(),
            Event::FileOffered { transfer, device, folder, bytes, media_type, .. }
                if media_type.as_deref() == Some(CLAIM_TYPE) =>
            {
                self.claimed(*transfer, *device, !folder && *bytes == CLAIM_BYTES as u64)
            }
            Event::FileOffered { transfer, device, folder, bytes, .. } => {
                self.offered(*transfer, *device, *folder || *bytes > MAX_BYTES)
            }
            Event::FileState { transfer, state, reason, path, .. } => {
                self.moved(*transfer, *state, reason.as_deref(), path.as_deref())
            }
            _ => Vec::new(),
        }
    }

    /// Does what she wants.
    pub(crate) fn wish(&mut self, wish: Wish) -> Vec<Step> {
        match wish {
            Wish::Confirm { code } => self.confirm(&code),
            Wish::Invite => self.invite(),
            Wish::Join { link } => self.join(&link),
            Wish::Give => self.give(),
            Wish::Take => self.take(),
            Wish::Leave => {
                self.given = None;
                Vec::new()
            }
        }
    }

    fn meet(&mut self, peer: Peer) -> Vec<Step> {
        let (device, code) = (peer.device, peer.code.clone());
        let known = self.hers.meet(peer);
        let claim = self.claim(device);
        let confirmed = known || self.hers.is_known(device);
        [Step::Tell(Note::OwnDevice { device, code, confirmed })].into_iter().chain(claim).collect()
    }

    fn confirm(&mut self, code: &str) -> Vec<Step> {
        // What was typed is what the other device shows: whoever else has come meanwhile has another code.
        let Some(device) = self.hers.by_code(code) else {
            let remedy = "look again at what the other device shows; if it is another code than here, that device is not \
                          the one to which this one is connected, and somebody may have a certificate in your name";
            return vec![Step::Wrong(wrong(format!("no device of yours with the code {code} is connected"), remedy))];
        };
        match self.hers.confirm(device) {
            Ok(()) => vec![Step::Tell(Note::DeviceConfirmed { device })],
            Err(error) => vec![Step::Wrong(wrong(error.to_string(), "mend the folder, and type the code again"))],
        }
    }

    fn give(&mut self) -> Vec<Step> {
        self.hers.look_again();
        let Some(device) = self.hers.last_known() else {
            let remedy = "call it, compare the code, and type it on both: /devices, then /devices CODE";
            return vec![Step::Wrong(wrong("no device that is known to be yours is connected", remedy))];
        };
        self.give_to(device)
    }

    /// Gives it to this one.
    pub(super) fn give_to(&mut self, device: Fingerprint) -> Vec<Step> {
        let Some(book) = &self.book else { return vec![Step::Wrong(ephemeral())] };
        // What the engine never took up it refused: of that nothing stays.
        for (transfer, refused) in self.giving.extract_if(.., |_, giving| !giving.begun) {
            let _ = std::fs::remove_file(refused.path);
            self.quiet.insert(transfer);
        }
        let transfer = transfer();
        // A device that this one cannot speak for now is given the rest all the same.
        let endorsement = (self.endorse)(device);
        let unendorsed = endorsement.as_ref().err().map(|error| {
            Step::Wrong(wrong(format!("your other device is not endorsed: {error}"), "certtool endorse, here"))
        });
        let written = folder::decided(book)
            .map(|decided| Package::of(decided, endorsement.as_ref().ok()))
            .and_then(|package| folder::write(book.home(), &format!("{transfer}.json"), &package));
        match written {
            Ok(path) => {
                let offer = self.offer(transfer, &path, device, MEDIA_TYPE);
                self.giving.insert(transfer, Giving { device, path, begun: false });
                unendorsed.into_iter().chain([Step::Engine(offer)]).collect()
            }
            Err(error) => vec![Step::Wrong(wrong(error.to_string(), "mend the file or the folder, and try again"))],
        }
    }

    /// Offers a file to one device of hers alone.
    pub(super) fn offer(&self, transfer: TransferId, path: &Path, device: Fingerprint, media_type: &str) -> Command {
        Command::FileOffer {
            to: self.me.to_string(),
            path: path.display().to_string(),
            transfer: Some(transfer),
            device: Some(device),
            media_type: Some(media_type.to_owned()),
        }
    }

    /// Something is offered that may be taken in. It is fetched to see what it would change; that is then for her to say.
    fn offered(&mut self, transfer: TransferId, device: Fingerprint, too_large: bool) -> Vec<Step> {
        self.hers.look_again();
        if !self.hers.is_known(device) {
            let what = "a device in your name wanted to give you contacts, and was refused: its code was not compared";
            let remedy = "if it is yours, compare the code, type it on both (/devices CODE), and give it again";
            return self.refuse(transfer, "the code was not compared there yet", Some(wrong(what, remedy)));
        }
        if too_large {
            return self.refuse(transfer, "that is no list of contacts", None);
        }
        if self.given.is_some() || !self.taking.is_empty() {
            let what = "your other device gives something more, and was refused: what it gave before waits for you";
            let problem = wrong(what, "/devices take, or /devices leave");
            return self.refuse(transfer, "what was given before waits there", Some(problem));
        }
        let Some(book) = &self.book else {
            return self.refuse(transfer, "nothing is written there", Some(ephemeral()));
        };
        match folder::moving(book.home()) {
            Ok(into) => {
                self.taking.insert(transfer, device);
                vec![Step::Engine(Command::FileAccept { transfer, into: into.display().to_string() })]
            }
            Err(error) => {
                self.refuse(transfer, "it could not be taken there", Some(wrong(error.to_string(), "mend the folder")))
            }
        }
    }

    /// It is not taken; of the transfer nobody hears more.
    pub(super) fn refuse(&mut self, transfer: TransferId, reason: &str, problem: Option<Event>) -> Vec<Step> {
        self.quiet.insert(transfer);
        let refusal = Step::Engine(Command::FileRefuse { transfer, reason: Some(reason.to_owned()) });
        [refusal].into_iter().chain(problem.map(Step::Wrong)).collect()
    }

    fn moved(
        &mut self,
        transfer: TransferId,
        state: TransferState,
        reason: Option<&str>,
        path: Option<&str>,
    ) -> Vec<Step> {
        if let Some(steps) = self.claim_moved(transfer, state, reason, path) {
            return steps;
        }
        if let Some(giving) = self.giving.get_mut(&transfer) {
            giving.begun = true;
        }
        if !state.is_over() || self.quiet.remove(&transfer) {
            return Vec::new();
        }
        let failed = |what: &str| {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            vec![Step::Wrong(wrong(format!("{what}{reason}"), "connect the two again (/devices), and try once more"))]
        };
        if let Some(Giving { device, path, .. }) = self.giving.remove(&transfer) {
            // It has a copy of what stands in other files; if it cannot be removed now, the next start does it.
            let _ = std::fs::remove_file(path);
            return match state {
                TransferState::Done => vec![Step::Tell(Note::DeviceGiven { device })],
                _ => failed("your other device has not taken it"),
            };
        }
        let Some(device) = self.taking.remove(&transfer) else { return Vec::new() };
        let (TransferState::Done, Some(path), Some(book)) = (state, path, &self.book) else {
            return failed("it did not arrive from your other device");
        };
        let read =
            folder::read(path.as_ref()).and_then(|package| Ok((folder::preview(book, &package, &self.me)?, package)));
        match read {
            Ok((mut summary, package)) => {
                summary.endorsed &= !self.hers.endorsers.contains(&device);
                self.given = Some(Given { device, package, laid_aside: false });
                if self.adding.is_awaited(device) {
                    return self.take();
                }
                vec![Step::Tell(Note::DeviceOffers { device, summary })]
            }
            Err(error) => {
                vec![Step::Wrong(wrong(error.to_string(), "the same release of the messenger on both devices"))]
            }
        }
    }

    fn take(&mut self) -> Vec<Step> {
        let Some(book) = &self.book else { return vec![Step::Wrong(ephemeral())] };
        let Some(mut given) = self.given.take() else {
            return vec![Step::Wrong(wrong("no other device has given anything", "/devices give, on the other one"))];
        };
        let device = given.device;
        match folder::take(book, &self.trust, given.package.clone(), &self.me, &mut given.laid_aside) {
            Ok(folder::Taken { mut summary, commands, unendorsed }) => {
                summary.endorsed &= !self.hers.endorsers.contains(&device);
                if summary.endorsed {
                    self.hers.endorsers.push(device);
                }
                let unendorsed = unendorsed.map(|error| {
                    let what = format!("its word that this device is yours does not count: {error}");
                    Step::Wrong(wrong(what, "certtool endorse there, certtool endorse --accept here"))
                });
                let commands = commands.into_iter().map(Step::Engine);
                commands.chain([Step::Tell(Note::DeviceTaken { device, summary })]).chain(unendorsed).collect()
            }
            Err(error) => {
                // Part of it may be there; once more does it all.
                self.given = Some(given);
                let remedy = "mend that and take it once more; or leave it, and `messenger devices undo --yes`";
                vec![Step::Wrong(wrong(error.to_string(), remedy))]
            }
        }
    }
}

pub(super) fn wrong(message: impl Into<String>, remedy: &str) -> Event {
    Event::Error { about: "devices".to_owned(), message: message.into(), remedy: remedy.to_owned() }
}

pub(super) fn ephemeral() -> Event {
    wrong("nothing is written into the folder in this run", "start without --ephemeral")
}

/// A new name for what goes.
pub(super) fn transfer() -> TransferId {
    TransferId(*random().first_chunk().expect("16 of 32 bytes"))
}
