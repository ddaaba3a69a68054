//! Who is dialled, and is not whom the call was for, or does not let the caller in.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use directory_protocol::Role;
use messenger_engine::DeliveryState;
use messenger_engine::punch::{DirectionKey, Kind, Probe, ProbeKey};

use crate::not_delivered;
use crate::support::{Puppet, Someone, Town};

/// Alice calls bob, who accepts and is to be met at these addresses; returns where she is, and the key of the call.
async fn called_at(alice: &mut Someone, bob: &mut Puppet, candidates: Vec<SocketAddr>) -> (SocketAddr, ProbeKey) {
    alice.sees("bob", true).await;
    alice.send("bob", "for bob alone", 1).await;
    bob.called_at(candidates).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impostor_at_the_introduced_address_gets_nothing() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.puppet("bob").await;
    let mallory = town.puppet("mallory").await;
    let (caller, key) = called_at(&mut alice, &mut bob, vec![mallory.endpoint.local_addr().unwrap()]).await;
    mallory.show(Role::Listener, caller, &key, 0..60);
    // Not even alice's certificate.
    let refused = mallory.accepted().await.unwrap_err().to_string();
    assert!(refused.contains("not the introduced device") || refused.contains("handshake"), "{refused}");
    not_delivered(&mut alice, 1, "not the introduced device").await;
}

/// Dialled at its first probe, found to be another device, and only then heard to answer: a second attempt would end without
/// that reason.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_found_to_be_somebody_else_is_not_dialled_again() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.puppet("bob").await;
    let mallory = town.puppet("mallory").await;
    let (caller, key) = called_at(&mut alice, &mut bob, vec![mallory.endpoint.local_addr().unwrap()]).await;
    let sealer = DirectionKey::of(Role::Listener, &key);
    let probing = async {
        let mut pace = tokio::time::interval(Duration::from_millis(50));
        for number in 0..40 {
            pace.tick().await;
            mallory.probing.send_to(&sealer.seal(Probe { kind: Kind::Probe, number }), caller).unwrap();
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        refused = mallory.accepted() => assert!(refused.is_err()),
        () = probing => {}
    }
    mallory.show(Role::Listener, caller, &key, 40..60);
    not_delivered(&mut alice, 1, "not the introduced device").await;
}

/// Whoever listens may name others, and send probes that seem to come from them.
#[tokio::test(flavor = "multi_thread")]
async fn handshakes_go_to_two_at_most_who_have_not_answered() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.puppet("bob").await;
    let victims: Vec<UdpSocket> = (0..8).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let candidates = victims.iter().map(|victim| victim.local_addr().unwrap()).collect();
    let (caller, key) = called_at(&mut alice, &mut bob, candidates).await;
    let sealer = DirectionKey::of(Role::Listener, &key);
    let forging = async {
        let mut pace = tokio::time::interval(Duration::from_millis(100));
        for number in 0..64 {
            if number % 8 == 0 {
                pace.tick().await;
            }
            let probe = sealer.seal(Probe { kind: Kind::Probe, number });
            victims[usize::from(number % 8)].send_to(&probe, caller).unwrap();
        }
    };
    let (fate, ()) = tokio::join!(alice.fate(1), forging);
    assert_eq!(fate.0, DeliveryState::NotDelivered);
    let dialled: Vec<usize> = victims.iter().map(handshake_datagrams).filter(|count| *count > 0).collect();
    assert!((1..=2).contains(&dialled.len()), "datagrams of handshakes: {dialled:?}");
    assert!(dialled.iter().sum::<usize>() <= 32, "{dialled:?}");
}

/// How many datagrams have come that are no probes.
fn handshake_datagrams(socket: &UdpSocket) -> usize {
    socket.set_nonblocking(true).unwrap();
    let mut datagram = [0; 2_048];
    let received = std::iter::from_fn(|| socket.recv_from(&mut datagram).ok().map(|(length, _)| length));
    received.filter(|length| *length > 28).count()
}

/// A client is done with TLS before its server has looked at its certificate.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_at_the_door_is_told_at_once() {
    let town = Town::new().await;
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = town.refusing_puppet("bob").await;
    let candidate = bob.endpoint.local_addr().unwrap();
    let (caller, key) = called_at(&mut alice, &mut bob, vec![candidate]).await;
    bob.show(Role::Listener, caller, &key, 0..60);
    assert!(bob.accepted().await.is_err());
    not_delivered(&mut alice, 1, "invalid peer certificate").await;
}
