//! The messenger's engine: sessions and rooms between devices of people, live or not at all. No user interface.
//!
//! It promises: every connection is mutually authenticated with `device` certificates and is with the device that the
//! directory introduced; a text is called delivered only after the other device's application said so; a room's text is
//! readable by exactly the members of its epoch.
//!
//! It never: stores a message (not for later, not for the absent, not on disk), writes content to a log, answers at its
//! port to anybody who was not introduced, keeps global state. The state machines ([`session`], [`room`], [`punch`])
//! do no I/O and take time and randomness as arguments.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod api;
mod comparison;
mod config;
pub mod core;
mod driver;
mod engine;
mod events;
pub mod gossip;
pub mod punch;
pub mod room;
pub mod session;
pub mod time;
pub mod whereabouts;
pub mod wire;

pub use api::{Audience, MAX_NAMED, MAX_NOTE_BYTES, OwnStatus, PresenceSettings, Seen};
pub use api::{
    CallId, CertificateState, Command, DeliveryState, Der, Direction, Event, MailCertificate, Missing, NoMail, Peer,
    Purpose, Role, RoomChange, RoomId, RoomOrder, RoomSuite, RoomTextRef, Via,
};
pub use api::{SessionState, Side, TextRef, TransferId, TransferState, Unanswered, WatchVerdict};
pub use config::{DirectoryAddress, EngineConfig, OfferedAddresses};
pub use directory_protocol::Status;
pub use driver::doctor::{Elsewhere, Examination, ExamineError, Nat, NowhereFound, Sight, Trouble, Way, examine};
pub use driver::pinhole::{Pinhole, PinholeProtocol};
pub use engine::{Engine, RenewalError, Renewals, Reports, StartError};
pub use events::Events;
pub use gossip::Gossip;
pub use whereabouts::{DirectoryElsewhere, Find, NotFound, Whereabouts};

/// As in the program, whose promise is tested here: memory that is given back is wiped.
#[cfg(test)]
#[global_allocator]
static MEMORY: zeroizing_alloc::ZeroAlloc<std::alloc::System> = zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// The longest text of one message, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 32 * 1024;

/// The longest reaction to a text, in bytes of UTF-8: the longest emoji sequences have 35, most fewer than 10.
pub const MAX_EMOJI_BYTES: usize = 64;

/// The longest name of a room, in bytes of UTF-8.
pub const MAX_ROOM_NAME_BYTES: usize = 256;

/// The longest topic of a room, in bytes of UTF-8.
pub const MAX_ROOM_TOPIC_BYTES: usize = 512;

/// The longest reason that is passed on, in bytes of UTF-8.
pub const MAX_REASON_BYTES: usize = 256;

/// The beginning of a reason, within [`MAX_REASON_BYTES`].
fn clip(reason: &str) -> String {
    let mut end = reason.len().min(MAX_REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason[..end].to_owned()
}
