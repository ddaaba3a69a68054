//! The one thread that writes the trail: what waits is written together, and one `fsync` pays for all of it.
//!
//! What has happened and could not be recorded, as the disk was full, is recorded when there is room: it is kept until then.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{AuditRecord, BEGUN, Head, MAX_RECORD_BYTES, Pending, TrailError};
use crate::config::Clock;
use crate::spent::Work;

/// At most so many records share an `fsync`.
const MAX_GROUP: usize = 256;
/// At most so many records are kept that could not be written: some megabytes.
const MAX_KEPT: usize = 16 * 1024;
/// Pause before they are tried again, though nothing new comes.
const AGAIN: Duration = Duration::from_secs(1);
/// What nobody waits for may come so much later to the disk, with what comes after it.
const LATER: Duration = Duration::from_millis(20);

pub(super) struct Writer {
    file: File,
    path: PathBuf,
    /// Bytes of whole records.
    length: u64,
    head: Head,
    /// What no other trail begins with, should this one be empty.
    unique: [u8; 16],
    /// What has happened, when (seconds since the epoch), and could not be written yet.
    kept: Vec<(Pending, u64)>,
}

impl Writer {
    /// The writer, and how many bytes of a torn last line were cut off.
    pub(super) fn open(path: &Path, unique: [u8; 16]) -> Result<(Self, u64), TrailError> {
        let io = |error: std::io::Error| TrailError::io(path, &error);
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path).map_err(io)?;
        let all = file.metadata().map_err(io)?.len();
        let tail = tail(&mut file, all).map_err(io)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let torn = (tail.len() - whole) as u64;
        if torn > 0 {
            file.set_len(all - torn).and_then(|()| file.sync_all()).map_err(io)?;
        }
        let mut writer =
            Self { file, path: path.into(), length: all - torn, head: Head::default(), unique, kept: vec![] };
        let lines = &tail[..whole.saturating_sub(1)];
        let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        if !last.is_empty() {
            let record: AuditRecord = serde_json::from_slice(last).map_err(|error| TrailError::Broken {
                line: 0,
                expected: "a whole record at the end".into(),
                found: error.to_string(),
            })?;
            let trail = Sha256::digest(first(&mut writer.file).map_err(io)?).into();
            writer.head = Head { count: record.n, hash: Sha256::digest(last).into(), trail };
        }
        Ok((writer, torn))
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    /// Writes until nobody records any more.
    pub(super) fn run(
        mut self,
        receive: &mpsc::Receiver<Pending>,
        shared: &Mutex<Head>,
        failing: &AtomicBool,
        clock: &Clock,
    ) {
        loop {
            let next = match self.kept.is_empty() {
                true => receive.recv().map_err(|_ended| RecvTimeoutError::Disconnected),
                false => receive.recv_timeout(AGAIN),
            };
            let group = match next {
                Ok(first) => gather(first, receive),
                Err(RecvTimeoutError::Timeout) => vec![],
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.turn(group, clock().as_secs(), shared, failing);
        }
        if !self.kept.is_empty() {
            self.turn(vec![], clock().as_secs(), shared, failing);
            tracing::error!(lost = self.kept.len(), "the authority ends, and decisions could not be recorded");
        }
    }

    /// Writes what was kept, and this. Who waits for a record is told; what nobody waits for is kept if it could not be
    /// written.
    fn turn(&mut self, group: Vec<Pending>, at: u64, shared: &Mutex<Head>, failing: &AtomicBool) {
        let mut all = std::mem::take(&mut self.kept);
        all.extend(group.into_iter().map(|pending| (pending, at)));
        let result = self.write(&all);
        failing.store(result.is_err(), Ordering::Relaxed);
        if let Err(error) = &result {
            tracing::error!(%error, "decisions could not be recorded");
        }
        *shared.lock().unwrap_or_else(PoisonError::into_inner) = self.head;
        for (pending, at) in all {
            match pending.written {
                Some(written) => _ = written.send(result.clone()),
                None if result.is_ok() => {}
                None if self.kept.len() < MAX_KEPT => self.kept.push((pending, at)),
                None => tracing::error!(what = pending.what, "a decision could not be recorded, nor kept"),
            }
        }
    }

    /// All or none: what a failed write left is cut off.
    fn write(&mut self, group: &[(Pending, u64)]) -> Result<(), TrailError> {
        let mut head = self.head;
        let mut bytes = Vec::new();
        let unique = || (BEGUN, json!({"random": hex::encode(self.unique)}));
        let begun = group.first().filter(|_| head.count == 0).map(|(_, at)| (unique(), *at));
        let noted = group.iter().map(|(pending, at)| ((pending.what, pending.of.clone()), *at));
        for ((what, of), at) in begun.into_iter().chain(noted) {
            let record = AuditRecord { n: head.count + 1, at, what: what.into(), of, prev: hex::encode(head.hash) };
            let line = serde_json::to_vec(&record).expect("strings and numbers can be written as JSON");
            debug_assert!(line.len() <= MAX_RECORD_BYTES, "records are short");
            head = head.then(&line);
            bytes.extend_from_slice(&line);
            bytes.push(b'\n');
        }
        let written = Work::Trail.time(|| self.file.write_all(&bytes).and_then(|()| self.file.sync_data()));
        if let Err(error) = written {
            let _ = self.file.set_len(self.length);
            return Err(TrailError::io(&self.path, &error));
        }
        self.length += bytes.len() as u64;
        self.head = head;
        Ok(())
    }
}

/// What is written together. Nothing is held back for which somebody waits.
fn gather(first: Pending, receive: &mpsc::Receiver<Pending>) -> Vec<Pending> {
    let until = Instant::now() + LATER;
    let mut awaited = first.written.is_some();
    let mut group = vec![first];
    while group.len() < MAX_GROUP {
        let pause = if awaited { Duration::ZERO } else { until.saturating_duration_since(Instant::now()) };
        match receive.recv_timeout(pause) {
            Ok(next) => {
                awaited |= next.written.is_some();
                group.push(next);
            }
            Err(_nothing) => break,
        }
    }
    group
}

/// The first line, without its end.
fn first(file: &mut File) -> std::io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut line = Vec::new();
    BufReader::new(file.take(MAX_RECORD_BYTES as u64 + 1)).read_until(b'\n', &mut line)?;
    line.pop_if(|byte| *byte == b'\n');
    Ok(line)
}

/// The end of the file, long enough for a torn line and a whole one.
fn tail(file: &mut File, all: u64) -> std::io::Result<Vec<u8>> {
    let from = all.saturating_sub(2 * MAX_RECORD_BYTES as u64 + 2);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(all - from).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(what: &'static str) -> Pending {
        Pending { what, of: json!({}), written: None }
    }

    #[test]
    fn what_could_not_be_recorded_is_when_it_can_and_with_its_own_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let (mut writer, _) = Writer::open(&path, [1; 16]).unwrap();
        let (shared, failing) = (Mutex::new(Head::default()), AtomicBool::new(false));
        writer.turn(vec![note("account-made")], 100, &shared, &failing);
        // Nothing can be written: as on a full disk.
        let good = std::mem::replace(&mut writer.file, File::open(&path).unwrap());
        let (written, mut told) = tokio::sync::oneshot::channel();
        let about_to_sign = Pending { written: Some(written), ..note("about-to-sign") };
        writer.turn(vec![note("control-proven"), about_to_sign, note("planned")], 101, &shared, &failing);
        assert!(told.try_recv().unwrap().is_err() && failing.load(Ordering::Relaxed));
        assert_eq!((writer.kept.len(), shared.lock().unwrap().count), (2, 2));
        writer.turn(vec![note("revoked")], 102, &shared, &failing);
        writer.file = good;
        writer.turn(vec![], 103, &shared, &failing);
        assert!(writer.kept.is_empty() && !failing.load(Ordering::Relaxed));
        let text = std::fs::read_to_string(&path).unwrap();
        let records: Vec<AuditRecord> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let records: Vec<_> = records.iter().map(|record| (record.what.as_str(), record.at)).collect();
        let expected =
            [("trail-begun", 100), ("account-made", 100), ("control-proven", 101), ("planned", 101), ("revoked", 102)];
        assert_eq!(records, expected);
        assert_eq!(super::super::verify(&path).unwrap().records, 5);
    }
}
