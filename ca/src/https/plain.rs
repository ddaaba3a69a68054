//! Plain HTTP, for what is public and signed: revocation lists and issuing certificates.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{CONNECTIONS, Connections, serve_connection};

/// Serves `router` without TLS until `stop` is cancelled, by the same deadlines as [`serve`](super::serve).
pub async fn serve_plain(listener: TcpListener, router: Router, stop: CancellationToken) {
    let connections = Connections::default();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepting = async { (place.await, listener.accept().await) };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accepting => accepted,
        };
        match accepted {
            (Ok(place), Ok((connection, peer))) => {
                let serving = serve_connection(connection, peer, router.clone(), stop.clone(), connections.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            (Err(_), _) => break,
            // Out of file descriptors, or the client is gone already: neither is a reason to stop, the former one to wait.
            (_, Err(error)) => {
                tracing::debug!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.end().await;
}
