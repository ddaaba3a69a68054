//! Sessions that outlive their connections, between engines with real sockets, through a network that breaks.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use messenger_engine::session::{Exported, RESUMPTION_LABEL, SESSION_LABEL, SessionKey};
use messenger_engine::wire::{self, Channel, Progress, Resume, TalkFrame};
use messenger_engine::{Command, DeliveryState, Event, SessionState};
use sha2::{Digest, Sha256};
use support::network::Network;
use support::{Someone, Town};

async fn alice_and_bob(town: &Town, network: &Arc<Network>) -> (Someone, Someone) {
    let mut alice = town.person_in(network, "alice", &["bob"]).await;
    let mut bob = town.person_in(network, "bob", &["alice"]).await;
    alice.sees("bob", true).await;
    bob.sees("alice", true).await;
    // Alice dials, bob is dialled.
    alice.send("bob", "text 0", 0).await;
    assert_eq!(bob.hears("alice").await, "text 0");
    assert_eq!(alice.fate(0).await.0, DeliveryState::Delivered);
    (alice, bob)
}

async fn session(someone: &mut Someone) -> SessionState {
    let state = |event: &Event| if let Event::Session { state, .. } = event { Some(*state) } else { None };
    someone.wait("word of the session", state).await
}

async fn send(from: &Someone, to: &str, ids: std::ops::Range<u64>) {
    for id in ids {
        from.send(to, &format!("text {id}"), id).await;
    }
}

/// All of these, once and in order, and each acknowledged.
async fn arrive(from: &mut Someone, to: &mut Someone, ids: std::ops::Range<u64>) {
    for id in ids {
        assert_eq!(to.hears(&from.name).await, format!("text {id}"));
        assert_eq!(from.fate(id).await, (DeliveryState::Delivered, None), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_go_on_when_either_side_changes_its_network() {
    let (town, network) = (Town::new().await, Network::new());
    let (mut alice, mut bob) = alice_and_bob(&town, &network).await;
    let mut first = 1;
    for changes in ["alice", "bob", "bob", "alice"] {
        send(&alice, "bob", first..first + 20).await;
        send(&bob, "alice", first..first + 20).await;
        network.cut();
        send(&alice, "bob", first + 20..first + 40).await;
        let changed = if changes == "alice" { &mut alice } else { &mut bob };
        changed.do_it(Command::NetworkChanged).await;
        send(&bob, "alice", first + 20..first + 40).await;
        let mut heard = (first..first + 40, first..first + 40);
        arrive_both(&mut alice, &mut bob, &mut heard).await;
        first += 40;
    }
}

/// What both say, whichever comes first.
async fn arrive_both(
    alice: &mut Someone,
    bob: &mut Someone,
    (of_alice, of_bob): &mut (std::ops::Range<u64>, std::ops::Range<u64>),
) {
    let (mut told_alice, mut told_bob) = (Told::default(), Told::default());
    let (ours, theirs) = (of_alice.clone(), of_bob.clone());
    tokio::join!(told_alice.collect(alice, &ours, &theirs), told_bob.collect(bob, &theirs, &ours));
    for (told, sent, heard) in [(told_alice, ours.clone(), theirs.clone()), (told_bob, theirs, ours)] {
        assert_eq!(told.heard, heard.map(|id| format!("text {id}")).collect::<Vec<_>>(), "once and in order");
        assert_eq!(told.delivered, sent.collect::<Vec<_>>());
    }
}

#[derive(Default)]
struct Told {
    heard: Vec<String>,
    delivered: Vec<u64>,
}

impl Told {
    async fn collect(&mut self, someone: &mut Someone, sent: &std::ops::Range<u64>, heard: &std::ops::Range<u64>) {
        let enough = (sent.clone().count(), heard.clone().count());
        someone
            .wait("all texts and all acknowledgements", |event| {
                match event {
                    Event::Message { text, .. } => self.heard.push(text.clone()),
                    Event::MessageState { id, state: DeliveryState::Delivered, .. } => self.delivered.push(*id),
                    Event::MessageState { state: DeliveryState::Sending, .. } => {}
                    Event::MessageState { id, state, reason, .. } => panic!("{id} is {state:?}: {reason:?}"),
                    _ => {}
                }
                ((self.delivered.len(), self.heard.len()) == enough).then_some(())
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dialler_may_come_from_another_address_without_anybody_noticing() {
    let (town, network) = (Town::new().await, Network::new());
    let (mut alice, mut bob) = alice_and_bob(&town, &network).await;
    for round in 0..3 {
        let ids = 1 + round * 10..11 + round * 10;
        network.move_diallers();
        send(&alice, "bob", ids.clone()).await;
        arrive(&mut alice, &mut bob, ids).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_are_told_and_the_old_connection_serves_until_there_is_another() {
    let (town, network) = (Town::new().await, Network::new());
    let (mut alice, mut bob) = alice_and_bob(&town, &network).await;
    bob.do_it(Command::NetworkChanged).await;
    assert_eq!(session(&mut bob).await, SessionState::Reconnecting);
    send(&alice, "bob", 1..5).await;
    assert_eq!(session(&mut bob).await, SessionState::Resumed);
    arrive_rest(&mut alice, 1..5).await;
}

async fn arrive_rest(from: &mut Someone, ids: std::ops::Range<u64>) {
    for id in ids {
        assert_eq!(from.fate(id).await, (DeliveryState::Delivered, None), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the network is away for 20 s; run by ./test --all"]
async fn twenty_seconds_without_a_packet_end_in_the_same_session() {
    let (town, network) = (Town::new().await, Network::new());
    let (mut alice, mut bob) = alice_and_bob(&town, &network).await;
    network.close(true);
    send(&alice, "bob", 1..10).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    network.close(false);
    assert_eq!(session(&mut alice).await, SessionState::Reconnecting);
    arrive(&mut alice, &mut bob, 1..10).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the network is away for 35 s; run by ./test --all"]
async fn a_network_that_stays_away_ends_the_session_and_every_text_has_its_verdict() {
    let (town, network) = (Town::new().await, Network::new());
    let (mut alice, _bob) = alice_and_bob(&town, &network).await;
    network.close(true);
    alice.send("bob", "left", 1).await;
    assert_eq!(session(&mut alice).await, SessionState::Reconnecting);
    assert_eq!(session(&mut alice).await, SessionState::Lost);
    assert_eq!(alice.fate(1).await.0, DeliveryState::Unknown);
}

/// A peer made by hand: the keys of both ends, and what is told.
struct ByHand {
    key: SessionKey,
    run: [u8; 8],
}

fn exported(connection: &quinn::Connection) -> Exported {
    let mut exported = Exported { session: [0; 32], resumption: [0; 32] };
    connection.export_keying_material(&mut exported.session, SESSION_LABEL, b"").unwrap();
    connection.export_keying_material(&mut exported.resumption, RESUMPTION_LABEL, b"").unwrap();
    exported
}

/// SHA-256 of the SubjectPublicKeyInfo of an Ed25519 key (RFC 8410).
fn spki_digest(key: &[u8; 32]) -> [u8; 32] {
    let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    Sha256::digest([&prefix[..], key].concat()).into()
}

impl ByHand {
    fn hello(&self, resume: Option<Resume>) -> Vec<u8> {
        let hello = TalkFrame::Hello { version: 1, run: self.run, capabilities: 3 | 16, resume, endorsements: None };
        [vec![Channel::Talk.byte()], wire::encode(&hello, Channel::Talk).unwrap()].concat()
    }

    fn resume(&self, connection: &quinn::Connection, received: u64) -> Resume {
        let progress = Progress { received, unanswered: 1, room_frames: 0 };
        Resume { session: self.key.name(), proof: self.key.prove(&exported(connection)), progress }
    }
}

async fn say(connection: &quinn::Connection, bytes: &[u8]) -> quinn::SendStream {
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// The stream on which the other side talks.
async fn talk_of(connection: &quinn::Connection) -> quinn::RecvStream {
    let begins = async {
        let mut stream = connection.accept_uni().await.unwrap();
        let mut channel = [0];
        stream.read_exact(&mut channel).await.unwrap();
        assert_eq!(channel, [Channel::Talk.byte()]);
        stream
    };
    tokio::time::timeout(Duration::from_secs(30), begins).await.unwrap()
}

fn ack(number: u64) -> Vec<u8> {
    let acks = vec![wire::Ack { number, refused: None }];
    wire::encode(&TalkFrame::Ack { acks }, Channel::Talk).unwrap()
}

/// The talk frames that come, until one answers the question.
async fn told<T>(stream: &mut quinn::RecvStream, mut question: impl FnMut(TalkFrame) -> Option<T>) -> T {
    let search = async {
        loop {
            let mut prefix = [0; 4];
            stream.read_exact(&mut prefix).await.unwrap();
            let mut body = vec![0; wire::body_length(prefix, Channel::Talk).unwrap()];
            stream.read_exact(&mut body).await.unwrap();
            if let Some(frame) = wire::decode::<TalkFrame>(&body).unwrap()
                && let Some(answer) = question(frame)
            {
                return answer;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), search).await.unwrap()
}

async fn closed_with(connection: &quinn::Connection) -> u64 {
    match tokio::time::timeout(Duration::from_secs(30), connection.closed()).await.unwrap() {
        quinn::ConnectionError::ApplicationClosed(closed) => closed.error_code.into_inner(),
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_hand_a_session_goes_on_and_whoever_cannot_prove_it_is_closed() {
    let town = Town::new().await;
    let (mut alice, alice_key) = town.person_and_key("alice", &["bob"]).await;
    let (mut bob, bob_key) = town.puppet_and_key("bob").await;
    let dial = |bob: &support::Puppet, door| {
        let connecting = bob.endpoint.connect_with(bob.peer_config.clone(), door, wire::SERVER_NAME).unwrap();
        async move { connecting.await.unwrap() }
    };
    let door = bob.call_alice().await;
    let first = dial(&bob, door).await;
    let key = SessionKey::new(&exported(&first), spki_digest(&bob_key), spki_digest(&alice_key));
    let by_hand = ByHand { key, run: [7; 8] };
    let mut talk = say(&first, &by_hand.hello(None)).await;
    let mut alice_talks = talk_of(&first).await;
    alice.send("bob", "answered", 1).await;
    told(&mut alice_talks, |frame| matches!(frame, TalkFrame::Text { number: 1, .. }).then_some(())).await;
    talk.write_all(&ack(1)).await.unwrap();
    assert_eq!(alice.fate(1).await, (DeliveryState::Delivered, None));

    // Wrong proofs, and progress that cannot be.
    type Spoil = fn(&mut Resume);
    let cases: [(&str, u32, Spoil); 4] = [
        ("a wrong proof", wire::Close::NOT_ITS_SESSION.0, |resume| resume.proof[0] ^= 1),
        ("no proof", wire::Close::NOT_ITS_SESSION.0, |resume| resume.proof = [0; 32]),
        ("numbers never sent", wire::Close::PROTOCOL.0, |resume| resume.progress.received = 2),
        ("answers never given", wire::Close::PROTOCOL.0, |resume| resume.progress.unanswered = 9),
    ];
    for (name, code, spoil) in cases {
        let door = bob.call_alice().await;
        let connection = dial(&bob, door).await;
        let mut resume = by_hand.resume(&connection, 1);
        spoil(&mut resume);
        let _talk = say(&connection, &by_hand.hello(Some(resume))).await;
        assert_eq!(closed_with(&connection).await, u64::from(code), "{name}");
    }
    // The proof of one connection on another one.
    let door = bob.call_alice().await;
    let other = dial(&bob, door).await;
    let replayed = by_hand.resume(&first, 1);
    let _talk = say(&other, &by_hand.hello(Some(replayed))).await;
    assert_eq!(closed_with(&other).await, u64::from(wire::Close::NOT_ITS_SESSION.0));

    // Only now: a session on which a text has no answer for 20 s ends, and on a busy machine all that took longer.
    alice.send("bob", "not answered", 2).await;
    told(&mut alice_talks, |frame| matches!(frame, TalkFrame::Text { number: 2, .. }).then_some(())).await;
    // The right one goes on: the text comes again, and the first connection is closed as moved.
    let door = bob.call_alice().await;
    let second = dial(&bob, door).await;
    let resume = by_hand.resume(&second, 1);
    let mut talk = say(&second, &by_hand.hello(Some(resume))).await;
    let mut proven = false;
    told(&mut talk_of(&second).await, |frame| match frame {
        TalkFrame::Hello { resume: Some(resume), .. } => {
            proven = by_hand.key.is_proven(&resume.proof, &exported(&second));
            None
        }
        TalkFrame::Text { number: 2, id: 2, text, reply: None } => (text == "not answered").then_some(()),
        _ => None,
    })
    .await;
    assert!(proven);
    assert_eq!(closed_with(&first).await, u64::from(wire::Close::MOVED.0));
    talk.write_all(&ack(2)).await.unwrap();
    assert_eq!(alice.fate(2).await, (DeliveryState::Delivered, None));
}
