//! Files: what the core asks for, done with streams and with threads that may wait for the disk.
//!
//! ```text
//! disk ─► pack ─► bounded queue ─► stream ═══► stream ─► bounded queue ─► unpack ─► disk
//!         (thread)                (task)      (task)                     (thread)
//! ```
//! Each queue holds a few pieces, whatever the size of a file: who is slow makes the others wait.

mod disk;
mod fetch;
mod own;
mod pack;
mod serve;
#[cfg(test)]
mod tests;
mod unpack;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::{Connection, RecvStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Happening;
use crate::api::TransferId;
use crate::core::{Core, FetchEnd, FileTask, LookedAt, ServeEnd};
use crate::time::Now;
use crate::wire::{Close, FileHead, Wanted};
use disk::{Disk, Sink, Source};
use fetch::{Came, Fetching, end_of};
pub(super) use own::OwnDisk;
use serve::Serving;

/// How often the core hears how far a transfer has come.
const MOVED: Duration = Duration::from_millis(250);

/// What is taken, until it is forgotten.
type Taken = Arc<Mutex<Option<Box<dyn Sink>>>>;

/// What tasks report.
pub(super) enum Report {
    Looked { transfer: TransferId, found: Result<Arc<dyn Source>, String> },
    Begun { transfer: TransferId, serial: u64, sink: Result<(Box<dyn Sink>, FetchEnd), String> },
    Moved { transfer: TransferId, request: u64, done: u64 },
    Served { transfer: TransferId, request: u64, end: ServeEnd },
    Fetched { transfer: TransferId, request: u64, end: FetchEnd },
}

/// All transfers.
pub(super) struct Desk {
    disk: Arc<dyn Disk>,
    outbox: mpsc::Sender<Happening>,
    sources: HashMap<TransferId, Arc<dyn Source>>,
    sinks: HashMap<TransferId, Taken>,
    running: HashMap<TransferId, CancellationToken>,
    /// What is made ready for, and which attempt that is: a number may be given to another transfer meanwhile.
    beginning: HashMap<TransferId, u64>,
    serial: u64,
    /// Streams that were asked for and have not come.
    expected: HashMap<TransferId, (u64, Connection, oneshot::Sender<Came>)>,
}

impl Desk {
    pub(super) fn new(disk: Arc<dyn Disk>, outbox: mpsc::Sender<Happening>) -> Self {
        Self {
            disk,
            outbox,
            sources: HashMap::new(),
            sinks: HashMap::new(),
            running: HashMap::new(),
            beginning: HashMap::new(),
            serial: 0,
            expected: HashMap::new(),
        }
    }

    /// Does it, on this connection if it needs one.
    pub(super) fn begin(&mut self, task: FileTask, connection: Option<&Connection>) {
        match task {
            FileTask::Look { transfer, path } => {
                self.block(move |disk| Report::Looked { transfer, found: disk.look(&path).map(Arc::from) });
            }
            FileTask::Begin { transfer, into, what, from } => {
                self.serial += 1;
                let serial = self.serial;
                self.beginning.insert(transfer, serial);
                self.block(move |disk| {
                    let begin = |mut sink: Box<dyn Sink>| {
                        let begun = end_of(&mut *sink);
                        (sink, begun)
                    };
                    Report::Begun { transfer, serial, sink: disk.begin(&into, &what, &from).map(begin) }
                });
            }
            FileTask::Serve { transfer, request, wanted, .. } => self.serve(transfer, request, wanted, connection),
            FileTask::Fetch { transfer, request, wanted, .. } => self.fetch(transfer, request, wanted, connection),
            FileTask::Halt { transfer } => {
                if let Some(halt) = self.running.get(&transfer) {
                    halt.cancel();
                }
            }
            FileTask::Forget { transfer, keep } => self.forget(transfer, keep),
        }
    }

    /// Does what may block, and reports what came of it.
    fn block(&self, work: impl FnOnce(&dyn Disk) -> Report + Send + 'static) {
        let (disk, outbox) = (Arc::clone(&self.disk), self.outbox.clone());
        tokio::task::spawn_blocking(move || {
            let report = work(&*disk);
            // It fails only when the engine has ended.
            let _ = outbox.blocking_send(Happening::File(report));
        });
    }

    fn serve(&mut self, transfer: TransferId, request: u64, wanted: Wanted, connection: Option<&Connection>) {
        let (Some(source), Some(connection)) = (self.sources.get(&transfer), connection) else {
            return self.report(Report::Served { transfer, request, end: ServeEnd::Cut });
        };
        let halt = CancellationToken::new();
        self.running.insert(transfer, halt.clone());
        let serving = Serving {
            source: Arc::clone(source),
            connection: connection.clone(),
            head: FileHead { transfer: transfer.0, request },
            wanted,
            halt,
            outbox: self.outbox.clone(),
        };
        tokio::spawn(serving.run());
    }

    fn fetch(&mut self, transfer: TransferId, request: u64, wanted: Wanted, connection: Option<&Connection>) {
        let (Some(sink), Some(connection)) = (self.sinks.get(&transfer), connection) else {
            return self.report(Report::Fetched { transfer, request, end: FetchEnd::Left(wanted) });
        };
        let (halt, (come, comes)) = (CancellationToken::new(), oneshot::channel());
        self.running.insert(transfer, halt.clone());
        self.expected.insert(transfer, (request, connection.clone(), come));
        let fetching = Fetching {
            sink: Arc::clone(sink),
            connection: connection.clone(),
            transfer,
            request,
            wanted,
            halt,
            outbox: self.outbox.clone(),
            comes,
        };
        tokio::spawn(fetching.run());
    }

    /// What could not begin has ended.
    fn report(&self, report: Report) {
        let outbox = self.outbox.clone();
        tokio::spawn(async move { outbox.send(Happening::File(report)).await });
    }

    fn forget(&mut self, transfer: TransferId, keep: bool) {
        if let Some(halt) = self.running.remove(&transfer) {
            halt.cancel();
        }
        self.sources.remove(&transfer);
        self.beginning.remove(&transfer);
        self.expected.remove(&transfer);
        if let Some(sink) = self.sinks.remove(&transfer) {
            // Waits for whoever still writes.
            tokio::task::spawn_blocking(move || {
                let sink = sink.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
                if let Some(sink) = sink {
                    sink.forget(keep);
                }
            });
        }
    }

    /// A stream came on this connection; one that nobody waits for is stopped.
    pub(super) fn came(
        &mut self,
        connection: Option<&Connection>,
        head: FileHead,
        mut stream: RecvStream,
        rest: Vec<u8>,
    ) {
        let transfer = TransferId(head.transfer);
        let here = connection.map(Connection::stable_id);
        let waits = self
            .expected
            .get(&transfer)
            .is_some_and(|(request, on, _)| *request == head.request && Some(on.stable_id()) == here);
        let waiting = if waits { self.expected.remove(&transfer) } else { None };
        match waiting {
            // Whoever does not wait any more has been halted: dropping the stream stops it.
            Some((_, _, come)) => drop(come.send(Came { stream, rest })),
            // Fails only if the stream ended, which is as well.
            None => drop(stream.stop(Close::HALTED.0.into())),
        }
    }

    /// Tells the core what tasks have reported.
    pub(super) fn heard(&mut self, report: Report, core: &mut Core, now: Now) {
        match report {
            Report::Looked { transfer, found } => {
                let looked_at =
                    |source: &Arc<dyn Source>| LookedAt { what: source.outline(), left_out: source.left_out() };
                let looked_at = found.as_ref().map(looked_at).map_err(Clone::clone);
                if let (Ok(source), true) = (found, core.transfers(transfer)) {
                    self.sources.insert(transfer, source);
                }
                core.file_looked_at(transfer, looked_at, now);
            }
            Report::Begun { transfer, serial, sink } => {
                let awaited = self.beginning.get(&transfer) == Some(&serial);
                if awaited {
                    self.beginning.remove(&transfer);
                }
                match sink {
                    // It is over. What had come before stays: only who takes it may say that it is not wanted.
                    Ok((sink, _)) if !awaited => {
                        tokio::task::spawn_blocking(move || sink.forget(true));
                    }
                    Ok((sink, begun)) => {
                        self.sinks.insert(transfer, Arc::new(Mutex::new(Some(sink))));
                        core.file_begun(transfer, Ok(begun), now);
                    }
                    Err(reason) if awaited => core.file_begun(transfer, Err(reason), now),
                    Err(_) => {}
                }
            }
            Report::Moved { transfer, request, done } => core.file_moved(transfer, request, done, now),
            Report::Served { transfer, request, end } => core.file_served(transfer, request, end, now),
            Report::Fetched { transfer, request, end } => core.file_fetched(transfer, request, end, now),
        }
    }
}
