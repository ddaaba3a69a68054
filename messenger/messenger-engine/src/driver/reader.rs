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
mod tests {
    use std::time::Duration;

    use super::super::testing::connected;
    use super::*;
    use crate::wire::{RoomFrame, TalkFrame, encode};

    const WINDOW: u32 = 1_200_000;
    const CONNECTION: ConnectionId = 7;

    fn text(number: u64) -> TalkFrame {
        TalkFrame::Text {
            number,
            id: number,
            text: "at seven".repeat(usize::try_from(number % 100).unwrap()),
            reply: None,
        }
    }

    /// What is read up to the end of the connection: the numbers of texts, and what went wrong.
    async fn told(accepted: Connection) -> Vec<Result<u64, String>> {
        let mut reader = Reader::default();
        reader.add(accepted, CONNECTION);
        let happenings = stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) });
        let told = happenings.map(|happening| match happening {
            Happening::Talk {
                connection: CONNECTION,
                frame: TalkFrame::Text { number, id, text: found, reply: None },
            } => {
                let same = text(number) == TalkFrame::Text { number, id, text: found, reply: None };
                if same { Ok(number) } else { Err(format!("another text {number}")) }
            }
            Happening::Misbehaved { connection: CONNECTION, reason }
            | Happening::Lost { connection: CONNECTION, reason, .. } => Err(reason),
            _ => Err("something else".into()),
        });
        tokio::time::timeout(Duration::from_secs(30), told.collect()).await.unwrap()
    }

    #[tokio::test]
    async fn frames_in_pieces_and_frames_in_heaps_are_read_whole_and_the_end_comes_last() {
        const FRAMES: u64 = 300;
        let (_dialling, dialled, _accepting, accepted) = connected(WINDOW).await;
        let mut bytes = vec![Channel::Talk.byte()];
        for number in 1..=FRAMES {
            bytes.extend(encode(&text(number), Channel::Talk).unwrap());
        }
        let writing = tokio::spawn(async move {
            let mut stream = dialled.open_uni().await.unwrap();
            let (pieces, heap) = bytes.split_at(3000);
            for piece in pieces.chunks(7) {
                stream.write_all(piece).await.unwrap();
                // Every piece leaves before the next is written.
                tokio::task::yield_now().await;
            }
            stream.write_all(heap).await.unwrap();
            stream.finish().unwrap();
            stream.stopped().await.unwrap();
            dialled.close(Close::DONE.0.into(), b"");
        });
        let mut expected: Vec<_> = (1..=FRAMES).map(Ok).collect();
        expected.push(Err("the other device closed it".to_owned()));
        assert_eq!(told(accepted).await, expected);
        writing.await.unwrap();
    }

    /// What comes, by its channel.
    async fn channels(accepted: Connection) -> Vec<&'static str> {
        let mut reader = Reader::default();
        reader.add(accepted, CONNECTION);
        let happenings = stream::unfold(reader, |mut reader| async move { Some((reader.next().await?, reader)) });
        let channels = happenings.map(|happening| match happening {
            Happening::Talk { .. } => "talk",
            Happening::Rooms { .. } => "rooms",
            Happening::Lost { .. } => "lost",
            _ => "something else",
        });
        tokio::time::timeout(Duration::from_secs(30), channels.collect()).await.unwrap()
    }

    #[tokio::test]
    async fn room_frames_wait_for_the_first_talk_frame_however_many_they_are() {
        const FRAMES: usize = 300;
        let (_dialling, dialled, _accepting, accepted) = connected(WINDOW).await;
        let reading = tokio::spawn(channels(accepted));
        let mut rooms = dialled.open_uni().await.unwrap();
        rooms.write_all(&[Channel::Rooms.byte()]).await.unwrap();
        let leave = encode(&RoomFrame::Leave { room: [7; 16] }, Channel::Rooms).unwrap();
        for _ in 0..FRAMES {
            rooms.write_all(&leave).await.unwrap();
        }
        rooms.finish().unwrap();
        let mut talk = dialled.open_uni().await.unwrap();
        talk.write_all(&[Channel::Talk.byte()]).await.unwrap();
        talk.write_all(&encode(&text(1), Channel::Talk).unwrap()).await.unwrap();
        talk.finish().unwrap();
        rooms.stopped().await.unwrap();
        talk.stopped().await.unwrap();
        dialled.close(Close::DONE.0.into(), b"");
        let told = reading.await.unwrap();
        assert_eq!((told.first(), told.last(), told.len()), (Some(&"talk"), Some(&"lost"), FRAMES + 2));
    }

    #[tokio::test]
    async fn a_connection_that_ends_without_a_greeting_is_told_as_lost() {
        let (_dialling, dialled, _accepting, accepted) = connected(WINDOW).await;
        let reading = tokio::spawn(channels(accepted));
        let mut rooms = dialled.open_uni().await.unwrap();
        rooms.write_all(&[Channel::Rooms.byte()]).await.unwrap();
        rooms.finish().unwrap();
        rooms.stopped().await.unwrap();
        dialled.close(Close::DONE.0.into(), b"");
        assert_eq!(reading.await.unwrap(), ["lost"]);
    }

    #[tokio::test]
    async fn a_stream_of_an_unknown_channel_is_stopped_and_the_others_are_read_on() {
        let (_dialling, dialled, _accepting, accepted) = connected(WINDOW).await;
        let reading = tokio::spawn(told(accepted));
        let mut unknown = dialled.open_uni().await.unwrap();
        unknown.write_all(&[99, 1, 2, 3]).await.unwrap();
        assert_eq!(unknown.stopped().await.unwrap(), Some(Close::UNKNOWN_CHANNEL.0.into()));
        let mut stream = dialled.open_uni().await.unwrap();
        stream.write_all(&[Channel::Talk.byte()]).await.unwrap();
        stream.write_all(&encode(&text(1), Channel::Talk).unwrap()).await.unwrap();
        stream.finish().unwrap();
        stream.stopped().await.unwrap();
        dialled.close(Close::DONE.0.into(), b"");
        assert_eq!(reading.await.unwrap(), [Ok(1), Err("the other device closed it".to_owned())]);
    }

    #[tokio::test]
    async fn what_is_no_frame_ends_its_stream_with_the_reason() {
        let (_dialling, dialled, _accepting, accepted) = connected(WINDOW).await;
        let reading = tokio::spawn(told(accepted));
        let mut stream = dialled.open_uni().await.unwrap();
        // Frames that came with it count, and those behind it do not.
        let frame = |number| encode(&text(number), Channel::Talk).unwrap();
        let bytes = [vec![Channel::Talk.byte()], frame(1), frame(2), vec![0, 1, 0, 1], frame(3)].concat();
        stream.write_all(&bytes).await.unwrap();
        // What follows is read no more.
        let _ = stream.stopped().await;
        dialled.close(Close::DONE.0.into(), b"");
        let told = reading.await.unwrap();
        let refused = "expected a body of at most 65536 bytes, found 65537".to_owned();
        assert_eq!((&told[..3], told.len()), (&[Ok(1), Ok(2), Err(refused)][..], 4));
    }
}
