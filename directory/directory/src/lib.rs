//! The directory: who is online, and the introduction of two people to each other.
//!
//! A connection *is* the presence: it begins with a mutually authenticated QUIC handshake and ends with the connection. What
//! the directory knows is one value in memory, [`state::State`], which does no I/O and is given the time; around it stands a
//! thin driver of sockets and tasks. `docs/spec/directory.md` is the protocol.
//!
//! What it never does: write to a disk, carry content, write an identifier or an address into a log (counts only), hand out
//! anybody's address before both sides have agreed to talk, let offline, unknown and hidden be told apart, or remember
//! anybody who has gone. The one trace of a person that outlives her connection, for as long as her rate limits need to
//! recover (at most some minutes, in the ordinary case), is a number under a key drawn at start.
//!
//! Freed memory is wiped by the process, not here: copies of an identifier live in QUIC buffers and decoded frames as well,
//! so that only a zeroizing allocator in the program around this library reaches all of them (`main.rs` has one). The
//! per-call probe keys are wiped here.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod admission;
pub mod cluster;
mod config;
mod connection;
mod figures;
mod hub;
mod observation;
mod outbox;
pub mod protect;
mod server;
mod session;
mod sockets;
pub mod state;
mod tls;

pub use config::{ClusterTiming, DirectoryConfig, Limits, Observation, Rate, Timing};
pub use server::{BindError, Directory, Standing};
pub use sockets::Sockets;
pub use state::Counts;
pub use tls::transport;
