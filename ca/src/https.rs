//! HTTPS: a listener that shakes hands with many at a time, and a server loop that nobody can keep waiting.

mod plain;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::http::Request;
use axum::serve::{IncomingStream, Listener};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use rustls::server::ResolvesServerCert;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use transparency_log::leftover;

pub use plain::serve_plain;

/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time for the header of a request, also for the next one on an idle HTTP/1 connection.
const HEADER: Duration = Duration::from_secs(30);
/// Pause between the pings that find out whether an HTTP/2 client is still there, and time for its answer.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// The longest a connection may live; a client simply connects anew.
const CONNECTION: Duration = Duration::from_secs(900);
/// Time for requests under way when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// Connections at a time, handshakes included. Beyond it the kernel's queue holds them.
const CONNECTIONS: usize = 4096;
/// Requests at a time on one HTTP/2 connection.
const STREAMS: u32 = 64;

/// Who is at the other end of a connection. In a handler: `ConnectInfo<PeerAddr>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

impl Connected<IncomingStream<'_, TlsListener>> for PeerAddr {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Whether a request comes from this machine: what nobody else is to know is told to these alone.
pub fn is_from_here<B>(request: &Request<B>) -> bool {
    let peer = request.extensions().get::<ConnectInfo<PeerAddr>>();
    peer.is_some_and(|ConnectInfo(PeerAddr(address))| address.ip().to_canonical().is_loopback())
}

/// What rustls needs to answer for `resolver`'s certificate: TLS 1.3 and 1.2, HTTP/2 and HTTP/1.1.
pub fn server_config(resolver: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts TCP connections and gives out those whose handshake is done. Handshakes run beside each other, each with a
/// deadline, so that a silent client keeps nobody waiting. Dropping it closes the port.
pub struct TlsListener {
    ready: mpsc::Receiver<(TlsConnection, SocketAddr)>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl TlsListener {
    /// Takes over a bound listener.
    pub fn new(listener: TcpListener, config: Arc<ServerConfig>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (done, ready) = mpsc::channel(64);
        let accepting = tokio::spawn(accept_loop(listener, TlsAcceptor::from(config), done));
        Ok(Self { ready, address, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for TlsListener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Listener for TlsListener {
    type Io = TlsConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // Only when the accepting task has ended with its runtime.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

async fn accept_loop(listener: TcpListener, acceptor: TlsAcceptor, done: mpsc::Sender<(TlsConnection, SocketAddr)>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (acceptor, done) = (acceptor.clone(), done.clone());
                tokio::spawn(async move {
                    if let Some(connection) = shake_hands(stream, &acceptor, place).await {
                        let _ = done.send((connection, peer)).await;
                    }
                });
            }
            // Out of file descriptors, or the client is gone already: neither is a reason to stop, the former one to
            // wait.
            Err(error) => {
                tracing::debug!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn shake_hands(stream: TcpStream, acceptor: &TlsAcceptor, place: OwnedSemaphorePermit) -> Option<TlsConnection> {
    let _ = stream.set_nodelay(true);
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(TlsConnection { stream, _place: place }),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

/// An encrypted connection and its place among the [`TlsListener`]'s.
pub struct TlsConnection {
    stream: TlsStream<TcpStream>,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for TlsConnection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The tasks of all connections: of each its own, and of HTTP/2 one for each request.
#[derive(Clone, Default)]
struct Connections {
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl Connections {
    fn spawn(&self, task: impl Future<Output: Send> + Send + 'static) {
        let cut = self.cut.clone();
        self.tasks.spawn(async move { cut.run_until_cancelled(task).await.map(drop) });
    }

    /// Gives them a few seconds, then cuts those that are left: when this returns, no handler holds anything any more.
    async fn end(self) {
        self.tasks.close();
        if tokio::time::timeout(FAREWELL, self.tasks.wait()).await.is_err() {
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }
}

impl<F> hyper::rt::Executor<F> for Connections
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}

/// Serves `router` until `stop` is cancelled, then lets requests under way finish for a few seconds. Handlers find the
/// client's address as `ConnectInfo<PeerAddr>`; none of them lives on when this returns.
pub async fn serve(mut listener: TlsListener, router: Router, stop: CancellationToken) {
    let connections = Connections::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            (connection, peer) = listener.accept() => {
                let serving = serve_connection(connection, peer, router.clone(), stop.clone(), connections.clone());
                connections.spawn(serving);
            }
        }
    }
    drop(listener);
    connections.end().await;
}

async fn serve_connection(
    connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    stop: CancellationToken,
    connections: Connections,
) {
    let asked = Arc::new(Notify::new());
    let first = Arc::clone(&asked);
    let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
        first.notify_one();
        let (mut request, leftover) = leftover::lend(request);
        request.extensions_mut().insert(ConnectInfo(PeerAddr(peer)));
        let answer = router.clone().oneshot(request);
        async move {
            let answer = answer.await;
            leftover.discard().await;
            answer
        }
    });
    let mut builder = auto::Builder::new(connections);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(16 * 1024);
    let serving = builder.serve_connection(TokioIo::new(connection), service);
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
    let _ = tokio::time::timeout(FAREWELL, serving).await;
}

/// Ends if nothing is asked in time. hyper's own deadline begins only once it knows the version of HTTP, and HTTP/2 has
/// none.
async fn silence(asked: &Notify) {
    if tokio::time::timeout(HEADER, asked.notified()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests;
