//! Everything with real files.

mod damage;
mod erasing;
mod keeping;
mod keys;
mod searching;

use key_store::{Passphrase, PassphraseError};
use tempfile::TempDir;

use crate::*;

/// What stands in a text and is looked for in files.
pub(super) const SECRET: &str = "xyzzyplughfoobarbaz";

pub(super) fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned().into()).unwrap()
}

pub(super) fn bob() -> Conversation {
    Conversation::Person("bob@example.org".to_owned())
}

pub(super) fn room() -> Conversation {
    Conversation::Room("0123456789abcdef0123456789abcdef".to_owned())
}

pub(super) fn text(number: u64, text: &str) -> New<'_> {
    New { at: 1_795_435_200_000 + number as i64 * 1000, sender: None, number, state: State::Delivered, text }
}

pub(super) fn theirs(number: u64, text: &str) -> New<'_> {
    New { sender: Some("bob@example.org"), ..self::text(number, text) }
}

/// A history under the passphrase "open sesame", which keeps what bob and the room say.
pub(super) fn begun() -> (TempDir, Folder, History) {
    let home = tempfile::tempdir().unwrap();
    let folder = Folder::at(home.path().join("history"));
    let mut history = folder.create(KeyPlace::Passphrase(&passphrase("open sesame")), &[7; 32], &[8; 32]).unwrap();
    history.begin_run().unwrap();
    history.keep(&bob(), "", true).unwrap();
    history.keep(&room(), "tea", true).unwrap();
    (home, folder, history)
}

pub(super) fn open(folder: &Folder) -> Result<History, HistoryError> {
    folder.open(&mut || Ok(passphrase("open sesame")))
}

pub(super) fn never() -> Result<Passphrase, PassphraseError> {
    panic!("nobody is to be asked")
}

pub(super) fn texts(page: &[Entry]) -> Vec<&str> {
    page.iter().map(|entry| entry.text.as_str()).collect()
}

/// The bytes of every file under a folder.
pub(super) fn bytes(folder: &std::path::Path) -> Vec<u8> {
    let mut all = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        all.extend(if path.is_dir() { bytes(&path) } else { std::fs::read(&path).unwrap() });
    }
    all
}

pub(super) fn contains(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|part| part == needle.as_bytes())
}
