//! Time, passed in.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time in seconds since the epoch. Tests pass one that they turn themselves.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The machine's clock; 0 where it stands before the epoch.
pub fn system_clock() -> Clock {
    Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}
