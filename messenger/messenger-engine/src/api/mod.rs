//! What a client of the engine says and hears: [`Command`]s in, [`Event`]s out.
//!
//! Both are serde enums whose JSON form is the headless mode's line protocol (docs/headless.md): one object per line,
//! stable names. Terminal UI, headless mode and bots are equal clients of it.

mod command;
mod event;
mod file;
mod id;
mod mail;
mod peer;
mod presence;
mod room;
mod room_text;
mod state;
mod talk;
#[cfg(test)]
mod tests;
mod unanswered;

pub use command::Command;
pub use event::Event;
pub use file::{Direction, TransferState};
pub use id::{CallId, IdError, RoomId, TransferId};
pub use mail::{Der, MailCertificate, NoMail};
pub use peer::Peer;
pub use presence::{Audience, MAX_NAMED, MAX_NOTE_BYTES, OwnStatus, PresenceSettings, Seen};
pub use room::{Role, RoomChange, RoomSuite, Via};
pub use room_text::{RoomOrder, RoomTextRef};
pub use state::{CertificateState, DeliveryState, Missing, Purpose, SessionState, WatchVerdict};
pub use talk::{Side, TextRef};
pub use unanswered::Unanswered;
