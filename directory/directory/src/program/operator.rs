//! What whoever runs this machine may ask over HTTP: whether the directory is well, and its figures. Of people it says how many.
//!
//! For programs of this machine alone, which is why there is no TLS; and for few at a time, none of which can keep it waiting.

use super::failure::Failure;
use super::files::Taken;
use super::lists::Age;
use directory::{Directory, Standing};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use identity::UnixTime;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Semaphore};

/// Connections at a time.
const CONNECTIONS: usize = 16;
/// Time for the header of a request, and the life of a connection: whoever watches connects anew.
const HEADER: Duration = Duration::from_secs(5);
const CONNECTION: Duration = Duration::from_secs(60);
/// Largest header, in bytes: the least that hyper takes.
const MAX_HEADER_BYTES: usize = 8 * 1024;
/// Figures are not made more often than this: they are counted while nobody else is heard.
const YOUNG: Duration = Duration::from_secs(1);

/// The port, which nobody else can have from now on.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|reason| Failure::Operator { address, reason })
}

/// What is asked about.
pub(super) struct Asked {
    directory: Arc<Directory>,
    taken: Taken,
    figures: Mutex<Option<(Instant, String)>>,
}

impl Asked {
    pub(super) fn new(directory: Arc<Directory>, taken: Taken) -> Self {
        Self { directory, taken, figures: Mutex::new(None) }
    }
}

/// Answers, for ever.
pub(super) async fn serve(listener: TcpListener, asked: Asked) {
    let (asked, places) = (Arc::new(asked), Arc::new(Semaphore::new(CONNECTIONS)));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let asked = Arc::clone(&asked);
                tokio::spawn(async move {
                    let _elapsed = tokio::time::timeout(CONNECTION, connection(stream, asked)).await;
                    drop(place);
                });
            }
            // Out of file descriptors, or the client is gone already: no reason to stop, but one to wait.
            Err(error) => {
                tracing::debug!(%error, "the operator's port");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, asked: Arc<Asked>) {
    let service = service_fn(|request: Request<Incoming>| {
        let asked = Arc::clone(&asked);
        async move { Ok::<_, Infallible>(answer(&request, &asked).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER).max_buf_size(MAX_HEADER_BYTES);
    // It ends when the client wants, or says what is no HTTP.
    let _ = http.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: &Request<Incoming>, asked: &Asked) -> Response<String> {
    let (code, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/health") => health(asked),
        (&Method::GET | &Method::HEAD, "/metrics") => {
            (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", figures(asked).await)
        }
        (_, "/health" | "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, "text/plain", String::new()),
        _ => (StatusCode::NOT_FOUND, "text/plain", "There are /health and /metrics.\n".to_owned()),
    };
    let answer = Response::builder().status(code).header(CONTENT_TYPE, kind).header(CACHE_CONTROL, "no-store");
    let answer = if code == StatusCode::METHOD_NOT_ALLOWED { answer.header(ALLOW, "GET, HEAD") } else { answer };
    answer.body(text).expect("the header is made of constants")
}

/// 503 if nobody may connect: who shares people out sends them elsewhere. A file that cannot be taken up is no reason for that,
/// for what was read before stays in force, nor is a revocation list that has expired, which refuses some people at every node;
/// but somebody must look.
fn health(asked: &Asked) -> (StatusCode, &'static str, String) {
    let standing = asked.directory.standing();
    let (files, lists) = (asked.taken.all(), asked.taken.lists(UnixTime::now()));
    let status = match standing {
        Standing::Serves if files && lists != Some(Age::Expired) => "ok",
        Standing::Serves => "degraded",
        Standing::NoMajority => "no majority",
        Standing::Stopping => "stopping",
    };
    let nodes = asked.directory.nodes().map(|(there, all)| format!(",\"nodes\":{{\"there\":{there},\"all\":{all}}}"));
    let files = if files { "ok" } else { "failing" };
    let lists = lists.map_or("none", Age::name);
    let nodes = nodes.unwrap_or_default();
    let text = format!("{{\"status\":\"{status}\",\"files\":\"{files}\",\"lists\":\"{lists}\"{nodes}}}\n");
    let well = standing == Standing::Serves;
    (if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, "application/json", text)
}

async fn figures(asked: &Asked) -> String {
    let mut made = asked.figures.lock().await;
    if let Some((_, text)) = made.as_ref().filter(|(at, _)| at.elapsed() < YOUNG) {
        return text.clone();
    }
    let mut text = asked.directory.figures();
    if let Some(bytes) = resident_bytes() {
        text.push_str(
            "# HELP process_resident_memory_bytes Memory that the process has.\n# TYPE process_resident_memory_bytes gauge\n",
        );
        text.push_str(&format!("process_resident_memory_bytes {bytes}\n"));
    }
    *made = Some((Instant::now(), text.clone()));
    text
}

/// From the kernel's own account.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
