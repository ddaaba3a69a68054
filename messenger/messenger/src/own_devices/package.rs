//! What goes from one device of a person to another: one JSON object, read under bounds and believed in nothing but what it
//! says of its person's own decisions.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use identity::Identifier;
use identity::endorsement::Endorsement;
use identity::trust::Bindings;
use messenger_engine::{Audience, PresenceSettings};
use serde::{Deserialize, Serialize};

use crate::contacts::Contacts;
use crate::settings::{Notify, Settings};

/// The largest that is read. A contact list has at most 1 MiB on the disk.
pub(super) const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// As many contacts as an engine watches.
pub(super) const MAX_CONTACTS: usize = 10_000;
/// As many people as a directory takes as blocked; no more are asked about first.
pub(super) const MAX_NAMED: usize = messenger_engine::MAX_NAMED;

/// Of the name of an authority, in bytes.
const MAX_AUTHORITY: usize = 1_024;

/// What is written now, and read.
const VERSION: u32 = 1;

/// Everything of a person's decisions that makes sense on another device. Members that are not known are ignored: a later
/// version may have more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Package {
    version: u32,
    /// Whom she knows, what she calls them, and which devices of theirs were met or compared.
    pub(super) contacts: Contacts,
    /// By which authority each of them is known.
    #[serde(default)]
    pub(super) bindings: Bindings,
    #[serde(default)]
    pub(super) blocked: BTreeSet<Identifier>,
    #[serde(default)]
    pub(super) ask_first: BTreeSet<Identifier>,
    /// Nothing where she never decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) visible_to: Option<Audience>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) may_knock: Option<Audience>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) typing: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) read_receipts: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) notify: Option<Notify>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lock_after_minutes: Option<NonZeroU16>,
    /// What the device that gives says of the one that takes (PEM).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) endorsement: Option<String>,
}

/// Why something is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum PackageError {
    #[error("expected at most {MAX_BYTES} bytes, found {0}")]
    Large(u64),
    #[error("expected what another device gives, found: {0}")]
    Json(#[from] serde_json::Error),
    #[error("expected version {VERSION}, found {0}: the other device has another messenger")]
    Version(u32),
    #[error("expected at most {most} {what}, found {found}")]
    TooMany { what: &'static str, most: usize, found: usize },
}

/// What is decided here, as the files have it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Decided {
    pub(super) contacts: Contacts,
    pub(super) bindings: Bindings,
    pub(super) presence: PresenceSettings,
    pub(super) settings: Settings,
}

impl Package {
    /// What this device gives.
    pub(super) fn of(decided: Decided, endorsement: Option<&Endorsement>) -> Self {
        let Decided { contacts, bindings, presence, settings } = decided;
        let mut of_contacts = Bindings::default();
        for (who, binding) in bindings.iter().filter(|(who, _)| contacts.contains_key(*who)) {
            of_contacts.take_over(who, binding);
        }
        let unset = PresenceSettings::default();
        Self {
            version: VERSION,
            contacts,
            bindings: of_contacts,
            visible_to: decided_on(presence.visible_to, unset.visible_to),
            may_knock: decided_on(presence.may_knock, unset.may_knock),
            typing: decided_on(presence.typing, unset.typing),
            read_receipts: decided_on(presence.read_receipts, unset.read_receipts),
            blocked: presence.blocked,
            ask_first: presence.ask_first,
            notify: decided_on(settings.notify, Notify::default()),
            lock_after_minutes: settings.lock_after_minutes,
            endorsement: endorsement.map(Endorsement::to_pem),
        }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("names and lists of names always have a JSON form")
    }

    /// Reads what another device gave.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, PackageError> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(PackageError::Large(bytes.len() as u64));
        }
        // First of all: another version may have another shape.
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if version != VERSION {
            return Err(PackageError::Version(version));
        }
        let package: Self = serde_json::from_slice(bytes)?;
        at_most(MAX_CONTACTS, "contacts", package.contacts.len())?;
        at_most(MAX_CONTACTS, "people with their authority", package.bindings.iter().count())?;
        at_most(MAX_NAMED, "blocked people", package.blocked.len())?;
        at_most(MAX_NAMED, "people who are asked about first", package.ask_first.len())?;
        for (_, binding) in package.bindings.iter() {
            at_most(MAX_AUTHORITY, "bytes in the name of an authority", binding.authority.len())?;
        }
        Ok(package)
    }
}

/// Refuses more than that.
pub(super) fn at_most(most: usize, what: &'static str, found: usize) -> Result<(), PackageError> {
    if found > most { Err(PackageError::TooMany { what, most, found }) } else { Ok(()) }
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// What she decided, if it is not what is without her.
fn decided_on<T: PartialEq>(now: T, unset: T) -> Option<T> {
    (now != unset).then_some(now)
}
