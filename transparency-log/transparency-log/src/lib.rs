//! An append-only log that nobody needs to trust, in C2SP tlog-tiles form.
//!
//! **What it does.** Takes entries and answers each with an index, an inclusion proof and a checkpoint
//! that witnesses have cosigned ([`sequencer`]); cosigns other logs' checkpoints ([`witness`]) and holds their
//! entries ([`mirror`]); takes entries from elsewhere ([`submission`]); serves tiles over HTTP ([`server`]); reads them back,
//! trusting nothing that does not hash up to a verified checkpoint ([`client`]); copies a log entry by entry ([`copy`]); and
//! follows one from a durable cursor ([`monitor`]).
//!
//! **What it never does.** It never acknowledges what is not durable, integrated and cosigned; never
//! signs two trees of which one is not a prefix of the other, whatever crashes between; never sees an
//! address: entries hold labels and commitments only.
//!
//! Formats, durability order and endpoints are specified in `docs/spec/log.md`.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod bounded;
pub mod client;
pub mod clock;
pub mod copy;
mod edge;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod leftover;
pub mod limit;
pub mod mirror;
pub mod monitor;
pub mod page;
mod prover;
pub mod sequencer;
pub mod server;
pub mod storage;
pub mod submission;
pub mod testing;
pub mod witness;

pub use clock::{Clock, system_clock};
pub use sequencer::{BatchFigures, LogConfig, Logged, OpenError, Pace, Sequencer, Submit, SubmitError};
pub use witness::{Witness, WitnessError, WitnessKeys, Witnessing};
