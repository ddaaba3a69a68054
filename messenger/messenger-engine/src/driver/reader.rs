//! The reading side of connections: every frame of every stream, then the end of the connection.
//!
//! What is read is streams of happenings that the core's owner polls itself: a frame wakes no task in between, and an
//! owner who is busy leaves what came in QUIC's own bounded buffers, so that the peer is made to wait. There, too, room
//! frames and files stay that came before the first frame on the talk channel: streams do not wait for each other.

use futures_util::stream::{self, BoxStream, SelectAll, Stream, StreamExt};
use quinn::{Connection, ConnectionError, RecvStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Happening;
use crate::core::{ConnectionId, Loss};
use crate::wire::{self, Channel, Close, FileHead, FrameError};

/// How many pieces are taken from a stream at once; each came in one packet.
const PIECES: usize = 32;
/// How many frames are handed on together. Of what else came with them nothing is decoded before these are taken.
const TOGETHER: usize = 64;

/// Reads all connections.
#[derive(Default)]
pub(super) struct Reader {
    streams: SelectAll<BoxStream<'static, Read>>,
    /// What came together with what was handed on last.
    come: std::vec::IntoIter<Happening>,
}

/// What a connection brings.
enum Read {
    Happenings(Vec<Happening>),
    /// A stream that the peer has opened; the connection's end is not told before the token is dropped.
    Opened(Opened, TaskTrackerToken),
}

/// A stream, and of which connection.
struct Opened {
    stream: RecvStream,
    id: ConnectionId,
    /// Cancelled by the connection's first talk frame, and by its end.
    greeted: CancellationToken,
}

impl Reader {
    /// Reads this connection, too: everything the peer sends until it is lost, which is reported last.
    pub(super) fn add(&mut self, connection: Connection, id: ConnectionId) {
        self.streams.push(accept(connection, id).boxed());
    }

    /// Reads what the test says.
    #[cfg(test)]
    pub(super) fn read(&mut self, come: BoxStream<'static, Vec<Happening>>) {
        self.streams.push(come.map(Read::Happenings).boxed());
    }

    /// What comes next, of all connections. None if there is none.
    pub(super) async fn next(&mut self) -> Option<Happening> {
        loop {
            if let Some(happening) = self.come.next() {
                return Some(happening);
            }
            match self.streams.next().await? {
                Read::Happenings(come) => self.come = come.into_iter(),
                Read::Opened(opened, token) => self.streams.push(frames(opened, token).boxed()),
            }
        }
    }
}

/// The streams that the peer opens, and the end of the connection once they are read to their ends. QUIC bounds how many
/// are open.
fn accept(connection: Connection, id: ConnectionId) -> impl Stream<Item = Read> + Send {
    let (open, greeted) = (TaskTracker::new(), CancellationToken::new());
    stream::unfold(Some((connection, open, greeted)), move |state| async move {
        let (connection, open, greeted) = state?;
        match connection.accept_uni().await {
            Ok(stream) => {
                let opened = Opened { stream, id, greeted: greeted.clone() };
                Some((Read::Opened(opened, open.token()), Some((connection, open, greeted))))
            }
            Err(error) => {
                greeted.cancel();
                open.close();
                open.wait().await;
                let (loss, reason) = (loss(&error), reason(&error));
                Some((Read::Happenings(vec![Happening::Lost { connection: id, loss, reason }]), None))
            }
        }
    })
}

/// The frames of one stream, up to its end or the first thing that is none.
fn frames(opened: Opened, token: TaskTrackerToken) -> impl Stream<Item = Read> + Send {
    stream::unfold(Some((Frames::new(opened), token)), |state| async move {
        let (mut frames, token) = state?;
        Some(match frames.next().await? {
            Come::Frames(come) => (Read::Happenings(come), Some((frames, token))),
            // What follows is no frame: it is read elsewhere.
            Come::File(head) => (Read::Happenings(vec![frames.leave(head)]), None),
        })
    })
}

/// What comes next on a stream.
enum Come {
    Frames(Vec<Happening>),
    /// The head of a file's stream.
    File(FileHead),
}

/// A frame, if it is there as a whole.
#[expect(clippy::large_enum_variant, reason = "it is handed on at once, and never kept")]
enum Whole {
    NotYet,
    /// Of a kind that is not known here.
    Unknown,
    Frame(Happening),
    File(FileHead),
}

/// A stream, and what came of a frame that is not whole yet. Memory is taken as bytes come, not as they are announced.
struct Frames {
    opened: Opened,
    channel: Option<Channel>,
    unread: Vec<u8>,
    /// How much of `unread` is done with.
    done: usize,
    /// Something came that is no frame.
    misbehaved: bool,
}

impl Frames {
    fn new(opened: Opened) -> Self {
        Self { opened, channel: None, unread: Vec::new(), done: 0, misbehaved: false }
    }

    /// The next frames of known kinds: those that came together. Behind what is no frame nothing is read. `None` when that
    /// was told, and when the stream or the connection ended.
    async fn next(&mut self) -> Option<Come> {
        while !self.misbehaved {
            match self.whole() {
                Come::Frames(come) if come.is_empty() => self.read().await?,
                come => return Some(come),
            }
        }
        None
    }

    /// The frames that are there, in order.
    fn whole(&mut self) -> Come {
        let mut come = Vec::new();
        let Some(channel) = self.channel else { return Come::Frames(come) };
        let connection = self.opened.id;
        while come.len() < TOGETHER {
            match self.frame(channel) {
                Ok(Whole::Frame(frame)) => come.push(frame),
                Ok(Whole::Unknown) => {}
                Ok(Whole::File(head)) => return Come::File(head),
                Ok(Whole::NotYet) => break,
                Err(error) => {
                    self.misbehaved = true;
                    come.push(Happening::Misbehaved { connection, reason: error.to_string() });
                    break;
                }
            }
        }
        if let Some(Happening::Talk { .. }) = come.first() {
            self.opened.greeted.cancel();
        }
        Come::Frames(come)
    }

    /// The next frame.
    fn frame(&mut self, channel: Channel) -> Result<Whole, FrameError> {
        let Some(body) = self.body(channel)? else { return Ok(Whole::NotYet) };
        let (body, connection) = (&self.unread[body], self.opened.id);
        let frame = match channel {
            Channel::Talk => wire::decode(body)?.map(|frame| Whole::Frame(Happening::Talk { connection, frame })),
            Channel::Rooms => wire::decode(body)?.map(|frame| Whole::Frame(Happening::Rooms { connection, frame })),
            Channel::Files => wire::decode(body)?.map(Whole::File),
        };
        Ok(frame.unwrap_or(Whole::Unknown))
    }

    /// Reads on. `None` when there is no more.
    async fn read(&mut self) -> Option<()> {
        let mut pieces: [_; PIECES] = Default::default();
        let count = self.opened.stream.read_chunks(&mut pieces).await.ok()??;
        self.unread.drain(..std::mem::take(&mut self.done));
        for piece in &pieces[..count] {
            self.unread.extend_from_slice(piece);
        }
        if self.channel.is_none() {
            if !self.open() {
                return None;
            }
            if self.channel != Some(Channel::Talk) {
                self.opened.greeted.cancelled().await;
            }
        }
        Some(())
    }

    /// The stream of a file, and what of it was read and not used.
    fn leave(mut self, head: FileHead) -> Happening {
        self.unread.drain(..self.done);
        Happening::Stream { connection: self.opened.id, head, stream: self.opened.stream, rest: self.unread }
    }

    /// Reads the stream's first byte; a stream of an unknown channel is stopped.
    fn open(&mut self) -> bool {
        let Some(first) = self.unread.first() else { return true };
        self.channel = Channel::from_byte(*first);
        self.done = 1;
        if self.channel.is_none() {
            // Fails only if the stream ended, which is as well.
            let _ = self.opened.stream.stop(Close::UNKNOWN_CHANNEL.0.into());
        }
        self.channel.is_some()
    }

    /// Where the next body lies once it is whole.
    fn body(&mut self, channel: Channel) -> Result<Option<std::ops::Range<usize>>, FrameError> {
        let Some(prefix) = self.unread[self.done..].first_chunk::<4>() else { return Ok(None) };
        let start = self.done + prefix.len();
        let body = start..start + wire::body_length(*prefix, channel)?;
        if body.end > self.unread.len() {
            return Ok(None);
        }
        self.done = body.end;
        Ok(Some(body))
    }
}

/// Whether what it carried may go on elsewhere.
fn loss(error: &ConnectionError) -> Loss {
    match error {
        ConnectionError::TimedOut | ConnectionError::CidsExhausted => Loss::Broken,
        ConnectionError::ApplicationClosed(closed) if closed.error_code == Close::MOVED.0.into() => Loss::Broken,
        ConnectionError::ApplicationClosed(closed) if closed.error_code == Close::NOT_INTRODUCED.0.into() => {
            Loss::Unread
        }
        // A handshake that was refused; nothing is read before its end (RFC 9001 sections 4.8 and 5.7).
        ConnectionError::ConnectionClosed(closed) if (0x100..0x200).contains(&u64::from(closed.error_code)) => {
            Loss::Unread
        }
        _ => Loss::Ended,
    }
}

/// The end of a connection, for people.
fn reason(error: &ConnectionError) -> String {
    let code = match error {
        ConnectionError::ApplicationClosed(closed) => closed.error_code.into_inner(),
        ConnectionError::TimedOut => return "the other device was not heard any more".into(),
        ConnectionError::LocallyClosed => return "closed by this device".into(),
        ConnectionError::Reset => return "the other device restarted".into(),
        other => return other.to_string(),
    };
    match u32::try_from(code).map(Close) {
        Ok(Close::DONE) => "the other device closed it".into(),
        Ok(Close::PROTOCOL) => "the other device says that this one broke the protocol".into(),
        Ok(Close::NOT_INTRODUCED) => "the other device did not expect this one".into(),
        Ok(Close::EXPIRED) => "a certificate has expired or is no longer accepted".into(),
        Ok(Close::MOVED) => "the session goes on on another connection".into(),
        Ok(Close::NOT_ITS_SESSION) => "the other device says that the session is not this one's".into(),
        Ok(Close::STALLED) => "the other device says that this one stopped reading".into(),
        _ => format!("the other device closed it with code {code}"),
    }
}

#[cfg(test)]
mod tests;
