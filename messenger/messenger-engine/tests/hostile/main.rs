//! What comes to an engine's port uninvited, or does not keep to the protocol.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod authorities;
mod dialled;
mod files;
#[path = "../support/mod.rs"]
mod support;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use directory_protocol::Role;
use messenger_engine::punch::{DirectionKey, Kind, Probe, ProbeKey};
use messenger_engine::{DeliveryState, Event, wire};
use support::{PATIENCE, Someone, Town, peer_config};

/// A device with a good certificate that nobody introduced dials `target`.
async fn stranger(town: &Town, target: SocketAddr) -> Result<quinn::Connection, String> {
    let (chain, key) = town.issue("mallory");
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = peer_config(chain, &key, &town.trust);
    let connecting = endpoint.connect_with(config, target, wire::SERVER_NAME).unwrap();
    match tokio::time::timeout(Duration::from_secs(3), connecting).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("silence".into()),
    }
}

/// The code with which the other side closes.
async fn closed_with(connection: &quinn::Connection) -> u64 {
    match tokio::time::timeout(Duration::from_secs(10), connection.closed()).await.unwrap() {
        quinn::ConnectionError::ApplicationClosed(closed) => closed.error_code.into_inner(),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nobody_is_expected_the_port_shows_no_certificate() {
    let town = Town::new().await;
    let alice = town.person("alice", &["bob"]).await;
    assert_eq!(stranger(&town, alice.engine.local_addr()).await.err().as_deref(), Some("silence"));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_at_the_port_disturbs_nobody() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.person("bob", &["alice"]).await;
    alice.sees("bob", true).await;
    alice.send("bob", "before", 1).await;
    assert_eq!(alice.fate(1).await.0, DeliveryState::Delivered);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for length in (0..1024).map(|n| n + 1) {
        let datagram: Vec<u8> = (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .collect();
        let _ = socket.send_to(&datagram, alice.engine.local_addr());
    }
    alice.send("bob", "after", 2).await;
    assert_eq!(alice.fate(2).await.0, DeliveryState::Delivered);
    assert_eq!(bob.hears("alice").await, "before");
    assert_eq!(bob.hears("alice").await, "after");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_while_somebody_else_is_expected_finds_silence() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.puppet("bob").await;
    let door = bob.call_alice().await;
    assert_eq!(stranger(&town, door).await.err().as_deref(), Some("silence"));
    // Bob himself is still let in, and what he says is heard.
    let connection =
        bob.endpoint.connect_with(bob.peer_config.clone(), door, wire::SERVER_NAME).unwrap().await.unwrap();
    say(&connection, &[hello(), text("it is me")]).await;
    assert_eq!(alice.hears("bob").await, "it is me");
}

/// Somebody with the key of the call, but without its certificate: the directory, or whoever it told.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_with_a_probe_and_another_certificate_is_dropped() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.puppet("bob").await;
    let mallory = town.puppet("mallory").await;
    let (door, key) = bob.introduced_to_alice(mallory.endpoint.local_addr().unwrap()).await;
    mallory.probe(door, &key);
    let connecting = mallory.endpoint.connect_with(mallory.peer_config.clone(), door, wire::SERVER_NAME).unwrap();
    assert_eq!(closed_with(&connecting.await.unwrap()).await, u64::from(wire::Close::NOT_INTRODUCED.0));
    // The numbers that mallory has used are used up, and bob has others.
    bob.show(Role::Dialler, door, &key, 60..64);
    let connecting = bob.endpoint.connect_with(bob.peer_config.clone(), door, wire::SERVER_NAME).unwrap();
    let connection = connecting.await.unwrap();
    say(&connection, &[hello(), text("it is me")]).await;
    assert_eq!(alice.hears("bob").await, "it is me");
}

/// While a call is pending: Initials, unknown versions, garbage, wrong probes, and a probe that was overheard.
#[tokio::test(flavor = "multi_thread")]
async fn the_port_answers_nobody_without_a_valid_probe() {
    let town = Town::new().await;
    let _alice = town.person("alice", &["bob"]).await;
    let mut bob = town.puppet("bob").await;
    let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (door, key) = bob.introduced_to_alice(plain.local_addr().unwrap()).await;
    let overheard = shown_and_answered(&plain, door, &key, 0);

    let mallory = UdpSocket::bind("127.0.0.1:0").unwrap();
    mallory.set_nonblocking(true).unwrap();
    let fresh = |key: &ProbeKey, role| DirectionKey::of(role, key).seal(Probe { kind: Kind::Probe, number: 50 });
    let mut tampered = fresh(&key, Role::Dialler);
    tampered[20] ^= 1;
    let probes = [
        overheard.to_vec(),
        tampered.to_vec(),
        [&fresh(&key, Role::Dialler)[..], &[0]].concat(),
        fresh(&ProbeKey([0; 32]), Role::Dialler).to_vec(),
        fresh(&key, Role::Listener).to_vec(),
    ];
    let long_header =
        |version: u32| [&[0xc3][..], &version.to_be_bytes(), &[8], &[7; 8], &[8], &[9; 8], &[0; 1_300]].concat();
    let versions = [0, 1, 0x0a1a_2a3a, 0x6b33_43cf].map(long_header);
    let garbage = (0..=u8::MAX).flat_map(|first| [vec![first], vec![first; 28], vec![first; 1_200]]);
    let datagrams = probes.into_iter().chain(versions).chain(garbage).chain([Vec::new(), initial(&town)]);
    let mut sent = 0;
    for datagram in datagrams {
        mallory.send_to(&datagram, door).unwrap();
        sent += 1;
        if sent % 64 == 0 {
            // No more than the socket holds: what comes later is answered after all of that was dealt with.
            shown_and_answered(&plain, door, &key, 10 + sent / 64);
        }
    }
    shown_and_answered(&plain, door, &key, 40);
    let answered = mallory.recv_from(&mut [0; 2_048]).map(|(length, _)| length);
    assert_eq!(answered.err().map(|error| error.kind()), Some(std::io::ErrorKind::WouldBlock));
}

/// Sends probes, from this number on, until one was answered; returns that one.
fn shown_and_answered(socket: &UdpSocket, door: SocketAddr, key: &ProbeKey, number: u16) -> [u8; 28] {
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let answers = DirectionKey::of(Role::Listener, key);
    let mut sent = Vec::new();
    for number in number..64 {
        let probe = DirectionKey::of(Role::Dialler, key).seal(Probe { kind: Kind::Probe, number });
        socket.send_to(&probe, door).unwrap();
        sent.push((answers.seal(Probe { kind: Kind::Answer, number }), probe));
        let mut datagram = [0; 64];
        // Her own probes come in between, and end no wait.
        let until = Instant::now() + Duration::from_millis(200);
        while Instant::now() < until {
            let Ok((length, _)) = socket.recv_from(&mut datagram) else { break };
            // On a busy machine it may be the answer to an earlier one.
            if let Some((_, probe)) = sent.iter().find(|(answer, _)| datagram[..length] == *answer) {
                return *probe;
            }
        }
    }
    panic!("no probe was answered");
}

/// The first datagram of a stranger's handshake.
fn initial(town: &Town) -> Vec<u8> {
    let (chain, key) = town.issue("mallory");
    let (tap, endpoint) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()));
    tap.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (config, target) = (peer_config(chain, &key, &town.trust), tap.local_addr().unwrap());
    let _connecting = endpoint.unwrap().connect_with(config, target, wire::SERVER_NAME).unwrap();
    let mut datagram = vec![0; 2_048];
    let (length, _) = tokio::task::block_in_place(|| tap.recv_from(&mut datagram)).unwrap();
    datagram.truncate(length);
    datagram
}

/// Whoever has a probe that never arrived, and not its key: somebody with the private address that the peer has elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_with_a_probe_that_went_astray_finds_silence() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.puppet("bob").await;
    let mallory = town.puppet("mallory").await;
    let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (door, key) = bob.introduced_to_alice(plain.local_addr().unwrap()).await;
    // Alice has heard of the call as well, and of this number nothing.
    shown_and_answered(&plain, door, &key, 0);
    let astray = DirectionKey::of(Role::Dialler, &key).seal(Probe { kind: Kind::Probe, number: 40 });
    mallory.probing.send_to(&astray, door).unwrap();
    let connecting = mallory.endpoint.connect_with(mallory.peer_config.clone(), door, wire::SERVER_NAME).unwrap();
    bob.show(Role::Dialler, door, &key, 41..64);
    let connection = bob.endpoint.connect_with(bob.peer_config.clone(), door, wire::SERVER_NAME).unwrap();
    let connection = connection.await.unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(2), connecting).await;
    assert!(waited.is_err(), "no certificate for her");
    say(&connection, &[hello(), text("it is me")]).await;
    assert_eq!(alice.hears("bob").await, "it is me");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_introduced_peer_that_breaks_the_protocol_is_closed() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.puppet("bob").await;
    let cases: [(&str, Vec<u8>); 5] = [
        ("a frame beyond the limit", vec![1, 0, 1, 0, 1]),
        ("no CBOR", [&[1, 0, 0, 1, 0][..], &[0xff; 256]].concat()),
        ("a text before Hello", [&[1][..], &text("too early")].concat()),
        ("a gap in the numbers", [&[1][..], &hello(), &text("one"), &text("one again")].concat()),
        ("a megabyte of garbage", [&[2][..], &[0xa5; 1 << 20]].concat()),
    ];
    for (name, bytes) in cases {
        let door = bob.call_alice().await;
        let connecting = bob.endpoint.connect_with(bob.peer_config.clone(), door, wire::SERVER_NAME).unwrap();
        let connection = connecting.await.unwrap();
        if bytes[0] == 2 {
            // Nothing of rooms is looked at before a greeting.
            let mut talk = connection.open_uni().await.unwrap();
            talk.write_all(&[&[1][..], &hello()].concat()).await.unwrap();
        }
        let mut stream = connection.open_uni().await.unwrap();
        let _ = stream.write_all(&bytes).await;
        assert_eq!(closed_with(&connection).await, u64::from(wire::Close::PROTOCOL.0), "{name}");
    }
    // A channel of another version is stopped, and nothing else happens.
    let door = bob.call_alice().await;
    let connection =
        bob.endpoint.connect_with(bob.peer_config.clone(), door, wire::SERVER_NAME).unwrap().await.unwrap();
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&[77]).await.unwrap();
    let stopped = tokio::time::timeout(PATIENCE, stream.stopped()).await.unwrap().unwrap();
    assert_eq!(stopped.map(u64::from), Some(u64::from(wire::Close::UNKNOWN_CHANNEL.0)));
    say(&connection, &[hello(), text("still here")]).await;
    let heard = alice.wait("the last text", |event| match event {
        Event::Message { text, .. } if text == "still here" => Some(()),
        _ => None,
    });
    heard.await;
}

/// A text was not delivered, for a reason with these words.
async fn not_delivered(alice: &mut Someone, text: u64, words: &str) {
    let (state, reason) = alice.fate(text).await;
    assert_eq!(state, DeliveryState::NotDelivered);
    assert!(reason.as_ref().is_some_and(|reason| reason.contains(words)), "{reason:?}");
}

fn hello() -> Vec<u8> {
    let hello =
        wire::TalkFrame::Hello { version: 1, run: rand::random(), capabilities: 1, resume: None, endorsements: None };
    wire::encode(&hello, wire::Channel::Talk).unwrap()
}

fn text(text: &str) -> Vec<u8> {
    let text = wire::TalkFrame::Text { number: 1, id: 1, text: text.into(), reply: None };
    wire::encode(&text, wire::Channel::Talk).unwrap()
}

/// Opens the talk channel and says this.
async fn say(connection: &quinn::Connection, frames: &[Vec<u8>]) {
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&[wire::Channel::Talk.byte()]).await.unwrap();
    for frame in frames {
        stream.write_all(frame).await.unwrap();
    }
    // The stream stays open as long as the connection: dropping a SendStream finishes it, which says nothing else.
}
