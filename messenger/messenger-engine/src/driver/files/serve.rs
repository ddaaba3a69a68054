//! The stream on which something is given.

use std::sync::Arc;
use std::time::Instant;

use quinn::{Connection, SendStream, WriteError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::disk::Source;
use super::pack::{Enough, Unpacked, pack};
use super::{MOVED, Report};
use crate::api::TransferId;
use crate::core::ServeEnd;
use crate::driver::Happening;
use crate::wire::{Channel, Close, FileHead, Wanted, encode};

/// Below everything else: no text waits behind a file.
const PRIORITY: i32 = -1;
/// Pieces that are read ahead.
const AHEAD: usize = 4;

/// One stream.
pub(super) struct Serving {
    pub(super) source: Arc<dyn Source>,
    pub(super) connection: Connection,
    pub(super) head: FileHead,
    pub(super) wanted: Wanted,
    pub(super) halt: CancellationToken,
    pub(super) outbox: mpsc::Sender<Happening>,
}

impl Serving {
    /// Sends all of it, and reports how that ended.
    pub(super) async fn run(self) {
        let (transfer, request) = (TransferId(self.head.transfer), self.head.request);
        let (halt, outbox) = (self.halt.clone(), self.outbox.clone());
        let end = halt.run_until_cancelled(self.send()).await.unwrap_or(ServeEnd::Cut);
        let _ = outbox.send(Happening::File(Report::Served { transfer, request, end })).await;
    }

    async fn send(self) -> ServeEnd {
        let Ok(stream) = self.connection.open_uni().await else { return ServeEnd::Cut };
        let mut stream = Resetting(Some(stream));
        match self.send_on(&mut stream).await {
            Ok(()) => {
                if let Some(mut stream) = stream.0.take() {
                    // Fails only if the stream or the connection ended, which is told below.
                    let _ = stream.finish();
                    return if matches!(stream.stopped().await, Ok(None)) { ServeEnd::Sent } else { ServeEnd::Cut };
                }
                ServeEnd::Cut
            }
            Err(end) => end,
        }
    }

    async fn send_on(self, stream: &mut Resetting) -> Result<(), ServeEnd> {
        let Some(stream) = stream.0.as_mut() else { return Err(ServeEnd::Cut) };
        let cut = |_: WriteError| ServeEnd::Cut;
        // Fails only if the stream is closed.
        let _ = stream.set_priority(PRIORITY);
        let head = encode(&self.head, Channel::Files).expect("a head is a short frame");
        stream.write_all(&[&[Channel::Files.byte()], head.as_slice()].concat()).await.map_err(cut)?;
        let (hand_on, mut pieces) = mpsc::channel(AHEAD);
        let (source, wanted) = (Arc::clone(&self.source), self.wanted);
        // However this ends, the thread does not read on.
        let stop = CancellationToken::new();
        let _stops = stop.clone().drop_guard();
        tokio::task::spawn_blocking(move || {
            let hand = |piece| hand_on.blocking_send(Ok(piece)).map_err(|_| Enough);
            let packed = pack(&*source, wanted, &|| stop.is_cancelled(), hand);
            if let Err(Unpacked::Failed(reason)) = packed {
                // Whoever does not listen any more need not know.
                let _ = hand_on.blocking_send(Err(reason));
            }
        });
        let mut progress = Progress::new(&self);
        while let Some(piece) = pieces.recv().await {
            let (piece, of_files) = piece.map_err(ServeEnd::Failed)?;
            stream.write_chunk(piece.into()).await.map_err(cut)?;
            progress.moved(of_files as u64);
        }
        Ok(())
    }
}

/// A stream that ends before its end is reset: the other side hears that at once, and nothing waits in buffers.
struct Resetting(Option<SendStream>);

impl Drop for Resetting {
    fn drop(&mut self) {
        if let Some(stream) = self.0.as_mut() {
            // Fails only if the stream ended, which is as well.
            let _ = stream.reset(Close::HALTED.0.into());
        }
    }
}

/// How far it has come.
struct Progress {
    transfer: TransferId,
    request: u64,
    outbox: mpsc::Sender<Happening>,
    done: u64,
    told: Instant,
}

impl Progress {
    fn new(serving: &Serving) -> Self {
        let done = match serving.wanted {
            Wanted::Manifest => 0,
            Wanted::Files { entry, offset } => {
                // Which one is asked for is the other side's word: none behind the last is looked for.
                let before = (0..entry).map_while(|entry| serving.source.entry(entry)).map(|entry| entry.size);
                before.fold(offset, u64::saturating_add)
            }
        };
        Self {
            transfer: TransferId(serving.head.transfer),
            request: serving.head.request,
            outbox: serving.outbox.clone(),
            done,
            told: Instant::now(),
        }
    }

    fn moved(&mut self, bytes: u64) {
        self.done += bytes;
        if self.told.elapsed() >= MOVED {
            self.told = Instant::now();
            let moved = Report::Moved { transfer: self.transfer, request: self.request, done: self.done };
            // What finds no room is told with the next.
            let _ = self.outbox.try_send(Happening::File(moved));
        }
    }
}
