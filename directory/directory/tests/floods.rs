//! Too much of everything: each flood is bounded, answered with its number where an answer is due, and felt by nobody else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{LOOPBACK, World, life_goes_on, person};
use directory_protocol::client::RequestError;
use directory_protocol::frame::{FrameBuffer, LENGTH_BYTES, decode_response, encode};
use directory_protocol::limits::MAX_FRAME_BYTES;
use directory_protocol::message::{ErrorCode, ListName, Purpose, Request, Response};
use directory_protocol::{CloseCode, DirectoryEvent};
use futures_util::FutureExt;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The frames of a stream, one by one.
struct Frames(quinn::RecvStream, FrameBuffer);

impl Frames {
    async fn next(&mut self) -> Response {
        loop {
            if let Some(body) = self.1.next().unwrap() {
                return decode_response(body).unwrap().unwrap();
            }
            let chunk = common::soon(self.0.read_chunk(65_536, true)).await.unwrap().expect("the stream goes on");
            self.1.push(&chunk.bytes);
        }
    }
}

fn closed_with(error: &quinn::ConnectionError) -> CloseCode {
    match error {
        quinn::ConnectionError::ApplicationClosed(closed) => CloseCode::from_number(closed.error_code.into_inner()),
        other => panic!("expected the directory to close the connection, found {other}"),
    }
}

/// A list of people whose frame has exactly so many bytes.
fn list_of(bytes: usize) -> Vec<u8> {
    // array(4), 1, id, list, and an array whose length takes two bytes.
    let mut left = bytes - 6;
    let mut people = Vec::new();
    while left > 0 {
        // "…@example.org" with a head of two bytes.
        let size = match left {
            150.. => 70,
            76.. => left / 2,
            _ => left,
        };
        let digits = size - 2 - "@example.org".len();
        people.push(person(&format!("{:0digits$}", people.len())));
        left -= size;
    }
    let frame = encode(&Request::List { id: 1, name: ListName::Contacts, people });
    assert_eq!(frame.len(), bytes + LENGTH_BYTES);
    frame
}

#[tokio::test]
async fn a_frame_has_an_end() {
    let world = World::new();
    let (_endpoint, connection, mut send, receive) = world.raw("alice").await;
    let mut frames = Frames(receive, FrameBuffer::new());
    send.write_all(&list_of(MAX_FRAME_BYTES)).await.unwrap();
    assert_eq!(frames.next().await, Response::Done { id: 1 });
    send.write_all(&list_of(MAX_FRAME_BYTES + 1)).await.unwrap();
    assert_eq!(closed_with(&common::soon(connection.closed()).await), CloseCode::Malformed);
    life_goes_on(&world).await;
}

/// Neither a second stream nor one in one direction is permitted: QUIC itself holds the opener back.
#[tokio::test]
async fn one_stream_is_all_there_is() {
    let world = World::new();
    let (_endpoint, connection, mut send, receive) = world.raw("alice").await;
    let mut frames = Frames(receive, FrameBuffer::new());
    send.write_all(&encode(&Request::Ping { id: 1 })).await.unwrap();
    assert_eq!(frames.next().await, Response::Done { id: 1 });
    assert!(connection.open_bi().now_or_never().is_none());
    assert!(connection.open_uni().now_or_never().is_none());
    assert_eq!(connection.max_datagram_size(), None, "no datagrams either");
    life_goes_on(&world).await;
    send.write_all(&encode(&Request::Ping { id: 2 })).await.unwrap();
    assert_eq!(frames.next().await, Response::Done { id: 2 });
}

#[tokio::test]
async fn a_flood_of_calls_rings_a_few_times_and_keeps_nobody_else_out() {
    let world = World::new();
    let mut bob = world.come("bob", &[]).await;
    let (_endpoint, _connection, mut send, receive) = world.raw("mallory").await;
    let mut frames = Frames(receive, FrameBuffer::new());
    let writing = tokio::spawn(async move {
        for id in 0..1_000_u32 {
            let call_id = [&[0; 12][..], &id.to_be_bytes()].concat().try_into().unwrap();
            let (callee, purpose) = (person("bob"), Purpose::Call);
            send.write_all(&encode(&Request::Invite {
                id,
                call_id,
                callee,
                purpose,
                candidates: vec![],
                device: None,
            }))
            .await
            .unwrap();
        }
        send
    });
    let mut answers: HashMap<Option<ErrorCode>, usize> = HashMap::new();
    for _ in 0..1_000 {
        let error = loop {
            match frames.next().await {
                Response::Done { .. } => break None,
                Response::Refused { error, .. } => break Some(error),
                _ => {}
            }
        };
        *answers.entry(error).or_default() += 1;
    }
    let _send = writing.await.unwrap();
    assert_eq!(answers.values().sum::<usize>(), 1_000, "each has its answer");
    assert_eq!(answers[&None], 64, "as many as may wait at once: {answers:?}");
    assert!(answers.keys().all(|error| matches!(error, None | Some(ErrorCode::TooManyCalls | ErrorCode::TooOften))));

    for _ in 0..8 {
        assert!(matches!(bob.next().await, DirectoryEvent::Incoming { .. }));
    }
    let carol = world.come("carol", &[]).await;
    carol.client.invite(carol.call("bob", [9; 16])).await.unwrap();
    let DirectoryEvent::Incoming { caller, .. } = bob.next().await else { panic!("a ninth call of hers") };
    assert_eq!(caller, person("carol"));
}

#[tokio::test]
async fn a_watch_list_too_long_is_refused_and_the_connection_lives() {
    let world = World::with(|config| config.limits.watched = 100);
    let alice = world.connect("alice").await;
    let people: Vec<_> = (0..101).map(|n| person(&format!("p{n}"))).collect();
    let refused = alice.client.watch(people.clone()).await.unwrap_err();
    assert!(matches!(refused, RequestError::Refused { error: ErrorCode::ListTooLong, .. }), "{refused:?}");
    alice.client.watch(people[..100].to_vec()).await.unwrap();
    life_goes_on(&world).await;
}

/// Hands datagrams on to the directory, none back; notes how many of those were QUIC Retry (RFC 9000 section 17.2.5).
async fn one_way(directory: SocketAddr) -> (SocketAddr, Arc<AtomicUsize>) {
    let near = tokio::net::UdpSocket::bind(LOOPBACK).await.unwrap();
    let far = Arc::new(tokio::net::UdpSocket::bind(LOOPBACK).await.unwrap());
    let (address, retries) = (near.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (answers, counted) = (far.clone(), retries.clone());
    tokio::spawn(async move {
        let mut datagram = [0; 2_048];
        while let Ok((count, _)) = answers.recv_from(&mut datagram).await {
            if count > 0 && datagram[0] & 0xf0 == 0xf0 {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    tokio::spawn(async move {
        let mut datagram = [0; 2_048];
        while let Ok((count, _)) = near.recv_from(&mut datagram).await {
            far.send_to(&datagram[..count], directory).await.ok();
        }
    });
    (address, retries)
}

/// So many handshakes are begun, and none of them goes on.
async fn unfinished_handshakes(count: usize) {
    // Alice asks without a pause: how much she may ask is not what is tested here.
    let plenty = directory::Rate::new(1_000_000, std::time::Duration::from_micros(1));
    let world = World::with(|config| config.limits.frames = plenty);
    let mut alice = world.come("alice", &["bob"]).await;
    alice.sees("bob", false).await;
    let (address, retries) = one_way(world.address).await;
    let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
    let config = world.device("mallory", common::before_now(std::time::Duration::ZERO));
    let mut begun = Vec::new();
    for n in 0..count {
        begun.push(endpoint.connect_with(config.clone(), address, common::DIRECTORY).unwrap());
        if n % 100 == 99 {
            // Nobody is held up meanwhile.
            alice.client.ping().await.unwrap();
        }
    }
    let _bob = world.come("bob", &["alice"]).await;
    alice.sees("bob", true).await;
    // From 256 on they were told to prove first that they receive what is sent to them, which costs the directory no memory.
    let before_retry = 256;
    common::soon(async {
        while retries.load(Ordering::Relaxed) < (count - before_retry) / 4 {
            alice.client.ping().await.unwrap();
        }
    })
    .await;
    assert_eq!(world.directory.counts().connections, 2);
    assert!(world.directory.handshakes() <= before_retry, "{} are kept", world.directory.handshakes());
}

/// When all come at once, those who are let in are let in soon; the others are told at once, and come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_handshakes_at_once_are_refused_until_others_are_over() {
    let world = World::with(|config| config.limits.handshakes = 8);
    let alice = world.come("alice", &[]).await;
    let (address, _) = one_way(world.address).await;
    let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
    let config = world.device("mallory", common::before_now(std::time::Duration::ZERO));
    let begin = |address| endpoint.connect_with(config.clone(), address, common::DIRECTORY).unwrap();
    let begun: Vec<_> = (0..8).map(|_| begin(address)).collect();
    let until = async |count| {
        while world.directory.handshakes() != count {
            alice.client.ping().await.unwrap();
        }
    };
    common::soon(until(8)).await;
    let quinn::ConnectionError::ConnectionClosed(close) = common::soon(begin(world.address)).await.unwrap_err() else {
        panic!("not by the directory's word")
    };
    assert_eq!(close.error_code, quinn::TransportErrorCode::CONNECTION_REFUSED);
    // They are given up, and there is room.
    drop(begun);
    common::soon(until(0)).await;
    common::soon(begin(world.address)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_handshakes_begun_and_not_finished() {
    unfinished_handshakes(1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "some ten seconds of cryptography; run by ./test --all"]
async fn ten_thousand_handshakes_begun_and_not_finished() {
    unfinished_handshakes(10_000).await;
}
