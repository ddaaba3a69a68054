//! The bodies of add-checkpoint (C2SP tlog-witness).

use tlog_proof::Hash;
use tlog_proof::note::MAX_NOTE_BYTES;

use super::{MAX_PROOF, WitnessError};

/// The type of the answer 409: the size that was cosigned last.
pub(crate) const SIZE_TYPE: &str = "text/x.tlog.size";

/// Largest request: a line with a size, 63 hashes, an empty line and a note.
pub(crate) const MAX_REQUEST_BYTES: usize = 32 + MAX_PROOF * 45 + 1 + MAX_NOTE_BYTES;

/// What a log asks of a witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AddCheckpoint {
    /// The size that the proof starts from.
    pub(crate) old: u64,
    /// The consistency proof.
    pub(crate) proof: Vec<Hash>,
    /// The signed note.
    pub(crate) checkpoint: String,
}

/// Writes a request.
pub(crate) fn encode(old: u64, proof: &[Hash], checkpoint: &str) -> String {
    let proof: String = proof.iter().map(|hash| format!("{hash}\n")).collect();
    format!("old {old}\n{proof}\n{checkpoint}")
}

impl AddCheckpoint {
    /// Reads a request; the checkpoint in it is not looked at.
    ///
    /// # Errors
    /// [`WitnessError::Malformed`].
    pub(crate) fn parse(body: &[u8]) -> Result<Self, WitnessError> {
        let malformed = |what: &str| WitnessError::Malformed(what.to_owned());
        let text = std::str::from_utf8(body).map_err(|_| malformed("expected UTF-8 text"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| malformed("expected an empty line"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(parse_decimal);
        let old = old.ok_or_else(|| malformed("expected the line \"old <size>\""))?;
        let mut proof = Vec::new();
        for line in lines {
            if proof.len() == MAX_PROOF {
                return Err(WitnessError::Malformed(format!("expected at most {MAX_PROOF} hashes, found more")));
            }
            proof.push(line.parse().map_err(|error| WitnessError::Malformed(format!("consistency proof: {error}")))?);
        }
        Ok(Self { old, proof, checkpoint: checkpoint.to_owned() })
    }
}

/// Reads the answer 409.
pub(crate) fn parse_size(body: &str) -> Option<u64> {
    parse_decimal(body.strip_suffix('\n')?)
}

/// Every number has one spelling.
fn parse_decimal(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for hashes in [0, 1, MAX_PROOF] {
            let proof = vec![tlog_proof::empty_root(); hashes];
            let read = AddCheckpoint::parse(encode(7, &proof, "a note\n").as_bytes()).unwrap();
            assert_eq!(read, AddCheckpoint { old: 7, proof, checkpoint: "a note\n".to_owned() });
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        let hash = tlog_proof::empty_root();
        let many = encode(7, &vec![hash; MAX_PROOF + 1], "note\n");
        for body in
            ["", "old 7\n", "old 07\n\nx", "old -1\n\nx", "old 7 \n\nx", "new 7\n\nx", "old 7\nAAAA\n\nx", &many]
        {
            assert!(AddCheckpoint::parse(body.as_bytes()).is_err(), "{body:?}");
        }
        assert!(AddCheckpoint::parse(b"old 7\n\n\xff").is_err());
        assert!(AddCheckpoint::parse(b"old 18446744073709551616\n\nx").is_err(), "beyond 64 bits");
        assert_eq!(parse_size("12\n"), Some(12));
        assert!(["12", "012\n", "\n", "12\n\n", "+1\n"].iter().all(|body| parse_size(body).is_none()));
    }
}
