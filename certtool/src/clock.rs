//! This computer's clock, and what to say when it may be wrong.

use identity::UnixTime;

use crate::text;

/// Now.
pub(crate) fn now() -> UnixTime {
    UnixTime::now()
}

/// What this computer's clock says, for messages about time.
pub(crate) fn says() -> String {
    format!("This computer's clock says {}; if that is wrong, set it and try again.", text::time(now()))
}
