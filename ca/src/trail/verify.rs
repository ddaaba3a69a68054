//! Is every record chained to the one before, and is what was logged of it what stands there?

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::{AuditRecord, Head, MAX_RECORD_BYTES, TrailError};

/// How long a line that is being written may take until it stands there as a whole.
const A_MOMENT: Duration = Duration::from_millis(200);

/// A trail whose chain holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifiedTrail {
    /// How many records.
    pub records: u64,
    /// When the first and the last were made, seconds since the epoch.
    pub span: Option<(u64, u64)>,
    /// SHA-256 of the first record, hexadecimal: which trail this is. It stands in the log with every head.
    pub trail: String,
    /// SHA-256 of the last record, hexadecimal.
    pub head: String,
    /// How often what was recorded.
    pub counts: BTreeMap<String, u64>,
    /// How many records there were when a head was put into the transparency log, and the index of its entry, the newest
    /// last.
    pub logged: Vec<(u64, u64)>,
}

/// Reads a whole trail, record by record.
///
/// # Errors
/// It cannot be read; a record is none, stands at another place or is chained to another; or a head that was logged is
/// not that of the records before.
pub fn verify(path: &Path) -> Result<VerifiedTrail, TrailError> {
    let io = |error: io::Error| TrailError::io(path, &error);
    verify_lines(BufReader::new(File::open(path).map_err(io)?), io)
}

fn verify_lines(mut reader: impl BufRead, io: impl Fn(io::Error) -> TrailError) -> Result<VerifiedTrail, TrailError> {
    let mut found = VerifiedTrail {
        records: 0,
        span: None,
        trail: String::new(),
        head: String::new(),
        counts: BTreeMap::new(),
        logged: vec![],
    };
    let mut head = Head::default();
    let mut heads = BTreeMap::new();
    let mut line = Vec::new();
    loop {
        read_line(&mut reader, &mut line).map_err(&io)?;
        if line.is_empty() {
            break;
        }
        let number = head.count + 1;
        let broken = |expected: String, found: String| TrailError::Broken { line: number, expected, found };
        if line.pop() != Some(b'\n') {
            return Err(broken("a line's end".into(), "none: the record is torn or too long".into()));
        }
        let record: AuditRecord =
            serde_json::from_slice(&line).map_err(|error| broken("a record".into(), error.to_string()))?;
        if record.n != number {
            return Err(broken(format!("the number {number}"), record.n.to_string()));
        }
        let expected = hex::encode(head.hash);
        if record.prev != expected {
            return Err(broken(format!("the hash of the record before, {expected}"), record.prev));
        }
        head = head.then(&line);
        heads.insert(head.count, head.hash);
        if record.what == "head-logged" {
            found.logged.push(check_logged(&record, &heads, number)?);
            // Older ones can only be named by records that came before.
            heads.retain(|count, _| *count + 100_000 > number);
        }
        *found.counts.entry(record.what).or_default() += 1;
        let begin = found.span.map_or(record.at, |(begin, _)| begin);
        found.span = Some((begin, record.at));
    }
    found.records = head.count;
    found.trail = hex::encode(head.trail);
    found.head = hex::encode(head.hash);
    Ok(found)
}

/// Reads one line with its end, as far as there is one. A running server may just be writing the last line: what has no end
/// is read on once, a moment later.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<()> {
    line.clear();
    let mut more = |line: &mut Vec<u8>| {
        let limit = (MAX_RECORD_BYTES + 1 - line.len()) as u64;
        (&mut *reader).take(limit).read_until(b'\n', line)
    };
    more(line)?;
    if !line.is_empty() && line.len() <= MAX_RECORD_BYTES && !line.ends_with(b"\n") {
        std::thread::sleep(A_MOMENT);
        more(line)?;
    }
    Ok(())
}

fn check_logged(record: &AuditRecord, heads: &BTreeMap<u64, [u8; 32]>, line: u64) -> Result<(u64, u64), TrailError> {
    let number = |member: &str| record.of.get(member).and_then(serde_json::Value::as_u64);
    let (Some(count), Some(index)) = (number("count"), number("index")) else {
        let expected = "count and index of a logged head".to_owned();
        return Err(TrailError::Broken { line, expected, found: record.of.to_string() });
    };
    let said = record.of.get("head").and_then(serde_json::Value::as_str).unwrap_or_default();
    match heads.get(&count) {
        Some(hash) if hex::encode(hash) == said => Ok((count, index)),
        other => Err(TrailError::Broken {
            line,
            expected: format!("the head that was logged after record {count}, {said}"),
            found: other.map_or_else(|| "no such record".into(), hex::encode),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that ends twice: its writer was between two pieces of a line when it was first read to its end.
    struct Growing<'a>(Vec<&'a [u8]>);

    impl io::Read for Growing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.0.first_mut() else { return Ok(0) };
            let count = io::Read::read(piece, buffer)?;
            if count == 0 {
                self.0.remove(0);
            }
            Ok(count)
        }
    }

    fn read(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut reader = BufReader::new(Growing(pieces.to_vec()));
        let mut lines = vec![];
        loop {
            let mut line = Vec::new();
            read_line(&mut reader, &mut line).unwrap();
            if line.is_empty() {
                return lines;
            }
            lines.push(line);
        }
    }

    #[test]
    fn a_line_that_is_just_being_written_is_read_to_its_end() {
        assert_eq!(read(&[b"one\nt", b"wo\n"]), [b"one\n", b"two\n"]);
        assert_eq!(read(&[b"one\nt"]), [&b"one\n"[..], b"t"], "torn for good");
        let long = vec![b'x'; MAX_RECORD_BYTES + 1];
        assert_eq!(read(&[&long])[0].len(), MAX_RECORD_BYTES + 1, "too long is not read on");
    }
}
