//! Strangers at the door.

use axum::extract::Request as Asked;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

async fn start(behind_proxy: bool) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let who = |request: Asked| async move { ClientAddress::of(request.extensions()).to_string() };
    let small = |body: Body| async { transparency_log::bounded::read_body(body, 1000).await.map(|_| StatusCode::OK) };
    let router = Router::new().route("/who", get(who)).route("/small", post(small));
    let serving = Serving { tls: None, behind_proxy };
    (address, stop.clone(), tokio::spawn(serve(listener, serving, router, stop)))
}

/// Sends bytes and reads until the server has nothing more to say.
async fn exchange(address: SocketAddr, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may hang up before it has read everything.
    let _ = stream.write_all(sent).await;
    let mut answer = Vec::new();
    let reading = async {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..read]);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the server hangs up");
    String::from_utf8_lossy(&answer).into_owned()
}

fn ask(fields: &str) -> Vec<u8> {
    format!("GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n").into_bytes()
}

#[tokio::test]
async fn knows_who_asks_and_believes_a_proxy_only_where_there_is_one() {
    let (direct, ..) = start(false).await;
    let (proxied, ..) = start(true).await;
    let claim = ask("X-Forwarded-For: 198.51.100.9, 192.0.2.1\r\n");
    assert!(exchange(direct, &claim).await.ends_with("127.0.0.1"));
    assert!(exchange(proxied, &claim).await.ends_with("192.0.2.1"));
    assert!(exchange(proxied, &ask("X-Forwarded-For: nobody\r\n")).await.ends_with("127.0.0.1"));
}

#[tokio::test]
async fn huge_headers_and_garbage_are_refused() {
    let (address, ..) = start(false).await;
    let huge = ask(&format!("X-Huge: {}\r\n", "a".repeat(1 << 20)));
    assert!(exchange(address, &huge).await.starts_with("HTTP/1.1 431"));
    let many = ask(&"X: y\r\n".repeat(5000));
    assert!(exchange(address, &many).await.starts_with("HTTP/1.1 431"));
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(1 << 20));
    assert!(exchange(address, long.as_bytes()).await.starts_with("HTTP/1.1 4"));
    assert!(exchange(address, b"\x16\x03\x01\x02\x00\x01\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    assert!(exchange(address, &ask("")).await.starts_with("HTTP/1.1 200"), "and everybody else is served");
}

#[tokio::test]
async fn stops_although_a_client_lingers() {
    let (address, stop, task) = start(false).await;
    let mut lingering = TcpStream::connect(address).await.unwrap();
    lingering.write_all(b"GET /who HTT").await.unwrap();
    assert!(exchange(address, &ask("")).await.starts_with("HTTP/1.1 200"));
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(20), task).await.expect("it stops").unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

/// Time passes only while everybody waits, so that half a minute is over at once.
#[tokio::test(start_paused = true)]
async fn a_client_that_never_ends_its_header_is_hung_up_on() {
    let (address, ..) = start(false).await;
    // Also one that says nothing, and one that might be about to speak HTTP/2.
    let opening = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    for half in [&b"GET /who HTTP/1.1\r\nHost: x\r\nX-Slow: "[..], b"GET /w", b"", b"PRI * HT", &opening] {
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(half).await.unwrap();
        let began = tokio::time::Instant::now();
        let mut answer = Vec::new();
        // Whether it is told so (408) or not, the connection ends.
        let _reset = slow.read_to_end(&mut answer).await;
        let waited = began.elapsed();
        assert!(waited <= HEADER + Duration::from_secs(1), "{half:?}: hung up on after {waited:?}");
    }
}

/// Who sends a mebibyte of garbage reads why nobody wants it, instead of a reset.
#[tokio::test]
async fn who_sends_what_nobody_wants_hears_so_all_the_same() {
    let (address, ..) = start(false).await;
    for (path, status) in [("/who", "405"), ("/small", "413"), ("/nowhere", "404")] {
        for bytes in [1001, 1 << 20, leftover::MOST] {
            let (mut reading, mut writing) = TcpStream::connect(address).await.unwrap().into_split();
            let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {bytes}\r\n\r\n");
            writing.write_all(head.as_bytes()).await.unwrap();
            writing.write_all(&vec![0xa5; bytes]).await.unwrap();
            let mut answer = vec![0; 1024];
            let read = reading.read(&mut answer).await.unwrap();
            let answer = String::from_utf8_lossy(&answer[..read]);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}, {bytes} bytes: {answer}");
        }
    }
}
