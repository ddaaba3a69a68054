//! An authority that asks for patience, over a real socket.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;

/// What an authority was asked, and when.
type Asked = Arc<Mutex<Vec<(String, Instant)>>>;

/// Answers everything well, but the first requests for an order with these header fields and statuses.
async fn authority(mut first: Vec<&'static str>) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, asked) = (format!("http://{}", listener.local_addr().unwrap()), Asked::default());
    let (base, seen) = (url.clone(), Arc::clone(&asked));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            while let Some(path) = request(&mut stream).await {
                seen.lock().unwrap().push((path.clone(), Instant::now()));
                let directory = json!({
                    "newNonce": format!("{base}/nonce"), "newAccount": format!("{base}/account"),
                    "newOrder": format!("{base}/order"),
                });
                let (head, body) = match path.as_str() {
                    "/order" if !first.is_empty() => (first.remove(0), json!({"detail": "not now"})),
                    "/order" => ("201 Created\r\nlocation: /order/1", order()),
                    "/account" => ("201 Created\r\nlocation: /account/1", json!({})),
                    _ => ("200 OK", directory),
                };
                // The answer to HEAD has no body.
                let body = if path == "/nonce" { String::new() } else { body.to_string() };
                let answer =
                    format!("HTTP/1.1 {head}\r\nreplay-nonce: AAAA\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (url, asked)
}

fn order() -> Value {
    json!({"status": "pending", "identifiers": [], "authorizations": [], "finalize": "/finalize"})
}

/// The path of the next request, whose body is read and dropped; none at the end.
async fn request(stream: &mut BufReader<tokio::net::TcpStream>) -> Option<String> {
    let (mut first, mut length) = (String::new(), 0);
    stream.read_line(&mut first).await.ok().filter(|bytes| *bytes > 0)?;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = bytes.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    first.split(' ').nth(1).map(ToOwned::to_owned)
}

/// Orders, after the authority has answered so to the first requests; with the times at which it was asked for orders.
async fn ordered(first: Vec<&'static str>) -> (Result<(String, Order), AcmeError>, Vec<Instant>) {
    let (url, asked) = authority(first).await;
    let http = https::web_client();
    let mut client = AcmeClient::connect(http, &url, AccountKey::generate().unwrap()).await.unwrap();
    let alice = identity::Identifier::parse("alice@example.org").unwrap();
    let ordered = client.new_order(&(&alice).into(), "device", None).await;
    let asked = asked.lock().unwrap().iter().filter(|(path, _)| path == "/order").map(|(_, at)| *at).collect();
    (ordered, asked)
}

#[tokio::test]
async fn what_takes_long_is_said_and_not_waited_for() {
    let (refused, asked) = ordered(vec!["503 Service Unavailable\r\nretry-after: 3600"]).await;
    let said = refused.unwrap_err().to_string();
    assert!(said.ends_with("refused: not now; it asks to come back in 3600 s"), "{said}");
    assert_eq!(asked.len(), 1);
    for plain in ["503 Service Unavailable", "500 Internal Server Error\r\nretry-after: 1"] {
        let (refused, asked) = ordered(vec![plain]).await;
        assert!(refused.is_err() && asked.len() == 1, "{plain}: {asked:?}");
    }
}
