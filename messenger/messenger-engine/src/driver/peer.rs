//! The writing side of one peer's connection: a lane per channel.

use std::time::Duration;

use quinn::Connection;
use tokio::task::JoinHandle;

use super::gate::Pass;
use super::lane::{Lane, Stalled};
use crate::session::{Exported, RESUMPTION_LABEL, SESSION_LABEL};
use crate::wire::{Channel, Close};

/// How long the last frames may take to arrive when a connection is closed.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The writing side of a connection.
pub(super) struct Peer {
    connection: Connection,
    /// Lets in the end of the handshake, of which the other side may not have heard yet, and its refusal: a client is done
    /// with TLS before its server has seen the client's certificate (RFC 8446 section 4.4).
    pass: Pass,
    talk: Option<Lane>,
    rooms: Option<Lane>,
}

impl Peer {
    pub(super) fn new(connection: Connection, pass: Pass) -> Self {
        Self { connection, pass, talk: None, rooms: None }
    }

    /// The connection.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Puts so many frames on their channel, opening the stream with the first; [`Self::send`] sends them.
    pub(super) fn put(&mut self, channel: Channel, frames: (Vec<u8>, usize)) {
        let slot = match channel {
            Channel::Talk => &mut self.talk,
            Channel::Rooms => &mut self.rooms,
            // Each transfer has a stream of its own.
            Channel::Files => return,
        };
        slot.get_or_insert_with(|| Lane::open(self.connection.clone(), channel)).put(frames);
    }

    /// Sends what was put on both channels.
    pub(super) fn send(&mut self) -> Result<(), Stalled> {
        [&mut self.talk, &mut self.rooms].into_iter().flatten().try_for_each(Lane::send)
    }

    /// Closes the connection once what was sent has arrived, or after half a second.
    pub(super) fn close(self, code: Close) -> JoinHandle<()> {
        let Self { connection, pass, talk, rooms } = self;
        tokio::spawn(async move {
            let lanes = async {
                for lane in [talk, rooms].into_iter().flatten() {
                    lane.finish().await;
                }
            };
            let _ = tokio::time::timeout(LAST_WORDS, lanes).await;
            connection.close(code.0.into(), b"");
            drop(pass);
        })
    }
}

/// What this connection's handshake gives both ends, and nobody else; nothing if it is not complete.
pub(super) fn exported(connection: &Connection) -> Option<Exported> {
    let mut exported = Exported { session: [0; 32], resumption: [0; 32] };
    connection.export_keying_material(&mut exported.session, SESSION_LABEL, b"").ok()?;
    connection.export_keying_material(&mut exported.resumption, RESUMPTION_LABEL, b"").ok()?;
    Some(exported)
}
