//! What the bench and the process that it starts have in common: who may come, by which certificates, and what is bare.
//!
//! It measures nothing. The process (`main.rs`) is one of its own because a program has one allocator: the directory's wipes what
//! is given back, and the bench's other rows are of programs that have none of that kind.

mod bare;
mod tls;

use std::time::Duration;

use identity::{UnixTime, testing::Authority};

pub use bare::bare;
pub use tls::{Credential, Verifiers, client, server};

/// What the server's certificate names.
pub const NAME: &str = "localhost";

const SEED: u64 = 6;

/// Everybody is certified at this time of the same day, so that both processes make the same authority.
const DAY_S: u64 = 24 * 60 * 60;

/// When the authority began: today.
pub fn begin() -> UnixTime {
    let now = UnixTime::now().as_secs();
    UnixTime::since_unix_epoch(Duration::from_secs(now - now % DAY_S))
}

/// The authority of both sides, which began at this time.
pub fn authority(begin: UnixTime) -> Authority {
    Authority::new(SEED, begin)
}
