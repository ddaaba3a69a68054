//! Adding a device by an invitation: what the one that invites and the new one do at the desk.
//!
//! ```text
//! the one that invites                      the new one
//! invite ──► device_invitation(link) ─ ─ ─► join(link), or at its first start
//!                     rings ◄── calls ───── as soon as it is online
//!     a file from it alone ◄── claim ────── own_device with the key on the link: known
//! right: known, given at once ──► package ─► device_taken, without a question
//! wrong: told, and the invitation is over
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use identity::UnixTime;
use identity::card::{CLAIM_BYTES, ContactCard, Invitation, Link};
use identity::trust::Fingerprint;
use messenger_engine::{Command, TransferId, TransferState};

use super::desk::{Desk, Step, ephemeral, transfer, wrong};
use super::hers::MAX_PEERS;
use super::invitation::{self, GOOD_FOR, Standing};
use super::{Note, folder};

/// The kind of file in which a new device shows that it has the link (RFC 6838 section 3.4: not registered).
pub(super) const CLAIM_TYPE: &str = "application/x.inperson.device-claim";

/// What is under way.
#[derive(Default)]
pub(super) struct Adding {
    /// This device's card: its invitations are made of it.
    pub(super) card: Option<ContactCard>,
    /// The one that it has shown, until somebody has claimed it.
    pub(super) shown: Option<Standing>,
    /// The claims that are on their way to here.
    coming: BTreeMap<TransferId, Fingerprint>,
    /// The one by which it is to be added itself, until what the other device gives is here.
    by: Option<Invitation>,
    /// Whether it has called by that since it started: whoever does not answer is not rung up each time the network comes back.
    called: bool,
    /// The claim that is on its way from here.
    going: Option<Going>,
    /// Whether the other device has taken one up.
    claimed: bool,
}

/// A claim on its way.
struct Going {
    transfer: TransferId,
    path: PathBuf,
    /// Whether the engine has taken it up.
    begun: bool,
}

impl Adding {
    /// At the start: by this invitation, if one lies in the folder.
    pub(super) fn begun(by: Option<Invitation>) -> Self {
        Self { by, ..Self::default() }
    }

    /// Whether this is a claim on its way.
    pub(super) fn moves(&self, transfer: TransferId) -> bool {
        self.going.as_ref().is_some_and(|going| going.transfer == transfer) || self.coming.contains_key(&transfer)
    }
}

impl Desk {
    /// Shows an invitation, in place of any before.
    pub(super) fn invite(&mut self) -> Vec<Step> {
        if self.book.is_none() {
            return vec![Step::Wrong(ephemeral())];
        }
        let standing = self.adding.card.as_ref().and_then(|card| Standing::new(card, UnixTime::now()));
        let Some(standing) = standing else {
            let remedy = "`certtool card` says why there is none";
            return vec![Step::Wrong(wrong("this device has no contact card to make an invitation of", remedy))];
        };
        let note = Note::DeviceInvitation { link: standing.link(), seconds: GOOD_FOR.as_secs() };
        self.adding.shown = Some(standing);
        // What was begun by the one before is none of this one's.
        let before: Vec<_> = std::mem::take(&mut self.adding.coming).into_keys().collect();
        self.quiet.extend(&before);
        let cancelled = before.into_iter().map(|transfer| Step::Engine(Command::FileCancel { transfer }));
        cancelled.chain([Step::Tell(note)]).collect()
    }

    /// This device is to be added by what another one shows.
    pub(super) fn join(&mut self, link: &str) -> Vec<Step> {
        let Some(book) = &self.book else { return vec![Step::Wrong(ephemeral())] };
        let invitation = match link.parse::<Link>() {
            Ok(Link::Invitation(invitation)) => invitation,
            Ok(Link::Card(_)) => {
                return vec![Step::Wrong(wrong(
                    "that is a contact card, and no invitation",
                    "/devices add, on the other device",
                ))];
            }
            Err(error) => {
                let remedy = "copy the whole link, from inperson: to its end";
                return vec![Step::Wrong(wrong(format!("that is no invitation: {error}"), remedy))];
            }
        };
        if invitation.card().identifier != self.me {
            let what = format!(
                "that is an invitation for a device of {}, and this is one of {}",
                invitation.card().identifier,
                self.me
            );
            return vec![Step::Wrong(wrong(what, "enrol this device for the same address"))];
        }
        if invitation.by() == self.hers.own {
            return vec![Step::Wrong(wrong("that is this device's own invitation", "type it on the new device"))];
        }
        if let Err(error) = invitation::keep(book.home(), &invitation, UnixTime::now()) {
            return vec![Step::Wrong(wrong(error.to_string(), "mend the folder, and try again"))];
        }
        self.adding.by = Some(invitation);
        (self.adding.called, self.adding.claimed) = (false, false);
        self.call()
    }

    /// Calls the device by whose invitation this one is to be added, if there is one, and it was not called yet.
    pub(super) fn call(&mut self) -> Vec<Step> {
        self.look_whether_it_stands();
        let Some(invitation) = self.adding.by.as_ref().filter(|_| !self.adding.called) else { return Vec::new() };
        self.adding.called = true;
        vec![Step::Tell(Note::DeviceJoining { device: invitation.by() }), Step::Engine(Command::ReachDevices)]
    }

    /// One that is over, or has come to something in another program, is none.
    fn look_whether_it_stands(&mut self) {
        if let (Some(by), Some(book)) = (&self.adding.by, &self.book) {
            let lying = invitation::load(book.home(), UnixTime::now()).ok().flatten();
            if lying.as_ref() != Some(by) {
                self.adding.by = None;
            }
        }
    }

    /// One of the devices in her name answers: the one that invited this one is known by the key on the link, and is shown that
    /// this one has it.
    pub(super) fn claim(&mut self, device: Fingerprint) -> Vec<Step> {
        self.look_whether_it_stands();
        let (Some(invitation), Some(book)) = (&self.adding.by, &self.book) else { return Vec::new() };
        if invitation.by() != device {
            let what = "another device than the one that invited this one has answered: it is given no claim";
            return vec![Step::Wrong(wrong(
                what,
                "call once more, /devices, and accept on the one that shows the invitation",
            ))];
        }
        if self.adding.going.as_ref().is_some_and(|going| going.begun) {
            return Vec::new();
        }
        // Of one that the engine never took up nothing stays.
        if let Some(before) = self.adding.going.take() {
            let _ = fs::remove_file(before.path);
            self.quiet.insert(before.transfer);
        }
        let (transfer, claim) = (transfer(), invitation.claim(self.hers.own));
        let known = self.hers.confirm(device).map_err(|error| error.to_string());
        let name = format!("{transfer}.claim");
        let write = || folder::write_bytes(book.home(), &name, &claim).map_err(|error| error.to_string());
        match known.and_then(|()| write()) {
            Ok(path) => {
                let offer = self.offer(transfer, &path, device, CLAIM_TYPE);
                self.adding.going = Some(Going { transfer, path, begun: false });
                vec![Step::Engine(offer)]
            }
            Err(error) => vec![Step::Wrong(wrong(error, "mend the folder, and call once more: /devices"))],
        }
    }

    /// A device offers to show that it was invited. Where nobody was, it is not even read.
    pub(super) fn claimed(&mut self, transfer: TransferId, device: Fingerprint, fits: bool) -> Vec<Step> {
        let Some(book) = &self.book else {
            return self.refuse(transfer, "nothing is written there", Some(ephemeral()));
        };
        let home = book.home().clone();
        // It was added, and has not heard of it.
        if self.hers.was_compared(device) {
            let refusal = self.refuse(transfer, "that device is known there", None);
            return refusal.into_iter().chain(self.give_to(device)).collect();
        }
        self.adding.shown.take_if(|shown| !shown.holds(UnixTime::now()));
        if self.adding.shown.is_none() {
            let what = "a device in your name comes with an invitation, and none of this device's stands";
            let remedy = "if it is yours: /devices add, here, and the new link there; if not, somebody may have a certificate \
                          in your name: certtool watch";
            return self.refuse(transfer, "no invitation stands there any more", Some(wrong(what, remedy)));
        }
        if !fits {
            return self.refuse(transfer, "that is no claim", None);
        }
        let is_coming = self.adding.coming.values().any(|coming| *coming == device);
        if is_coming || self.adding.coming.len() >= MAX_PEERS {
            let what = "a device in your name claims your invitation once more, while a claim is on its way";
            let remedy = "/devices add, here, and the new link on your device";
            return self.refuse(transfer, "a claim is on its way already", Some(wrong(what, remedy)));
        }
        match folder::moving(&home) {
            Ok(into) => {
                self.adding.coming.insert(transfer, device);
                vec![Step::Engine(Command::FileAccept { transfer, into: into.display().to_string() })]
            }
            Err(error) => {
                self.refuse(transfer, "it could not be taken there", Some(wrong(error.to_string(), "mend the folder")))
            }
        }
    }

    /// What becomes of a claim, if this is one.
    pub(super) fn claim_moved(
        &mut self,
        transfer: TransferId,
        state: TransferState,
        reason: Option<&str>,
        path: Option<&str>,
    ) -> Option<Vec<Step>> {
        if !self.adding.moves(transfer) {
            return None;
        }
        if let Some(going) = self.adding.going.as_mut().filter(|going| going.transfer == transfer) {
            going.begun = true;
            // What comes back may be here before that it is done.
            self.adding.claimed |= matches!(state, TransferState::Running | TransferState::Done);
        }
        if !state.is_over() {
            return Some(Vec::new());
        }
        let done = state == TransferState::Done;
        if let Some(going) = self.adding.going.take_if(|going| going.transfer == transfer) {
            let _ = fs::remove_file(going.path);
            return Some(if done { Vec::new() } else { self.unclaimed(state, reason) });
        }
        let device = self.adding.coming.remove(&transfer)?;
        Some(match path.filter(|_| done).map(|path| folder::read_bytes(path.as_ref(), CLAIM_BYTES as u64)) {
            Some(Ok(claim)) => self.judge(device, &claim),
            Some(Err(error)) => {
                vec![Step::Wrong(wrong(error.to_string(), "mend the folder, and call once more there: /devices"))]
            }
            // The invitation stands: it was not tried.
            None => Vec::new(),
        })
    }

    /// Whether what this device gives was asked for by its invitation, which has come to something with that: what was worth
    /// the claim shows in nothing else.
    pub(super) fn is_awaited(&mut self, device: Fingerprint) -> bool {
        self.look_whether_it_stands();
        let is_awaited = self.adding.claimed && self.adding.by.as_ref().is_some_and(|by| by.by() == device);
        if is_awaited {
            self.forget_invitation();
        }
        is_awaited
    }

    fn forget_invitation(&mut self) {
        self.adding.by = None;
        self.adding.claimed = false;
        if let Some(book) = &self.book {
            invitation::forget(book.home());
        }
    }

    /// The claim was not taken.
    fn unclaimed(&mut self, state: TransferState, reason: Option<&str>) -> Vec<Step> {
        self.adding.claimed = false;
        let mut remedy = "call once more: /devices";
        if state == TransferState::Refused {
            self.forget_invitation();
            remedy = "show a new invitation there, /devices add, and give it here: /devices LINK";
        }
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let what = format!("the device that invited this one has not taken the claim{reason}");
        vec![Step::Wrong(wrong(what, remedy))]
    }

    /// An invitation is good for one try.
    fn judge(&mut self, device: Fingerprint, claim: &[u8]) -> Vec<Step> {
        let shown = self.adding.shown.take().filter(|shown| shown.holds(UnixTime::now()));
        if shown.is_none_or(|shown| !shown.is_claimed(device, claim)) {
            let what = format!(
                "a device in your name, with the key {device}, came with a wrong invitation: yours is over now"
            );
            let remedy = "if it is yours: /devices add, here, and the new link there; if not, somebody has a certificate in your \
                          name: certtool revoke --stolen";
            return vec![Step::Wrong(wrong(what, remedy))];
        }
        match self.hers.confirm(device) {
            Ok(()) => [Step::Tell(Note::DeviceAdded { device })].into_iter().chain(self.give_to(device)).collect(),
            Err(error) => vec![Step::Wrong(wrong(error.to_string(), "mend the folder; then /devices add once more"))],
        }
    }
}
