//! The writing side of one channel: a stream, and a queue for what QUIC does not take at once.
//!
//! Frames are put together and sent together, and copied nowhere before QUIC puts them into packets. What nothing waits before
//! goes straight into QUIC's own buffer, at once and without waking another task; that is the ordinary case. What does not fit
//! there waits in the queue, and everything after it waits behind it, so that frames arrive in the order in which they were put.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use quinn::{Connection, SendStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use crate::wire::Channel;

/// Frames that may wait for a peer that reads slowly; one more, and it counts as stalled.
const MAX_WAITING_FRAMES: usize = 4096;

/// The peer does not take what is sent.
#[derive(Debug)]
pub(super) struct Stalled;

/// One channel to one peer. Only one task sends on it.
pub(super) struct Lane {
    /// The stream once it is open.
    stream: Arc<Mutex<Option<SendStream>>>,
    /// Frames handed to the queue and not yet written.
    waiting: Arc<AtomicUsize>,
    queue: mpsc::UnboundedSender<Frames>,
    writer: JoinHandle<()>,
    /// Put and not sent yet.
    put: Frames,
}

/// Frames that are written together.
#[derive(Default)]
struct Frames {
    bytes: Vec<Bytes>,
    count: usize,
}

impl Lane {
    /// Opens the channel's stream; what is sent before it is open waits.
    pub(super) fn open(connection: Connection, channel: Channel) -> Self {
        // Bounded by how many frames may wait.
        let (queue, frames) = mpsc::unbounded_channel();
        let (stream, waiting) = (Arc::default(), Arc::default());
        let writer = tokio::spawn(write(connection, channel, Arc::clone(&stream), Arc::clone(&waiting), frames));
        Self { stream, waiting, queue, writer, put: Frames::default() }
    }

    /// Adds so many frames to those that are to be sent.
    pub(super) fn put(&mut self, (bytes, count): (Vec<u8>, usize)) {
        self.put.bytes.push(bytes.into());
        self.put.count += count;
    }

    /// Sends what was put, now or after what waits.
    pub(super) fn send(&mut self) -> Result<(), Stalled> {
        let mut rest = std::mem::take(&mut self.put);
        if self.waiting.load(Ordering::Acquire) == 0 {
            self.send_now(&mut rest.bytes);
        }
        if rest.bytes.is_empty() {
            return Ok(());
        }
        if self.waiting.fetch_add(rest.count, Ordering::AcqRel) + rest.count > MAX_WAITING_FRAMES {
            return Err(Stalled);
        }
        // A writer that ended lost the connection: the reader reports that.
        let _ = self.queue.send(rest);
        Ok(())
    }

    /// Sends what QUIC takes at once, and leaves the rest. Nothing waits, so the writer does not touch the stream.
    fn send_now(&self, bytes: &mut Vec<Bytes>) {
        let Ok(mut stream) = self.stream.try_lock() else { return };
        let Some(stream) = stream.as_mut() else { return };
        while !bytes.is_empty() {
            let polled = {
                let write = pin!(stream.write_chunks(bytes));
                write.poll(&mut Context::from_waker(Waker::noop()))
            };
            match polled {
                Poll::Ready(Ok(written)) => drop(bytes.drain(..written.chunks)),
                // A failure is a lost connection, which the reader reports with its reason.
                Poll::Pending | Poll::Ready(Err(_)) => break,
            }
        }
    }

    /// Lets what was put and what waits be written; ends when the other side has it all, or the connection is lost.
    pub(super) async fn finish(mut self) {
        // Whether or not it waits for too much: it ends.
        let _ = self.send();
        let Self { queue, writer, .. } = self;
        drop(queue);
        let _ = writer.await;
    }
}

/// Writes what waits until the queue ends, then waits until the other side has everything.
async fn write(
    connection: Connection,
    channel: Channel,
    shared: Arc<Mutex<Option<SendStream>>>,
    waiting: Arc<AtomicUsize>,
    mut frames: mpsc::UnboundedReceiver<Frames>,
) {
    let work = async {
        let mut stream = connection.open_uni().await.ok()?;
        stream.write_all(&[channel.byte()]).await.ok()?;
        *shared.lock().await = Some(stream);
        while let Some(Frames { mut bytes, count }) = frames.recv().await {
            shared.lock().await.as_mut()?.write_all_chunks(&mut bytes).await.ok()?;
            waiting.fetch_sub(count, Ordering::AcqRel);
        }
        let mut stream = shared.lock().await.take()?;
        stream.finish().ok()?;
        stream.stopped().await.ok()
    };
    // A failure is a lost connection, which the reader reports with its reason.
    let _ = work.await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::connected;
    use super::*;

    #[tokio::test]
    async fn frames_arrive_in_order_through_a_narrow_window() {
        const FRAMES: u32 = 2000;
        let (_dialling, dialled, _accepting, accepted) = connected(1000).await;
        let mut lane = Lane::open(dialled, Channel::Talk);
        let reading = tokio::spawn(async move {
            let mut stream = accepted.accept_uni().await.unwrap();
            stream.read_to_end(1 << 20).await.unwrap()
        });
        for number in 0..FRAMES {
            lane.put((number.to_be_bytes().repeat(5), 1));
            // One by one, and many together.
            if number % 3 != 0 || number > FRAMES / 2 && number % 50 != 0 {
                continue;
            }
            lane.send().unwrap();
            // Now and then the window has room again, and frames take the short way between queued ones.
            if number % 97 == 0 {
                tokio::task::yield_now().await;
            }
        }
        tokio::time::timeout(Duration::from_secs(30), lane.finish()).await.unwrap();
        let expected: Vec<u8> = (0..FRAMES).flat_map(|number| number.to_be_bytes().repeat(5)).collect();
        let read = tokio::time::timeout(Duration::from_secs(30), reading).await.unwrap().unwrap();
        assert_eq!(read[0], Channel::Talk.byte());
        assert!(read[1..] == expected, "frames were lost, doubled or out of order");
    }

    #[tokio::test]
    async fn a_peer_that_reads_nothing_is_stalled_when_the_queue_is_full() {
        let (_dialling, dialled, _accepting, _accepted) = connected(100).await;
        let mut lane = Lane::open(dialled, Channel::Talk);
        let mut sends = |frames: usize| {
            (0..frames).for_each(|_| lane.put((vec![7; 100], 1)));
            lane.send().is_ok()
        };
        assert!(sends(MAX_WAITING_FRAMES / 2), "together");
        let sent = (0..MAX_WAITING_FRAMES).take_while(|_| sends(1)).count();
        assert!((MAX_WAITING_FRAMES / 2..MAX_WAITING_FRAMES / 2 + 2).contains(&sent), "{sent} one by one");
    }
}
