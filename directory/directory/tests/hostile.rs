//! What arrives from people who mean harm, or whose programs do, changes nothing for anybody else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{World, life_goes_on, person};
use directory::Rate;
use directory_protocol::frame::{LENGTH_BYTES, encode};
use directory_protocol::message::{Request, Status};
use directory_protocol::{Announcement, Appearance, CloseCode, Details};
use std::time::Duration;

const MIB: usize = 1 << 20;

/// Bytes that repeat late enough to be garbage.
fn garbage(seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..MIB).map(step).collect()
}

fn closed_with(error: &quinn::ConnectionError) -> CloseCode {
    match error {
        quinn::ConnectionError::ApplicationClosed(closed) => CloseCode::from_number(closed.error_code.into_inner()),
        other => panic!("expected the directory to close the connection, found {other}"),
    }
}

#[tokio::test]
async fn a_mebibyte_of_garbage_on_the_stream() {
    let world = World::new();
    let alice = world.come("alice", &[]).await;
    for (seed, start) in [(1, &[0, 0, 0x10, 0][..]), (2, &[]), (3, &[0, 0, 0, 0])] {
        let (_endpoint, connection, mut send, _receive) = world.raw("mallory").await;
        send.write_all(start).await.unwrap();
        // The directory may close before everything is written.
        send.write_all(&garbage(seed)).await.ok();
        assert_eq!(closed_with(&connection.closed().await), CloseCode::Malformed);
    }
    alice.client.ping().await.unwrap();
    life_goes_on(&world).await;
}

#[tokio::test]
async fn a_mebibyte_of_garbage_on_the_socket() {
    let world = World::new();
    let alice = world.come("alice", &[]).await;
    let socket = tokio::net::UdpSocket::bind(common::LOOPBACK).await.unwrap();
    for (n, datagram) in garbage(4).chunks(1_200).enumerate() {
        let mut datagram = datagram.to_vec();
        // Every other one looks like the Initial packet of a new QUIC connection.
        if n.is_multiple_of(2) {
            datagram[..6].copy_from_slice(&[0xc3, 0, 0, 0, 1, 8]);
        }
        socket.send_to(&datagram, world.address).await.ok();
    }
    alice.client.ping().await.unwrap();
    life_goes_on(&world).await;
}

/// Whoever has recorded what a device said can send it again, from anywhere. Nobody hears of it, while she is there or after.
#[tokio::test]
async fn what_is_sent_again_is_nobodys_word() {
    let world = World::new();
    let mut alice = world.come("alice", &["bob"]).await;
    alice.sees("bob", false).await;
    let way = common::way(world.address).await;
    let config = world.device("bob", common::before_now(Duration::ZERO));
    let bob = World::try_connect_to(way.address, config).await.unwrap();
    common::is_there(&bob.client, &[person("alice")]).await.unwrap();
    alice.sees("bob", true).await;
    for status in [Status::Away, Status::Available] {
        bob.client.appear(Appearance::As(status), Details::default()).await.unwrap();
        alice.sees("bob", true).await;
    }
    let (elsewhere, hers) = (tokio::net::UdpSocket::bind(common::LOOPBACK).await.unwrap(), alice.client.clone());
    let again = async || {
        let sent = way.sent();
        assert!(sent.len() > 4, "a handshake and some words");
        for datagram in sent {
            elsewhere.send_to(&datagram, world.address).await.unwrap();
        }
        // Who is let in after them shows that they have arrived.
        let carol = world.come("carol", &[]).await;
        hers.ping().await.unwrap();
        carol.client.close();
    };
    again().await;
    bob.client.ping().await.unwrap();
    assert!(alice.events.try_recv().is_err(), "bob has not changed");
    bob.client.close();
    alice.sees("bob", false).await;
    again().await;
    assert!(alice.events.try_recv().is_err(), "bob does not come back");
    let people = world.directory.counts().people;
    assert!(people <= 2, "carol may not have gone yet, {people} are there");
}

/// Unknown, connected but hidden, gone: the answers are the same bytes.
#[tokio::test]
async fn negative_answers_are_the_same_bytes() {
    let world = World::new();
    let _hidden = world.come("hidden", &["somebody"]).await;
    let gone = world.come("gone", &["alice"]).await;
    gone.client.close();

    let (_endpoint, _connection, mut send, mut receive) = world.raw("alice").await;
    let mut answers = Vec::new();
    for name in ["hidden", "gone", "unknown"] {
        send.write_all(&encode(&Request::LookUp { id: 5, who: person(name) })).await.unwrap();
        let mut answer = [0; LENGTH_BYTES + 5];
        common::soon(receive.read_exact(&mut answer)).await.unwrap();
        answers.push(answer);
    }
    assert_eq!(answers, [[0, 0, 0, 5, 0x83, 0x18, 67, 5, 0xf6]; 3]);
}

#[tokio::test]
async fn a_reader_who_does_not_read_is_disconnected() {
    let plenty = Rate::new(1_000_000, Duration::from_micros(1));
    let world = World::with(|config| {
        config.limits.frames = plenty;
        config.limits.announcements = plenty;
    });
    let (_endpoint, connection, mut send, _never_read) = world.raw("sleepy").await;
    send.write_all(&encode(&Request::Watch { id: 1, people: vec![person("bob")] })).await.unwrap();
    let bob = world.connect("bob").await;
    let announcement = |n: usize| Announcement {
        appearance: Appearance::As(if n.is_multiple_of(2) { Status::Available } else { Status::Away }),
        ..Announcement::available(vec![person("sleepy")])
    };
    let mut announced = 0;
    while connection.close_reason().is_none() && announced < 40_000 {
        bob.client.announce(announcement(announced)).await.unwrap();
        announced += 1;
    }
    assert_eq!(closed_with(&connection.closed().await), CloseCode::TooSlow);
    bob.client.ping().await.unwrap();
    life_goes_on(&world).await;
}

#[tokio::test]
async fn a_flood_is_cut_off() {
    let world = World::new();
    let (_endpoint, connection, mut send, mut receive) = world.raw("mallory").await;
    let reading = tokio::spawn(async move { while let Ok(Some(_)) = receive.read_chunk(65_536, true).await {} });
    for id in 0..1_000_000 {
        if send.write_all(&encode(&Request::Ping { id })).await.is_err() {
            break;
        }
    }
    assert_eq!(closed_with(&connection.closed().await), CloseCode::Flood);
    reading.await.unwrap();
    life_goes_on(&world).await;
}

#[tokio::test]
async fn one_person_has_so_many_devices() {
    let world = World::with(|config| config.limits.connections_per_person = 2);
    let _devices = [world.connect("alice").await, world.connect("alice").await];
    let refused = world.raw("alice").await.1.closed().await;
    assert_eq!(closed_with(&refused), CloseCode::TooManyDevices);
}

#[tokio::test]
async fn a_full_directory_says_so() {
    let world = World::with(|config| config.limits.connections = 1);
    let _alice = world.connect("alice").await;
    let config = world.device("bob", common::before_now(Duration::ZERO));
    let refused = world.try_connect(config).await.err();
    assert!(matches!(refused, Some(directory_protocol::client::ConnectError::Full { .. })), "{refused:?}");
}
