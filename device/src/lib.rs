//! A person's device: what she keeps on disk, and what her device does with an authority and its log.
//!
//! What it does:
//! * [`Home`] keeps the pinned trust policies, device keys, certificates and the state of the watch in one folder that
//!   only its owner can read; every write is atomic and every read bounded;
//! * [`enrolment`] proves control of an address to an authority (ACME, RFC 8555, challenge `email-code-00`) and stores
//!   a certificate only after [`identity::verify_person`](identity::verify::verify_person) accepted it;
//! * [`logbook`] follows a log from a durable cursor that never skips a gap;
//! * [`policy`] fetches updates of a pinned policy; [`evidence`] keeps what proves misbehaviour to others;
//! * [`card`] makes contact cards, as links and QR codes, and takes those of others;
//! * [`endorsement`] has another device of hers say of this one that it is hers;
//! * [`finding`] knows in which directory somebody is found;
//! * [`desktop`] shows its owner a notification, and runs programs of other people;
//! * [`dating`] has signatures dated by a log;
//! * [`proof`] finds a certificate's place in its log;
//! * [`gossip`] compares what this device has seen of a log with what others have;
//! * [`watch`] finds every certificate that was ever logged in the owner's name;
//! * [`words`] says times and keys as people read them.
//!
//! What it never does: send a private key anywhere or print it, take a certificate the verifier refuses, trust an
//! authority whose policy the person has not pinned by its fingerprint, or call a watch clean that could not look.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod acme;
pub mod card;
mod certificates;
pub mod dating;
pub mod desktop;
mod device;
pub mod endorsement;
pub mod enrolment;
pub mod evidence;
mod files;
pub mod finding;
pub mod gossip;
mod home;
pub mod https;
mod keys;
pub mod logbook;
mod mail_key;
mod own_key;
pub mod policy;
pub mod proof;
pub mod revocation;
pub mod watch;
pub mod words;

pub use certificates::{chain_from_pem, chain_to_pem};
pub use device::{Device, Enrolment, Holder, Locked, LockedDevice, LockedMailbox, Mailbox, RenewalSeed};
pub use files::{NewFile, is_same_file, keep_file};
pub use home::{
    EarlierMailbox, Home, HomeError, KeptKey, KeyForm, KeyPlace, MAX_FILE_BYTES, NoTheirMailbox, PinnedPolicy,
    Restored, SavedKey, TheirMailbox, Watching,
};
pub use keys::{AccountKey, DeviceKey, KeyError};
pub use mail_key::{MailKey, MailKeyType};
pub use own_key::OwnKey;
