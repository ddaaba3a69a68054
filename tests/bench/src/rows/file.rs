//! A file between two engines, from the disk to the disk, beside a bare quinn stream that does the same: reads and hashes on a
//! thread, hashes and writes on another, and syncs. How long a text takes meanwhile stands beside it.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use messenger_engine::{Command, DeliveryState, Event, TransferId, TransferState};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_util::bytes::Bytes;

use super::message::{Two, alice_and_bob};
use crate::measure::{Pair, Part, Scale, paired};
use crate::quic::Ends;

const ROUNDS: usize = 5;
const BYTES: usize = 256 * 1024 * 1024;
/// So many files go at once: twice as many as may run at a time.
const AT_ONCE: u8 = 8;
/// Of each of these.
const BYTES_OF_ONE: usize = 64 * 1024 * 1024;
/// So much is read, and written, at once.
const PIECE: usize = 256 * 1024;
/// Between two texts.
const PAUSE: Duration = Duration::from_millis(5);

/// Megabytes in a second.
pub(crate) fn bulk(runtime: &Runtime, scale: Scale) -> Pair {
    let (from, into) = (folder(), folder());
    let path = file(from.path(), "file", BYTES);
    let one_of_many = file(from.path(), "one-of-many", BYTES_OF_ONE);
    let mut sending = runtime.block_on(Sending::new());
    let mut bare = runtime.block_on(Bare::new());
    let per_second = |took: Duration| BYTES as f64 / 1e6 / took.as_secs_f64();
    let pair = paired(
        ROUNDS * scale.factor,
        || per_second(runtime.block_on(sending.files(1, &path, into.path(), None))),
        || per_second(runtime.block_on(bare.file(&path, into.path()))),
    );
    let mut meanwhile = |count: u8, path: &Path, name: &str| {
        let mut texts = Vec::new();
        runtime.block_on(sending.files(count, path, into.path(), Some(&mut texts)));
        texts.sort_by(f64::total_cmp);
        let p99 = texts.get(texts.len() * 99 / 100).copied().unwrap_or(f64::NAN);
        Part { name: format!("{name}, p99 (aim ≤ 50)"), figure: p99, unit: "ms", times: texts.len() as f64 }
    };
    let parts = vec![
        meanwhile(1, &path, "text meanwhile"),
        meanwhile(AT_ONCE, &one_of_many, &format!("text beside {AT_ONCE} files")),
    ];
    Pair { parts, ..pair }
}

fn file(folder: &Path, name: &str, length: usize) -> PathBuf {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes[..]);
    let path = folder.join(name);
    fs::write(&path, bytes).expect("there is room for a file");
    path
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is a folder for files that vanish")
}

/// Two engines with a conversation.
struct Sending {
    two: Two,
    /// What bob is told, who takes it at once.
    told_bob: mpsc::UnboundedReceiver<Event>,
    sent: u8,
    written: u64,
}

impl Sending {
    async fn new() -> Self {
        let mut two = Two::new().await;
        let (hand_on, told_bob) = mpsc::unbounded_channel();
        let mut events = two.bob_events.take().expect("nobody else listens");
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if hand_on.send(event).is_err() {
                    return;
                }
            }
        });
        Self { two, told_bob, sent: 0, written: 0 }
    }

    /// How long so many files, all with this content, take from their acceptance until both know that they are there; writes
    /// texts meanwhile, if they are to be measured.
    async fn files(&mut self, count: u8, path: &Path, into: &Path, texts: Option<&mut Vec<f64>>) -> Duration {
        let transfers: Vec<TransferId> = (1..=count).map(|one| TransferId([self.sent + one; 16])).collect();
        self.sent += count;
        for transfer in &transfers {
            let offer = Command::FileOffer {
                to: self.two.bob.to_string(),
                path: path.to_string_lossy().into_owned(),
                transfer: Some(*transfer),
                device: None,
                media_type: None,
            };
            assert!(self.two.alice_engine.send(offer).await, "the engine runs");
        }
        let mut offered = 0;
        while offered < count {
            let event = self.told_bob.recv().await.expect("the engine runs");
            offered += u8::from(matches!(event, Event::FileOffered { .. }));
        }
        let began = Instant::now();
        for transfer in transfers {
            let accept = Command::FileAccept { transfer, into: into.to_string_lossy().into_owned() };
            assert!(self.two.bob_engine.send(accept).await, "the engine runs");
        }
        self.done(count, texts).await;
        let took = began.elapsed();
        for _ in 0..count {
            loop {
                if let Event::FileState { state: TransferState::Done, path: Some(path), .. } =
                    self.told_bob.recv().await.expect("the engine runs")
                {
                    fs::remove_file(path).expect("it is there");
                    break;
                }
            }
        }
        took
    }

    /// Waits until so many files are done, and writes one text after another meanwhile.
    async fn done(&mut self, mut files: u8, mut texts: Option<&mut Vec<f64>>) {
        while files > 0 {
            let Some(took) = &mut texts else {
                files -= u8::from(is_done(&self.two.alice_events.recv().await.expect("the engine runs")));
                continue;
            };
            let (began, to) = (Instant::now(), self.two.bob.to_string());
            self.written += 1;
            let number = self.written;
            let text = Command::Send { to, text: "and meanwhile?".to_owned(), id: Some(number), reply_to: None };
            assert!(self.two.alice_engine.send(text).await, "the engine runs");
            loop {
                match self.two.alice_events.recv().await.expect("the engine runs") {
                    Event::MessageState { id, state: DeliveryState::Delivered, .. } if id == number => break,
                    event => files -= u8::from(is_done(&event)),
                }
                // What the last text takes beside no file says nothing.
                if files == 0 {
                    return;
                }
            }
            took.push(began.elapsed().as_secs_f64() * 1e3);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn is_done(event: &Event) -> bool {
    match event {
        Event::FileState { state, reason, .. } => {
            assert!(!state.is_over() || *state == TransferState::Done, "a file was not sent: {reason:?}");
            *state == TransferState::Done
        }
        _ => false,
    }
}

/// A connection without an engine.
struct Bare {
    dialled: quinn::Connection,
    accepted: quinn::Connection,
    _ends: Ends,
}

impl Bare {
    async fn new() -> Self {
        let (ends, dialled, accepted) = alice_and_bob().await;
        Self { dialled, accepted, _ends: ends }
    }

    async fn file(&mut self, path: &Path, into: &Path) -> Duration {
        let began = Instant::now();
        let (path, place) = (path.to_owned(), into.join("bare"));
        let ((), there) = tokio::join!(give(&self.dialled, path), take(&self.accepted, place.clone()));
        assert!(there, "the hash is right");
        let took = began.elapsed();
        fs::remove_file(place).expect("it is there");
        took
    }
}

async fn give(connection: &quinn::Connection, path: PathBuf) {
    let (hand_on, mut pieces) = mpsc::channel(4);
    let reading = tokio::task::spawn_blocking(move || {
        let (mut file, mut hash) = (File::open(path).expect("it is there"), Sha256::new());
        loop {
            let mut piece = vec![0; PIECE];
            let read = file.read(&mut piece).expect("it can be read");
            piece.truncate(read);
            hash.update(&piece);
            if read == 0 {
                hand_on.blocking_send(hash.finalize().to_vec()).expect("somebody listens");
                return;
            }
            hand_on.blocking_send(piece).expect("somebody listens");
        }
    });
    let mut stream = connection.open_uni().await.expect("streams are free");
    while let Some(piece) = pieces.recv().await {
        stream.write_chunk(piece.into()).await.expect("the stream is open");
    }
    reading.await.expect("it can be read");
    stream.finish().expect("the stream is open");
    stream.stopped().await.expect("it is read");
}

async fn take(connection: &quinn::Connection, place: PathBuf) -> bool {
    let (hand_on, mut batches) = mpsc::channel::<Vec<Bytes>>(8);
    let writing = tokio::task::spawn_blocking(move || {
        let mut file = BufWriter::with_capacity(PIECE, File::create(place).expect("there is room for a file"));
        let (mut hash, mut left, mut sent) = (Sha256::new(), BYTES, Vec::new());
        let mut take = |bytes: &[u8]| {
            let (of_file, of_hash) = bytes.split_at(left.min(bytes.len()));
            hash.update(of_file);
            file.write_all(of_file).expect("there is room for a file");
            left -= of_file.len();
            sent.extend_from_slice(of_hash);
        };
        while let Some(batch) = batches.blocking_recv() {
            batch.iter().for_each(|bytes| take(bytes));
        }
        file.flush().and_then(|()| file.get_ref().sync_all()).expect("there is room for a file");
        hash.finalize()[..] == sent
    });
    let mut stream = connection.accept_uni().await.expect("a stream is opened");
    loop {
        let mut batch: [_; 32] = Default::default();
        let Some(read) = stream.read_chunks(&mut batch).await.expect("the stream is open") else { break };
        hand_on.send(batch.into_iter().take(read).collect()).await.expect("somebody writes");
    }
    drop(hand_on);
    writing.await.expect("it can be written")
}
