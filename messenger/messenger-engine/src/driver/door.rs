//! The door: incoming connections, ignored without a word while nobody is expected.

use std::sync::Arc;
use std::time::Duration;

use quinn::{Endpoint, Incoming};
use tokio::sync::{Semaphore, mpsc, watch};

use super::Happening;
use super::verifier::Verifier;
use crate::wire::Close;

/// Handshakes under way at once.
const MAX_HANDSHAKES: usize = 16;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(8);

/// Answers the door until the endpoint closes. In TLS 1.3 the acceptor shows its certificate first: an open port would
/// tell any scanner who lives there.
pub(super) async fn keep(
    endpoint: Endpoint,
    open: watch::Receiver<bool>,
    verifier: Arc<Verifier>,
    outbox: mpsc::Sender<Happening>,
) {
    let places = Arc::new(Semaphore::new(MAX_HANDSHAKES));
    while let Some(incoming) = endpoint.accept().await {
        if !*open.borrow() {
            incoming.ignore();
            continue;
        }
        let Ok(place) = places.clone().try_acquire_owned() else {
            incoming.ignore();
            continue;
        };
        let (verifier, outbox) = (verifier.clone(), outbox.clone());
        tokio::spawn(async move {
            shake_hands(incoming, &verifier, &outbox).await;
            drop(place);
        });
    }
}

async fn shake_hands(incoming: Incoming, verifier: &Verifier, outbox: &mpsc::Sender<Happening>) {
    let connection = match tokio::time::timeout(HANDSHAKE, incoming).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(%error, "a handshake at the door failed"),
        Err(_) => return tracing::debug!("a handshake at the door took too long"),
    };
    match verifier.peer(&connection) {
        Ok(person) => {
            let _ = outbox.send(Happening::Connected { connection, person, dialled: None }).await;
        }
        Err(_) => connection.close(Close::NOT_INTRODUCED.0.into(), b""),
    }
}
