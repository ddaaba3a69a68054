//! The bounds both sides enforce on what the other sends. `docs/spec/directory.md` lists them under "Bounds".

use std::time::Duration;

/// Bytes of CBOR in one frame, the four-byte length not counted.
pub const MAX_FRAME_BYTES: usize = 16 * 1024;

/// People on one connection's watch list.
pub const MAX_WATCHED: usize = 10_000;

/// Contacts announced by one connection.
pub const MAX_CONTACTS: usize = 10_000;

/// People on each of the two named audiences announced by one connection.
pub const MAX_NAMED: usize = 1_000;

/// People blocked by one connection.
pub const MAX_BLOCKED: usize = 1_000;

/// Bytes of UTF-8 in the note beside a status.
pub const MAX_NOTE_BYTES: usize = 200;

/// Addresses one side offers for one call.
pub const MAX_CANDIDATES: usize = 8;

/// Octets of one identifier (RFC 5321's limit for an address; every phone number is shorter).
pub const MAX_IDENTIFIER_BYTES: usize = 254;

/// A packet at least this often, so that the connection lives and the router keeps its mapping.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Silence after which the other side is taken to be gone.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// So long after the last packet of the other side, at most, it is noticed that she has gone: the first packet that is sent to her
/// begins the silence anew (RFC 9000 section 10.1), and one is sent after [`KEEP_ALIVE`].
pub const NOTICED: Duration = KEEP_ALIVE.saturating_add(IDLE_TIMEOUT);

/// When a negative answer leaves, counted from the arrival of the question: never earlier, whatever the reason.
pub const NEGATIVE_DEADLINE: Duration = Duration::from_millis(100);

/// When a call that nobody took ends in "no answer".
pub const NO_ANSWER: Duration = Duration::from_secs(30);
