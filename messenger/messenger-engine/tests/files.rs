//! Files between engines with real sockets and real disks: whole, in folders, through broken networks, ended by either side.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use messenger_engine::{Command, DeliveryState, Direction, Event, Side, TransferId, TransferState};
use support::network::Network;
use support::{Someone, Town, identifier};
use tempfile::TempDir;

const TEA: TransferId = TransferId([0x7e; 16]);
const MEGABYTE: usize = 1024 * 1024;

/// Alice has something to give, and bob a folder.
struct Table {
    alice: Someone,
    bob: Someone,
    from: TempDir,
    into: TempDir,
    network: Arc<Network>,
    _town: Town,
}

impl Table {
    async fn new() -> Self {
        let (town, network) = (Town::new().await, Network::new());
        let mut alice = town.person_in(&network, "alice", &["bob"]).await;
        let mut bob = town.person_in(&network, "bob", &["alice"]).await;
        alice.sees("bob", true).await;
        bob.sees("alice", true).await;
        alice.send("bob", "hello", 0).await;
        assert_eq!(alice.fate(0).await.0, DeliveryState::Delivered);
        Self { alice, bob, from: TempDir::new().unwrap(), into: TempDir::new().unwrap(), network, _town: town }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.from.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn offer(&mut self, path: &str, transfer: TransferId) {
        let to = identifier("bob").to_string();
        self.alice
            .do_it(Command::FileOffer {
                to,
                path: path.to_owned(),
                transfer: Some(transfer),
                device: None,
                media_type: None,
            })
            .await;
        self.bob.wait("an offer", |event| offered(event, transfer)).await;
    }

    async fn accept(&mut self, transfer: TransferId) {
        let into = self.into.path().to_str().unwrap().to_owned();
        self.bob.do_it(Command::FileAccept { transfer, into }).await;
    }

    /// What is in bob's folder.
    fn found(&self) -> Vec<String> {
        names(self.into.path())
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.into.path().join(name)).unwrap()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn offered(event: &Event, expected: TransferId) -> Option<()> {
    matches!(event, Event::FileOffered { transfer, .. } if *transfer == expected).then_some(())
}

/// Waits until a transfer is in a state, however slow the machine is, as long as it gets on and nothing that has come is lost;
/// returns by whom, and why.
async fn stands(who: &mut Someone, expected: TransferId, at: TransferState) -> (Option<Side>, Option<String>) {
    let mut there = 0;
    loop {
        let question = |event: &Event| match event {
            Event::FileState { transfer, state, by, reason, .. } if *transfer == expected => {
                assert!(*state == at || !state.is_over(), "{state:?}: {reason:?}");
                (*state == at).then(|| Some((*by, reason.clone())))
            }
            Event::FileProgress { transfer, direction, done, .. } if *transfer == expected => {
                assert!(*direction == Direction::Out || *done >= there, "{done} bytes, after {there}");
                there = *done;
                Some(None)
            }
            _ => None,
        };
        if let Some(found) = who.wait(&format!("{at:?}"), question).await {
            return found;
        }
    }
}

/// Waits until at least so many bytes of a transfer have come; returns how many.
async fn has(who: &mut Someone, expected: TransferId, least: u64) -> u64 {
    who.wait("progress", |event| match event {
        Event::FileProgress { transfer, done, direction: Direction::In, .. } => {
            (*transfer == expected && *done >= least).then_some(*done)
        }
        _ => None,
    })
    .await
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes[..]);
    bytes
}

/// A file of which nothing is on the disk but its size.
fn sparse(table: &Table, name: &str, megabytes: u64) -> String {
    let path = table.from.path().join(name);
    fs::File::create(&path).unwrap().set_len(megabytes << 20).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_arrives_under_a_safe_name() {
    let mut table = Table::new().await;
    let bytes = random(3 * MEGABYTE + 17);
    let path = table.file("-run\u{202e}.sh", &bytes);
    table.offer(&path, TEA).await;
    table.accept(TEA).await;
    stands(&mut table.bob, TEA, TransferState::Done).await;
    stands(&mut table.alice, TEA, TransferState::Done).await;
    assert_eq!(table.found(), ["-run_.sh"]);
    assert!(table.bytes("-run_.sh") == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_arrives_whole() {
    let mut table = Table::new().await;
    let (long, short) = (random(MEGABYTE), random(3));
    table.file("pots/large/a", &long);
    for number in 0..300 {
        table.file(&format!("pots/small/{number}"), &short);
    }
    table.file("pots/nothing", b"");
    let path = table.from.path().join("pots");
    table.offer(path.to_str().unwrap(), TEA).await;
    table.accept(TEA).await;
    stands(&mut table.alice, TEA, TransferState::Done).await;
    assert_eq!(table.found(), ["pots"]);
    assert!(table.bytes("pots/large/a") == long && table.bytes("pots/nothing").is_empty());
    assert_eq!(names(&table.into.path().join("pots/small")).len(), 300);
    assert!(table.bytes("pots/small/299") == short);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_after_the_network_was_cut() {
    let mut table = Table::new().await;
    let bytes = random(120 * MEGABYTE);
    let path = table.file("tea", &bytes);
    table.offer(&path, TEA).await;
    table.accept(TEA).await;
    // It is told after a quarter of a second for the first time, and twice a second from then on: at the second time there is
    // more than a stream that began anew would have brought when that is told for the first time.
    let first = has(&mut table.bob, TEA, 1).await;
    let there = has(&mut table.bob, TEA, first + 1).await;
    for changes in ["alice", "bob"] {
        table.network.cut();
        let changed = if changes == "alice" { &table.alice } else { &table.bob };
        changed.do_it(Command::NetworkChanged).await;
        changed.send(if changes == "alice" { "bob" } else { "alice" }, "are you there?", 7).await;
    }
    let next = has(&mut table.bob, TEA, 1).await;
    assert!(next > there, "it goes on at {next}, and had come to {there}");
    stands(&mut table.bob, TEA, TransferState::Done).await;
    stands(&mut table.alice, TEA, TransferState::Done).await;
    assert!(table.bytes("tea") == bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_ends_at_the_end_costs_only_the_rest() {
    let mut table = Table::new().await;
    let bytes = random(40 * MEGABYTE);
    let path = table.file("tea", &bytes);
    table.offer(&path, TEA).await;
    table.accept(TEA).await;
    has(&mut table.bob, TEA, MEGABYTE as u64).await;
    table.bob.do_it(Command::GoOffline).await;
    stands(&mut table.alice, TEA, TransferState::Stopped).await;
    stands(&mut table.bob, TEA, TransferState::Stopped).await;
    assert!(table.found()[0].starts_with('.'), "{:?}", table.found());
    table.bob.do_it(Command::GoOnline).await;
    table.bob.is_online().await;
    table.alice.sees("bob", true).await;
    // What was kept is no longer what is offered: the hash tells, and the next time it begins anew.
    let mut other = bytes.clone();
    other[0] ^= 1;
    let (second, third) = (TransferId([2; 16]), TransferId([3; 16]));
    table.file("tea", &other);
    table.offer(&path, second).await;
    table.accept(second).await;
    let (_, reason) = stands(&mut table.bob, second, TransferState::Failed).await;
    assert!(reason.unwrap().contains("its hash is another one"));
    stands(&mut table.alice, second, TransferState::Failed).await;
    table.offer(&path, third).await;
    table.accept(third).await;
    stands(&mut table.bob, third, TransferState::Done).await;
    assert!(table.bytes("tea") == other);
    assert_eq!(table.found(), ["tea"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_refused_where_it_does_not_fit_paused_continued_and_cancelled() {
    let mut table = Table::new().await;
    let path = sparse(&table, "sparse", 8_000_000);
    table.offer(&path, TEA).await;
    let (_, reason) = {
        table.accept(TEA).await;
        // The disk here has no room for it: that is said before anything comes.
        stands(&mut table.bob, TEA, TransferState::Failed).await
    };
    assert!(reason.unwrap().contains("make room"));
    stands(&mut table.alice, TEA, TransferState::Failed).await;
    assert!(table.found().is_empty());

    let (path, second) = (sparse(&table, "sparse", 500), TransferId([2; 16]));
    table.offer(&path, second).await;
    table.accept(second).await;
    has(&mut table.bob, second, MEGABYTE as u64).await;
    table.bob.do_it(Command::FilePause { transfer: second }).await;
    assert_eq!(stands(&mut table.alice, second, TransferState::Paused).await.0, Some(Side::Them));
    // A pause lets the stream end, and the conversation go on.
    table.alice.send("bob", "take your time", 7).await;
    assert_eq!(table.alice.fate(7).await.0, DeliveryState::Delivered);
    table.bob.do_it(Command::FileContinue { transfer: second }).await;
    stands(&mut table.alice, second, TransferState::Running).await;
    has(&mut table.bob, second, 20 * MEGABYTE as u64).await;
    table.alice.do_it(Command::FileCancel { transfer: second }).await;
    assert_eq!(stands(&mut table.bob, second, TransferState::Cancelled).await.0, Some(Side::Them));
    assert_eq!(stands(&mut table.alice, second, TransferState::Cancelled).await.0, Some(Side::Me));
    is_empty(table.into.path()).await;
}

/// What is deleted is deleted behind the word that it is.
async fn is_empty(folder: &Path) {
    let gone = async {
        while !names(folder).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(support::PATIENCE, gone).await;
    assert!(in_time.is_ok(), "{:?}", names(folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_arrive_while_texts_go() {
    let mut table = Table::new().await;
    let transfer = |number: u8| TransferId([number; 16]);
    // As many as run at a time, and others that wait behind them. None is done before the last text is: the network is slow.
    table.network.slow(true);
    let (large, small) = (1..=4, 5..=10);
    for number in large.clone() {
        let path = sparse(&table, &format!("sparse{number}"), 200);
        table.offer(&path, transfer(number)).await;
    }
    for number in small.clone() {
        let path = table.file(&format!("tea{number}"), &vec![number; 2 * MEGABYTE]);
        table.offer(&path, transfer(number)).await;
    }
    for number in large.clone() {
        table.accept(transfer(number)).await;
    }
    for number in large.clone() {
        has(&mut table.bob, transfer(number), 1).await;
    }
    for number in small.clone() {
        table.accept(transfer(number)).await;
    }
    for id in 1..=50 {
        table.alice.send("bob", "and meanwhile?", id).await;
        let fate = |event: &Event| match event {
            Event::MessageState { id: of, state: DeliveryState::Delivered, .. } if *of == id => Some(()),
            Event::MessageState { state: DeliveryState::Sending, .. } => None,
            Event::MessageState { .. } => panic!("{event:?}"),
            Event::FileState { state, reason, .. } => {
                assert!(!state.is_over(), "a file is over before text {id} has arrived: {state:?}: {reason:?}");
                None
            }
            _ => None,
        };
        table.alice.wait("a text that does not wait for a file", fate).await;
    }
    // They were on their way all the time, and are.
    for number in large.clone() {
        let more = |event: &Event| match event {
            Event::FileProgress { transfer: of, .. } => (*of == transfer(number)).then_some(()),
            Event::FileState { state, reason, .. } => {
                assert!(!state.is_over(), "{state:?}: {reason:?}");
                None
            }
            _ => None,
        };
        table.alice.wait("progress", more).await;
    }
    for number in large {
        table.alice.do_it(Command::FileCancel { transfer: transfer(number) }).await;
    }
    table.network.slow(false);
    let mut left = small.len();
    let counts = |event: &Event| {
        match event {
            Event::FileState { state: TransferState::Done, .. } => left -= 1,
            Event::FileState { state: TransferState::Cancelled, .. } => {}
            Event::FileState { state, reason, .. } if state.is_over() => panic!("{state:?}: {reason:?}"),
            _ => {}
        }
        (left == 0).then_some(())
    };
    table.alice.wait("all files that are wanted", counts).await;
    for number in small {
        assert!(table.bytes(&format!("tea{number}")) == vec![number; 2 * MEGABYTE]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_written_both_learn_it() {
    let mut table = Table::new().await;
    let path = table.file("tea", b"green");
    table.offer(&path, TEA).await;
    table.bob.do_it(Command::FileAccept { transfer: TEA, into: "/proc".into() }).await;
    let (_, reason) = stands(&mut table.bob, TEA, TransferState::Failed).await;
    assert!(reason.unwrap().contains("/proc"));
    let (_, told) = stands(&mut table.alice, TEA, TransferState::Failed).await;
    assert!(!told.unwrap().contains("proc"), "paths are nobody's business");
    // A file that is another one by now.
    let second = TransferId([2; 16]);
    table.offer(&path, second).await;
    table.file("tea", b"black tea");
    table.accept(second).await;
    let (_, reason) = stands(&mut table.alice, second, TransferState::Failed).await;
    assert!(reason.unwrap().contains("was changed since"));
    stands(&mut table.bob, second, TransferState::Failed).await;
    assert!(table.found().iter().all(|name| name.starts_with('.')));
}
