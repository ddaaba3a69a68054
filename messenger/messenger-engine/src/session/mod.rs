//! A session: what two devices owe each other, on one connection after the other. No I/O, no clock, no randomness.
//!
//! It numbers what it sends, demands the other side's numbers without a gap, and knows for every text whether the other
//! device's application took it. When a connection is lost it pauses; on the next one both sides say how far they got, and
//! what is missing is sent again. When the session ends, every text gets its verdict: *not delivered* if it never left or
//! was read by nobody, *unknown* if it left without an answer.
//!
//! ```text
//!            own Hello sent            their Hello              lost()
//! (new) ───────────────────► greeting ─────────────► open ───────────────► verdicts
//!                              │ texts wait, or        │ ▲ texts go out, numbered
//!                              │ go out if it begins   │ │
//!                                              pause() ▼ │ resume()
//!                                                     paused
//! ```

mod exported;
mod incoming;
mod key;
mod next;
mod outgoing;
mod room_frames;
#[cfg(test)]
mod tests;
mod unanswered;
mod violation;

use crate::api::RoomId;
use crate::wire::{MailChain, Mark, Progress, TalkFrame, Target, VERSION, Views, Vouchers, capability};
use incoming::Incoming;
use outgoing::Outgoing;
use room_frames::RoomFrames;

pub use exported::{Exported, RESUMPTION_LABEL, SESSION_LABEL};
pub use key::SessionKey;
pub use next::NextFrame;
pub use violation::Violation;

/// How many numbered frames may be without an answer; more wait, and more than [`MAX_WAITING`] waiting are refused.
pub const WINDOW: usize = 256;

/// A number is not sent while one that is so much smaller has no answer: whoever answers remembers that many answers.
pub const SPAN: u64 = 1024;

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
        /// The text that it answers.
        reply: Option<Target>,
    },
    /// What is said about texts, and what is no text.
    Mark {
        /// The caller's id.
        id: u64,
        /// What.
        mark: Mark,
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
        /// What other devices of its person say of this one.
        endorsements: Option<Vouchers>,
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
    /// The other side's person is writing a text, or no longer.
    Typing(bool),
    /// The same in a room, of which nothing is known here.
    RoomTyping {
        /// The room.
        room: RoomId,
        /// Whether.
        typing: bool,
    },
    /// The certificate for mail of the other side's person, of which nothing is verified.
    MailCertificate(MailChain),
}

/// Why something was not taken to be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Too much waits.
    #[error("{MAX_WAITING} texts already wait for this device")]
    Full,
    /// It is a mark, and the other side has not said that it takes such.
    #[error("their messenger does not know this; nothing was sent")]
    NotKnownThere,
}

/// The fate of what was under way when the session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It never left, or was read by nobody.
    NotSent,
    /// It left, and no answer came.
    Unanswered,
}

/// One session. `T` names what was sent for whoever sent it.
pub struct Session<T> {
    own_capabilities: u64,
    /// What both sides can.
    shared: u64,
    /// Content may go out before the other side's Hello has come.
    begins: bool,
    heard_hello: bool,
    paused: bool,
    /// Both sides go on on other connections.
    resumable: bool,
    outgoing: Outgoing<T>,
    incoming: Incoming,
    room_frames: RoomFrames,
    room_frames_told: u64,
    /// What was told of the progress on another connection is to stay true of the room frames.
    moving: bool,
}

impl<T> Session<T> {
    /// A new session and the Hello to send. A side that `begins` sends content right behind it: whoever has dialled knows since
    /// the handshake who listens.
    pub fn new(run: [u8; 8], capabilities: u64, begins: bool) -> (Self, TalkFrame) {
        let session = Self {
            own_capabilities: capabilities,
            shared: 0,
            begins,
            heard_hello: false,
            paused: false,
            resumable: false,
            outgoing: Outgoing::new(),
            incoming: Incoming::default(),
            room_frames: RoomFrames::default(),
            room_frames_told: 0,
            moving: false,
        };
        (session, TalkFrame::Hello { version: VERSION, run, capabilities, resume: None, endorsements: None })
    }

    /// Whether the other side said Hello.
    pub fn is_open(&self) -> bool {
        self.heard_hello
    }

    /// Whether it can go on on another connection.
    pub fn is_resumable(&self) -> bool {
        self.resumable
    }

    /// Whether both sides can do this; see [`crate::wire::capability`]. Nothing is known before the other side's Hello.
    pub fn shares(&self, capabilities: u64) -> bool {
        self.shared & capabilities == capabilities
    }

    /// Whether nothing sent is without an answer.
    pub fn is_quiet(&self) -> bool {
        self.outgoing.is_quiet()
    }

    /// Sends `content`, or lets it wait for Hello, for the window or for another connection; [`Self::next_frame`] has
    /// what can go now.
    ///
    /// # Errors
    /// [`NotTaken`]; nothing was taken.
    pub fn send(&mut self, content: Content, token: T) -> Result<(), NotTaken> {
        if let Content::Mark { mark, .. } = &content
            && !self.shares(mark.needs())
        {
            return Err(NotTaken::NotKnownThere);
        }
        self.outgoing.push(content, token)
    }

    /// The next frame to put on the wire now, until there is none: answers first, then texts as the window allows.
    pub fn next_frame(&mut self) -> Option<NextFrame<'_>> {
        if self.paused {
            return None;
        }
        if let Some(answers) = self.incoming.next_frame() {
            return Some(NextFrame::Other(answers));
        }
        let received = self.room_frames.received();
        if self.resumable && received > self.room_frames_told && !self.moving {
            self.room_frames_told = received;
            return Some(NextFrame::Other(TalkFrame::RoomFrames { count: received }));
        }
        let keep = self.resumable || !self.heard_hello;
        (self.heard_hello || self.begins).then(|| self.outgoing.next_frame(keep)).flatten()
    }

    /// All of them.
    #[cfg(test)]
    fn frames(&mut self) -> Vec<TalkFrame> {
        std::iter::from_fn(|| self.next_frame().map(|frame| frame.read())).collect()
    }

    /// How many frames [`Self::next_frame`] may have, at most.
    pub fn frames_to_go(&self) -> usize {
        2 + self.incoming.answers_to_go() / MAX_ACKS + self.outgoing.frames_to_go()
    }

    /// Takes a frame from the other side; what it brings is put behind `arrivals`.
    ///
    /// # Errors
    /// A [`Violation`]; the connection must be closed. Nothing has arrived.
    pub fn receive(&mut self, frame: TalkFrame, arrivals: &mut Vec<Arrival<T>>) -> Result<(), Violation> {
        let arrival = match frame {
            TalkFrame::Hello { endorsements: Some(vouchers), .. } if !vouchers.is_bounded() => {
                return Err(Violation::Endorsements);
            }
            TalkFrame::Hello { version, run, capabilities, endorsements, .. } => {
                self.hello(version, capabilities)?;
                Arrival::Open { run, capabilities, endorsements }
            }
            _ if !self.heard_hello => return Err(Violation::Order { expected: "Hello", found: "another frame" }),
            TalkFrame::Text { number, id, text, reply } => {
                if text.len() > crate::MAX_TEXT_BYTES {
                    return Err(Violation::TextTooLong { found: text.len() });
                }
                return self.content(number, Content::Text { id, text, reply }, arrivals);
            }
            TalkFrame::Mark { number, id, mark } if mark.is_bounded() => {
                return self.content(number, Content::Mark { id, mark }, arrivals);
            }
            TalkFrame::Mark { mark, .. } => return Err(Violation::Mark { kind: mark.name() }),
            TalkFrame::Typing { typing } => Arrival::Typing(typing),
            TalkFrame::RoomTyping { room, typing } => Arrival::RoomTyping { room: RoomId(room), typing },
            TalkFrame::RoomText { number, room, message } => {
                return self.content(number, Content::Room { room: RoomId(room), message }, arrivals);
            }
            TalkFrame::Ack { acks } => return self.outgoing.answers(acks, arrivals),
            TalkFrame::Views { views } if views.is_bounded() => Arrival::Views(views),
            TalkFrame::Views { .. } => return Err(Violation::Views),
            TalkFrame::MailCertificate { chain } if chain.is_bounded() => Arrival::MailCertificate(chain),
            TalkFrame::MailCertificate { .. } => return Err(Violation::MailCertificate),
            TalkFrame::RoomFrames { count } => {
                self.room_frames.check(count)?;
                self.room_frames.taken(count);
                return Ok(());
            }
        };
        arrivals.push(arrival);
        Ok(())
    }

    fn hello(&mut self, version: u16, capabilities: u64) -> Result<(), Violation> {
        if self.heard_hello {
            return Err(Violation::Order { expected: "one Hello", found: "a second one" });
        }
        if version == 0 {
            return Err(Violation::Version);
        }
        self.heard_hello = true;
        self.shared = self.own_capabilities & capabilities;
        self.resumable = self.shares(capability::RESUME);
        if !self.resumable {
            self.room_frames.forget();
            self.outgoing.forget();
        }
        Ok(())
    }

    fn content(&mut self, number: u64, content: Content, arrivals: &mut Vec<Arrival<T>>) -> Result<(), Violation> {
        if self.incoming.is_new(number)? {
            arrivals.push(Arrival::Content { number, content });
        }
        Ok(())
    }

    /// Says that the content under this number was shown.
    pub fn acknowledge(&mut self, number: u64) {
        self.incoming.answer(number, None, self.resumable);
    }

    /// Says that it was not shown, and why.
    pub fn refuse(&mut self, number: u64, reason: &str) {
        self.incoming.answer(number, Some(crate::clip(reason)), self.resumable);
    }

    /// Counts a frame that goes out on the room channel, now or on the next connection. Returns false if the other side is
    /// too far behind; the session must end.
    pub fn room_frame_sent(&mut self, bytes: &[u8]) -> bool {
        let keeps = self.resumable || !self.heard_hello;
        !keeps || self.room_frames.send(bytes)
    }

    /// How many frames of the room channel the other side has not said to have, and how many bytes they are.
    pub fn room_frames_waiting(&self) -> (usize, usize) {
        self.room_frames.waiting()
    }

    /// Counts a frame that came on the room channel. Returns false if it came before, on another connection.
    pub fn room_frame_came(&mut self) -> bool {
        self.room_frames.receive()
    }

    /// There is no connection: nothing goes out.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Whether there is no connection.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// While this side waits for an answer to what it told of its progress on another connection, nothing more is said of
    /// room frames on this one: the other side sends those again that came after what was told, and has to have them.
    pub fn set_moving(&mut self, moving: bool) {
        self.moving = moving;
    }

    /// How far this side got.
    pub fn progress(&self) -> Progress {
        Progress {
            received: self.incoming.last(),
            unanswered: self.outgoing.first_unanswered(),
            room_frames: self.room_frames.received(),
        }
    }

    /// Goes on on another connection, on which this side has told `told` and the other one `theirs`. From now on nothing is
    /// taken from the last one. Returns what has to go out on the room channel first; [`Self::next_frame`] has the rest.
    ///
    /// # Errors
    /// A [`Violation`] if the other side cannot have got so far; the session stays as it was.
    pub fn resume(&mut self, told: &Progress, theirs: &Progress) -> Result<Vec<Vec<u8>>, Violation> {
        self.outgoing.check(theirs.received)?;
        self.incoming.check(theirs.unanswered)?;
        self.room_frames.check(theirs.room_frames)?;
        self.outgoing.resume(told.unanswered, theirs.received);
        self.incoming.resume(told.received, theirs.unanswered);
        self.room_frames_told = told.room_frames;
        (self.paused, self.moving) = (false, false);
        Ok(self.room_frames.resume(told.room_frames, theirs.room_frames))
    }

    /// The other side has read nothing of what was sent before its Hello: it never left, as far as anybody can tell.
    pub fn was_not_read(&mut self) {
        if !self.heard_hello {
            self.outgoing.take_back();
        }
    }

    /// Takes out what never left, in order: another session may send it.
    pub fn take_waiting(&mut self) -> impl Iterator<Item = (Content, T)> + use<T> {
        self.outgoing.take_waiting().into_iter()
    }

    /// The session has ended: the verdict on everything without an answer, in the order of sending.
    pub fn lost(self) -> Vec<(T, Verdict)> {
        self.outgoing.lost()
    }
}
