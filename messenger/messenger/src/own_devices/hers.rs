//! Which of the devices in a person's name are hers, as far as this one knows.

use device::Home;
use identity::endorsement::Endorsement;
use identity::trust::Fingerprint;
use messenger_engine::Peer;

use super::known::{self, Known};
use super::{code, endorsers};
use crate::kept::KeptError;

/// As many devices as a directory takes of one person.
pub(super) const MAX_PEERS: usize = 8;

/// Those that came, and what is known of them.
pub(super) struct Hers {
    /// This device.
    pub(super) own: Fingerprint,
    /// None where nothing is kept.
    home: Option<Home>,
    /// Which devices say of this one that it is hers.
    pub(super) endorsers: Vec<Fingerprint>,
    /// None where it cannot be read: then no device is.
    known: Option<Known>,
    /// The devices in her name with which a conversation began, the last one last.
    peers: Vec<Peer>,
}

impl Hers {
    /// Of her present device, of which others have said this. Why it cannot be read comes with it.
    pub(super) fn new(own: Fingerprint, home: Option<Home>, endorsements: &[Endorsement]) -> (Self, Option<KeptError>) {
        let (known, problem) = match home.as_ref().map(known::load) {
            None => (Some(Known::default()), None),
            Some(Ok(known)) => (Some(known), None),
            Some(Err(error)) => (None, Some(error)),
        };
        (Self { own, home, endorsers: endorsers(endorsements), known, peers: Vec::new() }, problem)
    }

    /// What she said of her devices meanwhile, maybe in another program, counts. Where that cannot be read, none is known.
    pub(super) fn look_again(&mut self) {
        if let Some(home) = &self.home {
            self.known = known::load(home).ok();
        }
    }

    /// Whether this device is known to be hers: she compared its code; one of the two has said so of the other; or a third one did with
    /// which she compared the code. What she forgot is none of hers, whoever says so.
    pub(super) fn is_known(&self, device: Fingerprint) -> bool {
        let Some(known) = self.known.as_ref().filter(|known| !known.was_forgotten(device)) else { return false };
        let vouches = |by: &Fingerprint| *by == self.own || known.was_compared(*by);
        let is_vouched_for = || {
            let peer = self.peers.iter().find(|peer| peer.device == device);
            peer.is_some_and(|peer| peer.endorsed_by.iter().any(vouches))
        };
        known.was_compared(device) || self.endorsers.contains(&device) || is_vouched_for()
    }

    /// Whether she compared its code, or added it.
    pub(super) fn was_compared(&mut self, device: Fingerprint) -> bool {
        self.look_again();
        self.known.as_ref().is_some_and(|known| known.was_compared(device))
    }

    /// One came. Whether it is known.
    pub(super) fn meet(&mut self, peer: Peer) -> bool {
        let device = peer.device;
        self.peers.retain(|known| known.device != device);
        if self.peers.len() >= MAX_PEERS {
            self.peers.remove(0);
        }
        self.peers.push(peer);
        self.look_again();
        let is_known = self.is_known(device);
        if let Some(home) = self.home.as_ref().filter(|_| is_known) {
            // What cannot be written now is at the next meeting.
            let _ = known::meet(home, device);
        }
        is_known
    }

    /// The one that came and has this code.
    pub(super) fn by_code(&self, typed: &str) -> Option<Fingerprint> {
        let meant = code::plain(typed);
        self.peers.iter().find(|peer| code::plain(&peer.code) == meant).map(|peer| peer.device)
    }

    /// The one that came last of those that are known.
    pub(super) fn last_known(&self) -> Option<Fingerprint> {
        self.peers.iter().map(|peer| peer.device).rfind(|device| self.is_known(*device))
    }

    /// She compared the code with this one.
    pub(super) fn confirm(&mut self, device: Fingerprint) -> Result<(), KeptError> {
        match &self.home {
            Some(home) => self.known = Some(known::add(home, device)?),
            None => self.known.get_or_insert_default().take_as_compared(device),
        }
        Ok(())
    }
}
