//! Time, passed in: state machines have no clock.

use std::time::Instant;

use identity::UnixTime;

/// One moment, on both clocks that matter.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// For waiting: never goes back.
    pub instant: Instant,
    /// For certificates.
    pub unix: UnixTime,
}

impl Now {
    /// This moment by the system's clocks; only the driver asks for it.
    pub(crate) fn read() -> Self {
        Self { instant: Instant::now(), unix: UnixTime::now() }
    }
}
