//! Finding words in a history of a million texts, beside the same tables and the same queries in plain SQLite: what the
//! encryption costs, and what a person waits.

use std::path::Path;

use history::{Conversation, Folder, History, KeyPlace, New, State};
use key_store::Passphrase;
use rusqlite::Connection;
use tokio::runtime::Runtime;

use crate::measure::{Pair, Scale, wall};

/// Texts in the history.
const TEXTS: usize = 1_000_000;
/// Conversations: the first has half of them, the second a quarter, and so on.
const CONVERSATIONS: usize = 12;
/// Different words; how often each is used falls as in languages (Zipf).
const WORDS: usize = 30_000;
/// Words in a text.
const LENGTH: usize = 9;
const BATCH: usize = 20_000;
const QUERIES: usize = 400;
/// What a screen shows of what was found.
const LIMIT: usize = 50;

/// 95th percentile of a search, in milliseconds.
pub(crate) fn search(_: &Runtime, scale: Scale) -> Pair {
    let place = tempfile::tempdir().expect("there is room for a folder");
    let folder = Folder::at(place.path().join("history"));
    let passphrase = Passphrase::new("bench".to_owned().into()).expect("a passphrase");
    let mut history = folder.create(KeyPlace::Passphrase(&passphrase), &[7; 32], &[8; 32]).expect("a new history");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    fill(&mut history, &mut dice);
    let plain = in_clear(folder.path(), &place.path().join("plain.db"));
    let (mut figures, mut baselines) = (Vec::new(), Vec::new());
    let mut found = 0;
    for n in 0..QUERIES * scale.factor {
        let (needle, query) = query(&mut dice, n);
        let within = (n % 2 == 0).then(|| conversation(dice.below(CONVERSATIONS)));
        figures.push(wall(1, || {
            found += history.search(&needle, within.as_ref(), None, LIMIT).expect("a search").len();
        }));
        let query = within.as_ref().map_or(query.clone(), |within| format!("place : c{} AND {query}", number(within)));
        baselines.push(wall(1, || bare(&plain, &query)));
    }
    let size = std::fs::metadata(folder.path().join("history.db")).map_or(0, |file| file.len());
    let note = format!(
        "{TEXTS} texts, {:.0} MB; p50 {:.2} ms, slowest {:.2} ms; {:.1} texts found on average",
        size as f64 / 1e6,
        percentile(&mut figures.clone(), 50) / 1e3,
        percentile(&mut figures.clone(), 100) / 1e3,
        found as f64 / figures.len() as f64
    );
    Pair::new(percentile(&mut figures, 95) / 1e3, percentile(&mut baselines, 95) / 1e3).noted(note)
}

fn fill(history: &mut History, dice: &mut Dice) {
    history.begin_run().expect("it is ours");
    for n in 0..CONVERSATIONS {
        history.keep(&conversation(n), "", true).expect("it is ours");
    }
    let mut number = 0;
    while number < TEXTS {
        // Half of all with one, a quarter with another …
        let with = (0..CONVERSATIONS - 1).find(|_| dice.below(2) == 0).unwrap_or(CONVERSATIONS - 1);
        let texts: Vec<String> = (0..BATCH / 20).map(|_| text(dice)).collect();
        let new = texts.iter().enumerate().map(|(n, text)| New {
            at: (number + n) as i64 * 60_000,
            sender: (n % 2 == 0).then_some("somebody@example.org"),
            number: (number + n) as u64,
            state: State::Delivered,
            text,
        });
        history.add_all(&conversation(with), &new.collect::<Vec<_>>()).expect("there is room");
        number += texts.len();
    }
}

/// The same tables without encryption, by SQLCipher's own export.
fn in_clear(folder: &Path, plain: &Path) -> Connection {
    let encrypted = Connection::open(folder.join("history.db")).expect("it is there");
    let key = format!("PRAGMA key = \"x'{}'\"", "07".repeat(32));
    encrypted.execute_batch(&key).expect("a key");
    encrypted.execute("ATTACH DATABASE ? AS plain KEY ''", [plain.display().to_string()]).expect("a new file");
    encrypted.query_row("SELECT sqlcipher_export('plain')", [], |_| Ok(())).expect("there is room");
    drop(encrypted);
    Connection::open(plain).expect("it was just written")
}

fn bare(plain: &Connection, query: &str) {
    let found = "SELECT e.text, c.name FROM words JOIN entries e ON e.id = words.rowid
        JOIN conversations c ON c.id = e.conversation WHERE words MATCH ? ORDER BY words.rowid DESC LIMIT ?";
    let mut statement = plain.prepare_cached(found).expect("the same tables");
    let rows = statement.query_map((query, LIMIT as i64), |row| row.get::<_, String>(0)).expect("a query");
    std::hint::black_box(rows.count());
}

/// What somebody types, and the same as a query: one word, two, or the beginning of one; frequent or not.
fn query(dice: &mut Dice, n: usize) -> (String, String) {
    let (first, second) = (dice.word(), dice.word());
    match n % 4 {
        0 | 1 => (format!("\"{first}\""), format!("text : (\"{first}\")")),
        2 => (format!("{first} \"{second}\""), format!("text : (\"{first}\" AND \"{second}\")")),
        _ => {
            let begins: String = first.chars().take(4).collect();
            (begins.clone(), format!("text : (\"{begins}\" *)"))
        }
    }
}

fn conversation(n: usize) -> Conversation {
    Conversation::Person(format!("person{n}@example.org"))
}

/// Its number in the database: they were named in order.
fn number(conversation: &Conversation) -> usize {
    let digits: String = conversation.name().chars().filter(char::is_ascii_digit).collect();
    digits.parse::<usize>().unwrap_or_default() + 1
}

fn text(dice: &mut Dice) -> String {
    let words: Vec<String> = (0..LENGTH).map(|_| dice.word()).collect();
    words.join(" ")
}

fn percentile(samples: &mut [f64], percent: usize) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[(samples.len() * percent / 100).min(samples.len() - 1)]
}

/// The same in each run (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.roll() % most as u64).unwrap_or_default()
    }

    /// A word, the frequent ones more often: the n-th about as often as 1/n.
    fn word(&mut self) -> String {
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        let n = (WORDS as f64).powf(share) as usize;
        // Pronounceable, and different ones begin differently.
        let mut rest = n * 7919 % (1 << 18) + 1;
        let mut word = String::new();
        while rest > 0 {
            word.push(char::from(b"bdfgklmnprstvwz"[rest % 15]));
            word.push(char::from(b"aeiou"[rest / 15 % 5]));
            rest /= 75;
        }
        word
    }
}
