//! A label key in a process of its own (`ca vrf-signer`): the authority asks it over a socket in the file system, and never
//! sees the key. Who takes over the authority can ask for labels as long as she is there; she cannot take the key along.
//!
//! ```text
//! request    u16 length ‖ 00                     the public key
//!            u16 length ‖ 01 ‖ label input       its proof (docs/spec/certificate.md has the input, of at most 531 bytes)
//!            u16 length ‖ 02                     destroys the key: its log is over
//! answer     u16 length ‖ 00 ‖ 32 or 80 bytes, or nothing
//!            u16 length ‖ 01 ‖ why not, UTF-8
//! ```
//! Numbers are big-endian. A connection carries any number of requests, one after the other.
//!
//! The signer computes labels of one log alone, and only of inputs that are spelt as ours are.

mod client;
mod server;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub(super) use client::Remote;
#[cfg(any(test, fuzzing))]
pub(crate) use server::look;
pub use server::{Ended, bind, serve};

/// A request with its kind: more than any has.
const MAX_REQUEST: usize = 1024;
/// An answer: a proof, or a short reason.
const MAX_ANSWER: usize = 1024;

const PUBLIC: u8 = 0;
const PROVE: u8 = 1;
const DESTROY: u8 = 2;
const DONE: u8 = 0;
const REFUSED: u8 = 1;

impl SignerError {
    /// Whether it cannot be reached, or did not answer in time.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Io { .. })
    }
}

/// Why the signer gave no answer that counts.
#[derive(Debug, Error)]
pub enum SignerError {
    /// It cannot be reached, or does not answer in time.
    #[error("the signer at {}: {source}", socket.display())]
    Io {
        /// Its socket.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It refuses.
    #[error("the signer at {} refuses: {reason}", socket.display())]
    Refused {
        /// Its socket.
        socket: PathBuf,
        /// Its own words.
        reason: String,
    },
    /// What it answers is not what was asked for.
    #[error("the signer at {}: expected {expected}, found something else", socket.display())]
    Answer {
        /// Its socket.
        socket: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
}
