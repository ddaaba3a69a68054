//! Rooms: an MLS group (RFC 9420) among devices that are here, with personal certificates as credentials and no
//! delivery service. No I/O.
//!
//! Which commit ends an epoch is decided by `room_order`, whose rules (R-01 and following) are in docs/spec/rooms.md; here is
//! what they mean for openmls: a commit is staged and checked first, and merged when it is decided. One member, the host
//! of record, whom the group's context names, lets in and removes who is lost; another takes her place when she is lost or
//! leaves. What else is changed of a room, owners and moderators change, by commits of their own that the host offers, as she does those by which members renew their keys.
//!
//! It promises: no leaf is accepted whose certificate `identity` did not verify or whose key differs from the
//! certificate's; no commit is, that its author's role does not allow. It never keeps the keys of an epoch for longer than [`PAST_EPOCH_LIFE`] after its end.

mod checks;
mod code;
mod credential;
mod error;
mod external;
mod group;
mod joining;
mod judging;
mod leaf;
mod leaves;
mod past;
mod powers;
mod provider;
mod resumption;
mod settings;
mod signing;
mod stacks;
mod staging;
mod standing;
#[cfg(test)]
mod vectors;

pub(crate) use code::characters;
pub use code::{code, digest};
pub use credential::{
    AnotherAuthority, Authority, Credentials, DeviceKey, Facts, MailFacts, Person, RefusedCredential,
};
pub use error::GroupError;
pub use external::{Entrance, MAX_EXTERNAL_COMMIT_BYTES, is_external_commit};
pub use group::{Changed, Group, Guest, Opened};
pub use joining::Joining;
pub use leaf::MyLeaf;
pub use leaves::Leaves;
#[cfg(test)]
pub(crate) use provider::watch;
pub use settings::{MAX_MEMBERS, PAST_EPOCH_LIFE, ROOM_VERSION, suite_name};
pub use signing::{Statement, commit_name, first_epoch, is_signed, sign};
pub use staging::Wanted;
pub use standing::{Deed, MAX_NAMED_DEVICES, Standing};
