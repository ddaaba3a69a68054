//! The room channel's frames, counted: they carry no numbers, but come in order on each connection.

use std::collections::VecDeque;

use super::Violation;

/// How many frames may be kept for a side that does not say that they came: more than a large room has members, who may all answer
/// at once by way of one.
const MAX_KEPT: usize = 2048;
/// How many bytes of them.
const MAX_KEPT_BYTES: usize = 8 * 1024 * 1024;

/// The counts of both directions, and what was sent and may have to be sent again.
#[derive(Default)]
pub(super) struct RoomFrames {
    sent: u64,
    /// The last of those sent, encoded.
    kept: VecDeque<Vec<u8>>,
    kept_bytes: usize,
    received: u64,
    /// The place of the last one that came on this connection: behind `received` while earlier ones come again.
    here: u64,
}

impl RoomFrames {
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// How much is kept.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.kept.len(), self.kept_bytes)
    }

    /// Counts a frame that is sent. Returns false if the other side is too far behind.
    pub(super) fn send(&mut self, bytes: &[u8]) -> bool {
        self.sent += 1;
        self.kept_bytes += bytes.len();
        self.kept.push_back(bytes.to_vec());
        self.kept.len() <= MAX_KEPT && self.kept_bytes <= MAX_KEPT_BYTES
    }

    /// Keeps nothing: the other side goes on on no other connection.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
        self.kept_bytes = 0;
    }

    /// Counts a frame that came. Returns false if it came before, on another connection.
    pub(super) fn receive(&mut self) -> bool {
        self.here += 1;
        let new = self.here > self.received;
        self.received = self.received.max(self.here);
        new
    }

    /// Whether the other side can have received so many.
    pub(super) fn check(&self, count: u64) -> Result<(), Violation> {
        Violation::unless_at_most("a count of room frames", self.sent, count)
    }

    /// The other side has received so many.
    pub(super) fn taken(&mut self, count: u64) {
        while self.sent - (self.kept.len() as u64) < count {
            let Some(frame) = self.kept.pop_front() else { return };
            self.kept_bytes -= frame.len();
        }
    }

    /// Goes on on another connection, where this side has `told` how many it received: what has to be sent there.
    pub(super) fn resume(&mut self, told: u64, count: u64) -> Vec<Vec<u8>> {
        self.here = told;
        self.taken(count);
        self.kept.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_frames_and_bytes_are_kept_and_no_more() {
        let sent = |bytes: usize| {
            let (mut frames, frame) = (RoomFrames::default(), vec![0; bytes]);
            (0..10_000).take_while(|_| frames.send(&frame)).count()
        };
        assert_eq!(sent(260), 2048, "of the smallest");
        assert_eq!(sent(2 * 1024 * 1024), 4, "of the largest");
    }
}
