//! Two people meet over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{DIRECTORY, LOOPBACK, Person, World, before_now, device, person};
use directory_protocol::client::{CloseReason, ConnectError, client_config};
use directory_protocol::limits::NOTICED;
use directory_protocol::message::{Outcome, Purpose, Role};
use directory_protocol::{
    Announcement, Answer, Appearance, Audience, CloseCode, DirectoryClient, DirectoryEvent, Presence, Status,
};
use identity::certificate::Certificate;
use identity::testing::{Authority, private_key};
use std::time::{Duration, Instant};

const CALL: [u8; 16] = [7; 16];

#[tokio::test]
async fn two_people_see_each_other_come_and_go_by_push() {
    let world = World::new();
    let mut alice = world.come("alice", &["bob"]).await;
    alice.sees("bob", false).await;
    let mut bob = world.come("bob", &["alice"]).await;
    bob.sees("alice", true).await;
    alice.sees("bob", true).await;

    let busy =
        Announcement { appearance: Appearance::As(Status::Busy), ..Announcement::available(vec![person("alice")]) };
    bob.client.announce(busy).await.unwrap();
    let expected = DirectoryEvent::Presence { who: person("bob"), presence: Presence::plain(Status::Busy) };
    assert_eq!(alice.next().await, expected);

    bob.client.close();
    alice.sees("bob", false).await;
    assert_eq!(bob.next().await, DirectoryEvent::Closed { reason: CloseReason::ByUs });
}

#[tokio::test]
async fn presence_dies_with_the_connection() {
    let world = World::new();
    let mut alice = world.come("alice", &["bob"]).await;
    alice.sees("bob", false).await;
    let Person { client, events, endpoint } = world.come("bob", &["alice"]).await;
    alice.sees("bob", true).await;
    // The program forgets its client without a word.
    drop((client, events));
    alice.sees("bob", false).await;
    drop(endpoint);
    assert_eq!(world.directory.counts().connections, 1);
}

/// QUIC's clock is tokio's, which goes on by itself where nothing else is to be done.
#[tokio::test]
async fn whoever_vanishes_without_a_word_is_said_to_have_gone_before_45_seconds_are_over() {
    let world = World::new();
    let mut alice = world.come("alice", &["bob"]).await;
    alice.sees("bob", false).await;
    tokio::time::pause();
    // What is sent to who has vanished, to see whether she is there, must not count as a sign of hers.
    for after in [0, 1_000, 14_000, 100_000].map(Duration::from_millis) {
        let way = common::way(world.address).await;
        let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
        let config = world.device("bob", before_now(Duration::ZERO));
        let (client, _events) = DirectoryClient::connect(&endpoint, way.address, DIRECTORY, config).await.unwrap();
        client.announce(Announcement::available(vec![person("alice")])).await.unwrap();
        alice.sees("bob", true).await;
        tokio::time::sleep(after).await;
        drop(way);
        let vanished = tokio::time::Instant::now();
        alice.sees("bob", false).await;
        assert!(vanished.elapsed() <= NOTICED, "{:?} after {after:?}", vanished.elapsed());
        alice.client.ping().await.expect("whoever is there is not taken for gone");
    }
}

#[tokio::test]
async fn a_knock_is_accepted() {
    let world = World::new();
    let (mut alice, mut bob) = (world.come("alice", &[]).await, world.come("bob", &[]).await);
    alice.client.invite(alice.call("bob", CALL)).await.unwrap();
    assert_eq!(alice.next().await, DirectoryEvent::Outcome { call_id: CALL, outcome: Outcome::Ringing });

    let DirectoryEvent::Incoming { call_id, caller, caller_key, purpose } = bob.next().await else { panic!() };
    assert_eq!((call_id, caller, purpose), (CALL, person("alice"), Purpose::Text));
    let candidates = vec![bob.endpoint.local_addr().unwrap()];
    bob.client.answer(CALL, Answer::Accept { candidates: candidates.clone() }).await.unwrap();

    let DirectoryEvent::Go { role, peer, candidates: theirs, probe_key, .. } = alice.next().await else { panic!() };
    assert_eq!((role, peer, theirs), (Role::Dialler, person("bob"), candidates));
    let DirectoryEvent::Go { role, peer, peer_key, probe_key: same, .. } = bob.next().await else { panic!() };
    assert_eq!((role, peer, peer_key, same), (Role::Listener, person("alice"), caller_key, probe_key));
}

#[tokio::test]
async fn a_friend_declines_at_once() {
    let world = World::new();
    let mut bob = world.come("bob", &["alice"]).await;
    bob.sees("alice", false).await;
    let mut alice = world.come("alice", &["bob"]).await;
    alice.sees("bob", true).await;
    alice.client.invite(alice.call("bob", CALL)).await.unwrap();
    assert_eq!(alice.next().await, DirectoryEvent::Outcome { call_id: CALL, outcome: Outcome::Ringing });
    bob.sees("alice", true).await;
    assert!(matches!(bob.next().await, DirectoryEvent::Incoming { .. }));
    bob.client.answer(CALL, Answer::Decline).await.unwrap();
    assert_eq!(alice.next().await, DirectoryEvent::Outcome { call_id: CALL, outcome: Outcome::Declined });
}

#[tokio::test]
async fn a_stranger_hears_no_answer_when_the_time_is_up() {
    let world = World::with(|config| config.timing.no_answer = Duration::from_millis(300));
    let mut alice = world.come("alice", &[]).await;
    let asked = Instant::now();
    alice.client.invite(alice.call("nobody", CALL)).await.unwrap();
    assert_eq!(alice.next().await, DirectoryEvent::Outcome { call_id: CALL, outcome: Outcome::Ringing });
    assert_eq!(alice.next().await, DirectoryEvent::Outcome { call_id: CALL, outcome: Outcome::NoAnswer });
    assert!(asked.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn looking_up_answers_late_when_there_is_nobody_to_be_seen() {
    let world = World::new();
    let alice = world.come("alice", &[]).await;
    let _bob = world.come("bob", &["alice"]).await;
    let hidden = world.connect("hidden").await;
    let nobody = Announcement { visible_to: Audience::Nobody, ..Announcement::available(vec![person("alice")]) };
    hidden.client.announce(nobody).await.unwrap();

    let answer = alice.client.look_up(&person("bob")).await.unwrap();
    assert_eq!(answer, Presence::plain(Status::Available));
    for name in ["hidden", "unknown"] {
        let asked = Instant::now();
        assert_eq!(alice.client.look_up(&person(name)).await.unwrap(), Presence::Offline);
        assert!(asked.elapsed() >= Duration::from_millis(100), "{name}");
    }
}

#[tokio::test]
async fn a_device_learns_how_it_is_seen_and_long_lists_pass() {
    let world = World::new();
    let mut bob = world.come("bob", &["alice"]).await;
    bob.sees("alice", false).await;
    let mut alice = world.connect("alice").await;
    let mut contacts: Vec<_> = (0..9_999).map(|n| person(&format!("contact-{n}"))).collect();
    contacts.push(person("bob"));
    let announced = alice.client.announce(Announcement::available(contacts.clone())).await.unwrap();
    assert_eq!(announced.observed, alice.endpoint.local_addr().unwrap());
    bob.sees("alice", true).await;

    alice.client.watch(contacts).await.unwrap();
    alice.sees("bob", true).await;
    for _ in 0..9_999 {
        assert!(matches!(alice.next().await, DirectoryEvent::Presence { presence: Presence::Offline, .. }));
    }
}

#[tokio::test]
async fn a_person_of_another_authority_is_refused() {
    let world = World::new();
    let stranger = Authority::new(2, before_now(Duration::from_secs(86_400)));
    let config = device(&stranger, "mallory", before_now(Duration::ZERO), world.authority.trust());
    let refused = world.try_connect(config).await.err();
    assert!(matches!(refused, Some(ConnectError::Closed(CloseReason::CertificateRefused(_)))), "{refused:?}");
    assert_eq!(world.directory.counts().connections, 0);
}

#[tokio::test]
async fn what_a_directory_trusts_can_change_while_it_runs() {
    let world = World::new();
    let mut alice = world.connect("alice").await;
    let newcomer = Authority::new(2, before_now(Duration::from_secs(86_400)));
    let config = || device(&newcomer, "mallory", before_now(Duration::ZERO), world.authority.trust());
    assert!(world.try_connect(config()).await.is_err());
    world.directory.trust(newcomer.trust()).unwrap();
    let mallory = world.try_connect(config()).await.unwrap();
    let reason = CloseReason::ByDirectory(CloseCode::NoLongerAccepted);
    assert_eq!(alice.next().await, DirectoryEvent::Closed { reason });
    drop(mallory);
    assert!(world.try_connect(world.device("alice", before_now(Duration::ZERO))).await.is_err());
}

#[tokio::test]
async fn a_directory_of_another_authority_or_name_is_refused() {
    let world = World::new();
    let elsewhere = Authority::new(2, before_now(Duration::from_secs(86_400)));
    let config = device(&world.authority, "alice", before_now(Duration::ZERO), elsewhere.trust());
    let refused = world.try_connect(config).await.err();
    assert!(matches!(refused, Some(ConnectError::NotTheDirectory { .. })), "{refused:?}");

    let endpoint = quinn::Endpoint::client(LOOPBACK).unwrap();
    let config = world.device("alice", before_now(Duration::ZERO));
    let refused = DirectoryClient::connect(&endpoint, world.address, "other.example.org", config).await.err();
    let Some(error @ ConnectError::NotTheDirectory { .. }) = refused else { panic!() };
    assert!(error.to_string().contains("other.example.org"), "{error}");
    assert_ne!(DIRECTORY, "other.example.org");
}

#[tokio::test]
async fn an_expiring_certificate_ends_the_connection() {
    let world = World::new();
    let almost_over = before_now(Duration::from_secs(14 * 86_400 - 15));
    let mut alice = world.try_connect(world.device("alice", almost_over)).await.unwrap();
    // Others see each other as before, and see her go.
    let mut bob = world.come("bob", &["alice"]).await;
    bob.sees("alice", false).await;
    common::is_there(&alice.client, &[person("bob")]).await.unwrap();
    bob.sees("alice", true).await;
    let end = async {
        loop {
            if let DirectoryEvent::Closed { reason } = alice.next().await {
                return reason;
            }
        }
    };
    assert_eq!(end.await, CloseReason::ByDirectory(CloseCode::Expired));
    bob.sees("alice", false).await;
    common::life_goes_on(&world).await;
}

/// A device, and the serial number of its certificate.
fn revocable(world: &World, name: &str) -> (quinn::ClientConfig, Vec<u8>) {
    let (chain, key) = world.authority.issue_person(&person(name), before_now(Duration::ZERO));
    let serial = Certificate::parse(&chain[0]).unwrap().tbs().serial().to_vec();
    (client_config(chain, private_key(&key), world.authority.trust()).unwrap(), serial)
}

/// The directory has a list with this certificate on it.
fn revoke(world: &World, serial: &[u8]) {
    let now = before_now(Duration::ZERO);
    world.trust.install_crl(&world.authority.people_crl(1, now, &[serial]), now).unwrap();
}

#[tokio::test]
async fn a_revoked_certificate_ends_the_connection() {
    let world = World::new();
    let mut alice = world.connect("alice").await;
    let mut bob = world.connect("bob").await;
    let connections = world.directory.counts().connections;
    assert_eq!(connections, 2);

    let (config, serial) = revocable(&world, "carol");
    let mut carol = world.try_connect(config).await.unwrap();
    revoke(&world, &serial);
    world.directory.revocations_changed();
    let reason = CloseReason::ByDirectory(CloseCode::NoLongerAccepted);
    assert_eq!(carol.next().await, DirectoryEvent::Closed { reason });
    for other in [&mut alice, &mut bob] {
        other.client.ping().await.unwrap();
    }
}

/// In the handshake, and not by a look at those who are there: she is there for nobody, not for a moment.
#[tokio::test]
async fn whose_certificate_is_revoked_or_over_is_turned_away_at_the_door() {
    let world = World::new();
    let mut alice = world.come("alice", &["carol"]).await;
    alice.sees("carol", false).await;
    let refusal = async |config| match world.try_connect(config).await.err() {
        Some(ConnectError::Closed(CloseReason::CertificateRefused(reason))) => reason,
        other => panic!("not refused for her certificate: {other:?}"),
    };

    let over = world.device("carol", before_now(Duration::from_secs(15 * 86_400)));
    let reason = refusal(over).await;
    assert!(reason.to_lowercase().contains("expired"), "{reason}");

    let (config, serial) = revocable(&world, "carol");
    revoke(&world, &serial);
    let reason = refusal(config).await;
    assert!(reason.to_lowercase().contains("revoked"), "{reason}");

    assert_eq!(world.directory.counts().connections, 1, "alice's");
    alice.client.ping().await.unwrap();
    assert!(alice.events.try_recv().is_err(), "carol was never there");
    // The list is about that one certificate: with another one she is let in.
    let _carol = world.come("carol", &["alice"]).await;
    alice.sees("carol", true).await;
}

#[tokio::test]
async fn a_stopping_directory_says_so() {
    let world = World::new();
    let mut alice = world.come("alice", &[]).await;
    world.stop.cancel();
    let reason = CloseReason::ByDirectory(CloseCode::Stopping);
    assert_eq!(alice.next().await, DirectoryEvent::Closed { reason: reason.clone() });
    let refused = alice.client.ping().await.unwrap_err();
    assert_eq!(refused, directory_protocol::client::RequestError::Closed(reason));
}
