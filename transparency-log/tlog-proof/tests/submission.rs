//! What is submitted to a log elsewhere, and what is answered.
#![allow(clippy::unwrap_used)]

use tlog_proof::submission::{Answer, Batch};
use tlog_proof::{Entry, Proof, leaf_hash};

fn entry(number: u16) -> Vec<u8> {
    let mut label = [0; 32];
    label[..2].copy_from_slice(&number.to_be_bytes());
    Entry::Certificate { label, commitment: [7; 32] }.encode()
}

fn proof(index: u64, checkpoint: &str, path: u8) -> Proof {
    let path = (0..path).map(|n| leaf_hash(&[n])).collect();
    Proof { extra: None, index, path, checkpoint: checkpoint.to_owned() }
}

#[test]
fn a_request_is_entries_led_by_their_length() {
    let batch = Batch((0..256).map(entry).collect());
    assert_eq!(batch.encode()[..4], [0, 66, 1, 1], "a length of two bytes, then version and kind");
    assert_eq!(Batch::decode(&batch.encode()).unwrap(), batch);
    let refused = |bytes: &[u8]| Batch::decode(bytes).unwrap_err().to_string();
    assert!(refused(&[]).contains("at least one"));
    assert!(refused(&[0]).contains("more bytes"));
    assert!(refused(&[0, 2, 1]).contains("more bytes"));
    assert!(refused(&[0, 129]).contains("at most 128"));
    assert!(refused(&Batch((0..257).map(entry).collect()).encode()).contains("at most 256"));
}

#[test]
fn an_answer_has_each_checkpoint_once_and_a_proof_for_each_entry() {
    let answer = Answer(vec![proof(5, "one", 1), proof(6, "two", 0), proof(7, "one", 64)]);
    let bytes = answer.encode();
    let head = [
        [0, 2].as_slice(), // two checkpoints
        &[0, 0, 0, 3],
        b"one",
        &[0, 0, 0, 3],
        b"two",
        &[0, 3],                   // three entries
        &[0, 0],                   // the first checkpoint
        &[0, 0, 0, 0, 0, 0, 0, 5], // the index
        &[1],                      // one hash
        leaf_hash(&[0]).as_bytes(),
    ]
    .concat();
    assert_eq!(bytes[..head.len()], head);
    assert_eq!(Answer::decode(&bytes, 3).unwrap(), answer);
    assert!(Answer::decode(&bytes, 2).unwrap_err().to_string().contains("as many"));
    for end in 0..bytes.len() {
        Answer::decode(&bytes[..end], 3).unwrap_err();
    }
    Answer::decode(&[bytes.as_slice(), &[0]].concat(), 3).unwrap_err();
    for (place, value, expected) in [(1, 9, "8 checkpoints"), (2, 1, "128 KiB"), (6, 0xff, "UTF-8"), (19, 2, "number")]
    {
        let mut other = bytes.clone();
        other[place] = value;
        let error = Answer::decode(&other, 3).unwrap_err().to_string();
        assert!(error.contains(expected), "byte {place}: {error}");
    }
}
