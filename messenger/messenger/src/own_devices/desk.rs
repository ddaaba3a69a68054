//! What is under way between this device and others of the same person: it hears what the engine says, and what she wants, and
//! says what is to be done.
//!
//! ```text
//! peer in one's own name ──► own_device(code) ──confirm(code)──► known
//! known, give ──► a file for that device alone ──done──► device_given
//! a file from a known one ──fetched, read──► device_offers(summary) ──take──► device_taken
//! a file from any other ──► refused
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use identity::Identifier;
use identity::endorsement::Endorsement;
use identity::trust::{Fingerprint, Trust};
use messenger_engine::{Command, Event, Peer, TransferId, TransferState};

use super::folder::{self, MovingError};
use super::package::{MAX_BYTES, Package};
use super::{Endorse, MEDIA_TYPE, Note, Wish, endorsers, known};
use crate::contacts::ContactBook;
use crate::contacts::devices::Devices;
use crate::keeping::random;

/// As many devices as a directory takes of one person.
const MAX_PEERS: usize = 8;

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
    me: Identifier,
    /// This device.
    own: Fingerprint,
    /// None where nothing may be written into the folder: then nothing is given or taken, either.
    book: Option<ContactBook>,
    trust: Arc<Trust>,
    endorse: Endorse,
    /// Which devices say of this one that it is hers.
    endorsers: Vec<Fingerprint>,
    known: Devices,
    /// The devices in her name with which a conversation began, the last one last.
    peers: Vec<Peer>,
    giving: BTreeMap<TransferId, (Fingerprint, PathBuf)>,
    taking: BTreeMap<TransferId, Fingerprint>,
    /// What came and is not taken in yet.
    given: Option<(Fingerprint, Package)>,
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
        let known = book.as_ref().map(|book| known::load(book.home()));
        if let Some(book) = &book {
            folder::tidy(book.home());
        }
        let (known, problem) = match known {
            None => (Devices::default(), None),
            Some(Ok(known)) => (known, None),
            Some(Err(error)) => (Devices::default(), Some(wrong(error.to_string(), "mend the file, or move it away"))),
        };
        let (peers, giving, taking) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let endorsers = endorsers(endorsements);
        (Self { me, own, book, trust, endorse, endorsers, known, peers, giving, taking, given: None }, problem)
    }

    /// Whether an event is about what goes between the devices, and nothing that the person is to see as a file.
    pub(crate) fn hides(&self, event: &Event) -> bool {
        match event {
            Event::FileOffered { from, media_type, .. } => {
                *from == self.me && media_type.as_deref() == Some(MEDIA_TYPE)
            }
            Event::FileState { transfer, .. } | Event::FileProgress { transfer, .. } => {
                self.giving.contains_key(transfer) || self.taking.contains_key(transfer)
            }
            _ => false,
        }
    }

    /// Takes in what the engine says.
    pub(crate) fn hear(&mut self, event: &Event) -> Vec<Step> {
        match event {
            Event::Peer(peer) if peer.who == self.me => self.meet(peer.clone()),
            _ if !self.hides(event) => Vec::new(),
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
            Wish::Give => self.give(),
            Wish::Take => self.take(),
            Wish::Leave => {
                self.given = None;
                Vec::new()
            }
        }
    }

    /// Whether this device is known to be hers: she compared its code, or one of the two has said so of the other.
    fn is_known(&self, device: Fingerprint) -> bool {
        let vouches = |by: &Fingerprint| *by == self.own || self.known.was_compared(*by);
        let is_vouched_for = || {
            let peer = self.peers.iter().find(|peer| peer.device == device);
            peer.is_some_and(|peer| peer.endorsed_by.iter().any(vouches))
        };
        self.known.was_compared(device) || self.endorsers.contains(&device) || is_vouched_for()
    }

    fn meet(&mut self, peer: Peer) -> Vec<Step> {
        let (device, code) = (peer.device, peer.code.clone());
        self.peers.retain(|known| known.device != device);
        if self.peers.len() >= MAX_PEERS {
            self.peers.remove(0);
        }
        self.peers.push(peer);
        let confirmed = self.is_known(device);
        vec![Step::Tell(Note::OwnDevice { device, code, confirmed })]
    }

    fn confirm(&mut self, code: &str) -> Vec<Step> {
        let meant = plain(code);
        // What was typed is what the other device shows: whoever else has come meanwhile has another code.
        let Some(device) = self.peers.iter().find(|peer| plain(&peer.code) == meant).map(|peer| peer.device) else {
            let remedy = "look again at what the other device shows; if it is another code than here, that device is not \
                          the one to which this one is connected, and somebody may have a certificate in your name";
            return vec![Step::Wrong(wrong(format!("no device of yours with the code {code} is connected"), remedy))];
        };
        let kept = match &self.book {
            Some(book) => known::add(book.home(), device),
            None => Ok(std::mem::take(&mut self.known)),
        };
        match kept {
            Ok(known) => {
                self.known = known;
                self.known.take_as_compared(device);
                vec![Step::Tell(Note::DeviceConfirmed { device })]
            }
            Err(error) => vec![Step::Wrong(wrong(error.to_string(), "mend the folder, and type the code again"))],
        }
    }

    fn give(&mut self) -> Vec<Step> {
        let Some(device) = self.peers.iter().map(|peer| peer.device).rfind(|device| self.is_known(*device)) else {
            let remedy = "call it, compare the code, and type it on both: /devices, then /devices CODE";
            return vec![Step::Wrong(wrong("no device that is known to be yours is connected", remedy))];
        };
        let Some(book) = &self.book else { return vec![ephemeral()] };
        let transfer = TransferId(*random().first_chunk().expect("16 of 32 bytes"));
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
                let offer = Command::FileOffer {
                    to: self.me.to_string(),
                    path: path.display().to_string(),
                    transfer: Some(transfer),
                    device: Some(device),
                    media_type: Some(MEDIA_TYPE.to_owned()),
                };
                self.giving.insert(transfer, (device, path));
                unendorsed.into_iter().chain([Step::Engine(offer)]).collect()
            }
            Err(error) => vec![Step::Wrong(wrong(error.to_string(), "mend the file or the folder, and try again"))],
        }
    }

    /// Something is offered that may be taken in. It is fetched to see what it would change; that is then for her to say.
    fn offered(&mut self, transfer: TransferId, device: Fingerprint, too_large: bool) -> Vec<Step> {
        let refuse = |reason: &str| Step::Engine(Command::FileRefuse { transfer, reason: Some(reason.to_owned()) });
        if !self.is_known(device) {
            let what = "a device in your name wanted to give you contacts, and was refused: its code was not compared";
            let remedy = "if it is yours, compare the code, type it on both (/devices CODE), and give it again";
            return vec![refuse("the code was not compared there yet"), Step::Wrong(wrong(what, remedy))];
        }
        if too_large {
            return vec![refuse("that is no list of contacts")];
        }
        let Some(book) = &self.book else { return vec![refuse("nothing is written there"), ephemeral()] };
        match folder::moving(book.home()) {
            Ok(into) => {
                self.taking.insert(transfer, device);
                vec![Step::Engine(Command::FileAccept { transfer, into: into.display().to_string() })]
            }
            Err(error) => {
                vec![refuse("it could not be taken there"), Step::Wrong(wrong(error.to_string(), "mend the folder"))]
            }
        }
    }

    fn moved(
        &mut self,
        transfer: TransferId,
        state: TransferState,
        reason: Option<&str>,
        path: Option<&str>,
    ) -> Vec<Step> {
        if !state.is_over() {
            return Vec::new();
        }
        let failed = |what: &str| {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            vec![Step::Wrong(wrong(format!("{what}{reason}"), "connect the two again (/devices), and try once more"))]
        };
        if let Some((device, path)) = self.giving.remove(&transfer) {
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
            Ok((summary, package)) => {
                self.given = Some((device, package));
                vec![Step::Tell(Note::DeviceOffers { device, summary })]
            }
            Err(error) => {
                vec![Step::Wrong(wrong(error.to_string(), "the same release of the messenger on both devices"))]
            }
        }
    }

    fn take(&mut self) -> Vec<Step> {
        let Some(book) = &self.book else { return vec![ephemeral()] };
        let Some((device, package)) = self.given.take() else {
            return vec![Step::Wrong(wrong("no other device has given anything", "/devices give, on the other one"))];
        };
        match folder::take(book, &self.trust, package.clone(), &self.me) {
            Ok(folder::Taken { summary, commands, unendorsed }) => {
                let unendorsed = unendorsed.map(|error| {
                    let what = format!("its word that this device is yours does not count: {error}");
                    Step::Wrong(wrong(what, "certtool endorse there, certtool endorse --accept here"))
                });
                let commands = commands.into_iter().map(Step::Engine);
                commands.chain([Step::Tell(Note::DeviceTaken { device, summary })]).chain(unendorsed).collect()
            }
            Err(error) => {
                // Part of it may be there; once more does it all.
                self.given = Some((device, package));
                let remedy = "mend that and take it once more, or `messenger devices undo`";
                vec![Step::Wrong(wrong(MovingError::to_string(&error), remedy))]
            }
        }
    }
}

fn wrong(message: impl Into<String>, remedy: &str) -> Event {
    Event::Error { about: "devices".to_owned(), message: message.into(), remedy: remedy.to_owned() }
}

fn ephemeral() -> Step {
    Step::Wrong(wrong("nothing is written into the folder in this run", "start without --ephemeral"))
}

/// A code without what only helps to read it.
fn plain(code: &str) -> String {
    code.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_uppercase()).collect()
}
