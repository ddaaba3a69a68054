//! One peer's connection: a lane per channel, a reader per stream.

use std::time::Duration;

use quinn::{Connection, ConnectionError, ReadExactError, RecvStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

use super::Happening;
use super::lane::{Lane, Stalled};
use crate::core::SessionId;
use crate::wire::{self, Channel, Close, FrameError, RoomFrame, TalkFrame};

/// How long the last frames may take to arrive when a connection is closed.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The writing side of a connection.
pub(super) struct Peer {
    connection: Connection,
    talk: Option<Lane>,
    rooms: Option<Lane>,
}

impl Peer {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, talk: None, rooms: None }
    }

    /// The connection.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Sends a frame on its channel, opening the stream with the first.
    pub(super) fn send(&mut self, channel: Channel, bytes: Vec<u8>) -> Result<(), Stalled> {
        let slot = match channel {
            Channel::Talk => &mut self.talk,
            Channel::Rooms => &mut self.rooms,
        };
        slot.get_or_insert_with(|| Lane::open(self.connection.clone(), channel)).send(bytes)
    }

    /// Closes the connection once what was sent has arrived, or after half a second.
    pub(super) fn close(self, code: Close) -> JoinHandle<()> {
        let Self { connection, talk, rooms } = self;
        tokio::spawn(async move {
            let lanes = async {
                for lane in [talk, rooms].into_iter().flatten() {
                    lane.finish().await;
                }
            };
            let _ = tokio::time::timeout(LAST_WORDS, lanes).await;
            connection.close(code.0.into(), b"");
        })
    }
}

/// Reads everything the peer sends until the connection is lost, and reports that last.
pub(super) async fn read(connection: Connection, session: SessionId, outbox: mpsc::Sender<Happening>) {
    let mut readers = JoinSet::new();
    let error = loop {
        match connection.accept_uni().await {
            Ok(stream) => {
                readers.spawn(read_stream(stream, session, outbox.clone()));
            }
            Err(error) => break error,
        }
        // Streams that ended are forgotten as new ones come; QUIC bounds how many are open.
        while readers.try_join_next().is_some() {}
    };
    // What arrived before the end is still read.
    while readers.join_next().await.is_some() {}
    let _ = outbox.send(Happening::Lost { session, reason: reason(&error) }).await;
}

async fn read_stream(mut stream: RecvStream, session: SessionId, outbox: mpsc::Sender<Happening>) {
    if let Err(ReadError::Frame(error)) = read_frames(&mut stream, session, &outbox).await {
        let _ = outbox.send(Happening::Misbehaved { session, reason: error }).await;
    }
}

enum ReadError {
    /// The stream or the connection ended.
    End,
    /// What came is not the protocol.
    Frame(String),
}

impl From<ReadExactError> for ReadError {
    fn from(_: ReadExactError) -> Self {
        Self::End
    }
}

impl From<FrameError> for ReadError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error.to_string())
    }
}

async fn read_frames(
    stream: &mut RecvStream,
    session: SessionId,
    outbox: &mpsc::Sender<Happening>,
) -> Result<(), ReadError> {
    let mut first = [0];
    stream.read_exact(&mut first).await?;
    let Some(channel) = Channel::from_byte(first[0]) else {
        let _ = stream.stop(Close::UNKNOWN_CHANNEL.0.into());
        return Ok(());
    };
    loop {
        let mut prefix = [0; 4];
        stream.read_exact(&mut prefix).await?;
        let body = read_body(stream, wire::body_length(prefix, channel)?).await?;
        let happening = match channel {
            Channel::Talk => wire::decode::<TalkFrame>(&body)?.map(|frame| Happening::Talk { session, frame }),
            Channel::Rooms => wire::decode::<RoomFrame>(&body)?.map(|frame| Happening::Rooms { session, frame }),
        };
        if let Some(happening) = happening {
            outbox.send(happening).await.map_err(|_| ReadError::End)?;
        }
    }
}

/// Memory is taken as bytes come, not as they are announced.
async fn read_body(stream: &mut RecvStream, length: usize) -> Result<Vec<u8>, ReadError> {
    const STEP: usize = 16 * 1024;
    let mut body = Vec::with_capacity(length.min(STEP));
    while body.len() < length {
        let start = body.len();
        body.resize(start + (length - start).min(STEP), 0);
        stream.read_exact(&mut body[start..]).await?;
    }
    Ok(body)
}

/// The end of a connection, for people.
fn reason(error: &ConnectionError) -> String {
    let code = match error {
        ConnectionError::ApplicationClosed(closed) => closed.error_code.into_inner(),
        ConnectionError::TimedOut => return "the other device was not heard for 15 s".into(),
        ConnectionError::LocallyClosed => return "closed by this device".into(),
        ConnectionError::Reset => return "the other device restarted".into(),
        other => return other.to_string(),
    };
    match u32::try_from(code).map(Close) {
        Ok(Close::DONE) => "the other device closed it".into(),
        Ok(Close::PROTOCOL) => "the other device says that this one broke the protocol".into(),
        Ok(Close::NOT_INTRODUCED) => "the other device did not expect this one".into(),
        Ok(Close::EXPIRED) => "a certificate has expired or is no longer accepted".into(),
        Ok(Close::STALLED) => "the other device says that this one stopped reading".into(),
        _ => format!("the other device closed it with code {code}"),
    }
}
