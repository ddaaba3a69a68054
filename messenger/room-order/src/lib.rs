//! In which order the commits of a room take effect, when no delivery service orders them: staging, acknowledging,
//! taking over from a lost host, and what becomes of who was cut off. The rules have numbers, in docs/spec/rooms.md.
//!
//! It never does I/O, holds no keys, reads no clock and draws no randomness: a [`Member`] takes an [`Input`] and
//! answers with [`Output`]s. What the signatures of messages prove is checked before they come here, and commits
//! are looked at only as far as their order depends on them. That is why all of it can be explored by a model
//! checker (`tests/model`), which drives this code and no copy of it.

mod epoch;
mod error;
mod evidence;
mod healing;
mod leading;
mod member;
mod message;
mod quorum;
mod rules;
mod staging;

pub use epoch::{Ballot, Change, Commit, CommitId, Epoch, Leaf};
pub use error::Refused;
pub use evidence::Alarm;
pub use healing::{HOPELESS, Left, Outlook, Removal, STALLED};
pub use member::{Input, MAX_AHEAD, MAX_BALLOTS, Member, Output};
pub use message::{Ack, Claim, Go, Grant, Message, Offer, Staged};
pub use quorum::is_quorum;
pub use rules::{AllRules, Rules};
