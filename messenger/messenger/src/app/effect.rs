//! What the program is to do because of an event or action.

use std::collections::BTreeMap;
use std::path::PathBuf;

use device::desktop::Notification;
use identity::Identifier;
use identity::card::ContactCard;
use key_store::Passphrase;
use messenger_engine::Command;

use super::keeping::Deed;
use crate::contacts::about::{About, LastSeen};
use crate::own_devices::Wish;
use crate::settings::Settings;

/// What the program is to do because of an event or action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Engine(Command),
    /// Keep this contact in the folder.
    Remember(Identifier),
    /// Know the person on a contact card by its authority.
    Take(Box<ContactCard>),
    /// Read the link in this picture.
    Read(PathBuf),
    /// Take it out of the folder.
    Forget(Identifier),
    /// Keep this about a contact.
    About(Identifier, Box<About>),
    /// Keep when contacts were seen last.
    Seen(BTreeMap<Identifier, LastSeen>),
    /// Something is wanted of one's own other devices.
    Devices(Wish),
    /// Write the contact list into a new file.
    Export(PathBuf),
    /// Take in the contacts in a file.
    Import(PathBuf),
    /// Find what a path that is begun may go on to be.
    Complete(String),
    /// Show this on the desktop.
    Notify(Notification),
    /// Keep how the program is to behave.
    Behave(Settings),
    /// Lock the screen, if anything opens it again.
    Lock,
    /// Say so if nothing would open it.
    CheckLock,
    /// Open it, if this is the passphrase.
    Unlock(Passphrase),
    /// Something is asked of the history on this device.
    History(Deed),
    /// Keep this as the lock's own passphrase.
    ChooseLock(Passphrase),
    /// Ring the terminal's bell.
    Bell,
    Quit,
}
