//! 1 MiB of garbage on every socket, and on every input that is read: the programs live on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use identity::tls::{ServiceVerifier, provider};
use identity::trust::{Trust, TrustPolicy};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::json;
use story::random::{self, Random};

use super::House;

const MEBIBYTE: usize = 1 << 20;

/// What fits into one datagram on loopback.
const DATAGRAM: usize = 60_000;

pub(super) fn noise() -> Vec<u8> {
    let seed = random::seed();
    println!("seed {seed}");
    Random::from_seed(seed).bytes(MEBIBYTE)
}

fn https_address(house: &House) -> SocketAddr {
    let rest = house.server.ready().policy.strip_prefix("https://").unwrap();
    let host = rest.split('/').next().unwrap();
    host.to_socket_addrs().unwrap().find(SocketAddr::is_ipv4).unwrap()
}

/// A TLS connection that the server believes in.
fn tls(house: &House) -> StreamOwned<ClientConnection, TcpStream> {
    let policy = std::fs::read(house.server.folder().join("policy.json")).unwrap();
    let trust = Arc::new(Trust::new(vec![TrustPolicy::parse(&policy).unwrap()]).unwrap());
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServiceVerifier::new(trust)))
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    StreamOwned::new(connection, tcp(house))
}

fn tcp(house: &House) -> TcpStream {
    let stream = TcpStream::connect(https_address(house)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Writes until the server has had enough; returns the beginning of what it answered.
fn pour(stream: &mut (impl Read + Write), bytes: &[u8]) -> Vec<u8> {
    // A server that closes early is what one hopes for.
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).unwrap_or(0);
    answer.truncate(read);
    answer
}

#[test]
fn the_https_port_takes_garbage_before_and_inside_tls() {
    let mut house = House::new();
    let noise = noise();
    pour(&mut tcp(&house), &noise);
    // The beginning of a real TLS record, then noise.
    pour(&mut tcp(&house), &[&[0x16, 0x03, 0x01, 0x40, 0x00][..], &noise].concat());
    pour(&mut tls(&house), &noise);

    let paths =
        ["/acme/new-nonce", "/acme/new-account", "/acme/new-order", "/acme/watch", "/acme/account/1", "/acme/order/1"];
    let more =
        ["/acme/finalize/1", "/acme/challenge/1/email-code-00", "/log/checkpoint", "/log/tile/0/000", "/policy", "/"];
    for path in paths.iter().chain(&more) {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/jose+json\r\nContent-Length: {MEBIBYTE}\r\n\r\n"
        );
        let answer = pour(&mut tls(&house), &[head.as_bytes(), &noise].concat());
        assert!(answer.starts_with(b"HTTP/1.1 4"), "{path}: {}", String::from_utf8_lossy(&answer));
    }
    // A path, and a header, that never end.
    let endless = "x".repeat(MEBIBYTE);
    pour(&mut tls(&house), format!("GET /log/tile/{endless} HTTP/1.1\r\n\r\n").as_bytes());
    pour(&mut tls(&house), format!("GET / HTTP/1.1\r\nHost: {endless}\r\n\r\n").as_bytes());
    house.lives_on("witness");
}

#[test]
fn strange_paths_below_the_log_lead_nowhere() {
    let house = House::new();
    for path in [
        "/log/../keys/log.pem",
        "/log/%2e%2e/keys/log.pem",
        "/log/object/..%2f..%2fkeys%2flog.pem",
        "/log/tile/0/..%2f..%2fcheckpoint",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8_lossy(&pour(&mut tls(&house), request.as_bytes())).into_owned();
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
        assert!(!answer.contains("PRIVATE KEY"), "{path}");
    }
}

#[test]
fn the_directory_takes_a_mebibyte_of_garbage_datagrams() {
    let mut house = House::new();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr =
        house.server.ready().directory.to_socket_addrs().unwrap().find(SocketAddr::is_ipv4).unwrap();
    // Where free ones are asked for, the port by which devices tell what router they are behind is the next one.
    let observation = SocketAddr::new(address.ip(), address.port() + 1);
    for part in noise().chunks(DATAGRAM).chain(noise().chunks(1200)) {
        socket.send_to(part, address).unwrap();
        socket.send_to(part, observation).unwrap();
    }
    house.lives_on("witness");
    let (alice, bob) = (house.member("alice"), house.member("bob"));
    let (mut one, mut other) = (alice.messenger().unwrap(), bob.messenger().unwrap());
    one.tell(&json!({ "do": "add_contact", "who": bob.address() })).unwrap();
    other.tell(&json!({ "do": "add_contact", "who": alice.address() })).unwrap();
    one.expect(&json!({ "event": "presence", "who": bob.address(), "online": true })).unwrap();
    one.catch_up();
    other.quit().unwrap();
    one.expect(&json!({ "event": "presence", "who": bob.address(), "online": false })).unwrap();
    one.quit().unwrap();
}

#[test]
fn a_messenger_takes_garbage_on_its_input_and_on_its_port() {
    let house = House::new();
    let (alice, bob) = (house.member("alice"), house.member("bob"));
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut one = alice.messenger_with(&["--bind", &address]).unwrap();
    let mut other = bob.messenger().unwrap();
    one.expect(&json!({ "event": "online" })).unwrap();
    other.tell(&json!({ "do": "add_contact", "who": alice.address() })).unwrap();
    one.tell(&json!({ "do": "add_contact", "who": bob.address() })).unwrap();

    let printable: Vec<u8> = noise().iter().map(|byte| b' ' + byte % 95).collect();
    for line in [&printable[..], b"{", b"[]", b"{\"do\":\"fly\"}", b"{\"do\":\"send\"}", b"\xff\xfe", b"null"] {
        one.tell_line(line).unwrap();
        one.expect(&json!({ "event": "error" })).unwrap();
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for part in noise().chunks(DATAGRAM) {
        socket.send_to(part, &address).unwrap();
    }
    other.expect(&json!({ "event": "presence", "who": alice.address(), "online": true })).unwrap();
    other.tell(&json!({ "do": "send", "to": alice.address(), "text": "still there?" })).unwrap();
    one.expect(&json!({ "event": "message", "text": "still there?" })).unwrap();
    other.expect(&json!({ "event": "message_state", "state": "delivered" })).unwrap();
    one.quit().unwrap();
    other.quit().unwrap();
}

#[test]
fn a_text_with_control_characters_or_of_forbidden_size_harms_nobody() {
    let house = House::new();
    let (alice, bob) = (house.member("alice"), house.member("bob"));
    let (mut one, mut other) = (alice.messenger().unwrap(), bob.messenger().unwrap());
    one.tell(&json!({ "do": "add_contact", "who": bob.address() })).unwrap();
    other.tell(&json!({ "do": "add_contact", "who": alice.address() })).unwrap();
    one.expect(&json!({ "event": "presence", "who": bob.address(), "online": true })).unwrap();
    other.expect(&json!({ "event": "presence", "who": alice.address(), "online": true })).unwrap();

    let odd = "a\u{1b}[2J\u{202e}b\0c\r\n\u{7f}é\u{1f469}\u{200d}\u{1f680}";
    one.tell(&json!({ "do": "send", "to": bob.address(), "text": odd })).unwrap();
    other.expect(&json!({ "event": "message", "text": odd })).unwrap();
    one.tell(&json!({ "do": "send", "to": bob.address(), "text": "x".repeat(MEBIBYTE / 2) })).unwrap();
    one.expect_that("a refusal of the long text", |event| {
        event["event"] == "error" || event["state"] == "not_delivered"
    })
    .unwrap();
    one.tell(&json!({ "do": "send", "to": bob.address(), "text": "short" })).unwrap();
    other.expect(&json!({ "event": "message", "text": "short" })).unwrap();
    one.quit().unwrap();
    other.quit().unwrap();
}
