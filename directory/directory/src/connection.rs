//! One connection, from its first packet to its last.

use crate::admission::Pass;
use crate::figures::Handshake;
use crate::hub::Hub;
use crate::outbox::Outbox;
use crate::state::{ConnectionId, Path};
use bytes::Bytes;
use directory_protocol::CloseCode;
use directory_protocol::frame::{self, FrameBuffer, FrameError, Received};
use directory_protocol::key::spki_hash;
use identity::UnixTime;
use identity::tls::PersonVerifier;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a handshake, and then the opening of the stream, may take.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes taken from the stream at once.
const READ_BYTES: usize = 16 * 1024;

/// Requests that are carried out at once; then others have their turn.
const TOGETHER: usize = 64;

/// Takes a connection through its life, which begins with its [`handshake`].
pub(crate) async fn serve(
    handshake: impl Future<Output = Option<quinn::Connection>>,
    mut pass: Pass,
    hub: Arc<Hub>,
    verifier: Arc<PersonVerifier>,
) {
    let Some(connection) = handshake.await else {
        // Handshakes fail for many reasons, all of them the other side's; the reason may name a person.
        tracing::debug!("a handshake was not completed");
        hub.figures.handshake(Handshake::Failed);
        return;
    };
    pass.established();
    let now = UnixTime::now();
    let Ok((person, tenure)) = verifier.admit(&chain(&connection), now) else {
        hub.figures.handshake(Handshake::Failed);
        hub.close(&connection, CloseCode::NoLongerAccepted);
        return;
    };
    drop(verifier);
    hub.figures.handshake(Handshake::Accepted);
    let left = person.not_after().as_secs().saturating_sub(now.as_secs());
    let expires = Instant::now() + Duration::from_secs(left);
    let key = spki_hash(person.device_key());
    let (id, outbox) = hub.join(connection.clone(), tenure, person.identifier().clone(), key, expires);
    drop(person);
    let presence = Presence { hub, id };
    if let Some(code) = exchange(&connection, &presence, &outbox).await {
        presence.hub.close(&connection, code);
    }
}

/// The connection, if it is complete in time.
pub(crate) async fn handshake(incoming: quinn::Incoming) -> Option<quinn::Connection> {
    let connecting = incoming.accept().ok()?;
    tokio::time::timeout(BEGIN_TIMEOUT, connecting).await.ok()?.ok()
}

/// The certificates the other side has shown, hers first.
pub(crate) fn chain(connection: &quinn::Connection) -> Vec<CertificateDer<'static>> {
    let identity = connection.peer_identity().and_then(|identity| identity.downcast().ok());
    identity.map_or_else(Vec::new, |chain| *chain)
}

/// The state knows of the connection for exactly as long as this value lives, even if its task panics.
struct Presence {
    hub: Arc<Hub>,
    id: ConnectionId,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.hub.leave(self.id);
    }
}

/// Carries frames both ways until the connection ends. Gives the reason if it is for this side to end it.
async fn exchange(connection: &quinn::Connection, presence: &Presence, outbox: &Outbox) -> Option<CloseCode> {
    let accepted = tokio::time::timeout(BEGIN_TIMEOUT, connection.accept_bi()).await;
    let (mut send, mut receive) = accepted.ok()?.ok()?;
    let mut buffer = FrameBuffer::new();
    loop {
        tokio::select! {
            chunk = receive.read_chunk(READ_BYTES, true) => match chunk {
                Ok(Some(chunk)) => {
                    buffer.push(&chunk.bytes);
                    if take_frames(&mut buffer, connection, presence).is_err() {
                        return Some(CloseCode::Malformed);
                    }
                }
                // The stream is the conversation: whoever ends it has gone.
                Ok(None) => return Some(CloseCode::Done),
                Err(_) => return None,
            },
            frames = outbox.take() => {
                if send.write_chunk(together(frames)).await.is_err() {
                    return None;
                }
            }
        }
    }
}

/// As one piece: QUIC keeps each piece by itself until it has been acknowledged, and most frames have some dozen bytes.
fn together(frames: Vec<Bytes>) -> Bytes {
    if let [frame] = &frames[..] { frame.clone() } else { frames.concat().into() }
}

/// Carries out what has arrived, also what came before something malformed.
fn take_frames(
    buffer: &mut FrameBuffer,
    connection: &quinn::Connection,
    presence: &Presence,
) -> Result<(), FrameError> {
    // Many requests may have come in one packet: QUIC is asked once.
    let path = Path { observed: canonical(connection.remote_address()), round_trip: connection.rtt() };
    loop {
        let mut frames = Vec::new();
        let more = read_some(buffer, &mut frames);
        if !frames.is_empty() {
            presence.hub.received(presence.id, path, frames);
        }
        if !more? {
            break;
        }
    }
    buffer.shrink();
    Ok(())
}

/// Reads as many frames as are carried out together, or all. Says whether there may be more.
fn read_some(buffer: &mut FrameBuffer, frames: &mut Vec<Received>) -> Result<bool, FrameError> {
    while frames.len() < TOGETHER {
        let Some(body) = buffer.next()? else { return Ok(false) };
        frames.push(frame::decode_request(body)?);
    }
    Ok(true)
}

/// A dual-stack socket shows IPv4 addresses dressed as IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
