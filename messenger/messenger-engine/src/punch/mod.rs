//! Hole punching: what two devices that were just introduced send each other before their connection
//! (docs/spec/peer.md, "Probes"). No I/O, no clock: time is an argument, datagrams go in and come out.
//!
//! It promises: at most 64 probes and 64 answers for one introduction, whatever the other side offers or sends; a
//! probe counts once, and only under the keys of its introduction and direction.
//!
//! It never: sends to an address that no device can have, shows a key, trusts an address for anything but trying it.

mod machine;
mod obstacle;
mod probe;
mod targets;

#[cfg(test)]
mod tests;

pub use directory_protocol::ProbeKey;
pub use machine::{Datagram, MAX_PROBES, Punch, Unreachable, Way};
pub use obstacle::{Obstacle, Sights};
pub use probe::{DirectionKey, FIRST_BYTE, Kind, PROBE_BYTES, Probe, Tag, UnverifiedProbe};
pub use targets::{MAX_TARGETS, Surroundings, targets};
