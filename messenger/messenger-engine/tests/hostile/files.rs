//! Who offers files, and sends something else, or too much, or never all of it.

use std::path::Path;

use messenger_engine::wire::{
    self, Channel, Close, End, Entry, FileHead, FileWord, Mark, Outline, Page, TalkFrame, Wanted, capability,
};
use messenger_engine::{Command, Event, TransferId, TransferState};
use quinn::{RecvStream, SendStream};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{PATIENCE, Puppet, Someone, Town};

/// Bob without an engine, who has a conversation with alice.
struct Giver {
    connection: quinn::Connection,
    talk: SendStream,
    heard: RecvStream,
    number: u64,
}

impl Giver {
    async fn meet(bob: &mut Puppet) -> Self {
        let door = bob.call_alice().await;
        let connecting = bob.endpoint.connect_with(bob.peer_config.clone(), door, wire::SERVER_NAME).unwrap();
        let connection = connecting.await.unwrap();
        let mut talk = connection.open_uni().await.unwrap();
        let capabilities = capability::TEXT | capability::MARKS | capability::FILES;
        let hello =
            TalkFrame::Hello { version: 1, run: rand::random(), capabilities, resume: None, endorsements: None };
        talk.write_all(&[Channel::Talk.byte()]).await.unwrap();
        talk.write_all(&wire::encode(&hello, Channel::Talk).unwrap()).await.unwrap();
        let mut heard = connection.accept_uni().await.unwrap();
        heard.read_exact(&mut [0]).await.unwrap();
        Self { connection, talk, heard, number: 0 }
    }

    async fn say(&mut self, transfer: TransferId, word: FileWord) {
        self.number += 1;
        let mark = Mark::File { transfer: transfer.0, word };
        let frame = TalkFrame::Mark { number: self.number, id: self.number, mark };
        self.talk.write_all(&wire::encode(&frame, Channel::Talk).unwrap()).await.unwrap();
    }

    /// The next word about a file; what comes in between is answered.
    async fn hears(&mut self) -> FileWord {
        let search = async {
            loop {
                let mut prefix = [0; 4];
                self.heard.read_exact(&mut prefix).await.unwrap();
                let mut body = vec![0; wire::body_length(prefix, Channel::Talk).unwrap()];
                self.heard.read_exact(&mut body).await.unwrap();
                let frame = wire::decode::<TalkFrame>(&body).unwrap();
                if let Some(TalkFrame::Mark { mark: Mark::File { word, .. }, .. }) = frame {
                    return word;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("alice says something about a file")
    }

    /// What is wanted, and under which request.
    async fn pulled(&mut self) -> (u64, Wanted) {
        match self.hears().await {
            FileWord::Pull { request, wanted } => (request, wanted),
            other => panic!("expected a request, found {}", other.name()),
        }
    }

    /// Begins the stream that answers this request.
    async fn stream(&self, transfer: TransferId, request: u64) -> SendStream {
        let mut stream = self.connection.open_uni().await.unwrap();
        let head = wire::encode(&FileHead { transfer: transfer.0, request }, Channel::Files).unwrap();
        stream.write_all(&[&[Channel::Files.byte()], head.as_slice()].concat()).await.unwrap();
        stream
    }
}

const TEA: &[u8] = b"green tea, a hundred grams of it";

fn outline(folder: bool, bytes: &[u8]) -> Outline {
    Outline { name: "tea".into(), folder, files: 1, bytes: bytes.len() as u64, media_type: None, room: None }
}

/// Offers it, and alice takes it.
async fn offered(alice: &mut Someone, bob: &mut Giver, into: &Path, what: Outline, transfer: TransferId) {
    bob.say(transfer, FileWord::Offer { what }).await;
    let question =
        |event: &Event| matches!(event, Event::FileOffered { transfer: it, .. } if *it == transfer).then_some(());
    alice.wait("an offer", question).await;
    alice.do_it(Command::FileAccept { transfer, into: into.to_str().unwrap().into() }).await;
}

/// How a transfer ended, and why.
async fn ended(alice: &mut Someone, expected: TransferId) -> (TransferState, String) {
    let question = |event: &Event| match event {
        Event::FileState { transfer, state, reason, .. } if *transfer == expected && state.is_over() => {
            Some((*state, reason.clone().unwrap_or_default()))
        }
        _ => None,
    };
    alice.wait("the end of a transfer", question).await
}

fn named(into: &TempDir) -> Vec<String> {
    let names = std::fs::read_dir(into.path()).unwrap().map(|one| one.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with('.')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_lie_about_their_size_or_hash_get_no_name() {
    let (town, into) = (Town::new().await, TempDir::new().unwrap());
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = Giver::meet(&mut town.puppet("bob").await).await;
    let hash: [u8; 32] = Sha256::digest(TEA).into();
    let whole = [TEA, &hash].concat();
    let mut altered = whole.clone();
    altered[3] ^= 1;
    let cases = [
        (altered, "its hash is another one"),
        // What comes after its end is taken for its hash, and what comes after that for too much.
        ([TEA, b"!", &hash].concat(), "its hash is another one"),
        // Shorter than was offered: its hash is taken for its end.
        ([&TEA[1..], &hash, &[0; 40]].concat(), "its hash is another one"),
    ];
    for (number, (lie, why)) in (1..).zip(cases) {
        let transfer = TransferId([number; 16]);
        offered(&mut alice, &mut bob, into.path(), outline(false, TEA), transfer).await;
        let (request, wanted) = bob.pulled().await;
        assert_eq!(wanted, Wanted::Files { entry: 0, offset: 0 });
        let mut stream = bob.stream(transfer, request).await;
        let _ = stream.write_all(&lie).await;
        let (state, reason) = ended(&mut alice, transfer).await;
        assert!(state == TransferState::Failed && reason.contains(why), "{state:?}: {reason}");
        assert!(matches!(bob.hears().await, FileWord::Over { end: End::Failed, .. }));
        assert!(named(&into).is_empty());
    }
    // A manifest that leads out of its folder, and one of other files.
    for (number, (path, size)) in (10..).zip([("../../out", TEA.len() as u64), ("in", 1 << 40)]) {
        let transfer = TransferId([number; 16]);
        offered(&mut alice, &mut bob, into.path(), outline(true, TEA), transfer).await;
        let (request, wanted) = bob.pulled().await;
        assert_eq!(wanted, Wanted::Manifest);
        let mut stream = bob.stream(transfer, request).await;
        for entries in [vec![Entry { path: path.into(), size }], Vec::new()] {
            let _ = stream.write_all(&wire::encode(&Page { entries }, Channel::Files).unwrap()).await;
        }
        if size == 1 << 40 {
            assert_eq!(ended(&mut alice, transfer).await.0, TransferState::Failed);
            continue;
        }
        // Its name is made harmless, and it stays in its folder.
        let (request, _) = bob.pulled().await;
        bob.stream(transfer, request).await.write_all(&whole).await.unwrap();
        assert_eq!(ended(&mut alice, transfer).await.0, TransferState::Done);
        assert_eq!(named(&into), ["tea"]);
        assert!(!into.path().parent().unwrap().join("out").exists());
        std::fs::remove_dir_all(into.path().join("tea")).unwrap();
        // The pull, and that it is done.
        assert!(matches!(bob.hears().await, FileWord::Over { end: End::Done, .. }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_giver_who_vanishes_shortly_before_the_end_leaves_a_part_to_go_on_with() {
    let (town, into) = (Town::new().await, TempDir::new().unwrap());
    let mut alice = town.person("alice", &["bob"]).await;
    let mut puppet = town.puppet("bob").await;
    let mut bob = Giver::meet(&mut puppet).await;
    let (first, second) = (TransferId([1; 16]), TransferId([2; 16]));
    offered(&mut alice, &mut bob, into.path(), outline(false, TEA), first).await;
    let (request, _) = bob.pulled().await;
    let mut stream = bob.stream(first, request).await;
    stream.write_all(&TEA[..31]).await.unwrap();
    stream.finish().unwrap();
    // She has what came: she asks for what is left.
    let (_, wanted) = bob.pulled().await;
    assert_eq!(wanted, Wanted::Files { entry: 0, offset: 31 });
    bob.connection.close(Close::DONE.0.into(), b"");
    assert_eq!(ended(&mut alice, first).await.0, TransferState::Stopped);
    assert!(named(&into).is_empty());

    let mut bob = Giver::meet(&mut puppet).await;
    offered(&mut alice, &mut bob, into.path(), outline(false, TEA), second).await;
    let (request, wanted) = bob.pulled().await;
    assert_eq!(wanted, Wanted::Files { entry: 0, offset: 31 });
    let hash: [u8; 32] = Sha256::digest(TEA).into();
    bob.stream(second, request).await.write_all(&[&TEA[31..], &hash].concat()).await.unwrap();
    assert_eq!(ended(&mut alice, second).await.0, TransferState::Done);
    assert_eq!(std::fs::read(into.path().join("tea")).unwrap(), TEA);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_nobody_asked_for_are_stopped_and_heads_that_are_none_end_the_conversation() {
    let (town, into) = (Town::new().await, TempDir::new().unwrap());
    let mut alice = town.person("alice", &["bob"]).await;
    let mut bob = Giver::meet(&mut town.puppet("bob").await).await;
    let transfer = TransferId([1; 16]);
    for number in 0..20 {
        let mut stream = bob.stream(TransferId([number; 16]), 1).await;
        let stopped = tokio::time::timeout(PATIENCE, stream.stopped()).await.unwrap().unwrap();
        assert_eq!(stopped.map(u64::from), Some(u64::from(Close::HALTED.0)));
        let _ = stream.reset(0_u8.into());
    }
    offered(&mut alice, &mut bob, into.path(), outline(false, TEA), transfer).await;
    let (request, _) = bob.pulled().await;
    let stale = bob.stream(transfer, request + 1).await;
    let stopped = tokio::time::timeout(PATIENCE, stale.stopped()).await.unwrap().unwrap();
    assert_eq!(stopped.map(u64::from), Some(u64::from(Close::HALTED.0)));
    let hash: [u8; 32] = Sha256::digest(TEA).into();
    bob.stream(transfer, request).await.write_all(&[TEA, &hash].concat()).await.unwrap();
    assert_eq!(ended(&mut alice, transfer).await.0, TransferState::Done);

    let mut stream = bob.connection.open_uni().await.unwrap();
    let _ = stream.write_all(&[3, 0, 1, 0, 1]).await;
    assert_eq!(crate::closed_with(&bob.connection).await, u64::from(Close::PROTOCOL.0));
}
