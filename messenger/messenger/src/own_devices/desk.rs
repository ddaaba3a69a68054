//! What is under way between this device and others of the same person: it hears what the engine says, and what she wants, and
//! says what is to be done.
//!
//! ```text
//! peer in one's own name ──► own_device(code) ──confirm(code)──► known
//! invite, join ──► known as well (adding.rs); what is given and taken: gifts.rs
//! known, give ──► a file for that device alone ──done──► device_given
//! a file from a known one ──fetched, read──► device_offers(summary) ──take──► device_taken
//! a file from any other ──► refused
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use identity::card::{CLAIM_BYTES, ContactCard};
use identity::endorsement::Endorsement;
use identity::trust::{Fingerprint, Trust};
use identity::{Identifier, UnixTime};
use messenger_engine::{Command, Event, Peer, TransferId};

use super::adding::{Adding, CLAIM_TYPE};
use super::gifts::{Given, Giving};
use super::hers::Hers;
use super::package::MAX_BYTES;
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
    pub(super) trust: Arc<Trust>,
    pub(super) endorse: Endorse,
    pub(super) hers: Hers,
    pub(super) adding: Adding,
    pub(super) giving: BTreeMap<TransferId, Giving>,
    pub(super) taking: BTreeMap<TransferId, Fingerprint>,
    /// Transfers of which nothing is told any more.
    pub(super) quiet: BTreeSet<TransferId>,
    /// What came and is not taken in yet.
    pub(super) given: Option<Given>,
    /// Nothing is put back as long as this program knows what is in the files.
    _running: Option<File>,
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
        let by = home.as_ref().map(|home| invitation::of(home, &me, UnixTime::now())).transpose();
        let (hers, unread) = Hers::new(own, home, endorsements);
        let unread = unread.map(|error| wrong(error.to_string(), "mend the file, or move it away"));
        let (running, problem) = match running {
            Ok(running) => (running, unread),
            Err(error) => (None, Some(wrong(error.to_string(), "mend the folder"))),
        };
        let (by, problem) = match by {
            Ok(by) => (by.flatten(), problem),
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
            Wish::Join { link } => self.join(link.as_str()),
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

    /// It is not taken; of the transfer nobody hears more.
    pub(super) fn refuse(&mut self, transfer: TransferId, reason: &str, problem: Option<Event>) -> Vec<Step> {
        self.quiet.insert(transfer);
        let refusal = Step::Engine(Command::FileRefuse { transfer, reason: Some(reason.to_owned()) });
        [refusal].into_iter().chain(problem.map(Step::Wrong)).collect()
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
