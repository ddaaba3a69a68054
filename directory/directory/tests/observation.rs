//! Being told where one is seen from, at both ports.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{World, soon};
use directory::{BindError, Directory, Observation};
use directory_protocol::Announcement;
use directory_protocol::observation::{observed, request, request_from_other_port};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;

async fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

fn second(world: &World) -> SocketAddr {
    SocketAddr::new(world.address.ip(), world.directory.observation_port().unwrap())
}

/// What the port says, however often it must be asked.
async fn asked(socket: &UdpSocket, port: SocketAddr) -> SocketAddr {
    let mut answer = [0; 1_500];
    loop {
        socket.send_to(&request(&[7; 12]), port).await.unwrap();
        let received = tokio::time::timeout(Duration::from_secs(1), socket.recv_from(&mut answer)).await;
        if let Ok(Ok((length, from))) = received {
            assert_eq!(from, port);
            let (transaction, seen) = observed(&answer[..length]).unwrap();
            assert_eq!(transaction, [7; 12]);
            return seen;
        }
    }
}

#[tokio::test]
async fn both_ports_say_where_one_comes_from_and_quic_goes_on_beside_it() {
    let world = World::with(|config| config.observation = Observation::At(0));
    let alice = world.connect("alice").await;
    let announced = alice.client.announce(Announcement::available(Vec::new())).await.unwrap();
    assert_eq!(announced.observation, world.directory.observation_port());
    assert_ne!(second(&world).port(), world.address.port());
    for _ in 0..3 {
        let somebody = socket().await;
        for port in [world.address, second(&world)] {
            assert_eq!(soon(asked(&somebody, port)).await, somebody.local_addr().unwrap());
        }
        alice.client.ping().await.unwrap();
    }
}

/// A client takes an answer only from where it has asked, and so does its router.
#[tokio::test]
async fn a_machine_with_several_addresses_answers_from_the_one_that_was_asked() {
    let world = World::with(|config| {
        config.listen = "0.0.0.0:0".parse().unwrap();
        config.observation = Observation::At(0);
    });
    let somebody = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    for port in [world.address.port(), second(&world).port()] {
        for host in [[127, 0, 0, 1], [127, 0, 0, 2]] {
            let seen = soon(asked(&somebody, (host, port).into())).await;
            assert_eq!(seen.port(), somebody.local_addr().unwrap().port());
        }
    }
}

#[tokio::test]
async fn nothing_else_is_answered_at_the_second_port() {
    let world = World::with(|config| config.observation = Observation::At(0));
    let somebody = socket().await;
    let mut odd = request(&[1; 12]);
    odd[4] ^= 1;
    let mut initial = vec![0xc3_u8; 1_200];
    initial[1..5].copy_from_slice(&[0, 0, 0, 1]);
    for datagram in [&[][..], &odd, &initial, &[0; 20], &[0xff; 2_000]] {
        somebody.send_to(datagram, second(&world)).await.unwrap();
    }
    // The first thing that comes back is the answer to the first thing that was a question.
    assert_eq!(soon(asked(&somebody, second(&world))).await, somebody.local_addr().unwrap());
}

#[tokio::test]
async fn whoever_wishes_is_answered_from_the_other_port() {
    let world = World::with(|config| config.observation = Observation::At(0));
    let somebody = socket().await;
    for (asked, other) in [(world.address, second(&world)), (second(&world), world.address)] {
        somebody.send_to(&request_from_other_port(&[9; 12]), asked).await.unwrap();
        let mut answer = [0; 64];
        let (length, from) = soon(somebody.recv_from(&mut answer)).await.unwrap();
        assert_eq!(from, other);
        assert_eq!(observed(&answer[..length]), Some(([9; 12], somebody.local_addr().unwrap())));
    }
}

#[tokio::test]
async fn without_a_second_port_the_first_one_answers() {
    let world = World::with(|config| config.observation = Observation::Off);
    let alice = world.connect("alice").await;
    let announced = alice.client.announce(Announcement::available(Vec::new())).await.unwrap();
    assert_eq!((announced.observation, world.directory.observation_port()), (None, None));
    let somebody = socket().await;
    assert_eq!(soon(asked(&somebody, world.address)).await, somebody.local_addr().unwrap());
}

#[tokio::test]
async fn a_second_port_that_was_asked_for_must_be_free() {
    let taken = socket().await;
    let port = taken.local_addr().unwrap().port();
    let mut config = None;
    let _world = World::with(|given| config = Some(given.clone()));
    let mut config = config.unwrap();
    config.observation = Observation::At(port);
    let Err(BindError::Socket { address, .. }) = Directory::bind(config) else { panic!("it is taken") };
    assert_eq!(address.port(), port);
}
