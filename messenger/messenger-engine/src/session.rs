//! A session: what two devices owe each other on one connection. No I/O, no clock, no randomness.
//!
//! It numbers what it sends, demands the other side's numbers without a gap, and knows for every text whether the other
//! device's application took it. When the connection is lost, every text gets its verdict: *not delivered* if it never
//! left, *unknown* if it left without an answer.
//!
//! ```text
//!            own Hello sent            their Hello              lost()
//! (new) ───────────────────► greeting ─────────────► open ───────────────► verdicts
//!                              │ texts wait            │ texts go out, numbered
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::api::RoomId;
use crate::wire::{Ack, TalkFrame, VERSION, Views};

/// How many numbered frames may be without an answer; more wait, and more than [`MAX_WAITING`] waiting are refused.
pub const WINDOW: usize = 256;

/// How many texts may wait for the window (or for the other side's Hello).
pub const MAX_WAITING: usize = 1024;

/// How many acknowledgements fit into one frame.
pub const MAX_ACKS: usize = 256;

/// What is sent under a number.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// A one-to-one text.
    Text {
        /// The caller's id.
        id: u64,
        /// The text.
        text: String,
    },
    /// A sealed room text.
    Room {
        /// The room.
        room: RoomId,
        /// The MLS message.
        message: Vec<u8>,
    },
}

/// What came in.
#[derive(PartialEq, Eq)]
pub enum Arrival<T> {
    /// The other side's Hello: the session is open.
    Open {
        /// Her program's run.
        run: [u8; 8],
        /// See [`crate::wire::capability`].
        capabilities: u64,
    },
    /// Something to show, then to [`Session::acknowledge`] (or refuse) by its number.
    Content {
        /// Its number.
        number: u64,
        /// What.
        content: Content,
    },
    /// The other device's application took what was sent under this token.
    Taken(T),
    /// It refused it, and says why.
    Refused(T, String),
    /// What the other side has seen of logs and policies.
    Views(Views),
}

/// How the other side broke the protocol; the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The first frame must be a Hello, and only the first.
    #[error("expected {expected}, found {found}")]
    Order {
        /// What was due.
        expected: &'static str,
        /// What came.
        found: &'static str,
    },
    /// A version below 1.
    #[error("expected a version of at least 1, found 0")]
    Version,
    /// Numbers count without a gap.
    #[error("expected number {expected}, found {found}")]
    Number {
        /// The next one.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// An answer to something never sent, or answered before.
    #[error("expected the number of something unanswered, found {found}")]
    StrayAck {
        /// The number.
        found: u64,
    },
    /// More acknowledgements in a frame than allowed.
    #[error("expected at most {MAX_ACKS} acknowledgements in a frame, found {found}")]
    TooManyAcks {
        /// How many.
        found: usize,
    },
    /// Views with more in them than allowed.
    #[error("expected views within their limits, found more")]
    Views,
    /// A text above the limit.
    #[error("expected a text of at most {} bytes, found {found}", crate::MAX_TEXT_BYTES)]
    TextTooLong {
        /// Its length in bytes.
        found: usize,
    },
}

/// Why nothing more can be sent now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_WAITING} texts already wait for this device")]
pub struct Full;

/// The fate of what was under way when the connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It never left this device.
    NotSent,
    /// It left, and no answer came.
    Unanswered,
}

/// One session. `T` names what was sent for whoever sent it.
pub struct Session<T> {
    open: bool,
    heard_hello: bool,
    next_number: u64,
    unanswered: BTreeMap<u64, T>,
    waiting: VecDeque<(Content, T)>,
    last_heard: u64,
    unacknowledged: Vec<Ack>,
}

impl<T> Session<T> {
    /// A new session and the Hello to send.
    pub fn new(run: [u8; 8], capabilities: u64) -> (Self, TalkFrame) {
        let session = Self {
            open: false,
            heard_hello: false,
            next_number: 1,
            unanswered: BTreeMap::new(),
            waiting: VecDeque::new(),
            last_heard: 0,
            unacknowledged: Vec::new(),
        };
        (session, TalkFrame::Hello { version: VERSION, run, capabilities })
    }

    /// Whether the other side said Hello.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether nothing sent is without an answer.
    pub fn is_quiet(&self) -> bool {
        self.unanswered.is_empty() && self.waiting.is_empty()
    }

    /// Sends `content`, or lets it wait for Hello or for the window; [`Self::frames`] has what can go now.
    ///
    /// # Errors
    /// [`Full`] if too much waits; nothing was taken.
    pub fn send(&mut self, content: Content, token: T) -> Result<(), Full> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(Full);
        }
        self.waiting.push_back((content, token));
        Ok(())
    }

    /// The frames to put on the wire now: acknowledgements first, then texts as the window allows.
    pub fn frames(&mut self) -> Vec<TalkFrame> {
        let mut frames = Vec::new();
        while !self.unacknowledged.is_empty() {
            let rest = self.unacknowledged.split_off(self.unacknowledged.len().min(MAX_ACKS));
            frames.push(TalkFrame::Ack { acks: std::mem::replace(&mut self.unacknowledged, rest) });
        }
        while self.open && self.unanswered.len() < WINDOW {
            let Some((content, token)) = self.waiting.pop_front() else { break };
            let number = self.next_number;
            self.next_number += 1;
            self.unanswered.insert(number, token);
            frames.push(match content {
                Content::Text { id, text } => TalkFrame::Text { number, id, text },
                Content::Room { room, message } => TalkFrame::RoomText { number, room: room.0, message },
            });
        }
        frames
    }

    /// Takes a frame from the other side.
    ///
    /// # Errors
    /// A [`Violation`]; the connection must be closed.
    pub fn receive(&mut self, frame: TalkFrame) -> Result<Vec<Arrival<T>>, Violation> {
        match frame {
            TalkFrame::Hello { version, run, capabilities } => self.hello(version, run, capabilities).map(|a| vec![a]),
            _ if !self.heard_hello => Err(Violation::Order { expected: "Hello", found: "another frame" }),
            TalkFrame::Text { number, id, text } => {
                if text.len() > crate::MAX_TEXT_BYTES {
                    return Err(Violation::TextTooLong { found: text.len() });
                }
                self.content(number, Content::Text { id, text })
            }
            TalkFrame::RoomText { number, room, message } => {
                self.content(number, Content::Room { room: RoomId(room), message })
            }
            TalkFrame::Ack { acks } => self.answers(acks),
            TalkFrame::Views { views } if views.is_bounded() => Ok(vec![Arrival::Views(views)]),
            TalkFrame::Views { .. } => Err(Violation::Views),
        }
    }

    fn hello(&mut self, version: u16, run: [u8; 8], capabilities: u64) -> Result<Arrival<T>, Violation> {
        if self.heard_hello {
            return Err(Violation::Order { expected: "one Hello", found: "a second one" });
        }
        if version == 0 {
            return Err(Violation::Version);
        }
        self.heard_hello = true;
        self.open = true;
        Ok(Arrival::Open { run, capabilities })
    }

    fn content(&mut self, number: u64, content: Content) -> Result<Vec<Arrival<T>>, Violation> {
        let expected = self.last_heard + 1;
        if number != expected {
            return Err(Violation::Number { expected, found: number });
        }
        self.last_heard = number;
        Ok(vec![Arrival::Content { number, content }])
    }

    fn answers(&mut self, acks: Vec<Ack>) -> Result<Vec<Arrival<T>>, Violation> {
        if acks.len() > MAX_ACKS {
            return Err(Violation::TooManyAcks { found: acks.len() });
        }
        // All of them are looked at before any counts: what is answered beside a stray one must still get its verdict.
        let mut answered = BTreeSet::new();
        let stray = acks.iter().find(|ack| !self.unanswered.contains_key(&ack.number) || !answered.insert(ack.number));
        if let Some(ack) = stray {
            return Err(Violation::StrayAck { found: ack.number });
        }
        let answer = |ack: Ack| {
            let token = self.unanswered.remove(&ack.number)?;
            Some(match ack.refused {
                None => Arrival::Taken(token),
                Some(reason) => Arrival::Refused(token, crate::clip(&reason)),
            })
        };
        Ok(acks.into_iter().filter_map(answer).collect())
    }

    /// Says that the content under this number was shown.
    pub fn acknowledge(&mut self, number: u64) {
        self.unacknowledged.push(Ack { number, refused: None });
    }

    /// Says that it was not shown, and why.
    pub fn refuse(&mut self, number: u64, reason: &str) {
        self.unacknowledged.push(Ack { number, refused: Some(crate::clip(reason)) });
    }

    /// The connection is lost: the verdict on everything without an answer, in the order of sending.
    pub fn lost(self) -> Vec<(T, Verdict)> {
        let unanswered = self.unanswered.into_values().map(|token| (token, Verdict::Unanswered));
        unanswered.chain(self.waiting.into_iter().map(|(_, token)| (token, Verdict::NotSent))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: u64) -> Content {
        Content::Text { id, text: format!("text {id}") }
    }

    fn pair() -> (Session<u64>, Session<u64>) {
        let (mut a, hello_a) = Session::new([1; 8], 3);
        let (mut b, hello_b) = Session::new([2; 8], 3);
        a.receive(hello_b).unwrap();
        b.receive(hello_a).unwrap();
        (a, b)
    }

    /// Carries everything from one side to the other; the receiver shows all content. Returns how many contents
    /// arrived.
    fn carry(from: &mut Session<u64>, to: &mut Session<u64>) -> Vec<Arrival<u64>> {
        let mut arrivals = Vec::new();
        for frame in from.frames() {
            for arrival in to.receive(frame).unwrap() {
                if let Arrival::Content { number, .. } = &arrival {
                    to.acknowledge(*number);
                }
                arrivals.push(arrival);
            }
        }
        arrivals
    }

    #[test]
    fn a_text_is_taken_only_by_the_others_word() {
        let (mut a, mut b) = pair();
        a.send(text(7), 7).unwrap();
        assert!(carry(&mut a, &mut b) == [Arrival::Content { number: 1, content: text(7) }]);
        assert!(!a.is_quiet());
        assert!(carry(&mut b, &mut a) == [Arrival::Taken(7)]);
        assert!(a.is_quiet());
    }

    #[test]
    fn a_refusal_carries_its_reason() {
        let (mut a, mut b) = pair();
        a.send(text(7), 7).unwrap();
        for frame in a.frames() {
            b.receive(frame).unwrap();
        }
        b.refuse(1, "no such room");
        assert!(carry(&mut b, &mut a) == [Arrival::Refused(7, "no such room".into())]);
    }

    #[test]
    fn nothing_is_forgotten_over_an_answer_that_breaks_the_protocol() {
        for stray in [1, 9] {
            let (mut a, _) = pair();
            a.send(text(7), 7).unwrap();
            a.frames();
            let acks = [1, stray].map(|number| Ack { number, refused: None }).to_vec();
            assert!(a.receive(TalkFrame::Ack { acks }) == Err(Violation::StrayAck { found: stray }));
            assert_eq!(a.lost(), [(7, Verdict::Unanswered)]);
        }
    }

    #[test]
    fn before_hello_texts_wait_and_are_not_sent_when_lost() {
        let (mut a, _) = Session::new([1; 8], 3);
        a.send(text(7), 7).unwrap();
        assert!(a.frames().is_empty());
        assert_eq!(a.lost(), [(7, Verdict::NotSent)]);
    }

    #[test]
    fn what_left_without_an_answer_is_unknown_and_what_waited_is_not_sent() {
        let (mut a, _) = pair();
        for id in 0..=WINDOW as u64 {
            a.send(text(id), id).unwrap();
        }
        assert_eq!(a.frames().len(), WINDOW);
        let verdicts = a.lost();
        assert_eq!(verdicts[0], (0, Verdict::Unanswered));
        assert_eq!(verdicts[WINDOW], (WINDOW as u64, Verdict::NotSent));
    }

    #[test]
    fn the_window_opens_with_answers() {
        let (mut a, mut b) = pair();
        for id in 0..1000 {
            a.send(text(id), id).unwrap();
        }
        let mut taken = 0;
        for _ in 0..4 {
            carry(&mut a, &mut b);
            taken += carry(&mut b, &mut a).len();
        }
        assert_eq!(taken, 1000);
    }

    #[test]
    fn too_much_waiting_is_refused() {
        let (mut a, _) = Session::<u64>::new([1; 8], 3);
        for id in 0..MAX_WAITING as u64 {
            a.send(text(id), id).unwrap();
        }
        assert_eq!(a.send(text(9), 9), Err(Full));
    }

    #[test]
    fn violations() {
        fn refused(session: &mut Session<u64>, frame: TalkFrame) -> Violation {
            session.receive(frame).err().unwrap()
        }
        let (mut fresh, _) = Session::<u64>::new([1; 8], 3);
        let first = TalkFrame::Text { number: 1, id: 1, text: "x".into() };
        assert!(matches!(refused(&mut fresh, first), Violation::Order { .. }));
        assert_eq!(
            refused(&mut fresh, TalkFrame::Hello { version: 0, run: [0; 8], capabilities: 0 }),
            Violation::Version
        );
        let (mut a, _) = pair();
        let gap = TalkFrame::Text { number: 2, id: 1, text: "x".into() };
        assert_eq!(refused(&mut a, gap), Violation::Number { expected: 1, found: 2 });
        let stray = TalkFrame::Ack { acks: vec![Ack { number: 1, refused: None }] };
        assert_eq!(refused(&mut a, stray), Violation::StrayAck { found: 1 });
        let again = TalkFrame::Hello { version: 1, run: [0; 8], capabilities: 0 };
        assert!(matches!(refused(&mut a, again), Violation::Order { .. }));
        let long = TalkFrame::Text { number: 1, id: 1, text: "x".repeat(crate::MAX_TEXT_BYTES + 1) };
        assert!(matches!(refused(&mut a, long), Violation::TextTooLong { .. }));
        let many = TalkFrame::Ack { acks: vec![Ack { number: 1, refused: None }; MAX_ACKS + 1] };
        assert!(matches!(refused(&mut a, many), Violation::TooManyAcks { .. }));
    }
}
