//! SIGKILL at random moments: a real process, a real folder, and nothing acknowledged is lost.
//!
//! The test starts itself again as the victim.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use common::{ORIGIN, entry};
use tlog_proof::{Cosigner, LogPolicy, NoteSigner};
use transparency_log::client::folder_source;
use transparency_log::monitor::audit;
use transparency_log::testing::key;
use transparency_log::{LogConfig, Sequencer, Submit as _, Witness, system_clock};

const VICTIM: &str = "LOG_KILL_VICTIM_FOLDER";

/// How long a victim may take until it has acknowledged something, on a machine that is very busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A submission gets its old index while it is among so many of the last entries (docs/spec/log.md).
const RETRY_WINDOW: u64 = 65_536;

fn policy() -> LogPolicy {
    let log = NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap().vkey();
    let witness = Cosigner::new("witness.example", key(ORIGIN, "witness")).unwrap().vkey();
    LogPolicy::parse(&format!("log {log}\nwitness w {witness}\nquorum w\n")).unwrap()
}

async fn open(folder: &Path) -> Sequencer {
    let signer = NoteSigner::new(ORIGIN, key(ORIGIN, "log")).unwrap();
    let cosigner = Cosigner::new("witness.example", key(ORIGIN, "witness")).unwrap();
    let witness = Witness::open(&folder.join("witness"), cosigner, vec![signer.vkey()], system_clock()).unwrap();
    let config =
        LogConfig { folder: folder.join("log"), origin: ORIGIN.into(), batch_interval: Duration::from_millis(2) };
    Sequencer::open(config, signer, vec![Arc::new(witness)], policy()).await.unwrap()
}

/// Submits without end and prints each acknowledged entry with its index.
#[tokio::test]
async fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let log = open(Path::new(&folder)).await;
    let first: u64 = std::env::var("LOG_KILL_FIRST").unwrap().parse().unwrap();
    for wave in 0.. {
        let numbers = first + wave * 40..first + (wave + 1) * 40;
        let submissions = numbers.clone().map(|number| log.submit(entry(number)));
        let logged = futures_util::future::try_join_all(submissions).await.unwrap();
        let mut out = std::io::stdout().lock();
        for (number, logged) in numbers.zip(logged) {
            writeln!(out, "\nacknowledged {number} {}", logged.index).unwrap();
        }
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost() {
    kill(8).await;
}

#[tokio::test]
#[ignore = "two hundred kills take minutes; run by ./test --all"]
async fn nothing_acknowledged_is_lost_in_two_hundred_kills() {
    assert!(kill(200).await > 0, "some of two hundred acknowledge something");
}

/// A victim that runs, and what it acknowledges.
struct Victim {
    process: Child,
    lines: Receiver<String>,
}

impl Victim {
    fn start(folder: &Path, round: u64) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(VICTIM, folder)
            .env("LOG_KILL_FIRST", (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(process.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let acknowledged = out.lines().map_while(Result::ok).filter(|line| line.starts_with("acknowledged"));
            acknowledged.for_each(|line| _ = send.send(line));
        });
        Self { process, lines }
    }

    /// SIGKILL; notes down the index of every number that was acknowledged.
    fn kill(mut self, acknowledged: &mut BTreeMap<u64, u64>) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        // The channel ends with the pipe.
        acknowledged.extend(self.lines.iter().filter_map(|line| number_and_index(&line)));
    }
}

/// None if the line was cut off; the last one may be.
fn number_and_index(line: &str) -> Option<(u64, u64)> {
    let (number, index) = line.strip_prefix("acknowledged ")?.split_once(' ')?;
    Some((number.parse().ok()?, index.parse().ok()?))
}

/// However slow the machine was when it was looked at: two hundred kills are to end.
const LATEST: Duration = Duration::from_secs(5);

/// How many entries were acknowledged by victims that were killed at moments of no choice.
async fn kill(rounds: u64) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    // How long it takes here until something is acknowledged by a log that is opened again, as in every round: the kills
    // are spread over twice that time, so over opening, batching, writing and publishing.
    let mut moments = LATEST;
    for undisturbed in [rounds, rounds + 1] {
        let began = Instant::now();
        let victim = Victim::start(folder.path(), undisturbed);
        let line = victim.lines.recv_timeout(PATIENCE);
        moments = LATEST.min(began.elapsed() * 2);
        victim.kill(&mut acknowledged);
        let line = line.expect("an undisturbed victim acknowledges something");
        acknowledged.extend(number_and_index(&line));
    }
    let before = acknowledged.len();
    let mut cursor = Some(account(folder.path(), &acknowledged, None).await);
    for round in 0..rounds {
        let victim = Victim::start(folder.path(), round);
        // The golden ratio: however many rounds there are, no two moments are close to one another.
        std::thread::sleep(moments.mul_f64((round as f64 * 0.618_034).fract()));
        victim.kill(&mut acknowledged);
        cursor = Some(account(folder.path(), &acknowledged, cursor).await);
    }
    acknowledged.len() - before
}

/// Reopens the log, audits it from the last cursor and as a whole, finds everything acknowledged where it was said to
/// be, and asks for what the log must still remember once more.
async fn account(
    folder: &Path,
    acknowledged: &BTreeMap<u64, u64>,
    cursor: Option<transparency_log::monitor::Cursor>,
) -> transparency_log::monitor::Cursor {
    let log = open(folder).await;
    let policy = policy();
    let source = || folder_source(&folder.join("log"));
    audit(source(), &policy, cursor, |_| {}, |_, _| {}).await.unwrap();
    let mut held = BTreeMap::new();
    let whole = audit(source(), &policy, None, |_| {}, |index, entry| _ = held.insert(index, entry.encode()));
    let whole = whole.await.unwrap();
    assert!(whole.duplicates.is_empty());
    for (number, index) in acknowledged {
        assert_eq!(held.get(index), Some(&entry(*number)), "entry {number} was acknowledged as {index}");
    }
    let remembered = whole.cursor.size().saturating_sub(RETRY_WINDOW);
    let (numbers, indexes): (Vec<u64>, Vec<u64>) =
        acknowledged.iter().filter(|(_, index)| **index >= remembered).unzip();
    let again = futures_util::future::try_join_all(numbers.iter().map(|number| log.submit(entry(*number))));
    assert!(again.await.unwrap().iter().map(|logged| logged.index).eq(indexes));
    log.stop().await;
    whole.cursor
}
