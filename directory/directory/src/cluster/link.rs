//! The way to one other node: messages in order, each once, over what loses and repeats packets.
//!
//! A packet says how many were received; what is not acknowledged is sent again, from the first missing one on (go back N),
//! slowly until something is acknowledged. When too much waits the link is *broken*: a new session begins with nothing, and both
//! sides tell each other anew all that counts. What waits is memory, bounded, and seconds old at most.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Bytes of messages that may wait to be acknowledged, with what each costs beside its content.
const MAX_WAITING_BYTES: usize = 64 * MEGABYTE;
const MESSAGE_BYTES: usize = 32;

/// Of these, what much of is told at once leaves so much free for everything else.
const ROOM_BYTES: usize = 16 * MEGABYTE;

/// Bytes under way: what carries them must not fill with them, or beats would come late.
const WINDOW_BYTES: usize = 2 * MEGABYTE;

/// Small in tests, so that bounds are met.
const MEGABYTE: usize = if cfg!(test) { 1 << 13 } else { 1 << 20 };

/// A packet closes when its messages have so many bytes: well below the megabyte that NATS takes.
const PACKET_BYTES: usize = MEGABYTE / 4;

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
    sent_bytes: usize,
    /// What was ever sent ends before this number.
    high: u64,
    /// When the first of them was last sent.
    sent_at: Option<Instant>,
    /// Since when nothing of what was sent has been acknowledged.
    stuck_since: Option<Instant>,
    /// Nothing was acknowledged in time: one packet at a time.
    slow: bool,
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
        *self = Self {
            session: self.session + 1,
            their_session: self.their_session,
            received: self.received,
            owes: self.owes,
            ..Self::default()
        };
    }

    /// The other node was started anew.
    pub(super) fn forget_peer(&mut self) {
        self.restart();
        (self.their_session, self.received, self.owes) = (0, 0, false);
    }

    /// Takes a message to be sent. False: too much waits, and the link must be restarted.
    pub(super) fn push(&mut self, message: Vec<u8>) -> bool {
        self.waiting_bytes += message.len() + MESSAGE_BYTES;
        self.waiting.push_back(message);
        self.waiting_bytes <= MAX_WAITING_BYTES
    }

    /// How many bytes may be told at once, of what can wait.
    pub(super) fn room(&self) -> usize {
        ROOM_BYTES.saturating_sub(self.waiting_bytes)
    }

    /// Whether for so long nothing came through.
    pub(super) fn is_stuck(&self, now: Instant, after: Duration) -> bool {
        self.stuck_since.is_some_and(|since| now.duration_since(since) >= after)
    }

    /// What is to be sent now.
    pub(super) fn flush(&mut self, now: Instant, to: u64, out: &mut Vec<Packet>) {
        if self.sent > 0 && self.sent_at.is_some_and(|at| now.duration_since(at) >= RESEND) {
            (self.sent, self.sent_bytes, self.slow) = (0, 0, true);
        }
        let window = if self.slow { 1 } else { WINDOW_BYTES };
        while self.sent < self.waiting.len() && self.sent_bytes < window {
            if self.sent == 0 {
                self.sent_at = Some(now);
                self.stuck_since = self.stuck_since.or(Some(now));
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
            self.sent_bytes += messages.iter().map(|message| message.len() + MESSAGE_BYTES).sum::<usize>();
            self.high = self.high.max(self.first + self.sent as u64);
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
        // Nobody can have received what was never sent.
        if received > self.high {
            return;
        }
        let count = usize::try_from(received.saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.waiting.len());
        let sent = self.sent;
        for (place, message) in self.waiting.drain(..count).enumerate() {
            let bytes = message.len() + MESSAGE_BYTES;
            self.waiting_bytes -= bytes;
            self.sent_bytes -= if place < sent { bytes } else { 0 };
        }
        self.first += count as u64;
        self.sent = self.sent.saturating_sub(count);
        if count > 0 {
            self.sent_at = (self.sent > 0).then_some(now);
            (self.stuck_since, self.slow) = (self.sent_at, false);
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
    fn what_was_never_sent_is_not_acknowledged() {
        let (mut one, mut two) = pair();
        let now = Instant::now();
        // The other side confounds this start with one before it, of which it received a thousand.
        two.received = 1_000;
        two.their_session = 1;
        one.push(vec![1]);
        for packet in send(&mut one, now) {
            assert_eq!(two.take(now, packet), Brought::default());
        }
        for packet in send(&mut two, now) {
            one.take(now, packet);
        }
        assert_eq!(one.waiting.len(), 1);
    }

    #[test]
    fn what_is_under_way_is_bounded_and_little_is_sent_to_who_does_not_answer() {
        let (mut one, mut two) = pair();
        let mut now = Instant::now();
        for _ in 0..500 {
            assert!(one.push(vec![0; 600]));
        }
        let mut sent = send(&mut one, now);
        let bytes = sent.iter().flat_map(|packet| &packet.messages).map(|message| message.len()).sum::<usize>();
        assert!((WINDOW_BYTES / 2..WINDOW_BYTES + PACKET_BYTES).contains(&bytes), "{bytes}");
        assert!(send(&mut one, now).is_empty());
        now += RESEND;
        assert_eq!(send(&mut one, now).len(), 1);
        assert!(one.is_stuck(now, RESEND) && !one.is_stuck(now, RESEND * 2));
        // It answers: all comes, as fast as it is taken.
        let mut came = 0;
        while came < 500 {
            for packet in std::mem::take(&mut sent) {
                came += two.take(now, packet).messages.len();
            }
            for packet in send(&mut two, now) {
                one.take(now, packet);
            }
            sent = send(&mut one, now);
        }
        assert_eq!((one.waiting_bytes, one.sent_bytes, one.stuck_since), (0, 0, None));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut one = Link::default();
        while one.push(vec![0; 600]) {}
        assert!((MAX_WAITING_BYTES..MAX_WAITING_BYTES + 632).contains(&one.waiting_bytes));
        one.restart();
        assert!(one.push(vec![1]));
    }
}
