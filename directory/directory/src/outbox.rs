//! What waits to be sent on one connection: bounded, in order, and no memory at all while there is nothing to say. Most people
//! are idle most of the time, and a channel of the usual kind keeps room for the next frames of each.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Frames that may wait for one connection. A reader slower than that is disconnected: it would be told old news.
const WAITING: usize = 8_192;

/// Frames that are taken at once.
const AT_ONCE: usize = 64;

/// Frames for one connection, which one task takes.
#[derive(Default)]
pub(crate) struct Outbox {
    frames: Mutex<VecDeque<Bytes>>,
    more: Notify,
}

/// There is no room: they are not taken as fast as they come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Outbox {
    /// Puts a frame behind the others.
    pub(crate) fn put(&self, frame: Bytes) -> Result<(), Full> {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if frames.len() >= WAITING {
            return Err(Full);
        }
        frames.push_back(frame);
        self.more.notify_one();
        Ok(())
    }

    /// The next frames, at least one. Nothing is lost if this is not waited for to the end.
    pub(crate) async fn take(&self) -> Vec<Bytes> {
        loop {
            let taken = self.take_now();
            if !taken.is_empty() {
                return taken;
            }
            self.more.notified().await;
        }
    }

    fn take_now(&self) -> Vec<Bytes> {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let count = frames.len().min(AT_ONCE);
        let taken = frames.drain(..count).collect();
        if frames.is_empty() {
            *frames = VecDeque::new();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    fn frame(n: usize) -> Bytes {
        Bytes::from(n.to_be_bytes().to_vec())
    }

    #[tokio::test]
    async fn frames_are_taken_in_order_and_keep_no_memory() {
        let outbox = Arc::new(Outbox::default());
        let taking = tokio::spawn({
            let outbox = Arc::clone(&outbox);
            async move {
                let mut all = Vec::new();
                while all.len() < 1_000 {
                    let taken = outbox.take().await;
                    assert!((1..=AT_ONCE).contains(&taken.len()));
                    all.extend(taken);
                }
                all
            }
        });
        for n in 0..1_000 {
            outbox.put(frame(n)).unwrap();
            if n % 7 == 0 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(taking.await.unwrap(), (0..1_000).map(frame).collect::<Vec<_>>());
        assert_eq!(outbox.frames.lock().unwrap().capacity(), 0);
    }

    #[tokio::test]
    async fn who_stops_waiting_loses_nothing() {
        let outbox = Outbox::default();
        {
            let mut waiting = Box::pin(outbox.take());
            let mut context = Context::from_waker(Waker::noop());
            assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
            outbox.put(frame(1)).unwrap();
        }
        assert_eq!(outbox.take().await, [frame(1)]);
    }

    #[test]
    fn who_does_not_take_them_is_told_no_more() {
        let outbox = Outbox::default();
        assert!((0..WAITING).all(|n| outbox.put(frame(n)).is_ok()));
        assert_eq!(outbox.put(frame(0)), Err(Full));
        assert_eq!(outbox.take_now().len(), AT_ONCE);
        assert_eq!(outbox.put(frame(0)), Ok(()));
    }
}
