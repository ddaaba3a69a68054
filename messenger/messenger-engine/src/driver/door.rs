//! The door: incoming connections, taken from where an introduced peer has shown herself, and from nowhere else.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Connecting, Endpoint};
use tokio::sync::mpsc;

use super::Happening;
use super::gate::{Gate, Pass};
use super::tls::Peering;
use super::verifier::Verifier;
use crate::wire::Close;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(8);

/// Answers the door until the endpoint closes. In TLS 1.3 the acceptor shows its certificate first: an open port would
/// tell any scanner who lives there. The gate lets the directory's packets through as well, and those of whom this device
/// dials; none of them may begin a connection.
pub(super) async fn keep(
    endpoint: Endpoint,
    gate: Arc<Gate>,
    peering: Arc<Peering>,
    verifier: Arc<Verifier>,
    outbox: mpsc::Sender<Happening>,
) {
    while let Some(incoming) = endpoint.accept().await {
        let Some((round_trip, place)) = gate.place_for(incoming.remote_address()) else {
            incoming.ignore();
            continue;
        };
        let Ok(connecting) = incoming.accept_with(peering.server(Some(round_trip))) else { continue };
        // The call may be over before the other side knows that the handshake is.
        let pass = gate.calling(connecting.remote_address());
        let (verifier, outbox) = (verifier.clone(), outbox.clone());
        tokio::spawn(async move {
            shake_hands(connecting, pass, &verifier, &outbox).await;
            drop(place);
        });
    }
}

async fn shake_hands(connecting: Connecting, pass: Pass, verifier: &Verifier, outbox: &mpsc::Sender<Happening>) {
    let connection = match tokio::time::timeout(HANDSHAKE, connecting).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(%error, "a handshake at the door failed"),
        Err(_) => return tracing::debug!("a handshake at the door took too long"),
    };
    match verifier.peer(&connection) {
        Ok(person) => {
            let _ = outbox.send(Happening::Connected { connection, pass, person, dialled: None }).await;
        }
        Err(_) => connection.close(Close::NOT_INTRODUCED.0.into(), b""),
    }
}
