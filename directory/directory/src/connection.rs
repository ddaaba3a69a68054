//! One connection, from its first packet to its last.

use crate::admission::Pass;
use crate::figures::Handshake;
use crate::hub::Hub;
use crate::outbox::Outbox;
use crate::state::{ConnectionId, Input, Path};
use directory_protocol::CloseCode;
use directory_protocol::frame::{self, FrameBuffer, FrameError};
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
            mut frames = outbox.take() => {
                if send.write_all_chunks(&mut frames).await.is_err() {
                    return None;
                }
            }
        }
    }
}

fn take_frames(
    buffer: &mut FrameBuffer,
    connection: &quinn::Connection,
    presence: &Presence,
) -> Result<(), FrameError> {
    while let Some(body) = buffer.next()? {
        let frame = frame::decode_request(body)?;
        let path = Path { observed: canonical(connection.remote_address()), round_trip: connection.rtt() };
        presence.hub.handle(Input::Received { id: presence.id, path, frame });
    }
    buffer.shrink();
    Ok(())
}

/// A dual-stack socket shows IPv4 addresses dressed as IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
