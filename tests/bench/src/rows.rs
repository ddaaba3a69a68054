//! The rows, by name.

mod handshake;
mod message;
mod verify;

use tokio::runtime::Runtime;

use crate::measure::{Pair, Scale};

/// One measurement.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) aim: &'static str,
    pub(crate) run: fn(&Runtime, Scale) -> Pair,
}

/// All rows, in the order of the table.
pub(crate) const ALL: &[Row] = &[
    Row { name: "verify.person", unit: "µs", aim: "≤ 1.5", run: verify::person },
    Row { name: "verify.again", unit: "µs", aim: "≤ 0.1 of verify.person", run: verify::again },
    Row { name: "handshake.first", unit: "µs CPU", aim: "≤ 1.6", run: handshake::first },
    Row { name: "handshake.again", unit: "µs CPU", aim: "≤ 1.1", run: handshake::again },
    Row { name: "message.echo", unit: "µs p50", aim: "≤ 1.25", run: message::echo },
];
