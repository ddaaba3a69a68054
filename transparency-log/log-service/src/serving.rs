//! HTTP and HTTPS: a server loop that nobody can keep waiting.
//!
//! Every connection has a deadline for its handshake, for the header of each request, and for its whole life; headers
//! are bounded; there are only so many connections at a time, and beyond them the kernel's queue holds the rest.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use transparency_log::leftover;
use transparency_log::limit::ClientAddress;

/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time for the header of a request, also for the next one on an idle connection.
const HEADER: Duration = Duration::from_secs(30);
/// Pause between the pings that find out whether an HTTP/2 client is still there, and time for its answer.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// The longest a connection may live; a client simply connects anew.
const CONNECTION: Duration = Duration::from_secs(900);
/// Time for requests under way when the program stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// Connections at a time.
const CONNECTIONS: usize = 1024;
/// Largest header, in bytes: line and fields together.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// The certificates that a client has shown and the TLS verifier has accepted, leaf first; a request extension.
#[derive(Debug, Clone)]
pub struct ClientCertificates(pub Arc<[CertificateDer<'static>]>);

/// How a port is served.
#[derive(Clone)]
pub struct Serving {
    /// TLS, if the port speaks it.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether a proxy stands before the port, whose last `X-Forwarded-For` element is the client's address.
    pub behind_proxy: bool,
}

/// Serves `router` until `stop` is cancelled, then lets requests under way finish for a few seconds.
pub async fn serve(listener: TcpListener, serving: Serving, router: Router, stop: CancellationToken) {
    let (places, connections) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (serving, router, stop) = (serving.clone(), router.clone(), stop.clone());
                connections.spawn(async move {
                    connection(stream, peer, serving, router, stop).await;
                    drop(place);
                });
            }
            // Out of file descriptors, or the client is gone already: no reason to stop, but one to wait.
            Err(error) => {
                tracing::debug!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    let _cut_off = tokio::time::timeout(FAREWELL, connections.wait()).await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, serving: Serving, router: Router, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = serving.tls else {
        return requests(stream, peer, serving.behind_proxy, None, router, stop).await;
    };
    match tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates().map(<[_]>::to_vec);
            let shown = certificates.map(|shown| ClientCertificates(shown.into()));
            requests(stream, peer, serving.behind_proxy, shown, router, stop).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
        Err(_elapsed) => {}
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    behind_proxy: bool,
    shown: Option<ClientCertificates>,
    router: Router,
    stop: CancellationToken,
) {
    let asked = Arc::new(Notify::new());
    let first = Arc::clone(&asked);
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        first.notify_one();
        let (mut request, leftover) = leftover::lend(request);
        let client = forwarded(&request).filter(|_| behind_proxy).unwrap_or(peer.ip());
        request.extensions_mut().insert(ClientAddress(client));
        if let Some(shown) = shown.clone() {
            request.extensions_mut().insert(shown);
        }
        let answer = router.clone().oneshot(request);
        async move {
            let answer = answer.await;
            leftover.discard().await;
            answer
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER).max_buf_size(MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_concurrent_streams(64)
        .max_header_list_size(MAX_HEADER_BYTES as u32);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ending = async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(CONNECTION) => {}
        }
    };
    tokio::select! {
        _ = serving.as_mut() => return,
        () = silence(&asked) => return,
        () = ending => serving.as_mut().graceful_shutdown(),
    }
    let _cut_off = tokio::time::timeout(FAREWELL, serving).await;
}

/// Ends if nothing is asked in time. hyper's own deadline begins only once it knows the version of HTTP, and HTTP/2 has
/// none.
async fn silence(asked: &Notify) {
    if tokio::time::timeout(HEADER, asked.notified()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

/// What the proxy nearest to us has written: earlier elements are the client's own words.
fn forwarded(request: &Request<Body>) -> Option<IpAddr> {
    let value = request.headers().get_all("x-forwarded-for").iter().next_back()?;
    value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
