//! The stream on which something is taken.

use std::time::Instant;

use quinn::{Connection, RecvStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::unpack::Unpacker;
use super::{MOVED, Report, Taken};
use crate::api::TransferId;
use crate::core::FetchEnd;
use crate::driver::Happening;
use crate::wire::{Close, Wanted};

/// Batches that wait for the disk; what does not fit stays in QUIC's own bounded buffers, and the other side waits.
const BEHIND: usize = 8;

/// What has come is written at once when it is so much, or nothing more is there: a packet's worth is little for a disk.
const GATHERED: usize = 256 * 1024;

/// A stream that came, and what of it was read with its head.
pub(super) struct Came {
    pub(super) stream: RecvStream,
    pub(super) rest: Vec<u8>,
}

/// One stream.
pub(super) struct Fetching {
    pub(super) sink: Taken,
    pub(super) connection: Connection,
    pub(super) transfer: TransferId,
    pub(super) request: u64,
    pub(super) wanted: Wanted,
    pub(super) halt: CancellationToken,
    pub(super) outbox: mpsc::Sender<Happening>,
    pub(super) comes: oneshot::Receiver<Came>,
}

impl Fetching {
    /// Takes what comes, and reports how that ended.
    pub(super) async fn run(self) {
        let (transfer, request, outbox) = (self.transfer, self.request, self.outbox.clone());
        let end = self.take().await;
        let _ = outbox.send(Happening::File(Report::Fetched { transfer, request, end })).await;
    }

    async fn take(self) -> FetchEnd {
        let Self { sink, connection, transfer, request, wanted, halt, outbox, comes } = self;
        let came = tokio::select! {
            came = comes => came.ok(),
            () = halt.cancelled() => None,
            _ = connection.closed() => None,
        };
        let Some(Came { mut stream, rest }) = came else { return FetchEnd::Left(wanted) };
        let (hand_on, batches) = mpsc::channel(BEHIND);
        let telling = Telling { transfer, request, outbox, told: Instant::now() };
        let mut writing = tokio::task::spawn_blocking(move || write(&sink, wanted, (&rest, batches), telling));
        let reading = async {
            loop {
                let mut batch: [_; 32] = Default::default();
                match stream.read_chunks(&mut batch).await {
                    Ok(Some(read)) => {
                        let batch: Vec<_> = batch.into_iter().take(read).collect();
                        if hand_on.send(batch).await.is_err() {
                            break;
                        }
                    }
                    // The end, or no more of it: what is there says what is left.
                    Ok(None) | Err(_) => break,
                }
            }
            drop(hand_on);
        };
        let ended = tokio::select! {
            () = reading => None,
            () = halt.cancelled() => None,
            ended = &mut writing => Some(ended),
        };
        // Fails only if the stream ended, which is as well.
        let _ = stream.stop(Close::HALTED.0.into());
        let ended = match ended {
            Some(ended) => ended,
            None => writing.await,
        };
        ended.unwrap_or_else(|_| FetchEnd::Failed("what came could not be written".into()))
    }
}

/// Writes what comes until there is no more, or all is there; on a thread that may block.
fn write<B: AsRef<[u8]>>(
    sink: &Taken,
    wanted: Wanted,
    (rest, mut batches): (&[u8], mpsc::Receiver<Vec<B>>),
    mut telling: Telling,
) -> FetchEnd {
    let mut sink = sink.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // It was forgotten meanwhile.
    let Some(sink) = sink.as_mut() else { return FetchEnd::Left(wanted) };
    if wanted == Wanted::Manifest {
        sink.list_anew();
    }
    let mut unpacker = Unpacker::new(wanted);
    let mut take = |bytes: &[u8]| -> Result<bool, String> {
        unpacker.take(bytes, &mut **sink)?;
        telling.moved(sink.done());
        Ok(unpacker.is_over())
    };
    let mut work = || -> Result<(), String> {
        let (mut over, mut gathered) = (take(rest)?, Vec::with_capacity(GATHERED));
        while !over && let Some(batch) = batches.blocking_recv() {
            let mut next = Some(batch);
            while let Some(batch) = next {
                batch.iter().for_each(|bytes| gathered.extend_from_slice(bytes.as_ref()));
                next = if gathered.len() < GATHERED { batches.try_recv().ok() } else { None };
            }
            over = take(&gathered)?;
            gathered.clear();
        }
        Ok(())
    };
    if let Err(reason) = work() {
        return FetchEnd::Failed(reason);
    }
    end_of(&mut **sink)
}

/// What is left of it.
pub(super) fn end_of(sink: &mut dyn super::disk::Sink) -> FetchEnd {
    match sink.left() {
        Some(left) => FetchEnd::Left(left),
        None => sink.complete().map_or_else(FetchEnd::Failed, FetchEnd::Done),
    }
}

/// How far it has come.
struct Telling {
    transfer: TransferId,
    request: u64,
    outbox: mpsc::Sender<Happening>,
    told: Instant,
}

impl Telling {
    fn moved(&mut self, done: u64) {
        if self.told.elapsed() >= MOVED {
            self.told = Instant::now();
            let moved = Report::Moved { transfer: self.transfer, request: self.request, done };
            // What finds no room is told with the next.
            let _ = self.outbox.try_send(Happening::File(moved));
        }
    }
}
