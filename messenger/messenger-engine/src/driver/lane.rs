//! The writing side of one channel: a stream, and a queue for what QUIC does not take at once.
//!
//! A frame that nothing waits before goes straight into QUIC's own buffer, without waking another task; that is the
//! ordinary case. What does not fit there waits in the queue, and everything after it waits behind it, so that frames
//! arrive in the order in which they were sent.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

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
    queue: mpsc::Sender<Vec<u8>>,
    writer: JoinHandle<()>,
}

impl Lane {
    /// Opens the channel's stream; what is sent before it is open waits.
    pub(super) fn open(connection: Connection, channel: Channel) -> Self {
        let (queue, frames) = mpsc::channel(MAX_WAITING_FRAMES);
        let (stream, waiting) = (Arc::default(), Arc::default());
        let writer = tokio::spawn(write(connection, channel, Arc::clone(&stream), Arc::clone(&waiting), frames));
        Self { stream, waiting, queue, writer }
    }

    /// Sends a frame, now or after those that wait.
    pub(super) fn send(&self, mut frame: Vec<u8>) -> Result<(), Stalled> {
        if self.waiting.load(Ordering::Acquire) == 0 {
            let taken = self.send_now(&frame);
            if taken == frame.len() {
                return Ok(());
            }
            frame.drain(..taken);
        }
        self.waiting.fetch_add(1, Ordering::AcqRel);
        match self.queue.try_send(frame) {
            // A writer that ended lost the connection: the reader reports that.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Stalled),
        }
    }

    /// How many bytes of the frame QUIC takes at once. Nothing waits, so the writer does not touch the stream.
    fn send_now(&self, frame: &[u8]) -> usize {
        let Ok(mut stream) = self.stream.try_lock() else { return 0 };
        let Some(stream) = stream.as_mut() else { return 0 };
        let mut taken = 0;
        while taken < frame.len() {
            let write = pin!(stream.write(&frame[taken..]));
            match write.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(bytes)) => taken += bytes,
                // A failure is a lost connection, which the reader reports with its reason.
                Poll::Pending | Poll::Ready(Err(_)) => break,
            }
        }
        taken
    }

    /// Lets what waits be written; ends when the other side has it all, or the connection is lost.
    pub(super) async fn finish(self) {
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
    mut frames: mpsc::Receiver<Vec<u8>>,
) {
    let work = async {
        let mut stream = connection.open_uni().await.ok()?;
        stream.write_all(&[channel.byte()]).await.ok()?;
        *shared.lock().await = Some(stream);
        while let Some(frame) = frames.recv().await {
            shared.lock().await.as_mut()?.write_all(&frame).await.ok()?;
            waiting.fetch_sub(1, Ordering::AcqRel);
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
        let lane = Lane::open(dialled, Channel::Talk);
        let reading = tokio::spawn(async move {
            let mut stream = accepted.accept_uni().await.unwrap();
            stream.read_to_end(1 << 20).await.unwrap()
        });
        for number in 0..FRAMES {
            lane.send(number.to_be_bytes().repeat(5)).unwrap();
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
        let lane = Lane::open(dialled, Channel::Talk);
        let sent = (0..2 * MAX_WAITING_FRAMES).take_while(|_| lane.send(vec![7; 100]).is_ok()).count();
        assert!((MAX_WAITING_FRAMES..MAX_WAITING_FRAMES + 2).contains(&sent), "{sent}");
    }
}
