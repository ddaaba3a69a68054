//! Invitations on both sides: the one that this device shows stands in its memory; the one by which this device is to be added
//! lies in its person's folder until it has come to something, as enrolling may take a while.

use std::fmt;
use std::time::Duration;

use device::Home;
use identity::card::{ContactCard, Invitation, SECRET_BYTES};
use identity::trust::Fingerprint;
use identity::{Identifier, UnixTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::keeping::random;
use crate::kept::{Kept, KeptError};

/// How long one is good, there and here.
pub(super) const GOOD_FOR: Duration = Duration::from_secs(60 * 60);

const FILE: Kept = Kept {
    file: "messenger/invitation.toml",
    header: "\
# By this link, which another device of yours has shown, this device is added to those that you have: it is good for an
# hour, and goes by itself.

",
};

/// The link of one. Whoever has it can be taken for a new device of its person: `Debug` leaves it out, and it is wiped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretLink(Zeroizing<String>);

impl SecretLink {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretLink {
    fn from(link: String) -> Self {
        Self(Zeroizing::new(link))
    }
}

impl fmt::Debug for SecretLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretLink")
    }
}

impl Serialize for SecretLink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretLink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// One that this device shows.
pub(super) struct Standing {
    invitation: Invitation,
    until: UnixTime,
}

impl Standing {
    /// A new one; nothing if the card does not say which device shows it.
    pub(super) fn new(card: &ContactCard, now: UnixTime) -> Option<Self> {
        let secret: [u8; SECRET_BYTES] = *random().first_chunk().expect("16 of 32 bytes");
        let invitation = Invitation::new(card.clone(), secret).ok()?;
        Some(Self { invitation, until: later(now) })
    }

    pub(super) fn link(&self) -> SecretLink {
        SecretLink(self.invitation.link())
    }

    pub(super) fn holds(&self, now: UnixTime) -> bool {
        now <= self.until
    }

    /// Whether the device `of` was shown it.
    pub(super) fn is_claimed(&self, of: Fingerprint, claim: &[u8]) -> bool {
        self.invitation.is_claimed(of, claim)
    }
}

fn later(now: UnixTime) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs()) + GOOD_FOR)
}

/// How one lies in the folder.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lying {
    link: SecretLink,
    /// In seconds since 1970.
    until: u64,
}

/// Keeps it; on disk when this returns.
pub(crate) fn keep(home: &Home, invitation: &Invitation, now: UnixTime) -> Result<(), KeptError> {
    FILE.keep(home, &Lying { link: SecretLink(invitation.link()), until: later(now).as_secs() })
}

/// The one by which this device is to be added; one that is over goes.
pub(crate) fn load(home: &Home, now: UnixTime) -> Result<Option<Invitation>, KeptError> {
    let Some(lying) = FILE.load::<Lying>(home)? else { return Ok(None) };
    if lying.until < now.as_secs() {
        forget(home);
        return Ok(None);
    }
    let invitation = lying.link.as_str().parse::<Invitation>();
    invitation.map(Some).map_err(|error| FILE.damaged(home, error.to_string()))
}

/// The same, of this person's: if she has enrolled for another address than the one that invites, it has come to nothing.
pub(crate) fn of(home: &Home, who: &Identifier, now: UnixTime) -> Result<Option<Invitation>, KeptError> {
    let found = load(home, now)?;
    if found.as_ref().is_some_and(|invitation| invitation.card().identifier != *who) {
        forget(home);
        return Ok(None);
    }
    Ok(found)
}

/// It has come to something, or to nothing.
pub(crate) fn forget(home: &Home) {
    // What is left is over by itself.
    let _ = std::fs::remove_file(home.folder().join(FILE.file));
}
