//! The way to one other node: messages in order, each once, over what loses and repeats packets.
//!
//! A packet says how many were received; what is not acknowledged is sent again, from the first missing one on (go back N).
//! When too much waits the link is *broken*: a new session begins with nothing, and both sides tell each other anew all that
//! counts. What waits is memory, bounded, and seconds old at most.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Messages that may wait to be acknowledged, and their bytes.
const MAX_WAITING: usize = 262_144;
const MAX_WAITING_BYTES: usize = 64 << 20;

/// A packet closes when its messages have so many bytes: well below the megabyte that NATS takes.
const PACKET_BYTES: usize = 256 << 10;

/// Packets sent again at once.
const PACKETS_AT_ONCE: usize = 16;

/// When what is not acknowledged is sent again.
pub(super) const RESEND: Duration = Duration::from_millis(400);

/// Some messages, and how far the other side's were received.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct Packet {
    /// The start of the receiver that this is for.
    #[n(0)]
    pub(super) to: u64,
    /// Of this direction.
    #[n(1)]
    session: u64,
    /// The number of the first message.
    #[n(2)]
    first: u64,
    /// Of the other direction, and how many messages of it were received.
    #[n(3)]
    their_session: u64,
    #[n(4)]
    received: u64,
    #[n(5)]
    messages: Vec<ByteVec>,
}

/// Both directions between this node and one other.
#[derive(Default)]
pub(super) struct Link {
    session: u64,
    /// The number of the first waiting message, and how many of them were sent at least once.
    first: u64,
    sent: usize,
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    /// When the first of them was last sent.
    sent_at: Option<Instant>,
    their_session: u64,
    received: u64,
    owes: bool,
}

/// What a packet brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Brought {
    /// The other side began anew: what it sent before may not have come.
    pub(super) anew: bool,
    /// Messages, in order.
    pub(super) messages: Vec<Vec<u8>>,
}

impl Link {
    /// Begins anew: what waits is given up.
    pub(super) fn restart(&mut self) {
        self.session += 1;
        (self.first, self.sent, self.waiting_bytes, self.sent_at) = (0, 0, 0, None);
        self.waiting = VecDeque::new();
    }

    /// The other node was started anew.
    pub(super) fn forget_peer(&mut self) {
        self.restart();
        (self.their_session, self.received, self.owes) = (0, 0, false);
    }

    /// Takes a message to be sent. False: too much waits, and the link must be restarted.
    pub(super) fn push(&mut self, message: Vec<u8>) -> bool {
        self.waiting_bytes += message.len();
        self.waiting.push_back(message);
        self.waiting.len() <= MAX_WAITING && self.waiting_bytes <= MAX_WAITING_BYTES
    }

    /// What is to be sent now.
    pub(super) fn flush(&mut self, now: Instant, to: u64, out: &mut Vec<Packet>) {
        if self.sent > 0 && self.sent_at.is_some_and(|at| now.duration_since(at) >= RESEND) {
            self.sent = 0;
        }
        for _ in 0..PACKETS_AT_ONCE {
            if self.sent == self.waiting.len() {
                break;
            }
            if self.sent == 0 {
                self.sent_at = Some(now);
            }
            let mut bytes = 0;
            let fits = |message: &&Vec<u8>| {
                bytes += message.len();
                bytes <= PACKET_BYTES || bytes == message.len()
            };
            let messages: Vec<ByteVec> =
                self.waiting.iter().skip(self.sent).take_while(fits).cloned().map(ByteVec::from).collect();
            let first = self.first + self.sent as u64;
            self.sent += messages.len();
            out.push(self.packet(to, first, messages));
        }
        if self.owes {
            let first = self.first + self.sent as u64;
            out.push(self.packet(to, first, Vec::new()));
        }
    }

    fn packet(&mut self, to: u64, first: u64, messages: Vec<ByteVec>) -> Packet {
        self.owes = false;
        let (session, their_session, received) = (self.session, self.their_session, self.received);
        Packet { to, session, first, their_session, received, messages }
    }

    /// Takes a packet.
    pub(super) fn take(&mut self, now: Instant, packet: Packet) -> Brought {
        let mut brought = Brought::default();
        if packet.session < self.their_session {
            return brought;
        }
        if packet.session > self.their_session {
            (self.their_session, self.received, brought.anew) = (packet.session, 0, true);
        }
        if packet.their_session == self.session {
            self.acknowledged(now, packet.received);
        }
        self.owes |= !packet.messages.is_empty();
        for (number, message) in (packet.first..).zip(packet.messages) {
            if number == self.received {
                self.received += 1;
                brought.messages.push(message.into());
            }
        }
        brought
    }

    fn acknowledged(&mut self, now: Instant, received: u64) {
        let count = usize::try_from(received.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.waiting.len());
        for message in self.waiting.drain(..count) {
            self.waiting_bytes -= message.len();
        }
        self.first += count as u64;
        self.sent = self.sent.saturating_sub(count);
        if count > 0 {
            self.sent_at = (self.sent > 0).then_some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Link, Link) {
        let (mut one, mut two) = (Link::default(), Link::default());
        one.restart();
        two.restart();
        (one, two)
    }

    fn send(link: &mut Link, now: Instant) -> Vec<Packet> {
        let mut packets = Vec::new();
        link.flush(now, 1, &mut packets);
        packets
    }

    #[test]
    fn every_second_packet_is_lost_and_all_messages_come_once_in_order() {
        let (mut one, mut two) = pair();
        let (mut now, mut came, mut lost) = (Instant::now(), Vec::new(), false);
        for number in 0..200_u8 {
            assert!(one.push(vec![number]));
            for packet in send(&mut one, now) {
                lost = !lost;
                if !lost {
                    came.extend(two.take(now, packet.clone()).messages);
                    came.extend(two.take(now, packet).messages);
                }
            }
            for packet in send(&mut two, now) {
                one.take(now, packet);
            }
            now += RESEND / 3;
        }
        for _ in 0..4 {
            now += RESEND;
            for packet in send(&mut one, now) {
                came.extend(two.take(now, packet).messages);
            }
            for packet in send(&mut two, now) {
                one.take(now, packet);
            }
        }
        assert_eq!(came, (0..200).map(|number| vec![number]).collect::<Vec<Vec<u8>>>());
        assert_eq!((one.waiting.len(), one.waiting_bytes), (0, 0));
    }

    #[test]
    fn a_new_session_is_told_and_an_old_packet_ignored() {
        let (mut one, mut two) = pair();
        let now = Instant::now();
        one.push(vec![1]);
        let old = send(&mut one, now).remove(0);
        assert_eq!(two.take(now, old.clone()), Brought { anew: true, messages: vec![vec![1]] });
        one.restart();
        one.push(vec![2]);
        let new = send(&mut one, now).remove(0);
        assert_eq!(two.take(now, new), Brought { anew: true, messages: vec![vec![2]] });
        assert_eq!(two.take(now, old), Brought::default());
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut one = Link::default();
        while one.push(vec![0; 60_000]) {}
        assert!(one.waiting_bytes < MAX_WAITING_BYTES + 60_001);
        one.restart();
        assert!(one.push(vec![1]));
    }
}
