//! Rooms: an MLS group (RFC 9420) among devices that are here, with personal certificates as credentials and no
//! delivery service. No I/O.
//!
//! One member, the host, is the creator of the room and its only committer: she orders the changes, one commit at a
//! time, and goes on when every member has reached the new epoch. Who leaves, or whose connection to the host is lost,
//! is removed by a commit and cannot read what follows. When the host leaves, the room ends.
//!
//! It promises: no leaf is accepted whose certificate `identity` did not verify or whose key differs from the
//! certificate's. It never keeps the keys of an epoch for longer than [`PAST_EPOCH_LIFE`] after its end.

mod checks;
mod code;
mod credential;
mod error;
mod group;
mod joining;
mod leaf;
mod past;
mod settings;

pub(crate) use code::characters;
pub use code::{code, digest};
pub use credential::{AnotherAuthority, Authority, Credentials, DeviceKey, Facts, Person, RefusedCredential};
pub use error::GroupError;
pub use group::{Changed, Group, Guest, Opened};
pub use joining::Joining;
pub use leaf::MyLeaf;
pub use settings::{MAX_MEMBERS, PAST_EPOCH_LIFE, SUITE, suite_name};
