//! The rows, by name.

pub(crate) mod ca;
mod call;
mod certtool;
mod directory;
mod file;
mod handshake;
mod held;
mod history;
pub(crate) mod log;
mod message;
mod prosody;
mod room;
mod ui;
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
    Row { name: "message.stream", unit: "messages/s", aim: "≥ 0.8", run: message::stream },
    Row { name: "file.bulk", unit: "MB/s", aim: "≥ 0.9", run: file::bulk },
    Row { name: "room.add.10", unit: "µs CPU", aim: "≤ 1.15", run: room::add::<10> },
    Row { name: "room.add.50", unit: "µs CPU", aim: "≤ 1.15", run: room::add::<50> },
    Row { name: "room.add.100", unit: "µs CPU", aim: "≤ 1.15", run: room::add::<100> },
    Row { name: "room.add.250", unit: "µs CPU", aim: "≤ 1.15", run: room::add::<250> },
    Row { name: "room.remove.10", unit: "µs CPU", aim: "≤ 1.15", run: room::remove::<10> },
    Row { name: "room.remove.50", unit: "µs CPU", aim: "≤ 1.15", run: room::remove::<50> },
    Row { name: "room.remove.100", unit: "µs CPU", aim: "≤ 1.15", run: room::remove::<100> },
    Row { name: "room.remove.250", unit: "µs CPU", aim: "≤ 1.15", run: room::remove::<250> },
    Row { name: "room.join.10", unit: "µs CPU", aim: "≤ 1.15", run: room::join::<10> },
    Row { name: "room.join.50", unit: "µs CPU", aim: "≤ 1.15", run: room::join::<50> },
    Row { name: "room.join.100", unit: "µs CPU", aim: "≤ 1.15", run: room::join::<100> },
    Row { name: "room.join.250", unit: "µs CPU", aim: "≤ 1.15", run: room::join::<250> },
    Row { name: "room.join.live", unit: "ms p50", aim: "figure ≤ 1000", run: room::join_live },
    Row { name: "room.join.live.classical", unit: "ms p50", aim: "figure ≤ 500", run: room::join_live_classical },
    Row { name: "room.message.10", unit: "µs CPU", aim: "≤ 1.15", run: room::message::<10> },
    Row { name: "room.message.50", unit: "µs CPU", aim: "≤ 1.15", run: room::message::<50> },
    Row { name: "room.message.100", unit: "µs CPU", aim: "≤ 1.15", run: room::message::<100> },
    Row { name: "room.message.250", unit: "µs CPU", aim: "≤ 1.15", run: room::message::<250> },
    Row { name: "room.message.live", unit: "µs p50", aim: "≤ 1.5", run: room::message_live },
    Row { name: "room.failover", unit: "ms p50", aim: "figure ≤ 7000", run: room::failover },
    Row { name: "room.failover.end", unit: "ms p50", aim: "figure ≤ 500", run: room::failover_end },
    Row { name: "directory.presence", unit: "µs p50", aim: "figure ≤ 1000", run: directory::presence },
    Row { name: "directory.watch", unit: "µs p50", aim: "figure ≤ 50000", run: directory::watch },
    Row { name: "directory.lookup", unit: "µs p50", aim: "≤ 1.25, /s ≥ 0.8", run: directory::look_up },
    Row { name: "directory.handshake", unit: "µs CPU", aim: "≤ 1.67, /s ≥ 0.6", run: directory::handshake },
    Row { name: "directory.memory", unit: "KB/person", aim: "≤ 1.15, figure ≤ 32", run: held::memory },
    Row { name: "directory.hold", unit: "× the beginning", aim: "≤ 1.05", run: held::hold },
    Row { name: "ca.enrol", unit: "enrolments/s", aim: "figure ≥ 400, ≥ 1", run: ca::enrol },
    Row { name: "ca.renew", unit: "renewals/s", aim: "≥ 1", run: ca::renew },
    Row { name: "ca.memory", unit: "MB", aim: "figure < 150", run: ca::memory },
    Row { name: "call.setup", unit: "ms p50", aim: "≤ 3", run: call::open },
    Row { name: "call.setup.punched", unit: "ms p95", aim: "figure ≤ 2000", run: call::punched },
    Row { name: "certtool.start", unit: "ms p50", aim: "figure < 10", run: certtool::start },
    Row { name: "ui.start", unit: "ms p50", aim: "figure < 100", run: ui::start },
    Row { name: "ui.memory", unit: "MB", aim: "figure ≤ 40", run: ui::memory },
    Row { name: "ui.idle", unit: "% of a CPU", aim: "figure < 0.1", run: ui::idle },
    Row { name: "cms.sign", unit: "s/GiB", aim: "≤ 1.25, < 64 MB", run: certtool::sign },
    Row { name: "cms.encrypt", unit: "s/GiB", aim: "≤ 1.25, < 64 MB", run: certtool::encrypt },
    Row { name: "history.search", unit: "ms p95", aim: "figure < 50", run: history::search },
    Row { name: "log.append", unit: "entries/s", aim: "figure ≥ 20000", run: log::append },
    Row { name: "log.growth", unit: "µs CPU/entry", aim: "≤ log of the sizes", run: log::growth },
    Row { name: "log.disk", unit: "bytes/entry", aim: "", run: log::disk },
    Row { name: "log.latency.1", unit: "ms p99", aim: "≤ 1 of baseline", run: log::latency_1 },
    Row { name: "log.latency.50", unit: "ms p99", aim: "≤ 1 of baseline", run: log::latency_50 },
    Row { name: "log.latency.90", unit: "ms p99", aim: "", run: log::latency_90 },
    Row { name: "log.audit", unit: "entries/s", aim: "≥ 0.5, < 200 MB", run: log::audit },
    Row { name: "log.witness", unit: "add-checkpoint/s", aim: "", run: log::witness },
    Row { name: "log.memory", unit: "MB", aim: "figure < 30", run: log::memory },
];
