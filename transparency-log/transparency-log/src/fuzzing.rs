//! Doors to the readers of files that a log or a mirror finds at its start, for `tests/fuzz`: whoever controls the storage
//! can put there what she likes.
//!
//! They are there under `cfg(fuzzing)`, which cargo-fuzz sets, and in this crate's own tests.
#![allow(clippy::missing_panics_doc, reason = "a panic is what is looked for")]

use sha2::{Digest as _, Sha256};

use crate::mirror::read_held;
use crate::monitor::Cursor;
use crate::sequencer::Stage;

/// A staged batch, whose digest is made to fit; a mirror's number of entries; a monitor's cursor.
pub fn file(bytes: &[u8]) {
    let _ = Stage::decode(bytes);
    let with_digest = [bytes, Sha256::digest(bytes).as_slice()].concat();
    if let Some(stage) = Stage::decode(&with_digest) {
        assert_eq!(Stage::decode(&stage.encode()), Some(stage), "what is read can be written");
    }
    if let Some((size, root)) = read_held(bytes) {
        assert_eq!(read_held(format!("{size}\n{root}\n").as_bytes()), Some((size, root)));
    }
    if let Ok(cursor) = serde_json::from_slice::<Cursor>(bytes) {
        let again = serde_json::to_vec(&cursor).expect("a cursor is JSON");
        assert_eq!(serde_json::from_slice::<Cursor>(&again).expect("its own JSON"), cursor);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn whatever_lies_there_nothing_panics() {
        let hash = tlog_proof::empty_root();
        let cursor = format!("{{\"origin\":\"a\",\"size\":3,\"frontier\":[\"{hash}\",\"{hash}\"]}}");
        let stage = [b"inperson-stage-v2\n".as_slice(), &[7; 16], &[0; 8], &[0, 0, 0, 1], b"x", &[0, 0, 0, 0]].concat();
        for seed in [b"3\n".as_slice(), format!("3\n{hash}\n").as_bytes(), cursor.as_bytes(), &stage] {
            for cut in 0..=seed.len() {
                super::file(&seed[..cut]);
                let mut altered = seed.to_vec();
                if let Some(byte) = altered.get_mut(cut) {
                    *byte ^= 0x81;
                    super::file(&altered);
                }
            }
        }
    }
}
