//! What a person's device and a directory say to each other, and the client that says it.
//!
//! A directory knows who is online and introduces two people to each other. The words are CBOR (RFC 8949) in
//! length-prefixed frames on the one stream of a mutually authenticated QUIC connection; `docs/spec/directory.md` specifies
//! them so that somebody can write a client from that page alone.
//!
//! Three layers, each usable without the next:
//! * [`message`]: the frames as values. No I/O, no clock, no randomness.
//! * [`frame`]: values to bytes and back, with a hard limit on everything that comes from outside.
//! * [`client`]: a live connection to a directory: requests with answers, and a channel of events.
//!
//! What it never does: carry content (every field has a fixed meaning and a fixed bound), return the address of anybody who
//! did not agree to a call, retry behind the caller's back, or say that somebody is online whom the directory has not said
//! to be so on this very connection.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod client;
pub mod close;
pub mod frame;
pub mod key;
pub mod limits;
pub mod message;
pub mod observation;
pub mod sieve;

pub use client::{Announced, Announcement, Answer, Audience, DirectoryClient, DirectoryEvent, Invite};
pub use close::CloseCode;
pub use message::is_acceptable_note;
pub use message::{
    Appearance, CallId, Capabilities, Details, ErrorCode, Outcome, Presence, ProbeKey, Purpose, Role, Status,
};

/// The ALPN protocol name (RFC 7301) of this protocol's first version.
pub const ALPN: &[u8] = b"inperson-directory/1";
